/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens at windpipe serve: who comes, goes and says what, and the lines
 * that go to everybody.
 */
#include "serve.h"

#include <stdlib.h>

#include "clock.h"
#include "json.h"
#include "output.h"
#include "text.h"

enum {
    ECHO_TIMEOUT_MS = 1000, /* for a client that sends but does not read */
    BURST = 64              /* events between two looks at stdin */
};

void serve_finish(struct serve *s, int status)
{
    s->done = true;
    s->status = status;
}

bool serve_feeds(const struct serve *s)
{
    return !s->plain && !s->options->echo && !s->terminal;
}

void serve_add_lost(struct serve *s, uint64_t messages, uint64_t bytes)
{
    if (messages == WPIPE_LOST_UNKNOWN ||
        s->lost.messages == WPIPE_LOST_UNKNOWN) {
        s->lost.messages = s->lost.bytes = WPIPE_LOST_UNKNOWN;
        return;
    }
    s->lost.messages += messages;
    s->lost.bytes += bytes;
}

static struct client *find(struct serve *s, wpipe_id id)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->clients[i].id == id)
            return &s->clients[i];
    return NULL;
}

/* Returns its number. */
static uint64_t remember(struct serve *s, wpipe_id id)
{
    const size_t room = s->room == 0 ? 16 : s->room * 2;
    const uint64_t number = ++s->clients_so_far;
    struct client *clients;

    if (s->count == s->room) {
        clients = realloc(s->clients, room * sizeof(*clients));
        if (clients == NULL)
            return number; /* it is served, but gets no lines of a file */
        s->clients = clients;
        s->room = room;
    }
    s->clients[s->count++] = (struct client){ .id = id, .number = number };
    return number;
}

static uint64_t number_of(struct serve *s, wpipe_id id)
{
    const struct client *c = find(s, id);

    return c != NULL ? c->number : 0;
}

static void forget(struct serve *s, wpipe_id id)
{
    struct client *c = find(s, id);

    if (c == NULL)
        return;
    s->owed -= c->owed;
    *c = s->clients[--s->count];
}

/* Words about clients: always for serve, with -v for recv. */
bool serve_talks(const struct serve *s)
{
    return !s->options->json && (!s->plain || s->options->verbose);
}

static void on_connected(struct serve *s, const wpipe_event *e)
{
    const uint64_t number = remember(s, e->from);
    wpipe_peer peer = { .size = sizeof(peer) };
    char text[200];

    if (wpipe_server_peer(s->server, e->from, &peer) < 0)
        say_verbose(s->options, "%llu left at once",
                    (unsigned long long)number);
    if (serve_talks(s))
        say(s->options, "%llu connected: %s", (unsigned long long)number,
            text_peer(text, sizeof(text), &peer));
    if (!s->options->json || s->plain)
        return;
    output_event(s->options, "connected");
    json_number(stdout, "from", number);
    json_peer(stdout, &peer);
    json_end(stdout);
}

/* Give a message back. One that does not read holds the others up for a
 * second at most; then it is shown the door. */
static void echo(struct serve *s, const wpipe_event *e)
{
    int r;

    if (e->request != 0)
        r = wpipe_server_reply(s->server, e, e->data, e->size);
    else
        r = wpipe_server_send(s->server, e->from, e->data, e->size);
    if (r == WPIPE_EAGAIN && e->request == 0)
        r = wpipe_server_send_wait(s->server, e->from, e->data, e->size,
                                   ECHO_TIMEOUT_MS);
    if (r >= 0 || r == WPIPE_ENOTCONN)
        return;
    say(s->options, "%llu did not take its echo: %s",
        (unsigned long long)number_of(s, e->from), wpipe_strerror(r));
    wpipe_server_kick(s->server, e->from);
}

static void on_message(struct serve *s, const wpipe_event *e)
{
    const struct output_message shown = {
        .event = e->request != 0 ? "call" : "message",
        .from = number_of(s, e->from),
        .data = e->data,
        .size = e->size,
        .label = !s->plain && s->options->type == WPIPE_MESSAGE,
    };
    struct client *c = find(s, e->from);

    if (c != NULL && e->request != 0)
        c->request = e->request;
    if (s->options->echo)
        echo(s, e);
    if (output_message(s->options, &shown) != STATUS_DONE)
        serve_finish(s, STATUS_FAILED);
    s->messages++;
    if (s->options->number != 0 && s->messages >= s->options->number)
        serve_finish(s, STATUS_DONE);
}

static int status_of_reason(int reason)
{
    switch (reason) {
    case WPIPE_REASON_CLOSED:
        return STATUS_DONE;
    case WPIPE_REASON_DIED:
        return STATUS_PEER_LEFT;
    case WPIPE_REASON_PROTOCOL:
        return STATUS_PROTOCOL;
    default:
        return STATUS_FAILED;
    }
}

