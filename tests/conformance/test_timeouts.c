/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A negative timeout that is not WPIPE_FOREVER is WPIPE_EINVAL, in every
 * function that takes a timeout and whatever there is to do. The table is held
 * to the headers: a new function has to be in it.
 */
#include "support.h"

#include <limits.h>
#include <string.h>

#include <windpipe.h>

#include "base/base.h"

static struct {
    wpipe_listener *listener;
    wpipe_stream *a; /* b has something unread, and room for more */
    wpipe_stream *b;
    wpipe_server *server;
    wpipe_client *client; /* not connected yet */
    const char *name;     /* of the server */
} on;

static char buf[8];
static wpipe_piece piece = { buf, 1 };
static wpipe_event event;

static int64_t accept_one(int ms)
{
    wpipe_stream *stream = NULL;

    return wpipe_accept(on.listener, &stream, ms);
}

static int64_t connect_to(int ms)
{
    wpipe_stream *stream = NULL;

    return wpipe_connect(&stream, "nobody", NULL, ms);
}

static int64_t read_it(int ms)
{
    return wpipe_read(on.b, buf, 1, ms);
}

static int64_t readv_it(int ms)
{
    return wpipe_readv(on.b, &piece, 1, ms);
}

static int64_t write_it(int ms)
{
    return wpipe_write(on.a, "x", 1, ms);
}

static int64_t writev_it(int ms)
{
    return wpipe_writev(on.a, &piece, 1, ms);
}

static int64_t write_call(int ms)
{
    wpipe_call call = { WPIPE_CALL_NONE, 0 };

    return wpipe_write_call(on.a, &call, "x", 1, ms);
}

static int64_t transact(int ms)
{
    return wpipe_transact(on.a, "x", 1, buf, 1, ms);
}

static int64_t drain(int ms)
{
    return wpipe_drain(on.a, ms);
}

static int64_t write_begin_part(int ms)
{
    void *data = NULL;
    size_t size = 0;

    return wpipe_write_begin_part(on.a, 1, &data, &size, ms);
}

static int64_t server_call(int ms)
{
    return wpipe_server_call(on.server, 1, "x", 1, &event, ms);
}

static int64_t server_request(int ms)
{
    uint64_t request = 0;

    return wpipe_server_request(on.server, 1, "x", 1, ms, &request);
}

static int64_t client_request(int ms)
{
    uint64_t request = 0;

    return wpipe_client_request(on.client, "x", 1, ms, &request);
}

static int64_t write_begin(int ms)
{
    void *data = NULL;
    int r = wpipe_write_begin(on.a, 1, &data, ms);

    if (r == 0)
        wpipe_write_abort(on.a);
    return r;
}

static int64_t read_begin(int ms)
{
    const void *data = NULL;
    size_t size;
    int r = wpipe_read_begin(on.b, &data, &size, ms);

    if (r == 0)
        (void)wpipe_read_end(on.b, size);
    return r;
}

static int64_t reap(int ms)
{
    static const char *const arguments[] = { "sleep", "0.01", NULL };
    int64_t pid;
    int r;

    assert_int_equal(wpipe_spawn(&pid, arguments, NULL, 0), 0);
    r = wpipe_reap(pid, ms);
    if (r != 0)
        assert_int_equal(wpipe_reap(pid, SUPPORT_WAIT_MS), 0);
    return r;
}

static int64_t server_wait(int ms)
{
    return wpipe_server_wait(on.server, &event, ms);
}

static int64_t server_send_wait(int ms)
{
    return wpipe_server_send_wait(on.server, 1, "x", 1, ms);
}

static int64_t server_drain(int ms)
{
    return wpipe_server_drain(on.server, WPIPE_ALL, ms);
}

static int64_t server_shutdown(int ms)
{
    return wpipe_server_shutdown(on.server, ms, NULL);
}

static int64_t client_wait(int ms)
{
    return wpipe_client_wait(on.client, &event, ms);
}

static int64_t client_send_wait(int ms)
{
    return wpipe_client_send_wait(on.client, "x", 1, ms);
}

static int64_t client_call(int ms)
{
    return wpipe_client_call(on.client, "x", 1, &event, ms);
}

static int64_t client_drain(int ms)
{
    return wpipe_client_drain(on.client, ms);
}

static int64_t client_shutdown(int ms)
{
    return wpipe_client_shutdown(on.client, ms, NULL);
}

static int64_t inspect(int ms)
{
    wpipe_pipe_facts facts = { .size = sizeof(facts) };

    return wpipe_inspect("nobody", &facts, NULL, 0, ms);
}

static int64_t wait_for(int ms)
{
    return wpipe_wait_for(on.name, ms);
}

