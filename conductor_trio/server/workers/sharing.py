"""What all processes share, by leases and weights: at a worker its share, and at the control process all shares.

The words are in `leases.lessor` and `leases.uses`. Those of a worker come as ``{"share": <word>}``, those to it as
what the feed tells it alone (`routing.feed`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import trio

from conductor_trio.server.leases.leases import Leases
from conductor_trio.server.leases.lessor import Lessor, Word
from conductor_trio.server.leases.terms import Terms
from conductor_trio.server.leases.uses import HostUses, Use, Weights, parse_use, parse_weights
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.settings import ServerSettings

Tell = Callable[[object], None]


def terms_of(settings: ServerSettings) -> Terms:
    """Return what holds for the control process and all workers."""
    return Terms(settings.limits, settings.workers + 1)


class _Uses:
    """What this process uses of the processor for whom, and who waits here for what they use elsewhere."""

    def __init__(self, proxy: ProxyContext) -> None:
        self._ledger = proxy.ledger
        self._memory = proxy.limits.contention_memory
        self._told: dict[str, float] = {}
        self._weighted: dict[str, float] = {}
        self._is_quiet = True

    def take(self) -> Use | None:
        """Return what was used since the last time; None where that was nothing twice, as nearly always."""
        fairness, ledger = self._ledger.fairness, self._ledger
        if self._is_quiet and not fairness.is_contended:
            return None
        used = {}
        for name, account in ledger.shared():
            if (more := account.used - self._told.get(name, 0.0)) > 0:
                used[name] = more
                self._told[name] = account.used
        is_contended = ledger.is_contended
        self._is_quiet = not used and not is_contended
        return Use(used, is_contended)

    def apply(self, weights: Weights) -> None:
        """Have those wait earlier who use much elsewhere."""
        weighted, self._weighted = self._weighted, dict(weights.weights)
        if weighted or weights.weights:
            for name, account in self._ledger.shared():
                account.weight = max(1.0, weights.weights.get(name, 1.0))
        if weights.is_contended:
            fairness = self._ledger.fairness
            fairness.begin_contention(fairness.now() + self._memory)


class Share:
    """A worker's."""

    def __init__(self, proxy: ProxyContext, tell: Tell) -> None:
        self._tell = tell
        self._uses = _Uses(proxy)
        self._leases = Leases(terms_of(proxy.settings), self._tell_word)
        self._is_alone = False
        proxy.share(self._leases)

    def be_alone(self) -> None:
        """Nobody lends any more: what there is has to do, and whoever waits for more goes without."""
        self._is_alone = True
        self._leases.deny_all()

    def _tell_word(self, word: Word) -> None:
        match word:
            case {"want": dict() as wanted} if self._is_alone:
                self._leases.receive({"deny": list(wanted)})
            case _:
                self._tell({"share": word})

    def receive(self, word: object) -> None:
        """Take in what the control process says; raises ValueError."""
        match word:
            case {"weights": _}:
                self._uses.apply(parse_weights(word))
            case dict():
                self._leases.receive(word)
            case _:
                raise ValueError("no word of a share")

    def report(self) -> None:
        """Give back what is not needed, and tell what was used."""
        if self._is_alone:
            return
        self._leases.give_back()
        if (use := self._uses.take()) is not None:
            self._tell_word({"used": use.used, "is_contended": use.is_contended})


class Sharing:
    """The control process's: it lends to all workers and to itself; without workers there is nothing to share."""

    def __init__(self, proxy: ProxyContext) -> None:
        self._interval = proxy.limits.worker_report_interval
        self.lessor = Lessor(terms_of(proxy.settings))
        self._host = HostUses()
        self._uses = _Uses(proxy)
        self._leases = Leases(terms_of(proxy.settings), self._hear_own)
        self._tells: dict[Hashable, Tell] = {}
        self._is_delivering = False
        if proxy.settings.workers > 1:
            self.lessor.attach(self)
            self._host.attach(self)
            proxy.share(self._leases)

    def attach(self, worker: Hashable, tell: Tell) -> None:
        """Lend to a worker from now on; raises ValueError where there are too many."""
        self.lessor.attach(worker)
        self._tells[worker] = tell
        self._host.attach(worker)
        self._deliver()

    def detach(self, worker: Hashable) -> None:
        """A worker has ended: nothing of it is there any more."""
        self._tells.pop(worker, None)
        self._host.forget(worker)
        self.lessor.detach(worker)
        self._deliver()

    def receive(self, worker: Hashable, word: Mapping[str, object]) -> None:
        """Take in what a worker says; raises ValueError for what is none of it."""
        if worker not in self._tells:
            raise ValueError("it has not said that it is ready")
        if "used" in word:
            self._host.note(worker, parse_use(word))
            return
        self.lessor.receive(worker, word)
        self._deliver()

    def _hear_own(self, word: Word) -> None:
        self.lessor.receive(self, word)
        self._deliver()

    def _deliver(self) -> None:
        """Pass on what the lessor says; what it is answered meanwhile comes behind."""
        if self._is_delivering:
            return
        self._is_delivering = True
        try:
            while self.lessor.outbox:
                member, word = self.lessor.outbox.popleft()
                if member is self:
                    self._leases.receive(word)
                else:
                    self._tells[member](word)
        finally:
            self._is_delivering = False

    async def run(self) -> None:
        """Make up parts, and fold uses, now and then, for ever."""
        while True:
            await trio.sleep(self._interval)
            self.settle()

    def settle(self) -> None:
        """Make up parts, and tell who uses much in all."""
        self._leases.give_back()
        self.lessor.settle()
        self._deliver()
        if (use := self._uses.take()) is not None:
            self._host.note(self, use)
        for process, weights in self._host.fold().items():
            if process is self:
                self._uses.apply(weights)
            else:
                self._tells[process]({"weights": weights.weights, "is_contended": weights.is_contended})
