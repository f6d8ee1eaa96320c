/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of servers and clients.
 */
#include "loop/conn.h"

#include <string.h>

#include "base/memory.h"
#include "base/ring.h"
#include "link/log.h"

int wpipe__conn_make(struct wpipe__link *link, const wpipe_options *options,
                     struct wpipe__conn **ret)
{
    struct wpipe__conn *conn = wpipe__alloc(sizeof(*conn));

    if (conn == NULL) {
        link->transport->leave(link, WPIPE__STATE_DISCONNECTED);
        link->transport->free(link);
        return WPIPE_ENOMEM;
    }
    conn->link = link;
    conn->since = wpipe__os_now();
    conn->used_at = conn->since;
    conn->uid = link->peer.uid;
    wpipe__list_init(&conn->calls);
    wpipe__list_init(&conn->active);
    wpipe__list_init(&conn->notice);
    wpipe__list_init(&conn->aside);
    wpipe__list_init(&conn->half);
    conn->inbox.order.no_replies = 1; /* until we call */
    conn->outbox.limit = options->queue_limit;
    conn->outbox.bytewise = link->terms.type == WPIPE_BYTE;
    conn->inbox.bytes =
        link->terms.type == WPIPE_BYTE || options->type == WPIPE_BYTE;
    *ret = conn;
    return 0;
}

static struct wpipe__share share_of(struct wpipe__conn *conn,
                                    struct wpipe__budget *budget)
{
    struct wpipe__share share = { budget, &conn->held, conn->account };

    return share;
}

/* ---- messages ----------------------------------------------------------- */

uint64_t wpipe__conn_unread(const struct wpipe__conn *conn)
{
    return conn->link->transport->unread(conn->link) + conn->outbox.bytes;
}

/* Remember its size, to be able to say how many messages were not read. */
static void count_sent(struct wpipe__conn *conn, size_t size)
{
    uint64_t before;

    conn->messages_out++;
    conn->bytes_out += size;
    if (conn->outbox.bytewise)
        return;
    if (!wpipe__sent_sizes_has_room(&conn->sent_sizes, size)) {
        before = wpipe__conn_unread(conn);
        before -= wpipe__min_u64(before, size);
        wpipe__sent_sizes_trim(&conn->sent_sizes, before);
    }
    wpipe__sent_sizes_add(&conn->sent_sizes, size);
}

/* Neither bytes nor the frames of others carry the number of a call. */
static int carries(const struct wpipe__conn *conn, uint32_t kind)
{
    if (kind == 0)
        return 1;
    if (kind == WPIPE__RECORD_REQUEST && conn->inbox.bytes)
        return 0; /* nor would we know the answer */
    return !conn->outbox.bytewise && conn->link->transport->flushed == NULL;
}

int wpipe__conn_send(struct wpipe__conn *conn, struct wpipe__budget *budget,
                     const struct wpipe__outgoing *outgoing, int want_writable)
{
    struct wpipe__share share = share_of(conn, budget);
    int r;

    if (conn->link == NULL)
        return WPIPE_ENOTCONN;
    if (conn->link->terms.direction == WPIPE_IN)
        return WPIPE_ESTATE;
    if (!carries(conn, outgoing->kind))
        return WPIPE_ENOTSUP;
    r = wpipe__outbox_send(&conn->outbox, conn->link, &share, outgoing,
                           want_writable);
    if (r >= 0) {
        count_sent(conn, outgoing->size);
        if (wpipe__list_empty(&conn->active))
            wpipe__conn_note_use(conn);
    }
    return r;
}

void wpipe__conn_note_use(struct wpipe__conn *conn)
{
    uint64_t passed = conn->messages_in + conn->messages_out;

    if (passed == conn->noted)
        return;
    conn->noted = passed;
    conn->used_at = wpipe__os_now_roughly();
}

int wpipe__conn_flush(struct wpipe__conn *conn, struct wpipe__budget *budget)
{
    struct wpipe__share share = share_of(conn, budget);
    uint64_t bytes = conn->outbox.bytes;
    int r;

    if (wpipe__outbox_empty(&conn->outbox) || conn->write_closed)
        return 0;
    r = wpipe__outbox_flush(&conn->outbox, conn->link, &share);
    if (r < 0) {
        conn->write_closed = 1;
        return r;
    }
    return r > 0 || conn->outbox.bytes != bytes;
}

