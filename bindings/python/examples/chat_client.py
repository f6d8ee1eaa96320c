#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The other half of chat_server: says what it reads, prints what it hears.
Shows a client in a select loop beside another descriptor.

    chat_client.py PIPE WHO TOPIC
"""
import os
import select
import sys

import windpipe


def hear(client: windpipe.Client) -> bool:
    """False when the server is gone."""
    while True:
        try:
            event = client.wait(0)
        except TimeoutError:
            return True
        if event.type is windpipe.DISCONNECTED:
            return False
        if event.type is windpipe.MESSAGE:
            print("[%s] %s" % event.message, flush=True)


def talk(client: windpipe.Client, topic: str) -> None:
    said = b""
    while True:
        ready, _, _ = select.select([0, client], [], [])
        if client in ready and not hear(client):
            return
        if 0 not in ready:
            continue
        part = os.read(0, 800)
        if not part:
            return
        *lines, said = (said + part).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            client.send(windpipe.Message(topic, text).encode())


def main(name: str, who: str, topic: str) -> None:
    with windpipe.Client(name, timeout=10) as client:
        client.send(windpipe.Message("follow", who + " " + topic).encode())
        talk(client, topic)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: chat_client PIPE WHO TOPIC")
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
    except windpipe.Error as e:
        sys.exit("chat_client: %s" % e)
