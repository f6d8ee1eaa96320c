/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: one table of options for all commands. Reading, help and
 * the guess at a mistyped word all come from that table, so they cannot
 * disagree.
 */
#include "options.h"

#include <ctype.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    KIND_FLAG,   /* bool */
    KIND_VALUE,  /* int, takes `value` */
    KIND_TIME,   /* int: milliseconds */
    KIND_NUMBER, /* uint32_t, at least 1 */
    KIND_SIZE,   /* uint64_t, at least 1 */
    KIND_TEXT,   /* const char * */
    KIND_SPIN,   /* int: microseconds, off or default */
    KIND_CHOICE, /* int: which word of `choices` */
    KIND_ACCESS  /* access and group */
};

struct row {
    const char *name;
    int letter; /* 0: only the long form */
    unsigned commands;
    enum kind kind;
    size_t offset;
    int value;
    const char *argument; /* as the help shows it; NULL: takes none */
    const char *choices;  /* KIND_CHOICE: words with a '|' between them */
    const char *help;
};

#define IN(field) offsetof(struct options, field)
#define FRAMINGS  "raw|le32|be32|lines|headers|type-le32"

enum {
    TALKING =
        BIT_SERVE | BIT_CONNECT | BIT_SEND | BIT_RECV | BIT_CALL | BIT_RELAY,
    LOOKING = BIT_LS | BIT_INFO | BIT_WAIT,
    ALL = TALKING | LOOKING | BIT_BENCH | BIT_TOP,
    PRINTING = BIT_SERVE | BIT_CONNECT | BIT_RECV | BIT_RELAY,
    LINGERING = BIT_SERVE | BIT_CONNECT | BIT_RELAY,
    NAMING = BIT_SERVE | BIT_RECV | BIT_RELAY
};

