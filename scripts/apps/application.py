"""What an application is here, and the environment that it is installed in."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs
from playwright.sync_api import Page

_PATIENCE = 900.0  # for an installation over a slow network
_TOLD_LINES = 4  # of what an installer says
_STAMP = "installed.json"


class AppError(Exception):
    """An application cannot be installed, does not start, or does not work; str() is a line for people."""


@attrs.frozen(kw_only=True)
class Application:
    """One application: where it comes from, how a user starts it, and what is done with it in a browser."""

    name: str
    title: str
    command: tuple[str, ...]  # as a user types it
    use: Callable[[Page, Path], None]  # in the directory where it runs; fails by an exception
    tried: str  # what `use` does, for people
    python_packages: tuple[str, ...] = ()  # the first one's version counts
    node_package: str = ""  # of which the version counts, where `install` comes from npm
    install: str = ""  # shell script that installs more, run in the environment's directory
    files: Mapping[str, str] = attrs.field(factory=dict)  # made in its directory
    environment: Mapping[str, str] = attrs.field(factory=dict)
    prepare: str = ""  # Python code that is run there before
    run_recipe: bool = False  # the command is a recipe's name and its arguments
    start: str = "/"  # the page that is opened
    websocket: bool = True  # whether its page opens one


@attrs.frozen(kw_only=True)
class Installed:
    """Where an application was installed, and its version."""

    directory: Path
    version: str

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.directory / "bin" / "python"

    @property
    def path(self) -> list[Path]:
        """Where its programs are, first things first."""
        return [self.directory / "bin", self.directory / "node_modules" / ".bin"]


def install(application: Application, cache: Path) -> Installed:
    """The application is in an environment of its own below `cache`; raises `AppError`."""
    directory = cache / application.name
    stamp = directory / _STAMP
    wanted = {
        "packages": [*application.python_packages, application.node_package],
        "install": application.install,
        "python": sys.version,
    }
    if stamp.exists() and (found := json.loads(stamp.read_text())).items() >= wanted.items():
        return Installed(directory=directory, version=found["version"])
    venv.create(directory, clear=True, with_pip=True)
    python = directory / "bin" / "python"
    failure = f"{application.title} cannot be installed"
    if application.python_packages:
        pip: list[str | Path] = [
            python,
            "-m",
            "pip",
            "install",
            "-qq",
            "--disable-pip-version-check",
            "--no-input",
        ]
        run([*pip, *application.python_packages], failure)
    if application.install:
        run(["sh", "-euc", application.install], failure, directory=directory)
    version = _find_version(application, directory)
    stamp.write_text(json.dumps(wanted | {"version": version}))
    return Installed(directory=directory, version=version)


def _find_version(application: Application, directory: Path) -> str:
    if application.node_package:
        description = directory / "node_modules" / application.node_package / "package.json"
        return str(json.loads(description.read_text())["version"])
    code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    package = application.python_packages[0].partition("[")[0]
    return run(
        [directory / "bin" / "python", "-c", code, package], f"there is no {package} after its installation"
    )


def run(
    command: Sequence[str | Path],
    failure: str,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> str:
    """Run a command to its end, and return what it printed; raises `AppError`, which begins with `failure`."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=directory,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AppError(f"{failure}: {error}") from error
    if done.returncode != 0:
        said = " / ".join((done.stdout + done.stderr).splitlines()[-_TOLD_LINES:])
        raise AppError(f"{failure}: {said}")
    return done.stdout.strip()
