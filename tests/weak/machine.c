/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of machine.h: views, words and their values, data races. The
 * functions that compiled code calls are in calls.c.
 */
#include "machine.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "words.h"

#define SEGMENTS  256
#define CELLS     (1u << 16)
#define LATE_MOST 200 /* loads of an old value in a row */

/* ---- threads ------------------------------------------------------------- */

static pthread_mutex_t machine = PTHREAD_MUTEX_INITIALIZER;
static struct weak_thread threads[WEAK_THREADS];
static int in_use[WEAK_THREADS];
static int highest;
static _Thread_local struct weak_thread *self;

int __real_pthread_mutex_lock(pthread_mutex_t *m);
int __real_pthread_mutex_unlock(pthread_mutex_t *m);
void *__real_memset(void *to, int byte, size_t size);
void *__real_memcpy(void *to, const void *from, size_t size);

void weak_lock(void)
{
    __real_pthread_mutex_lock(&machine);
}

void weak_unlock(void)
{
    __real_pthread_mutex_unlock(&machine);
}

struct weak_thread *weak_begin(void)
{
    static uint64_t seed;
    int i = 0;

    while (in_use[i])
        if (++i == WEAK_THREADS)
            abort();
    if (seed == 0)
        seed =
            getenv("WEAK_SEED") ? strtoull(getenv("WEAK_SEED"), NULL, 10) : 1;
    in_use[i] = 1;
    if (i >= highest)
        highest = i + 1;
    threads[i].number = i;
    threads[i].random = seed * 0x9e3779b97f4a7c15u + 1;
    seed += 7919;
    threads[i].now.clock[i]++;
    return &threads[i];
}

void weak_be(struct weak_thread *t)
{
    self = t;
}

void weak_end(struct weak_thread *t)
{
    in_use[t->number] = 0;
}

struct weak_thread *weak_self(void)
{
    if (self == NULL)
        self = weak_begin();
    return self;
}

uint32_t weak_random(struct weak_thread *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return (uint32_t)(t->random >> 16);
}

void weak_stumble(void)
{
    unsigned how = self != NULL ? weak_random(self) % 1024 : 1;

    if (how == 0)
        usleep(100); /* the core was needed for something else */
    else if (how % 16 == 0)
        sched_yield();
}

void weak_join(struct weak_view *into, const struct weak_view *from)
{
    for (int i = 0; i < WEAK_WORDS; i++)
        if (into->oldest[i] < from->oldest[i])
            into->oldest[i] = from->oldest[i];
    for (int i = 0; i < WEAK_THREADS; i++)
        if (into->clock[i] < from->clock[i])
            into->clock[i] = from->clock[i];
}

void weak_release_to(struct weak_view *view)
{
    struct weak_thread *t = weak_self();

    weak_join(view, &t->now);
    t->now.clock[t->number]++;
}

/* ---- places -------------------------------------------------------------- */

static struct segment {
    uintptr_t at;
    size_t size;
    dev_t device;
    ino_t number;
    uint64_t place;
} segments[SEGMENTS];

uint64_t weak_place(const void *at)
{
    uintptr_t a = (uintptr_t)at;

    for (int i = 0; i < SEGMENTS; i++)
        if (a - segments[i].at < segments[i].size)
            return segments[i].place + (a - segments[i].at);
    return a;
}

void weak_mapped(void *at, size_t size, int fd)
{
    static uint64_t next = UINT64_C(1) << 60;
    struct segment *free_one = NULL;
    struct stat what;

    if (fstat(fd, &what) < 0)
        abort();
    for (int i = SEGMENTS; i-- > 0;)
        if (segments[i].size == 0)
            free_one = &segments[i];
    if (free_one == NULL)
        abort();
    *free_one =
        (struct segment){ (uintptr_t)at, size, what.st_dev, what.st_ino, next };
    for (int i = 0; i < SEGMENTS; i++)
        if (&segments[i] != free_one && segments[i].size &&
            segments[i].device == what.st_dev &&
            segments[i].number == what.st_ino) {
            free_one->place = segments[i].place;
            return;
        }
    next += UINT64_C(1) << 32;
}

