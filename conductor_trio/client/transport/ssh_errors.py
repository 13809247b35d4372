"""The reasons for which ssh fails, found in what it says: what happened, what to do about it, which hop it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from conductor_trio.errors import Hop, TransportError


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@attrs.frozen(kw_only=True)
class _Reason:
    """A reason that ssh gives: its `pattern`, and our words for it.

    In the words, {place} is how the user named the host, {1} and {2} are the pattern's groups. `word` says which
    hop fails: ``resolve``, ``connect``, ``host_key`` or ``login``. With `also`, another line must begin so.
    """

    word: str
    pattern: re.Pattern[str] = attrs.field(converter=_compile)
    what: str
    advice: str | None = None
    also: str = ""


# The texts are OpenSSH's, 7.4 to 9.x (ssh.c, sshconnect.c, sshconnect2.c, channels.c, clientloop.c). The first
# row that is found at the beginning of any line decides, so the ones that tell most stand first. (Further on in a
# line may be the server's words: those of a disconnection, or of a channel that it refuses.)
_REASONS = [
    _Reason(
        word="host_key",
        pattern=r"@ +WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! +@|Host key for .* has changed",
        also="Host key verification failed",  # with StrictHostKeyChecking no, ssh warns and goes on
        what="the host key of {place} has changed, or someone is in between",
        advice="ask its administrators for its fingerprint, and compare; ssh by hand says which key it knows",
    ),
    _Reason(
        word="host_key",
        pattern=r"Host key verification failed|No .* host key is known for",
        what="the host key of {place} is not known here",
        advice="log in once by hand with ssh, and check the key that it shows",
    ),
    _Reason(
        word="resolve",
        pattern=r"(?:ssh: )?Could not resolve hostname ([^:]*)",
        what="the host name {1} cannot be resolved",
        advice="check its spelling in SERVER, or its HostName in ~/.ssh/config",
    ),
    _Reason(
        word="connect",
        pattern=r"(?:ssh: )?connect to host (\S+) port (\d+): Connection refused",
        what="no SSH server answers at {1} port {2} (connection refused)",
        advice="check host and port",
    ),
    _Reason(
        word="connect",
        pattern=r"(?:ssh: )?connect to host (\S+) port (\d+): (.*timed out)",
        what="{1} port {2} does not answer ({3})",
        advice="check host, port and firewalls",
    ),
    _Reason(
        word="connect",
        pattern=r"(?:ssh: )?connect to host (\S+) port (\d+): (.*)",
        what="{1} port {2} cannot be reached: {3}",
    ),
    _Reason(
        word="login",
        pattern=r"(?:\S+: )?Permission denied \([^)]*\)|Received disconnect from \S+ port \d+:2: Too many auth",
        what="SSH login at {place} failed: permission denied",
        advice="check that `ssh` gets in there without a password, or start this on a terminal to be asked for "
        "one",
    ),
    _Reason(
        word="connect",
        pattern=r"(Timeout, server .* not responding)",
        what="the connection to {place} is dead: {1}",
    ),
    _Reason(
        word="connect",
        pattern=r"Connection timed out during banner exchange",
        what="{place} accepts connections but no SSH server answers there",
    ),
]


def find_reason(lines: Sequence[str], *, place: str = "") -> TransportError | None:
    """Return why ssh fails by the lines of its own log, in our words, or None where they are not known.

    The error's `reason` is ``resolve``, ``connect``, ``host_key`` or ``login``. `place` is how the user named the
    host.
    """
    for reason in _REASONS:
        if not any(line.startswith(reason.also) for line in lines):
            continue
        for line in lines:
            if match := reason.pattern.match(line):
                groups = (match[0], *(group or "" for group in match.groups()))
                what = reason.what.format(*groups, place=place)
                hop: Hop = "login" if reason.word == "login" else "ssh"
                return TransportError(what, advice=reason.advice, hop=hop, reason=reason.word)
    return None


def is_channel_refused(lines: Sequence[str]) -> bool:
    """Whether the SSH server did not connect to the control socket, for which it gives no reason."""
    return any(re.match(r"channel \d+: open failed: ", line) for line in lines)


def explain_channel_refused(*, place: str, path: str, is_socket: bool | None) -> TransportError:
    """Return why the control socket cannot be reached; whether there is one is None where nobody looked."""
    if is_socket is None:
        return TransportError(f"conductor-trio-server does not answer at {path} on {place}", hop="server")
    if is_socket:
        return TransportError(
            f"the SSH server of {place} does not connect to the control socket {path}, which is there; either "
            "conductor-trio-server does not run, or AllowStreamLocalForwarding is not yes in sshd_config",
            hop="server",
        )
    return TransportError(
        f"there is no control socket {path} at {place}",
        advice="check that conductor-trio-server runs there, and the path in SERVER",
        hop="server",
    )
