/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a guest: it is let in, queued, refused, answered (a query),
 * or it goes.
 */
#include "connect/guest.h"

#include <windpipe.h>

#include "base/memory.h"

enum {
    QUEUE = 1024 /* guests told to wait for a seat */
};

/* ---- going -------------------------------------------------------------- */

void wpipe__guest_refused(struct wpipe__acceptor *a,
                          const struct wpipe__refusal *why)
{
    a->refused++;
    if (a->owner->refused != NULL)
        a->owner->refused(a, why);
}

void wpipe__guest_free(struct wpipe__guest *guest)
{
    if (guest->link != NULL)
        guest->link->transport->free(guest->link);
    wpipe__free(guest);
}

static void move_to(struct wpipe__acceptor *a, struct wpipe__guest *guest,
                    uint8_t where)
{
    wpipe__list_remove(&guest->node);
    a->queued -= guest->where == WPIPE__GUEST_QUEUE;
    a->lobbied -= guest->where == WPIPE__GUEST_LOBBY;
    guest->where = where;
    a->queued += where == WPIPE__GUEST_QUEUE;
    a->lobbied += where == WPIPE__GUEST_LOBBY;
    if (where == WPIPE__GUEST_QUEUE)
        wpipe__list_append(&a->queue, &guest->node);
    else if (where == WPIPE__GUEST_LOBBY)
        wpipe__list_append(&a->lobby, &guest->node);
}

static void stop_polling(struct wpipe__acceptor *a, struct wpipe__guest *guest)
{
    if (guest->polled)
        wpipe__os_poller_remove(a->poller, guest->link->socket);
    a->guests_polled -= guest->polled;
    guest->polled = 0;
}

/* Take it out of everything but memory. */
static void remove_guest(struct wpipe__acceptor *a, struct wpipe__guest *guest)
{
    stop_polling(a, guest);
    move_to(a, guest, WPIPE__GUEST_SILENT);
    (void)wpipe__table_remove(&a->guests, guest->id);
}

static void drop(struct wpipe__acceptor *a, struct wpipe__guest *guest)
{
    remove_guest(a, guest);
    wpipe__guest_free(guest);
}

/* Say no, and why to the owner. */
static void refuse(struct wpipe__acceptor *a, struct wpipe__guest *guest,
                   int reason, int error)
{
    struct wpipe__refusal why = { .reason = reason, .error = error };

    wpipe__native_refuse(guest->link, error);
    drop(a, guest);
    wpipe__guest_refused(a, &why);
}

void wpipe__guest_expire(struct wpipe__acceptor *a, struct wpipe__guest *guest)
{
    struct wpipe__refusal why = { .reason = WPIPE_REASON_PROTOCOL,
                                  .error = WPIPE_ETIMEDOUT };

    wpipe__native_refuse(guest->link, WPIPE_EPROTO);
    drop(a, guest);
    wpipe__guest_refused(a, &why);
}

/* ---- who may come in ---------------------------------------------------- */

/* The kernel let it connect; is it one of those that we serve? Root can
 * connect to anything, and is served only by itself, unless others are. */
