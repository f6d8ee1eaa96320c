/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server and its clients do the other way round: the server calls, and
 * the clients answer; the pointer that a program gives each client; messages
 * from pieces.
 */
#include "service.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLIENTS = 4
};

static uint64_t request(wpipe_server *server, wpipe_id to, const char *text,
                        int timeout_ms)
{
    uint64_t number = 0;

    assert_int_equal(wpipe_server_request(server, to, text, strlen(text),
                                          timeout_ms, &number),
                     0);
    assert_int_not_equal(number, 0);
    return number;
}

/* The client's side: the next call. Its data is gone with the next wait. */
static wpipe_event take_call(wpipe_client *client, const char *text)
{
    wpipe_event e = client_expect(client, WPIPE_EVENT_MESSAGE);

    assert_int_not_equal(e.request, 0);
    assert_int_equal(e.size, strlen(text));
    assert_memory_equal(e.data, text, e.size);
    return e;
}

static void answer(wpipe_client *client, const wpipe_event *call,
                   const char *text)
{
    assert_int_equal(wpipe_client_reply(client, call, text, strlen(text)), 0);
}

static wpipe_event next_event(wpipe_server *server, bool polls)
{
    wpipe_event e = { 0 };
    int r = WPIPE_ETIMEDOUT;

    if (!polls)
        r = wpipe_server_wait(server, &e, SUPPORT_WAIT_MS);
    while (polls && r == WPIPE_ETIMEDOUT) {
        assert_true(support_wait_readable((int)wpipe_server_fd(server),
                                          SUPPORT_WAIT_MS));
        r = wpipe_server_wait(server, &e, 0);
    }
    assert_int_equal(r, 1);
    return e;
}

static wpipe_event expect_reply(wpipe_server *server, bool polls,
                                uint64_t number, int error, const char *text)
{
    wpipe_event e = next_event(server, polls);

    assert_int_equal(e.type, WPIPE_EVENT_REPLY);
    assert_int_equal(e.request, number);
    assert_int_equal(e.error, error);
    assert_int_equal(e.size, strlen(text));
    if (e.size > 0)
        assert_memory_equal(e.data, text, e.size);
    return e;
}

/* ---- calls with an event ------------------------------------------------- */

static void server_calls_clients_answer_in_any_order(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *clients[2];
    wpipe_id ids[2];
    uint64_t numbers[3];
    wpipe_event first;
    wpipe_event second;
    wpipe_event third;

    for (int i = 0; i < 2; i++)
        clients[i] = service_join(state, server, NULL, &ids[i]);
    for (int i = 0; i < 12; i++) {
        numbers[0] = request(server, ids[0], "first", WPIPE_FOREVER);
        numbers[1] = request(server, ids[0], "second", SUPPORT_WAIT_MS);
        numbers[2] = request(server, ids[1], "third", SUPPORT_WAIT_MS);
        first = take_call(clients[0], "first");
        second = take_call(clients[0], "second");
        third = take_call(clients[1], "third");
        answer(clients[0], &second, "2");
        client_send_text(clients[0], "news");
        answer(clients[0], &first, "");
        assert_int_equal(expect_reply(server, i % 2, numbers[1], 0, "2").from,
                         ids[0]);
        server_expect_text(server, ids[0], "news");
        assert_int_equal(expect_reply(server, i % 2, numbers[0], 0, "").from,
                         ids[0]);
        answer(clients[1], &third, "3");
        assert_int_equal(expect_reply(server, i % 2, numbers[2], 0, "3").from,
                         ids[1]);
        server_expect_none(server);
    }
    for (int i = 0; i < 2; i++)
        wpipe_client_close(clients[i]);
    wpipe_server_close(server);
}

