/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The foreign link: a byte stream whose other end is not windpipe - a .NET,
 * Node or Python program at a socket, a pipe inherited from a parent.
 *
 * Bytes that come are cut into records by a framing and wait in a queue; when
 * the reader is slow the link stops receiving, so that the kernel's buffer
 * holds the peer back. Bytes that go are handed to the kernel; what it has no
 * room for waits in `pending`, and nothing more is taken until that is gone.
 * What moves bytes runs under link.lock; what only asks does not. Of a polled
 * link core's loop is the reader and the pump, under a lock of its own. Made
 * for core through transport.h.
 */
#include "foreign/foreign.h"

#include <string.h>

#include <windpipe/error.h>

#include "base/base.h"
#include "base/copy.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/ring.h"

#define RECEIVE_SIZE 32768u

/* Where a reader wants a message, and its size once it is there. */
struct place {
    void *to;
    size_t size;
    int64_t got; /* -1: none */
};

void wpipe__foreign_break(struct wpipe__foreign *f, int error, const char *why)
{
    if (atomic_load(&f->over))
        return;
    atomic_store(&f->over, error);
    if (why != NULL)
        f->why = why;
    wpipe__link_notify(&f->link);
}

const char *wpipe__foreign_why(struct wpipe__link *link)
{
    return wpipe__foreign(link)->why;
}

/* One who does not read any more may still write. */
static int may_receive(struct wpipe__foreign *f)
{
    int over = atomic_load(&f->over);

    return over == 0 || over == WPIPE_EPIPE;
}

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

/* ---- the table: reader --------------------------------------------------- */

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

static int foreign_look(struct wpipe__link *link, struct wpipe__record *ret)
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

static int foreign_scan(struct wpipe__link *link, struct wpipe__cursor *cursor,
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
static int64_t foreign_fetch(struct wpipe__link *link, void *to, size_t size)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    struct place place = { to, size, -1 };

    if (!link->polled || f->dry || atomic_load(&f->unread) > 0 ||
        f->framing == WPIPE_FRAMING_TYPE_LE32)
        return -1;
    wpipe__mutex_lock(&link->lock);
    if (may_receive(f))
        (void)receive(f, &place);
    wpipe__mutex_unlock(&link->lock);
    return place.got;
}

static void foreign_take(struct wpipe__link *link,
                         const struct wpipe__record *record, uint32_t bytes,
                         int whole)
{
    struct wpipe__foreign *f = wpipe__foreign(link);

    wpipe__queue_take(&f->queue, record, bytes, whole);
    atomic_fetch_sub(&f->unread, bytes + (whole ? WPIPE__RECORD_HEADER : 0u));
}

/* ---- the table: writer --------------------------------------------------- */

/* Before a part of it has gone, which cannot be taken back. */
static int foreign_carries(struct wpipe__link *link, const wpipe_piece *pieces,
                           int count)
{
    int framing = wpipe__foreign(link)->framing;
    size_t left = 0;
    int r = 0;
    int i;

    for (i = 0; i < count; i++)
        left += pieces[i].size;
    if (left == 0 && framing == WPIPE_FRAMING_TYPE_LE32)
        return WPIPE_EINVAL; /* a message begins with its type */
    for (i = 0; r == 0 && i < count; i++) {
        left -= pieces[i].size;
        r = wpipe__framing_check(framing, pieces[i].data, pieces[i].size,
                                 left == 0);
    }
    return r;
}

static int foreign_room(struct wpipe__link *link,
                        const struct wpipe__record *record)
{
    int r;

    (void)record;
    wpipe__mutex_lock(&link->lock);
    r = wpipe__foreign_room(wpipe__foreign(link));
    wpipe__mutex_unlock(&link->lock);
    return r;
}

static int foreign_put(struct wpipe__link *link,
                       const struct wpipe__parcel *parcel)
{
    int r;

    wpipe__mutex_lock(&link->lock);
    r = wpipe__foreign_put(wpipe__foreign(link), parcel);
    wpipe__mutex_unlock(&link->lock);
    return r;
}

