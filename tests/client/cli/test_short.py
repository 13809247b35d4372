"""The command without LOCAL_SOCKET as its users meet it: sockets, placeholders, recipes, ports, configuration."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio

from scripts.private_sshd import SshdError, open_private_sshd
from tests.doubles.client_command import RunningClient, open_client, python, shell
from tests.doubles.control_server import ControlServer, Session, open_control_server
from tests.doubles.ssh_gateway import SshGateway
from tests.doubles.tcp_application import application, require_namespaces
from tests.doubles.terminal import open_terminal
from tests.support.needs import missing

ALL = ["resume", "starting"]

# Says what it is told, and then listens at its first argument, answering in capitals.
TELLING = python("""
import os, socket, sys
print(*sys.argv[2:], *(os.environ.get(f"CONDUCTOR_{name}", "-") for name in ("SOCKET", "HOST", "URL")), flush=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data.upper())
""")

# Answers HTTP: twice that it cannot yet, and then the path that it was asked for.
LOADING = python("""
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
for number in range(100):
    connection, _ = listener.accept()
    with connection:
        asked = connection.recv(4096).split(b" ")[1:2]
        status = b"503" if number < 2 else b"200"
        connection.sendall(b"HTTP/1.1 " + status + b" .\\r\\nContent-Length: 0\\r\\n\\r\\n")
        print(asked, status.decode(), flush=True)
""")


@attrs.frozen(kw_only=True)
class Node:
    """Where the user is: a home, a directory for what is temporary, and nothing else of the test's own user."""

    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "home/.config/conductor-trio"

    @property
    def temporary(self) -> Path:
        return self.directory / "t"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory / "home"),
            "TMPDIR": str(self.temporary),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
        }

    def write(self, name: str, text: str) -> None:
        """Write a file of the user's configuration."""
        path = self.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    @contextlib.asynccontextmanager
    async def open(self, *words: object, **variables: str) -> AsyncIterator[RunningClient]:
        """Run the client; what was temporary is gone at the end."""
        environment = {**self.environment, **variables}
        flat = [str(item) for word in words for item in (word if isinstance(word, list) else [word])]
        async with open_client(flat, environment=environment) as client:
            yield client
        with trio.fail_after(20):
            while list(self.temporary.iterdir()):  # noqa: ASYNC110
                await trio.sleep(0.01)


@pytest.fixture
def node(short_tmp: Path) -> Node:
    node = Node(directory=short_tmp)
    node.temporary.mkdir()
    return node


@contextlib.asynccontextmanager
async def open_server(node: Node, extensions: list[str]) -> AsyncIterator[ControlServer]:
    directory = node.directory / "s"
    directory.mkdir()
    async with open_control_server(directory, extensions=extensions) as server:
        yield server


@pytest.fixture
async def server(node: Node) -> AsyncIterator[ControlServer]:
    async with open_server(node, ALL) as server:
        yield server


@pytest.fixture
async def old_server(node: Node) -> AsyncIterator[ControlServer]:
    """Give the original's, which knows of no extension."""
    async with open_server(node, []) as server:
        yield server


async def wait_live(client: RunningClient, server: ControlServer) -> Session:
    session = await server.next_session()
    await client.wait_for("live")
    return session


async def test_the_socket_is_in_a_private_directory_that_is_gone_at_the_end(
    server: ControlServer, node: Node
) -> None:
    async with node.open(server.path, "--", TELLING, "{socket}") as client:
        session = await wait_live(client, server)
        (directory,) = node.temporary.iterdir()
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        (execute,) = client.all("execute")
        assert execute["command"] == [*TELLING, str(directory / "socket")]
        assert await session.ask(b"hello") == b"HELLO"
        client.process.send_signal(signal.SIGTERM)
        assert await client.finish() == 0
        assert not directory.exists()


async def test_it_is_gone_even_after_kill_9(server: ControlServer, node: Node) -> None:
    async with node.open(server.path, "--", TELLING, "{socket}") as client:
        await wait_live(client, server)
        client.process.kill()
        assert await client.finish() == -signal.SIGKILL


async def test_the_application_is_told_its_names_since_it_starts_after_the_registration(
    server: ControlServer, node: Node
) -> None:
    server.told_key = "k1"
    words = ["{key}", "{host}", "{url}", "{{key}}", "{else}"]
    async with node.open(server.path, "--", TELLING, "{socket}", words) as client:
        session = await wait_live(client, server)
        host = "k1-me.localhost"
        assert client.states == ["connect", "controlConnect", "starting", "execute", "data", "live"]
        socket = client.all("execute")[0]["command"][len(TELLING)]
        told = ["k1", host, f"http://{host}", "{key}", "{else}", socket, host, f"http://{host}"]
        assert client.text("stdout").split() == told
        assert session.registration["starting"] is True
        await session.wait_said("ready")
        # After a lost link the names are the same.
        session.stream.close()
        assert (await wait_live(client, server)).registration["key"] == "k1"


