/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers that run their handlers on several threads: each client on one of
 * them, in order; and everything that goes over all of them. What is kept for
 * a client here is not locked: that its handlers never run at the same time is
 * for ThreadSanitizer to see.
 */
#include "service.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum {
    CLIENTS = 6,
    BATCH = 8,
    BATCHES = 60,
    SENDERS = 3,
    EACH_SENDS = 200
};

/* What a message of these cases is. */
struct word {
    uint32_t who;
    uint32_t number;
};

/* What the handlers have seen. */
struct board {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int connected; /* locked, down to `threads` */
    int disconnected;
    int died;
    wpipe_id ids[CLIENTS]; /* in the order in which they came */
    pthread_t threads[CLIENTS];
    int stop_at;            /* messages, then stop; 0 never */
    _Atomic int messages;   /* not locked from here on */
    uint32_t next[CLIENTS]; /* number of the next word of each client */
};

static void board_init(struct board *board)
{
    memset(board, 0, sizeof *board);
    pthread_mutex_init(&board->lock, NULL);
    pthread_cond_init(&board->changed, NULL);
}

static void board_wait(struct board *board, const int *field, int value)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += SUPPORT_WAIT_MS / 1000;
    pthread_mutex_lock(&board->lock);
    while (*field < value)
        assert_int_equal(
            pthread_cond_timedwait(&board->changed, &board->lock, &until), 0);
    pthread_mutex_unlock(&board->lock);
}

static void on_connected(wpipe_server *server, const wpipe_event *e, void *user)
{
    struct board *board = user;

    (void)server;
    pthread_mutex_lock(&board->lock);
    if (board->connected < CLIENTS) {
        board->ids[board->connected] = e->from;
        board->threads[board->connected] = pthread_self();
    }
    board->connected++;
    pthread_cond_broadcast(&board->changed);
    pthread_mutex_unlock(&board->lock);
}

static void on_disconnected(wpipe_server *server, const wpipe_event *e,
                            void *user)
{
    struct board *board = user;

    (void)server;
    pthread_mutex_lock(&board->lock);
    board->disconnected++;
    board->died += e->reason == WPIPE_REASON_DIED;
    pthread_cond_broadcast(&board->changed);
    pthread_mutex_unlock(&board->lock);
}

/* Words are counted and sent back, all else is only sent back. */
static void on_message(wpipe_server *server, const wpipe_event *e, void *user)
{
    struct board *board = user;
    struct word word;

    if (e->size == sizeof word) {
        memcpy(&word, e->data, sizeof word);
        assert_true(word.who < CLIENTS);
        assert_int_equal(word.number, board->next[word.who]++);
    }
    if (atomic_fetch_add(&board->messages, 1) + 1 == board->stop_at)
        wpipe_server_stop(server);
    /* not connected: the client was killed or has had enough */
    if (wpipe_server_send(server, e->from, e->data, e->size) < 0)
        return;
}

static const wpipe_handlers handlers = {
    .size = sizeof(wpipe_handlers),
    .connected = on_connected,
    .message = on_message,
    .disconnected = on_disconnected,
};

static wpipe_server *open_server(void **state, uint32_t threads)
{
    wpipe_options options = service_options(state);

    options.threads = threads;
    return service_open(state, &options);
}

static wpipe_client *join(void **state, wpipe_server *server)
{
    wpipe_options options = service_options(state);
    wpipe_client *client = NULL;

    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &options), 0);
    return client;
}

/* ---- every client in order ---------------------------------------------- */

struct talker {
    struct service_thread thread;
    wpipe_client *client;
    uint32_t number;
};

static void *run_talker(void *argument)
{
    struct talker *t = argument;
    struct word word = { t->number, 0 };
    struct word answer;

    for (uint32_t i = 0; i < BATCHES * BATCH; i += BATCH) {
        for (uint32_t k = 0; k < BATCH; k++, word.number++)
            assert_int_equal(wpipe_client_send(t->client, &word, sizeof word),
                             0);
        for (uint32_t k = 0; k < BATCH; k++) {
            wpipe_event e = client_expect(t->client, WPIPE_EVENT_MESSAGE);

            assert_int_equal(e.size, sizeof answer);
            memcpy(&answer, e.data, sizeof answer);
            assert_int_equal(answer.who, t->number);
            assert_int_equal(answer.number, i + k);
        }
    }
    return NULL;
}

