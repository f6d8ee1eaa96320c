/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names in directories of others (src/os/posix_place.c), and who is bound to
 * a socket file (src/os/linux_diag.c).
 */
#include "os/os.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support.h"
#include "unit/door_tools.h"

/* Two directories in the case's scratch directory. */
struct scene {
    wpipe__handle one;
    wpipe__handle other;
};

static wpipe__handle open_there(const char *name)
{
    struct wpipe__file_facts facts;
    wpipe__handle directory;
    const char *path = below(support_dir(), name);

    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(wpipe__os_directory_follow(path, &directory, &facts), 0);
    return directory;
}

static void scene_open(struct scene *s)
{
    s->one = open_there("one");
    s->other = open_there("other");
}

static void scene_close(struct scene *s)
{
    wpipe__os_close(s->one);
    wpipe__os_close(s->other);
}

/* The text in one/`name` or other/`name`; NULL when there is no file. */
static void expect_text(const char *path, const char *text)
{
    if (text == NULL)
        assert_int_equal(access(below(support_dir(), path), F_OK), -1);
    else
        assert_file_holds(below(support_dir(), path), text);
}

/* ---- directories --------------------------------------------------------- */

static void directory_is_found_behind_a_link(void **state)
{
    struct wpipe__file_facts facts;
    struct wpipe__file_facts linked;
    wpipe__handle directory;
    struct scene s;

    (void)state;
    scene_open(&s);
    assert_int_equal(symlink("one", below(support_dir(), "link")), 0);
    assert_int_equal(wpipe__os_directory_follow(below(support_dir(), "link"),
                                                &directory, &linked),
                     0);
    wpipe__os_close(directory);
    assert_int_equal(wpipe__os_file_facts(s.one, ".", &facts), 0);
    assert_int_equal(linked.inode, facts.inode);
    assert_int_equal(linked.device, facts.device);
    assert_int_equal(linked.kind, WPIPE__FILE_DIRECTORY);
    write_file(below(support_dir(), "file"), "");
    assert_int_equal(wpipe__os_directory_follow(below(support_dir(), "file"),
                                                &directory, &linked),
                     WPIPE_EACCES);
    assert_int_equal(wpipe__os_directory_follow(below(support_dir(), "none"),
                                                &directory, &linked),
                     WPIPE_ENOTFOUND);
    assert_int_equal(symlink("loop", below(support_dir(), "loop")), 0);
    assert_int_equal(wpipe__os_directory_follow(below(support_dir(), "loop"),
                                                &directory, &linked),
                     WPIPE_EACCES);
    scene_close(&s);
}

static void directory_made_is_private_under_any_umask(void **state)
{
    static const mode_t masks[] = { 0, 0077, 0777 };
    struct wpipe__file_facts facts;
    struct wpipe__file_facts again;
    wpipe__handle directory;
    struct scene s;
    size_t i;

    (void)state;
    scene_open(&s);
    for (i = 0; i < sizeof(masks) / sizeof(*masks); i++) {
        mode_t before = umask(masks[i]);

        assert_int_equal(
            wpipe__os_directory_make(s.one, "new", &directory, &facts), 1);
        umask(before);
        wpipe__os_close(directory);
        assert_int_equal(mode_of(below(support_dir(), "one/new")), 0700);
        assert_int_equal(facts.uid, geteuid());
        /* a second time it is the same */
        assert_int_equal(
            wpipe__os_directory_make(s.one, "new", &directory, &again), 0);
        wpipe__os_close(directory);
        assert_int_equal(again.inode, facts.inode);
        assert_int_equal(wpipe__os_directory_remove(s.one, "new"), 0);
    }
    assert_int_equal(wpipe__os_directory_remove(s.one, "new"), WPIPE_ENOTFOUND);
    scene_close(&s);
}

