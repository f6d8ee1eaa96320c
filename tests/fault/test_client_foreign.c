/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients of servers that are not windpipe, played with plain sockets: what
 * drain means when only the kernel knows how far the server has read, and
 * servers that bind long before they listen, which gives no sign.
 */
#include "second_pipe_tools.h"

#include <pthread.h>

static wpipe_options framed(void)
{
    wpipe_options o = sent_on();

    o.second_pipe = WPIPE_SECOND_PIPE_NONE;
    return o;
}

/* A client and the server's socket to it. */
static wpipe_client *join(const char *name, uint64_t queue_limit, int *ret_fd)
{
    int door = plain_server(door_path(name), SOCK_STREAM, 8);
    wpipe_options o = framed();
    wpipe_client *client;

    o.queue_limit = queue_limit;
    assert_int_equal(wpipe_client_open(&client, name, &o), 0);
    *ret_fd = accept(door, NULL, NULL);
    assert_true(*ret_fd >= 0);
    close(door);
    unlink(door_path(name));
    return client;
}

/* ---- drain --------------------------------------------------------------- */

static void drain_waits_until_the_last_byte_is_taken(void **state)
{
    wpipe_client *client;
    char buf[32];
    int fd;

    (void)state;
    client = join(support_unique_name(), 0, &fd);
    assert_int_equal(wpipe_client_drain(client, 0), 0);
    assert_int_equal(wpipe_client_send(client, "unread", 6), 0);
    assert_int_equal(wpipe_client_drain(client, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_client_drain(client, 20), WPIPE_ETIMEDOUT);
    assert_true(plain_read(fd, buf, 9));
    assert_int_equal(wpipe_client_drain(client, 20), WPIPE_ETIMEDOUT);
    assert_true(plain_read(fd, buf, 1));
    assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS), 0);
    assert_int_equal(wpipe_client_drain(client, 0), 0);
    close(fd);
    wpipe_client_close(client);
}

struct taker {
    int fd;
    size_t size;
    pid_t drainer;
};

/* The rest is taken only once the other thread sleeps. */
static void *take(void *argument)
{
    struct taker *taker = argument;
    static char buf[65536];
    size_t part;

    while (taker->size > 0) {
        if (taker->size < sizeof(buf))
            support_wait_asleep(getpid(), taker->drainer);
        part = taker->size < sizeof(buf) ? taker->size : sizeof(buf);
        assert_true(plain_read(taker->fd, buf, part));
        taker->size -= part;
    }
    return NULL;
}

/* More than the kernel takes: what is queued here counts, too. The bytes come
 * from nobody: the drain itself has to look. */
