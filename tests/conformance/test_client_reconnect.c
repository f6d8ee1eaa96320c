/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Being connected again: in call, send_wait and drain as in wait; what the
 * events tell of it; and how often it is tried.
 */
#include "service.h"

#include <string.h>
#include <unistd.h>

#include "client/client.h"

/* ---- a server that comes and goes ---------------------------------------- */

/* Greets who connects, answers calls, takes the rest. */
struct host {
    char name[WPIPE_NAME_MAX + 1];
    wpipe_server *server;
    struct service_thread thread;
    wpipe_options options;
    _Atomic int calls;
    _Atomic int messages;
    int mute; /* says nothing */
};

static void *run_host(void *argument)
{
    struct host *host = argument;
    wpipe_event e;

    while (wpipe_server_wait(host->server, &e, WPIPE_FOREVER) == 1) {
        if (e.type == WPIPE_EVENT_CONNECTED) {
            if (!host->mute)
                server_send_text(host->server, e.from, "welcome");
        } else if (e.type == WPIPE_EVENT_MESSAGE && e.request == 0) {
            host->messages++;
        } else if (e.type == WPIPE_EVENT_MESSAGE) {
            host->calls++;
            if (!host->mute)
                (void)wpipe_server_reply(host->server, &e, e.data, e.size);
        }
    }
    return NULL;
}

static void host_init(struct host *host, void **state)
{
    memset(host, 0, sizeof *host);
    snprintf(host->name, sizeof host->name, "%s", support_unique_name());
    host->options = service_options(state);
}

static void host_begin(struct host *host)
{
    assert_int_equal(
        wpipe_server_open(&host->server, host->name, &host->options), 0);
    service_start(&host->thread, run_host, host);
}

static void host_end(struct host *host)
{
    wpipe_server_stop(host->server);
    service_finish(&host->thread);
    wpipe_server_close(host->server);
}

static wpipe_client *open_client(void **state, const struct host *host,
                                 uint32_t flags)
{
    wpipe_options options = service_options(state);
    wpipe_client *client = NULL;

    options.flags = flags;
    options.connect_ms = SUPPORT_WAIT_MS;
    assert_int_equal(wpipe_client_open(&client, host->name, &options), 0);
    return client;
}

/* ---- what the events tell ------------------------------------------------ */

/* CONNECTED, "welcome", DISCONNECTED of one connection. */
static void expect_life(wpipe_client *client, int ended)
{
    wpipe_id id = client_expect(client, WPIPE_EVENT_CONNECTED).from;
    wpipe_event e = client_expect(client, WPIPE_EVENT_MESSAGE);

    assert_int_equal(e.from, id);
    assert_int_equal(e.size, 7);
    if (ended)
        assert_int_equal(client_expect(client, WPIPE_EVENT_DISCONNECTED).from,
                         id);
}

static void call_connects_again(void **state)
{
    struct host host;
    wpipe_client *client;
    wpipe_event e;

    host_init(&host, state);
    host_begin(&host);
    client = open_client(state, &host, WPIPE_RECONNECT);
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 5; k++) {
            assert_int_equal(
                wpipe_client_call(client, "call", 4, &e, SUPPORT_WAIT_MS), 1);
            assert_int_equal(e.size, 4);
        }
        host_end(&host);
        host_begin(&host);
    }
    assert_int_equal(host.calls, 15);
    assert_int_equal(wpipe_client_call(client, "call", 4, &e, SUPPORT_WAIT_MS),
                     1);
    for (int i = 0; i < 4; i++)
        expect_life(client, i < 3);
    client_expect_none(client);
    wpipe_client_close(client);
    host_end(&host);
}

