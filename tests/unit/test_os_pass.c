/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes and descriptors over sockets (src/os/linux_message.c): what arrives,
 * how an end shows, and that no peer can leave a descriptor with us.
 */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support.h"

enum {
    NOBODY = 65534,
    MOST = 253,
    ROUNDS = 50
};

static char some_bytes[1 << 16];

static void open_pair(wpipe__handle pair[2])
{
    assert_int_equal(wpipe__os_socket_pair(pair), 0);
}

static void close_pair(wpipe__handle pair[2])
{
    wpipe__os_close(pair[0]);
    wpipe__os_close(pair[1]);
}

static int64_t send_bytes(wpipe__handle socket, size_t size, int pass)
{
    wpipe_piece piece = { .data = some_bytes, .size = size };

    return wpipe__os_send(socket, &piece, 1, pass);
}

static int64_t receive_bytes(wpipe__handle socket)
{
    wpipe__handle passed = 99;
    int64_t n =
        wpipe__os_receive(socket, some_bytes, sizeof(some_bytes), &passed);

    assert_int_equal(passed, WPIPE__NO_HANDLE);
    return n;
}

static int open_null(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

/* As a peer that does not use this library: `count` descriptors at once. */
static ssize_t send_flagged(int socket, int fd, int count, int flags)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * (MOST + 1))];
    } room;
    struct iovec part = { .iov_base = some_bytes, .iov_len = 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    const size_t size = sizeof(int) * (size_t)count;
    int i;

    memset(&room, 0, sizeof(room));
    room.header.cmsg_level = SOL_SOCKET;
    room.header.cmsg_type = SCM_RIGHTS;
    room.header.cmsg_len = CMSG_LEN(size);
    for (i = 0; i < count; i++)
        memcpy(CMSG_DATA(&room.header) + sizeof(int) * (size_t)i, &fd,
               sizeof(int));
    message.msg_control = room.bytes;
    message.msg_controllen = CMSG_SPACE(size);
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT | flags);
}

static ssize_t send_many(int socket, int fd, int count)
{
    return send_flagged(socket, fd, count, 0);
}

static ssize_t send_out_of_band(int socket, int fd)
{
    return send_flagged(socket, fd, 1, MSG_OOB);
}

/* ---- bytes --------------------------------------------------------------- */

static void send_of_pieces_arrives_in_order(void **state)
{
    wpipe_piece pieces[19];
    wpipe__handle pair[2];
    wpipe__handle passed;
    char letters[19];
    char buf[64];
    int i;

    (void)state;
    open_pair(pair);
    for (i = 0; i < 19; i++) {
        letters[i] = (char)('a' + i);
        pieces[i].data = &letters[i];
        pieces[i].size = 1;
    }
    pieces[3].size = 0;
    assert_int_equal(wpipe__os_send(pair[0], pieces, 18, WPIPE__NO_HANDLE), 17);
    assert_int_equal(wpipe__os_receive(pair[1], buf, sizeof(buf), &passed), 17);
    assert_memory_equal(buf, "abcefghijklmnopqr", 17);
    assert_int_equal(wpipe__os_send(pair[0], pieces, 19, WPIPE__NO_HANDLE),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe__os_send(pair[0], pieces, -1, WPIPE__NO_HANDLE),
                     WPIPE_EINVAL);
    assert_int_equal(receive_bytes(pair[1]), WPIPE_EAGAIN);
    close_pair(pair);
}

static void send_to_a_full_socket_says_again(void **state)
{
    wpipe__handle pair[2];
    int64_t sent = 0;
    int64_t n;

    (void)state;
    open_pair(pair);
    while ((n = send_bytes(pair[0], sizeof(some_bytes), WPIPE__NO_HANDLE)) > 0)
        sent += n;
    assert_true(n == WPIPE_EAGAIN);
    assert_true(sent > 0 && wpipe__os_send_buffer(pair[0]) > 0);
    while ((n = receive_bytes(pair[1])) > 0)
        sent -= n;
    assert_true(n == WPIPE_EAGAIN);
    assert_true(sent == 0);
    close_pair(pair);
}

