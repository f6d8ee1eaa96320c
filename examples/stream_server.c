/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of bytes, the server's end: gives every client its text back in
 * capital letters, one client after the other.
 *
 *     stream_server [NAME]
 */
#include <ctype.h>
#include <stdio.h>
#include <windpipe/stream.h>

/* Until the client finishes or goes. 0, or what went wrong. */
static int64_t serve(wpipe_stream *stream)
{
    char buf[4096];
    int64_t n;

    while ((n = wpipe_read(stream, buf, sizeof(buf), WPIPE_FOREVER)) > 0) {
        for (int64_t i = 0; i < n; i++)
            buf[i] = (char)toupper((unsigned char)buf[i]);
        n = wpipe_write(stream, buf, (size_t)n, WPIPE_FOREVER);
        if (n < 0)
            break;
    }
    return n == WPIPE_EOF ? 0 : n;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "capitals";
    char text[256] = "";
    wpipe_options options = { .size = sizeof(options),
                              .type = WPIPE_BYTE,
                              .error_text = text,
                              .error_text_size = sizeof(text) };
    wpipe_listener *listener;
    wpipe_stream *stream;
    int64_t r;

    if (wpipe_listen(&listener, name, &options) < 0) {
        fprintf(stderr, "stream_server: %s\n", text);
        return 1;
    }
    while (wpipe_accept(listener, &stream, WPIPE_FOREVER) == 0) {
        r = serve(stream);
        if (r < 0)
            fprintf(stderr, "stream_server: %s\n", wpipe_strerror((int)r));
        wpipe_stream_close(stream);
    }
    wpipe_listener_close(listener);
    return 1;
}
