/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients of a foreign door that are not let in: by the callback, by the limit
 * of their user, for want of memory or of a descriptor.
 */
#include "connect/acceptor.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <windpipe.h>

#include "acceptor_tools.h"
#include "base/base.h"
#include "door_foreign_tools.h"

static int knock_foreign(struct host *host, wpipe_options *options)
{
    options->foreign = WPIPE_FOREIGN_ONLY;
    return plain_client(door_path(host_open(host, options)));
}

static void expect_hang_up(int fd)
{
    char byte;

    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
    close(fd);
}

static void expect_refused(const struct host *host, int reason, int error)
{
    assert_int_equal(host->refused, 1);
    assert_int_equal(host->why.reason, reason);
    assert_int_equal(host->why.error, error);
    assert_int_equal(host->acceptor.refused, 1);
}

static int admit(const wpipe_peer *peer, void *user)
{
    assert_int_equal(peer->pid, getpid());
    return *(const int *)user;
}

static void foreign_client_refused_by_the_callback(void **state)
{
    int says = WPIPE_EACCES;
    wpipe_options options = { .admit = admit, .admit_user = &says };
    struct host host;
    int fd = knock_foreign(&host, &options);

    (void)state;
    wpipe__acceptor_turn(&host.acceptor, 10);
    assert_int_equal(host.admitted, 0);
    expect_refused(&host, WPIPE_REASON_DENIED, WPIPE_EACCES);
    assert_int_equal(wpipe__slots_taken(host.acceptor.slots), 0);
    expect_hang_up(fd);
    host_close(&host);
}

static void foreign_client_beyond_the_limit_of_its_user_refused(void **state)
{
    wpipe_options options = { .max_per_user = 1 };
    struct host host;
    int first = knock_foreign(&host, &options);
    int second = plain_client(door_path(host.acceptor.door.name));

    (void)state;
    wpipe__acceptor_turn(&host.acceptor, 10);
    assert_int_equal(host.admitted, 1);
    expect_refused(&host, WPIPE_REASON_FULL, WPIPE_EBUSY);
    expect_hang_up(second);
    close(first);
    host_close(&host);
}

static void foreign_client_every_allocation_fails_once(void **state)
{
    int failed = 0;

    (void)state;
    for (long at = 1; at < 10; at++) {
        wpipe_options options = { .max_per_user = 1 };
        struct host host;
        int fd = knock_foreign(&host, &options);

        wpipe__memory_fail_at(-at);
        wpipe__acceptor_turn(&host.acceptor, 10);
        wpipe__memory_fail_at(0);
        assert_int_equal(host.admitted + host.refused, 1);
        if (host.refused == 1) {
            expect_refused(&host, WPIPE_REASON_MEMORY, WPIPE_ENOMEM);
            assert_int_equal(wpipe__slots_taken(host.acceptor.slots), 0);
            expect_hang_up(fd);
            failed++;
        } else {
            close(fd);
        }
        host_close(&host);
    }
    assert_in_range(failed, 2, 8); /* its link, and the seats of its user */
}

/* It waits with the system meanwhile, and nobody spins. */
static void foreign_client_without_a_descriptor_comes_later(void **state)
{
    wpipe_options options = { .flags = 0 };
    struct host host;
    int fd = knock_foreign(&host, &options);
    struct rlimit before = support_use_up_descriptors();
    uint64_t now = wpipe__os_now();

    (void)state;
    wpipe__acceptor_turn(&host.acceptor, 10);
    support_give_back_descriptors(before);
    assert_int_equal(host.admitted, 0);
    expect_refused(&host, WPIPE_REASON_FULL, WPIPE_ELIMIT);
    assert_int_not_equal(host.why.os_error, 0);
    assert_false(host.acceptor.foreign_polled);
    assert_true(wpipe__acceptor_until(&host.acceptor) > now);
    assert_true(wpipe__acceptor_until(&host.acceptor) != UINT64_MAX);
    assert_false(support_wait_readable(host.acceptor.poller, 0));
    wpipe__acceptor_admit(&host.acceptor, 10); /* a client left: no pause */
    wpipe__acceptor_turn(&host.acceptor, 10);
    assert_int_equal(host.admitted, 1);
    assert_true(wpipe__acceptor_until(&host.acceptor) == host.acceptor.keep_at);
    close(fd);
    host_close(&host);
}

static const struct support_case cases[] = {
    TEST(foreign_client_refused_by_the_callback),
    TEST(foreign_client_beyond_the_limit_of_its_user_refused),
    TEST(foreign_client_every_allocation_fails_once),
    TEST(foreign_client_without_a_descriptor_comes_later),
};

TEST_MAIN(cases)
