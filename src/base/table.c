/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The id table: an array of slots that only grows, and a chain of free slots
 * through it. Slots stay when their objects leave, because they remember
 * which ids were used.
 */
#include "base/table.h"

#include <windpipe/error.h>

#include "base/base.h"
#include "base/memory.h"

enum {
    SMALLEST = 8
};

static struct wpipe__table_slot *find_slot(const struct wpipe__table *table,
                                           uint64_t id)
{
    uint64_t number = id & UINT32_MAX; /* slot + 1 */
    struct wpipe__table_slot *slot;

    if (number == 0 || number > table->used)
        return NULL;
    slot = &table->slots[number - 1];
    if (slot->object == NULL || slot->generation != id >> 32)
        return NULL;
    return slot;
}

static int grow(struct wpipe__table *table)
{
    struct wpipe__table_slot *slots;
    size_t capacity;

    if (table->capacity > SIZE_MAX / 2 / sizeof(*slots))
        return WPIPE_ENOMEM;
    capacity = wpipe__max_size(table->capacity * 2, SMALLEST);
    slots = wpipe__resize(table->slots, capacity * sizeof(*slots));
    if (slots == NULL)
        return WPIPE_ENOMEM;
    table->slots = slots;
    table->capacity = capacity;
    return 0;
}

/* A free slot as its number + 1 in *ret; it is not in the chain any more. */
static int take_slot(struct wpipe__table *table, uint32_t *ret)
{
    int r;

    if (table->first_free != 0) {
        *ret = table->first_free;
        table->first_free = table->slots[*ret - 1].next_free;
        return 0;
    }
    if (table->used >= UINT32_MAX)
        return WPIPE_ELIMIT;
    if (table->used == table->capacity) {
        r = grow(table);
        if (r < 0)
            return r;
    }
    table->slots[table->used] = (struct wpipe__table_slot){ 0 };
    table->used++;
    *ret = (uint32_t)table->used;
    return 0;
}

int wpipe__table_add(struct wpipe__table *table, void *object, uint64_t *ret_id)
{
    uint32_t number;
    struct wpipe__table_slot *slot;
    int r;

    if (object == NULL)
        return WPIPE_EINVAL;
    r = take_slot(table, &number);
    if (r < 0)
        return r;
    slot = &table->slots[number - 1];
    slot->object = object;
    table->count++;
    *ret_id = (uint64_t)slot->generation << 32 | number;
    return 0;
}

void *wpipe__table_find(const struct wpipe__table *table, uint64_t id)
{
    struct wpipe__table_slot *slot = find_slot(table, id);

    return slot == NULL ? NULL : slot->object;
}

void *wpipe__table_remove(struct wpipe__table *table, uint64_t id)
{
    struct wpipe__table_slot *slot = find_slot(table, id);
    void *object;

    if (slot == NULL)
        return NULL;
    object = slot->object;
    slot->object = NULL;
    table->count--;
    if (slot->generation == UINT32_MAX)
        return object; /* its ids are used up: not into the chain */
    slot->generation++;
    slot->next_free = table->first_free;
    table->first_free = (uint32_t)(id & UINT32_MAX);
    return object;
}

size_t wpipe__table_count(const struct wpipe__table *table)
{
    return table->count;
}

void *wpipe__table_next(const struct wpipe__table *table, size_t *cursor)
{
    void *object;

    while (*cursor < table->used) {
        object = table->slots[(*cursor)++].object;
        if (object != NULL)
            return object;
    }
    return NULL;
}

void wpipe__table_done(struct wpipe__table *table)
{
    wpipe__free(table->slots);
    *table = (struct wpipe__table){ 0 };
}
