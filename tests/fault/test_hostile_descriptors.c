/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer passes a descriptor whose close waits: with its first byte, behind
 * others, with a SWITCH, where nobody reads it, at a foreign door. None of our
 * calls may wait for it, on a kernel that can refuse descriptors, on one that
 * cannot, and with those that came before it was told to. Most of it is about
 * peers of another user, whom only root can play.
 */
#include "raw_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include <windpipe/error.h>

#include "base/base.h"
#include "base/options.h"
#include "native/native.h"

enum {
    NOBODY = 65534,
    PASSRIGHTS = 83
};

/* What the kernel can. */
enum {
    BORN, /* refuse from birth: the peer cannot pass anything */
    LATE, /* refuse, but some were passed before it was asked to */
    OLD   /* nothing: before Linux 6.16 */
};
static int born = BORN;
static int late = LATE;
static int old = OLD;

/* From now on SO_PASSRIGHTS is unknown in this process. */
static void forget_refusing(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsockopt, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PASSRIGHTS, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof filter / sizeof filter[0],
                                  .filter = filter };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        support_skip("no filters of system calls here");
}

/* ---- somebody else ------------------------------------------------------- */

/* A connection with another user, from both ends. */
struct meeting {
    int raw;
    int victim;
};

static void as_nobody(int on)
{
    assert_int_equal(seteuid(on ? NOBODY : 0), 0);
}

/* Who connected, or listened, is who it is for good. */
static struct meeting meet(int kernel, int victim_serves)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const struct sockaddr *any = (struct sockaddr *)(void *)&address;
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int server;

    if (geteuid() != 0)
        support_skip("only root can be somebody else");
    size +=
        (socklen_t)snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
                            "windpipe-%d", (int)getpid());
    if (kernel == OLD)
        forget_refusing();
    else if (!wpipe__os_set_passing(victim_serves ? listener : client,
                                    kernel != BORN))
        support_skip("this kernel has no SO_PASSRIGHTS");
    assert_int_equal(bind(listener, any, size), 0);
    as_nobody(!victim_serves);
    assert_int_equal(listen(listener, 1), 0);
    as_nobody(victim_serves);
    assert_int_equal(connect(client, any, size), 0);
    as_nobody(0);
    server = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(server >= 0);
    close(listener);
    return victim_serves ? (struct meeting){ client, server }
                         : (struct meeting){ server, client };
}

static wpipe_options options_with(uint32_t flags)
{
    wpipe_options wish = { .size = sizeof wish,
                           .type = WPIPE_MESSAGE,
                           .spin_us = WPIPE_SPIN_OFF,
                           .flags = flags };
    wpipe_options options;

    assert_int_equal(wpipe__options_take(&wish, &options), 0);
    return options;
}

static struct raw_peer raw_of(const struct meeting *meeting,
                              struct wpipe__link *link)
{
    return (struct raw_peer){ .fd = meeting->raw, .link = link };
}

static struct wpipe__link *serve(const struct meeting *meeting, uint32_t flags)
{
    wpipe_options options = options_with(flags);
    struct wpipe__link *link = NULL;

    assert_int_equal(wpipe__native_accept(meeting->victim, &options, &link), 0);
    return link;
}

/* Pass what lingers, with a byte that may be a part of anything: was it taken?
 * It is ours no more. */
static bool pass_lingering(const struct raw_peer *raw, const void *bytes,
                           size_t size, int *ret_other)
{
    int fd = support_open_lingering(ret_other);
    bool passed = raw_send_passing(raw, bytes, size, &fd, 1);

    close(fd); /* the other end resets it if it is the last one */
    return passed;
}

/* ---- in the native link -------------------------------------------------- */

/* `passed` before or after the victim takes the socket over. */
static void stranger_passes_with_his_hello(void **state)
{
    const int kernel = *(const int *)*state;
    struct meeting meeting = meet(kernel, 1);
    struct raw_peer raw = raw_of(&meeting, NULL);
    int64_t begun;
    int other;
    bool passed;

    passed = pass_lingering(&raw, "\x01", 1, &other);
    assert_int_equal(passed, kernel != BORN);
    raw.link = serve(&meeting, 0);
    if (!passed) {
        close(other);
        passed = pass_lingering(&raw, "\x01", 1, &other);
        assert_false(passed);
        close(other);
    }
    begun = support_now_ms();
    if (passed)
        assert_int_equal(wpipe__native_greeted(raw.link), WPIPE_EPROTO);
    raw.link->transport->free(raw.link);
    support_expect_no_linger(begun);
    if (passed)
        close(other);
    close(raw.fd);
}

