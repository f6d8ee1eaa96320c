/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes over a socket: bytes, and the one descriptor that may come with
 * them. Nothing here waits, nothing raises SIGPIPE, and a descriptor that was
 * not asked for is closed. Called by the links.
 */
#include "os/os.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "os/os_test.h"
#include "os/posix.h"

enum {
    SEND_PIECES = 18,
    PASSED_MAX = 253 /* descriptors of one message: SCM_MAX_FD */
};

/* ---- sending ------------------------------------------------------------ */

static atomic_int short_sends;

void wpipe__os_test_short_sends(int count)
{
    atomic_store(&short_sends, count);
}

static atomic_int cut_sends;

void wpipe__os_test_cut_sends(int count)
{
    atomic_store(&cut_sends, count);
}

/* Is it one of those that are counted? */
static int is_counted(atomic_int *count)
{
    return atomic_load_explicit(count, memory_order_relaxed) > 0 &&
           atomic_fetch_sub(count, 1) > 0;
}

static int64_t send_code(int number)
{
    if (number == EAGAIN)
        return WPIPE_EAGAIN;
    wpipe__os_fail("sendmsg", number);
    switch (number) {
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
        return WPIPE_EPIPE;
    case EPERM:
    case ENOSYS: /* a filter of system calls, instead */
        return WPIPE_EACCES;
    case ENOMEM:
        return WPIPE_ENOMEM;
    case ENOBUFS:
    case ETOOMANYREFS:
        return WPIPE_ELIMIT;
    default:
        return WPIPE_ESYSTEM;
    }
}

/* Room for one descriptor, aligned as the kernel wants it. */
union pass_room {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static void attach(struct msghdr *message, union pass_room *room, int fd)
{
    struct cmsghdr *header = &room->header;

