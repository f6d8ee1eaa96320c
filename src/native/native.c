/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native link: making one, its end, and its table of functions. Called by
 * servers, clients and streams through link/link.h.
 */
#include "native/native.h"

#include <windpipe/error.h>

#include "base/base.h"
#include "base/memory.h"
#include "base/options.h"

/* ---- the table ----------------------------------------------------------- */

static uint64_t native_unread(struct wpipe__link *link)
{
    struct wpipe__native *n = wpipe__native(link);
    uint64_t consumed;
    uint64_t unread;

    wpipe__mutex_lock(&link->lock);
    consumed = atomic_load_explicit(&n->theirs->consumed, memory_order_relaxed);
    unread = n->sent - consumed;
    wpipe__mutex_unlock(&link->lock);
    return consumed > n->sent ? 0 : unread;
}

static int native_pump(struct wpipe__link *link)
{
    int r;

    wpipe__mutex_lock(&link->lock);
    r = wpipe__native_pump(wpipe__native(link));
    wpipe__mutex_unlock(&link->lock);
    return r;
}

static int native_gone(struct wpipe__link *link)
{
    return wpipe__native_end(wpipe__native(link), 1);
}

static int native_dropped(struct wpipe__link *link)
{
    struct wpipe__native *n = wpipe__native(link);

    return atomic_load_explicit(&n->theirs->state, memory_order_relaxed) ==
           WPIPE__STATE_DROPPED;
}

static size_t native_holds(struct wpipe__link *link)
{
    struct wpipe__native *n = wpipe__native(link);

    return wpipe__queue_holds(&n->queue) + wpipe__buffer_holds(&n->partial);
}

static unsigned native_interest(struct wpipe__link *link)
{
    (void)link;
    return WPIPE__INTEREST_IN;
}

static void native_arm(struct wpipe__link *link, unsigned mask)
{
    struct wpipe__native *n = wpipe__native(link);
    unsigned waits = mask & (WPIPE__WANT_ROOM | WPIPE__WANT_DRAINED);

    if (mask)
        n->epoch++;
    atomic_store_explicit(&n->mine->want, n->epoch << 8 | mask,
                          memory_order_relaxed);
    if (!mask)
        return;
    if (mask & WPIPE__WANT_DATA)
        (void)wpipe__native_same_core(link); /* it tells ours */
    /* pairs with the fence in wpipe__native_ring */
    atomic_thread_fence(memory_order_seq_cst);
    /* or, when the peer leaves that out, makes it pass one now */
    if (atomic_load_explicit(&n->theirs->fenceless, memory_order_relaxed) ||
        (waits && n->their_features & WPIPE__FEATURE_BARRIER))
        (void)wpipe__os_barrier();
    if (wpipe__in_shared(n))
        wpipe__native_ring_asleep(n);
    if (waits && !wpipe__out_shared(n) && !n->want_sent && !n->left) {
        n->want_sent = 1;
        (void)wpipe__native_say(n, WPIPE__FRAME_WANT, n->epoch << 8 | waits);
    }
}

static int native_in_memory(struct wpipe__link *link, unsigned mask)
{
    struct wpipe__native *n = wpipe__native(link);

    if (mask & WPIPE__WANT_DATA)
        return wpipe__in_shared(n) ? 1 + wpipe__native_streams(n) : 0;
    return mask != 0 && wpipe__out_shared(n);
}

int wpipe__native_same_core(struct wpipe__link *link)
{
    struct wpipe__native *n = wpipe__native(link);
    struct wpipe__control *mine = n->mine;
    uint32_t core = (uint32_t)wpipe__os_core() + 1;

    if (atomic_load_explicit(&mine->core, memory_order_relaxed) != core)
        atomic_store_explicit(&mine->core, core, memory_order_relaxed);
    return atomic_load_explicit(&n->theirs->core, memory_order_relaxed) == core;
}

