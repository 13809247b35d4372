"""The start of a worker, by exec: what it inherits, and what it is told by its environment.

It is the same Python with the same path, so that what runs is what runs here. Its settings are those in force, not
those that the file may say by now.
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import MutableMapping, Sequence

import attrs
import trio

from conductor_trio import __version__
from conductor_trio.errors import StartError
from conductor_trio.net.listeners import Listener
from conductor_trio.server.settings import ServerSettings, UserRules
from conductor_trio.strict_json import parse_json

_VARIABLE = "CONDUCTOR_TRIO_WORKER"
_START = """
import json, sys
sys.path[:] = json.loads(sys.argv.pop(1))
from conductor_trio.server.workers.process import main
main()
"""


@attrs.frozen(kw_only=True)
class WorkerStart:
    """What a worker is started with: descriptors, the path of the internal socket, and the settings in force."""

    feed: int
    listeners: tuple[int, ...]
    inherited: tuple[bool, ...]  #: of each listener, whether it is the server's parent's
    internal: str
    settings: ServerSettings


async def start_worker(
    settings: ServerSettings, listeners: Sequence[Listener], internal: str
) -> tuple[trio.Process, socket.socket]:
    """Start a worker that accepts from these listeners; returns the process, and our end of its feed.

    Raises OSError.
    """
    # What is said of thousands of users may be more than fits, and is the control process's.
    settings = attrs.evolve(settings, rules=UserRules())
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with theirs:
            told = {
                "version": __version__,
                "feed": theirs.fileno(),
                "listeners": [listener.sock.fileno() for listener in listeners],
                "inherited": [listener.is_inherited for listener in listeners],
                "internal": internal,
                "settings": base64.b64encode(pickle.dumps(settings)).decode(),
            }
            process = await trio.lowlevel.open_process(
                [sys.executable, "-P", "-c", _START, json.dumps(sys.path)],
                env=os.environ | {_VARIABLE: json.dumps(told)},
                pass_fds=[theirs.fileno(), *(listener.sock.fileno() for listener in listeners)],
                stdin=subprocess.DEVNULL,
            )
    except BaseException:
        ours.close()
        raise
    return process, ours


def read_start(environment: MutableMapping[str, str]) -> WorkerStart:
    """Return what this process was started with, and tell nobody else; raises `StartError`."""
    match parse_json(environment.pop(_VARIABLE, "{}").encode()):
        case {
            "version": version,
            "feed": int() as feed,
            "listeners": list() as listeners,
            "internal": str() as internal,
            "settings": str() as settings,
            **more,
        }:
            if version != __version__:
                raise StartError("the server is of another version; reload it")
            inherited = more["inherited"]
            assert isinstance(inherited, list)
            for descriptor in (feed, *listeners):
                os.set_inheritable(descriptor, False)
            return WorkerStart(
                feed=feed,
                listeners=tuple(listeners),
                inherited=tuple(inherited),
                internal=internal,
                settings=pickle.loads(base64.b64decode(settings)),  # noqa: S301 - our own parent's
            )
    raise StartError("a worker is started by the server")
