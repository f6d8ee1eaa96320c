/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How soon a killed peer is reported, and how soon a server that was killed
 * serves again under its name, with nothing cleaned up by hand. Both are about
 * SIGKILL: no process gets to say good-bye.
 */
#include "cases.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <windpipe.h>

#define KILLS    20
#define RESTARTS 10
#define LIMIT_S  10.0
#define LIMIT_MS 10000

/* Shared by the driver, the victim, and who outlives it. */
struct scene {
    struct crowd crowd;  /* of the server that is alive */
    struct gate armed;   /* the connection works; somebody waits on it */
    struct gate go;      /* the standby may take over */
    struct gate noticed; /* the survivor has seen it: */
    uint64_t noticed_ns;
    int result; /* the reason or error it was told, as it came */
    struct setup setup;
    char name[32];
    int shared_memory;
};

static void notice(struct scene *scene, int result)
{
    scene->noticed_ns = clock_now_ns();
    scene->result = result;
    gate_add(&scene->noticed, 1);
}

/* A client's connection that has carried a message both ways. */
static wpipe_stream *connect_and_echo(const struct scene *scene)
{
    wpipe_options options = { .size = sizeof(options) };
    wpipe_stream *stream;
    char answer[16];
    int r;

    options.type = WPIPE_MESSAGE;
    options.shared_memory = scene->shared_memory;
    r = wpipe_connect(&stream, scene->name, &options, LIMIT_MS);
    if (r < 0) {
        complain("connect: %s", wpipe_strerror(r));
        return NULL;
    }
    if (wpipe_write(stream, "alive?", 6, LIMIT_MS) == 6 &&
        wpipe_read(stream, answer, sizeof(answer), LIMIT_MS) == 6)
        return stream;
    wpipe_stream_close(stream);
    return NULL;
}

static int echo_server(void *user)
{
    struct scene *scene = user;

    return peer_windpipe.serve(&scene->setup, &scene->crowd) < 0;
}

/* ---- a client dies, the server is told ---------------------------------- */

static int dying_client(void *user)
{
    struct scene *scene = user;

    if (gate_wait(&scene->crowd.ready, 1, LIMIT_S) < 0 ||
        !connect_and_echo(scene))
        return 1;
    gate_add(&scene->armed, 1);
    for (;;)
        pause();
}

static int watching_server(void *user)
{
    struct scene *scene = user;
    wpipe_server *server;
    wpipe_event event;
    int r = wpipe_server_open(&server, scene->name, NULL);

    if (r < 0) {
        complain("server: %s", wpipe_strerror(r));
        return 1;
    }
    gate_add(&scene->crowd.ready, 1);
    while ((r = wpipe_server_wait(server, &event, LIMIT_MS)) > 0) {
        if (event.type == WPIPE_EVENT_MESSAGE)
            wpipe_server_send(server, event.from, event.data, event.size);
        if (event.type != WPIPE_EVENT_DISCONNECTED)
            continue;
        if (event.reason != WPIPE_REASON_DIED)
            complain("a killed client gave reason %d", event.reason);
        notice(scene, event.reason == WPIPE_REASON_DIED ? WPIPE_EDIED : 0);
        break;
    }
    wpipe_server_close(server);
    return r <= 0;
}

/* ---- the server dies, its client is told -------------------------------- */

static int watching_client(void *user)
{
    struct scene *scene = user;
    wpipe_stream *stream;
    char answer[16];

    if (gate_wait(&scene->crowd.ready, 1, LIMIT_S) < 0)
        return 1;
    stream = connect_and_echo(scene);
    if (!stream)
        return 1;
    gate_add(&scene->armed, 1);
    notice(scene, (int)wpipe_read(stream, answer, sizeof(answer), LIMIT_MS));
    wpipe_stream_close(stream);
    return 0;
}

/* ---- the server dies, another one takes over ---------------------------- */

static int standby_server(void *user)
{
    struct scene *scene = user;

    if (gate_wait(&scene->go, 1, LIMIT_S) < 0)
        return 1;
    return echo_server(scene);
}

static int returning_client(void *user)
{
    struct scene *scene = user;
    wpipe_stream *stream;
    char answer[16];
    int64_t r;

    if (gate_wait(&scene->crowd.ready, 1, LIMIT_S) < 0)
        return 1;
    stream = connect_and_echo(scene);
    if (!stream)
        return 1;
    gate_add(&scene->armed, 1);
    r = wpipe_read(stream, answer, sizeof(answer), LIMIT_MS);
    wpipe_stream_close(stream);
    stream = connect_and_echo(scene);
    notice(scene, stream ? (int)r : 0);
    wpipe_stream_close(stream);
    return stream == NULL;
}

/* ---- the driver --------------------------------------------------------- */

