"""The client's session without a socket: each transition, each verdict on a loss, and what it keeps meanwhile."""

from __future__ import annotations

from collections import deque

import attrs
import pytest

from conductor_trio.access.tokens import hash_token
from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.session.machine import ClientSession, Names, Outage, ask_for_newer
from conductor_trio.client.session.states import (
    TRANSITIONS,
    VERDICTS,
    ChannelLost,
    Checked,
    EarlyRegistrationSent,
    Event,
    Explained,
    Greeted,
    Loss,
    Moved,
    PauseOver,
    Reached,
    RegistrationSent,
    Shown,
    State,
    TransportClosed,
    TransportLost,
    TransportOpened,
    Verdict,
    WayProven,
)
from conductor_trio.control.events import Replaced
from conductor_trio.control.messages import (
    EXTENSIONS,
    NAMED_SHARES,
    RELAY,
    RESUME,
    STARTING,
    Accepted,
    Banner,
    Registration,
    Takeover,
)
from conductor_trio.errors import ConductorError, LocalProtocolError, StartError
from conductor_trio.limits.client import ClientLimits

LIMITS = ClientLimits()

SETTINGS = ClientSettings(
    server=ServerAddress(host="h"),
    local_socket=None,
    launch=Launch(command=("app",)),
    token="t0ken",
    limits=LIMITS,
)

BANNER = Banner(directory="/d", extensions=EXTENSIONS)
ORIGINAL = Banner(directory="/d")
ACCEPTED = Accepted(urls=("k1-me.localhost",), key="k1")

SOON, LATE = 1.0, LIMITS.server_start_timeout + 1  # trio's time since the transport was opened

OPEN: list[Event] = [TransportOpened(now=0)]
GREETED: list[Event] = [Greeted(banner=BANNER), Checked(banner=BANNER)]
LIVE: list[Event] = [*OPEN, *GREETED, RegistrationSent(), ACCEPTED]

CHANNEL_LOSSES = (Loss.AWAY, Loss.REFUSED, Loss.SILENT, Loss.FAILED)  # as the shell can tell them
TRANSPORT_LOSSES = (Loss.TRANSPORT, Loss.HERE)

ALL_EVENTS: list[Event] = [
    *OPEN,
    *GREETED,
    RegistrationSent(),
    EarlyRegistrationSent(),
    ACCEPTED,
    Shown(),
    WayProven(),
    Moved(),
    Replaced(),
    *(ChannelLost(loss=loss, now=now) for loss in CHANNEL_LOSSES for now in (SOON, LATE)),
    Explained(error=ConductorError("explained")),
    PauseOver(),
    *(TransportLost(loss=loss, error=ConductorError("lost")) for loss in TRANSPORT_LOSSES),
    TransportClosed(),
]

Key = type[Event] | tuple[type[Event], Verdict]


def make_session(*events: Event, **changes: object) -> ClientSession:
    """Return a session to which this has happened."""
    session = ClientSession(attrs.evolve(SETTINGS, **changes), needs_idle=False)  # type: ignore[arg-type]
    for event in events:
        session.handle(event)
    return session


def explore() -> dict[tuple[State, Reached, object], list[Event]]:
    """Return all that a session can come to: state, how far it has come, and what was lost; and the way there."""
    found: dict[tuple[State, Reached, object], list[Event]] = {}
    queue: deque[list[Event]] = deque([[]])
    while queue:
        path = queue.popleft()
        session = make_session(*path)
        node = (session.state, session.reached, path[-1] if session.state is State.EXPLAINING else None)
        if node not in found:
            found[node] = path
            for event in ALL_EVENTS:
                if type(event) in {
                    key[0] if isinstance(key, tuple) else key for key in TRANSITIONS[session.state]
                }:
                    queue.append([*path, event])
    return found


PATHS = explore()


def key_of(session: ClientSession, event: Event, former: State) -> Key:
    """Return the key in the table by which a session has come from its former state to the present one."""
    (key,) = (
        key
        for key, to in TRANSITIONS[former].items()
        if to is session.state and (key[0] if isinstance(key, tuple) else key) is type(event)
    )
    return key


def test_each_transition_is_one_that_can_happen() -> None:
    taken = set()
    for path in PATHS.values():
        for event in ALL_EVENTS:
            session = make_session(*path)
            former = session.state
            try:
                session.handle(event)
            except LocalProtocolError:
                continue
            taken.add((former, key_of(session, event, former)))
    assert taken == {(state, key) for state, row in TRANSITIONS.items() for key in row}


