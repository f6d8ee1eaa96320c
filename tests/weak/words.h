/* SPDX-License-Identifier: Apache-2.0 */
/* Between machine.c and calls.c: the atomic words. */
#ifndef WEAK_WORDS_H
#define WEAK_WORDS_H

#include "machine.h"

struct value {
    uint64_t value;
    struct weak_view told; /* to whoever acquires it */
};

/* Values are numbered; a place that is used again goes on counting. */
struct word {
    uint64_t place; /* 0: nobody's */
    int was_used;
    uint32_t last;
    uint32_t count; /* of those that are remembered */
    struct value values[WEAK_REMEMBERS];
};

/* The word at this address, whose value in memory is that. */
struct word *weak_word(const void *at, uint64_t value);
uint64_t weak_load(struct word *w, int order);
uint64_t weak_load_newest(struct word *w, int order);
/* is_exchange: an operation that has read the newest value. */
void weak_store(struct word *w, uint64_t value, int order, int is_exchange);
struct value *weak_push(struct word *w, uint64_t value);

struct weak_thread *weak_begin(void);
void weak_be(struct weak_thread *t);
void weak_end(struct weak_thread *t);
uint32_t weak_random(struct weak_thread *t);

#endif
