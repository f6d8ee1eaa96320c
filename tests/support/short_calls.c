/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short reads and writes: linked into a test program, this makes each call on
 * a stream socket or a FIFO move fewer bytes than it was asked to, as any
 * kernel may: one to three of them, or some part. The kernel does the rest as
 * ever, so descriptors travel with the bytes that they were sent with. The
 * same tests have to pass.
 *
 * Of the writes one in sixteen is cut: each costs the send buffer of a local
 * socket most of a KiB, and it would be full after 278 single bytes, which is
 * another thing to test.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    PIECES = 64 /* more are not needed: the rest is cut off */
};

static _Thread_local uint32_t seed;

static uint32_t any(uint32_t below)
{
    if (seed == 0)
        seed = 2463534242u ^ (uint32_t)getpid();
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

/* Where bytes have no borders: elsewhere a cut would be a loss. */
static int is_stream(int fd)
{
    const int number = errno;
    socklen_t size = sizeof(int);
    struct stat facts;
    int type = 0;
    int stream;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
        stream = type == SOCK_STREAM;
    else
        stream = fstat(fd, &facts) == 0 && S_ISFIFO(facts.st_mode);
    errno = number;
    return stream;
}

/* Bytes that a call for `size` moves. */
static size_t cut(int fd, size_t size)
{
    uint32_t below;

    if (size < 2 || !is_stream(fd))
        return size;
    if (any(2) == 0)
        return size < 4 ? 1 : 1 + any(3);
    below = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    return 1 + any(below);
}

/* The pieces up to the cut, in `to`; how many. */
static size_t cut_pieces(int fd, const struct iovec *from, size_t count,
                         struct iovec *to,
                         size_t (*cut_one)(int fd, size_t size))
{
    size_t whole = 0;
    size_t left;
    size_t n = 0;

    for (size_t i = 0; i < count && i < PIECES; i++)
        whole += from[i].iov_len;
    left = cut_one(fd, whole);
    for (; n < count && n < PIECES && (left > 0 || whole == 0); n++) {
        to[n] = from[n];
        if (to[n].iov_len > left)
            to[n].iov_len = left;
        left -= to[n].iov_len;
    }
    return n;
}

static size_t cut_write(int fd, size_t size)
{
    return any(16) == 0 ? cut(fd, size) : size;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    struct iovec pieces[PIECES];
    struct msghdr less = *message;
    ssize_t n;

    if (is_stream(fd)) {
        less.msg_iovlen =
            cut_pieces(fd, message->msg_iov, message->msg_iovlen, pieces, cut);
        less.msg_iov = pieces;
    }
    n = syscall(SYS_recvmsg, fd, &less, flags);
    message->msg_flags = less.msg_flags;
    message->msg_controllen = less.msg_controllen;
    message->msg_namelen = less.msg_namelen;
    return n;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct iovec pieces[PIECES];
    struct msghdr less = *message;

    if (is_stream(fd)) {
        less.msg_iovlen = cut_pieces(fd, message->msg_iov, message->msg_iovlen,
                                     pieces, cut_write);
        less.msg_iov = pieces;
    }
    return syscall(SYS_sendmsg, fd, &less, flags);
}

ssize_t recv(int fd, void *buf, size_t size, int flags)
{
    return syscall(SYS_recvfrom, fd, buf, cut(fd, size), flags, NULL, NULL);
}

ssize_t send(int fd, const void *buf, size_t size, int flags)
{
    return syscall(SYS_sendto, fd, buf, cut_write(fd, size), flags, NULL, 0);
}

ssize_t read(int fd, void *buf, size_t size)
{
    return syscall(SYS_read, fd, buf, cut(fd, size));
}

ssize_t write(int fd, const void *buf, size_t size)
{
    return syscall(SYS_write, fd, buf, cut_write(fd, size));
}

ssize_t writev(int fd, const struct iovec *from, int count)
{
    struct iovec pieces[PIECES];

    if (!is_stream(fd))
        return syscall(SYS_writev, fd, from, count);
    return syscall(SYS_writev, fd, pieces,
                   cut_pieces(fd, from, (size_t)count, pieces, cut_write));
}

/* A test of calls that were not cut would pass for nothing. */
static void __attribute__((constructor)) check(void)
{
    char bytes[1000] = { 0 };
    int uncut = 0;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        abort();
    for (int i = 0; i < 3; i++)
        if (syscall(SYS_write, pair[0], bytes, sizeof bytes) < 0 ||
            recv(pair[1], bytes, sizeof bytes, 0) == sizeof bytes)
            uncut++;
    if (uncut == 3) {
        fputs("calls are not cut\n", stderr);
        abort();
    }
    close(pair[0]);
    close(pair[1]);
}
