"""One server hands its listeners over to the next: each may fail at each step, and exactly one accepts then."""

from __future__ import annotations

import array
import contextlib
import json
import os
import signal
import socket
import stat
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from conductor_trio.access.tokens import hash_token
from conductor_trio.control.messages import Takeover
from conductor_trio.errors import StartError
from conductor_trio.limits.server import ServerLimits
from conductor_trio.log import get_logger
from conductor_trio.net.listeners import Listener, open_unix_listener
from conductor_trio.server.lifecycle.access_feed import AccessFeed
from conductor_trio.server.lifecycle.borrowed import BorrowedSessions, is_exportable
from conductor_trio.server.lifecycle.handover import (
    HandoverHost,
    Predecessor,
    Successor,
    open_predecessor,
)
from conductor_trio.server.lifecycle.listeners import (
    Handed,
    Listeners,
    Role,
    open_listeners,
)
from conductor_trio.server.lifecycle.runtime_directory import open_runtime_directory
from conductor_trio.server.routing.routes import Route
from conductor_trio.server.routing.table import RouteTable
from conductor_trio.server.sessions.records import SessionRecords
from conductor_trio.server.settings import ServerSettings
from tests.support.programs import PATIENCE, Program, open_program
from tests.support.routes import make_route, make_table
from tests.support.runtimes import make_runtimes
from tests.support.shares import make_share
from tests.support.users import ALICE, acting_as, real_person

LOG = get_logger()
LIMITS = ServerLimits()
IMPATIENT = ServerLimits(handover_timeout=0.5)
ROUTE = make_route(host="a.b")


@attrs.frozen(kw_only=True)
class Old:
    """What a running server has."""

    listeners: Listeners
    host: HandoverHost
    settings: ServerSettings
    ownership: int

    @property
    def path(self) -> str:
        """Where a successor asks."""
        assert self.listeners.handover.path is not None
        return self.listeners.handover.path


@contextlib.contextmanager
def open_old(run: Path, *, limits: ServerLimits = LIMITS, public: str = "public") -> Iterator[Old]:
    """Listen as a server does."""
    settings = ServerSettings(runtime_dir=str(run), patterns=(), port=None, socket=str(run.with_name(public)))
    with (
        open_runtime_directory(str(run)) as runtime,
        open_listeners(settings, runtime, [], []) as listeners,
    ):
        host = HandoverHost(listeners, runtime.ownership, limits, LOG)
        yield Old(listeners=listeners, host=host, settings=settings, ownership=runtime.ownership)


class Ready:
    """The successor that has said it is ready, once it has."""

    def __init__(self) -> None:
        self.told = trio.Event()
        self._successor: Successor | None = None

    async def wait(self, host: HandoverHost) -> None:
        """Wait for it."""
        self._successor = await host.wait_successor()
        self.told.set()

    @property
    def successor(self) -> Successor:
        """That one."""
        assert self._successor is not None
        return self._successor

    def close(self) -> None:
        """Forget it."""
        if self._successor is not None:
            self._successor.close()


@asynccontextmanager
async def asking(old: Old) -> AsyncIterator[tuple[Predecessor, Ready]]:
    """Be the successor, whom the old server lends its listeners."""
    with contextlib.closing(Ready()) as ready:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ready.wait, old.host)
            async with open_predecessor(old.path, LIMITS) as predecessor:
                assert predecessor is not None
                yield predecessor, ready
            nursery.cancel_scope.cancel()


def some_routes() -> RouteTable:
    """Return the routes of a running server."""
    routes = make_table(LIMITS)
    routes.register(ROUTE)
    return routes


def answers(path: str | Path) -> bool:
    """Whether somebody listens there."""
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(str(path))
        except OSError:
            return False
    return True


def of_role(handed: list[Handed], role: Role) -> Listener:
    [listener] = [listener for at, listener in handed if at is role]
    return listener


