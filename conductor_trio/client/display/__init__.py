"""The display, which is what a person sees on a terminal: what is waited for, the link, the end.

`display` takes the reports, `progress` puts them into words, `painter` and `screen` draw it, `link` has the link
and its QR code, `capabilities` what the terminal can do, `log_capture` the log while the display has the terminal.

May import `output`, `host` and what lies below. Never here: anything that decides.

Begin with `display`.
"""
