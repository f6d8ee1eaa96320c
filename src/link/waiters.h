/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiters: where the threads that wait for one object sleep. One of them, the
 * leader, polls the system for all; the others, the followers, sleep on a word
 * of memory. Whatever may end somebody's wait is news: it moves the word on,
 * and whoever sleeps looks again. A link has waiters (wait.c), and so has the
 * loop of a server or client (loop/loop.c).
 *
 * The rule that loses no news: note `turn`, look, and sleep only while `turn`
 * is what was noted. docs/threads.md has the state machine.
 */
#ifndef WPIPE_LINK_WAITERS_H
#define WPIPE_LINK_WAITERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "os/os.h"

struct wpipe__waiters {
    _Atomic uint32_t turn;      /* news; followers sleep on it */
    _Atomic uint32_t following; /* how many do */
    _Atomic uint32_t wakes;     /* calls of wpipe__waiters_wake */
    _Atomic uint32_t told;      /* of those, up to which somebody was told */
    _Atomic uint32_t polling;   /* threads and event loops that the flag is to
                                   reach: the leader, while it sleeps */
    _Atomic uint32_t flagged;   /* the flag is set */
    _Atomic wpipe__handle flag; /* ends the leader's sleep */
};

/* Null, so that done takes it; the flag is opened when it is needed. */
void wpipe__waiters_init(struct wpipe__waiters *waiters);
void wpipe__waiters_done(struct wpipe__waiters *waiters);

/* Open the flag, if it is not. 0; < 0: there is none, and a sleep must be
 * short. */
int wpipe__waiters_need_flag(struct wpipe__waiters *waiters);

static inline uint32_t wpipe__waiters_turn(struct wpipe__waiters *waiters)
{
    /* pairs with the increment in wpipe__waiters_news: what was news then is
     * seen by a look after this */
    return atomic_load(&waiters->turn);
}

/* Something happened that may end a wait. Any thread, no lock needed; safe in
 * a signal handler. */
void wpipe__waiters_news(struct wpipe__waiters *waiters);

/* The leader sleeps from here on: 1; 0 not, there was news since `turn`. */
int wpipe__waiters_fall_asleep(struct wpipe__waiters *waiters, uint32_t turn);
/* It is awake. */
void wpipe__waiters_awake(struct wpipe__waiters *waiters);
/* Its poll told of the flag: clear it, and look. */
void wpipe__waiters_clear(struct wpipe__waiters *waiters);
/* A foreign event loop polls the flag from now on. */
void wpipe__waiters_watch(struct wpipe__waiters *waiters);

/* The two halves of news: to the followers, and to who polls. */
void wpipe__waiters_tell(struct wpipe__waiters *waiters);
void wpipe__waiters_ring(struct wpipe__waiters *waiters);

/* As a follower: sleep until there is news since `turn`. No lock held. 0,
 * WPIPE_ETIMEDOUT, WPIPE_EWOKEN (a signal handler ran). */
int wpipe__waiters_follow(struct wpipe__waiters *waiters, uint32_t turn,
                          uint64_t deadline);

/* ---- wakes: the caller's own way to end waits --------------------------- */

/* End the waits that have begun; if there are none, the next one. Safe in a
 * signal handler. */
void wpipe__waiters_wake(struct wpipe__waiters *waiters);
/* What a wait notes at its very beginning. */
uint32_t wpipe__waiters_wakes(struct wpipe__waiters *waiters);
/* 1 when a wake came since: the wait is to end. */
int wpipe__waiters_woken(struct wpipe__waiters *waiters, uint32_t noted);
/* 1 when there was a wake that no wait was told of yet. */
int wpipe__waiters_owes_wake(struct wpipe__waiters *waiters);

#endif
