/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting on Linux: for a word of memory (futex), a few handles (poll), many
 * (epoll), a flag set by another thread (eventfd), a time (timerfd) and a name
 * to appear (inotify). All of
 * it is level-triggered: what was not dealt with is reported again.
 */
#include "os/os.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "os/os_test.h"
#include "os/posix.h"

enum {
    WAIT_MAX = 4,    /* handles of one wpipe__os_wait */
    POLLER_MAX = 64, /* members told by one wpipe__os_poller_wait */
    DRAIN_MAX = 16   /* reads of one wpipe__os_watch_drain */
};

/* ---- a name appears ----------------------------------------------------- */

/* Besides new names: the directory's own end, after which nothing would ever
 * be reported again. */
#define WATCH_EVENTS \
    (IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

int wpipe__os_watch_open(const char *path, wpipe__handle *ret_watch)
{
    int number;
    int fd;

    fd = wpipe__os_above(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (fd < 0)
        return wpipe__os_fail("inotify_init", errno);
    if (inotify_add_watch(fd, path, WATCH_EVENTS) < 0) {
        number = errno;
        close(fd);
        return wpipe__os_fail("inotify_add_watch", number);
    }
    *ret_watch = fd;
    return 0;
}

int wpipe__os_watch_add(wpipe__handle watch, const char *path)
{
    int number = inotify_add_watch(watch, path, WATCH_EVENTS);

    return number < 0 ? wpipe__os_fail("inotify_add_watch", errno) : number;
}

void wpipe__os_watch_remove(wpipe__handle watch, int number)
{
    inotify_rm_watch(watch, number);
}

/* Bounded, because others may make names faster than we can forget them; what
 * is left only costs one more look. */
void wpipe__os_watch_drain(wpipe__handle watch)
{
    _Alignas(struct inotify_event) char buf[4096];
    ssize_t n;
    int i;

    for (i = 0; i < DRAIN_MAX; i++) {
        n = read(watch, buf, sizeof(buf));
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return;
    }
}

/* ---- poll, which others of src/os use, too ------------------------------- */

int wpipe__os_poll(struct pollfd *fds, unsigned count, int ms)
{
    const struct timespec span = { .tv_sec = ms / 1000,
                                   .tv_nsec = ms % 1000 * 1000000L };
    int n = poll(fds, count, ms);

    if (n >= 0 || (errno != EPERM && errno != ENOSYS))
        return n;
    return ppoll(fds, count, ms < 0 ? NULL : &span, NULL);
}

/* ---- a word of memory --------------------------------------------------- */

static struct timespec time_of(uint64_t deadline)
{
    const uint64_t second = 1000000000;

    return (struct timespec){ .tv_sec = (time_t)(deadline / second),
                              .tv_nsec = (long)(deadline % second) };
}

/* A filter of system calls does not let us sleep on a word: look at it once in
 * a while. */
static int word_wait_refused(uint64_t deadline)
{
    if (wpipe__os_left_ms(deadline) == 0)
        return WPIPE_ETIMEDOUT;
    (void)wpipe__os_poll(NULL, 0, 1);
    return 0;
}

int wpipe__os_word_wait(_Atomic uint32_t *word, uint32_t value,
                        uint64_t deadline)
{
    struct timespec until = time_of(deadline);

    if (deadline == 0)
        return WPIPE_ETIMEDOUT;
    /* FUTEX_WAIT takes a span of time; this one a clock, CLOCK_MONOTONIC */
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
                deadline == UINT64_MAX ? NULL : &until, NULL,
                FUTEX_BITSET_MATCH_ANY) == 0)
        return 0;
    if (errno == ETIMEDOUT)
        return WPIPE_ETIMEDOUT;
    if (errno == EINTR)
        return WPIPE_EWOKEN;
    return errno == EAGAIN ? 0 : word_wait_refused(deadline);
}

void wpipe__os_word_wake(_Atomic uint32_t *word)
{
    int number = errno;

    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX);
    errno = number;
}

/* ---- a few handles ------------------------------------------------------ */

static int ready_bits(const struct pollfd *fds, int count)
{
    int bits = 0;
    int i;

    for (i = 0; i < count; i++) {
        if (fds[i].revents)
            bits |= 1 << i;
    }
    return bits;
}

/* Nothing here is about a peer: what a filter of system calls refuses is no
 * lack of access. */
static int poll_failed(const char *what)
{
    int r;

    if (errno == EINTR)
        return WPIPE_EWOKEN;
    r = wpipe__os_fail(what, errno);
    return r == WPIPE_EACCES || r == WPIPE_ENOTSUP ? WPIPE_ESYSTEM : r;
}

int wpipe__os_wait(const wpipe__handle *handles, int count, uint64_t deadline)
{
    struct pollfd fds[WAIT_MAX];
    int left;
    int i;
    int n;

    if (count < 0 || count > WAIT_MAX)
        return WPIPE_EINVAL;
    for (i = 0; i < count; i++) {
        fds[i].fd = handles[i]; /* poll leaves out negative ones, too */
        fds[i].events = POLLIN;
        fds[i].revents = 0;
    }
    do {
        left = wpipe__os_left_ms(deadline);
        n = wpipe__os_poll(fds, (unsigned)count, left);
        if (n > 0)
            return ready_bits(fds, count);
        if (n < 0)
            return poll_failed("poll");
        /* Once more while a deadline that is further away than poll can wait
         * is not over. */
    } while (left != 0);
    return 0;
}

