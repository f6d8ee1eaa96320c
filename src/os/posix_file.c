/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories, files and locks for POSIX systems with the *at calls. Every
 * name is looked up in a directory that is already open and checked, and
 * links are never followed, so nobody can swap a path under us between a
 * check and its use. Called by src/door.
 */
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/posix.h"

/* A pid in decimal, padded so that a shorter one overwrites a longer one; then
 * a note in hex. */
enum {
    PID_TEXT = 20,
    NOTE_TEXT = 17
};

/* How often a lock file may vanish while we take it before we call the name
 * busy: each time some other server came and went. */
enum {
    LOCK_ROUNDS = 1000
};

static int file_kind(mode_t mode)
{
    if (S_ISREG(mode))
        return WPIPE__FILE_REGULAR;
    if (S_ISDIR(mode))
        return WPIPE__FILE_DIRECTORY;
    if (S_ISSOCK(mode))
        return WPIPE__FILE_SOCKET;
    if (S_ISLNK(mode))
        return WPIPE__FILE_LINK;
    if (S_ISFIFO(mode))
        return WPIPE__FILE_FIFO;
    return WPIPE__FILE_OTHER;
}

static void read_facts(const struct stat *status,
                       struct wpipe__file_facts *ret_facts)
{
    ret_facts->device = (uint64_t)status->st_dev;
    ret_facts->inode = (uint64_t)status->st_ino;
    ret_facts->uid = (uint32_t)status->st_uid;
    ret_facts->gid = (uint32_t)status->st_gid;
    ret_facts->mode = (uint32_t)status->st_mode & 07777;
    ret_facts->kind = file_kind(status->st_mode);
}

int wpipe__os_handle_facts(wpipe__handle handle,
                           struct wpipe__file_facts *ret_facts)
{
    struct stat status;

    if (fstat(handle, &status) < 0)
        return wpipe__os_fail("fstat", errno);
    read_facts(&status, ret_facts);
    return 0;
}

int wpipe__os_path_facts(const char *path, struct wpipe__file_facts *ret_facts)
{
    struct stat status;

    if (lstat(path, &status) < 0)
        return wpipe__os_fail("lstat", errno);
    read_facts(&status, ret_facts);
    return 0;
}

/* ---- directories --------------------------------------------------------- */

/* Open what is there. */
static int directory_try(const char *path)
{
    int fd = wpipe__os_above(
        open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    int r;

    if (fd >= 0)
        return fd;
    r = wpipe__os_fail("open", errno);
    /* a link, or a file: Linux says "not a directory" to both */
    return errno == ENOTDIR || errno == ELOOP ? WPIPE_EACCES : r;
}

/* Make `path` and open it. A umask may have taken bits from the mode, even
 * those that it takes to open it. */
static int directory_make(const char *path)
{
    if (mkdir(path, 0700) == 0)
        (void)fchmodat(AT_FDCWD, path, 0700, AT_SYMLINK_NOFOLLOW);
    else if (errno != EEXIST)
        return wpipe__os_fail("mkdir", errno);
    return directory_try(path);
}

int wpipe__os_directory_open(const char *path, int create,
                             wpipe__handle *ret_directory,
                             struct wpipe__file_facts *ret_facts)
{
    struct stat status;
    int fd = directory_try(path);
    int r;

    if (fd == WPIPE_ENOTFOUND && create)
        fd = directory_make(path);
    if (fd < 0)
        return fd;
    if (fstat(fd, &status) < 0) {
        r = wpipe__os_fail("fstat", errno);
        close(fd);
        return r;
    }
    read_facts(&status, ret_facts);
    *ret_directory = fd;
    return 0;
}

int wpipe__os_directory_each(wpipe__handle directory,
                             int (*each)(const char *name, void *user),
                             void *user)
{
    struct dirent *entry;
    DIR *list;
    int fd;
    int r = 0;

    /* a descriptor of its own: a duplicate would share the read position */
    fd = wpipe__os_above(
        openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0)
        return wpipe__os_fail("openat", errno);
    list = fdopendir(fd);
    if (list == NULL) {
        r = wpipe__os_fail("fdopendir", errno);
        close(fd);
        return r;
    }
    while (r == 0) {
        errno = 0;
        entry = readdir(list);
        if (entry == NULL) {
            r = errno == 0 ? 0 : wpipe__os_fail("readdir", errno);
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = each(entry->d_name, user);
    }
    closedir(list);
    return r;
}

/* ---- files --------------------------------------------------------------- */

int wpipe__os_file_facts(wpipe__handle directory, const char *name,
                         struct wpipe__file_facts *ret_facts)
{
    struct stat status;

    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return wpipe__os_fail("fstatat", errno);
    read_facts(&status, ret_facts);
    return 0;
}

int wpipe__os_file_rename(wpipe__handle directory, const char *from,
                          const char *to)
{
    if (renameat(directory, from, directory, to) < 0)
        return wpipe__os_fail("rename", errno);
    return 0;
}

int wpipe__os_file_unlink(wpipe__handle directory, const char *name)
{
    if (unlinkat(directory, name, 0) < 0)
        return wpipe__os_fail("unlink", errno);
    return 0;
}

/* ---- locks --------------------------------------------------------------- */

/*
 * Open the lock file, making it when absent. Without O_CREAT first: a system
 * with fs.protected_regular refuses O_CREAT on a file that is there and
 * belongs to somebody else, even to root.
 */
static int lock_open(int directory, const char *name, mode_t mode)
{
    const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    struct stat status;
    int fd;
    int i;

    for (i = 0; i < LOCK_ROUNDS; i++) {
        fd = wpipe__os_above(openat(directory, name, flags));
        if (fd < 0 && errno == ENOENT) {
            /* where it cannot be locked, do not make what could not be
             * removed either: another may have it by then */
            if (flock(directory, LOCK_UN) < 0)
                return wpipe__os_fail("flock", errno);
            fd = wpipe__os_above(
                openat(directory, name, flags | O_CREAT | O_EXCL, mode));
            if (fd >= 0)
                (void)fchmod(fd, mode); /* what a umask took */
        }
        if (fd >= 0 || (errno != EEXIST && errno != ENOENT))
            break;
    }
    if (fd < 0)
        return wpipe__os_fail("openat", errno);
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        errno = EEXIST;
        return wpipe__os_fail("openat", errno);
    }
    return fd;
}

/* What is written helps people, and to clean up; a full disk is no reason to
 * fail. A file-size limit would raise SIGXFSZ. */
static void lock_write(int fd, const char *text, size_t size, off_t at)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur >= PID_TEXT + NOTE_TEXT)
        (void)!pwrite(fd, text, size, at);
}

