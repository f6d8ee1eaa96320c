/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of a local socket. The process id is that of who
 * connected, or listened, and is used again once that one has ended and been
 * waited for: what /proc says of the id is the peer's only while the kernel
 * still has the peer. Called by src/link.
 *
 * And which thread of ours it is that calls. Called by src/loop, src/server.
 */
#include "os/os.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/posix.h"

/* Linux 6.5; two architectures number their options in their own way. */
#if !defined(SO_PEERPIDFD) && !defined(__sparc__) && !defined(__hppa__)
#define SO_PEERPIDFD 77
#endif

/* ---- the numbers --------------------------------------------------------- */

/* The numbers in a file of /proc, `most` at a time; how many; 0: it cannot be
 * read. */
static int read_numbers(FILE *file, unsigned long *numbers, int most)
{
    int n = 0;

    while (n < most && fscanf(file, "%lu", &numbers[n]) == 1)
        n++;
    return n;
}

/* Users without a number here show as this one; it is everybody's. */
static uint32_t overflow_uid(void)
{
    static _Atomic uint32_t known;
    uint32_t uid = atomic_load_explicit(&known, memory_order_relaxed);
    unsigned long number;
    FILE *file;

    if (uid != 0)
        return uid;
    uid = 65534; /* what it is, unless somebody changed it */
    file = fopen("/proc/sys/kernel/overflowuid", "re");
    if (file != NULL) {
        if (read_numbers(file, &number, 1) == 1)
            uid = (uint32_t)number;
        fclose(file);
    }
    atomic_store_explicit(&known, uid, memory_order_relaxed);
    return uid;
}

/* Does our user namespace give some user that number? Without /proc nobody can
 * tell. */
static int is_mapped(uint32_t uid)
{
    unsigned long line[3]; /* first number inside, outside, how many */
    FILE *file = fopen("/proc/self/uid_map", "re");
    int found = 0;

    if (file == NULL)
        return 0;
    while (!found && read_numbers(file, line, 3) == 3)
        found = uid >= line[0] && uid - line[0] < line[2];
    fclose(file);
    return found;
}

int wpipe__os_peer(wpipe__handle socket, wpipe_peer *ret_peer)
{
    struct ucred who;
    socklen_t size = sizeof(who);

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
        return wpipe__os_fail("getsockopt", errno);
    if (who.uid == overflow_uid() && !is_mapped(who.uid))
        who.uid = WPIPE__UID_UNMAPPED;
    ret_peer->uid = who.uid;
    ret_peer->gid = who.gid;
    ret_peer->pid = who.pid;
    ret_peer->program[0] = '\0';
    ret_peer->user[0] = '\0';
    return 0;
}

/* ---- the names ----------------------------------------------------------- */

enum {
    PEER_GONE = 0,     /* or not to be held for lack of a descriptor */
    PEER_HELD = 1,     /* by a descriptor */
    PEER_BELIEVED = 2, /* an older kernel holds none */
    PEER_CHILD = 3     /* of ours, which was given the other end */
};

static int hold_process(wpipe__handle socket, wpipe__handle *ret_process)
{
#if defined(SO_PEERPIDFD) && defined(SYS_pidfd_send_signal)
    socklen_t size = sizeof(int);
    int process = -1;

    if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &process, &size) < 0)
        return errno == ENOPROTOOPT ? PEER_BELIEVED : PEER_GONE;
    *ret_process = wpipe__os_above(process);
    return *ret_process < 0 ? PEER_GONE : PEER_HELD;
#else
    (void)socket;
    (void)ret_process;
    return PEER_BELIEVED;
#endif
}

void wpipe__os_hold_peer(wpipe__handle socket, const wpipe_peer *peer,
                         struct wpipe__held_peer *ret_held)
{
    struct ucred who = { .pid = 0 };
    socklen_t size = sizeof(who);

    ret_held->process = WPIPE__NO_HANDLE;
    ret_held->how = PEER_CHILD;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
        who.pid == peer->pid)
        ret_held->how = hold_process(socket, &ret_held->process);
}

/* Asked after the name was read: the id was not another's meanwhile. */
static int is_there(const struct wpipe__held_peer *held, int64_t pid)
{
    siginfo_t info;

    switch (held->how) {
#if defined(SO_PEERPIDFD) && defined(SYS_pidfd_send_signal)
    case PEER_HELD:
        return syscall(SYS_pidfd_send_signal, held->process, 0, NULL, 0) == 0 ||
               errno != ESRCH;
#endif
    case PEER_CHILD: /* nobody has waited for it: until then it has its id */
        return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) ==
               0;
    default:
        return held->how == PEER_BELIEVED;
    }
}

void wpipe__os_name_held(struct wpipe__held_peer *held, wpipe_peer *peer)
{
    wpipe__os_user(peer->uid, peer->user, sizeof(peer->user));
    wpipe__os_program(peer->pid, peer->program, sizeof(peer->program));
    if (peer->program[0] != '\0' && !is_there(held, peer->pid))
        peer->program[0] = '\0';
    wpipe__os_close(held->process);
    held->process = WPIPE__NO_HANDLE;
}

void wpipe__os_name_peer(wpipe__handle socket, wpipe_peer *peer)
{
    struct wpipe__held_peer held;

    wpipe__os_hold_peer(socket, peer, &held);
    wpipe__os_name_held(&held, peer);
}

/* ---- threads of ours ---------------------------------------------------- */

uint32_t wpipe__os_thread(void)
{
    static _Thread_local struct {
        uint32_t generation;
        uint32_t number;
    } own;

    if (own.generation != wpipe__os_generation()) {
        own.number = (uint32_t)syscall(SYS_gettid);
        own.generation = wpipe__os_generation();
    }
    return own.number;
}

int wpipe__os_thread_exists(uint32_t thread)
{
    return syscall(SYS_tgkill, getpid(), (pid_t)thread, 0) == 0 ||
           errno != ESRCH;
}
