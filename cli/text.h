/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that is safe to show - what peers send is never trusted - and words for
 * sizes, users and reasons. Used by everything that prints.
 */
#ifndef WINDPIPE_CLI_TEXT_H
#define WINDPIPE_CLI_TEXT_H

#include <stdbool.h>
#include <stdio.h>
#include <windpipe.h>

/*
 * Print with control bytes, bytes that are not UTF-8 and marks that change
 * the direction of text as \xNN or \u{N}; new lines and tabs too unless
 * `lines`.
 */
void text_escaped(FILE *out, const void *data, size_t size, bool lines);

/* The time now, as "2026-12-01T06:04:29.123456Z", into `buf`
 * (TEXT_TIME_ROOM bytes). Returns buf. */
enum {
    TEXT_TIME_ROOM = 40
};
const char *text_time(char *buf);

/* "12.3 MB" and the like, into `buf` (24 bytes do). Returns buf. */
const char *text_size(char *buf, size_t room, double bytes);

/* "python3, process 123, user root", into `buf`. Returns buf. */
const char *text_peer(char *buf, size_t room, const wpipe_peer *peer);

/* The word for a WPIPE_REASON_*, as JSON has it: "closed", "died", ... */
const char *text_reason(int reason);

/* "byte" or "message"; "user", "group" or "anyone". */
const char *text_type(int type);
const char *text_access(int access);

/* A user's name or number, into `buf`. Returns buf. */
const char *text_user(char *buf, size_t room, const wpipe_peer *peer);

#endif
