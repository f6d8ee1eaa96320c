/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When and whether a connection moves to shared memory, and that nobody
 * notices. That every case of the other files also runs across the move is the
 * work of ends.c.
 */
#include "ends.h"

#include <windpipe/error.h>

#include "os/os_test.h"
#include "stream/stream.h"

/* Messages until both ends write to shared memory; fails after `most`. */
static int moves_within(const struct ends *ends, int most)
{
    for (int i = 1; i <= most; i++) {
        ends_write(ends->a, "there");
        ends_expect(ends->b, "there");
        ends_write(ends->b, "back");
        ends_expect(ends->a, "back");
        if (ends_shared(ends->a) == 2 && ends_shared(ends->b) == 2)
            return i;
    }
    fail_msg("not in shared memory after %d rounds: %d and %d", most,
             ends_shared(ends->a), ends_shared(ends->b));
    return 0;
}

static void stays_framed_for(const struct ends *ends, unsigned messages)
{
    for (unsigned i = 0; i < messages; i++) {
        ends_write_pattern(ends->a, i * 7 % 3000, i);
        ends_read_pattern(ends->b, i * 7 % 3000, i);
        ends_write_pattern(ends->b, i * 5 % 3000, i);
        ends_read_pattern(ends->a, i * 5 % 3000, i);
        assert_int_equal(ends_shared(ends->a), 0);
        assert_int_equal(ends_shared(ends->b), 0);
    }
}

static void move_is_earned_by_messages(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    (void)moves_within(&ends, 30);
    ends_close(&ends);
}

static void write_100000_bytes(void *argument)
{
    ends_write_pattern(argument, 100000, 1);
}

static void move_is_earned_by_bytes(void **state)
{
    struct ends_kind kind = *(const struct ends_kind *)*state;
    static uint8_t buf[100000];
    struct ends_thread thread;
    struct ends ends;
    size_t at = 0;

    kind.warm = 0;
    ends_open(&ends, &kind, WPIPE_BYTE);
    ends_start(&thread, write_100000_bytes, ends.a);
    while (at < sizeof buf) {
        int64_t r =
            wpipe_read(ends.b, buf + at, sizeof buf - at, SUPPORT_WAIT_MS);

        assert_true(r > 0);
        at += (size_t)r;
    }
    ends_check(buf, sizeof buf, 1);
    ends_join(&thread);
    ends_settle(&ends);
    assert_int_equal(ends_shared(ends.a), 2);
    assert_int_equal(ends_shared(ends.b), 2);
    ends_close(&ends);
}

static void move_of_idle_connection_never_comes(void **state)
{
    struct ends_kind kind = *(const struct ends_kind *)*state;
    struct ends ends;

    kind.warm = 0;
    kind.shared_memory[0] = WPIPE_SHARED_AUTO;
    kind.shared_memory[1] = WPIPE_SHARED_AUTO;
    ends_open(&ends, &kind, WPIPE_MESSAGE);
    stays_framed_for(&ends, 3);
    ends_settle(&ends);
    assert_int_equal(ends_shared(ends.a), 0);
    assert_int_equal(ends_shared(ends.b), 0);
    ends_close(&ends);
}

static void move_never_means_never(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    stays_framed_for(&ends, 500);
    ends_close(&ends);
}

/* A connection costs one descriptor at each end, before and after. */
static void move_costs_no_descriptor(void **state)
{
    size_t before = support_count_descriptors();
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    (void)moves_within(&ends, 30);
    assert_int_equal(support_count_descriptors(), before + 2);
    ends_close(&ends);
}

/* What one end offers and the other one cannot answer: both stay framed, and
 * what was under way arrives. */
static void move_refused_by_lack_of_memory(void **state)
{
    for (int late = 0; late < 2; late++) {
        size_t mappings = support_count_mappings();
        struct ends ends;

        ends_open(&ends, *state, WPIPE_MESSAGE);
        for (int i = 0; i < 16; i++) {
            ends_write(ends.a, "there");
            ends_expect(ends.b, "there");
            if (ends_shared(ends.a) || ends_shared(ends.b) ||
                support_count_mappings() > mappings)
                break; /* it has offered */
        }
        wpipe__os_test_no_memory(1);
        if (late)
            ends_settle(&ends);
        if (ends_shared(ends.a) == 0 && ends_shared(ends.b) == 0) {
            stays_framed_for(&ends, 50);
            assert_int_equal(support_count_mappings(), mappings);
        }
        ends_close(&ends);
        wpipe__os_test_no_memory(0);
    }
}

/* What one end offers finds the table of the other one full: both stay framed,
 * and nothing is lost. */
static void move_refused_by_lack_of_descriptors(void **state)
{
    size_t mappings = support_count_mappings();
    struct rlimit before;
    struct ends ends;
    char byte;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_read(ends.a, &byte, 1, 1), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_read(ends.b, &byte, 1, 1), WPIPE_ETIMEDOUT);
    if (support_count_mappings() > mappings) {
        ends_close(&ends); /* both have offered, and neither can decline */
        return;
    }
    ends_write(ends.a, "there");
    while (support_count_mappings() == mappings) {
        ends_expect(ends.b, "there");
        ends_write(ends.a, "there"); /* until it has offered */
    }
    before = support_use_up_descriptors();
    ends_expect(ends.b, "there");
    support_give_back_descriptors(before);
    stays_framed_for(&ends, 50);
    assert_int_equal(support_count_mappings(), mappings);
    ends_close(&ends);
}

