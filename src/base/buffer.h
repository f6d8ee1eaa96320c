/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue of bytes that grows: appended at the end, taken from the front, and
 * always in one piece. It holds what a socket would not take yet and messages
 * that have not come in whole. Its memory follows what is in it and goes back
 * when the last byte is taken. One thread at a time.
 */
#ifndef WPIPE__BUFFER_H
#define WPIPE__BUFFER_H

#include <stddef.h>
#include <stdint.h>

/* All zero is an empty buffer. */
struct wpipe__buffer {
    uint8_t *data; /* NULL or `capacity` bytes */
    size_t begin;  /* the unread bytes are data[begin] to data[end - 1] */
    size_t end;
    size_t capacity;
};

/*
 * Make room for `extra` bytes in one piece behind the end; what was got from
 * wpipe__buffer_space and _front before is no longer valid.
 * Returns 0. Errors: WPIPE_ENOMEM, and the buffer is as it was.
 */
int wpipe__buffer_reserve(struct wpipe__buffer *buffer, size_t extra);

/* Where to put the reserved bytes; tell wpipe__buffer_grew how many came. */
uint8_t *wpipe__buffer_space(struct wpipe__buffer *buffer);

/* `n` bytes, at most those reserved, were put at wpipe__buffer_space. */
void wpipe__buffer_grew(struct wpipe__buffer *buffer, size_t n);

/* The first unread byte; NULL when there is none. */
const uint8_t *wpipe__buffer_front(const struct wpipe__buffer *buffer);

/* How many bytes are unread. */
size_t wpipe__buffer_size(const struct wpipe__buffer *buffer);

/* What of its memory counts: the unread bytes, and at least half of its block,
 * which stays while any of them does. */
size_t wpipe__buffer_holds(const struct wpipe__buffer *buffer);

/* Take `n` bytes, at most all, off the front. Emptied, it frees its memory. */
void wpipe__buffer_drop(struct wpipe__buffer *buffer, size_t n);

/*
 * Reserve and copy. Returns 0. Errors: WPIPE_ENOMEM, nothing is appended.
 * `data` must not lie inside the buffer.
 */
int wpipe__buffer_append(struct wpipe__buffer *buffer, const void *data,
                         size_t n);

/* Free everything; the buffer is empty and may be used again. */
void wpipe__buffer_done(struct wpipe__buffer *buffer);

#endif
