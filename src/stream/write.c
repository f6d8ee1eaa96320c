/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing to a stream: one call, one message (or its bytes), in as many
 * records as the ring needs; and the write-then-read of a transaction.
 */
#include "stream/stream.h"

#include <windpipe/error.h>

#include "base/base.h"
#include "base/pieces.h"
#include "base/ring.h"

struct room {
    struct wpipe_stream *stream;
    struct wpipe__record record;
};

/* Is there room for the record? Reserving changes nothing that is seen. */
static int has_room(void *user)
{
    struct room *room = user;
    struct wpipe__link *link = room->stream->link;
    uint32_t most = link->transport->most(link);

    room->record.size = (uint32_t)wpipe__min_u64(room->record.size, most);
    return link->transport->room(link, &room->record);
}

int wpipe__stream_wait_room(struct wpipe_stream *s, uint32_t size,
                            uint32_t kind, struct wpipe__timer *timer)
{
    struct room room = { s, { 0 } };
    int r;

    room.record.size = size;
    room.record.flags = WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL | kind;
    r = wpipe__link_wait(s->link, WPIPE__WANT_ROOM, has_room, &room, timer);
    return r < 0 ? wpipe__stream_reason(s, r) : 0;
}

static int is_decided(void *user)
{
    struct wpipe__link *link = ((struct wpipe_stream *)user)->link;
    static const struct wpipe__record empty;
    int r = link->transport->room(link, &empty);

    return r < 0 ? r : !atomic_load(&link->undecided);
}

int wpipe__stream_wait_type(struct wpipe_stream *s, struct wpipe__timer *timer)
{
    int r;

    if (!atomic_load_explicit(&s->link->undecided, memory_order_acquire))
        return 0;
    (void)s->link->transport->pump(s->link); /* it may be there */
    r = wpipe__link_wait(s->link, 0, is_decided, s, timer);
    return r < 0 ? wpipe__stream_reason(s, r) : 0;
}

static int is_flushed(void *user)
{
    struct wpipe_stream *s = user;

    return s->link->transport->flushed(s->link);
}

/* Put one record, waiting for room: as transport.put, but not 0. */
static int put(struct wpipe_stream *s, const struct wpipe__parcel *parcel,
               struct wpipe__timer *timer)
{
    struct wpipe__link *link = s->link;
    int r;

    while ((r = link->transport->put(link, parcel)) == 0) {
        r = wpipe__stream_wait_room(s, parcel->record.size,
                                    parcel->record.flags & WPIPE__STREAM_KINDS,
                                    timer);
        if (r < 0)
            return r;
    }
    return wpipe__stream_reason(s, r);
}

/* The next part of `left` bytes when none may be over `most`: parts alike. */
static uint32_t balanced(size_t left, uint32_t most)
{
    size_t parts = (left + most - 1) / most;

    if (parts < 2)
        return (uint32_t)left;
    return (uint32_t)wpipe__min_u64((left / parts + 8) & ~(size_t)7, most);
}

int wpipe__stream_over_limit(const struct wpipe_stream *s, size_t size)
{
    return s->link->terms.type == WPIPE_MESSAGE &&
           s->parts_size + size > s->link->terms.max_out;
}

/* All of it, or nothing that the peer will ever get. */
static int64_t write_message(struct wpipe_stream *s,
                             struct wpipe__parcel *parcel, size_t size,
                             struct wpipe__timer *timer)
{
    struct wpipe__link *link = s->link;
    struct wpipe__record *record = &parcel->record;
    const uint32_t kind = record->flags; /* on the first record only */
    int begun = s->parts;
    int r;

    do {
        size_t left = size - parcel->offset;
        uint32_t most = link->transport->fragment(link, left);

        record->size = balanced(left, most);
        record->flags = left > most ? WPIPE__RECORD_MORE : 0;
        record->flags |= begun ? 0 : kind;
        if (left > most && !begun) {
            record->flags |= WPIPE__RECORD_TOTAL;
            record->total = size;
        }
        r = put(s, parcel, timer);
        if (r < 0)
            goto fail;
        if (r == WPIPE__PUT_TOO_LONG)
            continue;
        begun = 1;
        parcel->offset += record->size;
    } while (parcel->offset < size);
    s->parts = 0;
    s->parts_size = 0;
    return (int64_t)size;
fail:
    if (begun &&
        (r == WPIPE_ETIMEDOUT || r == WPIPE_EWOKEN || r == WPIPE_ENOMEM)) {
        (void)link->transport->mark(link, WPIPE__RECORD_ABORT);
        s->parts = 0;
        s->parts_size = 0;
    }
    return r;
}

