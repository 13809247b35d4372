"""The diagnosis of ``doctor``: the way to a gateway and back, checked hop by hop until one fails."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable

import trio

from conductor_trio.access.tokens import hash_token
from conductor_trio.client.config.address import ServerAddress, format_place
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.doctor.findings import Check, CheckFailed, make_failure
from conductor_trio.client.doctor.probes import (
    Address,
    Answer,
    ask,
    check_ssh_port,
    connect,
    find_ssh_target,
    open_tiny_application,
    parse_address,
    resolve,
    shake_hands,
)
from conductor_trio.client.host.application_socket import ApplicationSocket, open_application_socket
from conductor_trio.client.host.cleanup import Cleanup, open_cleanup
from conductor_trio.client.host.temp_directory import open_directory
from conductor_trio.client.output.reporter import LogReporter
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
    host_shortage,
)
from conductor_trio.findings import Finding, Status
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.constants import RELAY_NAME

_SSH_CHECKS = {"resolve": Check.RESOLVE, "connect": Check.CONNECT, "host_key": Check.HOST_KEY}
_ALLOW = "AllowStreamLocalForwarding must be yes in its sshd_config, and DisableForwarding no"
_MASK = "StreamLocalBindMask 0117 in the sshd_config of its host makes it of mode 0660"


class Diagnosis:
    """One run over all checks; `_check` is the one that fails if something does."""

    def __init__(self, settings: ClientSettings, report: Callable[[Finding], None]) -> None:
        self._settings = settings
        self._limits = settings.limits
        self._server = settings.server
        self._report = report
        self._check = Check.RESOLVE
        self._contact = ""  # at the gateway, as that tells
        self._says = secrets.token_hex(16).encode()

    async def run(self, local_socket: str | None) -> bool:
        """Check and report what is found; False where a check fails, and the rest is left out."""
        error: BaseException
        try:
            await self._run(local_socket)
        except* ConductorError as group:
            error = first_of(group)
        except* OSError as group:
            error = host_shortage(first_of(group))
        else:
            return True
        assert isinstance(error, ConductorError)
        if isinstance(error, CheckFailed):
            self._check = error.check
        elif isinstance(error, TransportError) and self._check is Check.HOST_KEY:
            self._check = _SSH_CHECKS.get(error.reason, Check.LOGIN)
            if self._check is Check.LOGIN:
                self._ok(Check.HOST_KEY, "it is known here")
        self._report(make_failure(self._check, error, self._contact))
        for check in list(Check)[list(Check).index(self._check) + 1 :]:
            self._report(Finding(check=check.value, status=Status.SKIPPED))
        return False

    async def _run(self, local_socket: str | None) -> None:
        if local_socket is not None:
            await self._examine_application(local_socket)
        await self._examine_way()
        async with open_cleanup(self._limits) as cleanup:
            with open_directory(cleanup, "app_directory") as directory:
                path = os.path.join(directory.path, "socket")
                with contextlib.closing(ApplicationSocket(path)) as application:
                    async with (
                        open_tiny_application(path, self._says, self._limits),
                        self._open_transport(application, cleanup) as transport,
                    ):
                        await self._examine_server(transport)

    def _ok(self, check: Check, detail: str = "") -> None:
        self._report(Finding(check=check.value, status=Status.OK, detail=detail))

    def _skip(self, check: Check, why: str) -> None:
        self._report(Finding(check=check.value, status=Status.SKIPPED, detail=why))

    async def _examine_application(self, path: str) -> None:
        self._check = Check.APPLICATION
        try:
            with open_application_socket(path, None) as application:
                stream = await application.connect(connect_timeout=self._limits.unix_connect_timeout)
        except UpstreamUnavailable as error:
            raise CheckFailed(
                self._check,
                f"{path} takes no connection: {error}",
                advice="start the application, or correct LOCAL_SOCKET",
            ) from error
        with contextlib.closing(stream):
            answer = await ask(stream, "localhost", "", self._limits)
        self._ok(self._check, f"{path} answers with status {answer.status}")

    async def _examine_way(self) -> None:
        """Check that the SSH server's name resolves and that it answers at its port."""
        self._check = Check.RESOLVE
        if self._server.host is None:
            for check in (Check.RESOLVE, Check.CONNECT, Check.HOST_KEY, Check.LOGIN):
                self._skip(check, "the server is on this host")
            return
        target = await find_ssh_target(self._server)
        if target.way is not None:
            for check in (Check.RESOLVE, Check.CONNECT):
                self._skip(check, f"ssh gets there by {target.way}")
            return
        addresses = await resolve(self._check, target.host, target.port, self._limits)
        self._ok(self._check, f"{target.host} is {', '.join(addresses)}")
        self._check = Check.CONNECT
        self._ok(self._check, f"port {target.port}: {await check_ssh_port(addresses, target.port, self._limits)}")

    @contextlib.asynccontextmanager
    async def _open_transport(self, application: ApplicationSocket, cleanup: Cleanup) -> AsyncIterator[Transport]:
        self._check = Check.HOST_KEY if self._server.host is not None else Check.CONTROL
        async with open_transport(self._settings, application, cleanup, LogReporter()) as transport:
            if self._server.host is not None:
                self._ok(Check.HOST_KEY, "it is known here")
                self._ok(Check.LOGIN, f"logged in at {format_place(self._server)}")
            yield transport

    async def _examine_server(self, transport: Transport) -> None:
        self._check = Check.CONTROL
        with contextlib.closing(await transport.connect_control()) as stream:
            channel = ControlChannel(stream, self._limits)
            banner = await self._examine_greeting(channel, transport)
            self._check = Check.FORWARDING if self._server.host is not None else Check.RELAY
            relay = os.path.join(banner.directory, RELAY_NAME)
            async with transport.open_relay(relay):
                if self._server.host is None:
                    self._skip(Check.FORWARDING, "the server is on this host")
                else:
                    self._ok(Check.FORWARDING, "sockets are forwarded both ways")
                if not await channel.finds_relay_open():
                    await transport.admit_server(relay)
                await self._examine_session(channel, transport)

    async def _examine_greeting(self, channel: ControlChannel, transport: Transport) -> Banner:
        try:
            banner = await channel.receive_banner()
        except (RegistrationRefused, RemoteProtocolError):
            self._ok(Check.CONTROL, self._server.path)
            self._check = Check.BANNER
            raise
        except TransportError as error:
            if isinstance(transport, SshTransport):
                await self._explain_silence(transport)  # noqa: ASYNC120
            self._check = Check.BANNER
            explained = await transport.explain(error, thorough=True)  # noqa: ASYNC120
            if explained is error:
                raise
            raise explained from error
        self._ok(Check.CONTROL, self._server.path)
        self._contact = banner.contact
        known = ", ".join(sorted(banner.extensions)) or "none, as the original's server"
        self._ok(Check.BANNER, f"extensions: {known}")
        return banner

    async def _explain_silence(self, transport: SshTransport) -> None:
        """Raise `CheckFailed` where the SSH server, or a missing socket, is why no greeting comes."""
        if not transport.was_refused:
            return
        place, path = format_place(self._server), self._server.path
        if not await transport.may_listen():
            raise CheckFailed(
                Check.FORWARDING, f"the SSH server of {place} does not forward sockets", advice=_ALLOW
            )
        if await transport.finds_control_socket():
            raise CheckFailed(
                Check.CONTROL,
                f"nobody listens at {path} on {place}, though the socket is there",
                advice="conductor-trio-server must run there; see its log. If it does: " + _ALLOW,
            )
        raise CheckFailed(
            Check.CONTROL,
            f"there is no socket {path} on {place}",
            advice="check the path in SERVER; conductor-trio-server must run there",
        )

    async def _examine_session(self, channel: ControlChannel, transport: Transport) -> None:
        self._check = Check.REGISTRATION
        token, key = secrets.token_hex(16), f"doctor{secrets.token_hex(3)}"
        try:
            accepted = await channel.register(Registration(auth=hash_token(token.encode()), key=key))
        except RegistrationRefused as error:
            explained = await transport.explain(error, thorough=True)  # noqa: ASYNC120
            # The protocol has no word for what is refused: the server says it in a sentence only.
            if "relay socket" in str(explained):
                raise CheckFailed(Check.RELAY, str(explained), advice=_MASK) from error
            self._ok(Check.RELAY, "the server takes it")
            if explained is error:
                raise
            raise explained from error
        self._ok(Check.RELAY, "the server takes it")
        self._ok(Check.REGISTRATION, f"as {', '.join(accepted.urls)}")
        for host in accepted.urls:
            await self._examine_address(parse_address(host), token)

    async def _examine_address(self, address: Address, token: str) -> None:
        self._check = Check.NAME
        if address.is_local:
            addresses = ["127.0.0.1"]
            self._skip(self._check, f"{address.name} is each visitor's own host")
        else:
            addresses = await resolve(self._check, address.name, address.port, self._limits)
            self._ok(self._check, f"{address.name} is {', '.join(addresses)}")
        self._check = Check.REQUEST if address.scheme == "http" else Check.TLS
        async with await connect(self._check, addresses, address.port, self._limits) as stream:
            if address.scheme == "http":
                self._skip(Check.TLS, "the address is one of HTTP")
                answer = await self._ask(stream, address, token)
            else:
                tls, said = await shake_hands(stream, address.name, self._limits)
                self._ok(Check.TLS, said)
                answer = await self._ask(tls, address, token)
        if answer.body != self._says:
            raise _explain_answer(self._check, answer, address.host)

    async def _ask(self, stream: trio.abc.Stream, address: Address, token: str) -> Answer:
        self._check = Check.REQUEST
        begun = trio.current_time()
        answer = await ask(stream, address.host, token, self._limits)
        if answer.body == self._says:
            took = (trio.current_time() - begun) * 1000
            self._ok(self._check, f"there and back in {took:.0f} ms")
        return answer


def _explain_answer(check: Check, answer: Answer, host: str) -> CheckFailed:
    """Return what an answer that is not the application's tells."""
    by = f" by {answer.server}" if answer.server else ""
    match answer.status:
        case 403:
            advice = "cookies do not get through; a front proxy must pass Cookie on"
        case 404 | 410 | 421:
            advice = "whoever answers does not know the name; a front proxy must pass Host on as it is"
        case 502 | 503 | 504:
            advice = "the way from there to here is broken; see the log of conductor-trio-server"
        case _:
            advice = "somebody else answers there; the name must lead to conductor-trio-server or its front proxy"
    what = f"{host} answers with status {answer.status}{by}, and not as the application here"
    return CheckFailed(check, what, advice=advice)


async def examine(server: ServerAddress, local_socket: str | None, report: Callable[[Finding], None]) -> bool:
    """Check the way to a server and back, reporting each finding as it is made; return whether all is well."""
    settings = ClientSettings(
        server=server, local_socket=None, launch=Launch(command=()), token="", limits=ClientLimits()
    )
    return await Diagnosis(settings, report).run(local_socket)
