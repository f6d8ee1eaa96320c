/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Introductions: the one message of a server that gives each client a pipe of
 * its own, as H.Pipes and named-pipe-wrapper do. It is a big-endian length and
 * the name of that second pipe: in UTF-8, or as the .NET object that
 * BinaryFormatter makes of a string. Pure; called by the ends that introduce
 * (connect/acceptor_second.c) and are introduced (connect/introduce.c).
 */
#ifndef WPIPE_BASE_INTRODUCTION_H
#define WPIPE_BASE_INTRODUCTION_H

#include <stddef.h>
#include <stdint.h>

#include <windpipe/error.h>

enum {
    WPIPE__INTRODUCTION_HEADER = 4,  /* the length */
    WPIPE__INTRODUCTION_OBJECT = 25, /* what an object adds, at the most */
    WPIPE__INTRODUCTION_MAX = WPIPE__INTRODUCTION_HEADER +
                              WPIPE__INTRODUCTION_OBJECT + WPIPE_NAME_MAX,
    WPIPE__INTRODUCTION_WHY = 128 /* the longest sentence, terminated */
};

/*
 * The message for `name`, of at most WPIPE_NAME_MAX bytes, in the form that
 * `form` (WPIPE_SECOND_PIPE_*) tells. Returns its size.
 */
size_t wpipe__introduction_make(int form, const char *name,
                                uint8_t ret_bytes[WPIPE__INTRODUCTION_MAX]);

/* One that is being received. All zero is one with nothing in it. */
struct wpipe__introduction {
    uint8_t bytes[WPIPE__INTRODUCTION_MAX];
    size_t have;
    char why[WPIPE__INTRODUCTION_WHY];
};

/*
 * How many bytes are still to come, as far as is known: never one behind its
 * end. 0 when it is whole. Errors: WPIPE_EPROTO (its length cannot be), with a
 * sentence in i->why.
 */
int wpipe__introduction_left(struct wpipe__introduction *i);

/*
 * The name in a whole one, which the pipe `first` introduces: one that a pipe
 * may have, or, if `first` is a path, a path in the same directory. Either
 * form is understood.
 *
 * Returns 0. Errors: WPIPE_EPROTO, with a sentence in i->why.
 */
int wpipe__introduction_name(struct wpipe__introduction *i, const char *first,
                             char ret_name[WPIPE_NAME_MAX + 1]);

#endif
