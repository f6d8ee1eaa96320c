/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a random program: a driver thread plays the peers of the object
 * under test, which writes down what it is told, connection by connection. For
 * test_wait_or_poll.c.
 */
#ifndef WINDPIPE_TESTS_WAIT_OR_POLL_H
#define WINDPIPE_TESTS_WAIT_OR_POLL_H

#include "poll.h"
#include "service.h"

enum {
    CONNECTIONS_MAX = 64,
    TRACE_SIZE = 1024,
    STEPS = 24,
    PATIENCE_MS = 3000 * SUPPORT_LIMIT_FACTOR,
    SILENT_MS = 60 /* handshake_ms */
};

struct run {
    uint64_t random; /* of the driver; its seed to begin with */
    struct waiter waiter;
    struct service_thread driver;
    char name[64];
    int signal;   /* eventfd(2): the object tells its driver */
    int finished; /* the driver has ended; atomic */
    int opened;   /* connections that the driver has made; atomic */
    int refused;  /* guests that said nothing, of the driver; atomic */
    int was_refused;
    int connected;
    int disconnected;
    wpipe_id ids[CONNECTIONS_MAX];
    wpipe_client *dead_clients[CONNECTIONS_MAX];
    wpipe_stream *dead_streams[CONNECTIONS_MAX];
    int dead;
    char traces[CONNECTIONS_MAX][TRACE_SIZE];
};

uint64_t run_random(struct run *run, uint64_t below);
/* One more word in the trace of a connection. */
void run_note(struct run *run, int connection, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What is next; fails the case when nothing comes. */
int64_t run_next(struct run *run);
/* The number of the connection in the event. */
int run_connection(struct run *run, wpipe_id id);

/* The object tells, the driver hears. */
void run_signal(struct run *run);
void run_await(struct run *run);

/* The runs, made by test_wait_or_poll.c. */
void run_server(struct run *run);
void run_client(struct run *run);
void run_stream(struct run *run);

/* A death: the socket is gone without a word. The rest of the object stays
 * until the run is over: its close would be such a word. */
void run_kill_client(struct run *run, wpipe_client *client);
void run_kill_stream(struct run *run, wpipe_stream *stream);

#endif
