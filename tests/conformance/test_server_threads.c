/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers and more than one thread: sends from anywhere, the callback form,
 * stop and wake, a foreign event loop, a forked child, and doing nothing.
 */
#include "service.h"

#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- sends from other threads ------------------------------------------- */

enum {
    SENDERS = 4,
    EACH_SENDS = 1500
};

struct sender {
    struct service_thread thread;
    wpipe_server *server;
    wpipe_id id;
    int number;
};

static void *run_sender(void *argument)
{
    struct sender *s = argument;
    uint32_t words[32] = { 0 };

    for (int i = 0; i < EACH_SENDS; i++) {
        words[0] = (uint32_t)s->number;
        words[1] = (uint32_t)i;
        assert_int_equal(wpipe_server_send_wait(s->server, s->id, words,
                                                8 + (size_t)(i % 7) * 16,
                                                SUPPORT_WAIT_MS),
                         0);
    }
    return NULL;
}

static void *take_from_senders(void *argument)
{
    wpipe_client *client = argument;
    int next[SENDERS] = { 0 };
    uint32_t words[2];

    for (int i = 0; i < SENDERS * EACH_SENDS; i++) {
        wpipe_event e = client_expect(client, WPIPE_EVENT_MESSAGE);

        memcpy(words, e.data, sizeof words);
        assert_true(words[0] < SENDERS);
        assert_int_equal(words[1], next[words[0]]++);
        assert_int_equal(e.size, 8 + (words[1] % 7) * 16);
    }
    return NULL;
}

/* Senders and nobody who waits, then senders and one who waits. */
static void send_many(void **state, int somebody_waits)
{
    wpipe_options options = service_options(state);
    struct sender senders[SENDERS];
    struct service_thread taker;
    struct service_echo echo;
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;

    options.queue_limit = 5000;
    options.buffer_in = 16384;
    options.buffer_out = 16384;
    server = service_open(state, &options);
    client = service_join(state, server, NULL, &id);
    if (somebody_waits)
        service_echo_begin(&echo, server);
    service_start(&taker, take_from_senders, client);
    for (int i = 0; i < SENDERS; i++) {
        senders[i].server = server;
        senders[i].id = id;
        senders[i].number = i;
        service_start(&senders[i].thread, run_sender, &senders[i]);
    }
    for (int i = 0; i < SENDERS; i++)
        service_finish(&senders[i].thread);
    if (!somebody_waits) /* what is queued still has to move */
        assert_int_equal(wpipe_server_drain(server, id, SUPPORT_WAIT_MS), 0);
    service_finish(&taker);
    wpipe_client_close(client);
    if (somebody_waits)
        service_echo_end(&echo);
    else
        wpipe_server_close(server);
}

static void threads_send_nobody_waits(void **state)
{
    send_many(state, 0);
}

static void threads_send_while_one_waits(void **state)
{
    send_many(state, 1);
}

static void *send_one(void *argument)
{
    struct sender *s = argument;

    assert_int_equal(wpipe_server_send(s->server, s->id, "from elsewhere", 14),
                     0);
    return NULL;
}

static void thread_sends_while_server_sleeps(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct service_echo echo;
    struct sender sender;
    wpipe_client *client = service_join(state, server, NULL, &sender.id);

    service_echo_begin(&echo, server);
    sender.server = server;
    for (int i = 0; i < 30; i++) {
        service_start(&sender.thread, send_one, &sender);
        client_expect_text(client, "from elsewhere");
        service_finish(&sender.thread);
    }
    wpipe_client_close(client);
    service_echo_end(&echo);
}

static void *kick_it(void *argument)
{
    struct sender *s = argument;

    assert_int_equal(wpipe_server_kick(s->server, s->id), 0);
    return NULL;
}

