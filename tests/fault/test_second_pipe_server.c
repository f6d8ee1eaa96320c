/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that sends its clients on to pipes of their own, and clients that
 * never come there, come twice, leave, say the wrong thing, are somebody else,
 * or are too many. Each of them loses its own connection; the others never
 * notice; no file and no descriptor is left.
 */
#include "second_pipe_tools.h"

#include <grp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>

enum {
    STRANGER = 65534
};

static wpipe_server *serve(const char *name, const wpipe_options *options)
{
    wpipe_server *s = NULL;

    assert_int_equal(wpipe_server_open(&s, name, options), 0);
    return s;
}

/* ---- in good order ------------------------------------------------------- */

static void second_pipe_is_fresh_and_goes(void **state)
{
    const wpipe_options o = sent_on();
    const char *name = support_unique_name();
    wpipe_server *s = serve(name, &o);
    char one[256];
    char two[256];
    wpipe_event e;
    int fd = plain_knock(name);
    int other = plain_knock(name);

    (void)state;
    no_event(s);
    plain_told(fd, one);
    plain_told(other, two);
    assert_string_not_equal(one, two);
    assert_int_equal(strncmp(one, name, strlen(name)), 0);
    assert_int_equal(one[strlen(name)], '_');
    assert_int_equal(mode_of(door_path(one)) & 0777, 0600);
    assert_int_equal(wpipe_server_count(s), 0);

    fd = plain_knock(two);
    next_event(s, &e, WPIPE_EVENT_CONNECTED);
    assert_int_equal(access(door_path(two), F_OK), -1);
    assert_int_equal(access(door_path(one), F_OK), 0);
    assert_talks(s, fd, e.from);

    other = plain_knock(one);
    next_event(s, &e, WPIPE_EVENT_CONNECTED);
    assert_int_equal(access(door_path(one), F_OK), -1);
    assert_talks(s, other, e.from);
    close(fd);
    close(other);
    wpipe_server_close(s);
}

/* The wrapper's form: bytes of a .NET string. */
static void second_pipe_name_as_object(void **state)
{
    wpipe_options o = sent_on();
    const char *name = support_unique_name();
    uint8_t bytes[4 + 22 + 1];
    char second[256] = "";
    wpipe_server *s;
    wpipe_event e;
    uint8_t end;
    int fd;

    (void)state;
    o.second_pipe = WPIPE_SECOND_PIPE_WRAPPER;
    s = serve(name, &o);
    fd = plain_knock(name);
    no_event(s);
    assert_true(plain_read(fd, bytes, sizeof(bytes)));
    assert_int_equal(bytes[4 + 17], 6); /* the record of a string */
    assert_true(bytes[4 + 22] < 128);
    assert_true(plain_read(fd, second, bytes[4 + 22]));
    assert_true(plain_read(fd, &end, 1));
    assert_int_equal(end, 11);
    plain_expect_end(fd);
    close(fd);
    fd = plain_knock(second);
    next_event(s, &e, WPIPE_EVENT_CONNECTED);
    assert_talks(s, fd, e.from);
    close(fd);
    wpipe_server_close(s);
}

/* Native ones need no second pipe. */
static void second_pipe_beside_native_clients(void **state)
{
    wpipe_options o = sent_on();
    const wpipe_options native = { .size = sizeof(native) };
    const char *name = support_unique_name();
    wpipe_client *client;
    wpipe_server *s;
    wpipe_event e;
    wpipe_id id;
    int fd;

    (void)state;
    o.foreign = WPIPE_FOREIGN_ALSO;
    s = serve(name, &o);
    fd = plain_join(s, name, &id);
    {
        wpipe_options later = native;

        later.flags = WPIPE_CONNECT_LATER;
        assert_int_equal(wpipe_client_open(&client, name, &later), 0);
    }
    while (wpipe_client_wait(client, &e, 1) != 1)
        (void)wpipe_server_wait(s, &e, 0);
    assert_int_equal(wpipe_client_send(client, "native", 6), 0);
    do
        assert_int_equal(wpipe_server_wait(s, &e, SUPPORT_WAIT_MS), 1);
    while (e.type != WPIPE_EVENT_MESSAGE);
    assert_int_equal(e.size, 6);
    assert_talks(s, fd, id);
    assert_int_equal(wpipe_server_count(s), 2);
    wpipe_client_close(client);
    close(fd);
    wpipe_server_close(s);
}