static int count_distinct(const struct board *board)
{
    int distinct = 0;

    for (int i = 0; i < CLIENTS; i++) {
        int k = 0;

        while (k < i && !pthread_equal(board->threads[i], board->threads[k]))
            k++;
        distinct += k == i;
    }
    return distinct;
}

static void serve(void **state, uint32_t threads)
{
    wpipe_server *server = open_server(state, threads);
    struct talker talkers[CLIENTS];
    wpipe_peer peer = { .size = sizeof peer };
    struct board board;

    board_init(&board);
    assert_int_equal(wpipe_server_start(server, &handlers, &board), 0);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        talkers[i].number = i;
        talkers[i].client = join(state, server);
        board_wait(&board, &board.connected, (int)i + 1);
    }
    assert_int_equal(wpipe_server_count(server), CLIENTS);
    assert_int_equal(count_distinct(&board), threads);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(wpipe_server_peer(server, board.ids[i], &peer), 0);
        for (int k = 0; k < i; k++)
            assert_true(board.ids[i] != board.ids[k]);
        service_start(&talkers[i].thread, run_talker, &talkers[i]);
    }
    for (int i = 0; i < CLIENTS; i++)
        service_finish(&talkers[i].thread);
    for (int i = 0; i < CLIENTS; i++)
        wpipe_client_close(talkers[i].client);
    board_wait(&board, &board.disconnected, CLIENTS);
    assert_int_equal(wpipe_server_count(server), 0);
    assert_int_equal(board.messages, CLIENTS * BATCHES * BATCH);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(wpipe_server_send(server, board.ids[i], "x", 1),
                         WPIPE_ENOTCONN);
    wpipe_server_close(server);
}

static void one_thread_serves(void **state)
{
    serve(state, 1);
}

static void two_threads_serve(void **state)
{
    serve(state, 2);
}

static void four_threads_serve(void **state)
{
    serve(state, 4);
}

/* ---- over all of them --------------------------------------------------- */

struct sender {
    struct service_thread thread;
    wpipe_server *server;
    const struct board *board;
    uint32_t number;
};

/* One to each client and one to all, in turn. */
static void *run_sender(void *argument)
{
    struct sender *s = argument;
    struct word word = { s->number, 0 };
    uint8_t to_all[sizeof word + 1] = { 0 }; /* told apart by its size */

    for (; word.number < EACH_SENDS; word.number++) {
        for (int i = 0; i < CLIENTS; i++)
            assert_int_equal(wpipe_server_send_wait(s->server, s->board->ids[i],
                                                    &word, sizeof word,
                                                    SUPPORT_WAIT_MS),
                             0);
        memcpy(to_all, &word, sizeof word);
        assert_int_equal(
            wpipe_server_broadcast(s->server, to_all, sizeof to_all), CLIENTS);
    }
    return NULL;
}

struct taker {
    struct service_thread thread;
    wpipe_client *client;
    struct word all[SENDERS * EACH_SENDS]; /* broadcasts, as they came */
};

static void *run_taker(void *argument)
{
    struct taker *t = argument;
    uint32_t next[SENDERS] = { 0 };
    uint32_t next_all[SENDERS] = { 0 };
    int all = 0;
    struct word word;

    for (int i = 0; i < 2 * SENDERS * EACH_SENDS; i++) {
        wpipe_event e = client_expect(t->client, WPIPE_EVENT_MESSAGE);

        memcpy(&word, e.data, sizeof word);
        assert_true(word.who < SENDERS);
        if (e.size == sizeof word) {
            assert_int_equal(word.number, next[word.who]++);
            continue;
        }
        assert_int_equal(word.number, next_all[word.who]++);
        t->all[all++] = word;
    }
    assert_int_equal(all, SENDERS * EACH_SENDS);
    return NULL;
}

/* From several threads: each sender's in order, and broadcasts in the same
 * order for all. */
