/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of doors share: options that catch the explanation, paths,
 * leftovers, and the assertion that a door can be reached. For test_door*.c
 * and test_name_races.c.
 */
#ifndef WINDPIPE_TESTS_UNIT_DOOR_TOOLS_H
#define WINDPIPE_TESTS_UNIT_DOOR_TOOLS_H

#include "support.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "door/door.h"

/* Where plain() lets the library explain itself. */
static char error_text[512];

/* Options with room for an explanation and nothing else set. */
static inline wpipe_options plain(void)
{
    wpipe_options options;

    memset(&options, 0, sizeof(options));
    options.size = sizeof(options);
    options.error_text = error_text;
    options.error_text_size = sizeof(error_text);
    error_text[0] = '\0';
    return options;
}

static inline void assert_said(const char *part)
{
    if (strstr(error_text, part) == NULL)
        fail_msg("\"%s\" is not in the text \"%s\"", part, error_text);
}

/* A path below a directory; valid for the next 63 calls. */
static inline const char *below(const char *directory, const char *name)
{
    static char paths[64][PATH_MAX];
    static unsigned turn;
    char path[PATH_MAX];

    /* `directory` may be one of ours */
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    turn = (turn + 1) % 64;
    return memcpy(paths[turn], path, sizeof(path));
}

static inline size_t count_files(const char *directory)
{
    DIR *list = opendir(directory);
    size_t count = 0;
    struct dirent *entry;

    assert_non_null(list);
    while ((entry = readdir(list)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(list);
    return count;
}

static inline mode_t mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

static inline void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline void assert_file_holds(const char *path, const char *text)
{
    char found[256] = "";
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    (void)!fread(found, 1, sizeof(found) - 1, file);
    fclose(file);
    assert_string_equal(found, text);
}

/* A bound socket of ours without a listener: what a killed server leaves. */
static inline void leave_socket(const char *path, int type)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
}

/* Dial and see that this very door was reached. */
static inline void assert_reaches(const struct wpipe__door *d, const char *name,
                                  const wpipe_options *options)
{
    wpipe__handle client = WPIPE__NO_HANDLE;
    wpipe__handle server = WPIPE__NO_HANDLE;

    assert_int_equal(wpipe__door_dial(name, options, &client), 0);
    assert_int_equal(wpipe__os_accept(d->listener, &server), 0);
    wpipe__os_close(client);
    wpipe__os_close(server);
}

static inline void assert_dial(const char *name, const wpipe_options *options,
                               int expected)
{
    wpipe__handle socket = WPIPE__NO_HANDLE;

    assert_int_equal(wpipe__door_dial(name, options, &socket), expected);
    assert_int_equal(socket, WPIPE__NO_HANDLE);
}

static inline void assert_open(const char *name, const wpipe_options *options,
                               int expected)
{
    struct wpipe__door d = WPIPE__DOOR_NULL;

    assert_int_equal(wpipe__door_open(&d, name, options), expected);
    assert_int_equal(d.listener, WPIPE__NO_HANDLE);
    assert_int_equal(d.lock, WPIPE__NO_HANDLE);
}

#endif
