/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transports: bytes between two ends, in records.
 *
 * A link is one connection. It lives once: dial or accept, records in and
 * out, leave, free. What users hold is built on the functions below and does
 * not know which transport it has; a transport is one table of functions: the
 * native link (src/native), which starts on its socket and moves to shared
 * memory, and the foreign link (src/foreign), whose other end is not windpipe.
 *
 * Threads: "reader" functions are called by one thread at a time, "writer"
 * functions by one thread at a time, the others by any; a link does its own
 * locking. None of them blocks but wpipe__link_wait.
 */
#ifndef WPIPE_LINK_LINK_H
#define WPIPE_LINK_LINK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <windpipe/stream.h>

#include "base/record.h"
#include "link/spin.h"
#include "link/waiters.h"
#include "os/os.h"

struct wpipe__link;
struct wpipe__log;

/* What both ends agreed on. Sizes are in bytes. Atomic, since an early link is
 * in use when the agreement comes: by a reader's hand while a writer asks. */
struct wpipe__terms {
    _Atomic int type;          /* of the pipe: WPIPE_BYTE or WPIPE_MESSAGE */
    _Atomic int direction;     /* of this end */
    _Atomic uint32_t ring_in;  /* the peer's ring */
    _Atomic uint32_t ring_out; /* ours */
    _Atomic uint64_t max_in;   /* the longest message that we take */
    _Atomic uint64_t max_out;  /* that the peer takes */
    _Atomic int silent_peer;   /* it only reads, or we cannot tell that it does
                                not: its EOF is no good-bye */
};

/* Payload for one record: `record.size` bytes of the pieces, from `offset`. */
struct wpipe__parcel {
    const wpipe_piece *pieces;
    int count;
    size_t offset;
    struct wpipe__record record; /* size, flags, total, request */
    int quiet;                   /* do not wake the peer; see wake_peer */
};

/* Where a scan stands; begin with all zero. */
struct wpipe__cursor {
    uint64_t position;
    int begun;
};

/*
 * The end of a link is told in one place: every reader function gives, once
 * all records before it are taken, WPIPE_EOF (the peer finished or closed),
 * WPIPE_EDIED, WPIPE_EDISCONNECTED (at once, when unread records are void; or
 * behind the last record, when the peer closed and more was thrown away),
 * WPIPE_EPROTO, or the server's verdict; writer functions give WPIPE_EPIPE
 * instead of WPIPE_EOF.
 */
/* What put says of a record that there will never be room for as things have
 * become since it was cut: ask fragment again. */
#define WPIPE__PUT_TOO_LONG 2

/* Some, and nobody can tell how much. */
#define WPIPE__LOST_UNKNOWN UINT64_MAX

struct wpipe__transport {
    const char *name;

    /* Reader. The first unread record: 1; 0 none now; < 0 the end. FIN is
     * never seen, it is the end; ABORT is. */
    int (*look)(struct wpipe__link *link, struct wpipe__record *ret_record);
    /* Reader. The record at the cursor, moving it on: 1, 0, < 0. */
    int (*scan)(struct wpipe__link *link, struct wpipe__cursor *cursor,
                struct wpipe__record *ret_record);
    /* Reader. Take `bytes` of the record that look gave; `whole` ends it.
     * Tells the peer when it is due. */
    void (*take)(struct wpipe__link *link, const struct wpipe__record *record,
                 uint32_t bytes, int whole);
    /* Reader, may be NULL. The common case in one go: a message of at most
     * `size` bytes, whole, in one record, none of it taken. Copies and takes
     * it: its size; -1 when it is not so: look. */
    int64_t (*fetch)(struct wpipe__link *link, void *to, size_t size);

