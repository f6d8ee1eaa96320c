/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thousands of clients of one server: all connect, do nothing for a while,
 * echo once each, and leave. What that takes in time, and what it takes of
 * the server: memory per client, and processor time while nobody speaks. Ours
 * then speak often enough to move to shared memory, and are looked at once
 * more. The clients live in a few processes, as the limit of descriptors
 * wants it.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PER_PROCESS   2500u
#define PHASE_SECONDS 20.0
#define IDLE_NS       500000000

/* A connection moves to shared memory after 16 messages. */
#define BUSY_ECHOES 24

struct meeting {
    struct crowd crowd;
    struct gate connect; /* the driver opens these one after the other ... */
    struct gate echo;
    struct gate busy;
    struct gate leave;
    struct gate connected; /* ... and the clients count themselves here */
    struct gate echoed;
    struct gate moved;
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
    double moved_kib;  /* and in shared memory, where there is that */
    double shared_kib; /* of the machine, whoever touched it */
    double idle_cpu_us;
    double moved_cpu_us; /* idle again */
    double echo_us;      /* per echo */
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

/* Only what can move gets busy: for the others there is nothing to see. */
static int gets_busy(const struct crowd_job *job)
{
    return (job->peer->abilities & PEER_SPIN_OPTION) != 0;
}

static int clients_busy(const struct crowd_job *job, void **ends)
{
    struct meeting *meeting = job->meeting;

    if (gate_wait(&meeting->busy, 1, PHASE_SECONDS) < 0)
        return -1;
    for (uint32_t i = 0; i < job->clients; i++)
        for (int n = 0; n < BUSY_ECHOES; n++)
            if (echo_once(job, ends[i]) < 0)
                return -1;
    gate_add(&meeting->moved, job->clients);
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
    if (gets_busy(job) && clients_busy(job, ends) < 0)
        return -1;
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
    struct timespec time = { .tv_nsec = IDLE_NS };
    uint64_t before = process_cpu_ns(pid);

    nanosleep(&time, NULL);
    return (double)(process_cpu_ns(pid) - before) * 1e6 / IDLE_NS;
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

static int meeting_connect(struct meeting *meeting, uint32_t total,
                           struct crew *crew, struct crowd_result *ret_result)
{
    uint64_t start = clock_now_ns();

    gate_add(&meeting->connect, 1);
    if (crew_gate_wait(crew, &meeting->connected, total, PHASE_SECONDS) < 0 ||
        crew_gate_wait(crew, &meeting->crowd.joined, total, PHASE_SECONDS)) {
        complain("only %u of %u clients are connected",
                 atomic_load(&meeting->crowd.joined.value), total);
        return -1;
    }
    ret_result->connect_ms = ms_since(start);
    return 0;
}

static int meeting_busy(struct meeting *meeting, uint32_t total,
                        struct crew *crew, double resident,
                        struct crowd_result *ret_result)
{
    double shared = shared_kib();

    gate_add(&meeting->busy, 1);
    if (crew_gate_wait(crew, &meeting->moved, total, PHASE_SECONDS) < 0)
        return -1;
    settle();
    ret_result->moved_cpu_us = idle_cpu_us(crew->pids[0]);
    ret_result->moved_kib = (resident_kib(crew->pids[0]) - resident) / total;
    ret_result->shared_kib = (shared_kib() - shared) / total;
    return 0;
}

static int meeting_leave(struct meeting *meeting, uint32_t total,
                         struct crew *crew, struct crowd_result *ret_result)
{
    uint64_t start = clock_now_ns();

    gate_add(&meeting->leave, 1);
    if (crew_gate_wait(crew, &meeting->crowd.left, total, PHASE_SECONDS) < 0) {
        complain("only %u of %u clients have left",
                 atomic_load(&meeting->crowd.left.value), total);
        return -1;
    }
    ret_result->leave_ms = ms_since(start);
    return 0;
}

static int meeting_drive(const struct crowd_job *job, uint32_t total,
                         struct crew *crew, struct crowd_result *ret_result)
{
    struct meeting *meeting = job->meeting;
    int server = crew->pids[0];
    double resident = resident_kib(server);
    uint64_t start;

    if (meeting_connect(meeting, total, crew, ret_result) < 0)
        return -1;
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
    if (gets_busy(job) &&
        meeting_busy(meeting, total, crew, resident, ret_result) < 0)
        return -1;
    if (!(job->peer->abilities & PEER_SEES_LEAVING))
        return 0;
    return meeting_leave(meeting, total, crew, ret_result);
}

static int crowd_processes(struct crowd_job *job, uint32_t total,
                           struct crowd_result *ret_result)
{
    struct meeting *meeting = job->meeting;
    struct crew crew = { .count = 0 };
    uint32_t most = job->peer->most_ends;
    int r = crew_add(&crew, -1, crowd_server, job);

    most = most > 0 && most < PER_PROCESS ? most : PER_PROCESS;
    if (r == 0)
        r = crew_gate_wait(&crew, &meeting->crowd.ready, 1, PHASE_SECONDS);
    for (uint32_t done = 0; r == 0 && done < total; done += job->clients) {
        job->clients = total - done < most ? total - done : most;
        r = crew_add(&crew, -1, crowd_clients, job);
    }
    if (r == 0)
        r = meeting_drive(job, total, &crew, ret_result);
    if (r == 0 && job->peer->abilities & PEER_SEES_LEAVING)
        return crew_wait(&crew, PHASE_SECONDS);
    crew_end(&crew); /* its server never ends by itself */
    return r;
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
                                .bytes = 64,
                                .purpose = PURPOSE_ECHO,
                                .window = 1 };
    *ret_result = (struct crowd_result){ .connect_ms = 0 };
    job.meeting = memory_share(sizeof(*job.meeting));
    if (job.meeting) {
        job.meeting->crowd.expected = total;
        r = crowd_processes(&job, total, ret_result);
    }
    memory_unshare(job.meeting, sizeof(*job.meeting));
    return r;
}

/* ---- what is told ------------------------------------------------------- */

/* Each number of a result; less is better in all of them. */
static const struct crowd_field {
    const char *name;
    const char *unit;
    size_t offset;
    enum judge judge;
    double limit;
} fields[] = {
    { "connect", "ms", offsetof(struct crowd_result, connect_ms), JUDGE_COST,
      8 },
    { "memory-idle", "KiB", offsetof(struct crowd_result, idle_kib), JUDGE_MOST,
      4 },
    { "memory-echoed", "KiB", offsetof(struct crowd_result, echoed_kib),
      JUDGE_MOST, 4 },
    { "memory-moved", "KiB", offsetof(struct crowd_result, moved_kib),
      JUDGE_MOST, 20 },
    { "moved-shared", "KiB", offsetof(struct crowd_result, shared_kib),
      JUDGE_MOST, 20 },
    /* No tick of the scheduler may hit: 1 ms is a tenth of one. */
    { "idle-cpu", "us/s", offsetof(struct crowd_result, idle_cpu_us),
      JUDGE_MOST, 1000 },
    { "moved-idle-cpu", "us/s", offsetof(struct crowd_result, moved_cpu_us),
      JUDGE_MOST, 1000 },
    { "echo", "us", offsetof(struct crowd_result, echo_us), JUDGE_COST, 2 },
    { "leave", "ms", offsetof(struct crowd_result, leave_ms), JUDGE_NONE, 0 },
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static double crowd_value(const struct crowd_result *result,
                          const struct crowd_field *field)
{
    double value;

    memcpy(&value, (const char *)result + field->offset, sizeof(value));
    return value;
}

static void crowd_figures(const struct bench *bench,
                          const struct bench_case *self, enum peer_id id,
                          const struct crowd_result *result)
{
    char name[64];
    struct figure figure = { .library = peer_get(id)->name,
                             .name = name,
                             .placement = "unpinned",
                             .spin = id == self->ours ? "default" : NULL,
                             .bytes = self->slice.bytes };

    for (size_t i = 0; i < FIELDS; i++) {
        figure.value = crowd_value(result, &fields[i]);
        /* Memory and idle time may well be nothing, the others not. */
        if (figure.value <= 0 && fields[i].judge != JUDGE_MOST)
            continue;
        if (strstr(fields[i].name, "moved") && id != self->ours)
            continue;
        snprintf(name, sizeof(name), "%s-%s", self->name, fields[i].name);
        figure.unit = fields[i].unit;
        figure_write(bench->json, &figure);
    }
}

static void crowd_row(const struct bench_case *self,
                      const struct crowd_field *field,
                      const struct crowd_result *ours,
                      const struct crowd_result *other, struct outcome *outcome)
{
    char name[64];
    struct row *row;

    snprintf(name, sizeof(name), "%s %s", self->name, field->name);
    row = outcome_row(outcome, name, field->unit);
    row->ours = crowd_value(ours, field);
    row->judge = self->unjudged ? JUDGE_NONE : field->judge;
    row->limit = field->limit;
    if (!other && row->judge == JUDGE_COST)
        row->judge = JUDGE_NONE;
    if (!other || crowd_value(other, field) <= 0)
        return;
    row->against = peer_socket.name;
    row->theirs = crowd_value(other, field);
    if (row->ours > 0)
        row->ratio = row->judge == JUDGE_COST ? row->ours / row->theirs
                                              : row->theirs / row->ours;
}

/* As many clients as the limit of descriptors allows, and a few to spare. */
static uint32_t crowd_size(const struct bench *bench,
                           const struct bench_case *self)
{
    uint32_t allowed = descriptors_allow(20000);
    uint32_t total = bench->clients > 0 ? bench->clients : self->slice.clients;

    if (total + 64 > allowed && allowed > 64) {
        total = allowed - 64;
        complain("only %u descriptors: %u clients", allowed, total);
    }
    return total;
}

static int crowd_possible(enum peer_id id, uint32_t total)
{
    const struct peer *peer = peer_get(id);

    if (!peer->serve || peer->prepare)
        return 0;
    return peer->most_crowd == 0 || total <= peer->most_crowd;
}

void crowd_run(const struct bench *bench, const struct bench_case *self,
               struct outcome *outcome)
{
    struct crowd_result results[PEERS];
    int measured[PEERS] = { 0 };
    uint32_t total = crowd_size(bench, self);

    for (enum peer_id id = PEER_NONE; id < PEERS && !interrupted(); id++) {
        if (!case_has_peer(bench, self, id) || !crowd_possible(id, total))
            continue;
        measured[id] =
            crowd_measure(bench, peer_get(id), total, &results[id]) == 0;
        if (measured[id]) {
            crowd_figures(bench, self, id, &results[id]);
            continue;
        }
        complain("%s: %s failed", self->name, peer_get(id)->name);
        outcome->failures++;
    }
    if (!measured[self->ours]) {
        outcome_row(outcome, self->name, "")->failed = 1;
        return;
    }
    for (size_t i = 0; i < FIELDS; i++)
        crowd_row(self, &fields[i], &results[self->ours],
                  measured[PEER_SOCKET] ? &results[PEER_SOCKET] : NULL,
                  outcome);
}
