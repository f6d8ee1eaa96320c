/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits and signals: a handler that runs on the thread that waits ends the wait
 * where WPIPE_WAIT_SIGNALS asks for it, and nowhere else; and wakes are safe in
 * a handler, also in one that interrupts a thread that holds the object's lock.
 */
#include "service.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    DEADLINE_MS = 150,
    AGAIN_MS = 20, /* between two signals */
    EARLY_MS = 2,  /* clocks are rounded */
    ROUNDS = 1000,
    STORM_US = 50, /* between two signals of a storm */
    SIZE = 4000
};

/* One server with one client, and one stream; nobody reads. */
struct stage {
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;
    wpipe_listener *listener;
    wpipe_stream *near;
    wpipe_stream *far;
};

static const uint8_t bytes[SIZE];

static void stage_open(struct stage *s, int shared_memory, uint32_t flags)
{
    struct service_kind kind = { "", shared_memory, 0 };
    void *state = &kind;
    wpipe_options o = { .size = sizeof o, .flags = flags };

    memset(s, 0, sizeof *s);
    o.shared_memory = shared_memory;
    o.linger_ms = WPIPE_LINGER_OFF;
    s->server = service_open(&state, &o);
    s->client = service_join(&state, s->server, &o, &s->id);
    assert_int_equal(wpipe_listen(&s->listener, NULL, &o), 0);
    o.flags |= WPIPE_CONNECT_EARLY;
    assert_int_equal(wpipe_connect(&s->far, wpipe_listener_name(s->listener),
                                   &o, SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(wpipe_accept(s->listener, &s->near, SUPPORT_WAIT_MS), 0);
}

static void stage_close(struct stage *s)
{
    wpipe_stream_close(s->near);
    wpipe_stream_close(s->far);
    wpipe_listener_close(s->listener);
    wpipe_client_close(s->client);
    wpipe_server_close(s->server);
}

/* ---- the calls that wait ------------------------------------------------- */

static int64_t server_waits(struct stage *s, int timeout_ms)
{
    wpipe_event event;

    return wpipe_server_wait(s->server, &event, timeout_ms);
}

static int64_t server_sends(struct stage *s, int timeout_ms)
{
    return wpipe_server_send_wait(s->server, s->id, bytes, SIZE, timeout_ms);
}

static int64_t server_drains(struct stage *s, int timeout_ms)
{
    return wpipe_server_drain(s->server, s->id, timeout_ms);
}

static int64_t client_waits(struct stage *s, int timeout_ms)
{
    wpipe_event event;

    return wpipe_client_wait(s->client, &event, timeout_ms);
}

static int64_t client_calls(struct stage *s, int timeout_ms)
{
    wpipe_event answer;

    return wpipe_client_call(s->client, "q", 1, &answer, timeout_ms);
}

static int64_t client_sends(struct stage *s, int timeout_ms)
{
    return wpipe_client_send_wait(s->client, bytes, SIZE, timeout_ms);
}

static int64_t client_drains(struct stage *s, int timeout_ms)
{
    return wpipe_client_drain(s->client, timeout_ms);
}

static int64_t stream_reads(struct stage *s, int timeout_ms)
{
    char byte;

    return wpipe_read(s->near, &byte, 1, timeout_ms);
}

static int64_t stream_writes(struct stage *s, int timeout_ms)
{
    return wpipe_write(s->near, bytes, SIZE, timeout_ms);
}

static int64_t stream_drains(struct stage *s, int timeout_ms)
{
    return wpipe_drain(s->near, timeout_ms);
}

static int64_t listener_accepts(struct stage *s, int timeout_ms)
{
    wpipe_stream *stream;

    return wpipe_accept(s->listener, &stream, timeout_ms);
}

static uint32_t connect_flags;

static int64_t connects(struct stage *s, int timeout_ms)
{
    wpipe_options o = { .size = sizeof o, .flags = connect_flags };
    wpipe_stream *stream;

    (void)s;
    return wpipe_connect(&stream, "nobody-has-this-name", &o, timeout_ms);
}

static int64_t waits_for_name(struct stage *s, int timeout_ms)
{
    (void)s;
    return wpipe_wait_for("nobody-has-this-name", timeout_ms);
}

/* Until the call would wait. */
static void fill_server(struct stage *s)
{
    while (wpipe_server_send_wait(s->server, s->id, bytes, SIZE, 0) == 0)
        continue;
}

static void fill_client(struct stage *s)
{
    while (wpipe_client_send_wait(s->client, bytes, SIZE, 0) == 0)
        continue;
}

static void fill_stream(struct stage *s)
{
    while (wpipe_write(s->near, bytes, SIZE, 0) > 0)
        continue;
}

static void wake_server(struct stage *s)
{
    wpipe_server_wake(s->server);
}

static void wake_client(struct stage *s)
{
    wpipe_client_wake(s->client);
}

static void wake_stream(struct stage *s)
{
    wpipe_stream_wake(s->near);
}

static void wake_listener(struct stage *s)
{
    wpipe_listener_wake(s->listener);
}

static const struct waiting_call {
    const char *name;
    int64_t (*call)(struct stage *s, int timeout_ms);
    void (*prepare)(struct stage *s);
    void (*wake)(struct stage *s); /* NULL: it has none */
    int woken;                     /* what it returns then */
    bool deaf;                     /* it takes no options */
    int late;                      /* at the deadline; 0 = WPIPE_ETIMEDOUT */
} calls[] = {
    { "server_wait", server_waits, NULL, wake_server, 0, false, 0 },
    { "server_send_wait", server_sends, fill_server, wake_server, WPIPE_EWOKEN,
      false, 0 },
    { "server_drain", server_drains, fill_server, wake_server, WPIPE_EWOKEN,
      false, 0 },
    { "client_wait", client_waits, NULL, wake_client, 0, false, 0 },
    { "client_call", client_calls, NULL, wake_client, WPIPE_EWOKEN, false, 0 },
    { "client_send_wait", client_sends, fill_client, wake_client, WPIPE_EWOKEN,
      false, 0 },
    { "client_drain", client_drains, fill_client, wake_client, WPIPE_EWOKEN,
      false, 0 },
    { "read", stream_reads, NULL, wake_stream, WPIPE_EWOKEN, false, 0 },
    { "write", stream_writes, fill_stream, wake_stream, WPIPE_EWOKEN, false,
      0 },
    { "drain", stream_drains, fill_stream, wake_stream, WPIPE_EWOKEN, false,
      0 },
    { "accept", listener_accepts, NULL, wake_listener, WPIPE_EWOKEN, false, 0 },
    { "connect", connects, NULL, NULL, 0, false, WPIPE_ENOTFOUND },
    { "wait_for", waits_for_name, NULL, NULL, 0, true, 0 },
};

#define CALLS (sizeof calls / sizeof *calls)

/* ---- a thread in a call -------------------------------------------------- */

struct caller {
    struct stage *stage;
    const struct waiting_call *what;
    int timeout_ms;
    int done; /* eventfd(2) */
    int64_t result;
    int64_t took_ms;
    struct service_thread thread;
};

static void *run_call(void *argument)
{
    struct caller *c = argument;
    const uint64_t one = 1;
    int64_t from = support_now_ms();

    c->result = c->what->call(c->stage, c->timeout_ms);
    c->took_ms = support_now_ms() - from;
    assert_int_equal(write(c->done, &one, sizeof one), sizeof one);
    return NULL;
}

static void caller_start(struct caller *c, struct stage *s,
                         const struct waiting_call *what, int timeout_ms)
{
    memset(c, 0, sizeof *c);
    c->stage = s;
    c->what = what;
    c->timeout_ms = timeout_ms;
    c->done = eventfd(0, EFD_CLOEXEC);
    assert_true(c->done >= 0);
    service_start(&c->thread, run_call, c);
    support_wait_others_asleep();
}

/* Signals it until it has returned. */
static void caller_interrupt(struct caller *c)
{
    int64_t end = support_now_ms() + SUPPORT_WAIT_MS;

    do {
        if (support_now_ms() > end)
            fail_msg("%s waits on", c->what->name);
        (void)pthread_kill(c->thread.system, SIGUSR1);
    } while (!support_wait_readable(c->done, AGAIN_MS));
}

static void caller_finish(struct caller *c)
{
    service_finish(&c->thread);
    close(c->done);
}

static void caller_returned(const struct caller *c, int64_t right)
{
    if (c->result != right)
        fail_msg("%s: %lld instead of %lld", c->what->name,
                 (long long)c->result, (long long)right);
}

/* ---- handlers that ran --------------------------------------------------- */

static _Atomic int ran;

static void on_signal(int number)
{
    (void)number;
    ran++;
}

static void handle(void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler };

    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
}

static void ends_where_asked(const struct waiting_call *what, int shared)
{
    struct stage s;
    struct caller c;

    stage_open(&s, shared, WPIPE_WAIT_SIGNALS);
    if (what->prepare)
        what->prepare(&s);
    caller_start(&c, &s, what, WPIPE_FOREVER);
    caller_interrupt(&c);
    caller_finish(&c);
    caller_returned(&c, WPIPE_EWOKEN);
    stage_close(&s);
}

static void handler_ends_wait(void **state)
{
    handle(on_signal);
    connect_flags = WPIPE_WAIT_SIGNALS;
    for (size_t i = 0; i < CALLS; i++)
        if (!calls[i].deaf)
            ends_where_asked(&calls[i], *(const int *)*state);
}

/* False: it was over before the first signal, on a busy machine. */
static bool goes_on(struct stage *s, const struct waiting_call *what,
                    int deadline_ms)
{
    struct caller c;

    ran = 0;
    caller_start(&c, s, what, deadline_ms);
    caller_interrupt(&c);
    caller_finish(&c);
    caller_returned(&c, what->late ? what->late : WPIPE_ETIMEDOUT);
    assert_true(c.took_ms >= deadline_ms - EARLY_MS);
    return ran > 0;
}

static void goes_on_otherwise(const struct waiting_call *what, int shared)
{
    int deadline_ms = DEADLINE_MS;
    struct stage s;

    stage_open(&s, shared, 0);
    if (what->prepare)
        what->prepare(&s);
    while (!goes_on(&s, what, deadline_ms)) {
        deadline_ms *= 2;
        assert_true(deadline_ms < SUPPORT_WAIT_MS);
    }
    stage_close(&s);
}

static void handler_ends_no_other_wait(void **state)
{
    handle(on_signal);
    connect_flags = 0;
    for (size_t i = 0; i < CALLS; i++)
        goes_on_otherwise(&calls[i], *(const int *)*state);
}

/* ---- of several that wait ------------------------------------------------ */

static const struct waiting_call *call_named(const char *name)
{
    for (size_t i = 0; i < CALLS; i++)
        if (strcmp(calls[i].name, name) == 0)
            return &calls[i];
    fail_msg("no call %s", name);
    return NULL;
}

/* One polls for both, the other sleeps on a word: in either order. The one
 * that was not interrupted waits on. */
static void second_ends_alone(const char *first, const char *second, int shared)
{
    struct stage s;
    struct caller a;
    struct caller b;

    stage_open(&s, shared, WPIPE_WAIT_SIGNALS);
    if (call_named(first)->prepare)
        call_named(first)->prepare(&s);
    if (call_named(second)->prepare)
        call_named(second)->prepare(&s);
    caller_start(&a, &s, call_named(first), WPIPE_FOREVER);
    caller_start(&b, &s, call_named(second), WPIPE_FOREVER);
    caller_interrupt(&b);
    caller_finish(&b);
    caller_returned(&b, WPIPE_EWOKEN);
    assert_false(support_wait_readable(a.done, AGAIN_MS));
    caller_interrupt(&a);
    caller_finish(&a);
    caller_returned(&a, WPIPE_EWOKEN);
    stage_close(&s);
}

static void handler_ends_one_of_two(void **state)
{
    static const char *const pairs[][2] = {
        { "server_wait", "server_send_wait" },
        { "server_wait", "server_drain" },
        { "client_wait", "client_send_wait" },
        { "client_wait", "client_drain" },
        { "client_call", "client_send_wait" },
        { "read", "write" },
        { "read", "drain" },
    };
    int shared = *(const int *)*state;

    handle(on_signal);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        second_ends_alone(pairs[i][0], pairs[i][1], shared);
        second_ends_alone(pairs[i][1], pairs[i][0], shared);
    }
}