/* SIGPIPE has its default action here: it would end the case. */
static void send_to_a_closed_end_is_told_without_a_signal(void **state)
{
    wpipe__handle pair[2];

    (void)state;
    open_pair(pair);
    wpipe__os_close(pair[1]);
    assert_int_equal(send_bytes(pair[0], 1, WPIPE__NO_HANDLE), WPIPE_EPIPE);
    assert_int_equal(send_bytes(pair[0], 1, WPIPE__NO_HANDLE), WPIPE_EPIPE);
    assert_int_equal(wpipe__os_error_number(), EPIPE);
    wpipe__os_close(pair[0]);
}

static void receive_after_an_orderly_close_ends(void **state)
{
    wpipe__handle pair[2];

    (void)state;
    open_pair(pair);
    assert_int_equal(send_bytes(pair[1], 3, WPIPE__NO_HANDLE), 3);
    wpipe__os_close(pair[1]);
    assert_int_equal(receive_bytes(pair[0]), 3);
    assert_int_equal(receive_bytes(pair[0]), WPIPE_EOF);
    assert_int_equal(receive_bytes(pair[0]), WPIPE_EOF);
    wpipe__os_close(pair[0]);
}

/* The other end closed with something of ours unread: a reset, but what it
 * had sent comes first. */
static void receive_after_a_reset_gives_the_data_first(void **state)
{
    wpipe__handle pair[2];

    (void)state;
    open_pair(pair);
    assert_int_equal(send_bytes(pair[1], 3, WPIPE__NO_HANDLE), 3);
    assert_int_equal(send_bytes(pair[0], 1, WPIPE__NO_HANDLE), 1);
    wpipe__os_close(pair[1]);
    assert_int_equal(receive_bytes(pair[0]), 3);
    assert_int_equal(receive_bytes(pair[0]), WPIPE_EPIPE);
    assert_int_equal(wpipe__os_error_number(), ECONNRESET);
    assert_int_equal(receive_bytes(pair[0]), WPIPE_EOF);
    wpipe__os_close(pair[0]);
}

static void receive_into_nothing_is_refused(void **state)
{
    wpipe__handle pair[2];
    wpipe__handle passed = 99;

    (void)state;
    open_pair(pair);
    assert_int_equal(wpipe__os_receive(pair[0], some_bytes, 0, &passed),
                     WPIPE_EINVAL);
    assert_int_equal(passed, WPIPE__NO_HANDLE);
    assert_int_equal(wpipe__os_receive(-1, some_bytes, 1, &passed),
                     WPIPE_ESYSTEM);
    assert_int_equal(wpipe__os_error_number(), EBADF);
    close_pair(pair);
}

static void shutdown_shows_at_both_ends(void **state)
{
    wpipe__handle pair[2];

    (void)state;
    open_pair(pair);
    wpipe__os_shutdown(pair[0]);
    assert_int_equal(receive_bytes(pair[1]), WPIPE_EOF);
    assert_int_equal(receive_bytes(pair[0]), WPIPE_EOF);
    assert_int_equal(send_bytes(pair[1], 1, WPIPE__NO_HANDLE), WPIPE_EPIPE);
    assert_int_equal(send_bytes(pair[0], 1, WPIPE__NO_HANDLE), WPIPE_EPIPE);
    close_pair(pair);
}

/* ---- one descriptor ------------------------------------------------------ */

