/* SPDX-License-Identifier: Apache-2.0 */
/* The .NET checklist: finding each other. Rows 27-30 and 41-57. */
#include "table.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* ---- plain sockets ------------------------------------------------------- */

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    (void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    return a;
}

static int raw_bind(const char *path, int type)
{
    const struct sockaddr_un a = address(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
        return fd;
    saw("bind failed");
    return fd;
}

static int raw_connect(const char *path)
{
    const struct sockaddr_un a = address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
        saw("connect failed");
    return fd;
}

static void raw_read(int fd)
{
    char buf[16];
    ssize_t n = read(fd, buf, sizeof(buf));

    saw("%.*s", n < 0 ? 1 : (int)n, n < 0 ? "?" : buf);
}

static const char *there(const char *path)
{
    return access(path, F_OK) == 0 ? "there" : "gone";
}

/* ---- files: rows 27-30 --------------------------------------------------- */

static void row_first(void)
{
    wpipe_listener *listener;

    row_begin("27", "first instance, but ours lives", DOTNET_SERVER);
    listener = listen_here(row_name(), WPIPE_DUPLEX, 0);
    saw("%s", tell("server a %s InOut 1 first", row_name()));
    wpipe_listener_close(listener);
    row_end("UnauthorizedAccess");
}

static void row_files(void)
{
    wpipe_listener *listener;
    wpipe_stream *stream = NULL;
    const wpipe_options options = { .size = sizeof(options),
                                    .foreign = WPIPE_FOREIGN_ONLY };
    char longest[93];

    row_begin("28", "a dead server's socket is there", DOTNET_SERVER);
    close(raw_bind(path_of(row_name()), SOCK_STREAM));
    saw("%s", tell("server a %s InOut 1", row_name()));
    saw("%s", word(connect_here(&stream, row_name(), 0)));
    saw("%s", tell("wait a"));
    saw("%s", word(wpipe_listen(&listener, row_name(), &options)));
    tell("dispose a");
    wpipe_stream_close(stream);
    row_end("ok ok ok EINUSE");

    row_begin("28", "a dead server's socket is there", DOTNET_CLIENT);
    close(raw_bind(path_of(row_name()), SOCK_STREAM));
    listener = listen_here(row_name(), WPIPE_DUPLEX, 0);
    tell("client a %s InOut", row_name());
    saw("%s", tell("connect a 1000"));
    tell("dispose a");
    wpipe_listener_close(listener);
    row_end("ok");

    row_begin("29", "the file goes with the server", DOTNET_CLIENT);
    listener = listen_here(row_name(), WPIPE_DUPLEX, 0);
    saw("%s", there(path_of(row_name())));
    wpipe_listener_close(listener);
    saw("%s", there(path_of(row_name())));
    row_end("there gone");

    row_begin("30", "a path of 108 bytes", DOTNET_CLIENT);
    memset(longest, 'x', sizeof(longest) - 1);
    longest[108 - strlen(path_of(""))] = '\0';
    saw("%s", word(wpipe_listen(&listener, longest, &options)));
    longest[107 - strlen(path_of("")) - (size_t)is_mono] = '\0';
    listener = listen_here(longest, WPIPE_DUPLEX, 0);
    tell("client a %s InOut", longest);
    saw("%s", tell("connect a 1000"));
    tell("dispose a");
    wpipe_listener_close(listener);
    row_end("ENAME ok");
}

/* ---- nobody there: rows 41-44 -------------------------------------------- */

static const char *in_time(int64_t begun, int least)
{
    int64_t ms = now_ms() - begun;

    static char text[32];

    (void)snprintf(text, sizeof(text), "%lld ms", (long long)ms);
    return ms >= least && ms < least + 1000 ? "in time" : text;
}

static long sleeps(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

static void row_absent(void)
{
    wpipe_options options = { .size = sizeof(options),
                              .flags = WPIPE_CONNECT_LATER };
    wpipe_stream *stream = NULL;
    wpipe_client *client;
    wpipe_event e;
    int64_t begun;
    long before;

    row_begin("41", "absent, 60 ms", DOTNET_SERVER);
    saw("%s", word(wpipe_connect(&stream, row_name(), NULL, 60)));
    row_end("ENOTFOUND");

    row_begin("41", "nobody listens, 60 ms", DOTNET_CLIENT);
    tell("client a %s InOut", row_name());
    saw("%s", tell("connect a 60"));
    tell("dispose a");
    row_end("Timeout");

    row_begin("42", "absent, 91 ms, not before", DOTNET_SERVER);
    begun = now_ms();
    saw("%s", word(wpipe_connect(&stream, row_name(), NULL, 91)));
    saw("%s", in_time(begun, 91));
    row_end("ENOTFOUND in time");

    row_begin("42", "absent, 91 ms, not before", DOTNET_CLIENT);
    tell("client a %s InOut", row_name());
    begun = now_ms(); /* .NET's clock moves on every four milliseconds or so */
    saw("%s", tell("connect a 91"));
    saw("%s", in_time(begun, 86));
    tell("dispose a");
    row_end("Timeout in time");

    row_begin("43", "a pending connect is ended", DOTNET_SERVER);
    saw("%s", word(wpipe_client_open(&client, row_name(), &options)));
    saw("%s", word(wpipe_client_wait(client, &e, 50)));
    wpipe_client_wake(client);
    saw("%d", wpipe_client_wait(client, &e, WAIT_MS));
    wpipe_client_close(client);
    row_end("ok ETIMEDOUT 0");

    row_begin("43", "a pending connect is cancelled", DOTNET_CLIENT);
    tell("client a %s InOut", row_name());
    saw("%s", tell("connectcancel a 100"));
    saw("%s", tell("connectcancel a 0"));
    tell("dispose a");
    row_end("OperationCanceled OperationCanceled");

    row_begin("44", "absent, 500 ms, asleep meanwhile", DOTNET_SERVER);
    before = sleeps();
    saw("%s", word(wpipe_connect(&stream, row_name(), NULL, 500)));
    before = sleeps() - before;
    if (before <= 5)
        saw("<= 5 sleeps");
    else
        saw("%ld sleeps", before);
    row_end("ENOTFOUND <= 5 sleeps");
}

/* ---- rows 45-48 ---------------------------------------------------------- */

static void row_directions(void)
{
    struct pair pair;

    row_begin("45", "both write, both read: connects", DOTNET_SERVER);
    pair_open(&pair, DOTNET_SERVER, WPIPE_OUT, "Out");
    pair_close(&pair);
    pair_open(&pair, DOTNET_SERVER, WPIPE_IN, "In");
    saw("connected");
    pair_close(&pair);
    row_end("connected");

    row_begin("45", "both write, both read: connects", DOTNET_CLIENT);
    pair_open(&pair, DOTNET_CLIENT, WPIPE_OUT, "Out");
    pair_close(&pair);
    pair_open(&pair, DOTNET_CLIENT, WPIPE_IN, "In");
    saw("connected");
    pair_close(&pair);
    row_end("connected");
}

static void row_busy(void)
{
    wpipe_listener *listener;
    wpipe_stream *one = NULL;
    wpipe_stream *two = NULL;

    row_begin("46", "one place, a second connects", DOTNET_SERVER);
    tell("server a %s InOut 1", row_name());
    saw("%s", word(connect_here(&one, row_name(), 0)));
    saw("%s", word(connect_here(&two, row_name(), 0)));
    tell("dispose a");
    wpipe_stream_close(one);
    wpipe_stream_close(two);
    two = NULL;
    row_end("ok ok");

    row_begin("46", "one place, a second connects", DOTNET_CLIENT);
    listener = listen_here(row_name(), WPIPE_DUPLEX, 1);
    tell("client a %s InOut", row_name());
    tell("client b %s InOut", row_name());
    saw("%s", tell("connect a 1000"));
    saw("%s", word(wpipe_accept(listener, &one, WAIT_MS)));
    saw("%s", tell("connect b 1000"));
    saw("%s", word(wpipe_accept(listener, &two, 50)));
    wpipe_stream_close(one);
    saw("%s", word(wpipe_accept(listener, &two, 2000)));
    wpipe_stream_close(two);
    tell("dispose a");
    tell("dispose b");
    wpipe_listener_close(listener);
    row_end("ok ok ok ETIMEDOUT ok");
}

static void row_twice(void)
{
    struct pair pair;

    row_begin("47", "connect when connected", DOTNET_CLIENT);
    pair_open(&pair, DOTNET_CLIENT, 0, "InOut");
    saw("%s", tell("connect a 100"));
    pair_close(&pair);
    row_end("InvalidOperation");

    row_begin("48", "wait when connected", DOTNET_SERVER);
    pair_open(&pair, DOTNET_SERVER, 0, "InOut");
    saw("%s", tell("wait a"));
    saw("%s", tell("waitcancel a 100"));
    pair_close(&pair);
    row_end("InvalidOperation InvalidOperation");
}

/* ---- many: rows 49-53 ---------------------------------------------------- */

/* `count` clients of one instance, one at a time, each with its byte. */
static void row_queue(int count)
{
    wpipe_listener *listener;
    wpipe_stream *streams[3] = { NULL };
    uint8_t byte;

    row_begin("49",
              count == 1 ? "one instance, 1 client" : "one instance, 3 clients",
              DOTNET_SERVER);
    tell("server a %s InOut 1", row_name());
    for (int i = 0; i < count; i++)
        (void)connect_here(&streams[i], row_name(), 0);
    for (int i = 0; i < count; i++) {
        tell("wait a");
        tell("writebyte a %d", i);
        saw("%s", wpipe_read(streams[i], &byte, 1, WAIT_MS) == 1 && byte == i
                      ? "own"
                      : "wrong");
        tell("disconnect a");
        wpipe_stream_close(streams[i]);
    }
    tell("dispose a");
    row_end(count == 1 ? "own" : "own own own");

    row_begin("49",
              count == 1 ? "one instance, 1 client" : "one instance, 3 clients",
              DOTNET_CLIENT);
    listener = listen_here(row_name(), WPIPE_DUPLEX, 1);
    for (int i = 0; i < count; i++) {
        tell("client c%d %s InOut", i, row_name());
        tell("connect c%d 1000", i);
    }
    for (int i = 0; i < count; i++) {
        byte = (uint8_t)i;
        (void)wpipe_accept(listener, &streams[0], WAIT_MS);
        (void)wpipe_write(streams[0], &byte, 1, WAIT_MS);
        wpipe_stream_close(streams[0]);
        saw("%s", tell("readbyte c%d", i));
        tell("dispose c%d", i);
    }
    wpipe_listener_close(listener);
    row_end(count == 1 ? "0" : "0 1 2");
}

/* `count` instances of one name at once. */
static void row_instances(int count)
{
    wpipe_listener *listener;
    wpipe_stream *streams[4] = { NULL };
    unsigned set = 0;
    uint8_t byte = 0;

    row_begin("50", count == 1 ? "1 instance" : "4 instances at once",
              DOTNET_SERVER);
    for (int i = 0; i < count; i++) {
        tell("server s%d %s InOut %d", i, row_name(), count);
        tell("start w%d wait s%d", i, i);
    }
    for (int i = 0; i < count; i++)
        (void)connect_here(&streams[i], row_name(), 0);
    for (int i = 0; i < count; i++) {
        tell("join w%d", i);
        tell("writebyte s%d %d", i, i);
    }
    for (int i = 0; i < count; i++) {
        if (wpipe_read(streams[i], &byte, 1, WAIT_MS) == 1)
            set |= 1u << byte;
        wpipe_stream_close(streams[i]);
        tell("dispose s%d", i);
    }
    saw("%s", set == (1u << count) - 1 ? "all served" : "not all");
    row_end("all served");

    row_begin("50", count == 1 ? "1 instance" : "4 instances at once",
              DOTNET_CLIENT);
    listener = listen_here(row_name(), WPIPE_DUPLEX, count);
    for (int i = 0; i < count; i++) {
        tell("client c%d %s InOut", i, row_name());
        tell("connect c%d 1000", i);
        (void)wpipe_accept(listener, &streams[i], WAIT_MS);
    }
    for (int i = 0; i < count; i++) {
        byte = (uint8_t)i;
        (void)wpipe_write(streams[i], &byte, 1, WAIT_MS);
    }
    for (int i = 0; i < count; i++) {
        saw("%s", tell("readbyte c%d", i));
        tell("dispose c%d", i);
        wpipe_stream_close(streams[i]);
    }
    wpipe_listener_close(listener);
    row_end(count == 1 ? "0" : "0 1 2 3");
}

static void row_early(void)
{
    wpipe_listener *listener;
    wpipe_stream *stream = NULL;

    row_begin("51", "connect and write before the wait", DOTNET_SERVER);
    tell("server a %s InOut 1", row_name());
    saw("%s", word(connect_here(&stream, row_name(), 0)));
    saw("%s", word(wpipe_write(stream, "early", 5, WAIT_MS)));
    saw("%s", tell("wait a"));
    saw("%s", tell("read a 100"));
    tell("dispose a");
    wpipe_stream_close(stream);
    row_end("ok ok ok 5:early");

    row_begin("51", "connect and write before the wait", DOTNET_CLIENT);
    listener = listen_here(row_name(), WPIPE_DUPLEX, 0);
    tell("client a %s InOut", row_name());
    saw("%s", tell("connect a 1000"));
    saw("%s", tell("write a early"));
    saw("%s", word(wpipe_accept(listener, &stream, WAIT_MS)));
    saw("%s", read_text(stream, 100));
    tell("dispose a");
    wpipe_stream_close(stream);
    wpipe_listener_close(listener);
    row_end("ok ok ok 5:early");
}

static void row_cancelled(void)
{
    wpipe_stream *stream = NULL;

    row_begin("52", "two wait, one is disposed", DOTNET_SERVER);
    tell("server a %s InOut 2 async", row_name());
    tell("server b %s InOut 2 async", row_name());
    tell("start wa waitcancel a 60000");
    tell("start wb waitcancel b 60000");
    tell("dispose a");
    saw("%s", strcmp(tell("join wa"), "ok") == 0 ? "went on" : "threw");
    saw("%s", tell("write a x"));
    saw("%s", word(connect_here(&stream, row_name(), 0)));
    saw("%s", tell("join wb"));
    tell("write b hello");
    saw("%s", read_text(stream, 100));
    tell("dispose b");
    wpipe_stream_close(stream);
    row_end("threw ObjectDisposed ok ok 5:hello");

    row_begin("53", "a wait is cancelled, the next is not", DOTNET_SERVER);
    tell("server a %s InOut 1 async", row_name());
    saw("%s", tell("waitcancel a 0"));
    saw("%s", tell("waitcancel a 100"));
    saw("%s", word(connect_here(&stream, row_name(), 0)));
    saw("%s", tell("wait a"));
    tell("dispose a");
    wpipe_stream_close(stream);
    row_end("OperationCanceled OperationCanceled ok ok");
}

static void row_ended_waits(void)
{
    wpipe_listener *listener;
    wpipe_stream *stream = NULL;

    row_begin("53", "a wait is ended, the next is not", DOTNET_CLIENT);
    listener = listen_here(row_name(), WPIPE_DUPLEX, 0);
    wpipe_listener_wake(listener);
    saw("%s", word(wpipe_accept(listener, &stream, WAIT_MS)));
    tell("client a %s InOut", row_name());
    saw("%s", tell("connect a 1000"));
    saw("%s", word(wpipe_accept(listener, &stream, WAIT_MS)));
    tell("dispose a");
    wpipe_stream_close(stream);
    wpipe_listener_close(listener);
    row_end("EWOKEN ok ok");
}

/* ---- plain sockets: rows 55, 56 ------------------------------------------ */

static void row_plain(void)
{
    wpipe_listener *listener;
    wpipe_stream *stream = NULL;
    char path[256];
    int fd;
    int door;

    row_begin("55", "a plain socket as its client", DOTNET_SERVER);
    (void)snprintf(path, sizeof(path), "%s.abs", path_of(row_name()));
    saw("%s", tell("server a %s InOut 1", path));
    fd = raw_connect(path);
    saw("%s", tell("wait a"));
    if (write(fd, "hi", 2) == 2)
        saw("%s", tell("read a 16"));
    tell("write a yo");
    raw_read(fd);
    tell("dispose a");
    close(fd);
    row_end("ok ok 2:hi yo");

    row_begin("55", "an absolute path, served by us", DOTNET_CLIENT);
    (void)snprintf(path, sizeof(path), "%s.abs", path_of(row_name()));
    listener = listen_here(path, WPIPE_DUPLEX, 0);
    tell("client a %s InOut", path);
    saw("%s", tell("connect a 1000"));
    saw("%s", word(wpipe_accept(listener, &stream, WAIT_MS)));
    tell("write a hi");
    saw("%s", read_text(stream, 16));
    tell("dispose a");
    wpipe_stream_close(stream);
    wpipe_listener_close(listener);
    row_end("ok ok 2:hi");

    row_begin("56", "a plain listener, listen(1)", DOTNET_CLIENT);
    (void)snprintf(path, sizeof(path), "%s.abs", path_of(row_name()));
    door = raw_bind(path, SOCK_STREAM);
    (void)listen(door, 1);
    tell("client a %s InOut", path);
    saw("%s", tell("connect a 1000"));
    fd = accept(door, NULL, NULL);
    tell("write a hi");
    raw_read(fd);
    close(fd);
    saw("%s", word(connect_here(&stream, path, 0)));
    fd = accept(door, NULL, NULL);
    (void)wpipe_write(stream, "hi", 2, WAIT_MS);
    raw_read(fd);
    wpipe_stream_close(stream);
    tell("dispose a");
    close(fd);
    close(door);
    row_end("ok hi ok hi");

    row_begin("1.5", "a listener that is no stream", DOTNET_CLIENT);
    (void)snprintf(path, sizeof(path), "%s.seq", path_of(row_name()));
    door = raw_bind(path, SOCK_SEQPACKET);
    (void)listen(door, 1);
    tell("client a %s InOut", path);
    saw("%s", tell("connect a 1000"));
    saw("%s", word(connect_here(&stream, path, 0)));
    tell("dispose a");
    close(door);
    row_end("Socket ENOTSUP");
}

static void row_instance_count(void)
{
    struct pair pair;

    row_begin("57", "NumberOfServerInstances", DOTNET_CLIENT);
    pair_open(&pair, DOTNET_CLIENT, 0, "InOut");
    saw("%s", tell("instances a"));
    pair_close(&pair);
    row_end("PlatformNotSupported");
}

/* ---- who comes while it is waited for ------------------------------------ */

static void row_appears(void)
{
    wpipe_listener *listener;
    wpipe_stream *stream = NULL;

    row_begin("1.5", "we wait, its server appears", DOTNET_SERVER);
    tell("start s server a %s InOut 1", row_name());
    saw("%s", word(connect_here(&stream, row_name(), 0)));
    saw("%s", tell("join s"));
    saw("%s", tell("wait a"));
    tell("dispose a");
    wpipe_stream_close(stream);
    row_end("ok ok ok");

    row_begin("1.5", "it waits, our server appears", DOTNET_CLIENT);
    tell("client a %s InOut", row_name());
    tell("start c connect a 10000");
    listener = listen_here(row_name(), WPIPE_DUPLEX, 0);
    saw("%s", word(wpipe_accept(listener, &stream, WAIT_MS)));
    saw("%s", tell("join c"));
    tell("dispose a");
    wpipe_stream_close(stream);
    wpipe_listener_close(listener);
    row_end("ok ok");
}

void table_connect(void)
{
    if (!is_mono)
        row_first();
    row_files();
    row_absent();
    row_directions();
    row_busy();
    row_twice();
    row_queue(1);
    row_queue(3);
    row_instances(1);
    row_instances(4);
    row_early();
    row_ended_waits();
    if (!is_mono)
        row_cancelled();
    row_plain();
    row_instance_count();
    row_appears();
}
