/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The greeting of a native link.
 *
 * The client says HELLO at once and may write; the server answers with a
 * VERDICT when it gets to it. From both greetings both ends compute the same
 * terms. A query is answered with facts instead. Called by pump.c with
 * what comes, by native.c, and by servers through link/link.h.
 */
#include "native/native.h"

#include <windpipe/error.h>

#include "base/base.h"

static uint32_t ring_for(uint32_t writer, uint32_t reader, int used)
{
    if (!used)
        return WPIPE__RING_MIN; /* control words only, in effect */
    return (uint32_t)wpipe__min_u64(writer, reader);
}

int wpipe__native_need_buffer(struct wpipe__native *n)
{
    int r = 0;

    if (n->send_buffer == 0)
        r = wpipe__os_need_send_buffer(n->link.socket, 2 * WPIPE__WINDOW_MIN,
                                       &n->send_buffer);
    if (r < 0)
        wpipe__native_break(n, r);
    return r;
}

/* Can we tell that a segment of the peer's has its pages, or trust that it has?
 * If not, reading it could take memory from us. */
static int may_share(const struct wpipe__native *n)
{
    uint32_t uid = n->link.peer.uid;

    return uid == wpipe__os_uid() || uid == 0 || wpipe__os_counts_pages();
}

/* Both greetings are here: the terms, seen from this end. 0; < 0: broken. */
static int agree(struct wpipe__native *n)
{
    const struct wpipe__greeting *us = &n->ours;
    const struct wpipe__greeting *them = &n->theirs_greeting;
    const struct wpipe__greeting *server = n->server_end ? us : them;
    struct wpipe__terms *t = &n->link.terms;
    int direction = us->direction;
    int in;
    int out;

    t->type = server->type;
    atomic_store(&n->link.undecided, 0);
    if (server->direction != WPIPE_DUPLEX && !n->server_end)
        direction = server->direction == WPIPE_IN ? WPIPE_OUT : WPIPE_IN;
    t->direction = direction;
    in = direction != WPIPE_OUT && them->direction != WPIPE_IN;
    out = direction != WPIPE_IN && them->direction != WPIPE_OUT;
    t->ring_in = ring_for(them->buffer_out, us->buffer_in, in);
    t->ring_out = ring_for(us->buffer_out, them->buffer_in, out);
    t->silent_peer = them->direction == WPIPE_IN;
    t->max_in = us->max_message;
    t->max_out = them->max_message;
    n->willing =
        (us->flags & them->flags & WPIPE__GREET_SHARED) != 0 && may_share(n);
    if (!n->willing)
        wpipe__native_refuse_passing(n);
    if (wpipe__native_need_buffer(n) < 0)
        return WPIPE_ELIMIT;
    n->window =
        wpipe__min_u64(wpipe__native_window(t->ring_out), n->send_buffer / 2) -
        WPIPE__WINDOW_RESERVE;
    n->greeted = WPIPE__GREET_DONE;
    /* an end that only reads has finished writing before it began */
    if (direction == WPIPE_IN) {
        struct wpipe__frame fin = { .type = WPIPE__FRAME_DATA,
                                    .flags = WPIPE__RECORD_FIN };

        if (wpipe__native_send(n, &fin, NULL, 0, WPIPE__NO_HANDLE) == 0)
            n->out.head += wpipe__frame_charge(WPIPE__RECORD_FIN, 0);
        atomic_store(&n->mine->head, n->out.head);
    }
    if ((us->flags | them->flags) & WPIPE__GREET_NOW)
        (void)wpipe__native_offer(n);
    if (n->wants_shared == WPIPE_SHARED_REQUIRED && !n->willing)
        wpipe__native_break(n, WPIPE_ENOTSUP);
    return 0;
}

/* Do the client's wishes fit what the server serves? */
static int fits(const struct wpipe__greeting *server,
                const struct wpipe__greeting *client)
{
    if (client->version_low > WPIPE__WIRE_VERSION ||
        client->version_high < WPIPE__WIRE_VERSION)
        return WPIPE_EVERSION;
    if (client->type == WPIPE_MESSAGE && server->type == WPIPE_BYTE)
        return WPIPE_ESTATE;
    if (server->direction != WPIPE_DUPLEX &&
        client->direction == server->direction)
        return WPIPE_ESTATE; /* both only read, or both only write */
    return 0;
}

int wpipe__native_greet(struct wpipe__native *n, uint8_t type)
{
    struct wpipe__frame f = { .type = type,
                              .size = WPIPE__GREETING_SIZE,
                              .value = WPIPE__HELLO_MAGIC };
    uint8_t bytes[WPIPE__GREETING_SIZE];
    wpipe_piece body = { bytes, sizeof bytes };

    wpipe__greeting_encode(&n->ours, bytes);
    return wpipe__native_send(n, &f, &body, 1, WPIPE__NO_HANDLE);
}

