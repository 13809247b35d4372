"""What a server tells when it begins to serve."""

from __future__ import annotations

from pathlib import Path

from conductor_trio.configuration.configured import configure
from conductor_trio.configuration.toml_table import parse_table
from conductor_trio.server.cli.settings_table import SECTIONS
from conductor_trio.server.operation.announcement import format_status
from conductor_trio.server.operation.succession import Succession
from tests.support.programs import open_server


def test_the_status_names_the_file_and_what_needs_a_restart_in_one_line() -> None:
    said = configure(SECTIONS, parse_table("", file="/etc/x\n.toml"))
    succession = Succession()
    assert format_status(configure(SECTIONS, None), succession) == "STATUS=Serving by the command line alone"
    succession.note("runtime_dir needs a restart")
    assert format_status(said, succession) == "STATUS=Serving by /etc/x\\n.toml; runtime_dir needs a restart"


async def test_a_file_that_others_could_replace_is_warned_of(short_tmp: Path, runtime_dir: Path) -> None:
    (place := short_tmp / "open").mkdir()
    place.chmod(0o777)
    (file := place / "server.toml").write_text("grace = 1\n")
    async with open_server(runtime_dir, "--config", file) as server:
        entry = await server.program.wait_logged("open_to_others")
        assert (entry["path"], entry["directory"]) == (str(file), str(place))
        assert (await server.program.wait_logged("listening"))["configuration"] == str(file)
