/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where doors stand and how they are found: the search order, directories
 * that are refused, disks that are full, dialling, and the list of names.
 */
#include "support.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "door/door.h"
#include "unit/door_tools.h"

/* ---- directories --------------------------------------------------------- */

static void refuse_directory(const char *path, const char *word)
{
    wpipe_options options = plain();

    setenv("WINDPIPE_DIR", path, 1);
    assert_open("echo", &options, WPIPE_EACCES);
    assert_said(word);
    options = plain();
    assert_dial("echo", &options, WPIPE_EACCES);
    assert_said(word);
}

static void door_directory_for_others_is_refused(void **state)
{
    static const mode_t modes[] = { 0777, 01777, 0755, 0750, 0701, 0720, 0600 };
    const char *path = below(support_dir(), "open");
    char word[16];
    size_t i;

    (void)state;
    assert_int_equal(mkdir(path, 0700), 0);
    for (i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        snprintf(word, sizeof(word), "%04o", (unsigned)modes[i]);
        refuse_directory(path, word);
        assert_said(path);
        assert_int_equal(count_files(path), 0);
        assert_int_equal(mode_of(path), modes[i]);
    }
}

static void door_directory_that_is_a_link_is_refused(void **state)
{
    const char *canary = below(support_dir(), "canary");
    const char *link_path = below(support_dir(), "link");
    const char *slash = below(support_dir(), "link//");

    (void)state;
    assert_int_equal(mkdir(canary, 0700), 0);
    assert_int_equal(symlink("canary", link_path), 0);
    refuse_directory(link_path, link_path);
    refuse_directory(slash, link_path);
    assert_int_equal(count_files(canary), 0);
}

static void door_directory_that_is_none_is_refused(void **state)
{
    const char *file = below(support_dir(), "file");
    char path[3000];

    (void)state;
    write_file(file, "x");
    refuse_directory(file, file);
    refuse_directory("run/here", "WINDPIPE_DIR is not an absolute path");
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    refuse_directory(path, "longer than 1023 bytes: /aaaa");
}

static void door_directory_of_another_user_is_refused(void **state)
{
    const char *path = below(support_dir(), "theirs");

    (void)state;
    if (geteuid() != 0)
        support_skip("only root can give a directory to another user");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chown(path, 65534, 65534), 0);
    refuse_directory(path, "belongs to user 65534");
    assert_int_equal(count_files(path), 0);
}

static void door_directory_is_made_but_not_its_parents(void **state)
{
    const char *path = below(support_dir(), "new");
    const char *deep = below(support_dir(), "absent/new");
    wpipe_options options = plain();
    struct wpipe__door d;

    (void)state;
    setenv("WINDPIPE_DIR", path, 1);
    assert_dial("echo", NULL, WPIPE_ENOTFOUND);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_int_equal(mode_of(path), 0700);
    wpipe__door_close(&d);
    setenv("WINDPIPE_DIR", deep, 1);
    assert_open("echo", &options, WPIPE_ESYSTEM);
    assert_said(deep);
    assert_said("No such file or directory");
    assert_int_equal(access(below(support_dir(), "absent"), F_OK), -1);
}

static bool write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    return file != NULL && fputs(text, file) >= 0 && fclose(file) == 0;
}