static void directory_made_never_follows_or_replaces(void **state)
{
    struct wpipe__file_facts facts;
    wpipe__handle directory = 99;
    struct scene s;

    (void)state;
    scene_open(&s);
    assert_int_equal(symlinkat("../other", s.one, "link"), 0);
    write_file(below(support_dir(), "one/file"), "mine");
    assert_int_equal(
        wpipe__os_directory_make(s.one, "link", &directory, &facts),
        WPIPE_EACCES);
    assert_int_equal(
        wpipe__os_directory_make(s.one, "file", &directory, &facts),
        WPIPE_EACCES);
    assert_int_equal(directory, 99);
    expect_text("one/file", "mine");
    scene_close(&s);
}

static void directory_made_but_not_opened_is_not_left(void **state)
{
    struct wpipe__file_facts facts;
    wpipe__handle directory;
    struct rlimit before;
    struct rlimit few;
    struct scene s;

    (void)state;
    scene_open(&s);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)(s.other + 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(wpipe__os_directory_make(s.one, "new", &directory, &facts),
                     WPIPE_ELIMIT);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(access(below(support_dir(), "one/new"), F_OK), -1);
    scene_close(&s);
}

/* ---- files --------------------------------------------------------------- */

static void file_linked_never_replaces(void **state)
{
    struct scene s;

    (void)state;
    scene_open(&s);
    write_file(below(support_dir(), "one/a"), "a");
    write_file(below(support_dir(), "other/b"), "b");
    assert_int_equal(wpipe__os_file_link((struct wpipe__file){ s.one, "a" },
                                         (struct wpipe__file){ s.other, "b" }),
                     WPIPE_EINUSE);
    expect_text("other/b", "b");
    assert_int_equal(wpipe__os_file_link((struct wpipe__file){ s.one, "a" },
                                         (struct wpipe__file){ s.other, "a" }),
                     0);
    expect_text("one/a", "a");
    expect_text("other/a", "a");
    assert_int_equal(wpipe__os_file_link((struct wpipe__file){ s.one, "none" },
                                         (struct wpipe__file){ s.other, "c" }),
                     WPIPE_ENOTFOUND);
    assert_int_equal(mkdirat(s.one, "d", 0700), 0);
    assert_int_equal(wpipe__os_file_link((struct wpipe__file){ s.one, "d" },
                                         (struct wpipe__file){ s.other, "d" }),
                     WPIPE_EACCES);
    scene_close(&s);
}

static void file_moved_is_there_and_not_here(void **state)
{
    struct scene s;

    (void)state;
    scene_open(&s);
    write_file(below(support_dir(), "one/a"), "a");
    assert_int_equal(wpipe__os_file_move((struct wpipe__file){ s.one, "a" },
                                         (struct wpipe__file){ s.other, "b" }),
                     0);
    expect_text("one/a", NULL);
    expect_text("other/b", "a");
    assert_int_equal(wpipe__os_file_move((struct wpipe__file){ s.one, "a" },
                                         (struct wpipe__file){ s.other, "b" }),
                     WPIPE_ENOTFOUND);
    scene_close(&s);
}

static void files_exchanged_have_changed_places(void **state)
{
    struct wpipe__file one;
    struct wpipe__file other;
    struct scene s;
    int r;

    (void)state;
    scene_open(&s);
    one = (struct wpipe__file){ s.one, "a" };
    other = (struct wpipe__file){ s.other, "b" };
    write_file(below(support_dir(), "one/a"), "a");
    assert_int_equal(wpipe__os_file_exchange(one, other), WPIPE_ENOTFOUND);
    expect_text("one/a", "a");
    write_file(below(support_dir(), "other/b"), "b");
    r = wpipe__os_file_exchange(one, other);
    if (r == WPIPE_ENOTSUP)
        support_skip("names cannot be exchanged here");
    assert_int_equal(r, 0);
    expect_text("one/a", "b");
    expect_text("other/b", "a");
    scene_close(&s);
}

/* ---- sockets ------------------------------------------------------------- */

static struct wpipe__file_facts facts_of(const struct scene *s,
                                         const char *name)
{
    struct wpipe__file_facts facts;

    assert_int_equal(wpipe__os_file_facts(s->one, name, &facts), 0);
    return facts;
}

