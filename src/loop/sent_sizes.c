/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of messages of one size, oldest first.
 */
#include "loop/sent_sizes.h"

#include <string.h>

#include "base/base.h"
#include "base/memory.h"

static struct wpipe__sent_sizes_run *runs_of(
    struct wpipe__sent_sizes *sent_sizes)
{
    return sent_sizes->many == NULL ? sent_sizes->few : sent_sizes->many;
}

static const struct wpipe__sent_sizes_run *runs_in(
    const struct wpipe__sent_sizes *sent_sizes)
{
    return sent_sizes->many == NULL ? sent_sizes->few : sent_sizes->many;
}

static uint32_t room_of(const struct wpipe__sent_sizes *sent_sizes)
{
    return sent_sizes->many == NULL
               ? (uint32_t)WPIPE__ARRAY_SIZE(sent_sizes->few)
               : WPIPE__SENT_SIZES_RUNS;
}

/* Is the last run of messages of this size? */
static int fits_last(const struct wpipe__sent_sizes *sent_sizes, uint64_t size)
{
    const struct wpipe__sent_sizes_run *last;

    if (sent_sizes->count == 0)
        return 0;
    last = &runs_in(sent_sizes)[sent_sizes->count - 1];
    return last->bytes == size * last->messages;
}

int wpipe__sent_sizes_has_room(const struct wpipe__sent_sizes *sent_sizes,
                               uint64_t size)
{
    return fits_last(sent_sizes, size) ||
           sent_sizes->count < room_of(sent_sizes);
}

/* Go on in memory that holds more runs. */
static int grow(struct wpipe__sent_sizes *sent_sizes)
{
    struct wpipe__sent_sizes_run *many;

    if (sent_sizes->many != NULL)
        return 0;
    many = wpipe__alloc(WPIPE__SENT_SIZES_RUNS * sizeof(*many));
    if (many == NULL)
        return 0;
    memcpy(many, sent_sizes->few, sent_sizes->count * sizeof(*many));
    sent_sizes->many = many;
    return 1;
}

/* Make one of the two oldest runs. */
static void join_oldest(struct wpipe__sent_sizes *sent_sizes)
{
    struct wpipe__sent_sizes_run *runs = runs_of(sent_sizes);

    runs[1].bytes += runs[0].bytes;
    runs[1].messages += runs[0].messages;
    sent_sizes->count--;
    memmove(runs, runs + 1, sent_sizes->count * sizeof(*runs));
}

void wpipe__sent_sizes_add(struct wpipe__sent_sizes *sent_sizes, uint64_t size)
{
    struct wpipe__sent_sizes_run *last;

    if (!fits_last(sent_sizes, size)) {
        if (sent_sizes->count == room_of(sent_sizes) && !grow(sent_sizes))
            join_oldest(sent_sizes);
        last = &runs_of(sent_sizes)[sent_sizes->count++];
        last->bytes = 0;
        last->messages = 0;
    }
    last = &runs_of(sent_sizes)[sent_sizes->count - 1];
    last->bytes += size;
    last->messages++;
}

/* The oldest run that still has unread bytes, and how many it has. Empty
 * runs behind the last read byte are unread, too. */
static uint32_t first_unread(const struct wpipe__sent_sizes *sent_sizes,
                             uint64_t unread, uint64_t *ret_part)
{
    const struct wpipe__sent_sizes_run *runs = runs_in(sent_sizes);
    uint32_t i = sent_sizes->count;

    while (i > 0 && unread > 0 && runs[i - 1].bytes <= unread) {
        unread -= runs[i - 1].bytes;
        i--;
    }
    *ret_part = i > 0 ? unread : 0;
    return i;
}

/* Messages in the last `part` bytes of a run, a begun one included. */
static uint64_t part_of(const struct wpipe__sent_sizes_run *run, uint64_t part)
{
    uint64_t size;

    if (part == 0 || run->messages == 0)
        return 0;
    if (run->bytes % run->messages != 0) /* joined: as many as their share */
        return 1 + (uint64_t)((double)part / (double)run->bytes *
                              (double)(run->messages - 1));
    size = run->bytes / run->messages;
    return part / size + (part % size != 0);
}

uint64_t wpipe__sent_sizes_messages(const struct wpipe__sent_sizes *sent_sizes,
                                    uint64_t unread)
{
    const struct wpipe__sent_sizes_run *runs = runs_in(sent_sizes);
    uint64_t part;
    uint32_t i = first_unread(sent_sizes, unread, &part);
    uint64_t messages = i > 0 ? part_of(&runs[i - 1], part) : 0;

    for (; i < sent_sizes->count; i++)
        messages += runs[i].messages;
    return messages;
}

void wpipe__sent_sizes_trim(struct wpipe__sent_sizes *sent_sizes,
                            uint64_t unread)
{
    struct wpipe__sent_sizes_run *runs = runs_of(sent_sizes);
    uint64_t part;
    uint32_t i = first_unread(sent_sizes, unread, &part);

    if (part > 0)
        i--; /* it still has some */
    sent_sizes->count -= i;
    memmove(runs, runs + i, sent_sizes->count * sizeof(*runs));
    if (sent_sizes->many != NULL &&
        sent_sizes->count < WPIPE__ARRAY_SIZE(sent_sizes->few)) {
        memcpy(sent_sizes->few, sent_sizes->many,
               sent_sizes->count * sizeof(*runs));
        wpipe__free(sent_sizes->many);
        sent_sizes->many = NULL;
    }
}

void wpipe__sent_sizes_done(struct wpipe__sent_sizes *sent_sizes)
{
    wpipe__free(sent_sizes->many);
    memset(sent_sizes, 0, sizeof(*sent_sizes));
}
