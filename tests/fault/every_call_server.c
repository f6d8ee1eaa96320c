/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server and its clients in one thread: all calls of windpipe.h that one
 * thread can make, over the native door, a foreign one, and second pipes.
 */
#include "every_call.h"

#include <string.h>

enum {
    CLIENTS = 2,
    ROUNDS = 6,
    LARGE = 20000, /* in fragments, through inbox and outbox */
    TYPED = 11,    /* the size of the typed message; of no other one */
    LINGER_MS = 1, /* in one thread nobody reads meanwhile */
    STEP_MS = 2,
    CALL_MS = 50,
    WARM = 18 /* messages, and a connection has moved if it does so */
};

struct group {
    struct trial *trial;
    const wpipe_options *options;
    wpipe_server *server;
    wpipe_client *clients[CLIENTS];
    int up[CLIENTS]; /* it was told that it is connected */
    wpipe_id ids[8]; /* connected now; 0: none */
    size_t known;
    unsigned asked; /* requests that were accepted */
    unsigned told;  /* and of which an event told the end */
    uint8_t bytes[LARGE];
};

/* ---- messages that tell whether they are whole --------------------------- */

static const uint8_t *body(struct group *g, size_t size)
{
    for (size_t i = 0; i < size; i++)
        g->bytes[i] = (uint8_t)(size * 131 + i + i / 251);
    return g->bytes;
}

static void came(struct group *g, const wpipe_event *event)
{
    const uint8_t *bytes = event->data;

    for (size_t i = 0; i < event->size; i++)
        if (bytes[i] != (uint8_t)(event->size * 131 + i + i / 251))
            fail_msg("byte %zu of a message of %zu is wrong", i, event->size);
    g->trial->arrived++;
}

/* ---- events -------------------------------------------------------------- */

static void on_end(struct group *g, const wpipe_event *event)
{
    g->trial->ended++;
    if (event->reason != WPIPE_REASON_CLOSED)
        (void)trial_saw(g->trial, "event", event->error);
    for (size_t i = 0; i < g->known; i++)
        if (g->ids[i] == event->from)
            g->ids[i] = 0;
}

static void on_server_message(struct group *g, const wpipe_event *event)
{
    wpipe_message message;

    if (event->request) {
        (void)TRIAL(g->trial,
                    wpipe_server_reply(g->server, event, "answer", 6));
    } else if (event->size == TYPED) {
        assert_int_equal(wpipe_event_message(event, &message), 0);
        assert_memory_equal(message.body, "body", 4);
        g->trial->arrived++;
    } else {
        came(g, event);
    }
}

static void on_server_event(struct group *g, const wpipe_event *event)
{
    wpipe_peer peer = { .size = sizeof peer };

    switch (event->type) {
    case WPIPE_EVENT_CONNECTED:
        if (g->known < sizeof g->ids / sizeof *g->ids)
            g->ids[g->known++] = event->from;
        (void)TRIAL(g->trial, wpipe_server_peer(g->server, event->from, &peer));
        (void)wpipe_server_set_user(g->server, event->from, g);
        break;
    case WPIPE_EVENT_MESSAGE:
        on_server_message(g, event);
        break;
    case WPIPE_EVENT_REPLY:
        g->told++;
        break;
    case WPIPE_EVENT_REFUSED:
    case WPIPE_EVENT_DISCONNECTED:
        on_end(g, event);
        break;
    default:
        break;
    }
}

static void on_client_event(struct group *g, int i, const wpipe_event *event)
{
    switch (event->type) {
    case WPIPE_EVENT_CONNECTED:
        g->up[i] = 1;
        break;
    case WPIPE_EVENT_MESSAGE:
        if (event->request)
            (void)TRIAL(g->trial,
                        wpipe_client_reply(g->clients[i], event, "answer", 6));
        else
            came(g, event);
        break;
    case WPIPE_EVENT_REPLY:
        g->told++;
        break;
    case WPIPE_EVENT_DISCONNECTED:
        g->up[i] = 0;
        on_end(g, event);
        break;
    default:
        break;
    }
}

/* All take what is there. */
static void one_round(struct group *g)
{
    wpipe_event event;

    for (int i = 0; i < CLIENTS; i++)
        while (g->clients[i] &&
               TRIAL(g->trial, wpipe_client_wait(g->clients[i], &event, 0)) ==
                   1)
            on_client_event(g, i, &event);
    while (g->server &&
           TRIAL(g->trial, wpipe_server_wait(g->server, &event, 0)) == 1)
        on_server_event(g, &event);
}

static void rounds(struct group *g, int count)
{
    for (int i = 0; i < count; i++)
        one_round(g);
}

/* ---- what still works when nothing fails any more ------------------------ */

