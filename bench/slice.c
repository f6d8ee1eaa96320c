/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops of the measurements between two processes: see slice.h. The
 * client, or sender, decides when the time is over and closes; the other end
 * goes on until it sees that.
 */
#include "slice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A one-byte message that ends the connect slice. */
#define GOODBYE_SIZE 1

/* At least so many messages before anything counts: links warm up by them. */
#define WARM_MESSAGES 200
/* And where one may take milliseconds: ours have moved to shared memory. */
#define WARM_FEW 17

/* Shared by the driver and the two ends. */
struct board {
    struct gate ready; /* the server's name can be connected to */
    struct gate ended; /* the receiver has seen the end */
    uint64_t cpu_ns[2];
    uint64_t messages; /* in all, also while warming up */
    uint64_t counted;  /* messages between the two stamps */
    uint64_t first_ns;
    uint64_t last_ns;
    char transport[16];
    struct histogram histogram;
};

struct job {
    const struct peer *peer;
    const struct slice *slice;
    struct setup setup;
    struct board *board;
};

const char *placement_name(enum placement placement)
{
    switch (placement) {
    case PLACE_SPLIT:
        return "split";
    case PLACE_SAME:
        return "one-cpu";
    default:
        return "unpinned";
    }
}

const double slice_percentiles[PERCENTILES] = {
    1, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99
};

/* Look at a message, and do the work that the slice wants done with it. */
static void consume(const struct job *job, const void *data, size_t size)
{
    touch(data, size);
    work(job->slice->work_us);
}

static uint64_t warm_ns(const struct slice *slice)
{
    return (uint64_t)(slice->seconds * 1e9 / 5);
}

static uint64_t slice_ns(const struct slice *slice)
{
    return (uint64_t)(slice->seconds * 1e9);
}

/* How many messages go between two looks at the clock (25 ns). */
static uint64_t stride(const struct slice *slice)
{
    if (slice->work_us > 0)
        return 1;
    if (slice->bytes <= 1024)
        return 256;
    return slice->bytes <= 65536 ? 16 : 1;
}

static unsigned char *message_make(const struct slice *slice)
{
    unsigned char *message = malloc(slice->bytes);

    if (message)
        memset(message, 0x5a, slice->bytes);
    return message;
}

/* ---- round trip --------------------------------------------------------- */

static int round_trip(const struct job *job, void *end, const void *message)
{
    const void *data;
    int64_t size;

    if (job->peer->send(end, message, job->slice->bytes) < 0)
        return -1;
    size = job->peer->receive(end, &data);
    if (size != (int64_t)job->slice->bytes)
        return -1;
    touch(data, (size_t)size);
    return 0;
}

static int ask_warm(const struct job *job, void *end, const void *message)
{
    uint64_t until = clock_now_ns() + warm_ns(job->slice);
    int least = job->slice->trips > 0 ? WARM_FEW : WARM_MESSAGES;

    for (int i = 0; i < least || clock_now_ns() < until; i++) {
        if (round_trip(job, end, message) < 0)
            return -1;
        job->board->messages++;
    }
    return 0;
}

/* Has the slice what it wants? */
static int asked_enough(const struct job *job, uint64_t ns)
{
    if (ns < slice_ns(job->slice))
        return 0;
    return job->board->histogram.count >= job->slice->trips ||
           ns > (uint64_t)(job->slice->longest * 1e9);
}

static int ask_all(const struct job *job, void *end, const void *message)
{
    uint64_t start, last, now;

    if (ask_warm(job, end, message) < 0)
        return -1;
    start = last = clock_now_ns();
    do { /* one look at the clock per round: the end is the next start */
        if (round_trip(job, end, message) < 0)
            return -1;
        now = clock_now_ns();
        histogram_add(&job->board->histogram, now - last);
        last = now;
    } while (!asked_enough(job, now - start));
    job->board->messages += job->board->histogram.count;
    return 0;
}

static int answer_all(const struct job *job, void *end, const void *message)
{
    const void *data;
    int64_t size;

    while ((size = job->peer->receive(end, &data)) >= 0) {
        consume(job, data, (size_t)size);
        if (job->peer->send(end, message, (size_t)size) < 0)
            return -1;
    }
    return size == -1 ? 0 : -1;
}

/* ---- one way ------------------------------------------------------------ */

