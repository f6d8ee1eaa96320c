/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Yielding and spinning between looks that are system calls: see moment.h.
 */
#include "transport/moment.h"

#include "os/os.h"

/* A yield that took this long met somebody who wants the core for himself. */
#define LONG_YIELD_NS      1000000u
#define LEFT_OUT           100u
#define YIELDS             2u
#define LOOKS_BEFORE_YIELD 8u
#define LOOKS_UNASKED      8u /* then: is there another core at all? */
/* After so many vain spins, one of so many waits tries it again. */
#define VAIN_MOST 4u
#define VAIN_TRY  16u

void wpipe__moment_yield(struct wpipe__habit *habit)
{
    uint32_t left =
        atomic_load_explicit(&habit->no_yield, memory_order_relaxed);
    uint64_t before;

    if (left > 0) {
        atomic_store_explicit(&habit->no_yield, left - 1, memory_order_relaxed);
        return;
    }
    before = wpipe__os_now();
    wpipe__os_yield();
    if (wpipe__os_now() - before > LONG_YIELD_NS)
        atomic_store_explicit(&habit->no_yield, LEFT_OUT, memory_order_relaxed);
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

    if (m->spin_ns == 0)
        return 0;
    if (m->looks++ < YIELDS) {
        wpipe__moment_yield(m->habit);
        return 1;
    }
    now = wpipe__os_now();
    if (m->end == 0) {
        if (!may_spin(m))
            return 0;
        m->end = now + m->spin_ns;
        if (m->until && m->end > m->until)
            m->end = m->until;
    } else if (now >= m->end || (m->looks == YIELDS + LOOKS_UNASKED &&
                                 wpipe__os_one_core(m->pid))) {
        return 0;
    }
    if (m->looks % LOOKS_BEFORE_YIELD == 0)
        wpipe__moment_yield(m->habit);
    else
        wpipe__os_pause();
    return 1;
}

void wpipe__moment_paid(struct wpipe__moment *m)
{
    if (m->end != 0)
        atomic_store_explicit(&m->habit->vain, 0, memory_order_relaxed);
}
