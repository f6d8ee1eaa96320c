/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zero-copy: writing into a reservation and reading where the bytes lie.
 */
#include "ends.h"

#include <stdlib.h>
#include <windpipe/error.h>

static void *begin(wpipe_stream *stream, size_t size)
{
    void *data = NULL;

    assert_int_equal(wpipe_write_begin(stream, size, &data, SUPPORT_WAIT_MS),
                     0);
    assert_non_null(data);
    return data;
}

static void put(wpipe_stream *stream, const char *text, int more)
{
    size_t size = strlen(text);

    memcpy(begin(stream, size), text, size);
    assert_int_equal(wpipe_write_commit(stream, size, more), size);
}

static const void *look(wpipe_stream *stream, size_t *ret_size)
{
    const void *data = NULL;

    assert_int_equal(wpipe_read_begin(stream, &data, ret_size, SUPPORT_WAIT_MS),
                     0);
    assert_non_null(data);
    return data;
}

/* ---- writing ------------------------------------------------------------ */

static void begin_commit_sends_message(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (unsigned i = 0; i < 100; i++) {
        size_t size = i * 10;

        ends_fill(begin(ends.a, size), size, i);
        assert_int_equal(wpipe_write_commit(ends.a, size, 0), size);
        ends_read_pattern(ends.b, size, i);
    }
    ends_close(&ends);
}

static void commit_of_fewer_bytes_sends_those(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (unsigned i = 0; i < 100; i++) {
        ends_fill(begin(ends.a, 900), 900, i);
        assert_int_equal(wpipe_write_commit(ends.a, i * 9, 0), i * 9);
        ends_read_pattern(ends.b, i * 9, i);
    }
    ends_close(&ends);
}

/* In a ring and on a socket, wherever the record begins. */
static void reservation_of_2048_is_aligned_to_a_line(void **state)
{
    struct ends ends;
    size_t most;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    most = ends_ring(&ends) / 4;
    for (unsigned i = 0; i < 60; i++) {
        size_t size = 2048 + i * 8;
        uint8_t *data;

        if (size > most)
            break;
        data = begin(ends.a, size);
        assert_int_equal((uintptr_t)data % 64, 0);
        ends_fill(data, size, i);
        assert_int_equal(wpipe_write_commit(ends.a, size, 0), size);
        data = begin(ends.a, 9);
        assert_int_equal((uintptr_t)data % 8, 0);
        ends_fill(data, 9, i);
        assert_int_equal(wpipe_write_commit(ends.a, 9, 0), 9);
        ends_read_pattern(ends.b, size, i);
        ends_read_pattern(ends.b, 9, i);
    }
    ends_close(&ends);
}

static void commit_of_more_than_reserved_refused(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_write_commit(ends.a, 1, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_write_commit(ends.a, 0, 0), WPIPE_ESTATE);
    memcpy(begin(ends.a, 4), "four", 4);
    assert_int_equal(wpipe_write_commit(ends.a, 5, 0), WPIPE_EINVAL);
    /* the reservation still stands */
    assert_int_equal(wpipe_write_commit(ends.a, 4, 0), 4);
    assert_int_equal(wpipe_write_commit(ends.a, 4, 0), WPIPE_ESTATE);
    ends_expect(ends.b, "four");
    ends_close(&ends);
}

