/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acceptor's second doors: with options.second_pipe a client that comes to
 * the foreign door is introduced, that is, told the name of a door made for it
 * alone, and let in when it comes there. Until then it is a pending connection:
 * it has no slot, it has handshake_ms, there are not more than PENDING_MOST of
 * them, and of those the oldest goes for a new one. One that has come and finds
 * no slot free waits, as it would before a first door.
 *
 * A second door is for one connection of the user who was introduced. Who else
 * comes is sent away and changes nothing; the door is gone once the right one
 * is in. What goes wrong with one of them ends that one.
 */
#include "connect/acceptor.h"

#include <windpipe.h>

#include "base/introduction.h"
#include "base/memory.h"
#include "base/options.h"
#include "connect/pending.h"
#include "door/foreign_second.h"

enum {
    TAGS = 64,
    PENDING_MOST = 1024,
    STRANGERS = 8 /* sent away from one door in one turn */
};

/* Somebody between the first door and the slot. */
struct second {
    struct wpipe__list node; /* in `expected` by deadline, or in `arrived` */
    uint64_t id;
    uint64_t deadline;
    uint32_t uid;
    struct wpipe__second_door door; /* until it has come */
    wpipe__handle socket;           /* from then on */
};

struct wpipe__seconds {
    wpipe__handle poller; /* of the doors; a member of the acceptor's */
    struct wpipe__table table;
    struct wpipe__list expected;
    struct wpipe__list arrived;
    uint32_t arrived_count;
};

static struct second *second_of(struct wpipe__list *node)
{
    return wpipe__container_of(node, struct second, node);
}

static void refuse(struct wpipe__acceptor *a, int reason, int error)
{
    struct wpipe__refusal why = { .reason = reason, .error = error };

    wpipe__pending_refused(a, &why);
}

/* ---- one of them --------------------------------------------------------- */

/* Its door is needed no more. */
static void close_door(struct wpipe__acceptor *a, struct second *s)
{
    if (s->door.listener == WPIPE__NO_HANDLE)
        return;
    if (a->foreign.generation == wpipe__os_generation())
        wpipe__os_poller_remove(a->seconds->poller, s->door.listener);
    wpipe__second_door_close(&s->door, &a->foreign);
}

/* Take it out of everything but memory. */
static void forget(struct wpipe__acceptor *a, struct second *s)
{
    close_door(a, s);
    (void)wpipe__table_remove(&a->seconds->table, s->id);
    wpipe__list_remove(&s->node);
}

static void drop(struct wpipe__acceptor *a, struct second *s)
{
    forget(a, s);
    wpipe__os_close_unknown(s->socket, a->foreign.generation);
    wpipe__free(s);
}

static void expire(struct wpipe__acceptor *a, struct second *s)
{
    drop(a, s);
    refuse(a, WPIPE_REASON_PROTOCOL, WPIPE_ETIMEDOUT);
}

/* Make one with its door; the caller has to introduce it. */
static int add(struct wpipe__acceptor *a, uint32_t uid, struct second **ret)
{
    struct wpipe__seconds *all = a->seconds;
    struct second *s = wpipe__alloc(sizeof(*s));
    int r;

    if (s == NULL)
        return WPIPE_ENOMEM;
    s->uid = uid;
    s->socket = WPIPE__NO_HANDLE;
    wpipe__list_init(&s->node);
    r = wpipe__second_door_open(&s->door, &a->foreign, &a->options);
    if (r == 0)
        r = wpipe__table_add(&all->table, s, &s->id);
    if (r == 0)
        r = wpipe__os_poller_add(all->poller, s->door.listener, s->id);
    if (r < 0) {
        drop(a, s);
        return r;
    }
    s->deadline = wpipe__os_deadline(a->options.handshake_ms);
    wpipe__list_append(&all->expected, &s->node);
    *ret = s;
    return 0;
}

/* ---- the first door ------------------------------------------------------ */

/* In one piece or not at all: a new socket has room for much more. */
static int tell_name(struct wpipe__acceptor *a, const struct second *s,
                     wpipe__handle socket)
{
    uint8_t bytes[WPIPE__INTRODUCTION_MAX];
    char name[WPIPE_NAME_MAX + 1];
    wpipe_piece piece = { .data = bytes };
    int64_t sent;

    wpipe__second_door_name(&s->door, a->door.name, name);
    piece.size = wpipe__introduction_make(a->options.second_pipe, name, bytes);
    sent = wpipe__os_send_whole(socket, &piece, 1, WPIPE__NO_HANDLE);
    return sent == (int64_t)piece.size ? 0 : WPIPE_EPIPE;
}

/* Its user is asked now, so that a stranger learns no name; the owner when it
 * asks to be let in. */
static int check_first(const struct wpipe__acceptor *a, wpipe__handle socket,
                       uint32_t *ret_uid)
{
    wpipe_peer peer;
    int r = wpipe__os_peer(socket, &peer);

    if (r < 0)
        return WPIPE_EPIPE; /* it went */
    if (!wpipe__acceptor_serves(a, peer.uid))
        return WPIPE_EACCES;
    *ret_uid = peer.uid;
    return 0;
}

void wpipe__acceptor_introduce(struct wpipe__acceptor *a, wpipe__handle socket)
{
    struct second *s = NULL;
    uint32_t uid = 0;
    int r = check_first(a, socket, &uid);

    if (r == 0 && wpipe__table_count(&a->seconds->table) >= PENDING_MOST &&
        !wpipe__list_empty(&a->seconds->expected))
        expire(a, second_of(wpipe__list_first(&a->seconds->expected)));
    if (r == 0)
        r = add(a, uid, &s);
    if (r == 0) {
        r = tell_name(a, s, socket);
        if (r < 0)
            drop(a, s);
    }
    wpipe__os_close_unknown(socket, wpipe__os_generation());
    if (r == WPIPE_EACCES)
        refuse(a, WPIPE_REASON_DENIED, r);
    else if (r == WPIPE_ENOMEM)
        refuse(a, WPIPE_REASON_MEMORY, r);
    else if (r < 0 && r != WPIPE_EPIPE)
        refuse(a, WPIPE_REASON_FULL, r);
}

