/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets for relay: unix and TCP, listening and connecting, with -w as the
 * limit of a connect. The two kinds differ in their addresses only.
 */
#include "socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 128,
    FLAGS = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK
};

static int say_system(const struct options *options, const char *what,
                      int number)
{
    say(options, "%s: %s", what, strerror(number));
    switch (number) {
    case ENOENT:
    case ECONNREFUSED:
        return STATUS_NOT_FOUND;
    case EACCES:
    case EPERM:
        return STATUS_DENIED;
    case ETIMEDOUT:
        return STATUS_TIMED_OUT;
    case EADDRINUSE:
        return STATUS_IN_USE;
    default:
        return STATUS_FAILED;
    }
}

/* Returns 0 or an errno. */
static int connect_within(int fd, const struct sockaddr *address,
                          socklen_t size, int timeout_ms)
{
    struct pollfd set = { .fd = fd, .events = POLLOUT };
    socklen_t length = sizeof(int);
    int r, error = 0;

    if (connect(fd, address, size) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    do {
        r = poll(&set, 1, timeout_ms);
    } while (r < 0 && errno == EINTR);
    if (r == 0)
        return ETIMEDOUT;
    if (r < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return errno;
    return error;
}

static bool is_loopback(const struct sockaddr *address)
{
    const struct sockaddr_in *four = (const void *)address;
    const struct sockaddr_in6 *six = (const void *)address;

    if (address->sa_family == AF_INET)
        return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

/* "HOST:PORT" into its parts; the host may be in brackets or missing. */
static bool split(const char *where, char *host, size_t room,
                  const char **ret_port)
{
    const char *colon = strrchr(where, ':');
    size_t length;

    *ret_port = colon != NULL ? colon + 1 : where;
    length = colon != NULL ? (size_t)(colon - where) : 0;
    if (length >= 2 && where[0] == '[' && where[length - 1] == ']') {
        where++;
        length -= 2;
    }
    if (length >= room || **ret_port == '\0')
        return false;
    memcpy(host, where, length);
    host[length] = '\0';
    return (*ret_port)[strspn(*ret_port, "0123456789")] == '\0' &&
           strtoul(*ret_port, NULL, 10) <= 65535;
}

/* The addresses of `where`, checked. The caller frees the list. */
static int resolve(struct addrinfo **ret, const struct options *options,
                   const char *where)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICSERV };
    struct addrinfo *list, *a;
    const char *port;
    char host[256];
    int r;

    if (!split(where, host, sizeof(host), &port))
        return say_usage(options, "'%s' is not HOST:PORT", where);
    r = getaddrinfo(host[0] != '\0' ? host : "127.0.0.1", port, &hints, &list);
    if (r != 0) {
        say(options, "%s: %s", where, gai_strerror(r));
        return r == EAI_NONAME ? STATUS_NOT_FOUND : STATUS_FAILED;
    }
    for (a = list; a != NULL && !options->remote; a = a->ai_next) {
        if (is_loopback(a->ai_addr))
            continue;
        freeaddrinfo(list);
        return say_usage(options,
                         "'%s' is not on this machine; --allow-remote opens "
                         "the pipe to everybody on the network",
                         where);
    }
    *ret = list;
    return STATUS_DONE;
}

/* Where a socket is to be: what getaddrinfo found, or the one path. */
struct address {
    struct addrinfo *found;
    struct addrinfo one;
    struct sockaddr_un path;
};

static int take_path(struct address *ret, const struct options *options,
                     const char *path)
{
    ret->path = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (*path == '\0')
        return say_usage(options, "unix: needs a path");
    if (strlen(path) >= sizeof(ret->path.sun_path))
        return say_usage(options, "'%s' is too long for a socket (%zu bytes)",
                         path, sizeof(ret->path.sun_path) - 1);
    memcpy(ret->path.sun_path, path, strlen(path));
    ret->one = (struct addrinfo){ .ai_family = AF_UNIX,
                                  .ai_addr = (struct sockaddr *)&ret->path,
                                  .ai_addrlen = sizeof(ret->path) };
    return STATUS_DONE;
}

/* The caller calls address_done. `ret` stays where it is. */
static int address_find(struct address *ret, const struct options *options,
                        enum socket_kind kind, const char *where)
{
    int status;

    ret->found = NULL;
    if (kind == SOCKET_UNIX)
        return take_path(ret, options, where);
    status = resolve(&ret->found, options, where);
    if (status == STATUS_DONE)
        ret->one = *ret->found;
    return status;
}

static void address_done(struct address *address)
{
    if (address->found != NULL)
        freeaddrinfo(address->found);
}

/* A unix socket is ours alone from birth, as a pipe is. */
static int prepare(int fd, int family)
{
    const int on = 1;

    if (family == AF_UNIX)
        return fchmod(fd, 0600);
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

static int listen_at(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, FLAGS, 0), number;

    if (fd < 0)
        return -errno;
    if (prepare(fd, a->ai_family) == 0 &&
        bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    number = errno;
    close(fd);
    return -number;
}

/* Where port 0 ended up, so that a script can read it. */
static void say_port(const struct options *options, int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    char host[64], port[16];

    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
        getnameinfo((struct sockaddr *)&address, size, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        say_verbose(options, "port %s of %s", port, host);
}

int socket_listen(int *ret, const struct options *options,
                  enum socket_kind kind, const char *where)
{
    struct address address;
    int fd, status = address_find(&address, options, kind, where);

    if (status != STATUS_DONE)
        return status;
    fd = listen_at(&address.one);
    address_done(&address);
    if (fd < 0)
        return say_system(options, where, -fd);
    if (kind == SOCKET_TCP)
        say_port(options, fd);
    *ret = fd;
    return STATUS_DONE;
}

/* Returns the socket or -errno. */
static int connect_at(const struct addrinfo *a, int timeout_ms)
{
    const int on = 1;
    int fd = socket(a->ai_family, FLAGS, 0), r;

    if (fd < 0)
        return -errno;
    r = connect_within(fd, a->ai_addr, a->ai_addrlen, timeout_ms);
    if (r != 0) {
        close(fd);
        return -r;
    }
    if (a->ai_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

int socket_connect(int *ret, const struct options *options,
                   enum socket_kind kind, const char *where)
{
    const struct addrinfo *a;
    struct address address;
    int fd = -1, status = address_find(&address, options, kind, where);

    if (status != STATUS_DONE)
        return status;
    for (a = &address.one; a != NULL && fd < 0; a = a->ai_next)
        fd = connect_at(a, options->wait_ms);
    address_done(&address);
    if (fd < 0)
        return say_system(options, where, -fd);
    *ret = fd;
    return STATUS_DONE;
}

int socket_accept(int listening)
{
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    return fd < 0 ? -errno : fd;
}
