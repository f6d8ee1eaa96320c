/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doors: how a pipe name becomes a listening socket, and how a client finds
 * it. A door is taken under a lock and published by rename, so two servers
 * never both win a name and a killed server's leftovers never block the next
 * one. Called by the listener, the connector and the list in src/connect; knows
 * nothing of what travels on the sockets.
 *
 * Files of a pipe `N`, all in one directory, told apart by their endings:
 *     N.pipe   the door: the listening socket
 *     N.lock   its lock, held for as long as the server lives
 *     R.new    the socket before it is published. R is 16 random hex digits,
 *              which the lock tells, so that it is found after a crash
 *
 * Where, in the order a client looks:
 *     the private places: $WINDPIPE_DIR, and no other, if that is set; else
 *         $XDG_RUNTIME_DIR/windpipe and /run/user/<uid>/windpipe, each if that
 *         runtime directory is ours alone; $TMPDIR/windpipe-<uid>;
 *         /tmp/windpipe-<uid>. Mode 0700, ours, not a link. Access USER listens
 *         in the first of them, which is made when absent (its parents are
 *         not), if no server has the name in another one.
 *     the shared place: $WINDPIPE_SHARED_DIR, else /run/windpipe. Owned by
 *         root or us, sticky where others may write. Access GROUP and ANYONE
 *         listen here.
 *
 * Files can be lost while a server lives: a cleaner of temporary files removes
 * them, somebody types rm, a runtime directory goes with the last login. So
 * files have the sticky bit, and the directory a shared lock, which
 * systemd-tmpfiles respects, and servers look every few seconds and publish
 * again what is gone (wpipe__door_keep).
 */
#ifndef WPIPE_DOOR_DOOR_H
#define WPIPE_DOOR_DOOR_H

#include <stdint.h>

#include <windpipe/error.h>

#include "os/os.h"

/* Room for the path of a place; a longer one is refused, never cut. */
#define WPIPE__WHERE_MAX 1024

/* Places at most: four private ones and the shared one. */
enum {
    WPIPE__PLACES = 5
};

/* A program may change its root, or its user, after it has opened a door: then
 * paths lead it elsewhere, and it may not make files there. */
struct wpipe__view {
    uint64_t root_device;
    uint64_t root_inode;
    uint32_t uid;
};

struct wpipe__door {
    wpipe__handle directory;
    wpipe__handle lock;
    wpipe__handle listener; /* listening; the owner may poll and accept */
    char name[WPIPE_NAME_MAX + 1];
    char where[WPIPE__WHERE_MAX]; /* path of the directory, for people */
    uint64_t device;              /* of the door, once it is published */
    uint64_t inode;               /* 0 until then */
    uint32_t generation;          /* of the process that opened it */
    int access;                   /* WPIPE_ACCESS_* */
    struct wpipe__view view;      /* what paths meant when it was opened */
    uint64_t touch_at;            /* when to freshen the times of the files */
    int kept;      /* wpipe__door_keep looks: it does not wait, and whom it
                      meets does not hear of it */
    int inherited; /* the socket and its file are somebody else's: there is
                      no lock and no directory */
};

#define WPIPE__DOOR_NULL                                         \
    {                                                            \
        .directory = WPIPE__NO_HANDLE, .lock = WPIPE__NO_HANDLE, \
        .listener = WPIPE__NO_HANDLE                             \
    }

/*
 * Take `name` (parsed: without prefix) and listen on it; clients can connect
 * when it returns. Reads access, group, error_text of `options` (may be
 * NULL). Blocks for up to 63 ms while somebody has the lock and nobody is at
 * the door, as when wpipe__door_prune is at it. On failure *d is null again and
 * nothing is left.
 *
 * Returns 0. Errors, each with error_text: WPIPE_EINUSE (names the process that
 * the kernel says is there; also when a server of ours has the name in another
 * of our private places), WPIPE_EACCES (a directory that is not safe; something
 * else or another user's stands at the door), WPIPE_ENOTSUP (wider access
 * without a shared directory), WPIPE_ENAME, WPIPE_ELIMIT, WPIPE_ESYSTEM.
 */
int wpipe__door_open(struct wpipe__door *d, const char *name,
                     const wpipe_options *options);

/*
 * Is the name still ours? To be asked every few seconds. Files that are gone
 * are made again where they were: the lock, without a word; the door with a
 * new listening socket. Takes no name that somebody else has by now. Reads
 * access and group of `options`. Does not block.
 *
 * Returns 0 when clients find us as before; 1 when they did not, and do now:
 * then d->listener is a new one, and *ret_old, whose clients may still wait, is
 * the caller's. Errors, when clients do not find us: WPIPE_EINUSE (another
 * server has the name), WPIPE_ENOTFOUND (the directory is gone, and the one
 * that it was in), WPIPE_EACCES, WPIPE_ELIMIT, WPIPE_ESYSTEM. The door is as it
 * was then; ask again. An inherited one is its maker's: always 0.
 */
int wpipe__door_keep(struct wpipe__door *d, const wpipe_options *options,
                     wpipe__handle *ret_old);

/*
 * Take options->listen_fd, a listening socket that somebody else made, as the
 * door of `name`. What is called `name` where is his affair, and stays when the
 * door is closed.
 *
 * Returns 0. Errors, each with error_text: WPIPE_EINVAL (it is no listening
 * local stream socket), WPIPE_ELIMIT, WPIPE_ESYSTEM.
 */
