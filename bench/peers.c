/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of everything that is measured. Libraries that need a package are
 * in it when the build found them; those that are not are named to the user.
 */
#include "adapter.h"

#ifdef BENCH_ZEROMQ
#define ZEROMQ &peer_zeromq
#else
#define ZEROMQ NULL
#endif
#ifdef BENCH_NNG
#define NNG &peer_nng
#else
#define NNG NULL
#endif
#ifdef BENCH_LIBUV
#define LIBUV &peer_libuv
#else
#define LIBUV NULL
#endif
#ifdef BENCH_NANOMSG
#define NANOMSG &peer_nanomsg
#else
#define NANOMSG NULL
#endif

static const struct {
    const struct peer *peer;
    const char *name; /* and package, of what may be missing */
    const char *package;
} peers[PEERS] = {
    [PEER_WINDPIPE] = { &peer_windpipe, NULL, NULL },
    [PEER_INPLACE] = { &peer_inplace, NULL, NULL },
    [PEER_SCAN] = { &peer_scan, NULL, NULL },
    [PEER_SERVER] = { &peer_server, NULL, NULL },
    [PEER_ONE_THREAD] = { &peer_one_thread, NULL, NULL },
    [PEER_TWO_THREADS] = { &peer_two_threads, NULL, NULL },
    [PEER_CONTROL] = { &peer_control, NULL, NULL },
    [PEER_BUFFERS] = { &peer_buffers, NULL, NULL },
    [PEER_SOCKET] = { &peer_socket, NULL, NULL },
    [PEER_ZEROMQ] = { ZEROMQ, "zeromq", "libzmq3-dev" },
    [PEER_NNG] = { NNG, "nng", "libnng-dev" },
    [PEER_SOCKET_PLAIN] = { &peer_socket_plain, NULL, NULL },
    [PEER_SOCKET_THREADS] = { &peer_socket_threads, NULL, NULL },
    [PEER_SEQPACKET] = { &peer_seqpacket, NULL, NULL },
    [PEER_SEQPACKET_EPOLL] = { &peer_seqpacket_epoll, NULL, NULL },
    [PEER_FIFO] = { &peer_fifo, NULL, NULL },
    [PEER_QUEUE] = { &peer_queue, NULL, NULL },
    [PEER_LIBUV] = { LIBUV, "libuv", "libuv1-dev" },
    [PEER_NANOMSG] = { NANOMSG, "nanomsg", "libnanomsg-dev" },
};

const struct peer *peer_get(enum peer_id id)
{
    return peers[id].peer;
}

const char *peer_missing(enum peer_id id)
{
    return peers[id].peer ? NULL : peers[id].name;
}

const char *peer_package(enum peer_id id)
{
    return peers[id].package;
}

int peer_is_alternative(enum peer_id id)
{
    return id >= PEER_SOCKET;
}

const char *end_transport(const struct peer *peer, void *end)
{
    return peer->transport ? peer->transport(end) : "socket";
}
