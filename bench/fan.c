/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several client processes and one server that echoes to them all. Each client
 * keeps `window` messages in flight and counts what comes back; the driver
 * reads the counters at the two ends of the slice, so starting and stopping
 * is not part of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "slice.h"

#define FAN_PATIENCE 15.0

struct fan_client {
    _Alignas(128) _Atomic uint64_t echoes;
    char transport[16];
    struct histogram trips;
};

struct fan_board {
    struct crowd crowd;
    struct gate warm;   /* clients that have had an echo */
    struct gate start;  /* opened by the driver when all are */
    struct gate done;   /* clients that have seen the end */
    _Atomic int counts; /* warming up is over */
    _Atomic int stop;
    struct fan_client clients[FAN_MOST];
};

struct fan_job {
    const struct peer *peer;
    const struct slice *slice;
    struct setup setup;
    struct fan_board *board;
};

/* What the driver sees at one moment. */
struct fan_sample {
    uint64_t ns;
    uint64_t cpu_ns;
    uint64_t echoes[FAN_MOST];
};

static int fan_server(void *user)
{
    struct fan_job *job = user;

    return job->peer->serve(&job->setup, &job->board->crowd) < 0;
}

static int fan_take(const struct fan_job *job, void *end)
{
    const void *data;
    int64_t size = job->peer->receive(end, &data);

    if (size != (int64_t)job->slice->bytes)
        return -1;
    touch(data, (size_t)size);
    return 0;
}

/* Until the driver says stop: an echo comes, the next message goes. */
static int fan_go_on(const struct fan_job *job, void *end, const void *message,
                     struct fan_client *me)
{
    const struct slice *slice = job->slice;
    int timed = slice->trips > 0 && slice->window == 1;
    uint64_t count = 0, last = clock_now_ns(), now;

    while (!atomic_load_explicit(&job->board->stop, memory_order_relaxed)) {
        if (job->peer->send(end, message, slice->bytes) < 0 ||
            fan_take(job, end) < 0)
            return -1;
        atomic_store_explicit(&me->echoes, ++count, memory_order_relaxed);
        if (!timed)
            continue;
        now = clock_now_ns();
        if (atomic_load_explicit(&job->board->counts, memory_order_relaxed))
            histogram_add(&me->trips, now - last);
        last = now;
    }
    return 0;
}

static int fan_talk(const struct fan_job *job, void *end, const void *message)
{
    struct fan_board *board = job->board;
    struct fan_client *me = &board->clients[job->setup.index];
    const struct peer *peer = job->peer;
    size_t bytes = job->slice->bytes;

    if (peer->send(end, message, bytes) < 0 || fan_take(job, end) < 0)
        return -1;
    gate_add(&board->warm, 1);
    if (gate_wait(&board->start, 1, FAN_PATIENCE) < 0)
        return -1;
    for (uint32_t i = 1; i < job->slice->window; i++)
        if (peer->send(end, message, bytes) < 0)
            return -1;
    if (fan_go_on(job, end, message, me) < 0)
        return -1;
    snprintf(me->transport, sizeof(me->transport), "%s",
             end_transport(peer, end));
    gate_add(&board->done, 1);
    return 0;
}

static int fan_client(void *user)
{
    struct fan_job *job = user;
    unsigned char *message = malloc(job->slice->bytes);
    void *end = NULL;
    int r = -1;

    if (message) {
        memset(message, 0x5a, job->slice->bytes);
        end = job->peer->connect(&job->setup);
    }
    if (end) {
        r = fan_talk(job, end, message);
        job->peer->close(end);
    }
    free(message);
    return r < 0;
}

static void fan_sample(const struct fan_job *job, const struct crew *crew,
                       struct fan_sample *ret_sample)
{
    ret_sample->ns = clock_now_ns();
    ret_sample->cpu_ns = 0;
    for (int i = 0; i < crew->count; i++)
        ret_sample->cpu_ns += process_cpu_ns(crew->pids[i]);
    for (uint32_t i = 0; i < job->slice->clients; i++)
        ret_sample->echoes[i] = atomic_load_explicit(
            &job->board->clients[i].echoes, memory_order_relaxed);
}

static void fan_result(const struct fan_job *job,
                       const struct fan_sample *before,
                       const struct fan_sample *after,
                       struct slice_result *ret_result)
{
    uint64_t least = UINT64_MAX, most = 0, all = 0;

    for (uint32_t i = 0; i < job->slice->clients; i++) {
        uint64_t one = after->echoes[i] - before->echoes[i];

        all += one;
        least = one < least ? one : least;
        most = one > most ? one : most;
    }
    *ret_result = (struct slice_result){ .trips = ret_result->trips };
    for (uint32_t i = 0; ret_result->trips && i < job->slice->clients; i++)
        histogram_merge(ret_result->trips, &job->board->clients[i].trips);
    ret_result->rate = (double)all * 1e9 / (double)(after->ns - before->ns);
    if (all > 0) {
        ret_result->fairness = (double)least / (double)most;
        ret_result->cpu_ns =
            (double)(after->cpu_ns - before->cpu_ns) / (double)all;
    }
    memcpy(ret_result->transport, job->board->clients[0].transport,
           sizeof(ret_result->transport));
}

static void pass(double seconds)
{
    struct timespec time = { .tv_nsec = (long)(seconds * 1e9) % 1000000000 };

    time.tv_sec = (time_t)seconds;
    nanosleep(&time, NULL);
}

/* From when all are warm to when all have stopped. */
static int fan_drive(const struct fan_job *job, struct crew *crew,
                     struct slice_result *ret_result)
{
    struct fan_board *board = job->board;
    struct fan_sample before, after;

    if (crew_gate_wait(crew, &board->warm, job->slice->clients, FAN_PATIENCE))
        return -1;
    gate_add(&board->start, 1);
    pass(job->slice->seconds / 5);
    fan_sample(job, crew, &before);
    atomic_store(&board->counts, 1);
    pass(job->slice->seconds);
    fan_sample(job, crew, &after);
    atomic_store(&board->stop, 1);
    if (crew_gate_wait(crew, &board->done, job->slice->clients, FAN_PATIENCE))
        return -1;
    fan_result(job, &before, &after, ret_result);
    return 0;
}

static int fan_processes(struct fan_job *job, struct slice_result *ret_result)
{
    struct crew crew = { .count = 0 };
    int r = crew_add(&crew, -1, fan_server, job);

    if (r == 0)
        r = crew_gate_wait(&crew, &job->board->crowd.ready, 1, FAN_PATIENCE);
    for (uint32_t i = 0; r == 0 && i < job->slice->clients; i++) {
        job->setup.index = i;
        r = crew_add(&crew, -1, fan_client, job);
    }
    if (r == 0)
        r = fan_drive(job, &crew, ret_result);
    crew_end(&crew); /* not every server can know that all have left */
    return r;
}

int fan_run(const struct peer *peer, const struct slice *slice,
            const struct setup *setup, struct slice_result *ret_result)
{
    struct fan_job job = { .peer = peer, .slice = slice, .setup = *setup };
    int r = -1;

    job.board = memory_share(sizeof(*job.board));
    if (job.board) {
        job.board->crowd.expected = CROWD_ENDLESS;
        r = fan_processes(&job, ret_result);
    }
    memory_unshare(job.board, sizeof(*job.board));
    return r;
}
