"""What is made of the programs' tables of commands and options and kept in contrib: completions, manual pages,
and the example of the server's file."""
