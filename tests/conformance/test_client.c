/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients: connecting, calls and their answers, being connected again.
 */
#include "service.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- connecting --------------------------------------------------------- */

static void client_nobody_there_not_found(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_client *client = NULL;
    char text[256] = "";
    int64_t start = support_now_ms();

    options.connect_ms = 60;
    options.error_text = text;
    options.error_text_size = sizeof text;
    assert_int_equal(wpipe_client_open(&client, "absent", &options),
                     WPIPE_ENOTFOUND);
    assert_null(client);
    assert_true(support_now_ms() - start >= 59);
    assert_non_null(strstr(text, "no server has the pipe \"absent\" ("));
    assert_non_null(strstr(text, support_runtime_dir()));
    assert_non_null(strstr(text, "; waited 60 ms"));
    assert_int_equal(wpipe_client_open(&client, "a/b", &options), WPIPE_ENAME);
    assert_string_not_equal(text, "");
    assert_int_equal(wpipe_client_open(&client, NULL, &options), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_open(NULL, "absent", &options), WPIPE_EINVAL);
}

static int serve_when_told(int fd, void *argument)
{
    wpipe_options options = { .size = sizeof options };
    struct service_echo echo;
    wpipe_server *server = NULL;

    options.shared_memory = (int)event_wait(fd);
    assert_int_equal(wpipe_server_open(&server, argument, &options), 0);
    service_echo_begin(&echo, server);
    event_send(fd, 1);
    event_wait(fd);
    service_echo_end(&echo);
    return 0;
}

static void client_waits_for_server(void **state)
{
    wpipe_options options = service_options(state);
    const char *name = support_unique_name();
    wpipe_client *client = NULL;
    struct helper helper;

    helper_start(&helper, serve_when_told, (void *)(uintptr_t)name);
    event_send(helper.fd, (uint32_t)options.shared_memory);
    options.connect_ms = SUPPORT_WAIT_MS;
    assert_int_equal(wpipe_client_open(&client, name, &options), 0);
    for (int i = 0; i < 40; i++) {
        client_send_text(client, "there you are");
        client_expect_text(client, "there you are");
    }
    wpipe_client_close(client);
    event_expect(helper.fd, 1);
    event_send(helper.fd, 2);
    assert_int_equal(helper_join(&helper), 0);
}

static void client_later_gives_up_in_time(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_client *client = NULL;
    wpipe_event e;
    int64_t start = support_now_ms();

    options.flags = WPIPE_CONNECT_LATER;
    options.connect_ms = 50;
    assert_int_equal(wpipe_client_open(&client, "absent", &options), 0);
    assert_int_equal(wpipe_client_send(client, "x", 1), WPIPE_ENOTCONN);
    e = client_expect(client, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.error, WPIPE_ENOTFOUND);
    assert_true(support_now_ms() - start >= 49);
    assert_int_equal(wpipe_client_wait(client, &e, WPIPE_FOREVER),
                     WPIPE_ENOTCONN);
    wpipe_client_close(client);
}

/* ---- calls -------------------------------------------------------------- */

static void call_answered(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client = NULL;
    struct service_echo echo;
    wpipe_event e;

    service_echo_begin(&echo, server);
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    for (int i = 0; i < 60; i++) {
        char text[32];

        snprintf(text, sizeof text, "question %d", i);
        assert_int_equal(
            wpipe_client_call(client, text, strlen(text), &e, SUPPORT_WAIT_MS),
            1);
        assert_int_equal(e.type, WPIPE_EVENT_MESSAGE);
        assert_int_equal(e.size, strlen(text));
        assert_memory_equal(e.data, text, e.size);
    }
    assert_int_equal(wpipe_client_call(client, NULL, 0, &e, SUPPORT_WAIT_MS),
                     1);
    assert_int_equal(e.size, 0);
    assert_non_null(e.data);
    wpipe_client_close(client);
    service_echo_end(&echo);
}

/* The answer of one call may be the question of the next. */
static void call_with_the_last_answer(void **state)
{
    wpipe_options options = service_options(state);
    static uint8_t data[300000];
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client = NULL;
    struct service_echo echo;
    wpipe_event e;

    service_echo_begin(&echo, server);
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    service_fill(data, sizeof data, 3);
    assert_int_equal(
        wpipe_client_call(client, data, sizeof data, &e, SUPPORT_WAIT_MS), 1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(
            wpipe_client_call(client, e.data, e.size, &e, SUPPORT_WAIT_MS), 1);
        assert_int_equal(e.size, sizeof data);
        service_check(e.data, e.size, 3);
    }
    wpipe_client_close(client);
    service_echo_end(&echo);
}

