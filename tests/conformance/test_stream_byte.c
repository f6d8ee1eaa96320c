/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading bytes: byte pipes, and message pipes read by bytes. Rows are those
 * of the .NET conformance list and of the table of Windows' behaviour.
 */
#include "ends.h"

#include <stdlib.h>
#include <windpipe/error.h>

/* Windows row 128: what was written twice is read once */
static void byte_writes_coalesce(void **state)
{
    struct ends ends;
    char buf[100];

    ends_open(&ends, *state, WPIPE_BYTE);
    ends_write(ends.a, "abc");
    ends_write(ends.a, "def");
    assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, SUPPORT_WAIT_MS), 6);
    assert_memory_equal(buf, "abcdef", 6);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    ends_close(&ends);
}

/* Windows row 129 */
static void byte_short_buffer_reads_on(void **state)
{
    struct ends ends;
    char buf[100];

    ends_open(&ends, *state, WPIPE_BYTE);
    ends_write(ends.a, "abcdef");
    assert_int_equal(wpipe_read(ends.b, buf, 4, SUPPORT_WAIT_MS), 4);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    assert_int_equal(wpipe_read(ends.b, buf + 4, 96, SUPPORT_WAIT_MS), 2);
    assert_memory_equal(buf, "abcdef", 6);
    ends_close(&ends);
}

static void read_three(void *argument)
{
    char buf[100];

    assert_int_equal(wpipe_read(argument, buf, sizeof buf, WPIPE_FOREVER), 3);
    assert_memory_equal(buf, "abc", 3);
}

/* Windows row 130: a reader is content with what comes first */
static void byte_reader_returns_with_first_write(void **state)
{
    struct ends_thread thread;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_BYTE);
    ends_start(&thread, read_three, ends.b);
    ends_wait_asleep(&thread);
    ends_write(ends.a, "abc");
    ends_join(&thread);
    ends_write(ends.a, "def");
    ends_expect_bytes(ends.b, "def");
    ends_close(&ends);
}

/* .NET row 76; Windows row 131 */
static void byte_read_of_nothing_never_waits(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_BYTE);
    for (int i = 0; i < 3; i++)
        assert_int_equal(wpipe_read(ends.b, NULL, 0, WPIPE_FOREVER), 0);
    ends_write(ends.a, "abc");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wpipe_read(ends.b, NULL, 0, WPIPE_FOREVER), 0);
        assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    }
    ends_expect_bytes(ends.b, "abc");
    ends_close(&ends);
}

/* .NET row 77; Windows row 133 */
static void byte_write_of_nothing_has_no_effect(void **state)
{
    struct ends ends;
    char buf[100];

    ends_open(&ends, *state, WPIPE_BYTE);
    ends_write(ends.a, "");
    assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, 0), WPIPE_ETIMEDOUT);
    ends_write(ends.a, "hello");
    ends_write(ends.a, "");
    ends_write(ends.a, "world");
    assert_int_equal(wpipe_write(ends.a, NULL, 0, 0), 0);
    assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, SUPPORT_WAIT_MS), 10);
    assert_memory_equal(buf, "helloworld", 10);
    ends_close(&ends);
}

/* .NET row 78 */
static void byte_single_bytes_in_order(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_BYTE);
    for (int round = 0; round < 3; round++) {
        for (uint8_t i = 0; i < 42; i++) {
            uint8_t byte = i;

            assert_int_equal(wpipe_write(ends.a, &byte, 1, SUPPORT_WAIT_MS), 1);
            byte = 0xff;
            assert_int_equal(wpipe_read(ends.b, &byte, 1, SUPPORT_WAIT_MS), 1);
            assert_int_equal(byte, i);
        }
    }
    ends_close(&ends);
}