int wpipe__native_on_hello(struct wpipe__native *n, const uint8_t *body)
{
    int r = wpipe__greeting_decode(body, &n->theirs_greeting);

    if (r < 0)
        return r;
    if (n->theirs_greeting.code > WPIPE__GREET_QUERY)
        return WPIPE_EPROTO;
    n->greeted = WPIPE__GREET_HELLO;
    return 0;
}

int wpipe__native_on_verdict(struct wpipe__native *n, const uint8_t *body)
{
    struct wpipe__greeting *g = &n->theirs_greeting;
    int r = wpipe__greeting_decode(body, g);

    if (r < 0)
        return r;
    if (g->code != WPIPE__VERDICT_ACCEPTED)
        return wpipe__verdict_error(g->code);
    if (g->type == 0 || g->version_low != WPIPE__WIRE_VERSION ||
        fits(g, &n->ours) < 0)
        return WPIPE_EPROTO;
    return agree(n);
}

int wpipe__native_left_something(const struct wpipe__native *n)
{
    return n->greeted == WPIPE__GREET_HELLO &&
           wpipe__queue_arrived(&n->queue) > 0;
}

int wpipe__native_is_query(struct wpipe__link *link)
{
    return wpipe__native(link)->theirs_greeting.code == WPIPE__GREET_QUERY;
}

int wpipe__native_may_queue(struct wpipe__link *link)
{
    return (wpipe__native(link)->theirs_greeting.flags & WPIPE__GREET_WAIT) !=
           0;
}

static int would_share(const struct wpipe__native *n)
{
    return (n->ours.flags & n->theirs_greeting.flags & WPIPE__GREET_SHARED) !=
           0;
}

/* From its verdict on the client may send a segment. */
static void allow_passing(struct wpipe__native *n)
{
    if (would_share(n))
        (void)wpipe__os_set_passing(n->link.socket, 1);
}

int wpipe__native_admit(struct wpipe__link *link)
{
    struct wpipe__native *n = wpipe__native(link);
    int r;

    wpipe__mutex_lock(&link->lock);
    r = fits(&n->ours, &n->theirs_greeting);
    if (r == 0 && n->wants_shared == WPIPE_SHARED_REQUIRED && !would_share(n))
        r = WPIPE_ENOTSUP;
    if (r == 0) {
        allow_passing(n);
        n->ours.code = WPIPE__VERDICT_ACCEPTED;
        r = wpipe__native_greet(n, WPIPE__FRAME_VERDICT);
        if (r < 0 && atomic_load(&n->hung_up) &&
            wpipe__native_left_something(n))
            r = 0;
    }
    if (r == 0)
        r = agree(n);
    wpipe__mutex_unlock(&link->lock);
    return r;
}

int wpipe__native_take_on(struct wpipe__native *n)
{
    int r;

    n->ours.type =
        n->theirs_greeting.type == WPIPE_MESSAGE ? WPIPE_MESSAGE : WPIPE_BYTE;
    r = fits(&n->ours, &n->theirs_greeting);
    if (n->theirs_greeting.direction != WPIPE_DUPLEX &&
        n->ours.direction == WPIPE_DUPLEX)
        r = WPIPE_ESTATE; /* half of it would lead nowhere */
    if (r < 0) {
        n->ours.code = wpipe__verdict_code(r);
        (void)wpipe__native_greet(n, WPIPE__FRAME_VERDICT);
        n->left = 1;
        return r;
    }
    allow_passing(n);
    n->ours.code = WPIPE__VERDICT_ACCEPTED;
    r = wpipe__native_greet(n, WPIPE__FRAME_VERDICT);
    if (r < 0 && !atomic_load(&n->hung_up))
        return r;
    return agree(n);
}

void wpipe__native_queue(struct wpipe__link *link)
{
    wpipe__mutex_lock(&link->lock);
    (void)wpipe__native_say(wpipe__native(link), WPIPE__FRAME_WAIT, 0);
    wpipe__mutex_unlock(&link->lock);
}

void wpipe__native_refuse(struct wpipe__link *link, int error)
{
    struct wpipe__native *n = wpipe__native(link);

    wpipe__mutex_lock(&link->lock);
    n->ours.code = wpipe__verdict_code(error);
    (void)wpipe__native_greet(n, WPIPE__FRAME_VERDICT);
    n->left = 1; /* there is nothing more to say */
    wpipe__mutex_unlock(&link->lock);
}

int wpipe__native_send_facts(struct wpipe__link *link, const void *facts,
                             size_t size)
{
    struct wpipe__native *n = wpipe__native(link);
    struct wpipe__frame f = { .type = WPIPE__FRAME_FACTS,
                              .size = (uint32_t)size };
    wpipe_piece body;
    int r;

    body.data = (void *)(uintptr_t)facts;
    body.size = size;
    wpipe__mutex_lock(&link->lock);
    r = wpipe__native_send(n, &f, &body, 1, WPIPE__NO_HANDLE);
    n->left = 1;
    wpipe__mutex_unlock(&link->lock);
    return r;
}