async def test_the_sockets_are_the_same_and_so_are_their_paths(short_tmp: Path) -> None:
    run = short_tmp / "run"
    with open_old(run) as old, contextlib.ExitStack() as new:
        async with asking(old) as (predecessor, ready):
            runtime = new.enter_context(open_runtime_directory(str(run), ownership=predecessor.ownership))
            listeners = new.enter_context(open_listeners(old.settings, runtime, [], predecessor.listeners))
            assert listeners.unwanted == []
            for ours, theirs in zip(listeners.by_role, old.listeners.by_role, strict=True):
                assert ours[0] is theirs[0] and ours[1].path == theirs[1].path
                assert os.fstat(ours[1].sock.fileno()).st_ino == os.fstat(theirs[1].sock.fileno()).st_ino
                assert not ours[1].sock.get_inheritable()
            got: list[tuple[Route, ...]] = []

            async def take() -> None:
                got.append((await predecessor.take()).routes)
                await predecessor.confirm()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(take)
                await ready.told.wait()
                assert await ready.successor.hand_over(some_routes())
            assert got == [(ROUTE,)]
            listeners.claim_paths()
            old.listeners.release_paths()
            old.listeners.close()
            for path in ("client", "handover"):
                assert answers(run / path)
            assert answers(short_tmp / "public")
            with pytest.raises(StartError, match="another server"), open_runtime_directory(str(run)):
                pass
    assert not (run / "client").exists() and not (run / "handover").exists()


@asynccontextmanager
async def taking_over(old: Old, *, admin_group: str | None = None) -> AsyncIterator[Listeners]:
    """Go through a hand-over up to where the successor accepts, and give where it listens."""
    async with asking(old) as (predecessor, ready), trio.open_nursery() as nursery:
        settings = attrs.evolve(old.settings, admin_group=admin_group)
        with (
            open_runtime_directory(settings.runtime_dir, ownership=predecessor.ownership) as runtime,
            open_listeners(settings, runtime, [], predecessor.listeners) as listeners,
        ):

            async def take() -> None:
                await predecessor.take(listeners)
                await predecessor.confirm()

            nursery.start_soon(take)
            await ready.told.wait()
            assert await ready.successor.hand_over(some_routes())
            yield listeners


async def test_operators_who_wait_get_to_the_successor(short_tmp: Path) -> None:
    run = short_tmp / "run"
    with socket.socket(socket.AF_UNIX) as early, open_old(run) as old:
        early.connect(str(run / "admin"))
        async with taking_over(old) as listeners:
            assert [path.name for path in run.glob("admin*")] == ["admin"]
            old.listeners.release_paths()
            old.listeners.close()
            assert answers(run / "admin")  # though the successor has not claimed the paths yet
            listeners.claim_paths()
            assert answers(run / "admin") and listeners.admin.has_its_path()
            with listeners.admin.sock.accept()[0] as accepted:
                early.sendall(b"?")
                await trio.lowlevel.wait_readable(accepted)
                assert accepted.recv(10) == b"?"
    assert not list(run.glob("admin*"))


async def test_the_operators_socket_has_the_mode_of_the_successors_settings(short_tmp: Path) -> None:
    run = short_tmp / "run"
    with open_old(run) as old:
        async with taking_over(old, admin_group="staff") as listeners:
            assert stat.S_IMODE((run / "admin").stat().st_mode) == 0o600
            old.listeners.release_paths()
            listeners.claim_paths()
            assert stat.S_IMODE((run / "admin").stat().st_mode) == 0o666


async def test_an_operators_socket_that_has_lost_its_path_is_not_lent(short_tmp: Path) -> None:
    run = short_tmp / "run"
    with open_old(run) as old:
        (run / "admin").unlink()
        async with taking_over(old) as listeners:
            old.listeners.release_paths()
            listeners.claim_paths()
            old.listeners.close()
            assert answers(run / "admin") and listeners.admin.has_its_path()


async def test_a_successor_that_ends_before_it_has_claimed_the_paths_leaves_operators_theirs(
    short_tmp: Path,
) -> None:
    with open_old(short_tmp / "run") as old:
        async with taking_over(old):
            pass
        admin = old.listeners.admin
        assert answers(old.listeners.admin_path) and admin.has_its_path()
        admin.sock.accept()[0].close()


async def test_a_successor_that_gives_up_leaves_everything_as_it_was(short_tmp: Path) -> None:
    run = short_tmp / "run"
    with open_old(run) as old:
        async with asking(old) as (predecessor, ready):
            with (
                open_runtime_directory(str(run), ownership=predecessor.ownership) as runtime,
                open_listeners(old.settings, runtime, [], predecessor.listeners),
            ):
                pass
        assert not ready.told.is_set()
        for path in (run / "client", run / "handover", short_tmp / "public"):
            assert answers(path)
        with pytest.raises(StartError, match="another server"), open_runtime_directory(str(run)):
            pass


