/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cases: what each one measures, on which processors, and what it has to
 * reach. A new case is one line in cases.c.
 */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include "report.h"
#include "slice.h"

/* A run of the benchmark. */
struct bench {
    struct places places;
    const char *directory; /* scratch */
    FILE *json;            /* NULL: not wanted */
    double seconds;        /* of one slice */
    int rounds;            /* pairs of slices */
    int complete;          /* also what no target needs: the buffered socket,
                              the bare ring, the crowd on plain sockets */
    uint32_t clients;      /* of the crowd */
};

/* The rows that a case gives. */
#define OUTCOME_ROWS 8
struct outcome {
    int count;
    struct row rows[OUTCOME_ROWS];
};

struct bench_case {
    const char *name;
    /* Measures and fills rows; a failure is a row too. */
    void (*run)(const struct bench *bench, const struct bench_case *self,
                struct outcome *outcome);
    enum traffic traffic;
    enum placement placement;
    size_t bytes;
    int spin_us;
    enum target target;
    double limit;
    int checked;      /* it has a target that --check judges */
    uint32_t clients; /* of a fan or a broadcast */
    uint32_t window;
};

extern const struct bench_case bench_cases[];
extern const int bench_case_count;

/* The runners. pair.c: slices of ours and others in turn. */
void pair_run(const struct bench *bench, const struct bench_case *self,
              struct outcome *outcome);

/* crowd.c: thousands of clients of one server. */
void crowd_run(const struct bench *bench, const struct bench_case *self,
               struct outcome *outcome);

/* death.c: killed peers, and a server that comes back. */
void kill_run(const struct bench *bench, const struct bench_case *self,
              struct outcome *outcome);
void restart_run(const struct bench *bench, const struct bench_case *self,
                 struct outcome *outcome);

/* Add a row; the last one is used again when there are too many. */
struct row *outcome_row(struct outcome *outcome, const char *name,
                        const char *unit);

#endif
