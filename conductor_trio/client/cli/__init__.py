"""The command line: what was asked for, in one line if it is wrong.

`main` is the entry point, `table` the commands and `options` their options, `arguments` what those mean that start
an application, `submit_command` submit, `owner_commands` ls, stop, share, setup and doctor, `recipes_command`
recipes. How a command line is read by its table is in `conductor_trio.commandline`.

May import every room of the client, those that are slow to import only where they are needed. Never here: what a
command does.

Begin with `main`.
"""
