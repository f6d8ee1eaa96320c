/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte queue against the simplest model of one: byte number i of the whole
 * stream has a value that follows from i.
 */
#include "support.h"

#include <string.h>
#include <windpipe/error.h>

#include "base/buffer.h"
#include "base/memory.h"

/* What went in and what came out so far. */
struct stream {
    struct wpipe__buffer buffer;
    size_t in;
    size_t out;
};

static uint8_t value_of(size_t position)
{
    return (uint8_t)(position * 7 + (position >> 8));
}

static int push(struct stream *stream, size_t n)
{
    uint8_t bytes[5000];
    size_t i;
    int r;

    for (i = 0; i < n; i++)
        bytes[i] = value_of(stream->in + i);
    r = wpipe__buffer_append(&stream->buffer, bytes, n);
    if (r == 0)
        stream->in += n;
    return r;
}

static void check(const struct stream *stream)
{
    const uint8_t *front = wpipe__buffer_front(&stream->buffer);
    size_t size = stream->in - stream->out;
    size_t i;

    assert_int_equal(wpipe__buffer_size(&stream->buffer), size);
    if (size == 0)
        assert_null(front);
    for (i = 0; i < size; i++)
        if (front[i] != value_of(stream->out + i))
            fail_msg("byte %zu is wrong", stream->out + i);
}

static void pop(struct stream *stream, size_t n)
{
    wpipe__buffer_drop(&stream->buffer, n);
    stream->out += n;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void buffer_zeroed_is_empty(void **state)
{
    struct wpipe__buffer buffer = { 0 };

    (void)state;
    assert_null(wpipe__buffer_front(&buffer));
    assert_null(wpipe__buffer_space(&buffer));
    assert_int_equal(wpipe__buffer_size(&buffer), 0);
    assert_int_equal(wpipe__buffer_append(&buffer, NULL, 0), 0);
    assert_int_equal(wpipe__buffer_reserve(&buffer, 0), 0);
    wpipe__buffer_drop(&buffer, 0);
    wpipe__buffer_grew(&buffer, 1);
    assert_int_equal(wpipe__buffer_size(&buffer), 0);
    wpipe__buffer_done(&buffer);
}

static void buffer_any_mix_of_calls_keeps_order(void **state)
{
    struct stream stream = { 0 };
    uint32_t seed = 1;
    int i;

    (void)state;
    for (i = 0; i < 4000; i++) {
        size_t size = wpipe__buffer_size(&stream.buffer);

        if (next_random(&seed) % 2 == 0 && size < 20000)
            assert_int_equal(push(&stream, next_random(&seed) % 900), 0);
        else if (size > 0)
            pop(&stream, next_random(&seed) % (size + 1));
        check(&stream);
    }
    assert_true(stream.in > 500000);
    wpipe__buffer_done(&stream.buffer);
}

static void buffer_reserved_space_is_one_piece(void **state)
{
    static const size_t sizes[] = { 1, 255, 256, 257, 1000, 65536, 100001 };
    struct wpipe__buffer buffer = { 0 };
    size_t i;

    (void)state;
    assert_int_equal(wpipe__buffer_append(&buffer, "abc", 3), 0);
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t before = wpipe__buffer_size(&buffer);

        assert_int_equal(wpipe__buffer_reserve(&buffer, sizes[i]), 0);
        memset(wpipe__buffer_space(&buffer), (int)i, sizes[i]);
        assert_int_equal(wpipe__buffer_size(&buffer), before);
        wpipe__buffer_grew(&buffer, sizes[i]);
        assert_int_equal(wpipe__buffer_size(&buffer), before + sizes[i]);
        assert_int_equal(wpipe__buffer_front(&buffer)[before], i);
    }
    assert_memory_equal(wpipe__buffer_front(&buffer), "abc", 3);
    wpipe__buffer_done(&buffer);
}

static void buffer_reserve_at_its_edge_grows(void **state)
{
    size_t extra;

    (void)state;
    for (extra = 1; extra < 600; extra++) {
        struct wpipe__buffer buffer = { 0 };

        assert_int_equal(wpipe__buffer_reserve(&buffer, 1), 0);
        assert_null(wpipe__buffer_front(&buffer));
        assert_int_equal(wpipe__buffer_append(&buffer, "abc", 3), 0);
        assert_int_equal(wpipe__buffer_reserve(&buffer, extra), 0);
        if (buffer.capacity - buffer.end < extra)
            fail_msg("no room for %zu", extra);
        wpipe__buffer_done(&buffer);
    }
}

/* Moving many bytes for few, again and again, would cost the square. */
static void buffer_nearly_full_grows_rather_than_moves(void **state)
{
    struct stream stream = { 0 };

    (void)state;
    assert_int_equal(push(&stream, 256), 0);
    pop(&stream, 127);
    assert_int_equal(push(&stream, 1), 0);
    assert_int_equal(stream.buffer.capacity, 512);
    check(&stream);
    pop(&stream, 100);
    assert_int_equal(push(&stream, 382), 0);
    pop(&stream, 256);
    assert_int_equal(push(&stream, 100), 0);
    assert_int_equal(stream.buffer.capacity, 512);
    check(&stream);
    wpipe__buffer_done(&stream.buffer);
}

