/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring that grows: what was written before and behind the mark is read in
 * order, from the right memory; and a mark that may not be is an error.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <windpipe/error.h>

#include "base/ring.h"
#include "ring_tools.h"

enum {
    LARGE = 4 * SIZE
};

/* A pair whose writer goes on in `large`. The reader knows nothing of it. */
static uint64_t grow(struct pair *p, uint8_t *large)
{
    wpipe__ring_mark(&p->out, WPIPE__RECORD_GROWN);
    wpipe__ring_publish(&p->out, &p->writer);
    p->out.bytes = large;
    p->out.size = LARGE;
    return p->out.head;
}

static uint8_t *open_growing(struct pair *p, uint64_t position)
{
    uint8_t *large = calloc(1, LARGE);

    assert_non_null(large);
    pair_at(p, position);
    p->in.limit = LARGE;
    return large;
}

static void close_grown(struct pair *p, uint8_t *large)
{
    free(large);
    pair_done(p);
}

/* Record number `i` of a test. */
static uint32_t make_record(unsigned i, uint8_t data[1024])
{
    uint32_t size = i * 97 % 1000 + 1;

    fill(data, size, i);
    return size;
}

static int put_number(struct pair *p, unsigned i)
{
    uint8_t data[1024];
    uint32_t size = make_record(i, data);

    return put(p, 0, data, size);
}

static void expect_number(struct pair *p, unsigned i)
{
    uint8_t data[1024];
    uint32_t size = make_record(i, data);

    expect(p, 0, data, size);
}

/* With the small ring full at any position, unread: the large one takes as
 * much more, and all comes in order. */
static void ring_grown_while_full_keeps_order(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < SIZE; at += 56) {
        struct wpipe__record r;
        struct pair p;
        uint8_t *large = open_growing(&p, at);
        unsigned written = 0;
        unsigned before;
        uint64_t place;

        while (put_number(&p, written) == 1)
            written++;
        before = written;
        place = grow(&p, large);
        while (put_number(&p, written) == 1)
            written++;
        assert_true(p.out.head - p.out.tail <= LARGE - WPIPE__RING_RESERVE);
        assert_true(p.out.head - p.out.tail > LARGE - 3000);
        for (unsigned i = 0; i < before; i++)
            expect_number(&p, i);
        assert_int_equal(look(&p, &r), WPIPE__RING_GREW);
        assert_int_equal(wpipe__ring_follow(&p.in, large, place + 8),
                         WPIPE_EPROTO);
        assert_int_equal(wpipe__ring_follow(&p.in, large, place), 0);
        for (unsigned i = before; i < written; i++)
            expect_number(&p, i);
        expect_nothing(&p);
        close_grown(&p, large);
    }
}

/* The mark is what fills the ring to the last byte, beside ABORT. */
static void ring_grows_out_of_the_reserve(void **state)
{
    uint8_t data[SIZE] = { 0 };
    struct pair p;
    uint8_t *large = open_growing(&p, 0);

    (void)state;
    assert_int_equal(put(&p, WPIPE__RECORD_MORE, data, 1000), 1);
    assert_int_equal(put(&p, WPIPE__RECORD_MORE, data, 2000), 1);
    assert_int_equal(
        put(&p, 0, data, SIZE - 1008 - 2008 - 8 - WPIPE__RING_RESERVE), 1);
    wpipe__ring_mark(&p.out, WPIPE__RECORD_ABORT);
    assert_int_equal(put(&p, 0, data, 0), 0);
    grow(&p, large);
    assert_int_equal(p.out.head, SIZE);
    assert_int_equal(put(&p, 0, data, 5), 1);
    assert_int_equal(p.in.tail, 0);
    close_grown(&p, large);
}

