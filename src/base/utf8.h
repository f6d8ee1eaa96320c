/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this UTF-8? By RFC 3629: shortest forms only, no surrogates, nothing
 * over U+10FFFF. Pure; any thread.
 */
#ifndef WPIPE__UTF8_H
#define WPIPE__UTF8_H

#include <stddef.h>

/* 1 when the `size` bytes are whole UTF-8 characters (NUL included), else 0. */
int wpipe__utf8_valid(const void *data, size_t size);

/*
 * The bytes (1 to 4) of the character at `data`, of which `size` bytes are
 * there; 0 when it is not UTF-8, is cut off or size is 0.
 */
size_t wpipe__utf8_length(const void *data, size_t size);

#endif
