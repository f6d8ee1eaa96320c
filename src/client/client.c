/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients: open, send, ask, close. How it connects is in connect.c, waiting in
 * wait.c, calls in call.c.
 */
#include "client/client.h"

#include <string.h>

#include "base/memory.h"
#include "base/name.h"
#include "base/options.h"
#include "base/pieces.h"
#include "connect/connect.h"
#include "loop/end.h"
#include "loop/linger.h"

/* ---- open --------------------------------------------------------------- */

/* Wait for the connection, as wpipe_connect does. */
static int connect_now(struct wpipe_client *c)
{
    struct wpipe__connect_wait waiting = { .wake = WPIPE__NO_HANDLE,
                                           .name_watch = &c->name_watch };
    struct wpipe__link *link = NULL;
    int r;

    waiting.deadline = wpipe__os_deadline(c->options.connect_ms);
    r = wpipe__connect_link(c->name, &c->options, &waiting, &link);
    if (r < 0)
        return r;
    wpipe__loop_lock(&c->loop);
    r = wpipe__client_connected(c, link);
    wpipe__loop_unlock(&c->loop);
    return r;
}

static void connect_later(struct wpipe_client *c)
{
    c->options.error_text = NULL; /* the caller's, for this call only */
    c->options.error_text_size = 0;
    if (!(c->options.flags & WPIPE_RECONNECT))
        c->give_up = wpipe__os_deadline(c->options.connect_ms);
    wpipe__client_try(c);
}

static int take_options(struct wpipe_client *c, const char *name,
                        const wpipe_options *options)
{
    c->options = *options;
    if (c->options.type == WPIPE_DEFAULT_TYPE)
        c->options.type = WPIPE_MESSAGE;
    /* a client has events for what it does not wait for */
    c->options.flags &= ~(uint32_t)WPIPE_CONNECT_EARLY;
    return wpipe__connect_name(name, &c->options, c->name);
}

static void memory_freed(struct wpipe__budget *budget)
{
    wpipe__loop_nudge(wpipe__container_of(budget, struct wpipe__loop, budget));
}

int wpipe_client_open(wpipe_client **ret, const char *name,
                      const wpipe_options *options)
{
    static const struct wpipe__name_watch null = WPIPE__NAME_WATCH_NULL;
    static const struct wpipe__introduced none = WPIPE__INTRODUCED_NULL;
    struct wpipe_client *c;
    wpipe_options o;
    int r;

    if (ret == NULL || name == NULL)
        return WPIPE_EINVAL;
    r = wpipe__options_take(options, &o);
    if (r < 0)
        return r;
    c = wpipe__alloc(sizeof(*c));
    if (c == NULL)
        return WPIPE_ENOMEM;
    c->name_watch = null;
    c->introduced = none;
    c->retry_at = UINT64_MAX;
    c->give_up = UINT64_MAX;
    wpipe__list_init(&c->kept);
    r = take_options(c, name, &o);
    if (r < 0)
        goto fail;
    r = wpipe__loop_init(&c->loop, &wpipe__client_loop_owner, &o);
    if (r < 0) {
        wpipe__options_explain(&o, "cannot make a client: %s",
                               wpipe__os_error_text());
        goto fail;
    }
    r = wpipe__log_open(&o, &c->loop.log);
    if (r < 0)
        goto fail;
    c->loop.budget.freed = memory_freed;
    c->loop.keeps = 1;
    if (o.flags & WPIPE_CONNECT_LATER)
        connect_later(c);
    else
        r = connect_now(c);
    if (r < 0)
        goto fail;
    c->options.error_text = NULL;
    c->options.error_text_size = 0;
    *ret = c;
    return 0;

fail:
    wpipe_client_close(c);
    return r;
}

/* ---- close -------------------------------------------------------------- */

static struct wpipe__conn *next_conn(void *user, size_t *cursor)
{
    const struct wpipe_client *c = user;

    return (*cursor)++ == 0 ? c->conn : NULL;
}

/* Send nothing more, linger, end the connection. */
static int end(struct wpipe_client *c, int timeout_ms, enum wpipe__until until,
               wpipe_lost *lost)
{
    struct wpipe__linger loop = { .loop = &c->loop,
                                  .next = next_conn,
                                  .user = c };
    int r;

    wpipe__loop_lock(&c->loop);
    wpipe__client_stop_trying(c);
    c->loop.closing = 1;
    if (c->conn == NULL)
        c->state = WPIPE__CLIENT_OVER;
    wpipe__loop_attend(&c->loop);
    wpipe__loop_unlock(&c->loop);
    r = wpipe__linger(&loop, 1, timeout_ms, until, lost);
    wpipe__loop_lock(&c->loop);
    c->state = WPIPE__CLIENT_OVER;
    wpipe__loop_attend(&c->loop);
    wpipe__loop_unlock(&c->loop);
    return r;
}

