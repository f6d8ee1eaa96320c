/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's ends in good order: drain, disconnect, shutdown, close.
 */
#include <string.h>

#include "loop/linger.h"
#include "server/server.h"

/* ---- drain -------------------------------------------------------------- */

static int drain_one(wpipe_server *s, wpipe_id who, struct wpipe__rest *rest)
{
    struct wpipe__shard *shard;
    struct wpipe__conn *conn;
    int r = wpipe__server_lock(s, who, &shard);

    if (r < 0)
        return r;
    conn = wpipe__table_find(&shard->clients, who & ~WPIPE__SHARD_MASK);
    r = conn == NULL ? WPIPE_ENOTCONN
                     : wpipe__loop_drain(&shard->loop, conn, rest);
    wpipe__loop_unlock(&shard->loop);
    return r;
}

/* One after the other: what was sent before the call has been read then. */
static int drain_shard(struct wpipe__shard *shard, struct wpipe__rest *rest)
{
    struct wpipe__conn *conn;
    size_t cursor = 0;
    int r = wpipe__loop_use(&shard->loop);

    if (r < 0)
        return r;
    while (r == 0 &&
           (conn = wpipe__table_next(&shard->clients, &cursor)) != NULL) {
        r = wpipe__loop_drain(&shard->loop, conn, rest);
        if (r == WPIPE_ENOTCONN)
            r = 0; /* its end tells */
    }
    wpipe__loop_unlock(&shard->loop);
    return r;
}

int wpipe_server_drain(wpipe_server *server, wpipe_id who, int timeout_ms)
{
    struct wpipe__rest rest = { .timer = { timeout_ms, 0 } };
    unsigned i;
    int r = 0;

    if (server == NULL || !wpipe__is_timeout(timeout_ms))
        return WPIPE_EINVAL;
    if (who != WPIPE_ALL)
        return drain_one(server, who, &rest);
    for (i = 0; r == 0 && i < server->shard_count; i++)
        r = drain_shard(&server->shards[i], &rest);
    return r;
}

/* ---- the end of one ----------------------------------------------------- */

int wpipe_server_disconnect(wpipe_server *server, wpipe_id who)
{
    struct wpipe__shard *shard;
    struct wpipe__conn *conn;
    int r = wpipe__server_client(server, who, &shard, &conn);

    if (r < 0)
        return r;
    r = wpipe__loop_disconnect(&shard->loop, conn, server->options.linger_ms);
    wpipe__shard_set_timer(shard);
    wpipe__loop_unlock(&shard->loop);
    return r;
}

/* ---- the end of all ----------------------------------------------------- */

static struct wpipe__conn *next_client(void *user, size_t *cursor)
{
    const struct wpipe__shard *shard = user;

    return wpipe__table_next(&shard->clients, cursor);
}

/* The name is given back first: a new server may begin while we linger. Nobody
 * asks for events any more; what was refused is for the log. */
static void give_name_back(struct wpipe_server *s)
{
    struct wpipe__refusal why;
    uint64_t count;

    wpipe__loop_lock(&s->shards[0].loop);
    if (!s->shut)
        wpipe__acceptor_close(&s->acceptor);
    while (wpipe__refusals_next(&s->refusals, UINT64_MAX, &why, &count))
        wpipe__log_refused(s->log, why.reason, why.error, count);
    s->shut = 1;
    wpipe__loop_unlock(&s->shards[0].loop);
}

int wpipe_server_stop_accepting(wpipe_server *server)
{
    if (server == NULL)
        return WPIPE_EINVAL;
    if (server->shards[0].loop.generation != wpipe__os_generation())
        return WPIPE_ESTATE;
    give_name_back(server);
    return 0;
}

int wpipe__server_end(struct wpipe_server *s, int timeout_ms,
                      enum wpipe__until until, wpipe_lost *lost)
{
    struct wpipe__linger loops[WPIPE_THREADS_MAX];
    unsigned i;

    wpipe_server_stop(s);
    give_name_back(s);
    for (i = 0; i < s->shard_count; i++) {
        loops[i].loop = &s->shards[i].loop;
        loops[i].next = next_client;
        loops[i].user = &s->shards[i];
    }
    return wpipe__linger(loops, s->shard_count, timeout_ms, until, lost);
}

int wpipe_server_shutdown(wpipe_server *server, int timeout_ms,
                          wpipe_lost *ret_lost)
{
    wpipe_lost lost = { .size = sizeof(lost) };
    int r;

    if (server == NULL || wpipe__lost_check(ret_lost) < 0 ||
        !wpipe__is_timeout(timeout_ms))
        return WPIPE_EINVAL;
    if (server->shards[0].loop.generation != wpipe__os_generation() ||
        wpipe__server_own_thread(server))
        return WPIPE_ESTATE;
    r = wpipe__server_end(server, timeout_ms, WPIPE__UNTIL_READ, &lost);
    wpipe__lost_give(&lost, ret_lost);
    return r;
}
