/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An acceptor with an owner that only counts, and clients that knock at its
 * door. For test_acceptor.c and test_pending.c.
 */
#ifndef WINDPIPE_TESTS_UNIT_ACCEPTOR_TOOLS_H
#define WINDPIPE_TESTS_UNIT_ACCEPTOR_TOOLS_H

#include "support.h"

#include <string.h>
#include <windpipe.h>

#include "base/memory.h"
#include "base/options.h"
#include "connect/acceptor.h"

enum {
    MANY = 400
};

struct host {
    struct wpipe__acceptor acceptor;
    struct wpipe__link *links[MANY];
    int admitted;
    int refused;
    struct wpipe__refusal why; /* the last one */
    int facts;                 /* what describe returns */
};

static inline struct host *host_of(struct wpipe__acceptor *a)
{
    return wpipe__container_of(a, struct host, acceptor);
}

static inline void on_admitted(struct wpipe__acceptor *a,
                               struct wpipe__link *link)
{
    struct host *host = host_of(a);

    assert_true(host->admitted < MANY);
    host->links[host->admitted++] = link;
}

static inline void on_refused(struct wpipe__acceptor *a,
                              const struct wpipe__refusal *why)
{
    struct host *host = host_of(a);

    host->refused++;
    host->why = *why;
}

static inline int on_query(struct wpipe__acceptor *a, struct wpipe__buffer *ret)
{
    int r = host_of(a)->facts;

    return r < 0 ? r : wpipe__buffer_append(ret, "facts", 5);
}

static const struct wpipe__acceptor_owner owner = { .admitted = on_admitted,
                                                    .refused = on_refused,
                                                    .describe = on_query };

static inline const char *host_open(struct host *host, wpipe_options *options)
{
    wpipe_options o;

    memset(host, 0, sizeof(*host));
    if (options != NULL)
        options->size = sizeof(*options);
    assert_int_equal(wpipe__options_take(options, &o), 0);
    o.type = WPIPE_MESSAGE;
    assert_int_equal(wpipe__acceptor_open(&host->acceptor, &owner,
                                          support_unique_name(), &o,
                                          WPIPE__NO_HANDLE),
                     0);
    return host->acceptor.door.name;
}

/* The link of the first one who was let in and is still here goes. */
static inline void host_drop(struct host *host, int at)
{
    struct wpipe__link *link = host->links[at];

    if (link == NULL)
        return;
    host->links[at] = NULL;
    wpipe__slots_give(host->acceptor.slots, link->peer.uid);
    link->transport->free(link);
}

static inline void host_close(struct host *host)
{
    for (int i = 0; i < host->admitted; i++)
        host_drop(host, i);
    wpipe__acceptor_close(&host->acceptor);
    wpipe__acceptor_close(&host->acceptor); /* may be called twice */
    assert_int_equal(wpipe__memory_live(), 0);
}

/* A client that has said hello and, perhaps, that it waits. */
static inline struct wpipe__link *dial(const char *name, int wait)
{
    wpipe__handle socket = WPIPE__NO_HANDLE;
    struct wpipe__link *link = NULL;
    wpipe_options o;

    assert_int_equal(wpipe__options_take(NULL, &o), 0);
    assert_int_equal(wpipe__door_dial(name, NULL, &socket), 0);
    assert_int_equal(wpipe__native_dial(socket, &o, wait, 0, &link), 0);
    return link;
}

static inline void hang_up(struct wpipe__link *link)
{
    link->transport->free(link);
}

#endif
