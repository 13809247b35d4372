"""Another researcher on the gateway and on the node: Bob cannot get at what is Alice's.

The gateway and the node are one machine here, so Bob is on both.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from conductor_trio.access.tokens import hash_token
from scripts.private_sshd import PrivateSshd, descendants
from tests.support.chain import Chain, open_chain
from tests.support.programs import (
    PATIENCE,
    Program,
    ask,
    open_program,
    wait_until,
)
from tests.support.users import Person, acting_as

pytestmark = pytest.mark.e2e

TOKEN = "alices-own-token-73c1"
HOST = "app-ct-alice.localhost"

# Runs as Bob: evaluates each expression with `path` set, and prints what the kernel says to it.
TRY = """
import errno, json, os, shutil, socket, sys
def connect(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
def bind(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
answers = {}
path = sys.argv[1]
for text in sys.argv[2:]:
    try:
        eval(text)
        answers[text] = "done"
    except OSError as error:
        answers[text] = errno.errorcode[error.errno]
print(json.dumps(answers))
"""

# Runs as Bob: prints the files of processes in which he finds a text, and how many he could read. The text
# comes in two parts, or he would find himself.
SEARCH = """
import glob, json, sys
text = "".join(sys.argv[1:]).encode()
found, read = [], 0
for name in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
    try:
        with open(name, "rb") as file:
            found += [name] * (text in file.read())
    except OSError:
        continue
    read += 1
print(json.dumps([found, read]))
"""


@pytest.fixture
async def chain(short_tmp: Path, sshd: PrivateSshd) -> AsyncIterator[Chain]:
    async with open_chain(short_tmp, sshd) as chain:
        yield chain


@pytest.fixture
async def alices(chain: Chain) -> AsyncIterator[Program]:
    async with chain.open_client(chain.alice, token=TOKEN) as client:
        await client.wait_state("live")
        yield client


def directory_of(client: Program) -> Path:
    """Return the session's directory, as the client was told."""
    return Path(client.events[2]["banner"]["directory"])


async def attempt(chain: Chain, path: Path, *expressions: str) -> dict[str, str]:
    """Return what comes of Bob's trying."""
    answers: dict[str, str] = json.loads(await chain.run_python(chain.bob, TRY, path, *expressions))
    return answers


async def test_bob_cannot_touch_the_relay_socket(chain: Chain, alices: Program) -> None:
    relay = directory_of(alices) / "socket"
    for what, answer in (
        await attempt(
            chain,
            relay,
            "connect(path)",
            "os.stat(path)",
            "os.unlink(path)",
            "os.chmod(path, 0o666)",
            "os.rename(path, path + '2')",
            "os.link(path, '/tmp/bobs-link')",
            "bind(path + '2')",
            "os.listdir(os.path.dirname(path))",
            "os.rmdir(os.path.dirname(path))",
        )
    ).items():
        assert answer in {"EACCES", "EPERM"}, what
    assert (await ask(chain.server.port, HOST, "/", token=TOKEN)).status == 200


async def test_bob_can_neither_list_nor_rearrange_the_sessions(chain: Chain, alices: Program) -> None:
    directory = directory_of(alices)
    answers = await attempt(
        chain,
        directory,
        "os.listdir(os.path.dirname(path))",
        "os.rename(path, path + '2')",
        "os.mkdir(path + '2')",
        "os.symlink('/tmp', path + '2')",
        "os.chmod(path, 0o777)",
        "os.unlink(os.path.dirname(os.path.dirname(path)) + '/client')",
        "os.rename(os.path.dirname(path), '/tmp/bobs-sockets')",
    )
    assert set(answers.values()) <= {"EACCES", "EPERM", "EXDEV"}, answers


async def test_bob_cannot_open_the_application_on_the_node(chain: Chain, alices: Program) -> None:
    answers = await attempt(chain, chain.local_socket(chain.alice), "connect(path)", "os.unlink(path)")
    assert set(answers.values()) == {"EACCES"}, answers
    # The client's own directory, with the sockets of ssh in it.
    places = [path.parent for path in Path("/tmp").glob("conductor-trio-*/a") if path.is_symlink()]
    [place] = [path for path in places if (path / "a").readlink() == chain.local_socket(chain.alice)]
    for name in "mca":
        assert (place / name).exists()
        assert await attempt(chain, place / name, "connect(path)") == {"connect(path)": "EACCES"}


async def test_bob_finds_the_token_in_no_process(chain: Chain, alices: Program) -> None:
    found, read = json.loads(await chain.run_python(chain.bob, SEARCH, TOKEN[:9], TOKEN[9:]))
    assert found == []
    assert read > 5  # he did look
    # Nor do the application and ssh, which have no business with it.
    inheritors = descendants(alices.process.pid)
    assert alices.events[0]["pid"] in inheritors
    assert len(inheritors) > 2
    for pid in inheritors:
        assert TOKEN.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


async def test_bobs_key_gives_bobs_name(chain: Chain, alices: Program) -> None:
    async with chain.open_client(chain.bob, token="bobs") as client:
        live = await client.wait_state("live")
        assert live["config"]["urls"] == ["app-ct-bob.localhost"]
        assert (await ask(chain.server.port, HOST, "/", token="bobs")).status == 403
        answer = await ask(chain.server.port, "app-ct-bob.localhost", "/", token="bobs")
        assert int(answer.body) == client.events[0]["pid"]
        # Alice's token is no key to Bob's application, either.
        assert (await ask(chain.server.port, "app-ct-bob.localhost", "/", token=TOKEN)).status == 403


@pytest.mark.parametrize(
    "key", ["app-ct-alice", "app-ct-alice.localhost", "x-ct-alice", "app-", "-app", "a.b", "a/b", "é"]
)
async def test_no_key_looks_like_anothers_name(chain: Chain, key: str) -> None:
    async with chain.open_client(chain.bob, key=None, token="bobs", options=[f"-k{key}"]) as client:
        failed = await client.wait_state("failed")
        assert "key" in failed["reason"]
        assert await client.wait_ended() == 1
    assert json.loads((await ask(chain.server.port, HOST, "/_conductor/status")).body)["routesTotal"] == 0


class Channel:
    """A control channel of somebody who speaks the protocol by hand, and a relay socket that they can make."""

    def __init__(self, chain: Chain, person: Person) -> None:
        self._person = person
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        with acting_as(person):
            self._socket.connect(str(chain.server.control_socket))
        self._lines = self._socket.makefile("r")
        self.banner = json.loads(self._lines.readline())
        self._relay = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        self._relay.close()
        self._lines.close()
        self._socket.close()

    @property
    def directory(self) -> Path:
        """The session's directory."""
        return Path(self.banner["directory"])

    @property
    def relay(self) -> Path:
        """Where the relay socket belongs."""
        return self.directory / "socket"

    def listen(self, mode: int = 0o660) -> None:
        """Make the relay socket."""
        with acting_as(self._person):
            self._relay.bind(str(self.relay))
            self.relay.chmod(mode)
            self._relay.listen()

    def register(self, key: str = "app") -> dict[str, object]:
        """Register, and return the answer."""
        self._socket.sendall(json.dumps({"auth": hash_token(TOKEN.encode()), "key": key}).encode() + b"\n")
        answer: dict[str, object] = json.loads(self._lines.readline())
        return answer


async def test_what_bob_may_do_before_registration_gives_him_nothing(chain: Chain) -> None:
    with Channel(chain, chain.alice) as alices:
        alices.listen()
        with acting_as(chain.bob):
            # Alice alone may add to the directory at this moment, and nobody may take away what is hers.
            for act in (os.mkdir, os.unlink, os.rmdir):
                with pytest.raises(PermissionError):
                    act(alices.relay if act is not os.mkdir else alices.directory / "bobs")
            with pytest.raises(PermissionError):
                os.rename(alices.relay, alices.directory / "other")
            with pytest.raises(PermissionError), socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(alices.relay))
            with pytest.raises(PermissionError):
                os.chmod(alices.directory, 0o777)
            with pytest.raises(PermissionError):
                os.open(alices.directory, os.O_RDONLY)
            with pytest.raises(PermissionError), socket.socket(socket.AF_UNIX) as sock:
                sock.bind(str(alices.directory / "bobs"))
        assert alices.register()["status"] == "ok"
        with acting_as(chain.bob), pytest.raises(PermissionError):
            os.stat(alices.relay)


async def test_where_bob_may_add_to_a_directory_it_ends_with_registration(chain: Chain) -> None:
    # The gateway's own user needs no access list, and so has none: as where the file system knows none.
    with Channel(chain, chain.gateway) as theirs:
        theirs.listen()
        with acting_as(chain.bob):
            (theirs.directory / "bobs").touch()
            for act in (os.unlink, os.rmdir):
                with pytest.raises(PermissionError):
                    act(theirs.relay)
            held = os.open(theirs.directory, os.O_RDONLY)
        try:
            assert theirs.register()["status"] == "ok"
            with acting_as(chain.bob):
                # What he holds open from before opens nothing now.
                for path in ("socket", "."):
                    with pytest.raises(PermissionError):
                        os.stat(path, dir_fd=held)
                with pytest.raises(PermissionError):
                    os.open("bobs2", os.O_CREAT | os.O_WRONLY, dir_fd=held)
        finally:
            os.close(held)
    await wait_until(lambda: chain.server.session_directories == [])


async def test_what_bob_puts_into_anothers_directory_counts_as_his(short_tmp: Path, sshd: PrivateSshd) -> None:
    async with open_chain(short_tmp, sshd, "--max-user-sessions", "2") as chain:
        for number in range(3):
            with Channel(chain, chain.gateway) as theirs, acting_as(chain.bob):
                (theirs.directory / "file").touch()
                (theirs.directory / "link").symlink_to("/etc/passwd")
                (theirs.directory / "hidden").mkdir(mode=0o700)
                (theirs.directory / "hidden" / "file").touch()
            await wait_until(lambda: len(logged(chain, "directory_left")) > number)  # noqa: B023
        for entry in logged(chain, "directory_left"):
            assert entry["owners"] == [chain.bob.uid]
            assert os.listdir(str(entry["path"])) == ["hidden"]
        with Channel(chain, chain.gateway) as one, Channel(chain, chain.gateway) as other:
            assert one.directory != other.directory
        with Channel(chain, chain.bob) as bobs:
            assert "something is left" in bobs.banner["reason"]
        for entry in logged(chain, "directory_left"):
            shutil.rmtree(str(entry["path"]))


def logged(chain: Chain, event: str) -> list[dict[str, object]]:
    """Return what the gateway has logged of an event."""
    lines = (json.loads(line) for line in chain.server.program.err.lines if line.startswith("{"))
    return [entry for entry in lines if entry["event"] == event]


async def test_bobs_socket_in_anothers_directory_is_not_taken_for_theirs(chain: Chain) -> None:
    with Channel(chain, chain.alice) as alices, acting_as(chain.bob), pytest.raises(PermissionError):
        alices.relay.mkdir()
    with Channel(chain, chain.gateway) as theirs, socket.socket(socket.AF_UNIX) as trap:
        with acting_as(chain.bob):
            trap.bind(str(theirs.relay))
            theirs.relay.chmod(0o660)
            trap.listen()
        answer = theirs.register()
    assert answer["status"] == "error"
    assert "belongs to another user" in str(answer["reason"])


@pytest.mark.parametrize("make", [os.symlink, os.link])
async def test_bob_cannot_borrow_alices_relay_socket(
    chain: Chain, alices: Program, make: Callable[[Path, Path], None]
) -> None:
    with Channel(chain, chain.bob) as bobs:
        target = directory_of(alices) / "socket"
        with acting_as(chain.bob), contextlib.suppress(PermissionError):
            make(target, bobs.relay)
        answer = bobs.register()
    assert answer["status"] == "error"
    assert "socket" in str(answer["reason"])
    assert (await ask(chain.server.port, HOST, "/", token=TOKEN)).status == 200


async def test_bob_cannot_take_alices_name_even_when_it_is_free(chain: Chain) -> None:
    with Channel(chain, chain.bob) as bobs:
        bobs.listen()
        assert bobs.register()["urls"] == ["app-ct-bob.localhost"]


# Runs as Bob: changes the modes of two files, in turn, so that no two changes in a row look the same, until ended.
FLOOD = """
import os, sys
files = [int(number) for number in sys.argv[1:]]
os.fchmod(files[0], 0o600)
print("flooding", flush=True)
while True:
    for mode in (0o640, 0o600):
        for file in files:
            os.fchmod(file, mode)
"""


async def test_bob_cannot_stall_the_server_with_his_directory(chain: Chain, alices: Program) -> None:
    with Channel(chain, chain.bob) as bobs, contextlib.ExitStack() as stack:
        with acting_as(chain.bob):
            for number in range(3000):
                (bobs.directory / f"file-{number}").touch()
            (bobs.directory / "link").symlink_to("/etc/passwd")
            (bobs.directory / "loop").symlink_to(".")
            (bobs.directory / "closed").mkdir(mode=0o000)
            # He is not let in any more when he has registered, but what he has open is his.
            files = [os.open(bobs.directory / name, os.O_CREAT | os.O_RDONLY) for name in ("one", "two")]
        for file in files:
            stack.callback(os.close, file)
        bobs.listen()
        assert bobs.register()["status"] == "ok"
        command: list[str | Path] = [chain.python, "-c", FLOOD, *map(str, files)]
        async with open_program(command, person=chain.bob, descriptors=files) as flood:
            await flood.out.wait_line(lambda line: line == "flooding")
            for _ in range(50):
                assert (await ask(chain.server.port, HOST, "/", token=TOKEN)).status == 200
            assert flood.process.returncode is None
            routes = json.loads((await ask(chain.server.port, HOST, "/_conductor/status")).body)["routesTotal"]
            assert routes == 2
    await wait_until(lambda: len(chain.server.session_directories) == 1)  # Alice's


async def test_what_bob_hides_in_his_directory_harms_nobody(chain: Chain) -> None:
    runtime = chain.server.runtime_dir
    with Channel(chain, chain.bob) as bobs, acting_as(chain.bob):
        (bobs.directory / "hidden").mkdir(mode=0o700)
        (bobs.directory / "hidden" / "file").touch()
        left = bobs.directory
    await chain.server.program.wait_logged("directory_left")
    assert left.exists()
    with Channel(chain, chain.alice) as alices:
        alices.listen()
        assert alices.register()["status"] == "ok"
    await wait_until(lambda: chain.server.session_directories == [left])
    shutil.rmtree(left)
    assert await chain.server.program.end() == 0
    assert not runtime.exists()
