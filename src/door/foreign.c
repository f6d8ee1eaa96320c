/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking the path of a foreign door and giving it back, in a directory where
 * others come and go without asking. foreign.h has the rules; here they
 * are kept by never acting on what was seen a moment ago: names change files
 * in one step, and what was got is looked at afterwards.
 */
#include "door/foreign.h"

#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "door/foreign_inside.h"
#include "door/foreign_staging.h"
#include "door/place.h"

/* Between two looks at a socket that nobody seems to have. */
enum {
    DEAD_MS = 100
};

/* How often the path may change hands while we take it before we call it
 * busy. */
enum {
    ROUNDS = 32
};

enum {
    MODE_STICKY = 01000,
    MODE_LOCK = 01600
};

/* ---- who else has the path ----------------------------------------------- */

/* Explain a system call that failed with `r`. */
static int fail_call(const struct wpipe__foreign_door *d, const char *verb,
                     int r, const wpipe_options *options)
{
    wpipe__options_explain(options, "cannot %s %s: %s", verb, d->path,
                           wpipe__os_error_text());
    /* the directory has gone: not what "no such pipe" means */
    return r == WPIPE_ENOTFOUND ? WPIPE_ESYSTEM : r;
}

/* Say that process `pid` has the path. 0: one that has no id here; < 0: not
 * known. */
static int fail_in_use(const struct wpipe__foreign_door *d, int64_t pid,
                       const wpipe_options *options)
{
    char who[128];

    wpipe__holder_text(pid, who, sizeof(who));
    wpipe__options_explain(options, "%s is in use by %s", d->path, who);
    return WPIPE_EINUSE;
}

/* What is there is not ours to remove. */
static int fail_in_the_way(const struct wpipe__foreign_door *d, int kind,
                           const wpipe_options *options)
{
    wpipe__options_explain(options,
                           "%s is %s, not a pipe: it was left alone, and the "
                           "name cannot be used",
                           d->path, wpipe__foreign_kind(kind));
    return WPIPE_EACCES;
}

/* Another user's: `dead` when nobody listens there any more. */
static int fail_other_user(const struct wpipe__foreign_door *d, uint32_t uid,
                           int dead, const wpipe_options *options)
{
    char user[64];

    wpipe__os_user(uid, user, sizeof(user));
    wpipe__options_explain(options,
                           dead ? "%s is a socket that user %s (%u) has left "
                                  "behind: it was left alone, and the name "
                                  "cannot be used"
                                : "%s is a socket of user %s (%u)",
                           d->path, user, (unsigned)uid);
    return dead ? WPIPE_EACCES : WPIPE_EINUSE;
}

/*
 * Is somebody behind this socket, in the kernel's list? It may not be in
 * there for reasons of ours, or there may be no list: that proves nothing.
 */
static int check_list(const struct wpipe__foreign_door *d,
                      const struct wpipe__file_facts *facts,
                      const wpipe_options *options)
{
    struct wpipe__socket_facts socket;
    int64_t pid = 0;

    if (wpipe__os_socket_find(facts->device, facts->inode, &socket) < 0)
        return 0;
    if (options != NULL && options->error_text != NULL)
        pid = wpipe__os_socket_process(socket.number);
    if (pid == 0 && facts->uid != wpipe__os_uid())
        return fail_other_user(d, facts->uid, 0, options);
    return fail_in_use(d, pid == 0 ? -1 : pid, options);
}

