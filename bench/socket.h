/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the adapters over AF_UNIX share: doors, connecting, and servers of
 * many clients - one epoll loop, or a thread for each client - for streams
 * with a 4-byte length before each message and for packets. Used by
 * the adapters for sockets, packets and FIFOs.
 */
#ifndef BENCH_SOCKET_H
#define BENCH_SOCKET_H

#include <stddef.h>
#include <stdint.h>

#include "adapter.h"

#define SOCKET_HEADER 4u

/* A listening socket of SOCK_STREAM or SOCK_SEQPACKET; -1 after saying why. */
int socket_listen(const struct setup *setup, int type);

/* Connect to it. Returns the socket, or -1 after saying why. */
int socket_dial(const struct setup *setup, int type);

/* Accept one. Returns the socket, or -1 after saying why. */
int socket_take(int door);

/* Write all of it, also to a socket that does not block. 0 or -1. */
int socket_write(int fd, const void *data, size_t size);

/* The echo servers; as peer.serve. */
int socket_serve_epoll(const struct setup *setup, struct crowd *crowd);
int socket_serve_threads(const struct setup *setup, struct crowd *crowd);
int packet_serve_epoll(const struct setup *setup, struct crowd *crowd);

/* The epoll server over descriptors that are open: read, write, of each. */
int pairs_serve_epoll(const struct setup *setup, struct crowd *crowd,
                      const int (*pairs)[2], uint32_t count);

/* The broadcasters; as peer.announce, publish and hush. */
void *socket_announce(const struct setup *setup, struct crowd *crowd);
int socket_publish(void *server, const void *data, size_t size);
void *packet_announce(const struct setup *setup, struct crowd *crowd);
int packet_publish(void *server, const void *data, size_t size);
void socket_hush(void *server);

#endif
