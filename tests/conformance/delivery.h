/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of delivery share: a server and its client, one of which sends
 * and the other takes.
 */
#ifndef WINDPIPE_TESTS_DELIVERY_H
#define WINDPIPE_TESTS_DELIVERY_H

#include "service.h"

enum {
    MANY = 1000,
    SIZE = 1000,
    STALL_MS = 150
};

/* ---- both ways ----------------------------------------------------------- */

/* A server and its client; one of the two sends, the other takes. */
struct two {
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;
    int from_client;
};

static inline void two_open(struct two *two, void **state,
                            const wpipe_options *options, int from_client)
{
    two->server = service_open(state, options);
    two->client = service_join(state, two->server, options, &two->id);
    two->from_client = from_client;
}

static inline int two_send(const struct two *two, const void *data, size_t size)
{
    return two->from_client
               ? wpipe_client_send(two->client, data, size)
               : wpipe_server_send(two->server, two->id, data, size);
}

static inline int two_take(const struct two *two, wpipe_event *e,
                           int timeout_ms)
{
    return two->from_client ? wpipe_server_wait(two->server, e, timeout_ms)
                            : wpipe_client_wait(two->client, e, timeout_ms);
}

static inline void two_close_sender(const struct two *two)
{
    if (two->from_client)
        wpipe_client_close(two->client);
    else
        wpipe_server_close(two->server);
}

static inline void two_close_taker(const struct two *two)
{
    if (two->from_client)
        wpipe_server_close(two->server);
    else
        wpipe_client_close(two->client);
}

static inline int two_shutdown(const struct two *two, int timeout_ms,
                               wpipe_lost *lost)
{
    lost->size = sizeof(*lost);
    return two->from_client
               ? wpipe_client_shutdown(two->client, timeout_ms, lost)
               : wpipe_server_shutdown(two->server, timeout_ms, lost);
}

static inline void send_many(const struct two *two)
{
    uint8_t data[SIZE];

    for (uint64_t i = 0; i < MANY; i++) {
        service_fill(data, SIZE, i);
        assert_int_equal(two_send(two, data, SIZE), 0);
    }
}

/* Until there is no room: how many were accepted. */
static inline uint64_t send_until_full(const struct two *two)
{
    uint8_t data[SIZE];
    uint64_t sent = 0;
    int r;

    for (;;) {
        service_fill(data, SIZE, sent);
        r = two_send(two, data, SIZE);
        if (r == WPIPE_EAGAIN)
            return sent;
        assert_int_equal(r, 0);
        sent++;
    }
}

/* Messages in order until the end, which is *ret_end: how many. */
static inline uint64_t take_all(const struct two *two, wpipe_event *ret_end)
{
    uint64_t got = 0;

    for (;;) {
        assert_int_equal(two_take(two, ret_end, SUPPORT_WAIT_MS), 1);
        if (ret_end->type != WPIPE_EVENT_MESSAGE)
            break;
        assert_int_equal(ret_end->size, SIZE);
        service_check(ret_end->data, SIZE, got++);
    }
    assert_int_equal(ret_end->type, WPIPE_EVENT_DISCONNECTED);
    return got;
}

struct closer {
    const struct two *two;
    int timeout_ms; /* of a shutdown, or NOT_SHUT */
    int result;
    wpipe_lost lost;
};

#define NOT_SHUT (-2)

static inline void *close_sender(void *argument)
{
    struct closer *c = argument;

    if (c->timeout_ms != NOT_SHUT)
        c->result = two_shutdown(c->two, c->timeout_ms, &c->lost);
    two_close_sender(c->two);
    return NULL;
}

static inline wpipe_stream *join_stream(void **state, wpipe_server *server,
                                        wpipe_id *ret_id)
{
    wpipe_options options = service_options(state);
    wpipe_stream *stream = NULL;

    options.type = WPIPE_MESSAGE;
    options.flags = WPIPE_CONNECT_EARLY;
    assert_int_equal(wpipe_connect(&stream, wpipe_server_name(server), &options,
                                   SUPPORT_WAIT_MS),
                     0);
    *ret_id = server_expect(server, WPIPE_EVENT_CONNECTED).from;
    return stream;
}

#endif
