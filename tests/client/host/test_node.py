"""The node's name is one that the server takes."""

from __future__ import annotations

import re

from conductor_trio.client.host.node import node_name


def test_it_is_what_a_registration_may_tell() -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", node_name())
