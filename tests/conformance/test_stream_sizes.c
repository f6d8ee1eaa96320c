/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every size that is a border of something, from empty to far beyond the
 * ring, in both modes; and both directions at the same time. Rows are those of
 * the .NET conformance list.
 */
#include "ends.h"

#include <stdlib.h>
#include <windpipe/error.h>

/* The borders: alignment, fragments of both links, the ring. */
static size_t borders(const struct ends *ends, size_t *ret_sizes)
{
    static const size_t steps[] = { 0, 1, 7, 8, 9, 64, 1000, 1024, 1025 };
    size_t ring = ends_ring(ends);
    size_t marks[] = { ring / 4 - 64, ring / 4, ring / 2, ring, 2 * ring,
                       7104,          16384,    65472,    65536 };
    size_t count = 0;

    for (size_t i = 0; i < 9; i++)
        ret_sizes[count++] = steps[i];
    for (size_t i = 0; i < 9; i++) {
        ret_sizes[count++] = marks[i] - 8;
        ret_sizes[count++] = marks[i] - 1;
        ret_sizes[count++] = marks[i];
        ret_sizes[count++] = marks[i] + 1;
    }
    return count;
}

enum {
    BORDERS = 45
};

struct sizes {
    struct ends ends;
    int type;
    int rounds;
};

static void write_sizes(wpipe_stream *stream, const struct sizes *s)
{
    size_t sizes[BORDERS];
    size_t count = borders(&s->ends, sizes);

    for (int round = 0; round < s->rounds; round++)
        for (size_t i = 0; i < count; i++)
            ends_write_pattern(stream, sizes[i], i + (size_t)round);
}

static void read_exactly(wpipe_stream *stream, uint8_t *buf, size_t size)
{
    size_t at = 0;

    while (at < size) {
        int64_t r = wpipe_read(stream, buf + at, size - at, SUPPORT_WAIT_MS);

        assert_true(r > 0);
        at += (size_t)r;
    }
}

static void read_sizes(wpipe_stream *stream, const struct sizes *s)
{
    size_t sizes[BORDERS];
    size_t count = borders(&s->ends, sizes);

    for (int round = 0; round < s->rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            uint8_t *buf;

            if (s->type == WPIPE_MESSAGE) {
                ends_read_pattern(stream, sizes[i], i + (size_t)round);
                continue;
            }
            buf = malloc(sizes[i] + 1);
            read_exactly(stream, buf, sizes[i]);
            ends_check(buf, sizes[i], i + (size_t)round);
            free(buf);
        }
    }
}

static void write_from_a(void *argument)
{
    struct sizes *s = argument;

    write_sizes(s->ends.a, s);
}

static void write_from_b(void *argument)
{
    struct sizes *s = argument;

    write_sizes(s->ends.b, s);
}

static void read_at_b(void *argument)
{
    struct sizes *s = argument;

    read_sizes(s->ends.b, s);
}

static void run_one_way(const struct ends_kind *kind, int type)
{
    struct sizes s = { .type = type, .rounds = 2 };
    struct ends_thread thread;

    ends_open(&s.ends, kind, type);
    ends_start(&thread, write_from_a, &s);
    read_sizes(s.ends.b, &s);
    ends_join(&thread);
    if (kind->set & ENDS_SWITCHING)
        assert_true(ends_shared(s.ends.a) >= 1);
    ends_close(&s.ends);
}

/* .NET row 79 */
static void sizes_of_messages_arrive(void **state)
{
    run_one_way(*state, WPIPE_MESSAGE);
}

static void sizes_of_bytes_arrive(void **state)
{
    run_one_way(*state, WPIPE_BYTE);
}

/* .NET row 85: each end reads and writes at once, on two threads */
static void run_full_duplex(const struct ends_kind *kind, int type)
{
    struct sizes s = { .type = type, .rounds = 3 };
    struct ends_thread threads[3];

    ends_open(&s.ends, kind, type);
    ends_start(&threads[0], write_from_a, &s);
    ends_start(&threads[1], write_from_b, &s);
    ends_start(&threads[2], read_at_b, &s);
    read_sizes(s.ends.a, &s);
    for (int i = 0; i < 3; i++)
        ends_join(&threads[i]);
    ends_close(&s.ends);
}