/* ---- the second door ----------------------------------------------------- */

/* Is it the one that we expect? */
static int is_right(const struct wpipe__acceptor *a, const struct second *s,
                    wpipe__handle socket)
{
    wpipe_peer peer;

    return wpipe__os_peer(socket, &peer) == 0 && peer.uid == s->uid &&
           (peer.uid != WPIPE__UID_UNMAPPED ||
            (a->options.flags & WPIPE_TRUST_PEER) != 0);
}

/* It has come: nobody else is to come here. */
static void arrive(struct wpipe__acceptor *a, struct second *s,
                   wpipe__handle socket)
{
    forget(a, s);
    s->socket = socket;
    wpipe__list_append(&a->seconds->arrived, &s->node);
    a->seconds->arrived_count++;
}

static void accept_at(struct wpipe__acceptor *a, struct second *s)
{
    wpipe__handle socket = WPIPE__NO_HANDLE;
    int i;
    int r;

    for (i = 0; i < STRANGERS; i++) {
        r = wpipe__os_accept(s->door.listener, &socket);
        if (r == WPIPE_EAGAIN)
            return;
        if (r < 0) {
            /* no descriptor: its door cannot stand open and unheard */
            drop(a, s);
            refuse(a, WPIPE_REASON_FULL, r);
            return;
        }
        if (is_right(a, s, socket)) {
            arrive(a, s, socket);
            return;
        }
        wpipe__os_close_unknown(socket, wpipe__os_generation());
        refuse(a, WPIPE_REASON_DENIED, WPIPE_EACCES);
    }
}

void wpipe__acceptor_meet(struct wpipe__acceptor *a)
{
    uint64_t tags[TAGS];
    struct second *s;
    int n = wpipe__os_poller_wait(a->seconds->poller, tags, TAGS, 0);
    int i;

    for (i = 0; i < n; i++) {
        s = wpipe__table_find(&a->seconds->table, tags[i]);
        if (s != NULL)
            accept_at(a, s);
    }
}

/* ---- turns --------------------------------------------------------------- */

void wpipe__acceptor_admit_seconds(struct wpipe__acceptor *a)
{
    struct wpipe__seconds *all = a->seconds;
    wpipe__handle socket;
    struct second *s;

    if (all == NULL)
        return;
    while (a->budget > 0 && !wpipe__list_empty(&all->arrived) &&
           !wpipe__slots_full(a->slots)) {
        s = second_of(wpipe__list_first(&all->arrived));
        wpipe__list_remove(&s->node);
        all->arrived_count--;
        socket = s->socket;
        wpipe__free(s);
        wpipe__acceptor_let_in(a, socket);
    }
}

void wpipe__acceptor_expire_seconds(struct wpipe__acceptor *a)
{
    struct wpipe__list *node;
    uint64_t now;

    if (a->seconds == NULL || wpipe__list_empty(&a->seconds->expected))
        return;
    now = wpipe__os_now();
    while ((node = wpipe__list_first(&a->seconds->expected)) != NULL) {
        if (second_of(node)->deadline > now)
            return;
        expire(a, second_of(node));
    }
}

uint64_t wpipe__acceptor_seconds_until(const struct wpipe__acceptor *a)
{
    if (a->seconds == NULL || wpipe__list_empty(&a->seconds->expected))
        return UINT64_MAX;
    return second_of(wpipe__list_first(&a->seconds->expected))->deadline;
}

unsigned wpipe__acceptor_seconds_waiting(const struct wpipe__acceptor *a)
{
    return a->seconds == NULL ? 0 : a->seconds->arrived_count;
}

/* ---- all of them --------------------------------------------------------- */

int wpipe__acceptor_open_seconds(struct wpipe__acceptor *a,
                                 const wpipe_options *options)
{
    int r = wpipe__second_door_check(&a->foreign, options);

    if (r < 0)
        return r;
    a->seconds = wpipe__alloc(sizeof(*a->seconds));
    if (a->seconds == NULL)
        return WPIPE_ENOMEM;
    a->seconds->poller = WPIPE__NO_HANDLE;
    wpipe__list_init(&a->seconds->expected);
    wpipe__list_init(&a->seconds->arrived);
    r = wpipe__os_poller_open(&a->seconds->poller);
    if (r == 0)
        r = wpipe__os_poller_add(a->poller, a->seconds->poller,
                                 WPIPE__TAG_SECOND);
    if (r < 0) {
        wpipe__options_explain(options, "cannot listen: %s",
                               wpipe__os_error_text());
        return r; /* the acceptor is closed */
    }
    wpipe__second_door_sweep(&a->foreign);
    return 0;
}

void wpipe__acceptor_close_seconds(struct wpipe__acceptor *a)
{
    struct wpipe__seconds *all = a->seconds;
    struct wpipe__list *node;

    if (all == NULL)
        return;
    while ((node = wpipe__list_first(&all->expected)) != NULL)
        drop(a, second_of(node));
    while ((node = wpipe__list_first(&all->arrived)) != NULL)
        drop(a, second_of(node));
    wpipe__table_done(&all->table);
    wpipe__os_close(all->poller);
    wpipe__free(all);
    a->seconds = NULL;
}
