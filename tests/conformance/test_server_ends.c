/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ends a server's send_wait: the end of that client, however it comes,
 * and a wake or stop of the server. Every wait here is for ever.
 */
#include "service.h"

#include <unistd.h>

enum {
    CLOSE = 1,
    KICK,
    KILL
};

/* ---- a client that reads nothing ----------------------------------------- */

static int connect_deaf(int fd, void *argument)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_client *client = NULL;
    uint32_t warm;
    uint32_t more;

    options.shared_memory = (int)event_wait(fd);
    warm = event_wait(fd);
    more = event_wait(fd);
    assert_int_equal(wpipe_client_open(&client, argument, &options), 0);
    while (warm-- > 0) {
        client_send_text(client, "warm");
        client_expect_text(client, "warm");
    }
    while (more-- > 0)
        client_send_text(client, "unread");
    event_send(fd, 1);
    (void)event_wait(fd);
    wpipe_client_close(client);
    return 0;
}

static wpipe_id deaf_begin(void **state, wpipe_server *server,
                           struct helper *helper, uint32_t unread)
{
    const struct service_kind *kind = *state;
    uint32_t warm = kind == NULL ? 0 : (uint32_t)kind->warm;
    static const uint8_t data[1000];
    wpipe_id id;
    int r;

    helper_start(helper, connect_deaf,
                 (void *)(uintptr_t)wpipe_server_name(server));
    event_send(helper->fd, (uint32_t)service_options(state).shared_memory);
    event_send(helper->fd, warm);
    event_send(helper->fd, unread);
    id = server_expect(server, WPIPE_EVENT_CONNECTED).from;
    while (warm-- > 0) {
        server_expect_text(server, id, "warm");
        server_send_text(server, id, "warm");
    }
    event_expect(helper->fd, 1);
    while ((r = wpipe_server_send(server, id, data, sizeof data)) == 0)
        ;
    assert_int_equal(r, WPIPE_EAGAIN);
    return id;
}

/* ---- threads that wait --------------------------------------------------- */

struct waiter {
    struct service_thread thread;
    wpipe_server *server;
    wpipe_id to;
    _Atomic int tid;
    int result;
    int disconnected;
};

static void *in_send_wait(void *argument)
{
    struct waiter *w = argument;
    static const uint8_t data[1000];

    w->tid = support_tid();
    do
        w->result = wpipe_server_send_wait(w->server, w->to, data, sizeof data,
                                           WPIPE_FOREVER);
    while (w->result == 0);
    return NULL;
}

static void *in_wait(void *argument)
{
    struct waiter *w = argument;
    wpipe_event e;

    w->tid = support_tid();
    while ((w->result = wpipe_server_wait(w->server, &e, WPIPE_FOREVER)) == 1)
        w->disconnected += e.type == WPIPE_EVENT_DISCONNECTED;
    return NULL;
}

static void waiter_begin(struct waiter *w, wpipe_server *server, wpipe_id to,
                         void *(*run)(void *))
{
    w->server = server;
    w->to = to;
    service_start(&w->thread, run, w);
    while (w->tid == 0)
        usleep(100);
    support_wait_asleep(getpid(), w->tid);
}

static int waiter_end(struct waiter *w)
{
    service_finish(&w->thread);
    return w->result;
}

/* ---- the client's end ---------------------------------------------------- */

static void end_it(void **state, int how, int threads, uint32_t unread)
{
    wpipe_options options = service_options(state);
    struct waiter sender = { 0 };
    struct waiter taker = { 0 };
    struct helper helper;
    wpipe_server *server;
    wpipe_id id;

    options.queue_limit = 20000;
    server = service_open(state, &options);
    id = deaf_begin(state, server, &helper, unread);
    if (threads == 2)
        waiter_begin(&taker, server, id, in_wait);
    waiter_begin(&sender, server, id, in_send_wait);
    if (how == KILL)
        helper_kill(&helper);
    else if (how == CLOSE)
        event_send(helper.fd, 1);
    else
        assert_int_equal(wpipe_server_kick(server, id), 0);
    assert_int_equal(waiter_end(&sender), WPIPE_ENOTCONN);
    if (how == KICK)
        event_send(helper.fd, 1);
    if (how != KILL)
        assert_int_equal(helper_join(&helper), 0);
    wpipe_server_stop(server);
    if (threads == 2)
        assert_int_equal(waiter_end(&taker), 0);
    wpipe_server_close(server);
}

