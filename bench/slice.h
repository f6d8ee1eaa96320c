/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One slice: two fresh processes, one kind of traffic, one library, for a
 * fraction of a second. The same loops drive every library.
 */
#ifndef BENCH_SLICE_H
#define BENCH_SLICE_H

#include "adapter.h"
#include "measure.h"

enum traffic {
    TRAFFIC_ROUND_TRIP, /* a message there and one back, one at a time */
    TRAFFIC_ONE_WAY,    /* messages there as fast as they go */
    TRAFFIC_CONNECT     /* connect, one message, close */
};

enum placement {
    PLACE_SPLIT, /* a processor for each end */
    PLACE_SAME,  /* both ends on one processor */
    PLACE_NONE   /* as the scheduler likes */
};

struct slice {
    enum traffic traffic;
    enum placement placement;
    size_t bytes;
    int spin_us;
    double seconds;
};

/* What a slice gave; a field that its traffic has no value for is 0. */
struct slice_result {
    double p50_us; /* of round trips */
    double p99_us;
    double p999_us;
    double rate;   /* messages or connections per second */
    double cpu_ns; /* of both processes per message */
    char transport[16];
};

/* The words used in names and figures. */
const char *placement_name(enum placement placement);

/*
 * Run one slice of `peer`. 0 and the result, or -1 after printing why.
 * `directory` is the scratch directory of the run.
 */
int slice_run(const struct peer *peer, const struct slice *slice,
              const struct places *places, const char *directory,
              struct slice_result *ret_result);

#endif
