/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a door to appear: one handle, which an event loop can poll,
 * watches the directories that a client looks in. A directory that is not
 * there yet is waited for in the nearest parent that is.
 */
#include "door/door.h"

#include <string.h>

#include "base/base.h"
#include "door/place.h"

/* Milliseconds between looks where nothing tells us. */
enum {
    DELAY_MIN = 1,
    DELAY_MAX = 100,
    LOOK_MS = 1000 /* where something tells us of nearly all */
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
 * The directory to watch for place `i`: itself, made if it is the first one;
 * for the first and the shared one else the nearest parent that exists. In the
 * other private places servers are few, and their parents are busy: a look now
 * and then will do. Not found when there is nothing to watch.
 */
static int directory_to_watch(struct wpipe__place *ret,
                              const struct wpipe__places *places, unsigned i)
{
    enum wpipe__place_kind kind =
        i == 0 ? WPIPE__PLACE_MADE : wpipe__place_kind(places, i);
    int r = wpipe__place_open(ret, places->paths[i], kind);

    while (kind != WPIPE__PLACE_PRIVATE && r == WPIPE_ENOTFOUND &&
           to_parent(ret->path))
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
 * another takes its path right after, the watch tells of that. -1: none.
 */
static int watch_place(struct wpipe__name_watch *k,
                       const struct wpipe__places *places, unsigned i)
{
    struct wpipe__place place;
    int r;

    r = directory_to_watch(&place, places, i);
    if (r >= 0 && k->watch == WPIPE__NO_HANDLE)
        r = wpipe__os_watch_open(place.path, &k->watch);
    if (r >= 0)
        r = wpipe__os_watch_add(k->watch, place.path);
    if (r < 0 && (i == 0 || i + 1 == places->count))
        k->blind = 1;
    return r < 0 ? -1 : r;
}

/* Stop watching `number` unless a place still needs it. 1 when that was so. */
static int forget(const struct wpipe__name_watch *k, int number)
{
    int i;

    if (number < 0)
        return 0;
    for (i = 0; i < WPIPE__PLACES; i++)
        if (number == k->numbers[i])
            return 0;
    wpipe__os_watch_remove(k->watch, number);
    return 1;
}

/* One pass; 1 when a directory is not watched any more. What was heard is
 * forgotten first: a directory that goes while we begin to watch it must
 * still be heard of afterwards. */
static int listen_once(struct wpipe__name_watch *k)
{
    struct wpipe__places places;
    int before[WPIPE__PLACES];
    int forgotten = 0;
    unsigned i;

    k->blind = wpipe__places_find(&places, NULL) < 0;
    if (k->blind)
        places.count = 0;
    if (k->watch != WPIPE__NO_HANDLE)
        wpipe__os_watch_drain(k->watch);
    memcpy(before, k->numbers, sizeof(before));
    for (i = 0; i < WPIPE__PLACES; i++)
        k->numbers[i] = i < places.count ? watch_place(k, &places, i) : -1;
    for (i = 0; i < WPIPE__PLACES; i++)
        forgotten |= forget(k, before[i]);
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
        return wpipe__os_deadline(LOOK_MS);
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
    int before[WPIPE__PLACES];
    int i;

    for (i = 0; i < WPIPE__PLACES; i++) {
        before[i] = k->numbers[i];
        k->numbers[i] = -1;
    }
    for (i = 0; i < WPIPE__PLACES; i++)
        (void)forget(k, before[i]);
}

void wpipe__name_watch_done(struct wpipe__name_watch *k)
{
    static const struct wpipe__name_watch null = WPIPE__NAME_WATCH_NULL;

    if (k->watch != WPIPE__NO_HANDLE)
        wpipe__os_close(k->watch);
    k->watch = WPIPE__NO_HANDLE;
    memcpy(k->numbers, null.numbers, sizeof(k->numbers));
}