/* Connect to a socket. 1: nobody is there, and it is ours; < 0: any other. */
static int check_socket(const struct wpipe__foreign_door *d,
                        const struct wpipe__file_facts *facts,
                        const wpipe_options *options)
{
    wpipe__handle socket;
    wpipe_peer peer;
    int r;

    r = check_list(d, facts, options);
    if (r < 0)
        return r;
    r = wpipe__os_connect(d->directory, wpipe__foreign_file(d->path), &socket);
    if (r == 0) {
        if (wpipe__os_peer(socket, &peer) < 0)
            peer.pid = -1;
        wpipe__os_close_unknown(socket, wpipe__os_generation());
        return fail_in_use(d, peer.pid, options);
    }
    if (r == WPIPE_EAGAIN)
        return fail_in_use(d, -1, options);
    if (r == WPIPE_ENOTSUP)
        return fail_in_the_way(d, WPIPE__FILE_SOCKET, options);
    if (facts->uid != wpipe__os_uid() &&
        (r == WPIPE_ENOTFOUND || r == WPIPE_EACCES))
        return fail_other_user(d, facts->uid, r == WPIPE_ENOTFOUND, options);
    if (r != WPIPE_ENOTFOUND)
        return fail_call(d, "connect to", r, options);
    /* refused, but bound: it is about to listen, and the list does not show it,
     * since it is in another network namespace */
    if (wpipe__os_socket_is_bound(d->directory, wpipe__foreign_file(d->path)) ==
        1)
        return fail_in_use(d, -1, options);
    return 1;
}

void wpipe__foreign_dead_clear(struct wpipe__foreign_dead *dead)
{
    wpipe__os_close(dead->held);
    dead->held = WPIPE__NO_HANDLE;
}

/* Look once: 0 nothing is there; 1 a socket of ours that refuses; < 0. Holds
 * what is there. */
int wpipe__foreign_look(const struct wpipe__foreign_door *d,
                        struct wpipe__foreign_dead *ret,
                        const wpipe_options *options)
{
    int r = wpipe__os_file_hold(d->directory, wpipe__foreign_file(d->path),
                                &ret->held, &ret->facts);

    if (r == WPIPE_ENOTFOUND)
        return 0;
    if (r < 0)
        return fail_call(d, "look at", r, options);
    if (ret->facts.kind != WPIPE__FILE_SOCKET)
        return fail_in_the_way(d, ret->facts.kind, options);
    return check_socket(d, &ret->facts, options);
}

static int is_same(const struct wpipe__file_facts *one,
                   const struct wpipe__file_facts *other)
{
    return one->device == other->device && one->inode == other->inode;
}

/*
 * 0: nothing is there. 1: a dead socket of ours, which is held. < 0: the path
 * is not to be had. A server that is about to listen refuses, too, so a socket
 * is not dead at the first look.
 */
static int judge(const struct wpipe__foreign_door *d,
                 struct wpipe__foreign_dead *dead, const wpipe_options *options)
{
    struct wpipe__foreign_dead again = { .held = WPIPE__NO_HANDLE };
    int same = 0;
    int i;
    int r;

    wpipe__foreign_dead_clear(dead);
    r = wpipe__foreign_look(d, dead, options);
    for (i = 0; r == 1 && !same && i < ROUNDS; i++) {
        (void)wpipe__os_wait(NULL, 0, wpipe__os_deadline(DEAD_MS));
        r = wpipe__foreign_look(d, &again, options);
        same = r == 1 && is_same(&dead->facts, &again.facts);
        wpipe__foreign_dead_clear(dead);
        *dead = again;
        again.held = WPIPE__NO_HANDLE;
    }
    return r == 1 && !same ? fail_in_use(d, -1, options) : r;
}

/* ---- taking the path ----------------------------------------------------- */

int wpipe__foreign_open_directory(struct wpipe__foreign_door *d,
                                  struct wpipe__file_facts *ret_facts,
                                  const wpipe_options *options)
{
    int r = wpipe__foreign_directory(d->path, &d->directory, ret_facts);

    if (r < 0)
        wpipe__options_explain(options, "cannot use the directory of %s: %s",
                               d->path, wpipe__os_error_text());
    return r == WPIPE_ENOTFOUND ? WPIPE_ESYSTEM : r;
}

/* The process that listens there, as fail_in_use. What is written in the lock
 * may be of another PID namespace. */
static int64_t holder(const struct wpipe__foreign_door *d,
                      const wpipe_options *options)
{
    wpipe__handle socket;
    wpipe_peer peer;
    int r;

    if (options == NULL || options->error_text == NULL ||
        wpipe__os_connect(d->directory, wpipe__foreign_file(d->path), &socket) <
            0)
        return -1;
    r = wpipe__os_peer(socket, &peer);
    wpipe__os_close_unknown(socket, wpipe__os_generation());
    return r < 0 ? -1 : peer.pid;
}

