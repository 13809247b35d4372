"""The session's page: whole without anything from elsewhere, its script the one that its policy allows."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest

from conductor_trio.pages.house import House
from conductor_trio.pages.session_page import SessionView, SignOn, render_session_page, session_policy
from conductor_trio.pages.words.languages import LANGUAGES


def render(proof: str = "a-proof_1", language: str = "en", **view: Any) -> str:
    return render_session_page(
        SessionView(**{"key": "lab", "proof": proof, **view}), LANGUAGES[language], House()
    ).decode()


PAGE = render()
SESSION_POLICY = session_policy(House())


def test_the_policy_allows_its_own_script_and_no_other() -> None:
    [script] = re.findall(r"<script>(.*)</script>", PAGE, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    policy = dict(part.split(" ", 1) for part in SESSION_POLICY.decode().split("; "))
    assert policy["script-src"] == f"'sha256-{digest}'"
    assert policy["default-src"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"


def test_the_script_finds_every_place_that_it_names() -> None:
    [script] = re.findall(r"<script>(.*)</script>", PAGE, re.DOTALL)
    places = set(re.findall(r'\b(?:find|put)\("([a-z]+)"', script))
    places |= {
        place for some in re.findall(r"show_if\(\[([^\]]*)\]", script) for place in re.findall("[a-z]+", some)
    }
    assert places
    assert places <= set(re.findall(r'\bid="([a-z]+)"', PAGE))


def test_what_others_told_becomes_text_and_never_markup() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b", PAGE)


def test_nothing_is_loaded_from_elsewhere_and_no_handler_stands_in_the_markup() -> None:
    assert not re.search(r"\bsrc=|https?://(?!www\.w3\.org/2000/svg)|@import|url\(", PAGE)
    assert not re.search(r"\son[a-z]+=\"", PAGE)


def test_every_field_has_its_label() -> None:
    fields = re.findall(r"<(?:input|select|textarea)\b[^>]*\bid=\"([a-z]+)\"", PAGE)
    assert fields
    for field in fields:
        assert f'for="{field}"' in PAGE or re.search(rf'<label[^>]*><input[^>]*id="{field}"', PAGE)


@pytest.mark.parametrize("sign_on", SignOn)
def test_people_are_named_where_that_means_anything_and_links_made_where_they_open_anything(
    sign_on: SignOn,
) -> None:
    page = render(sign_on=sign_on)
    assert ('id="with"' in page) is (sign_on is not SignOn.NONE)
    assert ('class="check" hidden' in page) is (sign_on is SignOn.NEEDED)
    assert page.count('<label for="with">') == page.count('id="with"')
    assert ("required" in page) is (sign_on is SignOn.NEEDED)


def test_the_proof_stands_in_the_page_and_not_in_its_script() -> None:
    # The policy allows one script, and knows it by its digest.
    assert PAGE.count("a-proof_1") == 1 and '<meta name="proof" content="a-proof_1">' in PAGE
    assert render("") == PAGE.replace("a-proof_1", "")


def test_it_says_which_session_it_is_about() -> None:
    page = render(user="alice", node="node17", application="JupyterLab")
    assert "<title>JupyterLab – lab · conductor-trio</title>" in page
    assert '<h1>JupyterLab</h1>\n<p class="soft">lab · alice · node17</p>' in page
    assert "<h1>lab</h1>" in render(user="alice")


def test_names_of_others_are_text() -> None:
    page = render(key="lab", user="<b>", node='"><script>', application="</title><script>alert(1)</script>")
    assert "<b>" not in page and page.count("<script>") == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_the_same_script_and_all_words_of_it(language: str) -> None:
    page = render(language=language)
    assert f'<html lang="{language}">' in page
    [script] = re.findall(r"<script>(.*)</script>", page, re.DOTALL)
    assert script in PAGE
    assert set(re.findall(r"\bwords\.([a-z_]+)", script)) <= set(LANGUAGES[language].session)
    assert len(page) < 30_000
