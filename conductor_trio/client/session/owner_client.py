"""Owners' commands at the client: their sessions listed, stopped, shared, over a control channel of its own."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Awaitable, Callable, Set
from typing import TypeVar

import attrs
import trio

from conductor_trio.access.login_link import format_login_link
from conductor_trio.access.tokens import hash_token
from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.client.host.cleanup import open_cleanup
from conductor_trio.client.output.reporter import LogReporter
from conductor_trio.client.session.channel import ControlChannel
from conductor_trio.client.session.listing import (
    Session,
    Share,
    format_url,
    parse_sessions,
    parse_share,
)
from conductor_trio.client.session.machine import ask_for_newer
from conductor_trio.client.transport.base import Transport
from conductor_trio.client.transport.open import open_transport
from conductor_trio.control.messages import NAMED_SHARES, OWNER_COMMANDS, is_url_host
from conductor_trio.control.owner_commands import (
    Answer,
    Command,
    ListSessions,
    RevokeShare,
    ShareSession,
    StopSession,
)
from conductor_trio.errors import (
    ConductorError,
    RemoteProtocolError,
    StartError,
    TransportError,
    first_of,
    host_shortage,
)
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.constants import MAX_OWNER_ANSWER, TOKEN_ENTROPY

_T = TypeVar("_T")


@attrs.frozen(kw_only=True)
class NewShare:
    """A share as it was made: the link holds a token that is known nowhere else, or none for one who is named."""

    share: Share
    link: str = attrs.field(repr=False)


class OwnerClient:
    """Gives an owner's commands over a control channel that is greeted, one after the other."""

    def __init__(self, channel: ControlChannel, limits: ClientLimits, extensions: Set[str] = frozenset()) -> None:
        self._channel = channel
        self._limits = limits
        self._extensions = extensions

    async def list_sessions(self) -> tuple[Session, ...]:
        """Return all of one's sessions."""
        return parse_sessions((await self._command(ListSessions())).fields)

    async def find_session(self, key: str) -> Session | None:
        """Return one's session of that key, if there is one."""
        return next((one for one in await self.list_sessions() if one.key == key.lower()), None)

    async def stop(self, key: str) -> None:
        """The session has ended, its application included; raises `StartError` where it is still there."""
        await self._command(StopSession(key=key))
        last: Session | None = None
        with trio.move_on_after(self._limits.stop_timeout):
            while (session := await self.find_session(key)) is not None:
                last = session
                await trio.sleep(self._limits.stop_poll_pause)  # the channel has no word for a session's end
        where = f" on {last.node}" if last is not None and last.node else ""
        if session is not None and session.state == "lost":
            raise StartError(
                f"the link of {key} is lost, so that its application{where} could not be told yet",
                advice="it will be as soon as the link is back, or end it there yourself",
            )
        if session is not None:
            raise StartError(
                f"{key} has been told, and is still there", advice=f"end it yourself{where or ' where it runs'}"
            )
        if last is not None and last.state == "lost":
            raise StartError(
                f"{key} is gone, but its link was lost when it was last seen",
                advice=f"look whether the application still runs{where}",
            )

    async def share(self, key: str, *, label: str, seconds: float | None, is_once: bool) -> NewShare:
        """Make a further token, which only we know, and return its link."""
        token = secrets.token_urlsafe(TOKEN_ENTROPY)
        answer = await self._command(
            ShareSession(key=key, auth=hash_token(token.encode()), label=label, seconds=seconds, is_once=is_once)
        )
        host = _read_host(answer)
        return NewShare(share=parse_share(answer.fields.get("share")), link=format_login_link(host, token))

    async def share_with(self, key: str, grantee: str, *, label: str, seconds: float | None) -> NewShare:
        """Let a user in, or after ``@`` a group, whom the single sign-on calls so; the link is the address."""
        if NAMED_SHARES not in self._extensions:
            raise StartError(
                "the gateway's server cannot share with people by their names",
                advice="ask for a newer conductor-trio-server, or make a link: share without --with",
            )
        answer = await self._command(
            ShareSession(key=key, auth=None, label=label, seconds=seconds, is_once=False, grantee=grantee)
        )
        link = f"{format_url(_read_host(answer))}/"
        return NewShare(share=parse_share(answer.fields.get("share")), link=link)

    async def revoke(self, key: str, share: str) -> None:
        """The share has ended, and so has all that was let in by it."""
        await self._command(RevokeShare(key=key, id=share))

    async def _command(self, command: Command) -> Answer:
        return await self._channel.command(command)


async def converse_over(
    transport: Transport, converse: Callable[[OwnerClient], Awaitable[_T]], limits: ClientLimits
) -> _T:
    """Return what `converse` makes of the owner's commands, given over this transport; raises `ConductorError`."""
    with contextlib.closing(await transport.connect_control()) as stream:
        channel = ControlChannel(stream, limits, max_line=MAX_OWNER_ANSWER)
        banner = await channel.receive_banner()
        if OWNER_COMMANDS not in banner.extensions:
            raise StartError(
                "the gateway's server knows no owner's commands",
                advice=ask_for_newer(banner),
            )
        return await converse(OwnerClient(channel, limits, banner.extensions))


def _read_host(answer: Answer) -> str:
    """Return the session's address in the answer to a share; raises `RemoteProtocolError`."""
    urls = answer.fields.get("urls")
    if not isinstance(urls, list) or not urls or not is_url_host(urls[0]):
        raise RemoteProtocolError("the gateway's answer holds no host name")
    return str(urls[0])


async def open_owner_client(
    server: ServerAddress,
    converse: Callable[[OwnerClient], Awaitable[_T]],
    limits: ClientLimits | None = None,
    *,
    may_ask: bool = True,
) -> _T:
    """Return what `converse` makes of the owner's commands, given to this gateway; raises `ConductorError`."""
    settings = ClientSettings(
        server=server,
        local_socket=None,
        launch=Launch(command=()),
        token="",
        may_ask=may_ask,
        limits=limits or ClientLimits(),
    )
    error: BaseException
    try:
        async with (
            open_cleanup(settings.limits) as cleanup,
            open_transport(settings, ApplicationSocket(""), cleanup, LogReporter()) as transport,
        ):
            try:
                return await converse_over(transport, converse, settings.limits)
            except TransportError as lost:
                explained = await transport.explain(lost, thorough=True)  # noqa: ASYNC120
                if explained is lost:
                    raise
                raise explained from lost
    except* ConductorError as group:
        error = first_of(group)
    except* OSError as group:
        error = host_shortage(first_of(group))
    raise error