static void end_all(void **state, int threads)
{
    static const uint32_t unread[] = { 0, 3 };

    for (int i = 0; i < 2; i++) {
        end_it(state, KILL, threads, unread[i]);
        end_it(state, CLOSE, threads, unread[i]);
        end_it(state, KICK, threads, unread[i]);
    }
}

static void client_end_ends_send_wait(void **state)
{
    end_all(state, 1);
}

static void client_end_ends_send_wait_beside_wait(void **state)
{
    end_all(state, 2);
}

/* ---- wake and stop ------------------------------------------------------- */

static void end_by(void **state, void (*end)(wpipe_server *server), int threads)
{
    wpipe_options options = service_options(state);
    struct waiter sender = { 0 };
    struct waiter taker = { 0 };
    static const uint8_t filling[1000];
    struct helper helper;
    wpipe_server *server;
    wpipe_id id;

    options.queue_limit = 20000;
    server = service_open(state, &options);
    id = deaf_begin(state, server, &helper, 0);
    if (threads == 2)
        waiter_begin(&taker, server, id, in_wait);
    waiter_begin(&sender, server, id, in_send_wait);
    end(server);
    assert_int_equal(waiter_end(&sender), WPIPE_EWOKEN);
    if (threads == 2)
        assert_int_equal(waiter_end(&taker), 0);
    assert_int_equal(wpipe_server_send_wait(server, id, filling, 1000, 10),
                     end == wpipe_server_stop ? WPIPE_EWOKEN : WPIPE_ETIMEDOUT);
    event_send(helper.fd, 1);
    assert_int_equal(helper_join(&helper), 0);
    wpipe_server_close(server);
}

static void wake_ends_send_wait(void **state)
{
    end_by(state, wpipe_server_wake, 1);
    end_by(state, wpipe_server_wake, 2);
}

static void stop_ends_send_wait(void **state)
{
    end_by(state, wpipe_server_stop, 1);
    end_by(state, wpipe_server_stop, 2);
}

static void remember_client(wpipe_server *server, const wpipe_event *event,
                            void *user)
{
    _Atomic wpipe_id *ids = user;

    (void)server;
    ids[ids[0] != 0] = event->from;
}

/* The clients of all threads are told of a wake. */
static void wake_ends_send_wait_of_each_thread(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_handlers handlers = { .size = sizeof handlers,
                                .connected = remember_client };
    _Atomic wpipe_id ids[2] = { 0, 0 };
    struct waiter senders[2] = { { .result = 0 }, { .result = 0 } };
    wpipe_client *clients[2];
    wpipe_server *server;

    options.queue_limit = 20000;
    options.threads = 2;
    server = service_open(state, &options);
    assert_int_equal(wpipe_server_start(server, &handlers, ids), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            wpipe_client_open(&clients[i], wpipe_server_name(server), NULL), 0);
        while (ids[i] == 0)
            usleep(100);
    }
    for (int i = 0; i < 2; i++)
        waiter_begin(&senders[i], server, ids[i], in_send_wait);
    wpipe_server_wake(server);
    for (int i = 0; i < 2; i++)
        assert_int_equal(waiter_end(&senders[i]), WPIPE_EWOKEN);
    for (int i = 0; i < 2; i++)
        wpipe_client_close(clients[i]);
    wpipe_server_close(server);
}

static const struct service_case cases[] = {
    EACH(client_end_ends_send_wait),
    EACH(client_end_ends_send_wait_beside_wait),
    EACH(wake_ends_send_wait),
    EACH(stop_ends_send_wait),
    ONCE(wake_ends_send_wait_of_each_thread),
};

SERVICE_MAIN(cases)
