/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting until a peer has read, and the end of a connection, in good order or
 * not. Called by servers and clients, and by those of src/loop who find that
 * one is over.
 */
#include "loop/end.h"

#include <string.h>

#include "base/ring.h"
#include "loop/half.h"
#include "loop/inside.h"

enum {
    LOOK_MS = 2 /* how often to ask what gives no sign */
};

/* A thread that waits for one to have read everything. */
struct drain {
    struct wpipe__list node;
    const struct wpipe__conn *conn; /* NULL: it is over */
    int result;                     /* then */
};

/* ---- how far it is ------------------------------------------------------ */

/* Is it with the peer, or the system: 1; 0 not all; < 0. */
static int is_handed(const struct wpipe__conn *conn)
{
    struct wpipe__link *link = conn->link;

    if (conn->write_closed || link->transport->gone(link) < 0)
        return WPIPE_ENOTCONN;
    if (!wpipe__outbox_empty(&conn->outbox))
        return 0;
    return link->transport->flushed == NULL ? 1
                                            : link->transport->flushed(link);
}

/* It has read all of it, or had when it ended. */
static int lost_nothing(const struct wpipe__conn *conn)
{
    return conn->lost_messages == 0 && conn->lost_bytes == 0 ? 1
                                                             : WPIPE_ENOTCONN;
}

int wpipe__loop_reached(struct wpipe__loop *loop, struct wpipe__conn *conn,
                        enum wpipe__until until)
{
    int r;

    if (conn->link == NULL)
        return lost_nothing(conn);
    if (until == WPIPE__UNTIL_HANDED)
        r = is_handed(conn);
    else if (!wpipe__outbox_empty(&conn->outbox))
        r = conn->write_closed ? WPIPE_ENOTCONN : 0;
    else
        r = wpipe__loop_drained(loop, conn);
    return r < 0 ? WPIPE_ENOTCONN : r;
}

/* ---- drain -------------------------------------------------------------- */

int wpipe__loop_await_read(struct wpipe__loop *loop, struct wpipe__link *link,
                           struct wpipe__rest *rest)
{
    const struct wpipe__timer timer = rest->timer;
    uint64_t deadline;
    int r;

    if (timer.timeout_ms == 0 ||
        !(link->transport->interest(link) & WPIPE__INTEREST_SOON))
        return wpipe__loop_follow(loop, rest);
    deadline = wpipe__timer_deadline(&rest->timer);
    rest->timer = (struct wpipe__timer){ LOOK_MS, 0 };
    r = wpipe__loop_follow(loop, rest);
    rest->timer = (struct wpipe__timer){ timer.timeout_ms, deadline };
    if (r == WPIPE_ETIMEDOUT && wpipe__os_now() < deadline)
        r = 0;
    return r;
}

int wpipe__loop_drain(struct wpipe__loop *loop, struct wpipe__conn *conn,
                      struct wpipe__rest *rest)
{
    struct drain drain = { .conn = conn };
    int r = 0;

    if (conn->link == NULL)
        return lost_nothing(conn) < 0 ? WPIPE_ENOTCONN : 0;
    wpipe__list_init(&drain.node);
    wpipe__list_append(&loop->drains, &drain.node);
    wpipe__loop_drainer(loop, conn, 1);
    while (drain.conn != NULL && r == 0) {
        r = wpipe__loop_reached(loop, conn, WPIPE__UNTIL_READ);
        if (r != 0)
            break;
        r = wpipe__loop_await_read(loop, conn->link, rest);
    }
    wpipe__list_remove(&drain.node);
    if (drain.conn == NULL)
        return drain.result;
    wpipe__loop_drainer(loop, conn, 0);
    return r < 0 ? r : 0;
}

/* Tell those who wait for one that has ended. */
static void end_drains(struct wpipe__loop *loop, const struct wpipe__conn *conn)
{
    struct wpipe__list *node = wpipe__list_first(&loop->drains);

    for (; node != NULL; node = wpipe__list_next(&loop->drains, node)) {
        struct drain *drain = wpipe__container_of(node, struct drain, node);

        if (drain->conn != conn)
            continue;
        drain->conn = NULL;
        drain->result = lost_nothing(conn) < 0 ? WPIPE_ENOTCONN : 0;
    }
}

/* ---- the end ------------------------------------------------------------ */

/* It is closing from now on: in loop.leaving. */
static void set_aside(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    wpipe__loop_not_aside(loop, conn);
    conn->closing = 1;
    wpipe__calls_end(loop, conn, WPIPE_ENOTCONN); /* nothing more is read */
    wpipe__list_append(&loop->leaving, &conn->aside);
}

