/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thousands of clients of one server: all connect, do nothing for a second,
 * echo once each, and leave. What that takes in time, and what it takes of
 * the server: memory per client, and processor time while nobody speaks. The
 * clients live in a few processes, as the limit of descriptors wants it.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PER_PROCESS   2500u
#define PHASE_SECONDS 20.0
#define IDLE_SECONDS  1

struct meeting {
    struct crowd crowd;
    struct gate connect; /* the driver opens these one after the other ... */
    struct gate echo;
    struct gate leave;
    struct gate connected; /* ... and the clients count themselves here */
    struct gate echoed;
};

struct crowd_job {
    const struct peer *peer;
    struct setup setup;
    struct meeting *meeting;
    uint32_t clients; /* of one process */
};

struct crowd_result {
    double connect_ms;
    double idle_kib;   /* per client, when connected */
    double echoed_kib; /* and after one echo each */
    double idle_cpu_us;
    double echo_us; /* per echo */
    double leave_ms;
};

static int crowd_server(void *user)
{
    struct crowd_job *job = user;

    return job->peer->serve(&job->setup, &job->meeting->crowd) < 0;
}

static int echo_once(const struct crowd_job *job, void *end)
{
    char message[64];
    const void *data;
    int64_t size;

    memset(message, 'm', sizeof(message));
    if (job->peer->send(end, message, sizeof(message)) < 0)
        return -1;
    size = job->peer->receive(end, &data);
    if (size != sizeof(message))
        return -1;
    touch(data, (size_t)size);
    return 0;
}

static int clients_live(const struct crowd_job *job, void **ends)
{
    struct meeting *meeting = job->meeting;

    if (gate_wait(&meeting->connect, 1, PHASE_SECONDS) < 0)
        return -1;
    for (uint32_t i = 0; i < job->clients; i++) {
        ends[i] = job->peer->connect(&job->setup);
        if (!ends[i])
            return -1;
    }
    gate_add(&meeting->connected, job->clients);
    if (gate_wait(&meeting->echo, 1, PHASE_SECONDS) < 0)
        return -1;
    for (uint32_t i = 0; i < job->clients; i++)
        if (echo_once(job, ends[i]) < 0)
            return -1;
    gate_add(&meeting->echoed, job->clients);
    if (gate_wait(&meeting->leave, 1, PHASE_SECONDS) < 0)
        return -1;
    for (uint32_t i = 0; i < job->clients; i++)
        job->peer->close(ends[i]);
    return 0;
}

static int crowd_clients(void *user)
{
    struct crowd_job *job = user;
    void **ends = calloc(job->clients, sizeof(*ends));
    int r = ends ? clients_live(job, ends) : -1;

    if (r < 0)
        complain("a client of %s failed", job->peer->name);
    free(ends);
    return r < 0;
}

/* Nothing is waited for here: it is the idle time that is measured. */
static double idle_cpu_us(int pid)
{
    struct timespec time = { .tv_sec = IDLE_SECONDS };
    uint64_t before = process_cpu_ns(pid);

    nanosleep(&time, NULL);
    return (double)(process_cpu_ns(pid) - before) / 1e3;
}

/* Let the server finish what it does after the last client was counted. */
static void settle(void)
{
    struct timespec time = { .tv_nsec = 100000000 };

    nanosleep(&time, NULL);
}

static double ms_since(uint64_t start)
{
    return (double)(clock_now_ns() - start) / 1e6;
}

static int meeting_drive(struct meeting *meeting, uint32_t total,
                         struct crew *crew, struct crowd_result *ret_result)
{
    int server = crew->pids[0];
    double resident = resident_kib(server);
    uint64_t start = clock_now_ns();

    gate_add(&meeting->connect, 1);
    if (crew_gate_wait(crew, &meeting->connected, total, PHASE_SECONDS) < 0 ||
        crew_gate_wait(crew, &meeting->crowd.joined, total, 2) < 0) {
        complain("only %u of %u clients are connected",
                 atomic_load(&meeting->crowd.joined.value), total);
        return -1;
    }
    ret_result->connect_ms = ms_since(start);
    settle();
    ret_result->idle_cpu_us = idle_cpu_us(server);
    ret_result->idle_kib = (resident_kib(server) - resident) / total;
    start = clock_now_ns();
    gate_add(&meeting->echo, 1);
    if (crew_gate_wait(crew, &meeting->echoed, total, PHASE_SECONDS) < 0)
        return -1;
    ret_result->echo_us = ms_since(start) * 1e3 / total;
    settle();
    ret_result->echoed_kib = (resident_kib(server) - resident) / total;
    start = clock_now_ns();
    gate_add(&meeting->leave, 1);
    if (crew_gate_wait(crew, &meeting->crowd.left, total, PHASE_SECONDS) < 0) {
        complain("only %u of %u clients have left",
                 atomic_load(&meeting->crowd.left.value), total);
        return -1;
    }
    ret_result->leave_ms = ms_since(start);
    return 0;
}

