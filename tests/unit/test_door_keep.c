/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that are lost while their server lives: files that somebody removes,
 * directories that go and come, a name that another server takes meanwhile;
 * and places that only some programs look in. Servers of both doors look every
 * few seconds, here at once.
 */
#include "support.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "door/door.h"
#include "os/os_test.h"
#include "unit/door_foreign_tools.h"

/* ---- what becomes of the files ------------------------------------------- */

enum loss {
    DOOR = 1,
    LOCK = 2,
    DIRECTORY = 4, /* as rm -r does */
    MOVED = 8,
    MADE_AGAIN = 16
};

static void lose(const char *directory, enum loss loss)
{
    if (loss & DOOR)
        assert_int_equal(unlink(below(directory, "echo.pipe")), 0);
    if (loss & LOCK)
        assert_int_equal(unlink(below(directory, "echo.lock")), 0);
    if (loss & DIRECTORY)
        assert_int_equal(rmdir(directory), 0);
    if (loss & MOVED)
        assert_int_equal(rename(directory, below(support_dir(), "moved")), 0);
    if (loss & MADE_AGAIN)
        assert_int_equal(mkdir(directory, 0700), 0);
}

/* Keep, which publishes again: with a new listener. */
static void assert_kept_anew(struct wpipe__door *d)
{
    wpipe__handle before = d->listener;
    wpipe__handle old = WPIPE__NO_HANDLE;

    assert_int_equal(wpipe__door_keep(d, NULL, &old), 1);
    assert_int_equal(old, before);
    assert_int_not_equal(d->listener, before);
    wpipe__os_close(old);
}

static void assert_kept(struct wpipe__door *d)
{
    wpipe__handle old = WPIPE__NO_HANDLE;

    assert_int_equal(wpipe__door_keep(d, NULL, &old), 0);
    assert_int_equal(old, WPIPE__NO_HANDLE);
}

static void name_lost_is_published_again(void **state)
{
    enum loss loss = *(const enum loss *)*state;
    const char *run = support_runtime_dir();
    struct wpipe__door d;

    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_kept(&d);
    lose(run, loss);
    if (loss == LOCK)
        assert_kept(&d);
    else
        assert_kept_anew(&d);
    assert_kept(&d);
    assert_reaches(&d, "echo", NULL);
    assert_int_equal(mode_of(below(run, "echo.pipe")), 01600);
    assert_int_equal(mode_of(below(run, "echo.lock")), 01600);
    assert_open("echo", NULL, WPIPE_EINUSE);
    /* the lock, too: it is what a second server looks at first */
    assert_int_equal(unlink(below(run, "echo.pipe")), 0);
    assert_open("echo", NULL, WPIPE_EINUSE);
    assert_kept_anew(&d);
    wpipe__door_close(&d);
    assert_int_equal(count_files(run), 0);
}

static void name_taken_meanwhile_stays_with_the_taker(void **state)
{
    const char *run = support_runtime_dir();
    wpipe__handle old = WPIPE__NO_HANDLE;
    struct wpipe__door first;
    struct wpipe__door second;

    (void)state;
    assert_int_equal(wpipe__door_open(&first, "echo", NULL), 0);
    lose(run, DOOR | LOCK);
    assert_int_equal(wpipe__door_open(&second, "echo", NULL), 0);
    assert_int_equal(wpipe__door_keep(&first, NULL, &old), WPIPE_EINUSE);
    assert_int_equal(wpipe__door_keep(&first, NULL, &old), WPIPE_EINUSE);
    assert_reaches(&second, "echo", NULL);
    assert_kept(&second);
    wpipe__door_close(&second);
    assert_kept_anew(&first);
    assert_reaches(&first, "echo", NULL);
    wpipe__door_close(&first);
    assert_int_equal(count_files(run), 0);
}

/* A service manager makes sockets without a lock. It hears of nobody who only
 * looks, or it would start the service: again and again. */
static void name_taken_by_a_service_manager_is_not_knocked_at(void **state)
{
    const char *run = support_runtime_dir();
    wpipe__handle old = WPIPE__NO_HANDLE;
    struct wpipe__door d;
    int manager;

    (void)state;
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    lose(run, DOOR | LOCK);
    manager = plain_server(below(run, "echo.pipe"), SOCK_STREAM, 0);
    assert_int_equal(wpipe__door_keep(&d, NULL, &old), WPIPE_EINUSE);
    assert_open("echo", NULL, WPIPE_EINUSE); /* it is about to listen */
    assert_int_equal(wpipe__door_prune(NULL, NULL), 0);
    assert_int_equal(listen(manager, 8), 0);
    assert_int_equal(wpipe__door_keep(&d, NULL, &old), WPIPE_EINUSE);
    assert_int_equal(wpipe__door_prune(NULL, NULL), 0);
    assert_false(support_wait_readable(manager, 0));
    close(manager);
    assert_kept_anew(&d);
    wpipe__door_close(&d);
}

