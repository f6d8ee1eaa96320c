/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of records that came over a socket and are not read yet.
 *
 * Whoever receives (any thread, link locked) adds to `arrived`; the reader
 * owns `front` and takes `arrived` over in one swap when it is empty. So what
 * a look points to stays where it is while others receive. A record is kept
 * as it would lie in a ring: header, optional words, payload, padding.
 *
 * Used by links that read from a socket: the native link in its framed phase
 * and the foreign link.
 */
#ifndef WPIPE_LINK_QUEUE_H
#define WPIPE_LINK_QUEUE_H

#include "base/buffer.h"
#include "base/record.h"

struct wpipe__queue {
    struct wpipe__buffer arrived;
    struct wpipe__buffer front;
    uint32_t taken; /* bytes of front's first record already taken */
};

/* Add a record; `words` are its optional words as on the wire, then the
 * payload: `size` bytes in all. Link locked. 0 or WPIPE_ENOMEM. */
int wpipe__queue_add(struct wpipe__queue *q, uint32_t flags,
                     const uint8_t *words, size_t size);

/* Bytes that wait in `arrived`. Link locked. */
size_t wpipe__queue_arrived(const struct wpipe__queue *q);

/* Move what arrived to the reader; behind what it has not taken yet. Link
 * locked, called by the reader. 0 or WPIPE_ENOMEM. */
int wpipe__queue_take_over(struct wpipe__queue *q);

/* Bytes that the reader has. Reader. */
size_t wpipe__queue_size(const struct wpipe__queue *q);

/* The first record, what is untaken of it. Reader, size not 0. */
void wpipe__queue_look(const struct wpipe__queue *q,
                       struct wpipe__record *ret_record);

/* The record at *position (0 is the first), moving it on. Reader;
 * *position < size. */
void wpipe__queue_scan(const struct wpipe__queue *q, size_t *position,
                       struct wpipe__record *ret_record);

/* Take `bytes` of the record that look gave; `whole` ends it. Reader. */
void wpipe__queue_take(struct wpipe__queue *q,
                       const struct wpipe__record *record, uint32_t bytes,
                       int whole);

/* Bytes in it, or half of its blocks when that is more. Link locked, or nobody
 * receives. */
size_t wpipe__queue_holds(const struct wpipe__queue *q);

void wpipe__queue_done(struct wpipe__queue *q);

#endif