static int check_user(const struct wpipe__acceptor *a,
                      const struct wpipe__link *link)
{
    if (a->options.access == WPIPE_ACCESS_USER &&
        link->peer.uid != wpipe__os_uid())
        return WPIPE_EACCES;
    return 0;
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

int wpipe__guest_check(const struct wpipe__acceptor *a,
                       const struct wpipe__link *link)
{
    int r = check_user(a, link);

    return r < 0 ? r : ask_admit(a, link);
}

/* A query: answer it, if it is allowed to ask, and let it go. */
static void answer(struct wpipe__acceptor *a, struct wpipe__guest *guest)
{
    struct wpipe__buffer facts = { 0 };
    uint32_t uid = guest->link->peer.uid;

    if (uid != wpipe__os_uid() && uid != 0)
        wpipe__native_refuse(guest->link, WPIPE_EACCES);
    else if (a->owner->describe(a, &facts) < 0)
        wpipe__native_refuse(guest->link, WPIPE_EREFUSED);
    else
        (void)wpipe__native_send_facts(guest->link, wpipe__buffer_front(&facts),
                                       wpipe__buffer_size(&facts));
    wpipe__buffer_done(&facts);
    drop(a, guest);
}

/* Its hello is here. */
static void greet(struct wpipe__acceptor *a, struct wpipe__guest *guest)
{
    int r;

    if (wpipe__native_is_query(guest->link)) {
        answer(a, guest);
        return;
    }
    r = wpipe__guest_check(a, guest->link);
    if (r < 0) {
        refuse(a, guest,
               r == WPIPE_EBUSY ? WPIPE_REASON_FULL : WPIPE_REASON_DENIED, r);
        return;
    }
    move_to(a, guest, WPIPE__GUEST_LOBBY);
}

/* How far is it? Nothing that it does wrong is our error. */
static void look(struct wpipe__acceptor *a, struct wpipe__guest *guest)
{
    int greeted = wpipe__native_greeted(guest->link);

    if (greeted == WPIPE__GREET_HELLO) {
        if (guest->polled && guest->link->transport->gone(guest->link) < 0)
            stop_polling(a, guest); /* its end would be told for ever */
        if (guest->where == WPIPE__GUEST_SILENT)
            greet(a, guest);
        return;
    }
    if (greeted >= 0)
        return;
    if (greeted == WPIPE_EPROTO)
        refuse(a, guest, WPIPE_REASON_PROTOCOL, greeted);
    else if (greeted == WPIPE_ENOMEM)
        refuse(a, guest, WPIPE_REASON_MEMORY, greeted);
    else
        drop(a, guest); /* it went before it was let in */
}

void wpipe__guest_pump(struct wpipe__acceptor *a, struct wpipe__guest *guest)
{
    look(a, guest);
}

int wpipe__guest_add(struct wpipe__acceptor *a, struct wpipe__link *link)
{
    struct wpipe__guest *guest = wpipe__alloc(sizeof(*guest));
    uint64_t id;
    int r;

    if (guest == NULL) {
        link->transport->free(link);
        return WPIPE_ENOMEM;
    }
    guest->link = link;
    wpipe__list_init(&guest->node);
    r = wpipe__table_add(&a->guests, guest, &guest->id);
    if (r < 0) {
        wpipe__guest_free(guest);
        return r;
    }
    id = guest->id;
    guest->deadline = wpipe__os_deadline(a->options.handshake_ms);
    wpipe__list_append(&a->silent, &guest->node);
    look(a, guest);
    wpipe__guest_seat_all(a);
    if (wpipe__table_find(&a->guests, id) == NULL)
        return 0; /* let in, or gone */
    r = wpipe__os_poller_add(a->poller, link->socket, id);
    if (r < 0) {
        drop(a, guest);
        return r;
    }
    guest->polled = 1;
    a->guests_polled++;
    return 0;
}

/* ---- seats -------------------------------------------------------------- */

/* A seat is taken for it: let it in. */
static void admit(struct wpipe__acceptor *a, struct wpipe__guest *guest)
{
    struct wpipe__link *link = guest->link;
    int r = wpipe__native_admit(link);

    if (r < 0) {
        wpipe__seats_give(a->seats, link->peer.uid);
        if (r == WPIPE_ESTATE || r == WPIPE_EVERSION || r == WPIPE_EPROTO)
            refuse(a, guest, WPIPE_REASON_PROTOCOL, r);
        else if (r == WPIPE_ENOTSUP)
            refuse(a, guest, WPIPE_REASON_DENIED, WPIPE_EREFUSED);
        else
            drop(a, guest);
        return;
    }
    remove_guest(a, guest);
    guest->link = NULL;
    wpipe__guest_free(guest);
    a->total++;
    a->budget--;
    a->owner->admitted(a, link);
}

/* No seat for it now. */
static void turn_away(struct wpipe__acceptor *a, struct wpipe__guest *guest,
                      int error)
{
    if (error == WPIPE_EBUSY && a->queued < QUEUE &&
        wpipe__native_may_queue(guest->link)) {
        move_to(a, guest, WPIPE__GUEST_QUEUE);
        wpipe__native_queue(guest->link);
        return;
    }
    refuse(a, guest,
           error == WPIPE_EBUSY ? WPIPE_REASON_FULL : WPIPE_REASON_MEMORY,
           error == WPIPE_EBUSY ? WPIPE_EBUSY : error);
}

/* Those who wait longest come first; one whose user has too many seats does
 * not hold up the others. */
static void seat_queue(struct wpipe__acceptor *a)
{
    struct wpipe__list *node = wpipe__list_first(&a->queue);
    struct wpipe__list *next;
    struct wpipe__guest *guest;

    for (; node != NULL && a->budget > 0; node = next) {
        next = wpipe__list_next(&a->queue, node);
        guest = wpipe__container_of(node, struct wpipe__guest, node);
        if (wpipe__seats_take(a->seats, guest->link->peer.uid) == 0)
            admit(a, guest);
        else if (a->options.max_per_user == 0)
            break;
    }
}

void wpipe__guest_seat_all(struct wpipe__acceptor *a)
{
    struct wpipe__list *node;
    struct wpipe__guest *guest;
    int r;

    a->seating = 1; /* the owner's callbacks seat nobody: the loops go on */
    seat_queue(a);
    while (a->budget > 0 && (node = wpipe__list_first(&a->lobby)) != NULL) {
        guest = wpipe__container_of(node, struct wpipe__guest, node);
        r = wpipe__seats_take(a->seats, guest->link->peer.uid);
        if (r == 0)
            admit(a, guest);
        else
            turn_away(a, guest, r);
    }
    a->seating = 0;
}
