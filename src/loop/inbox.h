/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inbox: whole messages out of the records of one link. A message that
 * comes in one record is copied straight to where it is handed out; one that
 * comes in fragments is gathered in memory that grows with the bytes that
 * came, never with the bytes that were announced.
 *
 * Used by loop/conn.c for servers and clients. A reader in the sense of
 * link.h: one thread at a time.
 */
#ifndef WPIPE_LOOP_INBOX_H
#define WPIPE_LOOP_INBOX_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/sequence.h"
#include "link/link.h"
#include "loop/budget.h"

/* One whole message, in memory of its own. All zero is an empty one. */
struct wpipe__received {
    struct wpipe__buffer body;
    uint32_t kind;    /* 0, WPIPE__RECORD_REQUEST or WPIPE__RECORD_REPLY */
    uint64_t request; /* with the latter two */
};

/* Its bytes; never NULL. */
const void *wpipe__received_data(const struct wpipe__received *received);
size_t wpipe__received_size(const struct wpipe__received *received);
/* Free what it holds. */
void wpipe__received_done(struct wpipe__received *received);

/* All zero is an empty inbox. */
struct wpipe__inbox {
    struct wpipe__buffer parts; /* of the message that is not whole yet */
    struct wpipe__sequence order;
    uint64_t request; /* of the message begun */
    uint32_t kind;
    uint32_t wanting; /* what the budget did not give last */
    uint8_t eighths;  /* the owner's: how long it waits for the rest */
    uint8_t bytes;    /* set by the owner: no messages, every record is one */
};

/*
 * The next whole message, in *received, whose former content goes.
 *
 * Returns 1; 0 none now; 2 none yet, but there is more to look at (other links
 * may have their turn); < 0 the end of the link as link.h tells it, or
 * WPIPE_EMSGSIZE (over terms.max_in), WPIPE_EPROTO (records in an order that
 * no sender makes), WPIPE_ENOMEM (the heap), WPIPE_EAGAIN (the budget; nothing
 * was taken). After an end the
 * inbox is only good for wpipe__inbox_done.
 */
int wpipe__inbox_next(struct wpipe__inbox *inbox, struct wpipe__link *link,
                      const struct wpipe__share *share,
                      struct wpipe__received *received);

/* Forget a message that is not whole. */
void wpipe__inbox_done(struct wpipe__inbox *inbox,
                       const struct wpipe__share *share);

#endif
