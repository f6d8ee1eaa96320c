/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding foreign servers: what a client meets at a path, what to watch until
 * a server is there, and what the list tells of servers that do not notice.
 */
#include "support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/foreign.h"
#include "unit/door_foreign_tools.h"

/* ---- clients ------------------------------------------------------------- */

static void dial_where_nobody_is_says_so(void **state)
{
    wpipe_options options = plain();

    (void)state;
    assert_foreign_dial("echo", &options, WPIPE_ENOTFOUND);
    assert_said("no server has the pipe");
    assert_said(door_path("echo"));
    assert_foreign_dial("/no/such/directory/x", &options, WPIPE_ENOTFOUND);
    assert_said("no server has the pipe /no/such/directory/x");
    leave_socket(door_path("echo"), SOCK_STREAM);
    assert_foreign_dial("echo", &options, WPIPE_ENOTFOUND);
    assert_said("nobody listens at");
    assert_int_equal(unlink(door_path("echo")), 0);
    assert_nothing_left();
}

/* Row 56: a plain listener with listen(1), at a name and at a path. */
static void dial_reaches_a_plain_server(void **state)
{
    const char *path = door_path("echo");
    int server = plain_server(path, SOCK_STREAM, 1);
    wpipe_options options = plain();
    wpipe__handle client = WPIPE__NO_HANDLE;
    int accepted;

    (void)state;
    assert_foreign_dial("none", &options, WPIPE_ENOTFOUND);
    assert_said("none");
    assert_int_equal(
        wpipe__foreign_door_dial("\\\\.\\pipe\\echo", &options, &client), 0);
    assert_string_equal(error_text, "");
    accepted = accept(server, NULL, NULL);
    assert_int_not_equal(accepted, -1);
    close(accepted);
    wpipe__os_close(client);
    assert_int_equal(wpipe__foreign_door_dial(path, NULL, &client), 0);
    assert_int_equal(fcntl(client, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fcntl(client, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    wpipe__os_close(client);
    close(server);
    assert_int_equal(unlink(path), 0);
}

static void dial_leaves_no_descriptor(void **state)
{
    size_t before = support_count_descriptors();

    (void)state;
    leave_socket(door_path("dead"), SOCK_STREAM);
    assert_foreign_dial("dead", NULL, WPIPE_ENOTFOUND);
    assert_foreign_dial("none", NULL, WPIPE_ENOTFOUND);
    assert_foreign_dial("/none/none", NULL, WPIPE_ENOTFOUND);
    assert_int_equal(support_count_descriptors(), before);
    assert_int_equal(unlink(door_path("dead")), 0);
}

/* ---- waiting for it ------------------------------------------------------ */

static void assert_watch(const char *name, const char *expected, int result)
{
    char path[WPIPE__FOREIGN_PATH_MAX + 1];

    assert_int_equal(wpipe__foreign_watch_path(name, path, sizeof(path)),
                     result);
    assert_string_equal(path, expected);
}

static void watch_is_on_the_nearest_directory_there_is(void **state)
{
    char deep[PATH_MAX];
    char path[8] = "before";

    (void)state;
    snprintf(deep, sizeof(deep), "%s/a/b/c", temp_dir());
    assert_watch("echo", temp_dir(), 0);
    assert_watch(deep, temp_dir(), 0);
    assert_int_equal(mkdir(below(temp_dir(), "a"), 0700), 0);
    assert_watch(deep, below(temp_dir(), "a"), 0);
    assert_watch("/none-such", "/", 0);
    assert_watch("/none/such", "/", 0);
    assert_int_equal(chdir(temp_dir()), 0);
    setenv("TMPDIR", "a", 1);
    assert_watch("echo", "a", 0);
    setenv("TMPDIR", "none/either", 1);
    assert_watch("echo", ".", 0);
    assert_int_equal(wpipe__foreign_watch_path("a/b", path, sizeof(path)),
                     WPIPE_ENAME);
    assert_int_equal(wpipe__foreign_watch_path("e", path, 1), WPIPE_EINVAL);
    assert_string_equal(path, "before");
    assert_int_equal(rmdir("a"), 0);
}

/* A door of ours appears complete; a plain one may begin to listen without a
 * sign, and then one has to look again. */
static void watch_tells_of_a_door_that_appears(void **state)
{
    char path[WPIPE__FOREIGN_PATH_MAX + 1];
    struct wpipe__foreign_door d;
    wpipe__handle watch;
    wpipe__handle client;
    int i;

    (void)state;
    assert_int_equal(wpipe__foreign_watch_path("echo", path, sizeof(path)), 0);
    assert_int_equal(wpipe__os_watch_open(path, &watch), 0);
    for (i = 0; i < 2; i++) {
        /* the second time it takes a dead one's place */
        if (i == 1)
            leave_socket(door_path("echo"), SOCK_STREAM);
        wpipe__os_watch_drain(watch);
        assert_int_equal(wpipe__foreign_door_open(&d, "echo", NULL), 0);
        assert_true(support_wait_readable(watch, 0));
        assert_int_equal(wpipe__foreign_door_dial("echo", NULL, &client), 0);
        wpipe__os_close(client);
        assert_watch("echo", temp_dir(), 1);
        wpipe__foreign_door_close(&d);
        assert_watch("echo", temp_dir(), 0);
    }
    wpipe__os_close(watch);
    /* no server comes of this */
    write_file(door_path("echo"), "");
    assert_watch("echo", temp_dir(), 0);
    assert_int_equal(unlink(door_path("echo")), 0);
}

/* ---- the list ------------------------------------------------------------ */

struct seen {
    char names[16][256];
    size_t count;
    size_t stop_at;
};

static int see(const char *name, const char *where, void *user)
{
    struct seen *seen = user;

    assert_string_equal(where, temp_dir());
    assert_true(seen->count < 16);
    snprintf(seen->names[seen->count++], 256, "%s", name);
    return seen->count == seen->stop_at;
}

static bool has_seen(const struct seen *seen, const char *name)
{
    size_t i;

    for (i = 0; i < seen->count; i++)
        if (strcmp(seen->names[i], name) == 0)
            return true;
    return false;
}

static void list_has_every_socket_with_a_good_name(void **state)
{
    static const char *const bad[] = { "anonymous", "x\x1b[31m", "", "\xff" };
    struct seen seen = { .count = 0 };
    struct wpipe__foreign_door d;
    int server;
    size_t i;

    (void)state;
    assert_int_equal(wpipe__foreign_door_each(see, &seen), 0);
    assert_int_equal(wpipe__foreign_door_open(&d, "ours", NULL), 0);
    server = plain_server(door_path("plain"), SOCK_STREAM, 1);
    leave_socket(door_path("dead"), SOCK_STREAM);
    write_file(door_path("file"), "");
    leave_socket(below(temp_dir(), "other.sock"), SOCK_STREAM);
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        leave_socket(door_path(bad[i]), SOCK_STREAM);
    assert_int_equal(wpipe__foreign_door_each(see, &seen), 3);
    assert_int_equal(seen.count, 3);
    assert_true(has_seen(&seen, "ours"));
    assert_true(has_seen(&seen, "plain"));
    assert_true(has_seen(&seen, "dead"));
    seen.count = 0;
    seen.stop_at = 2;
    assert_int_equal(wpipe__foreign_door_each(see, &seen), 2);
    wpipe__foreign_door_close(&d);
    close(server);
    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(unlink(door_path(bad[i])), 0);
    unlink(door_path("plain"));
    unlink(door_path("dead"));
    unlink(door_path("file"));
    unlink(below(temp_dir(), "other.sock"));
    setenv("TMPDIR", "/none/such", 1);
    assert_int_equal(wpipe__foreign_door_each(see, &seen), 0);
}

static void facts_tell_of_servers_that_do_not_notice(void **state)
{
    struct wpipe__foreign_facts facts;
    struct wpipe__foreign_door d;
    wpipe_options options = plain();
    wpipe__handle accepted;
    int server;

    (void)state;
    assert_int_equal(wpipe__foreign_door_facts("echo", &facts),
                     WPIPE_ENOTFOUND);
    assert_int_equal(wpipe__foreign_door_facts("a/b", &facts), WPIPE_ENAME);
    options.access = WPIPE_ACCESS_ANYONE;
    assert_int_equal(wpipe__foreign_door_open(&d, "echo", &options), 0);
    assert_int_equal(wpipe__foreign_door_facts("echo", &facts), 0);
    assert_string_equal(facts.path, door_path("echo"));
    assert_int_equal(facts.uid, geteuid());
    assert_int_equal(facts.mode & 0777, 0666);
    assert_int_equal(wpipe__os_accept(d.listener, &accepted), WPIPE_EAGAIN);
    if (has_socket_list()) {
        assert_int_equal(facts.listening, 1);
        assert_int_equal(facts.pid, getpid());
    } else {
        assert_int_equal(facts.listening, -1);
        assert_int_equal(facts.pid, 0);
    }
    wpipe__foreign_door_close(&d);
    if (!has_socket_list())
        support_skip("this kernel does not list local sockets");
    server = plain_server(door_path("echo"), SOCK_STREAM, 0);
    assert_int_equal(wpipe__foreign_door_facts("echo", &facts), 0);
    assert_int_equal(facts.listening, 0);
    assert_int_equal(facts.pid, getpid());
    assert_int_equal(listen(server, 1), 0);
    assert_int_equal(wpipe__foreign_door_facts("echo", &facts), 0);
    assert_int_equal(facts.listening, 1);
    close(server);
    assert_int_equal(wpipe__foreign_door_facts("echo", &facts), 0);
    assert_int_equal(facts.listening, 0);
    assert_int_equal(facts.pid, 0);
    assert_int_equal(unlink(door_path("echo")), 0);
}

static const struct support_case cases[] = {
    TEST(dial_where_nobody_is_says_so),
    TEST(dial_reaches_a_plain_server),
    TEST(dial_leaves_no_descriptor),
    TEST(watch_is_on_the_nearest_directory_there_is),
    TEST(watch_tells_of_a_door_that_appears),
    TEST(list_has_every_socket_with_a_good_name),
    TEST(facts_tell_of_servers_that_do_not_notice),
};

TEST_MAIN(cases)