/* As ourselves, whoever that is, in a new user namespace. */
static bool unshare_as_user(void)
{
    char uid[32];
    char gid[32];

    snprintf(uid, sizeof(uid), "%u %u 1", geteuid(), geteuid());
    snprintf(gid, sizeof(gid), "%u %u 1", getegid(), getegid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
           write_text("/proc/self/uid_map", uid) &&
           write_text("/proc/self/setgroups", "deny") &&
           write_text("/proc/self/gid_map", gid);
}

/* A small world of our own in which mounting is allowed; false without. */
static bool mount_here(const char *path, unsigned long flags, const char *data)
{
    if (unshare(CLONE_NEWNS) < 0 && !unshare_as_user())
        return false;
    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    return mount("none", path, "tmpfs", flags, data) == 0;
}

static int open_on_full_disk(int fd, void *argument)
{
    wpipe_options options = plain();

    (void)argument;
    if (!mount_here(support_runtime_dir(), 0, "mode=0700,nr_inodes=2")) {
        event_send(fd, 0);
        return 0;
    }
    /* one inode is left: enough for the lock, not for the socket */
    assert_open("echo", &options, WPIPE_ELIMIT);
    assert_said(support_runtime_dir());
    assert_said("No space left on device");
    assert_int_equal(count_files(support_runtime_dir()), 0);
    event_send(fd, 1);
    return 0;
}

static int open_on_read_only_disk(int fd, void *argument)
{
    wpipe_options options = plain();

    (void)argument;
    if (!mount_here(support_runtime_dir(), MS_RDONLY, "mode=0700")) {
        event_send(fd, 0);
        return 0;
    }
    assert_open("echo", &options, WPIPE_EACCES);
    assert_said("echo.lock");
    assert_said("Read-only file system");
    assert_dial("echo", NULL, WPIPE_ENOTFOUND);
    event_send(fd, 1);
    return 0;
}

static void on_disk(int (*run)(int fd, void *argument))
{
    struct helper helper = HELPER_NONE;
    uint32_t mounted;

    helper_start(&helper, run, NULL);
    mounted = event_wait(helper.fd);
    assert_int_equal(helper_join(&helper), 0);
    if (!mounted)
        support_skip("mounting is not allowed here");
}

static void door_on_full_disk_says_so(void **state)
{
    (void)state;
    on_disk(open_on_full_disk);
}

static void door_on_read_only_disk_says_so(void **state)
{
    (void)state;
    on_disk(open_on_read_only_disk);
}

/* ---- the search order ---------------------------------------------------- */

/* Where does a door go with this environment? */
static void assert_place(const char *expected)
{
    struct wpipe__door d;

    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_string_equal(d.where, expected);
    assert_reaches(&d, "echo", NULL);
    wpipe__door_close(&d);
}

static void place_follows_the_environment(void **state)
{
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    const char *tmp = getenv("TMPDIR");
    char user[64];
    char temporary[64];

    (void)state;
    assert_place(support_runtime_dir());
    setenv("WINDPIPE_DIR", "", 1);
    assert_place(below(xdg, "windpipe"));
    snprintf(user, sizeof(user), "/run/user/%u", (unsigned)geteuid());
    if (access(user, F_OK) == 0)
        support_skip("this user's runtime directory would be used");
    snprintf(temporary, sizeof(temporary), "windpipe-%u", (unsigned)geteuid());
    /* others can write there: not a runtime directory to trust */
    assert_int_equal(chmod(xdg, 0777), 0);
    assert_place(below(tmp, temporary));
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    assert_place(below(tmp, temporary));
    unsetenv("XDG_RUNTIME_DIR");
    assert_place(below(tmp, temporary));
    assert_int_equal(mode_of(below(tmp, temporary)), 0700);
}

/* A shared directory for this case. */
static const char *make_shared(mode_t mode)
{
    const char *path = below(support_dir(), "shared");

    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, mode), 0);
    setenv("WINDPIPE_SHARED_DIR", path, 1);
    return path;
}

static void shared_door_has_the_mode_of_its_access(void **state)
{
    wpipe_options options = plain();
    const char *path = make_shared(01777);
    struct stat status;
    struct wpipe__door d;

    (void)state;
    umask(0077);
    options.access = WPIPE_ACCESS_ANYONE;
    assert_int_equal(wpipe__door_open(&d, "echo", &options), 0);
    assert_string_equal(d.where, path);
    assert_int_equal(mode_of(below(path, "echo.pipe")), 01666);
    assert_int_equal(mode_of(below(path, "echo.lock")), 01600);
    assert_reaches(&d, "echo", NULL);
    wpipe__door_close(&d);
    options.access = WPIPE_ACCESS_GROUP;
    options.group = geteuid() == 0 ? 12345 : 0;
    assert_int_equal(wpipe__door_open(&d, "echo", &options), 0);
    assert_int_equal(mode_of(below(path, "echo.pipe")), 01660);
    assert_int_equal(stat(below(path, "echo.pipe"), &status), 0);
    assert_int_equal(status.st_gid, geteuid() == 0 ? 12345 : getegid());
    assert_reaches(&d, "echo", NULL);
    wpipe__door_close(&d);
    assert_int_equal(count_files(path), 0);
}

