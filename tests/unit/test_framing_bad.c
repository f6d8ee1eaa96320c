/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framings: each kind of bad input is refused at the first byte that tells,
 * with its own sentence, which is the same however the stream was cut.
 */
#include "support.h"

#include <string.h>

#include "base/base.h"
#include "base/framing.h"
#include "unit/framing_tools.h"

struct bad {
    int framing;
    const char *bytes;
    size_t size;
    size_t at; /* how many bytes it takes; 0 = the end of the stream tells */
    int error;
    const char *why;
};

/* The limit is five bytes. */
static const struct bad bad[] = {
    { WPIPE_FRAMING_LE32, TEXT("\6\0\0\0abcdef"), 4, WPIPE_EMSGSIZE,
      "a message of 6 bytes was announced; the limit is 5" },
    { WPIPE_FRAMING_LE32, TEXT("\5\0\0\0abcde\0\0\0\x80more"), 13,
      WPIPE_EMSGSIZE,
      "a message of 2147483648 bytes was announced; the limit is 5" },
    { WPIPE_FRAMING_LE32, TEXT("\xff\xff\xff\xff"), 4, WPIPE_EMSGSIZE,
      "a message of 4294967295 bytes was announced; the limit is 5" },
    { WPIPE_FRAMING_LE32, TEXT("GET / HTTP/1.1\r\n"), 4, WPIPE_EMSGSIZE,
      "a message of 542393671 bytes was announced; the limit is 5" },
    { WPIPE_FRAMING_LE32, TEXT("\1"), 0, WPIPE_EPROTO,
      "the stream ended after 1 of the 4 bytes before a message" },
    { WPIPE_FRAMING_LE32, TEXT("\1\0\0\0x\1\0\0"), 0, WPIPE_EPROTO,
      "the stream ended after 3 of the 4 bytes before a message" },
    { WPIPE_FRAMING_LE32, TEXT("\5\0\0\0"), 0, WPIPE_EPROTO,
      "the stream ended after 0 of the 5 bytes of a message" },
    { WPIPE_FRAMING_LE32, TEXT("\5\0\0\0abcd"), 0, WPIPE_EPROTO,
      "the stream ended after 4 of the 5 bytes of a message" },

    { WPIPE_FRAMING_BE32, TEXT("\0\0\0\6"), 4, WPIPE_EMSGSIZE,
      "a message of 6 bytes was announced; the limit is 5" },
    { WPIPE_FRAMING_BE32, TEXT("\x7f\xff\xff\xff"), 4, WPIPE_EMSGSIZE,
      "a message of 2147483647 bytes was announced; the limit is 5" },
    { WPIPE_FRAMING_BE32, TEXT("\x80\0\0\0"), 4, WPIPE_EPROTO,
      "the big-endian length 2147483648 is over 2147483647, the "
      "maximum of a signed number" },
    { WPIPE_FRAMING_BE32, TEXT("\xff\xff\xff\xff"), 4, WPIPE_EPROTO,
      "the big-endian length 4294967295 is over 2147483647, the "
      "maximum of a signed number" },
    { WPIPE_FRAMING_BE32, TEXT("\0\0\0\1x\0"), 0, WPIPE_EPROTO,
      "the stream ended after 1 of the 4 bytes before a message" },
    { WPIPE_FRAMING_BE32, TEXT("\0\0\0\2x"), 0, WPIPE_EPROTO,
      "the stream ended after 1 of the 2 bytes of a message" },

    { WPIPE_FRAMING_TYPE_LE32, TEXT("\xff\6\0\0\0"), 5, WPIPE_EMSGSIZE,
      "a message of 6 bytes was announced; the limit is 5" },
    { WPIPE_FRAMING_TYPE_LE32, TEXT("\1\xff\xff\xff\xff"), 5, WPIPE_EMSGSIZE,
      "a message of 4294967295 bytes was announced; the limit is 5" },
    { WPIPE_FRAMING_TYPE_LE32, TEXT("\1\1\0\0"), 0, WPIPE_EPROTO,
      "the stream ended after 4 of the 5 bytes before a message" },
    { WPIPE_FRAMING_TYPE_LE32, TEXT("\1\1\0\0\0"), 0, WPIPE_EPROTO,
      "the stream ended after 0 of the 1 bytes of a message" },

    { WPIPE_FRAMING_LINES, TEXT("abcdef\n"), 6, WPIPE_EMSGSIZE,
      "a line is longer than 5 bytes, the limit" },
    { WPIPE_FRAMING_LINES, TEXT("a\nabcde\rf"), 9, WPIPE_EMSGSIZE,
      "a line is longer than 5 bytes, the limit" },
    { WPIPE_FRAMING_LINES, TEXT("abcde\r\r\n"), 7, WPIPE_EMSGSIZE,
      "a line is longer than 5 bytes, the limit" },
    { WPIPE_FRAMING_LINES, TEXT("abcde\r"), 0, WPIPE_EMSGSIZE,
      "a line is longer than 5 bytes, the limit" },

    { WPIPE_FRAMING_HEADERS, TEXT("Content-Length: 6\r\n\r\n"), 19,
      WPIPE_EMSGSIZE, "a message of 6 bytes was announced; the limit is 5" },
    { WPIPE_FRAMING_HEADERS, TEXT("Content-Length: 4294967295\r\n\r\n"), 28,
      WPIPE_EMSGSIZE,
      "a message of 4294967295 bytes was announced; the limit is 5" },
    { WPIPE_FRAMING_HEADERS, TEXT("Content-Length: 9223372036854775808\r\n"),
      37, WPIPE_EMSGSIZE,
      "Content-Length \"9223372036854775808\" is over 9223372036854775807, "
      "the maximum" },
    { WPIPE_FRAMING_HEADERS,
      TEXT("Content-Length: 18446744073709551617000000000000000000000\r\n"), 59,
      WPIPE_EMSGSIZE,
      "Content-Length \"1844674407370955161700000000000000000000\" is over "
      "9223372036854775807, the maximum" },
    { WPIPE_FRAMING_HEADERS, TEXT("Content-Length: -1\r\n"), 20, WPIPE_EPROTO,
      "Content-Length \"-1\" is not a number" },
    { WPIPE_FRAMING_HEADERS, TEXT("Content-Length: 5,\t5\r\n"), 22,
      WPIPE_EPROTO, "Content-Length \"5,?5\" is not a number" },
    { WPIPE_FRAMING_HEADERS, TEXT("Content-Length: 5:6\r\n"), 21, WPIPE_EPROTO,
      "Content-Length \"5:6\" is not a number" },
    { WPIPE_FRAMING_HEADERS, TEXT("Content-Length:  \r\n"), 19, WPIPE_EPROTO,
      "Content-Length \"\" is not a number" },
    { WPIPE_FRAMING_HEADERS,
      TEXT("Content-Length: 3\r\ncontent-length: 4\r\n\r\n"), 38, WPIPE_EPROTO,
      "Content-Length is given twice: 3 and \"4\"" },
    { WPIPE_FRAMING_HEADERS, TEXT("Content-Type: text/plain\r\n\r\nabc"), 28,
      WPIPE_EPROTO, "no Content-Length in the 28 bytes of header lines" },
    { WPIPE_FRAMING_HEADERS, TEXT("\r\n"), 2, WPIPE_EPROTO,
      "no Content-Length in the 2 bytes of header lines" },
    /* what one message had does not serve the next */
    { WPIPE_FRAMING_HEADERS, TEXT("Content-Length: 1\r\n\r\nx\r\n"), 24,
      WPIPE_EPROTO, "no Content-Length in the 2 bytes of header lines" },
    { WPIPE_FRAMING_HEADERS, TEXT("Content-Length: 5\r\nhello\r\n"), 26,
      WPIPE_EPROTO, "the header line at byte 19 has no colon" },
    { WPIPE_FRAMING_HEADERS, TEXT("Content-Length : 5\r\n"), 15, WPIPE_EPROTO,
      "byte 14 of the header, 0x20, is not allowed in a field name" },
    { WPIPE_FRAMING_HEADERS, TEXT("{\"jsonrpc\": \"2.0\"}"), 1, WPIPE_EPROTO,
      "byte 0 of the header, 0x7b, is not allowed in a field name" },
    { WPIPE_FRAMING_HEADERS, TEXT(": 5\r\n"), 1, WPIPE_EPROTO,
      "byte 0 of the header, 0x3a, is not allowed in a field name" },
    { WPIPE_FRAMING_HEADERS, TEXT("\0\0\0\5hello"), 1, WPIPE_EPROTO,
      "byte 0 of the header, 0x00, is not allowed in a field name" },
    { WPIPE_FRAMING_HEADERS, TEXT("A: b\r\n c\r\n"), 7, WPIPE_EPROTO,
      "byte 6 of the header, 0x20, is not allowed in a field name" },
    { WPIPE_FRAMING_HEADERS, TEXT("A: b\0c"), 5, WPIPE_EPROTO,
      "byte 4 of the header, 0x00, is not text" },
    { WPIPE_FRAMING_HEADERS, TEXT("A: \xc3\xa4"), 4, WPIPE_EPROTO,
      "byte 3 of the header, 0xc3, is not text" },
    { WPIPE_FRAMING_HEADERS, TEXT("A: b\rc"), 6, WPIPE_EPROTO,
      "the CR at byte 4 of the header has no LF behind it" },
    { WPIPE_FRAMING_HEADERS, TEXT("A: b\r\r\n"), 6, WPIPE_EPROTO,
      "the CR at byte 4 of the header has no LF behind it" },
    { WPIPE_FRAMING_HEADERS, TEXT("Content-Len"), 0, WPIPE_EPROTO,
      "the stream ended after 11 bytes of header lines" },
    { WPIPE_FRAMING_HEADERS, TEXT("Content-Length: 5\r\n"), 0, WPIPE_EPROTO,
      "the stream ended after 19 bytes of header lines" },
    { WPIPE_FRAMING_HEADERS, TEXT("Content-Length: 5\r\n\r\nhell"), 0,
      WPIPE_EPROTO, "the stream ended after 4 of the 5 bytes of a message" },
};

