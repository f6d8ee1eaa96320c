/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the native link: encode, decode, judge. frame.h has the layout.
 * A decoder takes nothing on trust: whatever it accepts is in range.
 */
#include "base/frame.h"

#include <windpipe/error.h>

#include "base/base.h"
#include "base/record.h"
#include "base/ring.h"

/* The body sizes that each type may have. */
static const struct {
    uint32_t least;
    uint32_t most;
} body_sizes[] = {
    [WPIPE__FRAME_HELLO] = { WPIPE__GREETING_SIZE, WPIPE__GREETING_SIZE },
    [WPIPE__FRAME_VERDICT] = { WPIPE__GREETING_SIZE, WPIPE__GREETING_SIZE },
    [WPIPE__FRAME_WAIT] = { 0, 0 },
    [WPIPE__FRAME_DATA] = { 0, WPIPE__FRAME_DATA_MAX + 16 },
    [WPIPE__FRAME_CREDIT] = { 8, 8 },
    [WPIPE__FRAME_WANT] = { 0, 0 },
    [WPIPE__FRAME_STATE] = { 0, 0 },
    [WPIPE__FRAME_SWITCH] = { WPIPE__SWITCH_SIZE, WPIPE__SWITCH_SIZE },
    [WPIPE__FRAME_MOVED] = { 0, 0 },
    [WPIPE__FRAME_STAY] = { 0, 0 },
    [WPIPE__FRAME_FACTS] = { 0, 16u << 20 },
};

void wpipe__frame_encode(const struct wpipe__frame *frame,
                         uint8_t ret_bytes[WPIPE__FRAME_HEADER])
{
    ret_bytes[0] = frame->type;
    ret_bytes[1] = 0;
    wpipe__store_u16(ret_bytes + 2, frame->flags);
    wpipe__store_u32(ret_bytes + 4, frame->size);
    wpipe__store_u64(ret_bytes + 8, frame->value);
}

/* A DATA frame holds one record, by the rules of records. */
static int data_is_sane(const struct wpipe__frame *f)
{
    uint32_t extra = wpipe__record_extra(f->flags);

    return f->size >= extra && f->size - extra <= WPIPE__FRAME_DATA_MAX &&
           wpipe__record_sane(f->flags, f->size - extra);
}

int wpipe__frame_decode(const uint8_t bytes[WPIPE__FRAME_HEADER],
                        struct wpipe__frame *ret_frame)
{
    struct wpipe__frame f;

    f.type = bytes[0];
    f.flags = wpipe__load_u16(bytes + 2);
    f.size = wpipe__load_u32(bytes + 4);
    f.value = wpipe__load_u64(bytes + 8);
    if (f.type == 0 || f.type >= WPIPE__ARRAY_SIZE(body_sizes) || bytes[1])
        return WPIPE_EPROTO;
    if (f.size < body_sizes[f.type].least || f.size > body_sizes[f.type].most)
        return WPIPE_EPROTO;
    if (f.type == WPIPE__FRAME_DATA ? !data_is_sane(&f) : f.flags != 0)
        return WPIPE_EPROTO;
    if ((f.type == WPIPE__FRAME_HELLO || f.type == WPIPE__FRAME_VERDICT) &&
        f.value != WPIPE__HELLO_MAGIC)
        return WPIPE_EPROTO;
    if (f.type == WPIPE__FRAME_STATE && f.value != WPIPE__STATE_CLOSED &&
        f.value != WPIPE__STATE_DISCONNECTED && f.value != WPIPE__STATE_DROPPED)
        return WPIPE_EPROTO;
    *ret_frame = f;
    return 0;
}

