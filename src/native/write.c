/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records into the native link, in both phases: into our ring without a lock,
 * or as DATA frames under link.lock and within the credit.
 */
#include "native/native.h"

#include <windpipe/error.h>

#include "base/base.h"
#include "base/copy.h"
#include "base/memory.h"
#include "base/pieces.h"

#define RECORDS_UNCHECKED 512
/* So many bytes through a small ring earn a larger one. */
#define GROWS_AFTER 262144u

/* A record of our own is on its way. Its message may still be withdrawn: then
 * what counted before it counts again, without a mark or a PAD in between. */
static void account(struct wpipe__native *n, const struct wpipe__record *record)
{
    uint64_t solid = n->out.head;

    if (record->flags & WPIPE__RECORD_FIN)
        return;
    if (record->flags & WPIPE__RECORD_ABORT)
        solid = n->solid_before;
    else if (!n->in_message)
        n->solid_before = atomic_load_explicit(&n->solid, memory_order_relaxed);
    n->in_message = (record->flags & WPIPE__RECORD_MORE) != 0;
    n->sent += record->size;
    atomic_store_explicit(&n->solid, solid, memory_order_relaxed);
}

/* Copy the record's bytes of the pieces, from the parcel's offset. */
static void gather(uint8_t *to, const struct wpipe__parcel *p)
{
    if (p->count == 1 && p->record.size > 0)
        wpipe__copy(to, (const uint8_t *)p->pieces[0].data + p->offset,
                    p->record.size);
    else
        wpipe__pieces_copy(to, p->pieces, p->offset, p->record.size);
}

/* ---- framed -------------------------------------------------------------- */

