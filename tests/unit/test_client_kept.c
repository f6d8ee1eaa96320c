/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's events that are kept for wait: in order, within the limits, and
 * whole connections forgotten when nobody takes them.
 */
#include "support.h"

#include <windpipe.h>

#include "base/ring.h"
#include "client/client.h"

static wpipe_client *open_client(uint64_t memory_limit)
{
    wpipe_options options = { .size = sizeof options,
                              .flags = WPIPE_RECONNECT | WPIPE_CONNECT_LATER,
                              .memory_limit = memory_limit };
    wpipe_client *c = NULL;

    assert_int_equal(wpipe_client_open(&c, "absent", &options), 0);
    return c;
}

static void keep(wpipe_client *c, int type, wpipe_id from)
{
    wpipe_event e = { .type = type, .from = from };

    wpipe__loop_lock(&c->loop);
    assert_int_equal(wpipe__client_keep_room(c), 0);
    wpipe__client_keep(c, &e);
    wpipe__loop_unlock(&c->loop);
}

static void keep_life(wpipe_client *c, wpipe_id id)
{
    keep(c, WPIPE_EVENT_CONNECTED, id);
    keep(c, WPIPE_EVENT_MESSAGE, id);
    keep(c, WPIPE_EVENT_DISCONNECTED, id);
}

static void expect(wpipe_client *c, int type, wpipe_id from)
{
    wpipe_event e = { 0 };

    assert_int_equal(wpipe_client_wait(c, &e, 0), 1);
    assert_int_equal(e.type, type);
    assert_int_equal(e.from, from);
}

static void expect_life(wpipe_client *c, wpipe_id id)
{
    expect(c, WPIPE_EVENT_CONNECTED, id);
    expect(c, WPIPE_EVENT_MESSAGE, id);
    expect(c, WPIPE_EVENT_DISCONNECTED, id);
}

static void kept_events_come_in_order(void **state)
{
    wpipe_client *c = open_client(0);
    wpipe_event e;

    (void)state;
    for (wpipe_id id = 1; id <= WPIPE__CLIENT_ENDS; id++)
        keep_life(c, id);
    for (wpipe_id id = 1; id <= WPIPE__CLIENT_ENDS; id++)
        expect_life(c, id);
    assert_int_equal(wpipe_client_wait(c, &e, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(c->kept_ends, 0);
    assert_int_equal(c->loop.budget.used, 0);
    wpipe_client_close(c);
}

/* The first one was announced: its end is still told. */
static void kept_connections_bounded(void **state)
{
    const wpipe_id last = WPIPE__CLIENT_ENDS + 101;
    wpipe_client *c = open_client(0);
    wpipe_event e;
    uint64_t used = 0;

    (void)state;
    keep(c, WPIPE_EVENT_CONNECTED, 1);
    expect(c, WPIPE_EVENT_CONNECTED, 1);
    keep(c, WPIPE_EVENT_DISCONNECTED, 1);
    for (wpipe_id id = 2; id <= last; id++) {
        keep_life(c, id);
        if (id == WPIPE__CLIENT_ENDS)
            used = c->loop.budget.used;
        else if (id > WPIPE__CLIENT_ENDS)
            assert_int_equal(c->loop.budget.used, used);
    }
    assert_int_equal(c->kept_ends, WPIPE__CLIENT_ENDS);
    keep(c, WPIPE_EVENT_CONNECTED, last + 1);
    expect(c, WPIPE_EVENT_DISCONNECTED, 1);
    for (wpipe_id id = last - WPIPE__CLIENT_ENDS + 2; id <= last; id++)
        expect_life(c, id);
    expect(c, WPIPE_EVENT_CONNECTED, last + 1);
    assert_int_equal(wpipe_client_wait(c, &e, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(c->loop.budget.used, 0);
    wpipe_client_close(c);
}

/* Ends are kept beyond the limit for memory, messages are not; and what was
 * never charged is not given back. */
static void kept_events_charged_once(void **state)
{
    wpipe_client *c = open_client(1);

    (void)state;
    keep_life(c, 1);
    assert_int_equal(c->loop.budget.used, 0);
    expect(c, WPIPE_EVENT_CONNECTED, 1);
    expect(c, WPIPE_EVENT_DISCONNECTED, 1);
    assert_int_equal(c->loop.budget.used, 0);
    keep_life(c, 2); /* freed by the close */
    wpipe_client_close(c);
}

/* A program that calls and never waits does not gather them. */
static void kept_writable_told_once(void **state)
{
    wpipe_client *c = open_client(0);
    wpipe_event e;

    (void)state;
    for (int i = 0; i < 2; i++) {
        keep(c, WPIPE_EVENT_WRITABLE, 1);
        keep(c, WPIPE_EVENT_WRITABLE, 1);
        keep(c, WPIPE_EVENT_WRITABLE, 2);
        expect(c, WPIPE_EVENT_WRITABLE, 1);
        expect(c, WPIPE_EVENT_WRITABLE, 2);
        assert_int_equal(wpipe_client_wait(c, &e, 0), WPIPE_ETIMEDOUT);
    }
    wpipe_client_close(c);
}

static const struct support_case cases[] = {
    TEST(kept_writable_told_once),
    TEST(kept_events_come_in_order),
    TEST(kept_connections_bounded),
    TEST(kept_events_charged_once),
};

TEST_MAIN(cases)
