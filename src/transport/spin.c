/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spinning, yielding, and when to do neither: see spin.h.
 */
#include "transport/spin.h"

#include "base/base.h"
#include "os/os.h"

enum {
    LOOKS_PER_CLOCK = 16,
    /* A spin that saw so much time pass between two readings of the clock did
     * not have the core, and neither had a yield that took so long. */
    LOST_NS = 1000000,
    TAKEN_NS = 1500, /* a yield that took this long: another ran */
    YIELDS = 2,
    CROWD_YIELDS = 64,
    YIELDING_NS = 10000000,
    CROWD_WAITS = 100,

    VAIN_MOST = 16,      /* waits skipped after spins that came to nothing */
    LOST_LEAST = 64,     /* and after spins that cost others' time */
    LOST_MOST = 1 << 16,
    LOST_FACTOR = 8
};

static uint32_t load(_Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

/* It cost more than it can have been worth: stay out of it, longer each time. */
static int lost(struct wpipe__spin *s, struct wpipe__spin_record *record)
{
    uint32_t next = load(&record->next);

    next = next < LOST_LEAST ? LOST_LEAST : next * LOST_FACTOR;
    next = next < LOST_MOST ? next : LOST_MOST;
    store(&record->next, next);
    store(&record->skip, next);
    s->stage = WPIPE__SPIN_OVER;
    return 0;
}

/* It came to nothing. */
static int in_vain(struct wpipe__spin *s, struct wpipe__spin_record *record)
{
    uint32_t next = load(&record->next);

    if (next < VAIN_MOST)
        next = next == 0 ? 1 : next * 2;
    store(&record->next, next);
    store(&record->skip, next < VAIN_MOST ? next : VAIN_MOST);
    s->stage = WPIPE__SPIN_OVER;
    return 0;
}

void wpipe__spin_paid(struct wpipe__spin *s, struct wpipe__spin_record *record)
{
    uint32_t next = load(&record->next);

    if (s->stage != WPIPE__SPIN_NEW && next > 0)
        store(&record->next, next / 2);
}

static int begin(struct wpipe__spin *s, struct wpipe__spin_record *record,
                 uint32_t spin_ns, uint64_t deadline, unsigned how)
{
    uint32_t skip = load(&record->skip);
    uint32_t crowd = load(&record->crowd);

    if (skip > 0) {
        store(&record->skip, skip - 1);
        s->stage = WPIPE__SPIN_OVER;
        return 0;
    }
    s->last = wpipe__os_now();
    s->end = wpipe__min_u64(s->last + spin_ns, deadline);
    s->stage = WPIPE__SPIN_SPINS;
    s->yields = YIELDS;
    if (crowd > 0) {
        store(&record->crowd, crowd - 1);
        s->yields = CROWD_YIELDS;
        s->stage = WPIPE__SPIN_YIELDS;
    }
    if (how & WPIPE__SPIN_SAME_CORE)
        s->stage = WPIPE__SPIN_YIELDS;
    if (s->stage == WPIPE__SPIN_YIELDS)
        s->end = s->last + YIELDING_NS;
    return 1;
}

/* Give the core away once. */
static int yield(struct wpipe__spin *s, struct wpipe__spin_record *record)
{
    uint64_t before = s->last;

    if (s->yields == 0)
        return in_vain(s, record);
    s->yields--;
    wpipe__os_yield();
    s->last = wpipe__os_now();
    if (s->last - before > LOST_NS)
        return lost(s, record);
    if (s->last - before > TAKEN_NS && s->yields < CROWD_YIELDS / 2) {
        s->yields = CROWD_YIELDS;
        store(&record->crowd, CROWD_WAITS);
    }
    return s->last < s->end;
}

static int spin(struct wpipe__spin *s, struct wpipe__spin_record *record,
                unsigned how)
{
    uint64_t before = s->last;

    wpipe__os_pause();
    if ((how & WPIPE__SPIN_MEMORY) && ++s->looks % LOOKS_PER_CLOCK != 0)
        return 1;
    s->last = wpipe__os_now();
    if (s->last - before > LOST_NS)
        return lost(s, record);
    if (s->last < s->end)
        return 1;
    return in_vain(s, record);
}

int wpipe__spin_more(struct wpipe__spin *s, struct wpipe__spin_record *record,
                     uint32_t spin_ns, uint64_t deadline, unsigned how)
{
    if (spin_ns == 0 || s->stage == WPIPE__SPIN_OVER)
        return 0;
    if (s->stage == WPIPE__SPIN_NEW && !begin(s, record, spin_ns, deadline, how))
        return 0;
    if (s->stage == WPIPE__SPIN_SPINS)
        return spin(s, record, how);
    return yield(s, record);
}
