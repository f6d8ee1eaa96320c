/* SPDX-License-Identifier: Apache-2.0 */
/* The .NET checklist: states, ends and broken pipes. Rows 58-70, 100-107 and
 * 129-134, and the rules of one-way ends. */
#include "table.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- states of the server: rows 58-66 ------------------------------------ */

static void row_unconnected(void)
{
    wpipe_stream *stream = NULL;

    row_begin("58", "not waited yet, a client is there", DOTNET_SERVER);
    tell("server a %s InOut 1", row_name());
    (void)connect_here(&stream, row_name(), 0);
    saw("%s", tell("read a 1"));
    saw("%s", tell("write a x"));
    saw("%s", tell("writebyte a 1"));
    row_end("InvalidOperation InvalidOperation InvalidOperation");

    row_begin("60", "the same: Disconnect, IsMessageComplete", DOTNET_SERVER);
    saw("%s", tell("disconnect a"));
    saw("%s", tell("complete a"));
    tell("dispose a");
    wpipe_stream_close(stream);
    row_end("InvalidOperation InvalidOperation");
}

static void row_disconnected(void)
{
    struct pair pair;

    row_begin("61", "connected: IsMessageComplete", DOTNET_SERVER);
    pair_open(&pair, DOTNET_SERVER, 0, "InOut");
    saw("%s", tell("complete a"));
    row_end("InvalidOperation");

    row_begin("62", "Disconnect, twice", DOTNET_SERVER);
    saw("%s", tell("disconnect a"));
    saw("%s", tell("connected a"));
    saw("%s", tell("disconnect a"));
    saw("%s", read_text(pair.stream, 1));
    row_end("ok False InvalidOperation EOF");

    row_begin("63", "disconnected: read, write, flush, user", DOTNET_SERVER);
    saw("%s", tell("read a 1"));
    saw("%s", tell("write a x"));
    saw("%s", tell("flush a"));
    saw("%s", tell("user a"));
    row_end("InvalidOperation InvalidOperation InvalidOperation "
            "InvalidOperation");
    pair_close(&pair);
}

static void row_next(void)
{
    wpipe_stream *stream = NULL;

    row_begin("64", "disconnected: serves the next", DOTNET_SERVER);
    tell("server a %s InOut 1", row_name());
    for (int i = 0; i < 2; i++) {
        (void)connect_here(&stream, row_name(), 0);
        saw("%s", tell("wait a"));
        (void)wpipe_write(stream, "x", 1, WAIT_MS);
        saw("%s", tell("read a 10"));
        tell("disconnect a");
        wpipe_stream_close(stream);
    }
    tell("dispose a");
    row_end("ok 1:x ok 1:x");

    row_begin("65", "disposed", DOTNET_SERVER);
    saw("%s", tell("disconnect a"));
    saw("%s", tell("user a"));
    saw("%s", tell("wait a"));
    row_end("ObjectDisposed ObjectDisposed ObjectDisposed");
}

static void row_client_gone(void)
{
    const struct passwd *user = getpwuid(getuid());
    struct pair pair;

    row_begin("66", "our client is closed: wait, user", DOTNET_SERVER);
    pair_open(&pair, DOTNET_SERVER, 0, "InOut");
    wpipe_stream_close(pair.stream);
    pair.stream = NULL;
    saw("%s", tell("wait a"));
    saw("%s", user != NULL && strcmp(tell("user a"), user->pw_name) == 0
                  ? "its name"
                  : "another name");
    pair_close(&pair);
    row_end("InvalidOperation its name");
}

/* ---- states of the client: rows 68-70 ------------------------------------ */

static void row_client_states(void)
{
    struct pair pair;

    row_begin("68", "we disconnect: reads, Connect again", DOTNET_CLIENT);
    pair_open(&pair, DOTNET_CLIENT, 0, "InOut");
    saw("%s", word(wpipe_disconnect(pair.stream)));
    saw("%s", tell("read a 1"));
    saw("%s", tell("readbyte a"));
    saw("%s", tell("complete a"));
    saw("%s", tell("connect a 100"));
    row_end("ok 0 -1 InvalidOperation InvalidOperation");

    row_begin("69", "we disconnected: write", DOTNET_CLIENT);
    saw("%s", tell("write a x"));
    saw("%s", tell("connected a"));
    row_end("IO False");
    pair_close(&pair);

    row_begin("70", "disposed: Connect, instances", DOTNET_CLIENT);
    saw("%s", tell("connect a 100"));
    saw("%s", tell("instances a"));
    row_end("ObjectDisposed ObjectDisposed");
}

