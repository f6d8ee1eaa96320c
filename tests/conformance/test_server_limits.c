/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server bounds: clients, queues, messages, memory, descriptors.
 */
#include "service.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/memory.h"

/* ---- clients ------------------------------------------------------------ */

static void limit_of_clients_busy(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_options own = service_options(state);
    wpipe_server *server;
    wpipe_client *clients[2];
    wpipe_client *third = NULL;
    wpipe_id ids[2];
    struct service_echo echo;
    char text[256] = "";
    int r;

    options.max_clients = 2;
    server = service_open(state, &options);
    clients[0] = service_join(state, server, NULL, &ids[0]);
    clients[1] = service_join(state, server, NULL, &ids[1]);
    service_echo_begin(&echo, server);
    own.connect_ms = 50;
    own.error_text = text;
    own.error_text_size = sizeof text;
    /* a busy server may be late with its answer, and with its number of
     * clients, for which the sentence waits 20 ms */
    do
        r = wpipe_client_open(&third, wpipe_server_name(server), &own);
    while ((r == WPIPE_ETIMEDOUT || strstr(text, "is full") == NULL) &&
           (own.connect_ms *= 2) < 10000);
    assert_int_equal(r, WPIPE_EBUSY);
    assert_null(third);
    assert_non_null(strstr(text, "is full (2 of 2 clients)"));
    assert_non_null(strstr(text, wpipe_server_name(server)));
    client_send_text(clients[1], "others go on");
    client_expect_text(clients[1], "others go on");
    wpipe_client_close(clients[0]);
    wpipe_client_close(clients[1]);
    service_echo_end(&echo);
}

static void limit_of_clients_queued_in_order(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_options later = service_options(state);
    wpipe_server *server;
    wpipe_client *inside;
    wpipe_client *queued[3] = { NULL, NULL, NULL };
    wpipe_id id;
    wpipe_event e;

    options.max_clients = 1;
    later.flags = WPIPE_CONNECT_LATER;
    server = service_open(state, &options);
    inside = service_join(state, server, NULL, &id);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            wpipe_client_open(&queued[i], wpipe_server_name(server), &later),
            0);
        client_expect_none(queued[i]);
        server_expect_none(server); /* told to wait: no event of it */
        client_expect_none(queued[i]);
    }
    wpipe_client_close(queued[1]); /* gone before its turn */
    assert_int_equal(wpipe_server_count(server), 1);
    wpipe_client_close(inside);
    (void)server_expect(server, WPIPE_EVENT_DISCONNECTED);
    e = server_expect(server, WPIPE_EVENT_CONNECTED);
    (void)client_expect(queued[0], WPIPE_EVENT_CONNECTED);
    client_expect_none(queued[2]);
    client_send_text(queued[0], "my turn");
    server_expect_text(server, e.from, "my turn");
    assert_int_equal(wpipe_server_kick(server, e.from), 0);
    (void)server_expect(server, WPIPE_EVENT_DISCONNECTED);
    (void)server_expect(server, WPIPE_EVENT_CONNECTED);
    (void)client_expect(queued[2], WPIPE_EVENT_CONNECTED);
    wpipe_client_close(queued[0]);
    wpipe_client_close(queued[2]);
    wpipe_server_close(server);
}

/* One who does not want to wait is told at once. */
static void limit_of_clients_not_waiting_refused(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server;
    wpipe_client *inside;
    wpipe_event e;
    wpipe_id id;
    int fd;

    options.max_clients = 1;
    server = service_open(state, &options);
    inside = service_join(state, server, NULL, &id);
    fd = service_dial_raw(wpipe_server_name(server));
    service_hello_raw(fd); /* without the wish to be queued */
    e = server_expect(server, WPIPE_EVENT_REFUSED);
    assert_int_equal(e.reason, WPIPE_REASON_FULL);
    assert_int_equal(e.error, WPIPE_EBUSY);
    service_wait_hangup(fd);
    close(fd);
    wpipe_client_close(inside);
    wpipe_server_close(server);
}

