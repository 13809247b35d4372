"""The client's events on standard output: one JSON object a line, for programs.

`events` are the events, as values, and the one place that writes them as JSON; `reporter` is where each fact is
reported once, and the log is made of it; `writer` writes them without ever holding up the client.

May import `control` and what lies below. Never here: words for people on a terminal (`display`).

Begin with `events`.
"""
