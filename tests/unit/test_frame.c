/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: the layout byte by byte, and every field that a peer can get wrong.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <windpipe/error.h>

#include "base/frame.h"
#include "base/record.h"
#include "base/ring.h"

static int decode(const struct wpipe__frame *frame)
{
    uint8_t bytes[WPIPE__FRAME_HEADER];
    struct wpipe__frame got;

    wpipe__frame_encode(frame, bytes);
    return wpipe__frame_decode(bytes, &got);
}

/* ---- the header ---------------------------------------------------------- */

static void frame_header_is_laid_out_so(void **state)
{
    static const uint8_t want[WPIPE__FRAME_HEADER] = {
        4, 0, 0x01, 0x00, 0x78, 0x12, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1
    };
    const struct wpipe__frame frame = { .type = WPIPE__FRAME_DATA,
                                        .flags = WPIPE__RECORD_MORE,
                                        .size = 0x1278,
                                        .value = 0x0102030405060708 };
    uint8_t bytes[WPIPE__FRAME_HEADER];
    struct wpipe__frame got = { .type = 0 };

    (void)state;
    memset(bytes, 0xff, sizeof bytes);
    wpipe__frame_encode(&frame, bytes);
    assert_memory_equal(bytes, want, sizeof want);
    assert_int_equal(wpipe__frame_decode(bytes, &got), 0);
    assert_int_equal(got.type, frame.type);
    assert_int_equal(got.flags, frame.flags);
    assert_int_equal(got.size, frame.size);
    assert_int_equal(got.value, frame.value);
}

/* A frame as its type wants it. */
static struct wpipe__frame good(uint8_t type)
{
    struct wpipe__frame f = { .type = type };

    switch (type) {
    case WPIPE__FRAME_HELLO:
    case WPIPE__FRAME_VERDICT:
        f.size = WPIPE__GREETING_SIZE;
        f.value = WPIPE__HELLO_MAGIC;
        break;
    case WPIPE__FRAME_CREDIT:
    case WPIPE__FRAME_SWITCH:
        f.size = 8;
        break;
    case WPIPE__FRAME_STATE:
        f.value = WPIPE__STATE_CLOSED;
        break;
    default:
        break;
    }
    return f;
}

static void frame_each_type_with_its_body_is_taken(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        struct wpipe__frame f = good((uint8_t)type);
        int known = type >= WPIPE__FRAME_HELLO && type <= WPIPE__FRAME_FACTS;

        assert_int_equal(decode(&f), known ? 0 : WPIPE_EPROTO);
    }
}

static void frame_reserved_byte_set_is_eproto(void **state)
{
    (void)state;
    for (uint8_t type = 1; type <= WPIPE__FRAME_FACTS; type++) {
        struct wpipe__frame f = good(type);
        uint8_t bytes[WPIPE__FRAME_HEADER];

        wpipe__frame_encode(&f, bytes);
        bytes[1] = 1;
        assert_int_equal(wpipe__frame_decode(bytes, &f), WPIPE_EPROTO);
    }
}

static void frame_body_of_wrong_size_is_eproto(void **state)
{
    static const uint32_t sizes[] = { 0,  1,  7,       8,       9,         39,
                                      40, 41, 1 << 16, 1 << 30, UINT32_MAX };

    (void)state;
    for (uint8_t type = 1; type <= WPIPE__FRAME_FACTS; type++) {
        if (type == WPIPE__FRAME_DATA || type == WPIPE__FRAME_FACTS)
            continue;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct wpipe__frame f = good(type);
            uint32_t right = f.size;

            f.size = sizes[i];
            assert_int_equal(decode(&f), f.size == right ? 0 : WPIPE_EPROTO);
        }
    }
}

static void frame_flags_without_record_are_eproto(void **state)
{
    (void)state;
    for (uint8_t type = 1; type <= WPIPE__FRAME_FACTS; type++) {
        for (unsigned bit = 0; bit < 16; bit++) {
            struct wpipe__frame f = good(type);

            if (type == WPIPE__FRAME_DATA)
                continue;
            f.flags = (uint16_t)(1u << bit);
            assert_int_equal(decode(&f), WPIPE_EPROTO);
        }
    }
}

