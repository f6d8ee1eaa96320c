/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is there: listing names, asking a server about itself, waiting for one
 * to come. A question is a connection of its own kind that ends with the
 * answer, so a full server answers, too. Called by users, and by connect.c for
 * its sentence about a full server.
 */
#include <windpipe.h>

#include <string.h>

#include "base/base.h"
#include "base/memory.h"
#include "base/name.h"
#include "base/options.h"
#include "connect/attempt.h"
#include "connect/connect.h"
#include "connect/facts.h"
#include "door/door.h"
#include "door/foreign.h"
#include "link/link.h"

enum {
    TRIES = 3 /* of a server that ends the connection without a word */
};

/* ---- asking ------------------------------------------------------------- */

/* Wait for the answer: 0 and its bytes, which are the link's. WPIPE_EAGAIN: it
 * ended without a word, as that of a server does that closes, or has no memory
 * for one more pending connection. */
static int wait_facts(struct wpipe__link *link, uint64_t deadline,
                      const uint8_t **ret_bytes, size_t *ret_size)
{
    int r;

    for (;;) {
        r = wpipe__native_facts(link, ret_bytes, ret_size);
        if (r == 1)
            return 0;
        if (r < 0)
            break;
        r = wpipe__os_wait(&link->socket, 1, deadline);
        if (r == 0)
            return WPIPE_ETIMEDOUT;
        if (r < 0 && r != WPIPE_EWOKEN)
            return r;
    }
    return wpipe__connect_may_retry(r) ? WPIPE_EAGAIN : r;
}

/* Ask, and take the answer apart. Returns how many links were filled in, or
 * as wait_facts. */
static int ask_once(const char *name, const wpipe_options *options,
                    uint64_t deadline, wpipe_pipe_facts *ret_pipe,
                    struct wpipe__link_fact *ret_links, size_t max_links)
{
    struct wpipe__name_watch name_watch = WPIPE__NAME_WATCH_NULL;
    char parsed[WPIPE_NAME_MAX + 1];
    struct wpipe__attempt a = { .name = parsed,
                                .options = options,
                                .deadline = deadline,
                                .wake = WPIPE__NO_HANDLE,
                                .query = 1,
                                .name_watch = &name_watch };
    struct wpipe__link *link = NULL;
    const uint8_t *bytes = NULL;
    size_t size = 0;
    int r = wpipe__connect_name(name, options, parsed);

    if (r < 0)
        return r;
    r = wpipe__attempt(&a, &link);
    wpipe__name_watch_done(&name_watch);
    if (r == WPIPE_ETIMEDOUT)
        return wpipe__attempt_late(&a);
    if (r < 0)
        return r;
    r = wait_facts(link, deadline, &bytes, &size);
    if (r == 0)
        r = wpipe__facts_decode(bytes, size, ret_pipe, ret_links, max_links);
    if (r >= 0) {
        ret_pipe->owner.size = sizeof(ret_pipe->owner);
        (void)wpipe__link_peer(link, &ret_pipe->owner);
    }
    link->transport->free(link);
    return r;
}

static int ask(const char *name, const wpipe_options *options,
               uint64_t deadline, wpipe_pipe_facts *ret_pipe,
               struct wpipe__link_fact *ret_links, size_t max_links)
{
    int tries;
    int r;

    for (tries = 0; tries < TRIES; tries++) {
        r = ask_once(name, options, deadline, ret_pipe, ret_links, max_links);
        if (r != WPIPE_EAGAIN)
            return r;
    }
    return WPIPE_ENOTFOUND; /* as if it were not there */
}

int wpipe__inspect_pipe(const char *name, const wpipe_options *options,
                        uint64_t deadline, wpipe_pipe_facts *ret_pipe)
{
    wpipe_options o = *options;
    int r;

    o.error_text = NULL;
    o.error_text_size = 0;
    r = ask(name, &o, deadline, ret_pipe, NULL, 0);
    return r < 0 ? r : 0;
}

/* ---- answers for the caller --------------------------------------------- */