/* ---- broken pipes: rows 100-107 ------------------------------------------ */

static void close_ours(struct pair *pair)
{
    wpipe_stream_close(pair->stream);
    pair->stream = NULL;
}

static void row_broken(enum side side)
{
    struct pair pair;

    row_begin("100", "our reader is gone: its write", side);
    pair_open(&pair, side, 0, "InOut");
    close_ours(&pair);
    saw("%s", tell("write a x"));
    saw("%s", tell("connected a"));
    saw("%s", tell("write a x"));
    pair_close(&pair);
    row_end("IO False IO");

    row_begin("100", "its reader is gone: our write", side);
    pair_open(&pair, side, 0, "InOut");
    tell("dispose a");
    saw("%s", word(wpipe_write(pair.stream, "x", 1, WAIT_MS)));
    saw("%s", word(wpipe_write(pair.stream, "x", 1, WAIT_MS)));
    pair_close(&pair);
    row_end("EPIPE EPIPE");

    row_begin("1.8", "we close, its data unread", side);
    pair_open(&pair, side, 0, "InOut");
    tell("write a unread");
    (void)wpipe_write(pair.stream, "last", 4, WAIT_MS);
    close_ours(&pair);
    saw("%s", tell("read a 16"));
    saw("%s", tell("read a 16"));
    pair_close(&pair);
    row_end("4:last IO");

    row_begin("1.8", "it closes, our data unread", side);
    pair_open(&pair, side, 0, "InOut");
    (void)wpipe_write(pair.stream, "unread", 6, WAIT_MS);
    tell("write a last");
    tell("dispose a");
    saw("%s", read_text(pair.stream, 16));
    saw("%s", read_text(pair.stream, 16));
    saw("%s", word(wpipe_write(pair.stream, "x", 1, WAIT_MS)));
    pair_close(&pair);
    row_end("4:last EOF EPIPE");
}

static void row_server_gone(void)
{
    struct pair pair;

    row_begin("104", "the server is disposed: our read", DOTNET_SERVER);
    pair_open(&pair, DOTNET_SERVER, 0, "InOut");
    tell("dispose a");
    saw("%s", read_text(pair.stream, 1));
    saw("%s", read_text(pair.stream, 1));
    row_end("EOF EOF");
    row_begin("105", "the server is disposed: our write", DOTNET_SERVER);
    saw("%s", word(wpipe_write(pair.stream, "x", 1, WAIT_MS)));
    pair_close(&pair);
    row_end("EPIPE");

    row_begin("104", "the server is closed: its read", DOTNET_CLIENT);
    pair_open(&pair, DOTNET_CLIENT, 0, "InOut");
    close_ours(&pair);
    saw("%s", tell("read a 1"));
    saw("%s", tell("read a 1"));
    saw("%s", tell("asyncread a 1"));
    row_end("0 0 0");
    row_begin("105", "the server is closed: its write", DOTNET_CLIENT);
    saw("%s", tell("write a x"));
    pair_close(&pair);
    row_end("IO");

    row_begin("106", "the server disconnects: our read", DOTNET_SERVER);
    pair_open(&pair, DOTNET_SERVER, 0, "InOut");
    tell("disconnect a");
    saw("%s", read_text(pair.stream, 1));
    saw("%s", read_text(pair.stream, 1));
    row_end("EOF EOF");
    row_begin("107", "the server disconnects: our write", DOTNET_SERVER);
    saw("%s", word(wpipe_write(pair.stream, "x", 1, WAIT_MS)));
    pair_close(&pair);
    row_end("EPIPE");

    row_begin("106", "the server disconnects: its read", DOTNET_CLIENT);
    pair_open(&pair, DOTNET_CLIENT, 0, "InOut");
    (void)wpipe_disconnect(pair.stream);
    saw("%s", tell("read a 1"));
    saw("%s", tell("asyncread a 1"));
    row_end("0 0");
    row_begin("107", "the server disconnects: its write", DOTNET_CLIENT);
    saw("%s", tell("write a x"));
    pair_close(&pair);
    row_end("IO");
}

