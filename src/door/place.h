/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two directories that doors stand in: where they are, whether they are
 * safe to use, and what files in them are called. Only door*.c call this;
 * door.h has the search order.
 */
#ifndef WPIPE_DOOR_PLACE_H
#define WPIPE_DOOR_PLACE_H

#include "door/door.h"

enum wpipe__place_kind {
    WPIPE__PLACE_PRIVATE = 0,
    WPIPE__PLACE_SHARED = 1,
    WPIPE__PLACES = 2
};

struct wpipe__place {
    wpipe__handle directory; /* WPIPE__NO_HANDLE unless opened */
    char path[WPIPE__WHERE_MAX];
    struct wpipe__file_facts facts;
    int unsafe; /* it is there, but must not be used */
};

/*
 * Find the path of a place and open it if it is safe; with `create` a private
 * one is made when absent. ret->path and ret->unsafe are set whatever the
 * result; the path is "" when it could not be told.
 *
 * Returns 0; close ret->directory. Errors: WPIPE_ENOTFOUND (absent; no
 * error_text), WPIPE_EACCES (not safe, or not to be made), WPIPE_ELIMIT,
 * WPIPE_ESYSTEM.
 */
int wpipe__place_open(struct wpipe__place *ret, enum wpipe__place_kind kind,
                      int create, const wpipe_options *options);

/* The path of the private place, as open finds it; nothing is asked of the
 * place itself. 0; < 0 as open, without error_text. */
int wpipe__place_path(char path[WPIPE__WHERE_MAX]);

/*
 * Can nobody but us (and root) put anything into the private place with this
 * path, or in its stead? Then what is found by the path is there by our will.
 * 1; 0: it may be so or not, open tells.
 */
int wpipe__place_ours(const char *path);

/* A name, a dot and an ending of up to five letters. */
enum {
    WPIPE__FILE_MAX = WPIPE_NAME_MAX + 8
};

void wpipe__place_file(char file[WPIPE__FILE_MAX], const char *name,
                       const char *ending);

#endif
