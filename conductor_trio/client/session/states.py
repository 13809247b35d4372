"""The client's session as a state machine, sans-IO: dialled, greeted, registered, live, lost, and dialled again.

Two levels: a transport stands (SSH, or nothing on the server's own host), and over it control channels follow one
another. Where only the channel is lost, or where the server asks to move, the next one takes the same transport::

    DIALLING ──▸ GREETING ──▸ CHECKING ──▸ PREPARING ──▸ REGISTERING ────────────────────▸ LIVE
        ▴         ▴ ▴ ▴ ▴                      └───────▸ REGISTERING_EARLY ──▸ STARTING ──▸┘ │
        │         │ │ │ └── the server asks to move ─────────────────────────────┴───────────┘
        │         │ │ └──── AWAITING_SERVER ◂── the channel is lost, and the server may be just starting
        │         │ │
        │         │ └────── REOPENING ◂────┐
        │     DISCARDING ◂─────────────────┼─── EXPLAINING ◂── the channel is lost, from GREETING to LIVE
        │         │                ENDED ◂─┘
        └───── REDIALLING ◂── the transport is lost, or cannot be dialled, in any state but ENDED ──▸ ENDED

`TRANSITIONS` holds every step, in the manner of `h11._state`: ``TRANSITIONS[state][event]`` is the next state,
where an event stands for its class, and ``(event, verdict)`` for one that is judged first. `VERDICTS` has the
judgements: what becomes of a loss depends on its kind, and on how far any attempt of this session has come.
`ClientSession` moves through both; the Trio shell around it is `conductor_trio.client.session.keeper`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from conductor_trio.control.events import Replaced
from conductor_trio.control.messages import Accepted, Banner
from conductor_trio.errors import ConductorError
from conductor_trio.message import Message


class State(enum.Enum):
    """Where the session stands."""

    DIALLING = enum.auto()  #: a transport is opened: ssh logs in
    GREETING = enum.auto()  #: it stands; a control channel is opened, and the server is to greet
    CHECKING = enum.auto()  #: it has; it may not know what the session needs
    PREPARING = (
        enum.auto()
    )  #: the relay is made, and then the application is waited for, unless it need not listen
    REGISTERING = enum.auto()  #: of an application that listens, the registration is to be answered
    REGISTERING_EARLY = enum.auto()  #: of one that is still to listen
    STARTING = enum.auto()  #: registered; visitors see that the application is starting
    LIVE = enum.auto()  #: visitors see the application
    EXPLAINING = enum.auto()  #: the channel is lost; the transport is asked why
    AWAITING_SERVER = enum.auto()  #: a server that is not there yet is waited for, without a word
    REOPENING = enum.auto()  #: a pause before the next channel over the same transport
    DISCARDING = enum.auto()  #: the transport is taken down, since it may be to blame
    REDIALLING = enum.auto()  #: a pause before the next transport
    ENDED = enum.auto()  #: another attempt would most likely end the same


class Reached(enum.Enum):
    """How far any attempt of this session has come: who has been accepted once is patient ever after."""

    NOTHING = enum.auto()
    GREETING = enum.auto()
    ACCEPTANCE = enum.auto()


class Loss(enum.Enum):
    """How a channel, or its transport, was lost."""

    AWAY_AT_FIRST = (
        enum.auto()
    )  #: the server is not there, and the transport is younger than `server_start_timeout`
    AWAY = enum.auto()  #: the server is not there, or has closed the channel
    REFUSED = enum.auto()  #: by its own word
    SILENT = enum.auto()  #: nothing comes where something should
    FAILED = enum.auto()  #: anything else about a channel, as a relay that cannot be made
    FAILED_AGAIN = enum.auto()  #: the same for the `max_channel_failures`-th time in a row
    TRANSPORT = enum.auto()  #: the transport was lost, or could not be dialled
    HERE = enum.auto()  #: this host is short of something, or we have a bug


class Verdict(enum.Enum):
    """What is to be done about a loss."""

    AWAIT = enum.auto()
    REOPEN = enum.auto()
    REDIAL = enum.auto()
    END = enum.auto()


VERDICTS: Mapping[Reached, Mapping[Loss, Verdict]] = {
    Reached.NOTHING: {
        Loss.AWAY_AT_FIRST: Verdict.AWAIT,
        Loss.AWAY: Verdict.END,
        Loss.REFUSED: Verdict.END,
        Loss.SILENT: Verdict.END,
        Loss.FAILED: Verdict.END,
        Loss.FAILED_AGAIN: Verdict.END,
        Loss.TRANSPORT: Verdict.END,
        Loss.HERE: Verdict.END,
    },
    Reached.GREETING: {
        Loss.AWAY_AT_FIRST: Verdict.REOPEN,
        Loss.AWAY: Verdict.REOPEN,
        Loss.REFUSED: Verdict.END,
        Loss.SILENT: Verdict.END,
        Loss.FAILED: Verdict.END,
        Loss.FAILED_AGAIN: Verdict.END,
        Loss.TRANSPORT: Verdict.REDIAL,
        Loss.HERE: Verdict.END,
    },
    Reached.ACCEPTANCE: {
        Loss.AWAY_AT_FIRST: Verdict.REOPEN,
        Loss.AWAY: Verdict.REOPEN,
        Loss.REFUSED: Verdict.REOPEN,
        Loss.SILENT: Verdict.REDIAL,  # since ssh itself may be what hangs
        Loss.FAILED: Verdict.REOPEN,
        Loss.FAILED_AGAIN: Verdict.REDIAL,
        Loss.TRANSPORT: Verdict.REDIAL,
        Loss.HERE: Verdict.REDIAL,  # a bug in dialling is not to cost the application its hours of work
    },
}


class TransportOpened(Message):
    """A transport stands, at trio's time `now`."""

    now: float


