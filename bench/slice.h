/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One slice: fresh processes, one kind of traffic, one library, for a fraction
 * of a second. The same loops drive every library.
 */
#ifndef BENCH_SLICE_H
#define BENCH_SLICE_H

#include "adapter.h"
#include "measure.h"

enum traffic {
    TRAFFIC_ROUND_TRIP, /* a message there and one back, one at a time */
    TRAFFIC_ONE_WAY,    /* messages there as fast as they go */
    TRAFFIC_CONNECT,    /* connect, one message, close */
    TRAFFIC_FAN,        /* clients that all have their messages echoed */
    TRAFFIC_BROADCAST   /* one sender, the same message to all clients */
};

enum placement {
    PLACE_SPLIT, /* a processor for each end */
    PLACE_SAME,  /* both ends on one processor */
    PLACE_NONE   /* as the scheduler likes */
};

/* Clients of a fan: each is a process. */
#define FAN_MOST (CREW_MAX - 1)

struct slice {
    enum traffic traffic;
    enum placement placement;
    size_t bytes;
    int spin_us;
    double seconds;
    uint32_t clients; /* of a fan or a broadcast */
    uint32_t window;  /* and messages in flight for each of them */
    uint32_t work_us; /* what the receiver does with each message */
    /* Where round trips may take milliseconds: a slice goes on until it has
     * so many, but for `longest` seconds at most, and takes each one's time
     * also in a fan of one in flight. 0: not so. */
    uint32_t trips;
    double longest;
};

/* The percentiles that are kept of round trips. */
#define PERCENTILES   12
#define PERCENTILE_50 3
extern const double slice_percentiles[PERCENTILES];

/* What a slice gave; a field that its traffic has no value for is 0. All
 * numbers are doubles: medians are taken field by field. */
struct slice_result {
    double times_us[PERCENTILES]; /* of round trips */
    double rate;     /* messages, echoes or connections per second */
    double cpu_ns;   /* of all processes per message */
    double fairness; /* of a fan: the slowest client's share of the fastest */
    char transport[16];
    struct histogram *trips; /* the caller's, or NULL: round trips are added */
};

/* The words used in names and figures. */
const char *placement_name(enum placement placement);

/* Can `peer` do this at all? */
int slice_possible(const struct peer *peer, const struct slice *slice);

/*
 * Run one slice of `peer`. 0 and the result, or -1 after printing why.
 * `directory` is the scratch directory of the run.
 */
int slice_run(const struct peer *peer, const struct slice *slice,
              const struct places *places, const char *directory,
              struct slice_result *ret_result);

/* The same for a fan (fan.c) and a broadcast (broadcast.c) alone. */
int fan_run(const struct peer *peer, const struct slice *slice,
            const struct setup *setup, struct slice_result *ret_result);
int broadcast_run(const struct peer *peer, const struct slice *slice,
                  const struct setup *setup, struct slice_result *ret_result);

#endif
