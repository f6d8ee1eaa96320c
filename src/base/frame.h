/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: what travels on the socket of a native link. docs/wire.md is the
 * specification; this is its C side. Every frame is a header of sixteen bytes
 * and `size` bytes of body, all little-endian; a doorbell is one byte alone.
 * Pure: bytes in, values out; fuzzed.
 */
#ifndef WPIPE_BASE_FRAME_H
#define WPIPE_BASE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define WPIPE__WIRE_VERSION 1u
#define WPIPE__HELLO_MAGIC  UINT64_C(0x45504950444e4957) /* "WINDPIPE" */

#define WPIPE__FRAME_HEADER 16u
#define WPIPE__FRAME_DATA_MAX \
    16384u                        /* payload of one DATA frame: the kernel
                                        sends it in one piece */
#define WPIPE__FRAME_CHARGE 1024u /* least credit that a frame costs */
#define WPIPE__WINDOW_MIN \
    16384u /* credit that every receiver grants,
                                        also before the verdict */
#define WPIPE__WINDOW_MAX 65536u

enum wpipe__frame_type {
    WPIPE__FRAME_HELLO = 1,   /* client: greeting */
    WPIPE__FRAME_VERDICT = 2, /* server: greeting with code */
    WPIPE__FRAME_WAIT = 3,    /* server: full, you are queued */
    WPIPE__FRAME_DATA = 4,    /* flags: record; value: our tail; a record */
    WPIPE__FRAME_CREDIT = 5,  /* value: our tail; body: consumed_bytes */
    WPIPE__FRAME_WANT = 6,    /* value: (epoch << 8) | mask */
    WPIPE__FRAME_STATE = 7,   /* value: WPIPE__STATE_* */
    WPIPE__FRAME_SWITCH = 8,  /* value: start; body: sizes; + descriptor */
    WPIPE__FRAME_MOVED = 9,   /* value: position where our ring begins */
    WPIPE__FRAME_STAY = 10,   /* we stay on the socket */
    WPIPE__FRAME_FACTS = 11,  /* answer to a query: opaque body, then close */
    WPIPE__FRAME_JOIN = 12,   /* reserved in version 1 */
    WPIPE__FRAME_CLAIM = 13,  /* reserved in version 1 */
    WPIPE__FRAME_BELL = 0xbe  /* one byte, no header */
};

struct wpipe__frame {
    uint8_t type;
    uint16_t flags; /* DATA: record flags; else 0 */
    uint32_t size;  /* bytes of body */
    uint64_t value;
};

/* Greeting kinds */
enum {
    WPIPE__GREET_CONNECT = 0,
    WPIPE__GREET_QUERY = 1 /* asks for facts, no connection */
};

/* Greeting flags */
enum {
    WPIPE__GREET_WAIT = 1,   /* client: queue me when you are full */
    WPIPE__GREET_SHARED = 2, /* this side can use shared memory */
    WPIPE__GREET_KICKED = 4, /* reserved in version 1 */
    WPIPE__GREET_NOW = 8     /* this side wants shared memory at once: both
                                offer it with the greeting */
};

/* Verdict codes, as on the wire */
enum {
    WPIPE__VERDICT_ACCEPTED = 0,
    WPIPE__VERDICT_BUSY = 1,
    WPIPE__VERDICT_DENIED = 2,
    WPIPE__VERDICT_REFUSED = 3,
    WPIPE__VERDICT_VERSION = 4,
    WPIPE__VERDICT_MODE = 5,
    WPIPE__VERDICT_PROTOCOL = 6
};

/* Body of HELLO and of VERDICT. */
struct wpipe__greeting {
    uint16_t version_low; /* VERDICT: both are the version chosen */
    uint16_t version_high;
    uint32_t code; /* VERDICT: WPIPE__VERDICT_*; HELLO: kind */
    uint32_t flags;
    uint16_t type;      /* WPIPE_BYTE, WPIPE_MESSAGE, 0 = as the server */
    uint16_t direction; /* WPIPE_DUPLEX, WPIPE_IN, WPIPE_OUT of the sender */
    uint32_t buffer_in; /* ring that the sender takes, and makes */
    uint32_t buffer_out;
    uint64_t max_message; /* bytes of one message that the sender takes */
};
#define WPIPE__GREETING_SIZE 40u

/* Body of SWITCH. */
struct wpipe__switch {
    uint32_t ring_size;
    uint32_t segment_size;
};
#define WPIPE__SWITCH_SIZE 8u

void wpipe__frame_encode(const struct wpipe__frame *frame,
                         uint8_t ret_bytes[WPIPE__FRAME_HEADER]);
/* 0, or WPIPE_EPROTO for a type that is not known, a body of a size that its
 * type never has, or flags where there are none. */
int wpipe__frame_decode(const uint8_t bytes[WPIPE__FRAME_HEADER],
                        struct wpipe__frame *ret_frame);

void wpipe__greeting_encode(const struct wpipe__greeting *greeting,
                            uint8_t ret_bytes[WPIPE__GREETING_SIZE]);
/* 0, or WPIPE_EPROTO when a field is out of its range. */
int wpipe__greeting_decode(const uint8_t bytes[WPIPE__GREETING_SIZE],
                           struct wpipe__greeting *ret_greeting);

void wpipe__switch_encode(const struct wpipe__switch *offer,
                          uint8_t ret_bytes[WPIPE__SWITCH_SIZE]);
int wpipe__switch_decode(const uint8_t bytes[WPIPE__SWITCH_SIZE],
                         struct wpipe__switch *ret_offer);

/* WPIPE_E* for a verdict code, 0 for accepted; and back. */
int wpipe__verdict_error(uint32_t code);
uint32_t wpipe__verdict_code(int error);

/* Credit that a record costs on the socket. */
uint64_t wpipe__frame_charge(uint32_t record_flags, uint32_t size);

#endif