static void descriptor_passed_is_the_same_file(void **state)
{
    wpipe__handle pair[2];
    wpipe__handle flag;
    wpipe__handle passed;

    (void)state;
    open_pair(pair);
    assert_int_equal(wpipe__os_flag_open(&flag), 0);
    assert_int_equal(send_bytes(pair[0], 5, flag), 5);
    assert_int_equal(send_bytes(pair[0], 5, WPIPE__NO_HANDLE), 5);
    assert_int_equal(wpipe__os_receive(pair[1], some_bytes, 2, &passed), 2);
    assert_true(passed >= 0 && passed != flag);
    assert_true(fcntl(passed, F_GETFD) & FD_CLOEXEC);
    wpipe__os_flag_set(flag);
    assert_int_equal(wpipe__os_flag_clear(passed), 1);
    assert_int_equal(receive_bytes(pair[1]), 8);
    wpipe__os_close(passed);
    wpipe__os_close(flag);
    close_pair(pair);
}

/* A stream carries descriptors with bytes only: without one it would be lost
 * and nobody would be told. */
static void descriptor_without_a_byte_is_refused(void **state)
{
    wpipe__handle pair[2];

    (void)state;
    open_pair(pair);
    assert_int_equal(send_bytes(pair[0], 0, pair[0]), WPIPE_EINVAL);
    assert_int_equal(wpipe__os_send(pair[0], NULL, 0, pair[0]), WPIPE_EINVAL);
    assert_int_equal(receive_bytes(pair[1]), WPIPE_EAGAIN);
    close_pair(pair);
}

static void descriptor_after_bytes_is_not_lost(void **state)
{
    wpipe__handle pair[2];
    wpipe__handle passed;
    wpipe__handle found = WPIPE__NO_HANDLE;
    int fd = open_null();
    int64_t left = 6;
    int64_t n;

    (void)state;
    open_pair(pair);
    assert_int_equal(send_bytes(pair[0], 2, WPIPE__NO_HANDLE), 2);
    assert_int_equal(send_bytes(pair[0], 2, fd), 2);
    assert_int_equal(send_bytes(pair[0], 2, WPIPE__NO_HANDLE), 2);
    while (left > 0) {
        n = wpipe__os_receive(pair[1], some_bytes, sizeof(some_bytes), &passed);
        assert_true(n > 0);
        left -= n;
        if (passed >= 0) {
            assert_int_equal(found, WPIPE__NO_HANDLE);
            found = passed;
        }
    }
    assert_true(found >= 0);
    wpipe__os_close(found);
    close(fd);
    close_pair(pair);
}

static void descriptor_to_a_closed_end_is_not_kept(void **state)
{
    wpipe__handle pair[2];
    int fd = open_null();

    (void)state;
    open_pair(pair);
    wpipe__os_close(pair[1]);
    assert_int_equal(send_bytes(pair[0], 1, fd), WPIPE_EPIPE);
    wpipe__os_close(pair[0]);
    close(fd);
}

/* ---- too many ------------------------------------------------------------ */

static void descriptors_more_than_one_are_all_closed(void **state)
{
    const int count = *(const int *)*state;
    wpipe__handle pair[2];
    wpipe__handle passed;
    size_t before;
    int fd = open_null();
    int i;

    open_pair(pair);
    before = support_count_descriptors();
    for (i = 0; i < ROUNDS; i++) {
        assert_int_equal(send_many(pair[0], fd, count), 1);
        assert_int_equal(wpipe__os_receive(pair[1], some_bytes, 9, &passed),
                         WPIPE_EPROTO);
        assert_int_equal(passed, WPIPE__NO_HANDLE);
    }
    assert_true(support_wait_descriptors(before));
    close(fd);
    close_pair(pair);
}

/* A flood: everything that one socket holds, with as many descriptors as the
 * kernel lets through, and it goes on while we receive. */
