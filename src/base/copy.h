/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one copy of payload, into rings and large buffers and out of them.
 *
 * It is memcpy, but for one trap. On AMD Zen 3 and 4, glibc before 2.39 copies
 * 2 KiB and more with "rep movsb". That takes ten times as long when the
 * destination lies 1 to 31 bytes behind the source, counted within a page.
 * There this copies in pieces that are too short for it. `windpipe-bench
 * --case copy` shows what it does on a machine. Any thread.
 */
#ifndef WPIPE__COPY_H
#define WPIPE__COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* memcpy never uses "rep movsb" below this. */
#define WPIPE__COPY_LARGE 2048u

/* For wpipe__copy alone. */
void wpipe__copy_in_pieces(void *to, const void *from, size_t size);

/* As memcpy: the two do not overlap, and are addresses also for size 0. */
static inline void wpipe__copy(void *to, const void *from, size_t size)
{
    uintptr_t apart = ((uintptr_t)to - (uintptr_t)from) & 4095u;

    if (size >= WPIPE__COPY_LARGE && apart - 1 < 31)
        wpipe__copy_in_pieces(to, from, size);
    else
        memcpy(to, from, size);
}

#endif
