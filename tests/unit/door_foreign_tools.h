/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the foreign door share: where it is, and programs that
 * are not windpipe, on plain sockets, as .NET's are underneath.
 */
#ifndef WINDPIPE_TESTS_UNIT_DOOR_FOREIGN_TOOLS_H
#define WINDPIPE_TESTS_UNIT_DOOR_FOREIGN_TOOLS_H

#include "unit/door_tools.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "door/foreign.h"

static inline const char *temp_dir(void)
{
    return getenv("TMPDIR");
}

/* Where the door of `name` belongs. */
static inline const char *door_path(const char *name)
{
    char file[600];

    snprintf(file, sizeof(file), "CoreFxPipe_%s", name);
    return below(temp_dir(), file);
}

/* Fills `name` so that its path has `length` bytes. */
static inline void name_for_path(char *name, size_t length)
{
    size_t used = strlen(door_path(""));

    memset(name, 'n', length - used);
    name[length - used] = '\0';
}

static inline ino_t inode_of(const char *path)
{
    struct stat status;

    assert_int_equal(lstat(path, &status), 0);
    return status.st_ino;
}

/* A plain socket bound there and, with a `backlog` > 0, listening. */
static inline int plain_server(const char *path, int type, int backlog)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    if (backlog > 0)
        assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

/* A plain client: connected, or -1 and errno. */
static inline int plain_client(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    wpipe__os_close(fd); /* keeps errno */
    return -1;
}

/* Is this byte the client's? Others may have knocked and gone before. */
static inline void assert_met(const struct wpipe__foreign_door *d, int client)
{
    wpipe__handle server = WPIPE__NO_HANDLE;
    char byte = 0;
    ssize_t n;

    assert_int_equal(send(client, "x", 1, MSG_NOSIGNAL), 1);
    do {
        assert_int_equal(wpipe__os_accept(d->listener, &server), 0);
        n = recv(server, &byte, 1, 0);
        wpipe__os_close(server);
    } while (n == 0);
    assert_int_equal(n, 1);
    assert_int_equal(byte, 'x');
}

/* Both a client of ours and a plain one reach this very door. */
static inline void assert_foreign_reaches(const struct wpipe__foreign_door *d,
                                          const char *name)
{
    wpipe__handle client = WPIPE__NO_HANDLE;

    assert_int_equal(wpipe__foreign_door_dial(name, NULL, &client), 0);
    assert_met(d, client);
    wpipe__os_close(client);
    client = plain_client(d->path);
    assert_int_not_equal(client, -1);
    assert_met(d, client);
    wpipe__os_close(client);
}

static inline void assert_foreign_dial(const char *name,
                                       const wpipe_options *options,
                                       int expected)
{
    wpipe__handle socket = WPIPE__NO_HANDLE;

    assert_int_equal(wpipe__foreign_door_dial(name, options, &socket),
                     expected);
    assert_int_equal(socket, WPIPE__NO_HANDLE);
}

static inline void assert_foreign_open(const char *name,
                                       const wpipe_options *options,
                                       int expected)
{
    struct wpipe__foreign_door d = WPIPE__FOREIGN_DOOR_NULL;

    assert_int_equal(wpipe__foreign_door_open(&d, name, options), expected);
    assert_int_equal(d.listener, WPIPE__NO_HANDLE);
    assert_int_equal(d.lock, WPIPE__NO_HANDLE);
    assert_int_equal(d.home, WPIPE__NO_HANDLE);
    assert_int_equal(d.directory, WPIPE__NO_HANDLE);
}

/* All entries but "." and "..": also a directory of ours that was left. */
static inline size_t count_all(const char *directory)
{
    DIR *list = opendir(directory);
    size_t count = 0;
    struct dirent *entry;

    assert_non_null(list);
    while ((entry = readdir(list)) != NULL)
        count +=
            strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(list);
    return count;
}

/* Nothing of ours is there: no door, no directory beside it, no lock. */
static inline void assert_nothing_left(void)
{
    assert_int_equal(count_all(temp_dir()), 0);
    assert_int_equal(count_all(support_runtime_dir()), 0);
}

/* Does this kernel tell who is bound to a socket file? */
static inline bool has_socket_list(void)
{
    struct wpipe__socket_facts facts;
    int r = wpipe__os_socket_find(0, 0, &facts);

    return r == 0 || r == WPIPE_ENOTFOUND;
}

/* ---- systems that lack something ----------------------------------------- */

#define FIELD(member) ((unsigned)offsetof(struct seccomp_data, member))

/* From now on this process gets `error` from the system call `number` when
 * its first argument is not `but`. */
static inline void forbid(long number, unsigned but, unsigned error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, but, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
    };
    struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]),
                                  .filter = filter };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        support_skip("no filters of system calls here");
}

/* Only local sockets: no way to ask the kernel for its list. */
static inline void forbid_list(void)
{
    forbid(SYS_socket, AF_UNIX, EAFNOSUPPORT);
    assert_false(has_socket_list());
}

#endif
