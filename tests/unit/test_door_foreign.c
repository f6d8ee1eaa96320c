/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process and the foreign door: the file that stands there and goes again,
 * and everything that may be in the way. Rows are those of .NET's own tests.
 * Paths are in test_door_foreign_path.c, clients in test_door_foreign_dial.c,
 * races in fault/test_door_foreign_races.c, other users in
 * fault/test_door_foreign_attacks.c.
 */
#include "support.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "door/foreign.h"
#include "unit/door_foreign_tools.h"

enum {
    STICKY = 01000
};

/* ---- taking and giving back ---------------------------------------------- */

/* Rows 4, 29, 55: there while it is open, gone afterwards, and any plain
 * client is served. */
static void door_open_is_reached_and_leaves_nothing(void **state)
{
    struct wpipe__foreign_door d = WPIPE__FOREIGN_DOOR_NULL;
    wpipe_options options = plain();
    struct stat status;

    (void)state;
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", &options), 0);
    assert_string_equal(error_text, "");
    assert_string_equal(d.path, door_path("echo"));
    assert_int_equal(lstat(d.path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_nlink, 1);
    assert_int_equal(status.st_mode & 0777, 0600);
    /* for systemd-tmpfiles */
    assert_int_equal(status.st_mode & 07000, STICKY);
    /* the lock is not where the others are */
    assert_int_equal(count_all(temp_dir()), 1);
    assert_int_equal(count_all(support_runtime_dir()), 1);
    assert_foreign_reaches(&d, "echo");
    wpipe__foreign_door_close(&d);
    assert_nothing_left();
    wpipe__foreign_door_close(&d);
    wpipe__foreign_door_close(NULL);
}

static void door_at_an_absolute_path_is_reached(void **state)
{
    const char *path = below(support_dir(), "any.sock");
    struct wpipe__foreign_door d;

    (void)state;
    assert_int_equal(wpipe__foreign_door_open(&d, path, NULL), 0);
    assert_string_equal(d.path, path);
    assert_foreign_reaches(&d, path);
    wpipe__foreign_door_close(&d);
    assert_int_equal(access(path, F_OK), -1);
    assert_nothing_left();
}

static void door_names_of_every_length_reach_their_own(void **state)
{
    static struct wpipe__foreign_door doors[128];
    static char names[128][256];
    size_t first = strlen(door_path("")) + 1;
    size_t length;

    (void)state;
    for (length = first; length <= WPIPE__FOREIGN_PATH_MAX; length++) {
        name_for_path(names[length], length);
        assert_int_equal(
            wpipe__foreign_door_open(&doors[length], names[length], NULL), 0);
    }
    for (length = first; length <= WPIPE__FOREIGN_PATH_MAX; length++)
        assert_foreign_reaches(&doors[length], names[length]);
    for (length = first; length <= WPIPE__FOREIGN_PATH_MAX; length++)
        wpipe__foreign_door_close(&doors[length]);
    assert_nothing_left();
}

/* Nothing that a program has set may change who can connect; .NET's mode is
 * whatever the umask leaves. */
static void door_under_any_umask_has_its_mode(void **state)
{
    static const mode_t masks[] = { 0, 0022, 0077, 0777 };
    static const struct {
        int access;
        mode_t mode;
    } table[] = {
        { WPIPE_ACCESS_USER, 0600 },
        { WPIPE_ACCESS_GROUP, 0660 },
        { WPIPE_ACCESS_ANYONE, 0666 },
    };
    wpipe_options options = plain();
    struct wpipe__foreign_door d;
    size_t i;
    size_t k;

    (void)state;
    for (i = 0; i < sizeof(masks) / sizeof(*masks); i++)
        for (k = 0; k < sizeof(table) / sizeof(*table); k++) {
            mode_t before = umask(masks[i]);

            options.access = table[k].access;
            assert_int_equal(wpipe__foreign_door_open(&d, "echo", &options), 0);
            assert_int_equal(umask(before), masks[i]);
            assert_int_equal(mode_of(d.path), table[k].mode | STICKY);
            wpipe__foreign_door_close(&d);
            assert_nothing_left();
        }
}

static void door_for_a_group_belongs_to_it(void **state)
{
    wpipe_options options = plain();
    struct wpipe__foreign_door d;
    struct stat status;

    (void)state;
    if (geteuid() != 0)
        support_skip("only root may give files to any group");
    options.access = WPIPE_ACCESS_GROUP;
    options.group = 12345;
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", &options), 0);
    assert_int_equal(lstat(d.path, &status), 0);
    assert_int_equal(status.st_gid, 12345);
    wpipe__foreign_door_close(&d);
}

/* With a small backlog .NET's Connect hangs beyond its timeout. */
static void door_unserved_takes_hundreds_of_clients(void **state)
{
    enum {
        COUNT = 400
    };
    static int clients[COUNT];
    struct wpipe__foreign_door d;
    int i;

    (void)state;
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    for (i = 0; i < COUNT; i++) {
        clients[i] = plain_client(d.path);
        assert_int_not_equal(clients[i], -1);
    }
    for (i = 0; i < COUNT; i++)
        close(clients[i]);
    wpipe__foreign_door_close(&d);
}

/* TMPDIR may be a link, or be spelled in many ways: one directory, one
 * lock. */
static void door_behind_a_linked_directory_is_the_same(void **state)
{
    const char *directory = temp_dir();
    char path[PATH_MAX];
    struct wpipe__foreign_door d;
    wpipe_options options = plain();
    wpipe__handle client;

    (void)state;
    snprintf(path, sizeof(path), "%s/CoreFxPipe_echo", directory);
    assert_int_equal(symlink(directory, below(support_dir(), "linked")), 0);
    setenv("TMPDIR", below(support_dir(), "linked"), 1);
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    assert_foreign_reaches(&d, "echo");
    /* with the door gone the lock alone has to tell */
    assert_int_equal(unlink(path), 0);
    assert_foreign_open(path, &options, WPIPE_EINUSE);
    assert_foreign_open(below(support_dir(), "linked/.//CoreFxPipe_echo"),
                        &options, WPIPE_EINUSE);
    assert_int_equal(wpipe__foreign_door_dial(path, NULL, &client),
                     WPIPE_ENOTFOUND);
    wpipe__foreign_door_close(&d);
}

static void door_in_no_directory_is_an_error(void **state)
{
    wpipe_options options = plain();

    (void)state;
    assert_foreign_open(below(support_dir(), "none/x"), &options,
                        WPIPE_ESYSTEM);
    assert_said("none/x");
    assert_said("No such file or directory");
    write_file(below(support_dir(), "file"), "");
    assert_foreign_open(below(support_dir(), "file/x"), &options, WPIPE_EACCES);
    assert_said("Not a directory");
    assert_foreign_dial(below(support_dir(), "file/x"), &options, WPIPE_EACCES);
    assert_said("Not a directory");
    assert_nothing_left();
}

static void door_under_file_size_limit_raises_no_signal(void **state)
{
    const struct rlimit none = { 0, RLIM_INFINITY };
    struct wpipe__foreign_door d;
    struct rlimit before;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    wpipe__foreign_door_close(&d);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

/* What has to be there after a refusal: the dead socket (0: none) and nothing
 * of ours. */
static void assert_only_left(ino_t dead)
{
    assert_int_equal(count_all(temp_dir()), dead != 0);
    assert_int_equal(count_all(support_runtime_dir()), 0);
    if (dead != 0)
        assert_int_equal(inode_of(door_path("echo")), dead);
}

/* At each descriptor that can be missing, nothing is left behind, and what
 * was there is there. */
static void door_without_descriptors_leaves_nothing(void **state)
{
    const char *dead = *state;
    struct rlimit before;
    struct rlimit few;
    struct wpipe__foreign_door d;
    wpipe_options options;
    ino_t inode = 0;
    int refused = 0;
    int r;

    if (dead != NULL) {
        leave_socket(door_path("echo"), SOCK_STREAM);
        inode = inode_of(door_path("echo"));
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    for (few.rlim_cur = 3;; few.rlim_cur++) {
        options = plain();
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        r = wpipe__foreign_door_open(&d, "echo", &options);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (r == 0)
            break;
        assert_int_equal(r, WPIPE_ELIMIT);
        assert_said("Too many open files");
        assert_only_left(inode);
        refused++;
    }
    assert_in_range(refused, 4, 20);
    assert_foreign_reaches(&d, "echo");
    wpipe__foreign_door_close(&d);
    assert_nothing_left();
}

static int close_in_child(int fd, void *argument)
{
    struct wpipe__foreign_door *d = argument;

    wpipe__foreign_door_close(d);
    event_send(fd, 1);
    return 0;
}

static void door_closed_by_forked_child_still_serves(void **state)
{
    struct helper child = HELPER_NONE;
    struct wpipe__foreign_door d;

    (void)state;
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    helper_fork(&child, close_in_child, &d);
    event_expect(child.fd, 1);
    assert_int_equal(helper_join(&child), 0);
    assert_foreign_open("echo", NULL, WPIPE_EINUSE);
    assert_foreign_reaches(&d, "echo");
    wpipe__foreign_door_close(&d);
    assert_nothing_left();
}

/* A .NET server that starts later unlinks our door and binds its own: when we
 * leave, that one stays. .NET itself removes it then. */
static void door_replaced_is_not_unlinked_by_close(void **state)
{
    struct wpipe__foreign_door d;
    const char *path = door_path("echo");
    struct stat before;
    struct stat after;
    int thief;
    int client;

    (void)state;
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    assert_int_equal(unlink(path), 0);
    thief = plain_server(path, SOCK_STREAM, 1);
    assert_int_equal(lstat(path, &before), 0);
    wpipe__foreign_door_close(&d);
    /* not even for a moment */
    assert_int_equal(lstat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(after.st_ctim));
    client = plain_client(path);
    assert_int_not_equal(client, -1);
    close(client);
    close(thief);
    assert_int_equal(count_all(temp_dir()), 1);
    assert_int_equal(unlink(path), 0);
}

static void door_removed_by_others_closes_quietly(void **state)
{
    struct wpipe__foreign_door d;

    (void)state;
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    assert_int_equal(unlink(d.path), 0);
    wpipe__foreign_door_close(&d);
    assert_nothing_left();
}

/* ---- somebody lives there ------------------------------------------------ */

static void door_taken_here_names_this_process(void **state)
{
    struct wpipe__foreign_door d;
    wpipe_options options = plain();
    char pid[32];

    (void)state;
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    assert_foreign_open("echo", &options, WPIPE_EINUSE);
    snprintf(pid, sizeof(pid), "by process %ld (", (long)getpid());
    assert_said(door_path("echo"));
    assert_said(pid);
    /* cleaners of temporary files may take a lock from under a server */
    assert_int_equal(unlink(below(support_runtime_dir(), d.lock_file)), 0);
    assert_foreign_open("echo", &options, WPIPE_EINUSE);
    assert_said(pid);
    assert_foreign_reaches(&d, "echo");
    wpipe__foreign_door_close(&d);
    assert_nothing_left();
}

/* A server that knows nothing of us. It does not even notice, where the
 * kernel tells. Row 27 asks for the flag FirstPipeInstance; we always do. */
static void door_of_plain_server_is_not_displaced(void **state)
{
    const char *path = door_path("echo");
    int server = plain_server(path, SOCK_STREAM, 1);
    ino_t inode = inode_of(path);
    wpipe_options options = plain();
    char pid[32];

    (void)state;
    assert_foreign_open("echo", &options, WPIPE_EINUSE);
    snprintf(pid, sizeof(pid), "by process %ld (", (long)getpid());
    assert_said(pid);
    if (has_socket_list())
        assert_int_equal(accept(server, NULL, NULL), -1);
    assert_int_equal(inode_of(path), inode);
    assert_int_equal(count_all(temp_dir()), 1);
    assert_int_equal(count_all(support_runtime_dir()), 0);
    close(server);
    assert_int_equal(unlink(path), 0);
}

/* Its backlog is full: it lives, but does not answer. */
static void door_of_busy_server_is_not_displaced(void **state)
{
    const char *path = door_path("echo");
    int server = plain_server(path, SOCK_STREAM, 1);
    int clients[2] = { plain_client(path), plain_client(path) };

    (void)state;
    assert_foreign_dial("echo", NULL, WPIPE_EAGAIN);
    assert_foreign_open("echo", NULL, WPIPE_EINUSE);
    assert_int_equal(access(path, F_OK), 0);
    close(clients[0]);
    close(clients[1]);
    close(server);
    assert_int_equal(unlink(path), 0);
}

/* Bound, but it does not listen yet: it refuses as a dead one does, for as
 * long as it likes. */
static void door_of_starting_server_is_not_displaced(void **state)
{
    const char *path = door_path("echo");
    int server;
    int client;

    (void)state;
    if (!has_socket_list())
        support_skip("this kernel does not list local sockets");
    server = plain_server(path, SOCK_STREAM, 0);
    assert_foreign_open("echo", NULL, WPIPE_EINUSE);
    assert_int_equal(listen(server, 1), 0);
    client = plain_client(path);
    assert_int_not_equal(client, -1);
    close(client);
    close(server);
    assert_int_equal(unlink(path), 0);
}

/* ---- nobody lives there -------------------------------------------------- */

/* Rows 28 and C 41: a killed server's socket is no server, and no obstacle. */
static void door_of_dead_server_is_replaced(void **state)
{
    struct wpipe__foreign_door d;
    const char *path = door_path("echo");
    int64_t start;
    ino_t inode;

    (void)state;
    leave_socket(path, SOCK_STREAM);
    inode = inode_of(path);
    assert_foreign_dial("echo", NULL, WPIPE_ENOTFOUND);
    start = support_now_ms();
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    /* not before the second look */
    assert_true(support_now_ms() - start >= 99);
    assert_int_not_equal(inode_of(path), inode);
    assert_int_equal(mode_of(path), 0600 | STICKY);
    assert_int_equal(count_all(temp_dir()), 1);
    assert_foreign_reaches(&d, "echo");
    wpipe__foreign_door_close(&d);
    assert_nothing_left();
}

static int killed_server(int fd, void *argument)
{
    struct wpipe__foreign_door d;

    (void)argument;
    event_send(fd, wpipe__foreign_door_open(&d, "echo", NULL) == 0);
    (void)support_wait_readable(fd, SUPPORT_WAIT_MS);
    return 0;
}

static void door_of_killed_server_is_taken_over(void **state)
{
    struct helper helper = HELPER_NONE;
    struct wpipe__foreign_door d;
    int i;

    (void)state;
    for (i = 0; i < 5; i++) {
        helper_start(&helper, killed_server, NULL);
        event_expect(helper.fd, 1);
        assert_foreign_open("echo", NULL, WPIPE_EINUSE);
        helper_kill(&helper);
        assert_int_equal(count_all(temp_dir()), 1);
    }
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    assert_foreign_reaches(&d, "echo");
    wpipe__foreign_door_close(&d);
    assert_nothing_left();
}

/* ---- something else is there --------------------------------------------- */

enum thing {
    FILE_THERE,
    DIRECTORY_THERE,
    LINK_NOWHERE,
    LINK_TO_SERVER,
    FIFO_THERE,
    DATAGRAM_DEAD,
    SEQUENCED_LIVING
};

static int make_thing(const char *path, enum thing thing)
{
    const char *target = below(support_dir(), "target");

    switch (thing) {
    case FILE_THERE:
        write_file(path, "mine");
        return -1;
    case DIRECTORY_THERE:
        assert_int_equal(mkdir(path, 0700), 0);
        return -1;
    case LINK_NOWHERE:
        assert_int_equal(symlink(target, path), 0);
        return -1;
    case LINK_TO_SERVER:
        assert_int_equal(symlink(target, path), 0);
        return plain_server(target, SOCK_STREAM, 1);
    case FIFO_THERE:
        assert_int_equal(mkfifo(path, 0600), 0);
        return -1;
    case DATAGRAM_DEAD:
        return plain_server(path, SOCK_DGRAM, 0);
    case SEQUENCED_LIVING:
        return plain_server(path, SOCK_SEQPACKET, 1);
    }
    return -1;
}

struct meeting {
    enum thing thing;
    const char *said;
    int dialed; /* what a client gets */
};

/* Refused by name, and as it was afterwards. .NET removes even a regular
 * file. */
static void thing_at_the_door_is_refused_untouched(void **state)
{
    const struct meeting *meeting = *state;
    const char *path = door_path("echo");
    wpipe_options options = plain();
    struct stat before;
    struct stat after;
    int held;

    held = make_thing(path, meeting->thing);
    assert_int_equal(lstat(path, &before), 0);
    assert_foreign_open("echo", &options, WPIPE_EACCES);
    assert_said(path);
    assert_said(meeting->said);
    assert_foreign_dial("echo", &options, meeting->dialed);
    assert_said(path);
    assert_said(meeting->said);
    assert_int_equal(lstat(path, &after), 0);
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(after.st_mtim));
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mode, after.st_mode);
    assert_int_equal(before.st_nlink, after.st_nlink);
    assert_int_equal(count_all(temp_dir()), 1);
    assert_int_equal(count_all(support_runtime_dir()), 0);
    if (meeting->thing == FILE_THERE)
        assert_file_holds(path, "mine");
    if (meeting->thing == LINK_NOWHERE)
        assert_int_equal(access(below(support_dir(), "target"), F_OK), -1);
    wpipe__os_close(held);
    assert_int_equal(remove(path), 0);
}

static const struct meeting meetings[] = {
    { FILE_THERE, "is a regular file", WPIPE_ENOTFOUND },
    { DIRECTORY_THERE, "is a directory", WPIPE_ENOTFOUND },
    { LINK_NOWHERE, "is a symbolic link", WPIPE_ENOTFOUND },
    { LINK_TO_SERVER, "is a symbolic link", WPIPE_ENOTFOUND },
    { FIFO_THERE, "is a FIFO", WPIPE_ENOTFOUND },
    { DATAGRAM_DEAD, "is a socket of another kind", WPIPE_ENOTSUP },
    { SEQUENCED_LIVING, "is a socket of another kind", WPIPE_ENOTSUP },
};

/* A lock file that somebody linked to a precious one is never written. */
static void lock_with_second_name_is_not_written(void **state)
{
    const char *precious = below(support_dir(), "precious");
    struct wpipe__foreign_door d;
    char lock[WPIPE__FOREIGN_LOCK_MAX];

    (void)state;
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    snprintf(lock, sizeof(lock), "%s", d.lock_file);
    wpipe__foreign_door_close(&d);
    write_file(precious, "do not touch");
    assert_int_equal(link(precious, below(support_runtime_dir(), lock)), 0);
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    assert_foreign_reaches(&d, "echo");
    wpipe__foreign_door_close(&d);
    assert_file_holds(precious, "do not touch");
}

#define MEETING(thing, variant)                       \
    TEST_WITH(thing_at_the_door_is_refused_untouched, \
              (void *)(intptr_t)&meetings[thing], variant)

/* For door_without_descriptors_leaves_nothing. */
static char dead_there[] = "a dead socket is there";

/* The names of what was made in a watched directory, `most` of them at most. */
static size_t names_made(int watch, char (*names)[NAME_MAX + 1], size_t most)
{
    char buf[4096] __attribute__((aligned(8)));
    const struct inotify_event *event;
    size_t count = 0;
    ssize_t n;

    while ((n = read(watch, buf, sizeof(buf))) > 0)
        for (char *at = buf; at < buf + n; at += sizeof(*event) + event->len) {
            event = (const struct inotify_event *)(void *)at;
            if (strncmp(event->name, ".windpipe-", 10) != 0)
                continue;
            assert_true(count < most);
            snprintf(names[count++], NAME_MAX + 1, "%s", event->name);
        }
    return count;
}

/* What is staged beside the door, to appear or to go, has another name each
 * time: others may write there, and squat what they can guess. */
static void door_is_staged_under_fresh_names(void **state)
{
    struct wpipe__foreign_door door;
    wpipe_options options = plain();
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    char names[6][NAME_MAX + 1];

    (void)state;
    assert_true(inotify_add_watch(watch, getenv("TMPDIR"),
                                  IN_CREATE | IN_ONLYDIR) >= 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wpipe__foreign_door_open(&door, "x", &options), 0);
        wpipe__foreign_door_close(&door);
    }
    assert_int_equal(names_made(watch, names, 6), 6);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(strlen(names[i]), 10 + 16);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
    }
    close(watch);
}

