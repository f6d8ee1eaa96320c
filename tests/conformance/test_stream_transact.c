/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: a message out, the answer in. Rows are those of the table of
 * Windows' behaviour.
 */
#include "ends.h"

#include <stdlib.h>
#include <windpipe/error.h>

static void answer_reversed(void *argument)
{
    struct ends *ends = argument;
    char buf[64];
    char reply[64];
    int64_t r;

    while ((r = wpipe_read(ends->b, buf, sizeof buf, SUPPORT_WAIT_MS)) >= 0) {
        for (int64_t i = 0; i < r; i++)
            reply[i] = buf[r - 1 - i];
        assert_int_equal(
            wpipe_write(ends->b, reply, (size_t)r, SUPPORT_WAIT_MS), r);
    }
    assert_int_equal(r, WPIPE_EOF);
}

/* Windows rows 194, 200, 201, 205: either end, empty requests too */
static void transact_writes_and_reads_answer(void **state)
{
    struct ends_thread thread;
    struct ends ends;
    char buf[64];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, answer_reversed, &ends);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(
            wpipe_transact(ends.a, "abcde", 5, buf, 64, SUPPORT_WAIT_MS), 5);
        assert_memory_equal(buf, "edcba", 5);
        assert_int_equal(wpipe_stream_message_complete(ends.a), 1);
        assert_int_equal(
            wpipe_transact(ends.a, NULL, 0, buf, 64, SUPPORT_WAIT_MS), 0);
    }
    ends_close_a(&ends);
    ends_join(&thread);
    ends_close(&ends);
}

/* Windows row 197 */
static void transact_long_answer_leaves_remainder(void **state)
{
    struct ends_thread thread;
    struct ends ends;
    char buf[64];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, answer_reversed, &ends);
    assert_int_equal(
        wpipe_transact(ends.a, "0123456789", 10, buf, 4, SUPPORT_WAIT_MS), 4);
    assert_memory_equal(buf, "9876", 4);
    assert_int_equal(wpipe_stream_message_complete(ends.a), 0);
    /* and until it is read there is data in the way */
    assert_int_equal(wpipe_transact(ends.a, "x", 1, buf, 4, SUPPORT_WAIT_MS),
                     WPIPE_EBUSY);
    ends_expect(ends.a, "543210");
    assert_int_equal(wpipe_transact(ends.a, "x", 1, buf, 4, SUPPORT_WAIT_MS),
                     1);
    ends_close_a(&ends);
    ends_join(&thread);
    ends_close(&ends);
}

/* Windows row 196: nothing is written */
static void transact_unread_data_is_busy(void **state)
{
    struct ends ends;
    char buf[8];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.b, "");
    assert_int_equal(wpipe_transact(ends.a, "x", 1, buf, 8, SUPPORT_WAIT_MS),
                     WPIPE_EBUSY);
    ends_expect(ends.a, "");
    ends_write(ends.b, "y");
    assert_int_equal(wpipe_transact(ends.a, "x", 1, buf, 8, SUPPORT_WAIT_MS),
                     WPIPE_EBUSY);
    ends_expect(ends.a, "y");
    assert_int_equal(wpipe_read(ends.b, buf, 8, 0), WPIPE_ETIMEDOUT);
    ends_close(&ends);
}

/* The rest of a begun message would be taken for the answer. */
static void transact_begun_message_is_busy(void **state)
{
    struct ends ends;
    void *data;
    char buf[8];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_write_begin(ends.b, 4, &data, SUPPORT_WAIT_MS), 0);
    memcpy(data, "part", 4);
    assert_int_equal(wpipe_write_commit(ends.b, 4, 1), 4);
    assert_int_equal(wpipe_read(ends.a, buf, 4, SUPPORT_WAIT_MS / 40), 4);
    assert_int_equal(wpipe_stream_message_complete(ends.a), 0);
    assert_int_equal(wpipe_transact(ends.a, "x", 1, buf, 8, 20), WPIPE_EBUSY);
    assert_int_equal(wpipe_read(ends.b, buf, 8, 0), WPIPE_ETIMEDOUT);
    ends_write(ends.b, "ial");
    ends_expect(ends.a, "ial");
    ends_close(&ends);
}

/* Nobody will ever read what was withdrawn: it is not in the way. */
static void transact_withdrawn_message_is_not_busy(void **state)
{
    struct ends_thread thread;
    struct ends ends;
    void *data;
    char buf[8];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_write_begin(ends.b, 4, &data, SUPPORT_WAIT_MS), 0);
    memcpy(data, "part", 4);
    assert_int_equal(wpipe_write_commit(ends.b, 4, 1), 4);
    wpipe_write_abort(ends.b);
    ends_start(&thread, answer_reversed, &ends);
    assert_int_equal(wpipe_transact(ends.a, "ab", 2, buf, 8, SUPPORT_WAIT_MS),
                     2);
    assert_memory_equal(buf, "ba", 2);
    ends_close_a(&ends);
    ends_join(&thread);
    ends_close(&ends);
}

