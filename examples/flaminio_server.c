/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server for at most ten clients, written in any language. It prints who
 * comes, what they say and who leaves, and answers each message with one of
 * its own over the same pipe. A message is a topic and a text, laid out as C#'s
 * BinaryWriter writes two strings. Programs that link windpipe find the server
 * by its name; .NET programs find the same server with
 *
 *     new NamedPipeClientStream(".", "flaminio", PipeDirection.InOut)
 *
 * and put the length of each message in front of it, as writer.Write(int)
 * does. The eleventh client waits until one of the ten has left.
 *
 *     flaminio_server [NAME]
 */
#include <stdio.h>
#include <windpipe.h>

static void on_connected(wpipe_server *server, const wpipe_event *e)
{
    const wpipe_message welcome = { "welcome", 7, "flaminio is here", 16 };

    printf("client %llu connected\n", (unsigned long long)e->from);
    wpipe_server_send_message(server, e->from, &welcome);
}

static void on_message(wpipe_server *server, const wpipe_event *e)
{
    wpipe_message message;
    wpipe_message answer;

    if (wpipe_event_message(e, &message) < 0) {
        wpipe_server_kick(server, e->from); /* it is no such message */
        return;
    }
    printf("client %llu: [%.*s] %.*s\n", (unsigned long long)e->from,
           (int)message.topic_size, message.topic, (int)message.body_size,
           message.body);
    answer = message; /* the same text comes back, under another topic */
    answer.topic = "heard";
    answer.topic_size = 5;
    wpipe_server_send_message(server, e->from, &answer);
}

static void on_disconnected(const wpipe_event *e)
{
    printf("client %llu disconnected\n", (unsigned long long)e->from);
}

int main(int argc, char **argv)
{
    char error[256] = "";
    wpipe_options options = { .size = sizeof(options),
                              .max_clients = 10,
                              .foreign = WPIPE_FOREIGN_ALSO,
                              .framing = WPIPE_FRAMING_LE32,
                              .error_text = error,
                              .error_text_size = sizeof(error) };
    wpipe_server *server;
    wpipe_event e;

    if (wpipe_server_open(&server, argc > 1 ? argv[1] : "flaminio", &options) <
        0) {
        fprintf(stderr, "flaminio_server: %s\n", error);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("serving %s\n", wpipe_server_name(server));
    while (wpipe_server_wait(server, &e, WPIPE_FOREVER) > 0) {
        if (e.type == WPIPE_EVENT_CONNECTED)
            on_connected(server, &e);
        else if (e.type == WPIPE_EVENT_MESSAGE)
            on_message(server, &e);
        else if (e.type == WPIPE_EVENT_FINISHED)
            wpipe_server_disconnect(server, e.from);
        else if (e.type == WPIPE_EVENT_DISCONNECTED)
            on_disconnected(&e);
    }
    wpipe_server_close(server);
    return 0;
}
