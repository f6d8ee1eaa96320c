/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer dies and its process id goes to somebody else, in a namespace of
 * process ids where the next one can be chosen: nobody is told that the new
 * process is the peer. (The id itself stays what it was: a fact about who
 * connected.)
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <windpipe.h>
#include <windpipe/error.h>
#include <windpipe/stream.h>

#include "os/os.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum {
    LACKING = 78, /* exit status: no such namespaces here */
};

static const char *scene_name; /* of the pipe */

/* ---- the small world ----------------------------------------------------- */

static bool unshare_as_user(int flags)
{
    char uid[32];
    char gid[32];

    snprintf(uid, sizeof(uid), "%u %u 1", geteuid(), geteuid());
    snprintf(gid, sizeof(gid), "%u %u 1", getegid(), getegid());
    return unshare(CLONE_NEWUSER | flags) == 0 &&
           support_write_text("/proc/self/uid_map", uid) &&
           support_write_text("/proc/self/setgroups", "deny") &&
           support_write_text("/proc/self/gid_map", gid);
}

/* LeakSanitizer, which looks at each exit, cannot in a namespace. */
static void end(int status)
{
    (void)syscall(SYS_exit_group, status);
}

/* The first process of the namespace: `scene`, with a /proc of its own. */
static void be_first(void (*scene)(void))
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
    if (mount("proc", "/proc", "proc", 0, NULL) < 0 ||
        !support_write_text("/proc/sys/kernel/ns_last_pid", "20"))
        _exit(LACKING);
    scene();
    end(0);
}

static int enter(int fd, void *argument)
{
    const int flags = CLONE_NEWPID | CLONE_NEWNS;
    int status = 0;
    pid_t pid;

    (void)fd;
    if (unshare(flags) < 0 && !unshare_as_user(flags))
        return LACKING;
    pid = fork();
    if (pid == 0)
        be_first(*(void (**)(void))argument);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    end(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    return 1;
}

static void play(void (*scene)(void))
{
    socklen_t size = sizeof(int);
    struct helper helper;
    int pair[2];
    int process = -1;
    int status;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    status = getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &process, &size);
    close(process);
    close(pair[0]);
    close(pair[1]);
    if (status < 0)
        support_skip("no SO_PEERPIDFD before Linux 6.5");
    scene_name = support_unique_name();
    helper_start(&helper, enter, &scene);
    status = helper_join(&helper);
    if (status == LACKING)
        support_skip("no namespaces of process ids here");
    assert_int_equal(status, 0);
}

/* ---- processes in it ----------------------------------------------------- */

/* One that lives until the descriptor in *ret_end is closed. */
static pid_t start(void (*run)(int until), int *ret_end)
{
    int ends[2];
    pid_t pid;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[1]);
        run(ends[0]);
        end(0);
    }
    close(ends[0]);
    *ret_end = ends[1];
    return pid;
}

static void stop(pid_t pid, int end)
{
    close(end);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Another program, which reads until it is told to end. */
static void be_cat(int until)
{
    dup2(until, STDIN_FILENO);
    execlp("cat", "cat", (char *)NULL);
}

/* What a naive look tells, sooner or later. */
static void wait_for_cat(pid_t pid)
{
    const int64_t until = support_now_ms() + SUPPORT_WAIT_MS;
    char program[64] = "";

    while (strcmp(program, "cat") != 0 && support_now_ms() < until) {
        sched_yield();
        wpipe__os_program(pid, program, sizeof(program));
    }
    assert_string_equal(program, "cat");
}

/* From now on `pid`, which has ended, is a process that runs cat. */
static void take_over(pid_t pid, int *ret_end)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", (int)pid - 1);
    assert_true(support_write_text("/proc/sys/kernel/ns_last_pid", text));
    assert_int_equal(start(be_cat, ret_end), pid);
    wait_for_cat(pid);
}

/* The same, of somebody else's child. */
static pid_t taken;

static void take_over_elsewhere(int until)
{
    char byte;
    int cat;

    take_over(taken, &cat);
    assert_int_equal(read(until, &byte, 1), 0);
    stop(taken, cat);
}

static void expect_program(int asked, const wpipe_peer *peer, pid_t pid,
                           bool known)
{
    assert_int_equal(asked, 0);
    assert_int_equal(peer->pid, pid);
    assert_true(peer->uid == geteuid());
    if (known)
        assert_string_not_equal(peer->program, "");
    else
        assert_string_equal(peer->program, "");
}

/* ---- streams ------------------------------------------------------------- */

