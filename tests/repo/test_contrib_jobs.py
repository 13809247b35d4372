"""The job scripts, run as the batch system runs them, with a stand-in for Jupyter."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.needs import require_program
from tests.support.programs import (
    OWN_PYTHON,
    ask,
    open_program,
    open_server,
)

JOBS = Path(__file__).parents[2] / "contrib" / "jobs"

#: Says what it was told of, where the recipe has it listen.
JUPYTER = """\
import http.server, os, socketserver, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "visitor"

    def do_GET(self):
        body = " ".join(sys.argv[1:]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

[path] = [word.partition("=")[2] for word in sys.argv if word.startswith("--ServerApp.sock=")]
print("serving", flush=True)
socketserver.UnixStreamServer(path, Handler).serve_forever()
"""

SCRIPTS = [("jupyter.slurm", {"SLURM_JOB_ID": "17"}), ("jupyter.pbs", {"PBS_JOBID": "17.master"})]


@pytest.mark.parametrize(("script", "variables"), SCRIPTS, ids=[name for name, _ in SCRIPTS])
async def test_a_job_leaves_its_link_while_it_runs(
    short_tmp: Path, runtime_dir: Path, script: str, variables: dict[str, str]
) -> None:
    job = short_tmp / "job"
    shutil.copytree(JOBS, job)
    (job / "jupyter").write_text(f"#!{sys.executable}\n{JUPYTER}")
    (job / "jupyter").chmod(0o755)
    link = job / "jupyter-17.link"
    async with open_server(runtime_dir) as server:
        environment = {
            "PATH": f"{job}:{OWN_PYTHON.parent}:/usr/bin:/bin",
            "HOME": str(job),
            "TMPDIR": str(short_tmp),
            "CONDUCTOR_SERVER": str(server.control_socket),
            "PBS_O_WORKDIR": str(job),
            **variables,
        }
        command: list[str | Path] = [require_program("bash"), job / script]
        async with open_program(command, environment=environment, cwd=job) as program:
            await program.out.wait_line(lambda line: line == f"live: the link is in {link.name}")
            assert link.stat().st_mode & 0o777 == 0o600
            address = urlsplit(link.read_text().strip())
            token = address.path.rpartition("/")[2]
            assert address.scheme == "https"
            assert address.path == f"/_conductor/auth/{token}"
            assert address.netloc.startswith("jupyter17-")
            answer = await ask(server.port, address.netloc, "/", token=token)
            assert answer.body.startswith(b"lab --no-browser --ServerApp.sock=")
            assert "serving" in program.out.text
            status = await program.end()
        assert not link.exists()
        assert status == 0


def test_the_link_is_in_a_file_that_nobody_else_has_made(tmp_path: Path) -> None:
    """In a directory of a project, for instance, where others may write, too."""
    live = json.dumps({"state": "live", "config": {"urls": ["lab.example.org"], "auth": "s3cret"}})
    link, others = tmp_path / "job.link", tmp_path / "others"
    others.touch(mode=0o666)
    for name in ("job.link", "job.link.new"):
        (tmp_path / name).symlink_to(others)
    with subprocess.Popen(
        [sys.executable, JOBS / "write-link.py", link], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{live}\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith("live")
        assert not link.is_symlink()
        assert link.stat().st_mode & 0o777 == 0o600
        assert "s3cret" in link.read_text()
        process.stdin.close()
    assert others.read_text() == ""
