/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a server, shared by src/server.
 */
#ifndef WPIPE_SERVER_SERVER_H
#define WPIPE_SERVER_SERVER_H

#include <windpipe.h>

#include "base/table.h"
#include "connect/acceptor.h"
#include "loop/end.h"

/* Refusals kept to be told; those beyond are only counted. */
#define WPIPE__REFUSALS 32u

/* The thread of the callback form. */
enum {
    WPIPE__THREAD_NONE = 0,
    WPIPE__THREAD_RUNNING = 1,
    WPIPE__THREAD_JOINING = 2
};

/*
 * One part of the clients and who drives it. The first lane accepts for all,
 * and its lock is the one over the server; others are taken after it.
 */
struct wpipe__lane {
    struct wpipe__loop loop; /* with the lock over all of this */
    struct wpipe_server *server;
    struct wpipe__table clients; /* struct wpipe__conn, over or not */
    _Atomic size_t connected;    /* of those, not over; asked unlocked */
    struct wpipe__letter letter; /* the message handed out last */
    struct wpipe__thread thread; /* of the callback form */
    unsigned number;
};

struct wpipe_server {
    wpipe_options options;
    struct wpipe__acceptor acceptor;
    struct wpipe__refusal refusals[WPIPE__REFUSALS];
    unsigned refusal_first;
    unsigned refusal_count;
    wpipe_handlers handlers;
    void *handlers_user;
    int thread_state;           /* WPIPE__THREAD_* */
    int shut;                   /* the acceptor is closed */
    struct wpipe__seats *seats; /* the acceptor's, also when that is closed */
    char name[WPIPE_NAME_MAX + 1]; /* likewise */
    unsigned lane_count;
    struct wpipe__lane lanes[];
};

/* An id tells its lane: bits of the low half that the slots of a table, which
 * are counted there, do not reach. */
#define WPIPE__LANE_SHIFT 26
#define WPIPE__LANE_MASK \
    ((uint64_t)(WPIPE_THREADS_MAX - 1) << WPIPE__LANE_SHIFT)

/* The connection, or NULL when it is over or never was. Locked. */
struct wpipe__conn *wpipe__lane_client(const struct wpipe__lane *lane,
                                       wpipe_id id);

/* Lock the lane that the id tells: 0; WPIPE_ENOTCONN (no such lane),
 * WPIPE_ESTATE (forked); then nothing is locked. */
int wpipe__server_lock(struct wpipe_server *s, wpipe_id id,
                       struct wpipe__lane **ret_lane);

/* Who holds the first lane's lock goes through the others with these. */
static inline void wpipe__lane_enter(struct wpipe__lane *lane)
{
    if (lane->number > 0)
        wpipe__loop_lock(&lane->loop);
}

static inline void wpipe__lane_leave(struct wpipe__lane *lane)
{
    if (lane->number > 0)
        wpipe__loop_unlock(&lane->loop);
}

/* Stop, give the name back, linger, end every connection; see
 * wpipe__linger. Of a server that is ended it does nothing. */
int wpipe__server_end(struct wpipe_server *s, int timeout_ms,
                      enum wpipe__until until, wpipe_lost *lost);

/* Is this one of the threads of wpipe_server_start? */
int wpipe__server_own_thread(const struct wpipe_server *s);

/* When the lane has something to do next may have changed. Locked. */
void wpipe__lane_set_timer(struct wpipe__lane *lane);

/* Clients of all lanes. */
size_t wpipe__server_connected(const struct wpipe_server *s);

/* Wait for the next event, see wpipe_server_wait; `own`: on the thread of
 * wpipe_server_start. */
int wpipe__lane_next(struct wpipe__lane *lane, wpipe_event *ret_event,
                     int timeout_ms, int own);

/* The budget's hook. */
void wpipe__server_freed(struct wpipe__budget *budget);

/* The hooks of the loop and of the acceptor. */
extern const struct wpipe__loop_owner wpipe__server_loop_owner;
extern const struct wpipe__acceptor_owner wpipe__server_acceptor_owner;

#endif
