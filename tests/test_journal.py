"""The journal's native protocol: whatever is in a field stays in it."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.journal import JournalWriter, format_entry, is_journal
from conductor_trio.limits.constants import MAX_JOURNAL_VALUE


def parse_entry(data: bytes) -> dict[str, bytes]:
    """Read an entry as systemd-journald does (its documentation, "Native Journal Protocol")."""
    fields: dict[str, bytes] = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, has_value, value = line.partition(b"=")
        if not has_value:
            [size] = struct.unpack("<Q", data[:8])
            value, data = data[8 : 8 + size], data[9 + size :]
        assert name.decode() not in fields
        fields[name.decode()] = value
    return fields


def test_an_entry_has_a_priority_and_fields() -> None:
    assert parse_entry(format_entry("text", 4, {"user": "alice", "share": None, "bytes": 7})) == {
        "MESSAGE": b"text",
        "PRIORITY": b"4",
        "SYSLOG_IDENTIFIER": b"conductor-trio-server",
        "CONDUCTOR_USER": b"alice",
        "CONDUCTOR_BYTES": b"7",
    }


@given(st.text(), st.text())
def test_nothing_in_a_field_makes_another(message: str, value: str) -> None:
    fields = parse_entry(format_entry(message, 6, {"path": value}))
    assert fields["MESSAGE"] == message.encode("utf-8", "backslashreplace")
    assert fields["CONDUCTOR_PATH"] == value.encode("utf-8", "backslashreplace") and len(fields) == 4


@given(st.text(min_size=1))
def test_names_are_what_the_journal_takes(name: str) -> None:
    [found] = parse_entry(format_entry("", 6, {name: 1})).keys() - {"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"}
    assert (
        found.startswith("CONDUCTOR_")
        and len(found) <= 64
        and set(found) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
    )


def test_a_value_is_bounded() -> None:
    assert len(parse_entry(format_entry("x" * 10**6, 6, {}))["MESSAGE"]) == MAX_JOURNAL_VALUE


def test_each_entry_is_a_datagram(short_tmp: Path) -> None:
    path = str(short_tmp / "journal")
    with contextlib.ExitStack() as stack, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        stack.callback(os.unlink, path)
        journal.settimeout(20)
        writer = JournalWriter(lambda lost: f"{lost} lost", path=path)
        for number in range(3):
            writer.send(str(number), 6, {"log": "access"})
        got = [parse_entry(journal.recv(65536)) for _ in range(3)]
        writer.finish()
    assert [entry["MESSAGE"] for entry in got] == [b"0", b"1", b"2"]


def test_what_no_journal_took_is_told_once_there_is_one(short_tmp: Path) -> None:
    path = str(short_tmp / "journal")
    writer = JournalWriter(lambda lost: f"{lost} lost", path=path)
    for _ in range(2):
        writer.send("into the void", 6, {})
    writer.close()
    assert writer.lost == 2
    with contextlib.ExitStack() as stack, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        stack.callback(os.unlink, path)
        journal.settimeout(20)
        writer.send("heard", 6, {})
        told, heard = (parse_entry(journal.recv(65536)) for _ in range(2))
        writer.finish()
    assert told["MESSAGE"] == b"2 lost" and told["PRIORITY"] == b"4" and heard["MESSAGE"] == b"heard"


def test_a_stream_is_the_journals_if_it_says_so(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "file", os.O_CREAT | os.O_WRONLY)
    try:
        found = os.fstat(descriptor)
        assert is_journal(descriptor, f"{found.st_dev}:{found.st_ino}")
        assert not is_journal(descriptor, f"{found.st_dev}:{found.st_ino + 1}")
        assert not is_journal(descriptor, None)
    finally:
        os.close(descriptor)
    assert not is_journal(descriptor, "1:1")