static int native_shared(struct wpipe__link *link)
{
    struct wpipe__native *n = wpipe__native(link);
    int shared;

    wpipe__mutex_lock(&link->lock);
    if (!n->left)
        (void)wpipe__native_pump(n); /* the peer's MOVED may wait there */
    shared = wpipe__out_shared(n) ? 1 + n->peer_moved : 0;
    if (shared == 0 && !n->willing && n->greeted == WPIPE__GREET_DONE)
        shared = WPIPE_ENOTSUP; /* and it will not change */
    wpipe__mutex_unlock(&link->lock);
    return shared;
}

static void native_leave(struct wpipe__link *link, uint32_t state)
{
    struct wpipe__native *n = wpipe__native(link);
    int gone; /* then nobody is there to be told */
    int told = 0;

    wpipe__mutex_lock(&link->lock);
    gone = wpipe__native_end(n, 1) < 0;
    if (!n->left && !atomic_load(&n->over)) {
        /* pairs with the acquire load in wpipe__native_end: what we wrote
         * before is seen by whoever sees the state */
        atomic_store_explicit(&n->mine->state, state, memory_order_release);
        if (!gone && !(wpipe__out_shared(n) && n->peer_moved))
            told = wpipe__native_farewell(n, state);
    }
    n->left = 1;
    /* who closes frees next; the peer knows, and our copies in forked children
     * do not matter to it */
    if (!gone && !(told && state != WPIPE__STATE_DISCONNECTED))
        wpipe__os_shutdown(link->socket);
    wpipe__link_notify(link);
    wpipe__mutex_unlock(&link->lock);
}

static void native_free(struct wpipe__link *link)
{
    struct wpipe__native *n;
    int own;

    if (link == NULL)
        return;
    n = wpipe__native(link);
    own = link->generation == wpipe__os_generation();
    wpipe__os_discard(n->passed);
    wpipe__os_discard(n->unmapped);
    wpipe__buffer_done(&n->partial);
    wpipe__buffer_done(&n->facts);
    wpipe__queue_done(&n->queue);
    wpipe__free(n->scratch);
    /* a forked child has no such mappings */
    if (own) {
        if (n->offered)
            wpipe__os_segment_unmap(n->mine, WPIPE__SEGMENT_MIN);
        wpipe__os_segment_unmap(n->their_segment,
                                WPIPE__CONTROL_SIZE + n->their_ring);
        wpipe__native_ungrow(n);
    }
    wpipe__free(n->local);
    wpipe__link_done(link);
    wpipe__free(n);
}

static const struct wpipe__transport native_transport = {
    .name = "native",
    .look = wpipe__native_look,
    .scan = wpipe__native_scan,
    .take = wpipe__native_take,
    .fetch = wpipe__native_fetch,
    .room = wpipe__native_room,
    .put = wpipe__native_put,
    .put_whole = wpipe__native_put_whole,
    .wake_peer = wpipe__native_wake_peer,
    .reserve = wpipe__native_reserve,
    .commit = wpipe__native_commit,
    .cancel = wpipe__native_cancel,
    .mark = wpipe__native_mark,
    .fragment = wpipe__native_fragment,
    .most = wpipe__native_most,
    .drained = wpipe__native_drained,
    .unread = native_unread,
    .gone = native_gone,
    .dropped = native_dropped,
    .holds = native_holds,
    .interest = native_interest,
    .pump = native_pump,
    .arm = native_arm,
    .in_memory = native_in_memory,
    .same_core = wpipe__native_same_core,
    .shared = native_shared,
    .leave = native_leave,
    .free = native_free,
};

/* ---- making one ---------------------------------------------------------- */

static void greeting_from(const wpipe_options *o, struct wpipe__greeting *g)
{
    g->version_low = WPIPE__WIRE_VERSION;
    g->version_high = WPIPE__WIRE_VERSION;
    g->flags = o->shared_memory == WPIPE_SHARED_NEVER ? 0 : WPIPE__GREET_SHARED;
    if (o->shared_memory == WPIPE_SHARED_NOW ||
        o->shared_memory == WPIPE_SHARED_REQUIRED)
        g->flags |= WPIPE__GREET_NOW;
    g->type = (uint16_t)o->type;
    g->direction = (uint16_t)o->direction;
    g->buffer_in = o->buffer_in == 0 ? WPIPE__BUFFER_MAX : o->buffer_in;
    g->buffer_out = o->buffer_out;
    g->max_message = o->max_message;
}

