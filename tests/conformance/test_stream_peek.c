/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peeking: looking at what is unread without taking it. Rows are those of the
 * table of Windows' behaviour.
 */
#include "ends.h"

#include <windpipe/error.h>

enum {
    UNTOUCHED = 4711
};

/* One peek and everything that it tells. */
static void peek_is(wpipe_stream *stream, size_t room, const char *text,
                    size_t available, size_t left)
{
    char buf[256];
    size_t got_available = UNTOUCHED;
    size_t got_left = UNTOUCHED;
    int64_t r;

    memset(buf, '#', sizeof buf);
    r = wpipe_peek(stream, buf, room, &got_available, &got_left);
    assert_int_equal(r, strlen(text));
    assert_memory_equal(buf, text, strlen(text));
    assert_int_equal(buf[strlen(text)], '#');
    assert_int_equal(got_available, available);
    assert_int_equal(got_left, left);
}

static void peek_fails(wpipe_stream *stream, int error)
{
    char buf[4] = "###";
    size_t available = UNTOUCHED;
    size_t left = UNTOUCHED;

    assert_int_equal(wpipe_peek(stream, buf, 3, &available, &left), error);
    assert_int_equal(available, UNTOUCHED);
    assert_int_equal(left, UNTOUCHED);
    assert_string_equal(buf, "###");
}

/* Windows row 182 */
static void peek_empty_tells_nothing(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    peek_is(ends.b, 0, "", 0, 0);
    peek_is(ends.b, 100, "", 0, 0);
    peek_is(ends.a, 100, "", 0, 0);
    assert_int_equal(wpipe_peek(ends.b, NULL, 0, NULL, NULL), 0);
    ends_close(&ends);
}

/* Windows rows 183, 185, 192 */
static void peek_message_tells_what_is_left(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "0123456789");
    peek_is(ends.b, 0, "", 10, 10);
    peek_is(ends.b, 4, "0123", 10, 6);
    peek_is(ends.b, 10, "0123456789", 10, 0);
    peek_is(ends.b, 100, "0123456789", 10, 0);
    ends_expect(ends.b, "0123456789");
    peek_is(ends.b, 100, "", 0, 0);
    ends_close(&ends);
}

/* Windows rows 184, 186 (as documented: 0, not -4), 188 */
static void peek_bytes_tells_no_left(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_BYTE);
    ends_write(ends.a, "0123456789");
    peek_is(ends.b, 0, "", 10, 0);
    peek_is(ends.b, 4, "0123", 10, 0);
    ends_write(ends.a, "abc");
    peek_is(ends.b, 100, "0123456789abc", 13, 0);
    peek_is(ends.b, 12, "0123456789ab", 13, 0);
    ends_expect_bytes(ends.b, "0123456789ab");
    peek_is(ends.b, 100, "c", 1, 0);
    ends_close(&ends);
}

/* Windows row 187: the first message only, the bytes of all */
static void peek_shows_first_message_only(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "first one..");
    ends_write(ends.a, "second one");
    peek_is(ends.b, 32, "first one..", 21, 0);
    peek_is(ends.b, 5, "first", 21, 6);
    ends_expect(ends.b, "first one..");
    peek_is(ends.b, 32, "second one", 10, 0);
    ends_close(&ends);
}

/* Windows row 142 */
static void peek_begun_message_shows_remainder(void **state)
{
    struct ends ends;
    char buf[4];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "0123456789");
    ends_write(ends.a, "next");
    assert_int_equal(wpipe_read(ends.b, buf, 4, SUPPORT_WAIT_MS), 4);
    peek_is(ends.b, 0, "", 10, 6);
    peek_is(ends.b, 2, "45", 10, 4);
    peek_is(ends.b, 100, "456789", 10, 0);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 0);
    ends_expect(ends.b, "456789");
    peek_is(ends.b, 100, "next", 4, 0);
    ends_close(&ends);
}

/* Windows row 189: it follows the pipe, not the way of reading */
static void peek_follows_type_of_pipe(void **state)
{
    struct ends_setup setup;
    struct ends ends;

    ends_setup_init(&setup, *state, WPIPE_MESSAGE);
    setup.a_is_server = 1;
    setup.client.type = WPIPE_BYTE;
    ends_open_setup(&ends, &setup);
    ends_write(ends.a, "abc");
    ends_write(ends.a, "defg");
    peek_is(ends.b, 100, "abc", 7, 0);
    peek_is(ends.b, 2, "ab", 7, 1);
    ends_expect_bytes(ends.b, "a");
    peek_is(ends.b, 100, "bc", 6, 0);
    ends_expect_bytes(ends.b, "bcdefg");
    ends_close(&ends);
}