static void sends_and_broadcasts_in_order(void **state)
{
    wpipe_server *server = open_server(state, 3);
    static struct taker takers[CLIENTS];
    struct sender senders[SENDERS];
    struct board board;

    board_init(&board);
    assert_int_equal(wpipe_server_start(server, &handlers, &board), 0);
    for (int i = 0; i < CLIENTS; i++)
        takers[i].client = join(state, server);
    board_wait(&board, &board.connected, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        service_start(&takers[i].thread, run_taker, &takers[i]);
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i] =
            (struct sender){ .server = server, .board = &board, .number = i };
        service_start(&senders[i].thread, run_sender, &senders[i]);
    }
    for (int i = 0; i < SENDERS; i++)
        service_finish(&senders[i].thread);
    for (int i = 0; i < CLIENTS; i++)
        service_finish(&takers[i].thread);
    for (int i = 1; i < CLIENTS; i++)
        assert_memory_equal(takers[i].all, takers[0].all, sizeof takers[0].all);
    for (int i = 0; i < CLIENTS; i++)
        wpipe_client_close(takers[i].client);
    wpipe_server_close(server);
}

/* Somebody who waits for a seat gets that of whoever leaves, wherever. */
static void seat_of_any_thread_is_given_on(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_client *clients[4];
    wpipe_client *late = NULL;
    wpipe_server *server;
    struct board board;
    wpipe_event e;

    board_init(&board);
    options.threads = 4;
    options.max_clients = 4;
    server = service_open(state, &options);
    assert_int_equal(wpipe_server_start(server, &handlers, &board), 0);
    for (int i = 0; i < 4; i++)
        clients[i] = join(state, server);
    options.flags = WPIPE_CONNECT_LATER;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(
            wpipe_client_open(&late, wpipe_server_name(server), &options), 0);
        assert_int_equal(wpipe_client_wait(late, &e, 0), WPIPE_ETIMEDOUT);
        /* a client knows of it sooner than the thread that gets it */
        board_wait(&board, &board.connected, 4 + i);
        assert_int_equal(wpipe_server_count(server), 4);
        wpipe_client_close(clients[i]);
        (void)client_expect(late, WPIPE_EVENT_CONNECTED);
        client_send_text(late, "here");
        client_expect_text(late, "here");
        clients[i] = late;
    }
    for (int i = 0; i < 4; i++)
        wpipe_client_close(clients[i]);
    wpipe_server_close(server);
}

