/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of a peer come from files, and a file may take its time. Nobody
 * else waits for that.
 */
#include "support.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <windpipe.h>

#ifndef SYS_readlink
#define SYS_readlink SYS_readlinkat
#endif

struct asker {
    wpipe_server *server;
    wpipe_id id;
    sem_t ready;
    int listener; /* tells when it reads a link, and holds it there */
    int result;
    wpipe_peer peer;
};

static int listen_to_links(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_readlink, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_readlinkat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof filter / sizeof filter[0],
                                  .filter = filter };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                        SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static void *ask(void *argument)
{
    struct asker *a = argument;

    a->listener = listen_to_links();
    sem_post(&a->ready);
    if (a->listener >= 0)
        a->result = wpipe_server_peer(a->server, a->id, &a->peer);
    return NULL;
}

static void name_that_is_slow_holds_up_nobody(void **state)
{
    const wpipe_options o = { .size = sizeof o,
                              .type = WPIPE_MESSAGE,
                              .flags = WPIPE_CONNECT_EARLY };
    struct asker a = { .result = 1, .peer = { .size = sizeof(wpipe_peer) } };
    const char *name = support_unique_name();
    struct seccomp_notif_resp answer = { .error = -ENOENT };
    struct seccomp_notif told = { .id = 0 };
    wpipe_stream *stream;
    pthread_t thread;
    wpipe_event e;
    char buf[8];

    (void)state;
    sem_init(&a.ready, 0, 0);
    assert_int_equal(wpipe_server_open(&a.server, name, NULL), 0);
    assert_int_equal(wpipe_connect(&stream, name, &o, SUPPORT_WAIT_MS), 0);
    assert_int_equal(wpipe_server_wait(a.server, &e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e.type, WPIPE_EVENT_CONNECTED);
    a.id = e.from;
    assert_int_equal(pthread_create(&thread, NULL, ask, &a), 0);
    while (sem_wait(&a.ready) < 0)
        ;
    if (a.listener >= 0) {
        assert_int_equal(ioctl(a.listener, SECCOMP_IOCTL_NOTIF_RECV, &told), 0);
        /* it reads the link now, and will until it is answered */
        assert_int_equal(wpipe_server_send(a.server, a.id, "one", 3), 0);
        answer.id = told.id;
        assert_int_equal(ioctl(a.listener, SECCOMP_IOCTL_NOTIF_SEND, &answer),
                         0);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(a.listener);
    if (a.listener >= 0) {
        assert_int_equal(wpipe_read(stream, buf, 8, SUPPORT_WAIT_MS), 3);
        assert_int_equal(a.result, 0);
        assert_true(a.peer.pid == getpid());
        assert_true(strlen(a.peer.program) > 0);
    }
    wpipe_stream_close(stream);
    wpipe_server_close(a.server);
    sem_destroy(&a.ready);
    if (a.listener < 0)
        support_skip("no listeners to system calls here");
}

static const struct support_case cases[] = {
    TEST(name_that_is_slow_holds_up_nobody),
};

TEST_MAIN(cases)
