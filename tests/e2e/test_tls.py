"""Visitors by TLS with client certificates, through the whole chain: curl, and the original's command line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from tests.support.certificates import CertificateAuthority
from tests.support.chain import (
    APPLICATION,
    Chain,
    open_chain,
    open_sshd,
)
from tests.support.needs import require_program
from tests.support.programs import (
    Program,
    login_target,
    open_program,
    run_program,
)
from tests.support.users import GATEWAY, real_person

pytestmark = pytest.mark.e2e

HOST = "server-ct-alice.localhost"


@attrs.frozen(kw_only=True)
class Papers:
    """The certificates' files, in one directory."""

    directory: Path

    @property
    def server_options(self) -> list[str | Path]:
        """The server's command line for them."""
        files = {"cert-file": "server.pem", "key-file": "server.key", "allowed-clients": "ca.pem"}
        return [word for name, file in files.items() for word in (f"--ssl-{name}", self.directory / file)]


@pytest.fixture
def papers(short_tmp: Path) -> Papers:
    """Write a CA, the gateway's certificate, a visitor's, and one from a CA that the gateway does not know."""
    gateway = real_person(GATEWAY)
    authority, stranger = CertificateAuthority(), CertificateAuthority()
    (short_tmp / "ca.pem").write_bytes(authority.certificate)
    certificate = authority.issue("*.localhost", HOST)
    (short_tmp / "server.key").write_bytes(certificate.key)
    (short_tmp / "server.pem").write_bytes(certificate.certificate)
    os.chown(short_tmp / "server.key", gateway.uid, gateway.gid)
    (short_tmp / "server.key").chmod(0o400)
    (short_tmp / "visitor.pem").write_bytes(authority.issue("visitor").both)
    (short_tmp / "stranger.pem").write_bytes(stranger.issue("stranger").both)
    return Papers(directory=short_tmp)


@pytest.fixture
async def chain(short_tmp: Path, papers: Papers) -> AsyncIterator[Chain]:
    with open_sshd() as sshd:
        async with open_chain(short_tmp, sshd, *papers.server_options) as chain:
            yield chain


async def curl(chain: Chain, papers: Papers, target: str, *options: str | Path) -> Program:
    """Ask with curl, following redirects and keeping cookies as a browser does."""
    command = [require_program("curl"), "-sS", "-L", "-c", "-", "--cacert", papers.directory / "ca.pem", *options]
    # The name is no matter of the machine's resolver.
    to_us = ["--resolve", f"{HOST}:{chain.server.port}:127.0.0.1"]
    return await run_program([*command, *to_us, f"https://{HOST}:{chain.server.port}{target}"])


async def test_the_originals_command_line_and_curl_through_the_login_link(chain: Chain, papers: Papers) -> None:
    home = chain.home(chain.alice)
    shutil.copy(APPLICATION, home / "app.py")
    typed = (
        f"CONDUCTOR_TOKEN=test conductor-trio -k server localhost:{chain.sshd.port}{chain.server.control_socket} "
        f"{home}/x.sock -- python app.py {home}/x.sock"
    )
    visitor: list[str | Path] = ["--cert", papers.directory / "visitor.pem"]
    async with open_program(
        ["/bin/sh", "-c", f"exec env {typed}"],
        person=chain.alice,
        environment=chain.environment(chain.alice),
        cwd=home,
    ) as client:
        live = await client.wait_state("live")
        assert live["config"] == {"auth": "test", "key": "server", "urls": [HOST]}
        answer = await curl(chain, papers, login_target("test", next="/headers"), *visitor)
        assert answer.process.returncode == 0, answer.err.text
        fields = json.loads(answer.out.lines[0].partition("]]")[0] + "]]")
        assert ["X-Forwarded-Proto", "https"] in fields
        assert await client.end() == 0


async def test_without_a_certificate_that_is_known_nobody_gets_in(chain: Chain, papers: Papers) -> None:
    strange: list[str | Path] = ["--cert", papers.directory / "stranger.pem"]
    async with chain.open_client(chain.alice, key="server", token="test") as client:
        await client.wait_state("live")
        for options, alert in (([], "certificate required"), (strange, "unknown ca")):
            answer = await curl(chain, papers, login_target("test"), *options)
            assert answer.process.returncode == 56, answer.out.text  # while receiving: TLS 1.3 tells afterwards
            assert alert in answer.err.text
            assert "authorization" not in answer.out.text
