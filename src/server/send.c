/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's sending: to one, to all, the answer to a call; and the end of
 * one client. Any thread.
 */
#include "server/server.h"

#include "base/pieces.h"
#include "base/ring.h"

/* ---- to one ------------------------------------------------------------- */

static int send_now(struct wpipe__shard *shard, wpipe_id to,
                    const struct wpipe__outgoing *outgoing, int want_writable)
{
    struct wpipe__conn *conn = wpipe__shard_client(shard, to);
    int r;

    if (conn == NULL)
        return WPIPE_ENOTCONN;
    r = wpipe__loop_send(&shard->loop, conn, outgoing, want_writable);
    wpipe__loop_shed(&shard->loop, conn); /* a send receives, too */
    return r;
}

static int send_outgoing(wpipe_server *server, wpipe_id to,
                         const struct wpipe__outgoing *outgoing)
{
    struct wpipe__shard *shard;
    int r;

    if (server == NULL || (outgoing->data == NULL && outgoing->pieces == NULL &&
                           outgoing->size > 0))
        return WPIPE_EINVAL;
    r = wpipe__server_lock(server, to, &shard);
    if (r < 0)
        return r;
    r = send_now(shard, to, outgoing, 1);
    wpipe__loop_unlock(&shard->loop);
    return r;
}

int wpipe_server_send(wpipe_server *server, wpipe_id to, const void *data,
                      size_t size)
{
    struct wpipe__outgoing outgoing = { .data = data, .size = size };

    return send_outgoing(server, to, &outgoing);
}

int wpipe_server_sendv(wpipe_server *server, wpipe_id to,
                       const wpipe_piece *pieces, int count)
{
    struct wpipe__outgoing outgoing = { .pieces = pieces, .count = count };
    int r = wpipe__pieces_size(pieces, count, &outgoing.size);

    if (r == 0)
        r = send_outgoing(server, to, &outgoing);
    return r;
}

int wpipe_server_reply(wpipe_server *server, const wpipe_event *event,
                       const void *data, size_t size)
{
    struct wpipe__outgoing outgoing = { .data = data, .size = size };

    if (event == NULL || event->type != WPIPE_EVENT_MESSAGE ||
        event->request == 0)
        return WPIPE_EINVAL;
    outgoing.kind = WPIPE__RECORD_REPLY;
    outgoing.request = event->request;
    return send_outgoing(server, event->from, &outgoing);
}

int wpipe_server_send_wait(wpipe_server *server, wpipe_id to, const void *data,
                           size_t size, int timeout_ms)
{
    struct wpipe__outgoing outgoing = { .data = data, .size = size };
    struct wpipe__rest rest = { .timer = { timeout_ms, 0 } };
    struct wpipe__shard *shard;
    int r;

    if (server == NULL || (data == NULL && size > 0) ||
        !wpipe__is_timeout(timeout_ms))
        return WPIPE_EINVAL;
    r = wpipe__server_lock(server, to, &shard);
    if (r < 0)
        return r;
    while ((r = send_now(shard, to, &outgoing, 0)) == WPIPE_EAGAIN) {
        r = wpipe__loop_follow(&shard->loop, &rest);
        if (r < 0)
            break;
    }
    wpipe__loop_unlock(&shard->loop);
    return r;
}

/* ---- to all ------------------------------------------------------------- */

/* Not it, but all of them together hold too much. */
static int wants_memory(const struct wpipe__conn *conn)
{
    return conn->outbox.wanting > 0;
}

static void tell_dropped(const struct wpipe__conn *conn, size_t size, int error)
{
    struct wpipe__log_end end = { conn->skip_reason, error, 1, size };

    wpipe__log_dropped(conn->link, &end);
}

