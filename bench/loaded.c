/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same traffic beside others who are busy: ours and another in turn, under
 * one load that goes on from the first slice to the last. A mean has what a
 * middle hides: one round trip in a hundred that waits for a busy loop's whole
 * turn. So means are compared, and the time that 99 of 100 do not exceed; both
 * over the trips of all slices together.
 */
#include "cases.h"

#include <string.h>

#define ROUNDS_MAX 64

/* So many round trips of each library, though each takes milliseconds; but a
 * slice takes at most so long. */
#define TRIPS_LEAST     300
#define LONGEST_SECONDS 4.0

/* What is known of one library. */
struct tally {
    int active;
    int rounds;
    double rates[ROUNDS_MAX];
    double cpu_ns[ROUNDS_MAX];
    char transport[16];
    struct histogram trips;
};

static int is_round_trip(const struct bench_case *self)
{
    return self->slice.traffic == TRAFFIC_ROUND_TRIP;
}

/* Of all round trips, in microseconds. */
static double mean_us(const struct tally *tally)
{
    if (tally->trips.count == 0)
        return 0;
    return (double)tally->trips.sum_ns / (double)tally->trips.count / 1e3;
}

static double percentile_us(const struct tally *tally, double percent)
{
    return histogram_percentile(&tally->trips, percent / 100) / 1e3;
}

/* Slices are of one length: the middle would leave out what a mean has. */
static double mean(const double *values, int count)
{
    double sum = 0;

    for (int i = 0; i < count; i++)
        sum += values[i];
    return count > 0 ? sum / count : 0;
}

static double field_value(const struct bench_case *self, enum field field,
                          const struct tally *tally)
{
    if (field == FIELD_99)
        return percentile_us(tally, 99);
    return is_round_trip(self) ? mean_us(tally)
                               : mean(tally->rates, tally->rounds);
}

/* ---- measuring ---------------------------------------------------------- */

static int tally_slice(const struct bench *bench, enum peer_id id,
                       const struct slice *slice, struct tally *tally)
{
    struct slice_result result = { .trips = &tally->trips };

    if (slice_run(peer_get(id), slice, &bench->places, bench->directory,
                  &result) < 0)
        return -1;
    tally->rates[tally->rounds] = result.rate;
    tally->cpu_ns[tally->rounds] = result.cpu_ns;
    tally->rounds++;
    memcpy(tally->transport, result.transport, sizeof(tally->transport));
    return 0;
}

static int rounds_run(const struct bench *bench, const struct bench_case *self,
                      const struct slice *slice, struct tally *tallies,
                      int *failures)
{
    for (int i = 0; i < bench->loaded_rounds && i < ROUNDS_MAX; i++) {
        for (enum peer_id id = PEER_NONE; id < PEERS; id++) {
            if (!tallies[id].active || interrupted())
                continue;
            if (tally_slice(bench, id, slice, &tallies[id]) == 0)
                continue;
            if (!interrupted())
                complain("%s: %s failed", self->name, peer_get(id)->name);
            tallies[id].active = 0;
            ++*failures;
        }
    }
    return tallies[self->ours].active && !interrupted() ? 0 : -1;
}

/* How long all slices and their processes can take. */
static double seconds_most(const struct bench *bench, const struct slice *slice)
{
    return bench->loaded_rounds * PEERS * (slice->seconds * 3 + 60);
}

