/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ways that `windpipe bench` compares, behind one pair of calls: a
 * windpipe stream, and the AF_UNIX stream with a four-byte length before each
 * message that programs write for themselves, with one write for a small
 * message and a reader that takes all there is at once. In bench_link.c;
 * used by bench.c alone.
 */
#ifndef WINDPIPE_CLI_BENCH_H
#define WINDPIPE_CLI_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "options.h"

enum {
    LINK_WINDPIPE,
    LINK_UNIX,
    LINKS
};

/* Both ends give up on each other after this time; and the read-ahead. */
enum {
    BENCH_TIMEOUT_MS = 10000,
    BENCH_AHEAD = 1 << 16 /* is read at least, if it is there */
};

struct bench_link {
    wpipe_stream *stream; /* LINK_WINDPIPE */
    int fd;               /* LINK_UNIX, and what was read of it ahead */
    size_t begin, end;
    char ahead[2 * BENCH_AHEAD];
};

/* What the measuring end asks of the other. */
struct bench_order {
    uint32_t link;
    uint32_t echo; /* send each message back; else one byte at the end */
    uint64_t size, count;
};

/* One message. Returns 0 or a WPIPE_E*. */
int bench_send(struct bench_link *links, int which, const void *data,
               size_t size);

/* One message into `buf`, which has room for it. Returns as bench_send. */
int bench_take(struct bench_link *links, int which, void *buf, size_t room);

/* The other process, and the links to it. */
struct bench_peer {
    pid_t pid;
    int control;
    struct bench_link links[LINKS];
};

/* Fork it and connect to it. Returns 0 or a WPIPE_E*. */
int bench_peer_start(struct bench_peer *ret, const struct options *options);

/* Have it carry out an order, next. */
int bench_peer_order(const struct bench_peer *peer,
                     const struct bench_order *order);

/* Close the links, see it end. */
void bench_peer_end(struct bench_peer *peer);

#endif
