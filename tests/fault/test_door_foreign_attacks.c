/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another user of the machine against a foreign door, in a directory where
 * everybody may put things: what that user can leave in the way, and who may
 * connect to whom. We refuse with a reason that names the thing, follow
 * nothing, change nothing of others, send nothing to the wrong server. Needs
 * root, to become two users; skipped otherwise.
 */
#include "support.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "door/foreign.h"
#include "unit/door_foreign_tools.h"

enum {
    VICTIM = 65533,
    ATTACKER = 65534,
    GUESTS = 12345
};

/* What processes tell each other: READY, then results of calls as -r. */
enum {
    READY = 1000,
    END
};

/* ---- the world ----------------------------------------------------------- */

/* With `group` as an only additional group, 0 for none. */
static void become(uint32_t uid, gid_t group)
{
    assert_int_equal(setgroups(group != 0, &group), 0);
    assert_int_equal(setresgid(uid, uid, uid), 0);
    assert_int_equal(setresuid(uid, uid, uid), 0);
}

/*
 * In the case's scratch directory: shared (TMPDIR; anybody may write, sticky),
 * home (the victim's private directory, for locks) and canary (the victim's,
 * private too, with a file and a socket in it that nobody may touch).
 */
static const char *shared_dir(void)
{
    return below(support_dir(), "shared");
}

static const char *home_dir(void)
{
    return below(support_dir(), "home");
}

static const char *canary_dir(void)
{
    return below(support_dir(), "canary");
}

/* Its file is called as the door is: the worst name for it. */
static const char *precious(const char *directory)
{
    return below(directory, "CoreFxPipe_race");
}

static void make_private(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chown(path, VICTIM, VICTIM), 0);
}

static void make_world(void)
{
    if (geteuid() != 0)
        support_skip("only root can become other users");
    assert_int_equal(chmod(below(support_dir(), ".."), 0711), 0);
    assert_int_equal(chmod(support_dir(), 0711), 0);
    assert_int_equal(mkdir(shared_dir(), 0700), 0);
    assert_int_equal(chmod(shared_dir(), 01777), 0);
    make_private(home_dir());
    make_private(canary_dir());
    write_file(precious(canary_dir()), "do not touch");
    assert_int_equal(chown(precious(canary_dir()), VICTIM, VICTIM), 0);
    leave_socket(below(canary_dir(), "kept.sock"), SOCK_STREAM);
    setenv("TMPDIR", shared_dir(), 1);
    setenv("WINDPIPE_DIR", home_dir(), 1);
}

/* The canary is as it was, wherever it is. */
static void assert_canary_is_whole(const char *directory)
{
    struct stat status;

    assert_int_equal(count_all(directory), 2);
    assert_int_equal(access(below(directory, "kept.sock"), F_OK), 0);
    assert_file_holds(precious(directory), "do not touch");
    assert_int_equal(lstat(precious(directory), &status), 0);
    assert_int_equal(status.st_uid, VICTIM);
    assert_int_equal(status.st_nlink, 1);
    assert_int_equal(mode_of(directory), 0700);
}

/* ---- the attacker -------------------------------------------------------- */

enum attack {
    A_FILE,
    A_DIRECTORY,
    A_OPEN_DIRECTORY,
    A_LINK_TO_FILE,
    A_LINK_TO_DIRECTORY,
    A_LINK_NOWHERE,
    A_FIFO,
    A_DATAGRAM,
    A_DEAD_SOCKET,
    A_LIVE_SOCKET,
    A_CLOSED_SOCKET, /* it lives, but lets nobody connect */
    A_NOTHING
};

struct plan {
    enum attack attack;
    const char *path; /* where the attacker puts it */
    uint32_t user;    /* user id of the one who opens or dials then */
    int access;       /* its options */
    uint32_t flags;
    uint32_t server_uid;
    int expected;     /* result of its call */
    const char *said; /* and a part of its error_text */
};

static int listening_at(const char *path, mode_t mode)
{
    int fd = plain_server(path, SOCK_STREAM, 8);

    assert_int_equal(chmod(path, mode), 0);
    return fd;
}

