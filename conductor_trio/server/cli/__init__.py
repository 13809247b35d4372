"""The server's command line, and what becomes of the process.

`main` is the entry point, `table` the commands and options, `arguments` what they mean. How a command line is read
by its table is in `conductor_trio.commandline`.

May import every room of the server, those that are slow to import only where they are needed. Never here: what a
command does.

Begin with `main`.
"""
