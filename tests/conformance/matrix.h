/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of ends: every call that waits, on every object, over every
 * transport, while its peer dies, closes, is thrown out, stops, finishes or
 * loses its descriptor. Each cell must end in time with the right code.
 *
 * matrix_table.c has the columns, the rules that leave cells out, and what is
 * right; matrix_peer.c is the peer's process; matrix_object.c is the object
 * under test; matrix.c runs the cells. test_ends_*.c are one operation each.
 */
#ifndef WINDPIPE_TESTS_MATRIX_H
#define WINDPIPE_TESTS_MATRIX_H

#include "support.h"

#include <pthread.h>
#include <windpipe.h>

/* ---- the columns --------------------------------------------------------- */

enum operation {
    OP_READ, /* of a server and a client: wait */
    OP_WRITE,
    OP_SEND_WAIT,
    OP_DRAIN,
    OP_CALL,
    OP_TRANSACT,
    OP_ZERO_COPY, /* write_begin, waiting for room */
    OP_DISCONNECT,
    OPERATIONS
};

enum role {
    ROLE_CLIENT,
    ROLE_SERVER,
    ROLE_CONNECTED, /* a stream of wpipe_connect */
    ROLE_ACCEPTED,  /* a stream of wpipe_accept */
    ROLES
};

enum fate {
    FATE_KILLED,      /* SIGKILL */
    FATE_CLOSED,      /* it closes */
    FATE_KICKED,      /* the server's end throws the other one out */
    FATE_STOPPED,     /* SIGSTOP */
    FATE_HALF_CLOSED, /* it has finished writing, and would still read */
    FATE_SHUT,        /* shutdown(2) of its socket, behind the library's back */
    FATES
};

enum way {
    WAY_SOCKET,
    WAY_SHARED,
    WAY_MOVING, /* both ends offered memory and none has answered */
    WAY_RAW,    /* a plain socket at the foreign door, without framing */
    WAY_LE32,   /* and with one */
    WAYS
};

enum crew {
    CREW_ONE,   /* one thread in the call */
    CREW_PAIR,  /* another one waits for something else on the same object */
    CREW_LANES, /* a server with options.threads = 2 */
    CREWS
};

struct cell {
    enum operation op;
    enum role role;
    enum fate fate;
    enum way way;
    enum crew crew;
};

static inline bool is_stream(const struct cell *cell)
{
    return cell->role == ROLE_CONNECTED || cell->role == ROLE_ACCEPTED;
}

static inline bool is_foreign(const struct cell *cell)
{
    return cell->way == WAY_RAW || cell->way == WAY_LE32;
}

/* The object under test has the name, and the peer comes. */
static inline bool is_host(const struct cell *cell)
{
    return cell->role == ROLE_SERVER || cell->role == ROLE_ACCEPTED;
}

/* A kick is ours when we are the server's end. */
static inline bool we_kick(const struct cell *cell)
{
    return cell->fate == FATE_KICKED && is_host(cell);
}

/* Why the cell is not run, or NULL: it is. */
const char *matrix_left_out(const struct cell *cell);
/* "read/client/killed/shared/one" */
const char *matrix_call(enum operation op);
void matrix_name(const struct cell *cell, char *text, size_t size);

/* Of waits that nothing ends; also options.linger_ms of those. */
#define MATRIX_DEADLINE_MS (300 * SUPPORT_LIMIT_FACTOR)

/* ---- what is right ------------------------------------------------------- */

enum when {
    AT_ONCE,     /* the call does not wait at all */
    AT_EVENT,    /* when the fate strikes */
    AT_DEADLINE, /* when its time is over */
};

struct right {
    enum when when;
    int code;   /* of the call; 1 = an event */
    int type;   /* of that event */
    int reason; /* of that event, and of the DISCONNECTED that follows */
};

/* What `op` must do in this cell; op is the cell's own or its companion's. */
struct right matrix_right(const struct cell *cell, enum operation op);
/* The call of the other thread of CREW_PAIR. */
enum operation matrix_companion(const struct cell *cell);

/* ---- the peer ------------------------------------------------------------ */

struct meeting {
    struct cell cell;
    char name[64];      /* of the pipe, or the path of a raw server */
    struct helper peer; /* its process */
};

/* How often something is said in both directions before the cell begins, and
 * how often by the peer alone after that. */
int matrix_rounds(const struct cell *cell);
int matrix_extra(const struct cell *cell);
/* Options of both ends. */
wpipe_options matrix_options(const struct cell *cell);

/* Starts the process. When it is the host it listens on return. */
void peer_start(struct meeting *meeting);
/* It has talked and does nothing from now on. */
void peer_wait_idle(struct meeting *meeting);
/* The fate strikes; returns when it has. Not for our own kicks. */
void peer_strike(struct meeting *meeting);

/* ---- the object under test ----------------------------------------------- */

struct object {
    struct cell cell;
    wpipe_client *client;
    wpipe_server *server;
    wpipe_stream *stream;
    wpipe_id id; /* of the server's client */
    /* CREW_LANES: what the handlers have seen */
    int connected; /* descriptors of eventfd(2) that count */
    int messages;
    int told;            /* FINISHED or DISCONNECTED */
    wpipe_event ends[2]; /* these, in order */
    int ends_told;       /* of the handlers */
    int ends_read;       /* of who waits */
};

/* Meets the peer and talks as much as the cell's way needs. */
void object_open(struct object *object, struct meeting *meeting);
void object_close(struct object *object);
/* Until nothing more goes without waiting. */
void object_fill(struct object *object);
/* A few messages that the peer will not read. */
void object_send_some(struct object *object);
/* The call. The event is filled in where there is one. */
int64_t object_call(struct object *object, enum operation op, int timeout_ms,
                    wpipe_event *ret_event);
/* Our own kick of the peer. */
void object_kick(struct object *object);

/* ---- running ------------------------------------------------------------- */

/* The cells of one operation, a case for each role and way. */
int matrix_main(int argc, char **argv, enum operation op);

#endif
