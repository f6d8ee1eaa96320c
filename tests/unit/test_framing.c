/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framings: what each looks like on the wire, in both directions, and random
 * messages that stay the same however their stream is cut.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/framing.h"
#include "base/memory.h"
#include "unit/framing_tools.h"

static struct book expected;

static void assert_same_messages(const struct book *a, const struct book *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->sizes, b->sizes, a->count * sizeof(a->sizes[0]));
    assert_memory_equal(a->types, b->types, a->count);
    assert_memory_equal(a->bytes, b->bytes, a->size);
    assert_int_equal(b->error, 0);
    assert_int_equal(b->open, 0);
}

/* ---- random messages, there and back ------------------------------------- */

/* xorshift64*, with a seed of the case's own: a failure comes again. */
static uint64_t random_state;

static size_t random_below(size_t n)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (size_t)((random_state * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % n;
}

/* Appends one message to `expected` and its framed form to the stream. */
static size_t put_message(int framing, size_t size, uint8_t *stream)
{
    static const uint8_t spice[] = "\r\n\r\n\0:0\xff";
    uint8_t edge[WPIPE__FRAMING_OWN_HEADER];
    uint8_t *message = expected.bytes + expected.size;
    uint8_t type = (uint8_t)random_below(256);
    size_t at;
    size_t i;
    int n;

    for (i = 0; i < size; i++)
        message[i] = random_below(2) ? spice[random_below(sizeof(spice))]
                                     : (uint8_t)random_below(256);
    for (i = 0; framing == WPIPE_FRAMING_LINES && i < size; i++)
        if (message[i] == '\n' || (message[i] == '\r' && i + 1 == size))
            message[i] = 'n';
    assert_int_equal(wpipe__framing_check(framing, message, size, 1), 0);
    n = wpipe__framing_before(framing, size, type, edge);
    assert_in_range(n, 0, sizeof(edge));
    memcpy(stream, edge, (size_t)n);
    at = (size_t)n;
    memcpy(stream + at, message, size);
    at += size;
    n = wpipe__framing_after(framing, size == 0 ? 0 : message[size - 1], edge);
    assert_in_range(n, 0, sizeof(edge));
    memcpy(stream + at, edge, (size_t)n);
    expected.size += size;
    expected.types[expected.count] =
        framing == WPIPE_FRAMING_TYPE_LE32 ? type : 0;
    expected.sizes[expected.count++] = size;
    return at + (size_t)n;
}

static size_t put_messages(int framing, size_t count, size_t longest,
                           uint8_t *stream)
{
    size_t size = 0;
    size_t i;

    book_open(&expected);
    for (i = 0; i < count; i++)
        size += put_message(framing, random_below(longest + 1), stream + size);
    return size;
}

/* Raw has no messages: the bytes alone are to be the same. */
static void check_came(int framing, size_t pieces)
{
    if (framing == WPIPE_FRAMING_RAW) {
        assert_int_equal(seen.count, pieces);
        assert_int_equal(seen.size, expected.size);
        assert_memory_equal(seen.bytes, expected.bytes, seen.size);
        assert_int_equal(seen.error, 0);
    } else {
        assert_same_messages(&expected, &seen);
    }
}

/* How many of the pieces between two cuts are not empty. */
static size_t pieces_of(const size_t cuts[2], size_t size)
{
    return (size_t)(cuts[0] > 0) + (size_t)(cuts[1] > cuts[0]) +
           (size_t)(size > cuts[1]);
}

static void framing_stream_cut_at_every_two_places_same_messages(void **state)
{
    int framing = *(const int *)*state;
    uint8_t stream[512];
    size_t cuts[2];
    size_t size;
    size_t round;

    random_state = 11;
    for (round = 0; round < 20; round++) {
        size = put_messages(framing, 3, 6, stream);
        assert_true(size <= sizeof(stream));
        for (cuts[0] = 0; cuts[0] <= size; cuts[0]++)
            for (cuts[1] = cuts[0]; cuts[1] <= size; cuts[1]++) {
                decode(&seen, framing, 6, stream, size, cuts, 2);
                check_came(framing, pieces_of(cuts, size));
            }
    }
}

static size_t random_cuts(size_t *cuts, size_t most, size_t size)
{
    size_t longest = 1 + random_below(random_below(2) ? size / 2 + 1 : 9);
    size_t at = 0;
    size_t count = 0;

    while (count < most) {
        at += 1 + random_below(longest);
        if (at >= size)
            break;
        cuts[count++] = at;
    }
    return count;
}

static void framing_stream_in_random_pieces_same_messages(void **state)
{
    static const size_t longest[] = { 0, 1, 2, 70, 300, 5000 };
    int framing = *(const int *)*state;
    uint8_t *stream = malloc(BYTES_MAX);
    size_t cuts[MESSAGES_MAX - 1];
    size_t size;
    size_t count;
    size_t round;

    assert_non_null(stream);
    random_state = 12;
    for (round = 0; round < 2000; round++) {
        size =
            put_messages(framing, random_below(MESSAGES_MAX),
                         longest[round % WPIPE__ARRAY_SIZE(longest)], stream);
        count = random_cuts(cuts, WPIPE__ARRAY_SIZE(cuts), size);
        decode(&seen, framing, MESSAGE_MAX, stream, size, cuts, count);
        check_came(framing, size > 0 ? count + 1 : 0);
    }
    free(stream);
}

static void framing_stream_byte_by_byte_same_messages(void **state)
{
    int framing = *(const int *)*state;
    uint8_t *stream = malloc(BYTES_MAX);
    size_t size;
    size_t round;

    assert_non_null(stream);
    random_state = 13;
    for (round = 0; round < 100; round++) {
        if (framing == WPIPE_FRAMING_RAW)
            size = put_messages(framing, 1, MESSAGES_MAX - 1, stream);
        else
            size = put_messages(framing, 20, 300, stream);
        decode_byte_by_byte(&seen, framing, 300, stream, size);
        check_came(framing, size);
    }
    free(stream);
}

/* ---- the wire, byte for byte --------------------------------------------- */

static void framing_written_as_others_read_it(void **state)
{
    static const struct {
        int framing;
        uint64_t total;
        int size; /* or the error */
        const char *bytes;
    } rows[] = {
        { WPIPE_FRAMING_RAW, 7, 0, "" },
        { WPIPE_FRAMING_LINES, UINT64_MAX, 0, "" },
        { WPIPE_FRAMING_LE32, 0, 4, "\0\0\0\0" },
        { WPIPE_FRAMING_LE32, 0x01020304, 4, "\4\3\2\1" },
        { WPIPE_FRAMING_LE32, UINT32_MAX, 4, "\xff\xff\xff\xff" },
        { WPIPE_FRAMING_LE32, UINT64_C(1) << 32, WPIPE_EMSGSIZE, "" },
        { WPIPE_FRAMING_BE32, 1, 4, "\0\0\0\1" },
        { WPIPE_FRAMING_BE32, 0x01020304, 4, "\1\2\3\4" },
        { WPIPE_FRAMING_BE32, INT32_MAX, 4, "\x7f\xff\xff\xff" },
        { WPIPE_FRAMING_BE32, UINT64_C(1) << 31, WPIPE_EMSGSIZE, "" },
        { WPIPE_FRAMING_TYPE_LE32, 0x01020304, 5, "\x5a\4\3\2\1" },
        { WPIPE_FRAMING_TYPE_LE32, UINT32_MAX, 5, "\x5a\xff\xff\xff\xff" },
        { WPIPE_FRAMING_TYPE_LE32, UINT64_C(1) << 32, WPIPE_EMSGSIZE, "" },
        { WPIPE_FRAMING_HEADERS, 0, 21, "Content-Length: 0\r\n\r\n" },
        { WPIPE_FRAMING_HEADERS, INT64_MAX, 39,
          "Content-Length: 9223372036854775807\r\n\r\n" },
        { WPIPE_FRAMING_HEADERS, UINT64_C(1) << 63, WPIPE_EMSGSIZE, "" },
        { -1, 0, WPIPE_EINVAL, "" },
        { 6, 0, WPIPE_EINVAL, "" },
    };
    uint8_t bytes[WPIPE__FRAMING_OWN_HEADER];
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        int r =
            wpipe__framing_before(rows[i].framing, rows[i].total, 0x5a, bytes);

        assert_int_equal(r, rows[i].size);
        if (r > 0)
            assert_memory_equal(bytes, rows[i].bytes, (size_t)r);
    }
    for (i = 0; i < WPIPE__ARRAY_SIZE(all); i++)
        assert_int_equal(wpipe__framing_after(all[i], 'x', bytes),
                         all[i] == WPIPE_FRAMING_LINES);
    assert_int_equal(wpipe__framing_after(WPIPE_FRAMING_LINES, 0, bytes), 1);
    assert_int_equal(wpipe__framing_after(WPIPE_FRAMING_LINES, '\n', bytes), 0);
    assert_int_equal(bytes[0], '\n');
    assert_int_equal(wpipe__framing_after(6, 0, bytes), WPIPE_EINVAL);
}

