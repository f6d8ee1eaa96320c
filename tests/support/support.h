/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a test file needs: the case table, the runner behind it, and helpers for
 * processes, events, directories and clocks. For tests only.
 *
 * A test file holds `static void noun_situation_outcome(void **state)`
 * functions, which use cmocka's assertions, and ends with
 *
 *     static const struct support_case cases[] = {
 *         TEST(ring_empty_reads_nothing),
 *         TEST_SLOW(ring_four_gigabytes_arrive_whole),
 *     };
 *     TEST_MAIN(cases)
 *
 * Every case runs in a forked process of its own with a private WINDPIPE_DIR,
 * TMPDIR and XDG_RUNTIME_DIR and 15 seconds (120 when slow, four times that
 * under a sanitizer; an hour in tests/soak), which only a hang exceeds, also on
 * a busy machine. It fails by a failed assertion, a signal, an exit, the limit,
 * or by what it leaves: a descriptor, thread, shared mapping, child process, or
 * file in one of the three directories. Assertions also work in other threads
 * and in helper processes, where they abort. cmocka's mocks (will_return and
 * the like), test_malloc and skip() do not work here; see support_skip.
 */
#ifndef WINDPIPE_TESTS_SUPPORT_H
#define WINDPIPE_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <cmocka.h>

#ifndef SUPPORT_LIMIT_FACTOR
#define SUPPORT_LIMIT_FACTOR 1
#endif

/* "At once", on a machine whose cores others want, too: a call that waits for
 * what will not come, or for some timer of seconds, takes longer. */
#define SUPPORT_SOON_MS (4000 * SUPPORT_LIMIT_FACTOR)

/* How long a helper below waits for its event before it fails the case. */
#define SUPPORT_WAIT_MS (12000 * SUPPORT_LIMIT_FACTOR)

enum support_flags {
    SUPPORT_SLOW = 1 << 0, /* 120 seconds, not 15 */
    SUPPORT_SOAK = 1 << 1, /* an hour */
};

struct support_case {
    const char *name;
    void (*run)(void **state);
    void *argument;      /* what *state is when the case starts */
    const char *variant; /* shown as name[variant]; NULL = none */
    int flags;
};

#define TEST(function)                     \
    {                                      \
#function, function, NULL, NULL, 0 \
    }
#define TEST_SLOW(function)                           \
    {                                                 \
#function, function, NULL, NULL, SUPPORT_SLOW \
    }
#define TEST_SOAK(function)                           \
    {                                                 \
#function, function, NULL, NULL, SUPPORT_SOAK \
    }
#define TEST_WITH(function, argument, variant)    \
    {                                             \
#function, function, argument, variant, 0 \
    }

#define TEST_MAIN(cases)                                                      \
    int main(int argc, char **argv)                                           \
    {                                                                         \
        return support_main(argc, argv, cases, sizeof cases / sizeof *cases); \
    }

struct support_options {
    const char *pattern; /* fnmatch pattern over case names; NULL = all */
    FILE *out;           /* where the report goes; NULL = stdout */
    int limit_ms;        /* milliseconds for each case; 0 = as above */
};

struct support_report {
    size_t passed;
    size_t failed;
    size_t skipped;
};

/*
 * The program around a table: `[--list] [--in-process] [PATTERN]`. Returns the
 * exit code: 0 passed, 1 failed, 77 everything was skipped. --in-process runs
 * the cases one after another in this process without checks, for a debugger.
 */
int support_main(int argc, char **argv, const struct support_case *cases,
                 size_t count);

/* The runner itself, for tables made at run time and for its own tests. */
void support_run(const struct support_case *cases, size_t count,
                 const struct support_options *options,
                 struct support_report *ret_report);

/* Ends the case as skipped. The reason is shown. The checks still apply. */
void support_skip(const char *reason) __attribute__((noreturn));

