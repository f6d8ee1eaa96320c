/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cases: what each one measures, on which processors, and what it has to
 * reach. A new case is one line in cases.c.
 */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include "load.h"
#include "report.h"
#include "slice.h"

/* A run of the benchmark. */
struct bench {
    struct places places;
    const char *directory; /* scratch */
    FILE *json;            /* NULL: not wanted */
    double seconds;        /* of one slice */
    int rounds;            /* of slices, for each case */
    double loaded_seconds; /* the same two beside others who are busy */
    int loaded_rounds;
    int complete;     /* all peers, not only those that targets name */
    unsigned against; /* if not 0: one bit for each peer that is wanted */
    uint32_t clients; /* if not 0: where there are many */
    uint64_t start_ns;
};

/* The rows that a case gives. */
#define OUTCOME_ROWS 10
struct outcome {
    int failures; /* of libraries: they are left out from then on */
    int count;
    struct row rows[OUTCOME_ROWS];
};

/* What of a slice is compared. */
enum field {
    FIELD_HEADLINE, /* time of a round trip, else the rate */
    FIELD_CPU,      /* processor time per message */
    FIELD_FAIRNESS, /* of a fan */
    FIELD_WORST,    /* the headline in the worst round, not in the middle */
    FIELD_99        /* the time that 99 of 100 round trips do not exceed */
};

struct target {
    enum peer_id against; /* PEER_NONE: an absolute value */
    enum judge judge;     /* JUDGE_NONE: only shown */
    enum field field;
    double limit;
    double stretch;
};

#define TARGETS_MOST 5
struct bench_case {
    const char *name;
    /* Measures and fills rows; a failure is a row too. */
    void (*run)(const struct bench *bench, const struct bench_case *self,
                struct outcome *outcome);
    struct slice slice;  /* its seconds come from the bench */
    enum load_kind load; /* who is busy beside it: loaded_run only */
    enum peer_id ours;
    struct target targets[TARGETS_MOST]; /* all zero after the last */
    int few;      /* only the peers that targets name, always */
    int unjudged; /* no target of its own: not in --check */
};

extern const struct bench_case bench_cases[];
extern const int bench_case_count;

/* The runners. pair.c: slices of ours and others in turn. */
void pair_run(const struct bench *bench, const struct bench_case *self,
              struct outcome *outcome);

/* loaded.c: ours and another in turn, beside busy processes. */
void loaded_run(const struct bench *bench, const struct bench_case *self,
                struct outcome *outcome);

/* crowd.c: thousands of clients of one server. */
void crowd_run(const struct bench *bench, const struct bench_case *self,
               struct outcome *outcome);

/* death.c: killed peers, and a server that comes back. */
void kill_run(const struct bench *bench, const struct bench_case *self,
              struct outcome *outcome);
void restart_run(const struct bench *bench, const struct bench_case *self,
                 struct outcome *outcome);

/* Is this in --check when nobody names cases? It has targets, and is one of few
 * of its kind: there are more loaded ones than there is time. */
int case_in_check(const struct bench_case *self);

/* For the runners (outcome.c). Is this peer wanted in this case, and there? */
int case_has_peer(const struct bench *bench, const struct bench_case *self,
                  enum peer_id id);

/* Add a row; the last one is used again when there are too many. */
struct row *outcome_row(struct outcome *outcome, const char *name,
                        const char *unit);

#endif