static void second_pipe_of_a_listener(void **state)
{
    const wpipe_options o = sent_on();
    const char *name = support_unique_name();
    wpipe_listener *listener;
    wpipe_stream *one;
    wpipe_stream *two;
    char names[2][256];
    int fds[2];
    int i;

    (void)state;
    assert_int_equal(wpipe_listen(&listener, name, &o), 0);
    for (i = 0; i < 2; i++) {
        fds[i] = plain_knock(name);
        assert_true(support_wait_readable((int)wpipe_listener_fd(listener),
                                          SUPPORT_WAIT_MS));
        assert_int_equal(wpipe_accept(listener, &one, 0), WPIPE_ETIMEDOUT);
        plain_told(fds[i], names[i]);
    }
    for (i = 0; i < 2; i++)
        fds[i] = plain_knock(names[i]);
    assert_true(support_wait_readable((int)wpipe_listener_fd(listener),
                                      SUPPORT_WAIT_MS));
    assert_int_equal(wpipe_accept(listener, &one, SUPPORT_WAIT_MS), 0);
    assert_int_equal(wpipe_accept(listener, &two, SUPPORT_WAIT_MS), 0);
    wpipe_stream_close(one);
    wpipe_stream_close(two);
    for (i = 0; i < 2; i++)
        close(fds[i]);
    wpipe_listener_close(listener);
}

/* In somebody's event loop, which is one of another's: the doors are pollers
 * in pollers, too, and the system allows five. */
static void second_pipe_in_an_event_loop(void **state)
{
    const wpipe_options o = sent_on();
    const char *name = support_unique_name();
    wpipe_server *s = serve(name, &o);
    struct epoll_event one = { .events = EPOLLIN };
    struct epoll_event e;
    int outer = epoll_create1(EPOLL_CLOEXEC);
    int inner = epoll_create1(EPOLL_CLOEXEC);
    char second[256];
    wpipe_event event;
    int fd;

    (void)state;
    assert_int_equal(
        epoll_ctl(inner, EPOLL_CTL_ADD, (int)wpipe_server_fd(s), &one), 0);
    assert_int_equal(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &one), 0);
    while (wpipe_server_wait(s, &event, 0) != WPIPE_ETIMEDOUT)
        ;
    assert_int_equal(epoll_wait(outer, &e, 1, 0), 0);
    fd = plain_knock(name);
    assert_int_equal(epoll_wait(outer, &e, 1, SUPPORT_WAIT_MS), 1);
    no_event(s);
    plain_told(fd, second);
    assert_int_equal(epoll_wait(outer, &e, 1, 0), 0);
    fd = plain_knock(second);
    assert_int_equal(epoll_wait(outer, &e, 1, SUPPORT_WAIT_MS), 1);
    next_event(s, &event, WPIPE_EVENT_CONNECTED);
    close(fd);
    close(inner);
    close(outer);
    wpipe_server_close(s);
}

/* At a path: the second is beside it. */
static void second_pipe_at_a_path(void **state)
{
    const wpipe_options o = sent_on();
    const char *path = below(temp_dir(), "a.sock");
    wpipe_server *s = serve(path, &o);
    char second[256];
    wpipe_event e;
    int fd = plain_client(path);

    (void)state;
    no_event(s);
    plain_told(fd, second);
    assert_int_equal(strncmp(second, path, strlen(path)), 0);
    fd = plain_client(second);
    next_event(s, &e, WPIPE_EVENT_CONNECTED);
    assert_talks(s, fd, e.from);
    close(fd);
    wpipe_server_close(s);
}

/* ---- no room ------------------------------------------------------------- */

