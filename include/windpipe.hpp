/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe for C++17: the calls of <windpipe.h> with owners, chrono timeouts
 * and exceptions. One header; every function is an inline call of the C
 * function of the same name, which has the full description. For a C function
 * that has no counterpart here, such as wpipe_write_begin, pass get(), the
 * C object that the owner holds.
 *
 *     windpipe::server server("echo");
 *     for (const windpipe::event &e : server.events())
 *         if (e.type == WPIPE_EVENT_MESSAGE)
 *             server.send(e.from, e.bytes());
 *
 * Errors: two forms of every call.
 *   - With a std::error_code as last argument nothing is thrown: the code is
 *     cleared, or says why, in the category windpipe::category().
 *   - Without one, what goes wrong throws windpipe::error. Giving up a wait is
 *     nothing wrong: a full queue, a timeout and a wake make the call return
 *     false, or a `result` that is false.
 * Threads, memory, fork: as in <windpipe.h>. Owners can be moved, not copied;
 * do not move one while another thread uses it.
 *
 * Not wrapped; get() of an owner goes with the C calls: anonymous pipes, spawn,
 * zero copy, readv and writev, calls over streams (wpipe_write_call),
 * wpipe_stream_info, wpipe_inspect, wpipe_list_foreign, wpipe_prune,
 * wpipe_options_inherit.
 */
#ifndef WINDPIPE_HPP
#define WINDPIPE_HPP

#include <windpipe.h>

#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <mutex>
#include <ratio>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

namespace windpipe
{

/* ---- errors ------------------------------------------------------------ */

/* The codes of <windpipe/error.h>, for comparisons with a std::error_code. */
enum class errc {
    ok = 0,
    invalid_argument = WPIPE_EINVAL,
    bad_name = WPIPE_ENAME,
    out_of_memory = WPIPE_ENOMEM,
    system_limit = WPIPE_ELIMIT,
    would_wait = WPIPE_EAGAIN,
    timed_out = WPIPE_ETIMEDOUT,
    woken = WPIPE_EWOKEN,
    not_found = WPIPE_ENOTFOUND,
    busy = WPIPE_EBUSY,
    refused = WPIPE_EREFUSED,
    access_denied = WPIPE_EACCES,
    in_use = WPIPE_EINUSE,
    end_of_pipe = WPIPE_EOF,
    broken_pipe = WPIPE_EPIPE,
    peer_died = WPIPE_EDIED,
    disconnected = WPIPE_EDISCONNECTED,
    protocol = WPIPE_EPROTO,
    version = WPIPE_EVERSION,
    aborted = WPIPE_EABORTED,
    message_size = WPIPE_EMSGSIZE,
    not_connected = WPIPE_ENOTCONN,
    bad_state = WPIPE_ESTATE,
    not_supported = WPIPE_ENOTSUP,
    system = WPIPE_ESYSTEM
};

namespace detail
{

class error_category final : public std::error_category
{
  public:
    const char *name() const noexcept override
    {
        return "windpipe";
    }
    std::string message(int code) const override
    {
        return wpipe_strerror(code);
    }
    std::error_condition default_error_condition(
        int code) const noexcept override
    {
        switch (code) {
        case WPIPE_EINVAL:
        case WPIPE_ENAME:
            return std::errc::invalid_argument;
        case WPIPE_ENOMEM:
            return std::errc::not_enough_memory;
        case WPIPE_ELIMIT:
            return std::errc::too_many_files_open;
        case WPIPE_EAGAIN:
            return std::errc::resource_unavailable_try_again;
        case WPIPE_ETIMEDOUT:
            return std::errc::timed_out;
        case WPIPE_EWOKEN:
            return std::errc::operation_canceled;
        case WPIPE_ENOTFOUND:
            return std::errc::no_such_file_or_directory;
        case WPIPE_EBUSY:
            return std::errc::device_or_resource_busy;
        case WPIPE_EREFUSED:
            return std::errc::connection_refused;
        case WPIPE_EACCES:
            return std::errc::permission_denied;
        case WPIPE_EINUSE:
            return std::errc::address_in_use;
        case WPIPE_EPIPE:
            return std::errc::broken_pipe;
        case WPIPE_EDIED:
        case WPIPE_EDISCONNECTED:
            return std::errc::connection_reset;
        case WPIPE_EPROTO:
        case WPIPE_EVERSION:
            return std::errc::protocol_error;
        case WPIPE_EABORTED:
            return std::errc::connection_aborted;
        case WPIPE_EMSGSIZE:
            return std::errc::message_size;
        case WPIPE_ENOTCONN:
            return std::errc::not_connected;
        case WPIPE_ESTATE:
            return std::errc::operation_not_permitted;
        case WPIPE_ENOTSUP:
            return std::errc::not_supported;
        default:
            return std::error_condition(code, *this);
        }
    }
};

} // namespace detail

inline const std::error_category &category() noexcept
{
    static const detail::error_category instance;
    return instance;
}

inline std::error_code make_error_code(errc e) noexcept
{
    return std::error_code(static_cast<int>(e), category());
}

/* What is thrown: code() has the windpipe code, what() a sentence. */
class error : public std::system_error
{
  public:
    using std::system_error::system_error;
};

} // namespace windpipe

template <> struct std::is_error_code_enum<windpipe::errc> : std::true_type {
};

