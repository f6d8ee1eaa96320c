/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table for people: see report.h.
 */
#include "report.h"

int row_met(const struct row *row)
{
    if (row->failed)
        return 0;
    switch (row->target) {
    case TARGET_GAIN:
        return row->ratio >= row->limit;
    case TARGET_COST:
        return row->ratio > 0 && row->ratio <= row->limit;
    case TARGET_MOST:
        return row->ours <= row->limit;
    default:
        return 1;
    }
}

/* Three digits that count, with k, M or G; "-" for nothing. */
static void number_text(char *text, size_t size, double value, int nothing)
{
    static const char *const marks[] = { "", "k", "M", "G" };
    size_t mark = 0;
    int digits;

    if (nothing) {
        snprintf(text, size, "-");
        return;
    }
    while (value >= 9999.5 && mark < 3) {
        value /= 1000;
        mark++;
    }
    digits = value < 10 ? 2 : value < 100 ? 1 : 0;
    snprintf(text, size, "%.*f%s", value < 0.1 && value > 0 ? 3 : digits, value,
             marks[mark]);
}

static void target_text(char *text, size_t size, const struct row *row)
{
    switch (row->target) {
    case TARGET_GAIN:
        snprintf(text, size, ">= %gx", row->limit);
        break;
    case TARGET_COST:
        snprintf(text, size, "<= %gx cost", row->limit);
        break;
    case TARGET_MOST:
        snprintf(text, size, "<= %g", row->limit);
        break;
    default:
        snprintf(text, size, "-");
        break;
    }
}

static const char *verdict(const struct row *row)
{
    if (row->failed)
        return "FAILED";
    if (row->target == TARGET_NONE)
        return "";
    return row_met(row) ? "ok" : "MISSED";
}

void table_head(FILE *file)
{
    fprintf(file, "%-23s %8s %9s %-7s %6s %-12s %-6s %8s %9s\n", "case", "ours",
            "yardstick", "unit", "ratio", "target", "", "buffered",
            "bare ring");
}

void table_row(FILE *file, const struct row *row)
{
    char ours[24], yardstick[24], plain[24], ratio[32], target[24];
    char buffered[24], control[24], line[24];

    number_text(ours, sizeof(ours), row->ours, row->failed);
    number_text(yardstick, sizeof(yardstick), row->yardstick,
                row->failed || row->yardstick <= 0);
    number_text(plain, sizeof(plain), row->ratio,
                row->failed || row->ratio <= 0);
    snprintf(ratio, sizeof(ratio), plain[0] == '-' ? "%s" : "%sx", plain);
    number_text(buffered, sizeof(buffered), row->buffered,
                row->failed || row->buffered <= 0);
    number_text(control, sizeof(control), row->control,
                row->failed || row->control <= 0);
    number_text(line, sizeof(line), row->line_ns, row->line_ns <= 0);
    target_text(target, sizeof(target), row);
    fprintf(file, "%-23s %8s %9s %-7s %6s %-12s %-6s %8s %9s %7s\n", row->name,
            ours, yardstick, row->unit, ratio, target, verdict(row), buffered,
            control, line);
    fflush(file);
}