void wpipe__greeting_encode(const struct wpipe__greeting *greeting,
                            uint8_t ret_bytes[WPIPE__GREETING_SIZE])
{
    uint8_t *p = ret_bytes;

    wpipe__store_u16(p, greeting->version_low);
    wpipe__store_u16(p + 2, greeting->version_high);
    wpipe__store_u32(p + 4, greeting->code);
    wpipe__store_u32(p + 8, greeting->flags);
    wpipe__store_u16(p + 12, greeting->type);
    wpipe__store_u16(p + 14, greeting->direction);
    wpipe__store_u32(p + 16, greeting->buffer_in);
    wpipe__store_u32(p + 20, greeting->buffer_out);
    wpipe__store_u64(p + 24, greeting->max_message);
    wpipe__store_u64(p + 32, 0);
}

static int ring_size_is_sane(uint32_t size)
{
    return size >= WPIPE__RING_MIN && size <= WPIPE__RING_MAX &&
           (size & (size - 1)) == 0;
}

int wpipe__greeting_decode(const uint8_t bytes[WPIPE__GREETING_SIZE],
                           struct wpipe__greeting *ret_greeting)
{
    struct wpipe__greeting g;

    g.version_low = wpipe__load_u16(bytes);
    g.version_high = wpipe__load_u16(bytes + 2);
    g.code = wpipe__load_u32(bytes + 4);
    g.flags = wpipe__load_u32(bytes + 8);
    g.type = wpipe__load_u16(bytes + 12);
    g.direction = wpipe__load_u16(bytes + 14);
    g.buffer_in = wpipe__load_u32(bytes + 16);
    g.buffer_out = wpipe__load_u32(bytes + 20);
    g.max_message = wpipe__load_u64(bytes + 24);
    if (g.version_low > g.version_high || g.type > WPIPE_MESSAGE ||
        g.direction > WPIPE_OUT || g.code > WPIPE__VERDICT_PROTOCOL ||
        !ring_size_is_sane(g.buffer_in) || !ring_size_is_sane(g.buffer_out) ||
        g.max_message == 0)
        return WPIPE_EPROTO;
    *ret_greeting = g;
    return 0;
}

void wpipe__switch_encode(const struct wpipe__switch *offer,
                          uint8_t ret_bytes[WPIPE__SWITCH_SIZE])
{
    wpipe__store_u32(ret_bytes, offer->ring_size);
    wpipe__store_u32(ret_bytes + 4, offer->segment_size);
}

int wpipe__switch_decode(const uint8_t bytes[WPIPE__SWITCH_SIZE],
                         struct wpipe__switch *ret_offer)
{
    struct wpipe__switch s;

    s.ring_size = wpipe__load_u32(bytes);
    s.segment_size = wpipe__load_u32(bytes + 4);
    if (!ring_size_is_sane(s.ring_size) ||
        s.segment_size != s.ring_size + WPIPE__CONTROL_SIZE)
        return WPIPE_EPROTO;
    *ret_offer = s;
    return 0;
}

static const int verdict_errors[] = {
    [WPIPE__VERDICT_ACCEPTED] = 0,
    [WPIPE__VERDICT_BUSY] = WPIPE_EBUSY,
    [WPIPE__VERDICT_DENIED] = WPIPE_EACCES,
    [WPIPE__VERDICT_REFUSED] = WPIPE_EREFUSED,
    [WPIPE__VERDICT_VERSION] = WPIPE_EVERSION,
    [WPIPE__VERDICT_MODE] = WPIPE_ESTATE,
    [WPIPE__VERDICT_PROTOCOL] = WPIPE_EPROTO,
};

int wpipe__verdict_error(uint32_t code)
{
    return code < WPIPE__ARRAY_SIZE(verdict_errors) ? verdict_errors[code]
                                                    : WPIPE_EREFUSED;
}

uint32_t wpipe__verdict_code(int error)
{
    uint32_t i;

    for (i = 0; i < WPIPE__ARRAY_SIZE(verdict_errors); i++)
        if (verdict_errors[i] == error)
            return i;
    return WPIPE__VERDICT_REFUSED;
}

uint64_t wpipe__frame_charge(uint32_t record_flags, uint32_t size)
{
    uint64_t space = wpipe__record_space(record_flags, size);

    return space < WPIPE__FRAME_CHARGE ? WPIPE__FRAME_CHARGE : space;
}
