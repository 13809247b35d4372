"""The workers of one server: wired to what they are told, and to what they hand over."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

import attrs
import trio

from conductor_trio.log import Logger
from conductor_trio.net.listeners import Listener
from conductor_trio.server.lifecycle.handover import Predecessor
from conductor_trio.server.lifecycle.listeners import Handed, Listeners
from conductor_trio.server.lifecycle.runtime_directory import RuntimeDirectory
from conductor_trio.server.orders.saved import describe_orders
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.routing.feed import FeedSource
from conductor_trio.server.routing.keys import DRAINING, ORDERS
from conductor_trio.server.routing.mirror import feed_ends, feed_routes
from conductor_trio.server.routing.ports import SessionReports
from conductor_trio.server.sessions.context import SessionContext
from conductor_trio.server.sessions.leftovers import Leftovers
from conductor_trio.server.settings import ServerSettings
from conductor_trio.server.workers.adoption import open_orphans
from conductor_trio.server.workers.crew import Crew
from conductor_trio.server.workers.internal import INTERNAL_MODE, InternalHost, open_internal_listener
from conductor_trio.server.workers.sharing import Sharing
from conductor_trio.server.workers.usage import WorkersUsage

Pace = Callable[[], Awaitable[None]]


def make_crew(
    settings: ServerSettings, log: Logger, sessions: SessionContext, proxy: ProxyContext, reports: SessionReports
) -> Crew:
    """Return the workers that the settings ask for, none of which runs as yet; with one, the server needs none."""
    usage, source = WorkersUsage(proxy.ledger), FeedSource()
    crew = Crew(
        count=settings.workers if settings.workers > 1 else 0,
        settings=settings,
        limits=settings.limits,
        log=log,
        source=source,
        usage=usage,
        sharing=Sharing(proxy),
        reports=reports,
        audit=lambda fields: _write_audit(proxy, fields),
    )
    sessions.awaited.append(crew.wait_known)
    if crew.count:
        feed_routes(proxy.routes, source)
        _follow_crew(crew, proxy, source)
    return crew


def _follow_crew(crew: Crew, proxy: ProxyContext, source: FeedSource) -> None:
    """Have workers' doings told with ours, and what concerns all told to them."""
    proxy.orders.subscribe(lambda: _tell_orders(source, proxy))
    proxy.observer.on_reopen = crew.reopen_logs
    proxy.others = crew.usage


def _write_audit(proxy: ProxyContext, fields: dict[str, object]) -> None:
    if (sink := proxy.observer.sinks.get("audit")) is not None:
        sink.write(fields)


def _tell_orders(source: FeedSource, proxy: ProxyContext) -> None:
    source.set(ORDERS, describe_orders(proxy.orders))


@attrs.frozen(eq=False)
class Workers:
    """What the server does for its workers, and in their place; nothing where there are to be none."""

    crew: Crew
    _proxy: ProxyContext
    _internal: Listener | None

    @property
    def listeners(self) -> list[tuple[int, Listener]]:
        """What has a path in the runtime directory for them, and what that is to let others do."""
        return [] if self._internal is None else [(INTERNAL_MODE, self._internal)]

    def pace(self, pace: Pace | None) -> Pace | None:
        """Return what is awaited before visitors are accepted here: with workers, that none serves, too."""
        if not self.crew.count:
            return pace

        async def wait() -> None:
            await self.crew.wait_absent()
            if pace is not None:
                await pace()

        return wait

    def start_accepting(self) -> None:
        """Have them accept."""
        self.crew.accept(is_accepting=True)

    async def stop_accepting(self) -> None:
        """Have them accept no more, and return once none does."""
        self.crew.accept(is_accepting=False)
        await self.crew.wait_known()

    def start(
        self,
        sessions: trio.Nursery,
        visitors: trio.Nursery,
        on_shortage: Callable[[OSError], None],
        leftovers: Leftovers,
    ) -> None:
        """Have them run as long as sessions do, and what they hand over be served among the visitors."""
        if self._internal is not None:
            sessions.start_soon(self.crew.run, name="workers")
            sessions.start_soon(self.crew.sharing.run, name="shares of workers")
            visitors.start_soon(self._serve, self._internal, visitors, on_shortage, name="requests of workers")
        if self.crew.orphans.all:
            self.crew.orphans.are_adopted = True
            sessions.start_soon(self._sweep, leftovers, name="end of the adopted workers")

    async def _sweep(self, leftovers: Leftovers) -> None:
        """Remove what the server before has left for workers that are gone by now."""
        await self.crew.adopted_ended.wait()
        for path in await trio.to_thread.run_sync(self.crew.orphans.remove_directories):
            leftovers.take(path, None)

    async def _serve(
        self, internal: Listener, visitors: trio.Nursery, on_shortage: Callable[[OSError], None]
    ) -> None:
        """Take what they hand over, until they have ended."""
        host = InternalHost(context=self._proxy, is_worker=self.crew.is_worker)
        async with trio.open_nursery() as accepting:
            accept = functools.partial(internal.serve, on_shortage=on_shortage, task_name="handed over")
            accepting.start_soon(accept, host.serve, visitors, name="accept from workers")
            await self.crew.wait_over()
            accepting.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def open_handed(
    crew: Crew, runtime: RuntimeDirectory, predecessor: Predecessor | None
) -> AsyncIterator[Sequence[Handed]]:
    """Give the listeners of a predecessor that runs, or of the workers of one that was killed."""
    if predecessor is not None:
        yield predecessor.listeners
        return
    async with open_orphans(runtime, crew.limits, crew.log) as crew.orphans:
        yield crew.orphans.listeners


@contextlib.contextmanager
def open_workers(crew: Crew, proxy: ProxyContext, runtime_dir: str, listeners: Listeners) -> Iterator[Workers]:
    """Have the workers accept from these listeners once they run, and orphans no more; raises `StartError`."""
    if not (crew.count or crew.orphans.all):
        yield Workers(crew, proxy, None)
        return
    if crew.orphans.all:
        _follow_crew(crew, proxy, crew.ends)
        feed_ends(proxy.routes, crew.ends)
        _tell_orders(crew.ends, proxy)
        crew.ends.set(DRAINING, value=True)
    with open_internal_listener(runtime_dir) as internal:
        assert internal.path is not None
        crew.internal = internal.path
        crew.listeners = lambda: listeners.public
        yield Workers(crew, proxy, internal)