    /* Writer, NULL when anything goes. Can it carry this message, all of it:
     * 0; WPIPE_EINVAL. */
    int (*carries)(struct wpipe__link *link, const wpipe_piece *pieces,
                   int count);
    /* Writer. Is there room for such a record: 1; 0; < 0 the end. */
    int (*room)(struct wpipe__link *link, const struct wpipe__record *record);
    /* Writer. Send one record (size <= most()): 1; 0 no room now; TOO_LONG;
     * < 0. */
    int (*put)(struct wpipe__link *link, const struct wpipe__parcel *parcel);
    /* Writer, NULL when put wakes at once whatever it was asked. Wake the peer
     * for what was put quietly: due before anybody may wait for it. */
    void (*wake_peer)(struct wpipe__link *link);
    /* Writer, may be NULL. The common case in one go: a message, or bytes,
     * that one record takes, with room for it. 1; 0 when it is not so: put. */
    int (*put_whole)(struct wpipe__link *link, const void *data, size_t size);
    /* Writer. As put in two steps: memory for record->size bytes, to be
     * filled; then commit, with record->size maybe smaller. 1; 0; < 0. */
    int (*reserve)(struct wpipe__link *link, const struct wpipe__record *record,
                   uint8_t **ret_data);
    int (*commit)(struct wpipe__link *link, const struct wpipe__record *record);
    /* Writer. Give back what was reserved: payload bytes of it that a commit
     * that ran out of room has sent all the same. */
    uint32_t (*cancel)(struct wpipe__link *link);
    /* Writer. ABORT or FIN; always has room. 0; < 0. */
    int (*mark)(struct wpipe__link *link, uint32_t flag);
    /* Writer. Where to cut what is longer, of `left` bytes to go: so that the
     * peer copies one part while we fill the next. */
    uint32_t (*fragment)(struct wpipe__link *link, size_t left);
    /* Writer. The largest payload that put and reserve take at present. */
    uint32_t (*most)(struct wpipe__link *link);
    /* Writer, NULL when there is never anything: 1 all that put took is on
     * its way; 0 some of it waits in this process; < 0. */
    int (*flushed)(struct wpipe__link *link);
    /* Any thread. 1 the peer has read all that was written; 0; < 0. */
    int (*drained)(struct wpipe__link *link);

    /* The loop's thread, may be NULL. Bytes that came and are not read,
     * or half of the memory that they keep when that is more. */
    size_t (*holds)(struct wpipe__link *link);

    /* Any thread. Payload bytes that put took and the peer has not read yet,
     * as far as can be told. */
    uint64_t (*unread)(struct wpipe__link *link);
    /* Any thread, NULL when unread is exact. The same at the end of the link;
     * WPIPE__LOST_UNKNOWN. */
    uint64_t (*lost)(struct wpipe__link *link);
    /* Any thread. Why the peer is gone, both ways (WPIPE_EPIPE, WPIPE_EDIED,
     * ...), or 0: look may give WPIPE_EOF while it still reads. */
    int (*gone)(struct wpipe__link *link);
    /* Any thread, may be NULL. 1 when it closed, and threw away some of what it
     * had accepted for us. */
    int (*dropped)(struct wpipe__link *link);
    /* Any thread. What to poll the socket for: WPIPE__INTEREST_*. */
    unsigned (*interest)(struct wpipe__link *link);
    /* Any thread. Harvest the socket: 1 something came; 0; < 0 the end. */
    int (*pump)(struct wpipe__link *link);
    /* Any thread, link locked. Tell the peer that we sleep for `mask`
     * (WPIPE__WANT_*), under a fresh epoch, with the fence that makes a look
     * after it safe; 0 = we do not sleep. */
    void (*arm)(struct wpipe__link *link, unsigned mask);
    /* The waiting thread. 0 when only the socket tells of `mask`, 1 when
     * polling memory can see it come, 2 when in addition the peer streams:
     * a poll that comes too early only takes the line away from it. */
    int (*in_memory)(struct wpipe__link *link, unsigned mask);
    /* Any thread. 1 when the peer last ran on the core that we run on. */
    int (*same_core)(struct wpipe__link *link);
    /* Any thread. 0 on the socket, 1 our writes are shared, 2 both ways. */
    int (*shared)(struct wpipe__link *link);

