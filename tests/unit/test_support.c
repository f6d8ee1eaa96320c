/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runner tests itself: each case runs a small table through a nested runner
 * and asserts that a bad case fails, for the right reason, and a good one does
 * not. Without this a runner that sees nothing would make every suite pass.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    NESTED_LIMIT_MS = 1500 * SUPPORT_LIMIT_FACTOR
};

/* Runs one case nested; returns the report, its text in *ret_text. */
static struct support_report nested(void (*run)(void **state), int limit_ms,
                                    char **ret_text)
{
    const struct support_case test = { "nested", run, NULL, NULL, 0 };
    struct support_options options = { .limit_ms = limit_ms };
    struct support_report report;
    size_t size;

    options.out = open_memstream(ret_text, &size);
    assert_non_null(options.out);
    support_run(&test, 1, &options, &report);
    fclose(options.out);
    return report;
}

static void expect_failure(void (*run)(void **state), const char *reason)
{
    char *text = NULL;
    struct support_report report = nested(run, NESTED_LIMIT_MS, &text);

    if (report.failed != 1 || report.passed != 0 || !strstr(text, reason))
        fail_msg("expected a failure with \"%s\", got: %s", reason, text);
    free(text);
}

static void expect_pass(void (*run)(void **state))
{
    char *text = NULL;
    struct support_report report = nested(run, 0, &text);

    if (report.passed != 1 || report.failed != 0)
        fail_msg("expected a pass, got: %s", text);
    free(text);
}