static void call_waits_for_first_connection(void **state)
{
    struct host host;
    wpipe_client *client;
    wpipe_event e;

    host_init(&host, state);
    client = open_client(state, &host, WPIPE_CONNECT_LATER);
    assert_int_equal(wpipe_client_call(client, "call", 4, &e, 0),
                     WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_client_call(client, "call", 4, &e, 20),
                     WPIPE_ETIMEDOUT);
    host_begin(&host);
    assert_int_equal(wpipe_client_call(client, "call", 4, &e, SUPPORT_WAIT_MS),
                     1);
    host_end(&host);
    /* and for no other */
    assert_int_equal(wpipe_client_call(client, "call", 4, &e, WPIPE_FOREVER),
                     WPIPE_ENOTCONN);
    assert_int_equal(wpipe_client_send_wait(client, "x", 1, WPIPE_FOREVER),
                     WPIPE_ENOTCONN);
    expect_life(client, 1);
    assert_int_equal(wpipe_client_wait(client, &e, WPIPE_FOREVER),
                     WPIPE_ENOTCONN);
    assert_int_equal(wpipe_client_drain(client, WPIPE_FOREVER), WPIPE_ENOTCONN);
    wpipe_client_close(client);
    assert_int_equal(host.calls, 1);
}

struct task {
    struct service_thread thread;
    wpipe_client *client;
    int timeout_ms;
    int result;
    _Atomic int tid;
};

static void *in_call(void *argument)
{
    struct task *t = argument;
    wpipe_event e;

    t->tid = support_tid();
    t->result = wpipe_client_call(t->client, "call", 4, &e, WPIPE_FOREVER);
    return NULL;
}

static void *in_send_wait(void *argument)
{
    struct task *t = argument;

    t->tid = support_tid();
    t->result = wpipe_client_send_wait(t->client, "sent", 4, WPIPE_FOREVER);
    return NULL;
}

static void *in_drain(void *argument)
{
    struct task *t = argument;

    t->tid = support_tid();
    t->result = wpipe_client_drain(t->client, WPIPE_FOREVER);
    return NULL;
}

/* Checks that the events are in order, until three connections have ended. */
static void *in_wait(void *argument)
{
    struct task *t = argument;
    wpipe_id now = 0;
    int ends = 0;
    wpipe_event e;

    t->tid = support_tid();
    while (ends < 3) {
        t->result = wpipe_client_wait(t->client, &e, WPIPE_FOREVER);
        assert_int_equal(t->result, 1);
        if (e.type == WPIPE_EVENT_CONNECTED) {
            assert_int_equal(now, 0);
            now = e.from;
        }
        assert_int_equal(e.from, now);
        if (e.type != WPIPE_EVENT_DISCONNECTED)
            continue;
        now = 0;
        ends++;
    }
    return NULL;
}

/* Begin, and sleep. */
static void task_begin(struct task *t, wpipe_client *client,
                       void *(*run)(void *))
{
    t->client = client;
    t->tid = 0;
    service_start(&t->thread, run, t);
    while (t->tid == 0)
        usleep(100);
    support_wait_asleep(getpid(), t->tid);
}

static int task_end(struct task *t)
{
    service_finish(&t->thread);
    return t->result;
}

/* What was sent may have been done: it is not sent again. */
static void call_lost_never_repeated(void **state)
{
    struct task task = { 0 };
    struct host host;
    wpipe_client *client;
    wpipe_event e;

    host_init(&host, state);
    host.mute = 1;
    host_begin(&host);
    client = open_client(state, &host, WPIPE_RECONNECT);
    task_begin(&task, client, in_call);
    while (host.calls == 0)
        usleep(100);
    host_end(&host);
    assert_int_equal(task_end(&task), WPIPE_ENOTCONN);
    host.mute = 0;
    host_begin(&host);
    assert_int_equal(wpipe_client_call(client, "call", 4, &e, SUPPORT_WAIT_MS),
                     1);
    assert_int_equal(host.calls, 2);
    wpipe_client_close(client);
    host_end(&host);
}

