/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process can learn about itself and others: ids, names, randomness,
 * cores, and whether it is a forked child. Names come from /proc and from
 * /etc/passwd, read by hand so that a static build needs no NSS plug-in; they
 * are for people, never for decisions.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "os/os_test.h"
#include "os/posix.h"

/* ---- ourselves ---------------------------------------------------------- */

/* A program that runs with more rights than its caller must not be steered by
 * the caller's environment. */
const char *wpipe__os_environment(const char *name)
{
    return secure_getenv(name);
}

uint32_t wpipe__os_uid(void)
{
    return geteuid();
}

uint32_t wpipe__os_gid(void)
{
    return getegid();
}

int64_t wpipe__os_pid(void)
{
    return getpid();
}

int wpipe__os_has_proc(void)
{
    if (access("/proc/self/fd", F_OK) == 0)
        return 1;
    wpipe__os_fail("/proc is needed", errno);
    return 0;
}

static int open_read(const char *path)
{
    int fd;

    do
        fd = wpipe__os_above(open(path, O_RDONLY | O_CLOEXEC));
    while (fd < 0 && errno == EINTR);
    return fd;
}

static ssize_t read_some(int fd, void *buf, size_t size)
{
    ssize_t n;

    do
        n = read(fd, buf, size);
    while (n < 0 && errno == EINTR);
    return n;
}

static int random_from_file(char *buf, size_t size)
{
    int fd = open_read("/dev/urandom");
    ssize_t n;

    if (fd < 0) {
        wpipe__os_fail("/dev/urandom", errno);
        return WPIPE_ESYSTEM;
    }
    while (size > 0) {
        n = read_some(fd, buf, size);
        if (n <= 0)
            break;
        buf += n;
        size -= (size_t)n;
    }
    if (size > 0)
        wpipe__os_fail("/dev/urandom", errno);
    close(fd);
    return size > 0 ? WPIPE_ESYSTEM : 0;
}

