/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparison by pairs: a slice of the library, a slice of the yardstick, and
 * again. The machine changes from second to second, so only neighbours are
 * compared and the middle of the ratios is taken. Between two processors the
 * time of a cache line is measured around each pair; where it moved, the host
 * moved a core and the pair says nothing.
 */
#include "cases.h"

#include <string.h>

#define ROUNDS_MAX 64
#define LINE_MOVED 1.6

enum {
    OURS,
    YARDSTICK,
    PLAIN,
    THREADS,
    CONTROL,
    PEERS
};

static const struct peer *const peers[PEERS] = { &peer_windpipe, &peer_socket,
                                                 &peer_socket_plain,
                                                 &peer_socket_threads,
                                                 &peer_control };

/* What the rounds of one case gave, for each peer. */
struct samples {
    int rounds;
    int dropped;
    int takes_part[PEERS];
    struct slice_result results[PEERS][ROUNDS_MAX];
    double lines[ROUNDS_MAX];
    double ratios[ROUNDS_MAX];
    double foreign;
};

/* The figure that a case compares: time of a round trip, else a rate. */
static double headline(const struct slice *slice,
                       const struct slice_result *result)
{
    if (slice->traffic == TRAFFIC_ROUND_TRIP)
        return result->p50_us;
    return result->rate;
}

static double ratio_of(const struct bench_case *self, double ours,
                       double yardstick)
{
    int less_is_better = self->traffic == TRAFFIC_ROUND_TRIP;

    if (ours <= 0 || yardstick <= 0)
        return 0;
    if (self->target == TARGET_COST)
        less_is_better = !less_is_better;
    return less_is_better ? yardstick / ours : ours / yardstick;
}

/* Two always; in a complete run the others where they can. */
static void peers_choose(const struct bench *bench,
                         const struct bench_case *self, int *takes_part)
{
    takes_part[OURS] = takes_part[YARDSTICK] = 1;
    takes_part[PLAIN] = bench->complete && self->traffic <= TRAFFIC_ONE_WAY;
    takes_part[THREADS] = bench->complete && self->traffic == TRAFFIC_FAN;
    /* The control can only spin, and needs a processor to itself for that. */
    takes_part[CONTROL] = bench->complete && self->spin_us >= 0 &&
                          self->placement == PLACE_SPLIT &&
                          self->traffic <= TRAFFIC_ONE_WAY;
}

/* One pair into `samples`. 1 when it counts, 0 when dropped, -1 on failure. */
static int pair_once(const struct bench *bench, const struct bench_case *self,
                     const struct slice *slice, struct samples *samples)
{
    int split = slice->placement != PLACE_SAME, at = samples->rounds;
    double before = split ? line_round_trip(&bench->places) : 0, after;

    for (int i = 0; i < PEERS; i++) {
        struct slice_result *result = &samples->results[i][at];

        if (samples->takes_part[i] && slice_run(peers[i], slice, &bench->places,
                                                bench->directory, result) < 0) {
            if (!interrupted())
                complain("%s: %s failed", self->name, peers[i]->name);
            return -1;
        }
    }
    after = split ? line_round_trip(&bench->places) : 0;
    if (before > after * LINE_MOVED || after > before * LINE_MOVED)
        return 0;
    samples->lines[at] = after;
    samples->ratios[at] =
        ratio_of(self, headline(slice, &samples->results[OURS][at]),
                 headline(slice, &samples->results[YARDSTICK][at]));
    samples->rounds++;
    return 1;
}

/* The middle over the rounds of one field of a peer's results. */
static double field_median(const struct samples *samples, int peer,
                           size_t offset)
{
    double values[ROUNDS_MAX];

    for (int i = 0; i < samples->rounds; i++)
        memcpy(&values[i], (const char *)&samples->results[peer][i] + offset,
               sizeof(values[i]));
    return median(values, samples->rounds);
}

static const char *spin_name(const struct bench_case *self, int peer)
{
    if (peer == CONTROL)
        return "always";
    if (peer != OURS)
        return NULL;
    return self->spin_us < 0 ? "off" : "default";
}

