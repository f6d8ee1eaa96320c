/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What callers give in pieces: how much it is, and its bytes in one place.
 * Pure. Used by src/stream, src/loop, src/server and src/client.
 */
#ifndef WPIPE_BASE_PIECES_H
#define WPIPE_BASE_PIECES_H

#include <stddef.h>

#include <windpipe/stream.h>

/* Are they what a caller may give: 0 and the sum of their sizes; WPIPE_EINVAL.
 */
int wpipe__pieces_size(const wpipe_piece *pieces, int count, size_t *ret_size);

/* Copy `size` bytes of them, from `offset` on; so many are there. */
void wpipe__pieces_copy(void *to, const wpipe_piece *pieces, size_t offset,
                        size_t size);

#endif
