/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed segments (src/os/linux_memory.c): what the receiver of one cannot do
 * with it, and everything that is not one is refused before it is touched.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "os/os_test.h"
#include "support/support.h"

enum {
    SIZE = 64 * 1024,
    NOBODY = 65534
};

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

struct segment {
    void *memory;
    wpipe__handle handle;
};

static void segment_open(struct segment *s)
{
    int r = wpipe__os_segment_make(SIZE, &s->memory, &s->handle);

    if (r == WPIPE_ENOTSUP)
        support_skip("no sealed memory on this system");
    assert_int_equal(r, 0);
}

static void segment_close(struct segment *s)
{
    wpipe__os_segment_unmap(s->memory, SIZE);
    wpipe__os_close(s->handle);
}

/* ---- ours ---------------------------------------------------------------- */

static void segment_made_is_zero_sealed_and_whole(void **state)
{
    struct segment s;
    struct stat facts;
    const unsigned char *bytes;
    size_t i;

    (void)state;
    segment_open(&s);
    bytes = s.memory;
    for (i = 0; i < SIZE; i++)
        assert_int_equal(bytes[i], 0);
    assert_int_equal(fcntl(s.handle, F_GET_SEALS) & SEALS, SEALS);
    assert_int_equal(fstat(s.handle, &facts), 0);
    assert_int_equal(facts.st_size, SIZE);
    assert_true(facts.st_blocks * 512 >= SIZE);
    assert_int_equal(facts.st_mode & 07777, 0400);
    assert_true(fcntl(s.handle, F_GETFD) & FD_CLOEXEC);
    segment_close(&s);
}

static void segment_written_is_seen_by_its_reader(void **state)
{
    struct segment s;
    const void *theirs;
    const char *why = NULL;

    (void)state;
    segment_open(&s);
    assert_int_equal(wpipe__os_segment_map(s.handle, SIZE, &theirs, &why), 0);
    assert_null(why);
    assert_ptr_not_equal(theirs, s.memory);
    memset(s.memory, 0x5a, SIZE);
    assert_memory_equal(theirs, s.memory, SIZE);
    wpipe__os_close(s.handle);
    s.handle = WPIPE__NO_HANDLE;
    memset(s.memory, 0xa5, SIZE); /* the mappings go on without it */
    assert_memory_equal(theirs, s.memory, SIZE);
    wpipe__os_segment_unmap(theirs, SIZE);
    segment_close(&s);
}

