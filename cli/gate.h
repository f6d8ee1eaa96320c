/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the text of an endpoint to the endpoint. What listens (listen:,
 * foreign-listen:, unix-listen:, tcp-listen:) is a gate that lets one peer in
 * after another; everything else is opened in one go.
 */
#ifndef WINDPIPE_CLI_GATE_H
#define WINDPIPE_CLI_GATE_H

#include "endpoint.h"

struct gate {
    const struct options *options;
    const char *text;         /* as given */
    wpipe_listener *listener; /* listen:, foreign-listen: */
    int socket;               /* unix-listen:, tcp-listen:; else -1 */
    const char *path;         /* of unix-listen:, to be removed; else NULL */
    int bell;                 /* an eventfd: gate_wake */
};

/* Does this endpoint listen? */
bool gate_is(const char *text);

/*
 * The options of one end: those of the command line, and the socket and the
 * framing that its text has (foreign+lines:NAME). Returns an exit code; what
 * is wrong was said.
 */
int gate_options(struct options *ret, const struct options *options,
                 const char *text);

/* Take the name, path or port. Returns an exit code; it was said. */
int gate_open(struct gate *g, const struct options *options, const char *text);

/*
 * Let the next peer in. Returns an exit code; STATUS_TIMED_OUT after -w;
 * *ret_woken after gate_wake.
 */
int gate_accept(struct gate *g, struct endpoint *ret, bool *ret_woken);

void gate_wake(struct gate *g);
void gate_close(struct gate *g);

/* Open what does not listen. Returns an exit code; what failed was said. */
int gate_dial(struct endpoint *ret, const struct options *options,
              const char *text);

/* Only "NAME", taken as a pipe's name whatever it looks like. */
int gate_connect(wpipe_stream **ret, const struct options *options,
                 const char *name);

/*
 * Say `error` of a call that takes no options and so has no sentence about it:
 * when nobody has `name`, or its door or directory is denied to us, a connect
 * tells where it looked and why. Returns the exit status.
 */
int gate_say_error(const struct options *options, const char *what,
                   const char *name, int error);

/* The same for those who want a client; the library's error is returned. */
int gate_client(wpipe_client **ret, const struct options *options,
                const char *name);

#endif
