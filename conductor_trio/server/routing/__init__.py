"""The route table, shared by the planes: what is known of a host name.

`routes` are the values, `table` finds them and knows in which order they come and go, `snapshot` is what is left
of them to a successor.

May import `accounts` and the sans-IO rooms. Never here: sockets to visitors or applications, HTTP.

Begin with `routes`.
"""
