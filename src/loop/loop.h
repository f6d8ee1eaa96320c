/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop: what a server and a client have in common. It holds the lock, the
 * poller, and two lists of connections: the active ones, which are looked at in
 * turn without a system call because something came from them lately, and
 * those about which there is something to tell. Every other connection is
 * armed: its peer makes its socket readable when something comes.
 *
 * Order of a sleep: look at the active ones for a while; arm them; look once
 * more; those that are quiet leave the list; sleep in the poller. So a wait
 * costs nothing for a connection that is idle.
 *
 * Threads: one thread at a time drives the loop, that is, sleeps in the
 * poller for all. Usually the one that waits for events; when there is none,
 * a thread that waits for room (follow). Everything is done under the lock,
 * but sleeping and the pauses of a spin.
 */
#ifndef WPIPE_LOOP_LOOP_H
#define WPIPE_LOOP_LOOP_H

#include <stdatomic.h>
#include <stdint.h>
#include <windpipe.h>

#include "base/base.h"
#include "link/log.h"
#include "loop/calls.h"
#include "loop/conn.h"
#include "os/os.h"

/* Tags of the poller. A connection's tag is its id, whose low half is never
 * 0 (table.h). */
#define WPIPE__TAG(n)         ((uint64_t)(n) << 32)
#define WPIPE__TAG_FLAG       WPIPE__TAG(1)
#define WPIPE__TAG_ACCEPTOR   WPIPE__TAG(2)
#define WPIPE__TAG_NAME_WATCH WPIPE__TAG(3)
#define WPIPE__TAG_GREETING   WPIPE__TAG(4)
#define WPIPE__TAG_TIMER      WPIPE__TAG(5) /* loop.timer is over */
#define WPIPE__TAG_ALARM      WPIPE__TAG(6)

struct wpipe__loop;

struct wpipe__loop_owner {
    /* A member with this tag is readable. Locked; only on the driving
     * thread; must not block. */
    void (*ready)(struct wpipe__loop *loop, uint64_t tag);
    /* The connection is over; DISCONNECTED will be told. Locked; any
     * thread. */
    void (*ended)(struct wpipe__loop *loop, struct wpipe__conn *conn);
    /* Of those of this loop that have joined, of this user's if `of` is not
     * NULL, the greatest one. May be NULL: there is one connection. Locked. */
    struct wpipe__conn *(*greatest)(
        struct wpipe__loop *loop, const struct wpipe__account *of,
        int (*is_greater)(const struct wpipe__conn *conn,
                          const struct wpipe__conn *other));
};

struct wpipe__loop {
    const struct wpipe__loop_owner *owner;
    struct wpipe__mutex lock;
    struct wpipe__waiters waiters; /* its flag is in the poller */
    struct wpipe__log *log;        /* of the owner; may be NULL */
    wpipe__handle poller;
    wpipe__handle alarm; /* in a watched poller: readable at `timer` */
    wpipe__handle watch; /* one that `keeps`: has the poller, and `show` */
    wpipe__handle show;  /* a flag: a wait would find something */
    uint32_t generation;
    uint32_t spin_ns; /* 0: never stay awake */
    struct wpipe__spin_record spin;
    struct wpipe__list turns; /* users who have active connections (turn.c) */
    unsigned turn_count;
    unsigned active_count;        /* connections */
    unsigned number;              /* among the loops with one budget */
    struct wpipe__user_turn turn; /* of connections that have not joined */
    struct wpipe__list notices;
    struct wpipe__list drains;  /* threads in wpipe__loop_drain */
    struct wpipe__list wanting; /* connections that wait for the budget */
    struct wpipe__list leaving; /* those that end when all is read */
    int linger_ms;              /* how long one of them may read nothing */
    uint64_t leave_at; /* when to look at these; the owner's timer has it */
    struct wpipe__list halves; /* connections whose message may be half */
    int message_ms;            /* for the rest of it; WPIPE_FOREVER */
    uint64_t half_at; /* when to look at these; the owner's timer has it */
    struct wpipe__budget budget;
    struct wpipe__budget *shared_budget; /* that one, or another loop's */
    struct wpipe__calls calls;
    uint64_t timer;      /* when the owner has something to do; never: ~0 */
    unsigned since_poll; /* messages since the sockets were asked */
    unsigned takers;     /* threads that take what comes, or will */
    uint16_t round;      /* grows whenever they are, amid messages */
    int core;            /* where it was last seen; its peers were told */
    uint8_t waiting;     /* a thread is between enter and exit */
    uint8_t driving;     /* a thread sleeps in the poller for all, or may */
    uint8_t awake;       /* it stays awake */
    uint8_t full;        /* as many sockets as it asks for were ready: more may
                            be */
    uint8_t keeps;       /* a call keeps what is for wait; set by the owner */
    uint8_t watched;     /* a foreign event loop has the poller, or `watch` */
    uint8_t shown;       /* `show` is set */
    uint8_t stopped;
    uint8_t signals; /* a signal handler ends a wait */
    uint8_t closing; /* nothing is accepted any more */
    _Atomic int nudged;
    _Atomic int spinning;
    _Atomic int contenders; /* threads that want the lock of a spinner */
};

