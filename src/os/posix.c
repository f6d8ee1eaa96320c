/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time, threads and error texts on POSIX systems. Condition variables wait on
 * the monotonic clock, so that nobody's deadline moves when the date is set.
 */
#include "os/os.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os/posix.h"

#define SECOND      1000000000u
#define MILLISECOND 1000000u

/* ---- errors ------------------------------------------------------------- */

static _Thread_local struct {
    const char *what;
    int number;
    char text[128];
} last_error;

static int code_of(int number)
{
    switch (number) {
    case EAGAIN:
        return WPIPE_EAGAIN;
    case EINVAL:
        return WPIPE_EINVAL;
    case ENOENT:
        return WPIPE_ENOTFOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return WPIPE_EACCES;
    case ENOMEM:
        return WPIPE_ENOMEM;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOSPC:
    case EDQUOT:
    case ETOOMANYREFS:
        return WPIPE_ELIMIT;
    case ENOSYS:
    case EOPNOTSUPP:
        return WPIPE_ENOTSUP;
    default:
        return WPIPE_ESYSTEM;
    }
}

int wpipe__os_fail(const char *what, int number)
{
    last_error.what = what;
    last_error.number = number;
    return code_of(number);
}

/* There are two strerror_r: glibc's returns the text, that of POSIX fills the
 * buffer. Whichever this system has, one of these takes its result. */
static inline const char *glibc_text(char *text, const char *buf)
{
    (void)buf;
    return text;
}

static inline const char *posix_text(int r, const char *buf)
{
    return r == 0 ? buf : "unknown error";
}

#define ERROR_TEXT(number, buf) \
    _Generic(strerror_r(number, buf, sizeof(buf)), char *: glibc_text,         \
             int: posix_text)(strerror_r(number, buf, sizeof(buf)), buf)

const char *wpipe__os_error_text(void)
{
    char buf[96] = "";

    if (!last_error.what)
        return "";
    snprintf(last_error.text, sizeof(last_error.text), "%s: %s",
             last_error.what, ERROR_TEXT(last_error.number, buf));
    return last_error.text;
}

int wpipe__os_error_number(void)
{
    return last_error.number;
}

/* ---- time --------------------------------------------------------------- */

uint64_t wpipe__os_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

uint64_t wpipe__os_now_roughly(void)
{
    struct timespec t;

#ifdef CLOCK_MONOTONIC_COARSE
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
#else
    clock_gettime(CLOCK_MONOTONIC, &t);
#endif
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

uint64_t wpipe__os_deadline(int timeout_ms)
{
    if (timeout_ms < 0)
        return UINT64_MAX;
    if (timeout_ms == 0)
        return 0;
    return wpipe__os_now() + (uint64_t)timeout_ms * MILLISECOND;
}

int wpipe__os_left_ms(uint64_t deadline)
{
    uint64_t now;
    uint64_t left;

    if (deadline == UINT64_MAX)
        return -1;
    if (deadline == 0)
        return 0;
    now = wpipe__os_now();
    if (now >= deadline)
        return 0;
    /* Rounded up: poll must not return before the deadline, or a waiter
     * would go round in circles during the last millisecond. */
    left = (deadline - now - 1) / MILLISECOND + 1;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* ---- mutexes ------------------------------------------------------------ */

int wpipe__mutex_init(struct wpipe__mutex *m)
{
    int number = pthread_mutex_init(&m->system, NULL);

    return number ? wpipe__os_fail("pthread_mutex_init", number) : 0;
}

void wpipe__mutex_done(struct wpipe__mutex *m)
{
    pthread_mutex_destroy(&m->system);
}

void wpipe__mutex_lock(struct wpipe__mutex *m)
{
    pthread_mutex_lock(&m->system);
}

void wpipe__mutex_unlock(struct wpipe__mutex *m)
{
    pthread_mutex_unlock(&m->system);
}

/* ---- threads ------------------------------------------------------------ */

/* Lies on the stack of the starter, which stays until `begun`. */
struct start {
    struct wpipe__thread *thread;
    void *(*run)(void *);
    void *user;
    sem_t begun;
};

/*
 * The thread writes its own id: pthread_create may do so only after the
 * thread already asks wpipe__thread_is_current().
 */
static void *thread_main(void *argument)
{
    struct start *start = argument;
    void *(*run)(void *) = start->run;
    void *user = start->user;

    start->thread->system = pthread_self();
    start->thread->running = 1;
    sem_post(&start->begun);
    return run(user);
}

/*
 * All signals belong to the program's own threads. Only what a fault of the
 * thread itself raises stays open: blocked, it would kill without a word to
 * the program's crash reporter.
 */
static void thread_signals(sigset_t *ret_set)
{
    static const int faults[] = { SIGSEGV, SIGBUS,  SIGFPE,
                                  SIGILL,  SIGTRAP, SIGSYS };
    size_t i;

    sigfillset(ret_set);
    for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(ret_set, faults[i]);
}

int wpipe__thread_start(struct wpipe__thread *t, void *(*run)(void *),
                        void *user)
{
    struct start start = { .thread = t, .run = run, .user = user };
    sigset_t blocked;
    sigset_t before;
    pthread_t system;
    int number;

    t->running = 0;
    if (sem_init(&start.begun, 0, 0) < 0)
        return wpipe__os_fail("sem_init", errno);
    thread_signals(&blocked);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    number = pthread_create(&system, NULL, thread_main, &start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!number) {
        while (sem_wait(&start.begun) < 0)
            ; /* EINTR: a handler of the program's ran */
    }
    sem_destroy(&start.begun);
    if (!number)
        return 0;
    /* EAGAIN here means a limit on threads, not "try again". */
    wpipe__os_fail("pthread_create", number);
    return number == ENOMEM ? WPIPE_ENOMEM : WPIPE_ELIMIT;
}

void wpipe__thread_join(struct wpipe__thread *t)
{
    if (!t->running)
        return;
    pthread_join(t->system, NULL);
    t->running = 0;
}

int wpipe__thread_is_current(const struct wpipe__thread *t)
{
    return t->running && pthread_equal(t->system, pthread_self());
}

void wpipe__os_yield(void)
{
    sched_yield();
}
