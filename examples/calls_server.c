/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls both ways, the server's side: clients ask for the sum of what all of
 * them have, and the server asks each of them for its part. It waits for
 * nobody: every answer is an event, and so is one that does not come.
 *
 *     calls_server [NAME]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windpipe.h>

enum {
    CLIENTS = 64,
    PATIENCE_MS = 2000
};

/* A question that is being answered: of whom, and from whom something is
 * missing. The event is a copy, for the reply that comes later. */
struct question {
    wpipe_event asked;
    uint64_t open[CLIENTS]; /* the requests that have not ended */
    int missing;
    int64_t sum;
    struct question *next;
};

/* What the server knows of a client: event.user. */
struct client {
    wpipe_id id;
    struct client *next;
};

static struct client *clients;
static struct question *questions;

static void come(wpipe_server *server, const wpipe_event *event)
{
    struct client *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        wpipe_server_kick(server, event->from);
        return;
    }
    c->id = event->from;
    c->next = clients;
    clients = c;
    wpipe_server_set_user(server, event->from, c);
}

static void go(const wpipe_event *event)
{
    struct client **at = &clients;

    while (*at != NULL && *at != event->user)
        at = &(*at)->next;
    if (*at != NULL)
        *at = (*at)->next;
    free(event->user);
}

/* All have said what they have, or have gone: answer. */
static void answer(wpipe_server *server, struct question **at)
{
    struct question *q = *at;

    wpipe_server_reply(server, &q->asked, &q->sum, sizeof(q->sum));
    *at = q->next;
    free(q);
}

static void ask_all(wpipe_server *server, const wpipe_event *event)
{
    struct question *q = calloc(1, sizeof(*q));
    const struct client *c;

    if (q == NULL) {
        wpipe_server_reply(server, event, NULL, 0);
        return;
    }
    q->asked = *event;
    q->next = questions;
    questions = q;
    for (c = clients; c != NULL && q->missing < CLIENTS; c = c->next)
        if (wpipe_server_request(server, c->id, "how many?", 9, PATIENCE_MS,
                                 &q->open[q->missing]) == 0)
            q->missing++;
    if (q->missing == 0)
        answer(server, &questions);
}

/* One request has ended. Which question was it for? */
static void end(wpipe_server *server, const wpipe_event *event)
{
    struct question **at = &questions;
    int64_t part = 0;
    int i = 0;

    for (; *at != NULL; at = &(*at)->next) {
        for (i = 0; i < CLIENTS && (*at)->open[i] != event->request; i++)
            ;
        if (i < CLIENTS)
            break;
    }
    if (*at == NULL)
        return;
    if (event->error == 0 && event->size == sizeof(part))
        memcpy(&part, event->data, sizeof(part));
    (*at)->open[i] = 0;
    (*at)->sum = (int64_t)((uint64_t)(*at)->sum + (uint64_t)part);
    if (--(*at)->missing == 0)
        answer(server, at);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "parts";
    wpipe_server *server;
    wpipe_event event;
    int r;

    r = wpipe_server_open(&server, name, NULL);
    if (r < 0) {
        fprintf(stderr, "calls_server: %s: %s\n", name, wpipe_strerror(r));
        return 1;
    }
    while (wpipe_server_wait(server, &event, WPIPE_FOREVER) > 0) {
        if (event.type == WPIPE_EVENT_CONNECTED)
            come(server, &event);
        else if (event.type == WPIPE_EVENT_DISCONNECTED)
            go(&event);
        else if (event.type == WPIPE_EVENT_MESSAGE && event.request != 0)
            ask_all(server, &event);
        else if (event.type == WPIPE_EVENT_REPLY)
            end(server, &event);
    }
    wpipe_server_close(server);
    return 0;
}