/* Two were sent on when there was one seat: the second waits. A third is told
 * nothing until there is a seat again. */
static void second_pipe_full_server_keeps_them_waiting(void **state)
{
    wpipe_options o = sent_on();
    const char *name = support_unique_name();
    char names[2][256];
    wpipe_server *s;
    wpipe_event e;
    wpipe_id first;
    int fds[3];
    int i;

    (void)state;
    o.max_clients = 1;
    s = serve(name, &o);
    for (i = 0; i < 2; i++)
        fds[i] = plain_knock(name);
    no_event(s);
    for (i = 0; i < 2; i++) {
        plain_told(fds[i], names[i]);
        fds[i] = plain_knock(names[i]);
    }
    next_event(s, &e, WPIPE_EVENT_CONNECTED);
    first = e.from;
    no_event(s);
    assert_int_equal(wpipe_server_count(s), 1);
    fds[2] = plain_knock(name);
    no_event(s);
    assert_false(support_wait_readable(fds[2], 0));

    close(fds[0]);
    next_event(s, &e, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.from, first);
    next_event(s, &e, WPIPE_EVENT_CONNECTED);
    assert_talks(s, fds[1], e.from);
    no_event(s);
    assert_false(support_wait_readable(fds[2], 0));

    close(fds[1]);
    next_event(s, &e, WPIPE_EVENT_DISCONNECTED);
    no_event(s);
    plain_told(fds[2], names[0]);
    wpipe_server_close(s);
    assert_int_equal(access(door_path(names[0]), F_OK), -1);
}

/* A name that leaves no room for the number is refused at once. */
static void second_pipe_long_name_is_refused(void **state)
{
    const wpipe_options o = sent_on();
    wpipe_server *s = NULL;
    char path[108];
    char second[256];
    wpipe_event e;
    int fd;

    (void)state;
    memset(path, 'n', sizeof(path));
    memcpy(path, temp_dir(), strlen(temp_dir()));
    path[strlen(temp_dir())] = '/';
    path[107 - 16] = '\0';
    assert_int_equal(wpipe_server_open(&s, path, &o), WPIPE_ENAME);
    assert_said("at most 90 are possible");
    assert_null(s);
    path[107 - 17] = '\0';
    s = serve(path, &o);
    fd = plain_client(path);
    no_event(s);
    plain_told(fd, second);
    fd = plain_client(second);
    next_event(s, &e, WPIPE_EVENT_CONNECTED);
    close(fd);
    wpipe_server_close(s);
}

/* ---- who does not do his part -------------------------------------------- */

static void second_pipe_nobody_comes_it_is_over_in_time(void **state)
{
    wpipe_options o = sent_on();
    const char *name = support_unique_name();
    char second[256];
    wpipe_server *s;
    wpipe_event e;
    wpipe_id id;
    int good;
    int fd;

    (void)state;
    o.handshake_ms = 50;
    s = serve(name, &o);
    good = plain_join(s, name, &id);
    fd = plain_knock(name);
    next_event(s, &e, WPIPE_EVENT_REFUSED);
    assert_int_equal(e.reason, WPIPE_REASON_PROTOCOL);
    assert_int_equal(e.error, WPIPE_ETIMEDOUT);
    plain_told(fd, second);
    assert_int_equal(access(door_path(second), F_OK), -1);
    assert_int_equal(plain_client(door_path(second)), -1);
    assert_talks(s, good, id);
    close(good);
    wpipe_server_close(s);
}

/* One that leaves with the name, or without it, stops nobody. */
static void second_pipe_client_leaves_others_come(void **state)
{
    const wpipe_options o = sent_on();
    const char *name = support_unique_name();
    wpipe_server *s = serve(name, &o);
    char second[256];
    wpipe_id id;
    int fd;
    int i;

    (void)state;
    for (i = 0; i < 20; i++) {
        fd = plain_knock(name);
        if (i % 2)
            no_event(s);
        close(fd);
        no_event(s);
    }
    fd = plain_knock(name);
    no_event(s);
    plain_told(fd, second);
    close(plain_knock(second)); /* comes, and has left already */
    fd = plain_knock(name);
    {
        wpipe_event e;

        next_event(s, &e, WPIPE_EVENT_CONNECTED);
        next_event(s, &e, WPIPE_EVENT_DISCONNECTED);
        assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    }
    close(fd);
    fd = plain_join(s, name, &id);
    assert_talks(s, fd, id);
    close(fd);
    wpipe_server_close(s);
}

