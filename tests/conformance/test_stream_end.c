/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a connection ends: closing, finishing one way, disconnecting. Rows are
 * those of the .NET conformance list and of the table of Windows' behaviour.
 */
#include "ends.h"

#include <windpipe/error.h>

/* A pair whose a is the server's end (1) or the client's (0). */
static void open_with(struct ends *ends, const struct ends_kind *kind, int type,
                      int a_is_server)
{
    struct ends_setup setup;

    ends_setup_init(&setup, kind, type);
    setup.a_is_server = a_is_server;
    ends_open_setup(ends, &setup);
}

static void write_fails(wpipe_stream *stream, int error)
{
    assert_int_equal(wpipe_write(stream, "x", 1, SUPPORT_WAIT_MS), error);
    assert_int_equal(wpipe_write(stream, "x", 1, 0), error);
}

/* ---- closing ------------------------------------------------------------- */

/* .NET rows 82, 83, 104; Windows rows 109, 111, 112, 123 */
static void close_gives_data_then_eof(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "hello");
    ends_write(ends.a, "world");
    ends_close_a(&ends);
    ends_expect(ends.b, "hello");
    ends_expect(ends.b, "world");
    ends_expect_end(ends.b, WPIPE_EOF);
    ends_close(&ends);
}

static void close_gives_bytes_then_eof(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_BYTE);
    ends_write(ends.a, "hello");
    ends_close_a(&ends);
    ends_expect_bytes(ends.b, "hell");
    ends_expect_bytes(ends.b, "o");
    ends_expect_end(ends.b, WPIPE_EOF);
    ends_close(&ends);
}

/* .NET rows 82, 101 */
static void close_without_data_gives_eof(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_BYTE);
    ends_close_a(&ends);
    ends_expect_end(ends.b, WPIPE_EOF);
    ends_close(&ends);
}

/* Windows row 110: the message goes on to its end */
static void close_in_middle_of_reading_gives_rest(void **state)
{
    struct ends ends;
    char buf[4];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "0123456789");
    ends_close_a(&ends);
    assert_int_equal(wpipe_read(ends.b, buf, 4, SUPPORT_WAIT_MS), 4);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 0);
    ends_expect(ends.b, "456789");
    ends_expect_end(ends.b, WPIPE_EOF);
    ends_close(&ends);
}

/* Windows row 127 */
static void close_after_empty_message_gives_it(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "");
    ends_close_a(&ends);
    ends_expect(ends.b, "");
    ends_expect_end(ends.b, WPIPE_EOF);
    ends_close(&ends);
}

/* .NET rows 99, 102, 105; Windows rows 113, 114 */
static void close_makes_writes_fail(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.b, "unread");
    ends_close_b(&ends);
    write_fails(ends.a, WPIPE_EPIPE);
    assert_int_equal(wpipe_write(ends.a, NULL, 0, 0), WPIPE_EPIPE);
    /* what came the other way is still there */
    ends_expect(ends.a, "unread");
    ends_expect_end(ends.a, WPIPE_EOF);
    write_fails(ends.a, WPIPE_EPIPE);
    ends_close(&ends);
}

/* The first write is told, without reading anything before it. */
static void close_with_unread_data_makes_write_fail(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_BYTE);
    ends_write(ends.a, "never read");
    ends_close_b(&ends);
    write_fails(ends.a, WPIPE_EPIPE);
    ends_expect_end(ends.a, WPIPE_EOF);
    ends_close(&ends);
}

static void read_eof(void *argument)
{
    char byte;

    assert_int_equal(wpipe_read(argument, &byte, 1, WPIPE_FOREVER), WPIPE_EOF);
}

/* .NET row 84; Windows row 120 */
static void close_ends_waiting_reader(void **state)
{
    struct ends_thread thread;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, read_eof, ends.b);
    ends_wait_asleep(&thread);
    ends_close_a(&ends);
    ends_join(&thread);
    ends_close(&ends);
}

struct filling {
    wpipe_stream *stream;
    int error;
    int waits;
};