struct caller {
    struct service_thread thread;
    wpipe_client *client;
    int timeout_ms;
    int result;
    char answer[32];
};

static void *run_call(void *argument)
{
    struct caller *c = argument;
    wpipe_event e;

    c->result = wpipe_client_call(c->client, "question", 8, &e, c->timeout_ms);
    if (c->result == 1 && e.size < sizeof c->answer)
        memcpy(c->answer, e.data, e.size);
    return NULL;
}

/* The server's side of the next cases: take the call. */
static wpipe_event expect_call(wpipe_server *server)
{
    wpipe_event e = server_expect(server, WPIPE_EVENT_MESSAGE);

    assert_int_not_equal(e.request, 0);
    assert_int_equal(e.size, 8);
    assert_memory_equal(e.data, "question", 8);
    return e;
}

static void call_others_kept_in_order(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct caller caller = { .timeout_ms = SUPPORT_WAIT_MS };
    wpipe_id id;
    wpipe_event e;
    char text[32];

    caller.client = service_join(state, server, NULL, &id);
    service_start(&caller.thread, run_call, &caller);
    e = expect_call(server);
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "news %d", i);
        server_send_text(server, id, text);
        if (i == 20)
            assert_int_equal(wpipe_server_reply(server, &e, "answer", 6), 0);
    }
    service_finish(&caller.thread);
    assert_int_equal(caller.result, 1);
    assert_string_equal(caller.answer, "answer");
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "news %d", i);
        client_expect_text(caller.client, text);
    }
    client_expect_none(caller.client);
    wpipe_client_close(caller.client);
    wpipe_server_close(server);
}

static void call_late_answer_thrown_away(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct caller caller = { 0 };
    wpipe_event first;
    wpipe_event second;
    wpipe_event e;
    wpipe_id id;

    caller.client = service_join(state, server, NULL, &id);
    assert_int_equal(wpipe_client_call(caller.client, "question", 8, &e, 0),
                     WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_client_call(caller.client, "question", 8, &e, 20),
                     WPIPE_ETIMEDOUT);
    first = expect_call(server);
    second = expect_call(server);
    assert_int_not_equal(first.request, second.request);
    assert_int_equal(wpipe_server_reply(server, &first, "late", 4), 0);
    server_send_text(server, id, "news");
    client_expect_text(caller.client, "news");
    /* nor does a late one answer another call */
    caller.timeout_ms = SUPPORT_WAIT_MS;
    service_start(&caller.thread, run_call, &caller);
    e = expect_call(server);
    assert_int_equal(wpipe_server_reply(server, &second, "too late", 8), 0);
    assert_int_equal(wpipe_server_reply(server, &e, "in time", 7), 0);
    service_finish(&caller.thread);
    assert_int_equal(caller.result, 1);
    assert_string_equal(caller.answer, "in time");
    client_expect_none(caller.client);
    wpipe_client_close(caller.client);
    wpipe_server_close(server);
}

/* What wait handed out stays until the next wait, through any call. */
static void call_leaves_event_alone(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    struct service_echo echo;
    wpipe_event news;
    wpipe_event e;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    server_send_text(server, id, "some news that stay");
    news = client_expect(client, WPIPE_EVENT_MESSAGE);
    service_echo_begin(&echo, server);
    for (int i = 0; i < 5; i++)
        assert_int_equal(wpipe_client_call(client, "0123456789 abcdefghij", 21,
                                           &e, SUPPORT_WAIT_MS),
                         1);
    assert_memory_equal(news.data, "some news that stay", 19);
    assert_memory_equal(e.data, "0123456789 abcdefghij", 21);
    wpipe_client_close(client);
    service_echo_end(&echo);
}

