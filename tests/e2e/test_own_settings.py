"""Applications whose user has settings of other days, from tunnels and other proxies: they work all the same."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from scripts.apps.__main__ import CACHE
from scripts.apps.application import Installed, install
from scripts.apps.drivers import APPLICATIONS
from tests.doubles.client_command import open_client
from tests.doubles.control_server import ControlServer, open_control_server
from tests.support.certificates import CertificateAuthority

pytestmark = pytest.mark.e2e

PASSWORD = (
    "argon2:$argon2id$v=19$m=10240,t=10,p=8$QAMdyyCDbpF2uKHnYe2w0g$ZVkCj2xcXdtkYc9fWQX1fdkOz3nBSmPkQKd4dnnPlyw"
)
BOKEH_APPLICATION = "from bokeh.plotting import curdoc, figure\ncurdoc().add_root(figure())\n"
SHINY_APPLICATION = "from shiny import App, ui\napp = App(ui.page_fluid('hi'), None)\n"
DASH_APPLICATION = """
from dash import Dash, html
app = Dash(__name__)
app.layout = html.Div("hi")
app.run()
"""


@pytest.fixture
async def server(short_tmp: Path) -> AsyncIterator[ControlServer]:
    async with open_control_server(short_tmp) as server:
        yield server


@pytest.fixture
def certificate(short_tmp: Path) -> str:
    """Return the path of a certificate with its key."""
    path = short_tmp / "own.pem"
    path.write_bytes(CertificateAuthority().issue("node17").both)
    return str(path)


def install_application(name: str) -> Installed:
    [application] = [application for application in APPLICATIONS if application.name == name]
    return install(application, CACHE)


async def ask_application(
    server: ControlServer,
    name: str,
    command: tuple[str, ...],
    home: Path,
    environment: Mapping[str, str],
    path: str = "/",
) -> bytes:
    """Start the application in a home, with the user's environment; return the first line of its answer."""
    installed = install_application(name)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTER")}
    places = os.pathsep.join([*map(str, installed.path), os.environ.get("PATH", os.defpath)])
    everything = {**inherited, "CONDUCTOR_SERVER": str(server.path), "HOME": str(home), "PATH": places}
    async with open_client(*command, environment={**everything, **environment}, cwd=home) as client:
        await client.wait_for("live")
        session = await server.next_session()
        request = f"GET {path} HTTP/1.1\r\nHost: lab-me.example.org\r\nConnection: close\r\n\r\n"
        return (await session.ask(request.encode(), ends=False)).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("settings", "environment"),
    [
        ("c.ServerApp.port = 9999", {}),
        ("", {"JUPYTER_PORT": "9998"}),
        ("", {"JUPYTER_PORT": "tcp://10.0.0.7:8888", "JUPYTER_TOKEN": "s3cret"}),
        ("c.NotebookApp.port = 9997\nc.NotebookApp.base_url = '/node17/'", {}),
        ("c.NotebookApp.password = {password!r}", {}),
        ("c.NotebookApp.certfile = {certificate!r}\nc.NotebookApp.token = 's3cret'", {}),
        ("c.ServerApp.certfile = c.ServerApp.keyfile = {certificate!r}", {}),
        ("c.ServerApp.ssl_options = {{'certfile': {certificate!r}}}", {}),
        ("c.ServerApp.base_url = '/node17/jupyter/'\nc.ServerApp.websocket_url = 'ws://node17:9'", {}),
        ("c.PasswordIdentityProvider.hashed_password = {password!r}", {}),
        ("c.ServerApp.password = {password!r}\nc.ServerApp.password_required = True", {}),
        ("c.ServerApp.sock = '/tmp/other.sock'\nc.ServerApp.sock_mode = '0000'", {}),
    ],
)
async def test_jupyters_own_settings_are_not_in_the_way(
    server: ControlServer, short_tmp: Path, certificate: str, settings: str, environment: dict[str, str]
) -> None:
    text = settings.format(certificate=certificate, password=PASSWORD)
    (short_tmp / "jupyter_server_config.py").write_text(f"c.ServerApp.allow_root = True\n{text}\n")
    environment = {"JUPYTER_CONFIG_DIR": str(short_tmp), **environment}
    # It is not asked for by whoever has not logged in.
    status = await ask_application(
        server, "jupyterlab", ("--", "jupyter", "lab"), short_tmp, environment, "/api/contents"
    )
    assert status == b"HTTP/1.1 200 OK"


async def test_bokehs_certificate_is_not_in_the_way(
    server: ControlServer, short_tmp: Path, certificate: str
) -> None:
    (short_tmp / "hi.py").write_text(BOKEH_APPLICATION)
    environment = {"BOKEH_SSL_CERTFILE": certificate, "BOKEH_SSL_KEYFILE": certificate}
    command = ("--", "bokeh", "serve", "hi.py")
    assert await ask_application(server, "bokeh", command, short_tmp, environment, "/hi") == b"HTTP/1.1 200 OK"


async def test_uvicorns_settings_are_not_in_the_way(
    server: ControlServer, short_tmp: Path, certificate: str
) -> None:
    (short_tmp / "hi.py").write_text(SHINY_APPLICATION)
    environment = {"UVICORN_SSL_CERTFILE": certificate, "UVICORN_FD": "0", "UVICORN_ROOT_PATH": "/node17"}
    command = ("--", "uvicorn", "hi:app")
    assert await ask_application(server, "shiny", command, short_tmp, environment) == b"HTTP/1.1 200 OK"


async def test_what_another_proxy_forwards_to_dash_is_not_in_the_way(
    server: ControlServer, short_tmp: Path
) -> None:
    (short_tmp / "hi.py").write_text(DASH_APPLICATION)
    environment = {"DASH_PROXY": "http://0.0.0.0:8050::https://node17.example.org", "PORT": "8050"}
    command = ("run", "dash", "hi.py")
    assert await ask_application(server, "dash", command, short_tmp, environment) == b"HTTP/1.1 200 OK"
