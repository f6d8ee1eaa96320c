/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message pipes read by messages: boundaries, remainders, empty messages,
 * limits. Rows are those of the .NET conformance list and of the table of
 * Windows' behaviour.
 */
#include "ends.h"

#include <stdlib.h>
#include <windpipe/error.h>

/* .NET row 135 */
static void message_each_read_gives_one(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "four");
    ends_expect(ends.b, "four");
    ends_write(ends.a, "ab");
    ends_expect(ends.b, "ab");
    ends_write(ends.a, "last");
    ends_expect(ends.b, "last");
    ends_close(&ends);
}

/* .NET row 137; Windows row 137 */
static void message_several_unread_keep_boundaries(void **state)
{
    static const char *const texts[] = { "a", "bb", "ccc", "dddd", "", "f" };
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (size_t i = 0; i < 6; i++)
        ends_write(ends.a, texts[i]);
    for (size_t i = 0; i < 6; i++)
        ends_expect(ends.b, texts[i]);
    assert_int_equal(wpipe_read(ends.b, NULL, 0, 0), 0);
    ends_close(&ends);
}

/* .NET row 138: five bytes as 2, 2, 1 */
static void message_small_buffer_leaves_remainder(void **state)
{
    char buf[2];
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "hello");
    ends_write(ends.a, "next");
    assert_int_equal(wpipe_read(ends.b, buf, 2, SUPPORT_WAIT_MS), 2);
    assert_memory_equal(buf, "he", 2);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 0);
    assert_int_equal(wpipe_read(ends.b, buf, 2, SUPPORT_WAIT_MS), 2);
    assert_memory_equal(buf, "ll", 2);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 0);
    assert_int_equal(wpipe_read(ends.b, buf, 2, SUPPORT_WAIT_MS), 1);
    assert_memory_equal(buf, "o", 1);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    ends_expect(ends.b, "next");
    ends_close(&ends);
}

/* .NET row 136; Windows rows 138-140, 143: an exact buffer is enough */
static void message_any_buffer_size_reads_it_whole(void **state)
{
    enum {
        SIZE = 23
    };
    uint8_t buf[SIZE + 2];
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (size_t room = 1; room < sizeof buf; room++) {
        size_t at = 0;

        ends_write_pattern(ends.a, SIZE, room);
        while (at < SIZE) {
            size_t want = room < SIZE - at ? room : SIZE - at;

            assert_int_equal(
                wpipe_read(ends.b, buf + at, room, SUPPORT_WAIT_MS), want);
            at += want;
            assert_int_equal(wpipe_stream_message_complete(ends.b), at == SIZE);
        }
        ends_check(buf, SIZE, room);
    }
    ends_close(&ends);
}

static void read_rest(void *argument)
{
    char buf[8];

    assert_int_equal(wpipe_read(argument, buf, sizeof buf, SUPPORT_WAIT_MS), 6);
    assert_memory_equal(buf, "456789", 6);
}

/* Windows row 141: the remainder is the stream's, not the thread's */
static void message_remainder_read_by_other_thread(void **state)
{
    struct ends_thread thread;
    struct ends ends;
    char buf[4];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "0123456789");
    assert_int_equal(wpipe_read(ends.b, buf, 4, SUPPORT_WAIT_MS), 4);
    ends_start(&thread, read_rest, ends.b);
    ends_join(&thread);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    ends_close(&ends);
}

/* Windows rows 127, 151: an empty message is a message */
static void message_empty_arrives(void **state)
{
    struct ends ends;
    char buf[8];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_write(ends.a, NULL, 0, SUPPORT_WAIT_MS), 0);
    assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, SUPPORT_WAIT_MS), 0);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    ends_write(ends.a, "");
    ends_write(ends.a, "x");
    ends_write(ends.a, "");
    ends_expect(ends.b, "");
    ends_expect(ends.b, "x");
    ends_expect(ends.b, "");
    assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, 0), WPIPE_ETIMEDOUT);
    ends_close(&ends);
}

static void read_empty(void *argument)
{
    ends_expect(argument, "");
}

/* Windows row 153: it wakes exactly one read */
static void message_empty_wakes_waiting_reader(void **state)
{
    struct ends_thread thread;
    struct ends ends;
    char byte;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, read_empty, ends.b);
    ends_wait_asleep(&thread);
    ends_write(ends.a, "");
    ends_join(&thread);
    assert_int_equal(wpipe_read(ends.b, &byte, 1, 0), WPIPE_ETIMEDOUT);
    ends_close(&ends);
}

static void message_many_empty_counted(void **state)
{
    enum {
        ROUNDS = 400,
        AT_ONCE = 2
    };
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < AT_ONCE; k++)
            ends_write(ends.a, "");
        ends_write(ends.a, "end");
        for (int k = 0; k < AT_ONCE; k++)
            ends_expect(ends.b, "");
        ends_expect(ends.b, "end");
    }
    ends_close(&ends);
}