static void call_server_gone_not_connected(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct caller caller = { .timeout_ms = SUPPORT_WAIT_MS };
    wpipe_id id;
    wpipe_event e;

    caller.client = service_join(state, server, NULL, &id);
    service_start(&caller.thread, run_call, &caller);
    (void)expect_call(server);
    server_send_text(server, id, "last words");
    wpipe_server_close(server);
    service_finish(&caller.thread);
    assert_int_equal(caller.result, WPIPE_ENOTCONN);
    client_expect_text(caller.client, "last words");
    (void)client_expect(caller.client, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(wpipe_client_call(caller.client, "x", 1, &e, 0),
                     WPIPE_ENOTCONN);
    wpipe_client_close(caller.client);
}

static void call_woken_ends(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct caller caller = { .timeout_ms = WPIPE_FOREVER };
    wpipe_id id;

    caller.client = service_join(state, server, NULL, &id);
    service_start(&caller.thread, run_call, &caller);
    (void)expect_call(server);
    wpipe_client_wake(caller.client);
    service_finish(&caller.thread);
    assert_int_equal(caller.result, WPIPE_EWOKEN);
    client_expect_none(caller.client);
    wpipe_client_close(caller.client);
    wpipe_server_close(server);
}

/* ---- sending ------------------------------------------------------------ */

/* Nothing, but that there is room: once more for each time it was full. */
static void expect_writable(wpipe_client *client, int most)
{
    wpipe_event e;

    while (most-- > 0 && wpipe_client_wait(client, &e, 0) == 1)
        assert_int_equal(e.type, WPIPE_EVENT_WRITABLE);
    client_expect_none(client);
}

static void client_queue_full_again_then_writable(void **state)
{
    wpipe_options options = service_options(state);
    static uint8_t data[1000];
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    wpipe_event e;
    wpipe_id id;
    int grown = 0;
    int sent = 0;
    int got = 0;
    int r;

    options.queue_limit = 20000;
    client = service_join(state, server, &options, &id);
    for (;; grown++) {
        while ((r = wpipe_client_send(client, data, sizeof data)) == 0)
            sent++;
        assert_int_equal(r, WPIPE_EAGAIN);
        r = wpipe_client_send_wait(client, data, sizeof data, 20);
        if (r != 0)
            break;
        sent++; /* the ring has grown meanwhile */
    }
    assert_int_equal(r, WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_client_drain(client, 0), WPIPE_ETIMEDOUT);
    do {
        while (wpipe_server_wait(server, &e, 0) == 1)
            got++;
        r = wpipe_client_wait(client, &e, got < sent ? SUPPORT_WAIT_MS : 0);
    } while (r != 1);
    assert_int_equal(e.type, WPIPE_EVENT_WRITABLE);
    while (got < sent) {
        if (wpipe_server_wait(server, &e, 0) == 1)
            got++;
        else
            expect_writable(client, grown);
    }
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static void client_drain_waits_until_read(void **state)
{
    wpipe_options options = service_options(state);
    static uint8_t data[50000];
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client = NULL;
    struct service_echo echo;
    wpipe_event e;
    wpipe_id id;

    client = service_join(state, server, &options, &id);
    assert_int_equal(wpipe_client_drain(client, 0), 0);
    client_send_text(client, "unread");
    assert_int_equal(wpipe_client_drain(client, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_client_drain(client, 20), WPIPE_ETIMEDOUT);
    service_echo_begin(&echo, server);
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 10; k++)
            assert_int_equal(wpipe_client_send_wait(client, data, sizeof data,
                                                    SUPPORT_WAIT_MS),
                             0);
        for (int k = 0; k < 10 + (i == 0); k++)
            (void)client_expect(client, WPIPE_EVENT_MESSAGE);
        client_send_text(client, "");
        assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS), 0);
        assert_int_equal(client_expect(client, WPIPE_EVENT_MESSAGE).size, 0);
    }
    service_echo_end(&echo);
    assert_int_equal(echo.messages, 1 + 20 * 11);
    while (wpipe_client_wait(client, &e, SUPPORT_WAIT_MS) == 1)
        ;
    assert_int_equal(wpipe_client_drain(client, 0), WPIPE_ENOTCONN);
    wpipe_client_close(client);
}

/* Takes what comes and answers nothing. */
static void *take_all(void *argument)
{
    wpipe_server *server = argument;
    wpipe_event e;

    while (wpipe_server_wait(server, &e, WPIPE_FOREVER) == 1)
        ;
    return NULL;
}

