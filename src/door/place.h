/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directories that doors stand in: where they are, whether they are
 * safe to use, and what files in them are called. Only door*.c call this;
 * door.h has the search order.
 */
#ifndef WPIPE_DOOR_PLACE_H
#define WPIPE_DOOR_PLACE_H

#include "door/door.h"

/* The directories that a client looks in, in this order. */
struct wpipe__places {
    unsigned count; /* the last one is the shared place */
    char paths[WPIPE__PLACES][WPIPE__WHERE_MAX];
};

/*
 * Tell where pipes are, from the environment and from who owns the runtime
 * directories; nothing is asked of the places themselves. The first one is
 * where servers for our own user alone listen. Returns 0. Errors, with
 * error_text: WPIPE_EACCES (a path is not absolute, or too long).
 */
int wpipe__places_find(struct wpipe__places *ret, const wpipe_options *options);

/* The first of them alone. Errors as places_find, without error_text. */
int wpipe__place_first(char path[WPIPE__WHERE_MAX]);

/* What a directory is to be like. */
enum wpipe__place_kind {
    WPIPE__PLACE_SHARED = 0,  /* root's or ours */
    WPIPE__PLACE_PRIVATE = 1, /* ours alone */
    WPIPE__PLACE_MADE = 2     /* likewise, and made when absent */
};

/* What place `i` is to be like. */
static inline enum wpipe__place_kind wpipe__place_kind(
    const struct wpipe__places *places, unsigned i)
{
    return i + 1 < places->count ? WPIPE__PLACE_PRIVATE : WPIPE__PLACE_SHARED;
}

struct wpipe__place {
    wpipe__handle directory; /* WPIPE__NO_HANDLE unless opened */
    char path[WPIPE__WHERE_MAX];
    struct wpipe__file_facts facts;
    int unsafe;    /* it is there, but must not be used */
    char why[128]; /* why it was not opened: "belongs to user 5" */
};

/*
 * Open a place if it is safe. ret->path, unsafe and why are set whatever the
 * result.
 *
 * Returns 0; close ret->directory. Errors: WPIPE_ENOTFOUND (absent),
 * WPIPE_EACCES (not safe, or not to be made), WPIPE_ELIMIT, WPIPE_ESYSTEM.
 */
int wpipe__place_open(struct wpipe__place *ret, const char *path,
                      enum wpipe__place_kind kind);

/* Why it could not be opened, as a sentence. */
void wpipe__place_explain(const struct wpipe__place *place,
                          const wpipe_options *options);

/*
 * Can nobody but us (and root) put anything into the private place with this
 * path, or in its stead? Then what is found by the path is there by our will.
 * 1; 0: it may be so or not, open tells.
 */
int wpipe__place_ours(const char *path);

/* Note what paths mean now; do they still mean that, and are we the same user?
 * 1 or 0. */
void wpipe__view_take(struct wpipe__view *ret);
int wpipe__view_holds(const struct wpipe__view *view);

/* Between two times of giving files the time of now. */
enum {
    WPIPE__TOUCH_MS = 3600000
};

/*
 * As wpipe__os_lock_take. A lock may be held for a moment by one who prunes,
 * who gives the name back, or who loses a race for it. So unless a living
 * process is bound to `door`, which it does not hear of, a `patient` caller
 * tries again for up to 63 ms before it is WPIPE_EINUSE.
 */
int wpipe__place_lock(struct wpipe__file lock, struct wpipe__file door,
                      int patient, wpipe__handle *ret_lock);

/* "process 5 (cat)"; `pid` is what the kernel says, 0 for a process that has no
 * id here, and < 0 when nobody says. */
void wpipe__holder_text(int64_t pid, char *buf, size_t size);

/* A name, a dot and an ending of up to five letters. */
enum {
    WPIPE__FILE_MAX = WPIPE_NAME_MAX + 8
};

/* Sticky: it says to cleaners of temporary files that a lock is in use. */
enum {
    WPIPE__MODE_LOCK = 01600
};

void wpipe__place_file(char file[WPIPE__FILE_MAX], const char *name,
                       const char *ending);

#endif