/* Another thread waits: it may still be about to learn that the server left. */
static void until_it_left(wpipe_client *client)
{
    int64_t begun = support_now_ms();
    int sent;
    int drained;

    do {
        sent = wpipe_client_send_wait(client, "x", 1, 0);
        drained = wpipe_client_drain(client, 0);
    } while ((sent != WPIPE_ETIMEDOUT || drained != WPIPE_ETIMEDOUT) &&
             support_now_ms() - begun < SUPPORT_WAIT_MS);
}

/* Whoever waits for a server gets it; nobody waits longer than he said. */
static void wait_for_server(void **state, void *(*run)(void *), int beside)
{
    struct task other = { 0 };
    struct task task = { 0 };
    struct host host;
    wpipe_client *client;
    wpipe_event e;

    host_init(&host, state);
    client = open_client(state, &host, WPIPE_RECONNECT | WPIPE_CONNECT_LATER);
    if (beside)
        task_begin(&other, client, in_wait);
    for (int i = 0; i < 3; i++) {
        if (beside)
            until_it_left(client);
        assert_int_equal(wpipe_client_send_wait(client, "x", 1, 0),
                         WPIPE_ETIMEDOUT);
        assert_int_equal(wpipe_client_send_wait(client, "x", 1, 10),
                         WPIPE_ETIMEDOUT);
        assert_int_equal(wpipe_client_drain(client, 0), WPIPE_ETIMEDOUT);
        assert_int_equal(wpipe_client_drain(client, 10), WPIPE_ETIMEDOUT);
        task_begin(&task, client, run);
        host_begin(&host);
        assert_int_equal(task_end(&task), run == in_call ? 1 : 0);
        assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS), 0);
        host_end(&host);
    }
    if (beside) {
        (void)task_end(&other);
    } else {
        for (int i = 0; i < 3; i++)
            expect_life(client, 1);
    }
    assert_int_equal(wpipe_client_wait(client, &e, 0), WPIPE_ETIMEDOUT);
    wpipe_client_close(client);
}

static void send_wait_connects(void **state)
{
    wait_for_server(state, in_send_wait, 0);
}

static void send_wait_connects_beside_wait(void **state)
{
    wait_for_server(state, in_send_wait, 1);
}

static void drain_connects(void **state)
{
    wait_for_server(state, in_drain, 0);
}

static void drain_connects_beside_wait(void **state)
{
    wait_for_server(state, in_drain, 1);
}

static void wake_ends_waiting_for_server(void **state)
{
    static void *(*const runs[])(void *) = { in_send_wait, in_drain, in_call };
    struct task tasks[2] = { { .result = 0 }, { .result = 0 } };
    struct host host;
    wpipe_client *client;

    host_init(&host, state);
    client = open_client(state, &host, WPIPE_RECONNECT | WPIPE_CONNECT_LATER);
    for (int i = 0; i < 3; i++) {
        task_begin(&tasks[0], client, runs[i]);
        task_begin(&tasks[1], client, in_send_wait);
        wpipe_client_wake(client);
        assert_int_equal(task_end(&tasks[0]), WPIPE_EWOKEN);
        assert_int_equal(task_end(&tasks[1]), WPIPE_EWOKEN);
    }
    wpipe_client_close(client);
}

/* Without the flag an end is the end, and a first connection that does not
 * come in time ends those who wait for it. */
static void first_connection_given_up(void **state)
{
    wpipe_options options = service_options(state);
    struct task task = { 0 };
    wpipe_client *client = NULL;
    wpipe_event e;

    options.flags = WPIPE_CONNECT_LATER;
    options.connect_ms = 200;
    assert_int_equal(wpipe_client_open(&client, "absent", &options), 0);
    /* on a busy machine it may be over before the thread is seen asleep */
    task.client = client;
    service_start(&task.thread, in_send_wait, &task);
    assert_int_equal(wpipe_client_call(client, "x", 1, &e, WPIPE_FOREVER),
                     WPIPE_ENOTCONN);
    assert_int_equal(task_end(&task), WPIPE_ENOTCONN);
    assert_int_equal(wpipe_client_drain(client, WPIPE_FOREVER), WPIPE_ENOTCONN);
    e = client_expect(client, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.error, WPIPE_ENOTFOUND);
    assert_int_equal(wpipe_client_wait(client, &e, WPIPE_FOREVER),
                     WPIPE_ENOTCONN);
    wpipe_client_close(client);
}

