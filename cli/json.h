/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON on a stream, one object a line: begin, members, end. Bytes from peers
 * are text when they are UTF-8, and base64 when they are not.
 */
#ifndef WINDPIPE_CLI_JSON_H
#define WINDPIPE_CLI_JSON_H

#include <stdint.h>
#include <stdio.h>
#include <windpipe.h>

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

#endif
