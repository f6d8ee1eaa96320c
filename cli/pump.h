/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two endpoints joined: what one gives is written to the other, both ways at
 * once, each way at the pace of the slower side. The end of one side is passed
 * on as a half-close; the pump ends when both ways have, or when a side is
 * gone for good. One that is stopped (a signal, -q, -w) reads no more, but what
 * it has read it hands over first, for --linger at most; what is left then is
 * counted, said, and STATUS_LOST.
 */
#ifndef WINDPIPE_CLI_PUMP_H
#define WINDPIPE_CLI_PUMP_H

#include <pthread.h>

#include "endpoint.h"

struct pump;

/* One way: from one endpoint to the other, on a thread of its own. */
struct flow {
    struct pump *pump;
    struct flow *back;
    struct endpoint *from, *to;
    pthread_t thread;
    atomic_bool ended;
    atomic_bool reading;
    struct endpoint *failed; /* which of the two, when error is not 0 */
    int error;
    uint64_t chunks, bytes;
    uint64_t lost_chunks, lost_bytes; /* read, but not taken in time */
};

struct pump {
    const struct options *options;
    struct flow flows[2];  /* 0: first to second; 1: back */
    atomic_bool stop;      /* nothing more is read */
    atomic_bool cut;       /* nor written: --linger is over */
    atomic_bool idle;      /* stopped by -w */
    atomic_bool broken;    /* stopped, as stdout takes no more of --json */
    uint64_t visit;        /* what relay --json calls this pair */
    _Atomic int64_t moved; /* the clock when something was moved, in ms */
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

/*
 * Join them until the end; the caller closes both. pump_stop may be called
 * from another thread between init and done.
 *
 * Returns the exit code; what went wrong was said on stderr.
 */
void pump_init(struct pump *p, const struct options *options,
               struct endpoint *first, struct endpoint *second);
int pump_run(struct pump *p);
void pump_stop(struct pump *p);
void pump_done(struct pump *p);

#endif
