/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest tools that every room uses: array sizes, minimum and maximum,
 * alignment, little-endian bytes, and a doubly linked list whose nodes live
 * inside their owners. Pure: no memory, no system call. Anybody inside the
 * library may include it.
 */
#ifndef WPIPE__BASE_H
#define WPIPE__BASE_H

#include <stddef.h>
#include <stdint.h>

#include <windpipe/error.h>

#define WPIPE__ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The structure of `type` whose `member` is at `pointer`, never NULL. */
#define wpipe__container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline size_t wpipe__min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t wpipe__max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static inline uint64_t wpipe__min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t wpipe__max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* `n` rounded up to a multiple of 8; what is over 2^64-8 becomes 0. */
static inline uint64_t wpipe__align8(uint64_t n)
{
    return (n + 7) & ~(uint64_t)7;
}

/* Milliseconds to wait, or WPIPE_FOREVER: 1. Other negative numbers are most
 * likely a wrong sum, and not "for ever": 0. */
static inline int wpipe__is_timeout(int timeout_ms)
{
    return timeout_ms >= WPIPE_FOREVER;
}

/* ---- little-endian numbers at any address -------------------------------- */

static inline uint16_t wpipe__load_u16(const void *from)
{
    const uint8_t *p = from;

    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t wpipe__load_u32(const void *from)
{
    const uint8_t *p = from;

    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static inline uint64_t wpipe__load_u64(const void *from)
{
    const uint8_t *p = from;

    return (uint64_t)wpipe__load_u32(p) | (uint64_t)wpipe__load_u32(p + 4)
                                              << 32;
}

static inline void wpipe__store_u16(void *to, uint16_t value)
{
    uint8_t *p = to;

    p[0] = (uint8_t)(value & 0xff);
    p[1] = (uint8_t)(value >> 8);
}

static inline void wpipe__store_u32(void *to, uint32_t value)
{
    uint8_t *p = to;

    p[0] = (uint8_t)(value & 0xff);
    p[1] = (uint8_t)(value >> 8 & 0xff);
    p[2] = (uint8_t)(value >> 16 & 0xff);
    p[3] = (uint8_t)(value >> 24);
}

static inline void wpipe__store_u64(void *to, uint64_t value)
{
    uint8_t *p = to;

    wpipe__store_u32(p, (uint32_t)(value & 0xffffffff));
    wpipe__store_u32(p + 4, (uint32_t)(value >> 32));
}

/* ---- the list ------------------------------------------------------------ */

/* Both the head of a list and a node in one; a ring that closes on itself. */
struct wpipe__list {
    struct wpipe__list *next;
    struct wpipe__list *prev;
};

/* Make an empty head, or a node that is in no list. */
static inline void wpipe__list_init(struct wpipe__list *list)
{
    list->next = list;
    list->prev = list;
}

/* 1 when the head has no nodes, or the node is in no list. */
static inline int wpipe__list_empty(const struct wpipe__list *list)
{
    return list->next == list;
}

/* Put `node`, which is in no list, at the end. */
static inline void wpipe__list_append(struct wpipe__list *list,
                                      struct wpipe__list *node)
{
    node->next = list;
    node->prev = list->prev;
    list->prev->next = node;
    list->prev = node;
}

/* Take `node` out of its list; nothing happens to one that is in none. */
static inline void wpipe__list_remove(struct wpipe__list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    wpipe__list_init(node);
}

/* The first node, or NULL. */
static inline struct wpipe__list *wpipe__list_first(
    const struct wpipe__list *list)
{
    return list->next == list ? NULL : list->next;
}

/*
 * The node after `node`, or NULL at the end. Ask before removing `node`: a
 * removed node has no next.
 */
static inline struct wpipe__list *wpipe__list_next(
    const struct wpipe__list *list, const struct wpipe__list *node)
{
    return node->next == list ? NULL : node->next;
}

#endif
