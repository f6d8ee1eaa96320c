/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring algorithm; ring.h has the rules. Positions are 64-bit counts of
 * bytes that never wrap in practice; offset = position & (size - 1).
 */
#include "base/ring.h"

#include <string.h>

#include <windpipe/error.h>

#include "base/copy.h"

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

/* How a record of ours would lie from `head` on. */
struct place {
    uint64_t pad; /* in front of it, when it does not fit before the end */
    uint64_t gap; /* between its words and its payload */
    uint64_t space;
};

/* A large payload is aligned. */
static uint64_t gap_at(uint64_t position, const struct wpipe__record *record)
{
    return record->size >= WPIPE__RECORD_LARGE
               ? wpipe__record_gap(position, record->flags)
               : 0;
}

static struct place find_place(const struct wpipe__ring_out *out,
                               const struct wpipe__record *record)
{
    uint64_t least = wpipe__record_space(record->flags, record->size);
    uint64_t left = to_the_end(out->size, out->head);
    struct place p = { 0, gap_at(out->head, record), 0 };

    if (least + p.gap > left) {
        p.pad = left;
        p.gap = gap_at(0, record);
    }
    p.space = least + p.gap;
    return p;
}

static uint32_t flag_of(uint64_t gap)
{
    return gap ? WPIPE__RECORD_ALIGNED : 0;
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
    struct place p = find_place(out, record);
    uint64_t need = p.pad + p.space + WPIPE__RING_RESERVE;

    *ret_error = 0;
    if (out->head - out->tail + need > out->size) {
        *ret_error = refresh_tail(out, theirs);
        if (*ret_error < 0 || out->head - out->tail + need > out->size)
            return NULL;
    }
    out->pad = p.pad;
    out->gap = p.gap;
    return out->bytes + ((out->head + p.pad) & (out->size - 1)) +
           WPIPE__RECORD_HEADER + wpipe__record_extra(record->flags) + p.gap;
}

void wpipe__ring_commit(struct wpipe__ring_out *out,
                        const struct wpipe__record *record)
{
    /* without a payload there is nothing to align */
    uint64_t gap = record->size > 0 ? out->gap : 0;
    uint64_t pad = out->pad;
    uint8_t *at;

    out->pad = 0;
    out->gap = 0;
    if (pad) {
        store_word(out->bytes + (out->head & (out->size - 1)),
                   header_word(WPIPE__RECORD_PAD,
                               (uint32_t)pad - WPIPE__RECORD_HEADER));
        out->head += pad;
    }
    at = out->bytes + (out->head & (out->size - 1));
    store_word(at, header_word(record->flags | flag_of(gap), record->size));
    at += WPIPE__RECORD_HEADER;
    if (record->flags & WPIPE__RECORD_TOTAL) {
        store_word(at, record->total);
        at += 8;
    }
    if (record->flags & (WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY))
        store_word(at, record->request);
    out->head += wpipe__record_space(record->flags, record->size) + gap;
}

