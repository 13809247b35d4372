"""One trial: a subject in some phase of its life, a hop that is struck, and what had to hold."""

from __future__ import annotations

import enum
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from http import HTTPStatus
from random import Random

import attrs
import trio

from tests.chaos.faults import Breach, Fault
from tests.chaos.processes import kill, tell_machine
from tests.chaos.session import ClientEnded, Session
from tests.chaos.visitors import Failure, Load, open_load
from tests.chaos.world import World
from tests.support.programs import wait_gone

_LIVE = "live"
_TOLD_LINES = 12
_AFTERGLOW = 0.5  # seconds for which visitors go on to ask once all is well


class Phase(enum.Enum):
    """Where in its life the subject is when the hop is struck."""

    STARTING = "starting"  #: the application was started, SSH is on its way
    REGISTERING = "registering"  #: SSH is up
    LIVE = "live"  #: nobody asks for it
    LOADED = "loaded"  #: visitors ask for it
    RECONNECTING = "reconnecting"  #: its link was lost a moment ago, and its visitors wait

    @property
    def longest_wait(self) -> float:
        """How many seconds at most go by before the hop is struck: about what the phase takes."""
        return {Phase.STARTING: 0.3, Phase.REGISTERING: 0.1}.get(self, 0.5)


@attrs.define(kw_only=True)
class Result:
    """What became of a trial; it has failed where there are `breaches`."""

    fault: str
    phase: str
    outcome: str = ""
    #: Seconds from the hop's return until all who go through it were live.
    live_after: float | None = None
    #: And for how long one of the others waited for one answer, where that is limited.
    longest_answer: float | None = None
    asked_of_affected: int = 0
    failed_of_affected: int = 0
    asked_of_others: int = 0
    failed_of_others: int = 0
    #: How they failed, and how often, whoever asked.
    failures: Counter[str] = attrs.field(factory=Counter)
    breaches: list[str] = attrs.field(factory=list)
    #: What the subject's clients and the server said last.
    log: list[str] = attrs.field(factory=list)


async def run_trial(world: World, fault: Fault, phase: Phase, name: str, rng: Random) -> Result:
    """Bring a subject into that phase, strike, and check all that has to hold but what is left afterwards."""
    result = Result(fault=fault.name, phase=phase.value)
    person = rng.choice([world.chain.alice, world.chain.bob])
    open_subject = world.open_subject_over_link if fault.over_link else world.open_subject
    said: list[str] = []
    try:
        async with open_subject(name, person) as subject:
            said = subject.program.err.lines
            async with open_load(world.residents, rng) as load:
                trial = Trial(
                    world=world, fault=fault, phase=phase, subject=subject, load=load, rng=rng, result=result
                )
                await trial.run()
            await trial.end()
    except* Breach as group:
        result.breaches += [str(breach) for breach in _leaves(group)]
    except* (ClientEnded, trio.TooSlowError, AssertionError, OSError) as group:
        result.breaches += [f"{type(error).__name__}: {error}" for error in _leaves(group)]
    result.log += said[-_TOLD_LINES:] + world.gateway.server.program.err.lines[-_TOLD_LINES:]
    return result


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Yield the exceptions in nested groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