/* Windows row 202: the peer answers with a transaction of its own */
static void transact_back(void *argument)
{
    struct ends *ends = argument;
    char buf[8];

    ends_expect(ends->b, "one");
    assert_int_equal(wpipe_transact(ends->b, "two", 3, buf, 8, SUPPORT_WAIT_MS),
                     5);
    assert_memory_equal(buf, "three", 5);
}

static void transact_answered_by_transaction(void **state)
{
    struct ends_thread thread;
    struct ends ends;
    char buf[8];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, transact_back, &ends);
    assert_int_equal(wpipe_transact(ends.a, "one", 3, buf, 8, SUPPORT_WAIT_MS),
                     3);
    assert_memory_equal(buf, "two", 3);
    ends_write(ends.a, "three");
    ends_join(&thread);
    ends_close(&ends);
}

/* Windows row 203: the request stays with the peer */
static void transact_without_answer_times_out(void **state)
{
    int64_t start;
    struct ends ends;
    char buf[8];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    start = support_now_ms();
    assert_int_equal(wpipe_transact(ends.a, "ask", 3, buf, 8, 40),
                     WPIPE_ETIMEDOUT);
    assert_true(support_now_ms() - start >= 39);
    ends_expect(ends.b, "ask");
    assert_int_equal(wpipe_transact(ends.a, "ask", 3, buf, 8, 0),
                     WPIPE_ETIMEDOUT);
    ends_expect(ends.b, "ask");
    ends_write(ends.b, "late");
    ends_expect(ends.a, "late");
    ends_close(&ends);
}

struct sized {
    struct ends ends;
    size_t size;
};

static void answer_large(void *argument)
{
    struct sized *sized = argument;

    ends_read_pattern(sized->ends.b, sized->size, 1);
    ends_write_pattern(sized->ends.b, sized->size, 2);
}

/* Windows row 207: no limit of 64 KiB here */
static void transact_large_both_ways(void **state)
{
    struct sized sized = { .size = 300000 };
    uint8_t *out = malloc(sized.size);
    uint8_t *in = malloc(sized.size);
    struct ends_thread thread;

    ends_open(&sized.ends, *state, WPIPE_MESSAGE);
    ends_fill(out, sized.size, 1);
    ends_start(&thread, answer_large, &sized);
    assert_int_equal(wpipe_transact(sized.ends.a, out, sized.size, in,
                                    sized.size, SUPPORT_WAIT_MS),
                     sized.size);
    assert_int_equal(wpipe_stream_message_complete(sized.ends.a), 1);
    ends_check(in, sized.size, 2);
    ends_join(&thread);
    ends_close(&sized.ends);
    free(in);
    free(out);
}

/* Windows rows 135, 195, 119; wrong arguments write nothing */
static void transact_wrong_state_refused(void **state)
{
    struct ends_setup setup;
    struct ends ends;
    char buf[8];

    ends_open(&ends, *state, WPIPE_BYTE);
    assert_int_equal(wpipe_transact(ends.a, "x", 1, buf, 8, 0), WPIPE_ESTATE);
    ends_close(&ends);

    ends_setup_init(&setup, *state, WPIPE_MESSAGE);
    setup.a_is_server = 1;
    setup.client.type = WPIPE_BYTE;
    ends_open_setup(&ends, &setup);
    assert_int_equal(wpipe_transact(ends.b, "x", 1, buf, 8, 0), WPIPE_ESTATE);
    ends_close(&ends);

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_transact(NULL, "x", 1, buf, 8, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_transact(ends.a, NULL, 1, buf, 8, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_transact(ends.a, "x", 1, NULL, 8, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_read(ends.b, buf, 8, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_finish(ends.a), 0);
    assert_int_equal(wpipe_transact(ends.a, "x", 1, buf, 8, 0), WPIPE_ESTATE);
    ends_close_b(&ends);
    ends_close(&ends);
}

static void transact_closed_peer_is_epipe(void **state)
{
    struct ends ends;
    char buf[8];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_close_b(&ends);
    assert_int_equal(wpipe_transact(ends.a, "x", 1, buf, 8, SUPPORT_WAIT_MS),
                     WPIPE_EPIPE);
    ends_close(&ends);
}

static const struct ends_case cases[] = {
    EACH(transact_writes_and_reads_answer),
    EACH(transact_long_answer_leaves_remainder),
    EACH(transact_unread_data_is_busy),
    EACH(transact_begun_message_is_busy),
    EACH(transact_withdrawn_message_is_not_busy),
    EACH_SEEN(transact_answered_by_transaction),
    EACH(transact_without_answer_times_out),
    EACH_SEEN(transact_large_both_ways),
    EACH(transact_wrong_state_refused),
    EACH(transact_closed_peer_is_epipe),
};

ENDS_MAIN(cases)