static void limit_per_user_counts(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_options later = service_options(state);
    wpipe_server *server;
    wpipe_client *first;
    wpipe_client *second = NULL;
    wpipe_id id;

    options.max_per_user = 1;
    later.flags = WPIPE_CONNECT_LATER;
    server = service_open(state, &options);
    first = service_join(state, server, NULL, &id);
    assert_int_equal(
        wpipe_client_open(&second, wpipe_server_name(server), &later), 0);
    client_expect_none(second);
    server_expect_none(server);
    wpipe_client_close(first);
    (void)server_expect(server, WPIPE_EVENT_DISCONNECTED);
    (void)server_expect(server, WPIPE_EVENT_CONNECTED);
    (void)client_expect(second, WPIPE_EVENT_CONNECTED);
    wpipe_client_close(second);
    wpipe_server_close(server);
}

static int admit_nobody(const wpipe_peer *peer, void *user)
{
    assert_int_equal(peer->pid, getpid());
    assert_string_not_equal(peer->program, "");
    ++*(int *)user;
    return WPIPE_EREFUSED;
}

static void limit_by_callback_refused(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_options later = service_options(state);
    wpipe_server *server;
    wpipe_client *client = NULL;
    wpipe_event e;
    int asked = 0;

    options.admit = admit_nobody;
    options.admit_user = &asked;
    later.flags = WPIPE_CONNECT_LATER;
    server = service_open(state, &options);
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &later), 0);
    client_expect_none(client);
    e = server_expect(server, WPIPE_EVENT_REFUSED);
    assert_int_equal(e.reason, WPIPE_REASON_DENIED);
    assert_int_equal(asked, 1);
    e = client_expect(client, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.error, WPIPE_EREFUSED);
    assert_int_equal(e.reason, WPIPE_REASON_DENIED);
    assert_int_equal(wpipe_client_wait(client, &e, 0), WPIPE_ENOTCONN);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- queues ------------------------------------------------------------- */

/* Send until it is refused; returns how many went. */
static int fill_up(wpipe_server *server, wpipe_id id, const void *data,
                   size_t size)
{
    int sent = 0;
    int r;

    while ((r = wpipe_server_send(server, id, data, size)) == 0)
        sent++;
    assert_int_equal(r, WPIPE_EAGAIN);
    return sent;
}

static void queue_full_again_then_writable(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;
    wpipe_event e;
    static uint8_t data[1000];
    int sent;
    int got = 0;

    options.queue_limit = 20000;
    server = service_open(state, &options);
    client = service_join(state, server, NULL, &id);
    sent = fill_up(server, id, data, sizeof data);
    assert_true(sent >= 20);
    server_expect_none(server);
    /* the client reads, the server moves on, nothing is lost */
    while (got < sent) {
        while (wpipe_client_wait(client, &e, 0) == 1) {
            assert_int_equal(e.size, sizeof data);
            got++;
        }
        if (wpipe_server_wait(server, &e, got < sent ? SUPPORT_WAIT_MS : 0) ==
            1)
            break;
    }
    assert_int_equal(e.type, WPIPE_EVENT_WRITABLE);
    assert_int_equal(e.from, id);
    assert_int_equal(wpipe_server_send(server, id, data, sizeof data), 0);
    sent++;
    while (got < sent) {
        if (wpipe_client_wait(client, &e, 0) == 1)
            got++;
        else
            server_expect_none(server); /* WRITABLE comes once */
    }
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* The sender sleeps in wait, and the reader's reading alone wakes it. */
static int read_all_slowly(int fd, void *argument)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_client *client = NULL;
    wpipe_event e;
    uint32_t expected;
    uint32_t got = 0;

    options.shared_memory = (int)event_wait(fd);
    assert_int_equal(wpipe_client_open(&client, argument, &options), 0);
    event_send(fd, 0);
    expected = event_wait(fd);
    while (got < expected) {
        e = client_expect(client, WPIPE_EVENT_MESSAGE);
        service_check(e.data, e.size, got);
        got++;
    }
    wpipe_client_close(client);
    return 0;
}

