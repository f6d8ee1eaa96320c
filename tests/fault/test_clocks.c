/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks that lie. The clock of the day is set by people and daemons: nobody
 * asks it, so nothing can depend on it. The monotonic one is another in each
 * namespace of time, as in containers that were moved: two ends may differ by
 * a century, and each keeps its own deadlines.
 */
#include "support.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <windpipe.h>
#include <windpipe/error.h>
#include <windpipe/stream.h>

#include "support/forbid.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

enum {
    LACKING = 78, /* exit status */
    WAIT_MS = 100
};

/* ---- the clock of the day ------------------------------------------------ */

static _Atomic int asked;

/* In place of libc's: the day jumps by a day with each look. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
    const int r = (int)syscall(SYS_clock_gettime, clock, ret);

    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ||
        clock == CLOCK_TAI)
        ret->tv_sec += asked++ % 2 ? 86400 : -86400;
    return r;
}

int gettimeofday(struct timeval *ret, void *zone)
{
    struct timespec t;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &t);
    ret->tv_sec = t.tv_sec;
    ret->tv_usec = t.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    if (ret != NULL)
        *ret = t.tv_sec;
    return t.tv_sec;
}

static void take_message(wpipe_stream *stream)
{
    char bytes[8];

    assert_int_equal(wpipe_read(stream, bytes, sizeof bytes, INT_MAX), 3);
    assert_memory_equal(bytes, "far", 3);
}

/* A wait that ends by its deadline, while the other end is silent. */
static void wait_in_vain(wpipe_stream *stream)
{
    const int64_t begun = support_now_ms();
    char byte;

    assert_int_equal(wpipe_read(stream, &byte, 1, WAIT_MS), WPIPE_ETIMEDOUT);
    assert_true(support_now_ms() - begun >= WAIT_MS);
    assert_true(support_now_ms() - begun < SUPPORT_SOON_MS);
}

/* Each end waits in vain, and sends the other what it waits for. */
static void converse(wpipe_stream *stream, int first)
{
    if (!first)
        take_message(stream);
    wait_in_vain(stream);
    assert_int_equal(wpipe_write(stream, "far", 3, INT_MAX), 3);
    if (first)
        take_message(stream);
    assert_int_equal(wpipe_drain(stream, INT_MAX), 0);
}

static int be_client(int fd, void *argument)
{
    wpipe_stream *stream = NULL;
    char byte;

    assert_int_equal(wpipe_connect(&stream, argument, NULL, INT_MAX), 0);
    converse(stream, 0);
    event_send(fd, 1);
    (void)wpipe_read(stream, &byte, 1, SUPPORT_WAIT_MS);
    wpipe_stream_close(stream);
    return asked;
}

/* A server and what it waits for: nobody, then a client with its message. */
static void serve_an_event(void)
{
    wpipe_server *server = NULL;
    wpipe_client *client = NULL;
    const wpipe_options later = { .size = sizeof later,
                                  .flags = WPIPE_CONNECT_LATER };
    wpipe_event e;

    assert_int_equal(wpipe_server_open(&server, support_unique_name(), NULL),
                     0);
    assert_int_equal(wpipe_server_wait(server, &e, WAIT_MS), WPIPE_ETIMEDOUT);
    assert_int_equal(
        wpipe_client_open(&client, wpipe_server_name(server), &later), 0);
    (void)wpipe_client_wait(client, &e, 0);
    assert_int_equal(wpipe_server_wait(server, &e, INT_MAX), 1);
    assert_int_equal(e.type, WPIPE_EVENT_CONNECTED);
    assert_int_equal(wpipe_client_wait(client, &e, INT_MAX), 1);
    assert_int_equal(wpipe_client_drain(client, WAIT_MS), 0);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static void meet(int (*run)(int fd, void *argument), int *ret_status)
{
    const char *name = support_unique_name();
    wpipe_listener *listener = NULL;
    wpipe_stream *stream = NULL;
    struct helper helper;

    assert_int_equal(wpipe_listen(&listener, name, NULL), 0);
    assert_int_equal(wpipe_accept(listener, &stream, WAIT_MS), WPIPE_ETIMEDOUT);
    helper_start(&helper, run, (void *)(uintptr_t)name);
    if (wpipe_accept(listener, &stream, SUPPORT_WAIT_MS) == 0) {
        converse(stream, 1);
        (void)support_wait_readable(helper.fd, SUPPORT_WAIT_MS);
    }
    wpipe_stream_close(stream);
    wpipe_listener_close(listener);
    *ret_status = helper_join(&helper);
}

static void clock_of_the_day_is_never_asked(void **state)
{
    int status;

    (void)state;
    /* nor by a wait in the kernel */
    support_forbid(
        SYS_futex, 1,
        FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, ENOSYS);
    support_forbid(SYS_timerfd_create, 0, CLOCK_REALTIME, ENOSYS);
    meet(be_client, &status);
    assert_int_equal(status, 0);
    serve_an_event();
    assert_int_equal(asked, 0);
}

/* ---- namespaces of time -------------------------------------------------- */

static long long offset; /* seconds */

/* Processes started from now on have another time. */
static bool move_clock(void)
{
    char text[64];

    snprintf(text, sizeof text, "monotonic %lld 0", offset);
    return unshare(CLONE_NEWTIME) == 0 &&
           support_write_text("/proc/self/timens_offsets", text);
}

static int be_client_elsewhere(int fd, void *argument)
{
    int status = 1;
    pid_t pid;

    if (!move_clock())
        return LACKING;
    pid = fork();
    if (pid == 0)
        _exit(be_client(fd, argument));
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 1;
    return WEXITSTATUS(status);
}

static void ends_in_other_times_keep_their_own_deadlines(void **state)
{
    const long long up = support_now_ms() / 1000;
    const long long offsets[] = { 3600, -up + 1, 86400, 3155760000 };
    int status;

    (void)state;
    if (geteuid() != 0)
        support_skip("only root can have another time");
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        offset = offsets[i];
        meet(be_client_elsewhere, &status);
        if (status == LACKING)
            support_skip("no namespaces of time here");
        assert_int_equal(status, 0);
    }
}

static const struct support_case cases[] = {
    TEST(clock_of_the_day_is_never_asked),
    TEST(ends_in_other_times_keep_their_own_deadlines),
};

TEST_MAIN(cases)
