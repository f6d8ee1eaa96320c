/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox: messages on their way into one link. What finds room goes at
 * once; what does not is copied and kept in order, up to a limit, until the
 * peer has read on. Used by loop/conn.c for servers and clients. A writer in
 * the sense of link.h: one thread at a time.
 */
#ifndef WPIPE_LOOP_OUTBOX_H
#define WPIPE_LOOP_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "link/link.h"
#include "loop/inbox.h"

/* A message to send; the bytes are the caller's. */
struct wpipe__outgoing {
    const void *data;          /* unless there are pieces */
    const wpipe_piece *pieces; /* or NULL */
    int count;
    size_t size;      /* of all of it */
    uint32_t kind;    /* 0, WPIPE__RECORD_REQUEST or WPIPE__RECORD_REPLY */
    uint64_t request; /* with the latter two */
    int quiet;        /* as in struct wpipe__parcel */
};

struct wpipe__outbox_item;

/* All zero is an empty outbox. */
struct wpipe__outbox {
    struct wpipe__outbox_item *first;
    struct wpipe__outbox_item *last;
    uint64_t charge;      /* what the items count against the limit */
    uint64_t bytes;       /* payload that is not in the link yet */
    uint64_t limit;       /* set by the owner */
    uint64_t writable_at; /* after EAGAIN: worth to try again at this charge */
    uint64_t wanting;     /* what the budget did not give last; 0 it did */
    uint32_t count;       /* items */
    uint8_t refused;      /* EAGAIN was said, WRITABLE is due */
    uint8_t bytewise;     /* set by the owner: a byte pipe, no boundaries */
};

/* The least that a message counts against the limit. */
#define WPIPE__OUTBOX_LEAST 64u

/*
 * Send, or keep what finds no room. A message larger than the limit is kept
 * only when nothing else is: so one that is allowed at all can be sent.
 *
 * Returns 1 all of it is in the link; 0 some of it is kept. Errors:
 * WPIPE_EAGAIN (the limit, or the budget: then `wanting` says how much;
 * with `want_writable` the outbox remembers it for wpipe__outbox_writable;
 * nothing will arrive), WPIPE_EMSGSIZE (over terms.max_out), WPIPE_ENOMEM
 * (nothing will arrive), and those of put.
 */
int wpipe__outbox_send(struct wpipe__outbox *outbox, struct wpipe__link *link,
                       const struct wpipe__share *share,
                       const struct wpipe__outgoing *outgoing,
                       int want_writable);

/* Move what is kept into the link. Returns how many messages went wholly, or
 * what put said (< 0). */
int wpipe__outbox_flush(struct wpipe__outbox *outbox, struct wpipe__link *link,
                        const struct wpipe__share *share);

/* 1, once after an EAGAIN, when there is room for what was refused, the budget
 * is not waited for, and the outbox is no more than half full. */
int wpipe__outbox_writable(struct wpipe__outbox *outbox);

/* Bytes of the first message that are in the link already: the peer has the
 * beginning of a message that it cannot read to its end. */
uint64_t wpipe__outbox_begun(const struct wpipe__outbox *outbox);

/* What the first message counts beyond those of its bytes that are kept: for
 * what went into the link since. */
uint64_t wpipe__outbox_covers(const struct wpipe__outbox *outbox);

static inline int wpipe__outbox_empty(const struct wpipe__outbox *outbox)
{
    return outbox->first == NULL;
}

/* Throw away what is kept. */
void wpipe__outbox_done(struct wpipe__outbox *outbox,
                        const struct wpipe__share *share);

#endif
