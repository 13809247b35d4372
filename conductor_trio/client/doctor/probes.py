"""The probes of ``doctor``: names, ports, certificates, requests; and a tiny application that answers these."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import ssl
import time
from collections.abc import AsyncIterator, Sequence

import attrs
import h11
import trio

from conductor_trio.access.login_link import guess_scheme
from conductor_trio.access.tokens import cookie_value
from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.doctor.findings import Check, CheckFailed
from conductor_trio.errors import RemoteProtocolError, first_of
from conductor_trio.http1.authority import parse_authority
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.listeners import open_unix_listener, serve_connections
from conductor_trio.net.stream import STREAM_LOST, SocketStream, Stream

_DAY = 86400.0

_PORT = {"http": 80, "https": 443}


@attrs.frozen(kw_only=True)
class SshTarget:
    """Where ssh connects to, by its configuration; `way` is a jump host or a command that leads there."""

    host: str
    port: int
    way: str | None


async def find_ssh_target(address: ServerAddress) -> SshTarget:
    """Return where ssh would go; raises `CheckFailed`."""
    assert address.host is not None
    if shutil.which("ssh") is None:
        raise CheckFailed(Check.RESOLVE, "there is no ssh on your PATH", advice="install the OpenSSH client")
    command = ["ssh", "-G", *(["-p", str(address.port)] if address.port else []), "--", address.host]
    done = await trio.run_process(command, stdin=b"", capture_stdout=True, capture_stderr=True, check=False)
    if done.returncode != 0:
        said = re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", done.stderr.decode("utf-8", "replace")).strip()
        raise CheckFailed(
            Check.RESOLVE, f"ssh does not take its configuration: {said}", advice="correct ~/.ssh/config"
        )
    lines = [line.split(" ", 1) for line in done.stdout.decode("utf-8", "replace").splitlines() if " " in line]
    told = dict(reversed(lines))
    ways = (
        f"{name} {told[key]}"
        for key, name in (("proxyjump", "jump host"), ("proxycommand", "the command"))
        if told.get(key, "none") != "none"
    )
    return SshTarget(
        host=told.get("hostname", address.host), port=int(told.get("port", "22")), way=next(ways, None)
    )


def parse_address(host: str) -> Address:
    """Return the address that a server has told; raises `CheckFailed` where nobody could come to it."""
    try:
        parse_authority(host.encode())
    except RemoteProtocolError as error:
        advice = "correct the domain of conductor-trio-server"
        raise CheckFailed(
            Check.NAME, f"the server tells an address that is none: {host}", advice=advice
        ) from error
    return Address(scheme=guess_scheme(host), host=host)


async def resolve(check: Check, host: str, port: int, limits: ClientLimits) -> list[str]:
    """Return the addresses of a host; raises `CheckFailed`."""
    with trio.move_on_after(limits.resolve_timeout):
        try:
            found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            what = getattr(error, "strerror", None) or "it is no host name"
            raise CheckFailed(
                check, f"the name {host} cannot be resolved: {what}", advice=_advise_on_name(check, host)
            ) from error
        return list(dict.fromkeys(str(address[0]) for *_, address in found))
    raise CheckFailed(check, f"no nameserver answers for {host} within {limits.resolve_timeout:g} s")


def _advise_on_name(check: Check, host: str) -> str:
    if check is Check.RESOLVE:
        return "check its spelling in SERVER, or its HostName in ~/.ssh/config"
    return f"the domain needs a wildcard record, *.{host.partition('.')[2]}, that leads to the gateway"


async def connect(check: Check, addresses: Sequence[str], port: int, limits: ClientLimits) -> trio.SocketStream:
    """Return a connection to the first of the addresses that takes one; raises `CheckFailed`."""
    reasons = []
    for address in addresses:
        with trio.move_on_after(limits.probe_connect_timeout) as scope:
            try:
                return await trio.open_tcp_stream(address, port)
            except OSError as error:
                cause = error.__cause__  # trio's own words tell only that it has tried all
                first = first_of(cause) if isinstance(cause, BaseExceptionGroup) else cause
                reasons.append(f"{address}: {_explain_connect(first or error)}")
        if scope.cancelled_caught:
            reasons.append(f"{address}: no answer within {limits.probe_connect_timeout:g} s")
    advice = "check host and port in SERVER, and whether a firewall is in between"
    if check is not Check.CONNECT:
        advice = "the gateway's server, or a front proxy before it, must listen there, and be reached from here"
    raise CheckFailed(check, f"port {port} cannot be reached ({', '.join(reasons)})", advice=advice)


def _explain_connect(error: BaseException) -> str:
    """Return the system's words for an error of `trio.open_tcp_stream`, which names the address once more."""
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


async def check_ssh_port(addresses: Sequence[str], port: int, limits: ClientLimits) -> str:
    """Return how an SSH server greets there; raises `CheckFailed`."""
    async with await connect(Check.CONNECT, addresses, port, limits) as stream:
        said = b""
        with trio.move_on_after(limits.probe_connect_timeout), contextlib.suppress(*STREAM_LOST):
            # RFC 4253 section 4.2: other lines may come before the version.
            while not re.search(rb"^SSH-.*\n", said, re.MULTILINE) and len(said) < limits.max_probe_answer:
                if not (data := await stream.receive_some(4096)):
                    break
                said += data
    greeting = re.search(rb"^SSH-[!-~]+", said, re.MULTILINE)
    if greeting is None:
        raise CheckFailed(
            Check.CONNECT,
            f"port {port} takes connections, but no SSH server greets there",
            advice="check the port in SERVER",
        )
    return greeting[0].decode()


