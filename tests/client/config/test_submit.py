"""What the configuration says of jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor_trio.client.config.files import load_config
from conductor_trio.client.config.submit import check_count, check_memory, jobs_directory
from conductor_trio.errors import ConfigError


def load(tmp_path: Path, text: str, site: str = "") -> dict[str, object]:
    for name, content in (("site", site), ("user", text)):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "config.toml").write_text(content)
    return dict(load_config({}, [str(tmp_path / "site"), str(tmp_path / "user")]).submit)


def test_each_setting_wins_by_itself(tmp_path: Path) -> None:
    site = '[submit]\nscheduler = "slurm"\ntime = "4h"\npartition = "gpu"\noptions = ["--qos=x"]\n'
    user = '[submit]\ntime = "90m"\ngpus = 1\ncpus = 4\nmemory = "16gb"\naccount = "lab"\n'
    assert load(tmp_path, user, site) == {
        "scheduler": "slurm",
        "time": 5400.0,
        "partition": "gpu",
        "options": ("--qos=x",),
        "gpus": 1,
        "cpus": 4,
        "memory": "16G",
        "account": "lab",
    }


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("tiem = 1", "submit.tiem: there is no such setting; did you mean time?"),
        ('memory = "much"', "submit.memory: 'much' is no amount of memory; write it as 16G or 500M"),
        ('scheduler = "lsf"', "submit.scheduler: 'lsf' is no batch system that is known here; it is slurm or pbs"),
        ("gpus = 0", "submit.gpus: has to be a number from 1 to"),
        ('options = "x"', "submit.options: has to be a list of texts"),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"[submit]\n{line}\n")
    assert f"config.toml:2: {told}" in str(caught.value)


def test_where_jobs_are(tmp_path: Path) -> None:
    assert jobs_directory({}, {"HOME": "/h"}) == "/h/.local/state/conductor-trio/jobs"
    assert jobs_directory({}, {"HOME": "/h", "XDG_STATE_HOME": "/s"}) == "/s/conductor-trio/jobs"
    assert jobs_directory({}, {"HOME": "/h", "XDG_STATE_HOME": "s"}) == "/h/.local/state/conductor-trio/jobs"
    assert jobs_directory({"directory": "/d"}, {}) == "/d"


@pytest.mark.parametrize(("text", "memory"), [("16G", "16G"), ("16gb", "16G"), ("500", "500M"), ("1t", "1T")])
def test_memory(text: str, memory: str) -> None:
    assert check_memory(text) == memory


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x", "", "\u0664"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ConfigError):
        check_count(text)
