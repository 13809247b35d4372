"""A limit that two processes share, in one: what one has in use, and what the other asks for."""

from __future__ import annotations

import attrs

from conductor_trio.limits.server import ServerLimits
from conductor_trio.server.leases.leases import Leases
from conductor_trio.server.leases.lessor import Lessor, Word
from conductor_trio.server.leases.terms import Kind, Terms


@attrs.define(eq=False)
class Lending:
    """Two processes and a lessor; words arrive at once, unless they are `held_up`."""

    limits: ServerLimits
    ours: Leases = attrs.field(init=False)
    theirs: Leases = attrs.field(init=False)
    lessor: Lessor = attrs.field(init=False)
    used_there: dict[str, int] = attrs.field(factory=dict)  #: of the other's, by name
    is_held_up: bool = False
    _is_delivering: bool = False

    def __attrs_post_init__(self) -> None:
        terms = Terms(self.limits, 2)
        self.lessor = Lessor(terms)
        self.ours = Leases(terms, lambda word: self._say("ours", word))
        self.theirs = Leases(terms, lambda word: self._say("theirs", word))
        for kind in Kind:
            self.theirs.hold(kind, lambda name: self.used_there.get(name, 0), lambda name, part: None)
        for member in ("ours", "theirs"):
            self.lessor.attach(member)

    def _say(self, member: str, word: Word) -> None:
        self.lessor.receive(member, word)
        self.deliver()

    def deliver(self) -> None:
        """Have all words arrive, unless they are held up."""
        if self._is_delivering or self.is_held_up:
            return
        self._is_delivering = True
        while self.lessor.outbox:
            member, word = self.lessor.outbox.popleft()
            (self.ours if member == "ours" else self.theirs).receive(word)
        self._is_delivering = False
