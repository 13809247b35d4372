"""Where the server listens: its own sockets with their modes, and its parent's in the place of those."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from conductor_trio.access.grants import SingleSignOn
from conductor_trio.errors import StartError
from conductor_trio.net.listeners import Listener
from conductor_trio.server.lifecycle.listeners import Listeners, Role, open_listeners
from conductor_trio.server.lifecycle.runtime_directory import open_runtime_directory
from conductor_trio.server.settings import ServerSettings


def make_settings(directory: Path) -> ServerSettings:
    return ServerSettings(
        runtime_dir=str(directory / "run"), patterns=(), port=None, socket=str(directory / "public")
    )


@contextlib.contextmanager
def listening(settings: ServerSettings, *inherited: Listener) -> Iterator[Listeners]:
    """Listen as a server with these settings and its parent's listeners does."""
    with (
        open_runtime_directory(settings.runtime_dir) as runtime,
        open_listeners(settings, runtime, inherited, []) as listeners,
    ):
        yield listeners


@contextlib.contextmanager
def parents(path: Path | str) -> Iterator[Listener]:
    """Give a listener that the parent has opened at the path, and keeps open."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.fspath(path))
        sock.listen()
        yield Listener(sock=sock.dup(), is_inherited=True)


def mode_of(path: Path | str | None) -> int:
    assert path is not None
    return stat.S_IMODE(os.stat(path).st_mode)


def test_each_socket_has_the_mode_that_its_users_need(short_tmp: Path) -> None:
    with listening(make_settings(short_tmp)) as listeners:
        [public] = listeners.public
        assert mode_of(public.path) == 0o660
        assert mode_of(listeners.control.path) == 0o777
        assert mode_of(listeners.handover.path) == 0o600
        assert mode_of(listeners.admin.path) == 0o600
        assert [role for role, _ in listeners.by_role] == [Role.PUBLIC, Role.CONTROL, Role.HANDOVER]
        assert listeners.inherited == listeners.unwanted == []
    assert list(short_tmp.iterdir()) == []


def test_a_port_instead_of_a_socket(short_tmp: Path) -> None:
    with listening(attrs.evolve(make_settings(short_tmp), port=0, socket=None)) as listeners:
        [public] = listeners.public
        host, port = public.sock.getsockname()
        assert host == "127.0.0.1" and port > 0


def test_a_single_sign_on_needs_a_front_proxy_that_can_be_believed(short_tmp: Path) -> None:
    sso = SingleSignOn(user_field=b"x-forwarded-user")
    settings = attrs.evolve(make_settings(short_tmp), socket=None, sso=sso)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        given = Listener(sock=sock.dup(), is_inherited=True)
        with contextlib.closing(given.sock):
            with pytest.raises(StartError, match=r"there is none.*trusted_proxy"), listening(settings, given):
                pass
            with listening(attrs.evolve(settings, trusted_proxies=("127.0.0.1",)), given):
                pass
    with parents(short_tmp / "parents") as given, contextlib.closing(given.sock), listening(settings, given):
        pass
    (short_tmp / "parents").unlink()


def test_what_cannot_be_had_leaves_nothing(short_tmp: Path) -> None:
    settings = attrs.evolve(make_settings(short_tmp), socket=str(short_tmp / "missing" / "public"))
    with pytest.raises(StartError, match="cannot listen"), listening(settings):
        pass
    assert list(short_tmp.iterdir()) == []


def test_the_parents_listener_takes_the_place_of_the_public_one_and_stays_open(short_tmp: Path) -> None:
    with parents(short_tmp / "parents") as given, contextlib.closing(given.sock):
        with listening(make_settings(short_tmp), given) as listeners:
            assert listeners.public == [given]
            assert listeners.inherited == [given]
            assert not (short_tmp / "public").exists()
            listeners.close()
            assert given.sock.fileno() >= 0
            assert listeners.control.sock.fileno() == -1
        assert (short_tmp / "parents").is_socket()
    (short_tmp / "parents").unlink()


def test_the_parents_listener_at_the_control_sockets_path_is_for_clients(short_tmp: Path) -> None:
    run, link = short_tmp / "run", short_tmp / "link"
    run.mkdir()
    link.symlink_to(run)  # as /var/run is one
    with parents(link / "client") as given, contextlib.closing(given.sock):
        with listening(make_settings(short_tmp), given) as listeners:
            assert listeners.control is given
            assert [listener.path for listener in listeners.public] == [str(short_tmp / "public")]
        assert (run / "client").is_socket()
    (run / "client").unlink()


def test_paths_that_are_released_are_left_to_a_successor(short_tmp: Path) -> None:
    with listening(make_settings(short_tmp)) as listeners:
        listeners.release_paths()
        listeners.close()
        paths = [Path(str(listener.path)) for _, listener in listeners.by_role]
        paths.append(Path(listeners.admin_path))
        assert all(path.is_socket() for path in paths)
        for path in paths:
            path.unlink()