static void frame_unknown_state_is_eproto(void **state)
{
    static const uint64_t values[] = { 0, 4, 255, (uint64_t)1 << 32 | 1,
                                       UINT64_MAX };
    struct wpipe__frame f = good(WPIPE__FRAME_STATE);

    (void)state;
    f.value = WPIPE__STATE_DISCONNECTED;
    assert_int_equal(decode(&f), 0);
    f.value = WPIPE__STATE_DROPPED;
    assert_int_equal(decode(&f), 0);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        f.value = values[i];
        assert_int_equal(decode(&f), WPIPE_EPROTO);
    }
}

static void frame_failure_leaves_output(void **state)
{
    struct wpipe__frame f = good(WPIPE__FRAME_WAIT);
    struct wpipe__frame got = { .type = 99, .size = 98, .value = 97 };
    uint8_t bytes[WPIPE__FRAME_HEADER];

    (void)state;
    f.size = 1;
    wpipe__frame_encode(&f, bytes);
    assert_int_equal(wpipe__frame_decode(bytes, &got), WPIPE_EPROTO);
    assert_int_equal(got.type, 99);
    assert_int_equal(got.size, 98);
    assert_int_equal(got.value, 97);
}

/* ---- DATA ---------------------------------------------------------------- */

static int decode_data(uint32_t flags, uint32_t size)
{
    const struct wpipe__frame f = { .type = WPIPE__FRAME_DATA,
                                    .flags = (uint16_t)flags,
                                    .size = size };

    return decode(&f);
}

static void data_of_any_size_up_to_the_limit(void **state)
{
    (void)state;
    assert_int_equal(decode_data(0, 0), 0);
    assert_int_equal(decode_data(0, 1), 0);
    assert_int_equal(decode_data(0, WPIPE__FRAME_DATA_MAX), 0);
    assert_int_equal(decode_data(0, WPIPE__FRAME_DATA_MAX + 1), WPIPE_EPROTO);
    assert_int_equal(decode_data(0, UINT32_MAX), WPIPE_EPROTO);
    assert_int_equal(decode_data(WPIPE__RECORD_REQUEST, 7), WPIPE_EPROTO);
    assert_int_equal(decode_data(WPIPE__RECORD_REQUEST, 8), 0);
    assert_int_equal(
        decode_data(WPIPE__RECORD_REQUEST, WPIPE__FRAME_DATA_MAX + 8), 0);
    assert_int_equal(
        decode_data(WPIPE__RECORD_REQUEST, WPIPE__FRAME_DATA_MAX + 9),
        WPIPE_EPROTO);
    assert_int_equal(decode_data(WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL |
                                     WPIPE__RECORD_REPLY,
                                 WPIPE__FRAME_DATA_MAX + 16),
                     0);
    assert_int_equal(decode_data(WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL |
                                     WPIPE__RECORD_REPLY,
                                 WPIPE__FRAME_DATA_MAX + 17),
                     WPIPE_EPROTO);
}

static void data_with_flags_that_nobody_sets_is_eproto(void **state)
{
    (void)state;
    assert_int_equal(decode_data(WPIPE__RECORD_PAD, 8), WPIPE_EPROTO);
    assert_int_equal(decode_data(WPIPE__RECORD_REVOCABLE, 8), WPIPE_EPROTO);
    assert_int_equal(decode_data(WPIPE__RECORD_REVOKED, 8), WPIPE_EPROTO);
    for (unsigned bit = 9; bit < 16; bit++)
        assert_int_equal(decode_data(1u << bit, 8), WPIPE_EPROTO);
    assert_int_equal(
        decode_data(WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY, 16),
        WPIPE_EPROTO);
    assert_int_equal(decode_data(WPIPE__RECORD_TOTAL, 16), WPIPE_EPROTO);
    assert_int_equal(decode_data(WPIPE__RECORD_MORE, 0), WPIPE_EPROTO);
    assert_int_equal(decode_data(WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL, 8),
                     WPIPE_EPROTO);
    assert_int_equal(decode_data(WPIPE__RECORD_ABORT, 0), 0);
    assert_int_equal(decode_data(WPIPE__RECORD_FIN, 0), 0);
    assert_int_equal(decode_data(WPIPE__RECORD_ABORT, 1), WPIPE_EPROTO);
    assert_int_equal(decode_data(WPIPE__RECORD_FIN, 1), WPIPE_EPROTO);
    assert_int_equal(decode_data(WPIPE__RECORD_FIN | WPIPE__RECORD_ABORT, 0),
                     WPIPE_EPROTO);
}

/* ---- greetings ----------------------------------------------------------- */