/* As much as goes before the deadline. */
static int64_t write_bytes(struct wpipe_stream *s, struct wpipe__parcel *parcel,
                           size_t size, struct wpipe__timer *timer)
{
    struct wpipe__link *link = s->link;
    int r = 0;

    while (parcel->offset < size) {
        size_t left = size - parcel->offset;

        parcel->record.size =
            balanced(left, link->transport->fragment(link, left));
        r = put(s, parcel, timer);
        if (r < 0)
            break;
        if (r == 1)
            parcel->offset += parcel->record.size;
    }
    return parcel->offset > 0 ? (int64_t)parcel->offset : r;
}

/*
 * Some transports take bytes that the system has no room for yet: see them
 * off. When the time is over, bytes are taken back and not counted; the rest
 * of a message stays where it is and goes with the next call on the stream.
 * Returns what counts of the `written` bytes, or < 0.
 */
static int64_t settle(struct wpipe_stream *s, struct wpipe__timer *timer,
                      int64_t written)
{
    const struct wpipe__transport *t = s->link->transport;
    int64_t left;
    int r;

    if (t->flushed == NULL)
        return written;
    r = t->flushed(s->link);
    if (r == 0)
        r = wpipe__link_wait(s->link, WPIPE__WANT_ROOM, is_flushed, s, timer);
    r = wpipe__stream_reason(s, r);
    if (r > 0 || s->link->terms.type == WPIPE_MESSAGE)
        return r < 0 && r != WPIPE_ETIMEDOUT && r != WPIPE_EWOKEN ? r : written;
    left = (int64_t)t->unread(s->link);
    (void)t->mark(s->link, WPIPE__RECORD_ABORT);
    return written > left ? written - left : r;
}

/* With the pieces in `parcel`, and the kind of message. */
static int64_t try_parcel(struct wpipe_stream *stream,
                          struct wpipe__parcel *parcel, int timeout_ms)
{
    struct wpipe__timer timer = { timeout_ms, 0 };
    size_t size = 0;
    int64_t r;

    if (stream->finished || stream->reserved)
        return WPIPE_ESTATE;
    r = wpipe__pieces_size(parcel->pieces, parcel->count, &size);
    if (r < 0)
        return r;
    if (parcel->record.flags != 0 ||
        size > stream->link->transport->fragment(stream->link, size))
        r = wpipe__stream_wait_type(stream, &timer);
    if (r < 0)
        return r;
    if (stream->link->terms.type == WPIPE_MESSAGE) {
        if (wpipe__stream_over_limit(stream, size))
            return WPIPE_EMSGSIZE;
        r = wpipe__link_carries(stream->link, parcel->pieces, parcel->count);
        if (r < 0)
            return r;
        r = write_message(stream, parcel, size, &timer);
    } else if (parcel->record.flags != 0) {
        return WPIPE_ENOTSUP; /* bytes carry no calls */
    } else if (size == 0) {
        return 0; /* bytes: nothing is nothing */
    } else {
        r = write_bytes(stream, parcel, size, &timer);
    }
    if (r > 0) {
        r = settle(stream, &timer, r);
        if (r < 0)
            return r;
    }
    if (r >= 0) {
        wpipe__stream_add(&stream->messages_out, 1);
        wpipe__stream_add(&stream->bytes_out, (uint64_t)r);
    }
    return r;
}

static int64_t write_parcel(struct wpipe_stream *stream,
                            struct wpipe__parcel *parcel, int timeout_ms)
{
    int64_t r = try_parcel(stream, parcel, timeout_ms);

    wpipe__log_tell(stream->link->log); /* it may have moved, or grown */
    return r;
}

static int64_t write_pieces(struct wpipe_stream *stream,
                            const wpipe_piece *pieces, int count,
                            int timeout_ms)
{
    struct wpipe__parcel parcel = { .pieces = pieces, .count = count };

    return write_parcel(stream, &parcel, timeout_ms);
}