/* `number` is 0 for one that never came in. */
static void json_event(const struct serve *s, const char *name,
                       const wpipe_event *e, uint64_t number)
{
    output_event(s->options, name);
    if (number != 0)
        json_number(stdout, "from", number);
    json_text(stdout, "reason", text_reason(e->reason));
    if (e->lost_messages == WPIPE_LOST_UNKNOWN) {
        json_text(stdout, "lost_messages", "unknown");
        json_text(stdout, "lost_bytes", "unknown");
    } else if (e->lost_messages != 0 || e->lost_bytes != 0) {
        json_number(stdout, "lost_messages", e->lost_messages);
        json_number(stdout, "lost_bytes", e->lost_bytes);
    }
    json_end(stdout);
}

/* Why a client has gone, in words. */
static const char *ending_words(const wpipe_event *e)
{
    static const char *const words[] = {
        [WPIPE_REASON_CLOSED] = "left",
        [WPIPE_REASON_DIED] = "died",
        [WPIPE_REASON_PROTOCOL] = "broke the protocol",
        [WPIPE_REASON_SLOW] = "was dropped: it did not read",
        [WPIPE_REASON_KICKED] = "was disconnected",
        [WPIPE_REASON_DENIED] = "was denied",
        [WPIPE_REASON_FULL] = "was refused: the server is full",
        [WPIPE_REASON_TOO_BIG] = "sent a message over the limit",
        [WPIPE_REASON_MEMORY] = "was dropped: out of memory",
        [WPIPE_REASON_LOST] = "left, and discarded messages that it had queued",
        [WPIPE_REASON_SYSTEM] = "was lost: the system refused us a call",
    };

    if (e->reason == WPIPE_REASON_SLOW && e->error == WPIPE_ETIMEDOUT)
        return "was dropped: it did not finish a message in time";
    return (size_t)e->reason < sizeof(words) / sizeof(words[0])
               ? words[e->reason]
               : "left";
}

static void on_disconnected(struct serve *s, const wpipe_event *e)
{
    const bool plain_end =
        s->options->number != 0 && s->messages < s->options->number;
    const uint64_t number = number_of(s, e->from);
    char lost[80] = "";

    if (e->lost_messages == WPIPE_LOST_UNKNOWN)
        snprintf(lost, sizeof(lost), "; it had not read everything");
    else if (e->lost_messages != 0)
        snprintf(lost, sizeof(lost), "; %llu messages, %llu bytes not read",
                 (unsigned long long)e->lost_messages,
                 (unsigned long long)e->lost_bytes);
    if (serve_talks(s))
        say(s->options, "%llu %s%s", (unsigned long long)number,
            ending_words(e), lost);
    if (s->options->json && !s->plain)
        json_event(s, "disconnected", e, number);
    forget(s, e->from);
    if (serve_feeds(s))
        serve_add_lost(s, e->lost_messages, e->lost_bytes);
    if (s->done || (s->plain ? s->options->keep : !s->options->once))
        return;
    serve_finish(s, status_of_reason(e->reason));
    if (s->plain && plain_end && s->status == STATUS_DONE) {
        say(s->options, "the client left after %llu of %u messages",
            (unsigned long long)s->messages, s->options->number);
        serve_finish(s, STATUS_PEER_LEFT);
    } else if (s->plain && s->status != STATUS_DONE && !serve_talks(s)) {
        say(s->options, "the client %s", ending_words(e));
    }
}

/* The current line for one client: the answer to its call, if it waits for
 * one. What comes from a file waits for room; a typed line does not. */
static int offer(struct serve *s, struct client *c)
{
    const wpipe_event call = { .type = WPIPE_EVENT_MESSAGE,
                               .from = c->id,
                               .request = c->request };
    int r;

    if (c->request != 0)
        r = wpipe_server_reply(s->server, &call, s->line, s->size);
    else
        r = wpipe_server_send(s->server, c->id, s->line, s->size);
    s->owed -= c->owed;
    c->owed = r == WPIPE_EAGAIN && !s->terminal;
    s->owed += c->owed;
    if (r != WPIPE_EAGAIN)
        c->request = 0;
    else if (s->terminal)
        say(s->options, "%llu was skipped: it does not read",
            (unsigned long long)c->number);
    return r == WPIPE_EAGAIN || r == WPIPE_ENOTCONN ? 0 : r;
}

