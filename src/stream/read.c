/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading from a stream: messages or bytes out of records, and peeking.
 */
#include "stream/stream.h"

#include <string.h>

#include <windpipe/error.h>

#include "base/base.h"
#include "base/ring.h"

#define PIECES_MAX 1024

/* ---- the next record ----------------------------------------------------- */

struct looking {
    struct wpipe_stream *stream;
    struct wpipe__record *record;
};

static int look(void *user)
{
    struct looking *l = user;
    struct wpipe__link *link = l->stream->link;

    return link->transport->look(link, l->record);
}

/* Records skipped in one call before the clock is asked: what a peer makes us
 * skip must not hold us. */
#define SKIPS_UNASKED 64

static int is_late(struct wpipe__timer *timer)
{
    uint64_t deadline;

    if (timer == NULL || timer->timeout_ms == 0)
        return 1;
    deadline = wpipe__timer_deadline(timer);
    return deadline != UINT64_MAX && wpipe__os_now() >= deadline;
}

/* May it be taken next? 0; < 0. */
static int judge(const struct wpipe_stream *s,
                 const struct wpipe__sequence *order,
                 const struct wpipe__record *r)
{
    const struct wpipe__terms *terms = &s->link->terms;

    return terms->type == WPIPE_MESSAGE
               ? wpipe__sequence_judge(order, r, terms->max_in)
               : wpipe__sequence_judge_bytes(r);
}

/* Does it withdraw a message? Of bytes there are none. */
static int withdraws(const struct wpipe_stream *s,
                     const struct wpipe__record *r)
{
    return s->link->terms.type == WPIPE_MESSAGE &&
           (r->flags & WPIPE__RECORD_ABORT);
}

/* Records of the first message, when it is all there, in good order, and ends
 * in its withdrawal; else 0. */
static unsigned withdrawn(struct wpipe_stream *s)
{
    struct wpipe__link *link = s->link;
    struct wpipe__sequence order = { .no_replies = s->order.no_replies };
    struct wpipe__cursor cursor = { 0 };
    struct wpipe__record r;
    unsigned count = 0;

    while (link->transport->scan(link, &cursor, &r) == 1) {
        count++;
        if (r.flags & WPIPE__RECORD_ABORT)
            return count;
        if (judge(s, &order, &r) < 0 ||
            wpipe__sequence_take(&order, &r, r.size))
            return 0;
    }
    return 0;
}

static void skip(struct wpipe_stream *s, unsigned count)
{
    struct wpipe__link *link = s->link;
    struct wpipe__record r;

    while (count-- > 0 && link->transport->look(link, &r) == 1)
        link->transport->take(link, &r, r.size, 1);
}

/* The peer knew the rules, and our limit. */
static int refuse(struct wpipe_stream *s, int error)
{
    atomic_store(&s->over, error);
    s->link->transport->leave(s->link, WPIPE__STATE_DISCONNECTED);
    return error;
}

/* The message begun was withdrawn: 1 when the reader has to be told. */
static int was_begun(struct wpipe_stream *s)
{
    int told = s->order.begun && s->reads_messages;

    wpipe__sequence_clear(&s->order);
    if (told)
        s->complete = 1;
    return told;
}

int wpipe__stream_next(struct wpipe_stream *s, struct wpipe__record *ret,
                       struct wpipe__timer *timer)
{
    struct wpipe__link *link = s->link;
    struct looking looking = { s, ret };
    unsigned skipped = 0;
    unsigned count;
    int r;

