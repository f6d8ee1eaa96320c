/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers: clients that come, talk and go. What they may do wrong is in
 * test_server_limits.c and test_server_peers.c, other threads are in
 * test_server_threads.c.
 */
#include "service.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- talking ------------------------------------------------------------ */

static void server_echo_both_ways(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);

    for (int i = 0; i < 100; i++) {
        char text[32];

        snprintf(text, sizeof text, "message %d", i);
        client_send_text(client, text);
        server_expect_text(server, id, text);
        server_send_text(server, id, text);
        client_expect_text(client, text);
    }
    wpipe_client_close(client);
    assert_int_equal(server_expect(server, WPIPE_EVENT_DISCONNECTED).from, id);
    wpipe_server_close(server);
}

/* Both ways at once, more than there is room for. */
static void server_burst_arrives_in_order(void **state)
{
    enum {
        MESSAGES = 5000
    };
    wpipe_server *server = service_open(state, NULL);
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);
    int up = 0;
    int down = 0;
    char text[32];
    wpipe_event e;

    for (int i = 0; i < MESSAGES; i++) {
        snprintf(text, sizeof text, "number %d", i);
        client_send_text(client, text);
        server_send_text(server, id, text);
    }
    while (up < MESSAGES || down < MESSAGES) {
        snprintf(text, sizeof text, "number %d", up);
        if (wpipe_server_wait(server, &e, 0) == 1) {
            assert_int_equal(e.size, strlen(text));
            assert_memory_equal(e.data, text, e.size);
            up++;
        }
        snprintf(text, sizeof text, "number %d", down);
        if (wpipe_client_wait(client, &e, 0) == 1) {
            assert_int_equal(e.size, strlen(text));
            assert_memory_equal(e.data, text, e.size);
            down++;
        }
    }
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* Sizes around every boundary: a frame, a fragment, the ring, beyond it. */
static void server_every_size_whole(void **state)
{
    static const size_t sizes[] = { 0,     1,      7,      8,       63,
                                    4095,  16320,  16321,  16384,   16385,
                                    65472, 65473,  65536,  262144,  262145,
                                    1,     700000, 999999, 4194304, 0 };
    uint8_t *buf = malloc(4194304);
    wpipe_options options = service_options(state);
    struct service_echo echo;
    wpipe_client *client = NULL;
    wpipe_server *server = service_open(state, NULL);

    service_echo_begin(&echo, server);
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        wpipe_event event;

        service_fill(buf, sizes[i], i);
        assert_int_equal(
            wpipe_client_send_wait(client, buf, sizes[i], SUPPORT_WAIT_MS), 0);
        event = client_expect(client, WPIPE_EVENT_MESSAGE);
        assert_int_equal(event.size, sizes[i]);
        service_check(event.data, event.size, i);
    }
    wpipe_client_close(client);
    service_echo_end(&echo);
    free(buf);
}

static void server_many_clients_told_apart(void **state)
{
    enum {
        CLIENTS = 50
    };
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *clients[CLIENTS];
    wpipe_id ids[CLIENTS];
    char text[32];

    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = service_join(state, server, NULL, &ids[i]);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(ids[i], ids[k]);
    }
    assert_int_equal(wpipe_server_count(server), CLIENTS);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            snprintf(text, sizeof text, "%d of %d", round, i);
            client_send_text(clients[i], text);
        }
        for (int i = 0; i < CLIENTS; i++) {
            wpipe_event e = server_expect(server, WPIPE_EVENT_MESSAGE);

            assert_int_equal(wpipe_server_send(server, e.from, e.data, e.size),
                             0);
        }
        for (int i = 0; i < CLIENTS; i++) {
            snprintf(text, sizeof text, "%d of %d", round, i);
            client_expect_text(clients[i], text);
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        wpipe_client_close(clients[i]);
        assert_int_equal(server_expect(server, WPIPE_EVENT_DISCONNECTED).from,
                         ids[i]);
    }
    assert_int_equal(wpipe_server_count(server), 0);
    wpipe_server_close(server);
}

