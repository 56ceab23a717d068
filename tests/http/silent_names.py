"""Run in namespaces of its own, where the name server is silent: who is answered first?

Prints the codes of the workflows whose names get no answer, as far as they have one when the healthy workflow has its.
"""

from __future__ import annotations

import asyncio
import socket

import uvloop
from conformance_server import OK, ScriptedServer
from http_support import answering, ask

from stream.http.sender import WebhookSender

SILENT = 24


async def main() -> None:
    """Ask for the silent names first."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as name_server:
        name_server.bind(("127.0.0.1", 53))
        async with ScriptedServer(answering([OK])) as server:
            hosts = [f"silent{number}.example" for number in range(SILENT)]
            senders = [WebhookSender(f"http://{host}/", timeout_s=120) for host in hosts]
            unanswered = [ask(sender) for sender in senders]
            await asyncio.to_thread(name_server.recv, 512)  # the first question has come
            healthy = WebhookSender(server.url("localhost"), timeout_s=120)
            code = (await ask(healthy)).code
            print(code, [answer.result().code for answer in unanswered if answer.done()])
            await asyncio.gather(*(sender.close() for sender in [healthy, *senders]))


if __name__ == "__main__":
    uvloop.run(main())
