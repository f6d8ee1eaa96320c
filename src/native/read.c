/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records out of the native link, in both phases.
 *
 * The shared phase is the hot path: no lock, no system call, one fence per
 * index that is told. In the framed phase records come through the queue,
 * which the pump fills under link.lock.
 */
#include "native/native.h"

#include <windpipe/error.h>

#include "base/base.h"
#include "base/copy.h"

/* Receives until a segment that was sent before the mark is here. */
#define FOLLOW_ROUNDS 16
#define REFILL_ROUNDS 16

/* Unread records are void at once for these. */
static int voided(struct wpipe__native *n)
{
    int over = atomic_load_explicit(&n->over, memory_order_relaxed);

    if (over)
        return over;
    return atomic_load_explicit(&n->theirs->state, memory_order_relaxed) ==
                   WPIPE__STATE_DISCONNECTED
               ? WPIPE_EDISCONNECTED
               : 0;
}

/* ---- what has come ------------------------------------------------------- */

/* After a receive: may there be more that has come before now? One receive
 * stops behind a descriptor, which came with the peer's segment; and what came
 * before the end is seen first. */
static int stopped_short(struct wpipe__native *n)
{
    return wpipe__native_end(n, 0) != 0 ||
           (n->their_segment != NULL && wpipe__queue_arrived(&n->queue) == 0);
}

/* Take off the socket what is there. Is it to be done again? Who ended in its
 * segment while we looked has put into the socket before what we did not see:
 * that it went on in its ring. */
static int pump_again(struct wpipe__native *n)
{
    int ended = wpipe__native_end(n, 0);
    int r = wpipe__native_pump(n);

    if (r > 0)
        return stopped_short(n);
    return r == 0 && ended == 0 && wpipe__native_end(n, 0) != 0;
}

/* Bring what has come to the reader. 1: the queue has more than `have` bytes,
 * or the peer writes into its ring; 0; < 0 the end. */
static int refill(struct wpipe__native *n, size_t have)
{
    int i;
    int r;

    wpipe__mutex_lock(&n->link.lock);
    /* Bounded, should a peer say CLOSED and go on. */
    for (i = 0; i < REFILL_ROUNDS; i++)
        if ((n->fresh && wpipe__queue_arrived(&n->queue) > 0) ||
            n->peer_moved || !pump_again(n))
            break;
    n->fresh = 1;
    r = voided(n);
    if (r == 0 && wpipe__queue_arrived(&n->queue) > 0) {
        r = wpipe__queue_take_over(&n->queue);
        if (r == 0)
            r = 1;
    } else if (r == 0 && n->peer_moved) {
        if (have == 0)
            wpipe__native_enter_ring(n);
        r = 1;
    } else if (r == 0) {
        r = wpipe__native_end(n, 0);
    }
    wpipe__mutex_unlock(&n->link.lock);
    return r;
}

/* ---- the first record ---------------------------------------------------- */

/* Publish how far we have read. */
static void publish(struct wpipe__native *n)
{
    struct wpipe__control *mine = n->mine;

    atomic_store_explicit(&mine->consumed, n->consumed, memory_order_relaxed);
    /* pairs with the acquire load in refresh_tail: it may overwrite now */
    atomic_store_explicit(&mine->tail, n->in.tail, memory_order_release);
}

/* It is published: wake a writer that waits for it. */
static void tell(struct wpipe__native *n)
{
    n->told = n->in.tail;
    wpipe__native_ring_writer(n);
}

/* The peer goes on in a larger ring, at in->next_at: so do we. 1 or < 0. */
static int follow(struct wpipe__native *n)
{
    int i;
    int r = 1;

    wpipe__mutex_lock(&n->link.lock);
    for (i = 0; i < FOLLOW_ROUNDS && n->their_grown_at == 0 && r > 0; i++)
        r = wpipe__native_pump(n);
    r = WPIPE_EPROTO; /* a mark, and nothing belongs to it */
    if (n->their_grown == NULL && n->their_grown_at != 0)
        r = wpipe__native_map_growth(n);
    if (n->their_grown != NULL)
        r = wpipe__ring_follow(
            &n->in, (const uint8_t *)n->their_grown + WPIPE__CONTROL_SIZE,
            n->their_grown_at);
    if (r < 0)
        wpipe__native_break(n, r); /* or it is, for a better reason */
    wpipe__mutex_unlock(&n->link.lock);
    return r < 0 ? atomic_load(&n->over) : 1;
}

