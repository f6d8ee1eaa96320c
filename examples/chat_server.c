/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chat by topic: what somebody says under a topic reaches everybody who
 * follows it. A client follows a topic by sending the topic "follow" with its
 * name and the topic in the body ("ann weather"). Clients that leave or die
 * are forgotten at once, and the server says which of the two it was.
 *
 *     chat_server [NAME]
 */
#include <stdio.h>
#include <string.h>
#include <windpipe.h>

enum {
    MEMBERS = 64,
    WORD = 32
};

struct member {
    wpipe_id id; /* 0: a free place */
    char name[WORD];
    char topic[WORD];
};

static struct member members[MEMBERS];

static struct member *find(wpipe_id id)
{
    for (int i = 0; i < MEMBERS; i++)
        if (members[i].id == id)
            return &members[i];
    return NULL;
}

/* "ann weather": take a place, or change the topic. */
static void follow(wpipe_server *server, wpipe_id id, const wpipe_message *m)
{
    struct member *member = find(id);
    char text[2 * WORD];

    if (member == NULL)
        member = find(0);
    if (member == NULL || m->body_size >= sizeof(text)) {
        wpipe_server_kick(server, id);
        return;
    }
    memcpy(text, m->body, m->body_size);
    text[m->body_size] = '\0';
    if (sscanf(text, "%31s %31s", member->name, member->topic) != 2) {
        wpipe_server_kick(server, id);
        return;
    }
    member->id = id;
    printf("%s follows %s\n", member->name, member->topic);
}

/* Pass a line on to all who follow its topic. */
static void spread(wpipe_server *server, const struct member *from,
                   const wpipe_message *m)
{
    char line[1024];
    int length = snprintf(line, sizeof(line), "%s: %.*s", from->name,
                          (int)m->body_size, m->body);
    const wpipe_message copy = { m->topic, m->topic_size, line,
                                 strnlen(line, sizeof(line)) };

    if (length < 0)
        return;
    for (int i = 0; i < MEMBERS; i++)
        if (members[i].id != 0 && strlen(members[i].topic) == m->topic_size &&
            memcmp(members[i].topic, m->topic, m->topic_size) == 0)
            wpipe_server_send_message(server, members[i].id, &copy);
}

static void on_message(wpipe_server *server, const wpipe_event *e)
{
    const struct member *from = find(e->from);
    wpipe_message m;

    if (wpipe_event_message(e, &m) < 0)
        wpipe_server_kick(server, e->from); /* it does not speak our way */
    else if (m.topic_size == 6 && memcmp(m.topic, "follow", 6) == 0)
        follow(server, e->from, &m);
    else if (from != NULL)
        spread(server, from, &m);
}

static void on_left(const wpipe_event *e)
{
    struct member *member = find(e->from);

    if (member == NULL)
        return;
    printf("%s %s\n", member->name,
           e->reason == WPIPE_REASON_CLOSED ? "left"
           : e->reason == WPIPE_REASON_DIED ? "died (its process is gone)"
                                            : "was sent away");
    member->id = 0;
}

int main(int argc, char **argv)
{
    wpipe_options options = { .size = sizeof(options) };
    const char *name = argc > 1 ? argv[1] : "chat";
    char error[200] = "";
    wpipe_server *server;
    wpipe_event e;

    options.error_text = error;
    options.error_text_size = sizeof(error);
    if (wpipe_server_open(&server, name, &options) < 0) {
        fprintf(stderr, "chat_server: %s\n", error);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("chat on %s\n", wpipe_server_name(server));
    while (wpipe_server_wait(server, &e, WPIPE_FOREVER) > 0) {
        if (e.type == WPIPE_EVENT_MESSAGE)
            on_message(server, &e);
        else if (e.type == WPIPE_EVENT_DISCONNECTED)
            on_left(&e);
    }
    wpipe_server_close(server);
    return 0;
}
