/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing what killed servers left, as the next server of the name would.
 * The lock tells: it can be taken when its server is dead. What is not ours,
 * and what somebody is bound to though no lock says so, is left alone.
 */
#include "door/door.h"

#include <string.h>

#include "base/name.h"
#include "door/foreign.h"
#include "door/place.h"

struct pruning {
    int (*each)(const char *name, const char *where, void *user);
    void *user;
    const struct wpipe__place *place;
    int count;
    int ended;
};

/* Is it a file of this kind, and ours? */
static int is_ours(const struct pruning *p, const char *file, int kind)
{
    struct wpipe__file_facts facts;

    return wpipe__os_file_facts(p->place->directory, file, &facts) == 0 &&
           facts.kind == kind && facts.uid == wpipe__os_uid();
}

static int exists(const struct pruning *p, const char *file)
{
    struct wpipe__file_facts facts;

    return wpipe__os_file_facts(p->place->directory, file, &facts) == 0;
}

static void removed(struct pruning *p, const char *name, const char *where)
{
    p->count++;
    if (p->each != NULL)
        p->ended = p->each(name, where, p->user) != 0;
}

/* Is no living process bound to the socket? A service manager, which has no
 * lock, must not hear of the question: it would start the service. */
static int is_dead(const struct pruning *p, const char *file)
{
    int r = wpipe__os_socket_is_bound(p->place->directory, file);

    return r == 0 || r == WPIPE_ENOTFOUND;
}

/* With its lock: may fail, on a file that something is mounted over. */
static int remove_door(const struct pruning *p, const char *door,
                       wpipe__handle lock)
{
    int r = is_dead(p, door) ? 0 : WPIPE_EINUSE;

    if (r == 0)
        wpipe__door_sweep(p->place->directory, lock);
    if (r == 0 && exists(p, door))
        r = wpipe__os_file_unlink(p->place->directory, door);
    return r;
}

/* Remove socket and lock of `name`, if its lock can be taken. */
static void prune_name(struct pruning *p, const char *name)
{
    char door[WPIPE__FILE_MAX];
    char file[WPIPE__FILE_MAX];
    wpipe__handle lock;
    int r;

    wpipe__place_file(door, name, "pipe");
    wpipe__place_file(file, name, "lock");
    if ((exists(p, door) && !is_ours(p, door, WPIPE__FILE_SOCKET)) ||
        (exists(p, file) && !is_ours(p, file, WPIPE__FILE_REGULAR)))
        return;
    if (!is_dead(p, door) ||
        wpipe__os_lock_take(p->place->directory, file, 0600, &lock) < 0)
        return;
    r = remove_door(p, door, lock);
    wpipe__os_lock_release(p->place->directory, file, lock);
    if (r == 0)
        removed(p, name, p->place->path);
}

/* The lock of a foreign door that may stand anywhere: it alone. */
static void prune_foreign_lock(const struct pruning *p, const char *file)
{
    wpipe__handle lock;

    if (is_ours(p, file, WPIPE__FILE_REGULAR) &&
        wpipe__os_lock_take(p->place->directory, file, 0600, &lock) == 0)
        wpipe__os_lock_release(p->place->directory, file, lock);
}

/* The length of `file` without `ending`, or 0. */
static size_t before(const char *file, const char *ending)
{
    size_t length = strlen(file);
    size_t less = strlen(ending);

    return length > less && strcmp(file + length - less, ending) == 0
               ? length - less
               : 0;
}

/* A file of the directory. What others put there may have any name. */
static int prune_file(const char *file, void *user)
{
    struct pruning *p = user;
    char parsed[WPIPE_NAME_MAX + 1];
    char name[WPIPE_NAME_MAX + 1];
    size_t length = before(file, ".pipe");

    if (before(file, ".foreign") > 0) {
        prune_foreign_lock(p, file);
        return 0;
    }
    if (length == 0)
        length = before(file, ".lock");
    if (length == 0 || length > WPIPE_NAME_MAX)
        return 0;
    memcpy(name, file, length);
    name[length] = '\0';
    if (wpipe__name_parse(name, parsed, NULL) == 0 &&
        strcmp(name, parsed) == 0 && exists(p, file))
        prune_name(p, name);
    return p->ended;
}

static int prune_foreign(const char *name, const char *where, void *user)
{
    struct pruning *p = user;

    if (wpipe__foreign_door_prune(name) == 1)
        removed(p, name, where);
    return p->ended;
}

int wpipe__door_prune(int (*each)(const char *name, const char *where,
                                  void *user),
                      void *user)
{
    struct pruning p = { .each = each, .user = user };
    struct wpipe__places places;
    struct wpipe__place place;
    int r = wpipe__places_find(&places, NULL);
    unsigned i;

    if (r == 0)
        r = wpipe__foreign_door_each(prune_foreign, &p);
    for (i = 0; i < places.count && r >= 0 && !p.ended; i++) {
        r = wpipe__place_open(&place, places.paths[i],
                              wpipe__place_kind(&places, i));
        if (r == WPIPE_EACCES && i == 0)
            return r;
        if (r < 0) {
            r = 0; /* it has no pipes for us */
            continue;
        }
        p.place = &place;
        r = wpipe__os_directory_each(place.directory, prune_file, &p);
        wpipe__os_close(place.directory);
    }
    return r < 0 ? r : p.count;
}
