/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child's end of an anonymous pipe, as long as the parent has a copy of it:
 * told, and given up. The calls are for users; stream.c gives it up at a close,
 * spawn.c once the child has it.
 */
#include <stdio.h>
#include <string.h>
#include <windpipe/error.h>
#include <windpipe/stream.h>

#include "stream/stream.h"

#define NUMBER_MAX 10 /* digits of a descriptor */

int wpipe_anonymous_client_string(wpipe_stream *stream, char *buf, size_t size)
{
    char text[NUMBER_MAX + 2];
    int length;
    int r;

    if (stream == NULL || buf == NULL)
        return WPIPE_EINVAL;
    if (stream->link->generation != wpipe__os_generation() ||
        stream->client == WPIPE__NO_HANDLE)
        return WPIPE_ESTATE;
    length = snprintf(text, sizeof(text), "%d", stream->client);
    if (length < 0 || (size_t)length >= size)
        return WPIPE_EINVAL;
    r = wpipe__os_inherit(stream->client, 1);
    if (r < 0)
        return WPIPE_ESTATE; /* opened in this process, and closed */
    stream->client_told = 1;
    memcpy(buf, text, (size_t)length + 1);
    return length;
}

/*
 * Is what has the number still the end that we made? Once told, the string may
 * have been opened in this very process (after a fork, or for a test); then it
 * is that stream's, which took "children inherit it" off.
 */
static int is_still_ours(const struct wpipe_stream *s)
{
    struct wpipe__file_facts facts;

    if (!s->client_told)
        return 1;
    return wpipe__os_inherited(s->client) &&
           wpipe__os_handle_facts(s->client, &facts) == 0 &&
           facts.device == s->client_device && facts.inode == s->client_inode;
}

void wpipe__anonymous_release(struct wpipe_stream *stream)
{
    if (stream->client == WPIPE__NO_HANDLE)
        return;
    if (is_still_ours(stream))
        wpipe__os_close(stream->client);
    stream->client = WPIPE__NO_HANDLE;
}

int wpipe_anonymous_release_client(wpipe_stream *stream)
{
    if (stream == NULL || !stream->anonymous)
        return WPIPE_EINVAL;
    wpipe__anonymous_release(stream);
    return 0;
}
