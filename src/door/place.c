/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search order and the checks on a directory. Both ends of a pipe run
 * through the same steps, which depend on the state of the machine and on the
 * environment only, so that they come to the same place.
 */
#include "door/place.h"

#include <stdio.h>
#include <string.h>

#include "base/options.h"

/* Mode bits. */
enum {
    MODE_ALL = 0777,
    MODE_PRIVATE = 0700,
    MODE_OTHERS_WRITE = 0022,
    MODE_STICKY = 01000
};

/* Of a lock; after the first one there is a nap of 1 ms, then of twice as much
 * each time. */
enum {
    LOCK_TRIES = 7
};

/* An environment variable that is set to something, or NULL. */
static const char *variable(const char *name)
{
    const char *value = wpipe__os_environment(name);

    return value == NULL || value[0] == '\0' ? NULL : value;
}

/*
 * Put a path together from two parts. Slashes at the end of `first` go: they
 * would make the system follow a link that stands there.
 */
static int join(char path[WPIPE__WHERE_MAX], const char *first,
                const char *second, const wpipe_options *options)
{
    size_t length = strlen(first);
    int n;

    while (length > 1 && first[length - 1] == '/')
        length--;
    n = length < WPIPE__WHERE_MAX ? snprintf(path, WPIPE__WHERE_MAX, "%.*s%s",
                                             (int)length, first, second)
                                  : WPIPE__WHERE_MAX;
    if (n < WPIPE__WHERE_MAX)
        return 0;
    path[0] = '\0';
    wpipe__options_explain(options,
                           "the path of the directory of pipes is longer than "
                           "%d bytes: %.64s...",
                           WPIPE__WHERE_MAX - 1, first);
    return WPIPE_EACCES;
}

/* A directory that somebody chose by `name`: it has to be absolute, or the
 * two ends would look in different places. */
static int chosen(char path[WPIPE__WHERE_MAX], const char *name,
                  const char *value, const wpipe_options *options)
{
    if (value[0] == '/')
        return join(path, value, "", options);
    path[0] = '\0';
    wpipe__options_explain(options, "%s is not an absolute path: %s", name,
                           value);
    return WPIPE_EACCES;
}

/* Is this a runtime directory that only we can put things into? */
static int is_ours(const char *path)
{
    struct wpipe__file_facts facts;

    return path[0] == '/' && wpipe__os_path_facts(path, &facts) == 0 &&
           facts.kind == WPIPE__FILE_DIRECTORY &&
           facts.uid == wpipe__os_uid() &&
           (facts.mode & MODE_OTHERS_WRITE) == 0;
}

/* One more place, unless it is one of them already. */
static int add_path(struct wpipe__places *places, const char *first,
                    const char *second, const wpipe_options *options)
{
    char *path = places->paths[places->count];
    unsigned i;
    int r = join(path, first, second, options);

    if (r < 0)
        return r;
    for (i = 0; i < places->count; i++)
        if (strcmp(places->paths[i], path) == 0)
            return 0;
    places->count++;
    return 0;
}

/* Our places in runtime directories and in those for temporary files: up to
 * `most` of them. */
static int find_private(struct wpipe__places *places, unsigned most,
                        const wpipe_options *options)
{
    const char *runtime = variable("XDG_RUNTIME_DIR");
    const char *temporary = variable("TMPDIR");
    char user[64];
    char own[64];
    int r = 0;

    (void)snprintf(user, sizeof(user), "/run/user/%u",
                   (unsigned)wpipe__os_uid());
    (void)snprintf(own, sizeof(own), "/windpipe-%u", (unsigned)wpipe__os_uid());
    if (runtime != NULL && is_ours(runtime))
        r = add_path(places, runtime, "/windpipe", options);
    if (r == 0 && places->count < most && is_ours(user))
        r = add_path(places, user, "/windpipe", options);
    if (r == 0 && places->count < most && temporary != NULL &&
        temporary[0] == '/')
        r = add_path(places, temporary, own, options);
    if (r == 0 && places->count < most)
        r = add_path(places, "/tmp", own, options);
    return r;
}

static int find_privates(struct wpipe__places *places, unsigned most,
                         const wpipe_options *options)
{
    const char *value = variable("WINDPIPE_DIR");
    int r;

    places->count = 0;
    if (value == NULL)
        return find_private(places, most, options);
    r = chosen(places->paths[0], "WINDPIPE_DIR", value, options);
    places->count = 1;
    return r;
}

int wpipe__places_find(struct wpipe__places *ret, const wpipe_options *options)
{
    const char *value = variable("WINDPIPE_SHARED_DIR");
    int r = find_privates(ret, WPIPE__PLACES - 1, options);

    if (r < 0)
        return r;
    r = value != NULL
            ? chosen(ret->paths[ret->count], "WINDPIPE_SHARED_DIR", value,
                     options)
            : join(ret->paths[ret->count], "/run/windpipe", "", options);
    ret->count++;
    return r;
}

int wpipe__place_first(char path[WPIPE__WHERE_MAX])
{
    struct wpipe__places places;
    int r = find_privates(&places, 1, NULL);

    if (r == 0)
        memcpy(path, places.paths[0], WPIPE__WHERE_MAX);
    return r;
}

/* Must a private directory not be used? Says why. */
static int check_private(struct wpipe__place *place)
{
    uint32_t uid = wpipe__os_uid();

    if (place->facts.uid != uid)
        (void)snprintf(place->why, sizeof(place->why),
                       "belongs to user %u, not to us (user %u)",
                       (unsigned)place->facts.uid, (unsigned)uid);
    else if ((place->facts.mode & MODE_ALL) != MODE_PRIVATE)
        (void)snprintf(place->why, sizeof(place->why),
                       "has mode %04o; it must be 0700, for this user only",
                       (unsigned)place->facts.mode);
    return place->why[0] != '\0';
}

