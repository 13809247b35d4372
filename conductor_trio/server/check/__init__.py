"""``conductor-trio-server check``: whether this host can be a gateway, and what to do where not.

`host` looks at directories, sshd, the name service, limits and certificates, and gives findings; `certificate`
reads when one ends, `neighbours` sees what other users of the host could do.

May import everything below `app`. Never here: anything that changes the host.

Begin with `host.check_host`.
"""