static int look_ring(struct wpipe__native *n, struct wpipe__record *ret)
{
    int r;

    do
        r = wpipe__ring_look(&n->in, n->theirs, ret);
    while (r == WPIPE__RING_GREW && (r = follow(n)) > 0);
    return r;
}

static int look_shared(struct wpipe__native *n, struct wpipe__record *ret)
{
    int end;
    int r = look_ring(n, ret);

    if (r == 1)
        return 1;
    if (r == 0) {
        if (n->told != n->in.tail) { /* a PAD was skipped */
            publish(n);
            tell(n);
        }
        end = wpipe__native_end(n, 0);
        if (end == 0)
            return 0;
        /* it wrote before it ended: look again after seeing the end */
        r = look_ring(n, ret);
        if (r == 0)
            return end;
    }
    if (r < 0) {
        wpipe__mutex_lock(&n->link.lock);
        wpipe__native_break(n, r);
        wpipe__mutex_unlock(&n->link.lock);
    }
    return r;
}

static int look_any(struct wpipe__native *n, struct wpipe__record *ret)
{
    int r;

    if (wpipe__in_shared(n))
        return look_shared(n, ret);
    if (wpipe__queue_size(&n->queue) == 0 || !n->fresh) {
        r = refill(n, wpipe__queue_size(&n->queue));
        if (wpipe__in_shared(n))
            return look_shared(n, ret);
        if (voided(n))
            return voided(n);
        if (wpipe__queue_size(&n->queue) == 0)
            return r;
    }
    wpipe__queue_look(&n->queue, ret);
    return 1;
}

int wpipe__native_look(struct wpipe__link *link, struct wpipe__record *ret)
{
    struct wpipe__native *n = wpipe__native(link);
    int r = voided(n);

    if (r < 0)
        return r;
    if (n->finished)
        return WPIPE_EOF;
    r = look_any(n, ret);
    if (r == 1 && (ret->flags & WPIPE__RECORD_FIN)) {
        n->finished = 1;
        wpipe__native_take(link, ret, 0, 1);
        return WPIPE_EOF;
    }
    return r;
}

/* ---- all records: a scan ------------------------------------------------- */

/* Cursor.begun while the scan is ahead of the reader, in the peer's ring. */
#define AHEAD_IN_RING 2

static int scan_ring(struct wpipe__native *n, uint64_t *position,
                     struct wpipe__record *ret)
{
    int r;

    do
        r = wpipe__ring_scan(&n->in, n->theirs, position, ret);
    while (r == WPIPE__RING_GREW && (r = follow(n)) > 0);
    return r;
}

/* Records in the ring that the reader has not entered yet. */
static int scan_ahead(struct wpipe__native *n, struct wpipe__cursor *cursor,
                      struct wpipe__record *ret)
{
    struct wpipe__ring_in ahead;
    int r;

    if (cursor->begun != AHEAD_IN_RING)
        cursor->position = n->moved_at;
    cursor->begun = AHEAD_IN_RING;
    do {
        ahead = n->in;
        ahead.tail = n->moved_at;
        ahead.head = cursor->position; /* it never goes back */
        if (wpipe__ring_refresh(&ahead, n->theirs) < 0)
            return WPIPE_EPROTO;
        r = wpipe__ring_scan(&ahead, n->theirs, &cursor->position, ret);
        n->in.next_at = ahead.next_at;
    } while (r == WPIPE__RING_GREW && (r = follow(n)) > 0);
    return r;
}

/* The scan in the queue: the cursor counts its bytes. */
static int scan_queue(struct wpipe__native *n, struct wpipe__cursor *cursor,
                      struct wpipe__record *ret)
{
    size_t size = wpipe__queue_size(&n->queue);
    size_t at = (size_t)cursor->position;
    int r;

    if (cursor->begun != AHEAD_IN_RING && at >= size) {
        r = refill(n, size);
        if (r <= 0)
            return 0; /* the end, if it is that, is for look to tell */
    }
    if (cursor->begun == AHEAD_IN_RING || at >= wpipe__queue_size(&n->queue))
        return scan_ahead(n, cursor, ret);
    wpipe__queue_scan(&n->queue, &at, ret);
    cursor->position = at;
    return 1;
}