@attrs.define(eq=False, kw_only=True)
class Trial:
    """The part of a trial that `result` tells of; all of it raises `Breach` where going on makes no sense."""

    world: World
    fault: Fault
    phase: Phase
    subject: Session
    load: Load
    rng: Random
    result: Result

    @property
    def affected(self) -> list[Session]:
        """Those who go through the hop."""
        return [self.subject, *self.world.residents] if self.fault.is_shared else [self.subject]

    @property
    def others(self) -> list[Session]:
        """Those who do not."""
        return [] if self.fault.is_shared else self.world.residents

    @property
    def may_give_up(self) -> bool:
        """Whether the subject's client may end, saying why: it has not been live, and was not only held up."""
        return self.phase in (Phase.STARTING, Phase.REGISTERING) and self.fault.act not in ("stop", "attack")

    async def run(self) -> None:
        """Strike while visitors ask, and check what comes of it."""
        await self._reach_phase()
        marks = {session: session.mark for session in [self.subject, *self.world.residents]}
        were_live = {session for session in marks if session.is_live}
        async with AsyncExitStack() as farewells:
            if self.fault.says_farewell and self.phase in (Phase.LIVE, Phase.LOADED):
                await farewells.enter_async_context(self.load.open_farewells(self.subject))
            await self.fault.strike(self.world, self.subject, self.rng)
        back = trio.current_time()
        if self.fault.ends_session:
            await self._check_ended()
            await self._check_can_start_again()
        else:
            async with trio.open_nursery() as nursery:
                for session in self.affected:
                    loses_link = self.fault.loses_link and session in were_live
                    nursery.start_soon(self._check_live, session, marks[session], loses_link, back)
        live = trio.current_time()
        await trio.sleep(_AFTERGLOW)
        self._check_links(marks, were_live)
        self._check_requests(live)

    async def end(self) -> None:
        """End the subject on purpose: its name is given up at once, whatever it has been through."""
        if self.result.outcome != _LIVE:
            return
        status = await self.subject.program.end(signal.SIGTERM)
        if status != 0:
            self._breach(f"asked to end, the client ends with status {status}")
        await self._check_name_given_up()

    async def _reach_phase(self) -> None:
        mark = await self.subject.wait_state("execute")
        match self.phase:
            case Phase.STARTING:
                pass
            case Phase.REGISTERING:
                await self.subject.wait_state("connect", mark)
            case Phase.LIVE | Phase.LOADED | Phase.RECONNECTING:
                await self.subject.wait_live(mark, loses_link=False)
        if self.phase in (Phase.LOADED, Phase.RECONNECTING):
            self.load.add(self.subject)
        if self.phase is Phase.RECONNECTING:
            mark = self.subject.mark
            await kill(self.subject.find_ssh())
            await self.subject.wait_state("dead", mark)
        await trio.sleep(self.rng.uniform(0, self.phase.longest_wait))

    async def _check_live(self, session: Session, mark: int, loses_link: bool, back: float) -> None:
        """Check that one of the affected is live in time and unchanged; a first dial that fails may say so."""
        try:
            await session.wait_live(mark, loses_link=loses_link)
        except ClientEnded:
            if session is not self.subject or not self.may_give_up:
                raise
            return self._check_gave_up()
        if session is self.subject:
            self.result.outcome = _LIVE
        took = trio.current_time() - back
        self.result.live_after = max(took, self.result.live_after or 0)
        if took > self.fault.live_timeout:
            self._breach_lateness(session, took)
        return None

    def _check_gave_up(self) -> None:
        self.result.outcome = "gave up"
        states = [event["state"] for event in self.subject.program.events]
        if self.subject.program.process.returncode != 1 or "failed" not in states:
            self._breach(f"gave up with status {self.subject.program.process.returncode}, saying {states}")

    async def _check_ended(self) -> None:
        """Check how the client ends whose application was killed, or the other way round."""
        self.result.outcome = "ended"
        status = await self.subject.program.wait_ended()
        await wait_gone(self.subject.application)
        if self.fault.hop == "application" or self.fault.act == "end":
            expected = {0} if self.fault.act == "end" else {128 + signal.SIGKILL}
            if self.fault.name == "end-application" and self.may_give_up:  # before it knows what SIGTERM means
                expected.add(128 + signal.SIGTERM)
            if status not in expected:
                self._breach(f"{self.fault.name}: the client ends with status {status}, not {expected}")
            await self._check_name_given_up()

    async def _check_can_start_again(self) -> None:
        """Check that the owner can start the same anew, and has the name at once when the client is back."""
        async with self.world.open_subject(self.subject.name, self.subject.person) as again:
            await again.wait_state("connect")
            begin = trio.current_time()
            await again.wait_live(0, loses_link=False)
            self.result.live_after = trio.current_time() - begin
            self.result.breaches += again.check_unchanged()
            await again.program.end()
            self.result.log += again.program.out.lines + again.program.err.lines
            if self.result.live_after > self.fault.live_timeout:
                self._breach_lateness(again, self.result.live_after)

    async def _check_name_given_up(self) -> None:
        """Check that visitors do not wait for the subject, unless it could tell nobody of its end."""
        if self.phase is Phase.RECONNECTING and self.result.outcome != _LIVE:
            return
        status = await self.subject.status_for_visitors()
        if status not in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            self._breach(f"after the session's end on purpose visitors are answered {status}")

    def _check_links(self, marks: dict[Session, int], were_live: set[Session]) -> None:
        """Check that links without a reason to be lost were kept, and that nothing changed for their owners."""
        for session, mark in marks.items():
            may_lose_link = session in self.affected and (self.fault.loses_link or session not in were_live)
            if not may_lose_link and session.losses_since(mark):
                self._breach(f"{session.host} has lost its link")
            if session is not self.subject or self.result.outcome == _LIVE:
                self.result.breaches += [f"{session.host}: {change}" for change in session.check_unchanged()]

    def _check_requests(self, live: float) -> None:
        result, load = self.result, self.load
        result.asked_of_affected, result.asked_of_others = load.asked(self.affected), load.asked(self.others)
        of_affected, of_others = load.failures(self.affected), load.failures(self.others)
        result.failed_of_affected, result.failed_of_others = len(of_affected), len(of_others)
        result.failures.update(failure.what for failure in [*of_affected, *of_others])
        if not load.asked(self.world.residents):
            self._breach("nobody has asked for anything")
        self._breach_failures("another session's visitors", of_others)
        if self.fault.answer_timeout is not None:
            self._check_answers_in_time(self.fault.answer_timeout)
        if not self.fault.loses_requests:
            may_break = self.fault.loses_link or self.fault.loses_tunnels
            waited = [f for f in of_affected if not (f.goes_with_link and may_break)]
            self._breach_failures("visitors who only had to wait", waited)
        elif self.fault.says_farewell:
            self._breach_failures("those who waited for a farewell", [f for f in of_affected if f.of_farewell])
        elif not self.fault.ends_session:
            self._breach_failures("after it was live again, visitors", [f for f in of_affected if f.begin > live])

    def _breach_failures(self, who: str, failures: list[Failure]) -> None:
        if failures:
            self._breach(f"{who} failed {len(failures)} times, first with {failures[0].what}")

    def _check_answers_in_time(self, timeout: float) -> None:
        for session in self.others:
            longest = self.load.longest_answer([session])
            self.result.longest_answer = max(longest, self.result.longest_answer or 0)
            if longest > timeout:
                self._breach(
                    f"{session.host} answered after {longest:.1f} s, not {timeout:g}, on {tell_machine()}"
                )

    def _breach_lateness(self, session: Session, took: float) -> None:
        self._breach(
            f"{session.host} was live after {took:.1f} s, not {self.fault.live_timeout:g}, on {tell_machine()}"
        )

    def _breach(self, what: str) -> None:
        self.result.breaches.append(what)
