"""What docs/protocol.md shows is so: its client works as it stands there, its examples are real messages."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

from conductor_trio.client.output import events
from conductor_trio.control.messages import Accepted, parse_banner, parse_registration, parse_reply
from conductor_trio.control.owner_commands import parse_command
from conductor_trio.control.relay_inspection import read_inspection
from tests.support.programs import ask, open_program, open_server

PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()

_CODE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)

#: Hashes are shortened there.
FULL_HASH = "0123456789abcdef" * 8


def examples(arrow: str = "") -> list[dict[str, Any]]:
    """Return the JSON objects in lines of their own, behind that arrow; not those that are cut short."""
    lines = [line for kind, code in _CODE.findall(PROTOCOL) if not kind for line in code.splitlines()]
    texts = [line.removeprefix(arrow).strip() for line in lines if line.startswith(arrow or "{")]
    return [json.loads(text) for text in texts if "{…" not in text and "<" not in text and "[…" not in text]


async def test_the_client_in_thirty_lines_works(runtime_dir: Path) -> None:
    [client] = [code for kind, code in _CODE.findall(PROTOCOL) if kind == "python"]
    [token] = re.findall(r'blake2b\(b"(.*?)"\)', client)
    async with (
        open_server(runtime_dir) as server,
        open_program([sys.executable, "-uc", client, server.control_socket]) as program,
    ):
        said = await program.out.wait_line(lambda line: "ok" in line)
        [host] = re.findall(r"'urls': \['([^':]+)", program.out.lines[said])
        answer = await ask(server.port, host, "/", token=token)
        assert (answer.status, answer.body) == (200, b"hello\n")
        assert (await ask(server.port, host, "/")).status == 403


def test_what_clients_send_is_understood() -> None:
    sent = examples("→")
    assert len(sent) > 5
    for message in sent:
        line = json.dumps(message | ({"auth": FULL_HASH} if "auth" in message else {})).encode()
        assert "event" in message or read_inspection(message) or parse_command(line) or parse_registration(line)


def test_what_the_server_sends_is_understood() -> None:
    greeting, reply = examples("←")[:2]
    extensions = {"named", "names", "notices", "output", "owner", "probe", "relay", "resume", "starting"}
    assert parse_banner(json.dumps(greeting).encode()).extensions == extensions
    assert isinstance(parse_reply(json.dumps(reply).encode()), Accepted)


def test_every_event_that_is_shown_is_in_the_table() -> None:
    rows = dict(
        re.findall(r"^\| `(\w+)` \| (.*?) \|", PROTOCOL.partition("## The client's events")[2], re.MULTILINE)
    )
    shown = [example for example in examples() if "state" in example and "key" not in example]
    assert {event["state"] for event in shown} > {"execute", "live", "failed", "exit"}
    for event in shown:
        for field in event.keys() - {"state"}:
            assert f"`{field}`" in rows[event["state"]], event


def test_the_table_has_every_state_of_the_client_s_events() -> None:
    tree = ast.parse(Path(events.__file__).read_text())
    told: list[ast.expr] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="_event"), args=[state, *_]):
                told.append(state)
            case ast.Dict(keys=[ast.Constant(value="state"), *_], values=[state, *_]):
                told.append(state)
    states = {str(node.value) for state in told for node in ast.walk(state) if isinstance(node, ast.Constant)}
    assert len(states) > 10
    assert not [state for state in states if f"| `{state}` |" not in PROTOCOL]


async def test_every_counter_is_explained_and_shown(runtime_dir: Path) -> None:
    async with open_server(runtime_dir) as server:
        counters = json.loads((await ask(server.port, "any.localhost", "/_conductor/status")).body)
    assert not [name for name in counters if f"| `{name}` |" not in PROTOCOL]
    [shown] = [example for example in examples() if "requestTotal" in example]
    assert shown.keys() == counters.keys()
