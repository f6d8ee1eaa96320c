/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A buffer that grows with what was read, never looks at a byte twice and
 * gives lines out where they lie.
 */
#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CHUNK = 64 * 1024
};

static int make_room(struct lines *l)
{
    size_t room = l->room;
    char *data;

    if (l->start > 0) {
        memmove(l->data, l->data + l->start, l->end - l->start);
        l->end -= l->start;
        l->looked -= l->start;
        l->start = 0;
    }
    if (l->end > l->limit)
        return -EMSGSIZE;
    if (l->room - l->end >= CHUNK)
        return 0;
    room = room == 0 ? (size_t)2 * CHUNK : room * 2;
    data = realloc(l->data, room);
    if (data == NULL)
        return -ENOMEM;
    l->data = data;
    l->room = room;
    return 0;
}

long lines_fill(struct lines *l, int fd)
{
    ssize_t got;
    int r = make_room(l);

    if (r < 0)
        return r;
    do {
        got = read(fd, l->data + l->end, CHUNK);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    l->end += (size_t)got;
    l->ended = got == 0;
    return (long)got;
}

bool lines_next(struct lines *l, char **ret_line, size_t *ret_size)
{
    char *stop;

    if (l->start == l->end)
        return false;
    stop = memchr(l->data + l->looked, '\n', l->end - l->looked);
    if (stop == NULL) {
        l->looked = l->end;
        return l->ended && lines_bytes(l, ret_line, ret_size);
    }
    *ret_line = l->data + l->start;
    *ret_size = (size_t)(stop - *ret_line);
    l->start += *ret_size + 1;
    l->looked = l->start;
    return true;
}

bool lines_bytes(struct lines *l, char **ret_data, size_t *ret_size)
{
    if (l->start == l->end)
        return false;
    *ret_data = l->data + l->start;
    *ret_size = l->end - l->start;
    l->start = l->looked = l->end;
    return true;
}

void lines_done(struct lines *l)
{
    free(l->data);
    *l = (struct lines){ .limit = l->limit };
}
