"""The operator's socket, `<runtime>/admin`: root and the server's user ask there, and the server answers.

One question and one answer on a connection, each a line of JSON::

    {"command": "config"}     what is in force, and where it is said
    {"command": "reload"}     have a successor apply the file, and tell what came of it
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

import attrs

from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.net.peer_credentials import peer_credentials
from conductor_trio.server.lifecycle.handover_channel import FAILURES, HandoverChannel, HandoverEnded
from conductor_trio.server.operation.reload import Reloads
from conductor_trio.strict_json import parse_json

Answer = Mapping[str, object]


@attrs.frozen(kw_only=True, eq=False)
class AdminHost:
    """Serves the operator's connections; `configuration` is what `config` is answered."""

    configuration: Answer
    reloads: Reloads
    limits: ServerLimits
    log: Logger

    async def serve(self, sock: socket.socket, _: str) -> None:
        """Answer one question; nothing that happens gets out."""
        channel = HandoverChannel(sock, self.limits)
        with contextlib.closing(channel), contextlib.suppress(HandoverEnded, *FAILURES):
            if (uid := peer_credentials(sock).uid) not in (0, os.geteuid()):
                self.log.warning("admin_refused", uid=uid)
                await channel.say(**_wrong("only root and the server's user may ask here"))
                return
            answer = await self._answer(await channel.receive_line())
            if answer is not None:
                await channel.say(**answer)

    async def _answer(self, line: bytes) -> Answer | None:
        """Return the answer, None where a successor has to be asked."""
        try:
            question = parse_json(line)
        except ValueError:
            question = None
        match question:
            case {"command": "config"}:
                return {"status": "ok", "pid": os.getpid(), **self.configuration}
            case {"command": "reload"}:
                return await self._reload()
            case {"command": str() as command}:
                return _wrong(f"this server knows no command {command!r}")
            case _:
                return _wrong("that is no question")

    async def _reload(self) -> Answer | None:
        report = await self.reloads.ask()
        if report is None:
            return None
        if report.failure is not None:
            return _wrong(report.failure, exit=report.status)
        return {"status": "ok", "notes": report.notes}


def _wrong(what: str, **more: object) -> Answer:
    return {"status": "error", "what": what, **more}
