"""The control channel's machines: each transition, all that is none, and both ends against each other."""

from __future__ import annotations

import json
from collections import deque
from typing import Any, TypeVar

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.tokens import hash_token
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
from conductor_trio.control.machine import ClientProtocol, ServerProtocol
from conductor_trio.control.messages import (
    EXTENSIONS,
    OWNER_COMMANDS,
    RELAY,
    RESUME,
    STARTING,
    Accepted,
    Banner,
    Refused,
    Registration,
)
from conductor_trio.control.owner_commands import Answer, ListSessions, RevokeShare, ShareSession, StopSession
from conductor_trio.control.relay_inspection import InspectRelay, RelayInspected
from conductor_trio.control.states import (
    CLIENT_RECEIVES,
    CLIENT_SENDS,
    SERVER_RECEIVES,
    SERVER_SENDS,
    BadLine,
    ChannelClosed,
    ClientState,
    LastSurplusLine,
    ServerState,
    SurplusLine,
    Table,
)
from conductor_trio.errors import LocalProtocolError, RegistrationRefused, RemoteProtocolError
from tests.support.strategies import cut, cuts

DIGEST = hash_token(b"test")
MAX_LINE = 2000
SURPLUS = 2

#: One message of each class that is sent.
SAMPLES: dict[type, Any] = {
    type(one): one
    for one in (
        Banner(directory="/d", extensions=EXTENSIONS),
        InspectRelay(),
        RelayInspected(is_open=True),
        Registration(auth=DIGEST, key="k"),
        ListSessions(),
        StopSession(key="k"),
        ShareSession(key="k", auth=DIGEST, label="", seconds=None, is_once=False),
        RevokeShare(key="k", id="s"),
        Accepted(urls=("a",), key="k"),
        Refused(reason="no"),
        Answer(fields={"state": "live"}),
        Ping(idle=1.0, visitors=0),
        Pong(),
        Leave(),
        Output(lines=("a", "b")),
        Ready(),
        Probe(nonce="0123456789abcdef" * 2),
        Probed(),
        Stop(),
        Move(),
        Replaced(),
        Notice(about="announcement", text="noon", since=1.0),
    )
}

#: These states are reached with that extension only, and REGISTERED without it only.
NEED_RESUME = {ClientState.FOLLOWING, ClientState.PINGED, ClientState.LEFT}

State = TypeVar("State", ServerState, ClientState)


def server() -> ServerProtocol:
    return ServerProtocol(max_surplus=SURPLUS, max_line=MAX_LINE)


def client() -> ClientProtocol:
    return ClientProtocol(max_line=MAX_LINE)


def sample(kind: type, extensions: frozenset[str]) -> Any:
    """Return a message of that class; a greeting and a registration name these extensions."""
    message = SAMPLES[kind]
    fields = vars(message) | ({"extensions": extensions} if isinstance(message, Banner | Registration) else {})
    return kind(**fields)


def line_of(message: Any) -> bytes:
    """Return the line of a message, as the end writes it that may send it; a greeting's extensions are its own."""
    if isinstance(message, Banner):
        told = {"directory": message.directory, "status": "ok", "extensions": sorted(message.extensions)}
        return json.dumps(told).encode() + b"\n"
    one = (
        server()
        if isinstance(
            message, RelayInspected | Accepted | Refused | Answer | Ping | Probed | Stop | Move | Replaced | Notice
        )
        else client()
    )
    one.extensions = EXTENSIONS
    for state in ServerState if isinstance(one, ServerProtocol) else ClientState:
        one.state = state
        if one.may_send(type(message)):
            return one.send(message)
    raise AssertionError(message)


def receive(end: ServerProtocol | ClientProtocol, kind: type, extensions: frozenset[str]) -> object:
    """Have an end receive a message of that class, or what stands for one in the tables."""
    match kind:
        case _ if kind is BadLine:
            end.receive_data(b"x" * MAX_LINE)
        case _ if kind in (SurplusLine, LastSurplusLine):
            end.receive_data(b"what?\n")
        case _:
            end.receive_data(line_of(sample(kind, extensions)))
    return end.next_event()


