/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusals that are still to be told, counted by what they have in common: a
 * storm of them is one event with a count. The first of a kind is told at
 * once, and what follows within a quarter of a second is told together. Pure;
 * the caller locks and has the clock.
 */
#ifndef WPIPE_CONNECT_REFUSALS_H
#define WPIPE_CONNECT_REFUSALS_H

#include <stdint.h>

#include "connect/acceptor.h"

/* Kinds told apart; of more, some are only in the facts. */
#define WPIPE__REFUSAL_KINDS 24u

/* All zero has none. */
struct wpipe__refusals {
    struct {
        struct wpipe__refusal why;
        uint64_t count; /* to be told */
        uint64_t due;   /* and not before */
    } kinds[WPIPE__REFUSAL_KINDS];
    unsigned used;
    uint64_t waiting; /* the sum of the counts */
};

/* One more. 1 when it is to be told at once. */
int wpipe__refusals_add(struct wpipe__refusals *r,
                        const struct wpipe__refusal *why, uint64_t now);
/* The next to be told, and how many: 1; 0 none is due. `now` is UINT64_MAX for
 * all that there are. */
int wpipe__refusals_next(struct wpipe__refusals *r, uint64_t now,
                         struct wpipe__refusal *ret_why, uint64_t *ret_count);
/* When next has one; never: UINT64_MAX. */
uint64_t wpipe__refusals_due(const struct wpipe__refusals *r);

#endif
