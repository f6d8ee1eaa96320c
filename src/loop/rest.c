/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting in the loop: stay awake for a while, arm, sleep; and who does it for
 * whom.
 */
#include "base/ring.h"
#include "loop/inside.h"

enum {
    TAGS = 64,
    GLANCE_AT = 32,      /* messages between two looks at the sockets */
    SHARE_ROUNDS = 32,   /* such looks between two offers of the core */
    CORES_ASKED = 8,     /* active connections asked for their core */
    UNSETTLED_MOST = 64, /* looks in which something moved, one by one */
    LATE_ROUNDS = 8      /* looks at sockets that go on after the end */
};

/* ---- asking the sockets ------------------------------------------------- */

static int is_over(uint64_t deadline)
{
    return deadline == 0 ||
           (deadline != UINT64_MAX && wpipe__os_now() >= deadline);
}

/* Sleep in the poller until `until`, without the lock, unless there was news
 * since the caller has looked; NULL: nobody sleeps, it only looks. How many
 * are ready, or < 0. */
static int poll_sockets(struct wpipe__loop *loop, uint64_t tags[TAGS],
                        const struct wpipe__rest *rest, uint64_t until)
{
    int sleeps = until != 0;
    int n;

    if (atomic_load(&loop->nudged) ||
        (rest != NULL && wpipe__waiters_woken(&loop->waiters, rest->wakes)))
        until = 0; /* these take no lock, and may be older than the look */
    if (sleeps && !wpipe__waiters_fall_asleep(&loop->waiters, rest->turn)) {
        sleeps = 0;
        until = 0;
    }
    wpipe__loop_unlock(loop);
    n = wpipe__os_poller_wait(loop->poller, tags, TAGS, until);
    wpipe__loop_lock(loop);
    if (sleeps)
        wpipe__waiters_awake(&loop->waiters);
    return n;
}

/* Do what the members of the poller ask for. */
static void dispatch(struct wpipe__loop *loop, const uint64_t *tags, int n)
{
    int i;

    for (i = 0; i < n; i++) {
        if (tags[i] == WPIPE__TAG_FLAG)
            wpipe__waiters_clear(&loop->waiters);
        else if (tags[i] != WPIPE__TAG_ALARM)
            loop->owner->ready(loop, tags[i]);
    }
    if (atomic_exchange(&loop->nudged, 0))
        loop->owner->ready(loop, WPIPE__TAG_FLAG);
    if (is_over(loop->timer))
        loop->owner->ready(loop, WPIPE__TAG_TIMER);
}

/* Sleep until `deadline`, and do what is to be done. Returns how many members
 * were ready, WPIPE_EWOKEN (a signal handler ran), WPIPE_ESYSTEM. */
static int ask_sockets(struct wpipe__loop *loop, const struct wpipe__rest *rest,
                       uint64_t deadline)
{
    uint64_t tags[TAGS];
    int n;

    loop->since_poll = 0;
    n = poll_sockets(loop, tags, rest, wpipe__min_u64(deadline, loop->timer));
    loop->full = n == TAGS;
    dispatch(loop, tags, n);
    return n == WPIPE_EWOKEN && !loop->signals ? 0 : n;
}

/* Peers judge by it whether to spin, and we seldom rest when there is much to
 * do. */
static void tell_core(struct wpipe__loop *loop)
{
    const struct wpipe__conn *conn = NULL;
    int core = wpipe__os_core();

    if (core == loop->core)
        return;
    loop->core = core;
    while ((conn = wpipe__loop_next_active(loop, conn)) != NULL)
        (void)conn->link->transport->same_core(conn->link);
}

/* There is no end to what comes; those who send it may be on our core. */
static void share_core(struct wpipe__loop *loop)
{
    wpipe__loop_unlock(loop);
    wpipe__spin_share(&loop->spin);
    wpipe__loop_lock(loop);
}

void wpipe__loop_glance(struct wpipe__loop *loop)
{
    if (loop->since_poll < GLANCE_AT)
        return;
    tell_core(loop);
    loop->round++;
    if (loop->spin_ns > 0 && loop->active_count > 1 &&
        loop->round % SHARE_ROUNDS == 0)
        share_core(loop);
    (void)ask_sockets(loop, NULL, 0);
}

/* ---- staying awake ------------------------------------------------------ */

/* WPIPE__SPIN_*: can memory show that something comes, only from our own core,
 * from many? */
