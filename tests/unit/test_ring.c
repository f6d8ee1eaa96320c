/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring: records in and out, the wrap, the reserve; and a writer or reader
 * on the other side that lies in every word it has.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <windpipe/error.h>

#include "base/ring.h"
#include "ring_tools.h"

/* ---- an honest peer ------------------------------------------------------ */

static void ring_empty_reads_nothing(void **state)
{
    struct pair p;
    struct wpipe__record r = { .size = 7 };

    (void)state;
    pair_at(&p, 0);
    assert_int_equal(look(&p, &r), 0);
    assert_int_equal(r.size, 7);
    assert_int_equal(wpipe__ring_refresh(&p.in, &p.writer), 0);
    pair_done(&p);
}

static void ring_record_comes_out_as_it_went_in(void **state)
{
    static const uint32_t flags[] = {
        0,
        WPIPE__RECORD_MORE,
        WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL,
        WPIPE__RECORD_REQUEST,
        WPIPE__RECORD_REPLY,
        WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL | WPIPE__RECORD_REQUEST,
        WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL | WPIPE__RECORD_REPLY,
    };
    uint8_t data[1000];
    struct pair p;

    (void)state;
    pair_at(&p, 0);
    for (uint32_t size = 1; size <= 900; size += size < 40 ? 1 : 61) {
        for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
            fill(data, size, (unsigned)f + size);
            assert_int_equal(put(&p, flags[f], data, size), 1);
            expect(&p, flags[f], data, size);
            expect_nothing(&p);
        }
    }
    pair_done(&p);
}

static void ring_empty_record_is_a_record(void **state)
{
    struct pair p;

    (void)state;
    pair_at(&p, 64);
    assert_int_equal(put(&p, 0, NULL, 0), 1);
    assert_int_equal(put(&p, 0, "x", 1), 1);
    expect(&p, 0, NULL, 0);
    expect(&p, 0, "x", 1);
    expect_nothing(&p);
    pair_done(&p);
}

/* Nothing is seen before publish, and a reservation alone changes nothing. */
static void ring_reservation_is_invisible(void **state)
{
    struct wpipe__record r = { .size = 100 };
    struct pair p;
    int error;

    (void)state;
    pair_at(&p, 0);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(wpipe__ring_reserve(&p.out, &p.reader, &r, &error),
                         p.ring + 8);
    assert_int_equal(p.out.head, 0);
    expect_nothing(&p);
    wpipe__ring_commit(&p.out, &r);
    expect_nothing(&p);
    wpipe__ring_publish(&p.out, &p.writer);
    assert_int_equal(look(&p, &r), 1);
    pair_done(&p);
}

static void ring_commit_may_be_shorter(void **state)
{
    struct pair p;

    (void)state;
    for (uint32_t size = 0; size <= 200; size++) {
        struct wpipe__record r = { .size = 200 };
        uint8_t *to;
        int error;

        pair_at(&p, 4000); /* in front of the end: behind a PAD or not */
        to = wpipe__ring_reserve(&p.out, &p.reader, &r, &error);
        assert_non_null(to);
        assert_true(to >= p.ring && to + 200 <= p.ring + SIZE);
        memset(to, 'q', size);
        r.size = size;
        wpipe__ring_commit(&p.out, &r);
        wpipe__ring_publish(&p.out, &p.writer);
        assert_int_equal(put(&p, 0, "next", 4), 1);
        assert_int_equal(look(&p, &r), 1);
        assert_int_equal(r.size, size);
        take(&p, &r);
        expect(&p, 0, "next", 4);
        pair_done(&p);
    }
}

/* Every record size at every offset: the wrap is never seen. */
static void ring_wraps_at_every_offset(void **state)
{
    uint8_t data[960];
    struct pair p;

    (void)state;
    for (uint64_t start = 0; start < SIZE; start += 8) {
        static const uint32_t sizes[] = { 0, 1, 8, 100, 500, 960 };

        pair_at(&p, (UINT64_C(7) << 32) + start);
        for (unsigned i = 0; i < 6; i++) {
            fill(data, sizes[i], i);
            assert_int_equal(put(&p, 0, data, sizes[i]), 1);
        }
        for (unsigned i = 0; i < 6; i++) {
            fill(data, sizes[i], i);
            expect(&p, 0, data, sizes[i]);
        }
        expect_nothing(&p);
        pair_done(&p);
    }
}

