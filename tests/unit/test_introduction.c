/* SPDX-License-Identifier: Apache-2.0 */
/* Introductions: the name of a second pipe on the wire, in both forms, and
 * everything that is none. */
#include "base/introduction.h"

#include "support.h"

#include <string.h>

#include "base/base.h"

/* Take in `size` bytes as far as they are wanted; 0 when it is whole. */
static int take(struct wpipe__introduction *i, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    int left;

    memset(i, 0, sizeof(*i));
    while ((left = wpipe__introduction_left(i)) > 0 && size > 0) {
        i->bytes[i->have++] = *p++;
        size--;
    }
    return left;
}

static int name_of(const void *bytes, size_t size, const char *first,
                   char ret_name[WPIPE_NAME_MAX + 1], const char **ret_why)
{
    static struct wpipe__introduction i;
    int r = take(&i, bytes, size);

    *ret_why = i.why;
    if (r == 0)
        r = wpipe__introduction_name(&i, first, ret_name);
    return r;
}

static void introduction_in_utf8_is_length_and_name(void **state)
{
    uint8_t bytes[WPIPE__INTRODUCTION_MAX];
    static const uint8_t expected[] = { 0, 0, 0, 5, 'e', 'c', 'h', 'o', '1' };

    (void)state;
    assert_int_equal(
        wpipe__introduction_make(WPIPE_SECOND_PIPE_H_PIPES, "echo1", bytes),
        sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
}

/* What BinaryFormatter makes of "echo1", byte by byte: [MS-NRBF] 2.6.1,
 * 2.5.7, 2.6.3. A run of Mono says the same, in tests/interop. */
static void introduction_as_object_is_a_dotnet_string(void **state)
{
    static const uint8_t expected[] = {
        0, 0, 0, 29, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1,   0,   0,  0,
        0, 0, 0, 0,  6, 1, 0, 0, 0, 5,    'e',  'c',  'h',  'o', '1', 11,
    };
    uint8_t bytes[WPIPE__INTRODUCTION_MAX];

    (void)state;
    assert_int_equal(
        wpipe__introduction_make(WPIPE_SECOND_PIPE_WRAPPER, "echo1", bytes),
        sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
}

static void introduction_of_any_length_comes_back(void **state)
{
    static const int forms[] = { WPIPE_SECOND_PIPE_H_PIPES,
                                 WPIPE_SECOND_PIPE_WRAPPER };
    uint8_t bytes[WPIPE__INTRODUCTION_MAX];
    char name[WPIPE_NAME_MAX + 1];
    char back[WPIPE_NAME_MAX + 1];
    const char *why;
    size_t length;
    size_t size;
    size_t i;

    (void)state;
    for (length = 1; length <= WPIPE_NAME_MAX; length++)
        for (i = 0; i < WPIPE__ARRAY_SIZE(forms); i++) {
            memset(name, 'n', length);
            name[length] = '\0';
            size = wpipe__introduction_make(forms[i], name, bytes);
            assert_true(size <= sizeof(bytes));
            assert_int_equal(name_of(bytes, size, "first", back, &why), 0);
            assert_string_equal(back, name);
        }
}

static void introduction_in_parts_wants_the_rest(void **state)
{
    struct wpipe__introduction i;
    uint8_t bytes[WPIPE__INTRODUCTION_MAX];
    size_t size =
        wpipe__introduction_make(WPIPE_SECOND_PIPE_WRAPPER, "echo", bytes);
    size_t n;

    (void)state;
    for (n = 0; n < size; n++)
        assert_int_equal(take(&i, bytes, n),
                         n < 4 ? 4 - (int)n : (int)(size - n));
    assert_int_equal(take(&i, bytes, size), 0);
}

/* A path has to be in the directory of the first. */
static void introduction_of_paths_stays_in_the_directory(void **state)
{
    static const struct {
        const char *name;
        const char *first;
        int result;
    } rows[] = {
        { "/tmp/a_1", "/tmp/a", 0 },
        { "/tmp/other", "/tmp/a", 0 },
        { "/a_1", "/a", 0 },
        { "/tmp/../a", "/tmp/a", WPIPE_EPROTO },
        { "/tmp/", "/tmp/a", WPIPE_EPROTO },
        { "/tmp/x/a", "/tmp/a", WPIPE_EPROTO },
        { "/etc/a_1", "/tmp/a", WPIPE_EPROTO },
        { "a_1", "/tmp/a", WPIPE_EPROTO },
        { "/tmp/a_1", "a", WPIPE_EPROTO },
    };
    uint8_t bytes[WPIPE__INTRODUCTION_MAX];
    char back[WPIPE_NAME_MAX + 1] = "untouched";
    const char *why;
    size_t size;
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        size = wpipe__introduction_make(WPIPE_SECOND_PIPE_H_PIPES, rows[i].name,
                                        bytes);
        print_message("%s from %s\n", rows[i].name, rows[i].first);
        memcpy(back, "untouched", sizeof("untouched"));
        assert_int_equal(name_of(bytes, size, rows[i].first, back, &why),
                         rows[i].result);
        assert_string_equal(back,
                            rows[i].result == 0 ? rows[i].name : "untouched");
    }
}

#define BYTES(text) text, sizeof(text) - 1
#define OTHER       "\0\2\0\0\0\xff\xff\xff\xff\1\0\0\0\0\0\0\0\6\1\0\0\0"
#define STRING      "\0\1\0\0\0\xff\xff\xff\xff\1\0\0\0\0\0\0\0\6\1\0\0\0"

static void introduction_of_nothing_good_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *why;
    } rows[] = {
        { BYTES("\0\0\0\0"), "length of 0" },
        { BYTES("\0\0\1\x0a"), "266 bytes were announced" },
        { BYTES("\x80\0\0\0"), "2147483648 bytes were announced" },
        { BYTES("\xff\xff\xff\xff"), "4294967295 bytes were announced" },
        { BYTES("\5\0\0\0hello"), "bytes were announced" },
        { BYTES("GET / HTTP/1.1\r\n"), "bytes were announced" },
        { BYTES("\0\0\0\3a/b"), "'/'" },
        { BYTES("\0\0\0\1/"), "'/'" },
        { BYTES("\0\0\0\2.."), "\"..\"" },
        { BYTES("\0\0\0\1."), "\"..\"" },
        { BYTES("\0\0\0\3a\0b"), "0 byte" },
        { BYTES("\0\0\0\2\xc3\x28"), "UTF-8" },
        { BYTES("\0\0\0\2\xff\xff"), "UTF-8" },
        { BYTES("\0\0\0\3a\nb"), "control character" },
        { BYTES("\0\0\0\11anonymous"), "reserved" },
        { BYTES("\0\0\0\12\\\\.\\pipe\\a"), "prefix" },
        { BYTES("\0\0\0\1\0"), "neither" },
        { BYTES("\0\0\0\4\0\1\2\3"), "neither" },
        { BYTES("\0\0\0\x17" STRING "\1"), "neither" },
        { BYTES("\0\0\0\x18" STRING "\2a"), "another length" },
        { BYTES("\0\0\0\x19" STRING "\1ab"), "another length" },
        { BYTES("\0\0\0\x19" STRING "\2a\13"), "another length" },
        { BYTES("\0\0\0\x1a" STRING "\1a\13\13"), "another length" },
        { BYTES("\0\0\0\x18" STRING "\0\13"), "empty" },
        { BYTES("\0\0\0\x1a" STRING "\xff\xff\xff\13"), "another length" },
        { BYTES("\0\0\0\x1b" STRING "\3a/b\13"), "'/'" },
        { BYTES("\0\0\0\x19" OTHER "\1a\13"), "neither" },
    };
    char name[WPIPE_NAME_MAX + 1] = "untouched";
    const char *why;
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        assert_int_equal(
            name_of(rows[i].bytes, rows[i].size, "first", name, &why),
            WPIPE_EPROTO);
        print_message("%zu: %s\n", i, why);
        assert_non_null(strstr(why, rows[i].why));
        assert_string_equal(name, "untouched");
    }
}

/* Longer than a name, shorter than the longest object. */
static void introduction_of_a_long_name_is_refused(void **state)
{
    uint8_t bytes[WPIPE__INTRODUCTION_MAX] = { 0, 0, 0, WPIPE_NAME_MAX + 1 };
    char name[WPIPE_NAME_MAX + 1];
    const char *why;

    (void)state;
    memset(bytes + 4, 'n', sizeof(bytes) - 4);
    assert_int_equal(name_of(bytes, sizeof(bytes), "first", name, &why),
                     WPIPE_EPROTO);
    assert_non_null(strstr(why, "241 bytes"));
}

static const struct support_case cases[] = {
    TEST(introduction_in_utf8_is_length_and_name),
    TEST(introduction_as_object_is_a_dotnet_string),
    TEST(introduction_of_any_length_comes_back),
    TEST(introduction_in_parts_wants_the_rest),
    TEST(introduction_of_paths_stays_in_the_directory),
    TEST(introduction_of_nothing_good_is_refused),
    TEST(introduction_of_a_long_name_is_refused),
};

TEST_MAIN(cases)
