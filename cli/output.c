/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages on stdout, as people and files want them.
 */
#include "output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "text.h"

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
        text_escaped(stdout, data, size, true);
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

void output_event(const struct options *options, const char *event)
{
    char now[TEXT_TIME_ROOM];

    json_begin(stdout);
    json_text(stdout, "event", event);
    if (options->timestamps)
        json_text(stdout, "time", text_time(now));
}

static void print_json(const struct options *options,
                       const struct output_message *m)
{
    wpipe_message parts;
    int problem;

    output_event(options, m->event);
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
        text_escaped(stdout, data, size, false);
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
    char now[TEXT_TIME_ROOM];
    wpipe_message parts;
    int problem;

    if (options->timestamps)
        printf("%s ", text_time(now));
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