@pytest.mark.parametrize("state", State)
def test_all_else_cannot_happen(state: State) -> None:
    possible = {key[0] if isinstance(key, tuple) else key for key in TRANSITIONS[state]}
    path = next(path for (at, _, _), path in PATHS.items() if at is state)
    for event in ALL_EVENTS:
        if type(event) not in possible:
            session = make_session(*path)
            with pytest.raises(LocalProtocolError, match=f"{type(event).__name__} cannot happen"):
                session.handle(event)
            assert session.state is state


# What becomes of a loss.

#: Sessions that have come so far, with a channel to be opened.
SO_FAR: dict[Reached, list[Event]] = {
    Reached.NOTHING: OPEN,
    Reached.GREETING: [
        *OPEN,
        *GREETED,
        ChannelLost(loss=Loss.AWAY, now=LATE),
        Explained(error=ConductorError("")),
        PauseOver(),
    ],
    Reached.ACCEPTANCE: [*LIVE, Moved()],
}
OUTCOMES = {
    Verdict.AWAIT: State.AWAITING_SERVER,
    Verdict.REOPEN: State.REOPENING,
    Verdict.REDIAL: State.DISCARDING,
    Verdict.END: State.ENDED,
}


@pytest.mark.parametrize("reached", Reached)
@pytest.mark.parametrize("loss", [Loss.AWAY_AT_FIRST, *CHANNEL_LOSSES])
def test_verdicts_on_a_channel(reached: Reached, loss: Loss) -> None:
    session = make_session(*SO_FAR[reached])
    assert session.reached is reached
    is_early = loss is Loss.AWAY_AT_FIRST
    state = session.handle(ChannelLost(loss=Loss.AWAY if is_early else loss, now=SOON if is_early else LATE))
    if state is not State.AWAITING_SERVER:
        assert state is State.EXPLAINING
        state = session.handle(Explained(error=ConductorError("so it is")))
    assert state is OUTCOMES[VERDICTS[reached][loss]]
    if state is State.ENDED:
        assert session.failure is not None and session.failure.what == "so it is"


@pytest.mark.parametrize("reached", Reached)
@pytest.mark.parametrize("loss", TRANSPORT_LOSSES)
def test_verdicts_on_a_transport(reached: Reached, loss: Loss) -> None:
    session = make_session(*SO_FAR[reached])
    state = session.handle(TransportLost(loss=loss, error=ConductorError("cut")))
    if VERDICTS[reached][loss] is Verdict.END:
        assert state is State.ENDED
        assert session.failure is not None
        assert (session.failure.hop, session.failure.what) == ("here" if loss is Loss.HERE else "server", "cut")
    else:
        assert state is State.REDIALLING
        assert session.failure is None
        assert outage_of(session).error.what == "cut"


def fail(session: ClientSession, loss: Loss) -> State:
    """Lose a channel, and return what it comes to."""
    session.handle(ChannelLost(loss=loss, now=LATE))
    return session.handle(Explained(error=ConductorError(loss.name)))


def outage_of(session: ClientSession) -> Outage:
    assert session.outage is not None
    return session.outage


def test_a_transport_is_discarded_after_so_many_failures_in_a_row() -> None:
    session = make_session(*LIVE)
    for others in (Loss.AWAY, Loss.REFUSED):
        for _ in range(3):
            assert fail(session, Loss.FAILED) is State.REOPENING
            session.handle(PauseOver())
            assert fail(session, others) is State.REOPENING
            session.handle(PauseOver())
    for _ in range(LIMITS.max_channel_failures - 1):
        assert fail(session, Loss.FAILED) is State.REOPENING
        session.handle(PauseOver())
    assert fail(session, Loss.FAILED) is State.DISCARDING
    session.handle(TransportClosed())
    assert outage_of(session).error.what == "FAILED"
    for event in (PauseOver(), *OPEN):
        session.handle(event)
    assert fail(session, Loss.FAILED) is State.REOPENING  # it is another transport


def test_what_is_said_of_a_discarded_transport_is_why_its_channel_was_lost() -> None:
    session = make_session(*LIVE)
    assert fail(session, Loss.SILENT) is State.DISCARDING
    session.handle(TransportLost(loss=Loss.TRANSPORT, error=ConductorError("ssh ended with status 255")))
    assert outage_of(session).error.what == "SILENT"