/* One that has much to say does not keep the server from the others. */
static void server_busy_client_others_have_their_turn(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id busy_id;
    wpipe_id quiet_id;
    wpipe_client *busy = service_join(state, server, NULL, &busy_id);
    wpipe_client *quiet = service_join(state, server, NULL, &quiet_id);
    int before = 0;

    for (int i = 0; i < 20; i++) { /* it may move to shared memory now */
        client_send_text(busy, "me");
        server_expect_text(server, busy_id, "me");
        server_send_text(server, busy_id, "yes");
        client_expect_text(busy, "yes");
    }
    for (int i = 0; i < 1000; i++)
        client_send_text(busy, "me");
    server_expect_text(server, busy_id, "me");
    client_send_text(quiet, "and me");
    while (server_expect(server, WPIPE_EVENT_MESSAGE).from != quiet_id)
        before++;
    assert_in_range(before, 0, 60);
    wpipe_client_close(busy);
    wpipe_client_close(quiet);
    wpipe_server_close(server);
}

/*
 * To find out how far the client has read, a send may take off the socket what
 * the client sent meanwhile: the message is not forgotten there.
 */
static void server_sends_much_what_came_is_seen(void **state)
{
    wpipe_options options = service_options(state);
    static uint8_t data[4000];
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;
    wpipe_event e;
    int r;

    options.queue_limit = 10000;
    options.buffer_in = 65536;
    options.buffer_out = 65536;
    server = service_open(state, &options);
    client = service_join(state, server, &options, &id);
    for (int i = 0; i < 20; i++) {
        client_send_text(client, "me");
        server_expect_text(server, id, "me");
        server_send_text(server, id, "yes");
        client_expect_text(client, "yes");
    }
    server_expect_none(server); /* it sleeps, as far as the client knows */
    client_send_text(client, "look");
    do
        r = wpipe_server_send(server, id, data, sizeof data);
    while (r == 0);
    assert_int_equal(r, WPIPE_EAGAIN);
    server_expect_text(server, id, "look");
    while (wpipe_client_wait(client, &e, 0) == 1)
        ;
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static void server_id_never_used_again(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id first = 0;

    for (int i = 0; i < 5; i++) {
        wpipe_id id;
        wpipe_client *client = service_join(state, server, NULL, &id);

        assert_int_not_equal(id, first);
        if (i == 0)
            first = id;
        wpipe_client_close(client);
        (void)server_expect(server, WPIPE_EVENT_DISCONNECTED);
        assert_int_equal(wpipe_server_send(server, id, "x", 1), WPIPE_ENOTCONN);
        assert_int_equal(wpipe_server_kick(server, id), WPIPE_ENOTCONN);
    }
    wpipe_server_close(server);
}

static void server_peer_told(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_peer peer = { .size = sizeof peer };
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);

    assert_int_equal(wpipe_server_peer(server, id, &peer), 0);
    assert_int_equal(peer.uid, getuid());
    assert_int_equal(peer.pid, getpid());
    assert_string_not_equal(peer.program, "");
    assert_int_equal(wpipe_server_peer(server, id + 1, &peer), WPIPE_ENOTCONN);
    assert_int_equal(wpipe_client_peer(client, &peer), 0);
    assert_int_equal(peer.pid, getpid());
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- the end ------------------------------------------------------------ */

static void server_client_closes_after_its_messages(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);
    wpipe_event e;

    for (int i = 0; i < 30; i++)
        client_send_text(client, "last words");
    wpipe_client_close(client);
    for (int i = 0; i < 30; i++)
        server_expect_text(server, id, "last words");
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.from, id);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    assert_int_equal(e.lost_messages, 0);
    assert_int_equal(e.lost_bytes, 0);
    server_expect_none(server);
    wpipe_server_close(server);
}

static void server_closes_clients_told_after_messages(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);
    wpipe_event e;

    server_send_text(server, id, "goodbye");
    wpipe_server_close(server);
    client_expect_text(client, "goodbye");
    e = client_expect(client, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    assert_int_equal(wpipe_client_wait(client, &e, SUPPORT_WAIT_MS),
                     WPIPE_ENOTCONN);
    assert_int_equal(wpipe_client_send(client, "x", 1), WPIPE_ENOTCONN);
    wpipe_client_close(client);
}

static void server_unread_counted_as_lost(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);
    wpipe_event e;

    server_send_text(server, id, "read");
    client_expect_text(client, "read");
    server_send_text(server, id, "one");
    server_send_text(server, id, "three");
    server_send_text(server, id, "five");
    wpipe_client_close(client);
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.lost_messages, 3);
    assert_int_equal(e.lost_bytes, 3 + 5 + 4);
    wpipe_server_close(server);
}

