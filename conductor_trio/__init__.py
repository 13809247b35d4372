"""A private, stable web address for an application on a compute node, over plain SSH.

Two programs: ``conductor-trio-server`` on the gateway (`conductor_trio.server`) and ``conductor-trio`` on the
compute node (`conductor_trio.client`), over rooms that both use: `http1`, `access`, `control` and `pages`, which
are sans-IO, `commandline`, and `net`, Trio's primitives. ARCHITECTURE.md beside this file has the map.

For programs: `publish`, what goes with it, and the `events` (docs/api.md). They are imported when they are asked
for: this file imports nothing, so that the client starts quickly. Imports go down only; import-linter holds that.

Begin with ARCHITECTURE.md.
"""

__version__ = "0.1.0"

#: What there is for programs, and where; `__init__.pyi` says the same to type checkers.
_PLACES = {
    "publish": "client.published",
    "PublishedSession": "client.published",
    "SessionStopped": "client.published",
    "events": "client.output.events",
    "ConductorError": "errors",
    "ConfigError": "errors",
}


def __getattr__(name: str) -> object:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f"{__name__}.{place}")
    return module if place.endswith(f".{name}") else getattr(module, name)


def __dir__() -> list[str]:
    return [*globals(), *_PLACES]
