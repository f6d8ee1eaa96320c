/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames into the native link, from the socket. (Out of it: send.c.)
 *
 * Everything that arrives is a claim by somebody we do not trust: a frame is
 * judged before it is acted on, memory grows only with bytes that came and
 * within the credit that we gave, and the first thing that does not fit ends
 * the link with WPIPE_EPROTO. All functions here run with link.lock held;
 * called by what reads, greets and waits.
 */
#include "native/native.h"

#include <windpipe/error.h>

#include "base/base.h"

#define RECEIVE_FRAMED 32768u
#define RECEIVE_BELLS  512u
#define ROUNDS         4
#define LAST_ROUNDS    64

/* The peer says how far it has read, in the framed phase. */
static int on_tail(struct wpipe__native *n, uint64_t tail)
{
    struct wpipe__control *words = &n->local[1];
    uint64_t before = atomic_load_explicit(&words->tail, memory_order_relaxed);

    if (n->out.head - tail > n->out.head - before)
        return WPIPE_EPROTO;
    atomic_store_explicit(&words->tail, tail, memory_order_relaxed);
    if (tail == n->out.head) /* all was read; DATA has no room to say so */
        atomic_store_explicit(&words->consumed, n->sent, memory_order_relaxed);
    return 0;
}

static int on_credit(struct wpipe__native *n, const struct wpipe__frame *f,
                     const uint8_t *body)
{
    n->want_sent = 0;
    if (n->theirs != &n->local[1])
        return 0; /* overtaken by its segment */
    atomic_store_explicit(&n->local[1].consumed, wpipe__load_u64(body),
                          memory_order_relaxed);
    return on_tail(n, f->value);
}

/* Queue a record for the reader. */
static int on_data(struct wpipe__native *n, const struct wpipe__frame *f,
                   const uint8_t *body)
{
    uint32_t size = f->size - wpipe__record_extra(f->flags);
    uint64_t charge = wpipe__frame_charge(f->flags, size);
    uint64_t window = wpipe__native_window(n->link.terms.ring_in);
    int r;

    if (n->peer_moved || n->received + charge - n->credit_sent > window)
        return WPIPE_EPROTO;
    if (n->theirs == &n->local[1]) {
        r = on_tail(n, f->value);
        if (r < 0)
            return r;
    }
    r = wpipe__queue_add(&n->queue, f->flags, body, f->size);
    if (r < 0)
        return r;
    n->received += charge;
    wpipe__native_earn(n, size);
    return 0;
}

static int on_want(struct wpipe__native *n, uint64_t want)
{
    if (n->theirs != &n->local[1])
        return 0;
    atomic_store_explicit(&n->local[1].want, want, memory_order_relaxed);
    /* it may have missed what we read before we knew */
    if (atomic_load_explicit(&n->mine->tail, memory_order_relaxed) !=
        n->credit_sent)
        wpipe__native_answer(n);
    return 0;
}

static int on_state(struct wpipe__native *n, uint32_t state)
{
    atomic_store_explicit(&n->local[1].state, state, memory_order_relaxed);
    return 0;
}

static int on_facts(struct wpipe__native *n, const uint8_t *body, size_t size)
{
    int r;

    if (n->server_end || n->ours.code != WPIPE__GREET_QUERY || n->facts_here)
        return WPIPE_EPROTO;
    r = wpipe__buffer_append(&n->facts, body, size);
    n->facts_here = r == 0;
    return r;
}

/* May a frame of this type come now? Before the greeting is done, few may. */
static int is_due(const struct wpipe__native *n, uint8_t type)
{
    if (n->server_end) {
        if (n->greeted == WPIPE__GREET_PENDING)
            return type == WPIPE__FRAME_HELLO;
        if (type == WPIPE__FRAME_SWITCH || type == WPIPE__FRAME_MOVED)
            return n->greeted == WPIPE__GREET_DONE;
        return type != WPIPE__FRAME_HELLO && type != WPIPE__FRAME_VERDICT &&
               type != WPIPE__FRAME_WAIT && type != WPIPE__FRAME_FACTS;
    }
    if (n->greeted == WPIPE__GREET_DONE)
        return type != WPIPE__FRAME_HELLO && type != WPIPE__FRAME_VERDICT &&
               type != WPIPE__FRAME_WAIT && type != WPIPE__FRAME_FACTS;
    return type == WPIPE__FRAME_VERDICT || type == WPIPE__FRAME_WAIT ||
           type == WPIPE__FRAME_FACTS;
}

