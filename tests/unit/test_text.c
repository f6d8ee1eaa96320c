/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in fixed buffers: terminated, whole characters, fit for a terminal. */
#include "support.h"

#include <string.h>

#include "base/base.h"
#include "base/text.h"
#include "base/utf8.h"

static void text_no_room_nothing_happens(void **state)
{
    char guard = 'g';

    (void)state;
    wpipe__text_set(NULL, 0, "%d", 1);
    wpipe__text_set(NULL, 100, "%d", 1);
    wpipe__text_set(&guard, 0, "%d", 1);
    assert_int_equal(guard, 'g');
    wpipe__text_set(&guard, 1, "%d", 1);
    assert_int_equal(guard, '\0');
}

static void text_fits_printed_whole(void **state)
{
    char buf[12];

    (void)state;
    wpipe__text_set(buf, sizeof(buf), "%s is %d", "field", 12);
    assert_string_equal(buf, "field is 12");
    wpipe__text_set(buf, sizeof(buf), "%s is %d", "field", -12);
    assert_string_equal(buf, "field is -1"); /* one byte too many */
    wpipe__text_set(buf, sizeof(buf), "%s", "");
    assert_string_equal(buf, "");
}

static void text_too_long_cut_between_characters(void **state)
{
    /* 1, 2, 3 and 4 bytes */
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
    static const size_t kept[] = { 0, 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10 };
    size_t size;

    (void)state;
    for (size = 1; size < WPIPE__ARRAY_SIZE(kept); size++) {
        char buf[16];

        memset(buf, 'g', sizeof(buf));
        wpipe__text_set(buf, size, "%s", text);
        if (strlen(buf) != kept[size])
            fail_msg("%zu bytes of room: %zu kept", size, strlen(buf));
        assert_memory_equal(buf, text, kept[size]);
        assert_int_equal(buf[size], 'g');
    }
}

static void text_not_utf8_cut_anywhere(void **state)
{
    char buf[6];

    (void)state;
    wpipe__text_set(buf, sizeof(buf), "%s", "\x80\x80\x80\x80\x80\x80\x80");
    assert_string_equal(buf, "\x80\x80\x80\x80\x80");
    wpipe__text_set(buf, sizeof(buf), "%s", "\xff\x80\x80\x80\x80\x80\x80");
    assert_string_equal(buf, "\xff\x80\x80\x80\x80");
}

static void clean_replaces_what_a_terminal_obeys(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        { "", "" },
        { "plain text ~", "plain text ~" },
        { "\x01\t\n\r\x1b[0m\x1f\x7f", "?????[0m??" },
        { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
          "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "a\xc2\x80z\xc2\x9fz\xc2\xa0", "a??z??z\xc2\xa0" },
        { "\xff\xfe ", "?? " },
        { "cut\xe2\x82", "cut??" },
        { "\xed\xa0\x80", "???" },
        { "\xc3(", "?(" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        char buf[32];

        memcpy(buf, rows[i].in, strlen(rows[i].in) + 1);
        wpipe__text_clean(buf);
        assert_string_equal(buf, rows[i].out);
    }
}

static void clean_of_any_bytes_is_utf8(void **state)
{
    uint32_t seed = 7;
    int round;

    (void)state;
    for (round = 0; round < 2000; round++) {
        char buf[65] = { 0 };
        size_t length;
        size_t i;

        for (i = 0; i < 64; i++) {
            seed = seed * 1664525 + 1013904223;
            buf[i] = (char)(1 + (seed >> 16) % 255);
        }
        length = strlen(buf);
        wpipe__text_clean(buf);
        assert_int_equal(strlen(buf), length);
        assert_true(wpipe__utf8_valid(buf, length));
    }
}

static const struct support_case cases[] = {
    TEST(text_no_room_nothing_happens),
    TEST(text_fits_printed_whole),
    TEST(text_too_long_cut_between_characters),
    TEST(text_not_utf8_cut_anywhere),
    TEST(clean_replaces_what_a_terminal_obeys),
    TEST(clean_of_any_bytes_is_utf8),
};

TEST_MAIN(cases)
