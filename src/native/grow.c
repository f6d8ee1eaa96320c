/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring grows: from the least size to that of the terms, once.
 *
 * Most connections never have more than a few messages on their way, and a
 * ring's pages are taken whole. So a ring begins with one page; when that is
 * full its writer makes a segment with the larger ring, sends it (SWITCH, with
 * the position from which on it is used), and only then marks the place in the
 * small ring (GROWN). A reader that meets the mark therefore has the segment,
 * or finds it on the socket. The control words stay where they are.
 */
#include "native/native.h"

#include <windpipe/error.h>

#include "base/base.h"
#include "link/log.h"

/* Both ends copy while it stays in their caches. */
#define FRAGMENT 65536u
/* What a record needs beside its payload, and half the reserve. */
#define BESIDE 32u
/* Receives until a segment that was sent before the mark is here. */
#define FOLLOW_ROUNDS 16

/* ---- ours ---------------------------------------------------------------- */

void wpipe__native_use_ring(struct wpipe__native *n,
                            struct wpipe__control *segment, uint32_t size)
{
    n->out.bytes = (uint8_t *)segment + WPIPE__CONTROL_SIZE;
    n->out.size = size;
    /* both ends copy at a time, each its own; in a ring that is still to grow
     * it is as much as always finds room beside a PAD */
    n->most = size < n->link.terms.ring_out
                  ? size / 2 - BESIDE
                  : (uint32_t)wpipe__min_u64(size / 8, FRAGMENT);
}

static int grow_locked(struct wpipe__native *n)
{
    uint32_t size = n->link.terms.ring_out;
    int r = wpipe__native_end(n, 1);

    if (r == 0)
        r = wpipe__native_send_segment(
            n, size, n->out.head + WPIPE__RECORD_HEADER, &n->grown);
    if (r == 0) {
        wpipe__ring_mark(&n->out, WPIPE__RECORD_GROWN);
        wpipe__native_use_ring(n, n->grown, size);
        wpipe__log_grown(&n->link, size);
        return 1;
    }
    if (wpipe__native_end(n, 1) < 0)
        return wpipe__native_end(n, 1);
    n->grow_error = r;
    n->grow_again_at = n->out.head + n->out.size;
    return 0;
}

int wpipe__native_grow(struct wpipe__native *n)
{
    int r;

    if (n->out.size >= n->link.terms.ring_out ||
        (n->grow_error && n->out.head < n->grow_again_at))
        return 0;
    wpipe__mutex_lock(&n->link.lock);
    r = grow_locked(n);
    wpipe__mutex_unlock(&n->link.lock);
    return r;
}

/* ---- the peer's ---------------------------------------------------------- */

/* Map it. Without memory for it the descriptor waits for another try. */
static int map_growth(struct wpipe__native *n)
{
    uint32_t ring = n->link.terms.ring_in;
    const struct wpipe__switch offer = { ring, WPIPE__CONTROL_SIZE + ring };
    int r = wpipe__native_map(n, n->unmapped, &offer, &n->their_grown);

    if (r == 0 || r == WPIPE_EPROTO) {
        wpipe__os_discard(n->unmapped);
        n->unmapped = WPIPE__NO_HANDLE;
    }
    return r;
}

int wpipe__native_on_growth(struct wpipe__native *n,
                            const struct wpipe__switch *offer, uint64_t at)
{
    if (!wpipe__native_expects_segment(n) || !n->peer_moved || at == 0 ||
        (at & 7u) || offer->ring_size != n->link.terms.ring_in)
        return WPIPE_EPROTO;
    n->their_grown_at = at;
    n->unmapped = n->passed;
    n->passed = WPIPE__NO_HANDLE;
    wpipe__native_refuse_passing(n);
    /* what lies before the mark can be read in any case */
    return map_growth(n) == WPIPE_EPROTO ? WPIPE_EPROTO : 0;
}

int wpipe__native_follow(struct wpipe__native *n)
{
    int i;
    int r = 1;

    wpipe__mutex_lock(&n->link.lock);
    for (i = 0; i < FOLLOW_ROUNDS && n->their_grown_at == 0 && r > 0; i++)
        r = wpipe__native_pump(n);
    r = WPIPE_EPROTO; /* a mark, and nothing belongs to it */
    if (n->their_grown == NULL && n->their_grown_at != 0)
        r = map_growth(n);
    if (n->their_grown != NULL)
        r = wpipe__ring_follow(
            &n->in, (const uint8_t *)n->their_grown + WPIPE__CONTROL_SIZE,
            n->their_grown_at);
    if (r < 0)
        wpipe__native_break(n, r); /* or it is, for a better reason */
    wpipe__mutex_unlock(&n->link.lock);
    return r < 0 ? atomic_load(&n->over) : 1;
}

void wpipe__native_ungrow(struct wpipe__native *n)
{
    wpipe__os_segment_unmap(n->grown,
                            WPIPE__CONTROL_SIZE + n->link.terms.ring_out);
    wpipe__os_segment_unmap(n->their_grown,
                            WPIPE__CONTROL_SIZE + n->link.terms.ring_in);
}
