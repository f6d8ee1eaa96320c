/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring: records in memory that one side writes and the other side reads.
 *
 * Pure algorithm over memory that somebody else maps. Each side of a link has
 * one segment - control words, then its outgoing ring - which it alone can
 * write. So the writer keeps `head` in its own segment, the reader keeps
 * `tail` in its own, and each of them only ever loads the other's words:
 * loaded once, checked, the copy used. A peer that lies gets WPIPE_EPROTO;
 * it cannot make us read or write outside the ring.
 *
 * Used by src/native. One thread writes and one thread reads a ring.
 */
#ifndef WPIPE_BASE_RING_H
#define WPIPE_BASE_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/record.h"

#define WPIPE__CONTROL_MAGIC 0x31305057u /* "WP01" */
#define WPIPE__CONTROL_SIZE  4096u       /* the ring starts here */
#define WPIPE__LINE          128u        /* two cache lines: fetched in pairs */
#define WPIPE__RING_MIN      4096u       /* every ring starts so small */
#define WPIPE__RING_MAX      (64u << 20)

#define WPIPE__SEGMENT_MIN (WPIPE__CONTROL_SIZE + WPIPE__RING_MIN)

/* Always kept free, so that ABORT and FIN never wait for room. */
#define WPIPE__RING_RESERVE (2u * WPIPE__RECORD_HEADER)

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must not lock");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "shared layout");
_Static_assert(sizeof(_Atomic uint32_t) == 4, "shared layout");

/* control.state */
enum {
    WPIPE__STATE_OPEN = 0,
    WPIPE__STATE_CLOSED = 1,       /* closed in good order */
    WPIPE__STATE_DISCONNECTED = 2, /* closed, and unread data is void */
    WPIPE__STATE_DROPPED = 3 /* closed, and after what is there something that
                                was accepted for the peer was thrown away */
};

/* control.want: (epoch << 8) | mask of what the owner sleeps for */
enum {
    WPIPE__WANT_DATA = 1,   /* its incoming ring has a record */
    WPIPE__WANT_ROOM = 2,   /* the peer read on */
    WPIPE__WANT_DRAINED = 4 /* the peer read everything */
};

/* control.features */
enum {
    WPIPE__FEATURE_BARRIER = 1 /* the owner uses membarrier before a sleep */
};

/*
 * The first page of a segment; also kept in private memory for a link that is
 * still on its socket. Written by its owner alone. Each group has its own
 * pair of cache lines: the writer's, the reader's, the sleeper's.
 */
struct wpipe__control {
    uint32_t magic;
    uint32_t version;
    uint32_t ring_size;
    uint32_t features;
    uint8_t pad0[WPIPE__LINE - 16];

    _Atomic uint64_t head;      /* end of what was written */
    _Atomic uint32_t fenceless; /* the writer leaves its fence out */
    uint8_t pad1[WPIPE__LINE - 12];

    _Atomic uint64_t tail;     /* the owner has read up to here */
    _Atomic uint64_t consumed; /* payload bytes read, exact at each publish */
    _Atomic uint64_t claim;    /* reserved in version 1 */
    uint8_t pad2[WPIPE__LINE - 24];

    _Atomic uint64_t want;
    _Atomic uint32_t state;
    _Atomic uint32_t core; /* the owner last ran here, plus 1; 0 unknown */
    uint8_t pad3[WPIPE__LINE - 16];
};

_Static_assert(sizeof(struct wpipe__control) == 4 * WPIPE__LINE, "layout");

/* The writing side's private state. */
struct wpipe__ring_out {
    uint8_t *bytes; /* the ring, in our own segment */
    uint64_t size;  /* power of two */
    uint64_t head;  /* the next record goes here */
    uint64_t tail;  /* what lies before may be overwritten */
    uint64_t pad;   /* PAD bytes before what is reserved */
    uint64_t gap;   /* bytes between its words and its payload */
    uint64_t start; /* first position in the ring: what is older went another
                       way, and may be unread yet */
    uint64_t seen;  /* the peer's position as last seen and checked */
};

/* The reading side's private state. */
struct wpipe__ring_in {
    const uint8_t *bytes; /* the ring, in the peer's segment */
    uint64_t size;
    uint64_t tail;  /* first unread record */
    uint64_t head;  /* end of what is known to be written */
    uint32_t taken; /* payload bytes of the first record already taken */

    /* The record at `tail`, taken apart, once that was done: its words lie in
     * the peer's memory and are loaded once. */
    int known;
    struct wpipe__record first;
    uint64_t first_space; /* what it takes */

