/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers: open, ask, close. Sending is in send.c, waiting in
 * loop.c, the callback form in threads.c, ends in good order in
 * end.c.
 */
#include "server/server.h"

#include <string.h>

#include "base/memory.h"
#include "base/options.h"

/* ---- open and close ----------------------------------------------------- */

static int open_acceptor(struct wpipe_server *s, const char *name)
{
    int r = wpipe__acceptor_open(&s->acceptor, &wpipe__server_acceptor_owner,
                                 name, &s->options, WPIPE__NO_HANDLE);

    if (r < 0)
        return r;
    r = wpipe__acceptor_join(&s->acceptor, s->shards[0].loop.poller,
                             WPIPE__TAG_ACCEPTOR);
    if (r < 0)
        wpipe__options_explain(&s->options, "cannot serve: %s",
                               wpipe__os_error_text());
    s->slots = s->acceptor.slots;
    memcpy(s->name, s->acceptor.door.name, sizeof(s->name));
    return r;
}

static int open_shards(struct wpipe_server *s)
{
    unsigned i;
    int r = 0;

    for (i = 0; r == 0 && i < s->shard_count; i++) {
        struct wpipe__shard *shard = &s->shards[i];

        shard->server = s;
        shard->number = i;
        r = wpipe__loop_init(&shard->loop, &wpipe__server_loop_owner,
                             &s->options);
        shard->loop.log = s->log;
        shard->loop.budget.freed = wpipe__server_freed;
        shard->loop.budget.open = s->options.access != WPIPE_ACCESS_USER;
        shard->loop.calls.mark = (uint64_t)i << WPIPE__CALL_MARK_SHIFT;
        shard->loop.budget.loops = s->shard_count;
        shard->loop.number = i;
        shard->loop.shared_budget = &s->shards[0].loop.budget;
    }
    if (r < 0)
        wpipe__options_explain(&s->options, "cannot serve: %s",
                               wpipe__os_error_text());
    return r;
}

static void close_shards(struct wpipe_server *s)
{
    unsigned i;

    s->shards[0].loop.budget.freed = NULL; /* nobody waits for it any more */
    for (i = 0; i < s->shard_count; i++) {
        struct wpipe__shard *shard = &s->shards[i];
        struct wpipe__conn *conn;
        size_t cursor = 0;

        while ((conn = wpipe__table_next(&shard->clients, &cursor)) != NULL)
            wpipe__conn_free(conn, shard->loop.shared_budget);
        wpipe__table_done(&shard->clients);
        wpipe__received_done(&shard->received);
        wpipe__loop_done(&shard->loop);
    }
    wpipe__budget_done(&s->shards[0].loop.budget);
}

int wpipe_server_open(wpipe_server **ret, const char *name,
                      const wpipe_options *options)
{
    struct wpipe_server *s;
    wpipe_options o;
    int r;

    if (ret == NULL)
        return WPIPE_EINVAL;
    r = wpipe__options_take(options, &o);
    if (r < 0)
        return r;
    if (o.type == WPIPE_DEFAULT_TYPE)
        o.type = WPIPE_MESSAGE;
    s = wpipe__alloc(sizeof(*s) + o.threads * sizeof(s->shards[0]));
    if (s == NULL)
        return WPIPE_ENOMEM;
    s->options = o;
    s->shard_count = o.threads;
    wpipe__acceptor_init(&s->acceptor);
    r = wpipe__log_open(&o, &s->log);
    if (r < 0)
        goto fail;
    r = open_shards(s);
    if (r < 0)
        goto fail;
    r = open_acceptor(s, name);
    if (r < 0)
        goto fail;
    wpipe__shard_set_timer(&s->shards[0]);
    s->options.error_text = NULL; /* the caller's, for this call only */
    s->options.error_text_size = 0;
    *ret = s;
    return 0;

fail:
    wpipe__acceptor_close(&s->acceptor);
    close_shards(s);
    wpipe__log_close(s->log);
    wpipe__free(s);
    return r;
}

void wpipe_server_close(wpipe_server *server)
{
    wpipe_lost lost = { .size = sizeof(lost) };

    if (server == NULL)
        return;
    if (server->shards[0].loop.generation == wpipe__os_generation())
        (void)wpipe__server_end(server, server->options.linger_ms,
                                WPIPE__UNTIL_HANDED, &lost);
    else
        wpipe__acceptor_close(&server->acceptor); /* closes only */
    close_shards(server);
    wpipe__log_close(server->log);
    wpipe__free(server);
}

/* ---- asking ------------------------------------------------------------- */

int wpipe_server_peer(wpipe_server *server, wpipe_id who, wpipe_peer *ret_peer)
{
    struct wpipe__link_peer peer;
    struct wpipe__shard *shard;
    struct wpipe__conn *conn;
    int r;

    if (ret_peer == NULL)
        return WPIPE_EINVAL;
    r = wpipe__server_client(server, who, &shard, &conn);
    if (r < 0)
        return r;
    r = wpipe__link_hold_peer(conn->link, ret_peer, &peer);
    wpipe__loop_unlock(&shard->loop);
    if (r == 0)
        wpipe__link_name_peer(&peer, ret_peer);
    return r;
}

size_t wpipe_server_count(wpipe_server *server)
{
    if (server == NULL ||
        server->shards[0].loop.generation != wpipe__os_generation())
        return 0;
    return wpipe__server_connected(server);
}

const char *wpipe_server_name(const wpipe_server *server)
{
    return server == NULL ? NULL : server->name;
}

intptr_t wpipe_server_fd(wpipe_server *server)
{
    if (server == NULL)
        return WPIPE_EINVAL;
    if (server->shard_count > 1)
        return WPIPE_ESTATE; /* there would be more than one */
    return wpipe__loop_handle(&server->shards[0].loop);
}

void wpipe_server_wake(wpipe_server *server)
{
    unsigned i;

    for (i = 0; server != NULL && i < server->shard_count; i++)
        wpipe__loop_wake(&server->shards[i].loop);
}
