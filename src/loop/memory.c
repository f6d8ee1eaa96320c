/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a loop does about the memory that its connections share: it counts what
 * was received and is not read, and ends one when there is none.
 *
 * Who has to go: whoever asks for more than his user's share takes it from his
 * own connections, the greatest one. Whoever asks within his share when there
 * is nothing left takes it from the user who holds most, who is beyond his
 * share then. So one who asks for little cannot end what others hold. When too
 * much is received and not read, it is the user with most of that.
 *
 * All under the loop's lock; used by src/loop alone, but for shed.
 */
#include "base/ring.h"
#include "loop/end.h"
#include "loop/inside.h"

/* One who has to go for the sake of this one; maybe itself. */
static struct wpipe__conn *victim_for(struct wpipe__loop *loop,
                                      struct wpipe__conn *conn, uint64_t n)
{
    const struct wpipe__budget *budget = loop->shared_budget;
    const struct wpipe__account *own = conn->account;
    struct wpipe__conn *victim;

    if (loop->owner->greatest == NULL || own == NULL)
        return conn;
    if (wpipe__budget_lacks(budget, n) &&
        !wpipe__budget_is_greedy(budget, own, n)) {
        victim = loop->owner->greatest(loop, NULL, wpipe__conn_is_greater);
        if (victim != NULL &&
            wpipe__budget_is_greedy(budget, victim->account, 0))
            return victim;
    }
    victim = loop->owner->greatest(loop, own, wpipe__conn_is_greater);
    return victim != NULL && wpipe__conn_is_greater(victim, conn) ? victim
                                                                  : conn;
}

void wpipe__loop_make_room(struct wpipe__loop *loop, struct wpipe__conn *conn,
                           uint64_t n)
{
    wpipe__loop_end(loop, victim_for(loop, conn, n), WPIPE__STATE_DISCONNECTED,
                    WPIPE_REASON_MEMORY, WPIPE_ENOMEM);
}

/* May this connection be why too much is unread? One whose user has little
 * unread does not end others for what another thread's have. */
static int is_why(const struct wpipe__loop *loop,
                  const struct wpipe__conn *conn)
{
    const struct wpipe__budget *budget = loop->shared_budget;

    return conn->link != NULL && conn->received > 0 &&
           wpipe__budget_is_flooded(budget) &&
           wpipe__budget_is_behind(budget, conn->account);
}

void wpipe__loop_shed(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    while (is_why(loop, conn))
        wpipe__loop_end(
            loop, loop->owner->greatest(loop, NULL, wpipe__conn_is_fuller),
            WPIPE__STATE_DISCONNECTED, WPIPE_REASON_MEMORY, WPIPE_ENOMEM);
}
