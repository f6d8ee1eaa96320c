/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The foreign link's way in: bytes are received, cut into records by the
 * framing, and wait in the queue for the reader; or go to where he wants them
 * at once. Called by foreign.c and through its table.
 */
#include "foreign/foreign.h"

#include <string.h>

#include <windpipe/error.h>

#include "base/base.h"
#include "base/copy.h"
#include "base/memory.h"
#include "base/ring.h"

#define RECEIVE_SIZE 32768u

/* Where a reader wants a message, and its size once it is there. */
struct place {
    void *to;
    size_t size;
    int64_t got; /* -1: none */
};

/* ---- coming in ----------------------------------------------------------- */

static int add_record(struct wpipe__foreign *f, uint32_t flags, uint64_t total,
                      const uint8_t *data, size_t size)
{
    uint8_t words[8];
    int r;

    if (flags & WPIPE__RECORD_TOTAL) {
        /* the queue wants the word and the payload in one piece */
        uint8_t *both = wpipe__alloc(8 + size + 1);

        if (both == NULL)
            return WPIPE_ENOMEM;
        wpipe__store_u64(words, total);
        memcpy(both, words, 8);
        if (size > 0)
            wpipe__copy(both + 8, data, size);
        r = wpipe__queue_add(&f->queue, flags, both, 8 + size);
        wpipe__free(both);
    } else {
        r = wpipe__queue_add(&f->queue, flags, data, size);
    }
    if (r == 0)
        atomic_fetch_add(&f->unread, size + WPIPE__RECORD_HEADER);
    return r;
}

/* A part of a message came: one record, flags as on a native link. */
static int on_chunk(struct wpipe__foreign *f, const struct wpipe__chunk *c)
{
    uint32_t flags = c->last ? 0 : WPIPE__RECORD_MORE;
    uint64_t total = c->total;
    int r;

    if (c->first && f->framing == WPIPE_FRAMING_TYPE_LE32) {
        /* the message's first byte is its type */
        r = add_record(f, c->last && c->size == 0 ? 0 : WPIPE__RECORD_MORE, 0,
                       &c->type, 1);
        if (r < 0 || (c->last && c->size == 0))
            return r;
    } else if (c->first && c->size == 0 && !c->last) {
        f->began = 1; /* its first bytes will come */
        f->began_total = total;
        return 0;
    } else if (c->first || f->began) {
        if (!c->first)
            total = f->began_total;
        if (!c->last && total != UINT64_MAX)
            flags |= WPIPE__RECORD_TOTAL;
    }
    if (c->size == 0 && !c->last)
        return 0;
    f->began = 0;
    return add_record(f, flags, total, c->data, c->size);
}

/* Put a whole message where the reader wants it: 1; 0 when it is not so. */
static int put_in_place(struct place *place, const struct wpipe__chunk *c)
{
    if (place == NULL || place->got >= 0 || !c->first || !c->last ||
        c->size == 0 || c->size > place->size)
        return 0;
    wpipe__copy(place->to, c->data, c->size);
    place->got = (int64_t)c->size;
    return 1;
}

/* Cut what was received into records; the first one may go to `place`. */
static int decode(struct wpipe__foreign *f, const uint8_t *bytes, size_t size,
                  struct place *place)
{
    struct wpipe__chunk chunk;
    size_t used;
    int r = 0;

    while (size > 0) {
        used = 0;
        r = wpipe__decoder_feed(&f->decoder, bytes, size, &used, &chunk,
                                &f->why);
        if (r < 0)
            return r;
        if (r == 1 && !put_in_place(place, &chunk)) {
            r = on_chunk(f, &chunk);
            if (r < 0)
                return r;
            place = NULL; /* what comes now is behind it */
        }
        bytes += used;
        size -= used;
    }
    return 0;
}

/* The peer writes no more; a framing may be left half done. */
static int on_end(struct wpipe__foreign *f)
{
    struct wpipe__chunk chunk;
    int r;

    f->ended = 1;
    r = wpipe__decoder_end(&f->decoder, &chunk, &f->why);
    return r == 1 ? on_chunk(f, &chunk) : r;
}

/* Where nothing is received the end is the hang-up: 1; 0. */
static int see_hang_up(struct wpipe__foreign *f)
{
    if (f->ended || f->kind != WPIPE__KIND_SOCKET ||
        wpipe__os_hung_up(f->link.socket) == 0)
        return 0;
    f->ended = 1;
    return 1;
}

/* Is as much unread as we would keep? */
static int is_full(struct wpipe__foreign *f)
{
    return atomic_load(&f->unread) >= f->limit;
}

/* How much to receive at a time. When it is little, all that is known to be
 * missing of a message comes with it. */
static size_t receive_size(const struct wpipe__foreign *f)
{
    uint64_t most = f->link.receive_most;

    if (most == 0)
        return RECEIVE_SIZE;
    most += wpipe__decoder_left(&f->decoder);
    return (size_t)wpipe__min_u64(most, RECEIVE_SIZE);
}

