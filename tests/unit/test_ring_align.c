/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large payloads begin at a multiple of 64, wherever their record does; and a
 * writer that says so where it cannot be.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <windpipe/error.h>

#include "base/ring.h"
#include "ring_tools.h"

enum {
    BIG = 16384, /* a ring that holds a large record behind a PAD */
    LARGE = WPIPE__RECORD_LARGE
};

/* As pair_at, with a larger ring that begins at a page, as all do. */
static void big_at(struct pair *p, uint64_t position)
{
    pair_at(p, position);
    free(p->ring);
    p->ring = aligned_alloc(4096, BIG);
    assert_non_null(p->ring);
    memset(p->ring, 0, BIG);
    p->out.bytes = p->ring;
    p->in.bytes = p->ring;
    p->out.size = BIG;
    p->in.size = BIG;
    p->in.limit = BIG;
}

static const uint32_t kinds[] = {
    0,
    WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL,
    WPIPE__RECORD_REQUEST,
    WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL | WPIPE__RECORD_REPLY,
};

/* Of a record that is there: where its payload lies. Nothing is taken. */
static uint64_t payload_at(struct pair *p)
{
    struct wpipe__record r;

    assert_int_equal(look(p, &r), 1);
    return (uint64_t)(r.data - p->ring);
}

static void ring_large_payload_is_aligned_everywhere(void **state)
{
    static const uint32_t sizes[] = { LARGE, LARGE + 1, 3001, BIG / 4 };
    uint8_t data[BIG / 4];
    struct pair p;

    (void)state;
    for (uint64_t start = 0; start < BIG; start += 8) {
        uint32_t flags = kinds[start / 8 % 4];
        uint32_t size = sizes[start / 32 % 4];

        fill(data, size, (unsigned)start);
        big_at(&p, start);
        assert_int_equal(put(&p, flags, data, size), 1);
        assert_int_equal(put(&p, 0, "next", 4), 1);
        assert_int_equal(payload_at(&p) % 64, 0);
        expect(&p, flags, data, size);
        expect(&p, 0, "next", 4);
        expect_nothing(&p);
        assert_int_equal(p.in.tail, p.out.head);
        pair_done(&p);
    }
}

static void ring_small_payload_lies_behind_its_words(void **state)
{
    static uint8_t data[LARGE];
    struct pair p;

    (void)state;
    big_at(&p, 0);
    assert_int_equal(put(&p, 0, data, LARGE - 1), 1);
    assert_int_equal(payload_at(&p), WPIPE__RECORD_HEADER);
    assert_int_equal(p.out.head, wpipe__record_space(0, LARGE - 1));
    pair_done(&p);
}

/* The short forms and the long ones put it at the same place. */
static void ring_short_forms_align_likewise(void **state)
{
    uint8_t data[3000];
    const uint8_t *there = NULL;
    uint64_t space;
    uint64_t head;
    struct pair p;

    (void)state;
    fill(data, sizeof data, 5);
    for (uint64_t start = 0; start < BIG; start += 8) {
        big_at(&p, start);
        assert_int_equal(put(&p, 0, data, sizeof data), 1);
        head = p.out.head;
        pair_done(&p);
        big_at(&p, start);
        if (wpipe__ring_put_plain(&p.out, &p.reader, data, sizeof data)) {
            assert_int_equal(p.out.head, head);
            wpipe__ring_publish(&p.out, &p.writer);
            assert_int_equal(
                wpipe__ring_plain(&p.in, &p.writer, &there, &space),
                sizeof data);
            assert_int_equal((there - p.ring) % 64, 0);
            expect(&p, 0, data, sizeof data);
            assert_int_equal(p.in.tail, head);
        } else { /* not in front of the ring's end */
            assert_true(BIG - start < 8 + 56 + sizeof data);
        }
        pair_done(&p);
    }
}

