/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the name of a second pipe, in any portions: they are refused
 * with a reason, or what comes out is a name that a pipe may have, and makes
 * the same bytes again. The first byte chooses the portions and whether the
 * first pipe is a path.
 */
#include <stdlib.h>
#include <string.h>

#include "base/introduction.h"
#include "base/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* 0 whole; > 0 cut off; < 0 refused. Nothing behind its end is taken. */
static int feed(struct wpipe__introduction *i, const uint8_t *data, size_t size,
                size_t part)
{
    size_t n;
    int left;

    while ((left = wpipe__introduction_left(i)) > 0 && size > 0) {
        require(i->have + (size_t)left <= WPIPE__INTRODUCTION_MAX);
        n = (size_t)left < part ? (size_t)left : part;
        if (n > size)
            n = size;
        memcpy(i->bytes + i->have, data, n);
        i->have += n;
        data += n;
        size -= n;
    }
    return left;
}

static void check_name(const struct wpipe__introduction *i, const char *name,
                       const char *first)
{
    int form = i->bytes[WPIPE__INTRODUCTION_HEADER] == 0
                   ? WPIPE_SECOND_PIPE_WRAPPER
                   : WPIPE_SECOND_PIPE_H_PIPES;
    uint8_t again[WPIPE__INTRODUCTION_MAX];
    char parsed[WPIPE_NAME_MAX + 1];
    const char *part = name;

    if (first[0] == '/') {
        require(strncmp(name, "/d/", 3) == 0);
        part += 3;
    }
    require(wpipe__name_parse(part, parsed, NULL) == 0);
    require(strcmp(parsed, part) == 0);
    if (wpipe__introduction_make(form, name, again) == i->have)
        require(memcmp(again, i->bytes, i->have) == 0);
    else /* a length in more groups than it needs */
        require(form == WPIPE_SECOND_PIPE_WRAPPER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wpipe__introduction i = { .have = 0 };
    char name[WPIPE_NAME_MAX + 1];
    const char *first;
    int r;

    if (size == 0)
        return 0;
    first = data[0] & 1 ? "/d/first" : "first";
    r = feed(&i, data + 1, size - 1, data[0] / 2 + 1u);
    if (r > 0)
        return 0;
    if (r == 0)
        r = wpipe__introduction_name(&i, first, name);
    require(r == 0 || r == WPIPE_EPROTO);
    if (r < 0)
        require(i.why[0] != '\0');
    else
        check_name(&i, name, first);
    return 0;
}