static int make(wpipe__handle socket, const wpipe_options *options,
                struct wpipe__native **ret)
{
    struct wpipe__native *n = wpipe__alloc(sizeof *n);
    struct wpipe__control *local = wpipe__alloc(2 * sizeof *local);
    int r = WPIPE_ENOMEM;

    if (n == NULL || local == NULL)
        goto fail;
    r = wpipe__link_init(&n->link, &native_transport, socket);
    if (r < 0)
        goto fail;
    n->local = local;
    n->mine = &local[0];
    n->theirs = &local[1];
    n->passed = WPIPE__NO_HANDLE;
    n->unmapped = WPIPE__NO_HANDLE;
    n->wants_shared = options->shared_memory;
    n->window = WPIPE__WINDOW_MIN - WPIPE__WINDOW_RESERVE;
    n->link.spin_ns = (uint32_t)options->spin_us * 1000u;
    n->link.signals = (options->flags & WPIPE_WAIT_SIGNALS) != 0;
    n->link.terms.type = options->type;
    n->link.terms.direction = options->direction;
    n->link.terms.max_in = options->max_message;
    n->link.terms.max_out = UINT64_MAX; /* until the greeting tells */
    greeting_from(options, &n->ours);
    n->link.peer.size = sizeof n->link.peer;
    *ret = n;
    return 0;
fail:
    wpipe__free(local);
    wpipe__free(n);
    wpipe__os_close_unknown(socket, wpipe__os_generation());
    return r;
}

/* Who is it? With another user we share no memory, since we would have to take
 * a descriptor for it, unless the options trust him. */
static int meet(struct wpipe__native *n, const wpipe_options *options)
{
    struct wpipe__link *link = &n->link;
    int r = wpipe__os_peer(link->socket, &link->peer);

    if (r < 0)
        return r;
    link->own_user = link->peer.uid == wpipe__os_uid();
    n->trusted = (options->flags & WPIPE_TRUST_PEER) != 0 || link->own_user ||
                 link->peer.uid == 0;
    if (n->trusted) {
        link->passing = WPIPE__PASSES_DUE;
    } else {
        n->ours.flags &= ~(uint32_t)(WPIPE__GREET_SHARED | WPIPE__GREET_NOW);
        link->passing = wpipe__os_refuse_passing(link->socket);
    }
    return 0;
}

int wpipe__native_dial(wpipe__handle socket, const wpipe_options *options,
                       int wait, int query, struct wpipe__link **ret_link)
{
    struct wpipe__native *n = NULL;
    /* else it is our own user's or root's, and there is time for that when
     * the server has got our hello */
    const int first = (options->flags & WPIPE_CHECK_UID) != 0;
    int r = make(socket, options, &n);

    if (r < 0)
        return r;
    /* until the verdict: what is kept whole suits both types */
    n->link.terms.type = WPIPE_MESSAGE;
    atomic_store(&n->link.undecided, options->type != WPIPE_MESSAGE);
    n->ours.code = query ? WPIPE__GREET_QUERY : WPIPE__GREET_CONNECT;
    if (wait)
        n->ours.flags |= WPIPE__GREET_WAIT;
    wpipe__mutex_lock(&n->link.lock);
    if (first)
        r = meet(n, options);
    if (r == 0)
        r = wpipe__native_greet(n, WPIPE__FRAME_HELLO);
    if (r == 0 && !first)
        r = meet(n, options);
    if (r == 0)
        r = wpipe__native_need_buffer(n); /* it may write before the verdict */
    wpipe__mutex_unlock(&n->link.lock);
    if (r < 0) {
        native_free(&n->link);
        return r;
    }
    *ret_link = &n->link;
    return 0;
}

int wpipe__native_accept(wpipe__handle socket, const wpipe_options *options,
                         struct wpipe__link **ret_link)
{
    struct wpipe__native *n = NULL;
    int r = make(socket, options, &n);

    if (r < 0)
        return r;
    r = meet(n, options);
    if (r < 0) {
        native_free(&n->link);
        return r;
    }
    n->server_end = 1;
    *ret_link = &n->link;
    return 0;
}
