/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparison in rounds: a slice of ours, a slice of each other, and again. The
 * machine changes from second to second, so only slices of one round are
 * compared and the middle of the ratios is taken. Between two processors the
 * time of a cache line is measured around each round; where it moved, the host
 * moved a core and the round says nothing.
 */
#include "cases.h"

#include <string.h>

#include "line.h"

#define ROUNDS_MAX 64
#define LINE_MOVED 1.6
/* Slices that make one of several clients. With one message in flight each it
 * is told how even their shares are: of a second, as the scheduler moves all of
 * them about in the first tenths of it. */
#define FAN_SLICES  2
#define EVEN_SLICES 7

/* What the rounds of one case gave, for each peer. */
struct samples {
    int rounds;
    int dropped;
    int active[PEERS];
    struct slice_result results[PEERS][ROUNDS_MAX];
    double lines[ROUNDS_MAX];
    double foreign;
};

static int is_latency(const struct bench_case *self)
{
    return self->slice.traffic == TRAFFIC_ROUND_TRIP;
}

static double field_value(const struct bench_case *self, enum field field,
                          const struct slice_result *result)
{
    switch (field) {
    case FIELD_CPU:
        return result->cpu_ns;
    case FIELD_FAIRNESS:
        return result->fairness;
    default:
        return is_latency(self) ? result->times_us[PERCENTILE_50]
                                : result->rate;
    }
}

static int less_is_better(const struct bench_case *self, enum field field)
{
    return field == FIELD_CPU || (is_latency(self) && field != FIELD_FAIRNESS);
}

/* The middle over the rounds. */
static double field_median(const struct bench_case *self,
                           const struct samples *samples, enum peer_id id,
                           enum field field)
{
    double values[ROUNDS_MAX];

    for (int i = 0; i < samples->rounds; i++)
        values[i] = field_value(self, field, &samples->results[id][i]);
    return median(values, samples->rounds);
}

/* The same of one of the numbers in a result, by its place in it. */
static double offset_median(const struct samples *samples, enum peer_id id,
                            size_t offset)
{
    double values[ROUNDS_MAX];

    for (int i = 0; i < samples->rounds; i++)
        memcpy(&values[i], (const char *)&samples->results[id][i] + offset,
               sizeof(values[i]));
    return median(values, samples->rounds);
}

static double line_median(const struct samples *samples)
{
    double values[ROUNDS_MAX];

    memcpy(values, samples->lines, sizeof(values));
    return median(values, samples->rounds);
}

static double ratio(double ours, double theirs, int less)
{
    if (ours <= 0 || theirs <= 0)
        return 0;
    return less ? theirs / ours : ours / theirs;
}

/* How many times better we are: the middle of the rounds, or the worst. */
static double gain(const struct bench_case *self, const struct samples *samples,
                   enum peer_id against, enum field field)
{
    int less = less_is_better(self, field);
    double ratios[ROUNDS_MAX], middle;

    for (int i = 0; i < samples->rounds; i++)
        ratios[i] = ratio(
            field_value(self, field, &samples->results[self->ours][i]),
            field_value(self, field, &samples->results[against][i]), less);
    middle = median(ratios, samples->rounds); /* sorts */
    return field == FIELD_WORST && samples->rounds > 0 ? ratios[0] : middle;
}

/* ---- measuring ---------------------------------------------------------- */

static void peers_choose(const struct bench *bench,
                         const struct bench_case *self,
                         const struct slice *slice, int *active)
{
    for (enum peer_id id = PEER_NONE; id < PEERS; id++)
        active[id] = case_has_peer(bench, self, id) &&
                     slice_possible(peer_get(id), slice);
}

/* One round. 1 when it counts, 0 when dropped, -1 when ours has failed. */
static int round_once(const struct bench *bench, const struct bench_case *self,
                      const struct slice *slice, struct samples *samples,
                      int *failures)
{
    int split = slice->placement != PLACE_SAME, at = samples->rounds;
    double before = split ? line_round_trip(&bench->places) : 0, after;

    for (enum peer_id id = PEER_NONE; id < PEERS && !interrupted(); id++) {
        if (!samples->active[id] ||
            slice_run(peer_get(id), slice, &bench->places, bench->directory,
                      &samples->results[id][at]) == 0)
            continue;
        if (!interrupted())
            complain("%s: %s failed", self->name, peer_get(id)->name);
        samples->active[id] = 0;
        ++*failures;
    }
    if (!samples->active[self->ours] || interrupted())
        return -1;
    after = split ? line_round_trip(&bench->places) : 0;
    if (before > after * LINE_MOVED || after > before * LINE_MOVED)
        return 0;
    samples->lines[at] = after;
    samples->rounds++;
    return 1;
}

