/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery: what send accepted arrives, or somebody is told. Close, shutdown,
 * drain and disconnect of servers and clients, and half-closed peers.
 */
#include "service.h"

#include <stdatomic.h>
#include <string.h>

enum {
    MANY = 1000,
    SIZE = 1000,
    STALL_MS = 150
};

/* ---- both ways ----------------------------------------------------------- */

/* A server and its client; one of the two sends, the other takes. */
struct two {
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;
    int from_client;
};

static void two_open(struct two *two, void **state,
                     const wpipe_options *options, int from_client)
{
    two->server = service_open(state, options);
    two->client = service_join(state, two->server, options, &two->id);
    two->from_client = from_client;
}

static int two_send(const struct two *two, const void *data, size_t size)
{
    return two->from_client
               ? wpipe_client_send(two->client, data, size)
               : wpipe_server_send(two->server, two->id, data, size);
}

static int two_take(const struct two *two, wpipe_event *e, int timeout_ms)
{
    return two->from_client ? wpipe_server_wait(two->server, e, timeout_ms)
                            : wpipe_client_wait(two->client, e, timeout_ms);
}

static void two_close_sender(const struct two *two)
{
    if (two->from_client)
        wpipe_client_close(two->client);
    else
        wpipe_server_close(two->server);
}

static void two_close_taker(const struct two *two)
{
    if (two->from_client)
        wpipe_server_close(two->server);
    else
        wpipe_client_close(two->client);
}

static int two_shutdown(const struct two *two, int timeout_ms, wpipe_lost *lost)
{
    lost->size = sizeof(*lost);
    return two->from_client
               ? wpipe_client_shutdown(two->client, timeout_ms, lost)
               : wpipe_server_shutdown(two->server, timeout_ms, lost);
}

static void send_many(const struct two *two)
{
    uint8_t data[SIZE];

    for (uint64_t i = 0; i < MANY; i++) {
        service_fill(data, SIZE, i);
        assert_int_equal(two_send(two, data, SIZE), 0);
    }
}

/* Until there is no room: how many were accepted. */
static uint64_t send_until_full(const struct two *two)
{
    uint8_t data[SIZE];
    uint64_t sent = 0;
    int r;

    for (;;) {
        service_fill(data, SIZE, sent);
        r = two_send(two, data, SIZE);
        if (r == WPIPE_EAGAIN)
            return sent;
        assert_int_equal(r, 0);
        sent++;
    }
}

/* Messages in order until the end, which is *ret_end: how many. */
static uint64_t take_all(const struct two *two, wpipe_event *ret_end)
{
    uint64_t got = 0;

    for (;;) {
        assert_int_equal(two_take(two, ret_end, SUPPORT_WAIT_MS), 1);
        if (ret_end->type != WPIPE_EVENT_MESSAGE)
            break;
        assert_int_equal(ret_end->size, SIZE);
        service_check(ret_end->data, SIZE, got++);
    }
    assert_int_equal(ret_end->type, WPIPE_EVENT_DISCONNECTED);
    return got;
}

struct closer {
    const struct two *two;
    int timeout_ms; /* of a shutdown, or NOT_SHUT */
    int result;
    wpipe_lost lost;
};

#define NOT_SHUT (-2)

static void *close_sender(void *argument)
{
    struct closer *c = argument;

    if (c->timeout_ms != NOT_SHUT)
        c->result = two_shutdown(c->two, c->timeout_ms, &c->lost);
    two_close_sender(c->two);
    return NULL;
}

/* ---- close --------------------------------------------------------------- */

static void all_arrives(void **state, int from_client, int timeout_ms)
{
    struct closer closer = { .timeout_ms = timeout_ms };
    struct service_thread thread;
    wpipe_event e;
    struct two two;

    two_open(&two, state, NULL, from_client);
    send_many(&two);
    closer.two = &two;
    service_start(&thread, close_sender, &closer);
    assert_int_equal(take_all(&two, &e), MANY);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    service_finish(&thread);
    if (timeout_ms != NOT_SHUT) {
        assert_int_equal(closer.result, 0);
        assert_int_equal(closer.lost.messages, 0);
        assert_int_equal(closer.lost.bytes, 0);
        assert_int_equal(closer.lost.peers, 0);
    }
    two_close_taker(&two);
}

