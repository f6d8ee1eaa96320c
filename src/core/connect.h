/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connecting: from a name to a link whose greeting is done. Used by
 * wpipe_connect, the client and inspect.
 */
#ifndef WPIPE_CORE_CONNECT_H
#define WPIPE_CORE_CONNECT_H

#include <stdint.h>
#include <windpipe.h>

#include "transport/door.h"
#include "transport/transport.h"

/* How to wait for a server. */
struct wpipe__patience {
    uint64_t deadline;          /* of wpipe__os_deadline */
    wpipe__handle wake;         /* readable: ends the wait; may be none; the
                                   caller clears it */
    struct wpipe__knock *knock; /* the caller's: null, or resting; resting (or
                                   null) afterwards, to be done with later */
};

/*
 * Connect to the pipe `name`, waiting for its server to appear, for a free
 * place and for its word. With `query` the link is good for
 * wpipe__native_facts only, and is returned right after hello; so it is with
 * WPIPE_CONNECT_EARLY. `options` are resolved ones.
 *
 * Returns 0 and the link. Errors, each with error_text: as wpipe_connect, and
 * WPIPE_EWOKEN.
 */
int wpipe__connect_link(const char *name, const wpipe_options *options,
                        const struct wpipe__patience *patience, int query,
                        struct wpipe__link **ret_link);

/* An error that another try may not meet: the server was not there, was full
 * or went away. */
int wpipe__connect_may_retry(int error);

/* inspect.c: the pipe's own facts, but for its owner. Errors: as above, and
 * what the server said. Touches no error_text. */
int wpipe__inspect_pipe(const char *name, const wpipe_options *options,
                        uint64_t deadline, wpipe_pipe_facts *ret_pipe);

#endif
