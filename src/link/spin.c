/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spinning, yielding, and when to do neither: see spin.h. The numbers were
 * measured with windpipe-bench, alone and beside busy loops (decisions/0015).
 */
#include "link/spin.h"

#include "base/base.h"
#include "os/os.h"

enum {
    LOOKS_PER_CLOCK = 16,
    /* Others had the core for so long: a spin or yield has cost more than a
     * sleep would have. */
    LOST_NS = 1000000,
    TAKEN_NS = 1500, /* a yield that took this long: another ran */

    /* Of spinning, before it asks who wants the core; the same where others
     * wait awake, too; and of one for whom many wait. */
    ASK_NS = 20000,
    CROWD_ASK_NS = 2000,
    MANY_ASK_NS = 8000,
    /* Waits that end at once, before it asks: the same three. */
    ASK_WAITS = 512,
    CROWD_WAITS = 16,
    MANY_WAITS = 32,

    YIELDS = 2,
    CROWD_YIELDS = 64,
    YIELDING_NS = 10000000, /* all yields of one wait: what only the socket
                               tells, such as a death, is not seen meanwhile */

    VAIN_MOST = 16,         /* waits skipped after awaking to no purpose */
    LOST_NS_A_WAIT = 16000, /* and one for so much time lost */
    LOST_MOST = 1 << 16,
    LOST_FACTOR = 4,  /* times what was skipped for the last loss */
    EARNED_NS = 8000, /* a wait that is over awake saves so much */
    EARNED_MOST = 8192
};

/* Waits skipped for the last loss in this process, halved since by each wait
 * that paid: a new link need not find out anew that others want the core. */
static _Atomic uint32_t lately;

static uint32_t load(_Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed);
}

void wpipe__spin_record_init(struct wpipe__spin_record *record)
{
    store(&record->skip, load(&lately));
}

/* ---- what it was worth -------------------------------------------------- */

static void earn(struct wpipe__spin_record *record, uint32_t waits)
{
    uint32_t earned = load(&record->earned) + waits;

    store(&record->earned, earned < EARNED_MOST ? earned : EARNED_MOST);
}

/* Was as much saved before as is lost now? Where many wait awake on one core
 * now and then one loses it for a turn; if that one slept, it would be one of
 * those who take the core from the others, until all sleep. */
static int was_earned(struct wpipe__spin_record *record, uint64_t ns)
{
    uint64_t waits = ns / EARNED_NS;
    uint32_t earned = load(&record->earned);

    store(&record->earned, waits < earned ? earned - (uint32_t)waits : 0);
    return waits < earned;
}

/* Others had the core for `ns`. 1: go on all the same; 0: sleep, and skip as
 * many waits as make up for that, and more each time. */
static int lost(struct wpipe__spin *s, struct wpipe__spin_record *record,
                uint64_t ns)
{
    uint64_t skip = wpipe__max_u64(ns / LOST_NS_A_WAIT,
                                   (uint64_t)load(&record->next) * LOST_FACTOR);

    if (was_earned(record, ns))
        return 1;
    skip = wpipe__min_u64(skip, LOST_MOST);
    store(&record->next, (uint32_t)skip);
    store(&lately, (uint32_t)skip);
    store(&record->skip, (uint32_t)skip);
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
    uint32_t others = load(&lately);

    if (s->stage != WPIPE__SPIN_SPINS && s->stage != WPIPE__SPIN_YIELDS)
        return;
    earn(record, 1);
    if (next > 0)
        store(&record->next, next / 2);
    if (others > 0)
        store(&lately, others / 2);
}

/* ---- giving the core away ----------------------------------------------- */

static void begin_yielding(struct wpipe__spin *s, int crowded)
{
    s->stage = WPIPE__SPIN_YIELDS;
    s->crowded = (uint8_t)crowded;
    s->yields = crowded ? CROWD_YIELDS : YIELDS;
    s->end = s->last + YIELDING_NS;
}

/* Once, and judge by how long others had it: 1 go on; 0 sleep. */
static int yield(struct wpipe__spin *s, struct wpipe__spin_record *record)
{
    uint64_t before = s->last;
    uint64_t taken;

    wpipe__os_yield();
    s->last = wpipe__os_now();
    taken = s->last - before;
    if (taken > LOST_NS)
        return lost(s, record, taken);
    store(&record->crowded, taken > TAKEN_NS);
    if (taken > TAKEN_NS && !s->crowded)
        begin_yielding(s, 1); /* those wait awake, too: a look each turn */
    return 1;
}

