/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The short forms of the ring's steps: what they do agrees with the long
 * forms, and what is not the common case they leave alone.
 */
#include "support.h"

#include <string.h>
#include <windpipe/error.h>

#include "base/ring.h"
#include "ring_tools.h"

/* One short step each way, and the same with the long forms: they must agree
 * wherever the ring is. Returns what the short put returned. */
static int put_plain_agrees(uint64_t position, uint64_t unread, uint32_t size)
{
    uint8_t data[SIZE];
    const uint8_t *there;
    uint64_t space;
    struct pair p;
    int done;

    pair_at(&p, position);
    p.out.head = position + unread; /* so much is not read yet */
    p.in.head = p.in.tail = p.out.head;
    fill(data, sizeof data, size);
    done = wpipe__ring_put_plain(&p.out, &p.reader, data, size);
    if (!done) {
        assert_int_equal(p.out.head, position + unread);
        pair_done(&p);
        return 0;
    }
    wpipe__ring_publish(&p.out, &p.writer);
    assert_int_equal(wpipe__ring_plain(&p.in, &p.writer, &there, &space), size);
    assert_memory_equal(there, data, size);
    expect(&p, 0, data, size);
    expect_nothing(&p);
    pair_done(&p);
    return 1;
}

static void ring_short_put_agrees_with_the_long_one(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < SIZE; at += 8) {
        for (uint32_t size = 1; size <= wpipe__ring_fragment(SIZE);
             size += 61) {
            uint64_t space = wpipe__record_space(0, size);

            assert_int_equal(put_plain_agrees(at, 0, size), at + space <= SIZE);
            /* exactly full but for the reserve, and eight bytes too much */
            assert_int_equal(
                put_plain_agrees(0, SIZE - WPIPE__RING_RESERVE - space, size),
                1);
            assert_int_equal(
                put_plain_agrees(0, SIZE - WPIPE__RING_RESERVE - space + 8,
                                 size),
                0);
        }
    }
}

static void ring_short_put_sees_what_was_read(void **state)
{
    uint8_t data[1024] = { 0 };
    struct pair p;

    (void)state;
    pair_at(&p, 0);
    while (wpipe__ring_put_plain(&p.out, &p.reader, data, 1000))
        ;
    assert_int_equal(p.out.head, 4 * 1008);
    atomic_store(&p.reader.tail, p.out.head);
    assert_int_equal(wpipe__ring_put_plain(&p.out, &p.reader, data, 40), 1);
    /* a lie about it is for the long form to tell */
    p.out.head = p.out.tail + SIZE;
    atomic_store(&p.reader.tail, 4);
    assert_int_equal(wpipe__ring_put_plain(&p.out, &p.reader, data, 40), 0);
    pair_done(&p);
}

/* What the short look leaves to the long one. */
static void ring_short_look_wants_one_plain_record(void **state)
{
    static const uint32_t flags[] = { WPIPE__RECORD_MORE,
                                      WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL,
                                      WPIPE__RECORD_REQUEST,
                                      WPIPE__RECORD_REPLY,
                                      WPIPE__RECORD_ABORT,
                                      WPIPE__RECORD_FIN,
                                      WPIPE__RECORD_PAD,
                                      WPIPE__RECORD_REVOCABLE,
                                      0x80000000u };
    const uint8_t *data = NULL;
    uint64_t space;
    struct wpipe__record r;
    struct pair p;

    (void)state;
    pair_at(&p, 0);
    assert_int_equal(wpipe__ring_plain(&p.in, &p.writer, &data, &space), 0);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        pair_done(&p);
        pair_at(&p, 0);
        assert_int_equal(put(&p, flags[i], "12345678", 8), 1);
        assert_int_equal(wpipe__ring_plain(&p.in, &p.writer, &data, &space), 0);
    }
    pair_done(&p);
    pair_at(&p, 0);
    assert_int_equal(put(&p, 0, "12345678", 8), 1);
    assert_int_equal(look(&p, &r), 1);
    wpipe__ring_take(&p.in, 3, 0); /* a part of it was read */
    assert_int_equal(wpipe__ring_plain(&p.in, &p.writer, &data, &space), 0);
    pair_done(&p);
}

/* A header that the peer makes up: never beyond head or the ring's end. */
static void ring_short_look_never_leads_outside(void **state)
{
    const uint8_t *data;
    uint64_t space;
    struct pair p;

    (void)state;
    for (uint64_t at = 0; at < SIZE; at += 8) {
        for (uint64_t there = 8; there <= SIZE - at; there += 104) {
            uint32_t size = (uint32_t)(there - 8) + 1;

            pair_at(&p, at);
            atomic_store(&p.writer.head, at + there);
            memcpy(p.ring + at, &size, 4);
            assert_int_equal(wpipe__ring_plain(&p.in, &p.writer, &data, &space),
                             0);
            pair_done(&p);
        }
    }
    for (uint64_t at = 0; at < SIZE; at += 8) { /* across the end */
        uint32_t size = (uint32_t)(SIZE - at - 8) + 1;

        pair_at(&p, at);
        atomic_store(&p.writer.head, at + SIZE);
        memcpy(p.ring + at, &size, 4);
        assert_int_equal(wpipe__ring_plain(&p.in, &p.writer, &data, &space), 0);
        pair_done(&p);
    }
    for (uint64_t head = 1; head < 8; head++) {
        pair_at(&p, 0);
        atomic_store(&p.writer.head, head); /* misaligned */
        assert_int_equal(wpipe__ring_plain(&p.in, &p.writer, &data, &space), 0);
        pair_done(&p);
    }
}

static const struct support_case cases[] = {
    TEST(ring_short_put_agrees_with_the_long_one),
    TEST(ring_short_put_sees_what_was_read),
    TEST(ring_short_look_wants_one_plain_record),
    TEST(ring_short_look_never_leads_outside),
};

TEST_MAIN(cases)
