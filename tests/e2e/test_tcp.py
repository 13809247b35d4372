"""Applications that know only TCP ports, with real users: who can connect, what is as before, what is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from conductor_trio.client.isolation.plan import PortPlan, choose_port
from scripts.private_sshd import descendants
from tests.doubles.tcp_application import (
    PORT,
    application,
    connect,
    open_relayed,
    require_namespaces,
    shell,
    wait_listening,
)
from tests.support.needs import missing, require_program
from tests.support.programs import (
    Program,
    ask,
    open_client,
    open_program,
    open_server,
    run_program,
    wait_gone,
    wait_until,
)
from tests.support.users import (
    ALICE,
    BOB,
    Person,
    everybodys_python,
    real_person,
)

pytestmark = pytest.mark.e2e

TOKEN = "alices-own-token-73c1"
HOST = "app-ct-alice.localhost"

# Prints what the kernel says to a connection: arguments are a host and a port, or a path.
TRY = """
import errno, socket, sys
family, address = (socket.AF_UNIX, sys.argv[1]) if sys.argv[1][:1] == "/" else (
    socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, (sys.argv[1], int(sys.argv[2])))
with socket.socket(family) as sock:
    sock.settimeout(5)
    try:
        sock.connect(address)
        print("connected")
    except OSError as error:
        print(errno.errorcode.get(error.errno, error))
"""


@attrs.frozen(kw_only=True)
class Node:
    """A compute node, and two who share it, each with a directory of their own."""

    directory: Path
    alice: Person
    bob: Person
    python: Path

    @property
    def local_socket(self) -> Path:
        return self.directory / "alice" / "app.sock"

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.directory / "alice")}

    async def attempt(self, person: Person, *address: str | Path) -> str:
        """Return what comes of that person's connecting."""
        program = await run_program([self.python, "-SEc", TRY, *address], person=person)
        assert program.process.returncode == 0, program.err.text
        return program.out.lines[0]

    def application(self, host: str = "127.0.0.1", port: int = PORT) -> list[str]:
        return application(host, port, python=self.python)

    @asynccontextmanager
    async def open_relayed(
        self, command: list[str], *, port: int = PORT, shared: bool = False
    ) -> AsyncIterator[Program]:
        """Run Alice's application behind its relay."""
        async with open_relayed(
            command,
            self.local_socket,
            port=port,
            shared=shared,
            person=self.alice,
            python=self.python,
            environment=self.environment,
        ) as program:
            await program.out.wait_line(lambda line: True)
            yield program


@pytest.fixture
def node(short_tmp: Path) -> Node:
    require_namespaces()
    alice, bob = real_person(ALICE), real_person(BOB)
    alice.make_directory(short_tmp / "alice")
    return Node(directory=short_tmp, alice=alice, bob=bob, python=everybodys_python())


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
async def test_bob_can_connect_to_a_shared_port_and_not_to_a_private_one(node: Node, host: str) -> None:
    port = choose_port(shared=True)
    localhost = "::1" if host == "::" else "127.0.0.1"
    for shared, answer in ((True, "connected"), (False, "ECONNREFUSED")):
        async with node.open_relayed(node.application(host, port), port=port, shared=shared):
            async with await connect(node.local_socket) as stream:
                await stream.send_all(b"works")
                assert await stream.receive_some(100) == b"WORKS"
            assert await node.attempt(node.bob, localhost, str(port)) == answer


async def test_bob_cannot_open_the_socket_or_enter_the_namespace(node: Node) -> None:
    async with node.open_relayed(node.application()) as program:
        await wait_listening(node.local_socket)
        assert await node.attempt(node.alice, node.local_socket) == "connected"
        assert await node.attempt(node.bob, node.local_socket) == "EACCES"
        enter = [require_program("nsenter"), "--target", str(program.process.pid), "--net"]
        assert (await run_program([*enter, "true"], person=node.bob)).process.returncode != 0
        assert (await run_program([*enter, "--user", "true"], person=node.bob)).process.returncode != 0