/* The server tells process ids of its own PID namespace; `same`: it is ours. */
static void fill_link(const struct wpipe__link_fact *fact, int same,
                      size_t size, wpipe_link_facts *ret)
{
    wpipe_link_facts link = { .size = size };

    link.id = fact->id;
    link.peer.size = sizeof(link.peer);
    link.peer.uid = fact->uid;
    link.peer.gid = fact->gid;
    link.peer.pid = same ? fact->pid : 0;
    wpipe__os_program(link.peer.pid, link.peer.program,
                      sizeof(link.peer.program));
    wpipe__os_user(fact->uid, link.peer.user, sizeof(link.peer.user));
    link.shared = (int)fact->shared;
    link.messages_in = fact->messages_in;
    link.messages_out = fact->messages_out;
    link.bytes_in = fact->bytes_in;
    link.bytes_out = fact->bytes_out;
    link.queued = fact->queued;
    link.age_us = fact->age_us;
    link.idle_us = fact->idle_us;
    link.dropped = fact->dropped;
    memcpy(ret, &link, size);
}

/* Elements as large as the caller knows them. */
static void fill_links(const struct wpipe__link_fact *facts, int count,
                       int same, wpipe_link_facts *ret_links)
{
    size_t size = ret_links->size;
    char *at = (char *)ret_links;
    int i;

    for (i = 0; i < count; i++)
        fill_link(&facts[i], same, size,
                  (wpipe_link_facts *)(void *)(at + (size_t)i * size));
}

static int is_size(size_t size, size_t most)
{
    return size >= sizeof(size_t) && size <= most;
}

int wpipe_inspect(const char *name, wpipe_pipe_facts *ret_pipe,
                  wpipe_link_facts *ret_links, size_t max_links, int timeout_ms)
{
    wpipe_pipe_facts pipe = { 0 };
    struct wpipe__link_fact *facts = NULL;
    wpipe_options o;
    int r;

    if (name == NULL || ret_pipe == NULL || !wpipe__is_timeout(timeout_ms) ||
        !is_size(ret_pipe->size, sizeof(pipe)) ||
        (max_links > 0 &&
         (ret_links == NULL || !is_size(ret_links->size, sizeof(*ret_links)))))
        return WPIPE_EINVAL;
    r = wpipe__options_take(NULL, &o);
    if (r < 0)
        return r;
    max_links = wpipe__min_size(max_links, WPIPE__FACTS_LINKS);
    if (max_links > 0) {
        facts = wpipe__alloc(max_links * sizeof(*facts));
        if (facts == NULL)
            return WPIPE_ENOMEM;
    }
    r = ask(name, &o, wpipe__os_deadline(timeout_ms), &pipe, facts, max_links);
    if (r >= 0) {
        pipe.size = ret_pipe->size;
        memcpy(ret_pipe, &pipe, ret_pipe->size);
        if (r > 0)
            fill_links(facts, r, wpipe__os_same_pids(pipe.owner.pid),
                       ret_links);
    }
    wpipe__free(facts);
    return r;
}

/* ---- names -------------------------------------------------------------- */

int wpipe_list(int (*each)(const char *name, const char *where, void *user),
               void *user)
{
    return each == NULL ? WPIPE_EINVAL : wpipe__door_each(each, user);
}

int wpipe_prune(int (*each)(const char *name, const char *where, void *user),
                void *user)
{
    return wpipe__door_prune(each, user);
}

/* ---- waiting ------------------------------------------------------------ */

/* What wpipe_wait_for waits for. */
struct expected {
    char name[WPIPE_NAME_MAX + 1];
    int native; /* not only a path */
    int silent; /* a foreign server may come without a sign */
    struct wpipe__name_watch watch;
};

/* Is somebody there? 0; WPIPE_ENOTFOUND; < 0. A foreign server would take a
 * connection for a client, so it gets none. */
static int look(const struct expected *e)
{
    wpipe__handle socket = WPIPE__NO_HANDLE;
    struct wpipe__foreign_facts facts;
    int r = WPIPE_ENOTFOUND;

    if (e->native)
        r = wpipe__door_dial(e->name, NULL, &socket);
    wpipe__os_close_unknown(socket, wpipe__os_generation());
    if (r == WPIPE_EAGAIN)
        return 0; /* a full backlog is a server, too */
    if (r != WPIPE_ENOTFOUND)
        return r;
    r = wpipe__foreign_door_facts(e->name, &facts);
    return r == 0 && facts.listening != 0 ? 0 : WPIPE_ENOTFOUND;
}

