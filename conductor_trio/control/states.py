r"""The states of a control channel at both ends, and the tables of all transitions: which message may come when.

::

    server                                          client
    SEND_BANNER     ── Banner ──────────────────▸   AWAIT_BANNER
    AWAIT_REQUEST   ◂───────────── Registration ──  READY
    REGISTERING     ── Accepted or Refused ─────▸   AWAIT_REPLY
    REGISTERED      ◂─ events, in any order ────▸   FOLLOWING, PINGED; without `resume` REGISTERED, and none come
              before a registration, any number of times:
    AWAIT_REQUEST   ◂───────────── InspectRelay ──  READY
    INSPECTING      ── RelayInspected ──────────▸   AWAIT_INSPECTION
              or, in the place of a registration:
    AWAIT_REQUEST   ◂────────────────── Command ──  READY
    ANSWERING       ── Answer or Refused ───────▸   AWAIT_ANSWER
    COMMANDING      ◂────────────────── Command ──  COMMANDING

The tables hold every transition, as those of `h11._state` do: ``table[state][message]`` is the next state, where a
message stands for its class, and ``(message, extension)`` for one that needs that extension: of the greeting until
there is a registration, of the registration from then on. What is not in them cannot be: if we try it, it is a
`LocalProtocolError`; if the other end does, a `RemoteProtocolError` or `RegistrationRefused`. Besides:

- The end of the channel, `ChannelClosed`, leads to CLOSED from every state in which something may come.
- A registered client's line that is none of its events is a `SurplusLine`, which the server answers with
  `Refused`. The last one that is answered is a `LastSurplusLine`, and then the server closes.
- `BadLine` stands for a line that is too long, or is not what must come now. The server says why (REFUSING),
  unless the client is registered; the client has nothing to say.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TypeVar

from conductor_trio.control.events import (
    Leave,
    Move,
    Notice,
    Output,
    Ping,
    Pong,
    Probe,
    Probed,
    Ready,
    Replaced,
    Stop,
)
from conductor_trio.control.messages import (
    NOTICES,
    OUTPUT,
    OWNER_COMMANDS,
    PROBE,
    RELAY,
    RESUME,
    STARTING,
    Accepted,
    Banner,
    Refused,
    Registration,
)
from conductor_trio.control.owner_commands import (
    Answer,
    ListSessions,
    RevokeShare,
    ShareSession,
    StopSession,
)
from conductor_trio.control.relay_inspection import InspectRelay, RelayInspected
from conductor_trio.message import Message


class ServerState(enum.Enum):
    """Where the server's end stands."""

    SEND_BANNER = enum.auto()  #: connected; to be greeted, or refused
    AWAIT_REQUEST = enum.auto()  #: greeted
    INSPECTING = enum.auto()  #: has asked how the relay socket is; to be answered
    REGISTERING = enum.auto()  #: has asked for a name; to be accepted, or refused
    REGISTERED = enum.auto()  #: has a name; events go both ways
    COMMANDING = enum.auto()  #: has had its answers, and may give a further command
    ANSWERING = enum.auto()  #: has given a command; to be answered, or refused
    REFUSING = enum.auto()  #: has sent what cannot be; to be told so
    CLOSED = enum.auto()


class ClientState(enum.Enum):
    """Where the client's end stands."""

    AWAIT_BANNER = enum.auto()  #: connected
    READY = enum.auto()  #: greeted; registers, or gives commands
    AWAIT_INSPECTION = enum.auto()  #: has asked how the relay socket is
    AWAIT_REPLY = enum.auto()  #: has asked for a name
    REGISTERED = enum.auto()  #: has one; the server knows no events, and what it says is ignored
    FOLLOWING = enum.auto()  #: has one; events come. The server does not ping, and may be silent for ever
    PINGED = enum.auto()  #: the same, with a server that pings: its silence means a dead link
    AWAIT_ANSWER = enum.auto()  #: has given a command
    COMMANDING = enum.auto()  #: has the answer, and may give a further command
    LEFT = enum.auto()  #: has said that it leaves; what the server says is ignored
    CLOSED = enum.auto()


class SurplusLine(Message):
    """The server's: a registered client has sent what the protocol does not have, to be answered with `reason`."""

    reason: str = "already registered; open another control channel"


class LastSurplusLine(Message):
    """The server's: the same once more, and once more to be answered, and then the channel is closed."""

    reason: str = SurplusLine().reason


class ChannelClosed(Message):
    """The other end has closed the channel, or whoever carries it has."""


class BadLine(Message):
    """A line that is too long, or not what must come now; in the tables only, since it is raised as an error."""


S = TypeVar("S", bound=enum.Enum)
Row = Mapping[type | tuple[type, str], S]
Table = Mapping[S, Row[S]]

_S, _C = ServerState, ClientState

_COMMANDS = (ListSessions, StopSession, ShareSession, RevokeShare)