static unsigned how_to_spin(struct wpipe__loop *loop)
{
    const struct wpipe__conn *conn = NULL;
    unsigned many = loop->active_count > 1 ? WPIPE__SPIN_MANY : 0;
    unsigned how = 0;
    int i;

    for (i = 0; i < CORES_ASKED; i++) {
        struct wpipe__link *link;

        conn = wpipe__loop_next_active(loop, conn);
        if (conn == NULL)
            break;
        link = conn->link;
        if (link->transport->in_memory(link, WPIPE__WANT_DATA)) {
            if (!link->transport->same_core(link))
                return WPIPE__SPIN_MEMORY | many;
            how = WPIPE__SPIN_MEMORY | WPIPE__SPIN_SAME_CORE;
        }
    }
    return how;
}

/* A little time passes, without the lock: 1; 0 it is time to sleep. */
static int spin_unlocked(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    uint64_t deadline = wpipe__timer_deadline(&rest->timer);
    int i = 0;
    int more;

    atomic_store_explicit(&loop->spinning, 1, memory_order_relaxed);
    wpipe__mutex_unlock(&loop->lock);
    more = wpipe__spin_more(&rest->spin, &loop->spin, loop->spin_ns, deadline,
                            rest->how);
    /* others want the lock: a spinner takes it again and again */
    while (atomic_load_explicit(&loop->contenders, memory_order_relaxed) > 0 &&
           ++i < 1000)
        wpipe__os_pause();
    wpipe__mutex_lock(&loop->lock);
    atomic_store_explicit(&loop->spinning, 0, memory_order_relaxed);
    return more;
}

/* Something came: begin again, with what is left of the time. */
static void begin_again(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    static const struct wpipe__spin none;

    if (loop->awake)
        wpipe__spin_paid(&rest->spin, &loop->spin);
    loop->awake = 0;
    rest->spin = none;
}

/* 1 when a step was done and the caller is to look again; 0 it is to sleep. */
static int stay_awake(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    if (loop->spin_ns == 0 || rest->timer.timeout_ms == 0 ||
        wpipe__spin_is_over(&rest->spin))
        return 0;
    if (wpipe__spin_is_new(&rest->spin))
        rest->how = how_to_spin(loop);
    loop->awake = (uint8_t)spin_unlocked(loop, rest);
    if (!loop->awake)
        return 0;
    if (rest->how == 0 && ask_sockets(loop, NULL, 0) > 0)
        begin_again(loop, rest);
    return 1;
}

/* ---- resting ------------------------------------------------------------ */

int wpipe__loop_rest(struct wpipe__loop *loop, struct wpipe__rest *rest,
                     int busy)
{
    uint64_t deadline;
    int n;

    /* the caller has looked, and has held the lock since */
    rest->turn = wpipe__waiters_turn(&loop->waiters);
    if (busy && loop->since_poll++ < GLANCE_AT)
        return 0;
    busy |= loop->full; /* many with little each: no time to stay awake */
    if (!busy && stay_awake(loop, rest))
        return 0;
    if (!busy && wpipe__loop_arm(loop)) {
        if (++rest->busy_arms < UNSETTLED_MOST)
            return 0;
        busy = 1; /* the clock and the sockets matter all the same */
    }
    rest->busy_arms = 0;
    deadline = wpipe__timer_deadline(&rest->timer);
    n = ask_sockets(loop, rest, busy ? 0 : deadline);
    if (n < 0)
        return n;
    if (!is_over(deadline)) {
        if (n > 0)
            begin_again(loop, rest);
        return 0;
    }
    if ((n > 0 || busy) && rest->late < LATE_ROUNDS) {
        rest->late++;
        return 0;
    }
    return WPIPE_ETIMEDOUT;
}

/* ---- who drives --------------------------------------------------------- */

/* A wait begins: which wakes are for it? */
static void note_wakes(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    if (!rest->noted)
        rest->wakes = wpipe__waiters_wakes(&loop->waiters);
    rest->noted = 1;
}

/* Sleep until somebody who drives has news. */
static int sleep_as_follower(struct wpipe__loop *loop, uint32_t turn,
                             uint64_t deadline)
{
    int r;

    wpipe__loop_unlock(loop);
    r = wpipe__waiters_follow(&loop->waiters, turn, deadline);
    wpipe__loop_lock(loop);
    return r == WPIPE_EWOKEN && !loop->signals ? 0 : r;
}