/* .NET row 80 */
static void byte_half_buffer_never_over_read(void **state)
{
    struct ends ends;
    uint8_t buf[1024];

    ends_open(&ends, *state, WPIPE_BYTE);
    for (unsigned i = 0; i < 5; i++) {
        memset(buf, 0xee, sizeof buf);
        ends_write_pattern(ends.a, 512, i);
        assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, SUPPORT_WAIT_MS),
                         512);
        ends_check(buf, 512, i);
        ends_write_pattern(ends.b, 512, i + 9);
        assert_int_equal(wpipe_read(ends.a, buf, sizeof buf, SUPPORT_WAIT_MS),
                         512);
        ends_check(buf, 512, i + 9);
        for (size_t k = 512; k < sizeof buf; k++)
            assert_int_equal(buf[k], 0xee);
    }
    ends_close(&ends);
}

/* .NET row 81 */
static void byte_data_lands_where_asked(void **state)
{
    static const uint8_t want[] = { 9, 9, 2, 3, 4, 9, 9 };
    uint8_t from[] = { 1, 2, 3, 4, 5 };
    uint8_t to[7];
    struct ends ends;

    ends_open(&ends, *state, WPIPE_BYTE);
    memset(to, 9, sizeof to);
    assert_int_equal(wpipe_write(ends.a, from + 1, 3, SUPPORT_WAIT_MS), 3);
    assert_int_equal(wpipe_read(ends.b, to + 2, 3, SUPPORT_WAIT_MS), 3);
    assert_memory_equal(to, want, sizeof to);
    ends_close(&ends);
}

/* Pieces and writes have nothing to do with each other. */
static void byte_scatter_goes_on_within_a_piece(void **state)
{
    char one[5];
    char two[5];
    char rest[4];
    wpipe_piece pieces[] = { { one, 5 }, { NULL, 0 }, { two, 5 }, { rest, 4 } };
    struct ends ends;

    ends_open(&ends, *state, WPIPE_BYTE);
    memset(rest, '#', sizeof rest);
    ends_write(ends.a, "abc");
    ends_write(ends.a, "defg");
    ends_write(ends.a, "hijk");
    assert_int_equal(wpipe_readv(ends.b, pieces, 4, SUPPORT_WAIT_MS), 11);
    assert_memory_equal(one, "abcde", 5);
    assert_memory_equal(two, "fghij", 5);
    assert_memory_equal(rest, "k###", 4);
    assert_int_equal(wpipe_readv(ends.b, NULL, 0, WPIPE_FOREVER), 0);
    assert_int_equal(wpipe_readv(ends.b, pieces + 1, 1, WPIPE_FOREVER), 0);
    ends_close(&ends);
}

/* ---- chains -------------------------------------------------------------- */

struct chain {
    struct ends ends;
    size_t count; /* of writes */
    size_t write_size;
    size_t read_size;
};

static uint8_t chain_byte(size_t i)
{
    return (uint8_t)(i * 131 + (i >> 9));
}

static void chain_write(void *argument)
{
    struct chain *chain = argument;
    uint8_t *buf = malloc(chain->write_size);
    size_t at = 0;

    for (size_t i = 0; i < chain->count; i++) {
        for (size_t k = 0; k < chain->write_size; k++)
            buf[k] = chain_byte(at + k);
        assert_int_equal(
            wpipe_write(chain->ends.a, buf, chain->write_size, WPIPE_FOREVER),
            chain->write_size);
        at += chain->write_size;
    }
    assert_int_equal(wpipe_finish(chain->ends.a), 0);
    free(buf);
}

static void chain_run(const struct ends_kind *kind, size_t count,
                      size_t write_size, size_t read_size)
{
    struct chain chain = { .count = count,
                           .write_size = write_size,
                           .read_size = read_size };
    uint8_t *buf = malloc(read_size);
    struct ends_thread thread;
    size_t at = 0;
    int64_t r;

    ends_open(&chain.ends, kind, WPIPE_BYTE);
    ends_start(&thread, chain_write, &chain);
    while ((r = wpipe_read(chain.ends.b, buf, read_size, SUPPORT_WAIT_MS)) >
           0) {
        for (size_t k = 0; k < (size_t)r; k++)
            if (buf[k] != chain_byte(at + k))
                fail_msg("byte %zu differs", at + k);
        at += (size_t)r;
    }
    assert_int_equal(r, WPIPE_EOF);
    assert_int_equal(at, count * write_size);
    ends_join(&thread);
    ends_close(&chain.ends);
    free(buf);
}

