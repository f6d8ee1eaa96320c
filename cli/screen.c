/* SPDX-License-Identifier: Apache-2.0 */
#include "screen.h"

#ifdef WINDPIPE_CURSES
#include <curses.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "text.h"

enum {
    NUMBERS = 54, /* columns of all but the name */
    NAME_LEAST = 10,
    FIRST_ROW = 3
};

static SCREEN *screen;

int screen_open(const struct options *options)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return say_usage(options, "the table needs a terminal; --json does "
                                  "not");
    setlocale(LC_CTYPE, "");
    screen = newterm(NULL, stdout, stdin);
    if (screen == NULL) {
        say(options, "the terminal in TERM is not known; --json needs none");
        return STATUS_FAILED;
    }
    set_term(screen);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    return STATUS_DONE;
}

void screen_close(void)
{
    if (screen == NULL)
        return;
    endwin();
    delscreen(screen);
    screen = NULL;
}

/* Cut `text` in place after `most` columns; bytes that are no characters here
 * become question marks. Returns its columns. */
static int clip(char *text, int most)
{
    mbstate_t state = { 0 };
    char *end = text + strlen(text);
    int columns = 0, width;
    wchar_t wide;
    size_t length;

    for (; text < end; text += length, columns += width) {
        length = mbrtowc(&wide, text, (size_t)(end - text), &state);
        if (length == 0 || length > (size_t)(end - text)) {
            state = (mbstate_t){ 0 };
            *text = '?';
            wide = L'?';
            length = 1;
        }
        width = wcwidth(wide);
        width = width < 0 ? 1 : width;
        if (columns + width > most) {
            *text = '\0';
            break;
        }
    }
    return columns;
}

/* The name with its odd bytes escaped, in so many columns. */
static void put_name(int row, const char *name, int width)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return;
    text_escaped(out, name, strlen(name), false);
    fclose(out);
    if (text == NULL)
        return;
    clip(text, width - 1);
    mvaddstr(row, 0, text);
    free(text);
}

/* What is behind the name, cut at the edge. */
static void put_numbers(int row, int at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put_numbers(int row, int at, const char *format, ...)
{
    char text[160];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    if (at < COLS)
        mvaddnstr(row, at, text, COLS - at);
}

/* 1234567 as "1.2M", in at most 6 columns. */
static const char *short_number(char *buf, size_t room, double number)
{
    static const char units[] = "\0KMGTP";
    size_t i = 0;

    while (number >= 9999.5 && i + 2 < sizeof(units)) {
        number /= 1000;
        i++;
    }
    snprintf(buf, room, number < 99.5 && i > 0 ? "%.1f%.1s" : "%.0f%.1s",
             number, &units[i]);
    return buf;
}

static void put_row(int row, int width, const struct traffic *t)
{
    const wpipe_pipe_facts *facts = &t->pipe->facts;
    char messages[24], bytes[24], queued[24], refused[24];

    put_name(row, t->pipe->name, width);
    if (t->pipe->answer < 0) {
        put_numbers(row, width, "%7s", survey_state(t->pipe->answer));
        return;
    }
    put_numbers(row, width, "%7lu %9s %10s %9s %7s  %s",
                (unsigned long)facts->clients,
                short_number(messages, sizeof(messages), t->messages),
                text_size(bytes, sizeof(bytes), t->bytes),
                text_size(queued, sizeof(queued), (double)t->queued),
                short_number(refused, sizeof(refused), (double)facts->refused),
                traffic_transport(t));
}

static void put_head(const struct traffic *rows, size_t count, int width)
{
    char text[160], bytes[24], clock[16] = "";
    unsigned long clients = 0;
    double messages = 0, sum = 0;
    time_t now = time(NULL);
    struct tm parts;

    for (size_t i = 0; i < count; i++) {
        clients += rows[i].pipe->answer < 0 ? 0 : rows[i].pipe->facts.clients;
        messages += rows[i].messages;
        sum += rows[i].bytes;
    }
    snprintf(text, sizeof(text),
             "windpipe top: %zu pipes, %lu clients, %.0f messages/s, %s/s",
             count, clients, messages, text_size(bytes, sizeof(bytes), sum));
    mvaddnstr(0, 0, text, COLS);
    if (localtime_r(&now, &parts) != NULL)
        strftime(clock, sizeof(clock), "%H:%M:%S", &parts);
    if ((int)strlen(text) + 1 + (int)strlen(clock) < COLS)
        mvaddstr(0, COLS - 1 - (int)strlen(clock), clock);
    attron(A_REVERSE);
    mvhline(FIRST_ROW - 1, 0, ' ', COLS);
    mvaddnstr(FIRST_ROW - 1, 0, "NAME", COLS);
    put_numbers(FIRST_ROW - 1, width, "%7s %9s %10s %9s %7s  %s", "CLIENTS",
                "MSG/S", "BYTES/S", "QUEUED", "REFUSED", "LINK");
    attroff(A_REVERSE);
}

void screen_show(const struct traffic *rows, size_t count)
{
    const int width = COLS - NUMBERS > NAME_LEAST ? COLS - NUMBERS : NAME_LEAST;
    const int most = LINES - FIRST_ROW - 1; /* the last line is the hint */

    erase();
    put_head(rows, count, width);
    for (int i = 0; i < most && (size_t)i < count; i++)
        put_row(FIRST_ROW + i, width, &rows[i]);
    if (LINES > FIRST_ROW && count > (size_t)(most > 0 ? most : 0))
        mvprintw(LINES - 1, 0, "%zu more; q quits",
                 count - (size_t)(most > 0 ? most : 0));
    else if (LINES > FIRST_ROW)
        mvaddstr(LINES - 1, 0, "q quits");
    refresh();
}

bool screen_keys(bool *ret_resized)
{
    int key;

    *ret_resized = false;
    while ((key = getch()) != ERR) {
        if (key == 'q' || key == 'Q')
            return false;
        *ret_resized = *ret_resized || key == KEY_RESIZE || key == '\f';
    }
    return true;
}

#else /* no ncurses */

int screen_open(const struct options *options)
{
    say(options, "this windpipe was built without ncurses; --json works");
    return STATUS_FAILED;
}

void screen_show(const struct traffic *rows, size_t count)
{
    (void)rows;
    (void)count;
}

bool screen_keys(bool *ret_resized)
{
    *ret_resized = false;
    return true;
}

void screen_close(void)
{
}

#endif