static void thread_kicks_while_server_sleeps(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct sender sender;
    wpipe_client *client = service_join(state, server, NULL, &sender.id);
    wpipe_event e;

    sender.server = server;
    service_start(&sender.thread, kick_it, &sender);
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_KICKED);
    service_finish(&sender.thread);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static void *wait_once(void *argument)
{
    wpipe_event e;
    int r;

    do /* two at once: one of them is refused */
        r = wpipe_server_wait(argument, &e, WPIPE_FOREVER);
    while (r == WPIPE_ESTATE);
    return (void *)(intptr_t)r;
}

static void thread_second_waiter_refused(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct service_thread waiter;
    wpipe_event e;
    int r;

    service_start(&waiter, wait_once, server);
    /* until the other one is in its wait, this one waits itself */
    do {
        r = wpipe_server_wait(server, &e, 0);
    } while (r == WPIPE_ETIMEDOUT);
    assert_int_equal(r, WPIPE_ESTATE);
    wpipe_server_wake(server);
    service_finish(&waiter);
    wpipe_server_close(server);
}

struct waiting_sender {
    struct service_thread thread;
    wpipe_server *server;
    wpipe_id id;
    int result;
    _Atomic int tid;
};

static void *send_wait_full(void *argument)
{
    struct waiting_sender *s = argument;
    static uint8_t data[1000];

    s->tid = support_tid();
    s->result = wpipe_server_send_wait(s->server, s->id, data, sizeof data,
                                       SUPPORT_WAIT_MS);
    return NULL;
}

/* A client that takes nothing any more. */
static wpipe_client *join_full(void **state, wpipe_server *server,
                               wpipe_id *ret_id)
{
    wpipe_client *client = service_join(state, server, NULL, ret_id);
    static uint8_t data[1000];

    while (wpipe_server_send(server, *ret_id, data, sizeof data) == 0)
        ;
    return client;
}

/* Who waits for events does not wait for a sender that sleeps. */
static void thread_waits_while_another_waits_for_room(void **state)
{
    wpipe_options options = service_options(state);
    struct waiting_sender sender = { .result = 1 };
    wpipe_client *client;
    wpipe_event e;
    int64_t start;

    options.queue_limit = 5000;
    sender.server = service_open(state, &options);
    client = join_full(state, sender.server, &sender.id);
    service_start(&sender.thread, send_wait_full, &sender);
    while (sender.tid == 0)
        (void)sched_yield();
    for (int i = 0; i < 10; i++) {
        support_wait_asleep(getpid(), sender.tid);
        start = support_now_ms();
        assert_int_equal(wpipe_server_wait(sender.server, &e, 20),
                         WPIPE_ETIMEDOUT);
        assert_true(support_now_ms() - start < SUPPORT_SOON_MS);
    }
    assert_int_equal(wpipe_server_kick(sender.server, sender.id), 0);
    service_finish(&sender.thread);
    assert_int_equal(sender.result, WPIPE_ENOTCONN);
    wpipe_client_close(client);
    wpipe_server_close(sender.server);
}

/* ---- stop and wake ------------------------------------------------------ */

static void wake_ends_one_wait(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct service_thread waiter;
    wpipe_event e;

    wpipe_server_wake(server); /* nobody waits: the next one */
    assert_int_equal(wpipe_server_wait(server, &e, WPIPE_FOREVER), 0);
    server_expect_none(server);
    service_start(&waiter, wait_once, server);
    wpipe_server_wake(server);
    service_finish(&waiter);
    server_expect_none(server);
    wpipe_server_close(server);
}

static void stop_ends_every_wait(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct service_thread waiter;
    wpipe_event e;
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);

    service_start(&waiter, wait_once, server);
    wpipe_server_stop(server);
    service_finish(&waiter);
    client_send_text(client, "unheard");
    for (int i = 0; i < 3; i++)
        assert_int_equal(wpipe_server_wait(server, &e, WPIPE_FOREVER), 0);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- the callback form -------------------------------------------------- */

struct seen {
    _Atomic int connected;
    _Atomic int messages;
    _Atomic int disconnected;
    _Atomic int other;
    _Atomic int reason;
    int stop_at; /* this many messages */
};