/* ---- wakes in handlers --------------------------------------------------- */

static struct stage *volatile storm_stage;
static const struct waiting_call *volatile storm_call;

static void wake_it(int number)
{
    (void)number;
    storm_call->wake(storm_stage);
}

struct storm {
    struct stage *stage;
    const struct waiting_call *what;
    int rounds; /* how often it was woken; atomic */
    int over;   /* atomic */
};

static void *be_woken(void *argument)
{
    struct storm *storm = argument;

    for (int i = 0; i < ROUNDS; i++) {
        int64_t r = storm->what->call(storm->stage, SUPPORT_WAIT_MS);

        if (r != storm->what->woken)
            fail_msg("%s: %lld instead of %d", storm->what->name, (long long)r,
                     storm->what->woken);
    }
    __atomic_store_n(&storm->over, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* Takes the locks of the objects all the time. */
static void *keep_busy(void *argument)
{
    struct storm *storm = argument;
    struct stage *s = storm->stage;
    wpipe_peer peer = { .size = sizeof peer };
    wpipe_stream_facts facts = { .size = sizeof facts };

    while (!__atomic_load_n(&storm->over, __ATOMIC_ACQUIRE)) {
        (void)wpipe_server_count(s->server);
        assert_int_equal(wpipe_server_peer(s->server, s->id, &peer), 0);
        assert_int_equal(wpipe_client_peer(s->client, &peer), 0);
        assert_int_equal(wpipe_stream_info(s->near, &facts), 0);
    }
    return NULL;
}

static void wakes_end(const struct waiting_call *what, int shared)
{
    const struct timespec pause = { 0, STORM_US * 1000 };
    struct service_thread busy;
    struct service_thread woken;
    struct storm storm = { .what = what };
    struct stage s;

    stage_open(&s, shared, 0);
    if (what->prepare)
        what->prepare(&s);
    storm.stage = &s;
    storm_stage = &s;
    storm_call = what;
    handle(wake_it);
    service_start(&busy, keep_busy, &storm);
    service_start(&woken, be_woken, &storm);
    while (!__atomic_load_n(&storm.over, __ATOMIC_ACQUIRE)) {
        (void)pthread_kill(busy.system, SIGUSR1);
        (void)pthread_kill(woken.system, SIGUSR1);
        nanosleep(&pause, NULL);
    }
    service_finish(&woken);
    service_finish(&busy);
    stage_close(&s);
}

static void wakes_in_handlers_end_waits(void **state)
{
    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].wake)
            wakes_end(&calls[i], *(const int *)*state);
}

static int framed = WPIPE_SHARED_NEVER;
static int shared = WPIPE_SHARED_NOW;

#define BOTH(function)                                        \
    { #function, function, &framed, "framed", SUPPORT_SLOW }, \
    {                                                         \
#function, function, &shared, "shared", SUPPORT_SLOW  \
    }

static const struct support_case cases[] = {
    BOTH(handler_ends_wait),
    BOTH(handler_ends_no_other_wait),
    BOTH(handler_ends_one_of_two),
    BOTH(wakes_in_handlers_end_waits),
};

TEST_MAIN(cases)
