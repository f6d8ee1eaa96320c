/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of messages of one size, oldest first.
 */
#include "loop/tally.h"

#include <string.h>

#include "base/base.h"
#include "base/memory.h"

static struct wpipe__tally_run *runs_of(struct wpipe__tally *tally)
{
    return tally->many == NULL ? tally->few : tally->many;
}

static const struct wpipe__tally_run *runs_in(const struct wpipe__tally *tally)
{
    return tally->many == NULL ? tally->few : tally->many;
}

static uint32_t room_of(const struct wpipe__tally *tally)
{
    return tally->many == NULL ? (uint32_t)WPIPE__ARRAY_SIZE(tally->few)
                               : WPIPE__TALLY_RUNS;
}

/* Is the last run of messages of this size? */
static int fits_last(const struct wpipe__tally *tally, uint64_t size)
{
    const struct wpipe__tally_run *last;

    if (tally->count == 0)
        return 0;
    last = &runs_in(tally)[tally->count - 1];
    return last->bytes == size * last->messages;
}

int wpipe__tally_has_room(const struct wpipe__tally *tally, uint64_t size)
{
    return fits_last(tally, size) || tally->count < room_of(tally);
}

/* Go on in memory that holds more runs. */
static int grow(struct wpipe__tally *tally)
{
    struct wpipe__tally_run *many;

    if (tally->many != NULL)
        return 0;
    many = wpipe__alloc(WPIPE__TALLY_RUNS * sizeof(*many));
    if (many == NULL)
        return 0;
    memcpy(many, tally->few, tally->count * sizeof(*many));
    tally->many = many;
    return 1;
}

/* Make one of the two oldest runs. */
static void join_oldest(struct wpipe__tally *tally)
{
    struct wpipe__tally_run *runs = runs_of(tally);

    runs[1].bytes += runs[0].bytes;
    runs[1].messages += runs[0].messages;
    tally->count--;
    memmove(runs, runs + 1, tally->count * sizeof(*runs));
}

void wpipe__tally_add(struct wpipe__tally *tally, uint64_t size)
{
    struct wpipe__tally_run *last;

    if (!fits_last(tally, size)) {
        if (tally->count == room_of(tally) && !grow(tally))
            join_oldest(tally);
        last = &runs_of(tally)[tally->count++];
        last->bytes = 0;
        last->messages = 0;
    }
    last = &runs_of(tally)[tally->count - 1];
    last->bytes += size;
    last->messages++;
}

/* The oldest run that still has unread bytes, and how many it has. Empty
 * runs behind the last read byte are unread, too. */
static uint32_t first_unread(const struct wpipe__tally *tally, uint64_t unread,
                             uint64_t *ret_part)
{
    const struct wpipe__tally_run *runs = runs_in(tally);
    uint32_t i = tally->count;

    while (i > 0 && unread > 0 && runs[i - 1].bytes <= unread) {
        unread -= runs[i - 1].bytes;
        i--;
    }
    *ret_part = i > 0 ? unread : 0;
    return i;
}

/* Messages in the last `part` bytes of a run, a begun one included. */
static uint64_t part_of(const struct wpipe__tally_run *run, uint64_t part)
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

uint64_t wpipe__tally_messages(const struct wpipe__tally *tally,
                               uint64_t unread)
{
    const struct wpipe__tally_run *runs = runs_in(tally);
    uint64_t part;
    uint32_t i = first_unread(tally, unread, &part);
    uint64_t messages = i > 0 ? part_of(&runs[i - 1], part) : 0;

    for (; i < tally->count; i++)
        messages += runs[i].messages;
    return messages;
}

void wpipe__tally_trim(struct wpipe__tally *tally, uint64_t unread)
{
    struct wpipe__tally_run *runs = runs_of(tally);
    uint64_t part;
    uint32_t i = first_unread(tally, unread, &part);

    if (part > 0)
        i--; /* it still has some */
    tally->count -= i;
    memmove(runs, runs + i, tally->count * sizeof(*runs));
    if (tally->many != NULL && tally->count < WPIPE__ARRAY_SIZE(tally->few)) {
        memcpy(tally->few, tally->many, tally->count * sizeof(*runs));
        wpipe__free(tally->many);
        tally->many = NULL;
    }
}

void wpipe__tally_done(struct wpipe__tally *tally)
{
    wpipe__free(tally->many);
    memset(tally, 0, sizeof(*tally));
}
