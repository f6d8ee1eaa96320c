/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server under test and its random clients. A client that is to die or to be
 * kicked has been heard before, so that what the server is told is certain.
 */
#include "wait_or_poll.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/client.h"
#include "stream/stream.h"

enum {
    SLOTS = 3,
    BIG = 150000,
    PUSHED = 4000
};

void run_kill_client(struct run *run, wpipe_client *client)
{
    assert_int_equal(shutdown(client->conn->link->socket, SHUT_RDWR), 0);
    run->dead_clients[run->dead++] = client;
}

void run_kill_stream(struct run *run, wpipe_stream *stream)
{
    assert_int_equal(shutdown(stream->link->socket, SHUT_RDWR), 0);
    run->dead_streams[run->dead++] = stream;
}

static wpipe_options random_options(struct run *run)
{
    wpipe_options o = { .size = sizeof o, .type = WPIPE_MESSAGE };

    o.shared_memory = (int)run_random(run, 3); /* AUTO, NOW, NEVER */
    return o;
}

/* ---- the clients' side --------------------------------------------------- */

static void send_text(wpipe_client *client, const char *text)
{
    assert_int_equal(
        wpipe_client_send_wait(client, text, strlen(text), SUPPORT_WAIT_MS), 0);
}

/* Reads until this event, and for a message until this one. */
static void read_until(wpipe_client *client, int type, const char *text)
{
    wpipe_event event;

    do
        assert_int_equal(wpipe_client_wait(client, &event, SUPPORT_WAIT_MS), 1);
    while (event.type != type ||
           (text && (event.size != strlen(text) ||
                     memcmp(event.data, text, event.size) != 0)));
}

static void send_big(wpipe_client *client)
{
    static const uint8_t bytes[BIG];

    assert_int_equal(
        wpipe_client_send_wait(client, bytes, BIG, SUPPORT_WAIT_MS), 0);
}

static void call(wpipe_client *client)
{
    wpipe_event answer;

    assert_int_equal(
        wpipe_client_call(client, "call", 4, &answer, SUPPORT_WAIT_MS), 1);
    assert_int_equal(answer.size, 4);
}

/* It does not read until the server cannot send any more. Nothing is queued by
 * then, as no call would move it on meanwhile. */
static void be_pushed(struct run *run, wpipe_client *client)
{
    assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS), 0);
    send_text(client, "push");
    run_await(run);
    read_until(client, WPIPE_EVENT_MESSAGE, "done");
}

static void finish_then_read(struct run *run)
{
    wpipe_options o = random_options(run);
    wpipe_stream *stream;
    char buf[16];

    assert_int_equal(wpipe_connect(&stream, run->name, &o, SUPPORT_WAIT_MS), 0);
    __atomic_fetch_add(&run->opened, 1, __ATOMIC_RELEASE);
    assert_int_equal(wpipe_write(stream, "one", 3, SUPPORT_WAIT_MS), 3);
    assert_int_equal(wpipe_finish(stream), 0);
    assert_int_equal(wpipe_read(stream, buf, sizeof buf, SUPPORT_WAIT_MS), 5);
    assert_memory_equal(buf, "later", 5);
    wpipe_stream_close(stream);
}

static wpipe_client *open_client(struct run *run, const wpipe_options *options)
{
    wpipe_client *client;

    assert_int_equal(wpipe_client_open(&client, run->name, options), 0);
    __atomic_fetch_add(&run->opened, 1, __ATOMIC_RELEASE);
    return client;
}

static void say_nothing(struct run *run)
{
    int fd = service_dial_raw(run->name);

    __atomic_fetch_add(&run->refused, 1, __ATOMIC_RELEASE);
    service_wait_hangup(fd);
    close(fd);
}

/* A step of a connected client; NULL when it has gone. */
static wpipe_client *client_step(struct run *run, wpipe_client *client,
                                 unsigned step)
{
    switch (step) {
    case 0:
        send_text(client, "text");
        return client;
    case 1:
        send_big(client);
        return client;
    case 2:
        call(client);
        return client;
    case 3:
        be_pushed(run, client);
        return client;
    case 4:
        assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS), 0);
        return client;
    case 5:
        send_text(client, "kick");
        read_until(client, WPIPE_EVENT_DISCONNECTED, NULL);
        wpipe_client_close(client);
        return NULL;
    case 6:
        assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS), 0);
        run_kill_client(run, client);
        return NULL;
    default:
        wpipe_client_close(client);
        return NULL;
    }
}

