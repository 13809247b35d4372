"""The login link as a QR code for a telephone, and in a browser of this host."""

from __future__ import annotations

import contextlib
import html
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping

import trio

# The light margin that a reader needs: four modules (ISO/IEC 18004); two do on a screen that is dark around it.
_MARGIN = 2
# Black on white, whatever the terminal's own colours are: some readers do not know the reverse.
_BLACK_ON_WHITE = "\x1b[30;107m"
_RESET = "\x1b[0m"

_JOB_VARIABLES = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")


def draw_qr(url: str, *, width: int, has_colours: bool, has_unicode: bool) -> str:
    """Return the QR code as lines for the terminal, or a line that says why there is none."""
    import segno  # 30 ms that only those spend who want it

    rows = [
        [bool(dark) for dark in row] for row in segno.make(url, error="l", micro=False).matrix_iter(border=_MARGIN)
    ]
    if not has_unicode:
        return "The QR code needs a UTF-8 locale.\n"
    if len(rows[0]) > width:
        return f"The QR code needs {len(rows[0])} columns; make the window wider.\n"
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        # Without colours, blocks are the light modules, which is right on a dark background.
        blocks = "".join(_block(a is has_colours, b is has_colours) for a, b in zip(upper, lower, strict=True))
        lines.append(f"{_BLACK_ON_WHITE}{blocks}{_RESET}" if has_colours else blocks)
    return "\n".join(lines) + "\n\n"


def _block(upper: bool, lower: bool) -> str:
    return {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}[upper, lower]


def find_browser(environment: Mapping[str, str]) -> str | None:
    """Return the program that opens a page where the user sees it; None where nothing would show it.

    A display counts, and so does a $BROWSER of the user's own, as editors set it that show pages on another host;
    but a batch job may have inherited that from where it was handed in.
    """
    has_display = bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
    is_job = any(environment.get(name) for name in _JOB_VARIABLES)
    if not has_display and is_job:
        return None
    # Several may be listed; %s, where the page would stand, is no more than a habit of old.
    listed = [name for name in environment.get("BROWSER", "").split(":") if name and "%s" not in name]
    candidates = listed + (["xdg-open"] if has_display else [])
    return next((found for name in candidates if (found := shutil.which(name))), None)


@contextlib.contextmanager
def open_page(url: str) -> Iterator[str]:
    """Give the path of a page that only its owner can read and that leads on to `url`; removed on leaving.

    The link itself would stand in the process list, where every user of the host can read it.
    """
    target = html.escape(url)
    text = (
        '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="refresh" content="0; url={target}"><a href="{target}">On to the application</a>\n'
    )
    with tempfile.TemporaryDirectory(prefix="conductor-trio-", ignore_cleanup_errors=True) as directory:
        path = os.path.join(directory, "open.html")
        with open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text)
        yield path


async def start_browser(browser: str, path: str, start_timeout: float) -> None:
    """Show a page, in a process that is not ours: a browser lives on without us."""
    with trio.move_on_after(start_timeout):
        await trio.run_process(
            ["/bin/sh", "-c", '"$@" >/dev/null 2>&1 </dev/null &', "conductor-trio", browser, f"file://{path}"],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
        )