/* One directory may have many paths, but has one number: so the lock is
 * called by that. */
int wpipe__foreign_take_lock(struct wpipe__foreign_door *d,
                             const struct wpipe__file_facts *directory,
                             const wpipe_options *options)
{
    struct wpipe__places places;
    struct wpipe__place place;
    int r;

    r = wpipe__places_find(&places, options);
    if (r < 0)
        return r;
    r = wpipe__place_open(&place, places.paths[0], WPIPE__PLACE_MADE);
    if (r < 0) {
        wpipe__place_explain(&place, options);
        return r == WPIPE_ENOTFOUND ? WPIPE_ESYSTEM : r;
    }
    d->home = place.directory;
    memcpy(d->home_path, place.path, sizeof(d->home_path));
    (void)snprintf(d->lock_file, sizeof(d->lock_file), "%llx-%llx-%s.foreign",
                   (unsigned long long)directory->device,
                   (unsigned long long)directory->inode,
                   wpipe__foreign_file(d->path));
    r = wpipe__os_lock_take(d->home, d->lock_file, MODE_LOCK, &d->lock);
    if (r == WPIPE_EINUSE)
        return fail_in_use(d, holder(d, options), options);
    if (r < 0)
        wpipe__options_explain(options, "cannot lock %s/%s: %s", place.path,
                               d->lock_file, wpipe__os_error_text());
    if (r == 0)
        (void)wpipe__os_directory_hold(d->home);
    return r == WPIPE_ENOTFOUND ? WPIPE_ESYSTEM : r;
}

int wpipe__foreign_listen(wpipe__handle directory, const char *file,
                          const wpipe_options *options,
                          wpipe__handle *ret_listener)
{
    static const uint32_t modes[] = {
        [WPIPE_ACCESS_USER] = 0600 | MODE_STICKY,
        [WPIPE_ACCESS_GROUP] = 0660 | MODE_STICKY,
        [WPIPE_ACCESS_ANYONE] = 0666 | MODE_STICKY,
    };
    int access = options == NULL ? WPIPE_ACCESS_USER : options->access;
    uint32_t gid = wpipe__os_gid();

    if (access == WPIPE_ACCESS_GROUP && options->group != 0)
        gid = options->group;
    return wpipe__os_listen(directory, file, modes[access], gid, ret_listener);
}

/* A socket in the staging directory, with the name it is to have outside: lists
 * of sockets show that name for ever. */
static int listen_inside(struct wpipe__foreign_door *d,
                         const struct wpipe__staging *w,
                         const wpipe_options *options)
{
    const char *file = wpipe__foreign_file(d->path);
    struct wpipe__file_facts facts;
    int r = wpipe__foreign_listen(w->directory, file, options, &d->listener);

    if (r == 0)
        r = wpipe__os_file_facts(w->directory, file, &facts);
    if (r < 0)
        return fail_call(d, "listen on", r, options);
    d->device = facts.device;
    d->inode = facts.inode;
    return 0;
}

/* Is this file ours, the one that listens? */
static int is_door(const struct wpipe__foreign_door *d,
                   struct wpipe__file place)
{
    struct wpipe__file_facts facts;

    return wpipe__os_file_facts(place.directory, place.name, &facts) == 0 &&
           facts.device == d->device && facts.inode == d->inode;
}

/* Somebody's file is in the staging directory by mistake: let it have its name
 * again, if nobody else has that by now. */
static void give_back(struct wpipe__file inside, struct wpipe__file outside)
{
    int r = wpipe__os_file_link(inside, outside);

    if (r == 0)
        (void)wpipe__os_file_unlink(inside.directory, inside.name);
    else if (r == WPIPE_EACCES) /* a directory: it cannot replace a file */
        (void)wpipe__os_file_move(inside, outside);
}

/*
 * Somebody came between our looks, and his file is in the staging directory
 * now. Put it back: in exchange for ours, or in place of nothing when ours is
 * gone. If what comes for it is not ours, a second one has put himself in our
 * place: then that one has to stay, and the first was displaced by him.
 */