def find_path(state: State, start: State, *tables: Table[State]) -> list[tuple[int, type]]:
    """Return the shortest way to a state: in each step the table's number, and what is sent or received."""
    queue: deque[tuple[State, list[tuple[int, type]]]] = deque([(start, [])])
    seen = {start}
    while queue:
        at: State
        path: list[tuple[int, type]]
        at, path = queue.popleft()
        if at is state:
            return path
        for number, table in enumerate(tables):
            for key, to in table[at].items():
                kind = key[0] if isinstance(key, tuple) else key
                if to not in seen and kind is not LastSurplusLine:
                    seen.add(to)
                    queue.append((to, [*path, (number, kind)]))
    raise AssertionError(f"{state} cannot be reached")


def server_in(state: ServerState, extensions: frozenset[str]) -> ServerProtocol:
    """Return the server's end in a state, brought there by messages."""
    end = server()
    for is_received, kind in find_path(state, end.state, SERVER_SENDS, SERVER_RECEIVES):
        if is_received:
            try:
                receive(end, kind, extensions)
            except RegistrationRefused:
                assert kind is BadLine
        else:
            end.send(sample(kind, extensions))
    assert end.state is state
    return end


def client_in(state: ClientState, extensions: frozenset[str]) -> ClientProtocol:
    """Return the client's end in a state, brought there by messages."""
    end = client()
    wanted = extensions | {RESUME} if state in NEED_RESUME else extensions
    wanted -= {RESUME} if state is ClientState.REGISTERED else set()
    for is_received, kind in find_path(state, end.state, CLIENT_SENDS, CLIENT_RECEIVES):
        if is_received:
            try:
                receive(end, kind, EXTENSIONS if kind is Banner else wanted)
            except (RegistrationRefused, RemoteProtocolError):
                assert kind in (BadLine, Refused)
        else:
            end.send(sample(kind, wanted))
    assert end.state is state
    return end


def rows(table: Table[State]) -> list[tuple[State, type, frozenset[str], State]]:
    """Return each transition of a table, with the extensions that it needs."""
    found = []
    for state, row in table.items():
        for key, to in row.items():
            kind, extensions = (key[0], {key[1]}) if isinstance(key, tuple) else (key, ())
            found.append((state, kind, frozenset[str](extensions), to))
    return found


# Each transition of the tables.


@pytest.mark.parametrize(("state", "kind", "extensions", "to"), rows(SERVER_SENDS))
def test_what_the_server_sends(
    state: ServerState, kind: type, extensions: frozenset[str], to: ServerState
) -> None:
    end = server_in(state, extensions)
    line = end.send(sample(kind, extensions))
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert end.state is to


@pytest.mark.parametrize(("state", "kind", "extensions", "to"), rows(SERVER_RECEIVES))
def test_what_the_server_receives(
    state: ServerState, kind: type, extensions: frozenset[str], to: ServerState
) -> None:
    end = server_in(state, extensions)
    if kind is LastSurplusLine:
        for _ in range(SURPLUS - 1):
            assert receive(end, SurplusLine, extensions) == SurplusLine()
    if kind is BadLine:
        with pytest.raises(RegistrationRefused, match=f"longer than {MAX_LINE} bytes"):
            receive(end, kind, extensions)
    else:
        assert type(receive(end, kind, extensions)) is kind
    assert end.state is to


@pytest.mark.parametrize(("state", "kind", "extensions", "to"), rows(CLIENT_SENDS))
def test_what_the_client_sends(
    state: ClientState, kind: type, extensions: frozenset[str], to: ClientState
) -> None:
    end = client_in(state, extensions)
    line = end.send(sample(kind, extensions))
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert end.state is to


@pytest.mark.parametrize(("state", "kind", "extensions", "to"), rows(CLIENT_RECEIVES))
def test_what_the_client_receives(
    state: ClientState, kind: type, extensions: frozenset[str], to: ClientState
) -> None:
    end = client_in(state, extensions)
    if kind is BadLine:
        with pytest.raises(RemoteProtocolError, match="longer"):
            receive(end, kind, extensions)
    elif kind is Refused:
        with pytest.raises(RegistrationRefused, match="no"):
            receive(end, kind, extensions)
    else:
        assert type(receive(end, kind, extensions)) is kind
    assert end.state is to


