/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link without a socket, for the tests of inbox and outbox: records that
 * come are put in by the case, records that go are kept for it to look at, and
 * there is as much room as the case says.
 */
#ifndef WINDPIPE_TESTS_FAKE_LINK_H
#define WINDPIPE_TESTS_FAKE_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "link/link.h"

#define FAKE_RECORDS 64
#define FAKE_BYTES   256

struct fake_record {
    struct wpipe__record record; /* without data */
    uint8_t bytes[FAKE_BYTES];
};

struct fake_link {
    struct wpipe__link link;
    struct fake_record in[FAKE_RECORDS];
    int in_first;
    int in_count;
    int end; /* what look gives behind the last one; 0: none yet */
    struct fake_record out[FAKE_RECORDS];
    int out_count;
    int room;      /* records that put still takes */
    int put_error; /* what put gives when it is not 0 */
    uint32_t fragment;
    uint32_t shrinks_to; /* the next put says TOO_LONG; fragment from then on */
};

/* Nothing comes, and everything goes in fragments of 16 bytes. */
void fake_link_init(struct fake_link *fake);

/* One record comes. `text` is its payload. */
void fake_link_come(struct fake_link *fake, uint32_t flags, const char *text);
/* The same with the words that flags may ask for. */
void fake_link_come_with(struct fake_link *fake, uint32_t flags,
                         const char *text, uint64_t total, uint64_t request);

/* The record that went as number `at` was this. */
void fake_link_expect(const struct fake_link *fake, int at, uint32_t flags,
                      const char *text);

#endif
