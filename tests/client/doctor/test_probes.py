"""The probes of doctor, each over sockets of this host: what is there is told, and what is not is explained."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl as ssl_module
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.doctor.findings import Check, CheckFailed
from conductor_trio.client.doctor.probes import (
    Address,
    Answer,
    SshTarget,
    ask,
    check_ssh_port,
    connect,
    find_ssh_target,
    open_tiny_application,
    parse_address,
    resolve,
    shake_hands,
)
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.unix import connect_unix
from tests.doubles.streams import memory_stream_pair
from tests.support.certificates import CertificateAuthority

LIMITS = ClientLimits()

Serve = Callable[[trio.SocketStream], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """Serve connections at a port of this host, and give the port."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await serve(stream)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            [listener] = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), handle, 0)
            yield listener.socket.getsockname()[1]
            nursery.cancel_scope.cancel()


def saying(*pieces: bytes) -> Serve:
    async def serve(stream: trio.SocketStream) -> None:
        for piece in pieces:
            await stream.send_all(piece)

    return serve


async def say_nothing(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


@contextlib.asynccontextmanager
async def closed_port() -> AsyncIterator[int]:
    """Give a port that refuses connections: it is bound, and nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
def ssh(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give how to put a script in the place of ssh; without one, there is none."""
    monkeypatch.setenv("PATH", str(short_tmp))

    def write(script: str) -> None:
        program = short_tmp / "ssh"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return write


@pytest.mark.parametrize(
    ("configuration", "target"),
    [
        ("hostname gw.example.org\nport 2222", SshTarget(host="gw.example.org", port=2222, way=None)),
        ("hostname gw\nport 22\nproxyjump none", SshTarget(host="gw", port=22, way=None)),
        ("hostname gw\nport 22\nproxyjump b@bastion", SshTarget(host="gw", port=22, way="jump host b@bastion")),
        (
            "hostname gw\nport 22\nproxycommand nc -X 5 %h %p",
            SshTarget(host="gw", port=22, way="the command nc -X 5 %h %p"),
        ),
        ("user me", SshTarget(host="g", port=22, way=None)),
        ("port 1\nport 2\nhostname a\nhostname b", SshTarget(host="a", port=1, way=None)),  # the first holds
    ],
)
async def test_where_ssh_goes_is_as_it_is_configured(
    ssh: Callable[[str], None], configuration: str, target: SshTarget
) -> None:
    ssh(f"echo '{configuration}'")
    assert await find_ssh_target(ServerAddress(host="g")) == target


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (ServerAddress(host="g"), "-G -- g"),
        (ServerAddress(host="g", port=2222), "-G -p 2222 -- g"),
    ],
)
async def test_ssh_is_asked_with_the_users_words(
    ssh: Callable[[str], None], address: ServerAddress, words: str
) -> None:
    ssh('echo "hostname $*"')
    assert (await find_ssh_target(address)).host == words


async def test_a_configuration_that_ssh_does_not_take_is_named(ssh: Callable[[str], None]) -> None:
    ssh("echo 'config line 3: Bad\ttoken' >&2; exit 255")
    with pytest.raises(CheckFailed, match="config line 3: Bad token; correct") as caught:
        await find_ssh_target(ServerAddress(host="g"))
    assert caught.value.check is Check.RESOLVE


async def test_without_an_ssh_there_is_advice(ssh: Callable[[str], None]) -> None:
    with pytest.raises(CheckFailed, match="install the OpenSSH client"):
        await find_ssh_target(ServerAddress(host="g"))


async def test_an_address_resolves_to_itself_once() -> None:
    assert await resolve(Check.RESOLVE, "127.0.0.1", 22, LIMITS) == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("check", "name", "says"),
    [
        (Check.RESOLVE, "x" * 64, "~/.ssh/config"),
        (Check.NAME, f"{'x' * 64}.apps.example.org", r"a wildcard record, \*\.apps\.example\.org"),
    ],
)
async def test_a_name_that_is_none_is_explained_by_its_use(check: Check, name: str, says: str) -> None:
    """The label is too long for any nameserver to be asked (RFC 1035 section 2.3.4)."""
    with pytest.raises(CheckFailed, match=f"cannot be resolved: it is no host name; .*{says}") as caught:
        await resolve(check, name, 22, LIMITS)
    assert caught.value.check is check


