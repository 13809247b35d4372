"""The host of all sessions: accepts clients' control connections, admits their users, and contains what fails."""

from __future__ import annotations

import secrets
import socket

from conductor_trio.errors import RegistrationRefused
from conductor_trio.net.peer_credentials import peer_credentials
from conductor_trio.net.poller import PolledStream
from conductor_trio.net.stream import STREAM_LOST
from conductor_trio.server.accounts.fairness import open_payer
from conductor_trio.server.accounts.quotas import Allowance, SessionQuotas
from conductor_trio.server.sessions.channel import ChannelEnded, ControlChannel
from conductor_trio.server.sessions.context import SessionContext
from conductor_trio.server.sessions.inotify import DirectoryMonitor
from conductor_trio.server.sessions.leftovers import Leftovers
from conductor_trio.server.sessions.owner_service import OwnerService
from conductor_trio.server.sessions.session import ID_BYTES, Owner, Session
from conductor_trio.server.sessions.user_directory import User, UserDirectory


class SessionHost:
    """Serves every client's control connection."""

    def __init__(
        self, context: SessionContext, service: OwnerService, sockets: str, monitor: DirectoryMonitor
    ) -> None:
        self._context = context
        self._service = service
        self._sockets = sockets
        self._monitor = monitor
        self._quotas = SessionQuotas(context.limits)
        #: What is left of sessions, of this server's or, once told, of others'; removed while `run` does.
        self.leftovers = Leftovers(self._quotas, context.limits, context.log)
        self._users = UserDirectory(context.rules.known_groups, context.limits)

    @property
    def sessions(self) -> int:
        """How many sessions have a place, registered or not."""
        return self._quotas.total

    async def run(self) -> None:
        """Look after what sessions leave behind, for ever."""
        await self.leftovers.run()

    async def serve(self, sock: socket.socket, _: str) -> None:
        """Serve a control connection to its end; nothing that happens in it gets out."""
        context, limits = self._context, self._context.limits
        stream = PolledStream(sock, context.poller, send_timeout=limits.control_send_timeout)
        try:
            # The same as its route's, in the access log and in the audit log.
            log = context.log.bind(session=(session_id := secrets.token_hex(ID_BYTES)))
            peer = peer_credentials(sock)
            uid = peer.uid
            if not await self._wait_turn(uid):
                log.info("refused", uid=uid, reason="too many of the user's connections wait for their turn")
                return
            channel = ControlChannel(stream, limits)
            try:
                if sock.fileno() >= limits.max_client_descriptor:
                    raise RegistrationRefused("the gateway has no descriptor left", advice="try again later")
                with self._quotas.admitted(uid, context.standing.returning_in_all) as admission:
                    user = await self._users.look_up(uid, sock)
                    admission.identify(self._allowance_of(user))
                    owner = Owner(uid=uid, user=user.name)
                    channel.charge(context.holdings.open(lambda: ("user", owner.user), stream.close))
                    context.ledger.identify(uid, owner.user)
                    session = Session(
                        context=context,
                        service=self._service,
                        monitor=self._monitor,
                        leftovers=self.leftovers,
                        channel=channel,
                        id=session_id,
                        owner=owner,
                        process=peer.pid or None,
                        admission=admission,
                        log=log.bind(user=owner.user),
                    )
                    await session.run(self._sockets)
            except RegistrationRefused as error:
                context.counters.refused += 1
                log.info("refused", uid=uid, reason=str(error))
                with self._quotas.refusing(uid) as has_time:
                    if has_time:
                        await channel.refuse(error, context.house.contact)
        except STREAM_LOST:
            context.log.debug("control_channel_lost")
        except ChannelEnded:
            pass
        except Exception:  # the one place for a session: whatever it is, the others go on
            context.counters.internal_errors += 1
            context.log.exception("session_failed")
        finally:
            stream.close()

    async def _wait_turn(self, uid: int) -> bool:
        """Wait for a user's turn; false where too many do, whose connections would take all descriptors."""
        context = self._context
        with self._quotas.arriving(uid) as has_room:
            if has_room:
                open_payer(context.ledger.channel(uid))
                await context.ledger.user(uid).wait_turn()
            else:  # and is charged to those who are not let in, which accepting goes by
                context.counters.refused += 1
                context.ledger.arrivals.note_wish()
        return has_room

    def _allowance_of(self, user: User) -> Allowance:
        rules, standing = self._context.rules, self._context.standing
        own = rules.limits_of(user.name, user.groups)
        return Allowance(
            is_admitted=rules.admits(user.name, user.groups),
            max_sessions=own.max_sessions,
            max_new_sessions=own.max_new_sessions,
            standing=standing.of_user(user.name),
            returning=standing.returning(user.name),
        )
