/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners: the server's end of streams. A thin layer over the acceptor that
 * waits. Clients are let in one at a time, when accept asks for one; until
 * then they wait without the server's word.
 */
#include <windpipe/stream.h>

#include "base/memory.h"
#include "base/options.h"
#include "base/ring.h"
#include "connect/acceptor.h"
#include "connect/facts.h"
#include "connect/refusals.h"
#include "link/log.h"
#include "stream/stream.h"

enum {
    TAG_WAKE = 1,
    TAG_SLOT = 2,
    TAG_ACCEPTOR = 3,
    TAG_DOOR = 4,
    TAG_ALARM = 5,
    TAGS = 5
};

struct wpipe_listener {
    struct wpipe__acceptor acceptor;
    wpipe_options options;
    uint32_t generation;
    wpipe__handle poller;
    struct wpipe__waiters waiters; /* its flag is in the poller */
    wpipe__handle
        slot; /* a slot is free again; also: look at those that greeted */
    wpipe__handle alarm; /* once the descriptor was asked for: readable at... */
    uint64_t due;        /* when the acceptor has something to do */
    struct wpipe__spin_record spin;
    struct wpipe__link *link; /* just let in */
    struct wpipe__log *log;   /* NULL without a hook: for refusals */
    struct wpipe__refusals refusals;
};

/* What a stream gives back when it is closed, after the listener maybe. */
struct slot {
    struct wpipe__slots *slots;
    uint32_t uid;
};

/* ---- the acceptor's owner ----------------------------------------------- */

static struct wpipe_listener *listener_of(struct wpipe__acceptor *a)
{
    return wpipe__container_of(a, struct wpipe_listener, acceptor);
}

static void on_admitted(struct wpipe__acceptor *a, struct wpipe__link *link)
{
    listener_of(a)->link = link;
}

static void on_refused(struct wpipe__acceptor *a,
                       const struct wpipe__refusal *why)
{
    (void)wpipe__refusals_add(&listener_of(a)->refusals, why, wpipe__os_now());
}

static int on_describe(struct wpipe__acceptor *a, struct wpipe__buffer *ret)
{
    wpipe_pipe_facts facts = { .size = sizeof(facts) };

    facts.type = a->options.type;
    facts.access = a->options.access;
    facts.clients = wpipe__slots_taken(a->slots);
    facts.max_clients = a->options.max_clients;
    facts.total_clients = a->total;
    facts.refused = a->refused;
    return wpipe__facts_begin(ret, &facts);
}

static const struct wpipe__acceptor_owner owner = {
    .admitted = on_admitted,
    .refused = on_refused,
    .describe = on_describe,
};

/* ---- open and close ----------------------------------------------------- */

static int open_poller(struct wpipe_listener *l)
{
    int r = wpipe__os_poller_open(&l->poller);

    if (r >= 0)
        r = wpipe__waiters_need_flag(&l->waiters);
    if (r >= 0)
        r = wpipe__os_flag_open(&l->slot);
    if (r >= 0)
        r = wpipe__os_poller_add(l->poller, atomic_load(&l->waiters.flag),
                                 TAG_WAKE);
    if (r >= 0)
        r = wpipe__os_poller_add(l->poller, l->slot, TAG_SLOT);
    return r;
}

int wpipe_listen(wpipe_listener **ret, const char *name,
                 const wpipe_options *options)
{
    struct wpipe_listener *l;
    wpipe_options o;
    int r;

    if (ret == NULL)
        return WPIPE_EINVAL;
    r = wpipe__options_take(options, &o);
    if (r < 0)
        return r;
    if (o.type == WPIPE_DEFAULT_TYPE)
        o.type = WPIPE_BYTE;
    l = wpipe__alloc(sizeof(*l));
    if (l == NULL)
        return WPIPE_ENOMEM;
    wpipe__acceptor_init(&l->acceptor);
    l->poller = WPIPE__NO_HANDLE;
    wpipe__waiters_init(&l->waiters);
    l->slot = WPIPE__NO_HANDLE;
    l->alarm = WPIPE__NO_HANDLE;
    l->due = UINT64_MAX;
    l->generation = wpipe__os_generation();
    r = wpipe__log_open(&o, &l->log);
    if (r < 0)
        goto fail;
    r = open_poller(l);
    if (r < 0) {
        wpipe__options_explain(&o, "cannot listen: %s", wpipe__os_error_text());
        goto fail;
    }
    r = wpipe__acceptor_open(&l->acceptor, &owner, name, &o, l->slot);
    if (r < 0)
        goto fail;
    r = wpipe__acceptor_join_apart(&l->acceptor, l->poller, TAG_ACCEPTOR,
                                   TAG_DOOR);
    if (r < 0)
        goto fail;
    l->due = wpipe__acceptor_until(&l->acceptor);
    o.error_text = NULL; /* the caller's buffer is for this call only */
    o.error_text_size = 0;
    l->options = o;
    *ret = l;
    return 0;

fail:
    wpipe_listener_close(l);
    return r;
}

