/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a foreign link, shared by src/foreign.
 */
#ifndef WPIPE_FOREIGN_FOREIGN_H
#define WPIPE_FOREIGN_FOREIGN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/framing.h"
#include "link/link.h"
#include "link/queue.h"

/* The longest record that put takes. */
#define WPIPE__FOREIGN_FRAGMENT (256u << 10)

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
void wpipe__foreign_break(struct wpipe__foreign *f, int error, const char *why);

/* ---- going out (write.c); link locked --------------------------- */

/* Hand `pending` to the kernel. 1 it is gone; 0 not all; < 0. */
int wpipe__foreign_flush(struct wpipe__foreign *f);
/* Nothing more will go: let the peer see that by an end inside a message. */
void wpipe__foreign_cut(struct wpipe__foreign *f);
/* Forget `pending`. */
void wpipe__foreign_drop(struct wpipe__foreign *f);
/* Room for one more record: 1; 0; < 0. */
int wpipe__foreign_room(struct wpipe__foreign *f);
/* As put of transport.h. */
int wpipe__foreign_put(struct wpipe__foreign *f,
                       const struct wpipe__parcel *parcel);

#endif
