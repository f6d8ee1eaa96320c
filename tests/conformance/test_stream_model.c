/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thousands of random calls on both ends of a pair, from one thread and with
 * timeout 0, against a model of what a pipe is: a queue of messages each way.
 * Whatever a write said it wrote comes out whole, in order and once; whatever
 * it said it did not write never comes out.
 */
#include "ends.h"

#include <stdlib.h>
#include <windpipe/error.h>

enum {
    QUEUE = 4096,
    STEPS = 6000,
    SIZE_MAX_HERE = 9000
};

/* One direction. */
struct way {
    wpipe_stream *from;
    wpipe_stream *to;
    size_t sizes[QUEUE]; /* of messages that are unread */
    uint64_t first;      /* number of the first of them; begins at 1 */
    uint64_t next;       /* number of the next to be written */
    size_t taken;        /* bytes of the first that are read */
    size_t part;         /* bytes of the message being put together */
    int in_parts;        /* the reader may see the parts */
    int debris;          /* what was withdrawn may still take room */
    int finished;
};

struct model {
    struct ends ends;
    struct way ways[2];
    uint64_t random;
    uint8_t *bytes;
};

static size_t some_size(struct model *m)
{
    uint64_t r = ends_random(&m->random);

    switch (r % 8) {
    case 0:
        return 0;
    case 1:
    case 2:
    case 3:
        return (r >> 8) % 40;
    case 4:
    case 5:
        return (r >> 8) % 1000;
    case 6:
        return (r >> 8) % SIZE_MAX_HERE;
    default:
        return ends_ring(&m->ends) / 4 - 70 + (r >> 8) % 20;
    }
}

static void went(struct way *w, size_t size)
{
    w->sizes[w->next % QUEUE] = size;
    w->next++;
    w->part = 0;
    w->in_parts = 0;
}

static void step_write(struct model *m, struct way *w)
{
    size_t size = some_size(m);
    int64_t r;

    if (w->next - w->first >= QUEUE - 1)
        return;
    ends_fill(m->bytes, w->part + size, w->next);
    r = wpipe_write(w->from, m->bytes + w->part, size, 0);
    if (w->finished) {
        assert_int_equal(r, WPIPE_ESTATE);
    } else if (r == WPIPE_ETIMEDOUT) {
        /* all of it is withdrawn, also parts that went before */
        assert_true(size > 0 || w->next > w->first || w->part > 0 || w->debris);
        w->debris = 1;
        w->part = 0;
        w->in_parts = 0;
    } else {
        assert_int_equal(r, size);
        went(w, w->part + size);
    }
}

static void step_reserve(struct model *m, struct way *w)
{
    size_t size = ends_random(&m->random) % 900;
    int more = ends_random(&m->random) % 2;
    void *data;
    int r;

    if (w->next - w->first >= QUEUE - 1 || w->part > 3000)
        return;
    r = wpipe_write_begin(w->from, size, &data, 0);
    if (w->finished)
        assert_int_equal(r, WPIPE_ESTATE);
    if (r < 0) {
        assert_true(r == WPIPE_ESTATE || r == WPIPE_ETIMEDOUT);
        return;
    }
    ends_fill(m->bytes, w->part + size, w->next);
    memcpy(data, m->bytes + w->part, size);
    if (ends_random(&m->random) % 8 == 0) {
        wpipe_write_abort(w->from);
        w->debris = 1;
        w->part = 0;
        w->in_parts = 0;
        return;
    }
    if (size > 1)
        size -= ends_random(&m->random) % 2;
    assert_int_equal(wpipe_write_commit(w->from, size, more), size);
    if (!more)
        went(w, w->part + size);
    else
        w->part += size;
    w->in_parts |= more && size > 0;
}

/* The first message is read up to `taken`; the next `got` bytes came. */
static void came(struct model *m, struct way *w, const uint8_t *data,
                 size_t got)
{
    size_t size = w->sizes[w->first % QUEUE];

    assert_true(w->taken + got <= size);
    ends_fill(m->bytes, size, w->first);
    if (memcmp(data, m->bytes + w->taken, got) != 0)
        fail_msg("message %llu of %zu bytes differs at %zu",
                 (unsigned long long)w->first, size, w->taken);
    w->taken += got;
    assert_int_equal(wpipe_stream_message_complete(w->to), w->taken == size);
    if (w->taken == size) {
        w->first++;
        w->taken = 0;
    }
}

