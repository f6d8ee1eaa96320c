/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The budget: memory that the connections of a server share, and its limit.
 * The first half goes to whoever comes first. The second half is shared by the
 * users alike, and the share of each by its connections: so one that hoards
 * leaves room for the others, and a user with many connections for one with
 * few. Where other users may come one share is kept for the next of them, since
 * nobody takes back what others hold. Any thread, but for join and done.
 */
#ifndef WPIPE_LOOP_BUDGET_H
#define WPIPE_LOOP_BUDGET_H

#include <stdatomic.h>
#include <stdint.h>

/* What the connections of one user hold. */
struct wpipe__account {
    struct wpipe__account *next;
    uint32_t uid;
    _Atomic uint32_t connections; /* 0: nobody's, to be used again */
    _Atomic uint64_t held;
};

/* All zero but for the limit is one that nobody uses. */
struct wpipe__budget {
    _Atomic uint64_t used;
    uint64_t limit;
    _Atomic uint32_t connections; /* who share it */
    _Atomic uint32_t users;       /* whose these are */
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
