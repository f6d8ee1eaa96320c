/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A commit that finds no room: its memory was reserved on the socket, and
 * meanwhile the connection moved to a ring that is smaller and cannot grow. It
 * waits, as long as begin was allowed to; when it is woken, what the peer has
 * of the message is withdrawn.
 */
#include "ends.h"

#include <windpipe/error.h>

#include "native/native.h"
#include "os/os_test.h"
#include "stream/stream.h"

enum {
    SIZE = 10 * 1024 /* what a reservation on a socket may be */
};

/* Moves between begin and commit of a message on `a`. Leaves memory short. */
static void open_moved_while_reserved(struct ends *ends)
{
    static const struct ends_kind kind = { .name = "moving", .buffer = 65536 };
    void *data = NULL;

    ends_open(ends, &kind, WPIPE_MESSAGE);
    assert_int_equal(ends_shared(ends->a), 0);
    assert_int_equal(wpipe_write_begin(ends->a, SIZE, &data, 0), 0);
    ends_fill(data, SIZE, 1);
    assert_int_equal(wpipe__native_offer(wpipe__native(ends->b->link)), 0);
    ends_settle(ends);
    assert_int_equal(ends_shared(ends->a), 2);
    wpipe__os_test_no_memory(1);
}

static void commit_woken_without_room_withdraws_the_message(void **state)
{
    (void)state;
    for (int parts = 0; parts < 2; parts++) {
        struct ends ends;
        char byte;

        open_moved_while_reserved(&ends);
        wpipe_stream_wake(ends.a);
        assert_int_equal(wpipe_write_commit(ends.a, SIZE, parts), WPIPE_EWOKEN);
        assert_int_equal(wpipe_write_commit(ends.a, 0, 0), WPIPE_ESTATE);
        wpipe__os_test_no_memory(0);
        assert_int_equal(wpipe_read(ends.b, &byte, 1, 0), WPIPE_ETIMEDOUT);
        ends_write(ends.a, "after");
        ends_expect(ends.b, "after");
        ends_close(&ends);
    }
}

static void commit_without_room_goes_on_when_there_is_some(void **state)
{
    struct ends ends;

    (void)state;
    open_moved_while_reserved(&ends);
    wpipe__os_test_no_memory(0); /* it grows */
    assert_int_equal(wpipe_write_commit(ends.a, SIZE, 0), SIZE);
    ends_read_pattern(ends.b, SIZE, 1);
    ends_close(&ends);
}

/* The peer does not read: it is no longer than begin was allowed to wait. What
 * the peer has of the message can be gone on with, or withdrawn. */
static void commit_without_room_ends_in_time(void **state)
{
    static uint8_t buf[SIZE];
    struct ends ends;
    int64_t got;
    char byte;
    int r;

    (void)state;
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        open_moved_while_reserved(&ends);
        assert_int_equal(wpipe_write_commit(ends.a, SIZE, 0), WPIPE_ETIMEDOUT);
        assert_int_equal(wpipe_write(ends.a, "x", 1, 0), WPIPE_ESTATE);
        assert_int_equal(wpipe_write_commit(ends.a, 1, 0), WPIPE_EINVAL);
        wpipe__os_test_no_memory(0);
        if (goes_on) {
            got = 0;
            do {
                got += wpipe_read(ends.b, buf + got, (size_t)(SIZE - got), 0);
                r = (int)wpipe_write_commit(ends.a, SIZE, 0);
                assert_true(r == SIZE || r == WPIPE_ETIMEDOUT);
            } while (r != SIZE);
            while (got < SIZE)
                got += wpipe_read(ends.b, buf + got, (size_t)(SIZE - got), 0);
            ends_check(buf, SIZE, 1);
        } else {
            wpipe_write_abort(ends.a);
            assert_int_equal(wpipe_read(ends.b, &byte, 1, 0), WPIPE_ETIMEDOUT);
        }
        ends_write(ends.a, "after");
        ends_expect(ends.b, "after");
        ends_close(&ends);
    }
}

static const struct ends_case cases[] = {
    EACH_OF(commit_without_room_ends_in_time, ENDS_ONCE),
    EACH_OF(commit_woken_without_room_withdraws_the_message, ENDS_ONCE),
    EACH_OF(commit_without_room_goes_on_when_there_is_some, ENDS_ONCE),
};

ENDS_MAIN(cases)
