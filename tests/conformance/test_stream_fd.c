/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor for foreign event loops: level-triggered, readable while
 * anything is unread or the connection is over, and no wake-up is lost.
 */
#include "ends.h"

#include <poll.h>
#include <windpipe/error.h>

static int fd_of(wpipe_stream *stream)
{
    intptr_t fd = wpipe_stream_fd(stream);

    assert_true(fd >= 0);
    assert_int_equal(wpipe_stream_fd(stream), fd);
    return (int)fd;
}

/* Reads with timeout 0 until nothing is there, as the header says to do. */
static unsigned read_all(wpipe_stream *stream)
{
    unsigned count = 0;
    char buf[64];
    int64_t r;

    while ((r = wpipe_read(stream, buf, sizeof buf, 0)) >= 0)
        count++;
    assert_int_equal(r, WPIPE_ETIMEDOUT);
    return count;
}

/* May be readable for something else once; then not any more. */
static void settles_quiet(wpipe_stream *stream, int fd)
{
    for (int i = 0; i < 20; i++) {
        if (!support_wait_readable(fd, 0))
            return;
        assert_int_equal(read_all(stream), 0);
    }
    fail_msg("the descriptor stays readable with nothing to read");
}

static void fd_readable_while_unread(void **state)
{
    struct ends ends;
    int fd;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    fd = fd_of(ends.b);
    settles_quiet(ends.b, fd);
    for (int i = 0; i < 100; i++) {
        ends_write(ends.a, "one");
        ends_write(ends.a, "two");
        assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
        assert_true(support_wait_readable(fd, 0));
        ends_expect(ends.b, "one");
        assert_true(support_wait_readable(fd, 0));
        ends_expect(ends.b, "two");
        settles_quiet(ends.b, fd);
    }
    ends_close(&ends);
}

static void fd_asked_for_late_is_readable(void **state)
{
    struct ends ends;
    int fd;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "");
    fd = fd_of(ends.b);
    assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
    assert_int_equal(read_all(ends.b), 1);
    settles_quiet(ends.b, fd);
    ends_close(&ends);
}

static void fd_readable_in_middle_of_message(void **state)
{
    struct ends ends;
    char buf[4];
    int fd;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    fd = fd_of(ends.b);
    for (int i = 0; i < 20; i++) {
        const void *data;
        size_t size;

        ends_write(ends.a, "0123456789");
        assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
        assert_int_equal(wpipe_read(ends.b, buf, 4, 0), 4);
        assert_true(support_wait_readable(fd, 0));
        assert_int_equal(wpipe_read_begin(ends.b, &data, &size, 0), 0);
        assert_int_equal(wpipe_read_end(ends.b, 4), 0);
        assert_true(support_wait_readable(fd, 0));
        ends_expect(ends.b, "89");
        settles_quiet(ends.b, fd);
    }
    ends_close(&ends);
}

/* Writes and drains of the same stream do not disturb it. */
static void fd_quiet_while_stream_writes(void **state)
{
    struct ends ends;
    int fd;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    fd = fd_of(ends.b);
    for (int i = 0; i < 50; i++) {
        ends_write(ends.b, "out");
        ends_expect(ends.a, "out");
        (void)wpipe_drain(ends.b, 1);
        settles_quiet(ends.b, fd);
    }
    ends_write(ends.a, "in");
    assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
    ends_expect(ends.b, "in");
    ends_close(&ends);
}

/* A wait in a call takes its own wake-ups; the descriptor goes on after it. */
static void fd_works_between_waiting_reads(void **state)
{
    struct ends ends;
    char byte;
    int fd;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    fd = fd_of(ends.b);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(wpipe_read(ends.b, &byte, 1, 1), WPIPE_ETIMEDOUT);
        settles_quiet(ends.b, fd);
        ends_write(ends.a, "x");
        assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
        assert_int_equal(wpipe_read(ends.b, &byte, 1, SUPPORT_WAIT_MS), 1);
    }
    ends_close(&ends);
}

/* ---- ends ---------------------------------------------------------------- */

static void fd_readable_at_eof(void **state)
{
    struct ends ends;
    int fd;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    fd = fd_of(ends.b);
    settles_quiet(ends.b, fd);
    ends_write(ends.a, "last");
    ends_close_a(&ends);
    assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
    ends_expect(ends.b, "last");
    for (int i = 0; i < 3; i++) {
        assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
        ends_expect_end(ends.b, WPIPE_EOF);
    }
    ends_close(&ends);
}

static void fd_readable_at_finish(void **state)
{
    struct ends ends;
    int fd;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    fd = fd_of(ends.b);
    settles_quiet(ends.b, fd);
    assert_int_equal(wpipe_finish(ends.a), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
        ends_expect_end(ends.b, WPIPE_EOF);
    }
    ends_close(&ends);
}

static void fd_readable_at_disconnect(void **state)
{
    struct ends_setup setup;
    struct ends ends;
    int fd;

    ends_setup_init(&setup, *state, WPIPE_MESSAGE);
    setup.a_is_server = 1;
    ends_open_setup(&ends, &setup);
    fd = fd_of(ends.b);
    settles_quiet(ends.b, fd);
    assert_int_equal(wpipe_disconnect(ends.a), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
        ends_expect_end(ends.b, WPIPE_EDISCONNECTED);
    }
    ends_close(&ends);
}