/* Windows row 149 (as since Windows 8): it stays, and is not complete */
static void message_read_of_nothing_leaves_it(void **state)
{
    struct ends ends;
    char buf[8];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_read(ends.b, buf, 0, WPIPE_FOREVER), 0);
    ends_write(ends.a, "stays");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wpipe_read(ends.b, NULL, 0, 0), 0);
        assert_int_equal(wpipe_stream_message_complete(ends.b), 0);
    }
    ends_expect(ends.b, "stays");
    ends_close(&ends);
}

static void read_part_of_large(void *argument)
{
    struct ends *ends = argument;
    uint8_t buf[4000];

    assert_int_equal(wpipe_read(ends->b, buf, 1000, SUPPORT_WAIT_MS), 1000);
    assert_int_equal(wpipe_stream_message_complete(ends->b), 0);
    assert_int_equal(
        wpipe_read(ends->b, buf + 1000, sizeof buf, SUPPORT_WAIT_MS), 3000);
    assert_int_equal(wpipe_stream_message_complete(ends->b), 1);
    ends_check(buf, 4000, 5);
}

/* Windows row 155: a read of 1000 waits, 4000 are written */
static void message_waiting_reader_gets_part(void **state)
{
    struct ends_thread thread;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, read_part_of_large, &ends);
    ends_wait_asleep(&thread);
    ends_write_pattern(ends.a, 4000, 5);
    ends_join(&thread);
    ends_close(&ends);
}

/* A message that comes in parts: a full buffer does not wait for more. */
static void message_buffer_full_returns_at_once(void **state)
{
    int64_t start = support_now_ms();
    struct ends ends;
    void *data;
    char buf[8];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_write_begin(ends.a, 8, &data, SUPPORT_WAIT_MS), 0);
    memcpy(data, "01234567", 8);
    assert_int_equal(wpipe_write_commit(ends.a, 8, 1), 8);
    assert_int_equal(wpipe_read(ends.b, buf, 8, SUPPORT_WAIT_MS), 8);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 0);
    assert_memory_equal(buf, "01234567", 8);
    assert_true(support_now_ms() - start < SUPPORT_WAIT_MS / 2);
    ends_write(ends.a, "rest");
    ends_expect(ends.b, "rest");
    ends_close(&ends);
}

/* The deadline comes in the middle of a message. */
static void message_deadline_in_middle_gives_part(void **state)
{
    struct ends ends;
    void *data;
    char buf[16];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_write_begin(ends.a, 4, &data, SUPPORT_WAIT_MS), 0);
    memcpy(data, "part", 4);
    assert_int_equal(wpipe_write_commit(ends.a, 4, 1), 4);
    assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, 20), 4);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 0);
    assert_memory_equal(buf, "part", 4);
    assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 0);
    ends_write(ends.a, "ial");
    ends_expect(ends.b, "ial");
    ends_close(&ends);
}

/* ---- gather and scatter -------------------------------------------------- */

static void message_pieces_gathered_and_scattered(void **state)
{
    char one[3];
    char two[6];
    wpipe_piece out[] = { { NULL, 0 },
                          { (char[]){ "he" }, 2 },
                          { (char[]){ "" }, 0 },
                          { (char[]){ "l" }, 1 },
                          { (char[]){ "lo you" }, 6 },
                          { NULL, 0 } };
    wpipe_piece in[] = {
        { NULL, 0 }, { one, 3 }, { NULL, 0 }, { two, 6 }, { NULL, 0 }
    };
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_writev(ends.a, out, 6, SUPPORT_WAIT_MS), 9);
    assert_int_equal(wpipe_readv(ends.b, in, 5, SUPPORT_WAIT_MS), 9);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    assert_memory_equal(one, "hel", 3);
    assert_memory_equal(two, "lo you", 6);
    /* only empty pieces, or none: an empty message */
    assert_int_equal(wpipe_writev(ends.a, out, 1, SUPPORT_WAIT_MS), 0);
    assert_int_equal(wpipe_writev(ends.a, NULL, 0, SUPPORT_WAIT_MS), 0);
    ends_write(ends.a, "x");
    ends_expect(ends.b, "");
    ends_expect(ends.b, "");
    ends_expect(ends.b, "x");
    ends_close(&ends);
}

/* Pieces that end within records, and messages that end within pieces. */
static void message_pieces_of_odd_sizes(void **state)
{
    enum {
        SIZE = 3000,
        PIECES = 77
    };
    uint8_t *from = malloc(SIZE);
    uint8_t *to = calloc(1, SIZE + 100);
    wpipe_piece pieces[PIECES];
    struct ends ends;
    size_t at = 0;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_fill(from, SIZE, 3);
    for (size_t i = 0; i < PIECES; i++) {
        size_t size = i + 1 < PIECES ? i : SIZE - at;

        pieces[i].data = from + at;
        pieces[i].size = size;
        at += size;
    }
    assert_int_equal(wpipe_writev(ends.a, pieces, PIECES, SUPPORT_WAIT_MS),
                     SIZE);
    for (size_t i = 0, to_at = 0; i < PIECES; i++) {
        pieces[i].data = to + to_at;
        pieces[i].size = i % 5 ? 41 : 0;
        to_at += pieces[i].size;
    }
    assert_int_equal(wpipe_readv(ends.b, pieces, PIECES, SUPPORT_WAIT_MS),
                     61 * 41);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 0);
    assert_int_equal(wpipe_read(ends.b, to + 61 * 41, SIZE, SUPPORT_WAIT_MS),
                     SIZE - 61 * 41);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    ends_check(to, SIZE, 3);
    ends_close(&ends);
    free(from);
    free(to);
}

