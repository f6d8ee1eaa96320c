/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed shared memory on Linux. A segment has one writer, its maker; what a
 * peer gets can be read only and can never shrink, lose pages or be written
 * by anybody else, so reading it cannot raise SIGBUS. Used by the
 * shared-memory link alone.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "os/os_test.h"
#include "os/posix.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif
#define CACHESTAT 451 /* Linux 6.5; the same number everywhere */

/* The seals that make reading safe; a segment may have more. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

/* A signal undoes what one fallocate has done so far: with steps this small a
 * program's timer cannot hold it up for ever. */
#define ALLOCATE_STEP ((size_t)1 << 20)

#define BARRIER_PAUSE_NS 1000000

static atomic_int no_memory;

void wpipe__os_test_no_memory(int on)
{
    atomic_store(&no_memory, on);
}

/* A call that segments need has failed. What an old kernel answers, or a
 * filter of system calls, means that there are none here. */
static int fail_segment(const char *what, int number)
{
    int r = wpipe__os_fail(what, number);

    if (number == EPERM || number == EACCES || number == EINVAL)
        return WPIPE_ENOTSUP;
    return r;
}

/* ---- judging one -------------------------------------------------------- */

static int flawed(const char *flaw, const char **ret_why)
{
    *ret_why = flaw;
    return WPIPE_EPROTO;
}

static int is_refused(int number)
{
    return number == EPERM || number == EACCES || number == ENOSYS;
}

/* As the kernel has them (linux/mman.h of Linux 6.5). */
struct cache_range {
    uint64_t offset;
    uint64_t size;
};

struct cache_pages {
    uint64_t cached;
    uint64_t dirty;
    uint64_t written_back;
    uint64_t evicted; /* to swap */
    uint64_t recently_evicted;
};

static int count_pages(int fd, size_t size, uint64_t *ret_pages)
{
    const struct cache_range range = { 0, size };
    struct cache_pages pages;

    if (syscall(CACHESTAT, fd, &range, &pages, 0) < 0)
        return fail_segment("cachestat", errno);
    *ret_pages = pages.cached + pages.evicted;
    return 0;
}

enum {
    COUNTS_UNKNOWN = 0,
    COUNTS_PAGES = 1,
    COUNTS_NOTHING = 2
};

static atomic_int counting;

/* Threads may race here: they find the same. A descriptor that is none is
 * refused as such by a kernel that has the call. */
int wpipe__os_counts_pages(void)
{
    int state = atomic_load_explicit(&counting, memory_order_relaxed);

    if (state == COUNTS_UNKNOWN) {
        state = syscall(CACHESTAT, -1, NULL, NULL, 0) < 0 && errno == EBADF
                    ? COUNTS_PAGES
                    : COUNTS_NOTHING;
        atomic_store_explicit(&counting, state, memory_order_relaxed);
    }
    return state == COUNTS_PAGES;
}

/*
 * Reading a hole would allocate, and in our account. The blocks of the file do
 * not tell: they may lie behind its end. SEEK_HOLE takes what was allocated and
 * not written for a hole, and as ftruncate it waits for a lock that the owner
 * can hold for ever; mincore lies about files of others. cachestat waits for
 * nothing, and what it has counted stays: the seals forbid to punch.
 */
static int check_pages(int fd, size_t size, uint64_t blocks,
                       const char **ret_why)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t pages = 0;
    int r;

    if (blocks * 512 < size)
        return flawed("it has holes", ret_why);
    if (!wpipe__os_counts_pages())
        return 0; /* of our own user: see os.h */
    r = count_pages(fd, size, &pages);
    if (r == 0 && pages < (size + page - 1) / page)
        return flawed("it has holes", ret_why);
    return r;
}

/*
 * 0 when `fd` is a segment to be trusted; WPIPE_EPROTO, and what is wrong with
 * it; WPIPE_ENOTSUP when that cannot be asked here. The seals are asked for
 * first: that call alone never reaches a file system of the peer's making,
 * which could let us wait.
 */
static int check_segment(int fd, size_t size, const char **ret_why)
{
    struct statfs system;
    struct stat facts;
    int seals = fcntl(fd, F_GET_SEALS);
    int flags;

    if (seals < 0 && is_refused(errno))
        return fail_segment("F_GET_SEALS", errno);
    if (seals < 0)
        return flawed("not sealable memory", ret_why);
    if ((seals & SEALS) != SEALS)
        return flawed("seals are missing", ret_why);
    flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return fail_segment("F_GETFL", errno);
    /* who may not write it may not count its pages */
    if ((flags & O_ACCMODE) != O_RDWR)
        return flawed("it is not open for reading and writing", ret_why);
    /* Huge pages take the same seals, but touching one may still raise
     * SIGBUS when their pool is empty. */
    if (fstatfs(fd, &system) < 0)
        return fail_segment("fstatfs", errno);
    if (system.f_type != TMPFS_MAGIC)
        return flawed("memory of another kind", ret_why);
    if (fstat(fd, &facts) < 0)
        return fail_segment("fstat", errno);
    if (!S_ISREG(facts.st_mode))
        return flawed("not sealable memory", ret_why);
    if (facts.st_size < 0 || (uint64_t)facts.st_size != size)
        return flawed("its size is not the one announced", ret_why);
    return check_pages(fd, size, (uint64_t)facts.st_blocks, ret_why);
}

/* ---- ours --------------------------------------------------------------- */