static void check_bad(const struct bad *row)
{
    const uint8_t *stream = (const uint8_t *)row->bytes;
    size_t cut;

    for (cut = 0; cut <= row->size; cut++) {
        decode(&seen, row->framing, 5, stream, row->size, &cut, 1);
        assert_int_equal(seen.error, row->error);
        assert_string_equal(seen.why, row->why);
    }
    decode_byte_by_byte(&seen, row->framing, 5, stream, row->size);
    assert_int_equal(seen.error, row->error);
    assert_int_equal(seen.error_at, row->at);
    assert_string_equal(seen.why, row->why);
}

static void framing_bad_input_refused_by_its_sentence(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(bad); i++)
        check_bad(&bad[i]);
}

static void headers_over_the_longest_refused(void **state)
{
    char stream[4096];
    struct bad row = {
        WPIPE_FRAMING_HEADERS, stream,
        sizeof(stream),        WPIPE__FRAMING_HEADER_MAX + 1,
        WPIPE_EPROTO,          "the header lines are longer than 256 bytes"
    };
    size_t i;

    (void)state;
    memset(stream, 'x', sizeof(stream));
    check_bad(&row);
    for (i = 0; i + 4 <= sizeof(stream); i += 4)
        memcpy(stream + i, "a:b\n", 4);
    check_bad(&row);
}

