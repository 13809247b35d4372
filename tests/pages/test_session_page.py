"""The session's page: whole without anything from elsewhere, its script the one that its policy allows."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

import pytest

from conductor_trio.pages.session_page import SESSION_POLICY, SignOn, render_session_page

PAGE = render_session_page("a-proof_1").decode()


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
    assert places
    assert places <= set(re.findall(r'\bid="([a-z]+)"', PAGE))


def test_what_others_told_becomes_text_and_never_markup() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b", PAGE)


def test_nothing_is_loaded_from_elsewhere_and_no_handler_stands_in_the_markup() -> None:
    assert not re.search(r"\bsrc=|https?://|@import|url\(", PAGE)
    assert not re.search(r"\son[a-z]+=\"", PAGE)


def test_every_field_has_its_label() -> None:
    fields = re.findall(r"<(?:input|select)\b[^>]*\bid=\"([a-z]+)\"", PAGE)
    assert fields
    for field in fields:
        assert f'for="{field}"' in PAGE or re.search(rf'<label[^>]*><input[^>]*id="{field}"', PAGE)


@pytest.mark.parametrize("sign_on", SignOn)
def test_people_are_named_where_that_means_anything_and_links_made_where_they_open_anything(
    sign_on: SignOn,
) -> None:
    page = render_session_page("p", sign_on).decode()
    assert ('id="with"' in page) is (sign_on is not SignOn.NONE)
    assert ('class="check" hidden' in page) is (sign_on is SignOn.NEEDED)
    assert page.count('<label for="with">') == page.count('id="with"')
    assert "%(" not in page


def test_the_proof_stands_in_the_page_and_not_in_its_script() -> None:
    # The policy allows one script, and knows it by its digest.
    assert PAGE.count("a-proof_1") == 1 and '<meta name="proof" content="a-proof_1">' in PAGE
    assert render_session_page("").decode() == PAGE.replace("a-proof_1", "")