/* ---- against one who prunes ---------------------------------------------- */

static struct {
    struct wpipe__door door;
    struct wpipe__foreign_door foreign;
    int naps;
} other;

/* Who had the lock gives it back during the second nap. */
static void give_lock_back(int ms)
{
    assert_int_equal(ms, 1 << other.naps);
    if (++other.naps < 2)
        return;
    wpipe__os_lock_release(other.door.directory, "echo.lock", other.door.lock);
    wpipe__os_close(other.door.directory);
}

static void server_waits_for_one_who_prunes(void **state)
{
    struct wpipe__file_facts facts;
    struct wpipe__door d;

    (void)state;
    leave_socket(below(support_runtime_dir(), "echo.pipe"), SOCK_STREAM);
    assert_int_equal(wpipe__os_directory_open(support_runtime_dir(), 0,
                                              &other.door.directory, &facts),
                     0);
    assert_int_equal(wpipe__os_lock_take(other.door.directory, "echo.lock",
                                         0600, &other.door.lock),
                     0);
    wpipe__os_test_naps(give_lock_back);
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_int_equal(other.naps, 2);
    assert_reaches(&d, "echo", NULL);
    /* a living one is not waited for */
    assert_open("echo", NULL, WPIPE_EINUSE);
    assert_int_equal(other.naps, 2);
    wpipe__door_close(&d);
}

static void open_foreign(int ms)
{
    (void)ms;
    if (other.naps++ > 0)
        return; /* its own */
    assert_int_equal(wpipe__foreign_door_open(&other.foreign, "echo", NULL), 0);
}

/* To judge a foreign socket takes a while. A server may come in it. */
static void foreign_server_comes_while_one_prunes(void **state)
{
    (void)state;
    leave_socket(door_path("echo"), SOCK_STREAM);
    wpipe__os_test_naps(open_foreign);
    assert_int_equal(wpipe__door_prune(NULL, NULL), 0);
    assert_true(other.naps > 1);
    assert_foreign_reaches(&other.foreign, "echo");
    wpipe__foreign_door_close(&other.foreign);
    leave_socket(door_path("echo"), SOCK_STREAM);
    assert_int_equal(wpipe__door_prune(NULL, NULL), 1);
    assert_int_equal(count_all(temp_dir()), 0);
    assert_int_equal(count_all(support_runtime_dir()), 0);
}

/* A socket that a container has mounted alone cannot be removed. */
static int prune_what_is_mounted(int fd, void *argument)
{
    const char *door = below(support_runtime_dir(), "echo.pipe");

    (void)argument;
    if (unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount(door, door, NULL, MS_BIND, NULL) < 0) {
        event_send(fd, 0);
        return 0;
    }
    assert_int_equal(wpipe__door_prune(NULL, NULL), 0);
    assert_int_equal(access(door, F_OK), 0);
    assert_open("echo", NULL, WPIPE_ESYSTEM);
    assert_int_equal(count_files(support_runtime_dir()), 1);
    event_send(fd, 1);
    return 0;
}

static void prune_counts_only_what_it_removed(void **state)
{
    struct helper helper = HELPER_NONE;
    uint32_t mounted;

    (void)state;
    leave_socket(below(support_runtime_dir(), "echo.pipe"), SOCK_STREAM);
    helper_start(&helper, prune_what_is_mounted, NULL);
    mounted = event_wait(helper.fd);
    assert_int_equal(helper_join(&helper), 0);
    assert_int_equal(wpipe__door_prune(NULL, NULL), 1);
    if (!mounted)
        support_skip("mounting is not allowed here");
}

/* A lock that is lost may be held by one who only looks. */
static void lock_held_by_another_is_taken_later(void **state)
{
    wpipe__handle lock = WPIPE__NO_HANDLE;
    struct wpipe__door d;

    (void)state;
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    lose(support_runtime_dir(), LOCK);
    assert_int_equal(
        wpipe__os_lock_take(d.directory, "echo.lock", 01600, &lock), 0);
    assert_kept(&d);
    wpipe__os_lock_release(d.directory, "echo.lock", lock);
    assert_kept(&d);
    assert_int_equal(access(below(d.where, "echo.lock"), F_OK), 0);
    wpipe__door_close(&d);
}

