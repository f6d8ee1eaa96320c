/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wait room of a link: how threads sleep on it and how they are woken.
 *
 * Several threads may wait on one link (a reader, a writer). One of them, the
 * leader, waits on the socket; the others wait on a condition. Whoever takes
 * something off the socket says so to all, because what came may be what
 * another thread waits for: `turn` grows, and a thread that decided to sleep
 * on an older turn looks again first.
 *
 * The order of a sleep: look; say what we want under a fresh epoch, fence
 * (arm); look again; sleep. The peer's order is: move its index, fence, look
 * at the want. So one of the two always sees the other.
 */
#include "transport/transport.h"

#include "base/base.h"
#include "base/ring.h"
#include "transport/patience.h"

/* To another core: that was a moment ago. */
#define LEFT_LATELY_NS 100000000u
/* How late a call that never waits may see that the peer has died. */
#define ASK_AFTER_NS 1000000u
/* About a microsecond. */
#define BATCH_PAUSES 40
/* Without the flag (no descriptor left) a wake is seen this late. */
#define NO_FLAG_MS 50
/* A nap may last longer than it should. */
#define NAP_BEFORE_NS 50000000u

int wpipe__link_init(struct wpipe__link *link,
                     const struct wpipe__transport *transport,
                     wpipe__handle socket)
{
    int r;

    link->transport = transport;
    link->socket = socket;
    link->passing = WPIPE__PASSES;
    link->generation = wpipe__os_generation();
    link->room.flag = WPIPE__NO_HANDLE;
    link->room.watch = WPIPE__NO_HANDLE;
    r = wpipe__mutex_init(&link->lock);
    if (r < 0)
        return r;
    r = wpipe__condition_init(&link->room.condition);
    if (r < 0)
        wpipe__mutex_done(&link->lock);
    return r;
}

void wpipe__link_done(struct wpipe__link *link)
{
    const int own = link->generation == wpipe__os_generation();

    wpipe__os_close(link->room.flag);
    /* a copy in a forked child is not the last one */
    wpipe__os_close_socket(link->socket,
                           own ? link->passing : WPIPE__PASSES_NOTHING);
    link->room.flag = WPIPE__NO_HANDLE;
    link->socket = WPIPE__NO_HANDLE;
    if (!own)
        return; /* a forked child: threads of its parent may hold these */
    wpipe__condition_done(&link->room.condition);
    wpipe__mutex_done(&link->lock);
}

void wpipe__link_notify(struct wpipe__link *link)
{
    struct wpipe__room *room = &link->room;

    atomic_fetch_add_explicit(&room->turn, 1, memory_order_release);
    if (room->watch != WPIPE__NO_HANDLE)
        wpipe__os_flag_set(room->watch);
    if (room->waiters == 0)
        return;
    wpipe__condition_wake_all(&room->condition);
    if (room->polling)
        wpipe__os_flag_set(room->flag);
}

static unsigned union_of_wants(const struct wpipe__room *room)
{
    unsigned mask = 0;
    unsigned i;

    for (i = 0; i < WPIPE__ARRAY_SIZE(room->users); i++)
        if (room->users[i] > 0)
            mask |= 1u << i;
    return mask;
}

void wpipe__link_wake(struct wpipe__link *link)
{
    struct wpipe__room *room = &link->room;

    wpipe__mutex_lock(&link->lock);
    /* a wait that ends for its own reason meanwhile leaves it to the next */
    if (room->waiters > 0)
        atomic_fetch_or(&room->woken, union_of_wants(room));
    else
        atomic_store_explicit(&room->wake_next, 1, memory_order_relaxed);
    wpipe__link_notify(link);
    wpipe__mutex_unlock(&link->lock);
}

/* One thread's wait. */
struct wait {
    struct wpipe__link *link;
    unsigned mask;
    int (*ready)(void *user);
    void *user;
    struct wpipe__timer *timer;
    uint64_t deadline; /* 0: not looked at the clock for it yet */
};

static int was_woken(const struct wait *w)
{
    struct wpipe__room *room = &w->link->room;

    if ((atomic_load_explicit(&room->woken, memory_order_relaxed) & w->mask) &&
        (atomic_fetch_and(&room->woken, ~w->mask) & w->mask))
        return 1;
    /* a wake that came while nobody was counted */
    return atomic_load_explicit(&room->wake_next, memory_order_relaxed) &&
           atomic_exchange(&room->wake_next, 0);
}

/* Let the peer write on undisturbed for a moment: each look at a line that it
 * writes costs it more than the message. */
static void pause_for_batch(void)
{
    int i;

    for (i = 0; i < BATCH_PAUSES; i++)
        wpipe__os_pause();
}

/* Threads of this process that wait awake, and have done so for a while. */
static _Atomic int awake;