/* Hear of the foreign socket, too. */
static void watch_foreign(struct expected *e)
{
    static const wpipe_options options = { .foreign = WPIPE_FOREIGN_DEFAULT };

    e->silent = wpipe__connect_watch(e->name, &options, &e->watch);
}

static int wait_until_there(struct expected *e, uint64_t deadline)
{
    int watching = 0;
    int r;

    while ((r = look(e)) == WPIPE_ENOTFOUND) {
        if (deadline == 0)
            return WPIPE_ETIMEDOUT;
        if (!watching)
            wpipe__name_watch_open(&e->watch); /* and look once more */
        else
            r = wpipe__name_watch_wait(
                &e->watch, e->silent ? WPIPE_EAGAIN : WPIPE_ENOTFOUND, deadline,
                WPIPE__NO_HANDLE);
        if (watching && r < 0)
            return r;
        watching = 1;
        watch_foreign(e);
    }
    return r;
}

/* As a name, or as the path of a foreign socket. */
static int expected_init(struct expected *e, const char *name)
{
    static const struct wpipe__name_watch null = WPIPE__NAME_WATCH_NULL;
    char path[WPIPE_FOREIGN_PATH_SIZE];
    int r;

    e->silent = 0;
    e->watch = null;
    r = wpipe__name_parse(name, e->name, NULL);
    e->native = r == 0;
    if (r == 0 || name[0] != '/')
        return r;
    r = wpipe__foreign_path(name, path, sizeof(path), NULL);
    if (r == 0)
        memcpy(e->name, path, strlen(path) + 1);
    return r;
}

int wpipe_wait_for(const char *name, int timeout_ms)
{
    uint64_t deadline = wpipe__os_deadline(timeout_ms);
    struct expected e;
    int r;

    if (name == NULL || !wpipe__is_timeout(timeout_ms))
        return WPIPE_EINVAL;
    r = expected_init(&e, name);
    if (r < 0)
        return r;
    r = wait_until_there(&e, deadline);
    wpipe__name_watch_done(&e.watch);
    return r;
}

/* ---- foreign doors ------------------------------------------------------- */

struct foreign_list {
    int (*each)(const char *name, const wpipe_foreign_facts *facts, void *user);
    void *user;
};

static void fill_foreign(const struct wpipe__foreign_facts *found,
                         wpipe_foreign_facts *ret)
{
    ret->path = found->path;
    ret->uid = found->uid;
    ret->mode = found->mode;
    ret->listening = found->listening;
    ret->pid = found->pid;
    if (found->pid != 0)
        wpipe__os_program(found->pid, ret->program, sizeof(ret->program));
}

static int tell_foreign(const char *name, const char *where, void *user)
{
    struct foreign_list *list = user;
    struct wpipe__foreign_facts found;
    wpipe_foreign_facts facts = { .size = sizeof(facts) };

    (void)where;
    if (wpipe__foreign_door_facts(name, &found) < 0)
        return 0; /* it went while we looked */
    fill_foreign(&found, &facts);
    return list->each(name, &facts, list->user);
}

int wpipe_list_foreign(int (*each)(const char *name,
                                   const wpipe_foreign_facts *facts,
                                   void *user),
                       void *user)
{
    struct foreign_list list = { each, user };

    if (each == NULL)
        return WPIPE_EINVAL;
    return wpipe__foreign_door_each(tell_foreign, &list);
}

int wpipe_inspect_foreign(const char *name, wpipe_foreign_facts *ret_facts,
                          char *ret_path, size_t size)
{
    wpipe_foreign_facts facts = { 0 };
    struct wpipe__foreign_facts found;
    int r;

    if (name == NULL || ret_facts == NULL || ret_path == NULL ||
        !is_size(ret_facts->size, sizeof(facts)))
        return WPIPE_EINVAL;
    r = wpipe__foreign_door_facts(name, &found);
    if (r < 0)
        return r;
    if (strlen(found.path) >= size)
        return WPIPE_EINVAL;
    memcpy(ret_path, found.path, strlen(found.path) + 1);
    fill_foreign(&found, &facts);
    facts.path = ret_path;
    facts.size = ret_facts->size;
    memcpy(ret_facts, &facts, ret_facts->size);
    return 0;
}