static int act(struct wpipe__native *n, const struct wpipe__frame *f,
               const uint8_t *body)
{
    switch (f->type) {
    case WPIPE__FRAME_HELLO:
        return wpipe__native_on_hello(n, body);
    case WPIPE__FRAME_VERDICT:
        return wpipe__native_on_verdict(n, body);
    case WPIPE__FRAME_WAIT:
        n->greeted = WPIPE__GREET_QUEUED;
        return 0;
    case WPIPE__FRAME_DATA:
        return on_data(n, f, body);
    case WPIPE__FRAME_CREDIT:
        return on_credit(n, f, body);
    case WPIPE__FRAME_WANT:
        return on_want(n, f->value);
    case WPIPE__FRAME_STATE:
        return on_state(n, (uint32_t)f->value);
    case WPIPE__FRAME_SWITCH:
        return wpipe__native_on_switch(n, f, body);
    case WPIPE__FRAME_MOVED:
        return wpipe__native_on_moved(n, f->value);
    case WPIPE__FRAME_STAY:
        return wpipe__native_on_stay(n);
    case WPIPE__FRAME_FACTS:
        return on_facts(n, body, f->size);
    default:
        return WPIPE_EPROTO;
    }
}

/* The largest body that we would wait for now. */
static uint32_t body_limit(const struct wpipe__native *n)
{
    if (!n->server_end && n->ours.code == WPIPE__GREET_QUERY)
        return UINT32_MAX;
    return WPIPE__FRAME_DATA_MAX + 16;
}

/* Act on all whole frames. Returns the bytes used, or < 0. */
static int64_t parse(struct wpipe__native *n, const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    int r;

    while (at < size) {
        struct wpipe__frame f;

        if (bytes[at] == WPIPE__FRAME_BELL) {
            at++;
            if (++n->bells > n->epoch)
                return WPIPE_EPROTO; /* nobody asked for that many */
            continue;
        }
        if (size - at < WPIPE__FRAME_HEADER)
            break;
        r = wpipe__frame_decode(bytes + at, &f);
        if (r < 0)
            return r;
        if (!is_due(n, f.type) || f.size > body_limit(n))
            return WPIPE_EPROTO;
        if (size - at - WPIPE__FRAME_HEADER < f.size)
            break;
        r = act(n, &f, bytes + at + WPIPE__FRAME_HEADER);
        if (r < 0)
            return r;
        at += WPIPE__FRAME_HEADER + f.size;
    }
    return (int64_t)at;
}

/* Bytes came: parse them behind the beginning that we may already have. */
static int feed(struct wpipe__native *n, const uint8_t *bytes, size_t size)
{
    int64_t used;
    int r;

    if (wpipe__buffer_size(&n->partial) == 0) {
        used = parse(n, bytes, size);
        if (used < 0)
            return (int)used;
        if ((size_t)used == size)
            return 0;
        return wpipe__buffer_append(&n->partial, bytes + used,
                                    size - (size_t)used);
    }
    r = wpipe__buffer_append(&n->partial, bytes, size);
    if (r < 0)
        return r;
    used = parse(n, wpipe__buffer_front(&n->partial),
                 wpipe__buffer_size(&n->partial));
    if (used < 0)
        return (int)used;
    wpipe__buffer_drop(&n->partial, (size_t)used);
    return 0;
}

/* A descriptor comes with the first byte of its SWITCH, and the kernel may
 * put what was sent before in front: it belongs to this batch, or nowhere. */