async def test_the_first_address_that_takes_a_connection_is_taken() -> None:
    async with listening(say_nothing) as port:
        stream = await connect(Check.CONNECT, ["127.0.0.2", "127.0.0.1"], port, LIMITS)
        async with stream:
            assert stream.socket.getpeername() == ("127.0.0.1", port)


@pytest.mark.parametrize(
    ("check", "advice"), [(Check.CONNECT, "check host and port in SERVER"), (Check.REQUEST, "a front proxy")]
)
async def test_where_no_address_takes_one_each_is_told(check: Check, advice: str) -> None:
    async with closed_port() as port:
        with pytest.raises(CheckFailed, match="cannot be reached") as caught:
            await connect(check, ["127.0.0.1", "127.0.0.2"], port, LIMITS)
    assert "127.0.0.1: Connection refused, 127.0.0.2: Connection refused" in caught.value.what
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        (b"SSH-2.0-OpenSSH_9.2 Debian\r\n",),
        (b"Welcome\r\n", b"to the gateway\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"),  # RFC 4253 section 4.2
        (b"SSH-2.0-Ope", b"nSSH_9.2\r\n"),
    ],
)
async def test_an_ssh_server_is_known_by_its_greeting(said: Sequence[bytes]) -> None:
    async with listening(saying(*said)) as port:
        assert await check_ssh_port(["127.0.0.1"], port, LIMITS) == "SSH-2.0-OpenSSH_9.2"


