/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures as JSON lines: see report.h.
 */
#include "report.h"

static void string_write(FILE *file, const char *key, const char *value)
{
    if (!value) {
        fprintf(file, "\"%s\":null,", key);
        return;
    }
    fprintf(file, "\"%s\":\"", key);
    for (; *value; value++) {
        unsigned char byte = (unsigned char)*value;

        if (byte < 0x20)
            fprintf(file, "\\u%04x", byte);
        else
            fprintf(file, byte == '"' || byte == '\\' ? "\\%c" : "%c", byte);
    }
    fputs("\",", file);
}

/* JSON has no infinity and no not-a-number. */
static void number_write(FILE *file, const char *key, double value)
{
    if (value - value == 0)
        fprintf(file, "\"%s\":%.6g,", key, value);
    else
        fprintf(file, "\"%s\":null,", key);
}

void figure_write(FILE *file, const struct figure *figure)
{
    if (!file)
        return;
    fputc('{', file);
    string_write(file, "library", figure->library);
    string_write(file, "case", figure->name);
    string_write(file, "transport", figure->transport);
    string_write(file, "placement", figure->placement);
    string_write(file, "spin", figure->spin);
    string_write(file, "load", figure->load);
    fprintf(file, "\"bytes\":%zu,", figure->bytes);
    number_write(file, "value", figure->value);
    string_write(file, "unit", figure->unit);
    if (figure->percentile > 0)
        fprintf(file, "\"percentile\":%.6g}\n", figure->percentile);
    else
        fputs("\"percentile\":null}\n", file);
    fflush(file);
}