static void descriptors_in_a_flood_are_all_closed(void **state)
{
    wpipe__handle pair[2];
    wpipe__handle passed;
    size_t before;
    int fd = open_null();
    int sent = 0;
    int received = 0;

    (void)state;
    open_pair(pair);
    before = support_count_descriptors();
    assert_int_equal(send_many(pair[0], fd, MOST + 1), -1);
    assert_int_equal(errno, EINVAL);
    while (sent < 2 * ROUNDS) {
        if (send_many(pair[0], fd, MOST) == 1) {
            sent++;
            continue;
        }
        assert_int_equal(wpipe__os_receive(pair[1], some_bytes, 9, &passed),
                         WPIPE_EPROTO);
        received++;
    }
    while (received < sent) {
        assert_int_equal(wpipe__os_receive(pair[1], some_bytes, 9, &passed),
                         WPIPE_EPROTO);
        assert_int_equal(passed, WPIPE__NO_HANDLE);
        received++;
    }
    assert_int_equal(receive_bytes(pair[1]), WPIPE_EAGAIN);
    assert_true(support_wait_descriptors(before));
    close(fd);
    close_pair(pair);
}

/* With a table that is full, or nearly, the kernel drops what does not fit
 * and says so: a descriptor that is due and missing must not go unnoticed. */
static void descriptors_beyond_the_table_are_noticed(void **state)
{
    wpipe__handle pair[2];
    wpipe__handle passed;
    struct rlimit before;
    struct rlimit tight;
    size_t count;
    int fd = open_null();
    int room;
    int next;

    (void)state;
    open_pair(pair);
    count = support_count_descriptors();
    next = open_null();
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    for (room = 0; room < 3; room++) {
        assert_int_equal(send_many(pair[0], fd, room + 1), 1);
        tight.rlim_cur = (rlim_t)(next + room);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        assert_int_equal(wpipe__os_receive(pair[1], some_bytes, 9, &passed),
                         room == 0 ? 1 : WPIPE_EPROTO);
        assert_int_equal(passed,
                         room == 0 ? WPIPE__LOST_HANDLE : WPIPE__NO_HANDLE);
        wpipe__os_close(passed); /* does nothing */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_true(support_wait_descriptors(count));
    }
    close(fd);
    close_pair(pair);
}

/* ---- what closing waits for ---------------------------------------------- */

static void descriptor_that_lingers_is_closed_elsewhere(void **state)
{
    const int count = *(const int *)*state;
    wpipe__handle pair[2];
    wpipe__handle passed;
    size_t before;
    int64_t begun;
    int other;
    int fd;

    open_pair(pair);
    fd = support_open_lingering(&other);
    before = support_count_descriptors() - 1;
    assert_int_equal(send_many(pair[0], fd, count), 1);
    close(fd); /* not the last one */
    begun = support_now_ms();
    assert_int_equal(wpipe__os_receive(pair[1], some_bytes, 9, &passed),
                     count == 1 ? 1 : WPIPE_EPROTO);
    wpipe__os_discard(passed);
    support_expect_no_linger(begun);
    assert_true(support_wait_descriptors(before));
    close(other);
    close_pair(pair);
}

/* One that takes its time does not hold the others up. */
static void descriptors_behind_one_that_lingers_are_closed(void **state)
{
    size_t before = support_count_descriptors();
    int64_t begun;
    int other;
    int fd = support_open_lingering(&other);
    int i;

    (void)state;
    begun = support_now_ms();
    wpipe__os_discard(fd);
    for (i = 0; i < ROUNDS; i++)
        wpipe__os_discard(open_null());
    assert_true(support_wait_descriptors(before + 2));
    support_expect_no_linger(begun);
    close(other);
    assert_true(support_wait_descriptors(before));
}

