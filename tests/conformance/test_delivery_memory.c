/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that all clients of a server share: a queue that finds none waits
 * like a full one, and who hoards does not starve the others.
 */
#include "service.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    LIMIT = 400000,
    SIZE = 10000
};

static wpipe_server *open_small(void **state, uint32_t threads)
{
    wpipe_options options = service_options(state);

    options.memory_limit = LIMIT;
    options.threads = threads;
    options.linger_ms = WPIPE_LINGER_OFF;
    return service_open(state, &options);
}

/* Until it is refused: how many were accepted. */
static int fill(wpipe_server *server, wpipe_id id)
{
    uint8_t data[SIZE];
    int sent = 0;
    int r;

    for (;;) {
        service_fill(data, SIZE, (uint64_t)sent);
        r = wpipe_server_send(server, id, data, SIZE);
        if (r == WPIPE_EAGAIN)
            return sent;
        assert_int_equal(r, 0);
        sent++;
    }
}

/* Take what was sent, and give the server its turns: how many WRITABLE came
 * for it. */
static int take(wpipe_server *server, wpipe_client *client, int count)
{
    int writable = 0;
    int got = 0;
    wpipe_event e;

    while (got < count) {
        if (wpipe_client_wait(client, &e, 0) == 1) {
            assert_int_equal(e.type, WPIPE_EVENT_MESSAGE);
            assert_int_equal(e.size, SIZE);
            service_check(e.data, SIZE, (uint64_t)got++);
        }
        if (wpipe_server_wait(server, &e, 0) == 1) {
            assert_int_equal(e.type, WPIPE_EVENT_WRITABLE);
            writable++;
        }
    }
    while (wpipe_server_wait(server, &e, 0) == 1)
        writable += e.type == WPIPE_EVENT_WRITABLE;
    return writable;
}

/* One hoards; the other has room, reads, and is told when it has more. */
static void hoarder_leaves_a_share(void **state)
{
    wpipe_server *server = open_small(state, 1);
    wpipe_client *hoards;
    wpipe_client *reads;
    wpipe_id hoarder;
    wpipe_id id;
    int sent;

    hoards = service_join(state, server, NULL, &hoarder);
    reads = service_join(state, server, NULL, &id);
    assert_true(fill(server, hoarder) * SIZE >= LIMIT / 2 - SIZE);
    for (int round = 0; round < 3; round++) {
        sent = fill(server, id); /* its share is a quarter of all */
        assert_true(sent * SIZE >= LIMIT / 4 - SIZE);
        assert_int_equal(take(server, reads, sent), 1);
    }
    wpipe_client_close(reads);
    wpipe_client_close(hoards);
    wpipe_server_close(server);
}

struct sender {
    wpipe_server *server;
    wpipe_id id;
    int result;
};

static void *send_one(void *argument)
{
    struct sender *s = argument;
    uint8_t data[SIZE];

    service_fill(data, SIZE, 0);
    s->result =
        wpipe_server_send_wait(s->server, s->id, data, SIZE, SUPPORT_WAIT_MS);
    return NULL;
}

/* send_wait waits for memory as for room in the queue, and has it when another
 * one goes. */
static void send_wait_waits_for_memory(void **state)
{
    wpipe_server *server = open_small(state, 1);
    struct service_thread thread;
    struct sender sender;
    wpipe_client *hoards;
    wpipe_client *other;
    wpipe_id hoarder;
    uint8_t data[SIZE] = { 0 };

    sender.server = server;
    hoards = service_join(state, server, NULL, &hoarder);
    other = service_join(state, server, NULL, &sender.id);
    (void)fill(server, hoarder);
    (void)fill(server, sender.id);
    assert_int_equal(wpipe_server_send_wait(server, sender.id, data, SIZE, 10),
                     WPIPE_ETIMEDOUT);
    service_start(&thread, send_one, &sender);
    assert_int_equal(wpipe_server_kick(server, hoarder), 0);
    service_finish(&thread);
    assert_int_equal(sender.result, 0);
    wpipe_client_close(other);
    wpipe_client_close(hoards);
    wpipe_server_close(server);
}

