/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages out of a plain byte stream. Pure: bytes in, chunks out.
 *
 * A decoder never keeps payload: it hands out each part of a message as it
 * comes, so memory grows with bytes received and never with a length that was
 * only announced. What it keeps of a header is bounded by
 * WPIPE__FRAMING_HEADER_MAX. It allocates nothing.
 */
#ifndef WPIPE_BASE_DECODER_H
#define WPIPE_BASE_DECODER_H

#include <stddef.h>
#include <stdint.h>

#include <windpipe/error.h>

#define WPIPE__FRAMING_HEADER_MAX 256u /* "headers": all header lines */
#define WPIPE__MARK_PASSED        0xffu
#define WPIPE__FRAMING_WHY_MAX    128u /* the longest sentence, terminated */

/* What a decoder gives: a part of one message, empty only when it is last. */
struct wpipe__chunk {
    const uint8_t *data; /* points into what was fed or, for a CR that was held
                            back, to a constant; never NULL */
    size_t size;
    int first;      /* begins a message */
    int last;       /* ends it */
    uint64_t total; /* with first: its size, or UINT64_MAX if not known */
    uint8_t type;   /* type-le32: the type byte; else 0 */
};

/* Embedded in its owner and read by nobody else. */
struct wpipe__decoder {
    int framing;    /* WPIPE_FRAMING_* */
    unsigned fixed; /* bytes of header, where every message has as many */
    int failed;     /* what it was refused for, or 0 */
    uint64_t max_message;
    uint64_t total;     /* announced for the message being read */
    uint64_t left;      /* of those still to come */
    uint64_t seen;      /* lines: payload of this line so far */
    uint16_t have;      /* bytes of the header so far */
    uint16_t line;      /* headers: where the line being read begins */
    uint16_t colon;     /* headers: behind the colon of that line, or 0 */
    uint8_t has_length; /* headers: total was announced */
    uint8_t type;       /* type-le32 */
    uint8_t in_message; /* payload is due; lines: the line has begun */
    uint8_t began;      /* the first chunk of the message was given */
    uint8_t carriage;   /* lines: a CR is held back */
    uint8_t marked;     /* lines: bytes of a byte order mark that are held back;
                           WPIPE__MARK_PASSED behind the place of one */
    uint8_t header[WPIPE__FRAMING_HEADER_MAX];
    char why[WPIPE__FRAMING_WHY_MAX];
};

/* `framing` is a WPIPE_FRAMING_* that the caller has checked; a message over
 * `max_message` bytes is refused. Raw has no messages and so no limit. */
void wpipe__decoder_init(struct wpipe__decoder *d, int framing,
                         uint64_t max_message);

/*
 * Take some of `size` bytes; *ret_used says how many: call again with the
 * rest. Returns 1 with a chunk in *ret_chunk - then *ret_used may be 0, but
 * not twice in a row -, 0 when all bytes were used and no chunk came of them,
 * or WPIPE_EPROTO / WPIPE_EMSGSIZE with a sentence in *ret_why (may be NULL).
 * The sentence is good as long as the decoder, which says the same ever after.
 */
int wpipe__decoder_feed(struct wpipe__decoder *d, const uint8_t *bytes,
                        size_t size, size_t *ret_used,
                        struct wpipe__chunk *ret_chunk, const char **ret_why);

/* Has a message begun, or what stands before one, and not ended? Raw bytes are
 * no messages. */
int wpipe__decoder_is_half(const struct wpipe__decoder *d);

/* Payload bytes of the message begun that are known to be still to come. */
static inline uint64_t wpipe__decoder_left(const struct wpipe__decoder *d)
{
    return d->in_message && d->framing != WPIPE_FRAMING_LINES ? d->left : 0;
}

/* The stream ended: 0 between messages, WPIPE_EPROTO inside one. Lines: a last
 * line without its newline is a message: 1 with its last chunk, which is empty
 * or a CR that was held back (then WPIPE_EMSGSIZE is possible too). */
int wpipe__decoder_end(struct wpipe__decoder *d, struct wpipe__chunk *ret_chunk,
                       const char **ret_why);

#endif