static void directory_gone_with_its_parent_is_waited_for(void **state)
{
    const char *parent = below(support_dir(), "user");
    const char *run = below(parent, "windpipe");
    wpipe__handle old = WPIPE__NO_HANDLE;
    struct wpipe__door d;

    (void)state;
    assert_int_equal(mkdir(parent, 0700), 0);
    setenv("WINDPIPE_DIR", run, 1);
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    lose(run, DOOR | LOCK | DIRECTORY);
    assert_int_equal(rmdir(parent), 0);
    assert_int_equal(wpipe__door_keep(&d, NULL, &old), WPIPE_ENOTFOUND);
    assert_int_equal(mkdir(parent, 0700), 0);
    assert_kept_anew(&d);
    assert_reaches(&d, "echo", NULL);
    wpipe__door_close(&d);
}

/* Paths lead elsewhere then: that its files are not there means nothing. */
static int keep_in_another_root(int fd, void *argument)
{
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct wpipe__door d;

    (void)argument;
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_int_equal(chroot(support_dir()), 0);
    assert_kept(&d);
    wpipe__door_close(&d);
    /* back, for sanitizers, which need /proc at the end */
    assert_int_equal(fchdir(root), 0);
    assert_int_equal(chroot("."), 0);
    close(root);
    event_send(fd, 1);
    return 0;
}

static void name_is_not_lost_by_chroot(void **state)
{
    struct helper helper = HELPER_NONE;

    (void)state;
    if (geteuid() != 0)
        support_skip("only root can change its root");
    helper_start(&helper, keep_in_another_root, NULL);
    event_expect(helper.fd, 1);
    assert_int_equal(helper_join(&helper), 0);
    assert_int_equal(count_files(support_runtime_dir()), 0);
}

/* ---- cleaners ------------------------------------------------------------ */

static void clean(const char *directory)
{
    const char *rules = below(support_dir(), "rules.conf");
    char command[PATH_MAX * 2];
    char text[PATH_MAX + 32];

    snprintf(text, sizeof(text), "d %s - - - 0\n", directory);
    write_file(rules, text);
    snprintf(command, sizeof(command), "systemd-tmpfiles --clean %s", rules);
    assert_int_equal(system(command), 0); /* NOLINT: a test's own text */
}

static void name_is_left_alone_by_systemd_tmpfiles(void **state)
{
    const char *area = below(support_dir(), "area");
    const char *run = below(area, "windpipe");
    struct wpipe__foreign_door foreign = WPIPE__FOREIGN_DOOR_NULL;
    struct wpipe__door d;

    (void)state;
    if (system("systemd-tmpfiles --version >/dev/null 2>&1") != 0)
        support_skip("there is no systemd-tmpfiles");
    assert_int_equal(mkdir(area, 0700), 0);
    setenv("WINDPIPE_DIR", run, 1);
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_int_equal(
        wpipe__foreign_door_open(&foreign, below(area, "door"), NULL), 0);
    write_file(below(area, "old"), "");
    write_file(below(run, "old"), ""); /* by the directory's lock alone */
    clean(area);
    assert_int_equal(access(below(area, "old"), F_OK), -1); /* it cleans */
    assert_kept(&d);
    assert_int_equal(count_files(run), 4);
    assert_int_equal(access(below(area, "door"), F_OK), 0);
    wpipe__foreign_door_close(&foreign);
    wpipe__door_close(&d);
    clean(area);
    assert_int_equal(access(run, F_OK), -1); /* nobody holds it now */
}

/* ---- other places -------------------------------------------------------- */

/* As for a program that was started without a runtime directory. */
static const char *hide_runtime(void)
{
    static char runtime[PATH_MAX];

    snprintf(runtime, sizeof(runtime), "%s", getenv("XDG_RUNTIME_DIR"));
    unsetenv("XDG_RUNTIME_DIR");
    return runtime;
}

static void server_in_another_place_is_found_and_keeps_its_name(void **state)
{
    wpipe_options options = plain();
    const char *runtime;
    char user[64];
    struct wpipe__door d;

    (void)state;
    snprintf(user, sizeof(user), "/run/user/%u", (unsigned)geteuid());
    if (access(user, F_OK) == 0)
        support_skip("this user's runtime directory would be used");
    setenv("WINDPIPE_DIR", "", 1);
    runtime = hide_runtime();
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    setenv("XDG_RUNTIME_DIR", runtime, 1);
    assert_null(strstr(d.where, "xdg"));
    assert_reaches(&d, "echo", NULL);
    assert_open("echo", &options, WPIPE_EINUSE);
    assert_said(d.where);
    wpipe__door_close(&d);
}