static int put_back(const struct wpipe__foreign_door *d,
                    struct wpipe__file inside, struct wpipe__file outside,
                    const wpipe_options *options)
{
    int r = wpipe__os_file_exchange(inside, outside);

    if (r == 0 && is_door(d, inside))
        return WPIPE_EAGAIN;
    if (r == 0)
        (void)wpipe__os_file_exchange(inside, outside);
    else
        give_back(inside, outside);
    return fail_in_use(d, -1, options);
}

/* Where names cannot be exchanged. For a moment it could be another file that
 * is unlinked. */
static int remove_dead(const struct wpipe__foreign_door *d,
                       const struct wpipe__foreign_dead *dead,
                       const wpipe_options *options)
{
    struct wpipe__file_facts facts;
    const char *file = wpipe__foreign_file(d->path);
    int r = wpipe__os_file_facts(d->directory, file, &facts);

    if (r == 0 && is_same(&facts, &dead->facts))
        r = wpipe__os_file_unlink(d->directory, file);
    if (r == 0 || r == WPIPE_ENOTFOUND)
        return WPIPE_EAGAIN;
    return fail_call(d, "remove", r, options);
}

/* Take the place of a dead socket. 0; WPIPE_EAGAIN: it was not there any
 * more; < 0. */
static int replace(const struct wpipe__foreign_door *d,
                   struct wpipe__file inside,
                   const struct wpipe__foreign_dead *dead,
                   const wpipe_options *options)
{
    struct wpipe__file outside = { d->directory, inside.name };
    struct wpipe__file_facts facts;
    int r = wpipe__os_file_exchange(inside, outside);

    if (r == WPIPE_ENOTFOUND)
        return WPIPE_EAGAIN;
    if (r == WPIPE_ENOTSUP)
        return remove_dead(d, dead, options);
    if (r < 0)
        return fail_call(d, "replace", r, options);
    if (wpipe__os_file_facts(inside.directory, inside.name, &facts) == 0 &&
        is_same(&facts, &dead->facts))
        return 0;
    return put_back(d, inside, outside, options);
}

/* Let the socket in the staging directory appear as the door; `r` and `dead`
 * are of the first judge. */
static int appear(const struct wpipe__foreign_door *d,
                  const struct wpipe__staging *w, int r,
                  struct wpipe__foreign_dead *dead,
                  const wpipe_options *options)
{
    struct wpipe__file inside = { w->directory, wpipe__foreign_file(d->path) };
    struct wpipe__file outside = { d->directory, inside.name };
    int i;

    for (i = 0; i < ROUNDS; i++) {
        if (r == 1) {
            r = replace(d, inside, dead, options);
            if (r != WPIPE_EAGAIN)
                return r;
        } else {
            r = wpipe__os_file_link(inside, outside);
            if (r != WPIPE_EINUSE)
                return r < 0 ? fail_call(d, "publish", r, options) : 0;
        }
        r = judge(d, dead, options);
        if (r < 0)
            return r;
    }
    return fail_in_use(d, -1, options);
}

/* Only with the lock, and after the first judge, which found `found`. */
int wpipe__foreign_publish(struct wpipe__foreign_door *d, int found,
                           struct wpipe__foreign_dead *dead,
                           const wpipe_options *options)
{
    struct wpipe__staging w;
    int r;

    r = wpipe__staging_open(d, &w);
    if (r < 0)
        return fail_call(d, "make a directory beside", r, options);
    r = listen_inside(d, &w, options);
    if (r == 0)
        r = appear(d, &w, found, dead, options);
    wpipe__staging_close(d, &w);
    if (r < 0)
        d->inode = 0;
    return r;
}

static int take_path(struct wpipe__foreign_door *d,
                     const wpipe_options *options)
{
    struct wpipe__foreign_dead dead = { .held = WPIPE__NO_HANDLE };
    int r = judge(d, &dead, options);

    if (r >= 0)
        r = wpipe__foreign_publish(d, r, &dead, options);
    wpipe__foreign_dead_clear(&dead);
    return r;
}

