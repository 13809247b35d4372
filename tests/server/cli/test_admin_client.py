"""The operator's end of the socket: answers, refusals, and servers that go."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from conductor_trio.errors import CommandRefused, ConductorError, RemoteProtocolError
from conductor_trio.server.admin.messages import ShowOrders
from conductor_trio.server.cli.admin_client import AdminClient, NoServerError, ask_server
from tests.support.users import BOB, acting_as, real_person

OK = b'{"item": {"host": "a"}}\n{"status": "ok", "count": 1}\n'


@contextmanager
def answering(directory: Path, *answers: bytes) -> Iterator[None]:
    """Answer one connection after the other, and close each."""
    path = directory / "admin"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            for answer in answers:
                with listener.accept()[0] as connection:
                    if answer:
                        connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            thread.join()
            path.unlink()


def test_an_answer(short_tmp: Path) -> None:
    with answering(short_tmp, OK), closing(AdminClient(str(short_tmp))) as client:
        answer = client.command(ShowOrders())
        assert answer.items == [{"host": "a"}] and answer.fields["count"] == 1


def test_the_next_server_is_asked_where_one_goes(short_tmp: Path) -> None:
    with answering(short_tmp, b"", b'{"item": {}}\n{"sta', OK), closing(AdminClient(str(short_tmp))) as client:
        assert client.command(ShowOrders()).items == [{"host": "a"}]


def test_a_refusal_is_said_though_nobody_read_the_command(short_tmp: Path) -> None:
    refusal = b'{"status": "error", "reason": "no", "what": "only root may", "advice": null}\n'
    with (
        answering(short_tmp, refusal),
        closing(AdminClient(str(short_tmp))) as client,
        pytest.raises(CommandRefused, match="only root may"),
    ):
        client.command(ShowOrders())


def test_what_is_no_answer(short_tmp: Path) -> None:
    with (
        answering(short_tmp, b"hello\n"),
        closing(AdminClient(str(short_tmp))) as client,
        pytest.raises(RemoteProtocolError, match="not a line of JSON"),
    ):
        client.command(ShowOrders())


def test_where_no_server_is(short_tmp: Path) -> None:
    for path in (short_tmp, short_tmp / "none", short_tmp / "file" / "x"):
        (short_tmp / "file").touch()
        with pytest.raises(NoServerError, match=f"no server runs on {path}; name its runtime directory with -r"):
            ask_server(str(path), ShowOrders())
    (short_tmp / "admin").touch()
    with pytest.raises(NoServerError):
        ask_server(str(short_tmp), ShowOrders())


def test_who_may_not(short_tmp: Path) -> None:
    bob = real_person(BOB)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short_tmp / "admin"))
        (short_tmp / "admin").chmod(0o600)
        listener.listen()
        with (
            acting_as(bob),
            closing(AdminClient(str(short_tmp))) as client,
            pytest.raises(ConductorError, match=r"you may not use .*; root may, the server's own user"),
        ):
            client.command(ShowOrders())
    (short_tmp / "admin").unlink()
