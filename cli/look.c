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
#include "json.h"
#include "output.h"
#include "survey.h"
#include "text.h"

enum {
    ANSWER_MS = 2000
};

static int timeout_of(const struct options *options)
{
    return options->wait_ms >= 0 ? options->wait_ms : ANSWER_MS;
}

static void json_pipe(const char *name, const char *where, int r,
                      const wpipe_pipe_facts *facts)
{
    json_text(stdout, "name", name);
    if (where != NULL)
        json_text(stdout, "where", where);
    json_text(stdout, "state", survey_state(r));
    if (r < 0)
        return;
    json_text(stdout, "type", text_type(facts->type));
    json_text(stdout, "access", text_access(facts->access));
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
        text_user(user, sizeof(user), &facts->owner);
        snprintf(process, sizeof(process), "%lld %s",
                 (long long)facts->owner.pid, facts->owner.program);
        snprintf(clients, sizeof(clients), "%lu",
                 (unsigned long)facts->clients);
    }
    text_escaped(stdout, name, strlen(name), false);
    printf("%*s%-8s %7s  %-10s ", pad, "",
           r >= 0 ? text_type(facts->type) : survey_state(r), clients, user);
    text_escaped(stdout, process, strlen(process), false);
    if (options->all) {
        fputs("  ", stdout);
        text_escaped(stdout, where, strlen(where), false);
    }
    putchar('\n');
}

/* Whether somebody listens at a foreign socket. */
static const char *foreign_state(const wpipe_foreign_facts *facts)
{
    return facts->listening > 0    ? "foreign"
           : facts->listening == 0 ? "dead"
                                   : "unknown";
}

static wpipe_peer foreign_owner(const wpipe_foreign_facts *facts)
{
    wpipe_peer owner = { .size = sizeof(owner),
                         .uid = facts->uid,
                         .pid = facts->pid };

    memcpy(owner.program, facts->program, sizeof(owner.program));
    return owner;
}

static void json_foreign(const char *name, const wpipe_foreign_facts *facts)
{
    const wpipe_peer owner = foreign_owner(facts);

    json_begin(stdout);
    json_text(stdout, "name", name);
    json_text(stdout, "where", facts->path);
    json_text(stdout, "state", foreign_state(facts));
    json_peer(stdout, &owner);
    json_end(stdout);
}

/* A foreign socket: what is known without its server's notice. */
static int print_foreign(const char *name, const wpipe_foreign_facts *facts,
                         void *user)
{
    const struct options *options = user;
    const wpipe_peer owner = foreign_owner(facts);
    char process[100] = "-", text[64];

    if (options->json) {
        json_foreign(name, facts);
        return 0;
    }
    if (facts->pid != 0)
        snprintf(process, sizeof(process), "%lld %s", (long long)facts->pid,
                 facts->program);
    printf("%-23s %-8s %7s  %-10s ", name, foreign_state(facts), "-",
           text_user(text, sizeof(text), &owner));
    text_escaped(stdout, process, strlen(process), false);
    fputs("  ", stdout);
    text_escaped(stdout, facts->path, strlen(facts->path), false);
    putchar('\n');
    return 0;
}

static void print_pipes(const struct options *options, const struct survey *s)
{
    const struct survey_pipe *p;
    bool header = options->json;

    for (p = s->pipes; p < s->pipes + s->count; p++) {
        if (p->answer == WPIPE_ENOTFOUND && !options->all)
            continue;
        if (options->json) {
            json_begin(stdout);
            json_pipe(p->name, p->place, p->answer, &p->facts);
            json_end(stdout);
            continue;
        }
        if (!header)
            printf("%-24s%-8s %7s  %-10s %s%s\n", "NAME", "TYPE", "CLIENTS",
                   "USER", "PROCESS", options->all ? "  PLACE" : "");
        header = true;
        print_row(options, p->name, p->place, p->answer, &p->facts);
    }
    if (!header)
        say_verbose(options, "no pipes");
}

static void print_names(const struct options *options, const struct survey *s)
{
    const struct survey_pipe *p;

    for (p = s->pipes; p < s->pipes + s->count; p++) {
        if (options->json) {
            json_begin(stdout);
            json_text(stdout, "name", p->name);
            json_text(stdout, "where", p->place);
            json_end(stdout);
        } else {
            text_escaped(stdout, p->name, strlen(p->name), false);
            putchar('\n');
        }
    }
}

static int print_removed(const char *name, const char *where, void *user)
{
    const struct options *options = user;

    if (options->json) {
        json_begin(stdout);
        json_text(stdout, "event", "removed");
        json_text(stdout, "name", name);
        json_text(stdout, "where", where);
        json_end(stdout);
        return 0;
    }
    fputs("removed ", stdout);
    text_escaped(stdout, name, strlen(name), false);
    fputs(" from ", stdout);
    text_escaped(stdout, where, strlen(where), false);
    putchar('\n');
    return 0;
}

