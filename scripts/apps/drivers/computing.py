"""Programs that compute, with a page beside them, and a whole desktop: Dask, Ray, MATLAB, noVNC."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from scripts.apps.application import Application
from scripts.apps.drivers.tools import wait_for_answer


def _see_tasks(page: Page, directory: Path) -> None:
    page.locator("canvas").first.wait_for()  # drawn of what comes over the WebSocket
    page.get_by_role("link", name="Info").click()
    expect(page.get_by_text("tcp://127.0.0.1:").first).to_be_visible()


def _see_job(page: Page, directory: Path) -> None:
    expect(page.get_by_text("Overview").first).to_be_visible()
    page.get_by_role("link", name="Jobs", exact=True).first.click()
    expect(page.get_by_text("RUNNING").first).to_be_visible()


def _see_that_there_is_none(page: Page, directory: Path) -> None:
    expect(page.get_by_text("Unable to find MATLAB on the system PATH").first).to_be_visible()


def _type_on_desktop(page: Page, directory: Path) -> None:
    page.locator("#noVNC_container canvas").wait_for()
    page.wait_for_timeout(3000)  # until its terminal has a shell, which nothing on the page tells
    page.mouse.click(150, 150)
    page.keyboard.type("echo $((6 * 7)) > answer\n", delay=40)
    wait_for_answer(directory)


_DASK = """\
import time
from dask.distributed import Client
if __name__ == "__main__":
    client = Client(n_workers=1, threads_per_worker=1)
    while True:
        client.submit(sum, range(42)).result()
        time.sleep(0.2)
"""

_RAY = """\
import time
import ray
ray.init(num_cpus=1)

@ray.remote
def answer():
    return 42

while True:
    ray.get(answer.remote())
    time.sleep(0.5)
"""

APPLICATIONS = (
    Application(
        name="dask",
        title="Dask's dashboard",
        python_packages=("distributed", "dask", "bokeh"),
        command=("dask", "program.py"),
        run_recipe=True,
        files={"program.py": _DASK},
        start="/status",
        use=_see_tasks,
        tried="its workers looked at",
    ),
    Application(
        name="ray",
        title="Ray's dashboard",
        python_packages=("ray[default]",),
        command=("ray", "program.py"),
        run_recipe=True,
        files={"program.py": _RAY},
        use=_see_job,
        tried="its job looked at",
        websocket=False,
    ),
    Application(
        name="matlab",
        title="MATLAB by matlab-proxy",
        python_packages=("matlab-proxy",),
        command=("matlab-proxy-app",),
        use=_see_that_there_is_none,
        tried="its page says that MATLAB is missing",
        websocket=False,
    ),
    Application(
        name="desktop",
        title="A desktop by noVNC",
        python_packages=("websockify",),
        command=("desktop", "xterm", "-geometry", "120x40+0+0"),
        run_recipe=True,
        use=_type_on_desktop,
        tried="a command run in its terminal",
    ),
)
