/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker of dispatcher.c: two threads on one stream. One reads jobs, the
 * main one does them, a command of the shell each, and writes what came of
 * them. On SIGTERM it ends the job that it is at, and begins none.
 *
 *     worker NAME
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <windpipe.h>

enum {
    PLACES = 2,
    JOB_SIZE = 257,
    PATIENCE_MS = 5000
};

static wpipe_stream *stream;
static char jobs[PLACES][JOB_SIZE];
static sem_t filled; /* jobs that were read; and one for each end */
static sem_t empty;
static atomic_int ends;
static atomic_int read_result; /* how the reader ended; 0 while it reads */

/* No wake: the reader goes on until the dispatcher has answered to finish. */
static void on_signal(int number)
{
    (void)number;
    ends = 1;
    sem_post(&filled);
}

static void take(sem_t *sem)
{
    while (sem_wait(sem) < 0 && errno == EINTR)
        ;
}

static void *read_jobs(void *unused)
{
    int64_t n;

    for (unsigned i = 0;; i = (i + 1) % PLACES) {
        take(&empty);
        n = wpipe_read(stream, jobs[i], JOB_SIZE - 1, WPIPE_FOREVER);
        if (n < 0)
            break;
        jobs[i][n] = '\0';
        sem_post(&filled);
    }
    read_result = (int)n;
    ends = 1;
    sem_post(&filled);
    return unused;
}

static int say(const char *text)
{
    return (int)wpipe_write(stream, text, strlen(text), PATIENCE_MS);
}

static int work(const char *command)
{
    int r = say("begun");
    char text[32];
    int status;

    if (r < 0)
        return r;
    status = system(command);
    snprintf(text, sizeof(text), "done %d",
             WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return say(text);
}

/* Until the end is asked for, or the dispatcher is gone: 0 or an error. */
static int loop(void)
{
    int r = say("ready");

    for (unsigned i = 0; r >= 0; i = (i + 1) % PLACES) {
        take(&filled);
        if (ends)
            break;
        r = work(jobs[i]);
        sem_post(&empty);
    }
    if (read_result != 0)
        return read_result == WPIPE_EOF ? 0 : read_result;
    if (r >= 0)
        r = wpipe_finish(stream);
    return r < 0 ? r : wpipe_drain(stream, PATIENCE_MS);
}

static int run(void)
{
    pthread_t reader;
    int r;

    sem_init(&filled, 0, 0);
    sem_init(&empty, 0, PLACES);
    if (pthread_create(&reader, NULL, read_jobs, NULL) != 0)
        return WPIPE_ENOMEM;
    signal(SIGTERM, on_signal);
    r = loop();
    wpipe_stream_wake(stream); /* if nobody ends it at the other end */
    sem_post(&empty);
    pthread_join(reader, NULL);
    return r;
}

int main(int argc, char **argv)
{
    char text[300] = "";
    wpipe_options options = { .size = sizeof(options),
                              .type = WPIPE_MESSAGE,
                              .error_text = text,
                              .error_text_size = sizeof(text) };
    int r;

    if (argc != 2) {
        fprintf(stderr, "usage: worker NAME\n");
        return 2;
    }
    if (wpipe_connect(&stream, argv[1], &options, PATIENCE_MS) < 0) {
        fprintf(stderr, "worker: %s\n", text);
        return 1;
    }
    r = run();
    if (r < 0)
        fprintf(stderr, "worker: %s\n", wpipe_strerror(r));
    wpipe_stream_close(stream);
    return r < 0;
}
