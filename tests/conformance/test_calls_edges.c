/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls beside other things that go on: a drain that sleeps for all, an event
 * loop that polls, a shutdown; and peers that answer nothing.
 */
#include "service.h"

#include <string.h>

struct thread {
    struct service_thread thread;
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id to;
    wpipe_event answer;
    int result;
};

static void *call_server(void *argument)
{
    struct thread *t = argument;

    t->result =
        wpipe_client_call(t->client, "question", 8, &t->answer, WPIPE_FOREVER);
    return NULL;
}

static void *call_client(void *argument)
{
    struct thread *t = argument;

    t->result = wpipe_server_call(t->server, t->to, "question", 8, &t->answer,
                                  WPIPE_FOREVER);
    return NULL;
}

static void *drain_client(void *argument)
{
    struct thread *t = argument;

    t->result = wpipe_client_drain(t->client, SUPPORT_WAIT_MS);
    return NULL;
}

static void *shut_server_down(void *argument)
{
    struct thread *t = argument;

    t->result = wpipe_server_shutdown(t->server, SUPPORT_WAIT_MS, NULL);
    return NULL;
}

/* ---- beside a drain ------------------------------------------------------ */

/* Who drains sleeps for all, and takes nothing: the peer's last word is there
 * already when the call begins, and nothing will come that wakes who drains. */
static void call_beside_a_drain_hears_the_end(void **state)
{
    wpipe_options options = service_options(state);
    const char *name = support_unique_name();
    struct thread drainer = { .result = -100 };
    struct thread caller = { .result = -100 };
    wpipe_listener *listener = NULL;
    wpipe_stream *stream = NULL;
    wpipe_client *client = NULL;

    options.type = WPIPE_MESSAGE;
    assert_int_equal(wpipe_listen(&listener, name, &options), 0);
    options.flags = WPIPE_CONNECT_LATER;
    assert_int_equal(wpipe_client_open(&client, name, &options), 0);
    client_expect_none(client);
    assert_int_equal(wpipe_accept(listener, &stream, SUPPORT_WAIT_MS), 0);
    (void)client_expect(client, WPIPE_EVENT_CONNECTED);
    client_send_text(client, "unread");
    drainer.client = client;
    service_start(&drainer.thread, drain_client, &drainer);
    support_wait_others_asleep();
    assert_int_equal(wpipe_finish(stream), 0);
    support_wait_others_asleep();
    caller.client = client;
    service_start(&caller.thread, call_server, &caller);
    service_finish(&caller.thread);
    assert_int_equal(caller.result, WPIPE_ENOTCONN);
    wpipe_stream_close(stream);
    service_finish(&drainer.thread);
    assert_int_equal(drainer.result, WPIPE_ENOTCONN);
    wpipe_client_close(client);
    wpipe_listener_close(listener);
}