void wpipe__awake_enter(void)
{
    static _Atomic uint32_t generation;
    uint32_t now = wpipe__os_generation();

    /* a forked child has none of its parent's threads */
    if (atomic_load_explicit(&generation, memory_order_relaxed) != now &&
        atomic_exchange(&generation, now) != now)
        atomic_store_explicit(&awake, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&awake, 1, memory_order_relaxed);
}

void wpipe__awake_leave(void)
{
    atomic_fetch_sub_explicit(&awake, 1, memory_order_relaxed);
}

int wpipe__awake_crowd(void)
{
    static _Atomic int cores;
    int n = atomic_load_explicit(&cores, memory_order_relaxed);

    if (n == 0) {
        n = wpipe__os_cores();
        atomic_store_explicit(&cores, n, memory_order_relaxed);
    }
    return atomic_load_explicit(&awake, memory_order_relaxed) > n;
}

/* Also one of other processes, met not long ago. */
static int is_crowded(const struct wait *w)
{
    return wpipe__awake_crowd() ||
           atomic_load_explicit(&w->link->room.crowded, memory_order_relaxed) >
               0;
}

/*
 * Somebody had the core for long, and the peer was last seen on it. On another
 * one both of us can run; the scheduler does not see that we need each other,
 * and would leave us where we wait for the end of its turn each time. With
 * `again`: if that was so a moment ago.
 */
static int leave_core(const struct wait *w, int again)
{
    struct wpipe__link *link = w->link;
    uint64_t since;
    uint64_t now;

    if (wpipe__awake_crowd() || !link->transport->same_core(link))
        return 0;
    now = wpipe__os_now();
    since =
        now - atomic_load_explicit(&link->room.left_at, memory_order_relaxed);
    if (since < WPIPE__LEAVE_AGAIN_NS || (again && since > LEFT_LATELY_NS))
        return 0;
    atomic_store_explicit(&link->room.left_at, now, memory_order_relaxed);
    return wpipe__os_leave_core();
}

/* Let others have the core: how long they took. */
static uint64_t give_way(const struct wait *w)
{
    uint64_t before = wpipe__os_now();
    uint64_t taken;

    wpipe__os_yield();
    taken = wpipe__os_now() - before;
    if (taken > WPIPE__CROWD_NS && !leave_core(w, 0) &&
        taken <= WPIPE__LONG_YIELD_NS)
        atomic_store_explicit(&w->link->room.crowded, WPIPE__WAITS_IN_CROWD,
                              memory_order_relaxed);
    return taken;
}

/* How long a spin may go on. */
struct spell {
    uint64_t end;
    uint64_t ask; /* when to ask whether others want the core */
};

static int spell_is_over(const struct wait *w, struct spell *spell)
{
    struct wpipe__room *room = &w->link->room;
    uint64_t now = wpipe__os_now();
    uint64_t taken;

    if (spell->end == 0) {
        spell->end = wpipe__min_u64(now + w->link->spin_ns, w->deadline);
        spell->ask = now + WPIPE__SPIN_UNASKED_NS;
        return 0;
    }
    if (now < spell->ask || now >= spell->end)
        return now >= spell->end || wpipe__awake_crowd();
    spell->ask = now + WPIPE__SPIN_UNASKED_NS;
    if (is_crowded(w))
        return 1;
    if (atomic_load_explicit(&room->no_yield, memory_order_relaxed) > 0)
        return 0;
    taken = give_way(w); /* after long, it is our turn that begins */
    return taken > WPIPE__TAKEN_NS && taken <= WPIPE__LONG_YIELD_NS;
}

/* Poll memory for a while. What ready said, or 0 when the time is up. */
static int spin(const struct wait *w)
{
    struct spell spell = { 0, 0 };
    unsigned i = 0;
    int r = 0;

    while ((r = w->ready(w->user)) == 0) {
        wpipe__os_pause();
        if (++i % WPIPE__LOOKS_PER_CLOCK != 0)
            continue;
        if (spell_is_over(w, &spell))
            break;
        if (was_woken(w))
            return WPIPE_EWOKEN;
    }
    return r;
}

/* Poll memory for less time than it takes to count oneself. */
static int look_briefly(const struct wait *w)
{
    unsigned i;
    int r = 0;

    for (i = 0; i < WPIPE__LOOKS_PER_CLOCK && r == 0; i++) {
        wpipe__os_pause();
        r = w->ready(w->user);
    }
    return r;
}

/* Take one off the number of waits that are to be different; was there one? */
static int take_one(_Atomic uint32_t *waits)
{
    uint32_t n = atomic_load_explicit(waits, memory_order_relaxed);

    if (n > 0)
        atomic_store_explicit(waits, n - 1, memory_order_relaxed);
    return n > 0;
}

