/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a client, shared by src/client.
 */
#ifndef WPIPE_CLIENT_CLIENT_H
#define WPIPE_CLIENT_CLIENT_H

#include <windpipe.h>

#include "base/base.h"
#include "connect/introduce.h"
#include "door/door.h"
#include "loop/end.h"

/* client.state */
enum {
    WPIPE__CLIENT_UP = 0,     /* conn is there */
    WPIPE__CLIENT_TRYING = 1, /* looking for the server, or being greeted */
    WPIPE__CLIENT_FAILED = 2, /* gave up; DISCONNECTED is to be told */
    WPIPE__CLIENT_OVER = 3    /* no connection will come any more */
};

/* Connections that have ended and were not told; of more, the oldest are
 * forgotten. */
#define WPIPE__CLIENT_ENDS 64u

struct wpipe__kept;

struct wpipe_client {
    struct wpipe__loop loop; /* with the lock over all of this */
    wpipe_options options;
    char name[WPIPE_NAME_MAX + 1];
    int state;                /* WPIPE__CLIENT_* */
    struct wpipe__conn *conn; /* when UP; one that is over is a notice */
    uint64_t lossy;           /* the last one that lost something */
    uint64_t loss_told;       /* the last one of which that was told */
    uint64_t last_id;

    /* being connected: connect.c */
    struct wpipe__link *greeting;        /* its socket is in the poller */
    struct wpipe__introduced introduced; /* its socket, too */
    char second[WPIPE_NAME_MAX + 1];     /* where we were sent; "" nowhere */
    uint64_t second_until;               /* when we turn to the first again */
    struct wpipe__name_watch name_watch;
    int listening; /* the watch of the name is; its watch is in the poller */
    int silent;    /* what we wait for may come without a sign */
    int looking;   /* retry_at is but a slow look: the watch tells sooner */
    int delay_ms;  /* before the next try */
    uint64_t retry_at; /* when that is; never: the watch of the name tells */
    uint64_t give_up;  /* when to stop trying */
    uint64_t up_since;
    int failure; /* why the last try failed: WPIPE_E* */

    /* events: wait.c, kept.c */
    struct wpipe__received received; /* the message handed out last */
    struct wpipe__received scratch;  /* the message that comes next */
    struct wpipe__list kept;         /* found by others than wait, for it */
    struct wpipe__kept *spare;       /* for the next of these */
    unsigned kept_ends;              /* DISCONNECTED among them */
    uint64_t kept_writable; /* for whom there is a WRITABLE; one will do */
};

/* ---- connect.c: all locked --------------------------------------- */

extern const struct wpipe__loop_owner wpipe__client_loop_owner;

/* Begin to connect; the first try is made by whoever waits next. */
void wpipe__client_try(struct wpipe_client *c);
/* This link, whose greeting is done, is the connection now. The link is the
 * client's, also when this fails. */
int wpipe__client_connected(struct wpipe_client *c, struct wpipe__link *link);
/* Close what is half connected. */
void wpipe__client_stop_trying(struct wpipe_client *c);

/* ---- kept.c: events for later; all locked ------------------------ */

/* Does such an event come with data? */
static inline int wpipe__client_has_data(const wpipe_event *event)
{
    return event->type == WPIPE_EVENT_MESSAGE ||
           (event->type == WPIPE_EVENT_REPLY && event->error == 0);
}

/* Room for one more: 0; WPIPE_ENOMEM. Before an event is taken off. */
int wpipe__client_keep_room(struct wpipe_client *c);
/* Keep it; its data is taken out of c->scratch. What memory_limit forbids ends
 * the connection, because what follows it must not come before it; and of an
 * answer the event says so. */
void wpipe__client_keep(struct wpipe_client *c, const wpipe_event *event);
/* The first one: 1 and the event, a message's data in *received; 0. */
int wpipe__client_next_kept(struct wpipe_client *c, wpipe_event *ret_event,
                            struct wpipe__received *received);
/* Free them, and the connections that are over. */
void wpipe__client_drop_kept(struct wpipe_client *c);

/* ---- wait.c ------------------------------------------------------ */

/* The connection, or NULL. Locked. */
struct wpipe__conn *wpipe__client_connection(struct wpipe_client *c);
/* The peer is gone both ways, all that is left is what it wrote, and another
 * connection will come. Locked. */
int wpipe__client_is_gone(struct wpipe_client *c, struct wpipe__conn *conn);
/* Take the next event, and keep it: 1; 0 there is none; 2 none yet, but there
 * is more to look at; < 0. Locked. */
int wpipe__client_keep_one(struct wpipe_client *c);

/*
 * Who sends or drains cannot use the connection: is another one to come? What
 * is left of one that is over is kept for wait. Locked. 0 yes: follow, and look
 * again; WPIPE_ENOTCONN; WPIPE_ENOMEM.
 */
int wpipe__client_hope(struct wpipe_client *c);

#endif
