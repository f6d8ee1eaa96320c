/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening endpoints: pipes here, sockets in socket.c, commands in exec.c.
 */
#include "gate.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "socket.h"

/* A server that is there has this long to answer when there is no -w. */
enum {
    ANSWER_MS = 30000
};

/* What follows `prefix`, or NULL when `text` does not begin with it. */
static const char *after(const char *text, const char *prefix)
{
    const size_t length = strlen(prefix);

    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

/*
 * The name behind "PREFIX:" or "PREFIX+FRAMING:", or NULL. The framing, which
 * may be missing, is *ret_length bytes at *ret_framing.
 */
static const char *after_foreign(const char *text, const char *prefix,
                                 const char **ret_framing, size_t *ret_length)
{
    const char *rest = after(text, prefix);

    *ret_framing = NULL;
    *ret_length = 0;
    if (rest == NULL || (*rest != ':' && *rest != '+'))
        return NULL;
    if (*rest == '+') {
        *ret_framing = rest + 1;
        *ret_length = strcspn(rest + 1, ":");
        rest += 1 + *ret_length;
    }
    return *rest == ':' ? rest + 1 : NULL;
}

/* The name behind "foreign-listen:", with or without a framing, or NULL. */
static const char *after_foreign_listen(const char *text)
{
    const char *framing;
    size_t length;

    return after_foreign(text, "foreign-listen", &framing, &length);
}

bool gate_is(const char *text)
{
    return after(text, "listen:") != NULL ||
           after(text, "unix-listen:") != NULL ||
           after(text, "tcp-listen:") != NULL ||
           after_foreign_listen(text) != NULL;
}

int gate_options(struct options *ret, const struct options *options,
                 const char *text)
{
    const char *framing;
    size_t length;

    *ret = *options;
    if (after_foreign(text, "foreign", &framing, &length) == NULL &&
        after_foreign(text, "foreign-listen", &framing, &length) == NULL)
        return STATUS_DONE;
    ret->foreign = WPIPE_FOREIGN_ONLY;
    ret->second = WPIPE_SECOND_PIPE_NONE;
    if (framing == NULL)
        return STATUS_DONE;
    ret->framing = options_framing(framing, length);
    if (ret->framing < 0)
        return say_usage(options,
                         "'%.*s' in %s is not a framing: raw, le32, "
                         "be32, lines, headers, type-le32",
                         (int)length, framing, text);
    return STATUS_DONE;
}

/* One name that is looked for. */
struct search {
    const char *name;
    bool found;
};

static int compare(const char *name, const wpipe_foreign_facts *facts,
                   void *user)
{
    struct search *search = user;

    if (strcmp(name, search->name) == 0)
        search->found = facts->listening != 0; /* or cannot be known */
    return search->found;
}

/* Is there a server at the foreign door? Not by knocking, which it would take
 * for a client. */
static bool has_foreign(const char *name)
{
    const char *bare = after(name, "\\\\.\\pipe\\");
    struct search search = { .name = bare != NULL ? bare : name };
    struct stat status;

    if (name[0] == '/')
        return stat(name, &status) == 0 && S_ISSOCK(status.st_mode);
    return wpipe_list_foreign(compare, &search) >= 0 && search.found;
}

/*
 * Without -w an absent pipe is an error at once. Returns the time to give to
 * the connect itself, or the error.
 */
static int connect_time(const struct options *options, const char *name,
                        int *ret_ms)
{
    const bool only_foreign = options->foreign || options->second;
    int r;

    if (options->wait_ms >= 0) {
        *ret_ms = options->wait_ms;
        return 0;
    }
    *ret_ms = ANSWER_MS;
    r = only_foreign ? WPIPE_ETIMEDOUT : wpipe_wait_for(name, 0);
    if (r == WPIPE_ETIMEDOUT)
        r = has_foreign(name) ? 0 : WPIPE_ENOTFOUND;
    if (r == WPIPE_ENOTFOUND)
        *ret_ms = 0;
    /* the connect says where it looked, and what is denied */
    return r == WPIPE_EACCES || r == WPIPE_ENOTFOUND ? 0 : r;
}

int gate_say_error(const struct options *options, const char *what,
                   const char *name, int error)
{
    const int now = wpipe_wait_for(name, 0);
    wpipe_stream *stream = NULL;
    wpipe_options wishes;

    if ((now == WPIPE_EACCES && error == now) ||
        (now == WPIPE_ETIMEDOUT &&
         (error == now || error == WPIPE_ENOTFOUND))) {
        options_fill(&wishes, options);
        wishes.foreign = WPIPE_FOREIGN_NEVER; /* it could be let in */
        wpipe_connect(&stream, name, &wishes, 0);
        wpipe_stream_close(stream);
    }
    return say_error(options, what, error);
}

int gate_connect(wpipe_stream **ret, const struct options *options,
                 const char *name)
{
    wpipe_options wishes;
    int r, ms;

    options_fill(&wishes, options);
    r = connect_time(options, name, &ms);
    if (r >= 0)
        r = wpipe_connect(ret, name, &wishes, ms);
    return r;
}

int gate_client(wpipe_client **ret, const struct options *options,
                const char *name)
{
    wpipe_options wishes;
    int r, ms;

    options_fill(&wishes, options);
    r = connect_time(options, name, &ms);
    if (r < 0)
        return r;
    wishes.connect_ms = ms > 0 ? ms : 1;
    return wpipe_client_open(ret, name, &wishes);
}

static int open_listener(struct gate *g, const char *name)
{
    wpipe_options wishes;
    int r;

    options_fill(&wishes, g->options);
    r = wpipe_listen(&g->listener, name, &wishes);
    if (r < 0)
        return say_error(g->options, name, r);
    return STATUS_DONE;
}

int gate_open(struct gate *g, const struct options *options, const char *text)
{
    const char *rest;
    int status;

    *g = (struct gate){ .options = options, .text = text, .socket = -1 };
    g->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (g->bell < 0) {
        say(options, "%s: %s", text, strerror(errno));
        return STATUS_FAILED;
    }
    if ((rest = after(text, "listen:")) != NULL ||
        (rest = after_foreign_listen(text)) != NULL) {
        status = open_listener(g, rest);
    } else if ((rest = after(text, "unix-listen:")) != NULL) {
        status = socket_listen(&g->socket, options, SOCKET_UNIX, rest);
        g->path = status == STATUS_DONE ? rest : NULL;
    } else {
        rest = after(text, "tcp-listen:");
        status = socket_listen(&g->socket, options, SOCKET_TCP, rest);
    }
    if (status == STATUS_DONE)
        say_verbose(options, "%s: listening", text);
    else
        gate_close(g);
    return status;
}

static int accept_socket(struct gate *g, struct endpoint *ret, bool *ret_woken)
{
    struct pollfd set[2] = { { .fd = g->socket, .events = POLLIN },
                             { .fd = g->bell, .events = POLLIN } };
    int r, fd;

    for (;;) {
        r = poll(set, 2, g->options->wait_ms);
        if (r < 0 && errno == EINTR)
            continue;
        if (r == 0) {
            say(g->options, "%s: no client connected in time", g->text);
            return STATUS_TIMED_OUT;
        }
        if (r > 0 && set[1].revents != 0) {
            *ret_woken = true;
            return STATUS_DONE;
        }
        fd = socket_accept(g->socket);
        if (fd >= 0)
            break;
        if (fd == -EAGAIN || fd == -ECONNABORTED)
            continue;
        say(g->options, "%s: %s", g->text, strerror(-fd));
        return STATUS_FAILED;
    }
    ret->in = fd;
    ret->out = fd;
    return STATUS_DONE;
}

int gate_accept(struct gate *g, struct endpoint *ret, bool *ret_woken)
{
    int r = endpoint_init(ret, g->options);

    *ret_woken = false;
    if (r < 0)
        return say_error(g->options, g->text, r);
    snprintf(ret->label, sizeof(ret->label), "%s", g->text);
    if (g->listener == NULL)
        return accept_socket(g, ret, ret_woken);
    r = wpipe_accept(g->listener, &ret->stream, g->options->wait_ms);
    if (r == WPIPE_EWOKEN) {
        *ret_woken = true;
        return STATUS_DONE;
    }
    return r < 0 ? say_error(g->options, g->text, r) : STATUS_DONE;
}

void gate_wake(struct gate *g)
{
    const uint64_t one = 1;

    if (g->listener != NULL)
        wpipe_listener_wake(g->listener);
    else if (write(g->bell, &one, sizeof(one)) < 0)
        return; /* it rings already */
}

void gate_close(struct gate *g)
{
    wpipe_listener_close(g->listener);
    g->listener = NULL;
    if (g->path != NULL)
        unlink(g->path);
    g->path = NULL;
    if (g->socket >= 0)
        close(g->socket);
    if (g->bell >= 0)
        close(g->bell);
    g->socket = g->bell = -1;
}

static int dial_command(struct endpoint *ret, const char *command)
{
    int r = endpoint_exec(ret, command, NULL);

    if (r == 0)
        return STATUS_DONE;
    say(ret->options, "%s: %s", ret->label, strerror(-r));
    return STATUS_FAILED;
}

static int dial_pipe(struct endpoint *ret, const char *name)
{
    int r = gate_connect(&ret->stream, ret->options, name);

    return r < 0 ? say_error(ret->options, name, r) : STATUS_DONE;
}

int gate_dial(struct endpoint *ret, const struct options *options,
              const char *text)
{
    const char *rest, *framing;
    int r = endpoint_init(ret, options), fd = -1;
    size_t length;

    if (r < 0)
        return say_error(options, text, r);
    snprintf(ret->label, sizeof(ret->label), "%s", text);
    if (strcmp(text, "-") == 0) {
        ret->in = STDIN_FILENO;
        ret->out = STDOUT_FILENO;
        ret->borrowed = true;
        return STATUS_DONE;
    }
    if ((rest = after(text, "exec:")) != NULL)
        return dial_command(ret, rest);
    if ((rest = after(text, "pipe:")) != NULL ||
        (rest = after_foreign(text, "foreign", &framing, &length)) != NULL)
        return dial_pipe(ret, rest);
    if ((rest = after(text, "unix:")) != NULL)
        r = socket_connect(&fd, options, SOCKET_UNIX, rest);
    else if ((rest = after(text, "tcp:")) != NULL)
        r = socket_connect(&fd, options, SOCKET_TCP, rest);
    else
        return dial_pipe(ret, text);
    ret->in = fd;
    ret->out = fd;
    return r;
}
