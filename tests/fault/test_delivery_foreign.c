/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery to peers that are not windpipe, played with plain sockets: close
 * hands over, a half-close is no disconnect, what was not read is counted or
 * marked unknown, and a call is refused at once.
 */
#include "second_pipe_tools.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "server/server.h"

enum {
    BIG = 900000
};

/* A server at a foreign door, and a plain socket that it let in. */
struct guest {
    wpipe_server *server;
    wpipe_id id;
    int fd;
};

static wpipe_event next(wpipe_server *server, int type)
{
    wpipe_event e = { 0 };

    assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e.type, type);
    return e;
}

static void nothing(wpipe_server *server)
{
    wpipe_event e;

    assert_int_equal(wpipe_server_wait(server, &e, 20), WPIPE_ETIMEDOUT);
}

static wpipe_options options_of(int framing)
{
    wpipe_options o = sent_on();

    o.second_pipe = WPIPE_SECOND_PIPE_NONE;
    o.framing = framing;
    return o;
}

static int dial(const char *name)
{
    int fd = plain_knock(name);

    assert_int_equal(fcntl(fd, F_SETFL, 0), 0); /* it may block */
    return fd;
}

static void guest_open(struct guest *g, const wpipe_options *o)
{
    const char *name = support_unique_name();

    assert_int_equal(wpipe_server_open(&g->server, name, o), 0);
    g->fd = dial(name);
    g->id = next(g->server, WPIPE_EVENT_CONNECTED).from;
}

static void guest_done(struct guest *g)
{
    if (g->fd >= 0)
        close(g->fd);
    wpipe_server_close(g->server);
}

/* ---- what cannot be sent ------------------------------------------------- */

/* A framing in which a message has at least one byte: an empty one is refused
 * at once, also when others wait before it, and spoils nothing. */
