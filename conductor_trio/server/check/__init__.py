"""``conductor-trio-server check``: whether this host can be a gateway, and what to do where not.

`host` looks at directories, the name service, limits and certificates, and gives findings; `sshd` looks at the SSH
server's settings; `certificate` reads when one ends.

May import everything below `app`. Never here: anything that changes the host.

Begin with `host.check_host`.
"""
