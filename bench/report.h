/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmark tells: one line of JSON per figure for programs, one row
 * of a table per case for people.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stddef.h>
#include <stdio.h>

/* One number. Strings are ours and plain; NULL becomes null. */
struct figure {
    const char *library;
    const char *name; /* of the case */
    const char *transport;
    const char *placement;
    const char *spin;
    size_t bytes;
    double value;
    const char *unit;
    double percentile; /* 50 is the median; 0: not one of a distribution */
};

/* How a row is judged. */
enum target {
    TARGET_NONE,
    TARGET_GAIN, /* as many times better than the yardstick, or more */
    TARGET_COST, /* at most so many times the yardstick's */
    TARGET_MOST  /* ours is at most this value */
};

struct row {
    char name[40];
    const char *unit;
    double ours;
    double yardstick; /* 0: there is none */
    double ratio;     /* gain or cost, whichever the target is about */
    double buffered;  /* the socket with a better reader; 0: not measured */
    double control;   /* the bare ring; 0: not measured */
    double line_ns;   /* of a cache line between the two ends; 0: one core */
    enum target target;
    double limit;
    int failed; /* it could not be measured */
};

/* Write to `file`, which may be NULL. */
void figure_write(FILE *file, const struct figure *figure);

/* 1 when the row has no target or reaches it. */
int row_met(const struct row *row);

void table_head(FILE *file);
void table_row(FILE *file, const struct row *row);

#endif
