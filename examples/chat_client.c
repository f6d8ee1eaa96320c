/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other half of chat_server: says what it reads, prints what it hears.
 * Shows how a client sits in a poll loop beside another descriptor.
 *
 *     chat_client PIPE WHO TOPIC
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <windpipe.h>

/* Returns 0 when the server is gone. */
static int hear(wpipe_client *client)
{
    wpipe_message m;
    wpipe_event e;
    int r;

    while ((r = wpipe_client_wait(client, &e, 0)) > 0) {
        if (e.type == WPIPE_EVENT_DISCONNECTED)
            return 0;
        if (e.type == WPIPE_EVENT_MESSAGE && wpipe_event_message(&e, &m) == 0)
            printf("[%.*s] %.*s\n", (int)m.topic_size, m.topic,
                   (int)m.body_size, m.body);
    }
    return r == 0 || r == WPIPE_ETIMEDOUT;
}

static int say(wpipe_client *client, const char *topic, const char *text)
{
    const wpipe_message m = { topic, strlen(topic), text, strcspn(text, "\n") };

    return wpipe_client_send_message(client, &m);
}

static void talk(wpipe_client *client, const char *topic)
{
    struct pollfd set[2] = {
        { .fd = STDIN_FILENO, .events = POLLIN },
        { .fd = (int)wpipe_client_fd(client), .events = POLLIN },
    };
    char line[800];

    while (poll(set, 2, -1) > 0) {
        if (set[1].revents != 0 && !hear(client))
            break;
        if (set[0].revents == 0)
            continue;
        if (fgets(line, sizeof(line), stdin) == NULL ||
            say(client, topic, line) < 0)
            break;
    }
}

int main(int argc, char **argv)
{
    wpipe_options options = { .size = sizeof(options) };
    char error[200] = "", hello[100];
    wpipe_client *client;

    if (argc != 4) {
        fprintf(stderr, "usage: chat_client PIPE WHO TOPIC\n");
        return 2;
    }
    options.error_text = error;
    options.error_text_size = sizeof(error);
    options.connect_ms = 10000;
    if (wpipe_client_open(&client, argv[1], &options) < 0) {
        fprintf(stderr, "chat_client: %s\n", error);
        return 1;
    }
    setvbuf(stdin, NULL, _IONBF, 0); /* poll must see what is left to read */
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(hello, sizeof(hello), "%s %s", argv[2], argv[3]);
    if (say(client, "follow", hello) >= 0)
        talk(client, argv[3]);
    wpipe_client_close(client);
    return 0;
}
