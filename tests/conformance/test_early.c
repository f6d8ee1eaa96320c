/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that do not wait for the server's verdict: what one of them wrote is
 * read, also when it has left again before the server came to it. So it is
 * with sockets, and with .NET (row 12).
 */
#include "support.h"

#include <time.h>

#include <windpipe.h>

#include "service.h"

/* Connect, write `count` messages, leave. */
static void visit(const char *name, int count)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_stream *stream = NULL;
    char text[2] = "0";

    options.type = WPIPE_MESSAGE;
    options.flags = WPIPE_CONNECT_EARLY;
    assert_int_equal(wpipe_connect(&stream, name, &options, SUPPORT_WAIT_MS),
                     0);
    for (int i = 0; i < count; i++, text[0]++)
        assert_int_equal(wpipe_write(stream, text, 1, 0), 1);
    wpipe_stream_close(stream);
}

static wpipe_listener *listen_for_messages(void)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_listener *listener = NULL;

    options.type = WPIPE_MESSAGE;
    assert_int_equal(wpipe_listen(&listener, support_unique_name(), &options),
                     0);
    return listener;
}

static void accepted_after_it_left(void **state)
{
    wpipe_listener *listener = listen_for_messages();
    wpipe_stream *server;
    char got;

    (void)state;
    for (int i = 0; i < 20; i++)
        visit(wpipe_listener_name(listener), 3);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(wpipe_accept(listener, &server, SUPPORT_WAIT_MS), 0);
        for (char c = '0'; c < '3'; c++) {
            assert_int_equal(wpipe_read(server, &got, 1, 0), 1);
            assert_int_equal(got, c);
        }
        assert_int_equal(wpipe_read(server, &got, 1, SUPPORT_WAIT_MS),
                         WPIPE_EOF);
        assert_int_equal(wpipe_write(server, "x", 1, 0), WPIPE_EPIPE);
        wpipe_stream_close(server);
    }
    assert_int_equal(wpipe_accept(listener, &server, 0), WPIPE_ETIMEDOUT);
    wpipe_listener_close(listener);
}

/* One that left nothing has not been there. */
static void nobody_is_accepted_for_nothing(void **state)
{
    wpipe_listener *listener = listen_for_messages();
    wpipe_stream *server;
    char got;

    (void)state;
    visit(wpipe_listener_name(listener), 0);
    visit(wpipe_listener_name(listener), 1);
    assert_int_equal(wpipe_accept(listener, &server, SUPPORT_WAIT_MS), 0);
    assert_int_equal(wpipe_read(server, &got, 1, 0), 1);
    wpipe_stream_close(server);
    assert_int_equal(wpipe_accept(listener, &server, 0), WPIPE_ETIMEDOUT);
    wpipe_listener_close(listener);
}

/* Take events until `count` clients have been there, each with its two
 * messages in between. */
static void serve_visits(wpipe_server *server, int count)
{
    wpipe_id ids[8] = { 0 };
    int messages[8] = { 0 };
    wpipe_event e;
    int begun = 0;
    int ended = 0;
    int i;

    while (ended < count) {
        assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
        for (i = 0; i < begun && ids[i] != e.from; i++)
            ;
        if (e.type == WPIPE_EVENT_CONNECTED) {
            assert_in_range(begun, 0, count - 1);
            ids[begun++] = e.from;
        } else if (e.type == WPIPE_EVENT_MESSAGE) {
            assert_in_range(i, 0, begun - 1);
            assert_int_equal(e.size, 1);
            assert_int_equal(*(const char *)e.data, '0' + messages[i]++);
        } else {
            assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
            assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
            assert_in_range(i, 0, begun - 1);
            assert_int_equal(messages[i], 2);
            ended++;
        }
    }
    assert_int_equal(wpipe_server_count(server), 0);
}

static void served_after_it_left(void **state)
{
    wpipe_server *server = NULL;

    (void)state;
    assert_int_equal(wpipe_server_open(&server, support_unique_name(), NULL),
                     0);
    for (int i = 0; i < 5; i++)
        visit(wpipe_server_name(server), 2);
    serve_visits(server, 5);
    wpipe_server_close(server);
}

/* Gone from the queue of a full server: it is served when there is a seat, and
 * the server does not spin on its end until then. */
static void served_from_the_queue_after_it_left(void **state)
{
    wpipe_options options = { .size = sizeof options, .max_clients = 1 };
    wpipe_server *server = NULL;
    wpipe_client *client = NULL;
    clock_t before;
    wpipe_event e;

    (void)state;
    assert_int_equal(
        wpipe_server_open(&server, support_unique_name(), &options), 0);
    options.max_clients = 0;
    options.flags = WPIPE_CONNECT_LATER;
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    assert_int_equal(wpipe_client_wait(client, &e, 0), WPIPE_ETIMEDOUT);
    server_expect(server, WPIPE_EVENT_CONNECTED);
    visit(wpipe_server_name(server), 2);
    before = clock();
    assert_int_equal(wpipe_server_wait(server, &e, 300), WPIPE_ETIMEDOUT);
    assert_in_range(clock() - before, 0, CLOCKS_PER_SEC / 25);
    wpipe_client_close(client);
    server_expect(server, WPIPE_EVENT_DISCONNECTED);
    serve_visits(server, 1);
    wpipe_server_close(server);
}

