/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The foreign link's way out: records in their framing, handed to the kernel;
 * what it has no room for waits in `pending`. Called by foreign.c and through
 * its table.
 */
#include "foreign/foreign.h"

#include "base/base.h"
#include "base/copy.h"
#include "base/framing.h"
#include "base/memory.h"

/* The longest record that put takes. */
#define FRAGMENT   (256u << 10)
#define PIECES_MAX 16 /* that are sent as they lie */

/* The peer is to see our end. A pipe has no other way to say so than to be
 * closed: its only user is the writer, who has finished. */
static void end_writing(struct wpipe__foreign *f)
{
    f->finish = 2;
    if (f->kind == WPIPE__KIND_SOCKET) {
        wpipe__os_shutdown_write(f->link.socket);
    } else if (f->link.terms.direction == WPIPE_OUT) {
        wpipe__os_close(f->link.socket);
        f->link.socket = WPIPE__NO_HANDLE;
    }
}

static void set_kept(struct wpipe__foreign *f)
{
    atomic_store_explicit(&f->kept, wpipe__buffer_size(&f->pending),
                          memory_order_relaxed);
}

int wpipe__foreign_flush(struct wpipe__foreign *f)
{
    wpipe_piece piece;
    int64_t n;

    while (wpipe__foreign_kept(f) > 0) {
        piece.data = (void *)(uintptr_t)wpipe__buffer_front(&f->pending);
        piece.size = wpipe__foreign_kept(f);
        n = wpipe__os_stream_write(f->link.socket, f->kind, &piece, 1);
        if (n == WPIPE_EAGAIN)
            return 0;
        if (n < 0) {
            wpipe__foreign_break(f, n == WPIPE_EPIPE ? WPIPE_EPIPE : (int)n,
                                 NULL);
            return (int)n;
        }
        wpipe__buffer_drop(&f->pending, (size_t)n);
        f->unbegun = 0;
        set_kept(f);
    }
    if (f->finish == 1)
        end_writing(f);
    return 1;
}

/* A few bytes of the message that nobody will get, if the end would be behind a
 * whole one; the system makes room for them. A line that is cut may pass for a
 * whole one, and bytes have no messages. */
void wpipe__foreign_cut(struct wpipe__foreign *f)
{
    wpipe_piece piece = { NULL, 2 };

    if (!f->unbegun || wpipe__foreign_kept(f) <= piece.size ||
        f->framing == WPIPE_FRAMING_RAW || f->framing == WPIPE_FRAMING_LINES)
        return;
    piece.data = (void *)(uintptr_t)wpipe__buffer_front(&f->pending);
    wpipe__os_more_send_buffer(f->link.socket);
    (void)wpipe__os_stream_write(f->link.socket, f->kind, &piece, 1);
}

/* Forget `pending`. */
static void drop_pending(struct wpipe__foreign *f)
{
    wpipe__buffer_drop(&f->pending, wpipe__buffer_size(&f->pending));
    set_kept(f);
}

/* Why we cannot write, or 0. */
static int writer_end(struct wpipe__foreign *f)
{
    int over = atomic_load(&f->over);

    if (over)
        return over;
    return f->left || f->finish ? WPIPE_ESTATE : 0;
}

static int room(struct wpipe__foreign *f)
{
    int r = writer_end(f);

    return r < 0 ? r : wpipe__foreign_flush(f);
}

/* The pieces of a record, its header in front and its end behind. */
struct outgoing {
    wpipe_piece pieces[PIECES_MAX + 2];
    int count;
    size_t size;
    size_t behind; /* bytes of framing at the end */
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
static int append_payload(struct wpipe__foreign *f,
                          const struct wpipe__parcel *p, struct outgoing *o,
                          size_t skip)
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
        append_piece(o, data + skip, size);
        left -= size;
        skip = 0;
    }
    return 0;
}

/* One byte of a record's payload; 0 when it has none there. */
static uint8_t byte_at(const struct wpipe__parcel *p, size_t at)
{
    size_t skip = p->offset + at;
    int i;

    if (at >= p->record.size)
        return 0;

    for (i = 0; i < p->count; i++) {
        if (skip < p->pieces[i].size)
            return ((const uint8_t *)p->pieces[i].data)[skip];
        skip -= p->pieces[i].size;
    }
    return 0;
}

static int compose(struct wpipe__foreign *f, const struct wpipe__parcel *p,
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
    o->behind = 0;
    if (!f->in_message) {
        if ((r->flags & (WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL)) ==
                WPIPE__RECORD_MORE &&
            f->framing != WPIPE_FRAMING_RAW &&
            f->framing != WPIPE_FRAMING_LINES)
            return WPIPE_ENOTSUP; /* its length is to be said first */
        if (f->framing == WPIPE_FRAMING_TYPE_LE32) {
            if (r->size == 0)
                return WPIPE_EINVAL; /* a message begins with its type */
            type = byte_at(p, 0);
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
        n = wpipe__framing_after(f->framing, byte_at(p, (size_t)r->size - 1),
                                 o->after);
        if (n > 0) {
            append_piece(o, o->after, (size_t)n);
            o->behind = (size_t)n;
        }
    }
    return 0;
}

/* Keep what the kernel did not take. */
static int keep_rest(struct wpipe__foreign *f, const struct outgoing *o,
                     size_t sent)
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
        set_kept(f);
        sent = 0;
    }
    return 0;
}