/* ---- what a lost connection leaves --------------------------------------- */

/* A server in the case's own thread. */
static wpipe_server *open_named(void **state, const char *name)
{
    wpipe_options options = service_options(state);
    wpipe_server *server = NULL;

    assert_int_equal(wpipe_server_open(&server, name, &options), 0);
    return server;
}

static wpipe_client *join_named(void **state, wpipe_server *server,
                                const char *name, wpipe_id *ret_id)
{
    wpipe_options options = service_options(state);
    wpipe_client *client = NULL;

    options.flags = WPIPE_RECONNECT | WPIPE_CONNECT_LATER;
    options.queue_limit = 20000;
    assert_int_equal(wpipe_client_open(&client, name, &options), 0);
    client_expect_none(client);
    *ret_id = server_expect(server, WPIPE_EVENT_CONNECTED).from;
    (void)client_expect(client, WPIPE_EVENT_CONNECTED);
    return client;
}

/* A call that connects does so for a sender, too, though the server says no
 * word and the call goes on waiting. */
static void send_wait_connects_beside_call(void **state)
{
    const char *name = support_unique_name();
    struct task call = { 0 };
    struct task task = { 0 };
    wpipe_options options = service_options(state);
    wpipe_client *client = NULL;
    wpipe_server *server;

    options.flags = WPIPE_RECONNECT | WPIPE_CONNECT_LATER;
    assert_int_equal(wpipe_client_open(&client, name, &options), 0);
    task_begin(&call, client, in_call);
    task_begin(&task, client, in_send_wait);
    server = open_named(state, name);
    (void)server_expect(server, WPIPE_EVENT_CONNECTED);
    assert_int_equal(task_end(&task), 0);
    wpipe_client_wake(client);
    assert_int_equal(task_end(&call), WPIPE_EWOKEN);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* What it had sent is told before anything of the next one. */
static void unread_messages_come_first(void **state)
{
    const char *name = support_unique_name();
    wpipe_server *server = open_named(state, name);
    struct task task = { 0 };
    wpipe_client *client;
    wpipe_id id;
    wpipe_event e;

    client = join_named(state, server, name, &id);
    for (int i = 0; i < 40; i++)
        server_send_text(server, id, "left");
    wpipe_server_close(server);
    task_begin(&task, client, in_send_wait);
    server = open_named(state, name);
    id = server_expect(server, WPIPE_EVENT_CONNECTED).from;
    server_expect_text(server, id, "sent");
    assert_int_equal(task_end(&task), 0);
    server_send_text(server, id, "new");
    for (int i = 0; i < 40; i++)
        client_expect_text(client, "left");
    e = client_expect(client, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    assert_int_not_equal(client_expect(client, WPIPE_EVENT_CONNECTED).from,
                         e.from);
    client_expect_text(client, "new");
    client_expect_none(client);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* Drain says so once, whoever told the end and whatever came since. */
static void drain_tells_of_loss_once(void **state)
{
    static const uint8_t data[1000];
    const char *name = support_unique_name();
    wpipe_server *server = open_named(state, name);
    struct task task = { 0 };
    wpipe_client *client;
    wpipe_id id;
    wpipe_event e;

    client = join_named(state, server, name, &id);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wpipe_client_send(client, data, sizeof data), 0);
        wpipe_server_close(server);
        assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS),
                         WPIPE_ENOTCONN);
        assert_int_equal(wpipe_client_drain(client, 0), WPIPE_ETIMEDOUT);
        server = open_named(state, name);
        task_begin(&task, client, in_send_wait); /* it connects */
        (void)server_expect(server, WPIPE_EVENT_CONNECTED);
        (void)server_expect(server, WPIPE_EVENT_MESSAGE);
        assert_int_equal(task_end(&task), 0);
        assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS), 0);
    }
    /* connected again before it was asked */
    assert_int_equal(wpipe_client_send(client, data, sizeof data), 0);
    wpipe_server_close(server);
    server = open_named(state, name);
    task_begin(&task, client, in_send_wait);
    (void)server_expect(server, WPIPE_EVENT_CONNECTED);
    (void)server_expect(server, WPIPE_EVENT_MESSAGE);
    assert_int_equal(task_end(&task), 0);
    assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS),
                     WPIPE_ENOTCONN);
    assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS), 0);
    /* told by an event */
    assert_int_equal(wpipe_client_send(client, data, sizeof data), 0);
    wpipe_server_close(server);
    do
        assert_int_equal(wpipe_client_wait(client, &e, SUPPORT_WAIT_MS), 1);
    while (e.type != WPIPE_EVENT_DISCONNECTED || e.from != 5);
    assert_int_equal(e.lost_messages, 1);
    assert_int_equal(wpipe_client_drain(client, 0), WPIPE_ETIMEDOUT);
    wpipe_client_close(client);
}