/* What holds on until the end; -1 when nothing has to. */
static int put_there(const struct plan *plan)
{
    const char *path = plan->path;

    switch (plan->attack) {
    case A_FILE:
        write_file(path, "1");
        assert_int_equal(chmod(path, 0666), 0);
        break;
    case A_DIRECTORY:
    case A_OPEN_DIRECTORY:
        assert_int_equal(mkdir(path, 0700), 0);
        if (plan->attack == A_OPEN_DIRECTORY)
            assert_int_equal(chmod(path, 0777), 0);
        break;
    case A_LINK_TO_FILE:
        assert_int_equal(symlink(precious(canary_dir()), path), 0);
        break;
    case A_LINK_TO_DIRECTORY:
        assert_int_equal(symlink(canary_dir(), path), 0);
        break;
    case A_LINK_NOWHERE:
        assert_int_equal(symlink(below(canary_dir(), "new"), path), 0);
        break;
    case A_FIFO:
        assert_int_equal(mkfifo(path, 0666), 0);
        break;
    case A_DATAGRAM:
        return plain_server(path, SOCK_DGRAM, 0);
    case A_DEAD_SOCKET:
        close(listening_at(path, 0777));
        break;
    case A_LIVE_SOCKET:
        return listening_at(path, 0777);
    case A_CLOSED_SOCKET:
        return listening_at(path, 0700);
    case A_NOTHING:
        break;
    }
    return -1;
}

static int attacker(int fd, void *argument)
{
    int held;

    become(ATTACKER, 0);
    held = put_there(argument);
    event_send(fd, READY);
    event_expect(fd, END);
    wpipe__os_close(held);
    return 0;
}

static wpipe_options options_of(const struct plan *plan)
{
    wpipe_options options = plain();

    options.access = plan->access;
    options.flags = plan->flags;
    options.server_uid = plan->server_uid;
    options.group = GUESTS;
    return options;
}

/* Tells how it went; what was said is checked here. */
static void tell(int fd, const struct plan *plan, int r)
{
    if (r < 0 && (plan->said == NULL || strstr(error_text, plan->said) == NULL))
        fprintf(stderr, "it said: %s\n", error_text);
    else
        event_send(fd, READY);
    event_send(fd, (uint32_t)-r);
}

/* Opens "race". */
static int victim(int fd, void *argument)
{
    const struct plan *plan = argument;
    struct wpipe__foreign_door d;
    wpipe_options options = options_of(plan);

    if (plan->user != 0)
        become(plan->user, GUESTS); /* it may give its door to them */
    tell(fd, plan, wpipe__foreign_door_open(&d, "race", &options));
    event_expect(fd, END);
    wpipe__foreign_door_close(&d);
    return 0;
}

/* The attacker puts something there, then somebody runs into it. */
static void run_plan(struct plan *plan, int (*run)(int fd, void *argument))
{
    struct helper bad = HELPER_NONE;
    struct helper good = HELPER_NONE;
    struct stat before;
    struct stat after;

    helper_start(&bad, attacker, plan);
    event_expect(bad.fd, READY);
    assert_int_equal(lstat(plan->path, &before), 0);
    helper_start(&good, run, plan);
    event_expect(good.fd, READY);
    event_expect(good.fd, (uint32_t)-plan->expected);
    event_send(good.fd, END);
    assert_int_equal(helper_join(&good), 0);
    event_send(bad.fd, END);
    assert_int_equal(helper_join(&bad), 0);
    /* untouched, with nothing of ours beside it, now and a while ago */
    assert_int_equal(lstat(plan->path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mode, after.st_mode);
    assert_int_equal(before.st_uid, after.st_uid);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(before.st_nlink, after.st_nlink);
    assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(after.st_ctim));
    assert_int_equal(count_all(shared_dir()), 1);
    assert_int_equal(count_all(home_dir()), 0);
    assert_canary_is_whole(canary_dir());
    assert_int_equal(remove(plan->path), 0);
}

/* ---- in the way ---------------------------------------------------------- */

