/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of records that came over a socket; queue.h has the rules. */
#include "link/queue.h"

#include "base/base.h"

int wpipe__queue_add(struct wpipe__queue *q, uint32_t flags,
                     const uint8_t *words, size_t size)
{
    static const uint8_t zeros[8];
    uint8_t head[WPIPE__RECORD_HEADER];
    int r = wpipe__buffer_reserve(&q->arrived, sizeof head + size + 8);

    if (r < 0)
        return r;
    wpipe__store_u32(head, (uint32_t)size - wpipe__record_extra(flags));
    wpipe__store_u32(head + 4, flags);
    (void)wpipe__buffer_append(&q->arrived, head, sizeof head);
    (void)wpipe__buffer_append(&q->arrived, words, size);
    (void)wpipe__buffer_append(&q->arrived, zeros, (8 - size % 8) % 8);
    return 0;
}

size_t wpipe__queue_arrived(const struct wpipe__queue *q)
{
    return wpipe__buffer_size(&q->arrived);
}

int wpipe__queue_take_over(struct wpipe__queue *q)
{
    struct wpipe__buffer empty = q->front;
    int r;

    if (wpipe__buffer_size(&q->front) == 0) {
        q->front = q->arrived;
        q->arrived = empty;
        return 0;
    }
    r = wpipe__buffer_append(&q->front, wpipe__buffer_front(&q->arrived),
                             wpipe__buffer_size(&q->arrived));
    if (r == 0)
        wpipe__buffer_drop(&q->arrived, wpipe__buffer_size(&q->arrived));
    return r;
}

size_t wpipe__queue_size(const struct wpipe__queue *q)
{
    return wpipe__buffer_size(&q->front);
}

void wpipe__queue_scan(const struct wpipe__queue *q, size_t *position,
                       struct wpipe__record *ret_record)
{
    const uint8_t *at = wpipe__buffer_front(&q->front) + *position;
    struct wpipe__record r = { 0 };
    int first = *position == 0;

    r.size = wpipe__load_u32(at);
    r.flags = wpipe__load_u32(at + 4);
    *position += wpipe__record_space(r.flags, r.size);
    at += WPIPE__RECORD_HEADER;
    if (r.flags & WPIPE__RECORD_TOTAL) {
        r.total = wpipe__load_u64(at);
        at += 8;
    }
    if (r.flags & (WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY)) {
        r.request = wpipe__load_u64(at);
        at += 8;
    }
    r.data = at;
    if (first) {
        r.data += q->taken;
        r.size -= q->taken;
    }
    *ret_record = r;
}

void wpipe__queue_look(const struct wpipe__queue *q,
                       struct wpipe__record *ret_record)
{
    size_t position = 0;

    wpipe__queue_scan(q, &position, ret_record);
}

void wpipe__queue_take(struct wpipe__queue *q,
                       const struct wpipe__record *record, uint32_t bytes,
                       int whole)
{
    if (!whole) {
        q->taken += bytes;
        return;
    }
    wpipe__buffer_drop(
        &q->front, wpipe__record_space(record->flags, record->size + q->taken));
    q->taken = 0;
}

size_t wpipe__queue_holds(const struct wpipe__queue *q)
{
    return wpipe__buffer_holds(&q->arrived) + wpipe__buffer_holds(&q->front);
}

void wpipe__queue_done(struct wpipe__queue *q)
{
    wpipe__buffer_done(&q->arrived);
    wpipe__buffer_done(&q->front);
}
