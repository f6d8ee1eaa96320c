/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The foreign link: a byte stream whose other end is not windpipe - a .NET,
 * Node or Python program at a socket, a pipe inherited from a parent.
 *
 * Bytes that come are cut into records by a framing and wait in a queue; when
 * the reader is slow the link stops receiving, so that the kernel's buffer
 * holds the peer back. Bytes that go are handed to the kernel; what it has no
 * room for waits in `pending`, and nothing more is taken until that is gone.
 * Everything runs under link.lock. Made for core through transport.h.
 */
#include "transport/transport.h"

#include <string.h>

#include <windpipe/error.h>

#include "base/base.h"
#include "base/framing.h"
#include "base/memory.h"
#include "base/ring.h"
#include "transport/queue.h"

#define RECEIVE_SIZE 32768u
#define FRAGMENT     (256u << 10)
#define PIECES_MAX   16

struct foreign {
    struct wpipe__link link;
    int kind; /* WPIPE__KIND_* */
    int framing;
    size_t limit; /* stop receiving when so much is unread */
    struct wpipe__decoder decoder;
    const char *why;
    _Atomic int over; /* WPIPE_E* */
    int ended;        /* nothing more comes: EOF was received */
    int dry;          /* the last receive took all that was there */
    int began;        /* a message was begun with no byte of it yet */
    uint64_t began_total;
    struct wpipe__queue queue;
    _Atomic size_t unread; /* bytes in the queue */

    int in_message; /* we have put a part of one */
    int finish;     /* FIN: shut down once `pending` is gone */
    int left;
    int asks; /* somebody waits to be read: look now and then */
    uint8_t *scratch;
    struct wpipe__buffer pending;
};

static struct foreign *foreign(struct wpipe__link *link)
{
    return (struct foreign *)(void *)link;
}

static void break_with(struct foreign *f, int error, const char *why)
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
    return foreign(link)->why;
}

/* One who does not read any more may still write. */
static int may_receive(struct foreign *f)
{
    int over = atomic_load(&f->over);

    return over == 0 || over == WPIPE_EPIPE;
}

/* ---- coming in ----------------------------------------------------------- */

static int add_record(struct foreign *f, uint32_t flags, uint64_t total,
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
            memcpy(both + 8, data, size);
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
static int on_chunk(struct foreign *f, const struct wpipe__chunk *c)
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

/* Cut what was received into records. */
static int decode(struct foreign *f, const uint8_t *bytes, size_t size)
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
        if (r == 1) {
            r = on_chunk(f, &chunk);
            if (r < 0)
                return r;
        }
        bytes += used;
        size -= used;
    }
    return 0;
}

/* The peer writes no more; a framing may be left half done. */
static int on_end(struct foreign *f)
{
    struct wpipe__chunk chunk;
    int r;

    f->ended = 1;
    r = wpipe__decoder_end(&f->decoder, &chunk, &f->why);
    return r == 1 ? on_chunk(f, &chunk) : r;
}

/* 1 something came; 0; < 0 broken. */
static int receive(struct foreign *f)
{
    uint8_t bytes[RECEIVE_SIZE];
    int64_t got;
    int r;

    if (f->ended || f->link.terms.direction == WPIPE_OUT ||
        atomic_load(&f->unread) >= f->limit)
        return 0;
    got = wpipe__os_stream_read(f->link.socket, f->kind, bytes, sizeof bytes);
    f->dry = got < (int64_t)sizeof bytes;
    if (got == WPIPE_EAGAIN)
        return 0;
    if (got == WPIPE_EOF || got == WPIPE_EPIPE)
        r = on_end(f); /* reset: it closed with something of ours unread */
    else if (got < 0)
        r = (int)got;
    else {
        f->link.terms.silent_peer = 0; /* its end would be a real one */
        r = decode(f, bytes, (size_t)got);
    }
    if (r < 0)
        break_with(f, r, NULL);
    return r < 0 ? r : 1;
}

/* ---- going out ----------------------------------------------------------- */

/* The peer is to see our end. A pipe has no other way to say so than to be
 * closed: its only user is the writer, who has finished. */
