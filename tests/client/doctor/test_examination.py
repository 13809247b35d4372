"""conductor-trio doctor: each hop fails for real, and is named with what to do; and all is well where it is."""

from __future__ import annotations

import contextlib
import datetime
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from conductor_trio.client.doctor.findings import Check
from conductor_trio.client.doctor.probes import Address
from scripts.private_sshd import PrivateSshd, SshdError, open_private_sshd
from tests.doubles.control_server import open_control_server
from tests.doubles.nameserver import open_nameserver
from tests.support.certificates import CertificateAuthority
from tests.support.chain import open_chain, open_sshd
from tests.support.needs import missing
from tests.support.programs import (
    OWN_PYTHON,
    Program,
    Server,
    open_server,
    run_program,
    wait_until,
)

pytestmark = pytest.mark.e2e

Finding = dict[str, str]

PROGRAM = OWN_PYTHON.with_name("conductor-trio")


@contextmanager
def my_sshd(*extra_config: str) -> Iterator[PrivateSshd]:
    try:
        with open_private_sshd(extra_config=extra_config) as sshd:
            yield sshd
    except SshdError as error:
        missing(str(error))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def open_gateway(directory: Path, *options: str | Path, domain: str = "localhost") -> AsyncIterator[Server]:
    """Run a server whose names have its port."""
    port = free_port()
    pattern = f"{{key}}-{{user}}.{domain}:{port}"
    async with open_server(directory / "run", "-p", str(port), "-d", pattern, *options) as server:
        yield server


async def examine(
    sshd: PrivateSshd, path: Path | str, *words: str, prefix: Sequence[str] = (), **variables: str
) -> list[Finding]:
    """Have the way to a control socket behind the SSH server examined."""
    command: list[str | Path] = [*prefix, PROGRAM, "doctor", "--json", f"localhost:{sshd.port}{path}", *words]
    done = await run_program(command, environment=sshd.me.environment() | variables)
    return read(done)


def read(done: Program) -> list[Finding]:
    findings: list[Finding] = [json.loads(line) for line in done.out.lines]
    assert "Traceback" not in done.err.text
    is_well = all(finding["status"] != "failed" for finding in findings)
    assert done.process.returncode == (0 if is_well else 1), done.err.text
    return findings


def failure(findings: list[Finding]) -> tuple[Check, str]:
    """Return the hop that failed, and what was said about it; all the later ones were left out."""
    [failed] = [finding for finding in findings if finding["status"] == "failed"]
    later = findings[findings.index(failed) + 1 :]
    assert all(finding["status"] == "skipped" for finding in later)
    assert failed["whom"]
    return Check(failed["hop"]), f"{failed['detail']}; {failed['advice']}"


async def test_all_is_well(short_tmp: Path) -> None:
    async with open_gateway(short_tmp) as server:
        with my_sshd() as sshd:
            findings = await examine(sshd, server.control_socket)
            assert [finding["hop"] for finding in findings if finding["status"] == "ok"] == [
                hop.value for hop in Check if hop not in (Check.APPLICATION, Check.NAME, Check.TLS)
            ]
            # What was made for it is gone.
            assert server.session_directories == []
        # And on the gateway itself, for people.
        done = await run_program([PROGRAM, "doctor", server.control_socket])
        assert done.process.returncode == 0
        assert done.out.lines[0] == "skipped  resolve             the server is on this host"
        assert done.out.lines[-1].startswith("ok       request             there and back in ")


async def test_a_name_that_cannot_be_resolved(short_tmp: Path) -> None:
    done = await run_program([PROGRAM, "doctor", "--json", "no-such-host.invalid"])
    hop, said = failure(read(done))
    assert hop is Check.RESOLVE and "~/.ssh/config" in said


async def test_ports_without_an_ssh_server(short_tmp: Path) -> None:
    done = await run_program([PROGRAM, "doctor", "--json", f"127.0.0.1:{free_port()}"])
    hop, said = failure(read(done))
    assert hop is Check.CONNECT and "refused" in said
    async with trio.open_nursery() as nursery:

        async def say_nothing(stream: trio.SocketStream) -> None:
            async with stream:
                await stream.send_all(b"220 smtp.example.org\r\n")

        [listener] = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), say_nothing, 0)
        port = listener.socket.getsockname()[1]
        done = await run_program([PROGRAM, "doctor", "--json", f"127.0.0.1:{port}"])
        hop, said = failure(read(done))
        assert hop is Check.CONNECT and "no SSH server" in said
        nursery.cancel_scope.cancel()


