"""The OpenSSH transport: the user's own ``ssh``, with all that is configured for it, as a private control master.

One connection carries everything: the control channel (``-L``), the relay socket (``-O forward -R``), every
visitor, and the command that sets the relay socket's mode, where sshd has not made it so. `LocalCommand` says when
it stands: ssh runs it after the login, when its control socket and its forwards already listen (ssh_session2 in
ssh.c).
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager

import trio

from conductor_trio.client.config.address import format_place
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.client.host.cleanup import Cleanup
from conductor_trio.client.host.temp_directory import open_directory
from conductor_trio.client.output.events import LoginShell
from conductor_trio.client.output.reporter import Reporter
from conductor_trio.client.transport.base import Transport
from conductor_trio.client.transport.doorway import Expectation
from conductor_trio.client.transport.local_shell import find_shell
from conductor_trio.client.transport.login_shell import Result, run_in_login_shell
from conductor_trio.client.transport.relay_target import RelayTarget, open_relay_target
from conductor_trio.client.transport.ssh_command import (
    UP,
    escape_forward_path,
    format_log_path,
    format_master_command,
)
from conductor_trio.client.transport.ssh_errors import explain_channel_refused, find_reason, is_channel_refused
from conductor_trio.client.transport.ssh_log import SshLog
from conductor_trio.client.transport.ssh_mux import SshMux
from conductor_trio.errors import ConductorError, RegistrationRefused, TransportError, UpstreamUnavailable
from conductor_trio.grace import open_grace
from conductor_trio.net.process import end_process, open_pipe
from conductor_trio.net.stream import SocketStream

_log = logging.getLogger(__name__)

# ssh stays in the terminal's foreground group, so that it can prompt there; but Ctrl-C is for us to act on.
_IGNORING_SIGINT = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "conductor-trio"]

# sshd makes the relay socket 0600 unless its StreamLocalBindMask says otherwise; the contract wants 0660.
_OPEN_TO_SERVER = 'case "$(ls -ld "$p")" in srw-rw----*) echo open;; *) chmod 660 "$p";; esac'
_IS_SOCKET = '[ -S "$p" ]'
_REMOVE = 'rm -f "$p"'


class SshTransport(Transport):
    """The transport to a server on another host; ends when ssh, the control master, does."""

    def __init__(
        self,
        settings: ClientSettings,
        mux: SshMux,
        process: trio.Process,
        log: SshLog,
        nursery: trio.Nursery,
        reporter: Reporter,
        target: RelayTarget,
    ) -> None:
        assert settings.server.host is not None  # otherwise the local transport is meant
        self._host = settings.server.host
        self._address = settings.server
        self._limits = settings.limits
        self._mux = mux
        self._process = process
        self._ssh_log = log
        self._nursery = nursery
        self._target = target
        self._reporter = reporter
        self._mode_failure = ""  # why the last relay socket could not be made 0660; nothing where it could
        self._needs_shell = True  # as sshd makes relay sockets that the server cannot use, for all we know

    async def watch(self) -> None:
        """Wait until ssh ends, and raise `TransportError` with the reason."""
        await self._process.wait()
        raise self._explain_end(TransportError("ssh ended"))

    async def wait_up(self, stdout: int) -> None:
        """Wait until the login is done and everything listens. The user may be typing a password meanwhile."""
        said = b""
        with trio.move_on_after(self._limits.login_timeout):
            while UP not in said:
                await trio.lowlevel.wait_readable(stdout)
                chunk = os.read(stdout, 4096)
                if not chunk:
                    await trio.sleep_forever()  # ssh is ending, and `watch` tells why
                said = (said + chunk)[-4096:]
            self._mux.hold()
            return
        raise TransportError(f"no SSH login at {self._place} within {self._limits.login_timeout:g} s")

    async def connect_control(self) -> SocketStream:
        """Connect to the server's control socket through SSH; whether it is there shows when it greets."""
        try:
            return await self._mux.connect()
        except UpstreamUnavailable as error:
            raise TransportError(f"ssh does not forward to the control socket: {error}") from error

    @contextlib.asynccontextmanager
    async def open_relay(self, path: str) -> AsyncIterator[None]:
        """Within, connections to `path` over there go to the application; raises `TransportError`."""
        self._target.stand_in()
        if said := await self._change_forward("forward", path):
            raise TransportError(
                f"the SSH server of {self._place} does not listen for us in the session's directory",
                advice=f"AllowStreamLocalForwarding must be yes in its sshd_config ({said})",
            )
        try:
            yield
        finally:
            # Nobody waits for it: the next relay may be wanted meanwhile, and the end of ssh ends it, too.
            self._nursery.start_soon(self._stop_listening, path, name="ssh: cancel a forward")

    async def admit_server(self, path: str) -> None:
        """Make the relay socket of the mode that the server wants; a failure is told with what comes of it."""
        self._mode_failure = ""
        if not self._needs_shell:
            return
        self._reporter.send(LoginShell(is_running=True))
        result = await self._run_script(_OPEN_TO_SERVER, path)
        self._reporter.send(LoginShell(is_running=False))
        if result.failure is None:
            self._needs_shell = result.output != "open"  # sshd makes the next one as it made this one
            return
        # sshd may have made it so already; otherwise the server will refuse the registration.
        self._mode_failure = (
            f" (`chmod 660` of the relay socket failed at {self._place}: {result.failure}; "
            "StreamLocalBindMask 0117 in its sshd_config makes that unnecessary)"
        )
        _log.debug("going on%s", self._mode_failure)

    def expecting(self, nonce: bytes) -> AbstractContextManager[Expectation]:
        """Within, a connection that says the nonce goes no further; raises `TransportError`."""
        return self._target.expecting(nonce)

    async def finish(self, hurry: trio.Event) -> None:
        """Have ssh end by itself once all that goes through it has ended, with what was under way."""
        async with open_grace(self._limits.ended_session_timeout, hurry):
            self._target.finish()
            # That is what it does without a shell of its own, and when it has been told to take no more commands.
            await self._mux.run(["-O", "stop", "--", self._host])
            await self._process.wait()

    async def explain(self, error: ConductorError, *, thorough: bool) -> ConductorError:
        """Return the error that tells the user most about a failure, given what ssh said."""
        if isinstance(error, RegistrationRefused):
            return self._explain_refusal(error)
        if not isinstance(error, TransportError):
            return error
        if self.was_refused:
            there = await self._is_socket(self._address.path) if thorough else None
            return explain_channel_refused(place=self._place, path=self._address.path, is_socket=there)
        with trio.move_on_after(self._limits.ssh_last_words_timeout):
            await self._process.wait()
            await trio.sleep_forever()  # `watch` tells why it has ended
        return self._explain_end(error)

    @property
    def was_refused(self) -> bool:
        """Whether the SSH server has not connected us to where we asked it to."""
        self._ssh_log.read_available()
        return is_channel_refused(self._ssh_log.own_lines) and self._process.poll() is None

    async def finds_control_socket(self) -> bool:
        """Whether there is a control socket over there, as far as the user may see."""
        return await self._is_socket(self._address.path)

    async def may_listen(self) -> bool:
        """Whether the SSH server listens at a path for us; tried out at one that is nobody's."""
        path = f"/tmp/conductor-trio-{secrets.token_hex(8)}"  # noqa: S108
        if await self._change_forward("forward", path):
            return False
        await self._stop_listening(path)
        await self._run_script(_REMOVE, path)
        return True

    def _explain_refusal(self, error: RegistrationRefused) -> RegistrationRefused:
        """Return the server's refusal, with the reason why the relay socket's mode may be wrong, if it may."""
        self._needs_shell = True  # sshd may have been told otherwise meanwhile
        if error.advice is None:
            return RegistrationRefused(error.what + self._mode_failure, hop=error.hop)
        return RegistrationRefused(error.what, advice=error.advice + self._mode_failure, hop=error.hop)

    def _explain_end(self, error: TransportError) -> TransportError:
        """Return why ssh has ended, or `error` if it has not."""
        self._ssh_log.read_available()
        if known := find_reason(self._ssh_log.own_lines, place=self._place):
            return known
        if (status := self._process.poll()) is not None:
            said = "; ".join(list(self._ssh_log.lines)[-3:]) or "it said nothing"
            return TransportError(f"ssh to {self._place} ended with status {status}: {said}", hop="ssh")
        return error

    def forget_warnings(self) -> None:
        """Forget what ssh has said so far, which explains no later failure."""
        self._ssh_log.read_available()
        self._ssh_log.forget()

    def note_success(self) -> None:
        """Take note that the server has taken the relay socket as it is."""
        self._target.lead_on()
        if self._mode_failure:  # so sshd made it as it should be
            self._needs_shell = False
        self.forget_warnings()

    @property
    def _place(self) -> str:
        return format_place(self._address)

    async def _change_forward(self, command: str, path: str) -> str | None:
        """`forward`: the SSH server listens at the path on behalf of the application; `cancel`: no longer.

        Returns what went wrong, or None.
        """
        forward = ["-O", command, "-R", f"{escape_forward_path(path)}:{self._target.link}", "--", self._host]
        status, said = await self._mux.run(forward)
        return None if status == 0 else (said or f"exit status {status}")

    async def _stop_listening(self, path: str) -> None:
        if said := await self._change_forward("cancel", path):
            _log.debug("a forward that is no longer wanted stays: %s", said)

    async def _is_socket(self, path: str) -> bool:
        """Whether a socket of that name is over there, as far as the user may see."""
        return (await self._run_script(_IS_SOCKET, path)).failure is None

    async def _run_script(self, script: str, path: str) -> Result:
        return await run_in_login_shell(self._mux.command(), self._host, script, path, self._limits)