static void make_file(const char *dir, const char *name)
{
    char path[512];
    int fd;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

/* --- the bad cases -------------------------------------------------------- */

static void bad_assertion(void **state)
{
    (void)state;
    assert_int_equal(1, 2);
}

static void *assert_in_thread(void *argument)
{
    assert_int_equal(3, 4);
    return argument;
}

static void bad_assertion_in_thread(void **state)
{
    pthread_t thread;

    (void)state;
    pthread_create(&thread, NULL, assert_in_thread, NULL);
    pthread_join(thread, NULL);
}

static void bad_descriptor(void **state)
{
    (void)state;
    assert_true(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

static void bad_close(void **state)
{
    (void)state;
    close(STDIN_FILENO);
}

static void bad_child(void **state)
{
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    while (pid == 0)
        pause();
}

static void bad_zombie(void **state)
{
    siginfo_t info;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(0);
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
}

/* A grandchild in a session of its own, as a daemon would be. */
static void bad_daemon(void **state)
{
    int ready[2];
    char byte;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (fork() != 0)
            _exit(0);
        setsid();
        if (write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
}

static void bad_file(void **state)
{
    (void)state;
    make_file(support_runtime_dir(), "echo.lock");
}

static void bad_temporary_file(void **state)
{
    (void)state;
    make_file(getenv("TMPDIR"), "CoreFxPipe_echo");
}

static void *sleep_forever(void *argument)
{
    for (;;)
        pause();
    return argument;
}

static void bad_thread(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, sleep_forever, NULL), 0);
    pthread_detach(thread);
}

static void bad_mapping(void **state)
{
    int fd = memfd_create("leak", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_true(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
    close(fd);
}

/* By raise: the case must die of it under a sanitizer as well. */
static void bad_signal(void **state)
{
    (void)state;
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void bad_pipe_write(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    (void)!write(ends[1], "x", 1);
    close(ends[1]);
}

static void bad_hang(void **state)
{
    (void)state;
    for (;;)
        pause();
}

static void bad_exit(void **state)
{
    (void)state;
    exit(0);
}

static void bad_cmocka_skip(void **state)
{
    (void)state;
    skip();
}

static int assert_in_helper(int fd, void *argument)
{
    (void)argument;
    event_expect(fd, 99);
    return 0;
}

static void bad_helper(void **state)
{
    struct helper helper;

    (void)state;
    helper_start(&helper, assert_in_helper, NULL);
    event_send(helper.fd, 1);
    assert_int_equal(helper_join(&helper), 0);
}

static void bad_silent_helper(void **state)
{
    struct helper helper;

    (void)state;
    helper_start(&helper, assert_in_helper, NULL);
    event_send(helper.fd, 99);
    event_wait(helper.fd);
}

#ifdef __SANITIZE_ADDRESS__
static void bad_memory(void **state)
{
    void *volatile block = malloc(16);

    (void)state;
    assert_non_null(block);
    block = NULL;
}
#endif

#ifdef __SANITIZE_THREAD__
static int unguarded;

static void *add_unguarded(void *argument)
{
    unguarded++;
    return argument;
}

static void bad_race(void **state)
{
    pthread_t thread;

    (void)state;
    pthread_create(&thread, NULL, add_unguarded, NULL);
    unguarded++;
    pthread_join(thread, NULL);
}
#endif

/* --- the good cases ------------------------------------------------------- */

static int answer_twice(int fd, void *argument)
{
    uint32_t value = event_wait(fd);

    event_send(fd, value * 2);
    event_send(fd, (uint32_t)support_count_descriptors());
    return *(int *)argument;
}

static void good_case(void **state)
{
    int status = 7;
    struct helper helper;
    char folder[512];

    (void)state;
    make_file(support_dir(), "scratch");
    snprintf(folder, sizeof folder, "%s/locks", support_runtime_dir());
    assert_int_equal(mkdir(folder, 0700), 0);
    helper_start(&helper, answer_twice, &status);
    event_send(helper.fd, 21);
    event_expect(helper.fd, 42);
    event_expect(helper.fd, 4);
    assert_int_equal(helper_join(&helper), 7);
}

static void good_allowed_file(void **state)
{
    (void)state;
    support_allow_left("*.lock");
    make_file(support_runtime_dir(), "echo.lock");
}

static void good_skip(void **state)
{
    (void)state;
    support_skip("there is no moon tonight");
}

/* --- the cases ------------------------------------------------------------ */

static void case_assertion_fails_reported(void **state)
{
    (void)state;
    expect_failure(bad_assertion, "0x1 != 0x2");
    expect_failure(bad_assertion, "failed an assertion");
    expect_failure(bad_assertion_in_thread, "0x3 != 0x4");
}

static void case_descriptor_left_fails(void **state)
{
    (void)state;
    expect_failure(bad_descriptor, "-> /dev/null");
    expect_failure(bad_close, "closed but not its own: descriptor 0");
}

static void case_child_left_fails(void **state)
{
    (void)state;
    expect_failure(bad_child, "left behind: child process");
    expect_failure(bad_zombie, "nobody waited for it");
    expect_failure(bad_daemon, "left behind: child process");
}

static void case_file_left_fails(void **state)
{
    (void)state;
    expect_failure(bad_file, "left behind: file run/echo.lock");
    expect_failure(bad_temporary_file, "left behind: file tmp/CoreFxPipe_echo");
}

static void case_file_left_allowed_passes(void **state)
{
    (void)state;
    expect_pass(good_allowed_file);
}

static void case_thread_left_fails(void **state)
{
    (void)state;
    expect_failure(bad_thread, "left behind: 1 thread(s)");
}

static void case_mapping_left_fails(void **state)
{
    (void)state;
    expect_failure(bad_mapping, "left behind: 1 shared mapping(s)");
}

static void case_signal_ends_it_fails(void **state)
{
    (void)state;
    expect_failure(bad_signal, "killed by signal 11");
    expect_failure(bad_pipe_write, "killed by signal 13");
}

static void case_time_over_fails(void **state)
{
    (void)state;
    expect_failure(bad_hang, "timed out after");
}

static void case_exits_early_fails(void **state)
{
    (void)state;
    expect_failure(bad_exit, "exited with status 0 before its end");
    expect_failure(bad_cmocka_skip, "support_skip");
}

static void case_helper_fails_fails(void **state)
{
    (void)state;
    expect_failure(bad_helper, "0x1 != 0x63");
    expect_failure(bad_silent_helper, "ended instead of sending an event");
}

#ifdef __SANITIZE_ADDRESS__
static void case_memory_left_fails(void **state)
{
    (void)state;
    expect_failure(bad_memory, "detected memory leaks");
}
#endif

#ifdef __SANITIZE_THREAD__
static void case_data_race_fails(void **state)
{
    (void)state;
    expect_failure(bad_race, "data race");
}
#endif

static void case_clean_passes(void **state)
{
    (void)state;
    expect_pass(good_case);
}

static void case_skip_shows_reason(void **state)
{
    char *text = NULL;
    struct support_report report = nested(good_skip, 0, &text);

    (void)state;
    assert_int_equal(report.skipped, 1);
    assert_int_equal(report.passed + report.failed, 0);
    assert_non_null(strstr(text, "skipped: there is no moon tonight"));
    free(text);
}

static void table_pattern_runs_only_matches(void **state)
{
    const struct support_case table[] = {
        { "one", bad_assertion, NULL, NULL, 0 },
        { "two", good_allowed_file, NULL, NULL, 0 },
    };
    struct support_options options = { .pattern = "t*" };
    struct support_report report;

    (void)state;
    support_run(table, 2, &options, &report);
    assert_int_equal(report.passed, 1);
    assert_int_equal(report.failed, 0);
}

static int sleep_on_event(int fd, void *argument)
{
    (void)argument;
    event_send(fd, 1);
    event_expect(fd, 2);
    return 0;
}

static void helper_stopped_and_continued_answers(void **state)
{
    struct helper helper;

    (void)state;
    helper_start(&helper, sleep_on_event, NULL);
    event_expect(helper.fd, 1);
    support_wait_asleep(helper.pid, helper.pid);
    helper_stop(&helper);
    event_send(helper.fd, 2);
    assert_false(support_wait_readable(helper.fd, 0));
    helper_cont(&helper);
    assert_int_equal(helper_join(&helper), 0);
}

static void helper_killed_reported(void **state)
{
    struct helper helper;

    (void)state;
    helper_start(&helper, sleep_on_event, NULL);
    event_expect(helper.fd, 1);
    helper_kill(&helper);
    assert_int_equal(helper.pid, -1);
    assert_int_equal(helper.fd, -1);
}

static int make_and_remove(int fd, void *argument)
{
    make_file(support_dir(), "door");
    event_wait(fd);
    return unlink(argument) == 0 ? 0 : 1;
}

static void path_comes_and_goes_seen(void **state)
{
    char path[512];
    struct helper helper;

    (void)state;
    snprintf(path, sizeof path, "%s/door", support_dir());
    helper_start(&helper, make_and_remove, path);
    support_wait_path(path, true);
    event_send(helper.fd, 1);
    support_wait_path(path, false);
    assert_int_equal(helper_join(&helper), 0);
}

static void name_asked_twice_differs(void **state)
{
    (void)state;
    assert_string_not_equal(support_unique_name(), support_unique_name());
}

static const struct support_case cases[] = {
    TEST(case_assertion_fails_reported),
    TEST(case_descriptor_left_fails),
    TEST(case_child_left_fails),
    TEST(case_file_left_fails),
    TEST(case_file_left_allowed_passes),
    TEST(case_thread_left_fails),
    TEST(case_mapping_left_fails),
    TEST(case_signal_ends_it_fails),
    TEST(case_time_over_fails),
    TEST(case_exits_early_fails),
    TEST(case_helper_fails_fails),
#ifdef __SANITIZE_ADDRESS__
    TEST(case_memory_left_fails),
#endif
#ifdef __SANITIZE_THREAD__
    TEST(case_data_race_fails),
#endif
    TEST(case_clean_passes),
    TEST(case_skip_shows_reason),
    TEST(table_pattern_runs_only_matches),
    TEST(helper_stopped_and_continued_answers),
    TEST(helper_killed_reported),
    TEST(path_comes_and_goes_seen),
    TEST(name_asked_twice_differs),
};

TEST_MAIN(cases)
