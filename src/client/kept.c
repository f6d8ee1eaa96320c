/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's events that somebody else than wait has found, in order, until a
 * wait tells them: during a call, or when a connection ended on one who sends.
 */
#include <string.h>

#include "base/memory.h"
#include "base/ring.h"
#include "client/client.h"

struct wpipe__kept {
    struct wpipe__list node;
    wpipe_event event;
    struct wpipe__received received;
    uint64_t charge; /* against the limit for memory */
};

static struct wpipe__kept *kept_of(struct wpipe__list *node)
{
    return wpipe__container_of(node, struct wpipe__kept, node);
}

/* Take it out of the list. */
static void drop(struct wpipe_client *c, struct wpipe__kept *kept)
{
    wpipe__list_remove(&kept->node);
    if (kept->event.type == WPIPE_EVENT_DISCONNECTED)
        c->kept_ends--;
    if (kept->event.type == WPIPE_EVENT_WRITABLE)
        c->kept_writable = 0;
    wpipe__budget_give(&c->loop.budget, kept->charge);
    wpipe__received_done(&kept->received);
    wpipe__free(kept);
}

/* Hand `from` over to `to`, whose former content goes. */
static void move_received(struct wpipe__received *to,
                          struct wpipe__received *from)
{
    wpipe__received_done(to);
    *to = *from;
    memset(from, 0, sizeof(*from));
}

/* The oldest connection of which nothing was told: all of it. */
static void forget_oldest(struct wpipe_client *c)
{
    struct wpipe__list *node = wpipe__list_first(&c->kept);
    struct wpipe__list *next;
    wpipe_id id = 0;

    for (; node != NULL; node = next) {
        struct wpipe__kept *kept = kept_of(node);

        next = wpipe__list_next(&c->kept, node);
        if (id == 0 && kept->event.type == WPIPE_EVENT_CONNECTED)
            id = kept->event.from;
        if (id != 0 && kept->event.from != id)
            return;
        if (id != 0)
            drop(c, kept);
    }
}

int wpipe__client_keep_room(struct wpipe_client *c)
{
    if (c->spare == NULL)
        c->spare = wpipe__alloc(sizeof(*c->spare));
    return c->spare == NULL ? WPIPE_ENOMEM : 0;
}

void wpipe__client_keep(struct wpipe_client *c, const wpipe_event *event)
{
    struct wpipe__kept *kept = c->spare;
    int has_data = wpipe__client_has_data(event);
    uint64_t charge = sizeof(*kept);

    if (event->type == WPIPE_EVENT_WRITABLE) {
        if (c->kept_writable == event->from)
            return;
        c->kept_writable = event->from;
    }
    kept->event = *event;
    if (has_data)
        charge += wpipe__received_size(&c->scratch);
    if (wpipe__budget_take(&c->loop.budget, charge) == 0) {
        kept->charge = charge;
    } else if (has_data) {
        if (c->conn != NULL)
            wpipe__loop_end(&c->loop, c->conn, WPIPE__STATE_DISCONNECTED,
                            WPIPE_REASON_MEMORY, WPIPE_ENOMEM);
        if (event->type == WPIPE_EVENT_MESSAGE)
            return;
        kept->event.error = WPIPE_ENOMEM;
        has_data = 0;
    }
    c->spare = NULL; /* the list's now */
    if (has_data)
        move_received(&kept->received, &c->scratch);
    wpipe__list_append(&c->kept, &kept->node);
    wpipe__loop_show(&c->loop);
    if (event->type == WPIPE_EVENT_DISCONNECTED &&
        ++c->kept_ends > WPIPE__CLIENT_ENDS)
        forget_oldest(c);
}

int wpipe__client_next_kept(struct wpipe_client *c, wpipe_event *ret_event,
                            struct wpipe__received *received)
{
    struct wpipe__list *node = wpipe__list_first(&c->kept);
    struct wpipe__kept *kept;

    if (node == NULL)
        return 0;
    kept = kept_of(node);
    *ret_event = kept->event;
    if (wpipe__client_has_data(&kept->event))
        move_received(received, &kept->received);
    drop(c, kept);
    return 1;
}

void wpipe__client_drop_kept(struct wpipe_client *c)
{
    struct wpipe__list *node;
    struct wpipe__conn *conn;

    while ((node = wpipe__list_first(&c->kept)) != NULL)
        drop(c, kept_of(node));
    wpipe__free(c->spare);
    while ((node = wpipe__list_first(&c->loop.notices)) != NULL) {
        conn = wpipe__container_of(node, struct wpipe__conn, notice);
        wpipe__list_remove(node);
        if (conn != c->conn)
            wpipe__conn_free(conn, &c->loop.budget);
    }
}
