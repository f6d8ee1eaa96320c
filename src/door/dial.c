/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding servers: connecting to the one that has a name, and listing the
 * names there are. Whose server it is gets checked before it gets a byte.
 */
#include "door/door.h"

#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "base/options.h"
#include "door/place.h"

int wpipe__door_unmapped(const char *name, const wpipe_options *options)
{
    if (options != NULL && (options->flags & WPIPE_TRUST_PEER) != 0 &&
        (options->flags & WPIPE_CHECK_UID) == 0)
        return 0;
    wpipe__options_explain(
        options,
        "the server of \"%s\" is run by a user without a number in our user "
        "namespace (/proc/self/uid_map), so it may be anybody: map that user, "
        "or trust the peer",
        name);
    return WPIPE_EACCES;
}

/* Is this server one that we want to talk to? */
static int check_server(wpipe__handle socket, const char *name,
                        const wpipe_options *options)
{
    uint32_t uid = wpipe__os_uid();
    char wanted[64];
    char found[64];
    wpipe_peer peer;
    int r;

    r = wpipe__os_peer(socket, &peer);
    if (r < 0) {
        wpipe__options_explain(options,
                               "cannot tell which user runs the server: %s",
                               wpipe__os_error_text());
        return r;
    }
    if (peer.uid == WPIPE__UID_UNMAPPED)
        return wpipe__door_unmapped(name, options);
    if (options != NULL && (options->flags & WPIPE_CHECK_UID) != 0) {
        uid = options->server_uid;
        if (peer.uid == uid)
            return 0;
    } else if (peer.uid == uid || peer.uid == 0) {
        return 0;
    }
    wpipe__os_user(peer.uid, found, sizeof(found));
    wpipe__os_user(uid, wanted, sizeof(wanted));
    wpipe__options_explain(options,
                           "the server of the pipe \"%s\" is run by user %s "
                           "(%u), not by %s (%u)",
                           name, found, (unsigned)peer.uid, wanted,
                           (unsigned)uid);
    return WPIPE_EACCES;
}

/* Connected: is it one that we want? */
static int keep_if_trusted(wpipe__handle socket, const char *name,
                           const wpipe_options *options,
                           wpipe__handle *ret_socket)
{
    int r = check_server(socket, name, options);

    if (r < 0)
        wpipe__os_close_unknown(socket, wpipe__os_generation());
    else
        *ret_socket = socket;
    return r;
}

/*
 * The short way, by the path: where only we can have put what stands there no
 * link can lead us astray. Whether it is so is looked at while the server gets
 * to know of us; it has no byte yet. WPIPE_ENOTSUP: go the long way, which
 * finds it or tells why not.
 */
static int dial_path(const char *name, const wpipe_options *options,
                     wpipe__handle *ret_socket)
{
    char path[WPIPE__WHERE_MAX + WPIPE__FILE_MAX + 1];
    char file[WPIPE__FILE_MAX];
    wpipe__handle socket;
    size_t length;

    if (wpipe__place_path(path) < 0)
        return WPIPE_ENOTSUP;
    length = strlen(path);
    wpipe__place_file(file, name, "pipe");
    (void)snprintf(path + length, sizeof(file) + 1, "/%s", file);
    if (wpipe__os_connect_path(path, &socket) < 0)
        return WPIPE_ENOTSUP;
    path[length] = '\0';
    if (!wpipe__place_ours(path)) {
        wpipe__os_close_unknown(socket, wpipe__os_generation());
        return WPIPE_ENOTSUP;
    }
    return keep_if_trusted(socket, name, options, ret_socket);
}

/* Connect in a directory that is open and checked. */
static int dial_door(const struct wpipe__place *place, const char *name,
                     const wpipe_options *options, wpipe__handle *ret_socket)
{
    char file[WPIPE__FILE_MAX];
    wpipe__handle socket;
    int r;

    wpipe__place_file(file, name, "pipe");
    r = wpipe__os_connect(place->directory, file, &socket);
    if (r == 0)
        return keep_if_trusted(socket, name, options, ret_socket);
    if (r != WPIPE_ENOTFOUND)
        wpipe__options_explain(options, "cannot connect to %s/%s: %s",
                               place->path, file, wpipe__os_error_text());
    return r == WPIPE_ENOTSUP ? WPIPE_EACCES : r;
}

