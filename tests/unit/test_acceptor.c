/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The acceptor with an owner that only counts: who is let in, in which order,
 * and what it does when there is no descriptor left. And the seats, which
 * outlive it. Guests that misbehave are in conformance/test_server_peers.c.
 */
#include "connect/acceptor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <windpipe.h>

#include "acceptor_tools.h"
#include "base/memory.h"
#include "base/options.h"
#include "support.h"

static void acceptor_budget_kept(void **state)
{
    struct host host;
    const char *name = host_open(&host, NULL);
    struct wpipe__link *guests[5];

    (void)state;
    for (int i = 0; i < 5; i++)
        guests[i] = dial(name, 0);
    wpipe__acceptor_turn(&host.acceptor, 0);
    assert_int_equal(host.admitted, 0);
    assert_int_equal(wpipe__acceptor_waiting(&host.acceptor), 5);
    /* who said hello has all the time */
    assert_true(wpipe__acceptor_until(&host.acceptor) == host.acceptor.keep_at);
    wpipe__acceptor_turn(&host.acceptor, 2);
    assert_int_equal(host.admitted, 2);
    wpipe__acceptor_turn(&host.acceptor, 10);
    assert_int_equal(host.admitted, 5);
    assert_int_equal(host.acceptor.total, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(wpipe__native_greeted(guests[i]), WPIPE__GREET_DONE);
        hang_up(guests[i]);
    }
    host_close(&host);
}

/* The rest stays with the system until there is use for it. */
static void acceptor_lobby_bounded(void **state)
{
    static struct wpipe__link *guests[MANY / 2];
    struct host host;
    const char *name = host_open(&host, NULL);

    (void)state;
    for (int i = 0; i < MANY / 2; i++)
        guests[i] = dial(name, 0);
    for (int i = 0; i < 10; i++)
        wpipe__acceptor_turn(&host.acceptor, 0);
    assert_in_range(wpipe__acceptor_waiting(&host.acceptor), 100, 130);
    assert_false(support_wait_readable(host.acceptor.poller, 0));
    for (int i = 0; i < 10; i++)
        wpipe__acceptor_turn(&host.acceptor, MANY);
    assert_int_equal(host.admitted, MANY / 2);
    for (int i = 0; i < MANY / 2; i++)
        hang_up(guests[i]);
    host_close(&host);
}

static void acceptor_full_queues_and_seats(void **state)
{
    wpipe_options options = { .max_clients = 1 };
    struct host host;
    const char *name = host_open(&host, &options);
    struct wpipe__link *guests[4];

    (void)state;
    for (int i = 0; i < 3; i++)
        guests[i] = dial(name, 1);
    guests[3] = dial(name, 0); /* does not want to wait */
    wpipe__acceptor_turn(&host.acceptor, 10);
    assert_int_equal(host.admitted, 1);
    assert_int_equal(host.acceptor.queued, 2);
    assert_int_equal(host.refused, 1);
    assert_int_equal(host.why.reason, WPIPE_REASON_FULL);
    assert_int_equal(wpipe__native_greeted(guests[1]), WPIPE__GREET_QUEUED);
    assert_int_equal(wpipe__native_greeted(guests[3]), WPIPE_EBUSY);
    hang_up(guests[1]);
    wpipe__acceptor_turn(&host.acceptor, 10);
    assert_int_equal(host.acceptor.queued, 1);
    host_drop(&host, 0);
    wpipe__acceptor_admit(&host.acceptor, 10);
    assert_int_equal(host.admitted, 2);
    assert_int_equal(wpipe__native_greeted(guests[2]), WPIPE__GREET_DONE);
    assert_int_equal(host.acceptor.queued, 0);
    assert_int_equal(host.refused, 1); /* who leaves the queue is no refusal */
    hang_up(guests[0]);
    hang_up(guests[2]);
    hang_up(guests[3]);
    host_close(&host);
}

