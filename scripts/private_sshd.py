"""A real SSH server of one's own, on a free loopback port, for the demo, measurements and tests.

::

    with open_private_sshd() as sshd:
        subprocess.run(["conductor-trio", f"localhost:{sshd.port}/run/client", ...], env=sshd.me.environment())

It touches nobody's ``~/.ssh``: the keys, the configuration and the known hosts lie in a temporary directory, and
the environment puts an ``ssh`` that knows them first on PATH. As an ordinary user it lets in that user; as root,
any existing users.

It is here, and not among the tests, because the demo, `bench`, `apps` and `restarts` run it: the demo with nothing
installed but the package itself, which no module of the tests can promise.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import attrs

from conductor_trio.net.kernel import pidfd_open, pidfd_send_signal

# Where distributions put sshd, which is rarely on an ordinary user's PATH.
_SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])

# sshd that runs as root changes its root to this directory for the part that is not trusted yet (sshd(8)).
_PRIVILEGE_SEPARATION = Path("/run/sshd")

_PORT_ATTEMPTS = 5  # a port found free can be taken before sshd binds it
_START_TIMEOUT = 20.0
_END_TIMEOUT = 10.0


class SshdError(Exception):
    """There is no SSH server here, or it does not start; str() is a line for people."""


@attrs.frozen(kw_only=True)
class SshUser:
    """A user that the server lets in, and the files with which their ``ssh`` gets there.

    Besides ``localhost:<port>`` and ``127.0.0.1:<port>``, that ``ssh`` knows the server as ``gateway``.
    """

    name: str
    directory: Path

    @property
    def ssh_config(self) -> Path:
        """What ``ssh -F`` wants."""
        return self.directory / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The file that vouches for the server's host key."""
        return self.directory / "known_hosts"

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return `base` (our own environment by default) with the ``ssh`` that knows the server first on PATH."""
        inherited = dict(os.environ if base is None else base)
        inherited.pop("SSH_AUTH_SOCK", None)
        return inherited | {"PATH": f"{self.directory / 'bin'}{os.pathsep}{inherited.get('PATH', os.defpath)}"}


class PrivateSshd:
    """A running SSH server; `open_private_sshd` makes it and ends it."""

    def __init__(self, directory: Path, users: tuple[SshUser, ...], port: int) -> None:
        self.directory = directory
        self.users = users
        self.port = port
        self._process: subprocess.Popen[str] | None = None
        self._log: list[str] = []
        self._reader: threading.Thread | None = None

    @property
    def me(self) -> SshUser:
        """The first of the users: whoever runs this, unless others were asked for."""
        return self.users[0]

    def user(self, name: str) -> SshUser:
        """Return one of the users."""
        return next(user for user in self.users if user.name == name)

    @property
    def pid(self) -> int:
        """The process that listens."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What the server has logged so far."""
        return "".join(self._log)

    def start(self) -> None:
        """Listen on the port again, as after a reboot; returns once connections are accepted."""
        assert self._process is None
        self._log.clear()
        self._process = process = subprocess.Popen(
            [_find("sshd"), "-D", "-e", "-f", str(self.directory / "sshd_config")],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0,  # a terminal's Ctrl-C is for whoever owns us
        )
        assert process.stderr is not None
        settled = threading.Event()
        self._reader = threading.Thread(target=self._read_log, args=(process.stderr, settled), daemon=True)
        self._reader.start()
        settled.wait(_START_TIMEOUT)
        if "Server listening on" not in self.log:
            self.stop()
            raise SshdError(f"sshd does not start: {self.log.strip() or 'it says nothing'}")

    def stop(self) -> None:
        """End the server and every session, as a gateway that loses its power does."""
        if (process := self._process) is None:
            return
        self._process = None
        # Stopped first, so that it takes on no session behind our back; each session has its own process group.
        process.send_signal(signal.SIGSTOP)
        _end_all(_stop_descendants(process.pid))
        process.kill()
        process.wait()
        assert self._reader is not None
        self._reader.join(_END_TIMEOUT)

    def crash(self) -> None:
        """End the server alone, as a crash of it does: its sessions go on, and `start` listens again."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def drop_sessions(self) -> None:
        """End every session at once, without a farewell; the server goes on accepting."""
        assert self._process is not None
        _end_all(descendants(self._process.pid))

    def _read_log(self, stream: IO[str], settled: threading.Event) -> None:
        with stream:
            for line in stream:
                self._log.append(line)
                if "Server listening on" in line:
                    settled.set()
        settled.set()


@contextlib.contextmanager
def open_private_sshd(
    *,
    users: Sequence[str] | None = None,
    stream_forwarding: bool = True,
    bind_mask: str = "0177",
    extra_config: Iterable[str] = (),
) -> Iterator[PrivateSshd]:
    """Run an SSH server that accepts connections; on leaving, it and all its sessions and files are gone.

    `users` are login names, whoever runs this by default; others need root. `stream_forwarding` is sshd's
    AllowStreamLocalForwarding, `bind_mask` its StreamLocalBindMask with its own default, and `extra_config`
    further lines, which win over the ones here. Raises `SshdError`.
    """
    names = tuple(users or [getpass.getuser()])
    if os.geteuid() == 0:
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sshd-", dir="/tmp")))
        directory.chmod(0o755)  # each user's part inside is their own
        _make_key(directory / "host_key")
        (directory / "authorized").mkdir()
        people = tuple(_add_user(directory, name) for name in names)
        config = [*extra_config, f"AllowStreamLocalForwarding {'yes' if stream_forwarding else 'no'}"]
        config += [f"StreamLocalBindMask {bind_mask}", *_server_config(directory)]
        sshd = _start_on_free_port(directory, people, config)
        stack.callback(sshd.stop)
        yield sshd


def _start_on_free_port(directory: Path, people: tuple[SshUser, ...], config: Sequence[str]) -> PrivateSshd:
    for attempt in range(_PORT_ATTEMPTS):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        _write(directory / "sshd_config", [f"ListenAddress 127.0.0.1:{port}", *config])
        sshd = PrivateSshd(directory, people, port)
        try:
            sshd.start()
        except SshdError as error:
            if "Address already in use" not in str(error) or attempt == _PORT_ATTEMPTS - 1:
                raise
        else:
            for user in people:
                _write_client_files(directory, user, port)
            return sshd
    raise AssertionError("the last attempt returns or raises")


def _server_config(directory: Path) -> list[str]:
    root = os.geteuid() == 0
    config = [
        f"HostKey {directory}/host_key",
        f"AuthorizedKeysFile {directory}/authorized/%u",
        "StrictModes no",  # /tmp is writable by all
        "PidFile none",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        # Without PAM, sshd refuses users who never had a password; only root can use PAM.
        f"UsePAM {'yes' if root and Path('/etc/pam.d/sshd').exists() else 'no'}",
        "PrintMotd no",
        "PrintLastLog no",
        "UseDNS no",
        "LogLevel VERBOSE",
        "MaxStartups 100",  # tests dial more often than people
        "MaxSessions 100",
        "ClientAliveInterval 10",
        "ClientAliveCountMax 3",
    ]
    # OpenSSH 9.8 and later shut out an address after a few failures, which tests provoke.
    lenient = "PerSourcePenalties no"
    if _accepts(directory, lenient):
        config.append(lenient)
    return config


def _accepts(directory: Path, line: str) -> bool:
    probe = directory / "probe_config"
    _write(probe, [line, f"HostKey {directory}/host_key"])
    command = [_find("sshd"), "-t", "-f", str(probe)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _add_user(directory: Path, name: str) -> SshUser:
    user = SshUser(name=name, directory=directory / name)
    key = user.directory / "key"
    user.directory.mkdir(mode=0o700)
    _make_key(key)
    shutil.copy(key.with_suffix(".pub"), directory / "authorized" / name)
    return user


def _write_client_files(directory: Path, user: SshUser, port: int) -> None:
    host_key = (directory / "host_key.pub").read_text()
    _write(user.known_hosts, [f"[127.0.0.1]:{port},[localhost]:{port} {host_key}"])
    _write(
        user.ssh_config,
        [
            "Host gateway",
            "  HostName 127.0.0.1",
            f"  Port {port}",
            "Host *",
            f"  IdentityFile {user.directory}/key",
            "  IdentitiesOnly yes",
            "  IdentityAgent none",
            f"  UserKnownHostsFile {user.known_hosts}",
            "  GlobalKnownHostsFile /dev/null",
            "  StrictHostKeyChecking yes",
        ],
    )
    programs = user.directory / "bin"
    programs.mkdir()
    _write(programs / "ssh", ["#!/bin/sh", f'exec {_find("ssh")} -F {user.ssh_config} "$@"'])
    (programs / "ssh").chmod(0o755)
    if os.geteuid() == 0:
        person = pwd.getpwnam(user.name)
        for path in [user.directory, *user.directory.rglob("*")]:
            os.chown(path, person.pw_uid, person.pw_gid)


def _make_key(path: Path) -> None:
    command = [_find("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "private_sshd", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def _find(program: str) -> str:
    found = shutil.which(program, path=_SYSTEM_PATH)
    if found is None:
        raise SshdError(f"there is no {program} here: install OpenSSH (Debian: openssh-server and openssh-client)")
    return found


def descendants(pid: int) -> list[int]:
    """Return the ids of the processes below `pid`, parents before children."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                # The name in parentheses may hold blanks and parentheses itself (proc(5)).
                parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
                children.setdefault(int(parent), []).append(int(entry.name))
    found = [pid]
    for known in found:
        found += children.get(known, [])
    return found[1:]


def _stop_descendants(pid: int) -> list[int]:
    """Return the ids of the processes below `pid`, which are stopped: none of them can start another meanwhile."""
    found: list[int] = []
    while fresh := [child for child in descendants(pid) if child not in found]:
        for child in fresh:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGSTOP)
        found += fresh
    return found


def _end_all(pids: Iterable[int]) -> None:
    """Kill the processes and wait until they have ended."""
    with contextlib.ExitStack() as stack:
        handles = []
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                handle = pidfd_open(pid)
                stack.callback(os.close, handle)
                handles.append(handle)
        for handle in handles:
            with contextlib.suppress(ProcessLookupError):
                pidfd_send_signal(handle, signal.SIGKILL)
        for handle in handles:
            poll = select.poll()
            poll.register(handle, select.POLLIN)  # readable once it has ended (pidfd_open(2))
            poll.poll(_END_TIMEOUT * 1000)
