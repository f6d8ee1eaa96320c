/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another user of the machine against names: everything that user can put
 * where a pipe or its directory belongs, before we come. We refuse with a
 * reason that names the thing, follow nothing, change nothing outside, send
 * nothing to the wrong server, and let nobody in who was not asked. Needs
 * root, to become two users; skipped otherwise.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "door/door.h"
#include "unit/door_tools.h"

enum {
    VICTIM = 65533,
    ATTACKER = 65534,
    GUESTS = 12345,
    GUESSES = 8192,
    SERVERS = 8
};

/* What processes tell each other: READY, then results of calls as -r. */
enum {
    READY = 1000,
    END
};

/* ---- the world ----------------------------------------------------------- */

static void become(uint32_t uid, uint32_t gid)
{
    assert_int_equal(setgroups(0, NULL), 0);
    assert_int_equal(setresgid(gid, gid, gid), 0);
    assert_int_equal(setresuid(uid, uid, uid), 0);
}

/*
 * In the case's scratch directory: shared (anybody may write, sticky), home
 * (the victim's private directory) and canary (the victim's, private too,
 * with a file in it that nobody may touch).
 */
static const char *shared_dir(void)
{
    return below(support_dir(), "shared");
}

static const char *canary_dir(void)
{
    return below(support_dir(), "canary");
}

static void make_world(void)
{
    const char *home = below(support_dir(), "home");

    if (geteuid() != 0)
        support_skip("only root can become other users");
    assert_int_equal(chmod(below(support_dir(), ".."), 0711), 0);
    assert_int_equal(chmod(support_dir(), 0711), 0);
    assert_int_equal(mkdir(shared_dir(), 0700), 0);
    assert_int_equal(chmod(shared_dir(), 01777), 0);
    assert_int_equal(mkdir(home, 0700), 0);
    assert_int_equal(chown(home, VICTIM, VICTIM), 0);
    assert_int_equal(mkdir(canary_dir(), 0700), 0);
    write_file(below(canary_dir(), "precious"), "do not touch");
    assert_int_equal(chown(below(canary_dir(), "precious"), VICTIM, VICTIM), 0);
    assert_int_equal(chown(canary_dir(), VICTIM, VICTIM), 0);
    setenv("WINDPIPE_SHARED_DIR", shared_dir(), 1);
    setenv("WINDPIPE_DIR", home, 1);
}

/* The canary is as it was. */
static void assert_world_is_whole(void)
{
    struct stat status;

    assert_int_equal(count_files(canary_dir()), 1);
    assert_file_holds(below(canary_dir(), "precious"), "do not touch");
    assert_int_equal(stat(below(canary_dir(), "precious"), &status), 0);
    assert_int_equal(status.st_uid, VICTIM);
    assert_int_equal(status.st_nlink, 1);
    assert_int_equal(mode_of(canary_dir()), 0700);
}

/* ---- the attacker -------------------------------------------------------- */

enum attack {
    A_FILE,
    A_HELD_FILE,
    A_DIRECTORY,
    A_OPEN_DIRECTORY,
    A_LINK_TO_FILE,
    A_LINK_TO_DIRECTORY,
    A_LINK_NOWHERE,
    A_FIFO,
    A_DEAD_SOCKET,
    A_LIVE_SOCKET
};

struct plan {
    enum attack attack;
    const char *path; /* where the attacker puts it */
    uint32_t victim;  /* user id of the one who opens then */
    int access;       /* with this access */
    int expected;     /* result of its open */
    const char *said; /* and a part of its error_text */
};