/* The offerer writes on while its offer is under way, to the last byte of its
 * credit, and the other way is full as well. */
static void move_with_full_buffers_both_ways(void **state)
{
    static uint8_t bytes[700];
    unsigned counts[2] = { 0, 0 };
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    while (wpipe_write(ends.a, bytes, sizeof bytes, 0) > 0)
        counts[0]++;
    while (wpipe_write(ends.b, bytes, sizeof bytes, 0) > 0)
        counts[1]++;
    ends_settle(&ends);
    while (wpipe_write(ends.a, bytes, sizeof bytes, 0) > 0)
        counts[0]++;
    while (wpipe_write(ends.b, bytes, sizeof bytes, 0) > 0)
        counts[1]++;
    while (counts[0]-- > 0)
        assert_int_equal(
            wpipe_read(ends.b, bytes, sizeof bytes, SUPPORT_WAIT_MS), 700);
    while (counts[1]-- > 0)
        assert_int_equal(
            wpipe_read(ends.a, bytes, sizeof bytes, SUPPORT_WAIT_MS), 700);
    (void)moves_within(&ends, 30);
    ends_close(&ends);
}

/* ---- REQUIRED ----------------------------------------------------------- */

static void required_open(struct ends_setup *setup, int client, int server)
{
    static const struct ends_kind kind = { .name = "required", .named = 1 };

    ends_setup_init(setup, &kind, WPIPE_MESSAGE);
    setup->client.shared_memory = client;
    setup->server.shared_memory = server;
}

static void required_client_gets_it(void **state)
{
    struct ends_setup setup;
    struct ends ends;

    (void)state;
    required_open(&setup, WPIPE_SHARED_REQUIRED, WPIPE_SHARED_AUTO);
    ends_open_setup(&ends, &setup);
    /* we write there; the server does from its next call on */
    assert_true(ends_shared(ends.client) >= 1);
    ends_settle(&ends);
    assert_int_equal(ends_shared(ends.client), 2);
    ends_close(&ends);
}

static void required_client_refuses_less(void **state)
{
    struct ends_setup setup;
    struct ends ends;
    char text[200] = "";

    (void)state;
    required_open(&setup, WPIPE_SHARED_REQUIRED, WPIPE_SHARED_NEVER);
    setup.client.error_text = text;
    setup.client.error_text_size = sizeof text;
    assert_int_equal(ends_try_setup(&ends, &setup), WPIPE_ENOTSUP);
    assert_true(strlen(text) > 0);
}

static void required_client_without_memory_fails(void **state)
{
    static const struct ends_kind kind = { .name = "required",
                                           .named = 1,
                                           .no_memory = 1 };
    struct ends_setup setup;
    struct ends ends;

    (void)state;
    ends_setup_init(&setup, &kind, WPIPE_MESSAGE);
    setup.client.shared_memory = WPIPE_SHARED_REQUIRED;
    assert_int_equal(ends_try_setup(&ends, &setup), WPIPE_ENOTSUP);
}

/* "Fail where it is not to be had": that holds for a listener, too. */
static void required_listener_refuses_less(void **state)
{
    struct ends_setup setup;
    struct ends ends;

    (void)state;
    required_open(&setup, WPIPE_SHARED_NEVER, WPIPE_SHARED_REQUIRED);
    assert_true(ends_try_setup(&ends, &setup) < 0);
}

struct serving {
    wpipe_listener *listener;
    wpipe_stream *stream;
};

static void accept_and_return(void *argument)
{
    struct serving *s = argument;

    assert_int_equal(wpipe_accept(s->listener, &s->stream, SUPPORT_WAIT_MS), 0);
}

/* A server that has accepted owes the client no further call. */
static void required_connect_needs_accept_only(void **state)
{
    const char *name = support_unique_name();
    struct serving s = { NULL, NULL };
    struct ends_thread thread;
    wpipe_stream *client = NULL;
    wpipe_options options = { .size = sizeof options,
                              .shared_memory = WPIPE_SHARED_REQUIRED };

    (void)state;
    assert_int_equal(wpipe_listen(&s.listener, name, NULL), 0);
    ends_start(&thread, accept_and_return, &s);
    assert_int_equal(
        wpipe_connect(&client, name, &options, SUPPORT_WAIT_MS / 2), 0);
    ends_join(&thread);
    wpipe_stream_close(client);
    wpipe_stream_close(s.stream);
    wpipe_listener_close(s.listener);
}

#define ONCE(function) EACH_OF(function, ENDS_ONCE)

static const struct ends_case cases[] = {
    EACH_OF(move_is_earned_by_messages, ENDS_SWITCHING),
    EACH_OF(move_is_earned_by_bytes, ENDS_SWITCHING),
    EACH_OF(move_of_idle_connection_never_comes, ENDS_SWITCHING),
    EACH_OF(move_never_means_never, ENDS_FRAMED),
    EACH_OF(move_costs_no_descriptor, ENDS_SWITCHING),
    EACH_OF(move_refused_by_lack_of_memory, ENDS_SWITCHING),
    EACH_OF(move_refused_by_lack_of_descriptors, ENDS_SWITCHING),
    EACH_OF(move_with_full_buffers_both_ways, ENDS_SWITCHING),
    ONCE(required_client_gets_it),
    ONCE(required_client_refuses_less),
    ONCE(required_client_without_memory_fails),
    ONCE(required_listener_refuses_less),
    ONCE(required_connect_needs_accept_only),
};

ENDS_MAIN(cases)
