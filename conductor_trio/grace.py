"""The grace for what is to be finished although we are cancelled: it has a deadline, and can be cut short."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import trio


@contextlib.asynccontextmanager
async def open_grace(timeout: float, hurry: trio.Event) -> AsyncIterator[None]:
    """Within, cancellations from outside are not heard; for so many seconds at most, or until `hurry` is set."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + timeout):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancel_upon, hurry, nursery.cancel_scope, name="wait for forced exit")
            yield
            nursery.cancel_scope.cancel()


async def cancel_upon(event: trio.Event, scope: trio.CancelScope) -> None:
    """Wait for the event, and cancel the scope."""
    await event.wait()
    scope.cancel()