def test_a_transport_that_is_lost_while_it_explains_tells_more() -> None:
    session = make_session(*LIVE, ChannelLost(loss=Loss.FAILED, now=LATE))
    session.handle(TransportLost(loss=Loss.TRANSPORT, error=ConductorError("the cable is cut")))
    assert outage_of(session).error.what == "the cable is cut"


@pytest.mark.parametrize(
    ("before", "hop"),
    [
        (OPEN, "server"),
        ([*OPEN, Greeted(banner=BANNER)], "server"),
        ([*OPEN, *GREETED], "gateway"),
        ([*OPEN, *GREETED, RegistrationSent()], "gateway"),
        ([*OPEN, *GREETED, EarlyRegistrationSent()], "gateway"),
    ],
)
def test_which_hop_failed_with_a_channel(before: list[Event], hop: str) -> None:
    session = make_session(*before)
    assert fail(session, Loss.REFUSED) is State.ENDED
    assert session.failure is not None and session.failure.hop == hop
    session.handle(TransportClosed())
    assert session.failure.hop == hop


@pytest.mark.parametrize(
    ("before", "loss", "hop"),
    [
        ([], Loss.TRANSPORT, "ssh"),
        ([], Loss.HERE, "here"),
        (OPEN, Loss.TRANSPORT, "server"),
        ([*OPEN, ChannelLost(loss=Loss.AWAY, now=SOON)], Loss.TRANSPORT, "server"),
        ([*OPEN, ChannelLost(loss=Loss.SILENT, now=LATE)], Loss.TRANSPORT, "server"),
        ([*OPEN, *GREETED], Loss.HERE, "here"),
    ],
)
def test_which_hop_failed_with_a_transport(before: list[Event], loss: Loss, hop: str) -> None:
    session = make_session(*before)
    session.handle(TransportLost(loss=loss, error=ConductorError("no way")))
    assert session.failure is not None
    assert (session.failure.hop, session.failure.what) == (hop, "no way")


def test_an_error_that_knows_its_hop_keeps_it_and_its_advice() -> None:
    session = make_session(*OPEN)
    error = ConductorError("the host key has changed", advice="ask", hop="ssh")
    session.handle(TransportLost(loss=Loss.TRANSPORT, error=error))
    assert session.failure is not None
    assert (session.failure.hop, session.failure.what, session.failure.advice) == ("ssh", error.what, "ask")


# Outages and their back-off.


def test_an_outage_counts_its_attempts_until_the_server_accepts_us() -> None:
    session = make_session(*LIVE)
    told = []
    for loss in (Loss.AWAY, Loss.AWAY, Loss.REFUSED):
        fail(session, loss)
        told.append((outage_of(session).error.what, outage_of(session).attempt))
        session.handle(PauseOver())
    assert told == [("AWAY", 1), ("AWAY", 2), ("REFUSED", 3)]
    for event in (*GREETED, RegistrationSent(), ACCEPTED):
        session.handle(event)
    fail(session, Loss.REFUSED)
    assert (outage_of(session).error.what, outage_of(session).attempt) == ("REFUSED", 1)


def test_a_server_that_may_be_just_starting_is_awaited_without_a_word() -> None:
    session = make_session(*OPEN)
    first = LIMITS.redial_pause
    for full in (first, first * LIMITS.redial_growth, first * LIMITS.redial_growth**2):
        assert session.handle(ChannelLost(loss=Loss.AWAY, now=SOON)) is State.AWAITING_SERVER
        assert full / 2 <= session.pause <= full
        assert session.outage is None
        session.handle(PauseOver())


def test_the_back_off_of_channels_begins_anew_with_each_outage() -> None:
    session = make_session(*LIVE)
    for _ in range(2):
        for _ in range(30):
            fail(session, Loss.AWAY)
            session.handle(PauseOver())
        assert LIMITS.max_reopen_pause / 2 <= session.pause <= LIMITS.max_reopen_pause
        for event in (*GREETED, RegistrationSent(), ACCEPTED):
            session.handle(event)
        fail(session, Loss.AWAY)
        assert session.pause <= LIMITS.redial_pause
        session.handle(PauseOver())