/* Likewise: the server answers when it has got rid of what it has to say. */
static void call_beside_a_drain_makes_room(void **state)
{
    wpipe_options options = service_options(state);
    static uint8_t news[1000];
    struct thread drainer = { .result = -100 };
    struct thread caller = { .result = -100 };
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;

    options.queue_limit = 64 * 1024;
    server = service_open(state, &options);
    client = service_join(state, server, NULL, &id);
    client_send_text(client, "unread");
    drainer.client = client;
    service_start(&drainer.thread, drain_client, &drainer);
    while (wpipe_server_send(server, id, news, sizeof news) == 0)
        ;
    support_wait_others_asleep();
    caller.client = client;
    service_start(&caller.thread, call_server, &caller);
    assert_int_equal(
        wpipe_server_send_wait(server, id, news, sizeof news, SUPPORT_WAIT_MS),
        0);
    for (;;) {
        wpipe_event e;

        assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
        if (e.type != WPIPE_EVENT_MESSAGE || e.request == 0)
            continue; /* WRITABLE, or what was unread */
        assert_int_equal(wpipe_server_reply(server, &e, "answer", 6), 0);
        break;
    }
    assert_int_equal(wpipe_server_drain(server, id, SUPPORT_WAIT_MS), 0);
    service_finish(&caller.thread);
    assert_int_equal(caller.result, 1);
    service_finish(&drainer.thread);
    assert_int_equal(drainer.result, 0);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- beside an event loop ------------------------------------------------ */

/* A call that goes on takes what comes: the loop that polls hears of it. */
static void poll_told_of_what_a_call_found(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct thread caller = { .result = -100 };
    wpipe_client *client;
    wpipe_event e;
    wpipe_id id;
    int fd;

    client = service_join(state, server, NULL, &id);
    fd = (int)wpipe_client_fd(client);
    client_expect_none(client);
    caller.client = client;
    service_start(&caller.thread, call_server, &caller);
    e = server_expect(server, WPIPE_EVENT_MESSAGE);
    for (int i = 0; i < 5; i++) {
        support_wait_others_asleep();
        server_send_text(server, id, "news");
        assert_int_equal(wpipe_server_drain(server, id, SUPPORT_WAIT_MS), 0);
        support_wait_others_asleep();
        assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
        client_expect_text(client, "news");
        client_expect_none(client);
    }
    assert_int_equal(wpipe_server_reply(server, &e, "answer", 6), 0);
    service_finish(&caller.thread);
    assert_int_equal(caller.result, 1);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* The call takes the ring of the shutdown off the poller, and there is nothing
 * to keep. */
static void poll_told_of_a_shutdown_beside_a_call(void **state)
{
    wpipe_options options = service_options(state);

    options.flags = WPIPE_CONNECT_LATER | WPIPE_RECONNECT;
    for (int i = 0; i < 10; i++) {
        struct thread caller = { .result = -100 };
        wpipe_client *client = NULL;
        wpipe_event e;
        int fd;

        assert_int_equal(
            wpipe_client_open(&client, support_unique_name(), &options), 0);
        fd = (int)wpipe_client_fd(client);
        client_expect_none(client);
        caller.client = client;
        service_start(&caller.thread, call_server, &caller);
        support_wait_others_asleep();
        assert_int_equal(wpipe_client_shutdown(client, 0, NULL), 0);
        service_finish(&caller.thread);
        assert_int_equal(caller.result, WPIPE_ENOTCONN);
        assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
        assert_int_equal(wpipe_client_wait(client, &e, 0), WPIPE_ENOTCONN);
        wpipe_client_close(client);
    }
}

/* ---- beside a shutdown --------------------------------------------------- */

/* It waits for the client; the call, which nobody would hear answered, does
 * not. */
static void shutdown_ends_server_calls_at_once(void **state)
{
    for (int i = 0; i < 10; i++) {
        wpipe_server *server = service_open(state, NULL);
        struct thread caller = { .server = server };
        struct thread ender = { .server = server, .result = -100 };
        wpipe_client *client;

        client = service_join(state, server, NULL, &caller.to);
        service_start(&caller.thread, call_client, &caller);
        support_wait_others_asleep();
        service_start(&ender.thread, shut_server_down, &ender);
        service_finish(&caller.thread);
        assert_true(caller.result == WPIPE_EWOKEN ||
                    caller.result == WPIPE_ENOTCONN);
        (void)client_expect(client, WPIPE_EVENT_MESSAGE);
        (void)client_expect(client, WPIPE_EVENT_DISCONNECTED);
        service_finish(&ender.thread);
        assert_int_equal(ender.result, 0);
        wpipe_client_close(client);
        wpipe_server_close(server);
    }
}

static const struct service_case cases[] = {
    EACH(call_beside_a_drain_hears_the_end),
    EACH(call_beside_a_drain_makes_room),
    EACH(poll_told_of_what_a_call_found),
    ONCE(poll_told_of_a_shutdown_beside_a_call),
    EACH(shutdown_ends_server_calls_at_once),
};

SERVICE_MAIN(cases)
