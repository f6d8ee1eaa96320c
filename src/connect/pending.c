/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a pending connection: it is let in, queued, refused, answered
 * (a query), or it goes.
 */
#include "connect/pending.h"

#include <windpipe.h>

#include "base/memory.h"

enum {
    QUEUE = 1024 /* pending connections told to wait for a slot */
};

/* ---- going -------------------------------------------------------------- */

void wpipe__pending_refused(struct wpipe__acceptor *a,
                            const struct wpipe__refusal *why)
{
    a->refused++;
    if (a->owner->refused != NULL)
        a->owner->refused(a, why);
}

void wpipe__pending_fail(struct wpipe__acceptor *a, int error)
{
    struct wpipe__refusal why = { .reason = WPIPE_REASON_SYSTEM,
                                  .error = error,
                                  .os_error = wpipe__os_error_number() };

    a->error = error;
    wpipe__pending_refused(a, &why);
}

void wpipe__pending_fail_once(struct wpipe__acceptor *a, int error)
{
    if (!a->failing)
        wpipe__pending_fail(a, error);
    a->error = error;
    a->failing = 1;
}

void wpipe__pending_free(struct wpipe__pending *pending)
{
    if (pending->link != NULL)
        pending->link->transport->free(pending->link);
    wpipe__free(pending);
}

static void move_to(struct wpipe__acceptor *a, struct wpipe__pending *pending,
                    uint8_t where)
{
    wpipe__list_remove(&pending->node);
    a->queued -= pending->where == WPIPE__PENDING_QUEUE;
    a->greeted_count -= pending->where == WPIPE__PENDING_GREETED;
    pending->where = where;
    a->queued += where == WPIPE__PENDING_QUEUE;
    a->greeted_count += where == WPIPE__PENDING_GREETED;
    if (where == WPIPE__PENDING_QUEUE)
        wpipe__list_append(&a->queue, &pending->node);
    else if (where == WPIPE__PENDING_GREETED)
        wpipe__list_append(&a->greeted, &pending->node);
}

static void stop_polling(struct wpipe__acceptor *a,
                         struct wpipe__pending *pending)
{
    if (pending->polled)
        wpipe__os_poller_remove(a->poller, pending->link->socket);
    a->pending_polled -= pending->polled;
    pending->polled = 0;
}

/* Take it out of everything but memory. */
static void remove_pending(struct wpipe__acceptor *a,
                           struct wpipe__pending *pending)
{
    stop_polling(a, pending);
    move_to(a, pending, WPIPE__PENDING_SILENT);
    (void)wpipe__table_remove(&a->pending, pending->id);
}

static void drop(struct wpipe__acceptor *a, struct wpipe__pending *pending)
{
    remove_pending(a, pending);
    wpipe__pending_free(pending);
}

/* It ended before it was let in. When it went, that is nobody's fault. */
static void lose(struct wpipe__acceptor *a, struct wpipe__pending *pending,
                 int error)
{
    if (error == WPIPE_ESYSTEM || error == WPIPE_EACCES)
        wpipe__pending_fail(a, error);
    drop(a, pending);
}

/* Say no, and why to the owner. */
static void refuse(struct wpipe__acceptor *a, struct wpipe__pending *pending,
                   int reason, int error)
{
    struct wpipe__refusal why = { .reason = reason, .error = error };

    wpipe__native_refuse(pending->link, error);
    drop(a, pending);
    wpipe__pending_refused(a, &why);
}

void wpipe__pending_expire(struct wpipe__acceptor *a,
                           struct wpipe__pending *pending)
{
    struct wpipe__refusal why = { .reason = WPIPE_REASON_PROTOCOL,
                                  .error = WPIPE_ETIMEDOUT };

    wpipe__native_refuse(pending->link, WPIPE_EPROTO);
    drop(a, pending);
    wpipe__pending_refused(a, &why);
}

/* ---- who may come in ---------------------------------------------------- */

/* Root can connect to anything, and is served only by itself, unless others
 * are. */
int wpipe__acceptor_serves(const struct wpipe__acceptor *a, uint32_t uid)
{
    if (a->options.access != WPIPE_ACCESS_USER || uid == wpipe__os_uid())
        return 1;
    return uid == WPIPE__UID_UNMAPPED &&
           (a->options.flags & WPIPE_TRUST_PEER) != 0;
}

static int check_user(const struct wpipe__acceptor *a,
                      const struct wpipe__link *link)
{
    return wpipe__acceptor_serves(a, link->peer.uid) ? 0 : WPIPE_EACCES;
}

static int ask_admit(const struct wpipe__acceptor *a,
                     const struct wpipe__link *link)
{
    wpipe_peer peer = link->peer;
    int r;

    if (a->options.admit == NULL)
        return 0;
    peer.size = sizeof(peer);
    wpipe__os_name_peer(link->socket, &peer);
    r = a->options.admit(&peer, a->options.admit_user);
    if (r >= 0)
        return 0;
    return r == WPIPE_EACCES || r == WPIPE_EBUSY ? r : WPIPE_EREFUSED;
}

int wpipe__pending_check(const struct wpipe__acceptor *a,
                         const struct wpipe__link *link)
{
    int r = check_user(a, link);

    return r < 0 ? r : ask_admit(a, link);
}

/* A query: answer it, if it is allowed to ask, and let it go. */
static void answer(struct wpipe__acceptor *a, struct wpipe__pending *pending)
{
    struct wpipe__buffer facts = { 0 };
    uint32_t uid = pending->link->peer.uid;

    if (uid != wpipe__os_uid() && uid != 0)
        wpipe__native_refuse(pending->link, WPIPE_EACCES);
    else if (a->owner->describe(a, &facts) < 0)
        wpipe__native_refuse(pending->link, WPIPE_EREFUSED);
    else
        (void)wpipe__native_send_facts(pending->link,
                                       wpipe__buffer_front(&facts),
                                       wpipe__buffer_size(&facts));
    wpipe__buffer_done(&facts);
    drop(a, pending);
}

