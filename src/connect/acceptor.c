/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepting: life of the acceptor, the listening socket and the descriptor
 * table. What becomes of a pending connection is in pending.c.
 */
#include "connect/acceptor.h"

#include <string.h>
#include <windpipe.h>

#include "base/memory.h"
#include "base/name.h"
#include "base/options.h"
#include "connect/connect.h"
#include "connect/pending.h"

enum {
    TAGS = 64,
    ACCEPTS = 64,        /* in one turn */
    KEEP_MS = 5000,      /* between looks whether the name is still ours */
    LOST_MS = 1000,      /* while it is not */
    PAUSE_MS = 100,      /* without accepting, when nothing else helps */
    PENDING_MOST = 1024, /* silent ones; the oldest goes for a new one */
    GREETED_MOST = 128   /* more are left to the system's queue */
};

/* Pending connections have ids, whose low half is never 0. */
#define TAG_DOOR ((uint64_t)1 << 32)

void wpipe__acceptor_init(struct wpipe__acceptor *a)
{
    static const struct wpipe__door null = WPIPE__DOOR_NULL;
    static const struct wpipe__foreign_door none = WPIPE__FOREIGN_DOOR_NULL;

    memset(a, 0, sizeof(*a));
    a->door = null;
    a->foreign = none;
    a->poller = WPIPE__NO_HANDLE;
    a->door_poller = WPIPE__NO_HANDLE;
    a->door_tag = TAG_DOOR;
    a->reserve = WPIPE__NO_HANDLE;
    a->resume = UINT64_MAX;
    a->keep_at = UINT64_MAX;
    wpipe__list_init(&a->silent);
    wpipe__list_init(&a->greeted);
    wpipe__list_init(&a->queue);
}

/* ---- open --------------------------------------------------------------- */

static int choose_name(const char *name, const wpipe_options *options,
                       char ret_name[WPIPE_NAME_MAX + 1])
{
    uint8_t random[16];
    int r;

    if (name == NULL) {
        r = wpipe__os_random(random, sizeof(random));
        return r < 0 ? r : wpipe__name_generate(random, ret_name);
    }
    return wpipe__connect_name(name, options, ret_name);
}

static int poll_door(struct wpipe__acceptor *a)
{
    int r = wpipe__os_poller_add(a->door_poller, a->door.listener, a->door_tag);

    if (r < 0)
        return r;
    a->polled = 1;
    a->resume = UINT64_MAX;
    return 0;
}

static void unpoll_door(struct wpipe__acceptor *a)
{
    if (a->polled)
        wpipe__os_poller_remove(a->door_poller, a->door.listener);
    a->polled = 0;
}

static int open_parts(struct wpipe__acceptor *a, const wpipe_options *options,
                      wpipe__handle flag)
{
    int r = wpipe__slots_make(options, flag, &a->slots);

    if (r < 0)
        return r;
    r = wpipe__os_poller_open(&a->poller);
    if (r < 0)
        return r;
    a->door_poller = a->poller;
    r = wpipe__os_reserve(&a->reserve);
    return r;
}

/* Can the sockets of others be used as the other options want it? */
static int check_inherited(const char *name, const wpipe_options *o)
{
    const int serves_foreign =
        o->foreign == WPIPE_FOREIGN_ONLY || o->foreign == WPIPE_FOREIGN_ALSO;
    const char *why = NULL;

    if (o->listen_fd == 0 && o->foreign_fd == 0)
        return 0;
    if (name == NULL)
        why = "a socket of another process needs a name";
    else if (o->listen_fd != 0 && o->foreign == WPIPE_FOREIGN_ONLY)
        why = "options.listen_fd is set, but the native socket is not served";
    else if (o->foreign_fd != 0 && !serves_foreign)
        why = "options.foreign_fd is set, but no foreign socket is served";
    else if (o->foreign_fd != 0 && o->second_pipe != WPIPE_SECOND_PIPE_NONE)
        why = "options.second_pipe needs a foreign socket of our own, "
              "not options.foreign_fd";
    if (why == NULL)
        return 0;
    wpipe__options_explain(o, "%s", why);
    return WPIPE_EINVAL;
}

