/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The staging directory: a directory of ours beside a foreign door, with mode
 * 0700 and for a moment only, where a socket is made before it is published,
 * and where files are taken to be looked at. For foreign.c.
 */
#ifndef WPIPE_DOOR_FOREIGN_STAGING_H
#define WPIPE_DOOR_FOREIGN_STAGING_H

#include "door/foreign.h"

struct wpipe__staging {
    wpipe__handle directory;
    char name[64];
};

/*
 * Make it; the lock is held. Its name is random, so that nobody can have put
 * something in its place, and noted in the lock, so that a successor clears
 * away what a killed server has left.
 *
 * Returns 0. Errors: WPIPE_EACCES, WPIPE_ELIMIT, WPIPE_ENOTFOUND (the door's
 * directory has gone), WPIPE_ESYSTEM.
 */
int wpipe__staging_open(const struct wpipe__foreign_door *d,
                        struct wpipe__staging *ret);

/* Remove a socket with the door's name that is in it, and itself. */
void wpipe__staging_close(const struct wpipe__foreign_door *d,
                          struct wpipe__staging *w);

#endif
