/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in and out of the native link, in both phases.
 *
 * The shared phase is the hot path: no lock, no system call, one fence per
 * index that moves (it stands between the index and the look at the peer's
 * `want`, see wait.c). The framed phase does the same things under link.lock
 * with frames.
 */
#include "transport/native.h"

#include <string.h>

#include <windpipe/error.h>

#include "base/base.h"
#include "base/memory.h"

/* Records one way, and none the other, that make a stream of it. */
#define STREAMING_WRITER  16
#define STREAMING_READER  4
#define RECORDS_UNCHECKED 512
/* Both ends copy while it stays in their caches. */
#define FRAGMENT_SHARED 65536u

/* ---- ends and bells ------------------------------------------------------ */

int wpipe__native_end(struct wpipe__native *n, int writer)
{
    int over = atomic_load_explicit(&n->over, memory_order_acquire);
    uint32_t state;

    if (over)
        return over;
    state = atomic_load_explicit(&n->theirs->state, memory_order_acquire);
    if (state == WPIPE__STATE_DISCONNECTED)
        return WPIPE_EDISCONNECTED;
    if (state == WPIPE__STATE_CLOSED)
        return writer ? WPIPE_EPIPE : WPIPE_EOF;
    if (state != WPIPE__STATE_OPEN) {
        /* a word that there is not; whatever it says next, it has lied */
        atomic_compare_exchange_strong(&n->over, &over, WPIPE_EPROTO);
        return WPIPE_EPROTO;
    }
    if (atomic_load_explicit(&n->hung_up, memory_order_acquire))
        return WPIPE_EDIED;
    return 0;
}

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

static void bell(struct wpipe__native *n)
{
    uint8_t byte = WPIPE__FRAME_BELL;
    wpipe_piece piece = { &byte, 1 };

    if (wpipe__os_send(n->link.socket, &piece, 1, WPIPE__NO_HANDLE) ==
        WPIPE_EPIPE)
        atomic_store(&n->hung_up, 1);
}

/* Does the peer sleep for one of `mask`, and has nobody rung for that sleep?
 * Then it is the caller who does. `rung` only grows: a thread that was held up
 * after its look must not ring for an old sleep. */
static int owes_bell(struct wpipe__native *n, unsigned mask)
{
    uint64_t want =
        atomic_load_explicit(&n->theirs->want, memory_order_relaxed);
    uint64_t rung;

    if (!(want & mask))
        return 0;
    rung = atomic_load_explicit(&n->rung, memory_order_relaxed);
    do
        if (want >> 8 <= rung)
            return 0;
    while (!atomic_compare_exchange_weak_explicit(&n->rung, &rung, want >> 8,
                                                  memory_order_relaxed,
                                                  memory_order_relaxed));
    return 1;
}

static void ring_unfenced(struct wpipe__native *n, unsigned mask)
{
    if (!owes_bell(n, mask))
        return;
    if (wpipe__in_shared(n) && wpipe__out_shared(n)) {
        bell(n);
        return;
    }
    /* frames of another thread must not be torn apart */
    wpipe__mutex_lock(&n->link.lock);
    bell(n);
    wpipe__mutex_unlock(&n->link.lock);
}

void wpipe__native_ring_asleep(struct wpipe__native *n)
{
    if (owes_bell(n, WPIPE__WANT_ROOM | WPIPE__WANT_DRAINED))
        bell(n);
}

void wpipe__native_ring(struct wpipe__native *n, unsigned mask)
{
    /* pairs with the fence in arm: either we see its want or it sees our
     * index */
    atomic_thread_fence(memory_order_seq_cst);
    ring_unfenced(n, mask);
}

/*
 * The fence costs more than a small message. A writer that has written many
 * records without reading any says that it leaves the fence out; a reader
 * that is about to sleep then makes it pass one (membarrier). On both sides
 * the flag is stored and loaded around a fence, so neither can miss it.
 */
