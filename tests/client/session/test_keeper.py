"""The connection that is kept up: what is lost comes back, when, and how; against a gateway of memory streams."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from conductor_trio.client.application.output_tail import OutputTail
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.session.backoff import Backoff
from conductor_trio.errors import TransportError
from conductor_trio.limits.client import ClientLimits
from tests.doubles.fake_server import Channel, Event, FakeServer
from tests.support.client_side import Open, Side

LIMITS = ClientLimits()


@pytest.fixture
async def live(gateway: FakeServer, open_side: Open) -> AsyncIterator[tuple[Side, Channel]]:
    async with open_side() as side:
        channel, _ = await gateway.accept()
        await side.output.wait_for("live")
        yield side, channel


def states(side: Side) -> list[str]:
    return [event["state"] for event in side.output.events]


def assert_growing(pauses: list[Event], longest: float, first: float = LIMITS.redial_pause) -> None:
    """Check that pauses grow by a quarter each, jittered between half and full, up to the longest."""
    full = first
    for event in pauses:
        assert full / 2 - 0.001 <= event["in"] <= full + 0.001
        full = min(full * 1.25, longest)
    assert full == longest, "too few to tell"


def test_pauses_are_jittered() -> None:
    assert len({Backoff(LIMITS).take(30) for _ in range(20)}) > 10


async def test_the_way_to_live(gateway: FakeServer, open_side: Open, autojump_clock: MockClock) -> None:
    async with open_side() as side:
        channel, registration = await gateway.accept()
        await side.output.wait_for("live")
        assert states(side) == ["connect", "controlConnect", "live"]
        assert registration.pop("auth")
        assert registration == {"key": "lab", "extensions": ["resume"], "takeover": "own"}
        assert gateway.relays == {f"{channel.directory}/socket"}


@pytest.mark.parametrize(("word", "admissions"), [("open", 0), ("closed", 1)])
async def test_a_relay_is_opened_to_the_server_only_where_that_says_so(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock, word: str, admissions: int
) -> None:
    gateway.extensions = ["relay"]
    async with open_side() as side:
        channel = await gateway.next_channel()
        assert await channel.receive() == {"relay": "inspect"}
        await channel.send(status="ok", relay=word)
        await channel.accept()
        await side.output.wait_for("live")
        assert len(gateway.admitted) == admissions


async def test_who_opens_a_relay_to_the_server_notices_that_it_goes(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    """However long that takes."""
    async with open_side() as side:
        channel, _ = await gateway.accept()
        await side.output.wait_for("live")
        gateway.takes_long = True
        channel.close()
        channel = await gateway.next_channel()
        await trio.testing.wait_all_tasks_blocked()
        assert gateway.admitted == ["/d0/socket", "/d1/socket"]
        gateway.takes_long = False
        channel.close()
        await gateway.accept()
        await side.output.wait_for("live")
        assert gateway.dials == 1


async def test_a_server_that_announces_nothing_is_told_nothing(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    """The original's: it is sent what it knows, what it says is ignored, and silence is no loss."""
    gateway.extensions = []
    async with open_side(replace=True) as side:
        channel, registration = await gateway.accept()
        assert set(registration) == {"auth", "key"}
        for event in ("ping", "move", "replaced"):
            await channel.say(event)
        await channel.stream.send_all(b"x" * 100_000)
        await trio.sleep(3600)
        assert states(side) == ["connect", "controlConnect", "live"]
        side.end()
        assert await channel.receive() is None


# A name that is there before its application.


def shows_starting(gateway: FakeServer) -> dict[str, Any]:
    """Have the gateway know of it, and return the settings of a client in the short form."""
    gateway.extensions = ["resume", "starting"]
    return {"local_socket": None}


