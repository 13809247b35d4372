"""``conductor-trio-server check``: looks at what the server needs on its host, and changes nothing."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import socket
import ssl
import stat
import time
from collections.abc import Iterable, Iterator, Mapping

from conductor_trio.access.hostnames import HostPattern, check_patterns, parse_pattern
from conductor_trio.errors import ConductorError, ConfigError
from conductor_trio.findings import Finding, Status
from conductor_trio.interpreter import describe_interpreter
from conductor_trio.limits.constants import CERTIFICATE_WARNING_INTERVAL, CHECK_CONNECT_TIMEOUT
from conductor_trio.net.socket_activation import open_inherited_listeners
from conductor_trio.server.check.configuration import check_configuration
from conductor_trio.server.check.logs import check_logs
from conductor_trio.server.check.neighbours import check_access_lists, check_shared
from conductor_trio.server.check.open_files import check_open_files
from conductor_trio.server.check.sshd import check_sshd
from conductor_trio.server.check.workers import check_workers
from conductor_trio.server.lifecycle.logo import load_house
from conductor_trio.server.lifecycle.plain_http import find_plain_http
from conductor_trio.server.lifecycle.runtime_directory import RuntimeDirectory
from conductor_trio.server.lifecycle.tls import read_expiry
from conductor_trio.server.settings import ServerSettings, TlsSettings

_DAY = 86400.0
_LOCAL = ".localhost"
_SAMPLE_KEY, _SAMPLE_USER = "check", "nobody"

Findings = Iterator[Finding]


def check_host(settings: ServerSettings, environment: Mapping[str, str], file: str | None = None) -> Findings:
    """Yield what is found, one after the other; `file` is the one that the settings are from, if there is one."""
    yield _ok("interpreter", describe_interpreter())
    yield from check_configuration(file, settings.rules)
    yield from _check_runtime_directory(settings.runtime_dir)
    yield from _check_group(settings.runtime_dir)
    yield from _check_control_socket(RuntimeDirectory(settings.runtime_dir).control)
    yield from _check_patterns(settings.patterns)
    yield from _check_tls(settings)
    yield from _check_public_socket(settings)
    yield from _check_inherited(environment)
    yield from check_logs(settings)
    yield from _check_logo(settings)
    yield check_open_files(settings)
    yield check_workers(settings)
    yield from check_sshd()


def _ok(place: str, detail: str) -> Finding:
    return Finding(check=place, status=Status.OK, detail=detail)


def _skipped(place: str, detail: str) -> Finding:
    return Finding(check=place, status=Status.SKIPPED, detail=detail)


def _failed(place: str, detail: str, advice: str) -> Finding:
    return Finding(check=place, status=Status.FAILED, detail=detail, advice=advice)


def _warning(place: str, detail: str, advice: str) -> Finding:
    return Finding(check=place, status=Status.WARNING, detail=detail, advice=advice)


def _check_runtime_directory(path: str) -> Findings:
    place = "runtime directory"
    runtime = RuntimeDirectory(path)
    if (excess := runtime.excess_length) > 0:
        yield _failed(
            place, f"{path} is {excess} bytes too long for sockets in it", "choose a shorter path with -r"
        )
        return
    existing = path
    while not os.path.lexists(existing):
        existing = os.path.dirname(existing)
    if not os.path.isdir(existing):
        yield _failed(place, f"{existing} is no directory", "remove it, or choose another path with -r")
        return
    if (closed := _find_closed(existing)) is not None:
        yield _failed(
            place, f"users cannot pass through {closed}", f"`chmod o+x {closed}`, or choose another path with -r"
        )
    elif not os.access(existing, os.W_OK | os.X_OK):
        who = pwd.getpwuid(os.geteuid()).pw_name
        yield _failed(place, f"{who} cannot write in {existing}", f"make {path}, owned by the server's user")
    elif existing != path:
        yield _ok(place, f"{path} is not there yet, and can be made")
    else:
        yield _ok(place, path)
    yield from check_shared(place, runtime.control)
    yield from check_access_lists(place, existing)
    sockets = runtime.sockets
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(os.stat(sockets).st_mode)
        if mode != 0o771:
            yield _warning(
                place, f"{sockets} is of mode {mode:04o}, not 0771", "the server sets it when it starts"
            )


def _find_closed(path: str) -> str | None:
    """Return the first directory on the way that other users cannot enter."""
    for end in range(1, len(path) + 1):
        if end == len(path) or path[end] == "/":
            directory = path[:end] or "/"
            if not os.stat(directory).st_mode & stat.S_IXOTH:
                return directory
    return None


def _check_group(runtime_dir: str) -> Findings:
    place = "group"
    try:
        # Whoever runs this, that is the server's.
        found = os.stat(RuntimeDirectory(runtime_dir).sockets)
        uid, gid = found.st_uid, found.st_gid
    except OSError:
        uid, gid = os.geteuid(), os.getegid()
    with contextlib.suppress(KeyError):
        group, user = grp.getgrgid(gid), pwd.getpwuid(uid).pw_name
        others = [name for name in group.gr_mem if name != user]
        others += [one.pw_name for one in pwd.getpwall() if one.pw_gid == gid and one.pw_uid != uid]
        if uid == 0:
            yield _warning(place, "the server runs as root", "give it a user and a group of its own")
        elif others:
            who = ", ".join(sorted(set(others)))
            detail = f"{who} in the server's group {group.gr_name} can open every relay socket"
            yield _failed(place, detail, f"keep the group {group.gr_name} for the server's user {user} alone")
        else:
            yield _ok(place, f"{group.gr_name} is {user}'s alone")
        return
    yield _warning(
        place, f"user {uid} or group {gid} has no name", "give the server a user and a group of its own"
    )


def _check_control_socket(path: str) -> Findings:
    place = "control socket"
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        yield _skipped(place, f"{path} is not there: no server runs")
        return
    if not _connects(path):
        yield _skipped(place, f"nobody listens at {path}: no server runs")
    elif mode != 0o777:
        yield _failed(
            place,
            f"{path} is of mode {mode:04o}, not 0777",
            "SocketMode=0777 where systemd makes it, else restart",
        )
    else:
        yield _ok(place, f"a server runs at {path}")


def _connects(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(CHECK_CONNECT_TIMEOUT)
        with contextlib.suppress(OSError):
            sock.connect(path)
            return True
    return False


def _check_patterns(texts: Iterable[str]) -> Findings:
    place = "host names"
    try:
        patterns = tuple(parse_pattern(text) for text in texts)
        check_patterns(patterns)
    except ConfigError as error:
        yield _failed(place, str(error), "correct -d")
        return
    for pattern in patterns:
        host = _sample(pattern)
        if host.endswith(_LOCAL):
            yield _ok(place, f"{pattern.text}: each visitor's own host")
            continue
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            wildcard = f"*.{host.partition('.')[2]}"
            advice = f"the domain needs a wildcard record, {wildcard}, that leads to this host or its front proxy"
            yield _failed(place, f"{pattern.text}: {host} cannot be resolved: {error.strerror}", advice)
        else:
            addresses = ", ".join(dict.fromkeys(str(address[0]) for *_, address in found))
            yield _ok(place, f"{pattern.text}: {host} is {addresses}")


def _sample(pattern: HostPattern) -> str:
    return pattern.format_host(_SAMPLE_KEY, _SAMPLE_USER)


def _check_tls(settings: ServerSettings) -> Findings:
    place = "TLS"
    if settings.tls is None:
        plain = find_plain_http(settings, _visitors_addresses(settings))
        if plain is None:
            yield _skipped(place, "not given; a front proxy has to speak it")
        else:
            yield _warning(place, plain.what, plain.advice)
        return
    from conductor_trio.server.lifecycle.tls import make_tls_context

    try:
        make_tls_context(settings.tls)
    except ConductorError as error:
        yield _failed(place, str(error), "correct the file, or the option that names it")
        return
    with contextlib.suppress(ConfigError):  # it has been told
        for text in settings.patterns:
            yield _check_certificate(settings.tls, _sample(parse_pattern(text)))
    for host in settings.reserved_hosts:
        yield _check_certificate(settings.tls, host)


def _check_logo(settings: ServerSettings) -> Findings:
    if settings.logo_file is None:
        return
    try:
        load_house(settings)
    except ConductorError as error:
        yield _failed("logo", str(error), "choose another picture, or leave site.logo out")
    else:
        yield _ok("logo", settings.logo_file)


def _visitors_addresses(settings: ServerSettings) -> list[str]:
    """Return the addresses at which visitors are to come by TCP; none where that cannot be told."""
    if settings.port is None:
        return []
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(
            settings.host or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return [str(address[0]) for *_, address in found]
    return []


def _check_certificate(tls: TlsSettings, host: str) -> Finding:
    place = "TLS"
    try:
        end = read_expiry(tls, host)
    except ssl.SSLCertVerificationError as error:
        said = error.verify_message.rstrip(".")
        if "expired" in said:
            return _failed(
                place, f"{tls.cert_file}: {said}", "renew the certificate, and have the server reload it"
            )
        return _failed(
            place, f"{tls.cert_file}: {said}", f"it must be for {host}, or for a wildcard of its domain"
        )
    except (ssl.SSLError, OSError) as error:
        return _failed(place, f"{tls.cert_file}: {error}", "the file must begin with the server's certificate")
    left = end - time.time()
    detail = f"{tls.cert_file} is good for {host}, and for {left / _DAY:.0f} days more"
    if left < CERTIFICATE_WARNING_INTERVAL:
        return _warning(place, detail, "renew the certificate, and have the server reload it")
    return _ok(place, detail)


def _check_public_socket(settings: ServerSettings) -> Findings:
    path = settings.socket
    place = "visitors' socket"
    if path is None:
        yield _skipped(place, f"visitors come to port {settings.port}")
        return
    directory = os.path.dirname(path)
    yield from check_shared(place, path)
    try:
        found = os.stat(path)
    except OSError:
        if os.access(directory, os.W_OK | os.X_OK):
            yield _skipped(place, f"{path} is not there yet, and can be made")
        else:
            yield _failed(place, f"{path} cannot be made", f"make {directory}, owned by the server's user")
        return
    mode, group = stat.S_IMODE(found.st_mode), _group_name(found.st_gid)
    if mode & 0o007:
        advice = "mode 0660, and the front proxy's group: every user here could add headers that are believed"
        yield _failed(place, f"{path} is of mode {mode:04o}", advice)
    elif not _connects(path):
        yield _skipped(place, f"nobody listens at {path}: no server runs")
    else:
        yield _ok(place, f"{path} is open to the group {group}, of which the front proxy must be")


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _check_inherited(environment: Mapping[str, str]) -> Findings:
    place = "LISTEN_FDS"
    if not environment.get("LISTEN_FDS"):
        yield _skipped(place, "no parent hands sockets on")
        return
    try:
        with open_inherited_listeners(dict(environment)) as listeners:
            if listeners:
                names = ", ".join(listener.path or str(listener.sock.getsockname()) for listener in listeners)
                yield _ok(place, names)
            else:
                yield _skipped(place, "they are for another process ($LISTEN_PID)")
    except ConductorError as error:
        yield _failed(place, str(error), "each must be a listening stream socket, as from a systemd socket unit")
