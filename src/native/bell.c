/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bells of the native link: waking the peer when it sleeps for what was just
 * done. The fence between an index
 * and the look at the peer's `want` stands here (wait.c has the other half).
 */
#include "native/native.h"

#include <windpipe/error.h>

#include "base/base.h"

/* Records one way, and none the other, that make a stream of it. */
#define STREAMING_WRITER 16
#define STREAMING_READER 4

/* 0; < 0: it was refused for good, and the link has to end, since nobody else
 * rings for that sleep. Without room in the socket there is something unread,
 * which wakes the peer as well. */
static int bell(struct wpipe__native *n)
{
    uint8_t byte = WPIPE__FRAME_BELL;
    wpipe_piece piece = { &byte, 1 };
    int64_t sent = wpipe__native_push(n, &piece, 1);

    if (sent == WPIPE_EPIPE) {
        atomic_store(&n->hung_up, 1);
        wpipe__link_notify(&n->link);
    }
    return sent >= 0 || sent == WPIPE_EPIPE || sent == WPIPE_EAGAIN
               ? 0
               : wpipe__native_refusal(sent);
}

static void bell_locked(struct wpipe__native *n)
{
    int r = bell(n);

    if (r < 0)
        wpipe__native_break(n, r);
}

/* Where no frames go that could be torn apart. */
static void bell_unlocked(struct wpipe__native *n)
{
    int r = bell(n);

    if (r == 0)
        return;
    wpipe__mutex_lock(&n->link.lock);
    wpipe__native_break(n, r);
    wpipe__mutex_unlock(&n->link.lock);
}

/* Has nobody rung for the sleep that the peer wants this for? `rung` only
 * grows: a thread that was held up after its look must not ring for an old
 * sleep. */
static __attribute__((noinline)) int is_first(struct wpipe__native *n,
                                              uint64_t want)
{
    uint64_t rung = atomic_load_explicit(&n->rung, memory_order_relaxed);

    do
        if (want >> 8 <= rung)
            return 0;
    while (!atomic_compare_exchange_weak_explicit(&n->rung, &rung, want >> 8,
                                                  memory_order_relaxed,
                                                  memory_order_relaxed));
    return 1;
}

/* Does the peer sleep for one of `mask`, and has nobody rung for that sleep?
 * Then it is the caller who does. */
static inline int owes_bell(struct wpipe__native *n, unsigned mask)
{
    uint64_t want =
        atomic_load_explicit(&n->theirs->want, memory_order_relaxed);

    return (want & mask) && is_first(n, want);
}

static __attribute__((noinline)) void ring_owed(struct wpipe__native *n)
{
    if (wpipe__all_shared(n)) {
        bell_unlocked(n);
        return;
    }
    /* frames of another thread must not be torn apart */
    wpipe__mutex_lock(&n->link.lock);
    bell_locked(n);
    wpipe__mutex_unlock(&n->link.lock);
}

static inline void ring_unfenced(struct wpipe__native *n, unsigned mask)
{
    if (owes_bell(n, mask))
        ring_owed(n);
}

void wpipe__native_ring_asleep(struct wpipe__native *n)
{
    if (owes_bell(n, WPIPE__WANT_ROOM | WPIPE__WANT_DRAINED))
        bell_locked(n);
}

void wpipe__native_ring(struct wpipe__native *n, unsigned mask)
{
    /* pairs with the fence in arm: either we see its want or it sees our
     * index */
    atomic_thread_fence(memory_order_seq_cst);
    ring_unfenced(n, mask);
}

/*
 * The fence costs more than a small message, so it is left out where the
 * sleeper can make us pass one (membarrier; both ends say so). One who waits
 * for room or for a drain always does: that is rare, and reading is not.
 */
void wpipe__native_ring_writer(struct wpipe__native *n)
{
    const unsigned mask = WPIPE__WANT_ROOM | WPIPE__WANT_DRAINED;

    if (!(n->mine->features & n->their_features & WPIPE__FEATURE_BARRIER)) {
        wpipe__native_ring(n, mask);
        return;
    }
    atomic_signal_fence(memory_order_seq_cst);
    ring_unfenced(n, mask);
}

/*
 * For DATA that is not so: in a conversation every wait is for data. A writer
 * that has written many records without reading any says that it leaves the
 * fence out, and the reader makes it when it finds that word. On both sides
 * the flag is stored and loaded around a fence, so neither can miss it.
 */
void wpipe__native_ring_reader(struct wpipe__native *n)
{
    uint64_t tail = atomic_load_explicit(&n->mine->tail, memory_order_relaxed);

    if (tail != n->run_tail) {
        n->run_tail = tail;
        n->run = 0;
        if (n->fenceless) {
            n->fenceless = 0;
            atomic_store_explicit(&n->mine->fenceless, 0, memory_order_relaxed);
        }
    }
    if (n->fenceless) {
        atomic_signal_fence(memory_order_seq_cst);
        ring_unfenced(n, WPIPE__WANT_DATA);
        return;
    }
    if (++n->run == STREAMING_WRITER &&
        (n->their_features & WPIPE__FEATURE_BARRIER) &&
        wpipe__os_has_barrier()) {
        n->fenceless = 1;
        atomic_store_explicit(&n->mine->fenceless, 1, memory_order_relaxed);
    }
    wpipe__native_ring(n, WPIPE__WANT_DATA);
}

int wpipe__native_streams(struct wpipe__native *n)
{
    uint64_t head = atomic_load_explicit(&n->mine->head, memory_order_relaxed);

    if (head == n->streak_head)
        return n->streak > STREAMING_READER;
    n->streak_head = head;
    n->streak = 0;
    return 0;
}
