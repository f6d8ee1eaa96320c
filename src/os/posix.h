/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the POSIX and Linux files of src/os share and nobody else may include:
 * how a failed system call becomes one of our codes.
 */
#ifndef WPIPE__OS_POSIX_H
#define WPIPE__OS_POSIX_H

#include <stdint.h>

/*
 * Remember, for this thread, that `what` ("connect") failed with the errno
 * value `number`, and return the code that usually fits it. A caller that
 * knows better returns its own code after calling this. `what` must be a
 * string constant.
 */
int wpipe__os_fail(const char *what, int number);

/* Bytes that a sealed segment of memory holds, and will; UINT64_MAX when it is
 * anything else. Never waits, whatever was passed to us. */
uint64_t wpipe__os_sealed_bytes(int fd);

/* 1 when /proc is there; else remembers that it is not, for error_text. */
int wpipe__os_has_proc(void);

#endif
