/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that is killed between any two instructions of a send, a receive, a
 * sleep, a close, or of its whole life: traced, stepped by one instruction at a
 * time, and killed at the k-th. The other end gets whole messages in order,
 * then is told of the death; it never gets a torn message and never hangs, and
 * the next client is served. A usual run takes some of the places, a soak all.
 */
#include "support.h"

#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <windpipe.h>

enum {
    PLACES = 40,       /* in a usual run */
    LONGEST = 2000000, /* instructions: more is a loop */
    WARM = 3,
    SMALL = 100,
    LARGE = 900, /* the second one meets the end of the ring of 4 KiB */
    MESSAGES = 4,
    SERVE_EVERY = 200
};

/* What the process does between its two stops, and what the other end says. */
struct plan {
    const char *name;
    void (*act)(wpipe_stream *stream);
    void (*before)(wpipe_stream *survivor);
    void (*after)(wpipe_stream *survivor, bool finished);
    const char *pipe;
};

/* One instruction of ours is many of ThreadSanitizer's: minutes for each case,
 * and nothing for it to see, as each process has one thread. */
static void skip_if_slow(void)
{
#ifdef __SANITIZE_THREAD__
    support_skip("stepping through ThreadSanitizer takes minutes");
#endif
}

static wpipe_options options(void)
{
    return (wpipe_options){ .size = sizeof(wpipe_options),
                            .type = WPIPE_MESSAGE,
                            .shared_memory = WPIPE_SHARED_NOW,
                            .spin_us = WPIPE_SPIN_OFF,
                            .buffer_in = 4096,
                            .buffer_out = 4096 };
}

static size_t size_of(int i)
{
    return i % 2 ? LARGE : SMALL;
}

/* Filled before a process is forked: it is stepped through what it does. */
static uint8_t messages[MESSAGES][LARGE];

static void fill_messages(void)
{
    for (int number = 0; number < MESSAGES; number++)
        for (size_t i = 0; i < LARGE; i++)
            messages[number][i] = (uint8_t)(number * 31 + (int)i * 7);
}

static void write_messages(wpipe_stream *stream)
{
    for (int i = 0; i < MESSAGES; i++)
        (void)wpipe_write(stream, messages[i], size_of(i), 0);
}

static void read_messages(wpipe_stream *stream)
{
    uint8_t bytes[LARGE];

    for (int i = 0; i < MESSAGES; i++)
        (void)wpipe_read(stream, bytes, sizeof bytes, 0);
}

static void sleep_once(wpipe_stream *stream)
{
    uint8_t byte;

    (void)wpipe_read(stream, &byte, 1, 1);
}

static void close_it(wpipe_stream *stream)
{
    wpipe_stream_close(stream);
}

/* ---- the process that dies ----------------------------------------------- */

static int dying(int fd, void *argument)
{
    const struct plan *plan = argument;
    const wpipe_options o = options();
    wpipe_stream *stream;
    char byte;

    (void)fd;
    assert_int_equal(ptrace(PTRACE_TRACEME, 0, NULL, NULL), 0);
    assert_int_equal(wpipe_connect(&stream, plan->pipe, &o, SUPPORT_WAIT_MS),
                     0);
    for (int i = 0; i < WARM; i++) {
        assert_int_equal(wpipe_write(stream, "w", 1, SUPPORT_WAIT_MS), 1);
        assert_int_equal(wpipe_read(stream, &byte, 1, SUPPORT_WAIT_MS), 1);
    }
    raise(SIGSTOP);
    plan->act(stream);
    raise(SIGSTOP);
    return 0;
}

/* From its stop on. True when it came to the next one before `most` steps; the
 * steps made are in *ret_steps. It is still there. */
static bool step(pid_t pid, long most, long *ret_steps)
{
    int status = 0;
    long i;

    for (i = 0; i < most; i++) {
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSTOPPED(status));
        if (WSTOPSIG(status) == SIGSTOP)
            break;
    }
    *ret_steps = i;
    return i < most;
}

/* ---- the survivor -------------------------------------------------------- */

