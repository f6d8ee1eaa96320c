/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking a name and giving it back. The lock decides who owns a name, never
 * the socket file: one that refuses us may be a dead server's or that of a
 * server about to listen. The file only ever appears by rename, complete and
 * listening.
 */
#include "door/door.h"

#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "door/place.h"

enum {
    DRAWS = 8 /* of a name that nobody has */
};

static int access_of(const wpipe_options *options)
{
    return options == NULL ? WPIPE_ACCESS_USER : options->access;
}

/* Explain a call that failed with `r` on a file of the door's. */
static int fail_file(const struct wpipe__door *d, const char *verb,
                     const char *file, int r, const wpipe_options *options)
{
    wpipe__options_explain(options, "cannot %s %s/%s: %s", verb, d->where, file,
                           wpipe__os_error_text());
    /* the directory has gone: not what "no such pipe" means */
    return r == WPIPE_ENOTFOUND ? WPIPE_ESYSTEM : r;
}

/* ---- who else has the name ----------------------------------------------- */

/* Say that process `pid` has the name. 0: one that has no id here; < 0: not
 * known. */
static int fail_in_use(const struct wpipe__door *d, int64_t pid,
                       const wpipe_options *options)
{
    char who[128];

    wpipe__holder_text(pid, who, sizeof(who));
    wpipe__options_explain(options, "the pipe \"%s\" is in use by %s, in %s",
                           d->name, who, d->where);
    return WPIPE_EINUSE;
}

/* The process that listens at the door, as the kernel tells us; as
 * fail_in_use. What is written in the lock may be of another PID namespace. */
static int64_t holder(const struct wpipe__door *d)
{
    char file[WPIPE__FILE_MAX];
    wpipe__handle socket;
    wpipe_peer peer;
    int r;

    wpipe__place_file(file, d->name, "pipe");
    if (wpipe__os_connect(d->directory, file, &socket) < 0)
        return -1;
    r = wpipe__os_peer(socket, &peer);
    wpipe__os_close_unknown(socket, wpipe__os_generation());
    return r < 0 ? -1 : peer.pid;
}

static const char *kind_text(int kind)
{
    switch (kind) {
    case WPIPE__FILE_REGULAR:
        return "a regular file";
    case WPIPE__FILE_DIRECTORY:
        return "a directory";
    case WPIPE__FILE_LINK:
        return "a symbolic link";
    case WPIPE__FILE_SOCKET:
        return "a socket of another kind";
    default:
        return "something else";
    }
}

/* What is there is not ours to remove. */
static int fail_in_the_way(const struct wpipe__door *d, const char *file,
                           int kind, const wpipe_options *options)
{
    wpipe__options_explain(options,
                           "%s/%s is %s, not a pipe: it was left alone, and "
                           "the name cannot be used",
                           d->where, file, kind_text(kind));
    return WPIPE_EACCES;
}

/* Another user's: `dead` when nobody listens there any more. */
static int fail_foreign(const struct wpipe__door *d, uint32_t uid, int dead,
                        const wpipe_options *options)
{
    char user[64];

    wpipe__os_user(uid, user, sizeof(user));
    wpipe__options_explain(options,
                           dead ? "the pipe \"%s\" in %s was left behind by "
                                  "user %s (%u); only they or root can remove "
                                  "it"
                                : "the pipe \"%s\" in %s belongs to user %s "
                                  "(%u)",
                           d->name, d->where, user, (unsigned)uid);
    return dead ? WPIPE_EACCES : WPIPE_EINUSE;
}

/*
 * Connect to what stands at the door. The lock says that nobody is there, but
 * locks get lost, and a service manager has none. Whoever answers is alive, and
 * so is who is bound to it; no answer proves nothing without the lock. A door
 * that is kept looks again and again: nobody is to hear of that.
 */
