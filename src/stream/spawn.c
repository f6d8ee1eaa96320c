/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a child with the ends of anonymous pipes, and waiting for it. The
 * child gets the ends under numbers of its own and no other descriptor of
 * ours, so that nobody holds an end open who does not know of it.
 */
#include <stdio.h>
#include <windpipe/error.h>
#include <windpipe/stream.h>

#include "base/base.h"
#include "base/memory.h"
#include "stream/stream.h"

#define STREAMS_MAX 16
#define INDEX_MAX   1000 /* more than any index can be */

/* "{12}" is 12; -1: it is something else. */
static int index_of(const char *argument)
{
    int index = 0;
    const char *at = argument + 1;

    if (argument[0] != '{' || *at == '}')
        return -1;
    for (; *at >= '0' && *at <= '9'; at++)
        if (index < INDEX_MAX)
            index = index * 10 + (*at - '0');
    return at[0] == '}' && at[1] == '\0' ? index : -1;
}

static int collect(wpipe_stream *const *streams, int count,
                   wpipe__handle *ret_handles)
{
    int i;
    int r;

    for (i = 0; i < count; i++) {
        r = wpipe__stream_check(streams[i], 0);
        if (r < 0)
            return r;
        if (streams[i]->client == WPIPE__NO_HANDLE)
            return WPIPE_ESTATE;
        ret_handles[i] = streams[i]->client;
    }
    return 0;
}

/* What the child calls its ends. */
struct numbers {
    char text[STREAMS_MAX][12];
};

/* The arguments with the strings put in. To be freed; they borrow. */
static int substitute(const char *const *arguments, int count,
                      struct numbers *numbers, char ***ret_arguments)
{
    char **copy;
    size_t n = 0;
    size_t i;
    int index;

    while (arguments[n] != NULL)
        n++;
    copy = wpipe__alloc((n + 1) * sizeof(*copy));
    if (copy == NULL)
        return WPIPE_ENOMEM;
    for (i = 0; i < (size_t)count; i++)
        snprintf(numbers->text[i], sizeof(numbers->text[i]), "%d",
                 WPIPE__SPAWN_FIRST + (int)i);
    for (i = 0; i < n; i++) {
        index = i == 0 ? -1 : index_of(arguments[i]);
        if (index >= count) {
            wpipe__free(copy);
            return WPIPE_EINVAL;
        }
        copy[i] =
            index < 0 ? (char *)(uintptr_t)arguments[i] : numbers->text[index];
    }
    copy[n] = NULL;
    *ret_arguments = copy;
    return 0;
}

int wpipe_spawn(int64_t *ret_pid, const char *const *arguments,
                wpipe_stream *const *streams, int count)
{
    wpipe__handle handles[STREAMS_MAX];
    struct numbers numbers;
    char **copy = NULL;
    int64_t pid = 0;
    int i;
    int r;

    if (ret_pid == NULL || arguments == NULL || arguments[0] == NULL ||
        count < 0 || count > STREAMS_MAX || (count > 0 && streams == NULL))
        return WPIPE_EINVAL;
    r = collect(streams, count, handles);
    if (r < 0)
        return r;
    r = substitute(arguments, count, &numbers, &copy);
    if (r < 0)
        return r;
    r = wpipe__os_spawn(arguments[0], copy, handles, count, &pid);
    wpipe__free(copy);
    if (r < 0)
        return r;
    for (i = 0; i < count; i++) {
        wpipe__anonymous_release(streams[i]);
        streams[i]->link->peer.pid = pid;
    }
    *ret_pid = pid;
    return 0;
}

int wpipe_reap(int64_t pid, int timeout_ms)
{
    return wpipe__is_timeout(timeout_ms)
               ? wpipe__os_reap(pid, wpipe__os_deadline(timeout_ms))
               : WPIPE_EINVAL;
}
