/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: what travels on a native link, in a shared ring and as DATA frames
 * alike. A record is one message or one fragment of it. docs/wire.md has the
 * layout; this header is its C side. Pure; used by ring, frame and transports.
 */
#ifndef WPIPE_BASE_RECORD_H
#define WPIPE_BASE_RECORD_H

#include <stdint.h>

/* Record flags, as on the wire. */
enum {
    WPIPE__RECORD_MORE = 0x01,      /* the message goes on in the next one */
    WPIPE__RECORD_TOTAL = 0x02,     /* a u64 follows: bytes of the message */
    WPIPE__RECORD_REQUEST = 0x04,   /* a u64 follows: a call with this id */
    WPIPE__RECORD_REPLY = 0x08,     /* a u64 follows: answers this call */
    WPIPE__RECORD_ABORT = 0x10,     /* the message begun is withdrawn */
    WPIPE__RECORD_FIN = 0x20,       /* nothing comes after this */
    WPIPE__RECORD_PAD = 0x40,       /* ring only: skip to the ring's start */
    WPIPE__RECORD_REVOCABLE = 0x80, /* reserved in version 1 */
    WPIPE__RECORD_REVOKED = 0x100,  /* reserved in version 1 */
    WPIPE__RECORD_GROWN = 0x200,    /* ring only: go on in the larger one */
    WPIPE__RECORD_ALIGNED = 0x400   /* ring only: where the payload lies */
};

/* What version 1 accepts from a peer, what is for rings only aside. */
#define WPIPE__RECORD_KNOWN                                             \
    (WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL | WPIPE__RECORD_REQUEST | \
     WPIPE__RECORD_REPLY | WPIPE__RECORD_ABORT | WPIPE__RECORD_FIN)

#define WPIPE__RECORD_HEADER 8u

/* A payload that is ALIGNED begins at a multiple of this, a cache line. */
#define WPIPE__RECORD_LINE 64u
/* Our own payloads are, from this size on. */
#define WPIPE__RECORD_LARGE 2048u

/* One record, taken apart. `data` may lie in memory that the peer can change:
 * copy it once, judge the copy. */
struct wpipe__record {
    uint32_t size;    /* payload bytes (that are still untaken) */
    uint32_t flags;   /* WPIPE__RECORD_* */
    uint64_t total;   /* with TOTAL */
    uint64_t request; /* with REQUEST or REPLY */
    const uint8_t *data;
};

/* Bytes of the optional words behind the header. */
static inline uint32_t wpipe__record_extra(uint32_t flags)
{
    uint32_t extra = (flags & WPIPE__RECORD_TOTAL) ? 8u : 0u;

    if (flags & (WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY))
        extra += 8u;
    return extra;
}

/* Bytes between the words of an ALIGNED record and its payload. */
static inline uint32_t wpipe__record_gap(uint64_t position, uint32_t flags)
{
    uint64_t payload =
        position + WPIPE__RECORD_HEADER + wpipe__record_extra(flags);

    return (uint32_t)(0u - payload) & (WPIPE__RECORD_LINE - 1u);
}

/* The first multiple of WPIPE__RECORD_LINE in a block that has as many bytes
 * more than are used of it. */
static inline uint8_t *wpipe__record_line(uint8_t *block)
{
    return block + (0u - (uintptr_t)block) % WPIPE__RECORD_LINE;
}

/* Bytes that a record takes in a ring, without a gap. */
static inline uint64_t wpipe__record_space(uint32_t flags, uint32_t size)
{
    uint64_t n =
        WPIPE__RECORD_HEADER + wpipe__record_extra(flags) + (uint64_t)size;

    return (n + 7u) & ~(uint64_t)7u;
}

/* 0 when no sender that keeps the rules makes such a record. */
static inline int wpipe__record_sane(uint32_t flags, uint32_t size)
{
    if (flags & ~(uint32_t)WPIPE__RECORD_KNOWN)
        return 0;
    if ((flags & WPIPE__RECORD_REQUEST) && (flags & WPIPE__RECORD_REPLY))
        return 0;
    if (flags & (WPIPE__RECORD_ABORT | WPIPE__RECORD_FIN))
        return size == 0 && (flags & (flags - 1)) == 0;
    if ((flags & WPIPE__RECORD_TOTAL) && !(flags & WPIPE__RECORD_MORE))
        return 0;
    return !((flags & WPIPE__RECORD_MORE) && size == 0);
}

#endif