namespace windpipe
{

/* ---- values -------------------------------------------------------------- */

/* Read-only bytes of somebody else: what send takes and an event shows. Made
 * from text, or from anything with data() and size() of plain elements. */
class bytes
{
  public:
    constexpr bytes() noexcept = default;
    constexpr bytes(const void *data, std::size_t size) noexcept
        : data_(data), size_(size)
    {
    }
    /* A C string, without its terminator. */
    bytes(const char *text) noexcept
        : data_(text), size_(text != nullptr ? std::strlen(text) : 0)
    {
    }
    template <class C,
              class T = std::remove_pointer_t<
                  decltype(std::declval<const C &>().data())>,
              class = decltype(std::declval<const C &>().size()),
              class = std::enable_if_t<std::is_trivially_copyable_v<T>>>
    constexpr bytes(const C &container) noexcept
        : data_(container.data()), size_(container.size() * sizeof(T))
    {
    }

    constexpr const void *data() const noexcept
    {
        return data_;
    }
    constexpr std::size_t size() const noexcept
    {
        return size_;
    }
    constexpr bool empty() const noexcept
    {
        return size_ == 0;
    }
    std::string_view text() const noexcept
    {
        return { static_cast<const char *>(data_), size_ };
    }
    const unsigned char *begin() const noexcept
    {
        return static_cast<const unsigned char *>(data_);
    }
    const unsigned char *end() const noexcept
    {
        return begin() + size_;
    }

  private:
    const void *data_ = nullptr;
    std::size_t size_ = 0;
};

/* Memory to read into, of anything with data() and size(). */
class buffer
{
  public:
    constexpr buffer(void *data, std::size_t size) noexcept
        : data_(data), size_(size)
    {
    }
    template <
        class C,
        class T = std::remove_pointer_t<decltype(std::declval<C &>().data())>,
        class = std::enable_if_t<std::is_trivially_copyable_v<T> &&
                                 !std::is_const_v<T>>>
    constexpr buffer(C &container) noexcept
        : data_(container.data()), size_(container.size() * sizeof(T))
    {
    }
    template <class T, std::size_t N,
              class = std::enable_if_t<std::is_trivially_copyable_v<T>>>
    constexpr buffer(T (&array)[N]) noexcept : data_(array), size_(sizeof array)
    {
    }

    constexpr void *data() const noexcept
    {
        return data_;
    }
    constexpr std::size_t size() const noexcept
    {
        return size_;
    }

  private:
    void *data_;
    std::size_t size_;
};

/* A part of a message, for sendv: made from whatever `bytes` is made from. */
struct piece : wpipe_piece {
    template <class T, class = std::enable_if_t<
                           std::is_constructible_v<bytes, const T &>>>
    piece(const T &part) noexcept : wpipe_piece()
    {
        const bytes b(part);

        data = const_cast<void *>(b.data()); /* it is only read */
        size = b.size();
    }
};
static_assert(sizeof(piece) == sizeof(wpipe_piece));

namespace detail
{

/* A negative duration is none at all, and never WPIPE_FOREVER. One that is
 * too long in milliseconds is seen before it is converted. */
template <class Rep, class Period>
constexpr int limited_ms(std::chrono::duration<Rep, Period> d) noexcept
{
    using exact = std::chrono::duration<long double, std::milli>;

    return !(exact(d).count() > 0) ? 0
           : exact(d).count() >= INT_MAX
               ? INT_MAX
               : static_cast<int>(
                     std::chrono::ceil<std::chrono::milliseconds>(d).count());
}

} // namespace detail

/* How long a call may wait: any duration, rounded up to milliseconds. */
class timeout
{
  public:
    template <class Rep, class Period>
    constexpr timeout(std::chrono::duration<Rep, Period> d) noexcept
        : ms_(detail::limited_ms(d))
    {
    }
    static constexpr timeout forever() noexcept
    {
        timeout t{ std::chrono::milliseconds(0) };
        t.ms_ = WPIPE_FOREVER;
        return t;
    }
    constexpr int ms() const noexcept
    {
        return ms_;
    }

  private:
    int ms_;
};

inline constexpr timeout forever = timeout::forever();
inline constexpr timeout at_once = std::chrono::milliseconds(0);

/* As wpipe_options, all default. */
struct options : wpipe_options {
    options() noexcept : wpipe_options()
    {
        size = sizeof(wpipe_options);
    }
};

/* As wpipe_peer. */
struct peer : wpipe_peer {
    peer() noexcept : wpipe_peer()
    {
        size = sizeof(wpipe_peer);
    }
};

/* As wpipe_lost. */
struct lost : wpipe_lost {
    lost() noexcept : wpipe_lost()
    {
        size = sizeof(wpipe_lost);
    }
};

/* A topic and a body: views. */
struct message {
    std::string_view topic;
    std::string_view body;

    wpipe_message raw() const noexcept
    {
        wpipe_message m = wpipe_message();
        m.topic = topic.data();
        m.topic_size = topic.size();
        m.body = body.data();
        m.body_size = body.size();
        return m;
    }
};

using id = wpipe_id;

/* Every client: for server::drain. */
inline constexpr id all = WPIPE_ALL;

/* What came of a read or write: how many bytes; or why none, if that is no
 * error: end_of_pipe, timed_out, woken. */
struct result {
    std::size_t size = 0;
    errc why = errc::ok;

