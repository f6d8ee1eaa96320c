/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was asked for on the command line: one struct for all commands, filled
 * from one table of options, so that a letter means the same everywhere. Also
 * the exit codes and the one way to say that something went wrong. Used by
 * every file of the tool.
 */
#ifndef WINDPIPE_CLI_OPTIONS_H
#define WINDPIPE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <windpipe.h>

/* The tool's exit codes, as its manual promises them. */
enum exit_status {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_NOT_FOUND = 3,
    STATUS_DENIED = 4,
    STATUS_TIMED_OUT = 5,
    STATUS_PEER_LEFT = 6,
    STATUS_IN_USE = 7,
    STATUS_PROTOCOL = 8,
    STATUS_LOST = 9
};

/* Which commands an option belongs to. */
enum command_bit {
    BIT_SERVE = 1 << 0,
    BIT_CONNECT = 1 << 1,
    BIT_SEND = 1 << 2,
    BIT_RECV = 1 << 3,
    BIT_CALL = 1 << 4,
    BIT_LS = 1 << 5,
    BIT_INFO = 1 << 6,
    BIT_WAIT = 1 << 7,
    BIT_RELAY = 1 << 8,
    BIT_BENCH = 1 << 9,
    BIT_TOP = 1 << 10,
    BIT_VERSION = 1 << 11
};

struct options;

struct command {
    const char *name;
    unsigned bit;
    int (*run)(const struct options *options);
    const char *operands; /* as the usage line shows them */
    int least, most;      /* how many operands */
    const char *summary;
    const char *examples; /* lines */
};

struct options {
    const struct command *command;
    char **operands;
    int count;

    int wait_ms;     /* -w; WPIPE_FOREVER when not given */
    int quit_ms;     /* -q; WPIPE_FOREVER when not given */
    int linger_ms;   /* --linger */
    int message_ms;  /* --message-time */
    int seconds_ms;  /* bench --seconds */
    int interval_ms; /* top --interval */
    int spin_us;     /* bench --spin; as wpipe_options.spin_us */
    int type;        /* WPIPE_MESSAGE or WPIPE_BYTE */
    int access;
    int access_given; /* 0 when --access was not on the command line */
    uint32_t group;
    int shared;
    int foreign; /* WPIPE_FOREIGN_ONLY with --foreign */
    int framing; /* WPIPE_FRAMING_*, -1 when not given */
    int second;  /* WPIPE_SECOND_PIPE_* */
    int slow;
    uint32_t clients; /* --max-clients, 0 = the library's */
    uint32_t number;  /* --count, 0 = no end */
    uint64_t message; /* --max-message, 0 = the library's */
    uint64_t buffer;  /* --buffer, 0 = the library's */
    const char *exec;
    const char *topic;
    bool show_topic; /* serve, recv: take messages apart */
    bool json, verbose, keep, echo, once, expect, listen, raw, all, names;
    bool hex, remote, picture, prune, timestamps, help;
};

/*
 * Fill in `ret` from argv[1...] for `command`; argv[0] is the command's name.
 * Returns STATUS_DONE, or STATUS_USAGE after saying on stderr what is wrong.
 */
int options_parse(struct options *ret, const struct command *command, int argc,
                  char **argv);

/*
 * How many of these words are options that may stand before the command (-w,
 * --json ...), with their arguments.
 */
int options_before(int argc, char **argv);

/* The WPIPE_FRAMING_* with this name, which has `length` bytes, or -1. */
int options_framing(const char *word, size_t length);

/* The help of one command. */
void options_help(FILE *out, const struct command *command);

/* The library's options as far as the command line decides them. The text of
 * the last failure goes into a buffer that say_error knows. */
void options_fill(wpipe_options *ret, const struct options *options);

/* The most one message may hold. */
size_t options_message_limit(const struct options *options);

/*
 * The word of `words` (ended by NULL) that `word` may have been meant to be,
 * or NULL.
 */
const char *options_nearest(const char *word, const char *const *words);

/* "windpipe send: ..." on stderr, as one line; control bytes escaped. */
void say(const struct options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* say, only with -v. */
void say_verbose(const struct options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* say and return STATUS_USAGE with a hint where help is. */
int say_usage(const struct options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Say that `what` (a pipe's name, mostly) failed with the library's `error`;
 * prefers the library's own sentence about it. Returns the exit code.
 */
int say_error(const struct options *options, const char *what, int error);

/* The exit code that stands for a WPIPE_E*. */
int status_of(int error);

#endif