static void full_duplex_messages_intact(void **state)
{
    run_full_duplex(*state, WPIPE_MESSAGE);
}

static void full_duplex_bytes_intact(void **state)
{
    run_full_duplex(*state, WPIPE_BYTE);
}

/* ---- fragments that change their size on the way ------------------------- */

struct steady {
    struct ends ends;
    size_t size;
    unsigned count;
};

static void write_steadily(void *argument)
{
    struct steady *s = argument;

    for (unsigned i = 0; i < s->count; i++)
        ends_write_pattern(s->ends.a, s->size, i);
}

/* The connection moves while a message of such a size is being written; the
 * largest record of the two links differs. */
static void sizes_around_the_move_arrive(void **state)
{
    static const size_t sizes[] = { 900, 3000, 7000, 8000, 16300, 40000 };

    for (size_t i = 0; i < 6; i++) {
        struct steady s = { .size = sizes[i], .count = 60 };
        struct ends_thread thread;

        ends_open(&s.ends, *state, WPIPE_MESSAGE);
        ends_start(&thread, write_steadily, &s);
        for (unsigned k = 0; k < s.count; k++)
            ends_read_pattern(s.ends.b, s.size, k);
        ends_join(&thread);
        ends_close(&s.ends);
    }
}

static void reserve_steadily(void *argument)
{
    struct steady *s = argument;

    for (unsigned i = 0; i < s->count; i++) {
        void *data;

        assert_int_equal(
            wpipe_write_begin(s->ends.a, s->size, &data, SUPPORT_WAIT_MS), 0);
        ends_fill(data, s->size, i);
        assert_int_equal(wpipe_write_commit(s->ends.a, s->size, 0), s->size);
    }
}

/* The same with a reservation that is made before the move and committed
 * after it. */
static void reservations_around_the_move_arrive(void **state)
{
    static const size_t sizes[] = { 100, 900 };

    for (size_t i = 0; i < 2; i++) {
        struct steady s = { .size = sizes[i], .count = 200 };
        struct ends_thread thread;

        ends_open(&s.ends, *state, WPIPE_MESSAGE);
        ends_start(&thread, reserve_steadily, &s);
        for (unsigned k = 0; k < s.count; k++)
            ends_read_pattern(s.ends.b, s.size, k);
        ends_join(&thread);
        ends_close(&s.ends);
    }
}

/* ---- much ---------------------------------------------------------------- */

static void write_large(void *argument)
{
    struct steady *s = argument;

    for (unsigned i = 0; i < s->count; i++)
        ends_write_pattern(s->ends.a, s->size, i);
}

static void run_large(const struct ends_kind *kind, int type, size_t size)
{
    struct steady s = { .size = size, .count = 2 };
    uint8_t *buf = malloc(size);
    struct ends_thread thread;

    ends_open(&s.ends, kind, type);
    ends_start(&thread, write_large, &s);
    for (unsigned i = 0; i < s.count; i++) {
        read_exactly(s.ends.b, buf, size);
        ends_check(buf, size, i);
        assert_int_equal(wpipe_stream_message_complete(s.ends.b), 1);
    }
    ends_join(&thread);
    ends_close(&s.ends);
    free(buf);
}

static void large_1_mib_arrives(void **state)
{
    run_large(*state, WPIPE_MESSAGE, MIB);
    run_large(*state, WPIPE_BYTE, MIB + 3);
}

static void large_16_mib_arrives(void **state)
{
    run_large(*state, WPIPE_MESSAGE, 16 * MIB);
    run_large(*state, WPIPE_BYTE, 16 * MIB);
}

/* One message of 1 GiB through a ring of 64 KiB; the writer has only one MiB
 * of it in memory, 1024 times. */
enum {
    GIB_PIECES = 1024
};

