"""Configuration: TOML files that people write, and the table of settings that a program reads them by.

`toml_table` reads a file so that each mistake is told with its line, `toml_text` writes values. `settings` has
the words for a program's settings (`Setting`, `Section`, the kinds of values): where each may be said and what it
means.
`configured` puts the file, the command line and the defaults together, and knows of each value where it is from;
`report` tells that. The tables are the programs' own.

May import `commandline`, `errors` and `limits`. Never here: what a setting does, and where a file is.

Begin with `settings`.
"""
