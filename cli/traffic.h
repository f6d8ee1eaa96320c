/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much goes through a pipe, from two surveys: `windpipe top` and nobody
 * else. What went through a connection that has ended since is not in it.
 */
#ifndef WINDPIPE_CLI_TRAFFIC_H
#define WINDPIPE_CLI_TRAFFIC_H

#include "survey.h"

/* One row. */
struct traffic {
    const struct survey_pipe *pipe;
    double messages, bytes; /* a second, both ways */
    uint64_t queued;        /* bytes, for all clients */
    uint32_t shared, plain; /* connections by shared memory, by socket */
};

/* `before` is NULL for a pipe that was not there, `seconds` 0 at the first
 * look: then nothing is known of the rates, and they are 0. */
void traffic_measure(struct traffic *ret, const struct survey_pipe *now,
                     const struct survey_pipe *before, double seconds);

/* "shared", "socket", "mixed", or "-" without clients. */
const char *traffic_transport(const struct traffic *t);

#endif