    explicit operator bool() const noexcept
    {
        return why == errc::ok;
    }
};

namespace detail
{

/* Giving up a wait is an outcome, not an error. */
inline bool gave_up(std::int64_t r) noexcept
{
    return r == WPIPE_EAGAIN || r == WPIPE_ETIMEDOUT || r == WPIPE_EWOKEN;
}

[[noreturn]] inline void raise(std::int64_t r, const char *what)
{
    throw error(static_cast<int>(r), category(), what);
}

inline void set(std::error_code &ec, std::int64_t r) noexcept
{
    if (r < 0)
        ec.assign(static_cast<int>(r), category());
    else
        ec.clear();
}

/* A count of pieces; one that is no int is as wrong as a negative one. */
inline int whole(std::size_t count) noexcept
{
    return count > INT_MAX ? -1 : static_cast<int>(count);
}

/* 0 and above true; gave up false; else thrown. */
inline bool check(std::int64_t r, const char *what)
{
    if (r >= 0)
        return true;
    if (gave_up(r))
        return false;
    raise(r, what);
}

inline bool check(std::int64_t r, std::error_code &ec) noexcept
{
    set(ec, r);
    return r >= 0;
}

inline std::size_t count(std::int64_t r, const char *what)
{
    if (r < 0)
        raise(r, what);
    return static_cast<std::size_t>(r);
}

inline std::size_t count(std::int64_t r, std::error_code &ec) noexcept
{
    set(ec, r);
    return r < 0 ? 0 : static_cast<std::size_t>(r);
}

inline result outcome(std::int64_t r, const char *what)
{
    if (r < 0 && r != WPIPE_EOF && !gave_up(r))
        raise(r, what);
    return r < 0 ? result{ 0, static_cast<errc>(r) }
                 : result{ static_cast<std::size_t>(r), errc::ok };
}

inline result outcome(std::int64_t r, std::error_code &ec) noexcept
{
    set(ec, r);
    return r < 0 ? result{ 0, static_cast<errc>(r) }
                 : result{ static_cast<std::size_t>(r), errc::ok };
}

template <class T, void (*Close)(T *)> struct closer {
    void operator()(T *object) const noexcept
    {
        Close(object);
    }
};

template <class T, void (*Close)(T *)>
using owner = std::unique_ptr<T, closer<T, Close>>;

/* Options with room for the sentence that an exception is to have. */
class explained
{
  public:
    explicit explained(const wpipe_options *given) noexcept
    {
        if (given != nullptr)
            options_ = *given;
        else
            options_.size = sizeof(options_);
        if (options_.error_text == nullptr) {
            options_.error_text = text_;
            options_.error_text_size = sizeof(text_);
        }
    }
    const wpipe_options *get() const noexcept
    {
        return &options_;
    }
    void check(std::int64_t r, const char *what) const
    {
        if (r < 0)
            raise(r,
                  options_.error_text[0] != '\0' ? options_.error_text : what);
    }

  private:
    wpipe_options options_ = wpipe_options();
    char text_[512] = "";
};

/* A wpipe_*_wait in a range-for: an event each turn, until there is none. */
template <class Waiter, class Event> class events
{
  public:
    class iterator
    {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Event;
        using difference_type = std::ptrdiff_t;
        using pointer = const Event *;
        using reference = const Event &;

        explicit iterator(events *range) noexcept : range_(range)
        {
        }
        reference operator*() const noexcept
        {
            return range_->event_;
        }
        pointer operator->() const noexcept
        {
            return &range_->event_;
        }
        iterator &operator++()
        {
            if (!range_->next())
                range_ = nullptr;
            return *this;
        }
        void operator++(int)
        {
            ++*this;
        }
        bool operator==(const iterator &other) const noexcept
        {
            return range_ == other.range_;
        }
        bool operator!=(const iterator &other) const noexcept
        {
            return range_ != other.range_;
        }

      private:
        events *range_;
    };

    events(Waiter &waiter, timeout t) noexcept : waiter_(&waiter), timeout_(t)
    {
    }
    iterator begin()
    {
        return iterator(next() ? this : nullptr);
    }
    iterator end() noexcept
    {
        return iterator(nullptr);
    }

  private:
    bool next()
    {
        return waiter_->next(event_, timeout_);
    }

    Waiter *waiter_;
    timeout timeout_;
    Event event_;
};

} // namespace detail

/* ---- events -------------------------------------------------------------- */

/* As wpipe_event; its bytes stay valid until the next wait. */
struct event : wpipe_event {
    event() noexcept : wpipe_event()
    {
    }
    windpipe::bytes bytes() const noexcept
    {
        return windpipe::bytes(data, size);
    }
    std::string_view text() const noexcept
    {
        return bytes().text();
    }
    bool is_call() const noexcept
    {
        return type == WPIPE_EVENT_MESSAGE && request != 0;
    }
    /* A REPLY that brought an answer; without one, `error` says why. */
    bool is_answer() const noexcept
    {
        return type == WPIPE_EVENT_REPLY && error == 0;
    }
    /* Topic and body: views into it. Throws if it is no such message. */
    windpipe::message message() const
    {
        wpipe_message m = wpipe_message();
        int r = wpipe_event_message(this, &m);

        if (r < 0)
            detail::raise(r, "wpipe_event_message");
        return { { m.topic, m.topic_size }, { m.body, m.body_size } };
    }
};

/* ---- server -------------------------------------------------------------- */

/* For server::start; any may be empty. They run on threads of the library.
 * The first exception that one throws stops the server, and server::stop
 * throws it again. */
struct handlers {
    std::function<void(const event &)> connected;
    std::function<void(const event &)> message;
    std::function<void(const event &)> disconnected;
    std::function<void(const event &)> other;
};

class server
{
  public:
    /* Owns nothing; every call gives invalid_argument. */
    server() noexcept = default;
    server(server &&) noexcept = default;
    /* Closes what it owned; its handlers end before they are freed. */
    server &operator=(server &&other) noexcept
    {
        if (this != &other) {
            close();
            running_ = std::move(other.running_);
            handle_ = std::move(other.handle_);
        }
        return *this;
    }
    ~server() = default;
    /* Take a name and serve it. */
    explicit server(const std::string &name)
    {
        open(name.c_str(), nullptr);
    }
    server(const std::string &name, const wpipe_options &options)
    {
        open(name.c_str(), &options);
    }
    server(const std::string &name, const wpipe_options &options,
           std::error_code &ec) noexcept
    {
        wpipe_server *s = nullptr;

        detail::set(ec, wpipe_server_open(&s, name.c_str(), &options));
        handle_.reset(s);
    }
    /* A new unique name. */
    static server unique(const wpipe_options &options = windpipe::options())
    {
        server s;

        s.open(nullptr, &options);
        return s;
    }

