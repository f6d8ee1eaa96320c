/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all cases: see cases.h.
 */
#include "cases.h"

#include <windpipe.h>

#define ROUND(place, spin, kind, limit, checked) \
    pair_run, TRAFFIC_ROUND_TRIP, place, 64, spin, kind, limit, checked
#define ONE_WAY(place, bytes, kind, limit, checked) \
    pair_run, TRAFFIC_ONE_WAY, place, bytes, 0, kind, limit, checked
#define CONNECT(place) \
    pair_run, TRAFFIC_CONNECT, place, 64, 0, TARGET_NONE, 0, 0
#define OTHER(run) run, TRAFFIC_ROUND_TRIP, PLACE_NONE, 64, 0, TARGET_NONE, 0, 1

const struct bench_case bench_cases[] = {
    { "rtt-64-split", ROUND(PLACE_SPLIT, 0, TARGET_GAIN, 40, 1) },
    { "rtt-64-one-cpu", ROUND(PLACE_SAME, 0, TARGET_GAIN, 1.8, 1) },
    { "rtt-64-split-nospin",
      ROUND(PLACE_SPLIT, WPIPE_SPIN_OFF, TARGET_COST, 1.1, 1) },
    { "rtt-64-one-cpu-nospin",
      ROUND(PLACE_SAME, WPIPE_SPIN_OFF, TARGET_COST, 1.1, 1) },
    { "rtt-64-unpinned", ROUND(PLACE_NONE, 0, TARGET_NONE, 0, 0) },
    { "oneway-64-split", ONE_WAY(PLACE_SPLIT, 64, TARGET_GAIN, 20, 1) },
    { "oneway-1k-split", ONE_WAY(PLACE_SPLIT, 1024, TARGET_NONE, 0, 0) },
    { "oneway-16k-split", ONE_WAY(PLACE_SPLIT, 16384, TARGET_NONE, 0, 0) },
    { "oneway-64k-split", ONE_WAY(PLACE_SPLIT, 65536, TARGET_GAIN, 3.5, 1) },
    { "oneway-1m-split", ONE_WAY(PLACE_SPLIT, 1048576, TARGET_NONE, 0, 0) },
    { "oneway-64-unpinned", ONE_WAY(PLACE_NONE, 64, TARGET_NONE, 0, 0) },
    { "oneway-1k-unpinned", ONE_WAY(PLACE_NONE, 1024, TARGET_NONE, 0, 0) },
    { "oneway-16k-unpinned", ONE_WAY(PLACE_NONE, 16384, TARGET_NONE, 0, 0) },
    { "oneway-64k-unpinned", ONE_WAY(PLACE_NONE, 65536, TARGET_NONE, 0, 0) },
    { "oneway-1m-unpinned", ONE_WAY(PLACE_NONE, 1048576, TARGET_NONE, 0, 0) },
    { "connect-split", CONNECT(PLACE_SPLIT) },
    { "connect-one-cpu", CONNECT(PLACE_SAME) },
    { "crowd", OTHER(crowd_run) },
    { "kill", OTHER(kill_run) },
    { "restart", OTHER(restart_run) },
};

const int bench_case_count = sizeof(bench_cases) / sizeof(bench_cases[0]);

struct row *outcome_row(struct outcome *outcome, const char *name,
                        const char *unit)
{
    struct row *row;

    if (outcome->count < OUTCOME_ROWS)
        outcome->count++;
    row = &outcome->rows[outcome->count - 1];
    *row = (struct row){ .unit = unit };
    snprintf(row->name, sizeof(row->name), "%s", name);
    return row;
}
