/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers: open, ask, close, and the callback form. Sending is in
 * server_send.c, waiting in server_loop.c.
 */
#include "core/server.h"

#include <string.h>

#include "base/memory.h"
#include "base/options.h"
#include "base/ring.h"

/* ---- open and close ----------------------------------------------------- */

static int open_acceptor(struct wpipe_server *s, const char *name)
{
    int r = wpipe__acceptor_open(&s->acceptor, &wpipe__server_acceptor_owner,
                                 name, &s->options, WPIPE__NO_HANDLE);

    if (r < 0)
        return r;
    r = wpipe__acceptor_join(&s->acceptor, s->loop.poller, WPIPE__TAG_ACCEPTOR);
    if (r < 0)
        wpipe__options_explain(&s->options, "cannot serve: %s",
                               wpipe__os_error_text());
    return r;
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
    s = wpipe__alloc(sizeof(*s));
    if (s == NULL)
        return WPIPE_ENOMEM;
    s->options = o;
    wpipe__acceptor_init(&s->acceptor);
    r = wpipe__loop_init(&s->loop, &wpipe__server_loop_owner, &o);
    if (r < 0) {
        wpipe__options_explain(&o, "cannot serve: %s", wpipe__os_error_text());
        goto fail;
    }
    r = open_acceptor(s, name);
    if (r < 0)
        goto fail;
    s->options.error_text = NULL; /* the caller's, for this call only */
    s->options.error_text_size = 0;
    *ret = s;
    return 0;

fail:
    wpipe__acceptor_close(&s->acceptor);
    wpipe__loop_done(&s->loop);
    wpipe__free(s);
    return r;
}

/* Give the name back first: a new server may begin while we say goodbye. */
static void close_in_order(struct wpipe_server *s)
{
    struct wpipe__seats *seats = s->acceptor.seats;
    size_t cursor = 0;
    struct wpipe__conn *conn;

    wpipe_server_stop(s);
    wpipe__loop_lock(&s->loop);
    wpipe__acceptor_close(&s->acceptor);
    while ((conn = wpipe__table_next(&s->clients, &cursor)) != NULL) {
        if (conn->link == NULL)
            continue;
        (void)wpipe__conn_flush(conn, &s->loop.budget);
        wpipe__conn_end(conn, &s->loop.budget, WPIPE__STATE_CLOSED,
                        WPIPE_REASON_CLOSED, 0);
        wpipe__seats_give(seats, conn->uid); /* the last one frees them */
    }
    wpipe__loop_unlock(&s->loop);
}

void wpipe_server_close(wpipe_server *server)
{
    size_t cursor = 0;
    struct wpipe__conn *conn;

    if (server == NULL)
        return;
    if (server->loop.generation == wpipe__os_generation())
        close_in_order(server);
    else
        wpipe__acceptor_close(&server->acceptor); /* closes only */
    while ((conn = wpipe__table_next(&server->clients, &cursor)) != NULL)
        wpipe__conn_free(conn, &server->loop.budget);
    wpipe__table_done(&server->clients);
    wpipe__letter_done(&server->letter);
    wpipe__loop_done(&server->loop);
    wpipe__free(server);
}

/* ---- asking ------------------------------------------------------------- */

struct wpipe__conn *wpipe__server_client(struct wpipe_server *s, wpipe_id id)
{
    struct wpipe__conn *conn = wpipe__table_find(&s->clients, id);

    return conn == NULL || conn->link == NULL ? NULL : conn;
}

int wpipe_server_peer(wpipe_server *server, wpipe_id who, wpipe_peer *ret_peer)
{
    struct wpipe__conn *conn;
    int r;

    if (server == NULL || ret_peer == NULL)
        return WPIPE_EINVAL;
    r = wpipe__loop_use(&server->loop);
    if (r < 0)
        return r;
    conn = wpipe__server_client(server, who);
    r = conn == NULL ? WPIPE_ENOTCONN : wpipe__conn_peer(conn->link, ret_peer);
    wpipe__loop_unlock(&server->loop);
    return r;
}

