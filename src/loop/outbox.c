/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending in records. A message that is larger than a record goes as several:
 * the first one tells the total, all but the last say that more comes.
 */
#include "loop/outbox.h"

#include <string.h>
#include <windpipe/error.h>

#include "base/base.h"
#include "base/copy.h"
#include "base/memory.h"
#include "base/pieces.h"

/* A message that is kept, or what is left of it. */
struct wpipe__outbox_item {
    struct wpipe__outbox_item *next;
    uint64_t charge;
    uint64_t request;
    size_t total;   /* bytes of the whole message */
    size_t done;    /* of those, in the link */
    size_t skipped; /* of those, never copied into `data` */
    uint32_t kind;
    uint8_t data[];
};

static uint64_t charge_of(size_t size)
{
    return wpipe__max_u64(size, WPIPE__OUTBOX_LEAST);
}

/* ---- into the link ------------------------------------------------------ */

/* One message on its way: `done` of `total` bytes are in the link. */
struct journey {
    const wpipe_piece *pieces;
    int count;
    size_t skipped; /* bytes of it in front of the pieces */
    size_t total;
    size_t done;
    uint32_t kind;
    uint64_t request;
    int bytewise;
    int quiet;
};

static uint32_t record_flags(const struct journey *j, size_t size)
{
    uint32_t flags = 0;

    if (j->bytewise)
        return 0;
    if (j->done == 0)
        flags |= j->kind;
    if (size < j->total - j->done) {
        flags |= WPIPE__RECORD_MORE;
        if (j->done == 0)
            flags |= WPIPE__RECORD_TOTAL;
    }
    return flags;
}

/* Put the next record of it: as transport.put. */
static int put_next(struct journey *j, struct wpipe__link *link)
{
    size_t left = j->total - j->done;
    size_t size = wpipe__min_size(left, link->transport->fragment(link, left));
    static uint8_t nothing[1];
    static const wpipe_piece empty = { nothing, 0 };
    struct wpipe__parcel parcel = { .pieces = j->pieces,
                                    .count = j->count,
                                    .offset = j->done - j->skipped,
                                    .quiet = j->quiet };
    int r;

    if (size == 0) {
        parcel.pieces = &empty;
        parcel.count = 1;
        parcel.offset = 0;
    }
    parcel.record.size = (uint32_t)size;
    parcel.record.flags = record_flags(j, size);
    parcel.record.total = j->total;
    parcel.record.request = j->request;
    r = link->transport->put(link, &parcel);
    if (r != 1)
        return r;
    j->done += size;
    return 1;
}

/* Put as much as there is room for: 1 all, 0, < 0. */
static int put_all(struct journey *j, struct wpipe__link *link)
{
    int r;

    do {
        r = put_next(j, link);
        if (r <= 0)
            return r;
    } while (j->done < j->total);
    return 1;
}

/* ---- what is kept ------------------------------------------------------- */

static int keep(struct wpipe__outbox *outbox, const struct wpipe__share *share,
                const struct journey *j)
{
    size_t left = j->total - j->done;
    struct wpipe__outbox_item *item;
    uint64_t charge = charge_of(left);
    int r = wpipe__share_take(share, charge);

    if (r < 0) {
        outbox->wanting = charge_of(j->total);
        return r;
    }
    item = left > SIZE_MAX - sizeof(*item)
               ? NULL
               : wpipe__resize(NULL, sizeof(*item) + left);
    if (item == NULL) {
        wpipe__share_give(share, charge);
        return WPIPE_ENOMEM;
    }
    memset(item, 0, sizeof(*item));
    item->charge = charge;
    item->request = j->request;
    item->total = j->total;
    item->done = j->done;
    item->skipped = j->done;
    item->kind = j->kind;
    wpipe__pieces_copy(item->data, j->pieces, j->done - j->skipped, left);
    if (outbox->last == NULL)
        outbox->first = item;
    else
        outbox->last->next = item;
    outbox->last = item;
    outbox->charge += charge;
    outbox->bytes += left;
    outbox->count++;
    return 0;
}

static void drop_first(struct wpipe__outbox *outbox,
                       const struct wpipe__share *share)
{
    struct wpipe__outbox_item *item = outbox->first;

    outbox->first = item->next;
    if (outbox->first == NULL)
        outbox->last = NULL;
    outbox->charge -= item->charge;
    outbox->bytes -= item->total - item->done;
    outbox->count--;
    wpipe__share_give(share, item->charge);
    wpipe__free(item);
}

/* Would the limit allow one more of this size? */
static int has_place(const struct wpipe__outbox *outbox, size_t size)
{
    uint64_t charge = charge_of(size);

    return outbox->first == NULL || (charge <= outbox->limit &&
                                     outbox->charge <= outbox->limit - charge);
}

/* Remember at which charge it would be worth to try again. */
static void remember_refused(struct wpipe__outbox *outbox, size_t size)
{
    uint64_t charge = charge_of(size);
    uint64_t writable_at = outbox->limit / 2;

    writable_at = charge > outbox->limit
                      ? 0
                      : wpipe__min_u64(writable_at, outbox->limit - charge);
    if (!outbox->refused || writable_at < outbox->writable_at)
        outbox->writable_at = writable_at;
    outbox->refused = 1;
}

