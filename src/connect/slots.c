/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting slots. Users are few, so they are kept in a small array, and only
 * when there is a limit for each.
 */
#include "connect/slots.h"

#include <stddef.h>

#include "base/memory.h"

struct user {
    uint32_t uid;
    uint32_t slots;
};

struct wpipe__slots {
    struct wpipe__mutex lock;
    wpipe__handle flag;
    uint32_t generation;
    uint32_t limit;
    uint32_t per_user; /* 0: no limit of its own */
    uint32_t taken;
    uint32_t users_count;
    uint32_t users_room;
    int closed;  /* the owner is gone */
    int refused; /* since the last slot was given back */
    struct user *users;
};

int wpipe__slots_make(const wpipe_options *options, wpipe__handle flag,
                      struct wpipe__slots **ret)
{
    struct wpipe__slots *slots = wpipe__alloc(sizeof(*slots));
    int r;

    if (slots == NULL)
        return WPIPE_ENOMEM;
    r = wpipe__mutex_init(&slots->lock);
    if (r < 0) {
        wpipe__free(slots);
        return r;
    }
    slots->flag = flag;
    slots->generation = wpipe__os_generation();
    slots->limit = options->max_clients;
    slots->per_user = options->max_per_user;
    *ret = slots;
    return 0;
}

static void free_slots(struct wpipe__slots *slots)
{
    wpipe__mutex_done(&slots->lock);
    wpipe__free(slots->users);
    wpipe__free(slots);
}

void wpipe__slots_close(struct wpipe__slots *slots)
{
    uint32_t left;

    if (slots == NULL)
        return;
    if (slots->generation != wpipe__os_generation())
        return; /* forked: the lock may be held for ever, streams may go on */
    wpipe__mutex_lock(&slots->lock);
    slots->closed = 1;
    slots->flag = WPIPE__NO_HANDLE;
    left = slots->taken;
    wpipe__mutex_unlock(&slots->lock);
    if (left == 0)
        free_slots(slots);
}

/* The user's entry, made when absent; NULL without memory. */
static struct user *find_user(struct wpipe__slots *slots, uint32_t uid)
{
    struct user *users = slots->users;
    uint32_t room;
    uint32_t i;

    for (i = 0; i < slots->users_count; i++)
        if (users[i].uid == uid)
            return &users[i];
    if (slots->users_count == slots->users_room) {
        room = slots->users_room == 0 ? 4 : slots->users_room * 2;
        users = wpipe__resize(users, room * sizeof(*users));
        if (users == NULL)
            return NULL;
        slots->users = users;
        slots->users_room = room;
    }
    users[slots->users_count].uid = uid;
    users[slots->users_count].slots = 0;
    return &users[slots->users_count++];
}

static int take_for_user(struct wpipe__slots *slots, uint32_t uid)
{
    struct user *user;

    if (slots->per_user == 0)
        return 0;
    user = find_user(slots, uid);
    if (user == NULL)
        return WPIPE_ENOMEM;
    if (user->slots >= slots->per_user)
        return WPIPE_EBUSY;
    user->slots++;
    return 0;
}

int wpipe__slots_take(struct wpipe__slots *slots, uint32_t uid)
{
    int r = WPIPE_EBUSY;

    wpipe__mutex_lock(&slots->lock);
    if (slots->taken < slots->limit)
        r = take_for_user(slots, uid);
    if (r == 0)
        slots->taken++;
    else
        slots->refused = 1;
    wpipe__mutex_unlock(&slots->lock);
    return r;
}

static void give_for_user(struct wpipe__slots *slots, uint32_t uid)
{
    struct user *user;

    if (slots->per_user == 0)
        return;
    user = find_user(slots, uid); /* it is there */
    if (user != NULL && --user->slots == 0)
        *user = slots->users[--slots->users_count];
}

void wpipe__slots_give(struct wpipe__slots *slots, uint32_t uid)
{
    int last;

    wpipe__mutex_lock(&slots->lock);
    give_for_user(slots, uid);
    slots->taken--;
    if (slots->refused && slots->flag != WPIPE__NO_HANDLE)
        wpipe__os_flag_set(slots->flag);
    slots->refused = 0;
    last = slots->closed && slots->taken == 0;
    wpipe__mutex_unlock(&slots->lock);
    if (last)
        free_slots(slots);
}

int wpipe__slots_full(struct wpipe__slots *slots)
{
    int full;

    wpipe__mutex_lock(&slots->lock);
    full = slots->taken >= slots->limit;
    if (full)
        slots->refused = 1; /* tell when one is given back */
    wpipe__mutex_unlock(&slots->lock);
    return full;
}

uint32_t wpipe__slots_taken(struct wpipe__slots *slots)
{
    uint32_t taken;

    wpipe__mutex_lock(&slots->lock);
    taken = slots->taken;
    wpipe__mutex_unlock(&slots->lock);
    return taken;
}
