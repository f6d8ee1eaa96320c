/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server with a name that nobody else has, made by the library, and with a
 * buffer that is smaller than the messages. wpipe_read gives a long message in
 * parts; wpipe_stream_message_complete tells which part is the last. The name
 * is printed first; give it to the clients: to `windpipe send NAME` or, with
 * the length of each message in front, to a NamedPipeClientStream. Serves one
 * client and ends with it.
 *
 *     unique_server
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windpipe/stream.h>

enum {
    BUFFER = 16, /* small, to show how it is done */
    LONGEST = 1 << 20
};

/* One whole message in *ret_message, which is the caller's to free. Returns its
 * size or a negative code. */
static int64_t read_message(wpipe_stream *stream, char **ret_message,
                            int *ret_parts)
{
    char *message = NULL;
    char buf[BUFFER];
    char *larger;
    size_t size = 0;
    int64_t n;

    *ret_parts = 0;
    do {
        n = wpipe_read(stream, buf, sizeof(buf), WPIPE_FOREVER);
        if (n < 0)
            break;
        larger = realloc(message, size + (size_t)n + 1);
        if (larger == NULL) {
            n = WPIPE_ENOMEM;
            break;
        }
        message = larger;
        memcpy(message + size, buf, (size_t)n);
        size += (size_t)n;
        ++*ret_parts;
    } while (!wpipe_stream_message_complete(stream));
    if (n < 0) {
        free(message);
        return n;
    }
    *ret_message = message;
    return (int64_t)size;
}

/* What ended the conversation. */
static int serve(wpipe_stream *stream)
{
    char *message;
    int64_t size;
    int parts;

    for (;;) {
        size = read_message(stream, &message, &parts);
        if (size < 0)
            return (int)size;
        printf("%lld bytes in %d parts: %.*s\n", (long long)size, parts,
               (int)size, message);
        free(message);
    }
}

int main(void)
{
    wpipe_options options = { .size = sizeof(options),
                              .type = WPIPE_MESSAGE,
                              .max_message = LONGEST,
                              .foreign = WPIPE_FOREIGN_ALSO,
                              .framing = WPIPE_FRAMING_LE32 };
    wpipe_listener *listener;
    wpipe_stream *stream;
    int r;

    r = wpipe_listen(&listener, NULL, &options);
    if (r == 0) {
        printf("%s\n", wpipe_listener_name(listener));
        fflush(stdout);
        r = wpipe_accept(listener, &stream, WPIPE_FOREVER);
        if (r == 0) {
            r = serve(stream);
            wpipe_stream_close(stream);
        }
        wpipe_listener_close(listener);
    }
    if (r == WPIPE_EOF)
        return 0;
    fprintf(stderr, "unique_server: %s\n", wpipe_strerror(r));
    return 1;
}
