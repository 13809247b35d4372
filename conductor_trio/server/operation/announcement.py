"""What the log and the service manager hear when a server begins to serve."""

from __future__ import annotations

import os
import socket

from conductor_trio.configuration.configured import Configuration
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import Logger
from conductor_trio.printable import escape
from conductor_trio.server.lifecycle.listeners import Listeners
from conductor_trio.server.lifecycle.plain_http import find_plain_http
from conductor_trio.server.lifecycle.runtime_directory import RuntimeDirectory
from conductor_trio.server.operation.descriptors import allowed_descriptors, is_less, needed_descriptors
from conductor_trio.server.operation.succession import Succession
from conductor_trio.server.settings import ServerSettings
from conductor_trio.shared_directory import find_shared_directory


def format_status(said: Configuration, succession: Succession) -> str:
    """Return what the service manager is told to show of us."""
    return escape("; ".join([f"STATUS=Serving by {said.file or 'the command line alone'}", *succession.notes]))


def log_start(log: Logger, settings: ServerSettings, listeners: Listeners, file: str | None) -> None:
    """Log where we serve, by which file, and what is to be warned of."""
    addresses = [listener.path or listener.sock.getsockname()[:2] for listener in listeners.public]
    log.info(
        "listening",
        pid=os.getpid(),
        addresses=addresses,
        tls=settings.tls is not None,
        runtime_dir=settings.runtime_dir,
        patterns=settings.patterns,
        configuration=file,
    )
    reached = (listener.sock for listener in listeners.public if listener.sock.family != socket.AF_UNIX)
    if (plain := find_plain_http(settings, (sock.getsockname()[0] for sock in reached))) is not None:
        log.warning("plain_http", what=plain.what, advice=plain.advice)


def warn_of_shared(log: Logger, settings: ServerSettings, runtime: RuntimeDirectory, file: str | None) -> None:
    """Warn of sockets, and of a file with settings, in the place of which other users could put theirs."""
    for path in filter(None, (runtime.control, settings.socket, file)):
        if (directory := find_shared_directory(path)) is not None:
            log.warning("open_to_others", path=path, directory=directory)


def log_few_files(log: Logger, fitted: ServerLimits, wanted: ServerLimits) -> None:
    """Log what was taken less of, if there are few descriptors."""
    if not is_less(fitted, wanted):
        return
    log.warning(
        "few_open_files",
        allowed=allowed_descriptors(),
        needed=needed_descriptors(wanted),
        max_visitors=fitted.max_visitors,
        max_sessions=fitted.max_sessions,
    )
