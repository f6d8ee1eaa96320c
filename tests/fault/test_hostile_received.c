/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floods on many connections: what was received and not read stays within what
 * the server may use, and an honest client is served.
 */
#include "raw_peer.h"
#include "second_pipe_tools.h"

#include <pthread.h>

#include "native/native.h"
#include "server/server.h"

enum {
    FLOODS = 100,
    FLOOD_SIZE = 60000, /* of each, in messages of */
    SIZE = 100,
    MESSAGES = 3000 /* that are taken meanwhile */
};

/* ---- foreign ------------------------------------------------------------- */

/* What it holds of all clients. */
static size_t held_by(wpipe_server *server)
{
    struct wpipe__conn *conn;
    size_t cursor = 0;
    size_t sum = 0;

    while ((conn = wpipe__table_next(&server->shards[0].clients, &cursor)))
        if (conn->link != NULL)
            sum += conn->link->transport->holds(conn->link);
    return sum;
}

static void flood(int fd)
{
    static uint8_t bytes[FLOOD_SIZE];

    for (int i = 0; i + 4 + SIZE <= FLOOD_SIZE; i += 4 + SIZE)
        bytes[i + 3] = SIZE;
    assert_int_equal(
        send(fd, bytes, FLOOD_SIZE / (4 + SIZE) * (4 + SIZE), MSG_NOSIGNAL),
        FLOOD_SIZE / (4 + SIZE) * (4 + SIZE));
}

static void foreign_floods_stay_in_the_system(void **state)
{
    const char *name = support_unique_name();
    wpipe_options o = sent_on();
    wpipe_server *server;
    int fds[FLOODS];
    wpipe_id honest;
    wpipe_event e;
    size_t most = 0;
    int fd;

    (void)state;
    o.second_pipe = WPIPE_SECOND_PIPE_NONE;
    o.memory_limit = 400000;
    assert_int_equal(wpipe_server_open(&server, name, &o), 0);
    for (int i = 0; i < FLOODS; i++) {
        fds[i] = plain_knock(name);
        next_event(server, &e, WPIPE_EVENT_CONNECTED);
    }
    fd = plain_knock(name);
    next_event(server, &e, WPIPE_EVENT_CONNECTED);
    honest = e.from;
    for (int i = 0; i < FLOODS; i++)
        flood(fds[i]);
    for (int i = 0; i < MESSAGES; i++) {
        next_event(server, &e, WPIPE_EVENT_MESSAGE);
        most = held_by(server) > most ? held_by(server) : most;
    }
    /* a quarter, the last receive before that was full, and little of each */
    assert_in_range(most, 1, 100000 + 40000 + FLOODS * 4096);
    plain_send(fd, "honest", 6);
    do /* each of the others has a turn */
        assert_true(++most < 1000000);
    while (wpipe_server_wait(server, &e, SUPPORT_WAIT_MS) == 1 &&
           e.from != honest);
    assert_int_equal(e.type, WPIPE_EVENT_MESSAGE);
    assert_int_equal(wpipe_server_count(server), FLOODS + 1);
    for (int i = 0; i < FLOODS; i++)
        close(fds[i]);
    close(fd);
    wpipe_server_close(server);
}

/* ---- our own, on the socket ---------------------------------------------- */

static wpipe_stream *join(wpipe_server *server, const char *name,
                          wpipe_id *ret_id)
{
    wpipe_options o = { .size = sizeof o,
                        .type = WPIPE_MESSAGE,
                        .flags = WPIPE_CONNECT_EARLY,
                        .shared_memory = WPIPE_SHARED_NEVER };
    wpipe_stream *stream;
    wpipe_event e;

    assert_int_equal(wpipe_connect(&stream, name, &o, SUPPORT_WAIT_MS), 0);
    next_event(server, &e, WPIPE_EVENT_CONNECTED);
    *ret_id = e.from;
    return stream;
}

/* They send as much as they may, and nobody takes it. There is not memory for
 * all: who holds most goes, and nobody else. */