static void ring_reader(struct wpipe__native *n)
{
    uint64_t tail = atomic_load_explicit(&n->mine->tail, memory_order_relaxed);

    if (tail != n->run_tail) {
        n->run_tail = tail;
        n->run = 0;
        if (n->fenceless) {
            n->fenceless = 0;
            atomic_store_explicit(&n->mine->fenceless, 0, memory_order_release);
        }
    }
    if (n->fenceless) {
        atomic_signal_fence(memory_order_seq_cst);
        ring_unfenced(n, WPIPE__WANT_DATA);
        return;
    }
    if (++n->run == STREAMING_WRITER &&
        (n->theirs->features & WPIPE__FEATURE_BARRIER) &&
        wpipe__os_has_barrier()) {
        n->fenceless = 1;
        atomic_store_explicit(&n->mine->fenceless, 1, memory_order_relaxed);
    }
    wpipe__native_ring(n, WPIPE__WANT_DATA);
}

int wpipe__native_streams(struct wpipe__native *n)
{
    uint64_t head = atomic_load_explicit(&n->mine->head, memory_order_relaxed);

    if (head == n->streak_head)
        return n->streak > STREAMING_READER;
    n->streak_head = head;
    n->streak = 0;
    return 0;
}

/* ---- reading, framed ----------------------------------------------------- */

#define REFILL_ROUNDS 16

/* A record of our own is on its way. Its message may still be withdrawn. */
static void account(struct wpipe__native *n, const struct wpipe__record *record,
                    uint64_t at)
{
    uint64_t solid = n->out.head;

    if (record->flags & WPIPE__RECORD_FIN)
        return;
    if (record->flags & WPIPE__RECORD_ABORT)
        solid = n->message_at;
    else if (!n->in_message)
        n->message_at = at;
    n->in_message = (record->flags & WPIPE__RECORD_MORE) != 0;
    n->sent += record->size;
    atomic_store_explicit(&n->solid, solid, memory_order_relaxed);
}

/* Bring what has come to the reader. 1: the queue has more than `have` bytes,
 * or the peer writes into its ring; 0; < 0 the end. */
