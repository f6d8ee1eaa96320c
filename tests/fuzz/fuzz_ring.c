/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring whose other side is hostile: its control words and all bytes of its
 * ring are input, and they change between our steps. Neither the reader nor the
 * writer ever leaves the ring, and what they hold stays consistent.
 *
 * Input: the start, then one instruction a byte with its operands; what is
 * left over fills the ring.
 */
#include <stdlib.h>
#include <string.h>
#include <windpipe/error.h>

#include "base/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    SIZE = 4096,
    LARGE = 16384,
    STEPS = 200
};

struct input {
    const uint8_t *data;
    size_t left;
};

struct state {
    struct wpipe__control theirs; /* the peer's words */
    struct wpipe__control mine;
    struct wpipe__ring_in in;
    struct wpipe__ring_out out;
    uint8_t *in_bytes; /* the peer's ring, exactly */
    uint8_t *in_grown; /* and the one that it may grow to */
    uint8_t *out_bytes;
    struct wpipe__record record; /* what the last look gave */
    int looked;
};

static void require(int condition)
{
    if (!condition)
        abort();
}

static uint64_t take(struct input *input, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes && input->left > 0; i++) {
        value |= (uint64_t)*input->data++ << 8 * i;
        input->left--;
    }
    return value;
}

static void check_record(const struct state *s, const struct wpipe__record *r)
{
    int small = r->data >= s->in_bytes && r->data <= s->in_bytes + SIZE;
    const uint8_t *ring = small ? s->in_bytes : s->in_grown;
    uint32_t size = small ? SIZE : LARGE;

    require(r->data >= ring + WPIPE__RECORD_HEADER);
    require(r->size <= size);
    require(r->data + r->size <= ring + size);
}

static void step_read(struct state *s, struct input *input, unsigned what)
{
    struct wpipe__record r = { 0 };
    uint64_t position = s->in.tail;
    uint64_t part;

    switch (what) {
    case 0:
        s->looked = wpipe__ring_look(&s->in, &s->theirs, &s->record) == 1;
        if (s->looked)
            check_record(s, &s->record);
        break;
    case 1:
        if (s->looked)
            wpipe__ring_take(&s->in, s->record.size, 1);
        s->looked = 0;
        break;
    case 2:
        part = take(input, 2);
        if (s->looked && part <= s->record.size)
            wpipe__ring_take(&s->in, (uint32_t)part, 0);
        s->looked = 0;
        break;
    case 3:
        for (int i = 0; i < SIZE + LARGE; i++) {
            if (wpipe__ring_scan(&s->in, &s->theirs, &position, &r) != 1)
                break;
            check_record(s, &r);
            require(i < (SIZE + LARGE) / 8);
        }
        break;
    case 4:
        part = s->in.tail + take(input, 1) * 8;
        if (wpipe__ring_scan(&s->in, &s->theirs, &position, &r) !=
            WPIPE__RING_GREW)
            break;
        require(s->in.size == SIZE && s->in.limit == LARGE);
        if (wpipe__ring_follow(&s->in, s->in_grown, part) == 0)
            require(position + WPIPE__RECORD_HEADER == part);
        break;
    default:
        (void)wpipe__ring_refresh(&s->in, &s->theirs);
        break;
    }
    require((s->in.tail & 7) == 0);
    require(s->in.head - s->in.tail <= s->in.limit);
}

static void step_write(struct state *s, struct input *input, unsigned what)
{
    static const uint32_t flags[] = { 0, WPIPE__RECORD_MORE,
                                      WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL,
                                      WPIPE__RECORD_REPLY };
    struct wpipe__record r = { .flags = flags[what % 4] };
    uint64_t before = s->out.head;
    uint8_t *to;
    int error;

    r.size = (uint32_t)take(input, 2) % (wpipe__ring_fragment(LARGE) + 1);
    if ((r.flags & WPIPE__RECORD_MORE) && r.size == 0)
        r.size = 1;
    to = wpipe__ring_reserve(&s->out, &s->theirs, &r, &error);
    require(error == 0 || error == WPIPE_EPROTO);
    require(error == 0 || to == NULL);
    if (!to)
        return;
    require(to >= s->out_bytes && to + r.size <= s->out_bytes + LARGE);
    require(r.size < WPIPE__RECORD_LARGE || (to - s->out_bytes) % 64 == 0);
    memset(to, 0xa5, r.size);
    if (what & 4)
        r.size = r.size > 1 ? r.size / 2 : r.size;
    wpipe__ring_commit(&s->out, &r);
    wpipe__ring_publish(&s->out, &s->mine);
    require(s->out.head > before);
    require(s->out.head - s->out.tail <= LARGE - WPIPE__RING_RESERVE);
}

/* The peer changes a word or a piece of its ring. */
static void step_lie(struct state *s, struct input *input, unsigned what)
{
    uint64_t value = take(input, 8);
    uint64_t at;

    switch (what) {
    case 0:
        atomic_store(&s->theirs.head, value);
        break;
    case 1:
        atomic_store(&s->theirs.tail, value);
        break;
    case 2: /* likely values */
        atomic_store(&s->theirs.head, s->in.tail + (value & 0x1ff8));
        break;
    case 3:
        atomic_store(&s->theirs.tail,
                     s->out.tail + (value & 0x7ff8) % (LARGE + 8));
        break;
    case 4:
        atomic_store(&s->theirs.tail, s->out.head);
        break;
    default:
        at = take(input, 2) & (SIZE - 1) & ~7ull;
        if (what == 5 && s->in.size == LARGE)
            memcpy(s->in_grown + at, &value, 8);
        else
            memcpy(s->in_bytes + at, &value, 8);
        break;
    }
}

static void run(struct state *s, struct input *input)
{
    for (int i = 0; i < STEPS && input->left > 0; i++) {
        unsigned code = (unsigned)take(input, 1);

        if (code < 96)
            step_read(s, input, code % 6);
        else if (code < 160)
            step_write(s, input, code % 8);
        else
            step_lie(s, input, code % 6);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = { data, size };
    struct state s;
    uint64_t start = take(&input, 4) << 3;
    size_t program = (size_t)take(&input, 1) * 4;

    memset(&s, 0, sizeof s);
    s.in_bytes = calloc(1, SIZE);
    s.in_grown = calloc(1, LARGE);
    s.out_bytes = calloc(1, LARGE);
    require(s.in_bytes != NULL && s.in_grown != NULL && s.out_bytes != NULL);
    if (program > input.left)
        program = input.left;
    for (size_t i = program; i < input.left && i - program < SIZE; i++)
        s.in_bytes[i - program] = input.data[i];
    input.left = program;
    s.in.bytes = s.in_bytes;
    s.out.bytes = s.out_bytes;
    s.in.size = SIZE;
    s.out.size = LARGE;
    s.in.limit = program & 4 ? LARGE : SIZE;
    s.in.head = s.in.tail = s.out.head = s.out.tail = s.out.start = s.out.seen =
        start;
    atomic_store(&s.theirs.head, start + (program & 0xff8));
    atomic_store(&s.theirs.tail, start);
    run(&s, &input);
    free(s.in_bytes);
    free(s.in_grown);
    free(s.out_bytes);
    return 0;
}
