/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draining: waiting until the peer has read everything. Rows are those of the
 * table of Windows' behaviour (FlushFileBuffers).
 */
#include "ends.h"

#include <windpipe/error.h>

static int drain(const struct ends *ends, int timeout_ms)
{
    return wpipe_drain(ends->a, timeout_ms);
}

/* Windows row 243 */
static void drain_nothing_written_returns(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_drain(ends.b, 0), 0);
    assert_int_equal(drain(&ends, SUPPORT_WAIT_MS), 0);
    ends_close(&ends);
}

/* The peer need do no more than read: no call of its is running then. */
static void drain_after_read_returns(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (int i = 0; i < 20; i++) {
        ends_write(ends.a, "one");
        ends_write(ends.a, "two");
        ends_expect(ends.b, "one");
        ends_expect(ends.b, "two");
        assert_int_equal(drain(&ends, SUPPORT_WAIT_MS), 0);
    }
    ends_close(&ends);
}

static void drain_unread_times_out(void **state)
{
    struct ends ends;
    int64_t start;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "unread");
    assert_int_equal(drain(&ends, 0), WPIPE_ETIMEDOUT);
    start = support_now_ms();
    assert_int_equal(drain(&ends, 30), WPIPE_ETIMEDOUT);
    assert_true(support_now_ms() - start >= 29);
    ends_expect(ends.b, "unread");
    ends_close(&ends);
}

struct draining {
    struct ends ends;
    int result;
    int returned;
};

static void drain_for_ever(void *argument)
{
    struct draining *d = argument;

    d->result = wpipe_drain(d->ends.a, WPIPE_FOREVER);
    __atomic_store_n(&d->returned, 1, __ATOMIC_RELEASE);
}

static int has_returned(struct draining *d)
{
    return __atomic_load_n(&d->returned, __ATOMIC_ACQUIRE);
}

/* Windows rows 242, 252 (each end can do it), .NET row 134 */
static void drain_returns_when_peer_has_read(void **state)
{
    struct draining d = { .result = 1 };
    struct ends_thread thread;

    ends_open(&d.ends, *state, WPIPE_MESSAGE);
    ends_write(d.ends.a, "one");
    ends_write(d.ends.a, "two");
    ends_start(&thread, drain_for_ever, &d);
    ends_wait_asleep(&thread);
    ends_expect(d.ends.b, "one");
    ends_wait_asleep(&thread);
    assert_false(has_returned(&d));
    ends_expect(d.ends.b, "two");
    ends_join(&thread);
    assert_int_equal(d.result, 0);
    ends_close(&d.ends);
}

/* Windows row 245: two of three bytes are not all */
static void drain_counts_every_byte(void **state)
{
    struct draining d = { .result = 1 };
    struct ends_thread thread;

    ends_open(&d.ends, *state, WPIPE_BYTE);
    ends_write(d.ends.a, "abc");
    ends_start(&thread, drain_for_ever, &d);
    ends_wait_asleep(&thread);
    ends_expect_bytes(d.ends.b, "ab");
    ends_wait_asleep(&thread);
    assert_false(has_returned(&d));
    ends_expect_bytes(d.ends.b, "c");
    ends_join(&thread);
    assert_int_equal(d.result, 0);
    ends_close(&d.ends);
}

/* Windows row 250: an empty message counts as unread */
static void drain_counts_empty_messages(void **state)
{
    struct draining d = { .result = 1 };
    struct ends_thread thread;

    ends_open(&d.ends, *state, WPIPE_MESSAGE);
    ends_write(d.ends.a, "");
    assert_int_equal(drain(&d.ends, 0), WPIPE_ETIMEDOUT);
    ends_start(&thread, drain_for_ever, &d);
    ends_wait_asleep(&thread);
    assert_false(has_returned(&d));
    ends_expect(d.ends.b, "");
    ends_join(&thread);
    assert_int_equal(d.result, 0);
    ends_close(&d.ends);
}

/* Peeking is not reading. */
static void drain_is_not_ended_by_peek(void **state)
{
    struct ends ends;
    size_t available = 0;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "look");
    assert_int_equal(wpipe_peek(ends.b, NULL, 0, &available, NULL), 0);
    assert_int_equal(available, 4);
    assert_int_equal(drain(&ends, 10), WPIPE_ETIMEDOUT);
    ends_expect(ends.b, "look");
    assert_int_equal(drain(&ends, SUPPORT_WAIT_MS), 0);
    ends_close(&ends);
}