static void door_squatted_is_refused_by_name(void **state)
{
    static const struct {
        enum attack attack;
        int expected;
        const char *said;
    } table[] = {
        { A_FILE, WPIPE_EACCES, "race is a regular file" },
        { A_DIRECTORY, WPIPE_EACCES, "race is a directory" },
        { A_LINK_TO_FILE, WPIPE_EACCES, "race is a symbolic link" },
        { A_LINK_TO_DIRECTORY, WPIPE_EACCES, "race is a symbolic link" },
        { A_LINK_NOWHERE, WPIPE_EACCES, "race is a symbolic link" },
        { A_FIFO, WPIPE_EACCES, "race is a FIFO" },
        { A_DEAD_SOCKET, WPIPE_EACCES, "race is a socket that user" },
        { A_LIVE_SOCKET, WPIPE_EINUSE, "race is a socket of user" },
        { A_CLOSED_SOCKET, WPIPE_EINUSE, "race is a socket of user" },
    };
    struct plan plan = { .user = VICTIM };
    size_t i;

    (void)state;
    make_world();
    for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
        plan.path = door_path("race");
        plan.attack = table[i].attack;
        plan.expected = table[i].expected;
        plan.said = table[i].said;
        run_plan(&plan, victim);
    }
}

/* Root could remove all of that. It does not. */
static void door_squatted_is_refused_by_root(void **state)
{
    static const struct {
        enum attack attack;
        int expected;
        const char *said;
    } table[] = {
        { A_FILE, WPIPE_EACCES, "race is a regular file" },
        { A_FIFO, WPIPE_EACCES, "race is a FIFO" },
        { A_DATAGRAM, WPIPE_EACCES, "race is a socket of another kind" },
        { A_DEAD_SOCKET, WPIPE_EACCES, "race is a socket that user" },
        { A_LIVE_SOCKET, WPIPE_EINUSE, "race is in use by process" },
    };
    struct plan plan = { .user = 0 };
    size_t i;

    (void)state;
    make_world();
    assert_int_equal(chown(home_dir(), 0, 0), 0);
    for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
        plan.path = door_path("race");
        plan.attack = table[i].attack;
        plan.expected = table[i].expected;
        plan.said = table[i].said;
        run_plan(&plan, victim);
    }
}

/* ---- in the way of the directory beside the door ------------------------- */

/* Its name, which a killed server of `user` has left in its lock. */
static const char *workshop_path(uint32_t user)
{
    char lock[WPIPE__FOREIGN_LOCK_MAX];
    const char *path;
    struct stat directory;

    assert_int_equal(stat(shared_dir(), &directory), 0);
    snprintf(lock, sizeof(lock), "%llx-%llx-CoreFxPipe_race.foreign",
             (unsigned long long)directory.st_dev,
             (unsigned long long)directory.st_ino);
    path = below(home_dir(), lock);
    if (access(path, F_OK) < 0) {
        write_file(path, "12345              \n0123456789abcdef\n");
        assert_int_equal(chown(path, user, user), 0);
    }
    return below(shared_dir(), ".windpipe-0123456789abcdef");
}

/* It works all the same, and what was put there stays. */
static void workshop_squatted_does_not_matter(void **state)
{
    static const enum attack attacks[] = {
        A_FILE,         A_DIRECTORY,         A_OPEN_DIRECTORY,
        A_LINK_TO_FILE, A_LINK_TO_DIRECTORY, A_LINK_NOWHERE,
        A_FIFO,         A_DEAD_SOCKET
    };
    const uint32_t *user = *state;
    struct plan plan = { .user = *user };
    size_t i;

    make_world();
    assert_int_equal(chown(home_dir(), *user, *user), 0);
    for (i = 0; i < sizeof(attacks) / sizeof(*attacks); i++) {
        plan.path = workshop_path(plan.user);
        plan.attack = attacks[i];
        run_plan(&plan, victim);
    }
}

/* The name is really that one: a killed server's is found and cleared. */
static void workshop_left_behind_is_cleared_away(void **state)
{
    struct plan plan = { .user = VICTIM };
    struct helper good = HELPER_NONE;
    const char *path;

    (void)state;
    make_world();
    path = workshop_path(VICTIM);
    make_private(path);
    leave_socket(precious(path), SOCK_STREAM);
    leave_socket(below(path, "0123456789abcdef.bind"), SOCK_STREAM);
    helper_start(&good, victim, &plan);
    event_expect(good.fd, READY);
    event_expect(good.fd, 0);
    assert_int_equal(count_all(shared_dir()), 1);
    event_send(good.fd, END);
    assert_int_equal(helper_join(&good), 0);
    assert_int_equal(count_all(shared_dir()), 0);
    assert_int_equal(count_all(home_dir()), 0);
}