    wpipe_server *get() const noexcept
    {
        return handle_.get();
    }
    explicit operator bool() const noexcept
    {
        return handle_ != nullptr;
    }
    /* The name; the server's. */
    const char *name() const noexcept
    {
        return handle_ ? wpipe_server_name(get()) : "";
    }

    /* False: the timeout, a wake or a stop ended the wait. */
    bool wait(event &e, timeout t = forever)
    {
        int r = wpipe_server_wait(get(), &e, t.ms());

        return detail::check(r, "wpipe_server_wait") && r > 0;
    }
    bool wait(event &e, timeout t, std::error_code &ec) noexcept
    {
        int r = wpipe_server_wait(get(), &e, t.ms());

        return detail::check(r, ec) && r > 0;
    }
    /* for (const windpipe::event &e : server.events(1s)): until there is no
     * event in that time, or a wake or a stop. */
    auto events(timeout t = forever) noexcept
    {
        return detail::events<server, event>(*this, t);
    }

    /* False: the queue is full; a WRITABLE event follows. */
    [[nodiscard]] bool try_send(id to, windpipe::bytes b)
    {
        return detail::check(wpipe_server_send(get(), to, b.data(), b.size()),
                             "wpipe_server_send");
    }
    /* As try_send, but a full queue throws, too. */
    void send(id to, windpipe::bytes b)
    {
        (void)detail::count(wpipe_server_send(get(), to, b.data(), b.size()),
                            "wpipe_server_send");
    }
    void send(id to, windpipe::bytes b, std::error_code &ec) noexcept
    {
        detail::set(ec, wpipe_server_send(get(), to, b.data(), b.size()));
    }
    void send(id to, const message &m)
    {
        wpipe_message raw = m.raw();

        (void)detail::count(wpipe_server_send_message(get(), to, &raw),
                            "wpipe_server_send_message");
    }
    void send(id to, const message &m, std::error_code &ec) noexcept
    {
        wpipe_message raw = m.raw();

        detail::set(ec, wpipe_server_send_message(get(), to, &raw));
    }
    [[nodiscard]] bool send_wait(id to, windpipe::bytes b, timeout t)
    {
        return detail::check(
            wpipe_server_send_wait(get(), to, b.data(), b.size(), t.ms()),
            "wpipe_server_send_wait");
    }
    bool send_wait(id to, windpipe::bytes b, timeout t,
                   std::error_code &ec) noexcept
    {
        return detail::check(
            wpipe_server_send_wait(get(), to, b.data(), b.size(), t.ms()), ec);
    }
    /* Returns how many clients it was queued for. */
    std::size_t broadcast(windpipe::bytes b)
    {
        return detail::count(wpipe_server_broadcast(get(), b.data(), b.size()),
                             "wpipe_server_broadcast");
    }
    std::size_t broadcast(windpipe::bytes b, std::error_code &ec) noexcept
    {
        return detail::count(wpipe_server_broadcast(get(), b.data(), b.size()),
                             ec);
    }
    void reply(const event &call, windpipe::bytes b)
    {
        (void)detail::count(
            wpipe_server_reply(get(), &call, b.data(), b.size()),
            "wpipe_server_reply");
    }
    void reply(const event &call, windpipe::bytes b,
               std::error_code &ec) noexcept
    {
        detail::set(ec, wpipe_server_reply(get(), &call, b.data(), b.size()));
    }
    /* One message of several parts: server.sendv(to, { "head", body }). */
    void sendv(id to, std::initializer_list<piece> pieces)
    {
        sendv(to, pieces.begin(), pieces.size());
    }
    void sendv(id to, std::initializer_list<piece> pieces,
               std::error_code &ec) noexcept
    {
        sendv(to, pieces.begin(), pieces.size(), ec);
    }
    void sendv(id to, const piece *pieces, std::size_t count)
    {
        (void)detail::count(
            wpipe_server_sendv(get(), to, pieces, detail::whole(count)),
            "wpipe_server_sendv");
    }
    void sendv(id to, const piece *pieces, std::size_t count,
               std::error_code &ec) noexcept
    {
        detail::set(
            ec, wpipe_server_sendv(get(), to, pieces, detail::whole(count)));
    }
    /* Ask, and return the number of the call; a REPLY event with it as
     * `request` tells the answer. A full queue throws. */
    std::uint64_t request(id to, windpipe::bytes b, timeout t)
    {
        std::uint64_t number = 0;

        (void)detail::count(wpipe_server_request(get(), to, b.data(), b.size(),
                                                 t.ms(), &number),
                            "wpipe_server_request");
        return number;
    }
    std::uint64_t request(id to, windpipe::bytes b, timeout t,
                          std::error_code &ec) noexcept
    {
        std::uint64_t number = 0;

        detail::set(ec, wpipe_server_request(get(), to, b.data(), b.size(),
                                             t.ms(), &number));
        return number;
    }
    /* Ask a client, and wait for the answer. Another thread takes the events.
     * False: there was no answer in time. */
    [[nodiscard]] bool call(id to, windpipe::bytes request, event &answer,
                            timeout t)
    {
        return detail::check(wpipe_server_call(get(), to, request.data(),
                                               request.size(), &answer, t.ms()),
                             "wpipe_server_call");
    }
    bool call(id to, windpipe::bytes request, event &answer, timeout t,
              std::error_code &ec) noexcept
    {
        return detail::check(wpipe_server_call(get(), to, request.data(),
                                               request.size(), &answer, t.ms()),
                             ec);
    }
    /* The pointer comes as `user` with each event of that client. */
    void set_user(id who, void *user)
    {
        (void)detail::count(wpipe_server_set_user(get(), who, user),
                            "wpipe_server_set_user");
    }
    void set_user(id who, void *user, std::error_code &ec) noexcept
    {
        detail::set(ec, wpipe_server_set_user(get(), who, user));
    }
    /* Give the name back; the clients that are connected stay. */
    void stop_accepting()
    {
        (void)detail::count(wpipe_server_stop_accepting(get()),
                            "wpipe_server_stop_accepting");
    }
    void stop_accepting(std::error_code &ec) noexcept
    {
        detail::set(ec, wpipe_server_stop_accepting(get()));
    }
    [[nodiscard]] bool drain(id who, timeout t)
    {
        return detail::check(wpipe_server_drain(get(), who, t.ms()),
                             "wpipe_server_drain");
    }
    bool drain(id who, timeout t, std::error_code &ec) noexcept
    {
        return detail::check(wpipe_server_drain(get(), who, t.ms()), ec);
    }
    void disconnect(id who)
    {
        (void)detail::count(wpipe_server_disconnect(get(), who),
                            "wpipe_server_disconnect");
    }
    void disconnect(id who, std::error_code &ec) noexcept
    {
        detail::set(ec, wpipe_server_disconnect(get(), who));
    }
    void kick(id who)
    {
        (void)detail::count(wpipe_server_kick(get(), who), "wpipe_server_kick");
    }
    void kick(id who, std::error_code &ec) noexcept
    {
        detail::set(ec, wpipe_server_kick(get(), who));
    }
    windpipe::peer peer(id who)
    {
        windpipe::peer p;

        (void)detail::count(wpipe_server_peer(get(), who, &p),
                            "wpipe_server_peer");
        return p;
    }
    windpipe::peer peer(id who, std::error_code &ec) noexcept
    {
        windpipe::peer p;

        detail::set(ec, wpipe_server_peer(get(), who, &p));
        return p;
    }
    std::size_t count() noexcept
    {
        return handle_ ? wpipe_server_count(get()) : 0;
    }
    /* A descriptor for another event loop; the server's. */
    std::intptr_t fd()
    {
        return static_cast<std::intptr_t>(
            detail::count(wpipe_server_fd(get()), "wpipe_server_fd"));
    }
    std::intptr_t fd(std::error_code &ec) noexcept
    {
        std::intptr_t r = wpipe_server_fd(get());

        detail::set(ec, r);
        return r;
    }
    void wake() noexcept
    {
        wpipe_server_wake(get());
    }
    void start(handlers h)
    {
        (void)detail::count(begin(std::move(h)), "wpipe_server_start");
    }
    void start(handlers h, std::error_code &ec)
    {
        detail::set(ec, begin(std::move(h)));
    }
    /* Ends the threads of start. Throws what a handler threw. */
    void stop()
    {
        std::exception_ptr thrown;

        wpipe_server_stop(get());
        if (running_ != nullptr)
            thrown = running_->take();
        if (thrown != nullptr)
            std::rethrow_exception(thrown);
    }
    /* Ends the threads of start; what a handler threw is dropped. */
    void stop(std::error_code &ec) noexcept
    {
        ec.clear();
        wpipe_server_stop(get());
        if (running_ != nullptr)
            (void)running_->take();
    }
    /* False: not all was read in time. */
    bool shutdown(timeout t, lost *ret_lost = nullptr)
    {
        return detail::check(wpipe_server_shutdown(get(), t.ms(), ret_lost),
                             "wpipe_server_shutdown");
    }
    bool shutdown(timeout t, lost *ret_lost, std::error_code &ec) noexcept
    {
        return detail::check(wpipe_server_shutdown(get(), t.ms(), ret_lost),
                             ec);
    }
    /* As the destructor. */
    void close() noexcept
    {
        handle_.reset();
        running_.reset();
    }