static int foreign_reserve(struct wpipe__link *link,
                           const struct wpipe__record *record,
                           uint8_t **ret_data)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    int r = foreign_room(link, record);

    if (r <= 0)
        return r;
    f->scratch = wpipe__alloc((size_t)record->size + WPIPE__RECORD_LINE);
    if (f->scratch == NULL)
        return WPIPE_ENOMEM;
    *ret_data = wpipe__record_line(f->scratch);
    return 1;
}

static uint32_t foreign_cancel(struct wpipe__link *link)
{
    struct wpipe__foreign *f = wpipe__foreign(link);

    wpipe__free(f->scratch);
    f->scratch = NULL;
    return 0;
}

static int foreign_commit(struct wpipe__link *link,
                          const struct wpipe__record *record)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    wpipe_piece piece = { wpipe__record_line(f->scratch), record->size };
    struct wpipe__parcel parcel = { .pieces = &piece, .count = 1 };
    int r;

    parcel.record = *record;
    r = foreign_put(link, &parcel);
    if (r != 0)
        (void)foreign_cancel(link);
    return r;
}

/* What was begun cannot be taken back from a byte stream. */
static int foreign_mark(struct wpipe__link *link, uint32_t flag)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    int r = 0;

    wpipe__mutex_lock(&link->lock);
    if (flag == WPIPE__RECORD_FIN) {
        if (!f->finish)
            f->finish = 1;
        r = wpipe__foreign_flush(f);
    } else if (f->framing == WPIPE_FRAMING_RAW) {
        /* bytes that the system has not taken can be taken back */
        wpipe__foreign_drop(f);
    } else {
        wpipe__foreign_break(f, WPIPE_EABORTED,
                             "a message was abandoned before its end");
        wpipe__os_shutdown(link->socket);
    }
    wpipe__mutex_unlock(&link->lock);
    return r < 0 ? r : 0;
}

static uint32_t foreign_most(struct wpipe__link *link)
{
    (void)link;
    return WPIPE__FOREIGN_FRAGMENT;
}

static uint32_t foreign_fragment(struct wpipe__link *link, size_t left)
{
    (void)left;
    return foreign_most(link);
}

static int foreign_flushed(struct wpipe__link *link)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    int r;

    wpipe__mutex_lock(&link->lock);
    r = atomic_load(&f->over) ? atomic_load(&f->over) : wpipe__foreign_flush(f);
    wpipe__mutex_unlock(&link->lock);
    return r;
}

/* Has the peer read all that the kernel took: 1; 0 not yet; WPIPE_EPIPE it
 * never will. One that closes is seen to be gone before what it left unread is
 * thrown away, so in this order nothing passes for read. */
static int kernel_drained(struct wpipe__foreign *f)
{
    wpipe__handle socket = f->link.socket;
    int all = wpipe__os_all_read(socket, f->kind);
    int up = wpipe__os_hung_up(socket);

    if (f->reset || up == 2)
        return WPIPE_EPIPE;
    if (up == 1 && !all)
        all = wpipe__os_all_read(socket, f->kind); /* read, then closed */
    if (all)
        return 1;
    /* once we have finished, a peer that has too looks like one that is gone,
     * and it may read on */
    return up == 1 && !f->finish ? WPIPE_EPIPE : 0;
}

static int foreign_drained(struct wpipe__link *link)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    int r;

    wpipe__mutex_lock(&link->lock);
    r = atomic_load(&f->over) ? atomic_load(&f->over) : wpipe__foreign_flush(f);
    if (f->left)
        r = WPIPE_EDISCONNECTED; /* it was us */
    else if (link->socket == WPIPE__NO_HANDLE)
        r = WPIPE_ESTATE; /* there is nothing left to ask */
    else if (r == 1)
        r = kernel_drained(f);
    f->asks = r == 0; /* the kernel has no wake-up for it */
    wpipe__mutex_unlock(&link->lock);
    return r;
}

