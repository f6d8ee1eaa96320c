/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connect on its way: dialing until it works or the time is over. What
 * comes of it is told in connect.c. Called by that and by inspect.c; finding a
 * server also by the client (client/connect.c).
 */
#include "connect/attempt.h"

#include <string.h>
#include <windpipe.h>

#include "base/base.h"
#include "base/name.h"
#include "base/options.h"
#include "base/ring.h"
#include "base/text.h"
#include "connect/connect.h"
#include "connect/introduce.h"
#include "door/foreign.h"

enum {
    TEXT_ROOM = 1024 /* for where we looked */
};

/* ---- the server's word -------------------------------------------------- */

/* Wait on the socket until `deadline`. 0; WPIPE_EWOKEN; WPIPE_ETIMEDOUT. */
static int wait_socket(const struct wpipe__attempt *a, wpipe__handle socket)
{
    wpipe__handle handles[2] = { socket, a->wake };
    int r = wpipe__os_wait(handles, 2, a->deadline);

    if (r == WPIPE_EWOKEN && !(a->options->flags & WPIPE_WAIT_SIGNALS))
        return 0;
    if (r < 0)
        return r;
    if (r & 2)
        return WPIPE_EWOKEN;
    return r == 0 ? WPIPE_ETIMEDOUT : 0;
}

/* Wait for the verdict. 0; < 0, with a->last telling more of ETIMEDOUT. */
static int wait_greeting(struct wpipe__attempt *a, struct wpipe__link *link)
{
    static struct wpipe__spin_record record;
    struct wpipe__spin spin = { 0 };
    int r;

    for (;;) {
        r = wpipe__native_greeted(link);
        if (r < 0)
            return r;
        if (r == WPIPE__GREET_DONE) {
            wpipe__spin_paid(&spin, &record);
            return 0;
        }
        if (a->deadline != 0 && r == WPIPE__GREET_PENDING &&
            wpipe__spin_more(&spin, &record, link->spin_ns, a->deadline, 0))
            continue;
        /* once it said that it is full, that is what is in the way */
        if (r == WPIPE__GREET_QUEUED)
            a->last = WPIPE_EBUSY;
        else if (a->last != WPIPE_EBUSY)
            a->last = WPIPE_ETIMEDOUT;
        r = wait_socket(a, link->socket);
        if (r < 0)
            return r;
    }
}

/* SHARED_REQUIRED: wait until we write to shared memory. The other end does
 * so from its next call on: its segment is here. */
static int wait_shared(struct wpipe__attempt *a, struct wpipe__link *link)
{
    int r;

    for (;;) {
        r = link->transport->shared(link);
        if (r > 0)
            return 0;
        if (r < 0)
            return WPIPE_ENOTSUP;
        a->last = WPIPE_ETIMEDOUT;
        r = wait_socket(a, link->socket);
        if (r < 0)
            return r;
        r = link->transport->pump(link);
        if (r < 0)
            return r;
    }
}

/* Connected: say hello, and wait for the answer if we are to. */
static int greet(struct wpipe__attempt *a, wpipe__handle socket,
                 struct wpipe__link **ret_link)
{
    int may_queue = !a->query && a->deadline != 0;
    struct wpipe__link *link = NULL;
    int r = wpipe__native_dial(socket, a->options, may_queue, a->query, &link);

    if (r < 0)
        return r;
    if (!a->query && !(a->options->flags & WPIPE_CONNECT_EARLY)) {
        r = wait_greeting(a, link);
        if (r == 0 && a->options->shared_memory == WPIPE_SHARED_REQUIRED)
            r = wait_shared(a, link);
        if (r < 0) {
            link->transport->leave(link, WPIPE__STATE_CLOSED);
            link->transport->free(link);
            return r;
        }
    }
    *ret_link = link;
    return 0;
}

/* ---- dialing ------------------------------------------------------------ */

int wpipe__connect_may_retry(int error)
{
    switch (error) {
    case WPIPE_ENOTFOUND:
    case WPIPE_EAGAIN: /* the backlog is full */
    case WPIPE_EBUSY:
    case WPIPE_EPIPE: /* it went away while we greeted it */
    case WPIPE_EOF:
    case WPIPE_EDIED:
    case WPIPE_EDISCONNECTED:
        return 1;
    default:
        return 0;
    }
}

int wpipe__connect_watch(const char *name, const wpipe_options *options,
                         struct wpipe__name_watch *name_watch)
{
    char path[WPIPE__FOREIGN_PATH_MAX + 1];
    int r;