static void client_close_hands_all_over(void **state)
{
    all_arrives(state, 1, NOT_SHUT);
}

static void server_close_hands_all_over(void **state)
{
    all_arrives(state, 0, NOT_SHUT);
}

static void client_shutdown_waits_until_read(void **state)
{
    all_arrives(state, 1, SUPPORT_WAIT_MS);
}

static void server_shutdown_waits_until_read(void **state)
{
    all_arrives(state, 0, SUPPORT_WAIT_MS);
}

/* Nobody reads: it takes as long as was allowed, and the peer is told. */
static void stalls(void **state, int from_client, int linger_ms)
{
    wpipe_options options = service_options(state);
    struct two two;
    uint64_t sent;
    int64_t took;
    wpipe_event e;

    options.linger_ms = linger_ms;
    two_open(&two, state, &options, from_client);
    sent = send_until_full(&two);
    took = support_now_ms();
    two_close_sender(&two);
    took = support_now_ms() - took;
    if (linger_ms > 0)
        assert_in_range(took, linger_ms - 1, SUPPORT_WAIT_MS);
    else
        assert_in_range(took, 0, 900); /* far from the default */
    assert_in_range(take_all(&two, &e), 1, sent - 1);
    assert_int_equal(e.reason, WPIPE_REASON_LOST);
    assert_int_equal(e.error, WPIPE_EDISCONNECTED);
    two_close_taker(&two);
}

static void client_close_stalled_server_is_told(void **state)
{
    stalls(state, 1, STALL_MS);
}

static void server_close_stalled_client_is_told(void **state)
{
    stalls(state, 0, STALL_MS);
}

static void client_close_without_linger_at_once(void **state)
{
    stalls(state, 1, WPIPE_LINGER_OFF);
}

static void server_close_without_linger_at_once(void **state)
{
    stalls(state, 0, WPIPE_LINGER_OFF);
}

/* A wake or a stop of before is no reason to lose something. */
static void close_after_stop_and_wake_lingers(void **state)
{
    struct closer closer = { .timeout_ms = NOT_SHUT };
    struct service_thread thread;
    wpipe_event e;
    struct two two;

    two_open(&two, state, NULL, 0);
    send_many(&two);
    wpipe_server_wake(two.server);
    wpipe_server_stop(two.server);
    closer.two = &two;
    service_start(&thread, close_sender, &closer);
    assert_int_equal(take_all(&two, &e), MANY);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    service_finish(&thread);
    two_close_taker(&two);
}

static wpipe_stream *join_stream(void **state, wpipe_server *server,
                                 wpipe_id *ret_id)
{
    wpipe_options options = service_options(state);
    wpipe_stream *stream = NULL;

    options.type = WPIPE_MESSAGE;
    options.flags = WPIPE_CONNECT_EARLY;
    assert_int_equal(wpipe_connect(&stream, wpipe_server_name(server), &options,
                                   SUPPORT_WAIT_MS),
                     0);
    *ret_id = server_expect(server, WPIPE_EVENT_CONNECTED).from;
    return stream;
}

/* A stream reads all that is there, and then no clean end. */
static void server_close_stalled_stream_is_told(void **state)
{
    wpipe_options options = service_options(state);
    struct two two = { 0 };
    wpipe_stream *stream;
    uint8_t buf[SIZE];
    uint64_t got = 0;
    int64_t r;

    options.linger_ms = WPIPE_LINGER_OFF;
    two.server = service_open(state, &options);
    stream = join_stream(state, two.server, &two.id);
    assert_true(send_until_full(&two) > 0);
    wpipe_server_close(two.server);
    while ((r = wpipe_read(stream, buf, SIZE, SUPPORT_WAIT_MS)) == SIZE)
        service_check(buf, SIZE, got++);
    assert_true(got > 0);
    assert_int_equal(r, WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_read(stream, buf, SIZE, 0), WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_write(stream, buf, SIZE, 0), WPIPE_EPIPE);
    wpipe_stream_close(stream);
}

