"""The client's session, sans-IO: moves through the tables of `states`, and keeps what goes with a state.

That is: the key and the takeover to register with, the host names, the outage, the back-off, and the failure.
"""

from __future__ import annotations

import math

import attrs

from conductor_trio.access.tokens import hash_token
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.session.backoff import SessionBackoff
from conductor_trio.client.session.states import (
    TRANSITIONS,
    VERDICTS,
    ChannelLost,
    Checked,
    Event,
    Explained,
    Greeted,
    Loss,
    Reached,
    State,
    TransportClosed,
    TransportLost,
    TransportOpened,
    Verdict,
    WayProven,
)
from conductor_trio.control.events import Replaced
from conductor_trio.control.messages import (
    NAMES,
    NOTICES,
    OUTPUT,
    OWNER_COMMANDS,
    PROBE,
    RESUME,
    STARTING,
    Accepted,
    Banner,
    Registration,
    Takeover,
)
from conductor_trio.errors import ConductorError, Hop, LocalProtocolError, StartError

#: What is to blame where the session ends in a state.
_HOPS: dict[State, Hop] = {
    State.DIALLING: "ssh",
    State.GREETING: "server",
    State.CHECKING: "server",
    State.AWAITING_SERVER: "server",
    State.REOPENING: "server",
}
_LAST_HOP: Hop = "gateway"

_EXTENSIONS = {RESUME, OWNER_COMMANDS, PROBE, NOTICES, NAMES, OUTPUT}  #: that are of use to any session

_AWAY = (Loss.AWAY_AT_FIRST, Loss.AWAY)


@attrs.frozen(kw_only=True)
class Outage:
    """Why there is no connection, and which attempt to have one comes next, from 1."""

    error: ConductorError
    attempt: int


@attrs.frozen(kw_only=True)
class Names:
    """What the server tells before the application listens; None where it tells nothing then."""

    accepted: Accepted | None


@attrs.frozen(kw_only=True)
class _Lost:
    """How the last channel was lost, and where; `error` once that is explained."""

    loss: Loss
    hop: Hop
    error: ConductorError | None = None


def ask_for_newer(banner: Banner) -> str:
    """Return the advice where the server does not know what is needed: whom to ask for another."""
    whom = f" {banner.contact}" if banner.contact else ""
    return f"ask{whom} for a newer conductor-trio-server"