static void server_kicks_both_told(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id id;
    wpipe_id other;
    wpipe_client *client = service_join(state, server, NULL, &id);
    wpipe_client *stays = service_join(state, server, NULL, &other);
    wpipe_event e;

    server_send_text(server, id, "never read");
    assert_int_equal(wpipe_server_kick(server, id), 0);
    assert_int_equal(wpipe_server_kick(server, id), WPIPE_ENOTCONN);
    assert_int_equal(wpipe_server_send(server, id, "x", 1), WPIPE_ENOTCONN);
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.from, id);
    assert_int_equal(e.reason, WPIPE_REASON_KICKED);
    /* on a socket the peer tells now and then how far it has read: what it
     * has not told yet counts as lost, too */
    assert_in_range(e.lost_messages, 1, 1 + 6);
    assert_in_range(e.lost_bytes, 10, 10 + 6 * 2);
    e = client_expect(client, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_KICKED);
    client_send_text(stays, "still here");
    server_expect_text(server, other, "still here");
    wpipe_client_close(client);
    wpipe_client_close(stays);
    wpipe_server_close(server);
}

/* A stream that is connected to the server, as one thread has to do it. */
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

/* A client that finishes its side is served to the end, however much it is. */
static void server_half_closed_stream_answered(void **state)
{
    enum {
        SIZE = 3000000
    };
    wpipe_server *server = service_open(state, NULL);
    uint8_t *data = malloc(SIZE);
    wpipe_stream *stream;
    wpipe_event e;
    wpipe_id id;
    int64_t got = 0;
    int64_t r;

    stream = join_stream(state, server, &id);
    assert_int_equal(wpipe_write(stream, "question", 8, 0), 8);
    assert_int_equal(wpipe_finish(stream), 0);
    server_expect_text(server, id, "question");
    assert_int_equal(server_expect(server, WPIPE_EVENT_FINISHED).from, id);
    server_expect_none(server); /* it is still there */
    service_fill(data, SIZE, 9);
    assert_int_equal(wpipe_server_send(server, id, data, SIZE), 0);
    memset(data, 0, SIZE);
    while (got < SIZE) {
        assert_int_equal(wpipe_server_wait(server, &e, 0), WPIPE_ETIMEDOUT);
        r = wpipe_read(stream, data + got, (size_t)(SIZE - got), 0);
        if (r > 0)
            got += r;
        else
            assert_int_equal(r, WPIPE_ETIMEDOUT);
    }
    service_check(data, SIZE, 9);
    assert_true(wpipe_stream_message_complete(stream));
    wpipe_stream_close(stream);
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    assert_int_equal(e.lost_messages, 0);
    wpipe_server_close(server);
    free(data);
}

/* A reader in the middle of a message learns that the rest will not come. */
static void server_closes_amid_message_aborted(void **state)
{
    enum {
        SIZE = 3000000
    };
    wpipe_server *server = service_open(state, NULL);
    uint8_t *data = calloc(1, SIZE);
    wpipe_stream *stream;
    wpipe_id id;
    int64_t r;

    stream = join_stream(state, server, &id);
    assert_int_equal(wpipe_server_send(server, id, data, SIZE), 0);
    assert_int_equal(wpipe_read(stream, data, 1000, SUPPORT_WAIT_MS), 1000);
    assert_false(wpipe_stream_message_complete(stream));
    wpipe_server_close(server);
    do
        r = wpipe_read(stream, data, SIZE, SUPPORT_WAIT_MS);
    while (r > 0);
    assert_int_equal(r, WPIPE_EABORTED);
    assert_int_equal(wpipe_read(stream, data, SIZE, SUPPORT_WAIT_MS),
                     WPIPE_EDISCONNECTED);
    wpipe_stream_close(stream);
    free(data);
}