/* Where there is no sticky bit others can move our directories: one of them
 * may come to be called as the workshop is. Nothing in it is lost, not when
 * we open and not when we close. */
static void workshop_that_is_a_precious_directory_is_left_alone(void **state)
{
    struct plan plan = { .user = VICTIM };
    struct helper good = HELPER_NONE;
    const char *path;
    bool late;

    (void)state;
    make_world();
    assert_int_equal(chmod(shared_dir(), 0777), 0);
    for (late = false;; late = true) {
        path = workshop_path(VICTIM);
        if (!late)
            assert_int_equal(rename(canary_dir(), path), 0);
        helper_start(&good, victim, &plan);
        event_expect(good.fd, READY);
        event_expect(good.fd, 0);
        if (late)
            assert_int_equal(rename(canary_dir(), path), 0);
        event_send(good.fd, END);
        assert_int_equal(helper_join(&good), 0);
        assert_canary_is_whole(path);
        assert_int_equal(count_all(shared_dir()), 1);
        assert_int_equal(rename(path, canary_dir()), 0);
        if (late)
            break;
    }
}

/* ---- who may connect to us ----------------------------------------------- */

struct visit {
    uint32_t user;
    gid_t group;
    int expected;
};

/* Dials "race", in both ways. */
static int visitor(int fd, void *argument)
{
    const struct visit *visit = argument;
    wpipe_options options = plain();
    wpipe__handle socket = WPIPE__NO_HANDLE;
    int client;
    int r;

    become(visit->user, visit->group);
    options.flags = WPIPE_CHECK_UID;
    options.server_uid = VICTIM;
    r = wpipe__foreign_door_dial("race", &options, &socket);
    if (r == WPIPE_EACCES)
        assert_said("denies us access");
    wpipe__os_close(socket);
    client = plain_client(door_path("race"));
    assert_true((client < 0) == (r < 0));
    assert_true(client >= 0 || errno == EACCES);
    wpipe__os_close(client);
    event_send(fd, (uint32_t)-r);
    return 0;
}

static void door_lets_in_those_it_was_opened_for(void **state)
{
    static const struct {
        int access;
        uint32_t user;
        gid_t group;
        int expected;
    } table[] = {
        { WPIPE_ACCESS_USER, VICTIM, 0, 0 },
        { WPIPE_ACCESS_USER, ATTACKER, 0, WPIPE_EACCES },
        { WPIPE_ACCESS_USER, ATTACKER, GUESTS, WPIPE_EACCES },
        { WPIPE_ACCESS_GROUP, VICTIM, 0, 0 }, /* as the owner */
        { WPIPE_ACCESS_GROUP, ATTACKER, 0, WPIPE_EACCES },
        { WPIPE_ACCESS_GROUP, ATTACKER, GUESTS, 0 },
        { WPIPE_ACCESS_ANYONE, ATTACKER, 0, 0 },
    };
    size_t i;

    (void)state;
    make_world();
    for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct plan plan = { .user = VICTIM, .access = table[i].access };
        struct visit visit = { table[i].user, table[i].group, 0 };
        struct helper server = HELPER_NONE;
        struct helper client = HELPER_NONE;

        helper_start(&server, victim, &plan);
        event_expect(server.fd, READY);
        event_expect(server.fd, 0);
        helper_start(&client, visitor, &visit);
        event_expect(client.fd, (uint32_t)-table[i].expected);
        assert_int_equal(helper_join(&client), 0);
        event_send(server.fd, END);
        assert_int_equal(helper_join(&server), 0);
    }
    assert_int_equal(count_all(shared_dir()), 0);
}

/* ---- whom we connect to -------------------------------------------------- */

/* A server at "race" that answers nobody: the victim, the attacker or root.
 * Tells how many bytes it got from the one client that came. */
