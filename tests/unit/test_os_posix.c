/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time, threads and error texts (src/os/posix.c).
 */
#include "os/os.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "support/support.h"

#define MILLISECOND UINT64_C(1000000)

/* ---- time --------------------------------------------------------------- */

static void clock_asked_often_never_goes_back(void **state)
{
    uint64_t before = wpipe__os_now();
    uint64_t now;
    int i;

    (void)state;
    assert_true(before > 0);
    for (i = 0; i < 10000; i++) {
        now = wpipe__os_now();
        assert_true(now >= before);
        before = now;
    }
}

static void deadline_zero_is_over(void **state)
{
    (void)state;
    assert_true(wpipe__os_deadline(0) == 0);
    assert_int_equal(wpipe__os_left_ms(0), 0);
}

static void deadline_forever_never_comes(void **state)
{
    (void)state;
    assert_true(wpipe__os_deadline(WPIPE_FOREVER) == UINT64_MAX);
    assert_true(wpipe__os_deadline(INT_MIN) == UINT64_MAX);
    assert_int_equal(wpipe__os_left_ms(UINT64_MAX), -1);
}

static void deadline_in_milliseconds_is_that_far_away(void **state)
{
    static const int timeouts[] = { 1, 2, 999, 1000, 86400000, INT_MAX };
    uint64_t before;
    uint64_t after;
    uint64_t deadline;
    uint64_t span;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
        span = (uint64_t)timeouts[i] * MILLISECOND;
        before = wpipe__os_now();
        deadline = wpipe__os_deadline(timeouts[i]);
        after = wpipe__os_now();
        assert_true(deadline >= before + span);
        assert_true(deadline <= after + span);
    }
}

static int rounded_up(uint64_t nanoseconds)
{
    return (int)((nanoseconds + MILLISECOND - 1) / MILLISECOND);
}

static void left_of_a_deadline_is_rounded_up(void **state)
{
    static const uint64_t spans[] = { 50 * MILLISECOND, 50 * MILLISECOND + 1,
                                      51 * MILLISECOND - 1,
                                      3600000 * MILLISECOND + 500 };
    uint64_t before;
    uint64_t after;
    uint64_t deadline;
    int left;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        before = wpipe__os_now();
        deadline = before + spans[i];
        left = wpipe__os_left_ms(deadline);
        after = wpipe__os_now();
        assert_true(left <= rounded_up(deadline - before));
        if (after < deadline)
            assert_true(left >= rounded_up(deadline - after));
    }
}

static void left_of_a_past_deadline_is_zero(void **state)
{
    (void)state;
    assert_int_equal(wpipe__os_left_ms(1), 0);
    assert_int_equal(wpipe__os_left_ms(wpipe__os_now()), 0);
}

static void left_of_a_far_deadline_fits_an_int(void **state)
{
    (void)state;
    assert_int_equal(wpipe__os_left_ms(UINT64_MAX - 1), INT_MAX);
}

/* ---- words --------------------------------------------------------------- */

static void word_unwoken_times_out_not_too_early(void **state)
{
    _Atomic uint32_t word = 7;
    uint64_t deadline = wpipe__os_deadline(30);
    int r;

    (void)state;
    do
        r = wpipe__os_word_wait(&word, 7, deadline);
    while (r == 0);
    assert_int_equal(r, WPIPE_ETIMEDOUT);
    assert_true(wpipe__os_now() >= deadline);
}