static int loaded_measure(const struct bench *bench,
                          const struct bench_case *self, struct tally *tallies,
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
        tallies[id].active = case_has_peer(bench, self, id) &&
                             slice_possible(peer_get(id), &slice);
    r = load_start(&load, self->load, seconds_most(bench, &slice));
    if (r == 0)
        r = rounds_run(bench, self, &slice, tallies, failures);
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
                          const struct tally *tally)
{
    struct figure figure = {
        .library = peer_get(id)->name,
        .name = self->name,
        .transport = tally->transport[0] ? tally->transport : NULL,
        .placement = placement_name(self->slice.placement),
        .spin = peer_get(id)->abilities & PEER_SPIN_OPTION ? "default" : NULL,
        .load = load_name(self->load),
        .bytes = self->slice.bytes,
        .unit = "us",
    };

    for (size_t i = 0; tally->trips.count > 0 && i < PERCENTILES; i++) {
        figure.percentile = slice_percentiles[i];
        figure.value = percentile_us(tally, figure.percentile);
        figure_write(bench->json, &figure);
    }
    figure.percentile = 0;
    figure.value = mean_us(tally);
    figure.unit = "us-mean";
    if (tally->trips.count > 0)
        figure_write(bench->json, &figure);
    figure.value = (double)tally->trips.count;
    figure.unit = "trips";
    if (tally->trips.count > 0)
        figure_write(bench->json, &figure);
    figure.value = mean(tally->rates, tally->rounds);
    figure.unit =
        self->slice.traffic == TRAFFIC_FAN ? "echoes/s" : "messages/s";
    if (figure.value > 0)
        figure_write(bench->json, &figure);
    figure.value = mean(tally->cpu_ns, tally->rounds) / 1e3;
    figure.unit = "cpu-s/million";
    figure_write(bench->json, &figure);
}

/* The rest that a row of round trips says about both. */
static void note_fill(const struct tally *ours, const struct tally *theirs,
                      struct row *row)
{
    if (ours->trips.count == 0)
        return;
    snprintf(row->note, sizeof(row->note),
             "p50 %.3g / %.3g us, %llu / %llu trips", percentile_us(ours, 50),
             percentile_us(theirs, 50), (unsigned long long)ours->trips.count,
             (unsigned long long)theirs->trips.count);
}

/* Rates of large messages as people think of them. */
static void row_scale(const struct bench_case *self, enum field field,
                      struct row *row)
{
    double scale = (double)self->slice.bytes / 1e9;

    row->unit = "us";
    if (field == FIELD_99 || is_round_trip(self))
        return;
    row->unit = self->slice.traffic == TRAFFIC_FAN ? "echo/s" : "msg/s";
    if (self->slice.bytes < 16384)
        return;
    row->unit = "GB/s";
    row->ours *= scale;
    row->theirs *= scale;
}

static void target_row(const struct bench_case *self,
                       const struct tally *tallies, const struct target *target,
                       struct outcome *outcome)
{
    const struct tally *ours = &tallies[self->ours];
    const struct tally *theirs = &tallies[target->against];
    struct row *row = outcome_row(outcome, self->name, "");

    if (target->field == FIELD_99)
        snprintf(row->name, sizeof(row->name), "%s p99", self->name);
    row->judge = target->judge;
    row->limit = target->limit;
    row->against = peer_get(target->against)->name;
    row->failed = !theirs->active;
    if (row->failed)
        return;
    row->ours = field_value(self, target->field, ours);
    row->theirs = field_value(self, target->field, theirs);
    if (row->ours > 0 && row->theirs > 0)
        row->ratio = row->ours / row->theirs;
    row_scale(self, target->field, row);
    if (target->field != FIELD_99)
        note_fill(ours, theirs, row);
}

void loaded_run(const struct bench *bench, const struct bench_case *self,
                struct outcome *outcome)
{
    static struct tally tallies[PEERS];

    memset(tallies, 0, sizeof(tallies));
    if (loaded_measure(bench, self, tallies, &outcome->failures) < 0) {
        outcome_row(outcome, self->name, "")->failed = 1;
        return;
    }
    for (enum peer_id id = PEER_NONE; id < PEERS; id++)
        if (tallies[id].active)
            figures_write(bench, self, id, &tallies[id]);
    for (int i = 0; i < TARGETS_MOST; i++)
        if (self->targets[i].against != PEER_NONE)
            target_row(self, tallies, &self->targets[i], outcome);
}
