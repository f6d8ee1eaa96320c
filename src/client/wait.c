/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's events, and what becomes of a connection that ended while others
 * than wait used it. Calls are in call.c.
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

/* A message, or the answer of a call that an event is to tell: in c->scratch,
 * and without data in the event. */
static int next_message(struct wpipe_client *c, wpipe_event *ret_event)
{
    struct wpipe__received *received = &c->scratch;
    struct wpipe__conn *conn;
    int r = wpipe__loop_take(&c->loop, received, &conn);

    if (r != 1)
        return r;
    memset(ret_event, 0, sizeof(*ret_event));
    ret_event->type = WPIPE_EVENT_MESSAGE;
    ret_event->from = conn->id;
    ret_event->request = received->kind != 0 ? received->request : 0;
    if (received->kind == WPIPE__RECORD_REPLY) {
        if (!wpipe__calls_answered(&c->loop, conn, received))
            return 2; /* a thread has it, or nobody waits for it */
        ret_event->type = WPIPE_EVENT_REPLY;
    }
    return 1;
}

/* The next event but the kept ones. A message is in c->scratch. */
static int find_event(struct wpipe_client *c, wpipe_event *ret_event)
{
    int r = wpipe__calls_next_ended(&c->loop, ret_event);

    if (r == 0)
        r = next_notice(c, ret_event);
    return r == 0 ? next_message(c, ret_event) : r;
}

/* ---- wait --------------------------------------------------------------- */

static int next_event(struct wpipe_client *c, wpipe_event *ret_event)
{
    int r;

    wpipe__loop_glance(&c->loop);
    if (wpipe__client_next_kept(c, ret_event, &c->received)) {
        if (wpipe__client_has_data(ret_event))
            fill_message(&c->received, ret_event);
        return 1;
    }
    r = find_event(c, ret_event);
    if (r == 0)
        r = next_failure(c, ret_event);
    if (r != 1 || !wpipe__client_has_data(ret_event))
        return r;
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
    wpipe__loop_exit(&client->loop, &rest,
                     r == 1 || !wpipe__list_empty(&client->kept));
    return r;
}

/* ---- connections that others find ended --------------------------------- */

static int may_come_again(const struct wpipe_client *c)
{
    return c->state == WPIPE__CLIENT_TRYING;
}

int wpipe__client_is_gone(struct wpipe_client *c, struct wpipe__conn *conn)
{
    return (c->options.flags & WPIPE_RECONNECT) &&
           conn->link->transport->gone(conn->link) != 0;
}

int wpipe__client_keep_one(struct wpipe_client *c)
{
    wpipe_event event;
    int r = wpipe__client_keep_room(c);

    if (r < 0)
        return r;
    r = find_event(c, &event);
    if (r == 1)
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
        r = wpipe__client_keep_one(c);
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

    if (conn != NULL && !wpipe__client_is_gone(c, conn))
        return WPIPE_ENOTCONN;
    if (c->loop.takers > 0)
        return conn != NULL || may_come_again(c) ? 0 : WPIPE_ENOTCONN;
    if (conn != NULL)
        r = let_go(c, conn);
    while (r >= 0 && !wpipe__list_empty(&c->loop.notices))
        r = wpipe__client_keep_one(c);
    if (r < 0)
        return r;
    return c->conn != NULL || may_come_again(c) ? 0 : WPIPE_ENOTCONN;
}