static void on_connected(wpipe_server *server, const wpipe_event *event,
                         void *user)
{
    struct seen *seen = user;

    (void)server;
    assert_int_equal(event->type, WPIPE_EVENT_CONNECTED);
    seen->connected++;
}

static void on_message(wpipe_server *server, const wpipe_event *event,
                       void *user)
{
    struct seen *seen = user;
    wpipe_event nested;

    seen->messages++;
    assert_int_equal(wpipe_server_wait(server, &nested, 0), WPIPE_ESTATE);
    assert_int_equal(
        wpipe_server_send(server, event->from, event->data, event->size), 0);
    if (seen->messages == seen->stop_at)
        wpipe_server_stop(server);
}

static void on_disconnected(wpipe_server *server, const wpipe_event *event,
                            void *user)
{
    struct seen *seen = user;

    (void)server;
    seen->reason = event->reason;
    seen->disconnected++;
}

static void on_other(wpipe_server *server, const wpipe_event *event, void *user)
{
    struct seen *seen = user;

    (void)server;
    assert_int_equal(event->type, WPIPE_EVENT_REFUSED);
    seen->other++;
}

static const wpipe_handlers handlers = { sizeof handlers, on_connected,
                                         on_message, on_disconnected,
                                         on_other };

static void callbacks_called_in_order(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client = NULL;
    struct seen seen = { 0 };

    assert_int_equal(wpipe_server_start(server, &handlers, &seen), 0);
    assert_int_equal(wpipe_server_start(server, &handlers, &seen),
                     WPIPE_ESTATE);
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    for (int i = 0; i < 50; i++) {
        client_send_text(client, "hello");
        client_expect_text(client, "hello");
    }
    assert_int_equal(seen.connected, 1);
    assert_int_equal(seen.messages, 50);
    wpipe_client_close(client);
    client = NULL;
    /* its turn comes after the end of the first one was told */
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    client_send_text(client, "hello");
    client_expect_text(client, "hello");
    assert_int_equal(seen.disconnected, 1);
    assert_int_equal(seen.reason, WPIPE_REASON_CLOSED);
    wpipe_server_stop(server);
    wpipe_server_stop(server);
    assert_int_equal(seen.messages, 51);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static void callback_may_stop(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client = NULL;
    struct seen seen = { .stop_at = 3 };

    assert_int_equal(wpipe_server_start(server, &handlers, &seen), 0);
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    for (int i = 0; i < 3; i++) {
        client_send_text(client, "hello");
        client_expect_text(client, "hello");
    }
    client_send_text(client, "too late");
    wpipe_server_close(server); /* joins */
    assert_int_equal(seen.messages, 3);
    wpipe_client_close(client);
}

static void callbacks_left_out_fine(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    wpipe_handlers none = { .size = sizeof none };
    wpipe_client *client = NULL;

    assert_int_equal(wpipe_server_start(server, &none, NULL), 0);
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    client_send_text(client, "hello");
    assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS), 0);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- a foreign event loop ----------------------------------------------- */

/* Echoes by the descriptor alone until a client said "stop". */
static void *run_polled(void *argument)
{
    wpipe_server *server = argument;
    struct pollfd fd = { (int)wpipe_server_fd(server), POLLIN, 0 };
    int going = 1;
    wpipe_event e;
    int r;

    while (going) {
        assert_int_equal(poll(&fd, 1, SUPPORT_WAIT_MS), 1);
        while ((r = wpipe_server_wait(server, &e, 0)) == 1) {
            if (e.type != WPIPE_EVENT_MESSAGE)
                continue;
            assert_int_equal(wpipe_server_send(server, e.from, e.data, e.size),
                             0);
            going &= e.size != 4;
        }
        assert_int_equal(r, WPIPE_ETIMEDOUT);
    }
    return NULL;
}

