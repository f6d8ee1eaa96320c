/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for handles, flags, many handles and names (src/os/linux.c).
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "support/support.h"

static uint64_t soon(void)
{
    return wpipe__os_deadline(SUPPORT_WAIT_MS);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
    (void)number;
    alarms++;
}

/* Signals every 3 ms, without SA_RESTART, until `on` is 0. */
static void alarms_turn(int on)
{
    const struct itimerval every = {
        .it_interval = { .tv_usec = on ? 3000 : 0 },
        .it_value = { .tv_usec = on ? 3000 : 0 },
    };
    struct sigaction action = { .sa_handler = count_alarm };

    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void send_byte(wpipe__handle socket)
{
    assert_int_equal(send(socket, "x", 1, MSG_NOSIGNAL), 1);
}

/* ---- a few handles ------------------------------------------------------ */

static void wait_for_nothing_ready_is_zero(void **state)
{
    wpipe__handle pair[2];

    (void)state;
    assert_int_equal(wpipe__os_socket_pair(pair), 0);
    assert_int_equal(wpipe__os_wait(pair, 2, 0), 0);
    assert_int_equal(wpipe__os_wait(pair, 0, 0), 0);
    wpipe__os_close(pair[0]);
    wpipe__os_close(pair[1]);
}

static void wait_tells_which_handles_are_ready(void **state)
{
    wpipe__handle handles[4];
    int i;
    int bits;

    (void)state;
    for (i = 0; i < 4; i++)
        assert_int_equal(wpipe__os_flag_open(&handles[i]), 0);
    for (bits = 0; bits < 16; bits++) {
        for (i = 0; i < 4; i++) {
            if (bits & 1 << i)
                wpipe__os_flag_set(handles[i]);
        }
        assert_int_equal(wpipe__os_wait(handles, 4, bits ? soon() : 0), bits);
        for (i = 0; i < 4; i++)
            wpipe__os_flag_clear(handles[i]);
    }
    for (i = 0; i < 4; i++)
        wpipe__os_close(handles[i]);
}

static void wait_leaves_out_no_handles(void **state)
{
    wpipe__handle handles[3] = { WPIPE__NO_HANDLE, WPIPE__NO_HANDLE,
                                 WPIPE__NO_HANDLE };

    (void)state;
    assert_int_equal(wpipe__os_wait(handles, 3, 0), 0);
    assert_int_equal(wpipe__os_flag_open(&handles[2]), 0);
    wpipe__os_flag_set(handles[2]);
    assert_int_equal(wpipe__os_wait(handles, 3, soon()), 1 << 2);
    wpipe__os_close(handles[2]);
}

static void wait_for_too_many_is_refused(void **state)
{
    const wpipe__handle handles[5] = { -1, -1, -1, -1, -1 };

    (void)state;
    assert_int_equal(wpipe__os_wait(handles, 5, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe__os_wait(handles, -1, 0), WPIPE_EINVAL);
}

static void wait_for_a_hung_up_socket_is_ready(void **state)
{
    wpipe__handle pair[2];

    (void)state;
    assert_int_equal(wpipe__os_socket_pair(pair), 0);
    wpipe__os_close(pair[1]);
    assert_int_equal(wpipe__os_wait(pair, 1, soon()), 1);
    wpipe__os_close(pair[0]);
}

static void wait_tells_of_a_signal_handler(void **state)
{
    wpipe__handle flag;
    uint64_t deadline;

    (void)state;
    assert_int_equal(wpipe__os_flag_open(&flag), 0);
    alarms_turn(1);
    deadline = soon();
    assert_int_equal(wpipe__os_wait(&flag, 1, deadline), WPIPE_EWOKEN);
    assert_int_equal(
        wpipe__os_wait_for(flag, WPIPE__INTEREST_IN, flag, deadline),
        WPIPE_EWOKEN);
    assert_true(wpipe__os_now() < deadline);
    alarms_turn(0);
    assert_true(alarms > 0);
    wpipe__os_close(flag);
}

static void *set_flag(void *user)
{
    wpipe__os_flag_set(*(wpipe__handle *)user);
    return NULL;
}

static void wait_forever_ends_with_a_flag(void **state)
{
    struct wpipe__thread thread;
    wpipe__handle flag;

    (void)state;
    assert_int_equal(wpipe__os_flag_open(&flag), 0);
    assert_int_equal(wpipe__thread_start(&thread, set_flag, &flag), 0);
    assert_int_equal(wpipe__os_wait(&flag, 1, UINT64_MAX), 1);
    wpipe__thread_join(&thread);
    wpipe__os_close(flag);
}

/* ---- flags -------------------------------------------------------------- */

static void flag_set_twice_clears_once(void **state)
{
    wpipe__handle flag;

    (void)state;
    assert_int_equal(wpipe__os_flag_open(&flag), 0);
    assert_int_equal(wpipe__os_flag_clear(flag), 0);
    wpipe__os_flag_set(flag);
    wpipe__os_flag_set(flag);
    assert_int_equal(wpipe__os_flag_clear(flag), 1);
    assert_int_equal(wpipe__os_flag_clear(flag), 0);
    wpipe__os_close(flag);
}

static void flag_full_is_set_without_waiting(void **state)
{
    const uint64_t most = UINT64_MAX - 1;
    wpipe__handle flag;

    (void)state;
    assert_int_equal(wpipe__os_flag_open(&flag), 0);
    assert_int_equal(write(flag, &most, sizeof(most)), sizeof(most));
    wpipe__os_flag_set(flag);
    assert_int_equal(wpipe__os_flag_clear(flag), 1);
    wpipe__os_close(flag);
}

static void opening_without_descriptors_is_a_limit(void **state)
{
    wpipe__handle handle = WPIPE__NO_HANDLE;
    wpipe__handle pair[2] = { WPIPE__NO_HANDLE, WPIPE__NO_HANDLE };
    struct rlimit before = support_use_up_descriptors();

    (void)state;
    assert_int_equal(wpipe__os_flag_open(&handle), WPIPE_ELIMIT);
    assert_int_equal(wpipe__os_poller_open(&handle), WPIPE_ELIMIT);
    assert_int_equal(wpipe__os_reserve(&handle), WPIPE_ELIMIT);
    assert_int_equal(wpipe__os_watch_open("/tmp", &handle), WPIPE_ELIMIT);
    assert_int_equal(wpipe__os_socket_pair(pair), WPIPE_ELIMIT);
    assert_int_equal(handle, WPIPE__NO_HANDLE);
    assert_int_equal(pair[0], WPIPE__NO_HANDLE);
    support_give_back_descriptors(before);
}

static void handles_are_closed_on_exec_and_do_not_block(void **state)
{
    wpipe__handle handles[6];
    int i;

    (void)state;
    assert_int_equal(wpipe__os_flag_open(&handles[0]), 0);
    assert_int_equal(wpipe__os_reserve(&handles[1]), 0);
    assert_int_equal(wpipe__os_watch_open(support_dir(), &handles[2]), 0);
    assert_int_equal(wpipe__os_socket_pair(&handles[3]), 0);
    assert_int_equal(wpipe__os_poller_open(&handles[5]), 0);
    for (i = 0; i < 6; i++) {
        assert_true(fcntl(handles[i], F_GETFD) & FD_CLOEXEC);
        if (i < 5)
            assert_true(fcntl(handles[i], F_GETFL) & O_NONBLOCK);
        wpipe__os_close(handles[i]);
    }
}

/* ---- many handles ------------------------------------------------------- */

static void poller_reports_until_it_is_read(void **state)
{
    wpipe__handle pair[2];
    wpipe__handle poller;
    uint64_t tags[4];
    char byte;
    int i;

    (void)state;
    assert_int_equal(wpipe__os_socket_pair(pair), 0);
    assert_int_equal(wpipe__os_poller_open(&poller), 0);
    assert_int_equal(wpipe__os_poller_add(poller, pair[0], UINT64_MAX - 7), 0);
    assert_int_equal(wpipe__os_poller_wait(poller, tags, 4, 0), 0);
    assert_int_equal(wpipe__os_wait(&poller, 1, 0), 0);
    send_byte(pair[1]);
    for (i = 0; i < 3; i++) {
        assert_int_equal(wpipe__os_poller_wait(poller, tags, 4, soon()), 1);
        assert_true(tags[0] == UINT64_MAX - 7);
        assert_int_equal(wpipe__os_wait(&poller, 1, soon()), 1);
    }
    assert_int_equal(read(pair[0], &byte, 1), 1);
    assert_int_equal(wpipe__os_poller_wait(poller, tags, 4, 0), 0);
    assert_int_equal(wpipe__os_wait(&poller, 1, 0), 0);
    wpipe__os_close(poller);
    wpipe__os_close(pair[0]);
    wpipe__os_close(pair[1]);
}

static void poller_reports_a_hang_up(void **state)
{
    wpipe__handle pair[2];
    wpipe__handle poller;
    uint64_t tag;

    (void)state;
    assert_int_equal(wpipe__os_socket_pair(pair), 0);
    assert_int_equal(wpipe__os_poller_open(&poller), 0);
    assert_int_equal(wpipe__os_poller_add(poller, pair[0], 5), 0);
    wpipe__os_close(pair[1]);
    assert_int_equal(wpipe__os_poller_wait(poller, &tag, 1, soon()), 1);
    assert_true(tag == 5);
    wpipe__os_close(pair[0]);
    assert_int_equal(wpipe__os_poller_wait(poller, &tag, 1, 0), 0);
    wpipe__os_close(poller);
}

static void poller_forgets_what_is_removed(void **state)
{
    wpipe__handle flag;
    wpipe__handle poller;
    uint64_t tag = 0;

    (void)state;
    assert_int_equal(wpipe__os_flag_open(&flag), 0);
    assert_int_equal(wpipe__os_poller_open(&poller), 0);
    assert_int_equal(wpipe__os_poller_add(poller, flag, 1), 0);
    wpipe__os_flag_set(flag);
    wpipe__os_poller_remove(poller, flag);
    wpipe__os_poller_remove(poller, flag);
    assert_int_equal(wpipe__os_poller_wait(poller, &tag, 1, 0), 0);
    assert_int_equal(wpipe__os_poller_add(poller, flag, 2), 0);
    assert_int_equal(wpipe__os_poller_wait(poller, &tag, 1, 0), 1);
    assert_true(tag == 2);
    wpipe__os_close(poller);
    wpipe__os_close(flag);
}

static void poller_with_little_room_serves_all_in_turn(void **state)
{
    enum {
        COUNT = 100
    };
    wpipe__handle flags[COUNT];
    wpipe__handle poller;
    uint64_t tags[COUNT];
    int served[COUNT] = { 0 };
    int left = COUNT;
    int i;
    int n;

    (void)state;
    assert_int_equal(wpipe__os_poller_open(&poller), 0);
    for (i = 0; i < COUNT; i++) {
        assert_int_equal(wpipe__os_flag_open(&flags[i]), 0);
        assert_int_equal(wpipe__os_poller_add(poller, flags[i], (uint64_t)i),
                         0);
        wpipe__os_flag_set(flags[i]);
    }
    while (left > 0) {
        n = wpipe__os_poller_wait(poller, tags, 7, soon());
        assert_in_range(n, 1, 7);
        for (i = 0; i < n; i++) {
            assert_in_range(tags[i], 0, COUNT - 1);
            assert_int_equal(served[tags[i]]++, 0);
            wpipe__os_flag_clear(flags[tags[i]]);
            left--;
        }
    }
    for (i = 0; i < COUNT; i++)
        wpipe__os_flag_set(flags[i]);
    n = wpipe__os_poller_wait(poller, tags, COUNT, soon());
    assert_in_range(n, 1, COUNT);
    for (i = 0; i < COUNT; i++)
        wpipe__os_close(flags[i]);
    wpipe__os_close(poller);
}

static void poller_refuses_what_makes_no_sense(void **state)
{
    wpipe__handle flag;
    wpipe__handle poller;
    uint64_t tag;

    (void)state;
    assert_int_equal(wpipe__os_flag_open(&flag), 0);
    assert_int_equal(wpipe__os_poller_open(&poller), 0);
    assert_int_equal(wpipe__os_poller_wait(poller, &tag, 0, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe__os_poller_add(poller, flag, 1), 0);
    assert_int_equal(wpipe__os_poller_add(poller, flag, 2), WPIPE_ESYSTEM);
    assert_int_equal(wpipe__os_error_number(), EEXIST);
    assert_int_equal(wpipe__os_poller_wait(flag, &tag, 1, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe__os_poller_add(poller, -1, 2), WPIPE_ESYSTEM);
    wpipe__os_close(poller);
    wpipe__os_close(flag);
}

static void poller_tells_of_a_signal_handler(void **state)
{
    wpipe__handle poller;
    uint64_t tag;

    (void)state;
    assert_int_equal(wpipe__os_poller_open(&poller), 0);
    alarms_turn(1);
    assert_int_equal(wpipe__os_poller_wait(poller, &tag, 1, soon()),
                     WPIPE_EWOKEN);
    alarms_turn(0);
    wpipe__os_close(poller);
}

static void timer_is_ready_from_its_time_on(void **state)
{
    wpipe__handle timer;
    uint64_t when = wpipe__os_deadline(20);

    (void)state;
    assert_int_equal(wpipe__os_timer_open(&timer), 0);
    assert_int_equal(wpipe__os_wait(&timer, 1, 0), 0);
    wpipe__os_timer_set(timer, when);
    assert_int_equal(wpipe__os_wait(&timer, 1, soon()), 1);
    assert_true(wpipe__os_now() >= when);
    assert_int_equal(wpipe__os_wait(&timer, 1, 0), 1);
    wpipe__os_timer_set(timer, UINT64_MAX);
    assert_int_equal(wpipe__os_wait(&timer, 1, 0), 0);
    wpipe__os_timer_set(timer, 0); /* long ago */
    assert_int_equal(wpipe__os_wait(&timer, 1, soon()), 1);
    wpipe__os_close(timer);
}

/* ---- a name appears ----------------------------------------------------- */

struct watched {
    char path[512];
    wpipe__handle directory;
    wpipe__handle watch;
};

static void watched_open(struct watched *w)
{
    snprintf(w->path, sizeof(w->path), "%s/watched", support_dir());
    assert_int_equal(mkdir(w->path, 0700), 0);
    w->directory = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(w->directory >= 0);
    assert_int_equal(wpipe__os_watch_open(w->path, &w->watch), 0);
}

static void watched_close(struct watched *w)
{
    wpipe__os_close(w->watch);
    wpipe__os_close(w->directory);
}

static void expect_seen(struct watched *w)
{
    assert_int_equal(wpipe__os_wait(&w->watch, 1, soon()), 1);
    wpipe__os_watch_drain(w->watch);
    assert_int_equal(wpipe__os_wait(&w->watch, 1, 0), 0);
}

static void watch_sees_names_made_bound_and_moved(void **state)
{
    struct watched w;
    wpipe__handle listener;
    int fd;

    (void)state;
    watched_open(&w);
    assert_int_equal(wpipe__os_wait(&w.watch, 1, 0), 0);
    fd = openat(w.directory, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    expect_seen(&w);
    assert_int_equal(write(fd, "x", 1), 1); /* not a new name */
    close(fd);
    assert_int_equal(wpipe__os_wait(&w.watch, 1, 0), 0);
    assert_int_equal(wpipe__os_listen(w.directory, "s", 0600, 0, &listener), 0);
    expect_seen(&w);
    assert_int_equal(renameat(w.directory, "s", w.directory, "t"), 0);
    expect_seen(&w);
    assert_int_equal(unlinkat(w.directory, "t", 0), 0); /* nor is this */
    assert_int_equal(wpipe__os_wait(&w.watch, 1, 0), 0);
    wpipe__os_close(listener);
    watched_close(&w);
}

static void watch_sees_the_directory_go(void **state)
{
    struct watched w;

    (void)state;
    watched_open(&w);
    wpipe__os_close(w.directory); /* else it is only unlinked */
    w.directory = WPIPE__NO_HANDLE;
    assert_int_equal(rmdir(w.path), 0);
    assert_int_equal(wpipe__os_wait(&w.watch, 1, soon()), 1);
    watched_close(&w);
}

static void watch_of_nothing_is_refused(void **state)
{
    char path[512];
    wpipe__handle watch = WPIPE__NO_HANDLE;
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/absent", support_dir());
    assert_int_equal(wpipe__os_watch_open(path, &watch), WPIPE_ENOTFOUND);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(wpipe__os_watch_open(path, &watch), WPIPE_ESYSTEM);
    assert_int_equal(wpipe__os_error_number(), ENOTDIR);
    assert_int_equal(watch, WPIPE__NO_HANDLE);
}

static void watch_of_two_directories_sees_both(void **state)
{
    char path[512];
    struct watched w;
    int number;
    int i;

    (void)state;
    watched_open(&w);
    snprintf(path, sizeof(path), "%s/other", support_dir());
    assert_int_equal(wpipe__os_watch_add(w.watch, path), WPIPE_ENOTFOUND);
    assert_int_equal(mkdir(path, 0700), 0);
    number = wpipe__os_watch_add(w.watch, path);
    assert_true(number >= 0);
    assert_int_equal(wpipe__os_watch_add(w.watch, path), number);
    assert_true(wpipe__os_watch_add(w.watch, w.path) != number);
    assert_int_equal(mkdirat(w.directory, "here", 0700), 0);
    expect_seen(&w);
    snprintf(path, sizeof(path), "%s/other/there", support_dir());
    assert_int_equal(mkdir(path, 0700), 0);
    expect_seen(&w);
    for (i = 0; i < 2; i++) /* the second time it is unknown */
        wpipe__os_watch_remove(w.watch, number);
    wpipe__os_watch_drain(w.watch);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(wpipe__os_wait(&w.watch, 1, 0), 0);
    assert_int_equal(mkdirat(w.directory, "again", 0700), 0);
    expect_seen(&w);
    watched_close(&w);
}

static const struct support_case cases[] = {
    TEST(wait_for_nothing_ready_is_zero),
    TEST(wait_tells_which_handles_are_ready),
    TEST(wait_leaves_out_no_handles),
    TEST(wait_for_too_many_is_refused),
    TEST(wait_for_a_hung_up_socket_is_ready),
    TEST(wait_tells_of_a_signal_handler),
    TEST(wait_forever_ends_with_a_flag),
    TEST(flag_set_twice_clears_once),
    TEST(flag_full_is_set_without_waiting),
    TEST(opening_without_descriptors_is_a_limit),
    TEST(handles_are_closed_on_exec_and_do_not_block),
    TEST(poller_reports_until_it_is_read),
    TEST(poller_reports_a_hang_up),
    TEST(poller_forgets_what_is_removed),
    TEST(poller_with_little_room_serves_all_in_turn),
    TEST(poller_refuses_what_makes_no_sense),
    TEST(poller_tells_of_a_signal_handler),
    TEST(timer_is_ready_from_its_time_on),
    TEST(watch_sees_names_made_bound_and_moved),
    TEST(watch_sees_the_directory_go),
    TEST(watch_of_nothing_is_refused),
    TEST(watch_of_two_directories_sees_both),
};

TEST_MAIN(cases)
