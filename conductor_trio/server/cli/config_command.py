"""``conductor-trio-server config``: what is in force by the file, and at the running server."""

from __future__ import annotations

import json

import attrs

from conductor_trio import exit_status
from conductor_trio.commandline.output import write_output
from conductor_trio.configuration.configured import Configuration
from conductor_trio.configuration.report import (
    Row,
    describe,
    describe_rows,
    differing,
    format_rows,
    make_rows,
    read_rows,
)
from conductor_trio.configuration.toml_text import format_key
from conductor_trio.errors import ConductorError, ConfigError, RemoteProtocolError
from conductor_trio.printable import escape
from conductor_trio.server.admin.messages import ShowConfiguration
from conductor_trio.server.cli.admin_client import NoServerError, ask_server
from conductor_trio.server.cli.admin_table import DEFAULT_FILE
from conductor_trio.server.cli.arguments import make_settings, read_configuration
from conductor_trio.server.cli.table import PROGRAM


@attrs.frozen(kw_only=True)
class Running:
    """The server that runs, and what a reload would change: the rows of then and those of now."""

    pid: int
    file: str | None
    rows: list[Row]
    changes: list[tuple[Row | None, Row | None]]
    error: str | None = None  #: why it cannot be told what a reload would change: its file is wrong by now


def show_configuration(said: Configuration, *, as_json: bool) -> int:
    """Print what a server would use that is started now, and whether the running one does; returns the status."""
    make_settings(said)  # which raises what is wrong
    runtime_dir = str(said.value("runtime_dir"))
    running, reason = None, None
    try:
        running = _ask(runtime_dir, said)
    except NoServerError:
        reason = f"No server runs on {runtime_dir}."
    except ConductorError as error:
        reason = f"What the running server uses is not known: {error}"
    if as_json:
        write_output(json.dumps(_to_json(said, running, reason)) + "\n")
    else:
        write_output(escape(_to_text(said, running, reason), keep="\n"))
    return exit_status.OK


def _ask(runtime_dir: str, said: Configuration) -> Running:
    answer = ask_server(runtime_dir, ShowConfiguration())
    try:
        theirs = read_rows({"settings": answer.items})
    except ValueError as error:
        raise RemoteProtocolError(str(error)) from error
    pid, file = answer.fields.get("pid"), answer.fields.get("file")
    if not isinstance(pid, int) or not isinstance(file, str | None):
        raise RemoteProtocolError("the server's answer tells no process, or no file")
    running = Running(pid=pid, file=file, rows=theirs, changes=[])
    # What its own command line says stays so, whatever is in the file.
    fields = {path: given.setting.field for path, given in said.rows()}
    options = {fields[row.key]: row.value for row in theirs if row.origin.flag and row.key in fields}
    try:
        by_now = read_configuration({"config": None if file == DEFAULT_FILE else file, **options})
    except ConfigError as error:
        return attrs.evolve(running, error=str(error))
    return attrs.evolve(running, changes=list(differing(make_rows(by_now), theirs)))


def _to_text(said: Configuration, running: Running | None, reason: str | None) -> str:
    file = said.file or f"no file ({DEFAULT_FILE} is not there)"
    mine = make_rows(said)
    text = f"# What a server uses that is started now, by {file} and this command line:\n{format_rows(mine)}\n"
    if running is None:
        return f"{text}# {reason}\n"
    text += f"# The server that runs on {said.value('runtime_dir')}, process {running.pid}, "
    if not any(True for _ in differing(mine, running.rows)):
        text += "uses the same.\n"
    else:
        text += f"by {running.file or 'no file'} and its command line:\n"
        text += "".join(f"# {line}\n" for line in format_rows(running.rows).splitlines())
    if running.error is not None:
        return f"{text}# Its file is wrong by now, and a reload would change nothing: {running.error}\n"
    if running.changes:
        text += f"# Its file says something else by now. `{PROGRAM} reload` applies what needs no restart:\n"
        for now, then in running.changes:
            text += f"#   {_name(now, then)}: now {_told(now)}; in force {_told(then)}\n"
    return text


def _name(*rows: Row | None) -> str:
    return next(format_key(*row.key) for row in rows if row is not None)


def _told(row: Row | None) -> str:
    return "nothing" if row is None else row.told


def _to_json(said: Configuration, running: Running | None, reason: str | None) -> dict[str, object]:
    there: dict[str, object] | None = None
    if running is not None:
        there = {
            "pid": running.pid,
            **describe_rows(running.file, running.rows),
            "changes": [_name(*rows) for rows in running.changes],
            "error": running.error,
        }
    return {**describe(said), "running": there, "reason": reason}
