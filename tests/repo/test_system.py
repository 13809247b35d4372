"""What tests need on the machine: said before it is made, recorded, and taken back, that and nothing else."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import users
from tests.support.needs import require_program, require_root

_ROOT = Path(__file__).parents[2]
_INSTALL, _TAKE_BACK = _ROOT / "scripts" / "system.sh", _ROOT / "scripts" / "clean_system.sh"
_TOOLS = ("apt-get", "dpkg-query", "env", "getent", "grep", "id", "sed", "sh")


def take_back(record: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Have what stands in that record taken back."""
    command: list[str | Path] = ["sh", _TAKE_BACK, record, record.with_name("copies")]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def test_the_scripts_know_what_the_tests_make() -> None:
    text = _INSTALL.read_text()
    [named] = re.findall(r"^users='(.*?)'", text, re.MULTILINE)
    assert named.split() == [users.GATEWAY, users.ALICE, users.BOB, users.BASH_USER]
    for script in (_INSTALL, _TAKE_BACK):
        assert str(users.RECORD) in script.read_text()
        assert str(users.STORE) in script.read_text()


def test_what_will_be_installed_is_said_first(tmp_path: Path) -> None:
    for tool in _TOOLS:
        (tmp_path / tool).symlink_to(require_program(tool))
    done = subprocess.run(
        ["sh", _INSTALL, sys.executable, "say"],
        cwd=tmp_path,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    [said] = [line for line in done.stdout.splitlines() if " curl " in line and "no curl" not in line]
    if os.geteuid() == 0:
        assert said.startswith("system: will install these Debian packages, and what they need: ")
        assert "system: will install from npm, to .npm: axe-core " in done.stdout
        last = done.stdout.splitlines()[-1]
        assert "make clean-system" in last and "make quick" in last
    else:
        assert said.startswith("system: to have them, as root on Debian: apt-get install ")
    assert not (tmp_path / ".npm").exists()


def test_make_test_names_the_quick_way_its_steps_and_what_is_slow() -> None:
    # Without the variables by which a make that runs us would have a part in it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        [require_program("make"), "-n", "test"],
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    commands = done.stdout
    assert commands.index("scripts/system.sh") < commands.index("make quick") < commands.index("1 of 3")
    assert commands.count("--durations=10") == 2 and "3 of 3" in commands


def test_nothing_recorded_is_nothing_to_take_back(tmp_path: Path) -> None:
    done = take_back(tmp_path / "none")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_users_that_tests_made_go_and_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_root()
    ours, other = f"ct-o{os.getpid()}", f"ct-x{os.getpid()}"
    record, copies = tmp_path / "made" / "made", tmp_path / "made" / "copies"
    copies.mkdir(parents=True)
    monkeypatch.setattr(users, "RECORD", record)
    useradd, userdel = require_program("useradd"), require_program("userdel")
    try:
        subprocess.run([useradd, "--system", "--no-create-home", other], check=True)
        users.real_person(ours)
        users.real_person(other)  # which is there
        assert record.read_text() == f"user {ours}\n"
        with record.open("a") as more:
            more.write("user ct-no-such-user\n")
        done = take_back(record)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"clean-system: removing the user {ours}\nclean-system: removing {copies}\n"
        with pytest.raises(KeyError):
            pwd.getpwnam(ours)
        assert pwd.getpwnam(other)
        assert not record.parent.exists()
    finally:
        for name in (ours, other):
            subprocess.run([userdel, name], stderr=subprocess.DEVNULL)


def test_users_and_groups_of_packages_go_once_those_are_gone(tmp_path: Path) -> None:
    require_root()
    name, record = f"ct-s{os.getpid()}", tmp_path / "made"
    try:
        subprocess.run([require_program("useradd"), "--system", "--no-create-home", "-U", name], check=True)
        subprocess.run([require_program("groupadd"), "--system", f"{name}g"], check=True)
        service = (
            f"service-user {name}\nservice-group {name}\nservice-group {name}g\nservice-user ct-no-such-user\n"
        )
        # Not while a package is there whose service may be theirs; this one stays, since others need it.
        record.write_text(f"package base-files\n{service}")
        done = take_back(record, PATH=f"{_without_purge(tmp_path)}:{os.environ['PATH']}")
        assert done.returncode == 1 and pwd.getpwnam(name)
        assert f"service-user {name}\n" in record.read_text() and "ct-no-such-user" not in record.read_text()
        record.write_text(service)
        done = take_back(record)
        assert (done.returncode, done.stderr) == (0, "")
        with pytest.raises(KeyError):
            pwd.getpwnam(name)
        assert not {name, f"{name}g"} & {group.gr_name for group in grp.getgrall()}
        assert not record.exists()
    finally:
        for command in (["userdel", name], ["groupdel", name], ["groupdel", f"{name}g"]):
            subprocess.run(command, stderr=subprocess.DEVNULL)


def _without_purge(directory: Path) -> Path:
    """Return a directory with a dpkg that does nothing."""
    (directory / "bin").mkdir()
    (directory / "bin" / "dpkg").write_text("#!/bin/sh\n")
    (directory / "bin" / "dpkg").chmod(0o755)
    return directory / "bin"


def make_package(directory: Path, name: str, needs: str | None = None) -> Path:
    """Make a Debian package with nothing in it."""
    control = directory / name / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    lines = [f"Package: {name}", "Version: 1", "Architecture: all", "Maintainer: t <t@t.test>", "Description: t"]
    control.write_text("\n".join([*lines, *([f"Depends: {needs}"] if needs else []), ""]))
    package = directory / f"{name}.deb"
    build: list[str | Path] = ["dpkg-deb", "--root-owner-group", "--build", control.parents[1], package]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return package


def test_packages_that_were_installed_go_but_for_what_others_need_by_now(tmp_path: Path) -> None:
    """In a system of its own, which has nothing but these packages."""
    require_root()
    require_program("dpkg-deb")
    root, record = tmp_path / "root", tmp_path / "made"
    database = root / "var" / "lib" / "dpkg"
    for name in ("info", "updates"):
        (database / name).mkdir(parents=True)
    (database / "status").touch()
    packages = [
        make_package(tmp_path, "here-before"),
        make_package(tmp_path, "of-tests"),
        make_package(tmp_path, "of-tests-needed"),
        make_package(tmp_path, "came-later", needs="of-tests-needed"),
    ]
    environment = {"DPKG_ROOT": str(root)}
    subprocess.run(
        ["dpkg", "--install", *packages], env=os.environ | environment, check=True, stdout=subprocess.DEVNULL
    )
    record.write_text("package of-tests\npackage of-tests-needed\npackage long-gone\n")

    def installed() -> set[str]:
        query = ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Package}\n"]
        done = subprocess.run(query, env=os.environ | environment, check=True, capture_output=True, text=True)
        return set(done.stdout.splitlines())

    done = take_back(record, **environment)
    assert done.returncode == 1 and "of-tests-needed" in done.stderr
    assert installed() == {"ii here-before", "ii of-tests-needed", "ii came-later"}
    assert record.read_text() == "package of-tests-needed\n"
    subprocess.run(
        ["dpkg", "--purge", "came-later"], env=os.environ | environment, check=True, stdout=subprocess.DEVNULL
    )
    assert take_back(record, **environment).returncode == 0
    assert installed() == {"ii here-before"} and not record.exists()


def test_who_is_not_root_is_told_so(tmp_path: Path) -> None:
    require_root()
    bob = users.real_person(users.BOB)
    shared = Path(shutil.copy(_TAKE_BACK, tmp_path))
    record = tmp_path / "made"
    record.write_text(f"user {users.BOB}\n")
    setpriv = [require_program("setpriv"), f"--reuid={bob.uid}", f"--regid={bob.gid}", "--clear-groups"]
    with shared.open() as script, record.open() as readable:
        done = subprocess.run(
            [*setpriv, "sh", "-s", f"/dev/fd/{readable.fileno()}", "/none"],
            stdin=script,
            pass_fds=[readable.fileno()],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1 and "only root" in done.stderr
    assert pwd.getpwnam(users.BOB)


def test_each_target_is_explained_and_no_other_is_named() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (_ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in ("CONTRIBUTING.md", "README.md", "docs/releasing.md"):
        named = set(re.findall(r"(?:`|\$ )make ([a-z-]+)", (_ROOT / name).read_text()))
        assert named <= targets
        assert name != "CONTRIBUTING.md" or named == targets - {"help"}