int wpipe__conn_next(struct wpipe__conn *conn, struct wpipe__budget *budget,
                     struct wpipe__received *received)
{
    struct wpipe__share share = share_of(conn, budget);
    int r = wpipe__inbox_next(&conn->inbox, conn->link, &share, received);

    if (r == 1) {
        conn->messages_in++;
        conn->bytes_in += wpipe__received_size(received);
    }
    return r;
}

int wpipe__conn_may_send(struct wpipe__conn *conn, struct wpipe__budget *budget)
{
    struct wpipe__share share = share_of(conn, budget);

    return wpipe__share_allows(&share, conn->outbox.wanting);
}

int wpipe__conn_keeps(const struct wpipe__conn *conn)
{
    return !wpipe__outbox_empty(&conn->outbox) ||
           (conn->link->transport->flushed != NULL &&
            conn->link->transport->flushed(conn->link) == 0);
}

void wpipe__conn_count_pending(struct wpipe__conn *conn,
                               struct wpipe__budget *budget)
{
    struct wpipe__share share = share_of(conn, budget);
    uint64_t pending = conn->link->transport->unread(conn->link);

    /* those of a message that was kept are counted with it */
    pending -= wpipe__min_u64(pending, wpipe__outbox_covers(&conn->outbox));
    if (pending > conn->pending)
        wpipe__share_charge(&share, pending - conn->pending);
    else
        wpipe__share_give(&share, conn->pending - pending);
    conn->pending = pending;
}

/* In steps: what is read at once, as in a conversation, is not counted. */
#define RECEIVED_STEP 4096u
/* Of one whose user has enough unread; the kernel keeps the rest. */
#define RECEIVE_LITTLE 256u

static void set_received(struct wpipe__conn *conn, struct wpipe__budget *budget,
                         uint64_t received)
{
    if (received == conn->received)
        return;
    wpipe__budget_received(budget, conn->account,
                           (int64_t)(received - conn->received));
    conn->received = received;
}

void wpipe__conn_count_received(struct wpipe__conn *conn,
                                struct wpipe__budget *budget)
{
    struct wpipe__link *link = conn->link;
    size_t holds;

    if (conn->account == NULL || link->transport->holds == NULL)
        return;
    holds = link->transport->holds(link);
    set_received(conn, budget, holds - holds % RECEIVED_STEP);
    link->receive_most =
        wpipe__budget_is_behind(budget, conn->account) ? RECEIVE_LITTLE : 0;
}

static uint64_t held_by_user(const struct wpipe__conn *conn)
{
    return conn->account == NULL ? conn->held
                                 : atomic_load(&conn->account->held);
}

int wpipe__conn_is_greater(const struct wpipe__conn *conn,
                           const struct wpipe__conn *other)
{
    uint64_t user = held_by_user(conn);
    uint64_t other_user = held_by_user(other);

    return user != other_user && conn->uid != other->uid
               ? user > other_user
               : conn->held > other->held;
}

int wpipe__conn_is_fuller(const struct wpipe__conn *conn,
                          const struct wpipe__conn *other)
{
    uint64_t user;
    uint64_t other_user;

    if (conn->received == 0 || other->received == 0)
        return conn->received > other->received;
    user = atomic_load(&conn->account->received);
    other_user = atomic_load(&other->account->received);
    return user != other_user && conn->account != other->account
               ? user > other_user
               : conn->received > other->received;
}

void wpipe__conn_drop_half(struct wpipe__conn *conn,
                           struct wpipe__budget *budget)
{
    struct wpipe__share share = share_of(conn, budget);

    wpipe__inbox_done(&conn->inbox, &share);
}

/* ---- sleeping ----------------------------------------------------------- */

unsigned wpipe__conn_wants(const struct wpipe__conn *conn)
{
    unsigned wants = conn->finished ? 0 : WPIPE__WANT_DATA;

    if (!wpipe__outbox_empty(&conn->outbox) && !conn->write_closed)
        wants |= WPIPE__WANT_ROOM;
    if (conn->drainers > 0)
        wants |= WPIPE__WANT_DRAINED;
    return wants;
}

void wpipe__conn_arm(struct wpipe__conn *conn, unsigned wants)
{
    struct wpipe__link *link = conn->link;

    wpipe__mutex_lock(&link->lock);
    link->transport->arm(link, wants);
    wpipe__mutex_unlock(&link->lock);
    conn->armed = (uint8_t)wants;
}