static void (*nap_instead)(int ms);

void wpipe__os_test_naps(void (*instead)(int ms))
{
    nap_instead = instead;
}

void wpipe__os_nap(int ms)
{
    if (nap_instead != NULL)
        nap_instead(ms);
    else
        (void)wpipe__os_wait(NULL, 0, wpipe__os_deadline(ms));
}

/* A wait that only a look can end is cut into pieces of this. */
#define SOON_MS 2

int wpipe__os_wait_for(wpipe__handle handle, unsigned interest,
                       wpipe__handle flag, uint64_t deadline)
{
    struct pollfd fds[2] = { { .fd = handle },
                             { .fd = flag, .events = POLLIN } };
    int soon = (interest & WPIPE__INTEREST_SOON) != 0;
    int left;
    int n;

    if (interest & WPIPE__INTEREST_IN)
        fds[0].events |= POLLIN;
    if (interest & WPIPE__INTEREST_OUT)
        fds[0].events |= POLLOUT;
    if (interest == WPIPE__INTEREST_SOON)
        fds[0].fd = WPIPE__NO_HANDLE; /* its end would be told all the time */
    do {
        left = wpipe__os_left_ms(deadline);
        if (soon && (left < 0 || left > SOON_MS))
            left = SOON_MS;
        n = wpipe__os_poll(fds, 2, left);
        if (n > 0)
            return ready_bits(fds, 2);
        if (n < 0)
            return poll_failed("poll");
    } while (left != 0 && !soon);
    return 0;
}

/* ---- flags -------------------------------------------------------------- */

int wpipe__os_flag_open(wpipe__handle *ret_flag)
{
    int fd = wpipe__os_above(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));

    if (fd < 0)
        return wpipe__os_fail("eventfd", errno);
    *ret_flag = fd;
    return 0;
}

void wpipe__os_flag_set(wpipe__handle flag)
{
    const uint64_t one = 1;
    int number = errno; /* of the code that a signal handler interrupts */
    ssize_t n;

    do
        n = write(flag, &one, sizeof(one));
    while (n < 0 && errno == EINTR);
    /* EAGAIN: it counted to 2^64 - 2, so it is set. */
    errno = number;
}

int wpipe__os_flag_clear(wpipe__handle flag)
{
    uint64_t count;
    ssize_t n;

    do
        n = read(flag, &count, sizeof(count));
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(count);
}

/* An eventfd needs no path, so this works in an empty root directory too. */
int wpipe__os_reserve(wpipe__handle *ret_handle)
{
    return wpipe__os_flag_open(ret_handle);
}

/* ---- timers ------------------------------------------------------------- */

int wpipe__os_timer_open(wpipe__handle *ret_timer)
{
    int fd = wpipe__os_above(
        timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));

    if (fd < 0)
        return wpipe__os_fail("timerfd_create", errno);
    *ret_timer = fd;
    return 0;
}

void wpipe__os_timer_set(wpipe__handle timer, uint64_t when)
{
    struct itimerspec spec = { .it_value = { 0, 0 } };

    if (when != UINT64_MAX)
        spec.it_value = time_of(when > 0 ? when : 1); /* 0 would be never */
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* ---- many handles ------------------------------------------------------- */

int wpipe__os_poller_open(wpipe__handle *ret_poller)
{
    int fd = wpipe__os_above(epoll_create1(EPOLL_CLOEXEC));

    if (fd < 0)
        return wpipe__os_fail("epoll_create", errno);
    *ret_poller = fd;
    return 0;
}

int wpipe__os_poller_add(wpipe__handle poller, wpipe__handle member,
                         uint64_t tag)
{
    struct epoll_event event = { .events = EPOLLIN, .data = { .u64 = tag } };

    if (epoll_ctl(poller, EPOLL_CTL_ADD, member, &event) < 0)
        return wpipe__os_fail("epoll_ctl", errno);
    return 0;
}

int wpipe__os_poller_change(wpipe__handle poller, wpipe__handle member,
                            uint64_t tag, unsigned interest)
{
    struct epoll_event event = { .data = { .u64 = tag } };

    if (interest & WPIPE__INTEREST_IN)
        event.events |= EPOLLIN;
    if (interest & WPIPE__INTEREST_OUT)
        event.events |= EPOLLOUT;
    if (epoll_ctl(poller, EPOLL_CTL_MOD, member, &event) < 0)
        return wpipe__os_fail("epoll_ctl", errno);
    return 0;
}

void wpipe__os_poller_remove(wpipe__handle poller, wpipe__handle member)
{
    epoll_ctl(poller, EPOLL_CTL_DEL, member, NULL);
}

int wpipe__os_poller_wait(wpipe__handle poller, uint64_t *ret_tags, int room,
                          uint64_t deadline)
{
    struct epoll_event events[POLLER_MAX];
    int left;
    int i;
    int n;

    if (room < 1)
        return WPIPE_EINVAL;
    if (room > POLLER_MAX)
        room = POLLER_MAX;
    do {
        left = wpipe__os_left_ms(deadline);
        n = epoll_wait(poller, events, room, left);
        if (n < 0)
            return poll_failed("epoll_wait");
    } while (n == 0 && left != 0);
    for (i = 0; i < n; i++)
        ret_tags[i] = events[i].data.u64;
    return n;
}
