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

static int private_path(char path[WPIPE__WHERE_MAX],
                        const wpipe_options *options)
{
    const char *value = variable("WINDPIPE_DIR");
    char text[64];

    if (value != NULL)
        return chosen(path, "WINDPIPE_DIR", value, options);
    value = variable("XDG_RUNTIME_DIR");
    if (value != NULL && is_ours(value))
        return join(path, value, "/windpipe", options);
    (void)snprintf(text, sizeof(text), "/run/user/%u",
                   (unsigned)wpipe__os_uid());
    if (is_ours(text))
        return join(path, text, "/windpipe", options);
    value = variable("TMPDIR");
    if (value == NULL || value[0] != '/')
        value = "/tmp";
    (void)snprintf(text, sizeof(text), "/windpipe-%u",
                   (unsigned)wpipe__os_uid());
    return join(path, value, text, options);
}

static int shared_path(char path[WPIPE__WHERE_MAX],
                       const wpipe_options *options)
{
    const char *value = variable("WINDPIPE_SHARED_DIR");

    if (value != NULL)
        return chosen(path, "WINDPIPE_SHARED_DIR", value, options);
    return join(path, "/run/windpipe", "", options);
}

/* Why a private directory must not be used: 0 if it may. */
static int check_private(const struct wpipe__place *place,
                         const wpipe_options *options)
{
    uint32_t uid = wpipe__os_uid();

    if (place->facts.uid != uid) {
        wpipe__options_explain(options,
                               "the directory %s belongs to user %u, not to "
                               "us (user %u)",
                               place->path, (unsigned)place->facts.uid,
                               (unsigned)uid);
        return WPIPE_EACCES;
    }
    if ((place->facts.mode & MODE_ALL) != MODE_PRIVATE) {
        wpipe__options_explain(options,
                               "the directory %s has mode %04o; it must be "
                               "0700, for this user only",
                               place->path, (unsigned)place->facts.mode);
        return WPIPE_EACCES;
    }
    return 0;
}

static int check_shared(const struct wpipe__place *place,
                        const wpipe_options *options)
{
    uint32_t uid = place->facts.uid;
    uint32_t mode = place->facts.mode;

    if (uid != 0 && uid != wpipe__os_uid()) {
        wpipe__options_explain(options,
                               "the shared directory %s belongs to user %u, "
                               "neither to root nor to us",
                               place->path, (unsigned)uid);
        return WPIPE_EACCES;
    }
    if ((mode & MODE_OTHERS_WRITE) != 0 && (mode & MODE_STICKY) == 0) {
        wpipe__options_explain(
            options,
            "other users can write in the shared directory %s, "
            "but it is not sticky (mode %04o; it should be "
            "1777)",
            place->path, (unsigned)mode);
        return WPIPE_EACCES;
    }
    return 0;
}

int wpipe__place_open(struct wpipe__place *ret, enum wpipe__place_kind kind,
                      int create, const wpipe_options *options)
{
    int private = kind == WPIPE__PLACE_PRIVATE;
    int r;

    ret->directory = WPIPE__NO_HANDLE;
    ret->unsafe = 1;
    r = private ? private_path(ret->path, options)
                : shared_path(ret->path, options);
    if (r < 0)
        return r;
    r = wpipe__os_directory_open(ret->path, create && private, &ret->directory,
                                 &ret->facts);
    if (r < 0) {
        ret->unsafe = r == WPIPE_EACCES;
        if (r != WPIPE_ENOTFOUND || (create && private))
            wpipe__options_explain(options, "cannot use the directory %s: %s",
                                   ret->path, wpipe__os_error_text());
        return r;
    }
    r = private ? check_private(ret, options) : check_shared(ret, options);
    if (r < 0) {
        wpipe__os_close(ret->directory);
        ret->directory = WPIPE__NO_HANDLE;
        return r;
    }
    ret->unsafe = 0;
    return 0;
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

int wpipe__place_path(char path[WPIPE__WHERE_MAX])
{
    return private_path(path, NULL);
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

void wpipe__place_file(char file[WPIPE__FILE_MAX], const char *name,
                       const char *ending)
{
    (void)snprintf(file, WPIPE__FILE_MAX, "%s.%s", name, ending);
}