static void step_read(struct model *m, struct way *w)
{
    static uint8_t buf[70000];
    size_t room = some_size(m) + 1;
    int64_t r;

    /* what is in parts may be seen and then withdrawn: the cases with two
     * threads look at that */
    if (w->first == w->next && w->in_parts)
        return;
    r = wpipe_read(w->to, buf, room, 0);
    if (w->first == w->next) {
        w->debris = 0;
        assert_int_equal(r, w->finished ? WPIPE_EOF : WPIPE_ETIMEDOUT);
        return;
    }
    if (r < 0)
        fail_msg("read gave %s with %llu messages unread",
                 wpipe_error_name((int)r),
                 (unsigned long long)(w->next - w->first));
    came(m, w, buf, (size_t)r);
}

static void step_look(struct model *m, struct way *w)
{
    static uint8_t copy[70000];
    const void *data;
    size_t size;
    size_t used;

    if (w->first == w->next)
        return;
    assert_int_equal(wpipe_read_begin(w->to, &data, &size, 0), 0);
    used = size ? 1 + ends_random(&m->random) % size : 0;
    memcpy(copy, data, used); /* theirs again after the end */
    assert_int_equal(wpipe_read_end(w->to, used), 0);
    came(m, w, copy, used);
}

static void step_peek(struct model *m, struct way *w)
{
    static uint8_t buf[70000];
    size_t room = some_size(m);
    size_t available = 0;
    size_t left = 0;
    size_t want = w->part;
    int64_t r = wpipe_peek(w->to, buf, room, &available, &left);

    if (w->first == w->next && w->finished) {
        assert_int_equal(r, WPIPE_EOF);
        return;
    }
    assert_true(r >= 0);
    for (uint64_t i = w->first; i < w->next; i++)
        want += w->sizes[i % QUEUE];
    assert_int_equal(available, want - w->taken);
    if (w->first == w->next)
        return;
    assert_int_equal((size_t)r + left, w->sizes[w->first % QUEUE] - w->taken);
    ends_fill(m->bytes, w->sizes[w->first % QUEUE], w->first);
    assert_memory_equal(buf, m->bytes + w->taken, (size_t)r);
}

static void step_drain(struct way *w)
{
    int r = wpipe_drain(w->from, 0);

    if (w->first < w->next || w->part > 0)
        assert_int_equal(r, WPIPE_ETIMEDOUT);
}

static void step(struct model *m)
{
    struct way *w = &m->ways[ends_random(&m->random) % 3 == 0];

    switch (ends_random(&m->random) % 10) {
    case 0:
    case 1:
    case 2:
        step_write(m, w);
        break;
    case 3:
        step_reserve(m, w);
        break;
    case 4:
        step_look(m, w);
        break;
    case 5:
        step_peek(m, w);
        break;
    case 6:
        step_drain(w);
        break;
    default:
        step_read(m, w);
        break;
    }
}

/* Finish both ways, read what is left, see the end. */
static void ending(struct model *m)
{
    for (int i = 0; i < 2; i++) {
        struct way *w = &m->ways[i];

        assert_int_equal(wpipe_finish(w->from), 0);
        w->finished = 1;
        w->part = 0;
        w->in_parts = 0;
        while (w->first < w->next)
            step_read(m, w);
        ends_expect_end(w->to, WPIPE_EOF);
    }
}

static void run_model(const struct ends_kind *kind, uint64_t seed, int steps)
{
    struct model *m = calloc(1, sizeof *m);

    assert_non_null(m);
    m->random = seed;
    m->bytes = malloc(100000);
    ends_open(&m->ends, kind, WPIPE_MESSAGE);
    m->ways[0].from = m->ways[1].to = m->ends.a;
    m->ways[0].to = m->ways[1].from = m->ends.b;
    m->ways[0].first = m->ways[0].next = 1;
    m->ways[1].first = m->ways[1].next = 1;
    for (int i = 0; i < steps; i++)
        step(m);
    ending(m);
    ends_close(&m->ends);
    free(m->bytes);
    free(m);
}

static void model_long_run_agrees(void **state)
{
    run_model(*state, 20240229, STEPS);
}

/* Short runs: most of them lie around the move to shared memory. */
static void model_short_runs_agree(void **state)
{
    for (uint64_t seed = 1; seed <= 300; seed++)
        run_model(*state, seed * 7919, 60);
}

static const struct ends_case cases[] = {
    EACH_SEEN(model_long_run_agrees),
    EACH_SLOW(model_short_runs_agree, ENDS_ALL),
};

ENDS_MAIN(cases)