static const struct wpipe__greeting greeting = {
    .version_low = 1,
    .version_high = 3,
    .code = WPIPE__VERDICT_BUSY,
    .flags = WPIPE__GREET_WAIT | WPIPE__GREET_SHARED,
    .type = WPIPE_MESSAGE,
    .direction = WPIPE_OUT,
    .buffer_in = 4096,
    .buffer_out = 1 << 26,
    .max_message = 0x0102030405060708,
};

static void greeting_is_laid_out_so(void **state)
{
    static const uint8_t want[WPIPE__GREETING_SIZE] = {
        1, 0, 3, 0, 1, 0, 0, 0, 3, 0, 0, 0, 2, 0, 2, 0, 0, 0x10, 0, 0,
        0, 0, 0, 4, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0,    0, 0
    };
    uint8_t bytes[WPIPE__GREETING_SIZE];
    struct wpipe__greeting got;

    (void)state;
    memset(bytes, 0xff, sizeof bytes);
    wpipe__greeting_encode(&greeting, bytes);
    assert_memory_equal(bytes, want, sizeof want);
    assert_int_equal(wpipe__greeting_decode(bytes, &got), 0);
    assert_int_equal(got.version_low, 1);
    assert_int_equal(got.version_high, 3);
    assert_int_equal(got.code, WPIPE__VERDICT_BUSY);
    assert_int_equal(got.flags, greeting.flags);
    assert_int_equal(got.type, WPIPE_MESSAGE);
    assert_int_equal(got.direction, WPIPE_OUT);
    assert_int_equal(got.buffer_in, 4096);
    assert_int_equal(got.buffer_out, 1 << 26);
    assert_int_equal(got.max_message, greeting.max_message);
}

static int decode_greeting(const struct wpipe__greeting *g)
{
    uint8_t bytes[WPIPE__GREETING_SIZE];
    struct wpipe__greeting got = { .code = 99 };
    int r;

    wpipe__greeting_encode(g, bytes);
    r = wpipe__greeting_decode(bytes, &got);
    if (r < 0)
        assert_int_equal(got.code, 99);
    return r;
}

static void greeting_with_bad_field_is_eproto(void **state)
{
    static const uint32_t buffers[] = { 0,       1,          2048,
                                        4095,    4097,       6144,
                                        1 << 27, UINT32_MAX, 0x80000000u };
    struct wpipe__greeting g;

    (void)state;
    g = greeting;
    g.version_low = 4;
    assert_int_equal(decode_greeting(&g), WPIPE_EPROTO);
    g = greeting;
    g.type = 3;
    assert_int_equal(decode_greeting(&g), WPIPE_EPROTO);
    g = greeting;
    g.direction = 3;
    assert_int_equal(decode_greeting(&g), WPIPE_EPROTO);
    g = greeting;
    g.code = WPIPE__VERDICT_PROTOCOL + 1;
    assert_int_equal(decode_greeting(&g), WPIPE_EPROTO);
    g = greeting;
    g.max_message = 0;
    assert_int_equal(decode_greeting(&g), WPIPE_EPROTO);
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        g = greeting;
        g.buffer_in = buffers[i];
        assert_int_equal(decode_greeting(&g), WPIPE_EPROTO);
        g = greeting;
        g.buffer_out = buffers[i];
        assert_int_equal(decode_greeting(&g), WPIPE_EPROTO);
    }
}

/* Later versions will set more of them; today's must not mind. */
static void greeting_with_unknown_flags_is_taken(void **state)
{
    struct wpipe__greeting g = greeting;

    (void)state;
    g.flags = UINT32_MAX;
    assert_int_equal(decode_greeting(&g), 0);
    g.version_high = UINT16_MAX;
    assert_int_equal(decode_greeting(&g), 0);
    g.version_low = UINT16_MAX;
    g.code = WPIPE__VERDICT_PROTOCOL;
    assert_int_equal(decode_greeting(&g), 0);
}

/* ---- the rest ------------------------------------------------------------ */

