/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8, one character at a time. Pure; used by output.c and json.c.
 */
#include "unicode.h"

size_t unicode_next(const unsigned char *p, size_t size, uint32_t *ret_point)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t length = *p < 0x80   ? 1
                    : *p < 0xc2 ? 0
                    : *p < 0xe0 ? 2
                    : *p < 0xf0 ? 3
                    : *p < 0xf5 ? 4
                                : 0;
    uint32_t point = length > 1 ? *p & (0x7fu >> length) : *p;

    *ret_point = *p;
    if (length == 0 || length > size)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (p[i] & 0x3fu);
    }
    if (point < least[length] || point > 0x10ffff ||
        (point >= 0xd800 && point < 0xe000))
        return 0;
    *ret_point = point;
    return length;
}

bool unicode_is_text(const void *data, size_t size)
{
    const unsigned char *p = data;
    uint32_t point;
    size_t length;

    for (; size > 0; p += length, size -= length) {
        length = unicode_next(p, size, &point);
        if (length == 0)
            return false;
    }
    return true;
}
