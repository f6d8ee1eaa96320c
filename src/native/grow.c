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

/* ---- ours ---------------------------------------------------------------- */

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
int wpipe__native_map_growth(struct wpipe__native *n)
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
    return wpipe__native_map_growth(n) == WPIPE_EPROTO ? WPIPE_EPROTO : 0;
}

void wpipe__native_ungrow(struct wpipe__native *n)
{
    wpipe__os_segment_unmap(n->grown,
                            WPIPE__CONTROL_SIZE + n->link.terms.ring_out);
    wpipe__os_segment_unmap(n->their_grown,
                            WPIPE__CONTROL_SIZE + n->link.terms.ring_in);
}
