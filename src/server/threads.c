/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The callback form of a server: one thread for each shard, which waits there
 * and calls the handlers; and the stop, which ends every wait. Public calls
 * of server/server.h, any thread.
 */
#include <string.h>

#include "server/server.h"

static void dispatch(struct wpipe_server *s, const wpipe_event *e)
{
    const wpipe_handlers *h = &s->handlers;
    void (*handler)(wpipe_server *, const wpipe_event *, void *) = h->other;

    if (e->type == WPIPE_EVENT_CONNECTED)
        handler = h->connected;
    else if (e->type == WPIPE_EVENT_MESSAGE)
        handler = h->message;
    else if (e->type == WPIPE_EVENT_DISCONNECTED)
        handler = h->disconnected;
    if (handler != NULL)
        handler(s, e, s->handlers_user);
}

static int is_stopped(struct wpipe__shard *shard)
{
    int stopped;

    wpipe__loop_lock(&shard->loop);
    stopped = shard->loop.stopped || shard->loop.closing;
    wpipe__loop_unlock(&shard->loop);
    return stopped;
}

static void *run(void *user)
{
    struct wpipe__shard *shard = user;
    wpipe_event event;
    int r;

    for (;;) {
        r = wpipe__shard_next(shard, &event, WPIPE_FOREVER, 1);
        if (r == 1)
            dispatch(shard->server, &event);
        else if (r < 0 || is_stopped(shard))
            break;
    }
    return NULL;
}

/* The first shard's lock is held in all that follows. */

static void set_stopped(struct wpipe__shard *shard, uint8_t stopped)
{
    wpipe__shard_enter(shard);
    shard->loop.stopped = stopped;
    wpipe__loop_attend(&shard->loop);
    wpipe__shard_leave(shard);
}

/* The first shard's comes last: it waits for the lock that we hold, and none of
 * the others has a client before it accepts one. */
static int start_threads(struct wpipe_server *s)
{
    unsigned i = s->shard_count;
    int r = 0;

    while (r == 0 && i-- > 0)
        r = wpipe__thread_start(&s->shards[i].thread, run, &s->shards[i]);
    if (r == 0)
        return 0;
    while (++i < s->shard_count) {
        set_stopped(&s->shards[i], 1);
        wpipe__thread_join(&s->shards[i].thread);
        set_stopped(&s->shards[i], 0);
    }
    return r;
}

int wpipe_server_start(wpipe_server *server, const wpipe_handlers *handlers,
                       void *user)
{
    struct wpipe__loop *loop;
    int r;

    if (server == NULL || handlers == NULL ||
        handlers->size < sizeof(handlers->size) ||
        handlers->size > sizeof(server->handlers))
        return WPIPE_EINVAL;
    loop = &server->shards[0].loop;
    r = wpipe__loop_use(loop);
    if (r < 0)
        return r;
    r = WPIPE_ESTATE;
    if (server->thread_state == WPIPE__THREAD_NONE && !loop->stopped &&
        !loop->waiting) {
        memset(&server->handlers, 0, sizeof(server->handlers));
        memcpy(&server->handlers, handlers, handlers->size);
        server->handlers_user = user;
        r = start_threads(server);
        if (r == 0)
            server->thread_state = WPIPE__THREAD_RUNNING;
    }
    wpipe__loop_unlock(loop);
    return r;
}

/* Is this one of its threads? They never wait for each other's end. */
int wpipe__server_own_thread(const struct wpipe_server *s)
{
    unsigned i;

    for (i = 0; i < s->shard_count; i++)
        if (wpipe__thread_is_current(&s->shards[i].thread))
            return 1;
    return 0;
}

/* Another thread joins them: wait until it has. */
static void wait_for_joiner(struct wpipe_server *s)
{
    struct wpipe__loop *loop = &s->shards[0].loop;

    while (s->thread_state == WPIPE__THREAD_JOINING) {
        uint32_t turn = wpipe__waiters_turn(&loop->waiters);

        wpipe__loop_unlock(loop);
        (void)wpipe__waiters_follow(&loop->waiters, turn, UINT64_MAX);
        wpipe__loop_lock(loop);
    }
}

/* Unlocked: they may want any lock before they end. Their words are left alone,
 * since they ask own_thread meanwhile. */
static void join_threads(const struct wpipe_server *s)
{
    unsigned i;

    for (i = 0; i < s->shard_count; i++) {
        struct wpipe__thread thread = s->shards[i].thread;

        wpipe__thread_join(&thread);
    }
}

void wpipe_server_stop(wpipe_server *server)
{
    struct wpipe__loop *loop;
    unsigned i;
    int join = 0;

    if (server == NULL || wpipe__loop_use(&server->shards[0].loop) < 0)
        return;
    loop = &server->shards[0].loop;
    for (i = 0; i < server->shard_count; i++)
        set_stopped(&server->shards[i], 1);
    if (server->thread_state != WPIPE__THREAD_NONE &&
        !wpipe__server_own_thread(server)) {
        join = server->thread_state == WPIPE__THREAD_RUNNING;
        if (join)
            server->thread_state = WPIPE__THREAD_JOINING;
        else
            wait_for_joiner(server);
    }
    wpipe__loop_unlock(loop);
    if (!join)
        return;
    join_threads(server);
    wpipe__loop_lock(loop);
    server->thread_state = WPIPE__THREAD_NONE;
    wpipe__waiters_tell(&loop->waiters);
    wpipe__loop_unlock(loop);
}