async def test_a_server_that_cannot_tell_them_before_does_not_hold_the_start_up(
    old_server: ControlServer, node: Node
) -> None:
    async with node.open("-k", "lab", old_server.path, "--", TELLING, "{socket}", "{key}") as client:
        session = await wait_live(client, old_server)
        assert set(session.registration) == {"auth", "key"}
        key, _, *names = client.text("stdout").split()
        assert [key, *names] == ["lab", "-", "-"]


@pytest.mark.parametrize("name", ["key", "host", "url"])
async def test_where_a_command_needs_them_nothing_is_started(
    old_server: ControlServer, node: Node, name: str
) -> None:
    async with node.open(old_server.path, "--", TELLING, "{socket}", f"{{{name}}}") as client:
        assert await client.finish() == 1
        assert client.states == ["connect", "controlConnect", "failed"]
        assert "before the application listens" in client.events[-1]["reason"]
        assert "Traceback" not in await client.said()


async def test_asked_to_end_before_it_starts_it_does_not_start(server: ControlServer, node: Node) -> None:
    async with node.open(server.path.with_name("later"), "--", shell("echo started")) as client:
        await client.wait_for("connect")
        client.process.send_signal(signal.SIGINT)
        assert await client.finish() == 0
        assert client.states == ["connect", "ending"]


async def test_a_command_that_cannot_be_started_leaves_no_name_behind(server: ControlServer, node: Node) -> None:
    program = node.directory / "program"  # which is there, so that nothing but its start can tell
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    async with node.open(server.path, "--", program, "{host}") as client:
        session = await server.next_session()
        assert await client.finish() == 127
        assert f"cannot start {program}" in client.all("failed")[0]["reason"]
        await session.wait_ended()
        assert session.said == ["leave"]


RECIPE = """
command = [COMMAND]
match = ["serve lab"]
arguments = ["{socket}"]
ready = "/ok?a=b"
[environment]
LAB = "at {socket}"
"""


def write_program(node: Node, name: str, command: list[str]) -> dict[str, str]:
    """Make a program of that name, which is that command without its last word, and return its PATH."""
    programs = node.directory / "bin"
    programs.mkdir()
    interpreter, options, script = command
    path = programs / name
    path.write_text(f"#!{interpreter} {options[:-1]}\nimport sys\ndel sys.argv[1:2]\n{script}")
    path.chmod(0o755)
    return {"PATH": f"{programs}:{os.environ['PATH']}"}


async def test_a_recipe_that_knows_the_command_tells_it_what_it_must_know(
    server: ControlServer, node: Node
) -> None:
    node.write("recipes/lab.toml", RECIPE.replace("COMMAND", '"serve", "lab"'))
    path = write_program(node, "serve", LOADING)
    async with node.open(server.path, "--", "serve", "lab", **path) as client:
        await wait_live(client, server)
        assert client.states[0] == "execute"  # at once, since this recipe needs no name
        (directory,) = node.temporary.iterdir()
        assert client.all("execute")[0]["command"] == ["serve", "lab", str(directory / "socket")]
        # Accepting connections is not all.
        answers = client.text("stdout").splitlines()[:3]
        assert answers == [f"[b'/ok?a=b'] {status}" for status in (503, 503, 200)]


async def test_a_command_can_do_without(server: ControlServer, node: Node) -> None:
    node.write("recipes/lab.toml", RECIPE.replace("COMMAND", '"serve", "lab"'))
    path = write_program(node, "serve", python("print(*sys.argv[1:])"))
    async with node.open("--no-recipe", server.path, "--", "serve", "lab", "one", **path) as client:
        assert await client.finish() == 0
        assert client.text("stdout") == "one\n"
    async with node.open(server.path, "--", "serve", "lab", "one", "{socket}", **path) as client:
        assert await client.finish() == 0
        assert client.text("stdout") == f"one {client.all('execute')[0]['command'][-1]}\n"


async def test_run_starts_a_recipe_and_the_configuration_names_the_rest(server: ControlServer, node: Node) -> None:
    node.write("config.toml", f'server = "{server.path}"\nkey = "lab"\n')
    node.write("recipes/tell.toml", 'command = ["serve"]\narguments = ["x", "{socket}", "{key}"]\n')
    path = write_program(node, "serve", TELLING)
    async with node.open("run", "tell", "--mine", **path) as client:
        session = await wait_live(client, server)
        assert session.registration["key"] == "lab"
        assert client.text("stdout").split()[:2] == ["lab", "--mine"]
    async with node.open("run", "-k", "other", "-s", server.path, "tell", **path, CONDUCTOR_KEY="third") as client:
        assert (await wait_live(client, server)).registration["key"] == "other"
    async with node.open("--", TELLING, "{socket}", CONDUCTOR_KEY="third") as client:
        assert (await wait_live(client, server)).registration["key"] == "third"