static void end_writing(struct foreign *f)
{
    f->finish = 2;
    if (f->kind == WPIPE__KIND_SOCKET) {
        wpipe__os_shutdown_write(f->link.socket);
    } else if (f->link.terms.direction == WPIPE_OUT) {
        wpipe__os_close(f->link.socket);
        f->link.socket = WPIPE__NO_HANDLE;
    }
}

/* Hand `pending` to the kernel. 1 it is gone; 0 not all; < 0. */
static int flush(struct foreign *f)
{
    wpipe_piece piece;
    int64_t n;

    while (wpipe__buffer_size(&f->pending) > 0) {
        piece.data = (void *)(uintptr_t)wpipe__buffer_front(&f->pending);
        piece.size = wpipe__buffer_size(&f->pending);
        n = wpipe__os_stream_write(f->link.socket, f->kind, &piece, 1);
        if (n == WPIPE_EAGAIN)
            return 0;
        if (n < 0) {
            break_with(f, n == WPIPE_EPIPE ? WPIPE_EPIPE : (int)n, NULL);
            return (int)n;
        }
        wpipe__buffer_drop(&f->pending, (size_t)n);
    }
    if (f->finish == 1)
        end_writing(f);
    return 1;
}

/* Why we cannot write, or 0. */
static int writer_end(struct foreign *f)
{
    int over = atomic_load(&f->over);

    if (over)
        return over;
    return f->left || f->finish ? WPIPE_ESTATE : 0;
}

/* Room for one more record: 1; 0; < 0. Locked. */
static int room(struct foreign *f)
{
    int r = writer_end(f);

    return r < 0 ? r : flush(f);
}

/* The pieces of a record, its header in front and its end behind. */
struct outgoing {
    wpipe_piece pieces[PIECES_MAX + 2];
    int count;
    size_t size;
    uint8_t before[WPIPE__FRAMING_OWN_HEADER];
    uint8_t after[WPIPE__FRAMING_OWN_HEADER];
};

static void append_piece(struct outgoing *o, const void *data, size_t size)
{
    o->pieces[o->count].data = (void *)(uintptr_t)data;
    o->pieces[o->count].size = size;
    o->count++;
    o->size += size;
}

/* The payload as pieces; 0, or WPIPE_EINVAL: the framing cannot carry it. */
static int append_payload(struct foreign *f, const struct wpipe__parcel *p,
                          struct outgoing *o, size_t skip)
{
    size_t left = p->record.size - skip;
    int i;
    int r;

    skip += p->offset;
    for (i = 0; i < p->count && left > 0; i++) {
        const uint8_t *data = p->pieces[i].data;
        size_t size = p->pieces[i].size;

        if (skip >= size) {
            skip -= size;
            continue;
        }
        size = wpipe__min_size(size - skip, left);
        r = wpipe__framing_check(f->framing, data + skip, size,
                                 size == left &&
                                     !(p->record.flags & WPIPE__RECORD_MORE));
        if (r < 0)
            return r;
        if (o->count == PIECES_MAX)
            return WPIPE_ENOTSUP;
        append_piece(o, data + skip, size);
        left -= size;
        skip = 0;
    }
    return 0;
}

/* The byte at the beginning of a record's payload. */
static uint8_t first_byte(const struct wpipe__parcel *p)
{
    size_t skip = p->offset;
    int i;

    for (i = 0; i < p->count; i++) {
        if (skip < p->pieces[i].size)
            return ((const uint8_t *)p->pieces[i].data)[skip];
        skip -= p->pieces[i].size;
    }
    return 0;
}

static int compose(struct foreign *f, const struct wpipe__parcel *p,
                   struct outgoing *o)
{
    const struct wpipe__record *r = &p->record;
    uint64_t total = r->flags & WPIPE__RECORD_TOTAL ? r->total : r->size;
    size_t skip = 0;
    uint8_t type = 0;
    int n;

