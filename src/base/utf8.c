/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 by the table of RFC 3629, section 4: the first byte tells the length
 * and which second bytes are allowed. Runs of ASCII go eight bytes at a time.
 */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

/* The allowed range of the second byte keeps overlongs and surrogates out. */
struct lead {
    uint8_t length;
    uint8_t second_min;
    uint8_t second_max;
};

static struct lead lead_of(uint8_t byte)
{
    if (byte >= 0xc2 && byte <= 0xdf)
        return (struct lead){ 2, 0x80, 0xbf };
    if (byte == 0xe0)
        return (struct lead){ 3, 0xa0, 0xbf };
    if (byte == 0xed)
        return (struct lead){ 3, 0x80, 0x9f };
    if (byte >= 0xe1 && byte <= 0xef)
        return (struct lead){ 3, 0x80, 0xbf };
    if (byte == 0xf0)
        return (struct lead){ 4, 0x90, 0xbf };
    if (byte >= 0xf1 && byte <= 0xf3)
        return (struct lead){ 4, 0x80, 0xbf };
    if (byte == 0xf4)
        return (struct lead){ 4, 0x80, 0x8f };
    return (struct lead){ 0, 0, 0 };
}

size_t wpipe__utf8_length(const void *data, size_t size)
{
    const uint8_t *p = data;
    struct lead lead;
    size_t i;

    if (size == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    lead = lead_of(p[0]);
    if (lead.length == 0 || lead.length > size)
        return 0;
    if (p[1] < lead.second_min || p[1] > lead.second_max)
        return 0;
    for (i = 2; i < lead.length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return lead.length;
}

/* How many bytes from `p` on are surely ASCII, in whole words. */
static size_t skip_ascii(const uint8_t *p, size_t size)
{
    size_t done = 0;
    uint64_t word;

    while (size - done >= sizeof(word)) {
        memcpy(&word, p + done, sizeof(word));
        if ((word & 0x8080808080808080U) != 0)
            break;
        done += sizeof(word);
    }
    return done;
}

int wpipe__utf8_valid(const void *data, size_t size)
{
    const uint8_t *p = data;
    size_t at = 0;
    size_t length;

    while (at < size) {
        if (p[at] < 0x80)
            at += skip_ascii(p + at, size - at);
        if (at == size)
            break;
        length = wpipe__utf8_length(p + at, size - at);
        if (length == 0)
            return 0;
        at += length;
    }
    return 1;
}