static const struct row rows[] = {
    { "wait", 'w', TALKING | LOOKING | BIT_TOP, KIND_TIME, IN(wait_ms), 0,
      "SECS", NULL, "wait at most SECS each time (2, 0.5, 200ms, 5m)" },
    { "message", 0, TALKING, KIND_VALUE, IN(type), WPIPE_MESSAGE, NULL, NULL,
      "whole messages; on the terminal a line each (default)" },
    { "byte", 0, TALKING & ~BIT_CALL, KIND_VALUE, IN(type), WPIPE_BYTE, NULL,
      NULL, "a stream of bytes, as they come" },
    { "echo", 0, BIT_SERVE, KIND_FLAG, IN(echo), 0, NULL, NULL,
      "send every message back to where it came from" },
    { "exec", 'e', BIT_SERVE | BIT_CONNECT, KIND_TEXT, IN(exec), 0, "CMD", NULL,
      "run CMD by sh; its stdin and stdout are the pipe" },
    { "once", 0, BIT_SERVE, KIND_FLAG, IN(once), 0, NULL, NULL,
      "end when the first client has left" },
    { "topic", 0, BIT_SEND | BIT_CALL, KIND_TEXT, IN(topic), 0, "TOPIC", NULL,
      "make it a typed message: TOPIC and the text" },
    { "topic", 0, BIT_SERVE | BIT_RECV | BIT_CONNECT, KIND_FLAG, IN(show_topic),
      0, NULL, NULL, "show typed messages as topic and body" },
    { "expect-reply", 0, BIT_SEND, KIND_FLAG, IN(expect), 0, NULL, NULL,
      "wait for the next message from the server, print it" },
    { "listen", 'l', BIT_RECV, KIND_FLAG, IN(listen), 0, NULL, NULL,
      "be the server: take the name and print what clients send" },
    { "count", 'n', BIT_RECV, KIND_NUMBER, IN(number), 0, "N", NULL,
      "end after N messages" },
    { "count", 'n', BIT_TOP, KIND_NUMBER, IN(number), 0, "N", NULL,
      "end after N times" },
    { "interval", 0, BIT_TOP, KIND_TIME, IN(interval_ms), 0, "SECS", NULL,
      "time between two looks (default 1)" },
    { "keep", 'k', NAMING, KIND_FLAG, IN(keep), 0, NULL, NULL,
      "stay for the next client when one leaves" },
    { "quit", 'q', BIT_SERVE | BIT_CONNECT | BIT_RELAY, KIND_TIME, IN(quit_ms),
      0, "SECS", NULL, "end SECS after the end of input" },
    { "linger", 0, LINGERING, KIND_TIME, IN(linger_ms), 0, "SECS", NULL,
      "at the end, time to deliver what was read (default 5)" },
    { "hex", 0, BIT_RELAY, KIND_FLAG, IN(hex), 0, NULL, NULL,
      "show the traffic on stderr" },
    { "allow-remote", 0, BIT_RELAY, KIND_FLAG, IN(remote), 0, NULL, NULL,
      "let tcp: and tcp-listen: use other machines' addresses" },
    { "all", 'a', BIT_LS, KIND_FLAG, IN(all), 0, NULL, NULL,
      "also dead servers' names, foreign sockets, directories" },
    { "names", 0, BIT_LS, KIND_FLAG, IN(names), 0, NULL, NULL,
      "only names, without asking the servers" },
    { "prune", 0, BIT_LS, KIND_FLAG, IN(prune), 0, NULL, NULL,
      "remove what killed servers left, and list that" },
    { "seconds", 0, BIT_BENCH, KIND_TIME, IN(seconds_ms), 0, "SECS", NULL,
      "how long to measure in all (default 6)" },
    { "spin", 0, BIT_BENCH, KIND_SPIN, IN(spin_us), 0, "US", NULL,
      "how long both ends spin before they sleep: 1 to 10000, off, default" },
    { "picture", 0, BIT_BENCH, KIND_FLAG, IN(picture), 0, NULL, NULL,
      "bars instead of a table" },
    { "raw", 0, BIT_SEND | BIT_RECV | BIT_CALL | BIT_CONNECT, KIND_FLAG,
      IN(raw), 0, NULL, NULL,
      "print messages as they are, with nothing between" },
    { "json", 0, ALL | BIT_VERSION, KIND_FLAG, IN(json), 0, NULL, NULL,
      "one JSON object a line on stdout" },
    { "timestamps", 0, PRINTING, KIND_FLAG, IN(timestamps), 0, NULL, NULL,
      "begin each message with the time (UTC)" },
    { "access", 0, NAMING, KIND_ACCESS, 0, 0, "WHO", NULL,
      "who may connect: user (default), group[:NAME], anyone" },
    { "max-clients", 0, NAMING, KIND_NUMBER, IN(clients), 0, "N", NULL,
      "how many clients at once" },
    { "max-message", 0, TALKING, KIND_SIZE, IN(message), 0, "SIZE", NULL,
      "the largest message taken (default 16M)" },
    { "buffer", 0, TALKING, KIND_SIZE, IN(buffer), 0, "SIZE", NULL,
      "bytes of buffer each way, 4K to 64M (default 256K)" },
    { "message-time", 0, BIT_SERVE | BIT_RECV, KIND_TIME, IN(message_ms), 0,
      "SECS", NULL, "time a client has to finish a message (default 30)" },
    { "slow", 0, BIT_SERVE, KIND_CHOICE, IN(slow), 0, "WHAT", "drop|skip",
      "a client that does not read: drop (default) or skip" },
    { "shared", 0, TALKING | BIT_BENCH, KIND_CHOICE, IN(shared), 0, "WHEN",
      "auto|now|never|required", "shared memory: auto, now, never, required" },
    { "verbose", 'v', ALL, KIND_FLAG, IN(verbose), 0, NULL, NULL,
      "say more on stderr" },
    { "help", 'h', ALL | BIT_VERSION, KIND_FLAG, IN(help), 0, NULL, NULL,
      "show this help" },
    { "foreign", 0, TALKING & ~BIT_CALL, KIND_VALUE, IN(foreign),
      WPIPE_FOREIGN_ONLY, NULL, NULL,
      "use the socket for .NET, Node and others; serve: add it" },
    { "framing", 0, TALKING & ~BIT_CALL, KIND_CHOICE, IN(framing), 0, "HOW",
      FRAMINGS, "framing: raw, le32, be32, lines, headers, type-le32" },
    { "second-pipe", 0, TALKING & ~BIT_CALL, KIND_CHOICE, IN(second), 0, "LIKE",
      "none|h-pipes|wrapper",
      "one pipe per client: h-pipes, wrapper; implies be32" },
    /* known, so that call can tell why they cannot be */
    { "foreign", 0, BIT_CALL, KIND_VALUE, IN(foreign), WPIPE_FOREIGN_ONLY, NULL,
      NULL, NULL },
    { "framing", 0, BIT_CALL, KIND_CHOICE, IN(framing), 0, "HOW", FRAMINGS,
      NULL },
    { "second-pipe", 0, BIT_CALL, KIND_CHOICE, IN(second), 0, "LIKE",
      "none|h-pipes|wrapper", NULL },
};

