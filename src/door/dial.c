/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding servers: connecting to the one that has a name, and listing the
 * names there are. Whose server it is gets checked before it gets a byte.
 */
#include "door/door.h"

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/name.h"
#include "base/options.h"
#include "door/place.h"

/* Its user has no number in our user namespace, and may be anybody:
 * WPIPE_EACCES with a text; 0 with WPIPE_TRUST_PEER, unless a certain user is
 * asked for. */
static int check_unmapped(const char *name, const wpipe_options *options)
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

int wpipe__door_check_server(wpipe__handle socket, const char *name,
                             const char *server, const wpipe_options *options)
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
        return check_unmapped(name, options);
    if (options != NULL && (options->flags & WPIPE_CHECK_UID) != 0) {
        uid = options->server_uid;
        if (peer.uid == uid)
            return 0;
    } else if (peer.uid == uid || peer.uid == 0) {
        return 0;
    }
    wpipe__os_user(peer.uid, found, sizeof(found));
    wpipe__os_user(uid, wanted, sizeof(wanted));
    wpipe__options_explain(options, "%s is run by user %s (%u), not by %s (%u)",
                           server, found, (unsigned)peer.uid, wanted,
                           (unsigned)uid);
    return WPIPE_EACCES;
}

/* Connected: is it one that we want? */
static int keep_if_trusted(wpipe__handle socket, const char *name,
                           const wpipe_options *options,
                           wpipe__handle *ret_socket)
{
    char server[WPIPE_NAME_MAX + 32];
    int r;

    (void)snprintf(server, sizeof(server), "the server of the pipe \"%s\"",
                   name);
    r = wpipe__door_check_server(socket, name, server, options);

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

    if (wpipe__place_first(path) < 0)
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

/* ---- every place --------------------------------------------------------- */

/* A search for a server, and what it has met. */
struct search {
    const char *name;
    const wpipe_options *options;
    wpipe_options quiet; /* the same without error_text */
    struct wpipe__places places;
    int verdict;      /* WPIPE_ENOTFOUND, or WPIPE_EACCES: somebody denied us */
    char text[1024];  /* what is wrong with each place, for people */
    size_t text_size; /* so far */
};

static void note(struct search *s, const char *path, const char *why)
{
    size_t room = sizeof(s->text) - s->text_size;
    int n = snprintf(s->text + s->text_size, room, "%s%s: %s",
                     s->text_size > 0 ? "; " : "", path, why);

    if (n > 0)
        s->text_size += wpipe__min_size((size_t)n, room - 1);
}

/* Look on, but it is the first denial that is explained. */
static void denied(struct search *s)
{
    s->verdict = WPIPE_EACCES;
    if (s->options == NULL)
        return;
    s->quiet = *s->options;
    s->quiet.error_text = NULL;
    s->options = &s->quiet;
}

/* Connect in a place that is open and checked. */
static int dial_door(struct search *s, const struct wpipe__place *place,
                     wpipe__handle *ret_socket)
{
    struct wpipe__file_facts facts;
    char file[WPIPE__FILE_MAX];
    wpipe__handle socket;
    int r;

    wpipe__place_file(file, s->name, "pipe");
    r = wpipe__os_connect(place->directory, file, &socket);
    if (r == 0)
        return keep_if_trusted(socket, s->name, s->options, ret_socket);
    if (r == WPIPE_ENOTFOUND)
        note(s, place->path,
             wpipe__os_file_facts(place->directory, file, &facts) == 0
                 ? "its server is gone"
                 : "no such pipe");
    else
        wpipe__options_explain(s->options, "cannot connect to %s/%s: %s",
                               place->path, file, wpipe__os_error_text());
    return r == WPIPE_ENOTSUP ? WPIPE_EACCES : r;
}

/*
 * Look in one place. Others must not stop us by spoiling one that we may not
 * need: only the first one, where our servers listen, is an error when it must
 * not be used. In the others nobody is to be found then.
 */
static int dial_place(struct search *s, unsigned i, wpipe__handle *ret_socket)
{
    struct wpipe__place place;
    int r = wpipe__place_open(&place, s->places.paths[i],
                              wpipe__place_kind(&s->places, i));

    if (r < 0) {
        note(s, place.path, place.why);
        if (i > 0 && place.unsafe)
            return WPIPE_ENOTFOUND;
        wpipe__place_explain(&place, s->options);
        return r;
    }
    r = dial_door(s, &place, ret_socket);
    wpipe__os_close(place.directory);
    return r;
}

/* Look in every place, or in those behind the first one, which denied us. */
static int search(const char *name, const wpipe_options *options,
                  int first_denied, wpipe__handle *ret_socket)
{
    struct search s;
    unsigned i;
    int r = wpipe__places_find(&s.places, options);

    if (r < 0)
        return r;
    s.name = name;
    s.options = options;
    s.verdict = WPIPE_ENOTFOUND;
    s.text_size = 0;
    if (first_denied)
        denied(&s);
    for (i = first_denied ? 1 : 0; i < s.places.count; i++) {
        r = dial_place(&s, i, ret_socket);
        if (r == WPIPE_EACCES)
            denied(&s);
        else if (r != WPIPE_ENOTFOUND)
            return r;
    }
    if (s.verdict == WPIPE_ENOTFOUND)
        wpipe__options_explain(s.options, "no server has the pipe \"%s\" (%s)",
                               name, s.text);
    return s.verdict;
}

int wpipe__door_dial(const char *name, const wpipe_options *options,
                     wpipe__handle *ret_socket)
{
    int r = dial_path(name, options, ret_socket);

    if (r == WPIPE_ENOTSUP || r == WPIPE_EACCES)
        r = search(name, options, r == WPIPE_EACCES, ret_socket);
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
    struct wpipe__places places;
    struct wpipe__place place;
    unsigned i;
    int r = wpipe__places_find(&places, NULL);

    if (r < 0)
        return r;
    for (i = 0; i < places.count && !list.ended; i++) {
        /* as for a dial: an unsafe first place is an error, all else that
         * cannot be opened has no pipes for us */
        r = wpipe__place_open(&place, places.paths[i],
                              wpipe__place_kind(&places, i));
        if (r == WPIPE_EACCES && i == 0)
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
