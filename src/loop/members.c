/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of a loop, one by one: polled, looked at, told about; and the
 * loop's lock. How one ends is in end.c. Called by all of src/loop, and by
 * servers and clients.
 */
#include "base/ring.h"
#include "loop/inside.h"

/* ---- the lock ----------------------------------------------------------- */

void wpipe__loop_lock(struct wpipe__loop *loop)
{
    if (!atomic_load_explicit(&loop->spinning, memory_order_relaxed)) {
        wpipe__mutex_lock(&loop->lock);
        return;
    }
    /* a spinner takes the lock again and again: ask it to let us in */
    atomic_fetch_add_explicit(&loop->contenders, 1, memory_order_relaxed);
    wpipe__mutex_lock(&loop->lock);
    atomic_fetch_sub_explicit(&loop->contenders, 1, memory_order_relaxed);
}

void wpipe__loop_leave(struct wpipe__loop *loop)
{
    wpipe__mutex_unlock(&loop->lock);
}

void wpipe__loop_unlock(struct wpipe__loop *loop)
{
    struct wpipe__log *log = loop->log;

    wpipe__mutex_unlock(&loop->lock);
    wpipe__log_tell(log);
}

int wpipe__loop_use(struct wpipe__loop *loop)
{
    if (loop->generation != wpipe__os_generation())
        return WPIPE_ESTATE;
    wpipe__loop_lock(loop);
    return 0;
}

void wpipe__loop_attend(struct wpipe__loop *loop)
{
    wpipe__waiters_news(&loop->waiters);
}

void wpipe__loop_nudge(struct wpipe__loop *loop)
{
    /* pairs with the exchange in dispatch, before which the waiters were told
     * */
    if (atomic_exchange(&loop->nudged, 1) == 0)
        wpipe__waiters_news(&loop->waiters);
}

/* ---- connections -------------------------------------------------------- */

int wpipe__loop_join(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    int r = wpipe__budget_join(loop->shared_budget, conn->uid, &conn->account);

    if (r == 0)
        r = wpipe__os_poller_add(loop->poller, conn->link->socket, conn->id);
    if (r < 0)
        return r; /* it leaves the budget when it is freed */
    conn->polled = 1;
    conn->link->polled = 1;
    conn->interest = WPIPE__INTEREST_IN;
    wpipe__log_connected(loop->log, conn->link, conn->id);
    return 0;
}

void wpipe__loop_watch(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    struct wpipe__link *link = conn->link;
    unsigned interest;

    if (link == NULL || !wpipe__loop_is_foreign(link))
        return;
    wpipe__conn_count_pending(conn, loop->shared_budget);
    if (!conn->polled)
        return;
    interest = link->transport->interest(link) &
               (WPIPE__INTEREST_IN | WPIPE__INTEREST_OUT);
    if (interest == conn->interest)
        return;
    conn->interest = (uint8_t)interest;
    (void)wpipe__os_poller_change(loop->poller, link->socket, conn->id,
                                  interest);
}

void wpipe__loop_stop_polling(struct wpipe__loop *loop,
                              struct wpipe__conn *conn)
{
    if (!conn->polled)
        return;
    conn->polled = 0;
    conn->link->polled = 0;
    wpipe__os_poller_remove(loop->poller, conn->link->socket);
}

void wpipe__loop_not_aside(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    if (wpipe__list_empty(&conn->aside))
        return;
    wpipe__list_remove(&conn->aside);
    if (!conn->closing)
        atomic_fetch_sub(&loop->shared_budget->wanting, 1);
}

void wpipe__loop_activate(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    conn->seen = loop->round;
    if (conn->link == NULL || conn->turn != NULL)
        return;
    conn->armed = 0; /* if it was rung: a new sleep takes a new epoch */
    wpipe__turn_add(loop, conn);
    (void)conn->link->transport->same_core(conn->link); /* it tells ours */
}

/* Does somebody here wait until the peer reads on? It cannot, once it is gone;
 * what it wrote may still be unread then. */
static void see_gone(struct wpipe__conn *conn)
{
    if ((conn->drainers > 0 || !wpipe__outbox_empty(&conn->outbox)) &&
        conn->link->transport->gone(conn->link) != 0)
        conn->write_closed = 1;
}

void wpipe__loop_pump(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    const struct wpipe__transport *t;

    if (conn->link == NULL)
        return;
    t = conn->link->transport;
    if (t->pump(conn->link) < 0)
        wpipe__loop_stop_polling(loop,
                                 conn); /* it would be readable for ever */
    see_gone(conn);
    wpipe__loop_watch(loop, conn);
    wpipe__loop_activate(loop, conn);
    wpipe__loop_count_received(loop, conn);
    wpipe__waiters_tell(&loop->waiters);
}

void wpipe__loop_tell(struct wpipe__loop *loop, struct wpipe__conn *conn,
                      uint8_t what)
{
    conn->tell |= what;
    if (wpipe__list_empty(&conn->notice))
        wpipe__list_append(&loop->notices, &conn->notice);
    wpipe__loop_attend(loop);
}
