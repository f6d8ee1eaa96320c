/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of a cell: a process that meets the object under test, talks
 * with it as often as its way needs, and does nothing more until its fate.
 */
#include "matrix.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    EVENT_LISTENS = 1,
    EVENT_IDLE = 2,
    EVENT_STRIKE = 3,
    EVENT_STRUCK = 4
};

/* One of these is there. */
struct peer {
    const struct meeting *meeting;
    wpipe_listener *listener;
    wpipe_stream *stream;
    wpipe_client *client;
    wpipe_server *server;
    wpipe_id id;
    int door; /* of a raw server */
    int fd;   /* raw */
};

static const char word[] = "word";

int matrix_rounds(const struct cell *cell)
{
    /* a link offers memory with its sixteenth record */
    return cell->way == WAY_MOVING ? 7 : cell->way == WAY_SHARED ? 20 : 2;
}

int matrix_extra(const struct cell *cell)
{
    return cell->way == WAY_MOVING ? 2 : 0;
}

wpipe_options matrix_options(const struct cell *cell)
{
    static const int shared[WAYS] = { WPIPE_SHARED_NEVER, WPIPE_SHARED_NOW,
                                      WPIPE_SHARED_AUTO };
    wpipe_options o = { .size = sizeof o };

    o.type = cell->way == WAY_RAW ? WPIPE_BYTE : WPIPE_MESSAGE;
    if (cell->way == WAY_RAW && !is_stream(cell))
        o.type = WPIPE_MESSAGE; /* whatever comes is one */
    o.shared_memory = shared[cell->way];
    o.buffer_in = 65536;
    o.buffer_out = 65536;
    o.queue_limit = 65536;
    o.linger_ms = MATRIX_DEADLINE_MS;
    if (cell->op == OP_DISCONNECT &&
        matrix_right(cell, cell->op).when == AT_EVENT)
        o.linger_ms = SUPPORT_WAIT_MS; /* the fate ends it, not this */
    o.foreign = is_foreign(cell) ? WPIPE_FOREIGN_ONLY : WPIPE_FOREIGN_DEFAULT;
    o.framing = cell->way == WAY_LE32 ? WPIPE_FRAMING_LE32 : WPIPE_FRAMING_RAW;
    return o;
}

/* Only a stream can finish: it takes the place of a server or client. */
static bool is_stream_peer(const struct cell *cell)
{
    return is_stream(cell) || cell->fate == FATE_HALF_CLOSED;
}

/* ---- a plain socket ------------------------------------------------------ */

static struct sockaddr_un raw_address(const struct meeting *meeting)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int n;

    if (meeting->name[0] == '/')
        n = snprintf(address.sun_path, sizeof address.sun_path, "%s",
                     meeting->name);
    else
        n = snprintf(address.sun_path, sizeof address.sun_path,
                     "%s/CoreFxPipe_%s", getenv("TMPDIR"), meeting->name);
    assert_true(n > 0 && (size_t)n < sizeof address.sun_path);
    return address;
}

static void raw_listen(struct peer *p)
{
    struct sockaddr_un address = raw_address(p->meeting);

    p->door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->door, (struct sockaddr *)&address, sizeof address),
                     0);
    assert_int_equal(listen(p->door, 4), 0);
}

static void raw_meet(struct peer *p)
{
    struct sockaddr_un address = raw_address(p->meeting);

    if (!is_host(&p->meeting->cell)) {
        assert_true(support_wait_readable(p->door, SUPPORT_WAIT_MS));
        p->fd = accept(p->door, NULL, NULL);
        close(p->door);
    } else {
        p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(
            connect(p->fd, (struct sockaddr *)&address, sizeof address), 0);
    }
    assert_true(p->fd >= 0);
}

static const uint8_t raw_word[] = { 4, 0, 0, 0, 'w', 'o', 'r', 'd' };

/* Where the word begins: without framing there is no length before it. */
static size_t raw_from(const struct peer *p)
{
    return p->meeting->cell.way == WAY_LE32 ? 0 : 4;
}

static void raw_hear(struct peer *p)
{
    uint8_t buf[sizeof raw_word];
    size_t size = sizeof raw_word - raw_from(p);

    assert_int_equal(recv(p->fd, buf, size, MSG_WAITALL), size);
    assert_memory_equal(buf, raw_word + raw_from(p), size);
}

static void raw_say(struct peer *p)
{
    size_t size = sizeof raw_word - raw_from(p);

    assert_int_equal(send(p->fd, raw_word + raw_from(p), size, MSG_NOSIGNAL),
                     size);
}

/* ---- meeting and talking ------------------------------------------------- */

static void listen_first(struct peer *p)
{
    const struct meeting *m = p->meeting;
    wpipe_options o = matrix_options(&m->cell);

    if (is_foreign(&m->cell))
        raw_listen(p);
    else if (is_stream_peer(&m->cell))
        assert_int_equal(wpipe_listen(&p->listener, m->name, &o), 0);
    else
        assert_int_equal(wpipe_server_open(&p->server, m->name, &o), 0);
}

