/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments: the while before a sleep in which what is waited for is likely to
 * come. To be woken on another core takes longer than to connect, so a short
 * conversation would be made of sleeps; and on the same core it is the other
 * end that needs the core. Used where only a system call can tell what came:
 * the greeting, the first frames, a listener between two clients. What memory
 * can tell is waited for in wait.c and core/loop_rest.c.
 */
#ifndef WPIPE_TRANSPORT_MOMENT_H
#define WPIPE_TRANSPORT_MOMENT_H

#include <stdatomic.h>
#include <stdint.h>

/* Whether moments have been worth it at one place; all zero to begin with.
 * Guesses: threads may lose a count. */
struct wpipe__habit {
    _Atomic uint32_t vain; /* spins in a row that came to nothing */
};

/* One wait's moment; begin with { .habit, .pid, .spin_ns }. */
struct wpipe__moment {
    struct wpipe__habit *habit;
    int64_t pid;      /* for whom it waits; 0: for anybody */
    uint32_t spin_ns; /* as the option says; 0: do not even yield */
    uint64_t until;   /* not longer than this; 0: no matter */
    uint32_t looks;
    uint64_t end;
};

/*
 * Nothing was there. 1: a little time has passed, look again; 0: the moment is
 * over, sleep. Gives the core away first; then spins for spin_ns at the most,
 * unless there is one core alone, or that has not been worth it lately.
 */
int wpipe__moment_more(struct wpipe__moment *m);

/* What was waited for came, after no sleep. */
void wpipe__moment_paid(struct wpipe__moment *m);

/* Give the core away once, unless others have kept it long lately. */
void wpipe__moment_yield(void);

#endif
