/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder of the six framings. Those with a length ahead share one path and
 * differ in how their header is read; lines and raw have a path each. Whatever
 * a peer sends ends in messages or in one sentence that says what was wrong
 * with it, the same however the stream was cut. Called by whoever holds a
 * foreign stream.
 */
#include "base/decoder.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/base.h"
#include "base/framing.h"
#include "base/text.h"

static const uint8_t CARRIAGE_RETURN = '\r';
static const uint8_t BYTE_ORDER_MARK[] = { 0xef, 0xbb, 0xbf };

/* ---- refusing ------------------------------------------------------------ */

WPIPE__PRINTF(3, 4)
static int refuse(struct wpipe__decoder *d, int error, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    wpipe__text_set_list(d->why, sizeof(d->why), format, list);
    va_end(list);
    wpipe__text_clean(d->why); /* it may quote the peer */
    d->failed = error;
    return error;
}

static int refuse_announced(struct wpipe__decoder *d, uint64_t total)
{
    return refuse(d, WPIPE_EMSGSIZE,
                  "a message of %" PRIu64 " bytes was announced; the limit is "
                  "%" PRIu64,
                  total, d->max_message);
}

static int refuse_line(struct wpipe__decoder *d)
{
    return refuse(d, WPIPE_EMSGSIZE,
                  "a line is longer than %" PRIu64 " bytes, the limit",
                  d->max_message);
}

/* ---- the header of fixed size -------------------------------------------- */

/* The header is read: payload is next. */
static int begin_message(struct wpipe__decoder *d, uint64_t total)
{
    if (total > d->max_message)
        return refuse_announced(d, total);
    d->total = total;
    d->left = total;
    d->have = 0;
    d->in_message = 1;
    d->began = 0;
    return 0;
}

static uint32_t load_big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           (uint32_t)p[3];
}

/* What is here of it. */
static int take_fixed(struct wpipe__decoder *d, const uint8_t *bytes,
                      size_t size, size_t *at)
{
    size_t n = wpipe__min_size(d->fixed - d->have, size - *at);
    uint32_t total;

    memcpy(d->header + d->have, bytes + *at, n);
    d->have = (uint16_t)(d->have + n);
    *at += n;
    if (d->have < d->fixed)
        return 0;
    if (d->framing == WPIPE_FRAMING_LE32) {
        total = wpipe__load_u32(d->header);
    } else if (d->framing == WPIPE_FRAMING_TYPE_LE32) {
        d->type = d->header[0];
        total = wpipe__load_u32(d->header + 1);
    } else {
        total = load_big_endian(d->header);
        if (total > INT32_MAX)
            return refuse(d, WPIPE_EPROTO,
                          "the big-endian length %" PRIu32 " is over "
                          "2147483647, the maximum of a signed number",
                          total);
    }
    return begin_message(d, total);
}

/* ---- header lines -------------------------------------------------------- */

/* Letters as they are in ASCII, whatever the locale says. */
static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static int is_content_length(const uint8_t *name, size_t size)
{
    static const char wanted[] = "content-length";
    size_t i;

    if (size != sizeof(wanted) - 1)
        return 0;
    for (i = 0; i < size; i++)
        if (lower(name[i]) != (uint8_t)wanted[i])
            return 0;
    return 1;
}

