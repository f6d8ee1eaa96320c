/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket activation: which of the sockets that a service manager has passed to
 * this process are for a pipe. The environment tells how many there are, for
 * which process, and what they are called; the rest is asked of the sockets.
 */
#include <stdlib.h>
#include <string.h>
#include <windpipe/stream.h>

#include "base/base.h"
#include "base/name.h"
#include "base/options.h"
#include "os/os.h"

enum {
    FIRST = 3, /* of the descriptors, as sd_listen_fds(3) has it */
    MOST = 1024,
    PATH_ROOM = 128
};

/* The number in an environment variable; 0 when there is none. */
static int64_t number_in(const char *variable)
{
    const char *text = wpipe__os_environment(variable);

    return text == NULL ? 0 : strtoll(text, NULL, 10);
}

/* How many descriptors there are for this process. */
static int count_passed(void)
{
    int64_t count = number_in("LISTEN_FDS");

    if (number_in("LISTEN_PID") != wpipe__os_pid() || count < 0)
        return 0;
    return count > MOST ? MOST : (int)count;
}

/* Is item `index` of this list, which has colons between its items, `name`? */
static int is_item(const char *list, int index, const char *name)
{
    size_t length = strlen(name);

    while (list != NULL && index-- > 0) {
        list = strchr(list, ':');
        list = list == NULL ? NULL : list + 1;
    }
    return list != NULL && strncmp(list, name, length) == 0 &&
           (list[length] == '\0' || list[length] == ':');
}

/* Is this `before`, `name` and `after`, and nothing else? */
static int is_file(const char *file, const char *before, const char *name,
                   const char *after)
{
    size_t length = strlen(name);

    if (strncmp(file, before, strlen(before)) != 0)
        return 0;
    file += strlen(before);
    return strncmp(file, name, length) == 0 &&
           strcmp(file + length, after) == 0;
}

enum {
    OF_OTHERS = 0,
    NATIVE = 1,
    FOREIGN = 2
};

/* What the passed descriptor number `index` is to the pipe. */
static int judge(int index, const char *name)
{
    const char *names = wpipe__os_environment("LISTEN_FDNAMES");
    char path[PATH_ROOM];
    const char *file;
    size_t length;

    if (!wpipe__os_is_listener(FIRST + index))
        return OF_OTHERS;
    wpipe__os_listener_path(FIRST + index, path, sizeof(path));
    file = strrchr(path, '/');
    file = file == NULL ? path : file + 1;
    if (is_file(file, "", name, ".pipe"))
        return NATIVE;
    if (strcmp(path, name) == 0 || is_file(file, "CoreFxPipe_", name, ""))
        return FOREIGN;
    if (!is_item(names, index, name))
        return OF_OTHERS;
    length = strlen(file);
    return length > 5 && strcmp(file + length - 5, ".pipe") == 0 ? NATIVE
                                                                 : FOREIGN;
}

/* The option that the caller left open follows from what was found. */
static void choose_doors(wpipe_options *options)
{
    if (options->foreign_fd == 0 || options->foreign == WPIPE_FOREIGN_ALSO ||
        options->foreign == WPIPE_FOREIGN_ONLY)
        return;
    options->foreign =
        options->listen_fd == 0 ? WPIPE_FOREIGN_ONLY : WPIPE_FOREIGN_ALSO;
}

static int look_through(int passed, const char *name, wpipe_options *options)
{
    int found = 0;
    int i;

    for (i = 0; i < passed; i++) {
        int what = judge(i, name);

        (void)wpipe__os_inherit(FIRST + i, 0);
        if (what == NATIVE && options->foreign != WPIPE_FOREIGN_ONLY)
            options->listen_fd = FIRST + i;
        else if (what == FOREIGN)
            options->foreign_fd = FIRST + i;
        else
            continue;
        found++;
    }
    return found;
}

int wpipe_options_inherit(wpipe_options *options, const char *name)
{
    char parsed[WPIPE_NAME_MAX + 1];
    int passed = count_passed();
    int found;

    if (options == NULL || name == NULL ||
        options->size <
            offsetof(wpipe_options, foreign_fd) + sizeof(options->foreign_fd))
        return WPIPE_EINVAL;
    if (passed == 0)
        return 0;
    if (name[0] != '/' && wpipe__name_parse(name, parsed, NULL) == 0)
        name = parsed;
    found = look_through(passed, name, options);
    choose_doors(options);
    if (found > 0)
        return found;
    wpipe__options_explain(options,
                           "the service manager passed %d socket%s, and none "
                           "is for the pipe '%s': one is if its file is "
                           "NAME.pipe or CoreFxPipe_NAME, or if its "
                           "FileDescriptorName= is NAME",
                           passed, passed == 1 ? "" : "s", name);
    return WPIPE_ENOTFOUND;
}