static void switch_sizes_must_agree(void **state)
{
    static const uint32_t bad[][2] = {
        { 0, 4096 },
        { 2048, 6144 },
        { 4096, 4096 },
        { 4096, 8191 },
        { 4096, 8193 },
        { 5000, 9096 },
        { 1u << 27, 4096 + (1u << 27) },
        { UINT32_MAX, 4095 },
        { 0x80000000u, 0x80001000u },
    };
    struct wpipe__switch s = { 65536, 65536 + WPIPE__CONTROL_SIZE };
    struct wpipe__switch got;
    uint8_t bytes[WPIPE__SWITCH_SIZE];

    (void)state;
    wpipe__switch_encode(&s, bytes);
    assert_memory_equal(bytes, "\0\0\1\0\0\20\1\0", 8);
    assert_int_equal(wpipe__switch_decode(bytes, &got), 0);
    assert_int_equal(got.ring_size, 65536);
    assert_int_equal(got.segment_size, 65536 + 4096);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        s.ring_size = bad[i][0];
        s.segment_size = bad[i][1];
        wpipe__switch_encode(&s, bytes);
        assert_int_equal(wpipe__switch_decode(bytes, &got), WPIPE_EPROTO);
    }
}

static void verdict_codes_and_errors_are_one_to_one(void **state)
{
    (void)state;
    assert_int_equal(wpipe__verdict_error(WPIPE__VERDICT_ACCEPTED), 0);
    assert_int_equal(wpipe__verdict_error(WPIPE__VERDICT_BUSY), WPIPE_EBUSY);
    assert_int_equal(wpipe__verdict_error(WPIPE__VERDICT_DENIED), WPIPE_EACCES);
    assert_int_equal(wpipe__verdict_error(WPIPE__VERDICT_MODE), WPIPE_ESTATE);
    for (uint32_t code = 0; code <= WPIPE__VERDICT_PROTOCOL; code++)
        assert_int_equal(wpipe__verdict_code(wpipe__verdict_error(code)), code);
    assert_int_equal(wpipe__verdict_error(WPIPE__VERDICT_PROTOCOL + 1),
                     WPIPE_EREFUSED);
    assert_int_equal(wpipe__verdict_error(1000), WPIPE_EREFUSED);
    assert_int_equal(wpipe__verdict_code(WPIPE_ENOMEM), WPIPE__VERDICT_REFUSED);
    assert_int_equal(wpipe__verdict_code(-1000), WPIPE__VERDICT_REFUSED);
}

/* Small frames cost a kibibyte, large ones what they take in a ring. */
static void charge_is_space_but_at_least_one_kib(void **state)
{
    (void)state;
    assert_int_equal(wpipe__frame_charge(0, 0), 1024);
    assert_int_equal(wpipe__frame_charge(0, 1016), 1024);
    assert_int_equal(wpipe__frame_charge(0, 1017), 1032);
    assert_int_equal(wpipe__frame_charge(WPIPE__RECORD_REPLY, 1009), 1032);
    assert_int_equal(wpipe__frame_charge(0, WPIPE__FRAME_DATA_MAX),
                     WPIPE__FRAME_DATA_MAX + 8);
}

/* Every byte a decoder may meet, in every place of a good header. */
static void frame_any_byte_anywhere_is_judged(void **state)
{
    (void)state;
    for (uint8_t type = 1; type <= WPIPE__FRAME_FACTS; type++) {
        for (size_t at = 0; at < WPIPE__FRAME_HEADER; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                struct wpipe__frame f = good(type);
                uint8_t bytes[WPIPE__FRAME_HEADER];

                wpipe__frame_encode(&f, bytes);
                bytes[at] = (uint8_t)byte;
                if (wpipe__frame_decode(bytes, &f) < 0)
                    continue;
                assert_true(f.type >= 1 && f.type <= WPIPE__FRAME_FACTS);
                assert_true(f.size <= 16u << 20);
                if (f.type == WPIPE__FRAME_DATA)
                    assert_true(f.size <= WPIPE__FRAME_DATA_MAX + 16);
            }
        }
    }
}

static const struct support_case cases[] = {
    TEST(frame_header_is_laid_out_so),
    TEST(frame_each_type_with_its_body_is_taken),
    TEST(frame_reserved_byte_set_is_eproto),
    TEST(frame_body_of_wrong_size_is_eproto),
    TEST(frame_flags_without_record_are_eproto),
    TEST(frame_unknown_state_is_eproto),
    TEST(frame_failure_leaves_output),
    TEST(data_of_any_size_up_to_the_limit),
    TEST(data_with_flags_that_nobody_sets_is_eproto),
    TEST(greeting_is_laid_out_so),
    TEST(greeting_with_bad_field_is_eproto),
    TEST(greeting_with_unknown_flags_is_taken),
    TEST(switch_sizes_must_agree),
    TEST(verdict_codes_and_errors_are_one_to_one),
    TEST(charge_is_space_but_at_least_one_kib),
    TEST(frame_any_byte_anywhere_is_judged),
};

TEST_MAIN(cases)
