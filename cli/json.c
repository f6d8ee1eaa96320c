/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON, one object a line. Every object says "v":1 first: a later version
 * that changes what a member means will say 2.
 */
#include "json.h"

#include <string.h>

#include "text.h"
#include "unicode.h"

void json_begin(FILE *out)
{
    fputs("{\"v\":1", out);
}

void json_end(FILE *out)
{
    fputs("}\n", out);
}

void json_string(FILE *out, const void *data, size_t size)
{
    const unsigned char *p = data;

    putc('"', out);
    for (size_t i = 0; i < size; i++) {
        if (p[i] == '"' || p[i] == '\\')
            fprintf(out, "\\%c", p[i]);
        else if (p[i] == '\n')
            fputs("\\n", out);
        else if (p[i] == '\t')
            fputs("\\t", out);
        else if (p[i] < 0x20 || p[i] == 0x7f)
            fprintf(out, "\\u%04x", p[i]);
        else
            putc(p[i], out);
    }
    putc('"', out);
}

static void put_base64(FILE *out, const unsigned char *p, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t group;

    for (; size >= 3; p += 3, size -= 3) {
        group = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        for (int shift = 18; shift >= 0; shift -= 6)
            putc(digits[group >> shift & 63], out);
    }
    if (size == 0)
        return;
    group = (uint32_t)p[0] << 16 | (size > 1 ? (uint32_t)p[1] << 8 : 0);
    putc(digits[group >> 18 & 63], out);
    putc(digits[group >> 12 & 63], out);
    putc(size > 1 ? digits[group >> 6 & 63] : '=', out);
    putc('=', out);
}

void json_data(FILE *out, const char *key, const void *data, size_t size)
{
    if (unicode_is_text(data, size)) {
        fprintf(out, ",\"%s\":", key);
        json_string(out, data, size);
        return;
    }
    fprintf(out, ",\"%s_base64\":\"", key);
    put_base64(out, data, size);
    putc('"', out);
}

void json_text(FILE *out, const char *key, const char *value)
{
    json_data(out, key, value, strlen(value));
}

void json_number(FILE *out, const char *key, uint64_t value)
{
    fprintf(out, ",\"%s\":%llu", key, (unsigned long long)value);
}

void json_real(FILE *out, const char *key, double value)
{
    fprintf(out, ",\"%s\":%.6g", key, value);
}

void json_peer(FILE *out, const wpipe_peer *peer)
{
    char user[64];

    fprintf(out, ",\"pid\":%lld", (long long)peer->pid);
    json_number(out, "uid", peer->uid);
    json_number(out, "gid", peer->gid);
    json_text(out, "user", text_user(user, sizeof(user), peer));
    json_text(out, "program", peer->program);
}
