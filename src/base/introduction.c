/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name of a second pipe as bytes, and back. What comes is a stranger's: it
 * is looked at as a whole before any of it is believed, and what was wrong
 * with it is one sentence.
 */
#include "base/introduction.h"

#include <inttypes.h>
#include <string.h>

#include "base/base.h"
#include "base/framing.h"
#include "base/name.h"
#include "base/text.h"

/*
 * A string as a stream of [MS-NRBF]: the header record (0) with root object 1,
 * no headers, version 1.0; the record of a string (6) that is object 1; its
 * length in groups of seven bits, low ones first; UTF-8; the end (11).
 */
static const uint8_t object_start[] = { 0,    1, 0, 0, 0, 0xff, 0xff, 0xff,
                                        0xff, 1, 0, 0, 0, 0,    0,    0,
                                        0,    6, 1, 0, 0, 0 };
static const uint8_t object_end = 11;

/* ---- making one ---------------------------------------------------------- */

static size_t append(uint8_t *bytes, size_t at, const void *data, size_t size)
{
    memcpy(bytes + at, data, size);
    return at + size;
}

/* WPIPE_NAME_MAX has no more than two groups of seven bits. */
static size_t append_length(uint8_t *bytes, size_t at, size_t length)
{
    if (length > 0x7f)
        bytes[at++] = (uint8_t)(0x80 | (length & 0x7f));
    bytes[at++] = (uint8_t)(length > 0x7f ? length >> 7 : length);
    return at;
}

size_t wpipe__introduction_make(int form, const char *name,
                                uint8_t ret_bytes[WPIPE__INTRODUCTION_MAX])
{
    size_t length = wpipe__min_size(strlen(name), WPIPE_NAME_MAX);
    uint8_t header[WPIPE__FRAMING_OWN_HEADER];
    int is_object = form == WPIPE_SECOND_PIPE_WRAPPER;
    size_t at = WPIPE__INTRODUCTION_HEADER;

    if (is_object) {
        at = append(ret_bytes, at, object_start, sizeof(object_start));
        at = append_length(ret_bytes, at, length);
    }
    at = append(ret_bytes, at, name, length);
    if (is_object)
        at = append(ret_bytes, at, &object_end, 1);
    (void)wpipe__framing_before(WPIPE_FRAMING_BE32,
                                at - WPIPE__INTRODUCTION_HEADER, 0, header);
    memcpy(ret_bytes, header, WPIPE__INTRODUCTION_HEADER);
    return at;
}

/* ---- receiving one ------------------------------------------------------- */

WPIPE__PRINTF(2, 3)
static int refuse(struct wpipe__introduction *i, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    wpipe__text_set_list(i->why, sizeof(i->why), format, list);
    va_end(list);
    wpipe__text_clean(i->why);
    return WPIPE_EPROTO;
}

static uint32_t announced(const struct wpipe__introduction *i)
{
    const uint8_t *p = i->bytes;

    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           (uint32_t)p[3];
}

int wpipe__introduction_left(struct wpipe__introduction *i)
{
    const uint32_t most = WPIPE__INTRODUCTION_MAX - WPIPE__INTRODUCTION_HEADER;

    if (i->have < WPIPE__INTRODUCTION_HEADER)
        return WPIPE__INTRODUCTION_HEADER - (int)i->have;
    if (announced(i) == 0)
        return refuse(i, "it has a length of 0");
    if (announced(i) > most)
        return refuse(i, "%" PRIu32 " bytes were announced; the limit is %d",
                      announced(i), WPIPE_NAME_MAX);
    return WPIPE__INTRODUCTION_HEADER + (int)announced(i) - (int)i->have;
}

/* The text in the `size` bytes at `data`, of which there is one. */
struct text {
    const uint8_t *data;
    size_t size;
};

static int is_object(const struct text *t)
{
    return t->data[0] == object_start[0];
}

/* Take the string out of an object. */
static int open_object(struct wpipe__introduction *i, struct text *t)
{
    size_t at = sizeof(object_start);
    size_t length;

    if (t->size < at + 2 || memcmp(t->data, object_start, at) != 0)
        return refuse(i, "it is neither text nor a .NET string");
    length = t->data[at] & 0x7f;
    if (t->data[at++] & 0x80)
        length |= (size_t)t->data[at++] << 7;
    if (t->size != at + length + 1 || t->data[t->size - 1] != object_end)
        return refuse(i, "it is a .NET string of another length");
    t->data += at;
    t->size = length;
    return 0;
}

/* A path has to lie where the first one does; back to the part behind that,
 * which has to be a name like any other. NULL: it does not. */
static const char *last_part(const char *name, const char *first)
{
    size_t directory;

    if (first[0] != '/')
        return name;
    directory = (size_t)(strrchr(first, '/') + 1 - first);
    return strncmp(name, first, directory) == 0 ? name + directory : NULL;
}

int wpipe__introduction_name(struct wpipe__introduction *i, const char *first,
                             char ret_name[WPIPE_NAME_MAX + 1])
{
    struct text t = { i->bytes + WPIPE__INTRODUCTION_HEADER,
                      i->have - WPIPE__INTRODUCTION_HEADER };
    char name[WPIPE_NAME_MAX + 1];
    char parsed[WPIPE_NAME_MAX + 1];
    const char *why = NULL;
    const char *part;

    if (is_object(&t) && open_object(i, &t) < 0)
        return WPIPE_EPROTO;
    if (t.size > WPIPE_NAME_MAX)
        return refuse(i, "it has %zu bytes; the limit is %d", t.size,
                      WPIPE_NAME_MAX);
    if (memchr(t.data, '\0', t.size) != NULL)
        return refuse(i, "the name contains a 0 byte");
    memcpy(name, t.data, t.size);
    name[t.size] = '\0';
    part = last_part(name, first);
    if (part == NULL)
        return refuse(i, "it is not in the directory of the first pipe");
    if (wpipe__name_parse(part, parsed, &why) < 0)
        return refuse(i, "%s", why);
    if (strcmp(part, parsed) != 0)
        return refuse(i, "it has a prefix");
    memcpy(ret_name, name, t.size + 1);
    return 0;
}