/* The messages are shown one behind the other, each in brackets. */
static void show(const struct book *book, char *text, size_t size)
{
    const uint8_t *from = book->bytes;
    size_t at = 0;
    size_t i;

    for (i = 0; i < book->count; i++) {
        assert_true(at + book->sizes[i] + 3 <= size);
        text[at++] = '[';
        memcpy(text + at, from, book->sizes[i]);
        at += book->sizes[i];
        text[at++] = ']';
        from += book->sizes[i];
    }
    text[at] = '\0';
}

static void check_reads(int framing, const char *bytes, size_t size,
                        const char *messages)
{
    const uint8_t *stream = (const uint8_t *)bytes;
    char text[256];
    size_t cut;

    for (cut = 0; cut <= size; cut++) {
        decode(&seen, framing, 5, stream, size, &cut, 1);
        show(&seen, text, sizeof(text));
        assert_string_equal(text, messages);
        assert_int_equal(seen.error, 0);
    }
    decode_byte_by_byte(&seen, framing, 5, stream, size);
    show(&seen, text, sizeof(text));
    assert_string_equal(text, messages);
    assert_int_equal(seen.error, 0);
}

static void lines_as_others_write_them_read(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *messages;
    } rows[] = {
        { TEXT(""), "" },
        { TEXT("a\nb\n"), "[a][b]" },
        { TEXT("a\r\nb\r\n"), "[a][b]" },
        { TEXT("\n\r\n\n"), "[][][]" },
        { TEXT("a\rb\n"), "[a\rb]" },
        { TEXT("\ra\n"), "[\ra]" },
        { TEXT("a\r\r\n"), "[a\r]" },
        { TEXT("\r\r\r\n"), "[\r\r]" },
        /* a limit of five bytes counts neither the LF nor its CR */
        { TEXT("abcde\n"), "[abcde]" },
        { TEXT("abcde\r\nfghij\r\n"), "[abcde][fghij]" },
        /* the stream ends without a newline */
        { TEXT("a\nb"), "[a][b]" },
        { TEXT("abcde"), "[abcde]" },
        { TEXT("a\r"), "[a\r]" },
        { TEXT("\r"), "[\r]" },
        { TEXT("a\r\r"), "[a\r\r]" },
        /* a byte order mark before the first line, and only there */
        { TEXT("\xef\xbb\xbf"), "" },
        { TEXT("\xef\xbb\xbf\n"), "[]" },
        { TEXT("\xef\xbb\xbf"
               "a\nb\n"),
          "[a][b]" },
        { TEXT("\xef\xbb\xbf\r\nb"), "[][b]" },
        { TEXT("\xef\xbb\xbf"
               "abcde\n"),
          "[abcde]" },
        { TEXT("\xef\xbb\xbf\xef\xbb\xbf\n"), "[\xef\xbb\xbf]" },
        { TEXT("a\n\xef\xbb\xbf\n"), "[a][\xef\xbb\xbf]" },
        { TEXT("\xef\xbb\xbe\n"), "[\xef\xbb\xbe]" },
        { TEXT("\xef\xbb\n"), "[\xef\xbb]" },
        { TEXT("\xef\r\na\n"), "[\xef][a]" },
        { TEXT("\xef\xbb"), "[\xef\xbb]" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++)
        check_reads(WPIPE_FRAMING_LINES, rows[i].bytes, rows[i].size,
                    rows[i].messages);
}