static void one_reservation_at_a_time(void **state)
{
    struct ends ends;
    void *data = &ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    (void)begin(ends.a, 4);
    assert_int_equal(wpipe_write_begin(ends.a, 4, &data, 0), WPIPE_ESTATE);
    assert_ptr_equal(data, &ends);
    assert_int_equal(wpipe_write(ends.a, "x", 1, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_finish(ends.a), WPIPE_ESTATE);
    wpipe_write_abort(ends.a);
    ends_write(ends.a, "x");
    ends_expect(ends.b, "x");
    ends_close(&ends);
}

static void abort_sends_nothing(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    wpipe_write_abort(ends.a); /* nothing begun */
    for (int i = 0; i < 40; i++) {
        memcpy(begin(ends.a, 500), "gone", 4);
        wpipe_write_abort(ends.a);
        ends_write(ends.a, "there");
        ends_expect(ends.b, "there");
    }
    wpipe_write_abort(NULL);
    ends_close(&ends);
}

static void more_joins_parts_into_one_message(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (int i = 0; i < 20; i++) {
        put(ends.a, "one ", 1);
        put(ends.a, "two ", 1);
        put(ends.a, "three", 0);
        ends_expect(ends.b, "one two three");
        /* a write may be the last part, and so may nothing */
        put(ends.a, "parts, ", 1);
        ends_write(ends.a, "then a write");
        ends_expect(ends.b, "parts, then a write");
        put(ends.a, "only part", 1);
        put(ends.a, "", 0);
        ends_expect(ends.b, "only part");
        put(ends.a, "", 1);
        put(ends.a, "x", 1);
        put(ends.a, "", 1);
        put(ends.a, "y", 0);
        ends_expect(ends.b, "xy");
        put(ends.a, "", 0);
        ends_expect(ends.b, "");
    }
    ends_close(&ends);
}

static void abort_of_unread_parts_withdraws_message(void **state)
{
    struct ends ends;
    char byte;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (int i = 0; i < 10; i++) {
        ends_write(ends.a, "before");
        put(ends.a, "one ", 1);
        put(ends.a, "two ", 1);
        if (i % 2)
            (void)begin(ends.a, 10);
        wpipe_write_abort(ends.a);
        ends_expect(ends.b, "before");
        assert_int_equal(wpipe_read(ends.b, &byte, 1, 0), WPIPE_ETIMEDOUT);
        ends_write(ends.a, "after");
        ends_expect(ends.b, "after");
    }
    ends_close(&ends);
}

static void abort_of_begun_message_gives_eaborted(void **state)
{
    struct ends ends;
    char byte;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (int i = 0; i < 10; i++) {
        put(ends.a, "one ", 1);
        assert_int_equal(wpipe_read(ends.b, &byte, 1, SUPPORT_WAIT_MS), 1);
        put(ends.a, "two ", 1);
        wpipe_write_abort(ends.a);
        while (wpipe_read(ends.b, &byte, 1, SUPPORT_WAIT_MS) == 1)
            ;
        assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
        assert_int_equal(wpipe_read(ends.b, &byte, 1, 0), WPIPE_ETIMEDOUT);
        ends_write(ends.a, "after");
        ends_expect(ends.b, "after");
    }
    ends_close(&ends);
}

/* Up to a quarter of the buffer, however the connection stands. */
static void begin_takes_quarter_of_buffer(void **state)
{
    struct ends ends;
    size_t quarter;
    void *data;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    quarter = ends_ring(&ends) / 4;
    if (ends_shared(ends.a) == 0 && quarter > 10240)
        quarter = 10240; /* on its socket: what always fits the credit */
    for (unsigned i = 0; i < 20; i++) {
        size_t size = quarter - i % 3;

        ends_fill(begin(ends.a, size), size, i);
        assert_int_equal(wpipe_write_commit(ends.a, size, 0), size);
        ends_read_pattern(ends.b, size, i);
    }
    assert_int_equal(
        wpipe_write_begin(ends.a, ends_ring(&ends) / 4 + 1, &data, 0),
        WPIPE_EMSGSIZE);
    assert_int_equal(wpipe_write_begin(ends.a, SIZE_MAX, &data, 0),
                     WPIPE_EMSGSIZE);
    ends_write(ends.a, "fine");
    ends_expect(ends.b, "fine");
    ends_close(&ends);
}

struct parts {
    struct ends ends;
    size_t size;
    unsigned count;
};

static void write_parts(void *argument)
{
    struct parts *p = argument;

    for (unsigned i = 0; i < p->count; i++) {
        size_t at = 0;
        uint8_t *whole = malloc(p->size);

        ends_fill(whole, p->size, i);
        while (at < p->size) {
            size_t part = p->size - at < 900 ? p->size - at : 900 - i;

            memcpy(begin(p->ends.a, 900), whole + at, part);
            at += part;
            assert_int_equal(wpipe_write_commit(p->ends.a, part, at < p->size),
                             part);
        }
        free(whole);
    }
}

/* A message in parts, larger than the ring. */
static void parts_larger_than_ring_arrive_whole(void **state)
{
    struct parts p = { .size = 600000, .count = 3 };
    struct ends_thread thread;

    ends_open(&p.ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, write_parts, &p);
    for (unsigned i = 0; i < p.count; i++)
        ends_read_pattern(p.ends.b, p.size, i);
    ends_join(&thread);
    ends_close(&p.ends);
}

/* As write_parts, without knowing how much may be reserved when. */
static void write_by_part(void *argument)
{
    struct parts *p = argument;
    uint8_t *whole = malloc(p->size);

    assert_non_null(whole);
    for (unsigned i = 0; i < p->count; i++) {
        size_t at = 0;

        ends_fill(whole, p->size, i);
        do {
            size_t size = 0;
            void *data = NULL;

            assert_int_equal(wpipe_write_begin_part(p->ends.a, p->size - at,
                                                    &data, &size,
                                                    SUPPORT_WAIT_MS),
                             0);
            assert_in_range(size, 1, p->size - at);
            memcpy(data, whole + at, size);
            at += size;
            assert_int_equal(wpipe_write_commit(p->ends.a, size, at < p->size),
                             size);
        } while (at < p->size);
    }
    free(whole);
}

static void begin_part_gives_what_there_is(void **state)
{
    struct parts p = { .size = 600000, .count = 3 };
    struct ends_thread thread;
    size_t size = 77;
    void *data;

    ends_open(&p.ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, write_by_part, &p);
    for (unsigned i = 0; i < p.count; i++)
        ends_read_pattern(p.ends.b, p.size, i);
    ends_join(&thread);
    /* longer than the peer takes, all in all: at once */
    assert_int_equal(
        wpipe_write_begin_part(p.ends.a, (16 << 20) + 1, &data, &size, 0),
        WPIPE_EMSGSIZE);
    assert_int_equal(wpipe_write_begin_part(p.ends.a, 1, NULL, &size, 0),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_write_begin_part(p.ends.a, 1, &data, NULL, 0),
                     WPIPE_EINVAL);
    assert_int_equal(size, 77);
    assert_int_equal(wpipe_write_begin_part(p.ends.a, 0, &data, &size, 0), 0);
    assert_int_equal(size, 0);
    assert_int_equal(wpipe_write_begin_part(p.ends.a, 1, &data, &size, 0),
                     WPIPE_ESTATE);
    assert_int_equal(wpipe_write_commit(p.ends.a, 0, 0), 0);
    ends_expect(p.ends.b, "");
    ends_close(&p.ends);
}

/* One end asks, and the ring is as large: unless the other one allows less. */
static void buffer_out_of_one_end_counts(void **state)
{
    static const struct {
        uint32_t out;
        uint32_t in;
        uint32_t ring;
    } rows[] = {
        { 0, 0, 256 * KIB },          { 1024 * KIB, 0, 1024 * KIB },
        { 16 * KIB, 0, 16 * KIB },    { 0, 1024 * KIB, 256 * KIB },
        { 0, 64 * KIB, 64 * KIB },    { 1024 * KIB, 512 * KIB, 512 * KIB },
        { 600 * KIB, 0, 1024 * KIB },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct parts p = { .size = 2000000, .count = 1 };
        wpipe_stream_facts facts = { .size = sizeof facts };
        struct ends_thread thread;
        struct ends_setup setup;
        wpipe_options *a;
        wpipe_options *b;

        ends_setup_init(&setup, *state, WPIPE_MESSAGE);
        a = setup.a_is_server ? &setup.server : &setup.client;
        b = setup.a_is_server ? &setup.client : &setup.server;
        a->buffer_in = 0;
        a->buffer_out = rows[i].out;
        b->buffer_in = rows[i].in;
        b->buffer_out = 0;
        ends_open_setup(&p.ends, &setup);
        assert_int_equal(ends_ring(&p.ends), rows[i].ring);
        assert_int_equal(wpipe_stream_info(p.ends.b, &facts), 0);
        assert_int_equal(facts.buffer_in, rows[i].ring);
        assert_int_equal(facts.buffer_out, 256 * KIB);
        ends_start(&thread, write_by_part, &p);
        ends_read_pattern(p.ends.b, p.size, 0);
        ends_join(&thread);
        ends_close(&p.ends);
    }
}

static void begin_times_out_on_full_pipe(void **state)
{
    static uint8_t bytes[200];
    struct ends ends;
    unsigned count = 0;
    int64_t start;
    void *data;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    while (wpipe_write(ends.a, bytes, sizeof bytes, 0) > 0)
        count++;
    start = support_now_ms();
    assert_int_equal(wpipe_write_begin(ends.a, 200, &data, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_write_begin(ends.a, 200, &data, 20),
                     WPIPE_ETIMEDOUT);
    assert_true(support_now_ms() - start >= 19);
    wpipe_stream_wake(ends.a);
    assert_int_equal(wpipe_write_begin(ends.a, 200, &data, SUPPORT_WAIT_MS),
                     WPIPE_EWOKEN);
    while (count-- > 0)
        assert_int_equal(
            wpipe_read(ends.b, bytes, sizeof bytes, SUPPORT_WAIT_MS), 200);
    put(ends.a, "room again", 0);
    ends_expect(ends.b, "room again");
    ends_close(&ends);
}

static void bytes_have_no_parts(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_BYTE);
    put(ends.a, "abc", 1);
    ends_expect_bytes(ends.b, "abc");
    put(ends.a, "", 0);
    put(ends.a, "def", 0);
    wpipe_write_abort(ends.a);
    ends_expect_bytes(ends.b, "def");
    ends_close(&ends);
}

/* What is reserved when an end closes is simply gone. */
static void close_with_reservation_is_clean(void **state)
{
    struct ends ends;
    size_t size;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "seen");
    (void)begin(ends.a, 100);
    (void)look(ends.b, &size);
    ends_close_a(&ends);
    assert_int_equal(wpipe_read_end(ends.b, size), 0);
    ends_expect_end(ends.b, WPIPE_EOF);
    ends_close(&ends);
}

