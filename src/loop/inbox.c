/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering messages. What a peer may do wrong here is told in one place,
 * base/sequence.c: everything behind it may trust the order of the records.
 */
#include "loop/inbox.h"

#include <string.h>
#include <windpipe/error.h>

#include "base/base.h"

enum {
    /* fragments taken in one call: other links wait meanwhile */
    TURN_RECORDS = 8,
    /* a block that a message keeps for the next message */
    KEPT_BYTES = 128 * 1024
};

#define KINDS (WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY)

/* ---- messages ------------------------------------------------------------ */

const void *wpipe__received_data(const struct wpipe__received *received)
{
    const uint8_t *front = wpipe__buffer_front(&received->body);

    return front == NULL ? (const void *)"" : front;
}

size_t wpipe__received_size(const struct wpipe__received *received)
{
    return wpipe__buffer_size(&received->body);
}

void wpipe__received_done(struct wpipe__received *received)
{
    wpipe__buffer_done(&received->body);
    received->kind = 0;
    received->request = 0;
}

/* Empty it, keeping a block that is not large for the next message. */
static void received_clear(struct wpipe__received *received)
{
    if (received->body.capacity > KEPT_BYTES)
        wpipe__buffer_done(&received->body);
    received->body.begin = 0;
    received->body.end = 0;
}

static int received_fill(struct wpipe__received *received,
                         const struct wpipe__record *record)
{
    int r;

    received_clear(received);
    r = wpipe__buffer_append(&received->body, record->data, record->size);
    if (r < 0)
        return r;
    received->kind = record->flags & KINDS;
    received->request = record->request;
    return 0;
}

/* ---- records ------------------------------------------------------------ */

static int add_part(struct wpipe__inbox *inbox,
                    const struct wpipe__share *share,
                    const struct wpipe__record *record)
{
    int r = wpipe__share_take(share, record->size);

    if (r < 0) {
        inbox->wanting = record->size;
        return r;
    }
    r = wpipe__buffer_append(&inbox->parts, record->data, record->size);
    if (r < 0) {
        wpipe__share_give(share, record->size);
        return r;
    }
    if (inbox->order.begun)
        return 0;
    inbox->kind = record->flags & KINDS;
    inbox->request = record->request;
    return 0;
}

/* The last fragment is in: hand the gathered bytes over as they lie. */
static int finish(struct wpipe__inbox *inbox, const struct wpipe__share *share,
                  struct wpipe__received *received)
{
    wpipe__share_give(share, wpipe__buffer_size(&inbox->parts));
    wpipe__buffer_done(&received->body);
    received->body = inbox->parts;
    received->kind = inbox->kind;
    received->request = inbox->request;
    memset(&inbox->parts, 0, sizeof(inbox->parts));
    return 1;
}

void wpipe__inbox_done(struct wpipe__inbox *inbox,
                       const struct wpipe__share *share)
{
    wpipe__share_give(share, wpipe__buffer_size(&inbox->parts));
    wpipe__buffer_done(&inbox->parts);
    wpipe__sequence_clear(&inbox->order);
    inbox->eighths = 0;
}

/* Copy one record: 1 when a message is whole, 0, < 0. The caller takes it. */
static int add_record(struct wpipe__inbox *inbox,
                      const struct wpipe__share *share,
                      const struct wpipe__record *record,
                      struct wpipe__received *received)
{
    int r;

    if (inbox->bytes) {
        if (record->size == 0)
            return 0; /* nothing that a reader of bytes would see */
        r = received_fill(received, record);
        received->kind = 0;
        return r < 0 ? r : 1;
    }
    if (!inbox->order.begun && !(record->flags & WPIPE__RECORD_MORE)) {
        r = received_fill(received, record);
        return r < 0 ? r : 1;
    }
    return add_part(inbox, share, record);
}

/* Records of a byte pipe have no order to keep, and no limit but the ring. A
 * reader of bytes may be at a message pipe. */
static int judge(const struct wpipe__inbox *inbox,
                 const struct wpipe__link *link,
                 const struct wpipe__record *record)
{
    if (link->terms.type == WPIPE_BYTE)
        return wpipe__sequence_judge_bytes(record);
    return record->flags & WPIPE__RECORD_ABORT
               ? 0 /* it may always come */
               : wpipe__sequence_judge(&inbox->order, record,
                                       link->terms.max_in);
}

/* The common case: a plain message that fits where the last one was. 1; 0 when
 * it is not so. */
static int fetch(struct wpipe__link *link, struct wpipe__received *received)
{
    struct wpipe__buffer *body = &received->body;
    int64_t size;

    if (link->transport->fetch == NULL || body->capacity == 0 ||
        body->capacity > KEPT_BYTES)
        return 0;
    size = link->transport->fetch(link, body->data, body->capacity);
    if (size < 0)
        return 0;
    body->begin = 0;
    body->end = (size_t)size;
    received->kind = 0;
    received->request = 0;
    return 1;
}

int wpipe__inbox_next(struct wpipe__inbox *inbox, struct wpipe__link *link,
                      const struct wpipe__share *share,
                      struct wpipe__received *received)
{
    struct wpipe__record record;
    int i;
    int r;

    if (!inbox->order.begun && fetch(link, received))
        return 1;
    for (i = 0; i < TURN_RECORDS; i++) {
        r = link->transport->look(link, &record);
        if (r <= 0)
            return r;
        r = judge(inbox, link, &record);
        if (r == 0 && (record.flags & WPIPE__RECORD_ABORT)) {
            /* withdrawn; when it was never begun nobody needs to know */
            wpipe__inbox_done(inbox, share);
            link->transport->take(link, &record, 0, 1);
            continue;
        }
        if (r == 0)
            r = add_record(inbox, share, &record, received);
        if (r < 0)
            return r;
        link->transport->take(link, &record, record.size, 1);
        if (wpipe__sequence_take(&inbox->order, &record, record.size) &&
            !inbox->bytes && r == 0)
            r = finish(inbox, share, received);
        if (r != 0)
            return r;
    }
    return 2;
}