@pytest.mark.parametrize(
    "serve",
    [saying(b"220 smtp.example.org\r\n"), saying(), saying(b"x" * 10_000_000)],
    ids=["mail", "hangs up", "endless"],
)
async def test_what_greets_otherwise_is_no_ssh_server(serve: Serve) -> None:
    async def serve_all(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            await serve(stream)

    async with listening(serve_all) as port:
        with pytest.raises(CheckFailed, match="no SSH server greets there") as caught:
            await check_ssh_port(["127.0.0.1"], port, LIMITS)
    assert caught.value.check is Check.CONNECT


async def test_a_port_that_says_nothing_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    async with listening(say_nothing) as port:
        with pytest.raises(CheckFailed, match="no SSH server greets there"):
            await check_ssh_port(["127.0.0.1"], port, LIMITS)


async def test_a_handshake_that_does_not_come_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    async with listening(say_nothing) as port:
        with pytest.raises(CheckFailed, match=f"no TLS handshake within {LIMITS.probe_connect_timeout:g} s"):
            await shake(port)


@pytest.mark.parametrize(
    ("scheme", "host", "name", "port", "is_local"),
    [
        ("https", "a-b.example.org:8443", "a-b.example.org", 8443, False),
        ("https", "a-b.example.org", "a-b.example.org", 443, False),
        ("http", "a-b.localhost", "a-b.localhost", 80, True),
        ("http", "localhost:8000", "localhost", 8000, True),
        ("http", "notlocalhost", "notlocalhost", 80, False),
        ("http", "localhost.example.org", "localhost.example.org", 80, False),
    ],
)
def test_addresses(scheme: str, host: str, name: str, port: int, is_local: bool) -> None:
    address = Address(scheme=scheme, host=host)
    assert (address.name, address.port, address.is_local) == (name, port, is_local)


@contextlib.asynccontextmanager
async def tls_server(directory: Path, name: str, days: float) -> AsyncIterator[int]:
    """Listen with a certificate of that name, of an authority in `ca.pem`."""
    authority = CertificateAuthority()
    (directory / "ca.pem").write_bytes(authority.certificate)
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    context = ssl_module.create_default_context(ssl_module.Purpose.CLIENT_AUTH)
    authority.issue(name, end=end).configure(context)

    async def serve(stream: trio.SocketStream) -> None:
        tls = trio.SSLStream(stream, context, server_side=True)
        with contextlib.suppress(trio.BrokenResourceError):
            await tls.do_handshake()
            await tls.receive_some(1)

    async with listening(serve) as port:
        yield port


async def shake(port: int) -> str:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        _, said = await shake_hands(stream, "a.apps.test", LIMITS)
        return said


@pytest.mark.parametrize(
    ("name", "days", "trusts", "says"),
    [
        ("*.apps.test", 30.5, True, None),
        ("*.apps.test", 30.5, False, "an authority that browsers know"),
        ("*.apps.test", -2, True, "must be renewed"),
        ("*.other.test", 30.5, True, "for a.apps.test, or for a wildcard of its domain"),
    ],
)
async def test_certificates(
    short_tmp: Path, name: str, days: float, trusts: bool, says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_server(short_tmp, name, days) as port:
        if trusts:
            monkeypatch.setenv("SSL_CERT_FILE", str(short_tmp / "ca.pem"))
        if says is None:
            assert await shake(port) == "the certificate is good for 30 days more"
        else:
            with pytest.raises(CheckFailed, match="the certificate is not to be trusted") as caught:
                await shake(port)
            assert says in str(caught.value)
            assert caught.value.check is Check.TLS


@pytest.mark.parametrize(
    ("serve", "says"),
    [
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak TLS"),
        (saying(), "the TLS handshake failed"),
    ],
)
async def test_what_speaks_no_tls(serve: Serve, says: str) -> None:
    async with listening(serve) as port:
        with pytest.raises(CheckFailed, match=says):
            await shake(port)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (
            b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 2\r\n\r\nhi",
            Answer(status=200, server="nginx", body=b"hi"),
        ),
        (b"HTTP/1.0 404 No\r\n\r\nto the end", Answer(status=404, server="", body=b"to the end")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
            Answer(status=200, server="", body=b"abc"),
        ),
        (b"HTTP/1.1 204 No\r\n\r\n", Answer(status=204, server="", body=b"")),
    ],
)
async def test_answers(said: bytes, answer: Answer) -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(said)
    await theirs.send_eof()
    assert await ask(ours, "a.example.org:8443", "t0ken", LIMITS) == answer
    asked = (await theirs.receive_some(65536)).decode()
    assert asked.startswith("GET / HTTP/1.1\r\n")
    assert "host: a.example.org:8443\r\n" in asked.lower()
    assert "cookie: authorization=" in asked.lower()


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (b"Hello!\r\n\r\n", "the answer is no HTTP"),
        (b"", "the connection was closed without an answer"),
        (b"HTTP/1.1 200 OK\r\n", "no HTTP|without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", "the answer is no HTTP"),
        (None, f"no answer within {LIMITS.answer_timeout:g} s"),
    ],
)
async def test_what_is_no_answer(said: bytes | None, says: str, autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = memory_stream_pair()
    if said is not None:
        await theirs.send_all(said)
        await theirs.send_eof()
    with pytest.raises(CheckFailed, match=says) as caught:
        await ask(ours, "a", "t0ken", LIMITS)
    assert caught.value.check is Check.REQUEST


async def test_an_endless_answer_is_cut() -> None:
    ours, theirs = memory_stream_pair(capacity=65536)
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            with contextlib.suppress(trio.BrokenResourceError):
                await theirs.send_all(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10_000_000)

        nursery.start_soon(send)
        answer = await ask(ours, "a", "t0ken", LIMITS)
        ours.close()
    assert LIMITS.max_probe_answer <= len(answer.body) <= LIMITS.max_probe_answer + LIMITS.read_size


async def test_the_tiny_application_answers_any_number_of_requests(short_tmp: Path) -> None:
    path = str(short_tmp / "socket")
    async with open_tiny_application(path, b"it is me", LIMITS):
        for _ in range(3):
            with contextlib.closing(await connect_unix(path, connect_timeout=5)) as stream:
                answer = await ask(stream, "a", "t0ken", LIMITS)
            assert answer == Answer(status=200, server="", body=b"it is me")
        with contextlib.closing(await connect_unix(path, connect_timeout=5)):
            pass  # who asks nothing


@pytest.mark.parametrize("host", [":80", "a:0", "a:70000", "a:" + "9" * 5000, "a/b", "[", "a b"])
def test_an_address_that_nobody_could_come_to_is_told(host: str) -> None:
    with pytest.raises(CheckFailed, match="none"):
        parse_address(host)


def test_an_address_that_a_server_tells() -> None:
    address = parse_address("app-alice.apps.test:8443")
    assert (address.scheme, address.name, address.port) == ("https", "app-alice.apps.test", 8443)
