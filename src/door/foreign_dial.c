/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding foreign servers: connecting to the one at a path, waiting for it to
 * appear there, and listing those there are. Whose server it is gets checked
 * before it gets a byte.
 */
#include "door/door.h"
#include "door/foreign.h"

#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "base/options.h"

/* ---- connecting ---------------------------------------------------------- */

/* Is this server one that we want to talk to? */
static int check_server(wpipe__handle socket, const char *path,
                        const wpipe_options *options)
{
    char server[WPIPE__FOREIGN_PATH_MAX + 32];

    if (options != NULL && (options->flags & WPIPE_CHECK_UID) == 0 &&
        options->access == WPIPE_ACCESS_ANYONE)
        return 0;
    (void)snprintf(server, sizeof(server), "the server at %s", path);
    return wpipe__door_check_server(socket, path, server, options);
}

/* The socket at `path` did not take us, for the reason `r`. */
static int fail_socket(const char *path, const struct wpipe__file_facts *facts,
                       int r, const wpipe_options *options)
{
    char user[64];

    if (r == WPIPE_ENOTSUP) {
        wpipe__options_explain(
            options, "%s is a socket of another kind: not a stream", path);
    } else if (r == WPIPE_ENOTFOUND) {
        wpipe__options_explain(options, "nobody listens at %s", path);
    } else {
        wpipe__os_user(facts->uid, user, sizeof(user));
        wpipe__options_explain(options,
                               "%s denies us access: it belongs to user %s "
                               "(%u) and has mode %04o",
                               path, user, (unsigned)facts->uid,
                               (unsigned)facts->mode);
    }
    return r;
}

/* Nobody let us in at `path`, for the reason `r`: say what stands there. What
 * is no socket is no server, whatever the system says of it. */
static int fail_connect(const char *path, wpipe__handle directory, int r,
                        const wpipe_options *options)
{
    struct wpipe__file_facts facts;

    if (r != WPIPE_ENOTFOUND && r != WPIPE_EACCES && r != WPIPE_ENOTSUP) {
        wpipe__options_explain(options, "cannot connect to %s: %s", path,
                               wpipe__os_error_text());
        return r;
    }
    if (wpipe__os_file_facts(directory, wpipe__foreign_file(path), &facts) <
        0) {
        wpipe__options_explain(options, "no server has the pipe %s", path);
        return r;
    }
    if (facts.kind == WPIPE__FILE_SOCKET)
        return fail_socket(path, &facts, r, options);
    wpipe__options_explain(options, "%s is %s, not a pipe", path,
                           wpipe__foreign_kind(facts.kind));
    return WPIPE_ENOTFOUND;
}

/* The directory of the door; what is not there has no servers. */
static int open_directory(const char *path, wpipe__handle *ret_directory,
                          const wpipe_options *options)
{
    struct wpipe__file_facts facts;
    int r = wpipe__foreign_directory(path, ret_directory, &facts);

    if (r == WPIPE_ENOTFOUND)
        wpipe__options_explain(options, "no server has the pipe %s", path);
    else if (r < 0)
        wpipe__options_explain(options, "cannot use the directory of %s: %s",
                               path, wpipe__os_error_text());
    return r;
}

int wpipe__foreign_door_dial(const char *name, const wpipe_options *options,
                             wpipe__handle *ret_socket)
{
    char path[WPIPE__FOREIGN_PATH_MAX + 1];
    wpipe__handle directory;
    wpipe__handle socket;
    int r;

    r = wpipe__foreign_path(name, path, sizeof(path), options);
    if (r < 0)
        return r;
    r = open_directory(path, &directory, options);
    if (r < 0)
        return r;
    r = wpipe__os_connect(directory, wpipe__foreign_file(path), &socket);
    if (r < 0)
        r = fail_connect(path, directory, r, options);
    wpipe__os_close(directory);
    if (r < 0)
        return r;
    r = check_server(socket, path, options);
    if (r < 0) {
        wpipe__os_close_unknown(socket, wpipe__os_generation());
        return r;
    }
    wpipe__options_explain(options, "%s", "");
    *ret_socket = socket;
    return 0;
}

/* ---- waiting ------------------------------------------------------------- */

/* Cut the last part off `path`, a file or a directory. 0 when it was the root
 * or the working directory. */
static int to_parent(char path[WPIPE__FOREIGN_PATH_MAX + 1])
{
    char *slash = strrchr(path, '/');

    if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0)
        return 0;
    if (slash == NULL)
        (void)snprintf(path, WPIPE__FOREIGN_PATH_MAX + 1, ".");
    else
        slash[slash == path ? 1 : 0] = '\0';
    return 1;
}

