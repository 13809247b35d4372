"""What visitors read, sans-IO: the words of every answer of our own, as HTML, JSON or plain text.

`answers` has the text for each of `access.reasons`, `rendering` writes it in the form that the visitor asks for,
`html` is the page round it, `session_page` the owner's live page.

May import `access`, `http1` and what lies below. Never here: what is decided (`access.decide`), who asks, sockets,
time. Nothing that a visitor sent is repeated to them.

Begin with `answers`.
"""
