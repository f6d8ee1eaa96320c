/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether to ring early: in a conversation of two ends that sleep, each on a
 * core of its own, who is woken can wake the other before it answers, so that
 * its core comes out of its sleep meanwhile. That pays when the answer is
 * there before the other end has looked, and is learnt from just that. For
 * native_bell.c, which knows when there is anything to ring for;
 * decisions/0013 has the reasons.
 */
#ifndef WPIPE_TRANSPORT_EARLY_H
#define WPIPE_TRANSPORT_EARLY_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    WPIPE__EARLY_TALK = 4,   /* sleeps of a conversation before it is tried */
    WPIPE__EARLY_LEAST = 16, /* wakes that do not try it, after a vain one */
    WPIPE__EARLY_MOST = 1024
};

/* One link's; all zero to begin with. Guesses: threads may lose a count. */
struct wpipe__early {
    _Atomic uint32_t talk; /* sleeps in a row of a conversation */
    _Atomic uint32_t out;  /* wakes to leave out */
    _Atomic uint32_t next; /* how many a vain one leaves out; 0: the least */
    _Atomic int pending;   /* rung early, and not judged yet */
    _Atomic uint64_t head; /* our indices at the last sleep that counted */
    _Atomic uint64_t tail;
};

/* We are to sleep for data, and stand there with what we have written and
 * read. A sleep counts when something was read since the last one. */
void wpipe__early_sleep(struct wpipe__early *e, uint64_t head, uint64_t tail);

/* Is this a conversation? */
static inline int wpipe__early_talks(const struct wpipe__early *e)
{
    return atomic_load_explicit(&e->talk, memory_order_relaxed) >=
           WPIPE__EARLY_TALK;
}

/* A pause in the conversation: it has to begin again. */
void wpipe__early_pause(struct wpipe__early *e);

/* We are awake, there is something to read, and the other end sleeps: 1 ring
 * it now; 0 that has been in vain lately. */
int wpipe__early_due(struct wpipe__early *e);

/* It was rung. */
void wpipe__early_rung(struct wpipe__early *e);

/* Something was written for one who sleeps: `again`, it has been awake in
 * between and sleeps anew. */
void wpipe__early_judge(struct wpipe__early *e, int again);

#endif