int wpipe__door_inherit(struct wpipe__door *d, const char *name,
                        const wpipe_options *options);
/* What both kinds of doors do for that; `field` is the option's name. */
int wpipe__door_copy(int fd, const char *field, const wpipe_options *options,
                     wpipe__handle *ret_listener);

/*
 * Give the name back: unlinks the door if it is still ours, then the lock.
 * Takes NULL, null and half-built doors; a forked child only closes.
 */
void wpipe__door_close(struct wpipe__door *d);

/*
 * Try once, without blocking, to connect to `name`: in the private places, then
 * in the shared one. The server's user is checked before this returns, so
 * nothing was sent yet: ours or root, or exactly options.server_uid with
 * WPIPE_CHECK_UID. `options` may be NULL.
 *
 * Returns 0 and the socket. Errors, each with error_text:
 * WPIPE_ENOTFOUND, WPIPE_EAGAIN (the backlog is full), WPIPE_EACCES,
 * WPIPE_ELIMIT, WPIPE_ESYSTEM.
 */
int wpipe__door_dial(const char *name, const wpipe_options *options,
                     wpipe__handle *ret_socket);

/* Is the server at the other end of this socket one that we want to talk to:
 * ours, root's, or the user's who is asked for? 0; WPIPE_EACCES or
 * WPIPE_ESYSTEM with error_text, which calls it `server`. `name` is the pipe or
 * the path. */
int wpipe__door_check_server(wpipe__handle socket, const char *name,
                             const char *server, const wpipe_options *options);

/*
 * Call `each` for every name with a door in the search order, living or not
 * (ask the server). A non-zero return of `each` ends the list.
 *
 * Returns how many were named. Errors: WPIPE_EACCES (an unsafe first place),
 * WPIPE_ESYSTEM, WPIPE_ENOMEM.
 */
int wpipe__door_each(int (*each)(const char *name, const char *where,
                                 void *user),
                     void *user);

/*
 * Remove what killed servers of our user left: in both places, and foreign
 * doors. Calls `each` (may be NULL) for each name; a non-zero return ends it.
 * Returns how many were removed. Errors: as wpipe__door_each.
 */
int wpipe__door_prune(int (*each)(const char *name, const char *where,
                                  void *user),
                      void *user);

/* Remove the socket that the last holder of this lock had not published. */
void wpipe__door_sweep(wpipe__handle directory, wpipe__handle lock);

/*
 * Waiting for a door without polling fast. The watch is in place before the
 * look, so nothing is missed:
 *
 *     wpipe__name_watch_open(&k);
 *     while ((r = wpipe__door_dial(name, options, &socket)) ==
 *                WPIPE_ENOTFOUND || r == WPIPE_EAGAIN) {
 *         r = wpipe__name_watch_wait(&k, r, deadline, wake);
 *         if (r < 0)
 *             break;
 *     }
 *     wpipe__name_watch_rest(&k);  and wpipe__name_watch_done(&k) when it is no
 * hurry
 *
 * In a poll loop: poll k.watch, if it is not none, up to
 * wpipe__name_watch_until(); then wpipe__name_watch_listen(), then dial again.
 */
struct wpipe__name_watch {
    wpipe__handle watch; /* readable when it is worth to look; may be none,
                            and may come with a later listen */
    int numbers[WPIPE__PLACES]; /* the directories of the places in it */
    int blind;                  /* a place that we cannot watch */
    int delay_ms;               /* the last back-off */
    int signals; /* a signal handler ends wpipe__name_watch_wait */
};

#define WPIPE__NAME_WATCH_NULL                                       \
    {                                                                \
        .watch = WPIPE__NO_HANDLE, .numbers = { -1, -1, -1, -1, -1 } \
    }

/* Watch all places; our first one is made so that it can be watched. What
 * cannot be watched is tried again with a back-off: never fails. */
void wpipe__name_watch_open(struct wpipe__name_watch *k);

/* Forget what was heard and see that the right directories are watched:
 * before every look but the first, and to go on after a rest. */
void wpipe__name_watch_listen(struct wpipe__name_watch *k);

/* The clock (wpipe__os_now) at which to look again though nothing was heard,
 * after dial said `why`: a back-off of 1 to 100 ms when the backlog is full
 * or a place is not watched; else a second, since not all is heard: something
 * mounted over a directory, or one whose mode becomes the right one. */
uint64_t wpipe__name_watch_until(struct wpipe__name_watch *k, int why);

/*
 * Wait until it is worth to dial again, then listen.
 *
 * Returns 0. Errors: WPIPE_ETIMEDOUT; WPIPE_EWOKEN when `wake` (may be
 * WPIPE__NO_HANDLE) is readable (the caller clears it), or a signal handler
 * ran and that is to end it.
 */
int wpipe__name_watch_wait(struct wpipe__name_watch *k, int why,
                           uint64_t deadline, wpipe__handle wake);

/*
 * Stop listening, but keep the handle. To close a watch that was in use a
 * moment ago takes Linux 3 to 24 ms (measured); after a rest of that long it
 * takes 10 us. So whoever has found a door rests at once, and leaves done to
 * the end of the connection.
 */
void wpipe__name_watch_rest(struct wpipe__name_watch *k);

/* Close; takes null ones and may be called twice. */
void wpipe__name_watch_done(struct wpipe__name_watch *k);

#endif