async def test_what_the_new_command_line_does_not_name_goes_when_it_has_taken_over(short_tmp: Path) -> None:
    run = short_tmp / "run"
    with open_old(run, public="a") as old:
        settings = attrs.evolve(old.settings, socket=str(short_tmp / "b"))
        async with asking(old) as (predecessor, _):
            with (
                open_runtime_directory(str(run), ownership=predecessor.ownership) as runtime,
                open_listeners(settings, runtime, [], predecessor.listeners) as listeners,
            ):
                assert [listener.path for listener in listeners.unwanted] == [str(short_tmp / "a")]
                assert answers(short_tmp / "a") and answers(short_tmp / "b")
                old.listeners.release_paths()
                listeners.claim_paths()
                assert not (short_tmp / "a").exists() and answers(short_tmp / "b")


async def test_a_path_that_someone_removed_is_bound_anew(short_tmp: Path) -> None:
    run = short_tmp / "run"
    with open_old(run) as old:
        (run / "client").unlink()
        async with asking(old) as (predecessor, _):
            handed = predecessor.listeners
            with (
                open_runtime_directory(str(run), ownership=predecessor.ownership) as runtime,
                open_listeners(old.settings, runtime, [], handed) as listeners,
            ):
                assert listeners.control is not of_role(handed, Role.CONTROL)
                assert listeners.handover is of_role(handed, Role.HANDOVER)
                assert answers(run / "client")


async def test_tcp_listeners_are_kept_where_they_fit(short_tmp: Path) -> None:
    run = short_tmp / "run"
    settings = ServerSettings(runtime_dir=str(run), patterns=(), port=0)
    with (
        open_runtime_directory(str(run)) as runtime,
        open_listeners(settings, runtime, [], []) as old,
    ):
        [address] = [listener.sock.getsockname() for listener in old.public]
        handed = [(role, Listener(sock=listener.sock.dup(), owns_path=False)) for role, listener in old.by_role]
        for host, port, fits in (
            ("127.0.0.1", 0, True),
            ("127.0.0.1", address[1], True),
            ("127.0.0.2", address[1], False),
        ):
            wanted = attrs.evolve(settings, host=host, port=port)
            with open_listeners(wanted, runtime, [], handed) as new:
                assert (new.public == [handed[0][1]]) == fits
                assert bool(new.unwanted) != fits
        for _, listener in handed:
            listener.close()


# Nobody, or nobody who answers.


@pytest.mark.parametrize("what", ["nothing", "a dead socket"])
async def test_without_a_predecessor_there_is_none(short_tmp: Path, what: str) -> None:
    path = short_tmp / "handover"
    with contextlib.ExitStack() as stack:
        if what == "a dead socket":
            stack.enter_context(socket.socket(socket.AF_UNIX)).bind(str(path))
        async with open_predecessor(str(path), LIMITS) as predecessor:
            assert predecessor is None
    path.unlink(missing_ok=True)


async def answer_and_close(listener: socket.socket, answer: bytes) -> None:
    """Be a predecessor that says only that."""
    listener.setblocking(False)
    await trio.lowlevel.wait_readable(listener)
    sock, _ = listener.accept()
    with sock:
        sock.sendall(answer)


async def test_one_that_is_just_ending_counts_as_none(short_tmp: Path) -> None:
    with open_unix_listener(str(short_tmp / "h"), 0o600) as listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_and_close, listener, b"")
            async with open_predecessor(str(short_tmp / "h"), LIMITS) as predecessor:
                assert predecessor is None


@pytest.mark.parametrize(
    "answer",
    [
        b"\n",
        b"null\n",
        b'{"handover": 2, "listeners": []}\n',
        b'{"handover": 1, "listeners": []}\n',
        b'{"handover": 1, "listeners": [1]}\n',
        b'{"handover": 1, "listeners": [{"role": "public", "inherited": false}]}\n',
        b'{"handover": 1, "listeners": [{"role": "other", "inherited": false}]}\n',
    ],
)
async def test_one_whose_words_are_not_ours_is_told_in_one_line(short_tmp: Path, answer: bytes) -> None:
    with open_unix_listener(str(short_tmp / "h"), 0o600) as listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_and_close, listener, answer)
            with pytest.raises(StartError, match="cannot take over") as error:
                async with open_predecessor(str(short_tmp / "h"), LIMITS):
                    pass
    assert "\n" not in str(error.value)


async def test_one_that_hangs_is_not_waited_for(short_tmp: Path, autojump_clock: trio.testing.MockClock) -> None:
    with open_unix_listener(str(short_tmp / "h"), 0o600), pytest.raises(StartError, match="no answer in time"):
        async with open_predecessor(str(short_tmp / "h"), LIMITS):
            pass
    assert trio.current_time() == pytest.approx(LIMITS.handover_timeout)