  private:
    friend class detail::events<server, event>;

    /* What the threads use; it stays where it is when the server moves. */
    struct running {
        handlers h;
        std::mutex lock;
        std::exception_ptr thrown;

        std::exception_ptr take()
        {
            std::lock_guard<std::mutex> guard(lock);

            return std::exchange(thrown, nullptr);
        }
        void run(const std::function<void(const event &)> &handler,
                 wpipe_server *s, const wpipe_event *raw) noexcept
        {
            event e;

            if (handler == nullptr)
                return;
            static_cast<wpipe_event &>(e) = *raw;
            try {
                handler(e);
            } catch (...) {
                {
                    std::lock_guard<std::mutex> guard(lock);

                    if (thrown == nullptr)
                        thrown = std::current_exception();
                }
                wpipe_server_stop(s);
            }
        }
    };

    template <std::function<void(const event &)> handlers::*Which>
    static void call(wpipe_server *s, const wpipe_event *e, void *user) noexcept
    {
        running *r = static_cast<running *>(user);

        r->run(r->h.*Which, s, e);
    }
    bool next(event &e, timeout t)
    {
        return wait(e, t);
    }
    void open(const char *name, const wpipe_options *given)
    {
        detail::explained o(given);
        wpipe_server *s = nullptr;

        o.check(wpipe_server_open(&s, name, o.get()), "wpipe_server_open");
        handle_.reset(s);
    }
    int begin(handlers h)
    {
        wpipe_handlers table = wpipe_handlers();
        int r;

        if (!handle_)
            return WPIPE_EINVAL;
        if (running_ != nullptr)
            return WPIPE_ESTATE;
        running_ = std::make_unique<running>();
        running_->h = std::move(h);
        table.size = sizeof(table);
        table.connected = call<&handlers::connected>;
        table.message = call<&handlers::message>;
        table.disconnected = call<&handlers::disconnected>;
        table.other = call<&handlers::other>;
        r = wpipe_server_start(get(), &table, running_.get());
        if (r < 0)
            running_.reset();
        return r;
    }

