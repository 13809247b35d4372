"""The logo's file: read as a whole or not at all, whatever lies there; what is wrong names the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conductor_trio.errors import ConfigError
from conductor_trio.pages.house import House, Logo
from conductor_trio.server.lifecycle.logo import load_house
from conductor_trio.server.settings import ServerSettings

PNG = b"\x89PNG\r\n\x1a\n...."


def load(path: Path | None) -> House:
    logo = None if path is None else str(path)
    settings = ServerSettings(runtime_dir="/r", patterns=(), site=House(name="HPC"), logo_file=logo)
    return load_house(settings)


def test_it_goes_with_the_rest_of_the_house(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(PNG)
    assert load(tmp_path / "logo.png") == House(name="HPC", logo=Logo("image/png", PNG))
    assert load(None) == House(name="HPC")


def test_what_is_wrong_names_the_file(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("missing.png", "large.png", "text.png", "pipe", "directory")}
    files["large.png"].write_bytes(PNG + bytes(1 << 20))
    files["text.png"].write_bytes(b"hello")
    os.mkfifo(files["pipe"])
    files["directory"].mkdir()
    words = ("cannot read", "more than 64 KiB", "is no picture", "is no file", "is no file")
    for path, what in zip(files.values(), words, strict=True):
        with pytest.raises(ConfigError, match=what) as raised:
            load(path)
        assert str(path) in str(raised.value)
