/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's calls to its clients, and the pointer that a program gives each
 * client. Any thread.
 */
#include "server/server.h"

/* ---- asynchronous ------------------------------------------------------- */

int wpipe_server_request(wpipe_server *server, wpipe_id to, const void *data,
                         size_t size, int timeout_ms, uint64_t *ret_request)
{
    struct wpipe__outgoing outgoing = { .data = data, .size = size };
    struct wpipe__shard *shard;
    struct wpipe__conn *conn;
    int r;

    if (server == NULL || ret_request == NULL ||
        !wpipe__is_timeout(timeout_ms) || (data == NULL && size > 0))
        return WPIPE_EINVAL;
    r = wpipe__server_lock(server, to, &shard);
    if (r < 0)
        return r;
    conn = wpipe__shard_client(shard, to);
    r = conn == NULL ? WPIPE_ENOTCONN
                     : wpipe__call_begin(&shard->loop, conn, &outgoing,
                                         timeout_ms, ret_request);
    wpipe__loop_unlock(&shard->loop);
    return r;
}

/* ---- waiting ------------------------------------------------------------ */

/* Send it when there is room, and wait for the answer: 1; < 0. */
static int call_client(struct wpipe__shard *shard, wpipe_id to,
                       struct wpipe__call *call,
                       struct wpipe__outgoing *outgoing, int timeout_ms)
{
    struct wpipe__rest rest = { .timer = { timeout_ms, 0 } };
    struct wpipe__conn *conn;
    int r;

    while (call->result == 0) {
        if (call->id == 0) {
            conn = wpipe__shard_client(shard, to);
            r = conn == NULL
                    ? WPIPE_ENOTCONN
                    : wpipe__call_send(&shard->loop, conn, call, outgoing, 0);
            if (r < 0 && r != WPIPE_EAGAIN)
                return r;
        }
        r = wpipe__loop_follow(&shard->loop, &rest);
        if (r < 0 && call->result == 0)
            return r;
    }
    return call->result;
}

/* With the client's pointer, as events have it. */
static void fill_answer(const struct wpipe__shard *shard,
                        const struct wpipe__call *call, wpipe_event *event)
{
    const struct wpipe__conn *conn =
        wpipe__table_find(&shard->clients, call->conn & ~WPIPE__SHARD_MASK);

    wpipe__call_fill(call, event);
    event->user = conn == NULL ? NULL : conn->user;
}

/* Nobody would take the answer on a thread that takes the events. */
static int may_wait(const struct wpipe__shard *shard)
{
    return !wpipe__server_own_thread(shard->server) &&
           shard->waiter != wpipe__os_thread();
}

int wpipe_server_call(wpipe_server *server, wpipe_id to, const void *data,
                      size_t size, wpipe_event *ret_answer, int timeout_ms)
{
    struct wpipe__outgoing outgoing = { .data = data, .size = size };
    struct wpipe__call call = { .id = 0 };
    struct wpipe__shard *shard;
    int r;

    if (server == NULL || ret_answer == NULL ||
        !wpipe__is_timeout(timeout_ms) || (data == NULL && size > 0))
        return WPIPE_EINVAL;
    r = wpipe__server_lock(server, to, &shard);
    if (r < 0)
        return r;
    wpipe__list_init(&call.node);
    call.answer = wpipe__calls_answer(&shard->loop.calls);
    if (!may_wait(shard))
        r = WPIPE_ESTATE;
    else if (call.answer == NULL)
        r = WPIPE_ENOMEM;
    else
        r = call_client(shard, to, &call, &outgoing, timeout_ms);
    wpipe__call_forget(&shard->loop, &call);
    if (r == 1)
        fill_answer(shard, &call, ret_answer);
    wpipe__loop_unlock(&shard->loop);
    return r;
}

/* ---- the program's pointer ---------------------------------------------- */

int wpipe_server_set_user(wpipe_server *server, wpipe_id who, void *user)
{
    struct wpipe__shard *shard;
    struct wpipe__conn *conn;
    int r;

    if (server == NULL)
        return WPIPE_EINVAL;
    r = wpipe__server_lock(server, who, &shard);
    if (r < 0)
        return r;
    conn = wpipe__table_find(&shard->clients, who & ~WPIPE__SHARD_MASK);
    if (conn == NULL)
        r = WPIPE_ENOTCONN;
    else
        conn->user = user;
    wpipe__loop_unlock(&shard->loop);
    return r;
}
