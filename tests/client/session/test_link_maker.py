"""Links made over the transport of the session that runs."""

from __future__ import annotations

import pytest

from conductor_trio.client.session.link_maker import LinkMaker
from conductor_trio.errors import TransportError
from conductor_trio.limits.client import ClientLimits


async def test_without_a_transport_there_is_no_link() -> None:
    with pytest.raises(TransportError, match="there is no link to the gateway now"):
        await LinkMaker(ClientLimits()).make("lab", 60)
