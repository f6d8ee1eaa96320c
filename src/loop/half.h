/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Half messages have a time: a peer that begins a message and does not finish
 * it within options.message_ms loses its connection, and we its beginning.
 *
 * Time counts in eighths, by a timer that runs only while a message is half.
 * An eighth at whose end something of the peer's lies unread is not the
 * peer's: the program was busy, not the peer. So is all but one of those in
 * which nobody was inside the library. All locked, as in loop/loop.h.
 */
#ifndef WPIPE_LOOP_HALF_H
#define WPIPE_LOOP_HALF_H

#include "base/ring.h"
#include "loop/loop.h"

/* Its message is half, and nothing more is there now: from here on its time
 * counts. */
void wpipe__loop_half(struct wpipe__loop *loop, struct wpipe__conn *conn);

/* It ends, and with it the time of its message. */
static inline void wpipe__loop_not_half(struct wpipe__loop *loop,
                                        struct wpipe__conn *conn)
{
    wpipe__list_remove(&conn->half);
    if (wpipe__list_empty(&loop->halves))
        loop->half_at = UINT64_MAX;
}

/* The owner's timer: loop.half_at is over, maybe. */
void wpipe__loop_half_turn(struct wpipe__loop *loop);

#endif