static int dial_place(struct wpipe__place *place, enum wpipe__place_kind kind,
                      const char *name, const wpipe_options *options,
                      wpipe__handle *ret_socket)
{
    int r;

    /* Others must not stop us by spoiling the shared place, which we may not
     * need: nobody is to be found there then. */
    if (kind == WPIPE__PLACE_SHARED) {
        r = wpipe__place_open(place, kind, 0, NULL);
        r = place->unsafe ? WPIPE_ENOTFOUND : r;
    } else {
        r = wpipe__place_open(place, kind, 0, options);
    }
    if (r < 0)
        return r;
    r = dial_door(place, name, options, ret_socket);
    wpipe__os_close(place->directory);
    return r;
}

static void explain_not_found(const char *name,
                              const struct wpipe__place *places,
                              const wpipe_options *options)
{
    wpipe__options_explain(
        options, "no server has the pipe \"%s\" (looked in %s %s %s)", name,
        places[WPIPE__PLACE_PRIVATE].path,
        places[WPIPE__PLACE_SHARED].unsafe ? "but not in the unsafe" : "and",
        places[WPIPE__PLACE_SHARED].path);
}

int wpipe__door_dial(const char *name, const wpipe_options *options,
                     wpipe__handle *ret_socket)
{
    struct wpipe__place places[WPIPE__PLACES];
    int r;
    int s;

    r = dial_path(name, options, ret_socket);
    if (r == WPIPE_ENOTSUP)
        r = dial_place(&places[WPIPE__PLACE_PRIVATE], WPIPE__PLACE_PRIVATE,
                       name, options, ret_socket);
    if (r == WPIPE_ENOTFOUND || r == WPIPE_EACCES) {
        s = dial_place(&places[WPIPE__PLACE_SHARED], WPIPE__PLACE_SHARED, name,
                       options, ret_socket);
        if (r == WPIPE_ENOTFOUND || s == 0 || s == WPIPE_EAGAIN)
            r = s;
        if (r == WPIPE_ENOTFOUND)
            explain_not_found(name, places, options);
    }
    if (r == 0)
        wpipe__options_explain(options, "%s", "");
    return r;
}

/* ---- the list ------------------------------------------------------------ */

struct listing {
    int (*each)(const char *name, const char *where, void *user);
    void *user;
    const struct wpipe__place *place;
    int count;
    int ended;
};

/* A file of the directory. What others put there may have any name. */
static int list_file(const char *file, void *user)
{
    static const char ending[] = ".pipe";
    struct listing *list = user;
    struct wpipe__file_facts facts;
    char parsed[WPIPE_NAME_MAX + 1];
    char name[WPIPE_NAME_MAX + 1];
    size_t length = strlen(file);

    if (length < sizeof(ending) || length > WPIPE__FILE_MAX)
        return 0;
    length -= sizeof(ending) - 1;
    if (length > WPIPE_NAME_MAX || strcmp(file + length, ending) != 0)
        return 0;
    memcpy(name, file, length);
    name[length] = '\0';
    if (wpipe__name_parse(name, parsed, NULL) < 0 ||
        strcmp(name, parsed) != 0 ||
        wpipe__os_file_facts(list->place->directory, file, &facts) < 0 ||
        facts.kind != WPIPE__FILE_SOCKET)
        return 0;
    list->count++;
    list->ended = list->each(name, list->place->path, list->user) != 0;
    return list->ended;
}

int wpipe__door_each(int (*each)(const char *name, const char *where,
                                 void *user),
                     void *user)
{
    struct listing list = { .each = each, .user = user };
    struct wpipe__place place;
    int kind;
    int r;

    for (kind = 0; kind < WPIPE__PLACES && !list.ended; kind++) {
        /* as for a dial: an unsafe private place is an error, all else that
         * cannot be opened has no pipes for us */
        r = wpipe__place_open(&place, (enum wpipe__place_kind)kind, 0, NULL);
        if (r == WPIPE_EACCES && kind == WPIPE__PLACE_PRIVATE)
            return r;
        if (r < 0)
            continue;
        list.place = &place;
        r = wpipe__os_directory_each(place.directory, list_file, &list);
        wpipe__os_close(place.directory);
        if (r < 0)
            return r;
    }
    return list.count;
}
