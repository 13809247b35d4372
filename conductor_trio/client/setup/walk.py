"""The steps of ``setup``, each told as it is done."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping

import attrs

from conductor_trio.client.config.address import ServerAddress, format_place, parse_server
from conductor_trio.client.config.files import config_directories
from conductor_trio.client.setup.configuration import add_settings
from conductor_trio.client.setup.install import Acceptance, install, try_key
from conductor_trio.client.setup.key import Key, key_path, provide_key
from conductor_trio.errors import ConfigError, StartError, TransportError
from conductor_trio.findings import Finding, Status


def set_up(
    server: str, environ: Mapping[str, str], report: Callable[[Finding], None], *, replace: bool
) -> ServerAddress:
    """Make and install the key and write the configuration; return the gateway's address with its key.

    Raises `ConductorError` at what cannot be done.
    """
    address = parse_server(server)
    if address.host is None:
        raise ConfigError(f"{server} is on this host, where no key is needed", advice="name a gateway")
    home = environ.get("HOME") or os.path.expanduser("~")
    key = provide_key(key_path(home))
    report(_done("key", f"{key.path} is {'new' if key.is_new else 'there'}"))
    _bring(address, key, report)
    _write_configuration(server, key, environ, report, replace=replace)
    return attrs.evolve(address, identity=key.path)


def _bring(address: ServerAddress, key: Key, report: Callable[[Finding], None]) -> None:
    place = format_place(address)
    found = Acceptance.NONE if key.is_new else try_key(address, key)
    if found is Acceptance.WHOLE:
        report(_done("gateway", f"{place} takes it"))
        return
    if found is Acceptance.HALF:
        raise _wants_more(place)
    report(_done("gateway", f"logging in at {place} to install it, which may ask you something"))
    is_added = install(address, key)
    found = try_key(address, key)
    if found is Acceptance.HALF:
        raise _wants_more(place)
    if found is Acceptance.NONE:
        raise TransportError(
            f"{place} does not let the key in, though it is in ~/.ssh/authorized_keys there",
            advice=f"its administrators may keep keys elsewhere: ask them to add this line: {key.authorized_line}",
            hop="login",
        )
    report(_done("gateway", f"{place} takes it{'' if is_added else ', and has done so before'}"))


def _wants_more(place: str) -> TransportError:
    return TransportError(
        f"{place} takes the key, and asks for a second factor all the same, which no job can answer",
        advice="ask its administrators to let such keys in by themselves (AuthenticationMethods); where you can "
        f"answer, in a terminal, `conductor-trio {place} -- COMMAND` works without setup",
        hop="login",
    )


def _write_configuration(
    server: str, key: Key, environ: Mapping[str, str], report: Callable[[Finding], None], *, replace: bool
) -> None:
    path = os.path.join(config_directories(environ)[-1], "config.toml")
    try:
        text = _read(path)
        edited = add_settings(text, {"server": server, "identity": key.path}, file=path, replace=replace)
        if edited.kept:
            said = ", ".join(f"{name} = {value!r}" for name, value in edited.kept.items())
            report(
                Finding(
                    check="configuration",
                    status=Status.WARNING,
                    detail=f"{path} says {said}, and is left as it is",
                    advice=f"`conductor-trio setup --replace {server}` changes that",
                )
            )
        elif edited.text == text:
            report(_done("configuration", f"{path} names it"))
        else:
            _write(path, edited.text)
            report(_done("configuration", f"{path} names it now"))
    except OSError as error:
        raise StartError(f"cannot write {path}: {error.strerror}") from error


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text, from byte {error.start} on") from error


def _write(path: str, text: str) -> None:
    """Write a file as a whole, with the mode that it has; where it is a link, what that leads to."""
    path = os.path.realpath(path)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    mode = 0o600
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(path).st_mode & 0o7777
    new = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    with open(new, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
    os.replace(new, path)


def _done(check: str, detail: str) -> Finding:
    return Finding(check=check, status=Status.OK, detail=detail)
