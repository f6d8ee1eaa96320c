/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How Ctrl-C gets through. A signal handler in Python runs on the main thread
 * only, and only between calls; so a call of the main thread that waits long is
 * made in one of three ways:
 *   - again and again in short slices, if that is the same as one long wait;
 *   - once, and our handler in front of Python's wakes it: writes and calls;
 *   - on a thread of its own, which the main thread waits for: to connect, and
 *     to shut down.
 */
#include "binding.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static unsigned long main_thread;

void set_main_thread(unsigned long id)
{
    main_thread = id;
}

static int is_long(int timeout_ms)
{
    return PyThread_get_thread_ident() == main_thread &&
           (timeout_ms < 0 || timeout_ms > SLICE_MS);
}

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int closed_meanwhile(const struct object *o)
{
    if (o == NULL || !o->closing)
        return 0;
    PyErr_SetString(PyExc_ValueError, "this object was closed meanwhile");
    return -1;
}

/* ---- slices -------------------------------------------------------------- */

void begin_wait(struct waiting *w, PyObject *self, int timeout_ms)
{
    w->object = (struct object *)self;
    w->left_ms = timeout_ms;
    w->slice_ms = is_long(timeout_ms) ? SLICE_MS : timeout_ms;
}

/* What a call has got is returned; a signal that came with it is handled right
 * after that. */
int wait_again(struct waiting *w, int64_t r)
{
    if (r <= 0 && closed_meanwhile(w->object) < 0)
        return -1;
    if (r != WPIPE_ETIMEDOUT || w->slice_ms == w->left_ms)
        return 0;
    if (PyErr_CheckSignals() < 0)
        return -1;
    if (w->left_ms > 0) {
        w->left_ms -= w->slice_ms;
        if (w->left_ms < w->slice_ms)
            w->slice_ms = w->left_ms;
    }
    return 1;
}

/* ---- a wake by a signal -------------------------------------------------- */

static const int hooked[] = { SIGINT, SIGTERM };
enum {
    HOOKED = sizeof(hooked) / sizeof(hooked[0])
};

static struct {
    pthread_t thread;
    enum kind kind;
    void *volatile handle; /* what to wake now, or NULL */
    volatile sig_atomic_t fired;
    struct sigaction before[HOOKED];
} hook;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    const struct sigaction *before = &hook.before[signal == hooked[1]];
    int saved = errno;

    if (!pthread_equal(pthread_self(), hook.thread)) {
        (void)pthread_kill(hook.thread, signal); /* which has the handle */
        errno = saved;
        return;
    }
    if (before->sa_flags & SA_SIGINFO)
        before->sa_sigaction(signal, info, context);
    else
        before->sa_handler(signal);
    if (hook.handle != NULL) {
        hook.fired = 1;
        wake(hook.kind, hook.handle);
    }
    errno = saved;
}

/* In front of a handler that is there. It stays: signal.signal replaces it, and
 * the next call finds that out. */
static void put_in_front(void)
{
    struct sigaction now, ours = { 0 };
    size_t i;

    ours.sa_sigaction = on_signal;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (i = 0; i < HOOKED; i++) {
        if (sigaction(hooked[i], NULL, &now) < 0 ||
            (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_signal) ||
            (!(now.sa_flags & SA_SIGINFO) &&
             (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN)))
            continue;
        hook.before[i] = now;
        ours.sa_mask = now.sa_mask;
        (void)sigaction(hooked[i], &ours, NULL);
    }
}

void begin_call(struct calling *c, PyObject *self, enum kind kind, void *handle,
                int timeout_ms)
{
    c->object = (struct object *)self;
    c->left_ms = timeout_ms;
    c->hooked = is_long(timeout_ms);
    if (!c->hooked)
        return;
    c->until_ms = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
    hook.thread = pthread_self();
    hook.kind = kind;
    hook.fired = 0;
    hook.handle = handle;
    put_in_front();
}

int end_call(struct calling *c, int64_t r)
{
    int fired = 0;
    int64_t left;

    if (c->hooked) {
        hook.handle = NULL;
        fired = hook.fired;
    }
    if (r <= 0 && closed_meanwhile(c->object) < 0)
        return -1;
    if (!fired)
        return 0;
    if (PyErr_CheckSignals() < 0)
        return -1;
    if (r != WPIPE_EWOKEN)
        return 0;
    left = c->until_ms - now_ms();
    if (c->left_ms >= 0)
        c->left_ms = left > 0 ? (int)left : 0;
    return 1;
}

/* ---- a thread of its own ------------------------------------------------- */

struct aside {
    struct task task;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int done;
    int abandoned;
};

/* Everything of a task that nobody waits for. */
static void free_aside(struct aside *a)
{
    pthread_cond_destroy(&a->ended);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static void *run_aside(void *user)
{
    struct aside *a = user;
    int abandoned;

    a->task.run(&a->task);
    pthread_mutex_lock(&a->lock);
    a->done = 1;
    abandoned = a->abandoned;
    pthread_cond_signal(&a->ended);
    pthread_mutex_unlock(&a->lock);
    if (abandoned) {
        a->task.undo(&a->task);
        free_aside(a);
    }
    return NULL;
}

static struct aside *start_aside(const struct task *task)
{
    struct aside *a = calloc(1, sizeof(*a));
    pthread_condattr_t monotonic;
    pthread_attr_t detached;
    sigset_t all, before;
    pthread_t thread;
    int r;

    if (a == NULL)
        return NULL;
    a->task = *task;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&thread, &detached, run_aside, a);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    if (r == 0)
        return a;
    free_aside(a);
    return NULL;
}

/* 1 if it is done; 0 after a slice. */
static int wait_aside(struct aside *a)
{
    struct timespec until;
    int r = 0, done;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += SLICE_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&a->lock);
    while (!a->done && r == 0)
        r = pthread_cond_timedwait(&a->ended, &a->lock, &until);
    done = a->done;
    pthread_mutex_unlock(&a->lock);
    return done;
}

/* Leave it to its thread, or undo what it has done. */
static void abandon(struct aside *a)
{
    int done;

    pthread_mutex_lock(&a->lock);
    done = a->done;
    a->abandoned = 1;
    pthread_mutex_unlock(&a->lock);
    if (done) {
        a->task.undo(&a->task);
        free_aside(a);
    }
}

int do_task(struct task *task)
{
    struct aside *a = is_long(task->timeout_ms) ? start_aside(task) : NULL;
    int done;

    if (a == NULL) {
        Py_BEGIN_ALLOW_THREADS
        task->run(task);
        Py_END_ALLOW_THREADS
        return 0;
    }
    do {
        Py_BEGIN_ALLOW_THREADS
        done = wait_aside(a);
        Py_END_ALLOW_THREADS
        if (!done && PyErr_CheckSignals() < 0) {
            if (a->task.hurry == NULL) {
                Py_BEGIN_ALLOW_THREADS
                abandon(a);
                Py_END_ALLOW_THREADS
                return -1;
            }
            Py_BEGIN_ALLOW_THREADS
            a->task.hurry(&a->task);
            while (!wait_aside(a))
                a->task.hurry(&a->task);
            Py_END_ALLOW_THREADS
            free_aside(a);
            return -1;
        }
    } while (!done);
    *task = a->task;
    free_aside(a);
    return 0;
}
