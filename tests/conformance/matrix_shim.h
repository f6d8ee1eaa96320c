/* SPDX-License-Identifier: Apache-2.0 */
/* Until the library has them. */
#ifndef WINDPIPE_TESTS_MATRIX_SHIM_H
#define WINDPIPE_TESTS_MATRIX_SHIM_H

#include <windpipe.h>

#define WPIPE_EVENT_FINISHED 7

static inline int wpipe_server_drain(wpipe_server *server, wpipe_id who,
                                     int timeout_ms)
{
    (void)server;
    (void)who;
    (void)timeout_ms;
    return WPIPE_ENOTSUP;
}

static inline int wpipe_server_disconnect(wpipe_server *server, wpipe_id who)
{
    (void)server;
    (void)who;
    return WPIPE_ENOTSUP;
}

#endif