static int listening_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(chmod(path, 0777), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* What holds on until the end; -1 when nothing has to. */
static int put_there(const struct plan *plan)
{
    const char *path = plan->path;
    int fd = -1;

    switch (plan->attack) {
    case A_FILE:
    case A_HELD_FILE:
        write_file(path, "1");
        assert_int_equal(chmod(path, 0666), 0);
        fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(plan->attack == A_FILE || flock(fd, LOCK_EX) == 0);
        break;
    case A_DIRECTORY:
    case A_OPEN_DIRECTORY:
        assert_int_equal(mkdir(path, 0700), 0);
        if (plan->attack == A_OPEN_DIRECTORY)
            assert_int_equal(chmod(path, 0777), 0);
        break;
    case A_LINK_TO_FILE:
        assert_int_equal(symlink(below(canary_dir(), "precious"), path), 0);
        break;
    case A_LINK_TO_DIRECTORY:
        assert_int_equal(symlink(canary_dir(), path), 0);
        break;
    case A_LINK_NOWHERE:
        assert_int_equal(symlink(below(canary_dir(), "new"), path), 0);
        break;
    case A_FIFO:
        assert_int_equal(mkfifo(path, 0666), 0);
        assert_int_equal(chmod(path, 0666), 0);
        break;
    case A_DEAD_SOCKET:
        close(listening_at(path));
        break;
    case A_LIVE_SOCKET:
        fd = listening_at(path);
        break;
    }
    return fd;
}

static int attacker(int fd, void *argument)
{
    int held;

    become(ATTACKER, ATTACKER);
    held = put_there(argument);
    event_send(fd, READY);
    event_expect(fd, END);
    if (held >= 0)
        close(held);
    return 0;
}

/* Opens "race" and tells how it went; what was said is checked here. */
static int victim(int fd, void *argument)
{
    const struct plan *plan = argument;
    struct wpipe__door d;
    wpipe_options options = plain();
    int r;

    if (plan->victim != 0)
        become(plan->victim, plan->victim);
    options.access = plan->access;
    r = wpipe__door_open(&d, "race", &options);
    if (r < 0 && (strstr(error_text, plan->said) == NULL ||
                  strstr(error_text, "race") == NULL))
        fprintf(stderr, "it said: %s\n", error_text);
    else
        event_send(fd, READY);
    event_send(fd, (uint32_t)-r);
    event_expect(fd, END);
    wpipe__door_close(&d);
    return 0;
}

static void run_plan(const struct plan *plan)
{
    struct helper bad = HELPER_NONE;
    struct helper good = HELPER_NONE;
    struct plan copy = *plan;
    struct stat before;
    struct stat after;

    helper_start(&bad, attacker, &copy);
    event_expect(bad.fd, READY);
    assert_int_equal(lstat(plan->path, &before), 0);
    helper_start(&good, victim, &copy);
    event_expect(good.fd, READY);
    event_expect(good.fd, (uint32_t)-plan->expected);
    if (plan->expected < 0) {
        /* untouched, and nothing of ours beside it */
        assert_int_equal(lstat(plan->path, &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        assert_int_equal(before.st_mode, after.st_mode);
        assert_int_equal(before.st_size, after.st_size);
        assert_int_equal(count_files(shared_dir()), 1);
    }
    event_send(good.fd, END);
    assert_int_equal(helper_join(&good), 0);
    event_send(bad.fd, END);
    assert_int_equal(helper_join(&bad), 0);
    assert_world_is_whole();
}

/* ---- squatting in the shared place --------------------------------------- */

static void shared_door_squatted_is_refused_by_name(void **state)
{
    static const struct {
        enum attack attack;
        int expected;
        const char *said;
    } table[] = {
        { A_FILE, WPIPE_EACCES, "race.pipe is a regular file" },
        { A_DIRECTORY, WPIPE_EACCES, "race.pipe is a directory" },
        { A_LINK_TO_FILE, WPIPE_EACCES, "race.pipe is a symbolic link" },
        { A_LINK_TO_DIRECTORY, WPIPE_EACCES, "race.pipe is a symbolic link" },
        { A_LINK_NOWHERE, WPIPE_EACCES, "race.pipe is a symbolic link" },
        { A_FIFO, WPIPE_EACCES, "race.pipe is something else" },
        { A_DEAD_SOCKET, WPIPE_EACCES, "was left behind by user" },
        { A_LIVE_SOCKET, WPIPE_EINUSE, "is in use by process" },
    };
    struct plan plan = { .victim = VICTIM, .access = WPIPE_ACCESS_ANYONE };
    size_t i;

    (void)state;
    make_world();
    for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
        plan.path = below(shared_dir(), "race.pipe");
        plan.attack = table[i].attack;
        plan.expected = table[i].expected;
        plan.said = table[i].said;
        run_plan(&plan);
        assert_int_equal(remove(plan.path), 0);
    }
}

static void shared_lock_squatted_is_refused_by_name(void **state)
{
    static const struct {
        enum attack attack;
        int expected;
        const char *said;
    } table[] = {
        { A_FILE, WPIPE_EINUSE, "belongs to user" },
        { A_HELD_FILE, WPIPE_EINUSE, "is in use by another process" },
        { A_DIRECTORY, WPIPE_EACCES, "race.lock is a directory" },
        { A_LINK_TO_FILE, WPIPE_EACCES, "race.lock is a symbolic link" },
        { A_LINK_NOWHERE, WPIPE_EACCES, "race.lock is a symbolic link" },
        { A_FIFO, WPIPE_EACCES, "race.lock is something else" },
        { A_LIVE_SOCKET, WPIPE_EACCES, "race.lock is a socket" },
    };
    struct plan plan = { .victim = VICTIM, .access = WPIPE_ACCESS_ANYONE };
    size_t i;

    (void)state;
    make_world();
    for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
        plan.path = below(shared_dir(), "race.lock");
        plan.attack = table[i].attack;
        plan.expected = table[i].expected;
        plan.said = table[i].said;
        run_plan(&plan);
        assert_int_equal(remove(plan.path), 0);
    }
}

/* Names that a server could give its socket before that is published, after the
 * file that it makes first: one for each number that this may have. */
static int guesser(int fd, void *argument)
{
    struct stat facts;
    char first[PATH_MAX];
    char path[PATH_MAX];
    long long number;

    (void)argument;
    become(ATTACKER, ATTACKER);
    snprintf(first, sizeof(first), "%s/guess", shared_dir());
    write_file(first, "");
    assert_int_equal(lstat(first, &facts), 0);
    for (number = -GUESSES / 2; number < GUESSES / 2; number++) {
        snprintf(path, sizeof(path), "%s/%016llx.new", shared_dir(),
                 (unsigned long long)facts.st_ino + (unsigned long long)number);
        assert_int_equal(link(first, path), 0);
    }
    event_send(fd, READY);
    event_expect(fd, END);
    return 0;
}

static int many_servers(int fd, void *argument)
{
    wpipe_options options = plain();
    struct wpipe__door doors[SERVERS];
    char name[32];
    int i;

    (void)argument;
    become(VICTIM, VICTIM);
    options.access = WPIPE_ACCESS_ANYONE;
    for (i = 0; i < SERVERS; i++) {
        snprintf(name, sizeof(name), "race-%d", i);
        assert_int_equal(wpipe__door_open(&doors[i], name, &options), 0);
    }
    for (i = 0; i < SERVERS; i++)
        wpipe__door_close(&doors[i]);
    event_send(fd, READY);
    return 0;
}

static void shared_names_guessed_stop_nobody(void **state)
{
    struct helper bad = HELPER_NONE;
    struct helper good = HELPER_NONE;

    (void)state;
    make_world();
    helper_start(&bad, guesser, NULL);
    event_expect(bad.fd, READY);
    helper_start(&good, many_servers, NULL);
    event_expect(good.fd, READY);
    assert_int_equal(helper_join(&good), 0);
    assert_int_equal(count_files(shared_dir()), GUESSES + 1);
    event_send(bad.fd, END);
    assert_int_equal(helper_join(&bad), 0);
    support_allow_left("*.new");
    support_allow_left("guess");
}

/* Root can, and does, clear away what a dead server of a user has left. */
static void shared_name_of_dead_user_is_taken_by_root(void **state)
{
    struct plan plan = { .victim = 0, .access = WPIPE_ACCESS_ANYONE };

    (void)state;
    make_world();
    plan.attack = A_DEAD_SOCKET;
    plan.path = below(shared_dir(), "race.pipe");
    run_plan(&plan);
    plan.attack = A_FILE;
    plan.path = below(shared_dir(), "race.lock");
    run_plan(&plan);
    plan.attack = A_LIVE_SOCKET;
    plan.path = below(shared_dir(), "race.pipe");
    plan.expected = WPIPE_EINUSE;
    plan.said = "is in use by process";
    run_plan(&plan);
}

/* ---- the private directory ----------------------------------------------- */

static void private_directory_squatted_is_refused_by_name(void **state)
{
    static const struct {
        enum attack attack;
        const char *said;
    } table[] = {
        { A_FILE, "Not a directory" },
        { A_DIRECTORY, "Permission denied" },
        { A_OPEN_DIRECTORY, "belongs to user 65534" },
        { A_LINK_TO_DIRECTORY, "Not a directory" },
        { A_LINK_NOWHERE, "Not a directory" },
        { A_FIFO, "Not a directory" },
        { A_LIVE_SOCKET, "Not a directory" },
    };
    struct plan plan = { .victim = VICTIM, .access = WPIPE_ACCESS_USER };
    size_t i;

    (void)state;
    make_world();
    for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
        plan.path = below(shared_dir(), "race");
        setenv("WINDPIPE_DIR", plan.path, 1);
        plan.attack = table[i].attack;
        plan.expected = WPIPE_EACCES;
        plan.said = table[i].said;
        run_plan(&plan);
        assert_int_equal(remove(plan.path), 0);
    }
}