/* Writes until it cannot; then waits in a write for ever. */
static void fill_for_ever(void *argument)
{
    static uint8_t bytes[500];
    struct filling *f = argument;
    int64_t r;

    do
        r = wpipe_write(f->stream, bytes, sizeof bytes, 0);
    while (r > 0);
    __atomic_store_n(&f->waits, 1, __ATOMIC_RELEASE);
    while (r > 0 || r == WPIPE_ETIMEDOUT)
        r = wpipe_write(f->stream, bytes, sizeof bytes, WPIPE_FOREVER);
    f->error = (int)r;
}

static void wait_until_full(struct filling *f, struct ends_thread *thread)
{
    while (!__atomic_load_n(&f->waits, __ATOMIC_ACQUIRE))
        ;
    ends_wait_asleep(thread);
}

/* .NET row 109; Windows row 121: 109 there, one error for writers here */
static void close_ends_waiting_writer(void **state)
{
    struct ends_thread thread;
    struct filling f = { .error = 1 };
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    f.stream = ends.a;
    ends_start(&thread, fill_for_ever, &f);
    wait_until_full(&f, &thread);
    ends_close_b(&ends);
    ends_join(&thread);
    assert_int_equal(f.error, WPIPE_EPIPE);
    ends_close(&ends);
}

/* Windows row 124 */
static void close_of_both_with_unread_is_quiet(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "unread");
    ends_write(ends.b, "unread");
    ends_close_b(&ends);
    ends_close(&ends);
    wpipe_stream_close(NULL);
}

/* A message that was begun and not ended is no message. */
static void close_withdraws_unfinished_message(void **state)
{
    struct ends ends;
    void *data;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "whole");
    assert_int_equal(wpipe_write_begin(ends.a, 4, &data, SUPPORT_WAIT_MS), 0);
    memcpy(data, "part", 4);
    assert_int_equal(wpipe_write_commit(ends.a, 4, 1), 4);
    ends_close_a(&ends);
    ends_expect(ends.b, "whole");
    ends_expect_end(ends.b, WPIPE_EOF);
    ends_close(&ends);
}

/* .NET row 142: a broken pipe sets "complete", so that readers stop */
static void close_in_begun_message_sets_complete(void **state)
{
    struct ends ends;
    void *data;
    char buf[8];

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_write_begin(ends.a, 4, &data, SUPPORT_WAIT_MS), 0);
    memcpy(data, "part", 4);
    assert_int_equal(wpipe_write_commit(ends.a, 4, 1), 4);
    assert_int_equal(wpipe_read(ends.b, buf, 2, SUPPORT_WAIT_MS), 2);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 0);
    ends_close_a(&ends);
    assert_int_equal(wpipe_read(ends.b, buf, 1, SUPPORT_WAIT_MS), 1);
    assert_int_equal(wpipe_read(ends.b, buf, 8, SUPPORT_WAIT_MS),
                     WPIPE_EABORTED);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    ends_expect_end(ends.b, WPIPE_EOF);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    ends_close(&ends);
}

/* Everything that fits, then close at once: nothing of it is lost. */
static void close_after_full_buffer_loses_nothing(void **state)
{
    static uint8_t bytes[100];
    struct ends ends;
    unsigned written = 0;
    unsigned read = 0;
    int64_t r;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    while (wpipe_write(ends.a, bytes, sizeof bytes, 0) > 0)
        written++;
    assert_true(written > 2);
    ends_close_a(&ends);
    while ((r = wpipe_read(ends.b, bytes, sizeof bytes, SUPPORT_WAIT_MS)) ==
           sizeof bytes)
        read++;
    assert_int_equal(r, WPIPE_EOF);
    assert_int_equal(read, written);
    ends_close(&ends);
}

/* Close after the n-th message, for every n around the move to shared memory
 * and with the reader behind by any number. */