/* Windows row 152 */
static void peek_empty_message_invisible(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "");
    peek_is(ends.b, 100, "", 0, 0);
    ends_write(ends.a, "");
    peek_is(ends.b, 0, "", 0, 0);
    ends_expect(ends.b, "");
    ends_expect(ends.b, "");
    peek_is(ends.b, 100, "", 0, 0);
    /* behind a message they add nothing */
    ends_write(ends.a, "x");
    ends_write(ends.a, "");
    peek_is(ends.b, 100, "x", 1, 0);
    ends_close(&ends);
}

/* Windows row 190 */
static void peek_no_room_leaves_buffer(void **state)
{
    char buf[4] = "###";
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "abc");
    assert_int_equal(wpipe_peek(ends.b, buf, 0, NULL, NULL), 0);
    assert_string_equal(buf, "###");
    assert_int_equal(wpipe_peek(ends.b, NULL, 1, NULL, NULL), WPIPE_EINVAL);
    assert_int_equal(wpipe_peek(NULL, buf, 1, NULL, NULL), WPIPE_EINVAL);
    ends_close(&ends);
}

/* A message in parts: what is there; of its end nothing is known. */
static void peek_unfinished_message(void **state)
{
    struct ends ends;
    void *data;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_write_begin(ends.a, 4, &data, SUPPORT_WAIT_MS), 0);
    memcpy(data, "part", 4);
    assert_int_equal(wpipe_write_commit(ends.a, 4, 1), 4);
    peek_is(ends.b, 100, "part", 4, 0);
    peek_is(ends.b, 3, "par", 4, 1);
    ends_write(ends.a, "ial");
    peek_is(ends.b, 100, "partial", 7, 0);
    ends_expect(ends.b, "partial");
    ends_close(&ends);
}

/* Windows rows 178, 247: what was withdrawn is gone */
static void peek_withdrawn_message_invisible(void **state)
{
    struct ends ends;
    void *data;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_write_begin(ends.a, 4, &data, SUPPORT_WAIT_MS), 0);
    memcpy(data, "part", 4);
    assert_int_equal(wpipe_write_commit(ends.a, 4, 1), 4);
    wpipe_write_abort(ends.a);
    peek_is(ends.b, 100, "", 0, 0);
    ends_write(ends.a, "next");
    peek_is(ends.b, 100, "next", 4, 0);
    /* and so it is when it comes behind another one */
    assert_int_equal(wpipe_write_begin(ends.a, 4, &data, SUPPORT_WAIT_MS), 0);
    memcpy(data, "part", 4);
    assert_int_equal(wpipe_write_commit(ends.a, 4, 1), 4);
    wpipe_write_abort(ends.a);
    ends_write(ends.a, "last");
    peek_is(ends.b, 2, "ne", 8, 2);
    ends_expect(ends.b, "next");
    peek_is(ends.b, 100, "last", 4, 0);
    ends_expect(ends.b, "last");
    ends_close(&ends);
}

struct large {
    struct ends ends;
    size_t size;
};

static void write_large(void *argument)
{
    struct large *large = argument;

    ends_write_pattern(large->ends.a, large->size, 6);
}

/* Windows rows 170, 193: a message larger than the ring tells its length */
static void peek_large_message_tells_whole_length(void **state)
{
    struct large large = { .size = MIB };
    struct ends_thread thread;
    size_t available = 0;
    size_t left = 0;
    uint8_t buf[64];

    ends_open(&large.ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, write_large, &large);
    while (wpipe_peek(large.ends.b, buf, 64, &available, &left) < 64)
        assert_true(available < 64);
    ends_check(buf, 64, 6);
    assert_int_equal(left, large.size - 64);
    assert_int_equal(wpipe_read(large.ends.b, buf, 50, SUPPORT_WAIT_MS), 50);
    assert_int_equal(wpipe_peek(large.ends.b, buf, 0, NULL, &left), 0);
    assert_int_equal(left, large.size - 50);
    ends_fill(buf, 0, 0);
    {
        static uint8_t rest[MIB];
        size_t at = 50;

        while (at < large.size) {
            int64_t r = wpipe_read(large.ends.b, rest + at, large.size - at,
                                   SUPPORT_WAIT_MS);

            assert_true(r > 0);
            at += (size_t)r;
        }
        ends_fill(buf, 50, 6);
        memcpy(rest, buf, 50);
        ends_check(rest, large.size, 6);
    }
    ends_join(&thread);
    peek_is(large.ends.b, 100, "", 0, 0);
    ends_close(&large.ends);
}

