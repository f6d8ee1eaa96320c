/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Being introduced: from the socket of a first foreign door to the name of the
 * pipe where the server wants to meet us (options.second_pipe). The part that
 * does not wait, for connect.c and client/connect.c.
 */
#ifndef WPIPE_CONNECT_INTRODUCE_H
#define WPIPE_CONNECT_INTRODUCE_H

#include <windpipe.h>

#include "base/introduction.h"
#include "os/os.h"

struct wpipe__introduced {
    wpipe__handle socket; /* readable: call read; none: not under way */
    uint32_t uid;         /* the server's */
    uint32_t generation;  /* wpipe__os_generation when it began */
    int passing;          /* WPIPE__PASS*: what can be in the socket */
    struct wpipe__introduction message;
};

#define WPIPE__INTRODUCED_NULL                              \
    {                                                       \
        .socket = WPIPE__NO_HANDLE, .message = {.have = 0 } \
    }

/* Begin with a connected socket, which is *i's from then on, also when this
 * fails: WPIPE_EPIPE, the server has gone. */
int wpipe__introduced_begin(struct wpipe__introduced *i, wpipe__handle socket);

/*
 * Read what is there. `first` is the name that we went to.
 *
 * Returns 1 and the name of the second pipe; 0 when more is to come. Errors:
 * WPIPE_EOF, WPIPE_EPIPE (the server went away without a word), WPIPE_EPROTO
 * (what it said is no name; i->message.why tells), WPIPE_ESYSTEM.
 */
int wpipe__introduced_read(struct wpipe__introduced *i, const char *first,
                           char ret_name[WPIPE_NAME_MAX + 1]);

/* Leave the first door; takes null ones. */
void wpipe__introduced_done(struct wpipe__introduced *i);

/*
 * The options to dial the second pipe with: only the foreign door, and only a
 * server of the user who introduced us, so that a stranger who may serve us
 * cannot send us to somebody else's pipe.
 */
wpipe_options wpipe__introduced_options(const struct wpipe__introduced *i,
                                        const wpipe_options *options);

#endif