static void kick_reaches_every_thread(void **state)
{
    wpipe_server *server = open_server(state, 4);
    wpipe_client *clients[CLIENTS];
    struct board board;

    board_init(&board);
    assert_int_equal(wpipe_server_start(server, &handlers, &board), 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = join(state, server);
        board_wait(&board, &board.connected, i + 1);
    }
    for (int i = 0; i < CLIENTS; i++) {
        wpipe_event e;

        assert_int_equal(wpipe_server_kick(server, board.ids[i]), 0);
        assert_int_equal(wpipe_server_kick(server, board.ids[i]),
                         WPIPE_ENOTCONN);
        e = client_expect(clients[i], WPIPE_EVENT_DISCONNECTED);
        assert_int_equal(e.reason, WPIPE_REASON_KICKED);
    }
    board_wait(&board, &board.disconnected, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        wpipe_client_close(clients[i]);
    wpipe_server_close(server);
}

/* ---- ends --------------------------------------------------------------- */

struct plan {
    const char *name;
    int shared_memory;
};

/* Talks until it is killed. */
static int talk_on(int fd, void *argument)
{
    const struct plan *plan = argument;
    wpipe_options options = { .size = sizeof options };
    wpipe_client *client = NULL;

    options.shared_memory = plan->shared_memory;
    assert_int_equal(wpipe_client_open(&client, plan->name, &options), 0);
    for (int i = 0;; i++) {
        client_send_text(client, "hello");
        client_expect_text(client, "hello");
        if (i == 40)
            event_send(fd, 1);
    }
    return 0;
}

/* Clients killed in the middle, on every thread; the others notice nothing. */
static void killed_clients_told(void **state)
{
    wpipe_server *server = open_server(state, 2);
    struct plan plan = { wpipe_server_name(server),
                         service_options(state).shared_memory };
    struct helper helpers[4];
    struct talker talker = { .number = 0 };
    struct board board;

    board_init(&board);
    for (int i = 0; i < 4; i++)
        helper_start(&helpers[i], talk_on, &plan);
    assert_int_equal(wpipe_server_start(server, &handlers, &board), 0);
    talker.client = join(state, server);
    for (int i = 0; i < 4; i++)
        event_expect(helpers[i].fd, 1);
    service_start(&talker.thread, run_talker, &talker);
    for (int i = 0; i < 4; i++)
        helper_kill(&helpers[i]);
    board_wait(&board, &board.died, 4);
    service_finish(&talker.thread);
    assert_int_equal(wpipe_server_count(server), 1);
    wpipe_client_close(talker.client);
    wpipe_server_close(server);
}

static void *run_until_over(void *argument)
{
    struct talker *t = argument;
    wpipe_event e;
    int r = 0;

    while (r == 0) {
        r = wpipe_client_send(t->client, "on and on", 9);
        if (r == WPIPE_EAGAIN)
            r = 0;
        while (r == 0 && wpipe_client_wait(t->client, &e, 0) == 1)
            if (e.type == WPIPE_EVENT_DISCONNECTED)
                r = WPIPE_ENOTCONN;
    }
    assert_int_equal(r, WPIPE_ENOTCONN);
    return NULL;
}

/* A handler stops the server while others are at it; close waits for all. */
static void stop_from_handler(void **state)
{
    wpipe_server *server = open_server(state, 4);
    struct talker talkers[CLIENTS];
    struct board board;
    int messages;

    board_init(&board);
    board.stop_at = 500;
    assert_int_equal(wpipe_server_start(server, &handlers, &board), 0);
    for (int i = 0; i < CLIENTS; i++)
        talkers[i].client = join(state, server);
    for (int i = 0; i < CLIENTS; i++)
        service_start(&talkers[i].thread, run_until_over, &talkers[i]);
    while (atomic_load(&board.messages) < 500)
        sched_yield();
    wpipe_server_stop(server); /* now it has joined */
    messages = board.messages;
    assert_true(messages >= 500);
    assert_int_equal(wpipe_server_start(server, &handlers, &board),
                     WPIPE_ESTATE);
    wpipe_server_close(server);
    assert_int_equal(board.messages, messages);
    for (int i = 0; i < CLIENTS; i++) {
        service_finish(&talkers[i].thread);
        wpipe_client_close(talkers[i].client);
    }
}

/* ---- what there is not -------------------------------------------------- */

static void wait_is_for_one_thread(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server = open_server(state, 2);
    struct board board;
    wpipe_event e;

    board_init(&board);
    assert_int_equal(wpipe_server_wait(server, &e, 0), WPIPE_ESTATE);
    assert_int_equal(wpipe_server_fd(server), WPIPE_ESTATE);
    assert_int_equal(wpipe_server_start(server, &handlers, &board), 0);
    assert_int_equal(wpipe_server_wait(server, &e, 0), WPIPE_ESTATE);
    wpipe_server_stop(server);
    assert_int_equal(wpipe_server_send(server, ~(wpipe_id)0, "x", 1),
                     WPIPE_ENOTCONN);
    wpipe_server_close(server);
    server = NULL;
    options.threads = WPIPE_THREADS_MAX + 1;
    assert_int_equal(
        wpipe_server_open(&server, support_unique_name(), &options),
        WPIPE_EINVAL);
    assert_null(server);
    wpipe_server_close(open_server(state, WPIPE_THREADS_MAX));
}

static const struct service_case cases[] = {
    EACH(one_thread_serves),
    EACH(two_threads_serve),
    EACH(four_threads_serve),
    EACH(sends_and_broadcasts_in_order),
    EACH(seat_of_any_thread_is_given_on),
    EACH(kick_reaches_every_thread),
    EACH(killed_clients_told),
    EACH(stop_from_handler),
    ONCE(wait_is_for_one_thread),
};

SERVICE_MAIN(cases)
