/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acceptor: from a name to links that are let in. It owns the door and
 * the pending connections, that is, the connections that are not let in yet:
 * silent ones (no hello, until their time is over), those that greeted
 * (hello is here, the owner has not asked for more) and those that are queued
 * because the pipe is full. Shared by listener.c and server.c.
 *
 * It has a poller of its own for all but the door, so that nothing here can be
 * confused with the owner's connections; that one and the door are members of
 * the owner's (join). Nothing blocks, nothing
 * that a pending connection does is an error, and a full descriptor table is
 * answered (BUSY) with the help of a descriptor in reserve. One thread at a
 * time.
 */
#ifndef WPIPE_CONNECT_ACCEPTOR_H
#define WPIPE_CONNECT_ACCEPTOR_H

#include <stdint.h>
#include <windpipe/error.h>

#include "base/base.h"
#include "base/buffer.h"
#include "base/table.h"
#include "connect/slots.h"
#include "door/door.h"
#include "door/foreign.h"
#include "link/link.h"

/* Somebody who was not let in. */
struct wpipe__refusal {
    int reason; /* WPIPE_REASON_* */
    int error;  /* WPIPE_E* */
    int os_error;
};

struct wpipe__acceptor;
struct wpipe__seconds;

struct wpipe__acceptor_owner {
    /* It was let in and has a slot, which the owner gives back when it
     * leaves; the link is the owner's. Must not close the acceptor. */
    void (*admitted)(struct wpipe__acceptor *a, struct wpipe__link *link);
    /* NULL: nobody wants to know. */
    void (*refused)(struct wpipe__acceptor *a,
                    const struct wpipe__refusal *why);
    /* The name was lost: `error` tells why it cannot be published again, 0 that
     * it is. NULL: nobody wants to know. */
    void (*named)(struct wpipe__acceptor *a, int error);
    /* Append what a query is to be told. 0 or < 0. */
    int (*describe)(struct wpipe__acceptor *a, struct wpipe__buffer *ret);
};

struct wpipe__acceptor {
    const struct wpipe__acceptor_owner *owner;
    wpipe_options options;
    struct wpipe__door door;            /* of our own kind */
    struct wpipe__foreign_door foreign; /* for everybody else */
    struct wpipe__seconds *seconds;     /* NULL: who comes there stays */
    struct wpipe__slots *slots;
    wpipe__handle poller;      /* of pending connections and foreign doors */
    wpipe__handle door_poller; /* where the door is: this one or the owner's */
    uint64_t door_tag;
    wpipe__handle reserve; /* given up to accept one when no other is left */
    struct wpipe__table pending;
    struct wpipe__list silent; /* by deadline */
    struct wpipe__list greeted;
    struct wpipe__list queue;
    uint32_t queued;
    uint32_t greeted_count;
    uint32_t pending_polled;
    unsigned budget;  /* of this turn: how many may still be let in */
    uint64_t total;   /* let in so far */
    uint64_t refused; /* not let in so far */
    uint64_t keep_at; /* when to see whether the name is still ours */
    int unnamed;      /* why it is not; 0: it is */
    uint64_t resume;  /* when to accept again; never: it is being polled */
    int error;        /* of wpipe__pending_fail; the owner clears it */
    uint8_t failing;  /* accepting is what the system refuses */
    uint8_t polled;   /* the listening socket is in the poller */
    uint8_t foreign_polled; /* the foreign door's is */
    uint8_t dialled;        /* somebody waits there, as the owner has seen */
    uint8_t crowded;        /* it is not, because too many greeted */
    uint8_t admitting;      /* pending connections are being let in */
};

/* All zero is not one; this is. */
void wpipe__acceptor_init(struct wpipe__acceptor *a);

/*
 * Take the name (NULL: make one) and listen. `options` are resolved ones;
 * error_text is written to only now. `flag`: see wpipe__slots_make.
 * Errors: as wpipe_listen; then *a is as after init.
 */
