/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ../chat_server.c in C++: what somebody says under a topic reaches everybody
 * who follows it. Clients in C and in C++ talk to each other.
 *
 *     chat_server [NAME]
 */
#include <windpipe.hpp>

#include <iostream>
#include <map>
#include <sstream>

namespace
{

struct member {
    std::string name;
    std::string topic;
};

class chat
{
  public:
    explicit chat(const std::string &name) : server_(name)
    {
    }
    void run()
    {
        std::cout << "chat on " << server_.name() << std::endl;
        for (const windpipe::event &e : server_.events()) {
            if (e.type == WPIPE_EVENT_MESSAGE)
                hear(e);
            else if (e.type == WPIPE_EVENT_DISCONNECTED)
                leave(e);
        }
    }

  private:
    void hear(const windpipe::event &e)
    try {
        const windpipe::message m = e.message();

        if (m.topic == "follow")
            follow(e.from, m.body);
        else if (members_.count(e.from) != 0)
            spread(members_[e.from], m);
    } catch (const windpipe::error &) {
        std::error_code gone;

        server_.kick(e.from, gone); /* it does not speak our way */
    }

    /* "ann weather" */
    void follow(windpipe::id who, std::string_view text)
    {
        std::istringstream words{ std::string(text) };
        member m;

        if (!(words >> m.name >> m.topic)) {
            server_.kick(who);
            return;
        }
        std::cout << m.name << " follows " << m.topic << std::endl;
        members_[who] = std::move(m);
    }

    void spread(const member &from, const windpipe::message &m)
    {
        const std::string line = from.name + ": " + std::string(m.body);

        for (const auto &[id, member] : members_) {
            std::error_code gone; /* its DISCONNECTED comes */

            if (member.topic == m.topic)
                server_.send(id, windpipe::message{ m.topic, line }, gone);
        }
    }

    void leave(const windpipe::event &e)
    {
        const auto found = members_.find(e.from);

        if (found == members_.end())
            return;
        std::cout << found->second.name
                  << (e.reason == WPIPE_REASON_CLOSED ? " left"
                      : e.reason == WPIPE_REASON_DIED
                          ? " died (its process is gone)"
                          : " was sent away")
                  << std::endl;
        members_.erase(found);
    }

    windpipe::server server_;
    std::map<windpipe::id, member> members_;
};

} // namespace

int main(int argc, char **argv)
try {
    chat(argc > 1 ? argv[1] : "chat").run();
} catch (const windpipe::error &e) {
    std::cerr << "chat_server: " << e.what() << '\n';
    return 1;
}
