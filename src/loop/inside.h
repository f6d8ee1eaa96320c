/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of src/loop share and nobody else needs. All locked, as in
 * loop.h.
 */
#ifndef WPIPE_LOOP_INSIDE_H
#define WPIPE_LOOP_INSIDE_H

#include "loop/loop.h"

/* Grows when something was taken off the socket: by whoever needed to know how
 * far the peer has read, and then the poller does not tell of it. */
static inline uint32_t wpipe__loop_turn_of(struct wpipe__link *link)
{
    return atomic_load_explicit(&link->waiting.waiters.turn,
                                memory_order_relaxed);
}

/* Native ones always wait for the same, and tell their peer. Of the others only
 * the poller tells. */
static inline int wpipe__loop_is_foreign(const struct wpipe__link *link)
{
    return link->transport->flushed != NULL;
}

/* Ask the poller for what a foreign link waits for now, and count what it
 * keeps. */
void wpipe__loop_watch(struct wpipe__loop *loop, struct wpipe__conn *conn);

/* It waits for the budget no more; or need not be seen off any more. */
void wpipe__loop_not_aside(struct wpipe__loop *loop, struct wpipe__conn *conn);

/* What is kept shrank. */
void wpipe__loop_moved(struct wpipe__loop *loop, struct wpipe__conn *conn);

#endif