/* Give the core to the peer, which may be all it takes. */
static int yield(const struct wait *w)
{
    int crowded = is_crowded(w);
    int yields = crowded ? WPIPE__CROWD_YIELDS : WPIPE__YIELDS;
    uint64_t end;
    uint64_t taken;
    int r = 0;
    int i;

    (void)take_one(&w->link->room.crowded);
    if (take_one(&w->link->room.no_yield) && !crowded)
        return 0;
    end = wpipe__min_u64(wpipe__os_now() + WPIPE__YIELDING_NS, w->deadline);
    for (i = 0; i < yields && r == 0; i++) {
        taken = give_way(w);
        r = w->ready(w->user);
        if (r == 0 && was_woken(w))
            return WPIPE_EWOKEN;
        if (wpipe__os_now() >= end)
            break; /* in a crowd they take long */
        if (taken > WPIPE__TAKEN_NS)
            yields = WPIPE__CROWD_YIELDS;
        if (taken <= WPIPE__LONG_YIELD_NS || is_crowded(w))
            continue;
        atomic_store_explicit(&w->link->room.no_yield,
                              WPIPE__WAITS_WITHOUT_YIELD, memory_order_relaxed);
        break;
    }
    return r;
}

/* Wait awake: as long as that is likely to be shorter than a sleep. */
static int wait_awake(struct wait *w, int peer_streams)
{
    const struct wpipe__transport *t = w->link->transport;
    int spins = !t->same_core(w->link) || leave_core(w, 1);
    int r = 0;

    if (spins && peer_streams)
        pause_for_batch();
    if (spins)
        r = look_briefly(w);
    if (r != 0)
        return r;
    w->deadline = wpipe__timer_deadline(w->timer);
    wpipe__awake_enter();
    if (spins)
        r = spin(w);
    if (r == 0)
        r = yield(w);
    wpipe__awake_leave();
    return r;
}

/* Only the socket can tell: stay awake for a moment all the same. As spin. */
static int linger(struct wait *w)
{
    struct wpipe__moment moment = { .habit = &w->link->room.habit,
                                    .pid = w->link->peer.pid,
                                    .spin_ns = w->link->spin_ns };
    int r;

    w->deadline = wpipe__timer_deadline(w->timer);
    moment.until = w->deadline;

    while (wpipe__moment_more(&moment)) {
        r = w->ready(w->user);
        if (r == 0 && was_woken(w))
            r = WPIPE_EWOKEN;
        if (r != 0) {
            wpipe__moment_paid(&moment);
            return r;
        }
    }
    return 0;
}

/* Count us in or out of those who want; the caller arms. Link locked. */
static void count(struct wait *w, int in)
{
    struct wpipe__room *room = &w->link->room;
    unsigned i;

    room->waiters += in ? 1 : -1;
    for (i = 0; i < WPIPE__ARRAY_SIZE(room->users); i++)
        if (w->mask & 1u << i)
            room->users[i] += in ? 1u : -1u;
}

/* Nobody but the peer has to wake us, and the deadline is far. Link locked. */
static int may_nap(const struct wait *w)
{
    const struct wpipe__transport *t = w->link->transport;

    return t->may_nap != NULL && (w->mask & WPIPE__WANT_DATA) &&
           w->link->room.watch == WPIPE__NO_HANDLE &&
           (w->deadline == UINT64_MAX ||
            w->deadline > wpipe__os_now() + NAP_BEFORE_NS) &&
           t->may_nap(w->link);
}

/* Wait on the socket until `deadline`, and harvest it. Link locked, also
 * after. */
static void wait_on_socket(struct wait *w, uint64_t deadline)
{
    struct wpipe__link *link = w->link;
    struct wpipe__room *room = &link->room;
    unsigned interest;
    int ready;

    room->polling = WPIPE__POLLING;
    wpipe__mutex_unlock(&link->lock);
    interest = link->transport->interest(link);
    ready = wpipe__os_wait_for(link->socket, interest, room->flag, deadline);
    if (ready > 0 && (ready & 1) && (w->mask & WPIPE__WANT_DATA) &&
        link->transport->woke != NULL)
        link->transport->woke(link);
    wpipe__mutex_lock(&link->lock);
    room->polling = 0;
    if (ready > 0 && (ready & 1)) {
        wpipe__mutex_unlock(&link->lock);
        (void)link->transport->pump(link);
        wpipe__mutex_lock(&link->lock);
    }
    if (ready > 0 && (ready & 2))
        (void)wpipe__os_flag_clear(room->flag);
}

