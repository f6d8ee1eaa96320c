/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a table of cases, each in its own forked process with a time limit, and
 * reports. cmocka gives the assertions; its runner is not used, because a
 * failed assertion there jumps back into the runner, which is wrong in a helper
 * process or a second thread. With CMOCKA_TEST_ABORT it prints and aborts.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

enum {
    LIMIT_MS = 15000,
    LIMIT_SLOW_MS = 120000,
    LIMIT_SOAK_MS = 3600000,
    OUTPUT_SHOWN = 32 * 1024,
    /* Unlikely numbers: a case that calls exit() itself has not passed. */
    EXIT_PASSED = 200,
    EXIT_LEFT = 201,
    EXIT_SKIPPED = 202,
    EXIT_ALL_SKIPPED = 77
};

static struct snapshot baseline;
static bool in_process;

static void *no_thread(void *argument)
{
    return argument;
}

/* Sanitizers start a thread of their own with our first: before the count. */
static void settle_threads(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, no_thread, NULL) == 0)
        pthread_join(thread, NULL);
}

static void finish_case(int status) __attribute__((noreturn));

static void finish_case(int status)
{
    size_t findings;

    fflush(NULL);
    findings = snapshot_check(&baseline) + dirs_check();
    exit(findings > 0 ? EXIT_LEFT : status);
}

void support_skip(const char *reason)
{
    fprintf(stderr, "skipped: %s\n", reason);
    if (in_process)
        exit(EXIT_ALL_SKIPPED);
    finish_case(EXIT_SKIPPED);
}

