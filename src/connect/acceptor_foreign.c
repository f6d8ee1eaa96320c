/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acceptor's foreign door: clients that are not windpipe. There is no
 * greeting; whoever may come in is let in as long as there are slots. When
 * there are none the door is not asked, and clients wait in the system's
 * queue, connected already as far as they can see. That is what a .NET server
 * does when all its instances are taken. With options.second_pipe nobody is
 * let in here: acceptor_second.c.
 */
#include "connect/acceptor.h"

#include <windpipe.h>

#include "base/options.h"
#include "base/ring.h"
#include "connect/pending.h"

enum {
    ACCEPTS = 64,  /* in one turn */
    ARRIVED = 128, /* at second doors; more are left to the system's queue */
    WAITING_MOST = 4096 /* in that queue */
};

int wpipe__acceptor_open_foreign(struct wpipe__acceptor *a, const char *name,
                                 const wpipe_options *options)
{
    int r = options->foreign_fd == 0
                ? wpipe__foreign_door_open(&a->foreign, name, options)
                : wpipe__foreign_door_inherit(&a->foreign, options);

    if (r < 0)
        return r;
    r = wpipe__os_poller_add(a->poller, a->foreign.listener,
                             WPIPE__TAG_FOREIGN);
    a->foreign_polled = r == 0;
    if (r == 0 && options->second_pipe != WPIPE_SECOND_PIPE_NONE)
        r = wpipe__acceptor_open_seconds(a, options);
    return r;
}

static void unwatch(struct wpipe__acceptor *a)
{
    if (a->foreign_polled)
        wpipe__os_poller_remove(a->poller, a->foreign.listener);
    a->foreign_polled = 0;
}

static int is_full(const struct wpipe__acceptor *a)
{
    return wpipe__slots_full(a->slots);
}

/* For one more who comes to the door. */
static int has_use(const struct wpipe__acceptor *a)
{
    return a->budget > 0 && !is_full(a) &&
           wpipe__acceptor_seconds_waiting(a) < ARRIVED;
}

void wpipe__acceptor_watch_foreign(struct wpipe__acceptor *a)
{
    if (a->foreign_polled || a->foreign.listener == WPIPE__NO_HANDLE ||
        is_full(a))
        return;
    if (wpipe__os_poller_add(a->poller, a->foreign.listener,
                             WPIPE__TAG_FOREIGN) == 0)
        a->foreign_polled = 1;
}

/* There is no descriptor, say: it waits, and we ask again in a while. */
static void cannot_accept(struct wpipe__acceptor *a, int error)
{
    struct wpipe__refusal why = { .reason = WPIPE_REASON_FULL,
                                  .error = error,
                                  .os_error = wpipe__os_error_number() };

    if (error == WPIPE_ELIMIT)
        wpipe__pending_refused(a, &why);
    else
        wpipe__pending_fail_once(a, error);
}

void wpipe__acceptor_let_foreign_in(struct wpipe__acceptor *a)
{
    wpipe__handle socket = WPIPE__NO_HANDLE;
    int r = 0;
    int i;

    for (i = 0; i < ACCEPTS && has_use(a); i++) {
        r = wpipe__os_accept(a->foreign.listener, &socket);
        if (r < 0)
            break;
        a->failing = 0;
        if (a->seconds != NULL)
            wpipe__acceptor_introduce(a, socket);
        else
            wpipe__acceptor_let_in(a, socket);
    }
    if (r == WPIPE_EAGAIN)
        return;
    if (r < 0) {
        cannot_accept(a, r);
        a->resume = wpipe__os_deadline(100);
        unwatch(a);
    } else if (is_full(a)) {
        unwatch(a);
    }
}

void wpipe__acceptor_change_foreign(struct wpipe__acceptor *a,
                                    wpipe__handle old)
{
    const struct wpipe__refusal why = { .reason = WPIPE_REASON_FULL,
                                        .error = WPIPE_EBUSY };
    wpipe__handle fresh = a->foreign.listener;
    wpipe__handle socket;
    int i = 0;

    a->foreign.listener = old;
    unwatch(a);
    wpipe__acceptor_let_foreign_in(a); /* those for whom there is room */
    while (i++ < WAITING_MOST && wpipe__os_accept(old, &socket) == 0) {
        wpipe__os_close_unknown(socket, a->foreign.generation);
        wpipe__pending_refused(a, &why);
    }
    a->foreign.listener = fresh;
    wpipe__os_close_unknown(old, a->foreign.generation);
    wpipe__acceptor_watch_foreign(a);
}
