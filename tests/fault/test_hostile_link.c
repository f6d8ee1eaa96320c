/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that break the rules of an open connection: credit, records, states,
 * announced sizes. The first thing that is wrong ends the connection with
 * WPIPE_EPROTO, and nothing grows by what was only announced. Peers that lie in
 * shared memory are in test_hostile_ring.c.
 */
#include "raw_peer.h"

#include <string.h>
#include <windpipe/error.h>

#include "base/memory.h"
#include "stream/stream.h"

enum {
    SERVER = 1,
    CLIENT = 0,
    NEVER = WPIPE_SHARED_NEVER
};

/* ---- credit and window --------------------------------------------------- */

static void data_beyond_credit_is_eproto(void **state)
{
    static uint8_t bytes[WPIPE__FRAME_DATA_MAX];
    static const uint32_t sizes[] = { 0, 1, 1000, 4000, WPIPE__FRAME_DATA_MAX };

    (void)state;
    for (int i = 0; i < 10; i++) {
        uint32_t size = sizes[i / 2];
        size_t memory = raw_memory();
        struct raw_peer raw;

        raw_open_greeted(&raw, i % 2, NEVER);
        /* all that is granted, and it is taken */
        while (raw.sent + wpipe__frame_charge(0, size) <= 65536) {
            assert_true(raw_data(&raw, 0, bytes, size));
            assert_int_equal(raw.link->transport->pump(raw.link), 1);
        }
        assert_int_equal(wpipe_peek(raw.stream, NULL, 0, NULL, NULL), 0);
        assert_true(raw_data(&raw, 0, bytes, size));
        raw_expect_end(&raw, WPIPE_EPROTO);
        assert_true(raw_memory() - memory < (1 << 20) * SUPPORT_LIMIT_FACTOR);
        raw_close(&raw);
    }
}

/* Before the verdict the least window holds. */
static void data_before_verdict_within_least_window(void **state)
{
    struct wpipe__greeting g = raw_greeting();
    struct raw_peer raw;

    (void)state;
    raw_open(&raw, SERVER, NEVER);
    assert_true(raw_greet(&raw, WPIPE__FRAME_HELLO, WPIPE__HELLO_MAGIC, &g));
    for (int i = 0; i < 16; i++)
        assert_true(raw_data(&raw, 0, "early", 5));
    raw_expect_greeting(&raw, WPIPE__GREET_HELLO);
    assert_true(raw_data(&raw, 0, "early", 5));
    (void)raw.link->transport->pump(raw.link);
    raw_expect_greeting(&raw, WPIPE_EPROTO);
    raw_close(&raw);
}