/* The name is free while the old server lingers; nobody new gets in there. */
static void server_lingers_new_one_may_begin(void **state)
{
    struct closer closer = { .timeout_ms = NOT_SHUT };
    wpipe_options options = service_options(state);
    struct service_thread thread;
    wpipe_server *next = NULL;
    wpipe_client *newcomer;
    char name[256];
    struct two two;
    wpipe_event e;
    wpipe_id id;
    int r;

    options.linger_ms = WPIPE_FOREVER;
    two_open(&two, state, &options, 0);
    strcpy(name, wpipe_server_name(two.server));
    (void)send_until_full(&two);
    closer.two = &two;
    service_start(&thread, close_sender, &closer);
    do
        r = wpipe_server_open(&next, name, &options);
    while (r == WPIPE_EINUSE);
    assert_int_equal(r, 0);
    newcomer = service_join(state, next, NULL, &id);
    client_send_text(newcomer, "to the new one");
    server_expect_text(next, id, "to the new one");
    (void)take_all(&two, &e); /* now it can end */
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    service_finish(&thread);
    wpipe_client_close(newcomer);
    wpipe_client_close(two.client);
    wpipe_server_close(next);
}

/* ---- shutdown ------------------------------------------------------------ */

static void shutdown_counts(void **state, int from_client)
{
    wpipe_options options = service_options(state);
    struct two two;
    wpipe_lost lost;
    wpipe_event e;
    uint64_t sent;

    two_open(&two, state, &options, from_client);
    sent = send_until_full(&two);
    assert_int_equal(two_shutdown(&two, STALL_MS, &lost), WPIPE_ETIMEDOUT);
    assert_int_equal(lost.messages, sent);
    assert_int_equal(lost.bytes, sent * SIZE);
    assert_int_equal(lost.peers, 1);
    assert_int_equal(two_send(&two, "late", 4), WPIPE_ENOTCONN);
    if (from_client)
        assert_int_equal(wpipe_client_wait(two.client, &e, WPIPE_FOREVER),
                         WPIPE_ENOTCONN);
    else
        assert_int_equal(wpipe_server_wait(two.server, &e, WPIPE_FOREVER), 0);
    /* again: there is nothing left to do */
    assert_int_equal(two_shutdown(&two, WPIPE_FOREVER, &lost), 0);
    assert_int_equal(lost.peers, 0);
    two_close_sender(&two);
    assert_in_range(take_all(&two, &e), 1, sent - 1);
    assert_int_equal(e.reason, WPIPE_REASON_LOST);
    two_close_taker(&two);
}

static void client_shutdown_stalled_is_counted(void **state)
{
    shutdown_counts(state, 1);
}

static void server_shutdown_stalled_is_counted(void **state)
{
    shutdown_counts(state, 0);
}

/* What lies in the ring was not read in time, but is not lost. */
static void shutdown_of_what_is_in_the_ring_is_clean(void **state)
{
    struct two two;
    wpipe_lost lost;

    two_open(&two, state, NULL, 0);
    server_send_text(two.server, two.id, "later");
    assert_int_equal(two_shutdown(&two, 0, &lost), WPIPE_ETIMEDOUT);
    assert_int_equal(lost.messages, 1);
    wpipe_server_close(two.server);
    client_expect_text(two.client, "later");
    assert_int_equal(client_expect(two.client, WPIPE_EVENT_DISCONNECTED).reason,
                     WPIPE_REASON_CLOSED);
    wpipe_client_close(two.client);
}

/* One that goes is not waited for, but counted. */
static void shutdown_peer_goes_is_counted(void **state)
{
    struct two two;
    wpipe_lost lost;

    two_open(&two, state, NULL, 0);
    server_send_text(two.server, two.id, "one");
    server_send_text(two.server, two.id, "two");
    client_expect_text(two.client, "one");
    wpipe_client_close(two.client);
    assert_int_equal(two_shutdown(&two, WPIPE_FOREVER, &lost), 0);
    assert_int_equal(lost.peers, 1);
    assert_int_equal(lost.messages, 1);
    assert_int_equal(lost.bytes, 3);
    wpipe_server_close(two.server);
}

