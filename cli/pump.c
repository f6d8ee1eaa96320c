/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread a way, because a stream's write waits for its reader and has no
 * descriptor to poll for that. A way that has ended looks after the other one:
 * it wakes its reader, which then asks whether anybody is left to write to.
 */
#include "pump.h"

#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "trace.h"

enum {
    NUDGE_MS = 50,
    PROBE_MS = 100 /* between two looks whether a half-closed pipe is closed */
};

void pump_init(struct pump *p, const struct options *options,
               struct endpoint *first, struct endpoint *second)
{
    pthread_condattr_t clock;

    *p = (struct pump){ .options = options };
    p->flows[0] = (struct flow){
        .pump = p, .back = &p->flows[1], .from = first, .to = second
    };
    p->flows[1] = (struct flow){
        .pump = p, .back = &p->flows[0], .from = second, .to = first
    };
    first->stop = second->stop = &p->cut;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &clock);
    pthread_condattr_destroy(&clock);
}

void pump_done(struct pump *p)
{
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
}

void pump_stop(struct pump *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* What is left of -w, counted from the last thing moved either way. */
static int time_left(const struct pump *p)
{
    int64_t left;

    if (p->options->wait_ms < 0)
        return WPIPE_FOREVER;
    left = atomic_load(&p->moved) + p->options->wait_ms - clock_ms();
    return left > 0 ? (int)left : 0;
}

/*
 * How long to wait for something to move. A pipe that gave its end may have
 * been half-closed only, and nothing tells us when it is closed for good but
 * trying to write: so we look now and then, in that state alone.
 */
static int read_timeout(const struct flow *f)
{
    const int left = time_left(f->pump);

    if (f->to->stream == NULL || !atomic_load(&f->back->ended))
        return left;
    return left < 0 || left > PROBE_MS ? PROBE_MS : left;
}

/* Woken, or the time is over: is the flow to go on reading? */
static bool go_on(struct flow *f)
{
    struct pump *p = f->pump;

    if (atomic_load(&p->stop))
        return false;
    if (atomic_load(&f->back->ended) && endpoint_gone(f->to))
        return false;
    if (time_left(p) != 0)
        return true;
    atomic_store(&p->idle, true);
    pump_stop(p);
    return false;
}

/* What comes next, or, when stopped, what was read before that. */
static int next(struct flow *f, char **ret_data, size_t *ret_size)
{
    int r = WPIPE_EWOKEN;

    while (!atomic_load(&f->pump->stop)) {
        atomic_store(&f->reading, true);
        r = endpoint_read(f->from, ret_data, ret_size, read_timeout(f));
        atomic_store(&f->reading, false);
        if (r != WPIPE_EWOKEN && r != WPIPE_ETIMEDOUT)
            return r;
        if (!go_on(f) && !atomic_load(&f->pump->stop))
            return 0;
    }
    return endpoint_read_rest(f->from, ret_data, ret_size);
}

/* The time to hand over is over: this, and all that was read. */
static void count_lost(struct flow *f, char *data, size_t size)
{
    do {
        f->lost_chunks++;
        f->lost_bytes += size;
    } while (endpoint_read_rest(f->from, &data, &size) > 0);
}

/* With --hex or --json: what is on its way. */
static void show(const struct flow *f, const char *data, size_t size)
{
    const struct options *options = f->pump->options;
    const struct trace t = {
        .from = f->from->label,
        .to = f->to->label,
        .visit = f->pump->visit,
        .kind = f->from->stream != NULL ? f->from->call.kind : WPIPE_CALL_NONE,
        .data = data,
        .size = size,
    };

    if (options->hex)
        trace_hex(options, &t);
    if (options->command->bit != BIT_RELAY || !options->json ||
        atomic_load(&f->pump->broken) || trace_json(options, &t) == STATUS_DONE)
        return;
    atomic_store(&f->pump->broken, true);
    pump_stop(f->pump);
}

/* Until the end of the source. Returns 0, or the error of f->failed. */
static int move(struct flow *f)
{
    char *data;
    size_t size;
    int r;

    for (;;) {
        r = next(f, &data, &size);
        f->failed = f->from;
        if (r <= 0)
            return r;
        f->chunks++;
        f->bytes += size;
        show(f, data, size);
        atomic_store(&f->pump->moved, clock_ms());
        f->failed = f->to;
        r = endpoint_pass(f->to, f->from, data, size,
                          f->pump->options->wait_ms);
        if (r == WPIPE_EWOKEN) {
            count_lost(f, data, size);
            return 0;
        }
        if (r < 0)
            return r;
        atomic_store(&f->pump->moved, clock_ms());
    }
}

static void *flow_run(void *argument)
{
    struct flow *f = argument;
    struct pump *p = f->pump;

    f->error = move(f);
    if (f->error < 0 &&
        (f->to->borrowed || wpipe_error_class(f->error) != WPIPE_CLASS_PEER))
        pump_stop(p);
    endpoint_finish(f->to);
    pthread_mutex_lock(&p->lock);
    atomic_store(&f->ended, true);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    /* Nobody writes to `to` any more, so this cannot end a write. */
    endpoint_wake(f->to);
    while (!atomic_load(&f->back->ended) && !atomic_load(&p->stop) &&
           f->from->stream == NULL && f->from->child > 0) {
        endpoint_linger(f->from);
        if (endpoint_gone(f->from)) {
            endpoint_wake(f->to);
            break;
        }
    }
    return NULL;
}

/* Wait on the condition until a clock in ms, or without end when < 0. */
static void wait_until(struct pump *p, int64_t clock)
{
    const struct timespec when = { .tv_sec = clock / 1000,
                                   .tv_nsec = clock % 1000 * 1000000 };

    if (clock < 0)
        pthread_cond_wait(&p->changed, &p->lock);
    else
        pthread_cond_timedwait(&p->changed, &p->lock, &when);
}

/* Stopped: end the reads, and at the clock `cut_at` the writes, too. A wake
 * makes a write begin its message anew, so nobody is woken without need. */
static void end_flows(struct pump *p, int64_t cut_at)
{
    if (clock_ms() >= cut_at)
        atomic_store(&p->cut, true);
    for (int i = 0; i < 2; i++)
        if (atomic_load(&p->cut) || atomic_load(&p->flows[i].reading))
            endpoint_wake(p->flows[i].from);
    wait_until(p, clock_ms() + NUDGE_MS);
}

/* Until both ways ended. With -q the end of one way starts the clock. */
static void supervise(struct pump *p)
{
    int64_t quit_at = -1, cut_at = -1;

    pthread_mutex_lock(&p->lock);
    while (!p->flows[0].ended || !p->flows[1].ended) {
        if (atomic_load(&p->stop)) {
            if (cut_at < 0)
                cut_at = clock_ms() + p->options->linger_ms;
            end_flows(p, cut_at);
            continue;
        }
        if (quit_at < 0 && p->options->quit_ms >= 0 &&
            (p->flows[0].ended || p->flows[1].ended))
            quit_at = clock_ms() + p->options->quit_ms;
        if (quit_at >= 0 && clock_ms() >= quit_at) {
            atomic_store(&p->stop, true);
            continue;
        }
        wait_until(p, quit_at);
    }
    pthread_mutex_unlock(&p->lock);
}

/* A command may leave what it was sent unread; a peer may not. */
static int outcome(const struct flow *f)
{
    if (f->error == 0 || (f->error == WPIPE_EPIPE && f->failed->child > 0))
        return STATUS_DONE;
    return endpoint_say(f->failed, f->error);
}

static int tell_lost(const struct flow *f)
{
    if (f->lost_bytes == 0 && f->lost_chunks == 0)
        return STATUS_DONE;
    if (f->pump->options->type == WPIPE_MESSAGE)
        say(f->pump->options,
            "%s to %s: %llu messages, %llu bytes were not delivered",
            f->from->label, f->to->label, (unsigned long long)f->lost_chunks,
            (unsigned long long)f->lost_bytes);
    else
        say(f->pump->options, "%s to %s: %llu bytes were not delivered",
            f->from->label, f->to->label, (unsigned long long)f->lost_bytes);
    return STATUS_LOST;
}

int pump_run(struct pump *p)
{
    int status, other;

    atomic_store(&p->moved, clock_ms());
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&p->flows[i].thread, NULL, flow_run, &p->flows[i]) ==
            0)
            continue;
        say(p->options, "cannot start a thread");
        if (i == 1) {
            atomic_store(&p->flows[1].ended, true);
            pump_stop(p);
            supervise(p);
            pthread_join(p->flows[0].thread, NULL);
        }
        return STATUS_FAILED;
    }
    supervise(p);
    for (int i = 0; i < 2; i++) {
        endpoint_wake(p->flows[i].from); /* one may linger */
        pthread_join(p->flows[i].thread, NULL);
    }
    if (atomic_load(&p->stop))
        atomic_store(&p->cut, true); /* who closes the endpoints may hurry */
    status = STATUS_DONE;
    for (int i = 0; i < 4; i++) {
        other = i < 2 ? outcome(&p->flows[i]) : tell_lost(&p->flows[i - 2]);
        if (status == STATUS_DONE)
            status = other;
    }
    if (status == STATUS_DONE && atomic_load(&p->broken))
        status = STATUS_FAILED;
    if (status == STATUS_DONE && atomic_load(&p->idle)) {
        say(p->options, "nothing arrived in the time given by -w");
        status = STATUS_TIMED_OUT;
    }
    return status;
}
