/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process and the names it takes and gives back: files and their modes,
 * and everything that may stand in the way. Where doors stand and how they
 * are found is in test_door_place.c, waiting in test_door_wait.c, races and
 * hostile users in fault/test_name_races.c.
 */
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "door/door.h"
#include "support/forbid.h"
#include "unit/door_tools.h"

/* ---- taking and giving back ---------------------------------------------- */

static void door_open_is_reached_and_leaves_nothing(void **state)
{
    struct wpipe__door d = WPIPE__DOOR_NULL;
    wpipe_options options = plain();

    (void)state;
    assert_int_equal(wpipe__door_open(&d, "echo", &options), 0);
    assert_string_equal(error_text, "");
    assert_string_equal(d.where, support_runtime_dir());
    assert_int_equal(count_files(d.where), 2);
    assert_int_equal(mode_of(below(d.where, "echo.pipe")), 01600);
    assert_int_equal(mode_of(below(d.where, "echo.lock")), 01600);
    assert_reaches(&d, "echo", &options);
    assert_reaches(&d, "echo", NULL);
    wpipe__door_close(&d);
    assert_int_equal(count_files(support_runtime_dir()), 0);
    wpipe__door_close(&d);
    wpipe__door_close(NULL);
}

/* Nothing that a program has set may change who can connect. */
static void door_under_any_umask_has_its_mode(void **state)
{
    static const mode_t masks[] = { 0, 0022, 0077, 0777 };
    struct wpipe__door d;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(masks) / sizeof(*masks); i++) {
        mode_t before = umask(masks[i]);

        assert_int_equal(rmdir(support_runtime_dir()), 0);
        assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
        assert_int_equal(umask(before), masks[i]);
        assert_int_equal(mode_of(d.where), 0700);
        assert_int_equal(mode_of(below(d.where, "echo.pipe")), 01600);
        assert_int_equal(mode_of(below(d.where, "echo.lock")), 01600);
        wpipe__door_close(&d);
    }
}

static void door_taken_here_names_this_process(void **state)
{
    struct wpipe__door d;
    wpipe_options options = plain();
    char pid[32];

    (void)state;
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_open("echo", &options, WPIPE_EINUSE);
    snprintf(pid, sizeof(pid), "process %ld (", (long)getpid());
    assert_said("the pipe \"echo\" is in use by");
    assert_said(pid);
    assert_said("door)");
    assert_reaches(&d, "echo", NULL);
    wpipe__door_close(&d);
}

static void door_names_of_every_length_reach_their_own(void **state)
{
    enum {
        COUNT = WPIPE_NAME_MAX
    };
    static struct wpipe__door doors[COUNT];
    static char names[COUNT][WPIPE_NAME_MAX + 2];
    int i;

    (void)state;
    for (i = 0; i < COUNT; i++) {
        memset(names[i], 'a' + i % 26, (size_t)i + 1);
        assert_int_equal(wpipe__door_open(&doors[i], names[i], NULL), 0);
    }
    for (i = COUNT - 1; i >= 0; i--)
        assert_reaches(&doors[i], names[i], NULL);
    for (i = 0; i < COUNT; i++)
        wpipe__door_close(&doors[i]);
    memset(names[0], 'x', WPIPE_NAME_MAX + 1);
    assert_open(names[0], NULL, WPIPE_ENAME);
    assert_open("", NULL, WPIPE_ENAME);
}

static void door_names_that_look_like_ours_do_not_collide(void **state)
{
    static const char *const names[] = {
        "echo",
        "echo.lock",
        "echo.pipe",
        "echo.new",
        "echo.lock.",
        ".echo",
        "a b%s\"'",
        "CON",
        "0000000000.new",
        "\\x",
        "-rf",
        "gr\xc3\xbc\xc3\x9f",
        "\xe6\x97\xa5\xe6\x9c\xac",
    };
    enum {
        COUNT = sizeof(names) / sizeof(*names)
    };
    struct wpipe__door doors[COUNT];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT; i++)
        assert_int_equal(wpipe__door_open(&doors[i], names[i], NULL), 0);
    for (i = 0; i < COUNT; i++) {
        assert_open(names[i], NULL, WPIPE_EINUSE);
        assert_reaches(&doors[i], names[i], NULL);
    }
    for (i = 0; i < COUNT; i++)
        wpipe__door_close(&doors[i]);
}

/* A server was killed between making its socket and publishing it: the next one
 * finds it by the lock, and takes nothing else for it. */
static void door_of_killed_server_is_cleared_away(void **state)
{
    const char *run = support_runtime_dir();
    const char *lock = below(run, "echo.lock");
    const char *fresh = below(run, "00000000deadbeef.new");
    struct wpipe__door d;
    struct stat facts;

    (void)state;
    write_file(lock, "7                  \n00000000deadbeef\n");
    leave_socket(fresh, SOCK_STREAM);
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_int_equal(lstat(fresh, &facts), -1);
    wpipe__door_close(&d);
    assert_int_equal(count_files(run), 0);
    write_file(lock, "7                  \n00000000deadbeef\n");
    write_file(fresh, "precious");
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_file_holds(fresh, "precious");
    wpipe__door_close(&d);
    assert_int_equal(unlink(fresh), 0);
    write_file(lock, "nonsense, and more of it than there should be");
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    wpipe__door_close(&d);
    assert_int_equal(count_files(run), 0);
}

