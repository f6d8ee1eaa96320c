/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a door to appear: one handle, which an event loop can poll,
 * watches both directories that a client looks in. A directory that is not
 * there yet is waited for in the nearest parent that is.
 */
#include "door/door.h"

#include <string.h>

#include "base/base.h"
#include "door/place.h"

/* Milliseconds between looks where nothing tells us. */
enum {
    DELAY_MIN = 1,
    DELAY_MAX = 100
};

/* Passes of one wpipe__name_watch_listen while directories come and go. */
enum {
    LISTEN_ROUNDS = 4
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

/*
 * The number of the right directory for a place in the watch: which one it is
 * may have changed. Adding one again costs little and changes nothing; if
 * another takes its path right after, the watch tells of that.
 */
static int watch_place(struct wpipe__name_watch *k, enum wpipe__place_kind kind)
{
    struct wpipe__place place;
    int r;

    r = directory_to_watch(&place, kind);
    if (r >= 0 && k->watch == WPIPE__NO_HANDLE)
        r = wpipe__os_watch_open(place.path, &k->watch);
    return r < 0 ? r : wpipe__os_watch_add(k->watch, place.path);
}

/* Stop watching `number` unless a place still needs it. 1 when that was so. */
static int forget(const struct wpipe__name_watch *k, int number)
{
    if (number < 0 || number == k->numbers[WPIPE__PLACE_PRIVATE] ||
        number == k->numbers[WPIPE__PLACE_SHARED])
        return 0;
    wpipe__os_watch_remove(k->watch, number);
    return 1;
}

/* One pass; 1 when a directory is not watched any more. What was heard is
 * forgotten first: a directory that goes while we begin to watch it must
 * still be heard of afterwards. */
static int listen_once(struct wpipe__name_watch *k)
{
    int before[WPIPE__PLACES];
    int forgotten = 0;
    int number;
    int kind;

    k->blind = 0;
    if (k->watch != WPIPE__NO_HANDLE)
        wpipe__os_watch_drain(k->watch);
    for (kind = 0; kind < WPIPE__PLACES; kind++) {
        before[kind] = k->numbers[kind];
        number = watch_place(k, (enum wpipe__place_kind)kind);
        k->numbers[kind] = number < 0 ? -1 : number;
        k->blind |= number < 0;
    }
    for (kind = 0; kind < WPIPE__PLACES; kind++)
        forgotten |= forget(k, before[kind]);
    return forgotten;
}

void wpipe__name_watch_listen(struct wpipe__name_watch *k)
{
    int i;

    /* again after a change: it is heard itself, and would cost a look */
    for (i = 0; i < LISTEN_ROUNDS; i++)
        if (!listen_once(k))
            break;
}

void wpipe__name_watch_open(struct wpipe__name_watch *k)
{
    static const struct wpipe__name_watch null = WPIPE__NAME_WATCH_NULL;

    *k = null;
    wpipe__name_watch_listen(k);
}

uint64_t wpipe__name_watch_until(struct wpipe__name_watch *k, int why)
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

int wpipe__name_watch_wait(struct wpipe__name_watch *k, int why,
                           uint64_t deadline, wpipe__handle wake)
{
    wpipe__handle handles[2];
    uint64_t until = wpipe__name_watch_until(k, why);
    int r;

    handles[0] = k->watch;
    handles[1] = wake;
    r = wpipe__os_wait(handles, 2, wpipe__min_u64(deadline, until));
    if (r == WPIPE_EWOKEN)
        return k->signals ? r : 0;
    if (r < 0)
        return r;
    if ((r & 2) != 0)
        return WPIPE_EWOKEN;
    if (r == 0 && wpipe__os_now() >= deadline)
        return WPIPE_ETIMEDOUT;
    wpipe__name_watch_listen(k);
    return 0;
}

void wpipe__name_watch_rest(struct wpipe__name_watch *k)
{
    const int before[WPIPE__PLACES] = { k->numbers[0], k->numbers[1] };
    int kind;

    k->numbers[0] = -1;
    k->numbers[1] = -1;
    for (kind = 0; kind < WPIPE__PLACES; kind++)
        (void)forget(k, before[kind]);
}

void wpipe__name_watch_done(struct wpipe__name_watch *k)
{
    if (k->watch != WPIPE__NO_HANDLE)
        wpipe__os_close(k->watch);
    k->watch = WPIPE__NO_HANDLE;
    k->numbers[0] = -1;
    k->numbers[1] = -1;
}
