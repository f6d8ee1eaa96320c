/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading an introduction as it comes, not a byte further than its end.
 */
#include "connect/introduce.h"

#include <string.h>

#include "base/text.h"

int wpipe__introduced_begin(struct wpipe__introduced *i, wpipe__handle socket)
{
    wpipe_peer peer;

    memset(i, 0, sizeof(*i));
    i->socket = socket;
    i->generation = wpipe__os_generation();
    i->passing = wpipe__os_refuse_passing(socket);
    if (wpipe__os_peer(socket, &peer) < 0) {
        wpipe__introduced_done(i);
        return WPIPE_EPIPE;
    }
    i->uid = peer.uid;
    return 0;
}

/* The server writes no more. */
static int ended(struct wpipe__introduced *i, int r)
{
    struct wpipe__introduction *m = &i->message;

    if (m->have == 0)
        return r;
    wpipe__text_set(m->why, sizeof(m->why), "it ended after %zu bytes",
                    m->have);
    return WPIPE_EPROTO;
}

int wpipe__introduced_read(struct wpipe__introduced *i, const char *first,
                           char ret_name[WPIPE_NAME_MAX + 1])
{
    struct wpipe__introduction *m = &i->message;
    int64_t got;
    int left;

    while ((left = wpipe__introduction_left(m)) > 0) {
        got = wpipe__os_stream_read(i->socket, WPIPE__KIND_SOCKET,
                                    m->bytes + m->have, (size_t)left,
                                    &i->passing);
        if (got == WPIPE_EAGAIN)
            return 0;
        if (got == WPIPE_EOF || got == WPIPE_EPIPE)
            return ended(i, (int)got);
        if (got < 0)
            return (int)got;
        m->have += (size_t)got;
    }
    if (left < 0)
        return left;
    left = wpipe__introduction_name(m, first, ret_name);
    return left < 0 ? left : 1;
}

void wpipe__introduced_done(struct wpipe__introduced *i)
{
    const int own = i->generation == wpipe__os_generation();

    wpipe__os_close_socket(i->socket, own ? i->passing : WPIPE__PASSES_NOTHING);
    i->socket = WPIPE__NO_HANDLE;
}

wpipe_options wpipe__introduced_options(const struct wpipe__introduced *i,
                                        const wpipe_options *options)
{
    wpipe_options o = *options;

    o.foreign = WPIPE_FOREIGN_ONLY;
    o.second_pipe = WPIPE_SECOND_PIPE_NONE;
    if (i->uid != WPIPE__UID_UNMAPPED || !(o.flags & WPIPE_TRUST_PEER))
        o.flags |= WPIPE_CHECK_UID;
    o.server_uid = i->uid;
    return o;
}