static void door_without_locks_leaves_nothing(void **state)
{
    (void)state;
    support_forbid(SYS_flock, SUPPORT_ANY, 0, ENOSYS);
    assert_open("echo", NULL, WPIPE_ENOTSUP);
    assert_int_equal(count_files(support_runtime_dir()), 0);
}

/* What a close removes is its own door, not one that took its place. */
static void door_replaced_is_not_unlinked_by_close(void **state)
{
    struct wpipe__door d;
    const char *path = below(support_runtime_dir(), "echo.pipe");

    (void)state;
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_int_equal(unlink(path), 0);
    leave_socket(path, SOCK_STREAM);
    wpipe__door_close(&d);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(path), 0);
}

static int close_in_child(int fd, void *argument)
{
    struct wpipe__door *d = argument;

    wpipe__door_close(d);
    event_send(fd, 1);
    return 0;
}

static void door_closed_by_forked_child_still_serves(void **state)
{
    struct helper child = HELPER_NONE;
    struct wpipe__door d;

    (void)state;
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    helper_fork(&child, close_in_child, &d);
    event_expect(child.fd, 1);
    assert_int_equal(helper_join(&child), 0);
    assert_int_equal(count_files(d.where), 2);
    assert_open("echo", NULL, WPIPE_EINUSE);
    assert_reaches(&d, "echo", NULL);
    wpipe__door_close(&d);
}

/* Cleaners of temporary files remove old regular files, also a lock. */
static void door_that_lost_its_lock_is_not_displaced(void **state)
{
    struct wpipe__door d;
    wpipe_options options = plain();
    char pid[32];

    (void)state;
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_int_equal(unlink(below(d.where, "echo.lock")), 0);
    assert_open("echo", &options, WPIPE_EINUSE);
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_said(pid);
    assert_int_equal(access(below(d.where, "echo.pipe"), F_OK), 0);
    wpipe__door_close(&d);
    assert_int_equal(count_files(support_runtime_dir()), 0);
}

/* Locking must not write into a file that somebody has linked there. */
static void door_lock_with_second_name_is_not_written(void **state)
{
    const char *precious = below(support_dir(), "precious");
    struct wpipe__door d;

    (void)state;
    write_file(precious, "do not touch");
    assert_int_equal(link(precious, below(support_runtime_dir(), "echo.lock")),
                     0);
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_file_holds(precious, "do not touch");
    assert_reaches(&d, "echo", NULL);
    wpipe__door_close(&d);
    assert_file_holds(precious, "do not touch");
}

static void door_under_file_size_limit_raises_no_signal(void **state)
{
    const struct rlimit none = { 0, RLIM_INFINITY };
    struct wpipe__door d;
    struct rlimit before;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_open("echo", NULL, WPIPE_EINUSE);
    wpipe__door_close(&d);
}

/* At each descriptor that can be missing, nothing is left behind. */
static void door_without_descriptors_leaves_nothing(void **state)
{
    struct rlimit before;
    struct rlimit few;
    struct wpipe__door d;
    wpipe_options options;
    int refused = 0;
    int r;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    for (few.rlim_cur = 3;; few.rlim_cur++) {
        options = plain();
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        r = wpipe__door_open(&d, "echo", &options);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (r == 0)
            break;
        assert_int_equal(r, WPIPE_ELIMIT);
        assert_said("Too many open files");
        assert_int_equal(count_files(support_runtime_dir()), 0);
        refused++;
    }
    assert_in_range(refused, 3, 16);
    wpipe__door_close(&d);
}

/* ---- in the way ---------------------------------------------------------- */

enum thing {
    FILE_THERE,
    DIRECTORY_THERE,
    LINK_THERE,
    FIFO_THERE,
    DATAGRAM
};

static void make_thing(const char *path, enum thing thing)
{
    switch (thing) {
    case FILE_THERE:
        write_file(path, "mine");
        break;
    case DIRECTORY_THERE:
        assert_int_equal(mkdir(path, 0700), 0);
        break;
    case LINK_THERE:
        assert_int_equal(symlink(below(support_dir(), "target"), path), 0);
        break;
    case FIFO_THERE:
        assert_int_equal(mkfifo(path, 0600), 0);
        break;
    case DATAGRAM:
        leave_socket(path, SOCK_DGRAM);
        break;
    }
}

