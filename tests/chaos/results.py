"""The trials' results as a table and as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence

import attrs

from tests.chaos.trial import Result

_COLUMNS = "{:<20} {:<13} {:<8} {:>7} {:>13} {:>13}"


def format_heading() -> str:
    """Return the heading of the table of trials."""
    return _COLUMNS.format("fault", "phase", "outcome", "live, s", "own failed", "others failed")


def format_result(result: Result) -> str:
    """Return a trial's line, and where something did not hold, what, and what was said."""
    line = _COLUMNS.format(
        result.fault,
        result.phase,
        result.outcome or "?",
        "" if result.live_after is None else f"{result.live_after:.2f}",
        f"{result.failed_of_affected}/{result.asked_of_affected}",
        f"{result.failed_of_others}/{result.asked_of_others}",
    )
    if not result.breaches:
        return line
    breaches = [f"    BREACH: {breach}" for breach in result.breaches]
    return "\n".join([line, *breaches, *(f"    | {said}" for said in result.log)])


def format_summary(results: Sequence[Result]) -> str:
    """Return a line for each fault with all its trials, and one for the whole."""
    columns = "{:<20} {:>6} {:>9} {:>12} {:>12} {:>13} {:>13}"
    heading = ("fault", "trials", "breached", "live, median", "longest, s", "own failed", "others failed")
    lines = [columns.format(*heading)]
    for fault in dict.fromkeys(result.fault for result in results):
        own = [result for result in results if result.fault == fault]
        times = [result.live_after for result in own if result.live_after is not None]
        lines.append(
            columns.format(
                fault,
                len(own),
                sum(bool(result.breaches) for result in own),
                f"{statistics.median(times):.2f}" if times else "",
                f"{max(times):.2f}" if times else "",
                f"{sum(r.failed_of_affected for r in own)}/{sum(r.asked_of_affected for r in own)}",
                f"{sum(r.failed_of_others for r in own)}/{sum(r.asked_of_others for r in own)}",
            )
        )
    breached = sum(bool(result.breaches) for result in results)
    lines.append(f"{len(results)} trials, {breached} breached.")
    return "\n".join(lines)


def format_json(results: Iterable[Result], seed: int) -> str:
    """Return everything for programs."""
    return json.dumps({"seed": seed, "trials": [attrs.asdict(result) for result in results]}, indent=2)