static void descriptor_drives_server(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    struct service_thread thread;
    wpipe_client *clients[3];

    service_start(&thread, run_polled, server);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            wpipe_client_open(&clients[i], wpipe_server_name(server), &options),
            0);
    for (int i = 0; i < 300; i++) {
        client_send_text(clients[i % 3], "hello");
        if (i % 5 == 0)
            client_send_text(clients[i % 3], "again");
        client_expect_text(clients[i % 3], "hello");
        if (i % 5 == 0)
            client_expect_text(clients[i % 3], "again");
    }
    client_send_text(clients[0], "stop");
    client_expect_text(clients[0], "stop");
    service_finish(&thread);
    for (int i = 0; i < 3; i++)
        wpipe_client_close(clients[i]);
    wpipe_server_close(server);
}

/* Quiet once everything was told, readable again when more comes. */
static void descriptor_quiet_when_nothing_is_there(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);
    int fd = (int)wpipe_server_fd(server);
    wpipe_event e;

    for (int i = 0; i < 30; i++) {
        while (wpipe_server_wait(server, &e, 0) == 1)
            ;
        assert_false(support_wait_readable(fd, 0));
        client_send_text(client, "x");
        client_send_text(client, "y");
        assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
        server_expect_text(server, id, "x");
        assert_true(support_wait_readable(fd, 0)); /* there is one more */
        server_expect_text(server, id, "y");
    }
    wpipe_server_wake(server);
    assert_true(support_wait_readable(fd, 0));
    assert_int_equal(wpipe_server_wait(server, &e, 0), 0);
    while (wpipe_server_wait(server, &e, 0) == 1)
        ;
    assert_false(support_wait_readable(fd, 0));
    assert_int_equal(wpipe_server_kick(server, id), 0);
    assert_true(support_wait_readable(fd, 0));
    (void)server_expect(server, WPIPE_EVENT_DISCONNECTED);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- fork --------------------------------------------------------------- */

static void forked_child_may_only_close(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);
    wpipe_event e;
    int status;
    pid_t pid;

    for (int i = 0; i < 20; i++) {
        client_send_text(client, "before");
        server_expect_text(server, id, "before");
    }
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int bad = 0;

        bad |= wpipe_server_wait(server, &e, 0) != WPIPE_ESTATE;
        bad |= wpipe_server_send(server, id, "x", 1) != WPIPE_ESTATE;
        bad |= wpipe_server_broadcast(server, "x", 1) != WPIPE_ESTATE;
        bad |= wpipe_server_kick(server, id) != WPIPE_ESTATE;
        bad |= wpipe_server_fd(server) != WPIPE_ESTATE;
        bad |= wpipe_server_count(server) != 0;
        bad |= wpipe_client_wait(client, &e, 0) != WPIPE_ESTATE;
        bad |= wpipe_client_send(client, "x", 1) != WPIPE_ESTATE;
        bad |= wpipe_client_call(client, "x", 1, &e, 0) != WPIPE_ESTATE;
        bad |= wpipe_client_drain(client, 0) != WPIPE_ESTATE;
        wpipe_server_stop(server);
        wpipe_server_wake(server);
        wpipe_client_wake(client);
        wpipe_server_close(server);
        wpipe_client_close(client);
        _exit(bad);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    /* the parent's connection and name are as they were */
    for (int i = 0; i < 30; i++) {
        client_send_text(client, "after");
        server_expect_text(server, id, "after");
        server_send_text(server, id, "after");
        client_expect_text(client, "after");
    }
    {
        wpipe_id second;
        wpipe_client *late = service_join(state, server, NULL, &second);

        wpipe_client_close(late);
    }
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- doing nothing ------------------------------------------------------ */

enum {
    IDLE = 1000
};

static int be_idle(int fd, void *argument)
{
    static wpipe_client *clients[IDLE];
    wpipe_options options = { .size = sizeof options };

    options.shared_memory = (int)event_wait(fd);
    for (int i = 0; i < IDLE; i++) {
        assert_int_equal(wpipe_client_open(&clients[i], argument, &options), 0);
        client_send_text(clients[i], "hello");
        client_expect_text(clients[i], "hello");
    }
    event_send(fd, 1);
    event_wait(fd);
    /* and they are all still there */
    for (int i = 0; i < IDLE; i++) {
        client_send_text(clients[i], "hello");
        client_expect_text(clients[i], "hello");
    }
    for (int i = 0; i < IDLE; i++)
        wpipe_client_close(clients[i]);
    return 0;
}

