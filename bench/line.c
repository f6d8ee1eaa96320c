/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The round trip of a cache line between two processors: see line.h.
 */
#include "line.h"

#include <sched.h>
#include <stdatomic.h>

#include "process.h"

/* Ten batches and the best of them: a tick or an interrupt spoils only one. */
#define LINE_BATCHES  10
#define LINE_ROUNDS   500
#define LINE_LIMIT_NS 200000000u

struct line_pair {
    _Alignas(128) _Atomic uint32_t ping;
    _Alignas(128) _Atomic uint32_t pong;
};

/* Wait for a word to get a value; -1 when the other side is gone. */
static int line_await(_Atomic uint32_t *word, uint32_t value, uint64_t limit)
{
    for (;;) {
        for (int i = 0; i < 100000; i++)
            if (atomic_load_explicit(word, memory_order_acquire) == value)
                return 0;
        if (clock_now_ns() > limit)
            return -1;
    }
}

static int line_answer(void *user)
{
    struct line_pair *pair = user;
    uint64_t limit = clock_now_ns() + LINE_LIMIT_NS;

    for (uint32_t i = 1; i <= LINE_BATCHES * LINE_ROUNDS; i++) {
        if (line_await(&pair->ping, i, limit) < 0)
            return 1;
        atomic_store_explicit(&pair->pong, i, memory_order_release);
    }
    return 0;
}

static int line_ask(struct line_pair *pair, double *ret_best)
{
    uint64_t limit = clock_now_ns() + LINE_LIMIT_NS;
    double best = 0;
    uint32_t i = 0;

    for (int batch = 0; batch < LINE_BATCHES; batch++) {
        uint64_t start = clock_now_ns();
        double each;

        for (int n = 0; n < LINE_ROUNDS; n++) {
            atomic_store_explicit(&pair->ping, ++i, memory_order_release);
            if (line_await(&pair->pong, i, limit) < 0)
                return -1;
        }
        each = (double)(clock_now_ns() - start) / LINE_ROUNDS;
        if (best == 0 || each < best)
            best = each;
    }
    *ret_best = best;
    return 0;
}

double line_round_trip(const struct places *places)
{
    struct crew crew = { .count = 0 };
    struct line_pair *pair;
    cpu_set_t before;
    double best = 0;

    if (places->count < 2)
        return 0;
    pair = memory_share(sizeof(*pair));
    if (!pair)
        return 0;
    sched_getaffinity(0, sizeof(before), &before);
    if (crew_add(&crew, places->second, line_answer, pair) == 0 &&
        pin_to(places->first) == 0)
        (void)line_ask(pair, &best);
    sched_setaffinity(0, sizeof(before), &before);
    crew_wait(&crew, 1.0);
    memory_unshare(pair, sizeof(*pair));
    return best;
}
