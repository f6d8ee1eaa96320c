/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local stream sockets on Linux: a name that is right from birth, a connect
 * that never blocks or follows a link, and one place where descriptors come
 * in. Names are reached through /proc/self/fd, since there is no bindat and a
 * socket address holds only 107 bytes.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/os_test.h"
#include "os/posix.h"

/* Linux 6.16; two architectures number their options in their own way. */
#if !defined(SO_PASSRIGHTS) && !defined(__sparc__) && !defined(__hppa__)
#define SO_PASSRIGHTS 83
#endif

enum {
    SEND_PIECES = 18,
    PASSED_MAX = 253,  /* descriptors of one message: SCM_MAX_FD */
    ACCEPT_TRIES = 16, /* connections that died in the queue */
    BIND_NAME = 40
};

/* ---- closing ------------------------------------------------------------ */

/* Never again after EINTR: Linux has closed it, and the number may already be
 * another thread's. Keeps errno, so that it can be called before reporting. */
void wpipe__os_close(wpipe__handle handle)
{
    const int number = errno;

    if (handle >= 0)
        close(handle);
    errno = number;
}

void wpipe__os_shutdown(wpipe__handle socket)
{
    shutdown(socket, SHUT_RDWR);
}

/* ---- listening ---------------------------------------------------------- */

/* What ENOTSUP says of a socket is another thing than that a filter of system
 * calls refuses the call. */
static int refused_code(int r)
{
    return r == WPIPE_ENOTSUP ? WPIPE_ESYSTEM : r;
}