/* Lengths around the limit, up to what 32 bits hold. */
static void framing_lengths_around_the_limit(void **state)
{
    static const uint64_t limits[] = { 0,          1,         2,
                                       65536,      INT32_MAX, UINT64_C(1) << 31,
                                       UINT32_MAX, UINT64_MAX };
    static const uint64_t lengths[] = {
        0, 1, 2, 3, 65536, 65537, INT32_MAX, UINT64_C(1) << 31, UINT32_MAX
    };
    int framing = *(const int *)*state;
    uint8_t edge[WPIPE__FRAMING_OWN_HEADER];
    struct wpipe__chunk chunk;
    size_t used;
    size_t i;
    size_t k;

    for (i = 0; i < WPIPE__ARRAY_SIZE(limits); i++)
        for (k = 0; k < WPIPE__ARRAY_SIZE(lengths); k++) {
            int n = wpipe__framing_before(framing, lengths[k], 0, edge);
            int fits = lengths[k] <= limits[i];

            if (n == WPIPE_EMSGSIZE) {
                assert_true(framing == WPIPE_FRAMING_BE32 &&
                            lengths[k] > INT32_MAX);
                continue;
            }
            wpipe__decoder_init(&decoder, framing, limits[i]);
            assert_int_equal(wpipe__decoder_feed(&decoder, edge, (size_t)n,
                                                 &used, &chunk, NULL),
                             fits ? lengths[k] == 0 : WPIPE_EMSGSIZE);
            if (fits && lengths[k] > 0)
                assert_int_equal(wpipe__decoder_feed(&decoder,
                                                     (const uint8_t *)"x", 1,
                                                     &used, &chunk, NULL),
                                 1);
            if (fits)
                assert_true(chunk.first && chunk.total == lengths[k]);
        }
}

static void decoder_of_unknown_framing_refuses(void **state)
{
    struct wpipe__chunk chunk;
    const char *why = NULL;
    size_t used;

    (void)state;
    wpipe__decoder_init(&decoder, 6, 9);
    assert_int_equal(wpipe__decoder_feed(&decoder, (const uint8_t *)"a", 1,
                                         &used, &chunk, &why),
                     WPIPE_EINVAL);
    assert_string_equal(why, "there is no framing number 6");
    assert_int_equal(wpipe__decoder_end(&decoder, &chunk, NULL), WPIPE_EINVAL);
}

static const struct support_case cases[] = {
    TEST(framing_bad_input_refused_by_its_sentence),
    TEST(headers_over_the_longest_refused),
    FOR_COUNTED(framing_lengths_around_the_limit),
    TEST(decoder_of_unknown_framing_refuses),
};
TEST_MAIN(cases)
