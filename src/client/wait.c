/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's events and calls, and what becomes of a connection that ended
 * while others than wait used it.
 */
#include <string.h>

#include "base/ring.h"
#include "client/client.h"

enum {
    REST_MOST = 1 << 22 /* messages that one who is gone can have left */
};

static void swap_received(struct wpipe__received *a, struct wpipe__received *b)
{
    struct wpipe__received c = *a;

    *a = *b;
    *b = c;
}

static void fill_message(const struct wpipe__received *received,
                         wpipe_event *event)
{
    event->data = wpipe__received_data(received);
    event->size = wpipe__received_size(received);
}

/* ---- what comes --------------------------------------------------------- */

static int next_notice(struct wpipe_client *c, wpipe_event *ret_event)
{
    struct wpipe__conn *conn;

    if (!wpipe__loop_notice(&c->loop, ret_event, &conn))
        return 0;
    if (ret_event->type == WPIPE_EVENT_DISCONNECTED)
        wpipe__conn_free(conn, &c->loop.budget);
    return 1;
}

/* It never came to a connection. */
static int next_failure(struct wpipe_client *c, wpipe_event *ret_event)
{
    if (c->state != WPIPE__CLIENT_FAILED)
        return 0;
    c->state = WPIPE__CLIENT_OVER;
    memset(ret_event, 0, sizeof(*ret_event));
    ret_event->type = WPIPE_EVENT_DISCONNECTED;
    ret_event->error = c->failure;
    ret_event->reason = wpipe__conn_reason(c->failure);
    return 1;
}

/* A message, in c->scratch; replies too, without data in the event. */
static int next_message(struct wpipe_client *c, wpipe_event *ret_event)
{
    struct wpipe__conn *conn;
    int r = wpipe__loop_take(&c->loop, &c->scratch, &conn);

    if (r != 1)
        return r;
    if (c->scratch.kind == WPIPE__RECORD_REQUEST) {
        /* servers have no calls */
        wpipe__loop_end(&c->loop, conn, WPIPE__STATE_DISCONNECTED,
                        WPIPE_REASON_PROTOCOL, WPIPE_EPROTO);
        return 2;
    }
    memset(ret_event, 0, sizeof(*ret_event));
    ret_event->type = WPIPE_EVENT_MESSAGE;
    ret_event->from = conn->id;
    return 1;
}

/* The next event but the kept ones. A message is in c->scratch. */
static int find_event(struct wpipe_client *c, wpipe_event *ret_event)
{
    int r = next_notice(c, ret_event);

    return r == 0 ? next_message(c, ret_event) : r;
}

/* ---- wait --------------------------------------------------------------- */

static int next_event(struct wpipe_client *c, wpipe_event *ret_event)
{
    int r;

    wpipe__loop_glance(&c->loop);
    if (wpipe__client_next_kept(c, ret_event, &c->received)) {
        if (ret_event->type == WPIPE_EVENT_MESSAGE)
            fill_message(&c->received, ret_event);
        return 1;
    }
    r = find_event(c, ret_event);
    if (r == 0)
        r = next_failure(c, ret_event);
    if (r != 1 || ret_event->type != WPIPE_EVENT_MESSAGE)
        return r;
    if (c->scratch.kind == WPIPE__RECORD_REPLY)
        return 2; /* too late: its call is over */
    swap_received(&c->received, &c->scratch);
    fill_message(&c->received, ret_event);
    return 1;
}

/* Who hears of an end hears of what it lost, too: drain need not tell. */
static void note_told(struct wpipe_client *c, const wpipe_event *event)
{
    if (event->type == WPIPE_EVENT_DISCONNECTED && event->from == c->lossy)
        c->loss_told = c->lossy;
}

int wpipe_client_wait(wpipe_client *client, wpipe_event *ret_event,
                      int timeout_ms)
{
    struct wpipe__rest rest = { .timer = { timeout_ms, 0 } };
    int r;

    if (client == NULL || ret_event == NULL || !wpipe__is_timeout(timeout_ms))
        return WPIPE_EINVAL;
    r = wpipe__loop_enter(&client->loop, &rest);
    if (r < 0)
        return r;
    do {
        r = 0;
        if (wpipe__loop_woken(&client->loop, &rest))
            break;
        if (client->loop.closing) {
            r = WPIPE_ENOTCONN;
            break;
        }
        r = next_event(client, ret_event);
        if (r == 1)
            break;
        if (r == 0 && client->state == WPIPE__CLIENT_OVER)
            r = WPIPE_ENOTCONN;
        else
            r = wpipe__loop_rest(&client->loop, &rest, r == 2);
    } while (r == 0);
    if (r == 1)
        note_told(client, ret_event);
    wpipe__loop_exit(&client->loop, &rest, r == 1);
    return r;
}

/* ---- connections that others find ended --------------------------------- */

static int may_come_again(const struct wpipe_client *c)
{
    return c->state == WPIPE__CLIENT_TRYING;
}

/* The peer is gone both ways, and all that is left is what it wrote. */
static int is_gone(struct wpipe_client *c, struct wpipe__conn *conn)
{
    return (c->options.flags & WPIPE_RECONNECT) &&
           conn->link->transport->gone(conn->link) != 0;
}

/* Keep one event, if there is one: as find_event. An answer is thrown away:
 * nobody waits for it. */
