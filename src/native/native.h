/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the native link, shared by src/native and nobody else.
 *
 * Two phases each way, with the same meaning. Framed: records go as DATA
 * frames over the socket, under credit, and wait in `queue`. Shared: records
 * go through a ring in the writer's segment. A direction changes phase once,
 * when its writer says MOVED; `out_shared` and `in_shared` tell. In the framed
 * phase everything is done under link.lock; in the shared phase reader and
 * writer use only their own part and the two segments, without a lock. A ring
 * begins small; its writer moves on to the larger one of the terms when the
 * small one is full (decisions/0014).
 *
 * Positions: `head` and `tail` count what a record takes in the ring, or what
 * it is charged on the socket; they go on counting across the change.
 */
#ifndef WPIPE_NATIVE_NATIVE_H
#define WPIPE_NATIVE_NATIVE_H

#include "base/frame.h"
#include "base/ring.h"
#include "link/link.h"
#include "link/queue.h"

struct wpipe__native {
    struct wpipe__link link;

    /* ---- the link as a whole: under link.lock ---- */
    int server_end;
    _Atomic int greeted; /* WPIPE__GREET_* of link.h; asked unlocked */
    int wants_shared;    /* options.shared_memory */
    int trusted;         /* descriptors are taken from it, while one is due */
    int willing;         /* greeted, and both ends can use shared memory */
    int declined;        /* we said STAY */
    int offered;         /* our segment is on its way, or there */
    int peer_moved; /* the peer's records from `moved_at` are in its ring */
    int left;       /* we said CLOSED or DISCONNECTED */
    int pumping;    /* frames are being acted on */
    int want_sent;  /* framed: a WANT is not answered yet */
    uint64_t moved_at;
    uint32_t earned; /* records, and 4 KiB units, in the framed phase */
    struct wpipe__greeting ours;
    struct wpipe__greeting theirs_greeting;
    struct wpipe__buffer partial; /* the beginning of a frame */
    struct wpipe__buffer facts;   /* query: the answer */
    int facts_here;
    wpipe__handle passed;         /* came, its SWITCH frame not yet */
    uint64_t epoch;               /* of our last sleep */
    uint64_t bells;               /* that came */
    uint64_t credit_sent;         /* framed: the tail that we last told */
    uint64_t received;            /* framed: position behind what we queued */
    struct wpipe__control *local; /* two, for the framed phase */
    uint32_t send_buffer;         /* of the socket, as the kernel counts it */
    const struct wpipe__control *their_segment; /* also when not used */
    uint32_t their_ring;          /* its size there; 0: no segment came */
    uint32_t their_features;      /* as it told when that came */
    struct wpipe__control *grown; /* ours with the larger ring, or NULL */
    const struct wpipe__control *their_grown; /* the peer's */
    uint64_t their_grown_at; /* first position in that; 0: it has not come */
    wpipe__handle unmapped;  /* it has, but could not be had yet */

    /* ---- where to look: changed under link.lock before a phase ends ---- */
    struct wpipe__control *_Atomic mine;
    const struct wpipe__control *_Atomic theirs;
    _Atomic int over;       /* WPIPE_E*: broken, or not let in */
    _Atomic int hung_up;    /* the socket has ended */
    _Atomic uint64_t solid; /* what the peer has to read: our head, but for
                                FIN and what was withdrawn */
    _Atomic uint64_t rung;  /* the peer's epoch that we last answered */

    /* ---- the reader's ---- */
    uint8_t pad_reader[WPIPE__LINE];
    _Atomic int in_shared;
    int finished;              /* FIN was read */
    struct wpipe__ring_in in;  /* tail also in the framed phase */
    uint64_t consumed;         /* payload bytes */
    uint64_t told;             /* the tail that we last published */
    uint32_t streak;           /* records read since we last wrote */
    uint64_t streak_head;      /* our head then */
    struct wpipe__queue queue; /* framed: what came (see queue.h) */
    int fresh;                 /* framed: the socket was asked for news, and
                                   no record taken since */

    /* ---- the writer's ---- */
    uint8_t pad_writer[WPIPE__LINE];
    _Atomic int out_shared;
    struct wpipe__ring_out out; /* head also in the framed phase */
    uint32_t most;              /* the largest record in this ring */
    uint64_t sent;              /* payload bytes */
    uint64_t solid_before;      /* `solid` when the message begun began */
    int in_message;             /* its last record said MORE */
    uint32_t unchecked;         /* records since we looked at the socket */
    uint32_t run;               /* records written since we last read */
    uint64_t run_tail;          /* our tail then */
    int fenceless;              /* as in our control words */
    _Atomic uint64_t window;    /* framed: credit in bytes; asked unlocked */
    uint8_t *scratch;           /* framed: what reserve gave */
    uint32_t scratch_sent;      /* of it, by a commit that ran out of room */
    int grow_error;             /* why the ring could not grow */
    uint64_t grow_again_at;     /* head at which that is worth another try */
};

