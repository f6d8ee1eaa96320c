/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process learns about itself and others (src/os/posix_process.c).
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os_test.h"
#include "support/support.h"

/* ---- ourselves ---------------------------------------------------------- */

static void ids_are_those_of_the_process(void **state)
{
    (void)state;
    assert_true(wpipe__os_pid() == getpid());
    assert_true(wpipe__os_uid() == geteuid());
    assert_true(wpipe__os_gid() == getegid());
}

static void environment_tells_what_is_set(void **state)
{
    (void)state;
    assert_int_equal(setenv("WINDPIPE_TEST_WORD", "here", 1), 0);
    assert_string_equal(wpipe__os_environment("WINDPIPE_TEST_WORD"), "here");
    assert_int_equal(unsetenv("WINDPIPE_TEST_WORD"), 0);
    assert_null(wpipe__os_environment("WINDPIPE_TEST_WORD"));
}

static void random_bytes_fill_exactly_the_buffer(void **state)
{
    unsigned char first[602];
    unsigned char second[602];
    size_t i;
    size_t zeros = 0;

    (void)state;
    memset(first, 0, sizeof(first));
    memset(second, 0, sizeof(second));
    assert_int_equal(wpipe__os_random(first + 1, sizeof(first) - 2), 0);
    assert_int_equal(wpipe__os_random(second + 1, sizeof(second) - 2), 0);
    assert_int_equal(first[0] | first[601] | second[0] | second[601], 0);
    assert_memory_not_equal(first + 1, second + 1, 32);
    assert_memory_not_equal(first + 569, second + 569, 32);
    for (i = 1; i < 601; i++)
        zeros += first[i] == 0;
    assert_true(zeros < 100);
    assert_int_equal(wpipe__os_random(first, 0), 0);
}

static void core_is_one_that_we_may_use(void **state)
{
    cpu_set_t all;
    cpu_set_t one;
    int core;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    core = wpipe__os_core();
    assert_true(CPU_ISSET((size_t)core, &all));
    CPU_ZERO(&one);
    CPU_SET((size_t)core, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(wpipe__os_core(), core);
}

/* ---- programs ----------------------------------------------------------- */

static void program_of_this_process_is_its_executable(void **state)
{
    char path[1024] = "";
    char program[64];
    const char *slash;

    (void)state;
    assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
    slash = strrchr(path, '/');
    assert_non_null(slash);
    wpipe__os_program(getpid(), program, sizeof(program));
    assert_string_equal(program, slash + 1);
}

static void program_in_a_small_buffer_is_cut(void **state)
{
    char program[64];
    char small[4] = { 'x', 'x', 'x', 'x' };

    (void)state;
    wpipe__os_program(getpid(), program, sizeof(program));
    wpipe__os_program(getpid(), small, 3);
    assert_int_equal(small[0], program[0]);
    assert_int_equal(small[1], program[1]);
    assert_int_equal(small[2], '\0');
    assert_int_equal(small[3], 'x');
    wpipe__os_program(getpid(), small, 1);
    assert_int_equal(small[0], '\0');
    small[0] = 'x';
    wpipe__os_program(getpid(), small, 0);
    assert_int_equal(small[0], 'x');
}

static void program_of_nobody_is_empty(void **state)
{
    static const int64_t pids[] = { 0, -1, INT64_MIN, INT64_MAX, 4194305 };
    char program[64];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(pids) / sizeof(pids[0]); i++) {
        memset(program, 'x', sizeof(program));
        wpipe__os_program(pids[i], program, sizeof(program));
        assert_string_equal(program, "");
    }
}

static void copy_file(const char *from, const char *to)
{
    char block[65536];
    ssize_t n;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);

    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, block, sizeof(block))) > 0)
        assert_int_equal(write(out, block, (size_t)n), n);
    assert_int_equal(n, 0);
    close(in);
    close(out);
}

