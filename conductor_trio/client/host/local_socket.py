"""The local socket before the application starts: free, made free, or refused."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import stat

import attrs
import trio

from conductor_trio.errors import ConductorError, StartError
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.peer_credentials import peer_credentials
from conductor_trio.net.procfs import unix_socket_holders

_log = logging.getLogger(__name__)


class SocketInUse(ConductorError):
    """The local socket has a listener already: exit status 2."""

    reason = "in-use"


@attrs.frozen(kw_only=True)
class _Listener:
    """A process that listens; `pid`, of `uid`, called listen(), 0 where the kernel does not tell."""

    pid: int
    uid: int


async def prepare_local_socket(path: str, *, replace: bool, limits: ClientLimits) -> None:
    """Make `path` free, so that the application can bind it.

    A socket without a listener is removed; with `replace`, a listener is ended. Raises `SocketInUse`, or
    `StartError` where something else is in the way. What is no socket is never removed.
    """
    listener = _look(path)
    if listener is not None:
        if not replace:
            raise SocketInUse(
                f"someone{_by(listener)} listens on {path} already",
                advice="end that, or use -r to have it ended",
            )
        await _end_listeners(path, listener, limits)
    remove_stale(path)


def remove_stale(path: str) -> None:
    """Remove a socket that nobody listens on; anything else is left alone. Raises `StartError`."""
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode) and _look(path) is None:
            os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StartError(f"cannot remove the stale socket {path}: {error.strerror}") from error


def _by(listener: _Listener | None) -> str:
    return f" (process {listener.pid})" if listener and listener.pid else ""


def _look(path: str) -> _Listener | None:
    """Return who listens at the path, however it is spelt; None where the path is free or a stale socket."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        parent = os.path.dirname(path) or "."
        if not os.path.isdir(parent):
            raise StartError(
                f"the directory {parent} of the local socket does not exist", advice="make it first"
            ) from None
        return None
    except OSError as error:
        raise StartError(f"cannot look at {path}: {error.strerror}") from error
    if not (stat.S_ISSOCK(mode) or stat.S_ISLNK(mode)):
        raise StartError(f"{path} exists and is no socket", advice="remove it, or choose another path")
    listener = _connect(path)
    if listener is None and stat.S_ISLNK(mode):
        raise StartError(
            f"{path} is a symbolic link to nothing that listens", advice="remove it, or choose another path"
        )
    return listener


def _connect(path: str) -> _Listener | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except OSError as error:
            match error.errno:
                case errno.ECONNREFUSED | errno.ENOENT:
                    return None
                case errno.EPROTOTYPE | errno.EAGAIN:  # another type of socket; a full backlog
                    return _Listener(pid=0, uid=os.geteuid())
                case _:
                    raise StartError(f"cannot tell whether someone listens on {path}: {error.strerror}") from error
        # Of a listening socket the kernel keeps who called listen() (unix(7)), and 0 for another PID namespace.
        found = peer_credentials(probe)
        return _Listener(pid=found.pid, uid=found.uid)


async def _end_listeners(path: str, found: _Listener, limits: ClientLimits) -> None:
    """End whoever listens at the path; raises `SocketInUse` where that takes longer than `replace_timeout`."""
    asked: set[int] = set()
    listener: _Listener | None = found
    pause = limits.probe_pause  # no event tells that the last holder of a socket has closed it
    with trio.move_on_after(limits.replace_timeout):
        while listener is not None:
            if listener.uid != os.geteuid() != 0:
                raise SocketInUse(_someone_elses(listener.pid, path), advice="choose another path")
            # Whoever called listen() may have ended and left the socket to its children; then its id may by now be
            # that of a process which has nothing to do with it.
            pids = set(unix_socket_holders(path))
            if not asked and listener.pid and (listener.pid in pids or not pids):
                pids = {listener.pid}
            for pid in pids - asked:
                _terminate(pid, path)
                asked.add(pid)
            await trio.sleep(pause)
            pause = min(pause * limits.probe_growth, limits.max_probe_pause)
            listener = _look(path)
        return
    raise SocketInUse(
        f"someone{_by(listener)} still listens on {path}, {limits.replace_timeout:g} s after SIGTERM"
    )


def _terminate(pid: int, path: str) -> None:
    if pid in (os.getpid(), 1):
        return
    _log.info("ending process %d, which listens on %s", pid, path)
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise SocketInUse(_someone_elses(pid, path), advice="choose another path") from error


def _someone_elses(pid: int, path: str) -> str:
    return f"process {pid} listens on {path} and is someone else's"
