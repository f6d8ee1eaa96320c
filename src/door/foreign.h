/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The foreign door: the socket at ${TMPDIR:-/tmp}/CoreFxPipe_<name>, or at an
 * absolute path, where .NET programs and everything else that speaks plain
 * sockets look for a server. Called by the listener, the connector and the
 * list in src/connect; knows nothing of what travels on the sockets.
 *
 * The directory is everybody's, and the others in it know nothing of our
 * locks: a .NET server unlinks what has its path, whoever lives there. So
 *
 * - the door appears by link() from a directory of our own beside it, made
 *   with mode 0700 for a moment: complete, listening, and never in place of
 *   anything. It is an ordinary socket file that every connect() finds.
 * - What has the name is never displaced while it lives. It is dead when no
 *   socket is bound to it, as far as the kernel's list shows, and it refused
 *   us twice, 100 ms apart, with the same inode; it must be ours, too. It is
 *   then exchanged with the new door in one step, and put back should it turn
 *   out to be somebody who came in between.
 * - Anything else is refused by name and stays untouched: another user's
 *   socket (root's word does not count), a file, a directory, a FIFO, a link.
 *   .NET follows links here; we do not, at either end.
 * - A door that was removed is put there again, if the path is free (keep).
 * - close removes the very file that was published, or nothing.
 * - A lock in our private directory, keyed by the door's directory and name,
 *   lets windpipe servers of one user pass this one after the other.
 *
 * What it cannot do: a .NET server that starts later takes the path from us;
 * then there is an event, and the path is ours again when that one ends. Where
 * names cannot be exchanged the dead one is unlinked, and what takes its name
 * in that moment with it.
 * Between two users nothing keeps the name but the directory's sticky bit;
 * in one that others may write and that has none, they can remove any door.
 */
#ifndef WPIPE_DOOR_FOREIGN_H
#define WPIPE_DOOR_FOREIGN_H

#include <stddef.h>
#include <stdint.h>

#include <windpipe/error.h>

#include "door/door.h"
#include "os/os.h"

/* A socket address of the others holds this much, and a 0 byte (.NET row 30).
 * With /tmp there are 91 bytes left for the name. */
enum {
    WPIPE__FOREIGN_PATH_MAX = 107
};

/* Two numbers in hex, the file's name, and an ending. */
enum {
    WPIPE__FOREIGN_LOCK_MAX = WPIPE__FOREIGN_PATH_MAX + 48
};

struct wpipe__foreign_door {
    wpipe__handle directory; /* that the door stands in */
    wpipe__handle home;      /* our private one, with the lock */
    wpipe__handle lock;
    wpipe__handle listener; /* listening; the owner may poll and accept */
    char path[WPIPE__FOREIGN_PATH_MAX + 1];
    char lock_file[WPIPE__FOREIGN_LOCK_MAX]; /* its name in `home` */
    uint64_t device;                         /* of the door, once published */
    uint64_t inode;                          /* 0 until then */
    uint32_t generation;                     /* of the process that opened it */
    char home_path[WPIPE__WHERE_MAX];        /* of `home` */
    struct wpipe__view view; /* what paths meant when it was opened */
    uint64_t touch_at;       /* when to freshen the times of the files */
    wpipe__handle suspect;   /* a socket at our path that looked dead to keep */
    uint64_t suspect_device;
    uint64_t suspect_inode;
    int inherited; /* as that of a wpipe__door */
};

#define WPIPE__FOREIGN_DOOR_NULL                                 \
    {                                                            \
        .directory = WPIPE__NO_HANDLE, .home = WPIPE__NO_HANDLE, \
        .lock = WPIPE__NO_HANDLE, .listener = WPIPE__NO_HANDLE,  \
        .suspect = WPIPE__NO_HANDLE                              \
    }

/*
 * The path that `name` means to .NET: a name that begins with '/' is the path
 * itself and must not end in one; any other is checked as all pipe names are,
 * loses its \\.\pipe\ prefix, and goes behind "CoreFxPipe_" in $TMPDIR (/tmp
 * when that is empty or not set). `options` (may be NULL) is for error_text.
 *
 * Returns 0. Errors: WPIPE_ENAME (a rule is broken; or longer than
 * WPIPE__FOREIGN_PATH_MAX: error_text has that limit and the path),
 * WPIPE_EINVAL (`size` is too small; PATH_MAX + 1 never is).
 */
int wpipe__foreign_path(const char *name, char *ret_path, size_t size,
                        const wpipe_options *options);

/*
 * Take the path of `name` and listen on it; clients can connect when it
 * returns. Reads access, group, error_text of `options` (may be NULL). The
 * file has mode 0600, 0660 or 0666 by access, and the sticky bit, which keeps
 * systemd-tmpfiles from removing it after ten days. Blocks for 100 ms when a
 * dead server's socket is in the way, else not. On failure *d is null again
 * and nothing is left.
 *
 * Returns 0. Errors, each with error_text: WPIPE_EINUSE (somebody lives there,
 * .NET or not), WPIPE_EACCES (what stands there is not ours to remove; the
 * directory is not ours to write), WPIPE_ENAME, WPIPE_ELIMIT, WPIPE_ESYSTEM,
 * and those of our private directory.
 */
int wpipe__foreign_door_open(struct wpipe__foreign_door *d, const char *name,
                             const wpipe_options *options);

/* Take options->foreign_fd; as wpipe__door_inherit. */
int wpipe__foreign_door_inherit(struct wpipe__foreign_door *d,
                                const wpipe_options *options);

/*
 * Is the path still ours? As wpipe__door_keep, which see; WPIPE_EINUSE also
 * when a server of another kind has it. What a dead one left there is replaced
 * when two calls in a row have found it.
 */
int wpipe__foreign_door_keep(struct wpipe__foreign_door *d,
                             const wpipe_options *options,
                             wpipe__handle *ret_old);

/*
 * Give the path back: unlinks the door if it is still ours. Takes NULL, null
 * and half-built doors; a forked child only closes.
 */
void wpipe__foreign_door_close(struct wpipe__foreign_door *d);

/*
 * Try once, without blocking, to connect to `name`. The server's user is
 * checked before this returns, so nothing was sent yet: exactly
 * options.server_uid with WPIPE_CHECK_UID, anybody with WPIPE_ACCESS_ANYONE,
 * else ours or root. `options` may be NULL.
 *
 * Returns 0 and the socket. Errors, each with error_text: WPIPE_ENOTFOUND
 * (nothing there, nobody listens, or it is no socket), WPIPE_EAGAIN (the
 * backlog is full), WPIPE_EACCES (it does not let us in, or its user is not
 * trusted), WPIPE_ENOTSUP (not a stream socket), WPIPE_ENAME, WPIPE_ELIMIT,
 * WPIPE_ESYSTEM.
 */
int wpipe__foreign_door_dial(const char *name, const wpipe_options *options,
                             wpipe__handle *ret_socket);

/*
 * The directory to watch (wpipe__os_watch_add) for the door of `name`: its
 * own, or the nearest parent that is there. To be asked again whenever the
 * watch tells of something, and before the look.
 *
 * Returns 0 when the watch tells enough; 1 when a socket stands there already
 * and may begin to listen without a sign, as a .NET server does right after
 * it has bound: then look again after 1 to 100 ms, too. Errors: WPIPE_ENAME,
 * WPIPE_EINVAL (`size`; WPIPE__FOREIGN_PATH_MAX + 1 is enough).
 */
int wpipe__foreign_watch_path(const char *name, char *ret_path, size_t size);

/*
 * Call `each` for every name with a foreign door in the directory for
 * temporary files, living or not; `where` is the directory. Names that we
 * would not take ourselves are left out. A non-zero return of `each` ends the
 * list.
 *
 * Returns how many were named. Errors: WPIPE_ESYSTEM, WPIPE_ELIMIT,
 * WPIPE_ENOMEM.
 */
int wpipe__foreign_door_each(int (*each)(const char *name, const char *where,
                                         void *user),
                             void *user);

/*
 * Remove the door of `name` if it is a dead server's of our own user, as the
 * next server would. Takes 100 ms if so. Returns 1; 0: there is nothing to
 * remove; < 0 as wpipe__foreign_door_open, without error_text.
 */
int wpipe__foreign_door_prune(const char *name);

/* What can be told about a foreign door without its server's notice. */
struct wpipe__foreign_facts {
    char path[WPIPE__FOREIGN_PATH_MAX + 1];
    uint32_t uid; /* owner and mode of the file */
    uint32_t mode;
    int listening; /* 1 somebody listens; 0 nobody; -1 somebody may: in
                          another network namespace, or where we may not ask */
    int64_t pid;   /* a process that holds it, 0 if unknown: only those of
                          our own user tell */
};

/* Returns 0. Errors: WPIPE_ENOTFOUND (no socket there), WPIPE_ENAME,
 * WPIPE_EACCES, WPIPE_ESYSTEM. */
int wpipe__foreign_door_facts(const char *name,
                              struct wpipe__foreign_facts *ret_facts);

/* ---- for door_foreign*.c ------------------------------------------------- */

/* The beginning of the file's name. */
#define WPIPE__FOREIGN_PREFIX "CoreFxPipe_"

/* $TMPDIR, or /tmp. */
const char *wpipe__foreign_temp(void);

/* The last part of a path of wpipe__foreign_path; never NULL. */
const char *wpipe__foreign_file(const char *path);

/* Open the directory that it is in. Errors as wpipe__os_directory_follow. */
int wpipe__foreign_directory(const char *path, wpipe__handle *ret_directory,
                             struct wpipe__file_facts *ret_facts);

/* Listen at this file, with the mode that options->access means. As
 * wpipe__os_listen. */
int wpipe__foreign_listen(wpipe__handle directory, const char *file,
                          const wpipe_options *options,
                          wpipe__handle *ret_listener);

/* What a file is, in words: "a directory". */
const char *wpipe__foreign_kind(int kind);

#endif
