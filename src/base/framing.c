/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The six framings: their names, what they can carry, and what goes before and
 * behind a message. The way back is in decoder.c. Called by whoever writes to a
 * foreign stream or takes the name of a framing.
 */
#include "base/framing.h"

#include <inttypes.h>
#include <string.h>

#include "base/base.h"
#include "base/text.h"

struct kind {
    const char *name;
    unsigned fixed; /* bytes of header, where every message has as many */
    uint64_t most;  /* bytes of one message that its length can tell */
};

/* be32 is a signed number in .NET. Headers stop where chunk.total stays clear
 * of its UINT64_MAX, "not known". */
static const struct kind kinds[] = {
    [WPIPE_FRAMING_RAW] = { "raw", 0, UINT64_MAX },
    [WPIPE_FRAMING_LE32] = { "le32", 4, UINT32_MAX },
    [WPIPE_FRAMING_BE32] = { "be32", 4, INT32_MAX },
    [WPIPE_FRAMING_LINES] = { "lines", 0, UINT64_MAX },
    [WPIPE_FRAMING_HEADERS] = { "headers", 0, INT64_MAX },
    [WPIPE_FRAMING_TYPE_LE32] = { "type-le32", 5, UINT32_MAX },
};

static int is_framing(int framing)
{
    return framing >= 0 && (size_t)framing < WPIPE__ARRAY_SIZE(kinds);
}

unsigned wpipe__framing_fixed(int framing)
{
    return is_framing(framing) ? kinds[framing].fixed : 0;
}

/* ---- writing ------------------------------------------------------------- */

static void store_big_endian(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 24);
    p[1] = (uint8_t)(value >> 16 & 0xff);
    p[2] = (uint8_t)(value >> 8 & 0xff);
    p[3] = (uint8_t)(value & 0xff);
}

int wpipe__framing_before(int framing, uint64_t total, uint8_t type,
                          uint8_t ret_bytes[WPIPE__FRAMING_OWN_HEADER])
{
    if (!is_framing(framing))
        return WPIPE_EINVAL;
    if (total > kinds[framing].most)
        return WPIPE_EMSGSIZE;
    switch (framing) {
    case WPIPE_FRAMING_LE32:
        wpipe__store_u32(ret_bytes, (uint32_t)total);
        break;
    case WPIPE_FRAMING_BE32:
        store_big_endian(ret_bytes, (uint32_t)total);
        break;
    case WPIPE_FRAMING_TYPE_LE32:
        ret_bytes[0] = type;
        wpipe__store_u32(ret_bytes + 1, (uint32_t)total);
        break;
    case WPIPE_FRAMING_HEADERS:
        wpipe__text_set((char *)ret_bytes, WPIPE__FRAMING_OWN_HEADER,
                        "Content-Length: %" PRIu64 "\r\n\r\n", total);
        return (int)strlen((const char *)ret_bytes);
    default:
        break;
    }
    return (int)kinds[framing].fixed;
}

int wpipe__framing_after(int framing, uint8_t end,
                         uint8_t ret_bytes[WPIPE__FRAMING_OWN_HEADER])
{
    if (!is_framing(framing))
        return WPIPE_EINVAL;
    if (framing != WPIPE_FRAMING_LINES || end == '\n')
        return 0;
    ret_bytes[0] = '\n';
    return 1;
}

/* What is wrong with a part of a message, or NULL. */
static const char *part_problem(int framing, const uint8_t *bytes, size_t size,
                                int last)
{
    if (!is_framing(framing))
        return "there is no such framing";
    if (bytes == NULL && size > 0)
        return "the message is NULL and has a size";
    if (framing != WPIPE_FRAMING_LINES || size == 0)
        return NULL;
    if (last && bytes[size - 1] == '\r')
        return "the line ends in a carriage return, which the reader drops";
    if (last && bytes[size - 1] == '\n')
        size--;
    if (memchr(bytes, '\n', size) != NULL)
        return "the line has a newline inside";
    return NULL;
}

int wpipe__framing_check(int framing, const void *data, size_t size, int last)
{
    return part_problem(framing, data, size, last) == NULL ? 0 : WPIPE_EINVAL;
}

const char *wpipe_framing_problem(int framing, const void *data, size_t size)
{
    if (framing == WPIPE_FRAMING_TYPE_LE32 && size == 0)
        return "the message has no first byte, which is its type";
    return part_problem(framing, data, size, 1);
}

/* ---- names --------------------------------------------------------------- */

const char *wpipe__framing_name(int framing)
{
    return is_framing(framing) ? kinds[framing].name : NULL;
}

int wpipe__framing_number(const char *name)
{
    size_t i;

    if (name == NULL)
        return WPIPE_EINVAL;
    for (i = 0; i < WPIPE__ARRAY_SIZE(kinds); i++)
        if (strcmp(name, kinds[i].name) == 0)
            return (int)i;
    return WPIPE_EINVAL;
}
