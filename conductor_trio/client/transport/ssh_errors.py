"""What ssh says when it fails, in words that name the hop and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

# The texts are OpenSSH's, 7.4 to 9.x (ssh.c, sshconnect.c, sshconnect2.c, channels.c, clientloop.c). The first
# row that is found in any line decides, so the ones that tell most stand first. The word before says which hop it
# is that fails. {place} is how the user named the host.
_REASONS = [
    (
        "host_key",
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key .* has changed",
        "the host key of {place} has changed, or someone is in between; ask its administrators, then remove the "
        "old key with ssh-keygen -R",
    ),
    (
        "host_key",
        r"Host key verification failed|No .* host key is known for",
        "the host key of {place} is not known here; log in once by hand with ssh, and check the key that it shows",
    ),
    (
        "resolve",
        r"Could not resolve hostname ([^:]*)",
        "the host name {1} cannot be resolved; check its spelling in SERVER, or its HostName in ~/.ssh/config",
    ),
    (
        "connect",
        r"connect to host (\S+) port (\d+): Connection refused",
        "no SSH server answers at {1} port {2} (connection refused); check host and port",
    ),
    (
        "connect",
        r"connect to host (\S+) port (\d+): (.*timed out)",
        "{1} port {2} does not answer ({3}); check host, port and firewalls",
    ),
    (
        "connect",
        r"connect to host (\S+) port (\d+): (.*)",
        "{1} port {2} cannot be reached: {3}",
    ),
    (
        "login",
        r"Permission denied \(([^)]*)\)|Too many authentication failures",
        "SSH login at {place} failed: permission denied; check that `ssh` gets in there without a password, or "
        "start this on a terminal to be asked for one",
    ),
    ("connect", r"(Timeout, server .* not responding)", "the connection to {place} is dead: {1}"),
    (
        "connect",
        r"Connection timed out during banner exchange",
        "{place} accepts connections but no SSH server answers there",
    ),
]
_COMPILED = [(hop, re.compile(pattern), text) for hop, pattern, text in _REASONS]


def explain(lines: Sequence[str], *, place: str) -> str | None:
    """Return in our words what ssh's lines say about its failure, or None where they are not known."""
    known = _find(lines)
    if known is None:
        return None
    _, match, text = known
    # The fields {1}, {2} are the pattern's groups; {0} is all of it.
    return text.format(match[0], *(group or "" for group in match.groups()), place=place)


def find_hop(lines: Sequence[str]) -> str | None:
    """Return which hop failed by what ssh's lines say: `resolve`, `connect`, `host_key` or `login`."""
    known = _find(lines)
    return None if known is None else known[0]


def _find(lines: Sequence[str]) -> tuple[str, re.Match[str], str] | None:
    for hop, pattern, text in _COMPILED:
        for line in lines:
            if match := pattern.search(line):
                return hop, match, text
    return None


def is_channel_refused(lines: Sequence[str]) -> bool:
    """Whether the SSH server did not connect to the control socket, for which it gives no reason."""
    return any("open failed: " in line for line in lines)


def explain_channel_refused(*, place: str, path: str, is_socket: bool | None) -> str:
    """Return why the control socket cannot be reached; whether there is one is None where nobody looked."""
    if is_socket is None:
        return f"conductor-trio-server does not answer at {path} on {place}"
    if is_socket:
        return (
            f"the SSH server of {place} does not connect to the control socket {path}, which is there; either "
            "conductor-trio-server does not run, or AllowStreamLocalForwarding is not yes in sshd_config"
        )
    return (
        f"there is no control socket {path} at {place}; check that conductor-trio-server runs there, and the path "
        "in SERVER"
    )