@pytest.mark.parametrize("state", ServerState)
def test_the_end_of_the_server_s_channel(state: ServerState) -> None:
    end = server_in(state, EXTENSIONS)
    end.receive_data(b"half a li")
    end.receive_data(b"")
    if SERVER_RECEIVES[state] or state is ServerState.CLOSED:
        assert end.next_event() == ChannelClosed()
        assert end.state is ServerState.CLOSED
    else:
        assert end.next_event() is None  # the server's turn
        assert end.state is state


@pytest.mark.parametrize("state", ClientState)
def test_the_end_of_the_client_s_channel(state: ClientState) -> None:
    end = client_in(state, frozenset())
    end.receive_data(b"half a li")
    end.receive_data(b"")
    if state in (ClientState.READY, ClientState.COMMANDING):
        assert end.next_event() is None  # the client's turn
        assert end.state is state
    else:
        assert end.next_event() == ChannelClosed()
        assert end.state is ClientState.CLOSED


# What is not in them.


@pytest.mark.parametrize("extensions", [frozenset[str](), EXTENSIONS])
@pytest.mark.parametrize("state", ServerState)
def test_all_else_cannot_be_sent_by_the_server(state: ServerState, extensions: frozenset[str]) -> None:
    possible = {kind for at, kind, needs, _ in rows(SERVER_SENDS) if at is state and needs <= extensions}
    for kind in SAMPLES.keys() - possible:
        end = server_in(state, extensions)
        with pytest.raises(LocalProtocolError):
            end.send(sample(kind, extensions))
        assert end.state is state


@pytest.mark.parametrize("extensions", [frozenset[str](), EXTENSIONS])
@pytest.mark.parametrize("state", ClientState)
def test_all_else_cannot_be_sent_by_the_client(state: ClientState, extensions: frozenset[str]) -> None:
    for kind in SAMPLES:
        end = client_in(state, extensions)
        possible = {one for at, one, needs, _ in rows(CLIENT_SENDS) if at is state and needs <= end.extensions}
        if kind not in possible:
            with pytest.raises(LocalProtocolError):
                end.send(sample(kind, extensions))
            assert end.state is state


def test_a_client_names_no_extension_that_was_not_announced() -> None:
    end = client()
    end.receive_data(line_of(Banner(directory="/d", extensions=frozenset({RESUME}))))
    end.next_event()
    assert not end.may_send(ListSessions)
    with pytest.raises(LocalProtocolError, match="not announced"):
        end.send(Registration(auth=DIGEST, key=None, extensions=frozenset({RESUME, STARTING})))
    end.send(Registration(auth=DIGEST, key=None, extensions=frozenset({RESUME})))


@pytest.mark.parametrize("kind", [Ping, Stop, Move, Replaced, Banner, Registration, Accepted])
def test_a_registered_client_s_other_lines_are_answered_up_to_a_number(kind: type) -> None:
    end = server_in(ServerState.REGISTERED, EXTENSIONS)
    for _ in range(SURPLUS - 1):
        event = receive(end, kind, EXTENSIONS)
        assert isinstance(event, SurplusLine)
        assert event.reason == "already registered; open another control channel"
        end.send(Refused(reason=event.reason))
        assert end.state is ServerState.REGISTERED
    event = receive(end, kind, EXTENSIONS)
    assert isinstance(event, LastSurplusLine)
    end.send(Refused(reason=event.reason))
    assert end.state is ServerState.CLOSED


@pytest.mark.parametrize(
    ("state", "line", "says"),
    [
        (ServerState.AWAIT_REQUEST, b"{\n", "the registration is not a line of JSON"),
        (ServerState.AWAIT_REQUEST, b"{}\n", "auth is missing"),
        (ServerState.AWAIT_REQUEST, b'{"event": "ready"}\n', "auth is missing"),
        (ServerState.AWAIT_REQUEST, b'{"command": "dance"}\n', "does not know that command"),
        (ServerState.COMMANDING, b'{"command": "dance"}\n', "does not know that command"),
        (ServerState.COMMANDING, b"no json\n", "a channel is for commands or for a registration"),
        (ServerState.COMMANDING, b'{"auth": "x"}\n', "a channel is for commands or for a registration"),
    ],
)
def test_a_bad_request_is_refused_and_nothing_else_comes_of_it(state: ServerState, line: bytes, says: str) -> None:
    end = server_in(state, EXTENSIONS)
    end.receive_data(line * 2)
    with pytest.raises(RegistrationRefused, match=says):
        end.next_event()
    assert end.state is ServerState.REFUSING
    assert end.next_event() is None
    end.send(Refused(reason=says))
    assert end.next_event() == ChannelClosed()


