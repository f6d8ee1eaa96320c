/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ends a client's waits: the end of the connection, however it comes, and
 * a wake. Every wait here is for ever, so that one that is not ended fails its
 * case by the limit.
 */
#include "service.h"

#include <string.h>
#include <unistd.h>

/* What the server is told to do. */
enum {
    STAY = 0, /* until it is told again */
    CLOSE,
    KICK,
    KILL /* by the case itself */
};

/* ---- a server that reads nothing ----------------------------------------- */

struct deaf {
    char name[WPIPE_NAME_MAX + 1];
    struct helper helper;
};

/* Answers `warm` messages, says some more, and takes nothing after that. */
static int serve_deaf(int fd, void *argument)
{
    const struct deaf *deaf = argument;
    wpipe_options options = { .size = sizeof options };
    wpipe_server *server = NULL;
    wpipe_event e;
    uint32_t warm;
    uint32_t more;
    wpipe_id id;

    options.shared_memory = (int)event_wait(fd);
    warm = event_wait(fd);
    more = event_wait(fd);
    assert_int_equal(wpipe_server_open(&server, deaf->name, &options), 0);
    event_send(fd, 1);
    id = server_expect(server, WPIPE_EVENT_CONNECTED).from;
    while (warm-- > 0) {
        e = server_expect(server, WPIPE_EVENT_MESSAGE);
        assert_int_equal(wpipe_server_send(server, id, e.data, e.size), 0);
    }
    while (more-- > 0)
        server_send_text(server, id, "unread");
    event_send(fd, 2);
    if (event_wait(fd) == KICK) {
        assert_int_equal(wpipe_server_kick(server, id), 0);
        (void)event_wait(fd);
    }
    wpipe_server_close(server);
    return 0;
}

/* Its client, warm; `unread` messages are there for it. */
static wpipe_client *deaf_begin(void **state, struct deaf *deaf,
                                uint32_t unread)
{
    const struct service_kind *kind = *state;
    wpipe_options options = service_options(state);
    uint32_t warm = kind == NULL ? 0 : (uint32_t)kind->warm;
    wpipe_client *client = NULL;

    snprintf(deaf->name, sizeof deaf->name, "%s", support_unique_name());
    helper_start(&deaf->helper, serve_deaf, deaf);
    event_send(deaf->helper.fd, (uint32_t)options.shared_memory);
    event_send(deaf->helper.fd, warm);
    event_send(deaf->helper.fd, unread);
    event_expect(deaf->helper.fd, 1);
    options.queue_limit = 20000;
    assert_int_equal(wpipe_client_open(&client, deaf->name, &options), 0);
    while (warm-- > 0) {
        client_send_text(client, "warm");
        client_expect_text(client, "warm");
    }
    event_expect(deaf->helper.fd, 2);
    return client;
}

static void deaf_end(struct deaf *deaf, int how)
{
    if (how == KILL) {
        helper_kill(&deaf->helper);
        support_allow_left("*"); /* its door */
    } else {
        event_send(deaf->helper.fd, (uint32_t)how);
    }
}

/* It was told how to end, and has. */
static void deaf_done(struct deaf *deaf, int how)
{
    if (how == KICK)
        event_send(deaf->helper.fd, CLOSE);
    if (how != KILL)
        assert_int_equal(helper_join(&deaf->helper), 0);
}

static void fill_queue(wpipe_client *client)
{
    static const uint8_t data[1000];
    int r;

    while ((r = wpipe_client_send(client, data, sizeof data)) == 0)
        ;
    assert_int_equal(r, WPIPE_EAGAIN);
}

/* ---- threads that wait --------------------------------------------------- */

struct waiter {
    struct service_thread thread;
    wpipe_client *client;
    _Atomic int tid;
    int result;
};

static void *in_send_wait(void *argument)
{
    struct waiter *w = argument;
    static const uint8_t data[1000];

    w->tid = support_tid();
    do
        w->result =
            wpipe_client_send_wait(w->client, data, sizeof data, WPIPE_FOREVER);
    while (w->result == 0);
    return NULL;
}

