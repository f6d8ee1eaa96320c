/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting in the loop: spin, give the core away, arm, sleep; and who does it
 * for whom.
 */
#include "base/ring.h"
#include "core/loop.h"
#include "transport/patience.h"

enum {
    TAGS = 64,
    GLANCE_AT = 32,   /* messages between two looks at the sockets */
    CORES_ASKED = 8,  /* hot connections asked for their core */
    VAIN_MOST = 1024, /* waits that do not listen, after vain ones */
    LATE_ROUNDS = 8   /* looks at sockets that go on after the end */
};

/* rest.stage */
enum {
    SPIN = 0,
    YIELD = 1,
    LISTEN = 2, /* asking the sockets again and again */
    SLEEP = 3
};

/* ---- asking the sockets ------------------------------------------------- */

static void dispatch(struct wpipe__loop *loop, uint64_t tag)
{
    if (tag != WPIPE__TAG_FLAG) {
        loop->owner->ready(loop, tag);
        return;
    }
    loop->flagged = 0;
    (void)wpipe__os_flag_clear(loop->flag);
    if (atomic_exchange(&loop->nudged, 0))
        loop->owner->ready(loop, WPIPE__TAG_FLAG);
}

static int is_over(uint64_t deadline)
{
    return deadline == 0 ||
           (deadline != UINT64_MAX && wpipe__os_now() >= deadline);
}

/* Sleep in the poller until `deadline`, without the lock, and do what is to be
 * done. Returns how many members were ready, WPIPE_ESYSTEM. */
static int ask_sockets(struct wpipe__loop *loop, uint64_t deadline)
{
    uint64_t until = wpipe__min_u64(deadline, loop->timer);
    uint64_t tags[TAGS];
    int n;
    int i;

    loop->since_poll = 0;
    loop->asleep = deadline != 0;
    wpipe__mutex_unlock(&loop->lock);
    n = wpipe__os_poller_wait(loop->poller, tags, TAGS, until);
    wpipe__loop_lock(loop);
    loop->asleep = 0;
    loop->told |= n > 0;
    for (i = 0; i < n; i++)
        dispatch(loop, tags[i]);
    if (is_over(loop->timer))
        loop->owner->ready(loop, WPIPE__TAG_TIMER);
    return n;
}

/* Peers judge by it whether to spin, and we seldom rest when there is much to
 * do. */
static void tell_core(struct wpipe__loop *loop)
{
    const struct wpipe__list *node = wpipe__list_first(&loop->hot);
    int core = wpipe__os_core();

    if (core == loop->core)
        return;
    loop->core = core;
    for (; node != NULL; node = wpipe__list_next(&loop->hot, node)) {
        struct wpipe__link *link =
            wpipe__container_of(node, struct wpipe__conn, hot)->link;

        (void)link->transport->same_core(link);
    }
}

void wpipe__loop_glance(struct wpipe__loop *loop)
{
    if (loop->since_poll < GLANCE_AT)
        return;
    tell_core(loop);
    loop->round++;
    (void)ask_sockets(loop, 0);
}

/* ---- before sleeping ---------------------------------------------------- */

/* Can memory show that something comes? 2: from another core. */
static int hot_in_memory(struct wpipe__loop *loop)
{
    const struct wpipe__list *node = wpipe__list_first(&loop->hot);
    int found = 0;
    int i;

    for (i = 0; node != NULL && i < CORES_ASKED; i++) {
        struct wpipe__link *link =
            wpipe__container_of(node, struct wpipe__conn, hot)->link;

        if (link->transport->in_memory(link, WPIPE__WANT_DATA)) {
            found = 1;
            if (!link->transport->same_core(link))
                return 2;
        }
        node = wpipe__list_next(&loop->hot, node);
    }
    return found;
}

/* Let others have the lock, and the memory system breathe. */
static void pause_unlocked(struct wpipe__loop *loop)
{
    int i = 0;

    atomic_store_explicit(&loop->spinning, 1, memory_order_relaxed);
    wpipe__mutex_unlock(&loop->lock);
    do
        wpipe__os_pause();
    while (atomic_load_explicit(&loop->contenders, memory_order_relaxed) > 0 &&
           ++i < 1000);
    wpipe__mutex_lock(&loop->lock);
    atomic_store_explicit(&loop->spinning, 0, memory_order_relaxed);
}

/* The driving thread begins to wait awake, or has done with that. */
static void set_awake(struct wpipe__loop *loop, uint8_t on)
{
    if (loop->awake == on)
        return;
    loop->awake = on;
    if (on)
        wpipe__awake_enter();
    else
        wpipe__awake_leave();
}

static int is_crowded(const struct wpipe__loop *loop)
{
    return loop->crowded > 0 || wpipe__awake_crowd();
}

/* As in wait.c, for who has one connection: a server has the core that its
 * clients leave. */
