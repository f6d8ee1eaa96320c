/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmark tells: one line of JSON per figure for programs, one row
 * of a table per comparison for people.
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
    const char *load; /* who was busy beside it */
    size_t bytes;
    double value;
    const char *unit;
    double percentile; /* 50 is the median; 0: not one of a distribution */
};

/* How a row is judged. */
enum judge {
    JUDGE_NONE,
    JUDGE_GAIN, /* as many times better than the other, or more */
    JUDGE_COST, /* at most so many times what the other one needs */
    JUDGE_MOST, /* ours is at most this value */
    JUDGE_LEAST /* ours is at least this value */
};

struct row {
    char name[40];
    const char *unit;
    double ours;
    const char *against; /* the other; NULL: there is none */
    int best;            /* and it is the best of all */
    double theirs;
    double ratio; /* gain, or cost for JUDGE_COST; 0: none */
    enum judge judge;
    double limit;
    double stretch; /* a limit that would be nice, or 0 */
    double doubt;   /* by how many times the ratio may be luck; 0: not asked */
    double line_ns; /* of a cache line between the two ends; 0: one core */
    char note[80];  /* the last column instead of that */
    int failed;     /* it could not be measured */
};

/* Write to `file`, which may be NULL. */
void figure_write(FILE *file, const struct figure *figure);

/* 1 when the row has no target or reaches it. */
int row_met(const struct row *row);

/* A row whose name is that of the row before, or "", leaves it out. */
void table_head(FILE *file);
void table_row(FILE *file, const struct row *row, const char *name_before);

#endif