/* What was reserved as large stays where it is when it gets small, or empty. */
static void ring_commit_shorter_stays_in_its_place(void **state)
{
    static const uint32_t sizes[] = { 0, 1, 63, 64, 2047, 2048, 3000 };

    (void)state;
    for (uint64_t start = BIG - 4096; start < BIG; start += 8) {
        uint32_t size = sizes[start / 8 % 7];
        struct wpipe__record r = { .size = 3000 };
        struct pair p;
        uint8_t *to;
        int error;

        big_at(&p, start);
        to = wpipe__ring_reserve(&p.out, &p.reader, &r, &error);
        assert_non_null(to);
        assert_int_equal((to - p.ring) % 64, 0);
        assert_true(to + 3000 <= p.ring + BIG);
        memset(to, 'q', size);
        r.size = size;
        wpipe__ring_commit(&p.out, &r);
        wpipe__ring_publish(&p.out, &p.writer);
        assert_int_equal(put(&p, 0, "next", 4), 1);
        assert_int_equal(look(&p, &r), 1);
        assert_int_equal(r.size, size);
        if (size > 0)
            assert_ptr_equal(r.data, to);
        take(&p, &r);
        expect(&p, 0, "next", 4);
        assert_int_equal(p.in.tail, p.out.head);
        pair_done(&p);
    }
}

/* Parts of it are taken, and it is scanned. */
static void ring_aligned_record_is_taken_in_parts(void **state)
{
    uint8_t data[LARGE + 3];
    struct wpipe__record r;
    uint64_t position;
    struct pair p;

    (void)state;
    fill(data, sizeof data, 9);
    big_at(&p, BIG - 24);
    position = p.in.tail;
    assert_int_equal(put(&p, 0, data, sizeof data), 1);
    assert_int_equal(put(&p, 0, data, sizeof data), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r), 1);
        assert_memory_equal(r.data, data, sizeof data);
    }
    assert_int_equal(position, p.out.head);
    assert_int_equal(look(&p, &r), 1);
    wpipe__ring_take(&p.in, 1000, 0);
    assert_int_equal(look(&p, &r), 1);
    assert_memory_equal(r.data, data + 1000, sizeof data - 1000);
    take(&p, &r);
    expect(&p, 0, data, sizeof data);
    assert_int_equal(p.in.tail, p.out.head);
    pair_done(&p);
}

/* Many of all sizes, some read at once, some when nothing more fits. */
static void ring_of_mixed_sizes_keeps_all(void **state)
{
    static uint8_t data[BIG / 4];
    uint64_t random = 7;
    struct pair p;

    (void)state;
    big_at(&p, 8);
    for (int round = 0; round < 3000; round++) {
        uint32_t sizes[64];
        int count = 0;
        int most;

        random = random * 6364136223846793005u + 1442695040888963407u;
        most = 1 + (int)(random >> 40) % 60;
        for (; count < most; count++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            sizes[count] = (uint32_t)(random >> 33) % (BIG / 4 + 1);
            if (random >> 63)
                sizes[count] %= 100;
            fill(data, sizes[count], sizes[count]);
            if (put(&p, 0, data, sizes[count]) != 1)
                break;
            assert_true(p.out.head - p.out.tail <= BIG - WPIPE__RING_RESERVE);
        }
        assert_true(count > 0);
        for (int i = 0; i < count; i++) {
            fill(data, sizes[i], sizes[i]);
            expect(&p, 0, data, sizes[i]);
        }
        expect_nothing(&p);
    }
    pair_done(&p);
}

/* ---- a hostile writer ---------------------------------------------------- */

/* What the reader says of a header at `position`, `in_front` bytes before
 * head. */
static int look_at(uint64_t position, uint32_t flags, uint32_t size,
                   uint64_t in_front)
{
    uint64_t word = (uint64_t)flags << 32 | size;
    const uint8_t *data = NULL;
    uint64_t space;
    struct wpipe__record r;
    struct pair p;
    int result;

    big_at(&p, position);
    memcpy(p.ring + (position & (BIG - 1)), &word, 8);
    atomic_store(&p.writer.head, position + in_front);
    if (wpipe__ring_plain(&p.in, &p.writer, &data, &space) > 0)
        assert_true(data + size <= p.ring + BIG);
    result = look(&p, &r);
    if (result == 1 && size > 0) {
        assert_int_equal((r.data - p.ring) % 64, 0);
        assert_int_equal(r.flags, flags & ~(uint32_t)WPIPE__RECORD_ALIGNED);
    }
    pair_done(&p);
    return result;
}

