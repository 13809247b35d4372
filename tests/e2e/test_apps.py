"""Three real applications, the smallest, through the whole chain in a real browser; `make apps` tries the others.

They are installed by pip into environments of their own, which stay for the next time.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.apps.__main__ import try_application
from scripts.apps.chain import BROWSER_OPTIONS, open_gateway
from scripts.apps.drivers import APPLICATIONS
from tests.support.browser import open_browser

pytestmark = pytest.mark.e2e

# On a UNIX socket, on a port, and one that is started by its recipe's name.
SMALLEST = ("bokeh", "shiny", "dash")


@pytest.mark.parametrize("name", SMALLEST)
def test_an_application_works_through_the_whole_chain(short_tmp: Path, name: str) -> None:
    [application] = [application for application in APPLICATIONS if application.name == name]
    with open_gateway(short_tmp, None) as gateway, open_browser(*BROWSER_OPTIONS) as browser:
        place = short_tmp / name
        place.mkdir()
        result = try_application(application, browser, gateway, place)
    assert not result.failure