/* The kernel tells whether all that it got was read, but not how much of it was
 * payload. Of one that is gone it tells by a reset that something was not. */
static int kernel_has_some(struct wpipe__foreign *f)
{
    return f->link.socket == WPIPE__NO_HANDLE ? f->reset
                                              : kernel_drained(f) != 1;
}

static uint64_t foreign_unread(struct wpipe__link *link)
{
    return wpipe__foreign_kept(wpipe__foreign(link));
}

static uint64_t foreign_lost(struct wpipe__link *link)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    uint64_t kept;

    wpipe__mutex_lock(&link->lock);
    kept = wpipe__foreign_kept(f);
    if (kernel_has_some(f) || (kept > 0 && f->last_size == 0))
        kept = WPIPE__LOST_UNKNOWN; /* or a message without payload */
    else if (kept > 0) /* the end of the last record, framing not counted */
        kept = wpipe__min_u64(kept - wpipe__min_u64(kept, f->last_after),
                              f->last_size);
    wpipe__mutex_unlock(&link->lock);
    return kept;
}

/* ---- the table: the rest ------------------------------------------------- */

static int foreign_gone(struct wpipe__link *link)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    int over = atomic_load(&f->over);

    if (over)
        return over;
    return wpipe__os_hung_up(link->socket) ? WPIPE_EPIPE : 0;
}

static size_t foreign_holds(struct wpipe__link *link)
{
    return wpipe__queue_holds(&wpipe__foreign(link)->queue);
}

static unsigned foreign_interest(struct wpipe__link *link)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    unsigned interest = 0;

    if (!f->ended && may_receive(f) && link->terms.direction != WPIPE_OUT &&
        !is_full(f) && !f->told)
        interest |= WPIPE__INTEREST_IN;
    if (wpipe__foreign_kept(f) > 0)
        interest |= WPIPE__INTEREST_OUT;
    if (f->asks)
        interest |= WPIPE__INTEREST_SOON;
    return interest;
}

/* The poller told that there is something. It is left to the reader, in whose
 * turn it is received, and where he wants it. Told again before that, we want
 * to be told no more until he has found the end of it: what is not read yet
 * stays in the system. */
static int hear(struct wpipe__foreign *f)
{
    if (f->link.terms.direction == WPIPE_OUT)
        return receive(f, NULL); /* the end is all that may come */
    if (f->ended)
        return 0;
    f->told = !f->dry;
    f->dry = 0;
    return !f->told;
}

static int foreign_pump(struct wpipe__link *link)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    int r;

    if (link->polled && f->dry && wpipe__foreign_kept(f) == 0 &&
        may_receive(f) && !f->ended) {
        f->dry = 0;
        return 1;
    }
    wpipe__mutex_lock(&link->lock);
    r = may_receive(f) ? 0 : atomic_load(&f->over);
    if (r == 0) {
        if (!atomic_load(&f->over))
            (void)wpipe__foreign_flush(f);
        r = link->polled ? hear(f) : receive(f, NULL);
        if (r == 1)
            wpipe__link_notify(link);
    }
    wpipe__mutex_unlock(&link->lock);
    return r;
}

static void foreign_arm(struct wpipe__link *link, unsigned mask)
{
    if (!(mask & WPIPE__WANT_DRAINED))
        wpipe__foreign(link)->asks = 0;
}

static int foreign_in_memory(struct wpipe__link *link, unsigned mask)
{
    (void)link;
    (void)mask;
    return 0;
}

static int foreign_same_core(struct wpipe__link *link)
{
    (void)link;
    return 0;
}

static int foreign_shared(struct wpipe__link *link)
{
    (void)link;
    return WPIPE_ENOTSUP;
}

