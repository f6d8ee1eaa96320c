/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message codec: the bytes that .NET's BinaryWriter writes, round trips at
 * every length where the length itself grows, and each kind of bad input.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <windpipe/message.h>

#include "base/base.h"

#define STRING_LIMIT ((size_t)INT32_MAX)

static wpipe_message message_of(const char *topic, const char *body)
{
    return (wpipe_message){ topic, strlen(topic), body, strlen(body) };
}

/* What BinaryWriter.Write(topic), Write(body) gives. */
static void message_encoded_is_binary_writer(void **state)
{
    static const struct {
        const char *topic;
        const char *body;
        const char *bytes;
        size_t size;
    } rows[] = {
        { "", "", "\0\0", 2 },
        { "a", "", "\1a\0", 3 },
        { "", "b", "\0\1b", 3 },
        { "chat", "hello", "\4chat\5hello", 11 },
        { "\xc3\xa9", "\xe2\x82\xac", "\2\xc3\xa9\3\xe2\x82\xac", 7 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        wpipe_message message = message_of(rows[i].topic, rows[i].body);
        char buf[16];

        assert_int_equal(wpipe_message_size(&message), rows[i].size);
        assert_int_equal(wpipe_message_encode(&message, buf, sizeof(buf)),
                         rows[i].size);
        assert_memory_equal(buf, rows[i].bytes, rows[i].size);
    }
}

static void message_lengths_grow_at_powers_of_128(void **state)
{
    static const struct {
        size_t size;
        size_t groups;
        uint8_t bytes[4];
    } rows[] = {
        { 0, 1, { 0 } },
        { 1, 1, { 1 } },
        { 127, 1, { 0x7f } },
        { 128, 2, { 0x80, 0x01 } },
        { 300, 2, { 0xac, 0x02 } },
        { 16383, 2, { 0xff, 0x7f } },
        { 16384, 3, { 0x80, 0x80, 0x01 } },
        { 2097151, 3, { 0xff, 0xff, 0x7f } },
        { 2097152, 4, { 0x80, 0x80, 0x80, 0x01 } },
    };
    char *text = malloc(2097152);
    uint8_t *buf = malloc(2097152 + 5);
    size_t i;

    (void)state;
    memset(text, 'x', 2097152);
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        wpipe_message message = { text, rows[i].size, NULL, 0 };
        wpipe_message back;
        size_t all = rows[i].groups + rows[i].size + 1;

        assert_int_equal(wpipe_message_size(&message), all);
        assert_int_equal(wpipe_message_encode(&message, buf, all), all);
        assert_memory_equal(buf, rows[i].bytes, rows[i].groups);
        assert_int_equal(wpipe_message_decode(buf, all, &back, NULL), 0);
        assert_int_equal(back.topic_size, rows[i].size);
        assert_ptr_equal(back.topic, buf + rows[i].groups);
        assert_memory_equal(back.topic, text, rows[i].size);
        assert_int_equal(back.body_size, 0);
    }
    free(text);
    free(buf);
}

