/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tally: how many of the messages that were sent are behind the bytes
 * that the peer has read. A link tells bytes; people ask for messages. So the
 * sizes of what was sent are remembered as runs of messages of one size.
 *
 * Exact as long as what is unread has at most WPIPE__TALLY_RUNS changes of
 * size; beyond that the oldest runs are joined, and a peer that stopped
 * inside a joined run is given the messages of average size. Empty messages
 * count as read once all bytes before them are. Pure; used by loop/conn.c.
 */
#ifndef WPIPE_LOOP_TALLY_H
#define WPIPE_LOOP_TALLY_H

#include <stddef.h>
#include <stdint.h>

#define WPIPE__TALLY_RUNS 64u

struct wpipe__tally_run {
    uint64_t bytes;
    uint64_t messages;
};

/* All zero is an empty tally. Two runs need no memory of their own. */
struct wpipe__tally {
    struct wpipe__tally_run few[2];
    struct wpipe__tally_run *many; /* NULL: `few` is in use */
    uint32_t count;
};

/* May the next message of this size be added without a trim? */
int wpipe__tally_has_room(const struct wpipe__tally *tally, uint64_t size);

/* One message was sent. Never fails: without memory runs are joined. */
void wpipe__tally_add(struct wpipe__tally *tally, uint64_t size);

/* Forget what lies before the last `unread` bytes. */
void wpipe__tally_trim(struct wpipe__tally *tally, uint64_t unread);

/* How many messages the last `unread` bytes are, begun ones included. */
uint64_t wpipe__tally_messages(const struct wpipe__tally *tally,
                               uint64_t unread);

void wpipe__tally_done(struct wpipe__tally *tally);

#endif
