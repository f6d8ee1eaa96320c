/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring algorithm; ring.h has the rules. Positions are 64-bit counts of
 * bytes that never wrap in practice; offset = position & (size - 1).
 */
#include "base/ring.h"

#include <string.h>

#include <windpipe/error.h>

/* One load of memory that the peer may change while we look. */
static uint64_t load_once(const uint8_t *at)
{
    return *(const volatile uint64_t *)(const volatile void *)at;
}

/* Records are eight-byte aligned, so their words can be stored whole. */
static void store_word(uint8_t *at, uint64_t word)
{
    memcpy(at, &word, sizeof word);
}

static uint64_t header_word(uint32_t flags, uint32_t size)
{
    return (uint64_t)size | (uint64_t)flags << 32;
}

/* Bytes from `position` to the end of the ring. */
static uint64_t to_the_end(uint64_t size, uint64_t position)
{
    return size - (position & (size - 1));
}

/* Where the record would start: behind a PAD if it does not fit in front of
 * the ring's end. */
static uint64_t pad_before(const struct wpipe__ring_out *out, uint64_t space)
{
    uint64_t left = to_the_end(out->size, out->head);

    return left < space ? left : 0;
}

/* Look at the peer's position again; 0, or WPIPE_EPROTO. */
static int refresh_tail(struct wpipe__ring_out *out,
                        const struct wpipe__control *theirs)
{
    /* pairs with the release store of tail by the reader: what it has read
     * may be overwritten */
    uint64_t tail = atomic_load_explicit(&theirs->tail, memory_order_acquire);

    if (out->head - tail > out->head - out->seen || (tail & 7u))
        return WPIPE_EPROTO; /* backwards, or beyond what was written */
    out->seen = tail;
    if (out->head - tail <= out->head - out->start)
        out->tail = tail;
    return 0;
}

uint8_t *wpipe__ring_reserve(struct wpipe__ring_out *out,
                             const struct wpipe__control *theirs,
                             const struct wpipe__record *record, int *ret_error)
{
    uint64_t space = wpipe__record_space(record->flags, record->size);
    uint64_t pad = pad_before(out, space);
    uint64_t need = space + pad + WPIPE__RING_RESERVE;

    *ret_error = 0;
    if (out->head - out->tail + need > out->size) {
        *ret_error = refresh_tail(out, theirs);
        if (*ret_error < 0 || out->head - out->tail + need > out->size)
            return NULL;
    }
    out->pad = pad;
    return out->bytes + ((out->head + pad) & (out->size - 1)) +
           WPIPE__RECORD_HEADER + wpipe__record_extra(record->flags);
}

void wpipe__ring_commit(struct wpipe__ring_out *out,
                        const struct wpipe__record *record)
{
    uint64_t space = wpipe__record_space(record->flags, record->size);
    uint64_t pad = out->pad;
    uint8_t *at;

    out->pad = 0;
    if (pad) {
        store_word(out->bytes + (out->head & (out->size - 1)),
                   header_word(WPIPE__RECORD_PAD,
                               (uint32_t)pad - WPIPE__RECORD_HEADER));
        out->head += pad;
    }
    at = out->bytes + (out->head & (out->size - 1));
    store_word(at, header_word(record->flags, record->size));
    at += WPIPE__RECORD_HEADER;
    if (record->flags & WPIPE__RECORD_TOTAL) {
        store_word(at, record->total);
        at += 8;
    }
    if (record->flags & (WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY))
        store_word(at, record->request);
    out->head += space;
}

int wpipe__ring_put_plain(struct wpipe__ring_out *out,
                          const struct wpipe__control *theirs, const void *data,
                          uint32_t size)
{
    uint64_t space = wpipe__record_space(0, size);
    uint64_t at = out->head & (out->size - 1);

    if (space > out->size - at) /* a PAD goes in front */
        return 0;
    if (out->head - out->tail + space + WPIPE__RING_RESERVE > out->size &&
        (refresh_tail(out, theirs) < 0 ||
         out->head - out->tail + space + WPIPE__RING_RESERVE > out->size))
        return 0;
    store_word(out->bytes + at, header_word(0, size));
    memcpy(out->bytes + at + WPIPE__RECORD_HEADER, data, size);
    out->head += space;
    return 1;
}

void wpipe__ring_mark(struct wpipe__ring_out *out, uint32_t flag)
{
    store_word(out->bytes + (out->head & (out->size - 1)),
               header_word(flag, 0));
    out->head += WPIPE__RECORD_HEADER;
}

int wpipe__ring_fits(const struct wpipe__ring_out *out,
                     const struct wpipe__record *record)
{
    uint64_t space = wpipe__record_space(record->flags, record->size);

    return space + pad_before(out, space) + WPIPE__RING_RESERVE <= out->size;
}

int wpipe__ring_refresh(struct wpipe__ring_in *in,
                        const struct wpipe__control *theirs)
{
    /* pairs with the release store in ring_publish */
    uint64_t head = atomic_load_explicit(&theirs->head, memory_order_acquire);

    if (head - in->tail > in->limit || head - in->tail < in->head - in->tail ||
        (head & 7u))
        return WPIPE_EPROTO;
    in->head = head;
    return 0;
}

