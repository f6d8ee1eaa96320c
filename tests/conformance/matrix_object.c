/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object under test: it meets its peer, talks until the connection is
 * where the cell wants it, and does the call that must end.
 */
#include "matrix.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    FILL_SIZE = 4000
};

static const uint8_t filling[FILL_SIZE];

/* ---- handlers of a server with lanes ------------------------------------- */

static void count(int fd)
{
    const uint64_t one = 1;

    assert_int_equal(write(fd, &one, sizeof one), sizeof one);
}

static void await(int fd)
{
    uint64_t value;

    if (!support_wait_readable(fd, SUPPORT_WAIT_MS))
        fail_msg("no handler was called");
    assert_int_equal(read(fd, &value, sizeof value), sizeof value);
}

static void on_connected(wpipe_server *server, const wpipe_event *event,
                         void *user)
{
    struct object *o = user;

    (void)server;
    o->id = event->from;
    count(o->connected);
}

static void on_message(wpipe_server *server, const wpipe_event *event,
                       void *user)
{
    struct object *o = user;

    (void)server;
    (void)event;
    count(o->messages);
}

static void on_end(wpipe_server *server, const wpipe_event *event, void *user)
{
    struct object *o = user;

    (void)server;
    assert_true(o->ends_told < 2);
    o->ends[o->ends_told++] = *event;
    count(o->told);
}

static void on_other(wpipe_server *server, const wpipe_event *event, void *user)
{
    if (event->type == WPIPE_EVENT_FINISHED)
        on_end(server, event, user);
}

static void start_lanes(struct object *o)
{
    wpipe_handlers handlers = { .size = sizeof handlers,
                                .connected = on_connected,
                                .message = on_message,
                                .disconnected = on_end,
                                .other = on_other };

    o->connected = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    o->messages = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    o->told = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
    assert_int_equal(wpipe_server_start(o->server, &handlers, o), 0);
}

/* ---- meeting ------------------------------------------------------------- */

static bool has_lanes(const struct object *o)
{
    return o->cell.crew == CREW_LANES;
}

static wpipe_event expect_event(struct object *o, int type)
{
    wpipe_event event = { 0 };
    int r = o->server ? wpipe_server_wait(o->server, &event, SUPPORT_WAIT_MS)
                      : wpipe_client_wait(o->client, &event, SUPPORT_WAIT_MS);

    if (r != 1 || event.type != type)
        fail_msg("event %d (%s) instead of %d", event.type, wpipe_error_name(r),
                 type);
    return event;
}

static void serve(struct object *o, struct meeting *m)
{
    wpipe_options options = matrix_options(&o->cell);

    options.threads = has_lanes(o) ? 2 : 0;
    assert_int_equal(wpipe_server_open(&o->server, m->name, &options), 0);
    if (has_lanes(o))
        start_lanes(o);
    peer_start(m);
    if (has_lanes(o))
        await(o->connected);
    else
        o->id = expect_event(o, WPIPE_EVENT_CONNECTED).from;
}

static void accept_one(struct object *o, struct meeting *m)
{
    wpipe_options options = matrix_options(&o->cell);
    wpipe_listener *listener;

    assert_int_equal(wpipe_listen(&listener, m->name, &options), 0);
    peer_start(m);
    assert_int_equal(wpipe_accept(listener, &o->stream, SUPPORT_WAIT_MS), 0);
    wpipe_listener_close(listener);
}

static void meet(struct object *o, struct meeting *m)
{
    wpipe_options options = matrix_options(&o->cell);

    switch (o->cell.role) {
    case ROLE_SERVER:
        serve(o, m);
        break;
    case ROLE_ACCEPTED:
        accept_one(o, m);
        break;
    case ROLE_CLIENT:
        peer_start(m);
        assert_int_equal(wpipe_client_open(&o->client, m->name, &options), 0);
        break;
    default:
        peer_start(m);
        assert_int_equal(
            wpipe_connect(&o->stream, m->name, &options, SUPPORT_WAIT_MS), 0);
        break;
    }
}

/* ---- talking ------------------------------------------------------------- */

static int64_t write_in_place(struct object *o, int timeout_ms)
{
    void *data;
    int r = wpipe_write_begin(o->stream, FILL_SIZE, &data, timeout_ms);

    if (r < 0)
        return r;
    memset(data, 0, FILL_SIZE);
    return wpipe_write_commit(o->stream, FILL_SIZE, 0);
}

static int64_t send_now(struct object *o, const void *data, size_t size)
{
    if (o->stream)
        return wpipe_write(o->stream, data, size, 0);
    if (o->client)
        return wpipe_client_send(o->client, data, size);
    return wpipe_server_send(o->server, o->id, data, size);
}

static void hear(struct object *o)
{
    char buf[16];

    if (o->stream)
        assert_int_equal(
            wpipe_read(o->stream, buf, sizeof buf, SUPPORT_WAIT_MS), 4);
    else if (has_lanes(o))
        await(o->messages);
    else
        (void)expect_event(o, WPIPE_EVENT_MESSAGE);
}