/* Positions count on for ever; so they may pass any border. */
static void ring_position_passes_borders(void **state)
{
    static const uint64_t starts[] = { UINT64_C(0xffffff00),
                                       UINT64_C(0x7fffffffffffff00),
                                       UINT64_C(0xffffffffffffff00) };

    (void)state;
    for (size_t s = 0; s < 3; s++) {
        struct pair p;
        uint8_t data[300];

        pair_at(&p, starts[s]);
        for (unsigned i = 0; i < 100; i++) {
            uint32_t size = i * 3;

            fill(data, size, i);
            assert_int_equal(put(&p, 0, data, size), 1);
            expect(&p, 0, data, size);
        }
        pair_done(&p);
    }
}

static void ring_full_takes_no_more_until_read(void **state)
{
    uint8_t data[100];
    struct pair p;
    unsigned written = 0;

    (void)state;
    pair_at(&p, 0);
    fill(data, sizeof data, 3);
    while (put(&p, 0, data, sizeof data) == 1)
        written++;
    /* 112 bytes each, and the reserve stays free */
    assert_int_equal(written, (SIZE - WPIPE__RING_RESERVE) / 112);
    assert_int_equal(put(&p, 0, data, sizeof data), 0);
    expect(&p, 0, data, sizeof data);
    expect(&p, 0, data, sizeof data);
    assert_int_equal(put(&p, 0, data, sizeof data), 1);
    for (unsigned i = 2; i < written + 1; i++)
        expect(&p, 0, data, sizeof data);
    expect_nothing(&p);
    pair_done(&p);
}

/* To the last byte: 51 records of 80 bytes and the reserve are the ring. */
static void ring_fills_exactly(void **state)
{
    uint8_t data[72];
    struct pair p;

    (void)state;
    pair_at(&p, 0);
    fill(data, sizeof data, 1);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 51; i++)
            assert_int_equal(put(&p, 0, data, sizeof data), 1);
        assert_int_equal(put(&p, 0, NULL, 0), 0);
        for (int i = 0; i < 51; i++)
            expect(&p, 0, data, sizeof data);
        assert_int_equal(put(&p, 0, "skip", 4), 1); /* round the end */
        assert_int_equal(put(&p, 0, NULL, 0), 1);
        expect(&p, 0, "skip", 4);
        expect(&p, 0, NULL, 0);
        pair_done(&p);
        pair_at(&p, 0);
        p.out.head = p.in.head = p.in.tail = SIZE;
        atomic_store(&p.writer.head, SIZE);
        atomic_store(&p.reader.tail, SIZE); /* all read; not noticed yet */
    }
    pair_done(&p);
}

/* The same when the reader must be asked how far it is. */
static void ring_fills_exactly_after_a_read(void **state)
{
    uint8_t data[72];
    struct pair p;

    (void)state;
    pair_at(&p, 16); /* so that 51 records end with the ring */
    fill(data, sizeof data, 1);
    for (int i = 0; i < 51; i++)
        assert_int_equal(put(&p, 0, data, sizeof data), 1);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(put(&p, 0, data, sizeof data), 0);
        expect(&p, 0, data, sizeof data);
        assert_int_equal(put(&p, 0, data, sizeof data), 1);
        if (p.out.head % SIZE > SIZE - 80)
            break; /* the next one needs a PAD */
    }
    pair_done(&p);
}

/* A record that ends with the ring needs no PAD. */
static void ring_record_up_to_the_end_needs_no_pad(void **state)
{
    struct pair p;

    (void)state;
    pair_at(&p, SIZE - 24);
    assert_int_equal(put(&p, 0, "0123456789abcdef", 16), 1);
    assert_int_equal(p.out.head, SIZE);
    expect(&p, 0, "0123456789abcdef", 16);
    assert_int_equal(p.in.tail, SIZE);
    pair_done(&p);
}

/* The reserve: ABORT and FIN have room whatever was written. */
static void ring_marks_fit_a_full_ring(void **state)
{
    struct pair p;

    (void)state;
    for (uint64_t start = 0; start < SIZE; start += 8) {
        unsigned written = 0;

        pair_at(&p, start);
        while (put(&p, 0, "12345", 5) == 1)
            written++;
        while (put(&p, 0, NULL, 0) == 1)
            written++;
        wpipe__ring_mark(&p.out, WPIPE__RECORD_ABORT);
        wpipe__ring_mark(&p.out, WPIPE__RECORD_FIN);
        wpipe__ring_publish(&p.out, &p.writer);
        assert_true(p.out.head - start <= SIZE);
        while (written > 0) {
            struct wpipe__record r;

            assert_int_equal(look(&p, &r), 1);
            assert_int_equal(r.flags, 0);
            take(&p, &r);
            written--;
        }
        expect(&p, WPIPE__RECORD_ABORT, NULL, 0);
        expect(&p, WPIPE__RECORD_FIN, NULL, 0);
        expect_nothing(&p);
        pair_done(&p);
    }
}