/* Is `position` behind the place where the ring grew? */
static int is_next(const struct wpipe__ring_in *in, uint64_t position)
{
    return in->next != NULL && position - in->next_at <= INT64_MAX;
}

/* A record for the ring itself, or one that a sender may make? `left` is what
 * the ring has behind its beginning. */
static int is_sane(const struct wpipe__ring_in *in,
                   const struct wpipe__record *r, uint64_t position,
                   uint64_t left)
{
    if (r->flags == WPIPE__RECORD_PAD)
        return wpipe__record_space(r->flags, r->size) == left;
    if (r->flags == WPIPE__RECORD_GROWN)
        return r->size == 0 && in->size < in->limit &&
               (in->next == NULL ||
                position + WPIPE__RECORD_HEADER == in->next_at);
    return wpipe__record_sane(r->flags, r->size);
}

/* Take the record at `position` apart; everything is judged on copies. */
static int parse(const struct wpipe__ring_in *in, uint64_t position,
                 struct wpipe__record *ret_record, uint64_t *ret_space)
{
    int next = is_next(in, position);
    uint64_t size = next ? in->limit : in->size;
    const uint8_t *at = (next ? in->next : in->bytes) + (position & (size - 1));
    uint64_t left = to_the_end(size, position);
    struct wpipe__record r = { 0 };
    uint64_t word;

    if (in->known && position == in->tail) {
        *ret_record = in->first;
        *ret_space = wpipe__record_space(in->first.flags, in->first.size);
        return 0;
    }
    word = load_once(at);
    r.size = (uint32_t)word;
    r.flags = (uint32_t)(word >> 32);
    *ret_space = wpipe__record_space(r.flags, r.size);
    if (*ret_space > left || *ret_space > in->head - position ||
        !is_sane(in, &r, position, left))
        return WPIPE_EPROTO;
    at += WPIPE__RECORD_HEADER;
    if (r.flags & WPIPE__RECORD_TOTAL) {
        r.total = load_once(at);
        at += 8;
    }
    if (r.flags & (WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY)) {
        r.request = load_once(at);
        at += 8;
    }
    r.data = at;
    *ret_record = r;
    return 0;
}

int wpipe__ring_scan(struct wpipe__ring_in *in,
                     const struct wpipe__control *theirs, uint64_t *position,
                     struct wpipe__record *ret_record)
{
    uint64_t space;
    int r;

    do {
        if (*position == in->head) {
            r = wpipe__ring_refresh(in, theirs);
            if (r < 0)
                return r;
            if (*position == in->head)
                return 0;
        }
        r = parse(in, *position, ret_record, &space);
        if (r < 0)
            return r;
        if (ret_record->flags == WPIPE__RECORD_GROWN && in->next == NULL) {
            in->next_at = *position + space;
            return WPIPE__RING_GREW;
        }
        *position += space;
    } while (ret_record->flags & (WPIPE__RECORD_PAD | WPIPE__RECORD_GROWN));
    return 1;
}

/* Know the first unread record: as look. */
static int find_first(struct wpipe__ring_in *in,
                      const struct wpipe__control *theirs)
{
    uint64_t next = in->tail;
    int r = wpipe__ring_scan(in, theirs, &next, &in->first);

    if (r != 1)
        return r;
    /* a PAD in front is read and done with */
    in->tail = next - wpipe__record_space(in->first.flags, in->first.size);
    if (is_next(in, in->tail)) {
        in->bytes = in->next;
        in->size = in->limit;
        in->next = NULL;
    }
    in->known = 1;
    return 1;
}

int wpipe__ring_look(struct wpipe__ring_in *in,
                     const struct wpipe__control *theirs,
                     struct wpipe__record *ret_record)
{
    int r = in->known ? 1 : find_first(in, theirs);

    if (r != 1)
        return r;
    *ret_record = in->first;
    ret_record->data += in->taken;
    ret_record->size -= in->taken;
    return 1;
}

int wpipe__ring_follow(struct wpipe__ring_in *in, const uint8_t *bytes,
                       uint64_t at)
{
    if (at != in->next_at)
        return WPIPE_EPROTO;
    in->next = bytes;
    return 0;
}

uint32_t wpipe__ring_plain(struct wpipe__ring_in *in,
                           const struct wpipe__control *theirs,
                           const uint8_t **ret_data)
{
    const uint8_t *at = in->bytes + (in->tail & (in->size - 1));
    uint64_t space;
    uint64_t word;

    if (in->known) {
        *ret_data = in->first.data;
        return in->taken || in->first.flags ? 0 : in->first.size;
    }
    if (in->tail == in->head &&
        (wpipe__ring_refresh(in, theirs) < 0 || in->tail == in->head))
        return 0;
    word = load_once(at);
    space = wpipe__record_space(0, (uint32_t)word);
    if (word >> 32 || space > in->head - in->tail ||
        space > to_the_end(in->size, in->tail))
        return 0;
    *ret_data = at + WPIPE__RECORD_HEADER;
    return (uint32_t)word;
}

void wpipe__ring_take(struct wpipe__ring_in *in,
                      const struct wpipe__record *record, uint32_t bytes,
                      int whole)
{
    if (!whole) {
        in->taken += bytes;
        return;
    }
    in->tail += wpipe__record_space(record->flags, record->size + in->taken);
    in->taken = 0;
    in->known = 0;
}