/* Nothing but reads with timeout 0 sees the end, too. */
static void read_without_waiting_sees_end(void **state)
{
    struct ends ends;
    int64_t end;
    char byte;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_read(ends.b, &byte, 1, 0), WPIPE_ETIMEDOUT);
    ends_close_a(&ends);
    end = support_now_ms() + SUPPORT_WAIT_MS;
    while (wpipe_read(ends.b, &byte, 1, 0) == WPIPE_ETIMEDOUT)
        assert_true(support_now_ms() < end);
    ends_expect_end(ends.b, WPIPE_EOF);
    ends_close(&ends);
}

/* ---- a loop -------------------------------------------------------------- */

enum {
    ROUNDS = 10000
};

struct loop {
    struct ends ends;
    uint64_t random;
};

static void pause_a_little(uint64_t *random)
{
    for (uint64_t k = ends_random(random) % 300; k > 0; k--)
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Message i when the loop has answered message i - 1. */
static void ask_in_rounds(void *argument)
{
    struct loop *loop = argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned got = 0;

        pause_a_little(&loop->random);
        assert_int_equal(
            wpipe_write(loop->ends.a, &i, sizeof i, SUPPORT_WAIT_MS), sizeof i);
        assert_int_equal(
            wpipe_read(loop->ends.a, &got, sizeof got, SUPPORT_WAIT_MS),
            sizeof got);
        assert_int_equal(got, i);
    }
    ends_close_a(&loop->ends);
}

/* The other end sleeps in poll alone and reads with timeout 0. A lost
 * wake-up leaves it there. */
static void fd_loop_answers_every_round(void **state)
{
    struct loop loop = { .random = 5 };
    struct ends_thread thread;
    uint64_t random = 6;
    unsigned next = 0;
    int64_t r = 0;
    int fd;

    ends_open(&loop.ends, *state, WPIPE_MESSAGE);
    fd = fd_of(loop.ends.b);
    ends_start(&thread, ask_in_rounds, &loop);
    while (r != WPIPE_EOF) {
        unsigned got = 0;

        if (!support_wait_readable(fd, SUPPORT_WAIT_MS))
            fail_msg("round %u: nothing is readable", next);
        while ((r = wpipe_read(loop.ends.b, &got, sizeof got, 0)) >= 0) {
            assert_int_equal(got, next++);
            assert_int_equal(
                wpipe_write(loop.ends.b, &got, sizeof got, SUPPORT_WAIT_MS),
                sizeof got);
            pause_a_little(&random);
        }
        assert_true(r == WPIPE_ETIMEDOUT || r == WPIPE_EOF);
    }
    assert_int_equal(next, ROUNDS);
    ends_join(&thread);
    ends_close(&loop.ends);
}

static void send_in_bursts(void *argument)
{
    struct loop *loop = argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_int_equal(
            wpipe_write(loop->ends.a, &i, sizeof i, SUPPORT_WAIT_MS), sizeof i);
        if (i % 13 == 0)
            pause_a_little(&loop->random);
    }
    assert_int_equal(wpipe_finish(loop->ends.a), 0);
}

/* One read a turn: what is left must keep the descriptor readable. */
static void fd_loop_one_read_a_turn(void **state)
{
    struct loop loop = { .random = 5 };
    struct ends_thread thread;
    unsigned next = 0;
    int64_t r = 0;
    int fd;

    ends_open(&loop.ends, *state, WPIPE_MESSAGE);
    fd = fd_of(loop.ends.b);
    ends_start(&thread, send_in_bursts, &loop);
    while (r != WPIPE_EOF) {
        unsigned got = 0;

        if (!support_wait_readable(fd, SUPPORT_WAIT_MS))
            fail_msg("message %u: nothing is readable", next);
        r = wpipe_read(loop.ends.b, &got, sizeof got, 0);
        if (r == sizeof got)
            assert_int_equal(got, next++);
        else
            assert_true(r == WPIPE_ETIMEDOUT || r == WPIPE_EOF);
    }
    assert_int_equal(next, ROUNDS);
    ends_join(&thread);
    ends_close(&loop.ends);
}

static void fd_wrong_state(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_stream_fd(NULL), WPIPE_EINVAL);
    assert_int_equal(wpipe_disconnect(ends.server), 0);
    assert_int_equal(wpipe_stream_fd(ends.server), WPIPE_EDISCONNECTED);
    ends_close(&ends);
}

static const struct ends_case cases[] = {
    EACH_SEEN(fd_readable_while_unread),
    EACH(fd_asked_for_late_is_readable),
    EACH(fd_readable_in_middle_of_message),
    EACH(fd_quiet_while_stream_writes),
    EACH(fd_works_between_waiting_reads),
    EACH(fd_readable_at_eof),
    EACH(fd_readable_at_finish),
    EACH(fd_readable_at_disconnect),
    EACH(read_without_waiting_sees_end),
    EACH(fd_loop_answers_every_round),
    EACH_SEEN(fd_loop_one_read_a_turn),
    EACH(fd_wrong_state),
};

ENDS_MAIN(cases)