async def test_one_that_hangs_later_is_not_waited_for(
    short_tmp: Path, autojump_clock: trio.testing.MockClock
) -> None:
    with open_old(short_tmp / "run") as old:
        async with asking(old) as (predecessor, _):
            with pytest.raises(StartError, match="no answer in time"):
                await predecessor.take()


async def test_many_sessions_go_over_in_pieces(short_tmp: Path) -> None:
    routes = make_table(LIMITS)
    many = [routes.register(make_route(host=f"{number}.test", user=f"u{number % 7}")) for number in range(1000)]
    with open_old(short_tmp / "run") as old:
        async with asking(old) as (predecessor, ready), trio.open_nursery() as nursery:
            got: list[Route] = []

            async def take() -> None:
                got.extend((await predecessor.take()).routes)
                await predecessor.confirm()

            nursery.start_soon(take)
            await ready.told.wait()
            assert await ready.successor.hand_over(routes)
        assert got == many


async def test_the_predecessor_hears_whom_a_session_lets_in_no_more(short_tmp: Path) -> None:
    old_routes, new_routes = make_table(LIMITS), make_table(LIMITS)
    old_records, new_records = SessionRecords(old_routes), SessionRecords(new_routes)
    heard = trio.Event()
    route = old_routes.register(make_route(shares=(make_share(),), is_resumable=True))
    old_routes.subscribe(lambda _: heard.set())
    record = old_records.inherit(route, None, None)
    with open_old(short_tmp / "run") as old:
        async with asking(old) as (predecessor, ready), trio.open_nursery() as nursery:
            got: list[Route] = []

            async def take() -> None:
                got.extend((await predecessor.take()).routes)
                await predecessor.confirm()

            async with trio.open_nursery() as taking:
                taking.start_soon(take)
                await ready.told.wait()
                assert await ready.successor.hand_over(old_routes)
            borrowed = BorrowedSessions(got, new_routes, make_runtimes(new_routes, LIMITS)[0])
            feed, released = AccessFeed(new_routes, new_records), trio.Event()
            nursery.start_soon(predecessor.use, borrowed, feed)
            nursery.start_soon(ready.successor.follow, old_routes, old_records, released)
            moved = new_routes.register(make_route(is_resumable=True))
            await released.wait()
            assert old_routes.get(route.id) == route
            with trio.fail_after(0.2):
                new_routes.set_access(moved.id, moved.access.without(["s1"]))
                await heard.wait()
            assert old_routes.get(route.id) == attrs.evolve(route, access=moved.access.without(["s1"]))
            with record.scope:
                new_routes.register(make_route(token=b"another owner's"), Takeover.ANY)
                await trio.sleep_forever()
            assert record.was_replaced
            nursery.cancel_scope.cancel()


