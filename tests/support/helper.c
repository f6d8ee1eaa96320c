/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helper processes of a test, and the numbers that pass between them and the
 * case. Two processes meet at these events; no test waits for a time.
 */
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

static void start(struct helper *helper, int (*run)(int fd, void *argument),
                  void *argument, bool keep_descriptors)
{
    int pair[2];
    pid_t parent = getpid();
    pid_t pid;

    helper->pid = -1;
    helper->fd = -1;
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        close(pair[0]);
        if (!keep_descriptors)
            descriptors_close_except(pair[1]);
        exit(run(pair[1], argument));
    }
    close(pair[1]);
    helper->pid = pid;
    helper->fd = pair[0]; /* the helper's now */
}

void helper_start(struct helper *helper, int (*run)(int fd, void *argument),
                  void *argument)
{
    start(helper, run, argument, false);
}

void helper_fork(struct helper *helper, int (*run)(int fd, void *argument),
                 void *argument)
{
    start(helper, run, argument, true);
}

static void hang_up(struct helper *helper)
{
    if (helper->fd >= 0)
        close(helper->fd);
    helper->fd = -1;
}

static int wait_status(struct helper *helper)
{
    int status = 0;

    assert_int_equal(waitpid(helper->pid, &status, 0), helper->pid);
    helper->pid = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void helper_kill(struct helper *helper)
{
    assert_int_equal(kill(helper->pid, SIGKILL), 0);
    (void)wait_status(helper);
    hang_up(helper);
}

void helper_stop(const struct helper *helper)
{
    siginfo_t info;

    assert_int_equal(kill(helper->pid, SIGSTOP), 0);
    assert_int_equal(waitid(P_PID, (id_t)helper->pid, &info, WSTOPPED), 0);
}

void helper_cont(const struct helper *helper)
{
    /* It runs before kill returns, and may have ended by the next line. */
    assert_int_equal(kill(helper->pid, SIGCONT), 0);
}

int helper_join(struct helper *helper)
{
    int pidfd = (int)syscall(SYS_pidfd_open, helper->pid, 0);

    hang_up(helper);
    if (pidfd >= 0) {
        bool ended = support_wait_readable(pidfd, SUPPORT_WAIT_MS);

        close(pidfd);
        if (!ended)
            fail_msg("helper %ld did not end", (long)helper->pid);
    }
    return wait_status(helper);
}

void event_send(int fd, uint32_t value)
{
    assert_int_equal(send(fd, &value, sizeof value, MSG_NOSIGNAL),
                     sizeof value);
}

uint32_t event_wait(int fd)
{
    uint32_t value = 0;
    ssize_t n;

    if (!support_wait_readable(fd, SUPPORT_WAIT_MS))
        fail_msg("no event within %d ms", SUPPORT_WAIT_MS);
    n = recv(fd, &value, sizeof value, 0);
    if (n != sizeof value)
        fail_msg("the other process ended instead of sending an event");
    return value;
}

void event_expect(int fd, uint32_t value)
{
    assert_int_equal(event_wait(fd), value);
}
