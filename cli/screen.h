/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of `windpipe top` on a terminal, by ncurses. Without it at build
 * time screen_open says so.
 */
#ifndef WINDPIPE_CLI_SCREEN_H
#define WINDPIPE_CLI_SCREEN_H

#include "options.h"
#include "traffic.h"

/* Take over the terminal. Returns an exit code; what failed was said. */
int screen_open(const struct options *options);

/* Show these rows. */
void screen_show(const struct traffic *rows, size_t count);

/* Handle the keys that were pressed. Returns false after q; *ret_resized is
 * whether the rows are to be shown again. */
bool screen_keys(bool *ret_resized);

/* Give the terminal back. */
void screen_close(void);

#endif