static void headers_as_others_write_them_read(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *messages;
    } rows[] = {
        { TEXT("Content-Length: 5\r\n\r\nhello"), "[hello]" },
        { TEXT("Content-Length: 5\r\n"
               "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n"
               "\r\nhello"),
          "[hello]" },
        { TEXT("Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n"
               "Content-Length: 5\r\n\r\nhello"),
          "[hello]" },
        { TEXT("content-length:3\r\n\r\nabcCONTENT-LENGTH:\t2 \r\n\r\nde"),
          "[abc][de]" },
        { TEXT("Content-Length: 0\r\n\r\nContent-Length: 1\r\n\r\nx"),
          "[][x]" },
        { TEXT("Content-Length: 0005\r\n\r\nhello"), "[hello]" },
        { TEXT("Content-Length: 2\n\nhi"), "[hi]" },
        { TEXT("Content-Lenght: 9\r\nContent-Length: 2\r\n\r\nhi"), "[hi]" },
        { TEXT("X-Content-Length: 9\r\nContent-Length-X: 9\r\nEmpty:\r\n"
               "Content-Length: 2\r\n\r\n\r\n"),
          "[\r\n]" },
        { TEXT("A: b: c\r\nContent-Length: 1\r\n\r\n:"), "[:]" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++)
        check_reads(WPIPE_FRAMING_HEADERS, rows[i].bytes, rows[i].size,
                    rows[i].messages);
}

