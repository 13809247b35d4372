"""Applications that put themselves into the background and end: seen, told, and not left running there."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from functools import partial

import attrs
import trio

from conductor_trio import exit_status
from conductor_trio.client.config.placeholders import SOCKET_VARIABLE
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.output import events
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.kernel import pidfd_open
from conductor_trio.net.procfs import (
    environment_holders,
    held_tcp_listeners,
    process_name,
    unix_socket_holders,
)
from conductor_trio.thread import run_in_thread

# How programs that are known for it stay in the foreground.
_FOREGROUND = {
    "apache2": "-D FOREGROUND",
    "apachectl": "-D FOREGROUND",
    "caddy": "`caddy run` instead of `caddy start`",
    "gunicorn": "without -D, --daemon, and daemon = True in gunicorn.conf.py",
    "haproxy": "-db",
    "httpd": "-D FOREGROUND",
    "lighttpd": "-D",
    "mongod": "without --fork",
    "neo4j": "`neo4j console` instead of `neo4j start`",
    "nginx": "-g 'daemon off;'",
    "php-fpm": "-F",
    "rserver": "--server-daemonize=0, as `conductor-trio run rstudio` has it",
    "rstudio-server": "`conductor-trio run rstudio` instead",
    "screen": "-D -m instead of -d -m",
    "shellinaboxd": "without -b",
    "supervisord": "-n",
    "uwsgi": "without --daemonize",
    "vncserver": "-fg",
}


_MISSES = 2  # looks at which nothing is there, one after the other, before it is taken for gone


@attrs.frozen(kw_only=True)
class Background:
    """A process that an application has left running; whether it listens, as the application was to."""

    pid: int
    name: str
    is_listening: bool


async def find_background(settings: ClientSettings, local_socket: str) -> Background | None:
    """Return what an application that has ended has left in the background, once that listens, or is late."""
    # Only an application that found the path in its environment can be known by it.
    is_marked = settings.local_socket is None and settings.launch.listen == "unix"
    limits = settings.limits
    found: Background | None = None
    misses = 0
    with trio.move_on_after(limits.background_timeout if is_marked else limits.unseen_background_timeout):
        # One that forks while /proc is listed may be missed.
        while not (is_marked and misses == _MISSES) and not (found and found.is_listening):
            await trio.sleep(limits.max_probe_pause if misses or found else 0)
            try:
                found = await run_in_thread(partial(_look, local_socket, is_marked))
            except OSError:  # this host is short of something, and nobody knows
                return None
            misses = 0 if found else misses + 1
    return found


def _look(local_socket: str, is_marked: bool) -> Background | None:
    """Return the process that has bound the local socket, or one that was told of it and may listen on TCP."""
    left = list(environment_holders(SOCKET_VARIABLE, local_socket)) if is_marked else []
    listening = next(
        itertools.chain(unix_socket_holders(local_socket), (pid for pid in left if any(held_tcp_listeners(pid)))),
        None,
    )
    if listening is None and not left:
        return None
    pid = left[0] if listening is None else listening
    return Background(pid=pid, name=process_name(pid), is_listening=listening is not None)


async def end_background(background: Background, limits: ClientLimits) -> None:
    """End what listens in the background, with its group: SIGTERM, and SIGKILL after a grace."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        group = os.getpgid(background.pid)
        if group == os.getpgrp():
            return
        descriptor = pidfd_open(background.pid)
        try:
            os.killpg(group, signal.SIGTERM)
            with trio.move_on_after(limits.term_timeout):
                await trio.lowlevel.wait_readable(descriptor)
            os.killpg(group, signal.SIGKILL)
        finally:
            os.close(descriptor)


def explain_end(
    settings: ClientSettings, status: int, local_socket: str, background: Background | None
) -> events.Failed:
    """Return the event for an application that ended before it was ready, with a status as a shell tells it."""
    by = f"by signal {status - exit_status.SIGNAL}" if status > exit_status.SIGNAL else f"with status {status}"
    what = f"the application ended {by} before it listened on {local_socket}"
    if status != exit_status.OK:
        return events.Failed(what=what, hop="here", tells_exit=True)
    programs = map(os.path.basename, settings.launch.command)
    option = next((_FOREGROUND[name] for name in programs if name in _FOREGROUND), None)
    advice = f"have it stay in the foreground{f': {option}' if option else ''}"
    if background is None:
        advice = f"if it goes into the background, {advice}"
    elif background.is_listening:
        what = (
            f"the application put itself into the background (process {background.pid}, {background.name}), where "
            "it cannot be kept, and has been ended there"
        )
    else:
        what += f", and left something in the background (process {background.pid}, {background.name})"
    return events.Failed(what=what, advice=advice, hop="here", tells_exit=True)
