/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SWITCH: a native link moves from its socket to shared memory.
 *
 * Every ring begins with the least size (grow.c has what comes later).
 * Both ends do the same: offer a segment (SWITCH + descriptor); and once both
 * segments are known, say MOVED and write into the own ring from there on.
 * Whoever is offered a segment and has not offered one does so at once. The
 * reader takes what was framed first, then goes on in the ring. Whoever cannot
 * do it says STAY, and both stay framed. All with link.lock held.
 */
#include "native/native.h"

#include <windpipe/error.h>

#include "base/base.h"
#include "link/log.h"

/* A link earns shared memory with this many records or 4 KiB units. */
#define EARNED_AT 16u
#define EARN_UNIT 4096u

/* From here on our records go into our ring. Both segments are known. */
static int move(struct wpipe__native *n)
{
    uint64_t tail =
        atomic_load_explicit(&n->theirs->tail, memory_order_relaxed);
    int r;

    if (n->out.head - tail > wpipe__native_window(n->link.terms.ring_out))
        return WPIPE_EPROTO;
    r = wpipe__native_say(n, WPIPE__FRAME_MOVED, n->out.head);
    if (r < 0)
        return atomic_load(&n->over);
    wpipe__native_use_ring(n, n->mine, WPIPE__RING_MIN);
    n->out.start = n->out.head;
    n->out.tail = n->out.head;
    n->out.seen = tail;
    wpipe__ring_publish(&n->out, n->mine);
    atomic_store_explicit(&n->out_shared, 1, memory_order_release);
    wpipe__log_moved(&n->link);
    wpipe__link_notify(&n->link);
    return 0;
}

int wpipe__native_offer(struct wpipe__native *n)
{
    struct wpipe__control *words = NULL;
    int r;

    if (!n->willing || n->left)
        return WPIPE_ENOTSUP;
    r = wpipe__native_send_segment(n, WPIPE__RING_MIN, 0, &words);
    if (r < 0) {
        n->willing = 0; /* not tried again; and should the peer offer: STAY */
        wpipe__link_notify(&n->link);
        return r;
    }
    n->mine = words;
    n->offered = 1;
    return n->their_ring ? move(n) : 0;
}

void wpipe__native_earn(struct wpipe__native *n, size_t bytes)
{
    n->earned += 1 + (uint32_t)(bytes / EARN_UNIT);
    if (n->earned >= EARNED_AT && !n->offered && n->willing)
        (void)wpipe__native_offer(n);
}

/* We stay on the socket, and so does the peer. (Who requires shared memory has
 * offered in time, or ended.) */
static int decline(struct wpipe__native *n)
{
    n->declined = 1;
    n->willing = 0;
    wpipe__os_discard(n->passed);
    n->passed = WPIPE__NO_HANDLE;
    wpipe__native_refuse_passing(n);
    if (wpipe__native_say(n, WPIPE__FRAME_STAY, 0) < 0)
        return atomic_load(&n->over);
    return 0;
}

int wpipe__native_on_switch(struct wpipe__native *n,
                            const struct wpipe__frame *frame,
                            const uint8_t *body)
{
    const struct wpipe__control *words = NULL;
    struct wpipe__switch offer;
    int r = wpipe__switch_decode(body, &offer);

    if (r < 0 || n->passed == WPIPE__NO_HANDLE || n->declined)
        return WPIPE_EPROTO;
    if (n->their_ring)
        return wpipe__native_on_growth(n, &offer, frame->value);
    if (!n->willing)
        return decline(n); /* we cannot have a segment: no use for theirs */
    r = wpipe__native_map(n, n->passed, &offer, &words);
    if (r < 0)
        /* who has offered cannot decline: the peer moves on the offer */
        return r == WPIPE_EPROTO || n->offered ? r : decline(n);
    wpipe__os_close(n->passed);
    n->passed = WPIPE__NO_HANDLE;
    n->their_segment = words;
    n->their_ring = offer.ring_size;
    n->their_features = wpipe__load_once(&words->features);
    n->theirs = words;
    if (!wpipe__native_expects_segment(n))
        wpipe__native_refuse_passing(n);
    if (n->offered)
        return move(n);
    r = wpipe__native_offer(n);
    if (r == 0)
        return 0;
    n->theirs = &n->local[1];
    n->their_features = 0;
    return decline(n);
}

int wpipe__native_on_moved(struct wpipe__native *n, uint64_t value)
{
    if (!n->their_ring || n->theirs == &n->local[1] || n->peer_moved ||
        value != n->received)
        return WPIPE_EPROTO;
    n->moved_at = value;
    n->peer_moved = 1;
    n->in.bytes = (const uint8_t *)n->theirs + WPIPE__CONTROL_SIZE;
    n->in.size = n->their_ring;
    n->in.limit = n->link.terms.ring_in;
    return 0;
}

int wpipe__native_on_stay(struct wpipe__native *n)
{
    struct wpipe__control *shared = n->mine;

    if (n->declined)
        return 0; /* both did */
    if (n->their_ring)
        return WPIPE_EPROTO; /* it has offered, and moved for all we know */
    n->willing = 0;
    wpipe__native_refuse_passing(n);
    if (n->wants_shared == WPIPE_SHARED_REQUIRED)
        wpipe__native_break(n, WPIPE_ENOTSUP);
    if (!n->offered)
        return 0;
    wpipe__native_copy_words(&n->local[0], shared);
    n->mine = &n->local[0];
    n->offered = 0;
    wpipe__os_segment_unmap(shared, WPIPE__SEGMENT_MIN);
    return 0;
}

void wpipe__native_enter_ring(struct wpipe__native *n)
{
    n->in.head = n->in.tail;
    n->in.taken = 0;
    n->in.known = 0;
    n->told = n->in.tail;
    wpipe__queue_done(&n->queue);
    atomic_store_explicit(&n->in_shared, 1, memory_order_relaxed);
}
