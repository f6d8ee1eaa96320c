/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending over the connections of a loop, and asking how far the peer is: both
 * may take news off the socket, which is then looked at.
 */
#include "loop/inside.h"
#include "loop/loop.h"

/* The errors that are about the message, not about the connection. */
static int is_callers(int error)
{
    return error == WPIPE_EAGAIN || error == WPIPE_EMSGSIZE ||
           error == WPIPE_ENOMEM || error == WPIPE_ESTATE ||
           error == WPIPE_ENOTCONN || error == WPIPE_ENOTSUP ||
           error == WPIPE_EINVAL;
}

void wpipe__loop_moved(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    if (!conn->closing && wpipe__outbox_writable(&conn->outbox))
        wpipe__loop_tell(loop, conn, WPIPE__TELL_WRITABLE);
    wpipe__waiters_tell(&loop->waiters);
}

/* Say what it waits for, unless it is looked at anyhow; what happened just
 * before is seen by the look after it. A look that took a bell off the socket
 * leaves it to the active ones, who arm anew. */
static void arm_again(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    unsigned wants = wpipe__conn_wants(conn);
    uint32_t turn = wpipe__loop_turn_of(conn->link);
    int r;

    if (conn->turn != NULL || (wants & ~(unsigned)conn->armed) == 0)
        return;
    wpipe__conn_arm(conn, wants);
    r = wpipe__conn_flush(conn, loop->shared_budget);
    if (r > 0)
        wpipe__loop_moved(loop, conn);
    if (r == 0 && conn->drainers == 0 &&
        turn == wpipe__loop_turn_of(conn->link))
        return;
    wpipe__loop_activate(loop, conn);
    wpipe__loop_attend(loop);
}

/* The budget did not give what it wants: it will be told. What becomes free
 * before it is on the list is seen by the nudge. */
static void want_memory(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    if (wpipe__list_empty(&conn->aside)) {
        wpipe__list_append(&loop->wanting, &conn->aside);
        atomic_fetch_add(&loop->shared_budget->wanting, 1);
    }
    if (wpipe__conn_may_send(conn, loop->shared_budget))
        wpipe__loop_nudge(loop);
}

void wpipe__loop_feed(struct wpipe__loop *loop)
{
    struct wpipe__list *node = wpipe__list_first(&loop->wanting);

    while (node != NULL) {
        struct wpipe__conn *conn =
            wpipe__container_of(node, struct wpipe__conn, aside);

        node = wpipe__list_next(&loop->wanting, node);
        if (!wpipe__conn_may_send(conn, loop->shared_budget))
            continue;
        wpipe__loop_not_aside(loop, conn);
        conn->outbox.wanting = 0;
        wpipe__loop_moved(loop, conn);
    }
}

int wpipe__loop_send(struct wpipe__loop *loop, struct wpipe__conn *conn,
                     const struct wpipe__outgoing *outgoing, int want_writable)
{
    struct wpipe__link *link = conn->link;
    uint32_t turn;
    int r;

    if (link == NULL || conn->write_closed || conn->closing || loop->closing)
        return WPIPE_ENOTCONN;
    turn = wpipe__loop_turn_of(link);
    r = wpipe__conn_send(conn, loop->shared_budget, outgoing, want_writable);
    wpipe__loop_watch(loop, conn);
    if (r < 0 && !is_callers(r)) {
        conn->write_closed = 1;
        r = WPIPE_ENOTCONN;
    }
    if (conn->write_closed || turn != wpipe__loop_turn_of(link)) {
        /* the end, or what sending took off the socket, is to be looked at */
        wpipe__loop_count_received(loop, conn);
        wpipe__loop_activate(loop, conn);
        wpipe__loop_attend(loop);
    } else if (!wpipe__outbox_empty(&conn->outbox)) {
        arm_again(loop, conn);
    }
    if (r == WPIPE_EAGAIN && conn->outbox.wanting > 0)
        want_memory(loop, conn);
    return r < 0 ? r : 0;
}

void wpipe__loop_drainer(struct wpipe__loop *loop, struct wpipe__conn *conn,
                         int more)
{
    if (!more) {
        conn->drainers--;
        return;
    }
    conn->drainers++;
    arm_again(loop, conn);
}

/* Something was asked of the link: did that take news off the socket? */
static void see_news(struct wpipe__loop *loop, struct wpipe__conn *conn,
                     uint32_t turn)
{
    if (turn == wpipe__loop_turn_of(conn->link))
        return;
    wpipe__loop_count_received(loop, conn);
    wpipe__loop_activate(loop, conn);
    wpipe__loop_attend(loop);
}

void wpipe__loop_wake_peer(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    uint32_t turn = wpipe__loop_turn_of(conn->link);

    conn->link->transport->wake_peer(conn->link);
    see_news(loop, conn, turn);
}

int wpipe__loop_drained(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    struct wpipe__link *link = conn->link;
    uint32_t turn = wpipe__loop_turn_of(link);
    int r = link->transport->drained(link);

    wpipe__loop_watch(loop, conn);
    see_news(loop, conn, turn);
    return r;
}

int wpipe__loop_shared(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    struct wpipe__link *link = conn->link;
    uint32_t turn = wpipe__loop_turn_of(link);
    int r = link->transport->shared(link);

    see_news(loop, conn, turn);
    return r > 0 ? r : 0;
}