static int send_all(const struct job *job, void *end, const void *message)
{
    uint64_t step = stride(job->slice), sent = 0;
    uint64_t until =
        clock_now_ns() + warm_ns(job->slice) + slice_ns(job->slice);

    do {
        for (uint64_t i = 0; i < step; i++)
            if (job->peer->send(end, message, job->slice->bytes) < 0)
                return -1;
        sent += step;
    } while (clock_now_ns() < until || sent < WARM_MESSAGES);
    job->board->messages = sent;
    return 0;
}

/* The receiver counts and takes the time: only what has arrived is counted. */
static int receive_all(const struct job *job, void *end)
{
    uint64_t step = stride(job->slice), count = 0, first = 0;
    uint64_t warm_until = clock_now_ns() + warm_ns(job->slice);
    struct board *board = job->board;
    const void *data;
    int64_t size;

    while ((size = job->peer->receive(end, &data)) >= 0) {
        if (size != (int64_t)job->slice->bytes)
            return -1;
        consume(job, data, (size_t)size);
        if (++count % step != 0)
            continue;
        board->last_ns = clock_now_ns();
        if (first != 0) {
            board->counted = count - first;
        } else if (board->last_ns >= warm_until) {
            board->first_ns = board->last_ns;
            first = count;
        }
    }
    return size == -1 ? 0 : -1;
}

/* ---- connections -------------------------------------------------------- */

static int visit(const struct job *job, const void *message, size_t size)
{
    void *end = job->peer->connect(&job->setup);
    int r;

    if (!end)
        return -1;
    r = job->peer->send(end, message, size);
    job->peer->close(end);
    return r;
}

static int visit_all(const struct job *job, const void *message)
{
    uint64_t until =
        clock_now_ns() + warm_ns(job->slice) + slice_ns(job->slice);

    do {
        if (visit(job, message, job->slice->bytes) < 0)
            return -1;
        job->board->messages++;
    } while (clock_now_ns() < until);
    return visit(job, message, GOODBYE_SIZE);
}

static int receive_visits(const struct job *job, void *listener)
{
    uint64_t warm_until = clock_now_ns() + warm_ns(job->slice);
    struct board *board = job->board;

    for (;;) {
        void *end = job->peer->accept(listener);
        const void *data;
        int64_t size;

        if (!end)
            return -1;
        size = job->peer->receive(end, &data);
        if (size > 0)
            touch(data, (size_t)size);
        job->peer->close(end);
        if (size == GOODBYE_SIZE)
            return 0;
        if (size < 0)
            return -1;
        board->last_ns = clock_now_ns();
        if (board->first_ns != 0)
            board->counted++;
        else if (board->last_ns >= warm_until)
            board->first_ns = board->last_ns;
    }
}

/* ---- the two processes -------------------------------------------------- */

static int goodbye(const struct job *job, void *end)
{
    if (job->peer->goodbye(end) < 0)
        return -1;
    return gate_wait(&job->board->ended, 1, 10);
}

static int client_body(void *user)
{
    struct job *job = user;
    unsigned char *message = message_make(job->slice);
    void *end = NULL;
    int r = -1;

    if (!message || gate_wait(&job->board->ready, 1, 10) < 0)
        return 1;
    if (job->slice->traffic == TRAFFIC_CONNECT) {
        r = visit_all(job, message);
    } else if ((end = job->peer->connect(&job->setup)) != NULL) {
        if (job->slice->traffic == TRAFFIC_ROUND_TRIP)
            r = ask_all(job, end, message);
        else
            r = send_all(job, end, message);
        snprintf(job->board->transport, sizeof(job->board->transport), "%s",
                 end_transport(job->peer, end));
        if (r == 0 && job->peer->goodbye)
            r = goodbye(job, end);
        job->peer->close(end);
    }
    job->board->cpu_ns[0] = clock_cpu_ns();
    free(message);
    return r < 0;
}

static int server_body(void *user)
{
    struct job *job = user;
    unsigned char *message = message_make(job->slice);
    void *listener = job->peer->listen(&job->setup);
    void *end = NULL;
    int r = -1;

    if (!message || !listener)
        return 1;
    gate_add(&job->board->ready, 1);
    if (job->slice->traffic == TRAFFIC_CONNECT) {
        r = receive_visits(job, listener);
    } else if ((end = job->peer->accept(listener)) != NULL) {
        if (job->slice->traffic == TRAFFIC_ROUND_TRIP)
            r = answer_all(job, end, message);
        else
            r = receive_all(job, end);
        gate_add(&job->board->ended, 1);
        job->peer->close(end);
    }
    job->peer->unlisten(listener);
    job->board->cpu_ns[1] = clock_cpu_ns();
    free(message);
    return r < 0;
}