static int open_doors(struct wpipe__acceptor *a, const char *name,
                      const wpipe_options *options)
{
    int r = 0;

    if (options->foreign != WPIPE_FOREIGN_ONLY) {
        r = options->listen_fd == 0
                ? wpipe__door_open(&a->door, name, options)
                : wpipe__door_inherit(&a->door, name, options);
        if (r == 0)
            r = poll_door(a);
    } else {
        memcpy(a->door.name, name, strlen(name) + 1); /* what we are called */
    }
    if (r == 0 && (options->foreign == WPIPE_FOREIGN_ONLY ||
                   options->foreign == WPIPE_FOREIGN_ALSO))
        r = wpipe__acceptor_open_foreign(a, name, options);
    return r;
}

int wpipe__acceptor_open(struct wpipe__acceptor *a,
                         const struct wpipe__acceptor_owner *owner,
                         const char *name, const wpipe_options *options,
                         wpipe__handle flag)
{
    char chosen[WPIPE_NAME_MAX + 1];
    int r;

    wpipe__acceptor_init(a);
    a->owner = owner;
    a->options = *options;
    a->options.error_text = NULL;
    a->options.error_text_size = 0;
    r = check_inherited(name, options);
    if (r == 0)
        r = choose_name(name, options, chosen);
    if (r < 0)
        return r;
    r = open_parts(a, options, flag);
    if (r < 0) {
        wpipe__options_explain(options, "cannot listen on \"%s\": %s", chosen,
                               wpipe__os_error_text());
        goto fail;
    }
    r = open_doors(a, chosen, options);
    if (r < 0)
        goto fail;
    a->keep_at = wpipe__os_deadline(KEEP_MS);
    return 0;

fail:
    wpipe__acceptor_close(a);
    return r;
}

int wpipe__acceptor_join_apart(struct wpipe__acceptor *a, wpipe__handle poller,
                               uint64_t tag, uint64_t door_tag)
{
    int polled = a->polled;
    int r = wpipe__os_poller_add(poller, a->poller, tag);

    if (r < 0)
        return r;
    unpoll_door(a);
    a->door_poller = poller;
    a->door_tag = door_tag;
    return polled ? poll_door(a) : 0;
}

int wpipe__acceptor_join(struct wpipe__acceptor *a, wpipe__handle poller,
                         uint64_t tag)
{
    return wpipe__acceptor_join_apart(a, poller, tag, tag);
}

void wpipe__acceptor_close(struct wpipe__acceptor *a)
{
    size_t cursor = 0;
    struct wpipe__pending *pending;

    wpipe__door_close(&a->door);
    wpipe__acceptor_close_seconds(a);
    wpipe__foreign_door_close(&a->foreign);
    while ((pending = wpipe__table_next(&a->pending, &cursor)) != NULL)
        wpipe__pending_free(pending);
    wpipe__table_done(&a->pending);
    wpipe__os_close(a->reserve);
    wpipe__os_close(a->poller);
    wpipe__slots_close(a->slots);
    wpipe__acceptor_init(a);
}

/* ---- accepting ---------------------------------------------------------- */

/* Do not ask the listening socket for a while. */
static void pause_door(struct wpipe__acceptor *a)
{
    unpoll_door(a);
    a->resume = wpipe__os_deadline(PAUSE_MS);
}

static void resume_door(struct wpipe__acceptor *a)
{
    if (a->polled || a->resume == UINT64_MAX)
        return;
    if (wpipe__os_now() < a->resume)
        return;
    if (a->door.listener == WPIPE__NO_HANDLE)
        a->resume = UINT64_MAX;
    else if (poll_door(a) < 0)
        a->resume = wpipe__os_deadline(PAUSE_MS);
    wpipe__acceptor_watch_foreign(a);
}

/*
 * No descriptor is left. Give up the one in reserve, take the peer in with it
 * and send it away with a word. 1 when that worked; 0 nobody was there after
 * all, which the system tells only to who has a descriptor; < 0.
 */
