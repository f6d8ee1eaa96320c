/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe ls, info and wait: what pipes there are and what goes on in them.
 * Only the servers themselves know, so they are asked; one that does not
 * answer is shown as such and holds nobody up for long.
 */
#include "commands.h"

#include <stdlib.h>
#include <string.h>

#include "gate.h"
#include "output.h"

enum {
    ANSWER_MS = 2000,
    FIRST_LINKS = 64
};

/* The names, copied: the list is only lent. */
struct names {
    char **names;
    char **places;
    size_t count, room;
    bool failed;
};

static int patience(const struct options *options)
{
    return options->wait_ms >= 0 ? options->wait_ms : ANSWER_MS;
}

static bool grow(struct names *list)
{
    const size_t room = list->room == 0 ? 32 : list->room * 2;
    char **names = realloc(list->names, room * sizeof(*names));
    char **places;

    if (names == NULL)
        return false;
    list->names = names;
    places = realloc(list->places, room * sizeof(*places));
    if (places == NULL)
        return false;
    list->places = places;
    list->room = room;
    return true;
}

static int add_name(const char *name, const char *where, void *user)
{
    struct names *list = user;

    if (list->count == list->room && !grow(list)) {
        list->failed = true;
        return 1;
    }
    list->names[list->count] = strdup(name);
    list->places[list->count] = strdup(where);
    list->failed =
        list->names[list->count] == NULL || list->places[list->count] == NULL;
    list->count++;
    return list->failed;
}

static void names_free(struct names *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->names[i]);
        free(list->places[i]);
    }
    free(list->names);
    free(list->places);
}

/* Insertion sort over both arrays; lists of pipes are short. */
static void names_sort(struct names *list)
{
    char *name, *place;
    size_t j;

    for (size_t i = 1; i < list->count; i++) {
        name = list->names[i];
        place = list->places[i];
        for (j = i; j > 0 && strcmp(list->names[j - 1], name) > 0; j--) {
            list->names[j] = list->names[j - 1];
            list->places[j] = list->places[j - 1];
        }
        list->names[j] = name;
        list->places[j] = place;
    }
}

static const char *state_of(int r)
{
    return r >= 0                 ? "open"
           : r == WPIPE_ENOTFOUND ? "dead"
           : r == WPIPE_EACCES    ? "private"
           : r == WPIPE_EREFUSED  ? "private"
           : r == WPIPE_ETIMEDOUT ? "silent"
                                  : "broken";
}

static void json_pipe(const char *name, const char *where, int r,
                      const wpipe_pipe_facts *facts)
{
    json_text(stdout, "name", name);
    if (where != NULL)
        json_text(stdout, "where", where);
    json_text(stdout, "state", state_of(r));
    if (r < 0)
        return;
    json_text(stdout, "type", output_type(facts->type));
    json_text(stdout, "access", output_access(facts->access));
    json_number(stdout, "clients", facts->clients);
    json_number(stdout, "max_clients", facts->max_clients);
    json_number(stdout, "total_clients", facts->total_clients);
    json_number(stdout, "refused", facts->refused);
    json_peer(stdout, &facts->owner);
}

/* Columns, as wide as what is in them mostly is. */
static void print_row(const struct options *options, const char *name,
                      const char *where, int r, const wpipe_pipe_facts *facts)
{
    char user[64] = "-", process[100] = "-", clients[16] = "-";
    const int pad = strlen(name) < 24 ? (int)(24 - strlen(name)) : 1;

    if (r >= 0) {
        output_user(user, sizeof(user), &facts->owner);
        snprintf(process, sizeof(process), "%lld %s",
                 (long long)facts->owner.pid, facts->owner.program);
        snprintf(clients, sizeof(clients), "%lu",
                 (unsigned long)facts->clients);
    }
    output_escaped(stdout, name, strlen(name), false);
    printf("%*s%-8s %7s  %-10s ", pad, "",
           r >= 0 ? output_type(facts->type) : state_of(r), clients, user);
    output_escaped(stdout, process, strlen(process), false);
    if (options->all) {
        fputs("  ", stdout);
        output_escaped(stdout, where, strlen(where), false);
    }
    putchar('\n');
}