/* An empty message leaves no bytes to count, but a drain that waits for it
 * knows that it was not read. */
static void drain_of_empty_message_told_of_kick(void **state)
{
    const char *name = support_unique_name();
    wpipe_server *server = open_named(state, name);
    struct task task = { 0 };
    wpipe_client *client;
    wpipe_id id;

    client = join_named(state, server, name, &id);
    assert_int_equal(wpipe_client_send(client, "", 0), 0);
    task_begin(&task, client, in_drain);
    assert_int_equal(wpipe_server_kick(server, id), 0);
    assert_int_equal(task_end(&task), WPIPE_ENOTCONN);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* A connection that was ended had nothing of ours. */
static void drain_after_kick_has_lost_nothing(void **state)
{
    const char *name = support_unique_name();
    wpipe_server *server = open_named(state, name);
    struct task task = { 0 };
    wpipe_client *client;
    wpipe_id id;

    client = join_named(state, server, name, &id);
    assert_int_equal(wpipe_server_kick(server, id), 0);
    (void)server_expect(server, WPIPE_EVENT_DISCONNECTED);
    task_begin(&task, client, in_send_wait); /* it connects */
    (void)server_expect(server, WPIPE_EVENT_CONNECTED);
    (void)server_expect(server, WPIPE_EVENT_MESSAGE);
    assert_int_equal(task_end(&task), 0);
    assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS), 0);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* Nothing is due any more when there will be no other connection: a foreign
 * loop would be called for nothing. */
static void no_timer_when_over(void **state)
{
    struct host host;
    wpipe_client *client;
    wpipe_event e;

    host_init(&host, state);
    client = open_client(state, &host, WPIPE_CONNECT_LATER);
    client_expect_none(client); /* its watch rests for a while when it is up */
    host_begin(&host);
    assert_int_equal(wpipe_client_call(client, "call", 4, &e, SUPPORT_WAIT_MS),
                     1);
    host_end(&host);
    expect_life(client, 1);
    assert_true(client->loop.timer == UINT64_MAX);
    wpipe_client_close(client);
}

/* ---- how often it is tried ----------------------------------------------- */

/* When somebody was at the door. */
struct tries {
    int refuse;
    int count;
    int64_t at[64]; /* ms */
};

static int note_try(const wpipe_peer *peer, void *user)
{
    struct tries *t = user;

    (void)peer;
    assert_true(t->count < 64);
    t->at[t->count++] = support_now_ms();
    return t->refuse ? WPIPE_EACCES : 0;
}

static void *until_woken(void *argument)
{
    struct task *t = argument;
    wpipe_event e;

    while ((t->result = wpipe_client_wait(t->client, &e, WPIPE_FOREVER)) == 1)
        ;
    return NULL;
}