    if (r->flags & (WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY))
        return WPIPE_ENOTSUP; /* calls have ids, byte streams have not */
    o->count = 0;
    o->size = 0;
    if (!f->in_message) {
        if ((r->flags & (WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL)) ==
                WPIPE__RECORD_MORE &&
            f->framing != WPIPE_FRAMING_RAW &&
            f->framing != WPIPE_FRAMING_LINES)
            return WPIPE_ENOTSUP; /* its length is to be said first */
        if (f->framing == WPIPE_FRAMING_TYPE_LE32) {
            if (r->size == 0)
                return WPIPE_EINVAL; /* a message begins with its type */
            type = first_byte(p);
            skip = 1;
            total--;
        }
        n = wpipe__framing_before(f->framing, total, type, o->before);
        if (n < 0)
            return n;
        if (n > 0)
            append_piece(o, o->before, (size_t)n);
    }
    n = append_payload(f, p, o, skip);
    if (n < 0)
        return n;
    if (!(r->flags & WPIPE__RECORD_MORE)) {
        n = wpipe__framing_after(f->framing, o->after);
        if (n > 0)
            append_piece(o, o->after, (size_t)n);
    }
    return 0;
}

/* Keep what the kernel did not take. */
static int keep_rest(struct foreign *f, const struct outgoing *o, size_t sent)
{
    int i;
    int r;

    for (i = 0; i < o->count; i++) {
        const uint8_t *data = o->pieces[i].data;
        size_t size = o->pieces[i].size;

        if (sent >= size) {
            sent -= size;
            continue;
        }
        r = wpipe__buffer_append(&f->pending, data + sent, size - sent);
        if (r < 0)
            return r;
        sent = 0;
    }
    return 0;
}

static int put_locked(struct foreign *f, const struct wpipe__parcel *parcel)
{
    struct outgoing o;
    int64_t sent;
    int r = room(f);

    if (r <= 0)
        return r;
    r = compose(f, parcel, &o);
    if (r < 0)
        return r;
    sent = o.size == 0 ? 0
                       : wpipe__os_stream_write(f->link.socket, f->kind,
                                                o.pieces, o.count);
    if (sent == WPIPE_EAGAIN)
        sent = 0;
    if (sent < 0) {
        break_with(f, (int)sent, NULL);
        return (int)sent;
    }
    if ((size_t)sent < o.size) {
        r = keep_rest(f, &o, (size_t)sent);
        if (r < 0) {
            break_with(f, r, NULL); /* half a record is on its way */
            return r;
        }
    }
    f->in_message = (parcel->record.flags & WPIPE__RECORD_MORE) != 0;
    return 1;
}

/* ---- the table: reader --------------------------------------------------- */

/* 1 the reader has something; 0; < 0 the end. */
static int refill(struct foreign *f)
{
    int r = 0;

    wpipe__mutex_lock(&f->link.lock);
    if (wpipe__queue_arrived(&f->queue) == 0 && !(f->link.polled && f->dry))
        (void)receive(f);
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
    struct foreign *f = foreign(link);
    int r;

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
    struct foreign *f = foreign(link);
    size_t at = (size_t)cursor->position;

    if (at >= wpipe__queue_size(&f->queue) && refill(f) <= 0)
        return 0;
    wpipe__queue_scan(&f->queue, &at, ret);
    cursor->position = at;
    return 1;
}

static void foreign_take(struct wpipe__link *link,
                         const struct wpipe__record *record, uint32_t bytes,
                         int whole)
{
    struct foreign *f = foreign(link);

    wpipe__queue_take(&f->queue, record, bytes, whole);
    atomic_fetch_sub(&f->unread, bytes + (whole ? WPIPE__RECORD_HEADER : 0u));
}

/* ---- the table: writer --------------------------------------------------- */

static int foreign_room(struct wpipe__link *link,
                        const struct wpipe__record *record)
{
    int r;

    (void)record;
    wpipe__mutex_lock(&link->lock);
    r = room(foreign(link));
    wpipe__mutex_unlock(&link->lock);
    return r;
}

static int foreign_put(struct wpipe__link *link,
                       const struct wpipe__parcel *parcel)
{
    int r;

    wpipe__mutex_lock(&link->lock);
    r = put_locked(foreign(link), parcel);
    wpipe__mutex_unlock(&link->lock);
    return r;
}