int wpipe__loop_init(struct wpipe__loop *loop,
                     const struct wpipe__loop_owner *owner,
                     const wpipe_options *options);
/* Takes one that is all zero or half made; a forked child only closes. */
void wpipe__loop_done(struct wpipe__loop *loop);

void wpipe__loop_lock(struct wpipe__loop *loop);
/* Unlock, and tell the log: no other lock may be held. */
void wpipe__loop_unlock(struct wpipe__loop *loop);
/* Unlock with the lock of another loop held. */
void wpipe__loop_leave(struct wpipe__loop *loop);

/* Lock; WPIPE_ESTATE, not locked, in a forked child. */
int wpipe__loop_use(struct wpipe__loop *loop);

/* There is something to do or to tell: end a sleep, and make a watched
 * poller readable. */
void wpipe__loop_attend(struct wpipe__loop *loop);

/* The owner's ready is to be called with WPIPE__TAG_FLAG, some time soon. Any
 * thread, with no lock of this loop held or needed. */
void wpipe__loop_nudge(struct wpipe__loop *loop);

/* ---- connections -------------------------------------------------------- */

/* Poll its socket, under conn->id; one thread at a time for all loops with one
 * budget. 0; WPIPE_ELIMIT, WPIPE_ENOMEM, WPIPE_ESYSTEM. */
int wpipe__loop_join(struct wpipe__loop *loop, struct wpipe__conn *conn);

/* Look at it in turn from now on. */
void wpipe__loop_activate(struct wpipe__loop *loop, struct wpipe__conn *conn);
/* Its socket is readable. */
void wpipe__loop_pump(struct wpipe__loop *loop, struct wpipe__conn *conn);
/* More was received and not read than the limit allows, and this connection may
 * be why: end those with most of it until it is not so. */
void wpipe__loop_shed(struct wpipe__loop *loop, struct wpipe__conn *conn);

/* Tell WPIPE__TELL_* about it. */
void wpipe__loop_tell(struct wpipe__loop *loop, struct wpipe__conn *conn,
                      uint8_t what);

/* Send; makes the sleeper know what else it waits for. Any thread. */
int wpipe__loop_send(struct wpipe__loop *loop, struct wpipe__conn *conn,
                     const struct wpipe__outgoing *outgoing, int want_writable);

/* The budget has room again, maybe: tell who waits for it. */
void wpipe__loop_feed(struct wpipe__loop *loop);

/* Wake the peer for what was sent quietly (link.wake_peer is not NULL). */
void wpipe__loop_wake_peer(struct wpipe__loop *loop, struct wpipe__conn *conn);

/* One more thread waits until it is drained; or one less. */
void wpipe__loop_drainer(struct wpipe__loop *loop, struct wpipe__conn *conn,
                         int more);

/* Has the peer read everything: 1; 0; < 0. */
int wpipe__loop_drained(struct wpipe__loop *loop, struct wpipe__conn *conn);

/* link.shared of it, 0 when it is not. */
int wpipe__loop_shared(struct wpipe__loop *loop, struct wpipe__conn *conn);

/* The next thing to tell: 1, the event, and its connection, which is over if
 * the event is DISCONNECTED and is then the caller's to free; 0. */