/* A scan does not see FIN: nothing comes after it. */
static int scan_end(int r, const struct wpipe__record *record)
{
    return r == 1 && (record->flags & WPIPE__RECORD_FIN) ? 0 : r;
}

int wpipe__native_scan(struct wpipe__link *link, struct wpipe__cursor *cursor,
                       struct wpipe__record *ret)
{
    struct wpipe__native *n = wpipe__native(link);
    int first = !cursor->begun;
    int r = 0;

    if (first) {
        r = wpipe__native_look(link, ret); /* fills, switches, ends */
        if (r <= 0)
            return r;
        cursor->begun = 1;
        cursor->position = wpipe__in_shared(n) ? n->in.tail : 0;
    }
    if (wpipe__in_shared(n))
        r = scan_ring(n, &cursor->position, ret);
    else
        return scan_end(scan_queue(n, cursor, ret), ret);
    if (r == 1 && first && n->in.taken <= ret->size) {
        ret->data += n->in.taken;
        ret->size -= n->in.taken;
    }
    return scan_end(r, ret);
}

/* ---- taking -------------------------------------------------------------- */

/* Flags of a record that may be all that is left, with nothing to read in it:
 * FIN, or a message that is withdrawn. Whoever drains does not wait for it. */
#define MAY_BE_NOTHING                                            \
    (WPIPE__RECORD_FIN | WPIPE__RECORD_MORE | WPIPE__RECORD_PAD | \
     WPIPE__RECORD_GROWN)

static int nothing_to_read(const struct wpipe__native *n)
{
    struct wpipe__record next;

    if (wpipe__queue_size(&n->queue) == 0)
        return 1;
    wpipe__queue_look(&n->queue, &next);
    return (next.flags & MAY_BE_NOTHING) != 0;
}

static void take_framed(struct wpipe__native *n,
                        const struct wpipe__record *record, uint32_t bytes,
                        int whole)
{
    uint64_t quarter = wpipe__native_window(n->link.terms.ring_in) / 4;
    uint32_t size = record->size + n->queue.taken;
    uint64_t want;

    wpipe__queue_take(&n->queue, record, bytes, whole);
    n->fresh = 0;
    if (!whole)
        return;
    n->in.tail += wpipe__frame_charge(record->flags, size);
    wpipe__mutex_lock(&n->link.lock);
    atomic_store_explicit(&n->mine->consumed, n->consumed,
                          memory_order_relaxed);
    atomic_store_explicit(&n->mine->tail, n->in.tail, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* as in wpipe__native_ring */
    want = atomic_load_explicit(&n->theirs->want, memory_order_relaxed);
    if (want & (WPIPE__WANT_ROOM | WPIPE__WANT_DRAINED))
        wpipe__native_answer(n);
    else if (n->in.tail - n->credit_sent >= quarter || nothing_to_read(n))
        wpipe__native_credit(n); /* one who drains may not have said so yet */
    wpipe__mutex_unlock(&n->link.lock);
}

/* The reader has moved on in the ring; the writer need not always know. */
static void moved(struct wpipe__native *n)
{
    n->streak++;
    publish(n);
    if (n->in.tail == n->in.head || n->in.tail - n->told >= n->in.size / 8 ||
        (wpipe__ring_next_flags(&n->in) & MAY_BE_NOTHING))
        tell(n);
}

void wpipe__native_take(struct wpipe__link *link,
                        const struct wpipe__record *record, uint32_t bytes,
                        int whole)
{
    struct wpipe__native *n = wpipe__native(link);

    n->consumed += bytes;
    if (!wpipe__in_shared(n)) {
        take_framed(n, record, bytes, whole);
        return;
    }
    wpipe__ring_take(&n->in, bytes, whole);
    if (whole)
        moved(n);
    else
        atomic_store_explicit(&n->mine->consumed, n->consumed,
                              memory_order_relaxed);
}

int64_t wpipe__native_fetch(struct wpipe__link *link, void *to, size_t size)
{
    struct wpipe__native *n = wpipe__native(link);
    const uint8_t *data;
    uint64_t space;
    uint32_t length;

    if (!wpipe__in_shared(n) || n->finished || voided(n))
        return -1;
    length = wpipe__ring_plain(&n->in, n->theirs, &data, &space);
    if (length == 0 || length > size || length > link->terms.max_in)
        return -1;
    wpipe__copy(to, data, length);
    n->consumed += length;
    wpipe__ring_take_plain(&n->in, space);
    moved(n);
    return length;
}
