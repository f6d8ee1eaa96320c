/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Just enough of UTF-8 to tell text from other bytes. The library has its own;
 * the tool uses the public interface only, and this is not in it.
 */
#ifndef WINDPIPE_CLI_UNICODE_H
#define WINDPIPE_CLI_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The length of the character at `p` and its number in *ret_point; 0 when it
 * is not UTF-8 (shortest form, no surrogates, at most 10ffff). size > 0.
 */
size_t unicode_next(const unsigned char *p, size_t size, uint32_t *ret_point);

/* Is it UTF-8 all through? */
bool unicode_is_text(const void *data, size_t size);

#endif
