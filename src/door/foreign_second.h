/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second doors: a socket beside a foreign door, named after it and a random
 * number, for the one client that is told so (options.second_pipe). Nobody
 * else can have its name, so it takes no lock and is bound where it stays.
 * Called by connect/acceptor_second.c; the first door is open all the while.
 */
#ifndef WPIPE_DOOR_FOREIGN_SECOND_H
#define WPIPE_DOOR_FOREIGN_SECOND_H

#include "door/foreign.h"

enum {
    WPIPE__SECOND_SUFFIX = 17 /* '_' and 16 hex digits */
};

struct wpipe__second_door {
    wpipe__handle listener; /* listening; the owner may poll and accept */
    uint64_t number;        /* random: its name */
    uint64_t device;        /* of its file */
    uint64_t inode;
};

#define WPIPE__SECOND_DOOR_NULL       \
    {                                 \
        .listener = WPIPE__NO_HANDLE, \
    }

/*
 * Open one beside `first`, whose access and group `options` tell. On failure
 * *s is null and nothing is left.
 *
 * Returns 0. Errors: WPIPE_ELIMIT, WPIPE_ENAME (its path is too long),
 * WPIPE_EACCES, WPIPE_ESYSTEM.
 */
int wpipe__second_door_open(struct wpipe__second_door *s,
                            const struct wpipe__foreign_door *first,
                            const wpipe_options *options);

/* Unlink it, if it is still ours, and close it; in a forked child it only
 * closes. Takes null ones. */
void wpipe__second_door_close(struct wpipe__second_door *s,
                              const struct wpipe__foreign_door *first);

/* What a client is to call it: `name`, which is that of the first door, and
 * the number. */
void wpipe__second_door_name(const struct wpipe__second_door *s,
                             const char *name,
                             char ret_name[WPIPE_NAME_MAX + 1]);

/* Is there room for the number in the path? 0, or WPIPE_ENAME with
 * error_text. */
int wpipe__second_door_check(const struct wpipe__foreign_door *first,
                             const wpipe_options *options);

/* Remove what a killed server of ours has left beside `first`. */
void wpipe__second_door_sweep(const struct wpipe__foreign_door *first);

#endif
