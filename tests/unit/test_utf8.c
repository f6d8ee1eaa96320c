/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 against a definition that shares nothing with the code: a sequence is
 * valid when encoding the number it stands for gives the same bytes.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/utf8.h"

/* RFC 3629's encoding of a scalar value; 0 for what is none. */
static size_t encode(uint32_t value, uint8_t out[4])
{
    if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    if (value < 0x80) {
        out[0] = (uint8_t)value;
        return 1;
    }
    if (value < 0x800) {
        out[0] = (uint8_t)(0xc0 | value >> 6);
        out[1] = (uint8_t)(0x80 | (value & 63));
        return 2;
    }
    if (value < 0x10000) {
        out[0] = (uint8_t)(0xe0 | value >> 12);
        out[1] = (uint8_t)(0x80 | (value >> 6 & 63));
        out[2] = (uint8_t)(0x80 | (value & 63));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | value >> 18);
    out[1] = (uint8_t)(0x80 | (value >> 12 & 63));
    out[2] = (uint8_t)(0x80 | (value >> 6 & 63));
    out[3] = (uint8_t)(0x80 | (value & 63));
    return 4;
}

/* 1 when the `size` bytes are one character. */
static int is_character(const uint8_t *bytes, size_t size)
{
    static const uint8_t lead_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t value = bytes[0] & lead_bits[size];
    uint8_t again[4];
    size_t i;

    for (i = 1; i < size; i++)
        value = value << 6 | (bytes[i] & 63);
    return encode(value, again) == size && memcmp(again, bytes, size) == 0;
}

static void check_sequence(const uint8_t *bytes, size_t size)
{
    int expected = is_character(bytes, size);
    size_t length = wpipe__utf8_length(bytes, size);

    if ((length == size) != expected || length > size)
        fail_msg("length of %02x %02x %02x %02x (%zu) is %zu", bytes[0],
                 bytes[1], bytes[2], bytes[3], size, length);
}

static void utf8_every_short_sequence_judged(void **state)
{
    uint32_t n;

    (void)state;
    for (n = 0; n < 0x1000000; n++) {
        const uint8_t bytes[4] = { (uint8_t)(n >> 16), (uint8_t)(n >> 8 & 255),
                                   (uint8_t)(n & 255), 0 };

        /* the third byte plays no part in shorter ones: once is enough */
        if ((n & 255) == 0)
            check_sequence(bytes, 2);
        if ((n & 0xffff) == 0)
            check_sequence(bytes, 1);
        if (bytes[0] >= 0xc0 || (n & 0x3f) == 0)
            check_sequence(bytes, 3);
    }
}

static void utf8_long_sequences_judged(void **state)
{
    static const uint8_t thirds[] = { 0x00, 0x7f, 0x80, 0x9f,
                                      0xa0, 0xbf, 0xc0, 0xff };
    uint8_t bytes[4];
    uint32_t n;
    size_t i;
    size_t j;

    (void)state;
    for (n = 0; n < 0x10000; n++)
        for (i = 0; i < sizeof(thirds); i++)
            for (j = 0; j < sizeof(thirds); j++) {
                bytes[0] = (uint8_t)(n >> 8);
                bytes[1] = (uint8_t)(n & 255);
                bytes[2] = thirds[i];
                bytes[3] = thirds[j];
                check_sequence(bytes, 4);
            }
}

static void utf8_every_code_point_valid(void **state)
{
    uint8_t bytes[4];
    uint32_t value;
    uint32_t count = 0;

    (void)state;
    for (value = 0; value <= 0x10ffff; value++) {
        size_t size = encode(value, bytes);

        if (size == 0)
            continue;
        count++;
        if (!wpipe__utf8_valid(bytes, size))
            fail_msg("U+%04X", value);
        if (size > 1 && wpipe__utf8_valid(bytes, size - 1))
            fail_msg("U+%04X, cut", value);
    }
    assert_int_equal(count, 0x110000 - 0x800);
}

static void utf8_bad_byte_found_at_every_place(void **state)
{
    size_t size;
    size_t at;

    (void)state;
    for (size = 0; size <= 40; size++) {
        /* exactly as large: a sanitizer sees a read of one byte more */
        char *text = malloc(size > 0 ? size : 1);

        memset(text, 'x', size);
        assert_true(wpipe__utf8_valid(text, size));
        for (at = 0; at < size; at++) {
            text[at] = (char)0xff;
            assert_false(wpipe__utf8_valid(text, size));
            text[at] = (char)0xc3; /* begins a character that never ends */
            assert_false(wpipe__utf8_valid(text, size));
            if (at + 1 < size) {
                text[at + 1] = (char)0xa9;
                assert_true(wpipe__utf8_valid(text, size));
                text[at + 1] = 'x';
            }
            text[at] = '\0';
            assert_true(wpipe__utf8_valid(text, size));
            text[at] = 'x';
        }
        free(text);
    }
}

static void utf8_nothing_is_valid(void **state)
{
    (void)state;
    assert_true(wpipe__utf8_valid(NULL, 0));
    assert_int_equal(wpipe__utf8_length(NULL, 0), 0);
}

static const struct support_case cases[] = {
    TEST(utf8_every_short_sequence_judged),
    TEST(utf8_long_sequences_judged),
    TEST(utf8_every_code_point_valid),
    TEST(utf8_bad_byte_found_at_every_place),
    TEST(utf8_nothing_is_valid),
};

TEST_MAIN(cases)