enum {
    LINGER_MS = 5000,
    SPIN_MOST_US = 10000, /* the library's limit */
    ROWS = sizeof(rows) / sizeof(rows[0]),
    FIRST_ROW = 1000
};

/* A number with up to three decimals and one of `units` behind it. */
struct unit {
    const char *name;
    uint64_t scale; /* in thousandths, so that decimals stay whole */
};

static const struct unit times[] = { { "", 1000 },     { "s", 1000 },
                                     { "ms", 1 },      { "m", 60000 },
                                     { "h", 3600000 }, { NULL, 0 } };

static const struct unit micros[] = { { "", 1 }, { "us", 1 }, { NULL, 0 } };

static const struct unit sizes[] = { { "", 1 },        { "B", 1 },
                                     { "K", 1 << 10 }, { "KiB", 1 << 10 },
                                     { "M", 1 << 20 }, { "MiB", 1 << 20 },
                                     { "G", 1 << 30 }, { "GiB", 1 << 30 },
                                     { NULL, 0 } };

/* Whole and thousandths apart: returns false on anything but digits. */
static bool read_number(const char *text, const struct unit *units,
                        uint64_t most, uint64_t *ret)
{
    uint64_t whole = 0, part = 0, scale = 1000;
    const char *p = text;

    for (; isdigit((unsigned char)*p); p++) {
        if (whole > UINT64_MAX / 100)
            return false;
        whole = whole * 10 + (uint64_t)(*p - '0');
    }
    if (p == text)
        return false;
    if (*p == '.') {
        for (p++; isdigit((unsigned char)*p) && scale > 1; p++) {
            scale /= 10;
            part += (uint64_t)(*p - '0') * scale;
        }
    }
    while (units->name != NULL && strcasecmp(units->name, p) != 0)
        units++;
    if (units->name == NULL || whole > most / units->scale)
        return false;
    whole = whole * units->scale + part * units->scale / 1000;
    if (whole > most)
        return false;
    *ret = whole;
    return true;
}

/* Which word of "a|b|c" these `length` bytes are, or -1. */
static int read_choice(const char *choices, const char *word, size_t length)
{
    const char *end;

    for (int i = 0;; i++) {
        end = choices + strcspn(choices, "|");
        if ((size_t)(end - choices) == length && length > 0 &&
            memcmp(choices, word, length) == 0)
            return i;
        if (*end == '\0')
            return -1;
        choices = end + 1;
    }
}

int options_framing(const char *word, size_t length)
{
    return read_choice(FRAMINGS, word, length);
}

static bool read_spin(const char *word, int *ret)
{
    uint64_t number = 0;

    if (strcmp(word, "default") == 0) {
        *ret = 0;
        return true;
    }
    if (strcmp(word, "off") == 0) {
        *ret = WPIPE_SPIN_OFF;
        return true;
    }
    if (strchr(word, '.') != NULL ||
        !read_number(word, micros, SPIN_MOST_US, &number) || number == 0)
        return false;
    *ret = (int)number;
    return true;
}

static bool read_access(struct options *ret, const char *word)
{
    const struct group *entry;
    uint64_t number;

    ret->access_given = 1;
    if (strcmp(word, "user") == 0) {
        ret->access = WPIPE_ACCESS_USER;
        return true;
    }
    if (strcmp(word, "anyone") == 0) {
        ret->access = WPIPE_ACCESS_ANYONE;
        return true;
    }
    ret->access = WPIPE_ACCESS_GROUP;
    if (strcmp(word, "group") == 0)
        return true;
    if (strncmp(word, "group:", 6) != 0)
        return false;
    if (read_number(word + 6, sizes, UINT32_MAX - 1, &number)) {
        ret->group = (uint32_t)number;
        return number > 0;
    }
    entry = getgrnam(word + 6);
    if (entry == NULL)
        return false;
    ret->group = (uint32_t)entry->gr_gid;
    return true;
}