int wpipe__loop_enter(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    int r = wpipe__loop_use(loop);

    if (r < 0)
        return r;
    if (loop->waiting) {
        wpipe__loop_unlock(loop);
        return WPIPE_ESTATE;
    }
    note_wakes(loop, rest);
    loop->waiting = 1;
    loop->takers++;
    while (loop->driving) {
        uint32_t turn;

        /* news, not a ring alone: who drives may be on its way to sleep,
         * between the spin and the poller, where only a new turn stops it */
        wpipe__waiters_news(&loop->waiters);
        turn = wpipe__waiters_turn(&loop->waiters);
        r = sleep_as_follower(loop, turn, UINT64_MAX);
        if (r == WPIPE_EWOKEN) {
            loop->waiting = 0;
            loop->takers--;
            wpipe__waiters_tell(&loop->waiters);
            wpipe__loop_unlock(loop);
            return r;
        }
    }
    loop->driving = 1;
    return 0;
}

/* Would a wait find something? */
static int has_news(const struct wpipe__loop *loop)
{
    return loop->active_count > 0 || !wpipe__list_empty(&loop->notices) ||
           !wpipe__list_empty(&loop->calls.ended);
}

void wpipe__loop_show(struct wpipe__loop *loop)
{
    if (!loop->watched || loop->shown)
        return;
    if (!loop->keeps) {
        wpipe__waiters_ring(&loop->waiters);
        return;
    }
    loop->shown = 1;
    wpipe__os_flag_set(loop->show);
}

static void show_nothing(struct wpipe__loop *loop)
{
    if (!loop->shown)
        return;
    loop->shown = 0;
    (void)wpipe__os_flag_clear(loop->show);
}

void wpipe__loop_unlead(struct wpipe__loop *loop, struct wpipe__rest *rest,
                        int more)
{
    if (more)
        begin_again(loop, rest);
    loop->awake = 0;
    loop->driving = 0;
    wpipe__waiters_tell(&loop->waiters); /* one of them drives now */
    if (more || loop->closing || has_news(loop))
        wpipe__loop_show(loop);
}

void wpipe__loop_exit(struct wpipe__loop *loop, struct wpipe__rest *rest,
                      int more)
{
    loop->waiting = 0;
    loop->takers--;
    if (!more && !loop->closing && !has_news(loop))
        show_nothing(loop);
    wpipe__loop_unlead(loop, rest, more);
    wpipe__loop_unlock(loop);
}

void wpipe__loop_call_enter(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    note_wakes(loop, rest);
    /* who drives takes nothing, and what is there already wakes nobody: it
     * gives way, also between the spin and the poller */
    if (loop->driving && loop->takers == 0)
        wpipe__waiters_news(&loop->waiters);
    loop->takers++;
}

void wpipe__loop_call_exit(struct wpipe__loop *loop)
{
    loop->takers--;
    wpipe__waiters_tell(&loop->waiters); /* who only follows may drive now */
}

int wpipe__loop_lead(struct wpipe__loop *loop)
{
    if (loop->driving || loop->waiting)
        return 0; /* whatever wakes who only drives makes it give way to us */
    loop->driving = 1;
    return 1;
}

int wpipe__loop_woken(struct wpipe__loop *loop, const struct wpipe__rest *rest)
{
    return wpipe__waiters_woken(&loop->waiters, rest->wakes);
}

/* Drive for all who follow, once. */
static int drive(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    int r;

    loop->driving = 1;
    r = wpipe__loop_rest(loop, rest, 0);
    loop->awake = 0;
    loop->driving = 0;
    wpipe__waiters_tell(&loop->waiters);
    if (has_news(loop))
        wpipe__loop_show(loop);
    return r;
}

int wpipe__loop_follow(struct wpipe__loop *loop, struct wpipe__rest *rest)
{
    uint32_t turn = wpipe__waiters_turn(&loop->waiters);
    int r;

    note_wakes(loop, rest);
    /* who lingers at the end is not stopped */
    if ((loop->stopped && !loop->closing) || wpipe__loop_woken(loop, rest))
        return WPIPE_EWOKEN;
    if (rest->timer.timeout_ms == 0)
        return WPIPE_ETIMEDOUT;
    if (loop->driving || loop->takers > 0)
        r = sleep_as_follower(loop, turn, wpipe__timer_deadline(&rest->timer));
    else
        r = drive(loop, rest);
    return r;
}

void wpipe__loop_wake(struct wpipe__loop *loop)
{
    if (loop->generation == wpipe__os_generation())
        wpipe__waiters_wake(&loop->waiters);
}