/* A directory that is swapped under a running server: its close works in the
 * one that it has opened, wherever the path leads by now. */
static void private_directory_swapped_close_stays_inside(void **state)
{
    const char *run = support_runtime_dir();
    const char *aside = below(support_dir(), "aside");
    const char *trap = below(support_dir(), "trap");
    struct wpipe__door d;

    (void)state;
    assert_int_equal(mkdir(trap, 0700), 0);
    write_file(below(trap, "race.pipe"), "mine");
    write_file(below(trap, "race.lock"), "mine");
    assert_int_equal(wpipe__door_open(&d, "race", NULL), 0);
    assert_int_equal(rename(run, aside), 0);
    assert_int_equal(symlink(trap, run), 0);
    assert_dial("race", NULL, WPIPE_EACCES);
    wpipe__door_close(&d);
    assert_int_equal(count_files(aside), 0);
    assert_file_holds(below(trap, "race.pipe"), "mine");
    assert_file_holds(below(trap, "race.lock"), "mine");
    assert_int_equal(unlink(run), 0);
}

/* ---- clients ------------------------------------------------------------- */

/* A server of the attacker's: tells how many bytes its one client sent. */
static int false_server(int fd, void *argument)
{
    char buf[64];
    int listener;
    int client;

    become(ATTACKER, ATTACKER);
    listener = listening_at(argument);
    event_send(fd, READY);
    client = accept(listener, NULL, NULL);
    assert_true(client >= 0);
    event_send(fd, (uint32_t)read(client, buf, sizeof(buf)));
    close(client);
    event_expect(fd, END);
    close(listener);
    return 0;
}

