"""A user and a network namespace for this process: a localhost that no other user of the node can reach.

Only the standard library is used, since the application waits for this. As ``python -m`` it tries whether the
node allows it: status 0, or 1 with what is wrong and what to do about it in two lines on standard output.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

from conductor_trio.errors import StartError

# linux/sched.h, linux/sockios.h, linux/if.h
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_IFREQ_FLAGS = struct.Struct("16sH22x")  # the kernel copies a whole ifreq, 40 bytes

# Set to 0 where an administrator, or a distribution, has switched these namespaces off.
_SWITCHES = (
    "kernel/unprivileged_userns_clone",  # Debian up to 10, and hardened kernels
    "user/max_user_namespaces",  # RHEL 7, and hardened RHEL 8 and 9
    "user/max_net_namespaces",
)
_APPARMOR_SWITCH = "kernel/apparmor_restrict_unprivileged_userns"  # Ubuntu from 23.10 on: 1 forbids them


def enter_namespace() -> None:
    """Put this process, which must have one thread only, into namespaces of its own, and bring lo up there.

    Its user and group ids stay what they are, and so does what it may do with files. What it executes holds no
    capability in there, unless it is root. Raises `StartError`.
    """
    uid, gid = os.geteuid(), os.getegid()
    try:
        _unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
        # An ordinary user may map one id, and groups only after having given up setgroups() (user_namespaces(7)).
        # The capabilities of the creator last until exec(), so root need not be mapped to bring lo up.
        _write("setgroups", "deny")
        _write("uid_map", f"{uid} {uid} 1")
        _write("gid_map", f"{gid} {gid} 1")
        _bring_lo_up()
    except OSError as error:
        raise _explain(error) from error


def _unshare(flags: int) -> None:
    # os.unshare() is there from Python 3.12 on; unshare(1) would lose the capabilities by exec().
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _write(name: str, text: str) -> None:
    Path("/proc/self", name).write_text(text)


def _bring_lo_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = fcntl.ioctl(sock, _SIOCGIFFLAGS, _IFREQ_FLAGS.pack(b"lo", 0))
        _, flags = _IFREQ_FLAGS.unpack(answer)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, _IFREQ_FLAGS.pack(b"lo", flags | _IFF_UP))


def _explain(error: OSError) -> StartError:
    return StartError(
        f"this host does not let you have a network namespace ({_cause(error)}), without which every user of it "
        "could connect to the application's port",
        advice="ask its administrators for it, or accept that with --tcp-shared",
        hop="here",
        reason="namespace",
    )


def _cause(error: OSError) -> str:
    for name in _SWITCHES:
        if _setting(name) == "0":
            return f"{name.replace('/', '.')} is 0"
    if _setting(_APPARMOR_SWITCH) == "1":
        return f"AppArmor forbids it, {_APPARMOR_SWITCH.replace('/', '.')} is 1"
    if error.errno in (errno.ENOSPC, errno.EUSERS):
        return "there are too many already"
    return f"{error.strerror}: a container or a policy forbids it"


def _setting(name: str) -> str | None:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return None


def main() -> int:
    """Try to enter a namespace, and print why it does not work: what, and the advice, a line each."""
    try:
        enter_namespace()
    except StartError as error:
        sys.stdout.write(f"{error.what}\n{error.advice}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
