"""`conductor-trio setup` on a terminal, with an SSH server that knows nothing of the user but a password."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import attrs
import pytest
import trio

from tests.doubles.terminal import Terminal, open_terminal
from tests.support.chain import Chain, open_chain, open_sshd
from tests.support.needs import require_program
from tests.support.programs import PATIENCE, open_program
from tests.support.users import ALICE, Person, real_person

PASSWORD = "s3cret"
AUTHORIZED = "restrict,port-forwarding ssh-ed25519 "


@contextlib.contextmanager
def password_of(name: str) -> Iterator[None]:
    """Let a user log in by the password."""
    real_person(name)
    [line] = [line for line in Path("/etc/shadow").read_text().splitlines() if line.startswith(f"{name}:")]
    made = subprocess.check_output([require_program("openssl"), "passwd", "-6", PASSWORD], text=True).strip()
    usermod = require_program("usermod")
    subprocess.run([usermod, "-p", made, name], check=True)
    try:
        yield
    finally:
        subprocess.run([usermod, "-p", line.split(":")[1], name], check=True)


@attrs.frozen(kw_only=True)
class Newcomer:
    """A user of a compute node, whose home there is new, as is the one at the gateway."""

    chain: Chain
    person: Person
    home: Path
    there: Path
    environment: dict[str, str]

    @property
    def gateway(self) -> str:
        return f"gateway{self.chain.server.control_socket}"

    @property
    def authorized(self) -> str:
        return (self.there / ".ssh" / "authorized_keys").read_text()

    @property
    def config(self) -> Path:
        return self.home / ".config" / "conductor-trio" / "config.toml"

    def command(self, *words: str) -> list[str]:
        return [str(self.chain.python.with_name("conductor-trio")), *words]

    @contextlib.asynccontextmanager
    async def at(self, terminal: Terminal, *words: str) -> AsyncIterator[trio.Process]:
        """Run the client with that terminal."""
        process = await trio.lowlevel.open_process(
            ["setsid", "--ctty", "--wait", *self.command(*words)],
            stdin=terminal.descriptor,
            stdout=terminal.descriptor,
            stderr=terminal.descriptor,
            env=self.environment,
            cwd=str(self.home),
            user=self.person.uid,
            group=self.person.gid,
            extra_groups=[],
        )
        try:
            yield process
            with trio.fail_after(PATIENCE):
                await process.wait()
        finally:
            process.kill()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + PATIENCE):
                await process.wait()


@pytest.fixture
async def newcomer(short_tmp: Path) -> AsyncIterator[Newcomer]:
    async with open_newcomer(short_tmp) as newcomer:
        yield newcomer


@contextlib.asynccontextmanager
async def open_newcomer(short_tmp: Path, *more_sshd_config: str) -> AsyncIterator[Newcomer]:
    alice = real_person(ALICE)
    there = alice.make_directory(short_tmp / "there")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sshd_config = [
        "PasswordAuthentication yes",
        f"AuthorizedKeysFile {there}/.ssh/authorized_keys",
        f"SetEnv HOME={there}",
        *more_sshd_config,
    ]
    address = ["-p", str(port), "-d", f"{{key}}-{{user}}.localhost:{port}"]
    with password_of(ALICE), open_sshd(extra_config=sshd_config) as sshd:
        async with open_chain(short_tmp, sshd, *address) as chain:
            home = alice.make_directory(short_tmp / "home")
            programs = alice.make_directory(home / "bin")
            (programs / "config").write_text(
                f"Host gateway\n  HostName 127.0.0.1\n  Port {sshd.port}\n  User {ALICE}\n  IdentityFile none\n"
                f"  IdentityAgent none\n  UserKnownHostsFile {home}/known_hosts\n"
                "  GlobalKnownHostsFile /dev/null\n"
            )
            (programs / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {programs}/config "$@"\n')
            (programs / "ssh").chmod(0o755)
            yield Newcomer(
                chain=chain,
                person=alice,
                home=home,
                there=there,
                environment={
                    "PATH": f"{programs}:{chain.python.parent}:/usr/bin:/bin",
                    "HOME": str(home),
                    "TMPDIR": str(home),
                    "TERM": "dumb",
                },
            )


async def test_a_password_once_and_never_again(newcomer: Newcomer) -> None:
    with open_terminal(columns=200) as terminal:
        async with newcomer.at(terminal, "setup", newcomer.gateway):
            await terminal.wait_for("Are you sure you want to continue connecting")
            os.write(terminal.master, b"yes\n")
            await terminal.wait_for("password:")
            os.write(terminal.master, b"wrong\n")
            # Not before it asks: what was typed until then is thrown away.
            await terminal.wait_for(f"please try again.\n{ALICE}@127.0.0.1's password:")
            os.write(terminal.master, f"{PASSWORD}\n".encode())
            await terminal.wait_for("there and back in")
    key = newcomer.home / ".ssh" / "conductor-trio_ed25519"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert newcomer.authorized.startswith(AUTHORIZED)
    assert stat.S_IMODE((newcomer.there / ".ssh" / "authorized_keys").stat().st_mode) == 0o600
    assert newcomer.config.read_text() == f'server = "{newcomer.gateway}"\nidentity = "{key}"\n'
    # Without a terminal nothing can be asked; nothing is left to be done, and all of it goes by the key.
    before = newcomer.authorized, newcomer.config.read_text(), key.read_bytes()
    for words in (["setup", newcomer.gateway], ["doctor"], ["ls"]):
        async with open_program(
            newcomer.command(*words), person=newcomer.person, environment=newcomer.environment
        ) as program:
            assert await program.wait_ended() == 0, program.out.text + program.err.text
    assert (newcomer.authorized, newcomer.config.read_text(), key.read_bytes()) == before
    restricted = [str(newcomer.home / "bin" / "ssh"), "-tt", "-i", str(key), "gateway", "tty"]
    async with open_program(restricted, person=newcomer.person, environment=newcomer.environment) as program:
        await program.wait_ended()
    assert "PTY allocation request failed" in program.err.text


async def test_what_is_there_is_kept(newcomer: Newcomer) -> None:
    (newcomer.there / ".ssh").mkdir()
    os.chown(newcomer.there / ".ssh", newcomer.person.uid, newcomer.person.gid)
    (file := newcomer.there / ".ssh" / "authorized_keys").write_text("# mine, without an end of the line")
    os.chown(file, newcomer.person.uid, newcomer.person.gid)
    for directory in (newcomer.config.parent.parent, newcomer.config.parent):
        newcomer.person.make_directory(directory)
    newcomer.config.write_text('# my gateway\nserver = "other.example.org"\n[submit]\ntime = "4h"\n')
    with open_terminal(columns=200) as terminal:
        async with newcomer.at(terminal, "setup", newcomer.gateway):
            await terminal.wait_for("Are you sure you want to continue connecting")
            os.write(terminal.master, b"yes\n")
            await terminal.wait_for("password:")
            os.write(terminal.master, f"{PASSWORD}\n".encode())
            await terminal.wait_for("there and back in")
        assert "says server = 'other.example.org', and is left as it is" in terminal.text.replace("\n", "")
    assert newcomer.authorized.startswith(f"# mine, without an end of the line\n{AUTHORIZED}")
    assert "other.example.org" in newcomer.config.read_text()


async def test_without_a_terminal_it_says_what_ssh_says(newcomer: Newcomer) -> None:
    async with open_program(
        newcomer.command("setup", newcomer.gateway), person=newcomer.person, environment=newcomer.environment
    ) as program:
        assert await program.wait_ended() == 1
    assert "Host key verification failed" in program.err.text
    assert "no SSH login at gateway; see what ssh says above, and try again" in program.err.text
    assert not newcomer.config.exists()


async def test_where_a_second_factor_is_wanted_in_any_case_that_is_told(short_tmp: Path) -> None:
    async with open_newcomer(short_tmp, "AuthenticationMethods publickey,password") as newcomer:
        own = newcomer.home / "own"
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(own)]
        async with open_program(keygen, person=newcomer.person, environment=newcomer.environment) as program:
            assert await program.wait_ended() == 0
        newcomer.person.make_directory(newcomer.there / ".ssh")
        shutil.copy(own.with_suffix(".pub"), newcomer.there / ".ssh" / "authorized_keys")
        os.chown(newcomer.there / ".ssh" / "authorized_keys", newcomer.person.uid, newcomer.person.gid)
        config = newcomer.home / "bin" / "config"
        config.write_text(config.read_text().replace("IdentityFile none", f"IdentityFile {own}"))
        with open_terminal(columns=200) as terminal:
            async with newcomer.at(terminal, "setup", newcomer.gateway) as process:
                await terminal.wait_for("Are you sure you want to continue connecting")
                os.write(terminal.master, b"yes\n")
                await terminal.wait_for("password:")
                os.write(terminal.master, f"{PASSWORD}\n".encode())
                await terminal.wait_for("asks for a second factor all the same, which no job can answer")
            assert process.returncode == 1
        assert AUTHORIZED in newcomer.authorized
        # Known from then on, without another login.
        async with open_program(
            newcomer.command("setup", newcomer.gateway), person=newcomer.person, environment=newcomer.environment
        ) as program:
            assert await program.wait_ended() == 1
        assert "asks for a second factor all the same" in program.err.text