static void headers_of_exactly_the_longest_read(void **state)
{
    char stream[WPIPE__FRAMING_HEADER_MAX + 2];
    const char *tail = "\r\nContent-Length: 1\r\n\r\nx";
    size_t size = WPIPE__FRAMING_HEADER_MAX + 1;

    (void)state;
    memset(stream, 'x', sizeof(stream));
    memcpy(stream, "Long: ", 6);
    memcpy(stream + size - strlen(tail), tail, strlen(tail));
    check_reads(WPIPE_FRAMING_HEADERS, stream, size, "[x]");
}

static void raw_gives_each_feed_as_one_chunk(void **state)
{
    static const size_t cuts[] = { 1, 4 };

    (void)state;
    decode(&seen, WPIPE_FRAMING_RAW, 1, (const uint8_t *)"a\r\n\0bcd", 7, cuts,
           2);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.sizes[0], 1);
    assert_int_equal(seen.sizes[1], 3);
    assert_int_equal(seen.sizes[2], 3);
    assert_memory_equal(seen.bytes, "a\r\n\0bcd", 7);
}

static void type_le32_gives_the_type_of_each_message(void **state)
{
    static const char stream[] = "\x01\2\0\0\0ab\xff\0\0\0\0\x00\1\0\0\0c";
    static const uint8_t types[] = { 1, 0xff, 0 };

    (void)state;
    check_reads(WPIPE_FRAMING_TYPE_LE32, TEXT(stream), "[ab][][c]");
    assert_memory_equal(seen.types, types, sizeof(types));
}

/* ---- one chunk ----------------------------------------------------------- */