static void framed_floods_keep_to_the_limit(void **state)
{
    enum {
        COUNT = 20,
        LIMIT = 400000
    };
    static uint8_t bytes[10000];
    const char *name = support_unique_name();
    wpipe_options o = { .size = sizeof o, .type = WPIPE_MESSAGE };
    wpipe_stream *streams[COUNT];
    struct wpipe__budget *budget;
    struct wpipe__conn *conn;
    wpipe_stream *honest;
    wpipe_server *server;
    wpipe_id ids[COUNT];
    wpipe_event e;
    wpipe_id id;
    size_t most = 0;

    (void)state;
    o.memory_limit = LIMIT;
    o.shared_memory = WPIPE_SHARED_NEVER;
    assert_int_equal(wpipe_server_open(&server, name, &o), 0);
    honest = join(server, name, &id);
    for (int i = 0; i < COUNT; i++)
        streams[i] = join(server, name, &ids[i]);
    assert_int_equal(wpipe_write(honest, "honest", 6, 0), 6);
    budget = server->shards[0].loop.shared_budget;
    for (int i = 0; i < COUNT; i++) {
        while (wpipe_write(streams[i], bytes, sizeof bytes, 0) > 0)
            ;
        wpipe__loop_lock(&server->shards[0].loop);
        server->shards[0].loop.owner->ready(&server->shards[0].loop, ids[i]);
        wpipe__loop_unlock(&server->shards[0].loop);
        conn = wpipe__table_find(&server->shards[0].clients, ids[i]);
        most = conn->received > most ? conn->received : most;
        assert_true(held_by(server) <= LIMIT + COUNT * 4096);
        assert_true(budget->received <= LIMIT);
    }
    assert_in_range(most, 40000, 80000);
    do {
        assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
        if (e.type == WPIPE_EVENT_DISCONNECTED) {
            assert_int_equal(e.reason, WPIPE_REASON_MEMORY);
            assert_int_not_equal(e.from, id);
            most = 0;
        }
    } while (e.type != WPIPE_EVENT_MESSAGE || e.from != id);
    assert_int_equal(most, 0);
    for (int i = 0; i < COUNT; i++)
        wpipe_stream_close(streams[i]);
    wpipe_stream_close(honest);
    wpipe_server_close(server);
}

/* They have read nothing of what the server sent, and have written as much as
 * they may. Sending once more receives that, to see whether there is room: it
 * is counted, too. */
static void sending_keeps_to_the_limit(int broadcasts)
{
    enum {
        COUNT = 20,
        LIMIT = 400000,
        FILLS = 6 /* messages that a connection takes */
    };
    static uint8_t bytes[10000];
    const char *name = support_unique_name();
    wpipe_options o = { .size = sizeof o, .type = WPIPE_MESSAGE };
    wpipe_stream *streams[COUNT];
    wpipe_server *server;
    wpipe_id ids[COUNT];

    o.memory_limit = 4 * LIMIT; /* what it sends counts, too */
    o.shared_memory = WPIPE_SHARED_NEVER;
    assert_int_equal(wpipe_server_open(&server, name, &o), 0);
    for (int i = 0; i < COUNT; i++)
        streams[i] = join(server, name, &ids[i]);
    server->shards[0].loop.budget.limit = LIMIT;
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < FILLS; k++)
            assert_int_equal(
                wpipe_server_send(server, ids[i], bytes, sizeof bytes), 0);
        while (wpipe_write(streams[i], bytes, sizeof bytes, 0) > 0)
            ;
    }
    assert_int_equal(held_by(server), 0);
    if (broadcasts)
        (void)wpipe_server_broadcast(server, bytes, sizeof bytes);
    for (int i = 0; i < COUNT && !broadcasts; i++)
        (void)wpipe_server_send(server, ids[i], bytes, sizeof bytes);
    assert_in_range(held_by(server), LIMIT / 2, LIMIT + COUNT * 4096);
    assert_true(server->shards[0].loop.budget.received <= LIMIT);
    for (int i = 0; i < COUNT; i++)
        wpipe_stream_close(streams[i]);
    wpipe_server_close(server);
}

static void sends_keep_to_the_limit(void **state)
{
    (void)state;
    sending_keeps_to_the_limit(0);
}

static void broadcasts_keep_to_the_limit(void **state)
{
    (void)state;
    sending_keeps_to_the_limit(1);
}

/* ---- memory that a few bytes keep ---------------------------------------- */

/* The beginning of a frame behind a long one is in the same block, which
 * counts. */
static void torn_frame_counts_with_its_block(void **state)
{
    enum {
        BODY = 15000
    };
    static uint8_t body[BODY];
    struct wpipe__frame frame = { .type = WPIPE__FRAME_DATA, .size = BODY };
    uint8_t head[WPIPE__FRAME_HEADER];
    const struct wpipe__native *n;
    struct raw_peer raw;

    (void)state;
    raw_open_greeted(&raw, 1, WPIPE_SHARED_NEVER);
    n = wpipe__native(raw.link);
    wpipe__frame_encode(&frame, head);
    assert_true(raw_send(&raw, head, 1));
    assert_int_equal(raw.link->transport->pump(raw.link), 1);
    assert_true(raw_send(&raw, head + 1, sizeof head - 1));
    assert_true(raw_send(&raw, body, sizeof body));
    assert_true(raw_send(&raw, head, 1));
    assert_int_equal(raw.link->transport->pump(raw.link), 1);
    assert_int_equal(wpipe_read(raw.stream, body, sizeof body, SUPPORT_WAIT_MS),
                     BODY);
    assert_int_equal(wpipe__buffer_size(&n->partial), 1);
    assert_true(n->partial.capacity > BODY);
    assert_true(2 * raw.link->transport->holds(raw.link) >=
                n->partial.capacity);
    raw_close(&raw);
}

static const struct support_case cases[] = {
    TEST(foreign_floods_stay_in_the_system),
    TEST(framed_floods_keep_to_the_limit),
    TEST(sends_keep_to_the_limit),
    TEST(broadcasts_keep_to_the_limit),
    TEST(torn_frame_counts_with_its_block),
};

TEST_MAIN(cases)
