/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pair of ends as users get it: one listens and accepts, the other one
 * connects by name. Slower than a bare pair of sockets, and it proves that
 * the streams of both ways are the same.
 */
#include "ends_named.h"

#include "stream/stream.h"

struct meeting {
    wpipe_listener *listener;
    wpipe_stream *server;
    int accepted;  /* what accept returned */
    int connected; /* connect has returned */
};

static void accept_one(void *argument)
{
    struct meeting *m = argument;

    m->accepted = wpipe_accept(m->listener, &m->server, SUPPORT_WAIT_MS);
    if (m->accepted < 0)
        return;
    /* with REQUIRED there is more to say before connect returns */
    while (!__atomic_load_n(&m->connected, __ATOMIC_ACQUIRE))
        (void)m->server->link->transport->pump(m->server->link);
}

int ends_connect_by_name(struct ends *ends, const struct ends_setup *setup)
{
    const char *name = support_unique_name();
    struct meeting m = { .accepted = 0 };
    struct ends_thread thread;
    int r;

    assert_int_equal(wpipe_listen(&m.listener, name, &setup->server), 0);
    ends_start(&thread, accept_one, &m);
    r = wpipe_connect(&ends->client, name, &setup->client, SUPPORT_WAIT_MS);
    __atomic_store_n(&m.connected, 1, __ATOMIC_RELEASE);
    if (r < 0)
        wpipe_listener_wake(m.listener); /* nobody else will come */
    ends_join(&thread);
    wpipe_listener_close(m.listener);
    if (r < 0) {
        wpipe_stream_close(m.server);
        return r;
    }
    assert_int_equal(m.accepted, 0);
    ends->server = m.server;
    return 0;
}
