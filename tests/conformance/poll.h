/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ways to wait on an object: its own call with a timeout, or poll(2) on its
 * descriptor and then the call without one until nothing is left. Both must
 * see the same. For test_poll_deadlines.c and test_wait_or_poll.c.
 */
#ifndef WINDPIPE_TESTS_POLL_H
#define WINDPIPE_TESTS_POLL_H

#include "support.h"

#include <windpipe.h>

/* One of the four objects, and how it is waited on. */
struct waiter {
    wpipe_server *server;
    wpipe_client *client;
    wpipe_listener *listener;
    wpipe_stream *stream;
    bool polls;
    bool asks_again; /* for the descriptor, each time; else once */
    bool looked;     /* poll(2) told, and not all was taken yet */
    int fd;          /* asked for, or 0 */
    int in_vain;     /* how often it told and nothing was there */
    /* what came */
    wpipe_event event;     /* server, client */
    wpipe_stream *arrived; /* listener */
    uint8_t bytes[4096];   /* stream */
};

/*
 * What the object's own wait, accept or read returns; polled, it is never
 * called with a timeout.
 */
static inline int64_t waiter_call(struct waiter *w, int timeout_ms)
{
    if (w->server)
        return wpipe_server_wait(w->server, &w->event, timeout_ms);
    if (w->client)
        return wpipe_client_wait(w->client, &w->event, timeout_ms);
    if (w->listener)
        return wpipe_accept(w->listener, &w->arrived, timeout_ms);
    return wpipe_read(w->stream, w->bytes, sizeof w->bytes, timeout_ms);
}

static inline int waiter_fd(struct waiter *w)
{
    intptr_t fd = w->fd > 0 && !w->asks_again ? w->fd
                  : w->server                 ? wpipe_server_fd(w->server)
                  : w->client                 ? wpipe_client_fd(w->client)
                  : w->listener               ? wpipe_listener_fd(w->listener)
                                              : wpipe_stream_fd(w->stream);

    assert_true(fd >= 0);
    w->fd = (int)fd;
    return w->fd;
}

static inline int64_t waiter_next(struct waiter *w, int timeout_ms)
{
    int64_t end = support_now_ms() + timeout_ms;
    int64_t r;

    if (!w->polls)
        return waiter_call(w, timeout_ms);
    for (;;) {
        int64_t left = end - support_now_ms();

        if (!w->looked &&
            !support_wait_readable(waiter_fd(w), left > 0 ? (int)left : 0))
            return WPIPE_ETIMEDOUT;
        r = waiter_call(w, 0);
        if (r != WPIPE_ETIMEDOUT) {
            w->looked = true;
            return r;
        }
        w->in_vain += !w->looked;
        w->looked = false;
        if (support_now_ms() >= end)
            return WPIPE_ETIMEDOUT;
    }
}

#endif