int wpipe_client_shutdown(wpipe_client *client, int timeout_ms,
                          wpipe_lost *ret_lost)
{
    wpipe_lost lost = { .size = sizeof(lost) };
    int r;

    if (client == NULL || wpipe__lost_check(ret_lost) < 0 ||
        !wpipe__is_timeout(timeout_ms))
        return WPIPE_EINVAL;
    if (client->loop.generation != wpipe__os_generation())
        return WPIPE_ESTATE;
    r = end(client, timeout_ms, WPIPE__UNTIL_READ, &lost);
    wpipe__lost_give(&lost, ret_lost);
    return r;
}

/* In a forked child: the poller is the parent's, too, and is left alone. */
static void close_forked(struct wpipe_client *c)
{
    if (c->greeting != NULL)
        c->greeting->transport->free(c->greeting);
    wpipe__introduced_done(&c->introduced);
    wpipe__os_close(c->name_watch.watch);
}

void wpipe_client_close(wpipe_client *client)
{
    wpipe_lost lost = { .size = sizeof(lost) };

    if (client == NULL)
        return;
    if (client->loop.generation == wpipe__os_generation())
        (void)end(client, client->options.linger_ms, WPIPE__UNTIL_HANDED,
                  &lost);
    else if (client->loop.generation != 0)
        close_forked(client);
    client->loop.budget.freed = NULL;
    wpipe__client_drop_kept(client);
    wpipe__conn_free(client->conn, &client->loop.budget);
    wpipe__received_done(&client->received);
    wpipe__received_done(&client->scratch);
    wpipe__loop_done(&client->loop);
    wpipe__log_close(client->loop.log);
    wpipe__budget_done(&client->loop.budget);
    wpipe__free(client);
}

/* ---- sending ------------------------------------------------------------ */

struct wpipe__conn *wpipe__client_connection(struct wpipe_client *c)
{
    return c->conn != NULL && c->conn->link != NULL ? c->conn : NULL;
}

static int send_now(struct wpipe_client *c,
                    const struct wpipe__outgoing *outgoing, int want_writable)
{
    struct wpipe__conn *conn = wpipe__client_connection(c);

    if (conn == NULL)
        return WPIPE_ENOTCONN;
    return wpipe__loop_send(&c->loop, conn, outgoing, want_writable);
}

static int send_outgoing(struct wpipe_client *c,
                         const struct wpipe__outgoing *outgoing)
{
    int r = wpipe__loop_use(&c->loop);

    if (r < 0)
        return r;
    r = send_now(c, outgoing, 1);
    wpipe__loop_unlock(&c->loop);
    return r;
}

int wpipe_client_send(wpipe_client *client, const void *data, size_t size)
{
    struct wpipe__outgoing outgoing = { .data = data, .size = size };

    if (client == NULL || (data == NULL && size > 0))
        return WPIPE_EINVAL;
    return send_outgoing(client, &outgoing);
}

int wpipe_client_sendv(wpipe_client *client, const wpipe_piece *pieces,
                       int count)
{
    struct wpipe__outgoing outgoing = { .pieces = pieces, .count = count };

    if (client == NULL || wpipe__pieces_size(pieces, count, &outgoing.size) < 0)
        return WPIPE_EINVAL;
    return send_outgoing(client, &outgoing);
}

/* A call of wpipe_client_send_wait or wpipe_client_drain. */
struct sleeper {
    struct wpipe_client *c;
    struct wpipe__rest rest;
};

/* 0 look again; WPIPE_ETIMEDOUT, WPIPE_EWOKEN. */
static int follow(struct sleeper *s)
{
    return wpipe__loop_follow(&s->c->loop, &s->rest);
}

static int send_or_wait(struct sleeper *s,
                        const struct wpipe__outgoing *outgoing)
{
    int r;

    for (;;) {
        r = send_now(s->c, outgoing, 0);
        if (r == WPIPE_ENOTCONN)
            r = wpipe__client_hope(s->c) < 0 ? r : WPIPE_EAGAIN;
        if (r != WPIPE_EAGAIN)
            return r;
        r = follow(s);
        if (r < 0)
            return r;
    }
}