static int check_socket(const struct wpipe__door *d, const char *file,
                        uint32_t owner, const wpipe_options *options)
{
    uint32_t uid = wpipe__os_uid();
    wpipe__handle socket;
    wpipe_peer peer;
    int bound = wpipe__os_socket_is_bound(d->directory, file) == 1;
    int r;

    if (bound && d->kept)
        return WPIPE_EINUSE;
    r = wpipe__os_connect(d->directory, file, &socket);
    if (r == 0) {
        if (wpipe__os_peer(socket, &peer) < 0)
            peer.pid = -1;
        wpipe__os_close_unknown(socket, wpipe__os_generation());
        return fail_in_use(d, peer.pid, options);
    }
    if (r == WPIPE_EAGAIN || (r == WPIPE_ENOTFOUND && bound))
        return fail_in_use(d, -1, options); /* or it is about to listen */
    if (r == WPIPE_ENOTSUP)
        return fail_in_the_way(d, file, WPIPE__FILE_SOCKET, options);
    if (r != WPIPE_ENOTFOUND && r != WPIPE_EACCES)
        return fail_file(d, "connect to", file, r, options);
    if (owner != uid && uid != 0)
        return fail_foreign(d, owner, r == WPIPE_ENOTFOUND, options);
    return 0;
}

/* 0 when the door may be put in place of what is there. */
static int check_door(const struct wpipe__door *d, const wpipe_options *options)
{
    struct wpipe__file_facts facts;
    char file[WPIPE__FILE_MAX];
    int r;

    wpipe__place_file(file, d->name, "pipe");
    r = wpipe__os_file_facts(d->directory, file, &facts);
    if (r == WPIPE_ENOTFOUND)
        return 0;
    if (r < 0)
        return fail_file(d, "look at", file, r, options);
    if (facts.kind != WPIPE__FILE_SOCKET)
        return fail_in_the_way(d, file, facts.kind, options);
    return check_socket(d, file, facts.uid, options);
}

/* ---- taking the name ----------------------------------------------------- */

/* Another server of ours may have the name in another one of our places, if it
 * was started with another environment. */
static int check_place(const struct wpipe__door *d, const char *path,
                       const wpipe_options *options)
{
    struct wpipe__door other = WPIPE__DOOR_NULL;
    struct wpipe__file_facts ours;
    struct wpipe__place place;
    int r = 0;

    if (wpipe__place_open(&place, path, WPIPE__PLACE_PRIVATE) < 0)
        return 0;
    memcpy(other.name, d->name, sizeof(other.name));
    memcpy(other.where, path, sizeof(other.where));
    other.kept = d->kept;
    other.directory = place.directory;
    if (wpipe__os_handle_facts(d->directory, &ours) == 0 &&
        (ours.device != place.facts.device || ours.inode != place.facts.inode))
        r = check_door(&other, options);
    wpipe__os_close(place.directory);
    return r;
}

static int check_elsewhere(const struct wpipe__door *d,
                           const wpipe_options *options)
{
    struct wpipe__places places;
    unsigned i;
    int r = 0;

    if (d->access != WPIPE_ACCESS_USER || wpipe__places_find(&places, NULL) < 0)
        return 0;
    for (i = 0; i + 1 < places.count && r != WPIPE_EINUSE; i++)
        if (strcmp(places.paths[i], d->where) != 0)
            r = check_place(d, places.paths[i], options);
    if (r == WPIPE_EINUSE)
        return r;
    wpipe__options_explain(options, "%s", ""); /* nothing that matters */
    return 0;
}

static int open_place(struct wpipe__door *d, const char *path,
                      const wpipe_options *options)
{
    int private = d->access == WPIPE_ACCESS_USER;
    struct wpipe__place place;
    int r = wpipe__place_open(
        &place, path, private ? WPIPE__PLACE_MADE : WPIPE__PLACE_SHARED);

    if (r == WPIPE_ENOTFOUND && !private)
        wpipe__options_explain(
            options,
            "access for other users needs the directory %s, which does not "
            "exist; root can create it with \"systemd-tmpfiles --create "
            "windpipe.conf\" or \"install -d -m 1777 %s\"",
            path, path);
    else if (r < 0)
        wpipe__place_explain(&place, options);
    if (r < 0)
        return r;
    d->directory = place.directory;
    memcpy(d->where, place.path, sizeof(d->where));
    return 0;
}