/* Start `path`, which sleeps; returns when it has been executed. */
static pid_t execute(const char *path)
{
    int ends[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(path, path, "60", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    return pid;
}

static void end(pid_t pid)
{
    int status;

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

/* CWE-150: the name would otherwise talk to the terminal of who lists it. */
static void program_with_control_bytes_is_cleaned(void **state)
{
    char path[1024];
    char program[64];
    pid_t pid;

    (void)state;
    snprintf(path, sizeof(path), "%s/a\x1b[31m\n\x7f\xc2\x9b\xc3\x9b",
             support_dir());
    copy_file("/bin/sleep", path);
    pid = execute(path);
    wpipe__os_program(pid, program, sizeof(program));
    assert_string_equal(program, "a?[31m????\xc3\x9b");
    assert_int_equal(unlink(path), 0);
    wpipe__os_program(pid, program, sizeof(program));
    assert_string_equal(program, "a?[31m????\xc3\x9b"); /* no " (deleted)" */
    end(pid);
}

/* A zombie has no executable any more, only the kernel's short name. */
static void program_of_a_zombie_is_its_short_name(void **state)
{
    char program[64];
    siginfo_t info;
    pid_t pid;

    (void)state;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_NAME, "zom\x1b"
                           "bie");
        _exit(0);
    }
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    wpipe__os_program(pid, program, sizeof(program));
    assert_string_equal(program, "zom?bie");
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    wpipe__os_program(pid, program, sizeof(program));
    assert_string_equal(program, "");
}

/* ---- users -------------------------------------------------------------- */

static void user_known_has_the_name_of_passwd(void **state)
{
    static const uid_t uids[] = { 0, 1, 65534 };
    struct passwd *entry;
    char user[64];
    size_t i;
    size_t known = 0;

    (void)state;
    for (i = 0; i < sizeof(uids) / sizeof(uids[0]); i++) {
        entry = getpwuid(uids[i]);
        if (!entry)
            continue;
        known++;
        wpipe__os_user(uids[i], user, sizeof(user));
        assert_string_equal(user, entry->pw_name);
    }
    if (known == 0)
        support_skip("no user has a name here");
}

static void user_unknown_is_its_number(void **state)
{
    char user[64];
    char small[4];

    (void)state;
    wpipe__os_user(4023456789u, user, sizeof(user));
    assert_string_equal(user, "4023456789");
    wpipe__os_user(4023456789u, small, sizeof(small));
    assert_string_equal(small, "402");
}

/* ---- fork --------------------------------------------------------------- */

/* Sends this process' number and that of a child of its own, twice each. */
static int tell_generation(int fd, void *depth)
{
    const int left = *(int *)depth - 1;
    struct helper child;
    int next = left;

    event_send(fd, wpipe__os_generation());
    event_send(fd, wpipe__os_generation());
    if (left == 0)
        return 0;
    helper_start(&child, tell_generation, &next);
    event_send(fd, event_wait(child.fd));
    event_send(fd, event_wait(child.fd));
    return helper_join(&child);
}

static void generation_differs_in_child_and_grandchild(void **state)
{
    const int *no_wipe = *state;
    struct helper child;
    uint32_t numbers[3];
    int depth = 2;
    int i;

    wpipe__os_test_no_wipe(no_wipe != NULL);
    numbers[0] = wpipe__os_generation();
    assert_true(numbers[0] != 0);
    assert_true(wpipe__os_generation() == numbers[0]);
    helper_start(&child, tell_generation, &depth);
    for (i = 1; i < 3; i++) {
        numbers[i] = event_wait(child.fd);
        event_expect(child.fd, numbers[i]);
        assert_true(numbers[i] != 0);
    }
    assert_int_equal(helper_join(&child), 0);
    assert_true(numbers[1] != numbers[0]);
    assert_true(numbers[2] != numbers[0]);
    assert_true(numbers[2] != numbers[1]);
    assert_true(wpipe__os_generation() == numbers[0]);
}

static _Atomic uint32_t drawn[8];

static void *draw(void *user)
{
    atomic_store((_Atomic uint32_t *)user, wpipe__os_generation());
    return NULL;
}

/* All threads of a process that is new to its number must agree on it. */
static void generation_first_asked_by_many_is_one(void **state)
{
    struct wpipe__thread threads[8];
    size_t i;

    (void)state;
    for (i = 0; i < 8; i++)
        assert_int_equal(
            wpipe__thread_start(&threads[i], draw, (void *)&drawn[i]), 0);
    for (i = 0; i < 8; i++)
        wpipe__thread_join(&threads[i]);
    for (i = 0; i < 8; i++)
        assert_true(atomic_load(&drawn[i]) == wpipe__os_generation());
}

static atomic_int asking;

static void *ask_on(void *user)
{
    const uint32_t first = wpipe__os_generation();

    (void)user;
    while (atomic_load(&asking)) {
        if (wpipe__os_generation() != first)
            return (void *)1;
    }
    return NULL;
}

/* Stays until it is killed: an exit from among threads takes ThreadSanitizer
 * a second each time. */
static int tell_and_stay(int fd, void *argument)
{
    (void)argument;
    event_send(fd, wpipe__os_generation());
    event_wait(fd);
    return 0;
}

static void generation_forked_while_asked_differs(void **state)
{
    struct wpipe__thread thread;
    struct helper child;
    uint32_t mine;
    int i;

    (void)state;
    atomic_store(&asking, 1);
    assert_int_equal(wpipe__thread_start(&thread, ask_on, NULL), 0);
    mine = wpipe__os_generation();
    for (i = 0; i < 20; i++) {
        helper_start(&child, tell_and_stay, NULL);
        assert_true(event_wait(child.fd) != mine);
        helper_kill(&child);
    }
    atomic_store(&asking, 0);
    wpipe__thread_join(&thread);
    assert_true(wpipe__os_generation() == mine);
}

static int without_wipe = 1;

static const struct support_case cases[] = {
    TEST(ids_are_those_of_the_process),
    TEST(environment_tells_what_is_set),
    TEST(random_bytes_fill_exactly_the_buffer),
    TEST(core_is_one_that_we_may_use),
    TEST(program_of_this_process_is_its_executable),
    TEST(program_in_a_small_buffer_is_cut),
    TEST(program_of_nobody_is_empty),
    TEST(program_with_control_bytes_is_cleaned),
    TEST(program_of_a_zombie_is_its_short_name),
    TEST(user_known_has_the_name_of_passwd),
    TEST(user_unknown_is_its_number),
    TEST_WITH(generation_differs_in_child_and_grandchild, NULL, "wiped"),
    TEST_WITH(generation_differs_in_child_and_grandchild, &without_wipe,
              "handler"),
    TEST(generation_first_asked_by_many_is_one),
    TEST(generation_forked_while_asked_differs),
};

TEST_MAIN(cases)