/* Returns false when `text` is not what the option takes. */
static bool take(struct options *ret, const struct row *row, const char *text)
{
    char *field = (char *)ret + row->offset;
    uint64_t number = 0;
    int choice;

    switch (row->kind) {
    case KIND_FLAG:
        *(bool *)field = true;
        return true;
    case KIND_VALUE:
        *(int *)(void *)field = row->value;
        return true;
    case KIND_TIME:
        if (!read_number(text, times, INT_MAX, &number))
            return false;
        *(int *)(void *)field = (int)number;
        return true;
    case KIND_NUMBER:
        if (!read_number(text, sizes, UINT32_MAX, &number) || number == 0)
            return false;
        *(uint32_t *)(void *)field = (uint32_t)number;
        return true;
    case KIND_SIZE:
        if (!read_number(text, sizes, UINT64_MAX / 2, &number) || number == 0)
            return false;
        *(uint64_t *)(void *)field = number;
        return true;
    case KIND_TEXT:
        *(const char **)(void *)field = text;
        return true;
    case KIND_SPIN:
        return read_spin(text, (int *)(void *)field);
    case KIND_CHOICE:
        choice = read_choice(row->choices, text, strlen(text));
        *(int *)(void *)field = choice;
        return choice >= 0;
    case KIND_ACCESS:
        return read_access(ret, text);
    }
    return false;
}

/* The options of this command, as getopt_long wants them. */
static void make_tables(const struct command *command, struct option *ret_long,
                        char *ret_letters)
{
    *ret_letters++ = ':'; /* tell a missing argument from an unknown option */
    for (int i = 0; i < ROWS; i++) {
        if ((rows[i].commands & command->bit) == 0)
            continue;
        *ret_long++ = (struct option){
            .name = rows[i].name,
            .has_arg =
                rows[i].argument != NULL ? required_argument : no_argument,
            .val = FIRST_ROW + i,
        };
        if (rows[i].letter == 0)
            continue;
        *ret_letters++ = (char)rows[i].letter;
        if (rows[i].argument != NULL)
            *ret_letters++ = ':';
    }
    *ret_long = (struct option){ 0 };
    *ret_letters = '\0';
}

static const struct row *row_of(const struct command *command, int value)
{
    for (int i = 0; i < ROWS; i++)
        if ((rows[i].commands & command->bit) != 0 &&
            (value == FIRST_ROW + i || (value > 0 && value == rows[i].letter)))
            return &rows[i];
    return NULL;
}

static int complain_unknown(const struct options *options, const char *word)
{
    const char *words[ROWS + 1];
    const char *near;
    char name[64];
    int count = 0;

    if (optopt != 0 && optopt < FIRST_ROW)
        return say_usage(options, "unknown option '-%c'", optopt);
    for (int i = 0; i < ROWS; i++)
        if ((rows[i].commands & options->command->bit) != 0 &&
            rows[i].help != NULL)
            words[count++] = rows[i].name;
    words[count] = NULL;
    snprintf(name, sizeof(name), "%s", word + strspn(word, "-"));
    name[strcspn(name, "=")] = '\0';
    if (optopt >= FIRST_ROW)
        return say_usage(options, "option '--%s' takes no argument", name);
    near = options_nearest(name, words);
    if (near != NULL)
        return say_usage(options, "unknown option '%s', did you mean '--%s'?",
                         word, near);
    return say_usage(options, "unknown option '%s'", word);
}

static int check_operands(const struct options *options)
{
    const struct command *command = options->command;

    if (options->count < command->least)
        return say_usage(options, "missing operand: windpipe %s [OPTIONS] %s",
                         command->name, command->operands);
    if (options->count > command->most)
        return say_usage(options, "too many operands at '%s'%s",
                         options->operands[command->most],
                         command->most >= 2 ? " (quote the text)" : "");
    return STATUS_DONE;
}

/* A path where a name is wanted: only the foreign socket can have one. */
static int check_path(const struct options *options)
{
    enum {
        NAMED = BIT_SERVE | BIT_CONNECT | BIT_SEND | BIT_RECV
    };
    const char *name = options->count > 0 ? options->operands[0] : "";

    if ((options->command->bit & NAMED) == 0 || options->foreign != 0 ||
        options->second != WPIPE_SECOND_PIPE_NONE || name[0] != '/' ||
        name[1] == '/') /* //./pipe/NAME is a name */
        return STATUS_DONE;
    return say_usage(options,
                     "'%s' is a path, not a name: with --foreign it is the "
                     "socket with that path",
                     name);
}

static int check_together(const struct options *options)
{
    if (!options->timestamps || options->json ||
        options->command->bit == BIT_RELAY)
        return STATUS_DONE;
    if (options->raw || options->type == WPIPE_BYTE)
        return say_usage(options, "--timestamps needs whole messages, a line "
                                  "each, or --json");
    return STATUS_DONE;
}

