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

/* poll; and by its other name where a filter of system calls refuses one of the
 * two. */
struct pollfd;
int wpipe__os_poll(struct pollfd *fds, unsigned count, int ms);

/* Bytes that a sealed segment of memory holds, and will; UINT64_MAX when it is
 * anything else. Never waits, whatever was passed to us. */
uint64_t wpipe__os_sealed_bytes(int fd);

/*
 * Around each call that makes a descriptor (posix_above.c): none of ours is 0,
 * 1 or 2. They take what the call returned, and return what takes its place: -1
 * and errno when no number above 2 is left.
 */
int wpipe__os_above(int fd);
/* Of a call that has put two into `fds`. */
int wpipe__os_both_above(int result, int fds[2]);
/* Of one that a peer has passed, which may be anything: never waits. */
int wpipe__os_passed_above(int fd);

/* 1 when /proc is there; else remembers that it is not, for error_text. */
int wpipe__os_has_proc(void);

#endif
