"""One client's session, from the banner to its end: its directory, its relay socket, its route.

Four owners, one inside the other, each in a `with`: the directory, the watch on it, the route in the table, and
the scope that ends the session. Whatever ends it (the channel, a changed relay socket, a name taken, silence)
cancels that scope, and what the others opened is closed on the way out.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from typing import NoReturn

import attrs
import trio

from conductor_trio.access.grants import Access
from conductor_trio.access.tokens import EMPTY_TOKEN_HASH
from conductor_trio.control.events import Leave, Output, Pong, Probe, Ready, Replaced, Stop
from conductor_trio.control.messages import NOTICES, OWNER_COMMANDS, RESUME, Accepted, Banner, Registration
from conductor_trio.control.owner_commands import Command
from conductor_trio.control.relay_inspection import InspectRelay, RelayInspected
from conductor_trio.control.states import ChannelClosed
from conductor_trio.errors import RegistrationRefused, UpstreamUnavailable
from conductor_trio.log import Logger
from conductor_trio.net.listeners import OUT_OF_RESOURCES
from conductor_trio.net.procfs import find_tcp_peer
from conductor_trio.net.stream import STREAM_LOST
from conductor_trio.net.unix import connect_unix
from conductor_trio.server.accounts.fairness import take_turn
from conductor_trio.server.accounts.quotas import Admission
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.states import Cause, Live, Starting
from conductor_trio.server.sessions.channel import ControlChannel
from conductor_trio.server.sessions.context import SessionContext
from conductor_trio.server.sessions.directory import SessionDirectory, open_session_directory
from conductor_trio.server.sessions.inotify import DirectoryMonitor, Watch
from conductor_trio.server.sessions.leftovers import Leftovers
from conductor_trio.server.sessions.owner_service import OwnerService
from conductor_trio.server.sessions.records import SessionRecord
from conductor_trio.server.sessions.way_probe import WayProbe
from conductor_trio.thread import run_in_thread

_KEY_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without what is mistaken for something else
_KEY_LENGTH = 8  # 40 bits: no secret, but it should not collide
ID_BYTES = 16  #: of a route's id, which other servers may learn: no two are the same


@attrs.frozen(kw_only=True)
class Owner:
    """Whom the kernel names as the peer of a control connection."""

    uid: int
    user: str


@attrs.define(eq=False, kw_only=True)
class Session:
    """What serves one client, or one owner's commands."""

    context: SessionContext
    service: OwnerService
    monitor: DirectoryMonitor
    leftovers: Leftovers
    channel: ControlChannel
    id: str  #: and its route's
    owner: Owner
    process: int | None  #: of whoever has connected: sshd's, most often
    admission: Admission
    log: Logger

    async def run(self, sockets: str) -> None:
        """Serve the client to its end.

        Raises `RegistrationRefused`, `ChannelEnded`, and what a lost stream raises.
        """
        await take_turn()  # many come at once, and to make a directory takes a while
        with contextlib.ExitStack() as stack:
            try:
                directory = stack.enter_context(open_session_directory(sockets, self.owner.user, self.owner.uid))
            except OSError as error:
                self.log.error("no_directory", error=error.strerror)
                raise RegistrationRefused(
                    f"the gateway could not make a directory for the session: {error.strerror}"
                ) from error
            try:
                await self._run_in_directory(directory)
            finally:
                stack.close()
                if directory.is_left:
                    self.leftovers.take(directory.path, directory.only_user)

    async def _run_in_directory(self, directory: SessionDirectory) -> None:
        await self.channel.send(self._make_banner(directory))
        while isinstance(request := await self.channel.receive_request(), InspectRelay):
            # The directory stays open to others, and so to the client's own shell over there.
            await self.channel.send(RelayInspected(is_open=directory.may_connect()))
        directory.close_to_others()
        if isinstance(request, Registration):
            await self._serve_client(request, directory)
        else:
            await self._serve_owner(request)

    def _make_banner(self, directory: SessionDirectory) -> Banner:
        house = self.context.house
        return Banner(directory=directory.path, site_name=house.name, help_url=house.help_url)

    async def _serve_client(self, registration: Registration, directory: SessionDirectory) -> None:
        # Only now: until here, anybody could make things change in there.
        with self._watching(directory) as watch:
            relay = directory.check_relay(self.owner.uid)
            await self._check_connects(directory)
            ssh_client = await self._find_ssh_client()
            with self._registered(registration, directory, ssh_client) as (route, record):
                self.admission.note_registered()
                urls = self.context.naming.url_hosts(route.key, self.owner.user)
                await self.context.wait_known()
                await self.channel.send(Accepted(urls=urls, key=route.key))
                self.log.info("live", key=route.key, hosts=route.hosts)
                record.event_log.note(
                    "The application is starting" if registration.is_starting else "The link is there"
                )
                if OWNER_COMMANDS in registration.extensions:
                    record.notify_client = self.channel.send_event
                    stop = self.context.ends.find_stop(route) or (Stop() if record.stop_requested else None)
                    if stop is not None:
                        self.channel.send_event(stop)
                await self._run_registered(route, registration, record, directory, watch, relay)

    async def _serve_owner(self, command: Command) -> NoReturn:
        """Carry out the owner's commands, one after the other, until the channel ends."""
        while True:
            answer = await self.service.execute(command, self.owner.user)
            await self.context.wait_known()
            await self.channel.send(answer)
            command = await self.channel.receive_command()

    @contextlib.contextmanager
    def _watching(self, directory: SessionDirectory) -> Iterator[Watch]:
        with contextlib.ExitStack() as stack:
            try:
                watch = stack.enter_context(self.monitor.watch(directory.path))
            except OSError as error:
                self.log.error("no_watch", error=error.strerror)
                raise RegistrationRefused(
                    f"the gateway cannot watch the session's directory: {error.strerror}"
                ) from error
            yield watch

    async def _check_connects(self, directory: SessionDirectory) -> None:
        """Raise `RegistrationRefused` unless somebody accepts at the relay socket."""
        try:
            stream = await connect_unix(directory.relay_path, connect_timeout=self.context.limits.connect_timeout)
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

    @contextlib.contextmanager
    def _registered(
        self, registration: Registration, directory: SessionDirectory, ssh_client: str | None
    ) -> Iterator[tuple[Route, SessionRecord]]:
        """Hold the session's route in the table, and say on leaving whether its client is expected back.

        Raises `RegistrationRefused`, and within the block a link that is lost shows as any exception or none.
        """
        routes, records = self.context.routes, self.context.records
        asked = self._make_route(registration, directory, ssh_client)
        former = routes.former_self(asked)
        if former is None or former.has_ended:
            self.context.orders.check_new_session(self.owner.user)
            self.admission.check_new()
        self.context.ends.check_return(asked, registration)
        former_record = records.get(former.id) if former else None
        route = routes.register(asked, registration.takeover)
        record = records.inherit(route, former, former_record)
        record.ends_as = Cause.LINK_LOST if route.is_resumable else Cause.LEFT
        try:
            yield route, record
        finally:
            is_lost = record.ends_as is Cause.LINK_LOST
            record.notify_client = None
            routes.change(route.id, record.ends_as)
            record.event_log.note("The link was lost" if is_lost else "The session ended")
            self.log.info("ended", key=route.key, is_expected_back=is_lost)

    async def _find_ssh_client(self) -> str | None:
        """Return from where the client has come, if that is to be told and the kernel tells us."""
        process = self.process
        if process is None or not self.context.audit.is_kept:
            return None
        with contextlib.suppress(OSError):
            return await run_in_thread(lambda: find_tcp_peer(process))
        return None

    def _make_route(
        self, registration: Registration, directory: SessionDirectory, ssh_client: str | None
    ) -> Route:
        if registration.auth == EMPTY_TOKEN_HASH:
            raise RegistrationRefused("auth is the hash of an empty token", advice="choose a token")
        user = self.owner.user
        key = registration.key
        if key is None:
            key = "".join(secrets.choice(_KEY_ALPHABET) for _ in range(_KEY_LENGTH))
        self.context.naming.check(key, user)
        now = time.time()
        return Route(
            id=self.id,
            user=user,
            key=key,
            hosts=self.context.naming.hosts(key, user),
            access=Access(owner_hash=registration.auth),
            state=Starting(since=now) if registration.is_starting else Live(since=now),
            relay_path=directory.relay_path,
            is_resumable=RESUME in registration.extensions,
            opened=self.channel.opened,
            node=registration.node,
            application=registration.application,
            command=registration.command,
            until=registration.until,
            ssh_client=ssh_client,
            ssh_process=self.process,
        )

    async def _run_registered(
        self,
        route: Route,
        registration: Registration,
        record: SessionRecord,
        directory: SessionDirectory,
        watch: Watch,
        relay: os.stat_result,
    ) -> None:
        """Keep the session until its channel ends, its relay socket is not what was checked, or its name goes."""
        with contextlib.ExitStack() as stack:
            if NOTICES in registration.extensions:
                stack.enter_context(self.context.notices.listening(self.channel))
            if route.is_resumable:
                account = self.context.ledger.session(route.id, route.user)
                stack.enter_context(self.context.links.watching(self.channel, record, account))
            with record.scope:
                async with trio.open_nursery() as nursery:
                    probe = WayProbe(self.channel, directory.relay_path, self.context.limits, nursery)
                    nursery.start_soon(
                        self._serve_channel,
                        route,
                        registration,
                        record,
                        probe,
                        name=f"channel of {route.hosts[0]}",
                    )
                    while (change := _change_of(directory, relay)) is None:
                        await watch.wait_changed()
                    # At the end of a client that listens itself, this is how the end shows first.
                    self.log.info("relay_socket_changed", change=change)
                    record.scope.cancel()
        if route.is_resumable and record.was_replaced:
            self.channel.send_event(Replaced())

    async def _serve_channel(
        self, route: Route, registration: Registration, record: SessionRecord, probe: WayProbe
    ) -> None:
        """Take the client's events, and end the session when its channel ends."""

        is_starting = registration.is_starting

        def begin() -> None:
            record.output = ()
            self.context.routes.change(route.id, Cause.READY)
            record.event_log.note("The application is running")
            with contextlib.suppress(*STREAM_LOST):  # which shows at the next read
                self.channel.send_event(Ready())  # from now on visitors see it

        def note_idle(ends: float | None) -> None:
            if (ends is None) is not (record.idle_until is None):
                record.event_log.note(
                    "The application goes on" if ends is None else "The application ends soon: unused"
                )
            record.idle_until = ends

        while True:
            match await self.channel.receive_event():
                case Ready():
                    is_starting = False
                    begin()
                case Output(lines=lines):
                    record.output = lines if is_starting else ()
                case Pong(ends=ends):
                    note_idle(ends)
                case Probe(nonce=nonce):
                    probe.start(nonce)
                case Leave():
                    self.context.ends.note_left(route)
                    record.ends_as = Cause.LEFT
                    break
                case ChannelClosed():
                    break
        record.scope.cancel()


def _change_of(directory: SessionDirectory, relay: os.stat_result) -> str | None:
    """Return how the relay socket differs from the one that was checked, None where it does not."""
    try:
        found = directory.check_relay(relay.st_uid)
    except RegistrationRefused as error:
        return str(error)
    return None if os.path.samestat(found, relay) else f"{directory.relay_path} is another socket now"
