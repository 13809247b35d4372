"""``conductor-trio submit``: an application in a batch job, and the job followed."""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shlex
import shutil
import sys
import time
from functools import partial

import attrs
import trio

from conductor_trio import exit_status, interrupt
from conductor_trio.client.batch import records
from conductor_trio.client.batch.follow import follow
from conductor_trio.client.batch.records import Record
from conductor_trio.client.batch.request import JobRequest, Resources
from conductor_trio.client.batch.scheduler import SCHEDULERS, Scheduler, ask_state, find_scheduler, submit
from conductor_trio.client.batch.script import format_script, own_command
from conductor_trio.client.batch.state import JobState, Outcome, Phase
from conductor_trio.client.cli.arguments import read_settings
from conductor_trio.client.cli.table import CLIENT, PROGRAM
from conductor_trio.client.config.files import Config, load_config
from conductor_trio.client.config.submit import jobs_directory
from conductor_trio.commandline.output import write_output
from conductor_trio.commandline.parser import Invocation, parse
from conductor_trio.errors import ConfigError
from conductor_trio.limits.client import ClientLimits

_STDOUT = 1
_KEY_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # what is not taken for another
# Those of the client's options that the job's own client gets, with their values and without.
_WITH_VALUE = ("tcp", "idle", "busy")
_SWITCHES = ("replace", "no_recipe", "verbose")


def run_submit(invocation: Invocation) -> int:
    """Hand a job in and follow it, or one from before; return the exit status. Raises `ConductorError`."""
    given = invocation.given
    config = load_config(os.environ)
    jobs = os.path.abspath(given.directory or jobs_directory(config.submit, os.environ))
    if given.attach is not None:
        if invocation.tail:
            invocation.fail("--attach follows a job that was handed in before, and starts no COMMAND")
        record = _find_record(jobs, given.attach)
        return _follow(record, SCHEDULERS[record.scheduler], is_new=False)
    words, options = _split(invocation)
    plan = _make_plan(given, config, jobs, words, options)
    if given.dry_run:
        return _show(plan)
    record = interrupt.raise_within(lambda: trio.run(_hand_in, plan))
    if given.no_wait:
        text = (
            f"{plan.scheduler.title} job {record.job}, whose session is {record.key}; its link is going to be in\n"
        )
        write_output(f"{text}{record.link}\n")
        return exit_status.OK
    return _follow(record, plan.scheduler, is_new=True)


@attrs.frozen(kw_only=True)
class _Plan:
    """A job to be: what runs in it, where its files are going to be, and what it asks for."""

    scheduler: Scheduler
    jobs: str
    key: str
    token: str = attrs.field(repr=False)
    server: str
    resources: Resources
    command: tuple[str, ...]
    client: tuple[str, ...]

    @property
    def directory(self) -> str:
        return os.path.join(self.jobs, self.key)

    @property
    def request(self) -> JobRequest:
        return JobRequest(
            name=self.key,
            resources=self.resources,
            script=os.path.join(self.directory, "script"),
            log=os.path.join(self.directory, "log"),
            cwd=os.getcwd(),
        )

    @property
    def script(self) -> str:
        request = self.request
        token = os.path.join(self.directory, "token")
        return format_script(
            directory=self.directory, token=token, log=request.log, cwd=request.cwd, command=self.client
        )


