/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection as a server or a client holds it: the link with its inbox,
 * outbox and counters, and what is still to be told about it. All functions
 * here are called with the lock of the loop that it belongs to; loop/loop.c
 * drives it, src/server and src/client own it.
 *
 * An idle one is to cost little: nothing here has memory of its own while
 * nothing is queued or half read.
 */
#ifndef WPIPE_LOOP_CONN_H
#define WPIPE_LOOP_CONN_H

#include <stdint.h>
#include <windpipe.h>

#include "base/base.h"
#include "link/link.h"
#include "loop/inbox.h"
#include "loop/outbox.h"
#include "loop/sent_sizes.h"

/* What is to be told about a connection, as bits; told in this order. */
enum {
    WPIPE__TELL_CONNECTED = 1,
    WPIPE__TELL_WRITABLE = 2,
    WPIPE__TELL_SKIPPED = 4,
    WPIPE__TELL_FINISHED = 8,
    WPIPE__TELL_DISCONNECTED = 16
};

struct wpipe__conn {
    struct wpipe__link *link; /* NULL once it is over */
    uint64_t id;
    void *user;                    /* the program's: event.user */
    struct wpipe__list calls;      /* those that we made and are open */
    struct wpipe__list active;     /* in its user's turn: to be looked at */
    struct wpipe__user_turn *turn; /* that one; NULL: it is not active */
    struct wpipe__list notice;     /* in loop.notices */
    struct wpipe__list aside; /* in loop.wanting, or closing in loop.leaving */
    struct wpipe__list half;  /* in loop.halves: its message was half */
    struct wpipe__inbox inbox;
    struct wpipe__outbox outbox;
    struct wpipe__sent_sizes sent_sizes;
    uint64_t messages_in;
    uint64_t messages_out;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t dropped;       /* messages that a broadcast skipped it with */
    uint64_t since;         /* when it was made; the clock of wpipe__os_now */
    uint64_t used_at;       /* when a message passed, as far as noted */
    uint64_t noted;         /* how many had passed then */
    uint64_t lost_messages; /* once it is over; or WPIPE_LOST_UNKNOWN */
    uint64_t lost_bytes;
    struct wpipe__account *account; /* its user's; NULL: it has not joined */
    uint64_t held;                  /* of the budget */
    uint64_t pending;     /* of that, for bytes that a foreign link keeps */
    uint64_t received;    /* counted beside that: came and nobody has read */
    uint64_t half_of;     /* messages_in when its half message was seen */
    uint64_t leave_since; /* closing: since when */
    uint64_t leave_by;    /* and until when it is to have read something */
    uint64_t leave_left;  /* of so many bytes */
    uint32_t uid;
    uint32_t drainers;    /* threads that wait until it is drained */
    uint16_t burst;       /* messages since it had its turn */
    uint16_t seen;        /* loop.round when something was found */
    uint8_t tell;         /* WPIPE__TELL_* */
    uint8_t polled;       /* its socket is in the poller */
    uint8_t interest;     /* for this: WPIPE__INTEREST_* */
    uint8_t closing;      /* nothing is accepted for it any more */
    uint8_t finished;     /* the peer sends nothing more, but is there */
    uint8_t write_closed; /* the peer reads nothing more; we still may */
    uint8_t armed;        /* WPIPE__WANT_* that the peer was told */
    uint8_t reason;       /* once it is over: WPIPE_REASON_* */
    uint8_t skip_reason;
    int error; /* once it is over: the WPIPE_E* behind it */
};

/* `options` are resolved ones; they decide the outbox's limit and whether
 * boundaries are kept. The link is the connection's from then on, also when
 * this fails. */
int wpipe__conn_make(struct wpipe__link *link, const wpipe_options *options,
                     struct wpipe__conn **ret);

/* Send or keep, as wpipe__outbox_send; WPIPE_ENOTCONN when it is over,
 * WPIPE_ESTATE when this end only reads, WPIPE_ENOTSUP for a call or its answer
 * where neither can travel. */
int wpipe__conn_send(struct wpipe__conn *conn, struct wpipe__budget *budget,
                     const struct wpipe__outgoing *outgoing, int want_writable);

/* Move what is kept. 1 something went, 0, < 0. */
int wpipe__conn_flush(struct wpipe__conn *conn, struct wpipe__budget *budget);

/* Messages that passed since the last time have passed now: whenever it is no
 * longer looked at in turn, and when it is sent to while it is not; so busy
 * connections read no clock for it. */
void wpipe__conn_note_use(struct wpipe__conn *conn);

/* The next message, as wpipe__inbox_next. */
int wpipe__conn_next(struct wpipe__conn *conn, struct wpipe__budget *budget,
                     struct wpipe__received *received);

/* May it have what its outbox wants: 1; 0. */
int wpipe__conn_may_send(struct wpipe__conn *conn,
                         struct wpipe__budget *budget);

/* Bytes that the peer has not read, in the link and not yet in it. */
uint64_t wpipe__conn_unread(const struct wpipe__conn *conn);

/* Is something that was accepted still in this process? */
int wpipe__conn_keeps(const struct wpipe__conn *conn);

/* A foreign link took bytes that the system has not: they count as well. After
 * whatever may have moved them. */
void wpipe__conn_count_pending(struct wpipe__conn *conn,
                               struct wpipe__budget *budget);

/* What came and nobody has read is memory, too: count it, and say how much the
 * link may receive at a time. After whatever may have moved it. */
void wpipe__conn_count_received(struct wpipe__conn *conn,
                                struct wpipe__budget *budget);

/* Does it hold more than the other: its user does, or it does of the same? And
 * has it received more that nobody has read? */
int wpipe__conn_is_greater(const struct wpipe__conn *conn,
                           const struct wpipe__conn *other);
int wpipe__conn_is_fuller(const struct wpipe__conn *conn,
                          const struct wpipe__conn *other);

/* Is something to be taken from it? */
static inline int wpipe__conn_takes(const struct wpipe__conn *conn)
{
    return !conn->finished && !conn->closing;
}

/* Is a message begun, or a frame of one, and not all of it there? */
static inline int wpipe__conn_is_half(const struct wpipe__conn *conn)
{
    return (conn->inbox.order.begun && !conn->inbox.bytes) || conn->link->half;
}

/* The end of the message begun will not come: forget it. */
void wpipe__conn_drop_half(struct wpipe__conn *conn,
                           struct wpipe__budget *budget);

/* What we sleep for: WPIPE__WANT_*. */
unsigned wpipe__conn_wants(const struct wpipe__conn *conn);

/* Say to the peer that we sleep; 0 wants: that we do not. */
void wpipe__conn_arm(struct wpipe__conn *conn, unsigned wants);

/*
 * End it: count what is lost, say `state` (WPIPE__STATE_*) to the peer, free
 * the link and all memory. `reason` and `error` stay for the event.
 */
void wpipe__conn_end(struct wpipe__conn *conn, struct wpipe__budget *budget,
                     uint32_t state, int reason, int error);

/* Only close what the connection has: in a forked child, or when it is over. */
void wpipe__conn_free(struct wpipe__conn *conn, struct wpipe__budget *budget);

/* WPIPE_REASON_* for how a link ended. */
int wpipe__conn_reason(int error);

#endif
