/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framings: how message boundaries travel over a plain byte stream to a
 * program that is not windpipe. This is the way out; decoder.h is the way in.
 * Pure: it keeps and allocates nothing.
 */
#ifndef WPIPE_BASE_FRAMING_H
#define WPIPE_BASE_FRAMING_H

#include <stddef.h>
#include <stdint.h>

#include <windpipe/error.h>

#define WPIPE__FRAMING_OWN_HEADER 48u /* the longest that we write */

/* What goes before a message of `total` bytes: its length; WPIPE_EMSGSIZE when
 * the framing cannot carry it; WPIPE_EINVAL for a framing not known. */
int wpipe__framing_before(int framing, uint64_t total, uint8_t type,
                          uint8_t ret_bytes[WPIPE__FRAMING_OWN_HEADER]);
/* What goes behind a message whose last byte is `end` (0 of an empty one): its
 * length. Lines: a newline, unless the message has it already. */
int wpipe__framing_after(int framing, uint8_t end,
                         uint8_t ret_bytes[WPIPE__FRAMING_OWN_HEADER]);

/*
 * May these bytes be a part of a message in this framing, with `last` the end
 * of it? Lines: no newline but as the last byte, and no CR at the end, since
 * the reader would drop it. 0 or WPIPE_EINVAL. A message in parts: the last
 * one that is not empty is the one to call `last`.
 */
int wpipe__framing_check(int framing, const void *data, size_t size, int last);

/* Bytes of header, where every message has as many; else 0. */
unsigned wpipe__framing_fixed(int framing);

/* "raw", "le32", "be32", "lines", "headers", "type-le32" and back: the name,
 * NULL for other numbers; the number, or WPIPE_EINVAL. */
const char *wpipe__framing_name(int framing);
int wpipe__framing_number(const char *name);

#endif