static int shed(struct wpipe__acceptor *a)
{
    struct wpipe__refusal why = { .reason = WPIPE_REASON_FULL,
                                  .error = WPIPE_ELIMIT,
                                  .os_error = wpipe__os_error_number() };
    wpipe__handle socket = WPIPE__NO_HANDLE;
    struct wpipe__link *link = NULL;
    int r = WPIPE_ELIMIT;

    if (a->reserve == WPIPE__NO_HANDLE)
        (void)wpipe__os_reserve(&a->reserve);
    if (a->reserve != WPIPE__NO_HANDLE) {
        wpipe__os_close(a->reserve);
        a->reserve = WPIPE__NO_HANDLE;
        r = wpipe__os_accept(a->door.listener, &socket);
    }
    if (r == 0 && wpipe__native_accept(socket, &a->options, &link) == 0) {
        (void)wpipe__native_greeted(link); /* take its hello off first */
        wpipe__native_refuse(link, WPIPE_EBUSY);
        link->transport->free(link);
    }
    if (wpipe__os_reserve(&a->reserve) < 0)
        a->reserve = WPIPE__NO_HANDLE;
    if (r == WPIPE_EAGAIN)
        return 0;
    wpipe__pending_refused(a, &why);
    if (r == 0 && a->reserve == WPIPE__NO_HANDLE)
        return WPIPE_ELIMIT;
    return r < 0 ? r : 1;
}

/* The oldest silent pending connection makes room for a new one. */
static void limit_silent(struct wpipe__acceptor *a)
{
    struct wpipe__list *oldest;

    if (wpipe__table_count(&a->pending) < PENDING_MOST + (size_t)a->queued)
        return;
    oldest = wpipe__list_first(&a->silent);
    if (oldest != NULL)
        wpipe__pending_expire(
            a, wpipe__container_of(oldest, struct wpipe__pending, node));
}

/* Accept one. 1; 0 none is there or not now. */
static int accept_one(struct wpipe__acceptor *a)
{
    wpipe__handle socket = WPIPE__NO_HANDLE;
    struct wpipe__link *link = NULL;
    int r = wpipe__os_accept(a->door.listener, &socket);

    if (r == WPIPE_EAGAIN)
        return 0;
    if (r == WPIPE_ELIMIT) {
        r = shed(a);
        if (r >= 0)
            return r;
    }
    if (r < 0) {
        if (r != WPIPE_ELIMIT) /* which was told */
            wpipe__pending_fail_once(a, r);
        pause_door(a);
        return 0;
    }
    a->failing = 0;
    r = wpipe__native_accept(socket, &a->options, &link);
    if (r == 0) {
        limit_silent(a);
        r = wpipe__pending_add(a, link);
    }
    if (r == WPIPE_ENOMEM || r == WPIPE_ELIMIT) {
        struct wpipe__refusal why = { .reason = WPIPE_REASON_MEMORY,
                                      .error = r };

        wpipe__pending_refused(a, &why);
    } else if (r < 0) {
        wpipe__pending_fail(a, r);
    }
    return 1;
}

/* To accept nobody costs the system as much as to accept somebody: ask. If that
 * fails, see. */
static int somebody_dials(struct wpipe__acceptor *a)
{
    int dialled = a->dialled;

    a->dialled = 0;
    return dialled || wpipe__os_wait(&a->door.listener, 1, 0) != 0;
}

static void accept_some(struct wpipe__acceptor *a)
{
    unsigned budget = a->budget;
    int i;

    for (i = 0; i < ACCEPTS && a->polled && a->greeted_count < GREETED_MOST;
         i++) {
        if (!somebody_dials(a) || !accept_one(a))
            return;
        if (a->budget == 0 && budget > 0)
            return; /* no more is wanted now: the others keep in line */
    }
}

/* Whom we have no use for yet is better off with the system. */
static void limit_greeted(struct wpipe__acceptor *a)
{
    if (a->polled && a->greeted_count >= GREETED_MOST) {
        unpoll_door(a);
        a->crowded = 1;
    } else if (a->crowded && a->greeted_count < GREETED_MOST / 2) {
        a->crowded = 0;
        if (poll_door(a) < 0)
            pause_door(a);
    }
}

/* ---- the name ------------------------------------------------------------ */

/* The door has a new listener. Who still waits at the old one is taken in. */
static void change_door(struct wpipe__acceptor *a, wpipe__handle old)
{
    wpipe__handle fresh = a->door.listener;
    int polled = a->polled;
    int i = 0;

    a->door.listener = old;
    unpoll_door(a);
    while (i < PENDING_MOST && accept_one(a))
        i++;
    a->door.listener = fresh;
    wpipe__os_close_unknown(old, a->door.generation);
    if (polled && poll_door(a) < 0)
        pause_door(a);
}

