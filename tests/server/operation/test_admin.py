"""The operator's socket: who may ask there, and what is answered."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest

from tests.support.served_file import FiledServer, open_filed_server
from tests.support.users import BOB, acting_as, real_person


def ask(filed: FiledServer, question: bytes) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(filed.runtime_dir / "admin"))
        sock.sendall(question)
        answer: dict[str, object] = json.loads(sock.makefile("rb").readline())
        return answer


async def test_it_is_open_to_root_and_the_servers_user(short_tmp: Path, runtime_dir: Path) -> None:
    bob = real_person(BOB)
    async with open_filed_server(short_tmp, "") as filed:
        path = runtime_dir / "admin"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with acting_as(bob), pytest.raises(PermissionError):
            ask(filed, b"{}\n")
        path.chmod(0o666)  # by accident
        with acting_as(bob):
            assert ask(filed, b'{"command": "reload"}\n') == {
                "status": "error",
                "what": "only root and the server's user may ask here",
            }
        assert (await filed.program.wait_logged("admin_refused"))["uid"] == bob.uid
        assert filed.pid == filed.program.process.pid


@pytest.mark.parametrize(
    ("question", "words"),
    [(b"{\n", "no question"), (b"[]\n", "no question"), (b'{"command": "x"}\n', "knows no command 'x'")],
)
async def test_what_is_no_question_is_told(
    short_tmp: Path, runtime_dir: Path, question: bytes, words: str
) -> None:
    async with open_filed_server(short_tmp, "") as filed:
        answer = ask(filed, question)
        assert answer["status"] == "error" and words in str(answer["what"])


async def test_what_is_in_force_is_told(short_tmp: Path, runtime_dir: Path) -> None:
    async with open_filed_server(short_tmp, "grace = 4\n", "-v") as filed:
        answer = ask(filed, b'{"command": "config"}\n')
        assert (answer["status"], answer["pid"], answer["file"]) == ("ok", filed.pid, str(filed.file))
        settings = answer["settings"]
        assert isinstance(settings, list)
        assert {"key": ["grace"], "value": 4, "from": "file", "file": str(filed.file), "line": 4} in settings
        assert {"key": ["verbose"], "value": True, "from": "command line", "option": "-v"} in settings
    assert not list(runtime_dir.glob("admin"))
