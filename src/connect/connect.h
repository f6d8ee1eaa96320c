/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connecting: from a name to a link whose greeting is done. Used by
 * wpipe_connect, the client, and in part by inspect.c.
 */
#ifndef WPIPE_CONNECT_CONNECT_H
#define WPIPE_CONNECT_CONNECT_H

#include <stdint.h>
#include <windpipe.h>

#include "door/door.h"
#include "link/link.h"

/* How to wait for a server. */
struct wpipe__connect_wait {
    uint64_t deadline;  /* of wpipe__os_deadline */
    wpipe__handle wake; /* readable: ends the wait; may be none; the
                                   caller clears it */
    struct wpipe__name_watch
        *name_watch; /* the caller's: null, or resting; resting (or
                                   null) afterwards, to be done with later */
};

/*
 * Connect to the pipe `name`, waiting for its server to appear, for a free
 * place and for its word; with WPIPE_CONNECT_EARLY it is returned right after
 * hello. `options` are resolved ones.
 *
 * Returns 0 and the link. Errors, each with error_text: as wpipe_connect, and
 * WPIPE_EWOKEN.
 */
int wpipe__connect_link(const char *name, const wpipe_options *options,
                        const struct wpipe__connect_wait *waiting,
                        struct wpipe__link **ret_link);

/* An error that another try may not meet: the server was not there, was full
 * or went away. */
int wpipe__connect_may_retry(int error);

/* inspect.c: the pipe's own facts, but for its owner. Errors: as above, and
 * what the server said. Touches no error_text. */
int wpipe__inspect_pipe(const char *name, const wpipe_options *options,
                        uint64_t deadline, wpipe_pipe_facts *ret_pipe);

/* ---- for those who dial in a loop of their own (client/connect.c) -------- */

/* The name without its prefix, or a path for a foreign door alone. 0 or
 * WPIPE_ENAME with error_text. */
int wpipe__connect_name(const char *name, const wpipe_options *options,
                        char ret_name[WPIPE_NAME_MAX + 1]);

/* One look for the server: our own kind of door, then the foreign one, as
 * options->foreign says. Errors as wpipe__door_dial. */
int wpipe__connect_find(const char *name, const wpipe_options *options,
                        wpipe__handle *ret_socket, int *ret_foreign);

/* Let an open watch hear of the foreign door, too. 1 when it may come without
 * a sign: look again in a while. */
int wpipe__connect_watch(const char *name, const wpipe_options *options,
                         struct wpipe__name_watch *name_watch);

#endif