/* Many messages around the end of the ring: the count is always exact. */
static void peek_counts_exactly_over_many_rounds(void **state)
{
    uint64_t random = 7;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (unsigned round = 0; round < 200; round++) {
        size_t sizes[2] = { 1 + ends_random(&random) % 300,
                            ends_random(&random) % 300 };
        size_t available = 0;
        size_t left = 0;
        uint8_t buf[300];

        for (unsigned i = 0; i < 2; i++)
            ends_write_pattern(ends.a, sizes[i], round + i);
        assert_int_equal(wpipe_peek(ends.b, buf, 300, &available, &left),
                         sizes[0]);
        ends_check(buf, sizes[0], round);
        assert_int_equal(available, sizes[0] + sizes[1]);
        assert_int_equal(left, 0);
        for (unsigned i = 0; i < 2; i++)
            ends_read_pattern(ends.b, sizes[i], round + i);
    }
    ends_close(&ends);
}

/* ---- ends ---------------------------------------------------------------- */

/* Windows rows 115, 116: outputs are untouched by the error */
static void peek_closed_gives_rest_then_eof(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "abc");
    ends_write(ends.a, "");
    ends_close_a(&ends);
    peek_is(ends.b, 100, "abc", 3, 0);
    ends_expect(ends.b, "abc");
    peek_is(ends.b, 100, "", 0, 0); /* the empty one is not the end */
    ends_expect(ends.b, "");
    peek_fails(ends.b, WPIPE_EOF);
    peek_fails(ends.b, WPIPE_EOF);
    ends_close(&ends);
}

static void peek_finished_gives_rest_then_eof(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_BYTE);
    ends_write(ends.a, "abc");
    assert_int_equal(wpipe_finish(ends.a), 0);
    peek_is(ends.b, 100, "abc", 3, 0);
    ends_expect_bytes(ends.b, "abc");
    peek_fails(ends.b, WPIPE_EOF);
    ends_close(&ends);
}

/* Windows row 95: what was unread is gone with the connection */
static void peek_disconnected_fails(void **state)
{
    struct ends_setup setup;
    struct ends ends;

    ends_setup_init(&setup, *state, WPIPE_MESSAGE);
    setup.a_is_server = 1;
    ends_open_setup(&ends, &setup);
    ends_write(ends.a, "abc");
    ends_write(ends.a, "def");
    peek_is(ends.b, 100, "abc", 6, 0);
    assert_int_equal(wpipe_disconnect(ends.a), 0);
    peek_fails(ends.b, WPIPE_EDISCONNECTED);
    peek_fails(ends.a, WPIPE_EDISCONNECTED);
    ends_close(&ends);
}

/* Peeking waits for nothing, so no wake is meant for it. */
static void peek_leaves_wake_to_next_wait(void **state)
{
    struct ends ends;
    char byte;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    wpipe_stream_wake(ends.b);
    peek_is(ends.b, 100, "", 0, 0);
    assert_int_equal(wpipe_read(ends.b, &byte, 1, SUPPORT_WAIT_MS),
                     WPIPE_EWOKEN);
    ends_close(&ends);
}

static const struct ends_case cases[] = {
    EACH(peek_empty_tells_nothing),
    EACH(peek_message_tells_what_is_left),
    EACH(peek_bytes_tells_no_left),
    EACH(peek_shows_first_message_only),
    EACH(peek_begun_message_shows_remainder),
    EACH(peek_follows_type_of_pipe),
    EACH(peek_empty_message_invisible),
    EACH(peek_no_room_leaves_buffer),
    EACH(peek_unfinished_message),
    EACH(peek_withdrawn_message_invisible),
    EACH_SEEN(peek_large_message_tells_whole_length),
    EACH_SEEN(peek_counts_exactly_over_many_rounds),
    EACH(peek_closed_gives_rest_then_eof),
    EACH(peek_finished_gives_rest_then_eof),
    EACH(peek_disconnected_fails),
    EACH(peek_leaves_wake_to_next_wait),
};

ENDS_MAIN(cases)