static void aligned_record_beyond_head_is_eproto(void **state)
{
    const uint32_t aligned = WPIPE__RECORD_ALIGNED;

    (void)state;
    assert_int_equal(look_at(0, aligned, 1, 72), 1); /* also a small one */
    assert_int_equal(look_at(0, aligned, 8, 72), 1);
    assert_int_equal(look_at(0, aligned, 9, 72), WPIPE_EPROTO);
    assert_int_equal(look_at(0, aligned, 1, 64), WPIPE_EPROTO);
    assert_int_equal(look_at(56, aligned, 8, 16), 1); /* no gap there */
    assert_int_equal(look_at(56, aligned, 8, 8), WPIPE_EPROTO);
    assert_int_equal(look_at(64, aligned | WPIPE__RECORD_REQUEST, 8, 72), 1);
    assert_int_equal(look_at(48, aligned | WPIPE__RECORD_REQUEST, 8, 24), 1);
    assert_int_equal(look_at(56, aligned | WPIPE__RECORD_REQUEST, 8, 72),
                     WPIPE_EPROTO);
    assert_int_equal(look_at(0, aligned, UINT32_MAX, BIG), WPIPE_EPROTO);
    assert_int_equal(look_at(0, aligned, UINT32_MAX - 71, BIG), WPIPE_EPROTO);
}

/* The gap may reach to the ring's end, or the payload beyond it. */
static void aligned_record_across_the_end_is_eproto(void **state)
{
    const uint32_t aligned = WPIPE__RECORD_ALIGNED;

    (void)state;
    assert_int_equal(look_at(BIG - 128, aligned, 64, BIG), 1);
    assert_int_equal(look_at(BIG - 128, aligned, 65, BIG), WPIPE_EPROTO);
    for (uint64_t left = 8; left <= 64; left += 8)
        assert_int_equal(look_at(BIG - left, aligned, 1, BIG), WPIPE_EPROTO);
    assert_int_equal(look_at(BIG - 72, aligned, 1, BIG), 1);
}

static void aligned_nothing_is_eproto(void **state)
{
    static const uint32_t bad[] = { 0,
                                    WPIPE__RECORD_PAD,
                                    WPIPE__RECORD_GROWN,
                                    WPIPE__RECORD_FIN,
                                    WPIPE__RECORD_ABORT,
                                    WPIPE__RECORD_REQUEST };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (uint64_t at = 0; at < 128; at += 8)
            assert_int_equal(
                look_at(at, bad[i] | WPIPE__RECORD_ALIGNED, 0, 256),
                WPIPE_EPROTO);
    /* a PAD that ends where it should, but for the flag */
    for (uint64_t left = 8; left <= 256; left += 8)
        for (uint64_t size = 0; size < left; size += 8)
            assert_int_equal(look_at(BIG - left,
                                     WPIPE__RECORD_PAD | WPIPE__RECORD_ALIGNED,
                                     (uint32_t)size, BIG),
                             WPIPE_EPROTO);
}

static const struct support_case cases[] = {
    TEST(ring_large_payload_is_aligned_everywhere),
    TEST(ring_small_payload_lies_behind_its_words),
    TEST(ring_short_forms_align_likewise),
    TEST(ring_commit_shorter_stays_in_its_place),
    TEST(ring_aligned_record_is_taken_in_parts),
    TEST(ring_of_mixed_sizes_keeps_all),
    TEST(aligned_record_beyond_head_is_eproto),
    TEST(aligned_record_across_the_end_is_eproto),
    TEST(aligned_nothing_is_eproto),
};

TEST_MAIN(cases)