/* The life of a case's process. */
static void child_main(const struct support_case *test, const char *dir,
                       int output, const sigset_t *mask)
{
    const struct rlimit no_core = { 0, 0 };
    void *state = test->argument;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(null, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    descriptors_close_except(-1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    dirs_enter(dir);
    settle_threads();
    snapshot_take(&baseline);
    test->run(&state);
    finish_case(EXIT_PASSED);
}

/* Waits for a child until the deadline; false = it is still running. */
static bool wait_until(pid_t pid, int64_t deadline, int *ret_status)
{
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (;;) {
        int64_t left = deadline - support_now_ns();
        struct timespec wait = { left / 1000000000, left % 1000000000 };

        if (waitpid(pid, ret_status, WNOHANG) == pid)
            return true;
        if (left <= 0)
            return false;
        sigtimedwait(&child, NULL, &wait);
    }
}

static const char *verdict(int status, bool in_time, int limit_ms, char *text,
                           size_t size)
{
    int code = WEXITSTATUS(status);

    if (!in_time)
        snprintf(text, size, "timed out after %d ms", limit_ms);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
        snprintf(text, size, "failed an assertion (aborted)");
    else if (WIFSIGNALED(status))
        snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (code == EXIT_LEFT)
        snprintf(text, size, "left something behind");
    else if (code == 255)
        snprintf(text, size,
                 "exited with status 255 (skip() is not for us: "
                 "support_skip tells the reason)");
    else
        snprintf(text, size, "exited with status %d before its end", code);
    return text;
}

static void show_output(FILE *out, int fd)
{
    char buffer[4096];
    char last = '\n';
    off_t size = lseek(fd, 0, SEEK_END);
    off_t at = size > OUTPUT_SHOWN ? size - OUTPUT_SHOWN : 0;
    ssize_t n;

    if (at > 0)
        fprintf(out, "(the last %d bytes of %lld)\n", OUTPUT_SHOWN,
                (long long)size);
    while ((n = pread(fd, buffer, sizeof buffer, at)) > 0) {
        fwrite(buffer, 1, (size_t)n, out);
        last = buffer[n - 1];
        at += n;
    }
    if (last != '\n')
        fputc('\n', out);
}

static int limit_of(const struct support_case *test,
                    const struct support_options *options)
{
    if (options->limit_ms > 0)
        return options->limit_ms;
    if ((test->flags & SUPPORT_SOAK) || support_is_soak())
        return LIMIT_SOAK_MS;
    return SUPPORT_LIMIT_FACTOR *
           (test->flags & SUPPORT_SLOW ? LIMIT_SLOW_MS : LIMIT_MS);
}

bool support_is_soak(void)
{
    return getenv("WINDPIPE_SOAK_SECONDS") != NULL;
}

int64_t support_soak_ms(void)
{
    const char *seconds = getenv("WINDPIPE_SOAK_SECONDS");
    long given = seconds ? strtol(seconds, NULL, 10) : 10;

    return given > 0 ? given * 1000 : 1;
}

static const char *full_name(const struct support_case *test, char *text,
                             size_t size)
{
    if (test->variant)
        snprintf(text, size, "%s[%s]", test->name, test->variant);
    else
        snprintf(text, size, "%s", test->name);
    return text;
}

/* Runs one case to its end and leaves nothing of it running. */
static bool run_process(const struct support_case *test, const char *dir,
                        int output, int limit_ms, int *ret_status)
{
    sigset_t child;
    sigset_t before;
    bool in_time;
    pid_t pid;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &before);
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        child_main(test, dir, output, &before);
    in_time = pid > 0 &&
              wait_until(pid, support_now_ns() + (int64_t)limit_ms * 1000000,
                         ret_status);
    if (pid > 0 && !in_time) {
        kill(pid, SIGKILL);
        waitpid(pid, ret_status, 0);
    }
    /* We are their reaper: what outlived the case has become our child. */
    children_end();
    sigprocmask(SIG_SETMASK, &before, NULL);
    return in_time;
}

static void run_case(const struct support_case *test,
                     const struct support_options *options,
                     struct support_report *report)
{
    FILE *out = options->out;
    char name[256];
    char dir[PATH_MAX] = "";
    char text[256];
    int limit_ms = limit_of(test, options);
    int64_t start = support_now_ms();
    int status = 0;
    int output = memfd_create("output", MFD_CLOEXEC);
    bool in_time;

    full_name(test, name, sizeof name);
    if (output < 0 || dirs_make(dir, sizeof dir) < 0) {
        fprintf(out, "[  FAILED  ] %s: no output file or directory\n", name);
        report->failed++;
        if (output >= 0)
            close(output);
        return;
    }
    fprintf(out, "[ RUN      ] %s\n", name);
    in_time = run_process(test, dir, output, limit_ms, &status);
    if (in_time && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PASSED) {
        fprintf(out, "[       OK ] %s (%lld ms)\n", name,
                (long long)(support_now_ms() - start));
        report->passed++;
    } else if (in_time && WIFEXITED(status) &&
               WEXITSTATUS(status) == EXIT_SKIPPED) {
        show_output(out, output);
        fprintf(out, "[  SKIPPED ] %s\n", name);
        report->skipped++;
    } else {
        show_output(out, output);
        fprintf(out, "[  FAILED  ] %s: %s\n", name,
                verdict(status, in_time, limit_ms, text, sizeof text));
        report->failed++;
    }
    fflush(out);
    close(output);
    dirs_remove(dir);
}

static bool is_chosen(const struct support_case *test, const char *pattern)
{
    char name[256];

    return !pattern || fnmatch(pattern, test->name, 0) == 0 ||
           strcmp(pattern, full_name(test, name, sizeof name)) == 0;
}

void support_run(const struct support_case *cases, size_t count,
                 const struct support_options *options,
                 struct support_report *ret_report)
{
    struct support_options used = { 0 };
    struct support_report report = { 0, 0, 0 };
    int reaper = 0;

    if (options)
        used = *options;
    if (!used.out)
        used.out = stdout;
    prctl(PR_GET_CHILD_SUBREAPER, &reaper);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (size_t i = 0; i < count; i++)
        if (is_chosen(&cases[i], used.pattern))
            run_case(&cases[i], &used, &report);
    prctl(PR_SET_CHILD_SUBREAPER, reaper);
    fprintf(used.out, "%zu passed, %zu failed, %zu skipped\n", report.passed,
            report.failed, report.skipped);
    fflush(used.out);
    *ret_report = report;
}

/* For a debugger: no process, no limit and no checks; stops at a failure. */
static int run_here(const struct support_case *cases, size_t count,
                    const char *pattern)
{
    char dir[PATH_MAX];

    in_process = true;
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    for (size_t i = 0; i < count; i++) {
        void *state = cases[i].argument;

        if (!is_chosen(&cases[i], pattern))
            continue;
        if (dirs_make(dir, sizeof dir) < 0)
            return 1;
        dirs_enter(dir);
        printf("[ RUN      ] %s\n", cases[i].name);
        cases[i].run(&state);
        dirs_remove(dir);
    }
    return 0;
}

int support_main(int argc, char **argv, const struct support_case *cases,
                 size_t count)
{
    struct support_options options = { 0 };
    struct support_report report;
    char name[256];
    bool here = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            for (size_t n = 0; n < count; n++)
                puts(full_name(&cases[n], name, sizeof name));
            return 0;
        }
        if (strcmp(argv[i], "--in-process") == 0)
            here = true;
        else
            options.pattern = argv[i];
    }
    if (here)
        return run_here(cases, count, options.pattern);
    support_run(cases, count, &options, &report);
    if (report.failed > 0 || report.passed + report.skipped == 0)
        return 1;
    return report.passed == 0 ? EXIT_ALL_SKIPPED : 0;
}