/* What the other end passed lies in the queue, and goes with it. */
static void socket_with_one_that_lingers_is_closed_elsewhere(void **state)
{
    const int refuses = *state == NULL;
    wpipe__handle pair[2];
    int64_t begun;
    int passing = WPIPE__PASSES;
    int other;
    int fd;

    open_pair(pair);
    fd = support_open_lingering(&other);
    assert_int_equal(send_bytes(pair[0], 3, WPIPE__NO_HANDLE), 3);
    assert_int_equal(send_many(pair[0], fd, 1), 1);
    close(fd);
    if (refuses)
        passing = wpipe__os_refuse_passing(pair[1]);
    assert_int_not_equal(passing, WPIPE__PASSES_NOTHING);
    begun = support_now_ms();
    wpipe__os_close_socket(pair[1], passing);
    /* and the other end knows at once */
    assert_int_equal(send_bytes(pair[0], 1, WPIPE__NO_HANDLE), WPIPE_EPIPE);
    support_expect_no_linger(begun);
    wpipe__os_close(pair[0]);
    close(other);
}

static void socket_with_bytes_is_closed_at_once(void **state)
{
    wpipe__handle pair[2];
    size_t before;

    (void)state;
    before = support_count_descriptors();
    open_pair(pair);
    assert_int_equal(send_bytes(pair[0], 40000, WPIPE__NO_HANDLE), 40000);
    wpipe__os_close_socket(pair[1], WPIPE__PASSES);
    assert_int_equal(support_count_descriptors(), before + 1);
    wpipe__os_close_unknown(pair[0], wpipe__os_generation());
    assert_int_equal(support_count_descriptors(), before);
    wpipe__os_close_socket(WPIPE__NO_HANDLE, WPIPE__PASSES);
    wpipe__os_close_unknown(WPIPE__NO_HANDLE, wpipe__os_generation());
    wpipe__os_discard(WPIPE__LOST_HANDLE);
}

/* A segment as it ought to be is no reason for a thread. */
static void segment_is_discarded_at_once(void **state)
{
    size_t before = support_count_descriptors();
    wpipe__handle handle;
    void *memory;

    (void)state;
    assert_int_equal(wpipe__os_segment_make(8192, &memory, &handle), 0);
    wpipe__os_segment_unmap(memory, 8192);
    wpipe__os_discard(handle);
    assert_int_equal(support_count_descriptors(), before);
}

/* ---- from one who has none to give --------------------------------------- */

static int64_t receive_plain(int socket, int *passing)
{
    return wpipe__os_receive_plain(socket, some_bytes, sizeof(some_bytes),
                                   passing);
}

/* It is seen, and never opened here. */
static void descriptor_that_nobody_wants_stays_where_it_is(void **state)
{
    wpipe__handle pair[2];
    int passing = WPIPE__PASSES;
    size_t before;

    (void)state;
    open_pair(pair);
    before = support_count_descriptors();
    assert_int_equal(send_bytes(pair[0], 5, WPIPE__NO_HANDLE), 5);
    assert_int_equal(receive_plain(pair[1], &passing), 5);
    assert_int_equal(receive_plain(pair[1], &passing), WPIPE_EAGAIN);
    assert_int_equal(passing, WPIPE__PASSES);
    assert_int_equal(send_bytes(pair[0], 5, pair[0]), 5);
    assert_int_equal(receive_plain(pair[1], &passing), WPIPE_EPROTO);
    assert_int_equal(receive_plain(pair[1], &passing), WPIPE_EPROTO);
    assert_int_equal(support_count_descriptors(), before);
    assert_int_equal(wpipe__os_receive_plain(pair[1], some_bytes, 0, &passing),
                     WPIPE_EINVAL);
    close_pair(pair);
}

/* A receive skips a byte out of band, and closes what came along. */
static void descriptor_out_of_band_is_seen(void **state)
{
    wpipe__handle pair[2];
    int passing;
    int other;
    int64_t begun;
    int fd;

    (void)state;
    open_pair(pair);
    fd = support_open_lingering(&other);
    if (send_out_of_band(pair[0], fd) < 0) {
        close(other);
        close(fd);
        close_pair(pair);
        support_skip("nothing out of band here");
    }
    close(fd);
    passing = wpipe__os_refuse_passing(pair[1]);
    begun = support_now_ms();
    assert_int_equal(receive_plain(pair[1], &passing), WPIPE_EPROTO);
    wpipe__os_close_socket(pair[1], passing);
    support_expect_no_linger(begun);
    close(other);
    wpipe__os_close(pair[0]);
}

