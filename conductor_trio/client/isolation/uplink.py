"""The uplink: the way out of a network namespace, through pasta or slirp4netns, neither of which lets anybody in.

Both run with the user's own rights in the host's namespaces, and make their connections there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import time
from collections.abc import Iterator

import attrs

from conductor_trio.client.host.spawn import spawn
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.procfs import has_route

# In the order in which they are preferred: pasta keeps the host's addresses, and is faster. Both are told to have
# no port of the host forwarded into the namespace, which pasta does by default, and not to show the host's own
# localhost in there as the gateway's address.
_PROGRAMS = {
    "pasta": [
        *("--foreground", "--quiet", "--config-net", "--no-map-gw"),
        *("--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none"),
        # Root would become nobody otherwise, who may not enter root's namespace.
        *("--runas", "{uid}:{gid}"),
        "{pid}",
    ],
    "slirp4netns": ["--configure", "--mtu=65520", "--disable-host-loopback", "{pid}", "tap0"],
}
# The shell waits for a line, because the namespace is not there yet, and from within it is too late to start.
_WAIT_AND_RUN = 'read -r _ && exec "$@" </dev/null'


def uplink_program() -> str | None:
    """Return the name of the program that will be used, None where there is none."""
    return next(filter(shutil.which, _PROGRAMS), None)


def is_resolver_local(text: str) -> bool:
    """Whether a resolv.conf names only resolvers on localhost, which is another one in the namespace."""
    lines = (line.split() for line in text.splitlines())
    servers = [line[1] for line in lines if line[:1] == ["nameserver"] and len(line) > 1]
    return bool(servers) and all(server.startswith("127.") or server == "::1" for server in servers)


@attrs.frozen(kw_only=True)
class Uplink:
    """The program that forwards packets: it waits for the namespace of this process, or is at work."""

    name: str
    pid: int
    _start_pipe: int
    _output: int
    _limits: ClientLimits

    def connect(self) -> str | None:
        """Have it join the namespace that this process is in by now; returns what went wrong, or None."""
        os.write(self._start_pipe, b"\n")
        deadline = time.monotonic() + self._limits.uplink_timeout
        # Looked for again and again, since the program's end is awaited, too, and there is no event loop yet.
        while not has_route():
            if self.has_ended():
                return self._last_line() or "it ended"
            if time.monotonic() > deadline:
                return self._last_line() or f"no route after {self._limits.uplink_timeout:g} s"
            time.sleep(self._limits.uplink_interval)
        return None

    def has_ended(self) -> bool:
        """Whether it has ended, which nobody has waited for yet."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _last_line(self) -> str:
        output = os.pread(self._output, self._limits.max_uplink_output, 0).rstrip(b"\0").decode(errors="replace")
        return next((line for line in reversed(output.splitlines()) if line.strip()), "")


@contextlib.contextmanager
def open_uplink(limits: ClientLimits) -> Iterator[Uplink | None]:
    """Give the program, started in this process's namespaces before it leaves them; None where there is none."""
    name = uplink_program()
    if name is None:
        yield None
        return
    with contextlib.ExitStack() as stack:
        reading_end, writing_end = os.pipe()
        stack.callback(os.close, reading_end)
        stack.callback(os.close, writing_end)
        output = _open_bounded_file(limits.max_uplink_output)
        stack.callback(os.close, output)
        options = [word.format(pid=os.getpid(), uid=os.geteuid(), gid=os.getegid()) for word in _PROGRAMS[name]]
        pid = spawn(["/bin/sh", "-c", _WAIT_AND_RUN, name, name, *options], {0: reading_end, 1: output, 2: output})
        try:
            yield Uplink(name=name, pid=pid, start_pipe=writing_end, output=output, limits=limits)
        finally:
            # It has nothing to save. Whatever it made of itself, it is in our group, which is ended after us.
            with contextlib.suppress(PermissionError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _open_bounded_file(size: int) -> int:
    """Return the descriptor of a file in memory that takes so much and no more, however long it is written to."""
    descriptor = os.memfd_create("output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
    return descriptor
