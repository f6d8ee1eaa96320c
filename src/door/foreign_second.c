/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and removing second doors. The directory is everybody's: what has
 * the name that we drew is left alone and another one drawn, and only the
 * file that we made is removed.
 */
#include "door/foreign_second.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"

enum {
    DRAWS = 8,
    DIGITS = WPIPE__SECOND_SUFFIX - 1
};

struct file {
    char name[WPIPE__FOREIGN_PATH_MAX + 1];
};

/* The file of the door with this number. */
static int file_of(const struct wpipe__foreign_door *first, uint64_t number,
                   struct file *ret)
{
    int n;

    if (strlen(first->path) + WPIPE__SECOND_SUFFIX > WPIPE__FOREIGN_PATH_MAX)
        return WPIPE_ENAME;
    n = snprintf(ret->name, sizeof(ret->name), "%s_%016" PRIx64,
                 wpipe__foreign_file(first->path), number);
    return n < 0 || (size_t)n >= sizeof(ret->name) ? WPIPE_ENAME : 0;
}

int wpipe__second_door_check(const struct wpipe__foreign_door *first,
                             const wpipe_options *options)
{
    if (strlen(first->path) + WPIPE__SECOND_SUFFIX <= WPIPE__FOREIGN_PATH_MAX)
        return 0;
    wpipe__options_explain(options,
                           "%s has %zu bytes; at most %d are possible with "
                           "second pipes, whose names are %d bytes longer",
                           first->path, strlen(first->path),
                           WPIPE__FOREIGN_PATH_MAX - WPIPE__SECOND_SUFFIX,
                           WPIPE__SECOND_SUFFIX);
    return WPIPE_ENAME;
}

/* ---- opening and closing ------------------------------------------------- */

/* Under a number that nobody has. */
static int listen_somewhere(struct wpipe__second_door *s,
                            const struct wpipe__foreign_door *first,
                            const wpipe_options *options, struct file *ret_file)
{
    int r = WPIPE_EINUSE;
    int i;

    for (i = 0; i < DRAWS && r == WPIPE_EINUSE; i++) {
        r = wpipe__os_random(&s->number, sizeof(s->number));
        if (r == 0)
            r = file_of(first, s->number, ret_file);
        if (r == 0)
            r = wpipe__foreign_listen(first->directory, ret_file->name, options,
                                      &s->listener);
    }
    return r == WPIPE_EINUSE || r == WPIPE_ENOTFOUND ? WPIPE_ESYSTEM : r;
}

int wpipe__second_door_open(struct wpipe__second_door *s,
                            const struct wpipe__foreign_door *first,
                            const wpipe_options *options)
{
    static const struct wpipe__second_door null = WPIPE__SECOND_DOOR_NULL;
    struct wpipe__file_facts facts;
    struct file file;
    int r;

    *s = null;
    r = listen_somewhere(s, first, options, &file);
    if (r < 0)
        return r;
    r = wpipe__os_file_facts(first->directory, file.name, &facts);
    if (r < 0) {
        /* the directory was cleared, or has gone: nobody will find it; or we
         * could not look, and it must not stay */
        (void)wpipe__os_file_unlink(first->directory, file.name);
        wpipe__os_close(s->listener);
        *s = null;
        return r == WPIPE_ENOTFOUND ? WPIPE_ESYSTEM : r;
    }
    s->device = facts.device;
    s->inode = facts.inode;
    return 0;
}

void wpipe__second_door_close(struct wpipe__second_door *s,
                              const struct wpipe__foreign_door *first)
{
    static const struct wpipe__second_door null = WPIPE__SECOND_DOOR_NULL;
    struct wpipe__file_facts facts;
    struct file file;

    if (s->listener == WPIPE__NO_HANDLE)
        return;
    if (first->generation == wpipe__os_generation() &&
        file_of(first, s->number, &file) == 0 &&
        wpipe__os_file_facts(first->directory, file.name, &facts) == 0 &&
        facts.device == s->device && facts.inode == s->inode)
        (void)wpipe__os_file_unlink(first->directory, file.name);
    wpipe__os_close_unknown(s->listener, first->generation);
    *s = null;
}

void wpipe__second_door_name(const struct wpipe__second_door *s,
                             const char *name,
                             char ret_name[WPIPE_NAME_MAX + 1])
{
    (void)snprintf(ret_name, WPIPE_NAME_MAX + 1, "%s_%016" PRIx64, name,
                   s->number);
}

/* ---- what was left ------------------------------------------------------- */

static int is_number(const char *text)
{
    return strlen(text) == DIGITS && strspn(text, "0123456789abcdef") == DIGITS;
}

/* Nobody is bound to it, and it lets nobody in. */
static int is_dead(const struct wpipe__foreign_door *first, const char *file,
                   const struct wpipe__file_facts *facts)
{
    struct wpipe__socket_facts socket;
    wpipe__handle dialled;
    int r;

    if (wpipe__os_socket_find(facts->device, facts->inode, &socket) !=
        WPIPE_ENOTFOUND)
        return 0; /* or we cannot tell */
    r = wpipe__os_connect(first->directory, file, &dialled);
    if (r == 0)
        wpipe__os_close_unknown(dialled, wpipe__os_generation());
    return r == WPIPE_ENOTFOUND;
}

static int sweep_file(const char *file, void *user)
{
    const struct wpipe__foreign_door *first = user;
    const char *own = wpipe__foreign_file(first->path);
    struct wpipe__file_facts facts;

    if (strncmp(file, own, strlen(own)) != 0 || file[strlen(own)] != '_' ||
        !is_number(file + strlen(own) + 1))
        return 0;
    if (wpipe__os_file_facts(first->directory, file, &facts) == 0 &&
        facts.kind == WPIPE__FILE_SOCKET && facts.uid == wpipe__os_uid() &&
        is_dead(first, file, &facts))
        (void)wpipe__os_file_unlink(first->directory, file);
    return 0;
}

/* We hold the first door, so no server of ours is alive whose they are. */
void wpipe__second_door_sweep(const struct wpipe__foreign_door *first)
{
    (void)wpipe__os_directory_each(first->directory, sweep_file,
                                   (void *)(uintptr_t)first);
}