static int is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static int is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9110, 5.6.2: what the name of a header is made of. */
static int is_token(uint8_t c)
{
    if (is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z'))
        return 1;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

/* `text` as a number; one over INT64_MAX is INT64_MAX + 1. -1 if it is none. */
static int parse_number(const uint8_t *text, size_t size, uint64_t *ret)
{
    const uint64_t over = (uint64_t)INT64_MAX + 1;
    uint64_t number = 0;
    size_t i;

    if (size == 0)
        return -1;
    for (i = 0; i < size; i++) {
        if (!is_digit(text[i]))
            return -1;
        if (number > INT64_MAX / 10)
            number = over;
        else
            number = wpipe__min_u64(number * 10 + (text[i] - '0'), over);
    }
    *ret = number;
    return 0;
}

static int take_content_length(struct wpipe__decoder *d, const uint8_t *value,
                               size_t size)
{
    int shown;

    for (; size > 0 && is_blank(value[0]); value++)
        size--;
    while (size > 0 && is_blank(value[size - 1]))
        size--;
    shown = (int)wpipe__min_size(size, 40);
    if (d->has_length)
        return refuse(d, WPIPE_EPROTO,
                      "Content-Length is given twice: %" PRIu64 " and \"%.*s\"",
                      d->total, shown, (const char *)value);
    if (parse_number(value, size, &d->total) < 0)
        return refuse(d, WPIPE_EPROTO,
                      "Content-Length \"%.*s\" is not a number", shown,
                      (const char *)value);
    if (d->total > INT64_MAX)
        return refuse(d, WPIPE_EMSGSIZE,
                      "Content-Length \"%.*s\" is over %" PRId64
                      ", the maximum",
                      shown, (const char *)value, INT64_MAX);
    if (d->total > d->max_message)
        return refuse_announced(d, d->total);
    d->has_length = 1;
    return 0;
}

/* A whole line of the header is there, with its newline. */
static int take_header_line(struct wpipe__decoder *d)
{
    const uint8_t *line = d->header + d->line;
    size_t end = d->have - 1u;
    size_t colon = d->colon;
    size_t at = d->line;

    if (end > at && d->header[end - 1] == '\r')
        end--;
    d->line = d->have;
    d->colon = 0;
    if (end == at && !d->has_length)
        return refuse(d, WPIPE_EPROTO,
                      "no Content-Length in the %u bytes of header lines",
                      (unsigned)d->have);
    if (end == at) {
        d->line = 0;
        d->has_length = 0;
        return begin_message(d, d->total);
    }
    if (colon == 0)
        return refuse(d, WPIPE_EPROTO,
                      "the header line at byte %u has no colon", (unsigned)at);
    if (!is_content_length(line, colon - 1 - at))
        return 0;
    return take_content_length(d, d->header + colon, end - colon);
}

/* Each byte is looked at when it comes, so that a peer which speaks something
 * else and then waits for an answer is told at once. */
static int take_header_byte(struct wpipe__decoder *d, uint8_t byte)
{
    unsigned at = d->have;

    if (at == WPIPE__FRAMING_HEADER_MAX)
        return refuse(d, WPIPE_EPROTO,
                      "the header lines are longer than %u bytes",
                      WPIPE__FRAMING_HEADER_MAX);
    d->header[d->have++] = byte;
    if (byte == '\n')
        return take_header_line(d);
    if (at > d->line && d->header[at - 1] == '\r')
        return refuse(d, WPIPE_EPROTO,
                      "the CR at byte %u of the header has no LF behind it",
                      at - 1);
    if (byte == '\r')
        return 0;
    if (d->colon == 0 && byte == ':' && at > d->line) {
        d->colon = d->have;
        return 0;
    }
    if (d->colon == 0 && !is_token(byte))
        return refuse(
            d, WPIPE_EPROTO,
            "byte %u of the header, 0x%02x, is not allowed in a field name", at,
            byte);
    if ((byte < 0x20 && byte != '\t') || byte > 0x7e)
        return refuse(d, WPIPE_EPROTO,
                      "byte %u of the header, 0x%02x, is not text", at, byte);
    return 0;
}

/* ---- feeding ------------------------------------------------------------- */

/* A length ahead: le32, be32, type-le32, headers. */
static int feed_counted(struct wpipe__decoder *d, const uint8_t *bytes,
                        size_t size, size_t *ret_used,
                        struct wpipe__chunk *ret_chunk)
{
    size_t at = 0;
    size_t n;
    int r;

    while (!d->in_message && at < size) {
        if (d->framing == WPIPE_FRAMING_HEADERS)
            r = take_header_byte(d, bytes[at++]);
        else
            r = take_fixed(d, bytes, size, &at);
        if (r < 0)
            return r;
    }
    n = (size_t)wpipe__min_u64(size - at, d->left);
    *ret_used = at + n;
    if (!d->in_message || (n == 0 && d->left > 0))
        return 0;
    d->left -= n;
    *ret_chunk = (struct wpipe__chunk){ .data = bytes + at,
                                        .size = n,
                                        .first = !d->began,
                                        .last = d->left == 0,
                                        .total = d->total,
                                        .type = d->type };
    d->began = 1;
    d->in_message = d->left > 0;
    return 1;
}

/* A part of a line; its size is only known when it comes in one piece. */
static int give_line(struct wpipe__decoder *d, const uint8_t *data, size_t size,
                     int last, struct wpipe__chunk *ret_chunk)
{
    if (size > d->max_message - d->seen)
        return refuse_line(d);
    *ret_chunk = (struct wpipe__chunk){ .data = data,
                                        .size = size,
                                        .first = !d->began,
                                        .last = last,
                                        .total = UINT64_MAX };
    if (last && !d->began)
        ret_chunk->total = size;
    d->in_message = !last;
    d->began = !last;
    d->seen = last ? 0 : d->seen + size;
    return 1;
}

/* Before the first line: a byte order mark is dropped, and what only begins
 * like one is given back. 1 with a chunk; 0 go on at *at. */
static int pass_mark(struct wpipe__decoder *d, const uint8_t *bytes,
                     size_t size, size_t *at, struct wpipe__chunk *ret_chunk)
{
    size_t held = d->marked;
    int r = 0;

    while (*at < size && held < sizeof(BYTE_ORDER_MARK) &&
           bytes[*at] == BYTE_ORDER_MARK[held]) {
        held++;
        (*at)++;
    }
    d->marked = (uint8_t)held;
    if (held < sizeof(BYTE_ORDER_MARK) && *at == size)
        return 0; /* it may be one */
    d->marked = WPIPE__MARK_PASSED;
    if (held > 0 && held < sizeof(BYTE_ORDER_MARK))
        r = give_line(d, BYTE_ORDER_MARK, held, 0, ret_chunk);
    return r;
}

/* A CR at the end of what was fed is held back until the next byte tells
 * whether it belongs to the newline. */
static int feed_text(struct wpipe__decoder *d, const uint8_t *bytes,
                     size_t size, size_t *ret_used,
                     struct wpipe__chunk *ret_chunk)
{
    const uint8_t *newline;
    size_t n = size;
    int r;

    if (d->carriage && bytes[0] != '\n') {
        r = give_line(d, &CARRIAGE_RETURN, 1, 0, ret_chunk);
        if (r < 0)
            return r;
        d->carriage = 0;
        *ret_used = 0;
        return 1;
    }
    newline = memchr(bytes, '\n', size);
    if (newline != NULL)
        n = (size_t)(newline - bytes);
    d->carriage = n > 0 && bytes[n - 1] == '\r';
    n -= d->carriage;
    if (newline != NULL)
        d->carriage = 0;
    d->in_message = 1;
    r = 0;
    if (newline != NULL || n > 0)
        r = give_line(d, bytes, n, newline != NULL, ret_chunk);
    if (r >= 0)
        *ret_used = newline != NULL ? (size_t)(newline - bytes) + 1 : size;
    return r;
}

static int feed_lines(struct wpipe__decoder *d, const uint8_t *bytes,
                      size_t size, size_t *ret_used,
                      struct wpipe__chunk *ret_chunk)
{
    size_t at = 0;
    int r = 0;

    if (d->marked != WPIPE__MARK_PASSED)
        r = pass_mark(d, bytes, size, &at, ret_chunk);
    if (r == 0 && at < size) {
        r = feed_text(d, bytes + at, size - at, ret_used, ret_chunk);
        *ret_used += r < 0 ? 0 : at;
    } else if (r >= 0) {
        *ret_used = at;
    }
    return r;
}

static int feed_raw(const uint8_t *bytes, size_t size, size_t *ret_used,
                    struct wpipe__chunk *ret_chunk)
{
    *ret_chunk = (struct wpipe__chunk){
        .data = bytes, .size = size, .first = 1, .last = 1, .total = size
    };
    *ret_used = size;
    return 1;
}

/* ---- the decoder --------------------------------------------------------- */

void wpipe__decoder_init(struct wpipe__decoder *d, int framing,
                         uint64_t max_message)
{
    memset(d, 0, sizeof(*d));
    d->framing = framing;
    d->max_message = max_message;
    d->fixed = wpipe__framing_fixed(framing);
    if (wpipe__framing_name(framing) == NULL)
        refuse(d, WPIPE_EINVAL, "there is no framing number %d", framing);
}

/* Hands the sentence over when there is one. */
static int tell_why(const struct wpipe__decoder *d, int r, const char **ret_why)
{
    if (r < 0 && ret_why != NULL)
        *ret_why = d->why;
    return r;
}

int wpipe__decoder_feed(struct wpipe__decoder *d, const uint8_t *bytes,
                        size_t size, size_t *ret_used,
                        struct wpipe__chunk *ret_chunk, const char **ret_why)
{
    int r;

    if (d->failed < 0)
        return tell_why(d, d->failed, ret_why);
    if (size == 0) {
        *ret_used = 0;
        return 0;
    }
    if (d->framing == WPIPE_FRAMING_RAW)
        r = feed_raw(bytes, size, ret_used, ret_chunk);
    else if (d->framing == WPIPE_FRAMING_LINES)
        r = feed_lines(d, bytes, size, ret_used, ret_chunk);
    else
        r = feed_counted(d, bytes, size, ret_used, ret_chunk);
    return tell_why(d, r, ret_why);
}

int wpipe__decoder_is_half(const struct wpipe__decoder *d)
{
    int marked = d->marked > 0 && d->marked < sizeof(BYTE_ORDER_MARK);

    return d->in_message || d->have > 0 || marked;
}

static int end_line(struct wpipe__decoder *d, struct wpipe__chunk *ret_chunk)
{
    size_t held = d->carriage;

    if (d->marked > 0 && d->marked < sizeof(BYTE_ORDER_MARK)) {
        held = d->marked;
        d->marked = WPIPE__MARK_PASSED;
        return give_line(d, BYTE_ORDER_MARK, held, 1, ret_chunk);
    }
    if (!d->in_message)
        return 0;
    d->carriage = 0;
    return give_line(d, &CARRIAGE_RETURN, held, 1, ret_chunk);
}

static int end_counted(struct wpipe__decoder *d)
{
    if (d->in_message)
        return refuse(d, WPIPE_EPROTO,
                      "the stream ended after %" PRIu64 " of the %" PRIu64
                      " bytes of a message",
                      d->total - d->left, d->total);
    if (d->have == 0)
        return 0;
    if (d->framing == WPIPE_FRAMING_HEADERS)
        return refuse(d, WPIPE_EPROTO,
                      "the stream ended after %u bytes of header lines",
                      (unsigned)d->have);
    return refuse(d, WPIPE_EPROTO,
                  "the stream ended after %u of the %u bytes before a message",
                  (unsigned)d->have, d->fixed);
}

int wpipe__decoder_end(struct wpipe__decoder *d, struct wpipe__chunk *ret_chunk,
                       const char **ret_why)
{
    int r;

    if (d->failed < 0)
        r = d->failed;
    else if (d->framing == WPIPE_FRAMING_LINES)
        r = end_line(d, ret_chunk);
    else
        r = end_counted(d);
    return tell_why(d, r, ret_why);
}
