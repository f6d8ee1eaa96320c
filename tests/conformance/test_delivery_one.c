/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery, one connection at a time: drain, disconnect, half-closed peers, and
 * calls where none can travel.
 */
#include "delivery.h"

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
        int64_t until = support_now_ms() + (i % 50 == 0 ? STALL_MS / 4 : 0);

        do /* the server's turn */
            assert_int_equal(wpipe_server_wait(two.server, &e, i % 50 == 0),
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
