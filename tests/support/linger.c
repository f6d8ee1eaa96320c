/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A descriptor whose close waits: what a peer may pass to let us wait.
 */
#include "support.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_S 1

static int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    return fd;
}

int support_open_lingering(int *ret_other)
{
    static char bytes[1 << 16];
    const struct linger linger = { .l_onoff = 1, .l_linger = LINGER_S };
    struct sockaddr_in address = { .sin_family = AF_INET };
    struct sockaddr *any = (struct sockaddr *)(void *)&address;
    socklen_t size = sizeof address;
    int listener = tcp_socket();
    int fd = tcp_socket();

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, any, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, any, &size), 0);
    assert_int_equal(connect(fd, any, size), 0);
    *ret_other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(*ret_other >= 0);
    close(listener);
    while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    assert_int_equal(
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    return fd;
}

void support_expect_no_linger(int64_t begun)
{
    int64_t took = support_now_ms() - begun;

    if (took >= LINGER_S * 1000 / 2)
        fail_msg("it took %lld ms", (long long)took);
}
