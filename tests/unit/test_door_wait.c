/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a server that is not there yet: woken at once by its door and
 * by nothing less, wherever it appears, without using the processor; and with
 * a back-off where nothing can be watched.
 */
#include "support.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "door/door.h"

/* Of the client, which slept for 300 ms at least: the first, and those after
 * what happened in the directories. One that polls looks more often. */
enum {
    LOOKS_MOST = 7
};

/* Processor time of a wait, however long. */
#define CPU_NS (5 * 1000000LL * SUPPORT_LIMIT_FACTOR)

static int64_t cpu_ns(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What wpipe_connect does; *k is to be done afterwards. */
static int wait_for(struct wpipe__name_watch *k, const char *name,
                    int timeout_ms, int *ret_looks)
{
    uint64_t deadline = wpipe__os_deadline(timeout_ms);
    wpipe__handle socket;
    int looks = 0;
    int r;

    wpipe__name_watch_open(k);
    for (;;) {
        r = wpipe__door_dial(name, NULL, &socket);
        looks++;
        if (r != WPIPE_ENOTFOUND && r != WPIPE_EAGAIN)
            break;
        r = wpipe__name_watch_wait(k, r, deadline, WPIPE__NO_HANDLE);
        if (r < 0)
            break;
    }
    wpipe__name_watch_rest(k);
    if (r == 0)
        wpipe__os_close(socket);
    if (ret_looks)
        *ret_looks = looks;
    return r;
}

static int connect_waiting(const char *name, int timeout_ms, int *ret_looks)
{
    struct wpipe__name_watch k;
    int r = wait_for(&k, name, timeout_ms, ret_looks);

    wpipe__name_watch_done(&k);
    wpipe__name_watch_done(&k);
    return r;
}

/* ---- a server that appears ----------------------------------------------- */

enum {
    NAP_MS = 300
};

/* Where and how the server of a case appears. */
struct arrival {
    pid_t waiter;
    int access;
    void (*before)(void); /* run once the client sleeps */
};

/* Sleeps for the client's sake (its processor time is measured), then opens
 * the door once the client sleeps, tells when, and waits to be let go. */
static int appear(int fd, void *argument)
{
    const struct arrival *arrival = argument;
    wpipe_options options = { .size = sizeof(options),
                              .access = arrival->access };
    struct wpipe__door d;

    (void)poll(NULL, 0, NAP_MS);
    support_wait_asleep(arrival->waiter, arrival->waiter);
    if (arrival->before) {
        arrival->before();
        support_wait_asleep(arrival->waiter, arrival->waiter);
    }
    event_send(fd, (uint32_t)(support_now_ns() / 1000));
    assert_int_equal(wpipe__door_open(&d, "late", &options), 0);
    (void)support_wait_readable(fd, SUPPORT_WAIT_MS);
    wpipe__door_close(&d);
    return 0;
}

static void wait_for_arrival(struct arrival *arrival)
{
    struct helper server = HELPER_NONE;
    struct wpipe__name_watch k;
    int64_t cpu;
    uint32_t opened;
    uint32_t late;
    int looks;

    arrival->waiter = support_tid();
    helper_start(&server, appear, arrival);
    cpu = cpu_ns();
    assert_int_equal(wait_for(&k, "late", SUPPORT_WAIT_MS, &looks), 0);
    late = (uint32_t)(support_now_ns() / 1000);
    cpu = cpu_ns() - cpu;
    opened = event_wait(server.fd);
    late -= opened;
    if (late > SUPPORT_SOON_MS * 1000 || looks > LOOKS_MOST || cpu > CPU_NS)
        fail_msg("%u us late, %d looks, %lld us of processor time", late, looks,
                 (long long)cpu / 1000);
    assert_int_equal(helper_join(&server), 0);
    wpipe__name_watch_done(&k);
}

static void knock_server_appears_wakes_at_once(void **state)
{
    struct arrival arrival = { .access = WPIPE_ACCESS_USER };

    (void)state;
    wait_for_arrival(&arrival);
}

static char shared[PATH_MAX];

static void make_shared(void)
{
    assert_int_equal(mkdir(shared, 0700), 0);
}

static void choose_shared(void)
{
    snprintf(shared, sizeof(shared), "%s/shared", support_dir());
    setenv("WINDPIPE_SHARED_DIR", shared, 1);
}

static void knock_server_in_shared_place_wakes_too(void **state)
{
    struct arrival arrival = { .access = WPIPE_ACCESS_ANYONE };

    (void)state;
    choose_shared();
    make_shared();
    wait_for_arrival(&arrival);
}

/* Installed while a client waits. */
static void knock_shared_place_appears_wakes_too(void **state)
{
    struct arrival arrival = { .access = WPIPE_ACCESS_ANYONE,
                               .before = make_shared };

    (void)state;
    choose_shared();
    wait_for_arrival(&arrival);
}

/* Moved away, to be made again by the server. */
static void move_private(void)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/moved", support_dir());
    assert_int_equal(rename(support_runtime_dir(), path), 0);
}

