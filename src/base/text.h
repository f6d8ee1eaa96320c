/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sentences for people in buffers of a fixed size, mostly
 * options.error_text. Pure; any thread.
 */
#ifndef WPIPE__TEXT_H
#define WPIPE__TEXT_H

#include <stdarg.h>
#include <stddef.h>

#ifdef __GNUC__
#define WPIPE__PRINTF(at, first) \
    __attribute__((__format__(__printf__, at, first)))
#else
#define WPIPE__PRINTF(at, first)
#endif

/*
 * Print into `buf`, which may be NULL with any size: always terminated, and
 * what does not fit is cut off between two UTF-8 characters.
 */
void wpipe__text_set(char *buf, size_t size, const char *format, ...)
    WPIPE__PRINTF(3, 4);

void wpipe__text_set_list(char *buf, size_t size, const char *format,
                          va_list list) WPIPE__PRINTF(3, 0);

/*
 * Make a string from somebody else fit for a terminal: each byte of a control
 * character (C0, DEL, C1) and each byte that is not UTF-8 becomes '?'.
 */
void wpipe__text_clean(char *s);

#endif