static int passed_is_due(struct wpipe__native *n)
{
    return n->passed == WPIPE__NO_HANDLE ||
           (wpipe__buffer_size(&n->partial) > 0 &&
            *wpipe__buffer_front(&n->partial) == WPIPE__FRAME_SWITCH);
}

static int64_t receive(struct wpipe__native *n, uint8_t *bytes, size_t size,
                       wpipe__handle *ret_passed)
{
    if (n->trusted)
        return wpipe__os_receive(n->link.socket, bytes, size, ret_passed);
    *ret_passed = WPIPE__NO_HANDLE;
    return wpipe__os_receive_plain(n->link.socket, bytes, size,
                                   &n->link.passing);
}

/* What a receive gave: > 0 bytes; 0 nothing there; < 0 the end. */
static int64_t received(struct wpipe__native *n, int64_t got,
                        wpipe__handle passed)
{
    if (passed != WPIPE__NO_HANDLE) {
        if (n->passed != WPIPE__NO_HANDLE ||
            !wpipe__native_expects_segment(n)) {
            wpipe__os_discard(passed);
            return WPIPE_EPROTO;
        }
        n->passed = passed;
    }
    if (got == WPIPE_EAGAIN) {
        if (n->link.passing == WPIPE__PASSED_BEFORE)
            n->link.passing = WPIPE__PASSES_NOTHING; /* all is taken */
        return 0;
    }
    if (got == WPIPE_EOF || got == WPIPE_EPIPE) {
        n->link.passing = WPIPE__PASSES_NOTHING;
        atomic_store(&n->hung_up, 1);
        wpipe__link_notify(&n->link);
    }
    return got;
}

static int digest(struct wpipe__native *n, const uint8_t *bytes, int64_t got)
{
    int r;

    if (got <= 0)
        return (int)got;
    r = feed(n, bytes, (size_t)got);
    n->link.half = wpipe__buffer_size(&n->partial) > 0;
    return r == 0 && !passed_is_due(n) ? WPIPE_EPROTO : r;
}

/* How much to receive: behind the end of a SWITCH whose descriptor is here may
 * be another one's. */
static size_t batch_size(struct wpipe__native *n, size_t size)
{
    if (n->passed == WPIPE__NO_HANDLE)
        return size;
    return WPIPE__FRAME_HEADER + WPIPE__SWITCH_SIZE -
           wpipe__buffer_size(&n->partial);
}

static int pump_rounds(struct wpipe__native *n, uint8_t *bytes, size_t most)
{
    int64_t total = 0;
    int came = 0;
    int round;

    for (round = 0; round < ROUNDS || atomic_load(&n->hung_up); round++) {
        size_t size = batch_size(n, most);
        wpipe__handle passed;
        int64_t got = receive(n, bytes, size, &passed);
        int r;

        got = received(n, got, passed);
        came |= got > 0;
        total += got > 0 ? got : 0;
        if (total > LAST_ROUNDS * (int64_t)most)
            r = WPIPE_EPROTO; /* more than an honest end can have sent */
        else
            r = digest(n, bytes, got);
        if (r < 0 && r != WPIPE_EOF && r != WPIPE_EPIPE) {
            wpipe__native_break(n, r);
            return r;
        }
        if (r < 0)
            return came ? 1 : wpipe__native_end(n, 0);
        if (got == 0)
            break;
        /* that was all, or all that one wake deserves; of a peer that is
         * gone everything matters, and there is an end to it */
        if (got < (int64_t)size && !atomic_load(&n->hung_up))
            break;
    }
    return came;
}

int wpipe__native_pump(struct wpipe__native *n)
{
    uint8_t bytes[RECEIVE_FRAMED];
    int r = atomic_load(&n->over);

    if (r)
        return r;
    n->pumping = 1;
    r = pump_rounds(n, bytes,
                    wpipe__all_shared(n) ? RECEIVE_BELLS : sizeof bytes);
    n->pumping = 0;
    if (r == 1)
        wpipe__link_notify(&n->link);
    return r;
}