static void credit_that_cannot_be_is_eproto(void **state)
{
    /* the victim has written three records: 3072 charged */
    static const uint64_t values[] = { 3073,    3080,       4096,
                                       1 << 20, UINT64_MAX, UINT64_MAX - 7 };

    (void)state;
    for (int i = 0; i < 24; i++) {
        uint64_t value = values[i / 4];
        struct raw_peer raw;

        raw_open_greeted(&raw, i % 2, NEVER);
        for (int k = 0; k < 3; k++)
            assert_int_equal(wpipe_write(raw.stream, "x", 1, 0), 1);
        if (i & 2) /* DATA tells it as well */
            assert_true(raw_frame(&raw, WPIPE__FRAME_DATA, 0, value, "x", 1));
        else
            assert_true(
                raw_frame(&raw, WPIPE__FRAME_CREDIT, 0, value, NULL, 8));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

static void credit_that_goes_back_is_eproto(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct raw_peer raw;

        raw_open_greeted(&raw, i, NEVER);
        for (int k = 0; k < 3; k++)
            assert_int_equal(wpipe_write(raw.stream, "x", 1, 0), 1);
        assert_true(raw_frame(&raw, WPIPE__FRAME_CREDIT, 0, 2048, NULL, 8));
        assert_int_equal(wpipe_peek(raw.stream, NULL, 0, NULL, NULL), 0);
        assert_true(raw_frame(&raw, WPIPE__FRAME_CREDIT, 0, 1024, NULL, 8));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

/* `consumed` is information: a lie about it harms nobody. */
static void credit_with_absurd_consumed_is_borne(void **state)
{
    static const uint8_t lies[3][8] = {
        { 0 }, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, { 1, 0, 1 }
    };

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct raw_peer raw;

        raw_open_greeted(&raw, SERVER, NEVER);
        assert_true(raw_frame(&raw, WPIPE__FRAME_CREDIT, 0, 0, lies[i], 8));
        raw_expect_alive(&raw);
        raw_close(&raw);
    }
}

/* ---- announced, not sent ------------------------------------------------- */

static void body_of_4_gib_is_eproto(void **state)
{
    (void)state;
    for (unsigned type = 1; type < 14; type++) {
        for (int serves = 0; serves < 2; serves++) {
            size_t memory = raw_memory();
            struct raw_peer raw;

            raw_open_greeted(&raw, serves, NEVER);
            assert_true(raw_header(&raw, (uint8_t)type, 0, 0, UINT32_MAX));
            raw_expect_end(&raw, WPIPE_EPROTO);
            assert_true(raw_memory() - memory <
                        (1 << 20) * SUPPORT_LIMIT_FACTOR);
            raw_close(&raw);
        }
    }
}

/* A message that is said to be enormous takes only what has come of it. */
static void message_of_announced_size_takes_no_memory(void **state)
{
    static const uint64_t totals[] = { 1 << 20,    (1 << 20) + 1,
                                       UINT64_MAX, (uint64_t)1 << 63,
                                       0,          1 };

    (void)state;
    for (int i = 0; i < 6; i++) {
        size_t memory = raw_memory();
        uint8_t body[8 + 4];
        uint8_t buf[64];
        struct raw_peer raw;
        size_t left = 0;
        int64_t r;

        raw_open_greeted(&raw, SERVER, NEVER);
        memcpy(body, &totals[i], 8);
        memcpy(body + 8, "part", 4);
        assert_true(raw_frame(&raw, WPIPE__FRAME_DATA,
                              WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL, 0, body,
                              sizeof body));
        (void)wpipe_peek(raw.stream, buf, sizeof buf, NULL, &left);
        r = wpipe_read(raw.stream, buf, sizeof buf, 0);
        if (totals[i] > 1 << 20)
            assert_int_equal(r, WPIPE_EMSGSIZE);
        else
            assert_true(left <= 1 << 20);
        (void)wpipe_peek(raw.stream, buf, sizeof buf, NULL, &left);
        assert_true(left <= 1 << 20);
        assert_true(raw_memory() - memory < (1 << 20) * SUPPORT_LIMIT_FACTOR);
        raw_close(&raw);
    }
}

/* ---- records ------------------------------------------------------------- */

static void record_that_nobody_sends_is_eproto(void **state)
{
    static const uint16_t flags[] = {
        WPIPE__RECORD_PAD,
        WPIPE__RECORD_REVOCABLE,
        WPIPE__RECORD_REVOKED,
        WPIPE__RECORD_ALIGNED,
        0x8000,
        WPIPE__RECORD_FIN | WPIPE__RECORD_MORE,
        WPIPE__RECORD_ABORT,
        WPIPE__RECORD_FIN,
        WPIPE__RECORD_TOTAL,
        WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY,
    };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof flags / sizeof *flags; i++) {
        struct raw_peer raw;

        raw_open_greeted(&raw, i % 2, NEVER);
        assert_true(
            raw_frame(&raw, WPIPE__FRAME_DATA, flags[i / 2], 0, NULL, 24));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

/* Allowed, and odd: nothing but what it says happens. */
static void record_that_is_odd_is_borne(void **state)
{
    uint8_t buf[64];
    struct raw_peer raw;

    (void)state;
    raw_open_greeted(&raw, SERVER, NEVER);
    /* ABORT of nothing, twice */
    assert_true(raw_data(&raw, WPIPE__RECORD_ABORT, NULL, 0));
    assert_true(raw_data(&raw, WPIPE__RECORD_ABORT, NULL, 0));
    assert_int_equal(wpipe_read(raw.stream, buf, 64, 0), WPIPE_ETIMEDOUT);
    /* a call where nobody knows of calls */
    assert_true(raw_frame(&raw, WPIPE__FRAME_DATA, WPIPE__RECORD_REQUEST, 0,
                          "12345678call", 12));
    raw.sent += 1024;
    assert_int_equal(wpipe_read(raw.stream, buf, 64, 0), 4);
    assert_memory_equal(buf, "call", 4);
    raw_close(&raw);
}

/* Records that are sound, one after the other as nobody sends them. */
struct disorder {
    struct {
        uint16_t flags;
        const char *body; /* its words and its payload */
        uint32_t size;
    } records[3];
};

#define MORE    WPIPE__RECORD_MORE
#define TOTAL   WPIPE__RECORD_TOTAL
#define REQUEST WPIPE__RECORD_REQUEST
#define REPLY   WPIPE__RECORD_REPLY

static const struct disorder disorders[] = {
    /* TOTAL below the first record; not met; exceeded; twice */
    { { { MORE | TOTAL, "\4\0\0\0\0\0\0\0first", 13 } } },
    { { { MORE | TOTAL, "\0\0\0\0\0\0\0\0first", 13 } } },
    { { { MORE | TOTAL, "\7\0\0\0\0\0\0\0first", 13 }, { 0, "!", 1 } } },
    { { { MORE | TOTAL, "\7\0\0\0\0\0\0\0first", 13 }, { 0, "", 0 } } },
    { { { MORE | TOTAL, "\6\0\0\0\0\0\0\0first", 13 }, { 0, "!!", 2 } } },
    { { { MORE | TOTAL, "\7\0\0\0\0\0\0\0first", 13 },
        { MORE | TOTAL, "\7\0\0\0\0\0\0\0!", 9 } } },
    { { { MORE, "first", 5 }, { MORE | TOTAL, "\7\0\0\0\0\0\0\0!", 9 } } },
    /* calls inside a message, without an id, answers to no call */
    { { { MORE, "first", 5 }, { REQUEST, "\1\0\0\0\0\0\0\0call", 12 } } },
    { { { MORE, "first", 5 }, { REPLY, "\1\0\0\0\0\0\0\0reply", 13 } } },
    { { { REQUEST, "\0\0\0\0\0\0\0\0call", 12 } } },
    { { { REPLY, "\0\0\0\0\0\0\0\0reply", 13 } } },
    { { { REPLY, "\1\0\0\0\0\0\0\0reply", 13 } } },
    /* behind a message in good order */
    { { { 0, "good", 4 }, { REPLY, "\1\0\0\0\0\0\0\0reply", 13 } } },
};

/* How it is read: 0 as messages, 1 as bytes, 2 in the smallest pieces, 3 in
 * place. Peeking never shows more than a read would give. */
static int read_on(struct raw_peer *raw, int how)
{
    uint8_t buf[64];
    const void *view;
    size_t there;
    size_t left;
    size_t size;
    int64_t r = wpipe_peek(raw->stream, buf, sizeof buf, &there, &left);

    if (r < 0)
        return (int)r;
    assert_true(there <= 64 && left <= 64);
    if (how < 3) {
        r = wpipe_read(raw->stream, buf, how == 2 ? 1 : sizeof buf, 0);
        return r < 0 ? (int)r : 0;
    }
    r = wpipe_read_begin(raw->stream, &view, &size, 0);
    return r < 0 ? (int)r : wpipe_read_end(raw->stream, size);
}

static void records_out_of_order_are_eproto(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8 * sizeof disorders / sizeof *disorders; i++) {
        const struct disorder *d = &disorders[i / 8];
        int how = i / 2 % 4;
        struct raw_peer raw;
        int r = 0;

        raw_open_greeted(&raw, i % 2, NEVER);
        raw.stream->reads_messages = how != 1;
        for (int k = 0; k < 3 && d->records[k].body; k++)
            assert_true(raw_frame(&raw, WPIPE__FRAME_DATA, d->records[k].flags,
                                  0, d->records[k].body, d->records[k].size));
        for (int k = 0; k < 64 && r == 0; k++)
            r = read_on(&raw, how);
        if (r != WPIPE_EPROTO)
            fail_msg("row %zu read as %d: %s", i / 8, how, wpipe_error_name(r));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

/* A message over our limit: the connection is over, and the peer learns it. */
static void message_over_limit_ends_connection(void **state)
{
    static uint8_t bytes[16000];
    struct raw_peer raw;
    int64_t r;

    (void)state;
    raw_open_greeted(&raw, SERVER, NEVER);
    do {
        uint64_t before = raw.sent;

        while (raw.sent - before < 48000)
            assert_true(raw_data(&raw, WPIPE__RECORD_MORE, bytes, 16000));
        do
            r = wpipe_read(raw.stream, bytes, sizeof bytes, 0);
        while (r > 0);
        raw_ignore(&raw);
    } while (r == WPIPE_ETIMEDOUT && raw.sent < 4 << 20);
    assert_int_equal(r, WPIPE_EMSGSIZE);
    assert_true(raw.sent < (1 << 20) + 100000);
    raw_expect_end(&raw, WPIPE_EMSGSIZE);
    raw_close(&raw);
}

static void nothing_may_follow_fin(void **state)
{
    uint8_t byte;
    struct raw_peer raw;

    (void)state;
    raw_open_greeted(&raw, SERVER, NEVER);
    assert_true(raw_data(&raw, WPIPE__RECORD_FIN, NULL, 0));
    assert_true(raw_data(&raw, 0, "late", 4));
    for (int i = 0; i < 3; i++) {
        int64_t r = wpipe_read(raw.stream, &byte, 1, 0);

        assert_true(r == WPIPE_EOF || r == WPIPE_EPROTO);
    }
    raw_close(&raw);
}

/* What a message pipe may carry, and a byte pipe may not. */
static const struct {
    uint32_t flags;
    uint32_t size;
} messages[] = {
    { WPIPE__RECORD_ABORT, 0 },
    { WPIPE__RECORD_MORE, 5 },
    { WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL, 5 },
    { WPIPE__RECORD_REQUEST, 5 },
    { WPIPE__RECORD_REPLY, 5 },
};

static void messages_on_byte_pipe_are_eproto(void **state)
{
    static const uint8_t body[5 + 16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };

    (void)state;
    for (size_t i = 0; i < 4 * sizeof messages / sizeof *messages; i++) {
        uint32_t flags = messages[i / 4].flags;
        uint32_t size = messages[i / 4].size + wpipe__record_extra(flags);
        uint8_t bytes[8];
        struct raw_peer raw;

        raw_open_bytes(&raw, i % 2);
        if (i & 2) { /* behind good ones, seen by a peek first */
            assert_true(raw_data(&raw, 0, "good", 4));
            assert_true(raw_frame(&raw, WPIPE__FRAME_DATA, (uint16_t)flags, 0,
                                  body, size));
            assert_int_equal(
                wpipe_peek(raw.stream, bytes, sizeof bytes, NULL, NULL), 4);
            assert_int_equal(wpipe_read(raw.stream, bytes, sizeof bytes, 0), 4);
        } else {
            assert_true(raw_frame(&raw, WPIPE__FRAME_DATA, (uint16_t)flags, 0,
                                  body, size));
        }
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

/* ---- the end ------------------------------------------------------------- */

static void state_that_is_none_is_eproto(void **state)
{
    static const uint64_t values[] = { 0, 4, 256, UINT64_MAX };

    (void)state;
    for (int i = 0; i < 8; i++) {
        struct raw_peer raw;

        raw_open_greeted(&raw, i % 2, NEVER);
        assert_true(
            raw_frame(&raw, WPIPE__FRAME_STATE, 0, values[i / 2], NULL, 0));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

/* Says that it closed and goes on: what it says is believed, it is over. */
static void state_closed_then_more_is_over(void **state)
{
    struct raw_peer raw;
    uint8_t buf[8];
    int64_t r;

    (void)state;
    raw_open_greeted(&raw, SERVER, NEVER);
    assert_true(raw_data(&raw, 0, "before", 6));
    assert_true(raw_frame(&raw, WPIPE__FRAME_STATE, 0, 1, NULL, 0));
    for (int i = 0; i < 20; i++)
        assert_true(raw_data(&raw, 0, "after", 5));
    for (int i = 0; i < 30; i++)
        r = wpipe_read(raw.stream, buf, sizeof buf, 0);
    assert_true(r == WPIPE_EOF || r == WPIPE_EPROTO);
    assert_true(wpipe_write(raw.stream, "x", 1, 0) < 0);
    raw_close(&raw);
}

static void hang_up_in_frame_is_death(void **state)
{
    (void)state;
    for (uint32_t size = 1; size < 24; size++) {
        uint8_t bytes[24] = { WPIPE__FRAME_DATA, 0, 0, 0, 8 };
        struct raw_peer raw;

        raw_open_greeted(&raw, size % 2, NEVER);
        assert_true(raw_data(&raw, 0, "whole", 5));
        assert_true(raw_send(&raw, bytes, size));
        raw_hang_up(&raw);
        raw_expect_end(&raw, WPIPE_EDIED);
        raw_close(&raw);
    }
}

/* The parts of a frame are kept until it is whole: without memory for one of
 * them it is the end, and no byte is skipped. */
static void frame_in_parts_without_memory_is_the_end(void **state)
{
    static const uint8_t bytes[3000];
    uint8_t byte;

    (void)state;
    for (int part = 0; part < 4; part++) {
        struct raw_peer raw;

        raw_open_greeted(&raw, part % 2, NEVER);
        assert_true(raw_header(&raw, WPIPE__FRAME_DATA, 0, 0, sizeof bytes));
        if (part >= 2)
            assert_true(raw.link->transport->pump(raw.link) >= 0);
        wpipe__memory_fail_at(1);
        assert_true(raw_send(&raw, bytes, sizeof bytes - 1));
        assert_int_equal(wpipe_read(raw.stream, &byte, 1, 0), WPIPE_ENOMEM);
        wpipe__memory_fail_at(0);
        assert_int_equal(wpipe_read(raw.stream, &byte, 1, 0), WPIPE_ENOMEM);
        raw_close(&raw);
    }
}

/* ---- reserved and unknown ------------------------------------------------ */

static void reserved_frames_are_eproto(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        struct raw_peer raw;

        if ((type >= 1 && type <= WPIPE__FRAME_FACTS) ||
            type == WPIPE__FRAME_BELL)
            continue;
        raw_open_greeted(&raw, type % 2, NEVER);
        assert_true(raw_frame(&raw, (uint8_t)type, 0, 0, NULL, 40));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

static const struct support_case cases[] = {
    TEST(data_beyond_credit_is_eproto),
    TEST(data_before_verdict_within_least_window),
    TEST(credit_that_cannot_be_is_eproto),
    TEST(credit_that_goes_back_is_eproto),
    TEST(credit_with_absurd_consumed_is_borne),
    TEST(body_of_4_gib_is_eproto),
    TEST(message_of_announced_size_takes_no_memory),
    TEST(record_that_nobody_sends_is_eproto),
    TEST(record_that_is_odd_is_borne),
    TEST(records_out_of_order_are_eproto),
    TEST(message_over_limit_ends_connection),
    TEST(nothing_may_follow_fin),
    TEST(messages_on_byte_pipe_are_eproto),
    TEST(state_that_is_none_is_eproto),
    TEST(state_closed_then_more_is_over),
    TEST(hang_up_in_frame_is_death),
    TEST(frame_in_parts_without_memory_is_the_end),
    TEST(reserved_frames_are_eproto),
};

TEST_MAIN(cases)
