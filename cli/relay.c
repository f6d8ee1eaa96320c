/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe relay: two endpoints joined. One that listens is served first, and
 * the other one is opened when somebody has come, so that nothing is started
 * or connected for nobody. With -k every visitor gets a thread of its own.
 */
#include "commands.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ending.h"
#include "gate.h"
#include "pump.h"

enum {
    MOST_VISITS = 256
};

struct relay {
    const struct options *options;
    struct options ends[2]; /* of each end: its socket and framing */
    struct gate gates[2];
    bool listens[2];
    pthread_mutex_t lock;
    pthread_cond_t left; /* a visit is over */
    bool open;           /* the gates may be woken */
    bool stopped;
    uint32_t running;     /* threads */
    uint64_t last;        /* number of the newest visit */
    struct visit *visits; /* whose pumps run */
};

/* One visit: both endpoints and what joins them. */
struct visit {
    struct relay *relay;
    uint64_t number;
    struct endpoint ends[2];
    struct pump pump;
    struct visit *next;
};

/* On the thread of signals. */
static void stop(void *object)
{
    struct relay *relay = object;

    pthread_mutex_lock(&relay->lock);
    relay->stopped = true;
    for (int i = 0; i < 2; i++)
        if (relay->open && relay->listens[i])
            gate_wake(&relay->gates[i]);
    for (struct visit *v = relay->visits; v != NULL; v = v->next)
        pump_stop(&v->pump);
    pthread_cond_broadcast(&relay->left);
    pthread_mutex_unlock(&relay->lock);
}

static struct visit *visit_new(struct relay *relay)
{
    struct visit *v = calloc(1, sizeof(*v));

    if (v == NULL) {
        say(relay->options, "out of memory");
        return NULL;
    }
    v->relay = relay;
    v->number = ++relay->last;
    for (int i = 0; i < 2; i++)
        v->ends[i] = (struct endpoint){ .in = -1, .out = -1, .bell = -1 };
    return v;
}

static void visit_free(struct visit *v)
{
    for (int i = 0; i < 2; i++)
        endpoint_close(&v->ends[i], ending_signal() != 0);
    free(v);
}

/* Put the pump where stop finds it. Returns false when it is too late. */
static bool visit_enter(struct visit *v)
{
    struct relay *relay = v->relay;
    bool enter;

    pthread_mutex_lock(&relay->lock);
    enter = !relay->stopped;
    if (enter) {
        v->next = relay->visits;
        relay->visits = v;
    }
    pthread_mutex_unlock(&relay->lock);
    return enter;
}

static void visit_leave(struct visit *v)
{
    struct relay *relay = v->relay;
    struct visit **link = &relay->visits;

    pthread_mutex_lock(&relay->lock);
    while (*link != v)
        link = &(*link)->next;
    *link = v->next;
    pthread_mutex_unlock(&relay->lock);
}

/* Open what is not open yet, and join the two. */
static int visit_run(struct visit *v)
{
    const struct options *options = v->relay->options;
    int status = STATUS_DONE;

    for (int i = 0; i < 2 && status == STATUS_DONE; i++)
        if (!v->relay->listens[i])
            status = gate_dial(&v->ends[i], &v->relay->ends[i],
                               options->operands[i]);
    if (status != STATUS_DONE)
        return status;
    pump_init(&v->pump, options, &v->ends[0], &v->ends[1]);
    v->pump.visit = v->number;
    if (visit_enter(v)) {
        status = pump_run(&v->pump);
        visit_leave(v);
    }
    say_verbose(options, "%s to %s: %llu bytes there, %llu back",
                options->operands[0], options->operands[1],
                (unsigned long long)v->pump.flows[0].bytes,
                (unsigned long long)v->pump.flows[1].bytes);
    pump_done(&v->pump);
    return status;
}

/* Let in who comes at the ends that listen. */
static int visit_receive(struct visit *v, bool *ret_woken)
{
    struct relay *relay = v->relay;
    int status = STATUS_DONE;

    *ret_woken = false;
    for (int i = 0; i < 2 && status == STATUS_DONE && !*ret_woken; i++)
        if (relay->listens[i])
            status = gate_accept(&relay->gates[i], &v->ends[i], ret_woken);
    return status;
}

static void close_gates(struct relay *relay)
{
    bool open;

    pthread_mutex_lock(&relay->lock);
    open = relay->open;
    relay->open = false;
    pthread_mutex_unlock(&relay->lock);
    for (int i = 0; i < 2 && open; i++)
        if (relay->listens[i])
            gate_close(&relay->gates[i]);
}