static int check_shared(struct wpipe__place *place)
{
    uint32_t uid = place->facts.uid;
    uint32_t mode = place->facts.mode;

    if (uid != 0 && uid != wpipe__os_uid())
        (void)snprintf(place->why, sizeof(place->why),
                       "belongs to user %u, neither to root nor to us",
                       (unsigned)uid);
    else if ((mode & MODE_OTHERS_WRITE) != 0 && (mode & MODE_STICKY) == 0)
        (void)snprintf(place->why, sizeof(place->why),
                       "can be written by other users, but is not sticky "
                       "(mode %04o; it should be 1777)",
                       (unsigned)mode);
    return place->why[0] != '\0';
}

int wpipe__place_open(struct wpipe__place *ret, const char *path,
                      enum wpipe__place_kind kind)
{
    int create = kind == WPIPE__PLACE_MADE;
    int r;

    ret->directory = WPIPE__NO_HANDLE;
    ret->unsafe = 0;
    ret->why[0] = '\0';
    (void)snprintf(ret->path, sizeof(ret->path), "%s", path);
    r = wpipe__os_directory_open(path, create, &ret->directory, &ret->facts);
    if (r < 0) {
        ret->unsafe = r == WPIPE_EACCES;
        if (r == WPIPE_ENOTFOUND && !create)
            (void)snprintf(ret->why, sizeof(ret->why), "does not exist");
        else
            (void)snprintf(ret->why, sizeof(ret->why), "cannot be used: %s",
                           wpipe__os_error_text());
        return r;
    }
    ret->unsafe =
        kind == WPIPE__PLACE_SHARED ? check_shared(ret) : check_private(ret);
    if (!ret->unsafe)
        return 0;
    wpipe__os_close(ret->directory);
    ret->directory = WPIPE__NO_HANDLE;
    return WPIPE_EACCES;
}

void wpipe__place_explain(const struct wpipe__place *place,
                          const wpipe_options *options)
{
    wpipe__options_explain(options, "the directory %s %s", place->path,
                           place->why);
}

/* Can only root and we change what a name in this directory stands for, once
 * it stands for something of ours? */
static int keeps_ours(const char *path, uint32_t uid)
{
    struct wpipe__file_facts facts;

    return wpipe__os_path_facts(path, &facts) == 0 &&
           facts.kind == WPIPE__FILE_DIRECTORY &&
           (facts.uid == uid || facts.uid == 0) &&
           ((facts.mode & MODE_OTHERS_WRITE) == 0 ||
            (facts.mode & MODE_STICKY) != 0);
}

int wpipe__place_ours(const char *path)
{
    uint32_t uid = wpipe__os_uid();
    const char *slash = strrchr(path, '/');
    struct wpipe__file_facts facts;
    char parent[WPIPE__WHERE_MAX];
    size_t length;

    if (wpipe__os_path_facts(path, &facts) < 0 ||
        facts.kind != WPIPE__FILE_DIRECTORY || facts.uid != uid ||
        (facts.mode & MODE_ALL) != MODE_PRIVATE || slash == NULL)
        return 0;
    length = slash == path ? 1 : (size_t)(slash - path);
    memcpy(parent, path, length);
    parent[length] = '\0';
    return keeps_ours(parent, uid);
}

static int look_around(struct wpipe__view *ret)
{
    struct wpipe__file_facts root;
    int r = wpipe__os_path_facts("/", &root);

    if (r < 0)
        return r;
    ret->root_device = root.device;
    ret->root_inode = root.inode;
    ret->uid = wpipe__os_uid();
    return 0;
}

void wpipe__view_take(struct wpipe__view *ret)
{
    memset(ret, 0, sizeof(*ret)); /* which never holds */
    (void)look_around(ret);
}

int wpipe__view_holds(const struct wpipe__view *view)
{
    struct wpipe__view now;

    return look_around(&now) == 0 && now.root_device == view->root_device &&
           now.root_inode == view->root_inode && now.uid == view->uid;
}

int wpipe__place_lock(struct wpipe__file lock, struct wpipe__file door,
                      int patient, wpipe__handle *ret_lock)
{
    int tries = patient ? LOCK_TRIES : 1;
    int r;
    int i;

    for (i = 0;; i++) {
        r = wpipe__os_lock_take(lock.directory, lock.name, WPIPE__MODE_LOCK,
                                ret_lock);
        if (r != WPIPE_EINUSE || i + 1 >= tries ||
            wpipe__os_socket_is_bound(door.directory, door.name) == 1)
            return r;
        wpipe__os_nap(1 << i);
    }
}

void wpipe__holder_text(int64_t pid, char *buf, size_t size)
{
    char program[64];

    if (pid <= 0) {
        (void)snprintf(buf, size, "%s",
                       pid == 0 ? "a process in another container"
                                : "another process");
        return;
    }
    wpipe__os_program(pid, program, sizeof(program));
    if (program[0] == '\0')
        (void)snprintf(buf, size, "process %lld or a child of it",
                       (long long)pid);
    else
        (void)snprintf(buf, size, "process %lld (%s)", (long long)pid, program);
}

void wpipe__place_file(char file[WPIPE__FILE_MAX], const char *name,
                       const char *ending)
{
    (void)snprintf(file, WPIPE__FILE_MAX, "%s.%s", name, ending);
}