async def test_the_application_is_alice_with_no_more_rights_than_before(node: Node) -> None:
    async with node.open_relayed(node.application()) as program:
        facts = json.loads(program.out.lines[0])
    assert facts["ids"] == [node.alice.uid, node.alice.uid, node.alice.gid, node.alice.gid]
    assert facts["environment"]["HOME"] == node.environment["HOME"]
    assert {int(facts[name], 16) for name in ("CapEff", "CapPrm", "CapAmb")} == {0}
    assert facts["NoNewPrivs"] == "0"


async def test_alices_files_and_tools_are_as_before(node: Node) -> None:
    script = textwrap.dedent("""\
        set -e
        cd "$HOME"
        umask 077
        echo secret >file && ln -s file link && mkdir directory && mv file directory/
        stat -c '%u %g %a' directory/file
        id -un
        ps -o pid= -p 1 | tr -d ' '
        ls /root >/dev/null 2>&1 || echo 'not root'
        test "$(cat directory/file)" = secret
        """)
    direct = await run_program(shell(script), person=node.alice, environment=node.environment)
    await run_program(["/bin/sh", "-c", f"rm -r {node.directory}/alice/*"])
    async with node.open_relayed(shell(script)) as program:
        assert await program.wait_ended() == 0
    assert program.out.lines == direct.out.lines
    assert program.out.lines[:2] == [f"{node.alice.uid} {node.alice.gid} 600", ALICE]


async def test_on_the_shared_localhost_bobs_listener_is_not_taken_for_alices(node: Node) -> None:
    port = choose_port(shared=True)
    async with open_program(application("127.0.0.1", port, python=node.python), person=node.bob) as bobs:
        await bobs.out.wait_line(lambda line: True)
        assert await node.attempt(node.alice, "127.0.0.1", str(port)) == "connected"
        command = node.application("::1", port)
        async with node.open_relayed(command, port=port, shared=True), await connect(node.local_socket) as stream:
            await stream.send_all(b"whose")
            assert await stream.receive_some(100) == b"WHOSE"
            [listener] = [
                line for line in Path("/proc/net/tcp6").read_text().splitlines() if f":{port:04X} " in line
            ][:1]
            assert listener.split()[7] == str(node.alice.uid)


# The whole chain, and the end of each of its processes.


@attrs.frozen(kw_only=True)
class Chain:
    """A client of Alice's, live, with a real web server that knows only TCP."""

    client: Program
    port: int
    processes: dict[str, int]

    async def visit(self) -> int:
        return (await ask(self.port, HOST, "/", token=TOKEN)).status


@asynccontextmanager
async def open_chain(node: Node) -> AsyncIterator[Chain]:
    web_server = [node.python, "-m", "http.server", str(PORT), "--bind", "127.0.0.1"]
    _, *words = PortPlan(port=PORT).wrap([str(word) for word in web_server], str(node.local_socket))
    async with (
        open_server(node.directory / "run") as server,
        open_client(
            server.control_socket,
            node.local_socket,
            [node.python, *words],
            key="app",
            token=TOKEN,
            person=node.alice,
            python=node.python,
            environment=node.environment,
        ) as client,
    ):
        relay = (await client.wait_state("execute"))["pid"]
        await client.wait_state("live")
        [application] = [pid for pid in descendants(relay) if b"http.server" in command_line(pid)]
        processes = {"client": client.process.pid, "relay": relay, "application": application}
        yield Chain(client=client, port=server.port, processes=processes)


def command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


async def test_a_visitor_is_served_and_the_token_stays_with_the_client(node: Node) -> None:
    async with open_chain(node) as chain:
        assert await chain.visit() == 200
        for name in ("relay", "application"):
            assert TOKEN.encode() not in Path(f"/proc/{chain.processes[name]}/environ").read_bytes()
        assert await chain.client.end(signal.SIGINT) == 0
        assert chain.client.events[-1] == {"state": "exit", "status": -signal.SIGTERM}
        for pid in chain.processes.values():
            await wait_gone(pid)