    std::unique_ptr<running> running_; /* outlives the handle's threads */
    detail::owner<wpipe_server, wpipe_server_close> handle_;
};

/* ---- client -------------------------------------------------------------- */

class client
{
  public:
    client() noexcept = default;
    /* Connect; options.connect_ms says how long to wait for the server. */
    explicit client(const std::string &name)
    {
        open(name, nullptr);
    }
    client(const std::string &name, const wpipe_options &options)
    {
        open(name, &options);
    }
    client(const std::string &name, const wpipe_options &options,
           std::error_code &ec) noexcept
    {
        wpipe_client *c = nullptr;

        detail::set(ec, wpipe_client_open(&c, name.c_str(), &options));
        handle_.reset(c);
    }

    wpipe_client *get() const noexcept
    {
        return handle_.get();
    }
    explicit operator bool() const noexcept
    {
        return handle_ != nullptr;
    }

    /* False: the timeout or a wake ended the wait. After the last DISCONNECTED
     * it throws not_connected. */
    bool wait(event &e, timeout t = forever)
    {
        int r = wpipe_client_wait(get(), &e, t.ms());

        return detail::check(r, "wpipe_client_wait") && r > 0;
    }
    bool wait(event &e, timeout t, std::error_code &ec) noexcept
    {
        int r = wpipe_client_wait(get(), &e, t.ms());

        return detail::check(r, ec) && r > 0;
    }
    /* As server::events; the end of the connection ends it, too. */
    auto events(timeout t = forever) noexcept
    {
        return detail::events<client, event>(*this, t);
    }
    /* False: the queue is full; a WRITABLE event follows. */
    [[nodiscard]] bool try_send(windpipe::bytes b)
    {
        return detail::check(wpipe_client_send(get(), b.data(), b.size()),
                             "wpipe_client_send");
    }
    /* As try_send, but a full queue throws, too. */
    void send(windpipe::bytes b)
    {
        (void)detail::count(wpipe_client_send(get(), b.data(), b.size()),
                            "wpipe_client_send");
    }
    void send(windpipe::bytes b, std::error_code &ec) noexcept
    {
        detail::set(ec, wpipe_client_send(get(), b.data(), b.size()));
    }
    void send(const message &m)
    {
        wpipe_message raw = m.raw();

        (void)detail::count(wpipe_client_send_message(get(), &raw),
                            "wpipe_client_send_message");
    }
    void send(const message &m, std::error_code &ec) noexcept
    {
        wpipe_message raw = m.raw();

        detail::set(ec, wpipe_client_send_message(get(), &raw));
    }
    [[nodiscard]] bool send_wait(windpipe::bytes b, timeout t)
    {
        return detail::check(
            wpipe_client_send_wait(get(), b.data(), b.size(), t.ms()),
            "wpipe_client_send_wait");
    }
    bool send_wait(windpipe::bytes b, timeout t, std::error_code &ec) noexcept
    {
        return detail::check(
            wpipe_client_send_wait(get(), b.data(), b.size(), t.ms()), ec);
    }
    /* Ask, and wait for the answer. False: there was none in time. */
    [[nodiscard]] bool call(windpipe::bytes request, event &answer, timeout t)
    {
        return detail::check(wpipe_client_call(get(), request.data(),
                                               request.size(), &answer, t.ms()),
                             "wpipe_client_call");
    }
    bool call(windpipe::bytes request, event &answer, timeout t,
              std::error_code &ec) noexcept
    {
        return detail::check(wpipe_client_call(get(), request.data(),
                                               request.size(), &answer, t.ms()),
                             ec);
    }
    /* One message of several parts: server.sendv(to, { "head", body }). */
    void sendv(std::initializer_list<piece> pieces)
    {
        sendv(pieces.begin(), pieces.size());
    }
    void sendv(std::initializer_list<piece> pieces,
               std::error_code &ec) noexcept
    {
        sendv(pieces.begin(), pieces.size(), ec);
    }
    void sendv(const piece *pieces, std::size_t count)
    {
        (void)detail::count(
            wpipe_client_sendv(get(), pieces, detail::whole(count)),
            "wpipe_client_sendv");
    }
    void sendv(const piece *pieces, std::size_t count,
               std::error_code &ec) noexcept
    {
        detail::set(ec,
                    wpipe_client_sendv(get(), pieces, detail::whole(count)));
    }
    /* Ask, and return the number of the call; a REPLY event with it as
     * `request` tells the answer. A full queue throws. */
    std::uint64_t request(windpipe::bytes b, timeout t)
    {
        std::uint64_t number = 0;

        (void)detail::count(
            wpipe_client_request(get(), b.data(), b.size(), t.ms(), &number),
            "wpipe_client_request");
        return number;
    }
    std::uint64_t request(windpipe::bytes b, timeout t,
                          std::error_code &ec) noexcept
    {
        std::uint64_t number = 0;

        detail::set(ec, wpipe_client_request(get(), b.data(), b.size(), t.ms(),
                                             &number));
        return number;
    }
    void reply(const event &call, windpipe::bytes b)
    {
        (void)detail::count(
            wpipe_client_reply(get(), &call, b.data(), b.size()),
            "wpipe_client_reply");
    }
    void reply(const event &call, windpipe::bytes b,
               std::error_code &ec) noexcept
    {
        detail::set(ec, wpipe_client_reply(get(), &call, b.data(), b.size()));
    }
    [[nodiscard]] bool drain(timeout t)
    {
        return detail::check(wpipe_client_drain(get(), t.ms()),
                             "wpipe_client_drain");
    }
    bool drain(timeout t, std::error_code &ec) noexcept
    {
        return detail::check(wpipe_client_drain(get(), t.ms()), ec);
    }
    windpipe::peer peer()
    {
        windpipe::peer p;

        (void)detail::count(wpipe_client_peer(get(), &p), "wpipe_client_peer");
        return p;
    }
    windpipe::peer peer(std::error_code &ec) noexcept
    {
        windpipe::peer p;

        detail::set(ec, wpipe_client_peer(get(), &p));
        return p;
    }
    std::intptr_t fd()
    {
        return static_cast<std::intptr_t>(
            detail::count(wpipe_client_fd(get()), "wpipe_client_fd"));
    }
    std::intptr_t fd(std::error_code &ec) noexcept
    {
        std::intptr_t r = wpipe_client_fd(get());

        detail::set(ec, r);
        return r;
    }
    void wake() noexcept
    {
        wpipe_client_wake(get());
    }
    bool shutdown(timeout t, lost *ret_lost = nullptr)
    {
        return detail::check(wpipe_client_shutdown(get(), t.ms(), ret_lost),
                             "wpipe_client_shutdown");
    }
    bool shutdown(timeout t, lost *ret_lost, std::error_code &ec) noexcept
    {
        return detail::check(wpipe_client_shutdown(get(), t.ms(), ret_lost),
                             ec);
    }
    void close() noexcept
    {
        handle_.reset();
    }

