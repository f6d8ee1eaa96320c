/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dispatcher hands jobs to workers, who come and go, and prints what became
 * of each. No job is done twice, whoever is killed when; one whose worker was
 * lost in its middle is "unknown". One epoll watches the workers, the signals
 * and a timer.
 *
 *     dispatcher NAME [SECONDS] <JOBS    a command a line, each with so many
 *                                        seconds; until all is done, or SIGTERM
 *     worker NAME                        is worker.c
 *
 * A worker says "ready", gets a job, says "begun" before it begins it and "done
 * STATUS" after it. What it had sent when it was killed is read before its
 * DISCONNECTED; so a job that was not begun by then goes to the next. Whoever
 * says "status" is told how far we are, also a program that is not windpipe, by
 * lines at the foreign door.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <windpipe.h>

enum {
    JOBS = 10000,
    WORKERS = 64
};

static char
    *jobs[JOBS]; /* a queue of those that wait: from `first` to `last` */
static size_t first, last;
static size_t at_work, done;
static struct worker {
    wpipe_id id; /* 0: nobody */
    char *job;   /* or NULL */
    int begun;
    time_t since;
} workers[WORKERS];
static wpipe_server *server;
static int ends;

static struct worker *find(wpipe_id id)
{
    for (struct worker *w = workers; w < workers + WORKERS; w++)
        if (w->id == id)
            return w;
    return NULL;
}

static void hand_out(struct worker *w)
{
    char *job = jobs[first % JOBS];

    if (wpipe_server_send(server, w->id, job, strlen(job)) < 0)
        return; /* a worker that is gone: its DISCONNECTED comes */
    *w = (struct worker){ w->id, job, 0, time(NULL) };
    first++;
    at_work++;
}

/* `was_read`: all that it had sent was. If not it may have begun its job. */
static void on_lost(struct worker *w, int was_read)
{
    if (w->job != NULL && !w->begun && was_read)
        jobs[last++ % JOBS] = w->job;
    else if (w->job != NULL)
        printf("unknown: %s\n", w->job);
    at_work -= w->job != NULL;
    *w = (struct worker){ 0 };
}

/* 0, or -1 when it is nothing that this client may say now. */
static int on_word(wpipe_id from, const char *text)
{
    struct worker *w = find(from);
    char answer[100];
    int status;

    if (strcmp(text, "status") == 0) {
        snprintf(answer, sizeof(answer), "%zu wait, %zu at work, %zu done",
                 last - first, at_work, done);
        return wpipe_server_send(server, from, answer, strlen(answer));
    }
    if (strcmp(text, "ready") == 0 && w == NULL && (w = find(0)) != NULL) {
        w->id = from;
    } else if (w == NULL || w->job == NULL) {
        return -1;
    } else if (strcmp(text, "begun") == 0 && !w->begun) {
        w->begun = 1;
    } else if (sscanf(text, "done %d", &status) == 1 && w->begun) {
        printf("%d: %s\n", status, w->job);
        w->job = NULL;
        at_work--;
        done++;
    } else {
        return -1;
    }
    return 0;
}

static void on_event(const wpipe_event *e)
{
    struct worker *w = find(e->from);
    char text[32] = "";

    if (e->type == WPIPE_EVENT_MESSAGE) {
        if (e->size < sizeof(text))
            memcpy(text, e->data, e->size);
        if (on_word(e->from, text) < 0)
            wpipe_server_kick(server, e->from);
    } else if (e->type == WPIPE_EVENT_FINISHED) {
        wpipe_server_disconnect(server, e->from);
    } else if (e->type == WPIPE_EVENT_DISCONNECTED && w != NULL) {
        on_lost(w, e->reason == WPIPE_REASON_CLOSED ||
                       e->reason == WPIPE_REASON_DIED);
    }
}

/* All that the server has to tell. 0 to go on. */
static int on_server(void)
{
    wpipe_event e;
    int r;

    while ((r = wpipe_server_wait(server, &e, 0)) > 0)
        on_event(&e);
    for (struct worker *w = workers; w < workers + WORKERS; w++)
        if (w->id != 0 && w->job == NULL && first != last && !ends)
            hand_out(w);
    fflush(stdout);
    return r == WPIPE_ETIMEDOUT ? 0 : -1;
}

/* Who takes too long, or was stopped, is thrown out; on_lost is next. */
static void on_time(int limit_s)
{
    for (struct worker *w = workers; w < workers + WORKERS; w++)
        if (w->job != NULL && time(NULL) - w->since > limit_s)
            wpipe_server_kick(server, w->id);
}

static int watch(int epoll, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data = { .fd = fd } };

    return fd < 0 ? -1 : epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Until all is done, or, at the end, what is at work. 0; -1. */
static int serve(const sigset_t *signals, int limit_s)
{
    struct itimerspec second = { { 1, 0 }, { 1, 0 } };
    int fd = (int)wpipe_server_fd(server);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    int signal = signalfd(-1, signals, SFD_CLOEXEC);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event;
    char buf[sizeof(struct signalfd_siginfo)];
    int r = 0;

    if (timerfd_settime(timer, 0, &second, NULL) < 0 || watch(epoll, fd) < 0 ||
        watch(epoll, timer) < 0 || watch(epoll, signal) < 0)
        return -1;
    while (r == 0 && (at_work > 0 || (first != last && !ends))) {
        if (epoll_wait(epoll, &event, 1, -1) <= 0)
            continue;
        if (event.data.fd == fd)
            r = on_server();
        else if (read(event.data.fd, buf, sizeof(buf)) <= 0)
            r = -1;
        else if (event.data.fd == timer)
            on_time(limit_s);
        else
            ends = 1;
    }
    return r;
}

int main(int argc, char **argv)
{
    char text[300] = "";
    wpipe_options options = { .size = sizeof(options),
                              .foreign = WPIPE_FOREIGN_ALSO,
                              .framing = WPIPE_FRAMING_LINES,
                              .error_text = text,
                              .error_text_size = sizeof(text) };
    sigset_t signals;
    size_t count;
    int r;

    if (argc < 2) {
        fprintf(stderr, "usage: dispatcher NAME [SECONDS] <JOBS\n");
        return 2;
    }
    while (last < JOBS && scanf(" %255[^\n]", text) == 1)
        jobs[last++] = strdup(text);
    count = last;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    if (wpipe_server_open(&server, argv[1], &options) < 0) {
        fprintf(stderr, "dispatcher: %s\n", text);
        return 1;
    }
    r = serve(&signals, argc > 2 ? (int)strtol(argv[2], NULL, 10) : 60);
    wpipe_server_shutdown(server, 2000, NULL);
    wpipe_server_close(server);
    printf("%zu of %zu done\n", done, count);
    return r == 0 && done == count ? 0 : 1;
}