/* Nothing comes from the server but that it has read. */
static void client_drain_silent_server(void **state)
{
    static uint8_t data[3000];
    wpipe_server *server = service_open(state, NULL);
    struct service_thread taker;
    wpipe_client *client;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    service_start(&taker, take_all, server);
    for (int i = 0; i < 50; i++) {
        for (int k = 0; k < 5; k++)
            assert_int_equal(wpipe_client_send(client, data, sizeof data), 0);
        assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS), 0);
    }
    wpipe_server_stop(server);
    service_finish(&taker);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* What was queued goes with the close, as far as there is room. */
static void client_close_sends_what_it_can(void **state)
{
    static uint8_t data[2000];
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    wpipe_event e;
    wpipe_id id;
    int sent = 0;
    int got = 0;
    int more = 0;

    client = service_join(state, server, NULL, &id);
    for (; sent < 150; sent++)
        assert_int_equal(wpipe_client_send(client, data, sizeof data), 0);
    while (wpipe_server_wait(server, &e, 0) == 1) /* makes room */
        got++;
    assert_true(got > 0);
    wpipe_client_close(client);
    while (wpipe_server_wait(server, &e, SUPPORT_WAIT_MS) == 1 &&
           e.type == WPIPE_EVENT_MESSAGE)
        more++;
    assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
    if (got < sent) /* not all had gone before */
        assert_true(more > 0);
    wpipe_server_close(server);
}

/* What was sent is read after the close, also from another process. */
static int send_and_close(int fd, void *argument)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_client *client = NULL;

    options.shared_memory = (int)event_wait(fd);
    assert_int_equal(wpipe_client_open(&client, argument, &options), 0);
    for (int i = 0; i < 45; i++)
        client_send_text(client, "sent");
    wpipe_client_close(client);
    return 0;
}

static void client_closed_at_once_all_arrives(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct helper helper;
    wpipe_event e;
    wpipe_id id;

    helper_start(&helper, send_and_close,
                 (void *)(uintptr_t)wpipe_server_name(server));
    event_send(helper.fd, (uint32_t)service_options(state).shared_memory);
    id = server_expect(server, WPIPE_EVENT_CONNECTED).from;
    assert_int_equal(helper_join(&helper), 0);
    for (int i = 0; i < 45; i++)
        server_expect_text(server, id, "sent");
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    wpipe_server_close(server);
}

static void *wait_client(void *argument)
{
    wpipe_event e;

    return (void *)(intptr_t)wpipe_client_wait(argument, &e, WPIPE_FOREVER);
}

static void client_wake_ends_wait(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct service_thread thread;
    wpipe_event e;
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);

    wpipe_client_wake(client);
    assert_int_equal(wpipe_client_wait(client, &e, WPIPE_FOREVER), 0);
    service_start(&thread, wait_client, client);
    wpipe_client_wake(client);
    service_finish(&thread);
    client_expect_none(client);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* One thread sleeps in wait; what another one sends moves all the same. */
static void *send_much(void *argument)
{
    static uint8_t data[20000];

    for (int i = 0; i < 100; i++)
        assert_int_equal(wpipe_client_send_wait(argument, data, sizeof data,
                                                SUPPORT_WAIT_MS),
                         0);
    return NULL;
}

static void client_sends_while_it_waits(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client = NULL;
    struct service_echo echo;
    struct service_thread sender;

    options.queue_limit = 30000;
    service_echo_begin(&echo, server);
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    service_start(&sender, send_much, client);
    for (int i = 0; i < 100; i++)
        assert_int_equal(client_expect(client, WPIPE_EVENT_MESSAGE).size,
                         20000);
    service_finish(&sender);
    wpipe_client_close(client);
    service_echo_end(&echo);
}

static void client_descriptor_tells(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);
    int fd = (int)wpipe_client_fd(client);
    wpipe_event e;

    for (int i = 0; i < 30; i++) {
        while (wpipe_client_wait(client, &e, 0) == 1)
            fail_msg("an event");
        assert_false(support_wait_readable(fd, 0));
        server_send_text(server, id, "x");
        server_send_text(server, id, "y");
        assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
        client_expect_text(client, "x");
        assert_true(support_wait_readable(fd, 0));
        client_expect_text(client, "y");
    }
    client_expect_none(client);
    wpipe_server_close(server);
    assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
    (void)client_expect(client, WPIPE_EVENT_DISCONNECTED);
    wpipe_client_close(client);
}

