/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's events and calls. What comes while a call waits for its answer
 * is kept, in order, for the next waits.
 */
#include <string.h>

#include "base/memory.h"
#include "base/ring.h"
#include "core/client.h"

/* An event that came during a call. */
struct kept {
    struct wpipe__list node;
    wpipe_event event;
    struct wpipe__letter letter;
};

/* What it counts against the limit for memory. */
static uint64_t cost_of(const struct kept *kept)
{
    return sizeof(*kept) + wpipe__letter_size(&kept->letter);
}

static void free_kept(struct kept *kept)
{
    if (kept == NULL)
        return;
    wpipe__letter_done(&kept->letter);
    wpipe__free(kept);
}

void wpipe__client_drop_kept(struct wpipe_client *c)
{
    struct wpipe__list *node;

    while ((node = wpipe__list_first(&c->kept)) != NULL) {
        wpipe__list_remove(node);
        free_kept(wpipe__container_of(node, struct kept, node));
    }
}

/* Hand `from` over to `to`, whose former content goes. */
static void move_letter(struct wpipe__letter *to, struct wpipe__letter *from)
{
    wpipe__letter_done(to);
    *to = *from;
    memset(from, 0, sizeof(*from));
}

static void swap_letters(struct wpipe__letter *a, struct wpipe__letter *b)
{
    struct wpipe__letter c = *a;

    *a = *b;
    *b = c;
}

static void fill_message(const struct wpipe__letter *letter, wpipe_event *event)
{
    event->data = wpipe__letter_data(letter);
    event->size = wpipe__letter_size(letter);
}

/* ---- what comes --------------------------------------------------------- */

static int next_notice(struct wpipe_client *c, wpipe_event *ret_event)
{
    struct wpipe__conn *conn;

    if (!wpipe__loop_notice(&c->loop, ret_event, &conn))
        return 0;
    if (ret_event->type == WPIPE_EVENT_DISCONNECTED) {
        wpipe__conn_free(conn, &c->loop.budget);
        c->conn = NULL;
        wpipe__client_lost(c);
    }
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
    int r;

    wpipe__loop_glance(&c->loop);
    r = next_notice(c, ret_event);
    if (r == 0)
        r = next_failure(c, ret_event);
    if (r == 0)
        r = next_message(c, ret_event);
    return r;
}

/* ---- wait --------------------------------------------------------------- */

static int next_kept(struct wpipe_client *c, wpipe_event *ret_event)
{
    struct wpipe__list *node = wpipe__list_first(&c->kept);
    struct kept *kept;

    if (node == NULL)
        return 0;
    kept = wpipe__container_of(node, struct kept, node);
    wpipe__list_remove(node);
    wpipe__budget_give(&c->loop.budget, cost_of(kept));
    *ret_event = kept->event;
    if (kept->event.type == WPIPE_EVENT_MESSAGE) {
        move_letter(&c->letter, &kept->letter);
        fill_message(&c->letter, ret_event);
    }
    free_kept(kept);
    return 1;
}

static int next_event(struct wpipe_client *c, wpipe_event *ret_event)
{
    int r = next_kept(c, ret_event);

    if (r == 1)
        return 1;
    r = find_event(c, ret_event);
    if (r != 1 || ret_event->type != WPIPE_EVENT_MESSAGE)
        return r;
    if (c->scratch.kind == WPIPE__RECORD_REPLY)
        return 2; /* too late: its call is over */
    swap_letters(&c->letter, &c->scratch);
    fill_message(&c->letter, ret_event);
    return 1;
}

int wpipe_client_wait(wpipe_client *client, wpipe_event *ret_event,
                      int timeout_ms)
{
    struct wpipe__rest rest = { .timer = { timeout_ms, 0 } };
    int r;

    if (client == NULL || ret_event == NULL)
        return WPIPE_EINVAL;
    r = wpipe__loop_enter(&client->loop, &rest);
    if (r < 0)
        return r;
    do {
        r = 0;
        if (wpipe__loop_woken(&client->loop, &rest))
            break;
        r = next_event(client, ret_event);
        if (r == 1)
            break;
        if (client->state == WPIPE__CLIENT_OVER)
            r = WPIPE_ENOTCONN;
        else
            r = wpipe__loop_rest(&client->loop, &rest, r == 2);
    } while (r == 0);
    wpipe__loop_exit(&client->loop, &rest, r == 1);
    return r;
}