/* ---- one-way ends: the rules of section 1.7 ------------------------------ */

static void row_one_way(enum side side)
{
    struct pair pair;

    row_begin("1.7", "it only reads: our read, our write", side);
    pair_open(&pair, side, 0, "In");
    saw("%s", read_text(pair.stream, 1));
    saw("%s", word(wpipe_write(pair.stream, "hello", 5, WAIT_MS)));
    saw("%s", tell("read a 16"));
    pair_close(&pair);
    row_end("EOF ok 5:hello");

    row_begin("1.7", "it only writes: our write, our read", side);
    pair_open(&pair, side, 0, "Out");
    saw("%s", word(wpipe_write(pair.stream, "x", 1, WAIT_MS)));
    saw("%s", tell("write a hello"));
    saw("%s", read_text(pair.stream, 16));
    pair_close(&pair);
    row_end("EPIPE ok 5:hello");

    row_begin("1.7", "we only read: its read, its write", side);
    pair_open(&pair, side, WPIPE_IN, "InOut");
    saw("%s", tell("read a 1"));
    saw("%s", tell("write a hello"));
    saw("%s", read_text(pair.stream, 16));
    pair_close(&pair);
    row_end("0 ok 5:hello");

    row_begin("1.7", "we only write: its write, its read", side);
    pair_open(&pair, side, WPIPE_OUT, "InOut");
    saw("%s", word(wpipe_write(pair.stream, "hello", 5, WAIT_MS)));
    saw("%s", tell("read a 16"));
    saw("%s", tell("write a x"));
    pair_close(&pair);
    row_end("ok 5:hello IO");

    row_begin("1.8", "we finish: its read, its write", side);
    pair_open(&pair, side, 0, "InOut");
    saw("%s", word(wpipe_finish(pair.stream)));
    saw("%s", tell("read a 1"));
    saw("%s", tell("connected a"));
    saw("%s", tell("write a hello"));
    saw("%s", read_text(pair.stream, 16));
    pair_close(&pair);
    row_end("ok 0 True ok 5:hello");
}

/* ---- sizes and modes: rows 129-134 --------------------------------------- */

static void row_sizes(void)
{
    enum {
        ASKED = 131072
    };
    wpipe_stream *stream = NULL;

    row_begin("129", "buffer sizes asked for", DOTNET_SERVER);
    tell("server a %s InOut 1 buf=%d", row_name(), ASKED);
    (void)connect_here(&stream, row_name(), 0);
    tell("wait a");
    saw("%s", strtol(tell("inbuf a"), NULL, 10) >= ASKED ? ">=" : "<");
    saw("%s", strtol(tell("outbuf a"), NULL, 10) >= ASKED ? ">=" : "<");
    tell("dispose a");
    wpipe_stream_close(stream);
    row_end(">= >=");
}

static void row_modes(enum side side)
{
    struct pair pair;

    row_begin("131", "TransmissionMode", side);
    pair_open(&pair, side, 0, "InOut");
    saw("%s", tell("mode a"));
    row_end("Byte");
    row_begin("132", "ReadMode = Byte", side);
    saw("%s", tell("readmode a 0"));
    row_end("ok");
    row_begin("133", "ReadMode = 999", side);
    saw("%s", tell("readmode a 999"));
    row_end("ArgumentOutOfRange");
    row_begin("134", "WaitForPipeDrain; ours waits", side);
    saw("%s", tell("drain a"));
    (void)wpipe_write(pair.stream, "hello", 5, WAIT_MS);
    saw("%s", word(wpipe_drain(pair.stream, 50)));
    saw("%s", tell("read a 16"));
    saw("%s", word(wpipe_drain(pair.stream, WAIT_MS)));
    pair_close(&pair);
    row_end("PlatformNotSupported ETIMEDOUT 5:hello ok");
}

void table_state(void)
{
    row_unconnected();
    row_disconnected();
    row_next();
    row_client_gone();
    row_client_states();
    row_broken(DOTNET_SERVER);
    row_broken(DOTNET_CLIENT);
    row_server_gone();
    row_one_way(DOTNET_SERVER);
    row_one_way(DOTNET_CLIENT);
    row_sizes();
    row_modes(DOTNET_SERVER);
    row_modes(DOTNET_CLIENT);
}