/*
 * Every few seconds: no watch tells all that can become of the files, and those
 * that the system has for a user are few.
 */
static void keep_name(struct wpipe__acceptor *a)
{
    wpipe__handle old = WPIPE__NO_HANDLE;
    int foreign = 0;
    int r = 0;

    if (wpipe__os_now() < a->keep_at)
        return;
    if (a->door.listener != WPIPE__NO_HANDLE)
        r = wpipe__door_keep(&a->door, &a->options, &old);
    if (r == 1)
        change_door(a, old);
    if (a->foreign.listener != WPIPE__NO_HANDLE)
        foreign = wpipe__foreign_door_keep(&a->foreign, &a->options, &old);
    if (foreign == 1)
        wpipe__acceptor_change_foreign(a, old);
    if (foreign < 0 || r == 0)
        r = r < 0 ? r : foreign;
    a->keep_at = wpipe__os_deadline(r < 0 ? LOST_MS : KEEP_MS);
    if (a->owner->named != NULL && (r == 1 || r != a->unnamed))
        a->owner->named(a, r < 0 ? r : 0);
    a->unnamed = r < 0 ? r : 0;
}

/* ---- turns -------------------------------------------------------------- */

static void expire(struct wpipe__acceptor *a)
{
    struct wpipe__list *node;
    struct wpipe__pending *pending;
    uint64_t now;

    if (wpipe__list_empty(&a->silent))
        return;
    now = wpipe__os_now();
    while ((node = wpipe__list_first(&a->silent)) != NULL) {
        pending = wpipe__container_of(node, struct wpipe__pending, node);
        if (pending->deadline > now)
            return;
        wpipe__pending_expire(a, pending);
    }
}

static void ask_poller(struct wpipe__acceptor *a)
{
    uint64_t tags[TAGS];
    struct wpipe__pending *pending;
    int n;
    int i;

    n = wpipe__os_poller_wait(a->poller, tags, TAGS, 0);
    for (i = 0; i < n; i++) {
        if (tags[i] == TAG_DOOR)
            continue;
        if (tags[i] == WPIPE__TAG_FOREIGN) {
            wpipe__acceptor_let_foreign_in(a);
            continue;
        }
        if (tags[i] == WPIPE__TAG_SECOND) {
            wpipe__acceptor_meet(a);
            continue;
        }
        pending = wpipe__table_find(&a->pending, tags[i]);
        if (pending != NULL)
            wpipe__pending_pump(a, pending);
    }
}

void wpipe__acceptor_turn(struct wpipe__acceptor *a, unsigned budget)
{
    a->budget = budget;
    resume_door(a);
    keep_name(a);
    if (a->resume == UINT64_MAX)
        wpipe__acceptor_watch_foreign(a); /* a slot may be free again */
    if (a->pending_polled > 0 || a->foreign.listener != WPIPE__NO_HANDLE)
        ask_poller(a);
    accept_some(a);
    expire(a);
    wpipe__acceptor_expire_seconds(a);
    wpipe__pending_admit_all(a);
    wpipe__acceptor_admit_seconds(a);
    limit_greeted(a);
}

void wpipe__acceptor_admit(struct wpipe__acceptor *a, unsigned budget)
{
    if (a->admitting)
        return;
    if (a->resume != UINT64_MAX)
        a->resume = 0; /* a descriptor became free, maybe */
    a->budget = budget;
    wpipe__pending_admit_all(a);
    wpipe__acceptor_admit_seconds(a);
    limit_greeted(a);
    wpipe__acceptor_watch_foreign(a);
}

unsigned wpipe__acceptor_waiting(const struct wpipe__acceptor *a)
{
    return a->queued + a->greeted_count + wpipe__acceptor_seconds_waiting(a);
}

uint64_t wpipe__acceptor_until(const struct wpipe__acceptor *a)
{
    const struct wpipe__list *node = wpipe__list_first(&a->silent);
    uint64_t until =
        wpipe__min_u64(a->resume, wpipe__acceptor_seconds_until(a));

    until = wpipe__min_u64(until, a->keep_at);
    if (node != NULL)
        until = wpipe__min_u64(
            until,
            wpipe__container_of(node, struct wpipe__pending, node)->deadline);
    return until;
}
