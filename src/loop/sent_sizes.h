/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes of sent messages: how many of the messages that were sent are behind
 * the bytes that the peer has read. A link tells bytes; people ask for
 * messages. So the sizes of what was sent are remembered as runs of messages of
 * one size.
 *
 * Exact as long as what is unread has at most WPIPE__SENT_SIZES_RUNS changes of
 * size; beyond that the oldest runs are joined, and a peer that stopped
 * inside a joined run is given the messages of average size. Empty messages
 * count as read once all bytes before them are. Pure; used by loop/conn.c.
 */
#ifndef WPIPE_LOOP_SENT_SIZES_H
#define WPIPE_LOOP_SENT_SIZES_H

#include <stddef.h>
#include <stdint.h>

#define WPIPE__SENT_SIZES_RUNS 64u

struct wpipe__sent_sizes_run {
    uint64_t bytes;
    uint64_t messages;
};

/* All zero: nothing was sent. Two runs need no memory of their own. */
struct wpipe__sent_sizes {
    struct wpipe__sent_sizes_run few[2];
    struct wpipe__sent_sizes_run *many; /* NULL: `few` is in use */
    uint32_t count;
};

/* May the next message of this size be added without a trim? */
int wpipe__sent_sizes_has_room(const struct wpipe__sent_sizes *sent_sizes,
                               uint64_t size);

/* One message was sent. Never fails: without memory runs are joined. */
void wpipe__sent_sizes_add(struct wpipe__sent_sizes *sent_sizes, uint64_t size);

/* Forget what lies before the last `unread` bytes. */
void wpipe__sent_sizes_trim(struct wpipe__sent_sizes *sent_sizes,
                            uint64_t unread);

/* How many messages the last `unread` bytes are, begun ones included. */
uint64_t wpipe__sent_sizes_messages(const struct wpipe__sent_sizes *sent_sizes,
                                    uint64_t unread);

void wpipe__sent_sizes_done(struct wpipe__sent_sizes *sent_sizes);

#endif