/* Where nobody has read that far. */
static void stranger_passes_and_is_not_read(void **state)
{
    const int kernel = *(const int *)*state;
    struct meeting meeting = meet(kernel, 1);
    struct raw_peer raw = raw_of(&meeting, NULL);
    int64_t begun;
    int other;

    assert_true(raw_send(&raw, "\x01", 1));
    (void)pass_lingering(&raw, "", 1, &other);
    assert_true(raw_send(&raw, "", 1));
    begun = support_now_ms();
    raw.link = serve(&meeting, 0);
    raw.link->transport->free(raw.link);
    support_expect_no_linger(begun);
    close(other);
    close(raw.fd);
}

/* A server of another user, to whom we connect. */
static void stranger_passes_with_his_verdict(void **state)
{
    const int kernel = *(const int *)*state;
    struct meeting meeting = meet(kernel, 0);
    struct raw_peer raw = raw_of(&meeting, NULL);
    wpipe_options options = options_with(WPIPE_CHECK_UID);
    int64_t begun;
    int other;
    bool passed;

    assert_int_equal(
        wpipe__native_dial(meeting.victim, &options, 0, 0, &raw.link), 0);
    passed = pass_lingering(&raw, "\x02", 1, &other);
    assert_int_equal(passed, kernel == OLD);
    begun = support_now_ms();
    assert_int_equal(wpipe__native_greeted(raw.link),
                     passed ? WPIPE_EPROTO : WPIPE__GREET_PENDING);
    raw.link->transport->free(raw.link);
    support_expect_no_linger(begun);
    close(other);
    close(raw.fd);
}

static uint32_t verdict_flags(const struct raw_peer *raw)
{
    uint8_t bytes[WPIPE__FRAME_HEADER + WPIPE__GREETING_SIZE];
    struct wpipe__greeting verdict;

    assert_int_equal(recv(raw->fd, bytes, sizeof bytes, MSG_DONTWAIT),
                     sizeof bytes);
    assert_int_equal(
        wpipe__greeting_decode(bytes + WPIPE__FRAME_HEADER, &verdict), 0);
    return verdict.flags;
}

static struct raw_peer let_in(const struct meeting *meeting, uint32_t flags)
{
    struct wpipe__greeting hello = raw_greeting();
    struct raw_peer raw = raw_of(meeting, serve(meeting, flags));

    assert_true(
        raw_greet(&raw, WPIPE__FRAME_HELLO, WPIPE__HELLO_MAGIC, &hello));
    assert_int_equal(wpipe__native_greeted(raw.link), WPIPE__GREET_HELLO);
    assert_int_equal(wpipe__native_admit(raw.link), 0);
    return raw;
}

/* Let in, but not to share memory: no descriptor is due, ever. */
static void stranger_who_was_let_in_stays_framed(void **state)
{
    const int kernel = *(const int *)*state;
    struct meeting meeting = meet(kernel, 1);
    struct raw_peer raw = let_in(&meeting, 0);
    int64_t begun;
    int other;
    bool passed;

    assert_int_equal(verdict_flags(&raw) & WPIPE__GREET_SHARED, 0);
    assert_int_equal(wpipe__native_offer(wpipe__native(raw.link)),
                     WPIPE_ENOTSUP);
    assert_int_equal(raw.link->transport->shared(raw.link), WPIPE_ENOTSUP);
    passed = pass_lingering(&raw, "\x08", 1, &other); /* of a SWITCH */
    assert_int_equal(passed, kernel == OLD);
    begun = support_now_ms();
    assert_int_equal(raw.link->transport->pump(raw.link),
                     passed ? WPIPE_EPROTO : 0);
    raw.link->transport->free(raw.link);
    support_expect_no_linger(begun);
    close(other);
    close(raw.fd);
}

static void stranger_who_is_trusted_may_share(void **state)
{
    struct meeting meeting = meet(BORN, 1);
    struct raw_peer raw = let_in(&meeting, WPIPE_TRUST_PEER);
    int fd = dup(raw.fd);

    (void)state;
    assert_true(verdict_flags(&raw) & WPIPE__GREET_SHARED);
    assert_true(raw_send_passing(&raw, "\x08", 1, &fd, 1));
    assert_int_equal(wpipe__native_offer(wpipe__native(raw.link)), 0);
    raw.link->transport->free(raw.link);
    close(fd);
    close(raw.fd);
}

/* ---- at a foreign door --------------------------------------------------- */

