/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copy of payload beside memcpy, by where the two places lie to each
 * other: on some processors and some versions of libc memcpy is ten times
 * slower at a few offsets (src/base/copy.h). In this process, where the
 * scheduler likes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "cases.h"
#include "measure.h"
#include "process.h"

#define BLOCK_PAGE  4096u
#define ROUNDS_MOST 60
/* Copies between two looks at the clock; the fastest batch counts, since others
 * may have the processor meanwhile. */
#define BATCH 16

/* Destination less source, within a page: with our headers payload used to
 * lie 8 bytes behind a page, and what malloc gives lies 16 behind one. */
static const size_t offsets[] = { 0, 1, 8, 16, 24, 31, 32, 64, 2048, 4080 };
#define OFFSETS (sizeof(offsets) / sizeof(offsets[0]))
_Static_assert(OFFSETS <= OUTCOME_ROWS, "a row for each");

struct blocks {
    unsigned char *source;
    unsigned char *target;
};

static int blocks_make(struct blocks *blocks, size_t size)
{
    size_t pages = size / BLOCK_PAGE + 2;

    blocks->source = aligned_alloc(BLOCK_PAGE, pages * BLOCK_PAGE);
    blocks->target = aligned_alloc(BLOCK_PAGE, pages * BLOCK_PAGE);
    if (!blocks->source || !blocks->target)
        return -1;
    memset(blocks->source, 1, pages * BLOCK_PAGE);
    memset(blocks->target, 2, pages * BLOCK_PAGE);
    return 0;
}

/* GB/s, looked at for `seconds`. */
static double rate_of(void (*copy)(void *, const void *, size_t), void *to,
                      const void *from, size_t size, double seconds)
{
    uint64_t start = clock_now_ns(), before = start, least = UINT64_MAX;

    do {
        uint64_t now;

        for (int i = 0; i < BATCH; i++)
            copy(to, from, size);
        now = clock_now_ns();
        least = now - before < least ? now - before : least;
        before = now;
    } while ((double)(before - start) < seconds * 1e9);
    return (double)size * BATCH / (double)least;
}

static void copy_ours(void *to, const void *from, size_t size)
{
    wpipe__copy(to, from, size);
}

static void copy_libc(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}

static void offset_run(const struct bench *bench, const struct blocks *blocks,
                       size_t size, size_t offset, struct row *row)
{
    double ours[ROUNDS_MOST], theirs[ROUNDS_MOST], ratios[ROUNDS_MOST];
    /* one slice of the run's usual length for all offsets */
    double seconds = bench->seconds / (double)OFFSETS;
    void *to = blocks->target + offset;

    for (int i = 0; i < bench->rounds; i++) {
        ours[i] = rate_of(copy_ours, to, blocks->source, size, seconds);
        theirs[i] = rate_of(copy_libc, to, blocks->source, size, seconds);
        ratios[i] = ours[i] / theirs[i];
    }
    row->ours = median(ours, bench->rounds);
    row->theirs = median(theirs, bench->rounds);
    row->ratio = median(ratios, bench->rounds);
}

static void figures_write(const struct bench *bench, const struct row *row,
                          size_t size)
{
    struct figure figure = { .name = row->name,
                             .placement = "unpinned",
                             .bytes = size,
                             .unit = "GB/s",
                             .percentile = 50 };

    figure.library = "windpipe";
    figure.value = row->ours;
    figure_write(bench->json, &figure);
    figure.library = row->against;
    figure.value = row->theirs;
    figure_write(bench->json, &figure);
}

void copy_run(const struct bench *bench, const struct bench_case *self,
              struct outcome *outcome)
{
    struct blocks blocks = { NULL, NULL };
    size_t size = self->slice.bytes;
    char name[40];

    if (blocks_make(&blocks, size) < 0) {
        outcome_row(outcome, self->name, "GB/s")->failed = 1;
        outcome->failures++;
    } else {
        for (size_t i = 0; i < OFFSETS && !interrupted(); i++) {
            struct row *row;

            snprintf(name, sizeof(name), "%s +%zu", self->name, offsets[i]);
            row = outcome_row(outcome, name, "GB/s");
            row->against = "memcpy";
            row->judge = self->targets[0].judge;
            row->limit = self->targets[0].limit;
            offset_run(bench, &blocks, size, offsets[i], row);
            figures_write(bench, row, size);
        }
    }
    free(blocks.source);
    free(blocks.target);
}