static void message_1024_pieces_go_1025_do_not(void **state)
{
    enum {
        MOST = 1024
    };
    wpipe_piece pieces[MOST + 1];
    uint8_t from[MOST + 1];
    uint8_t to[MOST + 1];
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_fill(from, sizeof from, 1);
    for (size_t i = 0; i <= MOST; i++) {
        pieces[i].data = &from[i];
        pieces[i].size = 1;
    }
    assert_int_equal(wpipe_writev(ends.a, pieces, MOST + 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_writev(ends.a, pieces, -1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_writev(ends.a, NULL, 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_writev(ends.a, pieces, MOST, SUPPORT_WAIT_MS), MOST);
    for (size_t i = 0; i <= MOST; i++)
        pieces[i].data = &to[i];
    assert_int_equal(wpipe_readv(ends.b, pieces, MOST + 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_readv(ends.b, pieces, -1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_readv(ends.b, NULL, 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_readv(ends.b, pieces, MOST, SUPPORT_WAIT_MS), MOST);
    ends_check(to, MOST, 1);
    ends_close(&ends);
}

/* ---- the longest message ------------------------------------------------- */

static void limits_open(struct ends *ends, const struct ends_kind *kind,
                        uint64_t a_takes, uint64_t b_takes)
{
    struct ends_setup setup;

    ends_setup_init(&setup, kind, WPIPE_MESSAGE);
    setup.client.max_message = setup.a_is_server ? b_takes : a_takes;
    setup.server.max_message = setup.a_is_server ? a_takes : b_takes;
    ends_open_setup(ends, &setup);
}

static void message_over_limit_refused_by_writer(void **state)
{
    static uint8_t bytes[2001];
    struct ends ends;
    char byte;

    limits_open(&ends, *state, 2000, 1000);
    assert_int_equal(wpipe_write(ends.a, bytes, 1001, 0), WPIPE_EMSGSIZE);
    assert_int_equal(wpipe_write(ends.b, bytes, 2001, 0), WPIPE_EMSGSIZE);
    assert_int_equal(wpipe_read(ends.b, &byte, 1, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_read(ends.a, &byte, 1, 0), WPIPE_ETIMEDOUT);
    /* exactly the limit, each way, and the connection is as good as ever */
    ends_write_pattern(ends.a, 1000, 1);
    ends_read_pattern(ends.b, 1000, 1);
    ends_write_pattern(ends.b, 2000, 2);
    ends_read_pattern(ends.a, 2000, 2);
    ends_close(&ends);
}

/* The limit is the message's, in however many parts it is written. */
static void message_over_limit_in_parts_refused(void **state)
{
    static uint8_t bytes[600];
    struct ends ends;
    void *data;

    limits_open(&ends, *state, 1000, 1000);
    assert_int_equal(wpipe_write_begin(ends.a, 600, &data, SUPPORT_WAIT_MS), 0);
    ends_fill(data, 600, 4);
    assert_int_equal(wpipe_write_commit(ends.a, 600, 1), 600);
    assert_int_equal(wpipe_write_begin(ends.a, 401, &data, SUPPORT_WAIT_MS),
                     WPIPE_EMSGSIZE);
    assert_int_equal(wpipe_write(ends.a, bytes, 401, 0), WPIPE_EMSGSIZE);
    /* what fits still does */
    assert_int_equal(wpipe_write(ends.a, bytes, 400, SUPPORT_WAIT_MS), 400);
    assert_int_equal(wpipe_read(ends.b, bytes, 600, SUPPORT_WAIT_MS), 600);
    ends_check(bytes, 600, 4);
    assert_int_equal(wpipe_read(ends.b, bytes, 600, SUPPORT_WAIT_MS), 400);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    ends_close(&ends);
}

static const struct ends_case cases[] = {
    EACH_SEEN(message_each_read_gives_one),
    EACH(message_several_unread_keep_boundaries),
    EACH(message_small_buffer_leaves_remainder),
    EACH_SEEN(message_any_buffer_size_reads_it_whole),
    EACH_SEEN(message_remainder_read_by_other_thread),
    EACH(message_empty_arrives),
    EACH_SEEN(message_empty_wakes_waiting_reader),
    EACH(message_many_empty_counted),
    EACH(message_read_of_nothing_leaves_it),
    EACH_SEEN(message_waiting_reader_gets_part),
    EACH(message_buffer_full_returns_at_once),
    EACH(message_deadline_in_middle_gives_part),
    EACH(message_pieces_gathered_and_scattered),
    EACH(message_pieces_of_odd_sizes),
    EACH(message_1024_pieces_go_1025_do_not),
    EACH(message_over_limit_refused_by_writer),
    EACH(message_over_limit_in_parts_refused),
};

ENDS_MAIN(cases)