static void shared_place_absent_says_how_to_get_it(void **state)
{
    wpipe_options options = plain();
    const char *path = below(support_dir(), "absent");

    (void)state;
    setenv("WINDPIPE_SHARED_DIR", path, 1);
    options.access = WPIPE_ACCESS_ANYONE;
    assert_open("echo", &options, WPIPE_ENOTSUP);
    assert_said(path);
    assert_said("systemd-tmpfiles");
    assert_int_equal(access(path, F_OK), -1);
}

/* A listener is told; a client looks elsewhere and is told at the end. */
static void shared_place_that_is_unsafe_is_not_used(void **state)
{
    wpipe_options options = plain();
    const char *path = make_shared(0777);
    struct wpipe__door d;

    (void)state;
    options.access = WPIPE_ACCESS_ANYONE;
    assert_open("echo", &options, WPIPE_EACCES);
    assert_said(path);
    assert_said("0777");
    assert_int_equal(count_files(path), 0);
    options = plain();
    assert_dial("echo", &options, WPIPE_ENOTFOUND);
    assert_said(path);
    assert_said("is not sticky (mode 0777; it should be 1777)");
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_reaches(&d, "echo", &options);
    wpipe__door_close(&d);
}

static void place_private_comes_before_shared(void **state)
{
    wpipe_options options = plain();
    struct wpipe__door shared;
    struct wpipe__door mine;

    (void)state;
    make_shared(01777);
    options.access = WPIPE_ACCESS_ANYONE;
    assert_int_equal(wpipe__door_open(&shared, "echo", &options), 0);
    assert_reaches(&shared, "echo", NULL);
    assert_int_equal(wpipe__door_open(&mine, "echo", NULL), 0);
    assert_reaches(&mine, "echo", NULL);
    wpipe__door_close(&mine);
    assert_reaches(&shared, "echo", NULL);
    wpipe__door_close(&shared);
}

/* ---- dialling ------------------------------------------------------------ */

static void dial_nobody_names_where_it_looked(void **state)
{
    wpipe_options options = plain();

    (void)state;
    setenv("WINDPIPE_SHARED_DIR", "/run/nowhere", 1);
    assert_dial("echo", &options, WPIPE_ENOTFOUND);
    assert_said("\"echo\"");
    assert_said(support_runtime_dir());
    assert_said("run: no such pipe");
    assert_said("/run/nowhere: does not exist");
    leave_socket(below(support_runtime_dir(), "echo.pipe"), SOCK_STREAM);
    assert_dial("echo", &options, WPIPE_ENOTFOUND);
    assert_said("run: its server is gone");
    assert_int_equal(unlink(below(support_runtime_dir(), "echo.pipe")), 0);
}

static void dial_of_unexpected_user_is_denied(void **state)
{
    wpipe_options options = plain();
    struct wpipe__door d;

    (void)state;
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    options.flags = WPIPE_CHECK_UID;
    options.server_uid = geteuid() + 1;
    assert_dial("echo", &options, WPIPE_EACCES);
    assert_said("the server of the pipe \"echo\" is run by user");
    options.server_uid = geteuid();
    assert_reaches(&d, "echo", NULL); /* the one that was cut off is first */
    assert_reaches(&d, "echo", &options);
    assert_string_equal(error_text, "");
    wpipe__door_close(&d);
}