static int client_answered(wpipe_client *client)
{
    wpipe_event event;
    int r = wpipe_client_wait(client, &event, STEP_MS);

    assert_true(r == 1 || r == WPIPE_ETIMEDOUT);
    if (r != 1)
        return 0;
    if (event.type == WPIPE_EVENT_DISCONNECTED)
        fail_msg("a new client was sent away: %d, %s", event.reason,
                 wpipe_error_name(event.error));
    if (event.type == WPIPE_EVENT_CONNECTED)
        assert_int_equal(wpipe_client_send(client, "anew", 4), 0);
    return event.type == WPIPE_EVENT_MESSAGE;
}

/* One more client comes, is heard and answered. */
static void greet_another(struct group *g)
{
    int64_t end = support_now_ms() + SUPPORT_WAIT_MS;
    wpipe_client *client = NULL;
    wpipe_event event;
    int r;

    assert_int_equal(wpipe_client_open(&client, g->trial->name, g->options), 0);
    while (!client_answered(client)) {
        assert_true(support_now_ms() < end);
        r = wpipe_server_wait(g->server, &event, STEP_MS);
        assert_true(r == 1 || r == WPIPE_ETIMEDOUT);
        if (r == 1 && event.type == WPIPE_EVENT_MESSAGE && event.size == 4)
            assert_int_equal(
                wpipe_server_send(g->server, event.from, "anew", 4), 0);
    }
    wpipe_client_close(client);
}

/* Each request has ended once. */
static void expect_replies(struct group *g)
{
    int64_t end = support_now_ms() + SUPPORT_WAIT_MS;

    while (g->told < g->asked && support_now_ms() < end)
        one_round(g);
    assert_int_equal(g->told, g->asked);
}

static void expect_recovery(struct group *g)
{
    struct trial *trial = g->trial;

    if (!trial->calm)
        return;
    trial->calm();
    if (!g->server)
        assert_int_equal(wpipe_server_open(&g->server, trial->name, g->options),
                         0);
    rounds(g, 5 * ROUNDS);
    trial_check(trial);
    expect_replies(g);
    greet_another(g);
}

/* ---- the program --------------------------------------------------------- */

static void client_sends(struct group *g, int i, size_t size)
{
    struct trial *t = g->trial;

    if (g->up[i] &&
        TRIAL(t, wpipe_client_send(g->clients[i], body(g, size), size)) == 0)
        t->accepted++;
}

static void server_sends(struct group *g, size_t i, size_t size)
{
    struct trial *t = g->trial;

    if (g->ids[i] && TRIAL(t, wpipe_server_send(g->server, g->ids[i],
                                                body(g, size), size)) == 0)
        t->accepted++;
}

static void send_both_ways(struct group *g, size_t size)
{
    for (int i = 0; i < CLIENTS; i++)
        client_sends(g, i, size);
    for (size_t i = 0; i < g->known; i++)
        server_sends(g, i, size);
}

static void broadcast(struct group *g, size_t size)
{
    int64_t r;

    if (!g->server)
        return;
    r = TRIAL(g->trial, wpipe_server_broadcast(g->server, body(g, size), size));
    if (r > 0)
        g->trial->accepted += (unsigned)r;
}

/* The forms that wait, and those with a topic. */
static void send_in_other_ways(struct group *g)
{
    const wpipe_message message = { "topic", 5, "body", 4 };
    struct trial *t = g->trial;
    wpipe_client *client = g->clients[0];

    if (g->up[0]) {
        const wpipe_piece pieces[] = { { g->bytes, 20 },
                                       { g->bytes + 20, 32 } };

        (void)body(g, 52);
        if (TRIAL(t, wpipe_client_sendv(client, pieces, 2)) == 0)
            t->accepted++;
        if (TRIAL(t, wpipe_client_send_wait(client, body(g, 50), 50, 0)) == 0)
            t->accepted++;
        if (TRIAL(t, wpipe_client_send_message(client, &message)) == 0)
            t->accepted++;
        (void)TRIAL(t, wpipe_client_drain(client, 0));
    }
    if (g->server && g->ids[0] &&
        TRIAL(t, wpipe_server_send_wait(g->server, g->ids[0], body(g, 51), 51,
                                        0)) == 0)
        t->accepted++;
    if (g->server)
        (void)TRIAL(t, wpipe_server_drain(g->server, WPIPE_ALL, 0));
}

/* Some are answered, unless that fails; others time out at once. */
static void call(struct group *g)
{
    struct trial *t = g->trial;
    wpipe_event answer;
    uint64_t number;

    if (g->options->foreign)
        return;
    for (int i = 0; i < 4; i++) {
        int timeout_ms = i % 2 ? 0 : CALL_MS;

        if (g->up[0] &&
            TRIAL(t, wpipe_client_request(g->clients[0], "question", 8,
                                          timeout_ms, &number)) == 0)
            g->asked++;
        if (g->server && g->ids[0] &&
            TRIAL(t, wpipe_server_request(g->server, g->ids[0], "question", 8,
                                          timeout_ms, &number)) == 0)
            g->asked++;
    }
    if (g->up[0])
        (void)TRIAL(
            t, wpipe_client_call(g->clients[0], "question", 8, &answer, 0));
}

