"""The job scripts, run as the batch system runs them, with a stand-in for Jupyter."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

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
        command: list[str | Path] = [require_program("sh"), job / script]
        async with open_program(command, environment=environment, cwd=job) as program:
            await program.out.wait_line(lambda line: "Ready after" in line)
            assert link.stat().st_mode & 0o777 == 0o600
            address = urlsplit(link.read_text().strip())
            token = address.path.rpartition("/")[2]
            assert token not in program.out.text  # which goes to a file that others may read
            assert address.path == f"/_conductor/auth/{token}"
            assert address.netloc.startswith("jupyter17-")
            answer = await ask(server.port, address.netloc, "/", token=token)
            assert answer.body.startswith(b"lab --no-browser --ServerApp.sock=")
            assert "serving" in program.out.text
            status = await program.end()
        assert not link.exists()
        assert status == 0


ONDEMAND = JOBS.parent / "ondemand"


@pytest.mark.parametrize("path", sorted(ONDEMAND.rglob("*.erb")), ids=lambda path: path.name)
def test_the_app_of_open_ondemand_is_well_formed(path: Path) -> None:
    """That is all that is known of it: there is no Open OnDemand here."""
    text = re.sub(r"<%=.*?%>", "1", path.read_text())
    assert text.count("<%") == text.count("%>")
    if path.name.endswith(".sh.erb"):
        subprocess.run([require_program("bash"), "-n"], input=text, text=True, check=True)
    if path.name.endswith(".yml.erb"):
        assert isinstance(yaml.safe_load(text), dict)