int wpipe__ring_put_plain(struct wpipe__ring_out *out,
                          const struct wpipe__control *theirs, const void *data,
                          uint32_t size)
{
    uint64_t at = out->head & (out->size - 1);
    uint64_t gap = size < WPIPE__RECORD_LARGE ? 0 : wpipe__record_gap(at, 0);
    uint64_t space = wpipe__record_space(0, size) + gap;

    if (space > out->size - at) /* a PAD goes in front */
        return 0;
    if (out->head - out->tail + space + WPIPE__RING_RESERVE > out->size &&
        (refresh_tail(out, theirs) < 0 ||
         out->head - out->tail + space + WPIPE__RING_RESERVE > out->size))
        return 0;
    store_word(out->bytes + at, header_word(flag_of(gap), size));
    wpipe__copy(out->bytes + at + WPIPE__RECORD_HEADER + gap, data, size);
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
    struct place p = find_place(out, record);

    return p.pad + p.space + WPIPE__RING_RESERVE <= out->size;
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

/* The gap of a record with these flags of a header, which lose what is about
 * that alone. -1: no such record is aligned. */
static int64_t take_gap(uint32_t *flags, uint32_t size, uint64_t position)
{
    if (!(*flags & WPIPE__RECORD_ALIGNED))
        return 0;
    *flags &= ~(uint32_t)WPIPE__RECORD_ALIGNED;
    if (size == 0 || (*flags & WPIPE__RECORD_PAD))
        return -1;
    return wpipe__record_gap(position, *flags);
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
    int64_t gap;

    if (in->known && position == in->tail) {
        *ret_record = in->first;
        *ret_space = in->first_space;
        return 0;
    }
    word = load_once(at);
    r.size = (uint32_t)word;
    r.flags = (uint32_t)(word >> 32);
    gap = take_gap(&r.flags, r.size, position);
    *ret_space = wpipe__record_space(r.flags, r.size) + (uint64_t)gap;
    if (gap < 0 || *ret_space > left || *ret_space > in->head - position ||
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
    r.data = at + gap;
    *ret_record = r;
    return 0;
}

/* As ring_scan; *ret_space is what the record takes. */
static int scan(struct wpipe__ring_in *in, const struct wpipe__control *theirs,
                uint64_t *position, struct wpipe__record *ret_record,
                uint64_t *ret_space)
{
    int r;

    do {
        if (*position == in->head) {
            r = wpipe__ring_refresh(in, theirs);
            if (r < 0)
                return r;
            if (*position == in->head)
                return 0;
        }
        r = parse(in, *position, ret_record, ret_space);
        if (r < 0)
            return r;
        if (ret_record->flags == WPIPE__RECORD_GROWN && in->next == NULL) {
            in->next_at = *position + *ret_space;
            return WPIPE__RING_GREW;
        }
        *position += *ret_space;
    } while (ret_record->flags & (WPIPE__RECORD_PAD | WPIPE__RECORD_GROWN));
    return 1;
}

int wpipe__ring_scan(struct wpipe__ring_in *in,
                     const struct wpipe__control *theirs, uint64_t *position,
                     struct wpipe__record *ret_record)
{
    uint64_t space;

    return scan(in, theirs, position, ret_record, &space);
}

/* Know the first unread record: as look. */
static int find_first(struct wpipe__ring_in *in,
                      const struct wpipe__control *theirs)
{
    uint64_t next = in->tail;
    int r = scan(in, theirs, &next, &in->first, &in->first_space);

    if (r != 1)
        return r;
    /* a PAD in front is read and done with */
    in->tail = next - in->first_space;
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

/* Is so much of the first record in front of head and the ring's end? */
static int is_there(const struct wpipe__ring_in *in, uint64_t space)
{
    return space <= in->head - in->tail &&
           space <= to_the_end(in->size, in->tail);
}

/* As ring_plain, for a header with flags. */
static __attribute__((noinline)) uint32_t plain_aligned(
    const struct wpipe__ring_in *in, uint64_t word, const uint8_t **ret_data,
    uint64_t *ret_space)
{
    uint32_t flags = (uint32_t)(word >> 32);
    int64_t gap = take_gap(&flags, (uint32_t)word, in->tail);
    uint64_t space = wpipe__record_space(0, (uint32_t)word) + (uint64_t)gap;

    if (flags || gap < 0 || !is_there(in, space))
        return 0;
    *ret_space = space;
    *ret_data =
        in->bytes + (in->tail & (in->size - 1)) + WPIPE__RECORD_HEADER + gap;
    return (uint32_t)word;
}

uint32_t wpipe__ring_plain(struct wpipe__ring_in *in,
                           const struct wpipe__control *theirs,
                           const uint8_t **ret_data, uint64_t *ret_space)
{
    const uint8_t *at = in->bytes + (in->tail & (in->size - 1));
    uint64_t space;
    uint64_t word;

    if (in->known) {
        *ret_data = in->first.data;
        *ret_space = in->first_space;
        return in->taken || in->first.flags ? 0 : in->first.size;
    }
    if (in->tail == in->head &&
        (wpipe__ring_refresh(in, theirs) < 0 || in->tail == in->head))
        return 0;
    word = load_once(at);
    if (word >> 32)
        return plain_aligned(in, word, ret_data, ret_space);
    /* `data` does not depend on the word: its lines are fetched meanwhile */
    space = wpipe__record_space(0, (uint32_t)word);
    if (!is_there(in, space))
        return 0;
    *ret_space = space;
    *ret_data = at + WPIPE__RECORD_HEADER;
    return (uint32_t)word;
}