/* Windows row 247: what was withdrawn is not waited for */
static void drain_ignores_withdrawn_message(void **state)
{
    struct ends ends;
    void *data;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_write_begin(ends.a, 4, &data, SUPPORT_WAIT_MS), 0);
    memcpy(data, "part", 4);
    assert_int_equal(wpipe_write_commit(ends.a, 4, 1), 4);
    wpipe_write_abort(ends.a);
    assert_int_equal(drain(&ends, SUPPORT_WAIT_MS / 4), 0);
    ends_close(&ends);
}

/* A finished stream is drained when the data are read: the peer need not
 * have asked for the end. */
static void drain_finished_returns_without_eof_read(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "last");
    assert_int_equal(wpipe_finish(ends.a), 0);
    assert_int_equal(drain(&ends, 0), WPIPE_ETIMEDOUT);
    ends_expect(ends.b, "last");
    assert_int_equal(drain(&ends, SUPPORT_WAIT_MS / 4), 0);
    ends_expect_end(ends.b, WPIPE_EOF);
    assert_int_equal(drain(&ends, SUPPORT_WAIT_MS), 0);
    ends_close(&ends);
}

/* ---- the peer goes ------------------------------------------------------- */

/* Windows row 117: all was read before it closed */
static void drain_peer_closed_all_read_returns(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "read");
    ends_expect(ends.b, "read");
    ends_close_b(&ends);
    assert_int_equal(drain(&ends, SUPPORT_WAIT_MS), 0);
    assert_int_equal(drain(&ends, 0), 0);
    ends_close(&ends);
}

/* Windows row 248 */
static void drain_peer_closes_with_unread_is_epipe(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "read");
    ends_write(ends.a, "unread");
    ends_expect(ends.b, "read");
    ends_close_b(&ends);
    assert_int_equal(drain(&ends, SUPPORT_WAIT_MS), WPIPE_EPIPE);
    assert_int_equal(drain(&ends, 0), WPIPE_EPIPE);
    ends_close(&ends);
}

/* Windows rows 122, 248: in the middle of a running drain */
static void drain_running_peer_closes_is_epipe(void **state)
{
    struct draining d = { .result = 1 };
    struct ends_thread thread;

    ends_open(&d.ends, *state, WPIPE_MESSAGE);
    ends_write(d.ends.a, "unread");
    ends_start(&thread, drain_for_ever, &d);
    ends_wait_asleep(&thread);
    ends_close_b(&d.ends);
    ends_join(&thread);
    assert_int_equal(d.result, WPIPE_EPIPE);
    ends_close(&d.ends);
}

/* The peer reads the last and closes: the drain has its answer. */
static void drain_running_peer_reads_and_closes(void **state)
{
    struct draining d = { .result = 1 };
    struct ends_thread thread;

    ends_open(&d.ends, *state, WPIPE_MESSAGE);
    ends_write(d.ends.a, "last");
    ends_start(&thread, drain_for_ever, &d);
    ends_wait_asleep(&thread);
    ends_expect(d.ends.b, "last");
    ends_close_b(&d.ends);
    ends_join(&thread);
    assert_int_equal(d.result, 0);
    ends_close(&d.ends);
}

/* A thread at `a` runs until the server's end, which may be its own,
 * disconnects: it is told so. Leaves the ends open. */
static void run_until_disconnected(struct draining *d, void **state,
                                   int a_is_server, void (*run)(void *argument))
{
    struct ends_thread thread;
    struct ends_setup setup;

    ends_setup_init(&setup, *state, WPIPE_MESSAGE);
    setup.a_is_server = a_is_server;
    ends_open_setup(&d->ends, &setup);
    ends_write(d->ends.a, "unread");
    ends_start(&thread, run, d);
    ends_wait_asleep(&thread);
    assert_int_equal(wpipe_disconnect(d->ends.server), 0);
    ends_join(&thread);
    assert_int_equal(d->result, WPIPE_EDISCONNECTED);
}

/* Windows rows 107, 249 */
static void drain_running_server_disconnects(void **state)
{
    struct draining d = { .result = 1 };

    run_until_disconnected(&d, state, 0, drain_for_ever);
    assert_int_equal(drain(&d.ends, 0), WPIPE_EDISCONNECTED);
    ends_close(&d.ends);
}