static int socket_new(int *ret_socket)
{
    int fd = wpipe__os_above(
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

    if (fd < 0)
        return refused_code(wpipe__os_fail("socket", errno));
    *ret_socket = fd;
    return 0;
}

/* 0 when `name` is too long for a socket address. */
static int address_in(int directory, const char *name,
                      struct sockaddr_un *ret_address)
{
    int n;

    memset(ret_address, 0, sizeof(*ret_address));
    ret_address->sun_family = AF_UNIX;
    n = snprintf(ret_address->sun_path, sizeof(ret_address->sun_path),
                 "/proc/self/fd/%d/%s", directory, name);
    return n > 0 && (size_t)n < sizeof(ret_address->sun_path);
}

/* What is left when a call on /proc/self/fd met ENOENT: no such name, or no
 * /proc. */
static int fail_path(const char *what, int number)
{
    int r = wpipe__os_fail(what, number);

    if (number == ENOENT && !wpipe__os_has_proc())
        return WPIPE_ESYSTEM;
    return r;
}

/*
 * bind has masked the mode with the umask, and the group is that of the
 * process or the directory. Nobody listens yet and the name is not published:
 * there is time to put both right, on the very inode and not by its name.
 */
static int set_access(int directory, const char *name, uint32_t mode,
                      uint32_t gid)
{
    char path[32];
    struct stat facts;
    int r = 0;
    int fd;

    fd = wpipe__os_above(
        openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (fd < 0 || fstat(fd, &facts) < 0) {
        r = wpipe__os_fail("fstat", errno);
        goto done;
    }
    if (!S_ISSOCK(facts.st_mode)) {
        wpipe__os_fail("bind", EEXIST);
        r = WPIPE_EACCES; /* somebody put his own thing there */
        goto done;
    }
    if ((mode & 0070) && facts.st_gid != gid &&
        fchownat(fd, "", (uid_t)-1, gid, AT_EMPTY_PATH) < 0) {
        r = wpipe__os_fail("chown", errno);
        goto done;
    }
    if ((facts.st_mode & 0777) == mode)
        goto done;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (chmod(path, mode) < 0)
        r = fail_path("chmod", errno);
done:
    wpipe__os_close(fd);
    return r;
}

static int bind_address(int fd, const struct sockaddr_un *address)
{
    int number;
    int r;

    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return 0;
    number = errno;
    r = fail_path("bind", number);
    return number == EADDRINUSE ? WPIPE_EINUSE : r;
}

/*
 * A name that does not fit an address: bind to a random one in the same
 * directory and give it the name asked for. By link and not by rename since,
 * as bind, that does not replace anything.
 */
static int bind_long(int fd, int directory, const char *name)
{
    struct sockaddr_un address;
    char shorter[BIND_NAME];
    uint64_t random;
    int r;

    r = wpipe__os_random(&random, sizeof(random));
    if (r < 0)
        return r;
    snprintf(shorter, sizeof(shorter), "%016llx.bind",
             (unsigned long long)random);
    if (!address_in(directory, shorter, &address))
        return WPIPE_ESYSTEM;
    r = bind_address(fd, &address);
    if (r < 0)
        return r;
    if (linkat(directory, shorter, directory, name, 0) < 0) {
        r = wpipe__os_fail("link", errno);
        if (errno == EEXIST)
            r = WPIPE_EINUSE;
    }
    unlinkat(directory, shorter, 0);
    return r;
}

static int bind_name(int fd, int directory, const char *name)
{
    struct sockaddr_un address;

    if (address_in(directory, name, &address))
        return bind_address(fd, &address);
    return bind_long(fd, directory, name);
}

int wpipe__os_listen(wpipe__handle directory, const char *name, uint32_t mode,
                     uint32_t gid, wpipe__handle *ret_socket)
{
    int bound = 0;
    int fd = -1;
    int r;

    r = socket_new(&fd);
    if (r < 0)
        return r;
    /* Linux gives the name the mode of the socket: never more open than
     * asked, whatever the umask. */
    if (fchmod(fd, mode) < 0) {
        r = wpipe__os_fail("fchmod", errno);
        goto fail;
    }
    /* Those whom it accepts inherit it, from their connect on. */
    (void)wpipe__os_set_passing(fd, 0);
    r = bind_name(fd, directory, name);
    if (r < 0)
        goto fail;
    bound = 1;
    r = set_access(directory, name, mode, gid);
    if (r < 0)
        goto fail;
    if (listen(fd, INT_MAX) < 0) {
        r = wpipe__os_fail("listen", errno);
        goto fail;
    }
    *ret_socket = fd;
    return 0;
fail:
    if (bound)
        unlinkat(directory, name, 0);
    wpipe__os_close(fd);
    return r;
}

/* ---- connecting --------------------------------------------------------- */

static int connect_code(int number)
{
    int r = fail_path("connect", number);

    switch (number) {
    case ECONNREFUSED:
        return WPIPE_ENOTFOUND;
    case EPROTOTYPE:
    case ENOTSOCK:
        return WPIPE_ENOTSUP;
    default:
        return refused_code(r);
    }
}

static int connect_address(const struct sockaddr_un *address,
                           wpipe__handle *ret_socket)
{
    int fd = -1;
    int r;

    r = socket_new(&fd);
    if (r < 0)
        return r;
    do /* it does not wait; a look-up of the path may, and be interrupted */
        r = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    while (r < 0 && errno == EINTR);
    if (r < 0) {
        r = connect_code(errno);
        wpipe__os_close(fd);
        return r;
    }
    *ret_socket = fd;
    return 0;
}

/* The address of the inode itself, which stays open as *ret_file: any length of
 * name, and a link is not followed, which could lead us to a socket that the
 * link's owner cannot reach. */
static int address_of(wpipe__handle directory, const char *name,
                      struct sockaddr_un *ret_address, int *ret_file)
{
    int file = wpipe__os_above(
        openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));

    if (file < 0)
        return wpipe__os_fail("open", errno);
    *ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(ret_address->sun_path, sizeof(ret_address->sun_path),
             "/proc/self/fd/%d", file);
    *ret_file = file;
    return 0;
}

int wpipe__os_connect(wpipe__handle directory, const char *name,
                      wpipe__handle *ret_socket)
{
    struct sockaddr_un address;
    int file;
    int r = address_of(directory, name, &address, &file);

    if (r < 0)
        return r;
    r = connect_address(&address, ret_socket);
    wpipe__os_close(file);
    return r;
}

/* A datagram socket is refused by every stream socket, but not in the same way
 * as by a file that nobody is bound to. */
int wpipe__os_socket_is_bound(wpipe__handle directory, const char *name)
{
    struct sockaddr_un address;
    int file;
    int fd;
    int r = address_of(directory, name, &address, &file);

    if (r < 0)
        return r;
    fd = wpipe__os_above(
        socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd < 0) {
        r = wpipe__os_fail("socket", errno);
    } else {
        r = connect(fd, (const struct sockaddr *)&address, sizeof(address));
        if (r == 0 || errno == EPROTOTYPE)
            r = 1;
        else
            r = errno == ECONNREFUSED ? 0 : fail_path("connect", errno);
        wpipe__os_close(fd);
    }
    wpipe__os_close(file);
    return r;
}

int wpipe__os_connect_path(const char *path, wpipe__handle *ret_socket)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t size = strlen(path) + 1;

    if (size > sizeof(address.sun_path))
        return WPIPE_ENAME;
    memcpy(address.sun_path, path, size);
    return connect_address(&address, ret_socket);
}

