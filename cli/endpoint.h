/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of what `connect`, `relay` and `serve --exec` join: a pipe, or a
 * pair of descriptors (terminal, socket, command). Both are read and written
 * in the same units: messages - which are lines on a descriptor - or bytes.
 *
 * Two threads may use one endpoint, one reading and one writing; endpoint_wake
 * comes from any.
 */
#ifndef WINDPIPE_CLI_ENDPOINT_H
#define WINDPIPE_CLI_ENDPOINT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lines.h"
#include "options.h"

struct endpoint {
    const struct options *options;
    char label[300];      /* what it is, for messages and the traffic */
    wpipe_stream *stream; /* a pipe, or else: */
    int in;               /* may be the same socket; -1 when closed */
    atomic_int out;
    int bell;           /* an eventfd: endpoint_wake */
    pid_t child;        /* of exec:, 0 when there is none */
    bool group;         /* and it leads a process group */
    bool borrowed;      /* in and out are not ours to close */
    bool shows;         /* print messages as options say */
    bool complained;    /* the last error was said already */
    int os_error;       /* errno behind WPIPE_ESYSTEM, or 0 */
    struct lines lines; /* read from `in` */
    wpipe_call call;    /* the mark of what was read last from `stream` */
    char *message;      /* read from `stream` */
    size_t used, room;
    atomic_bool *stop; /* of the pump: waits end with WPIPE_EWOKEN */
};

/* Neither pipe nor descriptors yet. Returns 0 or WPIPE_ELIMIT. */
int endpoint_init(struct endpoint *e, const struct options *options);

/*
 * The next message, line or bytes, valid until the next read.
 * Returns 1; 0 at the end. Errors: WPIPE_ETIMEDOUT, WPIPE_EWOKEN (look again),
 * the stream's, WPIPE_EPIPE and WPIPE_ESYSTEM of descriptors.
 */
int endpoint_read(struct endpoint *e, char **ret_data, size_t *ret_size,
                  int timeout_ms);

/* As endpoint_read, but only what was read of a descriptor before. Returns 1
 * or 0. Does not wait. */
int endpoint_read_rest(struct endpoint *e, char **ret_data, size_t *ret_size);

/* Write all of it. Returns 0. Errors: as endpoint_read. */
int endpoint_write(struct endpoint *e, const char *data, size_t size,
                   int timeout_ms);

/*
 * The same for what was read last from `from`: a call, or the reply to one,
 * stays that. Where there are no calls it becomes a plain message, and that is
 * said once.
 */
int endpoint_pass(struct endpoint *e, const struct endpoint *from,
                  const char *data, size_t size, int timeout_ms);

/* Nothing more will be written: pass the end on. */
void endpoint_finish(struct endpoint *e);

/* The thread that writes asks, when reading has ended: can nobody read there
 * any more? */
bool endpoint_gone(struct endpoint *e);

/* Wait until it is gone or endpoint_wake; only of use on descriptors. */
void endpoint_linger(struct endpoint *e);

/* End a running read with WPIPE_EWOKEN, or else the next one. */
void endpoint_wake(struct endpoint *e);

/*
 * Close everything and wait for the command, if it is one, for as long as -q
 * says, or else --linger; half a second when a signal came, e->stop is set or
 * `hurry`. Then it gets SIGHUP and SIGTERM, and SIGKILL at last.
 */
void endpoint_close(struct endpoint *e, bool hurry);

/* Start `command` by sh with its stdin and stdout as this endpoint; `peer`
 * may be NULL. Returns 0 or -errno. */
int endpoint_exec(struct endpoint *e, const char *command,
                  const wpipe_peer *peer);

/* With -v: who is at the other end of the pipe. */
void endpoint_say_peer(const struct endpoint *e);

/* Say what failed. Returns the exit code. */
int endpoint_say(const struct endpoint *e, int error);

#endif