/* ---- being connected again ---------------------------------------------- */

static void reconnect_after_kill_told_once(void **state)
{
    enum {
        ROUNDS = 13
    };
    wpipe_options options = service_options(state);
    const char *name = support_unique_name();
    wpipe_client *client = NULL;
    struct helper helper;
    wpipe_event e;
    wpipe_id id;
    int64_t soonest = INT64_MAX;
    int64_t start;

    options.flags = WPIPE_RECONNECT;
    helper_start(&helper, serve_when_told, (void *)(uintptr_t)name);
    event_send(helper.fd, (uint32_t)options.shared_memory);
    event_expect(helper.fd, 1);
    assert_int_equal(wpipe_client_open(&client, name, &options), 0);
    id = client_expect(client, WPIPE_EVENT_CONNECTED).from;
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < 30; k++) {
            client_send_text(client, "hello");
            client_expect_text(client, "hello");
        }
        helper_kill(&helper);
        e = client_expect(client, WPIPE_EVENT_DISCONNECTED);
        assert_int_equal(e.reason, WPIPE_REASON_DIED);
        assert_int_equal(e.from, id);
        assert_int_equal(wpipe_client_send(client, "x", 1), WPIPE_ENOTCONN);
        client_expect_none(client);
        start = support_now_ms();
        helper_start(&helper, serve_when_told, (void *)(uintptr_t)name);
        event_send(helper.fd, (uint32_t)options.shared_memory);
        e = client_expect(client, WPIPE_EVENT_CONNECTED);
        start = support_now_ms() - start;
        if (i >= ROUNDS - 4 && start < soonest)
            soonest = start;
        assert_int_not_equal(e.from, id);
        id = e.from;
        event_expect(helper.fd, 1);
        client_expect_none(client);
    }
    /* heard of, not polled for: the delay would be a second by then. A busy
     * machine may hold up one, not each */
    assert_true(soonest < 500 * SUPPORT_LIMIT_FACTOR);
    client_send_text(client, "hello");
    client_expect_text(client, "hello");
    wpipe_client_close(client);
    event_send(helper.fd, 2);
    assert_int_equal(helper_join(&helper), 0);
    support_allow_left("*.new"); /* a kill may come at any time */
}

/* Other names that come and go are no trouble: not while it looks for its
 * server, and not when it has it. */
static void client_other_names_ignored(void **state)
{
    wpipe_options options = service_options(state);
    const char *name = support_unique_name();
    wpipe_client *client = NULL;
    wpipe_server *server = NULL;
    wpipe_server *other = NULL;
    wpipe_event e;
    struct timespec before;
    struct timespec after;

    options.flags = WPIPE_CONNECT_LATER;
    assert_int_equal(wpipe_client_open(&client, name, &options), 0);
    client_expect_none(client);
    assert_int_equal(wpipe_server_open(&other, "other", &options), 0);
    client_expect_none(client);
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before), 0);
    assert_int_equal(wpipe_client_wait(client, &e, 200), WPIPE_ETIMEDOUT);
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after), 0);
    assert_true((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec -
                    before.tv_nsec <
                50000000 * SUPPORT_LIMIT_FACTOR);
    assert_int_equal(wpipe_server_open(&server, name, &options), 0);
    assert_int_equal(wpipe_client_wait(client, &e, 0), WPIPE_ETIMEDOUT);
    (void)server_expect(server, WPIPE_EVENT_CONNECTED);
    (void)client_expect(client, WPIPE_EVENT_CONNECTED);
    wpipe_server_close(other);
    assert_int_equal(wpipe_server_open(&other, "another", &options), 0);
    client_expect_none(client);
    server_expect_none(server);
    assert_int_equal(wpipe_server_count(server), 1);
    client_send_text(client, "the same");
    (void)server_expect(server, WPIPE_EVENT_MESSAGE);
    wpipe_client_close(client);
    wpipe_server_close(other);
    wpipe_server_close(server);
}

