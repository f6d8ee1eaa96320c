/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Printing into fixed buffers without ever breaking the encoding.
 */
#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* The length of `s` without a character at its end that was cut in two. */
static size_t whole_characters(const char *s, size_t length)
{
    size_t at = length;
    size_t back;

    for (back = 0; back < 4 && at > 0; back++) {
        at--;
        if (((uint8_t)s[at] & 0xc0) != 0x80)
            return wpipe__utf8_length(s + at, length - at) == 0 ? at : length;
    }
    return length; /* not UTF-8 to begin with */
}

void wpipe__text_set_list(char *buf, size_t size, const char *format,
                          va_list list)
{
    int n;

    if (buf == NULL || size == 0)
        return;
    n = vsnprintf(buf, size, format, list);
    if (n < 0)
        buf[0] = '\0';
    else if ((size_t)n >= size)
        buf[whole_characters(buf, size - 1)] = '\0';
}

void wpipe__text_set(char *buf, size_t size, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    wpipe__text_set_list(buf, size, format, list);
    va_end(list);
}

/* C0, DEL, and C1, which some terminals obey also when it comes as UTF-8. */
static int is_control(const uint8_t *p, size_t length)
{
    if (length == 1)
        return p[0] < 0x20 || p[0] == 0x7f;
    return length == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

void wpipe__text_clean(char *s)
{
    size_t left = strlen(s);
    size_t length;
    size_t step;

    for (; left > 0; s += step, left -= step) {
        length = wpipe__utf8_length(s, left);
        step = length == 0 ? 1 : length;
        if (length == 0 || is_control((const uint8_t *)s, length))
            memset(s, '?', step);
    }
}
