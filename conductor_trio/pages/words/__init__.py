"""All words that people read on the server's own pages: one table for each language, sans-IO.

`words` says what a table holds, `english` and `german` are the tables, with parts of theirs in `dashboard` and
`sign_on`; `languages` chooses one of them for who asks. English is also what programs get, and whoever asks for a
language that there is not. Another language is another module here and a line in `languages`: a test holds that no
table lacks a text, or a placeholder in it, that another has.

May import nothing of the project but `message` and what lies below. Never here: markup, and who is told what.

Begin with `languages`.
"""