async def test_a_host_key_that_is_not_known() -> None:
    with my_sshd() as sshd:
        sshd.me.known_hosts.write_text("")
        hop, said = failure(await examine(sshd, "/run/client"))
        assert hop is Check.HOST_KEY and "log in once by hand" in said


async def test_a_host_key_that_has_changed() -> None:
    with my_sshd() as sshd:
        key = (sshd.me.directory / "key.pub").read_text()
        sshd.me.known_hosts.write_text(f"[localhost]:{sshd.port} {key}")
        hop, said = failure(await examine(sshd, "/run/client"))
        assert hop is Check.HOST_KEY and "has changed" in said


async def test_a_login_that_is_denied() -> None:
    with my_sshd() as sshd:
        for file in (sshd.directory / "authorized").iterdir():
            file.write_text("")
        findings = await examine(sshd, "/run/client")
        hop, said = failure(findings)
        assert hop is Check.LOGIN and "permission denied" in said
        assert {"hop": "host key", "status": "ok", "detail": "it is known here"} in findings


@pytest.mark.parametrize("allowed", ["no", "local"])
async def test_forwarding_that_is_not_allowed(short_tmp: Path, allowed: str) -> None:
    async with open_gateway(short_tmp) as server:
        with my_sshd(f"AllowStreamLocalForwarding {allowed}") as sshd:
            hop, said = failure(await examine(sshd, server.control_socket))
            assert hop is Check.FORWARDING and "AllowStreamLocalForwarding must be yes" in said


async def test_no_control_socket(short_tmp: Path) -> None:
    with my_sshd() as sshd:
        hop, said = failure(await examine(sshd, short_tmp / "nothing"))
        assert hop is Check.CONTROL and "there is no socket" in said
        left = short_tmp / "left"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(left))
        hop, said = failure(await examine(sshd, left))
        assert hop is Check.CONTROL and "nobody listens" in said and "conductor-trio-server must run" in said
        left.unlink()
        # Nothing of the trial is left on the gateway; another run's may be for a moment.
        await wait_until(lambda: not [path for path in Path("/tmp").glob("conductor-trio-*") if path.is_socket()])


async def test_a_server_that_does_not_greet(short_tmp: Path) -> None:
    with my_sshd() as sshd, trio.socket.socket(socket.AF_UNIX) as sock:
        await sock.bind(str(short_tmp / "client"))
        sock.listen()
        async with trio.open_nursery() as nursery:

            async def hang_up() -> None:
                while True:
                    stream, _ = await sock.accept()
                    stream.close()

            nursery.start_soon(hang_up)
            hop, said = failure(await examine(sshd, short_tmp / "client"))
            assert hop is Check.BANNER and "closed the control channel" in said
            nursery.cancel_scope.cancel()
        (short_tmp / "client").unlink()


async def test_a_server_that_is_full(short_tmp: Path) -> None:
    async with open_gateway(short_tmp, "--max-sessions", "1") as server:
        with my_sshd() as sshd:
            async with await trio.open_unix_socket(str(server.control_socket)) as other:
                assert await other.receive_some()
                hop, said = failure(await examine(sshd, server.control_socket))
                assert hop is Check.BANNER and "the most for one user" in said  # who has it all


async def test_a_relay_socket_that_the_server_cannot_use(short_tmp: Path) -> None:
    # Neither sshd nor a shell makes it of the right mode.
    with open_sshd(extra_config=["ForceCommand /bin/false"]) as sshd:
        async with open_chain(short_tmp, sshd) as chain:
            done = await run_program(
                [chain.python.with_name("conductor-trio"), "doctor", "--json", chain.address],
                person=chain.alice,
                environment=chain.environment(chain.alice),
            )
            hop, said = failure(read(done))
            assert hop is Check.RELAY and "StreamLocalBindMask 0117" in said and "chmod" in said


async def test_a_registration_that_is_refused(short_tmp: Path) -> None:
    async with open_control_server(short_tmp) as server:
        server.refusals.append("the moon is full")
        with my_sshd() as sshd:
            findings = await examine(sshd, server.path)
            assert failure(findings) == (Check.REGISTRATION, "the moon is full; ")


