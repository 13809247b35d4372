"""The server's command line: what it means, and what is refused in one line."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from conductor_trio import __version__
from conductor_trio.interpreter import describe_interpreter
from tests.support.certificates import CertificateAuthority
from tests.support.needs import require_program
from tests.support.programs import OWN_PYTHON

TLS = ["--ssl-cert-file", "c.pem", "--ssl-key-file", "k.pem"]


def run_server(*options: str) -> subprocess.CompletedProcess[str]:
    command = [str(OWN_PYTHON.with_name("conductor-trio-server")), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def assert_one_line(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    """Check that the server said in one line what is wrong, and ended with that status."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("conductor-trio-server: ")
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-p", "80", "-s", "x"], ["-s", "-p"]),
        (["-d", "{key}.localhost"], ["{key}.localhost", "{user}"]),
        (["-d", "localhost"], ["{key} and {user}"]),
        (["-d", "{key}{user}.localhost"], ["between"]),
        (["-d", "{key}-{user}.a", "-d", "{user}-{key}.a"], ["same host name"]),
        (["--ssl-cert-file", "c.pem"], ["--ssl-key-file"]),
        ([*TLS], ["cannot read c.pem", "No such file"]),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(short_tmp: Path, options: list[str], words: list[str]) -> None:
    assert_one_line(run_server("-r", str(short_tmp / "run"), *options), 2, *words)
    assert list(short_tmp.iterdir()) == []


@pytest.mark.parametrize("options", [["-p", "http"], ["--no-such-option"], ["extra"], ["--grace", "soon"]])
def test_what_is_no_option_shows_the_usage(options: list[str]) -> None:
    done = run_server(*options)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: conductor-trio-server")
    assert "Traceback" not in done.stderr


def test_version_and_help() -> None:
    told = f"conductor-trio-server {__version__} ({describe_interpreter()})\n"
    assert run_server("--version").stdout == told
    shown = run_server("--help").stdout
    for option in ("-p", "-s", "-r", "-d", "-v", "--ssl-cert-file", "--ssl-key-file", "--ssl-allowed-clients"):
        assert option in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["chek"], "there is no command 'chek'; did you mean check?"),
        (
            ["extra"],
            "there is no command 'extra'; there is: announce, block, check, completion, config, drain, end",
        ),
        (["check", "extra"], "unrecognized argument 'extra'"),
        (["--take-ovr"], "unrecognized option --take-ovr; did you mean --take-over?"),
        (["check", "--check"], "unrecognized option --check, which is for `conductor-trio-server`"),
        (["help", "chek"], "did you mean check?"),
        (["completion", "bsh"], "did you mean bash?"),
    ],
)
def test_what_was_meant_is_said(words: list[str], says: str) -> None:
    done = run_server(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")
    assert says in done.stderr.splitlines()[-1]


def test_check_is_a_command_and_an_option(short_tmp: Path) -> None:
    where = ["-r", str(short_tmp / "run")]
    told = [run_server(*words) for words in (["--check", *where], ["check", *where], [*where, "check"])]
    assert len({(done.returncode, done.stdout) for done in told}) == 1
    assert f"{short_tmp}/run is not there yet" in told[0].stdout
    assert_one_line(run_server("check", "-p", "99999"), 2, "99999")


def test_ctrl_c_while_it_starts_is_no_traceback(short_tmp: Path) -> None:
    # A module that stands in the way of what is slow to import, for as long as a person needs.
    (short_tmp / "trio.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    command = [
        str(OWN_PYTHON),
        "-c",
        "import sys; from conductor_trio.server.cli.main import main; sys.exit(main([]))",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PYTHONPATH": str(short_tmp)}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0


def test_as_many_files_as_allowed_may_be_open(short_tmp: Path) -> None:
    (short_tmp / "trio.py").write_text("import resource\nprint(resource.getrlimit(resource.RLIMIT_NOFILE))\n")
    code = "from conductor_trio.server.cli import main; main._allow_many_files(); import trio"
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -Sn 50; ulimit -Hn 77; exec "$@"', "sh", str(OWN_PYTHON), "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(short_tmp)},
        timeout=20,
        check=True,
    )
    assert done.stdout == "(77, 77)\n"


# Certificates.


@pytest.fixture
def papers(short_tmp: Path) -> Path:
    """Write a certificate, its key, the same key encrypted, and another's key."""
    authority = CertificateAuthority()
    one, other = authority.issue("a.localhost"), authority.issue("b.localhost")
    (short_tmp / "cert.pem").write_bytes(one.certificate)
    (short_tmp / "key.pem").write_bytes(one.key)
    (short_tmp / "other.pem").write_bytes(other.key)
    (short_tmp / "text.pem").write_text("no certificate")
    return short_tmp


@pytest.mark.parametrize(
    ("cert", "key", "clients", "words"),
    [
        ("cert.pem", "other.pem", None, ["cert.pem", "other.pem"]),
        ("text.pem", "key.pem", None, ["text.pem"]),
        ("cert.pem", "text.pem", None, ["text.pem"]),
        ("cert.pem", "none.pem", None, ["cannot read", "none.pem"]),
        ("cert.pem", "key.pem", "text.pem", ["text.pem", "no certificate"]),
        ("cert.pem", "key.pem", "none.pem", ["cannot read", "none.pem"]),
        (".", "key.pem", None, ["cannot read", "Is a directory"]),
    ],
)
def test_bad_certificates_are_named(
    papers: Path, cert: str, key: str, clients: str | None, words: list[str]
) -> None:
    options = ["--ssl-cert-file", str(papers / cert), "--ssl-key-file", str(papers / key)]
    if clients is not None:
        options += ["--ssl-allowed-clients", str(papers / clients)]
    assert_one_line(run_server("-r", str(papers / "run"), *options), 2, *words)
    assert not (papers / "run").exists()


def test_an_encrypted_key_is_never_asked_about(papers: Path) -> None:
    encrypted = papers / "encrypted.pem"
    key, words = str(papers / "key.pem"), ["-aes128", "-passout", "pass:secret", "-out", str(encrypted)]
    subprocess.run([require_program("openssl"), "pkey", "-in", key, *words], capture_output=True, check=True)
    files = ["--ssl-cert-file", str(papers / "cert.pem"), "--ssl-key-file", str(encrypted)]
    assert_one_line(run_server("-r", str(papers / "run"), *files), 2, "encrypted.pem", "unencrypted")
