/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wakes: each ends all the calls that wait at that moment, or, when there are
 * none, the next one. Who waits counts himself and remembers how many wakes
 * there were; a wake counts itself and looks whether anybody is there.
 */
#include "core/loop.h"

void wpipe__loop_note_wake(struct wpipe__loop *loop)
{
    /* pairs with part: either it sees this wake, or we see that it is gone;
     * and with stay: who has not remembered this one has not begun, either */
    atomic_fetch_add(&loop->wakes, 1);
    if (atomic_load(&loop->stays) == 0)
        atomic_store(&loop->woken, 1);
}

void wpipe__loop_stay(struct wpipe__loop *loop, struct wpipe__stay *stay)
{
    if (stay->begun)
        return;
    stay->begun = 1;
    stay->wakes = atomic_load(&loop->wakes); /* before we are seen */
    atomic_fetch_add(&loop->stays, 1);
}

int wpipe__loop_woken(struct wpipe__loop *loop, struct wpipe__stay *stay)
{
    if (loop->stopped)
        return 1;
    if (stay->begun && atomic_load(&loop->wakes) != stay->wakes)
        stay->woken = 1;
    /* asked before each event: no exchange while there is nothing */
    if (atomic_load_explicit(&loop->woken, memory_order_relaxed) &&
        atomic_exchange(&loop->woken, 0))
        stay->woken = 1;
    return stay->woken;
}

void wpipe__loop_part(struct wpipe__loop *loop, struct wpipe__stay *stay)
{
    if (!stay->begun)
        return;
    atomic_fetch_sub(&loop->stays, 1);
    if (!stay->woken && !loop->stopped &&
        atomic_load(&loop->wakes) != stay->wakes)
        atomic_store(&loop->woken, 1);
}