static wpipe_stream *welcome(wpipe_listener *listener)
{
    wpipe_stream_facts facts = { .size = sizeof facts };
    wpipe_stream *stream = NULL;
    char byte;

    assert_int_equal(wpipe_accept(listener, &stream, SUPPORT_WAIT_MS), 0);
    for (int i = 0; i < WARM; i++) {
        assert_int_equal(wpipe_read(stream, &byte, 1, SUPPORT_WAIT_MS), 1);
        assert_int_equal(wpipe_write(stream, "w", 1, SUPPORT_WAIT_MS), 1);
    }
    assert_int_equal(wpipe_stream_info(stream, &facts), 0);
    assert_int_equal(facts.shared, 2);
    return stream;
}

/* Whole messages, in order, and then the end. */
static void expect_prefix(wpipe_stream *survivor, bool finished)
{
    uint8_t bytes[LARGE + 1];
    int64_t r;
    int came = 0;

    while ((r = wpipe_read(survivor, bytes, sizeof bytes, SUPPORT_WAIT_MS)) >=
           0) {
        assert_true(came < MESSAGES);
        assert_int_equal(r, size_of(came));
        assert_memory_equal(bytes, messages[came], (size_t)r);
        assert_int_equal(wpipe_stream_message_complete(survivor), 1);
        came++;
    }
    assert_int_equal(r, WPIPE_EDIED);
    if (finished)
        assert_int_equal(came, MESSAGES);
}

/* Nobody waits for a dead reader. */
static void expect_death(wpipe_stream *survivor, bool finished)
{
    int r = wpipe_drain(survivor, SUPPORT_WAIT_MS);
    char byte;

    if (r != 0 || !finished)
        assert_true(r == 0 || r == WPIPE_EDIED);
    while ((r = (int)wpipe_write(survivor, "more", 4, SUPPORT_WAIT_MS)) > 0)
        continue;
    assert_int_equal(r, WPIPE_EDIED);
    assert_int_equal(wpipe_read(survivor, &byte, 1, SUPPORT_WAIT_MS),
                     WPIPE_EDIED);
}

static void expect_end(wpipe_stream *survivor, bool finished)
{
    char byte;
    int64_t r = wpipe_read(survivor, &byte, 1, SUPPORT_WAIT_MS);

    assert_true(r == WPIPE_EOF || (r == WPIPE_EDIED && !finished));
}

static const struct plan plans[] = {
    { "writer", write_messages, NULL, expect_prefix, NULL },
    { "reader", read_messages, write_messages, expect_death, NULL },
    { "sleeper", sleep_once, NULL, expect_death, NULL },
    { "closer", close_it, NULL, expect_end, NULL },
};

/* One life and death. Returns the steps until the end, if it was not killed
 * before. */
static long kill_at(wpipe_listener *listener, const struct plan *given,
                    long place)
{
    struct plan plan = *given;
    struct helper helper;
    wpipe_stream *survivor;
    int64_t begun;
    bool finished;
    long steps;
    int status;

    plan.pipe = wpipe_listener_name(listener);
    helper_start(&helper, dying, &plan);
    survivor = welcome(listener);
    if (plan.before)
        plan.before(survivor);
    assert_int_equal(waitpid(helper.pid, &status, 0), helper.pid);
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    finished = step(helper.pid, place, &steps);
    helper_kill(&helper);
    begun = support_now_ms();
    plan.after(survivor, finished);
    if (support_now_ms() - begun > SUPPORT_SOON_MS)
        fail_msg("killed at %ld: told after %lld ms", place,
                 (long long)(support_now_ms() - begun));
    wpipe_stream_close(survivor);
    return finished ? steps : -1;
}

static void peer_killed_anywhere_other_end_is_told(void **state)
{
    const wpipe_options o = options();
    wpipe_listener *listener;
    long total;
    long stride;
    long tried = 0;

    skip_if_slow();
    fill_messages();
    assert_int_equal(wpipe_listen(&listener, support_unique_name(), &o), 0);
    total = kill_at(listener, *state, LONGEST);
    assert_true(total > 100);
    stride = support_is_soak() || total < PLACES ? 1 : total / PLACES;
    for (long place = 0; place < total; place += stride, tried++) {
        printf("%ld of %ld\n", place, total);
        (void)kill_at(listener, *state, place);
    }
    wpipe_listener_close(listener);
}

