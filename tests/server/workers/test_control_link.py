"""What a worker is told is in force there, however much it is."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import trio

from conductor_trio.limits.constants import MAX_BLOCKS, MAX_ORDER_TEXT
from conductor_trio.server.orders.blocks import Block, Blocked
from conductor_trio.server.orders.orders import Orders
from conductor_trio.server.orders.saved import save_orders
from conductor_trio.server.routing.feed import FeedSource
from conductor_trio.server.routing.keys import ORDERS, RETIRED
from conductor_trio.server.settings import ServerSettings
from conductor_trio.server.workers.control_link import ControlLink
from conductor_trio.server.workers.plane import make_worker_plane
from tests.support.engine import make_log

PATIENCE = 20.0


def all_orders() -> Orders:
    """Return as many orders, of as many bytes, as there can be."""
    orders, reason = Orders(), MAX_ORDER_TEXT * "\U0001f600"
    names = [f"2001:db8:{number:x}::/48" for number in range(MAX_BLOCKS)]
    blocks = [Block(kind=Blocked.NETWORK, name=name, since=1.0, reason=reason) for name in names]
    orders.restore(tuple(blocks), None, None, now=1.0)
    return orders


async def test_it_takes_in_all_orders_that_can_stand(tmp_path: Path) -> None:
    settings = ServerSettings(runtime_dir=str(tmp_path), patterns=("{key}.test",))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link = ControlLink(trio.SocketStream(trio.socket.from_stdlib_socket(theirs)), settings.limits)
        proxy = make_worker_plane(settings, make_log([]), link)
        source = FeedSource()
        source.set(ORDERS, save_orders(all_orders()))
        source.set(RETIRED, [1])  # which is another one
        feed = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(link.follow)
                nursery.start_soon(link.send)
                for line in source.attach().take():
                    await feed.send_all(line)
                said = b""
                while not said.endswith(b'{"ack": 2}\n'):
                    said += bytes(await feed.receive_some())
                nursery.cancel_scope.cancel()
        assert json.loads(said.splitlines()[0]) == {"ready": True}
        assert len(proxy.orders.blocks) == MAX_BLOCKS and proxy.orders.networks.has("2001:db8:3e7::1")
        assert not link.state.is_draining