/* 1 when a socket is at `path`. */
static int has_socket(wpipe__handle directory, const char *path)
{
    struct wpipe__file_facts facts;

    return wpipe__os_file_facts(directory, wpipe__foreign_file(path), &facts) ==
               0 &&
           facts.kind == WPIPE__FILE_SOCKET;
}

int wpipe__foreign_watch_path(const char *name, char *ret_path, size_t size)
{
    struct wpipe__file_facts facts;
    char path[WPIPE__FOREIGN_PATH_MAX + 1];
    char nearest[WPIPE__FOREIGN_PATH_MAX + 1];
    wpipe__handle directory = WPIPE__NO_HANDLE;
    int socket = 0;
    int r = wpipe__foreign_path(name, path, sizeof(path), NULL);

    if (r < 0)
        return r;
    memcpy(nearest, path, sizeof(path));
    r = WPIPE_ENOTFOUND;
    while (r < 0 && to_parent(nearest))
        r = wpipe__os_directory_follow(nearest, &directory, &facts);
    if (r == 0) {
        socket = has_socket(directory, path);
        wpipe__os_close(directory);
    }
    if (strlen(nearest) >= size)
        return WPIPE_EINVAL;
    (void)snprintf(ret_path, size, "%s", nearest);
    return socket;
}

/* ---- the list ------------------------------------------------------------ */

struct listing {
    int (*each)(const char *name, const char *where, void *user);
    void *user;
    const char *where;
    wpipe__handle directory;
    int count;
};

/* A file of the directory. What others put there may have any name. */
static int list_file(const char *file, void *user)
{
    static const char prefix[] = WPIPE__FOREIGN_PREFIX;
    const char *name = file + sizeof(prefix) - 1;
    struct listing *list = user;
    struct wpipe__file_facts facts;
    char parsed[WPIPE_NAME_MAX + 1];

    if (strncmp(file, prefix, sizeof(prefix) - 1) != 0 ||
        wpipe__name_parse(name, parsed, NULL) < 0 ||
        strcmp(name, parsed) != 0 ||
        wpipe__os_file_facts(list->directory, file, &facts) < 0 ||
        facts.kind != WPIPE__FILE_SOCKET)
        return 0;
    list->count++;
    return list->each(name, list->where, list->user) != 0;
}

int wpipe__foreign_door_each(int (*each)(const char *name, const char *where,
                                         void *user),
                             void *user)
{
    struct listing list = { .each = each, .user = user };
    struct wpipe__file_facts facts;
    int r;

    list.where = wpipe__foreign_temp();
    r = wpipe__os_directory_follow(list.where, &list.directory, &facts);
    if (r == 0) {
        r = wpipe__os_directory_each(list.directory, list_file, &list);
        wpipe__os_close(list.directory);
    }
    /* a directory that is absent or closed to us has no pipes for us */
    if (r < 0 && r != WPIPE_ENOTFOUND && r != WPIPE_EACCES)
        return r;
    return list.count;
}

int wpipe__foreign_door_facts(const char *name,
                              struct wpipe__foreign_facts *ret_facts)
{
    struct wpipe__foreign_facts facts = { .listening = 0 };
    struct wpipe__socket_facts socket;
    struct wpipe__file_facts file;
    wpipe__handle directory;
    int bound;
    int r;

    r = wpipe__foreign_path(name, facts.path, sizeof(facts.path), NULL);
    if (r < 0)
        return r;
    r = wpipe__foreign_directory(facts.path, &directory, &file);
    if (r < 0)
        return r;
    r = wpipe__os_file_facts(directory, wpipe__foreign_file(facts.path), &file);
    bound =
        wpipe__os_socket_is_bound(directory, wpipe__foreign_file(facts.path));
    wpipe__os_close(directory);
    if (r < 0 || file.kind != WPIPE__FILE_SOCKET)
        return r < 0 ? r : WPIPE_ENOTFOUND;
    facts.uid = file.uid;
    facts.mode = file.mode;
    r = wpipe__os_socket_find(file.device, file.inode, &socket);
    if (r == 0) {
        facts.listening = socket.listening;
        facts.pid = wpipe__os_socket_process(socket.number);
    } else if (bound != 0) {
        facts.listening = -1; /* in another network namespace, for example */
    }
    *ret_facts = facts;
    return 0;
}
