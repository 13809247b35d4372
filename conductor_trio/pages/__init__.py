"""What visitors read, sans-IO: the words of every answer of our own, as HTML, JSON or plain text.

`answers` has the topic for each of `access.reasons`, and `words` what is said of it in each language. `rendering`
writes an answer in the form and language that the visitor asks for, `html` is the page round it, `session_page`
the owner's live page. `style` is the design of both, `house` what the operator says of themselves, and the policy
of all pages.

May import `access`, `http1` and what lies below. Never here: what is decided (`access.decide`), who asks, sockets,
time. Nothing that a visitor sent is repeated to them.

Begin with `answers`.
"""
