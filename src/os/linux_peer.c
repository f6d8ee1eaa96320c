/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of a local socket. The process id is that of who
 * connected, or listened, and is used again once that one has ended and been
 * waited for: what /proc says of the id is the peer's only while the kernel
 * still has the peer. Called by src/link.
 */
#include "os/os.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/posix.h"

/* Linux 6.5; two architectures number their options in their own way. */
#if !defined(SO_PEERPIDFD) && !defined(__sparc__) && !defined(__hppa__)
#define SO_PEERPIDFD 77
#endif

int wpipe__os_peer(wpipe__handle socket, wpipe_peer *ret_peer)
{
    struct ucred who;
    socklen_t size = sizeof(who);

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
        return wpipe__os_fail("getsockopt", errno);
    ret_peer->uid = who.uid;
    ret_peer->gid = who.gid;
    ret_peer->pid = who.pid;
    ret_peer->program[0] = '\0';
    ret_peer->user[0] = '\0';
    return 0;
}

/* Nobody has waited for it yet: its id is its own until then. */
static int child_is_there(int64_t pid)
{
    siginfo_t info;

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* 0 when it has ended, or when that is not to be known for lack of a
 * descriptor. */
static int process_is_there(wpipe__handle socket)
{
#if defined(SO_PEERPIDFD) && defined(SYS_pidfd_send_signal)
    socklen_t size = sizeof(int);
    int process = -1;
    int there;

    if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &process, &size) < 0)
        return errno == ENOPROTOOPT; /* an older kernel: believe it */
    process = wpipe__os_above(process);
    there = syscall(SYS_pidfd_send_signal, process, 0, NULL, 0) == 0 ||
            errno != ESRCH;
    close(process);
    return there;
#else
    (void)socket;
    return 1;
#endif
}

void wpipe__os_name_peer(wpipe__handle socket, wpipe_peer *peer)
{
    struct ucred who = { .pid = 0 };
    socklen_t size = sizeof(who);
    int there;

    wpipe__os_user(peer->uid, peer->user, sizeof(peer->user));
    wpipe__os_program(peer->pid, peer->program, sizeof(peer->program));
    if (peer->program[0] == '\0')
        return;
    /* Asked after the name was read: the id was not another's meanwhile. */
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
        who.pid == peer->pid)
        there = process_is_there(socket);
    else
        there = child_is_there(peer->pid); /* it was given the other end */
    if (!there)
        peer->program[0] = '\0';
}
