/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that dies, or leaves, amid a message: the time that this message had
 * is over with it. A client that looks for a new server sleeps meanwhile, and
 * keeps to its delays.
 */
#include "support.h"

#include <time.h>
#include <windpipe.h>

enum {
    DUE_MS = 80,
    LOOK_MS = 400
};

static int64_t cpu_ms(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static void client_wait_type(wpipe_client *client, wpipe_event *e, int type)
{
    assert_int_equal(wpipe_client_wait(client, e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e->type, type);
}

/* A client, and a server that left it half a message and went. */
static wpipe_client *be_left(wpipe_event *e)
{
    wpipe_options o = { .size = sizeof o, .type = WPIPE_MESSAGE };
    wpipe_options late = o;
    wpipe_listener *listener;
    wpipe_client *client;
    wpipe_stream *s;
    void *data;

    o.flags = WPIPE_CONNECT_EARLY;
    assert_int_equal(wpipe_listen(&listener, support_unique_name(), &o), 0);
    late.flags = WPIPE_CONNECT_LATER | WPIPE_RECONNECT;
    late.message_ms = DUE_MS;
    late.spin_us = WPIPE_SPIN_OFF;
    assert_int_equal(
        wpipe_client_open(&client, wpipe_listener_name(listener), &late), 0);
    assert_int_equal(wpipe_client_wait(client, e, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_accept(listener, &s, SUPPORT_WAIT_MS), 0);
    client_wait_type(client, e, WPIPE_EVENT_CONNECTED);
    assert_int_equal(wpipe_write_begin(s, 1, &data, 0), 0);
    *(char *)data = 'x';
    assert_int_equal(wpipe_write_commit(s, 1, 1), 1);
    assert_int_equal(wpipe_client_wait(client, e, 1), WPIPE_ETIMEDOUT);
    wpipe_listener_close(listener);
    wpipe_stream_close(s);
    client_wait_type(client, e, WPIPE_EVENT_DISCONNECTED);
    return client;
}

static void client_that_was_left_sleeps(void **state)
{
    wpipe_event e;
    wpipe_client *client = be_left(&e);
    int64_t before = cpu_ms();

    (void)state;
    assert_int_equal(wpipe_client_wait(client, &e, LOOK_MS), WPIPE_ETIMEDOUT);
    assert_true(cpu_ms() - before < LOOK_MS / 4);
    wpipe_client_close(client);
}

/* Its descriptor is quiet, too. */
static void descriptor_of_client_that_was_left_is_quiet(void **state)
{
    wpipe_event e;
    wpipe_client *client = be_left(&e);
    int64_t end = support_now_ms() + LOOK_MS;
    int fd = (int)wpipe_client_fd(client);
    int told = 0;

    (void)state;
    while (support_now_ms() < end) {
        told += support_wait_readable(fd, (int)(end - support_now_ms()));
        assert_int_equal(wpipe_client_wait(client, &e, 0), WPIPE_ETIMEDOUT);
    }
    assert_in_range(told, 0, 20);
    wpipe_client_close(client);
}

static const struct support_case cases[] = {
    TEST(client_that_was_left_sleeps),
    TEST(descriptor_of_client_that_was_left_is_quiet),
};

TEST_MAIN(cases)
