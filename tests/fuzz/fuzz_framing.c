/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a stream in any framing, in pieces of any size: the decoder
 * always gets on, what it gives is consistent, and neither the messages nor
 * the sentence of a refusal depend on the cuts. What came is written again,
 * and comes again the same.
 *
 * Input: framing, limit, number of pieces up to 15, the sizes of those pieces
 * (used in turn), the stream.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/decoder.h"
#include "base/framing.h"

enum {
    RECORD_EXTRA = 16 /* at least what a message takes beside its payload */
};

/* Messages one behind the other, each behind its size and type. */
struct record {
    uint8_t *bytes;
    size_t room;
    size_t size; /* of whole messages */
    size_t messages;
    uint64_t part;  /* payload of the message that has begun */
    uint64_t total; /* that it announced */
    uint8_t type;
    int open;
    int error;
    char why[WPIPE__FRAMING_WHY_MAX];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* No message is given for less than a byte of stream, except the last one. */
static void record_init(struct record *record, size_t stream_size)
{
    memset(record, 0, sizeof(*record));
    record->room = (stream_size + 1) * (RECORD_EXTRA + 1);
    record->bytes = malloc(record->room);
    require(record->bytes != NULL);
}

static void record_close(struct record *record, int framing, uint64_t max)
{
    require(record->total == UINT64_MAX || record->total == record->part);
    require(framing == WPIPE_FRAMING_RAW || record->part <= max);
    wpipe__store_u64(record->bytes + record->size, record->part);
    record->bytes[record->size + 8] = record->type;
    record->size += RECORD_EXTRA + (size_t)record->part;
    record->messages++;
    record->part = 0;
}

static void record_chunk(struct record *record, const struct wpipe__chunk *c,
                         int framing, uint64_t max)
{
    uint64_t at = record->size + RECORD_EXTRA + record->part;

    require(c->data != NULL);
    require((c->first == 0 || c->first == 1) && c->first == !record->open);
    require(c->size > 0 || c->last);
    require(at + c->size <= record->room);
    if (c->first) {
        record->total = c->total;
        record->type = c->type;
        memset(record->bytes + record->size, 0, RECORD_EXTRA);
        require(framing == WPIPE_FRAMING_TYPE_LE32 || c->type == 0);
    }
    require(c->type == record->type);
    memcpy(record->bytes + at, c->data, c->size);
    record->part += c->size;
    require(record->part <= record->total);
    record->open = !c->last;
    if (c->last)
        record_close(record, framing, max);
}

static void record_refusal(struct record *record, struct wpipe__decoder *d,
                           int error, const char *why)
{
    struct wpipe__chunk chunk;
    const char *again = NULL;
    size_t used;

    require(error == WPIPE_EPROTO || error == WPIPE_EMSGSIZE);
    require(why != NULL && *why != '\0');
    require(strlen(why) < WPIPE__FRAMING_WHY_MAX - 1);
    record->error = error;
    memcpy(record->why, why, strlen(why) + 1);
    require(wpipe__decoder_feed(d, (const uint8_t *)"\n", 1, &used, &chunk,
                                &again) == error);
    require(strcmp(again, record->why) == 0);
    require(wpipe__decoder_end(d, &chunk, NULL) == error);
}

/* An exact block of its own: a sanitizer sees a byte too many, and anything
 * that is kept from one piece to the next. */
static void feed_piece(struct record *record, struct wpipe__decoder *d,
                       const uint8_t *bytes, size_t size)
{
    uint8_t *piece = malloc(size > 0 ? size : 1);
    struct wpipe__chunk chunk;
    const char *why = NULL;
    size_t at = 0;
    size_t idle = 0;
    size_t used;
    int r;

    require(piece != NULL);
    if (size > 0)
        memcpy(piece, bytes, size);
    do {
        used = SIZE_MAX;
        r = wpipe__decoder_feed(d, piece + at, size - at, &used, &chunk, &why);
        if (r < 0)
            break;
        require(used <= size - at);
        require(r == 1 || used == size - at);
        idle = used == 0 ? idle + 1 : 0;
        require(idle < 2);
        at += used;
        if (r == 1)
            record_chunk(record, &chunk, d->framing, d->max_message);
    } while (at < size);
    free(piece);
    if (r < 0)
        record_refusal(record, d, r, why);
}

static void end_stream(struct record *record, struct wpipe__decoder *d)
{
    struct wpipe__chunk chunk;
    const char *why = NULL;
    int r = wpipe__decoder_end(d, &chunk, &why);

    if (r == 1) {
        require(d->framing == WPIPE_FRAMING_LINES && chunk.last);
        record_chunk(record, &chunk, d->framing, d->max_message);
        r = wpipe__decoder_end(d, &chunk, &why);
    }
    if (r < 0)
        record_refusal(record, d, r, why);
    else
        require(r == 0 && !record->open);
}

/* Pieces of the sizes `cuts`, in turn; all at once where there are none. */
static void decode(struct record *record, int framing, uint64_t max,
                   const uint8_t *cuts, size_t count, const uint8_t *stream,
                   size_t size)
{
    struct wpipe__decoder decoder;
    size_t at = 0;
    size_t i = 0;
    size_t n;

    wpipe__decoder_init(&decoder, framing, max);
    while (at < size && record->error == 0) {
        n = size - at;
        if (count > 0)
            n = wpipe__min_size(n, cuts[i++ % count]);
        /* sizes that are all zero would never get there */
        if (n == 0 && i % (count + 1) == 0)
            n = 1;
        feed_piece(record, &decoder, stream + at, n);
        at += n;
    }
    if (record->error == 0)
        end_stream(record, &decoder);
}

static void require_same(const struct record *a, const struct record *b)
{
    require(a->messages == b->messages && a->size == b->size);
    require(memcmp(a->bytes, b->bytes, a->size) == 0);
}

/* Raw has no messages: the bytes alone are to be the same. */
static void require_bytes(const struct record *record, const uint8_t *stream,
                          size_t size)
{
    size_t from = 0;
    size_t n;

    while (from < record->size) {
        n = (size_t)wpipe__load_u64(record->bytes + from);
        from += RECORD_EXTRA;
        require(n <= size && memcmp(record->bytes + from, stream, n) == 0);
        from += n;
        stream += n;
        size -= n;
    }
    require(size == 0 && record->error == 0);
}

/* Writes the messages of a record in their framing; 0 where one of them
 * cannot be written. */
static size_t encode(const struct record *record, int framing, uint8_t *stream)
{
    uint8_t edge[WPIPE__FRAMING_OWN_HEADER];
    size_t from = 0;
    size_t size = 0;
    size_t n;
    int r;

    if (framing == WPIPE_FRAMING_LINES) { /* or one of the text's own goes */
        memcpy(stream, "\xef\xbb\xbf", 3);
        size = 3;
    }
    while (from < record->size) {
        n = (size_t)wpipe__load_u64(record->bytes + from);
        from += RECORD_EXTRA;
        if (wpipe__framing_check(framing, record->bytes + from, n, 1) < 0)
            return 0;
        r = wpipe__framing_before(framing, n, record->bytes[from - 8], edge);
        require(r >= 0 && (size_t)r <= sizeof(edge));
        memcpy(stream + size, edge, (size_t)r);
        size += (size_t)r;
        memcpy(stream + size, record->bytes + from, n);
        size += n;
        from += n;
        r = wpipe__framing_after(framing, n == 0 ? 0 : record->bytes[from - 1],
                                 edge);
        require(r >= 0 && (size_t)r <= sizeof(edge));
        memcpy(stream + size, edge, (size_t)r);
        size += (size_t)r;
    }
    return size;
}

static void write_again(const struct record *record, int framing, uint64_t max)
{
    struct record again;
    uint8_t *stream =
        malloc(record->size + record->messages * WPIPE__FRAMING_OWN_HEADER);
    size_t size;

    if (record->messages == 0 || stream == NULL) {
        free(stream);
        return;
    }
    size = encode(record, framing, stream);
    if (size > 0) {
        record_init(&again, size);
        decode(&again, framing, max, NULL, 0, stream, size);
        require(again.error == 0);
        require_same(record, &again);
        free(again.bytes);
    }
    free(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t limits[] = { 0,   1,     2,         5,
                                       100, 65536, INT32_MAX, UINT64_MAX };
    struct record whole;
    struct record pieces;
    const uint8_t *cuts = data + 3;
    uint64_t max;
    size_t count;
    int framing;

    if (size < 3)
        return 0;
    framing = data[0] % 6;
    max = limits[data[1] % WPIPE__ARRAY_SIZE(limits)];
    count = wpipe__min_size(data[2] % 16, size - 3);
    data = cuts + count;
    size -= 3 + count;

    record_init(&whole, size);
    record_init(&pieces, size);
    decode(&whole, framing, max, NULL, 0, data, size);
    decode(&pieces, framing, max, cuts, count, data, size);
    require(whole.error == pieces.error);
    require(strcmp(whole.why, pieces.why) == 0);
    if (framing == WPIPE_FRAMING_RAW) {
        require_bytes(&pieces, data, size);
    } else {
        require_same(&whole, &pieces);
        write_again(&pieces, framing, max);
    }
    free(whole.bytes);
    free(pieces.bytes);
    return 0;
}
