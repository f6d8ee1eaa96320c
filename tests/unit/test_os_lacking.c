/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Systems that lack something: old kernels and filters of system calls,
 * played with seccomp, and a root directory without /proc. What src/os does
 * then: another way, or the code that lets its callers take one.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/forbid.h"
#include "support/support.h"

enum {
    SIZE = 8192
};

/* ---- memory -------------------------------------------------------------- */

static void expect_no_segment(int number)
{
    wpipe__handle handle = 99;
    void *memory = NULL;

    assert_int_equal(wpipe__os_segment_make(SIZE, &memory, &handle),
                     WPIPE_ENOTSUP);
    assert_int_equal(wpipe__os_error_number(), number);
    assert_null(memory);
    assert_int_equal(handle, 99);
}

static void memfd_that_is_forbidden_is_not_supported(void **state)
{
    (void)state;
    support_forbid(SYS_memfd_create, SUPPORT_ANY, 0, EPERM);
    expect_no_segment(EPERM);
}

static void memfd_that_is_unknown_is_not_supported(void **state)
{
    (void)state;
    support_forbid(SYS_memfd_create, SUPPORT_ANY, 0, ENOSYS);
    expect_no_segment(ENOSYS);
}

/* Before Linux 6.3. */
static void memfd_without_noexec_seal_is_made_all_the_same(void **state)
{
    wpipe__handle handle;
    void *memory;
    struct stat facts;
    const void *theirs;
    const char *why;

    (void)state;
    support_forbid(SYS_memfd_create, 1, MFD_CLOEXEC | MFD_ALLOW_SEALING | 8,
                   EINVAL);
    assert_int_equal(wpipe__os_segment_make(SIZE, &memory, &handle), 0);
    assert_int_equal(fstat(handle, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0400);
    assert_int_equal(wpipe__os_segment_map(handle, SIZE, &theirs, &why), 0);
    wpipe__os_segment_unmap(theirs, SIZE);
    wpipe__os_segment_unmap(memory, SIZE);
    wpipe__os_close(handle);
}

/* Before Linux 5.1. */
static void memory_without_future_write_is_not_supported(void **state)
{
    (void)state;
    support_forbid(SYS_fcntl, 1, F_ADD_SEALS, EINVAL);
    expect_no_segment(EINVAL);
}

static void memory_that_is_out_is_no_segment(void **state)
{
    static const unsigned errors[] = { ENOSPC, ENOMEM };
    const unsigned *error = &errors[*state != NULL];
    wpipe__handle handle = 99;
    void *memory = NULL;

    support_forbid(SYS_fallocate, SUPPORT_ANY, 0, *error);
    assert_int_equal(wpipe__os_segment_make(SIZE, &memory, &handle),
                     WPIPE_ENOMEM);
    assert_null(memory);
    assert_int_equal(handle, 99);
}

/* ---- each call that segments need ---------------------------------------- */

struct lacking {
    const struct support_call *call;
    unsigned error;
    wpipe__handle handle; /* of a segment that was made before */
};

static int make_and_map_without(int fd, void *argument)
{
    const struct lacking *l = argument;
    wpipe__handle handle = WPIPE__NO_HANDLE;
    const void *theirs = NULL;
    const char *why = NULL;
    void *memory = NULL;

    (void)fd;
    support_forbid(l->call->number, l->call->index, l->call->value, l->error);
    assert_int_equal(wpipe__os_segment_make(SIZE, &memory, &handle),
                     WPIPE_ENOTSUP);
    assert_int_equal(wpipe__os_error_number(), l->error);
    assert_null(memory);
    assert_int_equal(handle, WPIPE__NO_HANDLE);
    assert_int_equal(wpipe__os_segment_map(l->handle, SIZE, &theirs, &why),
                     l->call->maps ? WPIPE_ENOTSUP : 0);
    assert_null(why);
    wpipe__os_segment_unmap(theirs, SIZE);
    return 0;
}

static void segment_without_one_of_its_calls_is_not_supported(void **state)
{
    static const unsigned errors[] = { EPERM, ENOSYS };
    struct lacking l = { .handle = WPIPE__NO_HANDLE };
    struct helper helper;
    void *memory;
    size_t i;

    (void)state;
    assert_int_equal(wpipe__os_segment_make(SIZE, &memory, &l.handle), 0);
    for (i = 0; i < 2 * SUPPORT_SEGMENT_CALLS; i++) {
        l.call = &support_segment_calls[i / 2];
        l.error = errors[i % 2];
        helper_fork(&helper, make_and_map_without, &l);
        if (helper_join(&helper) != 0)
            fail_msg("without %s", l.call->name);
    }
    wpipe__os_segment_unmap(memory, SIZE);
    wpipe__os_close(l.handle);
}

/* Before Linux 6.5: the blocks are believed, and others are not. */
static void pages_that_cannot_be_counted_are_told_so(void **state)
{
    wpipe__handle handle;
    const void *theirs;
    const char *why;
    void *memory;

    (void)state;
    support_forbid(451, SUPPORT_ANY, 0, ENOSYS);
    assert_int_equal(wpipe__os_counts_pages(), 0);
    assert_int_equal(wpipe__os_segment_make(SIZE, &memory, &handle), 0);
    assert_int_equal(wpipe__os_segment_map(handle, SIZE, &theirs, &why), 0);
    wpipe__os_segment_unmap(theirs, SIZE);
    wpipe__os_segment_unmap(memory, SIZE);
    wpipe__os_close(handle);
}

static void barrier_that_is_unknown_is_not_supported(void **state)
{
    (void)state;
    support_forbid(SYS_membarrier, SUPPORT_ANY, 0, ENOSYS);
    assert_int_equal(wpipe__os_has_barrier(), 0);
    assert_int_equal(wpipe__os_barrier(), WPIPE_ENOTSUP);
}

/* A filter that comes when others count on it already. */
static void barrier_forbidden_later_takes_its_time(void **state)
{
    uint64_t before;

    (void)state;
    if (!wpipe__os_has_barrier())
        support_skip("no membarrier here");
    support_forbid(SYS_membarrier, SUPPORT_ANY, 0, EPERM);
    before = wpipe__os_now();
    assert_int_equal(wpipe__os_barrier(), 0);
    assert_true(wpipe__os_now() - before >= 1000000);
}

/* ---- the process --------------------------------------------------------- */

static void getrandom_that_is_unknown_has_a_stand_in(void **state)
{
    unsigned char bytes[2][64];

    (void)state;
    memset(bytes, 0, sizeof(bytes));
    support_forbid(SYS_getrandom, SUPPORT_ANY, 0, ENOSYS);
    assert_int_equal(wpipe__os_random(bytes[0], sizeof(bytes[0])), 0);
    assert_int_equal(wpipe__os_random(bytes[1], sizeof(bytes[1])), 0);
    assert_memory_not_equal(bytes[0], bytes[1], 32);
    assert_memory_not_equal(bytes[0] + 32, bytes[1] + 32, 32);
}

static int want_random(int fd, void *argument)
{
    char bytes[16];

    (void)argument;
    support_forbid(SYS_getrandom, SUPPORT_ANY, 0, EPERM);
    support_forbid(SYS_openat, 2, O_RDONLY | O_CLOEXEC, EACCES);
    assert_int_equal(wpipe__os_random(bytes, sizeof(bytes)), WPIPE_ESYSTEM);
    assert_int_equal(wpipe__os_error_number(), EACCES);
    event_send(fd, 1);
    event_wait(fd); /* to be killed: an exit would need what is missing */
    return 0;
}

static void random_that_is_not_to_be_had_is_an_error(void **state)
{
    struct helper helper;

    (void)state;
    helper_start(&helper, want_random, NULL);
    event_expect(helper.fd, 1);
    helper_kill(&helper);
}

static int send_generation(int fd, void *argument)
{
    (void)argument;
    event_send(fd, wpipe__os_generation());
    return 0;
}

/* Before Linux 4.14. */
static void fork_is_noticed_without_wiped_pages(void **state)
{
    struct helper helper;
    uint32_t mine;

    (void)state;
    support_forbid(SYS_madvise, 2, MADV_WIPEONFORK, EINVAL);
    mine = wpipe__os_generation();
    assert_true(mine != 0);
    helper_start(&helper, send_generation, NULL);
    assert_true(event_wait(helper.fd) != mine);
    assert_int_equal(helper_join(&helper), 0);
    assert_true(wpipe__os_generation() == mine);
}

/* ---- waiting and sockets ------------------------------------------------- */

static void *never_run(void *user)
{
    *(int *)user = 1;
    return NULL;
}

static int want_thread(int fd, void *argument)
{
    struct wpipe__thread thread;
    int ran = 0;

    (void)argument;
    support_forbid(SYS_clone, SUPPORT_ANY, 0, EAGAIN);
    support_forbid(SYS_clone3, SUPPORT_ANY, 0, EAGAIN);
    assert_int_equal(wpipe__thread_start(&thread, never_run, &ran),
                     WPIPE_ELIMIT);
    wpipe__thread_join(&thread);
    assert_int_equal(ran, 0);
    event_send(fd, 1);
    event_wait(fd); /* to be killed: an exit would need what is missing */
    return 0;
}

static void thread_that_cannot_be_made_is_a_limit(void **state)
{
    struct helper helper;

    (void)state;
    helper_start(&helper, want_thread, NULL);
    event_expect(helper.fd, 1);
    helper_kill(&helper);
}

/* inotify: 128 instances for each user, then EMFILE; ENOSPC for watches. */
static void watches_that_are_used_up_are_a_limit(void **state)
{
    wpipe__handle watch = WPIPE__NO_HANDLE;

    (void)state;
    support_forbid(SYS_inotify_add_watch, SUPPORT_ANY, 0, ENOSPC);
    assert_int_equal(wpipe__os_watch_open("/", &watch), WPIPE_ELIMIT);
    support_forbid(SYS_inotify_init1, SUPPORT_ANY, 0, EMFILE);
    assert_int_equal(wpipe__os_watch_open("/", &watch), WPIPE_ELIMIT);
    assert_int_equal(watch, WPIPE__NO_HANDLE);
}

/* Before Linux 6.16. */
static void passing_that_cannot_be_refused_is_no_error(void **state)
{
    wpipe_piece piece = { .data = &(char){ 'x' }, .size = 1 };
    wpipe__handle pair[2];
    wpipe__handle passed;
    char byte;

    (void)state;
    support_forbid(SYS_setsockopt, 2, 83, ENOPROTOOPT);
    assert_int_equal(wpipe__os_socket_pair(pair), 0);
    wpipe__os_refuse_passing(pair[1]);
    assert_int_equal(wpipe__os_send(pair[0], &piece, 1, pair[0]), 1);
    assert_int_equal(wpipe__os_receive(pair[1], &byte, 1, &passed), 1);
    assert_true(passed >= 0);
    wpipe__os_close(passed);
    wpipe__os_close(pair[0]);
    wpipe__os_close(pair[1]);
}

/* Whatever fails after bind, and with a name of any length. */
static void listener_that_fails_late_leaves_no_name(void **state)
{
    const char *name = *state;
    wpipe__handle socket = WPIPE__NO_HANDLE;
    struct stat facts;
    int directory = open(support_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(directory >= 0);
    umask(077);
    support_forbid(SYS_listen, SUPPORT_ANY, 0, ENOBUFS);
    assert_int_equal(wpipe__os_listen(directory, name, 0600, 0, &socket),
                     WPIPE_ELIMIT);
#ifdef SYS_chmod
    support_forbid(SYS_chmod, SUPPORT_ANY, 0, EPERM);
#endif
    support_forbid(SYS_fchmodat, SUPPORT_ANY, 0, EPERM);
    assert_int_equal(
        wpipe__os_listen(directory, name, 0660, getegid(), &socket),
        WPIPE_EACCES);
    support_forbid(SYS_linkat, SUPPORT_ANY, 0, ENOSPC);
    assert_int_equal(
        wpipe__os_listen(directory, name, 0660, getegid(), &socket),
        strlen(name) > 100 ? WPIPE_ELIMIT : WPIPE_EACCES);
    support_forbid(SYS_fchmod, SUPPORT_ANY, 0, EPERM);
    assert_int_equal(wpipe__os_listen(directory, name, 0600, 0, &socket),
                     WPIPE_EACCES);
    assert_int_equal(socket, WPIPE__NO_HANDLE);
    assert_int_equal(fstatat(directory, name, &facts, AT_SYMLINK_NOFOLLOW), -1);
    /* An empty directory can be removed; the runner wants it back. */
    wpipe__os_close(directory);
    assert_int_equal(rmdir(support_dir()), 0);
    assert_int_equal(mkdir(support_dir(), 0700), 0);
}

static void accept_that_runs_out_of_memory_is_a_limit(void **state)
{
    static const unsigned errors[] = { ENFILE, ENOBUFS, ENOMEM };
    wpipe__handle none = WPIPE__NO_HANDLE;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        support_forbid(SYS_accept4, 0, 1000 + (unsigned)i, errors[i]);
        assert_int_equal(wpipe__os_accept(1000 + (int)i, &none), WPIPE_ELIMIT);
    }
    /* One connection that is broken says nothing about the next. */
    support_forbid(SYS_accept4, 0, 2000, ECONNABORTED);
    assert_int_equal(wpipe__os_accept(2000, &none), WPIPE_EAGAIN);
    assert_int_equal(none, WPIPE__NO_HANDLE);
}

/* ---- no /proc ------------------------------------------------------------ */

static void expect_proc_is_named(void)
{
    if (!strstr(wpipe__os_error_text(), "/proc"))
        fail_msg("\"%s\" does not say /proc", wpipe__os_error_text());
}

static int live_without_proc(int fd, void *argument)
{
    const char *path = support_dir();
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    wpipe__handle socket = WPIPE__NO_HANDLE;
    wpipe__handle there;
    char text[64];

    (void)argument;
    assert_true(directory >= 0);
    assert_int_equal(wpipe__os_listen(directory, "there", 0600, 0, &there), 0);
    assert_int_equal(chroot(path), 0);
    assert_int_equal(wpipe__os_listen(directory, "s", 0600, 0, &socket),
                     WPIPE_ESYSTEM);
    expect_proc_is_named();
    assert_int_equal(wpipe__os_connect(directory, "there", &socket),
                     WPIPE_ESYSTEM);
    expect_proc_is_named();
    assert_int_equal(wpipe__os_connect(directory, "absent", &socket),
                     WPIPE_ENOTFOUND);
    assert_int_equal(socket, WPIPE__NO_HANDLE);
    wpipe__os_program(getpid(), text, sizeof(text));
    assert_string_equal(text, "");
    wpipe__os_user(0, text, sizeof(text)); /* nor is there /etc/passwd */
    assert_string_equal(text, "0");
    event_send(fd, 1);
    event_wait(fd); /* to be killed: an exit would need what is missing */
    return 0;
}

static void root_without_proc_is_told_so(void **state)
{
    struct helper helper;

    (void)state;
    if (geteuid() != 0)
        support_skip("only root can change its root directory");
    helper_start(&helper, live_without_proc, NULL);
    event_expect(helper.fd, 1);
    helper_kill(&helper);
}

static int other = 1;
static char short_name[] = "s";
static char long_name[] = "a-name-that-does-not-fit-the-address-of-a-socket-"
                          "since-that-holds-one-hundred-and-seven-bytes-only-"
                          "and-part-of-them-is-taken";

static const struct support_case cases[] = {
    TEST(memfd_that_is_forbidden_is_not_supported),
    TEST(memfd_that_is_unknown_is_not_supported),
    TEST(memfd_without_noexec_seal_is_made_all_the_same),
    TEST(memory_without_future_write_is_not_supported),
    TEST_WITH(memory_that_is_out_is_no_segment, NULL, "ENOSPC"),
    TEST_WITH(memory_that_is_out_is_no_segment, &other, "ENOMEM"),
    TEST(segment_without_one_of_its_calls_is_not_supported),
    TEST(pages_that_cannot_be_counted_are_told_so),
    TEST(barrier_that_is_unknown_is_not_supported),
    TEST(barrier_forbidden_later_takes_its_time),
    TEST(getrandom_that_is_unknown_has_a_stand_in),
    TEST(random_that_is_not_to_be_had_is_an_error),
    TEST(fork_is_noticed_without_wiped_pages),
    TEST(watches_that_are_used_up_are_a_limit),
    TEST(passing_that_cannot_be_refused_is_no_error),
    TEST(thread_that_cannot_be_made_is_a_limit),
    TEST_WITH(listener_that_fails_late_leaves_no_name, short_name, "short"),
    TEST_WITH(listener_that_fails_late_leaves_no_name, long_name, "long"),
    TEST(accept_that_runs_out_of_memory_is_a_limit),
    TEST(root_without_proc_is_told_so),
};

TEST_MAIN(cases)