static void queue_full_other_process_reads_on(void **state)
{
    wpipe_options options = service_options(state);
    static uint8_t data[3000];
    wpipe_server *server;
    struct helper helper;
    wpipe_event e;
    wpipe_id id;
    uint32_t sent = 0;
    int r;

    options.queue_limit = 50000;
    server = service_open(state, &options);
    helper_start(&helper, read_all_slowly,
                 (void *)(uintptr_t)wpipe_server_name(server));
    event_send(helper.fd, (uint32_t)options.shared_memory);
    id = server_expect(server, WPIPE_EVENT_CONNECTED).from;
    event_expect(helper.fd, 0);
    while (sent < 300) {
        service_fill(data, sizeof data, sent);
        r = wpipe_server_send(server, id, data, sizeof data);
        if (r == 0) {
            sent++;
            continue;
        }
        assert_int_equal(r, WPIPE_EAGAIN);
        if (helper.fd >= 0 && sent > 0) {
            event_send(helper.fd, 300);
            assert_int_equal(server_expect(server, WPIPE_EVENT_WRITABLE).from,
                             id);
            break;
        }
    }
    while (sent < 300) {
        service_fill(data, sizeof data, sent);
        assert_int_equal(wpipe_server_send_wait(server, id, data, sizeof data,
                                                SUPPORT_WAIT_MS),
                         0);
        sent++;
    }
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    assert_int_equal(e.lost_messages, 0);
    assert_int_equal(helper_join(&helper), 0);
    wpipe_server_close(server);
}

static void send_wait_nobody_reads_times_out(void **state)
{
    wpipe_options options = service_options(state);
    static uint8_t data[1000];
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;
    int64_t start;

    options.queue_limit = 10000;
    server = service_open(state, &options);
    client = service_join(state, server, NULL, &id);
    (void)fill_up(server, id, data, sizeof data);
    assert_int_equal(wpipe_server_send_wait(server, id, data, sizeof data, 0),
                     WPIPE_ETIMEDOUT);
    start = support_now_ms();
    assert_int_equal(wpipe_server_send_wait(server, id, data, sizeof data, 40),
                     WPIPE_ETIMEDOUT);
    assert_true(support_now_ms() - start >= 39);
    wpipe_client_close(client);
    assert_int_equal(
        wpipe_server_send_wait(server, id, data, sizeof data, SUPPORT_WAIT_MS),
        WPIPE_ENOTCONN);
    wpipe_server_close(server);
}

/* One message may be larger than the queue. */
static void queue_smaller_than_message_sent(void **state)
{
    enum {
        SIZE = 3000000
    };
    wpipe_options options = service_options(state);
    uint8_t *data = malloc(SIZE);
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;
    wpipe_event e;
    int r;

    options.queue_limit = 1000;
    server = service_open(state, &options);
    client = service_join(state, server, NULL, &id);
    service_fill(data, SIZE, 1);
    assert_int_equal(wpipe_server_send(server, id, data, SIZE), 0);
    assert_int_equal(wpipe_server_send(server, id, "x", 1), WPIPE_EAGAIN);
    while ((r = wpipe_client_wait(client, &e, 0)) == WPIPE_ETIMEDOUT)
        (void)wpipe_server_wait(server, &e, 0);
    assert_int_equal(r, 1);
    assert_int_equal(e.size, SIZE);
    service_check(e.data, SIZE, 1);
    wpipe_client_close(client);
    wpipe_server_close(server);
    free(data);
}

/* ---- broadcast ---------------------------------------------------------- */

static void broadcast_reaches_everybody(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *clients[5];
    wpipe_id id;

    assert_int_equal(wpipe_server_broadcast(server, "nobody", 6), 0);
    for (int i = 0; i < 5; i++)
        clients[i] = service_join(state, server, NULL, &id);
    for (int i = 0; i < 30; i++)
        assert_int_equal(wpipe_server_broadcast(server, "news", 4), 5);
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < 30; k++)
            client_expect_text(clients[i], "news");
        wpipe_client_close(clients[i]);
    }
    wpipe_server_close(server);
}

/* Broadcast until one that does not read is left out; the other one reads. */
static int broadcast_until_full(wpipe_server *server, wpipe_client *reads)
{
    static uint8_t data[2000];
    int times = 0;
    int reached;

    do {
        reached = wpipe_server_broadcast(server, data, sizeof data);
        assert_true(reached >= 1);
        assert_int_equal(client_expect(reads, WPIPE_EVENT_MESSAGE).size,
                         sizeof data);
        times++;
    } while (reached == 2);
    return times;
}

