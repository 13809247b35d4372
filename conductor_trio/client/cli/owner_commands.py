"""The owner's commands: ``ls``, ``stop``, ``share`` and ``doctor``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from conductor_trio import exit_status, interrupt
from conductor_trio.client.cli.table import DOCTOR, LS, PROGRAM, SETUP, SHARE, STOP
from conductor_trio.client.config.address import ServerAddress, check_local_socket
from conductor_trio.commandline.output import write_output
from conductor_trio.commandline.parser import Invocation
from conductor_trio.errors import ConductorError, ConfigError

if TYPE_CHECKING:
    from conductor_trio.client.batch.overview import Job
    from conductor_trio.client.session.listing import Session
    from conductor_trio.client.session.owner_client import OwnerClient

_T = TypeVar("_T")


def run_command(invocation: Invocation) -> int:
    """Carry an owner's command out and return the exit status; wrong usage raises `ConfigError`."""
    given = invocation.given
    if invocation.command in (STOP, SHARE):
        _order_words(given)
    logging.raiseExceptions = False
    logging.basicConfig(level=logging.DEBUG if given.verbose else logging.ERROR, format=f"{PROGRAM}: %(message)s")
    try:
        return _COMMANDS[invocation.command.name](given)
    except KeyboardInterrupt:
        return exit_status.INTERRUPTED
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        return exit_status.INTERRUPTED


def _order_words(given: argparse.Namespace) -> None:
    """Have KEY and SERVER be what was meant."""
    if given.server is None:
        return
    from conductor_trio.client.cli.word_order import order_key_and_server
    from conductor_trio.client.config.files import load_config

    given.key, given.server = order_key_and_server(given.key, given.server, load_config(os.environ).server)


def _list(given: argparse.Namespace) -> int:
    if given.keys:
        return _list_keys(_choose_server(given))
    from conductor_trio.client.session.listing import format_sessions

    sessions = list(_visit(_choose_server(given), lambda desk: desk.list_sessions()))
    jobs = {job.record.key: job for job in _ask_jobs()}
    known = {session.key for session in sessions}
    sessions += [_make_session(job) for key, job in jobs.items() if key not in known]
    if given.json:
        told = (_tell(session, jobs.get(session.key)) for session in sessions)
        write_output("".join(json.dumps(one) + "\n" for one in told))
    else:
        details = {key: job.description for key, job in jobs.items()}
        write_output(format_sessions(sessions, time.time(), details))
    return exit_status.OK


def _list_keys(server: ServerAddress) -> int:
    """Tell a shell that completes a command which sessions there are: soon, and without a question."""
    import trio

    from conductor_trio.client.batch.records import is_key
    from conductor_trio.client.session.listing import format_keys
    from conductor_trio.client.session.owner_client import open_owner_client
    from conductor_trio.limits.client import ClientLimits

    limits = ClientLimits()

    async def ask() -> list[Session]:
        with trio.move_on_after(limits.completion_timeout):
            return list(await open_owner_client(server, lambda desk: desk.list_sessions(), limits, may_ask=False))
        return []

    sessions = interrupt.raise_within(lambda: trio.run(ask))
    known = {session.key for session in sessions}
    sessions += [_make_session(job) for job in _ask_jobs() if job.record.key not in known]
    # A shell puts them into the line that is typed, so that a gateway had better not choose what they hold.
    write_output(format_keys([session for session in sessions if is_key(session.key)]))
    return exit_status.OK


def _tell(session: Session, job: Job | None) -> dict[str, object]:
    """Return what programs are told: what the gateway has said, the address, and the job that we know."""
    from conductor_trio.client.session.listing import format_url

    address = {"url": format_url(session.urls[0]) if session.urls else None}
    return {**session.raw, **address, **({} if job is None else {"job": job.told})}


def _make_session(job: Job) -> Session:
    """Return the session that a job is going to have."""
    from conductor_trio.client.session.listing import Session

    record, state = job.record, job.session_state
    raw: dict[str, object] = {"key": record.key, "urls": [], "state": state, "since": record.submitted}
    return Session(
        key=record.key,
        urls=(),
        state=state,
        since=record.submitted,
        node="" if job.state is None else job.state.node,
        application="",
        command=" ".join(record.command),
        until=None,
        idle_until=None,
        visitors=None,
        traffic=None,
        shares=(),
        raw=raw,
    )


def _jobs_directory() -> str | None:
    """Return where there are records of jobs; None where there are none."""
    from conductor_trio.client.config.files import load_config
    from conductor_trio.client.config.submit import jobs_directory

    directory = jobs_directory(load_config(os.environ).submit, os.environ)
    return directory if os.path.isdir(directory) else None


def _ask_jobs() -> list[Job]:
    directory = _jobs_directory()
    if directory is None:
        return []
    import trio

    from conductor_trio.client.batch.overview import ask_jobs

    return interrupt.raise_within(lambda: trio.run(ask_jobs, directory))


def _dequeue(key: str) -> bool:
    """Whether that key was a job's that waited, and does so no longer."""
    directory = _jobs_directory()
    if directory is None:
        return False
    import trio

    from conductor_trio.client.batch.overview import dequeue

    return interrupt.raise_within(lambda: trio.run(dequeue, directory, key.lower()))


