/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe top: the pipes of this user, again and again. On a terminal a table
 * (screen.c), with --json a line for each pipe and look.
 */
#include "commands.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "ending.h"
#include "gate.h"
#include "json.h"
#include "output.h"
#include "screen.h"
#include "survey.h"
#include "text.h"
#include "traffic.h"

enum {
    ANSWER_MS = 500 /* for servers to answer; keys wait for it, too */
};

struct top {
    const struct options *options;
    struct survey last, now;
    int64_t last_at, now_at; /* their clocks; 0: there is none */
    struct traffic *rows;    /* of what is shown */
    size_t count;
    uint32_t looks; /* that were shown */
    int bell;       /* an eventfd: a signal came */
};

static void stop(void *object)
{
    const struct top *top = object;
    const uint64_t one = 1;

    if (write(top->bell, &one, sizeof(one)) < 0)
        return; /* it rings already */
}

/* The busiest first. */
static int compare(const void *one, const void *other)
{
    const struct traffic *a = one, *b = other;

    if (a->messages != b->messages)
        return a->messages < b->messages ? 1 : -1;
    return strcmp(a->pipe->name, b->pipe->name);
}

/* Rows of all that are not dead. Returns 0 or WPIPE_ENOMEM. */
static int make_rows(struct top *top)
{
    const double seconds =
        top->last_at == 0 ? 0 : (double)(top->now_at - top->last_at) / 1000;
    const struct survey_pipe *p = top->now.pipes;

    free(top->rows);
    top->count = 0;
    top->rows = calloc(top->now.count + 1, sizeof(*top->rows));
    if (top->rows == NULL)
        return WPIPE_ENOMEM;
    for (; p < top->now.pipes + top->now.count; p++)
        if (p->answer != WPIPE_ENOTFOUND)
            traffic_measure(&top->rows[top->count++], p,
                            survey_find(&top->last, p->name), seconds);
    if (!top->options->json)
        qsort(top->rows, top->count, sizeof(*top->rows), compare);
    return 0;
}

/* Ask everybody again. Returns 0 or the error. */
static int look(struct top *top)
{
    const int ms =
        top->options->wait_ms >= 0 ? top->options->wait_ms : ANSWER_MS;
    int r;

    survey_done(&top->last);
    top->last = top->now;
    top->last_at = top->now_at;
    r = survey_names(&top->now);
    if (r < 0)
        return r;
    survey_ask(&top->now, true, ms);
    top->now_at = clock_ms();
    return make_rows(top);
}

static void print_row(const struct traffic *t, const char *now)
{
    const wpipe_pipe_facts *facts = &t->pipe->facts;

    json_begin(stdout);
    json_text(stdout, "time", now);
    json_text(stdout, "name", t->pipe->name);
    json_text(stdout, "state", survey_state(t->pipe->answer));
    if (t->pipe->answer >= 0) {
        json_text(stdout, "type", text_type(facts->type));
        json_number(stdout, "clients", facts->clients);
        json_real(stdout, "messages_s", t->messages);
        json_real(stdout, "bytes_s", t->bytes);
        json_number(stdout, "queued", t->queued);
        json_number(stdout, "refused", facts->refused);
        json_text(stdout, "transport", traffic_transport(t));
    }
    json_end(stdout);
}

static int show(struct top *top)
{
    char now[TEXT_TIME_ROOM];

    if (!top->options->json) {
        screen_show(top->rows, top->count);
        top->looks++;
        return STATUS_DONE;
    }
    if (top->last_at == 0)
        return STATUS_DONE; /* nothing is known of the rates yet */
    text_time(now);
    for (size_t i = 0; i < top->count; i++)
        print_row(&top->rows[i], now);
    top->looks++;
    return output_flush(top->options);
}

/* Until the next look, or the end. Returns false at the end. */
static bool rest(struct top *top)
{
    const int64_t until = clock_ms() + top->options->interval_ms;
    struct pollfd set[2] = { { .fd = top->bell, .events = POLLIN },
                             { .fd = STDIN_FILENO, .events = POLLIN } };
    const nfds_t count = top->options->json ? 1 : 2;
    bool resized;
    int64_t left;

    while ((left = until - clock_ms()) > 0) {
        if (poll(set, count, (int)left) < 0 && errno != EINTR)
            return false;
        if (set[0].revents != 0)
            return false;
        if (top->options->json)
            continue;
        if ((set[1].revents & (POLLHUP | POLLERR)) != 0 ||
            !screen_keys(&resized))
            return false;
        if (resized)
            screen_show(top->rows, top->count);
    }
    return true;
}

static int loop(struct top *top)
{
    const uint32_t most = top->options->number;
    int r, status = STATUS_DONE;

    do {
        r = look(top);
        if (r < 0) {
            screen_close(); /* the words are for after it */
            return gate_say_error(top->options, "cannot list", "top", r);
        }
        status = show(top);
    } while (status == STATUS_DONE && (most == 0 || top->looks < most) &&
             rest(top));
    return status;
}

int top_run(const struct options *options)
{
    struct top top = { .options = options };
    int status = STATUS_DONE;

    if (options->interval_ms <= 0)
        return say_usage(options, "--interval must be more than 0");
    top.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (top.bell < 0) {
        say(options, "%s", strerror(errno));
        return STATUS_FAILED;
    }
    if (!options->json)
        status = screen_open(options);
    if (status == STATUS_DONE) {
        ending_watch(stop, &top);
        status = loop(&top);
        ending_watch(NULL, NULL);
    }
    if (!options->json)
        screen_close();
    survey_done(&top.last);
    survey_done(&top.now);
    free(top.rows);
    close(top.bell);
    return status;
}
