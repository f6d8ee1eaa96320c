/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connecting to servers that send their clients on, played with plain sockets:
 * as H.Pipes does it, late, slowly, wrongly, not at all, or to somebody else's
 * pipe. A connect ends within its time and says why; a client that is to go on
 * goes on.
 */
#include "second_pipe_tools.h"

#include <grp.h>
#include <pthread.h>

enum {
    STRANGER = 65534,
    SOON_MS = 100,
    THREADS = 8,
    ROUNDS = 25
};

/* ---- a server of another kind -------------------------------------------- */

/* What it does with one who comes to its first door. */
struct act {
    const void *bytes; /* said there; NULL: the name of its second pipe */
    size_t size;
    int slowly; /* a byte whenever the client sleeps */
    int holds;  /* goes on without closing */
    int absent; /* there is no second pipe */
};

struct play {
    const char *name;
    const struct act *acts;
    int count;
    pid_t client;
};

static int accept_next(int door)
{
    int fd;

    assert_true(support_wait_readable(door, SUPPORT_WAIT_MS));
    fd = accept(door, NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

static void say(const struct play *p, const struct act *act, int fd,
                const void *bytes, size_t size)
{
    const char *at = bytes;
    size_t part = act->slowly ? 1 : size;

    for (; size > 0; size -= part, at += part) {
        if (act->slowly)
            support_wait_asleep(p->client, p->client);
        if (send(fd, at, part, MSG_NOSIGNAL) < 0)
            return; /* it has heard enough */
    }
}

/* As H.Pipes: the first door is closed before there is a second one. */
static int plays(int parent, void *argument)
{
    const struct play *p = argument;
    int held[8];
    char name[128];
    char message[256];
    int door;
    int fd;
    int i;

    for (i = 0; i < p->count; i++) {
        const struct act *act = &p->acts[i];

        door = plain_server(door_path(p->name), SOCK_STREAM, 8);
        event_send(parent, (uint32_t)i);
        fd = accept_next(door);
        snprintf(name, sizeof(name), "%s_%d", p->name, i);
        if (act->bytes != NULL) {
            say(p, act, fd, act->bytes, act->size);
        } else {
            snprintf(message, sizeof(message), "%c%c%c%c%s", 0, 0, 0,
                     (int)strlen(name), name);
            say(p, act, fd, message, 4 + strlen(name));
        }
        held[i] = act->holds ? dup(fd) : -1;
        close(fd);
        close(door);
        unlink(door_path(p->name));
        if (act->bytes != NULL || act->absent)
            continue;
        support_wait_asleep(p->client, p->client); /* it looks for it */
        door = plain_server(door_path(name), SOCK_STREAM, 8);
        fd = accept_next(door);
        close(door);
        unlink(door_path(name));
        plain_send(fd, "welcome", 7);
        assert_string_equal(plain_receive(fd), "thanks");
        plain_expect_end(fd);
        close(fd);
    }
    event_wait(parent);
    for (i = 0; i < p->count; i++)
        if (held[i] >= 0)
            close(held[i]);
    return 0;
}

static void begin(struct helper *helper, struct play *p)
{
    p->client = getpid();
    helper_start(helper, plays, p);
    event_expect(helper->fd, 0);
}

/* All acts were played. */
static void end(struct helper *helper, const struct play *p)
{
    int i;

    for (i = 1; i < p->count; i++)
        event_expect(helper->fd, (uint32_t)i);
    event_send(helper->fd, 99);
    assert_int_equal(helper_join(helper), 0);
}

static wpipe_options message_options(void)
{
    wpipe_options o = sent_on();

    o.type = WPIPE_MESSAGE;
    return o;
}

static void assert_welcome(wpipe_stream *stream)
{
    char buf[16];

    assert_int_equal(wpipe_read(stream, buf, sizeof(buf), SUPPORT_WAIT_MS), 7);
    assert_memory_equal(buf, "welcome", 7);
    assert_int_equal(wpipe_write(stream, "thanks", 6, 0), 6);
    wpipe_stream_close(stream);
}

/* ---- wpipe_connect ------------------------------------------------------- */

static const struct act good = { .bytes = NULL };
static const struct act slow = { .slowly = 1 };
static const struct act holding = { .holds = 1 };
static const struct act silent = { .bytes = "", .size = 0 };
static const struct act absent = { .absent = 1 };

static void connect_goes_where_it_is_sent(void **state)
{
    const wpipe_options o = message_options();
    struct play p = { .acts = *state, .count = 1 };
    struct helper helper = HELPER_NONE;
    wpipe_stream *stream;

    p.name = support_unique_name();
    begin(&helper, &p);
    assert_int_equal(wpipe_connect(&stream, p.name, &o, SUPPORT_WAIT_MS), 0);
    assert_welcome(stream);
    end(&helper, &p);
}

/* It went away without a word: the next one is tried. */
static void connect_server_goes_it_tries_again(void **state)
{
    const struct act acts[] = { silent, silent, good };
    const wpipe_options o = message_options();
    struct play p = { .acts = acts, .count = 3 };
    struct helper helper = HELPER_NONE;
    wpipe_stream *stream;

    (void)state;
    p.name = support_unique_name();
    begin(&helper, &p);
    assert_int_equal(wpipe_connect(&stream, p.name, &o, SUPPORT_WAIT_MS), 0);
    assert_welcome(stream);
    end(&helper, &p);
}

/* The second pipe does not come in handshake_ms: it goes to the first again,
 * which is a new server maybe. */
static void connect_second_absent_it_turns_back(void **state)
{
    const struct act acts[] = { absent, good };
    wpipe_options o = message_options();
    struct play p = { .acts = acts, .count = 2 };
    struct helper helper = HELPER_NONE;
    wpipe_stream *stream;

    (void)state;
    o.handshake_ms = SOON_MS;
    p.name = support_unique_name();
    begin(&helper, &p);
    assert_int_equal(wpipe_connect(&stream, p.name, &o, SUPPORT_WAIT_MS), 0);
    assert_welcome(stream);
    end(&helper, &p);
}

static void connect_second_absent_it_ends_in_time(void **state)
{
    const wpipe_options o = message_options();
    struct play p = { .acts = &absent, .count = 1 };
    struct helper helper = HELPER_NONE;
    wpipe_stream *stream = NULL;

    (void)state;
    p.name = support_unique_name();
    begin(&helper, &p);
    assert_int_equal(wpipe_connect(&stream, p.name, &o, SOON_MS),
                     WPIPE_ETIMEDOUT);
    assert_said("did not accept us in time");
    assert_null(stream);
    end(&helper, &p);
}

static void connect_name_never_comes(void **state)
{
    const struct act parts[] = {
        { .bytes = "", .size = 0, .holds = 1 },
        { .bytes = "\0\0", .size = 2, .holds = 1 },
        { .bytes = "\0\0\0\5name", .size = 8, .holds = 1 },
    };
    const wpipe_options o = message_options();
    wpipe_stream *stream = NULL;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        struct play p = { .acts = &parts[i], .count = 1 };
        struct helper helper = HELPER_NONE;

        p.name = support_unique_name();
        begin(&helper, &p);
        assert_int_equal(wpipe_connect(&stream, p.name, &o, SOON_MS),
                         WPIPE_ETIMEDOUT);
        assert_said("did not answer within");
        assert_null(stream);
        end(&helper, &p);
    }
}

#define BYTES(text) .bytes = text, .size = sizeof(text) - 1

static const struct bad {
    struct act act;
    const char *said;
} bad_names[] = {
    { { BYTES("\0\0\0\0") }, "length of 0" },
    { { BYTES("\x7f\xff\xff\xff") }, "2147483647 bytes were announced" },
    { { BYTES("\x80\0\0\0") }, "2147483648 bytes were announced" },
    { { BYTES("\xff\xff\xff\xff") }, "4294967295 bytes were announced" },
    { { BYTES("\0\0\1\x0a") }, "266 bytes were announced" },
    { { BYTES("\5\0\0\0hello") }, "bytes were announced" },
    { { BYTES("HTTP/1.1 200 OK\r\n") }, "bytes were announced" },
    { { BYTES("\0\0\0\3a/b") }, "'/'" },
    { { BYTES("\0\0\0\x0b/etc/passwd") }, "'/'" },
    { { BYTES("\0\0\0\2..") }, "\"..\"" },
    { { BYTES("\0\0\0\3a\0b") }, "0 byte" },
    { { BYTES("\0\0\0\2\xc3\x28") }, "UTF-8" },
    { { BYTES("\0\0\0\3a\nb") }, "control character" },
    { { BYTES("\0\0\0\4\0\1\2\3") }, "neither text nor a .NET string" },
    { { BYTES("\0") }, "ended after 1 bytes" },
    { { BYTES("\0\0\0\5name") }, "ended after 8 bytes" },
};

enum {
    BAD = sizeof(bad_names) / sizeof(bad_names[0])
};

/* Once all at once, once byte by byte. */
static void connect_bad_name_is_named(void **state)
{
    const wpipe_options o = message_options();
    wpipe_stream *stream = NULL;
    int i;

    (void)state;
    for (i = 0; i < 2 * BAD; i++) {
        struct act act = bad_names[i / 2].act;
        struct play p = { .acts = &act, .count = 1 };
        struct helper helper = HELPER_NONE;

        act.slowly = i % 2;
        p.name = support_unique_name();
        begin(&helper, &p);
        assert_int_equal(wpipe_connect(&stream, p.name, &o, SUPPORT_WAIT_MS),
                         WPIPE_EPROTO);
        print_message("%s\n", error_text);
        assert_said(bad_names[i / 2].said);
        assert_said(p.name);
        assert_null(stream);
        end(&helper, &p);
    }
}

/* A name that is one, of a path that is none. */
static void connect_long_name_is_named(void **state)
{
    const wpipe_options o = message_options();
    struct act act = { .size = 4 + 200 };
    struct play p = { .acts = &act, .count = 1 };
    struct helper helper = HELPER_NONE;
    wpipe_stream *stream = NULL;
    char bytes[4 + 200] = { 0, 0, 0, (char)200 };

    (void)state;
    memset(bytes + 4, 'n', 200);
    act.bytes = bytes;
    p.name = support_unique_name();
    begin(&helper, &p);
    assert_int_equal(wpipe_connect(&stream, p.name, &o, SUPPORT_WAIT_MS),
                     WPIPE_EPROTO);
    assert_said("at most 107 bytes");
    assert_null(stream);
    end(&helper, &p);
}

/* ---- another user -------------------------------------------------------- */

/* A server that we may talk to, and that sends us to where we may not. */
static int lures(int parent, void *argument)
{
    const char *const *names = argument;
    int door;
    int fd;

    assert_int_equal(setgroups(0, NULL), 0);
    assert_int_equal(setresgid(STRANGER, STRANGER, STRANGER), 0);
    assert_int_equal(setresuid(STRANGER, STRANGER, STRANGER), 0);
    door = plain_server(door_path(names[0]), SOCK_STREAM, 8);
    event_send(parent, 1);
    fd = accept_next(door);
    plain_send(fd, names[1], strlen(names[1]));
    close(fd);
    close(door);
    unlink(door_path(names[0]));
    return 0;
}

static void connect_is_not_lured_to_another_user(void **state)
{
    wpipe_options o = message_options();
    const char *names[2];
    struct helper helper = HELPER_NONE;
    wpipe_stream *stream = NULL;
    int private_door;

    (void)state;
    if (geteuid() != 0)
        support_skip("becoming another user needs root");
    o.access = WPIPE_ACCESS_ANYONE;
    assert_int_equal(chmod(below(temp_dir(), ".."), 0711), 0);
    assert_int_equal(chmod(temp_dir(), 01777), 0);
    names[0] = support_unique_name();
    names[1] = support_unique_name();
    private_door = plain_server(door_path(names[1]), SOCK_STREAM, 8);
    helper_start(&helper, lures, names);
    event_expect(helper.fd, 1);
    assert_int_equal(wpipe_connect(&stream, names[0], &o, SUPPORT_WAIT_MS),
                     WPIPE_EACCES);
    assert_said("is run by user");
    assert_null(stream);
    assert_int_equal(helper_join(&helper), 0);
    close(private_door);
    unlink(door_path(names[1]));
}

/* ---- clients ------------------------------------------------------------- */

static wpipe_client *client_later(const char *name, uint32_t flags,
                                  int handshake_ms)
{
    wpipe_options o = sent_on();
    wpipe_client *client = NULL;

    o.flags = WPIPE_CONNECT_LATER | flags;
    o.handshake_ms = handshake_ms;
    assert_int_equal(wpipe_client_open(&client, name, &o), 0);
    return client;
}

static void client_quiet(wpipe_client *client)
{
    wpipe_event e;

    assert_int_equal(wpipe_client_wait(client, &e, 1), WPIPE_ETIMEDOUT);
}

static void client_event(wpipe_client *client, wpipe_event *e, int type)
{
    assert_int_equal(wpipe_client_wait(client, e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e->type, type);
}

/* In one thread, step by step: each step is heard while the client waits. */
static void client_hears_each_step(void **state)
{
    const char *name = support_unique_name();
    wpipe_client *client = client_later(name, 0, 0);
    char second[128];
    char message[256];
    wpipe_event e;
    size_t i;
    int first;
    int door;
    int fd;

    (void)state;
    snprintf(second, sizeof(second), "%s_1", name);
    client_quiet(client);
    first = plain_server(door_path(name), SOCK_STREAM, 8);
    client_quiet(client);
    fd = accept_next(first);
    client_quiet(client);
    snprintf(message, sizeof(message), "%c%c%c%c%s", 0, 0, 0,
             (int)strlen(second), second);
    for (i = 0; i < 4 + strlen(second); i++) {
        assert_int_equal(send(fd, message + i, 1, MSG_NOSIGNAL), 1);
        client_quiet(client);
    }
    plain_expect_end(fd); /* it has gone */
    close(fd);
    close(first);
    unlink(door_path(name));
    client_quiet(client);

    /* bound, and listening a while later, which gives no sign */
    door = plain_server(door_path(second), SOCK_STREAM, 0);
    client_quiet(client);
    client_quiet(client);
    assert_int_equal(listen(door, 8), 0);
    client_event(client, &e, WPIPE_EVENT_CONNECTED);
    fd = accept_next(door);
    close(door);
    unlink(door_path(second));
    for (i = 0; i < 100; i++) {
        plain_send(fd, "ping", 4);
        client_event(client, &e, WPIPE_EVENT_MESSAGE);
        assert_memory_equal(e.data, "ping", 4);
        assert_int_equal(wpipe_client_send(client, "pong", 4), 0);
        assert_string_equal(plain_receive(fd), "pong");
    }
    close(fd);
    client_event(client, &e, WPIPE_EVENT_DISCONNECTED);
    wpipe_client_close(client);
}

/* Closed at any of the steps: nothing is left. */
static void client_closed_on_the_way(void **state)
{
    const char *name = support_unique_name();
    wpipe_client *client;
    int first = plain_server(door_path(name), SOCK_STREAM, 8);
    int step;
    int fd;

    (void)state;
    for (step = 0; step < 3; step++) {
        client = client_later(name, WPIPE_RECONNECT, 0);
        client_quiet(client);
        fd = accept_next(first);
        if (step > 0)
            assert_int_equal(send(fd, "\0\0\0\4gon", 7, MSG_NOSIGNAL), 7);
        client_quiet(client);
        if (step > 1)
            assert_int_equal(send(fd, "e", 1, MSG_NOSIGNAL), 1);
        client_quiet(client);
        wpipe_client_close(client);
        plain_expect_end(fd);
        close(fd);
    }
    close(first);
    unlink(door_path(name));
}

static void client_bad_name_ends_it(void **state)
{
    const char *name = support_unique_name();
    int first = plain_server(door_path(name), SOCK_STREAM, 8);
    wpipe_client *client;
    wpipe_event e;
    int fd;
    int i;

    (void)state;
    for (i = 0; i < BAD; i++) {
        client = client_later(name, 0, 0);
        client_quiet(client);
        fd = accept_next(first);
        assert_int_equal(send(fd, bad_names[i].act.bytes, bad_names[i].act.size,
                              MSG_NOSIGNAL),
                         (ssize_t)bad_names[i].act.size);
        close(fd);
        client_event(client, &e, WPIPE_EVENT_DISCONNECTED);
        assert_int_equal(e.error, WPIPE_EPROTO);
        assert_int_equal(e.reason, WPIPE_REASON_PROTOCOL);
        wpipe_client_close(client);
    }
    close(first);
    unlink(door_path(name));
}

/* A client that reconnects begins at the first door each time; bad names, and
 * second pipes that never come, only cost it time. */
static void client_reconnects_from_the_first(void **state)
{
    const char *name = support_unique_name();
    wpipe_client *client = client_later(name, WPIPE_RECONNECT, SOON_MS);
    int first = plain_server(door_path(name), SOCK_STREAM, 8);
    char second[128];
    wpipe_event e;
    int door;
    int fd;
    int i;

    (void)state;
    for (i = 0; i < 3; i++) {
        while (!support_wait_readable(first, 0))
            client_quiet(client);
        fd = accept_next(first);
        plain_send(fd, i == 0 ? "a/b" : "gone", i == 0 ? 3 : 4);
        close(fd);
        client_quiet(client);
    }
    for (i = 0; i < 3; i++) {
        snprintf(second, sizeof(second), "%s_%d", name, i);
        while (!support_wait_readable(first, 0))
            client_quiet(client);
        fd = accept_next(first);
        door = plain_server(door_path(second), SOCK_STREAM, 8);
        plain_send(fd, second, strlen(second));
        close(fd);
        client_event(client, &e, WPIPE_EVENT_CONNECTED);
        fd = accept_next(door);
        close(door);
        unlink(door_path(second));
        plain_send(fd, "ping", 4);
        client_event(client, &e, WPIPE_EVENT_MESSAGE);
        close(fd);
        client_event(client, &e, WPIPE_EVENT_DISCONNECTED);
    }
    wpipe_client_close(client);
    close(first);
    unlink(door_path(name));
}

/* Both ends are ours, in one thread. */
static void client_and_server_of_ours(void **state)
{
    wpipe_options o = sent_on();
    const char *name = support_unique_name();
    wpipe_client *client;
    wpipe_server *server;
    wpipe_event e;
    int i;

    o.second_pipe = *(const int *)*state;
    assert_int_equal(wpipe_server_open(&server, name, &o), 0);
    client = client_later(name, 0, 0);
    while (wpipe_client_wait(client, &e, 1) != 1)
        (void)wpipe_server_wait(server, &e, 0);
    assert_int_equal(e.type, WPIPE_EVENT_CONNECTED);
    for (i = 0; i < 100; i++) {
        assert_int_equal(wpipe_client_send(client, &i, sizeof(i)), 0);
        do
            assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
        while (e.type != WPIPE_EVENT_MESSAGE);
        assert_int_equal(e.size, sizeof(i));
        assert_memory_equal(e.data, &i, sizeof(i));
        assert_int_equal(wpipe_server_send(server, e.from, &i, sizeof(i)), 0);
        client_event(client, &e, WPIPE_EVENT_MESSAGE);
        assert_memory_equal(e.data, &i, sizeof(i));
    }
    wpipe_client_close(client);
    next_event(server, &e, WPIPE_EVENT_DISCONNECTED);
    wpipe_server_close(server);
}

/* Who connects again and again: some leave at once. */
static void *come_and_go(void *argument)
{
    const wpipe_options o = { .size = sizeof(o),
                              .type = WPIPE_MESSAGE,
                              .foreign = WPIPE_FOREIGN_ONLY,
                              .framing = WPIPE_FRAMING_BE32,
                              .second_pipe = WPIPE_SECOND_PIPE_H_PIPES };
    wpipe_stream *stream;
    char buf[8];
    int i;

    for (i = 0; i < ROUNDS; i++) {
        assert_int_equal(wpipe_connect(&stream, argument, &o, SUPPORT_WAIT_MS),
                         0);
        if (i % 3 != 0) {
            assert_int_equal(wpipe_write(stream, "ping", 4, SUPPORT_WAIT_MS),
                             4);
            assert_int_equal(
                wpipe_read(stream, buf, sizeof(buf), SUPPORT_WAIT_MS), 4);
            assert_memory_equal(buf, "ping", 4);
        }
        wpipe_stream_close(stream);
    }
    return NULL;
}

/* With room for three, so that some wait for a seat at their own pipe, and
 * some for a name. */
static void connect_many_at_once(void **state)
{
    wpipe_options o = sent_on();
    const char *name = support_unique_name();
    pthread_t threads[THREADS];
    wpipe_server *server;
    wpipe_event e;
    int left = 0;
    int i;

    (void)state;
    o.max_clients = 3;
    assert_int_equal(wpipe_server_open(&server, name, &o), 0);
    for (i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go,
                                        (void *)(uintptr_t)name),
                         0);
    while (left < THREADS * ROUNDS) {
        assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
        assert_int_not_equal(e.type, WPIPE_EVENT_REFUSED);
        left += e.type == WPIPE_EVENT_DISCONNECTED;
        if (e.type == WPIPE_EVENT_MESSAGE)
            (void)wpipe_server_send(server, e.from, e.data, e.size);
        assert_true(wpipe_server_count(server) <= 3);
    }
    for (i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    wpipe_server_close(server);
}

static void on_message(wpipe_server *server, const wpipe_event *e, void *user)
{
    (void)user;
    (void)wpipe_server_send(server, e->from, e->data, e->size);
}

static void on_disconnected(wpipe_server *server, const wpipe_event *e,
                            void *user)
{
    (void)server;
    (void)e;
    event_send(*(const int *)user, 1);
}

/* The same with a server of several threads: a seat that one of them gives
 * back is for those who wait at the doors of the first. */
static void connect_many_to_several_threads(void **state)
{
    const wpipe_handlers handlers = { .size = sizeof(handlers),
                                      .message = on_message,
                                      .disconnected = on_disconnected };
    wpipe_options o = sent_on();
    const char *name = support_unique_name();
    pthread_t threads[THREADS];
    wpipe_server *server;
    int pair[2];
    int i;

    (void)state;
    o.max_clients = 3;
    o.threads = 3;
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(wpipe_server_open(&server, name, &o), 0);
    assert_int_equal(wpipe_server_start(server, &handlers, &pair[0]), 0);
    for (i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go,
                                        (void *)(uintptr_t)name),
                         0);
    for (i = 0; i < THREADS * ROUNDS; i++)
        event_expect(pair[1], 1);
    for (i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    wpipe_server_stop(server);
    wpipe_server_close(server);
    close(pair[0]);
    close(pair[1]);
}

static const int h_pipes = WPIPE_SECOND_PIPE_H_PIPES;
static const int wrapper = WPIPE_SECOND_PIPE_WRAPPER;

static const struct support_case cases[] = {
    TEST_WITH(connect_goes_where_it_is_sent, (void *)(uintptr_t)&good, "good"),
    TEST_WITH(connect_goes_where_it_is_sent, (void *)(uintptr_t)&slow, "slow"),
    TEST_WITH(connect_goes_where_it_is_sent, (void *)(uintptr_t)&holding,
              "does not close"),
    TEST(connect_server_goes_it_tries_again),
    TEST(connect_second_absent_it_turns_back),
    TEST(connect_second_absent_it_ends_in_time),
    TEST(connect_name_never_comes),
    TEST_SLOW(connect_bad_name_is_named),
    TEST(connect_long_name_is_named),
    TEST(connect_is_not_lured_to_another_user),
    TEST_SLOW(connect_many_at_once),
    TEST_SLOW(connect_many_to_several_threads),
    TEST(client_hears_each_step),
    TEST(client_closed_on_the_way),
    TEST(client_bad_name_ends_it),
    TEST(client_reconnects_from_the_first),
    TEST_WITH(client_and_server_of_ours, (void *)(uintptr_t)&h_pipes,
              "h-pipes"),
    TEST_WITH(client_and_server_of_ours, (void *)(uintptr_t)&wrapper,
              "wrapper"),
};

TEST_MAIN(cases)
