/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A room: where the threads that wait for one object sleep. One of them, the
 * leader, polls the system for all; the others, the followers, sleep on a word
 * of memory. Whatever may end somebody's wait is news: it moves the word on,
 * and whoever sleeps looks again. A link has a room (wait.c), and so has the
 * loop of a server or client (loop/loop.c).
 *
 * The rule that loses no news: note `turn`, look, and sleep only while `turn`
 * is what was noted. docs/threads.md has the state machine.
 */
#ifndef WPIPE_LINK_ROOM_H
#define WPIPE_LINK_ROOM_H

#include <stdatomic.h>
#include <stdint.h>

#include "os/os.h"

struct wpipe__room {
    _Atomic uint32_t turn;      /* news; followers sleep on it */
    _Atomic uint32_t following; /* how many do */
    _Atomic uint32_t wakes;     /* calls of wpipe__room_wake */
    _Atomic uint32_t told;      /* of those, up to which somebody was told */
    _Atomic uint32_t polling;   /* threads and event loops that the flag is to
                                   reach: the leader, while it sleeps */
    _Atomic uint32_t flagged;   /* the flag is set */
    _Atomic wpipe__handle flag; /* ends the leader's sleep */
};

/* Null, so that done takes it; the flag is opened when it is needed. */
void wpipe__room_init(struct wpipe__room *room);
void wpipe__room_done(struct wpipe__room *room);

/* Open the flag, if it is not. 0; < 0: there is none, and a sleep must be
 * short. */
int wpipe__room_need_flag(struct wpipe__room *room);

static inline uint32_t wpipe__room_turn(struct wpipe__room *room)
{
    /* pairs with the increment in wpipe__room_news: what was news then is seen
     * by a look after this */
    return atomic_load(&room->turn);
}

/* Something happened that may end a wait. Any thread, no lock needed; safe in
 * a signal handler. */
void wpipe__room_news(struct wpipe__room *room);

/* The leader sleeps from here on: 1; 0 not, there was news since `turn`. */
int wpipe__room_fall_asleep(struct wpipe__room *room, uint32_t turn);
/* It is awake. */
void wpipe__room_awake(struct wpipe__room *room);
/* Its poll told of the flag: clear it, and look. */
void wpipe__room_clear(struct wpipe__room *room);
/* A foreign event loop polls the flag from now on. */
void wpipe__room_watch(struct wpipe__room *room);

/* The two halves of news: to the followers, and to who polls. */
void wpipe__room_tell(struct wpipe__room *room);
void wpipe__room_ring(struct wpipe__room *room);

/* As a follower: sleep until there is news since `turn`. No lock held. 0,
 * WPIPE_ETIMEDOUT, WPIPE_EWOKEN (a signal handler ran). */
int wpipe__room_follow(struct wpipe__room *room, uint32_t turn,
                       uint64_t deadline);

/* ---- wakes: the caller's own way to end waits --------------------------- */

/* End the waits that have begun; if there are none, the next one. Safe in a
 * signal handler. */
void wpipe__room_wake(struct wpipe__room *room);
/* What a wait notes at its very beginning. */
uint32_t wpipe__room_wakes(struct wpipe__room *room);
/* 1 when a wake came since: the wait is to end. */
int wpipe__room_woken(struct wpipe__room *room, uint32_t noted);
/* 1 when there was a wake that no wait was told of yet. */
int wpipe__room_owes_wake(struct wpipe__room *room);

#endif