/* 1 something came; 0; < 0 broken. With a place the queue is empty. */
static int receive(struct wpipe__foreign *f, struct place *place)
{
    uint8_t bytes[RECEIVE_SIZE];
    size_t size = receive_size(f);
    int64_t got;
    int r;

    if (f->link.terms.direction == WPIPE_OUT)
        return see_hang_up(f);
    if (f->ended || is_full(f))
        return 0;
    got = wpipe__os_stream_read(f->link.socket, f->kind, bytes, size,
                                &f->link.passing);
    f->dry = got < (int64_t)size;
    if (f->dry)
        f->told = 0;
    if (got == WPIPE_EAGAIN)
        return 0;
    if (got == WPIPE_EPIPE)
        f->reset = 1;
    if (got == WPIPE_EOF || got == WPIPE_EPIPE)
        r = on_end(f);
    else if (got < 0)
        r = (int)got;
    else {
        f->link.terms.silent_peer = 0; /* its end would be a real one */
        r = decode(f, bytes, (size_t)got, place);
        f->link.half = wpipe__decoder_is_half(&f->decoder);
    }
    if (r < 0)
        wpipe__foreign_break(
            f, r, got == WPIPE_EPROTO ? "it passed a descriptor" : NULL);
    return r < 0 ? r : 1;
}

int wpipe__foreign_listens(struct wpipe__foreign *f)
{
    return !f->ended && wpipe__foreign_may_receive(f) &&
           f->link.terms.direction != WPIPE_OUT && !is_full(f) && !f->told;
}

/* The poller told that there is something. It is left to the reader, in whose
 * turn it is received, and where he wants it. Told again before that, we want
 * to be told no more until he has found the end of it: what is not read yet
 * stays in the system. */
int wpipe__foreign_hear(struct wpipe__foreign *f)
{
    if (!f->link.polled || f->link.terms.direction == WPIPE_OUT)
        return receive(f, NULL); /* of OUT the end is all that comes */
    if (f->ended)
        return 0;
    f->told = !f->dry;
    f->dry = 0;
    return !f->told;
}

/* ---- the table ----------------------------------------------------------- */

/* Nothing is there, and the poller would have told: most looks end here. */
static int is_quiet(struct wpipe__foreign *f)
{
    return f->link.polled && f->dry && !f->ended && !atomic_load(&f->over) &&
           atomic_load(&f->unread) == 0;
}

/* 1 the reader has something; 0; < 0 the end. */
static int refill(struct wpipe__foreign *f)
{
    int r = 0;

    wpipe__mutex_lock(&f->link.lock);
    if (wpipe__queue_arrived(&f->queue) == 0 && !(f->link.polled && f->dry))
        (void)receive(f, NULL);
    if (atomic_load(&f->over) && atomic_load(&f->over) != WPIPE_EPIPE)
        r = atomic_load(&f->over);
    else if (wpipe__queue_arrived(&f->queue) > 0)
        r = wpipe__queue_take_over(&f->queue) < 0 ? WPIPE_ENOMEM : 1;
    else if (f->ended)
        r = WPIPE_EOF;
    wpipe__mutex_unlock(&f->link.lock);
    return r;
}

int wpipe__foreign_peek(struct wpipe__link *link, struct wpipe__record *ret)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    int r;

    if (is_quiet(f))
        return 0;
    if (wpipe__queue_size(&f->queue) == 0) {
        r = refill(f);
        if (r <= 0)
            return r;
    }
    wpipe__queue_look(&f->queue, ret);
    return 1;
}

int wpipe__foreign_scan(struct wpipe__link *link, struct wpipe__cursor *cursor,
                        struct wpipe__record *ret)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    size_t at = (size_t)cursor->position;

    if (at >= wpipe__queue_size(&f->queue) && refill(f) <= 0)
        return 0;
    wpipe__queue_scan(&f->queue, &at, ret);
    cursor->position = at;
    return 1;
}

/* Straight from the socket, where a poller has told that there is something. */
int64_t wpipe__foreign_fetch(struct wpipe__link *link, void *to, size_t size)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    struct place place = { to, size, -1 };

    if (!link->polled || f->dry || atomic_load(&f->unread) > 0 ||
        f->framing == WPIPE_FRAMING_TYPE_LE32)
        return -1;
    wpipe__mutex_lock(&link->lock);
    if (wpipe__foreign_may_receive(f))
        (void)receive(f, &place);
    wpipe__mutex_unlock(&link->lock);
    return place.got;
}

void wpipe__foreign_take(struct wpipe__link *link,
                         const struct wpipe__record *record, uint32_t bytes,
                         int whole)
{
    struct wpipe__foreign *f = wpipe__foreign(link);

    wpipe__queue_take(&f->queue, record, bytes, whole);
    atomic_fetch_sub(&f->unread, bytes + (whole ? WPIPE__RECORD_HEADER : 0u));
}
