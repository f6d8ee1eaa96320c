/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments of a native link: making and sending ours, mapping the peer's. When
 * that is done is decided in switch.c and grow.c, which call this.
 */
#include "native/native.h"

#include <windpipe/error.h>

#include "base/base.h"

/* Both ends copy while it stays in their caches. */
#define FRAGMENT 65536u
/* What a record needs beside its payload, and half the reserve. */
#define BESIDE 32u

void wpipe__native_copy_words(struct wpipe__control *to,
                              const struct wpipe__control *from)
{
    atomic_store(&to->head, atomic_load(&from->head));
    atomic_store(&to->tail, atomic_load(&from->tail));
    atomic_store(&to->consumed, atomic_load(&from->consumed));
    atomic_store(&to->want, atomic_load(&from->want));
    atomic_store(&to->state, atomic_load(&from->state));
    atomic_store(&to->core, atomic_load(&from->core));
}

static int say_switch(struct wpipe__native *n, uint32_t ring_size, uint64_t at,
                      wpipe__handle handle)
{
    struct wpipe__switch offer = { ring_size, WPIPE__CONTROL_SIZE + ring_size };
    struct wpipe__frame f = { .type = WPIPE__FRAME_SWITCH,
                              .size = WPIPE__SWITCH_SIZE,
                              .value = at };
    uint8_t bytes[WPIPE__SWITCH_SIZE];
    wpipe_piece body = { bytes, sizeof bytes };

    wpipe__switch_encode(&offer, bytes);
    return wpipe__native_send(n, &f, &body, 1, handle);
}

int wpipe__native_send_segment(struct wpipe__native *n, uint32_t ring_size,
                               uint64_t at, struct wpipe__control **ret_words)
{
    size_t size = WPIPE__CONTROL_SIZE + ring_size;
    struct wpipe__control *words;
    void *memory = NULL;
    wpipe__handle handle = WPIPE__NO_HANDLE;
    int r = wpipe__os_segment_make(size, &memory, &handle);

    if (r < 0)
        return r;
    words = memory;
    words->magic = WPIPE__CONTROL_MAGIC;
    words->version = WPIPE__WIRE_VERSION;
    words->ring_size = ring_size;
    words->features = wpipe__os_has_barrier() ? WPIPE__FEATURE_BARRIER : 0;
    wpipe__native_copy_words(words, n->mine);
    r = say_switch(n, ring_size, at, handle);
    wpipe__os_close(handle);
    if (r < 0)
        wpipe__os_segment_unmap(memory, size);
    else
        *ret_words = words;
    return r;
}

int wpipe__native_map(struct wpipe__native *n, wpipe__handle handle,
                      const struct wpipe__switch *offer,
                      const struct wpipe__control **ret_words)
{
    const struct wpipe__control *words;
    const void *memory = NULL;
    const char *why; /* it is one word to the peer: EPROTO */
    int r;

    if (offer->ring_size > n->link.terms.ring_in)
        return WPIPE_EPROTO;
    if (handle == WPIPE__LOST_HANDLE)
        return WPIPE_ELIMIT;
    r = wpipe__os_segment_map(handle, offer->segment_size, &memory, &why);
    if (r < 0)
        return r;
    words = memory;
    if (wpipe__load_once(&words->magic) != WPIPE__CONTROL_MAGIC ||
        wpipe__load_once(&words->version) != WPIPE__WIRE_VERSION ||
        wpipe__load_once(&words->ring_size) != offer->ring_size) {
        wpipe__os_segment_unmap(memory, offer->segment_size);
        return WPIPE_EPROTO;
    }
    *ret_words = words;
    return 0;
}

int wpipe__native_expects_segment(const struct wpipe__native *n)
{
    if (!n->their_ring)
        return (n->ours.flags & WPIPE__GREET_SHARED) != 0;
    return n->their_grown_at == 0 && n->their_ring < n->link.terms.ring_in;
}

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
