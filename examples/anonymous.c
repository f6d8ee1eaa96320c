/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pipe without a name, to a child that knows nothing of windpipe: a shell
 * reads its end by the descriptor number that it is told.
 *
 *     anonymous [TEXT]
 */
#include <stdio.h>
#include <string.h>
#include <windpipe/stream.h>

/* Write, end it, and wait for the child: its exit status or < 0. */
static int talk(wpipe_stream *stream, const char *text)
{
    const char *const child[] = { "sh", "-c", "tr a-z A-Z <&$0", "{0}", NULL };
    int64_t pid;
    int64_t n;
    int r;

    r = wpipe_spawn(&pid, child, &stream, 1);
    if (r < 0)
        return r;
    n = wpipe_write(stream, text, strlen(text), 5000);
    if (n >= 0)
        n = wpipe_finish(stream);
    r = wpipe_reap(pid, 5000);
    return n < 0 ? (int)n : r;
}

int main(int argc, char **argv)
{
    wpipe_options options = { .size = sizeof(options),
                              .foreign = WPIPE_FOREIGN_ONLY };
    wpipe_stream *stream;
    int r;

    r = wpipe_anonymous(&stream, WPIPE_OUT, &options);
    if (r == 0) {
        r = talk(stream, argc > 1 ? argv[1] : "from a parent to its child\n");
        wpipe_stream_close(stream);
    }
    if (r < 0)
        fprintf(stderr, "anonymous: %s\n", wpipe_strerror(r));
    return r != 0;
}