static void commit_after_peer_closed_fails(void **state)
{
    struct ends ends;
    void *data;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    (void)begin(ends.a, 100);
    ends_close_b(&ends);
    assert_int_equal(wpipe_write_commit(ends.a, 100, 0), WPIPE_EPIPE);
    assert_int_equal(wpipe_write_begin(ends.a, 100, &data, 0), WPIPE_EPIPE);
    ends_close(&ends);
}

/* ---- reading ------------------------------------------------------------ */

static void read_begin_shows_and_end_takes(void **state)
{
    struct ends ends;
    const void *data;
    size_t size;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (int i = 0; i < 40; i++) {
        ends_write(ends.a, "0123456789");
        ends_write(ends.a, "next");
        data = look(ends.b, &size);
        assert_int_equal(size, 10);
        assert_memory_equal(data, "0123456789", 10);
        assert_int_equal(wpipe_read_end(ends.b, 10), 0);
        assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
        ends_expect(ends.b, "next");
    }
    ends_close(&ends);
}

static void read_end_of_part_leaves_rest(void **state)
{
    struct ends ends;
    const void *data;
    size_t size;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "0123456789");
    (void)look(ends.b, &size);
    assert_int_equal(wpipe_read_end(ends.b, 0), 0);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 0);
    (void)look(ends.b, &size);
    assert_int_equal(size, 10);
    assert_int_equal(wpipe_read_end(ends.b, 4), 0);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 0);
    data = look(ends.b, &size);
    assert_int_equal(size, 6);
    assert_memory_equal(data, "456789", 6);
    assert_int_equal(wpipe_read_end(ends.b, 2), 0);
    ends_expect(ends.b, "6789");
    ends_close(&ends);
}

