/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's sending: to one, to all, the answer to a call; and the end of
 * one client. Any thread.
 */
#include "server/server.h"

#include "base/ring.h"

/* ---- to one ------------------------------------------------------------- */

static int send_now(struct wpipe__lane *lane, wpipe_id to,
                    const struct wpipe__post *post, int wish)
{
    struct wpipe__conn *conn = wpipe__lane_client(lane, to);

    if (conn == NULL)
        return WPIPE_ENOTCONN;
    return wpipe__loop_send(&lane->loop, conn, post, wish);
}

static int send_post(wpipe_server *server, wpipe_id to,
                     const struct wpipe__post *post)
{
    struct wpipe__lane *lane;
    int r;

    if (server == NULL || (post->data == NULL && post->size > 0))
        return WPIPE_EINVAL;
    r = wpipe__server_lock(server, to, &lane);
    if (r < 0)
        return r;
    r = send_now(lane, to, post, 1);
    wpipe__loop_unlock(&lane->loop);
    return r;
}

int wpipe_server_send(wpipe_server *server, wpipe_id to, const void *data,
                      size_t size)
{
    struct wpipe__post post = { .data = data, .size = size };

    return send_post(server, to, &post);
}

int wpipe_server_reply(wpipe_server *server, const wpipe_event *event,
                       const void *data, size_t size)
{
    struct wpipe__post post = { .data = data, .size = size };

    if (event == NULL || event->type != WPIPE_EVENT_MESSAGE ||
        event->request == 0)
        return WPIPE_EINVAL;
    post.kind = WPIPE__RECORD_REPLY;
    post.request = event->request;
    return send_post(server, event->from, &post);
}

int wpipe_server_send_wait(wpipe_server *server, wpipe_id to, const void *data,
                           size_t size, int timeout_ms)
{
    struct wpipe__post post = { .data = data, .size = size };
    struct wpipe__rest rest = { .timer = { timeout_ms, 0 } };
    struct wpipe__lane *lane;
    int r;

    if (server == NULL || (data == NULL && size > 0))
        return WPIPE_EINVAL;
    r = wpipe__server_lock(server, to, &lane);
    if (r < 0)
        return r;
    while ((r = send_now(lane, to, &post, 0)) == WPIPE_EAGAIN) {
        r = wpipe__loop_follow(&lane->loop, &rest);
        if (r < 0)
            break;
    }
    wpipe__loop_unlock(&lane->loop);
    return r;
}

/* ---- to all ------------------------------------------------------------- */

/* Not it, but all of them together hold too much. */
static int wants_memory(const struct wpipe__conn *conn)
{
    return conn->outbox.wanting > 0;
}

/* It did not take the message: drop it or leave it out, and say so. */
static void too_slow(struct wpipe__lane *lane, struct wpipe__conn *conn,
                     int error)
{
    if (error == WPIPE_ENOTCONN)
        return; /* its end is told anyhow */
    if (error != WPIPE_EMSGSIZE && !wants_memory(conn) &&
        lane->server->options.slow_reader == WPIPE_SLOW_DROP) {
        wpipe__loop_end(&lane->loop, conn, WPIPE__STATE_DISCONNECTED,
                        WPIPE_REASON_SLOW, error);
        return;
    }
    conn->skip_reason = WPIPE_REASON_SLOW;
    if (error == WPIPE_EMSGSIZE)
        conn->skip_reason = WPIPE_REASON_TOO_BIG;
    else if (error == WPIPE_ENOMEM || wants_memory(conn))
        conn->skip_reason = WPIPE_REASON_MEMORY;
    wpipe__loop_tell(&lane->loop, conn, WPIPE__TELL_SKIPPED);
}

/* Put it into every ring of the lane. How many took it; *refused is why one
 * could not. */
static int fill_all(struct wpipe__lane *lane, const struct wpipe__post *post,
                    int *refused)
{
    struct wpipe__conn *conn;
    size_t cursor = 0;
    int sent = 0;
    int r;

    while ((conn = wpipe__table_next(&lane->clients, &cursor)) != NULL) {
        if (conn->link == NULL)
            continue;
        r = wpipe__loop_send(&lane->loop, conn, post, 0);
        if (r == 0) {
            sent++;
            continue;
        }
        if (r == WPIPE_EMSGSIZE || r == WPIPE_ESTATE)
            *refused = r;
        if (r != WPIPE_ESTATE)
            too_slow(lane, conn, r);
    }
    return sent;
}

/* Wake those who sleep. */
static void knock_at_all(struct wpipe__lane *lane)
{
    struct wpipe__conn *conn;
    size_t cursor = 0;

    while ((conn = wpipe__table_next(&lane->clients, &cursor)) != NULL)
        if (conn->link != NULL && conn->link->transport->knock != NULL)
            wpipe__loop_knock(&lane->loop, conn);
}

/* All rings first, then all bells: a client that wakes in between would take
 * the core for one message, and sleep again before the next. The first lane's
 * lock is held throughout, so that all clients get all broadcasts in one
 * order. */
int wpipe_server_broadcast(wpipe_server *server, const void *data, size_t size)
{
    struct wpipe__post post = { .data = data, .size = size, .quiet = 1 };
    int refused = 0;
    int sent = 0;
    unsigned i;
    int r;

    if (server == NULL || (data == NULL && size > 0))
        return WPIPE_EINVAL;
    r = wpipe__loop_use(&server->lanes[0].loop);
    if (r < 0)
        return r;
    for (i = 0; i < server->lane_count; i++) {
        wpipe__lane_enter(&server->lanes[i]);
        sent += fill_all(&server->lanes[i], &post, &refused);
        knock_at_all(&server->lanes[i]);
        wpipe__lane_leave(&server->lanes[i]);
    }
    wpipe__loop_unlock(&server->lanes[0].loop);
    return sent == 0 && refused < 0 ? refused : sent;
}

/* ---- the end of one ----------------------------------------------------- */

int wpipe_server_kick(wpipe_server *server, wpipe_id who)
{
    struct wpipe__lane *lane;
    struct wpipe__conn *conn;
    int r;

    if (server == NULL)
        return WPIPE_EINVAL;
    r = wpipe__server_lock(server, who, &lane);
    if (r < 0)
        return r;
    conn = wpipe__lane_client(lane, who);
    if (conn == NULL)
        r = WPIPE_ENOTCONN;
    else
        wpipe__loop_end(&lane->loop, conn, WPIPE__STATE_DISCONNECTED,
                        WPIPE_REASON_KICKED, 0);
    wpipe__loop_unlock(&lane->loop);
    return r;
}
