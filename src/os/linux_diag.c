/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is bound to a socket file, from the kernel's own list of local sockets
 * (sock_diag). To connect would tell, too, but a server takes it for a client;
 * and a server that is about to listen refuses as a dead one does. The list
 * tells by device and inode: paths in it are those of the bind and may long
 * be others. Called by src/door/foreign*.c.
 */
#include "os/os.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "os/posix.h"

/* States of a socket as the kernel numbers them for all families. A local
 * socket is "closed" until it listens or connects. */
enum {
    STATE_CLOSED = 7,
    STATE_LISTEN = 10
};

/* The kernel's device numbers are not those of libc. */
enum {
    MINOR_BITS = 20
};

/* What is looked for, and what was found. */
struct search {
    uint32_t device;
    uint32_t inode; /* the list has but the lower half */
    struct wpipe__socket_facts *ret;
    int found;
};

static int list_ask(int fd)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req body;
    } request;

    memset(&request, 0, sizeof(request));
    request.header.nlmsg_len = sizeof(request);
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.body.sdiag_family = AF_UNIX;
    request.body.udiag_states = 1u << STATE_CLOSED | 1u << STATE_LISTEN;
    request.body.udiag_show = UDIAG_SHOW_VFS;
    if (send(fd, &request, sizeof(request), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return wpipe__os_fail("send", errno);
    return 0;
}

/* The file that a socket is bound to, from its `size` bytes of attributes. 0
 * when it is to none. Copied: nothing in the list is aligned to be read. */
static int socket_file(const char *bytes, size_t size,
                       struct unix_diag_vfs *ret_file)
{
    struct rtattr attribute;
    size_t at = 0;

    while (at + sizeof(attribute) <= size) {
        memcpy(&attribute, bytes + at, sizeof(attribute));
        if (attribute.rta_len < sizeof(attribute) ||
            attribute.rta_len > size - at)
            return 0;
        if (attribute.rta_type == UNIX_DIAG_VFS &&
            attribute.rta_len >= RTA_LENGTH(sizeof(*ret_file))) {
            memcpy(ret_file, bytes + at + RTA_LENGTH(0), sizeof(*ret_file));
            return 1;
        }
        at += RTA_ALIGN((size_t)attribute.rta_len);
    }
    return 0;
}

/* One socket, in `size` bytes. */
static void list_one(const char *bytes, size_t size, struct search *search)
{
    struct unix_diag_msg socket;
    struct unix_diag_vfs file;

    if (size < sizeof(socket))
        return;
    memcpy(&socket, bytes, sizeof(socket));
    if (socket.udiag_type != SOCK_STREAM ||
        !socket_file(bytes + sizeof(socket), size - sizeof(socket), &file) ||
        file.udiag_vfs_ino != search->inode ||
        file.udiag_vfs_dev != search->device)
        return;
    search->found = 1;
    search->ret->number = socket.udiag_ino;
    search->ret->listening = socket.udiag_state == STATE_LISTEN;
}

/* One piece of the answer: 1 it was the last, 0 there is more. */
static int list_piece(const char *bytes, size_t size, struct search *search)
{
    struct nlmsghdr header;
    size_t at = 0;

    while (at + sizeof(header) <= size) {
        memcpy(&header, bytes + at, sizeof(header));
        if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > size - at)
            break;
        if (header.nlmsg_type == NLMSG_DONE)
            return 1;
        if (header.nlmsg_type == NLMSG_ERROR) {
            /* a kernel without the list of local sockets */
            wpipe__os_fail("sock_diag", EOPNOTSUPP);
            return WPIPE_ENOTSUP;
        }
        if (header.nlmsg_type == SOCK_DIAG_BY_FAMILY)
            list_one(bytes + at + NLMSG_HDRLEN,
                     header.nlmsg_len - (size_t)NLMSG_HDRLEN, search);
        at += NLMSG_ALIGN((size_t)header.nlmsg_len);
    }
    return 0;
}

/* The kernel has each piece ready when it is asked for: no waiting. */
static int list_read(int fd, struct search *search)
{
    char buf[8192]; /* no piece is larger */
    ssize_t n;
    int r;

    do {
        n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            r = 0;
        else if (n <= 0)
            return n < 0 ? wpipe__os_fail("recv", errno) : WPIPE_ESYSTEM;
        else
            r = list_piece(buf, (size_t)n, search);
    } while (r == 0);
    return r;
}

int wpipe__os_socket_find(uint64_t device, uint64_t inode,
                          struct wpipe__socket_facts *ret_facts)
{
    struct search search = { .inode = (uint32_t)inode, .ret = ret_facts };
    int fd;
    int r;

    search.device = (uint32_t)major(device) << MINOR_BITS | minor(device);
    fd = wpipe__os_above(socket(AF_NETLINK,
                                SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                                NETLINK_SOCK_DIAG));
    if (fd < 0) {
        r = wpipe__os_fail("socket", errno);
        return r == WPIPE_ELIMIT || r == WPIPE_ENOMEM ? r : WPIPE_ENOTSUP;
    }
    r = list_ask(fd);
    if (r == 0)
        r = list_read(fd, &search);
    close(fd);
    if (r < 0)
        return r;
    return search.found ? 0 : WPIPE_ENOTFOUND;
}

/* ---- processes ----------------------------------------------------------- */

/* What is looked for in /proc. */
struct hunt {
    char link[32];             /* what a descriptor of the socket is called */
    wpipe__handle descriptors; /* /proc/PID/fd */
    int64_t pid;
};

static int try_descriptor(const char *name, void *user)
{
    const struct hunt *hunt = user;
    char text[sizeof(hunt->link)];
    ssize_t n = readlinkat(hunt->descriptors, name, text, sizeof(text) - 1);

    if (n <= 0)
        return 0;
    text[n] = '\0';
    return strcmp(text, hunt->link) == 0;
}

static int try_process(const char *name, void *user)
{
    struct wpipe__file_facts facts;
    struct hunt *hunt = user;
    char path[64];
    int r;

    if (name[0] < '1' || name[0] > '9')
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/%.20s/fd", name);
    if (wpipe__os_directory_open(path, 0, &hunt->descriptors, &facts) < 0)
        return 0;
    r = wpipe__os_directory_each(hunt->descriptors, try_descriptor, hunt);
    close(hunt->descriptors);
    if (r != 1)
        return 0;
    hunt->pid = strtoll(name, NULL, 10);
    return 1;
}

int64_t wpipe__os_socket_process(uint64_t number)
{
    struct wpipe__file_facts facts;
    wpipe__handle directory;
    struct hunt hunt = { .pid = 0 };

    (void)snprintf(hunt.link, sizeof(hunt.link), "socket:[%llu]",
                   (unsigned long long)number);
    if (wpipe__os_directory_open("/proc", 0, &directory, &facts) < 0)
        return 0;
    (void)wpipe__os_directory_each(directory, try_process, &hunt);
    close(directory);
    return hunt.pid;
}