    for (;;) {
        if (skipped++ > SKIPS_UNASKED && is_late(timer))
            return timer == NULL ? 0 : WPIPE_ETIMEDOUT;
        r = link->transport->look(link, ret);
        if (r == 0 && timer == NULL)
            return 0;
        if (r == 0)
            r = wpipe__link_wait(link, WPIPE__WANT_DATA, look, &looking, timer);
        if (r < 0 && r != WPIPE_ETIMEDOUT && r != WPIPE_EWOKEN) {
            wpipe__sequence_clear(&s->order); /* nothing more will come */
            s->complete = 1;
            r = wpipe__stream_reason(s, r);
        }
        if (r <= 0)
            return r;
        if (withdraws(s, ret)) {
            link->transport->take(link, ret, 0, 1);
            if (was_begun(s))
                return WPIPE_EABORTED;
            continue;
        }
        if (!s->order.begun && (ret->flags & WPIPE__RECORD_MORE) &&
            link->terms.type == WPIPE_MESSAGE) {
            count = withdrawn(s);
            if (count > 0) {
                skip(s, count);
                continue;
            }
            /* the scan may have moved what the first look showed */
            r = link->transport->look(link, ret);
            if (r <= 0)
                return r < 0 ? r : WPIPE_EPROTO;
        }
        if ((ret->flags & WPIPE__RECORD_REPLY) && atomic_load(&s->calls))
            s->order.no_replies = 0;
        r = judge(s, &s->order, ret);
        if (r < 0)
            return refuse(s, r);
        if (s->reads_messages || ret->size > 0)
            return 1;
        (void)wpipe__stream_took(s, ret, 0); /* bytes: no empties */
    }
}

int wpipe__stream_took(struct wpipe_stream *s,
                       const struct wpipe__record *record, uint32_t bytes)
{
    struct wpipe__link *link = s->link;
    int ended;

    if (!s->order.begun) {
        s->kind = record->flags & WPIPE__STREAM_KINDS;
        if (s->kind)
            s->request = record->request;
    }
    link->transport->take(link, record, bytes, bytes == record->size);
    ended = wpipe__sequence_take(&s->order, record, bytes);
    wpipe__stream_add(&s->bytes_in, bytes);
    if (ended)
        wpipe__stream_add(&s->messages_in, 1);
    return ended;
}

/* ---- into the caller's pieces -------------------------------------------- */

/* Where the next byte goes. */
struct target {
    const wpipe_piece *pieces;
    int count;
    int index;
    size_t offset; /* in the current piece */
    size_t left;   /* in all */
};

static int target_init(struct target *t, const wpipe_piece *pieces, int count)
{
    int i;

    if (count < 0 || count > PIECES_MAX || (count > 0 && pieces == NULL))
        return WPIPE_EINVAL;
    t->pieces = pieces;
    t->count = count;
    t->index = 0;
    t->offset = 0;
    t->left = 0;
    for (i = 0; i < count; i++) {
        if (pieces[i].data == NULL && pieces[i].size > 0)
            return WPIPE_EINVAL;
        if (pieces[i].size > SIZE_MAX / 2 - t->left)
            return WPIPE_EINVAL;
        t->left += pieces[i].size;
    }
    return 0;
}

static void target_put(struct target *t, const uint8_t *from, size_t size)
{
    t->left -= size;
    while (size > 0) {
        const wpipe_piece *p = &t->pieces[t->index];
        size_t part = wpipe__min_size(p->size - t->offset, size);

        if (part > 0) /* an empty piece has no address */
            memcpy((uint8_t *)p->data + t->offset, from, part);
        from += part;
        size -= part;
        t->offset += part;
        if (t->offset == p->size) {
            t->index++;
            t->offset = 0;
        }
    }
}

/* ---- messages ------------------------------------------------------------ */

/* A message that was written in parts may end in an empty one. */
int wpipe__stream_end_is_there(struct wpipe_stream *s)
{
    struct wpipe__record record;

    return s->link->transport->look(s->link, &record) == 1 &&
           record.size == 0 && record.flags == 0 &&
           judge(s, &s->order, &record) == 0 &&
           wpipe__stream_took(s, &record, 0);
}

static int64_t read_message(struct wpipe_stream *s, struct target *t,
                            struct wpipe__timer *timer)
{
    struct wpipe__record record;
    int64_t got = 0;
    int ended = 0;
    int r;

    while (!ended) {
        uint32_t part;

        r = wpipe__stream_next(s, &record, timer);
        if (r < 0 && got > 0 && (r == WPIPE_ETIMEDOUT || r == WPIPE_EWOKEN))
            break; /* its rest is for the next read */
        if (r < 0)
            return r;
        part = (uint32_t)wpipe__min_size(record.size, t->left);
        target_put(t, record.data, part);
        ended = wpipe__stream_took(s, &record, part);
        got += part;
        if (t->left == 0 && !ended) {
            ended = part == record.size && wpipe__stream_end_is_there(s);
            break; /* what is to come does not concern this read */
        }
    }
    s->complete = ended;
    return got;
}

