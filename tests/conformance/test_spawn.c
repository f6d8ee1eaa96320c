/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting children with the ends of anonymous pipes, what they inherit, and
 * waiting for them to end.
 */
#include "anonymous.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"

/* ---- what is inherited --------------------------------------------------- */

static void child_inherits_nothing_else(void **state)
{
    wpipe_stream *told = make_end(*state, WPIPE_IN);
    wpipe_stream *end = make_end(*state, WPIPE_IN);
    int low = open("/dev/null", O_RDONLY); /* without close-on-exec */
    int high = dup2(low, 200);
    char string[16];
    int64_t pid;

    assert_true(low >= 0 && high == 200);
    tell(told, string); /* for another child */
    pid = roles_start("list", &end, 1);
    ends_expect_bytes(end, "0 1 2 3 ");
    ends_expect_end(end, WPIPE_EOF);
    expect_exit(pid, 0);
    assert_true(is_open(fd_of(string)));
    close(low);
    close(high);
    wpipe_stream_close(end);
    wpipe_stream_close(told);
}

/* Descriptors of ours that have the numbers which the child will use. */
static void child_gets_its_ends_in_the_order_given(void **state)
{
    wpipe_stream *ends[3];
    wpipe_stream *turned[3];
    int64_t pid;
    uint8_t byte;

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            ends[i] = make_end(*state, WPIPE_IN);
        for (int i = 0; i < 3; i++)
            turned[i] = ends[round == 0 ? 2 - i : (i + round) % 3];
        pid = roles_start("number", turned, 3);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(wpipe_read(turned[i], &byte, 1, SUPPORT_WAIT_MS),
                             1);
            assert_int_equal(byte, i);
        }
        expect_exit(pid, 0);
        for (int i = 0; i < 3; i++)
            wpipe_stream_close(ends[i]);
    }
}

/* The end that is descriptor 3 here is to be 4 there. */
static void child_gets_ends_that_change_places(void **state)
{
    const char *arguments[] = { roles_program(), "child", "hundred",
                                "{1}",           "{0}",   NULL };
    wpipe_stream *out = make_end(&pipes, WPIPE_OUT);
    wpipe_stream *ends[] = { make_end(&pipes, WPIPE_IN), out };
    uint8_t byte = 100;
    char string[16];
    int64_t pid;

    (void)state;
    tell(out, string);
    assert_string_equal(string, "3");
    assert_int_equal(wpipe_spawn(&pid, arguments, ends, 2), 0);
    assert_int_equal(wpipe_write(out, &byte, 1, SUPPORT_WAIT_MS), 1);
    assert_int_equal(wpipe_read(ends[0], &byte, 1, SUPPORT_WAIT_MS), 1);
    assert_int_equal(byte, 200);
    expect_exit(pid, 0);
    wpipe_stream_close(out);
    wpipe_stream_close(ends[0]);
}

static void child_of_parent_without_stdin_gets_its_end(void **state)
{
    int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);
    wpipe_stream *end;
    int64_t pid;

    close(STDIN_FILENO);
    end = make_end(*state, WPIPE_IN);
    pid = roles_start("list", &end, 1);
    ends_expect_bytes(end, "1 2 3 ");
    expect_exit(pid, 0);
    wpipe_stream_close(end);
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    close(saved);
}

static void child_of_parent_without_stdin_keeps_stdout(void **state)
{
    int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);
    wpipe_stream *end;
    char string[16];
    int64_t pid;

    (void)state;
    close(STDIN_FILENO);
    end = make_end(&pipes, WPIPE_OUT);
    tell(end, string);
    assert_string_not_equal(string, "0"); /* which is the system's choice */
    pid = roles_start("sum", &end, 1);
    wpipe_stream_close(end);
    expect_exit(pid, -WPIPE_EOF);
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    close(saved);
}

static void sixteen_ends_and_no_more(void **state)
{
    const char *arguments[20] = { roles_program(), "child", "number" };
    char holes[17][16];
    wpipe_stream *ends[17];
    int64_t pid = -1;
    uint8_t byte;

    for (int i = 0; i < 17; i++) {
        ends[i] = make_end(*state, WPIPE_IN);
        snprintf(holes[i], sizeof holes[i], "{%d}", i);
        if (i < 16)
            arguments[3 + i] = holes[i];
    }
    assert_int_equal(wpipe_spawn(&pid, arguments, ends, 17), WPIPE_EINVAL);
    assert_int_equal(pid, -1);
    assert_int_equal(wpipe_spawn(&pid, arguments, ends, 16), 0);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(wpipe_read(ends[i], &byte, 1, SUPPORT_WAIT_MS), 1);
        assert_int_equal(byte, i);
        ends_expect_end(ends[i], WPIPE_EOF);
    }
    expect_exit(pid, 0);
    for (int i = 0; i < 17; i++)
        wpipe_stream_close(ends[i]);
}

