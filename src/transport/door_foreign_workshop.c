/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and removing the directory of our own beside a foreign door, where
 * others may have put something in its place.
 */
#include "transport/door_foreign_workshop.h"

#include <stdio.h>
#include <string.h>

enum {
    MODE_ALL = 0777,
    MODE_PRIVATE = 0700
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

static int find_file(const char *name, void *user)
{
    (void)name;
    (void)user;
    return 1;
}

/*
 * One that was there already: take away what a killed server has left. If it
 * has anything else in it, it is no workshop, but some directory of ours that
 * was moved there.
 */
static int workshop_sweep(const struct wpipe__foreign_door *d,
                          const struct wpipe__workshop *w)
{
    struct wpipe__file own = { w->directory, wpipe__foreign_file(d->path) };
    int r = wpipe__os_directory_each(w->directory, sweep_file, &own);

    if (r == 0)
        r = wpipe__os_directory_each(w->directory, find_file, NULL);
    return r > 0 ? WPIPE_EACCES : r;
}

static int workshop_try(const struct wpipe__foreign_door *d,
                        struct wpipe__workshop *ret)
{
    struct wpipe__file_facts facts;
    int r = wpipe__os_directory_make(d->directory, ret->name, &ret->directory,
                                     &facts);

    if (r < 0)
        return r;
    if (!is_ours(&facts))
        r = WPIPE_EACCES;
    else if (r == 0)
        r = workshop_sweep(d, ret);
    if (r < 0) {
        wpipe__os_close(ret->directory);
        ret->directory = WPIPE__NO_HANDLE;
        return r;
    }
    return 0;
}

int wpipe__workshop_open(const struct wpipe__foreign_door *d,
                         struct wpipe__workshop *ret)
{
    struct wpipe__file_facts lock;
    uint64_t random = 0;
    int r = wpipe__os_file_facts(d->home, d->lock_file, &lock);

    ret->directory = WPIPE__NO_HANDLE;
    if (r == 0) {
        (void)snprintf(ret->name, sizeof(ret->name), ".windpipe-%llx-%llx",
                       (unsigned long long)lock.device,
                       (unsigned long long)lock.inode);
        r = workshop_try(d, ret);
    }
    if (r == 0 || (r != WPIPE_EACCES && r != WPIPE_ENOTFOUND))
        return r;
    r = wpipe__os_random(&random, sizeof(random));
    if (r < 0)
        return r;
    (void)snprintf(ret->name, sizeof(ret->name), ".windpipe-%016llx",
                   (unsigned long long)random);
    return workshop_try(d, ret);
}

/* Without listing it, which takes a descriptor that we may not get. */
void wpipe__workshop_close(const struct wpipe__foreign_door *d,
                           struct wpipe__workshop *w)
{
    struct wpipe__file own = { w->directory, wpipe__foreign_file(d->path) };

    (void)sweep_file(own.name, &own);
    wpipe__os_close(w->directory);
    (void)wpipe__os_directory_remove(d->directory, w->name);
}
