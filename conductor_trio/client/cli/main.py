"""``conductor-trio``: which command it is, the log, the exit status."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from conductor_trio import exit_status, interrupt
from conductor_trio.client.cli.table import CLIENT, PROGRAM, RECIPES, RUN, START, SUBMIT
from conductor_trio.client.config.visitor_token import TOKEN_VARIABLE
from conductor_trio.commandline.output import fill_standard_descriptors, write_output
from conductor_trio.commandline.parser import Invocation, parse, suggest_command
from conductor_trio.commandline.standard import run_standard
from conductor_trio.errors import ConductorError, ConfigError
from conductor_trio.interpreter import can_run_client, describe_interpreter, importing
from conductor_trio.line_writer import LineWriter
from conductor_trio.printable import escape

if TYPE_CHECKING:
    from conductor_trio.client.config.settings import ClientSettings

_STDOUT, _STDERR = 1, 2

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the client and return its exit status; wrong usage raises SystemExit(2), as argparse does."""
    fill_standard_descriptors()
    words = sys.argv[1:] if argv is None else argv
    try:
        # Imported only where they are needed: `--help` needs no configuration, and most commands no recipes.
        if not words:
            from conductor_trio.client.cli.recipes_command import explain

            return explain()
        invocation = parse(CLIENT, words)
        if invocation.command in (START, RUN):
            _require_interpreter()
            return _start(invocation)
        if invocation.command is SUBMIT:
            _require_interpreter()
            return _submit(invocation)
        if invocation.command is RECIPES:
            from conductor_trio.client.cli.recipes_command import show_recipes

            return show_recipes(invocation.given.name)
        text = run_standard(CLIENT, invocation)
        if text is not None:
            write_output(text)
            return exit_status.OK
        from conductor_trio.client.cli.owner_commands import run_command
        from conductor_trio.client.host.secrecy import hide_process

        _require_interpreter()
        os.environ.pop(TOKEN_VARIABLE, None)  # which ssh has no business with
        hide_process()  # `share` makes another token
        return run_command(invocation)
    except ConductorError as error:
        with contextlib.suppress(AttributeError, OSError):  # where there is no standard error
            sys.stderr.write(f"{PROGRAM}: {escape(str(error))}\n")
        return exit_status.WRONG_USAGE if isinstance(error, ConfigError) else exit_status.FAILED
    except BrokenPipeError:
        return exit_status.FAILED


def _require_interpreter() -> None:
    if not can_run_client():
        raise ConductorError(
            f"the client does not run on {describe_interpreter()}, only the server does: install it with CPython"
        )


def _submit(invocation: Invocation) -> int:
    """Hand a batch job in; its token is nobody's business."""
    from conductor_trio.client.cli.submit_command import run_submit
    from conductor_trio.client.host.secrecy import hide_process

    hide_process()
    return run_submit(invocation)


def _start(invocation: Invocation) -> int:
    """Start an application, and return the exit status at its end."""
    from conductor_trio.client.cli.arguments import read_settings
    from conductor_trio.client.host.secrecy import hide_process

    settings = read_settings(invocation, is_terminal=os.isatty(_STDOUT))
    hide_process()  # the kernel shows the environment with which we were started, and the token was in it
    _configure_log(verbose=settings.verbose)
    if not settings.has_display:
        for option in ("qr", "open"):
            if getattr(invocation.given, option):
                _log.warning("--%s does nothing, because standard output is no terminal", option)
    status = _run(settings)
    if status == exit_status.NOT_FOUND and settings.local_socket is not None:
        # Three words, such as `sahre lab gw`, have the contract's form; the last has turned out to be no program.
        mistaken = suggest_command(CLIENT, invocation.given.server)
        if mistaken is not None:
            _log.error("%s", mistaken)
    return status


def _run(settings: ClientSettings) -> int:
    # Imported only now: `import trio` takes 80 ms, `--help` and wrong usage 50 ms without it.
    with importing():
        import trio

        from conductor_trio.client.run import run_client

    try:
        status = trio.run(run_client, settings)
    except KeyboardInterrupt:  # before the signal watcher stood, so nothing had been started
        return exit_status.OK
    except BaseExceptionGroup as group:
        _log_bug(group)
        return exit_status.FAILED
    except Exception as error:
        _log_bug(error)
        return exit_status.FAILED
    interrupt.change_status(status)
    return status


class _LineFormatter(logging.Formatter):
    """Makes one line of a message, whatever a peer's words in it are."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = escape(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return escape(super().formatException(ei), keep="\n")


def _configure_log(*, verbose: bool) -> None:
    logging.raiseExceptions = False
    writer = LineWriter(_STDERR, "conductor-trio WARNING: {} lines of the log lost\n".format)
    atexit.register(writer.close)
    handler = logging.StreamHandler(writer)
    handler.setFormatter(_LineFormatter("%(asctime)s conductor-trio %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])


def _log_bug(error: BaseException) -> None:
    with contextlib.suppress(OSError):
        _log.critical("this is a bug, please report it: %r", error)
        _log.debug("traceback", exc_info=error)
