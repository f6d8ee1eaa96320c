/* SPDX-License-Identifier: Apache-2.0 */
/* The .NET checklist: who may talk to whom. Rows 143-145; those with two users
 * need root, and are left out with a line where we are not. */
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NOBODY = 65534
};

static struct agent nobody;

/* Let the other user connect, whatever the umask was. */
static void open_to_all(const char *name)
{
    (void)chmod(path_of(name), 0777);
}

/* ---- row 143: one user --------------------------------------------------- */

static void row_same_user(const char *theirs, const char *only)
{
    wpipe_listener *listener;
    wpipe_stream *stream = NULL;
    char what[64];

    (void)snprintf(what, sizeof(what), "same user, %s%s", theirs,
                   only[0] == '\0' ? "" : ", current user only");
    row_begin("143", what, DOTNET_SERVER);
    saw("%s", tell("server a %s %s 1 %s", row_name(), theirs, only));
    saw("%s", word(connect_here(&stream, row_name(), 0)));
    saw("%s", tell("wait a"));
    tell("dispose a");
    wpipe_stream_close(stream);
    row_end("ok ok ok");

    row_begin("143", what, DOTNET_CLIENT);
    listener = listen_here(row_name(), WPIPE_DUPLEX, 0);
    tell("client a %s %s %s", row_name(), theirs, only);
    saw("%s", tell("connect a 1000"));
    saw("%s", word(wpipe_accept(listener, &stream, WAIT_MS)));
    tell("dispose a");
    wpipe_stream_close(stream);
    wpipe_listener_close(listener);
    row_end("ok ok");
}

static void row_five(const char *only)
{
    wpipe_stream *streams[5] = { NULL };
    int good = 0;

    row_begin("143", "5 instances, a client each", DOTNET_SERVER);
    for (int i = 0; i < 5; i++)
        tell("server s%d %s InOut -1 %s", i, row_name(), only);
    for (int i = 0; i < 5; i++) {
        (void)connect_here(&streams[i], row_name(), 0);
        good += strcmp(tell("wait s%d", i), "ok") == 0;
    }
    for (int i = 0; i < 5; i++) {
        tell("dispose s%d", i);
        wpipe_stream_close(streams[i]);
    }
    saw("%d", good);
    row_end("5");
}

/* ---- row 144: two users -------------------------------------------------- */

static void row_their_client(void)
{
    wpipe_options options = { .size = sizeof(options),
                              .foreign = WPIPE_FOREIGN_ONLY,
                              .access = WPIPE_ACCESS_ANYONE };
    wpipe_listener *listener;
    wpipe_stream *stream = NULL;

    row_begin("144", "another user's client, access anyone", DOTNET_CLIENT);
    (void)wpipe_listen(&listener, row_name(), &options);
    agent_tell(&nobody, "client a %s InOut", row_name());
    saw("%s", agent_tell(&nobody, "connect a 1000"));
    saw("%s", word(wpipe_accept(listener, &stream, WAIT_MS)));
    wpipe_stream_close(stream);
    agent_tell(&nobody, "dispose a");
    wpipe_listener_close(listener);
    row_end("ok ok");

    row_begin("144", "the same, it wants its own user only", DOTNET_CLIENT);
    (void)wpipe_listen(&listener, row_name(), &options);
    agent_tell(&nobody, "client a %s InOut user", row_name());
    saw("%s", agent_tell(&nobody, "connect a 1000"));
    agent_tell(&nobody, "dispose a");
    wpipe_listener_close(listener);
    row_end("UnauthorizedAccess");

    row_begin("144", "another user's client, our user only", DOTNET_CLIENT);
    listener = listen_here(row_name(), WPIPE_DUPLEX, 0);
    agent_tell(&nobody, "client a %s InOut", row_name());
    saw("%s", agent_tell(&nobody, "connect a 1000"));
    agent_tell(&nobody, "dispose a");
    wpipe_listener_close(listener);
    row_end("Socket");

    row_begin("145", "the same past the file's mode; then ours", DOTNET_CLIENT);
    listener = listen_here(row_name(), WPIPE_DUPLEX, 0);
    open_to_all(row_name());
    agent_tell(&nobody, "client a %s InOut", row_name());
    saw("%s", agent_tell(&nobody, "connect a 1000"));
    tell("client a %s InOut", row_name());
    saw("%s", tell("connect a 1000"));
    saw("%s", word(wpipe_accept(listener, &stream, WAIT_MS)));
    tell("write a mine");
    saw("%s", read_text(stream, 16));
    agent_tell(&nobody, "dispose a");
    tell("dispose a");
    wpipe_stream_close(stream);
    wpipe_listener_close(listener);
    row_end("ok ok ok 4:mine");
}

static void row_their_server(void)
{
    wpipe_options options = { .size = sizeof(options),
                              .flags = WPIPE_CHECK_UID,
                              .server_uid = NOBODY };
    wpipe_stream *stream = NULL;

    row_begin("144", "another user's server, untold", DOTNET_SERVER);
    agent_tell(&nobody, "server a %s InOut 1", row_name());
    saw("%s", word(connect_here(&stream, row_name(), 0)));
    agent_tell(&nobody, "dispose a");
    row_end("EACCES");

    row_begin("144", "another user's server, told which", DOTNET_SERVER);
    saw("%s", agent_tell(&nobody, "server b %s InOut 1", row_name()));
    saw("%s", word(wpipe_connect(&stream, row_name(), &options, WAIT_MS)));
    saw("%s", agent_tell(&nobody, "wait b"));
    wpipe_stream_close(stream);
    agent_tell(&nobody, "dispose b");
    row_end("ok ok ok");

    row_begin("144", "another user's, for its user only", DOTNET_SERVER);
    agent_tell(&nobody, "server a %s InOut 1 user", row_name());
    saw("%s", word(wpipe_connect(&stream, row_name(), &options, WAIT_MS)));
    saw("%s", agent_tell(&nobody, "wait a"));
    saw("%s", read_text(stream, 1));
    wpipe_stream_close(stream);
    agent_tell(&nobody, "dispose a");
    row_end("ok UnauthorizedAccess EOF");
}

/* The socket of another user's server stays as it is. */
static void row_their_path(void)
{
    char text[256] = "";
    const wpipe_options options = { .size = sizeof(options),
                                    .foreign = WPIPE_FOREIGN_ONLY,
                                    .error_text = text,
                                    .error_text_size = sizeof(text) };
    wpipe_listener *listener;
    int r;

    row_begin("1.2", "another user's server has the path", DOTNET_SERVER);
    agent_tell(&nobody, "server a %s InOut 1", row_name());
    r = wpipe_listen(&listener, row_name(), &options);
    saw("%s %s", word(r),
        r < 0 && strstr(text, path_of(row_name())) != NULL ? "by name" : text);
    saw("%s", access(path_of(row_name()), F_OK) == 0 ? "still there" : "gone");
    agent_tell(&nobody, "dispose a");
    row_end("EINUSE by name still there");
}

void table_users(char *const *agent_arguments)
{
    static const char *const words[] = { "InOut", "In" };

    for (int i = 0; i < 4; i++)
        row_same_user(words[i & 1], i & 2 ? "user" : "");
    row_five("");
    row_five("user");
    if (getuid() != 0) {
        printf("144, 145: skipped: two users need root\n");
        return;
    }
    agent_start(&nobody, agent_arguments, NOBODY);
    row_their_client();
    row_their_server();
    row_their_path();
    agent_stop(&nobody);
}