static void message_round_trip_for_both_strings(void **state)
{
    static const size_t sizes[] = { 0, 1, 127, 128, 16383, 16384 };
    char text[16384];
    uint8_t buf[2 * (16384 + 3)];
    size_t i;
    size_t j;

    (void)state;
    for (i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    for (i = 0; i < WPIPE__ARRAY_SIZE(sizes); i++)
        for (j = 0; j < WPIPE__ARRAY_SIZE(sizes); j++) {
            wpipe_message message = { text, sizes[i],
                                      text + sizeof(text) - sizes[j],
                                      sizes[j] };
            wpipe_message back;
            int problem = 77;
            int64_t n = wpipe_message_encode(&message, buf, sizeof(buf));

            assert_int_equal(n, wpipe_message_size(&message));
            assert_int_equal(
                wpipe_message_decode(buf, (size_t)n, &back, &problem), 0);
            assert_int_equal(problem, WPIPE_MESSAGE_OK);
            assert_int_equal(back.topic_size, sizes[i]);
            assert_int_equal(back.body_size, sizes[j]);
            assert_memory_equal(back.topic, message.topic, sizes[i]);
            assert_memory_equal(back.body, message.body, sizes[j]);
        }
}

/* Only the sizes are looked at, so the text need not be there. */
static void message_string_over_two_gigabytes_refused(void **state)
{
    wpipe_message message = { "x", STRING_LIMIT, "y", STRING_LIMIT };
    char buf[8];

    (void)state;
    assert_true(wpipe_message_size(&message) == 2 * ((int64_t)INT32_MAX + 5));
    assert_int_equal(wpipe_message_encode(&message, buf, sizeof(buf)),
                     WPIPE_EMSGSIZE);
    message.topic_size++;
    assert_int_equal(wpipe_message_size(&message), WPIPE_EMSGSIZE);
    message.topic_size--;
    message.body_size++;
    assert_int_equal(wpipe_message_size(&message), WPIPE_EMSGSIZE);
    message.body_size = SIZE_MAX;
    message.topic_size = SIZE_MAX;
    assert_int_equal(wpipe_message_size(&message), WPIPE_EMSGSIZE);
    assert_int_equal(wpipe_message_encode(&message, buf, SIZE_MAX),
                     WPIPE_EMSGSIZE);
}

static void message_null_refused(void **state)
{
    wpipe_message good = { NULL, 0, NULL, 0 };
    wpipe_message no_topic = { NULL, 1, "b", 1 };
    wpipe_message no_body = { "a", 1, NULL, STRING_LIMIT + 1 };
    wpipe_message null_and_huge = { NULL, 1, "b", SIZE_MAX };
    wpipe_message huge_and_null = { "a", SIZE_MAX, NULL, 1 };
    char buf[8];
    int problem = 77;

    (void)state;
    assert_int_equal(wpipe_message_size(NULL), WPIPE_EINVAL);
    assert_int_equal(wpipe_message_size(&no_topic), WPIPE_EINVAL);
    assert_int_equal(wpipe_message_size(&no_body), WPIPE_EINVAL);
    assert_int_equal(wpipe_message_size(&huge_and_null), WPIPE_EINVAL);
    assert_int_equal(wpipe_message_size(&null_and_huge), WPIPE_EINVAL);
    assert_int_equal(wpipe_message_encode(NULL, buf, 8), WPIPE_EINVAL);
    assert_int_equal(wpipe_message_encode(&no_topic, buf, 8), WPIPE_EINVAL);
    assert_int_equal(wpipe_message_encode(&good, NULL, 8), WPIPE_EINVAL);
    assert_int_equal(wpipe_message_size(&good), 2);
    assert_int_equal(wpipe_message_encode(&good, buf, 8), 2);
    assert_int_equal(wpipe_message_decode(NULL, 1, &good, &problem),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_message_decode("\0\0", 2, NULL, &problem),
                     WPIPE_EINVAL);
    assert_int_equal(problem, 77);
}

static void message_not_utf8_not_encoded(void **state)
{
    static const struct {
        const char *topic;
        const char *body;
    } rows[] = {
        { "\xff", "b" },
        { "t", "cut\xc3" },
        { "\xed\xa0\x80", "" },
        { "", "\xc0\x80" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        wpipe_message message = message_of(rows[i].topic, rows[i].body);
        char buf[16] = "untouched";

        assert_int_equal(wpipe_message_encode(&message, buf, sizeof(buf)),
                         WPIPE_EINVAL);
        assert_string_equal(buf, "untouched");
    }
}

static void message_buffer_too_small_nothing_written(void **state)
{
    wpipe_message message = message_of("chat", "hello");
    size_t size;

    (void)state;
    for (size = 0; size < 11; size++) {
        char buf[16];
        char untouched[16];

        memset(buf, 'g', sizeof(buf));
        memset(untouched, 'g', sizeof(untouched));
        assert_int_equal(wpipe_message_encode(&message, buf, size),
                         WPIPE_EMSGSIZE);
        assert_memory_equal(buf, untouched, sizeof(buf));
    }
}

/* The bytes as a string literal and how many there are. */
#define BYTES(literal) literal, sizeof(literal) - 1

static void message_malformed_refused_by_name(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        int problem;
    } rows[] = {
        { BYTES(""), WPIPE_MESSAGE_LENGTH_UNTERMINATED },
        { BYTES("\x80"), WPIPE_MESSAGE_LENGTH_UNTERMINATED },
        { BYTES("\xff\xff\xff\xff"), WPIPE_MESSAGE_LENGTH_UNTERMINATED },
        { BYTES("\1a"), WPIPE_MESSAGE_LENGTH_UNTERMINATED },
        { BYTES("\1a\x80"), WPIPE_MESSAGE_LENGTH_UNTERMINATED },
        { BYTES("\xff\xff\xff\xff\xff"), WPIPE_MESSAGE_LENGTH_TOO_LONG },
        { BYTES("\x80\x80\x80\x80\x80\x01"), WPIPE_MESSAGE_LENGTH_TOO_LONG },
        { BYTES("\x80\x80\x80\x80\x08"), WPIPE_MESSAGE_LENGTH_TOO_LONG },
        { BYTES("\xff\xff\xff\xff\x0f"), WPIPE_MESSAGE_LENGTH_TOO_LONG },
        { BYTES("\x80\x80\x80\x80\x10"), WPIPE_MESSAGE_LENGTH_TOO_LONG },
        { BYTES("\xff\xff\xff\xff\x7f"), WPIPE_MESSAGE_LENGTH_TOO_LONG },
        { BYTES("\0\x80\x80\x80\x80\x08"), WPIPE_MESSAGE_LENGTH_TOO_LONG },
        { BYTES("\x80\x00"), WPIPE_MESSAGE_LENGTH_OVERLONG },
        { BYTES("\x81\x00z\0"), WPIPE_MESSAGE_LENGTH_OVERLONG },
        { BYTES("\x80\x80\x80\x80\x00"), WPIPE_MESSAGE_LENGTH_OVERLONG },
        { BYTES("\0\x81\x00z"), WPIPE_MESSAGE_LENGTH_OVERLONG },
        { BYTES("\1"), WPIPE_MESSAGE_TRUNCATED },
        { BYTES("\3ab"), WPIPE_MESSAGE_TRUNCATED },
        { BYTES("\0\1"), WPIPE_MESSAGE_TRUNCATED },
        { BYTES("\xff\xff\xff\xff\x07"), WPIPE_MESSAGE_TRUNCATED },
        { BYTES("\0\xff\xff\xff\xff\x07x"), WPIPE_MESSAGE_TRUNCATED },
        { BYTES("\1\xff\0"), WPIPE_MESSAGE_NOT_UTF8 },
        { BYTES("\1\xc3\1\xa9"), WPIPE_MESSAGE_NOT_UTF8 },
        { BYTES("\0\3\xed\xa0\x80"), WPIPE_MESSAGE_NOT_UTF8 },
        { BYTES("\0\0\0"), WPIPE_MESSAGE_TRAILING_BYTES },
        { BYTES("\1a\1bc"), WPIPE_MESSAGE_TRAILING_BYTES },
    };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        wpipe_message message = { "t", 1, "b", 1 };
        int problem = 77;
        int r;
        /* exactly as large as the input: a sanitizer sees one byte more */
        char *data = malloc(rows[i].size + 1);

        memcpy(data, rows[i].bytes, rows[i].size);
        data = realloc(data, rows[i].size > 0 ? rows[i].size : 1);
        r = wpipe_message_decode(data, rows[i].size, &message, &problem);
        if (r != WPIPE_EPROTO || problem != rows[i].problem)
            fail_msg("row %zu: result %d, problem %d", i, r, problem);
        assert_string_equal(message.topic, "t");
        assert_int_equal(message.topic_size, 1);
        assert_string_equal(message.body, "b");
        assert_int_equal(message.body_size, 1);
        assert_int_equal(
            wpipe_message_decode(data, rows[i].size, &message, NULL),
            WPIPE_EPROTO);
        free(data);
    }
}

