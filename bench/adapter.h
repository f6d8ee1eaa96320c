/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmark asks of each library that it measures: one table of
 * functions per library, and the same work for all of them. A new alternative
 * is one file that fills such a table and one line in peers.c. Every end is
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
    uint32_t clients; /* of a fan; else 0 */
    uint32_t window;  /* messages in flight to or from one client, at most */
    uint32_t index;   /* connect: which of the clients this is */
    uint32_t work_us; /* serve: what it does with each message */
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

    /* What it cannot do; 0 is no limit. */
    size_t most_bytes;    /* in one message */
    uint32_t most_window; /* messages in flight to a server, per client */
    uint32_t most_ends;   /* in one process */
    uint32_t most_crowd;  /* clients of one server */

    /* What it can: flags below. */
    unsigned abilities;

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

    /*
     * Tell the receiver that nothing follows; it then sees -1 and the driver
     * closes after that. For libraries whose connections have no end that a
     * receiver could see, or that drop what is on its way. NULL: close does.
     */
    int (*goodbye)(void *end);

    /* What the bytes travel through now. NULL: "socket". */
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

/* peer.abilities */
#define PEER_VISITS       1u /* connect, one message, close, many times */
#define PEER_SEES_LEAVING 2u /* serve counts clients that leave */
#define PEER_SPINS_ALWAYS 4u /* needs a processor for each end */
#define PEER_SPIN_OPTION  8u /* setup.spin_us matters to it */

/* All that can be measured; the order is that of a round of slices. */
enum peer_id {
    PEER_NONE,
    PEER_WINDPIPE,    /* streams, write and read */
    PEER_INPLACE,     /* streams, filled and touched where the bytes lie */
    PEER_SCAN,        /* the same, looked at as a whole */
    PEER_SERVER,      /* a client's send to a server's wait */
    PEER_ONE_THREAD,  /* streams to a server's handlers on a thread */
    PEER_TWO_THREADS, /* and on two */
    PEER_CONTROL,     /* a bare ring: what the machine can do */
    PEER_BUFFERS, /* two shared buffers and memcpy, the same for large ones */
    PEER_SOCKET,  /* the yardstick */
    PEER_ZEROMQ,
    PEER_NNG,
    PEER_SOCKET_PLAIN,   /* the yardstick with a simpler reader */
    PEER_SOCKET_THREADS, /* and with a thread per client */
    PEER_SEQPACKET,
    PEER_SEQPACKET_EPOLL,
    PEER_FIFO,
    PEER_QUEUE, /* POSIX message queue */
    PEER_LIBUV,
    PEER_NANOMSG,
    PEERS
};

/* NULL when its library was not there when this was built. */
const struct peer *peer_get(enum peer_id id);

/* The name of what is not there; NULL: it is, or never was meant to be. */
const char *peer_missing(enum peer_id id);

/* What Debian calls the package it needs; NULL: none. */
const char *peer_package(enum peer_id id);

/* Not ours and not a control: what somebody would use instead. */
int peer_is_alternative(enum peer_id id);

extern const struct peer peer_windpipe;
extern const struct peer peer_inplace;
extern const struct peer peer_scan;
extern const struct peer peer_server;
extern const struct peer peer_one_thread;
extern const struct peer peer_two_threads;
extern const struct peer peer_control;
extern const struct peer peer_buffers;
extern const struct peer peer_socket;
extern const struct peer peer_socket_plain;
extern const struct peer peer_socket_threads;
extern const struct peer peer_seqpacket;
extern const struct peer peer_seqpacket_epoll;
extern const struct peer peer_fifo;
extern const struct peer peer_queue;
extern const struct peer peer_libuv;
extern const struct peer peer_nng;
extern const struct peer peer_zeromq;
extern const struct peer peer_nanomsg;

/* What the bytes of an end travel through. */
const char *end_transport(const struct peer *peer, void *end);

#endif
