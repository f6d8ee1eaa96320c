/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table for people: see report.h.
 */
#include "report.h"

#include <string.h>

int row_met(const struct row *row)
{
    double doubt = row->doubt > 1 ? row->doubt : 1;

    if (row->failed)
        return 0;
    switch (row->judge) {
    case JUDGE_GAIN:
        return row->ratio * doubt >= row->limit;
    case JUDGE_COST:
        return row->ratio > 0 && row->ratio / doubt <= row->limit;
    case JUDGE_MOST:
        return row->ours <= row->limit;
    case JUDGE_LEAST:
        return row->ours >= row->limit;
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

static void ratio_text(char *text, size_t size, const struct row *row)
{
    char plain[24];

    number_text(plain, sizeof(plain), row->ratio,
                row->failed || row->ratio <= 0);
    snprintf(text, size, plain[0] == '-' ? "%s" : "%sx", plain);
}

static void target_text(char *text, size_t size, const struct row *row)
{
    static const char *const forms[] = {
        [JUDGE_GAIN] = ">= %gx",
        [JUDGE_COST] = "<= %gx",
        [JUDGE_MOST] = "<= %g",
        [JUDGE_LEAST] = ">= %g",
    };
    size_t used;

    snprintf(text, size, "-");
    if (row->judge == JUDGE_NONE)
        return;
    snprintf(text, size, forms[row->judge], row->limit);
    used = strlen(text);
    if (row->stretch > 0)
        snprintf(text + used, size - used, " (%gx)", row->stretch);
}

static const char *verdict(const struct row *row)
{
    if (row->failed)
        return "FAILED";
    if (row->judge == JUDGE_NONE)
        return "";
    return row_met(row) ? "ok" : "MISSED";
}

void table_head(FILE *file)
{
    fprintf(file, "%-32s %8s %-9s %-18s %8s %8s  %-14s\n", "case", "ours", "",
            "against", "theirs", "ratio", "target");
}

void table_row(FILE *file, const struct row *row, const char *name_before)
{
    char ours[24], theirs[24], ratio[32], target[40], note[80] = "";
    char against[40] = "-";
    int again = strcmp(row->name, name_before) == 0;

    number_text(ours, sizeof(ours), row->ours, row->failed);
    number_text(theirs, sizeof(theirs), row->theirs,
                row->failed || row->theirs <= 0);
    ratio_text(ratio, sizeof(ratio), row);
    target_text(target, sizeof(target), row);
    if (row->against)
        snprintf(against, sizeof(against), "%s%s", row->best ? "best: " : "",
                 row->against);
    if (row->note[0])
        snprintf(note, sizeof(note), "%s", row->note);
    else if (row->line_ns > 0 && !again)
        snprintf(note, sizeof(note), "line %.0f ns", row->line_ns);
    fprintf(file, "%-32s %8s %-9s %-18s %8s %8s  %-14s %-6s %s\n",
            again ? "" : row->name, again ? "" : ours,
            again || row->failed ? "" : row->unit, against, theirs, ratio,
            target, verdict(row), note);
    fflush(file);
}