/* A foreign door: what is known without its server's notice. */
static int print_foreign(const char *name, const wpipe_foreign_facts *facts,
                         void *user)
{
    const struct options *options = user;
    const char *state = facts->listening == 0 ? "dead" : "foreign";
    wpipe_peer owner = { .size = sizeof(owner),
                         .uid = facts->uid,
                         .pid = facts->pid };
    char process[100] = "-";

    memcpy(owner.program, facts->program, sizeof(owner.program));
    if (options->json) {
        json_begin(stdout);
        json_text(stdout, "name", name);
        json_text(stdout, "where", facts->path);
        json_text(stdout, "state", state);
        json_peer(stdout, &owner);
        json_end(stdout);
        return 0;
    }
    if (facts->pid != 0)
        snprintf(process, sizeof(process), "%lld %s", (long long)facts->pid,
                 facts->program);
    printf("%-23s %-8s %7s  %-10lu ", name, state, "-",
           (unsigned long)facts->uid);
    output_escaped(stdout, process, strlen(process), false);
    fputs("  ", stdout);
    output_escaped(stdout, facts->path, strlen(facts->path), false);
    putchar('\n');
    return 0;
}

static void print_all(const struct options *options, const struct names *list)
{
    wpipe_pipe_facts facts;
    bool header = options->json;
    int r;

    for (size_t i = 0; i < list->count; i++) {
        facts = (wpipe_pipe_facts){ .size = sizeof(facts),
                                    .owner = { .size = sizeof(wpipe_peer) } };
        r = wpipe_inspect(list->names[i], &facts, NULL, 0, patience(options));
        if (r == WPIPE_ENOTFOUND && !options->all)
            continue;
        if (options->json) {
            json_begin(stdout);
            json_pipe(list->names[i], list->places[i], r, &facts);
            json_end(stdout);
            continue;
        }
        if (!header)
            printf("%-24s%-8s %7s  %-10s %s%s\n", "NAME", "TYPE", "CLIENTS",
                   "USER", "PROCESS", options->all ? "  PLACE" : "");
        header = true;
        print_row(options, list->names[i], list->places[i], r, &facts);
    }
    if (!header)
        say_verbose(options, "no pipes");
}

static void print_names(const struct options *options, const struct names *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (options->json) {
            json_begin(stdout);
            json_text(stdout, "name", list->names[i]);
            json_text(stdout, "where", list->places[i]);
            json_end(stdout);
        } else {
            output_escaped(stdout, list->names[i], strlen(list->names[i]),
                           false);
            putchar('\n');
        }
    }
}

int ls_run(const struct options *options)
{
    struct names list = { .names = NULL };
    int r = wpipe_list(add_name, &list);

    if (r >= 0 && list.failed)
        r = WPIPE_ENOMEM;
    if (r < 0) {
        names_free(&list);
        return gate_say_error(options, "cannot list", "ls", r);
    }
    names_sort(&list);
    if (options->names)
        print_names(options, &list);
    else
        print_all(options, &list);
    if (options->all)
        r = wpipe_list_foreign(print_foreign, (void *)(uintptr_t)options);
    names_free(&list);
    if (r < 0)
        return say_error(options, "cannot list foreign sockets", r);
    return output_flush(options);
}

/* Ask for all connections, with more room while there are more of them. */
static int inspect(const struct options *options, wpipe_pipe_facts *facts,
                   wpipe_link_facts **ret_links)
{
    size_t room = FIRST_LINKS;
    wpipe_link_facts *links;
    int r;

    for (;;) {
        links = calloc(room, sizeof(*links));
        if (links == NULL)
            return WPIPE_ENOMEM;
        links[0].size = sizeof(*links);
        *facts = (wpipe_pipe_facts){ .size = sizeof(*facts),
                                     .owner = { .size = sizeof(wpipe_peer) } };
        r = wpipe_inspect(options->operands[0], facts, links, room,
                          patience(options));
        if (r < 0 || (size_t)r < room || room > UINT32_MAX / 4) {
            *ret_links = links;
            return r;
        }
        free(links);
        room *= 4;
    }
}