/* A record of the largest size and the PAD before it always fit an empty
 * ring: so a writer never waits for ever. */
static void ring_largest_fragment_always_fits(void **state)
{
    uint32_t size = wpipe__ring_fragment(SIZE);
    uint8_t *data = calloc(1, size);

    (void)state;
    for (uint64_t start = 0; start < SIZE; start += 8) {
        const uint32_t flags =
            WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL | WPIPE__RECORD_REQUEST;
        struct pair p;

        pair_at(&p, start);
        assert_int_equal(put(&p, flags, data, size), 1);
        assert_int_equal(put(&p, flags, data, size), 1);
        expect(&p, flags, data, size);
        expect(&p, flags, data, size);
        pair_done(&p);
    }
    free(data);
}

static void ring_parts_are_taken_in_order(void **state)
{
    struct wpipe__record r;
    struct pair p;

    (void)state;
    pair_at(&p, SIZE - 16);
    assert_int_equal(put(&p, 0, "0123456789", 10), 1);
    assert_int_equal(put(&p, 0, "next", 4), 1);
    assert_int_equal(look(&p, &r), 1);
    wpipe__ring_take(&p.in, 3, 0);
    assert_int_equal(look(&p, &r), 1);
    assert_int_equal(r.size, 7);
    assert_memory_equal(r.data, "3456789", 7);
    wpipe__ring_take(&p.in, 7, 0); /* all of it, not yet ended */
    assert_int_equal(look(&p, &r), 1);
    assert_int_equal(r.size, 0);
    take(&p, &r);
    expect(&p, 0, "next", 4);
    assert_int_equal(p.in.tail, p.out.head);
    pair_done(&p);
}

static void ring_scan_shows_all_and_takes_nothing(void **state)
{
    static const char *const texts[] = { "one", "", "three", "four" };
    struct wpipe__record r;
    struct pair p;

    (void)state;
    for (uint64_t start = SIZE - 80; start < SIZE; start += 8) {
        uint64_t position = start;

        pair_at(&p, start);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(put(&p, 0, texts[i], (uint32_t)strlen(texts[i])),
                             1);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r),
                             1);
            assert_int_equal(r.size, strlen(texts[i]));
            assert_memory_equal(r.data, texts[i], r.size);
        }
        assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r), 0);
        /* what comes later is seen by the same scan */
        assert_int_equal(put(&p, 0, "late", 4), 1);
        assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r), 1);
        assert_memory_equal(r.data, "late", 4);
        for (size_t i = 0; i < 4; i++)
            expect(&p, 0, texts[i], (uint32_t)strlen(texts[i]));
        expect(&p, 0, "late", 4);
        pair_done(&p);
    }
}

/* A PAD alone is no record; it is passed when the record behind it is there.*/
static void ring_pad_alone_is_skipped(void **state)
{
    struct wpipe__record r = { .size = 200 };
    struct pair p;
    uint64_t word = (uint64_t)WPIPE__RECORD_PAD << 32 | 8;
    int error;

    (void)state;
    pair_at(&p, SIZE - 16);
    memcpy(p.ring + SIZE - 16, &word, 8);
    atomic_store(&p.writer.head, SIZE); /* the PAD and nothing else */
    assert_int_equal(look(&p, &r), 0);
    assert_true(p.in.tail == SIZE - 16 || p.in.tail == SIZE);
    pair_done(&p);
    pair_at(&p, SIZE - 16);
    r = (struct wpipe__record){ .size = 200 };
    assert_ptr_equal(wpipe__ring_reserve(&p.out, &p.reader, &r, &error),
                     p.ring + 8);
    wpipe__ring_commit(&p.out, &r);
    wpipe__ring_publish(&p.out, &p.writer);
    assert_int_equal(look(&p, &r), 1);
    assert_int_equal(r.size, 200);
    take(&p, &r);
    assert_int_equal(p.in.tail, SIZE + 208);
    pair_done(&p);
}