class Greeted(Message):
    """The server has greeted."""

    banner: Banner


class Checked(Message):
    """The server knows what the session needs; see `ClientSession.check`."""

    banner: Banner


class RegistrationSent(Message):
    """The registration of an application that listens is on its way."""


class EarlyRegistrationSent(Message):
    """The registration of an application that is still to listen is on its way."""


class Shown(Message):
    """Visitors see the application."""


class WayProven(Message):
    """What was said at the gateway's relay socket has arrived: visitors get here."""


class Moved(Message):
    """The server has asked us to register again; the former channel is nobody's business here any more."""


class ChannelLost(Message):
    """The channel was lost, at trio's time `now`, or could not be opened."""

    loss: Loss
    now: float


class Explained(Message):
    """The transport has said what tells the user most about the loss of the channel."""

    error: ConductorError


class PauseOver(Message):
    """The pause has passed."""


class TransportLost(Message):
    """The transport was lost, or could not be dialled, and is taken down."""

    loss: Loss
    error: ConductorError


class TransportClosed(Message):
    """The transport was taken down because we were done with it."""


Event = (
    TransportOpened
    | Greeted
    | Checked
    | RegistrationSent
    | EarlyRegistrationSent
    | Accepted
    | Shown
    | WayProven
    | Moved
    | Replaced
    | ChannelLost
    | Explained
    | PauseOver
    | TransportLost
    | TransportClosed
)

Row = Mapping[type[Event] | tuple[type[Event], Verdict], State]

_ON_TRANSPORT: Row = {
    (TransportLost, Verdict.REDIAL): State.REDIALLING,
    (TransportLost, Verdict.END): State.ENDED,
}
_ON_CHANNEL: Row = {ChannelLost: State.EXPLAINING, **_ON_TRANSPORT}  # judged when it is explained
_ACCEPTED: Row = {ChannelLost: State.EXPLAINING, (TransportLost, Verdict.REDIAL): State.REDIALLING}

TRANSITIONS: Mapping[State, Row] = {
    State.DIALLING: {TransportOpened: State.GREETING, **_ON_TRANSPORT},
    State.GREETING: {
        Greeted: State.CHECKING,
        (ChannelLost, Verdict.AWAIT): State.AWAITING_SERVER,
        **_ON_CHANNEL,
    },
    State.CHECKING: {Checked: State.PREPARING, **_ON_CHANNEL},
    State.PREPARING: {
        RegistrationSent: State.REGISTERING,
        EarlyRegistrationSent: State.REGISTERING_EARLY,
        **_ON_CHANNEL,
    },
    State.REGISTERING: {Accepted: State.LIVE, **_ON_CHANNEL},
    State.REGISTERING_EARLY: {Accepted: State.STARTING, **_ON_CHANNEL},
    State.STARTING: {
        Shown: State.LIVE,
        Moved: State.GREETING,
        WayProven: State.STARTING,
        Replaced: State.STARTING,  # the end of the channel follows
        **_ACCEPTED,
    },
    State.LIVE: {Moved: State.GREETING, WayProven: State.LIVE, Replaced: State.LIVE, **_ACCEPTED},
    State.EXPLAINING: {
        (Explained, Verdict.REOPEN): State.REOPENING,
        (Explained, Verdict.REDIAL): State.DISCARDING,
        (Explained, Verdict.END): State.ENDED,
        **_ON_TRANSPORT,
    },
    State.AWAITING_SERVER: {PauseOver: State.GREETING, (TransportLost, Verdict.END): State.ENDED},
    State.REOPENING: {PauseOver: State.GREETING, **_ON_TRANSPORT},
    State.DISCARDING: {TransportClosed: State.REDIALLING, TransportLost: State.REDIALLING},
    State.REDIALLING: {PauseOver: State.DIALLING},
    State.ENDED: {TransportClosed: State.ENDED, TransportLost: State.ENDED},
}
