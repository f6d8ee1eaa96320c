/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames out of the native link, and what ends it: why nothing more goes or
 * comes. Called by all of src/native, with link.lock held but for push, end and
 * window.
 */
#include "native/native.h"

#include <assert.h>
#include <string.h>

#include <windpipe/error.h>

#include "base/base.h"

#define BODY_PIECES 2
#define SHORT_TRIES 10
#define SHORT_MS    1
#define CREDIT_SIZE (WPIPE__FRAME_HEADER + 8)

/* ---- the end ------------------------------------------------------------- */

void wpipe__native_break(struct wpipe__native *n, int error)
{
    int none = 0;

    atomic_compare_exchange_strong(&n->over, &none, error);
    wpipe__os_shutdown(n->link.socket);
    wpipe__link_notify(&n->link);
}

int wpipe__native_end(struct wpipe__native *n, int writer)
{
    /* Before the state: who closes says so first and hangs up then. Pairs with
     * the stores of `hung_up`. */
    int hung_up = atomic_load_explicit(&n->hung_up, memory_order_acquire);
    int over = atomic_load_explicit(&n->over, memory_order_relaxed);
    uint32_t state;

    if (over)
        return over;
    /* pairs with the release store in native_leave: its last words are seen */
    state = atomic_load_explicit(&n->theirs->state, memory_order_acquire);
    if (state == WPIPE__STATE_DISCONNECTED)
        return WPIPE_EDISCONNECTED;
    if (state == WPIPE__STATE_CLOSED)
        return writer ? WPIPE_EPIPE : WPIPE_EOF;
    if (state == WPIPE__STATE_DROPPED)
        return writer ? WPIPE_EPIPE : WPIPE_EDISCONNECTED;
    if (state != WPIPE__STATE_OPEN) {
        /* a word that there is not; whatever it says next, it has lied */
        atomic_compare_exchange_strong(&n->over, &over, WPIPE_EPROTO);
        return WPIPE_EPROTO;
    }
    return hung_up ? WPIPE_EDIED : 0;
}

/* ---- what both ends go by ------------------------------------------------ */

uint64_t wpipe__native_window(uint32_t ring_size)
{
    return wpipe__min_u64(wpipe__max_u64(ring_size, WPIPE__WINDOW_MIN),
                          WPIPE__WINDOW_MAX);
}

void wpipe__native_refuse_passing(struct wpipe__native *n)
{
    if (n->link.passing == WPIPE__PASSES_DUE &&
        wpipe__os_set_passing(n->link.socket, 0))
        n->link.passing = WPIPE__PASSED_BEFORE;
}

/* ---- frames -------------------------------------------------------------- */

static int is_short(int64_t sent)
{
    return sent == WPIPE_ENOMEM || sent == WPIPE_ELIMIT;
}

/*
 * The kernel has waited for memory itself before it refuses, and nothing tells
 * when there is some again. Nobody else sends what is sent here: a frame that
 * others come behind, a bell for a sleep that is remembered as rung for. So it
 * goes within some ms, or the link ends, which wakes the peer without memory.
 */
int64_t wpipe__native_push(struct wpipe__native *n, const wpipe_piece *pieces,
                           int count)
{
    wpipe_piece rest[1 + BODY_PIECES];
    int64_t total = 0;
    int64_t sent;
    int tries = 0;

    assert(count <= 1 + BODY_PIECES);
    memcpy(rest, pieces, (size_t)count * sizeof(*rest));
    while (count > 0) {
        sent =
            wpipe__os_send_whole(n->link.socket, rest, count, WPIPE__NO_HANDLE);
        if (sent == WPIPE_EAGAIN && total > 0)
            break; /* a frame is torn */
        if (sent < 0 && (!is_short(sent) || tries++ == SHORT_TRIES))
            return sent;
        if (sent < 0) {
            wpipe__os_nap(SHORT_MS);
            continue;
        }
        total += sent;
        count = wpipe__os_drop_front(rest, count, (size_t)sent);
    }
    return total;
}

int wpipe__native_refusal(int64_t sent)
{
    return is_short(sent) ? WPIPE_ENOMEM : WPIPE_ESYSTEM;
}