/* ---- accepting ---------------------------------------------------------- */

/* 1 when the error is of one connection that is gone already. */
static int accept_goes_on(int number)
{
    return number == EINTR || number == ECONNABORTED || number == EPROTO;
}

int wpipe__os_accept(wpipe__handle listener, wpipe__handle *ret_socket)
{
    int tries = ACCEPT_TRIES;
    int fd;
    int r;

    do
        fd = wpipe__os_above(
            accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    while (fd < 0 && accept_goes_on(errno) && --tries > 0);
    if (fd >= 0) {
        *ret_socket = fd;
        return 0;
    }
    if (errno == EAGAIN || accept_goes_on(errno))
        return WPIPE_EAGAIN;
    r = wpipe__os_fail("accept", errno);
    return r == WPIPE_ENOMEM || r == WPIPE_ELIMIT ? WPIPE_ELIMIT
                                                  : WPIPE_ESYSTEM;
}

int wpipe__os_socket_pair(wpipe__handle ret_sockets[2])
{
    int fds[2];

    if (wpipe__os_both_above(
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                       fds),
            fds) < 0)
        return wpipe__os_fail("socketpair", errno);
    ret_sockets[0] = fds[0];
    ret_sockets[1] = fds[1];
    return 0;
}

uint32_t wpipe__os_send_buffer(wpipe__handle socket)
{
    int bytes = 0;
    socklen_t size = sizeof(bytes);

    if (getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, &size) < 0)
        return 0;
    return bytes > 0 ? (uint32_t)bytes : 0;
}

#define USUAL_BUFFER 212992u /* net.core.wmem_default */

int wpipe__os_need_send_buffer(wpipe__handle socket, uint32_t least,
                               uint32_t *ret_bytes)
{
    const int half = USUAL_BUFFER / 2; /* the kernel doubles it */

    *ret_bytes = wpipe__os_send_buffer(socket);
    if (*ret_bytes >= USUAL_BUFFER)
        return 0;
    (void)setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &half, sizeof(half));
    *ret_bytes = wpipe__os_send_buffer(socket);
    return *ret_bytes >= least ? 0 : WPIPE_ELIMIT;
}

void wpipe__os_more_send_buffer(wpipe__handle socket)
{
    const int bytes = (int)wpipe__os_send_buffer(socket); /* it is doubled */

    (void)setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

int wpipe__os_set_passing(wpipe__handle socket, int on)
{
#ifdef SO_PASSRIGHTS
    return setsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on)) == 0;
#else
    (void)socket;
    (void)on;
    return 0;
#endif
}

/* Refused already, or it is a socket that carries none. */
static int passing_is_off(int fd)
{
#ifdef SO_PASSRIGHTS
    int on = 1;
    socklen_t size = sizeof(on);

    if (getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, &size) < 0)
        return errno == EOPNOTSUPP;
    return !on;
#else
    (void)fd;
    return 0;
#endif
}

int wpipe__os_refuse_passing(wpipe__handle socket)
{
    const int on = 1;

    if (passing_is_off(socket))
        return WPIPE__PASSES_NOTHING;
    /* A byte out of band would be skipped by a receive, and the descriptor
     * that came along closed by it. */
    setsockopt(socket, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    return wpipe__os_set_passing(socket, 0) ? WPIPE__PASSED_BEFORE
                                            : WPIPE__PASSES;
}

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