int wpipe__outbox_writable(struct wpipe__outbox *outbox)
{
    if (!outbox->refused || outbox->wanting > 0 ||
        outbox->charge > outbox->writable_at)
        return 0;
    outbox->refused = 0;
    return 1;
}

uint64_t wpipe__outbox_begun(const struct wpipe__outbox *outbox)
{
    return outbox->first == NULL ? 0 : outbox->first->done;
}

uint64_t wpipe__outbox_covers(const struct wpipe__outbox *outbox)
{
    const struct wpipe__outbox_item *item = outbox->first;

    return item == NULL ? 0 : item->charge - (item->total - item->done);
}

/* May a message be begun whose end may have to be kept? One that goes in one
 * record is there whole or not at all, but at a foreign link, which may have to
 * keep it; and one that finds an empty ring twice
 * its size needs nothing kept. */
static int may_begin(struct wpipe__outbox *outbox, struct wpipe__link *link,
                     const struct wpipe__share *share, size_t size)
{
    if ((link->transport->flushed == NULL &&
         size <= link->transport->fragment(link, size)) ||
        wpipe__share_allows(share, charge_of(size)))
        return 1;
    if (outbox->first == NULL && size <= link->terms.ring_out / 2 &&
        link->transport->drained(link) == 1)
        return 1;
    outbox->wanting = charge_of(size);
    return 0;
}

/* The beginning is in the link and the rest cannot be kept. */
static int give_up(struct wpipe__link *link, const struct journey *j, int error)
{
    int r = 0;

    if (j->done > 0 && !j->bytewise)
        r = link->transport->mark(link, WPIPE__RECORD_ABORT);
    return r < 0 ? r : error;
}

int wpipe__outbox_send(struct wpipe__outbox *outbox, struct wpipe__link *link,
                       const struct wpipe__share *share,
                       const struct wpipe__outgoing *outgoing,
                       int want_writable)
{
    const wpipe_piece whole = { (void *)(uintptr_t)outgoing->data,
                                outgoing->size };
    struct journey j = {
        .pieces = outgoing->pieces == NULL ? &whole : outgoing->pieces,
        .count = outgoing->pieces == NULL ? 1 : outgoing->count,
        .total = outgoing->size,
        .kind = outgoing->kind,
        .request = outgoing->request,
        .quiet = outgoing->quiet,
        .bytewise = outbox->bytewise
    };
    int r;

    if (outbox->first == NULL && outgoing->kind == 0 && !outgoing->quiet &&
        outgoing->size > 0 && j.count == 1 &&
        link->transport->put_whole != NULL &&
        link->transport->put_whole(link, j.pieces->data, outgoing->size) == 1)
        return 1; /* the common case */
    if (!outbox->bytewise && outgoing->size > link->terms.max_out)
        return WPIPE_EMSGSIZE;
    if (outbox->bytewise && outgoing->size == 0)
        return 1;
    if (wpipe__link_carries(link, j.pieces, j.count) < 0)
        return WPIPE_EINVAL;
    if (!has_place(outbox, outgoing->size)) {
        outbox->wanting = 0; /* it is the limit now */
        if (want_writable)
            remember_refused(outbox, outgoing->size);
        return WPIPE_EAGAIN;
    }
    r = may_begin(outbox, link, share, outgoing->size) ? 0 : WPIPE_EAGAIN;
    if (r == 0 && outbox->first == NULL)
        r = put_all(&j, link);
    if (r == 0) {
        r = keep(outbox, share, &j);
        if (r < 0)
            r = give_up(link, &j, r);
    }
    if (r == WPIPE_EAGAIN && want_writable)
        remember_refused(outbox, outgoing->size);
    return r;
}

int wpipe__outbox_flush(struct wpipe__outbox *outbox, struct wpipe__link *link,
                        const struct wpipe__share *share)
{
    struct wpipe__outbox_item *item;
    wpipe_piece kept;
    struct journey j;
    int went = 0;
    int r;

    while ((item = outbox->first) != NULL) {
        kept.data = item->data;
        kept.size = item->total - item->skipped;
        j.pieces = &kept;
        j.count = 1;
        j.skipped = item->skipped;
        j.total = item->total;
        j.done = item->done;
        j.kind = item->kind;
        j.request = item->request;
        j.bytewise = outbox->bytewise;
        j.quiet = 0;
        r = put_all(&j, link);
        outbox->bytes -= j.done - item->done;
        item->done = j.done;
        if (r < 0)
            return r;
        if (r == 0)
            break;
        drop_first(outbox, share);
        went++;
    }
    return went;
}

void wpipe__outbox_done(struct wpipe__outbox *outbox,
                        const struct wpipe__share *share)
{
    while (outbox->first != NULL)
        drop_first(outbox, share);
    outbox->refused = 0;
    outbox->wanting = 0;
}
