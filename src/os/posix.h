/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the POSIX and Linux files of src/os share and nobody else may include:
 * how a failed system call becomes one of our codes.
 */
#ifndef WPIPE__OS_POSIX_H
#define WPIPE__OS_POSIX_H

/*
 * Remember, for this thread, that `what` ("connect") failed with the errno
 * value `number`, and return the code that usually fits it. A caller that
 * knows better returns its own code after calling this. `what` must be a
 * string constant.
 */
int wpipe__os_fail(const char *what, int number);

/* 1 when /proc is there; else remembers that it is not, for error_text. */
int wpipe__os_has_proc(void);

#endif
