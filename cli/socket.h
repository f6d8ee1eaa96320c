/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets for relay. All are non-blocking and closed on exec. TCP stays on
 * this machine unless --allow-remote was given: a pipe is guarded by the
 * user's identity, a port by nothing.
 *
 * Each returns an exit code and has said what failed.
 */
#ifndef WINDPIPE_CLI_SOCKET_H
#define WINDPIPE_CLI_SOCKET_H

#include "options.h"

enum socket_kind {
    SOCKET_UNIX, /* `where` is a path */
    SOCKET_TCP   /* HOST:PORT, [HOST]:PORT, or PORT alone for 127.0.0.1 */
};

int socket_listen(int *ret, const struct options *options,
                  enum socket_kind kind, const char *where);
int socket_connect(int *ret, const struct options *options,
                   enum socket_kind kind, const char *where);

/* The next connection, or -errno. */
int socket_accept(int listening);

#endif