static void relative_directory_is_an_error_everywhere(void **state)
{
    static const char *const variables[] = { "WINDPIPE_DIR",
                                             "WINDPIPE_SHARED_DIR" };
    const char *run = support_runtime_dir();
    const char *shared = below(support_dir(), "shared");
    struct wpipe__door d;
    struct wpipe__door everybody;
    wpipe_options options;
    char word[64];
    size_t i;

    (void)state;
    assert_int_equal(mkdir(shared, 0700), 0);
    setenv("WINDPIPE_SHARED_DIR", shared, 1);
    options = plain();
    options.access = WPIPE_ACCESS_ANYONE;
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_int_equal(wpipe__door_open(&everybody, "all", &options), 0);
    for (i = 0; i < 2; i++) {
        setenv("WINDPIPE_DIR", run, 1);
        setenv("WINDPIPE_SHARED_DIR", shared, 1);
        setenv(variables[i], "run/here", 1);
        snprintf(word, sizeof(word), "%s is not an absolute path: run/here",
                 variables[i]);
        options = plain();
        assert_open("new", &options, WPIPE_EACCES);
        assert_said(word);
        /* also when the other place has what is looked for */
        options = plain();
        assert_dial(i == 0 ? "all" : "none", &options, WPIPE_EACCES);
        assert_said(word);
    }
    setenv("WINDPIPE_DIR", run, 1);
    setenv("WINDPIPE_SHARED_DIR", shared, 1);
    wpipe__door_close(&d);
    wpipe__door_close(&everybody);
}

/* ---- processes of other containers --------------------------------------- */

