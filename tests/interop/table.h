/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the .NET checklist, against a real .NET process: what the parts
 * of the program (table*.c) share. A row is begun, sees things one after the
 * other, and ends with what it should have seen:
 *
 *     row_begin("41", "absent, 60 ms", DOTNET_CLIENT);
 *     saw("%s", tell("connect a 60"));
 *     row_end("Timeout");
 */
#ifndef WINDPIPE_TESTS_TABLE_H
#define WINDPIPE_TESTS_TABLE_H

#include <stdint.h>

#include <windpipe.h>

#include "agent.h"

/* Which end .NET is; the other one is ours. */
enum side {
    DOTNET_SERVER,
    DOTNET_CLIENT
};

enum {
    WAIT_MS = 10000
};

extern struct agent dotnet;

/* It is Mono, whose pipes are those of an early .NET Core: no first instance,
 * waits that nothing ends, reads of no bytes that block, paths that end one
 * byte earlier. */
extern int is_mono;

/* Tell the .NET process. */
#define tell(...) agent_tell(&dotnet, __VA_ARGS__)

void row_begin(const char *number, const char *what, enum side side);
void saw(const char *format, ...) __attribute__((format(printf, 1, 2)));
void row_end(const char *expected);

/* The pipe name of this row. */
const char *row_name(void);

/* Where its door is; good until the next call. */
const char *path_of(const char *name);

/* "ok" for what is not negative, or the code: "EOF". */
const char *word(int64_t r);

/* ---- our end ------------------------------------------------------------- */

/* A listener with only the foreign door, raw; ends the program on failure. */
wpipe_listener *listen_here(const char *name, int direction, int max);

/* What wpipe_connect says; the stream in *ret, or NULL. */
int connect_here(wpipe_stream **ret, const char *name, int direction);

/* Two ends of a connection between the processes; .NET's is object "a", and
 * its server, or ours, goes with it. */
struct pair {
    wpipe_listener *listener;
    wpipe_stream *stream;
};

/* `ours` and the direction word of .NET's end, such as "InOut". */
void pair_open(struct pair *pair, enum side side, int ours, const char *theirs);
void pair_close(struct pair *pair);

/* Byte number `at` of what is sent: the same as in Agent.cs. */
uint8_t pattern(int64_t at);

/* Write `size` such bytes, `part` at a time: "ok" or a code. */
const char *write_pattern(wpipe_stream *stream, int64_t size, int64_t part);

/* Read up to `size` of them, `part` at a time, or until the end: "N same",
 * "N different" or a code; good until the next call. */
const char *read_pattern(wpipe_stream *stream, int64_t size, int64_t part);

/* One read: "N:text", or a code; good until the next call. */
const char *read_text(wpipe_stream *stream, size_t size);

/* ---- the parts ----------------------------------------------------------- */

void table_connect(void);
void table_state(void);
void table_bytes(void);
void table_users(char *const *agent_arguments);

#endif