    memset(room, 0, sizeof(*room));
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    message->msg_control = room->bytes;
    message->msg_controllen = sizeof(room->bytes);
}

/* A small message in several pieces: copying it is cheaper than telling the
 * system where they are. */
#define FLAT_SIZE 512

static ssize_t send_flat(int fd, const struct iovec *parts, int count)
{
    uint8_t flat[FLAT_SIZE];
    size_t size = 0;
    ssize_t n;
    int i;

    for (i = 0; i < count; i++) {
        if (parts[i].iov_len > 0)
            memcpy(flat + size, parts[i].iov_base, parts[i].iov_len);
        size += parts[i].iov_len;
    }
    do
        n = send(fd, flat, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n;
}

int64_t wpipe__os_send(wpipe__handle socket, const wpipe_piece *pieces,
                       int count, wpipe__handle pass)
{
    struct iovec parts[SEND_PIECES];
    struct msghdr message = { .msg_iov = parts };
    union pass_room room;
    size_t total = 0;
    ssize_t n;
    int i;

    if (count < 0 || count > SEND_PIECES)
        return WPIPE_EINVAL;
    if (is_counted(&cut_sends))
        return send(socket, pieces[0].data, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (is_counted(&short_sends))
        return send_code(ENOBUFS);
    for (i = 0; i < count; i++) {
        parts[i].iov_base = pieces[i].data;
        parts[i].iov_len = pieces[i].size;
        total += pieces[i].size;
    }
    message.msg_iovlen = (size_t)count;
    if (pass >= 0) {
        if (total == 0) /* it would be lost: it travels with a byte */
            return WPIPE_EINVAL;
        attach(&message, &room, pass);
    } else if (total <= FLAT_SIZE) {
        n = send_flat(socket, parts, count);
        return n < 0 ? send_code(errno) : n;
    }
    do
        n = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? send_code(errno) : n;
}

int wpipe__os_drop_front(wpipe_piece *pieces, int count, size_t sent)
{
    int gone = 0;

    while (gone < count && pieces[gone].size <= sent)
        sent -= pieces[gone++].size;
    count -= gone;
    memmove(pieces, pieces + gone, (size_t)count * sizeof(*pieces));
    if (count > 0) {
        pieces[0].data = (uint8_t *)pieces[0].data + sent;
        pieces[0].size -= sent;
    }
    return count;
}

int64_t wpipe__os_send_whole(wpipe__handle socket, const wpipe_piece *pieces,
                             int count, wpipe__handle pass)
{
    wpipe_piece rest[SEND_PIECES];
    int64_t sent = wpipe__os_send(socket, pieces, count, pass);
    int64_t total = 0;

    if (sent < 0)
        return sent;
    memcpy(rest, pieces, (size_t)count * sizeof(*rest));
    while (sent > 0) {
        total += sent;
        count = wpipe__os_drop_front(rest, count, (size_t)sent);
        if (count == 0)
            return total;
        sent = wpipe__os_send(socket, rest, count, WPIPE__NO_HANDLE);
    }
    return sent == WPIPE_EPIPE ? sent : total;
}

/* ---- receiving ---------------------------------------------------------- */

/* Room for all that one message can carry, so that nothing that was sent to
 * us is ever cut off and silently lost. */
union receive_room {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * PASSED_MAX)];
};

/* Collect the descriptors; returns how many. `fds` has room for them. */
static int passed_descriptors(struct msghdr *message, int *fds)
{
    struct cmsghdr *header;
    size_t bytes;
    size_t i;
    int count = 0;

    for (header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        bytes = header->cmsg_len - CMSG_LEN(0);
        for (i = 0; i + sizeof(int) <= bytes && count < PASSED_MAX;
             i += sizeof(int))
            memcpy(&fds[count++], CMSG_DATA(header) + i, sizeof(int));
    }
    return count;
}

/* The one descriptor of the message to *ret_passed, or all discarded. There is
 * room for all that one message can carry: what is cut has found our table
 * full. */
static int take_passed(struct msghdr *message, wpipe__handle *ret_passed)
{
    const int cut = (message->msg_flags & MSG_CTRUNC) != 0;
    int fds[PASSED_MAX];
    int count = passed_descriptors(message, fds);
    int lost = count == 0 && cut;
    int i;

    if (count == 1 && !cut) {
        *ret_passed = wpipe__os_passed_above(fds[0]);
        lost = *ret_passed < 0;
        count = 0;
    }
    if (lost) {
        wpipe__os_fail("recvmsg", EMFILE);
        *ret_passed = WPIPE__LOST_HANDLE;
        return 0;
    }
    for (i = 0; i < count; i++)
        wpipe__os_discard(fds[i]);
    return count > 0 ? WPIPE_EPROTO : 0;
}

#define INTERRUPTED INT64_MIN

static int receive_code(int number)
{
    wpipe__os_fail("recvmsg", number);
    return number == ECONNRESET ? WPIPE_EPIPE : WPIPE_ESYSTEM;
}

/* As receive; INTERRUPTED: by a signal. */
static int64_t receive_once(wpipe__handle socket, void *buf, size_t size,
                            int flags, wpipe__handle *ret_passed)
{
    union receive_room room;
    struct iovec part = { .iov_base = buf, .iov_len = size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    ssize_t n;

    *ret_passed = WPIPE__NO_HANDLE;
    if (size == 0)
        return WPIPE_EINVAL; /* its 0 would look like the end */
    message.msg_control = room.bytes;
    message.msg_controllen = sizeof(room.bytes);
    n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
    if (n < 0 && errno == EINTR)
        return INTERRUPTED;
    if (n < 0 && errno == EAGAIN)
        return WPIPE_EAGAIN;
    if (n < 0)
        return receive_code(errno);
    if ((message.msg_controllen > 0 || (message.msg_flags & MSG_CTRUNC)) &&
        take_passed(&message, ret_passed) < 0)
        return WPIPE_EPROTO;
    return n > 0 ? n : WPIPE_EOF;
}

int64_t wpipe__os_receive(wpipe__handle socket, void *buf, size_t size,
                          wpipe__handle *ret_passed)
{
    int64_t r;

    do
        r = receive_once(socket, buf, size, MSG_DONTWAIT, ret_passed);
    while (r == INTERRUPTED);
    return r;
}

/* Look at what a receive of `size` bytes would give, and take nothing: its
 * bytes, 0 or < 0 as recv. WPIPE_EPROTO: a descriptor comes with them. */
static int64_t look(int fd, void *buf, size_t size)
{
    struct iovec part = { .iov_base = buf, .iov_len = size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    ssize_t n;

    do
        n = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0 && (message.msg_flags & MSG_CTRUNC)) {
        wpipe__os_fail("recvmsg", EPROTO);
        return WPIPE_EPROTO;
    }
    return n;
}

int64_t wpipe__os_receive_plain(wpipe__handle socket, void *buf, size_t size,
                                int *passing)
{
    int64_t n = 1;

    if (size == 0)
        return WPIPE_EINVAL; /* its 0 would look like the end */
    if (*passing != WPIPE__PASSES_NOTHING) {
        n = look(socket, buf, size);
        if (n == WPIPE_EPROTO)
            return n;
        if (n > 0) /* no more than was looked at */
            size = (size_t)n;
    }
    if (n > 0) {
        do
            n = recv(socket, buf, size, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
    }
    if (n > 0)
        return n;
    if (n == 0)
        return WPIPE_EOF;
    if (errno != EAGAIN)
        return receive_code(errno);
    if (*passing == WPIPE__PASSED_BEFORE)
        *passing = WPIPE__PASSES_NOTHING; /* all that came before is taken */
    return WPIPE_EAGAIN;
}