static const char *link_way(const wpipe_link_facts *link)
{
    return link->shared == 0   ? "socket"
           : link->shared == 2 ? "shared memory"
                               : "shared memory one way";
}

static void print_json_info(const struct options *options,
                            const wpipe_pipe_facts *facts,
                            const wpipe_link_facts *links, int count)
{
    json_begin(stdout);
    json_pipe(options->operands[0], NULL, 0, facts);
    fputs(",\"links\":[", stdout);
    for (int i = 0; i < count; i++) {
        /* the members' helpers put the comma first: begin with the id */
        printf("%s{\"id\":%llu", i > 0 ? "," : "",
               (unsigned long long)links[i].id);
        json_peer(stdout, &links[i].peer);
        json_text(stdout, "link", links[i].shared ? "shared" : "socket");
        json_number(stdout, "messages_in", links[i].messages_in);
        json_number(stdout, "messages_out", links[i].messages_out);
        json_number(stdout, "bytes_in", links[i].bytes_in);
        json_number(stdout, "bytes_out", links[i].bytes_out);
        json_number(stdout, "queued", links[i].queued);
        json_number(stdout, "age_us", links[i].age_us);
        json_number(stdout, "idle_us", links[i].idle_us);
        json_number(stdout, "dropped", links[i].dropped);
        putchar('}');
    }
    putchar(']');
    json_end(stdout);
}

static void print_link(const wpipe_link_facts *link)
{
    char text[200], in[24], out[24], queued[24];

    fputs("client:   ", stdout);
    output_peer(text, sizeof(text), &link->peer);
    output_escaped(stdout, text, strlen(text), false);
    printf(
        "\n    by %s; in %llu messages, %s; out %llu messages, %s; "
        "%s queued\n    for %.1f s, quiet for %.1f s, %llu messages dropped\n",
        link_way(link), (unsigned long long)link->messages_in,
        output_size(in, sizeof(in), (double)link->bytes_in),
        (unsigned long long)link->messages_out,
        output_size(out, sizeof(out), (double)link->bytes_out),
        output_size(queued, sizeof(queued), (double)link->queued),
        (double)link->age_us / 1e6, (double)link->idle_us / 1e6,
        (unsigned long long)link->dropped);
}

static void print_info(const struct options *options,
                       const wpipe_pipe_facts *facts,
                       const wpipe_link_facts *links, int count)
{
    char text[200];

    fputs("name:     ", stdout);
    output_escaped(stdout, options->operands[0], strlen(options->operands[0]),
                   false);
    printf("\ntype:     %s\naccess:   %s\n", output_type(facts->type),
           output_access(facts->access));
    fputs("server:   ", stdout);
    output_peer(text, sizeof(text), &facts->owner);
    output_escaped(stdout, text, strlen(text), false);
    printf(
        "\nclients:  %lu now, %llu so far, %llu refused, at most %lu\n",
        (unsigned long)facts->clients, (unsigned long long)facts->total_clients,
        (unsigned long long)facts->refused, (unsigned long)facts->max_clients);
    for (int i = 0; i < count; i++)
        print_link(&links[i]);
}

int info_run(const struct options *options)
{
    wpipe_link_facts *links = NULL;
    wpipe_pipe_facts facts;
    int r = inspect(options, &facts, &links);

    if (r < 0) {
        free(links);
        return gate_say_error(options, options->operands[0],
                              options->operands[0], r);
    }
    if (options->json)
        print_json_info(options, &facts, links, r);
    else
        print_info(options, &facts, links, r);
    free(links);
    return output_flush(options);
}

int wait_run(const struct options *options)
{
    const char *name = options->operands[0];
    const int r = wpipe_wait_for(name, options->wait_ms);

    if (r < 0)
        return gate_say_error(options, name, name, r);
    if (options->json) {
        json_begin(stdout);
        json_text(stdout, "event", "open");
        json_text(stdout, "name", name);
        json_end(stdout);
        return output_flush(options);
    }
    say_verbose(options, "%s is open", name);
    return STATUS_DONE;
}
