/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client under test that connects again, and the servers that come and go;
 * and a listener with the streams that it accepts, one after the other.
 */
#include "wait_or_poll.h"

#include <string.h>
#include <unistd.h>

enum {
    BIG = 150000,
    SESSIONS = 5,
    MESSAGES = 8
};

static const uint8_t big[BIG];

static size_t random_size(struct run *run)
{
    return run_random(run, 4) == 0 ? BIG : 10 + run_random(run, 1000);
}

static wpipe_options random_options(struct run *run)
{
    wpipe_options o = { .size = sizeof o, .type = WPIPE_MESSAGE };

    o.shared_memory = (int)run_random(run, 3); /* AUTO, NOW, NEVER */
    o.handshake_ms = SILENT_MS;
    return o;
}

/* Messages, then one end out of several. What was sent is heard first. */
static unsigned talk_and_end(struct run *run, wpipe_stream *stream,
                             unsigned ends)
{
    unsigned end = (unsigned)run_random(run, ends);

    for (uint64_t i = run_random(run, MESSAGES); i > 0; i--) {
        size_t size = random_size(run);

        assert_int_equal(wpipe_write(stream, big, size, SUPPORT_WAIT_MS), size);
    }
    printf(" %u", end);
    if (end != 0)
        assert_int_equal(wpipe_drain(stream, SUPPORT_WAIT_MS), 0);
    if (end == 2) {
        assert_int_equal(wpipe_finish(stream), 0);
        run_await(run); /* until it was told */
    }
    if (end == 3)
        assert_int_equal(wpipe_disconnect(stream), 0);
    if (end == 1)
        run_kill_stream(run, stream);
    else
        wpipe_stream_close(stream);
    return end;
}

/* ---- a client ------------------------------------------------------------ */

static void stream_session(struct run *run)
{
    wpipe_options o = random_options(run);
    wpipe_listener *listener;
    wpipe_stream *stream;

    assert_int_equal(wpipe_listen(&listener, run->name, &o), 0);
    assert_int_equal(wpipe_accept(listener, &stream, SUPPORT_WAIT_MS), 0);
    wpipe_listener_close(listener);
    (void)talk_and_end(run, stream, 4);
}

static void server_session(struct run *run, bool last)
{
    wpipe_options o = random_options(run);
    wpipe_server *server;
    wpipe_event event;
    wpipe_id id;

    assert_int_equal(wpipe_server_open(&server, run->name, &o), 0);
    id = server_expect(server, WPIPE_EVENT_CONNECTED).from;
    for (uint64_t i = run_random(run, MESSAGES); i > 0; i--)
        assert_int_equal(wpipe_server_send_wait(server, id, big,
                                                random_size(run),
                                                SUPPORT_WAIT_MS),
                         0);
    /* it calls, and so has read all that came before */
    assert_int_equal(
        wpipe_server_send_wait(server, id, "call", 4, SUPPORT_WAIT_MS), 0);
    event = server_expect(server, WPIPE_EVENT_MESSAGE);
    assert_int_equal(wpipe_server_reply(server, &event, "answer", 6), 0);
    run_await(run);
    if (last) {
        server_send_text(server, id, "bye");
        (void)server_expect(server, WPIPE_EVENT_DISCONNECTED);
    } else if (run_random(run, 2)) {
        assert_int_equal(wpipe_server_kick(server, id), 0);
    }
    wpipe_server_close(server);
}

static void *drive_client(void *argument)
{
    struct run *run = argument;

    for (int i = 0; i < SESSIONS; i++) {
        bool stream = run_random(run, 2);

        printf(stream ? " stream" : " server");
        if (stream)
            stream_session(run);
        else
            server_session(run, false);
    }
    server_session(run, true);
    return NULL;
}

/* False when it was the last message. */
static bool client_hears(struct run *run, int connection)
{
    wpipe_client *client = run->waiter.client;
    wpipe_event event = run->waiter.event;
    wpipe_event answer;
    bool more = event.size != 3;

    run_note(run, connection, " M%zu", event.size);
    if (event.size == 4) {
        assert_int_equal(
            wpipe_client_call(client, "q", 1, &answer, SUPPORT_WAIT_MS), 1);
        run_note(run, connection, " A%zu", answer.size);
        run_signal(run);
    }
    return more;
}

static bool client_event(struct run *run)
{
    const wpipe_event *event = &run->waiter.event;
    int connection;

    if (event->type == WPIPE_EVENT_CONNECTED) {
        run->ids[run->connected++] = event->from;
        return true;
    }
    connection = run_connection(run, event->from);
    if (event->type == WPIPE_EVENT_MESSAGE)
        return client_hears(run, connection);
    if (event->type == WPIPE_EVENT_FINISHED) {
        run_note(run, connection, " F");
        run_signal(run);
        return true;
    }
    assert_int_equal(event->type, WPIPE_EVENT_DISCONNECTED);
    run_note(run, connection, " D%d", event->reason);
    run->disconnected++;
    return true;
}

void run_client(struct run *run)
{
    wpipe_options o = { .size = sizeof o };

    o.flags = WPIPE_CONNECT_LATER | WPIPE_RECONNECT;
    assert_int_equal(wpipe_client_open(&run->waiter.client, run->name, &o), 0);
    service_start(&run->driver, drive_client, run);
    do
        assert_int_equal(run_next(run), 1);
    while (client_event(run));
    wpipe_client_close(run->waiter.client);
    service_finish(&run->driver);
}

/* ---- a listener and its streams ------------------------------------------ */

static void *drive_listener(void *argument)
{
    struct run *run = argument;

    for (int i = 0; i < SESSIONS; i++) {
        wpipe_options o = random_options(run);
        wpipe_stream *stream;

        if (run_random(run, 3) == 0) {
            int fd = service_dial_raw(run->name);

            printf(" silent");
            service_wait_hangup(fd);
            close(fd);
        }
        assert_int_equal(wpipe_connect(&stream, run->name, &o, SUPPORT_WAIT_MS),
                         0);
        if (talk_and_end(run, stream, 3) != 2)
            run_await(run); /* until the end was read */
    }
    return NULL;
}

/* Reads one stream to its end, by the same means as the listener. */
static void read_all(struct run *run, wpipe_stream *stream, int connection)
{
    struct run reading = { .waiter = { .stream = stream } };
    size_t size = 0;
    int64_t r;

    reading.waiter.polls = run->waiter.polls;
    reading.waiter.asks_again = run->waiter.asks_again;
    while ((r = run_next(&reading)) >= 0) {
        size += (size_t)r;
        if (wpipe_stream_message_complete(stream)) {
            run_note(run, connection, " M%zu", size);
            size = 0;
        }
    }
    run_note(run, connection, " %s", wpipe_error_name((int)r));
    run_signal(run);
    wpipe_stream_close(stream);
}

void run_stream(struct run *run)
{
    wpipe_options o = { .size = sizeof o, .type = WPIPE_MESSAGE };

    o.handshake_ms = SILENT_MS;
    assert_int_equal(wpipe_listen(&run->waiter.listener, run->name, &o), 0);
    service_start(&run->driver, drive_listener, run);
    for (int i = 0; i < SESSIONS; i++) {
        assert_int_equal(run_next(run), 0);
        read_all(run, run->waiter.arrived, i);
    }
    service_finish(&run->driver);
    wpipe_listener_close(run->waiter.listener);
}
