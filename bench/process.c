/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes, shared memory, gates and the scratch directory: see process.h.
 */
#include "process.h"

#include <errno.h>
#include <ftw.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"

static volatile sig_atomic_t interrupt_seen;

void complain(const char *format, ...)
{
    char text[512];
    va_list list;

    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    fprintf(stderr, "windpipe-bench: %s\n", text);
}

/* ---- gates -------------------------------------------------------------- */

static void gate_wake(struct gate *gate)
{
    syscall(SYS_futex, &gate->value, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void gate_add(struct gate *gate, uint32_t amount)
{
    atomic_fetch_add(&gate->value, amount);
    gate_wake(gate);
}

void gate_count(struct gate *gate, uint32_t amount, uint32_t wake_at)
{
    if (atomic_fetch_add(&gate->value, amount) + amount >= wake_at)
        gate_wake(gate);
}

int gate_wait(struct gate *gate, uint32_t value, double seconds)
{
    uint64_t limit = clock_now_ns() + (uint64_t)(seconds * 1e9);

    for (;;) {
        uint32_t seen = atomic_load(&gate->value);
        uint64_t now = clock_now_ns();
        struct timespec left;

        if (seen >= value)
            return 0;
        if (now >= limit || interrupt_seen)
            return -1;
        left.tv_sec = (time_t)((limit - now) / 1000000000u);
        left.tv_nsec = (long)((limit - now) % 1000000000u);
        syscall(SYS_futex, &gate->value, FUTEX_WAIT, seen, &left, NULL, 0);
    }
}

/* ---- memory ------------------------------------------------------------- */

void *memory_share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        complain("no shared memory: %s", strerror(errno));
        return NULL;
    }
    return memory;
}

void memory_unshare(void *memory, size_t size)
{
    if (memory)
        munmap(memory, size);
}

/* ---- processes ---------------------------------------------------------- */

int crew_add(struct crew *crew, int cpu, int (*body)(void *user), void *user)
{
    pid_t driver = getpid(), pid;

    if (crew->count == CREW_MAX)
        return -1;
    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        complain("fork: %s", strerror(errno));
        return -1;
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != driver) /* it ended before the line above */
            _exit(1);
        signal(SIGINT, SIG_IGN); /* the driver ends us in its own order */
        if (pin_to(cpu) != 0)
            complain("cannot pin to processor %d", cpu);
        _exit(body(user));
    }
    crew->pids[crew->count] = pid;
    crew->handles[crew->count] = (int)syscall(SYS_pidfd_open, pid, 0);
    if (crew->handles[crew->count] < 0)
        complain("pidfd_open: %s", strerror(errno));
    crew->count++;
    return 0;
}

/* Reap one that has ended, or is just ending. Returns its exit status. */
static int crew_reap(struct crew *crew, int which)
{
    int status = 0;
    pid_t pid;

    do
        pid = waitpid(crew->pids[which], &status, 0);
    while (pid < 0 && errno == EINTR);
    if (crew->handles[which] >= 0)
        close(crew->handles[which]);
    crew->handles[which] = -1;
    crew->pids[which] = -1;
    return status;
}

void crew_kill(struct crew *crew, int which)
{
    if (crew->pids[which] < 0)
        return;
    kill(crew->pids[which], SIGKILL);
    crew_reap(crew, which);
}

/* Reap those that have ended by now. */
static void crew_look(struct crew *crew)
{
    for (int i = 0; i < crew->count; i++) {
        struct pollfd one = { .fd = crew->handles[i], .events = POLLIN };

        if (crew->pids[i] >= 0 && poll(&one, 1, 0) > 0 &&
            crew_reap(crew, i) != 0)
            crew->failed = 1;
    }
}

int crew_gate_wait(struct crew *crew, struct gate *gate, uint32_t value,
                   double seconds)
{
    uint64_t limit = clock_now_ns() + (uint64_t)(seconds * 1e9);

    while (gate_wait(gate, value, 0.1) < 0) {
        crew_look(crew);
        if (crew->failed || interrupt_seen || clock_now_ns() > limit)
            return -1;
    }
    return 0;
}

/* One round of waiting. Returns how many are still there, -1 at the limit. */
static int crew_poll(struct crew *crew, uint64_t limit)
{
    struct pollfd polls[CREW_MAX];
    int owners[CREW_MAX], count = 0;
    uint64_t now = clock_now_ns();
    int left_ms = now < limit ? (int)((limit - now) / 1000000u) + 1 : 0;

    for (int i = 0; i < crew->count; i++) {
        if (crew->pids[i] < 0)
            continue;
        polls[count] =
            (struct pollfd){ .fd = crew->handles[i], .events = POLLIN };
        owners[count++] = i;
    }
    if (count == 0)
        return 0;
    if (poll(polls, (nfds_t)count, left_ms) <= 0)
        return interrupt_seen || clock_now_ns() >= limit ? -1 : count;
    for (int i = 0; i < count; i++)
        if (polls[i].revents && crew_reap(crew, owners[i]) != 0)
            crew->failed = 1;
    return count;
}

int crew_wait(struct crew *crew, double seconds)
{
    uint64_t limit = clock_now_ns() + (uint64_t)(seconds * 1e9);
    int left;

    do {
        left = crew_poll(crew, limit);
        /* One that failed leaves the others waiting for it: be quick. */
        if (crew->failed && limit > clock_now_ns() + 200000000u)
            limit = clock_now_ns() + 200000000u;
    } while (left > 0);
    if (left < 0) {
        if (!crew->failed && !interrupt_seen)
            complain("a process had to be killed after %.1f s", seconds);
        crew->failed = 1;
    }
    crew_end(crew);
    return crew->failed ? -1 : 0;
}

int crew_end(struct crew *crew)
{
    int ended = 0;

    crew_look(crew);
    for (int i = crew->count; i-- > 0;) {
        ended += crew->pids[i] < 0;
        crew_kill(crew, i);
    }
    crew->count = 0;
    return ended;
}

/* ---- the run as a whole ------------------------------------------------- */

static void interrupt_note(int signal_number)
{
    (void)signal_number;
    interrupt_seen = 1;
}

void interrupt_catch(void)
{
    struct sigaction action = { .sa_handler = interrupt_note };

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int interrupted(void)
{
    return interrupt_seen;
}

int scratch_make(char *path, size_t size)
{
    const char *temp = getenv("TMPDIR");

    if (!temp || temp[0] != '/' || strlen(temp) > 60)
        temp = "/tmp";
    snprintf(path, size, "%s/windpipe-bench-XXXXXX", temp);
    if (!mkdtemp(path)) {
        complain("%s: %s", path, strerror(errno));
        return -1;
    }
    return 0;
}

static int scratch_unlink(const char *path, const struct stat *info, int type,
                          struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    remove(path);
    return 0;
}

void scratch_remove(const char *path)
{
    nftw(path, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

uint32_t descriptors_allow(uint32_t count)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    limit.rlim_cur = limit.rlim_max < count ? limit.rlim_max : count;
    setrlimit(RLIMIT_NOFILE, &limit);
    return (uint32_t)limit.rlim_cur;
}
