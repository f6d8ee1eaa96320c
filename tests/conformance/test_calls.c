/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of clients: many threads at once, answers in any order, with a wait
 * beside them; and requests whose end is an event.
 */
#include "service.h"

#include <string.h>

enum {
    CALLERS = 8,
    ROUNDS = 12
};

/* ---- many threads -------------------------------------------------------- */

struct caller {
    struct service_thread thread;
    wpipe_client *client;
    int number;
    int calls;
    int timeout_ms;
    int result; /* of the last one */
};

/* Each answer is that to the thread's own question, and stays until its next
 * call, whatever the others do. */
static void *call_often(void *argument)
{
    struct caller *c = argument;
    wpipe_event e = { 0 };
    char question[64];
    char before[64] = "";

    for (int i = 0; i < c->calls; i++) {
        snprintf(question, sizeof question, "question %d of %d", i, c->number);
        if (i > 0)
            assert_memory_equal(e.data, before, strlen(before));
        c->result = wpipe_client_call(c->client, question, strlen(question), &e,
                                      c->timeout_ms);
        if (c->result != 1)
            return NULL;
        assert_int_equal(e.type, WPIPE_EVENT_MESSAGE);
        assert_int_equal(e.size, strlen(question));
        assert_memory_equal(e.data, question, e.size);
        memcpy(before, question, sizeof before);
    }
    return NULL;
}

static void start_callers(struct caller *callers, int count,
                          wpipe_client *client, int calls)
{
    for (int i = 0; i < count; i++) {
        callers[i] = (struct caller){ .client = client,
                                      .number = i,
                                      .calls = calls,
                                      .timeout_ms = SUPPORT_WAIT_MS };
        service_start(&callers[i].thread, call_often, &callers[i]);
    }
}

static void finish_callers(struct caller *callers, int count, int result)
{
    for (int i = 0; i < count; i++) {
        service_finish(&callers[i].thread);
        assert_int_equal(callers[i].result, result);
    }
}

/* A call that was taken, to be answered later. */
struct question {
    wpipe_event event;
    char text[64];
};

static void take_question(wpipe_server *server, struct question *q)
{
    q->event = server_expect(server, WPIPE_EVENT_MESSAGE);
    assert_int_not_equal(q->event.request, 0);
    assert_in_range(q->event.size, 1, sizeof q->text - 1);
    memcpy(q->text, q->event.data, q->event.size);
    q->text[q->event.size] = '\0';
    q->event.data = NULL; /* the next wait takes it back */
}

static void answer_question(wpipe_server *server, const struct question *q)
{
    assert_int_equal(
        wpipe_server_reply(server, &q->event, q->text, strlen(q->text)), 0);
}

/* All are open at once, and answered from the last one to the first. */
static void calls_of_threads_answered_in_any_order(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct caller callers[CALLERS];
    struct question questions[CALLERS];
    wpipe_client *client;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    start_callers(callers, CALLERS, client, ROUNDS);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CALLERS; i++)
            take_question(server, &questions[i]);
        for (int i = CALLERS; i-- > 0;)
            answer_question(server, &questions[(i + round) % CALLERS]);
    }
    finish_callers(callers, CALLERS, 1);
    client_expect_none(client);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* One thread waits meanwhile, and gets all the rest in order. */
static void calls_beside_a_wait(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct caller callers[3];
    wpipe_client *client;
    wpipe_id id;
    struct service_echo echo;
    char text[32];

    client = service_join(state, server, NULL, &id);
    service_echo_begin(&echo, server);
    start_callers(callers, 3, client, 100);
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "news %d", i);
        server_send_text(server, id, text);
        client_expect_text(client, text);
    }
    finish_callers(callers, 3, 1);
    client_expect_none(client);
    wpipe_client_close(client);
    service_echo_end(&echo);
}

