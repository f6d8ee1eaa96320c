/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One byte each way: the client sends 100, the server answers 200. Run it
 * twice, or once with a C# program at the other end:
 *
 *     using var pipe = new NamedPipeClientStream(".", "bytes");
 *     pipe.Connect();
 *     pipe.WriteByte(100);
 *     Console.WriteLine(pipe.ReadByte());
 *
 * anonymous_parent.c does the same over two anonymous pipes with a child.
 *
 *     byte_exchange server|client [NAME]
 */
#include <stdio.h>
#include <string.h>
#include <windpipe/stream.h>

enum {
    WAIT_MS = 10000
};

static int64_t send_byte(wpipe_stream *stream, unsigned char byte)
{
    return wpipe_write(stream, &byte, 1, WAIT_MS);
}

/* Reads one byte and prints it. */
static int64_t receive_byte(wpipe_stream *stream)
{
    unsigned char byte = 0;
    int64_t r = wpipe_read(stream, &byte, 1, WAIT_MS);

    if (r == 1)
        printf("received %d\n", byte);
    return r;
}

static int64_t serve(const char *name)
{
    const wpipe_options options = { .size = sizeof(options),
                                    .foreign = WPIPE_FOREIGN_ALSO };
    wpipe_listener *listener;
    wpipe_stream *stream;
    int64_t r;

    r = wpipe_listen(&listener, name, &options);
    if (r < 0)
        return r;
    r = wpipe_accept(listener, &stream, WAIT_MS);
    if (r == 0) {
        r = receive_byte(stream);
        if (r == 1)
            r = send_byte(stream, 200);
        wpipe_stream_close(stream);
    }
    wpipe_listener_close(listener);
    return r;
}

static int64_t ask(const char *name)
{
    wpipe_stream *stream;
    int64_t r;

    r = wpipe_connect(&stream, name, NULL, WAIT_MS);
    if (r < 0)
        return r;
    r = send_byte(stream, 100);
    if (r == 1)
        r = receive_byte(stream);
    wpipe_stream_close(stream);
    return r;
}

int main(int argc, char **argv)
{
    const char *name = argc > 2 ? argv[2] : "bytes";
    int64_t r;

    if (argc > 1 && strcmp(argv[1], "server") == 0)
        r = serve(name);
    else
        r = ask(name);
    if (r == 1)
        return 0;
    fprintf(stderr, "byte_exchange: %s\n", wpipe_strerror((int)r));
    return 1;
}
