/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop, and what a wait finds in it: what is to be told, and the messages of
 * the active connections in turn. Its connections one by one are in members.c,
 * their end in end.c, sending in send.c, sleeping in rest.c. Called by servers
 * and clients, and by rest.c before a sleep.
 */
#include "loop/loop.h"

#include <string.h>

#include "base/ring.h"
#include "loop/end.h"
#include "loop/half.h"
#include "loop/inside.h"

enum {
    BURST = 32, /* messages before the next connection has its turn */
    /* rounds of asking the sockets in which a connection was quiet, and others
     * were busy: then it is armed. A look costs little, so where there are few
     * they stay until their turn on a shared core has come round */
    QUIET_ROUNDS = 16,
    FEW_QUIET_ROUNDS = 4096,
    FEW = 32
};

/* ---- life --------------------------------------------------------------- */

int wpipe__loop_init(struct wpipe__loop *loop,
                     const struct wpipe__loop_owner *owner,
                     const wpipe_options *options)
{
    int r;

    memset(loop, 0, sizeof(*loop));
    loop->poller = WPIPE__NO_HANDLE;
    loop->watch = WPIPE__NO_HANDLE;
    loop->show = WPIPE__NO_HANDLE;
    loop->alarm = WPIPE__NO_HANDLE;
    wpipe__waiters_init(&loop->waiters);
    loop->signals = (options->flags & WPIPE_WAIT_SIGNALS) != 0;
    loop->timer = UINT64_MAX;
    loop->owner = owner;
    loop->budget.limit = options->memory_limit;
    loop->shared_budget = &loop->budget;
    wpipe__list_init(&loop->turns);
    wpipe__user_turn_init(&loop->turn);
    wpipe__list_init(&loop->notices);
    wpipe__list_init(&loop->drains);
    wpipe__list_init(&loop->wanting);
    wpipe__list_init(&loop->leaving);
    loop->leave_at = UINT64_MAX;
    wpipe__list_init(&loop->halves);
    loop->message_ms = options->message_ms;
    loop->half_at = UINT64_MAX;
    wpipe__calls_init(&loop->calls);
    if (options->spin_us > 0)
        loop->spin_ns = (uint32_t)options->spin_us * 1000u;
    r = wpipe__mutex_init(&loop->lock);
    if (r < 0)
        return r;
    loop->generation = wpipe__os_generation(); /* from here on: half made */
    r = wpipe__os_poller_open(&loop->poller);
    if (r < 0)
        goto fail;
    r = wpipe__waiters_need_flag(&loop->waiters);
    if (r < 0)
        goto fail;
    r = wpipe__os_poller_add(loop->poller, atomic_load(&loop->waiters.flag),
                             WPIPE__TAG_FLAG);
    if (r < 0)
        goto fail;
    return 0;

fail:
    wpipe__loop_done(loop);
    return r;
}

void wpipe__loop_done(struct wpipe__loop *loop)
{
    wpipe__calls_done(&loop->calls);
    if (loop->generation == 0)
        return;
    wpipe__loop_close_watch(loop);
    wpipe__os_close(loop->poller);
    wpipe__waiters_done(&loop->waiters);
    loop->poller = WPIPE__NO_HANDLE;
    if (loop->generation == wpipe__os_generation())
        wpipe__mutex_done(&loop->lock);
    loop->generation = 0;
}

/* ---- telling ------------------------------------------------------------ */

static void fill_event(const struct wpipe__conn *conn, uint8_t what,
                       wpipe_event *event)
{
    memset(event, 0, sizeof(*event));
    event->from = conn->id;
    event->user = conn->user;
    switch (what) {
    case WPIPE__TELL_CONNECTED:
        event->type = WPIPE_EVENT_CONNECTED;
        break;
    case WPIPE__TELL_WRITABLE:
        event->type = WPIPE_EVENT_WRITABLE;
        break;
    case WPIPE__TELL_SKIPPED:
        event->type = WPIPE_EVENT_SKIPPED;
        event->reason = conn->skip_reason;
        break;
    case WPIPE__TELL_FINISHED:
        event->type = WPIPE_EVENT_FINISHED;
        break;
    default:
        event->type = WPIPE_EVENT_DISCONNECTED;
        event->reason = conn->reason;
        event->error = conn->error;
        event->lost_messages = conn->lost_messages;
        event->lost_bytes = conn->lost_bytes;
        break;
    }
}

int wpipe__loop_notice(struct wpipe__loop *loop, wpipe_event *ret_event,
                       struct wpipe__conn **ret_conn)
{
    struct wpipe__list *node = wpipe__list_first(&loop->notices);
    struct wpipe__conn *conn;
    uint8_t what;

    if (node == NULL)
        return 0;
    conn = wpipe__container_of(node, struct wpipe__conn, notice);
    what = (uint8_t)(conn->tell & -conn->tell); /* the lowest bit */
    conn->tell ^= what;
    if (conn->tell == 0)
        wpipe__list_remove(&conn->notice);
    if (what == WPIPE__TELL_CONNECTED)
        wpipe__loop_activate(loop, conn);
    fill_event(conn, what, ret_event);
    *ret_conn = conn;
    return 1;
}