static int plain_listener(int fd, void *argument)
{
    const uint32_t *user = argument;
    char buf[16];
    int client;
    int server;
    ssize_t n;

    if (*user != 0)
        become(*user, 0);
    server = listening_at(door_path("race"), 0777);
    event_send(fd, READY);
    event_expect(fd, END);
    client = accept(server, NULL, NULL);
    assert_int_not_equal(client, -1);
    n = recv(client, buf, sizeof(buf), 0);
    event_send(fd, (uint32_t)n);
    close(client);
    close(server);
    return 0;
}

/* Dials, says a word if it may, and tells. */
static int dialer(int fd, void *argument)
{
    const struct plan *plan = argument;
    wpipe__handle socket = WPIPE__NO_HANDLE;
    wpipe_options options = options_of(plan);
    int r;

    become(plan->user, 0);
    r = wpipe__foreign_door_dial("race", &options, &socket);
    if (r == 0)
        assert_int_equal(send(socket, "word", 4, MSG_NOSIGNAL), 4);
    wpipe__os_close(socket);
    tell(fd, plan, r);
    (void)support_wait_readable(fd, SUPPORT_WAIT_MS);
    return 0;
}

/* A server of a user that we do not trust gets a connection and no byte. */
static void dial_talks_only_to_those_it_trusts(void **state)
{
    static const char by[] = "is run by user";
    struct {
        uint32_t server;
        struct plan plan;
    } table[] = {
        { VICTIM, { .expected = 0 } },
        { 0, { .expected = 0 } },
        { ATTACKER, { .expected = WPIPE_EACCES, .said = by } },
        { ATTACKER,
          { .access = WPIPE_ACCESS_GROUP,
            .expected = WPIPE_EACCES,
            .said = by } },
        { ATTACKER, { .access = WPIPE_ACCESS_ANYONE, .expected = 0 } },
        { ATTACKER,
          { .flags = WPIPE_CHECK_UID, .server_uid = ATTACKER, .expected = 0 } },
        { ATTACKER,
          { .flags = WPIPE_CHECK_UID,
            .server_uid = VICTIM,
            .access = WPIPE_ACCESS_ANYONE,
            .expected = WPIPE_EACCES,
            .said = by } },
        { 0,
          { .flags = WPIPE_CHECK_UID,
            .server_uid = VICTIM,
            .expected = WPIPE_EACCES,
            .said = "by user root (0), not by" } },
        { VICTIM,
          { .flags = WPIPE_CHECK_UID,
            .server_uid = ATTACKER,
            .expected = WPIPE_EACCES,
            .said = by } },
    };
    size_t i;

    (void)state;
    make_world();
    for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct helper server = HELPER_NONE;
        struct helper client = HELPER_NONE;

        table[i].plan.user = VICTIM;
        helper_start(&server, plain_listener, &table[i].server);
        event_expect(server.fd, READY);
        helper_start(&client, dialer, &table[i].plan);
        event_expect(client.fd, READY);
        event_expect(client.fd, (uint32_t)-table[i].plan.expected);
        assert_int_equal(helper_join(&client), 0);
        event_send(server.fd, END);
        event_expect(server.fd, table[i].plan.expected == 0 ? 4 : 0);
        assert_int_equal(helper_join(&server), 0);
        assert_int_equal(unlink(door_path("race")), 0);
    }
}

/* The attacker leaves something that a client runs into. */
static void dial_follows_nothing(void **state)
{
    static const struct {
        enum attack attack;
        int expected;
        const char *said;
    } table[] = {
        { A_FILE, WPIPE_ENOTFOUND, "race is a regular file" },
        { A_DIRECTORY, WPIPE_ENOTFOUND, "race is a directory" },
        { A_LINK_TO_FILE, WPIPE_ENOTFOUND, "race is a symbolic link" },
        { A_LINK_TO_DIRECTORY, WPIPE_ENOTFOUND, "race is a symbolic link" },
        { A_FIFO, WPIPE_ENOTFOUND, "race is a FIFO" },
        { A_DEAD_SOCKET, WPIPE_ENOTFOUND, "nobody listens at" },
        { A_CLOSED_SOCKET, WPIPE_EACCES, "denies us access" },
    };
    struct plan plan = { .user = VICTIM };
    size_t i;

    (void)state;
    make_world();
    umask(0022);
    for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
        plan.path = door_path("race");
        plan.attack = table[i].attack;
        plan.expected = table[i].expected;
        plan.said = table[i].said;
        run_plan(&plan, dialer);
    }
}

