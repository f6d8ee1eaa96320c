/* SPDX-License-Identifier: Apache-2.0 */
/* The id table: what is found, and above all what is not found any more. */
#include "support.h"

#include <string.h>
#include <windpipe/error.h>

#include "base/memory.h"
#include "base/table.h"

enum {
    MANY = 1000
};

static char objects[MANY];

static uint64_t add(struct wpipe__table *table, void *object)
{
    uint64_t id = 0;

    assert_int_equal(wpipe__table_add(table, object, &id), 0);
    assert_true(id != 0);
    assert_ptr_equal(wpipe__table_find(table, id), object);
    return id;
}

static void table_zeroed_is_empty(void **state)
{
    struct wpipe__table table = { 0 };
    size_t cursor = 0;

    (void)state;
    assert_int_equal(wpipe__table_count(&table), 0);
    assert_null(wpipe__table_find(&table, 0));
    assert_null(wpipe__table_find(&table, 1));
    assert_null(wpipe__table_remove(&table, 1));
    assert_null(wpipe__table_next(&table, &cursor));
    wpipe__table_done(&table);
}

static void table_first_id_is_one(void **state)
{
    struct wpipe__table table = { 0 };

    (void)state;
    assert_int_equal(add(&table, objects), 1);
    assert_int_equal(add(&table, objects), 2);
    wpipe__table_done(&table);
}

static void table_null_object_refused(void **state)
{
    struct wpipe__table table = { 0 };
    uint64_t id = 77;

    (void)state;
    assert_int_equal(wpipe__table_add(&table, NULL, &id), WPIPE_EINVAL);
    assert_int_equal(id, 77);
    assert_int_equal(wpipe__table_count(&table), 0);
    wpipe__table_done(&table);
}

static void table_many_objects_each_found(void **state)
{
    struct wpipe__table table = { 0 };
    uint64_t ids[MANY];
    size_t i;

    (void)state;
    for (i = 0; i < MANY; i++)
        ids[i] = add(&table, &objects[i]);
    assert_int_equal(wpipe__table_count(&table), MANY);
    for (i = 0; i < MANY; i += 3)
        assert_ptr_equal(wpipe__table_remove(&table, ids[i]), &objects[i]);
    assert_int_equal(wpipe__table_count(&table), MANY - (MANY + 2) / 3);
    for (i = 0; i < MANY; i++)
        assert_ptr_equal(wpipe__table_find(&table, ids[i]),
                         i % 3 == 0 ? NULL : &objects[i]);
    wpipe__table_done(&table);
}

static void table_id_of_nothing_not_found(void **state)
{
    struct wpipe__table table = { 0 };
    uint64_t id = add(&table, objects);
    const uint64_t strange[] = { 0,
                                 id + 1,
                                 (id + 1) | (uint64_t)1 << 32,
                                 UINT32_MAX,
                                 UINT64_MAX,
                                 (uint64_t)1 << 32,
                                 id | (uint64_t)1 << 32,
                                 id | (uint64_t)1 << 63 };
    size_t i;

    (void)state;
    add(&table, objects + 1);
    wpipe__table_remove(&table, id + 1); /* its slot's next life is no id yet */
    for (i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
        assert_null(wpipe__table_find(&table, strange[i]));
        assert_null(wpipe__table_remove(&table, strange[i]));
    }
    assert_int_equal(wpipe__table_count(&table), 1);
    wpipe__table_done(&table);
}

static void table_removed_id_never_comes_back(void **state)
{
    struct wpipe__table table = { 0 };
    uint64_t ids[MANY];
    size_t i;
    size_t j;

    (void)state;
    for (i = 0; i < MANY; i++) {
        uint64_t other = add(&table, objects);

        ids[i] = add(&table, objects + 1);
        assert_ptr_equal(wpipe__table_remove(&table, ids[i]), objects + 1);
        assert_null(wpipe__table_remove(&table, ids[i]));
        if (i % 2 == 0)
            assert_ptr_equal(wpipe__table_remove(&table, other), objects);
        for (j = 0; j <= i; j++) {
            assert_null(wpipe__table_find(&table, ids[j]));
            assert_true(j == i || ids[j] != ids[i]);
        }
    }
    wpipe__table_done(&table);
}

