/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open calls: requests that were sent over the connections of a loop and are
 * not answered yet. Each ends exactly once: with its answer, at its deadline,
 * with its connection, or when the thread that waits for it gives up.
 *
 * An asynchronous call ends with an event; a call that a thread waits for hands
 * it the answer. All locked, as in loop/loop.h.
 */
#ifndef WPIPE_LOOP_CALLS_H
#define WPIPE_LOOP_CALLS_H

#include <stdint.h>
#include <windpipe.h>

#include "base/base.h"
#include "base/table.h"
#include "loop/inbox.h"
#include "loop/outbox.h"

struct wpipe__conn;
struct wpipe__loop;

/* One call. A thread that waits has it on its stack. */
struct wpipe__call {
    struct wpipe__list node; /* in conn.calls; then in calls.ended */
    uint64_t id;             /* 0: not open */
    uint64_t conn;           /* the id of the connection that it went over */
    uint64_t deadline;       /* of an asynchronous one */
    struct wpipe__received *answer; /* where the answer goes; NULL: an event */
    int result; /* 0 open; 1 answered; < 0 why there is no answer */
};

/* The calls of a loop. */
struct wpipe__calls {
    struct wpipe__table open;
    struct wpipe__list ended;   /* without an answer, and to be told */
    struct wpipe__list answers; /* of threads, see wpipe__calls_answer */
    unsigned answer_count;
    unsigned answers_most; /* then those of ended threads go */
    uint64_t at;   /* when to look at the deadlines; the owner's timer has it */
    uint64_t mark; /* set by the owner: bits of each id */
};

/* Bits of an id that calls.mark may use: slots of a table do not reach them. */
#define WPIPE__CALL_MARK_SHIFT 26

void wpipe__calls_init(struct wpipe__calls *calls);
/* Free the asynchronous ones; no event tells. */
void wpipe__calls_done(struct wpipe__calls *calls);

/*
 * Send the request `post` (kind and id are filled in) over the connection, and
 * open the call. With `want_writable` a WRITABLE follows an EAGAIN. 0; those of
 * wpipe__loop_send; WPIPE_ENOTCONN also when the peer sends nothing more.
 */
int wpipe__call_send(struct wpipe__loop *loop, struct wpipe__conn *conn,
                     struct wpipe__call *call, struct wpipe__outgoing *outgoing,
                     int want_writable);
/* The same for a new asynchronous call: 0 and its id. */
int wpipe__call_begin(struct wpipe__loop *loop, struct wpipe__conn *conn,
                      struct wpipe__outgoing *outgoing, int timeout_ms,
                      uint64_t *ret_id);
/* Who waited for it gives up, or has the answer. */
void wpipe__call_forget(struct wpipe__loop *loop, struct wpipe__call *call);

/* The event for who waited, of an answered one. */
void wpipe__call_fill(const struct wpipe__call *call, wpipe_event *ret_event);

/*
 * A reply came over the connection: 1 an asynchronous call ends with it, and
 * its event is to be told; 0 it was handed to who waits, or nobody does. What
 * the message had goes to who waits.
 */
int wpipe__calls_answered(struct wpipe__loop *loop,
                          const struct wpipe__conn *conn,
                          struct wpipe__received *received);
/* No answer will come over this connection: all its calls end. */
void wpipe__calls_end(struct wpipe__loop *loop, struct wpipe__conn *conn,
                      int error);
/* The owner's timer: calls.at is over, maybe. */
void wpipe__calls_expire(struct wpipe__loop *loop);
/* The next call that ended without an answer: 1 and its event; 0. */
int wpipe__calls_next_ended(struct wpipe__loop *loop, wpipe_event *ret_event);

/* Where this thread's answers go: valid until it asks again. NULL: no memory.
 */
struct wpipe__received *wpipe__calls_answer(struct wpipe__calls *calls);

#endif
