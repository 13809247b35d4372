"""The choice of the output, by whom it is for: programs, or people at a terminal, who may press keys there."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from conductor_trio.client.config.address import format_place
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.output.writer import Output, open_output

if TYPE_CHECKING:
    from conductor_trio.client.session.link_maker import LinkMaker

_STDIN = 0
_NO_TERMINAL = {"TERM": "dumb"}  # whatever a batch job has inherited


def make_link_maker(settings: ClientSettings) -> LinkMaker | None:
    """Return what makes links where a key can ask for one."""
    if not settings.takes_keys or not os.isatty(_STDIN):
        return None
    from conductor_trio.client.session.link_maker import LinkMaker

    return LinkMaker(settings.limits)


def open_chosen_output(
    settings: ClientSettings, stdout: int, links: LinkMaker | None
) -> AbstractAsyncContextManager[Output]:
    """Give the output; `links` is there where keys are to be taken."""
    if not settings.has_display:
        return open_output(stdout, settings.limits)
    # Its libraries take 0.1 s that programs need not wait for.
    from conductor_trio.client.display.display import DisplaySettings, open_display

    shown = DisplaySettings(
        place=None if settings.server.host is None else format_place(settings.server),
        link_file=None if settings.is_terminal else settings.link_file,
        show_qr=settings.show_qr,
        open_browser=settings.open_browser,
        verbose=settings.verbose,
        keyboard=None if links is None else _STDIN,
        make_link=None if links is None else links.make,
        environment={**os.environ, **({} if settings.is_terminal else _NO_TERMINAL)},
    )
    return open_display(stdout, settings.limits, shown)