static int crowd_processes(struct crowd_job *job, uint32_t total,
                           struct crowd_result *ret_result)
{
    struct meeting *meeting = job->meeting;
    struct crew crew = { .count = 0 };
    int r = crew_add(&crew, -1, crowd_server, job);

    if (r == 0)
        r = crew_gate_wait(&crew, &meeting->crowd.ready, 1, PHASE_SECONDS);
    for (uint32_t done = 0; r == 0 && done < total; done += job->clients) {
        job->clients = total - done < PER_PROCESS ? total - done : PER_PROCESS;
        r = crew_add(&crew, -1, crowd_clients, job);
    }
    if (r == 0)
        r = meeting_drive(meeting, total, &crew, ret_result);
    if (r < 0) {
        crew_end(&crew);
        return -1;
    }
    return crew_wait(&crew, PHASE_SECONDS);
}

static int crowd_measure(const struct bench *bench, const struct peer *peer,
                         uint32_t total, struct crowd_result *ret_result)
{
    static unsigned serial;
    char name[32];
    struct crowd_job job = { .peer = peer };
    int r = -1;

    snprintf(name, sizeof(name), "crowd-%u", ++serial);
    job.setup = (struct setup){ .directory = bench->directory,
                                .name = name,
                                .bytes = 64 };
    job.meeting = memory_share(sizeof(*job.meeting));
    if (job.meeting) {
        job.meeting->crowd.expected = total;
        r = crowd_processes(&job, total, ret_result);
    }
    memory_unshare(job.meeting, sizeof(*job.meeting));
    return r;
}

/* One row and its figures. Less is better in all of them. */
static struct row *crowd_row(struct outcome *outcome, const char *name,
                             const char *unit, const double values[2])
{
    struct row *row = outcome_row(outcome, name, unit);

    row->ours = values[0];
    row->yardstick = values[1] > 0 ? values[1] : 0;
    return row;
}

static void crowd_figures(const struct bench *bench,
                          const struct outcome *outcome, int both)
{
    for (int i = 0; i < outcome->count; i++) {
        const struct row *row = &outcome->rows[i];
        struct figure figure = {
            .library = "windpipe",
            .name = row->name,
            .transport = "socket",
            .placement = "unpinned",
            .spin = "default",
            .bytes = 64,
            .value = row->ours,
            .unit = row->unit,
        };

        figure_write(bench->json, &figure);
        figure.library = "socket";
        figure.spin = NULL;
        figure.value = row->yardstick;
        if (both)
            figure_write(bench->json, &figure);
    }
}

static void most(struct row *row, double limit)
{
    row->target = TARGET_MOST;
    row->limit = limit;
}

/* As many clients as the limit of descriptors allows, and a few to spare. */
static uint32_t crowd_size(const struct bench *bench)
{
    uint32_t allowed = descriptors_allow(20000);
    uint32_t total = bench->clients;

    if (total + 64 > allowed && allowed > 64) {
        total = allowed - 64;
        complain("only %u descriptors: %u clients", allowed, total);
    }
    return total;
}

void crowd_run(const struct bench *bench, const struct bench_case *self,
               struct outcome *outcome)
{
    struct crowd_result ours = { 0 }, other = { 0 };
    uint32_t total = crowd_size(bench);
    int both = bench->complete;

    if (crowd_measure(bench, &peer_windpipe, total, &ours) < 0) {
        outcome_row(outcome, self->name, "clients")->failed = 1;
        return;
    }
    if (both && crowd_measure(bench, &peer_socket, total, &other) < 0)
        both = 0;
    crowd_row(outcome, "crowd-connect-all", "ms",
              (double[]){ ours.connect_ms, other.connect_ms });
    most(crowd_row(outcome, "crowd-memory-idle", "KiB",
                   (double[]){ ours.idle_kib, other.idle_kib }),
         4);
    most(crowd_row(outcome, "crowd-memory-echoed", "KiB",
                   (double[]){ ours.echoed_kib, other.echoed_kib }),
         4);
    /* No tick of the scheduler may hit: 1 ms is a tenth of one. */
    most(crowd_row(outcome, "crowd-idle-cpu", "us/s",
                   (double[]){ ours.idle_cpu_us, other.idle_cpu_us }),
         1000);
    crowd_row(outcome, "crowd-echo", "us",
              (double[]){ ours.echo_us, other.echo_us });
    crowd_row(outcome, "crowd-leave-all", "ms",
              (double[]){ ours.leave_ms, other.leave_ms });
    for (int i = 0; i < outcome->count; i++)
        if (outcome->rows[i].ours > 0 && outcome->rows[i].yardstick > 0)
            outcome->rows[i].ratio =
                outcome->rows[i].yardstick / outcome->rows[i].ours;
    crowd_figures(bench, outcome, both);
}