static void close_at_any_moment_loses_nothing(void **state)
{
    for (int count = 0; count < 24; count++) {
        for (int behind = 0; behind < 4; behind++) {
            struct ends ends;
            int read = 0;
            char byte;

            ends_open(&ends, *state, WPIPE_MESSAGE);
            for (int i = 0; i < count; i++) {
                ends_write(ends.a, "m");
                if (i >= behind && read++ >= 0)
                    ends_expect(ends.b, "m");
            }
            ends_close_a(&ends);
            while (wpipe_read(ends.b, &byte, 1, SUPPORT_WAIT_MS) == 1)
                read++;
            if (read != count)
                fail_msg("%d of %d messages came, %d behind", read, count,
                         behind);
            ends_expect_end(ends.b, WPIPE_EOF);
            ends_close(&ends);
        }
    }
}

/* The same seen by a writer: EPIPE, never anything else, at any moment. */
static void close_at_any_moment_is_epipe(void **state)
{
    for (int count = 0; count < 24; count++) {
        struct ends ends;

        ends_open(&ends, *state, WPIPE_MESSAGE);
        for (int i = 0; i < count; i++) {
            ends_write(ends.a, "m");
            if (i % 3)
                ends_expect(ends.b, "m");
            ends_write(ends.b, "n");
            ends_expect(ends.a, "n");
        }
        ends_close_b(&ends);
        write_fails(ends.a, WPIPE_EPIPE);
        ends_expect_end(ends.a, WPIPE_EOF);
        ends_close(&ends);
    }
}

/* ---- finishing ----------------------------------------------------------- */

static void finish_ends_one_way_only(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "last");
    assert_int_equal(wpipe_finish(ends.a), 0);
    ends_expect(ends.b, "last");
    ends_expect_end(ends.b, WPIPE_EOF);
    for (int i = 0; i < 20; i++) {
        ends_write(ends.b, "reply");
        ends_expect(ends.a, "reply");
    }
    assert_int_equal(wpipe_finish(ends.b), 0);
    ends_expect_end(ends.a, WPIPE_EOF);
    ends_close(&ends);
}

static void finish_twice_is_fine(void **state)
{
    struct ends ends;
    void *data;

    ends_open(&ends, *state, WPIPE_BYTE);
    assert_int_equal(wpipe_finish(ends.a), 0);
    assert_int_equal(wpipe_finish(ends.a), 0);
    write_fails(ends.a, WPIPE_ESTATE);
    assert_int_equal(wpipe_write(ends.a, NULL, 0, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_write_begin(ends.a, 1, &data, 0), WPIPE_ESTATE);
    ends_expect_end(ends.b, WPIPE_EOF);
    assert_int_equal(wpipe_finish(ends.a), 0);
    ends_close(&ends);
}

static void finish_with_full_buffer_has_room(void **state)
{
    static uint8_t bytes[100];
    struct ends ends;
    unsigned written = 0;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    while (wpipe_write(ends.a, bytes, sizeof bytes, 0) > 0)
        written++;
    assert_int_equal(wpipe_finish(ends.a), 0);
    while (written-- > 0)
        assert_int_equal(
            wpipe_read(ends.b, bytes, sizeof bytes, SUPPORT_WAIT_MS), 100);
    ends_expect_end(ends.b, WPIPE_EOF);
    ends_write(ends.b, "and back");
    ends_expect(ends.a, "and back");
    ends_close(&ends);
}

static void finish_ends_waiting_reader(void **state)
{
    struct ends_thread thread;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, read_eof, ends.b);
    ends_wait_asleep(&thread);
    assert_int_equal(wpipe_finish(ends.a), 0);
    ends_join(&thread);
    ends_close(&ends);
}

static void finish_withdraws_unfinished_message(void **state)
{
    struct ends ends;
    void *data;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_write_begin(ends.a, 4, &data, SUPPORT_WAIT_MS), 0);
    assert_int_equal(wpipe_finish(ends.a), WPIPE_ESTATE);
    memcpy(data, "part", 4);
    assert_int_equal(wpipe_write_commit(ends.a, 4, 1), 4);
    assert_int_equal(wpipe_finish(ends.a), 0);
    ends_expect_end(ends.b, WPIPE_EOF);
    ends_close(&ends);
}

