/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: making, asking, ending. Reading and writing are in read.c
 * and write.c, zero-copy in zero_copy.c.
 */
#include "stream/stream.h"

#include <string.h>

#include <windpipe.h>

#include "base/memory.h"
#include "base/ring.h"

int wpipe__stream_make(struct wpipe__link *link, const wpipe_options *options,
                       int server_end, struct wpipe_stream **ret)
{
    struct wpipe_stream *s = wpipe__alloc(sizeof *s);
    struct wpipe__log *log = NULL;
    int r = s == NULL ? WPIPE_ENOMEM : wpipe__log_open(options, &log);

    if (r < 0) {
        link->transport->leave(link, WPIPE__STATE_CLOSED);
        link->transport->free(link);
        wpipe__free(s);
        return r;
    }
    s->link = link;
    s->server_end = server_end;
    s->order.no_replies = 1; /* it makes no calls */
    s->reads_messages =
        options->type == WPIPE_MESSAGE && link->terms.type == WPIPE_MESSAGE;
    s->trusts_peer = (options->flags & WPIPE_TRUST_PEER) != 0 || link->own_user;
    s->complete = 1;
    s->poller = WPIPE__NO_HANDLE;
    s->watch = WPIPE__NO_HANDLE;
    s->client = WPIPE__NO_HANDLE;
    *ret = s;
    wpipe__log_connected(log, link, 0);
    wpipe__log_tell(log);
    return 0;
}

void wpipe__stream_on_close(struct wpipe_stream *stream,
                            void (*closed)(void *user), void *user)
{
    stream->closed = closed;
    stream->closed_user = user;
}

int wpipe__stream_check(const struct wpipe_stream *stream, int direction)
{
    int over;

    if (stream == NULL)
        return WPIPE_EINVAL;
    if (stream->link->generation != wpipe__os_generation())
        return WPIPE_ESTATE;
    over = atomic_load_explicit(&stream->over, memory_order_relaxed);
    if (over)
        return over;
    if (direction == 0 || stream->link->terms.direction == WPIPE_DUPLEX)
        return 0;
    return stream->link->terms.direction == direction ? 0 : WPIPE_ESTATE;
}

int wpipe_stream_message_complete(const wpipe_stream *stream)
{
    return stream == NULL || stream->complete;
}

int wpipe_stream_call(const wpipe_stream *stream, wpipe_call *ret_call)
{
    if (stream == NULL || ret_call == NULL)
        return WPIPE_EINVAL;
    ret_call->request = stream->kind != 0 ? stream->request : 0;
    switch (stream->link->terms.type == WPIPE_MESSAGE ? stream->kind : 0) {
    case WPIPE__RECORD_REQUEST:
        ret_call->kind = WPIPE_CALL_REQUEST;
        break;
    case WPIPE__RECORD_REPLY:
        ret_call->kind = WPIPE_CALL_REPLY;
        break;
    default:
        ret_call->kind = WPIPE_CALL_NONE;
    }
    return 0;
}

/* ---- the writer's ends --------------------------------------------------- */

static int stream_drained(void *user)
{
    struct wpipe_stream *s = user;

    return s->link->transport->drained(s->link);
}

int wpipe_drain(wpipe_stream *stream, int timeout_ms)
{
    struct wpipe__timer timer = { timeout_ms, 0 };
    int r = wpipe__stream_check_wait(stream, WPIPE_OUT, timeout_ms);

    if (r < 0)
        return r;
    r = wpipe__link_wait(stream->link, WPIPE__WANT_DRAINED, stream_drained,
                         stream, &timer);
    return r < 0 ? wpipe__stream_reason(stream, r) : 0;
}

int wpipe_finish(wpipe_stream *stream)
{
    struct wpipe__link *link;
    int r = wpipe__stream_check(stream, WPIPE_OUT);

    if (r < 0 || stream->finished)
        return r;
    if (stream->reserved)
        return WPIPE_ESTATE;
    link = stream->link;
    if (stream->parts) {
        r = link->transport->mark(link, WPIPE__RECORD_ABORT);
        stream->parts = 0;
    }
    if (r == 0)
        r = link->transport->mark(link, WPIPE__RECORD_FIN);
    if (r == 0)
        stream->finished = 1;
    return r;
}

int wpipe_disconnect(wpipe_stream *stream)
{
    int r = wpipe__stream_check(stream, 0);

    if (r < 0)
        return r;
    if (!stream->server_end)
        return WPIPE_ESTATE;
    atomic_store(&stream->over, WPIPE_EDISCONNECTED);
    stream->link->transport->leave(stream->link, WPIPE__STATE_DISCONNECTED);
    return 0;
}

/* ---- asking -------------------------------------------------------------- */

int wpipe_stream_peer(const wpipe_stream *stream, wpipe_peer *ret_peer)
{
    if (stream == NULL || ret_peer == NULL)
        return WPIPE_EINVAL;
    return wpipe__link_peer(stream->link, ret_peer);
}