static int leave_core(struct wpipe__loop *loop)
{
    uint64_t now;

    if (loop->hot_count != 1 || wpipe__awake_crowd() ||
        hot_in_memory(loop) != 1)
        return 0;
    now = wpipe__os_now();
    if (now - loop->left_at < WPIPE__LEAVE_AGAIN_NS)
        return 0;
    loop->left_at = now;
    return wpipe__os_leave_core();
}

/* Let others have the core, and the lock: how long they took. */
static uint64_t offer_core(struct wpipe__loop *loop)
{
    uint64_t before = wpipe__os_now();

    wpipe__mutex_unlock(&loop->lock);
    wpipe__os_yield();
    wpipe__loop_lock(loop);
    return wpipe__os_now() - before;
}

/* The same, and what it tells of a crowd. */
static uint64_t give_way(struct wpipe__loop *loop)
{
    uint64_t taken = offer_core(loop);

    if (taken > WPIPE__CROWD_NS && !leave_core(loop) &&
        taken <= WPIPE__LONG_YIELD_NS)
        loop->crowded = WPIPE__WAITS_IN_CROWD;
    return taken;
}

/* By the clock: 1 when spinning was enough. Where others want this core, too,
 * it only keeps them from what would end it. */
static int spun_enough(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    uint64_t now = wpipe__os_now();
    uint64_t taken;

    if (rest->spin_end == 0) {
        rest->spin_end = wpipe__min_u64(now + loop->spin_ns,
                                        wpipe__timer_deadline(&rest->timer));
        rest->ask_at = now + WPIPE__SPIN_UNASKED_NS;
        set_awake(loop, 1);
        return 0;
    }
    if (now < rest->ask_at || now >= rest->spin_end)
        return now >= rest->spin_end || wpipe__awake_crowd();
    rest->ask_at = now + WPIPE__SPIN_UNASKED_NS;
    if (is_crowded(loop))
        return 1;
    if (loop->no_yield > 0)
        return 0;
    taken = give_way(loop);
    return taken > WPIPE__TAKEN_NS && taken <= WPIPE__LONG_YIELD_NS;
}

/* One look's worth of spinning: 1; 0 when it was enough. */
static int spin(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    if (rest->looks++ % WPIPE__LOOKS_PER_CLOCK == WPIPE__LOOKS_PER_CLOCK - 1 &&
        spun_enough(loop, rest))
        return 0;
    pause_unlocked(loop);
    return 1;
}

/* From spinning to yielding, unless that has cost too much lately. */
static void begin_yielding(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    set_awake(loop, 1);
    rest->stage = YIELD;
    rest->spin_end = wpipe__min_u64(wpipe__os_now() + WPIPE__YIELDING_NS,
                                    wpipe__timer_deadline(&rest->timer));
    rest->crowded = (uint8_t)is_crowded(loop);
    rest->yields = rest->crowded ? WPIPE__CROWD_YIELDS : WPIPE__YIELDS;
    if (loop->no_yield > 0) {
        loop->no_yield--;
        if (!rest->crowded)
            rest->yields = 0;
    }
    if (loop->crowded > 0)
        loop->crowded--;
}

/* One yield: 1; 0 when there were enough. */
static int yield(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    uint64_t taken;

    if (rest->yields == 0)
        return 0;
    rest->yields--;
    taken = give_way(loop);
    if (taken > WPIPE__LONG_YIELD_NS && !is_crowded(loop)) {
        rest->yields = 0;
        loop->no_yield = WPIPE__WAITS_WITHOUT_YIELD;
    } else if (taken > WPIPE__TAKEN_NS && !rest->crowded) {
        rest->yields = WPIPE__CROWD_YIELDS;
    }
    rest->crowded |= taken > WPIPE__TAKEN_NS;
    if (wpipe__os_now() >= rest->spin_end)
        rest->yields = 0; /* in a crowd they take long */
    return 1;
}

/* Something came: begin again, with what is left of the time. */
static void begin_again(struct wpipe__rest *rest)
{
    struct wpipe__timer timer = rest->timer;

    *rest = (struct wpipe__rest){ .timer = timer };
}

/* Listening was in vain: that many waits will not. */
static void be_deaf(struct wpipe__loop *loop)
{
    loop->vain = loop->vain == 0 ? 1 : loop->vain * 2;
    loop->vain = loop->vain < VAIN_MOST ? loop->vain : VAIN_MOST;
    loop->deaf = loop->vain;
}

/*
 * One look at the sockets without sleeping: 1; 0 when it was enough. For those
 * who write to a socket and have just done so: the next message is there
 * sooner than we could be woken for it, if they have a core of their own. If
 * they have not, it is in vain, and is tried less and less often; then it is
 * asked first whether somebody wants this core.
 */
