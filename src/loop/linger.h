/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lingering: what close and shutdown of servers and clients do before the end.
 * Nothing is accepted any more; what was is handed over while peers go on
 * reading. Called with no lock held, by a thread that may block.
 */
#ifndef WPIPE_LOOP_LINGER_H
#define WPIPE_LOOP_LINGER_H

#include "loop/end.h"

/* One of the loops, and how its connections are met: next(user, &cursor),
 * from cursor 0, NULL at the end; locked. */
struct wpipe__linger {
    struct wpipe__loop *loop;
    struct wpipe__conn *(*next)(void *user, size_t *cursor);
    void *user;
    int waiting; /* set inside: it has some that are not so far */
};

/*
 * Wait until every connection of these loops is `until` there or never will
 * be; then end them all. What they lost is added to *lost. 0; WPIPE_ETIMEDOUT.
 */
int wpipe__linger(struct wpipe__linger *loops, unsigned count, int timeout_ms,
                  enum wpipe__until until, wpipe_lost *lost);

#endif