static int rounds_run(const struct bench *bench, const struct bench_case *self,
                      const struct slice *slice, struct samples *samples,
                      int *failures)
{
    int rounds = bench->rounds < ROUNDS_MAX ? bench->rounds : ROUNDS_MAX;
    int many = slice->clients > 0; /* they take their time to come together */
    struct load before, after;
    int r = 0;

    if (many && !bench->complete && rounds > 3)
        rounds -= 2;
    load_sample(&before);
    while (samples->rounds < rounds && samples->dropped <= rounds + 1 &&
           r >= 0) {
        r = round_once(bench, self, slice, samples, failures);
        samples->dropped += r == 0;
    }
    load_sample(&after);
    samples->foreign = load_foreign(&before, &after);
    return samples->rounds > 0 && r >= 0 ? 0 : -1;
}

/* ---- figures ------------------------------------------------------------ */

static const char *spin_name(const struct bench_case *self, enum peer_id id)
{
    if (peer_get(id)->abilities & PEER_SPINS_ALWAYS)
        return "always";
    if (!(peer_get(id)->abilities & PEER_SPIN_OPTION))
        return NULL;
    return self->slice.spin_us < 0 ? "off" : "default";
}

static const char *rate_unit(const struct bench_case *self)
{
    static const char *const units[] = {
        [TRAFFIC_ONE_WAY] = "messages/s",
        [TRAFFIC_CONNECT] = "connections/s",
        [TRAFFIC_FAN] = "echoes/s",
        [TRAFFIC_BROADCAST] = "deliveries/s",
    };

    return units[self->slice.traffic];
}

static void times_write(const struct bench *bench, struct figure *figure,
                        const struct samples *samples, enum peer_id id)
{
    for (size_t i = 0; i < PERCENTILES; i++) {
        figure->value = offset_median(samples, id,
                                      offsetof(struct slice_result, times_us) +
                                          i * sizeof(double));
        figure->percentile = slice_percentiles[i];
        figure_write(bench->json, figure);
    }
    figure->percentile = 0;
}

static void figures_write(const struct bench *bench,
                          const struct bench_case *self,
                          const struct samples *samples, enum peer_id id)
{
    struct figure figure = {
        .library = peer_get(id)->name,
        .name = self->name,
        .transport = samples->results[id][samples->rounds - 1].transport,
        .placement = placement_name(self->slice.placement),
        .spin = spin_name(self, id),
        .bytes = self->slice.bytes,
        .unit = "us",
    };

    if (figure.transport[0] == '\0')
        figure.transport = NULL;
    if (is_latency(self)) {
        times_write(bench, &figure, samples, id);
    } else {
        figure.value = field_median(self, samples, id, FIELD_HEADLINE);
        figure.unit = rate_unit(self);
        figure_write(bench->json, &figure);
    }
    figure.value = field_median(self, samples, id, FIELD_CPU) / 1e3;
    figure.unit = "cpu-s/million";
    figure_write(bench->json, &figure);
    if (self->slice.traffic != TRAFFIC_FAN)
        return;
    figure.value = field_median(self, samples, id, FIELD_FAIRNESS);
    figure.unit = "slowest/fastest";
    figure_write(bench->json, &figure);
}

/* The ratios, and under what conditions they came about. */
static void conditions_write(const struct bench *bench,
                             const struct bench_case *self,
                             const struct samples *samples)
{
    char names[48];
    struct figure figure = { .library = names,
                             .name = self->name,
                             .placement = placement_name(self->slice.placement),
                             .bytes = self->slice.bytes,
                             .unit = "ratio-gain",
                             .percentile = 50 };

    for (enum peer_id id = PEER_NONE; id < PEERS; id++) {
        if (id == self->ours || !samples->active[id])
            continue;
        snprintf(names, sizeof(names), "%s/%s", peer_get(self->ours)->name,
                 peer_get(id)->name);
        figure.value = gain(self, samples, id, FIELD_HEADLINE);
        figure_write(bench->json, &figure);
    }
    figure.library = "machine";
    figure.value = line_median(samples);
    figure.unit = "line-ns";
    if (self->slice.placement != PLACE_SAME)
        figure_write(bench->json, &figure);
    figure.percentile = 0;
    figure.value = samples->foreign;
    figure.unit = "foreign-cpus";
    figure_write(bench->json, &figure);
    figure.value = samples->dropped;
    figure.unit = "dropped-rounds";
    figure_write(bench->json, &figure);
}

/* ---- rows --------------------------------------------------------------- */