  private:
    friend class detail::events<client, event>;

    bool next(event &e, timeout t)
    {
        int r = wpipe_client_wait(get(), &e, t.ms());

        return r != WPIPE_ENOTCONN && detail::check(r, "wpipe_client_wait") &&
               r > 0;
    }
    void open(const std::string &name, const wpipe_options *given)
    {
        detail::explained o(given);
        wpipe_client *c = nullptr;

        o.check(wpipe_client_open(&c, name.c_str(), o.get()),
                "wpipe_client_open");
        handle_.reset(c);
    }

    detail::owner<wpipe_client, wpipe_client_close> handle_;
};

/* ---- streams ------------------------------------------------------------- */

class stream
{
  public:
    stream() noexcept = default;
    /* Takes it over. */
    explicit stream(wpipe_stream *raw) noexcept : handle_(raw)
    {
    }
    /* Connect to a pipe. */
    stream(const std::string &name, timeout t)
        : stream(name, windpipe::options(), t)
    {
    }
    stream(const std::string &name, const wpipe_options &options, timeout t)
    {
        detail::explained o(&options);
        wpipe_stream *s = nullptr;

        o.check(wpipe_connect(&s, name.c_str(), o.get(), t.ms()),
                "wpipe_connect");
        handle_.reset(s);
    }
    stream(const std::string &name, const wpipe_options &options, timeout t,
           std::error_code &ec) noexcept
    {
        wpipe_stream *s = nullptr;

        detail::set(ec, wpipe_connect(&s, name.c_str(), &options, t.ms()));
        handle_.reset(s);
    }

    wpipe_stream *get() const noexcept
    {
        return handle_.get();
    }
    explicit operator bool() const noexcept
    {
        return handle_ != nullptr;
    }

