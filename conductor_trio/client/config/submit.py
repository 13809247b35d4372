"""What the configuration says of batch jobs: the table ``[submit]``, whose keys are called as the options are."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TypedDict

from conductor_trio.configuration.toml_table import Table
from conductor_trio.errors import ConfigError
from conductor_trio.limits.constants import MAX_JOB_COUNT

#: The batch systems that there are.
SCHEDULERS = ("slurm", "pbs")

_MEMORY = re.compile(r"([1-9][0-9]{0,8})([KMGT]?)B?", re.IGNORECASE)


class SubmitConfig(TypedDict, total=False):
    """What was said of jobs; what is not there was not said."""

    scheduler: str
    time: float
    gpus: int
    cpus: int
    memory: str
    partition: str
    account: str
    directory: str
    options: tuple[str, ...]


def parse_submit(table: Table) -> SubmitConfig:
    """Return what the table says; raises `ConfigError`."""
    table.check_keys(SubmitConfig.__annotations__)
    said: dict[str, object] = {
        "time": table.get_seconds("time"),
        "gpus": table.get_number("gpus", 1, MAX_JOB_COUNT),
        "cpus": table.get_number("cpus", 1, MAX_JOB_COUNT),
        "partition": table.get_text("partition"),
        "account": table.get_text("account"),
        "directory": table.get_text("directory"),
        "options": table.get_texts("options"),
    }
    for key, check in (("scheduler", check_scheduler), ("memory", check_memory)):
        text = table.get_text(key)
        try:
            said[key] = None if text is None else check(text)
        except ConfigError as error:
            raise table.wrong(str(error), key) from error
    config = SubmitConfig()
    config.update({key: value for key, value in said.items() if value is not None})  # type: ignore[typeddict-item]
    return config


def jobs_directory(config: SubmitConfig, environ: Mapping[str, str]) -> str:
    """Return where jobs have their directories, for what login and compute nodes share."""
    if "directory" in config:
        return os.path.abspath(os.path.expanduser(config["directory"]))
    base = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "conductor-trio", "jobs")


def check_scheduler(text: str) -> str:
    """Return the name of a batch system; raises `ConfigError`."""
    if text not in SCHEDULERS:
        raise ConfigError(f"{text!r} is no batch system that is known here", advice="it is slurm or pbs")
    return text


def check_memory(text: str) -> str:
    """Return ``16G`` for what a user writes so, such as 16g or 16GB; raises `ConfigError`."""
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise ConfigError(f"{text!r} is no amount of memory", advice="write it as 16G or 500M")
    return match[1] + (match[2] or "M").upper()


def check_count(text: str) -> int:
    """Return a number of GPUs or CPUs; raises `ConfigError`."""
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        raise ConfigError(f"{text!r} is no number of them")
    return int(text)