    /* Any thread. Say WPIPE__STATE_CLOSED, _DISCONNECTED or _DROPPED; then
     * nothing is sent any more. Later calls do nothing. */
    void (*leave)(struct wpipe__link *link, uint32_t state);
    /* Last call: closes and frees. */
    void (*free)(struct wpipe__link *link);
};

/* Who waits on a link, and what for (wait.c). */
struct wpipe__waiting {
    struct wpipe__waiters waiters;
    struct wpipe__spin_record spin;
    _Atomic wpipe__handle watch; /* set whenever something came in; a foreign
                                    event loop polls it (stream/stream.c) */
    int leading;                 /* a thread polls the socket */
    unsigned interest;           /* for this: WPIPE__INTEREST_* */
    unsigned users[3];           /* how many want DATA, ROOM, DRAINED */
    _Atomic uint32_t wait_count;
    _Atomic uint64_t asked; /* when a call that may not wait last looked at
                               the socket */
};

/* What every link has; a transport's own struct begins with it. */
struct wpipe__link {
    const struct wpipe__transport *transport;
    wpipe__handle socket; /* what to poll; readable: call pump */
    int passing;          /* WPIPE__PASS*: what can be in its queue */
    uint32_t generation;  /* wpipe__os_generation when it was made */
    int polled; /* a poller calls pump whenever the socket is readable, so a
                   look need not ask a socket that was found empty */
    uint32_t receive_most; /* polled: so much at a time; 0: as it likes */
    _Atomic int undecided; /* only the verdict tells whether it is a byte pipe:
                              until then no record may have flags */
    int half; /* bytes came that are no whole record, or part of one, yet */
    uint32_t spin_ns;
    int signals;              /* a signal handler ends a wait */
    struct wpipe__mutex lock; /* the socket, frames, ends, who waits */
    struct wpipe__waiting waiting;
    struct wpipe__terms terms;
    wpipe_peer peer; /* uid, gid, pid; no names */
    int own_user;    /* its uid is ours */

    struct wpipe__log *log; /* of the object that has it, or NULL */
    uint64_t log_id;        /* what it is called there */
    int logged;             /* it is a connection, and not over */
};

/* Set up and take down the common part. */
int wpipe__link_init(struct wpipe__link *link,
                     const struct wpipe__transport *transport,
                     wpipe__handle socket);
void wpipe__link_done(struct wpipe__link *link);

/* Any thread. Fill in who is at the other end, as far as ret->size goes; looks
 * names up. 0, WPIPE_EINVAL. */
int wpipe__link_peer(struct wpipe__link *link, wpipe_peer *ret);

/* The same in two steps, for who holds a lock: names come from files, which may
 * take their time. Hold reads none; name needs the link no more, and is due
 * after each hold that returned 0. */
struct wpipe__link_peer {
    wpipe_peer peer;
    struct wpipe__held_peer held;
};
int wpipe__link_hold_peer(struct wpipe__link *link, const wpipe_peer *ret,
                          struct wpipe__link_peer *ret_peer);
void wpipe__link_name_peer(struct wpipe__link_peer *peer, wpipe_peer *ret);

/* Can it carry this message: 0; WPIPE_EINVAL. */
static inline int wpipe__link_carries(struct wpipe__link *link,
                                      const wpipe_piece *pieces, int count)
{
    return link->transport->carries == NULL
               ? 0
               : link->transport->carries(link, pieces, count);
}

/* A foreign event loop watches for DATA through `watch`, from now on. */
void wpipe__link_watch(struct wpipe__link *link, wpipe__handle watch);
/* Arm for what is wanted now, under a fresh epoch; then look. */
void wpipe__link_arm(struct wpipe__link *link);