int wpipe__loop_notice(struct wpipe__loop *loop, wpipe_event *ret_event,
                       struct wpipe__conn **ret_conn);

/* The next message of the active connections, in turn: 1; 0; 2 none yet, but
 * there is more to look at. */
int wpipe__loop_take(struct wpipe__loop *loop, struct wpipe__received *received,
                     struct wpipe__conn **ret_conn);

/* Arm the active connections, which leave if they are quiet. 1 when one of them
 * was not, and the caller must not sleep. */
int wpipe__loop_arm(struct wpipe__loop *loop);

/* ---- waiting ------------------------------------------------------------ */

/* One wait on its way to sleep; begin with { .timer = { timeout_ms, 0 } }. */
struct wpipe__rest {
    struct wpipe__timer timer;
    struct wpipe__spin spin;
    unsigned how;   /* to spin: WPIPE__SPIN_* */
    uint32_t wakes; /* noted when it began */
    uint32_t turn;  /* and when it last looked */
    uint8_t noted;
    uint8_t late;      /* rounds after the deadline */
    uint8_t busy_arms; /* steps in which arming found news, in a row */
};

/* Begin to wait for events: locks. WPIPE_ESTATE when another thread does, or
 * in a forked child; WPIPE_EWOKEN, a signal handler ran while another one
 * still drove. Then nothing is locked. */
int wpipe__loop_enter(struct wpipe__loop *loop, struct wpipe__rest *rest);
/* The end of it. `more`: there may be another event right away. */
void wpipe__loop_exit(struct wpipe__loop *loop, struct wpipe__rest *rest,
                      int more);

/*
 * Begin to wait for an answer, and the end of that: locked. In between, one
 * thread leads, which takes what comes for all: a wait, or else one that has
 * such a begin. 1 when this one may lead now; then wpipe__loop_rest is its
 * sleep, and wpipe__loop_unlead the end. 0: somebody leads; follow.
 */
void wpipe__loop_call_enter(struct wpipe__loop *loop, struct wpipe__rest *rest);
void wpipe__loop_call_exit(struct wpipe__loop *loop);
int wpipe__loop_lead(struct wpipe__loop *loop);
/* `more`: something was found; a wait may have an event right away. */
void wpipe__loop_unlead(struct wpipe__loop *loop, struct wpipe__rest *rest,
                        int more);

/* 1 when a wake is to end this wait. */
int wpipe__loop_woken(struct wpipe__loop *loop, const struct wpipe__rest *rest);

/*
 * Nothing was found: one step towards sleep, or sleep. The caller looks again
 * after each. With `busy` there is more to look at, and it
 * only asks the sockets now and then. Returns 0; WPIPE_ETIMEDOUT when the
 * deadline was over before and everything was asked once; WPIPE_EWOKEN (a
 * signal handler ran, and that is to end it); WPIPE_ESYSTEM.
 */
int wpipe__loop_rest(struct wpipe__loop *loop, struct wpipe__rest *rest,
                     int busy);

/* Ask the sockets without sleeping, if they have waited long enough. */
void wpipe__loop_glance(struct wpipe__loop *loop);

/*
 * Wait until something moved that concerns a sender; drive the loop when
 * nobody does. Returns 0 (look again), WPIPE_ETIMEDOUT, WPIPE_EWOKEN (woken,
 * stopped, or a signal handler), WPIPE_ESYSTEM.
 */
int wpipe__loop_follow(struct wpipe__loop *loop, struct wpipe__rest *rest);

/* End all waits that have begun, or else the next one. Safe in a signal
 * handler. */
void wpipe__loop_wake(struct wpipe__loop *loop);

/* When the owner has something to do: readable for a foreign loop, too. */
void wpipe__loop_set_timer(struct wpipe__loop *loop, uint64_t when);

/*
 * A descriptor for a foreign event loop: the poller, armed when nothing is
 * there. Of one that keeps, it is another one, which is readable as well while
 * something is kept: that must not wake the call that sleeps in the poller.
 */
intptr_t wpipe__loop_handle(struct wpipe__loop *loop);
/* Another than wait has found something for it. */
void wpipe__loop_show(struct wpipe__loop *loop);
void wpipe__loop_close_watch(struct wpipe__loop *loop);

#endif