struct dialling {
    uint32_t uid;
    uint32_t gid;
    uint32_t flags;
    uint32_t server_uid;
    const char *said;
};

static int dialler(int fd, void *argument)
{
    const struct dialling *who = argument;
    wpipe_options options = plain();
    wpipe__handle socket;
    int r;

    become(who->uid, who->gid);
    options.flags = who->flags;
    options.server_uid = who->server_uid;
    r = wpipe__door_dial("race", &options, &socket);
    if (r == 0)
        wpipe__os_close(socket);
    else if (who->said)
        assert_said(who->said);
    event_send(fd, (uint32_t)-r);
    return 0;
}

static void assert_dialler(const struct dialling *who, int expected)
{
    struct helper helper = HELPER_NONE;
    struct dialling copy = *who;

    helper_start(&helper, dialler, &copy);
    event_expect(helper.fd, (uint32_t)-expected);
    assert_int_equal(helper_join(&helper), 0);
}

static void dial_false_server_sends_it_nothing(void **state)
{
    const char *path;
    struct helper server = HELPER_NONE;
    struct dialling who = { .uid = VICTIM, .gid = VICTIM };

    (void)state;
    make_world();
    path = below(shared_dir(), "race.pipe");
    helper_start(&server, false_server, (void *)(uintptr_t)path);
    event_expect(server.fd, READY);
    who.said = "is run by user";
    assert_dialler(&who, WPIPE_EACCES);
    event_expect(server.fd, 0);
    /* whoever asks for that user gets it */
    who.flags = WPIPE_CHECK_UID;
    who.server_uid = ATTACKER;
    assert_dialler(&who, 0);
    who.server_uid = 0;
    assert_dialler(&who, WPIPE_EACCES);
    event_send(server.fd, END);
    assert_int_equal(helper_join(&server), 0);
    assert_int_equal(unlink(path), 0);
}

