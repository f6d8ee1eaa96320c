/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all cases: see cases.h.
 */
#include "cases.h"

#include <windpipe.h>

#define ROUND(place, spin, kind, most, judged)                          \
    .run = pair_run, .traffic = TRAFFIC_ROUND_TRIP, .bytes = 64,        \
    .placement = place, .spin_us = spin, .target = kind, .limit = most, \
    .checked = judged
#define ONE_WAY(place, size, kind, least, judged)               \
    .run = pair_run, .traffic = TRAFFIC_ONE_WAY, .bytes = size, \
    .placement = place, .target = kind, .limit = least, .checked = judged
#define CONNECT(place) \
    .run = pair_run, .traffic = TRAFFIC_CONNECT, .bytes = 64, .placement = place
#define FAN(flight, least)                                   \
    .run = pair_run, .traffic = TRAFFIC_FAN, .bytes = 64,    \
    .placement = PLACE_NONE, .clients = 8, .window = flight, \
    .target = TARGET_GAIN, .limit = least, .checked = 1
#define BROADCAST(flight, least)                                  \
    .run = pair_run, .traffic = TRAFFIC_BROADCAST, .bytes = 1024, \
    .placement = PLACE_NONE, .clients = 100, .window = flight,    \
    .target = TARGET_GAIN, .limit = least, .checked = 1
#define OTHER(runner) \
    .run = runner, .bytes = 64, .placement = PLACE_NONE, .checked = 1

const struct bench_case bench_cases[] = {
    { .name = "rtt-64-split", ROUND(PLACE_SPLIT, 0, TARGET_GAIN, 40, 1) },
    { .name = "rtt-64-one-cpu", ROUND(PLACE_SAME, 0, TARGET_GAIN, 1.8, 1) },
    { .name = "rtt-64-split-nospin",
      ROUND(PLACE_SPLIT, WPIPE_SPIN_OFF, TARGET_COST, 1.1, 1) },
    { .name = "rtt-64-one-cpu-nospin",
      ROUND(PLACE_SAME, WPIPE_SPIN_OFF, TARGET_COST, 1.1, 1) },
    { .name = "rtt-64-unpinned", ROUND(PLACE_NONE, 0, TARGET_NONE, 0, 0) },
    { .name = "oneway-64-split", ONE_WAY(PLACE_SPLIT, 64, TARGET_GAIN, 20, 1) },
    { .name = "oneway-1k-split",
      ONE_WAY(PLACE_SPLIT, 1024, TARGET_NONE, 0, 0) },
    { .name = "oneway-16k-split",
      ONE_WAY(PLACE_SPLIT, 16384, TARGET_NONE, 0, 0) },
    { .name = "oneway-64k-split",
      ONE_WAY(PLACE_SPLIT, 65536, TARGET_GAIN, 3.5, 1) },
    { .name = "oneway-1m-split",
      ONE_WAY(PLACE_SPLIT, 1048576, TARGET_NONE, 0, 0) },
    { .name = "oneway-64-unpinned",
      ONE_WAY(PLACE_NONE, 64, TARGET_NONE, 0, 0) },
    { .name = "oneway-1k-unpinned",
      ONE_WAY(PLACE_NONE, 1024, TARGET_NONE, 0, 0) },
    { .name = "oneway-16k-unpinned",
      ONE_WAY(PLACE_NONE, 16384, TARGET_NONE, 0, 0) },
    { .name = "oneway-64k-unpinned",
      ONE_WAY(PLACE_NONE, 65536, TARGET_NONE, 0, 0) },
    { .name = "oneway-1m-unpinned",
      ONE_WAY(PLACE_NONE, 1048576, TARGET_NONE, 0, 0) },
    { .name = "connect-split", CONNECT(PLACE_SPLIT) },
    { .name = "connect-one-cpu", CONNECT(PLACE_SAME) },
    { .name = "fanin-8-w1", FAN(1, 20) },
    { .name = "fanin-8-w32", FAN(32, 10) },
    { .name = "broadcast-1k-100", BROADCAST(64, 3.9) },
    { .name = "crowd", OTHER(crowd_run) },
    { .name = "kill", OTHER(kill_run) },
    { .name = "restart", OTHER(restart_run) },
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
