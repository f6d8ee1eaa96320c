/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local stream sockets on Linux: a name that is right from birth, and a connect
 * that never blocks or follows a link. Names are reached through /proc/self/fd,
 * since there is no bindat and a socket address holds only 107 bytes. What goes
 * over a socket is in linux_message.c, what it is set to in linux_sockopt.c.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/posix.h"

enum {
    ACCEPT_TRIES = 16, /* connections that died in the queue */
    BIND_NAME = 40
};

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