/* Its hello is here. */
static void greet(struct wpipe__acceptor *a, struct wpipe__pending *pending)
{
    int r;

    if (wpipe__native_is_query(pending->link)) {
        answer(a, pending);
        return;
    }
    r = wpipe__pending_check(a, pending->link);
    if (r < 0) {
        refuse(a, pending,
               r == WPIPE_EBUSY ? WPIPE_REASON_FULL : WPIPE_REASON_DENIED, r);
        return;
    }
    move_to(a, pending, WPIPE__PENDING_GREETED);
}

/* How far is it? Nothing that it does wrong is our error. */
static void look(struct wpipe__acceptor *a, struct wpipe__pending *pending)
{
    int greeted = wpipe__native_greeted(pending->link);

    if (greeted == WPIPE__GREET_HELLO) {
        if (pending->polled &&
            pending->link->transport->gone(pending->link) < 0)
            stop_polling(a, pending); /* its end would be told for ever */
        if (pending->where == WPIPE__PENDING_SILENT)
            greet(a, pending);
        return;
    }
    if (greeted >= 0)
        return;
    if (greeted == WPIPE_EPROTO)
        refuse(a, pending, WPIPE_REASON_PROTOCOL, greeted);
    else if (greeted == WPIPE_ENOMEM)
        refuse(a, pending, WPIPE_REASON_MEMORY, greeted);
    else
        lose(a, pending, greeted);
}

void wpipe__pending_pump(struct wpipe__acceptor *a,
                         struct wpipe__pending *pending)
{
    look(a, pending);
}

int wpipe__pending_add(struct wpipe__acceptor *a, struct wpipe__link *link)
{
    struct wpipe__pending *pending = wpipe__alloc(sizeof(*pending));
    uint64_t id;
    int r;

    if (pending == NULL) {
        link->transport->free(link);
        return WPIPE_ENOMEM;
    }
    pending->link = link;
    wpipe__list_init(&pending->node);
    r = wpipe__table_add(&a->pending, pending, &pending->id);
    if (r < 0) {
        wpipe__pending_free(pending);
        return r;
    }
    id = pending->id;
    pending->deadline = wpipe__os_deadline(a->options.handshake_ms);
    wpipe__list_append(&a->silent, &pending->node);
    look(a, pending);
    wpipe__pending_admit_all(a);
    if (wpipe__table_find(&a->pending, id) == NULL)
        return 0; /* let in, or gone */
    r = wpipe__os_poller_add(a->poller, link->socket, id);
    if (r < 0) {
        drop(a, pending);
        return r;
    }
    pending->polled = 1;
    a->pending_polled++;
    return 0;
}

/* ---- slots -------------------------------------------------------------- */

/* A slot is taken for it: let it in. */
static void admit(struct wpipe__acceptor *a, struct wpipe__pending *pending)
{
    struct wpipe__link *link = pending->link;
    int r = wpipe__native_admit(link);

    if (r < 0) {
        wpipe__slots_give(a->slots, link->peer.uid);
        if (r == WPIPE_ESTATE || r == WPIPE_EVERSION || r == WPIPE_EPROTO)
            refuse(a, pending, WPIPE_REASON_PROTOCOL, r);
        else if (r == WPIPE_ENOTSUP)
            refuse(a, pending, WPIPE_REASON_DENIED, WPIPE_EREFUSED);
        else
            lose(a, pending, r);
        return;
    }
    remove_pending(a, pending);
    pending->link = NULL;
    wpipe__pending_free(pending);
    a->total++;
    a->budget--;
    a->owner->admitted(a, link);
}

/* No slot for it now. */
static void turn_away(struct wpipe__acceptor *a, struct wpipe__pending *pending,
                      int error)
{
    if (error == WPIPE_EBUSY && a->queued < QUEUE &&
        wpipe__native_may_queue(pending->link)) {
        move_to(a, pending, WPIPE__PENDING_QUEUE);
        wpipe__native_queue(pending->link);
        return;
    }
    refuse(a, pending,
           error == WPIPE_EBUSY ? WPIPE_REASON_FULL : WPIPE_REASON_MEMORY,
           error == WPIPE_EBUSY ? WPIPE_EBUSY : error);
}

/* Those who wait longest come first; one whose user has too many slots does
 * not hold up the others. */
static void slot_queue(struct wpipe__acceptor *a)
{
    struct wpipe__list *node = wpipe__list_first(&a->queue);
    struct wpipe__list *next;
    struct wpipe__pending *pending;

    for (; node != NULL && a->budget > 0; node = next) {
        next = wpipe__list_next(&a->queue, node);
        pending = wpipe__container_of(node, struct wpipe__pending, node);
        if (wpipe__slots_take(a->slots, pending->link->peer.uid) == 0)
            admit(a, pending);
        else if (a->options.max_per_user == 0)
            break;
    }
}

void wpipe__pending_admit_all(struct wpipe__acceptor *a)
{
    struct wpipe__list *node;
    struct wpipe__pending *pending;
    int r;

    a->admitting = 1; /* the owner's callbacks admit nobody: the loops go on */
    slot_queue(a);
    while (a->budget > 0 && (node = wpipe__list_first(&a->greeted)) != NULL) {
        pending = wpipe__container_of(node, struct wpipe__pending, node);
        r = wpipe__slots_take(a->slots, pending->link->peer.uid);
        if (r == 0)
            admit(a, pending);
        else
            turn_away(a, pending, r);
    }
    a->admitting = 0;
}