/* Something came in, or ended: tell the threads that wait. Any thread. */
void wpipe__link_notify(struct wpipe__link *link);

/*
 * Wait until ready(user) is not 0: spin, then sleep. `mask` is what the peer
 * has to do for it (WPIPE__WANT_*; 0 when only frames matter). Returns what
 * ready returned (also when it is < 0), WPIPE_ETIMEDOUT or WPIPE_EWOKEN. ready
 * is called without the lock.
 */
int wpipe__link_wait(struct wpipe__link *link, unsigned mask,
                     int (*ready)(void *user), void *user,
                     struct wpipe__timer *timer);

/* End running waits with WPIPE_EWOKEN, or else the next one. Safe in a signal
 * handler. */
void wpipe__link_wake(struct wpipe__link *link);

/* ---- the foreign link (src/foreign) ------------------------------------- */

/*
 * Make a link on a handle whose other end is not windpipe: bytes as they are,
 * cut into messages by options->framing. The handle is the link's from then
 * on, also when this fails. A one-way end of a socket shuts the other way
 * down, as .NET does.
 */
int wpipe__foreign_make(wpipe__handle handle, const wpipe_options *options,
                        struct wpipe__link **ret_link);

/* Why it broke the framing, in words; "" when it did not. */
const char *wpipe__foreign_why(struct wpipe__link *link);

/* ---- the native link (src/native) --------------------------------------- */

/* How far the greeting is. */
enum wpipe__greeted {
    WPIPE__GREET_PENDING = 0, /* hello or verdict not here yet */
    WPIPE__GREET_QUEUED = 1,  /* client: the server is full, we wait */
    WPIPE__GREET_HELLO = 2,   /* server: hello is here, to be answered */
    WPIPE__GREET_DONE = 3     /* both ends know the terms */
};

/*
 * Make a link on a connected socket, which is the link's from then on, also
 * when this fails. dial says hello at once; `wait` asks a full server to
 * queue us; `query` asks for facts only. Options are resolved ones.
 */
int wpipe__native_dial(wpipe__handle socket, const wpipe_options *options,
                       int wait, int query, struct wpipe__link **ret_link);
int wpipe__native_accept(wpipe__handle socket, const wpipe_options *options,
                         struct wpipe__link **ret_link);

/* Pump, then how far the greeting is: WPIPE__GREET_*, or < 0: over
 * (the verdict, WPIPE_EPROTO, WPIPE_EVERSION, WPIPE_EDIED, ...). */
int wpipe__native_greeted(struct wpipe__link *link);

/* Server, greeting at HELLO: is it a query; does it want to be queued. */
int wpipe__native_is_query(struct wpipe__link *link);
int wpipe__native_may_queue(struct wpipe__link *link);
/* Server: let it in. 0, or < 0 when the hello does not fit the options
 * (WPIPE_ESTATE, WPIPE_EVERSION): refuse it then. */
int wpipe__native_admit(struct wpipe__link *link);
/*
 * The inherited end of a pair (anonymous pipes): greeted and admit in one, of
 * somebody who may have written, closed and died by now; what it wrote is
 * still to be read. The pipe's type is what it says. 1 it is done; 0 its hello
 * is not here yet; < 0 (WPIPE_ESTATE: the directions).
 */
int wpipe__native_inherit(struct wpipe__link *link);
/* Server: tell it that it is queued; or that it is not let in. */
void wpipe__native_queue(struct wpipe__link *link);
void wpipe__native_refuse(struct wpipe__link *link, int error);

/* Query: send the answer (server); the answer once it is here (client):
 * 1 and its bytes, borrowed; 0 not yet; < 0. */
int wpipe__native_send_facts(struct wpipe__link *link, const void *facts,
                             size_t size);
int wpipe__native_facts(struct wpipe__link *link, const uint8_t **ret_facts,
                        size_t *ret_size);

#endif
