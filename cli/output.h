/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages on stdout, for people, for files, or as JSON. What peers send is
 * never trusted: on a terminal its control bytes are escaped (text.h).
 */
#ifndef WINDPIPE_CLI_OUTPUT_H
#define WINDPIPE_CLI_OUTPUT_H

#include <stdbool.h>
#include <windpipe.h>

#include "options.h"

/* As it is, or escaped (but for new lines) when stdout is a terminal. */
void output_data(const void *data, size_t size);

/* One message, as --json, --topic, --raw and the mode say. `from` is 0 where
 * there is only one peer and serve's number of the client elsewhere. */
struct output_message {
    const char *event; /* "message", "reply", "call" */
    wpipe_id from;
    const void *data;
    size_t size;
    bool label; /* put "FROM: " before it, and keep it on one line */
};

/* Begin a JSON object about an event; with --timestamps it has the time. */
void output_event(const struct options *options, const char *event);

/* Returns STATUS_DONE, or STATUS_FAILED after saying that stdout broke. */
int output_message(const struct options *options,
                   const struct output_message *message);

/* Hand stdout on. Returns as output_message. */
int output_flush(const struct options *options);

#endif