static void figures_write(const struct bench *bench,
                          const struct bench_case *self,
                          const struct samples *samples, int peer)
{
    static const struct {
        size_t offset;
        double percentile;
        const char *unit;
        int traffics; /* one bit per enum traffic */
    } fields[] = {
        { offsetof(struct slice_result, p50_us), 50, "us", 1 },
        { offsetof(struct slice_result, p99_us), 99, "us", 1 },
        { offsetof(struct slice_result, p999_us), 99.9, "us", 1 },
        { offsetof(struct slice_result, rate), 0, "messages/s", 2 },
        { offsetof(struct slice_result, rate), 0, "connections/s", 4 },
        { offsetof(struct slice_result, cpu_ns), 0, "cpu-ns/message", 31 },
        { offsetof(struct slice_result, rate), 0, "echoes/s", 8 },
        { offsetof(struct slice_result, fairness), 0, "slowest/fastest", 8 },
        { offsetof(struct slice_result, rate), 0, "deliveries/s", 16 },
    };
    struct figure figure = {
        .library = peers[peer]->name,
        .name = self->name,
        .transport = samples->results[peer][samples->rounds - 1].transport,
        .placement = placement_name(self->placement),
        .spin = spin_name(self, peer),
        .bytes = self->bytes,
    };

    if (self->traffic == TRAFFIC_CONNECT)
        figure.transport = "socket"; /* nobody has moved yet */
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!(fields[i].traffics & 1 << self->traffic))
            continue;
        figure.value = field_median(samples, peer, fields[i].offset);
        figure.unit = fields[i].unit;
        figure.percentile = fields[i].percentile;
        figure_write(bench->json, &figure);
    }
}

/* The ratio, and under what conditions it came about. */
static void conditions_write(const struct bench *bench,
                             const struct bench_case *self,
                             struct samples *samples)
{
    struct figure figure = {
        .library = "windpipe/socket",
        .name = self->name,
        .placement = placement_name(self->placement),
        .spin = spin_name(self, OURS),
        .bytes = self->bytes,
        .value = median(samples->ratios, samples->rounds),
        .unit = self->target == TARGET_COST ? "ratio-cost" : "ratio-gain",
        .percentile = 50,
    };

    figure_write(bench->json, &figure);
    figure.library = "machine";
    figure.spin = NULL;
    figure.value = median(samples->lines, samples->rounds);
    figure.unit = "line-ns";
    if (self->placement != PLACE_SAME)
        figure_write(bench->json, &figure);
    figure.percentile = 0;
    figure.value = samples->foreign;
    figure.unit = "foreign-cpus";
    figure_write(bench->json, &figure);
    figure.value = samples->dropped;
    figure.unit = "dropped-pairs";
    figure_write(bench->json, &figure);
}

static void row_fill(const struct bench_case *self, struct samples *samples,
                     struct row *row)
{
    size_t offset = self->traffic == TRAFFIC_ROUND_TRIP
                        ? offsetof(struct slice_result, p50_us)
                        : offsetof(struct slice_result, rate);

    row->ours = field_median(samples, OURS, offset);
    row->yardstick = field_median(samples, YARDSTICK, offset);
    row->ratio = median(samples->ratios, samples->rounds);
    if (self->placement == PLACE_SPLIT)
        row->line_ns = median(samples->lines, samples->rounds);
    row->buffered = field_median(samples, PLAIN, offset);
    row->control = field_median(samples, CONTROL, offset);
    if (self->bytes >= 16384) { /* people think of these in bytes */
        double scale = (double)self->bytes / 1e9;

        row->unit = "GB/s";
        row->ours *= scale;
        row->yardstick *= scale;
        row->buffered *= scale;
        row->control *= scale;
    }
}

void pair_run(const struct bench *bench, const struct bench_case *self,
              struct outcome *outcome)
{
    static const char *const units[] = { "us", "msg/s", "conn/s", "echo/s",
                                         "msg/s" };
    struct row *row = outcome_row(outcome, self->name, units[self->traffic]);
    struct slice slice = { self->traffic, self->placement, self->bytes,
                           self->spin_us, bench->seconds,  self->clients,
                           self->window };
    int rounds = bench->rounds < ROUNDS_MAX ? bench->rounds : ROUNDS_MAX;
    static struct samples samples;
    struct load before, after;
    int r = 0;

    row->target = self->target;
    row->limit = self->limit;
    samples = (struct samples){ .rounds = 0 };
    peers_choose(bench, self, samples.takes_part);
    load_sample(&before);
    while (samples.rounds < rounds && samples.dropped <= rounds + 2 &&
           !interrupted()) {
        r = pair_once(bench, self, &slice, &samples);
        if (r < 0)
            break;
        samples.dropped += r == 0;
    }
    load_sample(&after);
    samples.foreign = load_foreign(&before, &after);
    if (samples.rounds == 0 || r < 0) {
        row->failed = 1;
        return;
    }
    for (int i = 0; i < PEERS; i++)
        if (samples.takes_part[i])
            figures_write(bench, self, &samples, i);
    conditions_write(bench, self, &samples);
    row_fill(self, &samples, row);
}
