/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same traffic beside others who are busy: ours and another in turn, under
 * one load that goes on from the first slice to the last. A mean has what a
 * middle hides: one round trip in a hundred that waits for a busy loop's whole
 * turn. So means are compared, and the time that 99 of 100 do not exceed; both
 * over the trips of all slices together. The scheduler's order is a matter of
 * luck: a socket differs from itself by two times and more where twelve want
 * two processors. What the rounds differ by is told, and judged with.
 */
#include "cases.h"

#include <math.h>
#include <string.h>

#define ROUNDS_MAX 64

/* So many round trips of each library, though each takes milliseconds; but a
 * slice takes at most so long. */
#define TRIPS_LEAST     300
#define LONGEST_SECONDS 1.5

/* No doubt is larger than this: a collapse is never excused by luck. */
#define DOUBT_MOST 3.0

/* What is compared. */
enum kind {
    KIND_MEAN, /* of a round trip, us */
    KIND_99,
    KIND_RATE,
    KINDS
};

/* What is known of one library. */
struct totals {
    int active;
    int rounds;
    double values[KINDS][ROUNDS_MAX]; /* slice by slice */
    double cpu_ns[ROUNDS_MAX];
    char transport[16];
    struct histogram trips; /* of all slices */
};

static int is_round_trip(const struct bench_case *self)
{
    return self->slice.traffic == TRAFFIC_ROUND_TRIP;
}

static double mean_us(const struct histogram *trips)
{
    if (trips->count == 0)
        return 0;
    return (double)trips->sum_ns / (double)trips->count / 1e3;
}

static double percentile_us(const struct histogram *trips, double percent)
{
    return histogram_percentile(trips, percent / 100) / 1e3;
}

/* Slices are of one length: the middle would leave out what a mean has. */
static double mean(const double *values, int count)
{
    double sum = 0;

    for (int i = 0; i < count; i++)
        sum += values[i];
    return count > 0 ? sum / count : 0;
}

static enum kind kind_of(const struct bench_case *self, enum field field)
{
    if (field == FIELD_99)
        return KIND_99;
    return is_round_trip(self) ? KIND_MEAN : KIND_RATE;
}

static double totals_value(const struct totals *totals, enum kind kind)
{
    switch (kind) {
    case KIND_MEAN:
        return mean_us(&totals->trips);
    case KIND_99:
        return percentile_us(&totals->trips, 99);
    default:
        return mean(totals->values[KIND_RATE], totals->rounds);
    }
}

/*
 * By how many times the ratio of the two may be luck: two standard errors of
 * the rounds' ratios, which differ by factors. 1 is not at all.
 */
static double doubt(const struct totals *ours, const struct totals *theirs,
                    enum kind kind)
{
    int count = ours->rounds;
    double logs[ROUNDS_MAX], middle, squares = 0, factor;

    if (count < 3)
        return DOUBT_MOST;
    for (int i = 0; i < count; i++) {
        if (ours->values[kind][i] <= 0 || theirs->values[kind][i] <= 0)
            return DOUBT_MOST;
        logs[i] = log(ours->values[kind][i] / theirs->values[kind][i]);
    }
    middle = mean(logs, count);
    for (int i = 0; i < count; i++)
        squares += (logs[i] - middle) * (logs[i] - middle);
    factor = exp(2 * sqrt(squares / (count - 1) / count));
    return factor < DOUBT_MOST ? factor : DOUBT_MOST;
}

/* ---- measuring ---------------------------------------------------------- */

static int totals_slice(const struct bench *bench, enum peer_id id,
                        const struct slice *slice, struct totals *totals)
{
    static struct histogram trips;
    struct slice_result result = { .trips = &trips };
    int at = totals->rounds;

    trips = (struct histogram){ .count = 0 };
    if (slice_run(peer_get(id), slice, &bench->places, bench->directory,
                  &result) < 0)
        return -1;
    totals->values[KIND_MEAN][at] = mean_us(&trips);
    totals->values[KIND_99][at] = percentile_us(&trips, 99);
    totals->values[KIND_RATE][at] = result.rate;
    totals->cpu_ns[at] = result.cpu_ns;
    histogram_merge(&totals->trips, &trips);
    memcpy(totals->transport, result.transport, sizeof(totals->transport));
    totals->rounds++;
    return 0;
}

static int rounds_run(const struct bench *bench, const struct bench_case *self,
                      const struct slice *slice, struct totals *totals,
                      int *failures)
{
    for (int i = 0; i < bench->loaded_rounds && i < ROUNDS_MAX; i++) {
        for (enum peer_id id = PEER_NONE; id < PEERS; id++) {
            if (!totals[id].active || interrupted())
                continue;
            if (totals_slice(bench, id, slice, &totals[id]) == 0)
                continue;
            if (!interrupted())
                complain("%s: %s failed", self->name, peer_get(id)->name);
            totals[id].active = 0;
            ++*failures;
        }
    }
    return totals[self->ours].active && !interrupted() ? 0 : -1;
}

/* How long all slices and their processes can take. */
static double seconds_most(const struct bench *bench, const struct slice *slice)
{
    return bench->loaded_rounds * PEERS * (slice->seconds * 3 + 60);
}

static int loaded_measure(const struct bench *bench,
                          const struct bench_case *self, struct totals *totals,
                          int *failures)
{
    struct slice slice = self->slice;
    struct load_crew load;
    int r, ended;

    slice.seconds = bench->loaded_seconds;
    slice.trips = TRIPS_LEAST / (uint32_t)bench->loaded_rounds + 1;
    slice.longest =
        slice.seconds > LONGEST_SECONDS ? slice.seconds : LONGEST_SECONDS;
    for (enum peer_id id = PEER_NONE; id < PEERS; id++)
        totals[id].active = case_has_peer(bench, self, id) &&
                            slice_possible(peer_get(id), &slice);
    r = load_start(&load, self->load, seconds_most(bench, &slice));
    if (r == 0)
        r = rounds_run(bench, self, &slice, totals, failures);
    ended = load_end(&load);
    if (ended > 0 && !interrupted()) {
        complain("%s: %d busy processes have ended too soon", self->name,
                 ended);
        r = -1;
    }
    return r;
}

