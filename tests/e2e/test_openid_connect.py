"""Apache with mod_auth_openidc, as `contrib/apache-sso.conf` has it, and people who sign in at a provider."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path

import attrs
import pytest

from conductor_trio.access.grants import SingleSignOn
from tests.support.engine import Application
from tests.support.fronts import (
    ALICE,
    BOB,
    DOMAIN,
    Front,
    free_ports,
    open_apache,
    open_front,
    shipped,
)
from tests.support.needs import missing, require_program
from tests.support.programs import open_program, run_program
from tests.support.shares import make_named

pytestmark = pytest.mark.e2e

SSO = SingleSignOn(user_field=b"x-forwarded-user", groups_field=b"x-forwarded-groups", is_needed=True)
FORGED = (
    "X-Forwarded-User: alice", "X_Forwarded_User: alice", "Remote-User: alice", "X-Forwarded-Groups: staff",
    "OIDC_CLAIM_groups: staff", "OIDC-CLAIM-sub: alice",
)  # fmt: skip
_ROOT = Path(__file__).parents[2]
_PROVIDER = _ROOT / "tests" / "support" / "openid_provider.mjs"
_LIBRARY = _ROOT / ".oidc" / "node_modules" / "oidc-provider" / "lib" / "index.js"
_MODULE = Path("/usr/lib/apache2/modules/mod_auth_openidc.so")


@attrs.frozen
class Answer:
    """What came at the end of all redirects."""

    status: int
    url: str
    text: str

    @property
    def form(self) -> str:
        """Where the page's form goes."""
        found = re.search(r'<form[^>]* action="([^"]+)"', self.text)
        assert found is not None, self.text
        return unescape(found[1])


@attrs.frozen
class Browser:
    """A person's browser, with cookies of its own."""

    front: Front
    jar: Path

    async def ask(self, url: str, *options: str) -> Answer:
        """Go to an address, and wherever that leads."""
        port = self.front.proxy.port
        hosts = [ALICE.host, BOB.host, f"login.{DOMAIN}"]
        there = [word for host in hosts for word in ("--resolve", f"{host}:{port}:127.0.0.1")]
        said = [
            "-sS",
            "-L",
            "--cacert",
            str(self.front.proxy.directory / "ca.pem"),
            "-w",
            "\n%{http_code} %{url_effective}",
        ]
        jar = ["-b", str(self.jar), "-c", str(self.jar)]
        program = await run_program([require_program("curl"), *said, *there, *jar, *options, url])
        assert program.process.returncode == 0, program.err.text
        text, _, end = program.out.text.rstrip("\n").rpartition("\n")
        status, _, where = end.partition(" ")
        return Answer(int(status), where, text)

    async def sign_in(self, url: str, name: str) -> Answer:
        """Go to an application, sign in where that leads, and go on to it."""
        form = await self.ask(url)
        assert form.url.startswith("http://127.0.0.1:"), form
        consent = await self.ask(form.form, "-d", f"prompt=login&login={name}&password=x")
        return await self.ask(consent.form, "-d", "prompt=consent")


@asynccontextmanager
async def open_sign_on(directory: Path, alice: Application, bob: Application) -> AsyncIterator[Front]:
    """Run the provider, and Apache before the two applications."""
    require_program("apache2")
    if not _MODULE.exists() or not _LIBRARY.exists():
        missing("needs mod_auth_openidc and oidc-provider: make system")
    with free_ports(1) as [port]:
        text = shipped(
            "apache-sso.conf",
            {
                "https://sso.example.org": f"http://127.0.0.1:{port}",
                f"https://login.{DOMAIN}/": f"https://login.{DOMAIN}:{{port}}/",
            },
        )
        settings = {"sso": SSO, "stripped_cookies": ("mod_auth_openidc*",)}
        async with open_front(open_apache, directory, alice, bob, text, **settings) as front:
            redirect = f"https://login.{DOMAIN}:{front.proxy.port}/oidc"
            command: list[str | Path] = [
                require_program("node", "nodejs"),
                _PROVIDER,
                _LIBRARY,
                str(port),
                redirect,
            ]
            async with open_program(command) as provider:
                await provider.out.wait_line(lambda line: line == "listening")
                yield front


async def test_people_who_sign_in_at_a_provider_are_whom_it_names(short_tmp: Path) -> None:
    alice, bob = Application(ALICE.answer), Application(BOB.answer)
    async with open_sign_on(short_tmp, alice, bob) as front:
        lab = f"https://{ALICE.host}:{front.proxy.port}/lab"
        other = f"https://{BOB.host}:{front.proxy.port}/"
        forged = [word for field in FORGED for word in ("-H", field)]

        owner = Browser(front, short_tmp / "alice")
        script = await owner.ask(lab, "-H", "Sec-Fetch-Mode: cors")
        assert script.status == 401 and not alice.messages
        welcome = await owner.sign_in(lab, "alice")
        assert (welcome.status, welcome.url, welcome.text) == (200, lab, "alice")
        # Signed in for all applications, of which only her own lets her in.
        refused = await owner.ask(other)
        assert refused.status == 403 and "signed in as alice" in refused.text

        zoe = Browser(front, short_tmp / "zoe")
        assert "signed in as zoe" in (await zoe.sign_in(lab, "zoe")).text
        assert (await zoe.ask(lab, *forged)).status == 403
        [route] = [one for one in front.engine.routes.attached() if one.hosts[0] == ALICE.host]
        front.engine.routes.set_access(route.id, route.access.with_share(make_named("@staff", id="n1")))
        assert (await zoe.ask(lab, *forged)).text == "alice"
        eve = Browser(front, short_tmp / "eve")
        assert (await eve.sign_in(lab, "eve")).status == 403
        assert (await eve.ask(lab, *forged)).status == 403
        assert (await Browser(front, short_tmp / "nobody").ask(lab, *forged)).url.startswith("http://127.0.0.1:")

    told = [
        (message.values(b"x-forwarded-user"), message.values(b"x-forwarded-groups")) for message in alice.messages
    ]
    assert told == [([b"alice"], []), ([b"zoe"], [b"staff,dev"])]
    assert not bob.messages
    for message in alice.messages:
        assert message.values(b"cookie") == []
        names = [field.partition(b":")[0].lower() for field in message.fields]
        assert not [name for name in names if name.startswith((b"oidc", b"remote-", b"x_"))]