static void *drive_server(void *argument)
{
    struct run *run = argument;
    wpipe_client *slots[SLOTS] = { NULL };

    for (int i = 0; i < STEPS; i++) {
        wpipe_client **slot = &slots[run_random(run, SLOTS)];
        unsigned step = (unsigned)run_random(run, 10);
        wpipe_options o = random_options(run);

        printf(" %d.%u", (int)(slot - slots), step);
        if (step == 8)
            finish_then_read(run);
        else if (step == 9)
            say_nothing(run);
        else if (!*slot)
            *slot = open_client(run, &o);
        else
            *slot = client_step(run, *slot, step);
    }
    for (int i = 0; i < SLOTS; i++)
        wpipe_client_close(slots[i]);
    __atomic_store_n(&run->finished, 1, __ATOMIC_RELEASE);
    wpipe_server_wake(run->waiter.server);
    return NULL;
}

/* ---- the server's side --------------------------------------------------- */

static void push(struct run *run, wpipe_id to)
{
    static const uint8_t bytes[PUSHED];
    int r;

    while ((r = wpipe_server_send(run->waiter.server, to, bytes, PUSHED)) == 0)
        continue;
    assert_int_equal(r, WPIPE_EAGAIN);
    run_signal(run);
}

static bool is_text(const wpipe_event *event, const char *text)
{
    return event->size == strlen(text) &&
           memcmp(event->data, text, event->size) == 0;
}

static void on_message(struct run *run, const wpipe_event *event)
{
    wpipe_server *server = run->waiter.server;

    run_note(run, run_connection(run, event->from), " M%zu%s", event->size,
             event->request ? "?" : "");
    if (event->request)
        assert_int_equal(
            wpipe_server_reply(server, event, event->data, event->size), 0);
    else if (is_text(event, "push"))
        push(run, event->from);
    else if (is_text(event, "kick"))
        assert_int_equal(wpipe_server_kick(server, event->from), 0);
}

static void on_event(struct run *run)
{
    const wpipe_event *event = &run->waiter.event;
    wpipe_server *server = run->waiter.server;

    switch (event->type) {
    case WPIPE_EVENT_CONNECTED:
        assert_true(run->connected < CONNECTIONS_MAX);
        run->ids[run->connected++] = event->from;
        break;
    case WPIPE_EVENT_MESSAGE:
        on_message(run, event);
        break;
    case WPIPE_EVENT_DISCONNECTED:
        run_note(run, run_connection(run, event->from), " D%d", event->reason);
        run->disconnected++;
        break;
    case WPIPE_EVENT_FINISHED:
        run_note(run, run_connection(run, event->from), " F");
        assert_int_equal(wpipe_server_send(server, event->from, "later", 5), 0);
        break;
    case WPIPE_EVENT_WRITABLE:
        run_note(run, run_connection(run, event->from), " W");
        assert_int_equal(wpipe_server_send(server, event->from, "done", 4), 0);
        break;
    default: /* connection 0 of none: a guest */
        assert_int_equal(event->type, WPIPE_EVENT_REFUSED);
        for (uint64_t i = 0; i < event->count; i++)
            run_note(run, CONNECTIONS_MAX - 1, " R%d", event->reason);
        run->was_refused += (int)event->count;
        break;
    }
}

static bool is_over(const struct run *run)
{
    return __atomic_load_n(&run->finished, __ATOMIC_ACQUIRE) &&
           run->connected == __atomic_load_n(&run->opened, __ATOMIC_ACQUIRE) &&
           run->disconnected == run->connected &&
           run->was_refused == __atomic_load_n(&run->refused, __ATOMIC_ACQUIRE);
}

void run_server(struct run *run)
{
    wpipe_options o = { .size = sizeof o };
    int64_t r;

    o.handshake_ms = SILENT_MS;
    o.queue_limit = 65536;
    o.buffer_in = 65536;
    o.buffer_out = 65536;
    assert_int_equal(wpipe_server_open(&run->waiter.server, run->name, &o), 0);
    service_start(&run->driver, drive_server, run);
    while (!is_over(run)) {
        r = run_next(run);
        if (r == 1)
            on_event(run);
        else
            assert_int_equal(r, 0); /* woken: the driver has finished */
    }
    service_finish(&run->driver);
    wpipe_server_close(run->waiter.server);
}