/* ---- the end ------------------------------------------------------------ */

int wpipe__conn_reason(int error)
{
    switch (error) {
    case WPIPE_EOF:
    case WPIPE_EPIPE:
        return WPIPE_REASON_CLOSED;
    case WPIPE_EDISCONNECTED:
        return WPIPE_REASON_KICKED;
    case WPIPE_EMSGSIZE:
        return WPIPE_REASON_TOO_BIG;
    case WPIPE_ENOMEM:
        return WPIPE_REASON_MEMORY;
    case WPIPE_EPROTO:
    case WPIPE_EVERSION:
        return WPIPE_REASON_PROTOCOL;
    case WPIPE_EACCES:
    case WPIPE_EREFUSED:
    case WPIPE_ESTATE:
        return WPIPE_REASON_DENIED;
    case WPIPE_EBUSY:
        return WPIPE_REASON_FULL;
    case WPIPE_ESYSTEM:
        return WPIPE_REASON_SYSTEM;
    default:
        return WPIPE_REASON_DIED;
    }
}

/* At a link whose own count cannot be exact. */
static void count_lost_by_asking(struct wpipe__conn *conn)
{
    uint64_t bytes = conn->link->transport->lost(conn->link);

    if (bytes == WPIPE__LOST_UNKNOWN) {
        conn->lost_bytes = WPIPE_LOST_UNKNOWN;
        conn->lost_messages = WPIPE_LOST_UNKNOWN;
        return;
    }
    conn->lost_bytes = bytes + conn->outbox.bytes;
    if (!conn->outbox.bytewise)
        conn->lost_messages = wpipe__max_u64(
            wpipe__sent_sizes_messages(&conn->sent_sizes, conn->lost_bytes),
            conn->outbox.count);
}

/* What the peer has not read. */
static void count_lost(struct wpipe__conn *conn)
{
    int drained = conn->link->transport->drained(conn->link);
    uint64_t messages;

    if (conn->link->transport->lost != NULL) {
        count_lost_by_asking(conn);
        return;
    }
    conn->lost_bytes =
        drained == 1 ? conn->outbox.bytes : wpipe__conn_unread(conn);
    if (conn->outbox.bytewise)
        return;
    messages = wpipe__sent_sizes_messages(&conn->sent_sizes, conn->lost_bytes);
    messages = wpipe__max_u64(messages, conn->outbox.count);
    if (messages == 0 && drained != 1 && drained != WPIPE_EDISCONNECTED)
        messages = 1; /* empty ones leave no bytes to count */
    conn->lost_messages = messages;
}

/* Give back all memory. */
static void clear(struct wpipe__conn *conn, struct wpipe__budget *budget)
{
    struct wpipe__share share = share_of(conn, budget);

    wpipe__inbox_done(&conn->inbox, &share);
    wpipe__outbox_done(&conn->outbox, &share);
    wpipe__share_give(&share, conn->pending);
    conn->pending = 0;
    if (conn->received > 0)
        set_received(conn, budget, 0);
    if (conn->account != NULL)
        wpipe__budget_leave(budget, conn->account);
    conn->account = NULL;
    wpipe__sent_sizes_done(&conn->sent_sizes);
}

static void tell_log(const struct wpipe__conn *conn, int reason, int error)
{
    struct wpipe__log_end end = { reason, error, conn->lost_messages,
                                  conn->lost_bytes };

    wpipe__log_ended(conn->link, &end);
}

void wpipe__conn_end(struct wpipe__conn *conn, struct wpipe__budget *budget,
                     uint32_t state, int reason, int error)
{
    struct wpipe__link *link = conn->link;

    if (link == NULL)
        return;
    count_lost(conn);
    tell_log(conn, reason, error);
    if (wpipe__outbox_begun(&conn->outbox) > 0 && !conn->outbox.bytewise)
        (void)link->transport->mark(link, WPIPE__RECORD_ABORT);
    link->transport->leave(link, state);
    conn->reason = (uint8_t)reason;
    conn->error = error;
    conn->finished = 0;
    link->transport->free(link);
    conn->link = NULL;
    clear(conn, budget);
}

void wpipe__conn_free(struct wpipe__conn *conn, struct wpipe__budget *budget)
{
    if (conn == NULL)
        return;
    if (conn->link != NULL)
        conn->link->transport->free(conn->link);
    clear(conn, budget);
    wpipe__free(conn);
}
