"""A batch job followed: asked for, its log shown as it grows, until it has ended."""

from __future__ import annotations

import codecs
import contextlib
import os
import time

import attrs
import trio

from conductor_trio.client.batch.progress import JobProgress
from conductor_trio.client.batch.records import Record, save
from conductor_trio.client.batch.scheduler import Scheduler, ask_place, ask_state
from conductor_trio.client.batch.state import JobState, Phase, Place
from conductor_trio.client.batch.view import JobView, open_view
from conductor_trio.limits.client import ClientLimits
from conductor_trio.limits.constants import LOG_TAIL_SIZE, MIB

_HALF_A_DAY = 43200


async def follow(
    record: Record, scheduler: Scheduler, descriptor: int, limits: ClientLimits, *, is_new: bool
) -> JobState:
    """Show a job until it has ended, and return how; of one that is not new the end of the log is shown first."""
    progress = JobProgress(
        title=scheduler.title,
        job=record.job,
        key=record.key,
        submitted=record.submitted,
        clock=_format_time,
    )
    async with open_view(descriptor, limits) as view:
        follower = _Follower(
            record=record, scheduler=scheduler, progress=progress, view=view, limits=limits, log=_Log(record.log)
        )
        return await follower.run(is_new=is_new)


def _format_time(when: float) -> str:
    """Return the time of day, with the date where it is not clear."""
    form = "%H:%M" if when < time.time() + _HALF_A_DAY else "%Y-%m-%d %H:%M"
    return time.strftime(form, time.localtime(when))


@attrs.define(eq=False, kw_only=True)
class _Follower:
    record: Record
    scheduler: Scheduler
    progress: JobProgress
    view: JobView
    limits: ClientLimits
    log: _Log
    hint: trio.Event = attrs.field(factory=trio.Event, init=False)  # that there may be news

    async def run(self, *, is_new: bool) -> JobState:
        """Follow the job to its end."""
        self.view.show(self.progress.begin())
        if not is_new:
            self.log.skip_to_end()
            self.view.pass_on(self.log.read())
            self.view.show(self.progress.note_link(self.record.read_link()))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_files, name="job: log and link")
            state = await self._ask_until_end()
            nursery.cancel_scope.cancel()
        # Slurm's own last word comes with the end, and a shared file system takes a moment.
        await trio.sleep(self.limits.log_look_interval)
        self.view.pass_on(self.log.read())
        self.view.show(self.progress.receive(state, None, time.time()))
        save(attrs.evolve(self.record, ended=state.word or "over"))
        return state

    async def _ask_until_end(self) -> JobState:
        """Ask the batch system, and more seldom the longer it takes; return the state at the end."""
        pause, asked_place = self.limits.job_look_pause, -float("inf")
        place: Place | None = None
        known: tuple[Phase, int] | None = None
        while True:
            state = await ask_state(self.scheduler, self.record.job)
            if state is not None:
                if state.phase is Phase.ENDED:
                    return state
                if (state.phase, state.restarts) != known:
                    known, pause = (state.phase, state.restarts), self.limits.job_look_pause
                if trio.current_time() > asked_place + self.limits.queue_look_interval:
                    place, asked_place = await self._ask_place(state), trio.current_time()
                self.view.show(self.progress.receive(state, place, time.time()))
            with trio.move_on_after(pause):
                await self.hint.wait()
            self.hint = trio.Event()
            pause = min(pause * self.limits.job_look_growth, self.limits.max_job_look_pause)

    async def _ask_place(self, state: JobState) -> Place | None:
        return await ask_place(self.scheduler, self.record.job, state)

    async def _watch_files(self) -> None:
        while True:
            # No event tells of what another node writes.
            await self.view.wait_room()
            if self.progress.state is not None and self.progress.state.phase is Phase.RUNNING:
                self.view.pass_on(self.log.read())
            elif self.log.has_grown():
                self.hint.set()
            self.view.show(self.progress.note_link(self.record.read_link()))
            self.view.set_status(self.progress.status(time.time()))
            await trio.sleep(self.limits.log_look_interval)


class _Log:
    """A log that another host writes, read as it grows."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._offset = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def skip_to_end(self) -> None:
        """Have the next read begin with the last lines."""
        try:
            self._offset = max(0, os.stat(self._path).st_size - LOG_TAIL_SIZE)
        except OSError:
            return
        if self._offset:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                self._offset += len(file.readline())

    def has_grown(self) -> bool:
        """Whether there is something to read."""
        with contextlib.suppress(OSError):
            return os.stat(self._path).st_size > self._offset
        return False

    def read(self) -> str:
        """Return what has come since the last time."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                chunk = file.read(MIB)
        except OSError:
            return ""
        self._offset += len(chunk)
        return self._decoder.decode(chunk)