static void open_group(struct group *g, struct trial *trial,
                       const wpipe_options *options)
{
    memset(g, 0, sizeof *g);
    g->trial = trial;
    g->options = options;
    if (TRIAL(trial, wpipe_server_open(&g->server, trial->name, options)) == 0)
        assert_string_equal(wpipe_server_name(g->server), trial->name);
    for (int i = 0; i < CLIENTS; i++)
        (void)TRIAL(trial,
                    wpipe_client_open(&g->clients[i], trial->name, options));
    rounds(g, ROUNDS);
    if (g->server)
        assert_true(wpipe_server_count(g->server) <= CLIENTS);
}

/* Descriptors, wakes, and who is there. */
static void ask(struct group *g)
{
    struct trial *t = g->trial;
    wpipe_peer peer = { .size = sizeof peer };

    if (g->server) {
        (void)TRIAL(t, wpipe_server_fd(g->server));
        wpipe_server_wake(g->server);
    }
    if (!g->clients[0])
        return;
    (void)TRIAL(t, wpipe_client_fd(g->clients[0]));
    if (g->up[0])
        (void)TRIAL(t, wpipe_client_peer(g->clients[0], &peer));
    wpipe_client_wake(g->clients[0]);
}

static void end_in_all_ways(struct group *g)
{
    struct trial *t = g->trial;
    wpipe_lost lost = { .size = sizeof lost };

    t->ended++; /* as wanted; what was sent last may be lost */
    if (g->server && g->ids[0])
        (void)TRIAL(t, wpipe_server_disconnect(g->server, g->ids[0]));
    if (g->server && g->ids[1])
        (void)TRIAL(t, wpipe_server_kick(g->server, g->ids[1]));
    if (g->clients[1])
        (void)TRIAL(t, wpipe_client_shutdown(g->clients[1], 0, &lost));
    for (int i = 0; i < CLIENTS; i++)
        wpipe_client_close(g->clients[i]);
    if (g->server) {
        wpipe_server_stop(g->server);
        (void)TRIAL(t, wpipe_server_shutdown(g->server, 0, &lost));
    }
    wpipe_server_close(g->server);
}

static wpipe_options options_of(const struct trial *trial)
{
    return (wpipe_options){ .size = sizeof(wpipe_options),
                            .type = WPIPE_MESSAGE,
                            .shared_memory = trial->shared_memory,
                            .flags = WPIPE_CONNECT_LATER,
                            .linger_ms = LINGER_MS,
                            .buffer_in = 4096,
                            .buffer_out = 4096 };
}

static void run_group(struct trial *trial, const wpipe_options *options)
{
    static struct group group;
    struct group *g = &group;

    open_group(g, trial, options);
    ask(g);
    for (size_t i = 0; i < WARM; i++) {
        send_both_ways(g, 100 + i);
        one_round(g);
    }
    send_both_ways(g, LARGE);
    broadcast(g, LARGE - 1);
    rounds(g, ROUNDS);
    send_in_other_ways(g);
    call(g);
    rounds(g, ROUNDS);
    expect_recovery(g);
    end_in_all_ways(g);
}

void trial_server(struct trial *trial)
{
    wpipe_options options = options_of(trial);

    run_group(trial, &options);
}

void trial_foreign(struct trial *trial)
{
    wpipe_options options = options_of(trial);

    options.foreign = WPIPE_FOREIGN_ONLY;
    options.framing = WPIPE_FRAMING_BE32;
    run_group(trial, &options);
}

void trial_second_pipe(struct trial *trial)
{
    wpipe_options options = options_of(trial);

    options.foreign = WPIPE_FOREIGN_ONLY;
    options.framing = WPIPE_FRAMING_BE32;
    options.second_pipe = WPIPE_SECOND_PIPE_H_PIPES;
    run_group(trial, &options);
}

/* The server goes and comes back, and its client finds it. */
void trial_reconnect(struct trial *trial)
{
    static struct group group;
    struct group *g = &group;
    wpipe_options options = options_of(trial);

    options.flags |= WPIPE_RECONNECT;
    open_group(g, trial, &options);
    send_both_ways(g, 100);
    rounds(g, ROUNDS);
    wpipe_server_close(g->server);
    g->server = NULL;
    memset(g->ids, 0, sizeof g->ids);
    trial->ended++;
    rounds(g, 1);
    (void)TRIAL(trial, wpipe_server_open(&g->server, trial->name, &options));
    rounds(g, ROUNDS);
    send_both_ways(g, 101);
    rounds(g, ROUNDS);
    expect_recovery(g);
    end_in_all_ways(g);
}