@pytest.mark.parametrize("victim", ["client", "relay", "application"])
async def test_whoever_is_killed_nothing_outlives_it(node: Node, victim: str) -> None:
    async with open_chain(node) as chain:
        group = list(descendants(chain.processes["relay"]))
        os.kill(chain.processes[victim], signal.SIGKILL)
        status = await chain.client.wait_ended()
        assert status == (-signal.SIGKILL if victim == "client" else 128 + signal.SIGKILL)
        for pid in (*chain.processes.values(), *group):
            await wait_gone(pid)
    if victim != "relay":  # what only the relay could remove, the client's next start does
        await wait_until(lambda: not node.local_socket.exists())
    node.local_socket.unlink(missing_ok=True)


# The way out of the namespace.


@pytest.fixture
def host_network() -> Iterator[list[str]]:
    """Give the words that run a command in a network that stands for the host's, with addresses and a route."""
    if not os.path.exists("/dev/net/tun"):
        missing("needs /dev/net/tun")
    name = f"ct-{os.getpid()}"
    ip = require_program("ip")

    def run(*words: str) -> None:
        subprocess.run([ip, *words], check=True)

    run("netns", "add", name)
    try:
        run("-n", name, "link", "set", "lo", "up")
        run("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
        run("-n", name, "address", "add", "10.99.0.2/24", "dev", "eth0")
        run("-n", name, "address", "add", "10.98.0.1/32", "dev", "eth0")
        for device in ("eth0", "eth1"):
            run("-n", name, "link", "set", device, "up")
        run("-n", name, "route", "add", "default", "via", "10.99.0.1")
        yield [ip, "netns", "exec", name]
    finally:
        run("netns", "delete", name)


@pytest.mark.parametrize("program", ["pasta", "slirp4netns"])
async def test_the_application_gets_out_and_nobody_gets_in(
    node: Node, host_network: list[str], program: str
) -> None:
    tun = node.directory / "tun"
    os.mknod(tun, 0o020666, os.stat("/dev/net/tun").st_rdev)
    tun.chmod(0o666)  # as udev has it
    # On PATH there is this one program only.
    tools = node.directory / "bin"
    tools.mkdir()
    (tools / program).symlink_to(require_program(program))
    environment = {**node.environment, "PATH": str(tools)}
    mount, setpriv, sleep = map(require_program, ("mount", "setpriv", "sleep"))
    as_alice = [*host_network, *shell(f'{mount} --bind {tun} /dev/net/tun && exec "$@"'), "sh"]
    as_alice += [setpriv, f"--reuid={node.alice.uid}", f"--regid={node.alice.gid}", "--clear-groups", "--"]
    as_bob = [*host_network, setpriv, f"--reuid={node.bob.uid}", f"--regid={node.bob.gid}", "--clear-groups", "--"]
    outside = [*as_bob, *application("10.98.0.1", 8000, python=node.python)]
    attempt = [str(node.python), "-SEc", TRY]
    inside = [*shell(f'"$@" 10.98.0.1 8000; exec {sleep} 1000'), "sh", *attempt]
    listening = node.application("0.0.0.0")
    async with open_program(outside, environment=node.environment) as server:
        await server.out.wait_line(lambda line: True)
        async with open_relayed(
            inside, node.local_socket, prefix=as_alice, python=node.python, environment=environment
        ) as relayed:
            await relayed.out.wait_line(lambda line: line == "connected")
        async with open_relayed(
            listening, node.local_socket, prefix=as_alice, python=node.python, environment=environment
        ) as exposed:
            await wait_listening(node.local_socket)
            for host in ("127.0.0.1", "10.99.0.2", "10.98.0.1"):
                tried = await run_program([*as_bob, *attempt, host, str(PORT)], environment=node.environment)
                assert tried.out.lines == ["ECONNREFUSED"]
            [helper] = [pid for pid in descendants(exposed.process.pid) if program.encode() in command_line(pid)]
            os.kill(helper, signal.SIGKILL)
            await exposed.err.wait_line(lambda line: f"{program} has ended" in line)
            await wait_listening(node.local_socket)  # which goes on
    assert relayed.err.text == ""
