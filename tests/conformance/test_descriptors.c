/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of our descriptors: a program may run without standard input,
 * output and error, and nothing of ours may ever be found in their place. And
 * listening sockets that others made: a server takes them and leaves them.
 */
#include "support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <windpipe.h>

enum {
    MESSAGES = 40 /* and a connection has moved to shared memory */
};

/* Which of 0, 1 and 2 are open, as bits. */
static int low_ones(void)
{
    int bits = 0;

    for (int i = 0; i < 3; i++)
        bits |= (fcntl(i, F_GETFD) >= 0) << i;
    return bits;
}

static int seen; /* of low_ones, at any time */

static void look(void)
{
    seen |= low_ones();
}

/* In the middle of an accept. */
static int admit(const wpipe_peer *peer, void *user)
{
    (void)peer;
    (void)user;
    look();
    return 0;
}

static wpipe_options options_of(int foreign)
{
    return (wpipe_options){ .size = sizeof(wpipe_options),
                            .foreign = foreign,
                            .framing = WPIPE_FRAMING_LE32,
                            .shared_memory = WPIPE_SHARED_NOW,
                            .admit = admit };
}

static void echo(wpipe_server *server)
{
    wpipe_event event;

    while (wpipe_server_wait(server, &event, 0) == 1)
        if (event.type == WPIPE_EVENT_MESSAGE)
            (void)wpipe_server_send(server, event.from, event.data, event.size);
    look();
}

/* Both ends in one thread. Returns what became of the stream. */
static int converse(wpipe_server *server, wpipe_stream *stream)
{
    char bytes[8];
    int64_t r = 0;

    for (int i = 0; i < MESSAGES && r >= 0; i++) {
        r = wpipe_write(stream, "message", 7, 0);
        echo(server);
        if (r >= 0)
            r = wpipe_read(stream, bytes, sizeof bytes, SUPPORT_WAIT_MS);
        look();
    }
    return r < 0;
}

static int connect_and_converse(wpipe_server *server, int foreign)
{
    wpipe_options options = options_of(foreign);
    wpipe_stream_facts facts = { .size = sizeof facts };
    wpipe_stream *stream = NULL;
    int r;

    options.type = WPIPE_MESSAGE;
    options.flags = WPIPE_CONNECT_EARLY;
    r = wpipe_connect(&stream, wpipe_server_name(server), &options, 0);
    look();
    if (r == 0)
        r = converse(server, stream);
    if (r == 0 && foreign == WPIPE_FOREIGN_NEVER)
        r = wpipe_stream_info(stream, &facts) < 0 || facts.shared != 2;
    (void)wpipe_stream_fd(stream);
    look();
    wpipe_stream_close(stream);
    return r != 0;
}

static int serve_and_converse(int second_pipe)
{
    wpipe_options options = options_of(WPIPE_FOREIGN_ALSO);
    wpipe_server *server = NULL;
    int r;

    options.second_pipe = second_pipe;
    r = wpipe_server_open(&server, support_unique_name(), &options);
    look();
    if (r == 0)
        r = connect_and_converse(server, WPIPE_FOREIGN_NEVER);
    if (r == 0 && second_pipe == WPIPE_SECOND_PIPE_NONE)
        r = connect_and_converse(server, WPIPE_FOREIGN_ONLY);
    (void)wpipe_server_fd(server);
    look();
    wpipe_server_close(server);
    return r != 0;
}

/* A client without a server watches directories. */
static int wait_in_vain(void)
{
    wpipe_options options = options_of(WPIPE_FOREIGN_DEFAULT);
    wpipe_client *client = NULL;
    wpipe_event event;
    int r;

    options.flags = WPIPE_CONNECT_LATER | WPIPE_RECONNECT;
    r = wpipe_client_open(&client, support_unique_name(), &options);
    if (r == 0)
        r = wpipe_client_wait(client, &event, 1) != WPIPE_ETIMEDOUT;
    (void)wpipe_client_fd(client);
    look();
    wpipe_client_close(client);
    return r != 0;
}

static int listen_and_be_polled(void)
{
    wpipe_options options = options_of(WPIPE_FOREIGN_DEFAULT);
    wpipe_listener *listener = NULL;
    int r = wpipe_listen(&listener, NULL, &options);

    (void)wpipe_listener_fd(listener);
    look();
    wpipe_listener_close(listener);
    return r != 0;
}

static int make_anonymous(int direction, int foreign)
{
    wpipe_options options = options_of(foreign);
    const char *const arguments[] = { "true", "{0}", NULL };
    wpipe_stream *stream = NULL;
    int64_t pid = 0;
    int r = wpipe_anonymous(&stream, direction, &options);

    look();
    if (r == 0)
        r = wpipe_spawn(&pid, arguments, &stream, 1);
    if (r == 0)
        r = wpipe_reap(pid, SUPPORT_WAIT_MS);
    look();
    wpipe_stream_close(stream);
    return r != 0;
}

