/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a foreign link, shared by src/foreign.
 */
#ifndef WPIPE_FOREIGN_FOREIGN_H
#define WPIPE_FOREIGN_FOREIGN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <windpipe/error.h>

#include "base/buffer.h"
#include "base/decoder.h"
#include "link/link.h"
#include "link/queue.h"

struct wpipe__foreign {
    struct wpipe__link link;
    int kind; /* WPIPE__KIND_* */
    int framing;
    size_t limit; /* stop receiving when so much is unread */
    struct wpipe__decoder decoder;
    const char *why;
    _Atomic int over;  /* WPIPE_E* */
    _Atomic int ended; /* nothing more comes: EOF was received */
    int dry;           /* the last receive took all, and no poller said since
                         that there is more */
    int told;          /* a poller said so again before that */
    int began;         /* a message was begun with no byte of it yet */
    uint64_t began_total;
    struct wpipe__queue queue;
    _Atomic size_t unread; /* bytes in the queue */

    int in_message; /* we have put a part of one */
    int finish;     /* FIN: shut down once `pending` is gone */
    int left;
    int reset;        /* the peer closed with something of ours unread */
    int unbegun;      /* nothing of the message in `pending` is out yet */
    size_t last_size; /* payload of the last put, and framing behind it */
    size_t last_after;
    _Atomic int asks; /* somebody waits to be read: look now and then */
    uint8_t *scratch;
    struct wpipe__buffer pending;
    _Atomic size_t kept; /* bytes in it */
};

static inline struct wpipe__foreign *wpipe__foreign(struct wpipe__link *link)
{
    return (struct wpipe__foreign *)(void *)link;
}

/* Bytes that put took and the kernel has not. Any thread. */
static inline size_t wpipe__foreign_kept(struct wpipe__foreign *f)
{
    return atomic_load_explicit(&f->kept, memory_order_relaxed);
}

/* It ends here, for `error`, or for what `why` says. Link locked. */
static inline void wpipe__foreign_break(struct wpipe__foreign *f, int error,
                                        const char *why)
{
    if (atomic_load(&f->over))
        return;
    atomic_store(&f->over, error);
    if (why != NULL)
        f->why = why;
    wpipe__link_notify(&f->link);
}

/* One who does not read any more may still write. */
static inline int wpipe__foreign_may_receive(struct wpipe__foreign *f)
{
    int over = atomic_load(&f->over);

    return over == 0 || over == WPIPE_EPIPE;
}

/* ---- coming in (read.c) -------------------------------------------------- */

/* Is there something to be told of that may come? */
int wpipe__foreign_listens(struct wpipe__foreign *f);
/* Something may be there, or a poller told so: 1 something came; 0; < 0
 * broken. Link locked. */
int wpipe__foreign_hear(struct wpipe__foreign *f);

/* As the members of the table; peek is look. */
int wpipe__foreign_peek(struct wpipe__link *link, struct wpipe__record *ret);
int wpipe__foreign_scan(struct wpipe__link *link, struct wpipe__cursor *cursor,
                        struct wpipe__record *ret);
int64_t wpipe__foreign_fetch(struct wpipe__link *link, void *to, size_t size);
void wpipe__foreign_take(struct wpipe__link *link,
                         const struct wpipe__record *record, uint32_t bytes,
                         int whole);

/* ---- going out (write.c) ------------------------------------------------- */

/* Hand `pending` to the kernel. 1 it is gone; 0 not all; < 0. Link locked. */
int wpipe__foreign_flush(struct wpipe__foreign *f);
/* Nothing more will go: let the peer see that by an end inside a message. Link
 * locked. */
void wpipe__foreign_cut(struct wpipe__foreign *f);

/* As the members of the table. */
int wpipe__foreign_carries(struct wpipe__link *link, const wpipe_piece *pieces,
                           int count);
int wpipe__foreign_room(struct wpipe__link *link,
                        const struct wpipe__record *record);
int wpipe__foreign_put(struct wpipe__link *link,
                       const struct wpipe__parcel *parcel);
int wpipe__foreign_reserve(struct wpipe__link *link,
                           const struct wpipe__record *record,
                           uint8_t **ret_data);
uint32_t wpipe__foreign_cancel(struct wpipe__link *link);
int wpipe__foreign_commit(struct wpipe__link *link,
                          const struct wpipe__record *record);
int wpipe__foreign_mark(struct wpipe__link *link, uint32_t flag);
uint32_t wpipe__foreign_fragment(struct wpipe__link *link, size_t left);
uint32_t wpipe__foreign_most(struct wpipe__link *link);
int wpipe__foreign_flushed(struct wpipe__link *link);
int wpipe__foreign_drained(struct wpipe__link *link);
uint64_t wpipe__foreign_unread(struct wpipe__link *link);
uint64_t wpipe__foreign_lost(struct wpipe__link *link);

#endif
