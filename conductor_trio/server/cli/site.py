"""The settings of ``[site]``: whose gateway it is, as pages and clients show it."""

from __future__ import annotations

from conductor_trio.configuration.configured import Configuration, Given
from conductor_trio.configuration.settings import Path, Section, Setting, Text
from conductor_trio.limits.constants import MAX_HELP_URL, MAX_LOGO, MAX_NOTICE_TEXT, MAX_SITE_NAME
from conductor_trio.pages.colors import parse_color
from conductor_trio.pages.house import House, check_help_url
from conductor_trio.pages.style import DEFAULT_COLOR


def _line(most: int, text: str) -> str:
    """Return one line of so many characters at most; raises ValueError. That it can be printed is known."""
    if not text.strip() or len(text) > most:
        raise ValueError(f"it has 1 to {most} characters")
    return text.strip()


def _normalize_help_url(text: str) -> str:
    return check_help_url(_line(MAX_HELP_URL, text))


def _normalize_color(text: str) -> str:
    return str(parse_color(text))


SITE = Section(
    name="site",
    settings=(
        Setting(
            field="site_name",
            own_key="name",
            kind=Text(normalize=lambda text: _line(MAX_SITE_NAME, text)),
            help="whose gateway it is: shown on the gateway's own pages, and in clients' errors as whom to ask",
            example='"HPC centre of the University of Example"',
        ),
        Setting(
            field="site_logo",
            own_key="logo",
            kind=Path(),
            help="picture for the pages, read at start: PNG, JPEG, GIF, WebP or SVG of at most "
            f"{MAX_LOGO // 1024} KiB",
            example='"/etc/conductor-trio/logo.svg"',
        ),
        Setting(
            field="site_help_url",
            own_key="help_url",
            kind=Text(normalize=_normalize_help_url),
            help="where help is: an address of the web, or mailto:",
            example='"https://hpc.uni.example/help"',
        ),
        Setting(
            field="site_announcement",
            own_key="announcement",
            kind=Text(normalize=lambda text: _line(MAX_NOTICE_TEXT, text)),
            help="what stands on every page of the gateway's own; `conductor-trio-server announce` adds to it",
            example='"Maintenance on the first Monday of each month."',
        ),
        Setting(
            field="site_color",
            own_key="color",
            kind=Text(normalize=_normalize_color),
            default=str(DEFAULT_COLOR),
            help="colour of buttons and links, as #rrggbb",
            more="It is made darker or lighter where text could not be read on it, or in it.",
        ),
    ),
    help="The house: whose gateway it is, on every page of its own and in the errors of clients.",
)


def read_house(said: Configuration) -> House:
    """Return what the settings say of the house; its logo is read at the start."""
    return House(
        name=_text(said["site_name"]),
        help_url=_text(said["site_help_url"]),
        announcement=_text(said["site_announcement"]),
        color=parse_color(_text(said["site_color"])),
    )


def _text(given: Given) -> str:
    return "" if given.value is None else str(given.value)