static int open_directory(struct wpipe__door *d, const wpipe_options *options)
{
    int private = d->access == WPIPE_ACCESS_USER;
    struct wpipe__places places;
    int r = wpipe__places_find(&places, options);

    if (r == 0)
        r = open_place(d, places.paths[private ? 0 : places.count - 1],
                       options);
    if (r == WPIPE_ENOTFOUND)
        return private ? WPIPE_ESYSTEM : WPIPE_ENOTSUP;
    return r;
}

/* Why the lock file could not be taken, when it is not simply held. */
static int fail_lock(const struct wpipe__door *d, const char *file, int r,
                     const wpipe_options *options)
{
    struct wpipe__file_facts facts;
    uint32_t uid = wpipe__os_uid();
    int found;

    (void)fail_file(d, "lock", file, r, options);
    if (wpipe__os_file_facts(d->directory, file, &facts) < 0)
        return r == WPIPE_ENOTFOUND ? WPIPE_ESYSTEM : r;
    if (facts.kind != WPIPE__FILE_REGULAR)
        return fail_in_the_way(d, file, facts.kind, options);
    if (facts.uid == uid || uid == 0)
        return r;
    found = check_door(d, options);
    return found < 0 ? found : fail_foreign(d, facts.uid, 0, options);
}

static int take_lock(struct wpipe__door *d, const wpipe_options *options)
{
    char door[WPIPE__FILE_MAX];
    char file[WPIPE__FILE_MAX];
    int r;

    wpipe__place_file(door, d->name, "pipe");
    wpipe__place_file(file, d->name, "lock");
    r = wpipe__place_lock((struct wpipe__file){ d->directory, file },
                          (struct wpipe__file){ d->directory, door }, !d->kept,
                          &d->lock);
    if (r == WPIPE_EINUSE)
        return options == NULL || options->error_text == NULL
                   ? r
                   : fail_in_use(d, holder(d), options);
    if (r < 0)
        return fail_lock(d, file, r, options);
    (void)wpipe__os_directory_hold(d->directory);
    return 0;
}

/* The socket before it is published has a name that nobody can guess: others
 * may write in the directory. It is noted in the lock. */
static void fresh_file(char fresh[WPIPE__FILE_MAX], uint64_t number)
{
    (void)snprintf(fresh, WPIPE__FILE_MAX, "%016llx.new",
                   (unsigned long long)number);
}

/* No trace of a server that was killed with it: it had the same lock. */
void wpipe__door_sweep(wpipe__handle directory, wpipe__handle lock)
{
    uint64_t number = wpipe__os_lock_noted(lock);
    struct wpipe__file_facts facts;
    char fresh[WPIPE__FILE_MAX];

    if (number == 0)
        return;
    fresh_file(fresh, number);
    if (wpipe__os_file_facts(directory, fresh, &facts) == 0 &&
        facts.kind == WPIPE__FILE_SOCKET && facts.uid == wpipe__os_uid())
        (void)wpipe__os_file_unlink(directory, fresh);
}

static int listen_as(struct wpipe__door *d, const char *fresh,
                     const wpipe_options *options)
{
    static const uint32_t modes[] = {
        [WPIPE_ACCESS_USER] = 01600,
        [WPIPE_ACCESS_GROUP] = 01660,
        [WPIPE_ACCESS_ANYONE] = 01666,
    };
    uint32_t gid = wpipe__os_gid();

    if (d->access == WPIPE_ACCESS_GROUP && options->group != 0)
        gid = options->group;
    return wpipe__os_listen(d->directory, fresh, modes[d->access], gid,
                            &d->listener);
}

