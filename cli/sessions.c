/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe serve --exec: one command for each client, with the pipe as its
 * stdin and stdout. Each client has a thread, because each may have to wait
 * for its own command, and none for another's.
 */
#include "commands.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ending.h"
#include "endpoint.h"
#include "json.h"
#include "output.h"
#include "pump.h"
#include "text.h"

struct house {
    const struct options *options;
    wpipe_listener *listener;
    pthread_mutex_t lock;
    pthread_cond_t left;
    struct session *sessions; /* whose pumps run */
    uint64_t last;            /* number of the newest session */
    uint32_t running;         /* threads */
    int status;               /* of the first session, for --once */
    bool stopped;
};

struct session {
    struct house *house;
    struct session *next;
    uint64_t number;
    wpipe_peer peer;
    struct endpoint command, pipe;
    struct pump pump;
};

/* On the thread of signals. */
static void stop(void *object)
{
    struct house *h = object;

    pthread_mutex_lock(&h->lock);
    h->stopped = true;
    for (struct session *s = h->sessions; s != NULL; s = s->next)
        pump_stop(&s->pump);
    pthread_mutex_unlock(&h->lock);
    wpipe_listener_wake(h->listener);
}

/* `reason` is NULL when it came. */
static void tell(struct session *s, const char *reason, const char *words)
{
    const struct options *options = s->house->options;

    if (!options->json) {
        say(options, "%llu %s", (unsigned long long)s->number, words);
        return;
    }
    flockfile(stdout);
    output_event(options, reason == NULL ? "connected" : "disconnected");
    json_number(stdout, "from", s->number);
    if (reason == NULL)
        json_peer(stdout, &s->peer);
    else
        json_text(stdout, "reason", reason);
    json_end(stdout);
    fflush(stdout);
    funlockfile(stdout);
}

/* How it went, for the two who are told. */
static void tell_end(struct session *s, int status)
{
    switch (status) {
    case STATUS_PEER_LEFT:
        tell(s, "died", "left early");
        break;
    case STATUS_PROTOCOL:
        tell(s, "protocol", "broke the protocol");
        break;
    default:
        tell(s, "closed", "left");
    }
}

static int session_pump(struct session *s)
{
    struct house *h = s->house;
    struct session **link = &h->sessions;
    bool enter;
    int status = STATUS_DONE;

    pump_init(&s->pump, h->options, &s->command, &s->pipe);
    pthread_mutex_lock(&h->lock);
    enter = !h->stopped;
    if (enter) {
        s->next = h->sessions;
        h->sessions = s;
    }
    pthread_mutex_unlock(&h->lock);
    if (!enter)
        return status;
    status = pump_run(&s->pump);
    pthread_mutex_lock(&h->lock);
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
    pthread_mutex_unlock(&h->lock);
    return status;
}

static int session_run(struct session *s)
{
    const struct options *options = s->house->options;
    char text[200], words[240];
    int r, status;

    wpipe_stream_peer(s->pipe.stream, &s->peer);
    snprintf(words, sizeof(words), "connected: %s",
             text_peer(text, sizeof(text), &s->peer));
    tell(s, NULL, words);
    r = endpoint_exec(&s->command, options->exec, &s->peer);
    if (r < 0) {
        say(options, "%s: %s", options->exec, strerror(-r));
        return STATUS_FAILED;
    }
    status = session_pump(s);
    tell_end(s, status);
    return status;
}

static void *session_thread(void *argument)
{
    struct session *s = argument;
    struct house *h = s->house;
    const int status = session_run(s);

    endpoint_close(&s->pipe, false);
    endpoint_close(&s->command, ending_signal() != 0);
    if (s->pump.options != NULL)
        pump_done(&s->pump);
    pthread_mutex_lock(&h->lock);
    if (s->number == 1)
        h->status = status;
    h->running--;
    pthread_cond_broadcast(&h->left);
    pthread_mutex_unlock(&h->lock);
    free(s);
    return NULL;
}

/* The stream is the session's from here on. */
static int session_start(struct house *h, wpipe_stream *stream)
{
    struct session *s = calloc(1, sizeof(*s));
    pthread_t thread;
    int r;

    if (s == NULL) {
        wpipe_stream_close(stream);
        return WPIPE_ENOMEM;
    }
    s->house = h;
    s->number = ++h->last;
    s->peer.size = sizeof(s->peer);
    r = endpoint_init(&s->command, h->options);
    if (r == 0)
        r = endpoint_init(&s->pipe, h->options);
    else
        s->pipe = s->command; /* null, too */
    s->pipe.stream = stream;
    snprintf(s->command.label, sizeof(s->command.label), "%s",
             h->options->exec);
    snprintf(s->pipe.label, sizeof(s->pipe.label), "%llu",
             (unsigned long long)s->number);
    pthread_mutex_lock(&h->lock);
    h->running++;
    pthread_mutex_unlock(&h->lock);
    if (r == 0 && pthread_create(&thread, NULL, session_thread, s) == 0) {
        pthread_detach(thread);
        return 0;
    }
    pthread_mutex_lock(&h->lock);
    h->running--;
    pthread_mutex_unlock(&h->lock);
    endpoint_close(&s->pipe, true);
    endpoint_close(&s->command, true);
    free(s);
    return r < 0 ? r : WPIPE_ELIMIT;
}

/* Until a signal, -w without a new client, or the only client of --once. */
static int receive(struct house *h)
{
    const struct options *options = h->options;
    wpipe_stream *stream;
    int r;

    for (;;) {
        r = wpipe_accept(h->listener, &stream, options->wait_ms);
        if (r == WPIPE_EWOKEN && ending_signal() == 0)
            continue;
        if (r == WPIPE_EWOKEN)
            return STATUS_DONE;
        if (r < 0)
            return say_error(options, options->operands[0], r);
        r = session_start(h, stream);
        if (r < 0) /* this client goes, the others stay */
            say(options, "a client was disconnected: %s", wpipe_strerror(r));
        if (options->once && r == 0)
            return STATUS_DONE;
    }
}

static void wait_for_all(struct house *h)
{
    pthread_mutex_lock(&h->lock);
    while (h->running > 0)
        pthread_cond_wait(&h->left, &h->lock);
    pthread_mutex_unlock(&h->lock);
}

int serve_commands(const struct options *options)
{
    struct house h = { .options = options };
    wpipe_options wishes;
    int r, status;

    options_fill(&wishes, options);
    r = wpipe_options_inherit(&wishes, options->operands[0]);
    if (r >= 0)
        r = wpipe_listen(&h.listener, options->operands[0], &wishes);
    if (r < 0)
        return say_error(options, options->operands[0], r);
    pthread_mutex_init(&h.lock, NULL);
    pthread_cond_init(&h.left, NULL);
    serve_announce(options, wpipe_listener_name(h.listener));
    ending_watch(stop, &h);
    status = receive(&h);
    wait_for_all(&h);
    ending_watch(NULL, NULL);
    wpipe_listener_close(h.listener);
    pthread_cond_destroy(&h.left);
    pthread_mutex_destroy(&h.lock);
    return status == STATUS_DONE && options->once ? h.status : status;
}
