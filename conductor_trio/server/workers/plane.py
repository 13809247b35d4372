"""A worker's data plane: the same as the server's, over a mirror of its routes, without pages of its own."""

from __future__ import annotations

import time
from typing import NoReturn

import trio

from conductor_trio.log import Logger
from conductor_trio.net.poller import EdgePoller
from conductor_trio.server.accounts.counters import Counters
from conductor_trio.server.accounts.holdings import Holdings
from conductor_trio.server.accounts.ledger import Ledger
from conductor_trio.server.observability.observer import Observer
from conductor_trio.server.orders.orders import Orders
from conductor_trio.server.proxy.context import ProxyContext
from conductor_trio.server.routing.mirror import MirrorTable
from conductor_trio.server.routing.table import Clock
from conductor_trio.server.settings import ServerSettings
from conductor_trio.server.workers.control_link import ControlLink


class NoPages:
    """Implements `proxy.ports.OwnPages` where nobody gets to them: the control process shows them."""

    async def log_in(self, *_: object, **__: object) -> NoReturn:
        """Never called."""
        raise AssertionError("the control process's")

    def redeem(self, *_: object, **__: object) -> NoReturn:
        """Never called."""
        raise AssertionError("the control process's")

    def show_session(self, *_: object, **__: object) -> NoReturn:
        """Never called."""
        raise AssertionError("the control process's")

    def has_room(self, *_: object) -> bool:
        """Never called."""
        return False

    async def serve_session_socket(self, *_: object) -> NoReturn:
        """Never called."""
        raise AssertionError("the control process's")

    async def run(self) -> None:
        """Do nothing for ever."""
        await trio.sleep_forever()


def make_worker_plane(
    settings: ServerSettings, log: Logger, link: ControlLink, observer: Observer | None = None
) -> ProxyContext:
    """Return the data plane of a worker, which is what the link is told."""
    limits = settings.limits
    mirror = MirrorTable(limits, Clock(monotonic=trio.current_time, wall=time.time))
    ledger = Ledger(limits)
    proxy = ProxyContext(
        settings=settings,
        log=log,
        routes=mirror,
        ledger=ledger,
        holdings=Holdings(limits),
        counters=Counters(),
        reports=link,
        own_pages=NoPages(),
        poller=EdgePoller(ledger.fairness.turnstile),
        observer=observer or Observer(),
        orders=Orders(),
    )
    link.attach(mirror, proxy)
    return proxy