static int keep_one(struct wpipe_client *c)
{
    wpipe_event event;
    int r = wpipe__client_keep_room(c);

    if (r < 0)
        return r;
    r = find_event(c, &event);
    if (r == 1 && (event.type != WPIPE_EVENT_MESSAGE ||
                   c->scratch.kind != WPIPE__RECORD_REPLY))
        wpipe__client_keep(c, &event);
    return r;
}

/* Keep what is left of a connection whose peer is gone, which ends it. */
static int let_go(struct wpipe_client *c, struct wpipe__conn *conn)
{
    int left = REST_MOST;
    int r;

    wpipe__loop_activate(&c->loop, conn);
    do
        r = keep_one(c);
    while (r > 0 && c->conn == conn && left-- > 0);
    if (r > 0 && c->conn == conn)
        wpipe__loop_end(&c->loop, conn, WPIPE__STATE_DISCONNECTED,
                        WPIPE_REASON_PROTOCOL, WPIPE_EPROTO);
    return r < 0 ? r : 0;
}

int wpipe__client_hope(struct wpipe_client *c)
{
    struct wpipe__conn *conn = c->conn;
    int r = 0;

    if (conn != NULL && !is_gone(c, conn))
        return WPIPE_ENOTCONN;
    if (c->loop.waiting)
        return conn != NULL || may_come_again(c) ? 0 : WPIPE_ENOTCONN;
    if (conn != NULL)
        r = let_go(c, conn);
    while (r >= 0 && !wpipe__list_empty(&c->loop.notices))
        r = keep_one(c);
    if (r < 0)
        return r;
    return c->conn != NULL || may_come_again(c) ? 0 : WPIPE_ENOTCONN;
}

/* ---- call --------------------------------------------------------------- */

/* One call. */
struct call {
    struct wpipe_client *c;
    struct wpipe__outgoing outgoing;
    uint64_t id; /* of the connection that it went over; 0 not sent */
};

/* Deal with one event: 1 it is the answer; 0 kept, or thrown away. */
static int sort_event(struct call *call, wpipe_event *event)
{
    struct wpipe_client *c = call->c;

    if (event->type != WPIPE_EVENT_MESSAGE ||
        c->scratch.kind != WPIPE__RECORD_REPLY) {
        wpipe__client_keep(c, event);
        return 0;
    }
    if (call->id != event->from || c->scratch.request != call->outgoing.request)
        return 0; /* the answer to a call that is over */
    swap_received(&c->answer, &c->scratch);
    fill_message(&c->answer, event);
    return 1;
}

/* Send it, if it is not and there is a connection: 0; < 0 the call is over. */
static int send_request(struct call *call)
{
    struct wpipe_client *c = call->c;
    struct wpipe__conn *conn = c->conn;
    int r;

    if (conn != NULL && conn->finished)
        return WPIPE_ENOTCONN; /* no answer will come any more */
    if (call->id != 0)         /* never sent twice */
        return conn != NULL && conn->id == call->id ? 0 : WPIPE_ENOTCONN;
    if (conn == NULL)
        return may_come_again(c) ? 0 : WPIPE_ENOTCONN;
    r = wpipe__loop_send(&c->loop, conn, &call->outgoing, 0);
    if (r == 0)
        call->id = conn->id;
    if (r == WPIPE_EAGAIN)
        return 0; /* when there is room */
    if (r == WPIPE_ENOTCONN && is_gone(c, conn))
        return 0; /* read it to its end; another one comes then */
    return r;
}

/* One look for the answer: 1; 0 not here; 2 not yet; < 0. */
static int look_for_answer(struct call *call, wpipe_event *ret_event)
{
    int r = send_request(call);

    if (r < 0)
        return r;
    wpipe__loop_glance(&call->c->loop);
    r = wpipe__client_keep_room(call->c);
    if (r < 0)
        return r;
    r = find_event(call->c, ret_event);
    return r == 1 && !sort_event(call, ret_event) ? 2 : r;
}

static int do_call(struct call *call, wpipe_event *ret_answer,
                   struct wpipe__rest *rest)
{
    struct wpipe__loop *loop = &call->c->loop;
    wpipe_event event;
    int r;

    for (;;) {
        if (wpipe__loop_woken(loop, rest))
            return WPIPE_EWOKEN;
        if (loop->closing)
            return WPIPE_ENOTCONN;
        r = look_for_answer(call, &event);
        if (r == 1)
            *ret_answer = event;
        if (r == 1 || r < 0)
            return r;
        r = wpipe__loop_rest(loop, rest, r == 2);
        if (r < 0)
            return r;
    }
}

int wpipe_client_call(wpipe_client *client, const void *request, size_t size,
                      wpipe_event *ret_answer, int timeout_ms)
{
    struct wpipe__rest rest = { .timer = { timeout_ms, 0 } };
    struct call call = { .c = client };
    int r;

    if (client == NULL || ret_answer == NULL || (request == NULL && size > 0) ||
        !wpipe__is_timeout(timeout_ms))
        return WPIPE_EINVAL;
    r = wpipe__loop_enter(&client->loop, &rest);
    if (r < 0)
        return r;
    call.outgoing.data = request;
    call.outgoing.size = size;
    call.outgoing.kind = WPIPE__RECORD_REQUEST;
    call.outgoing.request = ++client->last_request;
    r = do_call(&call, ret_answer, &rest);
    wpipe__loop_exit(&client->loop, &rest, !wpipe__list_empty(&client->kept));
    return r;
}
