"""The transports, which are ways to the control socket: over ssh, or on this host.

`open` chooses, `base` is what a way promises, `ssh` runs OpenSSH's master connection and its forwards, `local`
needs none; `ssh_command` has ssh's command lines, `ssh_log` reads what ssh says and `ssh_errors` what it means,
`ssh_mux` is what goes over the connection once it stands, `login_shell` runs commands at the gateway.
`relay_target` is what ssh connects to here, `doorway` where connections come in that ssh does not make itself.

May import `config`, `host` and what lies below. Never here: what is said over the control channel.

Begin with `base`.
"""