static void acceptor_queue_bounded(void **state)
{
    enum {
        CROWD = 1100
    };
    static struct wpipe__link *guests[CROWD];
    wpipe_options options = { .max_clients = 1 };
    struct rlimit limit;
    struct host host;
    const char *name = host_open(&host, &options);

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 3 * CROWD) {
        host_close(&host);
        support_skip("too few descriptors");
    }
    for (int i = 0; i < CROWD; i++) {
        guests[i] = dial(name, 1);
        wpipe__acceptor_turn(&host.acceptor, 10);
    }
    assert_int_equal(host.admitted, 1);
    assert_int_equal(host.acceptor.queued, 1024);
    assert_int_equal(host.refused, CROWD - 1025);
    for (int i = 0; i < CROWD; i++)
        hang_up(guests[i]);
    host_close(&host);
}

/* Take descriptors until none is left but `spare`. */
static int use_up(int *taken, int most, int spare)
{
    int n = 0;

    while (n < most && (taken[n] = dup(0)) >= 0)
        n++;
    assert_true(n > spare);
    while (spare-- > 0)
        close(taken[--n]);
    return n;
}

static void acceptor_no_descriptor_sheds_then_pauses(void **state)
{
    static int taken[1024];
    struct host host;
    const char *name = host_open(&host, NULL);
    struct wpipe__link *guests[3];
    struct rlimit limit;
    uint64_t until;
    int n;

    (void)state;
    for (int i = 0; i < 3; i++)
        guests[i] = dial(name, 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 200;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    n = use_up(taken, 1024, 1);
    wpipe__acceptor_turn(&host.acceptor, 10);
    assert_int_equal(host.admitted, 1);
    assert_int_equal(host.refused, 2);
    assert_int_equal(host.why.reason, WPIPE_REASON_FULL);
    assert_int_equal(host.why.error, WPIPE_ELIMIT);
    assert_int_not_equal(host.why.os_error, 0);
    assert_int_equal(wpipe__native_greeted(guests[1]), WPIPE_EBUSY);
    assert_int_equal(wpipe__native_greeted(guests[2]), WPIPE_EBUSY);
    assert_true(host.acceptor.polled);
    /* now somebody takes the one in reserve, too */
    wpipe__os_close(host.acceptor.reserve);
    host.acceptor.reserve = WPIPE__NO_HANDLE;
    hang_up(guests[1]);
    for (int i = 0; i < 4; i++) /* we have to connect with something */
        close(taken[--n]);
    guests[1] = dial(name, 1);
    n += use_up(taken + n, 1024 - n, 0);
    until = wpipe__os_now();
    wpipe__acceptor_turn(&host.acceptor, 10);
    assert_int_equal(host.admitted, 1);
    assert_false(host.acceptor.polled);
    assert_true(wpipe__acceptor_until(&host.acceptor) > until);
    assert_true(wpipe__acceptor_until(&host.acceptor) <
                until + UINT64_C(200000000));
    assert_false(support_wait_readable(host.acceptor.poller, 0));
    while (n > 0)
        close(taken[--n]);
    wpipe__acceptor_turn(&host.acceptor, 10); /* still paused */
    assert_int_equal(host.admitted, 1);
    wpipe__acceptor_admit(&host.acceptor, 10); /* a client left: no pause */
    wpipe__acceptor_turn(&host.acceptor, 10);
    assert_int_equal(host.admitted, 2);
    for (int i = 0; i < 3; i++)
        hang_up(guests[i]);
    host_close(&host);
}

static void acceptor_every_allocation_fails_once(void **state)
{
    (void)state;
    for (long at = 1; at < 25; at++) {
        struct host host;
        struct wpipe__link *guest;
        const char *name = host_open(&host, NULL);

        guest = dial(name, 1);
        wpipe__memory_fail_at(-at);
        wpipe__acceptor_turn(&host.acceptor, 10);
        wpipe__memory_fail_at(0);
        assert_int_equal(host.admitted + host.refused, 1);
        if (host.refused == 1)
            assert_int_equal(host.why.reason, WPIPE_REASON_MEMORY);
        hang_up(guest);
        host_close(&host);
    }
}

static void acceptor_open_fails_nothing_left(void **state)
{
    wpipe_options o;

    (void)state;
    assert_int_equal(wpipe__options_take(NULL, &o), 0);
    for (long at = 1; at < 10; at++) {
        struct host host = { .admitted = 0 };
        int r;

        wpipe__memory_fail_at(-at);
        r = wpipe__acceptor_open(&host.acceptor, &owner, "x", &o,
                                 WPIPE__NO_HANDLE);
        wpipe__memory_fail_at(0);
        if (r == 0)
            wpipe__acceptor_close(&host.acceptor);
        else
            assert_int_equal(r, WPIPE_ENOMEM);
        assert_int_equal(wpipe__memory_live(), 0);
    }
}

/* ---- seats -------------------------------------------------------------- */

static void seats_limits_kept(void **state)
{
    wpipe_options options = { .max_clients = 3, .max_per_user = 2 };
    struct wpipe__slots *seats = NULL;

    (void)state;
    assert_int_equal(wpipe__slots_make(&options, WPIPE__NO_HANDLE, &seats), 0);
    assert_int_equal(wpipe__slots_take(seats, 1), 0);
    assert_int_equal(wpipe__slots_take(seats, 1), 0);
    assert_int_equal(wpipe__slots_take(seats, 1), WPIPE_EBUSY);
    assert_int_equal(wpipe__slots_take(seats, 2), 0);
    assert_int_equal(wpipe__slots_take(seats, 3), WPIPE_EBUSY);
    assert_int_equal(wpipe__slots_taken(seats), 3);
    wpipe__slots_give(seats, 1);
    assert_int_equal(wpipe__slots_take(seats, 3), 0);
    wpipe__slots_give(seats, 1);
    wpipe__slots_give(seats, 2);
    assert_int_equal(wpipe__slots_take(seats, 1), 0);
    wpipe__slots_give(seats, 1);
    wpipe__slots_close(seats); /* one is still taken */
    assert_true(wpipe__memory_live() > 0);
    wpipe__slots_give(seats, 3);
    assert_int_equal(wpipe__memory_live(), 0);
    wpipe__slots_close(NULL);
}

static void seats_flag_set_when_one_was_missed(void **state)
{
    wpipe_options options = { .max_clients = 1 };
    struct wpipe__slots *seats = NULL;
    wpipe__handle flag = WPIPE__NO_HANDLE;

    (void)state;
    assert_int_equal(wpipe__os_flag_open(&flag), 0);
    assert_int_equal(wpipe__slots_make(&options, flag, &seats), 0);
    assert_int_equal(wpipe__slots_take(seats, 1), 0);
    wpipe__slots_give(seats, 1);
    assert_false(wpipe__os_flag_clear(flag)); /* nobody wanted one */
    assert_int_equal(wpipe__slots_take(seats, 1), 0);
    assert_int_equal(wpipe__slots_take(seats, 1), WPIPE_EBUSY);
    wpipe__slots_give(seats, 1);
    assert_true(wpipe__os_flag_clear(flag));
    wpipe__slots_close(seats);
    wpipe__os_close(flag);
}

static const struct support_case cases[] = {
    TEST(acceptor_budget_kept),
    TEST(acceptor_lobby_bounded),
    TEST(acceptor_full_queues_and_seats),
    TEST(acceptor_queue_bounded),
    TEST(acceptor_no_descriptor_sheds_then_pauses),
    TEST(acceptor_every_allocation_fails_once),
    TEST(acceptor_open_fails_nothing_left),
    TEST(seats_limits_kept),
    TEST(seats_flag_set_when_one_was_missed),
};

TEST_MAIN(cases)
