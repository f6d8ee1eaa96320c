/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that speaks the wire by hand, rightly or wrongly: one end of a pair of
 * sockets is a link of ours, the other one is this. For tests/fault.
 */
#ifndef WINDPIPE_TESTS_RAW_PEER_H
#define WINDPIPE_TESTS_RAW_PEER_H

#include "support.h"

#include <windpipe/stream.h>

#include "base/frame.h"
#include "base/ring.h"
#include "link/link.h"

/* How far a call of the victim's may be held up, whatever the peer does. */
#define RAW_SOON_MS SUPPORT_SOON_MS

struct raw_peer {
    int fd;                   /* ours; raw */
    int victim_serves;        /* the link is the server's end */
    wpipe_options options;    /* of the victim, resolved */
    struct wpipe__link *link; /* the victim; its stream owns it, once made */
    wpipe_stream *stream;
    uint64_t sent; /* charges of the DATA that we sent */
    /* shared memory, after raw_move */
    struct wpipe__control *mine; /* writable */
    uint8_t *ring;
    const struct wpipe__control *theirs;
    size_t ring_size; /* of ours */
    int told;         /* the victim has said MOVED */
};

/* The victim alone, before any greeting. A message pipe of 64 KiB each way. */
void raw_open(struct raw_peer *raw, int victim_serves, int shared_memory);
/* The same, of a victim with flags in its options. */
void raw_open_with(struct raw_peer *raw, int victim_serves, int shared_memory,
                   uint32_t flags);
/* As above, greeted in good order, with its stream. */
void raw_open_greeted(struct raw_peer *raw, int victim_serves,
                      int shared_memory);
/* The same, of a byte pipe. */
void raw_open_bytes(struct raw_peer *raw, int victim_serves);
/* The second half of that. */
void raw_be_greeted(struct raw_peer *raw);
/* As above, moved to shared memory in good order both ways. Our ring is as
 * large as it may get; or with _small as it should begin. */
void raw_open_shared(struct raw_peer *raw, int victim_serves);
void raw_open_shared_small(struct raw_peer *raw, int victim_serves);
void raw_close(struct raw_peer *raw);
/* Only the raw end. */
void raw_hang_up(struct raw_peer *raw);

/* ---- saying something ---------------------------------------------------- */

/* All bytes; false when the victim does not take them any more. */
bool raw_send(const struct raw_peer *raw, const void *bytes, size_t size);
/* With descriptors along. */
bool raw_send_passing(const struct raw_peer *raw, const void *bytes,
                      size_t size, const int *fds, int count);
/* A frame; `body` may be NULL, then it is zeros. */
bool raw_frame(const struct raw_peer *raw, uint8_t type, uint16_t flags,
               uint64_t value, const void *body, uint32_t size);
/* A header alone, with whatever it announces. */
bool raw_header(const struct raw_peer *raw, uint8_t type, uint16_t flags,
                uint64_t value, uint32_t size);
/* A DATA frame with a record in it, counted. */
bool raw_data(struct raw_peer *raw, uint32_t flags, const void *payload,
              uint32_t size);
/* SWITCH with one descriptor. */
bool raw_switch(const struct raw_peer *raw, int fd, uint32_t ring_size);
/* The same, to go on there from position `at` on. */
bool raw_switch_at(const struct raw_peer *raw, int fd, uint32_t ring_size,
                   uint64_t at);

/* A greeting as an honest peer of the victim would send it. */
struct wpipe__greeting raw_greeting(void);
/* That greeting as HELLO, or as VERDICT, with this value. */
bool raw_greet(const struct raw_peer *raw, uint8_t type, uint64_t value,
               const struct wpipe__greeting *greeting);

/* Everything that the victim has sent so far is thrown away. */
void raw_ignore(const struct raw_peer *raw);

/* ---- what becomes of the victim ------------------------------------------ */

/* The greeting ends with this error, for good. */
void raw_expect_greeting(struct raw_peer *raw, int error);
/* Every call gives this error from now on, at once. */
void raw_expect_end(struct raw_peer *raw, int error);
/* The connection works: a message each way (framed). */
void raw_expect_alive(struct raw_peer *raw);
/* Every kind of call, once, without waiting; returns the first end that one of
 * them told, or 0. None may take long. */
int raw_exercise(struct raw_peer *raw);

/* Bytes of heap and stack that this process holds. */
size_t raw_memory(void);

#endif
