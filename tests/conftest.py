"""What every test gets: a Hypothesis profile, short temporary directories, and the check that nothing is left."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.support.children import own_children
from tests.support.descriptors import open_descriptors
from tests.support.through_workers import COUNT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from scripts.private_sshd import PrivateSshd
    from tests.support.demo import Demo

# The gate tries the same examples each time, so that a failure is the change's own; `fuzz` looks for new ones.
hypothesis.settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile(
    "quick",
    parent=hypothesis.settings.get_profile("ci"),
    max_examples=20,
    suppress_health_check=[hypothesis.HealthCheck.filter_too_much],  # a share of so few says nothing
)
hypothesis.settings.register_profile("fuzz", max_examples=5000, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# What `make quick` leaves out besides `e2e` is marked by these rules, so that no test has to remember it.
_SLOW_PLACES = (
    "chaos/",
    "fuzz/",
    "client/cli/test_main.py::test_options_stand_before_a_command_or_behind",
    "client/cli/test_main.py::test_what_is_for_people_is_missed_where_there_is_no_terminal",
    "client/session/test_keeper.py::test_a_long_outage_is_a_short_log",
    "commandline/test_output.py",
    "repo/test_bench.py",
    "repo/test_contrib.py",
    "repo/test_dashboard_script.py",
    "repo/test_dist.py",
    "repo/test_pyz.py",
    "repo/test_soak.py",
    "repo/test_workers_script.py",
    "server/cli/test_main.py",
)
# What measures the whole machine, fills it, or takes the demonstration's port runs after all others and by itself:
# marked `alone`.
_ALONE_PLACES = (
    "chaos/",
    "repo/test_bench.py",
    "repo/test_demo.py",
    "repo/test_soak.py",
    "server/lifecycle/test_restart.py",
)
_SLOW_FIXTURES = {"browser", "demo", "own_sshd", "sshd"}
_STARTERS = {
    "scripts.private_sshd.open_private_sshd",
    "tests.doubles.client_command.open_client",
    "tests.doubles.ssh_gateway.SshGateway",
    "tests.doubles.tcp_application.open_relayed",
    "tests.support.browser.open_browser",
    "tests.support.chain.open_chain",
    "tests.support.chain.open_sshd",
    "tests.support.completions.ask_shell",
    "tests.support.programs.open_client",
    "tests.support.programs.open_program",
    "tests.support.programs.open_server",
    "tests.support.programs.run_program",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `slow` what takes long, and each file that starts a whole program, an SSH server or a browser.

    And as `alone` what must not run side by side with others.
    """
    files = [Path(__file__).parent / place.partition("::")[0] for place in (*_SLOW_PLACES, *_ALONE_PLACES)]
    assert all(file.exists() for file in files), "a place that is no more"
    for item in items:
        assert isinstance(item, pytest.Function)
        place = item.nodeid.removeprefix("tests/")
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        fixtures = set(item.fixturenames) - set(parameters)
        values = vars(item.module).values()
        named = {f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}" for value in values}
        if place.startswith(_SLOW_PLACES) or fixtures & _SLOW_FIXTURES or named & _STARTERS:
            item.add_marker("slow")
        if place.startswith(_ALONE_PLACES) or "demo" in fixtures:
            item.add_marker("alone")
        if COUNT and item.get_closest_marker("one_process"):
            item.add_marker(pytest.mark.skip("it looks into the process to which visitors come"))


def _encodable(value: object) -> object:
    """Give a report's value with every lone surrogate in its words written as an escape."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_encodable(key): _encodable(item) for key, item in value.items()}
        case list() | tuple():
            return type(value)(map(_encodable, value))
    return value


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, object, object]:
    """Let a report be sent whose log or failure quotes what is no Unicode: pytest-xdist ends a run at one."""
    return _encodable((yield))


_internal_errors: list[str] = []


def pytest_internalerror(excrepr: object) -> None:
    """Keep what went wrong in pytest itself, or in a process of pytest-xdist's."""
    _internal_errors.append(str(excrepr))


def pytest_unconfigure() -> None:
    """Say the first such error once more, at the very end, where a log is read first."""
    if _internal_errors:
        print("\nfirst internal error:", *_internal_errors[0].splitlines()[-25:], sep="\n", file=sys.stderr)


# The programs under test inherit what whoever runs the tests ignores: under nohup they would stay after SIGHUP.
for number in (signal.SIGHUP, signal.SIGINT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """Fail a test that leaves a descriptor or a child process behind.

    A task cannot be left: its nursery waits for it, and the package starts no system tasks (test_architecture).
    Garbage is not collected first: what only the collector closes was not closed by its owner.
    """
    descriptors, children = open_descriptors(), own_children()
    yield
    left_open = open_descriptors() - descriptors
    left_running = [name for pid, name in own_children().items() if pid not in children]
    if left_open or left_running:
        gc.collect()  # so that the next test does not hear of this one's
    assert not left_open, f"descriptors left open: {dict(left_open)}"
    assert not left_running, f"children left: {left_running}"


def _sockets_below(directory: Path) -> list[str]:
    return [
        str(Path(root, name))
        for root, _, names in os.walk(directory)
        for name in names
        if stat.S_ISSOCK(os.lstat(Path(root, name)).st_mode)
    ]


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """Give a new directory with a short path that other users may enter; its sockets must be gone at the end."""
    # Not below TMPDIR, which may be long: the path of a UNIX socket is at most 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="ct-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    sockets = _sockets_below(directory)
    shutil.rmtree(directory)
    assert not sockets, f"sockets left: {sockets}"


@pytest.fixture
def runtime_dir(short_tmp: Path) -> Iterator[Path]:
    """Give the path of a server's runtime directory, not made yet, in which no session may be left afterwards."""
    directory = short_tmp / "run"
    yield directory
    # The state is for a successor; with it, the directories stay.
    expected = {directory / "sockets", directory / "state.json"}
    left = [str(path) for path in directory.rglob("*") if path not in expected]
    assert not left, f"left in the runtime directory: {left}"


# What follows imports only where it is used: most modules need neither an SSH server nor a browser.


@pytest.fixture(scope="module")
def sshd() -> Iterator[PrivateSshd]:
    """Give an SSH server that lets the people of `tests.support.chain` in."""
    from tests.support.chain import open_sshd

    with open_sshd() as sshd:
        yield sshd


@pytest.fixture(scope="module")
def own_sshd() -> Iterator[PrivateSshd]:
    """Give an SSH server that lets in whoever runs the tests."""
    from scripts.private_sshd import SshdError, open_private_sshd
    from tests.support.needs import missing

    try:
        with open_private_sshd() as sshd:
            yield sshd
    except SshdError as error:
        missing(str(error))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a headless browser."""
    from tests.support.browser import open_browser

    with open_browser() as browser:
        yield browser


@pytest.fixture
def demo() -> Iterator[Demo]:
    """Give a demonstration that runs."""
    from tests.support.demo import open_demo

    with open_demo() as demo:
        yield demo