static int listen_awake(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    int first = rest->stage != LISTEN;

    if (first) {
        if (!loop->told || rest->hot > 0)
            return 0;
        loop->told = 0;
        if (loop->deaf > 0) {
            loop->deaf--;
            return 0;
        }
        if (is_crowded(loop))
            return 0;
        if (loop->vain > 0 && offer_core(loop) > WPIPE__TAKEN_NS) {
            be_deaf(loop);
            return 1; /* the lock was given away */
        }
        rest->stage = LISTEN;
        rest->spin_end = wpipe__min_u64(wpipe__os_now() + loop->spin_ns,
                                        wpipe__timer_deadline(&rest->timer));
        set_awake(loop, 1);
    } else if (wpipe__os_now() >= rest->spin_end) {
        be_deaf(loop);
        return 0;
    }
    if (ask_sockets(loop, 0) > 0) {
        if (!first) /* else a sleep would not have been one either */
            loop->vain /= 2;
        begin_again(rest);
    }
    return 1;
}

/* 1 when a step was done and the caller is to look again. */
static int rest_awake(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    if (rest->stage >= SLEEP || loop->spin_ns == 0 ||
        rest->timer.timeout_ms == 0)
        return 0;
    if (rest->looks == 0 && rest->stage == SPIN)
        rest->hot = (uint8_t)hot_in_memory(loop);
    if (rest->stage == SPIN && rest->hot == 2 && spin(loop, rest))
        return 1;
    if (rest->stage == SPIN && rest->hot > 0)
        begin_yielding(loop, rest);
    if (rest->stage == YIELD && yield(loop, rest))
        return 1;
    if (listen_awake(loop, rest))
        return 1;
    rest->stage = SLEEP;
    set_awake(loop, 0);
    return 0;
}

int wpipe__loop_rest(struct wpipe__loop *loop, struct wpipe__rest *rest,
                     int busy)
{
    uint64_t deadline;
    int n;

    if (busy && loop->since_poll++ < GLANCE_AT)
        return 0;
    if (!busy && rest_awake(loop, rest))
        return 0;
    if (!busy && wpipe__loop_settle(loop))
        return 0;
    deadline = wpipe__timer_deadline(&rest->timer);
    n = ask_sockets(loop, busy ? 0 : deadline);
    if (n < 0)
        return n;
    if (!is_over(deadline)) {
        if (n > 0)
            begin_again(rest);
        return 0;
    }
    if ((n > 0 || busy) && rest->late < LATE_ROUNDS) {
        rest->late++;
        return 0;
    }
    return WPIPE_ETIMEDOUT;
}

/* ---- who drives --------------------------------------------------------- */

int wpipe__loop_enter(struct wpipe__loop *loop)
{
    int r = wpipe__loop_use(loop);

    if (r < 0)
        return r;
    if (loop->waiting) {
        wpipe__loop_unlock(loop);
        return WPIPE_ESTATE;
    }
    loop->waiting = 1;
    while (loop->driving) {
        wpipe__loop_attend(loop);
        (void)wpipe__condition_wait(&loop->changed, &loop->lock, UINT64_MAX);
    }
    loop->driving = 1;
    return 0;
}

void wpipe__loop_exit(struct wpipe__loop *loop, int more)
{
    loop->driving = 0;
    loop->waiting = 0;
    set_awake(loop, 0);
    if (loop->watched && (more || loop->hot_count > 0))
        wpipe__loop_attend(loop);
    if (loop->followers > 0)
        wpipe__condition_wake_all(&loop->changed);
    wpipe__loop_unlock(loop);
}

int wpipe__loop_follow(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    int r;

    if (rest->timer.timeout_ms == 0)
        return WPIPE_ETIMEDOUT;
    if (loop->driving || loop->waiting) {
        loop->followers++;
        r = wpipe__condition_wait(&loop->changed, &loop->lock,
                                  wpipe__timer_deadline(&rest->timer));
        loop->followers--;
        return r;
    }
    loop->driving = 1;
    r = wpipe__loop_rest(loop, rest, 0);
    loop->driving = 0;
    set_awake(loop, 0);
    if (loop->waiting || loop->followers > 0)
        wpipe__condition_wake_all(&loop->changed);
    if (loop->hot_count > 0 || !wpipe__list_empty(&loop->notices))
        wpipe__loop_attend(loop);
    return r;
}

void wpipe__loop_wake(struct wpipe__loop *loop)
{
    if (wpipe__loop_use(loop) < 0)
        return;
    wpipe__loop_note_wake(loop);
    wpipe__loop_attend(loop);
    wpipe__loop_unlock(loop);
}

intptr_t wpipe__loop_handle(struct wpipe__loop *loop)
{
    int r = wpipe__loop_use(loop);

    if (r < 0)
        return r;
    loop->watched = 1;
    wpipe__loop_attend(loop); /* nothing may be armed yet */
    wpipe__loop_unlock(loop);
    return loop->poller;
}
