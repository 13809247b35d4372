"""Command lines: one table of a program's commands and options, and what is made of it.

`table` has the words (`Program`, `Command`, `Option`, `Argument`), `parser` reads a command line by such a table
and shows its help, `completion` writes it down for bash, fish and zsh, `standard` has the commands that both
programs have, `files` what comes with them, which `shipped` reads, `output` prints, `columns` makes tables of
text, `quantities` reads and writes times and sizes, `suggest` finds what a mistyped word may mean. The tables
themselves are the programs' own: `client.cli.table`, `server.cli.table`.

May import `conductor_trio.errors` and `conductor_trio.exit_status`. Never here: what a command does, and the
configuration.

Begin with `table`.
"""