@pytest.mark.parametrize(
    ("state", "to"),
    [
        (ServerState.AWAIT_REQUEST, ServerState.REFUSING),
        (ServerState.COMMANDING, ServerState.REFUSING),
        (ServerState.REGISTERED, ServerState.CLOSED),
    ],
)
def test_half_a_line_and_then_nothing(state: ServerState, to: ServerState) -> None:
    end = server_in(state, EXTENSIONS)
    end.receive_data(b"{")
    assert end.next_event() is None
    assert end.has_partial_line
    assert "half a line" in str(end.refuse_partial_line())
    assert end.state == to


@pytest.mark.parametrize("state", [ClientState.FOLLOWING, ClientState.PINGED])
def test_a_client_ignores_what_it_does_not_know(state: ClientState) -> None:
    end = client_in(state, EXTENSIONS)
    end.receive_data(b'no json\n{"event": "later"}\n{"event": "leave"}\n{"event": "pong"}\n{"event": "move"}\n')
    assert end.next_event() == Move()
    assert end.next_event() is None
    assert end.state is state


@pytest.mark.parametrize("state", [ClientState.REGISTERED, ClientState.LEFT])
def test_where_no_events_are_agreed_on_the_client_ignores_all(state: ClientState) -> None:
    end = client_in(state, frozenset())
    for _ in range(10):
        end.receive_data(b"x" * MAX_LINE)
        assert end.next_event() is None
    assert not end.has_partial_line
    assert end.state is state


def test_what_comes_before_it_is_asked_for_waits() -> None:
    end = client()
    end.receive_data(line_of(Banner(directory="/d")) + line_of(Accepted(urls=("a",))))
    end.receive_data(b"")
    assert isinstance(end.next_event(), Banner)
    assert end.next_event() is None
    end.send(Registration(auth=DIGEST, key=None))
    assert end.next_event() == Accepted(urls=("a",))
    assert end.next_event() == ChannelClosed()


# Both ends together.

#: What the server announces and what the registration names of it; most dialogues with events are to have both.
some_extensions = st.just(EXTENSIONS) | st.sets(st.sampled_from(sorted(EXTENSIONS))).map(frozenset)
registered = st.just((Banner, Registration, Accepted))
openings = registered | registered | st.sampled_from([(), (Banner, Registration), (Banner, ListSessions, Answer)])


@attrs.define
class Way:
    """What one end has sent and the other has not received yet."""

    data: bytes = b""
    sent: list[object] = attrs.field(factory=list)


class Dialogue:
    """Both ends, and the bytes between them."""

    def __init__(self, announced: frozenset[str], spoken: frozenset[str]) -> None:
        self.server, self.client = server(), client()
        self.to_client, self.to_server = Way(), Way()
        self.announced, self.spoken = announced, announced & spoken

    def send(self, number: int, *, by_server: bool) -> None:
        """Have an end send one of the messages that it may, if there is one."""
        end = self.server if by_server else self.client
        possible = [kind for kind in SAMPLES if end.may_send(kind)]
        if possible:
            self.send_one(possible[number % len(possible)], by_server=by_server)

    def send_one(self, kind: type, *, by_server: bool) -> None:
        """Have an end send a message of that class."""
        end, way = (self.server, self.to_client) if by_server else (self.client, self.to_server)
        message = sample(kind, self.announced if kind is Banner else self.spoken)
        line = end.send(message)
        # A server of ours announces all of its extensions, others may not.
        way.data += line_of(message) if kind is Banner else line
        way.sent.append(message)

    def deliver(self, count: int, *, to_server: bool) -> None:
        """Have so many bytes arrive, and check that they are understood as they were meant."""
        end, way = (self.server, self.to_server) if to_server else (self.client, self.to_client)
        data, way.data = way.data[:count], way.data[count:]
        if data:
            end.receive_data(data)
        try:
            while (event := end.next_event()) is not None:
                if isinstance(event, ChannelClosed):
                    return
                self._check(event, way)
        except RegistrationRefused as refused:
            assert way.sent.pop(0) == Refused(reason=str(refused))

    def _check(self, event: object, way: Way) -> None:
        meant = way.sent.pop(0)
        while self.is_unheard(meant, event):
            meant = way.sent.pop(0)
        match event:
            case Banner():
                assert event.extensions == self.announced
            case Answer(fields=fields):
                assert isinstance(meant, Answer)
                assert fields == {"status": "ok", **meant.fields}
            case _:
                assert event == meant

    def is_unheard(self, meant: object, event: object) -> bool:
        """Whether a refusal passed without notice: one to a surplus line, which a client does not know."""
        return isinstance(meant, Refused) and not isinstance(event, Refused)