/* Streams tell it. The rounds are the same for the others. */
static void check_way(const struct object *o)
{
    wpipe_stream_facts facts = { .size = sizeof facts };

    if (!o->stream)
        return;
    assert_int_equal(wpipe_stream_info(o->stream, &facts), 0);
    if (o->cell.way == WAY_SHARED)
        assert_int_equal(facts.shared, 2);
    else if (o->cell.way == WAY_MOVING)
        assert_int_not_equal(facts.shared, 2);
    else
        assert_int_equal(facts.shared, 0);
}

void object_open(struct object *o, struct meeting *m)
{
    memset(o, 0, sizeof *o);
    o->cell = m->cell;
    meet(o, m);
    for (int i = 0; i < matrix_rounds(&o->cell); i++) {
        assert_true(send_now(o, "word", 4) >= 0);
        hear(o);
    }
    for (int i = 0; i < matrix_extra(&o->cell); i++)
        hear(o);
    peer_wait_idle(m);
    check_way(o);
}

void object_close(struct object *o)
{
    wpipe_stream_close(o->stream);
    wpipe_client_close(o->client);
    wpipe_server_close(o->server);
    if (!has_lanes(o))
        return;
    close(o->connected);
    close(o->messages);
    close(o->told);
}

/* ---- the calls ----------------------------------------------------------- */

void object_fill(struct object *o)
{
    int64_t r;

    do
        r = o->cell.op == OP_ZERO_COPY ? write_in_place(o, 0)
                                       : send_now(o, filling, FILL_SIZE);
    while (r >= 0);
    if (r != (o->stream ? WPIPE_ETIMEDOUT : WPIPE_EAGAIN))
        fail_msg("filling gave %s", wpipe_error_name((int)r));
}

void object_send_some(struct object *o)
{
    for (int i = 0; i < 3; i++)
        assert_true(send_now(o, "unread", 6) >= 0);
}

static int64_t call_stream(struct object *o, enum operation op, int timeout_ms)
{
    uint8_t buf[FILL_SIZE];

    switch (op) {
    case OP_READ:
        return wpipe_read(o->stream, buf, sizeof buf, timeout_ms);
    case OP_WRITE:
        return wpipe_write(o->stream, filling, sizeof filling, timeout_ms);
    case OP_DRAIN:
        return wpipe_drain(o->stream, timeout_ms);
    case OP_TRANSACT:
        return wpipe_transact(o->stream, "question", 8, buf, sizeof buf,
                              timeout_ms);
    case OP_ZERO_COPY:
        return write_in_place(o, timeout_ms);
    default:
        return wpipe_disconnect(o->stream);
    }
}

static int64_t call_client(struct object *o, enum operation op, int timeout_ms,
                           wpipe_event *ret_event)
{
    switch (op) {
    case OP_READ:
        return wpipe_client_wait(o->client, ret_event, timeout_ms);
    case OP_SEND_WAIT:
        return wpipe_client_send_wait(o->client, filling, sizeof filling,
                                      timeout_ms);
    case OP_DRAIN:
        return wpipe_client_drain(o->client, timeout_ms);
    default:
        return wpipe_client_call(o->client, "question", 8, ret_event,
                                 timeout_ms);
    }
}

/* What a wait is where handlers get the events. */
static int64_t wait_for_handler(struct object *o, wpipe_event *ret_event,
                                int timeout_ms)
{
    uint64_t value;

    if (!support_wait_readable(o->told, timeout_ms))
        return WPIPE_ETIMEDOUT;
    assert_int_equal(read(o->told, &value, sizeof value), sizeof value);
    *ret_event = o->ends[o->ends_read++];
    return 1;
}

static int64_t call_server(struct object *o, enum operation op, int timeout_ms,
                           wpipe_event *ret_event)
{
    int r;

    switch (op) {
    case OP_READ:
        if (has_lanes(o))
            return wait_for_handler(o, ret_event, timeout_ms);
        return wpipe_server_wait(o->server, ret_event, timeout_ms);
    case OP_SEND_WAIT:
        return wpipe_server_send_wait(o->server, o->id, filling, sizeof filling,
                                      timeout_ms);
    case OP_DRAIN:
        return wpipe_server_drain(o->server, o->id, timeout_ms);
    default:
        r = wpipe_server_disconnect(o->server, o->id);
        return r < 0 ? r : call_server(o, OP_READ, timeout_ms, ret_event);
    }
}

int64_t object_call(struct object *o, enum operation op, int timeout_ms,
                    wpipe_event *ret_event)
{
    if (o->stream)
        return call_stream(o, op, timeout_ms);
    if (o->client)
        return call_client(o, op, timeout_ms, ret_event);
    return call_server(o, op, timeout_ms, ret_event);
}

void object_kick(struct object *o)
{
    if (o->stream)
        assert_int_equal(wpipe_disconnect(o->stream), 0);
    else
        assert_int_equal(wpipe_server_kick(o->server, o->id), 0);
}
