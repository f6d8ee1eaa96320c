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
    const char *package;
} peers[PEERS] = {
    [PEER_WINDPIPE] = { &peer_windpipe, NULL },
    [PEER_INPLACE] = { &peer_inplace, NULL },
    [PEER_SCAN] = { &peer_scan, NULL },
    [PEER_SERVER] = { &peer_server, NULL },
    [PEER_CONTROL] = { &peer_control, NULL },
    [PEER_BUFFERS] = { &peer_buffers, NULL },
    [PEER_SOCKET] = { &peer_socket, NULL },
    [PEER_ZEROMQ] = { ZEROMQ, "libzmq3-dev" },
    [PEER_NNG] = { NNG, "libnng-dev" },
    [PEER_SOCKET_PLAIN] = { &peer_socket_plain, NULL },
    [PEER_SOCKET_THREADS] = { &peer_socket_threads, NULL },
    [PEER_SEQPACKET] = { &peer_seqpacket, NULL },
    [PEER_SEQPACKET_EPOLL] = { &peer_seqpacket_epoll, NULL },
    [PEER_FIFO] = { &peer_fifo, NULL },
    [PEER_QUEUE] = { &peer_queue, NULL },
    [PEER_LIBUV] = { LIBUV, "libuv1-dev" },
    [PEER_NANOMSG] = { NANOMSG, "libnanomsg-dev" },
};

const struct peer *peer_get(enum peer_id id)
{
    return peers[id].peer;
}

const char *peer_package(enum peer_id id)
{
    return peers[id].package;
}

int peer_is_alternative(enum peer_id id)
{
    return id >= PEER_SOCKET;
}