static int yields(struct wpipe__spin *s, struct wpipe__spin_record *record)
{
    if (s->yields == 0 || s->last >= s->end)
        return in_vain(s, record);
    s->yields--;
    return yield(s, record);
}

void wpipe__spin_share(struct wpipe__spin_record *record)
{
    uint32_t skip = load(&record->skip);
    struct wpipe__spin s = { .stage = WPIPE__SPIN_SPINS };

    if (skip > 0) {
        store(&record->skip, skip - 1);
        return;
    }
    s.last = wpipe__os_now();
    (void)yield(&s, record);
}

/* ---- spinning ----------------------------------------------------------- */

static int spins(struct wpipe__spin *s, struct wpipe__spin_record *record,
                 unsigned how)
{
    uint64_t before = s->last;

    wpipe__os_pause();
    if ((how & WPIPE__SPIN_MEMORY) && ++s->looks % LOOKS_PER_CLOCK != 0)
        return 1;
    s->last = wpipe__os_now();
    if (s->last - before > LOST_NS)
        return lost(s, record, s->last - before);
    if (s->last >= s->end)
        return in_vain(s, record);
    if (s->last < s->ask)
        return 1;
    s->ask = s->last + ASK_NS;
    return yield(s, record);
}

/* How long to spin before it asks. */
static uint32_t ask_after(struct wpipe__spin_record *record, unsigned how)
{
    if (!load(&record->crowded))
        return ASK_NS;
    return how & WPIPE__SPIN_MANY ? MANY_ASK_NS : CROWD_ASK_NS;
}

/* Is it time to ask whether others want the core, though waits are short? Who
 * never waits for long would keep it for a whole turn of the scheduler. */
static int is_to_share(struct wpipe__spin_record *record, unsigned how)
{
    uint32_t waits = load(&record->waits) + 1;
    uint32_t most = ASK_WAITS;

    if (load(&record->crowded))
        most = how & WPIPE__SPIN_MANY ? MANY_WAITS : CROWD_WAITS;
    if (waits < most) {
        store(&record->waits, waits);
        return 0;
    }
    store(&record->waits, 0);
    earn(record, waits);
    return 1;
}

/* The first looks cost less than to read the clock. */
static int look_briefly(struct wpipe__spin *s)
{
    s->looks++;
    wpipe__os_pause();
    return 1;
}

static int begin(struct wpipe__spin *s, struct wpipe__spin_record *record,
                 uint32_t spin_ns, uint64_t deadline, unsigned how)
{
    uint32_t skip = load(&record->skip);

    if (skip > 0) {
        store(&record->skip, skip - 1);
        s->stage = WPIPE__SPIN_OVER;
        return 0;
    }
    s->stage = WPIPE__SPIN_SPINS;
    s->last = wpipe__os_now();
    s->end = wpipe__min_u64(s->last + spin_ns, deadline);
    s->ask = s->last;
    if (how & WPIPE__SPIN_MEMORY) /* else the other end may need our core */
        s->ask += ask_after(record, how);
    if (s->shares)
        return yield(s, record);
    if (how & WPIPE__SPIN_SAME_CORE)
        begin_yielding(s, load(&record->crowded) != 0);
    return 1;
}

int wpipe__spin_more(struct wpipe__spin *s, struct wpipe__spin_record *record,
                     uint32_t spin_ns, uint64_t deadline, unsigned how)
{
    if (spin_ns == 0)
        return 0;
    switch (s->stage) {
    case WPIPE__SPIN_NEW:
        if (s->looks == 0)
            s->shares = (uint8_t)is_to_share(record, how);
        if (s->looks < LOOKS_PER_CLOCK && (how & WPIPE__SPIN_MEMORY) &&
            !s->shares && !load(&record->crowded))
            return look_briefly(s);
        return begin(s, record, spin_ns, deadline, how);
    case WPIPE__SPIN_SPINS:
        return spins(s, record, how);
    case WPIPE__SPIN_YIELDS:
        return yields(s, record);
    default:
        return 0;
    }
}