/* ---- taking ------------------------------------------------------------- */

/* The peer writes no more: is it there to read? */
static int is_there(const struct wpipe__conn *conn)
{
    return !conn->write_closed && conn->link->transport->gone(conn->link) == 0;
}

/* It closed: did it throw away what it had accepted for us? */
static int dropped_ours(const struct wpipe__link *link)
{
    return link->transport->dropped != NULL &&
           link->transport->dropped((struct wpipe__link *)(uintptr_t)link);
}

/* Half-closed; an end that only reads was so from the beginning. */
static void peer_finished(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    conn->finished = 1;
    wpipe__calls_end(loop, conn, WPIPE_ENOTCONN); /* nothing answers them */
    wpipe__conn_drop_half(conn, loop->shared_budget);
    wpipe__loop_watch(loop, conn);
    if (wpipe__loop_is_foreign(conn->link) || !conn->link->terms.silent_peer)
        wpipe__loop_tell(loop, conn, WPIPE__TELL_FINISHED);
    wpipe__waiters_tell(&loop->waiters);
}

/* The link told its end to the reader. */
static void reader_ended(struct wpipe__loop *loop, struct wpipe__conn *conn,
                         int error)
{
    uint32_t state = WPIPE__STATE_CLOSED;
    int reason = wpipe__conn_reason(error);

    if (error == WPIPE_EOF && is_there(conn)) {
        peer_finished(loop, conn);
        return;
    }
    if (error == WPIPE_EMSGSIZE || error == WPIPE_EPROTO ||
        error == WPIPE_ENOMEM)
        state = WPIPE__STATE_DISCONNECTED;
    else if (dropped_ours(conn->link))
        reason = WPIPE_REASON_LOST;
    wpipe__loop_end(loop, conn, state, reason, error);
}

/* One that we are ending: 1 when it was its time. */
static int see_off(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    if (wpipe__loop_reached(loop, conn, WPIPE__UNTIL_READ) == 0 &&
        is_there(conn))
        return 0;
    wpipe__loop_close(loop, conn);
    return 1;
}

/* Let the kept messages go. 0; 1 when that ended the connection. */
static int flush(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    int r = wpipe__conn_flush(conn, loop->shared_budget);

    if (r > 0)
        wpipe__loop_moved(loop, conn);
    if (conn->closing)
        return see_off(loop, conn);
    if (!conn->finished || is_there(conn))
        return 0;
    r = conn->link->transport->gone(conn->link);
    wpipe__loop_end(loop, conn, WPIPE__STATE_CLOSED,
                    r == WPIPE_EDIED ? WPIPE_REASON_DIED : WPIPE_REASON_CLOSED,
                    r == WPIPE_EDIED ? WPIPE_EDIED : WPIPE_EOF);
    return 1;
}

static void to_the_back(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    wpipe__loop_count_received(loop, conn);
    wpipe__turn_to_the_back(conn);
}

/* What arm found. */
enum {
    QUIET = 0,  /* nothing: it is armed, and has left the active ones */
    UNREAD = 1, /* something for who takes messages */
    AGAIN = 2   /* something moved: arm it anew, and look again */
};

/* It may have been read to the end just before we said that somebody waits for
 * that; no bell tells then. 1: it is the driver himself who waits. With
 * something kept here it is not drained, and must not be asked: the link makes
 * room in answering, of which nobody would tell the outbox. */
static int was_drained(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    if (conn->drainers == 0 || !wpipe__outbox_empty(&conn->outbox) ||
        conn->link->transport->drained(conn->link) == 0)
        return 0;
    wpipe__waiters_tell(&loop->waiters);
    return loop->takers == 0;
}

/* Arm it and look once more. A bell that comes for this epoch and is taken off
 * the socket by one of the looks here will not come again. */
static int settle(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    struct wpipe__link *link = conn->link;
    struct wpipe__record record;
    uint64_t kept = conn->outbox.bytes;
    uint32_t turn = wpipe__loop_turn_of(link);
    uint8_t write_closed = conn->write_closed;
    int unread;

    wpipe__conn_arm(conn, wpipe__conn_wants(conn));
    if (flush(loop, conn))
        return AGAIN; /* that was its end */
    unread =
        wpipe__conn_takes(conn) && link->transport->look(link, &record) != 0;
    if (was_drained(loop, conn))
        return AGAIN;
    if (write_closed !=
        conn->write_closed) { /* who wants to send need not wait */
        wpipe__waiters_tell(&loop->waiters);
        return AGAIN;
    }
    if (kept != conn->outbox.bytes || turn != wpipe__loop_turn_of(link) ||
        (wpipe__conn_wants(conn) & ~(unsigned)conn->armed))
        return AGAIN;
    if (unread)
        return UNREAD;
    wpipe__loop_watch(loop, conn);
    wpipe__turn_remove(loop, conn);
    return QUIET;
}