/* A scan runs ahead of the reader, across the place. */
static void ring_scan_goes_across_the_place(void **state)
{
    struct wpipe__record r;
    uint8_t data[1024];
    struct pair p;
    uint8_t *large = open_growing(&p, 3000);
    uint64_t position = 3000;
    uint64_t place;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(put_number(&p, i), 1);
    place = grow(&p, large);
    for (unsigned i = 3; i < 9; i++)
        assert_int_equal(put_number(&p, i), 1);
    for (unsigned i = 0; i < 9; i++) {
        uint32_t size = make_record(i, data);

        if (i == 3) {
            uint64_t before = position;

            assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r),
                             WPIPE__RING_GREW);
            assert_int_equal(position, before);
            assert_int_equal(wpipe__ring_follow(&p.in, large, place), 0);
        }
        assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r), 1);
        assert_int_equal(r.size, size);
        assert_memory_equal(r.data, data, size);
    }
    assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r), 0);
    for (unsigned i = 0; i < 9; i++)
        expect_number(&p, i);
    close_grown(&p, large);
}

/* Nothing behind the mark: that is nothing, not an end. */
static void ring_grown_and_empty_reads_nothing(void **state)
{
    struct wpipe__record r;
    struct pair p;
    uint8_t *large = open_growing(&p, 64);
    uint64_t place = grow(&p, large);

    (void)state;
    assert_int_equal(look(&p, &r), WPIPE__RING_GREW);
    assert_int_equal(wpipe__ring_follow(&p.in, large, place), 0);
    expect_nothing(&p);
    expect_nothing(&p);
    assert_int_equal(put_number(&p, 1), 1);
    expect_number(&p, 1);
    close_grown(&p, large);
}

/* The short forms stop at the mark, and go on behind it. */
static void ring_short_forms_leave_the_mark_alone(void **state)
{
    const uint8_t *data;
    uint64_t space;
    struct wpipe__record r;
    struct pair p;
    uint8_t *large = open_growing(&p, 0);
    uint64_t place = grow(&p, large);

    (void)state;
    assert_int_equal(wpipe__ring_put_plain(&p.out, &p.reader, "x", 1), 1);
    wpipe__ring_publish(&p.out, &p.writer);
    assert_int_equal(wpipe__ring_plain(&p.in, &p.writer, &data, &space), 0);
    assert_int_equal(look(&p, &r), WPIPE__RING_GREW);
    assert_int_equal(wpipe__ring_follow(&p.in, large, place), 0);
    assert_int_equal(wpipe__ring_plain(&p.in, &p.writer, &data, &space), 0);
    assert_int_equal(look(&p, &r), 1);
    assert_int_equal(wpipe__ring_plain(&p.in, &p.writer, &data, &space), 1);
    assert_int_equal(*data, 'x');
    close_grown(&p, large);
}

static void ring_mark_that_may_not_be_is_eproto(void **state)
{
    static const struct {
        uint32_t size;
        uint64_t limit;
        int twice; /* a second one, before the first was followed */
    } lies[] = {
        { 8, LARGE, 0 }, /* with a payload */
        { 0, SIZE, 0 },  /* in a ring that does not grow */
        { 0, LARGE, 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct wpipe__record r;
        struct pair p;
        uint8_t *large = open_growing(&p, 128);
        uint64_t position = 136;
        uint64_t word = lies[i].size | (uint64_t)WPIPE__RECORD_GROWN << 32;

        memcpy(p.ring + 128, &word, sizeof word);
        memcpy(p.ring + 136, &word, sizeof word);
        atomic_store(&p.writer.head, 128 + 64);
        p.in.limit = lies[i].limit;
        if (lies[i].twice) { /* the later one is what is followed */
            assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r),
                             WPIPE__RING_GREW);
            assert_int_equal(wpipe__ring_follow(&p.in, large, 144), 0);
        }
        assert_int_equal(look(&p, &r), WPIPE_EPROTO);
        close_grown(&p, large);
    }
}

/* It grows once: in the large ring a mark is a flag that there is not. */
static void ring_grown_twice_is_eproto(void **state)
{
    struct wpipe__record r;
    struct pair p;
    uint8_t *large = open_growing(&p, 0);
    uint64_t place = grow(&p, large);

    (void)state;
    assert_int_equal(put_number(&p, 1), 1);
    assert_int_equal(look(&p, &r), WPIPE__RING_GREW);
    assert_int_equal(wpipe__ring_follow(&p.in, large, place), 0);
    wpipe__ring_mark(&p.out, WPIPE__RECORD_GROWN);
    wpipe__ring_publish(&p.out, &p.writer);
    expect_number(&p, 1);
    assert_int_equal(look(&p, &r), WPIPE_EPROTO);
    close_grown(&p, large);
}