/* ---- a hostile reader: its tail ------------------------------------------ */

static void reader_with_impossible_tail_is_eproto(void **state)
{
    static const int64_t lies[] = { 8, 16,    1 << 20,   -8,       -4096,
                                    3, -1000, INT64_MAX, -4096 - 8 };

    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        uint8_t data[900] = { 0 };
        struct pair p;
        uint64_t truth;
        int r;

        pair_at(&p, 1 << 20);
        while ((r = put(&p, 0, data, sizeof data)) == 1)
            ;
        assert_int_equal(r, 0);
        /* beyond what was written, or back before what it had told */
        truth = p.out.tail;
        atomic_store(&p.reader.tail,
                     (lies[i] > 0 ? p.out.head : truth) + (uint64_t)lies[i]);
        assert_int_equal(put(&p, 0, data, sizeof data), WPIPE_EPROTO);
        assert_int_equal(p.out.tail, truth);
        pair_done(&p);
    }
}

static void reader_with_misaligned_tail_is_eproto(void **state)
{
    uint8_t data[900] = { 0 };
    struct pair p;

    (void)state;
    pair_at(&p, 0);
    while (put(&p, 0, data, sizeof data) == 1)
        ;
    for (uint64_t odd = 1; odd < 8; odd++) {
        atomic_store(&p.reader.tail, 912 + odd);
        assert_int_equal(put(&p, 0, data, sizeof data), WPIPE_EPROTO);
    }
    atomic_store(&p.reader.tail, 912);
    assert_int_equal(put(&p, 0, data, 64), 1);
    pair_done(&p);
}

/* ---- a hostile writer: its head ------------------------------------------ */

static void writer_with_impossible_head_is_eproto(void **state)
{
    static const int64_t lies[] = { SIZE + 8, 1 << 20, INT64_MAX, INT64_MIN, -8,
                                    -SIZE,    1,       12,        SIZE + 1 };
    struct wpipe__record r;

    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct pair p;
        uint64_t position = 1 << 20;

        pair_at(&p, position);
        atomic_store(&p.writer.head, position + (uint64_t)lies[i]);
        assert_int_equal(look(&p, &r), WPIPE_EPROTO);
        assert_int_equal(wpipe__ring_refresh(&p.in, &p.writer), WPIPE_EPROTO);
        assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r),
                         WPIPE_EPROTO);
        pair_done(&p);
    }
}

/* It had shown two records and takes the second one back. */
static void writer_that_takes_back_is_eproto(void **state)
{
    struct wpipe__record r;
    uint64_t position = 1 << 20;
    struct pair p;

    (void)state;
    pair_at(&p, position);
    assert_int_equal(put(&p, 0, "one", 3), 1);
    assert_int_equal(put(&p, 0, "two", 3), 1);
    assert_int_equal(look(&p, &r), 1);
    atomic_store(&p.writer.head, position + 16);
    for (int i = 0; i < 2; i++)
        assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r), 1);
    assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r),
                     WPIPE_EPROTO);
    pair_done(&p);
}

/* It had let records be read and goes back behind them. */
static void writer_with_head_going_back_is_eproto(void **state)
{
    struct wpipe__record r;
    struct pair p;

    (void)state;
    pair_at(&p, 0);
    assert_int_equal(put(&p, 0, "one", 3), 1);
    assert_int_equal(put(&p, 0, "two", 3), 1);
    assert_int_equal(look(&p, &r), 1);
    take(&p, &r);
    expect(&p, 0, "two", 3);
    atomic_store(&p.writer.head, 16);
    assert_int_equal(look(&p, &r), WPIPE_EPROTO);
    pair_done(&p);
}

/* ---- a hostile writer: its records --------------------------------------- */

/* One record header at `position` with `space` bytes published behind it. */
static int look_at(uint64_t position, uint32_t flags, uint32_t size,
                   uint64_t space)
{
    uint64_t word = (uint64_t)flags << 32 | size;
    struct wpipe__record r;
    struct pair p;
    int result;

    pair_at(&p, position);
    memcpy(p.ring + (position & (SIZE - 1)), &word, 8);
    atomic_store(&p.writer.head, position + space);
    result = look(&p, &r);
    pair_done(&p);
    return result;
}

