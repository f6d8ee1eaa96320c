/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process holds - descriptors, threads, shared mappings, children - read
 * from /proc, and the comparison that turns a leak into a failed case.
 */
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* Numbers in a directory of /proc, without the descriptor that reads it. */
static size_t list_numbers(const char *path, int *numbers, size_t room)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t count = 0;

    if (!dir)
        return 0;
    while ((entry = readdir(dir)) != NULL) {
        int number = (int)strtol(entry->d_name, NULL, 10);

        if (entry->d_name[0] == '.')
            continue;
        if (strcmp(path, "/proc/self/fd") == 0 && number == dirfd(dir))
            continue;
        if (count < room)
            numbers[count] = number;
        count++;
    }
    closedir(dir);
    return count;
}

static bool is_shared_mapping(const char *line)
{
    char permissions[5] = "";

    if (sscanf(line, "%*s %4s", permissions) != 1)
        return false;
    return permissions[3] == 's' || strstr(line, "memfd:") != NULL;
}

static size_t each_mapping(bool print)
{
    char line[512];
    size_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");

    if (!maps)
        return 0;
    while (fgets(line, sizeof line, maps)) {
        if (!is_shared_mapping(line))
            continue;
        if (print)
            fprintf(stderr, "    %s", line);
        count++;
    }
    fclose(maps);
    return count;
}

size_t support_count_descriptors(void)
{
    return list_numbers("/proc/self/fd", NULL, 0);
}

bool support_wait_descriptors(size_t most)
{
    const struct timespec pause = { 0, 1000000 };
    int64_t end = support_now_ms() + SUPPORT_WAIT_MS;

    while (support_count_descriptors() > most)
        if (support_now_ms() > end || nanosleep(&pause, NULL) < 0)
            return false;
    return true;
}

size_t support_count_threads(void)
{
    return list_numbers("/proc/self/task", NULL, 0);
}

size_t support_count_mappings(void)
{
    return each_mapping(false);
}

struct rlimit support_use_up_descriptors(void)
{
    struct rlimit before;
    struct rlimit none;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)next; /* the lowest number that is free */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    return before;
}

void support_give_back_descriptors(struct rlimit before)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

void descriptors_close_except(int keep)
{
    int numbers[SNAPSHOT_DESCRIPTORS];
    size_t open;

    /* Again while there are more than fit; each round closes a tableful. */
    do {
        open = list_numbers("/proc/self/fd", numbers, SNAPSHOT_DESCRIPTORS);
        for (size_t i = 0; i < open && i < SNAPSHOT_DESCRIPTORS; i++)
            if (numbers[i] > STDERR_FILENO && numbers[i] != keep)
                close(numbers[i]);
    } while (open > SNAPSHOT_DESCRIPTORS);
}

void snapshot_take(struct snapshot *snapshot)
{
    snapshot->descriptor_count = list_numbers(
        "/proc/self/fd", snapshot->descriptors, SNAPSHOT_DESCRIPTORS);
    snapshot->threads = support_count_threads();
    snapshot->mappings = support_count_mappings();
}

static bool contains(const int *numbers, size_t count, int number)
{
    for (size_t i = 0; i < count && i < SNAPSHOT_DESCRIPTORS; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

static size_t check_descriptors(const struct snapshot *before)
{
    struct snapshot now = { .threads = 0 };
    char path[64];
    size_t findings = 0;

    now.descriptor_count =
        list_numbers("/proc/self/fd", now.descriptors, SNAPSHOT_DESCRIPTORS);
    for (size_t i = 0; i < now.descriptor_count && i < SNAPSHOT_DESCRIPTORS;
         i++) {
        char target[256] = "";
        int fd = now.descriptors[i];

        if (contains(before->descriptors, before->descriptor_count, fd))
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        (void)!readlink(path, target, sizeof target - 1);
        fprintf(stderr, "left behind: descriptor %d -> %s\n", fd, target);
        findings++;
    }
    for (size_t i = 0; i < before->descriptor_count; i++) {
        int fd = before->descriptors[i];

        if (contains(now.descriptors, now.descriptor_count, fd))
            continue;
        fprintf(stderr, "closed but not its own: descriptor %d\n", fd);
        findings++;
    }
    return findings;
}

/*
 * A joined thread may still be listed: the kernel wakes the joiner before it
 * takes the entry away, and nothing tells when it has. So look again for half a
 * second before calling it a leak.
 */
static size_t check_threads(const struct snapshot *before)
{
    const struct timespec pause = { 0, 1000000 };
    size_t now = support_count_threads();

    for (int i = 0; i < 500 && now > before->threads; i++) {
        nanosleep(&pause, NULL);
        now = support_count_threads();
    }
    if (now <= before->threads)
        return 0;
    fprintf(stderr, "left behind: %zu thread(s)\n", now - before->threads);
    return now - before->threads;
}

static size_t check_mappings(const struct snapshot *before)
{
    size_t now = support_count_mappings();

    if (now <= before->mappings)
        return 0;
    fprintf(stderr, "left behind: %zu shared mapping(s), now:\n",
            now - before->mappings);
    each_mapping(true);
    return now - before->mappings;
}

/* The next child of this process, by the kernel's list of them; 0 = none. */
static pid_t next_child(void)
{
    char path[64];
    int tids[SNAPSHOT_DESCRIPTORS];
    size_t count = list_numbers("/proc/self/task", tids, SNAPSHOT_DESCRIPTORS);

    for (size_t i = 0; i < count && i < SNAPSHOT_DESCRIPTORS; i++) {
        long pid = 0;
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%d/children", tids[i]);
        file = fopen(path, "re");
        if (!file)
            continue;
        if (fscanf(file, "%ld", &pid) != 1)
            pid = 0;
        fclose(file);
        if (pid > 0)
            return (pid_t)pid;
    }
    return 0;
}

void children_end(void)
{
    pid_t pid;

    while ((pid = next_child()) > 0) {
        kill(pid, SIGKILL);
        if (waitpid(pid, NULL, 0) < 0)
            return;
    }
}

static size_t check_children(void)
{
    siginfo_t info = { .si_pid = 0 };

    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return 0;
    fprintf(stderr, "left behind: child process %ld%s\n",
            (long)(info.si_pid > 0 ? info.si_pid : next_child()),
            info.si_pid > 0 ? " (ended, nobody waited for it)" : "");
    children_end();
    return 1;
}

size_t snapshot_check(const struct snapshot *before)
{
    size_t findings = check_children();

    findings += check_threads(before);
    findings += check_descriptors(before);
    findings += check_mappings(before);
    return findings;
}
