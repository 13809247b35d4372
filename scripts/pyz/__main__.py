"""``python -m scripts.pyz [DIRECTORY]``: write conductor-trio.pyz and conductor-trio-server.pyz into it (dist)."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.pyz.archive import PROGRAMS, write_program

if __name__ == "__main__":
    [target] = map(Path, sys.argv[1:] or ["dist"])
    target.mkdir(parents=True, exist_ok=True)
    for program in PROGRAMS:
        print(write_program(program, target))
