"""What keys on the terminal do: the link again, in a browser, as a QR code, a further one for others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import trio

from conductor_trio.client.display.keyboard import Keyboard
from conductor_trio.client.display.painter import Link, Mark, Notice
from conductor_trio.client.display.progress import ProgressModel
from conductor_trio.client.display.words import format_advice, make_sentence, step
from conductor_trio.errors import ConductorError

#: Makes a link, given the session's key and for how many seconds; returns what is to be said of it, and the link.
MakeLink = Callable[[str, float], Awaitable[tuple[str, str]]]

_HELP = "l shows the link, o opens it, s makes one for others, q draws it for a telephone, Ctrl-C ends it"


class KeyCommands:
    """Does what keys ask for, and says by `tell` what comes of it; `open_link` shows the link in a browser."""

    def __init__(
        self,
        keyboard: Keyboard,
        progress: ProgressModel,
        tell: Callable[..., None],
        open_link: Callable[[], Awaitable[None]],
        make_link: MakeLink,
        share_time: float,
    ) -> None:
        self.keyboard = keyboard
        self._progress = progress
        self._tell: Callable[..., None] = tell
        self._open_link = open_link
        self._make_link = make_link
        self._share_time = share_time
        self._is_sharing = False
        self._opening = trio.CancelScope()

    def mind(self) -> None:
        """Take keys where they mean something, and else leave them to whom they are for."""
        if self._progress.takes_keys:
            self.keyboard.take()
        else:
            self.keyboard.leave()

    async def run(self) -> None:
        """Follow the keyboard; what a key has begun ends with us."""
        async with trio.open_nursery() as nursery:
            await self.keyboard.run(partial(self._press, nursery))

    def _press(self, nursery: trio.Nursery, key: str) -> None:
        url = self._progress.url
        if url is None or not self._progress.takes_keys:
            return
        match key:
            case "l":
                self._tell(Link(url=url))
            case "q":
                self._tell(Link(url=url, has_code=True))
            case "o":
                self._opening.cancel()  # which keeps the page of the last time for its browser
                self._opening = trio.CancelScope()
                nursery.start_soon(self._open, self._opening, name="display: browser")
            case "s" if not self._is_sharing:
                self._is_sharing = True
                nursery.start_soon(self._share, name="display: new link")
            case "?" | "h":
                self._tell(step(_HELP))

    async def _open(self, scope: trio.CancelScope) -> None:
        with scope:
            await self._open_link()

    async def _share(self) -> None:
        try:
            about, url = await self._make_link(self._progress.key, self._share_time)
            self._tell(Notice(mark=Mark.DONE, text=about), Link(url=url))
        except ConductorError as error:
            text, beneath = make_sentence(error.what), format_advice(error.advice)
            self._tell(Notice(mark=Mark.WARNING, text=text, beneath=beneath))
        finally:
            self._is_sharing = False