static void second_pipe_client_comes_twice(void **state)
{
    const wpipe_options o = sent_on();
    const char *name = support_unique_name();
    wpipe_server *s = serve(name, &o);
    char second[256];
    wpipe_event e;
    int twice;
    int fd;

    (void)state;
    fd = plain_knock(name);
    no_event(s);
    plain_told(fd, second);
    fd = plain_knock(second);
    twice = plain_knock(second); /* both before the server looks */
    next_event(s, &e, WPIPE_EVENT_CONNECTED);
    no_event(s);
    plain_expect_end(twice);
    close(twice);
    assert_int_equal(plain_client(door_path(second)), -1);
    assert_talks(s, fd, e.from);
    assert_int_equal(wpipe_server_count(s), 1);
    close(fd);
    wpipe_server_close(s);
}

/* What is said at the first door is not heard. */
static void second_pipe_noise_at_the_first_door(void **state)
{
    static const char *const noises[] = { "\xff\xff\xff\xff", "hello\n",
                                          "GET / HTTP/1.1\r\n\r\n" };
    const wpipe_options o = sent_on();
    const char *name = support_unique_name();
    wpipe_server *s = serve(name, &o);
    char second[256];
    wpipe_id good_id;
    wpipe_event e;
    int good = plain_join(s, name, &good_id);
    size_t i;
    int fd;

    (void)state;
    for (i = 0; i < sizeof(noises) / sizeof(*noises); i++) {
        fd = plain_knock(name);
        assert_true(send(fd, noises[i], strlen(noises[i]), MSG_NOSIGNAL) > 0);
        no_event(s);
        plain_told(fd, second);
        assert_talks(s, good, good_id);
        fd = plain_knock(second);
        next_event(s, &e, WPIPE_EVENT_CONNECTED);
        assert_int_equal(send(fd, "\xff\xff\xff\xff", 4, MSG_NOSIGNAL), 4);
        next_event(s, &e, WPIPE_EVENT_DISCONNECTED);
        assert_int_equal(e.reason, WPIPE_REASON_PROTOCOL);
        close(fd);
        assert_talks(s, good, good_id);
    }
    close(good);
    wpipe_server_close(s);
}

/* More than there may be: the oldest goes for a new one. */
static void second_pipe_flood_costs_the_oldest(void **state)
{
    enum {
        GUESTS = 1024
    };
    const struct rlimit many = { 2400, 2400 };
    const wpipe_options o = sent_on();
    const char *name = support_unique_name();
    char oldest[256];
    char last[256];
    wpipe_server *s;
    wpipe_event e;
    wpipe_id id;
    int good;
    int fd;
    int i;

    (void)state;
    if (setrlimit(RLIMIT_NOFILE, &many) < 0)
        support_skip("2400 descriptors are not to be had");
    s = serve(name, &o);
    good = plain_join(s, name, &id);
    fd = plain_knock(name);
    no_event(s);
    plain_told(fd, oldest);
    for (i = 1; i < GUESTS; i++) {
        fd = plain_knock(name);
        no_event(s);
        plain_told(fd, last);
    }
    assert_int_equal(access(door_path(oldest), F_OK), 0);
    fd = plain_knock(name);
    next_event(s, &e, WPIPE_EVENT_REFUSED);
    assert_int_equal(e.error, WPIPE_ETIMEDOUT);
    plain_told(fd, last);
    assert_int_equal(access(door_path(oldest), F_OK), -1);
    assert_int_equal(access(door_path(last), F_OK), 0);
    assert_talks(s, good, id);
    close(good);
    wpipe_server_close(s);
}