/* Refuse until there were so many more tries: how long that took. */
static int64_t refuse_tries(wpipe_server *server, struct tries *t, int more)
{
    int64_t start = support_now_ms();
    int until = t->count + more;

    t->refuse = 1;
    while (t->count < until) { /* several may be one event, later */
        wpipe_event e;
        int r = wpipe_server_wait(server, &e, 1);

        if (r != WPIPE_ETIMEDOUT) {
            assert_int_equal(r, 1);
            assert_int_equal(e.type, WPIPE_EVENT_REFUSED);
        }
    }
    t->refuse = 0;
    return t->at[t->count - 1] - start;
}

/* Let it in for some time, and kick it: when that was. */
static int64_t let_in(wpipe_server *server, int for_ms)
{
    int64_t until;
    int64_t kicked;
    wpipe_event e;
    wpipe_id id;

    do
        assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
    while (e.type == WPIPE_EVENT_REFUSED);
    assert_int_equal(e.type, WPIPE_EVENT_CONNECTED);
    id = e.from;
    until = support_now_ms() + for_ms;
    while (for_ms > 0 && support_now_ms() < until)
        if (wpipe_server_wait(server, &e, 100) == 1)
            assert_int_equal(e.type, WPIPE_EVENT_REFUSED);
    kicked = support_now_ms();
    assert_int_equal(wpipe_server_kick(server, id), 0);
    do
        assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
    while (e.type == WPIPE_EVENT_REFUSED);
    assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
    return kicked;
}

/* A try begins so long after it was heard that the one before had failed, and
 * a busy machine only adds to that. */
static void back_off_grows_and_begins_anew(void **state)
{
    static const int delays[] = { 0,   10,  20,   40,   80,  160,
                                  320, 640, 1000, 1000, 1000 };
    const char *name = support_unique_name();
    wpipe_options options = service_options(state);
    struct tries tries = { .refuse = 1 };
    wpipe_server *server = NULL;
    struct task task = { 0 };
    int64_t kicked;

    options.admit = note_try;
    options.admit_user = &tries;
    assert_int_equal(wpipe_server_open(&server, name, &options), 0);
    options = service_options(state);
    options.flags = WPIPE_RECONNECT | WPIPE_CONNECT_LATER;
    assert_int_equal(wpipe_client_open(&task.client, name, &options), 0);
    service_start(&task.thread, until_woken, &task);
    (void)refuse_tries(server, &tries, 11);
    for (int i = 1; i < 11; i++)
        assert_true(tries.at[i] - tries.at[i - 1] >= delays[i - 1]);
    /* it grows no further: it would be over five seconds */
    assert_true(tries.at[10] - tries.at[9] < 4000);
    (void)let_in(server, 1200);
    /* that was a good one: it begins with no delay, not with a second each */
    assert_true(refuse_tries(server, &tries, 4) < 3000);
    kicked = let_in(server, 0);
    /* that was not: the delay goes on growing */
    (void)refuse_tries(server, &tries, 1);
    assert_true(tries.at[tries.count - 1] - kicked >= 160);
    wpipe_client_wake(task.client);
    assert_int_equal(task_end(&task), 0);
    wpipe_client_close(task.client);
    wpipe_server_close(server);
}

static const struct service_case cases[] = {
    EACH(call_connects_again),
    ONCE(call_waits_for_first_connection),
    EACH(call_lost_never_repeated),
    EACH(send_wait_connects),
    EACH(send_wait_connects_beside_wait),
    EACH(send_wait_connects_beside_call),
    EACH(drain_connects),
    EACH(drain_connects_beside_wait),
    ONCE(wake_ends_waiting_for_server),
    ONCE(first_connection_given_up),
    EACH(unread_messages_come_first),
    EACH(drain_tells_of_loss_once),
    EACH(drain_of_empty_message_told_of_kick),
    EACH(drain_after_kick_has_lost_nothing),
    ONCE(no_timer_when_over),
    ONCE_SLOW(back_off_grows_and_begins_anew),
};

SERVICE_MAIN(cases)