int64_t wpipe_writev(wpipe_stream *stream, const wpipe_piece *pieces, int count,
                     int timeout_ms)
{
    int64_t r = wpipe__stream_check_wait(stream, WPIPE_OUT, timeout_ms);

    return r < 0 ? r : write_pieces(stream, pieces, count, timeout_ms);
}

/* Kept apart, so that what a write costs when there is room stays small. */
static __attribute__((noinline)) int64_t write_piece(wpipe_stream *stream,
                                                     const void *buf,
                                                     size_t size,
                                                     int timeout_ms)
{
    wpipe_piece piece = { (void *)(uintptr_t)buf, size };

    return write_pieces(stream, &piece, 1, timeout_ms);
}

int64_t wpipe_write(wpipe_stream *stream, const void *buf, size_t size,
                    int timeout_ms)
{
    struct wpipe__link *link;
    int64_t r = wpipe__stream_check_wait(stream, WPIPE_OUT, timeout_ms);

    if (r < 0)
        return r;
    link = stream->link;
    if (link->transport->put_whole == NULL || buf == NULL || size == 0 ||
        (stream->finished | stream->reserved | stream->parts) != 0 ||
        !link->transport->put_whole(link, buf, size))
        return write_piece(stream, buf, size, timeout_ms);
    wpipe__stream_add(&stream->messages_out, 1);
    wpipe__stream_add(&stream->bytes_out, size);
    return (int64_t)size;
}

/* The record flag of a call's kind: 0 for none; < 0. */
static int flag_of(const struct wpipe_stream *s, const wpipe_call *call)
{
    switch (call->kind) {
    case WPIPE_CALL_NONE:
        return 0;
    case WPIPE_CALL_REQUEST:
    case WPIPE_CALL_REPLY:
        break;
    default:
        return WPIPE_EINVAL;
    }
    if (call->request == 0)
        return WPIPE_EINVAL;
    if (s->link->terms.type != WPIPE_MESSAGE)
        return WPIPE_ENOTSUP;
    if (s->parts)
        return WPIPE_ESTATE;
    return call->kind == WPIPE_CALL_REPLY ? WPIPE__RECORD_REPLY
                                          : WPIPE__RECORD_REQUEST;
}

int64_t wpipe_write_call(wpipe_stream *stream, const wpipe_call *call,
                         const void *buf, size_t size, int timeout_ms)
{
    wpipe_piece piece = { (void *)(uintptr_t)buf, size };
    struct wpipe__parcel parcel = { .pieces = &piece, .count = 1 };
    int64_t r = wpipe__stream_check_wait(stream, WPIPE_OUT, timeout_ms);
    int flag;

    if (r < 0)
        return r;
    if (call == NULL)
        return WPIPE_EINVAL;
    flag = flag_of(stream, call);
    if (flag < 0)
        return flag;
    parcel.record.flags = (uint32_t)flag;
    parcel.record.request = call->request;
    if (flag == WPIPE__RECORD_REQUEST)
        atomic_store(&stream->calls, 1); /* before its answer can come */
    return write_parcel(stream, &parcel, timeout_ms);
}

int64_t wpipe_transact(wpipe_stream *stream, const void *out, size_t out_size,
                       void *in, size_t in_size, int timeout_ms)
{
    uint64_t deadline = wpipe__os_deadline(timeout_ms);
    struct wpipe__record record;
    int64_t r = wpipe__stream_check_wait(stream, 0, timeout_ms);

    if (r < 0)
        return r;
    if (!stream->reads_messages || stream->link->terms.type != WPIPE_MESSAGE ||
        stream->link->terms.direction != WPIPE_DUPLEX)
        return WPIPE_ESTATE;
    if ((out == NULL && out_size > 0) || (in == NULL && in_size > 0))
        return WPIPE_EINVAL;
    if (stream->opened)
        return WPIPE_ESTATE;
    if (stream->order.begun || wpipe__stream_next(stream, &record, NULL) == 1)
        return WPIPE_EBUSY;
    r = wpipe_write(stream, out, out_size, timeout_ms);
    if (r < 0)
        return r;
    if (in_size == 0) { /* wait for the answer all the same */
        struct wpipe__timer timer = { timeout_ms, deadline };

        r = wpipe__stream_next(stream, &record, &timer);
        if (r < 0)
            return r;
    }
    return wpipe_read(stream, in, in_size, wpipe__os_left_ms(deadline));
}