static int run_once(struct relay *relay)
{
    struct visit *v = visit_new(relay);
    bool woken;
    int status;

    if (v == NULL)
        return STATUS_FAILED;
    status = visit_receive(v, &woken);
    close_gates(relay); /* the name is free again, as with nc */
    if (status == STATUS_DONE && !woken)
        status = visit_run(v);
    visit_free(v);
    return status;
}

static void *run_thread(void *argument)
{
    struct visit *v = argument;
    struct relay *relay = v->relay;

    visit_run(v);
    visit_free(v);
    pthread_mutex_lock(&relay->lock);
    relay->running--;
    pthread_cond_broadcast(&relay->left);
    pthread_mutex_unlock(&relay->lock);
    return NULL;
}

/* Wait for fewer than `most` visits. Returns false when stopped. */
static bool wait_for_room(struct relay *relay, uint32_t most, bool to_the_end)
{
    bool stopped;

    pthread_mutex_lock(&relay->lock);
    while (relay->running >= most && (to_the_end || !relay->stopped))
        pthread_cond_wait(&relay->left, &relay->lock);
    stopped = relay->stopped;
    pthread_mutex_unlock(&relay->lock);
    return !stopped;
}

static int start_visit(struct visit *v)
{
    struct relay *relay = v->relay;
    pthread_t thread;

    pthread_mutex_lock(&relay->lock);
    relay->running++;
    pthread_mutex_unlock(&relay->lock);
    if (pthread_create(&thread, NULL, run_thread, v) == 0) {
        pthread_detach(thread);
        return STATUS_DONE;
    }
    say(relay->options, "cannot start a thread");
    pthread_mutex_lock(&relay->lock);
    relay->running--;
    pthread_mutex_unlock(&relay->lock);
    visit_free(v);
    return STATUS_FAILED;
}

/* With -k: one visit after another and beside each other. */
static int run_many(struct relay *relay)
{
    const uint32_t most =
        relay->options->clients > 0 ? relay->options->clients : MOST_VISITS;
    int status = STATUS_DONE;
    struct visit *v;
    bool woken;

    while (status == STATUS_DONE && wait_for_room(relay, most, false)) {
        v = visit_new(relay);
        if (v == NULL) {
            status = STATUS_FAILED;
            break;
        }
        status = visit_receive(v, &woken);
        if (status != STATUS_DONE || woken)
            visit_free(v);
        else
            status = start_visit(v);
    }
    close_gates(relay);
    wait_for_room(relay, 1, true);
    return status;
}

/* Can it be done at all? Returns an exit code; it was said. */
static int check(const struct options *options)
{
    const bool stdio[2] = { strcmp(options->operands[0], "-") == 0,
                            strcmp(options->operands[1], "-") == 0 };

    if (options->keep && !gate_is(options->operands[0]) &&
        !gate_is(options->operands[1]))
        return say_usage(options, "-k needs an endpoint that listens");
    if (stdio[0] && stdio[1])
        return say_usage(options, "stdio can be one end only");
    if (options->json && (stdio[0] || stdio[1]))
        return say_usage(options, "--json prints to stdout, which is an end "
                                  "already");
    if (options->timestamps && !options->json && !options->hex)
        return say_usage(options, "--timestamps goes with --json or --hex");
    return STATUS_DONE;
}

int relay_run(const struct options *options)
{
    struct relay relay = { .options = options, .open = true };
    int status = check(options);

    for (int i = 0; i < 2 && status == STATUS_DONE; i++)
        status = gate_options(&relay.ends[i], options, options->operands[i]);
    if (status != STATUS_DONE)
        return status;
    pthread_mutex_init(&relay.lock, NULL);
    pthread_cond_init(&relay.left, NULL);
    for (int i = 0; i < 2 && status == STATUS_DONE; i++) {
        if (!gate_is(options->operands[i]))
            continue;
        status =
            gate_open(&relay.gates[i], &relay.ends[i], options->operands[i]);
        relay.listens[i] = status == STATUS_DONE;
    }
    if (status == STATUS_DONE) {
        ending_watch(stop, &relay);
        status = options->keep ? run_many(&relay) : run_once(&relay);
        ending_watch(NULL, NULL);
    }
    close_gates(&relay);
    pthread_cond_destroy(&relay.left);
    pthread_mutex_destroy(&relay.lock);
    return status;
}