size_t wpipe_server_count(wpipe_server *server)
{
    size_t count;

    if (server == NULL || wpipe__loop_use(&server->loop) < 0)
        return 0;
    count = server->connected;
    wpipe__loop_unlock(&server->loop);
    return count;
}

const char *wpipe_server_name(const wpipe_server *server)
{
    return server == NULL ? NULL : server->acceptor.door.name;
}

intptr_t wpipe_server_fd(wpipe_server *server)
{
    return server == NULL ? WPIPE_EINVAL : wpipe__loop_handle(&server->loop);
}

void wpipe_server_wake(wpipe_server *server)
{
    if (server != NULL)
        wpipe__loop_wake(&server->loop);
}

/* ---- the callback form -------------------------------------------------- */

static void dispatch(struct wpipe_server *s, const wpipe_event *e)
{
    const wpipe_handlers *h = &s->handlers;
    void (*handler)(wpipe_server *, const wpipe_event *, void *) = h->other;

    if (e->type == WPIPE_EVENT_CONNECTED)
        handler = h->connected;
    else if (e->type == WPIPE_EVENT_MESSAGE)
        handler = h->message;
    else if (e->type == WPIPE_EVENT_DISCONNECTED)
        handler = h->disconnected;
    if (handler != NULL)
        handler(s, e, s->handlers_user);
}

static int is_stopped(struct wpipe_server *s)
{
    int stopped;

    wpipe__loop_lock(&s->loop);
    stopped = s->loop.stopped;
    wpipe__loop_unlock(&s->loop);
    return stopped;
}

static void *run(void *user)
{
    struct wpipe_server *s = user;
    wpipe_event event;
    int r;

    for (;;) {
        r = wpipe__server_next(s, &event, WPIPE_FOREVER, 1);
        if (r == 1)
            dispatch(s, &event);
        else if (r < 0 || is_stopped(s))
            break;
    }
    return NULL;
}

int wpipe_server_start(wpipe_server *server, const wpipe_handlers *handlers,
                       void *user)
{
    int r;

    if (server == NULL || handlers == NULL ||
        handlers->size < sizeof(handlers->size) ||
        handlers->size > sizeof(server->handlers))
        return WPIPE_EINVAL;
    r = wpipe__loop_use(&server->loop);
    if (r < 0)
        return r;
    r = WPIPE_ESTATE;
    if (server->thread_state == WPIPE__THREAD_NONE && !server->loop.stopped &&
        !server->loop.waiting) {
        memset(&server->handlers, 0, sizeof(server->handlers));
        memcpy(&server->handlers, handlers, handlers->size);
        server->handlers_user = user;
        r = wpipe__thread_start(&server->thread, run, server);
        if (r == 0)
            server->thread_state = WPIPE__THREAD_RUNNING;
    }
    wpipe__loop_unlock(&server->loop);
    return r;
}

void wpipe_server_stop(wpipe_server *server)
{
    struct wpipe__loop *loop;
    int join = 0;

    if (server == NULL || wpipe__loop_use(&server->loop) < 0)
        return;
    loop = &server->loop;
    loop->stopped = 1;
    wpipe__loop_attend(loop);
    if (server->thread_state == WPIPE__THREAD_RUNNING &&
        !wpipe__thread_is_current(&server->thread)) {
        server->thread_state = WPIPE__THREAD_JOINING;
        join = 1;
    }
    while (!join && server->thread_state == WPIPE__THREAD_JOINING &&
           !wpipe__thread_is_current(&server->thread)) {
        loop->followers++; /* another thread joins it: wait for both */
        (void)wpipe__condition_wait(&loop->changed, &loop->lock, UINT64_MAX);
        loop->followers--;
    }
    wpipe__loop_unlock(loop);
    if (!join)
        return;
    wpipe__thread_join(&server->thread);
    wpipe__loop_lock(loop);
    server->thread_state = WPIPE__THREAD_NONE;
    wpipe__condition_wake_all(&loop->changed);
    wpipe__loop_unlock(loop);
}
