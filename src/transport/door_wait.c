/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a door to appear: a watch on each directory that a client looks
 * in, gathered under one handle that an event loop can poll. A directory that
 * is not there yet is waited for in the nearest parent that is.
 */
#include "transport/door.h"

#include <string.h>

#include "base/base.h"
#include "transport/door_place.h"

/* Milliseconds between looks where nothing tells us. */
enum {
    DELAY_MIN = 1,
    DELAY_MAX = 100
};

/* How often a directory may be replaced while we begin to watch it. */
enum {
    WATCH_ROUNDS = 16
};

/* Cut the last part off `path`; 0 when only the root is left. */
static int to_parent(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash == NULL || strcmp(path, "/") == 0)
        return 0;
    slash[slash == path ? 1 : 0] = '\0';
    return 1;
}

/*
 * The directory to watch for a place: itself, made if it is the private one,
 * else the nearest parent that exists. Not found when it must not be used.
 */
static int directory_to_watch(struct wpipe__place *ret,
                              enum wpipe__place_kind kind)
{
    int r = wpipe__place_open(ret, kind, 1, NULL);

    while (r == WPIPE_ENOTFOUND && to_parent(ret->path))
        r = wpipe__os_directory_open(ret->path, 0, &ret->directory,
                                     &ret->facts);
    if (r < 0)
        return r;
    wpipe__os_close(ret->directory);
    ret->directory = WPIPE__NO_HANDLE;
    return 0;
}

static int is_watching(const struct wpipe__knock_place *at,
                       const struct wpipe__place *place)
{
    return at->watch != WPIPE__NO_HANDLE && at->device == place->facts.device &&
           at->inode == place->facts.inode;
}

static void forget_place(struct wpipe__knock *k, struct wpipe__knock_place *at)
{
    if (at->watch == WPIPE__NO_HANDLE)
        return;
    wpipe__os_poller_remove(k->poller, at->watch);
    wpipe__os_close(at->watch);
    at->watch = WPIPE__NO_HANDLE;
}

/*
 * See that the right directory is watched. A watch is opened by path: only
 * when the path still leads to the same directory afterwards is it known
 * which one is watched. 0 when that is so.
 */
static int watch_place(struct wpipe__knock *k, enum wpipe__place_kind kind)
{
    struct wpipe__knock_place *at = &k->places[kind];
    struct wpipe__place place;
    int r;
    int i;

    for (i = 0; i < WATCH_ROUNDS; i++) {
        r = directory_to_watch(&place, kind);
        if (r < 0)
            break;
        if (is_watching(at, &place))
            return 0;
        forget_place(k, at);
        r = wpipe__os_watch_open(place.path, &at->watch);
        if (r < 0)
            break;
        at->device = place.facts.device;
        at->inode = place.facts.inode;
        r = wpipe__os_poller_add(k->poller, at->watch, (uint64_t)kind);
        if (r < 0)
            break;
    }
    forget_place(k, at);
    return WPIPE_ENOTSUP;
}

void wpipe__knock_listen(struct wpipe__knock *k)
{
    int kind;

    k->blind = k->poller == WPIPE__NO_HANDLE;
    if (k->blind)
        return;
    for (kind = 0; kind < WPIPE__PLACES; kind++) {
        if (k->places[kind].watch != WPIPE__NO_HANDLE)
            wpipe__os_watch_drain(k->places[kind].watch);
        if (watch_place(k, (enum wpipe__place_kind)kind) < 0)
            k->blind = 1;
    }
}

void wpipe__knock_open(struct wpipe__knock *k)
{
    static const struct wpipe__knock null = WPIPE__KNOCK_NULL;

    *k = null;
    if (wpipe__os_poller_open(&k->poller) < 0)
        k->poller = WPIPE__NO_HANDLE;
    wpipe__knock_listen(k);
}

uint64_t wpipe__knock_until(struct wpipe__knock *k, int why)
{
    if (why != WPIPE_EAGAIN && !k->blind) {
        k->delay_ms = 0;
        return UINT64_MAX;
    }
    k->delay_ms = k->delay_ms == 0 ? DELAY_MIN : k->delay_ms * 2;
    if (k->delay_ms > DELAY_MAX)
        k->delay_ms = DELAY_MAX;
    return wpipe__os_now() + (uint64_t)k->delay_ms * 1000000;
}

int wpipe__knock_wait(struct wpipe__knock *k, int why, uint64_t deadline,
                      wpipe__handle wake)
{
    wpipe__handle handles[2];
    uint64_t until = wpipe__knock_until(k, why);
    int r;

    handles[0] = k->poller;
    handles[1] = wake;
    r = wpipe__os_wait(handles, 2, wpipe__min_u64(deadline, until));
    if (r < 0)
        return r;
    if ((r & 2) != 0)
        return WPIPE_EWOKEN;
    if (r == 0 && wpipe__os_now() >= deadline)
        return WPIPE_ETIMEDOUT;
    wpipe__knock_listen(k);
    return 0;
}

void wpipe__knock_done(struct wpipe__knock *k)
{
    int kind;

    for (kind = 0; kind < WPIPE__PLACES; kind++)
        forget_place(k, &k->places[kind]);
    if (k->poller != WPIPE__NO_HANDLE)
        wpipe__os_close(k->poller);
    k->poller = WPIPE__NO_HANDLE;
}