/* At the door: refused by name, and as it was afterwards. */
static void door_in_the_way_is_refused_untouched(void **state)
{
    static const char *const words[] = { "a regular file", "a directory",
                                         "a symbolic link", "something else" };
    enum thing thing = (enum thing)(intptr_t)*state;
    const char *path = below(support_runtime_dir(), "echo.pipe");
    wpipe_options options = plain();
    struct stat before;
    struct stat after;

    make_thing(path, thing);
    assert_int_equal(lstat(path, &before), 0);
    assert_open("echo", &options, WPIPE_EACCES);
    assert_said(path);
    assert_said(words[thing]);
    assert_int_equal(lstat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(count_files(support_runtime_dir()), 1);
    assert_int_equal(access(below(support_dir(), "target"), F_OK), -1);
    assert_int_equal(remove(path), 0);
}

/* Where the lock belongs, too; but a regular file there is a lock. */
static void door_lock_in_the_way_is_refused_untouched(void **state)
{
    enum thing thing = (enum thing)(intptr_t)*state;
    const char *path = below(support_runtime_dir(), "echo.lock");
    wpipe_options options = plain();
    struct stat before;
    struct stat after;

    make_thing(path, thing);
    assert_int_equal(lstat(path, &before), 0);
    assert_open("echo", &options, WPIPE_EACCES);
    assert_said(path);
    assert_int_equal(lstat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(count_files(support_runtime_dir()), 1);
    assert_int_equal(access(below(support_dir(), "target"), F_OK), -1);
    assert_int_equal(remove(path), 0);
}

/* Somebody serves datagrams there: alive, though it refuses a stream. */
static void door_with_living_datagram_socket_is_refused(void **state)
{
    const char *path = below(support_runtime_dir(), "echo.pipe");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    wpipe_options options = plain();

    (void)state;
    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_open("echo", &options, WPIPE_EACCES);
    assert_said("a socket of another kind");
    assert_dial("echo", &options, WPIPE_EACCES);
    assert_int_equal(unlink(path), 0);
    close(fd);
}

static int dial_result(const char *name)
{
    wpipe__handle socket = WPIPE__NO_HANDLE;
    int r = wpipe__door_dial(name, NULL, &socket);

    wpipe__os_close(socket);
    return r;
}

/* A link to a living server must not lead a client there, where somebody else
 * could have put it; in a place that is ours alone it is our own doing. */
static void door_that_is_a_link_is_followed_only_if_ours(void **state)
{
    const struct {
        mode_t parent;
        int expected;
    } table[] = {
        { 0777, WPIPE_ENOTFOUND },
        { 01777, 0 },
        { 0770, WPIPE_ENOTFOUND },
        { 0700, 0 },
    };
    const char *path = below(support_runtime_dir(), "other.pipe");
    const char *parent = below(support_runtime_dir(), "..");
    struct wpipe__door d;

    (void)state;
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_int_equal(symlink("echo.pipe", path), 0);
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        assert_int_equal(chmod(parent, table[i].parent), 0);
        assert_int_equal(dial_result("other"), table[i].expected);
        assert_int_equal(dial_result("echo"), 0);
    }
    assert_int_equal(unlink(path), 0);
    wpipe__door_close(&d);
}

static void door_of_dead_server_is_replaced(void **state)
{
    struct wpipe__door d;

    (void)state;
    leave_socket(below(support_runtime_dir(), "echo.pipe"), SOCK_STREAM);
    write_file(below(support_runtime_dir(), "echo.lock"), "12345\n");
    assert_dial("echo", NULL, WPIPE_ENOTFOUND);
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_reaches(&d, "echo", NULL);
    wpipe__door_close(&d);
}

#define THING(function, thing, variant) \
    TEST_WITH(function, (void *)(intptr_t)(thing), variant)

static const struct support_case cases[] = {
    TEST(door_open_is_reached_and_leaves_nothing),
    TEST(door_under_any_umask_has_its_mode),
    TEST(door_taken_here_names_this_process),
    TEST(door_names_of_every_length_reach_their_own),
    TEST(door_names_that_look_like_ours_do_not_collide),
    TEST(door_of_killed_server_is_cleared_away),
    TEST(door_without_locks_leaves_nothing),
    TEST(door_replaced_is_not_unlinked_by_close),
    TEST(door_closed_by_forked_child_still_serves),
    TEST(door_that_lost_its_lock_is_not_displaced),
    TEST(door_lock_with_second_name_is_not_written),
    TEST(door_under_file_size_limit_raises_no_signal),
    TEST(door_without_descriptors_leaves_nothing),
    THING(door_in_the_way_is_refused_untouched, FILE_THERE, "file"),
    THING(door_in_the_way_is_refused_untouched, DIRECTORY_THERE, "directory"),
    THING(door_in_the_way_is_refused_untouched, LINK_THERE, "link"),
    THING(door_in_the_way_is_refused_untouched, FIFO_THERE, "fifo"),
    THING(door_lock_in_the_way_is_refused_untouched, DIRECTORY_THERE,
          "directory"),
    THING(door_lock_in_the_way_is_refused_untouched, LINK_THERE, "link"),
    THING(door_lock_in_the_way_is_refused_untouched, FIFO_THERE, "fifo"),
    THING(door_lock_in_the_way_is_refused_untouched, DATAGRAM, "socket"),
    TEST(door_with_living_datagram_socket_is_refused),
    TEST(door_that_is_a_link_is_followed_only_if_ours),
    TEST(door_of_dead_server_is_replaced),
};

TEST_MAIN(cases)
