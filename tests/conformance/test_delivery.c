/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery: what send accepted arrives, or somebody is told. Close and shutdown
 * of servers and clients.
 */
#include "delivery.h"

#include <stdatomic.h>
#include <stdio.h>

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

struct board {
    wpipe_id ids[2];
    _Atomic int count;
};

static void note(wpipe_server *server, const wpipe_event *e, void *user)
{
    struct board *b = user;

    (void)server;
    b->ids[b->count] = e->from;
    atomic_fetch_add(&b->count, 1);
}

static void *take_to_the_end(void *argument)
{
    wpipe_event e;

    assert_int_equal(take_all(argument, &e), MANY);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    return NULL;
}

/* Clients of two threads, and one thread that closes for both. */
static void server_of_threads_close_hands_all_over(void **state)
{
    wpipe_handlers handlers = { .size = sizeof(handlers), .connected = note };
    wpipe_options options = service_options(state);
    struct service_thread threads[2];
    struct board board = { .count = 0 };
    struct two two[2] = { { 0 }, { 0 } };

    options.threads = 2;
    two[0].server = two[1].server = service_open(state, &options);
    assert_int_equal(wpipe_server_start(two[0].server, &handlers, &board), 0);
    for (int i = 0; i < 2; i++) {
        int64_t end = support_now_ms() + SUPPORT_WAIT_MS;

        assert_int_equal(wpipe_client_open(&two[i].client,
                                           wpipe_server_name(two[0].server),
                                           &options),
                         0);
        while (atomic_load(&board.count) <= i)
            assert_true(support_now_ms() < end);
        two[i].id = board.ids[i];
        send_many(&two[i]);
    }
    for (int i = 0; i < 2; i++)
        service_start(&threads[i], take_to_the_end, &two[i]);
    wpipe_server_close(two[0].server);
    for (int i = 0; i < 2; i++) {
        service_finish(&threads[i]);
        wpipe_client_close(two[i].client);
    }
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
    snprintf(name, sizeof(name), "%s", wpipe_server_name(two.server));
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

static const struct service_case cases[] = {
    EACH(client_close_hands_all_over),
    EACH(server_close_hands_all_over),
    EACH(client_shutdown_waits_until_read),
    EACH(server_shutdown_waits_until_read),
    EACH(client_close_stalled_server_is_told),
    EACH(server_close_stalled_client_is_told),
    EACH(client_close_without_linger_at_once),
    EACH(server_close_without_linger_at_once),
    EACH(server_of_threads_close_hands_all_over),
    EACH(close_after_stop_and_wake_lingers),
    EACH(server_close_stalled_stream_is_told),
    EACH(server_lingers_new_one_may_begin),
    EACH(client_shutdown_stalled_is_counted),
    EACH(server_shutdown_stalled_is_counted),
    EACH(shutdown_of_what_is_in_the_ring_is_clean),
    EACH(shutdown_peer_goes_is_counted),
    ONCE(shutdown_bad_arguments_refused),
    EACH(shutdown_beside_handlers),
};

SERVICE_MAIN(cases)
