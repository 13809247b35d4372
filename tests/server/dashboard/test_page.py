"""The dashboard's page: one document, whose style and script are its own, and in which names are text."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from conductor_trio.pages.documents import Document
from conductor_trio.server.dashboard.page import DashboardPage

EVIL = "</title><script>alert(1)</script>'\"&@SCRIPT@"


def policy_of(page: Document) -> str:
    return dict(page.fields)[b"Content-Security-Policy"].decode()


def test_the_policy_allows_what_is_in_it_and_nothing_else() -> None:
    page = DashboardPage().render("proof", "root")
    text = page.body.decode()
    for name, directive in (("style", "style-src"), ("script", "script-src")):
        [inside] = re.findall(rf"<{name}>(.*?)</{name}>", text, re.DOTALL)
        digest = b64encode(sha256(inside.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy_of(page)
    assert "unsafe" not in policy_of(page) and "http" not in policy_of(page)
    assert not re.findall(r"\s(?:style|on\w+)=|src=|href=\"(?!#)|@import|url\(", text.replace("onsubmit =", ""))


def test_markup_is_never_made_of_text() -> None:
    text = DashboardPage().render("proof", "root").body.decode()
    for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
        assert name not in text
    assert "require-trusted-types-for 'script'" in policy_of(DashboardPage().render("proof", "root"))


def test_a_name_is_text() -> None:
    page = DashboardPage()
    text = page.render("proof", EVIL).body.decode()
    assert EVIL not in text and "&lt;script&gt;alert(1)" in text
    assert text.count("<script>") == page.render("proof", "x").body.decode().count("<script>") == 1
    assert page.render("proof", "\udcff").body


def test_it_says_whose_gateway_it_is() -> None:
    assert "<h1>Gateway</h1>" in DashboardPage().render("proof", "root").body.decode()
    text = DashboardPage(site="Uni & Co").render("proof", "@SITE@").body.decode()
    assert "<h1>Uni &amp; Co</h1>" in text and "<title>Uni &amp; Co</title>" in text
    assert "@SITE@" in text


def test_without_scripts_it_says_what_to_do() -> None:
    text = DashboardPage().render("proof", "root").body.decode()
    [words] = re.findall(r"<noscript>(.*?)</noscript>", text, re.DOTALL)
    assert "conductor-trio-server ls" in words
    assert not re.search(r"@[A-Z]+@", text)