static void empty_message_behind_a_queue_is_refused(void **state)
{
    static uint8_t big[BIG];
    wpipe_options o = options_of(WPIPE_FRAMING_TYPE_LE32);
    wpipe_event e;
    struct guest g;
    uint8_t byte;

    (void)state;
    o.queue_limit = 4 * BIG;
    guest_open(&g, &o);
    for (int i = 0; i < 2; i++)
        assert_int_equal(wpipe_server_send(g.server, g.id, big, BIG), 0);
    assert_int_equal(wpipe_server_send(g.server, g.id, "", 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_send(g.server, g.id, "tlast", 5), 0);
    for (int left = 2 * (BIG + 4) + 9; left > 0;) {
        ssize_t n = recv(g.fd, big, BIG, MSG_DONTWAIT);

        assert_int_not_equal(n, 0);
        left -= n > 0 ? (int)n : 0;
        (void)wpipe_server_wait(g.server, &e, 0);
    }
    assert_int_equal(recv(g.fd, &byte, 1, MSG_DONTWAIT), -1);
    guest_done(&g);
}

/* ---- close --------------------------------------------------------------- */

static void *close_server(void *argument)
{
    wpipe_server_close(argument);
    return NULL;
}

/* As many bytes as were announced, read slowly, as by a .NET client. */
static void close_hands_over_what_was_announced(void **state)
{
    wpipe_options o = options_of(WPIPE_FRAMING_BE32);
    uint8_t *data = malloc(BIG);
    pthread_t thread;
    struct guest g;
    uint8_t head[4];

    (void)state;
    guest_open(&g, &o);
    for (size_t i = 0; i < BIG; i++)
        data[i] = (uint8_t)(i * 7 + i / 253);
    assert_int_equal(wpipe_server_send(g.server, g.id, data, BIG), 0);
    assert_int_equal(pthread_create(&thread, NULL, close_server, g.server), 0);
    assert_true(plain_read(g.fd, head, 4));
    assert_int_equal(head[1] << 16 | head[2] << 8 | head[3], BIG);
    memset(data, 0, BIG);
    for (size_t got = 0; got < BIG; got += 10000)
        assert_true(plain_read(g.fd, data + got, 10000));
    for (size_t i = 0; i < BIG; i++)
        assert_int_equal(data[i], (uint8_t)(i * 7 + i / 253));
    plain_expect_end(g.fd);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(g.fd);
    free(data);
}

/* What the link keeps because the system has no room counts against
 * memory_limit, until it is gone. */
static void pending_bytes_count(void **state)
{
    enum {
        SIZE = 250000,
        LIMIT = 1000000
    };
    wpipe_options o = options_of(WPIPE_FRAMING_BE32);
    const char *name = support_unique_name();
    uint8_t *data = calloc(1, SIZE + 4);
    _Atomic uint64_t *used;
    wpipe_server *server;
    int fds[20];
    int accepted = 0;
    int r = 0;

    (void)state;
    o.memory_limit = LIMIT;
    o.linger_ms = WPIPE_LINGER_OFF;
    assert_int_equal(wpipe_server_open(&server, name, &o), 0);
    used = &server->shards[0].loop.budget.used;
    for (int i = 0; i < 20; i++) {
        wpipe_id id;

        fds[i] = dial(name);
        id = next(server, WPIPE_EVENT_CONNECTED).from;
        r = r == 0 ? wpipe_server_send(server, id, data, SIZE) : r;
        accepted += r == 0;
        assert_true(atomic_load(used) <= LIMIT);
    }
    assert_int_equal(r, WPIPE_EAGAIN);
    assert_true(atomic_load(used) > 0);
    for (int i = 0; i < accepted; i++) {
        for (size_t got = 0; got < SIZE + 4;) {
            wpipe_event e;

            (void)wpipe_server_wait(server, &e, 0);
            if (support_wait_readable(fds[i], 0))
                got += (size_t)recv(fds[i], data, SIZE + 4 - got, 0);
        }
    }
    assert_int_equal(atomic_load(used), 0);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
    wpipe_server_close(server);
    free(data);
}

/* So does the beginning of a message whose end is kept: all that is in this
 * process is held by the client's account. */
static void beginning_of_kept_message_counts(void **state)
{
    enum {
        SIZE = 300000
    };
    wpipe_options o = options_of(WPIPE_FRAMING_BE32);
    uint8_t *data = calloc(1, SIZE);
    const struct wpipe__conn *conn;
    struct guest g;

    (void)state;
    o.linger_ms = WPIPE_LINGER_OFF;
    guest_open(&g, &o);
    conn = wpipe__table_find(&g.server->shards[0].clients, g.id);
    assert_int_equal(wpipe_server_send(g.server, g.id, data, SIZE), 0);
    assert_true(conn->outbox.bytes < wpipe__conn_unread(conn));
    assert_in_range(conn->held, wpipe__conn_unread(conn), SIZE + 100);
    assert_int_equal(wpipe_server_send(g.server, g.id, data, SIZE), 0);
    assert_in_range(conn->held, wpipe__conn_unread(conn), 2 * SIZE + 100);
    for (size_t got = 0; got < 2 * (SIZE + 4);) {
        nothing(g.server);
        while (support_wait_readable(g.fd, 0))
            got += (size_t)recv(g.fd, data, SIZE, 0);
        assert_true(conn->held >= wpipe__conn_unread(conn));
    }
    nothing(g.server);
    assert_int_equal(conn->held, 0);
    free(data);
    guest_done(&g);
}

/* It does not read, and the server closes: bytes behind the last message that
 * it gets whole. */
static int64_t left_by_close(int framing, size_t frame)
{
    wpipe_options o = options_of(framing);
    uint8_t *data = calloc(1, frame);
    struct guest g;
    int64_t sent = 0;
    int64_t got = 0;
    int64_t took;
    ssize_t n;

    o.linger_ms = 50;
    guest_open(&g, &o);
    while (wpipe_server_send(g.server, g.id, data, 30000) == 0)
        sent++;
    took = support_now_ms();
    wpipe_server_close(g.server);
    assert_in_range(support_now_ms() - took, 49, SUPPORT_WAIT_MS);
    while ((n = recv(g.fd, data, frame, 0)) != 0) {
        assert_true(n > 0);
        got += n;
    }
    assert_true(got > 0 && got / (int64_t)frame < sent);
    close(g.fd);
    free(data);
    return got % (int64_t)frame;
}

/* The end comes inside a message, never behind a whole one that was not the
 * last. But a line that is cut may pass for a whole one. */
static void close_stalled_end_is_inside_a_message(void **state)
{
    (void)state;
    assert_int_not_equal(left_by_close(WPIPE_FRAMING_BE32, 30004), 0);
    assert_int_equal(left_by_close(WPIPE_FRAMING_LINES, 30001), 0);
}

static void shutdown_waits_until_read(void **state)
{
    wpipe_options o = options_of(WPIPE_FRAMING_BE32);
    wpipe_lost lost = { .size = sizeof(lost) };
    struct guest g;

    (void)state;
    guest_open(&g, &o);
    assert_int_equal(wpipe_server_send(g.server, g.id, "unread", 6), 0);
    assert_int_equal(wpipe_server_shutdown(g.server, 30, &lost),
                     WPIPE_ETIMEDOUT);
    assert_int_equal(lost.peers, 1);
    assert_int_equal(lost.messages, WPIPE_LOST_UNKNOWN);
    assert_int_equal(lost.bytes, WPIPE_LOST_UNKNOWN);
    assert_string_equal(plain_receive(g.fd), "unread");
    plain_expect_end(g.fd);
    guest_done(&g);
}

static void *read_six(void *argument)
{
    const struct guest *g = argument;

    assert_string_equal(plain_receive(g->fd), "unread");
    return NULL;
}

static void drain_and_disconnect_see_it_read(void **state)
{
    wpipe_options o = options_of(WPIPE_FRAMING_BE32);
    pthread_t thread;
    struct guest g;
    wpipe_event e;

    (void)state;
    guest_open(&g, &o);
    assert_int_equal(wpipe_server_send(g.server, g.id, "unread", 6), 0);
    assert_int_equal(wpipe_server_drain(g.server, g.id, 10), WPIPE_ETIMEDOUT);
    assert_int_equal(pthread_create(&thread, NULL, read_six, &g), 0);
    assert_int_equal(wpipe_server_drain(g.server, WPIPE_ALL, SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(wpipe_server_send(g.server, g.id, "unread", 6), 0);
    assert_int_equal(wpipe_server_disconnect(g.server, g.id), 0);
    nothing(g.server); /* not yet */
    assert_string_equal(plain_receive(g.fd), "unread");
    e = next(g.server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.lost_messages, 0);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    plain_expect_end(g.fd);
    guest_done(&g);
}

/* ---- half-closed --------------------------------------------------------- */

/* By wait or by poll on the descriptor, with a question before or without. */
static void half_closed(int asks, int polls)
{
    wpipe_options o = options_of(WPIPE_FRAMING_BE32);
    struct pollfd p = { .events = POLLIN };
    struct guest g;
    wpipe_event e;

    guest_open(&g, &o);
    p.fd = (int)wpipe_server_fd(g.server);
    if (asks) {
        plain_send(g.fd, "q", 1);
        (void)next(g.server, WPIPE_EVENT_MESSAGE);
    }
    assert_int_equal(shutdown(g.fd, SHUT_WR), 0);
    assert_int_equal(next(g.server, WPIPE_EVENT_FINISHED).from, g.id);
    nothing(g.server);
    /* idle: it is not readable for ever */
    while (wpipe_server_wait(g.server, &e, 0) == 1)
        fail_msg("an event");
    (void)poll(&p, 1, 0);
    assert_int_equal(wpipe_server_wait(g.server, &e, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(poll(&p, 1, 30), 0);
    assert_int_equal(wpipe_server_count(g.server), 1);
    assert_int_equal(wpipe_server_send(g.server, g.id, "later", 5), 0);
    assert_string_equal(plain_receive(g.fd), "later");
    close(g.fd);
    g.fd = -1;
    if (polls)
        assert_int_equal(poll(&p, 1, SUPPORT_WAIT_MS), 1);
    assert_int_equal(
        wpipe_server_wait(g.server, &e, polls ? 0 : SUPPORT_WAIT_MS), 1);
    assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    assert_int_equal(e.lost_messages, 0);
    nothing(g.server);
    guest_done(&g);
}

static void half_closed_answered_later(void **state)
{
    (void)state;
    half_closed(1, 0);
}

static void half_closed_polled_answered_later(void **state)
{
    (void)state;
    half_closed(1, 1);
}

static void half_closed_without_a_word(void **state)
{
    (void)state;
    half_closed(0, 0);
}

static void closed_at_once_is_not_finished(void **state)
{
    wpipe_options o = options_of(WPIPE_FRAMING_BE32);
    struct guest g;

    (void)state;
    guest_open(&g, &o);
    plain_send(g.fd, "all", 3);
    close(g.fd);
    g.fd = -1;
    (void)next(g.server, WPIPE_EVENT_MESSAGE);
    (void)next(g.server, WPIPE_EVENT_DISCONNECTED);
    nothing(g.server);
    guest_done(&g);
}

/* A server that only writes hears nothing but the hang-up. */
static void out_only_sees_the_hang_up(void **state)
{
    wpipe_options o = options_of(WPIPE_FRAMING_BE32);
    struct guest g;

    (void)state;
    o.direction = WPIPE_OUT;
    guest_open(&g, &o);
    nothing(g.server);
    close(g.fd);
    g.fd = -1;
    assert_int_equal(next(g.server, WPIPE_EVENT_DISCONNECTED).lost_messages, 0);
    guest_done(&g);
}

/* ---- what was not read --------------------------------------------------- */

static void lost_nothing_was_sent(void **state)
{
    wpipe_options o = options_of(WPIPE_FRAMING_BE32);
    struct guest g;
    wpipe_event e;

    (void)state;
    guest_open(&g, &o);
    plain_send(g.fd, "q", 1);
    (void)next(g.server, WPIPE_EVENT_MESSAGE);
    close(g.fd);
    g.fd = -1;
    e = next(g.server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.lost_messages, 0);
    assert_int_equal(e.lost_bytes, 0);
    guest_done(&g);
}

static void lost_the_answer_was_read(void **state)
{
    wpipe_options o = options_of(WPIPE_FRAMING_BE32);
    struct guest g;
    wpipe_event e;

    (void)state;
    guest_open(&g, &o);
    assert_int_equal(wpipe_server_send(g.server, g.id, "answer", 6), 0);
    assert_string_equal(plain_receive(g.fd), "answer");
    close(g.fd);
    g.fd = -1;
    e = next(g.server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.lost_messages, 0);
    assert_int_equal(e.lost_bytes, 0);
    guest_done(&g);
}

static void lost_the_answer_was_not_read(void **state)
{
    wpipe_options o = options_of(WPIPE_FRAMING_BE32);
    struct guest g;
    wpipe_event e;

    (void)state;
    guest_open(&g, &o);
    assert_int_equal(wpipe_server_send(g.server, g.id, "answer", 6), 0);
    close(g.fd);
    g.fd = -1;
    e = next(g.server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.lost_messages, WPIPE_LOST_UNKNOWN);
    assert_int_equal(e.lost_bytes, WPIPE_LOST_UNKNOWN);
    guest_done(&g);
}

static int be_killed(int fd, void *argument)
{
    int socket = dial(argument);

    plain_send(socket, "q", 1);
    event_send(fd, 1);
    (void)event_wait(fd);
    return 0;
}

static void lost_by_one_that_was_killed(void **state)
{
    wpipe_options o = options_of(WPIPE_FRAMING_BE32);
    const char *name = support_unique_name();
    struct helper helper;
    wpipe_server *server;
    wpipe_event e;

    (void)state;
    for (int answers = 0; answers < 2; answers++) {
        assert_int_equal(wpipe_server_open(&server, name, &o), 0);
        helper_start(&helper, be_killed, (void *)(uintptr_t)name);
        event_expect(helper.fd, 1);
        (void)next(server, WPIPE_EVENT_CONNECTED);
        e = next(server, WPIPE_EVENT_MESSAGE);
        if (answers)
            assert_int_equal(wpipe_server_send(server, e.from, "a", 1), 0);
        helper_kill(&helper);
        e = next(server, WPIPE_EVENT_DISCONNECTED);
        assert_int_equal(e.lost_messages, answers ? WPIPE_LOST_UNKNOWN : 0);
        wpipe_server_close(server);
    }
}

/* ---- calls --------------------------------------------------------------- */

static void call_refused_at_once(void **state)
{
    static const int framings[] = { WPIPE_FRAMING_RAW, WPIPE_FRAMING_BE32 };
    wpipe_client *client;
    wpipe_event e;

    (void)state;
    for (int i = 0; i < 2; i++) {
        const char *name = support_unique_name();
        int door = plain_server(door_path(name), SOCK_STREAM, 8);
        wpipe_options o = options_of(framings[i]);
        char byte;
        int fd;

        assert_int_equal(wpipe_client_open(&client, name, &o), 0);
        fd = accept(door, NULL, NULL);
        assert_int_equal(wpipe_client_call(client, "?", 1, &e, WPIPE_FOREVER),
                         WPIPE_ENOTSUP);
        wpipe_client_close(client);
        assert_int_equal(recv(fd, &byte, 1, 0), 0); /* nothing was sent */
        close(fd);
        close(door);
        unlink(door_path(name));
    }
}

static const struct support_case cases[] = {
    TEST(empty_message_behind_a_queue_is_refused),
    TEST(pending_bytes_count),
    TEST(beginning_of_kept_message_counts),
    TEST(close_hands_over_what_was_announced),
    TEST(close_stalled_end_is_inside_a_message),
    TEST(shutdown_waits_until_read),
    TEST(drain_and_disconnect_see_it_read),
    TEST(half_closed_answered_later),
    TEST(half_closed_polled_answered_later),
    TEST(half_closed_without_a_word),
    TEST(closed_at_once_is_not_finished),
    TEST(out_only_sees_the_hang_up),
    TEST(lost_nothing_was_sent),
    TEST(lost_the_answer_was_read),
    TEST(lost_the_answer_was_not_read),
    TEST(lost_by_one_that_was_killed),
    TEST(call_refused_at_once),
};

TEST_MAIN(cases)
