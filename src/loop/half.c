/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of half messages is exact only at a turn: one that is finished
 * meanwhile stays in it until then, so that whole messages cost nothing.
 */
#include "loop/half.h"

#include "base/ring.h"
#include "loop/end.h"

enum {
    EIGHTHS = 8
};

static uint64_t next_turn(const struct wpipe__loop *loop)
{
    return wpipe__os_now() +
           (uint64_t)loop->message_ms * UINT64_C(1000000) / EIGHTHS;
}

void wpipe__loop_half(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    if (loop->message_ms < 0 || !wpipe__conn_takes(conn) ||
        !wpipe__list_empty(&conn->half))
        return;
    wpipe__list_append(&loop->halves, &conn->half);
    conn->half_of = conn->messages_in;
    conn->inbox.eighths = 0;
    if (loop->half_at != UINT64_MAX)
        return; /* that turn comes for it, too */
    loop->half_at = next_turn(loop);
    wpipe__loop_set_timer(loop, wpipe__min_u64(loop->timer, loop->half_at));
}

/* It is the same message, and the peer keeps us waiting: how many eighths
 * now. */
static unsigned count(struct wpipe__conn *conn)
{
    if (conn->half_of != conn->messages_in)
        conn->inbox.eighths = 0;
    conn->half_of = conn->messages_in;
    return ++conn->inbox.eighths;
}

/* Look at one. The first eighth may be a part of one. */
static void judge(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    struct wpipe__record record;

    if (!wpipe__conn_takes(conn) || !wpipe__conn_is_half(conn)) {
        wpipe__list_remove(&conn->half);
        return;
    }
    wpipe__loop_pump(loop, conn); /* and what else it has to say */
    if (conn->link->transport->look(conn->link, &record) == 0 &&
        count(conn) > EIGHTHS)
        wpipe__loop_end(loop, conn, WPIPE__STATE_DISCONNECTED,
                        WPIPE_REASON_SLOW, WPIPE_ETIMEDOUT);
}

void wpipe__loop_half_turn(struct wpipe__loop *loop)
{
    struct wpipe__list *node = wpipe__list_first(&loop->halves);

    if (wpipe__os_now() < loop->half_at)
        return;
    while (node != NULL) {
        struct wpipe__conn *conn =
            wpipe__container_of(node, struct wpipe__conn, half);

        node = wpipe__list_next(&loop->halves, node);
        judge(loop, conn);
    }
    loop->half_at =
        wpipe__list_empty(&loop->halves) ? UINT64_MAX : next_turn(loop);
}
