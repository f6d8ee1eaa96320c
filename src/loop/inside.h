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

/* Its socket is asked no more. */
void wpipe__loop_stop_polling(struct wpipe__loop *loop,
                              struct wpipe__conn *conn);

/* Count what it received and nobody has read, where others share memory. */
static inline void wpipe__loop_count_received(struct wpipe__loop *loop,
                                              struct wpipe__conn *conn)
{
    if (loop->owner->greatest != NULL && conn->link != NULL)
        wpipe__conn_count_received(conn, loop->shared_budget);
}

/* ---- turn.c: who is looked at next ---- */

/* The user whose turn it is, or NULL. */
struct wpipe__user_turn *wpipe__loop_turn(const struct wpipe__loop *loop);
/* It has been: the next one's turn. */
void wpipe__loop_pass_turn(struct wpipe__loop *loop,
                           struct wpipe__user_turn *turn);
/* One of a user's that is to be looked at, or NULL. */
struct wpipe__conn *wpipe__turn_first(const struct wpipe__user_turn *turn);
void wpipe__turn_add(struct wpipe__loop *loop, struct wpipe__conn *conn);
void wpipe__turn_remove(struct wpipe__loop *loop, struct wpipe__conn *conn);
/* Behind the others of its user. */
void wpipe__turn_to_the_back(struct wpipe__conn *conn);
/* All active ones: the first, with NULL, and the one behind `conn`; NULL. */
struct wpipe__conn *wpipe__loop_next_active(const struct wpipe__loop *loop,
                                            const struct wpipe__conn *conn);

/* ---- memory.c: when it is short ---- */

/* There are no `n` bytes more for this connection: end one, it or another. */
void wpipe__loop_make_room(struct wpipe__loop *loop, struct wpipe__conn *conn,
                           uint64_t n);

/* What is kept shrank. */
void wpipe__loop_moved(struct wpipe__loop *loop, struct wpipe__conn *conn);

#endif
