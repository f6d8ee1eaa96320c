/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks, and waiting for a condition: a readable descriptor, a path that comes
 * or goes, a thread that has gone to sleep in the kernel.
 */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int64_t support_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t support_now_ms(void)
{
    return support_now_ns() / 1000000;
}

pid_t support_tid(void)
{
    return (pid_t)syscall(SYS_gettid);
}

bool support_wait_readable(int fd, int timeout_ms)
{
    struct pollfd entry = { .fd = fd, .events = POLLIN };
    int64_t end = support_now_ms() + timeout_ms;
    int64_t left = timeout_ms;
    int r;

    do {
        r = poll(&entry, 1, (int)(left > 0 ? left : 0));
        left = end - support_now_ms();
    } while (r < 0 && errno == EINTR);
    return r > 0;
}

void support_wait_path(const char *path, bool present)
{
    char parent[PATH_MAX];
    char events[4096];
    char *slash;
    int64_t end = support_now_ms() + SUPPORT_WAIT_MS;
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    assert_true(watch >= 0);
    snprintf(parent, sizeof parent, "%s", path);
    slash = strrchr(parent, '/');
    assert_non_null(slash);
    *slash = '\0';
    /* The watch comes before the look, so that nothing falls in between. */
    assert_true(
        inotify_add_watch(watch, parent, IN_CREATE | IN_DELETE | IN_MOVE) >= 0);
    while ((access(path, F_OK) == 0) != present) {
        int64_t left = end - support_now_ms();

        if (left <= 0 || !support_wait_readable(watch, (int)left))
            fail_msg("%s is still %s", path, present ? "absent" : "there");
        while (read(watch, events, sizeof events) > 0)
            continue;
    }
    close(watch);
}

/* The state letter of a thread, from its stat line: "pid (name) S ...". */
static char thread_state(pid_t pid, pid_t tid)
{
    char path[64];
    char line[512] = "";
    char *end;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/task/%ld/stat", (long)pid,
             (long)tid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    if (!fgets(line, sizeof line, file))
        line[0] = '\0';
    fclose(file);
    end = strrchr(line, ')');
    return end && end[1] == ' ' ? end[2] : 0;
}

/* The kernel tells nobody when a thread falls asleep, so this one looks. */
void support_wait_asleep(pid_t pid, pid_t tid)
{
    const struct timespec pause = { 0, 500000 };
    int64_t end = support_now_ms() + SUPPORT_WAIT_MS;
    int seen = 0;

    /* Twice in a row: one look may catch a passing wait for a lock. */
    while (seen < 2) {
        seen = thread_state(pid, tid) == 'S' ? seen + 1 : 0;
        if (support_now_ms() > end)
            fail_msg("thread %ld does not sleep", (long)tid);
        nanosleep(&pause, NULL);
    }
}

static bool others_sleep(pid_t pid, pid_t self)
{
    DIR *dir = opendir("/proc/self/task");
    bool sleep = true;
    struct dirent *entry;

    assert_non_null(dir);
    while (sleep && (entry = readdir(dir)) != NULL) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (tid > 0 && tid != self)
            sleep = thread_state(pid, tid) == 'S';
    }
    closedir(dir);
    return sleep;
}

void support_wait_others_asleep(void)
{
    const struct timespec pause = { 0, 500000 };
    int64_t end = support_now_ms() + SUPPORT_WAIT_MS;
    int seen = 0;

    /* Three times in a row: spinning, they may be off the core for a moment. */
    while (seen < 3) {
        seen = others_sleep(getpid(), support_tid()) ? seen + 1 : 0;
        if (support_now_ms() > end)
            fail_msg("a thread does not sleep");
        nanosleep(&pause, NULL);
    }
}
