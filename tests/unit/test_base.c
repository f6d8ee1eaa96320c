/* SPDX-License-Identifier: Apache-2.0 */
/* The list, the little-endian numbers and the arithmetic of base.h. */
#include "support.h"

#include "base/base.h"

struct item {
    int number;
    struct wpipe__list link;
};

/* The numbers in the list, as digits, in a static string. */
static const char *digits(const struct wpipe__list *list)
{
    static char text[16];
    struct wpipe__list *node;
    size_t length = 0;

    for (node = wpipe__list_first(list); node != NULL;
         node = wpipe__list_next(list, node)) {
        struct item *item = wpipe__container_of(node, struct item, link);

        text[length++] = (char)('0' + item->number);
    }
    text[length] = '\0';
    return text;
}

static void list_nodes_removed_others_stay_in_order(void **state)
{
    struct wpipe__list list;
    struct item items[5];
    int i;

    (void)state;
    wpipe__list_init(&list);
    assert_true(wpipe__list_empty(&list));
    assert_null(wpipe__list_first(&list));
    for (i = 0; i < 5; i++) {
        items[i].number = i;
        wpipe__list_append(&list, &items[i].link);
    }
    assert_false(wpipe__list_empty(&list));
    assert_string_equal(digits(&list), "01234");
    wpipe__list_remove(&items[2].link);
    assert_string_equal(digits(&list), "0134");
    wpipe__list_remove(&items[0].link);
    wpipe__list_remove(&items[4].link);
    assert_string_equal(digits(&list), "13");
    wpipe__list_append(&list, &items[0].link);
    assert_string_equal(digits(&list), "130");
}

static void list_node_removed_twice_harmless(void **state)
{
    struct wpipe__list list;
    struct item a = { .number = 1 };
    struct item b = { .number = 2 };

    (void)state;
    wpipe__list_init(&list);
    wpipe__list_append(&list, &a.link);
    wpipe__list_append(&list, &b.link);
    wpipe__list_remove(&a.link);
    assert_true(wpipe__list_empty(&a.link));
    wpipe__list_remove(&a.link);
    assert_string_equal(digits(&list), "2");
    wpipe__list_remove(&b.link);
    assert_true(wpipe__list_empty(&list));
}

static void numbers_stored_little_endian_unaligned(void **state)
{
    static const uint8_t expected[] = { 0x02, 0xf1, 0x04, 0x03, 0x02,
                                        0xf1, 0x08, 0x07, 0x06, 0x05,
                                        0x04, 0x03, 0x02, 0xf1 };
    uint8_t bytes[1 + sizeof(expected)] = { 0 };

    (void)state;
    wpipe__store_u16(bytes + 1, 0xf102);
    wpipe__store_u32(bytes + 3, 0xf1020304);
    wpipe__store_u64(bytes + 7, 0xf102030405060708);
    assert_memory_equal(bytes + 1, expected, sizeof(expected));
    assert_int_equal(wpipe__load_u16(bytes + 1), 0xf102);
    assert_int_equal(wpipe__load_u32(bytes + 3), 0xf1020304);
    assert_true(wpipe__load_u64(bytes + 7) == 0xf102030405060708);
}

static void align8_rounds_up(void **state)
{
    static const struct {
        uint64_t in;
        uint64_t out;
    } rows[] = {
        { 0, 0 },
        { 1, 8 },
        { 7, 8 },
        { 8, 8 },
        { 9, 16 },
        { 0x100000001, 0x100000008 },
        { UINT64_MAX - 7, UINT64_MAX - 7 },
        { UINT64_MAX - 6, 0 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++)
        assert_true(wpipe__align8(rows[i].in) == rows[i].out);
}

static void minimum_and_maximum_of_large_numbers(void **state)
{
    (void)state;
    assert_true(wpipe__min_size(SIZE_MAX, 1) == 1);
    assert_true(wpipe__min_size(1, SIZE_MAX) == 1);
    assert_true(wpipe__max_size(SIZE_MAX, 1) == SIZE_MAX);
    assert_true(wpipe__max_size(1, SIZE_MAX) == SIZE_MAX);
    assert_true(wpipe__min_u64(UINT64_MAX, 1) == 1);
    assert_true(wpipe__min_u64(1, UINT64_MAX) == 1);
    assert_true(wpipe__max_u64(UINT64_MAX, 1) == UINT64_MAX);
    assert_true(wpipe__max_u64(1, UINT64_MAX) == UINT64_MAX);
}

static const struct support_case cases[] = {
    TEST(list_nodes_removed_others_stay_in_order),
    TEST(list_node_removed_twice_harmless),
    TEST(numbers_stored_little_endian_unaligned),
    TEST(align8_rounds_up),
    TEST(minimum_and_maximum_of_large_numbers),
};

TEST_MAIN(cases)
