/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <windpipe.hpp>: what it adds to the C calls. Built as C++17 and as C++20.
 */
#include <windpipe.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace std::chrono_literals;

namespace
{

int failed;

#define CHECK(condition)                                            \
    do {                                                            \
        if (!(condition)) {                                         \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
                         #condition);                               \
            failed = 1;                                             \
        }                                                           \
    } while (0)

/* The code that f throws; ok if it throws none. */
template <class F> std::error_code thrown_by(F f)
{
    try {
        f();
    } catch (const windpipe::error &e) {
        CHECK(e.what()[0] != '\0');
        return e.code();
    }
    return {};
}

/* A client on a thread, of which the test sees one side. */
template <class F> std::thread with_client(windpipe::server &server, F f)
{
    return std::thread([name = std::string(server.name()), f] {
        windpipe::client client(name);

        f(client);
    });
}

void events_in_a_range_for()
{
    auto server = windpipe::server::unique();
    auto other = with_client(server, [](windpipe::client &client) {
        client.send("one");
        client.send(std::string("two"));
        CHECK(client.shutdown(5s));
    });
    std::vector<int> types;
    std::string text;

    for (const windpipe::event &e : server.events(5s)) {
        types.push_back(e.type);
        text += e.text();
        if (e.type == WPIPE_EVENT_DISCONNECTED)
            break;
    }
    other.join();
    CHECK((types == std::vector<int>{ WPIPE_EVENT_CONNECTED,
                                      WPIPE_EVENT_MESSAGE, WPIPE_EVENT_MESSAGE,
                                      WPIPE_EVENT_DISCONNECTED }));
    CHECK(text == "onetwo");
}

void range_ends_with_the_connection()
{
    auto server = windpipe::server::unique();
    auto other = with_client(server, [](windpipe::client &client) {
        int seen = 0;

        for (const windpipe::event &e : client.events(5s))
            seen = e.type;
        CHECK(seen == WPIPE_EVENT_DISCONNECTED);
        windpipe::event e;
        CHECK(thrown_by([&] { client.wait(e, 0s); }) ==
              windpipe::errc::not_connected);
    });
    windpipe::event e;

    CHECK(server.wait(e, 5s) && e.type == WPIPE_EVENT_CONNECTED);
    server.close();
    other.join();
}

void wait_gives_up_without_a_throw()
{
    auto server = windpipe::server::unique();
    windpipe::event e;
    std::error_code ec;

    CHECK(!server.wait(e, 1ms));
    CHECK(!server.wait(e, 1ms, ec) && ec == windpipe::errc::timed_out);
    CHECK(ec == std::errc::timed_out);
    server.wake();
    CHECK(!server.wait(e, 5s, ec) && !ec);
    for (const windpipe::event &never : server.events(1ms))
        CHECK(never.type == 0);
}

void call_is_answered()
{
    auto server = windpipe::server::unique();
    auto other = with_client(server, [](windpipe::client &client) {
        windpipe::event answer;

        CHECK(client.call("6*7", answer, 5s) && answer.text() == "42");
    });

    for (const windpipe::event &e : server.events(5s)) {
        if (e.is_call())
            server.reply(e, "42");
        if (e.type == WPIPE_EVENT_DISCONNECTED)
            break;
    }
    other.join();
}

void full_queue_is_false_or_thrown()
{
    windpipe::options options;
    options.queue_limit = 4096;
    auto server = windpipe::server::unique(options);
    std::thread other([name = std::string(server.name())] {
        windpipe::options plain;
        plain.shared_memory = WPIPE_SHARED_NEVER;
        windpipe::client client(name, plain);
        windpipe::event e;

        while (client.wait(e, 5s) && e.text() != "end")
            if (e.is_call())
                break;
    });
    std::vector<char> block(4096);
    windpipe::event e;
    windpipe::id who;

    CHECK(server.wait(e, 5s));
    who = e.from;
    while (server.try_send(who, block))
        continue;
    CHECK(thrown_by([&] { server.send(who, block); }) ==
          windpipe::errc::would_wait);
    CHECK(server.send_wait(who, std::string_view("end"), 5s));
    CHECK(server.drain(who, 5s));
    other.join();
}

void typed_message_is_read_back()
{
    auto server = windpipe::server::unique();
    auto other = with_client(server, [](windpipe::client &client) {
        client.send(windpipe::message{ "topic", "body" });
        CHECK(client.drain(5s));
    });
    windpipe::event e;

    CHECK(server.wait(e, 5s));
    CHECK(server.wait(e, 5s));
    CHECK(e.message().topic == "topic" && e.message().body == "body");
    e.size = 1;
    CHECK(bool(thrown_by([&] { (void)e.message(); })));
    other.join();
}

void stream_reads_writes_and_ends()
{
    auto listener = windpipe::listener::unique();
    std::thread other([name = std::string(listener.name())] {
        windpipe::stream stream(name, 5s);

        CHECK(stream.write("hello", 5s).size == 5);
        stream.finish();
        std::array<char, 8> buf;
        CHECK(stream.read(buf, 5s).size == 2);
    });
    auto stream = listener.accept(5s);
    char buf[16];
    windpipe::result r;
    std::string text;

    CHECK(bool(stream));
    while ((r = stream.read(buf, 5s)))
        text.append(buf, r.size);
    CHECK(r.why == windpipe::errc::end_of_pipe);
    CHECK(text == "hello");
    CHECK(stream.write("ok", 5s).size == 2 && stream.drain(5s));
    CHECK(!listener.accept(0s));
    other.join();
}

void owners_move()
{
    windpipe::server empty;
    auto first = windpipe::server::unique();
    std::string name = first.name();
    windpipe::server second = std::move(first);

    CHECK(!first && second && second.name() == name);
    empty = std::move(second);
    CHECK(empty.name() == name);
    empty.close();
    CHECK(!empty);
    /* the name is free again */
    windpipe::server again(name);
}

void empty_objects_say_so()
{
    windpipe::server server;
    windpipe::client client;
    windpipe::stream stream;
    windpipe::listener listener;
    windpipe::event e;
    char buf[4];

    server.wake();
    client.wake();
    stream.wake();
    listener.wake();
    server.stop();
    CHECK(windpipe::bytes(static_cast<const char *>(nullptr)).empty());
    CHECK(server.count() == 0 && server.name()[0] == '\0');
    for (auto ec : { thrown_by([&] { server.wait(e, 0s); }),
                     thrown_by([&] { server.send(1, "x"); }),
                     thrown_by([&] { server.start({}); }),
                     thrown_by([&] { client.send("x"); }),
                     thrown_by([&] { client.wait(e, 0s); }),
                     thrown_by([&] { stream.read(buf, 0s); }),
                     thrown_by([&] { stream.write("x", 0s); }),
                     thrown_by([&] { listener.accept(0s); }) })
        CHECK(ec == windpipe::errc::invalid_argument);
}

void errors_have_a_sentence()
{
    try {
        windpipe::client client("a/b");
        CHECK(!"opened");
    } catch (const windpipe::error &e) {
        CHECK(e.code() == windpipe::errc::bad_name);
        CHECK(std::string(e.what()).find('/') != std::string::npos);
    }
    std::error_code ec;
    windpipe::stream none("nobody", windpipe::options(), 0s, ec);
    CHECK(!none && ec == windpipe::errc::not_found);
    CHECK(ec == std::errc::no_such_file_or_directory);
    CHECK(ec.category() == windpipe::category() &&
          std::string(ec.category().name()) == "windpipe");
}

void handlers_run_and_their_throw_comes_out_of_stop()
{
    auto server = windpipe::server::unique();
    windpipe::handlers handlers;
    std::promise<void> thrown;

    handlers.message = [&server, &thrown](const windpipe::event &e) {
        if (e.text() == "throw") {
            thrown.set_value();
            throw std::runtime_error("from a handler");
        }
        server.send(e.from, e.bytes());
    };
    server.start(std::move(handlers));
    windpipe::client client(server.name());
    windpipe::event e;
    client.send("echo");
    CHECK(client.wait(e, 5s) && e.text() == "echo");
    client.send("throw");
    thrown.get_future().wait();
    std::string what;
    try {
        server.stop(); /* waits for the handler */
    } catch (const std::runtime_error &error) {
        what = error.what();
    }
    CHECK(what == "from a handler");
}

/* The old handlers are still running when the new server comes. */
void assigning_ends_running_handlers()
{
    windpipe::server server = windpipe::server::unique();
    windpipe::handlers handlers;
    std::promise<void> inside, go_on;
    auto released = go_on.get_future().share();
    auto text = std::make_shared<std::string>("whole");

    handlers.connected = [&inside, released, text](const windpipe::event &) {
        const std::string *mine = text.get();

        inside.set_value();
        released.wait();
        CHECK(text.get() == mine && *text == "whole");
    };
    server.start(std::move(handlers));
    std::weak_ptr<std::string> watched = text;
    text.reset();
    windpipe::client client(server.name());
    inside.get_future().wait();
    std::thread other([&server] { server = windpipe::server::unique(); });
    CHECK(!watched.expired());
    go_on.set_value();
    other.join();
    CHECK(watched.expired());
}

void both_sides_call_and_are_answered()
{
    auto server = windpipe::server::unique();
    windpipe::handlers handlers;
    std::promise<windpipe::id> joined;
    std::promise<std::string> answered;

    handlers.connected = [&](const windpipe::event &e) {
        joined.set_value(e.from);
    };
    handlers.message = [&](const windpipe::event &e) {
        if (e.is_call())
            server.reply(e, "from the server");
    };
    handlers.other = [&](const windpipe::event &e) {
        if (e.is_answer())
            answered.set_value(std::string(e.text()));
    };
    server.start(std::move(handlers));
    auto other = with_client(server, [](windpipe::client &client) {
        const auto number = client.request("?", 5s);
        bool told = false;

        for (const windpipe::event &e : client.events(5s)) {
            if (e.is_answer())
                told = e.request == number && e.text() == "from the server";
            else if (e.is_call() && e.text() == "end")
                break;
            else if (e.is_call())
                client.reply(e, "from the client");
        }
        CHECK(told);
    });
    const windpipe::id who = joined.get_future().get();
    windpipe::event answer;
    std::error_code ec;

    CHECK(server.call(who, "?", answer, 5s) &&
          answer.text() == "from the client");
    CHECK(server.request(who, "?", 5s) != 0);
    CHECK(answered.get_future().get() == "from the client");
    CHECK(!server.call(who, "end", answer, 5s, ec) &&
          ec == windpipe::errc::not_connected);
    other.join();
}

void pieces_users_and_a_name_given_back()
{
    auto server = windpipe::server::unique();
    const std::string name = server.name();
    auto other = with_client(server, [](windpipe::client &client) {
        client.sendv({ "head ", std::string("body"), std::string_view() });
        windpipe::event e;
        CHECK(client.wait(e, 5s) && e.text() == "ab");
    });
    windpipe::event e;
    std::error_code ec;
    int mine = 0;

    CHECK(server.wait(e, 5s) && e.user == nullptr);
    server.set_user(e.from, &mine);
    CHECK(server.wait(e, 5s) && e.text() == "head body" && e.user == &mine);
    server.stop_accepting();
    windpipe::server next(name);
    const windpipe::piece parts[] = { "a", "b" };
    server.sendv(e.from, parts, std::size_t(INT_MAX) + 1, ec);
    CHECK(ec == windpipe::errc::invalid_argument);
    server.sendv(e.from, parts, 2);
    CHECK(server.wait(e, 5s) && e.type == WPIPE_EVENT_DISCONNECTED &&
          e.user == &mine);
    server.set_user(e.from, &mine, ec);
    CHECK(ec == windpipe::errc::not_connected);
    other.join();
}

/* Told, not judged: the time of a call through the wrapper and of the C call. */
void wrapper_costs_what_the_c_call_costs()
{
    const int rounds = 20000;
    auto server = windpipe::server::unique();
    windpipe::event e;
    wpipe_event raw;
    using clock = std::chrono::steady_clock;
    clock::duration plain{}, wrapped{};

    for (int turn = 0; turn < 5; turn++) {
        const auto begin = clock::now();
        for (int i = 0; i < rounds; i++)
            if (wpipe_server_wait(server.get(), &raw, 0) != WPIPE_ETIMEDOUT)
                failed = 1;
        const auto middle = clock::now();
        for (int i = 0; i < rounds; i++)
            if (server.wait(e, windpipe::at_once))
                failed = 1;
        plain += middle - begin;
        wrapped += clock::now() - middle;
    }
    const auto each = [](clock::duration d) {
        return std::chrono::duration<double, std::nano>(d).count() /
               (5 * rounds);
    };
    std::printf("wait that finds nothing: C %.0f ns, C++ %.0f ns\n",
                each(plain), each(wrapped));
}

void timeouts_of_any_duration()
{
    static_assert(windpipe::timeout(1500us).ms() == 2);
    static_assert(windpipe::timeout(2s).ms() == 2000);
    static_assert(windpipe::timeout(-1ms).ms() == 0);
    static_assert(windpipe::timeout(24h * 365).ms() == INT_MAX);
    static_assert(windpipe::timeout(std::chrono::hours::max()).ms() == INT_MAX);
    static_assert(windpipe::timeout(std::chrono::hours::min()).ms() == 0);
    static_assert(
        windpipe::timeout(std::chrono::duration<double>(0.0011)).ms() == 2);
    static_assert(windpipe::forever.ms() == WPIPE_FOREVER);
    static_assert(!std::is_copy_constructible_v<windpipe::server> &&
                  std::is_nothrow_move_constructible_v<windpipe::client>);
}

void names_are_listed()
{
    auto server = windpipe::server::unique();
    bool found = false;

    for (const std::string &name : windpipe::list())
        found = found || name == server.name();
    CHECK(found && windpipe::wait_for(server.name(), 5s));
    CHECK(!windpipe::wait_for("nobody", 1ms));
}

struct {
    const char *name;
    void (*run)();
} const cases[] = {
    { "events_in_a_range_for", events_in_a_range_for },
    { "range_ends_with_the_connection", range_ends_with_the_connection },
    { "wait_gives_up_without_a_throw", wait_gives_up_without_a_throw },
    { "call_is_answered", call_is_answered },
    { "full_queue_is_false_or_thrown", full_queue_is_false_or_thrown },
    { "typed_message_is_read_back", typed_message_is_read_back },
    { "stream_reads_writes_and_ends", stream_reads_writes_and_ends },
    { "owners_move", owners_move },
    { "empty_objects_say_so", empty_objects_say_so },
    { "errors_have_a_sentence", errors_have_a_sentence },
    { "handlers_run_and_their_throw_comes_out_of_stop",
      handlers_run_and_their_throw_comes_out_of_stop },
    { "assigning_ends_running_handlers", assigning_ends_running_handlers },
    { "both_sides_call_and_are_answered", both_sides_call_and_are_answered },
    { "pieces_users_and_a_name_given_back",
      pieces_users_and_a_name_given_back },
    { "wrapper_costs_what_the_c_call_costs",
      wrapper_costs_what_the_c_call_costs },
    { "timeouts_of_any_duration", timeouts_of_any_duration },
    { "names_are_listed", names_are_listed },
};

} // namespace

int main()
{
    char directory[] = "/tmp/windpipe-cpp-XXXXXX";
    int good = 0, bad = 0;

    if (mkdtemp(directory) == nullptr)
        return 1;
    setenv("WINDPIPE_DIR", directory, 1);
    setenv("WINDPIPE_SHARED_DIR", directory, 1);
    setenv("TMPDIR", directory, 1);
    for (const auto &c : cases) {
        failed = 0;
        try {
            c.run();
        } catch (const std::exception &e) {
            std::fprintf(stderr, "%s: %s\n", c.name, e.what());
            failed = 1;
        }
        std::printf("%s %s\n", failed ? "FAILED" : "ok", c.name);
        failed ? bad++ : good++;
    }
    std::string left = directory;
    if (rmdir(directory) != 0) {
        std::perror(directory);
        bad++;
    }
    std::printf("%d passed, %d failed\n", good, bad);
    return bad != 0;
}
