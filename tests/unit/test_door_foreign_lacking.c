/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The foreign door on systems that lack what it likes to have, played with
 * seccomp: a list of local sockets, and names that are exchanged in one step.
 * It keeps its rules by knocking twice, and by unlinking.
 */
#include "support.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "door/foreign.h"
#include "unit/door_foreign_tools.h"

static void without_list_living_server_is_not_displaced(void **state)
{
    const char *path = door_path("echo");
    wpipe_options options = plain();
    char pid[32];
    ino_t inode;
    int server;

    (void)state;
    forbid_list();
    server = plain_server(path, SOCK_STREAM, 1);
    inode = inode_of(path);
    assert_foreign_open("echo", &options, WPIPE_EINUSE);
    snprintf(pid, sizeof(pid), "by process %ld (", (long)getpid());
    assert_said(pid);
    assert_int_equal(inode_of(path), inode);
    /* the knocks fill its backlog, but it lives all the same */
    assert_foreign_open("echo", &options, WPIPE_EINUSE);
    assert_foreign_open("echo", &options, WPIPE_EINUSE);
    assert_said("by another process");
    close(server);
    assert_int_equal(unlink(path), 0);
}

static void without_list_dead_server_is_replaced(void **state)
{
    struct wpipe__foreign_door d;

    (void)state;
    forbid_list();
    leave_socket(door_path("echo"), SOCK_STREAM);
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    assert_foreign_reaches(&d, "echo");
    wpipe__foreign_door_close(&d);
    assert_nothing_left();
}

static void without_list_facts_say_so(void **state)
{
    struct wpipe__foreign_facts facts;
    struct wpipe__foreign_door d;

    (void)state;
    forbid_list();
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    assert_int_equal(wpipe__foreign_door_facts("echo", &facts), 0);
    assert_int_equal(facts.listening, -1);
    assert_int_equal(facts.pid, 0);
    wpipe__foreign_door_close(&d);
}

static void without_exchange_dead_server_is_replaced(void **state)
{
    struct wpipe__foreign_door d;

    (void)state;
    forbid(SYS_renameat2, UINT32_MAX, EINVAL);
    leave_socket(door_path("echo"), SOCK_STREAM);
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    assert_int_equal(count_all(temp_dir()), 1);
    assert_foreign_reaches(&d, "echo");
    assert_foreign_open("echo", NULL, WPIPE_EINUSE);
    wpipe__foreign_door_close(&d);
    assert_nothing_left();
}

/* A file system without second names: nothing can be published. */
static void without_links_nothing_is_published_or_left(void **state)
{
    wpipe_options options = plain();

    (void)state;
    forbid(SYS_linkat, UINT32_MAX, EPERM);
    assert_foreign_open("echo", &options, WPIPE_EACCES);
    assert_said("cannot publish");
    assert_said("Operation not permitted");
    assert_nothing_left();
}

/* A full disk, when it is time to go: the door must not stay. */
static void without_room_close_still_removes_the_door(void **state)
{
    struct wpipe__foreign_door d;

    (void)state;
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    forbid(SYS_mkdirat, UINT32_MAX, ENOSPC);
    wpipe__foreign_door_close(&d);
    assert_nothing_left();
}

/* Nor when it cannot be moved away. */
static void without_rename_close_still_removes_the_door(void **state)
{
    struct wpipe__foreign_door d;

    (void)state;
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
#ifdef SYS_renameat
    forbid(SYS_renameat, UINT32_MAX, EPERM);
#endif
    forbid(SYS_renameat2, UINT32_MAX, EPERM);
    wpipe__foreign_door_close(&d);
    assert_nothing_left();
}

static void without_locks_nothing_is_left(void **state)
{
    wpipe_options options = plain();

    (void)state;
    forbid(SYS_flock, UINT32_MAX, ENOSYS);
    assert_foreign_open("echo", &options, WPIPE_ENOTSUP);
    assert_said("cannot lock");
    assert_nothing_left();
}

static const struct support_case cases[] = {
    TEST(without_list_living_server_is_not_displaced),
    TEST(without_list_dead_server_is_replaced),
    TEST(without_list_facts_say_so),
    TEST(without_exchange_dead_server_is_replaced),
    TEST(without_links_nothing_is_published_or_left),
    TEST(without_room_close_still_removes_the_door),
    TEST(without_rename_close_still_removes_the_door),
    TEST(without_locks_nothing_is_left),
};

TEST_MAIN(cases)
