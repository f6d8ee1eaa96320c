/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pipe that nobody else knows of: NULL asks for a name that no other pipe
 * has, which the parent hands to a child. The child sends one large message;
 * the parent reads it into a small buffer and puts it together again.
 *
 *     unique_name
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <windpipe/stream.h>

enum {
    SIZE = 100000
};

/* The child: one message, and wait until it is read. */
static int say(const char *name)
{
    wpipe_stream *stream;
    char *message = malloc(SIZE);
    int64_t r = message == NULL ? WPIPE_ENOMEM
                                : wpipe_connect(&stream, name, NULL, 5000);

    if (r == 0) {
        memset(message, 'w', SIZE);
        r = wpipe_write(stream, message, SIZE, 5000);
        if (r >= 0)
            r = wpipe_drain(stream, 5000);
        wpipe_stream_close(stream);
    }
    free(message);
    return r < 0;
}

/* One message of any size, in parts. Its size, or what went wrong. */
static int64_t read_message(wpipe_stream *stream, int *ret_parts)
{
    char part[1024];
    int64_t size = 0;
    int64_t n;

    do {
        n = wpipe_read(stream, part, sizeof(part), 5000);
        if (n < 0)
            return n;
        size += n;
        ++*ret_parts;
    } while (!wpipe_stream_message_complete(stream));
    return size;
}

static int64_t listen_to(wpipe_listener *listener, int *ret_parts)
{
    wpipe_stream *stream;
    int64_t r = wpipe_accept(listener, &stream, 5000);

    if (r < 0)
        return r;
    r = read_message(stream, ret_parts);
    wpipe_stream_close(stream);
    return r;
}

/* Start this program again with the name; its process, or < 0. */
static pid_t start_child(const char *program, const char *name)
{
    pid_t child = fork();

    if (child != 0)
        return child;
    execlp(program, program, name, (char *)NULL);
    _exit(1);
}

int main(int argc, char **argv)
{
    wpipe_options options = { .size = sizeof(options), .type = WPIPE_MESSAGE };
    wpipe_listener *listener;
    int parts = 0;
    pid_t child;
    int64_t r;

    if (argc > 1)
        return say(argv[1]);
    r = wpipe_listen(&listener, NULL, &options);
    if (r == 0) {
        child = start_child(argv[0], wpipe_listener_name(listener));
        r = child < 0 ? WPIPE_ESYSTEM : listen_to(listener, &parts);
        wpipe_listener_close(listener);
        if (child > 0)
            waitpid(child, NULL, 0);
    }
    if (r < 0) {
        fprintf(stderr, "unique_name: %s\n", wpipe_strerror((int)r));
        return 1;
    }
    printf("one message of %d bytes in %d parts\n", (int)r, parts);
    return 0;
}
