/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts: what a server tells about itself when it is asked (inspect.c), as
 * bytes. Little-endian, fixed sizes, with a version in front; docs/wire.md
 * has the layout. Pure; the decoder takes nothing on trust.
 */
#ifndef WPIPE_CONNECT_FACTS_H
#define WPIPE_CONNECT_FACTS_H

#include <stddef.h>
#include <stdint.h>
#include <windpipe.h>

#include "base/buffer.h"

/* One answer has at most this many connections, so that it fits into what a
 * socket takes at once. */
#define WPIPE__FACTS_LINKS 1024u

/* What travels of one connection. */
struct wpipe__link_fact {
    uint64_t id;
    uint32_t uid;
    uint32_t gid;
    int64_t pid;
    uint32_t shared;
    uint64_t messages_in;
    uint64_t messages_out;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t queued;
    uint64_t age_us;
    uint64_t idle_us;
    uint64_t dropped;
};

/* Append the head, that is, what is told of the pipe. 0, WPIPE_ENOMEM. */
int wpipe__facts_begin(struct wpipe__buffer *out, const wpipe_pipe_facts *pipe);
/* Append one connection. 0, WPIPE_ENOMEM. */
int wpipe__facts_add(struct wpipe__buffer *out,
                     const struct wpipe__link_fact *link);

/*
 * Take an answer apart. The owner and the names of *ret_pipe are untouched.
 * Up to `max_links` connections go to ret_links. Returns how many. Errors:
 * WPIPE_EPROTO, WPIPE_EVERSION.
 */
int wpipe__facts_decode(const uint8_t *bytes, size_t size,
                        wpipe_pipe_facts *ret_pipe,
                        struct wpipe__link_fact *ret_links, size_t max_links);

#endif