static void buffer_emptied_gives_memory_back(void **state)
{
    long before = wpipe__memory_live();
    struct stream stream = { 0 };

    (void)state;
    assert_int_equal(push(&stream, 5000), 0);
    assert_int_equal(wpipe__memory_live(), before + 1);
    pop(&stream, 4999);
    assert_int_equal(wpipe__memory_live(), before + 1);
    pop(&stream, 1);
    assert_int_equal(wpipe__memory_live(), before);
    assert_null(stream.buffer.data);
    assert_int_equal(stream.buffer.capacity, 0);
    assert_int_equal(push(&stream, 10), 0);
    check(&stream);
    wpipe__buffer_done(&stream.buffer);
    wpipe__buffer_done(&stream.buffer);
    assert_int_equal(wpipe__memory_live(), before);
}

static void buffer_told_too_much_stays_in_bounds(void **state)
{
    struct wpipe__buffer buffer = { 0 };

    (void)state;
    assert_int_equal(wpipe__buffer_append(&buffer, "abc", 3), 0);
    wpipe__buffer_grew(&buffer, SIZE_MAX);
    assert_int_equal(buffer.end, buffer.capacity);
    wpipe__buffer_drop(&buffer, SIZE_MAX);
    assert_int_equal(wpipe__buffer_size(&buffer), 0);
    assert_null(buffer.data);
}

static void buffer_of_few_bytes_stays_small(void **state)
{
    struct stream stream = { 0 };
    int i;

    (void)state;
    assert_int_equal(push(&stream, 1000), 0);
    for (i = 0; i < 100000; i++) {
        assert_int_equal(push(&stream, 3), 0);
        pop(&stream, 3);
    }
    check(&stream);
    if (stream.buffer.capacity > 4096)
        fail_msg("%zu bytes for 1000", stream.buffer.capacity);
    wpipe__buffer_done(&stream.buffer);
}

static void buffer_size_overflow_no_memory(void **state)
{
    struct stream stream = { 0 };

    (void)state;
    assert_int_equal(wpipe__buffer_reserve(&stream.buffer, SIZE_MAX),
                     WPIPE_ENOMEM);
    assert_int_equal(push(&stream, 300), 0);
    pop(&stream, 1);
    assert_int_equal(wpipe__buffer_reserve(&stream.buffer, SIZE_MAX),
                     WPIPE_ENOMEM);
    assert_int_equal(wpipe__buffer_reserve(&stream.buffer, SIZE_MAX - 299),
                     WPIPE_ENOMEM);
    check(&stream);
    wpipe__buffer_done(&stream.buffer);
}

static void buffer_allocation_fails_stays_intact(void **state)
{
    long before = wpipe__memory_live();
    long n;
    long refused = 0;

    (void)state;
    for (n = 1; n <= 10; n++) {
        struct stream stream = { 0 };
        int i;

        wpipe__memory_fail_at(n);
        for (i = 0; i < 40; i++) {
            int r = push(&stream, 333);

            assert_true(r == 0 || r == WPIPE_ENOMEM);
            refused += r < 0;
            check(&stream);
        }
        wpipe__memory_fail_at(0);
        assert_int_equal(push(&stream, 333), 0);
        check(&stream);
        wpipe__buffer_done(&stream.buffer);
        assert_int_equal(wpipe__memory_live(), before);
    }
    assert_true(refused > 40);
}

/* Room at the front is used when there is no memory to grow. */
static void buffer_allocation_fails_moves_instead(void **state)
{
    struct stream stream = { 0 };

    (void)state;
    assert_int_equal(push(&stream, 256), 0);
    assert_int_equal(stream.buffer.capacity, 256);
    pop(&stream, 50);
    wpipe__memory_fail_at(1);
    assert_int_equal(push(&stream, 51), WPIPE_ENOMEM);
    check(&stream);
    assert_int_equal(push(&stream, 50), 0);
    check(&stream);
    wpipe__memory_fail_at(0);
    wpipe__buffer_done(&stream.buffer);
}

/* When twice the size is not to be had, what is needed may be. */
static void buffer_doubling_fails_takes_what_is_needed(void **state)
{
    struct stream stream = { 0 };

    (void)state;
    assert_int_equal(push(&stream, 1000), 0);
    assert_int_equal(stream.buffer.capacity, 1000);
    wpipe__memory_fail_at(-1);
    assert_int_equal(push(&stream, 10), 0);
    assert_int_equal(stream.buffer.capacity, 1010);
    wpipe__memory_fail_at(0);
    check(&stream);
    wpipe__buffer_done(&stream.buffer);
}

static const struct support_case cases[] = {
    TEST(buffer_zeroed_is_empty),
    TEST(buffer_any_mix_of_calls_keeps_order),
    TEST(buffer_reserved_space_is_one_piece),
    TEST(buffer_reserve_at_its_edge_grows),
    TEST(buffer_nearly_full_grows_rather_than_moves),
    TEST(buffer_emptied_gives_memory_back),
    TEST(buffer_told_too_much_stays_in_bounds),
    TEST(buffer_of_few_bytes_stays_small),
    TEST(buffer_size_overflow_no_memory),
    TEST(buffer_allocation_fails_stays_intact),
    TEST(buffer_allocation_fails_moves_instead),
    TEST(buffer_doubling_fails_takes_what_is_needed),
};

TEST_MAIN(cases)