static void table_slots_used_again(void **state)
{
    struct wpipe__table table = { 0 };
    uint64_t ids[10];
    int round;
    int i;

    (void)state;
    for (round = 0; round < 1000; round++) {
        for (i = 0; i < 10; i++)
            ids[i] = add(&table, objects);
        for (i = 0; i < 10; i++)
            wpipe__table_remove(&table, ids[i]);
    }
    assert_int_equal(table.used, 10);
    wpipe__table_done(&table);
}

static void table_slot_out_of_ids_retired(void **state)
{
    struct wpipe__table table = { 0 };
    uint64_t id;

    (void)state;
    wpipe__table_remove(&table, add(&table, objects));
    table.slots[0].generation = UINT32_MAX; /* as after 2^32 - 1 lives */
    id = add(&table, objects);
    assert_true(id == ((uint64_t)UINT32_MAX << 32 | 1));
    assert_ptr_equal(wpipe__table_remove(&table, id), objects);
    assert_null(wpipe__table_find(&table, id));
    assert_int_equal(add(&table, objects), 2);
    assert_int_equal(add(&table, objects), 3);
    wpipe__table_done(&table);
}

static void table_out_of_slots_limit(void **state)
{
    struct wpipe__table table = { .used = UINT32_MAX,
                                  .capacity = UINT32_MAX,
                                  .count = UINT32_MAX };
    uint64_t id = 77;

    (void)state;
    assert_int_equal(wpipe__table_add(&table, objects, &id), WPIPE_ELIMIT);
    assert_int_equal(id, 77);
    assert_true(wpipe__table_count(&table) == UINT32_MAX);
}

static void next_current_removed_others_met_once(void **state)
{
    struct wpipe__table table = { 0 };
    uint64_t ids[MANY];
    char met[MANY] = { 0 };
    size_t cursor = 0;
    size_t i;
    char *object;

    (void)state;
    for (i = 0; i < MANY; i++)
        ids[i] = add(&table, &objects[i]);
    wpipe__table_remove(&table, ids[0]);
    wpipe__table_remove(&table, ids[500]);
    while ((object = wpipe__table_next(&table, &cursor)) != NULL) {
        i = (size_t)(object - objects);
        met[i]++;
        if (i % 2 == 1)
            assert_ptr_equal(wpipe__table_remove(&table, ids[i]), object);
        if (i == 10)
            wpipe__table_remove(&table, ids[20]);
    }
    assert_null(wpipe__table_next(&table, &cursor));
    for (i = 0; i < MANY; i++)
        assert_int_equal(met[i], i != 0 && i != 20 && i != 500);
    assert_int_equal(wpipe__table_count(&table), MANY / 2 - 3);
    wpipe__table_done(&table);
}

static void table_allocation_fails_stays_intact(void **state)
{
    long before = wpipe__memory_live();
    long n;

    (void)state;
    for (n = 1; n <= 6; n++) {
        struct wpipe__table table = { 0 };
        size_t added = 0;
        uint64_t ids[MANY];
        size_t i;
        int r = 0;

        wpipe__memory_fail_at(n);
        while (added < MANY && r == 0) {
            ids[added] = 77;
            r = wpipe__table_add(&table, &objects[added], &ids[added]);
            added += r == 0;
        }
        assert_int_equal(r, WPIPE_ENOMEM);
        assert_int_equal(ids[added], 77);
        assert_int_equal(wpipe__table_count(&table), added);
        for (i = 0; i < added; i++)
            assert_ptr_equal(wpipe__table_find(&table, ids[i]), &objects[i]);
        wpipe__memory_fail_at(0);
        add(&table, objects);
        assert_int_equal(wpipe__table_count(&table), added + 1);
        wpipe__table_done(&table);
        assert_int_equal(wpipe__memory_live(), before);
    }
}

static const struct support_case cases[] = {
    TEST(table_zeroed_is_empty),
    TEST(table_first_id_is_one),
    TEST(table_null_object_refused),
    TEST(table_many_objects_each_found),
    TEST(table_id_of_nothing_not_found),
    TEST(table_removed_id_never_comes_back),
    TEST(table_slots_used_again),
    TEST(table_slot_out_of_ids_retired),
    TEST(table_out_of_slots_limit),
    TEST(next_current_removed_others_met_once),
    TEST(table_allocation_fails_stays_intact),
};

TEST_MAIN(cases)
