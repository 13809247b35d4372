"""The applications: how a user starts each, and what a visitor does with it.

What the visitor does has an effect that only the application, at the far end of the chain, can bring about.
"""

from __future__ import annotations

from scripts.apps.application import Application
from scripts.apps.drivers import computing, dashboards, notebooks, tools

APPLICATIONS: tuple[Application, ...] = (
    *notebooks.APPLICATIONS,
    *dashboards.APPLICATIONS,
    *tools.APPLICATIONS,
    *computing.APPLICATIONS,
)