/* The end that disconnects knows why its own wait is over. */
static void drain_running_ends_by_own_disconnect(void **state)
{
    struct draining d = { .result = 1 };

    run_until_disconnected(&d, state, 1, drain_for_ever);
    ends_close(&d.ends);
}

static void write_forever(void *argument)
{
    static const char bytes[4000];
    struct draining *d = argument;
    int64_t r;

    do
        r = wpipe_write(d->ends.a, bytes, sizeof(bytes), WPIPE_FOREVER);
    while (r > 0);
    d->result = (int)r;
}

static void write_running_ends_by_own_disconnect(void **state)
{
    struct draining d = { .result = 1 };

    run_until_disconnected(&d, state, 1, write_forever);
    ends_close(&d.ends);
}

static void read_forever(void *argument)
{
    struct draining *d = argument;
    char byte;

    d->result = (int)wpipe_read(d->ends.a, &byte, 1, WPIPE_FOREVER);
}

static void read_running_ends_by_own_disconnect(void **state)
{
    struct draining d = { .result = 1 };

    run_until_disconnected(&d, state, 1, read_forever);
    ends_close(&d.ends);
}

/* Windows row 97: also when all was read before */
static void drain_after_disconnect_fails(void **state)
{
    struct ends_setup setup;
    struct ends ends;

    ends_setup_init(&setup, *state, WPIPE_MESSAGE);
    setup.a_is_server = 0;
    ends_open_setup(&ends, &setup);
    ends_write(ends.a, "read");
    ends_expect(ends.b, "read");
    assert_int_equal(wpipe_disconnect(ends.b), 0);
    assert_int_equal(drain(&ends, SUPPORT_WAIT_MS), WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_drain(ends.b, 0), WPIPE_EDISCONNECTED);
    ends_close(&ends);
}

static void drain_running_is_woken(void **state)
{
    struct draining d = { .result = 1 };
    struct ends_thread thread;

    ends_open(&d.ends, *state, WPIPE_MESSAGE);
    ends_write(d.ends.a, "unread");
    ends_start(&thread, drain_for_ever, &d);
    ends_wait_asleep(&thread);
    wpipe_stream_wake(d.ends.a);
    ends_join(&thread);
    assert_int_equal(d.result, WPIPE_EWOKEN);
    ends_expect(d.ends.b, "unread");
    assert_int_equal(drain(&d.ends, SUPPORT_WAIT_MS), 0);
    ends_close(&d.ends);
}

/* ---- much data ----------------------------------------------------------- */

static void read_all(void *argument)
{
    struct ends *ends = argument;

    for (unsigned i = 0; i < 50; i++)
        ends_read_pattern(ends->b, 5000, i);
}

static void drain_after_many_messages(void **state)
{
    struct ends_thread thread;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, read_all, &ends);
    for (unsigned i = 0; i < 50; i++) {
        ends_write_pattern(ends.a, 5000, i);
        if (i % 7 == 0)
            assert_int_equal(drain(&ends, SUPPORT_WAIT_MS), 0);
    }
    assert_int_equal(drain(&ends, SUPPORT_WAIT_MS), 0);
    ends_join(&thread);
    ends_close(&ends);
}

static const struct ends_case cases[] = {
    EACH(drain_nothing_written_returns),
    EACH(drain_after_read_returns),
    EACH(drain_unread_times_out),
    EACH_SEEN(drain_returns_when_peer_has_read),
    EACH_SEEN(drain_counts_every_byte),
    EACH(drain_counts_empty_messages),
    EACH(drain_is_not_ended_by_peek),
    EACH(drain_ignores_withdrawn_message),
    EACH(drain_finished_returns_without_eof_read),
    EACH(drain_peer_closed_all_read_returns),
    EACH(drain_peer_closes_with_unread_is_epipe),
    EACH(drain_running_peer_closes_is_epipe),
    EACH(drain_running_peer_reads_and_closes),
    EACH(drain_running_server_disconnects),
    EACH(drain_running_ends_by_own_disconnect),
    EACH(write_running_ends_by_own_disconnect),
    EACH(read_running_ends_by_own_disconnect),
    EACH(drain_after_disconnect_fails),
    EACH_SEEN(drain_running_is_woken),
    EACH_SEEN(drain_after_many_messages),
};

ENDS_MAIN(cases)