/* Among more sockets than one piece of the kernel's answer holds. */
static void socket_is_found_among_many_by_its_file(void **state)
{
    enum {
        COUNT = 500
    };
    static wpipe__handle sockets[COUNT];
    struct wpipe__socket_facts found;
    struct wpipe__file_facts facts;
    struct scene s;
    char name[16];
    int r;
    int i;

    (void)state;
    scene_open(&s);
    for (i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(wpipe__os_listen(s.one, name, 0600, 0, &sockets[i]),
                         0);
    }
    for (i = 0; i < COUNT; i += 7) {
        struct stat status;

        snprintf(name, sizeof(name), "%d", i);
        facts = facts_of(&s, name);
        r = wpipe__os_socket_find(facts.device, facts.inode, &found);
        if (r == WPIPE_ENOTSUP)
            support_skip("this kernel does not list local sockets");
        assert_int_equal(r, 0);
        assert_int_equal(found.listening, 1);
        assert_int_equal(fstat(sockets[i], &status), 0);
        assert_int_equal(found.number, status.st_ino);
        assert_int_equal(
            wpipe__os_socket_find(facts.device + 1, facts.inode, &found),
            WPIPE_ENOTFOUND);
    }
    assert_int_equal(wpipe__os_socket_process(found.number), getpid());
    for (i = 0; i < COUNT; i++)
        wpipe__os_close(sockets[i]);
    assert_int_equal(wpipe__os_socket_process(found.number), 0);
    assert_int_equal(wpipe__os_socket_find(facts.device, facts.inode, &found),
                     WPIPE_ENOTFOUND);
    scene_close(&s);
}

/* Whatever other name it has by now, and what was connected to it: the file
 * is that of the listener. */
static void socket_is_found_after_its_name_has_changed(void **state)
{
    struct wpipe__socket_facts found = { 0, 0 };
    struct wpipe__file_facts facts;
    wpipe__handle listener;
    wpipe__handle ends[2];
    struct stat status;
    struct scene s;
    int r;

    (void)state;
    scene_open(&s);
    assert_int_equal(wpipe__os_listen(s.one, "a", 0600, 0, &listener), 0);
    facts = facts_of(&s, "a");
    assert_int_equal(wpipe__os_file_link((struct wpipe__file){ s.one, "a" },
                                         (struct wpipe__file){ s.one, "b" }),
                     0);
    assert_int_equal(wpipe__os_file_unlink(s.one, "a"), 0);
    assert_int_equal(wpipe__os_connect(s.one, "b", &ends[0]), 0);
    assert_int_equal(wpipe__os_accept(listener, &ends[1]), 0);
    r = wpipe__os_socket_find(facts.device, facts.inode, &found);
    if (r == WPIPE_ENOTSUP)
        support_skip("this kernel does not list local sockets");
    assert_int_equal(r, 0);
    assert_int_equal(fstat(listener, &status), 0);
    assert_int_equal(found.number, status.st_ino);
    /* a server that has gone, though one of its clients has not yet */
    wpipe__os_close(listener);
    assert_int_equal(wpipe__os_socket_find(facts.device, facts.inode, &found),
                     WPIPE_ENOTFOUND);
    wpipe__os_close(ends[0]);
    wpipe__os_close(ends[1]);
    scene_close(&s);
}

static void socket_process_is_never_made_up(void **state)
{
    (void)state;
    assert_int_equal(wpipe__os_socket_process(0), 0);
    assert_int_equal(wpipe__os_socket_process(UINT64_MAX), 0);
}

static const struct support_case cases[] = {
    TEST(directory_is_found_behind_a_link),
    TEST(directory_made_is_private_under_any_umask),
    TEST(directory_made_never_follows_or_replaces),
    TEST(directory_made_but_not_opened_is_not_left),
    TEST(file_linked_never_replaces),
    TEST(file_moved_is_there_and_not_here),
    TEST(files_exchanged_have_changed_places),
    TEST(socket_is_found_among_many_by_its_file),
    TEST(socket_is_found_after_its_name_has_changed),
    TEST(socket_process_is_never_made_up),
};

TEST_MAIN(cases)