int wpipe_stream_info(const wpipe_stream *stream, wpipe_stream_facts *ret_facts)
{
    wpipe_stream_facts facts = { 0 };
    const struct wpipe__terms *terms;
    int shared;

    if (stream == NULL || ret_facts == NULL ||
        ret_facts->size < sizeof ret_facts->size ||
        ret_facts->size > sizeof *ret_facts)
        return WPIPE_EINVAL;
    if (stream->link->generation != wpipe__os_generation())
        return WPIPE_ESTATE;
    terms = &stream->link->terms;
    shared = stream->link->transport->shared(stream->link);
    facts.size = ret_facts->size;
    facts.type = terms->type;
    facts.direction = terms->direction;
    facts.shared = shared > 0 ? shared : 0;
    facts.buffer_in = terms->ring_in;
    facts.buffer_out = terms->ring_out;
    facts.messages_in = atomic_load(&stream->messages_in);
    facts.messages_out = atomic_load(&stream->messages_out);
    facts.bytes_in = atomic_load(&stream->bytes_in);
    facts.bytes_out = atomic_load(&stream->bytes_out);
    memcpy(ret_facts, &facts, ret_facts->size);
    return 0;
}

void wpipe_stream_wake(wpipe_stream *stream)
{
    if (stream != NULL && stream->link->generation == wpipe__os_generation())
        wpipe__link_wake(stream->link);
}

/* ---- a foreign event loop ------------------------------------------------ */

void wpipe__stream_refresh(struct wpipe_stream *s)
{
    const struct wpipe__transport *t = s->link->transport;
    struct wpipe__record record;

    wpipe__log_tell(s->link->log);
    if (s->poller == WPIPE__NO_HANDLE)
        return;
    (void)t->pump(s->link); /* a bell that was answered must not stay there */
    if (t->look(s->link, &record) == 0) {
        (void)wpipe__os_flag_clear(s->watch);
        wpipe__link_arm(s->link);
        if (t->look(s->link, &record) == 0 &&
            !wpipe__waiters_owes_wake(&s->link->waiting.waiters))
            return; /* the bell will make the socket readable */
    }
    wpipe__os_flag_set(s->watch);
}

intptr_t wpipe_stream_fd(wpipe_stream *stream)
{
    wpipe__handle poller = WPIPE__NO_HANDLE;
    wpipe__handle watch = WPIPE__NO_HANDLE;
    int r = wpipe__stream_check(stream, 0);

    if (r < 0)
        return r;
    if (stream->poller != WPIPE__NO_HANDLE)
        return stream->poller;
    r = wpipe__os_poller_open(&poller);
    if (r < 0)
        goto fail;
    r = wpipe__os_flag_open(&watch);
    if (r < 0)
        goto fail;
    r = wpipe__os_poller_add(poller, stream->link->socket, 0);
    if (r < 0)
        goto fail;
    r = wpipe__os_poller_add(poller, watch, 1);
    if (r < 0)
        goto fail;
    stream->poller = poller;
    stream->watch = watch;
    wpipe__link_watch(stream->link, watch);
    wpipe__stream_refresh(stream);
    return poller;
fail:
    wpipe__os_close(watch);
    wpipe__os_close(poller);
    return r;
}

/* ---- the end ------------------------------------------------------------- */

/* For the log: a peer that is there still reads what was written. */
static void note_end(struct wpipe_stream *s)
{
    const struct wpipe__transport *t = s->link->transport;
    int error = atomic_load(&s->over);
    struct wpipe__log_end end = { 0 };

    end.error = error ? error : t->gone(s->link);
    end.reason = end.error == WPIPE_EDIED           ? WPIPE_REASON_DIED
                 : end.error == WPIPE_EPROTO        ? WPIPE_REASON_PROTOCOL
                 : end.error == WPIPE_EMSGSIZE      ? WPIPE_REASON_TOO_BIG
                 : end.error == WPIPE_EDISCONNECTED ? WPIPE_REASON_KICKED
                                                    : WPIPE_REASON_CLOSED;
    if (end.error < 0 && t->drained(s->link) != 1)
        end.bytes = t->unread(s->link);
    if (end.bytes > 0 && s->link->terms.type == WPIPE_MESSAGE)
        end.messages = UINT64_MAX; /* a stream counts no messages ahead */
    wpipe__log_ended(s->link, &end);
}

void wpipe_stream_close(wpipe_stream *stream)
{
    struct wpipe__link *link;
    struct wpipe__log *log;

    if (stream == NULL)
        return;
    link = stream->link;
    log = link->log;
    /* a forked child only closes: it must not touch what its parent uses */
    if (link->generation == wpipe__os_generation()) {
        if (stream->parts)
            (void)link->transport->mark(link, WPIPE__RECORD_ABORT);
        note_end(stream);
        link->transport->leave(link, WPIPE__STATE_CLOSED);
        if (stream->closed)
            stream->closed(stream->closed_user);
    }
    /* nor close an end whose number it has, and may want to open */
    if (link->generation == wpipe__os_generation() || !stream->client_told)
        wpipe__anonymous_release(stream);
    link->transport->free(link);
    wpipe__log_close(log);
    wpipe__os_close(stream->poller);
    wpipe__os_close(stream->watch);
    wpipe__free(stream->copy);
    wpipe__free(stream);
}
