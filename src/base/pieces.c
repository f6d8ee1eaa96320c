/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of a gathered message.
 */
#include "base/pieces.h"

#include <stdint.h>

#include "base/base.h"
#include "base/copy.h"

enum {
    PIECES_MAX = 1024
};

int wpipe__pieces_size(const wpipe_piece *pieces, int count, size_t *ret_size)
{
    size_t size = 0;
    int i;

    if (count < 0 || count > PIECES_MAX || (count > 0 && pieces == NULL))
        return WPIPE_EINVAL;
    for (i = 0; i < count; i++) {
        if (pieces[i].data == NULL && pieces[i].size > 0)
            return WPIPE_EINVAL;
        if (pieces[i].size > SIZE_MAX / 2 - size)
            return WPIPE_EINVAL;
        size += pieces[i].size;
    }
    *ret_size = size;
    return 0;
}

void wpipe__pieces_copy(void *to, const wpipe_piece *pieces, size_t offset,
                        size_t size)
{
    uint8_t *at = to;

    while (size > 0) {
        size_t part;

        if (offset >= pieces->size) {
            offset -= pieces->size;
            pieces++;
            continue;
        }
        part = wpipe__min_size(pieces->size - offset, size);
        wpipe__copy(at, (const uint8_t *)pieces->data + offset, part);
        at += part;
        size -= part;
        offset = 0;
        pieces++;
    }
}
