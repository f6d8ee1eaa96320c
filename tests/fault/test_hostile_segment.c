/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that offer as shared memory what is none, move where they may not, and
 * pass descriptors at the wrong moment. Nothing of it is mapped, nothing is
 * left open, and the connection ends with WPIPE_EPROTO.
 */
#include "raw_peer.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <windpipe/error.h>

enum {
    SERVER = 1,
    CLIENT = 0,
    RING = 65536
};

#define SEGMENT ((size_t)RING + WPIPE__CONTROL_SIZE)

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* ---- segments that are none ---------------------------------------------- */

/* A memfd of that size with those seals and, if `ring`, right words. */
static int make_memory(uint32_t ring, size_t size, int seals, bool allocate)
{
    int fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct wpipe__control control = { .magic = WPIPE__CONTROL_MAGIC,
                                      .version = WPIPE__WIRE_VERSION,
                                      .ring_size = ring };

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    if (allocate)
        assert_int_equal(fallocate(fd, 0, 0, (off_t)size), 0);
    if (ring)
        assert_int_equal(pwrite(fd, &control, sizeof control, 0),
                         sizeof control);
    if (seals)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static int memory(size_t size, int seals, bool allocate, bool words)
{
    return make_memory(words ? RING : 0, size, seals, allocate);
}

enum {
    ALL_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL
};

static int make_regular_file(void)
{
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s/segment", support_dir());
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(posix_fallocate(fd, 0, (off_t)SEGMENT), 0);
    return fd;
}

static int make_pipe(void)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    close(fds[1]);
    return fds[0];
}

static int make_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int make_device(void)
{
    return open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static int make_directory(void)
{
    return open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int make_unsealed(void)
{
    return memory(SEGMENT, 0, true, true);
}

static int make_shrinkable(void)
{
    return memory(SEGMENT, ALL_SEALS & ~(F_SEAL_SHRINK | F_SEAL_SEAL), true,
                  true);
}

static int make_writable_by_others(void)
{
    return memory(SEGMENT, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, true,
                  true);
}

static int make_undersized(void)
{
    return memory(WPIPE__CONTROL_SIZE, ALL_SEALS, true, true);
}

static int make_oversized(void)
{
    return memory(SEGMENT + 4096, ALL_SEALS, true, true);
}

static int make_with_holes(void)
{
    return memory(SEGMENT, ALL_SEALS, false, true);
}

/* It has as many blocks as it should, but behind its end. */
static int make_with_blocks_behind_its_end(void)
{
    const struct wpipe__control control = { .magic = WPIPE__CONTROL_MAGIC,
                                            .version = WPIPE__WIRE_VERSION,
                                            .ring_size = RING };
    int fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(ftruncate(fd, (off_t)SEGMENT), 0);
    assert_int_equal(pwrite(fd, &control, sizeof control, 0), sizeof control);
    assert_int_equal(fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)SEGMENT, RING),
                     0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 0);
    return fd;
}

static int make_without_words(void)
{
    return memory(SEGMENT, ALL_SEALS, true, false);
}

static int make_write_only(void)
{
    char path[64];
    int fd = make_unsealed();
    int other;

    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    other = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(other >= 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL),
                     0);
    close(fd);
    return other;
}

static int make_nothing(void)
{
    return -1;
}

static int (*const makers[])(void) = {
    make_regular_file,
    make_pipe,
    make_socket,
    make_device,
    make_directory,
    make_unsealed,
    make_shrinkable,
    make_writable_by_others,
    make_undersized,
    make_oversized,
    make_with_holes,
    make_without_words,
    make_write_only,
    make_nothing,
    make_with_blocks_behind_its_end,
};

/* What came is closed, but for one that waits for its frame: that one goes with
 * the connection. */
static void keeps_one_at_most(size_t before)
{
    assert_true(support_wait_descriptors(before + 1));
}

/* Descriptors that are open; a first wait opens one for good. */
static size_t count_once_waited(const struct raw_peer *raw)
{
    char byte;

    assert_int_equal(wpipe_read(raw->stream, &byte, 1, 1), WPIPE_ETIMEDOUT);
    return support_count_descriptors();
}

