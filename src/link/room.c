/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaders, followers and wakes: see room.h. All operations on the words are
 * sequentially consistent. A sleeper stores that it sleeps and then loads
 * `turn`; who has news moves `turn` and then loads who sleeps; so one of the
 * two always sees the other.
 */
#include "link/room.h"

void wpipe__room_init(struct wpipe__room *room)
{
    atomic_store(&room->flag, WPIPE__NO_HANDLE);
}

void wpipe__room_done(struct wpipe__room *room)
{
    wpipe__os_close(atomic_exchange(&room->flag, WPIPE__NO_HANDLE));
}

int wpipe__room_need_flag(struct wpipe__room *room)
{
    wpipe__handle flag = WPIPE__NO_HANDLE;
    int r;

    if (atomic_load(&room->flag) != WPIPE__NO_HANDLE)
        return 0;
    r = wpipe__os_flag_open(&flag);
    if (r == 0)
        atomic_store(&room->flag, flag);
    return r;
}

void wpipe__room_tell(struct wpipe__room *room)
{
    atomic_fetch_add(&room->turn, 1);
    if (atomic_load(&room->following) > 0)
        wpipe__os_word_wake(&room->turn);
}

void wpipe__room_ring(struct wpipe__room *room)
{
    wpipe__handle flag;

    if (atomic_load(&room->polling) == 0)
        return;
    flag = atomic_load(&room->flag);
    if (flag != WPIPE__NO_HANDLE && atomic_exchange(&room->flagged, 1) == 0)
        wpipe__os_flag_set(flag);
}

void wpipe__room_news(struct wpipe__room *room)
{
    wpipe__room_tell(room);
    wpipe__room_ring(room);
}

int wpipe__room_fall_asleep(struct wpipe__room *room, uint32_t turn)
{
    atomic_fetch_add(&room->polling, 1);
    if (atomic_load(&room->turn) == turn)
        return 1;
    wpipe__room_awake(room);
    return 0;
}

void wpipe__room_awake(struct wpipe__room *room)
{
    atomic_fetch_sub(&room->polling, 1);
}

void wpipe__room_clear(struct wpipe__room *room)
{
    /* in this order: who finds `flagged` set relies on the look that comes
     * after it was cleared */
    (void)wpipe__os_flag_clear(atomic_load(&room->flag));
    atomic_store(&room->flagged, 0);
}

void wpipe__room_watch(struct wpipe__room *room)
{
    atomic_fetch_add(&room->polling, 1);
}

int wpipe__room_follow(struct wpipe__room *room, uint32_t turn,
                       uint64_t deadline)
{
    int r;

    atomic_fetch_add(&room->following, 1);
    r = wpipe__os_word_wait(&room->turn, turn, deadline);
    atomic_fetch_sub(&room->following, 1);
    return r;
}

/* ---- wakes -------------------------------------------------------------- */

void wpipe__room_wake(struct wpipe__room *room)
{
    atomic_fetch_add(&room->wakes, 1);
    wpipe__room_news(room);
}

/* Wakes that nobody was told of yet are for this wait, too: who they were for
 * may have ended for a reason of its own. */
uint32_t wpipe__room_wakes(struct wpipe__room *room)
{
    return atomic_load(&room->told);
}

int wpipe__room_woken(struct wpipe__room *room, uint32_t noted)
{
    uint32_t wakes = atomic_load_explicit(&room->wakes, memory_order_relaxed);
    uint32_t told;

    if (wakes == noted)
        return 0;
    told = atomic_load(&room->told);
    while ((int32_t)(wakes - told) > 0 &&
           !atomic_compare_exchange_weak(&room->told, &told, wakes))
        ;
    return 1;
}

int wpipe__room_owes_wake(struct wpipe__room *room)
{
    return atomic_load(&room->wakes) != atomic_load(&room->told);
}
