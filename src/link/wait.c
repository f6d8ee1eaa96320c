/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting on a link. Several threads may: a reader, a writer, one who drains.
 * One of them, the leader, polls the socket; the others follow (waiters.h).
 *
 * The order of a sleep: look; say what we want under a fresh epoch, fence
 * (arm); look again; sleep. The peer's order is: move its index, fence, look
 * at the want. So one of the two always sees the other. Whoever takes something
 * off the socket tells all, because what came may be what another one waits
 * for; and so does a thread that joins and wants more of the socket than the
 * leader polls it for. docs/threads.md has the state machine.
 */
#include "link/link.h"

#include <string.h>

#include "base/base.h"
#include "base/ring.h"
#include "link/log.h"

/* How late a call that never waits may see that the peer has died. */
#define ASK_AFTER_NS 1000000u
/* About a microsecond. */
#define BATCH_PAUSES 40
/* Without the flag (no descriptor left) news is seen this late. */
#define NO_FLAG_MS 50

int wpipe__link_init(struct wpipe__link *link,
                     const struct wpipe__transport *transport,
                     wpipe__handle socket)
{
    link->transport = transport;
    link->socket = socket;
    link->passing = WPIPE__PASSES;
    link->generation = wpipe__os_generation();
    atomic_init(&link->waiting.watch, WPIPE__NO_HANDLE);
    wpipe__waiters_init(&link->waiting.waiters);
    wpipe__spin_record_init(&link->waiting.spin);
    return wpipe__mutex_init(&link->lock);
}

void wpipe__link_done(struct wpipe__link *link)
{
    const int own = link->generation == wpipe__os_generation();

    wpipe__waiters_done(&link->waiting.waiters);
    /* a copy in a forked child is not the last one */
    wpipe__os_close_socket(link->socket,
                           own ? link->passing : WPIPE__PASSES_NOTHING);
    link->socket = WPIPE__NO_HANDLE;
    if (own)
        wpipe__mutex_done(&link->lock);
    /* else a forked child: a thread of its parent may hold it */
}

int wpipe__link_hold_peer(struct wpipe__link *link, const wpipe_peer *ret,
                          struct wpipe__link_peer *ret_peer)
{
    /* a thread of a forked child's parent may hold the lock */
    const int own = link->generation == wpipe__os_generation();

    if (ret->size < sizeof ret->size || ret->size > sizeof ret_peer->peer)
        return WPIPE_EINVAL;
    ret_peer->peer = link->peer;
    if (own)
        wpipe__mutex_lock(&link->lock); /* a writer may close the handle */
    wpipe__os_hold_peer(link->socket, &link->peer, &ret_peer->held);
    if (own)
        wpipe__mutex_unlock(&link->lock);
    return 0;
}

void wpipe__link_name_peer(struct wpipe__link_peer *peer, wpipe_peer *ret)
{
    wpipe__os_name_held(&peer->held, &peer->peer);
    peer->peer.size = ret->size;
    memcpy(ret, &peer->peer, ret->size);
}

int wpipe__link_peer(struct wpipe__link *link, wpipe_peer *ret)
{
    struct wpipe__link_peer peer;
    int r = wpipe__link_hold_peer(link, ret, &peer);

    if (r == 0)
        wpipe__link_name_peer(&peer, ret);
    return r;
}

/* For a foreign event loop. Safe in a signal handler. */
static void set_watch(struct wpipe__waiting *w)
{
    wpipe__handle watch = atomic_load(&w->watch);

    if (watch != WPIPE__NO_HANDLE)
        wpipe__os_flag_set(watch);
}

void wpipe__link_notify(struct wpipe__link *link)
{
    wpipe__waiters_news(&link->waiting.waiters);
    set_watch(&link->waiting);
}

void wpipe__link_wake(struct wpipe__link *link)
{
    wpipe__waiters_wake(&link->waiting.waiters);
    set_watch(&link->waiting);
}

/* ---- who wants what; link locked ----------------------------------------- */

static unsigned union_of_wants(const struct wpipe__waiting *w)
{
    unsigned mask = 0;
    unsigned i;

    for (i = 0; i < WPIPE__ARRAY_SIZE(w->users); i++)
        if (w->users[i] > 0)
            mask |= 1u << i;
    return mask;
}