/* No descriptor for a second door: that client is sent away. */
static void second_pipe_without_descriptors(void **state)
{
    const wpipe_options o = sent_on();
    const char *name = support_unique_name();
    wpipe_server *s = serve(name, &o);
    struct rlimit before;
    struct rlimit few;
    wpipe_event e;
    wpipe_id good_id;
    wpipe_id id;
    int good = plain_join(s, name, &good_id);
    int fd = plain_knock(name);
    int next;

    (void)state;
    next = dup(0); /* the lowest free one */
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)next + 1; /* enough to accept, and no more */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    next_event(s, &e, WPIPE_EVENT_REFUSED);
    assert_int_equal(e.reason, WPIPE_REASON_FULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    plain_expect_end(fd);
    close(fd);
    assert_talks(s, good, good_id);
    fd = plain_join(s, name, &id);
    close(fd);
    close(good);
    wpipe_server_close(s);
}

/* ---- somebody else ------------------------------------------------------- */

/* Comes to the pipe that it is told, as another user; tells how it ended. */
static int stranger(int fd, void *argument)
{
    const char *path = argument;
    int pipe;

    assert_int_equal(setgroups(0, NULL), 0);
    assert_int_equal(setresgid(STRANGER, STRANGER, STRANGER), 0);
    assert_int_equal(setresuid(STRANGER, STRANGER, STRANGER), 0);
    pipe = plain_client(path);
    event_send(fd, pipe >= 0);
    if (pipe >= 0) {
        plain_expect_end(pipe);
        close(pipe);
        event_send(fd, 2);
    }
    return 0;
}

static void second_pipe_is_for_who_was_sent(void **state)
{
    struct helper helper = HELPER_NONE;
    wpipe_options o = sent_on();
    const char *name = support_unique_name();
    char second[256];
    wpipe_server *s;
    wpipe_event e;
    int fd;

    (void)state;
    if (geteuid() != 0)
        support_skip("becoming another user needs root");
    o.access = WPIPE_ACCESS_ANYONE;
    assert_int_equal(chmod(below(temp_dir(), ".."), 0711), 0);
    assert_int_equal(chmod(temp_dir(), 01777), 0);
    s = serve(name, &o);
    fd = plain_knock(name);
    no_event(s);
    plain_told(fd, second);
    helper_start(&helper, stranger, (void *)(uintptr_t)door_path(second));
    event_expect(helper.fd, 1);
    next_event(s, &e, WPIPE_EVENT_REFUSED);
    assert_int_equal(e.reason, WPIPE_REASON_DENIED);
    assert_int_equal(e.error, WPIPE_EACCES);
    event_expect(helper.fd, 2);
    assert_int_equal(helper_join(&helper), 0);
    fd = plain_knock(second);
    next_event(s, &e, WPIPE_EVENT_CONNECTED);
    assert_talks(s, fd, e.from);
    close(fd);
    wpipe_server_close(s);
}

/* ---- ends ---------------------------------------------------------------- */

static void second_pipe_server_closes_all_are_gone(void **state)
{
    wpipe_options o = sent_on();
    const char *name = support_unique_name();
    char names[3][256];
    wpipe_server *s;
    int fds[3];
    int i;

    (void)state;
    o.max_clients = 1;
    s = serve(name, &o);
    for (i = 0; i < 3; i++)
        fds[i] = plain_knock(name);
    no_event(s);
    for (i = 0; i < 3; i++)
        plain_told(fds[i], names[i]);
    fds[0] = plain_knock(names[0]); /* seated */
    fds[1] = plain_knock(names[1]); /* waits for a seat */
    {
        wpipe_event e;

        next_event(s, &e, WPIPE_EVENT_CONNECTED);
    }
    no_event(s);
    wpipe_server_close(s); /* and one never came */
    assert_nothing_left();
    for (i = 0; i < 2; i++) {
        plain_expect_end(fds[i]);
        close(fds[i]);
    }
}