class ClientSession:
    """One session, from the first dial to its end.

    `needs_idle` tells that the application ends when nobody visits it, so that the server must tell of visitors.
    """

    def __init__(self, settings: ClientSettings, *, needs_idle: bool) -> None:
        self._settings = settings
        self._needs_idle = needs_idle
        self._backoff = SessionBackoff(settings.limits)
        self._start_deadline = -math.inf  # trio's time until which a server may be just starting
        self._failures = 0  # of this transport's channels, in a row
        self._lost: _Lost | None = None  # while EXPLAINING and DISCARDING
        self._takeover = Takeover.ANY if settings.replace else Takeover.OWN
        self.state = State.DIALLING
        self.reached = Reached.NOTHING
        self.key = settings.key  #: the one asked for, or else the one that the server chose
        self.names: Names | None = None  #: once that is settled
        self.pause = 0.0  #: seconds that the present pause takes
        self.outage: Outage | None = None  #: until the server has accepted us again
        self.failure: ConductorError | None = None  #: with its hop, once the session has ended

    def handle(self, event: Event) -> State:
        """Take in what has happened and return the next state; raises `LocalProtocolError` for what cannot be."""
        row, kind, former = TRANSITIONS[self.state], type(event), self.state
        verdict = self._judge(event)
        state = row.get((kind, verdict)) if verdict is not None else None
        if state is None and (state := row.get(kind)) is None:
            raise LocalProtocolError(f"{kind.__name__} cannot happen in the state {self.state.name}")
        self.state = state
        self._keep(event, former)
        if state not in (State.EXPLAINING, State.DISCARDING):
            self._lost = None
        return state

    def registers_early(self, banner: Banner) -> bool:
        """Whether an application is registered before it listens."""
        return self._settings.registers_early and STARTING in banner.extensions

    def check(self, banner: Banner) -> None:
        """Raise `StartError` where the server does not know what the session needs."""
        if self._needs_idle and OWNER_COMMANDS not in banner.extensions and self.reached is not Reached.ACCEPTANCE:
            raise StartError(
                "the gateway's server does not tell when visitors come, as --idle needs",
                advice=f"leave it out, or {ask_for_newer(banner)}",
            )
        if self._settings.needs_names and self.names is None and STARTING not in banner.extensions:
            raise StartError(
                "the gateway's server does not tell the address before the application listens, as {host}, {url} "
                "and {key} in its command need",
                advice=f"leave these out, give the key with -k, or {ask_for_newer(banner)}",
            )

    def make_registration(
        self, banner: Banner, *, is_starting: bool, node: str, until: float | None
    ) -> Registration:
        """Return what is asked for, in words that the server knows."""
        return Registration(
            auth=hash_token(self._settings.token.encode()),
            key=self.key,
            extensions=banner.extensions & (_EXTENSIONS | ({STARTING} if is_starting else set())),
            takeover=self._takeover,
            is_starting=is_starting,
            node=node,
            until=until,
            application=self._settings.launch.known_as,
            command=self._settings.launch.command_line,
        )

    def _judge(self, event: Event) -> Verdict | None:
        """Return what is to be done about a loss; None for what is none."""
        match event:
            case ChannelLost() | TransportLost():
                return VERDICTS[self.reached][self._refine(event)]
            case Explained() if self._lost is not None:  # that is, while EXPLAINING
                return VERDICTS[self.reached][self._lost.loss]
        return None

    def _refine(self, event: ChannelLost | TransportLost) -> Loss:
        """Return the loss, with what only we know of it: when, and after how many."""
        match event:
            case ChannelLost(loss=Loss.AWAY, now=now) if now < self._start_deadline:
                return Loss.AWAY_AT_FIRST
            case ChannelLost(loss=Loss.FAILED) if self._failures + 1 >= self._settings.limits.max_channel_failures:
                return Loss.FAILED_AGAIN
        return event.loss

    def _keep(self, event: Event, former: State) -> None:
        """Keep what goes with a step from a former state to the present one."""
        match event:
            case TransportOpened(now=now):
                self._start_deadline = now + self._settings.limits.server_start_timeout
                self._failures = 0
                self._backoff.note_dialled()
            case Greeted():
                self.reached = Reached.GREETING if self.reached is Reached.NOTHING else self.reached
            case Checked(banner=banner):
                if STARTING not in banner.extensions:
                    self._settle_names(None)
            case Accepted():
                self._accept(event)
            case WayProven():
                self._failures = 0
            case Replaced():
                # Two that take a name from each other would do so for ever.
                self._takeover = Takeover.NEVER
            case ChannelLost():
                self._lost = _Lost(loss=self._refine(event), hop=_HOPS.get(former, _LAST_HOP))
                if self.state is State.AWAITING_SERVER:
                    self.pause = self._backoff.before_reopen(is_away=True)
            case Explained(error=error):
                self._keep_explained(error)
            case TransportLost() | TransportClosed():
                self._keep_without_transport(event, former)

    def _accept(self, accepted: Accepted) -> None:
        # A key that the server chose keeps the address the same after the next dial.
        self.key = self.key or accepted.key
        if self._takeover is Takeover.ANY:
            self._takeover = Takeover.OWN
        self.outage = None
        self.reached = Reached.ACCEPTANCE
        self._backoff.note_accepted()
        self._settle_names(accepted)

    def _settle_names(self, accepted: Accepted | None) -> None:
        if self.names is None:
            self.names = Names(accepted=accepted)

    def _keep_explained(self, error: ConductorError) -> None:
        assert self._lost is not None
        self._lost = attrs.evolve(self._lost, error=error)
        match self.state:
            case State.ENDED:
                self.failure = _at_hop(error, self._lost.hop)
            case State.REOPENING:
                loss = self._lost.loss
                self._failures = self._failures + 1 if loss is Loss.FAILED else 0
                if self.outage is None:
                    self._backoff.note_outage()
                self.pause = self._backoff.before_reopen(is_away=loss in _AWAY)
                self._prolong_outage(error)

    def _keep_without_transport(self, event: TransportLost | TransportClosed, former: State) -> None:
        lost = self._lost
        if self.state is State.REDIALLING:
            # A transport is discarded for the reason for which its last channel was lost.
            known = lost.error if lost is not None else None
            error = known or (event.error if isinstance(event, TransportLost) else None)
            assert error is not None  # for we close a transport ourselves after a loss that was explained only
            self.pause = self._backoff.before_redial()
            self._prolong_outage(error)
        elif isinstance(event, TransportLost) and self.failure is None:
            hop: Hop = lost.hop if lost is not None else _HOPS.get(former, _LAST_HOP)
            self.failure = _at_hop(event.error, "here" if event.loss is Loss.HERE else hop)

    def _prolong_outage(self, error: ConductorError) -> None:
        self.outage = Outage(error=error, attempt=1 if self.outage is None else self.outage.attempt + 1)


def _at_hop(error: ConductorError, hop: Hop) -> ConductorError:
    """Return the error at its own hop, or else at `hop`."""
    return ConductorError(error.what, advice=error.advice, hop=error.hop or hop, reason=error.reason)