/* What became of a send of `size` bytes: 0, or < 0. */
static int judge_send(struct wpipe__native *n, int64_t sent, size_t size)
{
    if (sent == (int64_t)size)
        return 0;
    if (sent == WPIPE_EPIPE) {
        atomic_store(&n->hung_up, 1);
        /* what the peer said before it went tells how it went */
        if (!n->pumping)
            (void)wpipe__native_pump(n);
        return wpipe__native_end(n, 1);
    }
    /* or it does not read what it owes us to read */
    wpipe__native_break(n, sent < 0 && sent != WPIPE_EAGAIN
                               ? wpipe__native_refusal(sent)
                               : WPIPE_EPROTO);
    return atomic_load(&n->over);
}

/* Whole frames. 0, or < 0: link broken. */
static int send_bytes(struct wpipe__native *n, uint8_t *bytes, size_t size)
{
    wpipe_piece piece = { bytes, size };

    return judge_send(n, wpipe__native_push(n, &piece, 1), size);
}

int wpipe__native_send(struct wpipe__native *n, struct wpipe__frame *frame,
                       const wpipe_piece *body, int count, wpipe__handle pass)
{
    uint8_t head[WPIPE__FRAME_HEADER];
    wpipe_piece pieces[1 + BODY_PIECES];
    size_t size = sizeof head;
    int64_t sent;
    int i;

    wpipe__frame_encode(frame, head);
    pieces[0].data = head;
    pieces[0].size = sizeof head;
    assert(count <= BODY_PIECES);
    for (i = 0; i < count; i++) {
        pieces[1 + i] = body[i];
        size += body[i].size;
    }
    if (pass == WPIPE__NO_HANDLE) {
        sent = wpipe__native_push(n, pieces, 1 + count);
    } else {
        sent = wpipe__os_send_whole(n->link.socket, pieces, 1 + count, pass);
        if (is_short(sent) || sent == WPIPE_EACCES)
            return (int)sent; /* it was not taken; nothing was sent */
    }
    return judge_send(n, sent, size);
}

int wpipe__native_say(struct wpipe__native *n, uint8_t type, uint64_t value)
{
    struct wpipe__frame f = { .type = type, .value = value };

    return wpipe__native_send(n, &f, NULL, 0, WPIPE__NO_HANDLE);
}

/* A CREDIT frame of what we have read. Returns its tail. */
static uint64_t encode_credit(struct wpipe__native *n,
                              uint8_t bytes[CREDIT_SIZE])
{
    uint64_t tail = atomic_load_explicit(&n->mine->tail, memory_order_relaxed);
    struct wpipe__frame f = { .type = WPIPE__FRAME_CREDIT,
                              .size = 8,
                              .value = tail };

    wpipe__frame_encode(&f, bytes);
    wpipe__store_u64(
        bytes + WPIPE__FRAME_HEADER,
        atomic_load_explicit(&n->mine->consumed, memory_order_relaxed));
    return tail;
}

void wpipe__native_credit(struct wpipe__native *n)
{
    uint8_t bytes[CREDIT_SIZE];
    uint64_t tail = encode_credit(n, bytes);

    if (wpipe__native_end(n, 1) < 0)
        return; /* nobody is there to hear of it */
    if (send_bytes(n, bytes, sizeof bytes) == 0)
        n->credit_sent = tail;
}

int wpipe__native_farewell(struct wpipe__native *n, uint32_t state)
{
    struct wpipe__frame f = { .type = WPIPE__FRAME_STATE, .value = state };
    uint8_t bytes[CREDIT_SIZE + WPIPE__FRAME_HEADER];
    wpipe_piece piece = { bytes, sizeof bytes };

    (void)encode_credit(n, bytes);
    wpipe__frame_encode(&f, bytes + CREDIT_SIZE);
    return wpipe__native_push(n, &piece, 1) == (int64_t)sizeof bytes;
}

void wpipe__native_answer(struct wpipe__native *n)
{
    atomic_store_explicit(&n->local[1].want, 0, memory_order_relaxed);
    wpipe__native_credit(n);
}
