/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ending in good order. Ctrl-C on a server should tell its clients that it
 * closed, not that it died, so the first SIGINT, SIGTERM or SIGHUP only wakes
 * what the command waits for; the command returns, main raises the signal
 * again and the shell sees what it expects. A second signal, or a command that
 * does not return in time (--linger and some seconds), ends the process at once
 * and says so.
 */
#ifndef WINDPIPE_CLI_ENDING_H
#define WINDPIPE_CLI_ENDING_H

#include <signal.h>
#include <stdbool.h>

#include "options.h"

/* Call once, before any other thread; the options live as long as the process.
 * Returns 0 or -1. */
int ending_start(const struct options *options);

/*
 * From now on a signal calls wake(object) on another thread. One at a time;
 * NULL ends it, and then no call to the last one is running any more. While
 * nothing is watched a signal ends the process at once.
 */
void ending_watch(void (*wake)(void *object), void *object);

/* The signal that came, or 0. */
int ending_signal(void);

/* End the process by the signal that came, if one came. */
void ending_raise(void);

/* The signals that were blocked before ending_start: for children. */
const sigset_t *ending_original_mask(void);

#endif
