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

/* Say that process `pid` (0: not known) has the name. */
static int fail_in_use(const struct wpipe__door *d, int64_t pid,
                       const wpipe_options *options)
{
    char program[64];

    if (pid <= 0) {
        wpipe__options_explain(
            options, "the pipe \"%s\" is in use by another process", d->name);
        return WPIPE_EINUSE;
    }
    wpipe__os_program(pid, program, sizeof(program));
    if (program[0] == '\0')
        wpipe__options_explain(options,
                               "the pipe \"%s\" is in use by process %lld or "
                               "a child of it",
                               d->name, (long long)pid);
    else
        wpipe__options_explain(options,
                               "the pipe \"%s\" is in use by process %lld "
                               "(%s)",
                               d->name, (long long)pid, program);
    return WPIPE_EINUSE;
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
 * locks get lost: a cleaner of temporary files may take one from under a
 * server that runs for weeks. Whoever answers is alive; no answer proves
 * nothing without the lock.
 */
static int check_socket(const struct wpipe__door *d, const char *file,
                        uint32_t owner, const wpipe_options *options)
{
    uint32_t uid = wpipe__os_uid();
    wpipe__handle socket;
    wpipe_peer peer;
    int r;

    r = wpipe__os_connect(d->directory, file, &socket);
    if (r == 0) {
        if (wpipe__os_peer(socket, &peer) < 0)
            peer.pid = 0;
        wpipe__os_close_unknown(socket, wpipe__os_generation());
        return fail_in_use(d, peer.pid, options);
    }
    if (r == WPIPE_EAGAIN)
        return fail_in_use(d, 0, options);
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

static int open_directory(struct wpipe__door *d, const wpipe_options *options)
{
    struct wpipe__place place;
    int r;

    r = wpipe__place_open(&place,
                          d->access == WPIPE_ACCESS_USER ? WPIPE__PLACE_PRIVATE
                                                         : WPIPE__PLACE_SHARED,
                          1, options);
    if (r == WPIPE_ENOTFOUND && d->access != WPIPE_ACCESS_USER) {
        wpipe__options_explain(
            options,
            "access for other users needs the directory %s, which does not "
            "exist; root can create it with \"systemd-tmpfiles --create "
            "windpipe.conf\" or \"install -d -m 1777 %s\"",
            place.path, place.path);
        return WPIPE_ENOTSUP;
    }
    if (r < 0)
        return r == WPIPE_ENOTFOUND ? WPIPE_ESYSTEM : r;
    d->directory = place.directory;
    memcpy(d->where, place.path, sizeof(d->where));
    return 0;
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
    char file[WPIPE__FILE_MAX];
    int64_t pid = 0;
    int r;

    wpipe__place_file(file, d->name, "lock");
    r = wpipe__os_lock_take(d->directory, file, 0600, &d->lock, &pid);
    if (r == WPIPE_EINUSE)
        return fail_in_use(d, pid, options);
    return r < 0 ? fail_lock(d, file, r, options) : 0;
}

/* The socket before it is published has a name that nobody can guess: others
 * may write in the directory. It is noted in the lock. */
static void fresh_file(char fresh[WPIPE__FILE_MAX], uint64_t number)
{
    (void)snprintf(fresh, WPIPE__FILE_MAX, "%016llx.new",
                   (unsigned long long)number);
}

/* No trace of a server that was killed with it: it had the same lock. */
static void sweep_fresh(const struct wpipe__door *d)
{
    uint64_t number = wpipe__os_lock_noted(d->lock);
    struct wpipe__file_facts facts;
    char fresh[WPIPE__FILE_MAX];

    if (number == 0)
        return;
    fresh_file(fresh, number);
    if (wpipe__os_file_facts(d->directory, fresh, &facts) == 0 &&
        facts.kind == WPIPE__FILE_SOCKET && facts.uid == wpipe__os_uid())
        (void)wpipe__os_file_unlink(d->directory, fresh);
}

static int listen_as(struct wpipe__door *d, const char *fresh,
                     const wpipe_options *options)
{
    static const uint32_t modes[] = {
        [WPIPE_ACCESS_USER] = 0600,
        [WPIPE_ACCESS_GROUP] = 0660,
        [WPIPE_ACCESS_ANYONE] = 0666,
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
    if (r < 0)
        return r;
    sweep_fresh(d);
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
    return 0;
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