#define WPIPE__WINDOW_RESERVE (2u * WPIPE__FRAME_CHARGE)

static inline struct wpipe__native *wpipe__native(struct wpipe__link *link)
{
    return (struct wpipe__native *)(void *)link;
}

static inline int wpipe__in_shared(struct wpipe__native *n)
{
    /* stored by the reader; others need the word alone */
    return atomic_load_explicit(&n->in_shared, memory_order_relaxed);
}

static inline int wpipe__out_shared(struct wpipe__native *n)
{
    /* pairs with the release store in move */
    return atomic_load_explicit(&n->out_shared, memory_order_acquire);
}

/* Both ways: the socket carries bells, and a SWITCH of a ring that grows. */
static inline int wpipe__all_shared(struct wpipe__native *n)
{
    return wpipe__in_shared(n) && wpipe__out_shared(n);
}

/* Does anything come, and go? 1: wpipe__native_end would say 0. */
static inline int wpipe__native_goes_on(struct wpipe__native *n)
{
    /* bitwise, as all are asked in any case */
    return ((uint32_t)atomic_load_explicit(&n->over, memory_order_acquire) |
            atomic_load_explicit(&n->theirs->state, memory_order_acquire) |
            (uint32_t)atomic_load_explicit(&n->hung_up,
                                           memory_order_acquire)) == 0;
}

/* ---- send.c: all with link.lock held, unless it says more ---- */

/* The link is broken for the reason `error`; the first one stays. */
void wpipe__native_break(struct wpipe__native *n, int error);
/* Why nothing more comes (writer: goes), or 0. Also without link.lock. */
int wpipe__native_end(struct wpipe__native *n, int writer);

/* What receivers of a ring of this size grant on the socket; senders keep
 * WPIPE__WINDOW_RESERVE of it for ABORT and FIN. Without link.lock, too. */
uint64_t wpipe__native_window(uint32_t ring_size);
/* No descriptor is due, now or ever again. */
void wpipe__native_refuse_passing(struct wpipe__native *n);

/* Send these bytes; when the system is short of memory, again for a moment.
 * As wpipe__os_send_whole. Also without link.lock. */
int64_t wpipe__native_push(struct wpipe__native *n, const wpipe_piece *pieces,
                           int count);
/* What to break the link with when that was refused for good. */
int wpipe__native_refusal(int64_t sent);
/* Send one frame with up to two pieces of body. 0, or < 0: link broken. */
int wpipe__native_send(struct wpipe__native *n, struct wpipe__frame *frame,
                       const wpipe_piece *body, int count, wpipe__handle pass);
/* The same without body. */
int wpipe__native_say(struct wpipe__native *n, uint8_t type, uint64_t value);
/* Tell the peer how far we have read. */
void wpipe__native_credit(struct wpipe__native *n);
/* Our last words: the same, and that we leave. 1 when they were sent. */
int wpipe__native_farewell(struct wpipe__native *n, uint32_t state);
/* As credit, to answer its WANT, which is done with. */
void wpipe__native_answer(struct wpipe__native *n);

/* ---- pump.c: link.lock held ---- */

/* Receive and act on what is there: 1 something came; 0; < 0 the end. */
int wpipe__native_pump(struct wpipe__native *n);

/* ---- greeting.c: link.lock held ---- */
int wpipe__native_on_hello(struct wpipe__native *n, const uint8_t *body);
int wpipe__native_on_verdict(struct wpipe__native *n, const uint8_t *body);

/* Send `ours` in a frame of that type: HELLO or VERDICT. 0, or < 0: broken. */
int wpipe__native_greet(struct wpipe__native *n, uint8_t type);

/* It said hello, wrote without waiting for the verdict, and left: what it wrote
 * is still to be read. */
int wpipe__native_left_something(const struct wpipe__native *n);
/* As admit, of one who may be gone: it is not told then, but what it wrote is
 * read all the same. */
int wpipe__native_take_on(struct wpipe__native *n);

/* See to it that the socket takes what the window promises. 0; WPIPE_ELIMIT:
 * link broken. A server does so behind its verdict, which is waited for. */
int wpipe__native_need_buffer(struct wpipe__native *n);

/* ---- segment.c: link.lock held, but for use_ring ---- */

/* A word that an honest peer does not change any more. */
static inline uint32_t wpipe__load_once(const uint32_t *word)
{
    return *(const volatile uint32_t *)word;
}

/* Start a segment's words where others stand. */
void wpipe__native_copy_words(struct wpipe__control *to,
                              const struct wpipe__control *from);
