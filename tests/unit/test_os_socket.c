/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening, connecting and identity of sockets (src/os/linux_socket.c). What
 * travels on them is in test_os_pass.c.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/support.h"

enum {
    NOBODY = 65534,
    LONG_NAME = 244 /* 240 and ".new" */
};

/* A fresh directory and its handle; the directory goes with the case. */
static wpipe__handle open_dir(void)
{
    int fd = open(support_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void expect_mode(wpipe__handle directory, const char *name,
                        unsigned mode)
{
    struct stat facts;

    assert_int_equal(fstatat(directory, name, &facts, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISSOCK(facts.st_mode));
    assert_int_equal(facts.st_mode & 07777, mode);
}

static void expect_absent(wpipe__handle directory, const char *name)
{
    struct stat facts;

    assert_int_equal(fstatat(directory, name, &facts, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(errno, ENOENT);
}

/* One byte from each end to the other. */
static void expect_connected(wpipe__handle one, wpipe__handle other)
{
    char one_byte[] = "1";
    wpipe_piece piece = { .data = one_byte, .size = 1 };
    wpipe__handle passed;
    char byte = 0;

    assert_int_equal(wpipe__os_send(one, &piece, 1, WPIPE__NO_HANDLE), 1);
    assert_int_equal(wpipe__os_receive(other, &byte, 1, &passed), 1);
    assert_int_equal(byte, '1');
    assert_int_equal(wpipe__os_send(other, &piece, 1, WPIPE__NO_HANDLE), 1);
    assert_int_equal(wpipe__os_receive(one, &byte, 1, &passed), 1);
    assert_int_equal(passed, WPIPE__NO_HANDLE);
}

/* Listen at `name`, connect, accept, talk. */
static void expect_meeting(wpipe__handle directory, const char *name)
{
    wpipe__handle listener;
    wpipe__handle client;
    wpipe__handle server;

    assert_int_equal(wpipe__os_listen(directory, name, 0600, 0, &listener), 0);
    expect_mode(directory, name, 0600);
    assert_int_equal(wpipe__os_connect(directory, name, &client), 0);
    assert_int_equal(wpipe__os_accept(listener, &server), 0);
    expect_connected(client, server);
    assert_true(fcntl(listener, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(client, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(server, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(listener, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(client, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(server, F_GETFL) & O_NONBLOCK);
    wpipe__os_close(client);
    wpipe__os_close(server);
    wpipe__os_close(listener);
}

/* ---- listening ---------------------------------------------------------- */

static void listener_with_a_short_name_is_met(void **state)
{
    wpipe__handle directory = open_dir();

    (void)state;
    expect_meeting(directory, "s");
    wpipe__os_close(directory);
}

/* An address holds 107 bytes, a pipe's name 240. */
static void listener_with_any_length_of_name_is_met(void **state)
{
    wpipe__handle directory = open_dir();
    char name[LONG_NAME + 1];
    size_t length;

    (void)state;
    for (length = 60; length <= LONG_NAME; length += 2) {
        memset(name, 'n', length);
        name[length] = '\0';
        expect_meeting(directory, name);
        assert_int_equal(unlinkat(directory, name, 0), 0);
    }
    /* And nothing else is left: the directory can be removed. */
    wpipe__os_close(directory);
    assert_int_equal(rmdir(support_dir()), 0);
    assert_int_equal(mkdir(support_dir(), 0700), 0);
}

static void listener_in_a_deep_directory_is_met(void **state)
{
    static const char part[] = "a-part-of-a-path-that-is-sixty-four-bytes-"
                               "long-when-you-count-it";
    wpipe__handle directory = open_dir();
    wpipe__handle next;
    int i;

    (void)state;
    for (i = 0; i < 5; i++) {
        assert_int_equal(mkdirat(directory, part, 0700), 0);
        next = openat(directory, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        wpipe__os_close(directory);
        directory = next;
    }
    expect_meeting(directory, "s");
    wpipe__os_close(directory);
}

static void listener_has_its_mode_whatever_the_umask(void **state)
{
    static const unsigned modes[] = { 0600, 0660, 0666, 0700 };
    static const mode_t masks[] = { 0, 022, 077, 0777 };
    wpipe__handle directory = open_dir();
    wpipe__handle listener;
    mode_t before = umask(0);
    size_t i;

    (void)state;
    for (i = 0; i < 16; i++) {
        umask(masks[i / 4]);
        assert_int_equal(wpipe__os_listen(directory, "s", modes[i % 4],
                                          getegid(), &listener),
                         0);
        assert_int_equal(umask(0), masks[i / 4]); /* not changed */
        expect_mode(directory, "s", modes[i % 4]);
        wpipe__os_close(listener);
        assert_int_equal(unlinkat(directory, "s", 0), 0);
    }
    umask(before);
    wpipe__os_close(directory);
}

static void listener_for_a_group_belongs_to_it(void **state)
{
    wpipe__handle directory;
    wpipe__handle listener;
    struct stat facts;

    (void)state;
    if (geteuid() != 0)
        support_skip("only root may give a socket to any group");
    directory = open_dir();
    assert_int_equal(wpipe__os_listen(directory, "s", 0660, 4711, &listener),
                     0);
    assert_int_equal(fstatat(directory, "s", &facts, 0), 0);
    assert_int_equal(facts.st_gid, 4711);
    assert_int_equal(facts.st_mode & 0777, 0660);
    wpipe__os_close(listener);
    /* Without bits for a group there is no group to give it to. */
    assert_int_equal(wpipe__os_listen(directory, "t", 0600, 4711, &listener),
                     0);
    assert_int_equal(fstatat(directory, "t", &facts, 0), 0);
    assert_int_equal(facts.st_gid, getegid());
    wpipe__os_close(listener);
    wpipe__os_close(directory);
}

static void become_nobody(void)
{
    assert_int_equal(setresgid(NOBODY, NOBODY, NOBODY), 0);
    assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
}

static int listen_for_strange_group(int fd, void *argument)
{
    wpipe__handle directory;
    wpipe__handle listener = WPIPE__NO_HANDLE;

    (void)fd;
    (void)argument;
    if (geteuid() == 0) {
        assert_int_equal(chmod(support_dir(), 0777), 0);
        directory = open_dir();
        become_nobody();
    } else {
        directory = open_dir();
    }
    assert_int_equal(wpipe__os_listen(directory, "s", 0660, 4711, &listener),
                     WPIPE_EACCES);
    assert_int_equal(wpipe__os_error_number(), EPERM);
    assert_int_equal(listener, WPIPE__NO_HANDLE);
    expect_absent(directory, "s");
    return 0;
}

static void listener_for_a_group_not_ours_is_refused(void **state)
{
    struct helper helper;

    (void)state;
    helper_start(&helper, listen_for_strange_group, NULL);
    assert_int_equal(helper_join(&helper), 0);
}

static void listener_never_replaces_what_is_there(void **state)
{
    static const char *const kinds[] = { "file", "socket", "link", "dangling" };
    char name[LONG_NAME + 1];
    wpipe__handle directory = open_dir();
    wpipe__handle first;
    wpipe__handle listener = WPIPE__NO_HANDLE;
    struct stat before;
    struct stat after;
    size_t i;

    (void)state;
    memset(name, 'n', LONG_NAME);
    name[LONG_NAME] = '\0';
    close(openat(directory, "file", O_CREAT | O_CLOEXEC | O_WRONLY, 0600));
    close(openat(directory, name, O_CREAT | O_CLOEXEC | O_WRONLY, 0600));
    assert_int_equal(wpipe__os_listen(directory, "socket", 0600, 0, &first), 0);
    assert_int_equal(symlinkat("file", directory, "link"), 0);
    assert_int_equal(symlinkat("nothing", directory, "dangling"), 0);
    for (i = 0; i < 5; i++) {
        const char *taken = i < 4 ? kinds[i] : name;

        fstatat(directory, taken, &before, AT_SYMLINK_NOFOLLOW);
        assert_int_equal(wpipe__os_listen(directory, taken, 0600, 0, &listener),
                         WPIPE_EINUSE);
        assert_int_equal(fstatat(directory, taken, &after, AT_SYMLINK_NOFOLLOW),
                         0);
        assert_true(before.st_ino == after.st_ino);
        assert_int_equal(before.st_mode, after.st_mode);
    }
    expect_absent(directory, "nothing");
    assert_int_equal(listener, WPIPE__NO_HANDLE);
    wpipe__os_close(first);
    wpipe__os_close(directory);
}

static void listener_without_a_directory_is_refused(void **state)
{
    wpipe__handle listener = WPIPE__NO_HANDLE;
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int gone;
    char path[512];

    (void)state;
    snprintf(path, sizeof(path), "%s/gone", support_dir());
    assert_int_equal(mkdir(path, 0700), 0);
    gone = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(file >= 0 && gone >= 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(wpipe__os_listen(gone, "s", 0600, 0, &listener),
                     WPIPE_ENOTFOUND);
    assert_int_equal(wpipe__os_listen(file, "s", 0600, 0, &listener),
                     WPIPE_ESYSTEM);
    assert_int_equal(wpipe__os_connect(gone, "s", &listener), WPIPE_ENOTFOUND);
    assert_int_equal(wpipe__os_connect(file, "s", &listener), WPIPE_ESYSTEM);
    assert_int_equal(listener, WPIPE__NO_HANDLE);
    close(file);
    close(gone);
}

/* ---- connecting --------------------------------------------------------- */

static void expect_no_connection(wpipe__handle directory, const char *name,
                                 int code)
{
    wpipe__handle client = WPIPE__NO_HANDLE;

    assert_int_equal(wpipe__os_connect(directory, name, &client), code);
    assert_int_equal(client, WPIPE__NO_HANDLE);
}

static void client_where_nobody_listens_finds_nothing(void **state)
{
    wpipe__handle directory = open_dir();
    wpipe__handle listener;

    (void)state;
    expect_no_connection(directory, "absent", WPIPE_ENOTFOUND);
    assert_int_equal(wpipe__os_listen(directory, "stale", 0600, 0, &listener),
                     0);
    wpipe__os_close(listener);
    expect_no_connection(directory, "stale", WPIPE_ENOTFOUND);
    close(openat(directory, "file", O_CREAT | O_CLOEXEC | O_WRONLY, 0600));
    expect_no_connection(directory, "file", WPIPE_ENOTFOUND);
    assert_int_equal(mkdirat(directory, "directory", 0700), 0);
    expect_no_connection(directory, "directory", WPIPE_ENOTFOUND);
    wpipe__os_close(directory);
}

/* A link could lead to a socket of ours that its maker cannot reach. */
static void client_does_not_follow_a_link(void **state)
{
    wpipe__handle directory = open_dir();
    wpipe__handle listener;

    (void)state;
    assert_int_equal(wpipe__os_listen(directory, "s", 0600, 0, &listener), 0);
    assert_int_equal(symlinkat("s", directory, "link"), 0);
    expect_no_connection(directory, "link", WPIPE_ENOTFOUND);
    wpipe__os_close(listener);
    wpipe__os_close(directory);
}

static void client_of_a_datagram_socket_is_refused(void **state)
{
    wpipe__handle directory = open_dir();
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_true(fd >= 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/d",
             directory);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    expect_no_connection(directory, "d", WPIPE_ENOTSUP);
    assert_int_equal(wpipe__os_error_number(), EPROTOTYPE);
    close(fd);
    wpipe__os_close(directory);
}

static void client_of_a_full_backlog_is_told_to_come_again(void **state)
{
    wpipe__handle directory = open_dir();
    wpipe__handle listener;
    wpipe__handle first;
    wpipe__handle second = WPIPE__NO_HANDLE;
    wpipe__handle accepted;

    (void)state;
    assert_int_equal(wpipe__os_listen(directory, "s", 0600, 0, &listener), 0);
    assert_int_equal(listen(listener, 0), 0); /* room for a single one */
    assert_int_equal(wpipe__os_connect(directory, "s", &first), 0);
    expect_no_connection(directory, "s", WPIPE_EAGAIN);
    assert_int_equal(wpipe__os_accept(listener, &accepted), 0);
    assert_int_equal(wpipe__os_connect(directory, "s", &second), 0);
    wpipe__os_close(first);
    wpipe__os_close(second);
    wpipe__os_close(accepted);
    wpipe__os_close(listener);
    wpipe__os_close(directory);
}

static int connect_as_nobody(int fd, void *argument)
{
    wpipe__handle directory = open_dir();
    wpipe__handle client;

    (void)fd;
    (void)argument;
    become_nobody();
    expect_no_connection(directory, "private", WPIPE_EACCES);
    assert_int_equal(wpipe__os_connect(directory, "public", &client), 0);
    return 0;
}

static void client_of_another_user_needs_the_mode(void **state)
{
    wpipe__handle directory;
    wpipe__handle private;
    wpipe__handle public;
    struct helper helper;

    (void)state;
    if (geteuid() != 0)
        support_skip("only root can become another user");
    directory = open_dir();
    assert_int_equal(fchmod(directory, 0755), 0);
    assert_int_equal(wpipe__os_listen(directory, "private", 0600, 0, &private),
                     0);
    assert_int_equal(wpipe__os_listen(directory, "public", 0666, 0, &public),
                     0);
    helper_start(&helper, connect_as_nobody, NULL);
    assert_int_equal(helper_join(&helper), 0);
    wpipe__os_close(private);
    wpipe__os_close(public);
    wpipe__os_close(directory);
}

/* ---- accepting ---------------------------------------------------------- */

static void accept_with_nobody_waiting_comes_back(void **state)
{
    wpipe__handle directory = open_dir();
    wpipe__handle listener;
    wpipe__handle server = WPIPE__NO_HANDLE;

    (void)state;
    assert_int_equal(wpipe__os_listen(directory, "s", 0600, 0, &listener), 0);
    assert_int_equal(wpipe__os_accept(listener, &server), WPIPE_EAGAIN);
    assert_int_equal(wpipe__os_accept(directory, &server), WPIPE_ESYSTEM);
    assert_int_equal(wpipe__os_error_number(), ENOTSOCK);
    assert_int_equal(server, WPIPE__NO_HANDLE);
    wpipe__os_close(listener);
    wpipe__os_close(directory);
}

static void accept_of_a_client_that_left_works(void **state)
{
    wpipe__handle directory = open_dir();
    wpipe__handle listener;
    wpipe__handle client;
    wpipe__handle server;
    wpipe__handle passed;
    char byte;

    (void)state;
    assert_int_equal(wpipe__os_listen(directory, "s", 0600, 0, &listener), 0);
    assert_int_equal(wpipe__os_connect(directory, "s", &client), 0);
    wpipe__os_close(client);
    assert_int_equal(wpipe__os_accept(listener, &server), 0);
    assert_int_equal(wpipe__os_receive(server, &byte, 1, &passed), WPIPE_EOF);
    wpipe__os_close(server);
    wpipe__os_close(listener);
    wpipe__os_close(directory);
}

/* Out of descriptors: the client stays in the queue, and a descriptor kept in
 * reserve is enough to take it. */
static void accept_without_descriptors_is_a_limit(void **state)
{
    wpipe__handle directory = open_dir();
    wpipe__handle listener;
    wpipe__handle client;
    wpipe__handle other = WPIPE__NO_HANDLE;
    wpipe__handle server = WPIPE__NO_HANDLE;
    wpipe__handle reserve;
    struct rlimit before;
    struct rlimit none;

    (void)state;
    assert_int_equal(wpipe__os_listen(directory, "s", 0600, 0, &listener), 0);
    assert_int_equal(wpipe__os_connect(directory, "s", &client), 0);
    assert_int_equal(wpipe__os_reserve(&reserve), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)reserve + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(wpipe__os_accept(listener, &server), WPIPE_ELIMIT);
    assert_int_equal(wpipe__os_connect(directory, "s", &other), WPIPE_ELIMIT);
    assert_int_equal(wpipe__os_listen(directory, "t", 0600, 0, &other),
                     WPIPE_ELIMIT);
    assert_int_equal(other, WPIPE__NO_HANDLE);
    wpipe__os_close(reserve); /* one is enough to accept, not to connect */
    assert_int_equal(wpipe__os_connect(directory, "s", &other), WPIPE_ELIMIT);
    assert_int_equal(wpipe__os_listen(directory, "t", 0600, 0, &other),
                     WPIPE_ELIMIT);
    expect_absent(directory, "t");
    assert_int_equal(wpipe__os_accept(listener, &server), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    expect_connected(client, server);
    wpipe__os_close(server);
    wpipe__os_close(client);
    wpipe__os_close(listener);
    wpipe__os_close(directory);
}

/* ---- who is there ------------------------------------------------------- */

static int connect_and_stay(int fd, void *argument)
{
    wpipe__handle directory = open_dir();
    wpipe__handle client;
    wpipe_peer peer = { .size = sizeof(peer) };

    prctl(PR_SET_NAME, "the client");
    if (argument)
        become_nobody();
    assert_int_equal(wpipe__os_connect(directory, "s", &client), 0);
    /* The server is known though it has not accepted. */
    assert_int_equal(wpipe__os_peer(client, &peer), 0);
    assert_true(peer.pid == getppid());
    assert_string_equal(peer.program, "");
    assert_string_equal(peer.user, "");
    event_send(fd, 1);
    event_wait(fd);
    return 0;
}

static void peer_is_who_connected(void **state)
{
    wpipe__handle directory = open_dir();
    wpipe__handle listener;
    wpipe__handle server;
    wpipe_peer peer = { .size = sizeof(peer) };
    struct helper helper;
    char program[64];
    char user[64];
    int other = geteuid() == 0;

    (void)state;
    assert_int_equal(fchmod(directory, 0755), 0);
    assert_int_equal(
        wpipe__os_listen(directory, "s", 0666, getegid(), &listener), 0);
    helper_start(&helper, connect_and_stay, other ? &other : NULL);
    event_expect(helper.fd, 1);
    assert_int_equal(wpipe__os_accept(listener, &server), 0);
    assert_int_equal(wpipe__os_peer(server, &peer), 0);
    assert_true(peer.size == sizeof(peer));
    assert_true(peer.pid == helper.pid);
    assert_true(peer.uid == (other ? NOBODY : geteuid()));
    assert_true(peer.gid == (other ? NOBODY : getegid()));
    wpipe__os_program(helper.pid, program, sizeof(program));
    wpipe__os_user(peer.uid, user, sizeof(user));
    assert_true(program[0] && user[0]);
    assert_string_equal(peer.program, "");
    assert_string_equal(peer.user, "");
    wpipe__os_name_peer(server, &peer);
    assert_string_equal(peer.program, program);
    assert_string_equal(peer.user, user);
    event_send(helper.fd, 1);
    assert_int_equal(helper_join(&helper), 0);
    wpipe__os_name_peer(server, &peer);
    assert_string_equal(peer.program, ""); /* nobody has that id any more */
    assert_string_equal(peer.user, user);
    wpipe__os_close(server);
    wpipe__os_close(listener);
    wpipe__os_close(directory);
}

static void peer_of_no_socket_is_an_error(void **state)
{
    wpipe_peer peer = { .pid = 77 };

    (void)state;
    assert_int_equal(wpipe__os_peer(WPIPE__NO_HANDLE, &peer), WPIPE_ESYSTEM);
    assert_true(peer.pid == 77);
    assert_int_equal(wpipe__os_send_buffer(WPIPE__NO_HANDLE), 0);
}

static void close_of_nothing_keeps_errno(void **state)
{
    (void)state;
    errno = ENOTTY;
    wpipe__os_close(WPIPE__NO_HANDLE);
    wpipe__os_close(1000000);
    assert_int_equal(errno, ENOTTY);
}

static const struct support_case cases[] = {
    TEST(listener_with_a_short_name_is_met),
    TEST(listener_with_any_length_of_name_is_met),
    TEST(listener_in_a_deep_directory_is_met),
    TEST(listener_has_its_mode_whatever_the_umask),
    TEST(listener_for_a_group_belongs_to_it),
    TEST(listener_for_a_group_not_ours_is_refused),
    TEST(listener_never_replaces_what_is_there),
    TEST(listener_without_a_directory_is_refused),
    TEST(client_where_nobody_listens_finds_nothing),
    TEST(client_does_not_follow_a_link),
    TEST(client_of_a_datagram_socket_is_refused),
    TEST(client_of_a_full_backlog_is_told_to_come_again),
    TEST(client_of_another_user_needs_the_mode),
    TEST(accept_with_nobody_waiting_comes_back),
    TEST(accept_of_a_client_that_left_works),
    TEST(accept_without_descriptors_is_a_limit),
    TEST(peer_is_who_connected),
    TEST(peer_of_no_socket_is_an_error),
    TEST(close_of_nothing_keeps_errno),
};

TEST_MAIN(cases)