static void lock_write_pid(int fd)
{
    char text[PID_TEXT + 1];

    (void)snprintf(text, sizeof(text), "%-*lld\n", PID_TEXT - 1,
                   (long long)getpid());
    lock_write(fd, text, PID_TEXT, 0);
}

void wpipe__os_lock_note(wpipe__handle lock, uint64_t note)
{
    char text[NOTE_TEXT + 1];

    (void)snprintf(text, sizeof(text), "%016llx\n", (unsigned long long)note);
    lock_write(lock, text, NOTE_TEXT, PID_TEXT);
}

uint64_t wpipe__os_lock_noted(wpipe__handle lock)
{
    char text[NOTE_TEXT + 1];

    if (pread(lock, text, NOTE_TEXT, PID_TEXT) != NOTE_TEXT)
        return 0;
    text[NOTE_TEXT] = '\0';
    return strtoull(text, NULL, 16);
}

/*
 * Is the file that we have locked the one that has the name? 1: ours to use;
 * 0: the name is another file's, or nobody's, by now.
 *
 * A file with a second name, or of another user, is never written: somebody
 * may have linked a precious file here. The name is taken off it (which a
 * sticky directory denies) and the caller starts over.
 */
static int lock_check(int directory, const char *name, int fd)
{
    struct stat locked;
    struct stat named;

    if (fstat(fd, &locked) < 0)
        return wpipe__os_fail("fstat", errno);
    if (fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : wpipe__os_fail("fstatat", errno);
    if (locked.st_dev != named.st_dev || locked.st_ino != named.st_ino)
        return 0;
    if (named.st_nlink == 1 && named.st_uid == geteuid())
        return 1;
    return unlinkat(directory, name, 0) < 0 ? wpipe__os_fail("unlink", errno)
                                            : 0;
}

/* One try: 1 and fd is locked, 0 to start over. */
static int lock_try(int directory, const char *name, int fd)
{
    struct stat locked;
    struct stat named;

    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return lock_check(directory, name, fd);
    if (errno != EWOULDBLOCK)
        return errno == EINTR ? 0 : wpipe__os_fail("flock", errno);
    /* a server that is closing holds a file without a name for a moment */
    if (fstat(fd, &locked) < 0)
        return wpipe__os_fail("fstat", errno);
    if (fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : wpipe__os_fail("fstatat", errno);
    if (locked.st_dev != named.st_dev || locked.st_ino != named.st_ino)
        return 0;
    return WPIPE_EINUSE;
}

int wpipe__os_lock_take(wpipe__handle directory, const char *name,
                        uint32_t mode, wpipe__handle *ret_lock)
{
    int fd;
    int i;
    int r;

    for (i = 0; i < LOCK_ROUNDS; i++) {
        fd = lock_open(directory, name, (mode_t)mode);
        if (fd < 0)
            return fd;
        r = lock_try(directory, name, fd);
        if (r == 1) {
            (void)fchmod(fd, (mode_t)mode); /* it may be an older server's */
            lock_write_pid(fd);
            *ret_lock = fd;
            return 0;
        }
        close(fd);
        if (r < 0)
            return r;
    }
    return WPIPE_EINUSE;
}

void wpipe__os_lock_release(wpipe__handle directory, const char *name,
                            wpipe__handle lock)
{
    struct stat locked;
    struct stat named;

    if (fstat(lock, &locked) == 0 &&
        fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        locked.st_dev == named.st_dev && locked.st_ino == named.st_ino)
        (void)unlinkat(directory, name, 0);
    close(lock);
}

/* ---- cleaners of temporary files ----------------------------------------- */

/* Shared: all servers of a directory have it. Cleaners ask for it alone. */
int wpipe__os_directory_hold(wpipe__handle directory)
{
    if (flock(directory, LOCK_SH | LOCK_NB) < 0)
        return wpipe__os_fail("flock", errno);
    return 0;
}

void wpipe__os_file_touch(wpipe__handle directory, const char *name)
{
    if (name == NULL)
        (void)futimens(directory, NULL);
    else
        (void)utimensat(directory, name, NULL, AT_SYMLINK_NOFOLLOW);
}
