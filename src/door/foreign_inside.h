/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a foreign door, shared by door/foreign.c, which takes a path,
 * and door/foreign_keep.c, which takes it again.
 */
#ifndef WPIPE_DOOR_FOREIGN_INSIDE_H
#define WPIPE_DOOR_FOREIGN_INSIDE_H

#include "door/foreign.h"

/*
 * A dead socket. It is held, because a file system gives the number of a file
 * that is gone to the next one that is made: a new server's may have it.
 */
struct wpipe__foreign_dead {
    wpipe__handle held;
    struct wpipe__file_facts facts;
};

void wpipe__foreign_dead_clear(struct wpipe__foreign_dead *dead);

/* Open the directory that the door stands in. 0 or < 0. */
int wpipe__foreign_open_directory(struct wpipe__foreign_door *d,
                                  struct wpipe__file_facts *ret_facts,
                                  const wpipe_options *options);

/* Look once: 0 nothing is there; 1 a socket of ours that refuses; < 0. Holds
 * what is there. */
int wpipe__foreign_look(const struct wpipe__foreign_door *d,
                        struct wpipe__foreign_dead *ret,
                        const wpipe_options *options);

/* Take the lock of the door in this directory. 0 or < 0. */
int wpipe__foreign_take_lock(struct wpipe__foreign_door *d,
                             const struct wpipe__file_facts *directory,
                             const wpipe_options *options);

/* Only with the lock, and after a look, which found `found` and `dead`: listen
 * and let the door appear. 0 or < 0. */
int wpipe__foreign_publish(struct wpipe__foreign_door *d, int found,
                           struct wpipe__foreign_dead *dead,
                           const wpipe_options *options);

#endif