/* A bit for what did not work; 64 and more for descriptors that were seen. */
static int use_everything(int fd, void *argument)
{
    int bad;

    (void)fd;
    (void)argument;
    for (int i = 0; i < 3; i++)
        close(i);
    bad = serve_and_converse(WPIPE_SECOND_PIPE_NONE);
    bad |= serve_and_converse(WPIPE_SECOND_PIPE_H_PIPES) << 1;
    bad |= wait_in_vain() << 2;
    bad |= listen_and_be_polled() << 3;
    bad |= make_anonymous(WPIPE_DUPLEX, WPIPE_FOREIGN_DEFAULT) << 4;
    bad |= make_anonymous(WPIPE_OUT, WPIPE_FOREIGN_ONLY) << 5;
    return bad | (seen != 0) << 6;
}

static void descriptors_of_ours_are_above_two(void **state)
{
    struct helper helper;

    (void)state;
    helper_fork(&helper, use_everything, NULL);
    assert_int_equal(helper_join(&helper), 0);
}

/* ---- sockets of others --------------------------------------------------- */

enum {
    PATH_ROOM = 108
};

static void path_of(const char *name, int foreign, char path[PATH_ROOM])
{
    int n = foreign ? snprintf(path, PATH_ROOM, "%s/CoreFxPipe_%s",
                               getenv("TMPDIR"), name)
                    : snprintf(path, PATH_ROOM, "%s/%s.pipe",
                               support_runtime_dir(), name);

    assert_true(n > 0 && n < PATH_ROOM);
}

/* What a service manager does. */
static int manager_listens(const char *path, int type)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    assert_true(fd > 2);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(
        bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static wpipe_options inherited(int listen_fd, int foreign_fd)
{
    wpipe_options options = options_of(WPIPE_FOREIGN_DEFAULT);

    options.listen_fd = listen_fd;
    options.foreign_fd = foreign_fd;
    if (foreign_fd != 0)
        options.foreign =
            listen_fd == 0 ? WPIPE_FOREIGN_ONLY : WPIPE_FOREIGN_ALSO;
    return options;
}

static void expect_served(wpipe_server *server, int foreign)
{
    assert_int_equal(connect_and_converse(server, foreign), 0);
}

static void server_takes_the_sockets_of_others_and_leaves_them(void **state)
{
    const size_t before = support_count_descriptors();
    const char *name = support_unique_name();
    char paths[2][PATH_ROOM];
    wpipe_server *server = NULL;
    wpipe_options options;
    int fds[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        path_of(name, i, paths[i]);
        fds[i] = manager_listens(paths[i], SOCK_STREAM);
    }
    for (int i = 1; i < 4; i++) {
        options = inherited(i & 1 ? fds[0] : 0, i & 2 ? fds[1] : 0);
        assert_int_equal(wpipe_server_open(&server, name, &options), 0);
        assert_string_equal(wpipe_server_name(server), name);
        if (i & 1)
            expect_served(server, WPIPE_FOREIGN_NEVER);
        if (i & 2)
            expect_served(server, WPIPE_FOREIGN_ONLY);
        wpipe_server_close(server);
        assert_int_equal(access(paths[0], F_OK) | access(paths[1], F_OK), 0);
    }
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        assert_int_equal(unlink(paths[i]), 0);
    }
    assert_true(support_wait_descriptors(before));
}

/* Nobody is turned away between the end of one server and the next one's
 * beginning. */
static void clients_wait_at_the_socket_for_the_next_server(void **state)
{
    const size_t before = support_count_descriptors();
    const char *name = support_unique_name();
    wpipe_server *server = NULL;
    wpipe_stream *stream = NULL;
    wpipe_options early = options_of(WPIPE_FOREIGN_NEVER);
    wpipe_options options;
    char path[PATH_ROOM];
    int fd;

    (void)state;
    path_of(name, 0, path);
    fd = manager_listens(path, SOCK_STREAM);
    options = inherited(fd, 0);
    early.type = WPIPE_MESSAGE;
    early.flags = WPIPE_CONNECT_EARLY;
    assert_int_equal(wpipe_server_open(&server, name, &options), 0);
    assert_int_equal(wpipe_server_stop_accepting(server), 0);
    assert_int_equal(wpipe_connect(&stream, name, &early, 0), 0);
    echo(server); /* it does not accept it */
    wpipe_server_close(server);
    assert_int_equal(wpipe_server_open(&server, name, &options), 0);
    assert_int_equal(converse(server, stream), 0);
    wpipe_stream_close(stream);
    wpipe_server_close(server);
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_true(support_wait_descriptors(before));
}

