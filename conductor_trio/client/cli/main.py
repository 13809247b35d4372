"""``conductor-trio``: the sub-commands, the log, the exit status."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Sequence

from conductor_trio.client.cli.arguments import PROGRAM, parse_arguments
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.errors import ConfigError

_STDOUT = 1
_WRONG_USAGE = 2
_OWNERS_WORDS = ("ls", "stop", "share", "doctor")

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the client and return its exit status; wrong usage raises SystemExit(2), as argparse does."""
    _fill_standard_descriptors()
    words = sys.argv[1:] if argv is None else argv
    try:
        if not words or words[0] == "recipes":
            # Imported only now: most calls need no configuration.
            from conductor_trio.client.cli import recipes_command

            return recipes_command.explain() if not words else recipes_command.show_recipes(words[1:])
        if words[0] in _OWNERS_WORDS:
            from conductor_trio.client.cli import owner_commands

            return owner_commands.run_command(words[0], words[1:])
        settings = parse_arguments(words, is_terminal=os.isatty(_STDOUT))
    except ConfigError as error:
        with contextlib.suppress(AttributeError, OSError):  # where there is no standard error
            sys.stderr.write(f"{PROGRAM}: {error}\n")
        return _WRONG_USAGE
    return _run(settings)


def _run(settings: ClientSettings) -> int:
    _configure_log(verbose=settings.verbose)
    # Imported only now: `import trio` takes 80 ms, `--help` and wrong usage 50 ms without it.
    import trio

    from conductor_trio.client.run import run_client

    try:
        return trio.run(run_client, settings)
    except KeyboardInterrupt:  # before the signal watcher stood, so nothing had been started
        return 0
    except BaseExceptionGroup as group:
        _log_bug(group)
        return 1
    except Exception as error:
        _log_bug(error)
        return 1


def _fill_standard_descriptors() -> None:
    """Descriptors 0 to 2 are open, so that nothing that we open later becomes standard output by accident."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _configure_log(*, verbose: bool) -> None:
    # Standard error may be a pipe whose reader is gone; that must not reach the user as a traceback.
    logging.raiseExceptions = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s conductor-trio %(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])


def _log_bug(error: BaseException) -> None:
    with contextlib.suppress(OSError):
        _log.critical("this is a bug, please report it: %r", error)
        _log.debug("traceback", exc_info=error)