static int was_busy_lately(const struct wpipe__loop *loop,
                           const struct wpipe__conn *conn)
{
    uint16_t rounds = (uint16_t)(loop->round - conn->seen);

    return rounds <
           (loop->active_count <= FEW ? FEW_QUIET_ROUNDS : QUIET_ROUNDS);
}

/* Nothing was there. Only memory is worth to be looked at again. */
static void found_quiet(struct wpipe__loop *loop, struct wpipe__conn *conn,
                        uint32_t turn)
{
    struct wpipe__link *link = conn->link;

    if (wpipe__conn_is_half(conn))
        wpipe__loop_half(loop, conn);
    if (wpipe__loop_is_foreign(link) && conn->polled && conn->drainers == 0 &&
        wpipe__conn_wants(conn) == WPIPE__WANT_DATA) {
        wpipe__loop_watch(loop, conn);
        wpipe__loop_count_received(loop, conn);
        wpipe__turn_remove(loop, conn);
        return;
    }
    to_the_back(loop, conn);
    if (turn != wpipe__loop_turn_of(link))
        return; /* the look itself took something off the socket */
    if (wpipe__conn_takes(conn) && was_busy_lately(loop, conn) &&
        link->transport->in_memory(link, WPIPE__WANT_DATA))
        return;
    (void)settle(loop, conn);
}

/* One connection's turn: 1 a message; 0; 2 there is more to look at. */
static int visit(struct wpipe__loop *loop, struct wpipe__conn *conn,
                 struct wpipe__received *received)
{
    struct wpipe__link *link = conn->link;
    uint32_t turn = wpipe__loop_turn_of(link);
    int r = 0;

    wpipe__loop_shed(loop, conn);
    if (conn->link == NULL)
        return 2;
    if (conn->burst == 0 && wpipe__loop_is_foreign(link))
        wpipe__loop_count_received(loop, conn); /* and how much it may now */
    if ((!wpipe__conn_takes(conn) || !wpipe__outbox_empty(&conn->outbox)) &&
        flush(loop, conn))
        return 2;
    if (wpipe__conn_takes(conn))
        r = wpipe__conn_next(conn, loop->shared_budget, received);
    if (r == WPIPE_EAGAIN) {
        wpipe__loop_make_room(loop, conn, conn->inbox.wanting);
        return 2;
    }
    if (r < 0) {
        reader_ended(loop, conn, r);
        return 2;
    }
    if (r == 0) {
        found_quiet(loop, conn, turn);
        return 0;
    }
    conn->seen = loop->round;
    loop->since_poll++;
    if (r == 2 || ++conn->burst >= BURST)
        to_the_back(loop, conn);
    return r;
}

/* One user's turn: as visit. */
static int take_turn(struct wpipe__loop *loop, struct wpipe__user_turn *turn,
                     struct wpipe__received *received,
                     struct wpipe__conn **ret_conn)
{
    unsigned left = turn->count;
    int more = 0;
    int r;

    while (left-- > 0 && (*ret_conn = wpipe__turn_first(turn)) != NULL) {
        r = visit(loop, *ret_conn, received);
        if (r == 1) {
            if (++turn->burst >= BURST)
                wpipe__loop_pass_turn(loop, turn);
            return 1;
        }
        more |= r;
        if (!wpipe__list_empty(&loop->notices) ||
            (more && loop->turn_count > 1))
            break;
    }
    wpipe__loop_pass_turn(loop, turn);
    return more;
}

int wpipe__loop_take(struct wpipe__loop *loop, struct wpipe__received *received,
                     struct wpipe__conn **ret_conn)
{
    unsigned users = loop->turn_count;
    struct wpipe__user_turn *turn;
    int more = 0;
    int r;

    while (users-- > 0 && (turn = wpipe__loop_turn(loop)) != NULL) {
        r = take_turn(loop, turn, received, ret_conn);
        if (r == 1)
            return 1;
        more |= r;
        if (!wpipe__list_empty(&loop->notices))
            return 2; /* an end comes before what others sent later */
    }
    return more;
}

static int arm_turn(struct wpipe__loop *loop, struct wpipe__user_turn *turn)
{
    unsigned left = turn->count;
    struct wpipe__conn *conn;
    int found = 0;
    int r;

    while (left-- > 0 && (conn = wpipe__turn_first(turn)) != NULL) {
        to_the_back(loop, conn);
        r = settle(loop, conn);
        if (r == AGAIN || (r == UNREAD && loop->takers > 0))
            found = 1; /* a follower may sleep on a message */
        wpipe__loop_count_received(loop, conn); /* it looked once more */
        wpipe__loop_shed(loop, conn);
    }
    return found;
}

int wpipe__loop_arm(struct wpipe__loop *loop)
{
    unsigned users = loop->turn_count;
    struct wpipe__user_turn *turn;
    int found = 0;

    while (users-- > 0 && (turn = wpipe__loop_turn(loop)) != NULL) {
        wpipe__loop_pass_turn(loop, turn);
        found |= arm_turn(loop, turn);
    }
    return found;
}