static void broadcast_slow_reader_dropped(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server;
    wpipe_client *reads;
    wpipe_client *sleeps;
    wpipe_id id;
    wpipe_id slow;
    wpipe_event e;
    int times;

    options.queue_limit = 20000;
    server = service_open(state, &options);
    reads = service_join(state, server, NULL, &id);
    sleeps = service_join(state, server, NULL, &slow);
    times = broadcast_until_full(server, reads);
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.from, slow);
    assert_int_equal(e.reason, WPIPE_REASON_SLOW);
    /* all but the last one, and what it read and had not told, see kick */
    assert_in_range(e.lost_messages, times - 1, times - 1 + 6);
    assert_int_equal(wpipe_server_count(server), 1);
    do /* what came before it looked may still be read */
        assert_int_equal(wpipe_client_wait(sleeps, &e, SUPPORT_WAIT_MS), 1);
    while (e.type == WPIPE_EVENT_MESSAGE);
    assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_KICKED);
    assert_int_equal(wpipe_server_broadcast(server, "go on", 5), 1);
    client_expect_text(reads, "go on");
    wpipe_client_close(reads);
    wpipe_client_close(sleeps);
    wpipe_server_close(server);
}

static void broadcast_slow_reader_skipped(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server;
    wpipe_client *reads;
    wpipe_client *sleeps;
    wpipe_id id;
    wpipe_id slow;
    wpipe_event e;
    int sent;

    options.queue_limit = 20000;
    options.slow_reader = WPIPE_SLOW_SKIP;
    server = service_open(state, &options);
    reads = service_join(state, server, NULL, &id);
    sleeps = service_join(state, server, NULL, &slow);
    sent = broadcast_until_full(server, reads) - 1;
    e = server_expect(server, WPIPE_EVENT_SKIPPED);
    assert_int_equal(e.from, slow);
    assert_int_equal(e.reason, WPIPE_REASON_SLOW);
    server_expect_none(server);
    /* what it was sent before is still there, in order, and no more */
    for (int got = 0; got < sent;) {
        if (wpipe_client_wait(sleeps, &e, 0) == 1)
            got++;
        else
            server_expect_none(server);
    }
    assert_int_equal(wpipe_server_broadcast(server, "both again", 10), 2);
    client_expect_text(sleeps, "both again");
    client_expect_text(reads, "both again");
    wpipe_client_close(reads);
    wpipe_client_close(sleeps);
    wpipe_server_close(server);
}

/* One who has gone is not slow. */
static void broadcast_to_gone_reason_kept(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    static uint8_t data[20000];
    wpipe_client *client;
    wpipe_event e;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    client_send_text(client, "last words");
    wpipe_client_close(client);
    for (int i = 0; i < 20; i++)
        (void)wpipe_server_broadcast(server, data, sizeof data);
    server_expect_text(server, id, "last words");
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    server_expect_none(server);
    wpipe_server_close(server);
}

static void broadcast_too_big_for_one_others_get_it(void **state)
{
    wpipe_options small = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *one;
    wpipe_client *two;
    wpipe_id id;
    wpipe_id small_id;
    wpipe_event e;

    small.max_message = 100;
    one = service_join(state, server, NULL, &id);
    two = service_join(state, server, &small, &small_id);
    {
        static uint8_t data[200];

        assert_int_equal(wpipe_server_broadcast(server, data, sizeof data), 1);
        assert_int_equal(wpipe_server_send(server, small_id, data, 101),
                         WPIPE_EMSGSIZE);
    }
    e = server_expect(server, WPIPE_EVENT_SKIPPED);
    assert_int_equal(e.from, small_id);
    assert_int_equal(e.reason, WPIPE_REASON_TOO_BIG);
    assert_int_equal(client_expect(one, WPIPE_EVENT_MESSAGE).size, 200);
    client_expect_none(two);
    wpipe_client_close(one);
    wpipe_client_close(two);
    wpipe_server_close(server);
}

/* ---- memory ------------------------------------------------------------- */