static int refill(struct wpipe__native *n, size_t have)
{
    int i;
    int r;

    wpipe__mutex_lock(&n->link.lock);
    /* What came before the end is seen first: one receive may stop short of
     * it, behind a descriptor. Bounded, should a peer say CLOSED and go on. */
    for (i = 0; i < REFILL_ROUNDS; i++)
        if ((n->fresh && wpipe__queue_arrived(&n->queue) > 0) ||
            n->peer_moved || wpipe__native_pump(n) <= 0 ||
            wpipe__native_end(n, 0) == 0)
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

/* ---- reading ------------------------------------------------------------- */

/* Publish how far we have read, and wake a writer that waits for it. */
static void tell(struct wpipe__native *n)
{
    n->told = n->in.tail;
    atomic_store_explicit(&n->mine->consumed, n->consumed,
                          memory_order_relaxed);
    /* pairs with the acquire load in refresh_tail: it may overwrite now */
    atomic_store_explicit(&n->mine->tail, n->in.tail, memory_order_release);
    wpipe__native_ring(n, WPIPE__WANT_ROOM | WPIPE__WANT_DRAINED);
}

static int look_shared(struct wpipe__native *n, struct wpipe__record *ret)
{
    int end;
    int r = wpipe__ring_look(&n->in, n->theirs, ret);

    if (r == 1)
        return 1;
    if (r == 0) {
        if (n->told != n->in.tail)
            tell(n); /* a PAD was skipped */
        end = wpipe__native_end(n, 0);
        if (end == 0)
            return 0;
        /* it wrote before it ended: look again after seeing the end */
        r = wpipe__ring_look(&n->in, n->theirs, ret);
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

/* Cursor.begun while the scan is ahead of the reader, in the peer's ring. */
#define AHEAD_IN_RING 2

/* Records in the ring that the reader has not entered yet. */
static int scan_ahead(struct wpipe__native *n, struct wpipe__cursor *cursor,
                      struct wpipe__record *ret)
{
    struct wpipe__ring_in ahead = { 0 };

    ahead.bytes = (const uint8_t *)n->theirs + WPIPE__CONTROL_SIZE;
    ahead.size = n->link.terms.ring_in;
    ahead.tail = n->moved_at;
    if (cursor->begun != AHEAD_IN_RING)
        cursor->position = n->moved_at;
    cursor->begun = AHEAD_IN_RING;
    ahead.head = cursor->position; /* it never goes back */
    if (wpipe__ring_refresh(&ahead, n->theirs) < 0)
        return WPIPE_EPROTO;
    return wpipe__ring_scan(&ahead, n->theirs, &cursor->position, ret);
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
        r = wpipe__ring_scan(&n->in, n->theirs, &cursor->position, ret);
    else
        return scan_end(scan_queue(n, cursor, ret), ret);
    if (r == 1 && first && n->in.taken <= ret->size) {
        ret->data += n->in.taken;
        ret->size -= n->in.taken;
    }
    return scan_end(r, ret);
}

/* Flags of a record that may be all that is left, with nothing to read in it:
 * FIN, or a message that is withdrawn. Whoever drains does not wait for it. */
#define MAY_BE_NOTHING \
    (WPIPE__RECORD_FIN | WPIPE__RECORD_MORE | WPIPE__RECORD_PAD)

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
    atomic_store_explicit(&n->mine->tail, n->in.tail, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst); /* as in wpipe__native_ring */
    want = atomic_load_explicit(&n->theirs->want, memory_order_relaxed);
    if (want & (WPIPE__WANT_ROOM | WPIPE__WANT_DRAINED))
        wpipe__native_answer(n);
    else if (n->in.tail - n->credit_sent >= quarter || nothing_to_read(n))
        wpipe__native_credit(n); /* one who drains may not have said so yet */
    wpipe__mutex_unlock(&n->link.lock);
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
    wpipe__ring_take(&n->in, record, bytes, whole);
    n->streak++;
    atomic_store_explicit(&n->mine->consumed, n->consumed,
                          memory_order_relaxed);
    if (!whole)
        return;
    atomic_store_explicit(&n->mine->tail, n->in.tail, memory_order_release);
    if ((n->in.tail == n->in.head || n->in.tail - n->told >= n->in.size / 8 ||
         (wpipe__ring_next_flags(&n->in) & MAY_BE_NOTHING)))
        tell(n);
}

/* ---- writing ------------------------------------------------------------- */

/* Copy `size` bytes of the pieces, from the parcel's offset. */
static void gather(uint8_t *to, const struct wpipe__parcel *p)
{
    size_t skip = p->offset;
    size_t left = p->record.size;
    int i;

    if (left == 0)
        return;
    if (p->count == 1) {
        memcpy(to, (const uint8_t *)p->pieces[0].data + skip, left);
        return;
    }
    for (i = 0; i < p->count && left > 0; i++) {
        size_t size = p->pieces[i].size;
        size_t part;

        if (skip >= size) {
            skip -= size;
            continue;
        }
        part = wpipe__min_size(size - skip, left);
        memcpy(to, (const uint8_t *)p->pieces[i].data + skip, part);
        to += part;
        left -= part;
        skip = 0;
    }
}

/* Credit in the framed phase for a record of this charge: 1; 0; < 0. */
static int framed_room(struct wpipe__native *n, uint64_t charge)
{
    int i;

    for (i = 0; i < 2; i++) {
        uint64_t tail =
            atomic_load_explicit(&n->theirs->tail, memory_order_acquire);
        int end = wpipe__native_end(n, 1);

        if (end < 0)
            return end;
        if (n->out.head - tail + charge <= n->window)
            return 1;
        if (i == 0)
            (void)wpipe__native_pump(n);
        if (wpipe__out_shared(n))
            return 0;
    }
    return 0;
}

/* Send one DATA frame from a payload in one piece or several. Locked. */
static int send_data(struct wpipe__native *n, const struct wpipe__parcel *p)
{
    const struct wpipe__record *r = &p->record;
    struct wpipe__frame f = { .type = WPIPE__FRAME_DATA };
    uint8_t extra[16];
    uint8_t flat[WPIPE__FRAME_DATA_MAX];
    wpipe_piece body[2];
    uint32_t at = 0;
    int result;

    if (r->flags & WPIPE__RECORD_TOTAL) {
        wpipe__store_u64(extra, r->total);
        at = 8;
    }
    if (r->flags & (WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY)) {
        wpipe__store_u64(extra + at, r->request);
        at += 8;
    }
    f.flags = (uint16_t)r->flags;
    f.size = at + r->size;
    f.value = atomic_load_explicit(&n->mine->tail, memory_order_relaxed);
    body[0].data = extra;
    body[0].size = at;
    gather(flat, p);
    body[1].data = flat;
    body[1].size = r->size;
    result = wpipe__native_send(n, &f, body, 2, WPIPE__NO_HANDLE);
    if (result < 0)
        return result;
    n->credit_sent = f.value;
    n->out.head += wpipe__frame_charge(r->flags, r->size);
    atomic_store_explicit(&n->mine->head, n->out.head, memory_order_relaxed);
    account(n, r, n->out.head - wpipe__frame_charge(r->flags, r->size));
    wpipe__native_earn(n, r->size);
    return 1;
}

/* The largest payload of a frame: it must also fit the ring, since the phase
 * may end between cutting and sending. */
static uint32_t frame_most(struct wpipe__native *n)
{
    uint64_t most = wpipe__native_most(&n->link);

    most = wpipe__min_u64(most, n->window / 2 - 64);
    return (uint32_t)wpipe__min_u64(WPIPE__FRAME_DATA_MAX, most);
}

/* 1, 0, < 0; or 2: the phase is over, use the ring. */
static int put_framed(struct wpipe__native *n, const struct wpipe__parcel *p)
{
    int r = 2;

    wpipe__mutex_lock(&n->link.lock);
    if (!wpipe__out_shared(n)) {
        r = framed_room(n,
                        wpipe__frame_charge(p->record.flags, p->record.size));
        if (r == 1)
            r = send_data(n, p);
        else if (r == 0 && wpipe__out_shared(n))
            r = 2;
    }
    wpipe__mutex_unlock(&n->link.lock);
    return r;
}

/* Now and then: is anybody still there? A peer that sleeps is asked by its
 * bell, a full ring by the wait for room. */
static void check_peer(struct wpipe__native *n)
{
    if (++n->unchecked < RECORDS_UNCHECKED)
        return;
    n->unchecked = 0;
    wpipe__mutex_lock(&n->link.lock);
    (void)wpipe__native_pump(n);
    wpipe__mutex_unlock(&n->link.lock);
}

static int reserve_shared(struct wpipe__native *n,
                          const struct wpipe__record *record,
                          uint8_t **ret_data)
{
    int r = wpipe__native_end(n, 1);
    int error;

    if (r < 0)
        return r;
    *ret_data = wpipe__ring_reserve(&n->out, n->theirs, record, &error);
    if (error < 0) {
        wpipe__mutex_lock(&n->link.lock);
        wpipe__native_break(n, error);
        wpipe__mutex_unlock(&n->link.lock);
        return error;
    }
    return *ret_data != NULL;
}

static void commit_shared(struct wpipe__native *n,
                          const struct wpipe__record *record)
{
    uint64_t at = n->out.head;

    wpipe__ring_commit(&n->out, record);
    account(n, record, at);
    wpipe__ring_publish(&n->out, n->mine);
    ring_reader(n);
    check_peer(n);
}

int wpipe__native_put(struct wpipe__link *link,
                      const struct wpipe__parcel *parcel)
{
    struct wpipe__native *n = wpipe__native(link);
    uint8_t *to;
    int r;

    if (!wpipe__out_shared(n)) {
        r = put_framed(n, parcel);
        if (r != 2)
            return r;
    }
    r = reserve_shared(n, &parcel->record, &to);
    if (r <= 0)
        return r;
    gather(to, parcel);
    commit_shared(n, &parcel->record);
    return 1;
}

int wpipe__native_room(struct wpipe__link *link,
                       const struct wpipe__record *record)
{
    struct wpipe__native *n = wpipe__native(link);
    uint8_t *at;
    int r;

    if (!wpipe__out_shared(n)) {
        uint64_t parts = record->size / frame_most(n); /* after the first */

        wpipe__mutex_lock(&n->link.lock);
        r = framed_room(n, wpipe__frame_charge(record->flags, record->size) +
                               parts * WPIPE__FRAME_CHARGE);
        wpipe__mutex_unlock(&n->link.lock);
        if (r != 0 || !wpipe__out_shared(n))
            return r;
    }
    return reserve_shared(n, record, &at);
}

int wpipe__native_reserve(struct wpipe__link *link,
                          const struct wpipe__record *record,
                          uint8_t **ret_data)
{
    struct wpipe__native *n = wpipe__native(link);
    int r;

    if (wpipe__out_shared(n))
        return reserve_shared(n, record, ret_data);
    r = wpipe__native_room(link, record);
    if (r <= 0)
        return r;
    if (wpipe__out_shared(n))
        return reserve_shared(n, record, ret_data);
    n->scratch = wpipe__alloc(record->size + 1);
    if (n->scratch == NULL)
        return WPIPE_ENOMEM;
    *ret_data = n->scratch;
    return 1;
}

/* Send what was written into the scratch, in as many records as it takes. */
static int commit_scratch(struct wpipe__native *n,
                          const struct wpipe__record *record)
{
    wpipe_piece piece = { n->scratch, record->size };
    struct wpipe__parcel parcel = { .pieces = &piece, .count = 1 };
    int r;

    do {
        uint32_t left = record->size - n->scratch_sent;
        uint32_t most = wpipe__native_fragment(&n->link);

        parcel.record = *record;
        parcel.offset = n->scratch_sent;
        parcel.record.size = left < most ? left : most;
        if (parcel.record.size < left)
            parcel.record.flags |= WPIPE__RECORD_MORE;
        r = wpipe__native_put(&n->link, &parcel);
        if (r == 1)
            n->scratch_sent += parcel.record.size;
    } while (r == 1 && n->scratch_sent < record->size);
    return r;
}

int wpipe__native_commit(struct wpipe__link *link,
                         const struct wpipe__record *record)
{
    struct wpipe__native *n = wpipe__native(link);
    int r;

    if (n->scratch == NULL) {
        r = wpipe__native_end(n, 1);
        if (r < 0)
            return r;
        commit_shared(n, record);
        return 1;
    }
    r = commit_scratch(n, record);
    if (r != 0)
        (void)wpipe__native_cancel(link);
    return r;
}

uint32_t wpipe__native_cancel(struct wpipe__link *link)
{
    struct wpipe__native *n = wpipe__native(link);
    uint32_t sent = n->scratch_sent;

    wpipe__free(n->scratch); /* in the ring nothing has happened yet */
    n->scratch = NULL;
    n->scratch_sent = 0;
    return sent;
}

int wpipe__native_mark(struct wpipe__link *link, uint32_t flag)
{
    struct wpipe__native *n = wpipe__native(link);
    struct wpipe__parcel parcel = { 0 };
    int r = 2;

    parcel.record.flags = flag;
    wpipe__mutex_lock(&n->link.lock);
    if (!wpipe__out_shared(n)) {
        r = wpipe__native_end(n, 1);
        if (r == 0) /* beyond the credit if need be: room was kept for it */
            r = send_data(n, &parcel);
    }
    wpipe__mutex_unlock(&n->link.lock);
    if (r != 2)
        return r < 0 ? r : 0;
    r = wpipe__native_end(n, 1);
    if (r < 0)
        return r;
    wpipe__ring_mark(&n->out, flag);
    account(n, &parcel.record, n->out.head);
    wpipe__ring_publish(&n->out, n->mine);
    wpipe__native_ring(n, WPIPE__WANT_DATA);
    return 0;
}

uint32_t wpipe__native_most(struct wpipe__link *link)
{
    struct wpipe__native *n = wpipe__native(link);
    uint32_t most = wpipe__ring_fragment(n->greeted == WPIPE__GREET_DONE
                                             ? n->link.terms.ring_out
                                             : WPIPE__RING_MIN);

    if (wpipe__out_shared(n))
        return most;
    /* all of it must fit the credit, so that a commit need not wait */
    return (uint32_t)wpipe__min_u64(most, n->window * 3 / 4);
}

uint32_t wpipe__native_fragment(struct wpipe__link *link)
{
    struct wpipe__native *n = wpipe__native(link);

    if (wpipe__out_shared(n))
        return (uint32_t)wpipe__min_u64(wpipe__ring_fragment(n->out.size) / 2,
                                        FRAGMENT_SHARED);
    return frame_most(n);
}

int wpipe__native_drained(struct wpipe__link *link)
{
    struct wpipe__native *n = wpipe__native(link);
    int end;
    int r;

    wpipe__mutex_lock(&n->link.lock);
    if (!wpipe__out_shared(n))
        (void)wpipe__native_pump(n);
    end = wpipe__native_end(n, 1); /* before the tail: the last word counts */
    r = (int64_t)(atomic_load_explicit(&n->theirs->tail, memory_order_acquire) -
                  atomic_load_explicit(&n->solid, memory_order_relaxed)) >= 0;
    wpipe__mutex_unlock(&n->link.lock);
    return r && end != WPIPE_EDISCONNECTED ? 1 : end;
}
