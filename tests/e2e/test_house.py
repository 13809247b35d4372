"""The house, as a real server has it from its file: on pages, at its logo's address, in clients' errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from conductor_trio import exit_status
from tests.support.programs import PATIENCE, ask, open_server, run_program, server_command

pytestmark = pytest.mark.e2e

DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'
FILE = """
deny = ["root", "nobody"]

[site]
name = "HPC Example"
logo = "logo.svg"
help_url = "https://hpc.test/help"
announcement = "Down on Monday."
color = "#ffee00"
"""


async def test_it_is_seen_by_visitors_and_clients(short_tmp: Path) -> None:
    (short_tmp / "logo.svg").write_text(DRAWING)
    (short_tmp / "server.toml").write_text(FILE)
    async with open_server(short_tmp / "run", "--config", short_tmp / "server.toml") as server:
        page = await ask(server.port, "any.test", "/", fields=[("Accept", "text/html"), ("Accept-Language", "de")])
        text = page.body.decode()
        assert page.status == 404 and '<html lang="de">' in text
        for part in (
            "<span>HPC Example</span>",
            "https://hpc.test/help",
            "Down on Monday.",
            ' src="/_conductor/logo?',
        ):
            assert part in text
        assert "--accent:#ffee00;" in text  # in the dark; in the light nobody could read it
        logo = await ask(server.port, "any.test", text.partition(' src="')[2].partition('"')[0])
        assert (logo.status, logo.body.decode()) == (200, DRAWING)
        assert logo.field(b"content-type") == b"image/svg+xml" and b"sandbox" in logo.field(
            b"content-security-policy"
        )
        assert b"max-age" in logo.field(b"cache-control")
        assert (await ask(server.port, "any.test", "/_conductor/logo", method="POST")).status == 405
        with trio.fail_after(PATIENCE):
            async with await trio.open_unix_socket(str(server.control_socket)) as control:
                said = json.loads(await control.receive_some())
        assert said["status"] == "error" and said["advice"] == "ask HPC Example (https://hpc.test/help)"


async def test_a_logo_that_is_none_is_told_at_the_start(short_tmp: Path) -> None:
    (short_tmp / "logo.svg").write_text(DRAWING.replace("<path", "<script>1</script><path"))
    (short_tmp / "server.toml").write_text(FILE)
    options = ("--config", short_tmp / "server.toml")
    with trio.fail_after(PATIENCE):
        server = await run_program(server_command(short_tmp / "run", *options))
    assert server.process.returncode == exit_status.WRONG_USAGE
    assert f"{short_tmp}/logo.svg cannot be the logo" in server.err.text