SERVER_SENDS: Table[ServerState] = {
    _S.SEND_BANNER: {Banner: _S.AWAIT_REQUEST, Refused: _S.CLOSED},
    _S.AWAIT_REQUEST: {Refused: _S.CLOSED},
    _S.INSPECTING: {RelayInspected: _S.AWAIT_REQUEST},
    _S.REGISTERING: {Accepted: _S.REGISTERED, Refused: _S.CLOSED},
    _S.REGISTERED: {
        (Ping, RESUME): _S.REGISTERED,
        (Move, RESUME): _S.REGISTERED,
        (Replaced, RESUME): _S.REGISTERED,
        (Stop, OWNER_COMMANDS): _S.REGISTERED,
        (Notice, NOTICES): _S.REGISTERED,
        Ready: _S.REGISTERED,  # an answer: it needs only that the client has said the same
        Probed: _S.REGISTERED,  # so is this
        Refused: _S.REGISTERED,  # and this, to a surplus line
    },
    _S.COMMANDING: {Refused: _S.CLOSED},
    _S.ANSWERING: {Answer: _S.COMMANDING, Refused: _S.CLOSED},
    _S.REFUSING: {Refused: _S.CLOSED},
    _S.CLOSED: {},
}

SERVER_RECEIVES: Table[ServerState] = {
    _S.SEND_BANNER: {},
    _S.AWAIT_REQUEST: {
        InspectRelay: _S.INSPECTING,
        Registration: _S.REGISTERING,
        **dict.fromkeys(_COMMANDS, _S.ANSWERING),
        BadLine: _S.REFUSING,
    },
    _S.INSPECTING: {},
    _S.REGISTERING: {},
    _S.REGISTERED: {  # events need no extension: what a client that names none says is understood all the same
        Ready: _S.REGISTERED,
        Pong: _S.REGISTERED,
        Output: _S.REGISTERED,
        Probe: _S.REGISTERED,
        Leave: _S.CLOSED,
        SurplusLine: _S.REGISTERED,
        LastSurplusLine: _S.REFUSING,
        BadLine: _S.CLOSED,
    },
    _S.COMMANDING: {**dict.fromkeys(_COMMANDS, _S.ANSWERING), BadLine: _S.REFUSING},
    _S.ANSWERING: {},
    _S.REFUSING: {},
    _S.CLOSED: {},
}

CLIENT_SENDS: Table[ClientState] = {
    _C.AWAIT_BANNER: {},
    _C.READY: {
        (InspectRelay, RELAY): _C.AWAIT_INSPECTION,
        Registration: _C.AWAIT_REPLY,
        **{(command, OWNER_COMMANDS): _C.AWAIT_ANSWER for command in _COMMANDS},
    },
    _C.AWAIT_INSPECTION: {},
    _C.AWAIT_REPLY: {(Leave, RESUME): _C.LEFT},  # takes back a registration that is on its way
    _C.REGISTERED: {(Ready, STARTING): _C.REGISTERED},
    _C.FOLLOWING: {
        (Ready, STARTING): _C.FOLLOWING,
        (Output, OUTPUT): _C.FOLLOWING,
        (Probe, PROBE): _C.FOLLOWING,
        Leave: _C.LEFT,
    },
    _C.PINGED: {
        Pong: _C.PINGED,
        (Ready, STARTING): _C.PINGED,
        (Output, OUTPUT): _C.PINGED,
        (Probe, PROBE): _C.PINGED,
        Leave: _C.LEFT,
    },
    _C.AWAIT_ANSWER: {},
    _C.COMMANDING: dict.fromkeys(_COMMANDS, _C.AWAIT_ANSWER),
    _C.LEFT: {},
    _C.CLOSED: {},
}

CLIENT_RECEIVES: Table[ClientState] = {
    _C.AWAIT_BANNER: {Banner: _C.READY, Refused: _C.CLOSED, BadLine: _C.CLOSED},
    _C.READY: {},
    _C.AWAIT_INSPECTION: {RelayInspected: _C.READY, Refused: _C.CLOSED, BadLine: _C.CLOSED},
    _C.AWAIT_REPLY: {
        Accepted: _C.REGISTERED,
        (Accepted, RESUME): _C.FOLLOWING,
        Refused: _C.CLOSED,
        BadLine: _C.CLOSED,
    },
    _C.REGISTERED: {},
    _C.FOLLOWING: {
        Ping: _C.PINGED,
        **dict.fromkeys((Ready, Probed, Stop, Move, Replaced, Notice), _C.FOLLOWING),
        BadLine: _C.CLOSED,
    },
    _C.PINGED: {
        **dict.fromkeys((Ping, Ready, Probed, Stop, Move, Replaced, Notice), _C.PINGED),
        BadLine: _C.CLOSED,
    },
    _C.AWAIT_ANSWER: {Answer: _C.COMMANDING, Refused: _C.CLOSED, BadLine: _C.CLOSED},
    _C.COMMANDING: {},
    _C.LEFT: {},
    _C.CLOSED: {},
}

#: In these, what the other end says is thrown away as it comes; in others without a row it waits.
IGNORING = {_C.REGISTERED, _C.LEFT, _C.CLOSED, _S.CLOSED}
