/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a stream, shared by src/stream and by those who make
 * streams (listener.c, connect.c).
 */
#ifndef WPIPE_STREAM_STREAM_H
#define WPIPE_STREAM_STREAM_H

#include <stdatomic.h>

#include <windpipe/error.h>
#include <windpipe/stream.h>

#include "base/base.h"
#include "base/sequence.h"
#include "link/link.h"
#include "link/log.h"

struct wpipe_stream {
    struct wpipe__link *link;
    int server_end;
    int reads_messages; /* our reading, not the pipe's type */
    int trusts_peer;    /* read_begin may show the ring */
    _Atomic int over;   /* why we ended it: WPIPE_E*, or 0 */
    _Atomic int calls;  /* a request was written: replies may come */
    void (*closed)(void *user);
    void *closed_user;

    /* anonymous pipes, in the process that made them */
    int anonymous;
    wpipe__handle client;   /* the child's end, until it is released */
    int client_told;        /* its number was given away */
    uint64_t client_device; /* what it is, to know it again */
    uint64_t client_inode;

    /* the reader's; what both read must not share a line with it */
    uint8_t pad_reader[128];
    struct wpipe__sequence order; /* the message that is partly read */
    int complete;                 /* the last read ended a message */
    uint32_t kind;                /* of the last message: record flags */
    uint64_t request;             /* with a kind: its number */
    int opened;                   /* read_begin without end */
    struct wpipe__record record;  /* what it showed */
    uint8_t *copy;                /* for a peer that is not trusted */
    wpipe__handle poller;         /* stream_fd, once asked for */
    wpipe__handle watch;
    _Atomic uint64_t messages_in;
    _Atomic uint64_t bytes_in;

    /* the writer's */
    uint8_t pad_writer[128];
    int finished;
    int parts;           /* a message was begun with more = 1 */
    uint64_t parts_size; /* its bytes so far */
    int reserved;        /* write_begin without commit */
    struct wpipe__record reservation;
    struct wpipe__timer begin_timer; /* of its write_begin */
    int committing; /* its commit ran out of time: it may be half sent */
    _Atomic uint64_t messages_out;
    _Atomic uint64_t bytes_out;
};

/*
 * Make a stream on a link whose greeting is done (or early). The link is the
 * stream's from then on, also when this fails. `options` are resolved ones.
 */
int wpipe__stream_make(struct wpipe__link *link, const wpipe_options *options,
                       int server_end, struct wpipe_stream **ret);

/* Called once, when the stream is closed. */
void wpipe__stream_on_close(struct wpipe_stream *stream,
                            void (*closed)(void *user), void *user);

/* Close our copy of the child's end of an anonymous pipe (child_end.c). */
void wpipe__anonymous_release(struct wpipe_stream *stream);

/* ---- between the files of src/stream ------------------------------------ */

/* Count what was read, or written: only the one thread that does so adds, so a
 * load and a store are enough. */
static inline void wpipe__stream_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(
        counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
        memory_order_relaxed);
}

/* 0 when the call may go on: not NULL, not of a parent process, direction
 * right (WPIPE_IN for reading, WPIPE_OUT for writing, 0 either), not
 * ended by us. */
static inline int wpipe__stream_check(const struct wpipe_stream *stream,
                                      int direction)
{
    int over;

    if (stream == NULL)
        return WPIPE_EINVAL;
    if (stream->link->generation != wpipe__os_generation())
        return WPIPE_ESTATE;
    over = atomic_load_explicit(&stream->over, memory_order_relaxed);
    if (over)
        return over;
    /* one of them reads and the other one writes */
    return stream->link->terms.direction + direction == WPIPE_IN + WPIPE_OUT
               ? WPIPE_ESTATE
               : 0;
}

/* The same of a call that may wait for so long. */
static inline int wpipe__stream_check_wait(const struct wpipe_stream *stream,
                                           int direction, int timeout_ms)
{
    return wpipe__is_timeout(timeout_ms)
               ? wpipe__stream_check(stream, direction)
               : WPIPE_EINVAL;
}

/* What a call that has failed returns: our own reason, if it was us who ended
 * the stream meanwhile. */
static inline int wpipe__stream_reason(const struct wpipe_stream *s, int r)
{
    int over;

    if (r >= 0 || r == WPIPE_ETIMEDOUT || r == WPIPE_EWOKEN)
        return r;
    over = atomic_load(&s->over);
    return over ? over : r;
}

/* The record to read next, waiting for it: 1; < 0; without a timer it does
 * not wait: 0. Skips messages that were withdrawn before they were begun. One
 * that may not come now (base/sequence.h) ends the stream. */
int wpipe__stream_next(struct wpipe_stream *s, struct wpipe__record *ret,
                       struct wpipe__timer *timer);
/* `bytes` of the record were read: account, and tell if the message ended. */
int wpipe__stream_took(struct wpipe_stream *s,
                       const struct wpipe__record *record, uint32_t bytes);
/* Would `size` more bytes make the message begun longer than the peer takes? */
int wpipe__stream_over_limit(const struct wpipe_stream *s, size_t size);
/* All but the last, empty record of a message may have been taken: take it.
 * 1 when the message ended so. */
int wpipe__stream_end_is_there(struct wpipe_stream *s);
/* Wait until the writer may go on, or the end, for a record of that size, and
 * kind if it has one. 0 or < 0. */
int wpipe__stream_wait_room(struct wpipe_stream *s, uint32_t size,
                            uint32_t kind, struct wpipe__timer *timer);
/* Wait until it is known whether this is a byte pipe: before a record with
 * flags. 0 or < 0. */
int wpipe__stream_wait_type(struct wpipe_stream *s, struct wpipe__timer *timer);
#define WPIPE__STREAM_KINDS (WPIPE__RECORD_REQUEST | WPIPE__RECORD_REPLY)
/* Keep a foreign event loop informed after each read. */
void wpipe__stream_refresh(struct wpipe_stream *s);

#endif
