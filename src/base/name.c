/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules for pipe names. Windows rows 38 to 45 and .NET's reserved word
 * are the source; '/' and control characters are refused because names become
 * file names and are shown on terminals.
 */
#include "base/name.h"

#include <stddef.h>
#include <string.h>

#include "base/base.h"
#include "base/utf8.h"

#define AS_TEXT(macro)   AS_TEXT_2(macro)
#define AS_TEXT_2(value) #value

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* How many bytes of `prefix`, which is in lower case, `name` begins with. */
static size_t match(const char *name, const char *prefix)
{
    size_t i = 0;

    while (prefix[i] != '\0' && ascii_lower(name[i]) == prefix[i])
        i++;
    return i;
}

static const char *skip_prefix(const char *name)
{
    static const char *const prefixes[] = {
        "\\\\.\\pipe\\",
        "\\\\?\\pipe\\",
        "//./pipe/",
    };
    size_t length;
    size_t i;

    for (i = 0; i < WPIPE__ARRAY_SIZE(prefixes); i++) {
        length = strlen(prefixes[i]);
        if (match(name, prefixes[i]) == length)
            return name + length;
        /* \\.\pipe alone has no name in it either (Windows row 5) */
        if (match(name, prefixes[i]) == length - 1 && name[length - 1] == '\0')
            return name + length - 1;
    }
    return name;
}

static int has_control(const char *name)
{
    for (; *name != '\0'; name++)
        if ((unsigned char)*name < 0x20 || *name == 0x7f)
            return 1;
    return 0;
}

/* The rule that `name`, without prefix, breaks; NULL when it is allowed. */
static const char *broken_rule(const char *name)
{
    static const char reserved[] = "anonymous";

    if (name[0] == '\0')
        return "the name is empty";
    if (memchr(name, '\0', WPIPE_NAME_MAX + 1) == NULL)
        return "the name is longer than " AS_TEXT(WPIPE_NAME_MAX) " bytes";
    if (strchr(name, '/') != NULL)
        return "the name contains '/'";
    if (has_control(name))
        return "the name contains a control character";
    if (!wpipe__utf8_valid(name, strlen(name)))
        return "the name is not valid UTF-8";
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return "the name is \".\" or \"..\"";
    if (match(name, reserved) == sizeof(reserved) - 1 &&
        name[sizeof(reserved) - 1] == '\0')
        return "the name \"anonymous\" is reserved";
    /* what a listener calls itself must mean the same when given to connect */
    if (skip_prefix(name) != name)
        return "the name has the \\\\.\\pipe\\ prefix twice";
    return NULL;
}

int wpipe__name_parse(const char *name, char ret_name[WPIPE_NAME_MAX + 1],
                      const char **ret_why)
{
    const char *why;

    if (name == NULL) {
        why = "the name is missing (NULL)";
        goto fail;
    }
    name = skip_prefix(name);
    why = broken_rule(name);
    if (why != NULL)
        goto fail;
    memcpy(ret_name, name, strlen(name) + 1);
    return 0;

fail:
    if (ret_why != NULL)
        *ret_why = why;
    return WPIPE_ENAME;
}

int wpipe__name_generate(const uint8_t random[16],
                         char ret_name[WPIPE_NAME_MAX + 1])
{
    static const char digits[] = "0123456789abcdef";
    static const char start[] = "wpipe-";
    char *p = ret_name;
    size_t i;

    memcpy(p, start, sizeof(start) - 1);
    p += sizeof(start) - 1;
    for (i = 0; i < 16; i++) {
        *p++ = digits[random[i] >> 4];
        *p++ = digits[random[i] & 15];
    }
    *p = '\0';
    return 0;
}
