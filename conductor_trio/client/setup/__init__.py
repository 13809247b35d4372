"""`conductor-trio setup`: a way to the gateway for compute nodes, made once.

`key` makes a key of its own, `install` has the gateway take it, by a login that the user makes as with ssh,
`configuration` names the gateway in the user's file, sans-IO, and `walk` does one after the other. What is there
already is kept, so that it can be run again.

May import `client.config` and what is below; `client.doctor` is run by the command. Never here: an event loop,
since ssh has the terminal.

Begin with `walk`.
"""