int wpipe__foreign_door_open(struct wpipe__foreign_door *d, const char *name,
                             const wpipe_options *options)
{
    static const struct wpipe__foreign_door null = WPIPE__FOREIGN_DOOR_NULL;
    struct wpipe__file_facts directory;
    int r;

    *d = null;
    r = wpipe__foreign_path(name, d->path, sizeof(d->path), options);
    if (r < 0)
        goto fail;
    d->generation = wpipe__os_generation();
    d->touch_at = wpipe__os_deadline(WPIPE__TOUCH_MS);
    wpipe__view_take(&d->view);
    r = wpipe__foreign_open_directory(d, &directory, options);
    if (r < 0)
        goto fail;
    r = wpipe__foreign_take_lock(d, &directory, options);
    if (r < 0)
        goto fail;
    r = take_path(d, options);
    if (r < 0)
        goto fail;
    return 0;

fail:
    wpipe__foreign_door_close(d);
    return r;
}

/* Only with the lock. */
static int remove_if_dead(const struct wpipe__foreign_door *d)
{
    struct wpipe__foreign_dead dead = { .held = WPIPE__NO_HANDLE };
    int r = judge(d, &dead, NULL);

    if (r == 1)
        r = remove_dead(d, &dead, NULL) == WPIPE_EAGAIN ? 1 : WPIPE_ESYSTEM;
    wpipe__foreign_dead_clear(&dead);
    return r;
}

int wpipe__foreign_door_prune(const char *name)
{
    struct wpipe__foreign_door d = WPIPE__FOREIGN_DOOR_NULL;
    struct wpipe__file_facts directory;
    struct wpipe__foreign_facts facts;
    int r = wpipe__foreign_door_facts(name, &facts);

    if (r < 0 || facts.listening != 0 || facts.uid != wpipe__os_uid())
        return r == WPIPE_ENOTFOUND || r >= 0 ? 0 : r;
    r = wpipe__foreign_path(name, d.path, sizeof(d.path), NULL);
    if (r < 0)
        return r;
    d.generation = wpipe__os_generation();
    r = wpipe__foreign_open_directory(&d, &directory, NULL);
    if (r >= 0)
        r = wpipe__foreign_take_lock(&d, &directory, NULL);
    if (r >= 0)
        r = remove_if_dead(&d);
    wpipe__foreign_door_close(&d);
    return r == WPIPE_EINUSE ? 0 : r;
}

/* ---- giving it back ------------------------------------------------------ */

/*
 * Remove the door, but no other file that takes its name in this moment: it is
 * moved to where only we are, looked at, and put back if it is not ours.
 */
static void unpublish(const struct wpipe__foreign_door *d)
{
    struct wpipe__file outside = { d->directory, wpipe__foreign_file(d->path) };
    struct wpipe__file inside = outside;
    struct wpipe__staging w;

    if (d->inode == 0 || !is_door(d, outside))
        return;
    if (wpipe__staging_open(d, &w) < 0) {
        (void)wpipe__os_file_unlink(outside.directory, outside.name);
        return;
    }
    inside.directory = w.directory;
    if (wpipe__os_file_move(outside, inside) < 0) {
        if (is_door(d, outside))
            (void)wpipe__os_file_unlink(outside.directory, outside.name);
    } else if (!is_door(d, inside)) {
        give_back(inside, outside);
    }
    wpipe__staging_close(d, &w);
}

void wpipe__foreign_door_close(struct wpipe__foreign_door *d)
{
    static const struct wpipe__foreign_door null = WPIPE__FOREIGN_DOOR_NULL;

    if (d == NULL)
        return;
    if (d->lock != WPIPE__NO_HANDLE &&
        d->generation == wpipe__os_generation()) {
        unpublish(d);
        wpipe__os_lock_release(d->home, d->lock_file, d->lock);
        d->lock = WPIPE__NO_HANDLE; /* closed with the release */
    }
    wpipe__os_close(d->lock);
    if (d->inherited)
        wpipe__os_close_shared(d->listener, d->generation);
    else
        wpipe__os_close_unknown(d->listener, d->generation);
    wpipe__os_close(d->home);
    wpipe__os_close(d->directory);
    wpipe__os_close(d->suspect);
    *d = null;
}
