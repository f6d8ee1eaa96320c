/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping the path of a foreign door: what others removed is put there again,
 * if nobody else has the path by now. Called by the acceptor every few seconds;
 * it must not wait.
 */
#include "door/foreign.h"

#include <stdio.h>
#include <string.h>

#include "door/foreign_inside.h"
#include "door/place.h"

/* Is this file at the path, as others find it? 1; 0; < 0: we must not look. */
static int is_found(const char *path, uint64_t device, uint64_t inode)
{
    struct wpipe__file_facts facts;
    int r = wpipe__os_path_facts(path, &facts);

    if (r < 0)
        return r == WPIPE_ENOTFOUND ? 0 : r;
    return facts.device == device && facts.inode == inode;
}

static int has_lock(const struct wpipe__foreign_door *d)
{
    char path[WPIPE__WHERE_MAX + WPIPE__FOREIGN_LOCK_MAX + 1];
    struct wpipe__file_facts facts;

    (void)snprintf(path, sizeof(path), "%s/%s", d->home_path, d->lock_file);
    return wpipe__os_handle_facts(d->lock, &facts) == 0 &&
           is_found(path, facts.device, facts.inode) != 0;
}

static void freshen(struct wpipe__foreign_door *d)
{
    (void)wpipe__os_directory_hold(d->home);
    if (wpipe__os_now() < d->touch_at)
        return;
    d->touch_at = wpipe__os_deadline(WPIPE__TOUCH_MS);
    wpipe__os_file_touch(d->directory, wpipe__foreign_file(d->path));
    wpipe__os_file_touch(d->home, d->lock_file);
    wpipe__os_file_touch(d->home, NULL);
}

/* The door is there, and says that we are alive. */
static void renew_lock(struct wpipe__foreign_door *d)
{
    struct wpipe__foreign_door fresh = *d;
    struct wpipe__file_facts directory;

    fresh.home = WPIPE__NO_HANDLE;
    fresh.lock = WPIPE__NO_HANDLE;
    if (wpipe__os_handle_facts(d->directory, &directory) < 0 ||
        wpipe__foreign_take_lock(&fresh, &directory, NULL) < 0) {
        wpipe__os_close(fresh.home);
        return; /* the next time */
    }
    wpipe__os_close(d->lock);
    wpipe__os_close(d->home);
    *d = fresh;
}

/* As judge, without waiting: the dead one must have been there the last time,
 * too. `now` has the directory as it is now. */
static int judge_again(struct wpipe__foreign_door *d,
                       const struct wpipe__foreign_door *now,
                       struct wpipe__foreign_dead *dead)
{
    int same;
    int r;

    if (wpipe__os_socket_is_bound(now->directory,
                                  wpipe__foreign_file(now->path)) == 1)
        return WPIPE_EINUSE; /* a knock could be taken for a client */
    r = wpipe__foreign_look(now, dead, NULL);
    same = r == 1 && d->suspect != WPIPE__NO_HANDLE &&
           d->suspect_device == dead->facts.device &&
           d->suspect_inode == dead->facts.inode;
    wpipe__os_close(d->suspect);
    d->suspect = WPIPE__NO_HANDLE;
    if (r != 1 || same)
        return r;
    d->suspect = dead->held;
    d->suspect_device = dead->facts.device;
    d->suspect_inode = dead->facts.inode;
    dead->held = WPIPE__NO_HANDLE; /* the door's now */
    return WPIPE_EINUSE;
}

/* Make what is gone, in `fresh`, which has nothing yet. The lock stays the old
 * one's if it is the right one. */
static int renew(struct wpipe__foreign_door *d,
                 struct wpipe__foreign_door *fresh,
                 const wpipe_options *options)
{
    struct wpipe__foreign_dead dead = { .held = WPIPE__NO_HANDLE };
    struct wpipe__file_facts before;
    struct wpipe__file_facts now;
    int r = wpipe__foreign_open_directory(fresh, &now, options);

    if (r < 0)
        return r;
    r = judge_again(d, fresh, &dead);
    if (r >= 0 && has_lock(d) &&
        wpipe__os_handle_facts(d->directory, &before) == 0 &&
        before.device == now.device && before.inode == now.inode) {
        fresh->lock = d->lock;
        fresh->home = d->home;
    } else if (r >= 0) {
        int taken = wpipe__foreign_take_lock(fresh, &now, options);

        r = taken < 0 ? taken : r;
    }
    if (r >= 0)
        r = wpipe__foreign_publish(fresh, r, &dead, options);
    wpipe__foreign_dead_clear(&dead);
    return r;
}

/* Of the two, this one has the lock no more. */
static void give_lock(struct wpipe__foreign_door *from,
                      const struct wpipe__foreign_door *to)
{
    if (from->lock != to->lock)
        return;
    from->lock = WPIPE__NO_HANDLE;
    from->home = WPIPE__NO_HANDLE;
}

int wpipe__foreign_door_keep(struct wpipe__foreign_door *d,
                             const wpipe_options *options,
                             wpipe__handle *ret_old)
{
    struct wpipe__foreign_door fresh = WPIPE__FOREIGN_DOOR_NULL;
    int found;
    int r;

    if (d->inherited)
        return 0;
    found = is_found(d->path, d->device, d->inode);
    if (found < 0 || !wpipe__view_holds(&d->view))
        return 0;
    if (found) {
        if (!has_lock(d))
            renew_lock(d);
        freshen(d);
        return 0;
    }
    memcpy(fresh.path, d->path, sizeof(fresh.path));
    fresh.generation = d->generation;
    fresh.view = d->view;
    fresh.touch_at = d->touch_at;
    memcpy(fresh.home_path, d->home_path, sizeof(fresh.home_path));
    memcpy(fresh.lock_file, d->lock_file, sizeof(fresh.lock_file));
    r = renew(d, &fresh, options);
    if (r < 0) {
        give_lock(&fresh, d);
        wpipe__foreign_door_close(&fresh);
        return r;
    }
    give_lock(d, &fresh);
    *ret_old = d->listener;
    d->listener = WPIPE__NO_HANDLE;
    wpipe__foreign_door_close(d); /* the directory may only have been moved */
    *d = fresh;
    return 1;
}
