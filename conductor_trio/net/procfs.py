"""What the kernel tells under /proc: processes, sockets and who holds them, routes, file systems (proc(5)).

All of it may have changed by the time that it is returned. Trio is not imported here: an application in a network
namespace of its own would wait for that.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import os
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import attrs

_TCP_TABLES = (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6))
_TCP_ESTABLISHED, _TCP_LISTEN = "01", "0A"  # net/tcp_states.h
_UNIX_FIELDS = 8  # of a line of /proc/net/unix, with a path
_IPV6_ANYWHERE = "0" * 32 + " 00 "  # destination and prefix length of a default route


@attrs.frozen(kw_only=True)
class TcpListener:
    """A listening TCP socket of a network namespace."""

    family: int
    host: str
    port: int
    uid: int  # of whoever made it
    inode: int = attrs.field(default=0, eq=False)  # by which its holders are found


def process_ids() -> Iterator[int]:
    """Yield the ids of all processes that we can see."""
    return map(int, filter(str.isdigit, os.listdir("/proc")))


def group_states() -> Iterator[tuple[int, str]]:
    """Yield the process group and the state, a letter, of every process."""
    for pid in process_ids():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            # The name stands in parentheses and may hold some itself.
            state, group = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[:3:2]
            yield int(group), state.decode()


def session_members(session: int) -> Iterator[int]:
    """Yield the processes of a session (setsid(2)), whatever their process groups."""
    for pid in process_ids():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[3]) == session:
                yield pid


def environment_holders(variable: str, value: str) -> Iterator[int]:
    """Yield the processes that were started with this in their environment, as far as we may look into them."""
    wanted = os.fsencode(f"{variable}={value}")
    for pid in process_ids():
        with contextlib.suppress(OSError):  # ended meanwhile, or someone else's
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                yield pid


def process_name(pid: int) -> str:
    """Return the name of a process, of 15 bytes at most, nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return ""


def unix_socket_holders(path: str) -> Iterator[int]:
    """Yield the processes that hold a UNIX socket bound to the path, as far as we may look into them."""
    wanted = os.path.realpath(path)
    bound = dict(_unix_sockets(os.path.basename(wanted)))
    for pid in process_ids():
        with contextlib.suppress(OSError):  # ended meanwhile, or someone else's
            directory = os.readlink(f"/proc/{pid}/cwd")
            # A relative name is relative to where its owner was when it bound it, most often where it is still.
            names = (bound[file] for file in _open_files(pid) if file in bound)
            if any(os.path.realpath(os.path.join(directory, name)) == wanted for name in names):
                yield pid


def _open_files(pid: int) -> Iterator[str]:
    """Yield what a process has open, as 'socket:[<inode>]' or a path; raises OSError."""
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            yield os.readlink(f"/proc/{pid}/fd/{descriptor}")


def _unix_sockets(basename: str) -> Iterator[tuple[str, str]]:
    """Yield ('socket:[<inode>]', path as it was bound) of the sockets whose path ends in this name."""
    with open("/proc/net/unix", errors="surrogateescape") as table:
        for line in table:
            fields = line.rstrip("\n").split(None, _UNIX_FIELDS - 1)
            if len(fields) == _UNIX_FIELDS and os.path.basename(fields[-1]) == basename:
                yield f"socket:[{fields[-2]}]", fields[-1]


def tcp_listeners(pid: int | None = None) -> Iterator[TcpListener]:
    """Yield who listens on TCP where a process is, or we are (Documentation/networking/proc_net_tcp.rst)."""
    for name, family in _TCP_TABLES:
        path = f"/proc/{'self' if pid is None else pid}/net/{name}"
        for line in _listener_lines(path):
            _, local, _, _, _, _, _, uid, _, inode, *_ = line.split()
            host, port = local.split(":")
            yield TcpListener(
                family=family,
                host=_parse_host(family, host),
                port=int(port, 16),
                uid=int(uid),
                inode=int(inode),
            )


def _listener_lines(path: str) -> list[str]:
    """Return the lines of who listens; all are read, since whoever asks may not go on to the end."""
    try:
        with open(path) as table:
            next(table, None)  # the titles
            return list(itertools.takewhile(lambda line: line.split()[3] == _TCP_LISTEN, table))  # they come first
    except FileNotFoundError:  # a kernel without IPv6
        return []


def held_tcp_listeners(pid: int) -> Iterator[TcpListener]:
    """Yield the sockets on which a process itself listens, as far as we may look into it."""
    with contextlib.suppress(OSError):  # ended meanwhile, or someone else's
        listening = {f"socket:[{listener.inode}]": listener for listener in tcp_listeners(pid)}
        for file in _open_files(pid):
            if file in listening:
                yield listening.pop(file)


def find_tcp_peer(pid: int) -> str | None:
    """Return the address of whom a process, or the one that started it, is connected with by TCP.

    Of sshd's two for each connection one may be looked into by its user, the other by root: None where we may not,
    or where that is not told by exactly one connection.
    """
    for process in (pid, _parent(pid)):
        with contextlib.suppress(OSError):  # ended meanwhile, or someone else's
            inodes = re.findall(r"^socket:\[(\d+)\]$", "\n".join(_open_files(process)), re.MULTILINE)
            peers = set(_tcp_peers(process, inodes)) if inodes else set()
            if len(peers) == 1:
                return peers.pop()
    return None


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    return 0


def _tcp_peers(pid: int, inodes: Iterable[str]) -> Iterator[str]:
    """Yield the peers of those sockets of a process that are TCP connections."""
    wanted = set(inodes)
    for name, family in _TCP_TABLES:
        with contextlib.suppress(FileNotFoundError):
            table = Path(f"/proc/{pid}/net/{name}").read_text()
            # There may be thousands of others: their lines are not looked at one by one.
            for found in re.finditer(rf"^.* (?:{'|'.join(wanted)}) .*$", table, re.MULTILINE):
                _, _, remote, state, _, _, _, _, _, inode, *_ = found[0].split()
                if state == _TCP_ESTABLISHED and inode in wanted:
                    address = ipaddress.ip_address(_parse_host(family, remote.split(":")[0]))
                    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
                    yield str(mapped or address)


def _parse_host(family: int, digits: str) -> str:
    """Return an address of /proc/net/tcp, which is words of four bytes in the machine's own order."""
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    return socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))


def has_route() -> bool:
    """Whether packets can go anywhere beyond lo, over IPv4 or IPv6."""
    if len(Path("/proc/net/route").read_text().splitlines()) > 1:  # one line of titles
        return True
    routes = Path("/proc/net/ipv6_route")
    return routes.exists() and any(
        line.startswith(_IPV6_ANYWHERE) and line.split()[-1] != "lo" for line in routes.read_text().splitlines()
    )


def file_system(path: str) -> str:
    """Return the type of the file system that a path is on (proc_pid_mountinfo(5)), nothing where unknown."""
    try:
        status = os.stat(path)
        with open("/proc/self/mountinfo", errors="surrogateescape") as table:
            lines = [line.split() for line in table]
    except OSError:
        return ""
    device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    return next((words[words.index("-") + 1] for words in lines if words[2] == device), "")