static void name_of_a_socket_of_others_is_in_use(void **state)
{
    const char *name = support_unique_name();
    wpipe_server *server = NULL;
    char path[PATH_ROOM];
    int fd;

    (void)state;
    path_of(name, 0, path);
    fd = manager_listens(path, SOCK_STREAM);
    assert_int_equal(wpipe_server_open(&server, name, NULL), WPIPE_EINUSE);
    close(fd);
    assert_int_equal(unlink(path), 0);
}

static void expect_refused(const char *name, const wpipe_options *options,
                           const char *words)
{
    wpipe_options o = *options;
    wpipe_server *server = NULL;
    char text[200] = "";

    o.error_text = text;
    o.error_text_size = sizeof text;
    assert_int_equal(wpipe_server_open(&server, name, &o), WPIPE_EINVAL);
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static void what_is_no_listening_socket_is_refused(void **state)
{
    const char *name = support_unique_name();
    char path[PATH_ROOM];
    wpipe_options options;
    int pair[2];
    int fd;

    (void)state;
    path_of(name, 0, path);
    fd = manager_listens(path, SOCK_DGRAM);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    for (int i = 0; i < 4; i++) {
        const int bad[] = { 1, -1, fd, pair[0] };

        options = inherited(bad[i], 0);
        expect_refused(name, &options, "options.listen_fd is ");
        options = inherited(0, bad[i]);
        expect_refused(name, &options, "options.foreign_fd is ");
    }
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC); /* it stays open */
    options = inherited(pair[0], 0);
    expect_refused(NULL, &options, "needs a name");
    options.foreign = WPIPE_FOREIGN_ONLY;
    expect_refused(name, &options, "the native socket is not served");
    options = inherited(0, pair[0]);
    options.foreign = WPIPE_FOREIGN_DEFAULT;
    expect_refused(name, &options, "no foreign socket is served");
    options = inherited(0, pair[0]);
    options.second_pipe = WPIPE_SECOND_PIPE_H_PIPES;
    expect_refused(name, &options, "second_pipe");
    close(pair[0]);
    close(pair[1]);
    close(fd);
    assert_int_equal(unlink(path), 0);
}

/* ---- what the environment tells of them ---------------------------------- */

struct passed {
    const char *names; /* LISTEN_FDNAMES */
    const char *name;  /* of the pipe */
    int foreign;       /* options.foreign before */
    int result;
    int listen_fd, foreign_fd, foreign_after;
};

static void set_number(const char *variable, long number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%ld", number);
    assert_int_equal(setenv(variable, text, 1), 0);
}

/* The descriptors 3, 4 and 5 are a.pipe, CoreFxPipe_a and x.sock. */
static int pass_three(int fd, void *argument)
{
    static const char *const files[] = { "a.pipe", "CoreFxPipe_a", "x.sock" };
    const struct passed *p = argument;
    wpipe_options options = options_of(p->foreign);
    char path[PATH_ROOM];
    int bad;

    (void)fd;
    for (int i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", support_dir(), files[i]);
        (void)unlink(path);
        fd = manager_listens(path, SOCK_STREAM);
        assert_int_equal(fcntl(fd, F_DUPFD, 100), 100 + i);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(dup2(100 + i, 3 + i), 3 + i);
    set_number("LISTEN_FDS", 3);
    set_number("LISTEN_PID", getpid() + 1);
    assert_int_equal(setenv("LISTEN_FDNAMES", p->names, 1), 0);
    bad = wpipe_options_inherit(&options, p->name) != 0; /* not for us */
    set_number("LISTEN_PID", getpid());
    bad |= (wpipe_options_inherit(&options, p->name) != p->result) << 1;
    bad |= (options.listen_fd != p->listen_fd) << 2;
    bad |= (options.foreign_fd != p->foreign_fd) << 3;
    bad |= (options.foreign != p->foreign_after) << 4;
    bad |= (fcntl(5, F_GETFD) != FD_CLOEXEC) << 5;
    return bad;
}

static void sockets_are_found_by_file_and_by_name(void **state)
{
    static struct passed rows[] = {
        { "", "a", 0, 2, 3, 4, WPIPE_FOREIGN_ALSO },
        { "", "\\\\.\\pipe\\a", WPIPE_FOREIGN_ALSO, 2, 3, 4,
          WPIPE_FOREIGN_ALSO },
        { "", "a", WPIPE_FOREIGN_ONLY, 1, 0, 4, WPIPE_FOREIGN_ONLY },
        { "y:z:b", "b", 0, 1, 0, 5, WPIPE_FOREIGN_ONLY },
        { "b:bb:b.socket", "b", 0, 1, 3, 0, 0 },
        { "", "x", 0, WPIPE_ENOTFOUND, 0, 0, 0 },
        { "xx:x.y:", "x", 0, WPIPE_ENOTFOUND, 0, 0, 0 },
    };
    struct helper helper;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        helper_start(&helper, pass_three, &rows[i]);
        if (helper_join(&helper) != 0)
            fail_msg("row %zu: for %s of \"%s\"", i, rows[i].name,
                     rows[i].names);
    }
}

