"""The host of all sessions: accepts clients' control connections, admits their users, and contains what fails."""

from __future__ import annotations

import pwd
import secrets
import socket

import trio

from conductor_trio.errors import RegistrationRefused
from conductor_trio.net.peer_credentials import peer_credentials
from conductor_trio.net.stream import STREAM_LOST, SocketStream
from conductor_trio.server.accounts.fairness import open_payer
from conductor_trio.server.accounts.quotas import SessionQuotas
from conductor_trio.server.sessions.channel import ChannelEnded, ControlChannel
from conductor_trio.server.sessions.context import SessionContext
from conductor_trio.server.sessions.inotify import DirectoryMonitor
from conductor_trio.server.sessions.leftovers import Leftovers
from conductor_trio.server.sessions.owner_service import OwnerService
from conductor_trio.server.sessions.session import ID_BYTES, Owner, Session


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
        # Apart from the other threads: a directory service that hangs must not hold up anything else.
        self._lookups = trio.CapacityLimiter(8)

    @property
    def lookups(self) -> int:
        """How many threads look up a user's name at this moment."""
        return self._lookups.borrowed_tokens

    @property
    def sessions(self) -> int:
        """How many sessions have a place, registered or not."""
        return self._quotas.total

    async def run(self) -> None:
        """Look after what sessions leave behind, for ever."""
        await self.leftovers.run()

    async def serve(self, sock: socket.socket) -> None:
        """Serve a control connection to its end; nothing that happens in it gets out."""
        context, limits = self._context, self._context.limits
        stream = SocketStream(sock, send_timeout=limits.control_send_timeout)
        try:
            # The same as its route's, in the access log and in the audit log.
            log = context.log.bind(session=(session_id := secrets.token_hex(ID_BYTES)))
            peer = peer_credentials(sock)
            uid = peer.uid
            open_payer(context.ledger.channel(uid))
            await context.ledger.user(uid).wait_turn()
            channel = ControlChannel(stream, limits)
            try:
                if sock.fileno() >= limits.max_client_descriptor:
                    raise RegistrationRefused("the gateway has no descriptor left", advice="try again later")
                with self._quotas.admitted(uid) as admission:
                    owner = Owner(uid=uid, user=await self._look_up(uid))
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
                        await channel.refuse(error)
        except STREAM_LOST:
            context.log.debug("control_channel_lost")
        except ChannelEnded:
            pass
        except Exception:  # the one place for a session: whatever it is, the others go on
            context.counters.internal_errors += 1
            context.log.exception("session_failed")
        finally:
            stream.close()

    async def _look_up(self, uid: int) -> str:
        """Return the user's name; in a thread, since a directory service can take seconds or hang."""
        with trio.move_on_after(self._context.limits.user_lookup_timeout):
            try:
                entry = await trio.to_thread.run_sync(
                    pwd.getpwuid, uid, abandon_on_cancel=True, limiter=self._lookups
                )
            except KeyError:
                raise RegistrationRefused(f"the gateway knows no user with the id {uid}") from None
            return entry.pw_name
        raise RegistrationRefused("the gateway could not look up your user name in time", advice="try again")
