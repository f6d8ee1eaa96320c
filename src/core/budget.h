/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The budget: memory that the connections of a server share, and its limit.
 * The first half goes to whoever comes first. Of the second half each
 * connection may hold its share, so that one that hoards leaves room for the
 * others. Any thread.
 */
#ifndef WPIPE_CORE_BUDGET_H
#define WPIPE_CORE_BUDGET_H

#include <stdatomic.h>
#include <stdint.h>

/* All zero but for the limit is one that nobody uses. */
struct wpipe__budget {
    _Atomic uint64_t used;
    uint64_t limit;
    _Atomic uint32_t connections; /* who share it */
    _Atomic uint32_t wanting;     /* of those, waiting for memory */
    /* Some became free and somebody waits for it; may be NULL. Called with
     * whatever lock the giver holds: must not take one. */
    void (*freed)(struct wpipe__budget *budget);
};

/* Whose memory it is: what a connection holds, and of what. */
struct wpipe__share {
    struct wpipe__budget *budget;
    uint64_t *held;
};

/* One more connection, or one less. */
void wpipe__budget_join(struct wpipe__budget *budget);
void wpipe__budget_leave(struct wpipe__budget *budget);

/* May it have `n` more bytes: 1; 0. */
int wpipe__share_allows(const struct wpipe__share *share, uint64_t n);
/* Take them: 0, or WPIPE_EAGAIN. */
int wpipe__share_take(const struct wpipe__share *share, uint64_t n);
void wpipe__share_give(const struct wpipe__share *share, uint64_t n);

/* The same for what belongs to no connection: only the limit counts. */
int wpipe__budget_take(struct wpipe__budget *budget, uint64_t n);
void wpipe__budget_give(struct wpipe__budget *budget, uint64_t n);

#endif