/* Both ends call each other at once, with the same numbers. */
static void both_ends_call_at_once(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    wpipe_event at_client;
    wpipe_event at_server;
    uint64_t ours;
    uint64_t theirs;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    for (int i = 0; i < 12; i++) {
        ours = request(server, id, "how are you?", WPIPE_FOREVER);
        assert_int_equal(
            wpipe_client_request(client, "and you?", 8, WPIPE_FOREVER, &theirs),
            0);
        assert_int_equal(ours, theirs);
        at_client = take_call(client, "how are you?");
        at_server = server_expect(server, WPIPE_EVENT_MESSAGE);
        assert_int_equal(at_server.request, theirs);
        assert_int_equal(wpipe_server_reply(server, &at_server, "well", 4), 0);
        answer(client, &at_client, "fine");
        (void)expect_reply(server, false, ours, 0, "fine");
        at_client = client_expect(client, WPIPE_EVENT_REPLY);
        assert_int_equal(at_client.request, theirs);
        assert_int_equal(at_client.size, 4);
        assert_memory_equal(at_client.data, "well", 4);
    }
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static void server_call_large_both_ways(void **state)
{
    static uint8_t data[300000];
    wpipe_options options = service_options(state);
    wpipe_server *server;
    wpipe_client *client;
    uint64_t number;
    wpipe_event e = { 0 };
    wpipe_id id;

    server = service_open(state, &options);
    client = service_join(state, server, &options, &id);
    service_fill(data, sizeof data, 5);
    assert_int_equal(wpipe_server_request(server, id, data, sizeof data,
                                          WPIPE_FOREVER, &number),
                     0);
    while (wpipe_client_wait(client, &e, 0) != 1)
        server_expect_none(server); /* moves what is queued */
    assert_int_not_equal(e.request, 0);
    assert_int_equal(e.size, sizeof data);
    service_check(e.data, e.size, 5);
    assert_int_equal(wpipe_client_reply(client, &e, e.data, e.size), 0);
    e.type = 0;
    while (wpipe_server_wait(server, &e, 0) != 1)
        client_expect_none(client);
    assert_int_equal(e.type, WPIPE_EVENT_REPLY);
    assert_int_equal(e.request, number);
    assert_int_equal(e.size, sizeof data);
    service_check(e.data, e.size, 5);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static void server_call_times_out_and_late_answers_are_nobodys(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    wpipe_event call;
    uint64_t number;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    for (int polls = 0; polls < 2; polls++) {
        number = request(server, id, "late", 20);
        (void)expect_reply(server, polls, number, WPIPE_ETIMEDOUT, "");
        call = take_call(client, "late");
        answer(client, &call, "too late");
        answer(client, &call, "and twice");
        call.request += 12345;
        answer(client, &call, "to nothing");
        number = request(server, id, "now", SUPPORT_WAIT_MS);
        call = take_call(client, "now");
        answer(client, &call, "in time");
        (void)expect_reply(server, polls, number, 0, "in time");
        server_expect_none(server);
    }
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* What else has a time does not make the server forget it: here the end of
 * another client sets the clock anew. */
static void server_call_times_out_beside_other_clocks(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *clients[2];
    wpipe_id ids[2];
    uint64_t number;
    int told = 0;

    for (int i = 0; i < 2; i++)
        clients[i] = service_join(state, server, NULL, &ids[i]);
    number = request(server, ids[0], "silence", 20);
    assert_int_equal(wpipe_server_kick(server, ids[1]), 0);
    for (int i = 0; i < 2; i++) {
        wpipe_event e = next_event(server, false);

        if (e.type == WPIPE_EVENT_REPLY) {
            assert_int_equal(e.request, number);
            assert_int_equal(e.error, WPIPE_ETIMEDOUT);
            told++;
        } else {
            assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
        }
    }
    assert_int_equal(told, 1);
    for (int i = 0; i < 2; i++)
        wpipe_client_close(clients[i]);
    wpipe_server_close(server);
}

/* Who was called cannot answer for somebody else. */
static void answer_of_another_client_is_nobodys(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *clients[2];
    wpipe_id ids[2];
    uint64_t numbers[2];
    wpipe_event calls[2];

    for (int i = 0; i < 2; i++)
        clients[i] = service_join(state, server, NULL, &ids[i]);
    for (int i = 0; i < 2; i++)
        numbers[i] = request(server, ids[i], "yours", WPIPE_FOREVER);
    for (int i = 0; i < 2; i++)
        calls[i] = take_call(clients[i], "yours");
    calls[1].request = calls[0].request;
    answer(clients[1], &calls[1], "forged");
    server_expect_none(server);
    answer(clients[0], &calls[0], "genuine");
    (void)expect_reply(server, false, numbers[0], 0, "genuine");
    calls[1].request = numbers[1];
    answer(clients[1], &calls[1], "genuine, too");
    (void)expect_reply(server, false, numbers[1], 0, "genuine, too");
    for (int i = 0; i < 2; i++)
        wpipe_client_close(clients[i]);
    wpipe_server_close(server);
}

enum fate {
    CLOSES,
    DISCARDS, /* with an answer on its way */
    KICKED,
    DISCONNECTED,
    FATES
};

static void server_calls_end_before_their_client(void **state)
{
    for (int fate = CLOSES; fate < FATES; fate++) {
        wpipe_server *server = service_open(state, NULL);
        wpipe_client *client;
        uint64_t numbers[2];
        wpipe_event call;
        wpipe_event e;
        wpipe_id id;
        int mark;

        client = service_join(state, server, NULL, &id);
        assert_int_equal(wpipe_server_set_user(server, id, &mark), 0);
        numbers[0] = request(server, id, "first", WPIPE_FOREVER);
        numbers[1] = request(server, id, "second", SUPPORT_WAIT_MS * 10);
        call = take_call(client, "first");
        if (fate == DISCARDS)
            answer(client, &call, "the last word");
        if (fate == KICKED)
            assert_int_equal(wpipe_server_kick(server, id), 0);
        else if (fate == DISCONNECTED)
            assert_int_equal(wpipe_server_disconnect(server, id), 0);
        else
            wpipe_client_close(client);
        if (fate == DISCARDS)
            (void)expect_reply(server, false, numbers[0], 0, "the last word");
        else
            (void)expect_reply(server, true, numbers[0], WPIPE_ENOTCONN, "");
        e = expect_reply(server, false, numbers[1], WPIPE_ENOTCONN, "");
        assert_ptr_equal(e.user, &mark);
        if (fate == DISCONNECTED) /* it ends when the client has read */
            (void)take_call(client, "second");
        e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
        assert_ptr_equal(e.user, &mark);
        assert_int_equal(
            wpipe_server_request(server, id, "x", 1, 0, &numbers[0]),
            WPIPE_ENOTCONN);
        server_expect_none(server);
        if (fate >= KICKED)
            wpipe_client_close(client);
        wpipe_server_close(server);
    }
}

/* A call of an earlier connection cannot be answered on the next one. */
static void answer_on_the_next_connection_refused(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    wpipe_event call;
    wpipe_event e;
    wpipe_id id;

    options.flags = WPIPE_RECONNECT;
    client = service_join(state, server, &options, &id);
    (void)request(server, id, "old", WPIPE_FOREVER);
    call = take_call(client, "old");
    assert_int_equal(wpipe_server_kick(server, id), 0);
    e = client_expect(client, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(wpipe_client_reply(client, &call, "x", 1), WPIPE_ENOTCONN);
    do /* it comes again; this is one thread */
        if (wpipe_client_wait(client, &e, 1) == WPIPE_ETIMEDOUT)
            (void)wpipe_server_wait(server, &e, 0);
    while (e.type != WPIPE_EVENT_CONNECTED || wpipe_client_send(client, "", 0));
    assert_int_equal(wpipe_client_reply(client, &call, "x", 1), WPIPE_ENOTCONN);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- calls that wait ----------------------------------------------------- */

/* Answers all calls, until its connection ends. */
static void *answer_all(void *argument)
{
    wpipe_event e;

    while (wpipe_client_wait(argument, &e, WPIPE_FOREVER) == 1)
        if (e.type == WPIPE_EVENT_MESSAGE && e.request != 0)
            (void)wpipe_client_reply(argument, &e, e.data, e.size);
    return NULL;
}

/* What the handlers saw. */
struct board {
    _Atomic int connected;
    wpipe_id ids[CLIENTS];
    _Atomic int refused; /* calls in a handler, as they should be */
    _Atomic int marked;  /* events that came with their client's pointer */
    _Atomic int ended;   /* of these, DISCONNECTED */
    int marks[CLIENTS];
};

static void on_connected(wpipe_server *server, const wpipe_event *e, void *user)
{
    struct board *board = user;
    int at = atomic_fetch_add(&board->connected, 1);
    wpipe_event answer;

    assert_null(e->user);
    assert_true(at < CLIENTS);
    assert_int_equal(wpipe_server_set_user(server, e->from, &board->marks[at]),
                     0);
    if (wpipe_server_call(server, e->from, "x", 1, &answer, SUPPORT_WAIT_MS) ==
        WPIPE_ESTATE)
        atomic_fetch_add(&board->refused, 1);
    board->marks[at] = 1;
    __atomic_store_n(&board->ids[at], e->from, __ATOMIC_RELEASE);
}

static void on_event(wpipe_server *server, const wpipe_event *e, void *user)
{
    struct board *board = user;
    int *mark = e->user;

    (void)server;
    assert_non_null(mark);
    assert_true(mark >= board->marks && mark < board->marks + CLIENTS);
    atomic_fetch_add(&board->marked, 1);
    if (e->type == WPIPE_EVENT_DISCONNECTED)
        atomic_fetch_add(&board->ended, 1);
}

static const wpipe_handlers handlers = {
    .size = sizeof(wpipe_handlers),
    .connected = on_connected,
    .message = on_event,
    .disconnected = on_event,
    .other = on_event,
};

struct caller {
    struct service_thread thread;
    wpipe_server *server;
    wpipe_id to;
    int calls;
    int timeout_ms;
    int result;
};

static void *call_often(void *argument)
{
    struct caller *c = argument;
    wpipe_event e = { 0 };
    char question[32] = "";
    char before[32];

    for (int i = 0; i < c->calls; i++) {
        memcpy(before, question, sizeof before);
        snprintf(question, sizeof question, "%d to %llu", i,
                 (unsigned long long)c->to);
        if (i > 0)
            assert_memory_equal(e.data, before, strlen(before));
        c->result = wpipe_server_call(c->server, c->to, question,
                                      strlen(question), &e, c->timeout_ms);
        if (c->result != 1)
            return NULL;
        assert_int_equal(e.size, strlen(question));
        assert_memory_equal(e.data, question, e.size);
        assert_int_equal(e.from, c->to);
    }
    return NULL;
}

static wpipe_client *join(void **state, wpipe_server *server)
{
    wpipe_options options = service_options(state);
    wpipe_client *client = NULL;

    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    return client;
}

/* Two threads call each client, while handlers run on one or three threads;
 * requests from the same threads are told to the handlers. */
static void call_from_threads(void **state, uint32_t threads)
{
    wpipe_options options = service_options(state);
    struct board board = { .connected = 0 };
    struct service_thread answering[CLIENTS];
    struct caller callers[2 * CLIENTS];
    wpipe_client *clients[CLIENTS];
    wpipe_server *server;
    uint64_t number;

    options.threads = threads;
    server = service_open(state, &options);
    assert_int_equal(wpipe_server_start(server, &handlers, &board), 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = join(state, server);
        service_start(&answering[i], answer_all, clients[i]);
    }
    for (int i = 0; i < 2 * CLIENTS; i++) {
        wpipe_id id = 0;

        while (id == 0)
            id = __atomic_load_n(&board.ids[i / 2], __ATOMIC_ACQUIRE);
        callers[i] = (struct caller){ .server = server,
                                      .to = id,
                                      .calls = 25,
                                      .timeout_ms = SUPPORT_WAIT_MS };
        service_start(&callers[i].thread, call_often, &callers[i]);
    }
    for (int i = 0; i < 2 * CLIENTS; i++) {
        service_finish(&callers[i].thread);
        assert_int_equal(callers[i].result, 1);
    }
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(wpipe_server_request(server, board.ids[i], "x", 1,
                                              SUPPORT_WAIT_MS, &number),
                         0);
    while (atomic_load(&board.marked) < CLIENTS)
        sched_yield();
    assert_int_equal(board.refused, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(wpipe_server_kick(server, board.ids[i]), 0);
    for (int i = 0; i < CLIENTS; i++)
        service_finish(&answering[i]);
    while (atomic_load(&board.ended) < CLIENTS)
        sched_yield();
    assert_int_equal(board.marked, 2 * CLIENTS);
    wpipe_server_stop(server);
    for (int i = 0; i < CLIENTS; i++)
        wpipe_client_close(clients[i]);
    wpipe_server_close(server);
}

static void server_calls_from_threads_beside_handlers(void **state)
{
    call_from_threads(state, 1);
    call_from_threads(state, 3);
}

/* Beside a wait: a client that does not answer, and one that goes. */
static void server_call_waits_no_longer_than_it_can(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct caller caller = { .server = server, .calls = 1 };
    wpipe_client *client;
    wpipe_event e;

    client = service_join(state, server, NULL, &caller.to);
    assert_int_equal(wpipe_server_call(server, caller.to, "x", 1, &e, 0),
                     WPIPE_ESTATE); /* who waits cannot wait for an answer */
    caller.timeout_ms = 20;
    service_start(&caller.thread, call_often, &caller);
    service_finish(&caller.thread);
    assert_int_equal(caller.result, WPIPE_ETIMEDOUT);
    e = client_expect(client, WPIPE_EVENT_MESSAGE);
    answer(client, &e, "late");
    server_expect_none(server);
    caller.timeout_ms = WPIPE_FOREVER;
    service_start(&caller.thread, call_often, &caller);
    (void)client_expect(client, WPIPE_EVENT_MESSAGE);
    wpipe_client_close(client);
    (void)server_expect(server, WPIPE_EVENT_DISCONNECTED);
    service_finish(&caller.thread);
    assert_int_equal(caller.result, WPIPE_ENOTCONN);
    wpipe_server_close(server);
}

static void server_call_ended_by_wake_and_stop(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct caller caller = { .server = server,
                             .calls = 1,
                             .timeout_ms = WPIPE_FOREVER };
    wpipe_client *client;

    client = service_join(state, server, NULL, &caller.to);
    for (int stops = 0; stops < 2; stops++) {
        service_start(&caller.thread, call_often, &caller);
        (void)client_expect(client, WPIPE_EVENT_MESSAGE);
        if (stops)
            wpipe_server_stop(server);
        else
            wpipe_server_wake(server);
        service_finish(&caller.thread);
        assert_int_equal(caller.result, WPIPE_EWOKEN);
    }
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- pointers ------------------------------------------------------------ */

static void pointer_in_each_event_of_its_client(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *marked;
    wpipe_client *other;
    wpipe_id id;
    wpipe_id other_id;
    wpipe_event e;
    int first;
    int second;

    marked = service_join(state, server, NULL, &id);
    other = service_join(state, server, NULL, &other_id);
    assert_int_equal(wpipe_server_set_user(server, id, &first), 0);
    client_send_text(marked, "x");
    client_send_text(other, "x");
    for (int i = 0; i < 2; i++) {
        e = server_expect(server, WPIPE_EVENT_MESSAGE);
        assert_ptr_equal(e.user, e.from == id ? &first : NULL);
    }
    assert_int_equal(wpipe_server_set_user(server, id, &second), 0);
    wpipe_client_close(marked);
    wpipe_client_close(other);
    /* it has gone, and nobody was told of it: still its pointer */
    for (int i = 0; i < 2; i++) {
        e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
        assert_ptr_equal(e.user, e.from == id ? &second : NULL);
    }
    assert_int_equal(wpipe_server_set_user(server, id, &first), WPIPE_ENOTCONN);
    assert_int_equal(wpipe_server_set_user(server, 0, &first), WPIPE_ENOTCONN);
    assert_int_equal(wpipe_server_set_user(NULL, id, &first), WPIPE_EINVAL);
    /* an id and its pointer are not used again for who comes next */
    marked = service_join(state, server, NULL, &other_id);
    client_send_text(marked, "x");
    assert_null(server_expect(server, WPIPE_EVENT_MESSAGE).user);
    wpipe_client_close(marked);
    wpipe_server_close(server);
}

/* ---- pieces -------------------------------------------------------------- */

/* In two, in many with empty ones among them, larger than a ring, and into a
 * queue. */
static void pieces_arrive_as_one_message(void **state)
{
    static const size_t sizes[] = { 1, 10, 1000, 20000, 100000, 600000 };
    wpipe_options options = service_options(state);
    wpipe_server *server;
    wpipe_client *client;
    uint8_t *data = malloc(600000);
    wpipe_piece pieces[64];
    wpipe_event e;
    wpipe_id id;

    assert_non_null(data);
    options.queue_limit = 8 << 20;
    server = service_open(state, &options);
    client = service_join(state, server, &options, &id);
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i / 2];
        size_t at = 0;

        service_fill(data, size, i);
        for (int k = 0; k < 64; k++) {
            size_t part = k % 3 == 1 ? 0 : (size - at) / (k == 0 ? 7 : 5);

            if (k == 63)
                part = size - at;
            pieces[k].data = part > 0 ? data + at : NULL;
            pieces[k].size = part;
            at += part;
        }
        assert_int_equal(i % 2 ? wpipe_server_sendv(server, id, pieces, 64)
                               : wpipe_client_sendv(client, pieces, 64),
                         0);
        for (int tries = 0; tries < 100000; tries++) {
            if (i % 2 ? wpipe_client_wait(client, &e, 0) == 1
                      : wpipe_server_wait(server, &e, 0) == 1)
                break;
            if (i % 2)
                server_expect_none(server);
            else
                client_expect_none(client);
        }
        assert_int_equal(e.type, WPIPE_EVENT_MESSAGE);
        assert_int_equal(e.size, size);
        service_check(e.data, e.size, i);
    }
    free(data);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static void pieces_that_are_none_refused(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_piece pieces[1025] = { { (void *)(uintptr_t) "x", 1 } };
    const wpipe_piece bad[] = { { NULL, 1 } };
    const wpipe_piece huge[] = { { (void *)(uintptr_t) "x", SIZE_MAX / 2 },
                                 { (void *)(uintptr_t) "x", SIZE_MAX / 2 } };
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);

    assert_int_equal(wpipe_client_sendv(client, pieces, 1025), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_sendv(client, pieces, -1), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_sendv(client, NULL, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_sendv(client, bad, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_sendv(client, huge, 2), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_sendv(NULL, pieces, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_sendv(server, id, bad, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_sendv(server, id, huge, 2), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_sendv(NULL, id, pieces, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_server_sendv(server, 0, pieces, 1), WPIPE_ENOTCONN);
    server_expect_none(server);
    client_expect_none(client);
    /* none at all is an empty message, as for writev */
    assert_int_equal(wpipe_client_sendv(client, NULL, 0), 0);
    server_expect_text(server, id, "");
    assert_int_equal(wpipe_client_sendv(client, pieces, 1024), 0);
    server_expect_text(server, id, "x");
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static const struct service_case cases[] = {
    EACH(server_calls_clients_answer_in_any_order),
    EACH(both_ends_call_at_once),
    EACH(server_call_large_both_ways),
    EACH(server_call_times_out_and_late_answers_are_nobodys),
    ONCE(server_call_times_out_beside_other_clocks),
    EACH(answer_of_another_client_is_nobodys),
    EACH(server_calls_end_before_their_client),
    EACH(answer_on_the_next_connection_refused),
    EACH(server_calls_from_threads_beside_handlers),
    EACH(server_call_waits_no_longer_than_it_can),
    EACH(server_call_ended_by_wake_and_stop),
    ONCE(pointer_in_each_event_of_its_client),
    EACH(pieces_arrive_as_one_message),
    ONCE(pieces_that_are_none_refused),
};

SERVICE_MAIN(cases)
