"""A private, stable web address for an application on a compute node, over plain SSH.

Two programs: ``conductor-trio-server`` on the gateway (`conductor_trio.server`) and ``conductor-trio`` on the
compute node (`conductor_trio.client`), over rooms that both use: `http1`, `access`, `control` and `pages`, which
are sans-IO, `commandline`, and `net`, Trio's primitives. ARCHITECTURE.md beside this file has the map.

Imports go down only; import-linter holds that. This file imports nothing, so that the client starts quickly.

Begin with ARCHITECTURE.md.
"""

__version__ = "0.1.0"