void weak_unmapped(void *at)
{
    struct segment *gone = NULL;
    int others = 0;

    for (int i = 0; i < SEGMENTS; i++)
        if (segments[i].size && segments[i].at == (uintptr_t)at)
            gone = &segments[i];
    if (gone == NULL)
        return;
    for (int i = 0; i < SEGMENTS; i++)
        others += segments[i].size && segments[i].place == gone->place;
    if (others == 1)
        weak_forget(at, gone->size);
    gone->size = 0;
}

/* ---- words --------------------------------------------------------------- */

static struct word words[WEAK_WORDS];
static uint32_t strict[WEAK_WORDS]; /* of each, what any sequentially consistent
                                       access has seen */

static struct word *find(uint64_t place)
{
    unsigned first = (unsigned)(place >> 2) * 2654435761u % WEAK_WORDS;
    struct word *none = NULL;

    for (unsigned i = 0; i < WEAK_WORDS; i++) {
        struct word *w = &words[(first + i) % WEAK_WORDS];

        if (w->place == place)
            return w;
        if (w->place == 0 && none == NULL)
            none = w;
        if (!w->was_used)
            break;
    }
    if (none == NULL)
        abort(); /* WEAK_WORDS are too few */
    none->place = place;
    none->was_used = 1;
    none->count = 0;
    return none;
}

static struct value *newest(struct word *w)
{
    return &w->values[w->last % WEAK_REMEMBERS];
}

struct value *weak_push(struct word *w, uint64_t value)
{
    w->last++;
    if (w->count < WEAK_REMEMBERS)
        w->count++;
    newest(w)->value = value;
    __real_memset(&newest(w)->told, 0, sizeof newest(w)->told);
    return newest(w);
}

struct word *weak_word(const void *at, uint64_t value)
{
    struct word *w = find(weak_place(at));

    /* the kernel, or a plain store, has been there */
    if (w->count == 0 || newest(w)->value != value)
        weak_push(w, value);
    return w;
}

static int is_strict(int order)
{
    return order == memory_order_seq_cst;
}

static int acquires(int order)
{
    return order == memory_order_acquire || order == memory_order_consume ||
           order == memory_order_acq_rel || is_strict(order);
}

static int releases(int order)
{
    return order == memory_order_release || order == memory_order_acq_rel ||
           is_strict(order);
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void see(struct weak_thread *t, struct word *w, uint32_t number,
                int order)
{
    int i = (int)(w - words);
    const struct value *v = &w->values[number % WEAK_REMEMBERS];

    t->now.oldest[i] = max_u32(t->now.oldest[i], number);
    if (is_strict(order))
        strict[i] = max_u32(strict[i], number);
    weak_join(acquires(order) ? &t->now : &t->met, &v->told);
}

/* A value that is seen late stays so for a while. */
static int stays_late(struct weak_thread *t, const uint8_t *late)
{
    if (*late == 0)
        return weak_random(t) % 4 == 0;
    return *late < LATE_MOST && weak_random(t) % 16 != 0;
}

uint64_t weak_load(struct word *w, int order)
{
    struct weak_thread *t = weak_self();
    int i = (int)(w - words);
    uint32_t oldest = max_u32(t->now.oldest[i], w->last + 1 - w->count);
    uint32_t number = w->last;

    if (is_strict(order))
        oldest = max_u32(oldest, strict[i]);
    if (oldest < w->last && stays_late(t, &t->late[i])) {
        number = oldest + weak_random(t) % (w->last - oldest);
        t->late[i]++;
    } else {
        t->late[i] = 0;
    }
    see(t, w, number, order);
    return w->values[number % WEAK_REMEMBERS].value;
}

uint64_t weak_load_newest(struct word *w, int order)
{
    see(weak_self(), w, w->last, order);
    return newest(w)->value;
}

void weak_store(struct word *w, uint64_t value, int order, int is_exchange)
{
    struct weak_thread *t = weak_self();
    int i = (int)(w - words);
    struct weak_view *before = NULL;
    struct value *v;

    if (is_exchange) {
        see(t, w, w->last, order);
        before = &newest(w)->told; /* a release sequence goes on */
    }
    v = weak_push(w, value);
    if (before)
        v->told = *before;
    weak_join(&v->told, releases(order) ? &t->now : &t->released);
    v->told.oldest[i] = w->last;
    t->now.oldest[i] = w->last;
    if (is_strict(order))
        strict[i] = w->last;
    if (releases(order))
        t->now.clock[t->number]++;
}

void weak_fence(struct weak_thread *t, int order)
{
    if (acquires(order))
        weak_join(&t->now, &t->met);
    for (int i = 0; is_strict(order) && i < WEAK_WORDS; i++)
        t->now.oldest[i] = strict[i] = max_u32(t->now.oldest[i], strict[i]);
    if (releases(order)) {
        t->released = t->now;
        t->now.clock[t->number]++;
    }
}

void weak_barrier(void)
{
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < highest; i++)
            weak_fence(&threads[i], memory_order_seq_cst);
}