/* A call is open, and its thread takes what comes: until somebody waits. */
static void wait_takes_over_from_a_call(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct question question;
    struct caller caller;
    wpipe_client *client;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    start_callers(&caller, 1, client, 1);
    take_question(server, &question);
    for (int i = 0; i < 5; i++) {
        support_wait_others_asleep();
        server_send_text(server, id, "news");
        client_expect_text(client, "news");
        client_expect_none(client);
    }
    answer_question(server, &question);
    finish_callers(&caller, 1, 1);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* The first ones stay open for ever; their connection's end ends them. */
static void calls_end_with_their_connection(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct caller callers[CALLERS];
    struct question question;
    wpipe_client *client;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    start_callers(callers, CALLERS, client, 1);
    for (int i = 0; i < CALLERS; i++)
        take_question(server, &question);
    assert_int_equal(wpipe_server_kick(server, id), 0);
    finish_callers(callers, CALLERS, WPIPE_ENOTCONN);
    (void)client_expect(client, WPIPE_EVENT_DISCONNECTED);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* One wake ends them all. */
static void calls_woken_all_at_once(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct caller callers[CALLERS];
    struct question question;
    wpipe_client *client;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    start_callers(callers, CALLERS, client, 1);
    for (int i = 0; i < CALLERS; i++)
        take_question(server, &question);
    wpipe_client_wake(client);
    finish_callers(callers, CALLERS, WPIPE_EWOKEN);
    client_expect_none(client);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

struct drainer {
    struct service_thread thread;
    wpipe_client *client;
    int result;
};

static void *drain(void *argument)
{
    struct drainer *d = argument;

    d->result = wpipe_client_drain(d->client, SUPPORT_WAIT_MS);
    return NULL;
}

/* Who drains may be the one that sleeps for all: it takes no messages, so a
 * call does not leave that to it. */
static void call_beside_a_drain(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct caller caller;
    struct drainer drainer = { .result = -100 };
    struct question question;
    wpipe_client *client;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    client_send_text(client, "unread");
    drainer.client = client;
    service_start(&drainer.thread, drain, &drainer);
    support_wait_others_asleep();
    start_callers(&caller, 1, client, 1);
    support_wait_others_asleep();
    client_send_text(client, "unread as well"); /* behind the question */
    server_expect_text(server, id, "unread");
    take_question(server, &question);
    answer_question(server, &question);
    finish_callers(&caller, 1, 1);
    server_expect_text(server, id, "unread as well");
    service_finish(&drainer.thread);
    assert_int_equal(drainer.result, 0);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* A thread per call: nothing is left of those that have ended. */
static void calls_of_many_short_threads(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    struct service_echo echo;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    service_echo_begin(&echo, server);
    for (int i = 0; i < 100; i++) {
        struct caller callers[2];

        start_callers(callers, 2, client, 1);
        finish_callers(callers, 2, 1);
    }
    wpipe_client_close(client);
    service_echo_end(&echo);
}

/* ---- requests ------------------------------------------------------------ */

static uint64_t request(wpipe_client *client, const char *text, int timeout_ms)
{
    uint64_t number = 0;

    assert_int_equal(
        wpipe_client_request(client, text, strlen(text), timeout_ms, &number),
        0);
    assert_int_not_equal(number, 0);
    return number;
}

/* By wait, or by poll and waits without a timeout. */
static wpipe_event next_event(wpipe_client *client, bool polls)
{
    wpipe_event e = { 0 };
    int r = WPIPE_ETIMEDOUT;

    if (!polls)
        r = wpipe_client_wait(client, &e, SUPPORT_WAIT_MS);
    while (polls && r == WPIPE_ETIMEDOUT) {
        assert_true(support_wait_readable((int)wpipe_client_fd(client),
                                          SUPPORT_WAIT_MS));
        r = wpipe_client_wait(client, &e, 0);
    }
    assert_int_equal(r, 1);
    return e;
}

static void expect_reply(wpipe_client *client, bool polls, uint64_t number,
                         int error, const char *text)
{
    wpipe_event e = next_event(client, polls);

    assert_int_equal(e.type, WPIPE_EVENT_REPLY);
    assert_int_equal(e.request, number);
    assert_int_equal(e.error, error);
    assert_int_equal(e.size, strlen(text));
    if (e.size > 0)
        assert_memory_equal(e.data, text, e.size);
}

static void requests_told_in_the_order_of_answers(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct question questions[3];
    uint64_t numbers[3];
    wpipe_client *client;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    for (int i = 0; i < 2 * ROUNDS; i++) {
        numbers[0] = request(client, "first", WPIPE_FOREVER);
        numbers[1] = request(client, "second", SUPPORT_WAIT_MS);
        numbers[2] = request(client, "third", WPIPE_FOREVER);
        for (int k = 0; k < 3; k++)
            take_question(server, &questions[k]);
        answer_question(server, &questions[1]);
        server_send_text(server, id, "news");
        answer_question(server, &questions[2]);
        answer_question(server, &questions[0]);
        expect_reply(client, i % 2, numbers[1], 0, "second");
        client_expect_text(client, "news");
        expect_reply(client, i % 2, numbers[2], 0, "third");
        expect_reply(client, i % 2, numbers[0], 0, "first");
        client_expect_none(client);
    }
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* Also while the peer says nothing and nobody else moves; the late answer and
 * the second one are nobody's. */
static void request_times_out_by_an_event(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct question late;
    struct question twice;
    uint64_t number;
    wpipe_client *client;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    for (int polls = 0; polls < 2; polls++) {
        int64_t start = support_now_ms();

        number = request(client, "late", 30);
        expect_reply(client, polls, number, WPIPE_ETIMEDOUT, "");
        assert_true(support_now_ms() - start >= 29);
        number = request(client, "now", 0);
        expect_reply(client, polls, number, WPIPE_ETIMEDOUT, "");
        take_question(server, &late);
        answer_question(server, &late);
        take_question(server, &late);
        answer_question(server, &late);
        number = request(client, "twice", SUPPORT_WAIT_MS);
        take_question(server, &twice);
        answer_question(server, &twice);
        answer_question(server, &twice);
        expect_reply(client, polls, number, 0, "twice");
        client_expect_none(client);
    }
    client_send_text(client, "still there");
    server_expect_text(server, id, "still there");
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* A request that another thread makes shortens the sleep of the one that
 * waits. */
static void *request_soon(void *argument)
{
    (void)request(argument, "soon", 20);
    return NULL;
}

static void request_beside_a_wait_times_out(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct service_thread thread;
    wpipe_client *client;
    wpipe_event e;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    for (int i = 0; i < 5; i++) {
        service_start(&thread, request_soon, client);
        e = client_expect(client, WPIPE_EVENT_REPLY);
        assert_int_equal(e.error, WPIPE_ETIMEDOUT);
        service_finish(&thread);
    }
    wpipe_client_close(client);
    wpipe_server_close(server);
}

enum fate {
    CLOSES,
    KICKS,
    DISCONNECTS,
    KILLED,
    FATES
};

static int serve_one(int fd, void *argument)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_server *server = NULL;
    wpipe_event e;

    options.shared_memory = (int)event_wait(fd);
    assert_int_equal(wpipe_server_open(&server, argument, &options), 0);
    event_send(fd, 1);
    do
        assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
    while (e.type != WPIPE_EVENT_MESSAGE);
    event_send(fd, 2);
    if (event_wait(fd) == KICKS)
        assert_int_equal(wpipe_server_kick(server, e.from), 0);
    else
        assert_int_equal(wpipe_server_disconnect(server, e.from), 0);
    wpipe_server_close(server);
    return 0;
}

/* Exactly one event each, before the end of their connection; and nothing of
 * it on the next one. */
static void requests_end_before_their_connection(void **state)
{
    wpipe_options options = service_options(state);

    options.flags = WPIPE_RECONNECT;
    for (int fate = CLOSES; fate < FATES; fate++) {
        const char *name = support_unique_name();
        wpipe_client *client = NULL;
        struct helper helper;
        uint64_t first;
        uint64_t second;
        wpipe_event e;

        helper_start(&helper, serve_one, (void *)(uintptr_t)name);
        event_send(helper.fd, (uint32_t)options.shared_memory);
        event_expect(helper.fd, 1);
        assert_int_equal(wpipe_client_open(&client, name, &options), 0);
        (void)client_expect(client, WPIPE_EVENT_CONNECTED);
        first = request(client, "first", WPIPE_FOREVER);
        second = request(client, "second", SUPPORT_WAIT_MS * 10);
        event_expect(helper.fd, 2);
        if (fate == KILLED)
            helper_kill(&helper);
        else
            event_send(helper.fd, (uint32_t)fate);
        expect_reply(client, fate % 2, first, WPIPE_ENOTCONN, "");
        expect_reply(client, fate % 2, second, WPIPE_ENOTCONN, "");
        e = next_event(client, fate % 2);
        assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
        assert_int_equal(wpipe_client_request(client, "x", 1, 0, &first),
                         WPIPE_ENOTCONN);
        client_expect_none(client);
        wpipe_client_close(client);
        if (fate != KILLED) {
            assert_int_equal(helper_join(&helper), 0);
        } else { /* clean up behind it */
            wpipe_server *next = NULL;

            assert_int_equal(wpipe_server_open(&next, name, &options), 0);
            wpipe_server_close(next);
        }
    }
}

/* One that has finished sending answers nothing any more, and reads on. */
static void request_to_one_that_finished(void **state)
{
    wpipe_options options = service_options(state);
    const char *name = support_unique_name();
    wpipe_listener *listener = NULL;
    wpipe_stream *stream = NULL;
    wpipe_client *client = NULL;
    uint64_t number;
    wpipe_event e;

    options.type = WPIPE_MESSAGE;
    assert_int_equal(wpipe_listen(&listener, name, &options), 0);
    options.flags = WPIPE_CONNECT_LATER;
    assert_int_equal(wpipe_client_open(&client, name, &options), 0);
    client_expect_none(client);
    assert_int_equal(wpipe_accept(listener, &stream, SUPPORT_WAIT_MS), 0);
    (void)client_expect(client, WPIPE_EVENT_CONNECTED);
    number = request(client, "too late", WPIPE_FOREVER);
    assert_int_equal(wpipe_finish(stream), 0);
    expect_reply(client, false, number, WPIPE_ENOTCONN, "");
    (void)client_expect(client, WPIPE_EVENT_FINISHED);
    assert_int_equal(wpipe_client_request(client, "x", 1, 0, &number),
                     WPIPE_ENOTCONN);
    assert_int_equal(wpipe_client_call(client, "x", 1, &e, 0), WPIPE_ENOTCONN);
    wpipe_client_close(client);
    wpipe_stream_close(stream);
    wpipe_listener_close(listener);
}

/* Those that a call finds are kept, in order. */
static void replies_found_by_a_call_kept(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct question questions[2];
    struct caller caller;
    wpipe_client *client;
    uint64_t number;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    number = request(client, "before", WPIPE_FOREVER);
    take_question(server, &questions[0]);
    start_callers(&caller, 1, client, 1);
    take_question(server, &questions[1]);
    server_send_text(server, id, "news");
    answer_question(server, &questions[0]);
    server_send_text(server, id, "more news");
    answer_question(server, &questions[1]);
    finish_callers(&caller, 1, 1);
    client_expect_text(client, "news");
    expect_reply(client, false, number, 0, "before");
    client_expect_text(client, "more news");
    client_expect_none(client);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* Thousands are open and time out: that is not looked at one by one. */
static void requests_by_the_thousand(void **state)
{
    enum {
        MANY = 5000
    };
    wpipe_options options = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    uint64_t last = 0;
    wpipe_event e;
    wpipe_id id;

    options.queue_limit = 64 << 20;
    options.linger_ms = WPIPE_LINGER_OFF;
    client = service_join(state, server, &options, &id);
    for (int i = 0; i < MANY; i++) {
        uint64_t number = request(client, "", i % 50);

        assert_int_not_equal(number, last);
        last = number;
    }
    for (int i = 0; i < MANY; i++) {
        e = client_expect(client, WPIPE_EVENT_REPLY);
        assert_int_equal(e.error, WPIPE_ETIMEDOUT);
        assert_int_equal(e.from, 1);
    }
    client_expect_none(client);
    (void)request(client, "", WPIPE_FOREVER); /* goes with the close */
    (void)request(client, "", 0);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* Other pipes carry no calls: that is said at once. */
static void requests_over_bytes_are_enotsup(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server;
    wpipe_client *client;
    uint64_t number = 0;
    wpipe_event e;
    wpipe_id id;

    options.type = WPIPE_BYTE;
    server = service_open(state, &options);
    client = service_join(state, server, &options, &id);
    assert_int_equal(
        wpipe_client_request(client, "x", 1, WPIPE_FOREVER, &number),
        WPIPE_ENOTSUP);
    assert_int_equal(
        wpipe_server_request(server, id, "x", 1, WPIPE_FOREVER, &number),
        WPIPE_ENOTSUP);
    e = (wpipe_event){ .type = WPIPE_EVENT_MESSAGE, .from = 1, .request = 1 };
    assert_int_equal(wpipe_client_reply(client, &e, "x", 1), WPIPE_ENOTSUP);
    assert_int_equal(number, 0);
    server_expect_none(server);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static void requests_bad_arguments_refused(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);
    wpipe_event e = { .type = WPIPE_EVENT_MESSAGE, .from = 1 };
    uint64_t n = 0;

    assert_int_equal(wpipe_client_request(NULL, "x", 1, 0, &n), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_request(client, NULL, 1, 0, &n),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_client_request(client, "x", 1, -2, &n),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_client_request(client, "x", 1, 0, NULL),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_client_reply(client, &e, "x", 1), WPIPE_EINVAL);
    e.request = 1;
    e.type = WPIPE_EVENT_REPLY;
    assert_int_equal(wpipe_client_reply(client, &e, "x", 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_reply(client, NULL, "x", 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_reply(client, &e, NULL, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_reply(NULL, &e, "x", 1), WPIPE_EINVAL);
    assert_int_equal(n, 0);
    server_expect_none(server);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static const struct service_case cases[] = {
    EACH(calls_of_threads_answered_in_any_order),
    EACH(calls_beside_a_wait),
    EACH(wait_takes_over_from_a_call),
    EACH(calls_end_with_their_connection),
    EACH(calls_woken_all_at_once),
    EACH(call_beside_a_drain),
    ONCE(calls_of_many_short_threads),
    EACH(requests_told_in_the_order_of_answers),
    EACH(request_times_out_by_an_event),
    EACH(request_beside_a_wait_times_out),
    EACH(requests_end_before_their_connection),
    EACH(request_to_one_that_finished),
    EACH(replies_found_by_a_call_kept),
    ONCE(requests_by_the_thousand),
    ONCE(requests_over_bytes_are_enotsup),
    ONCE(requests_bad_arguments_refused),
};

SERVICE_MAIN(cases)