    result read(buffer b, timeout t = forever)
    {
        return detail::outcome(wpipe_read(get(), b.data(), b.size(), t.ms()),
                               "wpipe_read");
    }
    result read(buffer b, timeout t, std::error_code &ec) noexcept
    {
        return detail::outcome(wpipe_read(get(), b.data(), b.size(), t.ms()),
                               ec);
    }
    bool message_complete() const noexcept
    {
        return wpipe_stream_message_complete(get()) != 0;
    }
    result write(windpipe::bytes b, timeout t = forever)
    {
        return detail::outcome(wpipe_write(get(), b.data(), b.size(), t.ms()),
                               "wpipe_write");
    }
    result write(windpipe::bytes b, timeout t, std::error_code &ec) noexcept
    {
        return detail::outcome(wpipe_write(get(), b.data(), b.size(), t.ms()),
                               ec);
    }
    void finish()
    {
        (void)detail::count(wpipe_finish(get()), "wpipe_finish");
    }
    void finish(std::error_code &ec) noexcept
    {
        detail::set(ec, wpipe_finish(get()));
    }
    /* Returns the bytes copied; `available` and `left` as wpipe_peek. */
    result peek(buffer b, std::size_t *available = nullptr,
                std::size_t *left = nullptr)
    {
        return detail::outcome(
            wpipe_peek(get(), b.data(), b.size(), available, left),
            "wpipe_peek");
    }
    result peek(buffer b, std::size_t *available, std::size_t *left,
                std::error_code &ec) noexcept
    {
        return detail::outcome(
            wpipe_peek(get(), b.data(), b.size(), available, left), ec);
    }
    result transact(windpipe::bytes out, buffer in, timeout t)
    {
        return detail::outcome(wpipe_transact(get(), out.data(), out.size(),
                                              in.data(), in.size(), t.ms()),
                               "wpipe_transact");
    }
    result transact(windpipe::bytes out, buffer in, timeout t,
                    std::error_code &ec) noexcept
    {
        return detail::outcome(wpipe_transact(get(), out.data(), out.size(),
                                              in.data(), in.size(), t.ms()),
                               ec);
    }
    [[nodiscard]] bool drain(timeout t)
    {
        return detail::check(wpipe_drain(get(), t.ms()), "wpipe_drain");
    }
    bool drain(timeout t, std::error_code &ec) noexcept
    {
        return detail::check(wpipe_drain(get(), t.ms()), ec);
    }
    void disconnect()
    {
        (void)detail::count(wpipe_disconnect(get()), "wpipe_disconnect");
    }
    void disconnect(std::error_code &ec) noexcept
    {
        detail::set(ec, wpipe_disconnect(get()));
    }
    windpipe::peer peer() const
    {
        windpipe::peer p;

        (void)detail::count(wpipe_stream_peer(get(), &p), "wpipe_stream_peer");
        return p;
    }
    windpipe::peer peer(std::error_code &ec) const noexcept
    {
        windpipe::peer p;

        detail::set(ec, wpipe_stream_peer(get(), &p));
        return p;
    }
    std::intptr_t fd()
    {
        return static_cast<std::intptr_t>(
            detail::count(wpipe_stream_fd(get()), "wpipe_stream_fd"));
    }
    std::intptr_t fd(std::error_code &ec) noexcept
    {
        std::intptr_t r = wpipe_stream_fd(get());

        detail::set(ec, r);
        return r;
    }
    void wake() noexcept
    {
        wpipe_stream_wake(get());
    }
    void close() noexcept
    {
        handle_.reset();
    }

  private:
    detail::owner<wpipe_stream, wpipe_stream_close> handle_;
};

class listener
{
  public:
    listener() noexcept = default;
    explicit listener(const std::string &name)
    {
        open(name.c_str(), nullptr);
    }
    listener(const std::string &name, const wpipe_options &options)
    {
        open(name.c_str(), &options);
    }
    listener(const std::string &name, const wpipe_options &options,
             std::error_code &ec) noexcept
    {
        wpipe_listener *l = nullptr;

        detail::set(ec, wpipe_listen(&l, name.c_str(), &options));
        handle_.reset(l);
    }
    /* A new unique name. */
    static listener unique(const wpipe_options &options = windpipe::options())
    {
        listener l;

        l.open(nullptr, &options);
        return l;
    }

    wpipe_listener *get() const noexcept
    {
        return handle_.get();
    }
    explicit operator bool() const noexcept
    {
        return handle_ != nullptr;
    }
    const char *name() const noexcept
    {
        return handle_ ? wpipe_listener_name(get()) : "";
    }
    /* An empty stream: the timeout or a wake ended the wait. */
    stream accept(timeout t = forever)
    {
        wpipe_stream *s = nullptr;

        (void)detail::check(wpipe_accept(get(), &s, t.ms()), "wpipe_accept");
        return stream(s);
    }
    stream accept(timeout t, std::error_code &ec) noexcept
    {
        wpipe_stream *s = nullptr;

        detail::set(ec, wpipe_accept(get(), &s, t.ms()));
        return stream(s);
    }
    std::intptr_t fd()
    {
        return static_cast<std::intptr_t>(
            detail::count(wpipe_listener_fd(get()), "wpipe_listener_fd"));
    }
    std::intptr_t fd(std::error_code &ec) noexcept
    {
        std::intptr_t r = wpipe_listener_fd(get());

        detail::set(ec, r);
        return r;
    }
    void wake() noexcept
    {
        wpipe_listener_wake(get());
    }
    void close() noexcept
    {
        handle_.reset();
    }

  private:
    void open(const char *name, const wpipe_options *given)
    {
        detail::explained o(given);
        wpipe_listener *l = nullptr;

        o.check(wpipe_listen(&l, name, o.get()), "wpipe_listen");
        handle_.reset(l);
    }

    detail::owner<wpipe_listener, wpipe_listener_close> handle_;
};

/* ---- pipes on this machine ----------------------------------------------- */

/* The names of all pipes that this user can see. */
inline std::vector<std::string> list()
{
    struct taker {
        std::vector<std::string> names;
        std::exception_ptr thrown;

        static int take(const char *name, const char *, void *user) noexcept
        {
            taker *self = static_cast<taker *>(user);

            try {
                self->names.emplace_back(name);
            } catch (...) {
                self->thrown = std::current_exception();
                return 1;
            }
            return 0;
        }
    } all_names;
    int r = wpipe_list(taker::take, &all_names);

    if (all_names.thrown != nullptr)
        std::rethrow_exception(all_names.thrown);
    (void)detail::count(r, "wpipe_list");
    return std::move(all_names.names);
}

/* Wait until a server owns the name. False: none in time. */
[[nodiscard]] inline bool wait_for(const std::string &name, timeout t)
{
    return detail::check(wpipe_wait_for(name.c_str(), t.ms()),
                         "wpipe_wait_for");
}

inline bool wait_for(const std::string &name, timeout t,
                     std::error_code &ec) noexcept
{
    return detail::check(wpipe_wait_for(name.c_str(), t.ms()), ec);
}

} // namespace windpipe

#endif