/* Put the case's numbers in the units that people think of. */
static void row_scale(const struct bench_case *self, struct row *row)
{
    static const char *const units[] = { "us", "msg/s", "conn/s", "echo/s",
                                         "msg/s" };
    double scale = (double)self->slice.bytes / 1e9;

    row->unit = units[self->slice.traffic];
    if (self->slice.traffic != TRAFFIC_ONE_WAY || self->slice.bytes < 16384)
        return;
    row->unit = "GB/s";
    row->ours *= scale;
    row->theirs *= scale;
}

static struct row *row_begin(const struct bench_case *self,
                             const struct samples *samples, enum field field,
                             struct outcome *outcome)
{
    struct row *row = outcome_row(outcome, self->name, "");

    if (field == FIELD_CPU)
        snprintf(row->name, sizeof(row->name), "%s cpu", self->name);
    if (field == FIELD_FAIRNESS)
        snprintf(row->name, sizeof(row->name), "%s fairness", self->name);
    row->ours = field_median(self, samples, self->ours, field);
    if (self->slice.placement == PLACE_SPLIT)
        row->line_ns = line_median(samples);
    return row;
}

static void against_fill(const struct bench_case *self,
                         const struct samples *samples,
                         const struct target *target, struct row *row)
{
    row->against = peer_get(target->against)->name;
    if (!samples->active[target->against]) {
        row->failed = 1;
        return;
    }
    row->theirs = field_median(self, samples, target->against, target->field);
    row->ratio = gain(self, samples, target->against, target->field);
    if (target->judge == JUDGE_COST && row->ratio > 0)
        row->ratio = 1 / row->ratio;
}

static void target_row(const struct bench_case *self,
                       const struct samples *samples,
                       const struct target *target, struct outcome *outcome)
{
    struct row *row = row_begin(self, samples, target->field, outcome);

    row->judge = target->judge;
    row->limit = target->limit;
    row->stretch = target->stretch;
    if (target->against != PEER_NONE)
        against_fill(self, samples, target, row);
    switch (target->field) {
    case FIELD_CPU:
        row->unit = "ns/msg";
        break;
    case FIELD_FAIRNESS:
        row->unit = "min/max";
        break;
    case FIELD_WORST:
        row->against = "the same, worst";
        row_scale(self, row);
        break;
    default:
        row_scale(self, row);
    }
}

/* The best of all that somebody could use instead. */
static void best_row(const struct bench_case *self,
                     const struct samples *samples, struct outcome *outcome)
{
    enum peer_id best = PEER_NONE;
    struct target target = { .against = PEER_NONE };

    for (enum peer_id id = PEER_SOCKET; id < PEERS; id++) {
        double value, most;

        if (!samples->active[id] || !peer_is_alternative(id))
            continue;
        value = field_median(self, samples, id, FIELD_HEADLINE);
        most = best ? field_median(self, samples, best, FIELD_HEADLINE) : 0;
        if (!best || (value < most) == less_is_better(self, FIELD_HEADLINE))
            best = id;
    }
    target.against = best;
    target_row(self, samples, &target, outcome);
    outcome->rows[outcome->count - 1].best = 1;
}

static int target_used(const struct target *target)
{
    return target->against != PEER_NONE || target->judge != JUDGE_NONE;
}

/* A library that is not installed has nothing to be missed against. */
static int target_possible(const struct bench *bench,
                           const struct target *target)
{
    if (!target_used(target))
        return 0;
    if (target->against == PEER_NONE)
        return 1;
    if (bench->against && !(bench->against >> target->against & 1))
        return 0;
    return peer_get(target->against) != NULL;
}

void pair_run(const struct bench *bench, const struct bench_case *self,
              struct outcome *outcome)
{
    static struct samples samples;
    struct slice slice = self->slice;

    slice.seconds = bench->seconds;
    if (slice.clients > 0 && bench->clients > 0)
        slice.clients = bench->clients;
    if (slice.traffic == TRAFFIC_FAN && slice.clients > FAN_MOST)
        slice.clients = FAN_MOST;
    if (slice.traffic == TRAFFIC_FAN)
        slice.seconds *= slice.window == 1 ? EVEN_SLICES : FAN_SLICES;
    samples = (struct samples){ .rounds = 0 };
    peers_choose(bench, self, &slice, samples.active);
    if (rounds_run(bench, self, &slice, &samples, &outcome->failures) < 0) {
        outcome_row(outcome, self->name, "")->failed = 1;
        return;
    }
    for (enum peer_id id = PEER_NONE; id < PEERS; id++)
        if (samples.active[id])
            figures_write(bench, self, &samples, id);
    conditions_write(bench, self, &samples);
    if (bench->complete && !self->few)
        best_row(self, &samples, outcome);
    for (int i = 0; i < TARGETS_MOST; i++)
        if (target_possible(bench, &self->targets[i]))
            target_row(self, &samples, &self->targets[i], outcome);
    if (outcome->count == 0)
        best_row(self, &samples, outcome);
}