    if (options->foreign == WPIPE_FOREIGN_NEVER ||
        name_watch->watch == WPIPE__NO_HANDLE)
        return 0;
    r = wpipe__foreign_watch_path(name, path, sizeof path);
    if (r >= 0)
        (void)wpipe__os_watch_add(name_watch->watch, path);
    return r == 1;
}

/*
 * Look at the foreign door. `options->error_text` tells where we looked before;
 * who finds nobody here, either, is told of both.
 */
static int find_foreign(const char *name, const wpipe_options *options,
                        wpipe__handle *ret_socket)
{
    wpipe_options o = *options;
    char before[TEXT_ROOM] = "";
    char here[TEXT_ROOM] = "";
    int r;

    if (options->error_text != NULL && options->error_text_size > 0) {
        wpipe__text_set(before, sizeof(before), "%s", options->error_text);
        o.error_text = here;
        o.error_text_size = sizeof(here);
    }
    r = wpipe__foreign_door_dial(name, &o, ret_socket);
    if (options->foreign == WPIPE_FOREIGN_DEFAULT && r == WPIPE_ENAME)
        return WPIPE_ENOTFOUND; /* only our own kind can have that name */
    if (r == WPIPE_ENOTFOUND && options->foreign != WPIPE_FOREIGN_ONLY)
        wpipe__options_explain(options, "%s; %s", before, here);
    else
        wpipe__options_explain(options, "%s", here);
    return r;
}

int wpipe__connect_find(const char *name, const wpipe_options *options,
                        wpipe__handle *ret_socket, int *ret_foreign)
{
    int r = WPIPE_ENOTFOUND;

    *ret_foreign = 0;
    if (options->foreign != WPIPE_FOREIGN_ONLY)
        r = wpipe__door_dial(name, options, ret_socket);
    if (r != WPIPE_ENOTFOUND || options->foreign == WPIPE_FOREIGN_NEVER)
        return r;
    r = find_foreign(name, options, ret_socket);
    *ret_foreign = r == 0;
    return r;
}

int wpipe__connect_name(const char *name, const wpipe_options *options,
                        char ret_name[WPIPE_NAME_MAX + 1])
{
    const char *why = NULL;
    int r;

    if (name != NULL && name[0] == '/' &&
        options->foreign == WPIPE_FOREIGN_ONLY &&
        strlen(name) <= WPIPE_NAME_MAX) {
        memcpy(ret_name, name, strlen(name) + 1); /* the path itself */
        return 0;
    }
    r = wpipe__name_parse(name, ret_name, &why);
    if (r < 0)
        wpipe__options_explain(options, "%s", why);
    return r;
}

/* Begin to hear of new doors. */
static void listen_up(struct wpipe__attempt *a)
{
    static const struct wpipe__name_watch null = WPIPE__NAME_WATCH_NULL;

    if (a->name_watch->watch == null.watch)
        wpipe__name_watch_open(a->name_watch);
    else
        wpipe__name_watch_listen(a->name_watch);
    a->name_watch->signals = (a->options->flags & WPIPE_WAIT_SIGNALS) != 0;
    a->listening = 1;
    a->silent =
        !a->query && wpipe__connect_watch(a->name, a->options, a->name_watch);
}

static void rest(struct wpipe__attempt *a)
{
    if (a->listening)
        wpipe__name_watch_rest(a->name_watch);
    a->listening = 0;
}

static int dial(struct wpipe__attempt *a, struct wpipe__link **ret_link);

/* Wait for the name of the pipe that is ours. 0; < 0. */
static int wait_introduction(struct wpipe__attempt *a,
                             struct wpipe__introduced *i,
                             char ret_name[WPIPE_NAME_MAX + 1])
{
    int r;

    while ((r = wpipe__introduced_read(i, a->name, ret_name)) == 0) {
        a->last = WPIPE_ETIMEDOUT;
        r = wait_socket(a, i->socket);
        if (r < 0)
            return r;
    }
    if (r == WPIPE_EPROTO) {
        wpipe__options_explain(a->options,
                               "the server of '%s' sent no name of a second "
                               "pipe: %s",
                               a->name, i->message.why);
        a->told = 1;
    }
    return r < 0 ? r : 0;
}

/*
 * Go to the second pipe, which may come a moment later than its name. Not for
 * ever: a server that died in between is a new one when it comes back, and
 * does not know us.
 */