static int foreign_reserve(struct wpipe__link *link,
                           const struct wpipe__record *record,
                           uint8_t **ret_data)
{
    struct foreign *f = foreign(link);
    int r = foreign_room(link, record);

    if (r <= 0)
        return r;
    f->scratch = wpipe__alloc((size_t)record->size + 1);
    if (f->scratch == NULL)
        return WPIPE_ENOMEM;
    *ret_data = f->scratch;
    return 1;
}

static uint32_t foreign_cancel(struct wpipe__link *link)
{
    struct foreign *f = foreign(link);

    wpipe__free(f->scratch);
    f->scratch = NULL;
    return 0;
}

static int foreign_commit(struct wpipe__link *link,
                          const struct wpipe__record *record)
{
    struct foreign *f = foreign(link);
    wpipe_piece piece = { f->scratch, record->size };
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
    struct foreign *f = foreign(link);
    int r = 0;

    wpipe__mutex_lock(&link->lock);
    if (flag == WPIPE__RECORD_FIN) {
        if (!f->finish)
            f->finish = 1;
        r = flush(f);
    } else if (f->framing == WPIPE_FRAMING_RAW) {
        /* bytes that the system has not taken can be taken back */
        wpipe__buffer_drop(&f->pending, wpipe__buffer_size(&f->pending));
    } else {
        break_with(f, WPIPE_EABORTED, "a message was given up half way");
        wpipe__os_shutdown(link->socket);
    }
    wpipe__mutex_unlock(&link->lock);
    return r < 0 ? r : 0;
}

static uint32_t foreign_most(struct wpipe__link *link)
{
    (void)link;
    return FRAGMENT;
}

static uint32_t foreign_fragment(struct wpipe__link *link, size_t left)
{
    (void)left;
    return foreign_most(link);
}

static int foreign_settled(struct wpipe__link *link)
{
    struct foreign *f = foreign(link);
    int r;

    wpipe__mutex_lock(&link->lock);
    r = atomic_load(&f->over) ? atomic_load(&f->over) : flush(f);
    wpipe__mutex_unlock(&link->lock);
    return r;
}

static int foreign_drained(struct wpipe__link *link)
{
    struct foreign *f = foreign(link);
    int up;
    int r;

    wpipe__mutex_lock(&link->lock);
    r = atomic_load(&f->over) ? atomic_load(&f->over) : flush(f);
    if (link->socket == WPIPE__NO_HANDLE)
        r = WPIPE_ESTATE; /* there is nothing left to ask */
    if (r == 1) {
        up = wpipe__os_hung_up(link->socket);
        r = up == 2 ? WPIPE_EPIPE : wpipe__os_all_read(link->socket, f->kind);
    }
    f->asks = r == 0; /* the kernel has no wake-up for it */
    wpipe__mutex_unlock(&link->lock);
    return r;
}

/* What lies in the kernel's buffer cannot be told in payload bytes. */
static uint64_t foreign_unread(struct wpipe__link *link)
{
    struct foreign *f = foreign(link);
    uint64_t bytes;

    wpipe__mutex_lock(&link->lock);
    bytes = wpipe__buffer_size(&f->pending);
    wpipe__mutex_unlock(&link->lock);
    return bytes;
}

/* ---- the table: the rest ------------------------------------------------- */

static int foreign_gone(struct wpipe__link *link)
{
    struct foreign *f = foreign(link);
    int over = atomic_load(&f->over);

    if (over)
        return over;
    return wpipe__os_hung_up(link->socket) ? WPIPE_EPIPE : 0;
}

static unsigned foreign_interest(struct wpipe__link *link)
{
    struct foreign *f = foreign(link);
    unsigned interest = 0;

    wpipe__mutex_lock(&link->lock);
    if (!f->ended && may_receive(f) && link->terms.direction != WPIPE_OUT &&
        atomic_load(&f->unread) < f->limit)
        interest |= WPIPE__INTEREST_IN;
    if (wpipe__buffer_size(&f->pending) > 0)
        interest |= WPIPE__INTEREST_OUT;
    if (f->asks)
        interest |= WPIPE__INTEREST_SOON;
    wpipe__mutex_unlock(&link->lock);
    return interest;
}