/* ---- spawning ------------------------------------------------------------ */

static void spawn_replaces_whole_arguments_only(void **state)
{
    wpipe_stream *end = make_end(*state, WPIPE_IN);
    const char *arguments[] = {
        roles_program(), "child", "arguments", "{0}",  "{}",  "{x}", "a{0}",
        "{0}b",          "{0",    "",          "{-1}", "{0}", NULL
    };
    int64_t pid;

    assert_int_equal(wpipe_spawn(&pid, arguments, &end, 1), 0);
    ends_expect_bytes(end, "3|{}|{x}|a{0}|{0}b|{0||{-1}|3|");
    ends_expect_end(end, WPIPE_EOF);
    expect_exit(pid, 0);
    wpipe_stream_close(end);
}

static void spawn_checks_its_arguments(void **state)
{
    const char *const missing[] = { "true", "{1}", NULL };
    const char *const huge[] = { "true", "{4294967296}", NULL };
    const char *const fine[] = { "true", NULL };
    const char *const none[] = { NULL };
    wpipe_stream *end = make_end(*state, WPIPE_IN);
    size_t before = support_count_descriptors();
    long live = wpipe__memory_live();
    int64_t pid = -1;

    assert_int_equal(wpipe_spawn(&pid, missing, &end, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_spawn(&pid, huge, &end, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_spawn(&pid, none, &end, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_spawn(&pid, NULL, &end, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_spawn(NULL, fine, &end, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_spawn(&pid, fine, NULL, 1), WPIPE_EINVAL);
    assert_int_equal(wpipe_spawn(&pid, fine, &end, -1), WPIPE_EINVAL);
    assert_int_equal(wpipe_spawn(&pid, fine, &(wpipe_stream *){ NULL }, 1),
                     WPIPE_EINVAL);
    wpipe__memory_fail_at(1);
    assert_int_equal(wpipe_spawn(&pid, fine, &end, 1), WPIPE_ENOMEM);
    wpipe__memory_fail_at(0);
    assert_int_equal(pid, -1);
    assert_int_equal(support_count_descriptors(), before);
    assert_int_equal(wpipe_spawn(&pid, fine, NULL, 0), 0);
    expect_exit(pid, 0);
    assert_int_equal(wpipe__memory_live(), live);
    assert_int_equal(wpipe_anonymous_release_client(end), 0);
    assert_int_equal(wpipe_spawn(&pid, fine, &end, 1), WPIPE_ESTATE);
    wpipe_stream_close(end);
}

static void spawn_missing_program_leaves_nothing(void **state)
{
    static const char *const names[] = { "windpipe-no-such-program",
                                         "/nonexistent/program",
                                         "/dev/null/program", "", "{7}" };
    wpipe_stream *end = make_end(*state, WPIPE_IN);
    size_t before = support_count_descriptors();
    int64_t pid = -1;

    for (int i = 0; i < 5; i++)
        assert_int_equal(
            wpipe_spawn(&pid, (const char *const[]){ names[i], NULL }, &end, 1),
            WPIPE_ENOTFOUND);
    assert_int_equal(pid, -1);
    assert_int_equal(support_count_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
    assert_int_equal(errno, ECHILD);
    pid = roles_start("count", &end, 1); /* and nothing was released */
    ends_expect_bytes(end, "\1\2\3\4\5");
    expect_exit(pid, 0);
    wpipe_stream_close(end);
}

static void spawn_what_is_no_program_is_denied(void **state)
{
    wpipe_stream *end = make_end(*state, WPIPE_IN);
    char path[4096];
    int64_t pid = -1;
    int fd;

    snprintf(path, sizeof path, "%s/text", support_dir());
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(
        wpipe_spawn(&pid, (const char *const[]){ path, NULL }, &end, 1),
        WPIPE_EACCES);
    assert_int_equal(
        wpipe_spawn(&pid, (const char *const[]){ "/", NULL }, &end, 1),
        WPIPE_EACCES);
    assert_int_equal(pid, -1);
    wpipe_stream_close(end);
}

static void spawn_without_descriptors_is_a_limit(void **state)
{
    wpipe_stream *end = make_end(*state, WPIPE_IN);
    size_t before = support_count_descriptors();
    struct rlimit was;
    struct rlimit few;
    int64_t pid = -1;
    int r;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    few = was;
    few.rlim_cur = 4;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    r = wpipe_spawn(&pid, (const char *const[]){ "true", NULL }, &end, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_int_equal(r, WPIPE_ELIMIT);
    assert_int_equal(pid, -1);
    assert_int_equal(support_count_descriptors(), before);
    wpipe_stream_close(end);
}

static int peer_as_nobody(int fd, void *argument)
{
    wpipe_peer peer = { .size = sizeof peer };
    wpipe_stream *end;

    (void)fd;
    if (geteuid() == 0)
        assert_int_equal(setresuid(65534, 65534, 65534), 0);
    end = make_end(argument, WPIPE_OUT);
    assert_int_equal(wpipe_stream_peer(end, &peer), 0);
    assert_int_equal(peer.uid, geteuid()); /* zero would be root */
    wpipe_stream_close(end);
    return 0;
}

static void peer_of_a_pipe_is_of_our_user(void **state)
{
    struct helper helper = HELPER_NONE;

    helper_start(&helper, peer_as_nobody, *state);
    assert_int_equal(helper_join(&helper), 0);
}

static void spawn_makes_the_peer_known(void **state)
{
    wpipe_stream *end = make_end(*state, WPIPE_OUT);
    wpipe_peer peer = { .size = sizeof peer };
    int64_t pid;

    assert_int_equal(wpipe_stream_peer(end, &peer), 0);
    assert_int_equal(peer.pid, 0); /* nobody yet, and not ourselves */
    assert_int_equal(peer.uid, geteuid());
    assert_string_equal(peer.program, "");
    pid = roles_start(*state == &native ? "parent" : "sum", &end, 1);
    assert_int_equal(wpipe_stream_peer(end, &peer), 0);
    assert_int_equal(peer.pid, pid);
    wpipe_stream_close(end);
    expect_exit(pid, *state == &native ? 0 : -WPIPE_EOF);
}

/* ---- reaping ------------------------------------------------------------- */

static int64_t start_leave(const char *status)
{
    const char *const arguments[] = { roles_program(), "child", "leave", status,
                                      NULL };
    int64_t pid;

    assert_int_equal(wpipe_spawn(&pid, arguments, NULL, 0), 0);
    return pid;
}

static void reap_tells_the_exit_status(void **state)
{
    int64_t pid = start_leave("7");

    (void)state;
    expect_exit(pid, 7);
    assert_int_equal(wpipe_reap(pid, 0), WPIPE_EINVAL); /* once only */
    assert_int_equal(wpipe_reap(start_leave("255"), WPIPE_FOREVER), 255);
}

static void reap_waits_no_longer_than_told(void **state)
{
    wpipe_stream *ends[] = { make_end(*state, WPIPE_OUT),
                             make_end(*state, WPIPE_IN) };
    size_t before;
    int64_t pid = roles_start("hold", ends, 2);
    int64_t begun;

    before = support_count_descriptors();
    assert_int_equal(wpipe_reap(pid, 0), WPIPE_ETIMEDOUT);
    begun = support_now_ms();
    assert_int_equal(wpipe_reap(pid, 30), WPIPE_ETIMEDOUT);
    assert_true(support_now_ms() - begun >= 30);
    assert_int_equal(support_count_descriptors(), before);
    ends_expect_bytes(ends[1], "!");
    assert_int_equal(kill((pid_t)pid, SIGTERM), 0);
    expect_exit(pid, 128 + SIGTERM);
    wpipe_stream_close(ends[0]);
    wpipe_stream_close(ends[1]);
}

static void reap_refuses_what_is_no_child(void **state)
{
    static const int64_t pids[] = { 0, -1, 1, (int64_t)1 << 33, INT64_MIN };
    int64_t pid = start_leave("3");

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(wpipe_reap(pids[i], 10), WPIPE_EINVAL);
    assert_int_equal(wpipe_reap(getpid(), 10), WPIPE_EINVAL);
    expect_exit(pid, 3);
}

static const struct support_case cases[] = {
    BOTH(child_inherits_nothing_else),
    BOTH(child_gets_its_ends_in_the_order_given),
    TEST(child_gets_ends_that_change_places),
    BOTH(child_of_parent_without_stdin_gets_its_end),
    TEST(child_of_parent_without_stdin_keeps_stdout),
    BOTH(sixteen_ends_and_no_more),
    BOTH(spawn_replaces_whole_arguments_only),
    BOTH(spawn_checks_its_arguments),
    BOTH(spawn_missing_program_leaves_nothing),
    BOTH(spawn_what_is_no_program_is_denied),
    BOTH(spawn_without_descriptors_is_a_limit),
    BOTH(peer_of_a_pipe_is_of_our_user),
    BOTH(spawn_makes_the_peer_known),
    TEST(reap_tells_the_exit_status),
    BOTH(reap_waits_no_longer_than_told),
    TEST(reap_refuses_what_is_no_child),
};

ROLES_MAIN(cases)