static int meet(struct wpipe__attempt *a, const struct wpipe__introduced *i,
                const char *name, struct wpipe__link **ret_link)
{
    wpipe_options o = wpipe__introduced_options(i, a->options);
    uint64_t until = wpipe__os_deadline(o.handshake_ms);
    struct wpipe__attempt second = { .name = name,
                                     .options = &o,
                                     .deadline =
                                         wpipe__min_u64(a->deadline, until),
                                     .wake = a->wake,
                                     .last = WPIPE_ENOTFOUND,
                                     .name_watch = a->name_watch };
    int r = dial(&second, ret_link);

    rest(&second);
    if (r == WPIPE_ETIMEDOUT && until < a->deadline)
        return WPIPE_EPIPE;
    if (r == WPIPE_ETIMEDOUT) {
        wpipe__options_explain(a->options,
                               "the server of '%s' sent us to the pipe '%s', "
                               "which did not accept us in time",
                               a->name, name);
        a->last = WPIPE_ETIMEDOUT;
        a->told = 1;
    } else if (r == WPIPE_ENAME) {
        a->told = 1; /* nothing can be there, as error_text says */
        r = WPIPE_EPROTO;
    }
    return r;
}

/* The foreign door was only the first. */
static int go_on(struct wpipe__attempt *a, wpipe__handle socket,
                 struct wpipe__link **ret_link)
{
    struct wpipe__introduced i;
    char name[WPIPE_NAME_MAX + 1];
    int r = wpipe__introduced_begin(&i, socket);

    if (r < 0)
        return r;
    r = wait_introduction(a, &i, name);
    wpipe__introduced_done(&i);
    return r < 0 ? r : meet(a, &i, name, ret_link);
}

/* Once: find the server and greet it. */
static int try_once(struct wpipe__attempt *a, struct wpipe__link **ret_link)
{
    wpipe__handle socket = WPIPE__NO_HANDLE;
    int foreign = 0;
    int r;

    wpipe__options_explain(a->options, "%s", ""); /* of the time before */
    r = a->query ? wpipe__door_dial(a->name, a->options, &socket)
                 : wpipe__connect_find(a->name, a->options, &socket, &foreign);
    if (r < 0) {
        a->last = r;
        return r;
    }
    rest(a);
    if (foreign && a->options->second_pipe == WPIPE_SECOND_PIPE_NONE)
        return wpipe__foreign_make(socket, a->options, ret_link);
    r = foreign ? go_on(a, socket, ret_link) : greet(a, socket, ret_link);
    if (r < 0 && r != WPIPE_ETIMEDOUT)
        a->last = r;
    return r;
}

/* Until it is worth to try again. 0; WPIPE_ETIMEDOUT; WPIPE_EWOKEN. */
static int wait_turn(struct wpipe__attempt *a)
{
    int why = a->last == WPIPE_ENOTFOUND ? WPIPE_ENOTFOUND : WPIPE_EAGAIN;

    if (a->deadline == 0)
        return WPIPE_ETIMEDOUT;
    if (!a->listening) {
        /* only now: most servers are there at the first look */
        listen_up(a);
        if (why == WPIPE_ENOTFOUND)
            return 0; /* look once more, now that we would hear */
    } else if (why == WPIPE_ENOTFOUND) {
        /* bound meanwhile, but not listening yet? That gives no sign */
        a->silent = !a->query &&
                    wpipe__connect_watch(a->name, a->options, a->name_watch);
    }
    if (a->silent)
        why = WPIPE_EAGAIN; /* with back-off */
    return wpipe__name_watch_wait(a->name_watch, why, a->deadline, a->wake);
}

static int dial(struct wpipe__attempt *a, struct wpipe__link **ret_link)
{
    int r;

    for (;;) {
        r = try_once(a, ret_link);
        if (r == 0 || !wpipe__connect_may_retry(r))
            return r;
        if (a->query && r == WPIPE_ENOTFOUND)
            return r; /* a question does not wait for somebody to ask */
        r = wait_turn(a);
        if (r < 0)
            return r;
    }
}

int wpipe__attempt(struct wpipe__attempt *a, struct wpipe__link **ret_link)
{
    int r = dial(a, ret_link);

    rest(a);
    return r;
}

int wpipe__attempt_late(const struct wpipe__attempt *a)
{
    switch (a->last) {
    case WPIPE_ENOTFOUND:
    case WPIPE_ETIMEDOUT:
        return a->last;
    case WPIPE_EAGAIN:
    case WPIPE_EBUSY:
        return WPIPE_EBUSY;
    default:
        return WPIPE_ENOTFOUND; /* it went away */
    }
}