int wpipe__acceptor_open(struct wpipe__acceptor *a,
                         const struct wpipe__acceptor_owner *owner,
                         const char *name, const wpipe_options *options,
                         wpipe__handle flag);

/* Be polled by the owner: its poller tells `tag` when turn is to be called.
 * Without it a->poller is readable then. */
int wpipe__acceptor_join(struct wpipe__acceptor *a, wpipe__handle poller,
                         uint64_t tag);
/* The same, and `door_tag` when a->dialled may be set before that. */
int wpipe__acceptor_join_apart(struct wpipe__acceptor *a, wpipe__handle poller,
                               uint64_t tag, uint64_t door_tag);

/* Give the name back, then send all pending connections away. In a forked child
 * it only closes. May be called twice. */
void wpipe__acceptor_close(struct wpipe__acceptor *a);

/* Do what is to be done without waiting; let at most `budget` pending
 * connections in. */
void wpipe__acceptor_turn(struct wpipe__acceptor *a, unsigned budget);

/* A slot was given back: let those in who wait for it. As turn. */
void wpipe__acceptor_admit(struct wpipe__acceptor *a, unsigned budget);

/* The clock at which turn has something to do although nothing is readable;
 * UINT64_MAX for never. */
uint64_t wpipe__acceptor_until(const struct wpipe__acceptor *a);

/* Foreign clients that dial: no greeting, let in at once if there is a slot,
 * else left to the system's queue, as .NET does (acceptor_foreign.c). */
int wpipe__acceptor_open_foreign(struct wpipe__acceptor *a, const char *name,
                                 const wpipe_options *options);
void wpipe__acceptor_let_foreign_in(struct wpipe__acceptor *a);
/* It has a new listener; `old` is the acceptor's to close. */
void wpipe__acceptor_change_foreign(struct wpipe__acceptor *a,
                                    wpipe__handle old);
/* Poll that door again, if a slot is free. */
void wpipe__acceptor_watch_foreign(struct wpipe__acceptor *a);
#define WPIPE__TAG_FOREIGN ((uint64_t)2 << 32)
/* Let this foreign client in, or send it away: the socket is the acceptor's
 * (acceptor_admit.c). */
void wpipe__acceptor_let_in(struct wpipe__acceptor *a, wpipe__handle socket);

/*
 * Clients that are sent on to a door of their own (acceptor_second.c). The
 * functions do nothing without options.second_pipe, but for introduce, which
 * takes a connection of the first door, and meet, when their doors are
 * readable.
 */
int wpipe__acceptor_open_seconds(struct wpipe__acceptor *a,
                                 const wpipe_options *options);
/* While the first door is still open. */
void wpipe__acceptor_close_seconds(struct wpipe__acceptor *a);
void wpipe__acceptor_introduce(struct wpipe__acceptor *a, wpipe__handle socket);
void wpipe__acceptor_meet(struct wpipe__acceptor *a);
/* Let in those who have come, as far as a->budget and the slots go. */
void wpipe__acceptor_admit_seconds(struct wpipe__acceptor *a);
void wpipe__acceptor_expire_seconds(struct wpipe__acceptor *a);
uint64_t wpipe__acceptor_seconds_until(const struct wpipe__acceptor *a);
unsigned wpipe__acceptor_seconds_waiting(const struct wpipe__acceptor *a);
#define WPIPE__TAG_SECOND ((uint64_t)3 << 32)

/* Does access let this user in: 1; 0. */
int wpipe__acceptor_serves(const struct wpipe__acceptor *a, uint32_t uid);
/* May its user come in, and does the owner's admit say so? 0 or < 0. */
int wpipe__pending_check(const struct wpipe__acceptor *a,
                         const struct wpipe__link *link);

/* How many pending connections have said hello and wait. */
unsigned wpipe__acceptor_waiting(const struct wpipe__acceptor *a);

#endif