/* The log is told what is due at `now`. */
static void tell_refusals(struct wpipe_listener *l, uint64_t now)
{
    struct wpipe__refusal why;
    uint64_t count;

    while (wpipe__refusals_next(&l->refusals, now, &why, &count))
        wpipe__log_refused(l->log, why.reason, why.error, count);
    wpipe__log_tell(l->log);
}

void wpipe_listener_close(wpipe_listener *listener)
{
    if (listener == NULL)
        return;
    if (listener->generation == wpipe__os_generation())
        tell_refusals(listener, UINT64_MAX);
    wpipe__acceptor_close(&listener->acceptor);
    wpipe__os_close(listener->poller);
    wpipe__waiters_done(&listener->waiters);
    wpipe__os_close(listener->slot);
    wpipe__os_close(listener->alarm);
    wpipe__log_close(listener->log);
    wpipe__free(listener);
}

/* ---- accept ------------------------------------------------------------- */

static void on_stream_closed(void *user)
{
    struct slot *slot = user;

    wpipe__slots_give(slot->slots, slot->uid);
    wpipe__free(slot);
}

/* The link that was let in becomes a stream. */
static int make_stream(struct wpipe_listener *l, struct wpipe_stream **ret)
{
    struct wpipe__link *link = l->link;
    struct slot *slot = wpipe__alloc(sizeof(*slot));
    uint32_t uid = link->peer.uid;
    int r = WPIPE_ENOMEM;

    l->link = NULL;
    if (slot == NULL) {
        link->transport->leave(link, WPIPE__STATE_DISCONNECTED);
        link->transport->free(link);
    } else {
        r = wpipe__stream_make(link, &l->options, 1, ret);
    }
    if (r < 0) {
        wpipe__free(slot);
        wpipe__slots_give(l->acceptor.slots, uid);
        return r;
    }
    slot->slots = l->acceptor.slots;
    slot->uid = uid;
    wpipe__stream_on_close(*ret, on_stream_closed, slot);
    return 0;
}

/* The acceptor's turn; who only polls is told of its deadlines, too. */
static void take_turn(struct wpipe_listener *l)
{
    uint64_t due;

    wpipe__acceptor_turn(&l->acceptor, 1);
    if (l->refusals.waiting > 0)
        tell_refusals(l, wpipe__os_now());
    due = wpipe__acceptor_until(&l->acceptor);
    if (due == l->due)
        return;
    l->due = due;
    if (l->alarm != WPIPE__NO_HANDLE)
        wpipe__os_timer_set(l->alarm, due);
}

/* Sleep in the poller, unless there was news since `turn`. */
static int sleep_in_poller(struct wpipe_listener *l, uint32_t turn,
                           uint64_t deadline, uint64_t tags[TAGS])
{
    uint64_t until =
        wpipe__min_u64(deadline, wpipe__acceptor_until(&l->acceptor));
    int n;

    if (!wpipe__waiters_fall_asleep(&l->waiters, turn))
        return 0;
    n = wpipe__os_poller_wait(l->poller, tags, TAGS, until);
    wpipe__waiters_awake(&l->waiters);
    return n;
}

/* What is to be done; waits for it, awake for a while and then asleep. */
static int ask_poller(struct wpipe_listener *l, uint32_t turn,
                      uint64_t deadline, uint64_t tags[TAGS])
{
    uint32_t spin_ns = deadline == 0 ? 0 : (uint32_t)l->options.spin_us * 1000u;
    struct wpipe__spin spin = { 0 };
    int n = 0;

    while (n == 0 && wpipe__spin_more(&spin, &l->spin, spin_ns, deadline, 0))
        n = wpipe__os_poller_wait(l->poller, tags, TAGS, 0);
    if (n > 0)
        wpipe__spin_paid(&spin, &l->spin);
    return n != 0 ? n : sleep_in_poller(l, turn, deadline, tags);
}

/* Sleep until something is to be done: 0 or more. `wakes` were noted when the
 * wait began. WPIPE_EWOKEN; WPIPE_ETIMEDOUT, with something to be done all the
 * same, maybe. */