static void dial_full_backlog_is_told_apart(void **state)
{
    wpipe_options options = plain();
    struct wpipe__door d;
    wpipe__handle sockets[8];
    wpipe__handle served;
    size_t count = 0;
    int r;

    (void)state;
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_int_equal(listen(d.listener, 2), 0);
    while ((r = wpipe__door_dial("echo", &options, &sockets[count])) == 0)
        assert_true(++count < 8);
    assert_int_equal(r, WPIPE_EAGAIN);
    assert_int_equal(wpipe__os_accept(d.listener, &served), 0);
    wpipe__os_close(served);
    assert_int_equal(wpipe__door_dial("echo", &options, &sockets[count++]), 0);
    /* and a full one is alive, whatever the lock says */
    assert_int_equal(unlink(below(d.where, "echo.lock")), 0);
    assert_open("echo", &options, WPIPE_EINUSE);
    while (count > 0)
        wpipe__os_close(sockets[--count]);
    wpipe__door_close(&d);
}

/* ---- the list ------------------------------------------------------------ */

struct seen {
    char text[512];
    int stop_at;
    int count;
};

static int see(const char *name, const char *where, void *user)
{
    struct seen *seen = user;
    size_t length = strlen(seen->text);

    assert_true(where[0] == '/');
    snprintf(seen->text + length, sizeof(seen->text) - length, "[%s]", name);
    return ++seen->count == seen->stop_at;
}

static void list_names_doors_and_nothing_else(void **state)
{
    const char *run = support_runtime_dir();
    struct seen seen = { .stop_at = 0 };
    wpipe_options options = plain();
    struct wpipe__door d[3];

    (void)state;
    assert_int_equal(wpipe__door_each(see, &seen), 0);
    make_shared(01777);
    assert_int_equal(wpipe__door_open(&d[0], "one", NULL), 0);
    assert_int_equal(wpipe__door_open(&d[1], "two.lock", NULL), 0);
    options.access = WPIPE_ACCESS_ANYONE;
    assert_int_equal(wpipe__door_open(&d[2], "three", &options), 0);
    write_file(below(run, "file.pipe"), "");
    leave_socket(below(run, "red\033[31m.pipe"), SOCK_STREAM);
    leave_socket(below(run, ".pipe"), SOCK_STREAM);
    leave_socket(below(run, "\\\\.\\pipe\\x.pipe"), SOCK_STREAM);
    leave_socket(below(run, "0123456789abcdef.new"), SOCK_STREAM);
    assert_int_equal(wpipe__door_each(see, &seen), 3);
    assert_non_null(strstr(seen.text, "[one]"));
    assert_non_null(strstr(seen.text, "[two.lock]"));
    assert_non_null(strstr(seen.text, "[three]"));
    seen = (struct seen){ .stop_at = 1 };
    assert_int_equal(wpipe__door_each(see, &seen), 1);
    support_allow_left("*.pipe");
    support_allow_left("*.new");
    wpipe__door_close(&d[0]);
    wpipe__door_close(&d[1]);
    wpipe__door_close(&d[2]);
}

static const struct support_case cases[] = {
    TEST(door_directory_for_others_is_refused),
    TEST(door_directory_that_is_a_link_is_refused),
    TEST(door_directory_that_is_none_is_refused),
    TEST(door_directory_of_another_user_is_refused),
    TEST(door_directory_is_made_but_not_its_parents),
    TEST(door_on_full_disk_says_so),
    TEST(door_on_read_only_disk_says_so),
    TEST(place_follows_the_environment),
    TEST(shared_door_has_the_mode_of_its_access),
    TEST(shared_place_absent_says_how_to_get_it),
    TEST(shared_place_that_is_unsafe_is_not_used),
    TEST(place_private_comes_before_shared),
    TEST(dial_nobody_names_where_it_looked),
    TEST(dial_of_unexpected_user_is_denied),
    TEST(dial_full_backlog_is_told_apart),
    TEST(list_names_doors_and_nothing_else),
};

TEST_MAIN(cases)