static int foreign_pump(struct wpipe__link *link)
{
    struct foreign *f = foreign(link);
    int r;

    wpipe__mutex_lock(&link->lock);
    r = may_receive(f) ? 0 : atomic_load(&f->over);
    if (r == 0) {
        if (!atomic_load(&f->over))
            (void)flush(f);
        r = receive(f);
        if (r == 1)
            wpipe__link_notify(link);
    }
    wpipe__mutex_unlock(&link->lock);
    return r;
}

static void foreign_arm(struct wpipe__link *link, unsigned mask)
{
    if (!(mask & WPIPE__WANT_DRAINED))
        foreign(link)->asks = 0;
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

static int foreign_offer(struct wpipe__link *link)
{
    (void)link;
    return WPIPE_ENOTSUP;
}

static void foreign_leave(struct wpipe__link *link, uint32_t state)
{
    struct foreign *f = foreign(link);

    wpipe__mutex_lock(&link->lock);
    if (!f->left) {
        f->left = 1;
        if (state == WPIPE__STATE_CLOSED && !atomic_load(&f->over))
            (void)flush(f);
        if (f->kind == WPIPE__KIND_SOCKET)
            wpipe__os_shutdown(link->socket);
    }
    wpipe__link_notify(link);
    wpipe__mutex_unlock(&link->lock);
}

static void foreign_free(struct wpipe__link *link)
{
    struct foreign *f;

    if (link == NULL)
        return;
    f = foreign(link);
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
    .room = foreign_room,
    .put = foreign_put,
    .reserve = foreign_reserve,
    .commit = foreign_commit,
    .cancel = foreign_cancel,
    .mark = foreign_mark,
    .fragment = foreign_fragment,
    .most = foreign_most,
    .settled = foreign_settled,
    .drained = foreign_drained,
    .unread = foreign_unread,
    .gone = foreign_gone,
    .interest = foreign_interest,
    .pump = foreign_pump,
    .arm = foreign_arm,
    .in_memory = foreign_in_memory,
    .same_core = foreign_same_core,
    .shared = foreign_shared,
    .offer = foreign_offer,
    .leave = foreign_leave,
    .free = foreign_free,
};

/* ---- making one ---------------------------------------------------------- */

static void set_up(struct foreign *f, const wpipe_options *options)
{
    struct wpipe__terms *t = &f->link.terms;

    f->framing = options->framing;
    f->limit = options->buffer_in;
    f->why = "";
    wpipe__decoder_init(&f->decoder, options->framing, options->max_message);
    t->type =
        options->framing == WPIPE_FRAMING_RAW ? WPIPE_BYTE : WPIPE_MESSAGE;
    t->direction = options->direction;
    t->silent_peer = 1;
    t->ring_in = options->buffer_in;
    t->ring_out = options->buffer_out;
    t->max_in = options->max_message;
    t->max_out =
        options->framing == WPIPE_FRAMING_RAW ? UINT64_MAX : UINT32_MAX;
}

int wpipe__foreign_make(wpipe__handle handle, const wpipe_options *options,
                        struct wpipe__link **ret_link)
{
    struct foreign *f = wpipe__alloc(sizeof *f);
    int r = WPIPE_ENOMEM;

    if (f == NULL)
        goto fail;
    r = wpipe__link_init(&f->link, &foreign_transport, handle);
    if (r < 0)
        goto fail;
    f->kind = wpipe__os_kind(handle);
    set_up(f, options);
    f->link.peer.size = sizeof f->link.peer;
    if (f->kind == WPIPE__KIND_SOCKET) {
        (void)wpipe__os_peer(handle, 0, &f->link.peer);
        if (options->direction == WPIPE_IN)
            wpipe__os_shutdown_write(handle);
        if (options->direction == WPIPE_OUT)
            wpipe__os_shutdown_read(handle);
    }
    *ret_link = &f->link;
    return 0;
fail:
    wpipe__free(f);
    wpipe__os_close(handle);
    return r;
}