/* .NET row 86 */
static void byte_chain_of_single_bytes(void **state)
{
    chain_run(*state, 5000, 1, 1);
}

static void byte_chain_21_into_18(void **state)
{
    chain_run(*state, 500, 21, 18);
}

static void byte_chain_18_into_21(void **state)
{
    chain_run(*state, 500, 18, 21);
}

static void byte_chain_128000_into_64000(void **state)
{
    chain_run(*state, 5, 128000, 64000);
}

/* .NET row 87 */
static void byte_copy_until_eof_is_complete(void **state)
{
    chain_run(*state, 0, 1, 4096);
    chain_run(*state, 1, 1, 4096);
    chain_run(*state, 1, 1024, 4096);
    chain_run(*state, 1, 4095, 4096);
    chain_run(*state, 1, 4096, 4096);
    chain_run(*state, 1, MIB, 4096);
}

/* ---- what does not fit --------------------------------------------------- */

/* As much as goes before the deadline; the rest is the caller's to repeat. */
static void byte_write_returns_what_went(void **state)
{
    enum {
        SIZE = 3 * 1024 * 1024
    };
    uint8_t *from = malloc(SIZE);
    uint8_t *to = malloc(SIZE);
    size_t written = 0;
    size_t read = 0;
    int partial = 0;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_BYTE);
    ends_fill(from, SIZE, 8);
    while (read < SIZE) {
        int64_t r = 0;

        if (written < SIZE)
            r = wpipe_write(ends.a, from + written, SIZE - written, 0);
        if (r == WPIPE_ETIMEDOUT)
            r = 0;
        assert_true(r >= 0);
        partial += r > 0 && written + (size_t)r < SIZE;
        written += (size_t)r;
        r = wpipe_read(ends.b, to + read, SIZE - read, 0);
        assert_true(r > 0 || r == WPIPE_ETIMEDOUT);
        read += r > 0 ? (size_t)r : 0;
    }
    assert_true(partial > 0);
    ends_check(to, SIZE, 8);
    ends_close(&ends);
    free(from);
    free(to);
}

/* ---- a message pipe read by bytes ---------------------------------------- */

/* The listening end says what the pipe is; how the other one reads is its own
 * affair. */
static void bytes_of_messages_open(struct ends *ends,
                                   const struct ends_kind *kind)
{
    struct ends_setup setup;

    ends_setup_init(&setup, kind, WPIPE_MESSAGE);
    setup.a_is_server = 1;
    setup.client.type = WPIPE_BYTE;
    ends_open_setup(ends, &setup);
}

/* Windows row 144, row 148: each end reads in its own way */
static void bytes_of_messages_coalesce(void **state)
{
    struct ends ends;
    char buf[100];

    bytes_of_messages_open(&ends, *state);
    ends_write(ends.a, "abcdef");
    ends_write(ends.a, "gh");
    assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, SUPPORT_WAIT_MS), 8);
    assert_memory_equal(buf, "abcdefgh", 8);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    ends_write(ends.b, "m1");
    ends_write(ends.b, "m2");
    ends_expect(ends.a, "m1");
    ends_expect(ends.a, "m2");
    ends_close(&ends);
}

/* Windows row 145: never "more data" */
static void bytes_of_messages_short_buffer(void **state)
{
    struct ends ends;
    char buf[100];

    bytes_of_messages_open(&ends, *state);
    ends_write(ends.a, "0123456789");
    assert_int_equal(wpipe_read(ends.b, buf, 4, SUPPORT_WAIT_MS), 4);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    assert_int_equal(wpipe_read(ends.b, buf, 100, SUPPORT_WAIT_MS), 6);
    assert_memory_equal(buf, "456789", 6);
    ends_close(&ends);
}