static void store_record(uint8_t *ring, uint64_t at, uint32_t flags,
                         uint32_t size)
{
    const uint64_t word = (uint64_t)flags << 32 | size;

    memcpy(ring + at, &word, sizeof word);
    memset(ring + at + sizeof word, 'g', size);
}

/* A mark at 0, as it should be, and a record behind it where `ring` is. */
static void mark(struct raw_peer *raw, uint8_t *ring)
{
    store_record(raw->ring, 0, WPIPE__RECORD_GROWN, 0);
    if (ring)
        store_record(ring, 8, 0, 16);
    atomic_store(&raw->mine->head, 8 + 24);
}

/* As the segment of a first SWITCH, or of one that grows the ring at 8. */
static void refuses_what_is_no_segment(int grows)
{
    size_t mappings = support_count_mappings();

    for (size_t i = 0; i < 2 * sizeof makers / sizeof *makers; i++) {
        int fd = makers[i / 2]();
        struct raw_peer raw;
        size_t open;

        if (grows)
            raw_open_shared_small(&raw, i % 2);
        else
            raw_open_greeted(&raw, i % 2, WPIPE_SHARED_AUTO);
        open = count_once_waited(&raw);
        assert_true(raw_switch_at(&raw, fd, RING, grows ? 8 : 0));
        if (grows)
            mark(&raw, NULL);
        raw_expect_end(&raw, WPIPE_EPROTO);
        keeps_one_at_most(open);
        raw_close(&raw);
        assert_int_equal(support_count_mappings(), mappings);
        if (fd >= 0)
            close(fd);
    }
}

static void switch_to_what_is_no_segment_is_eproto(void **state)
{
    (void)state;
    refuses_what_is_no_segment(0);
}

static void switch_of_other_ring_size_is_eproto(void **state)
{
    static const uint32_t rings[] = { 4096, 32768, 131072, 64u << 20 };

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        int fd = memory(SEGMENT, ALL_SEALS, true, true);
        struct raw_peer raw;

        raw_open_greeted(&raw, i % 2, WPIPE_SHARED_AUTO);
        assert_true(raw_switch(&raw, fd, rings[i / 2]));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
        close(fd);
    }
}

static void switch_of_impossible_sizes_is_eproto(void **state)
{
    static const uint32_t sizes[][2] = { { 0, 4096 },
                                         { RING, RING },
                                         { RING, 0 },
                                         { UINT32_MAX, 4095 },
                                         { 0x80000000u, 0x80001000u } };

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        int fd = memory(SEGMENT, ALL_SEALS, true, true);
        uint8_t bytes[24] = { WPIPE__FRAME_SWITCH, 0, 0, 0, 8 };
        struct raw_peer raw;

        memcpy(bytes + 16, sizes[i], 8);
        raw_open_greeted(&raw, SERVER, WPIPE_SHARED_AUTO);
        assert_true(raw_send_passing(&raw, bytes, sizeof bytes, &fd, 1));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
        close(fd);
    }
}

static void switch_twice_is_eproto(void **state)
{
    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        int fd = memory(SEGMENT, ALL_SEALS, true, true);
        struct raw_peer raw;

        raw_open_shared(&raw, serves);
        /* the kernel may refuse to pass it: then it never comes */
        if (raw_switch(&raw, fd, RING))
            raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
        raw_open_shared(&raw, serves);
        assert_true(raw_switch(&raw, -1, RING));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
        close(fd);
    }
}

/* ---- growth -------------------------------------------------------------- */

/* What the others below break. */
static void growth_in_good_order_is_followed(void **state)
{
    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        struct wpipe__control *large;
        struct raw_peer raw;
        void *memory = NULL;
        uint8_t bytes[64];
        int fd = -1;

        raw_open_shared_small(&raw, serves);
        assert_int_equal(wpipe__os_segment_make(SEGMENT, &memory, &fd), 0);
        large = memory;
        *large = (struct wpipe__control){ .magic = WPIPE__CONTROL_MAGIC,
                                          .version = WPIPE__WIRE_VERSION,
                                          .ring_size = RING };
        assert_true(raw_switch_at(&raw, fd, RING, 8));
        mark(&raw, (uint8_t *)memory + WPIPE__CONTROL_SIZE);
        assert_int_equal(
            wpipe_read(raw.stream, bytes, sizeof bytes, SUPPORT_WAIT_MS), 16);
        assert_memory_equal(bytes, "gggggggggggggggg", 16);
        raw_close(&raw);
        wpipe__os_segment_unmap(memory, SEGMENT);
        close(fd);
    }
}