static void foreign_leave(struct wpipe__link *link, uint32_t state)
{
    struct wpipe__foreign *f = wpipe__foreign(link);

    wpipe__mutex_lock(&link->lock);
    if (!f->left) {
        f->left = 1;
        if (state != WPIPE__STATE_DISCONNECTED && !atomic_load(&f->over))
            (void)wpipe__foreign_flush(f);
        if (state == WPIPE__STATE_DROPPED && !atomic_load(&f->over))
            wpipe__foreign_cut(f);
        if (f->kind == WPIPE__KIND_SOCKET)
            wpipe__os_shutdown(link->socket);
    }
    wpipe__link_notify(link);
    wpipe__mutex_unlock(&link->lock);
}

static void foreign_free(struct wpipe__link *link)
{
    struct wpipe__foreign *f;

    if (link == NULL)
        return;
    f = wpipe__foreign(link);
    wpipe__queue_done(&f->queue);
    wpipe__buffer_done(&f->pending);
    wpipe__free(f->scratch);
    wpipe__link_done(link);
    wpipe__free(f);
}

static const struct wpipe__transport foreign_transport = {
    .name = "foreign",
    .look = foreign_look,
    .scan = foreign_scan,
    .take = foreign_take,
    .fetch = foreign_fetch,
    .carries = foreign_carries,
    .room = foreign_room,
    .put = foreign_put,
    .reserve = foreign_reserve,
    .commit = foreign_commit,
    .cancel = foreign_cancel,
    .mark = foreign_mark,
    .fragment = foreign_fragment,
    .most = foreign_most,
    .flushed = foreign_flushed,
    .drained = foreign_drained,
    .unread = foreign_unread,
    .lost = foreign_lost,
    .gone = foreign_gone,
    .holds = foreign_holds,
    .interest = foreign_interest,
    .pump = foreign_pump,
    .arm = foreign_arm,
    .in_memory = foreign_in_memory,
    .same_core = foreign_same_core,
    .shared = foreign_shared,
    .leave = foreign_leave,
    .free = foreign_free,
};

/* ---- making one ---------------------------------------------------------- */

static void set_up(struct wpipe__foreign *f, const wpipe_options *options)
{
    struct wpipe__terms *t = &f->link.terms;

    f->link.signals = (options->flags & WPIPE_WAIT_SIGNALS) != 0;
    f->framing = options->framing;
    f->limit =
        options->buffer_in == 0 ? WPIPE__BUFFER_DEFAULT : options->buffer_in;
    f->why = "";
    wpipe__decoder_init(&f->decoder, options->framing, options->max_message);
    t->type =
        options->framing == WPIPE_FRAMING_RAW ? WPIPE_BYTE : WPIPE_MESSAGE;
    t->direction = options->direction;
    t->silent_peer = 1;
    t->ring_in = options->direction == WPIPE_OUT ? 0 : (uint32_t)f->limit;
    t->ring_out = options->buffer_out;
    t->max_in = options->max_message;
    t->max_out =
        options->framing == WPIPE_FRAMING_RAW ? UINT64_MAX : UINT32_MAX;
}

int wpipe__foreign_make(wpipe__handle handle, const wpipe_options *options,
                        struct wpipe__link **ret_link)
{
    struct wpipe__foreign *f = wpipe__alloc(sizeof *f);
    int r = WPIPE_ENOMEM;

    if (f == NULL)
        goto fail;
    r = wpipe__link_init(&f->link, &foreign_transport, handle);
    if (r < 0)
        goto fail;
    f->kind = wpipe__os_kind(handle);
    set_up(f, options);
    f->link.peer.size = sizeof f->link.peer;
    f->link.passing = WPIPE__PASSES_NOTHING;
    if (f->kind == WPIPE__KIND_SOCKET) {
        f->link.passing = wpipe__os_refuse_passing(handle);
        (void)wpipe__os_peer(handle, &f->link.peer);
        f->link.own_user = f->link.peer.uid == wpipe__os_uid();
        if (options->direction == WPIPE_IN)
            wpipe__os_shutdown_write(handle);
        if (options->direction == WPIPE_OUT)
            wpipe__os_shutdown_read(handle);
    }
    *ret_link = &f->link;
    return 0;
fail:
    wpipe__free(f);
    wpipe__os_close_unknown(handle, wpipe__os_generation());
    return r;
}