int wpipe_client_send_wait(wpipe_client *client, const void *data, size_t size,
                           int timeout_ms)
{
    struct wpipe__outgoing outgoing = { .data = data, .size = size };
    struct sleeper s = { .c = client, .rest = { .timer = { timeout_ms, 0 } } };
    int r;

    if (client == NULL || (data == NULL && size > 0) ||
        !wpipe__is_timeout(timeout_ms))
        return WPIPE_EINVAL;
    r = wpipe__loop_use(&client->loop);
    if (r < 0)
        return r;
    r = send_or_wait(&s, &outgoing);
    wpipe__loop_unlock(&client->loop);
    return r;
}

/* ---- draining ----------------------------------------------------------- */

/* 0 all was read; WPIPE_EAGAIN not yet; WPIPE_ENOTCONN. */
static int is_drained(struct wpipe_client *c, uint64_t id)
{
    struct wpipe__conn *conn = wpipe__client_connection(c);
    int r;

    if (conn == NULL || conn->id != id)
        return c->lossy >= id ? WPIPE_ENOTCONN : 0; /* ids grow */
    if (!wpipe__outbox_empty(&conn->outbox))
        return conn->write_closed ? WPIPE_ENOTCONN : WPIPE_EAGAIN;
    r = wpipe__loop_drained(&c->loop, conn);
    if (r == 1)
        return 0;
    return r == 0 ? WPIPE_EAGAIN : WPIPE_ENOTCONN;
}

static int drain_connection(struct sleeper *s, struct wpipe__conn *conn)
{
    struct wpipe_client *c = s->c;
    uint64_t id = conn->id;
    int r;

    wpipe__loop_drainer(&c->loop, conn, 1);
    while ((r = is_drained(c, id)) == WPIPE_EAGAIN) {
        r = wpipe__loop_await_read(&c->loop, wpipe__client_connection(c)->link,
                                   &s->rest);
        if (r < 0)
            break;
    }
    conn = wpipe__client_connection(c);
    if (conn != NULL && conn->id == id)
        wpipe__loop_drainer(&c->loop, conn, 0);
    if (r == WPIPE_ENOTCONN)
        c->loss_told = wpipe__max_u64(id, c->lossy);
    return r;
}

/* What was lost before is told once; then it is about the connection, or the
 * next one. */
static int drain(struct sleeper *s)
{
    struct wpipe_client *c = s->c;
    struct wpipe__conn *conn;
    int r;

    for (;;) {
        if (c->lossy > c->loss_told) {
            c->loss_told = c->lossy;
            return WPIPE_ENOTCONN;
        }
        conn = wpipe__client_connection(c);
        if (conn != NULL && conn->id != c->loss_told)
            return drain_connection(s, conn);
        r = wpipe__client_hope(c);
        if (r == 0)
            r = follow(s);
        if (r < 0)
            return r;
    }
}

int wpipe_client_drain(wpipe_client *client, int timeout_ms)
{
    struct sleeper s = { .c = client, .rest = { .timer = { timeout_ms, 0 } } };
    int r;

    if (client == NULL || !wpipe__is_timeout(timeout_ms))
        return WPIPE_EINVAL;
    r = wpipe__loop_use(&client->loop);
    if (r < 0)
        return r;
    r = drain(&s);
    wpipe__loop_unlock(&client->loop);
    return r;
}

/* ---- asking ------------------------------------------------------------- */

int wpipe_client_peer(wpipe_client *client, wpipe_peer *ret_peer)
{
    struct wpipe__link_peer peer;
    struct wpipe__conn *conn;
    int r;

    if (client == NULL || ret_peer == NULL)
        return WPIPE_EINVAL;
    r = wpipe__loop_use(&client->loop);
    if (r < 0)
        return r;
    conn = wpipe__client_connection(client);
    r = conn == NULL ? WPIPE_ENOTCONN
                     : wpipe__link_hold_peer(conn->link, ret_peer, &peer);
    wpipe__loop_unlock(&client->loop);
    if (r == 0)
        wpipe__link_name_peer(&peer, ret_peer);
    return r;
}

intptr_t wpipe_client_fd(wpipe_client *client)
{
    return client == NULL ? WPIPE_EINVAL : wpipe__loop_handle(&client->loop);
}

void wpipe_client_wake(wpipe_client *client)
{
    if (client != NULL)
        wpipe__loop_wake(&client->loop);
}
