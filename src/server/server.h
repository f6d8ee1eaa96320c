/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a server, shared by src/server.
 */
#ifndef WPIPE_SERVER_SERVER_H
#define WPIPE_SERVER_SERVER_H

#include <windpipe.h>

#include "base/table.h"
#include "connect/acceptor.h"
#include "connect/refusals.h"
#include "loop/end.h"

/* The thread of the callback form. */
enum {
    WPIPE__THREAD_NONE = 0,
    WPIPE__THREAD_RUNNING = 1,
    WPIPE__THREAD_JOINING = 2
};

/*
 * One part of the clients and who drives it. The first shard accepts for all,
 * and its lock is the one over the server; others are taken after it.
 */
struct wpipe__shard {
    struct wpipe__loop loop; /* with the lock over all of this */
    struct wpipe_server *server;
    struct wpipe__table clients;     /* struct wpipe__conn, over or not */
    _Atomic size_t connected;        /* of those, not over; asked unlocked */
    struct wpipe__received received; /* the message handed out last */
    struct wpipe__thread thread;     /* of the callback form */
    uint32_t waiter;                 /* the thread that waited last */
    unsigned number;
};

struct wpipe_server {
    wpipe_options options;
    struct wpipe__acceptor acceptor;
    struct wpipe__refusals refusals;
    int name_changed;       /* to be told, with */
    int name_error;         /* what stands in the way; 0 nothing */
    struct wpipe__log *log; /* NULL without a hook */
    wpipe_handlers handlers;
    void *handlers_user;
    int thread_state;           /* WPIPE__THREAD_* */
    int shut;                   /* the acceptor is closed */
    struct wpipe__slots *slots; /* the acceptor's, also when that is closed */
    char name[WPIPE_NAME_MAX + 1]; /* likewise */
    unsigned shard_count;
    struct wpipe__shard shards[];
};

/* An id tells its shard: bits of the low half that the slots of a table, which
 * are counted there, do not reach. */
#define WPIPE__SHARD_SHIFT 26
#define WPIPE__SHARD_MASK \
    ((uint64_t)(WPIPE_THREADS_MAX - 1) << WPIPE__SHARD_SHIFT)

/* The connection, or NULL when it is over or never was. Locked. */
struct wpipe__conn *wpipe__shard_client(const struct wpipe__shard *shard,
                                        wpipe_id id);

/* Lock the shard that the id tells: 0; WPIPE_ENOTCONN (no such shard),
 * WPIPE_ESTATE (forked); then nothing is locked. */
int wpipe__server_lock(struct wpipe_server *s, wpipe_id id,
                       struct wpipe__shard **ret_shard);

/* The same, and the connection, which is not over: 0; WPIPE_ENOTCONN,
 * WPIPE_ESTATE; then nothing is locked. WPIPE_EINVAL: no server. */
int wpipe__server_client(struct wpipe_server *s, wpipe_id id,
                         struct wpipe__shard **ret_shard,
                         struct wpipe__conn **ret_conn);

/* Who holds the first shard's lock goes through the others with these. */
static inline void wpipe__shard_enter(struct wpipe__shard *shard)
{
    if (shard->number > 0)
        wpipe__loop_lock(&shard->loop);
}

static inline void wpipe__shard_leave(struct wpipe__shard *shard)
{
    if (shard->number > 0)
        wpipe__loop_leave(&shard->loop);
}

/* Stop, give the name back, linger, end every connection; see
 * wpipe__linger. Of a server that is ended it does nothing. */
int wpipe__server_end(struct wpipe_server *s, int timeout_ms,
                      enum wpipe__until until, wpipe_lost *lost);

/* Is this one of the threads of wpipe_server_start? */
int wpipe__server_own_thread(const struct wpipe_server *s);

/* When the shard has something to do next may have changed. Locked. */
void wpipe__shard_set_timer(struct wpipe__shard *shard);

/* Clients of all shards. */
size_t wpipe__server_connected(const struct wpipe_server *s);

/* Wait for the next event, see wpipe_server_wait; `own`: on the thread of
 * wpipe_server_start. */
int wpipe__shard_next(struct wpipe__shard *shard, wpipe_event *ret_event,
                      int timeout_ms, int own);

/* The budget's hook. */
void wpipe__server_freed(struct wpipe__budget *budget);

/* The hooks of the loop and of the acceptor. */
extern const struct wpipe__loop_owner wpipe__server_loop_owner;
extern const struct wpipe__acceptor_owner wpipe__server_acceptor_owner;

#endif
