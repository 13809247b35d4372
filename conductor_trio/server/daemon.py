"""The server's life: what it opens, the nurseries, the signals, the order of shutdown."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Iterator

import trio

from conductor_trio.config import ServerSettings, TlsSettings
from conductor_trio.errors import ConfigError, StartError
from conductor_trio.log import Logger
from conductor_trio.net.listeners import open_tcp_listeners, open_unix_listener, serve_connections
from conductor_trio.server.connection import serve_visitor
from conductor_trio.server.directory import CONTROL_NAME, open_runtime_directory
from conductor_trio.server.gateway import Gateway
from conductor_trio.server.session import SessionHost
from conductor_trio.server.watch import DirectoryWatcher

_PUBLIC_SOCKET_MODE = 0o660  # for a front proxy in our group: the server command's contract
_CONTROL_SOCKET_MODE = 0o777  # for every user; who they are, the kernel tells


async def run_server(settings: ServerSettings, log: Logger) -> None:
    """Serve until SIGTERM or SIGINT; raises `ConfigError` or `StartError` before anything is left behind.

    On the first signal: accept no more, let running exchanges finish for the grace period, end the sessions,
    remove what was made. On a second one: the same without the grace period.
    """
    gateway = Gateway.from_settings(settings, log)
    tls = make_tls_context(settings.tls) if settings.tls else None
    with contextlib.ExitStack() as stack:
        # First, so that a signal cannot come between making something and being able to remove it.
        signals = stack.enter_context(trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT))
        watcher = stack.enter_context(_open_watcher())
        sockets = stack.enter_context(open_runtime_directory(settings.runtime_dir, log))
        listening = stack.enter_context(contextlib.ExitStack())
        public = listening.enter_context(_open_public_listeners(settings))
        control = listening.enter_context(
            open_unix_listener(os.path.join(settings.runtime_dir, CONTROL_NAME), _CONTROL_SOCKET_MODE)
        )
        host = SessionHost(gateway, sockets, watcher)
        serve = functools.partial(serve_visitor, gateway=gateway, tls=tls)
        accept = functools.partial(serve_connections, on_shortage=functools.partial(_log_shortage, log))
        grace = trio.CancelScope()

        async with trio.open_nursery() as sessions:
            sessions.start_soon(watcher.run)
            sessions.start_soon(gateway.run)
            with grace:
                async with trio.open_nursery() as visitors:
                    async with trio.open_nursery() as accepting:
                        for listener in public:
                            accepting.start_soon(accept, listener, serve, visitors)
                        accepting.start_soon(accept, control, host.serve, sessions)
                        _log_start(log, settings, public)
                        await anext(signals)
                        accepting.cancel_scope.cancel()
                    log.info("stopping", visitors=gateway.visitors, sessions=len(gateway.routes))
                    listening.close()
                    gateway.begin_drain()
                    grace.deadline = trio.current_time() + settings.limits.grace_timeout
                    sessions.start_soon(_hurry, signals, grace)
            sessions.cancel_scope.cancel()
    log.info("stopped")


async def _hurry(signals: AsyncIterator[int], grace: trio.CancelScope) -> None:
    """End the grace period at a second signal."""
    await anext(signals)
    grace.cancel()


@contextlib.contextmanager
def _open_watcher() -> Iterator[DirectoryWatcher]:
    try:
        watcher = DirectoryWatcher()
    except OSError as error:
        raise StartError(
            f"no inotify descriptor left ({error.strerror}); raise fs.inotify.max_user_instances"
        ) from error
    with watcher:
        yield watcher


@contextlib.contextmanager
def _open_public_listeners(settings: ServerSettings) -> Iterator[list[socket.socket]]:
    if settings.socket is not None:
        with open_unix_listener(settings.socket, _PUBLIC_SOCKET_MODE) as listener:
            yield [listener]
    else:
        assert settings.port is not None
        with open_tcp_listeners(settings.host, settings.port) as listeners:
            yield listeners


def _log_start(log: Logger, settings: ServerSettings, public: list[socket.socket]) -> None:
    addresses = [settings.socket] if settings.socket else [sock.getsockname()[:2] for sock in public]
    log.info(
        "listening",
        addresses=addresses,
        tls=settings.tls is not None,
        runtime_dir=settings.runtime_dir,
        patterns=settings.patterns,
    )


def _log_shortage(log: Logger, error: OSError) -> None:
    log.warning("cannot_accept", error=error.strerror)


def make_tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context of the public listener; raises `ConfigError` naming the file that is wrong."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for path in (settings.cert_file, settings.key_file, settings.allowed_clients):
        if path is not None:
            try:
                with open(path, "rb"):
                    pass
            except OSError as error:
                raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    try:
        # Never ask for a pass phrase on a terminal; there is none at boot.
        context.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"{settings.cert_file} and {settings.key_file} are no certificate and its unencrypted key: {error}"
        ) from error
    if settings.allowed_clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(cafile=settings.allowed_clients)
        except ssl.SSLError as error:
            raise ConfigError(f"{settings.allowed_clients} holds no certificate: {error}") from error
    return context