static void be_stream(int until)
{
    wpipe_stream *stream = NULL;
    char byte;

    assert_int_equal(wpipe_connect(&stream, scene_name, NULL, SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(read(until, &byte, 1), 0);
}

static void stream_scene(void)
{
    wpipe_listener *listener = NULL;
    wpipe_stream *stream = NULL;
    wpipe_peer peer = { .size = sizeof(peer) };
    int end;
    int cat;
    pid_t pid;

    assert_int_equal(wpipe_listen(&listener, scene_name, NULL), 0);
    pid = start(be_stream, &end);
    assert_int_equal(wpipe_accept(listener, &stream, SUPPORT_WAIT_MS), 0);
    expect_program(wpipe_stream_peer(stream, &peer), &peer, pid, true);
    stop(pid, end);
    expect_program(wpipe_stream_peer(stream, &peer), &peer, pid, false);
    take_over(pid, &cat);
    expect_program(wpipe_stream_peer(stream, &peer), &peer, pid, false);
    stop(pid, cat);
    wpipe_stream_close(stream);
    wpipe_listener_close(listener);
}

static void id_of_dead_client_used_again_is_not_named(void **state)
{
    (void)state;
    play(stream_scene);
}

/* ---- the server as a peer ------------------------------------------------ */

static void be_listener(int until)
{
    wpipe_listener *listener = NULL;
    wpipe_stream *stream = NULL;
    char byte;

    assert_int_equal(wpipe_listen(&listener, scene_name, NULL), 0);
    assert_int_equal(wpipe_accept(listener, &stream, SUPPORT_WAIT_MS), 0);
    assert_int_equal(read(until, &byte, 1), 0);
}

static void client_scene(void)
{
    wpipe_stream *stream = NULL;
    wpipe_peer peer = { .size = sizeof(peer) };
    int end;
    int cat;
    pid_t pid = start(be_listener, &end);

    assert_int_equal(wpipe_connect(&stream, scene_name, NULL, SUPPORT_WAIT_MS),
                     0);
    expect_program(wpipe_stream_peer(stream, &peer), &peer, pid, true);
    stop(pid, end);
    take_over(pid, &cat);
    expect_program(wpipe_stream_peer(stream, &peer), &peer, pid, false);
    stop(pid, cat);
    wpipe_stream_close(stream);
}

static void id_of_dead_server_used_again_is_not_named(void **state)
{
    (void)state;
    support_allow_left("*"); /* the killed server's */
    play(client_scene);
}

/* ---- a guest that died before it was let in ------------------------------ */

struct admission {
    wpipe_peer peer;
    int asked;
};

static int look_at(const wpipe_peer *peer, void *user)
{
    struct admission *admission = user;

    admission->peer = *peer;
    admission->asked++;
    return 0;
}

static void admit_scene(void)
{
    struct admission admission = { .asked = 0 };
    const wpipe_options options = { .size = sizeof(options),
                                    .admit = look_at,
                                    .admit_user = &admission };
    wpipe_server *server = NULL;
    wpipe_event event;
    wpipe_peer peer = { .size = sizeof(peer) };
    int end;
    int cat;
    pid_t pid;

    assert_int_equal(wpipe_server_open(&server, scene_name, &options), 0);
    pid = start(be_stream, &end);
    assert_int_equal(wpipe_server_wait(server, &event, SUPPORT_WAIT_MS), 1);
    assert_int_equal(event.type, WPIPE_EVENT_CONNECTED);
    assert_int_equal(admission.asked, 1);
    expect_program(0, &admission.peer, pid, true);
    stop(pid, end);
    take_over(pid, &cat);
    expect_program(wpipe_server_peer(server, event.from, &peer), &peer, pid,
                   false);
    stop(pid, cat);
    wpipe_server_close(server);
}

static void id_of_dead_client_of_server_is_not_named(void **state)
{
    (void)state;
    play(admit_scene);
}

/* ---- a child that was waited for ----------------------------------------- */

static void spawn_scene(void)
{
    const char *const arguments[] = { "sleep", "1000", NULL };
    wpipe_stream *streams[1] = { NULL };
    wpipe_peer peer = { .size = sizeof(peer) };
    int64_t pid = 0;
    int end;
    pid_t other;

    assert_int_equal(wpipe_anonymous(&streams[0], WPIPE_OUT, NULL), 0);
    assert_int_equal(wpipe_spawn(&pid, arguments, streams, 1), 0);
    expect_program(wpipe_stream_peer(streams[0], &peer), &peer, (pid_t)pid,
                   true);
    assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
    (void)wpipe_reap(pid, SUPPORT_WAIT_MS);
    taken = (pid_t)pid;
    other = start(take_over_elsewhere, &end);
    wait_for_cat(taken);
    expect_program(wpipe_stream_peer(streams[0], &peer), &peer, taken, false);
    stop(other, end);
    wpipe_stream_close(streams[0]);
}

static void id_of_reaped_child_used_again_is_not_named(void **state)
{
    (void)state;
    play(spawn_scene);
}

static const struct support_case cases[] = {
    TEST(id_of_dead_client_used_again_is_not_named),
    TEST(id_of_dead_server_used_again_is_not_named),
    TEST(id_of_dead_client_of_server_is_not_named),
    TEST(id_of_reaped_child_used_again_is_not_named),
};

TEST_MAIN(cases)