static void plain_receive_ends_as_others_do(void **state)
{
    wpipe__handle pair[2];
    int passing = WPIPE__PASSES;

    (void)state;
    open_pair(pair);
    wpipe__os_close(pair[0]);
    assert_int_equal(receive_plain(pair[1], &passing), WPIPE_EOF);
    wpipe__os_close(pair[1]);
    open_pair(pair);
    assert_int_equal(send_bytes(pair[1], 1, WPIPE__NO_HANDLE), 1);
    wpipe__os_close(pair[0]);
    assert_int_equal(receive_plain(pair[1], &passing), WPIPE_EPIPE);
    wpipe__os_close(pair[1]);
    assert_int_equal(receive_plain(-1, &passing), WPIPE_ESYSTEM);
}

static void need_refusing(void)
{
    wpipe__handle pair[2];
    int can;

    open_pair(pair);
    can = wpipe__os_set_passing(pair[1], 1);
    close_pair(pair);
    if (!can)
        support_skip("this kernel has no SO_PASSRIGHTS");
}

static void descriptors_are_refused_where_the_kernel_can(void **state)
{
    wpipe__handle pair[2];
    int passing;

    (void)state;
    need_refusing();
    open_pair(pair);
    assert_int_equal(send_bytes(pair[0], 1, WPIPE__NO_HANDLE), 1);
    passing = wpipe__os_refuse_passing(pair[1]);
    assert_int_equal(passing, WPIPE__PASSED_BEFORE);
    assert_int_equal(send_bytes(pair[0], 1, pair[0]), WPIPE_EACCES);
    assert_int_equal(receive_plain(pair[1], &passing), 1);
    assert_int_equal(passing, WPIPE__PASSED_BEFORE);
    assert_int_equal(receive_plain(pair[1], &passing), WPIPE_EAGAIN);
    assert_int_equal(passing, WPIPE__PASSES_NOTHING);
    assert_int_equal(wpipe__os_refuse_passing(pair[1]), WPIPE__PASSES_NOTHING);
    assert_int_equal(wpipe__os_set_passing(pair[1], 1), 1);
    assert_int_equal(send_many(pair[0], pair[0], 1), 1);
    close_pair(pair);
}