static const struct support_case cases[] = {
    TEST(door_is_staged_under_fresh_names),
    TEST(door_open_is_reached_and_leaves_nothing),
    TEST(door_at_an_absolute_path_is_reached),
    TEST(door_names_of_every_length_reach_their_own),
    TEST(door_under_any_umask_has_its_mode),
    TEST(door_for_a_group_belongs_to_it),
    TEST(door_unserved_takes_hundreds_of_clients),
    TEST(door_behind_a_linked_directory_is_the_same),
    TEST(door_in_no_directory_is_an_error),
    TEST(door_under_file_size_limit_raises_no_signal),
    TEST_WITH(door_without_descriptors_leaves_nothing, NULL, "free"),
    TEST_WITH(door_without_descriptors_leaves_nothing, dead_there, "dead"),
    TEST(door_closed_by_forked_child_still_serves),
    TEST(door_replaced_is_not_unlinked_by_close),
    TEST(door_removed_by_others_closes_quietly),
    TEST(door_taken_here_names_this_process),
    TEST(door_of_plain_server_is_not_displaced),
    TEST(door_of_busy_server_is_not_displaced),
    TEST(door_of_starting_server_is_not_displaced),
    TEST(door_of_dead_server_is_replaced),
    TEST(door_of_killed_server_is_taken_over),
    MEETING(FILE_THERE, "file"),
    MEETING(DIRECTORY_THERE, "directory"),
    MEETING(LINK_NOWHERE, "link"),
    MEETING(LINK_TO_SERVER, "link to a server"),
    MEETING(FIFO_THERE, "fifo"),
    MEETING(DATAGRAM_DEAD, "datagram"),
    MEETING(SEQUENCED_LIVING, "seqpacket"),
    TEST(lock_with_second_name_is_not_written),
};

TEST_MAIN(cases)