/* A server that lets nobody stay is not run over. */
static void reconnect_kicked_backs_off(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client = NULL;
    int64_t end = support_now_ms() + 300;
    wpipe_event e;
    int connected = 0;

    options.flags = WPIPE_RECONNECT | WPIPE_CONNECT_LATER;
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    while (support_now_ms() < end) {
        (void)wpipe_client_wait(client, &e, 1);
        if (wpipe_server_wait(server, &e, 0) == 1 &&
            e.type == WPIPE_EVENT_CONNECTED) {
            connected++;
            assert_int_equal(wpipe_server_kick(server, e.from), 0);
        }
    }
    /* at once, after 10, 20, 40, 80, 160 ms */
    assert_in_range(connected, 2, 8);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static void no_reconnect_over_for_good(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);
    char name[WPIPE_NAME_MAX + 1];
    wpipe_event e;

    snprintf(name, sizeof name, "%s", wpipe_server_name(server));
    wpipe_server_close(server);
    (void)client_expect(client, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(wpipe_server_open(&server, name, NULL), 0);
    assert_int_equal(wpipe_client_wait(client, &e, 20), WPIPE_ENOTCONN);
    server_expect_none(server);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- misuse ------------------------------------------------------------- */

static void client_bad_arguments_refused(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);
    wpipe_peer peer = { 0 };
    wpipe_event e;

    assert_int_equal(wpipe_client_wait(NULL, &e, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_wait(client, NULL, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_send(NULL, "x", 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_send(client, NULL, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_send_wait(client, NULL, 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_call(client, NULL, 1, &e, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_call(client, "x", 1, NULL, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_drain(NULL, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_peer(client, NULL), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_peer(client, &peer), WPIPE_EINVAL);
    assert_true(wpipe_client_fd(NULL) < 0);
    wpipe_client_wake(NULL);
    wpipe_client_close(NULL);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- typed messages ----------------------------------------------------- */

static void typed_messages_there_and_back(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_id id;
    wpipe_client *client = service_join(state, server, NULL, &id);
    wpipe_message message = { "topic", 5, "the body", 8 };
    wpipe_message got;
    wpipe_event e;

    assert_int_equal(wpipe_client_send_message(client, &message), 0);
    e = server_expect(server, WPIPE_EVENT_MESSAGE);
    assert_int_equal(wpipe_event_message(&e, &got), 0);
    assert_int_equal(got.topic_size, 5);
    assert_memory_equal(got.topic, "topic", 5);
    assert_int_equal(got.body_size, 8);
    assert_memory_equal(got.body, "the body", 8);
    assert_int_equal(wpipe_server_send_message(server, id, &got), 0);
    e = client_expect(client, WPIPE_EVENT_MESSAGE);
    assert_int_equal(wpipe_event_message(&e, &got), 0);
    assert_memory_equal(got.body, "the body", 8);
    message.body = "\xff";
    message.body_size = 1;
    assert_int_equal(wpipe_client_send_message(client, &message), WPIPE_EINVAL);
    assert_int_equal(wpipe_client_send_message(client, NULL), WPIPE_EINVAL);
    client_send_text(client, "no typed message");
    e = server_expect(server, WPIPE_EVENT_MESSAGE);
    assert_int_equal(wpipe_event_message(&e, &got), WPIPE_EPROTO);
    assert_int_equal(wpipe_event_message(NULL, &got), WPIPE_EINVAL);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static const struct service_case cases[] = {
    ONCE(client_nobody_there_not_found),
    EACH(client_waits_for_server),
    ONCE(client_later_gives_up_in_time),
    EACH(call_answered),
    EACH(call_with_the_last_answer),
    EACH(call_others_kept_in_order),
    EACH(call_late_answer_thrown_away),
    EACH(call_leaves_event_alone),
    EACH(call_server_gone_not_connected),
    EACH(call_woken_ends),
    EACH(client_queue_full_again_then_writable),
    EACH(client_drain_waits_until_read),
    EACH(client_drain_silent_server),
    EACH(client_close_sends_what_it_can),
    EACH(client_closed_at_once_all_arrives),
    ONCE(client_wake_ends_wait),
    EACH(client_sends_while_it_waits),
    EACH(client_descriptor_tells),
    EACH(reconnect_after_kill_told_once),
    ONCE(client_other_names_ignored),
    ONCE(reconnect_kicked_backs_off),
    ONCE(no_reconnect_over_for_good),
    ONCE(client_bad_arguments_refused),
    ONCE(typed_messages_there_and_back),
};

SERVICE_MAIN(cases)