/* It did not take the message: drop it or leave it out, and say so. */
static void too_slow(struct wpipe__shard *shard, struct wpipe__conn *conn,
                     size_t size, int error)
{
    if (error == WPIPE_ENOTCONN)
        return; /* its end is told anyhow */
    if (error != WPIPE_EMSGSIZE && !wants_memory(conn) &&
        shard->server->options.slow_reader == WPIPE_SLOW_DROP) {
        wpipe__loop_end(&shard->loop, conn, WPIPE__STATE_DISCONNECTED,
                        WPIPE_REASON_SLOW, error);
        return;
    }
    conn->skip_reason = WPIPE_REASON_SLOW;
    if (error == WPIPE_EMSGSIZE)
        conn->skip_reason = WPIPE_REASON_TOO_BIG;
    else if (error == WPIPE_ENOMEM || wants_memory(conn))
        conn->skip_reason = WPIPE_REASON_MEMORY;
    conn->dropped++;
    if (!(conn->tell & WPIPE__TELL_SKIPPED)) /* as its event: not for each */
        tell_dropped(conn, size, error);
    wpipe__loop_tell(&shard->loop, conn, WPIPE__TELL_SKIPPED);
}

/* Put it into every ring of the shard. How many took it; *refused is why one
 * could not. */
static int fill_all(struct wpipe__shard *shard,
                    const struct wpipe__outgoing *outgoing, int *refused)
{
    struct wpipe__conn *conn;
    size_t cursor = 0;
    int sent = 0;
    int r;

    while ((conn = wpipe__table_next(&shard->clients, &cursor)) != NULL) {
        if (conn->link == NULL)
            continue;
        r = wpipe__loop_send(&shard->loop, conn, outgoing, 0);
        if (r == 0)
            sent++;
        else if (r == WPIPE_EMSGSIZE || r == WPIPE_ESTATE)
            *refused = r;
        if (r != 0 && r != WPIPE_ESTATE)
            too_slow(shard, conn, outgoing->size, r);
        wpipe__loop_shed(&shard->loop, conn);
    }
    return sent;
}

/* Wake those who sleep. */
static void wake_all_peers(struct wpipe__shard *shard)
{
    struct wpipe__conn *conn;
    size_t cursor = 0;

    while ((conn = wpipe__table_next(&shard->clients, &cursor)) != NULL)
        if (conn->link != NULL && conn->link->transport->wake_peer != NULL)
            wpipe__loop_wake_peer(&shard->loop, conn);
}

/* All rings first, then all bells: a client that wakes in between would take
 * the core for one message, and sleep again before the next. The first shard's
 * lock is held throughout, so that all clients get all broadcasts in one
 * order. */
int wpipe_server_broadcast(wpipe_server *server, const void *data, size_t size)
{
    struct wpipe__outgoing outgoing = { .data = data,
                                        .size = size,
                                        .quiet = 1 };
    int refused = 0;
    int sent = 0;
    unsigned i;
    int r;

    if (server == NULL || (data == NULL && size > 0))
        return WPIPE_EINVAL;
    r = wpipe__loop_use(&server->shards[0].loop);
    if (r < 0)
        return r;
    for (i = 0; i < server->shard_count; i++) {
        wpipe__shard_enter(&server->shards[i]);
        sent += fill_all(&server->shards[i], &outgoing, &refused);
        wake_all_peers(&server->shards[i]);
        wpipe__shard_leave(&server->shards[i]);
    }
    wpipe__loop_unlock(&server->shards[0].loop); /* the log is told of all */
    return sent == 0 && refused < 0 ? refused : sent;
}

/* ---- the end of one ----------------------------------------------------- */

int wpipe_server_kick(wpipe_server *server, wpipe_id who)
{
    struct wpipe__shard *shard;
    struct wpipe__conn *conn;
    int r = wpipe__server_client(server, who, &shard, &conn);

    if (r < 0)
        return r;
    wpipe__loop_end(&shard->loop, conn, WPIPE__STATE_DISCONNECTED,
                    WPIPE_REASON_KICKED, 0);
    wpipe__loop_unlock(&shard->loop);
    return 0;
}