@given(
    some_extensions,
    some_extensions,
    st.sampled_from(
        [
            (),
            (Banner, InspectRelay),
            (Banner, Registration),
            (Banner, Registration, Accepted),
            (Banner, ListSessions, Answer),
        ]
    ),
    st.lists(st.tuples(st.sampled_from(["send", "deliver"]), st.integers(0, 200), st.booleans()), max_size=60),
)
def test_both_ends_understand_each_other(
    announced: frozenset[str],
    spoken: frozenset[str],
    opening: tuple[type, ...],
    steps: list[tuple[str, int, bool]],
) -> None:
    """Whatever either end may send, in any order and cut anywhere, the other end takes as what it was."""
    needed = {InspectRelay: RELAY, ListSessions: OWNER_COMMANDS}
    dialogue = Dialogue(announced | {needed[kind] for kind in opening if kind in needed}, spoken)
    for kind in opening:
        by_server = kind not in (InspectRelay, Registration, ListSessions)
        dialogue.send_one(kind, by_server=by_server)
        dialogue.deliver(MAX_LINE, to_server=not by_server)
    for do, number, by_server in steps:
        if do == "send":
            dialogue.send(number, by_server=by_server)
        else:
            dialogue.deliver(number, to_server=by_server)


@given(st.data(), cuts, cuts)
def test_a_whole_session_with_any_cut(data: st.DataObject, greeting: list[int], rest: list[int]) -> None:
    ours, theirs = server(), client()
    for piece in cut(ours.send(Banner(directory="/d", extensions=EXTENSIONS)), greeting):
        if piece:
            theirs.receive_data(piece)
            theirs.next_event()
    assert theirs.state is ClientState.READY
    registration = Registration(auth=DIGEST, key="k", extensions=frozenset({RESUME, OWNER_COMMANDS}))
    ours.receive_data(theirs.send(registration))
    assert ours.next_event() == registration
    ping = Ping(idle=1.0, visitors=2)
    said: list[Ping | Move | Stop | Ready] = data.draw(
        st.lists(st.sampled_from([ping, Move(), Stop(), Ready()]), max_size=5)
    )
    lines = ours.send(Accepted(urls=("a",))) + b"".join(ours.send(event) for event in said)
    understood: list[object] = []
    for piece in cut(lines, rest):
        if piece:
            theirs.receive_data(piece)
        while (event := theirs.next_event()) is not None:
            understood.append(event)
    assert understood == [Accepted(urls=("a",)), *said]
    assert theirs.state is (ClientState.PINGED if ping in said else ClientState.FOLLOWING)


@given(st.lists(st.binary(max_size=40) | st.just(b"\n"), max_size=10).map(b"".join), cuts)
def test_any_bytes_give_a_value_or_the_documented_error(data: bytes, sizes: list[int]) -> None:
    for state in (ServerState.AWAIT_REQUEST, ServerState.REGISTERED, ServerState.COMMANDING):
        end = server_in(state, EXTENSIONS)
        for piece in cut(data, sizes):
            if piece:
                end.receive_data(piece)
            try:
                while (event := end.next_event()) is not None and not isinstance(event, ChannelClosed):
                    if isinstance(event, SurplusLine | LastSurplusLine):
                        end.send(Refused(reason=event.reason))
            except RegistrationRefused as refused:
                assert str(refused)