    uint64_t limit; /* size of the ring that it may grow to; as size: it does
                       not grow (any more) */
    /* Where records from `next_at` on lie, while there are older ones. */
    const uint8_t *next; /* NULL: not known (yet) */
    uint64_t next_at;    /* set by scan, where it met the mark */
};

/*
 * Make room for one record. Returns where its payload goes, at a multiple of
 * WPIPE__RECORD_LINE if it is large; NULL when there is no room now.
 * *ret_error is WPIPE_EPROTO when the peer's words are not possible, else 0.
 * Nothing is visible before wpipe__ring_commit, and nothing changed. `size` is
 * at most wpipe__ring_fragment().
 */
uint8_t *wpipe__ring_reserve(struct wpipe__ring_out *out,
                             const struct wpipe__control *theirs,
                             const struct wpipe__record *record,
                             int *ret_error);

/* Write the header of what was reserved (with record->size now maybe smaller)
 * and move the private head; wpipe__ring_publish makes it visible. */
void wpipe__ring_commit(struct wpipe__ring_out *out,
                        const struct wpipe__record *record);

/* A record without flags, reserved, copied and committed in one go: the common
 * case, made short. 1; 0 when there is no room, or ring_reserve has to say
 * more about it. */
int wpipe__ring_put_plain(struct wpipe__ring_out *out,
                          const struct wpipe__control *theirs, const void *data,
                          uint32_t size);

/* A record without payload, out of the reserve: ABORT or FIN; or GROWN, behind
 * which the writer goes on in another ring. */
void wpipe__ring_mark(struct wpipe__ring_out *out, uint32_t flag);

/* Could there ever be room for the record, with everything read? */
int wpipe__ring_fits(const struct wpipe__ring_out *out,
                     const struct wpipe__record *record);

static inline void wpipe__ring_publish(const struct wpipe__ring_out *out,
                                       struct wpipe__control *mine)
{
    /* pairs with the acquire load of head in ring_look */
    atomic_store_explicit(&mine->head, out->head, memory_order_release);
}

/* The largest payload of one record: a quarter of the ring at most, so that a
 * record and the PAD before it always fit. */
static inline uint32_t wpipe__ring_fragment(uint64_t ring_size)
{
    return (uint32_t)(ring_size / 4u);
}

/* See how far the peer has written. 0, or WPIPE_EPROTO. */
int wpipe__ring_refresh(struct wpipe__ring_in *in,
                        const struct wpipe__control *theirs);

/* What look and scan return where the ring has grown and the reader does not
 * know the larger one: ring_follow, then again. */
#define WPIPE__RING_GREW 2

/*
 * The first unread record. Returns 1, 0 when there is none, WPIPE__RING_GREW or
 * WPIPE_EPROTO. record->data and size are what is still untaken of it.
 */
int wpipe__ring_look(struct wpipe__ring_in *in,
                     const struct wpipe__control *theirs,
                     struct wpipe__record *ret_record);

/* The size of the first unread record, its payload and its space, when it is
 * whole and has no flags: the common case, made short. 0 otherwise; ring_look
 * says. */
uint32_t wpipe__ring_plain(struct wpipe__ring_in *in,
                           const struct wpipe__control *theirs,
                           const uint8_t **ret_data, uint64_t *ret_space);

/*
 * The record at *position (start with in->tail), moving *position behind it.
 * Returns as ring_look; sees only what ring_look last saw or what came since.
 */
int wpipe__ring_scan(struct wpipe__ring_in *in,
                     const struct wpipe__control *theirs, uint64_t *position,
                     struct wpipe__record *ret_record);

/* The ring goes on from position `at` in this memory of in->limit bytes, the
 * writer says. 0, or WPIPE_EPROTO: that is not where its mark stands. */
int wpipe__ring_follow(struct wpipe__ring_in *in, const uint8_t *bytes,
                       uint64_t at);

/* Flags of the first unread record, of which something is known to be there;
 * a hint: they lie in the peer's memory. */
static inline uint32_t wpipe__ring_next_flags(const struct wpipe__ring_in *in)
{
    const uint8_t *at = in->bytes + (in->tail & (in->size - 1));

    return ((const volatile uint32_t *)(const volatile void *)at)[1];
}

/* Take the record that ring_plain gave. */
static inline void wpipe__ring_take_plain(struct wpipe__ring_in *in,
                                          uint64_t space)
{
    in->tail += space;
    in->known = 0;
}

/* Take `bytes` of the first record, which ring_look gave; with `whole` the
 * record ends. */
static inline void wpipe__ring_take(struct wpipe__ring_in *in, uint32_t bytes,
                                    int whole)
{
    if (!whole) {
        in->taken += bytes;
        return;
    }
    in->tail += in->first_space;
    in->taken = 0;
    in->known = 0;
}

#endif
