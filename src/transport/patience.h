/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a wait spins, yields, or moves to another core: what wait.c, for one
 * link, and core/loop_rest.c, for many, judge by. decisions/0012 has the
 * reasons.
 */
#ifndef WPIPE_TRANSPORT_PATIENCE_H
#define WPIPE_TRANSPORT_PATIENCE_H

enum {
    WPIPE__LOOKS_PER_CLOCK = 16, /* looks between two readings of the clock */
    WPIPE__YIELDS = 2,
    /* Where many wait on few cores, spinning only keeps others from what would
     * end it; there a look each turn finds more at a time than a sleep for
     * each message. */
    WPIPE__CROWD_YIELDS = 64,
    WPIPE__WAITS_IN_CROWD = 100,
    WPIPE__WAITS_WITHOUT_YIELD = 100,

    WPIPE__TAKEN_NS = 1500,  /* a yield that took this long: another ran */
    WPIPE__CROWD_NS = 10000, /* this long: many did */
    WPIPE__LONG_YIELD_NS = 1000000, /* and this long: one who keeps it */
    /* All yields of a wait together: what only the socket tells, such as a
     * death, is not seen meanwhile. */
    WPIPE__YIELDING_NS = 10000000,
    /* Of spinning, before it asks whether others want the core. */
    WPIPE__SPIN_UNASKED_NS = 20000,
    WPIPE__LEAVE_AGAIN_NS = 1000000 /* between two moves to another core */
};

#endif
