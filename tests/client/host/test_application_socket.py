"""Connections to the application, and to nobody else who listens in its place."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from conductor_trio.client.host import application_socket
from conductor_trio.client.host.application_socket import (
    ApplicationSocket,
    ForeignListener,
    open_application_socket,
)
from conductor_trio.errors import StartError, UpstreamUnavailable
from tests.support.descriptors import no_descriptor_left
from tests.support.needs import require_root
from tests.support.users import BOB, acting_as, real_person


@pytest.fixture
def shared(short_tmp: Path) -> Path:
    short_tmp.chmod(0o755)
    directory = short_tmp / "shared"
    directory.mkdir()
    directory.chmod(0o777)
    return directory


@contextlib.contextmanager
def listening(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        yield
    path.unlink()


@contextlib.contextmanager
def bob_listening(path: Path) -> Iterator[None]:
    bob = real_person(BOB)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))  # by us, where he may not
        os.chown(path, bob.uid, bob.gid)
        with acting_as(bob):
            sock.listen()
        yield
    path.unlink()


async def leads_to(application: ApplicationSocket, listener: socket.socket) -> bool:
    """Whether a connection comes out at a listener."""
    await connect(application)
    listener.settimeout(10)
    listener.accept()[0].close()
    return True


async def connect(application: ApplicationSocket) -> None:
    (await application.connect(connect_timeout=0)).close()


async def test_where_only_we_can_listen_whoever_does_is_the_application(short_tmp: Path) -> None:
    short_tmp.chmod(0o755)
    with open_application_socket(str(short_tmp / "s"), None) as application:
        assert application.shared is None
        with bob_listening(short_tmp / "s"):  # root has put it there
            await connect(application)


async def test_we_are_taken_for_the_application_and_others_are_not(shared: Path) -> None:
    with open_application_socket(str(shared / "s"), None) as application:
        assert application.shared == str(shared)
        with pytest.raises(UpstreamUnavailable, match="No such file"):
            await connect(application)
        with listening(shared / "s"):
            await connect(application)
        with bob_listening(shared / "s"), pytest.raises(ForeignListener, match="another user of this host"):
            await connect(application)
        with listening(shared / "s"):  # and again
            await connect(application)


async def test_who_listens_counts_and_not_only_whose_file_it_is(shared: Path) -> None:
    bob = real_person(BOB)
    with socket.socket(socket.AF_UNIX) as sock, open_application_socket(str(shared / "s"), None) as application:
        sock.bind(str(shared / "s"))
        with acting_as(bob):
            sock.listen()
        with pytest.raises(ForeignListener):
            await connect(application)
        sock.listen()
        await connect(application)
        os.chown(shared / "s", bob.uid, -1)
        with pytest.raises(ForeignListener):
            await connect(application)
    (shared / "s").unlink()


async def test_no_link_leads_to_another_socket_of_ours(shared: Path) -> None:
    other = shared.parent / "other"
    with listening(other), open_application_socket(str(shared / "s"), None) as application:
        os.symlink(other, shared / "s")
        with pytest.raises(ForeignListener, match="is a link"):
            await connect(application)


async def test_another_directory_of_the_same_name_is_not_looked_into(shared: Path) -> None:
    inner, private = shared / "inner", shared.parent / "private"
    inner.mkdir()
    private.mkdir()
    with listening(private / "s"), open_application_socket(str(inner / "s"), None) as application:
        assert application.shared == str(shared)
        inner.rename(shared / "away")
        inner.symlink_to(private)
        with pytest.raises(UpstreamUnavailable, match="No such file"):
            await connect(application)
        with listening(shared / "away" / "s"):
            await connect(application)


async def test_whom_the_user_names_may_listen_by_name_and_by_id(shared: Path) -> None:
    bob = real_person(BOB)
    for name in (bob.name, str(bob.uid)):
        with open_application_socket(str(shared / "s"), name) as application, bob_listening(shared / "s"):
            await connect(application)
    with pytest.raises(StartError, match="no user nobody-of-that-name"):
        open_application_socket(str(shared / "s"), "nobody-of-that-name").__enter__()


async def test_subordinate_ids_are_ours(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = real_person(BOB)
    table = shared.parent / "subuid"
    table.write_text(f"someone:{bob.uid}:1\n{os.geteuid()}:{bob.uid + 1}:5\n\nodd\na:b:c\n")
    monkeypatch.setattr(application_socket, "SUBORDINATE_IDS", table)
    with bob_listening(shared / "s"):
        with open_application_socket(str(shared / "s"), None) as application, pytest.raises(ForeignListener):
            await connect(application)
        with table.open("a") as file:
            file.write(f"root:{bob.uid - 5}:6\n")
        with open_application_socket(str(shared / "s"), None) as application:
            await connect(application)


def test_a_directory_that_there_is_not_is_told(shared: Path) -> None:
    (shared / "gone").symlink_to("nowhere")
    with pytest.raises(StartError, match="cannot open the directory"):
        open_application_socket(str(shared / "gone" / "s"), None).__enter__()


async def test_while_it_listens_it_is_reached_whoever_has_its_name(shared: Path) -> None:
    require_root()
    path = shared / "s"
    with socket.socket(socket.AF_UNIX) as sock, open_application_socket(str(path), None) as application:
        sock.bind(str(path))
        sock.listen()
        assert await leads_to(application, sock)
        path.rename(shared / "away")
        assert await leads_to(application, sock)
        with bob_listening(path):
            assert not application.hold()
            assert await leads_to(application, sock)
        os.symlink("away", path)
        assert not application.hold()
        assert await leads_to(application, sock)
        path.unlink()
        (shared / "away").unlink()
        sock.close()
        with bob_listening(path), pytest.raises(ForeignListener, match="another user of this host"):
            await connect(application)


async def test_it_is_followed_to_another_socket_of_ours_and_of_whom_the_user_names(shared: Path) -> None:
    path, bob = shared / "s", real_person(BOB)
    with open_application_socket(str(path), bob.name) as application:
        for owner in (os.geteuid(), bob.uid):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.bind(str(path))
                sock.listen()
                os.chown(path, owner, -1)
                assert await leads_to(application, sock)
                path.unlink()
                assert await leads_to(application, sock)


async def test_a_directory_that_others_have_made_again_has_nothing_of_ours(short_tmp: Path) -> None:
    bob = real_person(BOB)
    short_tmp.chmod(0o755)
    (directory := short_tmp / "d").mkdir()
    with socket.socket(socket.AF_UNIX) as sock, open_application_socket(str(directory / "s"), None) as application:
        assert application.shared is None
        sock.bind(str(directory / "s"))
        sock.listen()
        assert await leads_to(application, sock)
        (directory / "s").unlink()
        os.chown(directory, bob.uid, bob.gid)
        with bob_listening(directory / "s"):
            assert not application.hold()
            assert await leads_to(application, sock)
        os.chown(directory, os.geteuid(), -1)
        with bob_listening(directory / "s"):  # such as a container
            assert application.hold()


async def test_without_a_descriptor_nobody_is_reached(shared: Path) -> None:
    with listening(shared / "s"), open_application_socket(str(shared / "s"), None) as application:
        with no_descriptor_left(), pytest.raises(UpstreamUnavailable, match="cannot be held"):
            await connect(application)
        await connect(application)
