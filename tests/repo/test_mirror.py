"""What holds for the tests as a whole: they mirror the package, share through `support`, touch nothing private."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import conductor_trio

PACKAGE = Path(conductor_trio.__file__).parent
TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("*.py"))

#: Directories of tests that mirror no package.
OTHER_DIRECTORIES = {
    "chaos": "every hop killed, stopped and cut",
    "doubles": "what stands for the other side",
    "e2e": "the whole chain",
    "fuzz": "the whole server and any bytes",
    "repo": "the sources and what is beside them",
    "server/proxy/conformance": "tables with a clause for each row",
    "support": "what several files share",
}

#: Modules that have no test file of their own, and where their promise is tested.
EXCEPTIONS = {
    "access/decisions.py": "values that `decide` returns: access/test_decide",
    "client/batch/state.py": "values and nothing else: client/batch/test_slurm",
    "client/cli/options.py": "a table: cli/test_table, repo/test_contrib",
    "limits/observability.py": "numbers, as limits/constants: repo/test_limits",
    "limits/workers.py": "numbers, as limits/constants: repo/test_limits",
    "server/orders/blocks.py": "values and nothing else: orders/test_orders",
    "server/cli/admin_table.py": "a table: cli/test_admin_commands, repo/test_contrib",
    "server/proxy/exchange/failures.py": "exceptions and nothing else: exchange/test_exchange",
    "server/proxy/ports.py": "an interface; who implements it: ownpages/test_pages",
    "server/routing/ports.py": "interfaces; who implements them: sessions/test_owner_service",
    "server/proxy/exchange/handed.py": "what a worker hands over: workers/test_handing",
    "server/workers/host.py": "a server with workers as processes: workers/test_crew, lifecycle/test_workers",
    "server/workers/internal.py": "the other end of what is handed over: workers/test_handing, workers/test_crew",
    "server/routing/keys.py": "names and nothing else: workers/test_handing",
    "server/workers/member.py": "a process as the crew sees it: workers/test_crew, workers/test_adoption",
    "server/workers/orphan.py": "the other end of an adoption: workers/test_adoption",
    "server/workers/plane.py": "what workers share: workers/test_handing",
    "server/workers/process.py": "a process: workers/test_crew, workers/test_adoption",
    "server/operation/successor.py": "a process that starts its own successor: lifecycle/test_restart",
}

#: Private members that tests use, by file, and why there is no other way.
PRIVATE = {
    ("e2e/test_chain.py", "_send"): "trio_websocket has no public way to send a fragment",
}

MODULES = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py") and "contrib" not in path.parts
)

by_file = pytest.mark.parametrize("path", FILES, ids=[path.relative_to(TESTS).as_posix() for path in FILES])


def mirrored(module: str) -> Path:
    """Return where a module's test file belongs."""
    return TESTS / Path(module).with_name(f"test_{Path(module).name}")


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_its_test_file(module: str) -> None:
    if module in EXCEPTIONS:
        assert not mirrored(module).exists(), "no exception any more"
    else:
        assert mirrored(module).exists(), f"no {mirrored(module).relative_to(TESTS.parent)}"


def test_every_exception_is_a_module() -> None:
    assert EXCEPTIONS.keys() <= set(MODULES)


def test_directories_mirror_packages() -> None:
    packages = {path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("__init__.py")}
    assert {path.parent.relative_to(TESTS).as_posix() for path in FILES} <= packages | OTHER_DIRECTORIES.keys()


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the module and the name of each import; the name is nothing where the module itself is imported."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, "") for alias in names)
            case ast.ImportFrom(module=module, names=names):
                yield from ((module or "", alias.name) for alias in names)


@by_file
def test_no_test_module_is_imported(path: Path) -> None:
    """What two files need is in `tests/support` or `tests/doubles`; a fixture needs no import."""
    found = [
        f"{module} {name}"
        for module, name in imports(parsed(path))
        if module.startswith("tests")
        for part in (*module.split("."), name)
        if part.startswith("test_") or part == "conftest"
    ]
    assert not found


def private_names(tree: ast.Module) -> Iterator[str]:
    """Yield the private names that are used of others than oneself."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                continue
            case ast.Attribute(attr=name) if name.startswith("_") and not name.startswith("__"):
                yield name
    yield from (name for _, name in imports(tree) if name.startswith("_") and not name.startswith("__"))


@by_file
def test_nothing_private_is_used(path: Path) -> None:
    place = path.relative_to(TESTS).as_posix()
    used = set(private_names(parsed(path))) - {"_make", "_replace"}  # of named tuples
    assert used == {name for file, name in PRIVATE if file == place}
