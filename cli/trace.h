/* SPDX-License-Identifier: Apache-2.0 */
/* The traffic of `relay --hex`, for people to read. */
#ifndef WINDPIPE_CLI_TRACE_H
#define WINDPIPE_CLI_TRACE_H

#include <stddef.h>

/* One message or chunk, on stderr, in one piece. */
void trace_hex(const char *from, const char *to, const void *data, size_t size);

#endif