static int listen_fresh(struct wpipe__door *d, char fresh[WPIPE__FILE_MAX],
                        const wpipe_options *options)
{
    int r = WPIPE_EINUSE;
    uint64_t number = 0;
    int i;

    for (i = 0; i < DRAWS && r == WPIPE_EINUSE; i++) {
        r = wpipe__os_random(&number, sizeof(number));
        if (r < 0)
            return r;
        fresh_file(fresh, number);
        wpipe__os_lock_note(d->lock, number);
        r = listen_as(d, fresh, options);
    }
    return r < 0 ? fail_file(d, "listen on", fresh, r, options) : 0;
}

/* Only with the lock: make the socket, then let it appear as the door. */
static int publish(struct wpipe__door *d, const wpipe_options *options)
{
    struct wpipe__file_facts facts;
    char fresh[WPIPE__FILE_MAX];
    char file[WPIPE__FILE_MAX];
    int r;

    r = check_door(d, options);
    if (r == 0)
        r = check_elsewhere(d, options);
    if (r < 0)
        return r;
    wpipe__door_sweep(d->directory, d->lock);
    r = listen_fresh(d, fresh, options);
    if (r < 0)
        return r;
    wpipe__place_file(file, d->name, "pipe");
    r = wpipe__os_file_facts(d->directory, fresh, &facts);
    if (r >= 0)
        r = wpipe__os_file_rename(d->directory, fresh, file);
    if (r < 0) {
        r = fail_file(d, "publish", file, r, options);
        (void)wpipe__os_file_unlink(d->directory, fresh);
        return r;
    }
    d->device = facts.device;
    d->inode = facts.inode;
    /* one who did the same elsewhere looks here after that, too */
    return check_elsewhere(d, options);
}

int wpipe__door_open(struct wpipe__door *d, const char *name,
                     const wpipe_options *options)
{
    static const struct wpipe__door null = WPIPE__DOOR_NULL;
    int r;

    *d = null;
    if (name[0] == '\0' || strlen(name) > WPIPE_NAME_MAX)
        return WPIPE_ENAME;
    (void)snprintf(d->name, sizeof(d->name), "%s", name);
    d->access = access_of(options);
    d->generation = wpipe__os_generation();
    d->touch_at = wpipe__os_deadline(WPIPE__TOUCH_MS);
    wpipe__view_take(&d->view);
    r = open_directory(d, options);
    if (r < 0)
        goto fail;
    r = take_lock(d, options);
    if (r < 0)
        goto fail;
    r = publish(d, options);
    if (r < 0)
        goto fail;
    return 0;

fail:
    wpipe__door_close(d);
    return r;
}

/* ---- giving it back ------------------------------------------------------ */

/* Unlink the door, if it is the one that we published. Under the lock. */
static void unpublish(const struct wpipe__door *d)
{
    struct wpipe__file_facts facts;
    char file[WPIPE__FILE_MAX];

    wpipe__place_file(file, d->name, "pipe");
    if (d->inode != 0 &&
        wpipe__os_file_facts(d->directory, file, &facts) == 0 &&
        facts.device == d->device && facts.inode == d->inode)
        (void)wpipe__os_file_unlink(d->directory, file);
}

void wpipe__door_close(struct wpipe__door *d)
{
    static const struct wpipe__door null = WPIPE__DOOR_NULL;
    char file[WPIPE__FILE_MAX];

    if (d == NULL)
        return;
    if (d->lock != WPIPE__NO_HANDLE &&
        d->generation == wpipe__os_generation()) {
        unpublish(d);
        wpipe__place_file(file, d->name, "lock");
        wpipe__os_lock_release(d->directory, file, d->lock);
        d->lock = WPIPE__NO_HANDLE; /* closed with the release */
    }
    if (d->lock != WPIPE__NO_HANDLE)
        wpipe__os_close(d->lock);
    if (d->inherited)
        wpipe__os_close_shared(d->listener, d->generation);
    else if (d->listener != WPIPE__NO_HANDLE)
        wpipe__os_close_unknown(d->listener, d->generation);
    if (d->directory != WPIPE__NO_HANDLE)
        wpipe__os_close(d->directory);
    *d = null;
}