static void record_beyond_head_is_eproto(void **state)
{
    (void)state;
    assert_int_equal(look_at(0, 0, 8, 16), 1);
    assert_int_equal(look_at(0, 0, 9, 16), WPIPE_EPROTO);
    assert_int_equal(look_at(0, 0, 17, 24), WPIPE_EPROTO);
    assert_int_equal(look_at(0, 0, 1, 8), WPIPE_EPROTO);
    assert_int_equal(look_at(0, 0, SIZE, SIZE), WPIPE_EPROTO);
    assert_int_equal(look_at(0, 0, UINT32_MAX, SIZE), WPIPE_EPROTO);
    assert_int_equal(look_at(0, 0, UINT32_MAX - 7, SIZE), WPIPE_EPROTO);
    assert_int_equal(look_at(0, WPIPE__RECORD_REQUEST, 0, 8), WPIPE_EPROTO);
    assert_int_equal(look_at(0, WPIPE__RECORD_REQUEST, 0, 16), 1);
}

/* It must end where the ring does; the rest of it would be elsewhere. */
static void record_across_the_end_is_eproto(void **state)
{
    (void)state;
    assert_int_equal(look_at(SIZE - 16, 0, 8, 16), 1);
    assert_int_equal(look_at(SIZE - 16, 0, 8, SIZE), 1);
    assert_int_equal(look_at(SIZE - 16, 0, 9, SIZE), WPIPE_EPROTO);
    assert_int_equal(look_at(SIZE - 8, 0, 0, SIZE), 1);
    assert_int_equal(look_at(SIZE - 8, 0, 1, SIZE), WPIPE_EPROTO);
    assert_int_equal(look_at(SIZE - 8, WPIPE__RECORD_REPLY, 0, SIZE),
                     WPIPE_EPROTO);
}

static void pad_of_wrong_size_is_eproto(void **state)
{
    (void)state;
    assert_int_equal(look_at(SIZE - 64, WPIPE__RECORD_PAD, 48, 64),
                     WPIPE_EPROTO);
    assert_int_equal(look_at(SIZE - 64, WPIPE__RECORD_PAD, 64, 128),
                     WPIPE_EPROTO);
    assert_int_equal(look_at(SIZE - 64, WPIPE__RECORD_PAD, 0, 64),
                     WPIPE_EPROTO);
    assert_int_equal(look_at(SIZE - 64, WPIPE__RECORD_PAD, 56, 48),
                     WPIPE_EPROTO);
    assert_int_equal(
        look_at(SIZE - 64, WPIPE__RECORD_PAD | WPIPE__RECORD_MORE, 56, 64),
        WPIPE_EPROTO);
    assert_int_equal(look_at(SIZE - 64, WPIPE__RECORD_PAD, 56, 64), 0);
    /* PAD upon PAD, all the way round, ends with the ring */
    assert_int_equal(look_at(0, WPIPE__RECORD_PAD, SIZE - 8, SIZE), 0);
}

