/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How things look on stdout: messages for people or for files, and JSON. What
 * peers send is never trusted: on a terminal its control bytes are escaped,
 * in JSON it is text when it is UTF-8 and base64 when it is not.
 */
#ifndef WINDPIPE_CLI_OUTPUT_H
#define WINDPIPE_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>
#include <windpipe.h>

#include "options.h"

/*
 * Print with control bytes, bytes that are not UTF-8 and marks that change
 * the direction of text as \xNN or \u{N}; new lines and tabs too unless
 * `lines`.
 */
void output_escaped(FILE *out, const void *data, size_t size, bool lines);

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

/* Returns STATUS_DONE, or STATUS_FAILED after saying that stdout broke. */
int output_message(const struct options *options,
                   const struct output_message *message);

/* Hand stdout on. Returns as output_message. */
int output_flush(const struct options *options);

/* A JSON object on a line of its own: begin, members, end. */
void json_begin(FILE *out);
void json_end(FILE *out);
void json_text(FILE *out, const char *key, const char *value);
void json_number(FILE *out, const char *key, uint64_t value);
void json_real(FILE *out, const char *key, double value);
/* "KEY": text, or "KEY_base64": when it is not UTF-8. */
void json_data(FILE *out, const char *key, const void *data, size_t size);
/* "pid", "uid", "gid", "program", "user". */
void json_peer(FILE *out, const wpipe_peer *peer);
/* Only the string, with quotes; for those who build arrays. */
void json_string(FILE *out, const void *data, size_t size);

/* "12.3 MB" and the like, into `buf` (24 bytes do). Returns buf. */
const char *output_size(char *buf, size_t room, double bytes);

/* "python3, process 123, user root", into `buf`. Returns buf. */
const char *output_peer(char *buf, size_t room, const wpipe_peer *peer);

/* The word for a WPIPE_REASON_*, as JSON has it: "closed", "died", ... */
const char *output_reason(int reason);

/* "byte" or "message"; "user", "group" or "anyone". */
const char *output_type(int type);
const char *output_access(int access);

/* A user's name or number, into `buf`. Returns buf. */
const char *output_user(char *buf, size_t room, const wpipe_peer *peer);

#endif