/* Time for the survivor to fall asleep: a spinning one would not count. */
static void let_sleep(void)
{
    struct timespec time = { .tv_nsec = 5000000 };

    nanosleep(&time, NULL);
}

static struct scene *scene_new(const struct bench *bench, int shared_memory)
{
    static unsigned serial;
    struct scene *scene = memory_share(sizeof(*scene));

    if (!scene)
        return NULL;
    snprintf(scene->name, sizeof(scene->name), "death-%u", ++serial);
    scene->crowd.expected = CROWD_ENDLESS;
    scene->shared_memory = shared_memory;
    scene->setup = (struct setup){ .directory = bench->directory,
                                   .name = scene->name,
                                   .bytes = 64 };
    return scene;
}

/*
 * The crew stands; its first is the victim. Milliseconds from the kill until
 * the survivor noticed, or -1.
 */
static double scene_play(struct scene *scene, struct crew *crew)
{
    uint64_t start;

    if (crew_gate_wait(crew, &scene->armed, 1, LIMIT_S) < 0)
        return -1;
    let_sleep();
    start = clock_now_ns();
    crew_kill(crew, 0);
    gate_add(&scene->go, 1);
    if (crew_gate_wait(crew, &scene->noticed, 1, LIMIT_S) < 0)
        return -1;
    if (scene->result != WPIPE_EDIED) {
        complain("a killed peer was not reported as dead: %s",
                 wpipe_error_name(scene->result));
        return -1;
    }
    return (double)(scene->noticed_ns - start) / 1e6;
}

static double kill_once(const struct bench *bench, int shared_memory,
                        int server_dies)
{
    struct scene *scene = scene_new(bench, shared_memory);
    struct crew crew = { .count = 0 };
    double ms = -1;

    if (!scene)
        return -1;
    if (server_dies) {
        if (crew_add(&crew, -1, echo_server, scene) == 0 &&
            crew_add(&crew, -1, watching_client, scene) == 0)
            ms = scene_play(scene, &crew);
    } else if (crew_add(&crew, -1, dying_client, scene) == 0 &&
               crew_add(&crew, -1, watching_server, scene) == 0) {
        ms = scene_play(scene, &crew);
    }
    if (ms >= 0 && crew_wait(&crew, LIMIT_S) < 0)
        ms = -1;
    crew_end(&crew);
    memory_unshare(scene, sizeof(*scene));
    return ms;
}

static double restart_once(const struct bench *bench)
{
    struct scene *scene = scene_new(bench, WPIPE_SHARED_AUTO);
    struct crew crew = { .count = 0 };
    double ms = -1;

    if (!scene)
        return -1;
    if (crew_add(&crew, -1, echo_server, scene) == 0 &&
        crew_add(&crew, -1, standby_server, scene) == 0 &&
        crew_add(&crew, -1, returning_client, scene) == 0)
        ms = scene_play(scene, &crew);
    crew_end(&crew);
    memory_unshare(scene, sizeof(*scene));
    return ms;
}

static void times_report(const struct bench *bench, const char *name,
                         double *times, int count, struct outcome *outcome)
{
    struct figure figure = { .library = "windpipe",
                             .name = name,
                             .placement = "unpinned",
                             .spin = "default",
                             .bytes = 64,
                             .unit = "ms",
                             .percentile = 50 };
    char text[40];
    double limit = strcmp(name, "kill") == 0 ? 100 : 50;

    for (int last = 0; last < 2; last++) {
        struct row *row;

        snprintf(text, sizeof(text), "%s-%s", name, last ? "max" : "median");
        row = outcome_row(outcome, text, "ms");
        row->ours = median(times, count); /* sorts */
        if (last)
            row->ours = times[count - 1];
        row->judge = JUDGE_MOST;
        row->limit = limit;
        figure.value = row->ours;
        figure.percentile = last ? 100 : 50;
        figure_write(bench->json, &figure);
    }
}

void kill_run(const struct bench *bench, const struct bench_case *self,
              struct outcome *outcome)
{
    double times[KILLS];

    for (int i = 0; i < KILLS; i++) {
        times[i] = kill_once(
            bench, i & 1 ? WPIPE_SHARED_NOW : WPIPE_SHARED_NEVER, i & 2);
        if (times[i] < 0) {
            outcome_row(outcome, self->name, "ms")->failed = 1;
            return;
        }
    }
    times_report(bench, self->name, times, KILLS, outcome);
}

void restart_run(const struct bench *bench, const struct bench_case *self,
                 struct outcome *outcome)
{
    double times[RESTARTS];

    for (int i = 0; i < RESTARTS; i++) {
        times[i] = restart_once(bench);
        if (times[i] < 0) {
            outcome_row(outcome, self->name, "ms")->failed = 1;
            return;
        }
    }
    times_report(bench, self->name, times, RESTARTS, outcome);
}
