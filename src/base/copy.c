/* SPDX-License-Identifier: Apache-2.0 */
/* The copy that stays out of memcpy's trap; copy.h says which. */
#include "base/copy.h"

/*
 * So much memcpy loads whole before it stores any of it: eight vectors of 32
 * bytes. Larger pieces are copied in a loop, whose loads wait for stores that
 * seem to be to the same place: on Zen 5, which has no trap, 66 GB/s instead
 * of 96. Loaded each time, as a compiler that knew the number might write the
 * same instruction in place of the call.
 */
static const volatile size_t piece_size = 256;

void wpipe__copy_in_pieces(void *to, const void *from, size_t size)
{
    const size_t piece = piece_size;
    const uint8_t *source = from;
    uint8_t *target = to;

    while (size > piece) {
        memcpy(target, source, piece);
        target += piece;
        source += piece;
        size -= piece;
    }
    memcpy(target, source, size);
}