/* Credit in the framed phase for a record of this charge: 1; 0; < 0. */
static int framed_room(struct wpipe__native *n, uint64_t charge)
{
    int i;

    for (i = 0; i < 2; i++) {
        uint64_t tail =
            atomic_load_explicit(&n->theirs->tail, memory_order_relaxed);
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
    account(n, r);
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

/* ---- shared -------------------------------------------------------------- */

static __attribute__((noinline, cold)) void look_up(struct wpipe__native *n)
{
    n->unchecked = 0;
    wpipe__mutex_lock(&n->link.lock);
    (void)wpipe__native_pump(n);
    wpipe__mutex_unlock(&n->link.lock);
    /* a small ring costs a look at the peer's position each time round */
    if (n->out.head - n->out.start >= GROWS_AFTER)
        (void)wpipe__native_grow(n);
}

/* Now and then: is anybody still there? A peer that sleeps is asked by its
 * bell, a full ring by the wait for room. */
static void check_peer(struct wpipe__native *n)
{
    if (++n->unchecked >= RECORDS_UNCHECKED)
        look_up(n);
}

static int reserve_shared(struct wpipe__native *n,
                          const struct wpipe__record *record,
                          uint8_t **ret_data)
{
    int r = wpipe__native_end(n, 1);
    int error;

    if (r < 0)
        return r;
    do
        *ret_data = wpipe__ring_reserve(&n->out, n->theirs, record, &error);
    while (error == 0 && *ret_data == NULL && (r = wpipe__native_grow(n)) > 0);
    if (error < 0) {
        wpipe__mutex_lock(&n->link.lock);
        wpipe__native_break(n, error);
        wpipe__mutex_unlock(&n->link.lock);
        return error;
    }
    if (*ret_data == NULL && r == 0 && !wpipe__ring_fits(&n->out, record))
        return WPIPE__PUT_TOO_LONG; /* there is no ring that could hold it */
    return *ret_data != NULL ? 1 : r;
}

static void publish_shared(struct wpipe__native *n,
                           const struct wpipe__record *record)
{
    wpipe__ring_commit(&n->out, record);
    account(n, record);
    wpipe__ring_publish(&n->out, n->mine);
}

static void commit_shared(struct wpipe__native *n,
                          const struct wpipe__record *record)
{
    publish_shared(n, record);
    wpipe__native_ring_reader(n);
    check_peer(n);
}

void wpipe__native_wake_peer(struct wpipe__link *link)
{
    struct wpipe__native *n = wpipe__native(link);

    if (!wpipe__out_shared(n))
        return; /* frames wake by themselves */
    wpipe__native_ring(n, WPIPE__WANT_DATA);
    check_peer(n);
}

/* ---- either -------------------------------------------------------------- */

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
    if (r != 1)
        return r;
    gather(to, parcel);
    if (parcel->quiet)
        publish_shared(n, &parcel->record);
    else
        commit_shared(n, &parcel->record);
    return 1;
}

int wpipe__native_put_whole(struct wpipe__link *link, const void *data,
                            size_t size)
{
    struct wpipe__native *n = wpipe__native(link);

    if (!wpipe__out_shared(n) || size > n->most || size > link->terms.max_out ||
        n->in_message || !wpipe__native_goes_on(n) ||
        !wpipe__ring_put_plain(&n->out, n->theirs, data, (uint32_t)size))
        return 0;
    n->sent += size;
    atomic_store_explicit(&n->solid, n->out.head, memory_order_relaxed);
    wpipe__ring_publish(&n->out, n->mine);
    wpipe__native_ring_reader(n);
    check_peer(n);
    return 1;
}

int wpipe__native_room(struct wpipe__link *link,
                       const struct wpipe__record *record)
{
    struct wpipe__native *n = wpipe__native(link);
    struct wpipe__record part = *record;
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
    if (n->scratch != NULL) /* is cut to suit */
        part.size = (uint32_t)wpipe__min_u64(
            part.size, wpipe__native_fragment(link, part.size));
    r = reserve_shared(n, &part, &at);
    return r == WPIPE__PUT_TOO_LONG ? 1 : r; /* the next call tells */
}

static int reserve_in_ring(struct wpipe__native *n,
                           const struct wpipe__record *record,
                           uint8_t **ret_data)
{
    int r = reserve_shared(n, record, ret_data);

    return r == WPIPE__PUT_TOO_LONG ? n->grow_error : r;
}

int wpipe__native_reserve(struct wpipe__link *link,
                          const struct wpipe__record *record,
                          uint8_t **ret_data)
{
    struct wpipe__native *n = wpipe__native(link);
    int r;

    if (wpipe__out_shared(n))
        return reserve_in_ring(n, record, ret_data);
    r = wpipe__native_room(link, record);
    if (r <= 0)
        return r;
    if (wpipe__out_shared(n))
        return reserve_in_ring(n, record, ret_data);
    n->scratch = wpipe__alloc((size_t)record->size + WPIPE__RECORD_LINE);
    if (n->scratch == NULL)
        return WPIPE_ENOMEM;
    *ret_data = wpipe__record_line(n->scratch);
    return 1;
}

/* Send what was written into the scratch, in as many records as it takes. */
static int commit_scratch(struct wpipe__native *n,
                          const struct wpipe__record *record)
{
    wpipe_piece piece = { wpipe__record_line(n->scratch), record->size };
    struct wpipe__parcel parcel = { .pieces = &piece, .count = 1 };
    int r;

    do {
        uint32_t left = record->size - n->scratch_sent;
        uint32_t most = wpipe__native_fragment(&n->link, left);

        parcel.record = *record;
        parcel.offset = n->scratch_sent;
        parcel.record.size = left < most ? left : most;
        if (parcel.record.size < left)
            parcel.record.flags |= WPIPE__RECORD_MORE;
        r = wpipe__native_put(&n->link, &parcel);
        if (r == 1)
            n->scratch_sent += parcel.record.size;
    } while (r > 0 && n->scratch_sent < record->size);
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
    account(n, &parcel.record);
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

uint32_t wpipe__native_fragment(struct wpipe__link *link, size_t left)
{
    struct wpipe__native *n = wpipe__native(link);

    if (!wpipe__out_shared(n))
        return frame_most(n);
    if (left > n->most)
        (void)wpipe__native_grow(n); /* better than to cut it small */
    return n->most;
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
    r = (int64_t)(atomic_load_explicit(&n->theirs->tail, memory_order_relaxed) -
                  atomic_load_explicit(&n->solid, memory_order_relaxed)) >= 0;
    wpipe__mutex_unlock(&n->link.lock);
    return r && end != WPIPE_EDISCONNECTED ? 1 : end;
}