/* Is a segment of the peer's still due, and with it a descriptor? */
int wpipe__native_expects_segment(const struct wpipe__native *n);
/* Make a segment with a ring for what comes from position `at` on, and send it.
 * 0; < 0 when it cannot be had or was not taken. */
int wpipe__native_send_segment(struct wpipe__native *n, uint32_t ring_size,
                               uint64_t at, struct wpipe__control **ret_words);
/* What the peer sent with its SWITCH is a segment as it says and within the
 * terms: map it. 0 or < 0. */
int wpipe__native_map(struct wpipe__native *n, wpipe__handle handle,
                      const struct wpipe__switch *offer,
                      const struct wpipe__control **ret_words);
/* Writer: take this ring, or go on in it, with records cut to suit it. */
void wpipe__native_use_ring(struct wpipe__native *n,
                            struct wpipe__control *segment, uint32_t size);

/* ---- switch.c: all with link.lock held ---- */
/* Our segment, offered once. 0, or why not (< 0). */
int wpipe__native_offer(struct wpipe__native *n);
/* Some traffic went by in the framed phase; offer when it has earned it. */
void wpipe__native_earn(struct wpipe__native *n, size_t bytes);
int wpipe__native_on_switch(struct wpipe__native *n,
                            const struct wpipe__frame *frame,
                            const uint8_t *body);
int wpipe__native_on_moved(struct wpipe__native *n, uint64_t value);
int wpipe__native_on_stay(struct wpipe__native *n);
/* Reader: go on in the peer's ring; the queue is empty. */
void wpipe__native_enter_ring(struct wpipe__native *n);
/* ---- grow.c ---- */
/* Writer: go on in a larger ring. 1; 0 there is none, or none now; < 0 the link
 * is over. */
int wpipe__native_grow(struct wpipe__native *n);
/* The segment of that came. link.lock held. */
int wpipe__native_on_growth(struct wpipe__native *n,
                            const struct wpipe__switch *offer, uint64_t at);
/* Map it, if that could not be done when it came: 0 or < 0. link.lock held. */
int wpipe__native_map_growth(struct wpipe__native *n);
/* Give back both. */
void wpipe__native_ungrow(struct wpipe__native *n);

/* ---- read.c, write.c ---- */
int wpipe__native_look(struct wpipe__link *link, struct wpipe__record *ret);
int wpipe__native_scan(struct wpipe__link *link, struct wpipe__cursor *cursor,
                       struct wpipe__record *ret);
void wpipe__native_take(struct wpipe__link *link,
                        const struct wpipe__record *record, uint32_t bytes,
                        int whole);
int64_t wpipe__native_fetch(struct wpipe__link *link, void *to, size_t size);
int wpipe__native_put_whole(struct wpipe__link *link, const void *data,
                            size_t size);
int wpipe__native_room(struct wpipe__link *link,
                       const struct wpipe__record *record);
int wpipe__native_put(struct wpipe__link *link,
                      const struct wpipe__parcel *parcel);
void wpipe__native_wake_peer(struct wpipe__link *link);
int wpipe__native_reserve(struct wpipe__link *link,
                          const struct wpipe__record *record,
                          uint8_t **ret_data);
int wpipe__native_commit(struct wpipe__link *link,
                         const struct wpipe__record *record);
uint32_t wpipe__native_cancel(struct wpipe__link *link);
int wpipe__native_mark(struct wpipe__link *link, uint32_t flag);
uint32_t wpipe__native_fragment(struct wpipe__link *link, size_t left);
uint32_t wpipe__native_most(struct wpipe__link *link);
int wpipe__native_drained(struct wpipe__link *link);

/* ---- bell.c ---- */

/* Reader: 1 when the peer has been writing without hearing from us. */
int wpipe__native_streams(struct wpipe__native *n);

/* Ring the peer if it sleeps for one of `mask`. Call after moving an index;
 * has the fence that goes between. */
void wpipe__native_ring(struct wpipe__native *n, unsigned mask);
/* Reader: our tail was told; the same for ROOM and DRAINED, without the fence
 * if the peer makes it when it sleeps. */
void wpipe__native_ring_writer(struct wpipe__native *n);
/* Writer: a record was published; the same for DATA, without the fence while
 * we stream. */
void wpipe__native_ring_reader(struct wpipe__native *n);
/* About to sleep ourselves, behind a fence, link locked: what we have read and
 * not told yet may be what the peer sleeps for. */
void wpipe__native_ring_asleep(struct wpipe__native *n);
/* ---- native.c ---- */

/* Tells our core. 1 when the peer told the same. */
int wpipe__native_same_core(struct wpipe__link *link);

#endif
