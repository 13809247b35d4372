"""The way to a gateway and back, walked hop by hop until one fails."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable

import trio

from conductor_trio.access.login_link import guess_scheme
from conductor_trio.access.tokens import hash_token
from conductor_trio.client.config.address import ServerAddress, format_place
from conductor_trio.client.config.recipes import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.doctor.findings import Hop, HopFailed, failed
from conductor_trio.client.doctor.probes import (
    Address,
    Answer,
    ask,
    check_ssh_port,
    connect,
    find_ssh_target,
    open_tiny_application,
    resolve,
    shake_hands,
)
from conductor_trio.client.host.cleanup import Guardian, open_guardian
from conductor_trio.client.host.temp_directory import open_directory
from conductor_trio.client.session.channel import ControlChannel
from conductor_trio.client.transport.base import Transport
from conductor_trio.client.transport.open import open_transport
from conductor_trio.client.transport.ssh import SshTransport
from conductor_trio.control.messages import Banner, Registration
from conductor_trio.errors import (
    ConductorError,
    RegistrationRefused,
    RemoteProtocolError,
    TransportError,
    UpstreamUnavailable,
    first_of,
)
from conductor_trio.findings import Finding, Status
from conductor_trio.limits import RELAY_NAME, ClientLimits
from conductor_trio.net.unix import connect_unix

_CONNECT_TIMEOUT = 5.0

_SSH_HOPS = {"resolve": Hop.RESOLVE, "connect": Hop.CONNECT, "host_key": Hop.HOST_KEY}
_ALLOW = "AllowStreamLocalForwarding must be yes in its sshd_config, and DisableForwarding no"
_MASK = "StreamLocalBindMask 0117 in the sshd_config of its host makes it of mode 0660"


class Diagnosis:
    """One walk; `_hop` is the one that fails if something does."""

    def __init__(self, settings: ClientSettings, tell: Callable[[Finding], None]) -> None:
        self._settings = settings
        self._server = settings.server
        self._tell = tell
        self._hop = Hop.RESOLVE
        self._says = secrets.token_hex(16).encode()

    async def walk(self, local_socket: str | None) -> bool:
        """Walk, and tell what is found; False where a hop fails, and the rest is left out."""
        error: BaseException
        try:
            await self._walk(local_socket)
        except* ConductorError as group:
            error = first_of(group)
        except* OSError as group:
            error = HopFailed(self._hop, f"this host is short of something: {first_of(group)}")
        else:
            return True
        if isinstance(error, HopFailed):
            self._hop = error.hop
        elif isinstance(error, TransportError) and self._hop is Hop.HOST_KEY:
            self._hop = _SSH_HOPS.get(error.reason, Hop.LOGIN)
            if self._hop is Hop.LOGIN:
                self._ok(Hop.HOST_KEY, "it is known here")
        self._tell(failed(self._hop, str(error), getattr(error, "advice", "")))
        for hop in list(Hop)[list(Hop).index(self._hop) + 1 :]:
            self._tell(Finding(place=hop.value, status=Status.SKIPPED))
        return False

    async def _walk(self, local_socket: str | None) -> None:
        if local_socket is not None:
            await self._examine_application(local_socket)
        await self._examine_way()
        async with open_guardian(self._settings.limits) as guardian:
            with open_directory(guardian, "app_directory") as directory:
                path = os.path.join(directory, "socket")
                async with (
                    open_tiny_application(path, self._says),
                    self._open_transport(path, guardian) as transport,
                ):
                    await self._examine_server(transport)

    def _ok(self, hop: Hop, detail: str = "") -> None:
        self._tell(Finding(place=hop.value, status=Status.OK, detail=detail))

    def _skip(self, hop: Hop, why: str) -> None:
        self._tell(Finding(place=hop.value, status=Status.SKIPPED, detail=why))

    async def _examine_application(self, path: str) -> None:
        self._hop = Hop.APPLICATION
        try:
            stream = await connect_unix(path, connect_timeout=_CONNECT_TIMEOUT)
        except UpstreamUnavailable as error:
            raise HopFailed(
                self._hop, f"{path} takes no connection: {error}", "start the application, or correct LOCAL_SOCKET"
            ) from error
        with contextlib.closing(stream):
            answer = await ask(stream, "localhost", "")
        self._ok(self._hop, f"{path} answers with status {answer.status}")

    async def _examine_way(self) -> None:
        """The SSH server's name and port."""
        self._hop = Hop.RESOLVE
        if self._server.host is None:
            for hop in (Hop.RESOLVE, Hop.CONNECT, Hop.HOST_KEY, Hop.LOGIN):
                self._skip(hop, "the server is on this host")
            return
        target = await find_ssh_target(self._server)
        if target.way is not None:
            for hop in (Hop.RESOLVE, Hop.CONNECT):
                self._skip(hop, f"ssh gets there by {target.way}")
            return
        addresses = await resolve(self._hop, target.host, target.port)
        self._ok(self._hop, f"{target.host} is {', '.join(addresses)}")
        self._hop = Hop.CONNECT
        self._ok(self._hop, f"port {target.port}: {await check_ssh_port(addresses, target.port)}")

    @contextlib.asynccontextmanager
    async def _open_transport(self, path: str, guardian: Guardian) -> AsyncIterator[Transport]:
        self._hop = Hop.HOST_KEY if self._server.host is not None else Hop.CONTROL
        async with open_transport(self._settings, path, guardian) as transport:
            if self._server.host is not None:
                self._ok(Hop.HOST_KEY, "it is known here")
                self._ok(Hop.LOGIN, f"logged in at {format_place(self._server)}")
            yield transport

    async def _examine_server(self, transport: Transport) -> None:
        self._hop = Hop.CONTROL
        with contextlib.closing(await transport.connect_control()) as stream:
            channel = ControlChannel(stream, self._settings.limits)
            banner = await self._examine_greeting(channel, transport)
            self._hop = Hop.FORWARDING if self._server.host is not None else Hop.RELAY
            async with transport.open_relay(os.path.join(banner.directory, RELAY_NAME)):
                if self._server.host is None:
                    self._skip(Hop.FORWARDING, "the server is on this host")
                else:
                    self._ok(Hop.FORWARDING, "sockets are forwarded both ways")
                await self._examine_session(channel, transport)

    async def _examine_greeting(self, channel: ControlChannel, transport: Transport) -> Banner:
        try:
            banner = await channel.receive_banner()
        except (RegistrationRefused, RemoteProtocolError):
            self._ok(Hop.CONTROL, self._server.path)
            self._hop = Hop.BANNER
            raise
        except TransportError as error:
            if isinstance(transport, SshTransport):
                await self._explain_silence(transport)  # noqa: ASYNC120
            self._hop = Hop.BANNER
            raise TransportError(await transport.explain(error, thorough=True)) from error
        self._ok(Hop.CONTROL, self._server.path)
        known = ", ".join(sorted(banner.extensions)) or "none, as the original's server"
        self._ok(Hop.BANNER, f"extensions: {known}")
        return banner

    async def _explain_silence(self, transport: SshTransport) -> None:
        """Raise `HopFailed` where the SSH server is why nobody greets, or the socket."""
        if not transport.was_refused:
            return
        place, path = format_place(self._server), self._server.path
        if not await transport.may_listen():
            raise HopFailed(Hop.FORWARDING, f"the SSH server of {place} does not forward sockets", _ALLOW)
        if await transport.finds_control_socket():
            raise HopFailed(
                Hop.CONTROL,
                f"nobody listens at {path} on {place}, though the socket is there",
                "conductor-trio-server must run there; see its log. If it does: " + _ALLOW,
            )
        raise HopFailed(
            Hop.CONTROL,
            f"there is no socket {path} on {place}",
            "check the path in SERVER; conductor-trio-server must run there",
        )

    async def _examine_session(self, channel: ControlChannel, transport: Transport) -> None:
        self._hop = Hop.REGISTRATION
        token, key = secrets.token_hex(16), f"doctor{secrets.token_hex(3)}"
        try:
            accepted = await channel.register(Registration(auth=hash_token(token.encode()), key=key))
        except RegistrationRefused as error:
            said = await transport.explain(error, thorough=True)  # noqa: ASYNC120
            is_relay = "relay socket" in said
            if is_relay:
                raise HopFailed(Hop.RELAY, said, _MASK) from error
            self._ok(Hop.RELAY, "the server takes it")
            raise HopFailed(Hop.REGISTRATION, said) from error
        self._ok(Hop.RELAY, "the server takes it")
        self._ok(Hop.REGISTRATION, f"as {', '.join(accepted.urls)}")
        for host in accepted.urls:
            await self._examine_address(Address(scheme=guess_scheme(host), host=host), token)

    async def _examine_address(self, address: Address, token: str) -> None:
        self._hop = Hop.NAME
        if address.is_local:
            addresses = ["127.0.0.1"]
            self._skip(self._hop, f"{address.name} is each visitor's own host")
        else:
            addresses = await resolve(self._hop, address.name, address.port)
            self._ok(self._hop, f"{address.name} is {', '.join(addresses)}")
        self._hop = Hop.REQUEST if address.scheme == "http" else Hop.TLS
        async with await connect(self._hop, addresses, address.port) as stream:
            if address.scheme == "http":
                self._skip(Hop.TLS, "the address is one of HTTP")
                answer = await self._ask(stream, address, token)
            else:
                tls, said = await shake_hands(stream, address.name)
                self._ok(Hop.TLS, said)
                answer = await self._ask(tls, address, token)
        if answer.body != self._says:
            raise HopFailed(self._hop, *_explain_answer(answer, address.host))

    async def _ask(self, stream: trio.abc.Stream, address: Address, token: str) -> Answer:
        self._hop = Hop.REQUEST
        begun = trio.current_time()
        answer = await ask(stream, address.host, token)
        if answer.body == self._says:
            took = (trio.current_time() - begun) * 1000
            self._ok(self._hop, f"there and back in {took:.0f} ms")
        return answer


def _explain_answer(answer: Answer, host: str) -> tuple[str, str]:
    by = f" by {answer.server}" if answer.server else ""
    said = f"{host} answers with status {answer.status}{by}, and not as the application here"
    match answer.status:
        case 403:
            return said, "cookies do not get through; a front proxy must pass Cookie on"
        case 404 | 410 | 421:
            return said, "whoever answers does not know the name; a front proxy must pass Host on as it is"
        case 502 | 503 | 504:
            return said, "the way from there to here is broken; see the log of conductor-trio-server"
    return said, "somebody else answers there; the name must lead to conductor-trio-server or its front proxy"


async def examine(server: ServerAddress, local_socket: str | None, tell: Callable[[Finding], None]) -> bool:
    """Walk the way to a server and back, telling at each hop how it was found; return whether all is well."""
    settings = ClientSettings(
        server=server, local_socket=None, launch=Launch(command=()), token="", limits=ClientLimits()
    )
    return await Diagnosis(settings, tell).walk(local_socket)
