/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directories of a case: run (WINDPIPE_DIR), tmp (TMPDIR), xdg
 * (XDG_RUNTIME_DIR) and work. The library may use the first three and has to
 * leave them empty; work is the test's own. Private ones keep two suites that
 * run side by side, and a developer's own pipes, out of each other's way.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

enum {
    ALLOWED_MAX = 8
};

static const char *const folders[] = { "run", "tmp", "xdg", "work" };
static const char *const variables[] = { "WINDPIPE_DIR", "TMPDIR",
                                         "XDG_RUNTIME_DIR" };

static char runtime_dir[PATH_MAX];
static char work_dir[PATH_MAX];
static char base_dir[PATH_MAX];
static const char *allowed[ALLOWED_MAX];
static size_t allowed_count;
static size_t left_count;

int dirs_make(char *path, size_t size)
{
    char folder[PATH_MAX];
    const char *top = "/tmp";
    int n = snprintf(path, size, "%s/windpipe-test.XXXXXX", top);

    if (n < 0 || (size_t)n >= size || !mkdtemp(path))
        return -1;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(folder, sizeof folder, "%s/%s", path, folders[i]);
        if (mkdir(folder, 0700) < 0)
            return -1;
    }
    return 0;
}

void dirs_enter(const char *path)
{
    char folder[PATH_MAX];

    snprintf(base_dir, sizeof base_dir, "%s", path);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        snprintf(folder, sizeof folder, "%s/%s", path, folders[i]);
        setenv(variables[i], folder, 1);
    }
    snprintf(runtime_dir, sizeof runtime_dir, "%s/run", path);
    snprintf(work_dir, sizeof work_dir, "%s/work", path);
    allowed_count = 0;
}

static int remove_entry(const char *path, const struct stat *status, int type,
                        struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    (void)remove(path);
    return 0;
}

void dirs_remove(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool is_allowed(const char *name)
{
    for (size_t i = 0; i < allowed_count; i++)
        if (fnmatch(allowed[i], name, 0) == 0)
            return true;
    return false;
}

/* Directories may stay: removing one races with whoever uses it next. */
static int check_entry(const char *path, const struct stat *status, int type,
                       struct FTW *walk)
{
    (void)status;
    if (type == FTW_D || type == FTW_DP || is_allowed(path + walk->base))
        return 0;
    fprintf(stderr, "left behind: file %s\n", path + strlen(base_dir) + 1);
    left_count++;
    return 0;
}

size_t dirs_check(void)
{
    char folder[PATH_MAX + 8];

    left_count = 0;
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        snprintf(folder, sizeof folder, "%s/%s", base_dir, folders[i]);
        nftw(folder, check_entry, 16, FTW_PHYS);
    }
    return left_count;
}

void support_allow_left(const char *pattern)
{
    assert_true(allowed_count < ALLOWED_MAX);
    allowed[allowed_count++] = pattern;
}

const char *support_runtime_dir(void)
{
    return runtime_dir;
}

const char *support_dir(void)
{
    return work_dir;
}

const char *support_unique_name(void)
{
    static char names[8][48];
    static unsigned counter;
    unsigned n = __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
    char *name = names[n % 8];

    snprintf(name, sizeof names[0], "test-%ld-%u", (long)getpid(), n);
    return name;
}

bool support_write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good =
        fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return good;
}