static int sleep_once(struct wpipe_listener *l, uint32_t wakes,
                      uint64_t deadline)
{
    uint32_t turn = wpipe__waiters_turn(&l->waiters);
    uint64_t tags[TAGS];
    int n;
    int i;

    if (wpipe__waiters_woken(&l->waiters, wakes))
        return WPIPE_EWOKEN;
    n = ask_poller(l, turn, deadline, tags);
    if (n == WPIPE_EWOKEN && !(l->options.flags & WPIPE_WAIT_SIGNALS))
        return 0;
    if (n < 0)
        return n;
    for (i = 0; i < n; i++) {
        if (tags[i] == TAG_DOOR)
            l->acceptor.dialled = 1;
        else if (tags[i] == TAG_WAKE)
            wpipe__waiters_clear(&l->waiters);
        else if (tags[i] == TAG_SLOT)
            (void)wpipe__os_flag_clear(l->slot);
    }
    if (wpipe__waiters_woken(&l->waiters, wakes))
        return WPIPE_EWOKEN;
    return wpipe__os_left_ms(deadline) == 0 ? WPIPE_ETIMEDOUT : n;
}

/* All slots taken: what accept says when it may not wait for one. */
static int nothing_there(struct wpipe_listener *l, int timeout_ms)
{
    uint32_t taken = wpipe__slots_taken(l->acceptor.slots);

    return timeout_ms == 0 && taken >= l->options.max_clients ? WPIPE_EAGAIN
                                                              : WPIPE_ETIMEDOUT;
}

/* The system refuses a call that it takes to accept anybody. */
static int take_error(struct wpipe_listener *l)
{
    l->acceptor.error = 0;
    return WPIPE_ESYSTEM;
}

int wpipe_accept(wpipe_listener *listener, wpipe_stream **ret, int timeout_ms)
{
    uint64_t deadline;
    uint32_t wakes;
    int late = 0;
    int r;

    if (listener == NULL || ret == NULL || !wpipe__is_timeout(timeout_ms))
        return WPIPE_EINVAL;
    if (listener->generation != wpipe__os_generation())
        return WPIPE_ESTATE;
    wakes = wpipe__waiters_wakes(&listener->waiters);
    if (wpipe__waiters_woken(&listener->waiters, wakes))
        return WPIPE_EWOKEN;
    deadline = wpipe__os_deadline(timeout_ms);
    for (;;) {
        take_turn(listener);
        if (listener->link != NULL)
            break;
        if (listener->acceptor.error < 0)
            return take_error(listener);
        if (late > 1)
            return nothing_there(listener, timeout_ms);
        r = sleep_once(listener, wakes, deadline);
        if (r == WPIPE_ETIMEDOUT)
            late++;
        else if (r < 0)
            return r;
    }
    r = make_stream(listener, ret);
    if (wpipe__acceptor_waiting(&listener->acceptor) > 0)
        wpipe__os_flag_set(listener->slot); /* for who polls the descriptor */
    return r;
}

/* ---- the rest ----------------------------------------------------------- */

const char *wpipe_listener_name(const wpipe_listener *listener)
{
    return listener == NULL ? NULL : listener->acceptor.door.name;
}

/* From now on the poller is readable also when the acceptor has something to
 * do. 0 or < 0. */
static int be_polled(struct wpipe_listener *l)
{
    int r = wpipe__os_timer_open(&l->alarm);

    if (r == 0)
        r = wpipe__os_poller_add(l->poller, l->alarm, TAG_ALARM);
    if (r < 0) {
        wpipe__os_close(l->alarm);
        l->alarm = WPIPE__NO_HANDLE;
        return r;
    }
    wpipe__os_timer_set(l->alarm, l->due);
    wpipe__waiters_watch(&l->waiters);
    if (wpipe__waiters_owes_wake(&l->waiters))
        wpipe__waiters_ring(&l->waiters); /* it came before */
    return 0;
}

intptr_t wpipe_listener_fd(wpipe_listener *listener)
{
    int r = 0;

    if (listener == NULL)
        return WPIPE_EINVAL;
    if (listener->generation != wpipe__os_generation())
        return WPIPE_ESTATE;
    if (listener->alarm == WPIPE__NO_HANDLE)
        r = be_polled(listener);
    return r < 0 ? r : listener->poller;
}

void wpipe_listener_wake(wpipe_listener *listener)
{
    if (listener == NULL || listener->generation != wpipe__os_generation())
        return;
    wpipe__waiters_wake(&listener->waiters);
}
