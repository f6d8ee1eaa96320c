/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our end of the tests with programs that send their clients on to pipes of
 * their own, or expect to be sent. The server sends back what comes until so
 * many clients have left; the client goes through the whole of it for each
 * round, as a client and as a stream in turn, and expects what it sent.
 * Messages are strings in JSON, which H.Pipes takes apart.
 *
 *     second server|client NAME h-pipes|wrapper TIMES
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windpipe.h>

enum {
    WAIT_MS = 10000,
    MESSAGES = 150,
    LONGEST = MESSAGES * MESSAGES + 16
};

static int serve(const char *name, const wpipe_options *options, int clients)
{
    wpipe_server *server;
    wpipe_event e;
    int messages = 0;
    int r = wpipe_server_open(&server, name, options);

    if (r < 0)
        return r;
    while (clients > 0 && r >= 0) {
        r = wpipe_server_wait(server, &e, WAIT_MS);
        if (r < 0)
            break;
        if (e.type == WPIPE_EVENT_MESSAGE) {
            r = wpipe_server_send_wait(server, e.from, e.data, e.size, WAIT_MS);
            messages++;
        }
        if (e.type == WPIPE_EVENT_REFUSED)
            r = e.error;
        if (e.type == WPIPE_EVENT_FINISHED)
            (void)wpipe_server_disconnect(server, e.from);
        if (e.type == WPIPE_EVENT_DISCONNECTED && clients-- > 0)
            r = e.reason == WPIPE_REASON_CLOSED ? 0 : e.error;
    }
    wpipe_server_close(server);
    printf("    we had %d messages\n", messages);
    return r;
}

/* Message `number`, in quotes. */
static size_t compose(char *buf, int number)
{
    size_t size = (size_t)(number * number);

    buf[0] = '"';
    memset(buf + 1, 'a' + number % 26, size);
    return 1 + size + (size_t)snprintf(buf + 1 + size, 8, "%d\"", number);
}

/* As a client. */
static int talk(const char *name, const wpipe_options *options)
{
    static char message[LONGEST];
    wpipe_client *client;
    wpipe_event e;
    size_t size;
    int r = wpipe_client_open(&client, name, options);

    if (r < 0)
        return r;
    for (int i = 0; i < MESSAGES && r >= 0; i++) {
        size = compose(message, i);
        r = wpipe_client_send_wait(client, message, size, WAIT_MS);
        if (r >= 0)
            r = wpipe_client_wait(client, &e, WAIT_MS);
        if (r >= 0 && (e.type != WPIPE_EVENT_MESSAGE || e.size != size ||
                       memcmp(e.data, message, size) != 0))
            r = WPIPE_EPROTO;
    }
    if (r >= 0)
        r = wpipe_client_drain(client, WAIT_MS);
    wpipe_client_close(client);
    return r;
}

/* As a stream; all are on their way at once. */
static int pour(const char *name, const wpipe_options *options)
{
    static char message[LONGEST];
    static char back[LONGEST + 1];
    wpipe_stream *stream;
    int64_t n;
    int r = wpipe_connect(&stream, name, options, WAIT_MS);

    if (r < 0)
        return r;
    for (int i = 0; i < MESSAGES && r >= 0; i++) {
        n = wpipe_write(stream, message, compose(message, i % 60), WAIT_MS);
        r = n < 0 ? (int)n : 0;
    }
    for (int i = 0; i < MESSAGES && r >= 0; i++) {
        n = wpipe_read(stream, back, sizeof(back), WAIT_MS);
        r = n < 0 ? (int)n : 0;
        if (r == 0 && ((size_t)n != compose(message, i % 60) ||
                       memcmp(back, message, (size_t)n) != 0))
            r = WPIPE_EPROTO;
    }
    wpipe_stream_close(stream);
    return r;
}

int main(int argc, char **argv)
{
    char text[256] = "";
    wpipe_options options = { .size = sizeof(options),
                              .type = WPIPE_MESSAGE,
                              .foreign = WPIPE_FOREIGN_ONLY,
                              .framing = WPIPE_FRAMING_BE32,
                              .second_pipe = WPIPE_SECOND_PIPE_H_PIPES,
                              .connect_ms = WAIT_MS,
                              .error_text = text,
                              .error_text_size = sizeof(text) };
    int times;
    int r = 0;

    if (argc != 5)
        return 2;
    times = (int)strtol(argv[4], NULL, 10);
    if (strcmp(argv[3], "wrapper") == 0)
        options.second_pipe = WPIPE_SECOND_PIPE_WRAPPER;
    if (strcmp(argv[1], "server") == 0)
        r = serve(argv[2], &options, times);
    else
        for (int i = 0; i < times && r >= 0; i++)
            r = i % 2 == 0 ? talk(argv[2], &options) : pour(argv[2], &options);
    if (r < 0)
        fprintf(stderr, "second: %s %s\n", wpipe_strerror(r), text);
    return r < 0;
}
