/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer and a reader of one ring, as two threads that have nothing else in
 * common: what they order is ordered by head and tail alone. Under
 * ThreadSanitizer each weaker order of these is a race; tools/check-atomics
 * weakens them one at a time. The bytes of a record are touched one by one:
 * gcc expands some copies without telling the sanitizer.
 */
#include "ring_tools.h"

#include <pthread.h>
#include <sched.h>

enum {
    RECORDS = 20000,
    BYTES = 24
};

static void *write_all(void *argument)
{
    struct pair *p = argument;
    struct wpipe__record r = { .flags = 0, .size = BYTES };
    uint64_t plain[BYTES / 8];
    int error;

    for (uint64_t i = 0; i < RECORDS; i++) {
        if (i % 2) {
            plain[0] = plain[1] = plain[2] = i;
            while (!wpipe__ring_put_plain(&p->out, &p->reader, plain, BYTES)) {
                if (put(p, 0, plain, BYTES) == 1)
                    break;
                sched_yield();
            }
        } else {
            uint8_t *to;

            while (!(to = wpipe__ring_reserve(&p->out, &p->reader, &r, &error)))
                sched_yield();
            for (int k = 0; k < BYTES / 8; k++)
                ((volatile uint64_t *)(void *)to)[k] = i;
            wpipe__ring_commit(&p->out, &r);
        }
        wpipe__ring_publish(&p->out, &p->writer);
    }
    return NULL;
}

static void ring_orders_its_two_ends(void **state)
{
    struct wpipe__record record;
    struct pair p;
    pthread_t writer;

    (void)state;
    pair_at(&p, 0);
    assert_int_equal(pthread_create(&writer, NULL, write_all, &p), 0);
    for (uint64_t i = 0; i < RECORDS; i++) {
        int r;

        while ((r = look(&p, &record)) == 0)
            sched_yield();
        assert_int_equal(r, 1);
        assert_int_equal(record.size, BYTES);
        for (int k = 0; k < BYTES / 8; k++)
            assert_int_equal(
                ((const volatile uint64_t *)(const void *)record.data)[k], i);
        wpipe__ring_take(&p.in, BYTES, 1);
        /* as tell() of native_read.c */
        atomic_store_explicit(&p.reader.tail, p.in.tail, memory_order_release);
    }
    pthread_join(writer, NULL);
    pair_done(&p);
}

static const struct support_case cases[] = {
    TEST_SLOW(ring_orders_its_two_ends),
};

TEST_MAIN(cases)