async def test_a_server_of_version_1_is_taken_over_from(short_tmp: Path) -> None:
    """It tells all its routes in one line, and those that it lends in another."""
    auth = hash_token(b"t")
    lent = {"user": "u", "key": "k", "hosts": ["k.u"], "token_hash": auth, "relay_path": "/r", "moves": True}
    expected = {"since": 7.0, "routes": [{"hosts": ["k.u"], "auth": auth}, {"hosts": ["lost.u"], "auth": auth}]}
    path = str(short_tmp / "handover")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.setblocking(False)

        async def serve() -> None:
            await trio.lowlevel.wait_readable(listener)
            with (
                trio.socket.from_stdlib_socket(listener.accept()[0]) as sock,
                tempfile.TemporaryFile() as ownership,
            ):
                offer = json.dumps({"handover": 1, "listeners": []}).encode() + b"\n"
                rights = array.array("i", [ownership.fileno()])
                await sock.sendmsg([offer], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                assert await sock.recv(100) == b'{"ready": true}\n'
                for value in (expected, [lent]):
                    await sock.send(json.dumps(value).encode() + b"\n")
                assert await sock.recv(100) == b'{"taken": true}\n'

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            async with open_predecessor(path, LIMITS) as predecessor:
                assert predecessor is not None
                snapshot = await predecessor.take()
                await predecessor.confirm()
    os.unlink(path)
    first, *others = snapshot.routes
    assert is_exportable(first) and first.relay_path == "/r" and first.is_resumable
    assert [(route.hosts, route.is_detached) for route in others] == [(("k.u",), True), (("lost.u",), True)]


async def test_a_successor_that_hangs_is_in_nobody_s_way(short_tmp: Path) -> None:
    with open_old(short_tmp / "run") as old, socket.socket(socket.AF_UNIX) as hanging:
        hanging.connect(old.path)
        async with asking(old) as (predecessor, ready), trio.open_nursery() as nursery:
            nursery.start_soon(predecessor.take)
            with trio.fail_after(LIMITS.handover_timeout / 2):
                await ready.told.wait()
            nursery.cancel_scope.cancel()


async def test_another_user_may_not_take_over(short_tmp: Path) -> None:
    alice = real_person(ALICE)
    with open_old(short_tmp / "run") as old, socket.socket(socket.AF_UNIX) as theirs:
        os.chmod(old.path, 0o666)  # as if it were theirs to reach
        with acting_as(alice):
            theirs.connect(old.path)
        theirs.setblocking(False)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(old.host.wait_successor)
            await trio.lowlevel.wait_readable(theirs)
            assert socket.recv_fds(theirs, 1, 10)[:2] == (b"", [])
            nursery.cancel_scope.cancel()


# A successor in a process of its own, which may be killed.

FAKE = """
    import os, signal, socket, sys
    path, stages = sys.argv[1], sys.argv[2].split()
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    for stage in stages:
        match stage:
            case "listen":
                line, fds, _, _ = socket.recv_fds(sock, 65536, 20)
            case "ready":
                sock.sendall(b'{"ready": true}\\n')
            case "state":
                assert sock.recv(65536).endswith(b"\\n")
            case "nonsense":
                sock.sendall(b"what?\\n")
            case "taken":
                sock.sendall(b'{"taken": true}\\n')
    print(*stages, flush=True)
    if "hang" in stages:
        signal.pause()
"""


@asynccontextmanager
async def open_fake(old: Old, stages: str) -> AsyncIterator[Program]:
    """Run a successor that does only this."""
    async with open_program([sys.executable, "-c", textwrap.dedent(FAKE), old.path, stages]) as program:
        yield program


@pytest.mark.parametrize("stages", ["listen ready state hang", "listen ready hang"])
async def test_a_successor_that_knows_and_does_not_say_so_is_killed(short_tmp: Path, stages: str) -> None:
    with open_old(short_tmp / "run", limits=IMPATIENT) as old:
        async with open_fake(old, stages) as fake:
            with contextlib.closing(await old.host.wait_successor()) as successor:
                assert not await successor.hand_over(some_routes())
            assert await fake.wait_ended() == -signal.SIGKILL


@pytest.mark.parametrize("stages", ["listen ready", "listen ready state", "listen ready state nonsense hang"])
async def test_a_successor_that_dies_or_errs_has_not_taken_over(short_tmp: Path, stages: str) -> None:
    with open_old(short_tmp / "run") as old:
        async with open_fake(old, stages):
            with (
                contextlib.closing(await old.host.wait_successor()) as successor,
                trio.fail_after(LIMITS.handover_timeout),
            ):
                assert not await successor.hand_over(some_routes())
        for path in ("client", "handover"):
            assert answers(short_tmp / "run" / path)


@pytest.mark.parametrize("stages", ["", "listen", "listen nonsense hang"])
async def test_a_successor_that_is_never_ready_makes_room_for_another(short_tmp: Path, stages: str) -> None:
    with open_old(short_tmp / "run") as old:
        async with asking_twice(old, stages) as successor:
            assert await successor.hand_over(some_routes())


@asynccontextmanager
async def asking_twice(old: Old, stages: str) -> AsyncIterator[Successor]:
    """Have a successor do only that, and then a good one, which is given."""
    send, receive = trio.open_memory_channel[Successor](1)

    async def wait_successor() -> None:
        await send.send(await old.host.wait_successor())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_successor)
        async with open_fake(old, stages) as bad:
            await bad.out.wait_line(lambda _: True)
            async with open_fake(old, "listen ready state taken"):
                with trio.fail_after(PATIENCE):
                    successor = await receive.receive()
                with contextlib.closing(successor):
                    yield successor


async def test_nothing_is_taken_from_another_user_who_listens_there(short_tmp: Path) -> None:
    path = short_tmp / "handover"
    with socket.socket(socket.AF_UNIX) as trap:
        trap.bind(str(path))
        with acting_as(real_person(ALICE)):
            trap.listen()
        async with open_predecessor(str(path), LIMITS) as predecessor:
            assert predecessor is None
        with trap.accept()[0] as lured:
            assert lured.recv(1) == b""
    path.unlink()