def _split(invocation: Invocation) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the application's command, and the batch system's own options before a second ``--``."""
    tail = invocation.tail
    options: tuple[str, ...] = ()
    if tail and tail[0].startswith("-"):
        end = tail.index("--") if "--" in tail else len(tail)
        options, tail = tail[:end], tail[end + 1 :]
    if not tail:
        invocation.fail("the COMMAND that starts the application is missing; '--' stands before it")
    return tail, options


def _make_plan(
    given: argparse.Namespace, config: Config, jobs: str, words: tuple[str, ...], options: tuple[str, ...]
) -> _Plan:
    said = config.submit

    def choose(name: str) -> object:
        value = getattr(given, name)
        return said.get(name) if value is None else value

    server = given.server or config.server
    if server is None:
        raise ConfigError(
            "no SERVER: name the gateway before --, or once and for all in "
            '~/.config/conductor-trio/config.toml: server = "gw.example.org"'
        )
    scheduler = find_scheduler(choose("scheduler"))  # type: ignore[arg-type]
    key = given.key or config.key or _make_key(words[0])
    if not records.is_key(key):
        raise ConfigError(f"the key {key!r} is none", advice="a to z, 0 to 9 and hyphens make one")
    directory = os.path.join(jobs, key)
    arguments = ["--text", "--link-file", os.path.join(directory, "link"), "-k", key, *_format_options(given)]
    token_file = [] if given.token_file is None else ["--token-file", given.token_file]
    # Whatever is wrong with it is told now, not by the job in the night.
    settings = read_settings(parse(CLIENT, [*arguments, *token_file, server, "--", *words]), is_terminal=False)
    return _Plan(
        scheduler=scheduler,
        jobs=jobs,
        key=key,
        token=settings.token,
        server=server,
        resources=Resources(
            seconds=choose("time"),  # type: ignore[arg-type]
            gpus=choose("gpus"),  # type: ignore[arg-type]
            cpus=choose("cpus"),  # type: ignore[arg-type]
            memory=choose("memory"),  # type: ignore[arg-type]
            partition=choose("partition"),  # type: ignore[arg-type]
            account=choose("account"),  # type: ignore[arg-type]
            options=(*said.get("options", ()), *options),
        ),
        command=words,
        client=(
            *own_command(),
            *arguments,
            "--token-file",
            os.path.join(directory, "token"),
            server,
            "--",
            *words,
        ),
    )


def _format_options(given: argparse.Namespace) -> list[str]:
    """Return the client's own options among those given."""
    words = []
    for name in _WITH_VALUE:
        value = getattr(given, name)
        if value is False:
            words.append(f"--no-{name}")
        elif value is not None:
            words += [f"--{name}", f"{value:g}s" if name == "idle" else str(value)]
    if given.tcp_shared is not None:
        words.append("--tcp-shared" if given.tcp_shared else "--no-tcp-shared")
    return words + [f"--{name.replace('_', '-')}" for name in _SWITCHES if getattr(given, name)]


def _make_key(command: str) -> str:
    """Return a name that says what it is, and that nobody else has."""
    said = re.sub(r"[^a-z]", "", os.path.basename(command).lower())[:8]
    return said + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(4))


def _show(plan: _Plan) -> int:
    write_output(f"{shlex.join(plan.scheduler.format_submit(plan.request))}\n\n{plan.script}")
    return exit_status.OK


async def _hand_in(plan: _Plan) -> Record:
    """Write the job's files, and hand it in; raises `ConductorError`, and leaves no file then."""
    former = records.load(plan.jobs, plan.key)
    if former is not None and former.ended is None:
        state = await ask_state(SCHEDULERS[former.scheduler], former.job)
        if state is not None and state.phase is not Phase.ENDED:
            raise ConfigError(
                f"{plan.key} is the session of the job {former.job}, which is {state.phase.value}",
                advice=f"`{PROGRAM} submit --attach {plan.key}` follows it; or choose another key by -k",
            )
    records.forget_old(plan.jobs)
    directory = records.make_directory(plan.jobs, plan.key)
    try:
        records.write_private(os.path.join(directory, "token"), f"{plan.token}\n")
        records.write_private(plan.request.script, plan.script)
        records.write_private(plan.request.log, "")  # so that it is nobody else's to read, whoever writes it
        job = await submit(plan.scheduler, plan.request)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    record = Record(
        directory=directory,
        key=plan.key,
        scheduler=plan.scheduler.name,
        job=job,
        server=plan.server,
        command=plan.command,
        submitted=time.time(),
    )
    records.save(record)
    return record


def _find_record(jobs: str, key: str) -> Record:
    record = records.load(jobs, key.lower())
    if record is None or record.scheduler not in SCHEDULERS:
        known = ", ".join(one.key for one in records.load_all(jobs) if one.ended is None)
        raise ConfigError(
            f"there is no job of yours whose session is {key!a}",
            advice=f"there are {known}" if known else f"`{PROGRAM} ls` shows your sessions",
        )
    return record


def _follow(record: Record, scheduler: Scheduler, *, is_new: bool) -> int:
    """Show the job until it has ended; Ctrl-C ends that, and not the job."""
    try:
        state = interrupt.raise_within(
            lambda: trio.run(partial(follow, record, scheduler, _STDOUT, ClientLimits(), is_new=is_new))
        )
    except* KeyboardInterrupt:
        state = None
    if state is not None:
        return _read_status(state)
    cancel = shlex.join(scheduler.format_cancel(record.job))
    sys.stderr.write(
        f"\n{scheduler.title} job {record.job} goes on. `{cancel}` ends it, `{PROGRAM} stop {record.key}` "
        f"its session; `{PROGRAM} submit --attach {record.key}` shows it again.\n"
    )
    return exit_status.INTERRUPTED


def _read_status(state: JobState) -> int:
    if state.outcome in (Outcome.WELL, Outcome.CANCELLED, Outcome.UNKNOWN):
        return exit_status.OK
    return state.status or exit_status.FAILED
