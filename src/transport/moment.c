/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Yielding and spinning between looks that are system calls: see moment.h.
 */
#include "transport/moment.h"

#include "os/os.h"
#include "transport/patience.h"

#define LEAST_OUT          64u
#define MOST_OUT           65536u
#define LOOKS_BEFORE_YIELD 8u
#define LOOKS_UNASKED      8u /* then: is there another core at all? */
/* After so many vain spins, one of so many waits tries it again. */
#define VAIN_MOST 4u
#define VAIN_TRY  16u

/* Moments to leave out, because somebody else wants this core: who sleeps has
 * it sooner then than who waits awake. More each time that is found so again.
 * Of the whole process, for most connections are new. Guesses: threads may
 * lose a count. */
static _Atomic uint32_t left_out;
static _Atomic uint32_t next_out = LEAST_OUT;

/* Is this one to be left out? Counted when it is a new one. */
static int is_left_out(int is_new)
{
    uint32_t left = atomic_load_explicit(&left_out, memory_order_relaxed);

    if (left > 0 && is_new)
        atomic_store_explicit(&left_out, left - 1, memory_order_relaxed);
    return left > 0;
}

static void yield(void)
{
    uint64_t before = wpipe__os_now();
    uint32_t next = atomic_load_explicit(&next_out, memory_order_relaxed);

    wpipe__os_yield();
    if (wpipe__os_now() - before > WPIPE__LONG_YIELD_NS) {
        atomic_store_explicit(&left_out, next, memory_order_relaxed);
        next *= next < MOST_OUT ? 4 : 1;
    } else {
        next -= next > LEAST_OUT ? next / 16 : 0;
    }
    atomic_store_explicit(&next_out, next, memory_order_relaxed);
}

void wpipe__moment_yield(void)
{
    if (!is_left_out(1))
        yield();
}

/* Is a spin likely to be worth it? Counts it as vain until it has paid. */
static int may_spin(struct wpipe__moment *m)
{
    uint32_t vain = atomic_load_explicit(&m->habit->vain, memory_order_relaxed);

    atomic_store_explicit(&m->habit->vain, vain + 1, memory_order_relaxed);
    return vain < VAIN_MOST || vain % VAIN_TRY == 0;
}

int wpipe__moment_more(struct wpipe__moment *m)
{
    uint64_t now;

    if (m->spin_ns == 0 || is_left_out(m->looks == 0))
        return 0;
    if (m->looks++ < WPIPE__YIELDS) {
        yield();
        return 1;
    }
    now = wpipe__os_now();
    if (m->end == 0) {
        if (!may_spin(m))
            return 0;
        m->end = now + m->spin_ns;
        if (m->until && m->end > m->until)
            m->end = m->until;
    } else if (now >= m->end || (m->looks == WPIPE__YIELDS + LOOKS_UNASKED &&
                                 wpipe__os_one_core(m->pid))) {
        return 0;
    }
    if (m->looks % LOOKS_BEFORE_YIELD == 0)
        yield();
    else
        wpipe__os_pause();
    return 1;
}

void wpipe__moment_paid(struct wpipe__moment *m)
{
    if (m->end != 0)
        atomic_store_explicit(&m->habit->vain, 0, memory_order_relaxed);
}