static void flags_that_nobody_sets_are_eproto(void **state)
{
    static const uint32_t bad[] = {
        WPIPE__RECORD_REVOCABLE,
        WPIPE__RECORD_REVOKED,
        0x200,
        0x80000000u,
        WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY,
        WPIPE__RECORD_TOTAL, /* without MORE */
        WPIPE__RECORD_ABORT | WPIPE__RECORD_FIN,
        WPIPE__RECORD_ABORT | WPIPE__RECORD_MORE,
        WPIPE__RECORD_FIN | WPIPE__RECORD_REQUEST,
        WPIPE__RECORD_ABORT, /* with a payload */
        WPIPE__RECORD_FIN,
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(look_at(0, bad[i], 8, SIZE), WPIPE_EPROTO);
    assert_int_equal(look_at(0, WPIPE__RECORD_MORE, 0, SIZE), WPIPE_EPROTO);
    assert_int_equal(look_at(0, WPIPE__RECORD_ABORT, 0, SIZE), 1);
    assert_int_equal(look_at(0, WPIPE__RECORD_FIN, 0, SIZE), 1);
}

/* Between two looks, or a look and a scan, its words change: the first ones
 * count until it is taken. */
static void header_that_changes_under_reader_has_no_effect(void **state)
{
    const uint32_t flags = WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL;
    const uint8_t *data;
    uint64_t space;
    struct wpipe__record r;
    uint64_t position = 0;
    uint64_t word = 2;
    struct pair p;

    (void)state;
    pair_at(&p, 0);
    assert_int_equal(put(&p, flags, "0123456789", 10), 1);
    assert_int_equal(look(&p, &r), 1);
    memcpy(p.ring, &word, 8);
    memcpy(p.ring + 8, &word, 8);
    assert_int_equal(wpipe__ring_plain(&p.in, &p.writer, &data, &space), 0);
    wpipe__ring_take(&p.in, 5, 0);
    assert_int_equal(wpipe__ring_scan(&p.in, &p.writer, &position, &r), 1);
    assert_int_equal(position, p.out.head);
    assert_int_equal(r.size, 10);
    assert_int_equal(r.total, 0x1122334455667788);
    assert_int_equal(look(&p, &r), 1);
    assert_int_equal(r.flags, flags);
    assert_int_equal(r.size, 5);
    assert_int_equal(r.total, 0x1122334455667788);
    assert_memory_equal(r.data, "56789", 5);
    take(&p, &r);
    assert_int_equal(p.in.tail, p.out.head);
    expect_nothing(&p);
    pair_done(&p);
}

/* Between look and take it changes: the copy that was judged counts. */
static void header_that_changes_after_look_has_no_effect(void **state)
{
    struct wpipe__record r;
    uint64_t word = UINT64_MAX;
    struct pair p;

    (void)state;
    pair_at(&p, 0);
    assert_int_equal(put(&p, 0, "0123456789", 10), 1);
    assert_int_equal(put(&p, 0, "next", 4), 1);
    assert_int_equal(look(&p, &r), 1);
    memcpy(p.ring, &word, 8);
    take(&p, &r);
    assert_int_equal(p.in.tail, 24);
    expect(&p, 0, "next", 4);
    pair_done(&p);
}

/* Random words everywhere: never more than what is in the ring. */
static void random_memory_never_leads_outside(void **state)
{
    uint64_t random = 99;
    struct pair p;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct wpipe__record r;
        int steps = 0;

        pair_at(&p, (uint64_t)round * 8);
        for (size_t i = 0; i < SIZE; i += 8) {
            uint64_t word;

            random = random * 6364136223846793005u + 1442695040888963407u;
            word = random >> 33 & 0x5f;
            word = word << 32 | (random >> 40 & (i % 64 ? 0x3f : 0xfff));
            memcpy(p.ring + i, &word, 8);
        }
        atomic_store(&p.writer.head, p.in.tail + (random >> 20 & 0xff8));
        while (look(&p, &r) == 1) {
            assert_true(r.data >= p.ring + 8);
            assert_true(r.data + r.size <= p.ring + SIZE);
            take(&p, &r);
            assert_true(++steps <= SIZE / 8);
        }
        pair_done(&p);
        if (round > 2000 && SUPPORT_LIMIT_FACTOR > 1)
            break;
    }
}

static const struct support_case cases[] = {
    TEST(ring_empty_reads_nothing),
    TEST(ring_record_comes_out_as_it_went_in),
    TEST(ring_empty_record_is_a_record),
    TEST(ring_reservation_is_invisible),
    TEST(ring_commit_may_be_shorter),
    TEST(ring_wraps_at_every_offset),
    TEST(ring_position_passes_borders),
    TEST(ring_full_takes_no_more_until_read),
    TEST(ring_fills_exactly),
    TEST(ring_fills_exactly_after_a_read),
    TEST(ring_record_up_to_the_end_needs_no_pad),
    TEST(ring_marks_fit_a_full_ring),
    TEST(ring_largest_fragment_always_fits),
    TEST(ring_parts_are_taken_in_order),
    TEST(ring_scan_shows_all_and_takes_nothing),
    TEST(ring_pad_alone_is_skipped),
    TEST(reader_with_impossible_tail_is_eproto),
    TEST(reader_with_misaligned_tail_is_eproto),
    TEST(writer_with_impossible_head_is_eproto),
    TEST(writer_that_takes_back_is_eproto),
    TEST(writer_with_head_going_back_is_eproto),
    TEST(record_beyond_head_is_eproto),
    TEST(record_across_the_end_is_eproto),
    TEST(pad_of_wrong_size_is_eproto),
    TEST(flags_that_nobody_sets_are_eproto),
    TEST(header_that_changes_under_reader_has_no_effect),
    TEST(header_that_changes_after_look_has_no_effect),
    TEST(random_memory_never_leads_outside),
};

TEST_MAIN(cases)