static int prune(const struct options *options)
{
    const int r = wpipe_prune(print_removed, (void *)(uintptr_t)options);

    if (r < 0)
        return gate_say_error(options, "cannot prune", "ls", r);
    if (r == 0)
        say_verbose(options, "no killed server left anything");
    return output_flush(options);
}

int ls_run(const struct options *options)
{
    struct survey s;
    int r;

    if (options->prune)
        return prune(options);
    r = survey_names(&s);
    if (r < 0) {
        survey_done(&s);
        return gate_say_error(options, "cannot list", "ls", r);
    }
    if (options->names) {
        print_names(options, &s);
    } else {
        survey_ask(&s, false, timeout_of(options));
        print_pipes(options, &s);
    }
    survey_done(&s);
    if (options->all)
        r = wpipe_list_foreign(print_foreign, (void *)(uintptr_t)options);
    if (r < 0)
        return say_error(options, "cannot list foreign sockets", r);
    return output_flush(options);
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
    text_peer(text, sizeof(text), &link->peer);
    text_escaped(stdout, text, strlen(text), false);
    printf(
        "\n    by %s; in %llu messages, %s; out %llu messages, %s; "
        "%s queued\n    for %.1f s, quiet for %.1f s, %llu messages dropped\n",
        link_way(link), (unsigned long long)link->messages_in,
        text_size(in, sizeof(in), (double)link->bytes_in),
        (unsigned long long)link->messages_out,
        text_size(out, sizeof(out), (double)link->bytes_out),
        text_size(queued, sizeof(queued), (double)link->queued),
        (double)link->age_us / 1e6, (double)link->idle_us / 1e6,
        (unsigned long long)link->dropped);
}

static void print_info(const struct options *options,
                       const wpipe_pipe_facts *facts,
                       const wpipe_link_facts *links, int count)
{
    char text[200];

    fputs("name:     ", stdout);
    text_escaped(stdout, options->operands[0], strlen(options->operands[0]),
                 false);
    printf("\ntype:     %s\naccess:   %s\n", text_type(facts->type),
           text_access(facts->access));
    fputs("server:   ", stdout);
    text_peer(text, sizeof(text), &facts->owner);
    text_escaped(stdout, text, strlen(text), false);
    printf(
        "\nclients:  %lu now, %llu so far, %llu refused, at most %lu\n",
        (unsigned long)facts->clients, (unsigned long long)facts->total_clients,
        (unsigned long long)facts->refused, (unsigned long)facts->max_clients);
    for (int i = 0; i < count; i++)
        print_link(&links[i]);
}

static void print_foreign_info(const struct options *options,
                               const wpipe_foreign_facts *facts)
{
    const char *name = options->operands[0];
    const wpipe_peer owner = foreign_owner(facts);
    char text[200];

    if (options->json) {
        json_foreign(name, facts);
        return;
    }
    fputs("name:     ", stdout);
    text_escaped(stdout, name, strlen(name), false);
    fputs("\ntype:     foreign socket (a server that is not windpipe, or "
          "serve --foreign)\npath:     ",
          stdout);
    text_escaped(stdout, facts->path, strlen(facts->path), false);
    fputs("\nserver:   ", stdout);
    if (facts->listening < 0)
        fputs("unknown whether one listens; ", stdout);
    text_peer(text, sizeof(text), &owner);
    text_escaped(stdout, text, strlen(text), false);
    putchar('\n');
}

/* No windpipe server has the name, or it is a path. Returns 0, or the error:
 * `error` where that tells as much. */
static int inspect_foreign(const struct options *options, int error)
{
    wpipe_foreign_facts facts = { .size = sizeof(facts) };
    char path[WPIPE_FOREIGN_PATH_SIZE];
    const char *name = options->operands[0];
    int r;

    if (error != WPIPE_ENOTFOUND && (error != WPIPE_ENAME || name[0] != '/'))
        return error;
    r = wpipe_inspect_foreign(name, &facts, path, sizeof(path));
    if (r == 0 && facts.listening == 0)
        r = WPIPE_ENOTFOUND;
    if (r < 0)
        return error == WPIPE_ENOTFOUND ? error : r;
    print_foreign_info(options, &facts);
    return 0;
}

/* With -w the server may come meanwhile; its answer has the same time again. */
static int inspect(const struct options *options, wpipe_pipe_facts *ret,
                   wpipe_link_facts **ret_links)
{
    const char *name = options->operands[0];
    int r = 0;

    if (options->wait_ms > 0)
        r = wpipe_wait_for(name, options->wait_ms);
    return r < 0 ? r
                 : survey_inspect(name, ret, ret_links, timeout_of(options));
}

int info_run(const struct options *options)
{
    wpipe_link_facts *links = NULL;
    wpipe_pipe_facts facts;
    int r = inspect(options, &facts, &links);

    if (r < 0) {
        free(links);
        r = inspect_foreign(options, r);
        if (r == 0)
            return output_flush(options);
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
