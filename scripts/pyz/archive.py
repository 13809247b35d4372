"""What is in the files: which packages, for which Pythons, and how they are packed, always to the same bytes.

The packages are those of the environment that runs this: what was tested is what is packed.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
_START = Path(__file__).with_name("start.py")
_PROJECT = "conductor-trio"


@attrs.frozen(kw_only=True)
class Packed:
    """A program as one file: its entry point, and what of all that is installed it does without."""

    name: str
    entry: str
    without: tuple[str, ...]


PROGRAMS = (
    Packed(
        name="conductor-trio",
        entry="conductor_trio.client.__main__",
        without=(
            "conductor_trio/log",
            "conductor_trio/server",
            "inotify_simple",
            "prometheus_client",
            "pygments",
            "structlog",
            "trio_websocket",
            "wsproto",
        ),
    ),
    Packed(
        name="conductor-trio-server",
        entry="conductor_trio.server.__main__",
        without=(
            "conductor_trio/__main__",
            "conductor_trio/client",
            "conductor_trio/recipes",
            "pygments",
            "segno",
        ),
    ),
)
#: What comes with a package for others, such as its tests; and how rich reads Markdown.
_UNUSED = {"_tests", "testing", "tests", "markdown_it", "mdurl"}
_LICENCE = re.compile("(?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)", re.I)


def write_program(program: Packed, target: Path) -> Path:
    """Write the file into a directory, and return its path."""
    needed = {
        name: found for name, found in _needed(_PROJECT).items() if set(_modules_of(found)) - {*program.without}
    }
    sources = dict(sorted(_choose(program, needed.values())))
    parts = {"source.zip": _pack(sources.items())}
    for python in find_pythons():
        tag, compiled = _compile(python, sources)
        parts[f"{tag}.zip"] = _pack(compiled.items())
    start = _START.read_text().replace("@ENTRY@", program.entry)
    members = [("__main__.py", start.encode()), *parts.items(), *_licences(needed)]
    file = target / f"{program.name}.pyz"
    temporary = file.with_suffix(".new")
    temporary.write_bytes(b"#!/usr/bin/env python3\n" + _pack(members, compression=zipfile.ZIP_STORED))
    temporary.chmod(0o755)
    return temporary.replace(file)


def find_pythons() -> list[str]:
    """Return this Python and each other one on PATH that the program runs on, one of each version."""
    found = [sys.executable]
    for minor in range(11, 20):
        python = shutil.which(f"python3.{minor}")
        if python is not None and minor != sys.version_info.minor and _runs(python):
            found.append(python)
    return found


def _needed(name: str) -> dict[str, Distribution]:
    """Return a project and what it needs, by name; what is needed on other systems or older Pythons is not."""
    found: dict[str, Distribution] = {}
    left = [name]
    while left:
        name = left.pop()
        if name not in found:
            found[name] = distribution(name)
            left += [_name(needed) for needed in found[name].requires or () if ";" not in needed]
    return dict(sorted(found.items()))


def _name(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    assert match is not None
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def _files_of(found: Distribution) -> Iterator[tuple[str, Path]]:
    """Yield the modules and data of a project: their places below an import path, and where they are."""
    if _name(found.name) == _PROJECT:  # which need not be installed as files
        for directory, _, names in os.walk(ROOT / "conductor_trio", followlinks=True):
            for name in names:
                path = Path(directory, name)
                yield path.relative_to(ROOT).as_posix(), path
        return
    for file in found.files or ():
        if file.suffix == ".py" and not _UNUSED.intersection(file.parts):
            yield file.as_posix(), Path(str(file.locate()))


def _modules_of(found: Distribution) -> Iterator[str]:
    return (place.partition("/")[0].removesuffix(".py") for place, _ in _files_of(found))


def _choose(program: Packed, needed: Iterable[Distribution]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the program, by their paths in it."""
    for found in needed:
        about, _, _ = (found.read_text("METADATA") or "").partition("\n\n")  # some ask for versions there
        yield f"{_name(found.name).replace('-', '_')}-{found.version}.dist-info/METADATA", about.encode()
        for place, path in _files_of(found):
            is_left_out = any(
                place.removesuffix(".py") == left or place.startswith(f"{left}/") for left in program.without
            )
            if not is_left_out and path.suffix not in (".pyc", ".md", ".typed"):
                yield place, path.read_bytes()


def _licences(needed: dict[str, Distribution]) -> Iterator[tuple[str, bytes]]:
    """Yield the licences of what is in the program, and a list of it with the versions."""
    for name, found in needed.items():
        if name == _PROJECT:
            yield f"licences/{name}/LICENSE", (ROOT / "LICENSE").read_bytes()
            continue
        for file in found.files or ():
            if ".dist-info" in file.parts[0] and _LICENCE.match(file.name):
                yield f"licences/{name}/{file.name}", Path(str(file.locate())).read_bytes()
    yield "licences/versions.txt", "".join(f"{name} {found.version}\n" for name, found in needed.items()).encode()


_COMPILE = """
import marshal, sys
from importlib.util import MAGIC_NUMBER
sys.stdout.buffer.write(sys.implementation.cache_tag.encode() + b"\\n")
stream = sys.stdin.buffer
while name := stream.readline().decode().strip():
    code = compile(stream.read(int(stream.readline())), name, "exec", dont_inherit=True)
    # A bytecode file that is never compared with its source (PEP 552).
    content = MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + marshal.dumps(code)
    sys.stdout.buffer.write(b"%d\\n%s" % (len(content), content))
"""


def _compile(python: str, sources: dict[str, bytes]) -> tuple[str, dict[str, bytes]]:
    """Return the Python's tag, and the files with its bytecode in the place of all modules."""
    modules = {
        name: content for name, content in sources.items() if name.endswith(".py") and "/contrib/" not in name
    }
    asked = b"".join(b"%s\n%d\n%s" % (name.encode(), len(text), text) for name, text in modules.items())
    done = subprocess.run([python, "-ISc", _COMPILE], input=asked, stdout=subprocess.PIPE, check=True)
    stream = io.BytesIO(done.stdout)
    tag = stream.readline().decode().strip()
    compiled = {f"{name}c": stream.read(int(stream.readline())) for name in modules}
    return tag, {name: content for name, content in sources.items() if name not in modules} | compiled


def _runs(python: str) -> bool:
    return subprocess.run([python, "-ISc", ""], stderr=subprocess.DEVNULL, check=False).returncode == 0


def _pack(files: Iterable[tuple[str, bytes]], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an archive of the files, whose times are that of $SOURCE_DATE_EPOCH or nothing."""
    moment = time.gmtime(max(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), 315532800))[:6]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files:
            information = zipfile.ZipInfo(name, moment)
            information.external_attr = 0o644 << 16
            archive.writestr(information, text, compression)
    return content.getvalue()
