"""A private, stable web address for an application on a compute node, over plain SSH.

Two programs: ``conductor-trio-server`` on the gateway (`conductor_trio.server`) and ``conductor-trio`` on the
compute node (`conductor_trio.client`). This file imports nothing, so that the client starts quickly.
"""

__version__ = "0.1.0"
