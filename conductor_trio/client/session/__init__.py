"""The client's session with a gateway: registered, kept up, and made again when the link is lost.

`states` draws and tables the session's states, `machine` moves through them, and `keeper` is the Trio shell that
carries it out: dials, registers, and waits as `backoff` says before it retries. `channel` is the client's end of
the control channel, `owner_client` and `listing` are for ls, stop and share.

May import `transport` and what lies below. Never here: the application's process.

Begin with the drawing at the head of `states`.
"""
