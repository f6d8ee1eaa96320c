/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workshop: a directory of ours beside a foreign door, with mode 0700 and
 * for a moment only, where a socket is made before it is published, and where
 * files are taken to be looked at. For door_foreign.c.
 */
#ifndef WPIPE_TRANSPORT_DOOR_FOREIGN_WORKSHOP_H
#define WPIPE_TRANSPORT_DOOR_FOREIGN_WORKSHOP_H

#include "transport/door_foreign.h"

struct wpipe__workshop {
    wpipe__handle directory;
    char name[64];
};

/*
 * Make it; the lock is held. It is named after the lock, so that a successor
 * finds it and clears away what a killed server has left in it. Somebody else
 * may have put something there to be in our way: then it has any other name.
 *
 * Returns 0. Errors: WPIPE_EACCES, WPIPE_ELIMIT, WPIPE_ENOTFOUND (the door's
 * directory has gone), WPIPE_ESYSTEM.
 */
int wpipe__workshop_open(const struct wpipe__foreign_door *d,
                         struct wpipe__workshop *ret);

/* Remove a socket with the door's name that is in it, and itself. */
void wpipe__workshop_close(const struct wpipe__foreign_door *d,
                           struct wpipe__workshop *w);

#endif
