"""What a command line of `submit` means, by what it would hand in; that it does is in e2e/test_submit."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from conductor_trio.client.cli.submit_command import run_submit
from conductor_trio.client.cli.table import CLIENT
from conductor_trio.commandline.parser import parse
from conductor_trio.errors import ConfigError


@pytest.fixture(autouse=True)
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A login node with sbatch, and nothing else."""
    (tmp_path / "sbatch").touch(mode=0o755)
    for name in ("CONDUCTOR_SERVER", "CONDUCTOR_KEY", "CONDUCTOR_TOKEN", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (("PATH", tmp_path), ("HOME", tmp_path), ("XDG_CONFIG_HOME", tmp_path)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hand_in(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    """Return sbatch's command, and the client's in the script."""
    assert run_submit(parse(CLIENT, ["submit", "--dry-run", *shlex.split(line)])) == 0
    command, _, script = capsys.readouterr().out.partition("\n\n")
    [client] = re.findall(r"^exec (/.*)$", script, re.MULTILINE)
    words = shlex.split(client)
    return shlex.split(command), words[words.index("--text") :]


def test_the_client_in_the_job_has_its_files(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command, client = hand_in("-k lab gw -- jupyter lab --debug", capsys)
    files = cluster / ".local" / "state" / "conductor-trio" / "jobs" / "lab"
    assert command[-1] == str(files / "script")
    assert f"--chdir={cluster}" in command
    assert client == [
        *("--text", "--link-file", str(files / "link"), "-k", "lab", "--token-file", str(files / "token")),
        *("gw", "--", "jupyter", "lab", "--debug"),
    ]
    assert not files.exists()


def test_its_own_options_are_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    line = "-k lab -r -v --no-recipe --tcp 80 --tcp-shared --idle 90m --no-busy gw -- x"
    _, client = hand_in(line, capsys)
    options = client[5 : client.index("--token-file")]
    assert options == [
        *("--tcp", "80", "--idle", "5400s", "--no-busy", "--tcp-shared", "--replace", "--no-recipe", "--verbose"),
    ]


@pytest.mark.parametrize(
    ("line", "options", "command"),
    [
        (
            "-- --constraint=a100 --exclusive -- jupyter lab",
            ["--constraint=a100", "--exclusive"],
            ["jupyter", "lab"],
        ),
        ("-- jupyter lab -- -x", [], ["jupyter", "lab", "--", "-x"]),
        ("-- -- jupyter", [], ["jupyter"]),
    ],
)
def test_words_before_a_second_dash_are_the_batch_systems(
    line: str, options: list[str], command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    submitted, client = hand_in(f"-k lab gw {line}", capsys)
    assert submitted[submitted.index("--signal=B:TERM@60") + 1 : -1] == options
    assert client[client.index("--") + 1 :] == command


def test_the_configuration_says_what_the_options_do_not(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cluster / "conductor-trio").mkdir()
    (cluster / "conductor-trio" / "config.toml").write_text(
        'server = "gw"\nkey = "mine"\n[submit]\ntime = "4h"\ngpus = 2\ndirectory = "~/shared"\n'
    )
    command, client = hand_in("--gpus 1 -- x", capsys)
    assert "--time=04:00:00" in command
    assert "--gpus=1" in command
    assert client[2] == str(cluster / "shared" / "mine" / "link")


def test_without_a_key_one_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    _, client = hand_in("gw -- /opt/Jupyter-Lab/bin/jupyter lab", capsys)
    assert re.fullmatch(r"jupyter[a-z0-9]{4}", client[client.index("-k") + 1])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-- x", "no SERVER: name the gateway before --"),
        ("gw", "the COMMAND that starts the application is missing"),
        ("gw -- --exclusive", "the COMMAND that starts the application is missing"),
        ("-k ../x gw -- x", "the key '../x' is none"),
        ("gw:99999 -- x", "there is no port 99999"),
        ("--tcp-shared gw -- x", "--tcp-shared is for an application that listens on a TCP port"),
        ("--scheduler pbs gw -- x", "there is no qsub here"),
        ("--scheduler lsf gw -- x", "'lsf' is no batch system that is known here"),
        ("--memory much gw -- x", "'much' is no amount of memory"),
        ("--gpus 0 gw -- x", "'0' is no number of them"),
        ("--time soon gw -- x", "'soon' is no time"),
        ("--attach lab", "there is no job of yours whose session is 'lab'"),
        ("--attach ../x", "there is no job of yours whose session is '../x'"),
        ("--attach lab gw -- x", "--attach follows a job that was handed in before"),
    ],
)
def test_mistakes_are_told_before_anything_is_handed_in(
    line: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((ConfigError, SystemExit)) as caught:
        run_submit(parse(CLIENT, ["submit", *shlex.split(line)]))
    assert told in f"{caught.value}{capsys.readouterr().err}"