def _stop(given: argparse.Namespace) -> int:
    if not _dequeue(given.key):
        _visit(_choose_server(given), lambda desk: desk.stop(given.key))
    write_output(
        json.dumps({"key": given.key, "state": "ended"}) + "\n" if given.json else f"{given.key} has ended.\n"
    )
    return exit_status.OK


def _share(given: argparse.Namespace) -> int:
    is_new = not given.list and given.revoke is None
    if (given.list and given.revoke is not None) or (
        not is_new and (given.seconds is not None or given.label is not None or given.once or given.grantees)
    ):
        raise ConfigError("--list and --revoke stand alone: --with, --for, --label and --once are for a new share")
    if given.grantees and given.once:
        raise ConfigError("--once is for a link: who is let in by --with gets in with any browser")
    server = _choose_server(given)
    if given.list:
        return _list_shares(given, server)
    if given.revoke is not None:
        return _revoke(given, server)
    return _share_with(given, server) if given.grantees else _make_share(given, server)


def _make_share(given: argparse.Namespace, server: ServerAddress) -> int:
    from conductor_trio.client.session.listing import describe_share

    made = _visit(
        server,
        lambda desk: desk.share(given.key, label=given.label or "", seconds=given.seconds, is_once=given.once),
    )
    if given.json:
        write_output(json.dumps({"link": made.link, **made.share.raw}) + "\n")
    else:
        # The link alone on standard output, for whoever pipes it on.
        sys.stderr.write(describe_share(made.share, given.key) + "\n")
        write_output(made.link + "\n")
    return exit_status.OK


def _share_with(given: argparse.Namespace, server: ServerAddress) -> int:
    from conductor_trio.client.session.listing import describe_share

    async def share_with_all(desk: OwnerClient) -> None:
        # Told one by one: those before the first that is refused are let in.
        link = ""
        for grantee in dict.fromkeys(given.grantees):
            made = await desk.share_with(given.key, grantee, label=given.label or "", seconds=given.seconds)
            if given.json:
                write_output(json.dumps({"link": made.link, **made.share.raw}) + "\n")
            else:
                sys.stderr.write(describe_share(made.share, given.key) + "\n")
            link = made.link
        if not given.json:
            write_output(link + "\n")

    _visit(server, share_with_all)
    return exit_status.OK


def _list_shares(given: argparse.Namespace, server: ServerAddress) -> int:
    from conductor_trio.client.session.listing import format_shares

    session = _visit(server, lambda desk: desk.find_session(given.key))
    if session is None:
        raise ConductorError(
            f"you have no session with the key {given.key!a}", advice=f"`{PROGRAM} ls` shows those you have"
        )
    if given.json:
        write_output("".join(json.dumps(share.raw) + "\n" for share in session.shares))
    else:
        write_output(format_shares(session.shares, time.time()))
    return exit_status.OK


def _revoke(given: argparse.Namespace, server: ServerAddress) -> int:
    _visit(server, lambda desk: desk.revoke(given.key, given.revoke))
    said = json.dumps({"key": given.key, "id": given.revoke, "state": "revoked"})
    write_output(said + "\n" if given.json else f"The share {given.revoke} of {given.key} is revoked.\n")
    return exit_status.OK


def _examine(given: argparse.Namespace) -> int:
    import trio

    from conductor_trio.client.doctor.examination import examine
    from conductor_trio.client.doctor.findings import format_finding_json
    from conductor_trio.findings import format_finding

    form = format_finding_json if given.json else format_finding
    local_socket = None if given.local_socket is None else check_local_socket(given.local_socket)
    server = _choose_server(given)
    is_well = interrupt.raise_within(
        lambda: trio.run(examine, server, local_socket, lambda finding: write_output(form(finding)))
    )
    return exit_status.OK if is_well else exit_status.FAILED


def _set_up(given: argparse.Namespace) -> int:
    import trio

    from conductor_trio.client.doctor.examination import examine
    from conductor_trio.client.setup.walk import set_up
    from conductor_trio.findings import Finding, format_finding

    def report(finding: Finding) -> None:
        write_output(format_finding(finding))

    server = interrupt.raise_within(lambda: set_up(given.server, os.environ, report, replace=given.replace))
    is_well = interrupt.raise_within(lambda: trio.run(examine, server, None, report))
    return exit_status.OK if is_well else exit_status.FAILED


_COMMANDS = {SETUP.name: _set_up, LS.name: _list, STOP.name: _stop, SHARE.name: _share, DOCTOR.name: _examine}


def _visit(server: ServerAddress, converse: Callable[[OwnerClient], Awaitable[_T]]) -> _T:
    # Imported only now: `--help` and wrong usage need no trio.
    import trio

    from conductor_trio.client.session.owner_client import open_owner_client

    return interrupt.raise_within(lambda: trio.run(open_owner_client, server, converse))


def _choose_server(given: argparse.Namespace) -> ServerAddress:
    # Imported only now: TOML and its checks take 10 ms.
    from conductor_trio.client.config.files import choose_server, load_config

    server = choose_server(given.server, load_config(os.environ))
    if server is None:
        raise ConfigError(
            "no SERVER: name the gateway at the end, or once and for all in "
            '~/.config/conductor-trio/config.toml: server = "gw.example.org"'
        )
    return server