/* Empty messages have no bytes to be counted by. */
static void server_unread_empty_counted_as_lost(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;
    wpipe_event e;
    uint64_t sent = 0;

    options.queue_limit = 640;
    options.buffer_out = 4096;
    server = service_open(state, &options);
    client = service_join(state, server, NULL, &id);
    while (wpipe_server_send(server, id, "", 0) == 0)
        sent++;
    assert_int_equal(wpipe_server_kick(server, id), 0);
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    /* those that were kept; of the others it is not told how many */
    assert_in_range(e.lost_messages, 10, sent);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- types -------------------------------------------------------------- */

static void server_one_way_keeps_direction(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_options in = service_options(state);
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;

    options.direction = WPIPE_IN;
    in.direction = WPIPE_OUT;
    server = service_open(state, &options);
    client = service_join(state, server, &in, &id);
    for (int i = 0; i < 40; i++)
        client_send_text(client, "up");
    for (int i = 0; i < 40; i++)
        server_expect_text(server, id, "up");
    assert_int_equal(wpipe_server_send(server, id, "x", 1), WPIPE_ESTATE);
    assert_int_equal(wpipe_server_broadcast(server, "x", 1), WPIPE_ESTATE);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static void server_of_bytes_gives_chunks(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;
    size_t got = 0;

    options.type = WPIPE_BYTE;
    server = service_open(state, &options);
    client = service_join(state, server, &options, &id);
    client_send_text(client, "some ");
    client_send_text(client, "");
    client_send_text(client, "bytes");
    while (got < 10) {
        wpipe_event e = server_expect(server, WPIPE_EVENT_MESSAGE);

        assert_memory_equal(e.data, &"some bytes"[got], e.size);
        got += e.size;
    }
    server_expect_none(server);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- misuse ------------------------------------------------------------- */

static void server_bad_arguments_refused(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_options options = service_options(state);
    wpipe_server *second = NULL;
    wpipe_event e = { 0 };
    wpipe_peer peer = { 0 };
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);
    char text[256] = "";

    assert_int_equal(wpipe_server_open(NULL, "x", NULL), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_wait(NULL, &e, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_wait(server, NULL, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_send(NULL, id, "x", 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_send(server, id, NULL, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_send_wait(server, id, NULL, 1, 0),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_server_broadcast(server, NULL, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_reply(server, &e, "x", 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_reply(server, NULL, "x", 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_kick(NULL, id), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_peer(server, id, NULL), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_peer(server, id, &peer), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_start(server, NULL, NULL), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_count(NULL), 0);
    assert_null(wpipe_server_name(NULL));
    assert_true(wpipe_server_fd(NULL) < 0);
    wpipe_server_wake(NULL);
    wpipe_server_stop(NULL);
    wpipe_server_close(NULL);
    options.error_text = text;
    options.error_text_size = sizeof text;
    assert_int_equal(
        wpipe_server_open(&second, wpipe_server_name(server), &options),
        WPIPE_EINUSE);
    assert_string_not_equal(text, "");
    assert_int_equal(wpipe_server_open(&second, "a/b", &options), WPIPE_ENAME);
    assert_string_not_equal(text, "");
    options.max_message = UINT64_MAX;
    assert_int_equal(wpipe_server_open(&second, "fine", &options),
                     WPIPE_EINVAL);
    assert_non_null(strstr(text, "max_message"));
    assert_null(second);
    /* and it still works */
    client_send_text(client, "hello");
    server_expect_text(server, id, "hello");
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static void server_name_made_when_null(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *one = NULL;
    wpipe_server *two = NULL;
    wpipe_client *client;
    wpipe_id id;

    assert_int_equal(wpipe_server_open(&one, NULL, &options), 0);
    assert_int_equal(wpipe_server_open(&two, NULL, &options), 0);
    assert_string_not_equal(wpipe_server_name(one), wpipe_server_name(two));
    client = service_join(state, two, NULL, &id);
    wpipe_client_close(client);
    wpipe_server_close(one);
    wpipe_server_close(two);
}

static const struct service_case cases[] = {
    EACH(server_echo_both_ways),
    EACH(server_burst_arrives_in_order),
    EACH(server_every_size_whole),
    EACH(server_many_clients_told_apart),
    EACH(server_busy_client_others_have_their_turn),
    EACH(server_sends_much_what_came_is_seen),
    EACH(server_id_never_used_again),
    ONCE(server_peer_told),
    EACH(server_client_closes_after_its_messages),
    EACH(server_closes_clients_told_after_messages),
    EACH(server_unread_counted_as_lost),
    EACH(server_kicks_both_told),
    EACH(server_half_closed_stream_answered),
    EACH(server_closes_amid_message_aborted),
    EACH(server_unread_empty_counted_as_lost),
    EACH(server_one_way_keeps_direction),
    EACH(server_of_bytes_gives_chunks),
    ONCE(server_bad_arguments_refused),
    ONCE(server_name_made_when_null),
};

SERVICE_MAIN(cases)
