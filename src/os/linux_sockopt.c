/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a socket is set to: how much it takes, whether a peer may pass
 * descriptors through it, which directions are shut. Called by the links and by
 * src/os.
 */
#include "os/os.h"

#include <errno.h>
#include <sys/socket.h>

/* Linux 6.16; two architectures number their options in their own way. */
#if !defined(SO_PASSRIGHTS) && !defined(__sparc__) && !defined(__hppa__)
#define SO_PASSRIGHTS 83
#endif

void wpipe__os_shutdown(wpipe__handle socket)
{
    shutdown(socket, SHUT_RDWR);
}

uint32_t wpipe__os_send_buffer(wpipe__handle socket)
{
    int bytes = 0;
    socklen_t size = sizeof(bytes);

    if (getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, &size) < 0)
        return 0;
    return bytes > 0 ? (uint32_t)bytes : 0;
}

#define USUAL_BUFFER 212992u /* net.core.wmem_default */

int wpipe__os_need_send_buffer(wpipe__handle socket, uint32_t least,
                               uint32_t *ret_bytes)
{
    const int half = USUAL_BUFFER / 2; /* the kernel doubles it */

    *ret_bytes = wpipe__os_send_buffer(socket);
    if (*ret_bytes >= USUAL_BUFFER)
        return 0;
    (void)setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &half, sizeof(half));
    *ret_bytes = wpipe__os_send_buffer(socket);
    return *ret_bytes >= least ? 0 : WPIPE_ELIMIT;
}

void wpipe__os_more_send_buffer(wpipe__handle socket)
{
    const int bytes = (int)wpipe__os_send_buffer(socket); /* it is doubled */

    (void)setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

int wpipe__os_set_passing(wpipe__handle socket, int on)
{
#ifdef SO_PASSRIGHTS
    return setsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on)) == 0;
#else
    (void)socket;
    (void)on;
    return 0;
#endif
}

/* Refused already, or it is a socket that carries none. */
static int passing_is_off(int fd)
{
#ifdef SO_PASSRIGHTS
    int on = 1;
    socklen_t size = sizeof(on);

    if (getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, &size) < 0)
        return errno == EOPNOTSUPP;
    return !on;
#else
    (void)fd;
    return 0;
#endif
}

int wpipe__os_refuse_passing(wpipe__handle socket)
{
    const int on = 1;

    if (passing_is_off(socket))
        return WPIPE__PASSES_NOTHING;
    /* A byte out of band would be skipped by a receive, and the descriptor
     * that came along closed by it. */
    setsockopt(socket, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
    return wpipe__os_set_passing(socket, 0) ? WPIPE__PASSED_BEFORE
                                            : WPIPE__PASSES;
}
