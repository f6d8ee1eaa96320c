/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmark asks of each library that it measures: one table of
 * functions per library, and the same work for all of them. A new alternative
 * is one file that fills such a table and one line in cases.c. Every end is
 * opened in the process that uses it; only prepare runs in the driver.
 */
#ifndef BENCH_ADAPTER_H
#define BENCH_ADAPTER_H

#include <stddef.h>
#include <stdint.h>

#include "process.h"

/* What ends are for: libraries that have patterns choose theirs by it. */
enum purpose {
    PURPOSE_PAIR,     /* two ends, listen and connect */
    PURPOSE_ECHO,     /* clients of serve */
    PURPOSE_BROADCAST /* clients of announce; they only receive */
};

/* Where ends meet and what they are going to exchange. */
struct setup {
    const char *directory; /* private to this run, and gone after it */
    const char *name;      /* unique in this run, a fit pipe or file name */
    size_t bytes;          /* the largest message */
    int spin_us;           /* as wpipe_options.spin_us; peers may ignore it */
    enum purpose purpose;
    uint32_t window; /* messages in flight to or from one client, at most */
    uint32_t index;  /* connect: which of the clients this is */
};

/* What the server of a crowd counts; shared between all processes. */
struct crowd {
    struct gate ready;  /* 1 once clients may connect */
    struct gate joined; /* clients that came in ... */
    struct gate left;   /* ... and that are gone again */
    uint32_t expected;  /* serve returns once so many have left */
};

/* crowd.expected of a server that never ends by itself. */
#define CROWD_ENDLESS UINT32_MAX

struct peer {
    const char *name;

    /* In the driver before the fork, and after the slice. May be NULL. */
    int (*prepare)(const struct setup *setup);
    void (*forget)(void);

    /*
     * One connection, calls that block. listen, accept and connect return
     * NULL after printing why. accept may be called again and again; an end
     * that was accepted outlives its listener.
     */
    void *(*listen)(const struct setup *setup);
    void *(*accept)(void *listener);
    void (*unlisten)(void *listener);
    void *(*connect)(const struct setup *setup);

    /* Send one whole message. 0, or -1 after printing why. */
    int (*send)(void *end, const void *data, size_t size);

    /*
     * Take one whole message; *ret_data stays until the next receive. Its
     * size; -1 when the other side closed; -2 after printing what is wrong.
     */
    int64_t (*receive)(void *end, const void **ret_data);
    void (*close)(void *end);

    /* What the bytes travel through now, such as "ring" or "socket". */
    const char *(*transport)(void *end);

    /*
     * One single-threaded server that echoes to any number of clients and
     * counts them in `crowd`. 0, or -1 after printing why. NULL: not offered.
     */
    int (*serve)(const struct setup *setup, struct crowd *crowd);

    /*
     * One server that sends to all. announce opens it and returns when
     * crowd->expected clients are there, or NULL after printing why. publish
     * sends one message to all of them: 0, or -1 after printing why. move
     * lets the library do what it has put off; the server calls it while it
     * waits. NULL: not offered, or for move not needed.
     */
    void *(*announce)(const struct setup *setup, struct crowd *crowd);
    int (*publish)(void *server, const void *data, size_t size);
    int (*move)(void *server);
    void (*hush)(void *server);
};

extern const struct peer peer_windpipe;
extern const struct peer peer_socket;         /* the yardstick */
extern const struct peer peer_socket_plain;   /* it, with a simpler reader */
extern const struct peer peer_socket_threads; /* it, a thread per client */
extern const struct peer peer_control;        /* what the machine can do */

#endif
