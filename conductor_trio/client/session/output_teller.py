"""What the application says while it starts, told to the server now and then, for its owner to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from conductor_trio.client.session.channel import ControlChannel
from conductor_trio.control.events import Output
from conductor_trio.limits.constants import OUTPUT_PAUSE

if TYPE_CHECKING:
    from conductor_trio.client.application.output_tail import OutputTail


async def tell_output(channel: ControlChannel, tail: OutputTail, ready: trio.Event) -> None:
    """Tell it over this channel until the application is ready."""
    told: tuple[str, ...] = ()
    while not ready.is_set():
        if (lines := tail.lines) == told:
            await tail.wait_changed()
            continue
        await channel.send_event(Output(lines=lines))
        told = lines
        await trio.sleep(OUTPUT_PAUSE)
