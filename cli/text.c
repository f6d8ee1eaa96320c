/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that is safe to show, and the words for what the library tells in
 * numbers. One place decides what is escaped, so that no command can let a
 * peer write to the terminal.
 */
#include "text.h"

#include <pwd.h>
#include <string.h>
#include <time.h>

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

void text_escaped(FILE *out, const void *data, size_t size, bool lines)
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

const char *text_time(char *buf)
{
    struct timespec now;
    struct tm parts;
    size_t length;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    length = strftime(buf, TEXT_TIME_ROOM, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(buf + length, TEXT_TIME_ROOM - length, ".%06ldZ",
             now.tv_nsec / 1000);
    return buf;
}

const char *text_size(char *buf, size_t room, double bytes)
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

const char *text_user(char *buf, size_t room, const wpipe_peer *peer)
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

const char *text_peer(char *buf, size_t room, const wpipe_peer *peer)
{
    char user[64];

    snprintf(buf, room, "%s, process %lld, user %s",
             peer->program[0] != '\0' ? peer->program : "unknown program",
             (long long)peer->pid, text_user(user, sizeof(user), peer));
    return buf;
}

const char *text_reason(int reason)
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

const char *text_type(int type)
{
    return type == WPIPE_BYTE ? "byte" : "message";
}

const char *text_access(int access)
{
    return access == WPIPE_ACCESS_USER    ? "user"
           : access == WPIPE_ACCESS_GROUP ? "group"
                                          : "anyone";
}