static void count(struct wpipe__waiting *w, unsigned mask, int in)
{
    unsigned i;

    atomic_fetch_add(&w->wait_count, in ? 1u : UINT32_MAX);
    for (i = 0; i < WPIPE__ARRAY_SIZE(w->users); i++)
        if (mask & 1u << i)
            w->users[i] += in ? 1u : UINT32_MAX;
}

/* Say what we want under a fresh epoch; look after it. A leader that polls for
 * less is told to poll anew. */
static void arm(struct wpipe__link *link)
{
    struct wpipe__waiting *w = &link->waiting;

    link->transport->arm(link, union_of_wants(w));
    if (w->leading && (link->transport->interest(link) & ~w->interest))
        wpipe__waiters_news(&w->waiters);
}

/* ---- one wait ------------------------------------------------------------ */

struct wait {
    struct wpipe__link *link;
    unsigned mask;
    int (*ready)(void *user);
    void *user;
    uint64_t deadline;
    uint32_t wakes; /* noted at the beginning */
};

static int was_woken(const struct wait *w)
{
    return wpipe__waiters_woken(&w->link->waiting.waiters, w->wakes);
}

/* Ready, woken, or neither. */
static int look(const struct wait *w)
{
    int r = w->ready(w->user);

    return r == 0 && was_woken(w) ? WPIPE_EWOKEN : r;
}

/* Let the peer write on undisturbed for a moment: each look at a line that it
 * writes costs it more than the message. */
static void pause_for_batch(void)
{
    int i;

    for (i = 0; i < BATCH_PAUSES; i++)
        wpipe__os_pause();
}

/* How to stay awake here: WPIPE__SPIN_*. */
static unsigned how_to_spin(const struct wait *w)
{
    const struct wpipe__transport *t = w->link->transport;
    int in_memory = t->in_memory(w->link, w->mask);
    unsigned how = 0;

    if (in_memory)
        how |= WPIPE__SPIN_MEMORY;
    if (t->same_core(w->link))
        how |= WPIPE__SPIN_SAME_CORE;
    else if (in_memory == 2)
        pause_for_batch();
    return how;
}

/* Stay awake as long as that is likely to pay. What look said, or 0. */
static int wait_awake(struct wait *w)
{
    struct wpipe__link *link = w->link;
    struct wpipe__spin_record *record = &link->waiting.spin;
    struct wpipe__spin spin = { 0 };
    unsigned how;
    int r = 0;

    if (link->spin_ns == 0)
        return 0;
    how = how_to_spin(w);
    while (r == 0 &&
           wpipe__spin_more(&spin, record, link->spin_ns, w->deadline, how))
        r = look(w);
    if (r != 0)
        wpipe__spin_paid(&spin, record);
    return r;
}

/* ---- asleep -------------------------------------------------------------- */

/* As the leader: poll the socket for all, and take off it what came. Link
 * locked, also after. 0 or < 0. */
static int lead(struct wait *w, uint32_t turn)
{
    struct wpipe__link *link = w->link;
    struct wpipe__waiting *waiting = &link->waiting;
    uint64_t deadline = w->deadline;
    int ready = 0;

    if (wpipe__waiters_need_flag(&waiting->waiters) < 0)
        deadline = wpipe__min_u64(deadline, wpipe__os_deadline(NO_FLAG_MS));
    waiting->leading = 1;
    waiting->interest = link->transport->interest(link);
    wpipe__mutex_unlock(&link->lock);
    if (wpipe__waiters_fall_asleep(&waiting->waiters, turn)) {
        ready =
            wpipe__os_wait_for(link->socket, waiting->interest,
                               atomic_load(&waiting->waiters.flag), deadline);
        wpipe__waiters_awake(&waiting->waiters);
    }
    if (ready > 0 && (ready & 2))
        wpipe__waiters_clear(&waiting->waiters);
    if (ready > 0 && (ready & 1))
        (void)link->transport->pump(link);
    wpipe__mutex_lock(&link->lock);
    waiting->leading = 0;
    /* the next one leads, if we leave */
    wpipe__waiters_news(&waiting->waiters);
    return ready < 0 ? ready : 0;
}