async def test_visitors_see_that_it_is_starting(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    async with open_side(is_ready=False, **shows_starting(gateway)) as side:
        channel, registration = await gateway.accept()
        assert registration["starting"] is True
        assert registration["extensions"] == ["resume", "starting"]
        starting = await side.output.wait_for("starting")
        await channel.say("ping")
        assert await channel.receive() == {"event": "pong"}
        assert states(side) == ["connect", "controlConnect", "starting"]
        side.ready.set()
        assert await channel.receive() == {"event": "ready"}
        await trio.testing.wait_all_tasks_blocked()
        assert not side.output.all("live")  # not before the server says so
        await channel.say("ready")
        assert (await side.output.wait_for("live"))["config"] == starting["config"]


async def test_a_server_that_does_not_say_so_gets_a_moment(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    async with open_side(is_ready=False, **shows_starting(gateway)) as side:
        await gateway.accept()
        side.ready.set()
        started = trio.current_time()
        await side.output.wait_for("live")
        assert trio.current_time() - started == pytest.approx(LIMITS.show_timeout)


async def test_one_that_is_ready_does_not_say_that_it_starts(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    async with open_side(**shows_starting(gateway)) as side:
        _, registration = await gateway.accept()
        assert "starting" not in registration
        await side.output.wait_for("live")
        assert not side.output.all("starting")


async def test_in_the_contracts_form_registration_waits(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    gateway.extensions = ["resume", "starting"]
    async with open_side(is_ready=False) as side:
        channel = await gateway.next_channel()
        await trio.sleep(60)
        side.ready.set()
        assert "starting" not in await channel.accept()


@pytest.mark.parametrize("loses", ["move", "channel", "transport"])
@pytest.mark.parametrize("is_ready", [False, True])
async def test_a_move_or_a_lost_link_while_it_starts(
    gateway: FakeServer, open_side: Open, loses: str, is_ready: bool, autojump_clock: MockClock
) -> None:
    async with open_side(is_ready=False, key=None, **shows_starting(gateway)) as side:
        channel = await gateway.next_channel()
        await channel.receive()
        await channel.send(status="ok", urls=["k1-me.localhost"], key="k1")
        await side.output.wait_for("starting")
        match loses:
            case "move":
                await channel.say("move")
            case "channel":
                channel.close()
            case _:
                gateway.transport_lost.set()
        if is_ready:
            side.ready.set()
        again = await gateway.next_channel()
        registration = await again.accept()
        assert registration["key"] == "k1"
        assert registration.get("starting") is (None if is_ready else True)
        if not is_ready:
            side.ready.set()
            assert await again.receive() == {"event": "ready"}
        await side.output.wait_for("live")
        assert bool(side.output.all("dead")) is (loses != "move")
        assert side.reason is None


async def test_the_names_are_told_before_the_application_starts(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    async with open_side(is_ready=False, **shows_starting(gateway)) as side:
        await gateway.accept()
        names = await side.connection.wait_names()
        assert names is not None
        assert names.urls == ("lab-me.localhost",)


@pytest.mark.parametrize("extensions", [[], ["resume"]])
async def test_a_server_that_cannot_tell_them_is_waited_for_no_longer(
    gateway: FakeServer, open_side: Open, extensions: list[str], autojump_clock: MockClock
) -> None:
    gateway.extensions = extensions
    async with open_side(is_ready=False, local_socket=None) as side:
        channel = await gateway.next_channel()
        assert await side.connection.wait_names() is None
        side.ready.set()
        assert "starting" not in await channel.accept()


async def test_where_they_are_needed_it_says_what_the_gateway_lacks(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    async with open_side(is_ready=False, local_socket=None, launch=Launch(command=("app", "{host}"))) as side:
        await gateway.next_channel()
        await trio.testing.wait_all_tasks_blocked()
        assert side.reason is not None
        assert "does not tell the address before the application listens" in side.reason


@pytest.mark.parametrize(
    ("away", "refuses", "hop"), [("ssh", False, "ssh"), ("server", False, "server"), ("", True, "gateway")]
)
async def test_which_hop_failed(
    gateway: FakeServer, open_side: Open, away: str, refuses: bool, hop: str, autojump_clock: MockClock
) -> None:
    gateway.is_away = away == "server"
    gateway.dial_failures = [TransportError("no way")] if away == "ssh" else []
    async with open_side() as side:
        if refuses:
            await (await gateway.next_channel()).refuse("no")
        while side.failure is None:  # noqa: ASYNC110
            await trio.sleep(1)
        assert side.failure.hop == hop


async def test_an_older_server_afterwards_is_no_failure(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    """A gateway may be set back while the application runs, which then knows its names already."""
    launch = Launch(command=("app", "{host}"))
    async with open_side(is_ready=False, launch=launch, **shows_starting(gateway)) as side:
        channel, _ = await gateway.accept()
        await side.connection.wait_names()
        side.ready.set()
        gateway.extensions = []
        channel.close()
        await gateway.accept()
        await side.output.wait_for("live")
        assert side.reason is None


# A lost channel, and a lost transport.


async def test_a_lost_channel_is_opened_again_over_the_same_transport(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    side, channel = live
    channel.close()
    again, _ = await gateway.accept()
    await side.output.wait_for("live")
    assert states(side)[3:] == ["dead", "reconnecting", "controlConnect", "live"]
    assert side.output.events[4]["attempt"] == 1
    assert "closed" in side.output.events[4]["reason"]
    assert gateway.dials == 1
    assert gateway.relays == {f"{again.directory}/socket"}


async def test_a_long_outage_is_a_short_log(
    gateway: FakeServer,
    live: tuple[Side, Channel],
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    side, channel = live
    for _ in range(2):
        gateway.is_away = True
        channel.close()
        await trio.sleep(3600)
        gateway.is_away = False
        channel, _ = await gateway.accept()
        await side.output.wait_for("live")
        says = [record.message.partition(";")[0] for record in caplog.records]
        reasons = ["the server closed the control channel", "no server there"]
        assert says == [*(f"not connected: {reason}" for reason in reasons), "connected again"]
        caplog.clear()


async def test_pauses_while_only_the_server_is_away(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    side, channel = live
    for _ in range(2):
        gateway.is_away = True
        channel.close()
        await trio.sleep(600)
        gateway.is_away = False
        channel, _ = await gateway.accept()
        await side.output.wait_for("live")
        events = side.output.all("reconnecting")
        assert [event["attempt"] for event in events] == list(range(1, len(events) + 1))
        assert_growing(events, LIMITS.max_reopen_pause)
        assert 400 < len(events) < 900
        side.output.forget()
    assert gateway.dials == 1


async def test_pauses_between_dials(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    """From the first loss on, an unreachable gateway is dialled less and less often, and for ever."""
    side, _ = live
    for _ in range(2):
        gateway.dial_failures = [TransportError("no route to host")] * 200
        gateway.transport_lost.set()
        await gateway.accept()
        await side.output.wait_for("live")
        assert side.output.all("dead") == [{"state": "dead", "reason": "the cable is cut"}]
        events = side.output.all("reconnecting")
        assert [event["attempt"] for event in events] == list(range(1, 202))
        assert [event["reason"] for event in events[:2]] == ["the cable is cut", "no route to host"]
        assert_growing(events, LIMITS.max_redial_pause)
        assert states(side)[-3:] == ["connect", "controlConnect", "live"]
        side.output.forget()


async def test_a_new_transport_without_a_server_stands(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    side, _ = live
    gateway.is_away = True
    gateway.transport_lost.set()
    await trio.sleep(600)
    gateway.is_away = False
    started = trio.current_time()
    await gateway.accept()
    assert trio.current_time() - started <= LIMITS.max_reopen_pause
    await side.output.wait_for("live")
    assert gateway.dials == 2
    assert states(side).count("dead") == 1


async def test_a_refusal_is_answered_by_patience(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    side, channel = live
    channel.close()
    for _ in range(60):
        await (await gateway.next_channel()).refuse("no room")
    await gateway.accept()
    await side.output.wait_for("live")
    events = side.output.all("reconnecting")
    assert events[1]["reason"] == "no room"
    assert_growing(events, LIMITS.max_redial_pause)
    assert states(side).count("dead") == 1
    assert gateway.dials == 1


async def test_a_transport_that_forwards_no_more_is_dialled_anew(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    side, channel = live
    gateway.relay_failures = [TransportError("forward refused")] * 3
    channel.close()
    await gateway.next_channel()
    await gateway.next_channel()
    assert gateway.dials == 1
    await gateway.next_channel()
    await gateway.accept()
    await side.output.wait_for("live")
    assert gateway.dials == 2
    assert states(side).count("dead") == 1


async def test_a_bug_does_not_cost_the_application(
    gateway: FakeServer, live: tuple[Side, Channel], caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    side, channel = live
    gateway.relay_failures = [ZeroDivisionError("oops"), OSError(24, "Too many open files")]
    channel.close()
    await gateway.next_channel()
    await gateway.next_channel()
    await gateway.accept()
    await side.output.wait_for("live")
    reasons = [event["reason"] for event in side.output.all("reconnecting")]
    assert "bug" in reasons[1]
    assert "short of something" in reasons[2]


# The first dial.


async def test_a_first_dial_that_fails_is_the_end(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    gateway.dial_failures = [TransportError("permission denied")]
    async with open_side() as side:
        await trio.sleep(1)
        assert side.reason == "permission denied"
        assert side.output.events == []


async def test_a_server_that_is_just_starting_is_waited_for(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    gateway.is_away = True
    async with open_side() as side:
        await trio.sleep(LIMITS.server_start_timeout / 2)
        gateway.is_away = False
        await gateway.accept()
        await side.output.wait_for("live")
        assert states(side) == ["connect", "controlConnect", "live"]


async def test_but_not_for_long(gateway: FakeServer, open_side: Open, autojump_clock: MockClock) -> None:
    gateway.is_away = True
    async with open_side() as side:
        await trio.sleep(LIMITS.server_start_timeout + LIMITS.max_reopen_pause)
        assert side.reason == "no server there"
        assert states(side) == ["connect"]


@pytest.mark.parametrize("error", [TransportError("forward refused"), OSError(24, "short"), ZeroDivisionError()])
async def test_a_first_registration_that_cannot_be_is_the_end(
    gateway: FakeServer, open_side: Open, error: Exception, autojump_clock: MockClock
) -> None:
    gateway.relay_failures = [error]
    async with open_side() as side:
        await trio.sleep(1)
        assert side.reason is not None
        assert states(side) == ["connect", "controlConnect"]


async def test_a_first_registration_that_is_refused_is_the_end(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    async with open_side() as side:
        await (await gateway.next_channel()).refuse("name taken")
        await trio.sleep(1)
        assert side.reason == "name taken"


@pytest.mark.parametrize("is_transport", [True, False])
async def test_what_is_lost_while_the_application_starts_comes_back(
    gateway: FakeServer, open_side: Open, is_transport: bool, autojump_clock: MockClock
) -> None:
    async with open_side(is_ready=False) as side:
        channel = await gateway.next_channel()
        await trio.sleep(60)
        if is_transport:
            gateway.transport_lost.set()
        else:
            channel.close()
        channel = await gateway.next_channel()
        side.ready.set()
        await channel.accept()
        await side.output.wait_for("live")
        assert side.reason is None
        assert states(side).count("dead") == 1


async def test_a_relay_that_fails_since_the_server_has_gone_is_no_failure(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    """With the server its directory goes, and ssh then says that it cannot listen there."""
    gateway.relay_failures = [TransportError("cannot listen")]
    gateway.ends_at_failures = True
    async with open_side() as side:
        await gateway.next_channel()
        await gateway.accept()
        await side.output.wait_for("live")
        assert "closed" in side.output.all("dead")[0]["reason"]


# Events.


async def test_pings_are_answered(live: tuple[Side, Channel], autojump_clock: MockClock) -> None:
    _, channel = live
    for _ in range(3):
        await channel.say("ping")
        assert await channel.receive() == {"event": "pong"}
        await channel.say("what-later-versions-may-say")
        await channel.stream.send_all(b"no json\n")
        await trio.sleep(10)


async def test_silence_is_a_dead_link(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    side, channel = live
    await trio.sleep(24 * 3600)  # a server that never pings may be silent
    assert gateway.dials == 1
    for _ in range(10):
        await channel.say("ping")
        await trio.sleep(LIMITS.ping_timeout - 1)
    assert gateway.dials == 1
    started = trio.current_time()
    await gateway.accept()
    await side.output.wait_for("live")
    assert trio.current_time() - started <= 1 + LIMITS.redial_pause
    assert LIMITS.ping_timeout + LIMITS.redial_pause < 30
    assert gateway.dials == 2  # since ssh itself may be what hangs
    assert "28 s" in side.output.all("dead")[0]["reason"]


async def test_a_server_that_does_not_greet_is_reached_anew(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    side, channel = live
    await channel.say("ping")
    channel.close()
    silent = await gateway.next_channel()
    assert await silent.receive() is not None
    await trio.sleep(LIMITS.control_timeout + LIMITS.redial_pause)
    await gateway.accept()
    await side.output.wait_for("live")
    assert gateway.dials == 2
    assert "never answers" in side.output.all("reconnecting")[1]["reason"]


async def test_who_is_replaced_waits_for_the_name(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    side, channel = live
    await channel.say("replaced")
    channel.close()
    assert "another session" in (await side.output.wait_for("dead"))["reason"]
    for _ in range(60):
        registration = await (await gateway.next_channel()).refuse("name taken")
        assert registration["takeover"] == "never"
    channel, registration = await gateway.accept()
    assert registration["takeover"] == "never"
    await side.output.wait_for("live")
    assert_growing(side.output.all("reconnecting"), LIMITS.max_redial_pause)
    assert gateway.dials == 1
    channel.close()
    assert (await gateway.accept())[1]["takeover"] == "never"  # from then on


async def test_replace_takes_a_name_over_once(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    async with open_side(replace=True) as side:
        channel, registration = await gateway.accept()
        assert registration["takeover"] == "any"
        await side.output.wait_for("live")
        channel.close()
        assert (await gateway.accept())[1]["takeover"] == "own"


async def test_a_move_is_no_loss(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    side, channel = live
    for _ in range(20):
        await channel.say("move")
        new, _ = await gateway.accept()
        await side.output.wait_for("live")
        assert gateway.relays == {f"{channel.directory}/socket", f"{new.directory}/socket"}
        # The former one is still served: it answers, and what else it says is no longer of any importance.
        for event in ("move", "replaced", "ping"):
            await channel.say(event)
        assert await channel.receive() == {"event": "pong"}
        channel.close()
        await trio.testing.wait_all_tasks_blocked()
        assert gateway.relays == {f"{new.directory}/socket"}
        channel = new
    assert set(states(side)) == {"connect", "controlConnect", "live"}
    assert gateway.dials == 1


async def test_a_former_channel_whose_link_is_dead_is_dropped(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    side, channel = live
    await channel.say("ping")
    await channel.say("move")
    new, _ = await gateway.accept()
    await side.output.wait_for("live")
    await trio.sleep(LIMITS.ping_timeout + 1)
    assert gateway.relays == {f"{new.directory}/socket"}
    assert states(side).count("dead") == 0


async def test_a_move_before_the_new_server_is_there(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    side, channel = live
    gateway.is_away = True
    await channel.say("move")
    await side.output.wait_for("dead")
    await trio.sleep(5)
    assert gateway.relays == {f"{channel.directory}/socket"}  # served to its end
    channel.close()
    await trio.sleep(5)
    gateway.is_away = False
    await gateway.accept()
    await side.output.wait_for("live")
    assert states(side).count("dead") == 1
    assert gateway.dials == 1


async def test_whoever_ends_on_purpose_says_so(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    side, channel = live
    await channel.say("move")
    new, _ = await gateway.accept()
    await side.output.wait_for("live")
    side.end()
    for one in (channel, new):
        assert await one.receive() == {"event": "leave"}
    await trio.testing.wait_all_tasks_blocked()
    assert len(gateway.relays) == 2  # until the server has taken notice
    channel.close()
    new.close()
    await trio.testing.wait_all_tasks_blocked()
    assert not gateway.relays
    assert gateway.finished == 1


async def test_a_server_that_hangs_does_not_hold_up_the_end(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    side, channel = live
    started = trio.current_time()
    side.end()
    assert await channel.receive() == {"event": "leave"}
    assert await channel.receive() is None
    assert trio.current_time() - started == pytest.approx(LIMITS.leave_timeout)
    assert not gateway.finished  # nobody takes what is under way


@pytest.mark.parametrize("is_answered", [True, False])
async def test_a_registration_on_its_way_is_taken_back(
    gateway: FakeServer, open_side: Open, is_answered: bool, autojump_clock: MockClock
) -> None:
    async with open_side() as side:
        channel = await gateway.next_channel()
        assert await channel.receive()
        side.end()
        if is_answered:
            await channel.send(status="ok", urls=["lab-me.localhost"])
        assert await channel.receive() == {"event": "leave"}
        assert await channel.receive() is None


async def test_whoever_is_lost_says_nothing(
    gateway: FakeServer, live: tuple[Side, Channel], autojump_clock: MockClock
) -> None:
    _, channel = live
    gateway.transport_lost.set()
    assert await channel.receive() is None
    assert not gateway.finished


@pytest.mark.parametrize("phase", ["greeting", "ready", "registering", "live", "moving", "pause", "dial"])
async def test_cancelled_in_any_phase_nothing_stands(
    gateway: FakeServer, open_side: Open, phase: str, autojump_clock: MockClock
) -> None:
    """`open_side` looks for relays; a nursery waits for its tasks."""
    async with open_side(is_ready=phase != "ready") as side:
        channel = await gateway.next_channel()
        if phase == "registering":
            assert await channel.receive()
        if phase in ("live", "moving", "pause", "dial"):
            await channel.accept()
            await side.output.wait_for("live")
        if phase == "moving":
            await channel.say("move")
            await gateway.next_channel()
        if phase in ("pause", "dial"):
            gateway.dial_failures = [TransportError("no")] * 10
            gateway.transport_lost.set()
            await trio.sleep(0.05 if phase == "pause" else math.pi)
        await trio.testing.wait_all_tasks_blocked()
        side.end()


async def test_the_server_hears_what_the_application_says_while_it_starts(
    gateway: FakeServer, open_side: Open, autojump_clock: MockClock
) -> None:
    settings = shows_starting(gateway)
    gateway.extensions = ["names", "output", "resume", "starting"]
    tail = OutputTail()
    tail.add("stdout", "loading\n")
    async with open_side(is_ready=False, tail=tail, **settings) as side:
        channel, registration = await gateway.accept()
        assert registration["application"] == registration["commandLine"] == "app"
        assert await channel.receive() == {"event": "output", "lines": ["loading"]}
        tail.add("stderr", "still\nloading\n")
        assert await channel.receive() == {"event": "output", "lines": ["loading", "still", "loading"]}
        side.ready.set()
        assert await channel.receive() == {"event": "ready"}