async def test_a_domain_that_leads_nowhere(short_tmp: Path) -> None:
    async with open_gateway(short_tmp, domain="apps.invalid") as server:
        done = await run_program([PROGRAM, "doctor", "--json", server.control_socket])
        hop, said = failure(read(done))
        assert hop is Check.NAME and "*.apps.invalid" in said


async def test_an_application_that_does_not_run(short_tmp: Path) -> None:
    done = await run_program([PROGRAM, "doctor", "--json", "gw.invalid", short_tmp / "app.sock"])
    hop, said = failure(read(done))
    assert hop is Check.APPLICATION and "start the application" in said


# The visitors' way.


@pytest.fixture
async def names(short_tmp: Path) -> AsyncIterator[list[str]]:
    async with open_nameserver(short_tmp) as prefix:
        yield prefix


@contextlib.contextmanager
def certificate(directory: Path, *names: str, days: int = 30) -> Iterator[list[str | Path]]:
    """Give the server's options for a certificate of an authority in `ca.pem`."""
    authority = CertificateAuthority()
    (directory / "ca.pem").write_bytes(authority.certificate)
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    issued = authority.issue(*names, end=end)
    (directory / "server.pem").write_bytes(issued.both)
    yield ["--ssl-cert-file", directory / "server.pem", "--ssl-key-file", directory / "server.pem"]


def trusting(directory: Path) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(directory / "ca.pem")}


def nobody(directory: Path) -> dict[str, str]:
    return {}


@pytest.mark.parametrize(
    ("name", "days", "trusted", "fails"),
    [
        ("*.apps.test", 30, trusting, None),
        ("*.apps.test", 30, nobody, "an authority that browsers know"),
        ("*.apps.test", -2, trusting, "must be renewed"),
        ("*.other.test", 30, trusting, "a wildcard of its domain"),
    ],
)
async def test_certificates(
    short_tmp: Path,
    names: list[str],
    name: str,
    days: int,
    trusted: Callable[[Path], dict[str, str]],
    fails: str | None,
) -> None:
    with certificate(short_tmp, name, days=days) as options:
        async with open_gateway(short_tmp, *options, domain="apps.test") as server:
            with my_sshd() as sshd:
                findings = await examine(sshd, server.control_socket, prefix=names, **trusted(short_tmp))
    if fails is None:
        assert [finding["status"] for finding in findings] == ["ok"] * 12
        assert "good for 29 days" in next(f for f in findings if f["hop"] == "TLS")["detail"]
    else:
        hop, said = failure(findings)
        assert hop is Check.TLS and fails in said


async def test_a_port_without_tls(short_tmp: Path, names: list[str]) -> None:
    async with open_gateway(short_tmp, domain="apps.test") as server:
        done = await run_program([*names, PROGRAM, "doctor", "--json", server.control_socket])
        hop, said = failure(read(done))
        assert hop is Check.TLS and "does not speak TLS" in said


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 404 Not Found\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n", "pass Host on"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "pass Cookie on"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "is broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "somebody else answers"),
        (b"Hello!\r\n\r\n", "no HTTP"),
        (b"", "without an answer"),
    ],
)
async def test_somebody_else_answers(short_tmp: Path, answer: bytes, says: str) -> None:
    async with trio.open_nursery() as nursery:

        async def serve(stream: trio.SocketStream) -> None:
            async with stream:
                await stream.receive_some()
                await stream.send_all(answer)

        [listener] = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), serve, 0)
        pattern = f"{{key}}-{{user}}.localhost:{listener.socket.getsockname()[1]}"
        async with open_server(short_tmp / "run", "-d", pattern) as server:
            done = await run_program([PROGRAM, "doctor", "--json", server.control_socket])
            hop, said = failure(read(done))
            assert hop is Check.REQUEST and says in said
        nursery.cancel_scope.cancel()


def test_addresses() -> None:
    address = Address(scheme="https", host="a-b.example.org:8443")
    assert (address.name, address.port, address.is_local) == ("a-b.example.org", 8443, False)
    assert Address(scheme="https", host="a-b.example.org").port == 443
    assert Address(scheme="http", host="a-b.localhost").is_local