static void stranger_passes_at_a_foreign_door(void **state)
{
    const int kernel = *(const int *)*state;
    wpipe_options options = options_with(0);
    struct meeting meeting = meet(kernel, 1);
    struct raw_peer raw = raw_of(&meeting, NULL);
    struct wpipe__record record;
    int64_t begun;
    int other;
    bool passed;

    passed = pass_lingering(&raw, "x", 1, &other);
    assert_int_equal(passed, kernel != BORN);
    begun = support_now_ms();
    assert_int_equal(wpipe__foreign_make(meeting.victim, &options, &raw.link),
                     0);
    assert_int_equal(raw.link->transport->look(raw.link, &record),
                     passed ? WPIPE_EPROTO : 0);
    if (passed)
        assert_string_equal(wpipe__foreign_why(raw.link),
                            "it passed a descriptor");
    raw.link->transport->leave(raw.link, WPIPE__STATE_CLOSED);
    raw.link->transport->free(raw.link);
    support_expect_no_linger(begun);
    close(other);
    close(raw.fd);
}

/* Nobody has accepted the one who passes, and nobody will. */
static void stranger_passes_at_a_door_that_closes(void **state)
{
    wpipe__handle listener;
    wpipe__handle client;
    int directory = open(support_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct raw_peer raw = { .link = NULL };
    int64_t begun;
    int other;

    (void)state;
    assert_true(directory >= 0);
    forget_refusing();
    assert_int_equal(wpipe__os_listen(directory, "door", 0600, 0, &listener),
                     0);
    assert_int_equal(wpipe__os_connect(directory, "door", &client), 0);
    raw.fd = client;
    assert_true(pass_lingering(&raw, "x", 1, &other));
    begun = support_now_ms();
    wpipe__os_close_unknown(listener, wpipe__os_generation());
    support_expect_no_linger(begun);
    close(other);
    close(client);
    close(directory);
}

/* ---- our own user, while a segment is due -------------------------------- */

static void own_user_passes_no_segment(void **state)
{
    const int count = *state == NULL ? 1 : 2;

    for (int serves = 0; serves < 2; serves++) {
        uint8_t bytes[24] = { WPIPE__FRAME_SWITCH, 0, 0, 0, 8 };
        struct raw_peer raw;
        int64_t begun;
        int other;
        int fds[2];

        bytes[18] = 1; /* a ring of 64 KiB */
        bytes[21] = 16;
        bytes[22] = 1;
        raw_open_greeted(&raw, serves, WPIPE_SHARED_AUTO);
        fds[0] = raw.fd;
        fds[count - 1] = support_open_lingering(&other);
        assert_true(raw_send_passing(&raw, bytes, sizeof bytes, fds, count));
        close(fds[count - 1]);
        begun = support_now_ms();
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
        support_expect_no_linger(begun);
        close(other);
    }
}

/* It comes with half a SWITCH, or is never read: it goes with the link. */
static void own_user_passes_and_is_closed(void **state)
{
    for (int serves = 0; serves < 2; serves++) {
        uint8_t half = WPIPE__FRAME_SWITCH;
        struct raw_peer raw;
        int64_t begun;
        int other;

        raw_open_greeted(&raw, serves, WPIPE_SHARED_AUTO);
        assert_true(pass_lingering(&raw, &half, 1, &other));
        begun = support_now_ms();
        if (*state != NULL)
            assert_int_equal(raw.link->transport->pump(raw.link), 1);
        raw_close(&raw);
        support_expect_no_linger(begun);
        close(other);
    }
}

static const struct support_case cases[] = {
    TEST_WITH(stranger_passes_with_his_hello, &born, "born"),
    TEST_WITH(stranger_passes_with_his_hello, &late, "late"),
    TEST_WITH(stranger_passes_with_his_hello, &old, "old"),
    TEST_WITH(stranger_passes_and_is_not_read, &born, "born"),
    TEST_WITH(stranger_passes_and_is_not_read, &late, "late"),
    TEST_WITH(stranger_passes_and_is_not_read, &old, "old"),
    TEST_WITH(stranger_passes_with_his_verdict, &born, "born"),
    TEST_WITH(stranger_passes_with_his_verdict, &late, "late"),
    TEST_WITH(stranger_passes_with_his_verdict, &old, "old"),
    TEST_WITH(stranger_who_was_let_in_stays_framed, &born, "born"),
    TEST_WITH(stranger_who_was_let_in_stays_framed, &late, "late"),
    TEST_WITH(stranger_who_was_let_in_stays_framed, &old, "old"),
    TEST(stranger_who_is_trusted_may_share),
    TEST_WITH(stranger_passes_at_a_foreign_door, &born, "born"),
    TEST_WITH(stranger_passes_at_a_foreign_door, &late, "late"),
    TEST_WITH(stranger_passes_at_a_foreign_door, &old, "old"),
    TEST(stranger_passes_at_a_door_that_closes),
    TEST(own_user_passes_no_segment),
    TEST_WITH(own_user_passes_no_segment, &old, "second"),
    TEST_WITH(own_user_passes_and_is_closed, NULL, "unread"),
    TEST_WITH(own_user_passes_and_is_closed, &old, "half"),
};

TEST_MAIN(cases)