static void read_begin_of_empty_message(void **state)
{
    struct ends ends;
    size_t size = 9;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "");
    ends_write(ends.a, "x");
    (void)look(ends.b, &size);
    assert_int_equal(size, 0);
    assert_int_equal(wpipe_read_end(ends.b, 0), 0);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    ends_expect(ends.b, "x");
    ends_close(&ends);
}

static void read_begin_open_refuses_other_reads(void **state)
{
    struct ends ends;
    const void *data = NULL;
    size_t size = 0;
    char buf[8];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_read_end(ends.b, 0), WPIPE_ESTATE);
    ends_write(ends.a, "abc");
    (void)look(ends.b, &size);
    assert_int_equal(wpipe_read_begin(ends.b, &data, &size, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_read(ends.b, buf, 8, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_read_end(ends.b, 4), WPIPE_EINVAL);
    assert_int_equal(wpipe_read_end(ends.b, 3), 0);
    assert_int_equal(wpipe_read_end(ends.b, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_read_begin(ends.b, NULL, &size, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_read_begin(ends.b, &data, NULL, 0), WPIPE_EINVAL);
    ends_close(&ends);
}

/* They stay until end, whatever else goes on. */
static void read_begin_bytes_stay_while_more_comes(void **state)
{
    struct ends ends;
    const uint8_t *data;
    size_t size;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (unsigned i = 0; i < 30; i++) {
        ends_write_pattern(ends.a, 300, i);
        data = look(ends.b, &size);
        while (wpipe_write(ends.a, "filling..", 9, 0) == 9)
            ;
        ends_write(ends.b, "out");
        ends_expect(ends.a, "out");
        assert_int_equal(size, 300);
        ends_check(data, size, i);
        assert_int_equal(wpipe_read_end(ends.b, size), 0);
        while (wpipe_read(ends.b, (char[9]){ 0 }, 9, 0) == 9)
            ;
    }
    ends_close(&ends);
}

/* A large message, piece by piece: never more than it. */
static void read_begin_goes_through_large_message(void **state)
{
    struct parts p = { .size = 600000, .count = 2 };
    uint8_t *whole = malloc(p.size);
    struct ends_thread thread;

    ends_open(&p.ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, write_parts, &p);
    for (unsigned i = 0; i < p.count; i++) {
        size_t at = 0;

        do {
            size_t size;
            const void *data = look(p.ends.b, &size);

            assert_true(size <= p.size - at);
            memcpy(whole + at, data, size);
            at += size;
            assert_int_equal(wpipe_read_end(p.ends.b, size), 0);
        } while (!wpipe_stream_message_complete(p.ends.b));
        assert_int_equal(at, p.size);
        ends_check(whole, p.size, i);
    }
    ends_join(&thread);
    ends_close(&p.ends);
    free(whole);
}

static void read_begin_of_bytes(void **state)
{
    struct ends ends;
    char got[16];
    size_t at = 0;

    ends_open(&ends, *state, WPIPE_BYTE);
    ends_write(ends.a, "hello");
    ends_write(ends.a, "world");
    while (at < 10) {
        size_t size;
        const char *data = look(ends.b, &size);

        assert_true(size > 0 && size <= 10 - at);
        got[at++] = data[0]; /* one at a time */
        assert_int_equal(wpipe_read_end(ends.b, 1), 0);
        assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    }
    assert_memory_equal(got, "helloworld", 10);
    ends_close(&ends);
}

static const struct ends_case cases[] = {
    EACH_SEEN(begin_commit_sends_message),
    EACH(commit_of_fewer_bytes_sends_those),
    EACH(reservation_of_2048_is_aligned_to_a_line),
    EACH(commit_of_more_than_reserved_refused),
    EACH(one_reservation_at_a_time),
    EACH(abort_sends_nothing),
    EACH(more_joins_parts_into_one_message),
    EACH(abort_of_unread_parts_withdraws_message),
    EACH(abort_of_begun_message_gives_eaborted),
    EACH(begin_takes_quarter_of_buffer),
    EACH_SEEN(parts_larger_than_ring_arrive_whole),
    EACH_SEEN(begin_part_gives_what_there_is),
    EACH(buffer_out_of_one_end_counts),
    EACH(begin_times_out_on_full_pipe),
    EACH(bytes_have_no_parts),
    EACH(close_with_reservation_is_clean),
    EACH(commit_after_peer_closed_fails),
    EACH(read_begin_shows_and_end_takes),
    EACH(read_end_of_part_leaves_rest),
    EACH(read_begin_of_empty_message),
    EACH(read_begin_open_refuses_other_reads),
    EACH(read_begin_bytes_stay_while_more_comes),
    EACH_SEEN(read_begin_goes_through_large_message),
    EACH(read_begin_of_bytes),
};

ENDS_MAIN(cases)
