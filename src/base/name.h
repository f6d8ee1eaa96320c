/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pipe may be called. Windows allows any character but a backslash and
 * .NET on Unix any but '/' and NUL; what both can spell and a directory can
 * hold is allowed here. Names are case-sensitive, as in .NET on Unix. Pure.
 */
#ifndef WPIPE__NAME_H
#define WPIPE__NAME_H

#include <stdint.h>
#include <windpipe/error.h>

/*
 * Check `name`, which may be NULL, and copy it without the prefix \\.\pipe\,
 * \\?\pipe\ or //./pipe/ ("pipe" in any case).
 *
 * Returns 0. Errors: WPIPE_ENAME, with the rule that was broken as a sentence
 * (a static string) in *ret_why, which may be NULL; `ret_name` is untouched.
 */
int wpipe__name_parse(const char *name, char ret_name[WPIPE_NAME_MAX + 1],
                      const char **ret_why);

/*
 * "wpipe-" and 32 hex digits: a name nobody else has when `random` is what it
 * says. Returns 0.
 */
int wpipe__name_generate(const uint8_t random[16],
                         char ret_name[WPIPE_NAME_MAX + 1]);

#endif
