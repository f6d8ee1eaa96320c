/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of bytes, the client's end: sends its input to stream_server and
 * prints what comes back. Waits five seconds for the server to appear.
 *
 *     echo hello | stream_client [NAME]
 */
#include <stdio.h>
#include <windpipe/stream.h>

/* Print `size` bytes that are to come back. 0, or what went wrong. */
static int64_t print_answer(wpipe_stream *stream, size_t size)
{
    char buf[4096];
    size_t most;
    int64_t n;

    while (size > 0) {
        most = size < sizeof(buf) ? size : sizeof(buf);
        n = wpipe_read(stream, buf, most, 5000);
        if (n < 0)
            return n;
        fwrite(buf, 1, (size_t)n, stdout);
        size -= (size_t)n;
    }
    return 0;
}

static int64_t converse(wpipe_stream *stream)
{
    char buf[4096];
    size_t size;
    int64_t r;

    while ((size = fread(buf, 1, sizeof(buf), stdin)) > 0) {
        r = wpipe_write(stream, buf, size, 5000);
        if (r >= 0 && (size_t)r < size)
            r = WPIPE_ETIMEDOUT; /* only a part of it went in time */
        if (r >= 0)
            r = print_answer(stream, size);
        if (r < 0)
            return r;
    }
    r = wpipe_finish(stream); /* the server reads to the end, then we do */
    if (r == 0)
        r = wpipe_read(stream, buf, sizeof(buf), 5000);
    return r == WPIPE_EOF ? 0 : r;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "capitals";
    wpipe_stream *stream;
    int64_t r;

    r = wpipe_connect(&stream, name, NULL, 5000);
    if (r == 0) {
        r = converse(stream);
        wpipe_stream_close(stream);
    }
    if (r == 0)
        return 0;
    fprintf(stderr, "stream_client: %s\n", wpipe_strerror((int)r));
    return 1;
}