/* Windows row 146: empty messages are swallowed */
static void bytes_of_messages_swallow_empty(void **state)
{
    struct ends ends;
    char buf[100];

    bytes_of_messages_open(&ends, *state);
    ends_write(ends.a, "abc");
    ends_write(ends.a, "");
    ends_write(ends.a, "de");
    assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, SUPPORT_WAIT_MS), 5);
    assert_memory_equal(buf, "abcde", 5);
    ends_write(ends.a, "");
    assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, 0), WPIPE_ETIMEDOUT);
    ends_write(ends.a, "");
    ends_write(ends.a, "f");
    assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, SUPPORT_WAIT_MS), 1);
    /* and are read: nothing is left to drain */
    ends_write(ends.a, "");
    assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_drain(ends.a, SUPPORT_WAIT_MS), 0);
    ends_close(&ends);
}

static void read_behind_empty(void *argument)
{
    char buf[8];

    assert_int_equal(wpipe_read(argument, buf, sizeof buf, SUPPORT_WAIT_MS), 1);
    assert_int_equal(buf[0], 'x');
}

/* An empty message is nothing to a waiting reader of bytes. */
static void bytes_of_messages_empty_wakes_nobody(void **state)
{
    struct ends_thread thread;
    struct ends ends;

    bytes_of_messages_open(&ends, *state);
    ends_start(&thread, read_behind_empty, ends.b);
    ends_wait_asleep(&thread);
    ends_write(ends.a, "");
    ends_write(ends.a, "");
    ends_write(ends.a, "x");
    ends_join(&thread);
    ends_close(&ends);
}

/* A withdrawn message takes nothing with it: what was read of it counts, and
 * the next one is a message of its own. */
static void bytes_of_messages_skip_withdrawn(void **state)
{
    struct ends ends;
    char buf[100];
    void *data;

    bytes_of_messages_open(&ends, *state);
    for (int i = 0; i < 3; i++) {
        for (int seen = 1; seen >= 0; seen--) {
            assert_int_equal(
                wpipe_write_begin(ends.a, 4, &data, SUPPORT_WAIT_MS), 0);
            memcpy(data, "part", 4);
            assert_int_equal(wpipe_write_commit(ends.a, 4, 1), 4);
            if (seen)
                ends_expect_bytes(ends.b, "pa");
            wpipe_write_abort(ends.a);
            if (seen)
                ends_expect_bytes(ends.b, "rt");
        }
        assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, 0),
                         WPIPE_ETIMEDOUT);
        ends_write(ends.a, "next");
        assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, SUPPORT_WAIT_MS),
                         4);
        assert_memory_equal(buf, "next", 4);
    }
    ends_close(&ends);
}

/* Windows row 134, .NET row 140: a byte pipe has no messages */
static void message_reading_of_byte_pipe_refused(void **state)
{
    struct ends_setup setup;
    struct ends ends;

    ends_setup_init(&setup, *state, WPIPE_BYTE);
    setup.client.type = WPIPE_MESSAGE;
    assert_int_equal(ends_try_setup(&ends, &setup), WPIPE_ESTATE);
}

static const struct ends_case cases[] = {
    EACH(byte_writes_coalesce),
    EACH(byte_short_buffer_reads_on),
    EACH(byte_reader_returns_with_first_write),
    EACH(byte_read_of_nothing_never_waits),
    EACH(byte_write_of_nothing_has_no_effect),
    EACH(byte_single_bytes_in_order),
    EACH(byte_half_buffer_never_over_read),
    EACH(byte_data_lands_where_asked),
    EACH(byte_scatter_goes_on_within_a_piece),
    EACH(byte_chain_of_single_bytes),
    EACH(byte_chain_21_into_18),
    EACH(byte_chain_18_into_21),
    EACH(byte_chain_128000_into_64000),
    EACH(byte_copy_until_eof_is_complete),
    EACH(byte_write_returns_what_went),
    EACH(bytes_of_messages_coalesce),
    EACH(bytes_of_messages_short_buffer),
    EACH(bytes_of_messages_swallow_empty),
    EACH(bytes_of_messages_empty_wakes_nobody),
    EACH(bytes_of_messages_skip_withdrawn),
    EACH(message_reading_of_byte_pipe_refused),
};

ENDS_MAIN(cases)
