/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From ids to objects, in constant time. An id is handed to users and may
 * outlive its object, so no id ever comes back: its low half is a slot + 1 and
 * its high half counts how often the slot was used before; a slot whose count
 * is used up is never used again. 0 is no id. One thread at a time.
 */
#ifndef WPIPE__TABLE_H
#define WPIPE__TABLE_H

#include <stddef.h>
#include <stdint.h>

struct wpipe__table_slot {
    void *object;        /* NULL: free */
    uint32_t generation; /* the high half of the id, now or next */
    uint32_t next_free;  /* slot + 1 of the next free one, 0 at the end */
};

/* All zero is an empty table. */
struct wpipe__table {
    struct wpipe__table_slot *slots;
    size_t used; /* slots that were ever used */
    size_t capacity;
    size_t count;        /* objects */
    uint32_t first_free; /* slot + 1, or 0 */
};

/*
 * Give `object`, not NULL, a new id. Returns 0 and the id in *ret_id.
 * Errors: WPIPE_EINVAL (NULL), WPIPE_ENOMEM, WPIPE_ELIMIT (2^32 - 1 slots);
 * the table is as it was.
 */
int wpipe__table_add(struct wpipe__table *table, void *object,
                     uint64_t *ret_id);

/* The object, or NULL when it was removed or never was. */
void *wpipe__table_find(const struct wpipe__table *table, uint64_t id);

/* Take the object out and return it; NULL as for find. */
void *wpipe__table_remove(struct wpipe__table *table, uint64_t id);

/* How many objects are in it. */
size_t wpipe__table_count(const struct wpipe__table *table);

/*
 * The next object, NULL at the end. Start with *cursor = 0. Objects may be
 * removed on the way, the current one too; one that is added on the way may or
 * may not be met.
 */
void *wpipe__table_next(const struct wpipe__table *table, size_t *cursor);

/* Free the table (not the objects); it is empty and forgets used ids. */
void wpipe__table_done(struct wpipe__table *table);

#endif
