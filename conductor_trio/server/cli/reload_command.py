"""``conductor-trio-server reload``: has the running server apply its file, and tells what came of it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping

from conductor_trio import exit_status
from conductor_trio.commandline.output import write_output
from conductor_trio.errors import CommandRefused, ConfigError, StartError
from conductor_trio.printable import escape
from conductor_trio.server.admin.messages import Reload
from conductor_trio.server.cli.admin_client import NoServerError, ask_server
from conductor_trio.server.cli.arguments import guess_runtime_dir, read_configuration
from conductor_trio.server.cli.table import PROGRAM

#: What systemd tells commands of a service: its process (systemd.exec(5)).
_MAIN_PROCESS = "MAINPID"


def reload(options: Mapping[str, object]) -> int:
    """Ask the server, and return the exit status; raises `ConfigError` or `StartError` where it was not done.

    The server reads its own file by its own command line. Ours is only needed to find the server, so that one that
    is wrong does not keep it from saying so, too.
    """
    wrong: ConfigError | None = None
    try:
        runtime_dir = str(read_configuration(options).value("runtime_dir"))
    except ConfigError as error:
        runtime_dir, wrong = guess_runtime_dir(options), error
    try:
        notes = ask_server(runtime_dir, Reload()).fields.get("notes")
    except NoServerError as error:
        if _signal_main_process() and wrong is None:
            process = f"process {os.environ[_MAIN_PROCESS]}"
            raise StartError(
                f"{error.what}; {process} was told to reload, and its log says what came of it"
            ) from None
        raise (wrong or error) from None
    except CommandRefused as error:
        is_usage = error.exit == exit_status.WRONG_USAGE
        raise (ConfigError if is_usage else StartError)(f"nothing was changed: {error}") from None
    for note in notes if isinstance(notes, list) else ():
        sys.stderr.write(f"{PROGRAM}: {escape(str(note))}\n")
    write_output(f"The server that runs on {escape(runtime_dir)} has been reloaded.\n")
    return exit_status.OK


def _signal_main_process() -> bool:
    """Ask in the old way the process that systemd names; return whether there is one."""
    try:
        os.kill(int(os.environ.get(_MAIN_PROCESS, "")), signal.SIGHUP)
    except (ValueError, OSError):
        return False
    return True
