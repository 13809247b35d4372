"""What an application is called, and what is shown of its command."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.client.config.naming import describe_command, name_application
from conductor_trio.limits.constants import MAX_APPLICATION_NAME, MAX_COMMAND


@pytest.mark.parametrize(
    ("command", "description", "name"),
    [
        ("jupyter lab", "JupyterLab", "JupyterLab"),
        ("code-server", "code-server: Visual Studio Code in the browser", "code-server"),
        ("rserver", "RStudio Server, as yourself and without root", "RStudio Server"),
        ("/opt/tool/bin/tool --fast", "", "tool"),
        ("python -m http.server 8000", "", "http.server"),
        ("python3.12 -u ./app.py", "", "app.py"),
        ("env A=b python app.py", "", "app.py"),
        ("sh -c 'exec something; else'", "", "sh"),
        ("python -c 'a = 1' socket", "", "python"),
        ("bash", "", "bash"),
        ("", "", ""),
        ("x" * 99, "", "x" * MAX_APPLICATION_NAME),
    ],
)
def test_names(command: str, description: str, name: str) -> None:
    assert name_application(shlex.split(command), description) == name


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["jupyter", "lab", "my notes.ipynb"], "jupyter lab 'my notes.ipynb'"),
        (["serve", "--token=abc", "--port=1"], "serve --token=… --port=1"),
        (["serve", "--IdentityProvider.token=abc"], "serve --IdentityProvider.token=…"),
        (["env", "API_KEY=abc", "PASSWORD=d", "serve"], "env API_KEY=… PASSWORD=… serve"),
        (["serve", "--password", "abc", "--fast"], "serve --password … --fast"),
        (["serve", "--no-password", "--fast"], "serve --no-password --fast"),
        (["sh", "-c", "a\n  b"], "sh -c 'a b'"),
        (["serve", "--author", "jane"], "serve --author jane"),
    ],
)
def test_commands(command: list[str], text: str) -> None:
    assert describe_command(command) == text


@given(st.lists(st.text(max_size=99), max_size=20))
def test_no_more_is_shown_than_fits(command: list[str]) -> None:
    assert len(describe_command(command)) <= MAX_COMMAND
    assert len(name_application(command)) <= MAX_APPLICATION_NAME