@attrs.frozen(kw_only=True)
class Address:
    """The address that visitors come to: scheme, host, port."""

    scheme: str
    host: str  # as it stands in Host, with its port if it has one

    @property
    def name(self) -> str:
        """The host name alone."""
        return re.sub(r":\d+$", "", self.host)

    @property
    def port(self) -> int:
        """The port, or the scheme's."""
        match = re.search(r":(\d+)$", self.host)
        return int(match[1]) if match else _PORT[self.scheme]

    @property
    def is_local(self) -> bool:
        """Whether the name leads any visitor to their own host (RFC 6761 section 6.3)."""
        return re.fullmatch(r"(.+\.)?localhost", self.name) is not None


async def shake_hands(
    stream: trio.SocketStream, name: str, limits: ClientLimits
) -> tuple[trio.SSLStream[trio.SocketStream], str]:
    """Return the TLS stream, and what its certificate says; raises `CheckFailed`."""
    context = ssl.create_default_context()
    tls = trio.SSLStream(stream, context, server_hostname=name, https_compatible=True)
    with trio.move_on_after(limits.probe_connect_timeout):
        try:
            await tls.do_handshake()
        except trio.BrokenResourceError as error:
            raise _explain_tls(error.__cause__, name) from error
        return tls, _describe_certificate(tls.getpeercert())
    raise CheckFailed(Check.TLS, f"no TLS handshake within {limits.probe_connect_timeout:g} s")


def _explain_tls(error: BaseException | None, name: str) -> CheckFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        said = error.verify_message.rstrip(".")
        what = f"the certificate is not to be trusted: {said}"
        return CheckFailed(Check.TLS, what, advice=_advise_on_certificate(said, name))
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        advice = "TLS must end there, or in front of it, for this name"
        return CheckFailed(Check.TLS, "what listens there does not speak TLS", advice=advice)
    said = getattr(error, "reason", None) or str(error or "the connection was closed")
    return CheckFailed(Check.TLS, f"the TLS handshake failed: {said}")


def _advise_on_certificate(said: str, name: str) -> str:
    if "expired" in said:
        return "the certificate must be renewed, and the server or proxy that shows it told so"
    if "ostname" in said or "IP address" in said:
        return f"the certificate must be for {name}, or for a wildcard of its domain"
    return (
        "the certificate must be signed by an authority that browsers know, and shown with its whole chain; where "
        "your site has an authority of its own, $SSL_CERT_FILE names its certificate"
    )


def _describe_certificate(certificate: object) -> str:
    match certificate:
        case {"notAfter": str(end)}:
            days = int((ssl.cert_time_to_seconds(end) - time.time()) / _DAY)
            return f"the certificate is good for {days} days more"
    return "the certificate is good"


@attrs.frozen(kw_only=True)
class Answer:
    """The answer to an HTTP request."""

    status: int
    server: str
    body: bytes


async def ask(stream: Stream | trio.abc.Stream, host: str, token: str, limits: ClientLimits) -> Answer:
    """Return the answer to a request for `/`; raises `CheckFailed`."""
    http = h11.Connection(h11.CLIENT)
    fields = [("Host", host), ("Cookie", f"authorization={cookie_value(token.encode())}"), ("Connection", "close")]
    head = http.send(h11.Request(method="GET", target="/", headers=fields))
    http.send(h11.EndOfMessage())
    response: h11.Response | None = None
    body = b""
    with trio.move_on_after(limits.answer_timeout) as scope:
        try:
            await stream.send_all(head or b"")
            while len(body) < limits.max_probe_answer:
                match http.next_event():
                    case h11.NEED_DATA:
                        received = bytes(await stream.receive_some(limits.read_size))
                        if not received and response is None:
                            break
                        http.receive_data(received)
                    case h11.Response() as begun:
                        response = begun
                    case h11.Data(data=data):
                        body += bytes(data)
                    case h11.EndOfMessage() | h11.ConnectionClosed():
                        break
        except h11.RemoteProtocolError as error:
            raise CheckFailed(Check.REQUEST, f"the answer is no HTTP: {error}") from error
        except STREAM_LOST as error:
            raise CheckFailed(Check.REQUEST, "the connection was closed without an answer") from error
    if response is None:
        what = (
            f"no answer within {limits.answer_timeout:g} s"
            if scope.cancelled_caught
            else "the connection was closed without an answer"
        )
        raise CheckFailed(Check.REQUEST, what)
    server = dict(response.headers).get(b"server", b"").decode("latin-1")
    return Answer(status=response.status_code, server=server, body=body)


@contextlib.asynccontextmanager
async def open_tiny_application(path: str, says: bytes, limits: ClientLimits) -> AsyncIterator[None]:
    """Within, an application listens at a path that answers every request with `says`."""
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
        % (
            len(says),
            says,
        )
    )

    async def serve(sock: socket.socket, _: str) -> None:
        with contextlib.closing(SocketStream(sock)) as stream, contextlib.suppress(*STREAM_LOST):
            asked = b""
            while b"\r\n\r\n" not in asked and len(asked) < limits.max_probe_answer:
                if not (data := await stream.receive_some(limits.read_size)):
                    return
                asked += data
            await stream.send_all(answer)

    with open_unix_listener(path, 0o600) as listener:
        async with trio.open_nursery() as nursery:

            async def accept() -> None:
                await serve_connections(listener, serve, nursery, on_shortage=lambda error: None)

            nursery.start_soon(accept, name="doctor: tiny application")
            yield
            nursery.cancel_scope.cancel()