static void chunk_tells_total_when_it_can(void **state)
{
    const uint8_t *line = (const uint8_t *)"abc\r\nde";
    const uint8_t *counted = (const uint8_t *)"\xff\xff\xff\xffxyz";
    struct wpipe__chunk chunk;
    size_t used;

    (void)state;
    wpipe__decoder_init(&decoder, WPIPE_FRAMING_LINES, 9);
    assert_int_equal(
        wpipe__decoder_feed(&decoder, line, 7, &used, &chunk, NULL), 1);
    assert_true(chunk.total == 3 && used == 5 && chunk.data == line);
    assert_int_equal(
        wpipe__decoder_feed(&decoder, line + 5, 2, &used, &chunk, NULL), 1);
    assert_true(chunk.total == UINT64_MAX && chunk.first && !chunk.last);

    wpipe__decoder_init(&decoder, WPIPE_FRAMING_LE32, UINT32_MAX);
    assert_int_equal(
        wpipe__decoder_feed(&decoder, counted, 7, &used, &chunk, NULL), 1);
    assert_true(chunk.total == UINT32_MAX && used == 7);
    assert_true(chunk.data == counted + 4 && chunk.size == 3);
    assert_true(chunk.first && !chunk.last);
}

static void decoder_fed_nothing_does_nothing(void **state)
{
    struct wpipe__chunk chunk;
    size_t used = 9;
    int framing = *(const int *)*state;

    wpipe__decoder_init(&decoder, framing, 9);
    assert_int_equal(
        wpipe__decoder_feed(&decoder, NULL, 0, &used, &chunk, NULL), 0);
    assert_int_equal(used, 0);
    assert_int_equal(wpipe__decoder_end(&decoder, &chunk, NULL), 0);
}

/* Every allocation fails meanwhile; a refusal prints its sentence too. */
static void decoder_allocates_nothing(void **state)
{
    int framing = *(const int *)*state;
    long live = wpipe__memory_live();
    uint8_t stream[512];
    size_t size;

    random_state = 14;
    wpipe__memory_fail_at(1);
    size = put_messages(framing, 5, 6, stream);
    decode_byte_by_byte(&seen, framing, 6, stream, size);
    check_came(framing, size);
    size = put_message(framing, 6, stream);
    decode(&seen, framing, 5, stream, size, NULL, 0);
    assert_int_equal(seen.error,
                     framing == WPIPE_FRAMING_RAW ? 0 : WPIPE_EMSGSIZE);
    assert_int_equal(wpipe__memory_live(), live);
    wpipe__memory_fail_at(0);
}

/* ---- checks and names ---------------------------------------------------- */

static void framing_check_refuses_what_would_not_come_back(void **state)
{
    static const struct {
        int framing;
        const char *bytes;
        size_t size;
        int last;
        int result;
    } rows[] = {
        { WPIPE_FRAMING_LINES, TEXT("abc"), 1, 0 },
        { WPIPE_FRAMING_LINES, TEXT(""), 1, 0 },
        { WPIPE_FRAMING_LINES, TEXT("a\rb"), 1, 0 },
        { WPIPE_FRAMING_LINES, TEXT("ab\r"), 0, 0 },
        { WPIPE_FRAMING_LINES, TEXT("ab\r"), 1, WPIPE_EINVAL },
        { WPIPE_FRAMING_LINES, TEXT("a\nb"), 0, WPIPE_EINVAL },
        { WPIPE_FRAMING_LINES, TEXT("ab\n"), 1, 0 },
        { WPIPE_FRAMING_LINES, TEXT("ab\r\n"), 1, 0 },
        { WPIPE_FRAMING_LINES, TEXT("\n"), 1, 0 },
        { WPIPE_FRAMING_LINES, TEXT("ab\n"), 0, WPIPE_EINVAL },
        { WPIPE_FRAMING_LINES, TEXT("\n\n"), 1, WPIPE_EINVAL },
        { WPIPE_FRAMING_LINES, TEXT("a\0\nb"), 1, WPIPE_EINVAL },
        { WPIPE_FRAMING_LE32, TEXT("a\nb\r"), 1, 0 },
        { WPIPE_FRAMING_HEADERS, TEXT("\r\n\r\n"), 1, 0 },
        { WPIPE_FRAMING_RAW, TEXT("\n"), 1, 0 },
        { WPIPE_FRAMING_LE32, NULL, 0, 1, 0 },
        { WPIPE_FRAMING_LE32, NULL, 1, 1, WPIPE_EINVAL },
        { WPIPE_FRAMING_LINES, NULL, 0, 1, 0 },
        { -1, TEXT("a"), 1, WPIPE_EINVAL },
        { 6, TEXT("a"), 1, WPIPE_EINVAL },
    };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++)
        assert_int_equal(wpipe__framing_check(rows[i].framing, rows[i].bytes,
                                              rows[i].size, rows[i].last),
                         rows[i].result);
}