/* Sleep once, unless there was news since `turn`. 0 or < 0. */
static int sleep_once(struct wait *w, uint32_t turn)
{
    struct wpipe__waiting *waiting = &w->link->waiting;
    int follows;
    int r = 0;

    wpipe__mutex_lock(&w->link->lock);
    follows = waiting->leading;
    if (!follows)
        r = lead(w, turn);
    wpipe__mutex_unlock(&w->link->lock);
    if (follows)
        r = wpipe__waiters_follow(&waiting->waiters, turn, w->deadline);
    return r == WPIPE_ETIMEDOUT ? 0 : r; /* a last look */
}

/* Arm, look, sleep, until it is ready or over. */
static int wait_asleep(struct wait *w)
{
    struct wpipe__link *link = w->link;
    struct wpipe__waiters *waiters = &link->waiting.waiters;
    uint32_t turn;
    int r;

    for (;;) {
        turn = wpipe__waiters_turn(waiters);
        wpipe__mutex_lock(&link->lock);
        arm(link);
        wpipe__mutex_unlock(&link->lock);
        r = look(w);
        if (r != 0)
            return r;
        if (w->deadline != UINT64_MAX && wpipe__os_now() >= w->deadline)
            return WPIPE_ETIMEDOUT;
        r = sleep_once(w, turn);
        if (r < 0 && (r != WPIPE_EWOKEN || link->signals))
            return r;
    }
}

/* Nothing is in memory, and we may not wait. A peer that died tells through the
 * socket alone: look at it now and then. */
static int look_at_socket(struct wait *w)
{
    struct wpipe__link *link = w->link;
    struct wpipe__waiting *waiting = &link->waiting;
    uint64_t now;
    int r;

    if (!link->transport->in_memory(link, w->mask))
        return WPIPE_ETIMEDOUT;
    now = wpipe__os_now();
    if (now - atomic_load_explicit(&waiting->asked, memory_order_relaxed) <
        ASK_AFTER_NS)
        return WPIPE_ETIMEDOUT;
    atomic_store_explicit(&waiting->asked, now, memory_order_relaxed);
    (void)link->transport->pump(link);
    r = w->ready(w->user);
    return r == 0 ? WPIPE_ETIMEDOUT : r;
}

/* As one of those who wait. */
static int join(struct wait *w)
{
    struct wpipe__link *link = w->link;
    struct wpipe__waiting *waiting = &link->waiting;
    int r;

    wpipe__mutex_lock(&link->lock);
    count(waiting, w->mask, 1);
    wpipe__mutex_unlock(&link->lock);
    r = wait_asleep(w);
    wpipe__mutex_lock(&link->lock);
    count(waiting, w->mask, 0);
    if (atomic_load(&waiting->wait_count) == 0) {
        link->transport->arm(link, union_of_wants(waiting));
        set_watch(waiting); /* look again: a new epoch */
    }
    wpipe__mutex_unlock(&link->lock);
    return r;
}

int wpipe__link_wait(struct wpipe__link *link, unsigned mask,
                     int (*ready)(void *user), void *user,
                     struct wpipe__timer *timer)
{
    struct wpipe__waiting *waiting = &link->waiting;
    struct wait w = {
        .link = link, .mask = mask, .ready = ready, .user = user
    };
    int r;

    w.wakes = wpipe__waiters_wakes(&waiting->waiters);
    r = look(&w);
    if (r != 0)
        return r;
    if (timer->timeout_ms == 0)
        return look_at_socket(&w);
    w.deadline = wpipe__timer_deadline(timer);
    r = wait_awake(&w);
    if (r == 0)
        r = join(&w);
    wpipe__log_tell(link->log);
    return r;
}

void wpipe__link_watch(struct wpipe__link *link, wpipe__handle watch)
{
    wpipe__mutex_lock(&link->lock);
    atomic_store(&link->waiting.watch, watch);
    link->waiting.users[0]++; /* DATA, for good */
    wpipe__mutex_unlock(&link->lock);
}

void wpipe__link_arm(struct wpipe__link *link)
{
    wpipe__mutex_lock(&link->lock);
    link->transport->arm(link, union_of_wants(&link->waiting));
    wpipe__mutex_unlock(&link->lock);
}
