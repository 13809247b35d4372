"""What is made of the programs' tables of commands and options and kept in contrib: completions, manual pages."""
