"""An application that listens on a TCP port where it should not is found there, and its user told what to do."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import attrs
import pytest
import trio

from conductor_trio.client.application.application import Application, open_application
from conductor_trio.client.application.launch import LaunchSpec
from conductor_trio.client.application.start_watch import StartWatch, find_port
from conductor_trio.client.config.address import ServerAddress
from conductor_trio.client.config.launch import Launch
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.host.application_socket import ApplicationSocket
from conductor_trio.client.host.cleanup import open_cleanup
from conductor_trio.client.isolation.plan import PortPlan
from conductor_trio.client.output import events
from conductor_trio.client.output.writer import open_output
from conductor_trio.limits.client import ClientLimits
from conductor_trio.net.procfs import session_members
from tests.doubles.client_command import UPPERCASE_APPLICATION, python

LIMITS = ClientLimits(hint_pause=0.1, port_look_interval=0.05)

LISTENER = """
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
time.sleep(1000)
"""
#: The same in a child that leads a process group of its own, as a shell with job control has it.
CHILDS_LISTENER = f"import os, time\nif os.fork():\n    time.sleep(1000)\nos.setpgid(0, 0)\n{LISTENER}"


@attrs.define
class Reports:
    """What has been reported."""

    sent: list[events.Report] = attrs.field(factory=list)

    def send(self, report: events.Report) -> None:
        self.sent.append(report)


@pytest.fixture
async def application(short_tmp: Path) -> AsyncIterator[Application]:
    """Give an application that is still to be started."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    async with (
        open_output(descriptor, LIMITS) as output,
        open_cleanup(LIMITS) as cleanup,
        open_application(output, cleanup, LIMITS, trio.Event()) as application,
    ):
        yield application
    os.close(descriptor)


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


async def start(application: Application, stack: contextlib.ExitStack, directory: Path, *command: str) -> None:
    local_socket = stack.enter_context(contextlib.closing(ApplicationSocket(str(directory / "app.sock"))))
    await application.start(LaunchSpec(command=command, executed=command), local_socket)


def watch(
    application: Application,
    reports: Reports,
    launch: Launch,
    plan: PortPlan | None = None,
    local_socket: str = "/no/such/socket",
) -> StartWatch:
    server = ServerAddress(host=None, path="/no/such/gateway")
    settings = ClientSettings(server=server, local_socket=None, launch=launch, token="x", limits=LIMITS)
    return StartWatch(
        settings=settings, plan=plan, application=application, output=reports, local_socket=local_socket
    )


@pytest.mark.parametrize("script", [LISTENER, CHILDS_LISTENER])
def test_the_port_of_a_session_is_found_and_nobody_elses(script: str) -> None:
    process = subprocess.Popen(python(script), stdout=subprocess.PIPE, start_new_session=True, text=True)
    with process, socket.create_server(("127.0.0.1", 0)):
        assert process.stdout is not None
        port = int(process.stdout.readline())
        found = find_port(process.pid)
        assert found is not None
        assert (found.host, found.port) == ("127.0.0.1", port)
        process.kill()
        if script == CHILDS_LISTENER:
            [holder] = set(session_members(process.pid)) - {process.pid}
            os.kill(holder, signal.SIGKILL)


async def test_a_port_instead_of_the_socket_is_told_once(
    application: Application, stack: contextlib.ExitStack, short_tmp: Path
) -> None:
    reports = Reports()
    command = tuple(python(LISTENER))
    await start(application, stack, short_tmp, *command)
    with trio.fail_after(20):
        await watch(application, reports, Launch(command=command)).run()
    warnings = [report for report in reports.sent if isinstance(report, events.Warned) and report.port]
    [warning] = warnings
    assert f"listens on TCP port {warning.port} (127.0.0.1), and not on the UNIX socket" in warning.text
    assert f"start it with --tcp {warning.port}" in warning.text


async def test_another_port_than_the_one_told_is_told(
    application: Application, stack: contextlib.ExitStack, short_tmp: Path
) -> None:
    reports = Reports()
    command = tuple(python(LISTENER))
    await start(application, stack, short_tmp, *command)
    with trio.fail_after(20):
        await watch(
            application, reports, Launch(command=command, listen="tcp", port=8), PortPlan(port=8, shared=True)
        ).run()
    [warning] = reports.sent
    assert isinstance(warning, events.Warned)
    assert f"TCP port {warning.port} (127.0.0.1), and not on port 8," in warning.text


async def test_where_all_is_well_nothing_is_told(
    application: Application, stack: contextlib.ExitStack, short_tmp: Path
) -> None:
    reports = Reports()
    command = (*UPPERCASE_APPLICATION, str(short_tmp / "app.sock"))
    await start(application, stack, short_tmp, *command)
    with trio.fail_after(20):
        await watch(application, reports, Launch(command=command)).run()
    assert not reports.sent


async def test_within_a_namespace_of_its_own_it_is_found_too(
    application: Application, stack: contextlib.ExitStack, short_tmp: Path
) -> None:
    """Its user wrote a port in its command, and gave another to the client."""
    reports = Reports()
    command, plan = tuple(python(LISTENER)), PortPlan(port=8000)
    await start(application, stack, short_tmp, *plan.wrap(command, str(short_tmp / "app.sock")))
    with trio.fail_after(20):
        await watch(application, reports, Launch(command=command, listen="tcp", port=8000), plan).run()
    [warning] = reports.sent
    assert isinstance(warning, events.Warned)
    assert warning.port not in (None, 8000)
    assert f"TCP port {warning.port} (127.0.0.1), and not on port 8000," in warning.text
    assert f"start it with --tcp {warning.port}" in warning.text


@pytest.mark.parametrize(
    ("umask", "mode", "is_open"), [(0, 0o755, True), (0o022, 0o755, False), (0, 0o700, False)]
)
async def test_a_socket_that_everybody_can_connect_to_is_told(
    application: Application, stack: contextlib.ExitStack, short_tmp: Path, umask: int, mode: int, is_open: bool
) -> None:
    (directory := short_tmp / "d").mkdir()
    directory.chmod(mode)
    short_tmp.chmod(0o755)
    path = directory / "app.sock"
    reports = Reports()
    command = tuple(python(f"import os; os.umask({umask})\n{BOUND.format(path=str(path))}"))
    await start(application, stack, directory, *command)
    with trio.fail_after(20):
        await watch(application, reports, Launch(command=command), local_socket=str(path)).run()
    warnings = [report.text for report in reports.sent if isinstance(report, events.Warned)]
    found = [text for text in warnings if f"every user of this host can connect to {path}" in text]
    assert len(found) == is_open


BOUND = """
import socket, time
listener = socket.socket(socket.AF_UNIX)
listener.bind({path!r})
listener.listen()
time.sleep(1000)
"""
