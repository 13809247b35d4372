"""A control server behind a real sshd, and the client's way there."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import attrs
import trio

from scripts.private_sshd import PrivateSshd
from tests.doubles.client_command import UPPERCASE_APPLICATION, RunningClient, open_client
from tests.doubles.control_server import ControlServer


@attrs.frozen
class SshGateway:
    """A control server behind an sshd, and how to get there."""

    server: ControlServer
    sshd: PrivateSshd
    directory: Path

    @property
    def local(self) -> Path:
        return self.directory / "app.sock"

    @contextlib.asynccontextmanager
    async def open_client(
        self,
        host: str = "gateway",
        *,
        path: str | None = None,
        configuration: Sequence[str] = (),
        words: Sequence[str] | None = None,
        cwd: Path | None = None,
    ) -> AsyncIterator[RunningClient]:
        """Run the client against this gateway, with lines that ssh reads before its other configuration.

        `words` are those that come after SERVER, if they are not the contract's.
        """
        programs = self.directory / "bin"
        programs.mkdir()
        config = programs / "config"
        config.write_text("\n".join([*configuration, f"Include {self.sshd.me.ssh_config}", ""]))
        wrapper = programs / "ssh"
        wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} "$@"\n')
        wrapper.chmod(0o755)
        temporary = self.directory / "t"
        temporary.mkdir()
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(temporary)}
        address = f"{host}{self.server.path if path is None else path}"
        if words is None:
            words = [str(self.local), "--", *UPPERCASE_APPLICATION, str(self.local)]
        async with open_client("-k", "lab", address, words, environment=environment, cwd=cwd) as client:
            yield client
        with trio.fail_after(20):
            while list(temporary.iterdir()) or masters_in(temporary):  # noqa: ASYNC110
                await trio.sleep(0.01)
        shutil.rmtree(programs)
        temporary.rmdir()


def masters_in(directory: Path) -> list[int]:
    """Return the ssh processes whose control socket is below a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if any(word.startswith(os.fsencode(directory)) and word.endswith(b"/m") for word in words):
                found.append(int(entry.name))
    return found
