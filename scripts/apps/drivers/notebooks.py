"""Notebooks: JupyterLab, Jupyter Notebook, Voilà, marimo."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from scripts.apps.application import AppError, Application

# Jupyter refuses to run as root unless told, which only tests do.
AS_ROOT = ("--allow-root",) if os.geteuid() == 0 else ()

_TRIES = 4
_TRY_TIMEOUT = 10_000.0  # ms


def make_notebook(cell: str) -> str:
    """Return a notebook with this one cell of Python."""
    code: dict[str, object] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "only",
        "metadata": {},
        "outputs": [],
        "source": cell,
    }
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps(
        {
            "cells": [code],
            "metadata": {"kernelspec": kernel},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


_KERNEL_IS_READY = """
fetch("/api/kernels").then((answer) => answer.json()).then(
    ([kernel]) => kernel && kernel.execution_state == "idle" && kernel.connections > 0)
"""


def _run_cell(page: Page, directory: Path) -> None:
    # A page that does not know its kernel yet asks for one instead of running the cell.
    page.add_locator_handler(page.get_by_role("button", name="Select Kernel"), lambda button: button.click())
    page.wait_for_function(_KERNEL_IS_READY)
    answer = page.locator(".jp-OutputArea-output").first
    for _ in range(_TRIES):
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Shift+Enter")
        with contextlib.suppress(AssertionError):
            expect(answer).to_have_text(re.compile("the answer is 42"), timeout=_TRY_TIMEOUT)
            return
    raise AppError("the cell was not run")


def _press_widget(page: Page, directory: Path) -> None:
    page.get_by_role("button", name="Press").click()
    expect(page.get_by_text("pressed: 42")).to_be_visible()


def _run_cells_and_press(page: Page, directory: Path) -> None:
    page.locator(".cm-content").first.click()
    page.keyboard.press("Control+Shift+r")  # runs all cells
    _press_widget(page, directory)


_CELL = make_notebook("print('the answer is', 6 * 7)")

_WIDGETS = make_notebook(
    """\
import ipywidgets
button, label = ipywidgets.Button(description="Press"), ipywidgets.Label("not pressed")
button.on_click(lambda _: setattr(label, "value", f"pressed: {6 * 7}"))
ipywidgets.VBox([button, label])"""
)

_MARIMO = """\
import marimo
app = marimo.App()

@app.cell
def _():
    import marimo as mo
    button = mo.ui.button(label="Press", value=0, on_click=lambda value: value + 42)
    button
    return button, mo

@app.cell
def _(button, mo):
    mo.md(f"pressed: {button.value}")
    return

if __name__ == "__main__":
    app.run()
"""

APPLICATIONS = (
    Application(
        name="jupyterlab",
        title="JupyterLab",
        python_packages=("jupyterlab", "ipykernel"),
        command=("jupyter", "lab", *AS_ROOT),
        files={"cell.ipynb": _CELL},
        start="/lab/tree/cell.ipynb",
        use=_run_cell,
        tried="a cell run",
    ),
    Application(
        name="notebook",
        title="Jupyter Notebook",
        python_packages=("notebook", "ipykernel"),
        command=("jupyter", "notebook", *AS_ROOT),
        files={"cell.ipynb": _CELL},
        start="/notebooks/cell.ipynb",
        use=_run_cell,
        tried="a cell run",
    ),
    Application(
        name="voila",
        title="Voilà",
        python_packages=("voila", "ipywidgets", "ipykernel"),
        command=("voila", "widgets.ipynb"),
        files={"widgets.ipynb": _WIDGETS},
        use=_press_widget,
        tried="a widget's button pressed",
    ),
    Application(
        name="marimo",
        title="marimo",
        python_packages=("marimo",),
        command=("marimo", "edit", "cells.py"),
        files={"cells.py": _MARIMO},
        use=_run_cells_and_press,
        tried="cells run, a button pressed",
    ),
)
