/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any string as a pipe name: it is refused with a reason, or what comes out is
 * safe as a file name and means the same when it is parsed again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_allowed(const char *name)
{
    char again[WPIPE_NAME_MAX + 1];
    size_t length = strlen(name);
    size_t i;

    require(length > 0 && length <= WPIPE_NAME_MAX);
    require(wpipe__utf8_valid(name, length));
    for (i = 0; i < length; i++)
        require((unsigned char)name[i] >= 0x20 && name[i] != '/' &&
                name[i] != 0x7f);
    require(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    require(wpipe__name_parse(name, again, NULL) == 0);
    require(strcmp(name, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[WPIPE_NAME_MAX + 1];
    const char *why = NULL;
    char *text = malloc(size + 1);
    int r;

    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    r = wpipe__name_parse(text, name, &why);
    require(r == 0 || r == WPIPE_ENAME);
    if (r == 0) {
        require(why == NULL);
        check_allowed(name);
    } else {
        require(why != NULL && *why != '\0');
    }
    free(text);
    return 0;
}