/* As the leader: wait on the socket for all. Link locked, also after. */
static void lead(struct wait *w)
{
    struct wpipe__link *link = w->link;
    struct wpipe__room *room = &link->room;
    uint64_t deadline = w->deadline;

    if (room->flag == WPIPE__NO_HANDLE)
        (void)wpipe__os_flag_open(&room->flag);
    if (room->flag == WPIPE__NO_HANDLE)
        deadline = wpipe__min_u64(deadline, wpipe__os_deadline(NO_FLAG_MS));
    if (may_nap(w)) {
        room->polling = WPIPE__NAPPING;
        wpipe__mutex_unlock(&link->lock);
        (void)link->transport->nap(link);
        wpipe__mutex_lock(&link->lock);
    } else {
        wait_on_socket(w, deadline);
    }
    /* the next one leads, if we leave */
    atomic_fetch_add_explicit(&room->turn, 1, memory_order_release);
    wpipe__condition_wake_all(&room->condition);
}

/* Sleep once, unless something came since `turn`. Link locked. */
static void sleep_once(struct wait *w, uint32_t turn)
{
    struct wpipe__room *room = &w->link->room;

    if (atomic_load_explicit(&room->turn, memory_order_relaxed) != turn)
        return;
    if (room->polling)
        (void)wpipe__condition_wait(&room->condition, &w->link->lock,
                                    w->deadline);
    else
        lead(w);
}

/* Arm, look, sleep, until it is ready or over. */
static int wait_asleep(struct wait *w)
{
    struct wpipe__link *link = w->link;
    struct wpipe__room *room = &link->room;
    uint32_t turn;
    int r;

    for (;;) {
        turn = atomic_load_explicit(&room->turn, memory_order_acquire);
        wpipe__mutex_lock(&link->lock);
        link->transport->arm(link, union_of_wants(room));
        wpipe__mutex_unlock(&link->lock);
        r = w->ready(w->user);
        if (r != 0)
            return r;
        if (was_woken(w))
            return WPIPE_EWOKEN;
        if (w->deadline != UINT64_MAX && wpipe__os_now() >= w->deadline)
            return WPIPE_ETIMEDOUT;
        wpipe__mutex_lock(&link->lock);
        sleep_once(w, turn);
        wpipe__mutex_unlock(&link->lock);
    }
}

/* Nothing is in memory, and we may not wait. A peer that died tells through the
 * socket alone: look at it now and then. */
static int look_at_socket(struct wait *w)
{
    struct wpipe__link *link = w->link;
    uint64_t now;
    int r;

    if (!link->transport->in_memory(link, w->mask))
        return WPIPE_ETIMEDOUT;
    now = wpipe__os_now();
    if (now - atomic_load_explicit(&link->room.asked, memory_order_relaxed) <
        ASK_AFTER_NS)
        return WPIPE_ETIMEDOUT;
    atomic_store_explicit(&link->room.asked, now, memory_order_relaxed);
    (void)link->transport->pump(link);
    r = w->ready(w->user);
    return r == 0 ? WPIPE_ETIMEDOUT : r;
}

int wpipe__link_wait(struct wpipe__link *link, unsigned mask,
                     int (*ready)(void *user), void *user,
                     struct wpipe__timer *timer)
{
    struct wait w = { link, mask, ready, user, timer, 0 };
    struct wpipe__room *room = &link->room;
    int in_memory;
    int r;

    r = ready(user);
    if (r != 0)
        return r;
    if (was_woken(&w))
        return WPIPE_EWOKEN;
    if (timer->timeout_ms == 0)
        return look_at_socket(&w);
    in_memory = link->transport->in_memory(link, mask);
    if (in_memory && link->spin_ns > 0)
        r = wait_awake(&w, in_memory == 2);
    else
        r = linger(&w);
    if (r != 0)
        return r;
    wpipe__mutex_lock(&link->lock);
    count(&w, 1);
    wpipe__mutex_unlock(&link->lock);
    r = wait_asleep(&w);
    wpipe__mutex_lock(&link->lock);
    count(&w, 0);
    if (room->waiters == 0) {
        link->transport->arm(link, union_of_wants(room));
        if (room->watch != WPIPE__NO_HANDLE)
            wpipe__os_flag_set(room->watch); /* look again: a new epoch */
    }
    wpipe__mutex_unlock(&link->lock);
    return r;
}

void wpipe__link_watch(struct wpipe__link *link, wpipe__handle watch)
{
    wpipe__mutex_lock(&link->lock);
    link->room.watch = watch;
    link->room.users[0]++; /* DATA, for good */
    wpipe__mutex_unlock(&link->lock);
}

void wpipe__link_arm(struct wpipe__link *link)
{
    wpipe__mutex_lock(&link->lock);
    link->transport->arm(link, union_of_wants(&link->room));
    wpipe__mutex_unlock(&link->lock);
}
