"""The house: which pictures and addresses are taken, whom clients are told to ask, and what its pages may do."""

from __future__ import annotations

import pytest

from conductor_trio.limits.constants import MAX_LOGO
from conductor_trio.pages.colors import parse_color
from conductor_trio.pages.house import LOGO_PATH, House, Logo, check_help_url, digest, read_logo
from conductor_trio.pages.page_script import SCRIPT

SPACES = b'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
SVG = b"<svg " + SPACES + b' viewBox="0 0 1 1">%b</svg>'


@pytest.mark.parametrize(
    ("data", "type_"),
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a.", "image/gif"),
        (b"RIFF\x01\n\x02\x03WEBPVP8 ", "image/webp"),
        (SVG % b"<path/>", "image/svg+xml"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn -->\n' + SVG % b"<path/>", "image/svg+xml"),
        (
            b'<!DOCTYPE svg PUBLIC "a" "http://b">' + SVG % b'<use xlink:href="#a"/><style>a{}</style>',
            "image/svg+xml",
        ),
        (SVG % b'<image href="data:image/png;base64,AA=="/>', "image/svg+xml"),
    ],
)
def test_pictures_are_taken(data: bytes, type_: str) -> None:
    logo = read_logo(data)
    assert (logo.type, logo.data) == (type_, data)
    assert logo.address.startswith(LOGO_PATH + "?") and logo.address != read_logo(data + b" ").address


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is no picture"),
        (b"<html><svg></svg></html>", "is no picture"),
        (b"\xef\xbb\xbfhello", "is no picture"),
        (b"%PDF-1.4", "is no picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(MAX_LOGO), "more than 64 KiB"),
        *(
            (SVG % inner, "more than to be seen")
            for inner in (
                b"<script>1</script>",
                b"<SCRIPT>1</SCRIPT>",
                b"<s:script>1</s:script>",
                b'<path onload="x"/>',
                b"<path\nonclick = 'x'/>",
                b"<foreignObject/>",
                b'<a xlink:href="javascript:1"/>',
                b'<image href="https://elsewhere.test/a.png"/>',
                b"<image href='//elsewhere.test/a.png'/>",
                b"<style>@import 'a'</style>",
            )
        ),
        (b'<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG % b"", "no picture"),
    ],
)
def test_what_is_no_picture_that_only_is_seen(data: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read_logo(data)


@pytest.mark.parametrize("url", ["https://hpc.test/help?a=b", "http://hpc.test", "mailto:help@hpc.test"])
def test_addresses_of_help(url: str) -> None:
    assert check_help_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "help", "/help", "https://", "mailto:", "mailto:help", "javascript:alert(1)", "ftp://a.test"),
        *("https://a b", "https://a.test/\n", 'https://a.test/"onclick="x', "data:text/html,x", "https://ä.test/"),
    ],
)
def test_what_is_no_address_of_help(url: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        check_help_url(url)


def test_whom_to_ask() -> None:
    assert House().contact == "its administrators"
    assert House(name="HPC").contact == "HPC"
    assert House(help_url="https://hpc.test").contact == "its administrators (https://hpc.test)"
    assert House(name="HPC", help_url="https://hpc.test").contact == "HPC (https://hpc.test)"


def test_the_policy_allows_the_pages_own_parts_and_nothing_else() -> None:
    plain = House().plain_policy.decode().split("; ")
    assert plain == [
        "default-src 'none'",
        f"style-src {digest(House().style)}",
        "img-src data:",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
    lively = House().policy.decode().split("; ")
    assert set(lively) - set(plain) == {f"script-src {digest(SCRIPT)}", "connect-src 'self'"}
    assert b"img-src data: 'self'" in House(logo=Logo("image/png", b"x")).plain_policy
    assert House(color=parse_color("#123456")).plain_policy != House().plain_policy
