/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zero-copy: write into the ring, read out of it, without a copy between.
 */
#include "stream/stream.h"

#include <windpipe/error.h>

#include "base/base.h"
#include "base/copy.h"
#include "base/memory.h"
#include "base/ring.h"

/* ---- writing ------------------------------------------------------------- */

/* What may be reserved of `size` bytes, in *ret: all of it, unless `part`. */
static int reservable(struct wpipe__link *link, size_t size, int part,
                      uint32_t *ret)
{
    uint32_t most = link->transport->most(link);

    if (size > most && !part)
        return WPIPE_EMSGSIZE;
    *ret = (uint32_t)wpipe__min_u64(size, most);
    return 0;
}

/* Reserve `size` bytes, or with `part` as many of them as one reservation may
 * have. */
static int begin(struct wpipe_stream *s, size_t size, int part, void **ret_data,
                 int timeout_ms)
{
    struct wpipe__timer timer = { timeout_ms, 0 };
    struct wpipe__record record = { 0 };
    struct wpipe__link *link = s->link;
    uint8_t *data = NULL;
    int r;

    if (s->finished || s->reserved)
        return WPIPE_ESTATE;
    if (wpipe__stream_over_limit(s, size))
        return WPIPE_EMSGSIZE;
    r = reservable(link, size, part, &record.size);
    while (r == 0 &&
           (r = link->transport->reserve(link, &record, &data)) == 0) {
        r = wpipe__stream_wait_room(s, record.size, 0, &timer);
        if (r == 0 && part) /* it may have become less */
            r = reservable(link, size, part, &record.size);
    }
    if (r < 0)
        return r;
    s->reserved = 1;
    s->reservation = record;
    s->begin_timer = timer;
    *ret_data = data;
    return 0;
}

int wpipe_write_begin(wpipe_stream *stream, size_t size, void **ret_data,
                      int timeout_ms)
{
    int r = wpipe__stream_check_wait(stream, WPIPE_OUT, timeout_ms);

    if (r < 0)
        return r;
    if (ret_data == NULL)
        return WPIPE_EINVAL;
    return begin(stream, size, 0, ret_data, timeout_ms);
}

int wpipe_write_begin_part(wpipe_stream *stream, size_t size, void **ret_data,
                           size_t *ret_size, int timeout_ms)
{
    int r = wpipe__stream_check_wait(stream, WPIPE_OUT, timeout_ms);

    if (r < 0)
        return r;
    if (ret_data == NULL || ret_size == NULL)
        return WPIPE_EINVAL;
    r = begin(stream, size, 1, ret_data, timeout_ms);
    if (r == 0)
        *ret_size = stream->reservation.size;
    return r;
}

/* A commit that cannot end: what the peer has of the message is withdrawn. */
static void give_up(struct wpipe_stream *s)
{
    struct wpipe__link *link = s->link;
    int begun = link->transport->cancel(link) > 0 || s->parts;

    if (begun && link->terms.type == WPIPE_MESSAGE)
        (void)link->transport->mark(link, WPIPE__RECORD_ABORT);
    s->parts = 0;
    s->parts_size = 0;
}

/* Records cannot be empty in the middle of a message. */
static int commit_parts(struct wpipe_stream *s, size_t size, int more)
{
    struct wpipe__timer timer = { s->begin_timer.timeout_ms, 0 };
    struct wpipe__record record = s->reservation;
    struct wpipe__link *link = s->link;
    int r;

    if (more && size == 0) {
        (void)link->transport->cancel(link);
        return 0;
    }
    record.size = (uint32_t)size;
    record.flags = more ? WPIPE__RECORD_MORE : 0;
    while ((r = link->transport->commit(link, &record)) == 0) {
        r = wpipe__stream_wait_room(s, record.size, 0, &timer);
        if (r == WPIPE_ETIMEDOUT)
            return r; /* to be gone on with */
        if (r < 0) {
            give_up(s);
            return r;
        }
    }
    return r < 0 ? r : 0;
}

int64_t wpipe_write_commit(wpipe_stream *stream, size_t size, int more)
{
    struct wpipe__timer begin_timer;
    int r = wpipe__stream_check(stream, WPIPE_OUT);

    if (r < 0)
        return r;
    if (!stream->reserved)
        return WPIPE_ESTATE;
    if (size > stream->reservation.size ||
        (stream->committing && size != stream->reservation.size))
        return WPIPE_EINVAL;
    begin_timer = stream->begin_timer;
    r = more ? wpipe__stream_wait_type(stream, &begin_timer) : 0;
    if (r < 0)
        return r;
    more = more && stream->link->terms.type == WPIPE_MESSAGE;
    stream->reserved = 0;
    if (size == 0 && stream->link->terms.type != WPIPE_MESSAGE) {
        (void)stream->link->transport->cancel(stream->link);
        return 0;
    }
    r = commit_parts(stream, size, more);
    stream->committing = r == WPIPE_ETIMEDOUT;
    if (stream->committing) {
        stream->reserved = 1;
        stream->reservation.size = (uint32_t)size;
    }
    wpipe__log_tell(stream->link->log);
    if (r < 0)
        return r;
    stream->parts = more && (stream->parts || size > 0);
    stream->parts_size = stream->parts ? stream->parts_size + size : 0;
    wpipe__stream_add(&stream->bytes_out, size);
    if (!more)
        wpipe__stream_add(&stream->messages_out, 1);
    return (int64_t)size;
}

void wpipe_write_abort(wpipe_stream *stream)
{
    if (wpipe__stream_check(stream, WPIPE_OUT) < 0)
        return;
    give_up(stream);
    stream->reserved = 0;
    stream->committing = 0;
}

/* ---- reading ------------------------------------------------------------- */

int wpipe_read_begin(wpipe_stream *stream, const void **ret_data,
                     size_t *ret_size, int timeout_ms)
{
    struct wpipe__timer timer = { timeout_ms, 0 };
    struct wpipe__record record;
    int r = wpipe__stream_check_wait(stream, WPIPE_IN, timeout_ms);

    if (r < 0)
        return r;
    if (ret_data == NULL || ret_size == NULL)
        return WPIPE_EINVAL;
    if (stream->opened)
        return WPIPE_ESTATE;
    r = wpipe__stream_next(stream, &record, &timer);
    if (r < 0)
        return r;
    if (!stream->trusts_peer) {
        /* once copied, the peer cannot change what is looked at */
        uint8_t *copy = wpipe__resize(stream->copy, (size_t)record.size + 1);

        if (copy == NULL)
            return WPIPE_ENOMEM;
        wpipe__copy(copy, record.data, record.size);
        stream->copy = copy;
        *ret_data = copy;
    } else {
        *ret_data = record.data;
    }
    stream->opened = 1;
    stream->record = record;
    *ret_size = record.size;
    return 0;
}

int wpipe_read_end(wpipe_stream *stream, size_t used)
{
    int r = wpipe__stream_check(stream, WPIPE_IN);
    int ended;

    if (r < 0)
        return r;
    if (!stream->opened)
        return WPIPE_ESTATE;
    if (used > stream->record.size)
        return WPIPE_EINVAL;
    stream->opened = 0;
    ended = wpipe__stream_took(stream, &stream->record, (uint32_t)used);
    if (!ended && used == stream->record.size)
        ended = wpipe__stream_end_is_there(stream);
    stream->complete = ended || !stream->reads_messages;
    wpipe__stream_refresh(stream);
    return 0;
}