static void finish_after_close_of_peer_is_epipe(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_close_b(&ends);
    assert_int_equal(wpipe_finish(ends.a), WPIPE_EPIPE);
    ends_close(&ends);
}

/* Both finish, both close: both read what was written. */
static void finish_then_close_gives_data(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_write(ends.a, "data");
    assert_int_equal(wpipe_finish(ends.a), 0);
    ends_close_a(&ends);
    ends_expect(ends.b, "data");
    ends_expect_end(ends.b, WPIPE_EOF);
    write_fails(ends.b, WPIPE_EPIPE);
    ends_close(&ends);
}

/* ---- disconnecting ------------------------------------------------------- */

/* .NET row 62; Windows rows 87, 88, 91 */
static void disconnect_is_for_servers_and_once(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_disconnect(ends.client), WPIPE_ESTATE);
    ends_write(ends.a, "still here");
    ends_expect(ends.b, "still here");
    assert_int_equal(wpipe_disconnect(ends.server), 0);
    assert_int_equal(wpipe_disconnect(ends.server), WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_disconnect(ends.client), WPIPE_ESTATE);
    ends_close(&ends);
}

/* Windows rows 87, 92: what the client has not read is gone */
static void disconnect_discards_what_client_has_not_read(void **state)
{
    struct ends ends;

    open_with(&ends, *state, WPIPE_MESSAGE, 1);
    ends_write(ends.a, "read");
    ends_write(ends.a, "unread");
    ends_write(ends.a, "unread");
    ends_expect(ends.b, "read");
    assert_int_equal(wpipe_disconnect(ends.a), 0);
    ends_expect_end(ends.b, WPIPE_EDISCONNECTED);
    ends_close(&ends);
}