/* ---- bytes --------------------------------------------------------------- */

static int64_t read_bytes(struct wpipe_stream *s, struct target *t,
                          struct wpipe__timer *timer)
{
    struct wpipe__record record;
    int64_t got = 0;
    int r;

    while (t->left > 0) {
        uint32_t part;

        r = wpipe__stream_next(s, &record, got > 0 ? NULL : timer);
        if (r <= 0 && got > 0)
            break; /* an error that stays is found again */
        if (r < 0)
            return r;
        part = (uint32_t)wpipe__min_size(record.size, t->left);
        target_put(t, record.data, part);
        (void)wpipe__stream_took(s, &record, part);
        got += part;
    }
    s->complete = 1;
    return got;
}

/* A read of nothing never waits; it finds an empty message, or the end. */
static int64_t read_nothing(struct wpipe_stream *s)
{
    struct wpipe__record record;
    int r;

    (void)s->link->transport->pump(s->link);
    r = wpipe__stream_next(s, &record, NULL);
    if (r < 0)
        return r;
    s->complete = 1;
    if (r == 0 || !s->reads_messages)
        return 0;
    if (record.size == 0 && record.flags == 0 && !s->order.begun)
        (void)wpipe__stream_took(s, &record, 0);
    else
        s->complete = 0;
    return 0;
}

static int64_t read_pieces(struct wpipe_stream *s, const wpipe_piece *pieces,
                           int count, struct wpipe__timer *timer)
{
    struct target target;
    int64_t r = target_init(&target, pieces, count);

    if (r < 0)
        return r;
    if (s->opened)
        return WPIPE_ESTATE;
    if (target.left == 0)
        r = read_nothing(s);
    else if (s->reads_messages)
        r = read_message(s, &target, timer);
    else
        r = read_bytes(s, &target, timer);
    wpipe__stream_refresh(s);
    return r;
}

int64_t wpipe_readv(wpipe_stream *stream, const wpipe_piece *pieces, int count,
                    int timeout_ms)
{
    struct wpipe__timer timer = { timeout_ms, 0 };
    int64_t r = wpipe__stream_check_wait(stream, WPIPE_IN, timeout_ms);

    return r < 0 ? r : read_pieces(stream, pieces, count, &timer);
}

/* The common read, made short: a whole message in one record, that fits. -1
 * when it is not so. */
static int64_t fetch(struct wpipe_stream *s, void *buf, size_t size)
{
    int64_t r = s->link->transport->fetch(s->link, buf, size);

    if (r < 0)
        return -1;
    s->complete = 1;
    s->kind = 0;
    wpipe__stream_add(&s->bytes_in, (uint64_t)r);
    wpipe__stream_add(&s->messages_in, 1);
    return r;
}

/* A wait for that: 1 it was fetched, or there is something else to look at. */
struct fetching {
    struct wpipe_stream *stream;
    void *buf;
    size_t size;
    int64_t got; /* -1: something else */
};

static int fetched(void *user)
{
    struct fetching *f = user;
    struct wpipe__link *link = f->stream->link;
    struct wpipe__record record;

    f->got = fetch(f->stream, f->buf, f->size);
    return f->got >= 0 ? 1 : link->transport->look(link, &record);
}

/* May the next read be a fetch? */
static int is_plain(const struct wpipe_stream *s, const void *buf, size_t size)
{
    return s->reads_messages && !s->order.begun && !s->opened && buf != NULL &&
           size > 0 && s->link->transport->fetch != NULL &&
           s->poller == WPIPE__NO_HANDLE;
}

/* Kept apart, so that what a read costs when a message is there stays small. */
static __attribute__((noinline)) int64_t read_or_wait(struct wpipe_stream *s,
                                                      void *buf, size_t size,
                                                      int timeout_ms)
{
    struct wpipe__timer timer = { timeout_ms, 0 };
    struct fetching f = { s, buf, size, -1 };
    wpipe_piece piece = { buf, size };
    int r;

    if (timeout_ms != 0 && is_plain(s, buf, size)) {
        r = wpipe__link_wait(s->link, WPIPE__WANT_DATA, fetched, &f, &timer);
        if (r == WPIPE_ETIMEDOUT || r == WPIPE_EWOKEN)
            return r;
        if (f.got >= 0)
            return f.got;
    }
    return read_pieces(s, &piece, 1, &timer);
}

