/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Learning whether to ring early: see early.h. An answer that comes sooner is
 * some microseconds gained, a bell in vain is a wake-up lost: so it has to pay
 * two times out of three, or is soon tried once in a thousand wakes.
 */
#include "transport/early.h"

static uint32_t next_of(const struct wpipe__early *e)
{
    uint32_t next = atomic_load_explicit(&e->next, memory_order_relaxed);

    return next < WPIPE__EARLY_LEAST ? WPIPE__EARLY_LEAST : next;
}

static void in_vain(struct wpipe__early *e)
{
    uint32_t next = next_of(e);

    atomic_store_explicit(&e->out, next, memory_order_relaxed);
    next = next < WPIPE__EARLY_MOST / 4 ? next * 4 : WPIPE__EARLY_MOST;
    atomic_store_explicit(&e->next, next, memory_order_relaxed);
}

void wpipe__early_sleep(struct wpipe__early *e, uint64_t head, uint64_t tail)
{
    uint32_t talk = atomic_load_explicit(&e->talk, memory_order_relaxed);

    if (tail == atomic_load_explicit(&e->tail, memory_order_relaxed))
        return;
    if (head != atomic_load_explicit(&e->head, memory_order_relaxed)) {
        talk += talk < WPIPE__EARLY_TALK;
    } else {
        talk = 0;
        if (atomic_load_explicit(&e->pending, memory_order_relaxed))
            in_vain(e);
    }
    atomic_store_explicit(&e->pending, 0, memory_order_relaxed);
    atomic_store_explicit(&e->talk, talk, memory_order_relaxed);
    atomic_store_explicit(&e->head, head, memory_order_relaxed);
    atomic_store_explicit(&e->tail, tail, memory_order_relaxed);
}

void wpipe__early_pause(struct wpipe__early *e)
{
    atomic_store_explicit(&e->talk, 0, memory_order_relaxed);
}

int wpipe__early_due(struct wpipe__early *e)
{
    uint32_t out = atomic_load_explicit(&e->out, memory_order_relaxed);

    if (out == 0)
        return 1;
    atomic_store_explicit(&e->out, out - 1, memory_order_relaxed);
    return 0;
}

void wpipe__early_rung(struct wpipe__early *e)
{
    atomic_store_explicit(&e->pending, 1, memory_order_relaxed);
}

void wpipe__early_judge(struct wpipe__early *e, int again)
{
    if (!atomic_load_explicit(&e->pending, memory_order_relaxed))
        return;
    atomic_store_explicit(&e->pending, 0, memory_order_relaxed);
    if (again)
        in_vain(e);
    else
        atomic_store_explicit(&e->next, next_of(e) / 2, memory_order_relaxed);
}
