"""The cleanup process: a shell that cleans up behind a client that was killed with SIGKILL.

It waits at the end of a pipe that only the client holds. When the pipe closes without a last ``finish``, the
client is gone and can do nothing itself: the shell ends the application's group and the SSH connection, and
removes our temporary directories. (PR_SET_PDEATHSIG would not do: it fires when the *thread* that started the
child ends, and Trio starts children from worker threads.)
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
from collections.abc import AsyncIterator, Iterator

import trio

from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.process import end_process

_log = logging.getLogger(__name__)

# Each line names something to clean up, or, without a value, that it is gone: process ids are used again.
# $1 is the grace in tenths of a second. `kill -s NAME --` is the form that dash, bash and busybox share.
_SCRIPT = """\
trap '' INT TERM HUP
app= ssh= ssh_directory= app_directory= link_part= link_file=
while read -r what value; do
  case $what in
    app) app=$value ;;
    ssh) ssh=$value ;;
    ssh_directory) ssh_directory=$value ;;
    app_directory) app_directory=$value ;;
    link_part) link_part=$value ;;
    link_file) link_file=$value ;;
    remove) rm -rf -- "$value" ;;
    finish) exit 0 ;;
  esac
done
[ -z "$app" ] || kill -s TERM -- "-$app"
[ -z "$ssh" ] || kill -s TERM "$ssh"
[ -z "$ssh_directory" ] || rm -rf -- "$ssh_directory"
[ -z "$app_directory" ] || rm -rf -- "$app_directory"
[ -z "$link_part" ] || rm -f -- "$link_part"
[ -z "$link_file" ] || [ "$(stat -c %i -- "${link_file#* }")" != "${link_file%% *}" ] || rm -f -- "${link_file#* }"
[ -n "$app" ] || exit 0
tenths=0
while [ "$tenths" -lt "$1" ] && kill -s 0 -- "-$app"; do
  sleep 0.1
  tenths=$((tenths + 1))
done
kill -s KILL -- "-$app"
"""


class Cleanup:
    """Our end of the pipe to the cleanup process, which learns what to clean up if we are killed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @contextlib.contextmanager
    def covering(self, what: str, value: object) -> Iterator[None]:
        """Within, `value` is cleaned up when we are killed.

        `app` is a process group, `ssh` a process, `ssh_directory`, `app_directory` and `link_part` are paths.
        """
        self.note(what, value)
        try:
            yield
        finally:
            self.note(what, "")

    def note(self, what: str, value: object) -> None:
        """From now on `value` is cleaned up in the place of what stood under that name; nothing where it is empty.

        `link_file` is a file's number (inode) and its path: another file there is left alone.
        """
        self._write(f"{what} {value}".rstrip())

    def remove(self, path: str) -> None:
        """Have the cleanup process remove a directory, which takes descriptors that we may not have."""
        self._write(f"remove {path}")

    def finish(self) -> None:
        """Have the cleanup process end: nothing is left to clean up."""
        self._write("finish")

    def _write(self, line: str) -> None:
        try:
            os.write(self._descriptor, os.fsencode(line) + b"\n")
        except OSError as error:  # someone has killed it; we can do our work without
            _log.debug("the cleanup process is gone: %s", error)


@contextlib.asynccontextmanager
async def open_cleanup(limits: ClientLimits) -> AsyncIterator[Cleanup]:
    """Run the cleanup process; on leaving, whatever was to be cleaned up must be gone. Raises OSError."""
    reading_end, writing_end = os.pipe()  # neither is inherited, but the one that becomes its standard input
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, writing_end)
        with os.fdopen(reading_end, "rb") as pipe:
            process = await trio.lowlevel.open_process(
                ["/bin/sh", "-c", _SCRIPT, "conductor-trio-cleanup", str(round(limits.term_timeout * 10))],
                stdin=pipe,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",  # keeps no file system from being unmounted
                start_new_session=True,  # out of reach of a terminal's signals
            )
        os.set_blocking(writing_end, False)  # one that was stopped, or hangs, is as good as gone
        cleanup = Cleanup(writing_end)
        try:
            yield cleanup
        finally:
            cleanup.finish()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + limits.term_timeout):
                await process.wait()
            await end_process(process, term_timeout=0)  # noqa: ASYNC102
