"""Limits that are lent to processes: whatever comes in whatever order, never more is used, and nothing is lost."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.leases.lessee import Lessee
from conductor_trio.server.leases.lessor import Lessor, Word
from conductor_trio.server.leases.terms import Kind, Terms, make_key

KEYS = (make_key(Kind.VISITORS), make_key(Kind.ADDRESS, "192.0.2.1"), make_key(Kind.ADDRESS, "192.0.2.2"))


@attrs.define(eq=False)
class Process:
    """A lessee, the words that are under way from it and to it, and what it has in use."""

    terms: Terms
    used: Counter[str] = attrs.field(factory=Counter)
    said: deque[Word] = attrs.field(factory=deque)
    heard: deque[Word] = attrs.field(factory=deque)
    parts: dict[str, int] = attrs.field(factory=dict)
    lessee: Lessee = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.lessee = Lessee(
            self.terms, self.used.__getitem__, self.parts.__setitem__, lambda key: None, self._say
        )

    def _say(self, word: Word) -> None:
        self.said.append(json.loads(json.dumps(word)))

    def take(self, key: str) -> bool:
        """Take one, or ask for it."""
        if self.used[key] >= self.lessee.part(key):
            if not self.lessee.has_all(key):
                self.lessee.want(key, 1)
            return False
        self.used[key] += 1
        return True


class Host:
    """A lessor and its processes."""

    def __init__(self, processes: int, most: int) -> None:
        limits = ServerLimits(max_visitors=most, max_address_visitors=most)
        self.terms = Terms(limits, processes)
        self.lessor = Lessor(self.terms)
        self.most = most
        self.processes: list[Process] = []
        for _ in range(processes):
            self.start()

    def start(self) -> None:
        """Start a process."""
        process = Process(self.terms)
        self.processes.append(process)
        self.lessor.attach(process)
        self.sort_out()

    def sort_out(self) -> None:
        """Have what the lessor has said be under way."""
        while self.lessor.outbox:
            process, word = self.lessor.outbox.popleft()
            assert isinstance(process, Process)
            process.heard.append(json.loads(json.dumps(word)))

    def hear(self, process: Process) -> bool:
        """Have the lessor hear one word of a process."""
        if process.said:
            self.lessor.receive(process, process.said.popleft())
            self.sort_out()
            return True
        return False

    def tell(self, process: Process) -> bool:
        """Have a process hear one word."""
        if process.heard:
            process.lessee.receive(process.heard.popleft())
            return True
        return False

    def exchange(self) -> None:
        """Have all arrive that is under way."""
        is_over = False
        while not is_over:
            is_over = True
            for process in self.processes:
                while self.hear(process) or self.tell(process):
                    is_over = False

    def end(self, process: Process) -> None:
        """Have a process end with all that it has."""
        self.processes.remove(process)
        self.lessor.detach(process)
        self.sort_out()

    def take_all(self, process: Process, key: str) -> Iterator[int]:
        """Have a process take as much as it gets; yields how much it has."""
        while True:
            while process.take(key):
                pass
            before = process.lessee.part(key)
            self.exchange()
            if process.lessee.part(key) == before:
                return
            yield process.used[key]

    def settle(self) -> None:
        """Have everything given back that is not used."""
        for _ in range(2):
            for process in self.processes:
                process.lessee.give_back()
            self.exchange()
            self.lessor.settle()
            self.sort_out()
            self.exchange()


class Leases(RuleBasedStateMachine):
    """Takes, releases, words that are late, and deaths, in any order."""

    host: Host

    @initialize(processes=st.integers(1, 4), most=st.integers(1, 30))
    def begin(self, processes: int, most: int) -> None:
        self.host = Host(processes, most)

    def choose(self, data: Any) -> Process | None:
        found = self.host.processes
        return found[data.draw(st.integers(0, len(found) - 1))] if found else None

    @rule(data=st.data(), key=st.sampled_from(KEYS), count=st.integers(1, 12))
    def take(self, data: Any, key: str, count: int) -> None:
        if (process := self.choose(data)) is not None:
            for _ in range(count):
                process.take(key)

    @rule(data=st.data(), key=st.sampled_from(KEYS), count=st.integers(1, 12))
    def release(self, data: Any, key: str, count: int) -> None:
        if (process := self.choose(data)) is not None:
            process.used[key] -= min(count, process.used[key])

    @rule(data=st.data(), is_heard=st.booleans(), count=st.integers(1, 3))
    def pass_on(self, data: Any, is_heard: bool, count: int) -> None:
        if (process := self.choose(data)) is not None:
            for _ in range(count):
                self.host.hear(process) if is_heard else self.host.tell(process)

    @rule(data=st.data())
    def give_back(self, data: Any) -> None:
        if (process := self.choose(data)) is not None:
            process.lessee.give_back()

    @rule()
    def settle(self) -> None:
        self.host.lessor.settle()
        self.host.sort_out()

    @rule(data=st.data())
    def end(self, data: Any) -> None:
        if (process := self.choose(data)) is not None:
            self.host.end(process)

    @rule()
    def start(self) -> None:
        if len(self.host.processes) < self.host.terms.processes:
            self.host.start()

    @invariant()
    def never_more_than_the_limit(self) -> None:
        host = self.host
        for key in KEYS:
            assert sum(process.lessee.part(key) for process in host.processes) <= host.most
            for process in host.processes:
                assert 0 <= process.used[key] <= process.lessee.part(key)
                assert process.parts.get(key, host.terms.base(key)) == process.lessee.part(key)

    def teardown(self) -> None:
        """When nothing is used any more, all is as it was; and one process can have everything."""
        host = self.host
        host.exchange()
        for process in host.processes:
            assert not any(process.lessee.is_wanted(key) for key in KEYS)
            process.used.clear()
        host.settle()
        assert len(host.lessor) == 0
        assert all(len(process.lessee) == 0 for process in host.processes)
        for process in host.processes:
            for key in KEYS:
                list(host.take_all(process, key))
                assert process.used[key] == host.most
                process.used.clear()
            host.settle()


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_nothing_is_said_within_the_part_that_each_has_and_seldom_beyond() -> None:
    host = Host(3, 600)
    one, key = host.processes[0], KEYS[1]
    for _ in range(host.terms.base(key)):
        assert one.take(key)
    assert not one.said
    assert len(list(host.take_all(one, key))) < 50
    assert one.used[key] == 600


def test_what_one_process_does_not_use_another_has_at_once() -> None:
    host = Host(3, 10)
    one, two, _ = host.processes
    list(host.take_all(one, KEYS[1]))
    assert one.used[KEYS[1]] == 10
    list(host.take_all(two, KEYS[1]))
    assert two.used[KEYS[1]] == 0
    one.used[KEYS[1]] -= 3
    list(host.take_all(two, KEYS[1]))
    assert (one.used[KEYS[1]], two.used[KEYS[1]]) == (7, 3)


def test_a_process_that_ends_gives_back_everything_also_to_who_waits() -> None:
    host = Host(3, 10)
    one, two, _ = host.processes
    list(host.take_all(one, KEYS[0]))
    two.take(KEYS[0])
    host.hear(two)  # and `one`, which is asked for some, never answers
    host.end(one)
    host.exchange()
    assert two.take(KEYS[0])
    host.start()
    list(host.take_all(two, KEYS[0]))
    assert two.used[KEYS[0]] == 10
    three = host.processes[-1]
    assert not three.take(KEYS[0])


def test_who_begins_while_all_is_taken_has_nothing() -> None:
    host = Host(2, 10)
    one, two = host.processes
    host.end(two)
    list(host.take_all(one, KEYS[0]))
    assert one.used[KEYS[0]] == 10
    host.start()
    assert host.processes[-1].heard  # before anything else
    host.exchange()
    assert host.processes[-1].lessee.part(KEYS[0]) == 0


@pytest.mark.parametrize(
    "word",
    [
        {},
        {"want": 1},
        {"want": {"visitors/": 0}},
        {"want": {"visitors/": True}},
        {"want": {"nothing/": 1}},
        {"give": {"visitors/": 100}},
        {"give": {"visitors/": -1}},
        {"gave": [1]},
    ],
)
def test_what_is_no_word_of_a_process_is_refused(word: Word) -> None:
    host = Host(2, 10)
    with pytest.raises(ValueError, match=r"."):
        host.lessor.receive(host.processes[0], word)


def test_there_are_no_more_processes_than_were_said() -> None:
    host = Host(2, 10)
    with pytest.raises(ValueError, match="more processes"):
        host.start()
