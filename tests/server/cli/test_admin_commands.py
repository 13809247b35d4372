"""The operator's command lines: what they mean, and what is said about those that mean nothing."""

from __future__ import annotations

import json
import os
import pwd
import re
from pathlib import Path

import pytest

from conductor_trio.errors import ConfigError
from conductor_trio.server.cli.admin_commands import parse_host, parse_target
from conductor_trio.server.cli.main import main
from conductor_trio.server.orders.blocks import Blocked
from tests.support.programs import open_server, run_program, server_command


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["end"], "say which: a HOST, --user USER, or --all"),
        (["end", "a", "--all"], "say which"),
        (["block", "--for", "1h"], "need a USER or a NETWORK"),
        (["block", "no-such-user-here"], "neither a user of this host nor a network"),
        (["block", "192.0.2.1/8"], "has host bits set"),
        (["block", "::g"], "does not appear to be"),
        (["block", "root", "--for", "soon"], ": --for: 'soon' is no time; write it as 90s"),
        (["announce", "a", "--clear"], "--clear needs no TEXT"),
        (["announce", ""], "TEXT is empty"),
        (["announce", "a" * 501], "at most 500 printable characters"),
        (["announce", "a\x1b[2J"], "at most 500 printable characters"),
        (["drain", "--end", "--reason", "x"], "--end needs no --reason"),
        (["show"], "the following arguments are required: HOST"),
        (["show", "http://"], "is no host name"),
        (["unblock"], "the following arguments are required"),
        (["ls", "a"], "unrecognized argument 'a'"),
        (["annonce", "a"], "did you mean announce?"),
        (["top", "--onec"], "did you mean --once?"),
        (["links", "--list", "--revoke"], "either --list or --revoke"),
        (["links", "--user", "eve"], "--user needs --revoke"),
    ],
)
def test_what_means_nothing(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    try:
        status = main([*words, "-r", str(tmp_path)])
    except SystemExit as end:
        status = int(str(end.code))
    assert status == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["lab-alice.example.org", "LAB-alice.example.org:8443", "https://lab-alice.example.org:8443/tree?a=b"]
)
def test_a_host_as_it_is_copied(text: str) -> None:
    assert parse_host(text) == "lab-alice.example.org"


def test_users_and_networks() -> None:
    assert parse_target("192.0.2.7", must_exist=True) == (Blocked.NETWORK, "192.0.2.7/32")
    assert parse_target("2001:DB8::/32", must_exist=True) == (Blocked.NETWORK, "2001:db8::/32")
    own = pwd.getpwuid(os.geteuid()).pw_name
    assert parse_target(own, must_exist=True) == (Blocked.USER, own)
    # Who is gone from the host can still be unblocked.
    assert parse_target("no-such-user-here", must_exist=False) == (Blocked.USER, "no-such-user-here")
    with pytest.raises(ConfigError):
        parse_target("no-such-user-here", must_exist=True)


async def test_each_command_with_a_server_and_for_programs(runtime_dir: Path) -> None:
    program = server_command(runtime_dir)[0]

    async def run(*words: str, status: int = 0) -> str:
        done = await run_program([program, *words, "-r", runtime_dir])
        assert done.process.returncode == status, done.err.text
        return done.out.text if not status else done.err.text

    async with open_server(runtime_dir):
        assert await run("ls") == "There are no sessions.\n"
        assert await run("ls", "--json") == ""
        assert await run("block") == "Nobody is blocked.\n"
        assert "192.0.2.0/24 is blocked until it is unblocked" in await run("block", "192.0.2.0/24")
        assert '"network": "192.0.2.0/24"' in await run("block", "--json")
        assert await run("unblock", "192.0.2.0/24") == "192.0.2.0/24 is blocked no longer.\n"
        assert "is not blocked" in await run("unblock", "192.0.2.0/24", status=1)
        assert await run("announce", "Down at noon") == "It is announced.\n"
        assert "Down at noon" in await run("announce")
        assert await run("announce", "--clear") == "Nothing is announced any more.\n"
        assert "No new sessions are taken" in await run("drain")
        assert await run("drain", "--end") == "New sessions are taken again.\n"
        assert await run("end", "--all") == "There was no session to end.\n"
        assert "no session has the host name 'a'" in await run("show", "a", status=1)
        assert "(strangers)" in await run("top", "--once")
        assert '"users": [' in await run("top", "--once", "--json")
    assert "no server runs on" in await run("ls", status=1)


async def test_links_to_the_dashboard(runtime_dir: Path) -> None:
    program = server_command(runtime_dir)[0]

    async def run(*words: str, status: int = 0) -> str:
        done = await run_program([program, "links", *words, "-r", runtime_dir])
        assert done.process.returncode == status, done.err.text
        return done.out.text if not status else done.err.text

    async with open_server(runtime_dir):
        assert "this server has no dashboard; set admin_host" in await run(status=1)
    async with open_server(runtime_dir, "--admin-host", "Admin.localhost:8443"):
        assert await run("--list") == "There are no links to the dashboard, and nobody was let in.\n"
        link = (await run()).removesuffix("\n")
        assert re.fullmatch(r"http://admin\.localhost:8443/_conductor/auth/[-\w]{43}", link)
        made = json.loads(await run("--json"))
        assert set(made) == {"link", "until"} and made["link"] != link
        assert (await run("--list")).count("link, not used") == 2
        assert json.loads((await run("--list", "--json")).splitlines()[0])["kind"] == "link"
        assert await run("--revoke", "--user", "nobody") == "Revoked: 0 links, 0 browsers that had been let in.\n"
        assert json.loads(await run("--revoke", "--json")) == {"links": 2, "entries": 0}
