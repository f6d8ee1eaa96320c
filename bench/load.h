/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Others who want the processors too: busy loops or short processes beside a
 * measurement. Half of them share our session, the others have one each: Linux
 * gives each session of a terminal the same share of a processor (autogroup),
 * so the two kinds compete with us in different ways. Used by loaded.c.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "process.h"

enum load_kind {
    LOAD_NONE,
    LOAD_2_2, /* busy loops: in our session + in sessions of their own */
    LOAD_4_8,
    LOAD_8_8,
    LOAD_STORM, /* four processes that start short ones, 2 + 2 */
    LOADS
};

/* The helpers of one load, and what they share with the driver. */
struct load_crew {
    struct crew crew;
    struct load_board *board;
};

/* The word used in names and figures: "none", "4+8", "storm". */
const char *load_name(enum load_kind kind);

/* The kind that is called so; LOADS: there is none. */
enum load_kind load_find(const char *name);

/*
 * Start the helpers and wait until all are at work. They end with the driver,
 * whatever happens to it, and after `seconds` by themselves. 0 or -1.
 */
int load_start(struct load_crew *load, enum load_kind kind, double seconds);

/* Kill and reap them. How many had ended before, which spoils what was
 * measured beside them; also after a failed load_start. */
int load_end(struct load_crew *load);

/* 1 when the kernel schedules by session here, 0 when not. */
int load_by_session(void);

#endif
