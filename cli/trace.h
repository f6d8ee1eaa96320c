/* SPDX-License-Identifier: Apache-2.0 */
/* The traffic of `relay --hex`, for people to read, and of `relay --json`. */
#ifndef WINDPIPE_CLI_TRACE_H
#define WINDPIPE_CLI_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"

/* One message or chunk on its way. */
struct trace {
    const char *from, *to;
    uint64_t visit; /* relay's number of the pair */
    int kind;       /* WPIPE_CALL_* */
    const void *data;
    size_t size;
};

/* On stderr, in one piece. */
void trace_hex(const struct options *options, const struct trace *t);

/* A line on stdout. Returns STATUS_DONE, or STATUS_FAILED after saying that
 * stdout broke. */
int trace_json(const struct options *options, const struct trace *t);

#endif
