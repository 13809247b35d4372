"""Applications that know only TCP ports: a network namespace of their own.

`plan` decides, `namespace` makes one, `runner` is the process inside, `port_relay` joins the port to the local
socket, `uplink` is the way out (pasta or slirp4netns).

May import `host` and what lies below. Never here: the gateway, the display.

Begin with `plan`.
"""
