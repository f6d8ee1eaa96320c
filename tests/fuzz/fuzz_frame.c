/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a frame header, a greeting and the body of a SWITCH: each is
 * refused, or in range and the same when it is encoded again.
 */
#include <stdlib.h>
#include <string.h>
#include <windpipe/error.h>

#include "base/frame.h"
#include "base/record.h"
#include "base/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static int is_ring_size(uint32_t size)
{
    return size >= WPIPE__RING_MIN && size <= WPIPE__RING_MAX &&
           (size & (size - 1)) == 0;
}

static void check_data(const struct wpipe__frame *f)
{
    uint32_t extra = wpipe__record_extra(f->flags);

    require(f->size >= extra);
    require(f->size - extra <= WPIPE__FRAME_DATA_MAX);
    require(wpipe__record_sane(f->flags, f->size - extra));
    require(wpipe__frame_charge(f->flags, f->size - extra) >=
            WPIPE__FRAME_CHARGE);
}

static void try_frame(const uint8_t bytes[WPIPE__FRAME_HEADER])
{
    uint8_t again[WPIPE__FRAME_HEADER];
    struct wpipe__frame f;
    int r = wpipe__frame_decode(bytes, &f);

    require(r == 0 || r == WPIPE_EPROTO);
    if (r < 0)
        return;
    require(f.type >= WPIPE__FRAME_HELLO && f.type <= WPIPE__FRAME_FACTS);
    if (f.type == WPIPE__FRAME_DATA)
        check_data(&f);
    else
        require(f.flags == 0 && f.size <= 16u << 20);
    wpipe__frame_encode(&f, again);
    require(memcmp(again, bytes, sizeof again) == 0);
}

static void try_greeting(const uint8_t bytes[WPIPE__GREETING_SIZE])
{
    uint8_t again[WPIPE__GREETING_SIZE];
    struct wpipe__greeting g;
    int r = wpipe__greeting_decode(bytes, &g);

    require(r == 0 || r == WPIPE_EPROTO);
    if (r < 0)
        return;
    require(g.version_low <= g.version_high);
    require(g.type <= WPIPE_MESSAGE && g.direction <= WPIPE_OUT);
    require(is_ring_size(g.buffer_in) && is_ring_size(g.buffer_out));
    require(g.max_message > 0);
    require(wpipe__verdict_error(g.code) <= 0);
    wpipe__greeting_encode(&g, again);
    require(memcmp(again, bytes, 32) == 0); /* the rest is reserved */
}

static void try_switch(const uint8_t bytes[WPIPE__SWITCH_SIZE])
{
    uint8_t again[WPIPE__SWITCH_SIZE];
    struct wpipe__switch s;
    int r = wpipe__switch_decode(bytes, &s);

    require(r == 0 || r == WPIPE_EPROTO);
    if (r < 0)
        return;
    require(is_ring_size(s.ring_size));
    require(s.segment_size == s.ring_size + WPIPE__CONTROL_SIZE);
    wpipe__switch_encode(&s, again);
    require(memcmp(again, bytes, sizeof again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = calloc(1, WPIPE__GREETING_SIZE);

    require(bytes != NULL);
    if (size > 0)
        memcpy(bytes, data,
               size < WPIPE__GREETING_SIZE ? size : WPIPE__GREETING_SIZE);
    try_frame(bytes);
    try_greeting(bytes);
    try_switch(bytes);
    free(bytes);
    return 0;
}
