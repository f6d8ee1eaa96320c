/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's calls, those that it answers, and those that it makes: with an
 * event for the answer, or with threads that wait for it. Of these one leads:
 * it takes what comes for all of them, and keeps what is not an answer for
 * wait. Any thread.
 */
#include "base/ring.h"
#include "client/client.h"

/* ---- with an event ------------------------------------------------------- */

int wpipe_client_request(wpipe_client *client, const void *data, size_t size,
                         int timeout_ms, uint64_t *ret_request)
{
    struct wpipe__outgoing outgoing = { .data = data, .size = size };
    struct wpipe__conn *conn;
    int r;

    if (client == NULL || ret_request == NULL ||
        !wpipe__is_timeout(timeout_ms) || (data == NULL && size > 0))
        return WPIPE_EINVAL;
    r = wpipe__loop_use(&client->loop);
    if (r < 0)
        return r;
    conn = wpipe__client_connection(client);
    r = conn == NULL ? WPIPE_ENOTCONN
                     : wpipe__call_begin(&client->loop, conn, &outgoing,
                                         timeout_ms, ret_request);
    wpipe__loop_unlock(&client->loop);
    return r;
}

int wpipe_client_reply(wpipe_client *client, const wpipe_event *event,
                       const void *data, size_t size)
{
    struct wpipe__outgoing outgoing = { .data = data, .size = size };
    struct wpipe__conn *conn;
    int r;

    if (client == NULL || event == NULL || (data == NULL && size > 0) ||
        event->type != WPIPE_EVENT_MESSAGE || event->request == 0)
        return WPIPE_EINVAL;
    outgoing.kind = WPIPE__RECORD_REPLY;
    outgoing.request = event->request;
    r = wpipe__loop_use(&client->loop);
    if (r < 0)
        return r;
    conn = wpipe__client_connection(client);
    r = conn == NULL || conn->id != event->from
            ? WPIPE_ENOTCONN
            : wpipe__loop_send(&client->loop, conn, &outgoing, 1);
    wpipe__loop_unlock(&client->loop);
    return r;
}

/* ---- waiting for the answer --------------------------------------------- */

struct waiting {
    struct wpipe_client *c;
    struct wpipe__outgoing outgoing;
    struct wpipe__call call;
    struct wpipe__rest rest;
};

/* Send it, if it is not and there is a connection: 0; < 0 the call is over. */
static int send_request(struct waiting *w)
{
    struct wpipe_client *c = w->c;
    struct wpipe__conn *conn = c->conn;
    int r;

    if (w->call.id != 0)
        return 0; /* never sent twice */
    if (conn == NULL)
        return c->state == WPIPE__CLIENT_TRYING ? 0 : WPIPE_ENOTCONN;
    r = wpipe__call_send(&c->loop, conn, &w->call, &w->outgoing, 0);
    if (r == WPIPE_EAGAIN)
        return 0; /* when there is room */
    if (r == WPIPE_ENOTCONN && wpipe__client_is_gone(c, conn))
        return 0; /* read it to its end; another one comes then */
    return r;
}

/* Is it over, or to be given up: 1 the answer is here; < 0; 0 neither. */
static int look(struct waiting *w)
{
    int r;

    if (w->call.result != 0)
        return w->call.result;
    if (wpipe__loop_woken(&w->c->loop, &w->rest))
        return WPIPE_EWOKEN;
    if (w->c->loop.closing)
        return WPIPE_ENOTCONN;
    r = send_request(w);
    return r < 0 ? r : w->call.result;
}

/* Take what comes for all, until the call is over or a wait wants to: as look.
 */
static int lead(struct waiting *w)
{
    struct wpipe__loop *loop = &w->c->loop;
    int found;
    int r;

    do {
        wpipe__loop_glance(loop);
        found = wpipe__client_keep_one(w->c);
        r = found < 0 ? found : look(w);
        if (r != 0)
            break;
        r = wpipe__loop_rest(loop, &w->rest, found != 0);
    } while (r == 0 && !loop->waiting && (r = look(w)) == 0);
    wpipe__loop_unlead(loop, &w->rest,
                       r == 1 || !wpipe__list_empty(&w->c->kept));
    return r;
}

static int wait_for_answer(struct waiting *w)
{
    int r;

    while ((r = look(w)) == 0) {
        if (wpipe__loop_lead(&w->c->loop))
            r = lead(w);
        else
            r = wpipe__loop_follow(&w->c->loop, &w->rest);
        if (r != 0)
            break;
    }
    return w->call.result != 0 ? w->call.result : r;
}

int wpipe_client_call(wpipe_client *client, const void *request, size_t size,
                      wpipe_event *ret_answer, int timeout_ms)
{
    struct waiting w = { .c = client, .rest = { .timer = { timeout_ms, 0 } } };
    int r;

    if (client == NULL || ret_answer == NULL || (request == NULL && size > 0) ||
        !wpipe__is_timeout(timeout_ms))
        return WPIPE_EINVAL;
    r = wpipe__loop_use(&client->loop);
    if (r < 0)
        return r;
    w.outgoing.data = request;
    w.outgoing.size = size;
    wpipe__list_init(&w.call.node);
    w.call.answer = wpipe__calls_answer(&client->loop.calls);
    wpipe__loop_call_enter(&client->loop, &w.rest);
    r = w.call.answer == NULL ? WPIPE_ENOMEM : wait_for_answer(&w);
    wpipe__call_forget(&client->loop, &w.call);
    wpipe__loop_call_exit(&client->loop);
    if (r == 1)
        wpipe__call_fill(&w.call, ret_answer);
    wpipe__loop_unlock(&client->loop);
    return r;
}