/* A call does not go before it is known whether there are messages. */
static void call_before_the_verdict_waits_for_the_type(void **state)
{
    static const int types[] = { WPIPE_BYTE, WPIPE_MESSAGE };
    const wpipe_call call = { .kind = WPIPE_CALL_REQUEST, .request = 1 };

    (void)state;
    for (int i = 0; i < 2; i++) {
        wpipe_options options = { .size = sizeof options, .type = types[i] };
        wpipe_options early = { .size = sizeof early,
                                .flags = WPIPE_CONNECT_EARLY };
        wpipe_listener *listener;
        wpipe_stream *client;
        wpipe_stream *server;
        char got[8];

        assert_int_equal(
            wpipe_listen(&listener, support_unique_name(), &options), 0);
        assert_int_equal(wpipe_connect(&client, wpipe_listener_name(listener),
                                       &early, SUPPORT_WAIT_MS),
                         0);
        assert_int_equal(wpipe_write_call(client, &call, "call", 4, 0),
                         WPIPE_ETIMEDOUT);
        assert_int_equal(wpipe_write(client, "", 0, 0), 0);
        assert_int_equal(wpipe_accept(listener, &server, SUPPORT_WAIT_MS), 0);
        assert_int_equal(
            wpipe_write_call(client, &call, "call", 4, SUPPORT_WAIT_MS),
            types[i] == WPIPE_MESSAGE ? 4 : WPIPE_ENOTSUP);
        assert_int_equal(wpipe_write(client, "more", 4, 0), 4);
        if (types[i] == WPIPE_MESSAGE) {
            assert_int_equal(wpipe_read(server, got, sizeof got, 0), 0);
            assert_int_equal(wpipe_read(server, got, sizeof got, 0), 4);
        }
        assert_int_equal(wpipe_read(server, got, sizeof got, 0), 4);
        assert_memory_equal(got, "more", 4);
        wpipe_stream_close(client);
        wpipe_stream_close(server);
        wpipe_listener_close(listener);
    }
}

enum {
    LONG = 40000 /* more than one record */
};

static void *write_long(void *argument)
{
    static uint8_t data[LONG];

    service_fill(data, LONG, 1);
    assert_int_equal(wpipe_write(argument, data, LONG, SUPPORT_WAIT_MS), LONG);
    return NULL;
}

/* It takes either type, and writes before it knows which the pipe has: what
 * is longer than a record keeps the rules of both. */
static void long_write_suits_both_types(void **state)
{
    static const int types[] = { WPIPE_BYTE, WPIPE_MESSAGE };

    (void)state;
    for (int i = 0; i < 2; i++) {
        wpipe_options options = { .size = sizeof options, .type = types[i] };
        wpipe_options early = { .size = sizeof early,
                                .flags = WPIPE_CONNECT_EARLY };
        static uint8_t data[LONG + 1];
        struct service_thread thread;
        wpipe_listener *listener;
        wpipe_stream *client;
        wpipe_stream *server;
        int64_t r;

        assert_int_equal(
            wpipe_listen(&listener, support_unique_name(), &options), 0);
        assert_int_equal(wpipe_connect(&client, wpipe_listener_name(listener),
                                       &early, SUPPORT_WAIT_MS),
                         0);
        service_start(&thread, write_long, client);
        assert_int_equal(wpipe_accept(listener, &server, SUPPORT_WAIT_MS), 0);
        for (size_t got = 0; got < LONG; got += (size_t)r) {
            r = wpipe_read(server, data + got, sizeof data - got,
                           SUPPORT_WAIT_MS);
            assert_true(r > 0);
            assert_true(types[i] == WPIPE_BYTE || r == LONG);
        }
        service_check(data, LONG, 1);
        service_finish(&thread);
        wpipe_stream_close(client);
        wpipe_stream_close(server);
        wpipe_listener_close(listener);
    }
}

/* A server that never says what its pipe is holds up a message in parts no
 * longer than begin was allowed to wait; then it can be tried again. */
static void parts_wait_for_the_type_as_long_as_begin(void **state)
{
    static const int timeouts[] = { 0, 20 };
    wpipe_options options = { .size = sizeof options, .type = WPIPE_MESSAGE };
    wpipe_options early = { .size = sizeof early,
                            .flags = WPIPE_CONNECT_EARLY };
    char text[8];

    (void)state;
    for (int i = 0; i < 2; i++) {
        int64_t began = support_now_ms();
        wpipe_listener *listener;
        wpipe_stream *client;
        wpipe_stream *server;
        void *data;

        assert_int_equal(
            wpipe_listen(&listener, support_unique_name(), &options), 0);
        assert_int_equal(wpipe_connect(&client, wpipe_listener_name(listener),
                                       &early, SUPPORT_WAIT_MS),
                         0);
        assert_int_equal(wpipe_write_begin(client, 1, &data, timeouts[i]), 0);
        *(char *)data = 'a';
        assert_int_equal(wpipe_write_commit(client, 1, 1), WPIPE_ETIMEDOUT);
        assert_true(support_now_ms() - began >= timeouts[i]);
        assert_int_equal(wpipe_accept(listener, &server, SUPPORT_WAIT_MS), 0);
        assert_int_equal(wpipe_write_commit(client, 1, 1), 1);
        assert_int_equal(wpipe_write(client, "b", 1, SUPPORT_WAIT_MS), 1);
        assert_int_equal(wpipe_read(server, text, sizeof text, SUPPORT_WAIT_MS),
                         2);
        assert_memory_equal(text, "ab", 2);
        wpipe_stream_close(client);
        wpipe_stream_close(server);
        wpipe_listener_close(listener);
    }
}

static const struct support_case cases[] = {
    TEST(accepted_after_it_left),
    TEST(nobody_is_accepted_for_nothing),
    TEST(served_after_it_left),
    TEST(served_from_the_queue_after_it_left),
    TEST(call_before_the_verdict_waits_for_the_type),
    TEST(long_write_suits_both_types),
    TEST(parts_wait_for_the_type_as_long_as_begin),
};

TEST_MAIN(cases)
