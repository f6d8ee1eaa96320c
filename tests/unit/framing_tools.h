/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of framings share: a stream is fed to a decoder in the pieces
 * that the test wants, and a book keeps what came of it. On the way, each rule
 * of the decoder's contract is asserted.
 */
#ifndef WINDPIPE_TESTS_UNIT_FRAMING_TOOLS_H
#define WINDPIPE_TESTS_UNIT_FRAMING_TOOLS_H

#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/decoder.h"
#include "base/framing.h"

enum {
    MESSAGES_MAX = 32,
    BYTES_MAX = 256 * 1024,
    MESSAGE_MAX = 64 * 1024 /* the limit of most decoders here */
};

static const int all[] = { WPIPE_FRAMING_RAW,     WPIPE_FRAMING_LE32,
                           WPIPE_FRAMING_BE32,    WPIPE_FRAMING_LINES,
                           WPIPE_FRAMING_HEADERS, WPIPE_FRAMING_TYPE_LE32 };

/* What came, or is to come: messages one behind the other. */
struct book {
    size_t count;
    size_t size;
    size_t sizes[MESSAGES_MAX];
    uint8_t types[MESSAGES_MAX];
    int open;       /* a message has begun */
    uint64_t total; /* that it announced */
    int error;      /* the refusal, and how many bytes it took */
    size_t error_at;
    char why[WPIPE__FRAMING_WHY_MAX];
    uint8_t bytes[BYTES_MAX];
};

/* Large, and read by one process alone: not on the stack. */
static struct book seen;
static struct wpipe__decoder decoder;

static inline void book_open(struct book *book)
{
    memset(book, 0, offsetof(struct book, bytes));
}

static inline void book_chunk(struct book *book,
                              const struct wpipe__chunk *chunk)
{
    size_t i = book->count;

    assert_non_null(chunk->data);
    assert_int_equal(chunk->first, !book->open);
    assert_true(chunk->size > 0 || chunk->last);
    assert_true(i < MESSAGES_MAX && chunk->size <= BYTES_MAX - book->size);
    if (chunk->first) {
        book->sizes[i] = 0;
        book->types[i] = chunk->type;
        book->total = chunk->total;
    }
    assert_int_equal(chunk->type, book->types[i]);
    memcpy(book->bytes + book->size, chunk->data, chunk->size);
    book->size += chunk->size;
    book->sizes[i] += chunk->size;
    book->open = !chunk->last;
    if (chunk->last) {
        if (book->total != UINT64_MAX)
            assert_true(book->total == book->sizes[i]);
        book->count++;
    }
}

static inline void book_refusal(struct book *book, int error, const char *why)
{
    const char *again = NULL;
    struct wpipe__chunk chunk;
    size_t used;

    assert_true(error == WPIPE_EPROTO || error == WPIPE_EMSGSIZE);
    assert_non_null(why);
    book->error = error;
    snprintf(book->why, sizeof(book->why), "%s", why);
    assert_int_equal(wpipe__decoder_feed(&decoder, (const uint8_t *)"x\n", 2,
                                         &used, &chunk, &again),
                     error);
    assert_string_equal(again, book->why);
    again = NULL;
    assert_int_equal(wpipe__decoder_end(&decoder, &chunk, &again), error);
    assert_string_equal(again, book->why);
}

/* Feeds one piece, from a block of its own so that a sanitizer sees a read
 * beyond it, and so that nothing can be kept from one piece to the next. */
static inline void feed_piece(struct book *book, const uint8_t *bytes,
                              size_t size)
{
    uint8_t *piece = malloc(size);
    struct wpipe__chunk chunk;
    const char *why = NULL;
    size_t at = 0;
    size_t idle = 0;
    size_t used;
    int r = 0;

    assert_non_null(piece);
    memcpy(piece, bytes, size);
    while (at < size) {
        used = SIZE_MAX;
        r = wpipe__decoder_feed(&decoder, piece + at, size - at, &used, &chunk,
                                &why);
        if (r < 0)
            break;
        assert_true(used <= size - at);
        at += used;
        idle = used == 0 ? idle + 1 : 0;
        assert_true(idle < 2);
        if (r == 1)
            book_chunk(book, &chunk);
        else
            assert_int_equal(at, size);
    }
    memset(piece, 0xee, size);
    free(piece);
    if (r < 0)
        book_refusal(book, r, why);
}

static inline void end_stream(struct book *book)
{
    struct wpipe__chunk chunk;
    const char *why = NULL;
    int r = wpipe__decoder_end(&decoder, &chunk, &why);

    if (r == 1) {
        assert_int_equal(chunk.last, 1);
        book_chunk(book, &chunk);
        r = wpipe__decoder_end(&decoder, &chunk, &why);
    }
    if (r < 0)
        book_refusal(book, r, why);
    else
        assert_int_equal(r, 0);
}

/* Decodes bytes cut at the `count` ascending places `cuts`, up to the first
 * refusal, and then the end of the stream. */
static inline void decode(struct book *book, int framing, uint64_t max,
                          const uint8_t *bytes, size_t size, const size_t *cuts,
                          size_t count)
{
    size_t at = 0;
    size_t i;

    book_open(book);
    wpipe__decoder_init(&decoder, framing, max);
    for (i = 0; i <= count && book->error == 0; i++) {
        size_t end = i < count ? cuts[i] : size;

        if (end > at)
            feed_piece(book, bytes + at, end - at);
        at = end;
    }
    book->error_at = book->error == 0 ? 0 : at;
    if (book->error == 0)
        end_stream(book);
}

static inline void decode_byte_by_byte(struct book *book, int framing,
                                       uint64_t max, const uint8_t *bytes,
                                       size_t size)
{
    size_t *cuts = malloc((size + 1) * sizeof(*cuts));
    size_t i;

    assert_non_null(cuts);
    for (i = 0; i < size; i++)
        cuts[i] = i + 1;
    decode(book, framing, max, bytes, size, cuts, size);
    free(cuts);
}

/* A text with its size, zeros and all. */
#define TEXT(text) text, sizeof(text) - 1

/* A case once for every framing; once for every one with a length ahead. */
#define FOR_COUNTED(function)                            \
    TEST_WITH(function, (void *)&all[1], "le32"),        \
        TEST_WITH(function, (void *)&all[2], "be32"),    \
        TEST_WITH(function, (void *)&all[4], "headers"), \
        TEST_WITH(function, (void *)&all[5], "type-le32")
#define FOR_ALL(function)                        \
    TEST_WITH(function, (void *)&all[0], "raw"), \
        TEST_WITH(function, (void *)&all[3], "lines"), FOR_COUNTED(function)

#endif