static void result_fill(const struct board *board,
                        struct slice_result *ret_result)
{
    const struct histogram *histogram = &board->histogram;

    *ret_result = (struct slice_result){ .trips = ret_result->trips };
    if (ret_result->trips)
        histogram_merge(ret_result->trips, histogram);
    for (int i = 0; i < PERCENTILES && histogram->count > 0; i++)
        ret_result->times_us[i] =
            histogram_percentile(histogram, slice_percentiles[i] / 100) / 1e3;
    if (board->last_ns > board->first_ns)
        ret_result->rate = (double)board->counted * 1e9 /
                           (double)(board->last_ns - board->first_ns);
    if (board->messages > 0)
        ret_result->cpu_ns = (double)(board->cpu_ns[0] + board->cpu_ns[1]) /
                             (double)board->messages;
    memcpy(ret_result->transport, board->transport,
           sizeof(ret_result->transport));
}

static int slice_processes(struct job *job, const struct places *places)
{
    enum placement placement = job->slice->placement;
    struct crew crew = { .count = 0 };
    int server_cpu = -1, client_cpu = -1;

    if (placement != PLACE_NONE)
        client_cpu = places->first;
    if (placement != PLACE_NONE)
        server_cpu = placement == PLACE_SPLIT ? places->second : places->first;
    if (crew_add(&crew, server_cpu, server_body, job) < 0 ||
        crew_add(&crew, client_cpu, client_body, job) < 0) {
        crew_end(&crew);
        return -1;
    }
    return crew_wait(&crew, job->slice->seconds * 3 + job->slice->longest + 15);
}

static int two_run(const struct peer *peer, const struct slice *slice,
                   const struct places *places, const struct setup *setup,
                   struct slice_result *ret_result)
{
    struct job job = { .peer = peer, .slice = slice, .setup = *setup };
    int r;

    job.board = memory_share(sizeof(*job.board));
    if (!job.board)
        return -1;
    r = slice_processes(&job, places);
    if (r == 0)
        result_fill(job.board, ret_result);
    memory_unshare(job.board, sizeof(*job.board));
    return r;
}

int slice_possible(const struct peer *peer, const struct slice *slice)
{
    if (peer->most_bytes > 0 && slice->bytes > peer->most_bytes)
        return 0;
    if (peer->abilities & PEER_SPINS_ALWAYS && slice->placement != PLACE_SPLIT)
        return 0;
    switch (slice->traffic) {
    case TRAFFIC_FAN:
        return peer->serve != NULL &&
               (peer->most_window == 0 || slice->window <= peer->most_window);
    case TRAFFIC_BROADCAST:
        return peer->announce != NULL;
    case TRAFFIC_CONNECT:
        return (peer->abilities & PEER_VISITS) != 0;
    default:
        return peer->listen != NULL;
    }
}

static enum purpose slice_purpose(const struct slice *slice)
{
    switch (slice->traffic) {
    case TRAFFIC_FAN:
        return PURPOSE_ECHO;
    case TRAFFIC_BROADCAST:
        return PURPOSE_BROADCAST;
    default:
        return PURPOSE_PAIR;
    }
}

int slice_run(const struct peer *peer, const struct slice *slice,
              const struct places *places, const char *directory,
              struct slice_result *ret_result)
{
    static unsigned serial;
    struct setup setup = { .directory = directory,
                           .bytes = slice->bytes,
                           .spin_us = slice->spin_us,
                           .purpose = slice_purpose(slice),
                           .clients = slice->clients,
                           .work_us = slice->work_us,
                           .window = slice->window };
    char name[32];
    int r;

    snprintf(name, sizeof(name), "slice-%u", ++serial);
    setup.name = name;
    if (peer->prepare && peer->prepare(&setup) < 0)
        return -1;
    if (slice->traffic == TRAFFIC_FAN)
        r = fan_run(peer, slice, &setup, ret_result);
    else if (slice->traffic == TRAFFIC_BROADCAST)
        r = broadcast_run(peer, slice, &setup, ret_result);
    else
        r = two_run(peer, slice, places, &setup, ret_result);
    if (peer->forget)
        peer->forget();
    return r;
}