@contextlib.asynccontextmanager
async def open_ssh(
    settings: ClientSettings, application: ApplicationSocket, cleanup: Cleanup, reporter: Reporter
) -> AsyncIterator[SshTransport]:
    """Log in and give the transport; on leaving, ssh and its directory are gone. Raises `TransportError`."""
    if shutil.which("ssh") is None:
        raise TransportError("there is no ssh on your PATH", advice="install the OpenSSH client")
    async with contextlib.AsyncExitStack() as stack:
        directory = stack.enter_context(open_directory(cleanup, "ssh_directory"))
        command = format_master_command(
            settings.server, settings.limits, directory.path, may_ask=settings.may_ask and _has_terminal()
        )
        # The path of the local socket may be too long or too odd for a forward; that of a link to it is not.
        target = await stack.enter_async_context(open_relay_target(directory, application, settings.limits))
        mux = stack.enter_context(contextlib.closing(SshMux(directory.path, settings.limits)))
        stdout, stdout_end = stack.enter_context(open_pipe())
        stderr, stderr_end = stack.enter_context(open_pipe())
        own_log = stack.enter_context(_open_own_log(directory.path))
        shell = await find_shell(settings.limits)
        with os.fdopen(stdout_end, "wb") as out, os.fdopen(stderr_end, "wb") as err:
            process = await trio.lowlevel.open_process(
                [*_IGNORING_SIGINT, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, "SHELL": shell},
                cwd=_usable_directory(),
            )
        stack.enter_context(cleanup.covering("ssh", process.pid))
        log = SshLog(stderr, reporter, settings.limits, own_log=own_log)
        try:
            async with trio.open_nursery() as nursery:
                transport = SshTransport(settings, mux, process, log, nursery, reporter, target)
                nursery.start_soon(log.run, name="ssh: standard error")
                nursery.start_soon(transport.watch, name="ssh: end of the process")
                nursery.start_soon(target.run, name="ssh: where the relay leads")
                await transport.wait_up(stdout)
                yield transport
                nursery.cancel_scope.cancel()
        finally:
            await end_process(process, term_timeout=settings.limits.ssh_term_timeout)  # noqa: ASYNC102


@contextlib.contextmanager
def _open_own_log(directory: str) -> Iterator[int]:
    """Give the reading end of the named pipe for ssh's own log."""
    path = format_log_path(directory)
    os.mkfifo(path, 0o600)
    # For writing, too: otherwise it would have ended before ssh opens it (fifo(7)).
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _usable_directory() -> str | None:
    """Return where ssh is to run: where we do, as its configuration may mean that, unless it is gone."""
    try:
        os.getcwd()
    except OSError:
        return "/"
    return None


def _has_terminal() -> bool:
    """Whether ssh can ask someone for a password."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