/* ---- call --------------------------------------------------------------- */

/* One call. */
struct call {
    struct wpipe_client *c;
    struct wpipe__post post;
    uint64_t id; /* of the connection that it goes over */
    int sent;
    struct kept *spare; /* so that an end can always be kept */
};

/* Keep an event for later; a message that cannot be kept ends the connection,
 * because what follows it must not come before it. */
static void keep_event(struct call *call, const wpipe_event *event)
{
    struct wpipe_client *c = call->c;
    int is_message = event->type == WPIPE_EVENT_MESSAGE;
    struct kept *kept = wpipe__alloc(sizeof(*kept));

    if (kept == NULL && !is_message) {
        kept = call->spare;
        call->spare = NULL;
    }
    if (kept == NULL)
        goto fail;
    kept->event = *event;
    if (is_message)
        move_letter(&kept->letter, &c->scratch);
    if (wpipe__budget_take(&c->loop.budget, cost_of(kept)) < 0 && is_message)
        goto fail;
    wpipe__list_append(&c->kept, &kept->node);
    return;

fail:
    free_kept(kept);
    if (c->conn != NULL)
        wpipe__loop_end(&c->loop, c->conn, WPIPE__STATE_DISCONNECTED,
                        WPIPE_REASON_MEMORY, WPIPE_ENOMEM);
}

/* Deal with one event: 1 it is the answer; 0 kept, or thrown away. */
static int sort_event(struct call *call, wpipe_event *event)
{
    struct wpipe_client *c = call->c;

    if (event->type != WPIPE_EVENT_MESSAGE ||
        c->scratch.kind != WPIPE__RECORD_REPLY) {
        keep_event(call, event);
        return 0;
    }
    if (!call->sent || c->scratch.request != call->post.request)
        return 0; /* the answer to a call that is over */
    swap_letters(&c->answer, &c->scratch);
    fill_message(&c->answer, event);
    return 1;
}

/* Send it, if it is not: 0; < 0 the call is over. */
static int send_request(struct call *call)
{
    struct wpipe__conn *conn = call->c->conn;
    int r;

    if (conn == NULL || conn->link == NULL || conn->id != call->id)
        return WPIPE_ENOTCONN;
    if (call->sent)
        return 0;
    r = wpipe__loop_send(&call->c->loop, conn, &call->post, 0);
    if (r == WPIPE_EAGAIN)
        return 0; /* when there is room */
    call->sent = r == 0;
    return r;
}

static int do_call(struct call *call, wpipe_event *ret_answer,
                   struct wpipe__rest *rest)
{
    wpipe_event event;
    int r;

    for (;;) {
        if (wpipe__loop_woken(&call->c->loop, rest))
            return WPIPE_EWOKEN;
        r = send_request(call);
        if (r < 0)
            return r;
        r = find_event(call->c, &event);
        if (r == 1 && sort_event(call, &event)) {
            *ret_answer = event;
            return 1;
        }
        r = wpipe__loop_rest(&call->c->loop, rest, r != 0);
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

    if (client == NULL || ret_answer == NULL || (request == NULL && size > 0))
        return WPIPE_EINVAL;
    r = wpipe__loop_enter(&client->loop, &rest);
    if (r < 0)
        return r;
    r = WPIPE_ENOTCONN;
    if (client->conn != NULL) {
        call.spare = wpipe__alloc(sizeof(*call.spare));
        call.id = client->conn->id;
        call.post.data = request;
        call.post.size = size;
        call.post.kind = WPIPE__RECORD_REQUEST;
        call.post.request = ++client->last_request;
        r = call.spare == NULL ? WPIPE_ENOMEM
                               : do_call(&call, ret_answer, &rest);
        wpipe__free(call.spare);
    }
    wpipe__loop_exit(&client->loop, &rest,
                     !wpipe__list_empty(&client->kept));
    return r;
}
