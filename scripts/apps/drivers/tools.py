"""Tools: TensorBoard, MLflow, code-server, a terminal."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import Page, expect

from scripts.apps.application import AppError, Application
from scripts.apps.drivers.notebooks import AS_ROOT

_PATIENCE = 30.0
_PAUSE = 0.1


def wait_for_answer(directory: Path) -> None:
    """Wait until the shell of the far end has written 42 into a file."""
    answer, end = directory / "answer", time.monotonic() + _PATIENCE
    while not (answer.exists() and answer.read_text() == "42\n"):
        if time.monotonic() > end:
            raise AppError("what was typed did not reach the shell")
        time.sleep(_PAUSE)


def _type_in_terminal(page: Page, directory: Path) -> None:
    page.locator(".xterm-helper-textarea").first.wait_for(state="attached")
    page.locator(".xterm-screen").first.click()
    page.keyboard.type("echo $((6 * 7)) > answer\n", delay=20)
    wait_for_answer(directory)


def _filter_tags(page: Page, directory: Path) -> None:
    expect(page.locator("scalar-card:visible")).to_have_count(2)
    page.locator("input[placeholder='Filter tags (regex)']").fill("accuracy")
    expect(page.locator("scalar-card:visible")).to_have_count(1)


def _create_experiment(page: Page, directory: Path) -> None:
    page.get_by_role("button", name="Create").first.click()
    page.get_by_placeholder("Input an experiment name").fill("answers")
    page.get_by_role("button", name="Create").last.click()
    expect(page.get_by_text("answers").first).to_be_visible()


def _type_in_editor(page: Page, directory: Path) -> None:
    page.get_by_role("button", name="Yes, I trust the authors").click()
    page.keyboard.press("Control+Backquote")
    _type_in_terminal(page, directory)


_TENSORBOARD = """\
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
writer = EventFileWriter("logs")
for step in range(10):
    for tag in ("loss", "accuracy"):
        value = Summary.Value(tag=tag, simple_value=step)
        writer.add_event(Event(step=step, wall_time=step, summary=Summary(value=[value])))
writer.close()
"""

# Its own way of installing fetches binaries that are in no registry. What is left out here (Kerberos for proxies,
# a fast search) is not needed to start; node-pty is built although the step after that fails.
_CODE_SERVER = """\
npm install --prefix . --ignore-scripts --silent --no-audit --no-fund code-server
npm rebuild argon2
cd node_modules/code-server/lib/vscode
npm install --omit=dev --ignore-scripts --silent --no-audit --no-fund
npm rebuild @vscode/spdlog native-watchdog @parcel/watcher
npm rebuild node-pty || test -e node_modules/node-pty/build/Release/pty.node
ln -sfn node_modules node_modules.asar
"""

APPLICATIONS = (
    Application(
        name="tensorboard",
        title="TensorBoard",
        python_packages=("tensorboard", "setuptools<81"),
        prepare=_TENSORBOARD,
        command=("tensorboard", "--logdir", "logs"),
        start="/?darkMode=false#timeseries",
        use=_filter_tags,
        tried="the tags filtered",
        websocket=False,
    ),
    Application(
        name="mlflow",
        title="MLflow",
        python_packages=("mlflow",),
        command=("mlflow", "server"),
        start="/#/experiments",
        use=_create_experiment,
        tried="an experiment made",
        websocket=False,
    ),
    Application(
        name="codeserver",
        title="code-server",
        node_package="code-server",
        install=_CODE_SERVER,
        command=("code-server", "."),
        use=_type_in_editor,
        tried="a command run in its terminal",
    ),
    Application(
        name="terminal",
        title="A terminal",
        python_packages=("notebook",),
        command=("terminal", *AS_ROOT),
        run_recipe=True,
        use=_type_in_terminal,
        tried="a command run",
    ),
)
