"""The wheel, the sdist and the packages of other systems: what is in them, and what they say of themselves."""

from __future__ import annotations

import email.parser
import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from conductor_trio import __version__
from conductor_trio.client.cli.table import CLIENT
from conductor_trio.server.cli.table import SERVER
from scripts.pyz.archive import PROGRAMS, write_program
from tests.support.needs import require_program

ROOT = Path(__file__).parents[2]
NAME = f"conductor_trio-{__version__}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with both."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(directory), str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return directory


def read_wheel(directory: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(directory / f"{NAME}-py3-none-any.whl") as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


def test_the_wheel_has_what_comes_with_the_programs(built: Path) -> None:
    wheel = read_wheel(built)
    for file in (*CLIENT.files, *SERVER.files):
        content = (ROOT / "contrib" / file.name).read_bytes()
        assert wheel[f"conductor_trio/contrib/{file.name}"] == content
        if not file.place.startswith("share/doc/"):
            assert wheel[f"{NAME}.data/data/{file.place}"] == content
    package = ROOT / "conductor_trio"
    modules = {path.relative_to(ROOT).as_posix() for path in package.rglob("*.py")}
    recipes = {path.relative_to(ROOT).as_posix() for path in package.glob("recipes/*.toml")}
    assert modules | recipes <= wheel.keys()
    assert {name.partition("/")[0] for name in wheel} == {
        "conductor_trio",
        f"{NAME}.dist-info",
        f"{NAME}.data",
    }


def test_it_says_what_it_is(built: Path) -> None:
    wheel = read_wheel(built)
    about: Message = email.parser.Parser().parsestr(wheel[f"{NAME}.dist-info/METADATA"].decode())
    assert about["License-Expression"] == "MIT" and about["License-File"] == "LICENSE"
    assert wheel[f"{NAME}.dist-info/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert about["Requires-Python"] == ">=3.11" and about["Version"] == __version__
    assert not [name for name in about.get_all("Classifier", []) if name.startswith("License ::")]


def test_the_sdist_has_the_tests_and_what_they_need(built: Path) -> None:
    with tarfile.open(built / f"{NAME}.tar.gz") as sdist:
        names = {member.name.partition("/")[2] for member in sdist if member.isfile()}
    for directory in ("conductor_trio", "contrib", "docs", "packaging", "scripts", "tests"):
        kept = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / directory).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert kept <= names
    assert {"Makefile", "CHANGELOG.md", "LICENSE", "pyproject.toml", "tests/conftest.py"} <= names
    assert "conductor_trio/contrib/jobs/jupyter.slurm" in names


def test_debian_s_packages(tmp_path: Path) -> None:
    require_program("dpkg-buildpackage")
    require_program("dh")
    for packed in PROGRAMS:
        write_program(packed, tmp_path)
    subprocess.run(
        ["sh", ROOT / "packaging" / "deb" / "build.sh", tmp_path], check=True, stdout=subprocess.DEVNULL
    )
    for program in (CLIENT, SERVER):
        package = tmp_path / f"{program.name}_{__version__}-1_all.deb"
        root = tmp_path / program.name
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
        told = subprocess.run(
            [root / "usr/bin" / program.name, "--version"], check=True, capture_output=True, text=True
        )
        assert __version__ in told.stdout
        pages = [path.name for path in root.glob("usr/share/man/*/*.gz")]
        assert pages == [f"{program.name}.{1 if program is CLIENT else 8}.gz"]
        assert (root / f"usr/share/bash-completion/completions/{program.name}").exists()
        assert (root / f"usr/share/doc/{program.name}/licences/trio/LICENSE.MIT").exists()
    unit = (root / "lib/systemd/system/conductor-trio-server.service").read_text()
    assert "\nExecStart=/usr/bin/conductor-trio-server --runtime-dir" in unit and "/opt/" not in re.sub(
        "#.*", "", unit
    )
    assert (root / "etc/conductor-trio/server.toml").exists()
    assert (root / "usr/lib/sysusers.d/conductor-trio-server.conf").exists()


def test_the_units_are_sound(tmp_path: Path) -> None:
    analyze = require_program("systemd-analyze")
    units = [ROOT / "contrib" / file.name for file in SERVER.files if file.name.endswith((".service", ".socket"))]
    for unit in units:
        text = unit.read_text().replace("/opt/conductor-trio/bin/conductor-trio-server", sys.executable)
        (tmp_path / unit.name).write_text(text)
    command = [analyze, "verify", "--man=no", *(str(tmp_path / unit.name) for unit in units)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    own = [line for line in done.stderr.splitlines() if "conductor-trio" in line and str(tmp_path) in line]
    assert not own
    unit = tmp_path / "conductor-trio-server.service"
    exposure = [analyze, "security", "--offline=yes", "--threshold=15", str(unit)]
    assert subprocess.run(exposure, stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_the_spec_can_be_read() -> None:
    rpmspec = require_program("rpmspec")
    spec = ROOT / "contrib" / "conductor-trio.spec"
    told = subprocess.run(
        [rpmspec, "-q", "--qf", "%{name} %{version}\\n", spec], capture_output=True, text=True, check=True
    )
    assert told.stdout == f"conductor-trio {__version__}\nconductor-trio-server {__version__}\n"
