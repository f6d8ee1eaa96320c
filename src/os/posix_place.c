/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names in directories that are not ours alone, such as /tmp, where every
 * look is out of date at once: making a directory of our own there, and
 * moving files between the two in steps that are each done or not, so that
 * what was moved can be looked at afterwards. Called by
 * src/door/foreign*.c.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/posix.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

/* Facts about what was opened, or what the open failed with. */
static int opened(int fd, wpipe__handle *ret_handle,
                  struct wpipe__file_facts *ret_facts)
{
    int r;

    if (fd < 0) {
        r = wpipe__os_fail("open", errno);
        return errno == ENOTDIR || errno == ELOOP ? WPIPE_EACCES : r;
    }
    r = wpipe__os_handle_facts(fd, ret_facts);
    if (r < 0) {
        close(fd);
        return r;
    }
    *ret_handle = fd;
    return 0;
}

int wpipe__os_directory_follow(const char *path, wpipe__handle *ret_directory,
                               struct wpipe__file_facts *ret_facts)
{
    return opened(wpipe__os_above(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)),
                  ret_directory, ret_facts);
}

int wpipe__os_directory_make(wpipe__handle directory, const char *name,
                             wpipe__handle *ret_directory,
                             struct wpipe__file_facts *ret_facts)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int made = mkdirat(directory, name, 0700) == 0;
    int r;

    if (!made && errno != EEXIST)
        return wpipe__os_fail("mkdir", errno);
    if (made) /* a umask may have cut it */
        (void)fchmodat(directory, name, 0700, AT_SYMLINK_NOFOLLOW);
    r = opened(wpipe__os_above(openat(directory, name, flags)), ret_directory,
               ret_facts);
    if (r < 0 && made)
        (void)unlinkat(directory, name, AT_REMOVEDIR);
    return r < 0 ? r : made;
}

int wpipe__os_directory_remove(wpipe__handle directory, const char *name)
{
    if (unlinkat(directory, name, AT_REMOVEDIR) < 0)
        return wpipe__os_fail("rmdir", errno);
    return 0;
}

int wpipe__os_file_hold(wpipe__handle directory, const char *name,
                        wpipe__handle *ret_held,
                        struct wpipe__file_facts *ret_facts)
{
    return opened(wpipe__os_above(
                      openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC)),
                  ret_held, ret_facts);
}

int wpipe__os_file_link(struct wpipe__file from, struct wpipe__file to)
{
    int r;

    if (linkat(from.directory, from.name, to.directory, to.name, 0) == 0)
        return 0;
    r = wpipe__os_fail("link", errno);
    return errno == EEXIST ? WPIPE_EINUSE : r;
}

int wpipe__os_file_move(struct wpipe__file from, struct wpipe__file to)
{
    if (renameat(from.directory, from.name, to.directory, to.name) < 0)
        return wpipe__os_fail("rename", errno);
    return 0;
}

/* By number: not every libc has a function for it. */
int wpipe__os_file_exchange(struct wpipe__file one, struct wpipe__file other)
{
#ifdef SYS_renameat2
    int r;

    if (syscall(SYS_renameat2, one.directory, one.name, other.directory,
                other.name, RENAME_EXCHANGE) == 0)
        return 0;
    r = wpipe__os_fail("rename", errno);
    return errno == EINVAL || errno == ENOSYS ? WPIPE_ENOTSUP : r;
#else
    (void)one;
    (void)other;
    wpipe__os_fail("rename", ENOSYS);
    return WPIPE_ENOTSUP;
#endif
}