static void message_no_data_is_unterminated(void **state)
{
    wpipe_message message;
    int problem = 77;

    (void)state;
    assert_int_equal(wpipe_message_decode(NULL, 0, &message, &problem),
                     WPIPE_EPROTO);
    assert_int_equal(problem, WPIPE_MESSAGE_LENGTH_UNTERMINATED);
}

static void message_every_prefix_refused(void **state)
{
    char topic[200];
    uint8_t buf[512];
    wpipe_message message = { topic, sizeof(topic), "\xc3\xa9", 2 };
    wpipe_message back;
    size_t all;
    size_t size;

    (void)state;
    memset(topic, 't', sizeof(topic));
    all = (size_t)wpipe_message_encode(&message, buf, sizeof(buf));
    assert_int_equal(all, 2 + 200 + 1 + 2);
    for (size = 0; size < all; size++) {
        int inside_length = size < 2 || size == 202;
        int problem = 77;

        assert_int_equal(wpipe_message_decode(buf, size, &back, &problem),
                         WPIPE_EPROTO);
        if (problem != (inside_length ? WPIPE_MESSAGE_LENGTH_UNTERMINATED
                                      : WPIPE_MESSAGE_TRUNCATED))
            fail_msg("%zu bytes: problem %d", size, problem);
    }
    assert_int_equal(wpipe_message_decode(buf, all, &back, NULL), 0);
}

static void problem_each_has_its_own_text(void **state)
{
    int i;
    int j;

    (void)state;
    for (i = WPIPE_MESSAGE_OK; i <= WPIPE_MESSAGE_TRAILING_BYTES; i++) {
        assert_string_not_equal(wpipe_message_problem_text(i),
                                "an unknown problem");
        for (j = WPIPE_MESSAGE_OK; j < i; j++)
            assert_string_not_equal(wpipe_message_problem_text(i),
                                    wpipe_message_problem_text(j));
    }
    assert_string_equal(wpipe_message_problem_text(i), "an unknown problem");
    assert_string_equal(wpipe_message_problem_text(-1), "an unknown problem");
}

static const struct support_case cases[] = {
    TEST(message_encoded_is_binary_writer),
    TEST(message_lengths_grow_at_powers_of_128),
    TEST(message_round_trip_for_both_strings),
    TEST(message_string_over_two_gigabytes_refused),
    TEST(message_null_refused),
    TEST(message_not_utf8_not_encoded),
    TEST(message_buffer_too_small_nothing_written),
    TEST(message_malformed_refused_by_name),
    TEST(message_no_data_is_unterminated),
    TEST(message_every_prefix_refused),
    TEST(problem_each_has_its_own_text),
};

TEST_MAIN(cases)