/* A receive may end in the middle of a SWITCH, whose descriptor is there by
 * then; the next one brings its rest, and the next segment behind it. */
static void switch_in_two_pieces_with_growth_behind_is_followed(void **state)
{
    enum {
        SMALL = WPIPE__RING_MIN,
        SIZE = WPIPE__FRAME_HEADER + WPIPE__SWITCH_SIZE
    };
    const struct wpipe__frame frame = { .type = WPIPE__FRAME_SWITCH,
                                        .size = WPIPE__SWITCH_SIZE };
    const struct wpipe__switch offer = { SMALL, SMALL + WPIPE__CONTROL_SIZE };
    uint8_t bytes[SIZE];

    (void)state;
    wpipe__frame_encode(&frame, bytes);
    wpipe__switch_encode(&offer, bytes + WPIPE__FRAME_HEADER);
    for (size_t cut = 1; cut < SIZE; cut++) {
        int small = make_memory(SMALL, offer.segment_size, ALL_SEALS, true);
        int large = memory(SEGMENT, ALL_SEALS, true, true);
        struct raw_peer raw;

        raw_open_greeted(&raw, cut % 2, WPIPE_SHARED_NOW);
        assert_true(raw_send_passing(&raw, bytes, cut, &small, 1));
        assert_true(raw.link->transport->pump(raw.link) >= 0);
        assert_true(raw_send(&raw, bytes + cut, SIZE - cut));
        assert_true(raw_frame(&raw, WPIPE__FRAME_MOVED, 0, 0, NULL, 0));
        assert_true(raw_switch_at(&raw, large, RING, 8));
        while (support_wait_readable(raw.link->socket, 0))
            assert_true(raw.link->transport->pump(raw.link) >= 0);
        assert_int_equal(raw.link->transport->shared(raw.link), 2);
        raw_close(&raw);
        close(small);
        close(large);
    }
}

static void growth_into_what_is_no_segment_is_eproto(void **state)
{
    (void)state;
    refuses_what_is_no_segment(1);
}

/* A mark, and no segment was sent. */
static void growth_without_segment_is_eproto(void **state)
{
    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        struct raw_peer raw;

        raw_open_shared_small(&raw, serves);
        mark(&raw, NULL);
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

/* Another size than that of the terms, though it is what it says. */
static void growth_to_another_size_is_eproto(void **state)
{
    static const uint32_t rings[] = { 4096, 32768, 131072 };

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        uint32_t ring = rings[i / 2];
        struct raw_peer raw;
        int fd = make_memory(ring, ring + WPIPE__CONTROL_SIZE, ALL_SEALS, true);

        raw_open_shared_small(&raw, i % 2);
        assert_true(raw_switch_at(&raw, fd, ring, 8));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
        close(fd);
    }
}

/* At a position that is none, or elsewhere than the mark. */
static void growth_elsewhere_is_eproto(void **state)
{
    static const uint64_t places[] = { 4, 9, 16, 65536, UINT64_MAX - 7 };

    (void)state;
    for (size_t i = 0; i < 10; i++) {
        int fd = memory(SEGMENT, ALL_SEALS, true, true);
        struct raw_peer raw;

        raw_open_shared_small(&raw, i % 2);
        assert_true(raw_switch_at(&raw, fd, RING, places[i / 2]));
        mark(&raw, NULL);
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
        close(fd);
    }
}

static void growth_twice_or_too_early_is_eproto(void **state)
{
    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        int fd = memory(SEGMENT, ALL_SEALS, true, true);
        int small =
            make_memory(WPIPE__RING_MIN, WPIPE__SEGMENT_MIN, ALL_SEALS, true);
        struct raw_peer raw;

        raw_open_shared_small(&raw, serves);
        assert_true(raw_switch_at(&raw, fd, RING, 8));
        assert_int_equal(raw.link->transport->pump(raw.link), 1);
        /* the kernel may refuse to pass it: then it never comes */
        if (!raw_switch_at(&raw, fd, RING, 8))
            assert_true(raw_switch_at(&raw, -1, RING, 8));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
        raw_open_greeted(&raw, serves, WPIPE_SHARED_AUTO);
        assert_true(raw_switch(&raw, small, WPIPE__RING_MIN));
        assert_int_equal(raw.link->transport->pump(raw.link), 1);
        assert_true(raw_switch_at(&raw, fd, RING, 8)); /* and no MOVED */
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
        close(small);
        close(fd);
    }
}