int wpipe__os_random(void *buf, size_t size)
{
    char *at = buf;
    ssize_t n;

    while (size > 0) {
        n = getrandom(at, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) /* forbidden by a filter, or an old kernel */
            return random_from_file(at, size);
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

/* ---- others ------------------------------------------------------------- */

/*
 * Copy text that others chose: control bytes, and the control characters
 * that UTF-8 spells C2 80 to C2 9F, would let it speak to a terminal.
 */
static void copy_clean(char *buf, size_t size, const char *text, size_t length)
{
    unsigned char byte;
    unsigned char before = 0;
    size_t i;

    if (size == 0)
        return;
    for (i = 0; i < length && i + 1 < size; i++) {
        byte = (unsigned char)text[i];
        if (byte < 0x20 || byte == 0x7f)
            byte = '?';
        if (before == 0xc2 && byte >= 0x80 && byte < 0xa0) {
            buf[i - 1] = '?';
            byte = '?';
        }
        buf[i] = (char)byte;
        before = byte;
    }
    buf[i] = '\0';
}

/* Length of the target of /proc/PID/exe in `buf`, 0 if it cannot be read. */
static size_t read_executable(int64_t pid, char *buf, size_t size)
{
    static const char deleted[] = " (deleted)";
    const size_t tail = sizeof(deleted) - 1;
    char path[48];
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%lld/exe", (long long)pid);
    n = readlink(path, buf, size);
    if (n <= 0 || (size_t)n == size)
        return 0;
    if ((size_t)n > tail && !memcmp(buf + (size_t)n - tail, deleted, tail))
        n -= (ssize_t)tail;
    return (size_t)n;
}

/* The short name that the kernel keeps; readable when exe is not. */
static size_t read_comm(int64_t pid, char *buf, size_t size)
{
    char path[48];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%lld/comm", (long long)pid);
    fd = open_read(path);
    if (fd < 0)
        return 0;
    n = read_some(fd, buf, size);
    close(fd);
    if (n > 0 && buf[n - 1] == '\n')
        n--;
    return n > 0 ? (size_t)n : 0;
}

void wpipe__os_program(int64_t pid, char *buf, size_t size)
{
    char path[1024];
    const char *name = path;
    size_t length;
    size_t i;

    copy_clean(buf, size, "", 0);
    if (pid <= 0) /* 0: of another pid namespace */
        return;
    length = read_executable(pid, path, sizeof(path));
    for (i = 0; i < length; i++) {
        if (path[i] == '/')
            name = path + i + 1;
    }
    length -= (size_t)(name - path);
    if (length == 0) {
        name = path;
        length = read_comm(pid, path, sizeof(path));
    }
    copy_clean(buf, size, name, length);
}

/* Which PID namespace a process is in: 1 and its name; 0 unknown. */
static int pid_namespace(const char *process, char *buf, size_t size)
{
    char path[64];
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%s/ns/pid", process);
    n = readlink(path, buf, size - 1);
    if (n <= 0)
        return 0;
    buf[n] = '\0';
    return 1;
}

int wpipe__os_same_pids(int64_t pid)
{
    char process[24];
    char ours[64];
    char theirs[64];

    (void)snprintf(process, sizeof(process), "%lld", (long long)pid);
    return pid > 0 && pid_namespace("self", ours, sizeof(ours)) &&
           pid_namespace(process, theirs, sizeof(theirs)) &&
           strcmp(ours, theirs) == 0;
}

/* 1 when the passwd line `line` is about `uid`; then its first *ret_length
 * bytes are the name. */
static int line_is_user(const char *line, uint32_t uid, size_t *ret_length)
{
    const char *name_end = strchr(line, ':');
    const char *number;
    char *end;
    unsigned long value;

    if (!name_end || name_end == line)
        return 0;
    number = strchr(name_end + 1, ':');
    if (!number || number[1] < '0' || number[1] > '9')
        return 0;
    errno = 0;
    value = strtoul(number + 1, &end, 10);
    if (errno || *end != ':' || value != uid)
        return 0;
    *ret_length = (size_t)(name_end - line);
    return 1;
}

/* Look through /etc/passwd; the name goes to buf. 1 when it was found. */
static int find_user(int fd, uint32_t uid, char *buf, size_t size)
{
    char block[1024];
    char line[256]; /* of a longer line the rest does not matter */
    size_t used = 0;
    size_t length;
    ssize_t n;
    ssize_t i;

    while ((n = read_some(fd, block, sizeof(block))) > 0) {
        for (i = 0; i < n; i++) {
            if (block[i] != '\n') {
                if (used < sizeof(line) - 1)
                    line[used++] = block[i];
                continue;
            }
            line[used] = '\0';
            used = 0;
            if (line_is_user(line, uid, &length)) {
                copy_clean(buf, size, line, length);
                return 1;
            }
        }
    }
    return 0;
}

void wpipe__os_user(uint32_t uid, char *buf, size_t size)
{
    char number[16];
    int found = 0;
    int fd;

    fd = open_read("/etc/passwd");
    if (fd >= 0) {
        found = find_user(fd, uid, buf, size);
        close(fd);
    }
    if (found)
        return;
    snprintf(number, sizeof(number), "%u", (unsigned)uid);
    copy_clean(buf, size, number, strlen(number));
}

/* ---- cores -------------------------------------------------------------- */

int wpipe__os_core(void)
{
    int n = sched_getcpu();

    return n < 0 ? 0 : n;
}

/* ---- fork --------------------------------------------------------------- */

/*
 * The word of this process lies in a page that the kernel hands to a forked
 * child as zeros. A child that meets the zero takes the next number from
 * `last_generation`, which it inherited, so its number differs from those of
 * all its ancestors: they drew theirs from the same counter before the fork.
 * Objects of a child carry the child's number and work there.
 *
 * No pthread_once: a fork in the middle of one would leave the child waiting
 * for a thread that it does not have.
 */
static _Atomic(_Atomic uint32_t *) generation_word;
static _Atomic uint32_t last_generation;

/* Where the kernel knows no such page, and the handler that stands in. */
static _Atomic uint32_t plain_word;
static atomic_int no_wipe;

static void clear_plain_word(void)
{
    atomic_store_explicit(&plain_word, 0, memory_order_relaxed);
}

void wpipe__os_test_no_wipe(int on)
{
    atomic_store(&no_wipe, on);
}

/* A page that is zero in a forked child, or NULL. */
static void *wiped_page(size_t size)
{
#ifdef MADV_WIPEONFORK
    void *page;

    if (atomic_load(&no_wipe))
        return NULL;
    page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    if (page == MAP_FAILED)
        return NULL;
    if (madvise(page, size, MADV_WIPEONFORK) == 0)
        return page;
    munmap(page, size);
#else
    (void)size;
#endif
    return NULL;
}

static _Atomic uint32_t *make_word(void)
{
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    _Atomic uint32_t *word = wiped_page(size);
    _Atomic uint32_t *expected = NULL;
    int plain = word == NULL;

    if (plain) {
        /* Twice does no harm; a failure leaves us without the check only. */
        pthread_atfork(NULL, NULL, clear_plain_word);
        word = &plain_word;
    }
    /* Pairs with the acquire load in wpipe__os_generation. */
    if (atomic_compare_exchange_strong(&generation_word, &expected, word))
        return word;
    if (!plain)
        munmap((void *)word, size); /* another thread was faster */
    return expected;
}

static uint32_t draw_generation(_Atomic uint32_t *word)
{
    uint32_t expected = 0;
    uint32_t mine;

    do
        mine = atomic_fetch_add(&last_generation, 1) + 1;
    while (mine == 0); /* after 2^32 forks in a row */
    /* Two threads may meet the zero at once: the first one's number counts. */
    if (atomic_compare_exchange_strong(word, &expected, mine))
        return mine;
    return expected;
}

/* Kept apart, so that the look itself stays short. */
static __attribute__((noinline, cold)) uint32_t first_generation(void)
{
    _Atomic uint32_t *word =
        atomic_load_explicit(&generation_word, memory_order_acquire);
    uint32_t n;

    if (!word)
        word = make_word();
    n = atomic_load_explicit(word, memory_order_relaxed);
    return n ? n : draw_generation(word);
}

uint32_t wpipe__os_generation(void)
{
    _Atomic uint32_t *word =
        atomic_load_explicit(&generation_word, memory_order_acquire);
    uint32_t n = 0;

    if (word)
        n = atomic_load_explicit(word, memory_order_relaxed);
    return n ? n : first_generation();
}