/* Also before they are accepted, when nobody can do anything about it. */
static void listener_lets_nobody_pass_descriptors(void **state)
{
    wpipe__handle listener;
    wpipe__handle client;
    wpipe__handle server;
    int directory = open(support_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    need_refusing();
    assert_true(directory >= 0);
    assert_int_equal(wpipe__os_listen(directory, "door", 0600, 0, &listener),
                     0);
    assert_int_equal(wpipe__os_connect(directory, "door", &client), 0);
    assert_int_equal(send_bytes(client, 1, client), WPIPE_EACCES);
    assert_int_equal(wpipe__os_accept(listener, &server), 0);
    assert_int_equal(send_bytes(client, 1, client), WPIPE_EACCES);
    assert_true(send_out_of_band(client, client) < 0);
    assert_int_equal(wpipe__os_refuse_passing(server), WPIPE__PASSES_NOTHING);
    wpipe__os_close(server);
    wpipe__os_close(client);
    wpipe__os_close_unknown(listener, wpipe__os_generation());
    close(directory);
}

/* The kernel bounds descriptors under way by the sender's RLIMIT_NOFILE. */
static int send_until_limit(int fd, void *argument)
{
    struct rlimit tight = { .rlim_cur = 40, .rlim_max = 40 };
    wpipe__handle pair[2];
    int64_t n = 1;
    int i;

    (void)argument;
    if (geteuid() == 0)
        assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    open_pair(pair);
    for (i = 0; i < 200 && n == 1; i++)
        n = send_bytes(pair[0], 1, pair[0]);
    assert_int_equal(n, WPIPE_ELIMIT);
    assert_int_equal(wpipe__os_error_number(), ETOOMANYREFS);
    event_send(fd, 1);
    return 0;
}

static void descriptors_under_way_have_a_limit(void **state)
{
    struct helper helper;

    (void)state;
    helper_start(&helper, send_until_limit, NULL);
    event_expect(helper.fd, 1);
    assert_int_equal(helper_join(&helper), 0);
}

static int one = 1;
static int two = 2;
static int most = MOST;

/* In a program without standard input, output and error. */
static int receive_low(int fd, void *argument)
{
    wpipe__handle passed = WPIPE__NO_HANDLE;
    wpipe__handle segment = WPIPE__NO_HANDLE;
    wpipe__handle pair[2];
    void *memory = NULL;
    char byte;
    int good;

    (void)fd;
    (void)argument;
    open_pair(pair);
    good = wpipe__os_segment_make(4096, &memory, &segment) == 0;
    good = good && send_bytes(pair[0], 1, segment) == 1;
    for (int i = 0; i < 3; i++)
        close(i);
    good = good && wpipe__os_receive(pair[1], &byte, 1, &passed) == 1;
    good = good && passed > 2;
    for (int i = 0; i < 3; i++)
        good = good && fcntl(i, F_GETFD) < 0;
    wpipe__os_segment_unmap(memory, 4096);
    wpipe__os_close(segment);
    wpipe__os_close(passed);
    close_pair(pair);
    return !good;
}

static void descriptor_that_is_passed_is_above_two(void **state)
{
    struct helper helper;

    (void)state;
    helper_fork(&helper, receive_low, NULL);
    assert_int_equal(helper_join(&helper), 0);
}

static const struct support_case cases[] = {
    TEST(descriptor_that_is_passed_is_above_two),
    TEST(send_of_pieces_arrives_in_order),
    TEST(send_to_a_full_socket_says_again),
    TEST(send_to_a_closed_end_is_told_without_a_signal),
    TEST(receive_after_an_orderly_close_ends),
    TEST(receive_after_a_reset_gives_the_data_first),
    TEST(receive_into_nothing_is_refused),
    TEST(shutdown_shows_at_both_ends),
    TEST(descriptor_passed_is_the_same_file),
    TEST(descriptor_without_a_byte_is_refused),
    TEST(descriptor_after_bytes_is_not_lost),
    TEST(descriptor_to_a_closed_end_is_not_kept),
    TEST_WITH(descriptors_more_than_one_are_all_closed, &two, "two"),
    TEST_WITH(descriptors_more_than_one_are_all_closed, &most, "most"),
    TEST(descriptors_in_a_flood_are_all_closed),
    TEST(descriptors_beyond_the_table_are_noticed),
    TEST_WITH(descriptor_that_lingers_is_closed_elsewhere, &one, "taken"),
    TEST_WITH(descriptor_that_lingers_is_closed_elsewhere, &two, "refused"),
    TEST(descriptors_behind_one_that_lingers_are_closed),
    TEST_WITH(socket_with_one_that_lingers_is_closed_elsewhere, NULL,
              "refusing"),
    TEST_WITH(socket_with_one_that_lingers_is_closed_elsewhere, &one, "not"),
    TEST(socket_with_bytes_is_closed_at_once),
    TEST(segment_is_discarded_at_once),
    TEST(descriptor_that_nobody_wants_stays_where_it_is),
    TEST(descriptor_out_of_band_is_seen),
    TEST(plain_receive_ends_as_others_do),
    TEST(listener_lets_nobody_pass_descriptors),
    TEST(descriptors_are_refused_where_the_kernel_can),
    TEST(descriptors_under_way_have_a_limit),
};

TEST_MAIN(cases)