/*
 * Files whose base name matches the fnmatch pattern may be left by this case
 * (at most eight patterns; the string must live on). Nothing may be by default.
 */
void support_allow_left(const char *pattern);

/*
 * How long a case of tests/soak that could go on for ever should: what
 * WINDPIPE_SOAK_SECONDS says, or 10 seconds.
 */
int64_t support_soak_ms(void);
/* Does it say so? A test of another folder that has more to try than a usual
 * run has time for then does it all, and its limit is an hour. */
bool support_is_soak(void);

/* --- directories and names ------------------------------------------------ */

/* The case's WINDPIPE_DIR, mode 0700. What is left in it fails the case. */
const char *support_runtime_dir(void);

/* Write it into a file that is there. */
bool support_write_text(const char *path, const char *text);

/* A scratch directory that is removed with everything in it, unchecked. */
const char *support_dir(void);

/* A pipe name nobody else uses. Valid until the eighth call after this one. */
const char *support_unique_name(void);

/* --- other processes ------------------------------------------------------ */

/* A child process and our end of the SOCK_SEQPACKET pair to it. */
struct helper {
    pid_t pid;
    int fd;
};

#define HELPER_NONE \
    {               \
        -1, -1      \
    }

/*
 * Runs run(fd, argument) in a forked child whose only descriptors are stdio and
 * its end of the pair, as if it were another program. Its return value is the
 * child's exit status. The child dies with the thread that started it.
 */
void helper_start(struct helper *helper, int (*run)(int fd, void *argument),
                  void *argument);

/* The same, but the child keeps every descriptor it inherits. */
void helper_fork(struct helper *helper, int (*run)(int fd, void *argument),
                 void *argument);

/* SIGKILL, and waits until it is dead. */
void helper_kill(struct helper *helper);

/* SIGSTOP, which returns once it has stopped, and SIGCONT. */
void helper_stop(const struct helper *helper);
void helper_cont(const struct helper *helper);

/*
 * Closes our end, waits for the child to end (SUPPORT_WAIT_MS at most). Returns
 * its exit status, or minus the signal that ended it.
 */
int helper_join(struct helper *helper);

/* One number over a helper's pair; fails the case when it does not come. */
void event_send(int fd, uint32_t value);
uint32_t event_wait(int fd);
void event_expect(int fd, uint32_t value);

/* --- waiting for something to be so --------------------------------------- */

/* Poll one descriptor for POLLIN; false when the time is over. */
bool support_wait_readable(int fd, int timeout_ms);

/* Until the path is there (or gone); fails the case after SUPPORT_WAIT_MS. */
void support_wait_path(const char *path, bool present);

/* Until thread tid of process pid sleeps in the kernel; fails the case. */
void support_wait_asleep(pid_t pid, pid_t tid);

/* Until every other thread of this process sleeps in the kernel; fails the
 * case. */
void support_wait_others_asleep(void);

/* The calling thread's number, for support_wait_asleep. */
pid_t support_tid(void);

/* --- measuring ------------------------------------------------------------ */

/* Monotonic clock. */
int64_t support_now_ms(void);
int64_t support_now_ns(void);

/* What this process holds now. */
size_t support_count_descriptors(void);
/* Until no more than `most` are open: what a peer passed is closed by a thread
 * of which nothing tells. False after SUPPORT_WAIT_MS. */
bool support_wait_descriptors(size_t most);
size_t support_count_threads(void);
size_t support_count_mappings(void);

/*
 * A TCP socket whose last close waits for a second: it has something to send to
 * one who does not read. *ret_other is that one; closing it ends the wait.
 */
int support_open_lingering(int *ret_other);
/* Nobody has waited for one of those since `begun` (support_now_ms). */
void support_expect_no_linger(int64_t begun);

/* From now on no descriptor can be opened, until the returned limit is given
 * back. */
struct rlimit support_use_up_descriptors(void);
void support_give_back_descriptors(struct rlimit before);

#endif