struct board {
    _Atomic wpipe_id ids[2];
    _Atomic int count;
    _Atomic int writable;
};

static void on_connected(wpipe_server *server, const wpipe_event *e, void *user)
{
    struct board *b = user;

    (void)server;
    b->ids[b->count] = e->from;
    b->count++;
}

static void on_other(wpipe_server *server, const wpipe_event *e, void *user)
{
    struct board *b = user;

    (void)server;
    b->writable += e->type == WPIPE_EVENT_WRITABLE;
}

static void until(_Atomic int *value, int least)
{
    int64_t end = support_now_ms() + SUPPORT_WAIT_MS;

    while (atomic_load(value) < least)
        assert_true(support_now_ms() < end);
}

/* The memory is one, also where the clients are served by several threads. */
static void memory_freed_on_another_thread(void **state)
{
    wpipe_handlers handlers = { .size = sizeof(handlers),
                                .connected = on_connected,
                                .other = on_other };
    wpipe_options options = service_options(state);
    wpipe_server *server = open_small(state, 2);
    wpipe_client *clients[2];
    struct board board = { 0 };

    assert_int_equal(wpipe_server_start(server, &handlers, &board), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            wpipe_client_open(&clients[i], wpipe_server_name(server), &options),
            0);
        until(&board.count, i + 1);
    }
    (void)fill(server, board.ids[0]);
    (void)fill(server, board.ids[1]);
    assert_int_equal(wpipe_server_kick(server, board.ids[0]), 0);
    until(&board.writable, 1);
    for (int i = 0; i < 2; i++)
        wpipe_client_close(clients[i]);
    wpipe_server_close(server);
}

/* Two hold half messages for ever; an honest one gets a large one through. */
static void half_messages_greatest_holder_goes(void **state)
{
    enum {
        HONEST = 60000 /* within its share */
    };
    wpipe_options options = service_options(state);
    wpipe_server *server = open_small(state, 1);
    uint8_t *data = calloc(1, 1000000);
    wpipe_client *hoarders[2];
    wpipe_client *honest;
    wpipe_id ids[2];
    wpipe_event e;
    wpipe_id id;

    options.buffer_out = 128 * 1024;
    options.linger_ms = WPIPE_LINGER_OFF;
    for (int i = 0; i < 2; i++)
        hoarders[i] = service_join(state, server, &options, &ids[i]);
    honest = service_join(state, server, &options, &id);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(wpipe_client_send(hoarders[i], data, 1000000), 0);
        for (int turns = 0; turns < 100; turns++) {
            if (wpipe_server_wait(server, &e, 0) != 1)
                continue;
            assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
            assert_int_equal(e.reason, WPIPE_REASON_MEMORY);
            assert_true(e.from == ids[0] || e.from == ids[1]);
        }
    }
    service_fill(data, HONEST, 3);
    assert_int_equal(wpipe_client_send(honest, data, HONEST), 0);
    for (;;) {
        (void)wpipe_client_wait(honest, &(wpipe_event){ 0 }, 0);
        if (wpipe_server_wait(server, &e, 0) != 1)
            continue;
        if (e.type == WPIPE_EVENT_MESSAGE)
            break;
        assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
        assert_int_not_equal(e.from, id);
    }
    assert_int_equal(e.from, id);
    assert_int_equal(e.size, HONEST);
    service_check(e.data, HONEST, 3);
    for (int i = 0; i < 2; i++)
        wpipe_client_close(hoarders[i]);
    wpipe_client_close(honest);
    wpipe_server_close(server);
    free(data);
}

static const struct service_case cases[] = {
    EACH(hoarder_leaves_a_share),
    EACH(send_wait_waits_for_memory),
    EACH(memory_freed_on_another_thread),
    EACH(half_messages_greatest_holder_goes),
};

SERVICE_MAIN(cases)
