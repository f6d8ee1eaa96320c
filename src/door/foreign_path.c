/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which path a name means to programs that are not windpipe: the rules are
 * .NET's, and so is the limit. Called by src/door/foreign*.c and src/connect.
 */
#include "door/foreign.h"

#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "base/options.h"

const char *wpipe__foreign_temp(void)
{
    const char *value = wpipe__os_environment("TMPDIR");

    return value == NULL || value[0] == '\0' ? "/tmp" : value;
}

static int fail_long(const char *directory, const char *prefix,
                     const char *name, const wpipe_options *options)
{
    wpipe__options_explain(options,
                           "the path of a socket may have at most %d bytes; "
                           "this one has %zu: %s%s%s",
                           WPIPE__FOREIGN_PATH_MAX,
                           strlen(directory) + strlen(prefix) + strlen(name),
                           directory, prefix, name);
    return WPIPE_ENAME;
}

/* Put the path together. */
static int join(char *ret_path, size_t size, const char *name,
                const wpipe_options *options)
{
    const char *directory = name[0] == '/' ? "" : wpipe__foreign_temp();
    const char *prefix = "";
    size_t length = strlen(directory);

    if (length > 0)
        prefix = directory[length - 1] == '/' ? WPIPE__FOREIGN_PREFIX
                                              : "/" WPIPE__FOREIGN_PREFIX;
    length += strlen(prefix) + strlen(name);
    if (length > WPIPE__FOREIGN_PATH_MAX)
        return fail_long(directory, prefix, name, options);
    if (length >= size)
        return WPIPE_EINVAL;
    (void)snprintf(ret_path, size, "%s%s%s", directory, prefix, name);
    return 0;
}

int wpipe__foreign_path(const char *name, char *ret_path, size_t size,
                        const wpipe_options *options)
{
    char parsed[WPIPE_NAME_MAX + 1];
    const char *why = NULL;
    int r = wpipe__name_parse(name, parsed, &why);

    if (r == 0)
        return join(ret_path, size, parsed, options);
    if (name != NULL && name[0] == '/') {
        if (name[strlen(name) - 1] != '/')
            return join(ret_path, size, name, options);
        why = "the path of the socket ends with '/'";
    } else if (name != NULL && strlen(name) > WPIPE_NAME_MAX) {
        return join(ret_path, size, name, options); /* too long: says so */
    }
    wpipe__options_explain(options, "%s", why);
    return r;
}

const char *wpipe__foreign_file(const char *path)
{
    return strrchr(path, '/') + 1;
}

int wpipe__foreign_directory(const char *path, wpipe__handle *ret_directory,
                             struct wpipe__file_facts *ret_facts)
{
    char directory[WPIPE__FOREIGN_PATH_MAX + 1];

    (void)snprintf(directory, sizeof(directory), "%.*s",
                   (int)(wpipe__foreign_file(path) - path), path);
    return wpipe__os_directory_follow(directory, ret_directory, ret_facts);
}

const char *wpipe__foreign_kind(int kind)
{
    switch (kind) {
    case WPIPE__FILE_REGULAR:
        return "a regular file";
    case WPIPE__FILE_DIRECTORY:
        return "a directory";
    case WPIPE__FILE_LINK:
        return "a symbolic link";
    case WPIPE__FILE_SOCKET:
        return "a socket of another kind";
    case WPIPE__FILE_FIFO:
        return "a FIFO";
    default:
        return "something else";
    }
}
