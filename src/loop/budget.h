/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The budget: memory that the connections of a server share, and its limit.
 * The first half goes to whoever comes first. The second half is shared by the
 * users alike, and the share of each by its connections: so one that hoards
 * leaves room for the others, and a user with many connections for one with
 * few. Where other users may come one share is kept for the next of them, since
 * nobody takes back what others hold. Any thread, but for join and done.
 *
 * What was received and not read is counted beside that, since the peer decides
 * about it and it goes by itself once there is time: as much again at the most,
 * and a user who has his part of a quarter of it receives slowly.
 */
#ifndef WPIPE_LOOP_BUDGET_H
#define WPIPE_LOOP_BUDGET_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/base.h"

/* The connections of one user that one loop has to look at, and its turn among
 * those of other users. The loop's: under its lock. */
struct wpipe__user_turn {
    struct wpipe__list node; /* in loop.turns, while there are any */
    struct wpipe__list active;
    unsigned count; /* of them */
    unsigned burst; /* messages since it had its turn */
    uint8_t pad[64];
};

/* What the connections of one user hold. */
struct wpipe__account {
    struct wpipe__account *next;
    uint32_t uid;
    _Atomic uint32_t connections; /* 0: nobody's, to be used again */
    _Atomic uint64_t held;
    _Atomic uint64_t received; /* bytes that nobody has read; not of these */
    struct wpipe__user_turn turns[]; /* one for each loop */
};

/* All zero but for the limit is one that nobody uses. */
struct wpipe__budget {
    _Atomic uint64_t used;
    uint64_t limit;
    _Atomic uint64_t received;      /* unread: as much again, not of `used` */
    _Atomic uint64_t receive_share; /* of that, a user's; then he slows down */
    _Atomic uint32_t connections;   /* who share it */
    _Atomic uint32_t users;         /* whose these are */
    uint32_t loops;                 /* how many loops share it; 0 is 1 */
    int open; /* other users may come: a share is kept for the next one */
    struct wpipe__account *accounts;
    _Atomic uint32_t wanting; /* of those, waiting for memory */
    /* Some became free and somebody waits for it; may be NULL. Called with
     * whatever lock the giver holds: must not take one. */
    void (*freed)(struct wpipe__budget *budget);
};

/* Whose memory it is: what a connection holds, and of what. */
struct wpipe__share {
    struct wpipe__budget *budget;
    uint64_t *held;
    struct wpipe__account *account; /* NULL: it has not joined */
};

/* One more connection of this user: 0 and its account; WPIPE_ENOMEM. One thread
 * at a time, which owns the budget's object. */
int wpipe__budget_join(struct wpipe__budget *budget, uint32_t uid,
                       struct wpipe__account **ret);
/* One less, which holds nothing any more. */
void wpipe__budget_leave(struct wpipe__budget *budget,
                         struct wpipe__account *account);
/* A turn with no connections. */
void wpipe__user_turn_init(struct wpipe__user_turn *turn);
/* `n` bytes more were received and not read, or fewer. */
void wpipe__budget_received(struct wpipe__budget *budget,
                            struct wpipe__account *account, int64_t n);
/* More than the limit is received and not read: 1; 0. */
int wpipe__budget_is_flooded(const struct wpipe__budget *budget);
/* Has this user so much unread that each of his connections is to receive
 * little at a time: 1; 0. */
int wpipe__budget_is_behind(const struct wpipe__budget *budget,
                            const struct wpipe__account *account);
/* Does this user hold more than his share of the second half, if `n` bytes come
 * to it: 1; 0. */
int wpipe__budget_is_greedy(const struct wpipe__budget *budget,
                            const struct wpipe__account *account, uint64_t n);
/* Are `n` bytes more than there are, whoever asks: 1; 0. */
int wpipe__budget_lacks(const struct wpipe__budget *budget, uint64_t n);
/* Free the accounts: when the last one has left. */
void wpipe__budget_done(struct wpipe__budget *budget);

/* May it have `n` more bytes: 1; 0. */
int wpipe__share_allows(const struct wpipe__share *share, uint64_t n);
/* Take them: 0, or WPIPE_EAGAIN. */
int wpipe__share_take(const struct wpipe__share *share, uint64_t n);
/* They are there, allowed or not. */
void wpipe__share_charge(const struct wpipe__share *share, uint64_t n);
void wpipe__share_give(const struct wpipe__share *share, uint64_t n);

/* The same for what belongs to no connection: only the limit counts. */
int wpipe__budget_take(struct wpipe__budget *budget, uint64_t n);
void wpipe__budget_give(struct wpipe__budget *budget, uint64_t n);

#endif
