/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaders, followers and wakes: see waiters.h. All operations on the words are
 * sequentially consistent. A sleeper stores that it sleeps and then loads
 * `turn`; who has news moves `turn` and then loads who sleeps; so one of the
 * two always sees the other.
 */
#include "link/waiters.h"

void wpipe__waiters_init(struct wpipe__waiters *waiters)
{
    atomic_store(&waiters->flag, WPIPE__NO_HANDLE);
}

void wpipe__waiters_done(struct wpipe__waiters *waiters)
{
    wpipe__os_close(atomic_exchange(&waiters->flag, WPIPE__NO_HANDLE));
}

int wpipe__waiters_need_flag(struct wpipe__waiters *waiters)
{
    wpipe__handle flag = WPIPE__NO_HANDLE;
    int r;

    if (atomic_load(&waiters->flag) != WPIPE__NO_HANDLE)
        return 0;
    r = wpipe__os_flag_open(&flag);
    if (r == 0)
        atomic_store(&waiters->flag, flag);
    return r;
}

void wpipe__waiters_tell(struct wpipe__waiters *waiters)
{
    atomic_fetch_add(&waiters->turn, 1);
    if (atomic_load(&waiters->following) > 0)
        wpipe__os_word_wake(&waiters->turn);
}

void wpipe__waiters_ring(struct wpipe__waiters *waiters)
{
    wpipe__handle flag;

    if (atomic_load(&waiters->polling) == 0)
        return;
    flag = atomic_load(&waiters->flag);
    if (flag != WPIPE__NO_HANDLE && atomic_exchange(&waiters->flagged, 1) == 0)
        wpipe__os_flag_set(flag);
}

void wpipe__waiters_news(struct wpipe__waiters *waiters)
{
    wpipe__waiters_tell(waiters);
    wpipe__waiters_ring(waiters);
}

int wpipe__waiters_fall_asleep(struct wpipe__waiters *waiters, uint32_t turn)
{
    atomic_fetch_add(&waiters->polling, 1);
    if (atomic_load(&waiters->turn) == turn)
        return 1;
    wpipe__waiters_awake(waiters);
    return 0;
}

void wpipe__waiters_awake(struct wpipe__waiters *waiters)
{
    atomic_fetch_sub(&waiters->polling, 1);
}

void wpipe__waiters_clear(struct wpipe__waiters *waiters)
{
    /* in this order: who finds `flagged` set relies on the look that comes
     * after it was cleared */
    (void)wpipe__os_flag_clear(atomic_load(&waiters->flag));
    atomic_store(&waiters->flagged, 0);
}

void wpipe__waiters_watch(struct wpipe__waiters *waiters)
{
    atomic_fetch_add(&waiters->polling, 1);
}

int wpipe__waiters_follow(struct wpipe__waiters *waiters, uint32_t turn,
                          uint64_t deadline)
{
    int r;

    atomic_fetch_add(&waiters->following, 1);
    r = wpipe__os_word_wait(&waiters->turn, turn, deadline);
    atomic_fetch_sub(&waiters->following, 1);
    return r;
}

/* ---- wakes -------------------------------------------------------------- */

void wpipe__waiters_wake(struct wpipe__waiters *waiters)
{
    atomic_fetch_add(&waiters->wakes, 1);
    wpipe__waiters_news(waiters);
}

/* Wakes that nobody was told of yet are for this wait, too: who they were for
 * may have ended for a reason of its own. */
uint32_t wpipe__waiters_wakes(struct wpipe__waiters *waiters)
{
    return atomic_load(&waiters->told);
}

int wpipe__waiters_woken(struct wpipe__waiters *waiters, uint32_t noted)
{
    uint32_t wakes =
        atomic_load_explicit(&waiters->wakes, memory_order_relaxed);
    uint32_t told;

    if (wakes == noted)
        return 0;
    told = atomic_load(&waiters->told);
    while ((int32_t)(wakes - told) > 0 &&
           !atomic_compare_exchange_weak(&waiters->told, &told, wakes))
        ;
    return 1;
}

int wpipe__waiters_owes_wake(struct wpipe__waiters *waiters)
{
    return atomic_load(&waiters->wakes) != atomic_load(&waiters->told);
}