static void *in_drain(void *argument)
{
    struct waiter *w = argument;

    w->tid = support_tid();
    w->result = wpipe_client_drain(w->client, WPIPE_FOREVER);
    return NULL;
}

static void *in_call(void *argument)
{
    struct waiter *w = argument;
    wpipe_event e;

    w->tid = support_tid();
    w->result = wpipe_client_call(w->client, "question", 8, &e, WPIPE_FOREVER);
    return NULL;
}

static void *in_wait(void *argument)
{
    struct waiter *w = argument;
    wpipe_event e;

    w->tid = support_tid();
    while ((w->result = wpipe_client_wait(w->client, &e, WPIPE_FOREVER)) == 1)
        ;
    return NULL;
}

/* Begin, and sleep. */
static void waiter_begin(struct waiter *w, wpipe_client *client,
                         void *(*run)(void *))
{
    w->client = client;
    w->tid = 0;
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

/* ---- ends ---------------------------------------------------------------- */

typedef void *wait_function(void *argument);

/* `run` waits, with `beside` in another thread if that is not NULL; the server
 * ends. */
static void end_it(void **state, wait_function *run, wait_function *beside,
                   int how, uint32_t unread)
{
    struct waiter main = { 0 };
    struct waiter other = { 0 };
    struct deaf deaf;
    wpipe_client *client = deaf_begin(state, &deaf, unread);

    fill_queue(client);
    if (beside != NULL)
        waiter_begin(&other, client, beside);
    waiter_begin(&main, client, run);
    deaf_end(&deaf, how);
    assert_int_equal(waiter_end(&main), WPIPE_ENOTCONN);
    if (beside != NULL)
        assert_int_equal(waiter_end(&other), WPIPE_ENOTCONN);
    deaf_done(&deaf, how);
    wpipe_client_close(client);
}

static void end_all(void **state, wait_function *run, wait_function *beside)
{
    static const uint32_t unread[] = { 0, 3 };

    for (int i = 0; i < 2; i++) {
        end_it(state, run, beside, KILL, unread[i]);
        end_it(state, run, beside, CLOSE, unread[i]);
        end_it(state, run, beside, KICK, unread[i]);
    }
}

static void end_ends_send_wait(void **state)
{
    end_all(state, in_send_wait, NULL);
}

static void end_ends_send_wait_beside_wait(void **state)
{
    end_all(state, in_send_wait, in_wait);
}

static void end_ends_drain(void **state)
{
    end_all(state, in_drain, NULL);
}

static void end_ends_drain_beside_wait(void **state)
{
    end_all(state, in_drain, in_wait);
}

static void end_ends_drain_beside_send_wait(void **state)
{
    end_all(state, in_drain, in_send_wait);
}

static void end_ends_call(void **state)
{
    end_all(state, in_call, NULL);
}

static void end_ends_call_beside_send_wait(void **state)
{
    end_all(state, in_call, in_send_wait);
}

/* ---- wakes --------------------------------------------------------------- */

/* One wake ends `run`, and `beside`, which returns `expected`. */
static void wake_it(void **state, wait_function *run, wait_function *beside,
                    int expected)
{
    struct waiter main = { 0 };
    struct waiter other = { 0 };
    struct deaf deaf;
    wpipe_client *client = deaf_begin(state, &deaf, 0);

    fill_queue(client);
    if (beside != NULL)
        waiter_begin(&other, client, beside);
    waiter_begin(&main, client, run);
    wpipe_client_wake(client);
    assert_int_equal(waiter_end(&main), WPIPE_EWOKEN);
    if (beside != NULL)
        assert_int_equal(waiter_end(&other), expected);
    client_expect_none(client); /* nothing is left of it */
    wpipe_client_close(client);
    deaf_end(&deaf, CLOSE);
    deaf_done(&deaf, CLOSE);
}

static void wake_ends_send_wait(void **state)
{
    wake_it(state, in_send_wait, NULL, 0);
    wake_it(state, in_send_wait, in_wait, 0);
}

static void wake_ends_drain(void **state)
{
    wake_it(state, in_drain, NULL, 0);
    wake_it(state, in_drain, in_wait, 0);
    wake_it(state, in_drain, in_send_wait, WPIPE_EWOKEN);
}

static void wake_ends_call(void **state)
{
    wake_it(state, in_call, NULL, 0);
    wake_it(state, in_call, in_send_wait, WPIPE_EWOKEN);
}

/* A wake that finds nobody ends the next one that has to wait, and only it. */
static void wake_kept_for_next(void **state)
{
    static const uint8_t data[1000];
    struct deaf deaf;
    wpipe_client *client = deaf_begin(state, &deaf, 0);
    wpipe_event e;

    wpipe_client_wake(client);
    wpipe_client_wake(client);
    assert_int_equal(wpipe_client_drain(client, WPIPE_FOREVER), 0);
    fill_queue(client);
    assert_int_equal(
        wpipe_client_send_wait(client, data, sizeof data, WPIPE_FOREVER),
        WPIPE_EWOKEN);
    assert_int_equal(wpipe_client_send_wait(client, data, sizeof data, 10),
                     WPIPE_ETIMEDOUT);
    wpipe_client_wake(client);
    assert_int_equal(wpipe_client_drain(client, WPIPE_FOREVER), WPIPE_EWOKEN);
    assert_int_equal(wpipe_client_drain(client, 10), WPIPE_ETIMEDOUT);
    wpipe_client_wake(client);
    assert_int_equal(wpipe_client_call(client, "x", 1, &e, WPIPE_FOREVER),
                     WPIPE_EWOKEN);
    wpipe_client_wake(client);
    assert_int_equal(wpipe_client_wait(client, &e, WPIPE_FOREVER), 0);
    client_expect_none(client);
    wpipe_client_close(client);
    deaf_end(&deaf, CLOSE);
    deaf_done(&deaf, CLOSE);
}

/* No wait loses a wake that comes while it is about to begin or to end. */
static void wake_never_lost(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct waiter w = { 0 };
    wpipe_event e;
    wpipe_id id;

    w.client = service_join(state, server, NULL, &id);
    for (int i = 0; i < 300; i++) {
        service_start(&w.thread, in_wait, &w);
        if (i % 3 == 0)
            server_send_text(server, id, "x"); /* ends it as well */
        if (i % 2 == 0)
            usleep(50);
        wpipe_client_wake(w.client);
        assert_int_equal(waiter_end(&w), 0);
    }
    while (wpipe_client_wait(w.client, &e, 0) == 1)
        ;
    wpipe_client_close(w.client);
    wpipe_server_close(server);
}

/* ---- a client that leaves early ------------------------------------------ */

/* Another process has a copy of every descriptor. */
static int hold_copies(int fd, void *argument)
{
    (void)argument;
    (void)event_wait(fd);
    return 0;
}

/* One that closes before it is let in is gone, whoever has its socket. */
static void close_in_greeting_seen_despite_copies(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_options options = service_options(state);
    wpipe_client *client = NULL;
    struct helper copies;
    wpipe_event e;

    options.flags = WPIPE_CONNECT_LATER;
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    client_expect_none(client); /* it has said hello */
    helper_fork(&copies, hold_copies, NULL);
    wpipe_client_close(client);
    for (int i = 0; i < 20; i++) {
        if (wpipe_server_wait(server, &e, 0) != 1)
            continue;
        assert_int_equal(e.type, WPIPE_EVENT_CONNECTED);
        (void)server_expect(server, WPIPE_EVENT_DISCONNECTED);
    }
    event_send(copies.fd, 1);
    assert_int_equal(helper_join(&copies), 0);
    wpipe_server_close(server);
}

static const struct service_case cases[] = {
    EACH(end_ends_send_wait),
    EACH(end_ends_send_wait_beside_wait),
    EACH(end_ends_drain),
    EACH(end_ends_drain_beside_wait),
    EACH(end_ends_drain_beside_send_wait),
    EACH(end_ends_call),
    EACH(end_ends_call_beside_send_wait),
    EACH(wake_ends_send_wait),
    EACH(wake_ends_drain),
    EACH(wake_ends_call),
    ONCE(wake_kept_for_next),
    ONCE(wake_never_lost),
    EACH(close_in_greeting_seen_despite_copies),
};

SERVICE_MAIN(cases)