/* What all clients together make the server keep is bounded. */
static void memory_limit_over_all_clients(void **state)
{
    wpipe_options options = service_options(state);
    static uint8_t data[50000];
    wpipe_server *server;
    wpipe_client *clients[3];
    wpipe_id ids[3];
    int r;

    options.memory_limit = 100000;
    server = service_open(state, &options);
    for (int i = 0; i < 3; i++)
        clients[i] = service_join(state, server, NULL, &ids[i]);
    for (int i = 0; i < 2; i++)
        do
            r = wpipe_server_send(server, ids[i % 3], data, sizeof data);
        while (r == 0 && i == 0);
    assert_int_equal(wpipe_server_send(server, ids[0], data, sizeof data),
                     WPIPE_EAGAIN);
    client_send_text(clients[2], "others go on");
    server_expect_text(server, ids[2], "others go on");
    wpipe_client_close(clients[0]); /* its memory is free again */
    (void)server_expect(server, WPIPE_EVENT_DISCONNECTED);
    do
        r = wpipe_server_send(server, ids[1], data, sizeof data);
    while (r == 0);
    assert_int_equal(r, WPIPE_EAGAIN);
    wpipe_client_close(clients[1]);
    wpipe_client_close(clients[2]);
    wpipe_server_close(server);
}

/* A half-read message counts; who goes over the limit is dropped. */
static void memory_limit_half_read_dropped(void **state)
{
    wpipe_options options = service_options(state);
    uint8_t *data = calloc(1, 1000000);
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;
    wpipe_event e;
    int r;

    options.memory_limit = 200000;
    server = service_open(state, &options);
    client = service_join(state, server, NULL, &id);
    assert_int_equal(wpipe_client_send(client, data, 1000000), 0);
    while ((r = wpipe_server_wait(server, &e, 0)) == WPIPE_ETIMEDOUT)
        (void)wpipe_client_wait(client, &(wpipe_event){ 0 }, 0);
    assert_int_equal(r, 1);
    assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_MEMORY);
    assert_int_equal(e.error, WPIPE_ENOMEM);
    wpipe_client_close(client);
    wpipe_server_close(server);
    free(data);
}

/* So many clients, which talk once and then idle. */
static int be_many(int fd, void *argument)
{
    enum {
        MANY = 200
    };
    wpipe_client *clients[MANY];
    wpipe_options options = { .size = sizeof options };

    options.shared_memory = WPIPE_SHARED_NEVER;
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(wpipe_client_open(&clients[i], argument, &options), 0);
        client_send_text(clients[i], "a question of some length");
        client_expect_text(clients[i], "a question of some length");
    }
    event_send(fd, MANY);
    event_wait(fd);
    for (int i = 0; i < MANY; i++)
        wpipe_client_close(clients[i]);
    return 0;
}

/* An idle client on its socket costs the server at most 4 KiB. */
static void memory_of_idle_client_small(void **state)
{
    wpipe_server *server;
    struct service_echo echo;
    struct helper helper;
    size_t before = mallinfo2().uordblks;
    size_t after;
    uint32_t many;

    if (before == 0)
        support_skip("this heap does not tell its size");
    server = service_open(state, NULL);
    service_echo_begin(&echo, server);
    helper_start(&helper, be_many,
                 (void *)(uintptr_t)wpipe_server_name(server));
    many = event_wait(helper.fd);
    after = mallinfo2().uordblks;
    assert_int_equal(wpipe_server_count(server), many);
    assert_in_range((after - before) / many, 500, 4096);
    event_send(helper.fd, 0);
    assert_int_equal(helper_join(&helper), 0);
    service_echo_end(&echo);
}

/* Every allocation of a conversation fails once: never a crash, never a leak,
 * and what can be told is told. */
static void memory_fails_anywhere_survived(void **state)
{
    wpipe_options options = service_options(state);

    options.flags = WPIPE_CONNECT_LATER;
    options.linger_ms = WPIPE_LINGER_OFF; /* the client is not served then */
    for (long at = 1; at < 60; at++) {
        wpipe_server *server = NULL;
        wpipe_client *client = NULL;
        wpipe_event e;
        static uint8_t data[100000];

        wpipe__memory_fail_at(-at);
        if (wpipe_server_open(&server, "memory", &options) < 0)
            server = NULL;
        if (wpipe_client_open(&client, "memory", &options) < 0)
            client = NULL;
        for (int i = 0; i < 12; i++) {
            if (client)
                (void)wpipe_client_wait(client, &e, 0);
            if (server && wpipe_server_wait(server, &e, 0) == 1 &&
                e.type == WPIPE_EVENT_MESSAGE)
                (void)wpipe_server_send(server, e.from, data, sizeof data);
            if (client && i % 4 == 3)
                (void)wpipe_client_send(client, data, sizeof data);
        }
        wpipe_client_close(client);
        wpipe_server_close(server);
        wpipe__memory_fail_at(0);
        assert_int_equal(wpipe__memory_live(), 0);
    }
}