/* ---- MOVED --------------------------------------------------------------- */

static void moved_without_segment_is_eproto(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct raw_peer raw;

        raw_open_greeted(&raw, i % 2,
                         i < 2 ? WPIPE_SHARED_AUTO : WPIPE_SHARED_NEVER);
        assert_true(raw_frame(&raw, WPIPE__FRAME_MOVED, 0, 0, NULL, 0));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

static void moved_elsewhere_or_twice_is_eproto(void **state)
{
    static const uint64_t values[] = { 1023, 1032, 2048, 0, UINT64_MAX };

    (void)state;
    for (int i = 0; i < 5; i++) {
        int fd = memory(SEGMENT, ALL_SEALS, true, true);
        struct raw_peer raw;

        raw_open_greeted(&raw, SERVER, WPIPE_SHARED_AUTO);
        assert_true(raw_data(&raw, 0, "x", 1)); /* its charge is 1024 */
        assert_true(raw_switch(&raw, fd, RING));
        assert_true(raw_frame(&raw, WPIPE__FRAME_MOVED, 0, values[i], NULL, 0));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
        close(fd);
    }
    for (int serves = 0; serves < 2; serves++) {
        struct raw_peer raw;

        raw_open_shared(&raw, serves);
        assert_true(raw_frame(&raw, WPIPE__FRAME_MOVED, 0, 0, NULL, 0));
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

static void data_after_moved_is_eproto(void **state)
{
    struct raw_peer raw;

    (void)state;
    raw_open_shared(&raw, SERVER);
    assert_true(raw_data(&raw, 0, "x", 1));
    raw_expect_end(&raw, WPIPE_EPROTO);
    raw_close(&raw);
}

/* STAY from one that offered nothing, or after all has moved. */
static void stay_at_wrong_moment_is_borne_or_eproto(void **state)
{
    struct raw_peer raw;
    int end;

    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        raw_open_greeted(&raw, serves, WPIPE_SHARED_AUTO);
        assert_true(raw_frame(&raw, WPIPE__FRAME_STAY, 0, 0, NULL, 0));
        assert_true(raw_frame(&raw, WPIPE__FRAME_STAY, 0, 0, NULL, 0));
        raw_expect_alive(&raw);
        raw_close(&raw);
        raw_open_shared(&raw, serves);
        assert_true(raw_frame(&raw, WPIPE__FRAME_STAY, 0, 0, NULL, 0));
        for (int i = 0; i < 5; i++)
            end = raw_exercise(&raw);
        assert_true(end == 0 || end == WPIPE_EPROTO);
        raw_close(&raw);
    }
}

/* Takes our segment and says STAY; then offers one nevertheless. */
static void stay_then_switch_is_borne_or_eproto(void **state)
{
    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        int fd = memory(SEGMENT, ALL_SEALS, true, true);
        struct raw_peer raw;
        int end = 0;

        raw_open_greeted(&raw, serves, WPIPE_SHARED_NOW);
        assert_true(raw_frame(&raw, WPIPE__FRAME_STAY, 0, 0, NULL, 0));
        assert_int_equal(raw.link->transport->pump(raw.link), 1);
        /* the kernel may refuse to pass it: then it never comes */
        if (!raw_switch(&raw, fd, RING))
            assert_true(raw_switch(&raw, -1, RING));
        assert_true(raw_frame(&raw, WPIPE__FRAME_MOVED, 0, 0, NULL, 0));
        for (int i = 0; i < 5 && end == 0; i++)
            end = raw_exercise(&raw);
        assert_true(end == 0 || end == WPIPE_EPROTO);
        raw_close(&raw);
        close(fd);
    }
}

/* ---- descriptors --------------------------------------------------------- */

/* With which bytes they come. */
static void pass_with(struct raw_peer *raw, int what, const int *fds, int count)
{
    uint8_t bytes[64] = { 0 };
    size_t size = WPIPE__FRAME_HEADER;

    bytes[0] = WPIPE__FRAME_WANT;
    if (what == 1) {
        bytes[0] = WPIPE__FRAME_DATA;
        bytes[4] = 8;
        size += 8;
    } else if (what == 2) {
        bytes[0] = WPIPE__FRAME_SWITCH;
        bytes[4] = 8;
        memcpy(bytes + 16, (uint32_t[]){ RING, (uint32_t)SEGMENT }, 8);
        size += 8;
    } else if (what == 3) {
        size = 7; /* the beginning of a frame that is no SWITCH */
    }
    (void)raw_send_passing(raw, bytes, size, fds, count);
}

static void descriptors_at_wrong_moment_are_eproto(void **state)
{
    static const int counts[] = { 1, 2, 253 };
    int fds[253];

    (void)state;
    for (int i = 0; i < 253; i++)
        fds[i] = STDERR_FILENO;
    for (int what = 0; what < 4; what++) {
        for (int c = 0; c < 3; c++) {
            for (int serves = 0; serves < 2; serves++) {
                struct raw_peer raw;
                size_t open;

                if (what == 2 && c == 0)
                    continue; /* that is a SWITCH to a wrong descriptor */
                raw_open_greeted(&raw, serves, WPIPE_SHARED_AUTO);
                open = count_once_waited(&raw);
                pass_with(&raw, what, fds, counts[c]);
                raw_expect_end(&raw, WPIPE_EPROTO);
                keeps_one_at_most(open);
                raw_close(&raw);
            }
        }
    }
}

/* To one that has no use for any: never, or not before the greeting. */
static void descriptors_unwanted_are_eproto(void **state)
{
    const int fds[2] = { STDERR_FILENO, STDERR_FILENO };

    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        struct raw_peer raw;
        size_t open;

        raw_open_greeted(&raw, serves, WPIPE_SHARED_NEVER);
        open = count_once_waited(&raw);
        if (raw_send_passing(&raw, "\4\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0x", 17, fds,
                             1))
            raw_expect_end(&raw, WPIPE_EPROTO);
        keeps_one_at_most(open);
        raw_close(&raw);
        raw_open(&raw, serves, WPIPE_SHARED_AUTO);
        open = support_count_descriptors();
        assert_true(raw_send_passing(&raw, "\1", 1, fds, 1));
        raw_expect_greeting(&raw, WPIPE_EPROTO);
        keeps_one_at_most(open);
        raw_close(&raw);
    }
}

