"""The command line: what was asked for, in one line if it is wrong.

`main` is the entry point, `arguments` the options, `owner_commands` ls, stop, share and doctor, `recipes_command`
recipes.

May import every room of the client, those that are slow to import only where they are needed. Never here: what a
command does.

Begin with `main`.
"""
