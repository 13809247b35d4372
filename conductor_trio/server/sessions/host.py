"""One client's session: its control channel, its directory, its route, and their end."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import socket
import time
from typing import NoReturn

import attrs
import trio

from conductor_trio.access.hostnames import check_key, user_label
from conductor_trio.access.tokens import EMPTY_TOKEN_HASH
from conductor_trio.control.events import Leave, Pong, Ready, Replaced, Stop
from conductor_trio.control.messages import (
    OWNER_COMMANDS,
    RESUME,
    Accepted,
    Banner,
    Registration,
)
from conductor_trio.control.owner_commands import Command
from conductor_trio.control.states import ChannelClosed
from conductor_trio.errors import RegistrationRefused, UpstreamUnavailable
from conductor_trio.log import Logger
from conductor_trio.net.listeners import OUT_OF_RESOURCES
from conductor_trio.net.peer_credentials import peer_credentials
from conductor_trio.net.relay import STREAM_LOST
from conductor_trio.net.stream import SocketStream
from conductor_trio.net.unix import connect_unix
from conductor_trio.server.accounts.quotas import Admission, SessionQuotas
from conductor_trio.server.proxy.context import Gateway
from conductor_trio.server.proxy.upstream import UpstreamPool
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.sessions.channel import ChannelEnded, ControlChannel
from conductor_trio.server.sessions.directory import SessionDirectory, open_session_directory
from conductor_trio.server.sessions.inotify import DirectoryMonitor, Watch
from conductor_trio.server.sessions.owner_service import execute_command

_KEY_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without what is mistaken for something else
_KEY_LENGTH = 8  # 40 bits: no secret, but it should not collide


@attrs.frozen(kw_only=True)
class Owner:
    """Whom the kernel names as the peer of a control connection."""

    uid: int
    user: str


class SessionHost:
    """Serves every client's control connection."""

    def __init__(self, gateway: Gateway, sockets: str, watcher: DirectoryMonitor) -> None:
        self._gateway = gateway
        self._sockets = sockets
        self._watcher = watcher
        self._quotas = SessionQuotas(gateway.limits)
        # Apart from the other threads: a directory service that hangs must not hold up anything else.
        self._lookups = trio.CapacityLimiter(8)

    async def serve(self, sock: socket.socket) -> None:
        """Serve a control connection to its end; nothing that happens in it gets out."""
        limits = self._gateway.limits
        stream = SocketStream(sock, send_timeout=limits.control_send_timeout)
        try:
            log = self._gateway.log.bind(session=secrets.token_hex(4))
            uid = peer_credentials(sock).uid
            channel = ControlChannel(stream, limits)
            try:
                with self._quotas.admitted(uid) as admission:
                    owner = Owner(uid=uid, user=await self._look_up(uid))
                    await self._run_session(channel, owner, admission, log.bind(user=owner.user))
            except RegistrationRefused as error:
                self._gateway.counters.refused += 1
                log.info("refused", uid=uid, reason=str(error))
                await channel.refuse(error)
        except STREAM_LOST:
            self._gateway.log.debug("control_channel_lost")
        except ChannelEnded:
            pass
        except Exception:  # the one place for a session: whatever it is, the others go on
            self._gateway.counters.internalErrors += 1
            self._gateway.log.exception("session_failed")
        finally:
            stream.close()

    async def _look_up(self, uid: int) -> str:
        """Return the user's name; in a thread, since a directory service can take seconds or hang."""
        with trio.move_on_after(self._gateway.limits.user_lookup_timeout):
            try:
                entry = await trio.to_thread.run_sync(
                    pwd.getpwuid, uid, abandon_on_cancel=True, limiter=self._lookups
                )
            except KeyError:
                raise RegistrationRefused(f"the gateway knows no user with the id {uid}") from None
            return entry.pw_name
        raise RegistrationRefused("the gateway could not look up your user name in time", advice="try again")

    async def _run_session(self, channel: ControlChannel, owner: Owner, admission: Admission, log: Logger) -> None:
        with contextlib.ExitStack() as stack:
            try:
                directory = stack.enter_context(open_session_directory(self._sockets, owner.user, log))
            except OSError as error:
                log.error("no_directory", error=error.strerror)
                raise RegistrationRefused(
                    f"the gateway could not make a directory for the session: {error.strerror}"
                ) from error
            try:
                await self._run_in_directory(channel, owner, directory, log)
            finally:
                stack.close()
                admission.is_kept = directory.is_left

    async def _run_in_directory(
        self, channel: ControlChannel, owner: Owner, directory: SessionDirectory, log: Logger
    ) -> None:
        await channel.send(Banner(directory=directory.path))
        registration = await channel.receive_request()
        directory.close_to_others()
        if not isinstance(registration, Registration):
            await self._serve_owner(channel, owner, registration)
        with contextlib.ExitStack() as stack:
            # Only now: until here, anybody could make things change in there.
            try:
                watch = stack.enter_context(self._watcher.watch(directory.path))
            except OSError as error:
                log.error("no_watch", error=error.strerror)
                raise RegistrationRefused(
                    f"the gateway cannot watch the session's directory: {error.strerror}"
                ) from error
            relay = directory.check_relay(owner.uid)
            await self._check_connects(directory)
            route = self._make_route(registration, owner, directory)
            stack.enter_context(self._gateway.routes.registered(route, registration.takeover))
            urls = self._gateway.url_hosts(route.key, owner.user)
            await channel.send(Accepted(urls=urls, key=route.key))
            log.info("live", key=route.key, hosts=route.hosts)
            route.event_log.note(
                "The application is starting" if registration.is_starting else "The link is there"
            )
            try:
                if OWNER_COMMANDS in registration.extensions:
                    route.tell = channel.send_event
                    if route.stop_requested:
                        channel.send_event(Stop())
                resumes = RESUME in registration.extensions
                await self._run_registered(channel, route, directory, watch, relay, resumes=resumes)
            finally:
                route.event_log.note("The link was lost" if route.is_resumable else "The session ended")
                log.info("ended", key=route.key, is_resumable=route.is_resumable)

    async def _serve_owner(self, channel: ControlChannel, owner: Owner, command: Command) -> NoReturn:
        """Carry out the owner's commands, one after the other, until the channel ends."""
        while True:
            await channel.send(execute_command(command, owner.user, self._gateway))
            command = await channel.receive_command()

    async def _check_connects(self, directory: SessionDirectory) -> None:
        try:
            stream = await connect_unix(directory.relay_path, connect_timeout=self._gateway.limits.connect_timeout)
        except UpstreamUnavailable as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in OUT_OF_RESOURCES:
                raise RegistrationRefused(
                    f"the gateway is short of something at this moment ({error})", advice="try again"
                ) from error
            raise RegistrationRefused(
                f"the relay socket {directory.relay_path} does not accept a connection ({error})",
                advice="it must be alive and of mode 0660",
            ) from error
        stream.close()

    def _make_route(self, registration: Registration, owner: Owner, directory: SessionDirectory) -> Route:
        if registration.auth == EMPTY_TOKEN_HASH:
            raise RegistrationRefused("auth is the hash of an empty token", advice="choose a token")
        patterns = self._gateway.patterns
        label = user_label(owner.user)
        key = registration.key
        if key is None:
            key = "".join(secrets.choice(_KEY_ALPHABET) for _ in range(_KEY_LENGTH))
        check_key(key, label, patterns)
        return Route(
            user=owner.user,
            key=key,
            starting_since=time.time() if registration.is_starting else None,
            node=registration.node,
            until=registration.until,
            # Patterns that differ in their port only give one host.
            hosts=tuple(dict.fromkeys(pattern.format_host(key, label) for pattern in patterns)),
            token_hash=registration.auth,
            pool=UpstreamPool(directory.relay_path, self._gateway.limits),
        )

    async def _run_registered(
        self,
        channel: ControlChannel,
        route: Route,
        directory: SessionDirectory,
        watch: Watch,
        relay: os.stat_result,
        *,
        resumes: bool,
    ) -> None:
        """Keep the session until its channel ends, its relay socket is not what was checked, or its name goes.

        `resumes` tells that its client speaks `RESUME`.
        """
        route.is_resumable = resumes
        with contextlib.ExitStack() as stack:
            if resumes:
                stack.enter_context(self._gateway.links.watching(channel, route))
            with route.session:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(route.pool.run_expiry)
                    nursery.start_soon(_serve_channel, channel, route)
                    while (change := _change_of(directory, relay)) is None:
                        await watch.wait_changed()
                    # At the end of a client that listens itself, this is how the end shows first.
                    self._gateway.log.info("relay_socket_changed", change=change)
                    route.session.cancel()
        if resumes and route.is_replaced:
            channel.send_event(Replaced())


async def _serve_channel(channel: ControlChannel, route: Route) -> None:
    """Take the client's events, and end the session when its channel ends."""

    def begin() -> None:
        route.starting_since = None
        route.live_since = time.time()
        route.event_log.note("The application is running")
        with contextlib.suppress(*STREAM_LOST):  # which shows at the next read
            channel.send_event(Ready())  # from now on visitors see it

    def note_idle(ends: float | None) -> None:
        if (ends is None) is not (route.idle_until is None):
            route.event_log.note(
                "The application goes on" if ends is None else "The application ends soon: unused"
            )
        route.idle_until = ends

    while True:
        match await channel.receive_event():
            case Ready():
                begin()
            case Pong(ends=ends):
                note_idle(ends)
            case Leave():
                route.is_resumable = False
                break
            case ChannelClosed():
                break
    route.session.cancel()


def _change_of(directory: SessionDirectory, relay: os.stat_result) -> str | None:
    """Return how the relay socket differs from the one that was checked, None where it does not."""
    try:
        found = directory.check_relay(relay.st_uid)
    except RegistrationRefused as error:
        return str(error)
    return None if os.path.samestat(found, relay) else f"{directory.relay_path} is another socket now"