/* ---- plain accesses ------------------------------------------------------ */

/* Four bytes of memory: who wrote and read which of them last. */
static struct cell {
    uint64_t place;
    uint32_t written;
    uint8_t writer;
    uint8_t written_bytes;
    uint8_t read_bytes[WEAK_THREADS];
    uint32_t read[WEAK_THREADS];
} cells[CELLS];

static struct cell *cell_of(uint64_t place)
{
    struct cell *c = &cells[((place >> 2) ^ (place >> 20)) % CELLS];

    if (c->place != place >> 2) {
        __real_memset(c, 0, sizeof *c);
        c->place = place >> 2;
    }
    return c;
}

static _Noreturn void race(const char *what, int other, const char *did,
                           void *caller)
{
    fprintf(stderr, "data race: thread %d %s what thread %d %s, at %p\n",
            self->number, what, other, did, caller);
    _exit(1);
}

static void touch(struct weak_thread *t, struct cell *c, unsigned bytes,
                  int writes, void *caller)
{
    if ((c->written_bytes & bytes) && c->writer != t->number &&
        c->written > t->now.clock[c->writer])
        race(writes ? "writes" : "reads", c->writer, "wrote", caller);
    if (!writes) {
        c->read[t->number] = t->now.clock[t->number];
        c->read_bytes[t->number] = (uint8_t)(c->read_bytes[t->number] | bytes);
        return;
    }
    for (int i = 0; i < highest; i++)
        if (i != t->number && (c->read_bytes[i] & bytes) &&
            c->read[i] > t->now.clock[i])
            race("writes", i, "has read", caller);
    c->written = t->now.clock[t->number];
    c->writer = (uint8_t)t->number;
    c->written_bytes = (uint8_t)bytes;
}

void weak_plain(const void *at, size_t size, int writes, void *caller)
{
    struct weak_thread *t;
    uint64_t place;
    uint64_t end;

    if (size == 0)
        return;
    weak_lock();
    t = weak_self();
    place = weak_place(at);
    end = place + size;
    while (place < end) {
        uint64_t next = (place | 3) + 1 < end ? (place | 3) + 1 : end;
        unsigned bytes = ((1u << (next - place)) - 1) << (place & 3);

        touch(t, cell_of(place), bytes, writes, caller);
        place = next;
    }
    weak_unlock();
}

void weak_forget(const void *at, size_t size)
{
    uint64_t place = weak_place(at);

    for (uint64_t p = place & ~UINT64_C(3); p < place + size; p += 4) {
        struct cell *c = &cells[((p >> 2) ^ (p >> 20)) % CELLS];

        if (c->place == p >> 2)
            __real_memset(c, 0, sizeof *c);
    }
    for (int i = 0; i < WEAK_WORDS; i++)
        if (words[i].place - place < size)
            words[i].place = 0;
}