/* To root's server elsewhere, which only root is to use that way. */
static void dial_link_to_trusted_server_is_not_followed(void **state)
{
    struct dialling who = { .uid = VICTIM, .gid = VICTIM };
    const char *elsewhere;
    const char *path;
    int listener;

    (void)state;
    make_world();
    elsewhere = below(support_dir(), "service");
    path = below(shared_dir(), "race.pipe");
    listener = listening_at(elsewhere);
    assert_int_equal(symlink(elsewhere, path), 0);
    assert_int_equal(lchown(path, ATTACKER, ATTACKER), 0);
    who.said = "no server has the pipe";
    assert_dialler(&who, WPIPE_ENOTFOUND);
    assert_false(support_wait_readable(listener, 0));
    close(listener);
}

/* ---- who gets in --------------------------------------------------------- */

static void access_lets_in_exactly_those_asked(void **state)
{
    struct dialling guest = { .uid = ATTACKER, .gid = GUESTS };
    struct dialling other = { .uid = ATTACKER, .gid = ATTACKER };
    wpipe_options options = plain();
    struct wpipe__door d;

    (void)state;
    make_world();
    options.access = WPIPE_ACCESS_GROUP;
    options.group = GUESTS;
    assert_int_equal(wpipe__door_open(&d, "race", &options), 0);
    assert_dialler(&guest, 0);
    assert_dialler(&other, WPIPE_EACCES);
    wpipe__door_close(&d);
    options.access = WPIPE_ACCESS_ANYONE;
    assert_int_equal(wpipe__door_open(&d, "race", &options), 0);
    assert_dialler(&guest, 0);
    assert_dialler(&other, 0);
    wpipe__door_close(&d);
}

/* The directory keeps others out, and if it did not the socket would. */
static int raw_dialler(int fd, void *argument)
{
    const char *path = argument;
    struct wpipe__file_facts facts;
    wpipe__handle directory;
    wpipe__handle socket;
    int r;

    become(ATTACKER, ATTACKER);
    r = wpipe__os_directory_open(path, 0, &directory, &facts);
    event_send(fd, (uint32_t)-r);
    event_expect(fd, READY);
    assert_int_equal(wpipe__os_directory_open(path, 0, &directory, &facts), 0);
    r = wpipe__os_connect(directory, "race.pipe", &socket);
    event_send(fd, (uint32_t)-r);
    return 0;
}

static void access_user_keeps_out_twice(void **state)
{
    const char *run = support_runtime_dir();
    struct helper helper = HELPER_NONE;
    struct wpipe__door d;

    (void)state;
    make_world();
    setenv("WINDPIPE_DIR", run, 1);
    assert_int_equal(wpipe__door_open(&d, "race", NULL), 0);
    helper_start(&helper, raw_dialler, (void *)(uintptr_t)run);
    event_expect(helper.fd, (uint32_t)-WPIPE_EACCES);
    assert_int_equal(chmod(run, 0755), 0);
    event_send(helper.fd, READY);
    event_expect(helper.fd, (uint32_t)-WPIPE_EACCES);
    assert_int_equal(helper_join(&helper), 0);
    wpipe__door_close(&d);
}

static const struct support_case cases[] = {
    TEST(shared_door_squatted_is_refused_by_name),
    TEST(shared_lock_squatted_is_refused_by_name),
    TEST(shared_names_guessed_stop_nobody),
    TEST(shared_name_of_dead_user_is_taken_by_root),
    TEST(private_directory_squatted_is_refused_by_name),
    TEST(private_directory_swapped_close_stays_inside),
    TEST(dial_false_server_sends_it_nothing),
    TEST(dial_link_to_trusted_server_is_not_followed),
    TEST(access_lets_in_exactly_those_asked),
    TEST(access_user_keeps_out_twice),
};

TEST_MAIN(cases)
