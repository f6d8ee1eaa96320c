/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both sides of a ring in one process, and steps of theirs, for the tests of
 * the ring.
 */
#ifndef UNIT_RING_TOOLS_H
#define UNIT_RING_TOOLS_H

#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "base/ring.h"

enum {
    SIZE = 4096
};

/* Both sides of one ring. The memory is exact, so that a sanitizer sees a
 * step beyond it. */
struct pair {
    struct wpipe__control writer; /* control words of the writing side */
    struct wpipe__control reader; /* and of the reading side */
    struct wpipe__ring_out out;
    struct wpipe__ring_in in;
    uint8_t *ring;
};

static inline void pair_at(struct pair *p, uint64_t position)
{
    memset(p, 0, sizeof *p);
    p->ring = calloc(1, SIZE);
    assert_non_null(p->ring);
    p->out.bytes = p->ring;
    p->out.size = SIZE;
    p->out.head = position;
    p->out.tail = position;
    p->out.start = position;
    p->out.seen = position;
    p->in.bytes = p->ring;
    p->in.size = SIZE;
    p->in.limit = SIZE;
    p->in.head = position;
    p->in.tail = position;
    atomic_store(&p->writer.head, position);
    atomic_store(&p->reader.tail, position);
}

static inline void pair_done(struct pair *p)
{
    free(p->ring);
}

/* 1, 0 for no room, < 0. */
static inline int put(struct pair *p, uint32_t flags, const void *data,
                      uint32_t size)
{
    struct wpipe__record r = { .flags = flags,
                               .size = size,
                               .total = 0x1122334455667788,
                               .request = 0x99aabbccddeeff00 };
    int error = 77;
    uint8_t *to = wpipe__ring_reserve(&p->out, &p->reader, &r, &error);

    if (!to)
        return error;
    assert_int_equal(error, 0);
    if (size > 0)
        memcpy(to, data, size);
    wpipe__ring_commit(&p->out, &r);
    wpipe__ring_publish(&p->out, &p->writer);
    return 1;
}

static inline int look(struct pair *p, struct wpipe__record *ret)
{
    return wpipe__ring_look(&p->in, &p->writer, ret);
}

static inline void take(struct pair *p, const struct wpipe__record *r)
{
    wpipe__ring_take(&p->in, r->size, 1);
    atomic_store(&p->reader.tail, p->in.tail);
}

static inline void expect(struct pair *p, uint32_t flags, const void *data,
                          uint32_t size)
{
    struct wpipe__record r;

    assert_int_equal(look(p, &r), 1);
    assert_int_equal(r.flags, flags);
    assert_int_equal(r.size, size);
    if (size > 0)
        assert_memory_equal(r.data, data, size);
    if (flags & WPIPE__RECORD_TOTAL)
        assert_int_equal(r.total, 0x1122334455667788);
    if (flags & (WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY))
        assert_int_equal(r.request, 0x99aabbccddeeff00);
    take(p, &r);
}

static inline void expect_nothing(struct pair *p)
{
    struct wpipe__record r;

    assert_int_equal(look(p, &r), 0);
}

static inline void fill(uint8_t *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(seed * 37 + i * 11 + (i >> 8));
}

#endif