/* A forked child closes, and its parent's doors stay. */
static int closes(int fd, void *argument)
{
    (void)fd;
    wpipe_server_close(argument);
    _exit(0); /* some memory is the parent's to free */
}

static void second_pipe_child_leaves_it_alone(void **state)
{
    const wpipe_options o = sent_on();
    const char *name = support_unique_name();
    wpipe_server *s = serve(name, &o);
    struct helper helper = HELPER_NONE;
    char second[256];
    wpipe_event e;
    int fd = plain_knock(name);

    (void)state;
    no_event(s);
    plain_told(fd, second);
    helper_fork(&helper, closes, s);
    assert_int_equal(helper_join(&helper), 0);
    assert_int_equal(access(door_path(second), F_OK), 0);
    fd = plain_knock(second);
    next_event(s, &e, WPIPE_EVENT_CONNECTED);
    assert_talks(s, fd, e.from);
    close(fd);
    wpipe_server_close(s);
}

static int serves(int fd, void *argument)
{
    const wpipe_options o = sent_on();
    wpipe_server *s = serve(argument, &o);
    wpipe_event e;

    event_send(fd, 1);
    for (;;)
        (void)wpipe_server_wait(s, &e, WPIPE_FOREVER);
    return 0;
}

/* What a killed server has left, the next one of this name clears away; what
 * only looks like it, it leaves alone. */
static void second_pipe_of_the_killed_are_cleared(void **state)
{
    const wpipe_options o = sent_on();
    const char *name = support_unique_name();
    struct helper helper = HELPER_NONE;
    char file[300];
    char second[256];
    wpipe_server *s;
    wpipe_id id;
    int living;
    int fd;

    (void)state;
    if (!has_socket_list())
        support_skip("this kernel does not tell whose sockets there are");
    helper_start(&helper, serves, (void *)(uintptr_t)name);
    event_expect(helper.fd, 1);
    plain_told(plain_knock(name), second);
    helper_kill(&helper);
    assert_int_equal(access(door_path(second), F_OK), 0);
    snprintf(file, sizeof(file), "%s_0123456789abcdef", name);
    living = plain_server(door_path(file), SOCK_STREAM, 1);
    snprintf(file, sizeof(file), "%s_0123456789abcdff", name);
    write_file(door_path(file), "precious");

    s = serve(name, &o);
    assert_int_equal(access(door_path(second), F_OK), -1);
    assert_int_equal(access(door_path(file), F_OK), 0);
    assert_int_equal(unlink(door_path(file)), 0);
    snprintf(file, sizeof(file), "%s_0123456789abcdef", name);
    assert_int_equal(access(door_path(file), F_OK), 0);
    fd = plain_join(s, name, &id);
    assert_talks(s, fd, id);
    close(fd);
    wpipe_server_close(s);
    close(living);
    assert_int_equal(unlink(door_path(file)), 0);
}

static const struct support_case cases[] = {
    TEST(second_pipe_is_fresh_and_goes),
    TEST(second_pipe_name_as_object),
    TEST(second_pipe_beside_native_clients),
    TEST(second_pipe_of_a_listener),
    TEST(second_pipe_in_an_event_loop),
    TEST(second_pipe_at_a_path),
    TEST(second_pipe_full_server_keeps_them_waiting),
    TEST(second_pipe_long_name_is_refused),
    TEST(second_pipe_nobody_comes_it_is_over_in_time),
    TEST(second_pipe_client_leaves_others_come),
    TEST(second_pipe_client_comes_twice),
    TEST(second_pipe_noise_at_the_first_door),
    TEST_SLOW(second_pipe_flood_costs_the_oldest),
    TEST(second_pipe_without_descriptors),
    TEST(second_pipe_is_for_who_was_sent),
    TEST(second_pipe_server_closes_all_are_gone),
    TEST(second_pipe_child_leaves_it_alone),
    TEST(second_pipe_of_the_killed_are_cleared),
};

TEST_MAIN(cases)
