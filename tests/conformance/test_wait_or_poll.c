/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same random program twice: once the object waits, once it only polls its
 * descriptor. Per connection it must be told the same in the same order.
 * WINDPIPE_SEED=n runs that program alone.
 */
#include "wait_or_poll.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    SEEDS = 40,
    BUDGET_MS = 6000 * SUPPORT_LIMIT_FACTOR
};

uint64_t run_random(struct run *run, uint64_t below)
{
    run->random ^= run->random << 13;
    run->random ^= run->random >> 7;
    run->random ^= run->random << 17;
    return (run->random >> 11) % below;
}

void run_note(struct run *run, int connection, const char *format, ...)
{
    char *trace = run->traces[connection];
    size_t at = strlen(trace);
    va_list list;
    int n;

    va_start(list, format);
    n = vsnprintf(trace + at, TRACE_SIZE - at, format, list);
    va_end(list);
    assert_true(n >= 0 && at + (size_t)n < TRACE_SIZE);
}

int64_t run_next(struct run *run)
{
    int64_t r = waiter_next(&run->waiter, PATIENCE_MS);

    if (r == WPIPE_ETIMEDOUT)
        fail_msg("nothing came in %d ms: %d connected, %d disconnected, "
                 "%d of %d refused",
                 PATIENCE_MS, run->connected, run->disconnected,
                 run->was_refused,
                 __atomic_load_n(&run->refused, __ATOMIC_ACQUIRE));
    return r;
}

int run_connection(struct run *run, wpipe_id id)
{
    for (int i = 0; i < run->connected; i++)
        if (run->ids[i] == id)
            return i;
    fail_msg("an event of connection %llu, which is none",
             (unsigned long long)id);
    return -1;
}

void run_signal(struct run *run)
{
    const uint64_t one = 1;

    assert_int_equal(write(run->signal, &one, sizeof one), sizeof one);
}

void run_await(struct run *run)
{
    uint64_t value;

    assert_true(support_wait_readable(run->signal, SUPPORT_WAIT_MS));
    assert_int_equal(read(run->signal, &value, sizeof value), sizeof value);
}

/* ---- twice --------------------------------------------------------------- */

static void run_once(struct run *run, void (*what)(struct run *), uint64_t seed,
                     bool polls)
{
    memset(run, 0, sizeof *run);
    run->random = seed * UINT64_C(0x9E3779B97F4A7C15);
    run->waiter.polls = polls;
    run->waiter.asks_again = seed % 2;
    run->signal = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    snprintf(run->name, sizeof run->name, "%s", support_unique_name());
    printf("seed %llu, %s:", (unsigned long long)seed,
           polls ? "polled" : "waited");
    what(run);
    printf("\n");
    for (int i = 0; i < run->dead; i++) {
        wpipe_client_close(run->dead_clients[i]);
        wpipe_stream_close(run->dead_streams[i]);
    }
    close(run->signal);
}

static void compare(const struct run *waited, const struct run *polled,
                    uint64_t seed)
{
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        if (strcmp(waited->traces[i], polled->traces[i]) != 0)
            fail_msg("seed %llu, connection %d:\nwaited:%s\npolled:%s",
                     (unsigned long long)seed, i, waited->traces[i],
                     polled->traces[i]);
}

static void twice(void (*what)(struct run *))
{
    static struct run waited;
    static struct run polled;
    const char *chosen = getenv("WINDPIPE_SEED");
    int64_t end = support_now_ms() + BUDGET_MS;

    setvbuf(stdout, NULL, _IONBF, 0); /* the program is shown when it fails */
    for (uint64_t seed = 1; seed <= SEEDS && support_now_ms() < end; seed++) {
        if (chosen && strtoull(chosen, NULL, 10) != seed)
            continue;
        run_once(&waited, what, seed, false);
        run_once(&polled, what, seed, true);
        compare(&waited, &polled, seed);
    }
}

static void server_is_told_the_same(void **state)
{
    (void)state;
    twice(run_server);
}

static void client_is_told_the_same(void **state)
{
    (void)state;
    twice(run_client);
}

static void stream_is_told_the_same(void **state)
{
    (void)state;
    twice(run_stream);
}

static const struct support_case cases[] = {
    TEST_SLOW(server_is_told_the_same),
    TEST_SLOW(client_is_told_the_same),
    TEST_SLOW(stream_is_told_the_same),
};

TEST_MAIN(cases)