/* Those that end something come last. */
static const struct {
    const char *name;
    int64_t (*call)(int timeout_ms);
} table[] = {
    { "wpipe_accept", accept_one },
    { "wpipe_connect", connect_to },
    { "wpipe_read", read_it },
    { "wpipe_readv", readv_it },
    { "wpipe_write", write_it },
    { "wpipe_writev", writev_it },
    { "wpipe_write_call", write_call },
    { "wpipe_transact", transact },
    { "wpipe_drain", drain },
    { "wpipe_write_begin", write_begin },
    { "wpipe_write_begin_part", write_begin_part },
    { "wpipe_server_request", server_request },
    { "wpipe_server_call", server_call },
    { "wpipe_client_request", client_request },
    { "wpipe_read_begin", read_begin },
    { "wpipe_reap", reap },
    { "wpipe_server_wait", server_wait },
    { "wpipe_server_send_wait", server_send_wait },
    { "wpipe_server_drain", server_drain },
    { "wpipe_client_wait", client_wait },
    { "wpipe_client_send_wait", client_send_wait },
    { "wpipe_client_call", client_call },
    { "wpipe_client_drain", client_drain },
    { "wpipe_inspect", inspect },
    { "wpipe_wait_for", wait_for },
    { "wpipe_client_shutdown", client_shutdown },
    { "wpipe_server_shutdown", server_shutdown },
};

static void open_all(void)
{
    wpipe_options early = { .size = sizeof(early),
                            .type = WPIPE_MESSAGE,
                            .flags = WPIPE_CONNECT_EARLY };
    wpipe_options later = { .size = sizeof(later),
                            .flags = WPIPE_CONNECT_LATER };

    on.name = support_unique_name();
    assert_int_equal(wpipe_listen(&on.listener, NULL, &early), 0);
    assert_int_equal(wpipe_connect(&on.b, wpipe_listener_name(on.listener),
                                   &early, SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(wpipe_accept(on.listener, &on.a, SUPPORT_WAIT_MS), 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(wpipe_write(on.a, "x", 1, SUPPORT_WAIT_MS), 1);
    assert_int_equal(wpipe_server_open(&on.server, on.name, NULL), 0);
    assert_int_equal(wpipe_client_open(&on.client, on.name, &later), 0);
}

static void close_all(void)
{
    wpipe_client_close(on.client);
    wpipe_server_close(on.server);
    wpipe_stream_close(on.a);
    wpipe_stream_close(on.b);
    wpipe_listener_close(on.listener);
}

static void timeout_below_forever_is_einval_everywhere(void **state)
{
    static const int wrong[] = { -2, -1000, INT_MIN };

    (void)state;
    open_all();
    for (size_t i = 0; i < WPIPE__ARRAY_SIZE(table); i++)
        for (size_t k = 0; k < WPIPE__ARRAY_SIZE(wrong); k++) {
            int64_t r = table[i].call(wrong[k]);

            if (r != WPIPE_EINVAL)
                fail_msg("%s with timeout %d returns %lld", table[i].name,
                         wrong[k], (long long)r);
        }
    /* nor is anything else wrong with these calls */
    for (size_t i = 0; i < WPIPE__ARRAY_SIZE(table); i++)
        if (table[i].call(0) == WPIPE_EINVAL)
            fail_msg("%s with timeout 0 returns WPIPE_EINVAL", table[i].name);
    close_all();
}

static void connect_says_what_is_wrong_with_its_timeout(void **state)
{
    char text[128];
    wpipe_options options = { .size = sizeof(options),
                              .error_text = text,
                              .error_text_size = sizeof(text) };
    wpipe_stream *stream = NULL;

    (void)state;
    assert_int_equal(wpipe_connect(&stream, "nobody", &options, -7),
                     WPIPE_EINVAL);
    assert_non_null(strstr(text, "timeout_ms is -7"));
    assert_null(stream);
}

static int is_in_table(const char *name, size_t size)
{
    for (size_t i = 0; i < WPIPE__ARRAY_SIZE(table); i++)
        if (strlen(table[i].name) == size &&
            memcmp(table[i].name, name, size) == 0)
            return 1;
    return 0;
}

/* How many functions of the header take a timeout. */
static size_t check_header(const char *path)
{
    static char text[100000];
    FILE *file = fopen(path, "r");
    const char *at = text;
    size_t found = 0;

    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    while ((at = strstr(at, "int timeout_ms")) != NULL) {
        const char *end = at++;
        const char *name;

        while (*end != '(')
            end--;
        name = end;
        while (name[-1] != ' ' && name[-1] != '*' && name[-1] != '\n')
            name--;
        found++;
        if (!is_in_table(name, (size_t)(end - name)))
            fail_msg("%.*s is not in the table", (int)(end - name), name);
    }
    return found;
}

static void table_has_every_function_with_a_timeout(void **state)
{
    (void)state;
    assert_int_equal(check_header(TEST_INCLUDE "/windpipe.h") +
                         check_header(TEST_INCLUDE "/windpipe/stream.h") +
                         check_header(TEST_INCLUDE "/windpipe/message.h") +
                         check_header(TEST_INCLUDE "/windpipe/error.h"),
                     WPIPE__ARRAY_SIZE(table));
}

static const struct support_case cases[] = {
    TEST(timeout_below_forever_is_einval_everywhere),
    TEST(connect_says_what_is_wrong_with_its_timeout),
    TEST(table_has_every_function_with_a_timeout),
};

TEST_MAIN(cases)
