/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte queue. The unread bytes move to the front of their block only when
 * at least as many were taken before them, so moving costs no more in all
 * than taking did; otherwise the block doubles.
 */
#include "base/buffer.h"

#include <string.h>
#include <windpipe/error.h>

#include "base/base.h"
#include "base/copy.h"
#include "base/memory.h"

enum {
    SMALLEST = 256
};

static void compact(struct wpipe__buffer *buffer)
{
    size_t size = wpipe__buffer_size(buffer);

    if (size > 0)
        memmove(buffer->data, buffer->data + buffer->begin, size);
    buffer->begin = 0;
    buffer->end = size;
}

/* Twice what there is, or what is needed when that is more. */
static size_t next_capacity(size_t capacity, size_t needed)
{
    size_t twice = capacity > SIZE_MAX / 2 ? SIZE_MAX : capacity * 2;

    return wpipe__max_size(wpipe__max_size(twice, needed), SMALLEST);
}

static int grow(struct wpipe__buffer *buffer, size_t needed)
{
    size_t size = wpipe__buffer_size(buffer);
    size_t capacity = next_capacity(buffer->capacity, needed);
    uint8_t *data = wpipe__resize(NULL, capacity);

    if (data == NULL && capacity > needed) {
        capacity = wpipe__max_size(needed, SMALLEST);
        data = wpipe__resize(NULL, capacity);
    }
    if (data == NULL)
        return WPIPE_ENOMEM;
    if (size > 0)
        wpipe__copy(data, buffer->data + buffer->begin, size);
    wpipe__free(buffer->data);
    *buffer = (struct wpipe__buffer){ data, 0, size, capacity };
    return 0;
}

int wpipe__buffer_reserve(struct wpipe__buffer *buffer, size_t extra)
{
    size_t size = wpipe__buffer_size(buffer);

    if (extra <= buffer->capacity - buffer->end)
        return 0;
    if (extra > SIZE_MAX - size)
        return WPIPE_ENOMEM;
    if (size + extra > buffer->capacity || size > buffer->begin) {
        if (grow(buffer, size + extra) == 0)
            return 0;
        if (size + extra > buffer->capacity)
            return WPIPE_ENOMEM;
    }
    compact(buffer);
    return 0;
}

uint8_t *wpipe__buffer_space(struct wpipe__buffer *buffer)
{
    return buffer->data == NULL ? NULL : buffer->data + buffer->end;
}

void wpipe__buffer_grew(struct wpipe__buffer *buffer, size_t n)
{
    buffer->end += wpipe__min_size(n, buffer->capacity - buffer->end);
}

const uint8_t *wpipe__buffer_front(const struct wpipe__buffer *buffer)
{
    if (buffer->begin == buffer->end)
        return NULL;
    return buffer->data + buffer->begin;
}

size_t wpipe__buffer_size(const struct wpipe__buffer *buffer)
{
    return buffer->end - buffer->begin;
}

size_t wpipe__buffer_holds(const struct wpipe__buffer *buffer)
{
    size_t half = buffer->capacity - buffer->capacity / 2;

    return wpipe__max_size(wpipe__buffer_size(buffer), half);
}

void wpipe__buffer_drop(struct wpipe__buffer *buffer, size_t n)
{
    buffer->begin += wpipe__min_size(n, wpipe__buffer_size(buffer));
    if (buffer->begin == buffer->end)
        wpipe__buffer_done(buffer);
}

int wpipe__buffer_append(struct wpipe__buffer *buffer, const void *data,
                         size_t n)
{
    int r;

    if (n == 0)
        return 0;
    r = wpipe__buffer_reserve(buffer, n);
    if (r < 0)
        return r;
    wpipe__copy(wpipe__buffer_space(buffer), data, n);
    wpipe__buffer_grew(buffer, n);
    return 0;
}

void wpipe__buffer_done(struct wpipe__buffer *buffer)
{
    wpipe__free(buffer->data);
    *buffer = (struct wpipe__buffer){ 0 };
}