def test_the_back_off_of_dials_begins_anew_when_the_server_has_accepted_us() -> None:
    session = make_session(*LIVE)
    for _ in range(2):
        for _ in range(60):
            session.handle(TransportLost(loss=Loss.TRANSPORT, error=ConductorError("no route")))
            session.handle(PauseOver())
        assert LIMITS.max_redial_pause / 2 <= session.pause <= LIMITS.max_redial_pause
        for event in LIVE:
            session.handle(event)
        session.handle(TransportLost(loss=Loss.TRANSPORT, error=ConductorError("no route")))
        assert session.pause <= LIMITS.redial_pause
        session.handle(PauseOver())


# What is asked for.


def ask(session: ClientSession, banner: Banner = BANNER, *, is_starting: bool = False) -> Registration:
    return session.make_registration(banner, is_starting=is_starting, node="n", until=None)


def test_a_registration_speaks_what_the_server_knows_and_the_session_uses() -> None:
    session = make_session()
    # One of them is over when the client registers.
    assert ask(session).extensions == EXTENSIONS - {STARTING, RELAY, NAMED_SHARES}
    assert ask(session, is_starting=True).extensions == EXTENSIONS - {RELAY, NAMED_SHARES}
    assert ask(session, Banner(directory="/d", extensions=frozenset({RESUME}))).extensions == {RESUME}
    assert ask(session, ORIGINAL).extensions == frozenset()
    assert ask(session).auth == hash_token(b"t0ken")


def test_a_key_that_the_server_chose_is_asked_for_again() -> None:
    session = make_session()
    assert ask(session).key is None
    for event in LIVE:
        session.handle(event)
    assert ask(session).key == session.key == "k1"
    assert ask(make_session(*LIVE, key="lab")).key == "lab"


def test_replace_takes_a_name_over_once() -> None:
    session = make_session(*OPEN, *GREETED, replace=True)
    assert ask(session).takeover is Takeover.ANY
    for event in (RegistrationSent(), ACCEPTED):
        session.handle(event)
    assert ask(session).takeover is Takeover.OWN


@pytest.mark.parametrize("replace", [False, True])
def test_who_was_replaced_never_takes_the_name_back(replace: bool) -> None:
    session = make_session(*LIVE, Replaced(), replace=replace)
    assert fail(session, Loss.REFUSED) is State.REOPENING
    assert ask(session).takeover is Takeover.NEVER
    for event in (PauseOver(), *GREETED, RegistrationSent(), ACCEPTED):
        session.handle(event)
    assert ask(session).takeover is Takeover.NEVER


# Names that are known before the application starts.


def test_the_names_are_those_of_the_first_acceptance() -> None:
    assert make_session(*OPEN, *GREETED, EarlyRegistrationSent()).names is None
    session = make_session(*OPEN, *GREETED, EarlyRegistrationSent(), ACCEPTED)
    assert session.names == Names(accepted=ACCEPTED)
    for event in (Moved(), *GREETED, RegistrationSent(), Accepted(urls=("other",))):
        session.handle(event)
    assert session.names == Names(accepted=ACCEPTED)


def test_a_server_that_cannot_tell_them_settles_it() -> None:
    session = make_session(*OPEN, Greeted(banner=ORIGINAL), Checked(banner=ORIGINAL))
    assert session.names == Names(accepted=None)
    for event in (RegistrationSent(), ACCEPTED):
        session.handle(event)
    assert session.names == Names(accepted=None)
    assert session.state is State.LIVE


def test_an_application_that_needs_them_is_not_started_in_vain() -> None:
    session = make_session(*OPEN, launch=Launch(command=("app", "{host}")))
    session.check(BANNER)
    with pytest.raises(StartError, match="does not tell the address"):
        session.check(ORIGINAL)
    for event in (*GREETED, EarlyRegistrationSent(), ACCEPTED, Moved()):
        session.handle(event)
    session.check(ORIGINAL)  # an older server afterwards is no failure


def test_a_server_that_does_not_tell_of_visitors_is_no_use_to_idle() -> None:
    session = ClientSession(SETTINGS, needs_idle=True)
    session.check(BANNER)
    with pytest.raises(StartError, match="--idle"):
        session.check(ORIGINAL)
    for event in LIVE:
        session.handle(event)
    session.check(ORIGINAL)


def test_whom_to_ask_for_another_server() -> None:
    assert ask_for_newer(ORIGINAL) == "ask for a newer conductor-trio-server"
    house = Banner(directory="/d", site_name="HPC", help_url="https://hpc.test")
    assert ask_for_newer(house) == "ask HPC (https://hpc.test) for a newer conductor-trio-server"
