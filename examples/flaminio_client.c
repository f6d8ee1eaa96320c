/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of flaminio_server, or of a C# server that does the same: says one
 * thing under a topic, prints what comes until the answer is there, and leaves.
 * The server may be windpipe or a .NET NamedPipeServerStream: the native door
 * is looked for first, then the one of .NET, where each message has its length
 * in front.
 *
 *     flaminio_client [NAME [TOPIC [TEXT]]]
 */
#include <stdio.h>
#include <string.h>
#include <windpipe.h>

/* Print a message. 1 when it is the answer, 0 when not, or what is wrong. */
static int print_message(const wpipe_event *e)
{
    wpipe_message m;
    int r = wpipe_event_message(e, &m);

    if (r < 0)
        return r;
    printf("[%.*s] %.*s\n", (int)m.topic_size, m.topic, (int)m.body_size,
           m.body);
    return m.topic_size == 5 && memcmp(m.topic, "heard", 5) == 0;
}

/* Until the answer is there, for five seconds from one event to the next. */
static int listen_to(wpipe_client *client)
{
    wpipe_event e;
    int r = 0;

    while (r == 0) {
        r = wpipe_client_wait(client, &e, 5000);
        if (r < 0)
            break;
        r = 0;
        if (e.type == WPIPE_EVENT_MESSAGE)
            r = print_message(&e);
        else if (e.type == WPIPE_EVENT_DISCONNECTED)
            r = WPIPE_ENOTCONN;
    }
    return r < 0 ? r : 0;
}

int main(int argc, char **argv)
{
    wpipe_options options = { .size = sizeof(options),
                              .framing = WPIPE_FRAMING_LE32,
                              .connect_ms = 5000 };
    const char *topic = argc > 2 ? argv[2] : "greeting";
    const char *text = argc > 3 ? argv[3] : "hello from c";
    const wpipe_message message = { topic, strlen(topic), text, strlen(text) };
    wpipe_client *client;
    int r;

    r = wpipe_client_open(&client, argc > 1 ? argv[1] : "flaminio", &options);
    if (r == 0) {
        r = wpipe_client_send_message(client, &message);
        if (r == 0)
            r = listen_to(client);
        wpipe_client_close(client);
    }
    if (r < 0)
        fprintf(stderr, "flaminio_client: %s\n", wpipe_strerror(r));
    return r < 0;
}
