/* SPDX-License-Identifier: Apache-2.0 */
/* Pipe names: what is stripped, what is refused, and that it says why. */
#include "support.h"

#include <string.h>

#include "base/base.h"
#include "base/name.h"
#include "base/utf8.h"

static void name_allowed_taken_as_it_is(void **state)
{
    static const char *const names[] = {
        "echo",
        "a",
        "a<>*?|\"b",  /* Windows row 38 */
        "trailing\\", /* Windows row 39 */
        "a\\b",       /* Windows row 40 */
        "\\",
        "with spaces : and.", /* Windows row 45 */
        " ",
        "...",
        ".x",
        "..x",
        "echo.lock",
        "anonymous2",
        "anonymou",
        "xanonymous",
        "CaSe",
        "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", /* 2, 3 and 4 bytes */
        "pipe\\x",
        "\\.\\pipe\\x",
        "\\\\server\\pipe\\x",
        "\\\\.\\pipes\\x",
    };
    char out[WPIPE_NAME_MAX + 1];
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(names); i++) {
        if (wpipe__name_parse(names[i], out, NULL) != 0)
            fail_msg("refused: %s", names[i]);
        assert_string_equal(out, names[i]);
    }
}

static void name_prefix_stripped(void **state)
{
    static const char *const names[] = {
        "\\\\.\\pipe\\x y", "\\\\.\\PIPE\\x y", "\\\\.\\PiPe\\x y",
        "\\\\?\\pipe\\x y", "\\\\?\\Pipe\\x y", /* Windows row 43 */
        "//./pipe/x y",     "//./PIPE/x y",     /* Windows row 42 */
    };
    char out[WPIPE_NAME_MAX + 1];
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(names); i++) {
        if (wpipe__name_parse(names[i], out, NULL) != 0)
            fail_msg("refused: %s", names[i]);
        assert_string_equal(out, "x y");
    }
}

static void name_not_allowed_refused_by_its_rule(void **state)
{
    static const struct {
        const char *name;
        const char *why;
    } rows[] = {
        { NULL, "the name is missing (NULL)" },
        { "", "the name is empty" },
        { "\\\\.\\pipe\\", "the name is empty" }, /* Windows row 5 */
        { "\\\\.\\pipe", "the name is empty" },
        { "\\\\?\\PIPE\\", "the name is empty" },
        { "//./pipe/", "the name is empty" },
        { "//./pipe", "the name is empty" },
        { "a/b", "the name contains '/'" },
        { "/", "the name contains '/'" },
        { "/tmp/x", "the name contains '/'" },
        { "//?/pipe/x", "the name contains '/'" },
        { "\\\\.\\pipe\\a/", "the name contains '/'" },
        { "a\nb", "the name contains a control character" },
        { "\x1b[31m", "the name contains a control character" },
        { "x\x7f", "the name contains a control character" },
        { ".", "the name is \".\" or \"..\"" }, /* Windows row 44 */
        { "..", "the name is \".\" or \"..\"" },
        { "\\\\.\\pipe\\..", "the name is \".\" or \"..\"" },
        { "anonymous", "the name \"anonymous\" is reserved" }, /* .NET */
        { "ANONYMOUS", "the name \"anonymous\" is reserved" },
        { "\\\\.\\pipe\\AnonyMous", "the name \"anonymous\" is reserved" },
        { "a\xff", "the name is not valid UTF-8" },
        { "\xed\xa0\x80", "the name is not valid UTF-8" },
        { "cut\xc3", "the name is not valid UTF-8" },
        { "\\\\.\\pipe\\\\\\.\\pipe\\x",
          "the name has the \\\\.\\pipe\\ prefix twice" },
        { "\\\\.\\pipe\\\\\\?\\PIPE",
          "the name has the \\\\.\\pipe\\ prefix twice" },
    };
    char out[WPIPE_NAME_MAX + 1] = "untouched";
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        const char *why = NULL;

        if (wpipe__name_parse(rows[i].name, out, &why) != WPIPE_ENAME)
            fail_msg("allowed: %s", rows[i].name);
        assert_string_equal(why, rows[i].why);
        assert_string_equal(out, "untouched");
        assert_int_equal(wpipe__name_parse(rows[i].name, out, NULL),
                         WPIPE_ENAME);
    }
}

static void name_of_each_byte_follows_the_rules(void **state)
{
    char out[WPIPE_NAME_MAX + 1];
    int byte;

    (void)state;
    for (byte = 1; byte < 256; byte++) {
        const char name[] = { 'a', (char)byte, 'b', '\0' };
        int allowed = byte >= 0x20 && byte < 0x7f && byte != '/';

        if ((wpipe__name_parse(name, out, NULL) == 0) != allowed)
            fail_msg("byte 0x%02x", (unsigned)byte);
    }
}

static void name_at_the_limit_taken_over_it_refused(void **state)
{
    static const char *const prefixes[] = { "", "\\\\.\\pipe\\", "//./pipe/" };
    char name[WPIPE_NAME_MAX + 32];
    char out[WPIPE_NAME_MAX + 1];
    const char *why;
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(prefixes); i++) {
        size_t start = strlen(prefixes[i]);

        memcpy(name, prefixes[i], start);
        memset(name + start, 'x', WPIPE_NAME_MAX + 1);
        name[start + WPIPE_NAME_MAX] = '\0';
        assert_int_equal(wpipe__name_parse(name, out, NULL), 0);
        assert_int_equal(strlen(out), WPIPE_NAME_MAX);
        name[start + WPIPE_NAME_MAX] = 'x';
        name[start + WPIPE_NAME_MAX + 1] = '\0';
        why = NULL;
        assert_int_equal(wpipe__name_parse(name, out, &why), WPIPE_ENAME);
        assert_string_equal(why, "the name is longer than 240 bytes");
    }
}

static void name_generated_is_allowed_and_shows_every_bit(void **state)
{
    static const uint8_t random[16] = { 0x00, 0x01, 0x23, 0x45, 0x67, 0x89,
                                        0xab, 0xcd, 0xef, 0xff, 0xf0, 0x0f,
                                        0x10, 0x80, 0x7f, 0xfe };
    char name[WPIPE_NAME_MAX + 1];
    char out[WPIPE_NAME_MAX + 1];

    (void)state;
    assert_int_equal(wpipe__name_generate(random, name), 0);
    assert_string_equal(name, "wpipe-000123456789abcdeffff00f10807ffe");
    assert_int_equal(wpipe__name_parse(name, out, NULL), 0);
    assert_string_equal(out, name);
}

static const struct support_case cases[] = {
    TEST(name_allowed_taken_as_it_is),
    TEST(name_prefix_stripped),
    TEST(name_not_allowed_refused_by_its_rule),
    TEST(name_of_each_byte_follows_the_rules),
    TEST(name_at_the_limit_taken_over_it_refused),
    TEST(name_generated_is_allowed_and_shows_every_bit),
};

TEST_MAIN(cases)
