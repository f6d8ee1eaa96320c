/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe, the tool: the table of commands, help, and how a command begins
 * and ends. Built on the public interface alone.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "ending.h"
#include "json.h"
#include "options.h"
#include "output.h"
#include "text.h"

static int version_run(const struct options *options)
{
    if (options->json) {
        json_begin(stdout);
        json_text(stdout, "version", wpipe_version());
        json_end(stdout);
    } else {
        printf("windpipe %s\n", wpipe_version());
    }
    return output_flush(options);
}

static const struct command commands[] = {
    { "serve", BIT_SERVE, serve_run, "NAME", 1, 1,
      "Be a server at the terminal.\n\n"
      "Prints who connects, who leaves and every message. Lines that you\n"
      "type go to all clients.",
      "  windpipe serve demo\n"
      "  windpipe serve --echo demo\n"
      "  windpipe serve --exec 'sed -u s/^/you:/' demo\n" },
    { "connect", BIT_CONNECT, connect_run, "NAME", 1, 1,
      "Talk to a server: stdin is sent, what it sends goes to stdout.",
      "  windpipe connect demo\n"
      "  windpipe connect --byte demo <file >answer\n" },
    { "send", BIT_SEND, send_run, "NAME [TEXT]", 1, 2,
      "Send one message.\n\n"
      "It is TEXT, or stdin when there is none or it is '-'. Returns when the\n"
      "server has read it.",
      "  windpipe send demo 'hello there'\n"
      "  windpipe send --topic news demo 'it rains'\n"
      "  windpipe send --byte demo <file\n" },
    { "recv", BIT_RECV, recv_run, "NAME", 1, 1,
      "Print messages as they arrive; with -l as the server.",
      "  windpipe recv demo\n"
      "  windpipe recv --count 1 -w 5 demo\n"
      "  windpipe recv -l --json demo\n" },
    { "call", BIT_CALL, call_run, "NAME [TEXT]", 1, 2,
      "Send a request, wait for its reply, print it.",
      "  windpipe call demo ping\n"
      "  windpipe call -w 2 demo <request\n" },
    { "ls", BIT_LS, ls_run, "", 0, 0, "List the pipes that you can see.",
      "  windpipe ls\n"
      "  windpipe ls --json\n" },
    { "info", BIT_INFO, info_run, "NAME", 1, 1,
      "Show one pipe in detail: server, clients, traffic.",
      "  windpipe info demo\n" },
    { "wait", BIT_WAIT, wait_run, "NAME", 1, 1,
      "Return when the pipe has a server.",
      "  windpipe wait demo && windpipe send demo hello\n"
      "  windpipe wait -w 10 demo\n" },
    { "top", BIT_TOP, top_run, "", 0, 0,
      "Watch your pipes: clients, traffic, queues.\n\n"
      "A table that is new each second; q ends it. With --json lines.",
      "  windpipe top\n"
      "  windpipe top --json --count 1\n" },
    { "relay", BIT_RELAY, relay_run, "A B", 2, 2,
      "Join two endpoints.\n\n"
      "Each is one of\n"
      "  NAME, pipe:NAME         a pipe, as client\n"
      "  listen:NAME             a pipe, as server\n"
      "  foreign[+FRAMING]:NAME  a foreign socket, as client\n"
      "  foreign-listen[+FRAMING]:NAME\n"
      "  -                       stdin and stdout\n"
      "  exec:COMMAND            a command, run by sh\n"
      "  unix:PATH               a unix socket\n"
      "  unix-listen:PATH\n"
      "  tcp:HOST:PORT           a port on this machine\n"
      "  tcp-listen:[HOST:]PORT",
      "  windpipe relay --hex listen:tap demo\n"
      "  windpipe relay listen:demo foreign+lines:other\n"
      "  windpipe relay -k unix-listen:/tmp/demo.sock demo\n"
      "  windpipe relay -k --byte tcp-listen:8080 demo\n" },
    { "bench", BIT_BENCH, bench_run, "", 0, 0,
      "Measure round trip and throughput on this machine.\n\n"
      "A plain AF_UNIX stream is measured beside it.",
      "  windpipe bench\n"
      "  windpipe bench --seconds 2 --json\n" },
    { "version", BIT_VERSION, version_run, "", 0, 0, "Show the version.",
      "  windpipe version\n" },
};

enum {
    COMMANDS = sizeof(commands) / sizeof(commands[0])
};

static void short_help(FILE *out)
{
    fputs("usage: windpipe COMMAND [OPTIONS] NAME\n\n"
          "Named pipes between processes, with messages.\n\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-8s %-12s %.*s\n", commands[i].name,
                commands[i].operands, (int)strcspn(commands[i].summary, "\n"),
                commands[i].summary);
    fputs(
        "\ntry it, in two terminals:\n"
        "  windpipe serve demo\n"
        "  windpipe connect demo\n\n"
        "'windpipe COMMAND --help' explains one command, 'man windpipe' all.\n",
        out);
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[COMMANDS + 1], *near;

    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    names[COMMANDS] = NULL;
    near = options_nearest(name, names);
    fprintf(stderr, "windpipe: unknown %s '",
            name[0] == '-' ? "option" : "command");
    text_escaped(stderr, name, strlen(name), false);
    fputs("'", stderr);
    if (near != NULL)
        fprintf(stderr, ", did you mean '%s'?", near);
    fputs("\ntry 'windpipe --help'\n", stderr);
    return STATUS_USAGE;
}

static int help(int argc, char **argv)
{
    const struct command *command;

    if (argc < 1) {
        short_help(stdout);
        return STATUS_DONE;
    }
    command = find(argv[0]);
    if (command == NULL)
        return unknown(argv[0]);
    options_help(stdout, command);
    return STATUS_DONE;
}

static int run(const struct command *command, int argc, char **argv)
{
    static struct options options; /* the thread of signals looks at them */
    int status = options_parse(&options, command, argc, argv);

    if (status != STATUS_DONE)
        return status;
    if (options.help) {
        options_help(stdout, command);
        return STATUS_DONE;
    }
    if (ending_start(&options) < 0) {
        say(&options, "cannot start a thread");
        return STATUS_FAILED;
    }
    status = command->run(&options);
    fflush(stdout);
    ending_raise();
    return status;
}

/* So that no pipe is ever taken for stdin, stdout or stderr. */
static void open_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* Options before the command go behind it. */
static void command_first(int argc, char **argv)
{
    const int before = options_before(argc - 1, argv + 1);
    char *command;

    if (before == 0 || before >= argc - 1)
        return;
    command = argv[1 + before];
    memmove(argv + 2, argv + 1, (size_t)before * sizeof(*argv));
    argv[1] = command;
}

int main(int argc, char **argv)
{
    const struct command *command;

    open_standard_descriptors();
    signal(SIGPIPE, SIG_IGN); /* EPIPE tells the same, where it can be said */
    if (argc < 2) {
        short_help(stderr);
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("windpipe %s\n", wpipe_version());
        return STATUS_DONE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return help(argc - 2, argv + 2);
    command_first(argc, argv);
    command = find(argv[1]);
    if (command == NULL)
        return unknown(argv[1]);
    return run(command, argc - 1, argv + 1);
}