/* The same, seen by one who looks ahead and has not moved there yet. */
static void ring_grown_twice_is_eproto_ahead(void **state)
{
    struct wpipe__record r;
    struct pair p;
    uint8_t *large = open_growing(&p, 0);
    uint64_t position = 0;
    uint64_t place;

    (void)state;
    assert_int_equal(put_number(&p, 1), 1);
    place = grow(&p, large);
    wpipe__ring_mark(&p.out, WPIPE__RECORD_GROWN);
    wpipe__ring_publish(&p.out, &p.writer);
    assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r), 1);
    assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r),
                     WPIPE__RING_GREW);
    assert_int_equal(wpipe__ring_follow(&p.in, large, place), 0);
    assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r),
                     WPIPE_EPROTO);
    expect_number(&p, 1); /* what came before it is good */
    assert_int_equal(look(&p, &r), WPIPE_EPROTO);
    close_grown(&p, large);
}

/* A head that only the larger ring could hold is one, until it is known. */
static void ring_head_beyond_the_larger_ring_is_eproto(void **state)
{
    struct wpipe__record r;
    struct pair p;
    uint8_t *large = open_growing(&p, 0);

    (void)state;
    assert_int_equal(put_number(&p, 1), 1);
    atomic_store(&p.writer.head, LARGE);
    assert_int_equal(wpipe__ring_refresh(&p.in, &p.writer), 0);
    atomic_store(&p.writer.head, LARGE + 8);
    assert_int_equal(look(&p, &r), 1); /* what is known already */
    assert_int_equal(wpipe__ring_refresh(&p.in, &p.writer), WPIPE_EPROTO);
    close_grown(&p, large);
}

/* What went another way before the ring began takes no room in it, and its
 * reader may be behind; but never go back. */
static void ring_has_all_its_room_while_older_is_unread(void **state)
{
    uint8_t data[2000] = { 0 };
    struct pair p;

    (void)state;
    pair_at(&p, 40960);
    p.out.seen = 8192;
    atomic_store(&p.reader.tail, 8192);
    assert_int_equal(put(&p, 0, data, 2000), 1);
    assert_int_equal(put(&p, 0, data, 2000), 1);
    assert_int_equal(put(&p, 0, data, 100), 0);
    assert_int_equal(put(&p, 0, data, 16), 1);
    atomic_store(&p.reader.tail, 16384);
    assert_int_equal(put(&p, 0, data, 100), 0);
    assert_int_equal(put(&p, 0, data, 16), 1);
    atomic_store(&p.reader.tail, 8192);
    assert_int_equal(put(&p, 0, data, 100), WPIPE_EPROTO);
    atomic_store(&p.reader.tail, 40960 + 2008);
    assert_int_equal(put(&p, 0, data, 100), 1);
    atomic_store(&p.reader.tail, 40960);
    assert_int_equal(put(&p, 0, data, 2000), WPIPE_EPROTO);
    pair_done(&p);
}

static void ring_fits_what_an_empty_one_takes(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < SIZE; at += 8) {
        for (uint32_t size = 1; size < SIZE; size += 41) {
            struct wpipe__record r = { .size = size };
            struct pair p;
            int error;

            pair_at(&p, at);
            assert_int_equal(
                wpipe__ring_fits(&p.out, &r),
                wpipe__ring_reserve(&p.out, &p.reader, &r, &error) != NULL);
            pair_done(&p);
        }
    }
}

static const struct support_case cases[] = {
    TEST(ring_grown_while_full_keeps_order),
    TEST(ring_grows_out_of_the_reserve),
    TEST(ring_scan_goes_across_the_place),
    TEST(ring_grown_and_empty_reads_nothing),
    TEST(ring_short_forms_leave_the_mark_alone),
    TEST(ring_mark_that_may_not_be_is_eproto),
    TEST(ring_grown_twice_is_eproto),
    TEST(ring_grown_twice_is_eproto_ahead),
    TEST(ring_head_beyond_the_larger_ring_is_eproto),
    TEST(ring_has_all_its_room_while_older_is_unread),
    TEST(ring_fits_what_an_empty_one_takes),
};

TEST_MAIN(cases)