static void disconnect_discards_begun_message(void **state)
{
    struct ends ends;
    char buf[4];

    open_with(&ends, *state, WPIPE_MESSAGE, 1);
    ends_write(ends.a, "0123456789");
    assert_int_equal(wpipe_read(ends.b, buf, 4, SUPPORT_WAIT_MS), 4);
    assert_int_equal(wpipe_disconnect(ends.a), 0);
    ends_expect_end(ends.b, WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    ends_close(&ends);
}

/* Windows rows 87, 94, 96, 98, 101: the server's end can do nothing more */
static void disconnect_leaves_server_nothing(void **state)
{
    struct ends ends;
    void *data;
    char byte;

    open_with(&ends, *state, WPIPE_MESSAGE, 0);
    ends_write(ends.a, "unread");
    assert_int_equal(wpipe_disconnect(ends.b), 0);
    ends_expect_end(ends.b, WPIPE_EDISCONNECTED);
    write_fails(ends.b, WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_finish(ends.b), WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_drain(ends.b, 0), WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_peek(ends.b, NULL, 0, NULL, NULL),
                     WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_transact(ends.b, "x", 1, &byte, 1, 0),
                     WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_write_begin(ends.b, 1, &data, 0),
                     WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_write_commit(ends.b, 1, 0), WPIPE_EDISCONNECTED);
    wpipe_write_abort(ends.b);
    wpipe_stream_wake(ends.b);
    ends_close(&ends);
}

/* .NET rows 106, 107; Windows rows 93, 101 */
static void disconnect_fails_everything_of_client(void **state)
{
    struct ends ends;
    const void *view;
    size_t size;
    void *data;
    char byte;

    open_with(&ends, *state, WPIPE_MESSAGE, 0);
    ends_write(ends.a, "unread");
    assert_int_equal(wpipe_disconnect(ends.b), 0);
    write_fails(ends.a, WPIPE_EDISCONNECTED);
    ends_expect_end(ends.a, WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_finish(ends.a), WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_drain(ends.a, 0), WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_transact(ends.a, "x", 1, &byte, 1, 0),
                     WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_write_begin(ends.a, 1, &data, 0),
                     WPIPE_EDISCONNECTED);
    assert_int_equal(wpipe_read_begin(ends.a, &view, &size, 0),
                     WPIPE_EDISCONNECTED);
    ends_close(&ends);
}

static void read_disconnected(void *argument)
{
    char byte;

    assert_int_equal(wpipe_read(argument, &byte, 1, WPIPE_FOREVER),
                     WPIPE_EDISCONNECTED);
}

/* Windows row 104 */
static void disconnect_ends_waiting_reader(void **state)
{
    struct ends_thread thread;
    struct ends ends;

    open_with(&ends, *state, WPIPE_MESSAGE, 1);
    ends_start(&thread, read_disconnected, ends.b);
    ends_wait_asleep(&thread);
    assert_int_equal(wpipe_disconnect(ends.a), 0);
    ends_join(&thread);
    ends_close(&ends);
}

/* Windows row 105 */
static void disconnect_ends_waiting_writer(void **state)
{
    struct ends_thread thread;
    struct filling f = { .error = 1 };
    struct ends ends;

    open_with(&ends, *state, WPIPE_MESSAGE, 0);
    f.stream = ends.a;
    ends_start(&thread, fill_for_ever, &f);
    wait_until_full(&f, &thread);
    assert_int_equal(wpipe_disconnect(ends.b), 0);
    ends_join(&thread);
    assert_int_equal(f.error, WPIPE_EDISCONNECTED);
    ends_close(&ends);
}

/* Windows row 89: the client is gone already */
static void disconnect_after_client_closed_succeeds(void **state)
{
    struct ends ends;

    open_with(&ends, *state, WPIPE_MESSAGE, 0);
    ends_write(ends.a, "unread");
    ends_close_a(&ends);
    assert_int_equal(wpipe_disconnect(ends.b), 0);
    ends_expect_end(ends.b, WPIPE_EDISCONNECTED);
    ends_close(&ends);
}

/* At every moment around the move to shared memory the client is told. */
static void disconnect_at_any_moment_discards(void **state)
{
    for (int count = 0; count < 24; count++) {
        struct ends ends;

        open_with(&ends, *state, WPIPE_MESSAGE, 1);
        for (int i = 0; i < count; i++) {
            ends_write(ends.a, "m");
            if (i >= 2)
                ends_expect(ends.b, "m");
        }
        assert_int_equal(wpipe_disconnect(ends.a), 0);
        ends_expect_end(ends.b, WPIPE_EDISCONNECTED);
        write_fails(ends.b, WPIPE_EDISCONNECTED);
        ends_close(&ends);
    }
}

static const struct ends_case cases[] = {
    EACH(close_gives_data_then_eof),
    EACH(close_gives_bytes_then_eof),
    EACH(close_without_data_gives_eof),
    EACH(close_in_middle_of_reading_gives_rest),
    EACH(close_after_empty_message_gives_it),
    EACH(close_makes_writes_fail),
    EACH(close_with_unread_data_makes_write_fail),
    EACH(close_ends_waiting_reader),
    EACH(close_ends_waiting_writer),
    EACH(close_of_both_with_unread_is_quiet),
    EACH(close_withdraws_unfinished_message),
    EACH(close_in_begun_message_sets_complete),
    EACH(close_after_full_buffer_loses_nothing),
    EACH(close_at_any_moment_loses_nothing),
    EACH(close_at_any_moment_is_epipe),
    EACH(finish_ends_one_way_only),
    EACH(finish_twice_is_fine),
    EACH(finish_with_full_buffer_has_room),
    EACH(finish_ends_waiting_reader),
    EACH(finish_withdraws_unfinished_message),
    EACH(finish_after_close_of_peer_is_epipe),
    EACH(finish_then_close_gives_data),
    EACH(disconnect_is_for_servers_and_once),
    EACH(disconnect_discards_what_client_has_not_read),
    EACH(disconnect_discards_begun_message),
    EACH(disconnect_leaves_server_nothing),
    EACH(disconnect_fails_everything_of_client),
    EACH(disconnect_ends_waiting_reader),
    EACH(disconnect_ends_waiting_writer),
    EACH(disconnect_after_client_closed_succeeds),
    EACH(disconnect_at_any_moment_discards),
};

ENDS_MAIN(cases)
