/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other half of chat_server: says what it reads, prints what it hears.
 * Shows how a client sits in a poll loop beside another descriptor.
 *
 *     chat_client PIPE WHO TOPIC
 */
#include <windpipe.hpp>

#include <iostream>

#include <poll.h>
#include <unistd.h>

namespace
{

/* False when the server is gone. */
bool hear(windpipe::client &client)
{
    for (const windpipe::event &e : client.events(windpipe::at_once)) {
        if (e.type == WPIPE_EVENT_DISCONNECTED)
            return false;
        if (e.type == WPIPE_EVENT_MESSAGE)
            std::cout << '[' << e.message().topic << "] " << e.message().body
                      << std::endl;
    }
    return true;
}

/* The lines that are whole; false at the end of the input. */
bool say(windpipe::client &client, const std::string &topic, std::string &input)
{
    char part[800];
    const ssize_t size = read(STDIN_FILENO, part, sizeof part);

    if (size <= 0)
        return false;
    input.append(part, static_cast<std::size_t>(size));
    for (std::size_t end; (end = input.find('\n')) != std::string::npos;) {
        client.send(
            windpipe::message{ topic, std::string_view(input).substr(0, end) });
        input.erase(0, end + 1);
    }
    return true;
}

} // namespace

int main(int argc, char **argv)
try {
    windpipe::options options;
    std::string input;

    if (argc != 4) {
        std::cerr << "usage: chat_client PIPE WHO TOPIC\n";
        return 2;
    }
    options.connect_ms = 10000;
    windpipe::client client(argv[1], options);
    const std::string topic = argv[3];
    client.send(
        windpipe::message{ "follow", std::string(argv[2]) + ' ' + topic });
    pollfd set[2] = { { STDIN_FILENO, POLLIN, 0 },
                      { static_cast<int>(client.fd()), POLLIN, 0 } };
    while (poll(set, 2, -1) > 0) {
        if (set[1].revents != 0 && !hear(client))
            break;
        if (set[0].revents != 0 && !say(client, topic, input))
            break;
    }
} catch (const windpipe::error &e) {
    std::cerr << "chat_client: " << e.what() << '\n';
    return 1;
}
