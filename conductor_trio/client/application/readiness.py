"""The readiness probe: the application accepts a connection and, where a recipe knows a path, answers there."""

from __future__ import annotations

import contextlib

import trio

from conductor_trio.client.host.application_socket import ApplicationSocket, ForeignListener
from conductor_trio.client.host.local_socket import SocketInUse
from conductor_trio.errors import UpstreamUnavailable
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.stream import SocketStream

_BROKEN = 500  # statuses from here on say that it cannot answer yet


async def wait_ready(application: ApplicationSocket, path: str | None, limits: ClientLimits) -> None:
    """Return once the application accepts a connection and, with a path, answers a request for it below 500.

    Raises `SocketInUse` where somebody else listens in its place.
    """
    # No event tells that a program listens: inotify shows the socket from bind() on, and listen() may come later.
    pause = limits.probe_pause
    while not await _is_ready(application, path, limits):
        await trio.sleep(pause)
        pause = min(pause * limits.probe_growth, limits.max_probe_pause)


async def _is_ready(application: ApplicationSocket, path: str | None, limits: ClientLimits) -> bool:
    try:
        stream = await application.connect(connect_timeout=0)
    except ForeignListener as error:
        raise SocketInUse(
            f"{error}, and not the application",
            advice="choose a path in a directory that only you can write to, or name that user with --socket-user",
        ) from error
    except UpstreamUnavailable:
        return False
    with contextlib.closing(stream):
        if path is None:
            return True
        with trio.move_on_after(limits.probe_timeout):
            status = await _ask(stream, path, limits)
            return status is not None and status < _BROKEN
    return False


async def _ask(stream: SocketStream, path: str, limits: ClientLimits) -> int | None:
    """Return the status with which a request is answered, None where it is not."""
    import h11  # 10 ms that only those spend whose recipe asks for it

    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.max_probe_head)
    fields = [("Host", "localhost"), ("User-Agent", "conductor-trio"), ("Connection", "close")]
    request = http.send(h11.Request(method="GET", target=path, headers=fields))
    try:
        await stream.send_all(request or b"")
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive_some(limits.read_size))
            elif isinstance(event, h11.Response):
                return int(event.status_code)
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except (trio.BrokenResourceError, h11.RemoteProtocolError):
        return None