static void options_of_before_are_told_so(void **state)
{
    wpipe_options options = options_of(0);

    (void)state;
    options.size = offsetof(wpipe_options, listen_fd);
    assert_int_equal(wpipe_options_inherit(&options, "a"), WPIPE_EINVAL);
    assert_int_equal(wpipe_options_inherit(NULL, "a"), WPIPE_EINVAL);
}

/* ---- no more clients ----------------------------------------------------- */

static void stop_accepting_keeps_clients_and_frees_the_name(void **state)
{
    const int foreign = *(const int *)*state;
    const char *name = support_unique_name();
    wpipe_options options = options_of(foreign);
    wpipe_server *first = NULL;
    wpipe_server *second = NULL;
    wpipe_stream *stream = NULL;

    options.type = WPIPE_MESSAGE;
    options.flags = WPIPE_CONNECT_EARLY;
    assert_int_equal(wpipe_server_open(&first, name, &options), 0);
    assert_int_equal(wpipe_connect(&stream, name, &options, 0), 0);
    assert_int_equal(converse(first, stream), 0);
    assert_int_equal(wpipe_server_stop_accepting(first), 0);
    assert_int_equal(wpipe_server_stop_accepting(first), 0);
    assert_int_equal(wpipe_server_open(&second, name, &options), 0);
    expect_served(second, foreign);
    assert_int_equal(converse(first, stream), 0);
    assert_int_equal(wpipe_server_count(first), 1);
    wpipe_server_close(first); /* and the name stays the second one's */
    expect_served(second, foreign);
    wpipe_server_close(second);
    wpipe_stream_close(stream);
    assert_int_equal(wpipe_server_stop_accepting(NULL), WPIPE_EINVAL);
}

static void stop_and_echo(wpipe_server *server, const wpipe_event *event,
                          void *user)
{
    *(_Atomic int *)user |= wpipe_server_stop_accepting(server);
    (void)wpipe_server_send(server, event->from, event->data, event->size);
}

static void stop_accepting_in_handlers_frees_the_name(void **state)
{
    const wpipe_handlers handlers = { .size = sizeof handlers,
                                      .message = stop_and_echo };
    const char *name = support_unique_name();
    wpipe_options options = options_of(WPIPE_FOREIGN_NEVER);
    wpipe_stream *streams[3] = { NULL };
    wpipe_server *servers[2] = { NULL };
    _Atomic int result = 0;
    char bytes[8];

    (void)state;
    options.type = WPIPE_MESSAGE;
    options.threads = 2;
    assert_int_equal(wpipe_server_open(&servers[0], name, &options), 0);
    assert_int_equal(wpipe_server_start(servers[0], &handlers, &result), 0);
    for (int i = 0; i < 3; i++) /* of both threads */
        assert_int_equal(
            wpipe_connect(&streams[i], name, &options, SUPPORT_WAIT_MS), 0);
    for (int n = 0; n < MESSAGES; n++)
        for (int i = 0; i < 3; i++) {
            assert_int_equal(wpipe_write(streams[i], "hi", 2, 0), 2);
            assert_int_equal(
                wpipe_read(streams[i], bytes, sizeof bytes, SUPPORT_WAIT_MS),
                2);
        }
    assert_int_equal(result, 0);
    assert_int_equal(wpipe_server_open(&servers[1], name, &options), 0);
    for (int i = 0; i < 3; i++)
        wpipe_stream_close(streams[i]);
    wpipe_server_close(servers[0]);
    wpipe_server_close(servers[1]);
}

static const int native_only = WPIPE_FOREIGN_NEVER;
static const int foreign_only = WPIPE_FOREIGN_ONLY;

static const struct support_case cases[] = {
    TEST(descriptors_of_ours_are_above_two),
    TEST(server_takes_the_sockets_of_others_and_leaves_them),
    TEST(clients_wait_at_the_socket_for_the_next_server),
    TEST(name_of_a_socket_of_others_is_in_use),
    TEST(what_is_no_listening_socket_is_refused),
    TEST(sockets_are_found_by_file_and_by_name),
    TEST(options_of_before_are_told_so),
    TEST_WITH(stop_accepting_keeps_clients_and_frees_the_name,
              (void *)(uintptr_t)&native_only, "native"),
    TEST_WITH(stop_accepting_keeps_clients_and_frees_the_name,
              (void *)(uintptr_t)&foreign_only, "foreign"),
    TEST(stop_accepting_in_handlers_frees_the_name),
};

TEST_MAIN(cases)