/* ---- a whole life -------------------------------------------------------- */

static int live(int fd, void *argument)
{
    const wpipe_options o = options();
    wpipe_stream *stream = NULL;
    char byte;

    (void)fd;
    assert_int_equal(ptrace(PTRACE_TRACEME, 0, NULL, NULL), 0);
    raise(SIGSTOP);
    if (wpipe_connect(&stream, argument, &o, SUPPORT_WAIT_MS) == 0) {
        for (int i = 0; i < WARM; i++) {
            (void)wpipe_write(stream, "w", 1, SUPPORT_WAIT_MS);
            (void)wpipe_read(stream, &byte, 1, SUPPORT_WAIT_MS);
        }
        wpipe_stream_close(stream);
    }
    raise(SIGSTOP);
    return 0;
}

/* What the server has heard so far of the one that lives. */
struct heard {
    int connected;
    int messages;
    int disconnected;
};

static void serve(wpipe_server *server, struct heard *heard, int timeout_ms)
{
    wpipe_event event;

    while (wpipe_server_wait(server, &event, timeout_ms) == 1) {
        timeout_ms = 0;
        heard->connected += event.type == WPIPE_EVENT_CONNECTED;
        heard->disconnected += event.type == WPIPE_EVENT_DISCONNECTED;
        if (event.type != WPIPE_EVENT_MESSAGE)
            continue;
        assert_int_equal(event.size, 1);
        assert_memory_equal(event.data, "w", 1);
        heard->messages++;
        (void)wpipe_server_send(server, event.from, "w", 1);
    }
}

/* Greeting, switch, messages, close: it is served while it is stepped. Returns
 * the steps that it made. */
static long live_until(wpipe_server *server, long place)
{
    struct heard heard = { 0, 0, 0 };
    struct helper helper;
    int64_t end;
    long steps = 0;
    long made;
    int status;

    helper_start(&helper, live, (void *)(uintptr_t)wpipe_server_name(server));
    assert_int_equal(waitpid(helper.pid, &status, 0), helper.pid);
    while (steps < place) {
        bool over = step(
            helper.pid,
            place - steps < SERVE_EVERY ? place - steps : SERVE_EVERY, &made);

        steps += made;
        serve(server, &heard, 0);
        if (over)
            break;
    }
    helper_kill(&helper);
    serve(server, &heard, 0);
    end = support_now_ms() + SUPPORT_SOON_MS;
    while (heard.disconnected < heard.connected) {
        assert_true(support_now_ms() < end);
        serve(server, &heard, 10);
    }
    assert_true(heard.connected <= 1 && heard.messages <= WARM);
    assert_int_equal(wpipe_server_count(server), 0);
    return steps;
}

static void client_killed_anywhere_in_its_life_others_are_served(void **state)
{
    const wpipe_options o = options();
    wpipe_server *server;
    long places = support_is_soak() ? 20 * PLACES : PLACES / 2;
    long total;

    (void)state;
    skip_if_slow();
    assert_int_equal(wpipe_server_open(&server, support_unique_name(), &o), 0);
    total = live_until(server, LONGEST);
    assert_true(total > 1000 && total < LONGEST);
    for (long i = 0; i < places; i++)
        (void)live_until(server, i * total / places);
    wpipe_server_close(server);
}

int main(int argc, char **argv)
{
    enum {
        COUNT = sizeof plans / sizeof *plans
    };
    struct support_case cases[COUNT + 1];

    for (size_t i = 0; i < COUNT; i++)
        cases[i] = (struct support_case){
            .name = "peer_killed_anywhere_other_end_is_told",
            .run = peer_killed_anywhere_other_end_is_told,
            .argument = (void *)(uintptr_t)&plans[i],
            .variant = plans[i].name,
            .flags = SUPPORT_SLOW,
        };
    cases[COUNT] = (struct support_case)TEST_SLOW(
        client_killed_anywhere_in_its_life_others_are_served);
    return support_main(argc, argv, cases, COUNT + 1);
}
