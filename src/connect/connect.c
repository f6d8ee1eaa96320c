/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connecting, and what is said when that fails. What was met last decides the
 * error: absent, full and silent servers are different things to a caller.
 * Called by users and by the client; the attempt itself is attempt.c.
 */
#include "connect/connect.h"

#include <windpipe.h>

#include "base/base.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"
#include "connect/attempt.h"
#include "door/door.h"
#include "stream/stream.h"

enum {
    ASK_MS = 20,     /* for how many clients a full server has */
    TEXT_ROOM = 1024 /* for where we looked */
};

/* ---- telling ------------------------------------------------------------ */

/* Full: with how many? Asked only for the sentence, and briefly. */
static void explain_full(const struct wpipe__attempt *a)
{
    wpipe_pipe_facts facts = { .size = sizeof(facts) };

    if (a->options->error_text == NULL)
        return;
    if (a->last == WPIPE_EBUSY &&
        wpipe__inspect_pipe(a->name, a->options, wpipe__os_deadline(ASK_MS),
                            &facts) == 0 &&
        facts.clients >= facts.max_clients)
        wpipe__options_explain(
            a->options, "pipe '%s' is full (%lu of %lu clients)", a->name,
            (unsigned long)facts.clients, (unsigned long)facts.max_clients);
    else
        wpipe__options_explain(
            a->options, "the server of '%s' cannot take another client now",
            a->name);
}

/* The last look has told where it was. */
static void explain_not_found(const struct wpipe__attempt *a,
                              unsigned long long ms)
{
    char where[TEXT_ROOM];

    if (ms == 0 || a->options->error_text == NULL)
        return;
    wpipe__text_set(where, sizeof(where), "%s", a->options->error_text);
    wpipe__options_explain(a->options, "%s; waited %llu ms", where, ms);
}

static void explain_late(const struct wpipe__attempt *a, unsigned long long ms)
{
    const wpipe_options *o = a->options;

    switch (a->last) {
    case WPIPE_ENOTFOUND:
        explain_not_found(a, ms);
        return;
    case WPIPE_ETIMEDOUT:
        wpipe__options_explain(
            o, "the server of '%s' did not answer within %llu ms", a->name, ms);
        return;
    case WPIPE_EAGAIN:
    case WPIPE_EBUSY:
        explain_full(a);
        return;
    default:
        wpipe__options_explain(o, "the server of '%s' went away", a->name);
        return;
    }
}

/* Whoever met the error has said what it was. */
static int is_explained(const wpipe_options *o)
{
    return o->error_text != NULL && o->error_text[0] != '\0';
}

static void explain(const struct wpipe__attempt *a, int error)
{
    const wpipe_options *o = a->options;

    switch (error) {
    case WPIPE_EREFUSED:
        wpipe__options_explain(o, "the server of '%s' refused the connection",
                               a->name);
        return;
    case WPIPE_EACCES:
        if (!is_explained(o))
            wpipe__options_explain(o, "the server of '%s' denied us access",
                                   a->name);
        return;
    case WPIPE_EVERSION:
        wpipe__options_explain(
            o, "the server of '%s' speaks another version of the protocol",
            a->name);
        return;
    case WPIPE_EPROTO:
        wpipe__options_explain(o, "the server of '%s' does not speak windpipe",
                               a->name);
        return;
    case WPIPE_ESTATE:
        wpipe__options_explain(o, "pipe '%s' has another type or direction",
                               a->name);
        return;
    case WPIPE_ENOTSUP:
        if (!is_explained(o))
            wpipe__options_explain(
                o, "the server of '%s' cannot use shared memory with us",
                a->name);
        return;
    case WPIPE_ESYSTEM:
        if (!is_explained(o))
            wpipe__options_explain(o, "cannot connect to '%s': %s", a->name,
                                   wpipe__os_error_text());
        return;
    default:
        if (!is_explained(o))
            wpipe__options_explain(o, "cannot connect to '%s': %s", a->name,
                                   wpipe_strerror(error));
        return;
    }
}

int wpipe__connect_link(const char *name, const wpipe_options *options,
                        const struct wpipe__connect_wait *waiting,
                        struct wpipe__link **ret_link)
{
    uint64_t deadline = waiting->deadline;
    char parsed[WPIPE_NAME_MAX + 1];
    struct wpipe__attempt a = { .options = options,
                                .deadline = deadline,
                                .wake = waiting->wake,
                                .name_watch = waiting->name_watch };
    uint64_t started = deadline == 0 ? 0 : wpipe__os_now();
    uint64_t given = deadline - wpipe__min_u64(started, deadline);
    int r = wpipe__connect_name(name, options, parsed);

    if (r < 0)
        return r;
    a.name = parsed;
    r = wpipe__attempt(&a, ret_link);
    if (r == WPIPE_ETIMEDOUT) {
        if (!a.told)
            explain_late(&a, (given + 999999) / 1000000);
        return wpipe__attempt_late(&a);
    }
    if (r < 0 && !a.told)
        explain(&a, r);
    return r;
}

/* ---- wpipe_connect ------------------------------------------------------ */

/* To close a watch takes longer than to connect: left to the stream's end. */
static void on_closed(void *user)
{
    wpipe__name_watch_done(user);
    wpipe__free(user);
}

static void done_later(struct wpipe_stream *stream,
                       struct wpipe__name_watch *name_watch)
{
    struct wpipe__name_watch *later;

    if (name_watch->watch == WPIPE__NO_HANDLE)
        return;
    later = wpipe__alloc(sizeof(*later));
    if (later == NULL) {
        wpipe__name_watch_done(name_watch);
        return;
    }
    *later = *name_watch;
    wpipe__stream_on_close(stream, on_closed, later);
}

int wpipe_connect(wpipe_stream **ret, const char *name,
                  const wpipe_options *options, int timeout_ms)
{
    struct wpipe__name_watch name_watch = WPIPE__NAME_WATCH_NULL;
    struct wpipe__connect_wait waiting = { .wake = WPIPE__NO_HANDLE,
                                           .name_watch = &name_watch };
    struct wpipe__link *link = NULL;
    wpipe_options o;
    int r;

    if (ret == NULL || name == NULL)
        return WPIPE_EINVAL;
    r = wpipe__options_take(options, &o);
    if (r < 0)
        return r;
    if (!wpipe__is_timeout(timeout_ms)) {
        wpipe__options_explain(
            &o, "timeout_ms is %d, not WPIPE_FOREVER or more", timeout_ms);
        return WPIPE_EINVAL;
    }
    if (o.type == WPIPE_DEFAULT_TYPE)
        o.type = WPIPE_BYTE;
    waiting.deadline = wpipe__os_deadline(timeout_ms);
    r = wpipe__connect_link(name, &o, &waiting, &link);
    if (r == 0)
        r = wpipe__stream_make(link, &o, 0, ret);
    if (r < 0)
        wpipe__name_watch_done(&name_watch);
    else
        done_later(*ret, &name_watch);
    return r;
}
