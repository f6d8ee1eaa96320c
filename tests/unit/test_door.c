/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process and the doors it takes, finds and gives back: files and their
 * modes, everything that may stand in the way, the search order, and what is
 * said about each refusal. Races and hostile users are in
 * fault/test_name_races.c, waiting in test_door_wait.c.
 */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/door.h"

/* ---- small things --------------------------------------------------------- */

static char error_text[512];

/* Options with room for an explanation and nothing else set. */
static wpipe_options plain(void)
{
    wpipe_options options;

    memset(&options, 0, sizeof(options));
    options.size = sizeof(options);
    options.error_text = error_text;
    options.error_text_size = sizeof(error_text);
    error_text[0] = '\0';
    return options;
}

static void assert_said(const char *part)
{
    if (strstr(error_text, part) == NULL)
        fail_msg("\"%s\" is not in the text \"%s\"", part, error_text);
}

/* A path below a directory; valid until the eighth call after this one. */
static const char *below(const char *directory, const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 8];

    snprintf(path, PATH_MAX, "%s/%s", directory, name);
    return path;
}

static size_t count_files(const char *directory)
{
    DIR *list = opendir(directory);
    size_t count = 0;
    struct dirent *entry;

    assert_non_null(list);
    while ((entry = readdir(list)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(list);
    return count;
}

static mode_t mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_file_holds(const char *path, const char *text)
{
    char found[256] = "";
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    (void)!fread(found, 1, sizeof(found) - 1, file);
    fclose(file);
    assert_string_equal(found, text);
}

/* A bound socket of ours without a listener: what a killed server leaves. */
static void leave_socket(const char *path, int type)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

/* Dial and see that this very door was reached. */
static void assert_reaches(const struct wpipe__door *d, const char *name,
                           const wpipe_options *options)
{
    wpipe__handle client = WPIPE__NO_HANDLE;
    wpipe__handle server = WPIPE__NO_HANDLE;

    assert_int_equal(wpipe__door_dial(name, options, &client), 0);
    assert_int_equal(wpipe__os_accept(d->listener, &server), 0);
    wpipe__os_close(client);
    wpipe__os_close(server);
}

static void assert_dial(const char *name, const wpipe_options *options,
                        int expected)
{
    wpipe__handle socket = WPIPE__NO_HANDLE;

    assert_int_equal(wpipe__door_dial(name, options, &socket), expected);
    assert_int_equal(socket, WPIPE__NO_HANDLE);
}

static void assert_open(const char *name, const wpipe_options *options,
                        int expected)
{
    struct wpipe__door d = WPIPE__DOOR_NULL;

    assert_int_equal(wpipe__door_open(&d, name, options), expected);
    assert_int_equal(d.listener, WPIPE__NO_HANDLE);
    assert_int_equal(d.lock, WPIPE__NO_HANDLE);
}

/* ---- taking and giving back ----------------------------------------------- */

static void door_open_is_reached_and_leaves_nothing(void **state)
{
    struct wpipe__door d = WPIPE__DOOR_NULL;
    wpipe_options options = plain();

    (void)state;
    assert_int_equal(wpipe__door_open(&d, "echo", &options), 0);
    assert_string_equal(error_text, "");
    assert_string_equal(d.where, support_runtime_dir());
    assert_int_equal(count_files(d.where), 2);
    assert_int_equal(mode_of(below(d.where, "echo.pipe")), 0600);
    assert_int_equal(mode_of(below(d.where, "echo.lock")), 0600);
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
        assert_int_equal(mode_of(below(d.where, "echo.pipe")), 0600);
        assert_int_equal(mode_of(below(d.where, "echo.lock")), 0600);
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
    enum { COUNT = WPIPE_NAME_MAX };
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
        "echo",       "echo.lock", "echo.pipe",     "echo.new",
        "echo.lock.", ".echo",     "0000000000.new", "gr\xc3\xbc\xc3\x9f \xe6\x97\xa5",
        "a b%s\"'",   "CON",       "\\x",           "-rf",
    };
    enum { COUNT = sizeof(names) / sizeof(*names) };
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

/* ---- in the way ----------------------------------------------------------- */

enum thing { FILE_THERE, DIRECTORY_THERE, LINK_THERE, FIFO_THERE, DATAGRAM };

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
                                         "a symbolic link",
                                         "something else" };
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

/* A link to a living server must not lead a client there. */
static void door_that_is_a_link_is_not_followed_by_dial(void **state)
{
    struct wpipe__door d;
    const char *path = below(support_runtime_dir(), "other.pipe");

    (void)state;
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_int_equal(symlink("echo.pipe", path), 0);
    assert_dial("other", NULL, WPIPE_ENOTFOUND);
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

/* ---- directories ---------------------------------------------------------- */

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

/* A small world of our own in which mounting is allowed; false without. */
static bool mount_here(const char *path, unsigned long flags, const char *data)
{
    if (unshare(CLONE_NEWNS) < 0 &&
        unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
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

/* ---- the search order ----------------------------------------------------- */

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
    snprintf(temporary, sizeof(temporary), "windpipe-%u",
             (unsigned)geteuid());
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
    assert_int_equal(mode_of(below(path, "echo.pipe")), 0666);
    assert_int_equal(mode_of(below(path, "echo.lock")), 0600);
    assert_reaches(&d, "echo", NULL);
    wpipe__door_close(&d);
    options.access = WPIPE_ACCESS_GROUP;
    options.group = geteuid() == 0 ? 12345 : 0;
    assert_int_equal(wpipe__door_open(&d, "echo", &options), 0);
    assert_int_equal(mode_of(below(path, "echo.pipe")), 0660);
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
    assert_said("not in the unsafe");
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

/* ---- dialling ------------------------------------------------------------- */

static void dial_nobody_names_where_it_looked(void **state)
{
    wpipe_options options = plain();

    (void)state;
    setenv("WINDPIPE_SHARED_DIR", "/run/nowhere", 1);
    assert_dial("echo", &options, WPIPE_ENOTFOUND);
    assert_said("\"echo\"");
    assert_said(support_runtime_dir());
    assert_said("and /run/nowhere");
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

/* ---- the list ------------------------------------------------------------- */

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

#define THING(function, thing, variant) \
    TEST_WITH(function, (void *)(intptr_t)(thing), variant)

static const struct support_case cases[] = {
    TEST(door_open_is_reached_and_leaves_nothing),
    TEST(door_under_any_umask_has_its_mode),
    TEST(door_taken_here_names_this_process),
    TEST(door_names_of_every_length_reach_their_own),
    TEST(door_names_that_look_like_ours_do_not_collide),
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
    TEST(door_that_is_a_link_is_not_followed_by_dial),
    TEST(door_of_dead_server_is_replaced),
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
