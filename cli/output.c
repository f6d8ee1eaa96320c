/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages, peers and sizes as people and files want them. One place decides
 * what is escaped, so that no command can let a peer write to the terminal.
 */
#include "output.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "unicode.h"

static bool is_plain(uint32_t point)
{
    if (point < 0x20 || (point >= 0x7f && point < 0xa0))
        return false;
    /* marks that reorder what is around them, and line separators */
    return !(point == 0x200e || point == 0x200f || point == 0x061c ||
             (point >= 0x2028 && point <= 0x202e) ||
             (point >= 0x2066 && point <= 0x2069) || point == 0xfeff);
}

static void put_escape(FILE *out, const unsigned char *bytes, size_t length,
                       uint32_t point)
{
    if (length > 1) {
        fprintf(out, "\\u{%x}", (unsigned)point);
        return;
    }
    switch (*bytes) {
    case '\n':
        fputs("\\n", out);
        break;
    case '\r':
        fputs("\\r", out);
        break;
    case '\t':
        fputs("\\t", out);
        break;
    default:
        fprintf(out, "\\x%02x", *bytes);
    }
}

void output_escaped(FILE *out, const void *data, size_t size, bool lines)
{
    const unsigned char *p = data;
    uint32_t point;
    size_t length;

    for (; size > 0; p += length, size -= length) {
        length = unicode_next(p, size, &point);
        if (length > 0 &&
            (is_plain(point) || (lines && (*p == '\n' || *p == '\t')))) {
            fwrite(p, 1, length, out);
            continue;
        }
        put_escape(out, p, length, point);
        if (length == 0)
            length = 1;
    }
}

static bool on_terminal(void)
{
    static int known = -1; /* every thread finds the same */

    if (known < 0)
        known = isatty(STDOUT_FILENO);
    return known;
}

void output_data(const void *data, size_t size)
{
    if (on_terminal())
        output_escaped(stdout, data, size, true);
    else if (size > 0)
        fwrite(data, 1, size, stdout);
}

int output_flush(const struct options *options)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return STATUS_DONE;
    if (errno != EPIPE) /* head has seen enough: nothing to complain about */
        say(options, "cannot write to stdout: %s", strerror(errno));
    return STATUS_FAILED;
}

static void print_json(const struct options *options,
                       const struct output_message *m)
{
    wpipe_message parts;
    int problem;

    json_begin(stdout);
    json_text(stdout, "event", m->event);
    if (m->from != 0)
        json_number(stdout, "from", m->from);
    json_number(stdout, "size", m->size);
    if (!options->show_topic) {
        json_data(stdout, "text", m->data, m->size);
    } else if (wpipe_message_decode(m->data, m->size, &parts, &problem) == 0) {
        json_data(stdout, "topic", parts.topic, parts.topic_size);
        json_data(stdout, "body", parts.body, parts.body_size);
    } else {
        json_data(stdout, "text", m->data, m->size);
        json_text(stdout, "problem", wpipe_message_problem_text(problem));
    }
    json_end(stdout);
}

static void print_text(const struct options *options, const void *data,
                       size_t size, bool one_line)
{
    const char *bytes = data;

    if (one_line && on_terminal())
        output_escaped(stdout, data, size, false);
    else
        output_data(data, size);
    if (options->raw || options->type == WPIPE_BYTE)
        return;
    if (size == 0 || bytes[size - 1] != '\n' || (one_line && on_terminal()))
        putchar('\n');
}

static void print_human(const struct options *options,
                        const struct output_message *m)
{
    wpipe_message parts;
    int problem;

    if (m->label)
        printf("%llu: ", (unsigned long long)m->from);
    if (!options->show_topic) {
        print_text(options, m->data, m->size, m->label);
    } else if (wpipe_message_decode(m->data, m->size, &parts, &problem) == 0) {
        putchar('[');
        output_data(parts.topic, parts.topic_size);
        fputs("] ", stdout);
        print_text(options, parts.body, parts.body_size, m->label);
    } else {
        say(options, "not a typed message: %s",
            wpipe_message_problem_text(problem));
        print_text(options, m->data, m->size, m->label);
    }
}

int output_message(const struct options *options,
                   const struct output_message *message)
{
    if (options->json)
        print_json(options, message);
    else
        print_human(options, message);
    return output_flush(options);
}

const char *output_size(char *buf, size_t room, double bytes)
{
    static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB" };
    size_t i = 0;

    while (bytes >= 999.5 && i + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1000;
        i++;
    }
    snprintf(buf, room, i == 0 || bytes >= 99.5 ? "%.0f %s" : "%.1f %s", bytes,
             units[i]);
    return buf;
}

const char *output_user(char *buf, size_t room, const wpipe_peer *peer)
{
    struct passwd room_for_it, *entry = NULL;
    char strings[1024];

    if (peer->user[0] != '\0') {
        snprintf(buf, room, "%s", peer->user);
        return buf;
    }
    getpwuid_r((uid_t)peer->uid, &room_for_it, strings, sizeof(strings),
               &entry);
    if (entry != NULL)
        snprintf(buf, room, "%s", entry->pw_name);
    else
        snprintf(buf, room, "%lu", (unsigned long)peer->uid);
    return buf;
}

const char *output_peer(char *buf, size_t room, const wpipe_peer *peer)
{
    char user[64];

    snprintf(buf, room, "%s, process %lld, user %s",
             peer->program[0] != '\0' ? peer->program : "unknown program",
             (long long)peer->pid, output_user(user, sizeof(user), peer));
    return buf;
}

const char *output_reason(int reason)
{
    static const char *const words[] = {
        [WPIPE_REASON_CLOSED] = "closed",
        [WPIPE_REASON_DIED] = "died",
        [WPIPE_REASON_PROTOCOL] = "protocol",
        [WPIPE_REASON_SLOW] = "slow",
        [WPIPE_REASON_KICKED] = "kicked",
        [WPIPE_REASON_DENIED] = "denied",
        [WPIPE_REASON_FULL] = "full",
        [WPIPE_REASON_TOO_BIG] = "too-big",
        [WPIPE_REASON_MEMORY] = "memory",
        [WPIPE_REASON_LOST] = "lost",
        [WPIPE_REASON_SYSTEM] = "system",
    };

    if (reason < 0 || (size_t)reason >= sizeof(words) / sizeof(words[0]))
        return "unknown";
    return words[reason];
}

const char *output_type(int type)
{
    return type == WPIPE_BYTE ? "byte" : "message";
}

const char *output_access(int access)
{
    return access == WPIPE_ACCESS_USER    ? "user"
           : access == WPIPE_ACCESS_GROUP ? "group"
                                          : "anyone";
}
