"""Further links to the session that runs here, made over the transport that it has: nobody has to log in again."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from conductor_trio.client.transport.base import Transport
from conductor_trio.errors import ConductorError, TransportError
from conductor_trio.limits.client import ClientLimits


class LinkMaker:
    """Makes links; `over` has to have given the transport."""

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._transport: Transport | None = None

    @contextlib.asynccontextmanager
    async def over(
        self, open_transport: Callable[[], AbstractAsyncContextManager[Transport]]
    ) -> AsyncIterator[Transport]:
        """Give the transport, over which links are made meanwhile, too."""
        async with open_transport() as transport:
            self._transport = transport
            try:
                yield transport
            finally:
                self._transport = None

    async def make(self, key: str, seconds: float) -> tuple[str, str]:
        """Make a link to the session of that key, which ends by itself; raises `ConductorError`.

        Return what is to be said of it, and the link.
        """
        # Imported only now: most sessions need it never.
        from conductor_trio.client.session.listing import describe_share
        from conductor_trio.client.session.owner_client import converse_over

        if self._transport is None:
            raise TransportError("there is no link to the gateway now")
        try:
            made = await converse_over(
                self._transport,
                lambda owner: owner.share(key, label="", seconds=seconds, is_once=False),
                self._limits,
            )
        except OSError as error:
            raise ConductorError(f"no link could be made: {error.strerror}") from error
        return describe_share(made.share, key), made.link