/* Frame it and send it; the kernel has taken all that came before. */
static int send_parcel(struct wpipe__foreign *f,
                       const struct wpipe__parcel *parcel)
{
    struct outgoing o;
    int64_t sent;
    int r = compose(f, parcel, &o);

    if (r < 0)
        return r;
    sent = o.size == 0 ? 0
                       : wpipe__os_stream_write(f->link.socket, f->kind,
                                                o.pieces, o.count);
    if (sent == WPIPE_EAGAIN)
        sent = 0;
    if (sent < 0) {
        wpipe__foreign_break(f, (int)sent, NULL);
        return (int)sent;
    }
    if ((size_t)sent < o.size) {
        r = keep_rest(f, &o, (size_t)sent);
        if (r < 0) {
            wpipe__foreign_break(f, r, NULL); /* half a record is on its way */
            return r;
        }
        f->unbegun = sent == 0 && !f->in_message;
        f->last_size = parcel->record.size;
        f->last_after = o.behind;
        /* who polls the socket is to poll it for OUT, too: the caller may not
         * wait for that himself */
        wpipe__link_notify(&f->link);
    }
    f->in_message = (parcel->record.flags & WPIPE__RECORD_MORE) != 0;
    return 1;
}

/* What a record takes of many pieces, as one. NULL: no memory. */
static void *gather(const struct wpipe__parcel *p)
{
    uint8_t *whole = wpipe__alloc((size_t)p->record.size + 1);
    size_t skip = p->offset;
    size_t at = 0;
    int i;

    for (i = 0; whole != NULL && at < p->record.size; i++) {
        size_t from = wpipe__min_size(skip, p->pieces[i].size);
        size_t size =
            wpipe__min_size(p->pieces[i].size - from, p->record.size - at);

        if (size > 0)
            wpipe__copy(whole + at, (const uint8_t *)p->pieces[i].data + from,
                        size);
        skip -= from;
        at += size;
    }
    return whole;
}

static int put(struct wpipe__foreign *f, const struct wpipe__parcel *parcel)
{
    struct wpipe__parcel one = *parcel;
    wpipe_piece piece = { NULL, parcel->record.size };
    int r = room(f);

    if (r <= 0)
        return r;
    if (parcel->count > PIECES_MAX) {
        piece.data = gather(parcel);
        if (piece.data == NULL)
            return WPIPE_ENOMEM;
        one.pieces = &piece;
        one.count = 1;
        one.offset = 0;
    }
    r = send_parcel(f, &one);
    wpipe__free(piece.data);
    return r;
}

/* ---- the table ----------------------------------------------------------- */

/* Before a part of it has gone, which cannot be taken back. */
int wpipe__foreign_carries(struct wpipe__link *link, const wpipe_piece *pieces,
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

int wpipe__foreign_room(struct wpipe__link *link,
                        const struct wpipe__record *record)
{
    int r;

    (void)record;
    wpipe__mutex_lock(&link->lock);
    r = room(wpipe__foreign(link));
    wpipe__mutex_unlock(&link->lock);
    return r;
}

int wpipe__foreign_put(struct wpipe__link *link,
                       const struct wpipe__parcel *parcel)
{
    int r;

    wpipe__mutex_lock(&link->lock);
    r = put(wpipe__foreign(link), parcel);
    wpipe__mutex_unlock(&link->lock);
    return r;
}

int wpipe__foreign_reserve(struct wpipe__link *link,
                           const struct wpipe__record *record,
                           uint8_t **ret_data)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    int r = wpipe__foreign_room(link, record);

    if (r <= 0)
        return r;
    f->scratch = wpipe__alloc((size_t)record->size + WPIPE__RECORD_LINE);
    if (f->scratch == NULL)
        return WPIPE_ENOMEM;
    *ret_data = wpipe__record_line(f->scratch);
    return 1;
}

uint32_t wpipe__foreign_cancel(struct wpipe__link *link)
{
    struct wpipe__foreign *f = wpipe__foreign(link);

    wpipe__free(f->scratch);
    f->scratch = NULL;
    return 0;
}

int wpipe__foreign_commit(struct wpipe__link *link,
                          const struct wpipe__record *record)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    wpipe_piece piece = { wpipe__record_line(f->scratch), record->size };
    struct wpipe__parcel parcel = { .pieces = &piece, .count = 1 };
    int r;

    parcel.record = *record;
    r = wpipe__foreign_put(link, &parcel);
    if (r != 0)
        (void)wpipe__foreign_cancel(link);
    return r;
}

/* What was begun cannot be taken back from a byte stream. */
int wpipe__foreign_mark(struct wpipe__link *link, uint32_t flag)
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
        drop_pending(f);
    } else {
        wpipe__foreign_break(f, WPIPE_EABORTED,
                             "a message was abandoned before its end");
        wpipe__os_shutdown(link->socket);
    }
    wpipe__mutex_unlock(&link->lock);
    return r < 0 ? r : 0;
}

uint32_t wpipe__foreign_most(struct wpipe__link *link)
{
    (void)link;
    return FRAGMENT;
}

uint32_t wpipe__foreign_fragment(struct wpipe__link *link, size_t left)
{
    (void)left;
    return wpipe__foreign_most(link);
}

int wpipe__foreign_flushed(struct wpipe__link *link)
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

int wpipe__foreign_drained(struct wpipe__link *link)
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

uint64_t wpipe__foreign_unread(struct wpipe__link *link)
{
    return wpipe__foreign_kept(wpipe__foreign(link));
}

uint64_t wpipe__foreign_lost(struct wpipe__link *link)
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