static int64_t cpu_ns(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* A client that is gone, with messages that nobody has taken yet, does not keep
 * a sender busy that waits for another one. */
static void gone_client_costs_no_time(void **state)
{
    wpipe_options options = service_options(state);
    static uint8_t data[1000];
    wpipe_server *server;
    wpipe_client *full;
    wpipe_client *gone;
    wpipe_id full_id;
    wpipe_id gone_id;
    int64_t cpu;

    options.queue_limit = 5000;
    server = service_open(state, &options);
    gone = service_join(state, server, NULL, &gone_id);
    full = join_full(state, server, &full_id);
    client_send_text(gone, "last words");
    wpipe_client_close(gone);
    cpu = cpu_ns();
    assert_int_equal(
        wpipe_server_send_wait(server, full_id, data, sizeof data, 300),
        WPIPE_ETIMEDOUT);
    cpu = cpu_ns() - cpu;
    assert_in_range(cpu, 0, 100000000);
    server_expect_text(server, gone_id, "last words");
    (void)server_expect(server, WPIPE_EVENT_DISCONNECTED);
    wpipe_client_close(full);
    wpipe_server_close(server);
}

static void idle_clients_cost_no_time(void **state)
{
    struct rlimit limit;
    wpipe_server *server;
    struct service_echo echo;
    struct helper helper;
    struct rusage before;
    struct rusage after;
    wpipe_event e;
    int64_t cpu;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < IDLE * 6)
        support_skip("too few descriptors");
    server = service_open(state, NULL);
    helper_start(&helper, be_idle,
                 (void *)(uintptr_t)wpipe_server_name(server));
    event_send(helper.fd, (uint32_t)service_options(state).shared_memory);
    /* echo on this thread until all are there */
    memset(&echo, 0, sizeof echo);
    while (echo.messages < IDLE) {
        assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
        if (e.type != WPIPE_EVENT_MESSAGE)
            continue;
        echo.messages++;
        assert_int_equal(wpipe_server_send(server, e.from, e.data, e.size), 0);
    }
    event_expect(helper.fd, 1);
    while (wpipe_server_wait(server, &e, 0) == 1)
        ;
    assert_int_equal(wpipe_server_count(server), IDLE);
    cpu = cpu_ns();
    getrusage(RUSAGE_THREAD, &before);
    assert_int_equal(wpipe_server_wait(server, &e, 500), WPIPE_ETIMEDOUT);
    getrusage(RUSAGE_THREAD, &after);
    cpu = cpu_ns() - cpu;
    /* half a second of nothing: one sleep, no timers */
    assert_in_range(after.ru_nvcsw - before.ru_nvcsw, 0, 3);
    assert_in_range(cpu, 0, 10000000 * SUPPORT_LIMIT_FACTOR);
    event_send(helper.fd, 2);
    service_echo_begin(&echo, server);
    assert_int_equal(helper_join(&helper), 0);
    service_echo_end(&echo);
}

static const struct service_case cases[] = {
    EACH(threads_send_nobody_waits),
    EACH(threads_send_while_one_waits),
    EACH(thread_sends_while_server_sleeps),
    EACH(thread_kicks_while_server_sleeps),
    ONCE(thread_second_waiter_refused),
    EACH(thread_waits_while_another_waits_for_room),
    ONCE(wake_ends_one_wait),
    EACH(stop_ends_every_wait),
    EACH(callbacks_called_in_order),
    EACH(callback_may_stop),
    ONCE(callbacks_left_out_fine),
    EACH(descriptor_drives_server),
    EACH(descriptor_quiet_when_nothing_is_there),
    EACH(forked_child_may_only_close),
    EACH(gone_client_costs_no_time),
    EACH_SLOW(idle_clients_cost_no_time),
};

SERVICE_MAIN(cases)
