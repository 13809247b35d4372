"""What the user, the site and the recipes say, as checked values.

`settings` is the outcome, `address` reads SERVER and LOCAL_SOCKET, `files` the configuration files (`toml_table`),
`recipes` what is known about applications, `placeholders` what stands for the socket in a command.

May import `conductor_trio.errors`, `conductor_trio.limits` and `access`. Never here: Trio, sockets, processes.

Begin with `settings`.
"""
