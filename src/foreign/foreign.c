/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The foreign link: a byte stream whose other end is not windpipe - a .NET,
 * Node or Python program at a socket, a pipe inherited from a parent.
 *
 * Bytes that come are cut into records by a framing and wait in a queue; when
 * the reader is slow the link stops receiving, so that the kernel's buffer
 * holds the peer back. Bytes that go are handed to the kernel; what it has no
 * room for waits in `pending`, and nothing more is taken until that is gone.
 * What moves bytes runs under link.lock; what only asks does not. Of a polled
 * link the loop is the reader and the pump, under a lock of its own. Reading is
 * in read.c, writing in write.c. Called through the table of link/link.h.
 */
#include "foreign/foreign.h"

#include <windpipe/error.h>

#include "base/memory.h"
#include "base/options.h"
#include "base/ring.h"

const char *wpipe__foreign_why(struct wpipe__link *link)
{
    return wpipe__foreign(link)->why;
}

/* ---- the table ----------------------------------------------------------- */

static int foreign_gone(struct wpipe__link *link)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    int over = atomic_load(&f->over);

    if (over)
        return over;
    return wpipe__os_hung_up(link->socket) ? WPIPE_EPIPE : 0;
}

static size_t foreign_holds(struct wpipe__link *link)
{
    return wpipe__queue_holds(&wpipe__foreign(link)->queue);
}

static unsigned foreign_interest(struct wpipe__link *link)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    unsigned interest = 0;

    if (wpipe__foreign_listens(f))
        interest |= WPIPE__INTEREST_IN;
    if (wpipe__foreign_kept(f) > 0)
        interest |= WPIPE__INTEREST_OUT;
    if (f->asks)
        interest |= WPIPE__INTEREST_SOON;
    return interest;
}

static int foreign_pump(struct wpipe__link *link)
{
    struct wpipe__foreign *f = wpipe__foreign(link);
    int r;

    if (link->polled && f->dry && wpipe__foreign_kept(f) == 0 &&
        wpipe__foreign_may_receive(f) && !f->ended) {
        f->dry = 0;
        return 1;
    }
    wpipe__mutex_lock(&link->lock);
    r = wpipe__foreign_may_receive(f) ? 0 : atomic_load(&f->over);
    if (r == 0) {
        if (!atomic_load(&f->over))
            (void)wpipe__foreign_flush(f);
        r = wpipe__foreign_hear(f);
        if (r == 1)
            wpipe__link_notify(link);
    }
    wpipe__mutex_unlock(&link->lock);
    return r;
}

static void foreign_arm(struct wpipe__link *link, unsigned mask)
{
    if (!(mask & WPIPE__WANT_DRAINED))
        wpipe__foreign(link)->asks = 0;
}

static int foreign_in_memory(struct wpipe__link *link, unsigned mask)
{
    (void)link;
    (void)mask;
    return 0;
}

static int foreign_same_core(struct wpipe__link *link)
{
    (void)link;
    return 0;
}

static int foreign_shared(struct wpipe__link *link)
{
    (void)link;
    return WPIPE_ENOTSUP;
}

static void foreign_leave(struct wpipe__link *link, uint32_t state)
{
    struct wpipe__foreign *f = wpipe__foreign(link);

    wpipe__mutex_lock(&link->lock);
    if (!f->left) {
        f->left = 1;
        if (state != WPIPE__STATE_DISCONNECTED && !atomic_load(&f->over))
            (void)wpipe__foreign_flush(f);
        if (state == WPIPE__STATE_DROPPED && !atomic_load(&f->over))
            wpipe__foreign_cut(f);
        if (f->kind == WPIPE__KIND_SOCKET)
            wpipe__os_shutdown(link->socket);
    }
    wpipe__link_notify(link);
    wpipe__mutex_unlock(&link->lock);
}

static void foreign_free(struct wpipe__link *link)
{
    struct wpipe__foreign *f;

    if (link == NULL)
        return;
    f = wpipe__foreign(link);
    wpipe__queue_done(&f->queue);
    wpipe__buffer_done(&f->pending);
    wpipe__free(f->scratch);
    wpipe__link_done(link);
    wpipe__free(f);
}

static const struct wpipe__transport foreign_transport = {
    .name = "foreign",
    .look = wpipe__foreign_peek,
    .scan = wpipe__foreign_scan,
    .take = wpipe__foreign_take,
    .fetch = wpipe__foreign_fetch,
    .carries = wpipe__foreign_carries,
    .room = wpipe__foreign_room,
    .put = wpipe__foreign_put,
    .reserve = wpipe__foreign_reserve,
    .commit = wpipe__foreign_commit,
    .cancel = wpipe__foreign_cancel,
    .mark = wpipe__foreign_mark,
    .fragment = wpipe__foreign_fragment,
    .most = wpipe__foreign_most,
    .flushed = wpipe__foreign_flushed,
    .drained = wpipe__foreign_drained,
    .unread = wpipe__foreign_unread,
    .lost = wpipe__foreign_lost,
    .gone = foreign_gone,
    .holds = foreign_holds,
    .interest = foreign_interest,
    .pump = foreign_pump,
    .arm = foreign_arm,
    .in_memory = foreign_in_memory,
    .same_core = foreign_same_core,
    .shared = foreign_shared,
    .leave = foreign_leave,
    .free = foreign_free,
};

/* ---- making one ---------------------------------------------------------- */

static void set_up(struct wpipe__foreign *f, const wpipe_options *options)
{
    struct wpipe__terms *t = &f->link.terms;

    f->link.signals = (options->flags & WPIPE_WAIT_SIGNALS) != 0;
    f->framing = options->framing;
    f->limit =
        options->buffer_in == 0 ? WPIPE__BUFFER_DEFAULT : options->buffer_in;
    f->why = "";
    wpipe__decoder_init(&f->decoder, options->framing, options->max_message);
    t->type =
        options->framing == WPIPE_FRAMING_RAW ? WPIPE_BYTE : WPIPE_MESSAGE;
    t->direction = options->direction;
    t->silent_peer = 1;
    t->ring_in = options->direction == WPIPE_OUT ? 0 : (uint32_t)f->limit;
    t->ring_out = options->buffer_out;
    t->max_in = options->max_message;
    t->max_out =
        options->framing == WPIPE_FRAMING_RAW ? UINT64_MAX : UINT32_MAX;
}

int wpipe__foreign_make(wpipe__handle handle, const wpipe_options *options,
                        struct wpipe__link **ret_link)
{
    struct wpipe__foreign *f = wpipe__alloc(sizeof *f);
    int r = WPIPE_ENOMEM;

    if (f == NULL)
        goto fail;
    r = wpipe__link_init(&f->link, &foreign_transport, handle);
    if (r < 0)
        goto fail;
    f->kind = wpipe__os_kind(handle);
    set_up(f, options);
    f->link.peer.size = sizeof f->link.peer;
    f->link.passing = WPIPE__PASSES_NOTHING;
    if (f->kind == WPIPE__KIND_SOCKET) {
        f->link.passing = wpipe__os_refuse_passing(handle);
        (void)wpipe__os_peer(handle, &f->link.peer);
        f->link.own_user = f->link.peer.uid == wpipe__os_uid();
        if (options->direction == WPIPE_IN)
            wpipe__os_shutdown_write(handle);
        if (options->direction == WPIPE_OUT)
            wpipe__os_shutdown_read(handle);
    }
    *ret_link = &f->link;
    return 0;
fail:
    wpipe__free(f);
    wpipe__os_close_unknown(handle, wpipe__os_generation());
    return r;
}
