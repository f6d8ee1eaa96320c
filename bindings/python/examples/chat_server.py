#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/chat_server.c in Python: what somebody says under a topic reaches
everybody who follows it. Clients in C, C++ and Python talk to each other.

    chat_server.py [NAME]
"""
import sys

import windpipe


class Chat:
    def __init__(self, name: str) -> None:
        self.server = windpipe.Server(name)
        self.members: dict[int, tuple[str, str]] = {}

    def run(self) -> None:
        print("chat on", self.server.name, flush=True)
        with self.server:
            for event in self.server:
                if event.type is windpipe.MESSAGE:
                    self.hear(event)
                elif event.type is windpipe.DISCONNECTED:
                    self.leave(event)

    def hear(self, event: windpipe.Event) -> None:
        try:
            message = event.message
            if message.topic == "follow":  # "ann weather"
                name, topic = message.body.split()[:2]
                self.members[event.client] = name, topic
                print(name, "follows", topic, flush=True)
                return
        except (ValueError, windpipe.Error):
            self.send_away(event.client)  # it does not speak our way
            return
        if event.client in self.members:
            self.spread(self.members[event.client][0], message)

    def send_away(self, client: int) -> None:
        try:
            self.server.kick(client)
        except ConnectionError:
            pass  # gone already

    def spread(self, name: str, said: windpipe.Message) -> None:
        line = windpipe.Message(said.topic, name + ": " + said.body).encode()
        for client, (_, topic) in self.members.items():
            if topic == said.topic:
                try:
                    self.server.send(client, line)
                except (ConnectionError, BlockingIOError):
                    pass  # its DISCONNECTED comes, or it reads too slowly

    def leave(self, event: windpipe.Event) -> None:
        name, _ = self.members.pop(event.client, ("", ""))
        if not name:
            return
        how = {windpipe.Reason.CLOSED: "left",
               windpipe.Reason.DIED: "died (its process is gone)"}
        print(name, how.get(event.reason, "was sent away"), flush=True)


if __name__ == "__main__":
    try:
        Chat(sys.argv[1] if len(sys.argv) > 1 else "chat").run()
    except KeyboardInterrupt:
        pass
    except windpipe.Error as e:
        sys.exit("chat_server: %s" % e)
