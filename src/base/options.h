/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the options a caller gives to options with nothing left open: every
 * constructor starts with wpipe__options_take. Pure; any thread.
 */
#ifndef WPIPE__OPTIONS_H
#define WPIPE__OPTIONS_H

#include <windpipe/error.h>

#include "base/text.h"

/* Bytes of a buffer of ours that nobody asked for; and the largest one: what a
 * peer may make when nobody asked for less. */
#define WPIPE__BUFFER_DEFAULT ((uint32_t)256 << 10)
#define WPIPE__BUFFER_MAX     ((uint32_t)64 << 20)

/*
 * Check `in` (NULL: all defaults) and copy it with the defaults filled in:
 *
 *     size           sizeof(wpipe_options)
 *     type           stays WPIPE_DEFAULT_TYPE: the object decides
 *     spin_us        0 for WPIPE_SPIN_OFF, else 1 to 10000
 *     max_clients    never 0; max_per_user 0 is no limit of its own
 *     buffer_out     a power of two, 4 KiB to 64 MiB
 *     buffer_in      the same; or 0, not asked for: WPIPE__BUFFER_*
 *     max_message, queue_limit, memory_limit, handshake_ms  never 0
 *     connect_ms     WPIPE_FOREVER or 1 and more
 *     linger_ms      0 for WPIPE_LINGER_OFF, WPIPE_FOREVER or 1 and more
 *     message_ms     WPIPE_FOREVER or 1 and more
 *     group          stays 0 for "our own"
 *     error_text     NULL when there is no room in it
 *
 * A field that lies beyond in->size, even by a part, has its default.
 *
 * Returns 0, and in->error_text is "". Errors: WPIPE_EINVAL, with a sentence
 * that names the field and its value in in->error_text; *ret_options is
 * untouched. When in->size is no size of options at all nothing of `in` can be
 * believed, and there is no sentence either.
 */
int wpipe__options_take(const wpipe_options *in, wpipe_options *ret_options);

/*
 * Put a sentence about a failure into options->error_text, if there is one.
 * Control characters in it are replaced, so names of peers may be printed.
 */
void wpipe__options_explain(const wpipe_options *options, const char *format,
                            ...) WPIPE__PRINTF(2, 3);

#endif