static void framing_problem_is_named(void **state)
{
    static const struct {
        int framing;
        const char *bytes;
        size_t size;
        const char *problem; /* a part of it; NULL: none */
    } rows[] = {
        { WPIPE_FRAMING_LINES, TEXT("a\nb"), "newline inside" },
        { WPIPE_FRAMING_LINES, TEXT("\na"), "newline inside" },
        { WPIPE_FRAMING_LINES, TEXT("a\n\n"), "newline inside" },
        { WPIPE_FRAMING_LINES, TEXT("a\r"), "carriage return" },
        { WPIPE_FRAMING_LINES, TEXT("a\n"), NULL },
        { WPIPE_FRAMING_LINES, TEXT("a\r\n"), NULL },
        { WPIPE_FRAMING_LINES, TEXT(""), NULL },
        { WPIPE_FRAMING_LE32, TEXT("a\nb"), NULL },
        { WPIPE_FRAMING_LE32, NULL, 1, "NULL" },
        { WPIPE_FRAMING_TYPE_LE32, TEXT(""), "type" },
        { 6, TEXT("a"), "no such framing" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        const char *why =
            wpipe_framing_problem(rows[i].framing, rows[i].bytes, rows[i].size);

        if (rows[i].problem == NULL) {
            assert_null(why);
            continue;
        }
        assert_non_null(why);
        assert_non_null(strstr(why, rows[i].problem));
    }
    assert_non_null(strstr(wpipe_strerror(WPIPE_EINVAL), "newline"));
}

static void framing_name_and_number_agree(void **state)
{
    static const char *const names[] = { "raw",   "le32",    "be32",
                                         "lines", "headers", "type-le32" };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(names); i++) {
        assert_string_equal(wpipe__framing_name(all[i]), names[i]);
        assert_int_equal(wpipe__framing_number(names[i]), all[i]);
    }
    assert_null(wpipe__framing_name(-1));
    assert_null(wpipe__framing_name(6));
    assert_int_equal(wpipe__framing_number("LE32"), WPIPE_EINVAL);
    assert_int_equal(wpipe__framing_number("le3"), WPIPE_EINVAL);
    assert_int_equal(wpipe__framing_number(""), WPIPE_EINVAL);
    assert_int_equal(wpipe__framing_number(NULL), WPIPE_EINVAL);
}

static const struct support_case cases[] = {
    FOR_ALL(framing_stream_cut_at_every_two_places_same_messages),
    FOR_ALL(framing_stream_in_random_pieces_same_messages),
    FOR_ALL(framing_stream_byte_by_byte_same_messages),
    TEST(framing_written_as_others_read_it),
    TEST(lines_as_others_write_them_read),
    TEST(headers_as_others_write_them_read),
    TEST(headers_of_exactly_the_longest_read),
    TEST(raw_gives_each_feed_as_one_chunk),
    TEST(type_le32_gives_the_type_of_each_message),
    TEST(chunk_tells_total_when_it_can),
    FOR_ALL(decoder_fed_nothing_does_nothing),
    FOR_ALL(decoder_allocates_nothing),
    TEST(framing_check_refuses_what_would_not_come_back),
    TEST(framing_problem_is_named),
    TEST(framing_name_and_number_agree),
};
TEST_MAIN(cases)