static int memory_new(int *ret_fd)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd;

    if (atomic_load_explicit(&no_memory, memory_order_relaxed))
        return fail_segment("memfd_create", ENOSYS);
    fd = wpipe__os_above(memfd_create("windpipe", flags | MFD_NOEXEC_SEAL));
    if (fd < 0 && errno == EINVAL)
        fd = wpipe__os_above(memfd_create("windpipe", flags));
    if (fd < 0)
        return fail_segment("memfd_create", errno);
    *ret_fd = fd;
    return 0;
}

/* Growing a file over RLIMIT_FSIZE raises SIGXFSZ, which we must not. */
static int size_allowed(size_t size)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 1;
    return limit.rlim_cur == RLIM_INFINITY || size <= limit.rlim_cur;
}

/* Set the size and take every page now: later there is nobody to tell. */
static int memory_allocate(int fd, size_t size)
{
    size_t at = 0;
    size_t step;
    int r;

    if (size > INT64_MAX || !size_allowed(size)) {
        wpipe__os_fail("ftruncate", EFBIG);
        return WPIPE_ELIMIT;
    }
    if (ftruncate(fd, (off_t)size) < 0)
        return fail_segment("ftruncate", errno);
    while (at < size) {
        step = size - at < ALLOCATE_STEP ? size - at : ALLOCATE_STEP;
        if (fallocate(fd, 0, (off_t)at, (off_t)step) == 0) {
            at += step;
            continue;
        }
        if (errno == EINTR)
            continue;
        r = fail_segment("fallocate", errno);
        return r == WPIPE_ENOTSUP ? r : WPIPE_ENOMEM;
    }
    return 0;
}

/* Map `size` bytes; a forked child does not get them. */
static int memory_map(int fd, size_t size, int protection, void **ret_memory)
{
    void *memory;
    int r;

    memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return fail_segment("mmap", errno);
    if (madvise(memory, size, MADV_DONTFORK) < 0) {
        r = fail_segment("madvise", errno);
        munmap(memory, size);
        return r;
    }
    *ret_memory = memory;
    return 0;
}

static int memory_seal(int fd)
{
    if (fcntl(fd, F_ADD_SEALS, SEALS) == 0)
        return 0;
    wpipe__os_fail("F_ADD_SEALS", errno);
    return WPIPE_ENOTSUP; /* before Linux 5.1 */
}

int wpipe__os_segment_make(size_t size, void **ret_memory,
                           wpipe__handle *ret_handle)
{
    const char *why;
    void *memory = NULL;
    int fd = -1;
    int r;

    if (size == 0)
        return WPIPE_EINVAL;
    r = memory_new(&fd);
    if (r < 0)
        return r;
    /* Else another user could open it anew through /proc, for writing. */
    if (fchmod(fd, 0400) < 0) {
        r = fail_segment("fchmod", errno);
        goto fail;
    }
    r = memory_allocate(fd, size);
    if (r < 0)
        goto fail;
    /* Our writable mapping must come first: afterwards there is none. */
    r = memory_map(fd, size, PROT_READ | PROT_WRITE, &memory);
    if (r < 0)
        goto fail;
    r = memory_seal(fd);
    if (r < 0)
        goto fail;
    /* Who has offered one must take the peer's: can we? */
    r = check_segment(fd, size, &why);
    if (r < 0)
        goto fail;
    *ret_memory = memory;
    *ret_handle = fd;
    return 0;
fail:
    wpipe__os_segment_unmap(memory, size);
    wpipe__os_close(fd);
    return r;
}

/* ---- the peer's --------------------------------------------------------- */

uint64_t wpipe__os_sealed_bytes(int fd)
{
    struct stat facts;
    int seals = fcntl(fd, F_GET_SEALS);

    /* with these seals it cannot get more, either */
    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &facts) < 0)
        return UINT64_MAX;
    return (uint64_t)facts.st_blocks * 512;
}

int wpipe__os_segment_map(wpipe__handle handle, size_t size,
                          const void **ret_memory, const char **ret_why)
{
    void *memory;
    int r;

    if (size == 0)
        return WPIPE_EINVAL;
    r = check_segment(handle, size, ret_why);
    if (r == 0)
        r = memory_map(handle, size, PROT_READ, &memory);
    if (r < 0)
        return r;
    *ret_memory = memory;
    return 0;
}

void wpipe__os_segment_unmap(const void *memory, size_t size)
{
    if (memory)
        munmap((void *)(uintptr_t)memory, size);
}

/* ---- barrier ------------------------------------------------------------ */

enum {
    BARRIER_UNKNOWN = 0,
    BARRIER_THERE = 1,
    BARRIER_MISSING = 2
};

static atomic_int barrier_state;

static long membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0);
}

/* Registering twice does no harm, so threads may race here; a forked child
 * inherits the registration together with the answer. */
int wpipe__os_has_barrier(void)
{
    int state = atomic_load_explicit(&barrier_state, memory_order_relaxed);

    if (state == BARRIER_UNKNOWN) {
        state = membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0
                    ? BARRIER_THERE
                    : BARRIER_MISSING;
        atomic_store_explicit(&barrier_state, state, memory_order_relaxed);
    }
    return state == BARRIER_THERE;
}

/* A program may forbid itself the call by a filter, after its peers were told
 * to count on it. They write on without a fence, and no core keeps a store for
 * itself for so long. */
static void barrier_by_waiting(void)
{
    const struct timespec pause = { .tv_nsec = BARRIER_PAUSE_NS };

    nanosleep(&pause, NULL);
}

int wpipe__os_barrier(void)
{
    if (!wpipe__os_has_barrier())
        return WPIPE_ENOTSUP;
    if (membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) < 0)
        barrier_by_waiting();
    return 0;
}