async def test_a_mistake_in_the_configuration_is_one_line(node: Node) -> None:
    node.write("config.toml", 'server = "gw"\nservr = 1\n')
    for words in (["--", "true"], ["run", "jupyterlab"], ["recipes"], []):
        async with node.open(*words) as client:
            assert await client.finish() == 2
            (line,) = (await client.said()).splitlines()
            assert f"{node.config}/config.toml:2: servr: " in line
            assert not client.events


async def test_the_contracts_form_knows_no_configuration(server: ControlServer, node: Node) -> None:
    node.write("config.toml", "this is no TOML")
    local = node.directory / "app.sock"
    words = [server.path, local, "--", TELLING, local, "{key}", "{{"]
    async with node.open(*words, CONDUCTOR_KEY="lab", CONDUCTOR_SERVER="/nowhere") as client:
        session = await wait_live(client, server)
        assert set(session.registration) == {"auth", "extensions", "takeover"}
        assert session.registration["extensions"] == ["resume"]
        assert client.text("stdout").split() == ["{key}", "{{", "-", "-", "-"]


# Applications that know only TCP ports.


@pytest.mark.parametrize(
    ("options", "port", "told"),
    [(["--tcp", "8123"], "8123", "8123"), ([], "{port}", None), (["--tcp", "0"], "{port}", None)],
)
async def test_an_application_on_a_port(
    server: ControlServer, node: Node, options: list[str], port: str, told: str | None
) -> None:
    require_namespaces()
    *command, _, _ = application("127.0.0.1", 0)
    async with node.open(*options, server.path, "--", command, port, "") as client:
        session = await wait_live(client, server)
        assert (await session.ask(b"hello")).startswith(b"HELLO")
        (execute,) = client.all("execute")
        assert execute["command"][-2].isdigit()
        assert told is None or execute["command"][-2] == told
        client.process.send_signal(signal.SIGTERM)
        assert await client.finish() == 0


async def test_a_shared_port_comes_with_a_warning(server: ControlServer, node: Node) -> None:
    *command, _, _ = application("127.0.0.1", 0)
    async with node.open("--tcp-shared", server.path, "--", command, "{port}", "") as client:
        session = await wait_live(client, server)
        assert (await session.ask(b"hello")).startswith(b"HELLO")
        (warning,) = client.all("warning")
        assert "every user of this host" in warning["reason"]


async def test_a_port_for_a_socket_of_the_users(server: ControlServer, node: Node) -> None:
    require_namespaces()
    local = node.directory / "app.sock"
    async with node.open("--tcp", "8123", server.path, local, "--", application("127.0.0.1", 8123)) as client:
        session = await wait_live(client, server)
        assert (await session.ask(b"hello")).startswith(b"HELLO")
        client.process.send_signal(signal.SIGTERM)
        assert await client.finish() == 0
    assert not local.exists()


# On a terminal.


@pytest.mark.parametrize("is_json", [False, True])
async def test_on_a_terminal_it_is_for_people(server: ControlServer, node: Node, is_json: bool) -> None:
    options = ["--json"] if is_json else []
    with open_terminal(columns=200) as terminal:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "conductor_trio", *options, server.path, "--", *TELLING, "{socket}"],
            stdin=subprocess.DEVNULL,
            stdout=terminal.descriptor,
            stderr=terminal.descriptor,
            env={**node.environment, "CONDUCTOR_TOKEN": "t0ken"},
        )
        await server.next_session()
        await terminal.wait_for('"state": "live"' if is_json else "me.localhost/_conductor/auth/t0ken")
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
        terminal.read_all()
        assert ('"state"' in terminal.text) is is_json
        assert "Traceback" not in terminal.text


# Over SSH.


@pytest.mark.e2e
async def test_over_ssh(node: Node) -> None:
    try:
        with open_private_sshd() as sshd:
            async with open_server(node, ALL) as server:
                gateway = SshGateway(server, sshd, node.temporary)
                async with gateway.open_client(words=["--", *TELLING, "{socket}", "{host}"]) as client:
                    session = await wait_live(client, server)
                    assert client.states.index("starting") < client.states.index("execute")
                    assert await session.ask(b"over ssh") == b"OVER SSH"
                    sshd.drop_sessions()
                    session = await wait_live(client, server)
                    assert session.registration["key"] == "lab"
                    client.process.send_signal(signal.SIGTERM)
                    assert await client.finish() == 0
    except SshdError as error:
        missing(str(error))