static void shutdown_bad_arguments_refused(void **state)
{
    wpipe_lost lost = { .size = 1 };
    struct two two;

    two_open(&two, state, NULL, 0);
    assert_int_equal(wpipe_server_shutdown(NULL, 0, NULL), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_shutdown(NULL, 0, NULL), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_shutdown(two.server, 0, &lost), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_shutdown(two.client, 0, &lost), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_drain(NULL, 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_disconnect(NULL, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_shutdown(two.client, 0, NULL), 0);
    assert_int_equal(wpipe_server_shutdown(two.server, 0, NULL), 0);
    wpipe_client_close(two.client);
    wpipe_server_close(two.server);
}

static void shut_in_handler(wpipe_server *server, const wpipe_event *e,
                            void *user)
{
    wpipe_lost lost = { .size = sizeof(lost) };

    (void)e;
    atomic_store((_Atomic int *)user, wpipe_server_shutdown(server, 0, &lost));
}

/* Threads of the library are ended by it; they cannot do it themselves. */
static void shutdown_beside_handlers(void **state)
{
    wpipe_handlers handlers = { .size = sizeof(handlers),
                                .message = shut_in_handler };
    wpipe_options options = service_options(state);
    _Atomic int result = 1;
    struct two two;
    wpipe_lost lost;

    options.threads = 1;
    two_open(&two, state, &options, 0);
    assert_int_equal(wpipe_server_start(two.server, &handlers, (void *)&result),
                     0);
    client_send_text(two.client, "now");
    assert_int_equal(wpipe_client_drain(two.client, SUPPORT_WAIT_MS), 0);
    assert_int_equal(two_shutdown(&two, SUPPORT_WAIT_MS, &lost), 0);
    assert_int_equal(atomic_load(&result), WPIPE_ESTATE);
    wpipe_client_close(two.client);
    wpipe_server_close(two.server);
}

/* ---- drain --------------------------------------------------------------- */

static void drain_one_waits_until_read(void **state)
{
    struct two two;

    two_open(&two, state, NULL, 0);
    assert_int_equal(wpipe_server_drain(two.server, two.id, 0), 0);
    server_send_text(two.server, two.id, "unread");
    assert_int_equal(wpipe_server_drain(two.server, two.id, 0),
                     WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_server_drain(two.server, WPIPE_ALL, 10),
                     WPIPE_ETIMEDOUT);
    client_expect_text(two.client, "unread");
    assert_int_equal(wpipe_server_drain(two.server, two.id, SUPPORT_WAIT_MS),
                     0);
    server_send_text(two.server, two.id, "never read");
    wpipe_client_close(two.client);
    assert_int_equal(wpipe_server_drain(two.server, two.id, WPIPE_FOREVER),
                     WPIPE_ENOTCONN);
    assert_int_equal(wpipe_server_drain(two.server, WPIPE_ALL, WPIPE_FOREVER),
                     0);
    assert_int_equal(
        server_expect(two.server, WPIPE_EVENT_DISCONNECTED).lost_messages, 1);
    assert_int_equal(wpipe_server_drain(two.server, two.id, WPIPE_FOREVER),
                     WPIPE_ENOTCONN);
    wpipe_server_close(two.server);
}

static void *take_many(void *argument)
{
    const struct two *two = argument;
    wpipe_event e;

    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(wpipe_client_wait(two->client, &e, SUPPORT_WAIT_MS),
                         1);
        service_check(e.data, SIZE, i);
    }
    return NULL;
}

/* Two clients, much more than their rings take, and nobody else who waits. */
static void drain_all_waits_for_all(void **state)
{
    struct service_thread threads[2];
    struct two two[2];

    two_open(&two[0], state, NULL, 0);
    two[1] = two[0];
    two[1].client = service_join(state, two[0].server, NULL, &two[1].id);
    for (int i = 0; i < 2; i++)
        send_many(&two[i]);
    for (int i = 0; i < 2; i++)
        service_start(&threads[i], take_many, &two[i]);
    assert_int_equal(
        wpipe_server_drain(two[0].server, WPIPE_ALL, SUPPORT_WAIT_MS), 0);
    for (int i = 0; i < 2; i++) {
        service_finish(&threads[i]);
        wpipe_client_close(two[i].client);
    }
    wpipe_server_close(two[0].server);
}

/* ---- disconnect ---------------------------------------------------------- */

/* All of it comes, and then a clean end; the one who ended it is told, too. */
static void disconnect_hands_all_over(void **state)
{
    struct service_thread thread;
    struct two two;
    wpipe_event e;

    two_open(&two, state, NULL, 0);
    send_many(&two);
    assert_int_equal(wpipe_server_disconnect(two.server, two.id), 0);
    assert_int_equal(wpipe_server_disconnect(two.server, two.id),
                     WPIPE_ENOTCONN);
    assert_int_equal(two_send(&two, "late", 4), WPIPE_ENOTCONN);
    (void)wpipe_client_send(two.client, "not taken any more", 18);
    service_start(&thread, take_many, &two);
    e = server_expect(two.server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    assert_int_equal(e.error, 0);
    assert_int_equal(e.lost_messages, 0);
    service_finish(&thread);
    e = client_expect(two.client, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    assert_int_equal(e.lost_messages, 1);
    wpipe_client_close(two.client);
    wpipe_server_close(two.server);
}

static void disconnect_with_nothing_queued_at_once(void **state)
{
    struct two two;

    two_open(&two, state, NULL, 0);
    assert_int_equal(wpipe_server_disconnect(two.server, two.id), 0);
    assert_int_equal(server_expect(two.server, WPIPE_EVENT_DISCONNECTED).reason,
                     WPIPE_REASON_CLOSED);
    assert_int_equal(client_expect(two.client, WPIPE_EVENT_DISCONNECTED).reason,
                     WPIPE_REASON_CLOSED);
    assert_int_equal(wpipe_server_disconnect(two.server, two.id),
                     WPIPE_ENOTCONN);
    wpipe_client_close(two.client);
    wpipe_server_close(two.server);
}

/* It does not read: others are served meanwhile, by a poller's eyes, too. */
static void disconnect_stalled_ends_after_linger(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_client *other;
    struct two two;
    uint64_t sent;
    wpipe_event e;
    wpipe_id id;

    options.linger_ms = STALL_MS;
    two_open(&two, state, &options, 0);
    other = service_join(state, two.server, NULL, &id);
    sent = send_until_full(&two);
    assert_int_equal(wpipe_server_disconnect(two.server, two.id), 0);
    client_send_text(other, "meanwhile");
    server_expect_text(two.server, id, "meanwhile");
    e = server_expect(two.server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.from, two.id);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    assert_int_equal(e.lost_messages, sent);
    assert_int_equal(e.lost_bytes, sent * SIZE);
    assert_in_range(take_all(&two, &e), 1, sent - 1);
    assert_int_equal(e.reason, WPIPE_REASON_LOST);
    wpipe_client_close(other);
    wpipe_client_close(two.client);
    wpipe_server_close(two.server);
}

/* A slow reader is not a stalled one. */
static void disconnect_slow_reader_gets_all(void **state)
{
    wpipe_options options = service_options(state);
    struct two two;
    wpipe_event e;

    options.linger_ms = STALL_MS;
    two_open(&two, state, &options, 0);
    send_many(&two);
    assert_int_equal(wpipe_server_disconnect(two.server, two.id), 0);
    for (uint64_t i = 0; i < MANY; i++) {
        int64_t until =
            support_now_ms() + (i % 250 == 0 ? STALL_MS * 3 / 4 : 0);

        do /* the server's turn */
            assert_int_equal(wpipe_server_wait(two.server, &e, i % 250 == 0),
                             WPIPE_ETIMEDOUT);
        while (support_now_ms() < until);
        e = client_expect(two.client, WPIPE_EVENT_MESSAGE);
        service_check(e.data, SIZE, i);
    }
    e = server_expect(two.server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.lost_messages, 0);
    assert_int_equal(client_expect(two.client, WPIPE_EVENT_DISCONNECTED).reason,
                     WPIPE_REASON_CLOSED);
    wpipe_client_close(two.client);
    wpipe_server_close(two.server);
}

static void disconnect_then_kick_ends_at_once(void **state)
{
    struct two two;

    two_open(&two, state, NULL, 0);
    (void)send_until_full(&two);
    assert_int_equal(wpipe_server_disconnect(two.server, two.id), 0);
    assert_int_equal(wpipe_server_kick(two.server, two.id), 0);
    assert_int_equal(server_expect(two.server, WPIPE_EVENT_DISCONNECTED).reason,
                     WPIPE_REASON_KICKED);
    assert_int_equal(client_expect(two.client, WPIPE_EVENT_DISCONNECTED).reason,
                     WPIPE_REASON_KICKED);
    wpipe_client_close(two.client);
    wpipe_server_close(two.server);
}

/* ---- half-closed --------------------------------------------------------- */

struct answer {
    wpipe_server *server;
    wpipe_id id;
};

static void *answer_later(void *argument)
{
    const struct answer *a = argument;

    server_send_text(a->server, a->id, "the answer");
    return NULL;
}

static void finished_stream_answered_later(void **state)
{
    struct service_thread thread;
    struct answer answer;
    wpipe_stream *stream;
    char buf[32];

    answer.server = service_open(state, NULL);
    stream = join_stream(state, answer.server, &answer.id);
    assert_int_equal(wpipe_write(stream, "question", 8, 0), 8);
    assert_int_equal(wpipe_finish(stream), 0);
    server_expect_text(answer.server, answer.id, "question");
    assert_int_equal(server_expect(answer.server, WPIPE_EVENT_FINISHED).from,
                     answer.id);
    server_expect_none(answer.server);
    assert_int_equal(wpipe_server_count(answer.server), 1);
    service_start(&thread, answer_later, &answer);
    assert_int_equal(wpipe_read(stream, buf, sizeof(buf), SUPPORT_WAIT_MS), 10);
    service_finish(&thread);
    assert_int_equal(
        wpipe_server_drain(answer.server, answer.id, SUPPORT_WAIT_MS), 0);
    server_expect_none(answer.server);
    wpipe_stream_close(stream);
    assert_int_equal(
        server_expect(answer.server, WPIPE_EVENT_DISCONNECTED).lost_messages,
        0);
    server_expect_none(answer.server);
    wpipe_server_close(answer.server);
}

/* It closes right away: one event is enough. */
static void finished_and_closed_only_disconnected(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_stream *stream;
    wpipe_id id;

    stream = join_stream(state, server, &id);
    assert_int_equal(wpipe_write(stream, "all", 3, 0), 3);
    assert_int_equal(wpipe_finish(stream), 0);
    wpipe_stream_close(stream);
    server_expect_text(server, id, "all");
    (void)server_expect(server, WPIPE_EVENT_DISCONNECTED);
    server_expect_none(server);
    wpipe_server_close(server);
}

/* Whoever finished is let go in good order. */
static void finished_stream_disconnected(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_stream *stream;
    char buf[8];
    wpipe_id id;

    stream = join_stream(state, server, &id);
    assert_int_equal(wpipe_finish(stream), 0);
    (void)server_expect(server, WPIPE_EVENT_FINISHED);
    server_send_text(server, id, "bye");
    assert_int_equal(wpipe_server_disconnect(server, id), 0);
    assert_int_equal(wpipe_read(stream, buf, 8, SUPPORT_WAIT_MS), 3);
    assert_int_equal(server_expect(server, WPIPE_EVENT_DISCONNECTED).reason,
                     WPIPE_REASON_CLOSED);
    assert_int_equal(wpipe_read(stream, buf, 8, SUPPORT_WAIT_MS), WPIPE_EOF);
    wpipe_stream_close(stream);
    wpipe_server_close(server);
}

/* The other role: a stream that finished is there for its client. */
static void client_sees_the_server_finish(void **state)
{
    wpipe_options options = service_options(state);
    const char *name = support_unique_name();
    wpipe_listener *listener = NULL;
    wpipe_client *client = NULL;
    wpipe_stream *stream = NULL;
    wpipe_event e;
    char buf[8];

    options.type = WPIPE_MESSAGE;
    assert_int_equal(wpipe_listen(&listener, name, &options), 0);
    options.flags = WPIPE_CONNECT_LATER;
    assert_int_equal(wpipe_client_open(&client, name, &options), 0);
    assert_int_equal(wpipe_client_wait(client, &e, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_accept(listener, &stream, SUPPORT_WAIT_MS), 0);
    (void)client_expect(client, WPIPE_EVENT_CONNECTED);
    assert_int_equal(wpipe_write(stream, "last", 4, 0), 4);
    assert_int_equal(wpipe_finish(stream), 0);
    client_expect_text(client, "last");
    (void)client_expect(client, WPIPE_EVENT_FINISHED);
    client_expect_none(client);
    client_send_text(client, "heard");
    assert_int_equal(wpipe_read(stream, buf, 8, SUPPORT_WAIT_MS), 5);
    /* no answer can come any more */
    assert_int_equal(wpipe_client_call(client, "?", 1, &e, WPIPE_FOREVER),
                     WPIPE_ENOTCONN);
    wpipe_stream_close(stream);
    assert_int_equal(client_expect(client, WPIPE_EVENT_DISCONNECTED).reason,
                     WPIPE_REASON_CLOSED);
    wpipe_client_close(client);
    wpipe_listener_close(listener);
}

/* ---- calls --------------------------------------------------------------- */

static void call_on_a_pipe_of_bytes_refused(void **state)
{
    wpipe_options options = service_options(state);
    struct two two;
    wpipe_event e;

    options.type = WPIPE_BYTE;
    two.server = service_open(state, &options);
    options.flags = WPIPE_CONNECT_LATER;
    assert_int_equal(
        wpipe_client_open(&two.client, wpipe_server_name(two.server), &options),
        0);
    assert_int_equal(wpipe_client_wait(two.client, &e, 0), WPIPE_ETIMEDOUT);
    (void)server_expect(two.server, WPIPE_EVENT_CONNECTED);
    (void)client_expect(two.client, WPIPE_EVENT_CONNECTED);
    assert_int_equal(wpipe_client_call(two.client, "?", 1, &e, WPIPE_FOREVER),
                     WPIPE_ENOTSUP);
    server_expect_none(two.server);
    wpipe_client_close(two.client);
    wpipe_server_close(two.server);
}

static const struct service_case cases[] = {
    EACH(client_close_hands_all_over),
    EACH(server_close_hands_all_over),
    EACH(client_shutdown_waits_until_read),
    EACH(server_shutdown_waits_until_read),
    EACH(client_close_stalled_server_is_told),
    EACH(server_close_stalled_client_is_told),
    EACH(client_close_without_linger_at_once),
    EACH(server_close_without_linger_at_once),
    EACH(close_after_stop_and_wake_lingers),
    EACH(server_close_stalled_stream_is_told),
    EACH(server_lingers_new_one_may_begin),
    EACH(client_shutdown_stalled_is_counted),
    EACH(server_shutdown_stalled_is_counted),
    EACH(shutdown_of_what_is_in_the_ring_is_clean),
    EACH(shutdown_peer_goes_is_counted),
    ONCE(shutdown_bad_arguments_refused),
    EACH(shutdown_beside_handlers),
    EACH(drain_one_waits_until_read),
    EACH(drain_all_waits_for_all),
    EACH(disconnect_hands_all_over),
    EACH(disconnect_with_nothing_queued_at_once),
    EACH(disconnect_stalled_ends_after_linger),
    EACH(disconnect_slow_reader_gets_all),
    EACH(disconnect_then_kick_ends_at_once),
    EACH(finished_stream_answered_later),
    EACH(finished_and_closed_only_disconnected),
    EACH(finished_stream_disconnected),
    EACH(client_sees_the_server_finish),
    EACH(call_on_a_pipe_of_bytes_refused),
};

SERVICE_MAIN(cases)
