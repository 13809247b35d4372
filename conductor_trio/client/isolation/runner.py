"""The program that the client runs instead of one that knows only TCP ports: that one, and a relay to its port.

::

    python -m conductor_trio.client.isolation.runner private|shared PORT LOCAL_SOCKET COMMAND [ARG]…

It looks like the application to whoever starts it: standard streams, group, signals and exit status are the
application's. `private` is a network namespace of its own; `shared` is the host's localhost. LOCAL_SOCKET
appears once the application listens on its port, and only its owner may open it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from collections.abc import Iterator, Sequence

from conductor_trio import exit_status
from conductor_trio.client.host.spawn import spawn
from conductor_trio.client.isolation.namespace import enter_namespace
from conductor_trio.client.isolation.uplink import Uplink, open_uplink
from conductor_trio.errors import ApplicationError, ConductorError, StartError, first_of
from conductor_trio.limits.client import ClientLimits

PRIVATE = "private"
SHARED = "shared"

_ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
# What is passed on to the application, unless it got it itself.
_PASSED_ON = _ENDING | {signal.SIGUSR1, signal.SIGUSR2}
_AWAITED = _PASSED_ON | {signal.SIGCHLD}


def main(argv: Sequence[str]) -> int:
    """Run it all and return the application's exit status; does not return where a signal ended that."""
    mode, port, local_socket, *command = argv
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    try:
        with _open_network(mode) as uplink:
            application = _start(command)
            status = _relay(application, int(port), local_socket, mode, uplink)
    except ConductorError as error:
        _say(str(error))
        return error.status if isinstance(error, ApplicationError) else exit_status.RUNNER_FAILED
    except Exception as error:
        _say(f"this is a bug, please report it: {error!r}")
        return exit_status.RUNNER_FAILED
    if status < 0:
        _die_of(-status)
    return status


@contextlib.contextmanager
def _open_network(mode: str) -> Iterator[Uplink | None]:
    """Put this process into the network that was asked for, and give its uplink if there can be one."""
    if mode == SHARED:
        yield None
        return
    with open_uplink(ClientLimits()) as uplink:
        enter_namespace()
        if uplink is not None and (failure := uplink.connect()):
            _say(f"the application has no network but localhost: {uplink.name}: {failure}")
            uplink = None
        yield uplink


def _start(command: Sequence[str]) -> int:
    try:
        return spawn(command)
    except OSError as error:
        status = exit_status.NOT_FOUND if isinstance(error, FileNotFoundError) else exit_status.NOT_EXECUTABLE
        raise ApplicationError(f"cannot start {command[0]}: {error.strerror}", status=status) from error


def _relay(application: int, port: int, local_socket: str, mode: str, uplink: Uplink | None) -> int:
    """Relay until the application ends, and return its status, negative for a signal."""
    # A connection takes two descriptors here and one in the application, whose limit stays what it was.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Imported only now: it takes 0.1 s, in which the application starts.
    import trio

    from conductor_trio.client.isolation.port_relay import PortRelay

    # In the namespace everything is the user's own; on the host's localhost anybody may take a port.
    owner = os.geteuid() if mode == SHARED else None
    relay = PortRelay(port=port, owner=owner, local_socket=local_socket, on_shortage=_say_shortage)
    failure: BaseException | None = None

    async def run_relay() -> None:
        nonlocal failure
        try:
            await relay.run()
        except* StartError as group:
            failure = first_of(group)
            # Nobody can reach it, and this is our end, too.
            with contextlib.suppress(ProcessLookupError):
                os.kill(application, signal.SIGKILL)

    async def wait_ended() -> int:
        status = exit_status.RUNNER_FAILED
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_relay, name="port relay")
            status = await trio.to_thread.run_sync(_wait_ended, application, uplink, abandon_on_cancel=True)
            relay.end()
        return status

    status = trio.run(wait_ended)
    if failure is not None:
        raise failure
    return status


def _wait_ended(application: int, uplink: Uplink | None) -> int:
    """Pass signals on to the application until it has ended, and return its status."""
    told = False
    while True:
        received = signal.sigwaitinfo(_AWAITED)
        if received.si_signo != signal.SIGCHLD:
            # The client, our parent, signals our whole group; another time might count as a request to hurry.
            if received.si_pid != os.getppid():
                os.kill(application, received.si_signo)
            told = told or received.si_signo in _ENDING  # the way out ends with the group
            continue
        pid, status = os.waitpid(application, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if uplink is not None and not told and uplink.has_ended():
            _say(f"{uplink.name} has ended, so the application has no network but localhost any more")
            told = True


def _die_of(number: int) -> None:
    """End as the application did."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the memory worth dumping was the application's
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)


def _say(text: str) -> None:
    """Write a line to standard error, among the application's own."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"conductor-trio: {text}\n")
        sys.stderr.flush()


def _say_shortage(error: OSError) -> None:
    _say(f"cannot accept a connection for now: {error.strerror}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