static void remove_private(void)
{
    assert_int_equal(rmdir(support_runtime_dir()), 0);
}

static void knock_directory_replaced_wakes_too(void **state)
{
    struct arrival arrival = { .access = WPIPE_ACCESS_USER };

    arrival.before = *state != NULL ? remove_private : move_private;
    wait_for_arrival(&arrival);
}

/* So that it is our directory that is watched, and not a busy parent. */
static void knock_absent_private_directory_is_made(void **state)
{
    struct arrival arrival = { .access = WPIPE_ACCESS_USER };
    struct wpipe__name_watch k;
    struct stat status;

    (void)state;
    remove_private();
    wpipe__name_watch_open(&k);
    assert_int_equal(stat(support_runtime_dir(), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    wpipe__name_watch_done(&k);
    remove_private();
    wait_for_arrival(&arrival);
}

static char deep[PATH_MAX];

static void make_parents(void)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/a", support_dir());
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/a/b", support_dir());
    assert_int_equal(mkdir(path, 0700), 0);
}

static void knock_absent_parents_are_waited_for(void **state)
{
    struct arrival arrival = { .access = WPIPE_ACCESS_USER,
                               .before = make_parents };

    (void)state;
    snprintf(deep, sizeof(deep), "%s/a/b/run", support_dir());
    setenv("WINDPIPE_DIR", deep, 1);
    wait_for_arrival(&arrival);
}

/* Parked while connected, it hears nothing, and then everything again. */
static void knock_rested_listens_again(void **state)
{
    struct wpipe__door d;
    struct wpipe__name_watch k;

    (void)state;
    wpipe__name_watch_open(&k);
    wpipe__name_watch_rest(&k);
    wpipe__os_watch_drain(k.watch);
    assert_int_equal(wpipe__door_open(&d, "rest", NULL), 0);
    assert_false(support_wait_readable(k.watch, 0));
    wpipe__door_close(&d);
    wpipe__name_watch_listen(&k);
    assert_false(support_wait_readable(k.watch, 0));
    assert_int_equal(wpipe__door_open(&d, "rest", NULL), 0);
    assert_true(support_wait_readable(k.watch, 0));
    wpipe__door_close(&d);
    wpipe__name_watch_done(&k);
}

/* ---- nothing can be watched ---------------------------------------------- */

/* As a user whose watches are all used. That is counted per user: nobody
 * else is disturbed. */
static int wait_without_watches(int fd, void *argument)
{
    struct helper server = HELPER_NONE;
    struct arrival arrival = { .access = WPIPE_ACCESS_USER };
    struct wpipe__name_watch k;
    rlim_t taken = 0;

    (void)argument;
    assert_int_equal(chown(support_runtime_dir(), 65534, 65534), 0);
    assert_int_equal(setresgid(65534, 65534, 65534), 0);
    assert_int_equal(setresuid(65534, 65534, 65534), 0);
    while (taken < 1000 && inotify_init1(IN_CLOEXEC) >= 0)
        taken++;
    wpipe__name_watch_open(&k);
    event_send(fd, (uint32_t)k.blind);
    wpipe__name_watch_done(&k);
    arrival.waiter = support_tid();
    helper_start(&server, appear, &arrival);
    assert_int_equal(connect_waiting("late", SUPPORT_WAIT_MS, NULL), 0);
    (void)event_wait(server.fd);
    assert_int_equal(helper_join(&server), 0);
    event_send(fd, 1);
    return 0;
}

static void knock_without_watches_backs_off(void **state)
{
    struct helper user = HELPER_NONE;
    char base[PATH_MAX];

    (void)state;
    if (geteuid() != 0)
        support_skip("only root can become a user to exhaust");
    /* the case's directories are for us alone: let that user through */
    snprintf(base, sizeof(base), "%s/..", support_runtime_dir());
    assert_int_equal(chmod(base, 0711), 0);
    helper_start(&user, wait_without_watches, NULL);
    event_expect(user.fd, 1);
    event_expect(user.fd, 1);
    assert_int_equal(helper_join(&user), 0);
}

static void knock_without_descriptors_is_blind_and_times_out(void **state)
{
    const struct rlimit few = { 3, 20000 };
    struct rlimit before;
    struct wpipe__name_watch k;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(few.rlim_cur < before.rlim_max);
    assert_int_equal(
        setrlimit(RLIMIT_NOFILE,
                  &(struct rlimit){ few.rlim_cur, before.rlim_max }),
        0);
    wpipe__name_watch_open(&k);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(k.blind, 1);
    assert_int_equal(wpipe__name_watch_wait(&k, WPIPE_ENOTFOUND, UINT64_MAX,
                                            WPIPE__NO_HANDLE),
                     0);
    assert_int_equal(
        wpipe__name_watch_wait(&k, WPIPE_ENOTFOUND, 0, WPIPE__NO_HANDLE),
        WPIPE_ETIMEDOUT);
    wpipe__name_watch_done(&k);
}

/* Nothing stands in the way but that nobody is there: a second. */
static void assert_slow_look(struct wpipe__name_watch *k)
{
    const uint64_t second = 1000000000;
    uint64_t before = wpipe__os_now();
    uint64_t until = wpipe__name_watch_until(k, WPIPE_ENOTFOUND);

    assert_true(until >= before + second && until <= wpipe__os_now() + second);
}

static void knock_until_backs_off_to_a_tenth_of_a_second(void **state)
{
    static const int delays[] = { 1, 2, 4, 8, 16, 32, 64, 100, 100 };
    struct wpipe__name_watch k;
    size_t i;

    (void)state;
    wpipe__name_watch_open(&k);
    assert_int_equal(k.blind, 0);
    assert_slow_look(&k);
    for (i = 0; i < sizeof(delays) / sizeof(*delays); i++) {
        uint64_t before = wpipe__os_now();
        uint64_t until = wpipe__name_watch_until(&k, WPIPE_EAGAIN);
        uint64_t delay = (uint64_t)delays[i] * 1000000;

        assert_true(until >= before + delay);
        assert_true(until <= wpipe__os_now() + delay);
    }
    /* not full any more: from the beginning */
    assert_slow_look(&k);
    (void)wpipe__name_watch_until(&k, WPIPE_EAGAIN);
    assert_int_equal(k.delay_ms, 1);
    wpipe__name_watch_done(&k);
}

/* Nothing tells that a backlog has room again. */
static int serve_one(int fd, void *argument)
{
    const struct arrival *arrival = argument;
    wpipe__handle client;
    struct wpipe__door d;

    assert_int_equal(wpipe__door_open(&d, "full", NULL), 0);
    assert_int_equal(listen(d.listener, 0), 0);
    event_send(fd, 1);
    event_expect(fd, 2);
    support_wait_asleep(arrival->waiter, arrival->waiter);
    assert_int_equal(wpipe__os_accept(d.listener, &client), 0);
    event_expect(fd, 3);
    wpipe__os_close(client);
    wpipe__door_close(&d);
    return 0;
}

static void knock_full_backlog_is_tried_again(void **state)
{
    struct arrival arrival = { .waiter = support_tid() };
    struct helper server = HELPER_NONE;
    wpipe__handle first;
    wpipe__handle second;

    (void)state;
    helper_start(&server, serve_one, &arrival);
    event_expect(server.fd, 1);
    assert_int_equal(wpipe__door_dial("full", NULL, &first), 0);
    assert_int_equal(wpipe__door_dial("full", NULL, &second), WPIPE_EAGAIN);
    event_send(server.fd, 2);
    assert_int_equal(connect_waiting("full", SUPPORT_WAIT_MS, NULL), 0);
    event_send(server.fd, 3);
    assert_int_equal(helper_join(&server), 0);
    wpipe__os_close(first);
}

/* ---- other ends of a wait ------------------------------------------------ */

static void knock_nobody_appears_times_out_after_one_look(void **state)
{
    int64_t start = support_now_ms();
    int64_t cpu = cpu_ns();
    int looks;

    (void)state;
    choose_shared();
    assert_int_equal(connect_waiting("never", 200, &looks), WPIPE_ETIMEDOUT);
    assert_true(support_now_ms() - start >= 200);
    assert_int_equal(looks, 1);
    assert_true(cpu_ns() - cpu < CPU_NS);
    assert_int_equal(connect_waiting("never", 0, &looks), WPIPE_ETIMEDOUT);
    assert_int_equal(looks, 1);
}

static void *set_flag(void *flag)
{
    wpipe__os_flag_set(*(wpipe__handle *)flag);
    return NULL;
}

static void knock_woken_says_so(void **state)
{
    struct wpipe__thread thread;
    struct wpipe__name_watch k;
    wpipe__handle wake;

    (void)state;
    assert_int_equal(wpipe__os_flag_open(&wake), 0);
    wpipe__name_watch_open(&k);
    assert_int_equal(wpipe__thread_start(&thread, set_flag, &wake), 0);
    assert_int_equal(
        wpipe__name_watch_wait(&k, WPIPE_ENOTFOUND, UINT64_MAX, wake),
        WPIPE_EWOKEN);
    assert_int_equal(wpipe__os_flag_clear(wake), 1);
    wpipe__thread_join(&thread);
    wpipe__name_watch_done(&k);
    wpipe__os_close(wake);
}

/* For an event loop: quiet, then readable by a door, then quiet again. */
static void knock_watch_tells_an_event_loop(void **state)
{
    struct wpipe__door d;
    struct wpipe__name_watch k;
    int handle;

    (void)state;
    wpipe__name_watch_open(&k);
    handle = k.watch;
    assert_false(support_wait_readable(handle, 0));
    assert_int_equal(wpipe__door_open(&d, "loop", NULL), 0);
    assert_true(support_wait_readable(handle, 0));
    wpipe__name_watch_listen(&k);
    assert_false(support_wait_readable(handle, 0));
    wpipe__door_close(&d);
    move_private();
    assert_true(support_wait_readable(handle, 0));
    wpipe__name_watch_listen(&k);
    assert_int_equal(k.watch, handle);
    assert_int_equal(k.blind, 0);
    assert_int_equal(wpipe__door_open(&d, "loop", NULL), 0);
    assert_true(support_wait_readable(handle, 0));
    wpipe__name_watch_done(&k);
    wpipe__door_close(&d);
}

static const struct support_case cases[] = {
    TEST(knock_server_appears_wakes_at_once),
    TEST(knock_server_in_shared_place_wakes_too),
    TEST(knock_shared_place_appears_wakes_too),
    TEST_WITH(knock_directory_replaced_wakes_too, NULL, "moved"),
    TEST_WITH(knock_directory_replaced_wakes_too, (void *)(intptr_t)1,
              "removed"),
    TEST(knock_absent_private_directory_is_made),
    TEST(knock_absent_parents_are_waited_for),
    TEST(knock_rested_listens_again),
    TEST(knock_without_watches_backs_off),
    TEST(knock_without_descriptors_is_blind_and_times_out),
    TEST(knock_until_backs_off_to_a_tenth_of_a_second),
    TEST(knock_full_backlog_is_tried_again),
    TEST(knock_nobody_appears_times_out_after_one_look),
    TEST(knock_woken_says_so),
    TEST(knock_watch_tells_an_event_loop),
};

TEST_MAIN(cases)