static void word_past_deadline_times_out(void **state)
{
    _Atomic uint32_t word = 7;

    (void)state;
    assert_int_equal(wpipe__os_word_wait(&word, 7, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe__os_word_wait(&word, 7, 1), WPIPE_ETIMEDOUT);
}

static void word_that_changed_is_not_slept_on(void **state)
{
    _Atomic uint32_t word = 7;

    (void)state;
    assert_int_equal(wpipe__os_word_wait(&word, 6, UINT64_MAX), 0);
}

struct meeting {
    _Atomic uint32_t arrived;
    _Atomic uint32_t word;
    _Atomic uint32_t left;
};

static void *wait_at_meeting(void *user)
{
    struct meeting *m = user;

    atomic_fetch_add(&m->arrived, 1);
    while (atomic_load(&m->word) == 0)
        assert_int_equal(wpipe__os_word_wait(&m->word, 0, UINT64_MAX), 0);
    atomic_fetch_add(&m->left, 1);
    return NULL;
}

static void word_woken_wakes_all(void **state)
{
    struct wpipe__thread threads[3];
    struct meeting m = { 0 };
    int i;

    (void)state;
    for (i = 0; i < 3; i++)
        assert_int_equal(wpipe__thread_start(&threads[i], wait_at_meeting, &m),
                         0);
    while (atomic_load(&m.arrived) < 3)
        wpipe__os_yield();
    atomic_store(&m.word, 1);
    wpipe__os_word_wake(&m.word);
    for (i = 0; i < 3; i++)
        wpipe__thread_join(&threads[i]);
    assert_int_equal(m.left, 3);
}

/* ---- threads ------------------------------------------------------------ */

struct seen {
    struct wpipe__thread thread;
    sigset_t blocked;
    int current;
};

static void *look_around(void *user)
{
    struct seen *s = user;

    s->current = wpipe__thread_is_current(&s->thread);
    pthread_sigmask(SIG_BLOCK, NULL, &s->blocked);
    return NULL;
}

static void thread_of_ours_knows_itself(void **state)
{
    struct seen s;
    int i;

    (void)state;
    for (i = 0; i < 50; i++) {
        memset(&s, 0, sizeof(s));
        assert_false(wpipe__thread_is_current(&s.thread));
        assert_int_equal(wpipe__thread_start(&s.thread, look_around, &s), 0);
        assert_false(wpipe__thread_is_current(&s.thread));
        wpipe__thread_join(&s.thread);
        assert_true(s.current);
        assert_false(wpipe__thread_is_current(&s.thread));
    }
}

static void thread_not_running_joins_at_once(void **state)
{
    struct wpipe__thread thread = { .running = 0 };
    struct seen s;

    (void)state;
    wpipe__thread_join(&thread);
    memset(&s, 0, sizeof(s));
    assert_int_equal(wpipe__thread_start(&s.thread, look_around, &s), 0);
    wpipe__thread_join(&s.thread);
    wpipe__thread_join(&s.thread);
    assert_false(s.thread.running);
}

static void thread_of_ours_takes_no_signals(void **state)
{
    static const int others[] = { SIGTERM, SIGINT,  SIGHUP,  SIGPIPE,
                                  SIGCHLD, SIGALRM, SIGUSR1, SIGPROF };
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    sigset_t before;
    sigset_t after;
    struct seen s;
    size_t i;
    int number;

    (void)state;
    memset(&s, 0, sizeof(s));
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_int_equal(wpipe__thread_start(&s.thread, look_around, &s), 0);
    wpipe__thread_join(&s.thread);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(sigismember(&s.blocked, others[i]), 1);
    for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        assert_int_equal(sigismember(&s.blocked, faults[i]), 0);
    for (number = 1; number < SIGRTMIN; number++)
        assert_int_equal(sigismember(&before, number),
                         sigismember(&after, number));
}

static void yield_comes_back(void **state)
{
    (void)state;
    wpipe__os_yield();
    assert_true(wpipe__os_pid() == getpid());
}

/* ---- error texts -------------------------------------------------------- */

struct told {
    char before[64];
    char after[64];
    int number_before;
    int number_after;
};

/* Fails for want of a file: a watch on something that is not there. */
static void fail_here(void)
{
    wpipe__handle watch = WPIPE__NO_HANDLE;

    assert_int_equal(wpipe__os_watch_open("/nowhere/at/all", &watch),
                     WPIPE_ENOTFOUND);
    assert_int_equal(watch, WPIPE__NO_HANDLE);
}

static void *tell_error(void *user)
{
    struct told *t = user;

    snprintf(t->before, sizeof(t->before), "%s", wpipe__os_error_text());
    t->number_before = wpipe__os_error_number();
    fail_here();
    snprintf(t->after, sizeof(t->after), "%s", wpipe__os_error_text());
    t->number_after = wpipe__os_error_number();
    return NULL;
}

static void error_text_belongs_to_its_thread(void **state)
{
    struct wpipe__thread thread;
    struct told t;

    (void)state;
    assert_string_equal(wpipe__os_error_text(), "");
    assert_int_equal(wpipe__os_error_number(), 0);
    assert_int_equal(wpipe__thread_start(&thread, tell_error, &t), 0);
    wpipe__thread_join(&thread);
    assert_string_equal(t.before, "");
    assert_int_equal(t.number_before, 0);
    assert_string_equal(t.after,
                        "inotify_add_watch: No such file or directory");
    assert_int_equal(t.number_after, ENOENT);
    assert_string_equal(wpipe__os_error_text(), "");
    assert_int_equal(wpipe__os_error_number(), 0);
}

static const struct support_case cases[] = {
    TEST(clock_asked_often_never_goes_back),
    TEST(deadline_zero_is_over),
    TEST(deadline_forever_never_comes),
    TEST(deadline_in_milliseconds_is_that_far_away),
    TEST(left_of_a_deadline_is_rounded_up),
    TEST(left_of_a_past_deadline_is_zero),
    TEST(left_of_a_far_deadline_fits_an_int),
    TEST(word_unwoken_times_out_not_too_early),
    TEST(word_past_deadline_times_out),
    TEST(word_that_changed_is_not_slept_on),
    TEST(word_woken_wakes_all),
    TEST(thread_of_ours_knows_itself),
    TEST(thread_not_running_joins_at_once),
    TEST(thread_of_ours_takes_no_signals),
    TEST(yield_comes_back),
    TEST(error_text_belongs_to_its_thread),
};

TEST_MAIN(cases)