/* The current line for everybody. */
static void spread(struct serve *s)
{
    bool calls = false;
    int r = 0;

    for (size_t i = 0; i < s->count; i++)
        calls = calls || s->clients[i].request != 0;
    if (s->terminal && !calls) {
        r = wpipe_server_broadcast(s->server, s->line, s->size);
        if (r == 0)
            say(s->options, "nobody is connected");
    } else {
        for (size_t i = 0; i < s->count && r >= 0; i++)
            r = offer(s, &s->clients[i]);
    }
    if (r < 0)
        say_error(s->options, s->options->operands[0], r);
}

void serve_spread_lines(struct serve *s)
{
    const bool bytes = s->options->type == WPIPE_BYTE;

    if (!s->terminal && s->count == 0 && s->lines.start != s->lines.end)
        return; /* a file is kept until somebody is there */
    while (s->owed == 0 && (bytes ? lines_bytes(&s->lines, &s->line, &s->size)
                                  : lines_next(&s->lines, &s->line, &s->size)))
        spread(s);
    if (s->owed > 0 || !s->lines.ended || !s->input)
        return;
    s->input = false; /* the server goes on without it */
    for (size_t i = 0; i < s->count; i++)
        if (s->clients[i].finished)
            (void)wpipe_server_disconnect(s->server, s->clients[i].id);
    if (s->options->quit_ms >= 0)
        s->quit_at = clock_ms() + s->options->quit_ms;
}

/* A client says no more. It stays for the lines that are still to come, if
 * any are. */
static void on_finished(struct serve *s, const wpipe_event *e)
{
    struct client *c = find(s, e->from);

    if (serve_talks(s) && s->options->verbose)
        say(s->options, "%llu finished sending",
            (unsigned long long)number_of(s, e->from));
    if (s->options->json && !s->plain) {
        output_event(s->options, "finished");
        json_number(stdout, "from", number_of(s, e->from));
        json_end(stdout);
    }
    if (c != NULL && s->input)
        c->finished = true;
    else
        (void)wpipe_server_disconnect(s->server, e->from);
}

/* Clients could not find us any more: said also without -v. */
static void on_name(const struct serve *s, const wpipe_event *e)
{
    const char *name = wpipe_server_name(s->server);

    if (e->error == 0)
        say(s->options, "%s: its files were removed; they are there again",
            name);
    else
        say(s->options,
            "%s: its files were removed, and cannot be made again: %s", name,
            wpipe_strerror(e->error));
    if (!s->options->json || s->plain)
        return;
    output_event(s->options, "name");
    json_text(stdout, "state", e->error == 0 ? "published" : "lost");
    if (e->error != 0)
        json_text(stdout, "error", wpipe_strerror(e->error));
    json_end(stdout);
}

/* A client that was full has room again. */
static void on_writable(struct serve *s, const wpipe_event *e)
{
    struct client *c = find(s, e->from);

    if (c == NULL || !c->owed)
        return;
    if (offer(s, c) < 0)
        c->owed = false;
}

static void on_event(struct serve *s, const wpipe_event *e)
{
    switch (e->type) {
    case WPIPE_EVENT_CONNECTED:
        on_connected(s, e);
        break;
    case WPIPE_EVENT_MESSAGE:
        on_message(s, e);
        break;
    case WPIPE_EVENT_DISCONNECTED:
        on_disconnected(s, e);
        break;
    case WPIPE_EVENT_REFUSED:
        if (serve_talks(s))
            say(s->options, "a client was refused: %s", text_reason(e->reason));
        if (s->options->json && !s->plain)
            json_event(s, "refused", e, 0);
        break;
    case WPIPE_EVENT_SKIPPED:
        if (serve_talks(s))
            say(s->options, "%llu was skipped: it does not read",
                (unsigned long long)number_of(s, e->from));
        if (s->options->json && !s->plain)
            json_event(s, "skipped", e, number_of(s, e->from));
        break;
    case WPIPE_EVENT_WRITABLE:
        on_writable(s, e);
        break;
    case WPIPE_EVENT_FINISHED:
        on_finished(s, e);
        break;
    case WPIPE_EVENT_NAME:
        on_name(s, e);
        break;
    default:
        break;
    }
}

void serve_take_events(struct serve *s)
{
    wpipe_event e;
    int r = 1;

    for (int i = 0; i < BURST && r > 0 && !s->done; i++) {
        r = wpipe_server_wait(s->server, &e, 0);
        if (r > 0)
            on_event(s, &e);
        else if (r < 0 && r != WPIPE_ETIMEDOUT)
            serve_finish(s, say_error(s->options, s->options->operands[0], r));
    }
    if (!s->done && s->owed == 0 && s->input)
        serve_spread_lines(s);
    if (!s->done && output_flush(s->options) != STATUS_DONE)
        serve_finish(s, STATUS_FAILED);
}
