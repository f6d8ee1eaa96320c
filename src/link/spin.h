/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Staying awake: the while before a sleep in which what is waited for may
 * come. A wait spins for options.spin_us, if that has paid lately at this
 * place, and then sleeps. When others turn out to have the core, for longer
 * than staying awake has saved, it sleeps at once, and a growing number of
 * waits do so from the start. The core is given away (sched_yield) where the
 * other end has no other, and now and then to ask who wants it; a yield that
 * comes back late counts as the core lost. The affinity of a thread is never
 * changed. decisions/0015 has the reasons.
 */
#ifndef WPIPE_LINK_SPIN_H
#define WPIPE_LINK_SPIN_H

#include <stdatomic.h>
#include <stdint.h>

/* What staying awake has been worth at one place: a link, a loop, a listener.
 * All zero to begin with. Guesses: two threads may lose a count. */
struct wpipe__spin_record {
    _Atomic uint32_t skip;    /* waits to go that sleep at once */
    _Atomic uint32_t next;    /* how many the next failure skips */
    _Atomic uint32_t waits;   /* since it last asked who wants the core */
    _Atomic uint32_t crowded; /* others did, and came back soon: they wait
                                 awake as we do */
    _Atomic uint32_t earned;  /* waits that were over awake, and not yet lost */
};

/* A new one, where that was all zero. */
void wpipe__spin_record_init(struct wpipe__spin_record *record);

/* How one look is made, and where the other end is. */
enum {
    WPIPE__SPIN_MEMORY = 1,    /* a look is a load; else it is a system call */
    WPIPE__SPIN_SAME_CORE = 2, /* the other end needs our core: yield */
    WPIPE__SPIN_MANY = 4       /* several other ends wait for us */
};

/* spin.stage */
enum {
    WPIPE__SPIN_NEW = 0,
    WPIPE__SPIN_SPINS = 1,
    WPIPE__SPIN_YIELDS = 2,
    WPIPE__SPIN_OVER = 3
};

/* One wait's; begin with all zero. */
struct wpipe__spin {
    uint64_t end;  /* of the spinning, or of the yielding */
    uint64_t last; /* clock at the last reading */
    uint64_t ask;  /* when to ask whether others want the core */
    uint32_t looks;
    uint8_t stage;
    uint8_t yields;  /* left */
    uint8_t crowded; /* and they are many, for a crowd; given once */
    uint8_t shares;  /* it begins with asking */
};

/* Nothing was there. 1: a little time has passed, look again; 0: sleep. */
int wpipe__spin_more(struct wpipe__spin *s, struct wpipe__spin_record *record,
                     uint32_t spin_ns, uint64_t deadline, unsigned how);

static inline int wpipe__spin_is_new(const struct wpipe__spin *s)
{
    return s->stage == WPIPE__SPIN_NEW;
}

static inline int wpipe__spin_is_over(const struct wpipe__spin *s)
{
    return s->stage == WPIPE__SPIN_OVER;
}

/* What was waited for came, after no sleep. */
void wpipe__spin_paid(struct wpipe__spin *s, struct wpipe__spin_record *record);

/* For one who has had no reason to wait for long: let others have the core, if
 * they want it and that has not cost too much lately. */
void wpipe__spin_share(struct wpipe__spin_record *record);

#endif