/* A link of the attacker's to a server of the victim's: it would be the right
 * user, but the wrong server. */
static void dial_through_a_link_reaches_nobody(void **state)
{
    struct plan plan = { .user = VICTIM,
                         .expected = WPIPE_ENOTFOUND,
                         .said = "race is a symbolic link" };
    struct helper client = HELPER_NONE;
    int server;

    (void)state;
    make_world();
    server = listening_at(door_path("other"), 0777);
    assert_int_equal(symlink("CoreFxPipe_other", door_path("race")), 0);
    assert_int_equal(lchown(door_path("race"), ATTACKER, ATTACKER), 0);
    helper_start(&client, dialer, &plan);
    event_expect(client.fd, READY);
    event_expect(client.fd, (uint32_t)-WPIPE_ENOTFOUND);
    assert_int_equal(helper_join(&client), 0);
    assert_int_equal(accept(server, NULL, NULL), -1);
    close(server);
}

/* A directory that may be walked through but not listed, as services have
 * it. */
static void dial_needs_no_right_to_list(void **state)
{
    struct plan plan = { .user = VICTIM };
    struct helper client = HELPER_NONE;
    int server;

    (void)state;
    make_world();
    assert_int_equal(chmod(shared_dir(), 0711), 0);
    server = listening_at(door_path("race"), 0777);
    helper_start(&client, dialer, &plan);
    event_expect(client.fd, READY);
    event_expect(client.fd, 0);
    assert_int_equal(helper_join(&client), 0);
    close(server);
}

/* ---- out of sight -------------------------------------------------------- */

static int server_elsewhere(int fd, void *argument)
{
    int server;

    (void)argument;
    if (unshare(CLONE_NEWNET) < 0) {
        event_send(fd, END);
        return 0;
    }
    server = plain_server(door_path("race"), SOCK_STREAM, 8);
    event_send(fd, READY);
    event_expect(fd, END);
    close(server);
    return 0;
}

/* A container that shares the directory: the kernel's list does not show its
 * server, but it answers. */
static void server_in_another_namespace_is_not_displaced(void **state)
{
    struct wpipe__foreign_facts facts;
    struct helper server = HELPER_NONE;
    wpipe_options options = plain();
    ino_t inode;

    (void)state;
    make_world();
    assert_int_equal(chown(home_dir(), 0, 0), 0);
    helper_start(&server, server_elsewhere, NULL);
    if (event_wait(server.fd) != READY) {
        assert_int_equal(helper_join(&server), 0);
        support_skip("no network namespaces here");
    }
    inode = inode_of(door_path("race"));
    if (has_socket_list()) {
        assert_int_equal(wpipe__foreign_door_facts("race", &facts), 0);
        assert_int_equal(facts.listening, -1);
    }
    assert_foreign_open("race", &options, WPIPE_EINUSE);
    assert_said("race is in use by process");
    assert_int_equal(inode_of(door_path("race")), inode);
    event_send(server.fd, END);
    assert_int_equal(helper_join(&server), 0);
}

static uint32_t victim_user = VICTIM;
static uint32_t root_user = 0;

static const struct support_case cases[] = {
    TEST(door_squatted_is_refused_by_name),
    TEST(door_squatted_is_refused_by_root),
    TEST_WITH(workshop_squatted_does_not_matter, &victim_user, "user"),
    TEST_WITH(workshop_squatted_does_not_matter, &root_user, "root"),
    TEST(workshop_left_behind_is_cleared_away),
    TEST(workshop_that_is_a_precious_directory_is_left_alone),
    TEST(door_lets_in_those_it_was_opened_for),
    TEST(dial_talks_only_to_those_it_trusts),
    TEST(dial_follows_nothing),
    TEST(dial_through_a_link_reaches_nobody),
    TEST(dial_needs_no_right_to_list),
    TEST(server_in_another_namespace_is_not_displaced),
};

TEST_MAIN(cases)
