/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and removing the directory of our own beside a foreign door, where
 * others may have put something in its place.
 */
#include "door/foreign_staging.h"

#include <stdio.h>
#include <string.h>

enum {
    MODE_ALL = 0777,
    MODE_PRIVATE = 0700,
    DRAWS = 4 /* of names; they are as good as never taken */
};

/* Is this the directory that we made, or made once? */
static int is_ours(const struct wpipe__file_facts *facts)
{
    return facts->uid == wpipe__os_uid() &&
           (facts->mode & MODE_ALL) == MODE_PRIVATE;
}

/* A socket that we left: under the door's name, or bound with a short one.
 * Whatever else is in there is not ours to remove. */
static int sweep_file(const char *name, void *user)
{
    static const char ending[] = ".bind";
    const struct wpipe__file *own = user;
    struct wpipe__file_facts facts;
    size_t length = strlen(name);

    if (strcmp(name, own->name) != 0 &&
        (length < sizeof(ending) ||
         strcmp(name + length - (sizeof(ending) - 1), ending) != 0))
        return 0;
    if (wpipe__os_file_facts(own->directory, name, &facts) == 0 &&
        facts.kind == WPIPE__FILE_SOCKET)
        (void)wpipe__os_file_unlink(own->directory, name);
    return 0;
}

/* Others may write in the directory, so it is a name that nobody can guess. */
static void set_name(struct wpipe__staging *w, uint64_t number)
{
    (void)snprintf(w->name, sizeof(w->name), ".windpipe-%016llx",
                   (unsigned long long)number);
}

/*
 * Take away what a killed server has left: its lock tells the name. If anything
 * else is in it, it is no staging directory, but some directory of ours that
 * was moved there.
 */
static void sweep_left(const struct wpipe__foreign_door *d)
{
    struct wpipe__staging left = { .directory = WPIPE__NO_HANDLE };
    struct wpipe__file own = { .name = wpipe__foreign_file(d->path) };
    struct wpipe__file_facts facts;
    uint64_t number = wpipe__os_lock_noted(d->lock);

    if (number == 0)
        return;
    set_name(&left, number);
    if (wpipe__os_file_facts(d->directory, left.name, &facts) < 0 ||
        facts.kind != WPIPE__FILE_DIRECTORY || !is_ours(&facts))
        return;
    if (wpipe__os_directory_make(d->directory, left.name, &left.directory,
                                 &facts) < 0)
        return;
    own.directory = left.directory;
    if (is_ours(&facts))
        (void)wpipe__os_directory_each(left.directory, sweep_file, &own);
    wpipe__os_close(left.directory);
    (void)wpipe__os_directory_remove(d->directory, left.name);
}

/* 0; WPIPE_EINUSE: somebody has that name. */
static int make(const struct wpipe__foreign_door *d, struct wpipe__staging *ret)
{
    struct wpipe__file_facts facts;
    int r = wpipe__os_directory_make(d->directory, ret->name, &ret->directory,
                                     &facts);

    if (r < 0)
        return r == WPIPE_EACCES ? WPIPE_EINUSE : r;
    if (r == 1 && is_ours(&facts))
        return 0;
    wpipe__os_close(ret->directory);
    ret->directory = WPIPE__NO_HANDLE;
    return WPIPE_EINUSE;
}

int wpipe__staging_open(const struct wpipe__foreign_door *d,
                        struct wpipe__staging *ret)
{
    uint64_t number = 0;
    int r = WPIPE_EINUSE;
    int i;

    ret->directory = WPIPE__NO_HANDLE;
    sweep_left(d);
    for (i = 0; i < DRAWS && r == WPIPE_EINUSE; i++) {
        r = wpipe__os_random(&number, sizeof(number));
        if (r < 0)
            return r;
        set_name(ret, number);
        wpipe__os_lock_note(d->lock, number);
        r = make(d, ret);
    }
    return r == WPIPE_EINUSE ? WPIPE_EACCES : r;
}

/* Without listing it, which takes a descriptor that we may not get. */
void wpipe__staging_close(const struct wpipe__foreign_door *d,
                          struct wpipe__staging *w)
{
    struct wpipe__file own = { w->directory, wpipe__foreign_file(d->path) };

    (void)sweep_file(own.name, &own);
    wpipe__os_close(w->directory);
    (void)wpipe__os_directory_remove(d->directory, w->name);
}