static wpipe_event next_event(struct peer *p, int type)
{
    wpipe_event event = { 0 };
    int r = p->server ? wpipe_server_wait(p->server, &event, SUPPORT_WAIT_MS)
                      : wpipe_client_wait(p->client, &event, SUPPORT_WAIT_MS);

    if (r != 1 || event.type != type)
        fail_msg("peer: event %d (%s) instead of %d", event.type,
                 wpipe_error_name(r), type);
    return event;
}

static void meet(struct peer *p)
{
    const struct meeting *m = p->meeting;
    wpipe_options o = matrix_options(&m->cell);

    if (is_foreign(&m->cell)) {
        raw_meet(p);
    } else if (p->listener) {
        assert_int_equal(wpipe_accept(p->listener, &p->stream, SUPPORT_WAIT_MS),
                         0);
        wpipe_listener_close(p->listener);
        p->listener = NULL;
    } else if (p->server) {
        p->id = next_event(p, WPIPE_EVENT_CONNECTED).from;
    } else if (is_stream_peer(&m->cell)) {
        assert_int_equal(
            wpipe_connect(&p->stream, m->name, &o, SUPPORT_WAIT_MS), 0);
    } else {
        assert_int_equal(wpipe_client_open(&p->client, m->name, &o), 0);
    }
}

static void hear(struct peer *p)
{
    char buf[16];

    if (p->fd >= 0)
        raw_hear(p);
    else if (p->stream)
        assert_int_equal(
            wpipe_read(p->stream, buf, sizeof buf, SUPPORT_WAIT_MS), 4);
    else
        (void)next_event(p, WPIPE_EVENT_MESSAGE);
}

static void say(struct peer *p)
{
    if (p->fd >= 0)
        raw_say(p);
    else if (p->stream)
        assert_int_equal(wpipe_write(p->stream, word, 4, SUPPORT_WAIT_MS), 4);
    else if (p->client)
        assert_int_equal(wpipe_client_send(p->client, word, 4), 0);
    else
        assert_int_equal(wpipe_server_send(p->server, p->id, word, 4), 0);
}

/* ---- its fate ------------------------------------------------------------ */

static void close_all(struct peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
    wpipe_stream_close(p->stream);
    wpipe_client_close(p->client);
    wpipe_server_close(p->server);
}

/* Every connected stream socket of this process; the pair to the case is of
 * another kind. */
static void shut_sockets(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int shut = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        int type = 0;
        socklen_t size = sizeof type;

        if (entry->d_name[0] == '.' ||
            getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
            type != SOCK_STREAM)
            continue;
        shut += shutdown(fd, SHUT_RDWR) == 0;
    }
    closedir(dir);
    assert_true(shut >= 1);
}

/* On a busy machine a server that disconnects us may have been faster. */
static void finish(struct peer *p)
{
    int r = p->fd >= 0 ? shutdown(p->fd, SHUT_WR) : wpipe_finish(p->stream);

    if (p->meeting->cell.op != OP_DISCONNECT)
        assert_int_equal(r, 0);
}

static void kick(struct peer *p)
{
    if (p->server)
        assert_int_equal(wpipe_server_kick(p->server, p->id), 0);
    else
        assert_int_equal(wpipe_disconnect(p->stream), 0);
}

static void meet_fate(struct peer *p)
{
    switch (p->meeting->cell.fate) {
    case FATE_CLOSED:
        close_all(p);
        break;
    case FATE_KICKED:
        kick(p);
        break;
    case FATE_HALF_CLOSED:
        finish(p);
        break;
    case FATE_SHUT:
        shut_sockets();
        break;
    default:
        break;
    }
}

/* Quietly, when the cell has ended. */
static void await_word(int events)
{
    uint32_t value;

    if (recv(events, &value, sizeof value, 0) != sizeof value)
        _exit(0);
}

static int be_peer(int events, void *argument)
{
    const struct meeting *m = argument;
    struct peer p = { .meeting = m, .fd = -1 };

    if (!is_host(&m->cell)) {
        listen_first(&p);
        event_send(events, EVENT_LISTENS);
    }
    meet(&p);
    for (int i = 0; i < matrix_rounds(&m->cell); i++) {
        hear(&p);
        say(&p);
    }
    for (int i = 0; i < matrix_extra(&m->cell); i++)
        say(&p);
    event_send(events, EVENT_IDLE);
    await_word(events);
    meet_fate(&p);
    event_send(events, EVENT_STRUCK);
    await_word(events); /* until it is killed: its descriptors stay */
    return 0;
}

/* ---- the case's side ----------------------------------------------------- */

void peer_start(struct meeting *meeting)
{
    helper_start(&meeting->peer, be_peer, meeting);
    if (!is_host(&meeting->cell))
        event_expect(meeting->peer.fd, EVENT_LISTENS);
}

void peer_wait_idle(struct meeting *meeting)
{
    event_expect(meeting->peer.fd, EVENT_IDLE);
}

void peer_strike(struct meeting *meeting)
{
    if (meeting->cell.fate == FATE_KILLED) {
        helper_kill(&meeting->peer);
    } else if (meeting->cell.fate == FATE_STOPPED) {
        helper_stop(&meeting->peer);
    } else {
        event_send(meeting->peer.fd, EVENT_STRIKE);
        event_expect(meeting->peer.fd, EVENT_STRUCK);
    }
}
