"""The constants are what the kernel and the protocol say."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from conductor_trio.limits.constants import MAX_CONTROL_LINE, MAX_SOCKET_PATH


def test_the_longest_path_is_the_kernels(short_tmp: Path) -> None:
    path = str(short_tmp / "x").ljust(MAX_SOCKET_PATH, "x")
    with socket.socket(socket.AF_UNIX) as sock:
        with pytest.raises(OSError, match="too long"):
            sock.bind(path + "x")
        sock.bind(path)
    Path(path).unlink()


def test_a_line_of_the_control_channel_is_as_long_as_the_contract_says() -> None:
    assert MAX_CONTROL_LINE == 65536