static void drain_counts_what_is_queued_here(void **state)
{
    enum {
        SIZE = 3000000
    };
    static uint8_t data[SIZE];
    struct taker taker = { .size = SIZE + 4, .drainer = support_tid() };
    wpipe_client *client;
    pthread_t thread;

    (void)state;
    client = join(support_unique_name(), 2 * SIZE, &taker.fd);
    assert_int_equal(wpipe_client_send(client, data, SIZE), 0);
    assert_int_equal(wpipe_client_drain(client, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(pthread_create(&thread, NULL, take, &taker), 0);
    assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(taker.size, 0);
    close(taker.fd);
    wpipe_client_close(client);
}

struct drainer {
    wpipe_client *client;
    pid_t tid;
    int ready;
    int result;
};

static void *drain(void *argument)
{
    struct drainer *d = argument;

    __atomic_store_n(&d->tid, support_tid(), __ATOMIC_RELAXED);
    event_send(d->ready, 1);
    d->result = wpipe_client_drain(d->client, SUPPORT_WAIT_MS);
    wpipe_client_wake(d->client);
    return NULL;
}

/* Another thread drains, while one waits for events. */
static void drain_beside_a_wait(void **state)
{
    wpipe_client *client;
    pthread_t thread;
    wpipe_event e;
    char buf[10];
    int pair[2];
    int fd;
    int i;

    (void)state;
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    client = join(support_unique_name(), 0, &fd);
    for (i = 0; i < 10; i++) {
        struct drainer d = { .client = client, .ready = pair[0] };

        assert_int_equal(wpipe_client_send(client, "unread", 6), 0);
        assert_int_equal(pthread_create(&thread, NULL, drain, &d), 0);
        event_expect(pair[1], 1);
        support_wait_asleep(getpid(),
                            __atomic_load_n(&d.tid, __ATOMIC_RELAXED));
        assert_int_equal(wpipe_client_wait(client, &e, 1), WPIPE_ETIMEDOUT);
        assert_true(plain_read(fd, buf, 10));
        assert_int_equal(wpipe_client_wait(client, &e, SUPPORT_WAIT_MS), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(d.result, 0);
    }
    close(pair[0]);
    close(pair[1]);
    close(fd);
    wpipe_client_close(client);
}

/* It closes with something unread: that will never be read. */
static void drain_server_goes_with_data_unread(void **state)
{
    wpipe_client *client;
    wpipe_event e;
    int fd;

    (void)state;
    client = join(support_unique_name(), 0, &fd);
    assert_int_equal(wpipe_client_send(client, "unread", 6), 0);
    assert_int_equal(wpipe_client_drain(client, 0), WPIPE_ETIMEDOUT);
    close(fd);
    assert_int_equal(wpipe_client_drain(client, SUPPORT_WAIT_MS),
                     WPIPE_ENOTCONN);
    assert_int_equal(wpipe_client_wait(client, &e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(wpipe_client_drain(client, 0), WPIPE_ENOTCONN);
    wpipe_client_close(client);
}

/* ---- the end, for those who wait ----------------------------------------- */

struct sleeper {
    wpipe_client *client;
    pid_t tid;
    int drains; /* or sends */
    int result;
};

static void *sleep_for_ever(void *argument)
{
    struct sleeper *s = argument;
    static const uint8_t data[1000];

    __atomic_store_n(&s->tid, support_tid(), __ATOMIC_RELAXED);
    do
        s->result = s->drains
                        ? wpipe_client_drain(s->client, WPIPE_FOREVER)
                        : wpipe_client_send_wait(s->client, data, sizeof data,
                                                 WPIPE_FOREVER);
    while (!s->drains && s->result == 0);
    return NULL;
}

/* The server says something or nothing, reads nothing, and goes. */
static void end_ends_waits(void **state)
{
    static const uint8_t data[1000];

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct sleeper s = { .drains = i % 2 };
        pthread_t thread;
        int fd;

        s.client = join(support_unique_name(), 20000, &fd);
        while (wpipe_client_send(s.client, data, sizeof data) == 0)
            ;
        if (i / 2)
            plain_send(fd, "ok", 2);
        assert_int_equal(pthread_create(&thread, NULL, sleep_for_ever, &s), 0);
        while (__atomic_load_n(&s.tid, __ATOMIC_RELAXED) == 0)
            usleep(100);
        support_wait_asleep(getpid(),
                            __atomic_load_n(&s.tid, __ATOMIC_RELAXED));
        close(fd);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(s.result, WPIPE_ENOTCONN);
        wpipe_client_close(s.client);
    }
}

/* ---- bound, and not listening yet ---------------------------------------- */

static wpipe_client *later(const char *name)
{
    wpipe_options o = framed();
    wpipe_client *client;

    o.flags = WPIPE_CONNECT_LATER;
    assert_int_equal(wpipe_client_open(&client, name, &o), 0);
    return client;
}

static void quiet(wpipe_client *client)
{
    wpipe_event e;

    assert_int_equal(wpipe_client_wait(client, &e, 5), WPIPE_ETIMEDOUT);
}

static void expect_connected(wpipe_client *client)
{
    wpipe_event e;

    assert_int_equal(wpipe_client_wait(client, &e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e.type, WPIPE_EVENT_CONNECTED);
    wpipe_client_close(client);
}

/* The socket is there before the client; nothing in the directory changes. */
static void client_socket_was_there_and_listens_later(void **state)
{
    const char *name = support_unique_name();
    int door = plain_server(door_path(name), SOCK_STREAM, 0);
    wpipe_client *client = later(name);

    (void)state;
    quiet(client);
    quiet(client);
    assert_int_equal(listen(door, 8), 0);
    expect_connected(client);
    close(door);
    unlink(door_path(name));
}

/* The client hears that it appears, looks, and is refused: it has to look
 * again though it hears nothing more. */
static void client_socket_appears_and_listens_later(void **state)
{
    const char *name = support_unique_name();
    wpipe_client *client = later(name);
    int door;

    (void)state;
    quiet(client);
    door = plain_server(door_path(name), SOCK_STREAM, 0);
    quiet(client);
    quiet(client);
    assert_int_equal(listen(door, 8), 0);
    expect_connected(client);
    close(door);
    unlink(door_path(name));
}

/* It goes without having listened, and the next one is heard of. */
static void client_socket_goes_and_another_comes(void **state)
{
    const char *name = support_unique_name();
    wpipe_client *client = later(name);
    int door;

    (void)state;
    quiet(client);
    close(plain_server(door_path(name), SOCK_STREAM, 0));
    quiet(client);
    unlink(door_path(name));
    quiet(client);
    door = plain_server(door_path(name), SOCK_STREAM, 8);
    expect_connected(client);
    close(door);
    unlink(door_path(name));
}

struct binder {
    const char *name;
    pid_t client;
};

/* Binds, and listens when the client sleeps again. */
static int binds(int fd, void *argument)
{
    const struct binder *b = argument;
    int door;

    support_wait_asleep(b->client, b->client);
    door = plain_server(door_path(b->name), SOCK_STREAM, 0);
    support_wait_asleep(b->client, b->client);
    assert_int_equal(listen(door, 8), 0);
    event_wait(fd);
    close(door);
    unlink(door_path(b->name));
    return 0;
}

static void connect_socket_appears_and_listens_later(void **state)
{
    struct binder b = { support_unique_name(), getpid() };
    struct helper helper = HELPER_NONE;
    const wpipe_options o = framed();
    wpipe_stream *stream;

    (void)state;
    helper_start(&helper, binds, &b);
    assert_int_equal(wpipe_connect(&stream, b.name, &o, SUPPORT_WAIT_MS), 0);
    wpipe_stream_close(stream);
    event_send(helper.fd, 1);
    assert_int_equal(helper_join(&helper), 0);
}

static const struct support_case cases[] = {
    TEST(drain_waits_until_the_last_byte_is_taken),
    TEST(drain_counts_what_is_queued_here),
    TEST(drain_beside_a_wait),
    TEST(drain_server_goes_with_data_unread),
    TEST(end_ends_waits),
    TEST(client_socket_was_there_and_listens_later),
    TEST(client_socket_appears_and_listens_later),
    TEST(client_socket_goes_and_another_comes),
    TEST(connect_socket_appears_and_listens_later),
};

TEST_MAIN(cases)