/* ---- keeping it ---------------------------------------------------------- */

/* Tell cleaners of temporary files that all of it is in use. */
static void freshen(struct wpipe__door *d)
{
    char file[WPIPE__FILE_MAX];

    (void)wpipe__os_directory_hold(d->directory);
    if (wpipe__os_now() < d->touch_at)
        return;
    d->touch_at = wpipe__os_deadline(WPIPE__TOUCH_MS);
    wpipe__place_file(file, d->name, "pipe");
    wpipe__os_file_touch(d->directory, file);
    wpipe__place_file(file, d->name, "lock");
    wpipe__os_file_touch(d->directory, file);
    wpipe__os_file_touch(d->directory, NULL);
}

/* Is this our file, as others find it? 1; 0; < 0: we must not look. */
static int is_found(const struct wpipe__door *d, const char *ending,
                    uint64_t device, uint64_t inode)
{
    char path[WPIPE__WHERE_MAX + WPIPE__FILE_MAX + 1];
    struct wpipe__file_facts facts;
    char file[WPIPE__FILE_MAX];
    int r;

    wpipe__place_file(file, d->name, ending);
    (void)snprintf(path, sizeof(path), "%s/%s", d->where, file);
    r = wpipe__os_path_facts(path, &facts);
    if (r < 0)
        return r == WPIPE_ENOTFOUND ? 0 : r;
    return facts.device == device && facts.inode == inode;
}

static int has_lock(const struct wpipe__door *d)
{
    struct wpipe__file_facts facts;
    int r = wpipe__os_handle_facts(d->lock, &facts);

    return r < 0 ? r : is_found(d, "lock", facts.device, facts.inode);
}

/* The door is there; who has taken the lock meanwhile finds us alive and gives
 * it back. */
static void renew_lock(struct wpipe__door *d)
{
    wpipe__handle lost = d->lock;

    d->lock = WPIPE__NO_HANDLE;
    if (take_lock(d, NULL) < 0)
        d->lock = lost; /* the next time */
    else
        wpipe__os_close(lost);
}

/* Make what is gone. With `locked` the lock is where it was, and ours. */
static int renew(struct wpipe__door *d, int locked,
                 const wpipe_options *options, wpipe__handle *ret_old)
{
    struct wpipe__door fresh = *d;
    int r;

    fresh.directory = WPIPE__NO_HANDLE;
    fresh.listener = WPIPE__NO_HANDLE;
    fresh.inode = 0;
    if (!locked)
        fresh.lock = WPIPE__NO_HANDLE;
    r = open_place(&fresh, d->where, options);
    if (r == 0 && !locked)
        r = take_lock(&fresh, options);
    if (r == 0)
        r = publish(&fresh, options);
    if (r < 0) {
        unpublish(&fresh);
        if (locked)
            fresh.lock = WPIPE__NO_HANDLE; /* still the old one's */
        wpipe__door_close(&fresh);
        return r;
    }
    if (locked)
        d->lock = WPIPE__NO_HANDLE; /* the new one owns it now */
    *ret_old = d->listener;
    d->listener = WPIPE__NO_HANDLE;
    wpipe__door_close(d); /* the directory may only have been moved */
    *d = fresh;
    return 1;
}

int wpipe__door_keep(struct wpipe__door *d, const wpipe_options *options,
                     wpipe__handle *ret_old)
{
    int named;
    int locked;

    if (d->inherited)
        return 0;
    d->kept = 1;
    named = is_found(d, "pipe", d->device, d->inode);
    locked = has_lock(d);
    if (named < 0 || locked < 0 || !wpipe__view_holds(&d->view))
        return 0;
    if (!named)
        return renew(d, locked, options, ret_old);
    if (!locked)
        renew_lock(d);
    freshen(d);
    return 0;
}