/* ---- messages ----------------------------------------------------------- */

static void message_over_limit_refused_at_sender(void **state)
{
    wpipe_options options = service_options(state);
    static uint8_t data[2000];
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;

    options.max_message = 1000;
    server = service_open(state, &options);
    client = service_join(state, server, NULL, &id);
    assert_int_equal(wpipe_client_send(client, data, 1001), WPIPE_EMSGSIZE);
    assert_int_equal(wpipe_client_send(client, data, 1000), 0);
    assert_int_equal(server_expect(server, WPIPE_EVENT_MESSAGE).size, 1000);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

/* ---- descriptors -------------------------------------------------------- */

static int connect_many(int fd, void *argument)
{
    enum {
        MANY = 80
    };
    wpipe_stream *streams[MANY] = { NULL };
    wpipe_options options = { .size = sizeof options };
    uint32_t in = 0;
    int r;

    event_wait(fd);
    for (int i = 0; i < MANY; i++) {
        r = wpipe_connect(&streams[i], argument, &options, 30);
        if (r == 0)
            in++;
        else if (r != WPIPE_EBUSY && r != WPIPE_ETIMEDOUT)
            fail_msg("connect: %s", wpipe_error_name(r));
    }
    event_send(fd, in);
    event_wait(fd);
    for (int i = 0; i < MANY; i++)
        wpipe_stream_close(streams[i]);
    /* with descriptors free again, clients come in again */
    assert_int_equal(
        wpipe_connect(&streams[0], argument, &options, SUPPORT_WAIT_MS), 0);
    wpipe_stream_close(streams[0]);
    return 0;
}

static void descriptors_out_others_go_on(void **state)
{
    struct rlimit before;
    struct rlimit few;
    wpipe_options options = service_options(state);
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    struct helper helper;
    struct service_echo echo;
    wpipe_id id;
    uint32_t in;

    options.shared_memory = WPIPE_SHARED_NEVER;
    client = service_join(state, server, &options, &id);
    helper_start(&helper, connect_many,
                 (void *)(uintptr_t)wpipe_server_name(server));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 40;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    service_echo_begin(&echo, server);
    event_send(helper.fd, 1);
    for (int i = 0; i < 200; i++) {
        client_send_text(client, "still here");
        client_expect_text(client, "still here");
    }
    in = event_wait(helper.fd);
    assert_in_range(in, 5, 40);
    for (int i = 0; i < 20; i++) {
        client_send_text(client, "still here");
        client_expect_text(client, "still here");
    }
    event_send(helper.fd, 2);
    assert_int_equal(helper_join(&helper), 0);
    wpipe_client_close(client);
    service_echo_end(&echo);
    assert_true(echo.refused > 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static const struct service_case cases[] = {
    EACH(limit_of_clients_busy),
    EACH(limit_of_clients_queued_in_order),
    ONCE(limit_of_clients_not_waiting_refused),
    ONCE(limit_per_user_counts),
    ONCE(limit_by_callback_refused),
    EACH(queue_full_again_then_writable),
    EACH(queue_full_other_process_reads_on),
    EACH(send_wait_nobody_reads_times_out),
    EACH(queue_smaller_than_message_sent),
    EACH(broadcast_reaches_everybody),
    EACH(broadcast_slow_reader_dropped),
    EACH(broadcast_slow_reader_skipped),
    EACH(broadcast_to_gone_reason_kept),
    EACH(broadcast_too_big_for_one_others_get_it),
    EACH(memory_limit_over_all_clients),
    EACH(memory_limit_half_read_dropped),
    ONCE(memory_of_idle_client_small),
    EACH(memory_fails_anywhere_survived),
    EACH(message_over_limit_refused_at_sender),
    ONCE(descriptors_out_others_go_on),
};

SERVICE_MAIN(cases)
