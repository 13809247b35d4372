"""The client's session with a gateway: registered, kept, and made again when the link is lost.

`keeper` dials, registers, and chooses with `backoff` how long to wait before it dials again; `channel` is the
client's end of the control channel, `owner_client` and `listing` are for ls, stop and share.

May import `transport` and what lies below. Never here: the application's process.

Begin with `keeper`.
"""
