"""``conductor-trio-server``: which command it is, and what becomes of the process."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Sequence

from conductor_trio import exit_status
from conductor_trio.commandline.output import fill_standard_descriptors, write_output
from conductor_trio.commandline.parser import Invocation, parse
from conductor_trio.commandline.standard import run_standard
from conductor_trio.configuration.configured import Configuration
from conductor_trio.errors import ConductorError, ConfigError
from conductor_trio.findings import Status, format_finding
from conductor_trio.interpreter import tell_collector, tune_collector
from conductor_trio.printable import escape
from conductor_trio.server.cli.admin_table import ADMIN_COMMANDS
from conductor_trio.server.cli.arguments import keep_lasting, make_settings, read_configuration
from conductor_trio.server.cli.table import CHECK, CONFIG, PROGRAM, RELOAD, SERVE, SERVER
from conductor_trio.server.operation.succession import Succession
from conductor_trio.server.settings import ServerSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server; returns the exit status: 0 ended as asked, 1 could not start, 2 wrong usage."""
    fill_standard_descriptors()
    succession = Succession.find(os.environ)
    try:
        return _run(parse(SERVER, sys.argv[1:] if argv is None else argv), succession)
    except ConductorError as error:
        with contextlib.suppress(AttributeError, OSError):  # where there is no standard error
            sys.stderr.write(f"{PROGRAM}: {escape(str(error))}\n")
        status = exit_status.WRONG_USAGE if isinstance(error, ConfigError) else exit_status.FAILED
        succession.fail(str(error), status)
        return status
    except BrokenPipeError:
        return exit_status.FAILED
    except KeyboardInterrupt:  # before the signals were ours
        return exit_status.OK


def _run(invocation: Invocation, succession: Succession) -> int:
    text = run_standard(SERVER, invocation)
    if text is not None:
        write_output(text)
        return exit_status.OK
    options = vars(invocation.given)
    if invocation.command in ADMIN_COMMANDS:
        # Imported only now: the server itself needs none of it, nor of the two that follow.
        from conductor_trio.server.cli.admin_commands import run_admin_command

        return run_admin_command(invocation)
    if invocation.command is RELOAD:
        from conductor_trio.server.cli.reload_command import reload

        return reload(options)
    said = read_configuration(options)
    if invocation.command is CONFIG:
        from conductor_trio.server.cli.config_command import show_configuration

        return show_configuration(said, as_json=options["json"])
    if invocation.command is CHECK or options["check"]:
        return _check(make_settings(said, take_over=options["take_over"]), said.file)
    assert invocation.command is SERVE
    tell_collector(os.environ)
    return _serve(said, succession, take_over=options["take_over"])


def _serve(said: Configuration, succession: Succession, *, take_over: bool) -> int:
    # Imported only now, where Ctrl-C is ours to handle: it takes a quarter of a second.
    from conductor_trio import log
    from conductor_trio.server.app import run_server
    from conductor_trio.server.lifecycle.paced_clock import run_paced

    succession.begin(os.environ)
    _allow_many_files()
    tune_collector()
    said, notes = keep_lasting(said, succession.in_force)
    inherits = succession.inherits or bool(os.environ.get("LISTEN_FDS"))
    settings = make_settings(said, take_over=take_over, inherits=inherits)
    log.configure(verbose=settings.verbose)
    logger = log.get_logger()
    for note in notes:
        logger.warning("needs_restart", text=note)
        succession.note(note)
    run_paced(run_server, settings, logger, said, succession)
    return exit_status.OK


def _check(settings: ServerSettings, file: str | None) -> int:
    """Tell what is found on this host; 1 where something keeps the server from its work."""
    from conductor_trio.server.check.host import check_host

    has_failed = False
    for finding in check_host(settings, os.environ, file):
        has_failed |= finding.status is Status.FAILED
        write_output(format_finding(finding))
    return exit_status.FAILED if has_failed else exit_status.OK


def _allow_many_files() -> None:
    """Open as many files as we may: the usual soft limit, 1024, is for programs that use select()."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a sandbox forbids it, and has set the limit that it wants
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