static void write_gib(void *argument)
{
    struct ends *ends = argument;
    uint8_t *piece = malloc(MIB);
    wpipe_piece *pieces = calloc(GIB_PIECES, sizeof *pieces);

    ends_fill(piece, MIB, 21);
    for (size_t i = 0; i < GIB_PIECES; i++) {
        pieces[i].data = piece;
        pieces[i].size = MIB;
    }
    assert_int_equal(wpipe_writev(ends->a, pieces, GIB_PIECES, WPIPE_FOREVER),
                     GIB_PIECES * MIB);
    free(pieces);
    free(piece);
}

static void large_1_gib_goes_through_64_kib(void **state)
{
    struct ends_thread thread;
    struct ends_setup setup;
    uint8_t *want = malloc(MIB);
    uint8_t *buf = malloc(MIB);
    struct ends ends;

    ends_setup_init(&setup, *state, WPIPE_MESSAGE);
    setup.client.max_message = (uint64_t)GIB_PIECES * MIB;
    setup.server.max_message = (uint64_t)GIB_PIECES * MIB;
    setup.client.buffer_in = setup.client.buffer_out = 65536;
    ends_open_setup(&ends, &setup);
    ends_fill(want, MIB, 21);
    ends_start(&thread, write_gib, &ends);
    for (size_t i = 0; i < GIB_PIECES; i++) {
        assert_int_equal(wpipe_read(ends.b, buf, MIB, SUPPORT_WAIT_MS), MIB);
        if (memcmp(buf, want, MIB) != 0)
            fail_msg("MiB %zu differs", i);
        assert_int_equal(wpipe_stream_message_complete(ends.b),
                         i + 1 == GIB_PIECES);
    }
    ends_join(&thread);
    ends_close(&ends);
    free(buf);
    free(want);
}

/* ---- many pairs ---------------------------------------------------------- */

enum {
    PAIRS = 20
};

static void echo_until_eof(void *argument)
{
    struct ends *ends = argument;
    uint8_t buf[4096];
    int64_t r;

    while ((r = wpipe_read(ends->b, buf, sizeof buf, SUPPORT_WAIT_MS)) > 0)
        assert_int_equal(wpipe_write(ends->b, buf, (size_t)r, SUPPORT_WAIT_MS),
                         r);
    assert_int_equal(r, WPIPE_EOF);
}

static void write_10_kib(void *argument)
{
    struct ends *ends = argument;

    ends_write_pattern(ends->a, 10 * KIB, (uintptr_t)ends % 100);
}

/* .NET row 88 */
static void pairs_in_parallel_do_not_mix(void **state)
{
    struct ends ends[PAIRS];
    struct ends_thread echo[PAIRS];
    struct ends_thread write[PAIRS];
    uint8_t buf[10 * KIB];

    for (int i = 0; i < PAIRS; i++) {
        ends_open(&ends[i], *state, WPIPE_BYTE);
        ends_start(&echo[i], echo_until_eof, &ends[i]);
        ends_start(&write[i], write_10_kib, &ends[i]);
    }
    for (int i = 0; i < PAIRS; i++) {
        read_exactly(ends[i].a, buf, sizeof buf);
        ends_check(buf, sizeof buf, (uintptr_t)&ends[i] % 100);
        ends_join(&write[i]);
        ends_close_a(&ends[i]);
        ends_join(&echo[i]);
        ends_close(&ends[i]);
    }
}

static const struct ends_case cases[] = {
    EACH_SEEN(sizes_of_messages_arrive),
    EACH_SEEN(sizes_of_bytes_arrive),
    EACH_SEEN(full_duplex_messages_intact),
    EACH_SEEN(full_duplex_bytes_intact),
    EACH(sizes_around_the_move_arrive),
    EACH(reservations_around_the_move_arrive),
    EACH_SEEN(large_1_mib_arrives),
    EACH_SLOW(large_16_mib_arrives, ENDS_ALL),
    EACH_SLOW(large_1_gib_goes_through_64_kib, ENDS_FEW),
    EACH(pairs_in_parallel_do_not_mix),
};

ENDS_MAIN(cases)