int64_t wpipe_read(wpipe_stream *stream, void *buf, size_t size, int timeout_ms)
{
    int64_t r = wpipe__stream_check_wait(stream, WPIPE_IN, timeout_ms);

    if (r < 0)
        return r;
    if (is_plain(stream, buf, size)) {
        r = fetch(stream, buf, size);
        if (r >= 0)
            return r;
    }
    return read_or_wait(stream, buf, size, timeout_ms);
}

/* ---- peek ---------------------------------------------------------------- */

/* What a peek has seen so far. */
struct peeking {
    uint8_t *to;
    size_t room;
    size_t copied;
    size_t available; /* of messages that are whole or still coming */
    size_t message;   /* bytes of the message being looked at */
    size_t first;     /* unread bytes of the first message */
    int in_first;
    int in_message;
};

static void peek_record(struct wpipe_stream *s, struct peeking *p,
                        const struct wpipe__record *r)
{
    int by_message = s->link->terms.type == WPIPE_MESSAGE;
    size_t part;

    if (!p->in_message)
        p->message = 0;
    p->in_message = (r->flags & WPIPE__RECORD_MORE) != 0;
    if (r->flags & WPIPE__RECORD_ABORT) {
        p->available -= p->message; /* it will never be read */
        p->message = 0;
        return;
    }
    p->message += r->size;
    p->available += r->size;
    if (p->in_first || !by_message) {
        part = wpipe__min_size(r->size, p->room - p->copied);
        if (part > 0)
            memcpy(p->to + p->copied, r->data, part);
        p->copied += part;
    }
    if (p->in_first) {
        p->first += r->size;
        p->in_first = p->in_message;
    }
}

/* Look at all that is there, up to what a read would refuse. */
static void peek_all(struct wpipe_stream *s, struct peeking *p)
{
    struct wpipe__sequence order = s->order;
    struct wpipe__cursor cursor = { 0 };
    struct wpipe__record record;

    while (s->link->transport->scan(s->link, &cursor, &record) == 1) {
        if (withdraws(s, &record))
            wpipe__sequence_clear(&order);
        else if (judge(s, &order, &record) < 0)
            break;
        else
            (void)wpipe__sequence_take(&order, &record, record.size);
        peek_record(s, p, &record);
    }
}

/* What is left of the first message, whose next record was judged: as it was
 * announced, else as much of it as is there. */
static uint64_t unread_of_first(const struct wpipe_stream *s,
                                const struct wpipe__record *record,
                                uint64_t there)
{
    if (s->order.begun)
        return s->order.total ? s->order.total - s->order.size : there;
    return (record->flags & WPIPE__RECORD_TOTAL) ? record->total : there;
}

int64_t wpipe_peek(wpipe_stream *stream, void *buf, size_t size,
                   size_t *ret_available, size_t *ret_left_in_message)
{
    struct peeking p = { .to = buf, .room = size, .in_first = 1 };
    struct wpipe__record record = { 0 };
    uint64_t first;
    int r = wpipe__stream_check(stream, WPIPE_IN);

    if (r < 0)
        return r;
    if (buf == NULL && size > 0)
        return WPIPE_EINVAL;
    if (stream->opened)
        return WPIPE_ESTATE;
    (void)stream->link->transport->pump(stream->link);
    r = wpipe__stream_next(stream, &record, NULL); /* skips the withdrawn */
    if (r < 0)
        return r;
    p.in_message = stream->order.begun;
    if (r > 0)
        peek_all(stream, &p);
    wpipe__stream_refresh(stream);
    first = unread_of_first(stream, &record, p.first);
    if (ret_available != NULL)
        *ret_available = p.available;
    if (ret_left_in_message != NULL)
        *ret_left_in_message =
            stream->link->terms.type == WPIPE_MESSAGE && first > p.copied
                ? (size_t)(first - p.copied)
                : 0;
    return (int64_t)p.copied;
}