static void segment_refuses_all_its_receiver_could_do(void **state)
{
    struct segment s;
    char path[64];
    const char byte = 1;
    int again;

    (void)state;
    segment_open(&s);
    assert_int_equal(ftruncate(s.handle, SIZE - 1), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(s.handle, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(s.handle, SIZE + 1), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fallocate(s.handle, 0, SIZE, 4096), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fallocate(s.handle,
                               FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                               SIZE),
                     -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(pwrite(s.handle, &byte, 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fcntl(s.handle, F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_int_equal(errno, EPERM);
    assert_ptr_equal(
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s.handle, 0),
        MAP_FAILED);
    assert_int_equal(errno, EPERM);
    /* Root may open it anew for writing, but not map it so. */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", s.handle);
    again = open(path, O_RDWR | O_CLOEXEC);
    if (again >= 0) {
        assert_ptr_equal(
            mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0),
            MAP_FAILED);
        assert_int_equal(errno, EPERM);
        close(again);
    }
    segment_close(&s);
}

static void segment_mapped_cannot_be_made_writable(void **state)
{
    struct segment s;
    const void *theirs;
    const char *why;
    void *memory;

    (void)state;
    segment_open(&s);
    memset(s.memory, 7, SIZE);
    assert_int_equal(wpipe__os_segment_map(s.handle, SIZE, &theirs, &why), 0);
    memory = (void *)(uintptr_t)theirs;
    assert_int_equal(mprotect(memory, SIZE, PROT_READ | PROT_WRITE), -1);
    assert_int_equal(errno, EACCES);
    assert_int_equal(madvise(memory, SIZE, MADV_REMOVE), -1);
    /* Nor can its maker take the pages from under its reader. */
    assert_int_equal(madvise(s.memory, SIZE, MADV_REMOVE), -1);
    assert_int_equal(errno, EPERM);
    assert_memory_equal(theirs, s.memory, SIZE);
    wpipe__os_segment_unmap(theirs, SIZE);
    segment_close(&s);
}

static int open_as_nobody(int fd, void *argument)
{
    const struct segment *s = argument;
    char path[64];

    assert_int_equal(setresgid(NOBODY, NOBODY, NOBODY), 0);
    assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), s->handle);
    assert_int_equal(open(path, O_RDWR | O_CLOEXEC), -1);
    assert_int_equal(errno, EACCES);
    assert_int_equal(open(path, O_RDONLY | O_CLOEXEC), -1);
    assert_int_equal(fchmod(s->handle, 0666), -1);
    assert_int_equal(errno, EPERM);
    event_send(fd, 1);
    return 0;
}

static void segment_cannot_be_opened_by_another_user(void **state)
{
    struct segment s;
    struct helper helper;

    (void)state;
    if (geteuid() != 0)
        support_skip("only root can become another user");
    segment_open(&s);
    helper_fork(&helper, open_as_nobody, &s);
    event_expect(helper.fd, 1);
    assert_int_equal(helper_join(&helper), 0);
    segment_close(&s);
}

static int look_for_mappings(int fd, void *argument)
{
    void *const *mappings = argument;
    int i;

    (void)fd;
    for (i = 0; i < 2; i++) {
        assert_int_equal(msync(mappings[i], SIZE, MS_ASYNC), -1);
        assert_int_equal(errno, ENOMEM); /* nothing is mapped there */
    }
    return 0;
}

static void segment_mappings_are_not_inherited(void **state)
{
    struct segment s;
    struct helper helper;
    const void *theirs;
    const char *why;
    void *mappings[2];

    (void)state;
    segment_open(&s);
    assert_int_equal(wpipe__os_segment_map(s.handle, SIZE, &theirs, &why), 0);
    mappings[0] = s.memory;
    mappings[1] = (void *)(uintptr_t)theirs;
    assert_int_equal(msync(mappings[0], SIZE, MS_ASYNC), 0);
    assert_int_equal(msync(mappings[1], SIZE, MS_ASYNC), 0);
    helper_fork(&helper, look_for_mappings, mappings);
    assert_int_equal(helper_join(&helper), 0);
    wpipe__os_segment_unmap(theirs, SIZE);
    segment_close(&s);
}

/* ---- not to be had ------------------------------------------------------- */

static void expect_none(size_t size, int code)
{
    wpipe__handle handle = 99;
    void *memory = &handle;

    assert_int_equal(wpipe__os_segment_make(size, &memory, &handle), code);
    assert_ptr_equal(memory, &handle);
    assert_int_equal(handle, 99);
}

static void segment_without_memfd_is_not_supported(void **state)
{
    struct segment s;

    (void)state;
    wpipe__os_test_no_memory(1);
    expect_none(SIZE, WPIPE_ENOTSUP);
    assert_int_equal(wpipe__os_error_number(), ENOSYS);
    wpipe__os_test_no_memory(0);
    segment_open(&s);
    segment_close(&s);
}

static void segment_of_no_size_is_refused(void **state)
{
    (void)state;
    expect_none(0, WPIPE_EINVAL);
    expect_none(SIZE_MAX, WPIPE_ELIMIT);
}

/* SIGXFSZ has its default action here: it would end the case. */
static void segment_over_the_file_limit_raises_no_signal(void **state)
{
    struct rlimit before;
    struct rlimit tight;
    struct segment s;

    (void)state;
    segment_open(&s);
    segment_close(&s);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = SIZE - 1;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    expect_none(SIZE, WPIPE_ELIMIT);
    tight.rlim_cur = SIZE;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    segment_open(&s);
    segment_close(&s);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

static void segment_without_descriptors_is_a_limit(void **state)
{
    struct rlimit before;
    struct rlimit none;
    struct segment s;
    int next;

    (void)state;
    segment_open(&s);
    next = s.handle;
    segment_close(&s);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    expect_none(SIZE, WPIPE_ELIMIT);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void segment_without_address_space_is_out_of_memory(void **state)
{
    const size_t big = (size_t)16 << 20;
    struct rlimit before;
    struct rlimit tight;
    struct segment s;
    const void *theirs = NULL;
    const char *why = NULL;

    (void)state;
    if (SANITIZED)
        support_skip("a sanitizer needs all the address space");
    assert_int_equal(wpipe__os_segment_make(big, &s.memory, &s.handle), 0);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    tight = before;
    tight.rlim_cur = 1 << 20; /* less than what is mapped already */
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    expect_none(big, WPIPE_ENOMEM);
    assert_int_equal(wpipe__os_segment_map(s.handle, big, &theirs, &why),
                     WPIPE_ENOMEM);
    assert_null(theirs);
    assert_null(why);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    wpipe__os_segment_unmap(s.memory, big);
    wpipe__os_close(s.handle);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
    (void)number;
    alarms++;
}

/* A signal undoes one fallocate: it must not undo all of them for ever. */
static void segment_made_under_signals_is_whole(void **state)
{
    const size_t big = (size_t)32 << 20;
    struct itimerval every = { .it_interval = { .tv_usec = 200 },
                               .it_value = { .tv_usec = 200 } };
    struct sigaction action = { .sa_handler = count_alarm };
    struct segment s;
    struct stat facts;

    (void)state;
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
    while (alarms < 3) {
        assert_int_equal(wpipe__os_segment_make(big, &s.memory, &s.handle), 0);
        assert_int_equal(fstat(s.handle, &facts), 0);
        assert_true((size_t)facts.st_blocks * 512 >= big);
        wpipe__os_segment_unmap(s.memory, big);
        wpipe__os_close(s.handle);
    }
    memset(&every, 0, sizeof(every));
    assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
}

/* ---- the peer's ---------------------------------------------------------- */

/* Refused with a word about it, and the handle stays ours. Takes `handle`. */
static void expect_refused(int handle, size_t size, const char *word)
{
    const void *memory = &handle;
    const char *why = NULL;

    assert_true(handle >= 0);
    assert_int_equal(wpipe__os_segment_map(handle, size, &memory, &why),
                     WPIPE_EPROTO);
    assert_ptr_equal(memory, &handle);
    assert_non_null(why);
    if (!strstr(why, word))
        fail_msg("\"%s\" does not say \"%s\"", why, word);
    assert_int_equal(close(handle), 0);
}

static int memory_of(unsigned flags)
{
    return memfd_create("test", MFD_CLOEXEC | flags);
}

/* Memory as a segment's but for the seals given. */
static int memory_sealed(int seals)
{
    int fd = memory_of(MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    assert_int_equal(fallocate(fd, 0, 0, SIZE), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void file_that_is_no_memory_is_refused(void **state)
{
    char path[512];
    int ends[2];
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/file", support_dir());
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(posix_fallocate(fd, 0, SIZE), 0);
    expect_refused(fd, SIZE, "not sealable");
    expect_refused(open(support_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                   SIZE, "not sealable");
    expect_refused(open("/dev/zero", O_RDWR | O_CLOEXEC), SIZE, "not sealable");
    assert_int_equal(wpipe__os_socket_pair(ends), 0);
    expect_refused(ends[0], SIZE, "not sealable");
    expect_refused(ends[1], SIZE, "not sealable");
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    expect_refused(ends[0], SIZE, "not sealable");
    expect_refused(ends[1], SIZE, "not sealable");
}

/* /dev/shm: memory that never can be sealed. */
static void memory_with_a_name_is_refused(void **state)
{
    char name[64];
    int fd;

    (void)state;
    snprintf(name, sizeof(name), "/windpipe-test-%d", getpid());
    fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        support_skip("no /dev/shm");
    assert_int_equal(shm_unlink(name), 0);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    expect_refused(fd, SIZE, "seal");
}

static void memory_that_lacks_a_seal_is_refused(void **state)
{
    static const int all[] = { F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE,
                               F_SEAL_SEAL };
    size_t i;

    (void)state;
    expect_refused(memory_of(0), SIZE, "seal");
    expect_refused(memory_of(MFD_ALLOW_SEALING), SIZE, "seal");
    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        expect_refused(memory_sealed(SEALS & ~all[i]), SIZE, "seal");
}

/* One that never changes again is as safe, but it is no ring: its maker could
 * never write it. What counts is the mask, so more seals do no harm. */
static void memory_with_more_seals_is_taken(void **state)
{
    const void *memory;
    const char *why;
    int fd = memory_sealed(SEALS | F_SEAL_WRITE);

    (void)state;
    assert_int_equal(wpipe__os_segment_map(fd, SIZE, &memory, &why), 0);
    wpipe__os_segment_unmap(memory, SIZE);
    close(fd);
}

static void memory_with_holes_is_refused(void **state)
{
    int fd = memory_of(MFD_ALLOW_SEALING);

    (void)state;
    assert_int_equal(ftruncate(fd, SIZE), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALS), 0);
    expect_refused(fd, SIZE, "holes");
    fd = memory_of(MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    assert_int_equal(fallocate(fd, 0, 0, SIZE - 4096), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALS), 0);
    expect_refused(fd, SIZE, "holes");
}

/* As many blocks as it has bytes, but from `from` on, behind its end in part
 * or whole. */
static int memory_allocated_from(off_t from)
{
    int fd = memory_of(MFD_ALLOW_SEALING);

    assert_int_equal(ftruncate(fd, SIZE), 0);
    assert_int_equal(fallocate(fd, FALLOC_FL_KEEP_SIZE, from, SIZE), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALS), 0);
    return fd;
}

static void memory_with_blocks_behind_its_end_is_refused(void **state)
{
    (void)state;
    if (!wpipe__os_counts_pages())
        support_skip("no cachestat on this kernel");
    expect_refused(memory_allocated_from(SIZE), SIZE, "holes");
    expect_refused(memory_allocated_from(4096), SIZE, "holes");
    expect_refused(memory_allocated_from(SIZE - 4096), SIZE, "holes");
}

/* As it is made, it may be counted by whom it is passed to. */
static int map_as_nobody(int fd, void *argument)
{
    const struct segment *s = argument;
    const void *memory;
    const char *why;

    assert_int_equal(setresgid(NOBODY, NOBODY, NOBODY), 0);
    assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
    assert_int_equal(wpipe__os_segment_map(s->handle, SIZE, &memory, &why), 0);
    wpipe__os_segment_unmap(memory, SIZE);
    event_send(fd, 1);
    return 0;
}

static void segment_is_taken_by_another_user(void **state)
{
    struct segment s;
    struct helper helper;

    (void)state;
    if (geteuid() != 0)
        support_skip("only root can become another user");
    segment_open(&s);
    helper_fork(&helper, map_as_nobody, &s);
    event_expect(helper.fd, 1);
    assert_int_equal(helper_join(&helper), 0);
    segment_close(&s);
}

static void memory_of_another_size_is_refused(void **state)
{
    struct segment s;

    (void)state;
    segment_open(&s);
    expect_refused(dup(s.handle), SIZE - 1, "size");
    expect_refused(dup(s.handle), SIZE + 1, "size");
    expect_refused(dup(s.handle), 2 * SIZE, "size");
    expect_refused(dup(s.handle), 4096, "size");
    expect_refused(dup(s.handle), SIZE_MAX, "size");
    expect_refused(memory_sealed(SEALS), SIZE / 2, "size");
    segment_close(&s);
}

/* It carries the same seals, but touching it can still raise SIGBUS. */
static void memory_of_huge_pages_is_refused(void **state)
{
    const size_t huge = (size_t)2 << 20;
    int fd = memory_of(MFD_ALLOW_SEALING | MFD_HUGETLB);

    (void)state;
    if (fd < 0)
        support_skip("no huge pages on this kernel");
    assert_int_equal(ftruncate(fd, (off_t)huge), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALS), 0);
    expect_refused(fd, huge, "another kind");
}

static void memory_that_is_not_readable_is_refused(void **state)
{
    char path[64];
    int fd = memory_sealed(SEALS);
    int bare;

    (void)state;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    bare = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(bare >= 0);
    expect_refused(bare, SIZE, "not open for reading");
    expect_refused(open(path, O_PATH | O_CLOEXEC), SIZE, "not sealable");
    close(fd);
}

static void memory_that_is_not_there_is_refused(void **state)
{
    const void *memory = NULL;
    const char *why = NULL;
    struct segment s;

    (void)state;
    assert_int_equal(
        wpipe__os_segment_map(WPIPE__NO_HANDLE, SIZE, &memory, &why),
        WPIPE_EPROTO);
    assert_non_null(why);
    segment_open(&s);
    assert_int_equal(wpipe__os_segment_map(s.handle, 0, &memory, &why),
                     WPIPE_EINVAL);
    assert_null(memory);
    segment_close(&s);
    wpipe__os_segment_unmap(NULL, SIZE);
}

/* ---- barrier ------------------------------------------------------------- */

static int use_barrier(int fd, void *argument)
{
    (void)fd;
    (void)argument;
    assert_int_equal(wpipe__os_has_barrier(), 1);
    assert_int_equal(wpipe__os_barrier(), 0);
    return 0;
}

static void barrier_works_where_it_is_said_to(void **state)
{
    struct helper helper;

    (void)state;
    if (!wpipe__os_has_barrier()) {
        assert_int_equal(wpipe__os_barrier(), WPIPE_ENOTSUP);
        support_skip("no membarrier on this system");
    }
    assert_int_equal(wpipe__os_barrier(), 0);
    helper_start(&helper, use_barrier, NULL);
    assert_int_equal(helper_join(&helper), 0);
}

static const struct support_case cases[] = {
    TEST(segment_made_is_zero_sealed_and_whole),
    TEST(segment_written_is_seen_by_its_reader),
    TEST(segment_refuses_all_its_receiver_could_do),
    TEST(segment_mapped_cannot_be_made_writable),
    TEST(segment_cannot_be_opened_by_another_user),
    TEST(segment_mappings_are_not_inherited),
    TEST(segment_without_memfd_is_not_supported),
    TEST(segment_of_no_size_is_refused),
    TEST(segment_over_the_file_limit_raises_no_signal),
    TEST(segment_without_descriptors_is_a_limit),
    TEST(segment_without_address_space_is_out_of_memory),
    TEST(segment_made_under_signals_is_whole),
    TEST(file_that_is_no_memory_is_refused),
    TEST(memory_with_a_name_is_refused),
    TEST(memory_that_lacks_a_seal_is_refused),
    TEST(memory_with_more_seals_is_taken),
    TEST(memory_with_holes_is_refused),
    TEST(memory_with_blocks_behind_its_end_is_refused),
    TEST(segment_is_taken_by_another_user),
    TEST(memory_of_another_size_is_refused),
    TEST(memory_of_huge_pages_is_refused),
    TEST(memory_that_is_not_readable_is_refused),
    TEST(memory_that_is_not_there_is_refused),
    TEST(barrier_works_where_it_is_said_to),
};

TEST_MAIN(cases)
