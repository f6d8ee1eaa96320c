/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One server that sends the same messages to many clients, which are threads
 * of one process. After each window of messages the server waits, outside of
 * the library, until all clients have all of them: nothing can be dropped and
 * what counts is what has arrived.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slice.h"

#define BROADCAST_PATIENCE 15.0
#define LISTENER_STACK     131072u

/* At least so many windows before anything counts. */
#define WARM_WINDOWS 10u

struct broadcast_board {
    struct crowd crowd;
    struct gate got; /* windows that have arrived, over all clients */
    struct gate done;
    struct gate gone; /* the listeners are */
    uint64_t ns;
    uint64_t deliveries;
};

struct broadcast_job {
    const struct peer *peer;
    const struct slice *slice;
    struct setup setup;
    struct broadcast_board *board;
};

/* ---- clients ------------------------------------------------------------ */

static void listen_on(const struct broadcast_job *job, void *end)
{
    const struct slice *slice = job->slice;
    struct broadcast_board *board = job->board;
    uint64_t count = 0;
    const void *data;

    while (job->peer->receive(end, &data) == (int64_t)slice->bytes) {
        touch(data, slice->bytes);
        if (++count % slice->window == 0)
            gate_count(&board->got, 1,
                       (uint32_t)(count / slice->window) * slice->clients);
    }
}

static void *listener_thread(void *user)
{
    const struct broadcast_job *job = user;
    void *end = job->peer->connect(&job->setup);

    if (!end)
        exit(1);
    listen_on(job, end);
    job->peer->close(end);
    return NULL;
}

static int listeners(void *user)
{
    struct broadcast_job *job = user;
    uint32_t count = job->slice->clients;
    pthread_t *threads = calloc(count, sizeof(*threads));
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, LISTENER_STACK);
    for (uint32_t i = 0; threads && i < count; i++)
        if (pthread_create(&threads[i], &attributes, listener_thread, job))
            exit(1);
    for (uint32_t i = 0; threads && i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_attr_destroy(&attributes);
    free(threads);
    return 0;
}

/* ---- server ------------------------------------------------------------- */

/* Wait for all clients to have `windows` windows; the library keeps moving. */
static int window_wait(const struct broadcast_job *job, void *server,
                       uint64_t windows)
{
    struct gate *got = &job->board->got;
    uint32_t goal = (uint32_t)(windows * job->slice->clients);
    uint64_t limit = clock_now_ns() + (uint64_t)(BROADCAST_PATIENCE * 1e9);

    do {
        if (job->peer->move && job->peer->move(server) < 0)
            return -1;
        if (gate_wait(got, goal, job->peer->move ? 0.001 : 1.0) == 0)
            return 0;
    } while (clock_now_ns() < limit && !interrupted());
    complain("broadcast: %u of %u windows have arrived",
             atomic_load(&got->value), goal);
    return -1;
}

static int window_send(const struct broadcast_job *job, void *server,
                       const void *message)
{
    for (uint32_t i = 0; i < job->slice->window; i++)
        if (job->peer->publish(server, message, job->slice->bytes) < 0)
            return -1;
    return 0;
}

static int broadcast_all(const struct broadcast_job *job, void *server,
                         const void *message)
{
    struct broadcast_board *board = job->board;
    const struct slice *slice = job->slice;
    uint64_t windows = 0, first = 0, begin = clock_now_ns(), now = begin;
    uint64_t warm_until = begin + (uint64_t)(slice->seconds * 2e8);
    uint64_t until = warm_until + (uint64_t)(slice->seconds * 1e9);

    do {
        if (first == 0 && windows >= WARM_WINDOWS && now >= warm_until) {
            first = windows;
            begin = now;
            until = now + (uint64_t)(slice->seconds * 1e9);
        }
        if (window_send(job, server, message) < 0 ||
            window_wait(job, server, ++windows) < 0)
            return -1;
        now = clock_now_ns();
    } while (now < until || first == 0);
    board->ns = now - begin;
    board->deliveries = (windows - first) * slice->window * slice->clients;
    return 0;
}

static int broadcast_server(void *user)
{
    struct broadcast_job *job = user;
    unsigned char *message = malloc(job->slice->bytes);
    void *server = NULL;
    int r = -1;

    if (message) {
        memset(message, 0x5a, job->slice->bytes);
        server = job->peer->announce(&job->setup, &job->board->crowd);
    }
    if (server) {
        r = broadcast_all(job, server, message);
        gate_add(&job->board->done, 1);
        gate_wait(&job->board->gone, 1, BROADCAST_PATIENCE);
        job->peer->hush(server);
    }
    free(message);
    return r < 0;
}

/* ---- the two processes -------------------------------------------------- */

static uint64_t crew_cpu_ns(const struct crew *crew)
{
    uint64_t sum = 0;

    for (int i = 0; i < crew->count; i++)
        sum += process_cpu_ns(crew->pids[i]);
    return sum;
}

static int broadcast_processes(struct broadcast_job *job,
                               struct slice_result *ret_result)
{
    struct broadcast_board *board = job->board;
    struct crew crew = { .count = 0 };
    uint64_t cpu = 0;
    int r = crew_add(&crew, -1, broadcast_server, job);

    if (r == 0)
        r = crew_gate_wait(&crew, &board->crowd.ready, 1, BROADCAST_PATIENCE);
    if (r == 0)
        r = crew_add(&crew, -1, listeners, job);
    if (r == 0)
        r = crew_gate_wait(&crew, &board->done, 1,
                           BROADCAST_PATIENCE + 3 * job->slice->seconds);
    if (r < 0) {
        crew_end(&crew);
        return -1;
    }
    cpu = crew_cpu_ns(&crew);
    crew_kill(&crew, 1); /* not every library tells a listener of the end */
    gate_add(&board->gone, 1);
    if (crew_wait(&crew, BROADCAST_PATIENCE) < 0)
        return -1;
    *ret_result = (struct slice_result){
        .rate = (double)board->deliveries * 1e9 / (double)board->ns,
        /* of the whole slice, warm-up included */
        .cpu_ns = (double)cpu /
                  (double)(atomic_load(&board->got.value) * job->slice->window),
    };
    return 0;
}

int broadcast_run(const struct peer *peer, const struct slice *slice,
                  const struct setup *setup, struct slice_result *ret_result)
{
    struct broadcast_job job = { .peer = peer,
                                 .slice = slice,
                                 .setup = *setup };
    int r = -1;

    job.board = memory_share(sizeof(*job.board));
    if (job.board) {
        job.board->crowd.expected = slice->clients;
        r = broadcast_processes(&job, ret_result);
    }
    memory_unshare(job.board, sizeof(*job.board));
    return r;
}