/* A socket that lingers must not hold the one who closes it. */
static void descriptor_that_lingers_does_not_hold_us(void **state)
{
    const struct linger linger = { 1, 3 * RAW_SOON_MS / 1000 };
    int64_t start = support_now_ms();
    struct raw_peer raw;
    int fd;

    (void)state;
    raw_open_greeted(&raw, SERVER, WPIPE_SHARED_AUTO);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        assert_int_equal(
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
        assert_true(raw_switch(&raw, fd, RING));
        close(fd);
        raw_expect_end(&raw, WPIPE_EPROTO);
    }
    raw_close(&raw);
    assert_true(support_now_ms() - start < RAW_SOON_MS);
}

static const struct support_case cases[] = {
    TEST(switch_to_what_is_no_segment_is_eproto),
    TEST(switch_of_other_ring_size_is_eproto),
    TEST(switch_of_impossible_sizes_is_eproto),
    TEST(switch_twice_is_eproto),
    TEST(growth_in_good_order_is_followed),
    TEST(switch_in_two_pieces_with_growth_behind_is_followed),
    TEST(growth_into_what_is_no_segment_is_eproto),
    TEST(growth_without_segment_is_eproto),
    TEST(growth_to_another_size_is_eproto),
    TEST(growth_elsewhere_is_eproto),
    TEST(growth_twice_or_too_early_is_eproto),
    TEST(moved_without_segment_is_eproto),
    TEST(moved_elsewhere_or_twice_is_eproto),
    TEST(data_after_moved_is_eproto),
    TEST(stay_at_wrong_moment_is_borne_or_eproto),
    TEST(stay_then_switch_is_borne_or_eproto),
    TEST(descriptors_at_wrong_moment_are_eproto),
    TEST(descriptors_unwanted_are_eproto),
    TEST(descriptor_that_lingers_does_not_hold_us),
};

TEST_MAIN(cases)