/* ---- what is told ------------------------------------------------------- */

static void figures_write(const struct bench *bench,
                          const struct bench_case *self, enum peer_id id,
                          const struct totals *totals)
{
    struct figure figure = {
        .library = peer_get(id)->name,
        .name = self->name,
        .transport = totals->transport[0] ? totals->transport : NULL,
        .placement = placement_name(self->slice.placement),
        .spin = peer_get(id)->abilities & PEER_SPIN_OPTION ? "default" : NULL,
        .load = load_name(self->load),
        .bytes = self->slice.bytes,
        .unit = "us",
    };

    for (size_t i = 0; totals->trips.count > 0 && i < PERCENTILES; i++) {
        figure.percentile = slice_percentiles[i];
        figure.value = percentile_us(&totals->trips, figure.percentile);
        figure_write(bench->json, &figure);
    }
    figure.percentile = 0;
    figure.value = mean_us(&totals->trips);
    figure.unit = "us-mean";
    if (totals->trips.count > 0)
        figure_write(bench->json, &figure);
    figure.value = (double)totals->trips.count;
    figure.unit = "trips";
    if (totals->trips.count > 0)
        figure_write(bench->json, &figure);
    figure.value = totals_value(totals, KIND_RATE);
    figure.unit =
        self->slice.traffic == TRAFFIC_FAN ? "echoes/s" : "messages/s";
    if (figure.value > 0)
        figure_write(bench->json, &figure);
    figure.value = mean(totals->cpu_ns, totals->rounds) / 1e3;
    figure.unit = "cpu-s/million";
    figure_write(bench->json, &figure);
}

/* What the rounds say of the ratio, and the rest that is known of both. */
static void note_fill(const struct totals *ours, const struct totals *theirs,
                      enum kind kind, struct row *row)
{
    int used = snprintf(row->note, sizeof(row->note), "+- %.2fx", row->doubt);

    if (kind == KIND_99 || ours->trips.count == 0)
        return;
    snprintf(row->note + used, sizeof(row->note) - (size_t)used,
             ", p50 %.3g / %.3g us, %llu / %llu trips",
             percentile_us(&ours->trips, 50), percentile_us(&theirs->trips, 50),
             (unsigned long long)ours->trips.count,
             (unsigned long long)theirs->trips.count);
}

/* Rates of large messages as people think of them. */
static void row_scale(const struct bench_case *self, enum kind kind,
                      struct row *row)
{
    double scale = (double)self->slice.bytes / 1e9;

    row->unit = "us";
    if (kind != KIND_RATE)
        return;
    row->unit = self->slice.traffic == TRAFFIC_FAN ? "echo/s" : "msg/s";
    if (self->slice.bytes < 16384)
        return;
    row->unit = "GB/s";
    row->ours *= scale;
    row->theirs *= scale;
}

static void target_row(const struct bench_case *self,
                       const struct totals *totals, const struct target *target,
                       struct outcome *outcome)
{
    const struct totals *ours = &totals[self->ours];
    const struct totals *theirs = &totals[target->against];
    enum kind kind = kind_of(self, target->field);
    struct row *row = outcome_row(outcome, self->name, "");

    if (kind == KIND_99)
        snprintf(row->name, sizeof(row->name), "%s p99", self->name);
    row->judge = target->judge;
    row->limit = target->limit;
    row->against = peer_get(target->against)->name;
    row->failed = !theirs->active;
    if (row->failed)
        return;
    row->ours = totals_value(ours, kind);
    row->theirs = totals_value(theirs, kind);
    if (row->ours > 0 && row->theirs > 0)
        row->ratio = row->ours / row->theirs;
    row->doubt = doubt(ours, theirs, kind);
    row_scale(self, kind, row);
    note_fill(ours, theirs, kind, row);
}

/* The same ratios for programs. */
static void ratio_write(const struct bench *bench,
                        const struct bench_case *self, const struct row *row)
{
    char names[48];
    struct figure figure = { .library = names,
                             .name = row->name,
                             .placement = placement_name(self->slice.placement),
                             .load = load_name(self->load),
                             .bytes = self->slice.bytes,
                             .value = row->ratio,
                             .unit = row->judge == JUDGE_COST ? "ratio-cost"
                                                              : "ratio-gain" };

    snprintf(names, sizeof(names), "%s/%s", peer_get(self->ours)->name,
             row->against);
    figure_write(bench->json, &figure);
    figure.value = row->doubt;
    figure.unit = "ratio-doubt";
    figure_write(bench->json, &figure);
}

void loaded_run(const struct bench *bench, const struct bench_case *self,
                struct outcome *outcome)
{
    static struct totals totals[PEERS];

    memset(totals, 0, sizeof(totals));
    if (loaded_measure(bench, self, totals, &outcome->failures) < 0) {
        outcome_row(outcome, self->name, "")->failed = 1;
        return;
    }
    for (enum peer_id id = PEER_NONE; id < PEERS; id++)
        if (totals[id].active)
            figures_write(bench, self, id, &totals[id]);
    for (int i = 0; i < TARGETS_MOST; i++)
        if (self->targets[i].against != PEER_NONE)
            target_row(self, totals, &self->targets[i], outcome);
    for (int i = 0; i < outcome->count; i++)
        if (!outcome->rows[i].failed)
            ratio_write(bench, self, &outcome->rows[i]);
}