int options_parse(struct options *ret, const struct command *command, int argc,
                  char **argv)
{
    struct option table[ROWS + 1];
    char letters[2 * ROWS + 2];
    const struct row *row;
    int value;

    *ret = (struct options){
        .command = command,
        .wait_ms = WPIPE_FOREVER,
        .quit_ms = WPIPE_FOREVER,
        .linger_ms = LINGER_MS,
        .message_ms = 30000,
        .seconds_ms = 6000,
        .interval_ms = 1000,
        .type = WPIPE_MESSAGE,
        .framing = -1,
    };
    make_tables(command, table, letters);
    opterr = 0;
    optind = 1;
    while ((value = getopt_long(argc, argv, letters, table, NULL)) != -1) {
        if (value == ':')
            return say_usage(ret, "option '%s' needs an argument",
                             argv[optind - 1]);
        row = value == '?' ? NULL : row_of(command, value);
        if (row == NULL)
            return complain_unknown(ret, argv[optind - 1]);
        if (!take(ret, row, optarg))
            return say_usage(ret, "'%s' is not a value of --%s: %s", optarg,
                             row->name, row->help);
    }
    ret->operands = argv + optind;
    ret->count = argc - optind;
    if (ret->help)
        return STATUS_DONE;
    value = check_operands(ret);
    if (value == STATUS_DONE)
        value = check_path(ret);
    return value == STATUS_DONE ? check_together(ret) : value;
}

/* The words that an option takes that nearly all commands have: 1, or 2 with
 * its argument; 0 for any other word. */
static int common_option(const char *word)
{
    enum {
        COMMON = BIT_CALL | BIT_LS
    };
    const struct row *row;
    size_t length;

    for (row = rows; row < rows + ROWS; row++) {
        if ((row->commands & COMMON) != COMMON)
            continue;
        length = strlen(row->name);
        if (strncmp(word, "--", 2) == 0 &&
            strncmp(word + 2, row->name, length) == 0 &&
            (word[2 + length] == '\0' || word[2 + length] == '='))
            return row->argument != NULL && word[2 + length] == '\0' ? 2 : 1;
        if (word[0] == '-' && row->letter != 0 && word[1] == row->letter)
            return row->argument != NULL && word[2] == '\0' ? 2 : 1;
    }
    return 0;
}

int options_before(int argc, char **argv)
{
    int count = 0, words = 1;

    while (count < argc && words > 0) {
        words = common_option(argv[count]);
        count += words;
    }
    return count < argc ? count : argc;
}

void options_help(FILE *out, const struct command *command)
{
    char left[40];

    fprintf(out, "usage: windpipe %s [OPTIONS]%s%s\n\n%s\n\noptions:\n",
            command->name, command->operands[0] != '\0' ? " " : "",
            command->operands, command->summary);
    for (int i = 0; i < ROWS; i++) {
        if ((rows[i].commands & command->bit) == 0 || rows[i].help == NULL)
            continue;
        snprintf(left, sizeof(left), "--%s%s%s", rows[i].name,
                 rows[i].argument != NULL ? " " : "",
                 rows[i].argument != NULL ? rows[i].argument : "");
        if (rows[i].letter != 0)
            fprintf(out, "  -%c, %-18s %s\n", rows[i].letter, left,
                    rows[i].help);
        else
            fprintf(out, "      %-18s %s\n", left, rows[i].help);
    }
    fprintf(out, "\nexamples:\n%s", command->examples);
}

size_t options_message_limit(const struct options *options)
{
    return options->message != 0 ? (size_t)options->message : (size_t)16 << 20;
}

/* Edits that turn `a` into `b`; words of this tool are short. */
static int distance(const char *a, const char *b)
{
    int row[33], left, corner, best;
    int n = (int)strlen(a), m = (int)strlen(b);

    if (n > 32 || m > 32)
        return 99;
    for (int j = 0; j <= m; j++)
        row[j] = j;
    for (int i = 1; i <= n; i++) {
        corner = row[0];
        left = row[0] = i;
        for (int j = 1; j <= m; j++) {
            best = corner + (a[i - 1] != b[j - 1]);
            best = best < row[j] + 1 ? best : row[j] + 1;
            best = best < left + 1 ? best : left + 1;
            corner = row[j];
            left = row[j] = best;
        }
    }
    return row[m];
}

const char *options_nearest(const char *word, const char *const *words)
{
    const char *best = NULL;
    int edits, least = 3; /* more than two edits is another word */

    for (; *words != NULL; words++) {
        edits = distance(word, *words);
        if (edits < least && edits < (int)strlen(*words)) {
            least = edits;
            best = *words;
        }
    }
    return best;
}