static int open_in_container(int fd, void *argument)
{
    wpipe_options options = plain();
    pid_t child;
    int status;

    (void)argument;
    if (unshare(CLONE_NEWPID) < 0) {
        event_send(fd, 0);
        return 0;
    }
    child = fork();
    if (child == 0) {
        assert_open("echo", &options, WPIPE_EINUSE);
        assert_said("is in use by a process in another container");
        assert_foreign_open("echo", &options, WPIPE_EINUSE);
        assert_said("is in use by");
        assert_null(strstr(error_text, "process 1 "));
        syscall(SYS_exit_group, 0); /* a sanitizer finds no /proc of its own */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    event_send(fd, 1);
    syscall(SYS_exit_group, 0); /* nor can it make a process any more */
    return 0;
}

static void holder_in_another_container_has_no_number(void **state)
{
    struct wpipe__foreign_door foreign = WPIPE__FOREIGN_DOOR_NULL;
    struct helper helper = HELPER_NONE;
    struct wpipe__door d;
    uint32_t done;

    (void)state;
    assert_int_equal(wpipe__door_open(&d, "echo", NULL), 0);
    assert_int_equal(wpipe__foreign_door_open(&foreign, "echo", NULL), 0);
    helper_start(&helper, open_in_container, NULL);
    done = event_wait(helper.fd);
    assert_int_equal(helper_join(&helper), 0);
    wpipe__foreign_door_close(&foreign);
    wpipe__door_close(&d);
    if (!done)
        support_skip("no PID namespace can be made here");
}

/* ---- the foreign door ---------------------------------------------------- */

static void assert_foreign_kept_anew(struct wpipe__foreign_door *d)
{
    wpipe__handle old = WPIPE__NO_HANDLE;

    assert_int_equal(wpipe__foreign_door_keep(d, NULL, &old), 1);
    wpipe__os_close(old);
    assert_foreign_reaches(d, "echo");
}

static void foreign_name_lost_is_published_again(void **state)
{
    struct wpipe__foreign_door d = WPIPE__FOREIGN_DOOR_NULL;
    wpipe__handle old = WPIPE__NO_HANDLE;

    (void)state;
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    assert_int_equal(wpipe__foreign_door_keep(&d, NULL, &old), 0);
    assert_int_equal(unlink(d.path), 0);
    assert_foreign_kept_anew(&d);
    /* the lock alone, then both */
    assert_int_equal(unlink(below(d.home_path, d.lock_file)), 0);
    assert_int_equal(wpipe__foreign_door_keep(&d, NULL, &old), 0);
    assert_int_equal(access(below(d.home_path, d.lock_file), F_OK), 0);
    assert_int_equal(unlink(below(d.home_path, d.lock_file)), 0);
    assert_int_equal(unlink(d.path), 0);
    assert_foreign_kept_anew(&d);
    assert_int_equal(access(below(d.home_path, d.lock_file), F_OK), 0);
    wpipe__foreign_door_close(&d);
    assert_int_equal(count_all(temp_dir()), 0);
    assert_int_equal(count_all(support_runtime_dir()), 0);
}

/* As .NET does: it unlinks what has its path, whoever lives there. */
static void foreign_name_taken_stays_with_the_taker(void **state)
{
    struct wpipe__foreign_door d = WPIPE__FOREIGN_DOOR_NULL;
    wpipe__handle old = WPIPE__NO_HANDLE;
    int server;

    (void)state;
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
    assert_int_equal(unlink(d.path), 0);
    server = plain_server(d.path, SOCK_STREAM, 0);
    /* also before it listens; and it hears nothing of us */
    assert_int_equal(wpipe__foreign_door_keep(&d, NULL, &old), WPIPE_EINUSE);
    assert_int_equal(listen(server, 8), 0);
    assert_int_equal(wpipe__foreign_door_keep(&d, NULL, &old), WPIPE_EINUSE);
    assert_false(support_wait_readable(server, 0));
    /* it dies, and leaves its socket: one look does not prove that */
    close(server);
    assert_int_equal(wpipe__foreign_door_keep(&d, NULL, &old), WPIPE_EINUSE);
    assert_foreign_kept_anew(&d);
    wpipe__foreign_door_close(&d);
    assert_int_equal(count_all(temp_dir()), 0);
}

static int serve_in_container(int fd, void *argument)
{
    int server;

    if (unshare(CLONE_NEWNET) < 0) {
        event_send(fd, 0);
        return 0;
    }
    server = plain_server(argument, SOCK_STREAM, 8);
    event_send(fd, 1);
    event_expect(fd, 2);
    assert_false(support_wait_readable(server, 0));
    close(server);
    return 0;
}

static void foreign_door_in_another_container_is_not_called_dead(void **state)
{
    struct wpipe__foreign_facts facts = { .listening = 7 };
    struct helper helper = HELPER_NONE;
    char path[PATH_MAX];

    (void)state;
    snprintf(path, sizeof(path), "%s", door_path("echo"));
    helper_start(&helper, serve_in_container, path);
    if (event_wait(helper.fd) == 0) {
        assert_int_equal(helper_join(&helper), 0);
        support_skip("no network namespace can be made here");
    }
    assert_int_equal(wpipe__foreign_door_facts("echo", &facts), 0);
    assert_int_equal(facts.listening, -1);
    event_send(helper.fd, 2);
    assert_int_equal(helper_join(&helper), 0);
    assert_int_equal(wpipe__foreign_door_facts("echo", &facts), 0);
    assert_int_equal(facts.listening, 0);
    assert_int_equal(unlink(path), 0);
}

static enum loss only_door = DOOR;
static enum loss only_lock = LOCK;
static enum loss both = DOOR | LOCK;
static enum loss all = DOOR | LOCK | DIRECTORY;
static enum loss all_made_again = DOOR | LOCK | DIRECTORY | MADE_AGAIN;
static enum loss moved = MOVED;
static enum loss replaced = MOVED | MADE_AGAIN;

static const struct support_case cases[] = {
    TEST_WITH(name_lost_is_published_again, &only_door, "door"),
    TEST_WITH(name_lost_is_published_again, &only_lock, "lock"),
    TEST_WITH(name_lost_is_published_again, &both, "both"),
    TEST_WITH(name_lost_is_published_again, &all, "directory"),
    TEST_WITH(name_lost_is_published_again, &all_made_again, "made again"),
    TEST_WITH(name_lost_is_published_again, &moved, "moved"),
    TEST_WITH(name_lost_is_published_again, &replaced, "replaced"),
    TEST(name_taken_meanwhile_stays_with_the_taker),
    TEST(name_taken_by_a_service_manager_is_not_knocked_at),
    TEST(server_waits_for_one_who_prunes),
    TEST(foreign_server_comes_while_one_prunes),
    TEST(prune_counts_only_what_it_removed),
    TEST(lock_held_by_another_is_taken_later),
    TEST(directory_gone_with_its_parent_is_waited_for),
    TEST(name_is_not_lost_by_chroot),
    TEST(name_is_left_alone_by_systemd_tmpfiles),
    TEST(server_in_another_place_is_found_and_keeps_its_name),
    TEST(relative_directory_is_an_error_everywhere),
    TEST(holder_in_another_container_has_no_number),
    TEST(foreign_name_lost_is_published_again),
    TEST(foreign_name_taken_stays_with_the_taker),
    TEST(foreign_door_in_another_container_is_not_called_dead),
};

TEST_MAIN(cases)
