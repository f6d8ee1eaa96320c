/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a server, shared by core/server*.c.
 */
#ifndef WPIPE_CORE_SERVER_H
#define WPIPE_CORE_SERVER_H

#include <windpipe.h>

#include "base/table.h"
#include "core/acceptor.h"
#include "core/loop.h"

/* Refusals kept to be told; those beyond are only counted. */
#define WPIPE__REFUSALS 32u

/* The thread of the callback form. */
enum {
    WPIPE__THREAD_NONE = 0,
    WPIPE__THREAD_RUNNING = 1,
    WPIPE__THREAD_JOINING = 2
};

struct wpipe_server {
    struct wpipe__loop loop; /* with the lock over all of this */
    wpipe_options options;
    struct wpipe__acceptor acceptor;
    struct wpipe__table clients; /* struct wpipe__conn, over or not */
    size_t connected;            /* of those, not over */
    struct wpipe__letter letter; /* the message handed out last */
    struct wpipe__refusal refusals[WPIPE__REFUSALS];
    unsigned refusal_first;
    unsigned refusal_count;
    wpipe_handlers handlers;
    void *handlers_user;
    struct wpipe__thread thread;
    int thread_state; /* WPIPE__THREAD_* */
};

/* The connection, or NULL when it is over or never was. Locked. */
struct wpipe__conn *wpipe__server_client(struct wpipe_server *s, wpipe_id id);

/* Wait for the next event, see wpipe_server_wait; `own`: on the thread of
 * wpipe_server_start. */
int wpipe__server_next(struct wpipe_server *s, wpipe_event *ret_event,
                       int timeout_ms, int own);

/* The hooks of the loop and of the acceptor. */
extern const struct wpipe__loop_owner wpipe__server_loop_owner;
extern const struct wpipe__acceptor_owner wpipe__server_acceptor_owner;

#endif
