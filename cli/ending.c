/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread takes the signals, so that what it calls may be any function:
 * a signal handler could not use the library's wake calls.
 */
#include "ending.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

enum {
    GRACE_MS = 5000 /* to end, besides --linger */
};

static const struct options *current;
static sigset_t original_mask;
static sigset_t taken;
static atomic_int came;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void (*watched_wake)(void *object);
static void *watched;

static void die(int number)
{
    sigset_t only;

    signal(number, SIG_DFL);
    sigemptyset(&only);
    sigaddset(&only, number);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    raise(number);
}

/* Returns false when there was nothing to wake. */
static bool wake_watched(void)
{
    bool found;

    pthread_mutex_lock(&lock);
    found = watched_wake != NULL;
    if (found)
        watched_wake(watched);
    pthread_mutex_unlock(&lock);
    return found;
}

static void *take_signals(void *unused)
{
    const int64_t ms = (int64_t)current->linger_ms + GRACE_MS;
    const struct timespec grace = { .tv_sec = ms / 1000,
                                    .tv_nsec = ms % 1000 * 1000000 };
    int number, again;

    (void)unused;
    do {
        number = sigwaitinfo(&taken, NULL);
    } while (number < 0 && errno == EINTR);
    if (number < 0)
        return NULL;
    atomic_store(&came, number);
    if (wake_watched()) {
        do {
            again = sigtimedwait(&taken, NULL, &grace);
        } while (again < 0 && errno == EINTR);
        number = again > 0 ? again : number;
        say(current, "%s: ended at once; what was not delivered is lost",
            again > 0 ? "a second signal" : "it takes too long");
    }
    die(number);
    return NULL;
}

int ending_start(const struct options *options)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction before;
    pthread_t thread;
    sigset_t all;
    int r;

    current = options;
    sigemptyset(&taken);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        /* nohup, and shells for what runs in the background, ignore some */
        if (sigaction(numbers[i], NULL, &before) == 0 &&
            before.sa_handler != SIG_IGN)
            sigaddset(&taken, numbers[i]);
    }
    /* all others (a window that changes) are for the main thread */
    sigfillset(&all);
    if (pthread_sigmask(SIG_BLOCK, &all, &original_mask) != 0)
        return -1;
    r = pthread_create(&thread, NULL, take_signals, NULL);
    pthread_sigmask(SIG_SETMASK, &original_mask, NULL);
    pthread_sigmask(SIG_BLOCK, &taken, NULL);
    if (r != 0)
        return -1;
    pthread_detach(thread);
    return 0;
}

void ending_watch(void (*wake)(void *object), void *object)
{
    bool late;

    pthread_mutex_lock(&lock);
    watched_wake = wake;
    watched = object;
    late = wake != NULL && atomic_load(&came) != 0;
    if (late)
        wake(object);
    pthread_mutex_unlock(&lock);
}

int ending_signal(void)
{
    return atomic_load(&came);
}

void ending_raise(void)
{
    int number = atomic_load(&came);

    if (number != 0)
        die(number);
}

const sigset_t *ending_original_mask(void)
{
    return &original_mask;
}