void wpipe__loop_end(struct wpipe__loop *loop, struct wpipe__conn *conn,
                     uint32_t state, int reason, int error)
{
    if (conn->link == NULL)
        return;
    wpipe__loop_stop_polling(loop, conn);
    wpipe__turn_remove(loop, conn);
    wpipe__loop_not_aside(loop, conn);
    wpipe__loop_not_half(loop, conn);
    wpipe__conn_end(conn, loop->shared_budget, state, reason, error);
    end_drains(loop, conn);
    wpipe__calls_end(loop, conn, WPIPE_ENOTCONN);
    conn->tell &= (uint8_t) ~(WPIPE__TELL_WRITABLE | WPIPE__TELL_FINISHED);
    wpipe__loop_tell(loop, conn, WPIPE__TELL_DISCONNECTED);
    loop->owner->ended(loop, conn);
    wpipe__waiters_tell(&loop->waiters);
}

void wpipe__loop_close(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    if (conn->link == NULL)
        return;
    wpipe__loop_end(loop, conn,
                    wpipe__conn_keeps(conn) ? WPIPE__STATE_DROPPED
                                            : WPIPE__STATE_CLOSED,
                    WPIPE_REASON_CLOSED, 0);
}

/* When to look at it again: what gives no sign is asked now and then, less
 * often the longer it takes. */
static uint64_t look_at(const struct wpipe__conn *conn, uint64_t now)
{
    struct wpipe__link *link = conn->link;
    uint64_t since = now - wpipe__min_u64(now, conn->leave_since);
    uint64_t soon = now + LOOK_MS * UINT64_C(1000000) + since / 8;

    return link->transport->interest(link) & WPIPE__INTEREST_SOON
               ? wpipe__min_u64(soon, conn->leave_by)
               : conn->leave_by;
}

int wpipe__loop_disconnect(struct wpipe__loop *loop, struct wpipe__conn *conn,
                           int linger_ms)
{
    if (conn->link == NULL || conn->closing || loop->closing)
        return WPIPE_ENOTCONN;
    (void)wpipe__conn_flush(conn, loop->shared_budget);
    if (linger_ms == 0 ||
        wpipe__loop_reached(loop, conn, WPIPE__UNTIL_READ) != 0) {
        wpipe__loop_close(loop, conn);
        return 0;
    }
    set_aside(loop, conn);
    loop->linger_ms = linger_ms;
    conn->leave_since = wpipe__os_now();
    conn->leave_by = wpipe__os_deadline(linger_ms);
    conn->leave_left = wpipe__conn_unread(conn);
    loop->leave_at =
        wpipe__min_u64(loop->leave_at, look_at(conn, conn->leave_since));
    wpipe__loop_drainer(loop, conn, 1);
    wpipe__loop_activate(loop, conn);
    wpipe__loop_attend(loop);
    return 0;
}

/* Its time is over, and it has read nothing in it. */
static int has_stalled(const struct wpipe__loop *loop, struct wpipe__conn *conn,
                       uint64_t now)
{
    uint64_t left;

    if (now < conn->leave_by)
        return 0;
    left = wpipe__conn_unread(conn);
    if (left >= conn->leave_left)
        return 1;
    conn->leave_left = left;
    conn->leave_by = wpipe__os_deadline(loop->linger_ms);
    return 0;
}

void wpipe__loop_see_off(struct wpipe__loop *loop)
{
    struct wpipe__list *node = wpipe__list_first(&loop->leaving);
    uint64_t now = wpipe__os_now();

    if (now < loop->leave_at)
        return;
    loop->leave_at = UINT64_MAX;
    while (node != NULL) {
        struct wpipe__conn *conn =
            wpipe__container_of(node, struct wpipe__conn, aside);

        node = wpipe__list_next(&loop->leaving, node);
        (void)wpipe__conn_flush(conn, loop->shared_budget);
        if (has_stalled(loop, conn, now) ||
            wpipe__loop_reached(loop, conn, WPIPE__UNTIL_READ) != 0)
            wpipe__loop_close(loop, conn);
        else
            loop->leave_at = wpipe__min_u64(loop->leave_at, look_at(conn, now));
    }
}

void wpipe__lost_add(wpipe_lost *lost, const struct wpipe__conn *conn)
{
    if (lost_nothing(conn) > 0)
        return;
    lost->peers++;
    lost->messages = conn->lost_messages == WPIPE_LOST_UNKNOWN ||
                             lost->messages == WPIPE_LOST_UNKNOWN
                         ? WPIPE_LOST_UNKNOWN
                         : lost->messages + conn->lost_messages;
    lost->bytes = conn->lost_bytes == WPIPE_LOST_UNKNOWN ||
                          lost->bytes == WPIPE_LOST_UNKNOWN
                      ? WPIPE_LOST_UNKNOWN
                      : lost->bytes + conn->lost_bytes;
}

int wpipe__lost_check(const wpipe_lost *ret_lost)
{
    return ret_lost != NULL && (ret_lost->size < sizeof(ret_lost->size) ||
                                ret_lost->size > sizeof(*ret_lost))
               ? WPIPE_EINVAL
               : 0;
}

void wpipe__lost_give(const wpipe_lost *lost, wpipe_lost *ret_lost)
{
    wpipe_lost copy = *lost;

    if (ret_lost == NULL)
        return;
    copy.size = ret_lost->size;
    memcpy(ret_lost, &copy, ret_lost->size);
}
